"""Whether a task is this launch's, how far it has come, and what an event of it becomes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retry_run_task import sources
from retry_run_task.launch.names import started_by_of
from retry_run_task.launch.request import HIDDEN
from retry_run_task.launch.schedule import EVERYTHING_ELSE
from retry_run_task.launch.values import (
    CallerKind,
    FailedLaunch,
    Failure,
    Ignored,
    IncompleteRequest,
    Origin,
    Phase,
    Unparsed,
)
from retry_run_task.launch.wire import canonical, launch_to_json
from retry_run_task.local.eventbridge.targets import rule_input
from retry_run_task.sources import task_state_change, tasks
from retry_run_task.sources.tasks import is_of, state, time_of
from support.records import ACCOUNT, CLUSTER, REGION, TASK_DEFINITION, launch, parameters

ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d"
AFTER = launch().event_time + timedelta(seconds=1)


def task(**changes: Any) -> dict[str, Any]:
    return {
        "taskArn": ARN,
        "clusterArn": CLUSTER,
        "taskDefinitionArn": TASK_DEFINITION,
        "startedBy": "events-rule/nightly",
        "createdAt": AFTER,
        "lastStatus": "PROVISIONING",
        "desiredStatus": "RUNNING",
        "overrides": {"containerOverrides": [{"name": "app"}], "inferenceAcceleratorOverrides": []},
    } | changes


STOPPED = {
    "lastStatus": "STOPPED",
    "desiredStatus": "STOPPED",
    "stopCode": "TaskFailedToStart",
    "stoppedReason": "Timeout waiting for network interface provisioning to complete.",
    "stoppedAt": "2026-11-24T00:03:00.000Z",
}


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({}, Phase.STARTING),
        ({"lastStatus": "PENDING"}, Phase.STARTING),
        ({"lastStatus": "ACTIVATING"}, Phase.STARTING),
        ({"lastStatus": "SOMETHING_NEW"}, Phase.STARTING),
        ({"lastStatus": "PROVISIONING", "desiredStatus": "STOPPED"}, Phase.STOPPING),
        ({"lastStatus": "PENDING", "desiredStatus": "STOPPED"}, Phase.STOPPING),
        ({"lastStatus": "ACTIVATING", "desiredStatus": "STOPPED"}, Phase.STOPPING),
        ({"lastStatus": "DEACTIVATING", "desiredStatus": "STOPPED"}, Phase.STOPPING),
        ({"lastStatus": "STOPPING", "desiredStatus": "STOPPED"}, Phase.STOPPING),
        # 37 s of it were seen in a published describe-tasks of a Fargate task that failed to start.
        (STOPPED | {"lastStatus": "DEPROVISIONING"}, Phase.STOPPING),
        ({"lastStatus": "RUNNING"}, Phase.RUNS),
        ({"lastStatus": "RUNNING", "startedAt": AFTER}, Phase.RUNS),
        ({"lastStatus": "RUNNING", "startedAt": AFTER, "desiredStatus": "STOPPED"}, Phase.RUNS),
        ({"lastStatus": "DEACTIVATING", "startedAt": AFTER, "desiredStatus": "STOPPED"}, Phase.RAN),
        ({"lastStatus": "STOPPING", "startedAt": AFTER, "desiredStatus": "STOPPED"}, Phase.RAN),
        ({"lastStatus": "DEPROVISIONING", "startedAt": AFTER, "desiredStatus": "STOPPED"}, Phase.RAN),
        (STOPPED | {"startedAt": AFTER}, Phase.RAN),
        (STOPPED, Phase.FAILED),
    ],
)
def test_how_far_a_task_has_come(changes: dict[str, Any], phase: Phase) -> None:
    """A task that has run is the job's own business, however it ended."""
    seen = state(task(**changes))
    assert seen.phase is phase
    assert (seen.failure is not None) == (phase is Phase.FAILED)
    assert seen.has_run == (phase in (Phase.RUNS, Phase.RAN))


def test_a_recoverys_task_is_told_apart() -> None:
    assert state(task(startedBy=started_by_of("events-rule/nightly", "0" * 32))).is_ours
    assert not state(task()).is_ours


