"""How long many failures at the same moment take, and what they cost, by how soon Lambda resumes what it throttled.

    .venv/bin/python bench/crowd.py            simulate (ten minutes on two cores), and write result, page and picture
    .venv/bin/python bench/crowd.py --pages    write page and picture again from the result that is there

The result is bench/crowd.json; a table of docs/simulator.md and docs/images/crowd.svg are made of it. A test holds the
three together.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backoff import lasting

from retry_run_task.config import CALLS_PER_SECOND, read_policy
from retry_run_task.simulate import charts, report
from retry_run_task.simulate.cloud import CALLS_PER_S
from retry_run_task.simulate.competitors import CONCURRENCY, INVOCATION_S, Ours
from retry_run_task.simulate.fast_executions import RESUME_BACKOFFS, LambdaBackoff
from retry_run_task.simulate.incident import AccountLimits, ZoneSearch
from retry_run_task.simulate.launches import ScenarioSettings
from retry_run_task.simulate.scenarios import SCENARIOS
from retry_run_task.simulate.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
RESULT, PAGE, PICTURE = "bench/crowd.json", "docs/simulator.md", "docs/images/crowd.svg"
BEGIN, END = "<!-- crowd: written by `make bench` -->", "<!-- end of crowd -->"

SEED = 1
SCENARIO = "zone-outage"
# Failures at the same moment, and in how many incidents.
GROWTH = ((1, 100), (10, 20), (100, 3), (1_000, 1), (10_000, 1), (100_000, 1))
CROWDS = ((200, 2), (1_000, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a row is about.

    Attributes:
        schedules: How many launches fail in an incident.
        incidents: How many incidents there are.
        places: How many invocations there may be at a time.
        calls_per_second: How many RunTask calls each of them may make.
        invocation_s: How long each of them takes at the least.
        outage_min: Minutes until a zone has capacity again; None for what the scenario draws.
    """

    schedules: int
    incidents: int
    placement: ZoneSearch = ZoneSearch.ANY
    backoff: LambdaBackoff = RESUME_BACKOFFS[-1]
    limits: AccountLimits = field(default_factory=AccountLimits)
    places: int = CONCURRENCY
    calls_per_second: float = CALLS_PER_SECOND
    invocation_s: float = INVOCATION_S
    outage_min: int | None = None

    def measure(self) -> Json:
        """Simulate it, and return the row."""
        ours = Ours(
            name="ours",
            policy=read_policy(),
            concurrency=self.places,
            invocation_s=self.invocation_s,
            calls_per_second=self.calls_per_second,
            backoff=self.backoff,
        )
        settings = ScenarioSettings(
            schedules=self.schedules, seed=SEED, placement=self.placement, limits=self.limits
        )
        (scenario,) = (each for each in SCENARIOS if each.name == SCENARIO)
        tally = Tally()
        for number in range(self.incidents):
            incident = scenario.incident(settings, number)
            if self.outage_min is not None:
                incident = lasting(incident, self.outage_min)
            tally.add(incident, ours.meet(incident))
        return {
            "schedules": self.schedules,
            "placement": self.placement.value,
            "backoff": [self.backoff.first_s, self.backoff.cap_s],
            "region": self.limits.region,
            "others": self.limits.others,
            "places": self.places,
            "calls_per_second": self.calls_per_second,
            "invocation_s": self.invocation_s,
            "outage_min": self.outage_min,
            **_numbers(tally),
        }


def _numbers(tally: Tally) -> Json:
    usd = report.usd(tally.operations, tally.invocations, tally.busy_s)
    return {
        "launches": tally.launches,
        "recovered": tally.recovered,
        "p50_s": tally.quantile(0.5),
        "p95_s": tally.quantile(0.95),
        "max_s": tally.quantile(1),
        "calls_per_s": tally.peak_calls_in_10_s / 10,
        "reads_per_s": tally.peak_reads_in_10_s / 10,
        "throttled": tally.throttled,
        "resumes": round(tally.throttled_invocations / tally.launches, 1),
        "cents": round(100 * usd / tally.launches, 4),
        "cents_if_billed": round(
            100 * (usd + tally.throttled_invocations * report.USD_PER_OPERATION) / tally.launches, 4
        ),
    }


