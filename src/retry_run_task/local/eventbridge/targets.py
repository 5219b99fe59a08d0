"""EventBridge's targets: the input that they get, and the RunTask call of an ECS target.

A target is in the JSON of https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html (rules) or
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Target.html (schedules). Nothing here calls anything.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from retry_run_task.local.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]

# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
UNIVERSAL = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:ecs:runTask")
CLUSTER = re.compile(r"arn:aws[a-z-]*:ecs:[^:]*:[^:]*:cluster/.+")
FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[^:]*:[^:]*:function:.+")
# Both values are 36 characters long in every public sample, some visibly truncated, although ECS accepts 128 now.
LONGEST_STARTED_BY = 36
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
OVERRIDES = frozenset({
    "containerOverrides", "cpu", "ephemeralStorage", "executionRoleArn", "inferenceAcceleratorOverrides",
    "memory", "taskRoleArn",
})  # fmt: skip
RENAMED = {"TaskDefinitionArn": "taskDefinition", "TaskCount": "count"}
PATH = re.compile(r"\$(?:\.[^.\[\]]+|\[\d+\])*")
STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
VARIABLE = re.compile(r"<([^<>\s]+)>")


def is_cluster(target: Mapping[str, Any]) -> bool:
    """Tell whether a target runs a task from its EcsParameters."""
    return CLUSTER.fullmatch(target["Arn"]) is not None


def is_universal(target: Mapping[str, Any]) -> bool:
    """Tell whether a schedule's target calls RunTask with its Input as the whole request."""
    return UNIVERSAL.fullmatch(target["Arn"]) is not None


def is_function(target: Mapping[str, Any]) -> bool:
    """Tell whether a target is a Lambda function."""
    return FUNCTION.fullmatch(target["Arn"]) is not None


def rule_input(target: Mapping[str, Any], event: Json, rule: str, rule_arn: str) -> str:
    """Return the JSON text that a rule sends to a target.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """
    if (constant := target.get("Input")) is not None:
        return str(constant)
    if (path := target.get("InputPath")) is not None:
        return json.dumps(_at(event, path))
    if (transformer := target.get("InputTransformer")) is None:
        return json.dumps(event)
    values = {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
        **{name: _at(event, path) for name, path in (transformer.get("InputPathsMap") or {}).items()},
    }
    return _transformed(transformer["InputTemplate"], values)


def rule_request(target: Mapping[str, Any], event: Json, rule: str, rule_arn: str) -> Json:
    """Return the RunTask request of a rule's ECS target.

    That a rule sends no client token is assumed.

    Raises:
        AwsError: The input is no JSON, so it cannot be delivered.
    """
    text = rule_input(target, event, rule, rule_arn)
    try:
        overrides = json.loads(text)
    except ValueError as error:
        raise AwsError("SDK_CLIENT_ERROR", f"the input is not JSON: {error}") from None
    # Without an Input the whole event is the input, and the task still starts; so members that are no overrides are
    # ignored.
    known = (
        {name: overrides[name] for name in overrides if name in OVERRIDES}
        if isinstance(overrides, dict)
        else {}
    )
    request = _ecs_parameters(target, lambda value: _at(event, value) if value.startswith("$.") else value)
    if known:
        request["overrides"] = known
    return {**request, "startedBy": f"events-rule/{rule}"[:LONGEST_STARTED_BY]}


def schedule_request(
    target: Mapping[str, Any], keywords: Mapping[str, str], schedule: str, client_token: str
) -> Json:
    """Return the RunTask request of a schedule's target.

    ``keywords`` are the values of Scheduler's context attributes. ``client_token`` is the one that an AWS SDK adds if
    its caller gives none; Scheduler calls with the SDK for Java.
    """
    text = fill(target.get("Input") or "", keywords)
    if is_universal(target):
        return {"clientToken": client_token, **small(json.loads(text))}
    request = _ecs_parameters(target, lambda value: value)
    if text and (overrides := json.loads(text)):
        request["overrides"] = overrides
    return {
        **request,
        "clientToken": client_token,
        "startedBy": f"chronos-schedule/{schedule}"[:LONGEST_STARTED_BY],
    }


def check_schedule_target(target: Mapping[str, Any]) -> None:
    """Refuse a target that CreateSchedule refuses.

    Raises:
        AwsError: A ValidationException.
    """
    for name in ("Arn", "RoleArn"):
        if not target.get(name):
            raise invalid(
                f"Value null at 'target.{name}' failed to satisfy constraint: Member must not be null"
            )
    text = target.get("Input")
    if is_cluster(target):
        if "EcsParameters" not in target:
            raise invalid("EcsParameters must be specified for an ECS target.")
        # https://github.com/boto/boto3/issues/4370 shows this refusal, of JSON with a member that is no override.
        if text and (_object(text) is None or not OVERRIDES.issuperset(_object(text) or {})):
            raise invalid(
                f"Unable to convert target input to TaskOverride, JSON syntax error in input: {text}"
            )
    elif is_universal(target) and "TaskDefinition" not in (_object(text or "") or {}):
        # Names begin with capitals: the page has "StateMachineArn" for what Step Functions' own API spells
        # "stateMachineArn". That a missing member is refused here, not at the call, is from a public report.
        raise invalid("Invalid RequestJson provided. Reason: missing field TaskDefinition")


def fill(text: str, keywords: Mapping[str, str]) -> str:
    """Replace Scheduler's context attributes in an Input.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    for name, value in keywords.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def small(value: Any) -> Any:
    """Return a value with the names in RunTask's spelling: the first letter in lower case."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: small(inner) for name, inner in value.items()}
    return [small(inner) for inner in value] if isinstance(value, list) else value


def invalid(message: str) -> AwsError:
    """Return the error for a request that breaks a rule."""
    return AwsError("ValidationException", message)


def _ecs_parameters(target: Mapping[str, Any], resolve: Callable[[str], Any]) -> Json:
    request: Json = {"cluster": target["Arn"], "count": 1}
    for name, value in target["EcsParameters"].items():
        if name == "Tags":
            request["tags"] = [small(tag) for tag in value]
        else:
            # "String, non-enum" members may be a path into the event of a rule:
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html#dynamic-path-parameters
            resolved = resolve(value) if isinstance(value, str) else small(value)
            request[RENAMED.get(name, small({name: None}).popitem()[0])] = resolved
    return request


def _at(event: Any, path: str) -> Any:
    """Return the value at a JSON path; None if there is none."""
    if not PATH.fullmatch(path):
        return None
    for name, number in STEP.findall(path):
        try:
            event = event[int(number)] if number else event[name]
        except (LookupError, TypeError):
            return None
    return event


def _transformed(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a template: a value inside a string loses its quotes, one outside keeps them."""
    parts: list[str] = []
    is_string, last = False, 0
    for found in VARIABLE.finditer(template):
        before = template[last : found.start()]
        is_string ^= len(re.findall(r'(?<!\\)"', before)) % 2 == 1
        parts.append(before)
        value = values.get(found.group(1))
        if is_string:
            text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
            parts.append(text.replace('"', ""))
        else:
            parts.append(json.dumps("" if value is None else value))
        last = found.end()
    return "".join([*parts, template[last:]])


def _object(text: str) -> Json | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
