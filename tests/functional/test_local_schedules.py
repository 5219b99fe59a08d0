"""EventBridge and Scheduler of the local AWS as boto3 sees them, from the schedule to the task and its record."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from retry_run_task.local.aws import LocalAws
from support.local_aws import SPEED, Seen, client

# Midnight in Tokyo.
START = datetime(2026, 11, 23, 15, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/events"
CLUSTER = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch"
OTHER = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/other"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:ecs:runTask"
NETWORK = {"awsvpcConfiguration": {"Subnets": ["subnet-a"], "AssignPublicIp": "DISABLED"}}
ECS = {
    "TaskDefinitionArn": "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/nightly",
    "TaskCount": 2,
    "LaunchType": "FARGATE",
    "NetworkConfiguration": NETWORK,
}
OVERRIDES = {"containerOverrides": [{"name": "app", "environment": [{"name": "KEY", "value": "canary"}]}]}
TARGET = {"Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": ECS, "Input": json.dumps(OVERRIDES)}
OFF = {"Mode": "OFF"}
SCHEDULE = {"ScheduleExpression": "cron(0 0 * * ? *)", "Target": TARGET, "FlexibleTimeWindow": OFF}


@pytest.fixture
def aws():
    with LocalAws(speed=SPEED, start=START, trail_delay=(1, 0)) as made:
        made.ecs.create_cluster("batch")
        made.ecs.register_task_definition("nightly")
        made.ecs.add_subnet("subnet-a", "ap-northeast-1a")
        yield made


@pytest.fixture
def events(aws):
    return client(aws, "events")


@pytest.fixture
def scheduler(aws):
    return client(aws, "scheduler")


@pytest.fixture
def calls(aws):
    seen = Seen()
    aws.ecs.on_call.append(seen)
    return seen


def put(events, name="nightly", **target):
    events.put_rule(Name=name, ScheduleExpression="cron(0/5 * * * ? *)")
    events.put_targets(Rule=name, Targets=[{"Id": "1", **TARGET, **target}])


def code_of(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_rule_starts_its_tasks_when_it_is_due(aws, events, calls):
    put(events)
    call = calls.next()
    assert call.error is None
    assert call.body["overrides"] == OVERRIDES
    tasks = client(aws, "ecs").list_tasks(cluster="batch", startedBy="events-rule/nightly")
    assert len(tasks["taskArns"]) == 2


def test_the_record_of_a_rules_failed_call_hides_what_its_target_shows(aws, events):
    aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", 0)
    put(events)
    text = aws.logs.wait_for(aws.trail.log_group, "RunTask").message
    record = json.loads(text)
    assert record["userIdentity"]["invokedBy"] == "events.amazonaws.com"
    assert record["requestParameters"]["startedBy"] == "events-rule/nightly"
    assert record["responseElements"]["failures"]
    assert "canary" not in text
    (name,) = events.list_rule_names_by_target(TargetArn=record["requestParameters"]["cluster"])["RuleNames"]
    (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
    assert json.loads(target["Input"]) == OVERRIDES
    assert target["RoleArn"] == record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"]


def test_a_schedule_starts_its_tasks_in_its_time_zone(aws, scheduler, calls):
    # Not for hours yet in UTC.
    early = {**SCHEDULE, "ScheduleExpression": "cron(0/5 0-4 * * ? *)"}
    scheduler.create_schedule(Name="nightly", ScheduleExpressionTimezone="Asia/Tokyo", **early)
    call = calls.next()
    assert call.error is None
    assert call.body["startedBy"] == "chronos-schedule/nightly"
    assert "invokedBy" not in call.caller.identity


def test_a_universal_schedule_starts_its_own_request(aws, scheduler, calls):
    request = {
        "Cluster": "batch",
        "TaskDefinition": "nightly",
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-a"]}},
    }
    target = {"Arn": UNIVERSAL, "RoleArn": ROLE, "Input": json.dumps(request)}
    scheduler.create_schedule(
        Name="own", ScheduleExpression="rate(1 hours)", Target=target, FlexibleTimeWindow=OFF
    )
    call = calls.next()
    assert (call.error, len(call.response["tasks"])) == (None, 1)
    assert "startedBy" not in call.body
    assert call.body["clientToken"]


def test_a_call_that_failed_is_made_again(aws, scheduler, calls):
    aws.ecs.faults.raise_next(2, "ServerException", "Service Unavailable.", 500)
    scheduler.create_schedule(Name="again", **{**SCHEDULE, "ScheduleExpression": "rate(10 hours)"})
    assert [calls.next().error is None for _ in range(3)] == [False, False, True]


def test_an_event_reaches_a_function_and_a_task(aws, events, calls):
    sent = Seen()
    aws.functions.create("report", "plain.show")
    aws.functions.invoke_async = lambda name, payload, qualifier=None: sent((name, json.loads(payload)))
    function = aws.functions.get("report")[0].arn
    events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="orders", Targets=[{"Id": "f", "Arn": function}, {"Id": "t", **TARGET}])
    aws.publish_event("shop", "Order", {"number": 1})
    name, event = sent.next()
    assert (name, event["detail"]) == ("report", {"number": 1})
    assert calls.next().body["startedBy"] == "events-rule/orders"


def test_rules_are_described_as_they_were_put(aws, events):
    arn = events.put_rule(
        Name="nightly",
        ScheduleExpression="rate(1 day)",
        State="DISABLED",
        Description="every night",
        RoleArn=ROLE,
        Tags=[{"Key": "team", "Value": "blue"}],
    )["RuleArn"]
    assert arn == "arn:aws:events:ap-northeast-1:123456789012:rule/nightly"
    described = events.describe_rule(Name="nightly", EventBusName="default")
    del described["ResponseMetadata"]
    assert described == {
        "Name": "nightly",
        "Arn": arn,
        "ScheduleExpression": "rate(1 day)",
        "State": "DISABLED",
        "Description": "every night",
        "RoleArn": ROLE,
        "EventBusName": "default",
    }
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "blue"}]
    events.enable_rule(Name="nightly")
    assert events.describe_rule(Name="nightly")["State"] == "ENABLED"
    events.disable_rule(Name="nightly")
    assert events.describe_rule(Name="nightly")["State"] == "DISABLED"
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]


def test_rules_are_listed_by_prefix_target_and_page(aws, events):
    for number in range(5):
        put(events, f"night-{number}", Arn=CLUSTER if number % 2 else OTHER)
    events.put_rule(Name="intake", EventPattern='{"source": ["aws.ecs"]}')
    assert [rule["Name"] for rule in events.list_rules()["Rules"]] == [
        "intake", *(f"night-{number}" for number in range(5)),
    ]  # fmt: skip
    pages = [page["Rules"] for page in page_by(events, "list_rules", 2, NamePrefix="night")]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert events.list_rule_names_by_target(TargetArn=CLUSTER)["RuleNames"] == ["night-1", "night-3"]
    assert events.list_rule_names_by_target(TargetArn="arn:aws:ecs:none")["RuleNames"] == []
    assert events.describe_rule(Name="intake")["EventPattern"] == '{"source": ["aws.ecs"]}'
    (target,) = events.list_targets_by_rule(Rule="night-0")["Targets"]
    assert target["Arn"] == OTHER


def page_by(client, operation, size, **filters):
    token = {}
    while True:
        page = getattr(client, operation)(Limit=size, **token, **filters)
        yield page
        if "NextToken" not in page:
            return
        token = {"NextToken": page["NextToken"]}


def test_rules_are_deleted_after_their_targets(events):
    put(events)
    with pytest.raises(ClientError, match="since it has targets") as error:
        events.delete_rule(Name="nightly")
    assert code_of(error) == ("ValidationException", 400)
    assert events.remove_targets(Rule="nightly", Ids=["1"])["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule="nightly")["Targets"] == []
    events.delete_rule(Name="nightly")
    assert events.list_rules()["Rules"] == []


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("describe_rule", {"Name": "none"}, "ResourceNotFoundException"),
        ("enable_rule", {"Name": "none"}, "ResourceNotFoundException"),
        ("list_targets_by_rule", {"Rule": "none"}, "ResourceNotFoundException"),
        (
            "put_targets",
            {"Rule": "none", "Targets": [{"Id": "1", "Arn": CLUSTER}]},
            "ResourceNotFoundException",
        ),
        ("list_rules", {"EventBusName": "other"}, "ResourceNotFoundException"),
        ("list_rules", {"NextToken": "x"}, "ValidationException"),
        ("put_rule", {"Name": "r"}, "ValidationException"),
        ("put_rule", {"Name": "r", "ScheduleExpression": "rate(1 hours)"}, "ValidationException"),
        ("put_rule", {"Name": "r", "EventPattern": "{"}, "InvalidEventPatternException"),
        ("put_rule", {"Name": "r", "EventPattern": '"x"'}, "InvalidEventPatternException"),
    ],
)
def test_eventbridge_refuses_what_eventbridge_refuses(events, operation, request_, code):
    with pytest.raises(ClientError) as error:
        getattr(events, operation)(**request_)
    assert code_of(error) == (code, 400)


def test_schedules_are_described_as_they_were_made_and_changed(aws, scheduler):
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, 12, tzinfo=UTC)
    made = scheduler.create_schedule(
        Name="nightly",
        ScheduleExpressionTimezone="Asia/Tokyo",
        Description="every night",
        StartDate=start,
        EndDate=end,
        ActionAfterCompletion="DELETE",
        **{**SCHEDULE, "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}},
    )
    arn = "arn:aws:scheduler:ap-northeast-1:123456789012:schedule/default/nightly"
    assert made["ScheduleArn"] == arn
    found = scheduler.get_schedule(Name="nightly")
    del found["ResponseMetadata"]
    created = found.pop("CreationDate")
    assert abs(created - START) < timedelta(hours=5)
    assert found.pop("LastModificationDate") == created
    policy = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert found == {
        "Arn": arn,
        "Name": "nightly",
        "GroupName": "default",
        "State": "ENABLED",
        "ScheduleExpression": "cron(0 0 * * ? *)",
        "ScheduleExpressionTimezone": "Asia/Tokyo",
        "Description": "every night",
        "StartDate": start,
        "EndDate": end,
        "ActionAfterCompletion": "DELETE",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
        "Target": {**TARGET, "RetryPolicy": policy},
    }
    scheduler.update_schedule(Name="nightly", State="DISABLED", **SCHEDULE)
    changed = scheduler.get_schedule(Name="nightly", GroupName="default")
    assert (changed["CreationDate"], changed["State"]) == (created, "DISABLED")
    assert changed["LastModificationDate"] > created
    # "Uses all values, including empty values": what was not given again is gone.
    assert "StartDate" not in changed
    assert "Description" not in changed
    scheduler.delete_schedule(Name="nightly", GroupName="default")
    with pytest.raises(ClientError, match="Schedule nightly does not exist") as error:
        scheduler.get_schedule(Name="nightly")
    assert code_of(error) == ("ResourceNotFoundException", 404)


def test_schedules_are_listed_by_group_prefix_state_and_page(scheduler):
    group = scheduler.create_schedule_group(Name="reports")["ScheduleGroupArn"]
    for number in range(4):
        scheduler.create_schedule(Name=f"night-{number}", **SCHEDULE)
    scheduler.create_schedule(Name="night-r", GroupName="reports", State="DISABLED", **SCHEDULE)

    def names(**filters):
        return [one["Name"] for one in scheduler.list_schedules(**filters)["Schedules"]]

    everything = [f"night-{mark}" for mark in "0123r"]
    assert names() == everything
    assert names(GroupName="reports") == names(State="DISABLED") == ["night-r"]
    assert names(NamePrefix="night-1", GroupName="default", State="ENABLED") == ["night-1"]
    pages = scheduler.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 2})
    assert [[one["Name"] for one in page["Schedules"]] for page in pages] == [
        everything[:2], everything[2:4], everything[4:],
    ]  # fmt: skip
    (summary,) = scheduler.list_schedules(GroupName="reports")["Schedules"]
    assert summary["Target"] == {"Arn": CLUSTER}
    assert summary["LastModificationDate"].tzinfo is not None
    assert [one["Name"] for one in scheduler.list_schedule_groups()["ScheduleGroups"]] == [
        "default",
        "reports",
    ]
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == []
    assert scheduler.get_schedule(Name="night-r", GroupName="reports")["Arn"].endswith(
        "schedule/reports/night-r"
    )


@pytest.mark.parametrize(
    ("operation", "request_", "expected"),
    [
        ("get_schedule", {"Name": "none"}, ("ResourceNotFoundException", 404)),
        ("get_schedule", {"Name": "taken", "GroupName": "none"}, ("ResourceNotFoundException", 404)),
        ("delete_schedule", {"Name": "none"}, ("ResourceNotFoundException", 404)),
        ("update_schedule", {"Name": "none", **SCHEDULE}, ("ResourceNotFoundException", 404)),
        (
            "create_schedule",
            {"Name": "new", "GroupName": "none", **SCHEDULE},
            ("ResourceNotFoundException", 404),
        ),
        ("create_schedule", {"Name": "taken", **SCHEDULE}, ("ConflictException", 409)),
        ("create_schedule_group", {"Name": "default"}, ("ConflictException", 409)),
        (
            "create_schedule",
            {"Name": "new", **SCHEDULE, "ScheduleExpression": "x"},
            ("ValidationException", 400),
        ),
        (
            "create_schedule",
            {"Name": "new", **SCHEDULE, "ScheduleExpressionTimezone": "Nowhere"},
            ("ValidationException", 400),
        ),
        ("list_schedules", {"GroupName": "none"}, ("ResourceNotFoundException", 404)),
        ("list_schedules", {"NextToken": "x"}, ("ValidationException", 400)),
        ("list_schedules", {"MaxResults": 1000}, ("ValidationException", 400)),
        (
            "list_tags_for_resource",
            {"ResourceArn": "arn:aws:scheduler:ap-northeast-1:123456789012:schedule-group/none"},
            ("ResourceNotFoundException", 404),
        ),
    ],
)
def test_scheduler_refuses_what_scheduler_refuses(scheduler, operation, request_, expected):
    scheduler.create_schedule(Name="taken", **SCHEDULE)
    with pytest.raises(ClientError) as error:
        getattr(scheduler, operation)(**request_)
    assert code_of(error) == expected
    name = expected[0]
    assert isinstance(error.value, getattr(scheduler.exceptions, name))


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("events", lambda events: events.list_archives()),
        ("scheduler", lambda scheduler: scheduler.get_schedule_group(Name="default")),
    ],
)
def test_says_what_it_does_not_have(aws, service, call):
    with pytest.raises(ClientError, match="the local AWS does not have the operation"):
        call(client(aws, service))
