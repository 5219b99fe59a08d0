"""A task in ``DescribeTasks`` or *ECS Task State Change*: its state, and whether it belongs to a launch.

Shortened::

    {"taskArn": "arn:aws:ecs:...:task/batch/0f9c...", "taskDefinitionArn": "...:task-definition/nightly:7",
     "startedBy": "events-rule/nightly", "createdAt": "2026-11-24T00:00:03.110Z", "startedAt": "...",
     "availabilityZone": "ap-northeast-1a",
     "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "TaskFailedToStart",
     "stoppedReason": "Task failed to start",
     "containers": [{"name": "app", "reason": "CannotPullContainerError: manifest unknown", "exitCode": 1}],
     "overrides": {"containerOverrides": [{"name": "app", "command": ["run"], "environment": [...]}]}}

In ``DescribeTasks`` times are ``datetime``; in the event they are text. Environment values are in clear text in both,
so nothing of ``overrides`` leaves this module.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.loose import objects_in, text_in
from retry_run_task.launch.names import is_ours, started_by_of, starter_of
from retry_run_task.launch.request import HIDDEN, family
from retry_run_task.launch.values import Category, Failure, Origin, Phase, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import FailedLaunch

# CloudTrail's time has whole seconds and is taken when the API receives the call; a task is created after it, but timed
# by another clock.
_CLOCKS_DIFFER = timedelta(seconds=5)

# A task goes through these on its way to STOPPED, whether it ran or not: one that failed to start is DEPROVISIONING
# while its network interface is removed.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
_TORN_DOWN = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING"})

_NOT_STARTED = "TaskFailedToStart"

# Containers that AWS adds to a task. They are not essential, so no task fails because of them.
# https://docs.aws.amazon.com/guardduty/latest/ug/how-runtime-monitoring-works-ecs-fargate.html
_ADDED = re.compile(r"aws-guardduty-agent|~internal~")

# DescribeTasks does not show which container is essential. Side-cars have these words in their names.
_SIDE_CAR = re.compile(
    r"agent|side-?car|log-?_?router|firelens|fluent|envoy|proxy|x-?ray|otel|collector|datadog|exporter",
    re.IGNORECASE,
)

# The task's reason if the cause is in a container's reason.
_NOTHING_SAID = re.compile(
    r"\s*(?:task failed to start|(?:an )?essential container in (?:the )?task exited)?[.\s]*", re.IGNORECASE
)
_EXITED = re.compile(r"\s*(?:an )?essential container in (?:the )?task exited", re.IGNORECASE)

# SIGTERM and SIGKILL: how ECS stops a container because of another, also one that waited for another and never ran.
# https://github.com/aws/amazon-ecs-agent/pull/3218
_WAS_STOPPED = frozenset({137, 143})


def state(task: Mapping[str, Any]) -> TaskState:
    """Return the state of a task."""
    phase = _phase(task)
    created = time_of(task.get("createdAt"))
    failure = cause(task) if phase is Phase.FAILED else None
    return TaskState(
        arn=str(task.get("taskArn")),
        phase=phase,
        failure=failure,
        is_ours=is_ours(task.get("startedBy")),
        zone=str(task.get("availabilityZone") or ""),
        created=created.timestamp() if created else None,
        starter=starter_of(task.get("startedBy")),
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


def is_torn_down(task: Mapping[str, Any]) -> bool:
    """Tell whether a task that has not run is on its way to STOPPED, with the cause already known."""
    return (
        _phase(task) is Phase.STOPPING and task.get("lastStatus") in _TORN_DOWN and bool(task.get("stopCode"))
    )


def cause(task: Mapping[str, Any]) -> Failure:
    """Return why a task did not start: ECS's reason for the task, or for the container at fault.

    - A container with an exit code has run, and so has a part of the task, whatever the reasons say.
    - The task's reason counts, unless it only says that the task failed to start.
    - Else a container's reason that the classification knows counts; of several, the one that must be fixed.
      Side-cars come last, and containers that AWS added are ignored.
    """
    code, said = text_in(task.get("stopCode")) or None, text_in(task.get("stoppedReason"))
    containers = [c for c in objects_in(task.get("containers")) if not _ADDED.match(str(c.get("name")))]
    if ran := _what_ran(containers):
        container, shown = ran
        return _of(code, text_in(container.get("reason")) or said, container, ran=shown)
    if _EXITED.match(said) and code in (None, _NOT_STARTED):
        # Before stop codes existed, only these words told.
        code = "EssentialContainerExited"
    at_fault = [_of(code, str(c["reason"]), c) for c in containers if text_in(c.get("reason"))]
    own = Failure(origin=Origin.STOPPED, code=code, reason=said)
    is_said = not _NOTHING_SAID.fullmatch(said)
    if not at_fault or (is_said and (_is_known(said) or not any(_is_known(f.reason) for f in at_fault))):
        return next((f for f in at_fault if f.reason == said), own)
    jobs = [f for f in at_fault if not _SIDE_CAR.search(f.container or "")]
    return _most_telling(jobs or at_fault)


def _what_ran(containers: list[dict[str, Any]]) -> tuple[dict[str, Any], str] | None:
    """Return the container that exited, and how; of several, one that was not stopped because of another."""
    ended = [
        c for c in containers if isinstance(c.get("exitCode"), int) and not isinstance(c["exitCode"], bool)
    ]
    if not ended:
        return None
    first = min(ended, key=lambda c: (c["exitCode"] in _WAS_STOPPED, c["exitCode"] == 0))
    return first, f"exit code {first['exitCode']}"


def _most_telling(failures: list[Failure]) -> Failure:
    if len(failures) == 1:
        return failures[0]
    # Imported here because loading the table takes a tenth of intake's start, and few tasks have two reasons.
    from retry_run_task.failures.classify import classify, worst  # noqa: PLC0415

    # By their reasons alone.
    verdicts = [classify(replace(f, code=None)) for f in failures]
    known = [v for v in verdicts if v.category is not Category.UNKNOWN]
    telling = worst(known or verdicts).failure
    return failures[[v.failure for v in verdicts].index(telling)]


def _is_known(reason: str) -> bool:
    from retry_run_task.failures.classify import classify  # noqa: PLC0415

    return classify(Failure(origin=Origin.STOPPED, reason=reason)).category is not Category.UNKNOWN


def _of(code: str | None, reason: str, container: Mapping[str, Any], ran: str | None = None) -> Failure:
    name = text_in(container.get("name")) or None
    return Failure(origin=Origin.STOPPED, code=code, reason=reason, container=name, ran=ran)


def is_of(launch: FailedLaunch, task: Mapping[str, Any]) -> bool:
    """Tell whether a task does the work of a failed launch: created after it, with the same definition and command.

    The caller has checked its ``startedBy``. That alone does not suffice: EventBridge truncates it, so two schedules
    may share one.
    """
    created = time_of(task.get("createdAt"))
    return (
        task.get("taskArn") not in launch.placed
        and created is not None
        and created >= launch.event_time - _CLOCKS_DIFFER
        and family({"taskDefinition": task.get("taskDefinitionArn")}) == family(launch.request.parameters)
        and _has_overrides_of(launch, task)
    )


def is_of_an_earlier_run(launch: FailedLaunch, task: Mapping[str, Any]) -> bool:
    """Tell whether a task is one of an earlier run of what a failed launch asked for, and has not stopped.

    It has the same family, command and ``startedBy``, but for a recovery's suffix. A creation time that cannot be read
    counts as earlier: the launch's own tasks were created after its call.
    """
    original, started_by = launch.request.parameters.get("startedBy"), task.get("startedBy")
    starter = starter_of(started_by)
    created = time_of(task.get("createdAt"))
    return (
        task.get("lastStatus") != "STOPPED"
        and task.get("taskArn") not in launch.placed
        and (created is None or created < launch.event_time - _CLOCKS_DIFFER)
        and (started_by or None) == (started_by_of(original, starter) if starter else original or None)
        and family({"taskDefinition": task.get("taskDefinitionArn")}) == family(launch.request.parameters)
        and _has_overrides_of(launch, task)
    )


def _has_overrides_of(launch: FailedLaunch, task: Mapping[str, Any]) -> bool:
    """Tell whether the commands match. Redacted values cannot be compared and are not."""
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
    """Return a time of a task in UTC; None if it is absent or invalid."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
