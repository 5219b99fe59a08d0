"""What is read of an event, value by value, and each refusal as a whole sentence with the place that it is about."""

from __future__ import annotations

import base64
import gzip
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retry_run_task import sources
from retry_run_task.launch import names
from retry_run_task.launch.schedule import EVERYTHING_ELSE, Schedule
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    Ignored,
    IncompleteRequest,
    Origin,
    Phase,
    TaskState,
    Unparsed,
)
from retry_run_task.sources import (
    cloudtrail,
    cloudwatch_logs,
    eventbridge,
    reading,
    schedules,
    task_state_change,
    tasks,
)
from retry_run_task.sources.reading import ReadError
from support.records import (
    ACCOUNT,
    CLUSTER,
    EVENT_ID,
    REGION,
    RULE_ROLE,
    TASK_DEFINITION,
    awslogs,
    launch,
    pack,
    parameters,
    record,
)
from support.records import eventbridge as event_of

ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d"
TASK = {
    "taskArn": ARN,
    "clusterArn": CLUSTER,
    "taskDefinitionArn": TASK_DEFINITION,
    "startedBy": "events-rule/nightly",
    "createdAt": "2026-11-24T00:00:04.110Z",
    "lastStatus": "STOPPED",
    "desiredStatus": "STOPPED",
    "stopCode": "TaskFailedToStart",
    "stoppedReason": "Timeout waiting for network interface provisioning to complete.",
    "stoppedAt": "2026-11-24T00:03:00.000Z",
    "availabilityZone": "ap-northeast-1a",
}
STARTED_BY = "retry-run-task/0123456789ab"


def changed(detail: Any, **changes: Any) -> dict[str, Any]:
    event = {
        "id": "3317b2af",
        "detail-type": "ECS Task State Change",
        "account": ACCOUNT,
        "time": "2026-11-24T00:03:01Z",
        "region": REGION,
        "detail": detail,
    }
    return event | changes


# --- Events ---

LOG_EVENT = json.loads(json.dumps({"id": "37", "timestamp": 1795478703000, "message": json.dumps(record())}))


def logged(**changes: Any) -> dict[str, Any]:
    return pack({"messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logEvents": [LOG_EVENT | changes]})


