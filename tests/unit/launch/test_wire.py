"""What intake sends is canonical, and comes back as the value it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from retry_run_task.errors import PayloadError
from retry_run_task.launch import wire
from retry_run_task.launch.values import (
    Answer,
    Caller,
    CallerKind,
    Failure,
    IncompleteRequest,
    Lost,
    Origin,
    Placed,
    Refused,
)
from support.records import launch

LAUNCHES = [
    launch(),
    launch(caller=Caller(kind=CallerKind.HAND_MADE), placed=("p1", "p2"), account="", region=""),
    launch(request={"taskDefinition": "x", "group": "\ud800", "tags": []}),
    launch(
        failures=(
            Failure(origin=Origin.ANSWER, reason="AGENT", arn="arn:x", detail="d"),
            Failure(origin=Origin.ERROR, code="AccessDenied", reason="no"),
        )
    ),
]


@pytest.mark.parametrize("value", LAUNCHES)
def test_a_launch_comes_back_as_it_was(value: Any) -> None:
    assert wire.launch_from_json(json.loads(wire.canonical(wire.launch_to_json(value)))) == value


def test_a_request_that_is_not_whole_comes_back_as_one_that_is_not() -> None:
    """The payload must not turn what may not be run into what may."""
    incomplete = IncompleteRequest(parameters={"taskDefinition": "x"}, missing=("overrides",))
    value = launch()
    hidden = wire.launch_from_json(
        wire.launch_to_json(value) | {"missing": ["overrides"], "request": {"taskDefinition": "x"}}
    )
    assert hidden.request == incomplete


def test_the_order_of_members_makes_no_difference() -> None:
    """Lambda compares payloads: the same failure must be the same bytes whichever way it came in."""
    one = launch(request={"taskDefinition": "x", "cluster": "c"})
    two = launch(request={"cluster": "c", "taskDefinition": "x"})
    assert wire.canonical(wire.launch_to_json(one)) == wire.canonical(wire.launch_to_json(two))
    assert wire.canonical(wire.launch_to_json(one)).isascii()


@pytest.mark.parametrize(
    "member", ["event_id", "event_time", "caller", "request", "failures", "placed", "region"]
)
def test_a_payload_that_intake_did_not_send_is_refused(member: str) -> None:
    body = wire.launch_to_json(launch())
    del body[member]
    with pytest.raises(PayloadError, match="log group"):
        wire.launch_from_json(body)


@pytest.mark.parametrize("body", [None, [], 7, {"event_time": "soon"}])
def test_a_payload_of_any_other_kind_is_refused(body: Any) -> None:
    with pytest.raises(PayloadError):
        wire.launch_from_json(body)


@pytest.mark.parametrize(
    "answer",
    [
        Placed(task_arns=("a", "b"), failures=(Failure(origin=Origin.ANSWER, reason="AGENT"),)),
        Placed(),
        Placed(task_arns=("a",), is_conflict=True),
        Refused(failure=Failure(origin=Origin.ERROR, code="X", reason="y"), is_unsure=True),
        Refused(failure=Failure(origin=Origin.ERROR)),
        Lost(failure=Failure(origin=Origin.ERROR, code="ReadTimeoutError", reason="")),
    ],
)
def test_an_answer_comes_back_as_it_was(answer: Answer) -> None:
    assert wire.answer_from_json(json.loads(json.dumps(wire.answer_to_json(answer)))) == answer


def test_a_text_without_end_is_cut() -> None:
    (item,) = wire.failures_to_json([Failure(origin=Origin.ANSWER, reason="x" * 10**6)])
    assert len(item["reason"]) == 1024


def test_times_are_written_as_cloudtrail_writes_them() -> None:
    assert wire.iso(datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)) == "2026-11-24T00:00:03Z"
