"""The list of mutants is one of the code that there is."""

from __future__ import annotations

import ast
import importlib.util
import sys
import tomllib
from typing import Any

import pytest

from docs.markdown_pages import ROOT

SPEC = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
assert SPEC is not None
assert SPEC.loader is not None
MUTANTS: Any = importlib.util.module_from_spec(SPEC)
sys.modules["mutants"] = MUTANTS
SPEC.loader.exec_module(MUTANTS)

LIST = tomllib.loads(MUTANTS.LIST.read_text(encoding="utf-8"))
EQUIVALENT = LIST.get("equivalent", [])
DIFF = """\
--- src/retry_run_task/aws/rate_limiter.py
+++ src/retry_run_task/aws/rate_limiter.py
@@ -1,3 +1,3 @@
 def wait(self):
-    if self.x > 1:
+    if self.x >= 1:
         return
"""


@pytest.mark.parametrize("group", LIST["group"], ids=lambda group: group["name"])
def test_a_group_names_modules_and_tests_that_there_are(group: dict[str, Any]) -> None:
    assert MUTANTS.modules(group)
    for name in (*group["tests"], *group.get("slow", ())):
        path, _, test = name.partition("::")
        assert (ROOT / path).exists()
        assert not test or f"def {test.partition('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8")


def test_no_module_is_in_two_groups() -> None:
    names = [name for group in LIST["group"] for name in MUTANTS.modules(group)]
    assert len(names) == len(set(names))


def test_the_table_has_only_modules_that_there_are() -> None:
    names = {name for group in LIST["group"] for name in MUTANTS.modules(group)}
    rows = MUTANTS.read_table(MUTANTS.PAGE.read_text(encoding="utf-8"))
    assert {row.module for row in rows} <= names
    assert len(rows) > 40


@pytest.mark.parametrize("entry", EQUIVALENT, ids=lambda entry: f"{entry['in']}: {entry['now']:.40}")
def test_an_equivalent_mutant_changes_code_that_there_is_and_says_why_nobody_can_notice(
    entry: dict[str, str],
) -> None:
    assert set(entry) == {"in", "was", "now", "why"}
    assert entry["why"].endswith(".")
    where = next(
        name.replace("/", ".")
        for group in LIST["group"]
        for name in MUTANTS.modules(group)
        if entry["in"].startswith(f"{name.replace('/', '.')}.")
    )
    source = (ROOT / MUTANTS.PACKAGE / f"{where.replace('.', '/')}.py").read_text(encoding="utf-8")
    function = entry["in"].rpartition(".")[2]
    found = [
        ast.get_source_segment(source, node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    ]
    assert found, f"there is no {entry['in']}"
    lines = {line.strip() for code in found for line in code.splitlines()}
    assert set(entry["was"].strip().splitlines()) <= lines


def test_a_table_keeps_the_rows_of_modules_that_were_not_tried_again() -> None:
    page = f"before\n{MUTANTS.BEGIN}\n\n{MUTANTS.END}\nbehind\n"
    old = MUTANTS.Row("recovery/after", 2000, 1000, 990, 4, 6, "2026-01-01")
    other = MUTANTS.Row("aws/rate_limiter", 50, 50, 49, 1, 0, "2026-01-01")
    newer = MUTANTS.Row("recovery/after", 2000, 2000, 1995, 4, 1, "2026-02-02")
    page = MUTANTS.write_table(MUTANTS.write_table(page, [old, other]), [newer])
    assert MUTANTS.read_table(page) == [other, newer]
    assert page.startswith("before\n")
    assert page.endswith("\nbehind\n")
    assert "| all | 2,050 | 2,050 | 2,044 | 5 | 1 | 99.9 % |  |" in page


@pytest.mark.parametrize(
    ("killed", "survived", "share"), [(1995, 1, 99.9), (1, 0, 100), (0, 1, 0), (0, 0, 0), (9499, 501, 94.9)]
)
def test_a_share_is_rounded_down_and_never_up_to_a_goal(killed: int, survived: int, share: float) -> None:
    assert MUTANTS.Row("a", 9, 9, killed, 0, survived, "2026-01-01").share == share


def test_a_diff_says_what_was_changed_into_what() -> None:
    assert MUTANTS.change(DIFF) == ("if self.x > 1:", "if self.x >= 1:")


@pytest.mark.parametrize(
    ("name", "function"),
    [
        (
            "retry_run_task.aws.rate_limiter.xǁRateLimiterǁwait__mutmut_12",
            "aws.rate_limiter.RateLimiter.wait",
        ),
        ("retry_run_task.recovery.after.x__timed__mutmut_3", "recovery.after._timed"),
        ("retry_run_task.recovery.after.x_x__mutmut_3", "recovery.after.x"),
        ("retry_run_task.intake.x_take_in__mutmut_1", "intake.take_in"),
    ],
)
def test_a_mutant_is_shown_with_its_function(name: str, function: str) -> None:
    assert MUTANTS.readable(name) == function


def test_what_pytest_does_not_find_by_its_id_is_run_with_all_of_its_function() -> None:
    tests = {"read": {"t.py::a[\\xff]", "t.py::a[b]", "t.py::c"}, "write": {"t.py::c"}}
    took_s = {"t.py::a[\\xff]": 1.0, "t.py::a[\\xfe]": 2.0, "t.py::a[b]": 4.0, "t.py::c": 8.0}
    MUTANTS.make_findable(tests, took_s)
    assert tests == {"read": {"t.py::a", "t.py::a[b]", "t.py::c"}, "write": {"t.py::c"}}
    assert took_s["t.py::a"] == 3.0