CUT_OFF = base64.b64encode(base64.b64decode(awslogs(record())["awslogs"]["data"])[:-20]).decode()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            7,
            Unparsed(
                why="this is neither a CloudWatch Logs subscription event nor an EventBridge event of type "
                "'AWS API Call via CloudTrail' or 'ECS Task State Change'"
            ),
        ),
        (
            pack({"messageType": "CONTROL_MESSAGE"}),
            Ignored(why="CloudWatch Logs only tried whether this function can be reached"),
        ),
        (
            pack({"messageType": "DATA_MESSAGE", "logEvents": {}}),
            Unparsed(why="the payload is not a DATA_MESSAGE with logEvents, nor a CONTROL_MESSAGE"),
        ),
        ({"awslogs": {"data": 7}}, Unparsed(why="awslogs.data is not a string")),
        ({"awslogs": {"data": "!"}}, Unparsed(why="awslogs.data is not base64; it may have been cut off")),
        ({"awslogs": {"data": "ä"}}, Unparsed(why="awslogs.data is not base64; it may have been cut off")),
        (
            {"awslogs": {"data": "YWJj"}},
            Unparsed(why="awslogs.data is neither gzip nor zlib, or it is damaged"),
        ),
        (
            {"awslogs": {"data": CUT_OFF}},
            Unparsed(why="awslogs.data is cut off in the middle of its compressed text"),
        ),
        (pack("{"), Unparsed(why="what awslogs.data unpacks to is not JSON")),
        (pack([1]), Unparsed(why="what awslogs.data unpacks to is not a JSON object")),
        (
            logged(message=None),
            Unparsed(why="it is not a log event with a message", where="log event 1 of the payload"),
        ),
        (
            logged(id=7),
            Unparsed(
                why="id is a number, and a string was expected",
                where="log event 1 of the payload",
            ),
        ),
        (
            logged(message="[]"),
            Unparsed(why="it is a list, and a CloudTrail record is a JSON object", where="log event 37"),
        ),
        (
            logged(id=None, message="[]"),
            Unparsed(
                why="it is a list, and a CloudTrail record is a JSON object",
                where="log event 1 of the payload",
            ),
        ),
        (
            event_of(None, id="6f87"),
            Unparsed(
                why="it has no detail, which would be the CloudTrail record", where="EventBridge event 6f87"
            ),
        ),
        (
            event_of(record(), id=7),
            Unparsed(why="id is a number, and a string was expected"),
        ),
        (
            event_of(None, id=None),
            Unparsed(
                why="it has no detail, which would be the CloudTrail record", where="EventBridge event "
            ),
        ),
        (
            changed(None),
            Unparsed(why="it has no detail, which would be the task", where="EventBridge event 3317b2af"),
        ),
        (
            changed(TASK | {"taskArn": ""}),
            Unparsed(why="its detail has no taskArn", where="EventBridge event 3317b2af"),
        ),
        (
            changed(TASK | {"taskDefinitionArn": None}),
            Unparsed(why="its detail has no taskDefinitionArn", where="EventBridge event 3317b2af"),
        ),
        (
            changed(TASK | {"stoppedAt": None}, time=None),
            Unparsed(why="it does not say when the task stopped", where="EventBridge event 3317b2af"),
        ),
        (
            changed(TASK | {"startedBy": f"events-rule/nightly/{STARTED_BY}"}),
            Ignored(why="a recovery started this task and is watching it"),
        ),
        *(
            (
                changed(TASK | {"startedBy": f"events-rule/nightly/{STARTED_BY}"} | more),
                Ignored(why="a recovery started this task and is watching it"),
            )
            for more in (
                {"stopCode": "SpotInterruption"},
                {"stopCode": "EssentialContainerExited", "startedAt": "2026-11-24T00:01:00Z"},
            )
        ),
        (
            changed(TASK | {"startedBy": "me"}),
            Ignored(why="neither an EventBridge rule nor a schedule started this task"),
        ),
        (changed(TASK | {"lastStatus": "RUNNING"}), Ignored(why="this task has run, or still may")),
        (
            awslogs(record(eventName="StopTask")),
            Ignored(why="it is not a record of an ECS RunTask call", event_id=EVENT_ID),
        ),
        (
            awslogs(record(responseElements={"tasks": [{}], "failures": []})),
            Ignored(why="this call placed every task it asked for", event_id=EVENT_ID),
        ),
    ],
)
def test_what_becomes_of_an_event(event: Any, expected: Ignored | Unparsed) -> None:
    assert list(sources.parse(event)) == [expected]


def test_each_log_event_is_named_by_its_place_if_it_has_no_id() -> None:
    event = pack({"messageType": "DATA_MESSAGE", "logEvents": [None, None]})
    assert [item.where for item in sources.parse(event) if isinstance(item, Unparsed)] == [
        "log event 1 of the payload",
        "log event 2 of the payload",
    ]


class Surprise(dict[str, Any]):
    """Something that nobody thought of."""

    def get(self, name: str, default: Any = None) -> Any:
        if name in ("detail", "timestamp"):
            raise ArithmeticError("with a secret")
        return super().get(name, default)


@pytest.mark.parametrize("source", [eventbridge, task_state_change])
def test_what_nobody_thought_of_is_said_without_its_words(source: Any) -> None:
    event = Surprise(id="6f87")
    assert list(source.parse(event)) == [
        Unparsed(why="it could not be read (ArithmeticError)", where="EventBridge event 6f87")
    ]


def test_what_nobody_thought_of_in_a_log_event_is_said_with_its_place() -> None:
    log_event = Surprise(id="37", message="{}")
    assert cloudwatch_logs._one(log_event, 1, "") == Unparsed(
        why="it could not be read (ArithmeticError)", where="log event 2 of the payload"
    )


