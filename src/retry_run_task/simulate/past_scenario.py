"""Your own past: failed RunTask calls from CloudTrail's records, as the launches and the outage of a scenario.

Records show when there was no capacity, but not when it returned. So the outage of a place (the subnets and the
provider of a request on its cluster) is assumed to last from the first to the last failure recorded there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch.request import asked, cluster_name
from retry_run_task.launch.values import Category, FailedLaunch, Ignored, IncompleteRequest, Origin, Unparsed
from retry_run_task.policy.scope import NEVER
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap
from retry_run_task.simulate.incident import Incident, Spec
from retry_run_task.simulate.launches import LATENESS
from retry_run_task.simulate.scenarios import Scenario
from retry_run_task.sources.files import LooseFailures
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random
    from typing import Any

    from retry_run_task.simulate.launches import ScenarioSettings
    from retry_run_task.sources.files import Item

PAST = "past"
"""Name of the scenario."""

# Categories that can pass without help; the return of others cannot be simulated.
_PASSES = frozenset({Category.CAPACITY, Category.TRANSIENT})

# Failures of a place that are further apart are two outages; of all places: two incidents.
_APART_S, _INCIDENTS_APART_S = 30 * 60.0, 2 * 3600.0
# An incident is simulated for twelve hours; two of them are left for what follows the last failure.
_LONGEST_INCIDENT_S = 10 * 3600.0
# A single failure has no duration.
_SHORTEST_S = 60.0

_BOOT_S, _RUN_S = 30.0, 15 * 60.0


class NothingFailedError(Exception):
    """The records have no failed launch that capacity would have helped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastScenario:
    """The scenario made of records, and in ``notes`` what was found and assumed, in sentences."""

    scenario: Scenario
    incidents: int
    launches: int
    zones: int
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    evidence: list[FailedLaunch] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def from_items(items: Iterable[Item]) -> PastScenario:
    """Make a scenario of records read from files, as in ``explain``.

    Raises:
        NothingFailedError: No record is of a failed launch that waiting could help.
    """
    found = _find(items)
    # Each try of an SDK's call is recorded, and all of them are one launch.
    first_of = {
        launch.call_id: launch for launch in reversed(found.evidence) if launch.caller.kind not in NEVER
    }
    asked_for = {id(launch) for launch in first_of.values()}
    groups = [
        group for group in _incidents(found.evidence) if any(id(launch) in asked_for for launch in group)
    ]
    if not groups:
        raise NothingFailedError(
            "holds no failed launch that capacity would have helped; expected CloudTrail records of RunTask calls "
            "with failures[]. Look at single records with: retry-run-task explain FILE"
        )
    launches = len(asked_for)
    places = {_place(launch) for group in groups for launch in group}
    held = f"{counted(launches, 'failed launch', 'failed launches')} in {counted(len(places), 'place')}"
    scenario = Scenario(
        name=PAST,
        title="Your own past",
        model=f"{held}, from the records.",
        make=lambda random, settings, number: _incident(groups[number], asked_for, random, settings, number),
    )
    return PastScenario(
        scenario=scenario,
        incidents=len(groups),
        launches=launches,
        zones=len(places),
        notes=_notes(found, launches, len(places), len(groups)),
    )


def _find(items: Iterable[Item]) -> _Found:
    """Return the launches that capacity would have helped, oldest first, and the number of all others by kind."""
    found = _Found()
    for item in items:
        match item:
            case FailedLaunch():
                category = worst([classify(f) for f in item.failures]).category
                if any(f.origin is Origin.ERROR for f in item.failures):
                    found.left_out["that raised an error"] += 1
                elif category not in _PASSES:
                    found.left_out[f"of the category {category}"] += 1
                else:
                    found.evidence.append(item)
            case LooseFailures():
                found.left_out["of which the call is not known"] += 1
            case Ignored():
                found.left_out["that are no failed launch"] += 1
            case Unparsed():
                found.left_out["that cannot be read"] += 1
    found.evidence.sort(key=lambda launch: launch.event_time)
    return found