def test_why_a_task_did_not_start() -> None:
    assert state(task(**STOPPED)).failure == Failure(
        origin=Origin.STOPPED, code="TaskFailedToStart", reason=STOPPED["stoppedReason"]
    )


@pytest.mark.parametrize(
    ("changes", "is_ours"),
    [
        ({}, True),
        ({"createdAt": launch().event_time - timedelta(seconds=4)}, True),
        ({"createdAt": launch().event_time - timedelta(seconds=60)}, False),
        ({"createdAt": None}, False),
        ({"createdAt": "2026-11-24T00:00:04.110Z"}, True),
        ({"createdAt": "soon"}, False),
        ({"taskDefinitionArn": TASK_DEFINITION.replace(":7", ":8")}, True),
        ({"taskDefinitionArn": TASK_DEFINITION.replace("nightly", "weekly")}, False),
        ({"overrides": {"containerOverrides": [{"name": "app", "command": ["other"]}]}}, True),
    ],
)
def test_a_task_made_after_the_call_of_the_same_family_does_what_was_asked_for(
    changes: dict[str, Any], is_ours: bool
) -> None:
    assert is_of(launch(), task(**changes)) is is_ours


@pytest.mark.parametrize(
    ("theirs", "is_ours"), [(["run", "eu"], True), (["run", "us"], False), (None, False), ([], False)]
)
def test_two_schedules_whose_names_look_alike_are_told_apart_by_their_commands(
    theirs: Any, is_ours: bool
) -> None:
    asked = launch(
        request=parameters(overrides={"containerOverrides": [{"name": "app", "command": ["run", "eu"]}]})
    )
    there = task(overrides={"containerOverrides": [{"name": "app", "command": theirs}]})
    assert is_of(asked, there) is is_ours


@pytest.mark.parametrize(
    ("command", "is_ours"),
    [
        (HIDDEN, True),
        (["run", HIDDEN], True),
        (["run", HIDDEN.lower()], True),
        (["run", HIDDEN[:-1]], False),
        (["run"], False),
    ],
)
def test_a_command_of_which_a_part_is_hidden_cannot_be_compared(command: Any, is_ours: bool) -> None:
    asked = launch(
        request=parameters(overrides={"containerOverrides": [{"name": "app", "command": command}]})
    )
    there = task(overrides={"containerOverrides": [{"name": "app", "command": ["other"]}]})
    assert is_of(asked, there) is is_ours


def test_tasks_that_the_failed_call_placed_itself_are_not_what_is_missing() -> None:
    assert not is_of(launch(placed=(ARN,)), task())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-24T00:00:03Z", datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)),
        (datetime(2026, 11, 24), datetime(2026, 11, 24, tzinfo=UTC)),  # noqa: DTZ001 - without a zone on purpose
        (None, None),
        (7, None),
        ("x", None),
    ],
)
def test_times_are_read_in_both_spellings(value: Any, expected: datetime | None) -> None:
    assert time_of(value) == expected


def changed(detail: Any, **changes: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "3317b2af-7005-947d-b652-f55e762e571a",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": "2026-11-24T00:03:01Z",
        "region": REGION,
        "resources": [ARN],
        "detail": detail,
    } | changes


def event_task(**changes: Any) -> dict[str, Any]:
    return task(createdAt="2026-11-24T00:00:04.110Z", **(STOPPED | changes))


def read(event: dict[str, Any]) -> FailedLaunch | Ignored | Unparsed:
    (item,) = sources.parse(event)
    return item


def test_a_task_that_did_not_start_is_a_failed_launch_of_one() -> None:
    item = read(changed(event_task()))
    assert isinstance(item, FailedLaunch)
    assert item.event_id == "t-0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d"
    assert item.event_time == datetime(2026, 11, 24, 0, 3, tzinfo=UTC)
    assert item.caller.kind is CallerKind.RULE
    assert isinstance(item.request, IncompleteRequest)
    assert item.request.missing == (EVERYTHING_ELSE,)
    assert item.request.parameters["count"] == 1
    assert item.failures[0].origin is Origin.STOPPED


