"""The schedule behind a launch is found for certain or not at all, and fills in what was hidden or nothing."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from retry_run_task.launch.request import HIDDEN, hidden_paths
from retry_run_task.launch.schedule import (
    EVERYTHING_ELSE,
    CannotFillError,
    NoMatch,
    Schedule,
    complete,
    match,
    variable_names,
)
from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, IncompleteRequest
from support.records import CLUSTER, RULE_ROLE, TASK_DEFINITION, launch, parameters

CANARY = "canary-5e5d"


def schedule(**changes: Any) -> Schedule:
    values: dict[str, Any] = {
        "kind": CallerKind.RULE,
        "name": "nightly",
        "arn": "arn:aws:events:ap-northeast-1:123456789012:rule/nightly",
        "role_arn": RULE_ROLE,
        "request": asks(),
    }
    return Schedule(**(values | changes))


def asks(**changes: Any) -> dict[str, Any]:
    """Return what the schedule asks for: what the record shows, and the values that it does not show."""
    shown = parameters(clientToken=None, dryrun=None, startedBy=None, overrides=overrides()) | changes
    return {name: value for name, value in shown.items() if value is not None}


def overrides(value: str = CANARY, **changes: Any) -> dict[str, Any]:
    container = {"name": "app", "command": ["run"], "environment": [{"name": "PASSWORD", "value": value}]}
    return {"containerOverrides": [container | changes]}


def hidden(**changes: Any) -> dict[str, Any]:
    return {"containerOverrides": [{"name": "app", "command": ["run"], "environment": HIDDEN} | changes]}


def incomplete(request: dict[str, Any] | None = None, **changes: Any) -> FailedLaunch:
    recorded = parameters(clientToken=None, dryrun=None, overrides=hidden()) if request is None else request
    value = launch(**changes)
    unknown = IncompleteRequest(
        parameters=recorded, missing=tuple(hidden_paths(recorded)) or (EVERYTHING_ELSE,)
    )
    return type(value)(**{f: getattr(value, f) for f in value.__slots__} | {"request": unknown})


LONG = "nightly-report-of-the-data-platform"


@pytest.mark.parametrize(
    ("recorded", "change"),
    [
        ({}, {}),
        ({"taskDefinition": "nightly"}, {}),
        ({"cluster": "batch"}, {}),
        ({}, {"request": {"cluster": "batch", "taskDefinition": "nightly"}}),
        ({"startedBy": f"events-rule/{LONG}"[:36]}, {"name": LONG}),
    ],
)
def test_role_cluster_definition_and_name_make_it_certain(
    recorded: dict[str, Any], change: dict[str, Any]
) -> None:
    asked = launch(request=parameters(**recorded))
    assert match(asked, [schedule(name="other"), schedule(**change)]) == schedule(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"role_arn": "arn:aws:iam::123456789012:role/other"},
        {"kind": CallerKind.SCHEDULER},
        {"name": "nightly-2"},
        {"name": "night"},
        {"request": {"cluster": "prod", "taskDefinition": TASK_DEFINITION}},
        {"request": {"cluster": CLUSTER, "taskDefinition": "nightly:8"}},
        {"request": {"cluster": CLUSTER, "taskDefinition": "weekly"}},
    ],
)
def test_one_difference_makes_it_another(change: dict[str, Any]) -> None:
    found = match(launch(), [schedule(**change)])
    assert isinstance(found, NoMatch)
    assert "any more" in found.why


def test_two_that_could_have_made_it_are_none_and_are_named() -> None:
    """EventBridge cuts the name, so that two long names may look alike."""
    asked = launch(request=parameters(startedBy=f"events-rule/{LONG}"[:36]))
    found = match(asked, [schedule(name=LONG + "-eu"), schedule(name=LONG + "-us")])
    assert isinstance(found, NoMatch)
    assert LONG + "-eu" in found.why
    assert LONG + "-us" in found.why


def test_the_request_is_the_schedules_own_with_the_calls_mark() -> None:
    whole = complete(incomplete(), schedule(), scheduled_time=None)
    assert dict(whole.parameters) == asks(startedBy="events-rule/nightly")


NETWORK = parameters()["networkConfiguration"]["awsvpcConfiguration"]


def network(**changes: Any) -> dict[str, Any]:
    return {"networkConfiguration": {"awsvpcConfiguration": NETWORK | changes}}


@pytest.mark.parametrize(
    "forged",
    [
        {"enableExecuteCommand": True},
        {"taskDefinition": "nightly:1"},
        {"propagateTags": "TASK_DEFINITION"},
        {"volumeConfigurations": [{"name": "loot"}]},
        {"tags": [{"key": "a", "value": "b"}]},
        {"group": "other"},
    ],
)
def test_what_only_a_record_says_does_not_get_to_a_task_with_hidden_values(forged: dict[str, Any]) -> None:
    """Whoever may write into the log group could otherwise look into the task, or have it run an older image."""
    family = schedule(request=asks(taskDefinition="nightly"))
    whole = complete(incomplete(parameters(overrides=hidden()) | forged), family, scheduled_time=None)
    assert dict(whole.parameters) == asks(taskDefinition="nightly", startedBy="events-rule/nightly")


@pytest.mark.parametrize(
    ("forged", "says"),
    [
        (network(subnets=["subnet-mine"]), "another networkConfiguration"),
        (network(securityGroups=["sg-mine"]), "another networkConfiguration"),
        (network(assignPublicIp="ENABLED"), "another networkConfiguration"),
        ({"count": 10}, "another count"),
        ({"launchType": "EXTERNAL"}, "another launchType"),
        (
            {"overrides": hidden() | {"taskRoleArn": "arn:aws:iam::123456789012:role/mine"}},
            "overrides.taskRoleArn",
        ),
        ({"overrides": hidden(command=["env"])}, "another overrides.containerOverrides.command"),
        (
            {"overrides": hidden(environmentFiles=[{"value": "arn:aws:s3:::mine/x", "type": "s3"}])},
            "environmentFiles",
        ),
    ],
)
def test_a_record_that_shows_another_request_gets_nothing(forged: dict[str, Any], says: str) -> None:
    with pytest.raises(CannotFillError, match=says) as raised:
        complete(incomplete(parameters(overrides=hidden()) | forged), schedule(), scheduled_time=None)
    assert CANARY not in str(raised.value)


def test_subnets_of_a_record_are_none_of_a_schedule_without_a_network() -> None:
    """Rungs are made of the subnets that the record shows."""
    bare = schedule(request={k: v for k, v in asks().items() if k != "networkConfiguration"})
    with pytest.raises(CannotFillError, match="another networkConfiguration"):
        complete(incomplete(), bare, scheduled_time=None)


@pytest.mark.parametrize(
    "shown",
    [
        {"platformVersion": "LATEST"},
        {"enableECSManagedTags": False, "tags": [], "placementStrategy": []},
        {"count": None},
        {
            "networkConfiguration": {
                "awsvpcConfiguration": {k: v for k, v in NETWORK.items() if k != "assignPublicIp"}
            }
        },
    ],
)
def test_what_cloudtrail_fills_in_or_leaves_out_is_no_difference(shown: dict[str, Any]) -> None:
    recorded = {k: v for k, v in (parameters(overrides=hidden()) | shown).items() if v is not None}
    whole = complete(incomplete(recorded), schedule(), scheduled_time=None)
    assert whole.parameters["overrides"] == overrides()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            schedule(unreadable="its input is made from the event that triggered it, which is gone"),
            "which is gone",
        ),
        (schedule(request=asks(overrides=None)), "does not set"),
        (
            schedule(request=asks(overrides=overrides(command=["other"]))),
            "another overrides.containerOverrides.command",
        ),
        (
            schedule(request=asks(overrides=overrides(name="web"))),
            "another overrides.containerOverrides.name",
        ),
        (schedule(request=asks(overrides={"containerOverrides": []})), "another form"),
        (
            schedule(request=asks(overrides={"containerOverrides": [{"name": "app", "command": ["run"]}]})),
            "does not set",
        ),
        (schedule(modified=launch().event_time + timedelta(seconds=1)), "was changed after"),
    ],
)
def test_a_schedule_that_is_not_certain_to_be_what_it_was_fills_nothing(source: Schedule, says: str) -> None:
    with pytest.raises(CannotFillError, match=says) as raised:
        complete(incomplete(), source, scheduled_time=None)
    assert CANARY not in str(raised.value)


def test_a_schedule_changed_before_the_call_is_what_made_it() -> None:
    source = schedule(modified=launch().event_time - timedelta(seconds=1))
    assert complete(incomplete(), source, scheduled_time=None)


def test_keywords_are_replaced_where_the_value_is_known() -> None:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html."""
    text = "<aws.scheduler.schedule-arn> at <aws.scheduler.scheduled-time>"
    source = schedule(request=asks(overrides=overrides(text)))
    whole = complete(incomplete(), source, scheduled_time=launch().event_time)
    (container,) = whole.parameters["overrides"]["containerOverrides"]
    assert container["environment"][0]["value"] == f"{source.arn} at 2026-11-24T00:00:03Z"


