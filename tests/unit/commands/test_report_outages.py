"""What calls tell of capacity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retry_run_task.commands.report import outages
from retry_run_task.commands.report.outages import Outage, both
from retry_run_task.commands.shared.calls import RunTaskCall, read_record
from support.records import CAPACITY, parameters, record

START = datetime(2026, 11, 24, tzinfo=UTC)
ZERO = START.timestamp()
AC = frozenset({"subnet-a", "subnet-c"})
HALF_AN_HOUR = 1800


def call(
    at: float,
    *,
    room: str = "",
    subnets: tuple[str, ...] = ("subnet-a", "subnet-c"),
    reason: str = CAPACITY,
    **changes: Any,
) -> RunTaskCall:
    """Return a call at a second, which placed its task in a subnet or failed."""
    network = {"awsvpcConfiguration": {"subnets": list(subnets)}}
    task = {
        "taskArn": "arn:task",
        "availabilityZone": f"zone-{room}",
        "attachments": [{"details": [{"name": "subnetId", "value": room}]}],
    }
    answer = {"tasks": [task], "failures": []} if room else {"tasks": [], "failures": [{"reason": reason}]}
    time = f"{START + timedelta(seconds=at):%Y-%m-%dT%H:%M:%SZ}"
    request = parameters(networkConfiguration=network, **changes)
    found = read_record(record(eventTime=time, responseElements=answer, request=request))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([], []),
        ([call(0, room="subnet-a")], []),
        # Until a call found room again.
        ([call(0), call(60), call(300, room="subnet-c")], [(0, 300, True)]),
        # Until half an hour after the last, if nobody saw it end.
        ([call(0), call(60)], [(0, 60 + HALF_AN_HOUR, False)]),
        # Two, if they are further apart.
        ([call(0), call(4000), call(4100, room="subnet-a")], [(0, HALF_AN_HOUR, False), (4000, 4100, True)]),
        # Room elsewhere, or for another kind of capacity, tells nothing.
        (
            [call(0), call(60, room="subnet-d", subnets=("subnet-d",))],
            [(0, HALF_AN_HOUR, False)],
        ),
        ([call(0), call(60, room="subnet-a", launchType="EC2")], [(0, HALF_AN_HOUR, False)]),
        # One of its subnets alone is short: the others may have room.
        ([call(0, subnets=("subnet-a",))], []),
        # More subnets than its own were short, so its own were.
        ([call(0, subnets=("subnet-a", "subnet-c", "subnet-d"))], [(0, HALF_AN_HOUR, False)]),
        # Too little room is a shortage that goes on.
        (
            [call(0), call(60, room="subnet-a"), call(60), call(90, room="subnet-a")],
            [(0, 60, True), (60, 90, True)],
        ),
        # A permanent failure is no shortage.
        ([call(0, reason="ATTRIBUTE")], []),
    ],
)
def test_an_outage_lasts_until_somebody_found_room(
    calls: list[RunTaskCall], expected: list[tuple[float, float, bool]]
) -> None:
    found = [Outage(a.start - ZERO, a.end - ZERO, a.is_over) for a in outages.read(calls).of("FARGATE", AC)]
    joined = _joined(found)
    assert joined == _joined([Outage(*one) for one in expected])


def _joined(found: list[Outage]) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for one in found:
        if spans and one.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], one.end))
        else:
            spans.append((one.start, one.end))
    return spans


def test_zones_are_learned_from_placed_tasks() -> None:
    assert outages.read([call(0, room="subnet-a")]).zones == {"subnet-a": "zone-subnet-a"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "FARGATE"),
        (
            {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
            "FARGATE_SPOT",
        ),
        (
            {
                "launchType": None,
                "capacityProviderStrategy": [
                    {"capacityProvider": "FARGATE"},
                    {"capacityProvider": "FARGATE_SPOT"},
                ],
            },
            "FARGATE+FARGATE_SPOT",
        ),
        ({"launchType": "EC2"}, "EC2 of batch"),
        ({"launchType": None}, "default of batch"),
        ({"launchType": None, "capacityProviderStrategy": "HIDDEN"}, "default of batch"),
    ],
)
def test_instances_are_a_clusters_own(changes: dict[str, Any], expected: str) -> None:
    assert outages.provider_of(call(0, **changes)) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ([(0, 10)], [(5, 20)], [(5, 10)]),
        ([(0, 10)], [(10, 20)], []),
        ([(0, 10), (20, 30)], [(5, 25)], [(5, 10), (20, 25)]),
        ([(0, 10)], [], []),
    ],
)
def test_both_are_short(
    one: list[tuple[float, float]], two: list[tuple[float, float]], expected: list[tuple[float, float]]
) -> None:
    found = both([Outage(*a, is_over=True) for a in one], [Outage(*b, is_over=True) for b in two])
    assert [(a.start, a.end) for a in found] == expected


def test_a_record_of_another_form_tells_nothing_and_breaks_nothing() -> None:
    broken = {
        "awsvpcConfiguration": {"subnets": "HIDDEN_DUE_TO_SECURITY_REASONS", "securityGroups": [1, None]}
    }
    answer = {
        "tasks": [{"taskArn": "arn", "attachments": [{"details": "?"}, 7]}, {"attachments": 1}],
        "failures": [],
    }
    found = read_record(record(request=parameters(networkConfiguration=broken), responseElements=answer))
    assert found is not None
    assert (found.subnets, found.security_groups, found.placed_in) == ((), (), ())
