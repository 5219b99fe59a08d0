"""Statistics of millions of launches: counts, and a histogram of the times, in constant size."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retry_run_task.simulate.competitors import IncidentResult
    from retry_run_task.simulate.incident import Incident

# Times are kept in tenths of a second.
TENTHS = 10


@dataclass(slots=True, kw_only=True)
class Tally:
    """Sums over the launches of one policy in one scenario. Whole numbers, so that the order does not matter.

    Attributes:
        expired: How many the policy took up and gave up.
        unseen: How many it never took up.
        throttled: Of the RunTask calls.
        duplicates: Running tasks beyond those that were asked for.
        stale: Launches that were recovered after their schedule's next run was due.
        peak_calls_per_s: The most calls within one second.
        throttled_invocations: Not counted in ``invocations``. Whether Lambda bills an operation for a retried one is
            not known.
        busy_s: Seconds of the function that recovers, in whole seconds of each incident.
        tenths: Number of recovered launches, by tenths of a second since the return of capacity.
    """

    launches: int = 0
    recovered: int = 0
    expired: int = 0
    unseen: int = 0
    calls: int = 0
    throttled: int = 0
    duplicates: int = 0
    stale: int = 0
    reads: int = 0
    peak_calls_per_s: int = 0
    peak_calls_in_10_s: int = 0
    peak_reads_in_10_s: int = 0
    operations: int = 0
    invocations: int = 0
    throttled_invocations: int = 0
    busy_s: int = 0
    tenths: Counter[int] = field(default_factory=Counter)

    def add(self, incident: Incident, met: IncidentResult) -> None:
        """Count one incident."""
        for track in met.tracks:
            self.launches += 1
            self.calls += track.calls
            self.throttled += track.throttled
            self.duplicates += track.duplicates
            if track.recovered_at is not None:
                self.recovered += 1
                self.stale += track.recovered_at > track.spec.time + incident.next_due_s
                self.tenths[round((track.recovered_at - incident.returned_at(track.spec)) * TENTHS)] += 1
            elif track.is_taken_up:
                self.expired += 1
            else:
                self.unseen += 1
        self.operations += met.operations
        self.invocations += met.invocations
        self.throttled_invocations += met.throttled_invocations
        self.busy_s += round(met.busy_s)
        self.reads += met.reads_in.total()
        self.peak_calls_per_s = max(self.peak_calls_per_s, *met.calls_in.values(), 0)
        self.peak_calls_in_10_s = max(self.peak_calls_in_10_s, _in_ten(met.calls_in))
        self.peak_reads_in_10_s = max(self.peak_reads_in_10_s, _in_ten(met.reads_in))

    def merge(self, other: Tally) -> None:
        """Add the counts of another process."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if each.name.startswith("peak_"):
                setattr(self, each.name, max(mine, theirs))
            elif each.name == "tenths":
                self.tenths.update(theirs)
            else:
                setattr(self, each.name, mine + theirs)

    def quantile(self, share: float) -> float | None:
        """Return the time within which this share of *all* launches was recovered, in seconds.

        None if fewer were. So a policy that recovers a third of the launches quickly has no median.
        """
        rank, seen = max(1, -(-round(share * 1000) * self.launches // 1000)), 0
        for tenth in sorted(self.tenths):
            seen += self.tenths[tenth]
            if seen >= rank:
                return tenth / TENTHS
        return None

    def within(self, seconds: float) -> float:
        """Return the share of all launches that were recovered within a time after the return of capacity."""
        limit = seconds * TENTHS
        return sum(n for tenth, n in self.tenths.items() if tenth <= limit) / max(1, self.launches)

    @property
    def calls_per_recovery(self) -> float | None:
        """RunTask calls per recovered launch; None if none was recovered."""
        return self.calls / self.recovered if self.recovered else None


def _in_ten(per_second: Counter[int]) -> int:
    """Return the maximum over ten consecutive whole seconds."""
    most = inside = 0
    seconds = sorted(per_second)
    oldest = 0
    for second in seconds:
        inside += per_second[second]
        while seconds[oldest] <= second - 10:
            inside -= per_second[seconds[oldest]]
            oldest += 1
        most = max(most, inside)
    return most
