"""What README and docs say of the comparison is the committed result, and the code still gives that result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from retry_run_task.simulate.launches import LATENESS
from retry_run_task.simulate.peers import PEERS
from retry_run_task.simulate.scenarios import SCENARIOS
from support.scripts import script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def comparison() -> Iterator[ModuleType]:
    with script("comparison") as module:
        yield module


@pytest.fixture(scope="module")
def result(comparison: ModuleType) -> Any:
    return json.loads((ROOT / comparison.RESULT).read_text(encoding="utf-8"))


def test_the_readme_the_page_and_the_picture_are_made_of_the_committed_result(
    comparison: ModuleType, result: Any
) -> None:
    for path, text in comparison.pages(result).items():
        again = "write it again with: .venv/bin/python bench/comparison.py --pages"
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale; {again}"


def test_the_code_still_gives_the_committed_result(comparison: ModuleType, result: Any) -> None:
    """A part of it that takes a moment, with everything in it: the loop, the policy, the model, the other tools."""
    assert comparison.probe() == result["probe"], "simulate again, and write the pages, with: make bench"


def test_the_result_is_of_every_scenario_and_every_policy(comparison: ModuleType, result: Any) -> None:
    assert [scenario["name"] for scenario in result["scenarios"]] == [scenario.name for scenario in SCENARIOS]
    for scenario in result["scenarios"]:
        names = [policy["name"] for policy in scenario["policies"]]
        assert names[2:-1] == [peer.name for peer in PEERS]
        launches = comparison.SETTINGS.schedules * comparison.incidents(scenario["name"])
        assert {policy["launches"] for policy in scenario["policies"]} == {launches}


def test_in_the_result_ours_starts_nothing_too_much_and_nobody_beats_the_oracle(result: Any) -> None:
    for scenario in result["scenarios"]:
        *others, oracle = scenario["policies"]
        assert [policy["duplicates"] for policy in others[:2]] == [0, 0]
        for policy in others:
            assert policy["recovered"] <= oracle["recovered"]
            for name in ("p50_s", "p95_s", "max_s"):
                assert policy[name] is None or oracle[name] <= policy[name]


def test_every_number_of_the_first_table_is_in_the_result(comparison: ModuleType, result: Any) -> None:
    lines = comparison.summary(result).splitlines()
    ours = next(line for line in lines if line.startswith("| **retry-run-task, EventBridge**"))
    cells = [cell.strip() for cell in ours.split("|")[2:-1]]
    for name, cell in zip(comparison.SHOWN, cells, strict=False):
        scenario = next(s for s in result["scenarios"] if s["name"] == name)
        policy = scenario["policies"][0]
        share = round(100 * policy["recovered"] / policy["launches"])
        assert cell.startswith(f"{share}\N{NO-BREAK SPACE}%, ")
    assert cells[-1] == "0"
    named = "".join(lines)
    assert all(peer.name in named for peer in PEERS)


def test_the_picture_is_well_formed_and_holds_everything_it_needs(comparison: ModuleType) -> None:
    text = (ROOT / comparison.PICTURE).read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    assert "prefers-color-scheme" in text
    assert re.findall(r'(?:href|src)="', text) == []


def test_the_page_on_the_simulator_has_the_numbers_of_the_code() -> None:
    page = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")
    for lateness in LATENESS.values():
        assert f"| {lateness.mean_s:g} s | {lateness.sigma:g} |" in page
        assert lateness.source in page


def test_a_readme_without_its_marks_is_refused(comparison: ModuleType, result: Any) -> None:
    with pytest.raises(ValueError, match="each once"):
        comparison.with_sentence("# A readme that lost its sentence", "{share}", result)


def test_the_readmes_sentence_has_our_numbers_and_those_of_what_a_reader_can_write(
    comparison: ModuleType,
) -> None:
    def policy(name: str, recovered: int, median: float | None, stale: int = 0) -> dict[str, object]:
        return {"name": name, "launches": 1000, "recovered": recovered, "p50_s": median, "stale": stale}

    outage = [
        policy("retry-run-task, EventBridge", 990, 18.4),
        policy("a quick one", 900, 307.0),
        policy(comparison.REWRITTEN, 1000, 26.0),
    ]
    frequent = [
        policy("retry-run-task, EventBridge", 90, None),
        policy(comparison.REWRITTEN, 1000, 26.0, 893),
    ]
    found = {
        "scenarios": [
            {"name": comparison.FREQUENT, "policies": frequent},
            {"name": comparison.PICTURED[0], "policies": outage},
        ]
    }
    assert comparison.in_short(found) == {
        "launches": "1,000",
        "share": "99\N{NO-BREAK SPACE}%",
        "median": "18s",
        "median_ja": "18 秒",
    }
