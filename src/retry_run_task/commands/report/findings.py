"""The report as a value: failures by time, place and job, delays, cost, and advice.

Pure. Texts of records are kept unchanged here; whatever displays them escapes them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, tzinfo
from statistics import median
from typing import TYPE_CHECKING

from retry_run_task.commands.report import outages as outages_of
from retry_run_task.commands.report.advice import advise
from retry_run_task.commands.report.jobs import CallEnding, jobs_of
from retry_run_task.launch import names
from retry_run_task.simulate.competitors import INVOCATION_S
from retry_run_task.simulate.report import usd
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from retry_run_task.commands.report.advice import Advice
    from retry_run_task.commands.report.jobs import Failed, Job
    from retry_run_task.commands.report.outages import Outages
    from retry_run_task.commands.report.rehearsal import Figures
    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.commands.shared.inventory import Launcher
    from retry_run_task.commands.shared.view import RecoveryView
    from retry_run_task.launch.values import JsonObject

DAYS, HOURS = 7, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The input of the report; calls count from ``since`` on."""

    source: str
    since: datetime
    until: datetime
    calls: Sequence[RunTaskCall]
    launchers: Sequence[Launcher] = ()
    home: tuple[str, str] | None = None
    views: Mapping[str, RecoveryView] | None = None
    stack: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """An hour of a weekday."""

    failed: int = 0
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPool:
    """One subnet with one kind of capacity; ``subnet`` is empty if no call named one."""

    subnet: str
    zone: str
    provider: str
    failed: int
    outages: int
    short_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report.

    Attributes:
        jobs: The callers, those with most failed calls first.
        heat: By weekday, Monday first, and hour.
        usd: Their Lambda cost, at list prices.
    """

    gathered: Gathered
    zone: tzinfo
    jobs: tuple[Job, ...]
    heat: tuple[tuple[Cell, ...], ...]
    places: tuple[CapacityPool, ...]
    recovery_calls: int
    usd: float
    advice: tuple[Advice, ...]

    @property
    def failed(self) -> tuple[Failed, ...]:
        """All first calls that failed."""
        return tuple(one for job in self.jobs for one in job.failed)

    @property
    def runs(self) -> int:
        """Number of first calls."""
        return sum(job.runs for job in self.jobs)

    @property
    def endings(self) -> Mapping[CallEnding, int]:
        """Number of failed calls by how they ended."""
        counts = Counter(one.ending for one in self.failed)
        return {ending: counts[ending] for ending in CallEnding if counts[ending]}

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds from each failed call to its tasks, of those that started, the shortest first."""
        return tuple(sorted(wait for one in self.failed if (wait := one.waited_s) is not None))

    @property
    def waits_without(self) -> tuple[float, ...]:
        """Seconds from each of those failed calls to the schedule's next run that started without a recovery."""
        return tuple(
            sorted(
                (next_run - one.call.time).total_seconds()
                for job in self.jobs
                for one in job.failed
                if one.ending is CallEnding.STARTED and (next_run := job.next_placed(one.call.time))
            )
        )

    @property
    def missed_without(self) -> int:
        """Runs that only a recovery has started: EventBridge treats a call with failures as delivered."""
        return sum(one.ending is CallEnding.STARTED for one in self.failed)


def make(gathered: Gathered, zone: tzinfo = UTC) -> Report:
    """Make the report."""
    calls = list(_within(gathered))
    jobs = jobs_of(
        calls, launchers=gathered.launchers, views=gathered.views, stack=gathered.stack, home=gathered.home
    )
    outages = outages_of.read(calls)
    recovery_calls = sum(one.recovery_calls for job in jobs for one in job.failed)
    return Report(
        gathered=gathered,
        zone=zone,
        jobs=jobs,
        heat=_heat(jobs, zone),
        places=_places(jobs, outages),
        recovery_calls=recovery_calls,
        usd=usd(2 * recovery_calls, recovery_calls, recovery_calls * INVOCATION_S),
        advice=advise(jobs, outages, calls),
    )


def _within(gathered: Gathered) -> Iterator[RunTaskCall]:
    """Yield the calls that count: those in the time range, and later calls of their recoveries."""
    calls = [call for call in gathered.calls if call.time >= gathered.since]
    ours = {
        names.own_started_by(call.failed)
        for call in calls
        if call.failed is not None and not call.is_ours and call.time <= gathered.until
    }
    yield from (
        call for call in calls if call.time <= gathered.until or (call.is_ours and call.started_by in ours)
    )


