"""What intake sends is canonical, and comes back as the value it was."""

from __future__ import annotations

import json
from dataclasses import replace
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
    Phase,
    Placed,
    Refused,
    TaskState,
    Unbuildable,
    Unread,
)
from retry_run_task.text import iso
from support.records import ACCOUNT, CAPACITY, EVENT_ID, REGION, TASK_DEFINITION, launch

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
    assert iso(datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)) == "2026-11-24T00:00:03Z"


# --- Member by member: a recovery is resumed by a version that is newer than the one that began it ---

FAILURE = Failure(
    origin=Origin.STOPPED,
    code="c",
    reason="r",
    detail="d",
    arn="a",
    container="n",
    ran="2026",
    times=3,
)
WRITTEN = {
    "origin": "stopped",
    "code": "c",
    "reason": "r",
    "detail": "d",
    "arn": "a",
    "container": "n",
    "ran": "2026",
    "times": 3,
}
PLAIN = Failure(origin=Origin.ANSWER, reason="AGENT")


@pytest.mark.parametrize(
    ("failure", "written"),
    [
        (FAILURE, WRITTEN),
        (PLAIN, {"origin": "answer", "reason": "AGENT"}),
        (Failure(origin=Origin.ERROR), {"origin": "error"}),
    ],
)
def test_each_member_of_a_failure(failure: Failure, written: dict[str, Any]) -> None:
    assert wire.failures_to_json([failure, failure]) == [written, written]
    assert wire.failures_from_json([written]) == (failure,)


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        (
            Placed(task_arns=("a",), failures=(PLAIN,), is_conflict=True),
            {
                "answer": "placed",
                "task_arns": ["a"],
                "failures": [{"origin": "answer", "reason": "AGENT"}],
                "conflict": True,
            },
        ),
        (
            Refused(failure=FAILURE, is_unsure=True),
            {"answer": "refused", "failures": [WRITTEN], "unsure": True},
        ),
        (Lost(failure=FAILURE), {"answer": "lost", "failures": [WRITTEN]}),
        (Unbuildable(why="so"), {"answer": "unbuildable", "failures": [], "why": "so"}),
        (Unread(failure=FAILURE), {"answer": "unread", "failures": [WRITTEN]}),
    ],
)
def test_each_member_of_an_answer(answer: Answer, written: dict[str, Any]) -> None:
    assert wire.answer_to_json(answer) == written
    assert wire.answer_from_json(written) == answer


@pytest.mark.parametrize(
    ("state", "written"),
    [
        (
            TaskState(arn="a", phase=Phase.STARTING),
            {"arn": "a", "phase": "starting", "failures": [], "ours": False},
        ),
        (
            TaskState(
                arn="a",
                phase=Phase.FAILED,
                failure=FAILURE,
                is_ours=True,
                zone="z",
                created=0.0,
                starter="0123456789ab",
            ),
            {
                "arn": "a",
                "phase": "failed to start",
                "failures": [WRITTEN],
                "ours": True,
                "zone": "z",
                "created": 0.0,
                "starter": "0123456789ab",
            },
        ),
    ],
)
def test_each_member_of_a_task(state: TaskState, written: dict[str, Any]) -> None:
    assert wire.states_to_json([state]) == [written]
    assert wire.states_from_json([written]) == (state,)


def test_each_member_of_a_launch() -> None:
    value = launch(
        request={"taskDefinition": "x"},
        placed=("p",),
        caller=Caller(kind=CallerKind.SCHEDULER, role_arn="r", is_proven=False),
        created=datetime(2026, 11, 24, 1, 0, 0, tzinfo=UTC),
    )
    value = replace(
        value, request=IncompleteRequest(parameters=value.request.parameters, missing=("overrides",))
    )
    written = {
        "event_id": value.event_id,
        "call_id": value.call_id,
        "event_time": "2026-11-24T00:00:03Z",
        "account": value.account,
        "region": value.region,
        "caller": {"kind": "scheduler", "role_arn": "r", "proven": False},
        "request": {"taskDefinition": "x"},
        "missing": ["overrides"],
        "failures": [{"origin": "answer", "reason": CAPACITY}],
        "placed": ["p"],
        "created": "2026-11-24T01:00:00Z",
    }
    assert wire.launch_to_json(value) == written
    assert wire.launch_from_json(written) == value
    proven = replace(value, caller=replace(value.caller, is_proven=True))
    assert wire.launch_to_json(proven)["caller"] == {"kind": "scheduler", "role_arn": "r"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            launch(),
            {
                "event_id": EVENT_ID,
                "account": ACCOUNT,
                "region": REGION,
                "caller": "rule",
                "cluster": "batch",
                "task_definition": TASK_DEFINITION,
                "started_by": "events-rule/nightly",
            },
        ),
        (
            launch(account="", region="", request={}, caller=Caller(kind=CallerKind.HAND_MADE)),
            {
                "event_id": EVENT_ID,
                "account": None,
                "region": None,
                "caller": "hand-made",
                "cluster": None,
                "task_definition": None,
                "started_by": None,
            },
        ),
    ],
)
def test_what_every_line_about_a_launch_has(value: Any, expected: dict[str, Any]) -> None:
    assert wire.about(value) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "this is not a failed launch as intake sends it (KeyError: 'request')."),
        ([], "(TypeError)."),
        (wire.launch_to_json(launch()) | {"event_time": "canary"}, "(ValueError)."),
    ],
)
def test_what_is_wrong_with_a_payload_is_said_with_what_to_do(body: Any, message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        wire.launch_from_json(body)
    assert message in str(caught.value)
    assert caught.value.hint == "Put a record into the log group instead of invoking recover by hand."


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_number_that_json_does_not_have_is_not_sent(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        wire.canonical({"a": value})


def test_what_is_sent_is_sorted_and_has_no_spaces() -> None:
    assert wire.canonical({"b": [1, 2], "a": "ä"}) == '{"a":"\\u00e4","b":[1,2]}'
