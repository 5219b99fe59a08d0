r"""A rule's target, as ``ListTargetsByRule`` gives it, and a schedule, as ``GetSchedule`` does, to a ``Schedule``.

A target of a rule, shortened::

    {"Id": "1", "Arn": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch",
     "RoleArn": "arn:aws:iam::123456789012:role/ecsEventsRole",
     "Input": "{\"containerOverrides\": [{\"name\": \"app\", \"environment\": [...]}]}",
     "EcsParameters": {"TaskDefinitionArn": "...", "TaskCount": 1, "LaunchType": "FARGATE",
         "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"]}}}}

A schedule has ``Target`` with the same members, and ``ScheduleExpression``, ``ScheduleExpressionTimezone``,
``LastModificationDate``. Its target may also be universal, ``arn:aws:scheduler:::aws-sdk:ecs:runTask``: then
``Input`` is the whole request, its names beginning with capitals.
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.schedule import Schedule
from retry_run_task.launch.values import CLOCKS_DIFFER_S, CallerKind
from retry_run_task.sources import expressions, transformers
from retry_run_task.sources.reading import ReadError, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIVERSAL = "aws-sdk:ecs:runTask"

# Members of EcsParameters whose RunTask name is not the same with a lower-case first letter.
_RENAMED = {"TaskDefinitionArn": "taskDefinition", "TaskCount": "count"}

# EventBridge retries a call that raised an error for this long, unless the target says otherwise.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
_EVENT_AGE_S = 24 * 3600


# A call may be recorded before the time it was due: CloudTrail cuts off the fraction of a second, and ECS's clock is
# not EventBridge's.
_EARLY = timedelta(seconds=CLOCKS_DIFFER_S)

# Scheduler calls within the minute in which a run is due, or in which its window gives it a place.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-flexible-time-windows.html
_LATE = timedelta(minutes=1)


def _due_by(expression: str, schedule: Schedule, called: datetime) -> datetime:
    """Return a time by which the run of a call was due: a little later than the call if nothing was due then.

    Raises:
        ValueError: The expression is one that AWS would refuse.
    """
    if schedule.start is None and expression.startswith("rate("):
        # A rate without a start counts from the call.
        return called
    due = expressions.previous_due(expression, until=called, timezone=schedule.timezone, start=schedule.start)
    is_late = due is not None and due > called - timedelta(seconds=schedule.window_s) - _LATE
    return called if is_late else called + _EARLY


def next_due(schedule: Schedule, called: datetime) -> datetime | None:
    """Return when the run after that of a call at a time is due.

    None if there is none or it is not known: a rule on events, a disabled schedule, an invalid expression.
    """
    if schedule.expression is None or not schedule.is_enabled:
        return None
    try:
        return expressions.next_due(
            schedule.expression,
            after=_due_by(schedule.expression, schedule, called),
            timezone=schedule.timezone,
            start=schedule.start,
            end=schedule.end,
        )
    except ValueError:
        return None


def previous_due(schedule: Schedule, called: datetime) -> datetime | None:
    """Return the due time of the run that a call at a time was for; None if it is unknown.

    Only a cron determines it: AWS does not always report when a rate began to count. In a flexible window exactly one
    due time must fit.
    """
    expression = schedule.expression
    if expression is None or not expression.startswith("cron("):
        return None
    try:
        due = expressions.previous_due(
            expression, until=_due_by(expression, schedule, called), timezone=schedule.timezone
        )
        if due is None:
            return None
        before = expressions.previous_due(expression, until=due - _LATE, timezone=schedule.timezone)
    except ValueError:
        return None
    earliest = called - timedelta(seconds=schedule.window_s) - _LATE
    if schedule.window_s and (due < earliest or (before is not None and before >= earliest)):
        return None
    return due


def of_rule(rule: Mapping[str, Any], target: Mapping[str, Any]) -> Schedule:
    """Return what one ECS target of a rule asks for."""
    request, unreadable = _request(target, rule)
    return Schedule(
        kind=CallerKind.RULE,
        name=rule["Name"],
        arn=rule["Arn"],
        role_arn=target.get("RoleArn") or rule.get("RoleArn"),
        request=request,
        unreadable=unreadable,
        expression=rule.get("ScheduleExpression") or None,
        is_enabled=rule.get("State") != "DISABLED",
        event_age_s=_event_age(target),
    )


def of_schedule(schedule: Mapping[str, Any]) -> Schedule:
    """Return the ``Schedule`` of a schedule."""
    target = schedule["Target"]
    request, unreadable = _universal(target) if is_universal(target) else _request(target)
    return Schedule(
        kind=CallerKind.SCHEDULER,
        name=schedule["Name"],
        arn=schedule["Arn"],
        role_arn=target.get("RoleArn"),
        request=request,
        unreadable=unreadable,
        expression=schedule.get("ScheduleExpression"),
        timezone=schedule.get("ScheduleExpressionTimezone") or "UTC",
        start=schedule.get("StartDate"),
        end=schedule.get("EndDate"),
        is_enabled=schedule.get("State") != "DISABLED",
        modified=schedule.get("LastModificationDate"),
        event_age_s=_event_age(target),
        group=schedule.get("GroupName") or "default",
        window_s=60 * int((schedule.get("FlexibleTimeWindow") or {}).get("MaximumWindowInMinutes") or 0),
    )


def is_universal(target: Mapping[str, Any]) -> bool:
    """Tell whether a schedule's target is universal: it calls RunTask with its input as the whole request."""
    return str(target.get("Arn")).endswith(UNIVERSAL)