def growth() -> list[Case]:
    """Return the rows on how time and money grow."""
    return [Case(schedules=schedules, incidents=incidents) for schedules, incidents in GROWTH]


def crowds() -> list[Case]:
    """Return the rows on what is not known: the backoff, where a call looks, what others in the account do."""
    found = [
        Case(schedules=schedules, incidents=incidents, placement=placement, backoff=backoff)
        for schedules, incidents in CROWDS
        for placement in ZoneSearch
        for backoff in RESUME_BACKOFFS
    ]
    for schedules, incidents in CROWDS:
        found += [
            # Quicker and slower than assumed. Quicker must not mean more calls.
            Case(schedules=schedules, incidents=incidents, invocation_s=0.25),
            Case(schedules=schedules, incidents=incidents, invocation_s=1.5),
            Case(schedules=schedules, incidents=incidents, limits=AccountLimits(others=0.5)),
            Case(schedules=schedules, incidents=incidents, limits=AccountLimits(region="ap-northeast-3")),
            # What an account that may not reserve ten can do.
            Case(schedules=schedules, incidents=incidents, places=5),
        ]
    for placement in ZoneSearch:
        many = Case(schedules=10_000, incidents=1, placement=placement)
        found += [replace(many, outage_min=60, backoff=backoff) for backoff in RESUME_BACKOFFS]
        found.append(replace(many, outage_min=20))
    return found


def probe() -> Json:
    """Return a row that a test can have in a moment; it changes with the loop, the policy and the model."""
    return Case(schedules=30, incidents=1, places=2).measure()


def measure() -> Json:
    """Simulate all rows."""
    jobs = [*crowds(), *growth()]
    with multiprocessing.get_context("fork").Pool(os.cpu_count() or 1) as pool:
        rows = []
        for row in pool.imap(Case.measure, jobs):
            rows.append(row)
            print(f"bench: crowd, {len(rows)} of {len(jobs)} ...", file=sys.stderr, flush=True)
    split = len(crowds())
    return {"seed": SEED, "growth": rows[split:], "crowds": rows[:split], "probe": probe()}


def table(found: Json) -> str:
    """Return what is generated of the page."""
    return "\n".join([*_growth(found), "", *_crowds(found)])


def limit_s(schedules: int) -> float:
    """Return the seconds that so many calls take at half of the account's rate."""
    return schedules / (CALLS_PER_S / 2)


def _growth(found: Json) -> Iterator[str]:
    yield from (
        (
            "| failures at the same moment | recovered | p50 | p95 | half of the account's rate allows | RunTask calls "
            "a second | reads a second | throttled resumes a launch | cents a launch | if those are billed |"
        ),
        "| ---: |" + " ---: |" * 9,
    )
    for row in found["growth"]:
        yield (
            f"| {row['schedules']:,} | {_share(row)} | {_times(row)} | {report.brief(limit_s(row['schedules']))} | "
            f"{row['calls_per_s']:.1f} | {row['reads_per_s']:.1f} | {row['resumes']:.0f} | {row['cents']:.2f} | "
            f"{row['cents_if_billed']:.2f} |"
        )


_LOOKS = {"any": "every zone", "one": "one zone"}


