"""Chooses how long to wait, and in which order to climb, by letting many policies meet the outages.

    .venv/bin/python bench/backoff.py            search (ten minutes on two cores), and write result and page
    .venv/bin/python bench/backoff.py --pages    write the page again from the result that is there

Every row is the real loop of ``core.recovery`` with other waits, and where it says so with another order of rungs:
the two functions of ``core.ladder`` that decide the order are exchanged for that row. The result is
bench/backoff.json; the tables in docs/decisions/0016-backoff-by-evidence.md are made of it. A test compares the
policy that is shipped with the row that is chosen here, and has a small part of the search again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from retry_run_task.config import read_policy
from retry_run_task.launch.values import Category
from retry_run_task.policy import ladder
from retry_run_task.policy.backoff import Backoff, spread
from retry_run_task.policy.ladder import Rung, RungKind
from retry_run_task.policy.rules import Facts, Policy, Rule
from retry_run_task.simulate import report
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap
from retry_run_task.simulate.competitors import CONCURRENCY, IncidentResult, Ours
from retry_run_task.simulate.incident import Incident, ZoneSearch
from retry_run_task.simulate.launches import ScenarioSettings
from retry_run_task.simulate.scenarios import SCENARIOS
from retry_run_task.simulate.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
RESULT = "bench/backoff.json"
PAGE = "docs/decisions/0016-backoff-by-evidence.md"
BEGIN, END = "<!-- backoff: written by `make evidence` -->", "<!-- end of backoff -->"

SEED = 1
# With up to so many failures at the same moment, 95 of 100 tasks are started within a minute.
CROWD, WITHIN_S = 200, 60.0
# What may be added to that if a call looks into one zone only, with two zones.
WITHIN_ONE_S = 2 * WITHIN_S
# Half of the 20 RunTask calls a second that an account has.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html
CALLS_A_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Jittered(Backoff):
    """Waits of which another part is the launch's own than the half that the core has.

    Attributes:
        jitter: That part: 1 is called full jitter, 0 none.
    """

    jitter: float

    def delay(self, nth: int, seed: str, elapsed_s: float = 0.0) -> int:  # noqa: ARG002
        """Return the nth wait in whole seconds."""
        longest = self.longest(nth)
        part = spread(9999, f"{seed}/{nth}") / 10_000
        return max(1, round(longest * (1 - self.jitter) + part * longest * self.jitter))


@dataclass(frozen=True, slots=True, kw_only=True)
class Laps(Backoff):
    """Two seconds between the rungs of a round, and the long wait after it.

    Attributes:
        rungs: How many rungs a round has.
    """

    rungs: int

    def delay(self, nth: int, seed: str, elapsed_s: float = 0.0) -> int:  # noqa: ARG002
        """Return the nth wait in whole seconds."""
        if nth % self.rungs:
            return 2
        # Explicit: a dataclass with slots is made anew, and super() would look for the old one.
        return Backoff.delay(self, nth // self.rungs, seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slower(Backoff):
    """Waits that grow by less than doubling.

    Attributes:
        factor: How many times as long as the one before.
        more_s: How many seconds longer than the one before.
    """

    factor: float = 1.0
    more_s: float = 0.0

    def longest(self, nth: int, elapsed_s: float = 0.0) -> float:  # noqa: ARG002
        """Return the upper bound of the nth wait, in seconds."""
        return min(self.cap_s, self.base_s * self.factor ** (nth - 1) + self.more_s * (nth - 1))


# The last wait of each launch, by what its waits are drawn from: the next one depends on it.
_drawn: dict[tuple[float, float, str], tuple[int, float]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decorrelated(Backoff):
    """Each wait is drawn between the first and three times the one before.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def delay(self, nth: int, seed: str, elapsed_s: float = 0.0) -> int:  # noqa: ARG002
        """Return the nth wait in whole seconds."""
        key = (self.base_s, self.cap_s, seed)
        known, wait_s = _drawn.get(key, (0, self.base_s))
        if known >= nth:
            known, wait_s = 0, self.base_s
        for number in range(known + 1, nth + 1):
            part = spread(9999, f"{seed}/{number}") / 10_000
            wait_s = min(self.cap_s, self.base_s + part * (3 * wait_s - self.base_s))
        _drawn[key] = nth, wait_s
        return max(1, round(wait_s))


