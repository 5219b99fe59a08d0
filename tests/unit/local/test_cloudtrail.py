"""Records look as CloudTrail's do: those that were captured, and those that are described.

The captured record, and the page that describes the members:
https://github.com/aws-samples/sample-auto-map-tagger/blob/main/tests/fixtures/runtask-cloudtrail-event.json
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from retry_run_task.local.cloudtrail.records import (
    HIDDEN,
    ApiCall,
    ApiCaller,
    batch_caller,
    lambda_caller,
    record,
    rule_caller,
    scheduler_caller,
    sdk_caller,
    step_functions_caller,
)
from retry_run_task.local.ecs.service import NO_CAPACITY, Ecs, EcsError

Json = dict[str, Any]

ACCOUNT, REGION = "123456789012", "ap-northeast-2"
NOW = datetime(2026, 7, 15, 7, 49, 26, 987654, tzinfo=UTC)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/ecsEventsRole"
CANARY = "canary-9c41"
ENVIRONMENT = [{"name": "SECRET", "value": CANARY}]
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a"], "assignPublicIp": "ENABLED"}}
BODY: Json = {
    "cluster": "batch",
    "count": 1,
    "launchType": "FARGATE",
    "networkConfiguration": NETWORK,
    "taskDefinition": "nightly",
    "clientToken": "584efbcc-7c6b-4a92-bc98-27b267f31873",
}


def make_ecs() -> tuple[Ecs, list[ApiCall]]:
    ecs = Ecs(account=ACCOUNT, region=REGION, now=lambda: NOW)
    ecs.create_cluster("batch")
    ecs.register_task_definition("nightly", containers=("app", "side"))
    ecs.add_subnet("subnet-a", "ap-northeast-2a")
    calls: list[ApiCall] = []
    ecs.on_call.append(calls.append)
    return ecs, calls


def call(caller: ApiCaller | None = None, **members: Any) -> ApiCall:
    ecs, calls = make_ecs()
    ecs.run_task(BODY | members, caller)
    return calls[0]


def refused(code: str = "ThrottlingException", message: str = "Rate exceeded", **members: Any) -> ApiCall:
    ecs, calls = make_ecs()
    ecs.faults.raise_next(1, code, message)
    with pytest.raises(EcsError):
        ecs.run_task(BODY | members)
    return calls[0]


# What was captured on 2026-07-15: the members of each level, in their order.
CAPTURED = [
    "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress",
    "userAgent", "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType",
    "managementEvent", "recipientAccountId", "eventCategory", "tlsDetails",
]  # fmt: skip
CAPTURED_TASK = [
    "attachments", "attributes", "availabilityZone", "clusterArn", "containers", "cpu", "createdAt",
    "desiredStatus", "enableExecuteCommand", "group", "lastStatus", "launchType", "memory", "overrides",
    "platformVersion", "platformFamily", "tags", "taskArn", "taskDefinitionArn", "version", "ephemeralStorage",
    "fargateEphemeralStorage",
]  # fmt: skip


def test_a_success_looks_like_the_captured_record() -> None:
    written = record(call())
    assert list(written) == CAPTURED
    assert written["eventVersion"] == "1.11"
    assert written["eventTime"] == "2026-07-15T07:49:26Z"
    assert (written["eventSource"], written["eventName"]) == ("ecs.amazonaws.com", "RunTask")
    assert (written["awsRegion"], written["recipientAccountId"]) == (REGION, ACCOUNT)
    assert (written["readOnly"], written["managementEvent"]) == (False, True)
    assert (written["eventType"], written["eventCategory"]) == ("AwsApiCall", "Management")
    assert written["requestParameters"] == BODY | {
        "enableECSManagedTags": False,
        "enableExecuteCommand": False,
        "dryrun": False,
    }
    assert list(written["responseElements"]) == ["tasks", "failures"]
    assert written["responseElements"]["failures"] == []
    task = written["responseElements"]["tasks"][0]
    assert list(task) == CAPTURED_TASK
    assert task["createdAt"] == "2026-07-15T07:49:26Z"
    assert task["lastStatus"] == "PROVISIONING"
    assert task["overrides"] == {
        "containerOverrides": [{"name": "app"}, {"name": "side"}],
        "inferenceAcceleratorOverrides": [],
    }
    assert written["tlsDetails"] == {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": f"ecs.{REGION}.amazonaws.com",
    }


def test_a_record_is_json_and_its_ids_are_uuids() -> None:
    made = call()
    written = record(made)
    assert json.loads(json.dumps(written)) == written
    assert written["requestID"] == made.request_id
    assert str(uuid.UUID(written["requestID"])) == written["requestID"]
    assert uuid.UUID(written["requestID"]).version == 4
    assert str(uuid.UUID(written["eventID"])) == written["eventID"]


def test_a_call_has_one_record_and_another_call_another_one() -> None:
    made = call()
    assert record(made) == record(made)
    assert record(replace(made, request_id="other"))["eventID"] != record(made)["eventID"]
    assert record(made, event_id="mine")["eventID"] == "mine"


def test_times_are_utc() -> None:
    made = replace(call(), time=NOW.astimezone(timezone(timedelta(hours=9))))
    assert record(made)["eventTime"] == "2026-07-15T07:49:26Z"


def test_a_failed_placement_is_no_error_to_cloudtrail() -> None:
    ecs, calls = make_ecs()
    ecs.capacity.set("ap-northeast-2a", "FARGATE", 1)
    ecs.run_task(BODY | {"count": 2})
    written = record(calls[0])
    assert len(written["responseElements"]["tasks"]) == 1
    assert written["responseElements"]["failures"] == [{"reason": NO_CAPACITY}]
    assert "errorCode" not in written
    assert "errorMessage" not in written


def test_a_refused_call_has_an_error_and_no_answer() -> None:
    written = record(refused())
    assert (written["errorCode"], written["errorMessage"]) == ("ThrottlingException", "Rate exceeded")
    assert written["responseElements"] is None
    assert written["requestParameters"]["taskDefinition"] == "nightly"
    assert list(written).index("errorCode") == CAPTURED.index("requestParameters")


@pytest.mark.parametrize(
    ("code", "expected", "is_known"),
    [
        # Denials of other services were seen as "AccessDenied" and without parameters.
        ("AccessDeniedException", "AccessDenied", False),
        ("AccessDenied", "AccessDenied", True),
        ("SerializationException", "SerializationException", False),
        ("ServerException", "ServerException", True),
        ("ClientException", "ClientException", True),
    ],
)
def test_what_is_known_of_a_refused_call_depends_on_the_error(
    code: str, expected: str, is_known: bool
) -> None:
    written = record(refused(code, "text"))
    assert written["errorCode"] == expected
    assert (written["requestParameters"] is not None) is is_known
    assert "requestParameters" in written


def test_a_lost_answer_is_recorded_as_the_error_that_the_caller_saw() -> None:
    ecs, calls = make_ecs()
    ecs.faults.lose_answers(1)
    with pytest.raises(EcsError):
        ecs.run_task(BODY)
    written = record(calls[0])
    assert (written["errorCode"], written["responseElements"]) == ("ServerException", None)


# https://github.com/aws-samples/aws-batch-runtime-monitoring/issues/20
@pytest.mark.parametrize("environment", [ENVIRONMENT, []], ids=["set", "set to nothing"])
def test_environment_overrides_are_hidden_on_both_sides(environment: list[Json]) -> None:
    """The value of the member is a string then, where the API has a list."""
    made = call(
        overrides={
            "cpu": "512",
            "memory": "1024",
            "containerOverrides": [{"name": "side", "environment": environment, "command": ["visible"]}],
        }
    )
    written = record(made)
    assert CANARY not in json.dumps(written)
    assert HIDDEN == "HIDDEN_DUE_TO_SECURITY_REASONS"
    shown = {"name": "side", "environment": HIDDEN, "command": ["visible"]}
    assert written["requestParameters"]["overrides"] == {
        "cpu": "512",
        "memory": "1024",
        "containerOverrides": [shown],
    }
    task = written["responseElements"]["tasks"][0]
    assert task["overrides"]["containerOverrides"] == [{"name": "app"}, shown]
    # The call itself, and what the caller got, still have it.
    assert made.body["overrides"]["containerOverrides"][0]["environment"] == environment


def test_an_environment_that_was_not_overridden_leaves_no_mark() -> None:
    written = record(call(overrides={"containerOverrides": [{"name": "app", "command": ["x"]}]}))
    assert HIDDEN not in json.dumps(written)
    assert "environment" not in json.dumps(written)


def test_the_environment_is_hidden_in_a_refused_call_as_well() -> None:
    overrides = {"containerOverrides": [{"name": "app", "environment": ENVIRONMENT}]}
    written = record(refused(overrides=overrides))
    assert CANARY not in json.dumps(written)
    assert HIDDEN in json.dumps(written)


def test_what_was_sent_stays_and_what_was_not_sent_is_missing() -> None:
    """Booleans alone are there when not sent; a member that ECS of today does not know stays as well."""
    parameters = record(call(enableExecuteCommand=True, tags=[{"key": "a"}], newMember={"a": 1}, group=None))[
        "requestParameters"
    ]
    assert parameters["enableExecuteCommand"] is True
    assert parameters["tags"] == [{"key": "a"}]
    assert parameters["newMember"] == {"a": 1}
    assert not {"group", "overrides", "startedBy"} & parameters.keys()


def test_a_member_beyond_100_kb_is_omitted() -> None:
    """Each on its own, in bytes; some tasks with long overrides are enough for the answer."""
    overrides = {"containerOverrides": [{"name": "app", "command": ["\N{HIRAGANA LETTER A}" * 8000]}]}
    small, large = record(call(count=3, overrides=overrides)), record(call(count=4, overrides=overrides))
    assert "responseElements" in small
    assert "responseElements" not in large
    assert large["requestParameters"]["count"] == 4
    made = call()
    huge = record(replace(made, body={**made.body, "x": "y" * 102_400}))
    assert "requestParameters" not in huge
    assert "responseElements" in huge


def test_long_texts_are_cut_at_1_kb() -> None:
    written = record(refused("ClientException", "ä" * 2000))
    assert written["errorMessage"] == "ä" * 512
    made = replace(call(), caller=sdk_caller(ROLE, user_agent="x" + "ä" * 2000))
    assert len(record(made)["userAgent"].encode()) == 1023


@pytest.mark.parametrize(
    ("caller", "service"),
    [
        # https://github.com/aws/aws-cdk/issues/16093
        (rule_caller(ROLE), "events.amazonaws.com"),
        # https://github.com/linz/geostore/issues/1687
        (batch_caller(ROLE), "batch.amazonaws.com"),
        # Not seen.
        (step_functions_caller(ROLE), "states.amazonaws.com"),
    ],
    ids=["rule", "batch", "step functions"],
)
def test_a_service_that_calls_from_inside_says_so(caller: ApiCaller, service: str) -> None:
    written = record(call(caller))
    assert written["userIdentity"]["invokedBy"] == service
    assert (written["sourceIPAddress"], written["userAgent"]) == (service, service)
    assert "tlsDetails" not in written


@pytest.mark.parametrize(
    ("caller", "agent"),
    [
        (scheduler_caller(ROLE), "AmazonEventBridgeScheduler aws-sdk-java/2."),
        (lambda_caller(ROLE, "recover"), "Boto3/"),
        (sdk_caller(ROLE), "aws-cli/"),
    ],
    ids=["scheduler", "lambda", "sdk"],
)
def test_a_caller_from_outside_has_an_address_and_an_agent(caller: ApiCaller, agent: str) -> None:
    """Also EventBridge Scheduler, which is not recognisable by ``invokedBy``."""
    written = record(call(caller))
    assert "invokedBy" not in written["userIdentity"]
    assert written["userAgent"].startswith(agent)
    assert not written["sourceIPAddress"].endswith(".amazonaws.com")
    assert "tlsDetails" in written


@pytest.mark.parametrize(
    "caller",
    [
        rule_caller(ROLE),
        scheduler_caller(ROLE),
        lambda_caller(ROLE),
        sdk_caller(ROLE),
        batch_caller(ROLE),
        step_functions_caller(ROLE),
    ],
)
def test_the_role_is_the_session_s_issuer(caller: ApiCaller) -> None:
    """https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html."""
    identity = record(call(caller))["userIdentity"]
    session = identity["arn"].rsplit("/", 1)[1]
    issuer = identity["sessionContext"]["sessionIssuer"]
    assert identity["type"] == "AssumedRole"
    assert identity["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsEventsRole/{session}"
    assert identity["accountId"] == issuer["accountId"] == ACCOUNT
    assert (issuer["type"], issuer["arn"], issuer["userName"]) == ("Role", ROLE, "ecsEventsRole")
    assert issuer["principalId"].startswith("AROA")
    assert identity["principalId"] == f"{issuer['principalId']}:{session}"
    assert identity["accessKeyId"].startswith("ASIA")
    assert identity["sessionContext"]["attributes"] == {
        "creationDate": "2026-07-15T07:49:26Z",
        "mfaAuthenticated": "false",
    }


def test_a_user_is_a_user() -> None:
    """As in the captured record."""
    identity = record(call(sdk_caller(f"arn:aws:iam::{ACCOUNT}:user/ops/admin")))["userIdentity"]
    assert list(identity) == ["type", "principalId", "arn", "accountId", "accessKeyId", "userName"]
    assert (identity["type"], identity["userName"]) == ("IAMUser", "admin")
    assert (identity["principalId"][:4], identity["accessKeyId"][:4]) == ("AIDA", "AKIA")


def test_partitions_are_kept_and_roles_told_apart() -> None:
    china = rule_caller("arn:aws-cn:iam::123456789012:role/a")
    assert china.identity["arn"].startswith("arn:aws-cn:sts::")
    assert rule_caller(ROLE) == rule_caller(ROLE)
    assert rule_caller(ROLE).identity["principalId"] != rule_caller(ROLE + "2").identity["principalId"]
    assert lambda_caller(ROLE, "recover").identity["arn"].endswith("/recover")
