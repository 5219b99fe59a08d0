"""Scheduled jobs in the local AWS, started by a rule or a schedule of EventBridge."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from datetime import datetime

    from retry_run_task.launch.values import JsonObject
    from retry_run_task.local.aws import LocalAws


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalJob:
    """A scheduled task.

    Attributes:
        by_scheduler: Whether EventBridge Scheduler starts it, not a rule.
        from_event: Whether its overrides contain the id of its event, which cannot be recovered afterwards.
        minute: When it is due each day, in minutes from midnight, UTC; may be negative.
        every_min: Minutes between its runs, from when it is scheduled; None for once a day.
    """

    name: str
    subnets: tuple[str, ...] = ("subnet-a", "subnet-c")
    count: int = 1
    by_scheduler: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    from_event: bool = False
    minute: int = 0
    every_min: int | None = None

    @property
    def expression(self) -> str:
        """Its schedule expression."""
        if self.every_min is not None:
            return f"rate({self.every_min} minutes)"
        hour, minute = divmod(self.minute % (24 * 60), 60)
        return f"cron({minute} {hour} * * ? *)"

    def at(self, when: datetime) -> Self:
        """Return it as due each day at the time of day of a moment."""
        moment = when.astimezone(UTC)
        return replace(self, minute=moment.hour * 60 + moment.minute)

    def target(self, cluster_arn: str, role_arn: str) -> JsonObject:
        """Return its target in EventBridge's JSON."""
        overrides = {
            "containerOverrides": [
                {"name": "app", "environment": [{"name": n, "value": v} for n, v in self.environment]}
            ]
        }
        inputs: JsonObject = {"Input": json.dumps(overrides)} if self.environment else {}
        if self.from_event:
            template = json.dumps(overrides)
            inputs = {"InputTransformer": {"InputPathsMap": {"id": "$.id"}, "InputTemplate": template}}
        return {
            "Arn": cluster_arn,
            "RoleArn": role_arn,
            "EcsParameters": {
                "TaskDefinitionArn": self.name,
                "TaskCount": self.count,
                "LaunchType": "FARGATE",
                "NetworkConfiguration": {
                    "awsvpcConfiguration": {"Subnets": list(self.subnets), "AssignPublicIp": "DISABLED"}
                },
            },
            **inputs,
        }

    def schedule(self, aws: LocalAws, cluster_arn: str) -> None:
        """Create its rule or schedule."""
        target = self.target(cluster_arn, f"arn:aws:iam::{aws.account}:role/start-{self.name}")
        if self.by_scheduler:
            # A rate has a start, so that no run before it seems to be missed.
            start = aws.clock.now() if self.every_min is not None else None
            aws.schedules.create_schedule(self.name, expression=self.expression, target=target, start=start)
        else:
            aws.schedules.put_rule(self.name, expression=self.expression)
            aws.schedules.put_targets(self.name, [{"Id": "1", **target}])
