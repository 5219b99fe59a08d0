"""The commands' dialogue: notes, progress and questions, all on stderr, and text that is safe to print."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared.hints import aws_line
from retry_run_task.commands.shared.wrapping import echo, width_of, wrapped
from retry_run_task.errors import ConfigError, RetryRunTaskError
from retry_run_task.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from retry_run_task.commands.shared.stack_states import Happening

# What click adds to a question.
_ANSWERS = " [y/N]: "

Pause = Callable[[], None]
"""Waits between two looks."""

FAILED, USAGE, NO, INTERRUPTED = 1, 2, 3, 130

shown = one_line
"""Returns text that is safe for any terminal: one line, without control characters."""


def say(text: str, head: str = "") -> None:
    """Print a note, beside a heading if there is one."""
    echo(shown(text), head, err=True)


def fail(error: RetryRunTaskError) -> int:
    """Print why something that was begun is not done, and return the exit code for that."""
    echo(f"Error: {shown(str(error))}", err=True)
    return FAILED


def check_can_ask(*, is_sure: bool) -> None:
    """Refuse to begin if a question cannot be answered.

    Raises:
        ConfigError: There is no terminal, and no --yes.
    """
    if not is_sure and not sys.stdin.isatty():
        raise ConfigError("There is no terminal to ask on.", hint="Give --yes if you are sure.")


def ask(question: str, *, is_sure: bool) -> bool:
    """Ask for confirmation, unless ``--yes`` was given."""
    if is_sure:
        return True
    width = width_of(sys.stderr)
    lines = [question] if width is None else wrapped(question, width - len(_ANSWERS))
    return click.confirm("\n".join(lines), err=True)


def pauses(poll_s: float) -> Pause:
    """Return the function that waits between two looks."""
    return lambda: time.sleep(poll_s)


@contextmanager
def looking(where: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being read, in a line that disappears afterwards."""
    from rich.console import Console  # noqa: PLC0415 - the other commands start without it

    with Console(stderr=True, highlight=False).status(where) as status:
        yield lambda what: status.update(f"{where}: {shown(what)}")


@contextmanager
def following(total: int | None) -> Iterator[Callable[[Happening], None]]:
    """Show the events of a stack: a bar for each resource on a terminal, lines elsewhere.

    ``total`` is the number of resources to handle; None if not known.
    """
    if not sys.stderr.isatty():
        yield _line
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True, highlight=False))
    bars: dict[str, TaskID] = {}

    def tell(one: Happening) -> None:
        if one.type == "AWS::CloudFormation::Stack":
            return
        if not bars:
            # Not before the first event: notes until then would run into the bar.
            bars[""] = progress.add_task("resources", total=total)
            progress.start()
        if one.resource not in bars:
            bars[one.resource] = progress.add_task(f"  {shown(one.resource)}", total=1)
        if one.is_over:
            progress.update(bars[one.resource], completed=1, visible=False)
            over = sum(task.completed for task in progress.tasks if task.id != bars[""])
            progress.update(bars[""], completed=over)
        if one.is_a_cause:
            progress.console.print(f"{one.resource}: {one.status}: {shown(one.reason)}", markup=False)

    try:
        yield tell
    finally:
        progress.stop()


def _line(one: Happening) -> None:
    if one.is_over:
        reason = f": {one.reason}" if one.is_a_cause and one.reason else ""
        say(f"{one.status}  {one.resource} ({one.type}){reason}")


def follow_stack(stack: str, region: str) -> str:
    """Return what to do about a stack that CloudFormation is still changing."""
    return (
        f"Follow it with: {aws_line(f'cloudformation describe-stack-events --stack-name {stack}', region)}; "
        "or run the same command again, which continues."
    )
