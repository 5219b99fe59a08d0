"""What a rule's target or a schedule asks for, as RunTask parameters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

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
        ({"InputTransformer": {"InputTemplate": "x"}}, "made from the event"),
        ({"InputPath": "$.detail"}, "a part of the event"),
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
