"""``status``: the recoveries that wait, those that are over, and one of them in full."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import options, talk
from retry_run_task.commands.shared.moments import Moment
from retry_run_task.errors import ConfigError, RetryRunTaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Group

    from retry_run_task.commands.shared.executions import Executions
    from retry_run_task.commands.shared.view import Execution, RecoveryView
    from retry_run_task.launch.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What there is in one Region.

    Attributes:
        of: Where it was looked.
        views: The recoveries.
        left_out: How many more there are that were not read.
        error: Why nothing could be seen; None if it could.
    """

    of: Executions
    views: tuple[RecoveryView, ...] = ()
    left_out: int = 0
    error: RetryRunTaskError | None = None


@click.command()
@click.argument("name", required=False)
@options.several_regions
@click.option(
    "--since",
    type=Moment(),
    default="24h",
    show_default=True,
    metavar="TIME",
    help="Of those that are over, show the ones that began since then: 30m, 6h, 2d, or a time.",
)
@click.option(
    "--schedule",
    "schedules",
    multiple=True,
    metavar="GLOB",
    help="Only those of these schedules, or families.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Most that are read of those over.",
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
    """Show the recoveries: what waits and for how long, and what became of the others.

    What needs a person is first. With the NAME of a recovery, or the beginning of its id, shows what happened to
    it, step by step. Changes nothing.

    \b
    Examples:
      retry-run-task status --region eu-west-1 --region us-east-1
      retry-run-task status 9d9f0b5e
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.shared import access  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.shared.executions import Executions  # noqa: PLC0415

    if watch and as_json:
        raise ConfigError("--watch is for people and --json for programs.", hint="Give one of them.")
    session = access.open_session(profile)
    where = list(dict.fromkeys(regions)) or [access.region_of(session)]
    access.identify(session, where[0])
    places = [Executions(session, region, stack) for region in where]
    if name is not None:
        return _one(places, name, as_json=as_json, again=_again(watch=watch, every_s=every_s, times=times))
    # Those that began then and are over by now are few, and `--since` is far enough back.
    back = datetime.now(UTC) - since

    def look() -> list[_Seen]:
        return [_look(of, datetime.now(UTC) - back, schedules, limit) for of in places]

    if as_json:
        found = look()
        click.echo(json.dumps({"regions": [_as_json(one) for one in found]}, indent=2))
        return _code(found)
    return _follow(look, back, _again(watch=watch, every_s=every_s, times=times))


def _again(*, watch: bool, every_s: float, times: int) -> Callable[[], bool]:
    """Return what waits for the next look, and tells whether there is one."""
    left = times

    def wait() -> bool:
        nonlocal left
        left -= 1
        if not watch or left == 0:
            return False
        time.sleep(every_s if not times else 0)
        return True

    return wait


def _look(of: Executions, since: datetime, schedules: Sequence[str], limit: int) -> _Seen:
    from retry_run_task.commands.shared import selection  # noqa: PLC0415

    seen = _Seen(of=of)
    try:
        with talk.looking(f"Looking at {of.region}") as tell:
            under_way = of.open()
            # One may end between the two lists.
            known = {one.arn for one in under_way}
            over = [one for one in of.begun(since) if not one.is_open and one.arn not in known]
            views = of.look_at_all([*under_way, *over[:limit]], tell)
    except RetryRunTaskError as error:
        return replace(seen, error=error)
    if schedules:
        views = selection.of_schedules(views, schedules)
    return replace(seen, views=tuple(views), left_out=max(0, len(over) - limit))


def _follow(look: Callable[[], list[_Seen]], back: timedelta, again: Callable[[], bool]) -> int:
    """Print what is seen, and with --watch again and again."""
    from retry_run_task.commands.shared.recoveries import console  # noqa: PLC0415

    out = console()
    is_first = True
    while True:
        found = look()
        if not is_first:
            out.clear()
        is_first = False
        out.print(_shown(found, back, out.width))
        if not again():
            return _code(found)


def _shown(found: Sequence[_Seen], back: timedelta, width: int) -> Group:
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.shared import (  # noqa: PLC0415 - as above
        recoveries,
        selection,
    )
    from retry_run_task.commands.shared.moments import brief  # noqa: PLC0415

    now = datetime.now(UTC)
    parts: list[object] = []
    for seen in found:
        head = Text(seen.of.region, style="bold")
        head.append(f"  {recoveries.counted(seen.views)}", style="not bold")
        if seen.error is not None:
            head = Text(f"{seen.of.region}  {talk.shown(str(seen.error))}", style="red")
        parts.append(head)
        if seen.views:
            ids = selection.short_ids([view.execution.name for view in seen.views], seen.of.stack)
            parts.append(recoveries.table(seen.views, ids, now, width))
        if seen.error is None:
            more = f"; {seen.left_out} more of them with a higher --limit" if seen.left_out else ""
            text = f"Shown: all under way, and those over that began in the last {brief(back.total_seconds())}{more}."
            parts.append(Text(text, style="dim"))
        parts.append(Text())
    return Group(*parts[:-1])  # type: ignore[arg-type] # all of them can be printed


def _code(found: Sequence[_Seen]) -> int:
    """Return 2 if there is nothing to look at anywhere, 1 if a Region could not be seen."""
    errors = [seen.error for seen in found if seen.error is not None]
    if len(errors) == len(found) and all(isinstance(error, ConfigError) for error in errors):
        return talk.USAGE
    return talk.FAILED if errors else 0


def _as_json(seen: _Seen) -> JsonObject:
    from retry_run_task.commands.shared import recoveries  # noqa: PLC0415

    return {
        "region": seen.of.region,
        "stack": seen.of.stack,
        "error": str(seen.error) if seen.error else None,
        "recoveries": [recoveries.as_json(view) for view in recoveries.worst_first(seen.views)],
        "left_out": seen.left_out,
    }


def _one(places: Sequence[Executions], name: str, *, as_json: bool, again: Callable[[], bool]) -> int:
    """Print one recovery in full."""
    from retry_run_task.commands.shared import recoveries  # noqa: PLC0415
    from retry_run_task.commands.shared.faults import DeployError  # noqa: PLC0415

    out = recoveries.console()
    try:
        while True:
            of, view = _find(places, name)
            if as_json:
                body = {"region": of.region} | recoveries.as_json(view)
                click.echo(json.dumps(body | {"timeline": recoveries.timeline_as_json(view)}, indent=2))
                return 0
            for line in recoveries.detail(view, datetime.now(UTC)):
                out.print(line, soft_wrap=True)
            if view.state.is_over or not again():
                return 0
            out.clear()
    except DeployError as error:
        return talk.fail(error)


def _find(places: Sequence[Executions], name: str) -> tuple[Executions, RecoveryView]:

    errors = []
    for of in places:
        try:
            found = find_in(of, name)
        except ConfigError as error:
            errors.append(error)
            continue
        if found is not None:
            return of, found
    if errors:
        raise errors[0]
    raise ConfigError(
        f"There is no recovery {name!r} in {', '.join(of.region for of in places)}.",
        hint="See which there are with: retry-run-task status.",
    )


def find_in(of: Executions, name: str) -> RecoveryView | None:
    """Return the recovery that a person named, in full or by the beginning of its id; None if there is none.

    Raises:
        ConfigError: Several begin like this, or nothing is installed.
        DeployError: AWS does not say.
    """
    from retry_run_task.commands.shared import selection  # noqa: PLC0415

    # Most are asked for by the whole name, or are under way; the rest costs a look at all that Lambda remembers.
    for look in _LOOKS:
        executions = look(of, name)
        meant = selection.find(name, [one.name for one in executions], of.stack)
        for one in executions:
            if one.name == meant:
                return of.look(one)
    return None


# https://docs.aws.amazon.com/lambda/latest/api/API_DurableConfig.html (RetentionPeriodInDays)
_REMEMBERED = timedelta(days=90)

_LOOKS: tuple[Callable[[Executions, str], list[Execution]], ...] = (
    lambda of, name: of.named(name),
    lambda of, _: of.open(),
    lambda of, _: of.begun(datetime.now(UTC) - _REMEMBERED),
)
