"""Advice: changes of schedules and policy that would have helped, each simulated on the job's own past runs. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, median
from typing import TYPE_CHECKING

from retry_run_task.commands.report import changes
from retry_run_task.commands.report.jobs import CallEnding
from retry_run_task.commands.report.outages import both, provider_of
from retry_run_task.commands.report.rehearsal import (
    Figures,
    KnownOutages,
    PastRun,
    by_default,
    summed,
    with_setting,
)
from retry_run_task.launch.values import SCHEDULED, CallerKind, Category
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.rules import DEADLINE_S
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retry_run_task.commands.report.changes import Instructions
    from retry_run_task.commands.report.jobs import Failed, Job
    from retry_run_task.commands.report.outages import Outage, Outages
    from retry_run_task.commands.shared.calls import RunTaskCall

# Fewer failed runs, or all on one day, are chance and no pattern.
_LEAST_FAILED, _LEAST_DAYS = 3, 2
_MOVES_MIN = (5, 10, 15, 20, 30, 45, 60)
_WINDOWS_MIN = (15, 30, 60)
# A window's runs are spread evenly; this many positions represent it.
_PLACES = 6
# The share of failures that a change must avoid to be advised, and the share at which the search stops.
_WORTH_IT, _ENOUGH = 0.5, 0.8
# A moved run must stay near its time: within this part of the time between two runs.
_PART_OF_INTERVAL = 0.25
_HOUR_S, _DEADLINES_S = 3600.0, tuple(hours * 3600.0 for hours in (1, 2, 3, 6))
# A deadline must be this many times as long as the longest observed wait.
_SPARE, _LEAST_RECOVERED = 3, 5

SPOT, ON_DEMAND = "FARGATE_SPOT", "FARGATE"


class Kind(StrEnum):
    """The kinds of advice."""

    MOVE = "move"
    WINDOW = "flexible time window"
    SUBNET = "another subnet"
    ON_DEMAND = "on-demand rung"
    DEADLINE = "shorter deadline"
    FIX = "fix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One change and its effect on the past runs.

    ``before`` is None if there is nothing to simulate, ``change`` if the records do not show how it is made.
    """

    kind: Kind
    jobs: tuple[str, ...]
    title: str
    why: tuple[str, ...]
    before: Figures | None = None
    after: Figures | None = None
    change: Instructions | None = None

    @property
    def saved(self) -> float:
        """How many failed calls it avoids."""
        return self.before.failed - self.after.failed if self.before and self.after else 0.0


def advise(jobs: Sequence[Job], outages: Outages, calls: Sequence[RunTaskCall]) -> tuple[Advice, ...]:
    """Return what would have helped, the most effective first.

    All ``calls`` are given, because they show subnets that the job itself does not use.
    """
    found = [one for job in jobs for one in _for(job, outages, calls)]
    found.sort(key=lambda one: -one.saved)
    return (*found, *_deadlines(jobs, outages), *_fixes(jobs))


