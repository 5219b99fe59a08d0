"""What a rule's target or a schedule asks for, as RunTask parameters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from retry_run_task.launch.schedule import Schedule
from retry_run_task.launch.values import CallerKind
from retry_run_task.sources import schedules
from support.records import CLUSTER, RULE_ROLE, TASK_DEFINITION

RULE = {
    "Name": "nightly",
    "Arn": "arn:aws:events:ap-northeast-1:123456789012:rule/nightly",
    "ScheduleExpression": "cron(0 0 * * ? *)",
    "State": "ENABLED",
}
OVERRIDES = {"containerOverrides": [{"name": "app", "environment": [{"name": "MODE", "value": "full"}]}]}
ECS_PARAMETERS = {
    "TaskDefinitionArn": TASK_DEFINITION,
    "TaskCount": 2,
    "LaunchType": "FARGATE",
    "PlatformVersion": "1.4.0",
    "Group": "nightly",
    "EnableECSManagedTags": True,
    "EnableExecuteCommand": False,
    "PropagateTags": "TASK_DEFINITION",
    "ReferenceId": "r",
    "NetworkConfiguration": {
        "awsvpcConfiguration": {
            "Subnets": ["subnet-a"],
            "SecurityGroups": ["sg-1"],
            "AssignPublicIp": "DISABLED",
        }
    },
    "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
    "PlacementConstraints": [{"type": "distinctInstance"}],
    "Tags": [{"Key": "team", "Value": "data"}],
}
TARGET: dict[str, Any] = {
    "Id": "1",
    "Arn": CLUSTER,
    "RoleArn": RULE_ROLE,
    "EcsParameters": ECS_PARAMETERS,
    "Input": json.dumps(OVERRIDES),
}
SCHEDULE: dict[str, Any] = {
    "Name": "nightly",
    "GroupName": "default",
    "Arn": "arn:aws:scheduler:ap-northeast-1:123456789012:schedule/default/nightly",
    "ScheduleExpression": "cron(0 9 * * ? *)",
    "ScheduleExpressionTimezone": "Asia/Tokyo",
    "LastModificationDate": datetime(2026, 11, 1, tzinfo=UTC),
    "Target": TARGET | {"RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}},
}


def test_a_rules_target_is_the_request_that_eventbridge_makes() -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EcsParameters.html."""
    found = schedules.of_rule(RULE, TARGET)
    assert (found.kind, found.name, found.role_arn) == (CallerKind.RULE, "nightly", RULE_ROLE)
    assert found.unreadable == ""
    assert found.event_age_s == 24 * 3600
    assert found.request == {
        "cluster": CLUSTER,
        "taskDefinition": TASK_DEFINITION,
        "count": 2,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "group": "nightly",
        "enableECSManagedTags": True,
        "enableExecuteCommand": False,
        "propagateTags": "TASK_DEFINITION",
        "referenceId": "r",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-a"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "DISABLED",
            }
        },
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
        "placementConstraints": [{"type": "distinctInstance"}],
        "tags": [{"key": "team", "value": "data"}],
        "overrides": OVERRIDES,
    }


def test_a_schedule_has_its_time_zone_and_retry_policy() -> None:
    found = schedules.of_schedule(SCHEDULE)
    assert (found.kind, found.timezone, found.expression) == (
        CallerKind.SCHEDULER,
        "Asia/Tokyo",
        "cron(0 9 * * ? *)",
    )
    assert found.modified == datetime(2026, 11, 1, tzinfo=UTC)
    assert found.event_age_s == 3600


