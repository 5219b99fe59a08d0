"""Whatever the AWS CLI prints of records, events and tasks is read as it was printed."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from retry_run_task import sources
from retry_run_task.launch.values import CallerKind, FailedLaunch, Failure, Ignored, Origin, Unparsed
from retry_run_task.launch.wire import canonical, launch_to_json
from retry_run_task.sources.cloudtrail import Envelope
from retry_run_task.sources.files import Item, LooseFailures, Record, items, things, why
from retry_run_task.sources.reading import ReadError
from support.records import HAND_MADE, awslogs, eventbridge, pack, record

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


WHEN = {"createdAt": "2026-07-15T02:10:50Z", "stoppingAt": "2026-07-15T02:11:10Z"}
# As the first version of the AWS CLI prints it, with all of its times.
NUMBERS = {"createdAt": 1784081450.0, "stoppingAt": 1784081470.0, "stoppedAt": 1784081478.301}
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


def test_every_time_of_a_task_is_read_as_either_version_of_the_aws_cli_prints_it() -> None:
    texts, numbers = read({"tasks": [TASK | WHEN]}), read({"tasks": [TASK | NUMBERS]})
    assert texts == numbers
    assert isinstance(texts[0], FailedLaunch)
    assert texts[0].created == datetime(2026, 7, 15, 2, 10, 50, tzinfo=UTC)
    spot = {"stopCode": "SpotInterruption", "startedBy": "events-rule/nightly/retry-run-task/0123456789ab"}
    taken = read(TASK | NUMBERS | spot | {"startedAt": 1784081460.5})
    assert taken == read(TASK | WHEN | spot | {"startedAt": "2026-07-15T02:11:00.5Z"})
    assert isinstance(taken[0], FailedLaunch)


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
    assert isinstance(failure, LooseFailures)
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
    assert isinstance(found, LooseFailures)
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


# --- Value by value ---

RULE, SCHEDULE = "arn:aws:events:r:1:rule/nightly", "arn:aws:scheduler:r:1:schedule/g/nightly"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"reason": "AGENT", "detail": "d", "arn": "arn:i"},
            LooseFailures(
                failures=(Failure(origin=Origin.ANSWER, reason="AGENT", detail="d", arn="arn:i"),),
                about="an answer of RunTask",
                where="record 1",
            ),
        ),
        (
            {"failures": [{"reason": None, "more": 1}]},
            LooseFailures(
                failures=(Failure(origin=Origin.ANSWER),), about="an answer of RunTask", where="record 1"
            ),
        ),
        (
            queued(
                {}, RULE_ARN=RULE, SCHEDULE_ARN=SCHEDULE, ERROR_CODE="SDK_CLIENT_ERROR", ERROR_MESSAGE="odd"
            ),
            LooseFailures(
                failures=(Failure(origin=Origin.ERROR, code="SDK_CLIENT_ERROR", reason="odd"),),
                about=f"{RULE} at its last try",
                where="record 1",
            ),
        ),
        (
            queued({}, SCHEDULE_ARN=SCHEDULE, TARGET_ARN="t", ERROR_MESSAGE="odd"),
            LooseFailures(
                failures=(Failure(origin=Origin.ERROR, reason="odd"),),
                about=f"{SCHEDULE} at its last try",
                where="record 1",
            ),
        ),
        (
            queued({}, TARGET_ARN="t", ERROR_MESSAGE="odd"),
            LooseFailures(
                failures=(Failure(origin=Origin.ERROR, reason="odd"),),
                about="t at its last try",
                where="record 1",
            ),
        ),
        (
            {"messageAttributes": {"ERROR_MESSAGE": {"stringValue": "odd"}, "x": 7}, "body": "x"},
            LooseFailures(
                failures=(Failure(origin=Origin.ERROR, reason="odd"),),
                about="a target at its last try",
                where="record 1",
            ),
        ),
        (
            SCHEDULED,
            Ignored(
                why="this is the event of the rule nightly itself; why its task was not started is in the "
                "message's attributes"
            ),
        ),
        # On a bus whose own name ends with the word.
        (
            SCHEDULED | {"resources": ["arn:aws:events:eu-west-1:123456789012:rule/my-rule/nightly"]},
            Ignored(
                why="this is the event of the rule my-rule/nightly itself; why its task was not started is in the "
                "message's attributes"
            ),
        ),
        (
            SCHEDULED | {"resources": ["rule/a", "x:rule/b"]},
            Ignored(
                why="this is the event of the rule a, b itself; why its task was not started is in the message's "
                "attributes"
            ),
        ),
        (
            SCHEDULED | {"resources": None},
            Ignored(
                why="this is the event itself; why its task was not started is in the message's attributes"
            ),
        ),
        (
            {"arn": "arn:aws:ecs:x:1:task/c/0f9c", "reason": "MISSING"},
            Ignored(why="describe-tasks knows no task 0f9c any more"),
        ),
        ({"digestS3Object": "x"}, Ignored(why="this is a digest that CloudTrail writes beside its records")),
        (
            {"messageType": "CONTROL_MESSAGE"},
            Ignored(why="CloudWatch Logs only tried whether a function can be reached"),
        ),
        (
            eventbridge(None),
            Unparsed(why="it has no detail, which would be the CloudTrail record", where="record 1"),
        ),
        (
            event() | {"detail": None},
            Unparsed(why="it has no detail, which would be the task", where="record 1"),
        ),
        (
            {"call_id": 1, "failures": "x"},
            Unparsed(why="it looks like what intake sends to recover, and is not", where="record 1"),
        ),
        (
            {f"name-{n}": n for n in range(9)},
            Unparsed(
                why="it is none of the forms that are known here; it holds name-0, name-1, name-2, name-3, name-4, "
                "name-5",
                where="record 1",
            ),
        ),
        (
            {"n" * 50: 1},
            Unparsed(
                why=f"it is none of the forms that are known here; it holds {'n' * 40}", where="record 1"
            ),
        ),
        ({}, Unparsed(why="it is none of the forms that are known here; it holds nothing", where="record 1")),
        (
            "[7]",
            Unparsed(why="it is not a JSON object, as a record, an event or a task is", where="record 1"),
        ),
        ("", Unparsed(why="it is empty")),
        (
            "tasks:\n- a",
            Unparsed(
                why="it is not JSON; expected what the AWS CLI prints with --output json", where="record 1"
            ),
        ),
    ],
)
def test_what_becomes_of_a_part(content: Any, expected: Item) -> None:
    assert read(content) == [expected]


@pytest.mark.parametrize(
    ("changes", "account", "region"),
    [
        ({"account": "1", "region": "r"}, "1", "r"),
        ({"account": None, "region": None}, "123456789012", "eu-west-1"),
    ],
)
def test_where_a_task_ran_is_said_by_its_event_before_its_arn(
    changes: dict[str, Any], account: str, region: str
) -> None:
    (found,) = read(event(**changes))
    assert isinstance(found, FailedLaunch)
    assert (found.account, found.region) == (account, region)


@pytest.mark.parametrize("arn", ["t1", "a:b:c:d:e"])
def test_an_arn_that_is_short_says_nothing_of_where(arn: str) -> None:
    (found,) = read(TASK | {"taskArn": arn})
    assert isinstance(found, FailedLaunch)
    assert (found.account, found.region) == ("", "")


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"stoppedAt": 1784081478.3, "stoppingAt": 1}, 1784081478.3),
        ({"stoppedAt": None, "stoppingAt": 1784081470, "executionStoppedAt": 1784081460}, 1784081470),
        ({"stoppedAt": True, "executionStoppedAt": 1784081460, "createdAt": 1784081450}, 1784081460),
        ({"stoppedAt": 10**30, "createdAt": "2026-07-15T02:10:50Z"}, 1784081450),
        ({"stoppedAt": {}, "createdAt": "2026-07-15T02:10:50Z"}, 1784081450),
    ],
)
def test_when_a_task_stopped_is_the_best_that_is_said(changes: dict[str, Any], seconds: float) -> None:
    (found,) = read(TASK | changes)
    assert isinstance(found, FailedLaunch), found
    assert found.event_time.timestamp() == pytest.approx(seconds)


def test_a_task_of_which_no_time_is_said_stopped_when_its_event_says() -> None:
    (found,) = read(event({**TASK, "stoppedAt": None}))
    assert isinstance(found, FailedLaunch)
    assert found.event_time == datetime(2026, 7, 15, 2, 11, 18, tzinfo=UTC)


@pytest.mark.parametrize(("owner", "account"), [("123456789012", "123456789012"), (7, ""), (None, "")])
def test_whose_a_log_group_is_counts_where_a_record_does_not_say(owner: Any, account: str) -> None:
    bare = record(request={"taskDefinition": "x", "cluster": "c"}, recipientAccountId=None, awsRegion=None)
    payload = {"messageType": "DATA_MESSAGE", "owner": owner, "logEvents": [log_event(bare)]}
    (found,) = read(payload)
    assert isinstance(found, FailedLaunch)
    assert found.account == account
    (packed,) = sources.parse(pack(payload))
    assert isinstance(packed, FailedLaunch)
    assert packed.account == account


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        ({"eventId": None}, ""),
        ({"eventId": "e"}, "e"),
        ({"eventId": None, "@ptr": "p"}, "p"),
        ({"eventId": None, "id": "i"}, "i"),
        ({"eventId": "e", "id": "i", "@ptr": "p"}, "i"),
        ({"eventId": "e", "@ptr": "p"}, "e"),
    ],
)
def test_a_log_event_has_the_id_that_its_command_prints(ids: dict[str, Any], name: str) -> None:
    content = json.dumps({"owner": "7", "events": [log_event(record(), **ids)]}).encode()
    (found,) = things([content])
    assert isinstance(found, Record)
    at = datetime(2026, 11, 24, 0, 5, 3, tzinfo=UTC)
    assert found == Record(body=record(), envelope=Envelope(id=name, time=at, account="7"), where="record 1")


def test_a_query_s_result_has_the_pointer_to_its_log_event_for_an_id() -> None:
    row = [{"field": "@message", "value": json.dumps(record())}, {"field": "@ptr", "value": "p"}]
    (found,) = things([json.dumps({"results": [row]}).encode()])
    assert isinstance(found, Record)
    assert found.envelope.id == "p"


def test_why_a_record_cannot_be_read_is_said_with_its_place() -> None:
    first, second = read([record(eventTime="soon"), record()])
    assert first == Unparsed(why="its time is not a time such as 2026-11-24T00:00:03Z", where="record 1")
    assert isinstance(second, FailedLaunch)


def test_a_list_within_a_text_has_its_name() -> None:
    """An entry of ``failures`` is one by the name of its list, also if AWS adds a member to it."""
    failure = {"reason": "RESOURCE:CPU", "of-next-year": 1}
    for content in ({"failures": [failure]}, log_event({"failures": [failure]})):
        (found,) = read(content)
        assert isinstance(found, LooseFailures)
        assert found.failures == (Failure(origin=Origin.ANSWER, reason="RESOURCE:CPU"),)
    (found,) = read(log_event({"events": [failure]}))
    assert isinstance(found, Unparsed)


def test_a_try_hides_no_record_behind_it() -> None:
    tried = {"messageType": "CONTROL_MESSAGE", "logEvents": [log_event("x")]}
    first, second = read("\n".join(json.dumps(one) for one in (tried, record())))
    assert isinstance(first, Ignored)
    assert isinstance(second, FailedLaunch)


def test_what_nobody_thought_of_is_said_without_its_words() -> None:
    assert why(KeyError("a secret")) == "it could not be read (KeyError)"
    assert why(ReadError("it is odd")) == "it is odd"


def within(text: str, depth: int) -> dict[str, str]:
    found = {"message": text}
    for _ in range(depth):
        found = {"message": json.dumps(found)}
    return found


@pytest.mark.parametrize(("depth", "is_read"), [(4, True), (5, True), (6, False), (8, False)])
def test_texts_within_texts_are_read_up_to_a_depth(depth: int, is_read: bool) -> None:
    (found,) = read(within(json.dumps(record()), depth))
    if is_read:
        assert isinstance(found, FailedLaunch)
    else:
        assert found == Unparsed(why="it holds texts within texts, too many of them", where="record 1")


def test_of_a_list_within_a_text_each_part_is_read_for_itself() -> None:
    first, second, third = read({"message": json.dumps({"Records": [record(), 7, record()]})})
    assert isinstance(first, FailedLaunch)
    assert isinstance(third, FailedLaunch)
    why = "it is not a JSON object, as a record, an event or a task is"
    assert second == Unparsed(why=why, where="record 1")


@pytest.mark.parametrize("member", ["message", "body", "CloudTrailEvent"])
def test_a_record_with_a_text_of_its_own_is_a_record(member: str) -> None:
    (found,) = read(record() | {member: json.dumps({"eventName": "StopTask"})})
    assert isinstance(found, FailedLaunch)


def test_lists_within_lists_are_read_up_to_a_depth() -> None:
    found: Any = record()
    for _ in range(6):
        found = {"Records": [found]}
    (one,) = read(found)
    assert isinstance(one, FailedLaunch)
    (one,) = read({"Records": [{"Records": [found]}]})
    assert isinstance(one, Unparsed)
    assert one.why == "it holds texts within texts, too many of them"


def test_a_record_within_a_text_is_of_the_account_that_the_log_group_is_of() -> None:
    """Where its request names none."""
    by_hand = HAND_MADE | {"requestParameters": {"taskDefinition": "nightly", "cluster": "batch"}}
    event = {"id": "e", "timestamp": 1795478703000, "message": json.dumps(by_hand)}
    (found,) = read({"message": json.dumps({"owner": "210987654321", "logEvents": [event]})})
    assert isinstance(found, FailedLaunch)
    assert found.account == "210987654321"


def test_a_log_event_without_an_id_is_named_by_its_record() -> None:
    (found,), (plain,) = read({"timestamp": 1, "message": json.dumps(HAND_MADE)}), read(HAND_MADE)
    assert isinstance(found, FailedLaunch)
    assert isinstance(plain, FailedLaunch)
    assert found.event_id == plain.event_id
