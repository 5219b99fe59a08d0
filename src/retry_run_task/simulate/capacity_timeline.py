"""Free capacity of one (zone, provider) pool over simulated time, the same for every policy.

Outside an outage there is room without limit. Within one there is none, or it flickers from second to second, or single
slots appear and disappear when another customer takes them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

_MASK = (1 << 64) - 1


class Gap(NamedTuple):
    """An outage, in seconds of the incident: its start, and its end, which is after it."""

    start: float
    end: float


class Offer(NamedTuple):
    """One slot: when it becomes free, and when another customer takes it."""

    appears: float
    vanishes: float


def chance(seed: int, n: int) -> float:
    """Return a pseudo-random number in [0, 1): the same for the same two numbers.

    SplitMix64, which is made for this and takes a microsecond. https://doi.org/10.1145/2714064.2660195
    """
    z = (seed + (n + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityTimeline:
    """When there is room.

    Attributes:
        gaps: The outages, in order and separate.
        offers: Single slots within the gaps, in order of appearance.
        flicker: The probability that a second within a gap has room.
        grows: Whether that probability is reached in the last second, growing with the square of the time.
    """

    gaps: tuple[Gap, ...] = ()
    offers: tuple[Offer, ...] = ()
    flicker: float = 0.0
    grows: bool = False
    seed: int = 0

    def gap_at(self, time: float) -> Gap | None:
        """Return the outage at a time; None if there is none."""
        gaps = self.gaps
        place = bisect_right(gaps, (time, float("inf"))) - 1
        return gaps[place] if place >= 0 and time < gaps[place].end else None

    def is_open(self, time: float) -> bool:
        """Tell whether there is room without limit."""
        gap = self.gap_at(time)
        return gap is None or self._flickers(int(time), gap)

    def _flickers(self, second: int, gap: Gap) -> bool:
        share = ((second - gap.start) / (gap.end - gap.start)) ** 2 if self.grows else 1.0
        return self.flicker > 0 and chance(self.seed, second) < self.flicker * share

    def first_open(self, time: float) -> float:
        """Return the first time from a moment on with room without limit."""
        gap = self.gap_at(time)
        if gap is None or self.is_open(time):
            return time
        if self.flicker > 0:
            second = int(time) + 1
            while second < gap.end:
                if self._flickers(second, gap):
                    return float(second)
                second += 1
        return self.first_open(gap.end)

    def first_room(self, time: float) -> float:
        """Return the first time from a moment on with a slot, whoever gets it."""
        first = self.first_open(time)
        for offer in self.offers:
            if offer.appears >= first:
                break
            if offer.vanishes > time:
                return max(time, offer.appears)
        return first


class FreeSlots:
    """A capacity with the slots that are taken. Time never goes back."""

    __slots__ = ("_free", "_next", "capacity")

    def __init__(self, capacity: CapacityTimeline) -> None:
        self.capacity = capacity
        self._next = 0
        # A heap of free slots; the first to disappear is at the top.
        self._free: list[tuple[float, float]] = []

    def take(self, time: float) -> bool:
        """Take a slot; return whether there was one."""
        if self.capacity.is_open(time):
            return True
        self._bring_up_to(time)
        if self._free:
            heappop(self._free)
            return True
        return False

    def next_room(self, time: float) -> float:
        """Return the first time from a moment on at which ``take`` finds a slot."""
        first = self.capacity.first_open(time)
        if first <= time:
            return time
        self._bring_up_to(time)
        if self._free:
            return time
        for offer in self.capacity.offers[self._next :]:
            if offer.appears >= first:
                break
            if offer.vanishes > offer.appears:
                return offer.appears
        return first

    def _bring_up_to(self, time: float) -> None:
        offers = self.capacity.offers
        while self._next < len(offers) and offers[self._next].appears <= time:
            offer = offers[self._next]
            self._next += 1
            if offer.vanishes > time:
                heappush(self._free, (offer.vanishes, offer.appears))
        while self._free and self._free[0][0] <= time:
            heappop(self._free)
