"""Reads the tags of a rule, of a schedule's group (schedules have none), and of a task definition.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.aws import ecs, schedules
from retry_run_task.aws.faults import attempt, sentence
from retry_run_task.failures.classify import classify
from retry_run_task.launch.schedule import Tags, read_tags
from retry_run_task.launch.values import CallerKind, Category, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from retry_run_task.aws import members
    from retry_run_task.launch.schedule import Schedule
    from retry_run_task.launch.values import FailedLaunch


# Waiting does not make tags readable after these. A launch without this permission is recovered nevertheless.
_DEFINITE = frozenset({Category.PERMISSION, Category.CONFIGURATION})


def of(launch: FailedLaunch, schedule: Schedule | None, role: members.Actor | None = None) -> Tags | Failure:
    """Return the tags for a launch, or why they cannot be read now. A lack of permission is noted in the tags.

    ``schedule`` is None if what made the call could not be identified, ``role`` to read with the function's own.
    """
    found: list[dict[str, str]] = []
    unread: list[str] = []
    for what, ask in _sources(launch, schedule, role):
        read = attempt(ask)
        if not isinstance(read, Failure):
            found.append(read)
        elif classify(read).category in _DEFINITE:
            unread.append(f"the tags of {what} cannot be read: {sentence(read)}")
        else:
            return read
    return read_tags(*found, unread=unread)


def _sources(
    launch: FailedLaunch, schedule: Schedule | None, role: members.Actor | None
) -> Iterator[tuple[str, Callable[[], dict[str, str]]]]:
    region = launch.region
    if schedule is not None and schedule.kind is CallerKind.RULE:
        arn = schedule.arn
        yield f"rule {schedule.name}", lambda: _of_rule(schedules.events_client(region, role), arn)
    if schedule is not None and schedule.kind is CallerKind.SCHEDULER:
        group = group_arn(schedule.arn)
        yield (
            f"schedule group {schedule.group}",
            lambda: _of_group(schedules.scheduler_client(region, role), group),
        )
    definition = launch.request.parameters.get("taskDefinition")
    if isinstance(definition, str) and is_revision_arn(definition):
        yield (
            definition.rpartition("/")[2],
            lambda: _of_definition(ecs.client(region, role), definition),
        )


def _of_rule(events: EventBridgeClient, arn: str) -> dict[str, str]:
    return _pairs(events.list_tags_for_resource(ResourceARN=arn))


def _of_group(scheduler: EventBridgeSchedulerClient, arn: str) -> dict[str, str]:
    return _pairs(scheduler.list_tags_for_resource(ResourceArn=arn))


def _of_definition(client: ECSClient, arn: str) -> dict[str, str]:
    tags = client.list_tags_for_resource(resourceArn=arn)["tags"]
    return {tag.get("key", ""): tag.get("value", "") for tag in tags}


def _pairs(answer: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


def group_arn(schedule_arn: str) -> str:
    """Return the ARN of a schedule's group.

    >>> group_arn("arn:aws:scheduler:eu-west-1:123456789012:schedule/batch/nightly")
    'arn:aws:scheduler:eu-west-1:123456789012:schedule-group/batch'
    """
    head, _, path = schedule_arn.partition(":schedule/")
    return f"{head}:schedule-group/{path.partition('/')[0]}"


def is_revision_arn(definition: str) -> bool:
    """Tell whether this is the ARN of a revision: a family has no tags.

    >>> is_revision_arn("arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:7"), is_revision_arn("nightly")
    (True, False)
    """
    return definition.startswith("arn:") and ":" in definition.rpartition("/")[2]
