"""CloudTrail's record of a call to ECS, by kind of caller.

A record has the members, and their order, of one that was captured in July 2026:
https://github.com/aws-samples/sample-auto-map-tagger/blob/main/tests/fixtures/runtask-cloudtrail-event.json
What the members mean:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.local.ecs.validation import EcsError

Json = dict[str, Any]

# https://github.com/aws-samples/aws-batch-runtime-monitoring/issues/20 (June 2023).
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
LARGEST_MEMBER_BYTES = 100 * 1024
LARGEST_TEXT_BYTES = 1024
# Present and false in the captured record, though not sent; `dryrun` is not a public parameter.
FALSE_UNLESS_SENT = ("enableECSManagedTags", "enableExecuteCommand", "dryrun")
EVENT_ID_SPACE = uuid.UUID("6c2f7b0e-0f0a-5d2e-9b1e-3d1f4a8f6f10")

SCHEDULER_AGENT = (
    "AmazonEventBridgeScheduler aws-sdk-java/2.26.20 md/internal Linux/5.10 OpenJDK_64-Bit_Server_VM/21 "
    "Java/21 vendor/Amazon.com_Inc. io/async http/AwsCommonRuntime cfg/retry-mode/legacy"
)
LAMBDA_AGENT = (
    "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#5.10 md/arch#arm64 lang/python#3.13 "
    "md/pyimpl#CPython exec-env/AWS_Lambda_python3.13 cfg/retry-mode#standard Botocore/1.44.5"
)
SDK_AGENT = (
    "aws-cli/2.33.5 md/awscrt#0.29.1 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.13.11 "
    "md/command#ecs.run-task"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCaller:
    """The caller of the API.

    Attributes:
        identity: ``userIdentity``, without what depends on the time of the call.
        source_ip: ``sourceIPAddress``: an address, or the name of the AWS service that calls.
        user_agent: ``userAgent``, likewise.
        has_tls: Whether the record has ``tlsDetails``; it has none if an AWS service calls from inside.
    """

    identity: Mapping[str, Any]
    source_ip: str
    user_agent: str
    has_tls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call to the API and its result; ``response`` is None if it was an error."""

    operation: str
    body: Mapping[str, Any]
    response: Mapping[str, Any] | None
    error: EcsError | None
    caller: ApiCaller
    time: datetime
    request_id: str
    account: str
    region: str


def rule_caller(role: str, *, session: str | None = None) -> ApiCaller:
    """An EventBridge rule that calls with the role of its target.

    ``invokedBy``, source and agent are those of public records:
    https://github.com/aws/aws-cdk/issues/16093
    """
    return _service_caller(role, "events.amazonaws.com", session or _digest(role)[:32])


def scheduler_caller(role: str, *, source_ip: str = "198.51.100.17") -> ApiCaller:
    """EventBridge Scheduler, which calls from outside: no ``invokedBy``, a public address, an SDK's agent.

    Known from one record of a universal target, not of a RunTask; the session's name is a guess.
    """
    return ApiCaller(
        identity=_assumed_role(role, _digest(role)[:32]), source_ip=source_ip, user_agent=SCHEDULER_AGENT
    )


def lambda_caller(role: str, function: str = "recover", *, source_ip: str = "198.51.100.23") -> ApiCaller:
    """A Lambda function: its name is the session of its execution role."""
    return ApiCaller(identity=_assumed_role(role, function), source_ip=source_ip, user_agent=LAMBDA_AGENT)


def sdk_caller(
    principal: str, *, session: str = "session", source_ip: str = "198.51.100.1", user_agent: str = SDK_AGENT
) -> ApiCaller:
    """A user or program with an SDK or the AWS CLI, as an IAM user or with a role (an ARN either way)."""
    identity = _assumed_role(principal, session) if ":role/" in principal else _user(principal)
    return ApiCaller(identity=identity, source_ip=source_ip, user_agent=user_agent)


def batch_caller(role: str) -> ApiCaller:
    """AWS Batch. https://github.com/linz/geostore/issues/1687 has a record."""
    return _service_caller(role, "batch.amazonaws.com", "aws-batch")


def step_functions_caller(role: str) -> ApiCaller:
    """Step Functions with the role of a state machine; source and agent are guessed, no record was found."""
    return _service_caller(role, "states.amazonaws.com", _digest(role)[:32])


