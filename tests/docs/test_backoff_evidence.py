"""The shipped waits and order of rungs are the row that the search has chosen, and it is still not beaten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from retry_run_task.launch.values import Category
from retry_run_task.policy.ladder import RungKind
from retry_run_task.policy.rules import Facts
from support.policies import DEFAULT
from support.scripts import script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    with script("backoff") as module:
        yield module


@pytest.fixture(scope="module")
def result(bench: ModuleType) -> Any:
    return json.loads((ROOT / bench.RESULT).read_text(encoding="utf-8"))


def row(result: Any, name: str) -> Any:
    (found,) = (row for row in result["rows"] if row["name"] == name)
    return found


def test_the_pages_are_made_of_the_committed_result(bench: ModuleType, result: Any) -> None:
    again = "write it again with: .venv/bin/python bench/backoff.py --pages"
    for path, text in bench.pages(result).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale; {again}"


def test_a_page_that_lost_its_marks_is_refused(bench: ModuleType) -> None:
    with pytest.raises(ValueError, match="each once"):
        bench.within("# A page without marks", "")


def test_the_shipped_default_is_the_row_that_the_rule_chooses_and_it_is_on_the_front(
    bench: ModuleType, result: Any
) -> None:
    assert bench.front(result["rows"]) == result["front"]
    assert bench.chosen(result["rows"]) == result["chosen"]
    assert result["chosen"] in result["front"]
    assert bench.shipped().name == result["chosen"], (
        "ship the chosen row, or search again with: make evidence"
    )
    handling = DEFAULT.handling(Facts(), Category.CAPACITY)
    assert handling.rungs == (RungKind.AS_ASKED, RungKind.EACH_SUBNET)


def test_the_rule_refuses_what_is_too_slow_too_loud_or_loses_a_launch(bench: ModuleType, result: Any) -> None:
    good = row(result, result["chosen"])
    assert bench.is_good(good)
    cell = "zone-outage 2 any"
    for change in ({"p95_s": 60.1}, {"p95_s": None}, {"peak_calls_per_s": 11}, {"recovered": 0}):
        assert not bench.is_good({**good, cell: {**good[cell], **change}}), change
    one = "zone-outage 2 one"
    assert not bench.is_good({**good, one: {**good[one], "p95_s": 120.1}})
    assert not bench.is_good({**good, "jitter": 0.25})
    assert not bench.is_good({**good, "growth": "decorrelated"})


def test_a_row_is_on_the_front_unless_another_is_as_good_in_all_and_better_in_one(bench: ModuleType) -> None:
    assert bench.dominates((1, 2), (1, 3))
    assert not bench.dominates((1, 2), (1, 2))
    assert not bench.dominates((1, 4), (2, 3))


def test_the_code_still_gives_the_committed_result(bench: ModuleType, result: Any) -> None:
    assert bench.probe() == result["probe"], "search again, and write the pages, with: make evidence"


def test_the_chosen_row_is_not_beaten_by_its_rivals_today(bench: ModuleType) -> None:
    """A small outage, live: with other waits, and with the orders that come nearest."""
    ours = bench.shipped()
    rivals = (
        bench.Shape(order=bench.IN_TURN, base_s=ours.base_s, cap_s=ours.cap_s),
        bench.Shape(order=bench.LAP, base_s=ours.base_s, cap_s=ours.cap_s),
        bench.Shape(order=bench.AT_ONCE, base_s=ours.base_s, cap_s=2 * ours.cap_s),
    )
    mine, in_turn, lap, slower = (
        bench.objectives(bench.probed(shape, schedules=60)) for shape in (ours, *rivals)
    )
    assert not any(bench.dominates(theirs, mine) for theirs in (in_turn, lap, slower))
    # And each rival is worse in what it is there for: the time under both hypotheses, the cost, the time.
    assert mine[0] < in_turn[0]
    assert mine[1] < in_turn[1]
    assert mine[3] < lap[3]
    assert mine[0] < slower[0]


def test_other_families_wait_as_their_names_say(bench: ModuleType) -> None:
    def waits(growth: str, base_s: int, cap_s: int) -> list[int]:
        family = bench.GROWTHS[growth](base_s, cap_s)
        return [round(family.longest(nth)) for nth in (1, 2, 11, 1000)]

    assert waits("a twentieth longer each", 15, 60) == [15, 16, 24, 60]
    assert waits("a second longer each", 15, 60) == [15, 16, 25, 60]
    drawn = bench.Decorrelated(base_s=15, cap_s=75)
    delays = [drawn.delay(nth, "a") for nth in range(1, 200)]
    assert min(delays) >= 15
    assert max(delays) == 75
    assert len(set(delays)) > 20
    assert [drawn.delay(nth, "a") for nth in range(1, 200)] == delays, "the same again, from the beginning"


def test_the_search_gives_back_the_order_that_it_exchanges(bench: ModuleType) -> None:
    from retry_run_task.policy import ladder  # noqa: PLC0415 - what the script changes for a row

    before = (ladder.round_of, ladder.is_at_once)
    bench.probed(bench.Shape(order=bench.PAIR, base_s=15, cap_s=60), schedules=2)
    assert (ladder.round_of, ladder.is_at_once) == before


def test_an_outage_of_a_length_lets_the_first_zone_come_back_then_and_the_others_as_much_later(
    bench: ModuleType,
) -> None:
    incident = bench.SCENARIOS[0].incident(bench.ScenarioSettings(schedules=1, zones=3, seed=5), 0)
    before = sorted(capacity.gaps[-1].end for capacity in incident.capacities.values())
    after = sorted(capacity.gaps[-1].end for capacity in bench.lasting(incident, 20).capacities.values())
    assert after == pytest.approx([end - before[0] + 1200 for end in before])


def test_the_worst_of_several_outages_counts_and_nothing_of_the_others_is_lost(bench: ModuleType) -> None:
    cell = {
        "recovered": 2,
        "launches": 2,
        "p95_s": 30.0,
        "p50_s": 9.0,
        "peak_calls_per_s": 10,
        "throttled": 1,
    }
    other = {**cell, "p95_s": 40.0, "p50_s": 8.0, "peak_calls_per_s": 3}
    assert bench.the_worst([cell, other]) == {
        **other,
        "recovered": 4,
        "launches": 4,
        "peak_calls_per_s": 10,
        "throttled": 2,
    }
    assert bench.the_worst([cell, {**other, "p95_s": None, "recovered": 0}])["p95_s"] is None