# --- Records ---


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            record(responseElements=None),
            "it has neither responseElements nor errorCode, so it is unknown whether the call started tasks",
        ),
        (
            record(requestParameters=None),
            "requestParameters is null, and the call raised no error that would explain it",
        ),
        (
            record(request=parameters(taskDefinition="")),
            "requestParameters has no taskDefinition, so there is nothing to run",
        ),
        (record(request=parameters(count=0)), "requestParameters.count is not a whole number from 1 to 10"),
        (
            record(request=parameters(count=True)),
            "requestParameters.count is not a whole number from 1 to 10",
        ),
        (record(request=parameters(cluster=7)), "requestParameters.cluster is not a string"),
        (record(request=parameters(startedBy=7)), "requestParameters.startedBy is not a string"),
        (
            record(request=parameters(group="\ud800")),
            "requestParameters holds half of a character (a lone surrogate), as no call can",
        ),
        (
            record(request=parameters(x=float("inf"))),
            "requestParameters holds a number that is too large for JSON",
        ),
        (record(eventTime="soon"), "its time is not a time such as 2026-11-24T00:00:03Z"),
        (record(eventTime="1999-12-31T23:59:59Z"), "its time is not of the years 2000 to 2100"),
        (record(eventTime=7), "eventTime is a number, and a string was expected"),
        (record(userIdentity=True), "userIdentity is a boolean, and an object was expected"),
        (record(awsRegion={}), "awsRegion is an object, and a string was expected"),
        (record(responseElements={"tasks": "x"}), "tasks is a string, and a list was expected"),
        (record(responseElements={"tasks": [None]}), "tasks holds null, and objects were expected"),
        (record(errorCode=[]), "errorCode is a list, and a string was expected"),
    ],
)
def test_why_a_record_cannot_be_read(value: dict[str, Any], says: str) -> None:
    with pytest.raises(ReadError) as caught:
        cloudtrail.parse(value, cloudtrail.Envelope())
    assert str(caught.value) == says


def test_a_record_without_a_time_that_comes_alone_says_so() -> None:
    value = record()
    del value["eventTime"]
    with pytest.raises(ReadError) as caught:
        cloudtrail.parse(value, cloudtrail.Envelope())
    assert str(caught.value) == "it has no eventTime, and nothing else tells when the call was made"


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (
            {"errorCode": "X", "errorMessage": "y"},
            ((Failure(origin=Origin.ERROR, code="X", reason="y"),), ()),
        ),
        ({"errorCode": "X"}, ((Failure(origin=Origin.ERROR, code="X", reason=""),), ())),
        ({"responseElements": {"tasks": [{"taskArn": "t"}, {}]}}, ((), ("t", ""))),
        (
            {"responseElements": {"failures": [{}, {"reason": "r", "detail": "d", "arn": "a"}]}},
            (
                (
                    Failure(origin=Origin.ANSWER),
                    Failure(origin=Origin.ANSWER, reason="r", detail="d", arn="a"),
                ),
                (),
            ),
        ),
    ],
)
def test_what_a_call_was_answered(value: dict[str, Any], answer: Any) -> None:
    assert cloudtrail.answer_of(value) == answer


USER = {"type": "IAMUser", "arn": "arn:aws:iam::1:user/u"}
ROLE = {"sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::1:role/r"}}, "arn": "arn:aws:sts::1:x"}
AGENT = "AmazonEventBridgeScheduler aws-sdk-java/2.20.0"


