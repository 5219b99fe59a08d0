"""The pages that are written from the code say what the code says."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path, reference: ModuleType) -> Path:
    """A folder with pages that are up to date."""
    (tmp_path / "docs").mkdir()
    for name in ("notifications.md", "policy.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs")
    assert reference.main([], tmp_path) == 0
    return tmp_path


def test_every_page_is_up_to_date(reference: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_a_fresh_folder_gets_every_page(copy: Path, reference: ModuleType) -> None:
    assert reference.main(["--check"], copy) == 0
    # Not written from the code, but from the zip, the template and `make mutants`.
    others = {"licences.md", "permissions.md", "mutants.md"}
    assert {path.name for path in (copy / "docs/reference").iterdir()} | others == {
        path.name for path in (ROOT / "docs/reference").iterdir()
    }


@pytest.mark.parametrize("name", ["docs/reference/log-events.md", "docs/policy.md"])
def test_a_stale_page_is_named_and_written_again(
    copy: Path, reference: ModuleType, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    page = copy / name
    fresh = page.read_text(encoding="utf-8")
    page.write_text(
        fresh.replace("after the failed call |", "|").replace("Name of", "What"),
        encoding="utf-8",
    )
    capsys.readouterr()

    assert reference.main(["--check"], copy) == 1
    assert capsys.readouterr().err == f"{name} is stale; write it again with: make docs\n"

    assert reference.main([], copy) == 0
    assert page.read_text(encoding="utf-8") == fresh


def test_an_unknown_argument_is_refused(reference: ModuleType) -> None:
    assert reference.main(["--force"]) == 2


def test_a_page_without_its_marks_is_refused(reference: ModuleType) -> None:
    with pytest.raises(ValueError, match="each once"):
        reference.with_handlings("# A page that lost its table", "| table |")
