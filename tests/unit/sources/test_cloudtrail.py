"""One record is one failed launch, nobody's, or a sentence that says why it cannot be read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from retry_run_task.launch import names
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    Ignored,
    IncompleteRequest,
    Origin,
    Request,
)
from retry_run_task.launch.wire import canonical, launch_from_json, launch_to_json
from retry_run_task.local.logs.filter_pattern import matches
from retry_run_task.sources.cloudtrail import SCHEDULED_CALLS_PATTERN, Envelope, parse
from retry_run_task.sources.reading import ReadError
from support.records import (
    ACCOUNT,
    CAPACITY,
    CLUSTER,
    EVENT_ID,
    HAND_MADE,
    REGION,
    RULE_ROLE,
    error_record,
    parameters,
    record,
)

LOG_EVENT = Envelope(id="3711" * 14, time=datetime(2026, 11, 24, 0, 5, tzinfo=UTC), account=ACCOUNT)
TASK = {"taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/1"}


def failed(value: dict[str, Any], envelope: Envelope = LOG_EVENT) -> FailedLaunch:
    parsed = parse(value, envelope)
    assert isinstance(parsed, FailedLaunch)
    return parsed


def test_a_rule_whose_call_placed_nothing() -> None:
    parsed = failed(record())
    recorded = {k: v for k, v in parameters().items() if k not in ("clientToken", "dryrun")}
    assert parsed == FailedLaunch(
        event_id=EVENT_ID,
        call_id=parsed.call_id,
        event_time=datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC),
        account=ACCOUNT,
        region=REGION,
        caller=Caller(kind=CallerKind.RULE, role_arn=RULE_ROLE),
        request=Request(parameters=recorded),
        failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),),
        placed=(),
    )


def test_a_hand_made_record_has_its_identity_from_its_log_event() -> None:
    parsed = failed(HAND_MADE)
    assert parsed.caller.kind is CallerKind.HAND_MADE
    assert parsed.request == Request(parameters=HAND_MADE["requestParameters"])
    assert (parsed.account, parsed.region) == (ACCOUNT, REGION), "taken from the cluster's ARN"
    assert parsed.event_id == names.event_identity(None, LOG_EVENT.id)
    assert parsed.event_id != failed(HAND_MADE, replace(LOG_EVENT, id="1" * 56)).event_id


def test_a_hand_made_record_that_comes_alone_has_its_identity_from_itself() -> None:
    assert (
        failed(HAND_MADE, Envelope()).event_id
        == failed(dict(reversed(HAND_MADE.items())), Envelope()).event_id
    )
    other = HAND_MADE | {"eventTime": "2023-12-04T13:00:01Z"}
    assert failed(HAND_MADE, Envelope()).event_id != failed(other, Envelope()).event_id


def test_every_failure_of_an_answer_is_kept_with_what_was_placed() -> None:
    answer = {
        "tasks": [TASK, TASK, TASK],
        "failures": [{"reason": CAPACITY}, {"arn": "arn:x", "reason": "RESOURCE:CPU", "detail": "d"}],
    }
    parsed = failed(record(request=parameters(count=5), responseElements=answer))
    assert parsed.placed == (TASK["taskArn"],) * 3
    assert parsed.failures == (
        Failure(origin=Origin.ANSWER, reason=CAPACITY),
        Failure(origin=Origin.ANSWER, reason="RESOURCE:CPU", detail="d", arn="arn:x"),
    )


@pytest.mark.parametrize(
    "answer", [{"tasks": [], "failures": [{}]}, {"tasks": [], "failures": []}, {"tasks": None}, {}]
)
def test_nothing_placed_and_no_reason_is_a_failure_all_the_same(answer: dict[str, Any]) -> None:
    assert failed(record(responseElements=answer)).failures == (Failure(origin=Origin.ANSWER, reason=""),)


def test_a_thrown_error_is_a_failure_with_a_code() -> None:
    parsed = failed(error_record("ThrottlingException", "Rate exceeded"))
    assert parsed.failures == (
        Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"),
    )


def test_a_denied_call_whose_request_aws_did_not_record_is_never_a_whole_request() -> None:
    parsed = failed(error_record("AccessDenied", "not authorized", requestParameters=None))
    assert parsed.request == IncompleteRequest(parameters={}, missing=("requestParameters",))


def test_hidden_environment_makes_the_request_incomplete() -> None:
    overrides = {"containerOverrides": [{"name": "app", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]}
    parsed = failed(record(request=parameters(overrides=overrides)))
    assert isinstance(parsed.request, IncompleteRequest)
    assert parsed.request.missing == ("overrides.containerOverrides[app].environment",)


def test_a_corrected_record_is_the_same_failure() -> None:
    """CloudTrail may repeat an event under a new id, with the first one's beside it."""
    addendum = {"reason": "DELIVERY_DELAY", "originalEventID": EVENT_ID}
    assert (
        failed(record(eventID="11111111-2222-4333-8444-555555555555", addendum=addendum)).event_id == EVENT_ID
    )