def _for(job: Job, outages: Outages, calls: Sequence[RunTaskCall]) -> Iterator[Advice]:
    short = job.short
    days = {one.call.time.date() for one in short}
    if job.kind not in SCHEDULED or len(short) < _LEAST_FAILED or len(days) < _LEAST_DAYS:
        return
    case = _Case.of(job, outages)
    for advice in (
        _in_time(case),
        _in_space(case, outages, calls),
        _on_demand(case, outages),
    ):
        if advice is not None:
            yield advice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A job whose runs are simulated."""

    job: Job
    runs: tuple[PastRun, ...]
    provider: str
    subnets: frozenset[str]
    outages: tuple[Outage, ...]
    before: Figures

    @classmethod
    def of(cls, job: Job, outages: Outages) -> _Case:
        # A job that was changed meanwhile is represented by its latest failed call.
        latest = job.short[-1].call
        provider, subnets = provider_of(latest), frozenset(latest.subnets)
        failed = {id(one.call) for one in job.short}
        mine = [call for call in (*job.placed, *(one.call for one in job.short)) if _is_alike(call, latest)]
        mine.sort(key=lambda call: call.time)
        times = [call.time.timestamp() for call in mine]
        runs = tuple(
            PastRun(time=time, until=until, failed=id(call) in failed)
            for call, time, until in zip(mine, times, [*times[1:], float("inf")], strict=True)
        )
        gaps = outages.of(provider, subnets)
        before = by_default().of(runs, KnownOutages(provider=provider, outages={provider: gaps}))
        return cls(job=job, runs=runs, provider=provider, subnets=subnets, outages=gaps, before=before)

    @property
    def longest_move_s(self) -> float:
        """How far a run may be moved, in seconds."""
        between = [run.until - run.time for run in self.runs[:-1]]
        return median(between) * _PART_OF_INTERVAL if between else 0.0

    def room(self, outages: Sequence[Outage]) -> KnownOutages:
        """Return when the job would find no room, given other outages."""
        return KnownOutages(provider=self.provider, outages={self.provider: tuple(outages)})

    def is_worth(self, after: Figures) -> bool:
        """Tell whether a change helps enough."""
        return after.failed <= (1 - _WORTH_IT) * self.before.failed and after.lost <= self.before.lost


def _is_alike(call: RunTaskCall, latest: RunTaskCall) -> bool:
    return provider_of(call) == provider_of(latest) and set(call.subnets) == set(latest.subnets)


def _failed_of(figures: Figures) -> str:
    failed = figures.failed
    number = f"{failed:.0f}" if failed == round(failed) else f"about {failed:.0f}"
    return f"{number} of {figures.runs}"


def _in_time(case: _Case) -> Advice | None:
    """Advise to move the schedule, or a flexible window if that does as much."""
    room = case.room(case.outages)
    best: tuple[int, Figures] | None = None
    for minutes in _MOVES_MIN:
        if minutes * 60 > case.longest_move_s:
            break
        after = by_default().of(case.runs, room, moved_s=minutes * 60)
        if case.is_worth(after) and (best is None or after.failed < best[1].failed):
            best = minutes, after
        if after.failed <= (1 - _ENOUGH) * case.before.failed:
            break
    if best is None:
        return _window(case, room)
    minutes, after = best
    job = case.job
    why = (
        (
            f"{_failed_of(case.before)} runs found no room when they were due; {minutes} min later, "
            f"{_failed_of(after)} would have."
        ),
    )
    return Advice(
        kind=Kind.MOVE,
        jobs=(job.name,),
        title=f"Move {job.name} by {minutes} min",
        why=why,
        before=case.before,
        after=after,
        change=changes.move(job, minutes),
    )


def _window(case: _Case, room: KnownOutages) -> Advice | None:
    if case.job.kind is not CallerKind.SCHEDULER:
        return None
    for minutes in _WINDOWS_MIN:
        if minutes * 60 > case.longest_move_s:
            break
        tried = [
            by_default().of(case.runs, room, moved_s=minutes * 60 * (n + 0.5) / _PLACES)
            for n in range(_PLACES)
        ]
        after = Figures(
            runs=case.before.runs,
            failed=round(fmean(one.failed for one in tried), 1),
            lost=max(one.lost for one in tried),
            waits=tuple(sorted(wait for one in tried for wait in one.waits)),
        )
        if case.is_worth(after):
            job = case.job
            return Advice(
                kind=Kind.WINDOW,
                jobs=(job.name,),
                title=f"Give {job.name} a flexible time window of {minutes} min",
                why=(
                    (
                        f"{_failed_of(case.before)} runs found no room when they were due; somewhere within {minutes} "
                        f"min, {_failed_of(after)} would have."
                    ),
                ),
                before=case.before,
                after=after,
                change=changes.window(job, minutes),
            )
    return None


def _in_space(case: _Case, outages: Outages, calls: Sequence[RunTaskCall]) -> Advice | None:
    """Advise a subnet of another job in the same VPC that had room when this job's own had none."""
    best: tuple[str, int, Figures] | None = None
    for subnet in _others(case, calls):
        place = frozenset({subnet})
        seen = [one for one in case.outages if outages.placed_within(case.provider, place, one)]
        # Without a task placed there, it counts as short as well.
        left = [one for one in case.outages if one not in seen]
        left = sorted([*left, *both(seen, outages.of(case.provider, place))])
        after = by_default().of(case.runs, case.room(left))
        if case.is_worth(after) and (best is None or after.failed < best[2].failed):
            best = subnet, len(seen), after
    if best is None:
        return None
    subnet, incidents, after = best
    zone = outages.zones.get(subnet, "")
    job = case.job
    return Advice(
        kind=Kind.SUBNET,
        jobs=(job.name,),
        title=f"Give {job.name} the subnet {subnet}" + (f" in {zone}" if zone else ""),
        why=(
            (
                f"In {counted(incidents, 'outage')} of its {counted(len(case.subnets), 'subnet')} another job's task "
                f"was placed there. With it, {_failed_of(after)} runs would have found no room instead of "
                f"{_failed_of(case.before)}."
            ),
            (
                "Another job with the same security groups uses it, so it is in the same VPC; check that it has the "
                "same ways to the image, the secrets and whatever the job talks to."
            ),
        ),
        before=case.before,
        after=after,
        change=changes.subnet(job, case.job.short[-1].call.subnets, subnet),
    )


