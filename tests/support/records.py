"""CloudTrail records and the events that carry them, for tests. Shapes as in ``tests/events/README.md``."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, Failure, Origin, Request

CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch"
TASK_DEFINITION = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/nightly:7"
EVENT_ID = "9d9f0b5e-0b1c-4f0e-9f0e-7c1d2f3a4b5c"
RULE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecsEventsRole"

HAND_MADE: dict[str, Any] = {
    "eventTime": "2023-12-04T13:00:00Z",
    "eventName": "RunTask",
    "requestParameters": {
        "count": 1,
        "launchType": "FARGATE",
        "networkConfiguration": {
            "awsvpcConfiguration": {"securityGroups": ["sg-0123"], "subnets": ["subnet-a", "subnet-c"]}
        },
        "cluster": CLUSTER,
        "taskDefinition": TASK_DEFINITION,
    },
    "responseElements": {"failures": [{"reason": CAPACITY}], "tasks": []},
}
"""What a person puts into the log group to see the system work: no caller, no event id, no source."""


def parameters(**changes: Any) -> dict[str, Any]:
    """Return what a rule asks for; a change to None leaves a member out."""
    wanted = {
        "cluster": CLUSTER,
        "taskDefinition": TASK_DEFINITION,
        "count": 1,
        "launchType": "FARGATE",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-a", "subnet-c"],
                "securityGroups": ["sg-0123"],
                "assignPublicIp": "DISABLED",
            }
        },
        "startedBy": "events-rule/nightly",
        "enableECSManagedTags": False,
        "enableExecuteCommand": False,
        "dryrun": False,
        "clientToken": "0b0e7a1c-1d2e-4f3a-8b4c-5d6e7f8a9b0c",
    } | changes
    return {name: value for name, value in wanted.items() if value is not None}


def record(*, request: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the record of a rule's call that placed nothing."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:session",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsEventsRole/session",
            "accountId": ACCOUNT,
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "arn": RULE_ROLE, "userName": "ecsEventsRole"}
            },
            "invokedBy": "events.amazonaws.com",
        },
        "eventTime": "2026-11-24T00:00:03Z",
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "awsRegion": REGION,
        "sourceIPAddress": "events.amazonaws.com",
        "userAgent": "events.amazonaws.com",
        "requestParameters": parameters() if request is None else request,
        "responseElements": {"tasks": [], "failures": [{"reason": CAPACITY}]},
        "requestID": "5c5d7e0e-8d0b-4b5b-9f4e-1f2e3d4c5b6a",
        "eventID": EVENT_ID,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    } | changes


def error_record(code: str, message: str, **changes: Any) -> dict[str, Any]:
    """Return the record of a call that raised an error."""
    return record(errorCode=code, errorMessage=message, responseElements=None, **changes)


def pack(payload: Any) -> dict[str, Any]:
    """Return a subscription event with any payload."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    data = gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0)
    return {"awslogs": {"data": base64.b64encode(data).decode()}}


def awslogs(*messages: Any, **changes: Any) -> dict[str, Any]:
    """Return a subscription event; a message that is not text is written as JSON."""
    return pack(
        {
            "messageType": "DATA_MESSAGE",
            "owner": ACCOUNT,
            "logGroup": "aws-cloudtrail-logs",
            "logStream": f"{ACCOUNT}_CloudTrail_{REGION}",
            "subscriptionFilters": ["RunTaskFailureFilter"],
            "logEvents": [
                {
                    "id": f"{37110000000000000000000000000000000000000000000000000000 + n}",
                    "timestamp": 1795478703000 + n,
                    "message": m if isinstance(m, str) else json.dumps(m),
                }
                for n, m in enumerate(messages)
            ],
        }
        | changes
    )


def eventbridge(detail: Any, **changes: Any) -> dict[str, Any]:
    """Return an EventBridge event of an API call."""
    return {
        "version": "0",
        "id": "6f87d04b-9f6e-4f2f-9a3c-0b1c2d3e4f50",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": "2026-11-24T00:00:03Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    } | changes


def launch(*, request: dict[str, Any] | None = None, **changes: Any) -> FailedLaunch:
    """Return a failed launch of a rule, as intake would make it."""
    recorded = parameters(clientToken=None, dryrun=None) if request is None else request
    values: dict[str, Any] = {
        "event_id": EVENT_ID,
        "call_id": "0123456789abcdef0123456789abcdef",
        "event_time": datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC),
        "account": ACCOUNT,
        "region": REGION,
        "caller": Caller(kind=CallerKind.RULE, role_arn=RULE_ROLE),
        "request": Request(parameters=recorded),
        "failures": (Failure(origin=Origin.ANSWER, reason=CAPACITY),),
    }
    return FailedLaunch(**(values | changes))
