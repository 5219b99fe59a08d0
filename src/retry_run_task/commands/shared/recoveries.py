"""How recoveries are printed: as a table, one in full, and as JSON. Only names and AWS's own words are shown."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.moments import ago, ahead, brief, clock
from retry_run_task.commands.shared.talk import shown
from retry_run_task.commands.shared.view import State, shortened
from retry_run_task.launch.wire import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from retry_run_task.commands.shared.view import RecoveryView
    from retry_run_task.launch.values import JsonObject

_STYLES = {
    State.GAVE_UP: "bold red",
    State.FAILED: "bold red",
    State.STOPPED: "red",
    State.PAUSED: "magenta",
    State.HELD: "yellow",
    State.WAITING: "yellow",
    State.TRYING: "yellow",
    State.WATCHING: "cyan",
    State.RECOVERED: "green",
}
_ORDER = {state: place for place, state in enumerate(State)}

# What is piped elsewhere has no width to fit into.
_WIDTH_OF_A_PIPE = 200


def console() -> Console:
    """Return where results are printed, as wide as the terminal; what is not a terminal is wide."""
    from rich.console import Console  # noqa: PLC0415 - the other commands start without it

    is_free = not sys.stdout.isatty() and not os.environ.get("COLUMNS")
    return Console(highlight=False, width=_WIDTH_OF_A_PIPE if is_free else None)


def worst_first(views: Sequence[RecoveryView]) -> list[RecoveryView]:
    """Return what needs a person first, and of each kind the oldest; of what is over, the latest."""
    return sorted(
        views,
        key=lambda view: (
            _ORDER[view.state],
            -view.since.timestamp() if view.state.is_over else view.since.timestamp(),
        ),
    )


def counted(views: Sequence[RecoveryView]) -> str:
    """Return how many there are of each kind, in a few words."""
    counts = {state: sum(view.state is state for view in views) for state in State}
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "no recoveries"


# From this width on there is room for whole names.
WIDE = 100


def table(views: Sequence[RecoveryView], ids: Mapping[str, str], now: datetime, width: int) -> Table:
    """Return a table of recoveries that fits 80 columns; what gets the room is the schedule's name."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    is_wide = width >= WIDE
    found = Table(
        box=None, pad_edge=False, padding=(0, 2 if is_wide else 1, 0, 0), header_style="dim", expand=True
    )
    longest = max((len(view.schedule) for view in views), default=0)
    widest = max((len(short) for short in ids.values()), default=8)
    for name, columns in (("state", 9), ("schedule", max(8, min(longest, 36 if is_wide else 20)))):
        found.add_column(name, no_wrap=True, overflow="ellipsis", width=columns)
    # What is left of the line.
    found.add_column("reason", no_wrap=True, overflow="ellipsis", ratio=1)
    found.add_column("tries", no_wrap=True, justify="right", width=5)
    for name, columns in (("next", 9), ("age", 6), ("id", min(widest, 36))):
        found.add_column(name, no_wrap=True, width=columns)
    for view in worst_first(views):
        found.add_row(
            Text(view.state, style=_STYLES[view.state]),
            Text(shown(view.schedule or "?")),
            Text(shown(reason(view))),
            str(view.attempts),
            ahead(view.next_time, now),
            brief((now - view.since).total_seconds()),
            ids[view.execution.name],
        )
    return found


def reason(view: RecoveryView) -> str:
    """Return what a person should know first: why it is held, or how it ended, and what ECS said last."""
    if view.state is State.PAUSED:
        return view.hold_reason or "paused"
    if view.state in (State.FAILED, State.STOPPED):
        return view.why or view.outcome
    word = view.outcome if view.state is State.GAVE_UP else view.category
    if view.reason.lower().startswith(word):
        return view.reason
    return ": ".join(part for part in (word, view.reason) if part)


def detail(view: RecoveryView, now: datetime) -> list[Text]:
    """Return one recovery in full: what it is about, and what happened when."""
    from rich.text import Text  # noqa: PLC0415

    head = Text(shown(view.schedule or "?"), style="bold")
    head.append("  ")
    head.append(view.state, style=_STYLES[view.state])
    if view.next_time is not None:
        what = "looks again" if view.state is State.WATCHING else "next attempt"
        head.append(f", {what} {ahead(view.next_time, now)}")
    rows = [
        ("recovery", view.execution.name),
        ("task", f"{view.family or '?'} on {view.cluster or '?'}"),
        (
            "failed at",
            f"{clock(view.event_time)}, {ago(view.event_time, now)}" if view.event_time else "not known",
        ),
        ("ECS said", f"{view.reason} [{view.category}]" if view.category else view.reason or "nothing"),
        ("tried", f"{view.attempts} RunTask {'call' if view.attempts == 1 else 'calls'}"),
        *(
            (("outcome", f"{view.outcome}: {view.why}" if view.why else view.outcome),)
            if view.outcome
            else ()
        ),
        *((("held", view.hold_reason),) if view.hold_reason else ()),
        *(("task", arn) for arn in view.task_arns),
        *(
            (("unsure", "a call may have started tasks that nobody has seen: look before you start any"),)
            if view.is_unsure
            else ()
        ),
        ("execution", view.execution.arn),
    ]
    lines = [head, *(Text(f"  {label:<11}{shown(value)}") for label, value in rows), Text()]
    day = ""
    for line in shortened(view.lines):
        if f"{line.time:%Y-%m-%d}" != day:
            day = f"{line.time:%Y-%m-%d}"
            lines.append(Text(f"  {day} UTC", style="dim"))
        lines.append(Text(f"  {line.time:%H:%M:%S}  {shown(line.text)}"))
    return lines


def as_json(view: RecoveryView) -> JsonObject:
    """Return a recovery for programs. Nothing of the request is in it."""
    return {
        "name": view.execution.name,
        "state": view.state.value,
        "schedule": view.schedule or None,
        "cluster": view.cluster or None,
        "task_definition": view.family or None,
        "failed_at": iso(view.event_time) if view.event_time else None,
        "reason": view.reason or None,
        "category": view.category or None,
        "attempts": view.attempts,
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
    """Return what happened to a recovery, for programs."""
    return [{"time": iso(line.time), "text": line.text} for line in view.lines]
