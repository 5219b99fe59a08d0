"""EventBridge's and EventBridge Scheduler's operations on rules and schedules, as clients see them.

EventBridge speaks JSON 1.1 (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Operations.html),
Scheduler REST with JSON (https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Operations.html).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from retry_run_task.local.errors import AwsError
from retry_run_task.local.eventbridge.rules import EventBridgeRule, check_bus
from retry_run_task.local.eventbridge.targets import invalid
from retry_run_task.local.pages import position_of, token_of
from retry_run_task.local.server import HttpRequest, HttpResponse, json_response, unknown_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retry_run_task.local.eventbridge.rules import Rules
    from retry_run_task.local.eventbridge.schedules import EventBridgeSchedule, Schedules

Json = dict[str, Any]
T = TypeVar("T")

# The largest MaxResults and Limit of every listing here, and the default size of a page.
PAGE = 100
PATHS = ("/schedules", "/schedule-groups", "/tags/arn")


class EventsApi:
    """EventBridge's operations on the rules of one account and Region."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def operations(self) -> dict[str, Callable[[Json], Any]]:
        """Return the implemented operations, by name; all are on the default event bus."""
        operations: dict[str, Callable[[Json], Any]] = {
            "DeleteRule": lambda body: self._rules.delete_rule(body["Name"]),
            "DescribeRule": lambda body: _describe_rule(self._rules.rule(body["Name"])),
            "DisableRule": lambda body: self._rules.set_rule_state(body["Name"], "DISABLED"),
            "EnableRule": lambda body: self._rules.set_rule_state(body["Name"], "ENABLED"),
            "ListEventBuses": self._list_event_buses,
            "ListRuleNamesByTarget": self._list_rule_names_by_target,
            "ListRules": self._list_rules,
            "ListTagsForResource": self._list_tags,
            "ListTargetsByRule": self._list_targets_by_rule,
            "PutRule": self._put_rule,
            "PutTargets": self._put_targets,
            "RemoveTargets": self._remove_targets,
        }
        return {name: partial(_on_default_bus, operation) for name, operation in operations.items()}

    def _put_rule(self, body: Json) -> Json:
        pattern = body.get("EventPattern")
        try:
            parsed = json.loads(pattern) if pattern is not None else None
        except ValueError as error:
            message = f"Event pattern is not valid. Reason: {error}"
            raise AwsError("InvalidEventPatternException", message) from None
        rule = self._rules.put_rule(
            body["Name"],
            expression=body.get("ScheduleExpression"),
            pattern=parsed,
            state=body.get("State", "ENABLED"),
            description=body.get("Description", ""),
            role_arn=body.get("RoleArn"),
            tags={tag["Key"]: tag["Value"] for tag in body.get("Tags") or ()},
        )
        return {"RuleArn": rule.arn}

    def _put_targets(self, body: Json) -> Json:
        self._rules.put_targets(body["Rule"], body["Targets"])
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _remove_targets(self, body: Json) -> Json:
        self._rules.remove_targets(body["Rule"], body["Ids"])
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _list_rules(self, body: Json) -> Json:
        prefix = body.get("NamePrefix", "")
        found = [_describe_rule(rule) for rule in self._all() if rule.name.startswith(prefix)]
        return _page("Rules", found, body.get("Limit"), body.get("NextToken"))

    def _list_rule_names_by_target(self, body: Json) -> Json:
        arn = body["TargetArn"]
        found = [rule.name for rule in self._all() if any(arn == target["Arn"] for target in rule.targets)]
        return _page("RuleNames", found, body.get("Limit"), body.get("NextToken"))

    def _list_targets_by_rule(self, body: Json) -> Json:
        return _page(
            "Targets", self._rules.rule(body["Rule"]).targets, body.get("Limit"), body.get("NextToken")
        )

    def _list_event_buses(self, body: Json) -> Json:
        arn = f"arn:aws:events:{self._rules.region}:{self._rules.account}:event-bus/default"
        found = [{"Name": "default", "Arn": arn}] if "default".startswith(body.get("NamePrefix", "")) else []
        return {"EventBuses": found}

    def _list_tags(self, body: Json) -> Json:
        name = body["ResourceARN"].rpartition("/")[2]
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._rules.rule(name).tags.items()]}

    def _all(self) -> list[EventBridgeRule]:
        return [rule for _, rule in sorted(self._rules.rules.items())]