@pytest.mark.parametrize(
    ("changes", "request_", "caller"),
    [
        ({"userIdentity": USER}, {}, Caller(kind=CallerKind.OTHER, role_arn="arn:aws:iam::1:user/u")),
        ({"userIdentity": ROLE}, {}, Caller(kind=CallerKind.OTHER, role_arn="arn:aws:iam::1:role/r")),
        ({"userIdentity": {}}, {}, Caller(kind=CallerKind.OTHER)),
        ({}, {}, Caller(kind=CallerKind.HAND_MADE)),
        ({"sourceIPAddress": "events.amazonaws.com"}, {}, Caller(kind=CallerKind.HAND_MADE)),
        (
            {"userIdentity": ROLE, "userAgent": AGENT},
            {},
            Caller(kind=CallerKind.SCHEDULER, role_arn="arn:aws:iam::1:role/r", is_proven=False),
        ),
        (
            {"userIdentity": ROLE},
            {"startedBy": "chronos-schedule/x"},
            Caller(kind=CallerKind.SCHEDULER, role_arn="arn:aws:iam::1:role/r", is_proven=False),
        ),
        (
            {"userIdentity": ROLE | {"invokedBy": "events.amazonaws.com"}, "userAgent": AGENT},
            {"startedBy": "chronos-schedule/x"},
            Caller(kind=CallerKind.RULE, role_arn="arn:aws:iam::1:role/r"),
        ),
        (
            {"userIdentity": ROLE, "userAgent": f"x {AGENT}"},
            {"startedBy": "x chronos-schedule/x"},
            Caller(kind=CallerKind.OTHER, role_arn="arn:aws:iam::1:role/r"),
        ),
        (
            {"userIdentity": ROLE, "sourceIPAddress": "scheduler.amazonaws.com"},
            {},
            Caller(kind=CallerKind.SCHEDULER, role_arn="arn:aws:iam::1:role/r"),
        ),
        (
            {
                "userIdentity": ROLE | {"invokedBy": "batch.amazonaws.com"},
                "sourceIPAddress": "events.amazonaws.com",
            },
            {},
            Caller(kind=CallerKind.BATCH, role_arn="arn:aws:iam::1:role/r"),
        ),
    ],
)
def test_who_a_record_says_made_the_call(
    changes: dict[str, Any], request_: dict[str, Any], caller: Caller
) -> None:
    assert cloudtrail.caller_of(changes, request_) == caller


@pytest.mark.parametrize(
    ("cluster", "region", "account"),
    [
        (CLUSTER, REGION, ACCOUNT),
        ("arn:aws-cn:ecs:cn-north-1:1:cluster/x", "cn-north-1", "1"),
        ("arn:aws:sqs:eu-west-1:1:cluster/x", "", ""),
        ("xrn:aws:ecs:eu-west-1:1:cluster/x", "", ""),
        ("arn:aws:ecs:eu-west-1:1:cluster:x", "", ""),
        ("batch", "", ""),
        (None, "", ""),
    ],
)
def test_where_a_cluster_is(cluster: str | None, region: str, account: str) -> None:
    value = record(request=parameters(cluster=cluster), awsRegion=None, recipientAccountId=None)
    parsed = cloudtrail.parse(value, cloudtrail.Envelope())
    assert isinstance(parsed, FailedLaunch)
    assert (parsed.region, parsed.account) == (region, account)


def test_where_a_call_was_made_is_said_by_its_record_before_its_cluster() -> None:
    value = record(awsRegion="eu-north-1", recipientAccountId="999999999999")
    parsed = cloudtrail.parse(value, cloudtrail.Envelope(account="1", region="r"))
    assert isinstance(parsed, FailedLaunch)
    assert (parsed.region, parsed.account) == ("eu-north-1", "999999999999")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1795478703000, datetime(2026, 11, 24, 0, 5, 3, tzinfo=UTC)),
        (1795478703000.5, datetime(2026, 11, 24, 0, 5, 3, 500, tzinfo=UTC)),
        (True, None),
        ("1795478703000", None),
        (10**30, None),
        (float("nan"), None),
        (0, None),
        (None, None),
    ],
)
def test_when_a_log_event_was_written(value: Any, moment: datetime | None) -> None:
    assert cloudtrail.epoch_ms(value) == moment


