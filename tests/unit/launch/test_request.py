"""The request is sent again as it was recorded, but for a short list, and never with parts missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.launch import request
from retry_run_task.launch.values import IncompleteRequest, Request
from support.records import CLUSTER, TASK_DEFINITION, parameters

EVERYTHING: dict[str, Any] = {
    "cluster": "batch",
    "taskDefinition": "nightly",
    "count": 3,
    "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
    "platformVersion": "1.4.0",
    "group": "family:nightly",
    "enableECSManagedTags": True,
    "enableExecuteCommand": True,
    "propagateTags": "TASK_DEFINITION",
    "tags": [{"key": "team", "value": "data"}],
    "placementConstraints": [{"type": "distinctInstance"}],
    "placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"}],
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"], "assignPublicIp": "ENABLED"}},
    "volumeConfigurations": [{"name": "scratch", "managedEBSVolume": {"roleArn": "arn:aws:iam::1:role/r"}}],
    "overrides": {
        "cpu": "512",
        "taskRoleArn": "arn:aws:iam::1:role/t",
        "ephemeralStorage": {"sizeInGiB": 40},
        "containerOverrides": [
            {
                "name": "app",
                "command": ["run", "--day", "2026-11-24"],
                "environment": [{"name": "MODE", "value": "full"}],
                "resourceRequirements": [{"type": "GPU", "value": "1", "sharingStrategy": "newer-than-us"}],
            }
        ],
    },
    "memberOfNextYear": {"deep": [1, 2.5, None, True]},
}


def _rebuild(recorded: dict[str, Any]) -> Request:
    rebuilt = request.rebuild(recorded)
    assert isinstance(rebuilt, Request)
    return rebuilt


def test_everything_that_was_asked_for_is_kept() -> None:
    """Also what this version has never heard of, at any depth."""
    assert dict(_rebuild(EVERYTHING).parameters) == EVERYTHING


@pytest.mark.parametrize("member", ["clientToken", "referenceId", "dryrun"])
def test_what_must_not_be_sent_again_is_dropped(member: str) -> None:
    assert dict(_rebuild(EVERYTHING | {member: "x"}).parameters) == EVERYTHING


@pytest.mark.parametrize("key", ["aws:ecs:clusterName", "AWS:cloudformation:stack-name"])
def test_tags_that_only_aws_may_set_are_dropped_and_the_others_kept(key: str) -> None:
    """ECS refuses them: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html."""
    own = [{"key": "team", "value": "data"}, {"key": "aws-like", "value": ""}]
    assert _rebuild(EVERYTHING | {"tags": [{"key": key, "value": "v"}, *own]}).parameters["tags"] == own
    assert "tags" not in _rebuild(EVERYTHING | {"tags": [{"key": key, "value": "v"}]}).parameters


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"taskDefinition": None}, "no taskDefinition"),
        ({"taskDefinition": ""}, "no taskDefinition"),
        ({"taskDefinition": ["nightly"]}, "no taskDefinition"),
        ({"cluster": 7}, "cluster is not a string"),
        ({"startedBy": {"a": 1}}, "startedBy is not a string"),
        ({"count": 0}, "1 to 10"),
        ({"count": 11}, "1 to 10"),
        ({"count": -1}, "1 to 10"),
        ({"count": True}, "1 to 10"),
        ({"count": 2.5}, "1 to 10"),
        ({"count": "2"}, "1 to 10"),
        ({"overrides": {"cpu": float("inf")}}, "too large"),
    ],
)
def test_what_is_no_run_task_request_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(request.RequestError, match=says):
        request.rebuild(EVERYTHING | change)


@pytest.mark.parametrize("cluster", [None, "absent"])
def test_no_cluster_means_the_default_cluster_as_in_ecs(cluster: str | None) -> None:
    recorded = (
        {"taskDefinition": "nightly"}
        if cluster == "absent"
        else {"taskDefinition": "nightly", "cluster": None}
    )
    assert request.cluster_name(_rebuild(recorded).parameters) == "default"


def test_nesting_deeper_than_any_request_is_refused() -> None:
    deep: Any = "x"
    for _ in range(request.DEPTH_MAX + 1):
        deep = [deep]
    with pytest.raises(request.RequestError, match="levels deep"):
        request.rebuild(EVERYTHING | {"overrides": deep})


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (
            {"overrides": {"containerOverrides": [{"name": "app", "environment": request.HIDDEN}]}},
            ("overrides.containerOverrides[app].environment",),
        ),
        (
            {
                "overrides": {
                    "containerOverrides": [
                        {"environment": request.HIDDEN.lower()},
                        {"command": [request.HIDDEN]},
                    ]
                }
            },
            ("overrides.containerOverrides[0].environment", "overrides.containerOverrides[1].command[0]"),
        ),
        ({"overrides": f"<{request.HIDDEN}>"}, ("overrides",)),
        ({"tags": [{"key": "k", "value": f"a{request.HIDDEN}b"}]}, ("tags[0].value",)),
        ({"group": {request.HIDDEN: 1}}, ("group (a key)",)),
    ],
)
def test_a_request_with_hidden_values_is_another_type_that_names_them(
    change: dict[str, Any], missing: tuple[str, ...]
) -> None:
    """Wherever CloudTrail hides something, a whole value or a part of one, the request is not run."""
    rebuilt = request.rebuild(EVERYTHING | change)
    assert isinstance(rebuilt, IncompleteRequest)
    assert rebuilt.missing == missing


def test_an_attempt_adds_its_token_and_mark_and_changes_nothing_else() -> None:
    body = request.for_call(_rebuild(EVERYTHING), missing=3, token="t", started_by="m")
    assert body == EVERYTHING | {"clientToken": "t", "startedBy": "m"}


@pytest.mark.parametrize(("asked", "missing", "count"), [(3, 2, 2), (3, 3, 3), (None, 1, None), (1, 1, 1)])
def test_an_attempt_asks_for_the_missing_tasks_only(
    asked: int | None, missing: int, count: int | None
) -> None:
    body = request.for_call(
        _rebuild(EVERYTHING | {"count": asked}), missing=missing, token="t", started_by="m"
    )
    assert body["count"] == count


def test_the_recorded_request_is_not_changed_by_what_is_made_of_it() -> None:
    before = json.dumps(EVERYTHING)
    rebuilt = _rebuild(EVERYTHING)
    request.for_call(rebuilt, missing=1, token="t", started_by="m")
    request.masked(rebuilt.parameters)
    assert json.dumps(EVERYTHING) == before
    with pytest.raises(TypeError):
        rebuilt.parameters["count"] = 9  # type: ignore[index]


def test_shown_parameters_have_names_of_variables_and_never_their_values() -> None:
    shown = request.masked(EVERYTHING)
    assert "full" not in json.dumps(shown)
    assert shown["overrides"]["containerOverrides"][0]["environment"] == [{"name": "MODE", "value": "***"}]
    assert shown["overrides"]["containerOverrides"][0]["command"] == ["run", "--day", "2026-11-24"]
    others = EVERYTHING.keys() - {"overrides", "memberOfNextYear"}
    assert {name: shown[name] for name in others} == {name: EVERYTHING[name] for name in others}
    assert shown["memberOfNextYear"] == "***"


@pytest.mark.parametrize(
    "environment", ["canary", ["canary"], {"a": "canary"}, [{"value": "canary"}], [["canary"]], 7]
)
def test_no_shape_of_environment_shows_a_value(environment: Any) -> None:
    shown = request.masked({"overrides": {"containerOverrides": [{"environment": environment}, "x"]}})
    assert "canary" not in json.dumps(shown)


ENVIRONMENT = [{"name": "PASSWORD", "value": "canary"}]


@pytest.mark.parametrize(
    "parameters_",
    [
        {"overrides": {"ContainerOverrides": [{"Environment": ENVIRONMENT}]}},
        {"Overrides": {"containerOverrides": [{"ENVIRONMENT": ENVIRONMENT}]}},
        {"overrides": {"containerOverrides": {"environment": ENVIRONMENT}}},
        {"overrides": {"containerOverrides": {"0": {"environment": ENVIRONMENT}}}},
        {"overrides": {"containerOverrides": [[{"environment": ENVIRONMENT}]]}},
        {"overrides": {"containerOverrides": [{"env": ENVIRONMENT, "environmentVariables": ENVIRONMENT}]}},
        {"overrides": {"environment": ENVIRONMENT}},
        {"environment": {"PASSWORD": "canary"}},
        {"overrides": [{"environment": ENVIRONMENT}]},
        {"overrides": json.dumps({"containerOverrides": [{"environment": ENVIRONMENT}]})},
        {"overrides": {"containerOverrides": json.dumps([{"environment": ENVIRONMENT}])}},
        {"overrides": {"containerOverrides": [json.dumps({"environment": ENVIRONMENT})]}},
        {"overrides": {"containerOverrides": [{"environment": [{"Name": "PASSWORD", "Value": "canary"}]}]}},
        {"overrides": {"containerOverrides": [{"environment": [{"name": ["canary"]}]}]}},
        {"overrides": {"containerOverrides": {"app": "PASSWORD=canary"}}},
        {"overrides": {"containerOverrides": [{"variables": ENVIRONMENT}]}},
        {"overrides": {"containerOverrides": [{"secrets": [{"name": "PASSWORD", "valueFrom": "canary"}]}]}},
        {"overrides": {"newMember": "canary"}},
        {"overrides": {"containerOverrides": ENVIRONMENT}},
        {"overrides": {"value": "canary"}},
        {"overrides": {"containerOverrides": [{"resourceRequirements": [{"value": {"a": "canary"}}]}]}},
        {"overrides": {"name": {"value": "canary"}}},
        {"newMember": {"PASSWORD": "canary"}},
    ],
)
def test_no_shape_around_the_environment_shows_a_value(parameters_: dict[str, Any]) -> None:
    """Somebody who writes a record by hand may have it from a template, a target's input or a task definition."""
    shown = json.dumps(request.masked(parameters_))
    assert "canary" not in shown
    assert "***" in shown


