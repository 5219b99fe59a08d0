"""The outages: each is a recipe that makes an incident from its number and a seed.

Documented facts have their URL. How long outages last and how capacity returns is not published; those are assumptions,
drawn for each incident, and docs/simulator.md lists them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from retry_run_task.local.ecs.placement import NO_CAPACITY
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap, Offer
from retry_run_task.simulate.incident import AGENT, ENI_TIMEOUT, PERMANENT, Incident
from retry_run_task.simulate.launches import MINUTE, ON_DEMAND, draw_launches

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.simulate.launches import ScenarioSettings

_HOUR = 60 * MINUTE
_DAY = 24 * _HOUR

_SPOT, _INSTANCES = "FARGATE_SPOT", "EC2"

_SEVERAL = 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of outage. ``model`` says in a sentence or two how it is modelled."""

    name: str
    title: str
    make: Callable[[Random, ScenarioSettings, int], Incident]
    model: str

    def incident(self, settings: ScenarioSettings, number: int) -> Incident:
        """Return an incident: the same for the same settings and number, in any process."""
        # A string, because a tuple's hash differs between processes.
        incident = self.make(Random(f"{settings.seed}/{self.name}/{number}"), settings, number)  # noqa: S311 - no secret
        return replace(incident, placement=settings.placement, limits=settings.limits)


def _zones(settings: ScenarioSettings) -> dict[str, str]:
    return {f"subnet-{n}": f"zone-{n}" for n in range(1, settings.zones + 1)}


def _none_until(end: float) -> CapacityTimeline:
    return CapacityTimeline(gaps=(Gap(-MINUTE, end),))


def _alike(
    random: Random,
    settings: ScenarioSettings,
    number: int,
    capacity: CapacityTimeline,
    *,
    provider: str = ON_DEMAND,
    reason: str = NO_CAPACITY,
) -> Incident:
    """Return an incident in which all zones have the same capacity."""
    zones = _zones(settings)
    return Incident(
        number=number,
        seed=random.getrandbits(64),
        zones=zones,
        capacities={(zone, provider): capacity for zone in zones.values()},
        launches=draw_launches(random, settings, number, provider=provider, reason=reason),
        reason=reason,
    )


def _single_slots(
    random: Random, settings: ScenarioSettings, number: int, end: float, draw: Callable[[], float]
) -> Incident:
    """Return an incident of single slots: in all zones together half as many again as there are schedules."""
    zones = _zones(settings)
    slots = round(1.5 * settings.schedules / settings.zones)
    capacities = {}
    for zone in zones.values():
        appear = sorted(draw() for _ in range(slots))
        capacities[zone, ON_DEMAND] = CapacityTimeline(
            gaps=(Gap(-MINUTE, end),),
            offers=tuple(Offer(at, at + random.expovariate(1 / 20)) for at in appear),
        )
    return Incident(
        number=number,
        seed=random.getrandbits(64),
        zones=zones,
        capacities=capacities,
        launches=draw_launches(random, settings, number),
    )


