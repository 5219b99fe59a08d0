"""The product, installed into the local AWS: what an account needs of it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from retry_run_task.local.lambda_.functions import DurableConfig
from retry_run_task.sources import eventbridge, task_state_change
from retry_run_task.sources.cloudtrail import FILTER_NAME, FILTER_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from retry_run_task.local.aws import LocalAws


# As in infra/template.yaml, and more by as much as the clock is faster.
CALLS_PER_SECOND = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What was made.

    Attributes:
        stack: Its name; part of every other name.
        intake: Name of the intake function.
        recover: Name of the recover function.
        topic_arn: Where messages for a person go.
    """

    stack: str
    intake: str
    recover: str
    topic_arn: str


def install(
    aws: LocalAws,
    *,
    stack: str = "retry-run-task",
    settings: Mapping[str, str] | None = None,
    subscribe: bool = True,
    python_path: Iterable[str | Path] | None = None,
) -> Installation:
    """Make the two functions, the topic, the subscription filter and the rule.

    Args:
        aws: Where.
        stack: Name of the installation; two with different names may live beside each other.
        settings: Further settings of both functions, by their environment names.
        subscribe: Whether the log group and the event bus are connected to intake.
        python_path: Where the functions' modules are, such as the unpacked zip; None for where this package is.
    """
    made = Installation(
        stack=stack,
        intake=f"{stack}-intake",
        recover=f"{stack}-recover",
        topic_arn=aws.topics.create(f"{stack}-notifications"),
    )
    # recover's role cannot be asked for before the function is there, and intake knows it from its settings.
    role_arn = f"arn:aws:iam::{aws.account}:role/{stack}-role"
    common = {
        "RETRY_RUN_TASK_STACK": stack,
        "RETRY_RUN_TASK_TOPIC_ARN": made.topic_arn,
        "RETRY_RUN_TASK_ROLE_ARN": role_arn,
        "RETRY_RUN_TASK_CALLS_PER_SECOND": f"{CALLS_PER_SECOND * aws.clock.speed:g}",
        **(settings or {}),
    }
    recover = aws.functions.create(
        made.recover,
        "retry_run_task.handlers.recover",
        environment=common,
        timeout_s=600,
        durable=DurableConfig(execution_timeout=timedelta(days=7), retention_days=30),
        role_arn=role_arn,
        python_path=python_path,
    )
    aws.functions.create(
        made.intake,
        "retry_run_task.handlers.intake",
        environment={**common, "RETRY_RUN_TASK_RECOVER_FUNCTION": f"{recover.arn}:live"},
        timeout_s=300,
        python_path=python_path,
    )
    if subscribe:
        aws.logs.put_subscription_filter(aws.trail.log_group, FILTER_NAME, FILTER_PATTERN, made.intake)
        aws.events.put_rule(f"{stack}-failed-calls", eventbridge.EVENT_PATTERN, made.intake)
        aws.events.put_rule(f"{stack}-failed-starts", task_state_change.EVENT_PATTERN, made.intake)
    return made
