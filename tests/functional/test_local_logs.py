"""CloudWatch Logs of the local AWS, by boto3: groups, events, and filters that are really evaluated."""

import base64
import contextlib
import gzip
import json
from random import Random

import pytest
from botocore.exceptions import ClientError

from retry_run_task.local.aws import LocalAws
from support.local_aws import HANDLERS, SPEED, Seen, client

PATTERN = '{ $.eventName = "RunTask" && $.responseElements.failures[0].reason = "*" }'
RECORD = json.dumps({"eventName": "RunTask", "responseElements": {"failures": [{"reason": "none left"}]}})
OTHER = json.dumps({"eventName": "RunTask", "responseElements": {"failures": []}})


@pytest.fixture
def aws():
    with LocalAws(speed=SPEED) as running:
        running.functions.create("show", "plain.show", python_path=[HANDLERS])
        running.logs.create_group("group")
        yield running


@pytest.fixture
def logs(aws):
    return client(aws, "logs")


@pytest.fixture
def delivered(aws, monkeypatch):
    """What the function `show` was sent, decoded, without running it."""
    seen = Seen()

    def deliver(function, payload):
        aws.functions.get(function)
        seen(
            (function, json.loads(gzip.decompress(base64.b64decode(json.loads(payload)["awslogs"]["data"]))))
        )

    monkeypatch.setattr(aws.logs, "_deliver", deliver)
    return seen


def put(logs, *messages, group="group", stream="stream"):
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [
        {"timestamp": 1_700_000_000_000 + number, "message": text} for number, text in enumerate(messages)
    ]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def subscribe(logs, name="filter", pattern=PATTERN, function="show", group="group"):
    logs.put_subscription_filter(
        logGroupName=group,
        filterName=name,
        filterPattern=pattern,
        destinationArn=f"arn:aws:lambda:ap-northeast-1:123456789012:function:{function}",
    )


def code(error):
    return error.value.response["Error"]["Code"]


def test_what_matches_reaches_the_function_in_awss_payload_and_what_does_not_stays(logs, delivered):
    subscribe(logs)
    function, probe = delivered.next()
    assert function == "arn:aws:lambda:ap-northeast-1:123456789012:function:show"
    assert (probe["messageType"], probe["owner"]) == ("CONTROL_MESSAGE", "CloudwatchLogs")
    put(logs, OTHER, RECORD, "not JSON", RECORD)
    _, sent = delivered.next()
    events = sent.pop("logEvents")
    assert sent == {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "group",
        "logStream": "stream",
        "subscriptionFilters": ["filter"],
    }
    assert [set(event) for event in events] == [{"id", "timestamp", "message"}] * 2
    assert [event["timestamp"] for event in events] == [1_700_000_000_001, 1_700_000_000_003]
    assert [event["message"] for event in events] == [RECORD, RECORD]
    assert all(len(event["id"]) == 56 and event["id"].isdecimal() for event in events)
    first, second = (int(event["id"]) for event in events)
    assert first < second
    assert first >> 144 == 1_700_000_000_001


def test_an_event_put_by_hand_reaches_a_real_function(aws, logs):
    printed = Seen()
    aws.functions.on_log.append(printed)
    subscribe(logs)
    put(logs, RECORD)
    kinds = []
    while len(kinds) < 2:
        function, line = printed.next(10)
        if line.startswith("event "):
            data = json.loads(line.removeprefix("event "))["awslogs"]["data"]
            kinds.append(json.loads(gzip.decompress(base64.b64decode(data)))["messageType"])
    assert function == "show"
    assert sorted(kinds) == ["CONTROL_MESSAGE", "DATA_MESSAGE"]


def test_the_same_event_is_delivered_as_often_as_asked(aws, logs, delivered):
    subscribe(logs)
    delivered.next()
    aws.logs.duplicate_deliveries = 2
    put(logs, RECORD)
    first, second, third = (delivered.next() for _ in range(3))
    assert first == second == third


def test_events_of_one_delivery_may_be_out_of_order(aws, logs, delivered):
    subscribe(logs, pattern="")
    delivered.next()
    aws.logs.out_of_order = True
    put(logs, *(str(number) for number in range(20)))
    _, sent = delivered.next()
    messages = [event["message"] for event in sent["logEvents"]]
    assert sorted(messages, key=int) == [str(number) for number in range(20)] != messages


def test_a_delivery_that_lambda_would_not_take_is_divided(aws, logs, delivered):
    """Random text does not compress: two events of 600 kB are more than the 1 MB that Lambda takes."""
    subscribe(logs, pattern="")
    delivered.next()
    aws.logs.delivery_window_s = 300.0
    random = Random(0)
    texts = [base64.b85encode(random.randbytes(480_000)).decode() for _ in range(2)]
    for text in texts:
        put(logs, text)
    sent = [delivered.next()[1]["logEvents"] for _ in range(2)]
    assert [[event["message"] for event in events] for events in sent] == [texts[:1], texts[1:]]