# --- Reading ---


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "it is a list, and a CloudTrail record is a JSON object"),
        ("null", "it is null, and a CloudTrail record is a JSON object"),
        ("true", "it is a boolean, and a CloudTrail record is a JSON object"),
        ("1.5", "it is a number, and a CloudTrail record is a JSON object"),
        ('"x"', "it is a string, and a CloudTrail record is a JSON object"),
        ('{"a": }', "it is not JSON at character 6, and a CloudTrail record is a JSON object"),
        ('{"a": ' + "9" * 5000 + "}", "it is not JSON, and a CloudTrail record is a JSON object"),
        ('{"a": NaN}', "it holds NaN, which is not JSON"),
        ('{"a": -Infinity}', "it holds -Infinity, which is not JSON"),
        (
            '{"b": 0, "a": 1, "a": 2}',
            "an object in it has the name 'a' twice, so its meaning is uncertain",
        ),
        (
            '{"' + "ä" * 90 + '": 1, "' + "ä" * 90 + '": 2}',
            "an object in it has the name '" + "\\xe4" * 19 + "\\xe twice, so its meaning is uncertain",
        ),
        ("[" * 100_000, "it is JSON nested too deeply to be a CloudTrail record"),
        (" " * (1024 * 1024 + 1), "it has 1048577 characters, and a log event has at most 1048576"),
    ],
)
def test_why_a_text_is_no_record(text: str, says: str) -> None:
    with pytest.raises(ReadError) as caught:
        reading.read_object(text)
    assert str(caught.value) == says


def test_the_longest_record_is_read() -> None:
    text = '{"a": 1}'.ljust(1024 * 1024)
    assert reading.read_object(text) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "text"), [("abc", "abc"), ("ä\ud800b", "ä\ufffdb"), ("😀", "😀"), (None, None), ("", "")]
)
def test_a_text_without_half_characters(value: Any, text: str | None) -> None:
    assert reading.text_at({"a": value}, "a") == text
    assert reading.text_at({}, "a") is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T00:00:03Z", datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)),
        ("2026-11-24T00:00:03", datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)),
        ("2026-11-24T09:00:03+09:00", datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2100-12-31T23:59:59Z", datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_utc(text: str, moment: datetime) -> None:
    found = reading.time_of(text)
    assert found == moment
    assert found.tzinfo is UTC


def test_everything_that_an_event_says_of_its_record() -> None:
    event = {"id": "i", "time": "2026-11-24T00:00:03Z", "account": "a", "region": "r"}
    assert eventbridge.envelope_of(event) == cloudtrail.Envelope(
        id="i", time=datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC), account="a", region="r"
    )
    assert eventbridge.envelope_of({}) == cloudtrail.Envelope()


# --- Tasks ---


def launch_of_task(**changes: Any) -> FailedLaunch:
    value = FailedLaunch(
        event_id="t-0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d",
        call_id=names.task_identity(ARN),
        event_time=datetime(2026, 11, 24, 0, 3, tzinfo=UTC),
        account=ACCOUNT,
        region=REGION,
        caller=Caller(kind=CallerKind.RULE, is_proven=False),
        request=IncompleteRequest(
            parameters={
                "cluster": CLUSTER,
                "taskDefinition": TASK_DEFINITION,
                "startedBy": "events-rule/nightly",
                "count": 1,
            },
            missing=(EVERYTHING_ELSE,),
        ),
        failures=(
            Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason=str(TASK["stoppedReason"])),
        ),
        created=datetime(2026, 11, 24, 0, 0, 4, 110_000, tzinfo=UTC),
    )
    return replace(value, **changes)