def _zone_outage(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    zones = _zones(settings)
    return Incident(
        number=number,
        seed=random.getrandbits(64),
        zones=zones,
        capacities={
            (zone, ON_DEMAND): _none_until(random.uniform(20 * MINUTE, 90 * MINUTE))
            for zone in zones.values()
        },
        launches=draw_launches(random, settings, number),
    )


def _rush(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    first, end = random.uniform(2 * MINUTE, 6 * MINUTE), random.uniform(35 * MINUTE, 50 * MINUTE)

    def draw() -> float:
        # More of them towards the end.
        return first + (end - first) * math.sqrt(random.random())

    return _single_slots(random, settings, number, end, draw)


def _brownout(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    capacity = replace(_none_until(random.uniform(45 * MINUTE, 90 * MINUTE)), flicker=0.1)
    return _alike(random, settings, number, replace(capacity, seed=random.getrandbits(64)))


def _spot_drought(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    # On-demand capacity is always available.
    capacity = _none_until(random.uniform(2 * _HOUR, 5 * _HOUR))
    return _alike(random, settings, number, capacity, provider=_SPOT)


def _throttling(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    end = random.uniform(5 * MINUTE, 10 * MINUTE)
    busy, start = [], end - random.uniform(0, 2 * MINUTE)
    while start < end + 20 * MINUTE:
        stop = start + random.uniform(MINUTE, 4 * MINUTE)
        busy.append(Gap(start, stop))
        start = stop + random.uniform(20, 60)
    incident = _alike(random, settings, number, _none_until(end))
    return replace(incident, busy=tuple(busy), busy_share=0.8)


def _agent(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    gaps, start = [], -MINUTE
    while start < 30 * MINUTE:
        stop = max(start + random.uniform(MINUTE, 5 * MINUTE), 2 * MINUTE)
        gaps.append(Gap(start, stop))
        start = stop + random.uniform(10, 90)
    capacity = CapacityTimeline(gaps=tuple(gaps))
    return _alike(random, settings, number, capacity, provider=_INSTANCES, reason=AGENT)


def _eni(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    end = random.uniform(10 * MINUTE, 30 * MINUTE)
    starts = CapacityTimeline(gaps=(Gap(-10 * MINUTE, end),), flicker=0.4, seed=random.getrandbits(64))
    return Incident(
        number=number,
        seed=random.getrandbits(64),
        zones=_zones(settings),
        capacities={},
        # Midnight's tasks stop about three minutes later.
        launches=draw_launches(
            random,
            settings,
            number,
            reason=ENI_TIMEOUT,
            is_start=True,
            times=lambda: 3 * MINUTE + random.uniform(0, MINUTE),
        ),
        starts=starts,
    )


def _lost_answers(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    capacity = _none_until(random.uniform(2 * MINUTE, 12 * MINUTE))
    return replace(_alike(random, settings, number, capacity), lost_share=0.1)


def _misconfigured(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    capacity = _none_until(10 * _DAY)
    return _alike(random, settings, number, capacity, provider=_INSTANCES, reason=PERMANENT)


def _short(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    # Every launch is alone: in a zone of its own, at a time of its own.
    gap_of: dict[str, Gap] = {}
    specs = []
    for spec in draw_launches(random, settings, number, times=lambda: 0.0):
        time = spec.index * _APART_S
        gap_of[f"alone-{spec.index}"] = Gap(time - 1, time + random.uniform(15, 5 * MINUTE))
        specs.append(replace(spec, time=time, place=f"alone-{spec.index}"))
    return Incident(
        number=number,
        seed=random.getrandbits(64),
        launches=tuple(specs),
        zones={place: place for place in gap_of},
        capacities={(place, ON_DEMAND): CapacityTimeline(gaps=(gap,)) for place, gap in gap_of.items()},
    )


# Far enough apart that no two of a hundred launches wait at the same time, and all within the incident.
_APART_S = 300.0


def _one_zone(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    zones = _zones(replace(settings, zones=max(3, settings.zones)))
    first = random.uniform(20 * MINUTE, 60 * MINUTE)
    ends = [first, *(first + random.uniform(_HOUR, 2 * _HOUR) for _ in range(len(zones) - 1))]
    random.shuffle(ends)
    return Incident(
        number=number,
        seed=random.getrandbits(64),
        zones=zones,
        capacities={
            (zone, ON_DEMAND): _none_until(end) for zone, end in zip(zones.values(), ends, strict=True)
        },
        launches=draw_launches(random, settings, number),
    )


def _windows(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    gaps, start = [], -MINUTE
    while start < 3 * _HOUR:
        stop = start + random.uniform(9 * MINUTE, 11 * MINUTE)
        gaps.append(Gap(start, stop))
        start = stop + random.choice((10, 30))
    return _alike(random, settings, number, CapacityTimeline(gaps=tuple(gaps)))


def _ramp(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    capacity = replace(_none_until(random.uniform(2 * _HOUR, 6 * _HOUR)), flicker=1.0, grows=True)
    return _alike(random, settings, number, replace(capacity, seed=random.getrandbits(64)))


def _slots(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    end = 8 * _HOUR
    return _single_slots(random, settings, number, end, lambda: random.uniform(2 * MINUTE, end))


def _several(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    incident = _rush(random, settings, number)
    specs = tuple(replace(spec, count=_SEVERAL, missing=_SEVERAL) for spec in incident.launches)
    return replace(incident, launches=specs)


def _long(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    return _alike(random, settings, number, _none_until(random.uniform(4 * _HOUR, 10 * _HOUR)))


def _five_minutes(random: Random, settings: ScenarioSettings, number: int) -> Incident:
    end = 45 * MINUTE
    # Each schedule fails as often as it runs in the outage.
    runs = round(end / _EVERY_S)
    specs = tuple(
        replace(spec, time=spec.time + spec.index % runs * _EVERY_S)
        for spec in draw_launches(random, settings, number, times=lambda: random.uniform(0, 30))
    )
    incident = _alike(random, settings, number, _none_until(end))
    return replace(incident, launches=specs, next_due_s=_EVERY_S)


_EVERY_S = 5 * MINUTE

# Laid out by hand, as a table.
# fmt: off
SCENARIOS = (
    Scenario("short", "One job, and a shortage of minutes", _short,
        "A launch alone, and no capacity in its zones for 15 s to 5 minutes from its call on: what most people "
        "have."),
    Scenario("zone-outage", "An outage of every zone", _zone_outage,
        "No zone has Fargate capacity from before midnight; each gets it back at once, 20 to 90 minutes later."),
    Scenario("rush", "The rush at midnight or 9:00", _rush,
        "No capacity for 2 to 6 minutes, then it comes back slot by slot, and other customers take a slot that "
        "is free after 20 s on average. After 35 to 50 minutes there is enough for all."),
    Scenario("brownout", "A brownout", _brownout,
        "For 45 to 90 minutes one second in ten has capacity, so a call succeeds with a chance of 10 %."),
    Scenario("spot-drought", "A Spot drought", _spot_drought,
        "The schedules ask for FARGATE_SPOT, of which there is none for 2 to 5 hours."),
    Scenario("throttling", "Throttling after an outage", _throttling,
        "Capacity is back after 5 to 10 minutes, and for 20 minutes more the account's other calls take up the "
        "rate limit most of the time: then 80 % of the calls are throttled."),
    Scenario("agent", "A flapping agent", _agent,
        "EC2 instances whose agent is away for 1 to 5 minutes at a time, and back for 10 to 90 s, for half an "
        "hour. ECS says AGENT."),
    Scenario("eni", "Network interfaces that do not come", _eni,
        "ECS accepts the tasks; for 10 to 30 minutes 60 % of them stop after three minutes, before they run."),
    Scenario("lost-answers", "Answers that get lost", _lost_answers,
        "An outage of 2 to 12 minutes, and one answer in ten gets lost on its way back, after ECS has acted."),
    Scenario("misconfigured", "A permanent failure", _misconfigured,
        "ECS says ATTRIBUTE: no instance has what the task asks for. What counts is how often a policy calls."),
    Scenario("several", "Three tasks at once, in the rush", _several,
        "As the rush, with three tasks in every launch. Tools that cannot ask for more than one task never had "
        "such schedules."),
    Scenario("one-zone", "One zone of three is back", _one_zone,
        "Three zones have no capacity from before midnight; one gets it back after 20 to 60 minutes, the others "
        "one or two hours later."),
    Scenario("windows", "Short windows", _windows,
        "For three hours there is capacity for 10 or 30 s every ten minutes, and then for all."),
    Scenario("ramp", "A slow return", _ramp,
        "For 2 to 6 hours single seconds have capacity, rare ones at first and more and more of them."),
    Scenario("slots", "Single slots over eight hours", _slots,
        "Over eight hours slots appear one by one, half as many again as there are launches, and other "
        "customers take one after 20 s on average. After that there is enough."),
    Scenario("long", "An outage of four to ten hours", _long,
        "No zone has capacity from before midnight; all get it back at once."),
    Scenario("every-five-minutes", "Schedules that run every five minutes", _five_minutes,
        "An outage of 45 minutes, in which such schedules fail again and again. A task that starts after the "
        "schedule's next run was due is late."),
)
