"""Text of outsiders is one line, and a number has its noun."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.text import counted, cut, one_line


@given(st.text())
def test_whatever_it_is_it_is_one_line_that_can_be_printed_and_encoded(text: str) -> None:
    shown = one_line(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nightly", "nightly"),
        ("夜間 é", "夜間 é"),
        ("a\nWhat to do", r"a\nWhat to do"),
        ("a\u2028b", r"a\u2028b"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
        ("\0", r"\x00"),
    ],
)
def test_what_would_break_a_line_or_drive_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("text", "longest", "short"), [("", 5, ""), ("abcde", 5, "abcde"), ("abcdef", 5, "ab...")]
)
def test_a_text_that_is_cut_says_so(text: str, longest: int, short: str) -> None:
    assert cut(text, longest) == short


def test_one_is_singular_and_everything_else_is_plural() -> None:
    assert [counted(n, "task") for n in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]
    assert counted(2, "recovery", "recoveries") == "2 recoveries"