def test_a_log_group_takes_two_filters_and_the_second_of_a_name_replaces_the_first(logs, delivered):
    subscribe(logs, "one")
    subscribe(logs, "two")
    with pytest.raises(logs.exceptions.LimitExceededException):
        subscribe(logs, "three")
    subscribe(logs, "two", pattern="ERROR")
    filters = logs.describe_subscription_filters(logGroupName="group")["subscriptionFilters"]
    assert [(one["filterName"], one["filterPattern"]) for one in filters] == [
        ("one", PATTERN),
        ("two", "ERROR"),
    ]
    logs.delete_subscription_filter(logGroupName="group", filterName="one")
    subscribe(logs, "three")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_subscription_filter(logGroupName="group", filterName="one")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"pattern": "{ $.a = }"}, "Invalid filter pattern"),
        ({"pattern": "x" * 1025}, "1024"),
        ({"function": "nobody"}, "Could not execute the lambda function"),
    ],
)
def test_a_filter_that_aws_would_refuse_is_refused(logs, changed, text):
    with pytest.raises(ClientError, match=text) as error:
        subscribe(logs, **changed)
    assert code(error) == "InvalidParameterException"


def test_a_pattern_can_be_tried(logs):
    matches = logs.test_metric_filter(filterPattern=PATTERN, logEventMessages=[OTHER, RECORD])["matches"]
    assert [(match["eventNumber"], match["eventMessage"]) for match in matches] == [(2, RECORD)]


def test_groups_and_streams_are_made_once(logs):
    logs.create_log_group(logGroupName="new")
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName="new")
    logs.create_log_stream(logGroupName="new", logStreamName="stream")
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName="new", logStreamName="stream")
    groups = logs.describe_log_groups(logGroupNamePrefix="new")["logGroups"]
    assert [group["arn"] for group in groups] == ["arn:aws:logs:ap-northeast-1:123456789012:log-group:new:*"]
    streams = logs.describe_log_streams(logGroupName="new")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["stream"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"logGroupName": "nowhere"}, "ResourceNotFoundException"),
        ({"logStreamName": "nowhere"}, "ResourceNotFoundException"),
        (
            {"logEvents": [{"timestamp": 2, "message": "b"}, {"timestamp": 1, "message": "a"}]},
            "InvalidParameterException",
        ),
        ({"logEvents": [{"timestamp": 1, "message": "a" * 1_048_551}]}, "InvalidParameterException"),
    ],
)  # fmt: skip -- a table
def test_events_that_aws_would_refuse_are_refused(logs, changed, expected):
    logs.create_log_stream(logGroupName="group", logStreamName="stream")
    request = {
        "logGroupName": "group",
        "logStreamName": "stream",
        "logEvents": [{"timestamp": 1, "message": "a"}],
        **changed,
    }
    with pytest.raises(ClientError) as error:
        logs.put_log_events(**request)
    assert code(error) == expected


def test_events_are_found_by_pattern_time_and_stream(logs):
    put(logs, "a ERROR", "b", "c ERROR")
    put(logs, "d ERROR", stream="other")

    def found(**asked):
        return [event["message"] for event in logs.filter_log_events(logGroupName="group", **asked)["events"]]

    assert found(filterPattern="ERROR") == ["a ERROR", "d ERROR", "c ERROR"]
    assert found(filterPattern="ERROR", logStreamNames=["stream"]) == ["a ERROR", "c ERROR"]
    assert found(logStreamNamePrefix="oth") == ["d ERROR"]
    assert found(startTime=1_700_000_000_001, endTime=1_700_000_000_001) == ["b"]
    with pytest.raises(logs.exceptions.InvalidParameterException):
        found(filterPattern="{ $.a = }")


def test_pages_come_to_an_end(logs):
    put(logs, *(str(number) for number in range(7)))
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="group", PaginationConfig={"PageSize": 3}
    )
    sizes = [len(page["events"]) for page in pages]
    assert sizes == [3, 3, 1]
    first = logs.get_log_events(logGroupName="group", logStreamName="stream", limit=5, startFromHead=True)
    token = first["nextForwardToken"]
    second = logs.get_log_events(logGroupName="group", logStreamName="stream", limit=5, nextToken=token)
    assert [event["message"] for event in first["events"] + second["events"]] == [str(n) for n in range(7)]
    token = second["nextForwardToken"]
    last = logs.get_log_events(logGroupName="group", logStreamName="stream", limit=5, nextToken=token)
    assert (last["events"], last["nextForwardToken"]) == ([], token)
    tail = logs.get_log_events(logGroupName="group", logStreamName="stream", limit=2)
    assert [event["message"] for event in tail["events"]] == ["5", "6"]


def test_says_what_it_does_not_have(logs):
    with pytest.raises(
        ClientError, match=r"the local AWS does not have the operation Logs_20140328\.DeleteLogGroup"
    ):
        logs.delete_log_group(logGroupName="group")
