"""IAM statements in plain words: what each role of the stack may do, on what, and only when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.commands.deploy.template import Filled
    from retry_run_task.launch.values import JsonObject

# Written with the service and the operation apart, because they are looked up here, not called.
_WORDS: dict[str, dict[str, str]] = {
    "cloudtrail": {"LookupEvents": "look up calls in CloudTrail"},
    "ec2": {
        "AssignPrivateIpAddresses": "give network interfaces addresses",
        "CreateNetworkInterface": "make them",
        "DeleteNetworkInterface": "delete them",
        "DescribeNetworkInterfaces": "look at them",
        "DescribeSubnets": "look at subnets",
        "UnassignPrivateIpAddresses": "take addresses back",
    },
    "ecs": {
        "DescribeTasks": "look at tasks",
        "ListTagsForResource": "read tags of task definitions",
        "ListTasks": "list tasks",
        "RunTask": "start tasks",
        "StopTask": "stop tasks",
        "TagResource": "tag tasks",
    },
    "events": {
        "DescribeRule": "read rules",
        "ListEventBuses": "list event buses",
        "ListRuleNamesByTarget": "list rules",
        "ListRules": "list rules",
        "ListTagsForResource": "read tags of rules",
        "ListTargetsByRule": "read the targets of rules, with their inputs",
    },
    "iam": {"PassRole": "give tasks a role"},
    "kms": {"Decrypt": "decrypt with a key", "GenerateDataKey": "encrypt with a key"},
    "lambda": {
        "CheckpointDurableExecution": "save how far recoveries are",
        "GetDurableExecutionHistory": "read what recoveries did",
        "GetDurableExecutionState": "read how far recoveries are",
        "GetFunctionConfiguration": "read a function's settings",
        "InvokeFunction": "run a function",
        "ListDurableExecutionsByFunction": "list recoveries",
    },
    "logs": {"CreateLogStream": "begin a log stream", "PutLogEvents": "write log lines"},
    "scheduler": {
        "GetSchedule": "read schedules, with their inputs",
        "ListSchedules": "list schedules",
        "ListTagsForResource": "read tags of schedule groups",
    },
    "sns": {"Publish": "publish to a topic"},
    "sqs": {"SendMessage": "put messages into a queue"},
    "sts": {"AssumeRole": "take the role of other accounts"},
}

_CONDITIONS: dict[str, dict[str, str]] = {
    "aws": {"RequestedRegion": "in the Region", "ResourceAccount": "in the accounts"},
    "ecs": {"CreateAction": "while they are made by", "cluster": "on the clusters"},
    "iam": {"PassedToService": "for use by"},
    "kms": {"EncryptionContext:aws:lambda:FunctionArn": "for the function", "ViaService": "through"},
    "lambda": {"SourceFunctionArn": "called by the code of"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One permission of a role.

    Attributes:
        may: In plain words; begins with "not" if it is denied.
        on: ARNs, patterns and names.
        only: The condition in plain words; empty if there is none.
    """

    role: str
    may: str
    actions: tuple[str, ...]
    on: tuple[str, ...]
    only: str = ""


def statements(filled: Filled) -> tuple[Statement, ...]:
    """Return the permissions of a stack's roles, in the template's order, merged over resources."""
    merged: dict[tuple[str, ...], Statement] = {}
    for one in _all(filled):
        key = (one.role, one.may, one.only)
        merged[key] = replace(one, on=(*merged[key].on, *one.on)) if key in merged else one
    return tuple(merged.values())


def words_for(action: str) -> str:
    """Return what an action allows, in words; the action's own name if there are no words for it."""
    return _looked_up(_WORDS, action)


def _looked_up(words: dict[str, dict[str, str]], name: str) -> str:
    service, _, rest = name.partition(":")
    return words.get(service, {}).get(rest, name)


def _all(filled: Filled) -> Iterator[Statement]:
    policies = {
        resource["Properties"]["ManagedPolicyName"]: resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in filled.resources.values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    }
    for resource in filled.resources.values():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"].get("ManagedPolicyArns", ()):
                for one in policies[policy]:
                    yield _statement(resource["Properties"]["RoleName"], one)


def _statement(role: str, one: JsonObject) -> Statement:
    actions = _several(one["Action"])
    return Statement(
        role=role,
        may=("not " if one["Effect"] == "Deny" else "") + ", ".join(words_for(action) for action in actions),
        actions=actions,
        on=_several(one["Resource"]),
        only="; ".join(_only(one.get("Condition", {}))),
    )


def _only(condition: JsonObject) -> Iterator[str]:
    for tests in condition.values():
        for key, wanted in tests.items():
            yield f"{_looked_up(_CONDITIONS, key)} {', '.join(_several(wanted))}"


def _several(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else (str(value),)
