"""``audit``: the due runs, and those that were missed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import options, record_files, talk
from retry_run_task.commands.shared.colours import BAD, GOOD, WAIT
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.errors import ConfigError, RetryRunTaskError
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from retry_run_task.commands.audit.inspection import Inspection
    from retry_run_task.commands.audit.runs import Audited, RunResult, ScheduledRun
    from retry_run_task.commands.shared.screen import Screen
    from retry_run_task.launch.values import JsonObject

# How many runs of one schedule are listed one by one.
_MOST_TOLD = 5


@click.command()
@click.argument("file", required=False, type=record_files.FILES)
@options.several_regions
@options.look_with
@options.time("--since", "From when: 6h, 2d, or a time.", "24h")
@options.time("--until", "Until when.  [default: now]")
@click.option(
    "--tolerance-min",
    type=click.FloatRange(min=0, max=1440),
    default=5,
    show_default=True,
    help="Minutes that a run may come after its due time.",
)
@options.as_json
@click.option("--lookups-per-s", type=float, default=2.0, hidden=True)
def audit(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: Path | None,
    regions: tuple[str, ...],
    profile: str | None,
    stack: str,
    look_with: str,
    since: datetime,
    until: datetime | None,
    tolerance_min: float,
    as_json: bool,
    lookups_per_s: float,
) -> int:
    """Find runs that were due and did not happen, including those that nothing recorded.

    Compares the due times of rules and schedules with the RunTask calls in CloudTrail, or in a FILE of records, and
    with recoveries. Finds runs that left no failed call: EventBridge could not assume the role or gave up the
    target, or the record was lost. Looks into every Region and account that the installation recovers. Changes
    nothing. Exits with 3 if a run is missing, and with 1 if something could not be read.

    \b
    Example:
      retry-run-task audit --since 7d
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.audit.inspection import inspect  # noqa: PLC0415
    from retry_run_task.commands.audit.places import places  # noqa: PLC0415
    from retry_run_task.commands.audit.runs import Window  # noqa: PLC0415
    from retry_run_task.commands.shared import access, calls  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.shared.member_access import NoAccess  # noqa: PLC0415

    window = Window(since=since, until=until or datetime.now(UTC), tolerance=timedelta(minutes=tolerance_min))
    if window.since > window.until:
        raise ConfigError("--since is after --until.", hint="Exchange them.")
    session = access.open_session(profile)
    where = list(dict.fromkeys(regions)) or [access.region_of(session)]
    if file is not None and len(where) > 1:
        raise ConfigError("A file of records is compared with one Region.", hint="Give one --region.")
    identity = access.identify(session, where[0])
    talk.say(options.place(stack, where, identity))
    recorded = list(record_files.read([file], calls.read_file)) if file is not None else None
    found: list[Inspection] = []
    errors: list[tuple[str, str, str]] = []
    looked_at = places(session, identity, where, stack=stack, look_with=look_with, is_file=file is not None)
    for one in looked_at:
        if isinstance(one, NoAccess):
            errors.append((one.account, "", str(one)))
            continue
        options.look_at(one.home or one.region)
        try:
            with talk.looking(f"Looking at {one.label}") as tell:
                found.append(
                    inspect(one, window=window, tell=tell, recorded=recorded, lookups_per_s=lookups_per_s)
                )
        except RetryRunTaskError as error:
            errors.append((one.account, one.region, str(error)))
    _show(found, errors, identity.account, as_json=as_json)
    is_bad = any(run.result.is_bad for one in found for audited in one.found for run in audited.runs)
    return talk.FAILED if errors else talk.NO if is_bad else 0


def _show(
    found: Sequence[Inspection], errors: Sequence[tuple[str, str, str]], own: str, *, as_json: bool
) -> None:
    """Print what was found, and what could not be looked at: account, Region (empty for all), and why."""
    if as_json:
        body = [
            *({"account": one.account or own} | _as_json(one) for one in found),
            *(
                {"account": account, "region": region or None, "error": why}
                for account, region, why in errors
            ),
        ]
        click.echo(json.dumps({"regions": body}, indent=2))
        return
    for number, one in enumerate(found):
        if number:
            echo()
        _print(one)
    for account, region, why in errors:
        member = f", account {account}" if account != own else ""
        talk.say(f"{region}{member}: {why}" if region else why)


def _as_json(one: Inspection) -> JsonObject:
    from retry_run_task.text import iso  # noqa: PLC0415

    return {
        "region": one.region,
        "since": iso(one.window.since),
        "until": iso(one.window.until),
        "not_read": list(one.unread),
        "counts": {result.value: number for result, number in _counts(one.found).items()},
        "schedules": [
            {
                "name": audited.launcher.name,
                "kind": audited.launcher.kind.value,
                "in": audited.launcher.holder,
                "expression": audited.launcher.expression,
                "counted": audited.is_counted,
                "note": audited.note or None,
                "runs": [
                    {
                        "due": iso(run.due),
                        "result": run.result.value,
                        "why": run.why or None,
                        "time": iso(run.time) if run.time else None,
                    }
                    for run in audited.runs
                ],
            }
            for audited in one.found
        ],
    }


