"""Prints results: as wide as the terminal and wrapped at words; in a pipe plain, one fact per line."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDLESS = 100_000
# Below this width, text beside a heading would be a column of single words.
_LEAST_BESIDE = 24


class Screen(Console):
    """A console that leaves a closed output to ``main``."""

    def on_broken_pipe(self) -> None:
        """Raise the error; rich would end the process with 1."""
        raise BrokenPipeError

    def beside(self, head: Text | str, body: Text | str) -> None:
        """Print a text beside a heading, as ``hanging`` wraps it."""
        for line in hanging(_text(head), _text(body), self.width):
            self.print(line)


def screen(*, stderr: bool = False) -> Screen:
    """Return the console: the terminal at its width, or COLUMNS; a pipe has no width."""
    stream = sys.stderr if stderr else sys.stdout
    is_free = not stream.isatty() and not os.environ.get("COLUMNS")
    return Screen(stderr=stderr, highlight=False, soft_wrap=True, width=_ENDLESS if is_free else None)


def hanging(head: Text, body: Text, width: int) -> Iterator[Text]:
    """Yield a text beside a heading, wrapped at words; its other lines are indented to the first.

    A word longer than the line, such as a URL, is kept whole, so that it can be copied.
    """
    indent = head.cell_len
    if indent + _LEAST_BESIDE > width:
        yield head
        head, indent = Text(" " * 4), 4
    lines = _at_words(body, max(width - indent, _LEAST_BESIDE))
    # Each line has a style of its own; appending to a text would apply that text's.
    yield Text.assemble(head, lines[0])
    yield from (Text.assemble(" " * indent, line) for line in lines[1:])


def _text(text: Text | str) -> Text:
    return Text(text) if isinstance(text, str) else text


def _at_words(body: Text, width: int) -> list[Text]:
    """Wrap a text at words; rich's own wrapping cuts a word that is too long."""
    ends, column = [], 0
    for word in re.finditer(r"\S+\s*|^\s+", body.plain):
        if column and column + cell_len(word[0].rstrip()) > width:
            ends.append(word.start())
            column = 0
        column += cell_len(word[0])
    lines = list(body.divide(ends))
    for line in lines:
        line.rstrip()
    return lines
