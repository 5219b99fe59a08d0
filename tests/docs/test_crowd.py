"""What the simulator's page says of many failures at once is the committed result, and the code still gives it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support.scripts import script

ROOT = Path(__file__).parents[2]
# Half of what an account has.
CALLS_A_S = 10


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    with script("crowd") as module:
        yield module


@pytest.fixture(scope="module")
def result(bench: ModuleType) -> Any:
    return json.loads((ROOT / bench.RESULT).read_text(encoding="utf-8"))


def test_the_page_and_the_picture_are_made_of_the_committed_result(bench: ModuleType, result: Any) -> None:
    again = "write it again with: .venv/bin/python bench/crowd.py --pages"
    for path, text in bench.pages(result).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale; {again}"
    ET.fromstring((ROOT / bench.PICTURE).read_text(encoding="utf-8"))


def test_the_code_still_gives_the_committed_result(bench: ModuleType, result: Any) -> None:
    assert bench.probe() == result["probe"], "simulate again, and write the pages, with: bench/crowd.py"


def test_every_size_and_every_guess_is_there(bench: ModuleType, result: Any) -> None:
    assert [row["schedules"] for row in result["growth"]] == [schedules for schedules, _ in bench.GROWTH]
    shipped = [row for row in result["crowds"] if row["places"] == bench.CONCURRENCY]
    for schedules, _ in bench.CROWDS:
        guesses = {tuple(row["backoff"]) for row in shipped if row["schedules"] == schedules}
        assert guesses == {(each.first_s, each.cap_s) for each in bench.RESUME_BACKOFFS}


def test_every_crowd_is_recovered_within_half_of_the_account_s_calls_and_reads(result: Any) -> None:
    for row in [*result["crowds"], *result["growth"]]:
        assert row["recovered"] == row["launches"]
        assert row["calls_per_s"] <= CALLS_A_S
        assert row["reads_per_s"] <= CALLS_A_S


@pytest.mark.parametrize(
    ("schedules", "placement", "most_s"),
    [
        (200, "any", 60),
        (200, "one", 75),
        (1_000, "any", 240),
        (1_000, "one", 240),
        (10_000, "any", 1_300),
        (10_000, "one", 1_300),
    ],
)
def test_a_crowd_is_recovered_in_time_whatever_is_guessed(
    bench: ModuleType, result: Any, schedules: int, placement: str, most_s: float
) -> None:
    rows = [
        row
        for row in result["crowds"]
        if (row["schedules"], row["placement"], row["places"]) == (schedules, placement, bench.CONCURRENCY)
        and row["invocation_s"] <= bench.INVOCATION_S
        # The first looks of 10,000 take longer than that.
        and row["outage_min"] != 20
    ]
    assert len(rows) >= len(bench.RESUME_BACKOFFS)
    assert max(row["p95_s"] for row in rows) <= most_s


def test_however_quick_an_invocation_is_half_of_the_account_s_calls_are_left(bench: ModuleType) -> None:
    quick = bench.Case(schedules=150, incidents=1, invocation_s=0.1).measure()
    assert quick["calls_per_s"] <= CALLS_A_S
    faster = bench.Case(
        schedules=150, incidents=1, invocation_s=0.1, calls_per_second=20, places=100
    ).measure()
    assert faster["calls_per_s"] > CALLS_A_S


def test_a_page_that_lost_its_marks_is_refused(bench: ModuleType, result: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / bench.PAGE).write_text("# A page without marks", encoding="utf-8")
    with pytest.raises(ValueError, match="each once"):
        bench.pages(result, tmp_path)