def _notes(found: _Found, launches: int, places: int, incidents: int) -> tuple[str, ...]:
    notes = [
        (
            f"From the records: {counted(launches, 'failed launch', 'failed launches')} in "
            f"{counted(places, 'place')} and {counted(incidents, 'incident')}. "
            "A place is a request's cluster, subnets and provider."
        ),
        (
            "Assumed: in each place capacity was away from the first to the last failure that was recorded there, "
            "with pauses of up to 30 minutes, and for a minute at the least; then there was enough."
        ),
        "If nothing called again during the outage, it was longer than the records show, and so are the times below.",
    ]
    hidden = sum(isinstance(launch.request, IncompleteRequest) for launch in found.evidence)
    if hidden:
        notes.append(
            f"CloudTrail hid a part of {counted(hidden, 'request')}; here they count as whole, as if "
            "the schedule were certain."
        )
    if found.left_out:
        left_out = ", ".join(f"{n} {what}" for what, n in sorted(found.left_out.items()))
        notes.append(f"Left out: {left_out}.")
    return tuple(notes)


def _place(launch: FailedLaunch) -> str:
    parameters = launch.request.parameters
    network: Mapping[str, Any] = parameters.get("networkConfiguration") or {}
    subnets = (network.get("awsvpcConfiguration") or {}).get("subnets") or ()
    return " ".join([cluster_name(parameters), _provider(launch), *sorted(map(str, subnets))])


def _provider(launch: FailedLaunch) -> str:
    parameters = launch.request.parameters
    strategy = parameters.get("capacityProviderStrategy")
    if isinstance(strategy, list) and strategy and isinstance(strategy[0], dict):
        return str(strategy[0].get("capacityProvider") or "FARGATE")
    return str(parameters.get("launchType") or "FARGATE")


def _incidents(evidence: Sequence[FailedLaunch]) -> list[list[FailedLaunch]]:
    groups: list[list[FailedLaunch]] = []
    for launch in evidence:
        if groups:
            since_last = (launch.event_time - groups[-1][-1].event_time).total_seconds()
            since_first = (launch.event_time - groups[-1][0].event_time).total_seconds()
            if since_last <= _INCIDENTS_APART_S and since_first <= _LONGEST_INCIDENT_S:
                groups[-1].append(launch)
                continue
        groups.append([launch])
    return groups


def _incident(
    group: Sequence[FailedLaunch],
    asked_for: set[int],
    random: Random,
    settings: ScenarioSettings,
    number: int,
) -> Incident:
    first = group[0].event_time
    times: dict[str, list[float]] = {}
    providers: dict[str, str] = {}
    for launch in group:
        place = _place(launch)
        providers[place] = _provider(launch)
        times.setdefault(place, []).append((launch.event_time - first).total_seconds())
    names = {place: f"place-{n}" for n, place in enumerate(sorted(times), 1)}
    specs = tuple(
        _spec(launch, index, random, settings, place=names[_place(launch)], first=first.timestamp())
        for index, launch in enumerate(launch for launch in group if id(launch) in asked_for)
    )
    return Incident(
        number=number,
        seed=random.getrandbits(64),
        launches=specs,
        zones={name: name for name in names.values()},
        capacities={
            (names[place], providers[place]): CapacityTimeline(gaps=_gaps(found))
            for place, found in times.items()
        },
        reason=Counter(spec.reason for spec in specs).most_common(1)[0][0],
    )


def _gaps(times: Sequence[float]) -> tuple[Gap, ...]:
    gaps: list[Gap] = []
    for time in times:
        # The failure itself lies within the outage.
        end = time + 1
        if gaps and time - gaps[-1].end <= _APART_S:
            gaps[-1] = Gap(gaps[-1].start, max(end, gaps[-1].end))
        else:
            gaps.append(Gap(time - 1, max(end, time + _SHORTEST_S)))
    return tuple(gaps)


def _spec(
    launch: FailedLaunch, index: int, random: Random, settings: ScenarioSettings, *, place: str, first: float
) -> Spec:
    verdict = worst([classify(f) for f in launch.failures])
    count = asked(launch.request)
    return Spec(
        index=index,
        time=launch.event_time.timestamp() - first,
        count=count,
        missing=max(1, count - len(launch.placed)),
        provider=_provider(launch),
        reason=verdict.failure.reason,
        is_start=False,
        call_id=hashlib.sha256(f"{settings.seed}/{launch.call_id}".encode()).hexdigest()[:32],
        boot_s=_BOOT_S,
        run_s=_RUN_S,
        late_s={way: lateness.draw(random) for way, lateness in LATENESS.items()},
        place=place,
    )
