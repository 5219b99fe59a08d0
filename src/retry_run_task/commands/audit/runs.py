"""A due run and its result: values only."""

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
    """The result of a run, ordered from worst to best."""

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
    """One due run.

    Attributes:
        due: When it was due; approximate for a run that is counted and not timed.
        why: One sentence; empty if the result is clear.
        recovery: Name of the recovery of its call or its task; empty if there is none.
    """

    due: datetime
    result: RunResult
    why: str = ""
    time: datetime | None = None
    recovery: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A rule or schedule and its runs, oldest first."""

    launcher: Launcher
    runs: tuple[ScheduledRun, ...]
    is_counted: bool = False
    note: str = ""

    @property
    def counts(self) -> Mapping[RunResult, int]:
        """Number of runs by result."""
        return Counter(run.result for run in self.runs)

    @property
    def gravity(self) -> tuple[int, ...]:
        """Sort key, the worst first."""
        counts = self.counts
        return tuple(-counts.get(result, 0) for result in RunResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTask:
    """A task that ECS still knows."""

    arn: str
    created: datetime
    family: str


Key = tuple[str, str, str, str, str]
"""The key that the calls of one rule or schedule share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The input of an audit.

    Attributes:
        calls: RunTask calls of all callers, since shortly before the window.
        views: Recoveries, by name: those of the failed calls, and those of tasks that did not start.
        unread: Why recoveries are not known; empty if they are.
        tasks: Those that ECS still knows, where they were read.
    """

    calls: Sequence[RunTaskCall]
    views: Mapping[str, RecoveryView] = field(default_factory=dict)
    unread: str = ""
    installation: Installation | None = None
    tasks: Mapping[Key, tuple[SeenTask, ...]] = field(default_factory=dict)
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which runs are audited: due from ``since`` on, and called at most ``tolerance`` later than due."""

    since: datetime
    until: datetime
    tolerance: timedelta = timedelta(minutes=5)