# Who called, from public records: aws-cdk#16093 (rule), siem-on-amazon-opensearch-service#99 (Batch),
# iisyos/ecs_rerun_cfn (Step Functions).
SCHEDULER_AGENT = "AmazonEventBridgeScheduler aws-sdk-java/2.20.0 Linux/5.10"
ROLE = {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::1:role/r"}}}
USER = {"type": "IAMUser", "arn": "arn:aws:iam::1:user/u"}
# GetSessionToken makes a session of a user, who is its issuer then.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
SESSION = {
    "type": "IAMUser",
    "sessionContext": {"sessionIssuer": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/role/u"}},
}
BY_HAND = {"userAgent": "aws-cli/2.15", "sourceIPAddress": "1.2.3.4"}


@pytest.mark.parametrize(
    ("changes", "request_changes", "kind"),
    [
        ({}, {}, CallerKind.RULE),
        ({"userIdentity": ROLE}, {}, CallerKind.RULE),
        # What the call says of itself lets nobody in.
        ({"userIdentity": ROLE} | BY_HAND, {"startedBy": "events-rule/nightly"}, CallerKind.OTHER),
        ({"userIdentity": USER} | BY_HAND, {"startedBy": "events-rule/nightly"}, CallerKind.OTHER),
        ({"userIdentity": ROLE} | BY_HAND | {"userAgent": "events.amazonaws.com"}, {}, CallerKind.OTHER),
        ({"userIdentity": ROLE} | BY_HAND | {"userAgent": "scheduler.amazonaws.com"}, {}, CallerKind.OTHER),
        ({"userIdentity": USER} | BY_HAND, {"startedBy": "chronos-schedule/nightly"}, CallerKind.OTHER),
        ({"userIdentity": SESSION} | BY_HAND, {"startedBy": "chronos-schedule/nightly"}, CallerKind.OTHER),
        ({"userIdentity": USER} | BY_HAND | {"userAgent": SCHEDULER_AGENT}, {}, CallerKind.OTHER),
        # It keeps a caller out.
        (
            {"userIdentity": ROLE} | BY_HAND | {"userAgent": "states.amazonaws.com"},
            {},
            CallerKind.STEP_FUNCTIONS,
        ),
        (
            {"userIdentity": ROLE, "userAgent": SCHEDULER_AGENT, "sourceIPAddress": "1.2.3.4"},
            {"startedBy": "chronos-schedule/nightly-report-of-t"},
            CallerKind.SCHEDULER,
        ),
        (
            {"userIdentity": ROLE, "userAgent": SCHEDULER_AGENT, "sourceIPAddress": "1.2.3.4"},
            {"startedBy": None},
            CallerKind.SCHEDULER,
        ),
        ({"userIdentity": ROLE | {"invokedBy": "scheduler.amazonaws.com"}}, {}, CallerKind.SCHEDULER),
        ({"userIdentity": ROLE | {"invokedBy": "batch.amazonaws.com"}}, {}, CallerKind.BATCH),
        (
            {
                "userIdentity": ROLE,
                "userAgent": "batch.amazonaws.com",
                "sourceIPAddress": "batch.amazonaws.com",
            },
            {"startedBy": "events-rule/x"},
            CallerKind.BATCH,
        ),
        (
            {"userIdentity": ROLE, "userAgent": "x", "sourceIPAddress": "1.2.3.4"},
            {"startedBy": "AWS Step Functions"},
            CallerKind.STEP_FUNCTIONS,
        ),
        ({"userIdentity": ROLE | {"invokedBy": "states.amazonaws.com"}}, {}, CallerKind.STEP_FUNCTIONS),
        (
            {"userIdentity": ROLE, "userAgent": "aws-cli/2.15", "sourceIPAddress": "1.2.3.4"},
            {"startedBy": "me"},
            CallerKind.OTHER,
        ),
        (
            {"userIdentity": {}, "userAgent": None, "sourceIPAddress": None},
            {"startedBy": None},
            CallerKind.OTHER,
        ),
        ({"userIdentity": None}, {"startedBy": None}, CallerKind.HAND_MADE),
        ({}, {"clientToken": f"rrt-{'0' * 32}-7"}, CallerKind.OWN),
        ({}, {"startedBy": "events-rule/nightly/retry-run-task/0123456789ab"}, CallerKind.OWN),
        ({"userIdentity": None}, {"clientToken": f"rrt-{'0' * 32}-7"}, CallerKind.OWN),
    ],
)
def test_who_called(changes: dict[str, Any], request_changes: dict[str, Any], kind: CallerKind) -> None:
    assert failed(record(request=parameters(**request_changes), **changes)).caller.kind is kind


@pytest.mark.parametrize(
    ("identity", "agent", "started_by", "is_proven"),
    [
        (ROLE | {"invokedBy": "events.amazonaws.com"}, "x", "events-rule/nightly", True),
        (ROLE | {"invokedBy": "scheduler.amazonaws.com"}, "x", None, True),
        (ROLE, SCHEDULER_AGENT, None, False),
        (ROLE, "x", "chronos-schedule/nightly", False),
        (None, "x", None, True),
    ],
)
def test_a_caller_is_proven_by_what_aws_writes(
    identity: Any, agent: str, started_by: str | None, is_proven: bool
) -> None:
    """Of Scheduler's calls AWS writes the role alone: that is for the search for the schedule to prove."""
    value = record(
        request=parameters(startedBy=started_by),
        userIdentity=identity,
        userAgent=agent,
        sourceIPAddress="1.2.3.4",
    )
    launch = failed(value)
    assert launch.caller.is_proven is is_proven
    assert launch_from_json(json.loads(canonical(launch_to_json(launch)))) == launch


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (record(eventName="StartTask"), "not a record of an ECS RunTask"),
        (record(eventName=None), "not a record of an ECS RunTask"),
        (record(eventSource="batch.amazonaws.com"), "not a record of an ECS RunTask"),
        (record(responseElements={"tasks": [TASK], "failures": []}), "placed every task"),
        (record(responseElements={"tasks": [TASK], "failures": [{"reason": CAPACITY}]}), "placed every task"),
        ({}, "not a record of an ECS RunTask"),
    ],
)
def test_what_is_nobodys_failed_launch(value: dict[str, Any], why: str) -> None:
    parsed = parse(value, LOG_EVENT)
    assert isinstance(parsed, Ignored)
    assert why in parsed.why


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (record(requestParameters=None), "requestParameters is null"),
        (record(requestParameters=[]), "requestParameters is a list"),
        (record(request=parameters(taskDefinition=None)), "no taskDefinition"),
        (record(request=parameters(count=0)), "1 to 10"),
        (record(request=parameters(count=11)), "1 to 10"),
        (record(responseElements=None), "whether the call started tasks"),
        (record(responseElements="omitted"), "responseElements is a string"),
        (record(responseElements={"tasks": {}, "failures": []}), "tasks is an object"),
        (record(responseElements={"tasks": [], "failures": ["AGENT"]}), "failures holds a string"),
        (record(responseElements={"tasks": [], "failures": [{"reason": 7}]}), "reason is a number"),
        (record(eventTime="yesterday"), "its time is not a time"),
        # UTC is in the year 10000, which Python does not have.
        (record(eventTime="9999-12-31T23:59:59-12:00"), "its time is not a time"),
        (record(eventTime="0001-01-01T00:00:00+12:00"), "its time is not a time"),
        (record(eventTime="0026-11-24T00:00:03Z"), "not of the years 2000 to 2100"),
        (record(eventTime="1999-12-31T23:59:59Z"), "not of the years 2000 to 2100"),
        (record(eventTime="2101-01-01T00:00:00Z"), "not of the years 2000 to 2100"),
        (record(request=parameters(startedBy="events-rule/\ud800")), "lone surrogate"),
        (record(request=parameters(overrides={"\udfff": 1})), "lone surrogate"),
        (record(request=parameters(count=10**30)), "1 to 10"),
        (record(eventTime=1795478703), "eventTime is a number"),
        (record(eventID=7), "eventID is a number"),
        (record(userIdentity="root"), "userIdentity is a string"),
        (record(awsRegion=["x"]), "awsRegion is a list"),
    ],
)
def test_what_cannot_be_read_says_what_was_expected(value: dict[str, Any], says: str) -> None:
    with pytest.raises(ReadError, match=says):
        parse(value, LOG_EVENT)