def test_what_holds_no_values_is_shown_as_it_is() -> None:
    files = [{"value": "arn:aws:s3:::b/x.env", "type": "s3"}]
    gpu = [{"type": "GPU", "value": "1"}]
    app = {
        "name": "app",
        "environmentFiles": files,
        "cpu": 256,
        "command": ["env"],
        "resourceRequirements": gpu,
    }
    whole = {
        "containerOverrides": [app],
        "cpu": "256",
        "ephemeralStorage": {"sizeInGiB": 30},
        "taskRoleArn": "r",
    }
    for over in (whole, request.HIDDEN, None):
        assert request.masked({"overrides": over}) == {"overrides": over}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _JSON))
def test_whatever_is_recorded_is_kept_whole_or_refused(extra: dict[str, Any]) -> None:
    recorded = parameters() | extra
    try:
        rebuilt = request.rebuild(recorded)
    except request.RequestError:
        return
    dropped = {"clientToken", "referenceId", "dryrun", "tags"}
    assert {k: v for k, v in rebuilt.parameters.items() if k != "tags"} == {
        k: v for k, v in recorded.items() if k not in dropped
    }
    request.masked(rebuilt.parameters)


@pytest.mark.parametrize(
    ("task_definition", "family"),
    [("nightly", "nightly"), ("nightly:7", "nightly"), (TASK_DEFINITION, "nightly"), (None, "")],
)
def test_the_family_is_found_in_every_spelling(task_definition: str | None, family: str) -> None:
    assert request.family({"taskDefinition": task_definition}) == family
    assert request.cluster_name({"cluster": CLUSTER}) == request.cluster_name({"cluster": "batch"}) == "batch"
