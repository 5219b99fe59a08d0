"""A task as ``DescribeTasks`` and *ECS Task State Change* tell it: whether it is this launch's, and how it is.

Shortened::

    {"taskArn": "arn:aws:ecs:...:task/batch/0f9c...", "taskDefinitionArn": "...:task-definition/nightly:7",
     "startedBy": "events-rule/nightly", "createdAt": "2026-11-24T00:00:03.110Z", "startedAt": "...",
     "availabilityZone": "ap-northeast-1a",
     "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "TaskFailedToStart",
     "stoppedReason": "Timeout waiting for network interface provisioning to complete.",
     "overrides": {"containerOverrides": [{"name": "app", "command": ["run"], "environment": [...]}]}}

In ``DescribeTasks`` times are ``datetime``; in the event they are text. Environment values are in clear in both,
so nothing of ``overrides`` leaves this module.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.names import is_ours
from retry_run_task.launch.request import HIDDEN, family
from retry_run_task.launch.values import Failure, Origin, Phase, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import FailedLaunch

# CloudTrail's time has whole seconds and is taken at the API's door; a task's creation comes after it, but
# on another clock.
_CLOCKS_DIFFER = timedelta(seconds=5)

# What a task goes through on its way to STOPPED, whether it ran or not: one that failed to start is DEPROVISIONING
# while its network interface is removed.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
_TORN_DOWN = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING"})


def state(task: Mapping[str, Any]) -> TaskState:
    """Return how a task is."""
    phase = _phase(task)
    created = time_of(task.get("createdAt"))
    failure = None
    if phase is Phase.FAILED:
        reason = str(task.get("stoppedReason") or "")
        failure = Failure(origin=Origin.STOPPED, code=task.get("stopCode"), reason=reason)
    return TaskState(
        arn=str(task.get("taskArn")),
        phase=phase,
        failure=failure,
        is_ours=is_ours(task.get("startedBy")),
        zone=str(task.get("availabilityZone") or ""),
        created=created.timestamp() if created else None,
    )


def _phase(task: Mapping[str, Any]) -> Phase:
    status = task.get("lastStatus")
    if task.get("startedAt"):
        return Phase.RAN if status in _TORN_DOWN or status == "STOPPED" else Phase.RUNS
    if status == "RUNNING":
        return Phase.RUNS
    if status == "STOPPED":
        return Phase.FAILED
    is_torn_down = status in _TORN_DOWN or task.get("desiredStatus") == "STOPPED"
    return Phase.STOPPING if is_torn_down else Phase.STARTING


def is_of(launch: FailedLaunch, task: Mapping[str, Any]) -> bool:
    """Tell whether a task does what a failed launch asked for: made after it, of the same definition and command.

    Its ``startedBy`` must have been looked at before. That alone is not enough: EventBridge cuts it, so that two
    schedules may have the same.
    """
    created = time_of(task.get("createdAt"))
    return (
        task.get("taskArn") not in launch.placed
        and created is not None
        and created >= launch.event_time - _CLOCKS_DIFFER
        and family({"taskDefinition": task.get("taskDefinitionArn")}) == family(launch.request.parameters)
        and _has_overrides_of(launch, task)
    )


def _has_overrides_of(launch: FailedLaunch, task: Mapping[str, Any]) -> bool:
    """Tell whether the commands agree. What CloudTrail hid cannot be compared and is not."""
    theirs = _commands(task.get("overrides"))
    for name, command in _commands(launch.request.parameters.get("overrides")).items():
        if HIDDEN not in str(command).upper() and theirs.get(name) != command:
            return False
    return True


def _commands(overrides: Any) -> dict[str, Any]:
    containers = overrides.get("containerOverrides") if isinstance(overrides, dict) else None
    return {
        str(c.get("name")): c["command"]
        for c in (containers if isinstance(containers, list) else [])
        if isinstance(c, dict) and c.get("command")
    }


def time_of(value: Any) -> datetime | None:
    """Return a time of a task in UTC; None if there is none, or none that can be read."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