def test_a_target_that_is_never_called_again_has_no_event_age() -> None:
    never = SCHEDULE | {
        "Target": TARGET | {"RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}}
    }
    assert schedules.of_schedule(never).event_age_s == 0


def test_a_universal_targets_input_is_the_whole_request() -> None:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html."""
    wanted = {
        "Cluster": CLUSTER,
        "TaskDefinition": "nightly",
        "ClientToken": "fixed",
        "EnableECSManagedTags": True,
        "Overrides": {
            "ContainerOverrides": [{"Name": "app", "Environment": [{"Name": "MODE", "Value": "full"}]}]
        },
        "Tags": [{"Key": "team", "Value": "data"}],
    }
    universal = {
        "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
        "RoleArn": RULE_ROLE,
        "Input": json.dumps(wanted),
    }
    found = schedules.of_schedule(SCHEDULE | {"Target": universal})
    assert found.request == {
        "cluster": CLUSTER,
        "taskDefinition": "nightly",
        "enableECSManagedTags": True,
        "overrides": OVERRIDES,
        "tags": [{"key": "team", "value": "data"}],
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"InputTransformer": {"InputTemplate": "x"}}, "cannot be read"),
        ({"InputTransformer": {"x": 1}}, "no template"),
        ({"InputPath": "$.detail.x"}, "$.detail.x of the event"),
        ({"Input": "{"}, "cannot be read"),
        ({"Input": "[1]"}, "not a JSON object"),
    ],
)
def test_an_input_that_cannot_be_known_again_is_said_to_be_so(change: dict[str, Any], why: str) -> None:
    assert why in schedules.of_rule(RULE, TARGET | change).unreadable


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_no_input_is_no_overrides(text: str | None) -> None:
    found = schedules.of_rule(RULE, TARGET | {"Input": text})
    assert "overrides" not in found.request
    assert found.unreadable == ""


@pytest.mark.parametrize(("target", "is_ecs"), [(TARGET, True), ({"Arn": "arn:aws:sqs:r:1:q"}, False)])
def test_other_targets_are_told_apart(target: dict[str, Any], is_ecs: bool) -> None:
    assert schedules.is_ecs(target) is is_ecs


ARN = RULE["Arn"]


def transformed(template: Any, paths: dict[str, str] | None = None, **rule: Any) -> Schedule:
    text = template if isinstance(template, str) else json.dumps(template)
    transformer = {"InputTemplate": text, "InputPathsMap": paths or {}}
    target = {name: value for name, value in TARGET.items() if name != "Input"} | {
        "InputTransformer": transformer
    }
    return schedules.of_rule(RULE | rule, target)


def environment(value: str) -> str:
    return (
        f'{{"containerOverrides": [{{"name": "app", "environment": [{{"name": "X", "value": {value}}}]}}]}}'
    )


def value_of(found: Schedule) -> Any:
    assert found.unreadable == ""
    return found.request["overrides"]["containerOverrides"][0]["environment"][0]["value"]


@pytest.mark.parametrize(
    ("value", "paths", "expected"),
    [
        # Constants alone.
        ('"full"', {}, "full"),
        # What the event of a rule that runs by the clock is known to hold, in both spellings.
        ("<by>", {"by": "$.resources[0]"}, ARN),
        ('"by <by>"', {"by": "$.resources[0]"}, f"by {ARN}"),
        ("<a>", {"a": "$.account"}, "123456789012"),
        ("<r>", {"r": "$.region"}, "ap-northeast-1"),
        ("<k>", {"k": "$.detail-type"}, "Scheduled Event"),
        ("<aws.events.rule-arn>", {}, ARN),
        ('"<aws.events.rule-name>!"', {}, "nightly!"),
        # The time is the run's and the id is unknown: keywords for both.
        ("<t>", {"t": "$.time"}, "<aws.events.event.time>"),
        ('"at <t>"', {"t": "$.time"}, "at <aws.events.event.time>"),
        ("<i>", {"i": "$.id"}, "<aws.events.event.id>"),
        ("<x>", {"x": "$.detail.x"}, "<aws.events.event.detail.x>"),
        ("<x>", {"x": "$.detail['<x>']"}, "<aws.events.event.detail['?x?']>"),
        ('"<aws.events.event>"', {}, "<aws.events.event>"),
        ('"<aws.events.event.ingestion-time>"', {}, "<aws.events.event.ingestion-time>"),
        # What is no variable is a text.
        ('"<nothing>"', {}, "<nothing>"),
        ('"a \\"<r>\\" b"', {"r": "$.region"}, 'a "ap-northeast-1" b'),
    ],
)
def test_the_input_transformer_of_a_rule_by_the_clock_is_filled_in(
    value: str, paths: dict[str, str], expected: str
) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html."""
    assert value_of(transformed(environment(value), paths)) == expected


def test_of_a_rule_on_events_only_its_own_name_is_known() -> None:
    on_events = {"ScheduleExpression": None, "EventPattern": "{}"}
    assert value_of(transformed(environment("<aws.events.rule-arn>"), **on_events)) == ARN
    for rule in (on_events, {"EventPattern": "{}"}):
        found = transformed(environment("<a>"), {"a": "$.account"}, **rule)
        assert value_of(found) == "<aws.events.event.account>"


@pytest.mark.parametrize(
    ("template", "paths", "why"),
    [
        ("x", {}, "cannot be read"),
        ('"text"', {}, "not a JSON object"),
        (environment('"<d>"'), {"d": "$.detail"}, "<d>, which is an object or a list, into a text"),
        (environment('"<r>"'), {"r": "$.resources"}, "<r>"),
    ],
)
def test_a_template_that_makes_no_overrides_is_said_to_be_so(
    template: str, paths: dict[str, str], why: str
) -> None:
    assert why in transformed(template, paths).unreadable


def test_the_detail_of_an_event_by_the_clock_is_empty() -> None:
    found = schedules.of_rule(RULE, TARGET | {"Input": None, "InputPath": "$.detail"})
    assert found.unreadable == ""
    assert "overrides" not in found.request


@pytest.mark.parametrize(
    ("expression", "window_min", "called", "due"),
    [
        ("cron(0 0 * * ? *)", 0, "00:00:03", "00:00:00"),
        ("cron(0 0 * * ? *)", 0, "09:12:00", "00:00:00"),
        ("cron(0 0 * * ? *)", 15, "00:12:00", "00:00:00"),
        # Its window is over: it was called again, or it is another's.
        ("cron(0 0 * * ? *)", 15, "00:17:00", None),
        # Two runs could have been called then.
        ("cron(0/10 * * * ? *)", 15, "00:12:00", None),
        ("cron(0/20 * * * ? *)", 15, "00:12:00", "00:00:00"),
        ("cron(0/10 * * * ? *)", 0, "00:12:00", "00:10:00"),
        ("rate(1 hour)", 0, "00:12:00", None),
        ("cron(nix)", 0, "00:12:00", None),
    ],
)
def test_the_due_time_of_a_call_is_certain_if_one_alone_fits(
    expression: str, window_min: int, called: str, due: str | None
) -> None:
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": window_min} if window_min else {"Mode": "OFF"}
    found = schedules.of_schedule(
        SCHEDULE
        | {
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": window,
        }
    )
    expected = due and datetime.fromisoformat(f"2026-11-24T{due}+00:00")
    assert schedules.previous_due(found, datetime.fromisoformat(f"2026-11-24T{called}+00:00")) == expected
