"""The results of a simulation: as JSON, as sentences, and as the charts of the page."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from retry_run_task.policy.durations import duration_text
from retry_run_task.simulate.charts import Curve, Lanes, Strip, percent
from retry_run_task.simulate.competitors import Oracle, Ours
from retry_run_task.simulate.incident import HORIZON_S
from retry_run_task.simulate.tally import TENTHS
from retry_run_task.text import counted

if TYPE_CHECKING:
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.simulate.capacity_timeline import CapacityTimeline
    from retry_run_task.simulate.competitors import Competitor, IncidentResult
    from retry_run_task.simulate.contest import ContestResult
    from retry_run_task.simulate.incident import Incident
    from retry_run_task.simulate.scenarios import Scenario
    from retry_run_task.simulate.tally import Tally

# https://aws.amazon.com/lambda/pricing/ (us-east-1, list prices): durable operations, requests, GB-seconds on arm64.
USD_PER_OPERATION = 8.0 / 1e6
USD_PER_REQUEST = 0.20 / 1e6
USD_PER_GB_SECOND = 0.0000133334
FUNCTION_GB = 0.5

_MINUTE, _HOUR = 60, 3600
_LANES = 12
# Number of calls that fit on a line of the chart.
_MARKS = 60
# The longest time of a chart, relative to the outage.
_LONGEST = 2.0
_PANELS = 6


def as_json(result: ContestResult) -> JsonObject:
    """Return everything that was counted."""
    return {
        "seed": result.contest.settings.seed,
        "schedules": result.contest.settings.schedules,
        "zones": result.contest.settings.zones,
        "placement": result.contest.settings.placement.value,
        "region": result.contest.settings.limits.region,
        "others": result.contest.settings.limits.others,
        "incidents": result.contest.incidents,
        "scenarios": [
            {
                "name": scenario.name,
                "title": scenario.title,
                "policies": [
                    {"name": name, **_numbers(tally)} for name, tally in result.tallies[scenario.name].items()
                ],
            }
            for scenario in result.contest.scenarios
        ],
    }


def _numbers(tally: Tally) -> JsonObject:
    per_recovery = tally.calls_per_recovery
    return {
        "launches": tally.launches,
        "recovered": tally.recovered,
        "p50_s": tally.quantile(0.5),
        "p95_s": tally.quantile(0.95),
        "max_s": tally.quantile(1),
        "calls": tally.calls,
        "calls_per_recovery": None if per_recovery is None else round(per_recovery, 2),
        "peak_calls_per_s": tally.peak_calls_per_s,
        "peak_calls_in_10_s": tally.peak_calls_in_10_s,
        "reads": tally.reads,
        "peak_reads_in_10_s": tally.peak_reads_in_10_s,
        "throttled": tally.throttled,
        "expired": tally.expired,
        "unseen": tally.unseen,
        "duplicates": tally.duplicates,
        "stale": tally.stale,
        "operations": tally.operations,
        "invocations": tally.invocations,
        "throttled_invocations": tally.throttled_invocations,
        "busy_s": tally.busy_s,
    }


def usd(operations: float, invocations: float, seconds: float) -> float:
    """Return the cost of operations, invocations and their seconds at list prices."""
    return (
        operations * USD_PER_OPERATION
        + invocations * USD_PER_REQUEST
        + seconds * FUNCTION_GB * USD_PER_GB_SECOND
    )


def time(seconds: float | None) -> str:
    """Return a time for a table; a dash if that many launches were never recovered."""
    if seconds is None:
        return "never"
    return duration_text(seconds) if seconds >= 0 else f"{duration_text(-seconds)} before"


def brief(seconds: float | None) -> str:
    """Return a time for a narrow column.

    >>> brief(21.6), brief(61), brief(3661), brief(None), brief(-90)
    ('22s', '1m01s', '1h01m', 'never', '-1m30s')
    """
    if seconds is None:
        return "never"
    rest = round(abs(seconds))
    sign = "-" if seconds < 0 and rest else ""
    if rest < _MINUTE:
        return f"{sign}{rest}s"
    if rest < _HOUR:
        return f"{sign}{rest // _MINUTE}m{rest % _MINUTE:02}s"
    return f"{sign}{rest // _HOUR}h{rest % _HOUR // _MINUTE:02}m"


def per(value: float | None) -> str:
    """Return calls per recovery, with a decimal if it is significant."""
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004 - three digits are enough


def finding(scenario: Scenario, result: ContestResult) -> str:
    """Return the finding of a scenario in one sentence, under its name."""
    said = verdict(scenario, result)
    return f"{scenario.title}: {said}" if said else scenario.title


def verdict(scenario: Scenario, result: ContestResult) -> str:
    """Return the finding of a scenario in one sentence; empty if this project's policy was not compared."""
    tallies = result.tallies[scenario.name]
    ours = next((c.name for c in result.contest.competitors if isinstance(c, Ours)), None)
    if ours is None:
        return ""
    tally = tallies[ours]
    if not tally.recovered:
        return _futile(ours, result, tallies)
    sentence = f"{ours} recovers {percent(tally.recovered / tally.launches)}"
    median = tally.quantile(0.5)
    if median is not None:
        sentence += f", half of all within {time(median)} of capacity's return"
    best = _best_other(result, tallies)
    if best is None:
        return sentence
    other = tallies[best]
    median = other.quantile(0.5)
    sentence += f". Of the others, {best} does best: {percent(other.recovered / other.launches)}"
    sentence += f", half within {time(median)}" if median is not None else ""
    return sentence + (f", {other.duplicates:,} tasks too many" if other.duplicates else "")


