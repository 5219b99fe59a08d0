"""``status``: the recoveries that wait, those that are over, or one of them in full."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import hints, options, talk
from retry_run_task.errors import ConfigError, RetryRunTaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import boto3
    from rich.text import Text

    from retry_run_task.commands.shared.executions import Executions
    from retry_run_task.commands.shared.view import Execution, RecoveryView
    from retry_run_task.launch.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class _RegionView:
    """The recoveries of one Region; ``left_out`` is how many more were not read, ``way`` how it was installed."""

    of: Executions
    views: tuple[RecoveryView, ...] = ()
    way: str = ""
    left_out: int = 0
    error: RetryRunTaskError | None = None


@click.command()
@click.argument("name", required=False)
@options.several_regions
@options.time("--since", "Show ended recoveries that began since then: 30m, 6h, 2d, or a time.", "24h")
@options.schedules("Only those of these schedules, or families.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Most ended recoveries to read.",
)
@click.option("--watch", is_flag=True, help="Look again until interrupted.")
@click.option(
    "--every-s", type=click.FloatRange(min=1), default=5, show_default=True, help="How often --watch looks."
)
@options.as_json
@click.option("--times", type=int, default=0, hidden=True)
def status(  # noqa: PLR0913, PLR0917 - one parameter an option
    name: str | None,
    regions: tuple[str, ...],
    profile: str | None,
    stack: str,
    since: datetime,
    schedules: tuple[str, ...],
    limit: int,
    watch: bool,
    every_s: float,
    as_json: bool,
    times: int,
) -> int:
    """Show the recoveries: those in progress, and how the others ended.

    Those that need attention are first. NAME is a rule or schedule, a task definition's family, an id or its
    beginning, or the ARN of a task; if that is one recovery, shows what happened to it, step by step. Changes
    nothing.

    \b
    Examples:
      retry-run-task status nightly
      retry-run-task status --region eu-west-1 --region us-east-1
      retry-run-task status 9d9f0b5e
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.shared import access  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.shared.executions import Executions  # noqa: PLC0415

    if watch and as_json:
        raise ConfigError("--watch is for people and --json for programs.", hint="Give one of them.")
    session = access.open_session(profile)
    where = list(dict.fromkeys(regions)) or [access.region_of(session)]
    identity = access.identify(session, where[0])
    place = options.place(stack, where, identity)
    talk.say(place)
    asked = _Query(
        session=session,
        place=place,
        account=identity.account,
        places=tuple(Executions(session, region, stack) for region in where),
        name=name,
        # Those that began earlier and have ended by now are few, and `--since` reaches far enough back.
        back=datetime.now(UTC) - since,
        schedules=schedules,
        limit=limit,
        profile=profile,
        default_region=os.environ.get("AWS_REGION") or session.region_name,
    )
    if as_json:
        found = asked.look()
        click.echo(json.dumps(_as_json(asked, found), indent=2))
        return _code(found)
    return _follow(asked, _again(watch=watch, every_s=every_s, times=times))


def _again(*, watch: bool, every_s: float, times: int) -> Callable[[], bool]:
    """Return a function that waits for the next look, and returns whether there is one."""
    left = times

    def wait() -> bool:
        nonlocal left
        left -= 1
        if not watch or left == 0:
            return False
        time.sleep(every_s if not times else 0)
        return True

    return wait


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """The command's options.

    Attributes:
        name: The recovery's name as typed; None for all.
        back: How long ago a finished recovery may have begun.
        schedules: Globs on the schedule's name or the task's family.
    """

    session: boto3.Session
    place: str
    account: str
    places: tuple[Executions, ...]
    name: str | None
    back: timedelta
    schedules: tuple[str, ...]
    limit: int
    profile: str | None
    default_region: str | None

    def look(self) -> list[_RegionView]:
        """Look everywhere.

        Raises:
            ConfigError: No recovery has that name.
        """
        found = [self._look(of) for of in self.places]
        if self.name is None or any(seen.views for seen in found):
            return found
        if not any(seen.error for seen in found):
            raise ConfigError(
                f"Nothing is called {self.name!r} in {', '.join(of.region for of in self.places)}: no recovery, and "
                f"no schedule, family or task of those that began in the last {self.ago}.",
                hint="Look further back with --since 7d, or see which there are with: "
                f"{hints.command_line('status')}.",
            )
        return found

    @property
    def ago(self) -> str:
        """The time range in words."""
        from retry_run_task.commands.shared.moments import brief  # noqa: PLC0415

        return brief(self.back.total_seconds())

    def again(self, of: Executions) -> str:
        """Return the options that lead another command to the same place."""
        return options.again(
            region=of.region, profile=self.profile, stack=of.stack, default_region=self.default_region
        )

    def _look(self, of: Executions) -> _RegionView:
        from retry_run_task.commands.shared import choosing, selection  # noqa: PLC0415
        from retry_run_task.commands.shared.installed import installation  # noqa: PLC0415
        from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415

        options.look_at(of.region)
        left_out = 0
        reader = Reader(self.session, of.region)
        way = ""

        def listed() -> list[Execution]:
            nonlocal left_out
            in_progress = of.open()
            # One may end between the two lists.
            known = {one.arn for one in in_progress}
            since = datetime.now(UTC) - self.back
            over = [one for one in of.begun(since) if not one.is_open and one.arn not in known]
            left_out = max(0, len(over) - self.limit)
            return [*in_progress, *over[: self.limit]]

        try:
            with talk.looking(f"Looking at {of.region}") as tell:
                way = installation(reader, of.stack).way
                if self.name is None:
                    views = of.look_at_all(listed(), tell)
                else:
                    views = choosing.meant(of, self.name, listed, tell)
        except RetryRunTaskError as error:
            return _RegionView(of=of, error=error)
        if self.schedules:
            views = selection.of_schedules(views, self.schedules)
        return _RegionView(of=of, views=tuple(views), left_out=left_out, way=way)


