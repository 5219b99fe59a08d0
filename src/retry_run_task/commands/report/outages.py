"""Outages, inferred from all callers' RunTask calls. Pure.

A call that finds no room in some subnets shows that all of them are short; one that places its task shows that one of
them is not. So for a set of subnets two kinds of calls count: those that asked for all of them and failed, and those
that placed a task inside the set.

An outage lasts from its first failed call to the first call that placed a task again, which is later than the return of
capacity. So advice that rests on it is conservative.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from retry_run_task.commands.report.jobs import PASSES
from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch.values import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retry_run_task.commands.shared.calls import RunTaskCall

# Failures further apart than this are two outages; an outage without an observed end is assumed to last this long.
_APART_S = 30 * 60.0


class Outage(NamedTuple):
    """A time without capacity, in seconds since 1970.

    It ends with the first call that placed a task again; without one, half an hour after the last that failed.
    """

    start: float
    end: float
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one call shows about capacity.

    ``subnets`` are the requested ones; for a placed task its own, if recorded.
    """

    time: float
    subnets: frozenset[str]
    has_room: bool


@dataclass(slots=True)
class Outages:
    """What all calls show about capacity, by provider and in order of time. EC2 capacity is the cluster's own."""

    seen: dict[str, list[Seen]] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, frozenset[str]], tuple[Outage, ...]] = field(default_factory=dict)

    def of(self, provider: str, subnets: frozenset[str]) -> tuple[Outage, ...]:
        """Return when none of the subnets had room, in seconds since 1970."""
        key = (provider, subnets)
        if key not in self._known:
            self._known[key] = tuple(_outages(self.seen.get(provider, ()), subnets))
        return self._known[key]

    def placed_within(self, provider: str, subnets: frozenset[str], outage: Outage) -> bool:
        """Tell whether a call placed a task in one of the subnets during an outage of others."""
        return any(
            one.has_room and one.subnets <= subnets and outage.start <= one.time < outage.end
            for one in self.seen.get(provider, ())
        )


def read(calls: Iterable[RunTaskCall]) -> Outages:
    """Return what calls show about capacity."""
    found = Outages()
    for call in sorted(calls, key=lambda one: one.time):
        found.zones.update((subnet, zone) for subnet, zone in call.placed_in if zone)
        seen = found.seen.setdefault(provider_of(call), [])
        time, subnets = call.time.timestamp(), frozenset(call.subnets)
        if call.placed:
            rooms = {subnet for subnet, _ in call.placed_in}
            for room in [frozenset({one}) for one in sorted(rooms)] or [subnets]:
                seen.append(Seen(time=time, subnets=room, has_room=True))
        if _is_short(call):
            seen.append(Seen(time=time, subnets=subnets, has_room=False))
    return found


def provider_of(call: RunTaskCall) -> str:
    """Return the capacity that a call asked for; instances and a cluster's default are the cluster's own."""
    if call.provider.startswith("FARGATE"):
        return call.provider
    return f"{call.provider or 'default'} of {call.cluster}"


def both(one: Sequence[Outage], two: Sequence[Outage]) -> list[Outage]:
    """Return the overlap of outages."""
    return [
        Outage(max(a.start, b.start), min(a.end, b.end), is_over=a.is_over and b.is_over)
        for a in one
        for b in two
        if max(a.start, b.start) < min(a.end, b.end)
    ]


def _is_short(call: RunTaskCall) -> bool:
    if call.failed is None or any(one.origin is not Origin.ANSWER for one in call.failed.failures):
        return False
    return worst([classify(one) for one in call.failed.failures]).category in PASSES


def _outages(seen: Sequence[Seen], subnets: frozenset[str]) -> list[Outage]:
    found: list[Outage] = []
    is_open = False
    for one in seen:
        if one.has_room and one.subnets <= subnets:
            if is_open and one.time <= found[-1].end:
                found[-1] = Outage(found[-1].start, max(one.time, found[-1].start + 1), is_over=True)
            is_open = False
        elif not one.has_room and one.subnets >= subnets:
            if found and one.time <= found[-1].end:
                # Also if another call found room meanwhile: there is too little of it.
                found[-1] = Outage(found[-1].start, one.time + _APART_S, is_over=False)
            else:
                found.append(Outage(one.time, one.time + _APART_S, is_over=False))
            is_open = True
    return found