SPOT = {"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted."}
TAKEN = Failure(
    origin=Origin.STOPPED,
    code="SpotInterruption",
    reason="Your Spot Task was interrupted.",
    ran="it had started",
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, launch_of_task()),
        ({"createdAt": None}, launch_of_task(created=None)),
        ({"stoppedAt": None}, launch_of_task(event_time=datetime(2026, 11, 24, 0, 3, 1, tzinfo=UTC))),
        (SPOT | {"startedAt": "2026-11-24T00:01:00Z"}, launch_of_task(failures=(TAKEN,))),
        (
            SPOT | {"startedAt": "2026-11-24T00:01:00Z", "startedBy": f"events-rule/nightly/{STARTED_BY}"},
            launch_of_task(failures=(TAKEN,)),
        ),
        (
            SPOT | {"startedAt": "2026-11-24T00:01:00Z", "stoppedReason": None},
            launch_of_task(failures=(replace(TAKEN, reason=""),)),
        ),
        (SPOT, launch_of_task(failures=(replace(TAKEN, ran=None),))),
        # It is torn down, and why is said already.
        ({"lastStatus": "DEPROVISIONING"}, launch_of_task()),
    ],
)
def test_everything_of_a_task_that_did_not_start(changes: dict[str, Any], expected: FailedLaunch) -> None:
    assert list(sources.parse(changed(TASK | changes))) == [expected]


def test_a_task_of_nobodys_schedule_is_one_only_if_that_is_asked_for() -> None:
    for started_by in ("me", None):
        detail = TASK | {"startedBy": started_by}
        found = task_state_change.launch_of(detail, account=ACCOUNT, region=REGION, is_anyones=True)
        assert isinstance(found, FailedLaunch)
        assert found.caller == Caller(kind=CallerKind.OTHER, is_proven=False)
        assert found.request.parameters["startedBy"] == (started_by or "")
        assert isinstance(task_state_change.launch_of(detail, account=ACCOUNT, region=REGION), Ignored)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            TaskState(
                arn=ARN,
                phase=Phase.FAILED,
                failure=Failure(
                    origin=Origin.STOPPED, code="TaskFailedToStart", reason=str(TASK["stoppedReason"])
                ),
                zone="ap-northeast-1a",
                created=1795478404.11,
            ),
        ),
        (
            {
                "lastStatus": "PENDING",
                "desiredStatus": "RUNNING",
                "startedBy": f"x/{STARTED_BY}",
                "createdAt": None,
                "availabilityZone": None,
            },
            TaskState(arn=ARN, phase=Phase.STARTING, is_ours=True, starter="0123456789ab"),
        ),
    ],
)
def test_everything_of_how_a_task_is(changes: dict[str, Any], expected: TaskState) -> None:
    assert tasks.state(TASK | changes) == expected


@pytest.mark.parametrize(
    ("changes", "torn_down"),
    [
        ({"lastStatus": "DEPROVISIONING"}, True),
        ({"lastStatus": "STOPPING"}, True),
        ({"lastStatus": "DEACTIVATING"}, True),
        ({"lastStatus": "DEPROVISIONING", "stopCode": None}, False),
        ({"lastStatus": "PENDING"}, False),
        ({"lastStatus": "STOPPED"}, False),
        ({"lastStatus": "DEPROVISIONING", "startedAt": "2026-11-24T00:01:00Z"}, False),
    ],
)
def test_whether_a_task_is_torn_down_with_its_cause_said(changes: dict[str, Any], torn_down: bool) -> None:
    assert tasks.is_torn_down(TASK | changes) is torn_down


@pytest.mark.parametrize(
    ("seconds", "is_it"), [(-5, True), (-5.001, False), (0, True), (3600, True), (-60, False)]
)
def test_a_task_may_be_five_seconds_older_than_its_call(seconds: float, is_it: bool) -> None:
    created = datetime.fromtimestamp(launch().event_time.timestamp() + seconds, UTC)
    assert tasks.is_of(launch(), TASK | {"createdAt": created}) is is_it


# --- Schedules ---

