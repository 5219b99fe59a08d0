"""Commands that a hint names, with the options that led to where this one looks.

The daily audit in Lambda shares modules with the commands and has no command line, so who knows it says so here.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_typed: Callable[[], Mapping[str, str]] = dict


def tell_by(typed: Callable[[], Mapping[str, str]]) -> None:
    """Set what returns the options that were typed to say where to look, by name."""
    global _typed  # noqa: PLW0603 - one command line for a process
    _typed = typed


def command_line(command: str, **where: str) -> str:
    """Return another command of this package with the options that led this one to where it looks.

    ``command`` is such as ``deploy``, with arguments if it is given some; ``where`` is a ``region`` or ``stack`` that
    is to be named whether it was typed or not.
    """
    given = [f"--{name} {shlex.quote(value)}" for name, value in {**_typed(), **where}.items()]
    return " ".join(("retry-run-task", command, *given))