@pytest.mark.parametrize(
    "time", ["2000-01-01T00:00:00Z", "2100-12-31T23:59:59Z", "2026-11-24T09:00:03+09:00"]
)
def test_times_of_a_hundred_years_are_taken_as_they_are(time: str) -> None:
    assert failed(record(eventTime=time)).event_time == datetime.fromisoformat(time)


def test_a_failure_for_each_of_many_instances_is_kept_once() -> None:
    """On EC2 an answer may name hundreds; each attempt's is kept in the recovery's history."""
    failures = [
        {"arn": f"arn:instance/{n}", "reason": f"RESOURCE:{'CPU' if n % 3 else 'MEMORY'}"} for n in range(300)
    ]
    parsed = failed(record(responseElements={"tasks": [], "failures": failures}))
    assert parsed.failures == (
        Failure(origin=Origin.ANSWER, reason="RESOURCE:MEMORY", arn="arn:instance/0", times=100),
        Failure(origin=Origin.ANSWER, reason="RESOURCE:CPU", arn="arn:instance/1", times=200),
    )


def test_a_record_without_a_time_has_its_log_events() -> None:
    value = record()
    del value["eventTime"]
    assert failed(value).event_time == LOG_EVENT.time
    with pytest.raises(ReadError, match="no eventTime"):
        parse(value, Envelope())


