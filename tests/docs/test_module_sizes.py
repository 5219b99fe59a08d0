"""No module and no function grows beyond what is read at a sitting."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import retry_run_task

PACKAGE = Path(retry_run_task.__path__[0])
MODULES = sorted(PACKAGE.rglob("*.py"))

LINES_MAX, CODE_LINES_MAX = 400, 45
# Data: one entry for each text of AWS's.
DATA = {"failures/table.py"}


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Return how many lines a function's body has, without docstring, comments and blank lines."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    taken = (line.strip() for line in lines[body[0].lineno - 1 : function.end_lineno])
    return sum(bool(line) and not line.startswith("#") for line in taken)


def too_long(text: str) -> dict[str, int]:
    """Return the functions of a module that are too long, by name and line, with their number of lines."""
    lines = text.splitlines()
    found = {
        f"{node.name}:{node.lineno}": code_lines(node, lines)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return {function: length for function, length in found.items() if length > CODE_LINES_MAX}


@pytest.mark.parametrize("path", [one for one in MODULES if name(one) not in DATA], ids=name)
def test_no_module_and_no_function_is_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    assert too_long(text) == {}


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 100
    assert {name(path) for path in MODULES} >= DATA


@pytest.mark.parametrize(("lines", "is_long"), [(CODE_LINES_MAX, False), (CODE_LINES_MAX + 1, True)])
def test_what_counts_is_code(lines: int, is_long: bool) -> None:
    body = "\n".join(f"    a = {n}\n\n    # why" for n in range(lines))
    text = f'def f(\n    a: int,\n) -> None:\n    """Say what.\n\n    More.\n    """\n{body}\n'
    assert too_long(text) == ({"f:1": lines} if is_long else {})
