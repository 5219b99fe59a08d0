"""Prints recoveries: as a table, one in full, and as JSON. Only names and AWS's own words are shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.colours import BAD, GOOD, HELD, NOTE, WAIT
from retry_run_task.commands.shared.moments import ago, ahead, brief, clock
from retry_run_task.commands.shared.screen import hanging
from retry_run_task.commands.shared.selection import identity_in
from retry_run_task.commands.shared.talk import shown
from retry_run_task.commands.shared.view import ViewState, shortened
from retry_run_task.documentation import RUNBOOK
from retry_run_task.launch.request import asked
from retry_run_task.launch.values import Outcome
from retry_run_task.messages import outside
from retry_run_task.messages.steps import can_replay, find_schedule, list_own_tasks, shown_request
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from rich.text import Text

    from retry_run_task.commands.shared.view import RecoveryView
    from retry_run_task.launch.values import FailedLaunch, JsonObject

_STYLES = {
    ViewState.GAVE_UP: f"bold {BAD}",
    ViewState.FAILED: f"bold {BAD}",
    ViewState.STOPPED: BAD,
    ViewState.PAUSED: HELD,
    ViewState.HELD: WAIT,
    ViewState.WAITING: WAIT,
    ViewState.TRYING: WAIT,
    ViewState.WATCHING: NOTE,
    ViewState.RECOVERED: GOOD,
}
_ORDER = {state: place for place, state in enumerate(ViewState)}


def worst_first(views: Sequence[RecoveryView]) -> list[RecoveryView]:
    """Return those that need attention first, and of each kind the oldest; of those that have ended, the latest."""
    return sorted(
        views,
        key=lambda view: (
            _ORDER[view.state],
            -view.since.timestamp() if view.state.is_over else view.since.timestamp(),
        ),
    )


def counted(views: Sequence[RecoveryView]) -> str:
    """Return how many there are of each kind, in a few words."""
    counts = {state: sum(view.state is state for view in views) for state in ViewState}
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "no recoveries"


# Columns left for a schedule's name, and the width that a reason beside it needs to be readable.
_LEAST_NAME, _LONGEST_NAME, _LEAST_REASON = 12, 64, 44
_STATE = 11


def table(views: Sequence[RecoveryView], ids: Mapping[str, str], now: datetime, width: int) -> Iterator[Text]:
    """Yield the lines of a table of recoveries, those that need attention first.

    Only a schedule's name is ever truncated, and the reason stands below if there is no room beside it.
    """
    from rich.text import Text  # noqa: PLC0415

    rows = [(view, _cells(view, ids[view.execution.name], now)) for view in worst_first(views)]
    widths = [max(map(len, column)) for column in zip(_HEADS, *(cells for _, cells in rows), strict=True)]
    others = _STATE + sum(widths[1:]) + 2 * len(widths)
    widths[0] = max(min(widths[0], _LONGEST_NAME, width - others), min(widths[0], _LEAST_NAME))
    is_beside = _STATE + sum(widths) + 2 * len(widths) + _LEAST_REASON <= width
    yield Text(
        f"{'state':<{_STATE}}{_row(_HEADS, widths)}{'  reason' if is_beside else ''}".rstrip(), style="dim"
    )
    for view, cells in rows:
        head = Text(f"{view.state:<{_STATE}}", style=_STYLES[view.state])
        head.append(_row(cells, widths), style="not bold default")
        why = Text("" if view.state is ViewState.RECOVERED else shown(reason(view)))
        if not why:
            head.rstrip()
            yield head
        elif is_beside:
            yield from hanging(head + Text("  "), why, width)
        else:
            head.rstrip()
            yield head
            yield from hanging(Text(" " * _STATE), why, width)


_LABEL = 13
_HEADS = ("schedule", "calls", "next", "age", "id")


def _cells(view: RecoveryView, short_id: str, now: datetime) -> tuple[str, ...]:
    age = brief((now - view.since).total_seconds())
    return (shown(view.schedule or "?"), str(view.calls), ahead(view.next_time, now), age, short_id)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    name = cells[0] if len(cells[0]) <= widths[0] else f"{cells[0][: widths[0] - 1]}…"
    padded = [
        f"{cell:>{size}}" if head == "calls" else f"{cell:<{size}}"
        for head, cell, size in zip(_HEADS, (name, *cells[1:]), widths, strict=True)
    ]
    return "  ".join(padded)


def reason(view: RecoveryView) -> str:
    """Return what to know first: why it is paused, or how it ended, and ECS's last answer."""
    if view.state is ViewState.PAUSED:
        return view.hold_reason or "paused"
    if view.state in (ViewState.FAILED, ViewState.STOPPED):
        return view.why or view.outcome
    # A permanent failure is explained by ECS's answer; any other end has a reason of its own.
    if view.state is ViewState.GAVE_UP and view.outcome != Outcome.PERMANENT.value:
        return ": ".join(part for part in (view.outcome, _first_words(view.why)) if part)
    word = view.outcome if view.state is ViewState.GAVE_UP else view.category
    if view.reason.lower().startswith(word):
        return view.reason
    return ": ".join(part for part in (word, view.reason) if part)


