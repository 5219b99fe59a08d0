"""A synthetic failed call, for an existing task definition."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

from retry_run_task.commands.shared.faults import calling, code_of, message_of, one_line, refused
from retry_run_task.errors import ConfigError
from retry_run_task.launch import names
from retry_run_task.launch.values import FailedLaunch
from retry_run_task.sources import cloudtrail
from retry_run_task.text import iso

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_ecs import ECSClient

    from retry_run_task.launch.values import JsonObject

REASON = "Capacity is unavailable at this time. Please try again later or in a different availability zone"

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A synthetic failed call."""

    record: JsonObject
    launch: FailedLaunch
    recovery: str

    @property
    def message(self) -> str:
        """The record as a log line."""
        return json.dumps(self.record)


def make_trial(
    stack: str, parameters: JsonObject, *, account: str, region: str, now: datetime | None = None
) -> Trial:
    """Return a record of a call with these parameters that placed nothing."""
    time = now or datetime.now(UTC)
    record = {
        "eventVersion": "1.11",
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "eventID": str(uuid.uuid4()),
        "eventTime": iso(time),
        "awsRegion": region,
        "recipientAccountId": account,
        "requestParameters": parameters,
        "responseElements": {"tasks": [], "failures": [{"reason": REASON}]},
    }
    launch = cloudtrail.parse(record, cloudtrail.Envelope())
    if not isinstance(launch, FailedLaunch):
        raise ConfigError(f"Such a call cannot be tried out: {launch.why}.")
    return Trial(record=record, launch=launch, recovery=names.recovery_name_of(stack, launch))


def check_task_definition(session: boto3.Session, region: str, name: str) -> str:
    """Return the family of a task definition.

    Raises:
        ConfigError: ECS does not have it.
        DeployError: ECS did not answer.
    """
    ecs: ECSClient = session.client("ecs", region_name=region, config=_CONFIG)
    doing = f"look at the task definition {name}"
    with calling(doing):
        try:
            found = ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
        except ClientError as error:
            if code_of(error) in ("ClientException", "InvalidParameterException"):
                raise ConfigError(
                    f"There is no task definition {name!r} in {region} (ECS says: {one_line(message_of(error))})."
                ) from None
            raise refused(error, doing) from None
    return str(found["family"])
