"""Which policy an update deploys, by the zip that is installed and the one that the package carries."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

import pytest

from retry_run_task.commands.deploy.own_policy import OwnPolicy

BUILT_IN = files("retry_run_task").joinpath("policy.toml").read_bytes()


def zip_with(policy: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("retry_run_task/policy.toml", policy)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("policy", "name"),
    [(BUILT_IN, "lambda.zip"), (BUILT_IN + b"# mine\n", "lambda-with-policy.zip")],
)
def test_a_zip_is_named_by_the_policy_that_it_carries(policy: bytes, name: str) -> None:
    """`make bundle POLICY=` puts one's own into the zip of the package, and an update must know it again."""
    code = zip_with(policy)
    assert OwnPolicy().zipped(code) == (name, code)
