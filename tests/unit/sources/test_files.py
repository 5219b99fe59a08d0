"""Whatever the AWS CLI prints of records, events and tasks is read as it was printed."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from retry_run_task import sources
from retry_run_task.launch.values import CallerKind, FailedLaunch, Ignored, Unparsed
from retry_run_task.launch.wire import canonical, launch_to_json
from retry_run_task.sources.files import Item, Told, items
from support.records import HAND_MADE, awslogs, eventbridge, record

TASK = {
    "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/c/0f9c",
    "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/c",
    "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:7",
    "lastStatus": "STOPPED",
    "desiredStatus": "STOPPED",
    "startedBy": "events-rule/nightly",
    "stopCode": "TaskFailedToStart",
    "stoppedReason": "Task failed to start",
    "stoppedAt": "2026-07-15T11:11:18.301000+09:00",
    "containers": [
        {"name": "app", "lastStatus": "STOPPED", "reason": "CannotPullContainerError: manifest unknown"}
    ],
}


def event(task: Any = None, **changes: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "e1",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-07-15T02:11:18Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": TASK if task is None else task,
    } | changes


def read(content: Any) -> list[Item]:
    text = content if isinstance(content, bytes | str) else json.dumps(content)
    return list(items([text.encode() if isinstance(text, str) else text]))


def log_event(message: Any, **changes: Any) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "logStreamName": "s",
        "timestamp": 1795478703000,
        "message": text,
        "eventId": "37110000",
    } | changes


def queued(body: Any, **attributes: str) -> dict[str, Any]:
    found = {name: {"StringValue": text, "DataType": "String"} for name, text in attributes.items()}
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": json.dumps(body)}
    return message | ({"MessageAttributes": found} if found else {})


PAIRS = {
    "a record": record(),
    "a list": [record()],
    "a log file": {"Records": [record()]},
    "a packed log file": gzip.compress(json.dumps({"Records": [record()]}).encode()),
    "lines": json.dumps(record()) + "\n\n",
    "lookup-events": {
        "Events": [{"EventId": "x", "CloudTrailEvent": json.dumps(record())}],
        "NextToken": "t",
    },
    "filter-log-events": {"events": [log_event(record())], "searchedLogStreams": []},
    "get-query-results": {
        "results": [[{"field": "@message", "value": json.dumps(record())}, {"field": "@ptr", "value": "p"}]]
    },
    "logs tail": f"2026-11-24T00:00:03.000000+00:00 stream {json.dumps(record())}\n",
    "a subscription event": awslogs(record()),
    "an EventBridge event": eventbridge(record()),
    "events as lines": "\n".join(json.dumps(eventbridge(record())) for _ in range(1)),
    "events in a log group": {"events": [log_event(eventbridge(record()))]},
    "the dead-letter queue of Lambda": {"Messages": [queued(awslogs(record()))]},
    "the body of such a message": json.dumps(awslogs(record())),
    "a destination of Lambda": {"version": "1.0", "requestContext": {}, "requestPayload": awslogs(record())},
    "what a queue gives to Lambda": {
        "Records": [{"messageId": "m", "body": json.dumps(eventbridge(record()))}]
    },
    "a topic": {"Type": "Notification", "Message": json.dumps(eventbridge(record()))},
    "PowerShell": json.dumps({"Records": [record()]}).encode("utf-16"),
}


@pytest.mark.parametrize("content", PAIRS.values(), ids=PAIRS.keys())
def test_a_record_is_the_same_failed_launch_in_every_form(content: Any) -> None:
    (plain,) = read(record())
    (found,) = read(content)
    assert isinstance(plain, FailedLaunch)
    assert isinstance(found, FailedLaunch)
    assert canonical(launch_to_json(found)) == canonical(launch_to_json(plain))


def test_a_record_without_an_id_has_the_name_that_intake_gives_it() -> None:
    """So that a replay of a log group does not start a second recovery of it."""
    packed = awslogs(HAND_MADE)
    (by_intake,) = sources.parse(packed)
    payload = json.loads(gzip.decompress(base64.b64decode(packed["awslogs"]["data"])))
    (found,) = read(payload)
    assert isinstance(by_intake, FailedLaunch)
    assert isinstance(found, FailedLaunch)
    assert found == by_intake


TASKS = {
    "an event": event(),
    "a list of events": [event()],
    "events as lines": json.dumps(event()) + "\n",
    "events in a log group": {"events": [log_event(event())]},
    "describe-tasks": {"tasks": [TASK], "failures": []},
    "describe-tasks of version 1": {"tasks": [TASK | {"stoppedAt": 1784081478.301}], "failures": []},
    "a task": TASK,
    "a queue": {"Messages": [queued(event())]},
}


@pytest.mark.parametrize("content", TASKS.values(), ids=TASKS.keys())
def test_a_task_is_the_same_failed_launch_in_every_form(content: Any) -> None:
    (plain,) = sources.parse(event())
    (found,) = read(content)
    assert isinstance(plain, FailedLaunch)
    assert isinstance(found, FailedLaunch)
    assert found == plain


def test_a_task_that_somebody_else_started_is_explained_as_well() -> None:
    (found,) = read({"tasks": [TASK | {"startedBy": "me"}], "failures": []})
    assert isinstance(found, FailedLaunch)
    assert found.caller.kind is CallerKind.OTHER
    assert found.failures[0].container == "app"


def test_what_run_task_answered_is_read_though_its_call_is_not_known() -> None:
    started = TASK | {
        "lastStatus": "PROVISIONING",
        "desiredStatus": "RUNNING",
        "stopCode": None,
        "stoppedAt": None,
    }
    task, failure = read(
        {
            "tasks": [started],
            "failures": [{"arn": "arn:aws:ecs:x:1:container-instance/c/i", "reason": "AGENT"}],
        }
    )
    assert isinstance(task, Ignored)
    assert isinstance(failure, Told)
    assert [one.reason for one in failure.failures] == ["AGENT"]


def test_a_task_that_describe_tasks_does_not_know_is_no_failure_of_run_task() -> None:
    (found,) = read({"tasks": [], "failures": [{"arn": "arn:aws:ecs:x:1:task/c/0f9c", "reason": "MISSING"}]})
    assert isinstance(found, Ignored)
    assert "0f9c" in found.why


SCHEDULED = {
    "version": "0",
    "id": "e2",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-07-15T02:00:00Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:events:eu-west-1:123456789012:rule/nightly"],
    "detail": {},
}


def test_what_eventbridge_could_not_deliver_tells_why() -> None:
    said = (
        "No Container Instances were found in your cluster. (Service: AmazonECS; Status Code: 400; Error Code: "
        "InvalidParameterException; Request ID: x; Proxy: null)"
    )
    rule = SCHEDULED["resources"][0]
    message = queued(SCHEDULED, RULE_ARN=rule, ERROR_CODE="SDK_CLIENT_ERROR", ERROR_MESSAGE=said)
    (found,) = read({"Messages": [message]})
    assert isinstance(found, Told)
    assert found.failures[0].code == "InvalidParameterException"
    assert "rule/nightly" in found.about


def test_an_event_alone_says_where_its_reason_is() -> None:
    (found,) = read(SCHEDULED)
    assert isinstance(found, Ignored)
    assert "nightly" in found.why
    assert "attributes" in found.why


def test_what_intake_sent_to_recover_is_read() -> None:
    (launch,) = read(record())
    assert isinstance(launch, FailedLaunch)
    assert read({"Messages": [queued(launch_to_json(launch))]}) == [launch]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"services": [], "x": 1}, "it holds services, x"),
        ({}, "it holds nothing"),
        ("[7]", "not a JSON object"),
        ({"events": [log_event("START RequestId: 1")]}, "not JSON"),
        ({"awslogs": {"data": "x"}}, "not base64"),
        ({"Messages": [{"Body": "x"}]}, "not JSON"),
        ({"call_id": 1, "failures": "x"}, "what intake sends"),
        ("", "is empty"),
        ("tasks:\n- a", "--output json"),
    ],
)
def test_what_is_not_understood_is_named(content: Any, why: str) -> None:
    (found,) = read(content)
    assert isinstance(found, Unparsed)
    assert why in found.why


def test_texts_within_texts_have_an_end() -> None:
    body: Any = {"eventName": "x"}
    for _ in range(20):
        body = {"message": json.dumps(body)}
    (found,) = read(body)
    assert isinstance(found, Unparsed)


def test_one_unreadable_part_costs_no_neighbour() -> None:
    found = read({"events": [log_event(record()), log_event("x"), log_event(event())]})
    assert [type(one) for one in found] == [FailedLaunch, Unparsed, FailedLaunch]
    assert isinstance(found[1], Unparsed)
    assert found[1].where == "record 2"


def test_what_only_tries_whether_a_function_can_be_reached_is_no_record() -> None:
    control = {
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logEvents": [{"message": "CWL CONTROL"}],
    }
    packed = base64.b64encode(gzip.compress(json.dumps(control).encode())).decode()
    assert not any(
        isinstance(one, Unparsed) for one in [*read(control), *read({"awslogs": {"data": packed}})]
    )
