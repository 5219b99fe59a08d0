"""Requests and schedules: each refusal as a whole sentence, and the values on both sides of each condition."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from retry_run_task.launch import request
from retry_run_task.launch.request import HIDDEN, hidden_paths
from retry_run_task.launch.schedule import (
    EVERYTHING_ELSE,
    CannotFillError,
    NoMatch,
    Schedule,
    Tags,
    complete,
    could_make,
    match,
    read_tags,
    variable_names,
)
from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, IncompleteRequest, Request
from support.records import CLUSTER, RULE_ROLE, TASK_DEFINITION, launch, parameters

RULE = Caller(kind=CallerKind.RULE, role_arn=RULE_ROLE)


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


# --- Requests ---


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"taskDefinition": ""}, "requestParameters has no taskDefinition, so there is nothing to run"),
        ({"cluster": 7}, "requestParameters.cluster is not a string"),
        ({"startedBy": 7}, "requestParameters.startedBy is not a string"),
        ({"count": 0}, "requestParameters.count is not a whole number from 1 to 10"),
        ({"count": 11}, "requestParameters.count is not a whole number from 1 to 10"),
        ({"x": nested(64)}, "requestParameters is nested more than 64 levels deep"),
        ({"x": float("nan")}, "requestParameters holds a number that is too large for JSON"),
        (
            {"x": {"\udfff": 1}},
            "requestParameters holds half of a character (a lone surrogate), as no call can",
        ),
        (
            {"x": ["\ud800"]},
            "requestParameters holds half of a character (a lone surrogate), as no call can",
        ),
    ],
)
def test_why_parameters_are_no_request(change: dict[str, Any], says: str) -> None:
    with pytest.raises(request.RequestError) as caught:
        request.rebuild(parameters() | change)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    "change", [{"count": 1}, {"count": 10}, {"x": nested(63)}, {"x": "\ue000\ud7ff"}, {"x": "夜"}, {"x": 1.5}]
)
def test_what_is_just_a_request(change: dict[str, Any]) -> None:
    found = request.rebuild(parameters(clientToken=None, dryrun=None) | change)
    assert found == Request(parameters=parameters(clientToken=None, dryrun=None) | change)


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        ([{"key": "aws:a"}, {"key": "b"}], [{"key": "b"}]),
        ([{"key": "AWS:a"}, {"key": "xaws:"}, {"key": "aws"}], [{"key": "xaws:"}, {"key": "aws"}]),
        ([{}, "aws:x", {"value": "aws:"}], [{}, "aws:x", {"value": "aws:"}]),
        ("aws:x", "aws:x"),
        ({"key": "aws:x"}, {"key": "aws:x"}),
        ([{"key": "aws:a"}], None),
        ([], None),
    ],
)
def test_which_tags_are_left(tags: Any, left: Any) -> None:
    assert request.rebuild(parameters() | {"tags": tags}).parameters.get("tags") == left


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (
            {"a": HIDDEN, "b": [HIDDEN, {"name": "n", "c": HIDDEN}], "d": {"e": HIDDEN}},
            ["a", "b[0]", "b[n].c", "d.e"],
        ),
        ({"b": [{"name": 7, "c": HIDDEN}]}, ["b[0].c"]),
        ({"a": {HIDDEN.lower(): {"b": f"x{HIDDEN}"}}}, ["a (a key)", f"a.{HIDDEN.lower()}.b"]),
        ({"a": ["x", 1, None, True, {}]}, []),
        ({HIDDEN: HIDDEN}, [HIDDEN]),
        ({}, []),
    ],
)
def test_where_something_is_hidden(value: dict[str, Any], paths: list[str]) -> None:
    assert list(hidden_paths(value)) == paths


@pytest.mark.parametrize(
    ("shown", "masked"),
    [
        (
            {"environment": [{"name": "A", "value": "s"}, {"value": "s"}, "s"]},
            {"environment": [{"name": "A", "value": "***"}, "***", "***"]},
        ),
        ({"environment": HIDDEN}, {"environment": HIDDEN}),
        ({"environment": None}, {"environment": None}),
        ({"environment": "s"}, {"environment": "***"}),
        ({"ENVs": 7}, {"ENVs": "***"}),
        ({"environmentFiles": [{"value": "f"}]}, {"environmentFiles": [{"value": "f"}]}),
        ({"environmentFiles": "s"}, {"environmentFiles": "***"}),
        ({"EnvironmentFiles": [{"Value": "f"}]}, {"EnvironmentFiles": [{"Value": "f"}]}),
        ({"command": ["env", {"environment": "s"}]}, {"command": ["env", "***"]}),
        ({"containerOverrides": "s"}, {"containerOverrides": "***"}),
        ({"x": {"cpu": "1"}}, {"x": "***"}),
        ({"x": HIDDEN}, {"x": HIDDEN}),
        ("s", "***"),
        (HIDDEN, HIDDEN),
        (None, None),
        (["s"], ["***"]),
    ],
)
def test_exactly_what_is_shown_of_overrides(shown: Any, masked: Any) -> None:
    assert request.masked({"overrides": shown}) == {"overrides": masked}


def test_a_parameter_that_this_version_does_not_know_is_masked_whole() -> None:
    shown = {"cluster": "c", "tags": [{"key": "k", "value": "v"}], "x": {"y": 1}, "z": None, "h": HIDDEN}
    assert request.masked(shown) == shown | {"x": "***"}


@pytest.mark.parametrize(
    ("parameters_", "cluster", "family"),
    [
        ({}, "default", ""),
        ({"cluster": "", "taskDefinition": ""}, "default", ""),
        ({"cluster": "a/b", "taskDefinition": "a/b:7:8"}, "b", "b"),
        ({"cluster": CLUSTER, "taskDefinition": TASK_DEFINITION}, "batch", "nightly"),
    ],
)
def test_what_a_cluster_and_a_family_are_called(
    parameters_: dict[str, Any], cluster: str, family: str
) -> None:
    assert (request.cluster_name(parameters_), request.family(parameters_)) == (cluster, family)


# --- Tags ---

POLICY, IGNORE = "retry-run-task:policy", "retry-run-task:ignore"


@pytest.mark.parametrize(
    ("sources", "unread", "expected"),
    [
        ([], [], Tags()),
        ([{}, {"x": "y"}], [], Tags()),
        ([{POLICY: "a"}, {POLICY: "b"}], [], Tags(policy="a")),
        ([{POLICY: ""}, {POLICY: "b"}], [], Tags(policy="b")),
        ([{IGNORE: "true"}, {IGNORE: "false"}], [], Tags(ignore=True)),
        ([{IGNORE: "false"}, {IGNORE: "true"}], [], Tags()),
        ([{}, {IGNORE: " TRUE "}], [], Tags(ignore=True)),
        (
            [{IGNORE: "Yes"}],
            ["denied"],
            Tags(
                unread=(
                    "denied",
                    "the tag retry-run-task:ignore is 'yes', which is neither true nor false",
                )
            ),
        ),
        ([{POLICY: "a", IGNORE: "true"}], ["x"], Tags(policy="a", ignore=True, unread=("x",))),
    ],
)
def test_what_tags_say(sources: list[dict[str, str]], unread: list[str], expected: Tags) -> None:
    assert read_tags(*sources, unread=unread) == expected


# --- Schedules ---


def schedule(**changes: Any) -> Schedule:
    values: dict[str, Any] = {
        "kind": CallerKind.RULE,
        "name": "nightly",
        "arn": "arn:aws:events:ap-northeast-1:123456789012:rule/nightly",
        "role_arn": RULE_ROLE,
        "request": {"cluster": CLUSTER, "taskDefinition": TASK_DEFINITION},
    }
    return Schedule(**(values | changes))


LONG = "nightly-report-of-the-data-platform"


@pytest.mark.parametrize(
    ("changes", "caller", "recorded", "could"),
    [
        ({}, RULE, {}, True),
        ({}, Caller(kind=CallerKind.SCHEDULER, role_arn=RULE_ROLE), {}, False),
        ({}, Caller(kind=CallerKind.RULE), {}, True),
        ({"role_arn": None}, Caller(kind=CallerKind.RULE), {}, True),
        ({"role_arn": None}, RULE, {}, False),
        ({}, RULE, {"cluster": "batch"}, True),
        ({}, RULE, {"cluster": "other"}, False),
        ({}, RULE, {"taskDefinition": "nightly"}, True),
        ({}, RULE, {"taskDefinition": "nightly:8"}, False),
        ({}, RULE, {"taskDefinition": "weekly"}, False),
        ({}, RULE, {"taskDefinition": "nightly:7"}, True),
        ({"request": {"cluster": CLUSTER, "taskDefinition": "nightly:7"}}, RULE, {}, True),
        (
            {"request": {"cluster": CLUSTER, "taskDefinition": "nightly:7"}},
            RULE,
            {"taskDefinition": "nightly:8"},
            False,
        ),
        ({"request": {"cluster": "batch", "taskDefinition": "nightly"}}, RULE, {}, True),
        ({"request": {"cluster": "batch", "taskDefinition": "weekly"}}, RULE, {}, False),
        ({"request": {"cluster": "batch"}}, RULE, {"taskDefinition": None}, True),
        # The mark on the task.
        ({}, RULE, {"startedBy": None}, True),
        (
            {"request": {"cluster": CLUSTER, "taskDefinition": "nightly", "startedBy": "me"}},
            RULE,
            {"startedBy": None},
            False,
        ),
        (
            {"request": {"cluster": CLUSTER, "taskDefinition": "nightly", "startedBy": "me"}},
            RULE,
            {"startedBy": "me"},
            True,
        ),
        (
            {"request": {"cluster": CLUSTER, "taskDefinition": "nightly", "startedBy": "me"}},
            RULE,
            {"startedBy": "you"},
            False,
        ),
        ({}, RULE, {"startedBy": "chronos-schedule/nightly"}, False),
        (
            {"kind": CallerKind.SCHEDULER},
            replace(RULE, kind=CallerKind.SCHEDULER),
            {"startedBy": "chronos-schedule/nightly"},
            True,
        ),
        ({"name": LONG}, RULE, {"startedBy": f"events-rule/{LONG}"[:36]}, True),
        ({"name": LONG}, RULE, {"startedBy": f"events-rule/{LONG}"}, True),
        ({"name": LONG}, RULE, {"startedBy": f"events-rule/{LONG}"[:35]}, False),
        ({"name": "nightly-2"}, RULE, {}, False),
        ({"name": "night"}, RULE, {}, False),
    ],
)
def test_whether_a_schedule_could_have_made_a_call(
    changes: dict[str, Any], caller: Caller, recorded: dict[str, Any], could: bool
) -> None:
    assert could_make(schedule(**changes), caller, parameters(**recorded)) is could


OTHER_ROLE = "arn:aws:iam::123456789012:role/other"


@pytest.mark.parametrize(
    ("found", "caller", "unread", "expected"),
    [
        (
            [schedule(name="b"), schedule(name="a")],
            RULE,
            [],
            NoMatch(why="2 rules or schedules could have made this call: a, b", is_role_used=True),
        ),
        (
            [],
            RULE,
            [],
            NoMatch(why="no rule or schedule has this role, cluster, task definition and name any more"),
        ),
        (
            [],
            RULE,
            ["ListRules failed", "one may not be read"],
            NoMatch(
                why="no rule or schedule that can be read has this role, cluster, task definition and name; "
                "ListRules failed; one may not be read"
            ),
        ),
        (
            [schedule(name="weekly", request={})],
            RULE,
            [],
            NoMatch(
                why="no rule or schedule has this role, cluster, task definition and name any more",
                is_role_used=True,
            ),
        ),
        (
            [schedule(name="weekly", role_arn=OTHER_ROLE), schedule(name="weekly", role_arn=None)],
            RULE,
            [],
            NoMatch(why="no rule or schedule has this role, cluster, task definition and name any more"),
        ),
        (
            [schedule(name="weekly", role_arn=None, request={})],
            Caller(kind=CallerKind.RULE),
            [],
            NoMatch(why="no rule or schedule has this role, cluster, task definition and name any more"),
        ),
    ],
)
def test_why_no_schedule_is_certain(
    found: list[Schedule], caller: Caller, unread: list[str], expected: NoMatch
) -> None:
    # Two that look alike: their names begin as the mark does, which EventBridge has cut.
    asked = launch(caller=caller, request=parameters(startedBy=None))
    assert match(asked, found, unread) == expected


def test_the_one_that_could_have_made_it_is_certain_whatever_could_not_be_read() -> None:
    assert match(launch(), [schedule(name="x"), schedule()], ["denied"]) == schedule()


# --- Filling in ---


def incomplete(recorded: dict[str, Any]) -> FailedLaunch:
    missing = tuple(hidden_paths(recorded)) or (EVERYTHING_ELSE,)
    return replace(launch(), request=IncompleteRequest(parameters=recorded, missing=missing))


def hides(**changes: Any) -> dict[str, Any]:
    app = {"name": "app", "environment": HIDDEN} | changes
    return {"taskDefinition": "nightly", "cluster": "batch", "overrides": {"containerOverrides": [app]}}


def asks(**changes: Any) -> dict[str, Any]:
    app = {"name": "app", "environment": [{"name": "A", "value": "1"}]} | changes
    return {"taskDefinition": "nightly", "cluster": "batch", "overrides": {"containerOverrides": [app]}}


def network(*subnets: str, **changes: str) -> dict[str, Any]:
    return {"networkConfiguration": {"awsvpcConfiguration": {"subnets": list(subnets), **changes}}}


RUN = "<aws.scheduler.execution-id>"


@pytest.mark.parametrize(
    ("recorded", "source", "says"),
    [
        (hides(), schedule(unreadable="its input is gone"), "its input is gone"),
        (
            hides(),
            schedule(request=asks(), modified=launch().event_time + timedelta(seconds=1)),
            "nightly was changed after the call failed",
        ),
        (
            hides(),
            schedule(request={"taskDefinition": "nightly"}),
            "CloudTrail hides overrides, and the schedule does not set it",
        ),
        (
            hides() | {"launchType": "EC2"},
            schedule(request=asks() | {"launchType": "FARGATE"}),
            "the schedule has another launchType than the call had; it was changed",
        ),
        (
            hides() | {"count": 2},
            schedule(request=asks()),
            "the schedule has another count than the call had; it was changed",
        ),
        (
            hides(command=["a"]),
            schedule(request=asks(command=["b"])),
            "the schedule has another overrides.containerOverrides.command than the call had; it was changed",
        ),
        (
            hides(command=["a"]),
            schedule(request=asks(command=["a", "b"])),
            (
                "the schedule's overrides.containerOverrides.command has another form than the call's; "
                "it may have been changed"
            ),
        ),
        (
            hides(cpu=256),
            schedule(request=asks()),
            "the call had overrides.containerOverrides.cpu, which the schedule does not have",
        ),
        (
            hides(command=HIDDEN),
            schedule(request=asks()),
            (
                "the call had overrides.containerOverrides.command, which CloudTrail hides, and the schedule does "
                "not set"
            ),
        ),
        (
            hides(command=["b x"]),
            schedule(request=asks(command=["b <aws.scheduler.execution-id>y"])),
            "the schedule has another overrides.containerOverrides.command than the call had; it was changed",
        ),
        (
            hides(),
            schedule(request=asks(environment="<aws.scheduler.attempt-number>")),
            (
                "overrides.containerOverrides.environment uses <aws.scheduler.attempt-number>, which cannot be "
                "known afterwards"
            ),
        ),
        (
            hides(),
            schedule(request=asks(command=["a", "<aws.scheduler.execution-id>"])),
            "overrides.containerOverrides.command uses <aws.scheduler.execution-id>, which cannot be known afterwards",
        ),
        (
            hides(),
            schedule(request=asks(cpu="<aws.scheduler.execution-id>")),
            "overrides.containerOverrides.cpu uses <aws.scheduler.execution-id>, which cannot be known afterwards",
        ),
        (
            hides(flag=True),
            schedule(request=asks()),
            "the call had overrides.containerOverrides.flag, which the schedule does not have",
        ),
        (
            hides(),
            schedule(request=asks() | {"group": f"x{HIDDEN}"}),
            "the schedule itself has CloudTrail's placeholder in group",
        ),
        (
            {"taskDefinition": "nightly"},
            schedule(request={"group": "<aws.scheduler.execution-id>"}),
            "the request.group uses <aws.scheduler.execution-id>, which cannot be known afterwards",
        ),
    ],
)
def test_why_a_request_cannot_be_made_whole(recorded: dict[str, Any], source: Schedule, says: str) -> None:
    with pytest.raises(CannotFillError) as caught:
        complete(incomplete(recorded), source, scheduled_time=None)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("recorded", "asked", "whole"),
    [
        (hides(), asks(), asks()),
        (
            hides() | {"startedBy": "events-rule/nightly", "count": 1, "clientToken": "t", "dryrun": True},
            asks(),
            asks() | {"startedBy": "events-rule/nightly", "count": 1},
        ),
        (hides() | {"platformVersion": "LATEST", "group": "", "tags": []}, asks(), asks()),
        (hides(cpu=256), asks(cpu=256), asks(cpu=256)),
        (hides(command=[]), asks(), asks()),
        (hides(flag=False), asks(), asks()),
        (hides() | network("a", assignPublicIp="DISABLED"), asks() | network("a"), asks() | network("a")),
        (hides() | network("a", assignPublicIp=""), asks() | network("a"), asks() | network("a")),
        # What the record does not show, and what it shows where the schedule has a keyword.
        (
            hides(),
            asks() | {"logs": {"of": "<aws.scheduler.schedule-arn>"}},
            asks() | {"logs": {"of": schedule().arn}},
        ),
        (
            hides() | {"logs": {"of": "d32c"}, "tags": [{"key": "run", "value": "d32c"}]},
            asks() | {"logs": {"of": RUN}, "tags": [{"key": "run", "value": RUN}]},
            asks() | {"logs": {"of": "d32c"}, "tags": [{"key": "run", "value": "d32c"}]},
        ),
        (
            hides(command=["b x1"]),
            asks(command=["b <aws.scheduler.execution-id>"]),
            asks(command=["b x1"]),
        ),
        (
            hides(),
            asks(command=["<aws.scheduler.schedule-arn>", {"x": ["at <aws.scheduler.scheduled-time>"]}]),
            asks(command=[schedule().arn, {"x": ["at 2026-11-24T00:00:03Z"]}]),
        ),
        (
            {"taskDefinition": "nightly", "count": 1},
            asks() | {"count": 3, "group": "<aws.scheduler.scheduled-time>", "enableExecuteCommand": True},
            asks() | {"count": 1, "group": "2026-11-24T00:00:03Z", "enableExecuteCommand": True},
        ),
    ],
)
def test_a_request_made_whole(recorded: dict[str, Any], asked: dict[str, Any], whole: dict[str, Any]) -> None:
    source = schedule(request=asked, modified=launch().event_time)
    found = complete(incomplete(recorded), source, scheduled_time=launch().event_time)
    assert dict(found.parameters) == whole


def test_a_request_that_is_whole_stays_so() -> None:
    asked = {"taskDefinition": "nightly", "cluster": "batch"}
    whole = complete(launch(request=asked), schedule(request=asked | {"group": "g"}), scheduled_time=None)
    assert whole == Request(parameters=asked | {"group": "g"})


def test_names_of_variables_with_their_containers() -> None:
    def sets(*names: Any) -> list[dict[str, Any]]:
        return [{"name": name, "value": "s"} for name in names]

    containers = [
        {"name": "app", "environment": sets("A", 7, "B")},
        {"environment": [*sets("C"), "s"]},
        {"name": ["x"], "environment": sets("D")},
        {"name": "bare"},
        "s",
    ]
    found = variable_names(schedule(request={"overrides": {"containerOverrides": containers}}))
    assert found == ["app.A", "app.B", "?.C", "?.D"]