def _first_words(why: str) -> str:
    """Return a sentence up to its first break; the view of one recovery shows all of it."""
    return re.split(r"; |\. ", why, maxsplit=1)[0].rstrip(".")


def detail(
    view: RecoveryView, now: datetime, width: int, stack: str, again: str, profile: str = ""
) -> Iterator[Text]:
    """Yield one recovery in full: what it is about, what to do, and what happened when.

    ``width`` is the screen's; ``again`` has the options that lead a command to the same place: stack, Region, profile;
    ``profile`` is for the AWS CLI.
    """
    from rich.text import Text  # noqa: PLC0415

    head = Text(shown(view.schedule or "?"), style="bold")
    head.append("  ")
    head.append(view.state, style=_STYLES[view.state])
    if view.next_time is not None:
        what = "looks again" if view.state is ViewState.WATCHING else "next attempt"
        head.append(f", {what} {ahead(view.next_time, now)}", style="not bold")
    yield head
    for label, value in _facts(view, now):
        yield from hanging(Text(f"  {label:<{_LABEL}}"), Text(shown(value)), width)
    for label, command in _to_do(view, f"{identity_in(view.execution.name, stack)}{again}", profile):
        # On one line, so that it can be pasted.
        yield Text(f"  {label:<{_LABEL}}{shown(command)}")
    yield Text()
    day = ""
    for line in shortened(view.lines):
        if f"{line.time:%Y-%m-%d}" != day:
            day = f"{line.time:%Y-%m-%d}"
            yield Text(f"  {day} UTC", style="dim")
        yield from hanging(Text(f"  {line.time:%H:%M:%S}  "), Text(shown(line.text)), width)


def _facts(view: RecoveryView, now: datetime) -> Iterator[tuple[str, str]]:
    yield "recovery", view.execution.name
    yield "task", f"{view.family or '?'} on {view.cluster or '?'}"
    yield (
        "failed at",
        f"{clock(view.event_time)}, {ago(view.event_time, now)}" if view.event_time else "not known",
    )
    yield "ECS said", f"{view.reason} [{view.category}]" if view.category else view.reason or "nothing"
    yield "tried", f"{view.calls} RunTask {'call' if view.calls == 1 else 'calls'}"
    if view.outcome:
        yield "outcome", f"{view.outcome}: {view.why}" if view.why else view.outcome
    if view.hold_reason:
        yield "paused for", view.hold_reason
    for arn in view.task_arns:
        yield "started", arn
    if view.is_unsure:
        yield "unsure", "a call may have started tasks that were not seen: look before you start any"
    yield "execution", view.execution.arn
    if view.needs_attention and view.state is not ViewState.STOPPED and view.hint not in view.why:
        yield "to mend it", view.hint


