"""The common part of ``stop``, ``pause`` and ``resume``: choose, show, ask, act, and report.

Doing it twice is harmless: a recovery that has ended meanwhile, or is already in that state, is reported as such.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retry_run_task.commands.shared import hints, options, talk
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.errors import ConfigError
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retry_run_task.commands.shared.executions import Executions
    from retry_run_task.commands.shared.view import RecoveryView

_Command = TypeVar("_Command", bound=Callable[..., Any])

# The history keeps no longer reason of a pause.
# https://docs.aws.amazon.com/lambda/latest/api/API_PauseDurableExecution.html
_LONGEST_REASON = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The command line's options.

    Attributes:
        statuses: Lambda's statuses that allow the action.
        names: Of recoveries, beginnings of their ids, schedules, families or tasks.
        schedules: Globs on the schedule's name or the task's family.
        reason: Kept in the execution's history.
    """

    action: str
    statuses: tuple[str, ...]
    names: tuple[str, ...]
    schedules: tuple[str, ...]
    is_all: bool
    reason: str
    region: str | None
    profile: str | None
    stack: str
    yes: bool
    as_json: bool

    def check(self) -> None:
        """Refuse options that choose nothing or are ambiguous.

        Raises:
            ConfigError: They name nothing, or too much, or the reason is too long.
        """
        if sum(map(bool, (self.names, self.schedules, self.is_all))) != 1:
            raise ConfigError(
                f"It is not clear what to {self.action}.", hint="Give names, or --schedule GLOB, or --all."
            )
        if not self.reason.strip():
            raise ConfigError("The reason is empty.", hint="Say in a few words why; the history keeps it.")
        if len(self.reason) > _LONGEST_REASON:
            raise ConfigError(
                f"The reason has {len(self.reason)} characters, and the history keeps {_LONGEST_REASON}.",
                hint="Shorten it.",
            )
        talk.check_can_ask(is_sure=self.yes)


def wishes(command: _Command) -> _Command:
    """Add the options that choose recoveries, and the reason."""
    for option in reversed(
        (
            click.argument("names", nargs=-1),
            options.schedules("Those of these schedules, or families of task definitions."),
            click.option("--all", "is_all", is_flag=True, help="All recoveries in progress."),
            click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept in the history."),
            options.one_region,
            options.sure,
            options.as_json,
        )
    ):
        command = option(command)
    return command


def steer(wish: Wish, warning: str = "") -> int:
    """Act on the chosen recoveries, and print the result for each."""
    from retry_run_task.commands.shared import access  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.shared.executions import Executions  # noqa: PLC0415
    from retry_run_task.commands.shared.faults import DeployError  # noqa: PLC0415
    from retry_run_task.commands.shared.installed import installation  # noqa: PLC0415
    from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415

    wish.check()
    session, stack = access.open_session(wish.profile), wish.stack
    where = wish.region or access.region_of(session)
    talk.say(options.place(stack, where, access.identify(session, where)))
    of = Executions(session, where, stack)
    done: list[tuple[RecoveryView, str]] = []
    try:
        # Another owner's functions may have the same names.
        installation(Reader(session, where), stack)
        with talk.looking(f"Looking at {where}") as tell:
            views, over = _chosen(of, wish, tell)
        if not views:
            return _nothing(wish, over)
        _preview(of, views, wish)
        if warning:
            talk.say(warning)
        if not talk.ask(
            f"{wish.action.capitalize()} {counted(len(views), 'recovery', 'recoveries')}?",
            is_sure=wish.yes,
        ):
            talk.say("Nothing was done.")
            return talk.NO
        _each(of, views, wish, done)
    except DeployError as error:
        _print_json(wish, done)
        return talk.fail(error)
    _print_json(wish, [*done, *((view, "has ended") for view in over)])
    return 0


def _each(
    of: Executions, views: Sequence[RecoveryView], wish: Wish, done: list[tuple[RecoveryView, str]]
) -> None:
    """Act on each, and note in ``done`` what came of it."""
    try:
        for view in views:
            what = of.steer(wish.action, view.execution, wish.reason)
            done.append((view, what))
            if not wish.as_json:
                echo(talk.shown(f"{what}: {view.schedule or '?'}, {view.execution.name}{_placed(view)}"))
    except KeyboardInterrupt:
        these = counted(len(views), "recovery", "recoveries")
        talk.say(
            f"Told {len(done)} of {these} to {wish.action}, and perhaps the next; run it again for the others."
        )
        raise


def _chosen(
    of: Executions, wish: Wish, tell: Callable[[str], None]
) -> tuple[list[RecoveryView], list[RecoveryView]]:
    """Return the chosen recoveries that can be acted upon, and those named that have ended.

    Raises:
        ConfigError: A name is no recovery's.
    """
    from retry_run_task.commands.shared import choosing, selection  # noqa: PLC0415

    if not wish.names:
        views = of.look_at_all([one for one in of.open() if one.status in wish.statuses], tell)
        return (selection.of_schedules(views, wish.schedules) if wish.schedules else views), []
    found: dict[str, RecoveryView] = {}
    problems = []
    for name in wish.names:
        views = choosing.meant(of, name, of.open, tell)
        if not views:
            problems.append(repr(name))
        found |= {view.execution.arn: view for view in views}
    if problems:
        raise ConfigError(
            f"Nothing that is in progress is called {', '.join(problems)} in {of.region}.",
            hint=f"See what there is with: {hints.command_line('status')}.",
        )
    over = [view for view in found.values() if view.state.is_over]
    return [view for view in found.values() if not view.state.is_over], over


def _nothing(wish: Wish, over: Sequence[RecoveryView]) -> int:
    for view in over:
        talk.say(f"{view.execution.name} has ended: {view.outcome}.")
    if not over:
        which = f" of {', '.join(wish.schedules)}" if wish.schedules else ""
        talk.say(f"There is no recovery{which} to {wish.action}.")
    _print_json(wish, [(view, "has ended") for view in over])
    return 0


def _preview(of: Executions, views: Sequence[RecoveryView], wish: Wish) -> None:
    """Show what will be acted upon, on stderr."""
    from retry_run_task.commands.shared import recoveries, selection  # noqa: PLC0415
    from retry_run_task.commands.shared.screen import screen  # noqa: PLC0415

    ids = selection.short_ids([view.execution.name for view in views], of.stack)
    talk.say(f"To {wish.action} in {of.region}: {counted(len(views), 'recovery', 'recoveries')}.")
    out = screen(stderr=True)
    for line in recoveries.table(views, ids, datetime.now(UTC), out.width):
        out.print(line)


def _placed(view: RecoveryView) -> str:
    if not view.task_arns:
        return ""
    return f" (its tasks stay: {', '.join(arn.rsplit('/', 1)[-1] for arn in view.task_arns)})"


def _print_json(wish: Wish, done: Sequence[tuple[RecoveryView, str]]) -> None:
    if not wish.as_json:
        return
    body = [
        {
            "name": view.execution.name,
            "schedule": view.schedule or None,
            "done": what,
            "task_arns": list(view.task_arns),
        }
        for view, what in done
    ]
    click.echo(json.dumps({"action": wish.action, "recoveries": body}, indent=2))