def is_ecs(target: Mapping[str, Any]) -> bool:
    """Tell whether a target runs an ECS task."""
    return "EcsParameters" in target or is_universal(target)


def _event_age(target: Mapping[str, Any]) -> int:
    policy = target.get("RetryPolicy") or {}
    if policy.get("MaximumRetryAttempts") == 0:
        return 0
    return int(policy.get("MaximumEventAgeInSeconds") or _EVENT_AGE_S)


def _request(target: Mapping[str, Any], rule: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """Return the RunTask parameters of a target, and why some are missing; empty if none are."""
    parameters = target.get("EcsParameters") or {}
    request = {_RENAMED.get(name, _small(name)): _renamed(value) for name, value in parameters.items()}
    request["cluster"] = target.get("Arn")
    request.setdefault("count", 1)
    try:
        text = _input(target, rule)
    except ReadError as error:
        return request, str(error)
    if not text:
        return request, ""
    try:
        overrides = read_json(text)
    except ReadError as error:
        return request, f"its input cannot be read: {error}"
    if not isinstance(overrides, dict):
        return request, "its input is not a JSON object"
    if overrides:
        request["overrides"] = overrides
    return request, ""


def _input(target: Mapping[str, Any], rule: Mapping[str, Any] | None) -> str | None:
    """Return the input of a target, as far as it is known; None if it has none.

    Raises:
        ReadError: It is a part of the event, which is not known.
    """
    # A rule that also has a pattern may have been triggered by another event.
    is_timed = rule is not None and bool(rule.get("ScheduleExpression")) and not rule.get("EventPattern")
    if rule is not None and (transformer := target.get("InputTransformer")):
        return transformers.filled(transformer, arn=rule["Arn"], is_timed=is_timed)
    path = target.get("InputPath")
    if path and not (is_timed and path == "$.detail"):
        raise ReadError(f"its input is {path} of the event that triggered it, which is gone")
    # The detail of an event by the clock is empty, and a target with a path has no input beside it.
    return target.get("Input")


def _universal(target: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    try:
        request = _renamed(read_json(target.get("Input") or "{}"))
    except ReadError as error:
        return {}, f"its input cannot be read: {error}"
    if not isinstance(request, dict):
        return {}, "its input is not a JSON object"
    request.pop("clientToken", None)
    return request, ""


def _renamed(value: Any) -> Any:
    """Return a value with names in RunTask's spelling: the first letter in lower case."""
    if isinstance(value, dict):
        return {_small(name): _renamed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner) for inner in value]
    return value


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]
