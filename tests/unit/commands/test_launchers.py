"""What is kept of a rule or schedule: whether what CloudTrail hides can be read back, and names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retry_run_task.commands.shared.inventory import Launcher, Launchers, Missing, TaskDefinition, Unknown
from retry_run_task.commands.shared.launchers import read_launchers, read_task_definitions
from retry_run_task.commands.shared.trails import read_trails

CLUSTER = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:ecs:runTask"
DENIED = Unknown(action="x:Y", why="AccessDenied: no", is_denied=True)


class Said:
    """A reader of answers that a test gives, by action; a function gets the parameters."""

    region = "ap-northeast-1"

    def __init__(self, **answers: Any) -> None:
        self.answers = {name.replace("_", ":"): answer for name, answer in answers.items()}
        self.asked: list[tuple[str, Any]] = []

    def read(self, action: str, /, **call: Any) -> Any:
        self.asked.append((action, call))
        answer = self.answers[action]
        return answer(call) if callable(answer) else answer

    def read_all(self, action: str, _member: str, /, **call: Any) -> Any:
        return self.read(action, **call)


def reader(**answers: Any) -> Any:
    nothing = {"events_ListEventBuses": [], "scheduler_ListSchedules": []}
    return Said(**{**nothing, **answers})


def rule(**target: Any) -> Launcher:
    """Return what is kept of a rule with this target."""
    parameters = {"TaskDefinitionArn": "nightly"}
    said = reader(
        events_ListEventBuses=[{"Name": "default"}],
        events_ListRules=[{"Name": "r", "Arn": "arn:r", "ScheduleExpression": "rate(1 hour)"}],
        events_ListTargetsByRule=[
            {"Id": "1", "Arn": CLUSTER, "RoleArn": "role", "EcsParameters": parameters, **target}
        ],
    )
    (found,) = read_launchers(said, lambda _: None).found
    return found


def schedule(target: dict[str, Any], **members: Any) -> Launcher:
    """Return what is kept of a schedule with this target."""
    said = reader(
        scheduler_ListSchedules=[{"Name": "s", "GroupName": "weekly", "Target": {"Arn": target["Arn"]}}],
        scheduler_GetSchedule={
            "Name": "s",
            "Arn": "arn:s",
            "ScheduleExpression": "rate(1 hour)",
            "Target": target,
        }
        | members,
    )
    (found,) = read_launchers(said, lambda _: None).found
    return found


def overrides(environment: Any, **more: Any) -> str:
    return json.dumps({"containerOverrides": [{"name": "app", "environment": environment, **more}]})


VALUE = [{"name": "URL", "value": "x"}]


def transformer(template: str, **paths: str) -> dict[str, Any]:
    return {"InputTransformer": {"InputTemplate": template, "InputPathsMap": paths}}


@pytest.mark.parametrize(
    ("target", "variables", "may_hide", "unreadable"),
    [
        ({}, (), False, ""),
        ({"Input": "{}"}, (), False, ""),
        ({"Input": '{"containerOverrides": [{"name": "app", "command": ["a"]}]}'}, (), False, ""),
        ({"Input": overrides([])}, (), False, ""),
        ({"Input": overrides(VALUE)}, ("app.URL",), True, ""),
        ({"Input": overrides([{"value": "x"}, {"name": 1}, "x"])}, ("app.?", "app.?", "app.?"), True, ""),
        ({"Input": "not JSON"}, (), True, "its input is not a JSON object that can be read"),
        ({"Input": "[1]"}, (), True, "its input is not a JSON object that can be read"),
        # The detail of an event by the clock is empty; what else its event has is not all known.
        ({"InputPath": "$.detail"}, (), False, ""),
        (
            {"InputPath": "$.detail.x"},
            (),
            True,
            "its input is $.detail.x of the event that triggered it, which is gone",
        ),
        (transformer(overrides([{"name": "URL", "value": "at <x>"}]), x="$.time"), ("app.URL",), True, ""),
        (
            transformer(overrides([{"name": "URL", "value": "<x>"}]), x="$.id"),
            ("app.URL",),
            True,
            "its environment uses $.id of the event that triggered it, which cannot be known afterwards",
        ),
        (transformer('{"containerOverrides": [{"command": [<x>]}]}', x="$.id"), (), False, ""),
        (transformer("<x>", x="$.id"), (), True, "its input is not a JSON object that can be read"),
    ],
)
def test_a_rule(target: dict[str, Any], variables: tuple[str, ...], may_hide: bool, unreadable: str) -> None:
    found = rule(**target)
    assert (found.variables, found.may_hide, found.unreadable) == (variables, may_hide, unreadable)


@pytest.mark.parametrize(
    ("text", "unreadable"),
    [
        (overrides([{"name": "ARN", "value": "<aws.scheduler.schedule-arn>"}]), ""),
        (overrides([{"name": "AT", "value": "at <aws.scheduler.scheduled-time>"}]), ""),
        (
            overrides([{"name": "ID", "value": "<aws.scheduler.execution-id>"}]),
            "<aws.scheduler.execution-id>",
        ),
        (
            overrides([{"name": "N", "value": "<aws.scheduler.attempt-number>"}]),
            "<aws.scheduler.attempt-number>",
        ),
        # CloudTrail shows commands, with what the keyword stood for.
        (overrides(VALUE, command=["<aws.scheduler.execution-id>"]), ""),
    ],
)
def test_keywords_that_nobody_can_know_afterwards(text: str, unreadable: str) -> None:
    found = schedule({"Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": "nightly"}, "Input": text})
    assert unreadable in found.unreadable
    assert bool(found.unreadable) is bool(unreadable)


@pytest.mark.parametrize(
    ("expression", "after", "is_lost"),
    [
        ("at(2026-11-24T00:00:00)", "DELETE", True),
        ("at(2026-11-24T00:00:00)", "NONE", False),
        ("rate(1 hour)", "DELETE", False),
    ],
)
def test_a_schedule_that_is_deleted_after_its_only_run(expression: str, after: str, is_lost: bool) -> None:
    target = {"Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": "nightly"}, "Input": overrides(VALUE)}
    found = schedule(target, ScheduleExpression=expression, ActionAfterCompletion=after)
    assert bool(found.unreadable) is is_lost


def test_a_universal_target_holds_the_whole_request() -> None:
    volume = {"Name": "data", "ManagedEBSVolume": {"RoleArn": "role/volume"}}
    request = {
        "Cluster": "batch",
        "TaskDefinition": "nightly:3",
        "Overrides": {"TaskRoleArn": "role/task", "ExecutionRoleArn": "role/execution"},
        "VolumeConfigurations": [volume],
    }
    found = schedule({"Arn": UNIVERSAL, "RoleArn": "role", "Input": json.dumps(request)})
    assert (found.cluster, found.task_definition, found.holder) == ("batch", "nightly:3", "weekly")
    assert found.pass_role_arns == ("role/task", "role/execution")
    assert found.volume_role_arns == ("role/volume",)


@pytest.mark.parametrize(
    ("request_", "placement"),
    [
        ({}, {}),
        (
            {"LaunchType": "FARGATE", "PlatformVersion": "1.4.0"},
            {"launchType": "FARGATE", "platformVersion": "1.4.0"},
        ),
        (
            {"CapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1, "Other": "x"}]},
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
        ),
        (
            {"NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["a", 7], "SecurityGroups": ["g"]}}},
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["a"], "securityGroups": ["g"]}}},
        ),
        # What RunTask would not take is left out.
        ({"NetworkConfiguration": {"AwsvpcConfiguration": {"SecurityGroups": ["g"]}}}, {}),
        ({"NetworkConfiguration": "x", "LaunchType": ["x"], "CapacityProviderStrategy": "x"}, {}),
    ],
)
def test_where_its_tasks_are_placed(request_: dict[str, Any], placement: dict[str, Any]) -> None:
    body = json.dumps({"TaskDefinition": "nightly", **request_})
    assert schedule({"Arn": UNIVERSAL, "RoleArn": "role", "Input": body}).placement == placement


def test_a_universal_target_that_cannot_be_read_is_found_all_the_same() -> None:
    found = schedule({"Arn": UNIVERSAL, "RoleArn": "role", "Input": "["})
    assert (found.name, found.cluster, found.task_definition) == ("s", "default", "")
    assert found.unreadable


SECRET = "c4nary"
JSON = st.recursive(
    st.sampled_from([None, True, 7, SECRET]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Overrides",
                    "ContainerOverrides",
                    "Environment",
                    "Value",
                    "Command",
                    "VolumeConfigurations",
                    "ManagedEBSVolume",
                    "Tags",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(request=JSON)
def test_whatever_an_input_holds_it_is_read_and_no_value_is_kept(request: Any) -> None:
    """Only names, roles and the task definition are kept, and only if they stand where RunTask has them."""
    for target in (
        {"Arn": UNIVERSAL, "Input": json.dumps(request)},
        {"Arn": UNIVERSAL, "Input": json.dumps({"Cluster": [request], "TaskDefinition": {"Name": request}})},
        {"Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": "nightly"}, "Input": json.dumps(request)},
    ):
        assert SECRET not in repr(schedule(target))


def test_what_starts_no_task_is_left_out() -> None:
    said = reader(
        events_ListEventBuses=[{"Name": "default"}],
        events_ListRules=[{"Name": "r", "Arn": "arn:r"}],
        events_ListTargetsByRule=[
            {"Id": "1", "Arn": "arn:aws:lambda:ap-northeast-1:123456789012:function:f"}
        ],
        scheduler_ListSchedules=[
            {"Name": "f", "Target": {"Arn": "arn:aws:lambda:ap-northeast-1:123456789012:function:f"}},
            {"Name": "stop", "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:stopTask"}},
            {"Name": "odd"},
        ],
        scheduler_GetSchedule={"Name": "stop", "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:stopTask"}},
    )
    assert read_launchers(said, lambda _: None) == Launchers()
    assert [call["Name"] for action, call in said.asked if action == "scheduler:GetSchedule"] == ["stop"]


def test_what_cannot_be_read_is_said_once_and_the_rest_is_found() -> None:
    ecs = {"Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": "nightly"}}
    gone = Unknown(action="scheduler:GetSchedule", why="ResourceNotFoundException: gone")
    denied = Unknown(action="scheduler:GetSchedule", why="AccessDenied: no", is_denied=True)
    answers = {"a": denied, "b": denied, "c": gone, "d": {"Name": "d", "Arn": "arn:d", "Target": ecs}}
    said = reader(
        events_ListEventBuses=Unknown(action="events:ListEventBuses", why="AccessDenied: no", is_denied=True),
        events_ListRules=[],
        scheduler_ListSchedules=[{"Name": name, "Target": {"Arn": CLUSTER}} for name in answers],
        scheduler_GetSchedule=lambda call: answers[call["Name"]],
    )
    found = read_launchers(said, lambda _: None)
    assert [one.name for one in found.found] == ["d"]
    assert [gap.action for gap in found.gaps] == ["events:ListEventBuses", "scheduler:GetSchedule"]
    assert ("events:ListRules", {"EventBusName": "default"}) in said.asked, "the default bus is always there"


def definition_of(answer: Any) -> Any:
    asked = Launcher(kind=rule().kind, name="r", task_definition="nightly")
    found = read_task_definitions(Said(ecs_DescribeTaskDefinition=answer), [asked, asked], lambda _: None)
    return found["nightly"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            {"taskDefinition": {"family": "nightly", "taskDefinitionArn": "arn", "status": "INACTIVE"}},
            TaskDefinition(family="nightly", arn="arn", is_active=False),
        ),
        (
            {"taskDefinition": {"family": "nightly", "taskDefinitionArn": "arn", "taskRoleArn": "role"}},
            TaskDefinition(family="nightly", arn="arn", task_role_arn="role"),
        ),
        (
            Unknown(
                action="ecs:DescribeTaskDefinition", why="ClientException: Unable to describe task definition"
            ),
            Missing(why="ClientException: Unable to describe task definition"),
        ),
        (DENIED, DENIED),
    ],
)
def test_a_task_definition(answer: Any, expected: Any) -> None:
    assert definition_of(answer) == expected


def test_a_name_that_an_event_gives_is_not_asked_for() -> None:
    asked = Launcher(kind=rule().kind, name="r", task_definition="$.detail.job")
    assert read_task_definitions(Said(), [asked], lambda _: None) == {}


def test_a_trail_of_all_regions_is_asked_about_where_it_was_made() -> None:
    trail = {"Name": "org", "TrailARN": "arn:org", "HomeRegion": "us-east-1", "IsOrganizationTrail": True}
    said = Said(
        cloudtrail_DescribeTrails={"trailList": [trail]},
        cloudtrail_GetTrailStatus={"IsLogging": True},
        cloudtrail_GetEventSelectors=DENIED,
    )
    (found,) = read_trails(said)
    assert (found.is_logging, found.records_run_task, found.log_group_arn) == (True, DENIED, None)
    assert [call.get("in_region") for _, call in said.asked] == [None, "us-east-1", "us-east-1"]
