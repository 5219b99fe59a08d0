"""Wraps what the commands print: at words, as wide as the terminal; a command to paste is never broken.

In a pipe a sentence stays on one line, so that ``grep`` finds it and a program can split it, unless COLUMNS is set.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

# Below this width, text beside a heading would be a column of single words.
_LEAST_BESIDE = 24
_BELOW, _HANG = 4, 2

_PART = r""" (?:'[^']*'|"[^"]*"|[^\s'"])+(?!\S)"""
# A command is introduced by a colon, or is the whole text, and ends with the clause.
_COMMAND = re.compile(
    rf"(?:^|(?<=: ))(?:retry-run-task|aws|make|pip|docker)(?= )(?:{_PART}(?<![;,.)]))*(?:{_PART})?\s*"
)
_WORD = re.compile(r"\S+\s*|^\s+")


def width_of(stream: TextIO) -> int | None:
    """Return the width to wrap at: COLUMNS, or the terminal's, 80 if it does not say; None for a pipe."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def echo(text: str = "", head: str = "", *, err: bool = False) -> None:
    """Print a sentence, or several lines of them, beside a heading if there is one."""
    width = width_of(sys.stderr if err else sys.stdout)
    for line in text.split("\n"):
        lines = [head + line] if width is None else wrapped(line, width, head)
        for one in lines:
            click.echo(one, err=err)


def wrapped(text: str, width: int, head: str = "") -> list[str]:
    """Return the lines of a text beside a heading; without one, the lines after the first are indented by two more."""
    hang = 0
    if not head:
        head, hang = text[: len(text) - len(text.lstrip())], _HANG
        text = text[len(head) :]
    indent, lines = layout(text, width, len(head), hang)
    above = [head] if indent < len(head) else []
    heads = [" " * indent if above else head, *(" " * indent for _ in lines[1:])]
    return [
        line.rstrip()
        for line in (*above, *(one + text[start:end] for one, (start, end) in zip(heads, lines, strict=True)))
    ]


def layout(text: str, width: int, beside: int, hang: int = 0) -> tuple[int, list[tuple[int, int]]]:
    """Return by how much a text's lines are indented, and where each begins and ends in it.

    ``beside`` is the width of the heading, below which the text begins if there is too little room beside it, and
    ``hang`` by how much more the lines after the first are indented.
    """
    if beside + hang + _LEAST_BESIDE > width and beside > _BELOW:
        return _BELOW, list(_lines(text, width - _BELOW, width - _BELOW))
    return beside + hang, list(_lines(text, width - beside, width - beside - hang))


def _lines(text: str, first: int, others: int) -> Iterator[tuple[int, int]]:
    """Yield where each line begins and ends; what cannot be broken may be longer than the line."""
    start = at = column = 0
    room = first
    for piece in _pieces(text):
        if column and column + cells(piece.rstrip()) > room:
            yield start, at
            start, column, room = at, 0, others
        column += cells(piece)
        at += len(piece)
    yield start, len(text)


def _pieces(text: str) -> Iterator[str]:
    """Yield what is not broken, each with the blanks after it."""
    at = 0
    for found in _COMMAND.finditer(text):
        yield from _WORD.findall(text[at : found.start()])
        yield found[0]
        at = found.end()
    yield from _WORD.findall(text[at:])


def cells(text: str) -> int:
    """Return how many columns a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - few texts need it

    return cell_len(text)