def _follow(asked: _Query, again: Callable[[], bool]) -> int:
    """Print what is found, and with --watch again and again."""
    from retry_run_task.commands.shared.screen import screen  # noqa: PLC0415

    out = screen()
    is_first = True
    while True:
        found = asked.look()
        if not is_first:
            out.clear()
            talk.say(asked.place)
        is_first = False
        for line in _lines(asked, found, out.width):
            out.print(line, no_wrap=True)
        if not again():
            return _code(found)


def _lines(asked: _Query, found: Sequence[_RegionView], width: int) -> Iterator[Text]:
    """Yield the lines to print: one recovery in full, if one is named, or a table for each Region."""
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.shared import recoveries  # noqa: PLC0415

    one = [(seen.of, view) for seen in found for view in seen.views]
    if asked.name is not None and len(one) == 1:
        of, view = one[0]
        yield from recoveries.detail(
            view, datetime.now(UTC), width, of.stack, asked.again(of), asked.profile or ""
        )
        return
    for number, seen in enumerate(found):
        if number:
            yield Text()
        yield from _region(asked, seen, width)


def _region(asked: _Query, seen: _RegionView, width: int) -> Iterator[Text]:
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.shared import recoveries, selection, ways  # noqa: PLC0415
    from retry_run_task.commands.shared.colours import BAD  # noqa: PLC0415
    from retry_run_task.commands.shared.screen import hanging  # noqa: PLC0415

    head = Text(f"{seen.of.region}  ", style="bold")
    if seen.error is not None:
        yield from hanging(head, Text(talk.shown(str(seen.error)), style=BAD), width)
        return
    yield from hanging(head, Text(recoveries.counted(seen.views)), width)
    ids = selection.short_ids([view.execution.name for view in seen.views], seen.of.stack)
    if seen.views:
        yield from recoveries.table(seen.views, ids, datetime.now(UTC), width)
    for text in recoveries.next_steps(seen.views, ids, asked.again(seen.of)).splitlines():
        yield from hanging(Text(), Text(text), width)
    which = f"of {asked.name}, " if asked.name else ""
    more = f"; {seen.left_out} more of them with a higher --limit" if seen.left_out else ""
    if note := ways.note(seen.way, seen.of.stack, seen.of.region):
        yield from hanging(Text(), Text(note, style="dim"), width)
    text = f"Shown: all {which}in progress, and those over that began in the last {asked.ago}{more}."
    yield from hanging(Text(), Text(text, style="dim"), width)


def _code(found: Sequence[_RegionView]) -> int:
    """Return 2 if there is nothing to look at anywhere, 1 if a Region could not be read."""
    errors = [seen.error for seen in found if seen.error is not None]
    if len(errors) == len(found) and all(isinstance(error, ConfigError) for error in errors):
        return talk.USAGE
    return talk.FAILED if errors else 0


def _as_json(asked: _Query, found: Sequence[_RegionView]) -> JsonObject:
    from retry_run_task.commands.shared import recoveries  # noqa: PLC0415

    one = [(seen.of, view) for seen in found for view in seen.views]
    if asked.name is not None and len(one) == 1:
        of, view = one[0]
        return {
            "region": of.region,
            "stack": of.stack,
            "account": asked.account,
            **recoveries.as_json(view),
            "timeline": recoveries.timeline_as_json(view),
        }
    return {"regions": [_region_as_json(seen, asked.account) for seen in found]}


def _region_as_json(seen: _RegionView, account: str) -> JsonObject:
    from retry_run_task.commands.shared import recoveries  # noqa: PLC0415

    return {
        "region": seen.of.region,
        "stack": seen.of.stack,
        "account": account,
        "installed_by": seen.way or None,
        "error": str(seen.error) if seen.error else None,
        "recoveries": [recoveries.as_json(view) for view in recoveries.worst_first(seen.views)],
        "left_out": seen.left_out,
    }