def _to_do(view: RecoveryView, name: str, profile: str) -> Iterator[tuple[str, str]]:
    """Yield what to do, with the command."""
    if view.needs_attention and _can_replay(view):
        yield "to start it", f"retry-run-task replay {name} --even-late"
    elif view.needs_attention and view.launch is not None:
        yield from _by_hand(view, view.launch, profile)
    elif view.state is ViewState.PAUSED:
        yield "to go on", f'retry-run-task resume {name} --reason "..."'
    elif not view.state.is_over:
        yield "to end it", f'retry-run-task stop {name} --reason "..."'


_BY_HAND = f"by hand: {RUNBOOK}#start-a-run-by-hand"


def _by_hand(view: RecoveryView, launch: FailedLaunch, profile: str) -> Iterator[tuple[str, str]]:
    """Yield the AWS CLI's commands that start a run which ``replay`` would not start, after a look at its tasks."""
    own = view.execution.arn.split(":")[4:5]
    is_elsewhere = bool(own) and launch.account not in ("", *own)
    seen = outside.describe_tasks(view.task_arns, region=launch.region, cluster=view.cluster)
    unseen = list_own_tasks(launch, launch.region) if view.is_unsure else ""
    missing = asked(launch.request) - len(launch.placed) - len(view.task_arns)
    parameters = shown_request(launch, missing=missing)
    start = outside.run_task(parameters, region=launch.region) if parameters else ""
    if is_elsewhere:
        yield "in account", launch.account
    schedule = "" if start else find_schedule(launch, launch.region)
    commands = (
        ("look first", seen),
        ("look first", unseen),
        ("to start it", start),
        ("its schedule", schedule),
    )
    for label, command in commands:
        if command:
            yield label, command if is_elsewhere else outside.with_profile(command, profile)
    if not start:
        yield "to start it", _BY_HAND


def _can_replay(view: RecoveryView) -> bool:
    """Tell whether ``replay`` would start the run; true if that is not known, because ``replay`` explains it."""
    if view.launch is None or view.state is ViewState.STOPPED:
        return True
    may_be_there = view.is_unsure or bool(view.task_arns)
    return can_replay(view.launch, view.outcome, calls=view.calls, may_be_there=may_be_there)


def next_steps(views: Sequence[RecoveryView], ids: Mapping[str, str], again: str) -> str:
    """Return what to do about those that need attention; empty if none does."""
    worst = [view for view in worst_first(views) if view.needs_attention]
    if not worst:
        return ""
    return (
        f"Why, and what to do: retry-run-task status {ids[worst[0].execution.name]}{again}\n"
        f"What of these could be started again: retry-run-task replay --gave-up --dry-run{again}"
    )


def as_json(view: RecoveryView) -> JsonObject:
    """Return a recovery as JSON. Nothing of the request is in it."""
    return {
        "name": view.execution.name,
        "state": view.state.value,
        "schedule": view.schedule or None,
        "cluster": view.cluster or None,
        "task_definition": view.family or None,
        "failed_at": iso(view.event_time) if view.event_time else None,
        "reason": view.reason or None,
        "category": view.category or None,
        "calls": view.calls,
        "next": iso(view.next_time) if view.next_time else None,
        "outcome": view.outcome or None,
        "why": view.why or None,
        "paused_because": view.hold_reason or None,
        "task_arns": list(view.task_arns),
        "unsure": view.is_unsure,
        "started": iso(view.execution.started),
        "ended": iso(view.execution.ended) if view.execution.ended else None,
        "execution_arn": view.execution.arn,
    }


def timeline_as_json(view: RecoveryView) -> list[JsonObject]:
    """Return the timeline of a recovery as JSON."""
    return [{"time": iso(line.time), "text": line.text} for line in view.lines]
