"""A recovery as a person wants to know it: values, and nothing that reads or asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from retry_run_task.launch.values import FailedLaunch


CUT, BY_HAND = "…", " (by hand)"
"""What a schedule's name ends in if EventBridge cut it, and if nobody but a person made the record."""


class State(StrEnum):
    """How a recovery is, ordered from what a person should look at first to what is well."""

    GAVE_UP = "gave up"
    FAILED = "failed"
    """It ended by a fault of its own, or by its time-out, and not by a decision."""
    STOPPED = "stopped"
    PAUSED = "paused"
    HELD = "held"
    """EventBridge may still make the call again itself."""
    WAITING = "waiting"
    TRYING = "trying"
    """A step is under way, or the next one is about to begin."""
    WATCHING = "watching"
    RECOVERED = "recovered"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.GAVE_UP, State.FAILED, State.STOPPED, State.RECOVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A durable execution, as it is listed.

    Attributes:
        arn: Its ARN.
        name: Its name, which is the recovery's.
        status: Lambda's word, such as ``RUNNING``.
        started: When it began.
        ended: When it ended; None if it has not.
    """

    arn: str
    name: str
    status: str
    started: datetime
    ended: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can still do something."""
        return self.status in OPEN


OPEN = ("RUNNING", "PAUSING", "PAUSED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened.

    Attributes:
        time: When.
        text: What, in a person's words.
        same: What it has in common with others, so that many of them can be told as one; empty if nothing.
    """

    time: datetime
    text: str
    same: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryView:
    """A recovery, as a person wants to know it. Holds no value that may be secret but those of ``launch``.

    Attributes:
        execution: The durable execution.
        state: How it is.
        schedule: The rule or schedule behind it; what is known of its name, or the task's family.
        cluster: Short name; empty if not known.
        family: Of the task definition; empty if not known.
        event_time: When the call failed; None if the input cannot be read.
        reason: What ECS said last.
        category: Its kind; empty if nothing was said.
        hint: What a person can do about it; empty if nothing was said.
        attempts: RunTask calls that were made.
        next_time: When the next attempt, or the next look, is due; None if none is.
        outcome: The word for how it ended; empty if it has not.
        why: One sentence about that; empty if none.
        task_arns: Tasks that do the job, as far as known.
        is_unsure: Whether a call may have started tasks that nobody has seen.
        hold_reason: Why it is paused; empty if it is not, or nobody said.
        launch: What failed; None if the input cannot be read. Its request may hold secrets.
        lines: What happened, oldest first.
    """

    execution: Execution
    state: State
    schedule: str = ""
    cluster: str = ""
    family: str = ""
    event_time: datetime | None = None
    reason: str = ""
    category: str = ""
    hint: str = ""
    attempts: int = 0
    next_time: datetime | None = None
    outcome: str = ""
    why: str = ""
    task_arns: tuple[str, ...] = ()
    is_unsure: bool = False
    hold_reason: str = ""
    launch: FailedLaunch | None = field(default=None, repr=False)
    lines: tuple[Line, ...] = ()

    @property
    def needs_a_person(self) -> bool:
        """Whether it ended without its tasks."""
        return self.state.is_over and self.state is not State.RECOVERED

    @property
    def since(self) -> datetime:
        """When it began to matter: when the call failed."""
        return self.event_time or self.execution.started


def shortened(lines: Iterable[Line], *, alike: int = 4) -> tuple[Line, ...]:
    """Return lines with long rows of the same thing told as one, so that a day of attempts fits a screen.

    Args:
        lines: What happened.
        alike: So many in a row are left as they are.
    """
    kept: list[Line] = []
    row: list[Line] = []
    for line in (*lines, None):
        if line is not None and row and line.same and line.same == row[-1].same:
            row.append(line)
            continue
        if len(row) > alike:
            middle = len(row) - 3
            text = f"… {middle} more of these until {row[-2].time:%H:%M:%S}"
            row = [*row[:2], Line(time=row[2].time, text=text), row[-1]]
        kept += row
        row = [] if line is None else [line]
    return tuple(kept)