DOUBLING = "double"
GROWTHS: dict[str, Callable[[int, int], Backoff]] = {
    "a twentieth longer each": lambda base_s, cap_s: Slower(base_s=base_s, cap_s=cap_s, factor=1.05),
    "a fiftieth longer each": lambda base_s, cap_s: Slower(base_s=base_s, cap_s=cap_s, factor=1.02),
    "a second longer each": lambda base_s, cap_s: Slower(base_s=base_s, cap_s=cap_s, more_s=1),
    "decorrelated": lambda base_s, cap_s: Decorrelated(base_s=base_s, cap_s=cap_s),
}


def _is_subnet(rung: Rung) -> bool:
    return rung.kind is RungKind.EACH_SUBNET


def _subnets_alone(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    return tuple(filter(_is_subnet, rungs)) or tuple(rungs)


def _in_turn(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    return tuple(rungs)


def _never(_rung: Rung, _following: Rung) -> bool:
    return False


def _after_the_first(rung: Rung, following: Rung) -> bool:
    return rung.value == ("subnet-1",) and _is_subnet(following)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """In which order the rungs of a request are climbed.

    Attributes:
        name: As the table has it.
        round_of: Replaces ``ladder.round_of``.
        is_at_once: Replaces ``ladder.is_at_once``.
        kinds: What the policy allows.
    """

    name: str
    round_of: Callable[[Sequence[Rung]], tuple[Rung, ...]] = ladder.round_of
    is_at_once: Callable[[Rung, Rung], bool] = ladder.is_at_once
    kinds: tuple[RungKind, ...] = (RungKind.AS_ASKED, RungKind.EACH_SUBNET)


AT_ONCE = Order(name="as asked, a subnet at once")
ASKED = Order(name="as asked only", kinds=(RungKind.AS_ASKED,))
IN_TURN = Order(name="as asked, then each subnet", round_of=_in_turn, is_at_once=_never)
BETWEEN = Order(name="as asked before each subnet", is_at_once=_never)
SUBNETS = Order(name="each subnet, never as asked", round_of=_subnets_alone, is_at_once=_never)
PAIR = Order(name="two subnets at once, never as asked", round_of=_subnets_alone, is_at_once=_after_the_first)
LAP = Order(name="a round with 2 s between, then the wait", round_of=_in_turn, is_at_once=_never)
ORDERS = (ASKED, IN_TURN, BETWEEN, SUBNETS, LAP, PAIR, AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A row of the search.

    Attributes:
        order: How the ladder is climbed.
        base_s: Longest first wait.
        cap_s: Longest wait.
        jitter: The part of a wait that is the launch's own.
        growth: How waits grow: they double, or one of ``GROWTHS``.
    """

    order: Order
    base_s: int
    cap_s: int
    jitter: float = 0.5
    growth: str = DOUBLING

    @property
    def name(self) -> str:
        """Its name, which no other row has."""
        grow = "" if self.growth == DOUBLING else f"; {self.growth}"
        return f"{self.order.name}; {self.base_s} to {self.cap_s} s{grow}; jitter {self.jitter:g}"

    def wait(self, zones: int) -> Backoff:
        """Return the waits, for requests with a subnet in each of so many zones."""
        if self.order == LAP:
            return Laps(base_s=self.base_s, cap_s=self.cap_s, rungs=zones + 1)
        if self.growth != DOUBLING:
            return GROWTHS[self.growth](self.base_s, self.cap_s)
        if self.jitter == 0.5:  # noqa: PLR2004 - the family of the core
            return Backoff(base_s=self.base_s, cap_s=self.cap_s)
        return Jittered(base_s=self.base_s, cap_s=self.cap_s, jitter=self.jitter)

    def policy(self, zones: int) -> Policy:
        """Return the default policy with this row's handling of missing capacity."""
        return treating(Category.CAPACITY, wait=self.wait(zones), rungs=self.order.kinds)

    def meet(self, incident: Incident) -> IncidentResult:
        """Let an incident pass."""
        ours = Ours(name=self.name, policy=self.policy(len(incident.zones)))
        with (
            mock.patch.object(ladder, "round_of", self.order.round_of),
            mock.patch.object(ladder, "is_at_once", self.order.is_at_once),
        ):
            return ours.meet(incident)


def _first_hours(rule: Rule) -> Rule:
    sets = dict(rule.sets)
    if "wait" in sets:
        sets["wait"] = replace(sets["wait"], slow_after_s=None, slow_s=0)
    if "deadline_s" in sets:
        sets |= {"deadline_s": 6 * 3600, "early_s": None}
    return replace(rule, sets=sets)


# The default policy as it is in its first hours, which is what is searched: after that an attempt comes every few
# minutes, and no message is part of the search.
DEFAULT = read_policy()
FIRST_HOURS = replace(DEFAULT, watch_s=3600, rules=tuple(map(_first_hours, DEFAULT.rules)))


def treating(category: Category, **sets: Any) -> Policy:
    """Return the policy of the first hours with other settings for one category."""
    return replace(
        FIRST_HOURS,
        rules=tuple(
            replace(rule, sets={**rule.sets, **sets}) if rule.match.category == {category} else rule
            for rule in FIRST_HOURS.rules
        ),
    )


def shapes() -> list[Shape]:
    """Return everything that is tried."""
    grid = [Shape(order=order, base_s=15, cap_s=cap_s) for order in ORDERS[:-1] for cap_s in (30, 45, 60, 90)]
    finer = [Shape(order=AT_ONCE, base_s=15, cap_s=cap_s) for cap_s in (30, 36, 40, 45, 50, 60, 90, 120)]
    families = [
        Shape(order=AT_ONCE, base_s=15, cap_s=cap_s, jitter=jitter)
        for jitter, cap_s in ((0.0, 40), (0.0, 50), (0.25, 45), (0.25, 50), (1.0, 60), (1.0, 75))
    ]
    bases = [Shape(order=AT_ONCE, base_s=base_s, cap_s=45) for base_s in (5, 30, 45)]
    growths = [
        Shape(order=AT_ONCE, base_s=15, cap_s=cap_s, growth=growth)
        for growth, cap_s in (
            ("a twentieth longer each", 50),
            ("a twentieth longer each", 120),
            ("a twentieth longer each", 300),
            ("a fiftieth longer each", 50),
            ("a fiftieth longer each", 120),
            ("a second longer each", 50),
        )
    ]
    # All of these waits but the first wait of the policy is drawn.
    drawn = [
        Shape(order=AT_ONCE, base_s=base_s, cap_s=cap_s, growth="decorrelated", jitter=1)
        for base_s, cap_s in ((15, 50), (15, 75), (30, 60))
    ]
    return [*grid, *finer, *families, *bases, *growths, *drawn]


def numbers(tally: Tally) -> Json:
    """Return what is kept of an outage."""
    return {
        "recovered": tally.recovered,
        "launches": tally.launches,
        "p50_s": tally.quantile(0.5),
        "p95_s": tally.quantile(0.95),
        "peak_calls_per_s": tally.peak_calls_per_s,
        "calls_per_recovery": round(tally.calls_per_recovery or 0, 1),
        "throttled": tally.throttled,
    }


# Launches.
_WAITING = 20


def waiting(shape: Shape, hours: float) -> Json:
    """Return what so many hours of waiting cost a launch, beyond what it costs to be recovered at once."""
    tallies = []
    for end in (0.0, hours * 3600):
        incident = _BY_NAME["zone-outage"].incident(
            ScenarioSettings(schedules=_WAITING, zones=2, seed=SEED), 0
        )
        gone = CapacityTimeline(gaps=(Gap(-60, end),))
        tally = Tally()
        incident = replace(incident, capacities=dict.fromkeys(incident.capacities, gone))
        tally.add(incident, shape.meet(incident))
        tallies.append(tally)
    none, all_of_it = tallies
    calls, operations = all_of_it.calls - none.calls, all_of_it.operations - none.operations
    invocations = all_of_it.invocations - none.invocations
    usd = report.usd(operations, invocations, all_of_it.busy_s - none.busy_s)
    return {
        "calls": round(calls / _WAITING, 1),
        "operations": round(operations / _WAITING, 1),
        "invocations": round(invocations / _WAITING, 1),
        "cents_operations": round(100 * operations * report.USD_PER_OPERATION / _WAITING, 4),
        "cents": round(100 * usd / _WAITING, 4),
    }


# Six hours are what the shipped deadline allows.
LONGEST_H = 6

# Name, zones, incidents of so many schedules.
OUTAGES = (("zone-outage", 2, 2), ("zone-outage", 3, 1), ("rush", 2, 1), ("brownout", 2, 1))
# When the first zone has capacity again, in minutes. Waits that grow slowly are short in a short outage only, so each
# length counts for itself, and the worst of them for the row.
LENGTHS_MIN = (20, 60)
_BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def met(
    meet: Callable[[Incident], IncidentResult],
    name: str,
    settings: ScenarioSettings,
    incidents: Iterable[int],
    minutes: int | None = None,
) -> Tally:
    """Return what is counted of some incidents; with minutes, their outages all last for so long."""
    tally = Tally()
    for number in incidents:
        incident = _BY_NAME[name].incident(settings, number)
        incident = incident if minutes is None else lasting(incident, minutes)
        tally.add(incident, meet(incident))
    return tally


def measured(
    shape: Shape,
    outages: Sequence[tuple[str, int, int]] = OUTAGES,
    schedules: int = CROWD,
    lengths_min: Sequence[int] = LENGTHS_MIN,
) -> Json:
    """Return a row of the result."""
    found: Json = {"name": shape.name, "order": shape.order.name}
    found |= {"base_s": shape.base_s, "cap_s": shape.cap_s, "jitter": shape.jitter, "growth": shape.growth}
    for placement in ZoneSearch:
        for name, zones, incidents in outages:
            settings = ScenarioSettings(schedules=schedules, zones=zones, seed=SEED, placement=placement)
            lengths = lengths_min if name == "zone-outage" else (None,)
            cells = [numbers(met(shape.meet, name, settings, range(incidents), length)) for length in lengths]
            found[f"{name} {zones} {placement}"] = the_worst(cells)
    return found | {"an_hour": waiting(shape, 1)}


def the_worst(cells: Sequence[Json]) -> Json:
    """Return the numbers of the outage in which a row does worst, with what it recovers in all of them."""
    worst = max(cells, key=lambda cell: float("inf") if cell["p95_s"] is None else cell["p95_s"])
    return worst | {
        "recovered": sum(cell["recovered"] for cell in cells),
        "launches": sum(cell["launches"] for cell in cells),
        "peak_calls_per_s": max(cell["peak_calls_per_s"] for cell in cells),
        "throttled": sum(cell["throttled"] for cell in cells),
    }


def lasting(incident: Incident, minutes: int) -> Incident:
    """Return an incident whose first zone has capacity again after so many minutes, and the others as much later."""
    first = min(capacity.gaps[-1].end for capacity in incident.capacities.values())
    return replace(
        incident,
        capacities={
            place: replace(capacity, gaps=tuple(Gap(s, e - first + 60 * minutes) for s, e in capacity.gaps))
            for place, capacity in incident.capacities.items()
        },
    )


def objectives(row: Json) -> tuple[float, ...]:
    """Return what should be small: the 95th percentiles under both hypotheses, the rush, and the cost."""
    never = float("inf")

    def worst(name: str, placement: ZoneSearch, key: str) -> float:
        return max(
            never if cell[key] is None else cell[key]
            for title, cell in row.items()
            if title.startswith(name) and title.endswith(f" {placement}")
        )

    rush = (
        sum(worst("rush", placement, "p50_s") for placement in ZoneSearch) / 2 if "rush 2 any" in row else 0.0
    )
    return (
        worst("zone-outage", ZoneSearch.ANY, "p95_s"),
        worst("zone-outage", ZoneSearch.ONE, "p95_s"),
        rush,
        cost(row),
    )


def cost(row: Json) -> float:
    """Return the cents for an hour of waiting, where nothing but waiting is done."""
    return float(row["an_hour"]["cents"])


def front(rows: Sequence[Json]) -> list[str]:
    """Return the names of the rows that no other row beats: none is as good in everything and better in something."""
    points = {row["name"]: objectives(row) for row in rows}
    return [
        name for name, mine in points.items() if not any(dominates(other, mine) for other in points.values())
    ]


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Tell whether one row beats another."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def chosen(rows: Sequence[Json]) -> str | None:
    """Return the name of the row that the rule of the decision takes; None if none keeps the limits.

    Of those on the front that wait as the core does, recover everything, keep to a minute if a call looks into every
    zone, to two if it looks into one of two, and to half of the account's calls: the cheapest.
    """
    on_front = set(front(rows))
    good = [row for row in rows if row["name"] in on_front and is_good(row)]
    return min(good, key=cost)["name"] if good else None


def is_good(row: Json) -> bool:
    """Tell whether a row keeps the limits."""
    cells = [row[key] for key in row if key.endswith((" any", " one"))]
    return (
        (row["jitter"], row["growth"]) == (0.5, DOUBLING)  # the family of the core
        and objectives(row)[0] <= WITHIN_S
        and row["zone-outage 2 one"]["p95_s"] <= WITHIN_ONE_S
        and all(cell["recovered"] == cell["launches"] for cell in cells)
        and all(cell["peak_calls_per_s"] <= CALLS_A_S for cell in cells)
    )


# Category, outage, and waits that are tried for it; the shipped one is among them.
OTHERS = (
    (Category.THROTTLE, "throttling", ((2, 30), (5, 30), (5, 60), (15, 60), (5, 120), (30, 300))),
    (Category.TRANSIENT, "lost-answers", ((5, 60), (10, 60), (10, 120), (30, 120), (30, 300))),
    (Category.TRANSIENT, "agent", ((5, 60), (10, 60), (10, 120), (30, 120), (30, 300))),
)


def other(category: Category, name: str, base_s: int, cap_s: int) -> Json:
    """Return how another wait does for another category of failures."""
    policy = treating(category, wait=Backoff(base_s=base_s, cap_s=cap_s))
    settings = ScenarioSettings(schedules=100, zones=2, seed=SEED)
    tally = met(Ours(name="ours", policy=policy).meet, name, settings, range(3))
    about = {"category": category.value, "scenario": name, "base_s": base_s, "cap_s": cap_s}
    return about | numbers(tally)


def _do(job: tuple[str, Any]) -> tuple[str, Json]:
    what, arguments = job
    match what:
        case "rows":
            return what, measured(arguments) | {"longest": waiting(arguments, LONGEST_H)}
        case _:
            return what, other(*arguments)


def measure() -> Json:
    """Search, and return what is kept of it."""
    began = time.monotonic()
    jobs: list[tuple[str, Any]] = [("rows", shape) for shape in shapes()]
    jobs += [("others", (category, name, *wait)) for category, name, waits in OTHERS for wait in waits]
    found: Json = {"seed": SEED, "concurrency": CONCURRENCY, "rows": [], "others": []}
    with multiprocessing.get_context("fork").Pool(os.cpu_count() or 1) as pool:
        for done, (what, result) in enumerate(pool.imap(_do, jobs), 1):
            found[what].append(result)
            print(f"bench: backoff, {done} of {len(jobs)} ...", file=sys.stderr, flush=True)
    print(f"bench: backoff took {time.monotonic() - began:.0f} s", file=sys.stderr)
    return found | {"front": front(found["rows"]), "chosen": chosen(found["rows"]), "probe": probe()}


def shipped() -> Shape:
    """Return the row that the shipped policy is."""
    wait = FIRST_HOURS.rules[0].sets["wait"]
    return Shape(order=AT_ONCE, base_s=int(wait.base_s), cap_s=int(wait.cap_s))


# Quick enough for a test, and it changes with the loop, the policy and the model.
PROBE = (("zone-outage", 2, 1),)


def probed(shape: Shape, schedules: int = 10) -> Json:
    """Return a small result that a test can have in a moment."""
    return measured(shape, PROBE, schedules, LENGTHS_MIN[:1])


def probe() -> Json:
    """Return that of the shipped policy."""
    return probed(shipped())


def tables(found: Json) -> dict[str, str]:
    """Return what is generated of each page."""
    return {PAGE: "\n".join(_search(found))}


def shown(found: Json) -> list[Json]:
    """Return the rows for the page: of each order and family the one nearest in price to the chosen, and neighbours."""
    (best,) = (row for row in found["rows"] if row["name"] == found["chosen"])
    groups: dict[tuple[str, str, float], list[Json]] = {}
    for row in found["rows"]:
        groups.setdefault((row["order"], row["growth"], row["jitter"]), []).append(row)
    near = [min(rows, key=lambda row: abs(cost(row) - cost(best))) for rows in groups.values()]
    same = groups[best["order"], best["growth"], best["jitter"]]
    return [row for row in found["rows"] if row in near or (row in same and row["base_s"] == best["base_s"])]


def _search(found: Json) -> Iterator[str]:
    yield from (
        (
            f"p95 with {CROWD} failures at the same moment, in seconds from the return of capacity, "
            f"seed {found['seed']}, for the worse of two outages, of {LENGTHS_MIN[0]} and of {LENGTHS_MIN[1]} minutes."
        ),
        (
            "A: a call looks into every zone of its subnets, B: into one.\n"
            f"Cost: of an outage of an hour, and of {LONGEST_H} hours, in US cents.\n"
            "*Front*: no other row is as good in everything that counts (the worse p95 of "
            "A, that of B, the rush, the hour's cost) and better in one.\n"
            "Of each order and each family of waits the row nearest to the chosen one in price is shown; "
            f"[backoff.json](../../bench/backoff.json) has all {len(found['rows'])}."
        ),
        "",
        (
            "| rungs | waits, longest first and longest | jitter | A, 2 zones | A, 3 | B, 2 | B, 3 | rush p50, A and B "
            f"| calls in the hour | operations | cents for an hour | for {LONGEST_H} hours | front |"
        ),
        "| --- | --- | ---: |" + " ---: |" * 9 + " --- |",
    )
    for row in shown(found):
        cells = [row[f"zone-outage {zones} {p}"]["p95_s"] for p in ZoneSearch for zones in (2, 3)]
        rush = " / ".join(_whole(row[f"rush 2 {p}"]["p50_s"]) for p in ZoneSearch)
        hour = row["an_hour"]
        grow = "" if row["growth"] == DOUBLING else f", {row['growth']}"
        mark = (
            "**chosen**"
            if row["name"] == found["chosen"]
            else "front"
            if row["name"] in found["front"]
            else ""
        )
        yield (
            f"| {row['order']} | {row['base_s']} s, {row['cap_s']} s{grow} | {row['jitter']:g} | "
            f"{' | '.join(map(_whole, cells))} | {rush} | {hour['calls']:.0f} | {hour['operations']:.0f} | "
            f"{hour['cents']:.3f} | {row['longest']['cents']:.2f} | {mark} |"
        )
    yield from (
        "",
        "The other categories, with the waits that were tried for them:",
        "",
        "| category | outage | waits | p50 | p95 | calls per recovery | throttled |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    )
    for row in found["others"]:
        wait = FIRST_HOURS.handling(Facts(), Category(row["category"])).wait
        mark = " **(shipped)**" if wait == Backoff(base_s=row["base_s"], cap_s=row["cap_s"]) else ""
        yield (
            f"| {row['category']} | {row['scenario']} | {row['base_s']} s, {row['cap_s']} s{mark} | "
            f"{_whole(row['p50_s'])} | {_whole(row['p95_s'])} | {row['calls_per_recovery']:.1f} | "
            f"{row['throttled']:,} |"
        )


def _whole(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f}"


def pages(found: Json, root: Path = ROOT) -> Mapping[Path, str]:
    """Return what each page should hold, by its path."""
    return {
        root / name: within((root / name).read_text(encoding="utf-8"), text)
        for name, text in tables(found).items()
    }


def within(text: str, generated: str) -> str:
    """Return a page with what is generated between its marks."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the page needs {BEGIN!r} and {END!r}, each once")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}"


def main() -> None:
    """Search, unless only the page is asked for, and write."""
    parser = argparse.ArgumentParser(description="Try many waits and orders, and write which is chosen.")
    parser.add_argument("--pages", action="store_true", help="write the page from the result that is there")
    if parser.parse_args().pages:
        found: Json = json.loads((ROOT / RESULT).read_text(encoding="utf-8"))
    else:
        found = measure()
        (ROOT / RESULT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(tables(found)[PAGE])
    for path, text in pages(found).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