def _futile(ours: str, result: ContestResult, tallies: dict[str, Tally]) -> str:
    """Return who calls how often if nothing can help."""
    most = max((c.name for c in result.contest.competitors), key=lambda name: tallies[name].calls)
    calls = tallies[ours].calls / tallies[ours].launches
    sentence = (
        f"retrying does not help, and {ours} {f'calls {calls:.1f} times' if calls else 'makes no call'}"
    )
    if most == ours or not tallies[most].calls:
        return sentence
    return (
        f"{sentence}; {most} calls RunTask {tallies[most].calls / tallies[most].launches:.0f} times in vain"
    )


def _best_other(result: ContestResult, tallies: dict[str, Tally]) -> str | None:
    others = [c.name for c in result.contest.competitors if kind(c) == "other"]
    found = [name for name in others if tallies[name].recovered]
    return min(found, key=lambda name: rank(tallies[name]), default=None)


def rank(tally: Tally) -> tuple[float, float, int]:
    """Return the sort key of policies: the share they recover, how soon, and how many duplicate tasks."""
    median = tally.quantile(0.5)
    return (
        -tally.recovered / max(1, tally.launches),
        median if median is not None else HORIZON_S,
        tally.duplicates,
    )


def kind(competitor: Competitor, *, is_second: bool = False) -> str:
    """Return the style of a policy's curve."""
    if isinstance(competitor, Ours):
        return "ours2" if is_second else "ours"
    return "bound" if isinstance(competitor, Oracle) else "other"


def kinds(competitors: list[Competitor]) -> dict[str, str]:
    """Return the style of each policy's curve: the first of ours stands out."""
    found: dict[str, str] = {}
    for each in competitors:
        found[each.name] = kind(each, is_second="ours" in found.values())
    return found


def curves(scenario: Scenario, result: ContestResult) -> list[Curve]:
    """Return the cumulative recovery curve of every policy."""
    drawn = kinds(list(result.contest.competitors))
    found = []
    for name, tally in result.tallies[scenario.name].items():
        points, seen = [], 0
        for tenth in sorted(tally.tenths):
            seen += tally.tenths[tenth]
            points.append((tenth / TENTHS, seen / tally.launches))
        found.append(Curve(name=name, points=points, kind=drawn[name]))
    return found


def strips(incident: Incident) -> list[Strip]:
    """Return when there was room in an incident, by zone, and its faults."""
    provider = incident.launches[0].provider
    found = [
        _strip(zone, incident.capacities[zone, provider])
        for zone in list(dict.fromkeys(incident.zones.values()))[:_LANES]
        if (zone, provider) in incident.capacities
    ]
    if incident.starts.gaps:
        found.append(_strip("starts", incident.starts))
    if incident.busy:
        edges = [-HORIZON_S, *(edge for gap in incident.busy for edge in gap), HORIZON_S]
        spans = [
            (since, until, 1.0 if n % 2 == 0 else 1 - incident.busy_share)
            for n, (since, until) in enumerate(itertools.pairwise(edges))
        ]
        found.append(Strip(name="rate limit", spans=spans))
    return found


def _strip(name: str, capacity: CapacityTimeline) -> Strip:
    spans, since = [], -HORIZON_S
    for gap in capacity.gaps:
        spans += [(since, gap.start, 1.0), (gap.start, gap.end, capacity.flicker)]
        since = gap.end
    spans.append((since, HORIZON_S, 1.0))
    return Strip(name=name, spans=spans, marks=[offer.appears for offer in capacity.offers])


def panels(scenario: Scenario, result: ContestResult, incident: Incident) -> list[Lanes]:
    """Return the calls of the best policies in an incident: ours first, the others by rank."""
    tallies = result.tallies[scenario.name]
    drawn = kinds(list(result.contest.competitors))
    order = sorted(
        result.contest.competitors,
        key=lambda c: (("ours", "ours2", "other", "bound").index(drawn[c.name]), rank(tallies[c.name])),
    )
    busy = [c for c in order if tallies[c.name].calls]
    found = []
    for each in [c for c in busy if drawn[c.name] != "bound"][:_PANELS]:
        met = each.meet(incident, keeps_log=True)
        found.append(_lanes(each.name, met, incident, drawn[each.name]))
    return found


def _lanes(name: str, met: IncidentResult, incident: Incident, drawn: str) -> Lanes:
    step = max(1, len(met.tracks) // _LANES)
    shown = met.tracks[::step][:_LANES]
    recovered = sum(track.recovered_at is not None for track in met.tracks)
    duplicates = sum(track.duplicates for track in met.tracks)
    verdict = f"{recovered} of {len(incident.launches)} recovered, {sum(t.calls for t in met.tracks)} calls"
    verdict += f", {counted(duplicates, 'task')} too many" if duplicates else ""
    return Lanes(name=name, verdict=verdict, lanes=[_thinned(track.log or []) for track in shown], kind=drawn)


def _thinned(log: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the calls of a lane, without those that cannot be distinguished in the chart."""
    vain = [call for call in log if call[1] == "full"]
    kept = set(vain[:: 1 + len(vain) // _MARKS])
    return [call for call in log if call[1] != "full" or call in kept]


def span(incident: Incident, lanes: list[Lanes]) -> tuple[float, float]:
    """Return the interesting time range of an incident."""
    start = min(spec.time for spec in incident.launches) - 90
    returned = max(incident.returned_at(spec) for spec in incident.launches)
    ends = [gap.end for capacity in (*incident.capacities.values(), incident.starts) for gap in capacity.gaps]
    ends = [end for end in ends if end < HORIZON_S]
    last_call = max((at for panel in lanes for lane in panel.lanes for at, _ in lane), default=returned)
    longest = _LONGEST * max([returned if returned < HORIZON_S else 0.0, *ends, start + 600])
    return start, max(start + 600, min(last_call + 60, longest))