def _heat(jobs: Sequence[Job], zone: tzinfo) -> tuple[tuple[Cell, ...], ...]:
    failed: Counter[tuple[int, int]] = Counter()
    placed: Counter[tuple[int, int]] = Counter()
    for job in jobs:
        failed.update(_hour(one.call.time, zone) for one in job.failed)
        placed.update(_hour(call.time, zone) for call in job.placed)
    return tuple(
        tuple(
            Cell(failed=failed[day, hour], calls=failed[day, hour] + placed[day, hour])
            for hour in range(HOURS)
        )
        for day in range(DAYS)
    )


def _hour(time: datetime, zone: tzinfo) -> tuple[int, int]:
    local = time.astimezone(zone)
    return local.weekday(), local.hour


def _places(jobs: Sequence[Job], outages: Outages) -> tuple[CapacityPool, ...]:
    failed: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        for one in job.short:
            provider = outages_of.provider_of(one.call)
            failed.update((provider, subnet) for subnet in dict.fromkeys(one.call.subnets) or ("",))
    found = []
    for (provider, subnet), number in failed.items():
        gaps = outages.of(provider, frozenset({subnet} if subnet else ()))
        lengths = [one.end - one.start for one in gaps]
        found.append(
            CapacityPool(
                subnet=subnet,
                zone=outages.zones.get(subnet, ""),
                provider=provider,
                failed=number,
                outages=len(gaps),
                short_s=sum(lengths),
                longest_s=max(lengths, default=0.0),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.short_s, one.provider, one.subnet)))


def as_json(report: Report) -> JsonObject:
    """Return the report as JSON."""
    return {
        "source": report.gathered.source,
        "since": iso(report.gathered.since),
        "until": iso(report.gathered.until),
        "time_zone": str(report.zone),
        "calls": report.runs,
        "failed": len(report.failed),
        "endings": {ending.value: number for ending, number in report.endings.items()},
        "heat": [[{"failed": c.failed, "calls": c.calls} for c in row] for row in report.heat],
        "places": [
            {
                "subnet": one.subnet or None,
                "zone": one.zone or None,
                "provider": one.provider,
                "failed": one.failed,
                "outages": one.outages,
                "short_s": round(one.short_s),
                "longest_s": round(one.longest_s),
            }
            for one in report.places
        ],
        "schedules": [_job_as_json(job) for job in report.jobs],
        "started_after_s": _quantiles(report.waits),
        "without": {
            "runs_missed": report.missed_without,
            "next_run_after_s": _quantiles(report.waits_without),
        },
        "cost": {"run_task_calls": report.recovery_calls, "usd": round(report.usd, 4)},
        "advice": [_advice_as_json(one) for one in report.advice],
        "notes": list(report.gathered.notes),
    }


def _job_as_json(job: Job) -> JsonObject:
    waits = [wait for one in job.failed if (wait := one.waited_s) is not None]
    return {
        "name": job.name,
        "kind": job.kind.value,
        "expression": job.launcher.expression if job.launcher else None,
        "calls": job.runs,
        "failed": len(job.failed),
        "endings": dict(Counter(one.ending.value for one in job.failed)),
        "started_after_s": _quantiles(waits),
        "recovery_calls": sum(one.recovery_calls for one in job.failed),
    }


def _quantiles(waits: Sequence[float]) -> JsonObject:
    return {
        "median": round(median(waits), 1) if waits else None,
        "max": round(max(waits), 1) if waits else None,
    }


def _advice_as_json(one: Advice) -> JsonObject:
    return {
        "kind": one.kind.value,
        "schedules": list(one.jobs),
        "title": one.title,
        "why": list(one.why),
        "without": _figures_as_json(one.before),
        "with": _figures_as_json(one.after),
        "commands": one.change.commands or None if one.change else None,
        "language": one.change.language if one.change else None,
        "code": one.change.code if one.change else None,
    }


def _figures_as_json(one: Figures | None) -> JsonObject | None:
    if one is None:
        return None
    return {
        "runs": one.runs,
        "failed_calls": one.failed,
        "lost": one.lost,
        "started_after_s": {"median": one.typical_s, "max": one.worst_s},
    }