class SchedulerApi:
    """Scheduler's operations on the schedules of one account and Region."""

    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    def serve(self, request: HttpRequest) -> HttpResponse:
        """Answer a request whose path begins with one of ``PATHS``."""
        body = json.loads(request.body or b"{}") if request.method in {"POST", "PUT"} else {}
        query = {name: values[0] for name, values in request.query.items()}
        parts = [unquote(part) for part in request.path.split("/", 2)[1:]]
        schedules, group = self._schedules, query.get("groupName", "default")
        answer: Json = {}
        match request.method, parts:
            case "POST", ["schedules", name]:
                answer["ScheduleArn"] = schedules.create_schedule(name, **_values(body)).arn
            case "PUT", ["schedules", name]:
                answer["ScheduleArn"] = schedules.update_schedule(name, **_values(body)).arn
            case "GET", ["schedules", name]:
                answer = _describe_schedule(schedules.schedule(name, group))
            case "DELETE", ["schedules", name]:
                schedules.delete_schedule(name, group)
            case "GET", ["schedules"]:
                answer = self._list_schedules(query)
            case "POST", ["schedule-groups", name]:
                answer["ScheduleGroupArn"] = schedules.create_group(name)
            case "GET", ["schedule-groups"]:
                answer = self._list_groups(query)
            case "GET", ["tags", arn]:
                answer["Tags"] = self._tags(arn)
            case _:
                raise unknown_operation(f"{request.method} {request.path}")
        return json_response(answer)

    def _list_schedules(self, query: Mapping[str, str]) -> Json:
        group = query.get("ScheduleGroup")
        if group is not None and group not in self._schedules.groups:
            raise AwsError("ResourceNotFoundException", f"Schedule group {group} does not exist.", 404)
        found = [
            _summarise(schedule)
            for _, schedule in sorted(self._schedules.schedules.items())
            if group in (None, schedule.group)
            and schedule.name.startswith(query.get("NamePrefix", ""))
            and query.get("State") in (None, schedule.state)
        ]
        return _page("Schedules", found, query.get("MaxResults"), query.get("NextToken"))

    def _list_groups(self, query: Mapping[str, str]) -> Json:
        found = [
            {
                "Arn": self._schedules.group_arn(name),
                "Name": name,
                "State": "ACTIVE",
                "CreationDate": made.timestamp(),
                "LastModificationDate": made.timestamp(),
            }
            for name, made in sorted(self._schedules.groups.items())
            if name.startswith(query.get("NamePrefix", ""))
        ]
        return _page("ScheduleGroups", found, query.get("MaxResults"), query.get("NextToken"))

    def _tags(self, arn: str) -> list[Json]:
        # Only groups have tags: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_TagResource.html
        if not any(arn == self._schedules.group_arn(name) for name in self._schedules.groups):
            raise AwsError("ResourceNotFoundException", f"{arn} does not exist.", 404)
        return []


def _on_default_bus(operation: Callable[[Json], Any], body: Json) -> Any:
    check_bus(body.get("EventBusName", "default"))
    return operation(body)


def _values(body: Json) -> Json:
    for name in ("ScheduleExpression", "Target", "FlexibleTimeWindow"):
        if name not in body:
            raise invalid(f"1 validation error detected: Value at '{name}' must not be null")
    return {
        "group": body.get("GroupName") or "default",
        "expression": body["ScheduleExpression"],
        "target": body["Target"],
        "flexible_time_window": body["FlexibleTimeWindow"],
        "timezone": body.get("ScheduleExpressionTimezone") or "UTC",
        "state": body.get("State") or "ENABLED",
        "start": _time(body.get("StartDate")),
        "end": _time(body.get("EndDate")),
        "description": body.get("Description") or "",
        "action_after_completion": body.get("ActionAfterCompletion") or "NONE",
    }


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _describe_rule(rule: EventBridgeRule) -> Json:
    return {
        "Name": rule.name,
        "Arn": rule.arn,
        "State": rule.state,
        "EventBusName": "default",
        **({"ScheduleExpression": rule.expression} if rule.expression else {}),
        **({"EventPattern": json.dumps(rule.pattern)} if rule.pattern is not None else {}),
        **({"Description": rule.description} if rule.description else {}),
        **({"RoleArn": rule.role_arn} if rule.role_arn else {}),
    }


def _summarise(schedule: EventBridgeSchedule) -> Json:
    return {
        "Arn": schedule.arn,
        "Name": schedule.name,
        "GroupName": schedule.group,
        "State": schedule.state,
        "CreationDate": schedule.created.timestamp(),
        "LastModificationDate": schedule.last_modification.timestamp(),
        "Target": {"Arn": schedule.target["Arn"]},
    }


def _describe_schedule(schedule: EventBridgeSchedule) -> Json:
    times = {"StartDate": schedule.start, "EndDate": schedule.end}
    return {
        **_summarise(schedule),
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.timezone,
        "FlexibleTimeWindow": schedule.flexible_time_window,
        "ActionAfterCompletion": schedule.action_after_completion,
        "Target": schedule.target,
        **({"Description": schedule.description} if schedule.description else {}),
        **{name: time.timestamp() for name, time in times.items() if time is not None},
    }


def _page(name: str, found: Sequence[T], limit: int | str | None, token: str | None) -> Json:
    """Return one page of a listing, and the token of the next one if there is one."""
    size = int(limit) if limit is not None else PAGE
    if not 1 <= size <= PAGE:
        raise invalid(f"1 validation error detected: the page size must be from 1 to {PAGE}")
    first = position_of(token, invalid("Invalid NextToken."))
    more = {"NextToken": token_of(first + size)} if first + size < len(found) else {}
    return {name: list(found[first : first + size]), **more}