RULE = {"Name": "nightly", "Arn": "arn:rule", "ScheduleExpression": "rate(1 hour)", "State": "ENABLED"}
TARGET: dict[str, Any] = {
    "Arn": CLUSTER,
    "RoleArn": RULE_ROLE,
    "EcsParameters": {"TaskDefinitionArn": TASK_DEFINITION},
}
ASKED = {"cluster": CLUSTER, "taskDefinition": TASK_DEFINITION, "count": 1}
FOUND = Schedule(
    kind=CallerKind.RULE,
    name="nightly",
    arn="arn:rule",
    role_arn=RULE_ROLE,
    request=ASKED,
    expression="rate(1 hour)",
    event_age_s=86_400,
)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "target", "expected"),
    [
        ({}, {}, FOUND),
        ({"State": "DISABLED"}, {}, replace(FOUND, is_enabled=False)),
        ({"State": None}, {}, FOUND),
        ({"ScheduleExpression": ""}, {}, replace(FOUND, expression=None)),
        ({"RoleArn": "arn:other"}, {}, FOUND),
        ({"RoleArn": "arn:other"}, {"RoleArn": None}, replace(FOUND, role_arn="arn:other")),
        ({}, {"Input": '{"cpu": "256"}'}, replace(FOUND, request=ASKED | {"overrides": {"cpu": "256"}})),
        ({}, {"Input": "{}"}, FOUND),
        ({}, {"Input": "[]"}, replace(FOUND, unreadable="its input is not a JSON object")),
        (
            {},
            {"Input": "{"},
            replace(
                FOUND,
                unreadable="its input cannot be read: it is not JSON at character 1, and a CloudTrail record is "
                "a JSON object",
            ),
        ),
        # The detail of an event by the clock is empty.
        ({}, {"InputPath": "$.detail"}, FOUND),
        (
            {},
            {"InputPath": "$.detail.x"},
            replace(
                FOUND, unreadable="its input is $.detail.x of the event that triggered it, which is gone"
            ),
        ),
        (
            {},
            {"InputTransformer": {"InputTemplate": '{"cpu": "256"}'}},
            replace(FOUND, request=ASKED | {"overrides": {"cpu": "256"}}),
        ),
        (
            {},
            {"InputTransformer": {"InputTemplate": "[]"}},
            replace(FOUND, unreadable="its input is not a JSON object"),
        ),
        ({}, {"RetryPolicy": {"MaximumEventAgeInSeconds": 60}}, replace(FOUND, event_age_s=60)),
        ({}, {"RetryPolicy": {"MaximumRetryAttempts": 0}}, replace(FOUND, event_age_s=0)),
        ({}, {"RetryPolicy": {"MaximumRetryAttempts": 1}}, FOUND),
    ],
)
def test_everything_of_a_rules_target(
    rule: dict[str, Any], target: dict[str, Any], expected: Schedule
) -> None:
    assert schedules.of_rule(RULE | rule, TARGET | target) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"group": "default"}),
        (
            {
                "ScheduleExpressionTimezone": "Asia/Tokyo",
                "StartDate": START,
                "EndDate": END,
                "LastModificationDate": START,
                "State": "DISABLED",
                "GroupName": "jobs",
            },
            {
                "timezone": "Asia/Tokyo",
                "start": START,
                "end": END,
                "modified": START,
                "is_enabled": False,
                "group": "jobs",
            },
        ),
        (
            {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": '{"Count": 2}'}},
            {"group": "default", "role_arn": None, "request": {"count": 2}},
        ),
        (
            {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask"}},
            {"group": "default", "role_arn": None, "request": {}},
        ),
        (
            {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": "[]"}},
            {
                "group": "default",
                "role_arn": None,
                "request": {},
                "unreadable": "its input is not a JSON object",
            },
        ),
        (
            {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": "x"}},
            {
                "group": "default",
                "role_arn": None,
                "request": {},
                "unreadable": "its input cannot be read: it is not JSON at character 0, and a CloudTrail record is "
                "a JSON object",
            },
        ),
    ],
)
def test_everything_of_a_schedule(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    value = {"Name": "nightly", "Arn": "arn:rule", "ScheduleExpression": "rate(1 hour)", "Target": TARGET}
    assert schedules.of_schedule(value | changes) == replace(FOUND, kind=CallerKind.SCHEDULER, **expected)


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"expression": "at(2026-06-01T00:00:00)"}, datetime(2026, 6, 1, tzinfo=UTC)),
        (
            {"expression": "at(2026-06-01T09:00:00)", "timezone": "Asia/Tokyo"},
            datetime(2026, 6, 1, tzinfo=UTC),
        ),
        ({"expression": "at(2026-06-01T00:00:00)", "is_enabled": False}, None),
        ({"expression": None}, None),
        ({"expression": "whenever"}, None),
        (
            {"expression": "rate(1 day)", "start": datetime(2026, 1, 1, 6, tzinfo=UTC)},
            datetime(2026, 1, 1, 6, tzinfo=UTC),
        ),
        (
            {"expression": "cron(0 12 * * ? *)", "end": datetime(2026, 1, 1, 11, tzinfo=UTC)},
            None,
        ),
    ],
)
def test_when_a_schedule_is_due_next(changes: dict[str, Any], due: datetime | None) -> None:
    assert schedules.next_due(replace(FOUND, **changes), START) == due