def _others(case: _Case, calls: Sequence[RunTaskCall]) -> list[str]:
    groups = set(case.job.short[-1].call.security_groups)
    found = Counter(
        subnet
        for call in calls
        if groups & set(call.security_groups) and provider_of(call) == case.provider
        for subnet in call.subnets
        if subnet not in case.subnets
    )
    return [subnet for subnet, _ in found.most_common(_MOST_SUBNETS)]


# Most subnets to try; each is a rehearsal of all runs.
_MOST_SUBNETS = 8


def _on_demand(case: _Case, outages: Outages) -> Advice | None:
    """Advise the on-demand rung for a job on Spot, if on-demand capacity was available."""
    if SPOT not in case.provider.split("+") or ON_DEMAND in case.provider.split("+"):
        return None
    seen = [one for one in case.outages if outages.placed_within(ON_DEMAND, case.subnets, one)]
    left = [one for one in case.outages if one not in seen]
    short = sorted([*left, *both(seen, outages.of(ON_DEMAND, case.subnets))])
    lines = ('rungs = ["as-asked", "each-subnet", "on-demand"]',)
    changed = with_setting(lines[0])
    room = KnownOutages(provider=SPOT, outages={SPOT: case.outages, ON_DEMAND: tuple(short)})
    after = changed.of(case.runs, room)
    before, faster = case.before.typical_s, after.typical_s
    if before is None or faster is None or faster > before * (1 - _WORTH_IT):
        return None
    job = case.job
    return Advice(
        kind=Kind.ON_DEMAND,
        jobs=(job.name,),
        title=f"Let {job.name} run on demand when Spot is short",
        why=(
            (
                f"In {counted(len(seen), 'Spot outage')} another job's task was placed on demand in its subnets. With "
                f"the rung, the runs that failed would have started after {duration_text(faster)} instead of "
                f"{duration_text(before)} (median)."
            ),
            "On-demand capacity costs more than Spot; it is used only while Spot is short.",
        ),
        before=case.before,
        after=after,
        change=changes.rule("on demand", (job.name,), lines, category="capacity"),
    )


def _deadlines(jobs: Sequence[Job], outages: Outages) -> Iterator[Advice]:
    """Advise a shorter deadline for jobs that never needed the long one."""
    needed: dict[float, list[Job]] = {}
    for job in jobs:
        waits = [wait for one in job.short if (wait := one.waited_s) is not None]
        gave_up = any(one.ending is CallEnding.GAVE_UP for one in job.short)
        if job.kind not in SCHEDULED or len(waits) < _LEAST_RECOVERED or gave_up:
            continue
        deadline = next((one for one in _DEADLINES_S if one >= max(waits) * _SPARE), None)
        if deadline is not None:
            needed.setdefault(deadline, []).append(job)
    for deadline, found in sorted(needed.items()):
        yield _deadline(deadline, found, outages)


def _deadline(deadline: float, jobs: Sequence[Job], outages: Outages) -> Advice:
    names = tuple(sorted(job.name for job in jobs))
    waits = [wait for job in jobs for one in job.short if (wait := one.waited_s) is not None]
    line = f'deadline = "{duration_text(deadline)}"'
    changed = with_setting(line)
    cases = [_Case.of(job, outages) for job in jobs]
    after = summed([changed.of(case.runs, case.room(case.outages)) for case in cases])
    return Advice(
        kind=Kind.DEADLINE,
        jobs=names,
        title=f"Give up after {duration_text(deadline)}: {counted(len(names), 'schedule')} never needed longer",
        why=(
            (
                f"The {counted(len(waits), 'run')} that recoveries started had started after "
                f"{duration_text(max(waits))} at the latest; by default a recovery gives up after "
                f"{duration_text(DEADLINE_S)}."
            ),
            (
                f"With {duration_text(deadline)}, {counted(after.lost, 'run')} would have been lost, and whoever is on "
                f"call learns {duration_text(DEADLINE_S - deadline)} earlier that a run will not start."
            ),
        ),
        before=summed([case.before for case in cases]),
        after=after,
        change=changes.rule(f"within {duration_text(deadline)}", names, (line,)),
    )


def _fixes(jobs: Sequence[Job]) -> Iterator[Advice]:
    """Report failures that retrying does not help."""
    for job in jobs:
        bad = [
            one for one in job.failed if one.verdict.category in (Category.CONFIGURATION, Category.PERMISSION)
        ]
        if bad:
            last = bad[-1]
            yield Advice(
                kind=Kind.FIX,
                jobs=(job.name,),
                title=f"Fix {job.name}: retrying cannot help",
                why=tuple(_wrong(bad, last)),
            )


def _wrong(bad: Sequence[Failed], last: Failed) -> Iterator[str]:
    said = last.verdict.failure.said or "no reason"
    yield f"{counted(len(bad), 'call')} failed by a {last.verdict.category} error, the last with: {said}"
    if last.verdict.hint:
        yield last.verdict.hint