@pytest.mark.parametrize("keyword", ["execution-id", "attempt-number", "scheduled-time", "something-new"])
def test_keywords_nobody_can_know_afterwards_are_refused(keyword: str) -> None:
    source = schedule(request=asks(overrides=overrides(f"x<aws.scheduler.{keyword}>")))
    with pytest.raises(CannotFillError, match=keyword):
        complete(incomplete(), source, scheduled_time=None)


def test_a_keyword_that_the_record_shows_replaced_is_no_difference() -> None:
    source = schedule(request=asks(overrides=overrides(command=["run", "<aws.scheduler.execution-id>"])))
    recorded = parameters(overrides=hidden(command=["run", "d32c5kddcf5bb8c3"]))
    whole = complete(incomplete(recorded), source, scheduled_time=None)
    assert whole.parameters["overrides"]["containerOverrides"][0]["command"] == ["run", "d32c5kddcf5bb8c3"]


@pytest.mark.parametrize("put", ["d32c; env", "$(env)", "a b", ""])
def test_what_stands_for_a_keyword_is_of_its_kind(put: str) -> None:
    source = schedule(request=asks(overrides=overrides(command=["run", "<aws.scheduler.execution-id>"])))
    with pytest.raises(CannotFillError, match="another overrides"):
        complete(incomplete(parameters(overrides=hidden(command=["run", put]))), source, scheduled_time=None)