@pytest.mark.parametrize(
    ("changes", "called", "due", "before"),
    [
        # ECS's clock is behind EventBridge's.
        ({"expression": "cron(0 0 * * ? *)"}, START - timedelta(seconds=1), 24 * 3600, 0),
        # Late within the minute, or within the window.
        *(
            ({"expression": "cron(* * * * ? *)"}, START + timedelta(seconds=late), 60, 0)
            for late in (0, 1, 50, 57, 58, 59)
        ),
        (
            {"expression": "cron(0/15 * * * ? *)", "window_s": 900},
            START + timedelta(minutes=14, seconds=58),
            900,
            0,
        ),
        # Due as long ago as a call may be late, to the second: the next run, which is due in two seconds, is not meant.
        (
            {"expression": "cron(0/2 * * * ? *)", "window_s": 58},
            START + timedelta(seconds=118),
            240,
            None,
        ),
        # In the schedule's time zone; in UTC another run would fit as well.
        (
            {"expression": "cron(0 9 * * ? *)", "timezone": "Asia/Tokyo", "window_s": 16 * 3600},
            START + timedelta(seconds=1),
            24 * 3600,
            0,
        ),
        # Late by the schedule's own clock, and due again in three seconds.
        (
            {"expression": "cron(0,1 9 * * ? *)", "timezone": "Asia/Tokyo"},
            START + timedelta(seconds=57),
            60,
            0,
        ),
        # CloudTrail cuts the fraction of a second off, and a rate may count from one.
        (
            {"expression": "rate(10 minutes)", "start": START + timedelta(milliseconds=700)},
            START + timedelta(minutes=10),
            20 * 60 + 0.7,
            None,
        ),
        # A rate that counts from an unknown moment counts from the call.
        ({"expression": "rate(10 minutes)"}, START + timedelta(seconds=3), 10 * 60 + 3, None),
    ],
)
def test_a_run_is_not_taken_for_the_next_one_whatever_the_clocks_say(
    changes: dict[str, Any], called: datetime, due: float, before: float | None
) -> None:
    schedule = replace(FOUND, **changes)
    assert schedules.next_due(schedule, called) == START + timedelta(seconds=due)
    found = schedules.previous_due(schedule, called)
    assert found == (None if before is None else START + timedelta(seconds=before))


# --- In another time zone ---


def test_a_time_without_a_zone_is_utc_wherever_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for value in ("2026-11-24T00:00:03", "2026-11-24T00:00:03Z", "2026-11-24T09:00:03+09:00"):
            for found in (tasks.time_of(value), reading.time_of(value)):
                assert found == datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)
                assert found.tzinfo is UTC
    finally:
        monkeypatch.undo()
        time.tzset()


# --- At the very limit ---


def test_the_largest_payload_is_unpacked_and_one_byte_more_is_not() -> None:
    largest = bytes(cloudwatch_logs.UNPACKED_MAX)
    assert cloudwatch_logs.unpack(gzip.compress(largest, 1)) == largest
    with pytest.raises(ReadError) as caught:
        cloudwatch_logs.unpack(gzip.compress(largest + b"x", 1))
    assert str(caught.value) == "awslogs.data unpacks to more than 32 MB; it is not read"
