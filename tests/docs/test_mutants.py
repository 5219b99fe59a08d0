"""The list of mutants does not rot: each can be made, and its tests exist. ``make mutants`` tries them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MUTANTS = tool().mutants()
NEVER = {
    "the client token is dropped",
    "the partial arithmetic is dropped",
    "ConflictException is ignored",
    "AccessDenied is tried again",
    "the jitter is forgotten",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_old_text_stands_there_once_and_the_tests_exist(mutant: Any) -> None:
    assert mutant.found() == 1
    assert mutant.old != mutant.new
    assert mutant.tests
    assert all((ROOT / test.partition("::")[0]).is_file() for test in mutant.tests)
    assert mutant.why.endswith(".")


def test_the_list_has_those_that_may_never_survive_and_each_part_of_the_core() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) >= 20
    assert set(names) >= NEVER
    files = {Path(mutant.file).stem for mutant in MUTANTS}
    assert files >= {
        "loop",
        "decision",
        "names",
        "classify",
        "request",
        "intake",
        "wire",
        "backoff",
        "scope",
    }
