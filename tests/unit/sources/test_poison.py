"""Whatever is written into the log group: one record has one result, and the other records are still read."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from retry_run_task import sources
from retry_run_task.launch import names, request, wire
from retry_run_task.launch.values import FailedLaunch, Ignored, Outcome, Unparsed
from retry_run_task.messages.message import Ending, Style, message
from retry_run_task.policy.scope import Scope
from support.records import EVENT_ID, HAND_MADE, awslogs, error_record, eventbridge, record

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (DurableExecutionName)
LAMBDA_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
NEIGHBOURS = [f"00000000-0000-4000-8000-{n:012}" for n in range(2)]

TIMES = [
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+23:59",
    "0026-11-24T00:00:03Z",
    "2026-W48-2",
    "2026-02-30",
]
ODD = st.sampled_from(
    [
        *TIMES,
        "\ud800",
        "a\udfffb",
        "\x00",
        "\x1b[31m",
        "x" * 5000,
        "HIDDEN_DUE_TO_SECURITY_REASONS",
        "t-0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d",
        "report-20261124-0123456789abcdef01",
        EVENT_ID,
        10**400,
        -(10**400),
        2**63,
        1e308,
        float("inf"),
        float("nan"),
        -0.0,
        True,
    ]
)
JSON = st.recursive(
    st.none() | ODD | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters()) | ODD.map(str), inner, max_size=3)
    ),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in _paths(one, (*path, key)))]


def _changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: _changed(value[key], tuple(rest), new)}
    return [_changed(one, tuple(rest), new) if n == key else one for n, one in enumerate(value)]


WHOLE = record(
    addendum={"originalEventID": EVENT_ID},
    request={
        "taskDefinition": "nightly",
        "tags": [{"key": "k", "value": "v"}],
        "count": 2,
        "startedBy": "me",
    },
    responseElements={"tasks": [{"taskArn": "t"}], "failures": [{"reason": "r", "detail": "d", "arn": "a"}]},
)
RECORDS = [WHOLE, record(), HAND_MADE, error_record("ThrottlingException", "Rate exceeded")]


@st.composite
def poisoned(draw: st.DrawFn) -> Any:
    """Return a record with up to three of its values replaced by anything."""
    value: Any = draw(st.sampled_from(RECORDS))
    for _ in range(draw(st.integers(1, 3))):
        value = _changed(value, draw(st.sampled_from(_paths(value))), draw(JSON))
    return value


def check(result: FailedLaunch | Ignored | Unparsed) -> None:
    """Check that what was made of a record can be named, sent, read, logged and told."""
    if not isinstance(result, FailedLaunch):
        f"{result.why}{result.where if isinstance(result, Unparsed) else result.event_id}".encode()
        return
    Scope(recover_errors=True).judge(result)
    assert LAMBDA_NAME.fullmatch(names.recovery_name_of("stack", result))
    payload = wire.canonical(wire.launch_to_json(result))
    read = wire.launch_from_json(json.loads(payload))
    assert wire.canonical(wire.launch_to_json(read)) == payload
    json.dumps([wire.about(result), request.masked(result.request.parameters)], allow_nan=False).encode()
    ending = Ending(
        outcome=Outcome.EXPIRED, why="w", rule="r", calls=1, wanted=1, elapsed_s=1.0, task_arns=(), last=None
    )
    note = message(result, ending, Style())
    f"{note.subject}{note.text}".encode()


@settings(max_examples=300, deadline=None)
@given(poisoned())
@example(record(eventTime=TIMES[0]))
@example(record(eventTime=TIMES[2]))
@example(record(request={"taskDefinition": "\ud800"}))
def test_one_record_never_costs_its_neighbours(bad: Any) -> None:
    good = [record(eventID=event_id) for event_id in NEIGHBOURS]
    results = list(sources.parse(awslogs(good[0], bad, good[1])))
    assert len(results) == 3
    assert [r.event_id for r in (results[0], results[2]) if isinstance(r, FailedLaunch)] == NEIGHBOURS
    check(results[1])
    for event in (eventbridge(bad), eventbridge(WHOLE, time=bad), eventbridge(WHOLE, id=bad, account=bad)):
        (result,) = sources.parse(event)
        check(result)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters()) | JSON.map(json.dumps) | st.binary().map(lambda b: b.decode("latin-1")))
def test_text_that_is_no_record_costs_nothing_either(text: str) -> None:
    good = [record(eventID=event_id) for event_id in NEIGHBOURS]
    results = list(sources.parse(awslogs(good[0], text, good[1])))
    assert [r.event_id for r in (results[0], results[2]) if isinstance(r, FailedLaunch)] == NEIGHBOURS
    check(results[1])


TASK = {
    "taskArn": "arn:aws:ecs:ap-northeast-1:123456789012:task/batch/0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d",
    "clusterArn": "batch",
    "taskDefinitionArn": "nightly:7",
    "startedBy": "events-rule/nightly",
    "createdAt": "2026-11-24T00:00:03Z",
    "lastStatus": "STOPPED",
    "stoppedAt": "2026-11-24T00:03:00Z",
    "stopCode": "TaskFailedToStart",
    "stoppedReason": "x",
    "containers": [{"name": "app", "reason": "r", "exitCode": 1}],
}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_an_odd_task_is_one_result(data: st.DataObject) -> None:
    """ECS writes these, so they are not typed by anybody; but intake can be invoked by hand."""
    bad = _changed(TASK, data.draw(st.sampled_from(_paths(TASK))), data.draw(JSON))
    (result,) = sources.parse(eventbridge(bad, **{"detail-type": "ECS Task State Change"}))
    check(result)