def _crowds(found: Json) -> Iterator[str]:
    yield from (
        (
            f"{CROWDS[0][0]:,} failures at the same moment, under different assumptions "
            f"([crowd.json](../{RESULT}) also has {CROWDS[1][0]:,}):"
        ),
        "",
        (
            "| a call tries | a throttled resume comes back after | concurrency, calls a second of each | also | "
            "recovered | p50 | p95 | RunTask calls a second | reads a second |"
        ),
        "| --- | --- | --- | --- |" + " ---: |" * 5,
    )
    for row in found["crowds"]:
        if row["schedules"] != CROWDS[0][0]:
            continue
        first_s, cap_s = row["backoff"]
        beside = [f"others take {row['others']:.0%} of the limits"] if row["others"] else []
        if row["region"] != AccountLimits().region:
            beside.append(f"{row['region']}: 5 launches a second")
        if row["invocation_s"] != INVOCATION_S:
            beside.append(f"an invocation takes {row['invocation_s']:g} s")
        yield (
            f"| {_LOOKS[row['placement']]} | {first_s:g} s, up to {cap_s:g} s | "
            f"{row['places']}, {row['calls_per_second']:g} | {', '.join(beside)} | {_share(row)} | {_times(row)} | "
            f"{row['calls_per_s']:.1f} | {row['reads_per_s']:.1f} |"
        )


def _share(row: Json) -> str:
    return (
        "all" if row["recovered"] == row["launches"] else charts.percent(row["recovered"] / row["launches"])
    )


def _times(row: Json) -> str:
    return " | ".join(report.brief(row[key]) for key in ("p50_s", "p95_s"))


_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 860.0, 360.0, 70.0, 40.0


def picture(found: Json) -> str:
    """Return time against the number of failures, both by powers of ten, with the limit beside it."""
    rows = found["growth"]
    p95 = [(row["schedules"], row["p95_s"]) for row in rows if row["p95_s"]]
    limits = [(row["schedules"], max(1.0, limit_s(row["schedules"]))) for row in rows]
    parts = [f"<style>{charts.STYLE}</style>", charts.rect(0, 0, _WIDTH, _HEIGHT, "surface")]
    for exponent in range(6):
        x, y = _x(10**exponent), _y(10**exponent)
        parts += [
            _line([(_LEFT, y), (_WIDTH - 150, y)], "line", 1),
            charts.text(8, y + 4, report.brief(float(10**exponent)), css="q"),
            charts.text(x - 12, _HEIGHT - 14, f"{10**exponent:,}", css="q"),
        ]
    for points, colour, name in (
        (limits, "other", "half of the rate"),
        (p95, "ours", "95 of 100 launches"),
    ):
        parts.append(_line([(_x(n), _y(s)) for n, s in points], colour, 2))
        parts.append(charts.text(_x(points[-1][0]) + 8, _y(points[-1][1]) + 4, name))
    label = "Time from the return of capacity until 95 of 100 launches have their tasks, by how many failed at once"
    return charts.svg(_WIDTH, _HEIGHT, "".join(parts), label) + "\n"


def _x(number: float) -> float:
    return _LEFT + math.log10(number) / 5 * (_WIDTH - 150 - _LEFT)


def _y(seconds: float) -> float:
    return _HEIGHT - _BOTTOM - math.log10(seconds) / 5 * (_HEIGHT - _BOTTOM - 16)


def _line(points: list[tuple[float, float]], colour: str, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" style="stroke:var(--{colour})" stroke-width="{width:g}"/>'


def pages(found: Json, root: Path = ROOT) -> Mapping[Path, str]:
    """Return what the page and the picture should hold, by path."""
    text = (root / PAGE).read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the page needs {BEGIN!r} and {END!r}, each once")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return {
        root / PAGE: f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{after}",
        root / PICTURE: picture(found),
    }


def main() -> None:
    """Simulate, unless only the pages are asked for, and write."""
    parser = argparse.ArgumentParser(description="Let crowds of launches meet an outage.")
    parser.add_argument("--pages", action="store_true", help="write the pages from the result that is there")
    if parser.parse_args().pages:
        found: Json = json.loads((ROOT / RESULT).read_text(encoding="utf-8"))
    else:
        found = measure()
        (ROOT / RESULT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for path, text in pages(found).items():
        path.write_text(text, encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
