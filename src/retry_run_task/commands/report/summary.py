"""The report in a terminal: the numbers and the advice; the page has the rest."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from retry_run_task.commands.report.advice import Kind
from retry_run_task.commands.report.jobs import CallEnding
from retry_run_task.commands.shared.colours import BAD, NOTE
from retry_run_task.commands.shared.screen import screen
from retry_run_task.commands.shared.talk import shown
from retry_run_task.policy.durations import duration_text
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.commands.report.advice import Advice
    from retry_run_task.commands.report.findings import Report
    from retry_run_task.commands.report.rehearsal import Figures
    from retry_run_task.commands.shared.screen import Screen

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Schedules to show; the page has all.
_MOST = 8
_COUNT_MAX = 99


def show(report: Report) -> None:
    """Print it."""
    out = screen()
    out.print(Text(headline(report), style="bold"))
    for sentence in sentences(report):
        out.beside("", shown(sentence))
    if report.failed:
        out.print()
        _heat(out, report)
        out.print()
        _schedules(out, report)
        _advice(out, report)
    for note in report.gathered.notes:
        out.beside("Note: ", shown(note))


def headline(report: Report) -> str:
    """Return the subject of the report in one line."""
    gathered = report.gathered
    span = f"{gathered.since:%Y-%m-%d} to {gathered.until:%Y-%m-%d}"
    failed = f"{len(report.failed):,} of {counted(report.runs, 'RunTask call')} failed"
    return f"{shown(gathered.source)}, {span}: {failed}"


def sentences(report: Report) -> Iterator[str]:
    """Yield the sentences about all failures together."""
    if not report.failed:
        yield "Nothing failed, so there is nothing to change."
        return
    words = ", ".join(f"{number} {ending}" for ending, number in report.endings.items())
    yield f"What happened to them: {words}."
    if waits := report.waits:
        usual, longest = duration_text(median(waits)), duration_text(waits[-1])
        yield f"Runs started {usual} after the failed call (median), {longest} at the latest."
    cost = "less than 1 cent" if report.usd < 0.01 else f"${report.usd:.2f}"  # noqa: PLR2004
    yield f"Recoveries made {counted(report.recovery_calls, 'RunTask call')}, for {cost} of Lambda at list prices."
    if report.missed_without:
        yield without(report)


def without(report: Report) -> str:
    """Return what would have happened without recoveries, in a sentence."""
    runs = counted(report.missed_without, "run")
    later = report.waits_without
    wait = (
        f" Their schedules next started by themselves {duration_text(median(later))} later (median)."
        if later
        else ""
    )
    return (
        f"Without recoveries, {runs} would not have happened: EventBridge does not repeat a call that returned "
        f"failures.{wait}"
    )


def _heat(out: Screen, report: Report) -> None:
    out.print(Text(f"Failed calls by weekday and hour ({report.zone})", style="bold"))
    hours = "".join(f"{hour:>3}" if hour % 3 == 0 else "   " for hour in range(24))
    out.print(Text(f"   {hours}", style="dim"))
    most = max(cell.failed for row in report.heat for cell in row)
    for day, row in zip(WEEKDAYS, report.heat, strict=True):
        line = Text(day)
        for cell in row:
            number = "99+" if cell.failed > _COUNT_MAX else f"{cell.failed or '·':>3}"
            style = "dim" if not cell.failed else f"bold {BAD}" if cell.failed > most / 2 else BAD
            line.append(number, style=style)
        out.print(line, no_wrap=True)


def _schedules(out: Screen, report: Report) -> None:
    jobs = [job for job in report.jobs if job.failed]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    longest = max(len(job.name) for job in jobs)
    table.add_column("schedule", no_wrap=True, overflow="ellipsis", width=max(8, min(longest, 30)))
    for name in ("calls", "failed", "started", "median", "longest"):
        table.add_column(name, no_wrap=True, justify="right")
    shown_of = len(jobs) if len(jobs) == _MOST + 1 else _MOST
    for job in jobs[:shown_of]:
        waits = [wait for one in job.failed if (wait := one.waited_s) is not None]
        started = sum(one.ending is CallEnding.STARTED for one in job.failed)
        table.add_row(
            Text(shown(job.name)),
            str(job.runs),
            Text(str(len(job.failed)), style=BAD),
            str(started),
            duration_text(median(waits)) if waits else "-",
            duration_text(max(waits)) if waits else "-",
        )
    out.print(table)
    if len(jobs) > shown_of:
        out.print(Text(f"and {len(jobs) - shown_of} more; --html and --json have all", style="dim"))


def _advice(out: Screen, report: Report) -> None:
    out.print()
    advice = report.advice
    if not advice:
        out.print("No change would have helped enough to be advised.")
        return
    out.print(Text("What would have helped", style="bold"))
    for number, one in enumerate(advice[:_MOST], 1):
        out.print(Text(f"{number}. {shown(one.title)}", style="bold"))
        for sentence in (*one.why, *effect(one)):
            out.beside("   ", shown(sentence))
        if one.change is not None:
            for line in "\n".join(filter(None, (one.change.code, one.change.commands))).splitlines():
                out.print(Text(f"     {line}", style=NOTE), no_wrap=True)
        elif one.kind is not Kind.FIX:
            out.beside("   ", shown(NO_CHANGE))
    if len(advice) > _MOST:
        out.print(Text(f"and {len(advice) - _MOST} more; --html and --json have all", style="dim"))
    out.print(Text("Nothing has been changed.", style="dim"))


NO_CHANGE = "The records do not hold the schedule itself: report --aws reads it, and prints how to change it."


def effect(one: Advice) -> Iterator[str]:
    """Yield the result of the simulation of past runs, a sentence each."""
    if one.before is None or one.after is None:
        return
    runs = counted(one.before.runs, "past run")
    rows = [f"{name} {before} -> {after}" for name, before, after in effect_rows(one.before, one.after)]
    yield f"Simulated on {runs}: {'; '.join(rows)}."
    if one.kind in (Kind.MOVE, Kind.WINDOW) and (one.after.typical_s or 0) > (one.before.typical_s or 0):
        yield "The runs that failed would start later than recoveries start them now, but by themselves."


def effect_rows(before: Figures, after: Figures) -> Iterator[tuple[str, str, str]]:
    """Yield the figures without and with the change."""
    yield "failed calls", f"{before.failed:g}", f"{after.failed:g}"
    yield "median start", _start(before.typical_s), _start(after.typical_s)
    yield "latest start", _start(before.worst_s), _start(after.worst_s)
    yield "lost runs", str(before.lost), str(after.lost)


def _start(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"+{duration_text(seconds)}" if seconds >= 1 else "on time"
