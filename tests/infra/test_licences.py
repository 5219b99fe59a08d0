"""Whose code the zip holds: nothing that may not be passed on, and every licence's text with it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "tools" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_the_zip_that_was_built(tool: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().err


def test_every_package_of_the_zip_has_an_allowed_licence_and_its_text(tool: Any) -> None:
    files = tool.read(tool.ZIP)
    found = tool.packages(files)
    folders = {name.split("/")[0] for name in files if ".dist-info/" in name}
    assert len(found) == len(folders) + 1
    for package in found:
        assert tool.allowed(package.expression), package
        # A file that says it is a licence, and has more than a name in it.
        assert any(len(files[text]) > 300 for text in package.texts), package


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("Apache-2.0 AND BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("LGPL-2.1-or-later", False),
        ("MPL-2.0", False),
        ("MIT ", True),
        ("", False),
        # Not understood, and so not allowed.
        ("(MIT OR GPL-2.0-only) AND MIT", False),
        ("Apache-2.0 WITH LLVM-exception", False),
    ],
)
def test_what_is_allowed(tool: Any, expression: str, expected: bool) -> None:
    assert tool.allowed(expression) is expected


def zip_with(metadata: str, **more: bytes) -> dict[str, bytes]:
    return {
        "retry_run_task/__init__.py": b'__version__ = "1.2.3"\n',
        "retry_run_task/LICENSE": b"Apache",
        "some_thing-1.0.dist-info/METADATA": f"Name: some_thing\nVersion: 1.0\n{metadata}\n".encode(),
    } | more


LICENCE = {"some_thing-1.0.dist-info/licenses/LICENSE.txt": b"text"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (zip_with("License-Expression: MIT", **LICENCE), None),
        (zip_with("License-Expression: MIT", **{"some_thing/LICENSE": b"text"}), None),
        (zip_with("License-Expression: GPL-3.0-only", **LICENCE), "some-thing is under GPL-3.0-only, which"),
        (
            zip_with("License: MIT", **LICENCE),
            "some-thing 1.0 has no License-Expression, and its License is 'MIT'",
        ),
        (zip_with("License-Expression: MIT"), "the text of some-thing's licence is not in the zip"),
        # A notice is no licence, and the licence of what another package carries is not its own.
        (
            zip_with(
                "License-Expression: MIT", **{"some_thing/NOTICE": b"text", "some_thing/x/LICENSE": b"text"}
            ),
            "the text of some-thing's licence is not in the zip",
        ),
    ],
)
def test_what_may_not_be_passed_on_is_an_error(
    tool: Any, files: dict[str, bytes], problem: str | None
) -> None:
    if problem is None:
        assert [package.name for package in tool.packages(files)] == ["retry-run-task", "some-thing"]
    else:
        with pytest.raises(tool.LicenceError) as caught:
            tool.packages(files)
        assert problem in str(caught.value)


def test_every_problem_is_named_at_once(tool: Any) -> None:
    with pytest.raises(tool.LicenceError) as caught:
        tool.packages(zip_with("License-Expression: GPL-3.0-only"))
    assert len(str(caught.value).splitlines()) == 2


def test_metadata_that_changed_is_read_again(tool: Any) -> None:
    """What a person once read in a text is believed only as long as the metadata says what it said then."""
    name = "six-9.0.dist-info/METADATA"
    files = zip_with("License-Expression: MIT", **LICENCE) | {"six-9.0.dist-info/LICENSE": b"text"}
    assert tool.packages({**files, name: b"Name: six\nVersion: 9.0\nLicense: MIT\n"})
    with pytest.raises(tool.LicenceError, match="its License is 'GPL', not 'MIT'"):
        tool.packages({**files, name: b"Name: six\nVersion: 9.0\nLicense: GPL\n"})