def test_account_and_region_come_from_the_record_before_the_cluster_before_the_envelope() -> None:
    elsewhere = parameters(cluster="arn:aws-cn:ecs:cn-north-1:210987654321:cluster/x")
    assert failed(record(request=elsewhere)).region == REGION
    parsed = failed(record(request=elsewhere, awsRegion=None, recipientAccountId=None))
    assert (parsed.region, parsed.account) == ("cn-north-1", "210987654321")
    short = record(request=parameters(cluster="batch"), awsRegion=None, recipientAccountId=None)
    parsed = failed(short, Envelope(account="1", region="eu-west-1"))
    assert (parsed.region, parsed.account) == ("eu-west-1", "1")
    assert CLUSTER.split(":")[3] == REGION


@pytest.mark.parametrize(
    ("changes", "request_changes", "counts"),
    [
        # Of a rule and of a schedule, each by every mark that may be the only one.
        ({}, {}, True),
        ({"responseElements": {"tasks": [{"taskArn": "t1"}], "failures": []}}, {}, True),
        ({"errorCode": "AccessDenied", "responseElements": None}, {}, True),
        ({"userIdentity": ROLE | {"invokedBy": "events.amazonaws.com"}}, {"startedBy": None}, True),
        ({"userIdentity": ROLE | {"invokedBy": "scheduler.amazonaws.com"}}, {"startedBy": None}, True),
        ({"userIdentity": ROLE, "userAgent": SCHEDULER_AGENT}, {"startedBy": None}, True),
        ({"userIdentity": ROLE, "userAgent": "x"}, {"startedBy": "events-rule/nightly"}, True),
        ({"userIdentity": ROLE, "userAgent": "x"}, {"startedBy": "chronos-schedule/nightly"}, True),
        # Of nobody's schedule.
        ({"eventName": "StopTask"}, {}, False),
        ({"userIdentity": ROLE | {"invokedBy": "batch.amazonaws.com"}}, {"startedBy": None}, False),
        ({"userIdentity": ROLE, "userAgent": "aws-cli/2.15"}, {"startedBy": "me"}, False),
        ({"userIdentity": ROLE, "userAgent": "aws-cli/2.15"}, {"startedBy": None}, False),
        ({"userIdentity": ROLE, "userAgent": "x"}, {"startedBy": "AWS Step Functions"}, False),
    ],
)
def test_what_shows_that_the_trail_is_not_silent(
    changes: dict[str, Any], request_changes: dict[str, Any], counts: bool
) -> None:
    """Any RunTask of a rule or schedule, whether it went well or not; the alarm on silence counts these."""
    text = json.dumps(record(request=parameters(**request_changes), **changes))
    assert matches(SCHEDULED_CALLS_PATTERN, text) is counts


def test_cloudwatch_logs_takes_the_pattern_for_a_silent_trail() -> None:
    """See https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html."""
    assert len(SCHEDULED_CALLS_PATTERN) <= 1024


def test_all_records_of_one_call_have_its_identity() -> None:
    """An SDK's second try has another event and the same token."""
    identity = names.call_identity("x", account=ACCOUNT, region=REGION, parameters=parameters())
    tries = [record(), record(eventID="00000000-0000-4000-8000-000000000002")]
    assert [failed(one).call_id for one in tries] == [identity, identity]
    other = record(request=parameters(clientToken="00000000-0000-4000-8000-000000000003"))
    assert failed(other).call_id != identity