def _counts(found: Sequence[Audited]) -> Mapping[RunResult, int]:
    from retry_run_task.commands.audit.runs import RunResult  # noqa: PLC0415

    runs = [run.result for audited in found for run in audited.runs]
    return {result: runs.count(result) for result in RunResult}


def _print(one: Inspection) -> None:
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.audit.runs import RunResult  # noqa: PLC0415
    from retry_run_task.commands.shared.screen import screen  # noqa: PLC0415

    out = screen()
    counts = _counts(one.found)
    words = (
        ", ".join(f"{number} {result}" for result, number in counts.items() if number) or "nothing was due"
    )
    where = f"{one.region}, account {one.account}" if one.account else one.region
    window = f"{one.window.since:%Y-%m-%d %H:%M} to {one.window.until:%Y-%m-%d %H:%M} UTC"
    out.beside(Text(f"{where}  ", style="bold"), f"{window}: {words}")
    fine = [audited for audited in one.found if set(audited.counts) <= {RunResult.RAN}]
    others = [audited for audited in one.found if audited not in fine]
    if others:
        _print_table(out, others)
    if runs := sum(len(audited.runs) for audited in fine):
        what = counted(len(fine), "other schedule" if others else "schedule")
        out.print(Text(f"{what}: every run that was due ran ({runs}).", style=GOOD))
    for audited in others:
        _print_runs(out, audited)
    off = sum(not launcher.is_enabled for launcher in one.launchers.found)
    on_events = sum(launcher.is_enabled and launcher.expression is None for launcher in one.launchers.found)
    left_out = [
        *([f"{off} switched off"] if off else []),
        *([f"{on_events} on events, which no clock makes due"] if on_events else []),
    ]
    if left_out:
        out.print(Text(f"Left out: {'; '.join(left_out)}.", style="dim"))
    for note in one.unread:
        out.print(Text(f"Not everything could be read: {talk.shown(note)}", style=WAIT))


_STYLES = {
    "missed": f"bold {BAD}",
    "lost": f"bold {BAD}",
    "gave up": BAD,
    "unknown": WAIT,
    "going": WAIT,
}
# From this width on there is room for whole names.
_WIDE = 100


def _print_table(out: Screen, found: Sequence[Audited]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.audit.runs import RunResult  # noqa: PLC0415

    is_wide = out.width >= _WIDE
    table = Table(
        box=None, pad_edge=False, padding=(0, 2 if is_wide else 1, 0, 0), header_style="dim", expand=False
    )
    longest = max(len(audited.launcher.name) for audited in found)
    table.add_column(
        "schedule", no_wrap=True, overflow="ellipsis", width=max(8, min(longest, 36 if is_wide else 26))
    )
    table.add_column("due", no_wrap=True, justify="right")
    for result in RunResult:
        table.add_column(result.value, no_wrap=True, justify="right")
    for audited in found:
        counts = audited.counts
        table.add_row(
            Text(talk.shown(audited.launcher.name)),
            f"~{len(audited.runs)}" if audited.is_counted else str(len(audited.runs)),
            *(
                Text(str(counts[result]), style=_STYLES.get(result.value, GOOD))
                if counts.get(result)
                else Text("·", style="dim")
                for result in RunResult
            ),
        )
    out.print(table)


def _print_runs(out: Screen, audited: Audited) -> None:
    """Print the failed or unknown runs of a schedule, each with the reason."""
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.audit.runs import RunResult  # noqa: PLC0415

    told: list[ScheduledRun] = [
        run for run in audited.runs if run.result not in (RunResult.RAN, RunResult.RECOVERED)
    ]
    if not told:
        return
    expression = f"{audited.launcher.expression}"
    zone = f", {audited.launcher.timezone}" if audited.launcher.timezone != "UTC" else ""
    head = Text(talk.shown(audited.launcher.name), style="bold")
    head.append(f"  {talk.shown(expression)}{zone}", style="not bold dim")
    if audited.is_counted:
        head.append("  counted, not timed: AWS does not say since when it counts", style="not bold dim")
    if audited.note:
        head.append(f"  {talk.shown(audited.note)}", style="not bold dim")
    out.print(head)
    told.sort(key=lambda run: (not run.result.is_bad, -run.due.timestamp()))
    for run in told[:_MOST_TOLD]:
        about = "about " if audited.is_counted and run.time is None else ""
        line = Text("  ")
        line.append(f"{run.result.value:<8}", style=_STYLES.get(run.result.value, ""))
        line.append(f"  {about}{run.due:%Y-%m-%d %H:%M}  ", style="not bold default")
        out.beside(line, talk.shown(run.why))
    if len(told) > _MOST_TOLD:
        out.print(Text(f"  and {len(told) - _MOST_TOLD} more; --json has all", style="dim"))