def test_many_events_of_one_task_are_one_recovery_with_one_payload() -> None:
    first = read(changed(event_task()))
    again = read(
        changed(
            event_task(version=9, updatedAt="2026-11-24T00:04:00Z"), id="other", time="2026-11-24T00:09:01Z"
        )
    )
    assert isinstance(first, FailedLaunch)
    assert isinstance(again, FailedLaunch)
    assert canonical(launch_to_json(first)) == canonical(launch_to_json(again))


def test_environment_values_are_dropped_at_the_door() -> None:
    canary = "canary-5e5d"
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "X", "value": canary}]}]}
    item = read(changed(event_task(overrides=overrides)))
    assert isinstance(item, FailedLaunch)
    assert canary not in canonical(launch_to_json(item))


@pytest.mark.parametrize(
    ("detail", "why"),
    [
        (
            event_task(startedBy=started_by_of("events-rule/nightly", "0" * 32)),
            "a recovery started this task",
        ),
        (event_task(startedBy="me"), "neither an EventBridge rule nor a schedule"),
        (event_task(startedBy=None), "neither an EventBridge rule nor a schedule"),
        (event_task(startedAt="2026-11-24T00:01:00Z"), "has run"),
        (event_task(lastStatus="RUNNING"), "has run"),
        (event_task(lastStatus="PENDING"), "still may"),
    ],
)
def test_what_is_not_ours_to_recover(detail: dict[str, Any], why: str) -> None:
    item = read(changed(detail))
    assert isinstance(item, Ignored)
    assert why in item.why


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (changed(None), "no detail"),
        (changed(event_task(taskArn=None)), "no taskArn"),
        (changed(event_task(taskDefinitionArn=None)), "no taskDefinitionArn"),
        (changed(event_task(stoppedAt=None), time=None), "when the task stopped"),
        (changed(event_task(stoppedAt="soon")), "not a time"),
        (changed(event_task(startedBy=7)), "startedBy is a number"),
    ],
)
def test_what_cannot_be_read_says_what_was_expected(event: dict[str, Any], why: str) -> None:
    item = read(event)
    assert isinstance(item, Unparsed)
    assert why in item.why


def test_an_event_is_json_all_the_way() -> None:
    assert json.loads(json.dumps(changed(event_task())))


# What the rule hands on.


def handed_on(detail: dict[str, Any]) -> dict[str, Any]:
    transformer = {
        "InputPathsMap": task_state_change.INPUT_PATHS,
        "InputTemplate": task_state_change.INPUT_TEMPLATE,
    }
    return json.loads(rule_input({"InputTransformer": transformer}, changed(detail), "failed-starts", "arn"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"startedAt": "2026-11-24T00:00:30Z", "stopCode": "SpotInterruption"},
        {"stoppedReason": 'CannotPullContainerError: "app:\\1" is\nnot <there>'},
        {
            "stoppedReason": "Task failed to start",
            "containers": [{"name": "app", "reason": 'no "such" image'}],
        },
        {"stopCode": "InfrastructureHealth"},
        {"availabilityZone": None},
    ],
)
def test_what_the_rule_hands_on_is_read_as_the_whole_event_is(changes: dict[str, Any]) -> None:
    detail = {"containers": [], **event_task(**changes)}
    assert read(handed_on(detail)) == read(changed(detail))


def test_no_environment_value_is_handed_on() -> None:
    """An event that cannot be delivered, or that intake fails on, stays in a queue for two weeks."""
    canary = "canary-5e5d"
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "X", "value": canary}]}]}
    detail = {"containers": [], **event_task(overrides=overrides)}
    assert canary in canonical(changed(detail))
    assert canary not in canonical(handed_on(detail))
    assert "overrides" not in canonical(handed_on(detail))


def test_commands_are_those_of_their_containers() -> None:
    containers = [{"name": "app", "command": ["a"]}, {"name": "log"}, "odd", {"command": ["b"]}]
    assert tasks._commands({"containerOverrides": containers}) == {"app": ["a"], "None": ["b"]}
    for odd in (None, [], {}, {"containerOverrides": {}}):
        assert tasks._commands(odd) == {}
