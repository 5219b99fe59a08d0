"""What the import contracts cannot see of the promise that the core is pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import retry_run_task

PACKAGE = Path(retry_run_task.__path__[0])
PURE = ("failures", "launch", "messages", "policy", "recovery", "sources")
CORE = sorted(path for folder in PURE for path in (PACKAGE / folder).glob("*.py"))

CLOCKS = {("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today")}
BUILTINS = {"open", "print", "input", "eval", "exec", "compile", "__import__", "breakpoint", "globals"}


@pytest.mark.parametrize("path", CORE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_core_asks_no_type_for_the_time_and_calls_no_builtin_that_acts(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method):
                assert (name, method) not in CLOCKS, f"line {node.lineno}"
            case ast.Call(func=ast.Name(id=name)):
                assert name not in BUILTINS, f"line {node.lineno}"
            case _:
                pass


def test_there_is_a_core_to_look_at() -> None:
    assert len(CORE) > 10
