"""What tags say about recoveries: of a rule, of a schedule's group (schedules have none), and of a task definition.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from retry_run_task.aws import ecs, schedules
from retry_run_task.launch.schedule import Tags, read_tags
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from retry_run_task.aws import members
    from retry_run_task.launch.schedule import Schedule
    from retry_run_task.launch.values import FailedLaunch


def of(launch: FailedLaunch, schedule: Schedule | None, role: members.Role | None = None) -> Tags:
    """Return what is said of a launch. What cannot be read is said too, and nothing is raised for it.

    Args:
        launch: What failed.
        schedule: What made the call; None if that is not certain.
        role: The role to look with in the launch's account; None for the function's own.
    """
    found: list[dict[str, str]] = []
    unread: list[str] = []

    def read(what: str, ask: Callable[[], dict[str, str]]) -> None:
        try:
            found.append(ask())
        except (BotoCoreError, ClientError) as error:
            unread.append(f"the tags of {what} cannot be read: {error}")

    region = launch.region
    if schedule is not None and schedule.kind is CallerKind.RULE:
        read(f"rule {schedule.name}", lambda: _of_rule(schedules.events_client(region, role), schedule.arn))
    if schedule is not None and schedule.kind is CallerKind.SCHEDULER:
        read(
            f"schedule group {schedule.group}",
            lambda: _of_group(schedules.scheduler_client(region, role), group_arn(schedule.arn)),
        )
    definition = str(launch.request.parameters.get("taskDefinition") or "")
    if is_revision_arn(definition):
        read(definition.rsplit("/", 1)[-1], lambda: _of_definition(ecs.client(region, role), definition))
    return read_tags(*found, unread=unread)


def _of_rule(events: EventBridgeClient, arn: str) -> dict[str, str]:
    return _pairs(events.list_tags_for_resource(ResourceARN=arn)["Tags"])


def _of_group(scheduler: EventBridgeSchedulerClient, arn: str) -> dict[str, str]:
    return _pairs(scheduler.list_tags_for_resource(ResourceArn=arn).get("Tags", []))


def _of_definition(client: ECSClient, arn: str) -> dict[str, str]:
    return {
        tag.get("key", ""): tag.get("value", "")
        for tag in client.list_tags_for_resource(resourceArn=arn).get("tags", [])
    }


def _pairs(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def group_arn(schedule_arn: str) -> str:
    """Return the ARN of a schedule's group.

    >>> group_arn("arn:aws:scheduler:eu-west-1:123456789012:schedule/batch/nightly")
    'arn:aws:scheduler:eu-west-1:123456789012:schedule-group/batch'
    """
    head, _, path = schedule_arn.partition(":schedule/")
    return f"{head}:schedule-group/{path.partition('/')[0]}"


def is_revision_arn(definition: str) -> bool:
    """Tell whether this is the ARN of a revision: a family has no tags of its own.

    >>> is_revision_arn("arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:7"), is_revision_arn("nightly")
    (True, False)
    """
    return definition.startswith("arn:") and ":" in definition.rpartition("/")[2]
