"""The view of a recovery for display: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from retry_run_task.launch.request import family
from retry_run_task.launch.schedule import STARTED_BY_CUT_AT, STARTED_BY_PREFIXES
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from retry_run_task.launch.values import FailedLaunch


CUT, BY_HAND = "…", " (by hand)"
"""The suffix of a schedule's name that EventBridge truncated, and of one from a hand-made record."""


def known_schedule(launch: FailedLaunch) -> str:
    """Return the schedule's name as far as the launch has it, or its family; EventBridge cuts long names."""
    started_by = str(launch.request.parameters.get("startedBy") or "")
    name = next(
        (started_by.removeprefix(one) for one in STARTED_BY_PREFIXES.values() if started_by.startswith(one)),
        "",
    )
    if len(started_by) >= STARTED_BY_CUT_AT and name:
        name += CUT
    name = name or family(launch.request.parameters) or "?"
    return f"{name}{BY_HAND}" if launch.caller.kind is CallerKind.HAND_MADE else name


class ViewState(StrEnum):
    """The state of a recovery, ordered from most to least urgent."""

    GAVE_UP = "gave up"
    FAILED = "failed"
    """It ended by its own fault or by its time-out, not by a decision."""
    STOPPED = "stopped"
    PAUSED = "paused"
    HELD = "held"
    """EventBridge may still retry the call itself."""
    WAITING = "waiting"
    TRYING = "trying"
    """A step is in progress, or the next one is about to begin."""
    WATCHING = "watching"
    RECOVERED = "recovered"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (ViewState.GAVE_UP, ViewState.FAILED, ViewState.STOPPED, ViewState.RECOVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A durable execution, as it is listed. ``status`` is Lambda's word, such as ``RUNNING``."""

    arn: str
    name: str
    status: str
    started: datetime
    ended: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN


OPEN = ("RUNNING", "PAUSING", "PAUSED")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineLine:
    """One event of the timeline. Lines with one ``same`` are similar and may be summed up; empty if none are."""

    time: datetime
    text: str
    same: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryView:
    """A recovery for display. Only ``launch`` may hold secret values.

    Attributes:
        schedule: The rule or schedule behind it; its name as far as known, or the task's family.
        cluster: Short name; empty if not known.
        event_time: When the call failed; None if the input cannot be read.
        reason: ECS's last answer.
        next_time: When the next attempt, or the next look, is due; None if none is.
        outcome: How it ended; empty if it has not.
        task_arns: Tasks that do the work, as far as known.
        is_left_to_audit: Whether it sent no message, because the daily audit reports its end.
        hold_reason: Why it is paused; empty if it is not, or if no reason was given.
    """

    execution: Execution
    state: ViewState
    schedule: str = ""
    cluster: str = ""
    family: str = ""
    event_time: datetime | None = None
    reason: str = ""
    category: str = ""
    hint: str = ""
    calls: int = 0
    next_time: datetime | None = None
    outcome: str = ""
    why: str = ""
    task_arns: tuple[str, ...] = ()
    is_unsure: bool = False
    is_left_to_audit: bool = False
    hold_reason: str = ""
    launch: FailedLaunch | None = field(default=None, repr=False)
    lines: tuple[TimelineLine, ...] = ()

    @property
    def needs_attention(self) -> bool:
        """Whether it ended without its tasks."""
        return self.state.is_over and self.state is not ViewState.RECOVERED

    @property
    def since(self) -> datetime:
        """When the call failed, or else when the recovery began."""
        return self.event_time or self.execution.started


def shortened(lines: Iterable[TimelineLine], *, alike: int = 4) -> tuple[TimelineLine, ...]:
    """Return the timeline with long runs of similar lines summed up, so that a day of attempts fits a screen.

    Runs of up to ``alike`` lines are kept.
    """
    kept: list[TimelineLine] = []
    row: list[TimelineLine] = []
    for line in (*lines, None):
        if line is not None and row and line.same and line.same == row[-1].same:
            row.append(line)
            continue
        if len(row) > alike:
            middle = len(row) - 3
            text = f"… {middle} more of these until {row[-2].time:%H:%M:%S}"
            row = [*row[:2], TimelineLine(time=row[2].time, text=text), row[-1]]
        kept += row
        row = [] if line is None else [line]
    return tuple(kept)