def _service_caller(role: str, service: str, session: str) -> ApiCaller:
    identity = {**_assumed_role(role, session), "invokedBy": service}
    return ApiCaller(identity=identity, source_ip=service, user_agent=service, has_tls=False)


def _assumed_role(role: str, session: str) -> Json:
    _, partition, _, _, account, path = role.split(":", 5)
    name = path.rsplit("/", 1)[-1]
    principal = "AROA" + _digest(role)[:17].upper()
    return {
        "type": "AssumedRole",
        "principalId": f"{principal}:{session}",
        "arn": f"arn:{partition}:sts::{account}:assumed-role/{name}/{session}",
        "accountId": account,
        "accessKeyId": "ASIA" + _digest(role + session)[:16].upper(),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal,
                "arn": role,
                "accountId": account,
                "userName": name,
            },
        },
    }


def _user(user: str) -> Json:
    return {
        "type": "IAMUser",
        "principalId": "AIDA" + _digest(user)[:17].upper(),
        "arn": user,
        "accountId": user.split(":")[4],
        "accessKeyId": "AKIA" + _digest(user)[:16].upper(),
        "userName": user.rsplit("/", 1)[-1],
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def record(call: ApiCall, *, event_id: str | None = None) -> Json:
    """Write the record of a call.

    Without an ``event_id`` it is derived from the request id, so that a call has one record.
    """
    written: Json = {
        "eventVersion": "1.11",
        "userIdentity": _identity_at(call),
        "eventTime": iso(call.time),
        "eventSource": "ecs.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": call.region,
        "sourceIPAddress": call.caller.source_ip,
        "userAgent": _cut(call.caller.user_agent),
    }
    if call.error is not None:
        written["errorCode"] = _error_code(call.error)
        written["errorMessage"] = _cut(call.error.message)
    for name, value in (
        ("requestParameters", _request_parameters(call)),
        ("responseElements", None if call.response is None else _response_elements(call.response)),
    ):
        # "Omitted" is all that is documented; that nothing replaces it is assumed.
        if (
            value is None
            or len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))
            <= LARGEST_MEMBER_BYTES
        ):
            written[name] = value
    written |= {
        "requestID": call.request_id,
        "eventID": event_id or str(uuid.uuid5(EVENT_ID_SPACE, call.request_id)),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    if call.caller.has_tls:
        written["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": f"ecs.{call.region}.amazonaws.com",
        }
    return written


def _identity_at(call: ApiCall) -> Json:
    identity = dict(call.caller.identity)
    if "sessionContext" in identity:
        identity["sessionContext"] = {
            **identity["sessionContext"],
            "attributes": {"creationDate": iso(call.time), "mfaAuthenticated": "false"},
        }
    return identity


def _error_code(error: EcsError) -> str:
    # Denials were seen without "Exception", other errors with it.
    return "AccessDenied" if error.code == "AccessDeniedException" else error.code


def _request_parameters(call: ApiCall) -> Json | None:
    # Null in the denied calls that were seen (of other services). A request that could not be read has no parameters to
    # record.
    if call.error is not None and call.error.code in {"AccessDeniedException", "SerializationException"}:
        return None
    parameters = {name: value for name, value in call.body.items() if value is not None}
    if parameters.get("overrides"):
        parameters["overrides"] = _hide_environment(parameters["overrides"])
    for name in FALSE_UNLESS_SENT:
        parameters.setdefault(name, False)
    return parameters


def _response_elements(response: Mapping[str, Any]) -> Json:
    return {**response, "tasks": [_task(task) for task in response.get("tasks", ())]}


def _task(task: Mapping[str, Any]) -> Json:
    written: Json = {
        name: iso(datetime.fromtimestamp(value, UTC)) if name.endswith("At") else value
        for name, value in task.items()
    }
    if written.get("overrides"):
        # Only the request's side was seen; that the answer is redacted likewise is assumed.
        written["overrides"] = _hide_environment(written["overrides"])
    return written


def _hide_environment(overrides: Mapping[str, Any]) -> Json:
    """Replace every environment that was overridden by the marker; one that was not stays absent."""
    containers = overrides.get("containerOverrides")
    if not containers:
        return dict(overrides)
    return {
        **overrides,
        "containerOverrides": [
            {**container, "environment": HIDDEN} if "environment" in container else container
            for container in containers
        ],
    }


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:LARGEST_TEXT_BYTES].decode(errors="ignore")
