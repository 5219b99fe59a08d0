"""Reads tasks: those that may already do the work of a failed launch, and those that were just placed.

The account has 20 reads of ECS a second, so a look makes few: one list of the family's tasks, or, if that is long, one
for each ``startedBy``. ListTasks takes only one of these filters. ECS forgets a stopped task after about an hour.
https://docs.aws.amazon.com/general/latest/gr/ecs-service.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from retry_run_task.aws.faults import NotDescribedError
from retry_run_task.launch import names
from retry_run_task.launch import request as requests
from retry_run_task.sources import tasks as wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_ecs import ECSClient

    from retry_run_task.aws.rate_limiter import RateLimiter
    from retry_run_task.launch.values import FailedLaunch, TaskState

# DescribeTasks takes at most 100. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
_DESCRIBED_AT_ONCE = 100


class PacedReads:
    """The part of an ECS client that this module needs, each read as soon as a rate limiter allows it."""

    def __init__(self, ecs: ECSClient, limiter: RateLimiter) -> None:
        self._ecs: Any = ecs
        self._limiter = limiter

    def list_tasks(self, **call: Any) -> Any:
        """Return a page of ARNs."""
        self._limiter.wait()
        return self._ecs.list_tasks(**call)

    def describe_tasks(self, **call: Any) -> Any:
        """Return tasks."""
        self._limiter.wait()
        return self._ecs.describe_tasks(**call)

    def get_paginator(self, _operation: str) -> PacedReads:
        """Return what lists tasks page by page."""
        return self

    def paginate(self, **call: Any) -> Iterator[Any]:
        """Yield pages of ARNs."""
        self._limiter.wait()
        for page in self._ecs.get_paginator("list_tasks").paginate(**call):
            yield page
            if page.get("nextToken"):
                self._limiter.wait()


def already_there(
    ecs: ECSClient,
    launch: FailedLaunch,
    *,
    original: bool,
    failed_others: Sequence[str] = (),
    whole: bool = True,
) -> tuple[TaskState, ...]:
    """Return the tasks that do, or were to do, the launch's work and that its record does not list.

    Their ``startedBy`` is that of this launch's recovery, of the recovery of another task that failed to start, or, if
    requested, of the original caller. Failed tasks are among them, ours as well.

    With ``original``, tasks with the ``startedBy`` of the original caller are looked for; ``failed_others`` are call
    ids of the recoveries of other failed tasks, existing or possible; with ``whole``, stopped tasks are listed too.

    Raises:
        Exception: Any error of ECS, the network or a malformed answer; ``faults.attempt`` makes a failure of it.
    """
    callers = launch.request.parameters.get("startedBy")
    looked_for = {
        **({callers: None} if original and callers else {}),
        names.own_started_by(launch): None,
        **dict.fromkeys(names.started_by_of(callers, call_id) for call_id in failed_others),
    }
    # A task that stops in between is in both lists.
    arns = dict.fromkeys(
        arn for status in _STATUSES[: 1 + whole] for arn in _listed(ecs, launch, list(looked_for), status)
    )
    return tuple(
        wire.state(task)
        for task in _described(ecs, launch, list(arns))
        if task.get("startedBy") in looked_for and wire.is_of(launch, task)
    )


def states(ecs: ECSClient, launch: FailedLaunch, arns: Sequence[str]) -> tuple[TaskState, ...]:
    """Return the states of the tasks that ECS knows; a task that was just created may not be known yet.

    Raises:
        Exception: As ``already_there``.
    """
    return tuple(wire.state(task) for task in _describe(ecs, launch, arns))


def earlier(ecs: ECSClient, launch: FailedLaunch) -> tuple[str, ...]:
    """Return the ARNs of tasks of the same caller's earlier runs that should still run.

    They are found by their family, since the ``startedBy`` of a recovery's task has its own suffix.

    Raises:
        Exception: As ``already_there``.
    """
    family = requests.family(launch.request.parameters)
    call: Any = {"family": family, "desiredStatus": "RUNNING", **_cluster(launch)}
    arns = [arn for page in ecs.get_paginator("list_tasks").paginate(**call) for arn in page["taskArns"]]
    return tuple(
        str(task["taskArn"])
        for task in _described(ecs, launch, arns)
        if wire.is_of_an_earlier_run(launch, task)
    )


_Status = Literal["RUNNING", "STOPPED"]
# ListTasks returns either tasks that should run or tasks that should not.
_STATUSES: tuple[_Status, ...] = ("RUNNING", "STOPPED")


def _listed(ecs: ECSClient, launch: FailedLaunch, started_by: Sequence[str], status: _Status) -> list[str]:
    """Return the ARNs of at least the tasks with these ``startedBy``: in one read if the family has one page."""
    about: Any = {"desiredStatus": status, **_cluster(launch)}
    name = requests.family(launch.request.parameters)
    if name and len(started_by) > 1:
        page = ecs.list_tasks(family=name, **about)
        if not page.get("nextToken"):
            return page["taskArns"]
    pages = ecs.get_paginator("list_tasks")
    return [
        arn
        for one in started_by
        for page in pages.paginate(startedBy=one, **about)
        for arn in page["taskArns"]
    ]


def _described(ecs: ECSClient, launch: FailedLaunch, arns: Sequence[str]) -> list[dict[str, Any]]:
    """Describe tasks that ECS has listed.

    Raises:
        NotDescribedError: ECS lists a task that it does not describe, since its reads are eventually consistent. It may
            be the one that is looked for, so it must not count as absent.
            https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html (eventual consistency)
    """
    described = _describe(ecs, launch, arns)
    if missing := set(arns) - {task["taskArn"] for task in described}:
        raise NotDescribedError(len(missing))
    return described


def _describe(ecs: ECSClient, launch: FailedLaunch, arns: Sequence[str]) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = []
    for start in range(0, len(arns), _DESCRIBED_AT_ONCE):
        call: Any = {"tasks": list(arns[start : start + _DESCRIBED_AT_ONCE]), **_cluster(launch)}
        described += ecs.describe_tasks(**call)["tasks"]  # type: ignore[arg-type]  # a TypedDict is a dict
    return described


def _cluster(launch: FailedLaunch) -> dict[str, str]:
    cluster = launch.request.parameters.get("cluster")
    return {"cluster": cluster} if cluster else {}
