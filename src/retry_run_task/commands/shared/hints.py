"""Commands that a hint names, with the options that led to where this one looks.

The daily audit in Lambda shares modules with the commands and has no command line, so a command sets its own here.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_typed: Callable[[], Mapping[str, str]] = dict
_used: Callable[[], Mapping[str, str]] = dict


def tell_by(typed: Callable[[], Mapping[str, str]], used: Callable[[], Mapping[str, str]]) -> None:
    """Set the functions that return the options on where to look, by name: as typed, and as used."""
    global _typed, _used  # one command line for a process
    _typed, _used = typed, used


def command_line(command: str, **where: str) -> str:
    """Return another command of this package with the options that led this one to where it looks.

    ``command`` is such as ``deploy``, with arguments if it is given some; ``where`` is a ``region`` or ``stack`` that
    is to be named whether it was typed or not.
    """
    given = [f"--{name} {shlex.quote(value)}" for name, value in {**_typed(), **where}.items()]
    return " ".join(("retry-run-task", command, *given))


def aws_line(command: str, region: str = "") -> str:
    """Return a command of the AWS CLI with the Region and the profile of this command.

    They are named wherever they come from, since the AWS CLI does not read ``retry-run-task.toml``.

    Args:
        command: Such as ``sns list-topics``, quoted for a shell.
        region: If it is another one than this command's, or this command's is not known.
    """
    where = {**_used(), **({"region": region} if region else {})}
    return " ".join(("aws", command, *(f"--{name} {shlex.quote(value)}" for name, value in where.items())))