def test_members_that_cloudtrail_shows_empty_are_no_difference() -> None:
    recorded = parameters(overrides=hidden(environmentFiles=[], resourceRequirements=[]))
    assert complete(incomplete(recorded), schedule(), scheduled_time=None)


def test_a_hidden_value_within_a_list_is_filled_in_its_place() -> None:
    two = {"containerOverrides": [{"name": "a"}, {"name": "b", "environment": HIDDEN}]}
    source = {
        "containerOverrides": [{"name": "a"}, {"name": "b", "environment": [{"name": "X", "value": "1"}]}]
    }
    whole = complete(
        incomplete(parameters(overrides=two)), schedule(request=asks(overrides=source)), scheduled_time=None
    )
    assert whole.parameters["overrides"] == source


def test_a_launch_known_from_its_task_takes_the_whole_request_from_the_schedule() -> None:
    known = {
        "cluster": CLUSTER,
        "taskDefinition": TASK_DEFINITION,
        "startedBy": "events-rule/nightly",
        "count": 1,
    }
    source = schedule(request=dict(schedule().request) | {"count": 3})
    whole = complete(incomplete(known), source, scheduled_time=None)
    assert dict(whole.parameters) == dict(source.request) | {"startedBy": "events-rule/nightly", "count": 1}


def test_names_of_variables_are_told_and_never_their_values() -> None:
    assert variable_names(schedule()) == ["app.PASSWORD"]
    assert CANARY not in json.dumps(variable_names(schedule()))
    strange = {"containerOverrides": [{"name": {"x": CANARY}, "environment": [{"name": {"value": CANARY}}]}]}
    assert CANARY not in json.dumps(variable_names(schedule(request=asks(overrides=strange))))
    for odd in (
        None,
        [],
        "x",
        {"containerOverrides": "x"},
        {"containerOverrides": [7, {"environment": "x"}]},
    ):
        assert variable_names(schedule(request=asks(overrides=odd))) == []


def test_a_caller_without_a_role_is_matched_by_the_rest() -> None:
    """ECS's own events do not tell the role."""
    assert match(launch(caller=Caller(kind=CallerKind.RULE)), [schedule()]) == schedule()


def test_the_time_of_the_event_of_a_rule_is_that_at_which_the_run_was_due() -> None:
    source = schedule(request=asks(overrides=overrides("run <aws.events.event.time>")))
    whole = complete(incomplete(), source, scheduled_time=launch().event_time)
    (container,) = whole.parameters["overrides"]["containerOverrides"]
    assert container["environment"][0]["value"] == "run 2026-11-24T00:00:03Z"


@pytest.mark.parametrize(
    ("keyword", "name"),
    [
        ("aws.events.event.time", "$.time of the event that triggered it"),
        ("aws.events.event.id", "$.id of the event that triggered it"),
        ("aws.events.event.resources[1]", "$.resources[1] of the event that triggered it"),
        ("aws.events.event.detail['a b']", "$.detail['a b'] of the event that triggered it"),
        ("aws.events.event.json", "<aws.events.event.json>"),
        ("aws.events.event.ingestion-time", "<aws.events.event.ingestion-time>"),
        ("aws.events.event", "<aws.events.event>"),
    ],
)
def test_a_part_of_an_event_that_is_gone_is_refused_by_its_name(keyword: str, name: str) -> None:
    source = schedule(request=asks(overrides=overrides(f"x<{keyword}>")))
    with pytest.raises(CannotFillError, match=re.escape(f"{name}, which cannot be known")):
        complete(incomplete(), source, scheduled_time=None)


def test_a_part_of_an_event_that_the_record_shows_is_taken_from_it() -> None:
    source = schedule(request=asks(overrides=overrides(command=["run", "<aws.events.event.id>"])))
    recorded = parameters(overrides=hidden(command=["run", "53dc4d37-cffa"]))
    whole = complete(incomplete(recorded), source, scheduled_time=None)
    assert whole.parameters["overrides"]["containerOverrides"][0]["command"] == ["run", "53dc4d37-cffa"]
