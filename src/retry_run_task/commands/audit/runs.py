"""A run that was due, and what became of it: values, and nothing that decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.commands.shared.installation import Installation
    from retry_run_task.commands.shared.inventory import Launcher
    from retry_run_task.commands.shared.view import RecoveryView


class RunResult(StrEnum):
    """What became of a run, ordered from what nobody knew of to what is well."""

    MISSED = "missed"
    """Nothing recorded it."""
    LOST = "lost"
    """Its call failed, and nothing recovers it."""
    GAVE_UP = "gave up"
    UNKNOWN = "unknown"
    IN_PROGRESS = "going"
    """It failed, and is being recovered."""
    RECOVERED = "recovered"
    RAN = "ran"

    @property
    def is_bad(self) -> bool:
        """Whether the work was not done."""
        return self in (RunResult.MISSED, RunResult.LOST, RunResult.GAVE_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """One run that was due.

    Attributes:
        due: When; of a run that is counted and not timed, about when.
        result: What became of it.
        why: One sentence; empty if the result says it all.
        time: When the call was made that decided; None if there was none.
        recovery: Name of the recovery of its call or its task; empty if there is none.
    """

    due: datetime
    result: RunResult
    why: str = ""
    time: datetime | None = None
    recovery: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A rule or schedule and its runs.

    Attributes:
        launcher: Which.
        runs: Oldest first.
        is_counted: Whether its runs are counted and not timed.
        note: What else a person should know; empty if nothing.
    """

    launcher: Launcher
    runs: tuple[ScheduledRun, ...]
    is_counted: bool = False
    note: str = ""

    @property
    def counts(self) -> Mapping[RunResult, int]:
        """How many runs there are of each result."""
        return Counter(run.result for run in self.runs)

    @property
    def gravity(self) -> tuple[int, ...]:
        """What to sort by, the worst first."""
        counts = self.counts
        return tuple(-counts.get(result, 0) for result in RunResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTask:
    """A task that ECS still knows.

    Attributes:
        arn: Its ARN.
        created: When it was made.
        family: Of its task definition.
    """

    arn: str
    created: datetime
    family: str


Key = tuple[str, str, str, str, str]
"""What tells the calls of one rule or schedule from those of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known.

    Attributes:
        calls: RunTask calls, by anybody, since a little before the window.
        views: Recoveries, by name: those of the failed calls, and those of tasks that did not start.
        blind: Why recoveries are not known; empty if they are.
        installation: What recovers here; None if nothing does.
        tasks: Those that ECS still knows, where they were asked for.
        now: The time.
    """

    calls: Sequence[RunTaskCall]
    views: Mapping[str, RecoveryView] = field(default_factory=dict)
    blind: str = ""
    installation: Installation | None = None
    tasks: Mapping[Key, tuple[SeenTask, ...]] = field(default_factory=dict)
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which runs are looked at.

    Attributes:
        since: The first due time that counts.
        until: The last.
        tolerance: How much later than due a call may come.
    """

    since: datetime
    until: datetime
    tolerance: timedelta = timedelta(minutes=5)
