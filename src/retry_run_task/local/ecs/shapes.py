"""The types of members of ECS's requests, as far as the service framework checks them before ECS does.

Other members are ignored, as JSON 1.1 services do:
https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.local.ecs.validation import EcsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

# A dict is a structure, a list holds the type of its elements.
_KEY_VALUE = [{"name": str, "value": str}]
_RUN_TASK: Json = {
    "capacityProviderStrategy": [{"capacityProvider": str, "weight": int, "base": int}],
    "clientToken": str,
    "cluster": str,
    "count": int,
    "enableECSManagedTags": bool,
    "enableExecuteCommand": bool,
    "group": str,
    "launchType": str,
    "networkConfiguration": {
        "awsvpcConfiguration": {"subnets": [str], "securityGroups": [str], "assignPublicIp": str}
    },
    "overrides": {
        "containerOverrides": [
            {
                "name": str,
                "command": [str],
                "environment": _KEY_VALUE,
                "environmentFiles": [{"value": str, "type": str}],
                "cpu": int,
                "memory": int,
                "memoryReservation": int,
                "resourceRequirements": [{"value": str, "type": str}],
            }
        ],
        "cpu": str,
        "memory": str,
        "taskRoleArn": str,
        "executionRoleArn": str,
        "ephemeralStorage": {"sizeInGiB": int},
        "inferenceAcceleratorOverrides": [{"deviceName": str, "deviceType": str}],
    },
    "placementConstraints": [{"type": str, "expression": str}],
    "placementStrategy": [{"type": str, "field": str}],
    "platformVersion": str,
    "propagateTags": str,
    "referenceId": str,
    "startedBy": str,
    "tags": [{"key": str, "value": str}],
    "taskDefinition": str,
    "volumeConfigurations": [{"name": str, "managedEBSVolume": {}}],
}
_SHAPES: dict[str, Json] = {
    "RunTask": _RUN_TASK,
    "DescribeTasks": {"cluster": str, "tasks": [str], "include": [str]},
    "ListTasks": {
        "cluster": str,
        "containerInstance": str,
        "daemonName": str,
        "desiredStatus": str,
        "family": str,
        "launchType": str,
        "maxResults": int,
        "nextToken": str,
        "serviceName": str,
        "startedBy": str,
    },
    "StopTask": {"cluster": str, "task": str, "reason": str},
    "DescribeClusters": {"clusters": [str], "include": [str]},
    "DescribeTaskDefinition": {"taskDefinition": str, "include": [str]},
    "ListTagsForResource": {"resourceArn": str},
}
_TYPE_NAMES = {str: "a String", int: "an Integer", bool: "a Boolean"}


def check_types(operation: str, body: Mapping[str, Any]) -> None:
    """Refuse a body that cannot be read as the operation's input, as the service framework does.

    The texts were measured on another AWS service of the same framework:
    https://github.com/floci-io/floci/pull/2686
    """
    _check_members(body, _SHAPES[operation])


def _check_members(value: Mapping[str, Any], expected: Json) -> None:
    for name, member in value.items():
        kind = expected.get(name)
        # This comparison settles nearly every scalar without a call; it runs for every request.
        if kind is not None and member is not None and type(member) is not kind:
            _check_type(member, kind)


def _check_type(value: Any, expected: Any) -> None:
    if isinstance(expected, list):
        if not isinstance(value, list):
            raise EcsError("SerializationException", "Expected list or null")
        kind = expected[0]
        for element in value:
            if type(element) is not kind:
                _check_type(element, kind)
    elif isinstance(expected, dict):
        if not isinstance(value, dict):
            raise EcsError("SerializationException", "Expected null")
        _check_members(value, expected)
    else:
        raise EcsError("SerializationException", _scalar_message(value, expected))


def _scalar_message(value: Any, expected: type) -> str:
    match value:
        case dict():
            return "Start of structure or map found where not expected."
        case list():
            return "Start of list found where not expected"
        case bool():
            found = f"{str(value).upper()}_VALUE"
        case int() | float():
            found = "NUMBER_VALUE"
        case None:
            # For a list's element; a member may be null. ECS's own text was not seen.
            found = "NULL_VALUE"
        case _:
            found = "STRING_VALUE"
    return f"{found} can not be converted to {_TYPE_NAMES[expected]}"
