"""The table of the other tools' policies says what their sources say."""

from __future__ import annotations

import pytest

from retry_run_task.simulate.incident import FailureKind
from retry_run_task.simulate.peers import ORIGINAL, PEERS, Peer, RetryScope, Waits, Way

BY_NAME = {peer.name: peer for peer in PEERS}


# Sums of the longest waits, computed by hand from each source.
@pytest.mark.parametrize(
    ("name", "waits", "window_s"),
    [
        ("ecs_rerun_cfn", 3, 180),
        ("Step Functions, as AWS advises", 3, 7),
        ("Step Functions, toricls", 3, 9),
        ("Step Functions, voyagegroup", 5, 31 * 60),
        ("Dagster", 5, 3.1),
        ("Prefect", 2, 8),
        ("Airflow, operator", 0, 0),
        ("Airflow, executor", 2, 20),
        ("wrapbox", 10, 487),
        ("cdk-github-runners", 23, 83_300),
        ("Amazon's SQS sample", 43, 860),
    ],
)
def test_how_often_and_how_long_each_tool_waits(name: str, waits: int, window_s: float) -> None:
    peer = BY_NAME[name]
    assert peer.waits.limit == waits
    assert peer.waits.window() == pytest.approx(window_s, rel=0.01)


@pytest.mark.parametrize("name", ["the original way", "Step Functions, yours to write", "Sleeper"])
def test_three_never_stop(name: str) -> None:
    waits = BY_NAME[name].waits
    assert waits.window() == float("inf")
    assert waits.wait(10**6, 0.5) is not None


@pytest.mark.parametrize(
    ("waits", "nth", "chance", "expected"),
    [
        (Waits(first=60, factor=2, limit=5), 1, 0.5, 60),
        (Waits(first=60, factor=2, limit=5), 5, 0.5, 960),
        (Waits(first=60, factor=2, limit=5), 6, 0.5, None),
        (Waits(first=1, factor=2, cap=120, shrink=0.5, limit=10), 8, 0.0, 60),
        (Waits(first=1, factor=2, cap=120, shrink=0.5, limit=10), 8, 1.0, 120),
        (Waits(first=1, plus=3, limit=2), 1, 0.0, 1),
        (Waits(first=1, plus=3, limit=2), 2, 1.0, 4),
        (Waits(first=0, limit=0), 1, 0.5, None),
        (Waits(first=0), 1, 0.5, 0),
    ],
)
def test_a_wait(waits: Waits, nth: int, chance: float, expected: float | None) -> None:
    assert waits.wait(nth, chance) == expected


# What a tool does not see stands here, so that nobody gives it more or less by accident.
@pytest.mark.parametrize(
    ("name", "blind_to"),
    [
        ("the original way", {FailureKind.PARTIAL, FailureKind.START}),
        (
            "ecs_rerun_cfn",
            {
                FailureKind.CAPACITY,
                FailureKind.OTHER,
                FailureKind.THROTTLE,
                FailureKind.SERVER,
                FailureKind.START,
            },
        ),
        ("Step Functions, as AWS advises", {FailureKind.THROTTLE, FailureKind.SERVER, FailureKind.START}),
        ("Step Functions, toricls", set()),
        ("Step Functions, voyagegroup", set()),
        (
            "Dagster",
            {
                FailureKind.OTHER,
                FailureKind.PARTIAL,
                FailureKind.THROTTLE,
                FailureKind.SERVER,
                FailureKind.START,
            },
        ),
        ("Prefect", {FailureKind.START}),
        ("Airflow, operator", set(FailureKind)),
        ("Airflow, executor", set()),
        ("wrapbox", {FailureKind.PARTIAL, FailureKind.SERVER}),
        ("Sleeper", {FailureKind.START}),
        ("cdk-github-runners", set()),
        (
            "Amazon's SQS sample",
            {
                FailureKind.CAPACITY,
                FailureKind.AGENT,
                FailureKind.OTHER,
                FailureKind.PARTIAL,
                FailureKind.START,
            },
        ),
        ("Step Functions, yours to write", set()),
    ],
)
def test_what_each_tool_cannot_see(name: str, blind_to: set[FailureKind]) -> None:
    assert set(FailureKind) - BY_NAME[name].sees == blind_to


def test_the_tables_above_name_every_tool() -> None:
    assert len(BY_NAME) == len(PEERS) == 14


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_reader_can_check_each_row(peer: Peer) -> None:
    assert peer.source.startswith("https://")
    assert peer.reading.endswith((".", ")"))


def test_only_two_work_beside_an_untouched_schedule() -> None:
    assert {peer.name for peer in PEERS if peer.way is not Way.IN_BAND} == {ORIGINAL.name, "ecs_rerun_cfn"}


def test_only_those_that_count_ask_for_what_is_missing() -> None:
    assert {peer.name for peer in PEERS if peer.asks is RetryScope.MISSING} == {"Sleeper"}


def test_none_but_four_can_have_had_a_schedule_of_several_tasks() -> None:
    """The others have no count in their templates, or set it to 1."""
    assert {peer.name for peer in PEERS if peer.counts} == {
        ORIGINAL.name,
        "Step Functions, as AWS advises",
        "Step Functions, yours to write",
        "Sleeper",
    }


def test_sleeper_asks_slowly_after_what_it_does_not_know() -> None:
    sleeper = BY_NAME["Sleeper"]
    assert sleeper.waits_after(FailureKind.CAPACITY).wait(99, 0.5) == 5
    assert sleeper.waits_after(FailureKind.THROTTLE).wait(1, 0.5) == 30
