"""The product, installed into the local AWS: the resources that it needs in an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from retry_run_task.documentation import RUNBOOK
from retry_run_task.local.lambda_.functions import DurableConfig
from retry_run_task.sources import eventbridge, task_state_change
from retry_run_task.sources.cloudtrail import FILTER_NAME, FILTER_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from retry_run_task.local.aws import LocalAws


# As in infra/template.yaml, times the clock's speed.
CALLS_PER_SECOND = 1
_PREFIX = "RETRY_RUN_TASK_"

# The variables that infra/template.yaml gives each function, without RETRY_RUN_TASK_. Every task may be retried here,
# because the account has no others; the other values are the template's defaults without the audit.
_INTAKE = {
    "INSTALLED_BY": "",
    "CALLERS": "rule,scheduler,hand-made",
    "CLUSTERS": "*",
    "TASK_DEFINITIONS": "*",
    "REGIONS": "",
    "ROLE_PATH": "/",
    "ACCOUNTS": "",
    "RECOVER_ERRORS": "false",
    "SPOT_INTERRUPTIONS": "false",
}
_AUDIT = {
    "MESSAGES": "text,en",
    "TIME_ZONE": "",
    "PROFILE": "",
    "RUNBOOK_URL": RUNBOOK,
    "REGIONS": "",
    "ACCOUNTS": "",
    "EXTERNAL_ID": "",
    "ROLE_PATH": "/",
}
_RECOVER = {
    "MESSAGES": "text,en",
    "TIME_ZONE": "",
    "PROFILE": "",
    "RUNBOOK_URL": RUNBOOK,
    "EXTERNAL_ID": "",
    "RECOVER_ERRORS": "false",
    "ROLE_PATH": "/",
    "QUIET_S": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalInstallation:
    """The created resources."""

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
) -> LocalInstallation:
    """Create the two functions, the topic, the subscription filter and the rule.

    Two installations with different ``stack`` names may coexist. ``settings`` go by their environment names: each
    function gets those that the template gives it, and one that the template gives neither goes to both. ``subscribe``
    connects the log group and the event bus to intake. ``python_path`` is where the functions' modules are, such as the
    unpacked zip (None for this package's path).
    """
    made = LocalInstallation(
        stack=stack,
        intake=f"{stack}-intake",
        recover=f"{stack}-recover",
        topic_arn=aws.topics.create(f"{stack}-notifications"),
    )
    # recover's role can only be read once the function exists, and intake knows it from its settings.
    role_arn = f"arn:aws:iam::{aws.account}:role/{stack}-role"
    rate = f"{CALLS_PER_SECOND * aws.clock.speed:g}"
    for_recover = _RECOVER | {"STACK": stack, "TOPIC_ARN": made.topic_arn, "CALLS_PER_SECOND": rate}
    recover = aws.functions.create(
        made.recover,
        "retry_run_task.handlers.recover",
        environment=_environment(for_recover, _INTAKE.keys() - _RECOVER.keys(), settings),
        timeout_s=600,
        durable=DurableConfig(execution_timeout=timedelta(days=7), retention_days=30),
        role_arn=role_arn,
        python_path=python_path,
    )
    for_intake = _INTAKE | {"STACK": stack, "RECOVER_FUNCTION": f"{recover.arn}:live", "ROLE_ARN": role_arn}
    aws.functions.create(
        made.intake,
        "retry_run_task.handlers.intake",
        environment=_environment(for_intake, for_recover.keys() - for_intake.keys(), settings),
        timeout_s=300,
        python_path=python_path,
    )
    if subscribe:
        connect(aws, made)
    return made


def install_audit(
    aws: LocalAws,
    made: LocalInstallation,
    *,
    settings: Mapping[str, str] | None = None,
    python_path: Iterable[str | Path] | None = None,
) -> str:
    """Make the function of the daily audit, and return its name; whoever invokes it is the clock."""
    own = _AUDIT | {"STACK": made.stack, "TOPIC_ARN": made.topic_arn}
    created = aws.functions.create(
        f"{made.stack}-audit",
        "retry_run_task.commands.audit.function.audit",
        environment={f"{_PREFIX}{name}": value for name, value in own.items()} | dict(settings or {}),
        timeout_s=900,
        role_arn=f"arn:aws:iam::{aws.account}:role/{made.stack}-audit-role",
        python_path=python_path,
    )
    return created.name


def connect(aws: LocalAws, made: LocalInstallation) -> None:
    """Connect the log group and the event bus to intake."""
    intake, _ = aws.functions.get(made.intake)
    aws.logs.put_subscription_filter(aws.trail.log_group, FILTER_NAME, FILTER_PATTERN, intake.arn)
    transformer = {
        "InputPathsMap": task_state_change.INPUT_PATHS,
        "InputTemplate": task_state_change.INPUT_TEMPLATE,
    }
    for name, pattern, changed in (
        ("failed-calls", eventbridge.EVENT_PATTERN, {}),
        ("failed-starts", task_state_change.EVENT_PATTERN, {"InputTransformer": transformer}),
    ):
        aws.schedules.put_rule(f"{made.stack}-{name}", pattern=pattern)
        aws.schedules.put_targets(f"{made.stack}-{name}", [{"Id": "intake", "Arn": intake.arn, **changed}])


def _environment(
    own: Mapping[str, str], of_the_other: Iterable[str], settings: Mapping[str, str] | None
) -> dict[str, str]:
    """Return a function's environment: its own variables, with the values of the settings."""
    others = {f"{_PREFIX}{name}" for name in of_the_other}
    given = {name: value for name, value in (settings or {}).items() if name not in others}
    return {f"{_PREFIX}{name}": value for name, value in own.items()} | given
