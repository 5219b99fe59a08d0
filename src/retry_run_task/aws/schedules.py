"""Reading the rules and schedules that start ECS tasks. What is read may hold secrets: see ``core.schedules``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from retry_run_task.aws import members
from retry_run_task.aws.once import once
from retry_run_task.launch.schedule import STAMP_MAX, STAMPS
from retry_run_task.launch.values import CallerKind
from retry_run_task.sources import schedules as wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from retry_run_task.launch.schedule import Schedule
    from retry_run_task.launch.values import FailedLaunch

# A universal target sets no name on its task, so every schedule may be the one. Beyond this many, finding it
# would take longer than it is worth, and hold up the account's own calls.
_SCHEDULES_MAX = 200

_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 4})


class CannotReadError(Exception):
    """The schedules cannot be read: a permission is missing, or AWS does not answer. The message says which."""


@once
def events_client(region: str, role: members.Role | None = None) -> EventBridgeClient:
    """Return a client of EventBridge for a Region.

    Raises:
        CannotAssumeError: The role of another account cannot be taken.
    """
    events: EventBridgeClient = members.client("events", region, role, _CONFIG)
    return events


@once
def scheduler_client(region: str, role: members.Role | None = None) -> EventBridgeSchedulerClient:
    """Return a client of EventBridge Scheduler for a Region.

    Raises:
        CannotAssumeError: The role of another account cannot be taken.
    """
    scheduler: EventBridgeSchedulerClient = members.client("scheduler", region, role, _CONFIG)
    return scheduler


def candidates(launch: FailedLaunch, role: members.Role | None = None) -> list[Schedule]:
    """Return the rules' targets or schedules that may have made a call, by name and cluster.

    Args:
        launch: The call.
        role: The role to look with in the launch's account; None for the function's own.

    Raises:
        CannotReadError: They cannot be read.
    """
    try:
        if launch.caller.kind is CallerKind.RULE:
            return list(_rules(launch, events_client(launch.region, role)))
        if launch.caller.kind is CallerKind.SCHEDULER:
            return list(_schedules(launch, scheduler_client(launch.region, role)))
    except ClientError as error:
        said = error.response["Error"]
        raise CannotReadError(
            f"{error.operation_name} failed: {said.get('Code')}: {said.get('Message')}"
        ) from error
    except BotoCoreError as error:
        raise CannotReadError(str(error)) from error
    return []


def _prefix(launch: FailedLaunch) -> str:
    """Return what ``startedBy`` has of the schedule's name; empty if it has none of it."""
    stamp = STAMPS[launch.caller.kind]
    started_by = str(launch.request.parameters.get("startedBy") or "")
    return started_by[:STAMP_MAX].removeprefix(stamp) if started_by.startswith(stamp) else ""


def _rules(launch: FailedLaunch, events: EventBridgeClient) -> Iterator[Schedule]:
    prefix = _prefix(launch)
    buses = [bus["Name"] for page in _pages(events, "list_event_buses", "EventBuses") for bus in page]
    for bus in buses:
        call = {"TargetArn": cluster_arn(launch), "EventBusName": bus}
        for names in _pages(events, "list_rule_names_by_target", "RuleNames", **call):
            for name in names:
                if name.startswith(prefix):
                    rule = events.describe_rule(Name=name, EventBusName=bus)
                    for targets in _pages(
                        events, "list_targets_by_rule", "Targets", Rule=name, EventBusName=bus
                    ):
                        yield from (wire.of_rule(rule, target) for target in targets if wire.is_ecs(target))


def _schedules(launch: FailedLaunch, scheduler: EventBridgeSchedulerClient) -> Iterator[Schedule]:
    prefix = _prefix(launch)
    named: Any = {"NamePrefix": prefix} if prefix else {}
    looked_at = 0
    for page in scheduler.get_paginator("list_schedules").paginate(**named):
        for summary in page["Schedules"]:
            target = summary.get("Target", {}).get("Arn", "")
            if target == cluster_arn(launch) or target.endswith(wire.UNIVERSAL):
                looked_at += 1
                if looked_at > _SCHEDULES_MAX:
                    raise CannotReadError(f"more than {_SCHEDULES_MAX} schedules could have made this call")
                found = scheduler.get_schedule(Name=summary["Name"], GroupName=summary["GroupName"])
                if wire.is_ecs(found["Target"]):
                    yield wire.of_schedule(found)


def _pages(events: EventBridgeClient, operation: str, member: str, **call: str) -> Iterator[list[Any]]:
    """Yield the pages of a listing; EventBridge has no paginators for all of them."""
    token: str | None = None
    while True:
        page = getattr(events, operation)(**call, **({"NextToken": token} if token else {}))
        yield page.get(member, [])
        token = page.get("NextToken")
        if not token:
            return


def cluster_arn(launch: FailedLaunch) -> str:
    """Return the ARN of the launch's cluster, which a request may name by its short name or not at all."""
    cluster = str(launch.request.parameters.get("cluster") or "default")
    if cluster.startswith("arn:"):
        return cluster
    partition = botocore.session.get_session().get_partition_for_region(launch.region)
    return f"arn:{partition}:ecs:{launch.region}:{launch.account}:cluster/{cluster}"
