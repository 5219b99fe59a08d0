"""The callers of RunTask, and how each failed call was recovered. Pure: calls, recoveries and schedules to jobs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from retry_run_task.commands.audit.auditing import names_to_read
from retry_run_task.commands.audit.timetable import as_schedule
from retry_run_task.commands.shared.launchers import is_at
from retry_run_task.commands.shared.view import BY_HAND, ViewState, known_schedule
from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import names
from retry_run_task.launch.request import asked
from retry_run_task.launch.schedule import STARTED_BY_PREFIXES, could_make
from retry_run_task.launch.values import CallerKind, Category, Origin, Outcome
from retry_run_task.policy.scope import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.commands.shared.inventory import Launcher
    from retry_run_task.commands.shared.view import RecoveryView
    from retry_run_task.launch.values import FailedLaunch, Verdict

PASSES = frozenset({Category.CAPACITY, Category.TRANSIENT})
"""Categories that can pass without help, so that a later call, or one elsewhere, may find room."""


class CallEnding(StrEnum):
    """What happened to a failed call."""

    STARTED = "started"
    GAVE_UP = "gave up"
    OPEN = "in progress"
    REPEATED = "repeated by EventBridge"
    """It raised an error, which EventBridge's own retry policy covers."""
    NOTHING = "no recovery seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A call that did not place all its tasks, and how it was recovered, if it was.

    ``started`` is when the last of them was placed; None if it was not, or that is not known.
    """

    call: RunTaskCall
    verdict: Verdict
    missing: int
    ending: CallEnding
    started: datetime | None = None
    recovery_calls: int = 0

    @property
    def waited_s(self) -> float | None:
        """Seconds from the failed call until its tasks were placed."""
        return (self.started - self.call.time).total_seconds() if self.started else None

    @property
    def passes(self) -> bool:
        """Whether it is a shortage that a recovery waits out, and no error of the configuration or for EventBridge."""
        return self.verdict.category in PASSES and self.ending is not CallEnding.REPEATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A rule, a schedule or another caller with its calls.

    ``name`` is the task's family, and ``launcher`` None, if the rule or schedule was not found, or not looked for.
    """

    name: str
    kind: CallerKind
    launcher: Launcher | None = None
    placed: tuple[RunTaskCall, ...] = ()
    failed: tuple[Failed, ...] = ()

    @property
    def runs(self) -> int:
        """Number of its calls."""
        return len(self.placed) + len(self.failed)

    @property
    def short(self) -> tuple[Failed, ...]:
        """Its failed calls that waiting can help."""
        return tuple(one for one in self.failed if one.passes)

    def next_placed(self, after: datetime) -> datetime | None:
        """Return when its next call placed every task without a recovery; None if not known."""
        return min((call.time for call in self.placed if call.time > after), default=None)


def jobs_of(
    calls: Iterable[RunTaskCall],
    *,
    launchers: Sequence[Launcher] = (),
    views: Mapping[str, RecoveryView] | None = None,
    stack: str = "",
    home: tuple[str, str] | None = None,
) -> tuple[Job, ...]:
    """Return the jobs, those with most failed calls first; not those of recoveries, Batch and Step Functions.

    ``views`` are the recoveries of the installation ``stack``, by name; ``home`` are its account and Region, and the
    names of jobs that are elsewhere say where.
    """
    sorted_calls = sorted(calls, key=lambda call: (call.time, call.event_id))
    own: dict[str, list[RunTaskCall]] = defaultdict(list)
    for call in sorted_calls:
        if call.is_ours:
            own[call.started_by].append(call)
    schedules = [(one, as_schedule(one)) for one in launchers]
    groups: dict[tuple[str, ...], _Group] = {}
    seen: set[str] = set()
    for call in sorted_calls:
        identity = call.failed.call_id if call.failed else call.event_id
        if call.caller.kind in NEVER or (identity and identity in seen):
            continue
        seen.add(identity)
        fits = [
            one
            for one, schedule in schedules
            if is_at(one, call.account, call.region) and could_make(schedule, call.caller, call.parameters)
        ]
        launcher = fits[0] if len(fits) == 1 else None
        place = (call.account, call.region)
        key = (*place, *((launcher.kind, launcher.holder, launcher.name) if launcher else _key(call)))
        name = launcher.name if launcher else _name(call)
        if home and "" not in place and place != home:
            name += f" ({call.region}, {call.account})"
        group = groups.setdefault(key, _Group(name, call.caller.kind, launcher))
        if call.failed is None:
            group.placed.append(call)
        else:
            view = next((v for n in names_to_read([call], stack) if (v := (views or {}).get(n))), None)
            group.failed.append(_failed(call, call.failed, own, view))
    found = [
        Job(
            name=one.name,
            kind=one.kind,
            launcher=one.launcher,
            placed=tuple(one.placed),
            failed=tuple(one.failed),
        )
        for one in groups.values()
    ]
    return tuple(sorted(found, key=lambda job: (-len(job.failed), job.name)))


@dataclass(slots=True)
class _Group:
    name: str
    kind: CallerKind
    launcher: Launcher | None
    placed: list[RunTaskCall] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def _key(call: RunTaskCall) -> tuple[str, ...]:
    # Another caller's own startedBy may be new with every call; EventBridge's is the schedule's name.
    started_by = call.started_by if call.caller.kind in STARTED_BY_PREFIXES else ""
    return (call.caller.kind, call.caller.role_arn or "", call.cluster, call.family, started_by)


def _name(call: RunTaskCall) -> str:
    if call.failed is not None:
        return known_schedule(call.failed)
    prefix = STARTED_BY_PREFIXES.get(call.caller.kind, "")
    name = (
        call.started_by.removeprefix(prefix)
        if prefix and call.started_by.startswith(prefix)
        else call.family or "?"
    )
    return f"{name}{BY_HAND}" if call.caller.kind is CallerKind.HAND_MADE else name


def _failed(
    call: RunTaskCall, launch: FailedLaunch, own: Mapping[str, list[RunTaskCall]], view: RecoveryView | None
) -> Failed:
    made = [one for one in own.get(names.own_started_by(launch), ()) if one.time >= call.time]
    missing = max(1, asked(launch.request) - len(launch.placed))
    started, placed = None, 0
    for one in made:
        placed += len(one.placed)
        if placed >= missing:
            started = one.time
            break
    ending = CallEnding.STARTED if started else CallEnding.OPEN if made else CallEnding.NOTHING
    if any(one.origin is Origin.ERROR for one in launch.failures) and not made and view is None:
        ending = CallEnding.REPEATED
    if view is not None:
        ending = _ending(view)
        if ending is not CallEnding.STARTED:
            started = None
        elif started is None and view.outcome != Outcome.ALREADY_RUNNING.value:
            # It ends when the tasks were seen running, some seconds after they were placed.
            started = view.execution.ended
    return Failed(
        call=call,
        verdict=worst([classify(one) for one in launch.failures]),
        missing=missing,
        ending=ending,
        started=started,
        recovery_calls=max(len(made), view.calls if view else 0),
    )


def _ending(view: RecoveryView) -> CallEnding:
    if view.state is ViewState.RECOVERED:
        return CallEnding.STARTED
    return CallEnding.GAVE_UP if view.state.is_over else CallEnding.OPEN
