"""Subscription events of any size, with records as long and as varied as CloudTrail's."""

from __future__ import annotations

import base64
import gzip
import json
import uuid
from random import Random
from typing import Any

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"

# One of so many records is a failed launch in scope, in the payload that is mostly others.
ONE_IN = 20

Json = dict[str, Any]


def event(records: int, *, mostly_others: bool = False, seed: int = 0) -> Json:
    """Return a subscription event with so many records, the same ones for the same seed."""
    random = Random(seed)
    messages = [
        json.dumps(_other(random, n) if mostly_others and n % ONE_IN else _failed(random, n))
        for n in range(records)
    ]
    payload = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "aws-cloudtrail-logs",
        "logStream": f"{ACCOUNT}_CloudTrail_{REGION}",
        "subscriptionFilters": ["RunTaskFailureFilter"],
        "logEvents": [
            {"id": f"{37 * 10**54 + n}", "timestamp": 1795478703000 + n, "message": message}
            for n, message in enumerate(messages)
        ],
    }
    data = gzip.compress(json.dumps(payload).encode(), mtime=0)
    return {"awslogs": {"data": base64.b64encode(data).decode()}}


def record_bytes() -> int:
    """Return how long a record of a failed launch is."""
    return len(json.dumps(_failed(Random(0), 0)))


def _uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _failed(random: Random, number: int) -> Json:
    """Return the record of a rule's or schedule's call that placed nothing."""
    by_schedule = number % 2 == 0
    service = "scheduler.amazonaws.com" if by_schedule else "events.amazonaws.com"
    started_by = f"{'chronos-schedule' if by_schedule else 'events-rule'}/job-{number}"
    reasons = [CAPACITY] if number % 3 else ["RESOURCE:MEMORY", "RESOURCE:CPU"]
    failures = [
        {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/batch/{number:032x}", "reason": reason}
        for reason in reasons
    ]
    return _record(random, number, service, _parameters(random, number, started_by), failures)


def _other(random: Random, number: int) -> Json:
    """Return a record of no failed launch: of ourselves, of AWS Batch, complete, or of another call."""
    parameters = _parameters(random, number, f"events-rule/job-{number}")
    failures = [{"reason": CAPACITY}]
    match number % 4:
        case 0:
            parameters["clientToken"] = f"rrt-{random.getrandbits(128):032x}-3"
            return _record(random, number, "ecs.amazonaws.com", parameters, failures)
        case 1:
            return _record(random, number, "batch.amazonaws.com", parameters, failures)
        case 2:
            record = _record(random, number, "events.amazonaws.com", parameters, [])
            arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/{random.getrandbits(128):032x}"
            record["responseElements"]["tasks"] = [{"taskArn": arn, "lastStatus": "PROVISIONING"}]
            return record
        case _:
            return _record(random, number, "ecs.amazonaws.com", parameters, []) | {
                "eventName": "DescribeTasks"
            }


def _parameters(random: Random, number: int, started_by: str) -> Json:
    return {
        "clientToken": _uuid(random),
        "cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch",
        "taskDefinition": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/job-{number % 300}:7",
        "count": 1,
        "launchType": "FARGATE",
        "platformVersion": "LATEST",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": [f"subnet-{letter}{random.getrandbits(64):016x}" for letter in "acd"],
                "securityGroups": [f"sg-{random.getrandbits(64):016x}"],
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": {
            "containerOverrides": [
                {
                    "name": "app",
                    "command": [
                        "python",
                        "-m",
                        "batch.nightly",
                        "--job",
                        f"job-{number}",
                        "--date",
                        "2026-11-24",
                    ],
                    "cpu": 1024,
                    "memory": 2048,
                },
                {"name": "log-router", "memoryReservation": 50},
            ],
            "taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/batch-task-role",
        },
        "tags": [
            {"key": key, "value": f"{key}-{number % 7}"} for key in ("team", "cost-center", "environment")
        ],
        "propagateTags": "TASK_DEFINITION",
        "startedBy": started_by,
        "enableECSManagedTags": True,
        "enableExecuteCommand": False,
        "dryrun": False,
    }


def _record(random: Random, number: int, service: str, parameters: Json, failures: list[Json]) -> Json:
    role = f"batch-invoke-role-{number % 50}"
    session = f"{random.getrandbits(128):032x}"
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLEEXAMPLE000:{session}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
            "accountId": ACCOUNT,
            "accessKeyId": "ASIAEXAMPLEEXAMPLE00",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAEXAMPLEEXAMPLE000",
                    "arn": f"arn:aws:iam::{ACCOUNT}:role/service-role/{role}",
                    "accountId": ACCOUNT,
                    "userName": role,
                },
                "attributes": {"creationDate": "2026-11-24T00:00:02Z", "mfaAuthenticated": "false"},
            },
            "invokedBy": service,
        },
        "eventTime": f"2026-11-24T00:{number // 60 % 60:02}:{number % 60:02}Z",
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "awsRegion": REGION,
        "sourceIPAddress": service,
        "userAgent": service,
        "requestParameters": parameters,
        "responseElements": {"tasks": [], "failures": failures},
        "requestID": _uuid(random),
        "eventID": _uuid(random),
        "readOnly": False,
        "resources": [
            {"accountId": ACCOUNT, "type": "AWS::ECS::TaskDefinition", "ARN": parameters["taskDefinition"]},
            {"accountId": ACCOUNT, "type": "AWS::ECS::Cluster", "ARN": parameters["cluster"]},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "sharedEventID": _uuid(random),
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": f"ecs.{REGION}.amazonaws.com",
        },
    }
