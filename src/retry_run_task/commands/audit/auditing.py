"""Compares due runs with what happened. Pure: schedules, calls, recoveries and tasks to one result per run.

A run is what a rule or schedule should have started at one time. It is identified by the ``RunTask`` calls that
CloudTrail recorded. They show only that a call was accepted; what the task did then is out of scope, unless a recovery
was started for it.

A rate without a start counts from a moment that AWS does not report. Its runs are counted instead of timed: if two
calls are further apart than one interval, the runs between them are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from retry_run_task.commands.audit.runs import Audited, RunResult, ScheduledRun
from retry_run_task.commands.audit.timetable import as_schedule, due_times, interval_of, is_floating
from retry_run_task.commands.shared.view import ViewState
from retry_run_task.launch import names
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.schedule import STARTED_BY_CUT_AT, STARTED_BY_PREFIXES, could_make
from retry_run_task.launch.values import Origin
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.scope import ScopeDecision
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from retry_run_task.commands.audit.runs import Evidence, Key, Window
    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.commands.shared.inventory import Launcher
    from retry_run_task.commands.shared.view import RecoveryView
    from retry_run_task.launch.schedule import Schedule
    from retry_run_task.launch.values import FailedLaunch


# CloudTrail delivers "within an average of about 5 minutes", which is not guaranteed; the absence of a record counts
# only after three times that.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
_RECORDED_AFTER = timedelta(minutes=15)
# Allowance for clocks that differ.
_EARLY = timedelta(seconds=5)
# The template's RetentionPeriodInDays: how long Lambda remembers an ended recovery.
_REMEMBERED = timedelta(days=30)


def key_of(launcher: Launcher) -> Key:
    """Return the key that this rule's or schedule's calls share."""
    schedule = as_schedule(launcher)
    started_by = (
        launcher.started_by or f"{STARTED_BY_PREFIXES[launcher.kind]}{launcher.name}"[:STARTED_BY_CUT_AT]
    )
    return (
        launcher.kind.value,
        launcher.role_arn or "",
        cluster_name(schedule.request),
        family(schedule.request),
        started_by,
    )


def audit(launchers: Sequence[Launcher], window: Window, evidence: Evidence) -> tuple[Audited, ...]:
    """Return the result of every due run, the worst first.

    Rules on events and disabled rules and schedules have no due runs, and are left out.
    """
    groups: dict[Key, list[Launcher]] = {}
    for one in launchers:
        if one.is_enabled and one.expression is not None:
            groups.setdefault(key_of(one), []).append(one)
    found = [audited for key, group in groups.items() for audited in _group(key, group, window, evidence)]
    return tuple(sorted(found, key=lambda one: (one.gravity, one.launcher.name)))


def names_to_read(calls: Sequence[RunTaskCall], stack: str) -> set[str]:
    """Return the names of the recoveries that failed calls may have."""
    return {
        name
        for call in calls
        if call.failed is not None and not call.is_ours
        for name in _names(call.failed, stack)
    }


def is_of_a_task(name: str, stack: str) -> bool:
    """Tell whether a recovery is of a task that did not start, which no call shows."""
    return name.removeprefix(f"{stack}-").startswith("t-")


# The highest number of ``replay --again`` that is looked for.
_AGAIN = 5


def _names(launch: FailedLaunch, stack: str) -> list[str]:
    again = [names.again_name(stack, launch, number) for number in range(1, _AGAIN + 1)]
    own = names.recovery_name_of(stack, launch, is_reported=False)
    return [*reversed(again), own, names.recovery_name_of(stack, launch)]


def _group(key: Key, group: list[Launcher], window: Window, evidence: Evidence) -> Iterator[Audited]:
    """Yield the results of rules and schedules whose calls cannot be told apart; usually it is one."""
    schedules = [as_schedule(one) for one in group]
    calls = sorted(
        (
            call
            for call in evidence.calls
            if any(could_make(schedule, call.caller, call.parameters) for schedule in schedules)
        ),
        key=lambda call: call.time,
    )
    judge = _Judge(key=key, schedules=schedules, window=window, evidence=evidence)
    others = ", ".join(one.name for one in group)
    if len(group) > 1 and any(is_floating(one) for one in schedules):
        why = f"calls of {others} cannot be told apart, and one of them is a rate without a start"
        for one in group:
            yield Audited(
                launcher=one,
                runs=(ScheduledRun(due=window.since, result=RunResult.UNKNOWN, why=why),),
                note=why,
            )
        return
    if is_floating(schedules[0]):
        yield Audited(launcher=group[0], runs=_counted_runs(group[0], calls, judge), is_counted=True)
        return
    due: list[tuple[datetime, int]] = []
    unreadable: dict[int, str] = {}
    for place, schedule in enumerate(schedules):
        try:
            due += [(time, place) for time in due_times(schedule, window.since, window.until)]
        except ValueError as error:
            unreadable[place] = str(error)
    runs = _timed_runs(group, sorted(due), calls, judge)
    note = f"calls of {others} cannot be told apart" if len(group) > 1 else ""
    for place, one in enumerate(group):
        if place in unreadable:
            lost = ScheduledRun(due=window.since, result=RunResult.UNKNOWN, why=unreadable[place])
            yield Audited(launcher=one, runs=(lost,), note=note)
        else:
            yield Audited(launcher=one, runs=tuple(run for at, run in runs if at == place), note=note)


def _timed_runs(
    group: Sequence[Launcher],
    due: Sequence[tuple[datetime, int]],
    calls: Sequence[RunTaskCall],
    judge: _Judge,
) -> list[tuple[int, ScheduledRun]]:
    """Assign each due time its first matching call, and the remaining calls to the run that they may repeat."""
    left = list(calls)
    given: list[list[RunTaskCall]] = []
    for time, place in due:
        latest = time + timedelta(minutes=group[place].window_min) + judge.window.tolerance
        fits = next((call for call in left if time - _EARLY <= call.time <= latest), None)
        if fits is not None:
            left.remove(fits)
        given.append([fits] if fits is not None else [])
    for call in left:
        # EventBridge retries a call that raised an error for at most a day.
        owner = next(
            (
                number
                for number in reversed(range(len(due)))
                if due[number][0] - _EARLY <= call.time
                and call.time <= due[number][0] + timedelta(seconds=group[due[number][1]].event_age_s)
            ),
            None,
        )
        if owner is not None:
            given[owner].append(call)
    return [
        (place, judge.run(group[place], time, made)) for (time, place), made in zip(due, given, strict=True)
    ]


def _counted_runs(
    launcher: Launcher, calls: Sequence[RunTaskCall], judge: _Judge
) -> tuple[ScheduledRun, ...]:
    """Count the runs of a rate: those that were called, and those missing in the gaps."""
    interval = interval_of(launcher.expression or "")
    window = judge.window
    tolerance = min(window.tolerance, interval / 2) + timedelta(minutes=launcher.window_min)
    since = max(window.since, launcher.modified) if launcher.modified else window.since
    until = min(window.until, judge.evidence.now - _RECORDED_AFTER)
    groups: list[list[RunTaskCall]] = []
    for call in calls:
        if not window.since <= call.time <= window.until:
            continue
        if groups and call.time - groups[-1][0].time < interval / 2:
            groups[-1].append(call)
        else:
            groups.append([call])
    runs = [judge.run(launcher, made[0].time, made) for made in groups]
    edges = [since, *(made[0].time for made in groups), until]
    for before, after in pairwise(edges):
        number = int((after - before - tolerance) / interval)
        runs += [
            judge.run(launcher, before + interval * (nth + (0 if before == since else 1)), [])
            for nth in range(max(0, number))
        ]
    return tuple(sorted(runs, key=lambda run: run.due))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Decides the result of a run from its calls."""

    key: Key
    schedules: Sequence[Schedule]
    window: Window
    evidence: Evidence

    def run(self, launcher: Launcher, due: datetime, calls: Sequence[RunTaskCall]) -> ScheduledRun:
        placed = next((call for call in calls if call.failed is None), None)
        if placed is not None:
            late = placed.time - due
            is_late = late > self.window.tolerance + timedelta(minutes=launcher.window_min)
            why = f"{duration_text(late.total_seconds())} late" if is_late else ""
            return self._placed(ScheduledRun(due=due, result=RunResult.RAN, why=why, time=placed.time))
        failed = [call for call in calls if call.failed is not None]
        if failed:
            return self._failed(launcher, due, failed)
        return self._silent(launcher, due)

    def _placed(self, run: ScheduledRun) -> ScheduledRun:
        """Include a recovery that was started because the task of an accepted call did not start."""
        for view in self.evidence.views.values():
            launch = view.launch
            if (
                launch is not None
                and launch.event_id.startswith("t-")
                and run.time is not None
                and run.time <= launch.event_time <= run.time + _STARTS_WITHIN
                and any(could_make(one, launch.caller, launch.request.parameters) for one in self.schedules)
            ):
                return replace(
                    run,
                    result=_result(view),
                    why=f"its task did not start; {_ending(view)}",
                    recovery=view.execution.name,
                )
        return run

    def _failed(self, launcher: Launcher, due: datetime, calls: Sequence[RunTaskCall]) -> ScheduledRun:
        runs = [
            self._one_failed(launcher, due, call, call.failed) for call in calls if call.failed is not None
        ]
        # One successful call suffices; of several failed ones, the last says most.
        return max(runs, key=lambda run: (_ORDER[run.result], run.time))

    def _one_failed(
        self, launcher: Launcher, due: datetime, call: RunTaskCall, launch: FailedLaunch
    ) -> ScheduledRun:
        run = ScheduledRun(due=due, result=RunResult.LOST, time=call.time)
        said = next((f.said for f in launch.failures), "") or "no reason"
        installation = self.evidence.installation
        if installation is not None:
            for name in _names(launch, installation.stack):
                if (view := self.evidence.views.get(name)) is not None:
                    return replace(run, result=_result(view), why=_ending(view), recovery=name)
        own = names.own_started_by(launch)
        made = next((c for c in self.evidence.calls if c.is_ours and c.placed and c.started_by == own), None)
        if made is not None:
            return replace(run, result=RunResult.RECOVERED, time=made.time)
        result, why = self._unrecovered(launcher, call, launch)
        return replace(run, result=result, why=f"{said}; {why}")

    def _unrecovered(
        self, launcher: Launcher, call: RunTaskCall, launch: FailedLaunch
    ) -> tuple[RunResult, str]:
        """Return the result of a failed call without a recovery."""
        installation, age = self.evidence.installation, self.evidence.now - call.time
        is_error = any(f.origin is Origin.ERROR for f in launch.failures)
        repeats_until = call.time + timedelta(seconds=launcher.event_age_s)
        if is_error and self.evidence.now < repeats_until:
            until = f"{repeats_until:%Y-%m-%d %H:%M} UTC"
            found = RunResult.IN_PROGRESS, f"EventBridge itself repeats the call until {until} at most"
        elif self.evidence.unread:
            found = RunResult.UNKNOWN, f"recoveries are not known: {self.evidence.unread}"
        elif installation is None:
            found = RunResult.LOST, "nothing is installed that recovers it"
        elif (judgement := installation.scope.judge(launch)).decision is not ScopeDecision.RECOVER:
            found = RunResult.LOST, judgement.why
        elif age < _RECORDED_AFTER:
            found = RunResult.UNKNOWN, "its recovery may not have begun yet"
        elif age > _REMEMBERED:
            found = RunResult.UNKNOWN, "Lambda may have forgotten its recovery"
        else:
            found = RunResult.LOST, "no recovery was started: see retry-run-task replay"
        return found

    def _silent(self, launcher: Launcher, due: datetime) -> ScheduledRun:
        """Return the result of a run without a recorded call."""
        latest = due + timedelta(minutes=launcher.window_min) + self.window.tolerance
        for task in self.evidence.tasks.get(self.key, ()):
            if due - _EARLY <= task.created <= latest:
                why = f"CloudTrail has no call, and ECS has its task {task.arn.rsplit('/', 1)[-1]}"
                return ScheduledRun(due=due, result=RunResult.RAN, why=why, time=task.created)
        if launcher.modified is not None and launcher.modified > due:
            why = f"it was changed at {launcher.modified:%Y-%m-%d %H:%M} UTC, so whether it was due then is not known"
            return ScheduledRun(due=due, result=RunResult.UNKNOWN, why=why)
        if self.evidence.now < latest + _RECORDED_AFTER:
            why = "too recent: CloudTrail may not have its call yet"
            return ScheduledRun(due=due, result=RunResult.UNKNOWN, why=why)
        return ScheduledRun(due=due, result=RunResult.MISSED, why="nothing called RunTask for it")


# ECS takes at most about a quarter of an hour to give up a task that does not start, as far as was seen; the next run's
# task must not be taken for this one's.
_STARTS_WITHIN = timedelta(minutes=30)

_ORDER = {result: place for place, result in enumerate(RunResult)}

_RESULTS = {
    ViewState.RECOVERED: RunResult.RECOVERED,
    ViewState.GAVE_UP: RunResult.GAVE_UP,
    ViewState.FAILED: RunResult.GAVE_UP,
    ViewState.STOPPED: RunResult.GAVE_UP,
}


def _result(view: RecoveryView) -> RunResult:
    return _RESULTS.get(view.state, RunResult.IN_PROGRESS)


def _ending(view: RecoveryView) -> str:
    words = ": ".join(part for part in (view.outcome, view.why) if part)
    return words or f"{view.state} after {counted(view.calls, 'RunTask call')}"
