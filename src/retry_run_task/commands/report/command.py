"""``report``: when, where and whose launches fail, and what to change; a page, a summary, or JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from retry_run_task.commands.shared import options, record_files, talk
from retry_run_task.commands.shared.moments import TimeParam

if TYPE_CHECKING:
    from pathlib import Path

    from retry_run_task.commands.report.findings import Gathered


class _Zone(click.ParamType):  # type: ignore[type-arg] # older versions of click have no argument here
    """An IANA time zone."""

    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        """Return the zone."""
        try:
            return value if isinstance(value, ZoneInfo) else ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail(f"{value!r} is not a time zone; expected a name like Asia/Tokyo or UTC.", param, ctx)


@click.command()
@click.argument("files", nargs=-1, type=record_files.FILES)
@click.option(
    "--aws",
    "with_account",
    is_flag=True,
    help="With FILES, read rules, schedules and recoveries from the account as well.",
)
@options.one_region
@options.look_with
@options.time("--since", "From when: 30d, or a time.  [default: 90d, or all that FILES hold]")
@options.time("--until", "Until when.  [default: now]")
@click.option(
    "--time-zone",
    "zone",
    type=_Zone(),
    default="UTC",
    show_default=True,
    metavar="ZONE",
    help="Time zone of hours and weekdays, such as Asia/Tokyo.",
)
@options.html("Write a page that a browser shows without network.")
@options.as_json
@click.option("--lookups-per-s", type=float, default=2.0, hidden=True)
def report(**given: Any) -> int:
    """Show when and where capacity fails in an account, and what to change.

    Reads the RunTask calls of the last 90 days from CloudTrail, and rules, schedules and recoveries; or FILES of
    records, without calling AWS. Shows failures by hour and weekday, by subnet and provider, and by schedule; how
    long each run waited, what it cost, and what would have happened without recoveries. Simulates each piece of
    advice on your own past runs first. Changes nothing.

    \b
    Examples:
      retry-run-task report --html report.html
      retry-run-task report past.json --time-zone Asia/Tokyo
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.report import findings  # noqa: PLC0415 - the other commands start without it

    wish = _Wish(**given)
    if wish.since is not None and wish.until is not None and wish.since > wish.until:
        raise click.UsageError("--since is after --until; exchange them.")
    gathered = _gather(wish)
    with talk.looking("Trying changes on past runs"):
        found = findings.make(gathered, wish.zone)
    if wish.html is not None:
        from retry_run_task.commands.report.page import render  # noqa: PLC0415

        options.write(wish.html, render(found))
        talk.say(f"The report is in {wish.html}.")
    if wish.as_json:
        click.echo(json.dumps(findings.as_json(found), indent=2))
    else:
        from retry_run_task.commands.report.summary import show  # noqa: PLC0415

        show(found)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """The command's options."""

    files: tuple[Path, ...]
    with_account: bool
    region: str | None
    profile: str | None
    stack: str
    look_with: str
    since: datetime | None
    until: datetime | None
    zone: ZoneInfo
    html: Path | None
    as_json: bool
    lookups_per_s: float


def _gather(wish: _Wish) -> Gathered:
    from retry_run_task.commands.audit.places import places  # noqa: PLC0415
    from retry_run_task.commands.report import gathering  # noqa: PLC0415

    if wish.files and not wish.with_account:
        return gathering.from_files(wish.files, since=wish.since, until=wish.until)
    from retry_run_task.commands.shared import access  # noqa: PLC0415 - boto3 takes half a second

    session = access.open_session(wish.profile)
    where = wish.region or access.region_of(session)
    identity = access.identify(session, where)
    talk.say(options.place(wish.stack, where, identity))
    options.look_at(where)
    with talk.looking(f"Looking at {where}") as tell:
        there = places(session, identity, [where], stack=wish.stack, look_with=wish.look_with, is_file=False)
        return gathering.from_account(
            list(there),
            stack=wish.stack,
            since=wish.since or TimeParam().convert("90d", None, None),
            until=wish.until or datetime.now(UTC),
            paths=wish.files,
            tell=tell,
            lookups_per_s=wish.lookups_per_s,
        )
