"""A sentence is wrapped at words and fits the terminal; a command to paste, an ARN and an address stay whole."""

from __future__ import annotations

import io
import os
import pty

import pytest

from retry_run_task.commands.shared.wrapping import echo, layout, width_of, wrapped

SENTENCE = (
    "Nothing that is under way is called 'nightly' in ap-northeast-1. See what there is with one of these."
)
COMMAND = (
    "aws cloudtrail start-logging --name 'the one; and. only' --region ap-northeast-1 --profile of-the-night"
)
ARN = "arn:aws:ecs:ap-northeast-1:123456789012:task/batch/5487ce1eaf19922ad9b8a714e61a441c-and-more-of-it"


@pytest.mark.parametrize("width", [40, 80, 120, 1000])
@pytest.mark.parametrize("head", ["", "  OK    schedules          ", " " * 50])
def test_no_line_is_too_long_and_no_word_is_broken(width: int, head: str) -> None:
    lines = wrapped(SENTENCE, width, head)
    assert all(len(line) <= width for line in lines)
    assert [word for line in lines for word in line.split()] == [*head.split(), *SENTENCE.split()]


def test_what_follows_the_first_line_is_indented_by_two_more() -> None:
    assert wrapped("  one two three four five six seven", 30) == [
        "  one two three four five six",
        "    seven",
    ]
    assert wrapped("one two three four five six se", 30) == ["one two three four five six se"]


def test_beside_a_heading_it_is_indented_to_it() -> None:
    assert wrapped("one two three four five six seven", 30, "head  ") == [
        "head  one two three four five",
        "      six seven",
    ]
    assert wrapped("one two", 30, "a heading that leaves no room  ") == [
        "a heading that leaves no room",
        "    one two",
    ]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (f"It is switched off. Switch it on: {COMMAND}; then run this again.", f"{COMMAND};"),
        (f"It is switched off. Switch it on: {COMMAND}.", f"{COMMAND}."),
        (f"It is switched off (switch it on: {COMMAND}), or leave it.", f"{COMMAND}),"),
        (f"Try it: {COMMAND}", COMMAND),
        (COMMAND, COMMAND),
        (f"or so: {COMMAND}, or not", f"{COMMAND},"),
        (f"The role {ARN} is not known to this account, nor to any other that was asked.", ARN),
    ],
)
@pytest.mark.parametrize("width", [40, 80])
def test_what_is_pasted_is_on_one_line(text: str, whole: str, width: int) -> None:
    lines = wrapped(text, width)
    assert whole in [line.strip() for line in lines]
    assert all(len(line) <= width or line.strip() == whole for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "It is known: retry-run-task/retry-run-task/lambda-abc.zip in a bucket whose name is long enough to wrap.",
        "What retry-run-task does about it, and what aws does, is prose: words that may be wrapped as any other.",
    ],
)
def test_prose_with_those_names_in_it_is_wrapped(text: str) -> None:
    lines = wrapped(text, 60)
    assert len(lines) > 1
    assert all(len(line) <= 60 for line in lines)


def test_wide_characters_take_two_columns() -> None:
    assert wrapped("夜間 夜間 夜間 夜間 夜間 夜間 夜間", 30) == ["夜間 夜間 夜間 夜間 夜間 夜間", "  夜間"]


def test_what_is_empty_is_one_empty_line() -> None:
    assert wrapped("", 80) == [""]
    assert wrapped("", 80, "head  ") == ["head"]
    assert layout("", 80, 0) == (0, [(0, 0)])


def test_a_pipe_has_no_width_and_columns_counts_everywhere(monkeypatch, capsys) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(io.StringIO()) is None
    echo(SENTENCE * 3)
    echo(SENTENCE, "head  ", err=True)
    assert tuple(capsys.readouterr()) == (f"{SENTENCE * 3}\n", f"head  {SENTENCE}\n")
    monkeypatch.setenv("COLUMNS", "60")
    echo(f"{SENTENCE}\nand a line of its own")
    assert capsys.readouterr().out.splitlines()[-1] == "and a line of its own"
    for wrong in ("", "0", "-1", "wide"):
        monkeypatch.setenv("COLUMNS", wrong)
        assert width_of(io.StringIO()) is None


def test_a_terminal_that_does_not_say_its_width_has_80(monkeypatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "w") as stream:
        assert width_of(stream) == 80
