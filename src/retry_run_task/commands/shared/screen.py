"""Prints results: as wide as the terminal and wrapped at words; in a pipe plain, one fact per line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from retry_run_task.commands.shared.wrapping import layout, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDLESS = 100_000


class Screen(Console):
    """A console that wraps text at words, and leaves a closed output to ``main``."""

    def on_broken_pipe(self) -> None:
        """Raise the error; rich would end the process with 1."""
        raise BrokenPipeError

    def print(self, *objects: Any, **how: Any) -> None:
        """Print; a text that is too long is wrapped, unless ``no_wrap`` is given."""
        if len(objects) == 1 and isinstance(objects[0], (str, Text)) and not how.get("no_wrap"):
            for part in _text(objects[0]).split("\n", allow_blank=True):
                lead = len(part.plain) - len(part.plain.lstrip())
                for line in _hung(part[:lead], part[lead:], self.width, hang=2):
                    super().print(line, **how)
        else:
            super().print(*objects, **how)

    def beside(self, head: Text | str, body: Text | str) -> None:
        """Print a text beside a heading, as ``hanging`` wraps it."""
        for line in hanging(_text(head), _text(body), self.width):
            super().print(line)


def screen(*, stderr: bool = False) -> Screen:
    """Return the console: the terminal at its width, or COLUMNS; a pipe has no width."""
    is_free = width_of(sys.stderr if stderr else sys.stdout) is None
    return Screen(stderr=stderr, highlight=False, soft_wrap=True, width=_ENDLESS if is_free else None)


def hanging(head: Text, body: Text, width: int) -> Iterator[Text]:
    """Yield a text beside a heading, wrapped at words; its other lines are indented to the first.

    A word longer than the line, such as a URL, is kept whole, so that it can be copied; so is a command.
    """
    return _hung(head, body, width)


def _hung(head: Text, body: Text, width: int, hang: int = 0) -> Iterator[Text]:
    indent, places = layout(body.plain, width, head.cell_len, hang)
    lines = [body[start:end] for start, end in places]
    if indent < head.cell_len:
        yield head
        head = Text(" " * indent)
    for number, line in enumerate(lines):
        # Each line has a style of its own; appending to a text would apply that text's.
        whole = Text.assemble(" " * indent if number else head, line)
        whole.rstrip()
        yield whole


def _text(text: Text | str) -> Text:
    return Text(text) if isinstance(text, str) else text
