"""Simulates past runs again: what the recovery would have done with them under a change. Pure.

The loop and the policy are those that run in Lambda; ECS and the outages are the simulator's, with the observed times.
Each run is alone: how others use returning capacity is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from statistics import median
from typing import TYPE_CHECKING

from retry_run_task.config import POLICY, policy_of, read_policy
from retry_run_task.local.ecs.placement import NO_CAPACITY
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap
from retry_run_task.simulate.competitors import Ours
from retry_run_task.simulate.incident import CLUSTER, HORIZON_S, Incident, Spec
from retry_run_task.simulate.launches import LATENESS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retry_run_task.commands.report.outages import Outage
    from retry_run_task.policy.rules import Policy

_PLACE = "place"
# The mean of each source; a random spread would not match any past night.
_LATE_S = {way: lateness.mean_s for way, lateness in LATENESS.items()}
_BOOT_S, _RUN_S = 30.0, 15 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOutages:
    """The outages by provider, as one job sees them."""

    provider: str
    outages: Mapping[str, tuple[Outage, ...]] = field(default_factory=dict)

    def is_short(self, time: float) -> bool:
        """Tell whether a call at a time finds no room."""
        return any(one.start <= time < one.end for one in self.outages.get(self.provider, ()))

    def around(self, time: float) -> _Gaps:
        """Return the outages that a run beginning at a time may meet, in seconds from then."""
        return tuple(
            (
                provider,
                tuple(
                    Gap(one.start - time, one.end - time)
                    for one in found
                    if one.start - time < HORIZON_S and one.end > time
                ),
            )
            for provider, found in self.outages.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The results of a job's past runs; ``waits`` are seconds from due to started, of those that failed in the past."""

    runs: int
    failed: float
    lost: int
    waits: tuple[float, ...] = ()

    @property
    def typical_s(self) -> float | None:
        """The median of the waits."""
        return median(self.waits) if self.waits else None

    @property
    def worst_s(self) -> float | None:
        """The longest of the waits."""
        return max(self.waits, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A past run, called at ``time`` in seconds since 1970.

    The job's next run was called at ``until``; infinity if not known.
    """

    time: float
    until: float
    failed: bool


_Gaps = tuple[tuple[str, tuple[Gap, ...]], ...]


class Rehearsal:
    """Simulates past runs with a policy."""

    def __init__(self, policy: Policy) -> None:
        self._ours = Ours(name="past", policy=policy)
        self._known: dict[tuple[_Gaps, str], float | None] = {}

    def of(self, runs: Sequence[PastRun], room: KnownOutages, *, moved_s: float = 0.0) -> Figures:
        """Simulate past runs of one job. ``moved_s`` is how much later each run is called."""
        failed, lost, waits = 0, 0, []
        for run in runs:
            time = run.time + moved_s
            waited: float | None = 0.0
            if room.is_short(time):
                failed += 1
                waited = self._wait(room.around(time), room.provider)
            if waited is None or time + waited >= run.until + moved_s:
                lost += 1
            elif run.failed:
                waits.append(moved_s + waited)
        return Figures(runs=len(runs), failed=failed, lost=lost, waits=tuple(sorted(waits)))

    def _wait(self, gaps: _Gaps, provider: str) -> float | None:
        """Return how long a call that fails at second 0 waits for its task; None if the recovery gives up."""
        key = (gaps, provider)
        if key not in self._known:
            (track,) = self._ours.meet(_night(gaps, provider)).tracks
            self._known[key] = track.recovered_at
        return self._known[key]


def _night(gaps: _Gaps, provider: str) -> Incident:
    spec = Spec(
        index=0,
        time=0.0,
        count=1,
        missing=1,
        provider=provider,
        reason=NO_CAPACITY,
        is_start=False,
        call_id="0" * 32,
        boot_s=_BOOT_S,
        run_s=_RUN_S,
        late_s=_LATE_S,
    )
    return Incident(
        number=0,
        seed=1,
        launches=(spec,),
        zones={_PLACE: _PLACE},
        capacities={(_PLACE, name): CapacityTimeline(gaps=one) for name, one in gaps},
    )


def summed(figures: Sequence[Figures]) -> Figures:
    """Return the figures of several jobs combined."""
    return Figures(
        runs=sum(one.runs for one in figures),
        failed=sum(one.failed for one in figures),
        lost=sum(one.lost for one in figures),
        waits=tuple(sorted(wait for one in figures for wait in one.waits)),
    )


@cache
def by_default() -> Rehearsal:
    """Return a rehearsal with the policy of this release."""
    return Rehearsal(read_policy())


def with_setting(line: str) -> Rehearsal:
    """Return a rehearsal with one setting of TOML in an additional rule."""
    from importlib.resources import files  # noqa: PLC0415

    text = files("retry_run_task").joinpath(POLICY).read_text(encoding="utf-8")
    head, header, rules = text.partition("\n[[rules]]")
    match = f'{{ cluster = "{CLUSTER}", category = "capacity" }}'
    rule = f'[[rules]]\nname = "tried"\nmatch = {match}\n{line}'
    return Rehearsal(policy_of(f"{head}\n{rule}\n{header}{rules}".encode(), POLICY))
