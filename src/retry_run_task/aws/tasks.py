"""Reads tasks: those that may already do the work of a failed launch, and those that were just placed.

A look is a few cheap reads. It finds tasks by ``startedBy``, which ListTasks can filter by; ECS forgets a stopped task
after about an hour.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from retry_run_task.launch import names
from retry_run_task.launch import request as requests
from retry_run_task.sources import tasks as wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ecs import ECSClient

    from retry_run_task.launch.values import FailedLaunch, TaskState

# DescribeTasks takes at most 100. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
_DESCRIBED_AT_ONCE = 100


def already_there(
    ecs: ECSClient, launch: FailedLaunch, *, original: bool, ghosts: Sequence[str] = ()
) -> tuple[TaskState, ...]:
    """Return the tasks that do, or were to do, the launch's work and that its record does not list.

    They have this launch's own mark, the mark of a recovery of another task that failed to start, or, if requested, the
    ``startedBy`` of the original caller. Failed tasks are among them, ours as well.

    Args:
        ecs: A client for the launch's Region.
        launch: What failed.
        original: Whether to look for tasks with the ``startedBy`` of the original caller.
        ghosts: Call ids of the recoveries of other failed tasks, existing or possible.

    Raises:
        Exception: Any error of ECS, the network or a malformed answer; ``faults.attempt`` makes a failure of it.
    """
    mark = launch.request.parameters.get("startedBy")
    marks = [
        *([mark] if original and mark else []),
        *names.marks(launch),
        *(names.mark_started_by(mark, ghost) for ghost in ghosts),
    ]
    found: list[dict[str, Any]] = []
    for mark in dict.fromkeys(marks):
        arns = [arn for status in _STATUSES for arn in _list(ecs, launch, mark, status)]
        found += _describe(ecs, launch, arns)
    return tuple(wire.state(task) for task in found if wire.is_of(launch, task))


def states(ecs: ECSClient, launch: FailedLaunch, arns: Sequence[str]) -> tuple[TaskState, ...]:
    """Return the states of the tasks that ECS knows; a task that was just created may not be known yet.

    Raises:
        Exception: As ``already_there``.
    """
    return tuple(wire.state(task) for task in _describe(ecs, launch, arns))


def earlier(ecs: ECSClient, launch: FailedLaunch) -> tuple[str, ...]:
    """Return the ARNs of tasks of the same caller's earlier runs that should still run.

    They are found by their family, since the ``startedBy`` of a recovery's task has a mark of its own.

    Raises:
        Exception: As ``already_there``.
    """
    family = requests.family(launch.request.parameters)
    call: Any = {"family": family, "desiredStatus": "RUNNING", **_cluster(launch)}
    arns = [arn for page in ecs.get_paginator("list_tasks").paginate(**call) for arn in page["taskArns"]]
    return tuple(
        str(task["taskArn"])
        for task in _describe(ecs, launch, arns)
        if wire.is_of_an_earlier_run(launch, task)
    )


_Status = Literal["RUNNING", "STOPPED"]
# ListTasks returns either tasks that should run or tasks that should not.
_STATUSES: tuple[_Status, ...] = ("RUNNING", "STOPPED")


def _list(ecs: ECSClient, launch: FailedLaunch, mark: str, status: _Status) -> list[str]:
    call: Any = {"startedBy": mark, "desiredStatus": status, **_cluster(launch)}
    return [arn for page in ecs.get_paginator("list_tasks").paginate(**call) for arn in page["taskArns"]]


def _describe(ecs: ECSClient, launch: FailedLaunch, arns: Sequence[str]) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = []
    for start in range(0, len(arns), _DESCRIBED_AT_ONCE):
        call: Any = {"tasks": list(arns[start : start + _DESCRIBED_AT_ONCE]), **_cluster(launch)}
        described += ecs.describe_tasks(**call)["tasks"]  # type: ignore[arg-type]  # a TypedDict is a dict
    return described


def _cluster(launch: FailedLaunch) -> dict[str, str]:
    cluster = launch.request.parameters.get("cluster")
    return {"cluster": cluster} if cluster else {}
