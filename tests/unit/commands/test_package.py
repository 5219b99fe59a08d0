"""The zip with a policy of one's own: one file is another, everything else is what it was, byte for byte."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

import pytest

from retry_run_task.commands.deploy.package import ENTRY, PackageError, with_policy
from retry_run_task.errors import ConfigError

SHIPPED = files("retry_run_task").joinpath("policy.toml").read_bytes()
OWN = SHIPPED.replace(b'deadline = "1 d"', b'deadline = "3 h"')


def built(policy: bytes = SHIPPED, *, name: str = ENTRY) -> bytes:
    """Return a zip as tools/bundle.py makes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry_name, content in (("boto/x.py", b"x" * 5000), (name, policy), ("z/licence", b"MIT")):
            entry = zipfile.ZipInfo(entry_name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def test_it_is_the_zip_that_would_have_been_built_with_it() -> None:
    assert OWN != SHIPPED
    assert with_policy(built(), OWN) == built(OWN)
    assert with_policy(with_policy(built(), OWN), SHIPPED) == built()


def test_the_same_policy_changes_nothing() -> None:
    assert with_policy(built(), SHIPPED) == built()


def test_a_policy_with_problems_goes_into_no_zip_and_every_problem_is_named() -> None:
    bad = OWN.replace(b"\nspread", b"\nspred").replace(b'"3 h"', b'"3 hours"')
    with pytest.raises(ConfigError) as raised:
        with_policy(built(), bad, name="mine.toml")
    line = SHIPPED[: SHIPPED.index(b"\nspread")].count(b"\n") + 2
    assert f"mine.toml:{line}: spred is not a key" in str(raised.value)
    assert "deadline of rule 'everything' is '3 hours'" in str(raised.value)


@pytest.mark.parametrize("policy", [b"\xff\xfe", b"not a policy"])
def test_what_is_no_text_and_no_toml_goes_into_no_zip(policy: bytes) -> None:
    with pytest.raises(ConfigError):
        with_policy(built(), policy)


@pytest.mark.parametrize(
    ("content", "says"), [(b"PK", "not a zip"), (built(name="other"), "no retry_run_task/policy")]
)
def test_what_is_not_the_functions_zip_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(PackageError, match=says):
        with_policy(content, SHIPPED)
