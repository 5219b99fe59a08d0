"""An account where all is in order, from which tests spoil one thing at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from retry_run_task import __version__
from retry_run_task.commands.shared.inventory import (
    Alarm,
    Concurrency,
    Filter,
    ForeignStack,
    Identity,
    InstalledStack,
    Inventory,
    Launcher,
    Launchers,
    LogGroup,
    TaskDefinition,
    Topic,
    Trail,
    Unknown,
)
from retry_run_task.launch.values import CallerKind

REGION = "ap-northeast-1"
ACCOUNT = "123456789012"
GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trail"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:retry-run-task"
INTAKE_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:retry-run-task-intake"

TRAIL = Trail(name="main", arn="arn:trail", home_region=REGION, log_group_arn=GROUP_ARN)
GROUP = LogGroup(name="trail")
OURS = Filter(name="RunTaskFailureFilter", destination_arn=INTAKE_ARN)
THEIRS = Filter(name="security", destination_arn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/security")
DEFINITION = TaskDefinition(
    family="nightly",
    arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/nightly:7",
    task_role_arn="role/task",
    execution_role_arn="role/execution",
)
LAUNCHER = Launcher(
    kind=CallerKind.SCHEDULER,
    name="export",
    cluster=f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch",
    task_definition="nightly",
    role_arn="role/scheduler",
    variables=("app.DB_URL",),
    may_hide=True,
)
STACK = InstalledStack(
    name="retry-run-task",
    status="CREATE_COMPLETE",
    outputs={"Version": __version__, "Topic": TOPIC_ARN, "TrailFilter": "RunTaskFailureFilter"},
    parameters={
        "TaskDefinitions": "nightly",
        "Clusters": "batch",
        "PassRoleArns": "role/task,role/execution",
    },
    is_durable=True,
)
ALARM = Alarm(name="retry-run-task-gave-up", topic_arns=(TOPIC_ARN,))
TOPIC = Topic(arn=TOPIC_ARN, confirmed=1)
DENIED = Unknown(action="some:Action", why="AccessDenied: no", is_denied=True)
BROKEN = Unknown(action="some:Action", why="InternalFailure: try later")

EMPTY = Inventory(
    region=REGION, identity=Identity(account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/ops", partition="aws")
)
NOT_INSTALLED = replace(
    EMPTY,
    trails=(TRAIL,),
    log_groups={GROUP_ARN: GROUP},
    launchers=Launchers(found=(LAUNCHER,)),
    task_definitions={"nightly": DEFINITION},
    concurrency=Concurrency(limit=1000, unreserved=1000),
)
FOREIGN = replace(NOT_INSTALLED, stack=ForeignStack(name="retry-run-task", contents="a table"))
INSTALLED = replace(
    NOT_INSTALLED,
    log_groups={GROUP_ARN: replace(GROUP, filters=(OURS,))},
    stack=STACK,
    alarms=(ALARM,),
    topics={TOPIC_ARN: TOPIC},
)


def with_trail(**changes: Any) -> Inventory:
    """Return the account with another trail."""
    return replace(NOT_INSTALLED, trails=(replace(TRAIL, **changes),))


def with_group(**changes: Any) -> Inventory:
    """Return the account with another log group."""
    return replace(NOT_INSTALLED, log_groups={GROUP_ARN: replace(GROUP, **changes)})


def with_launcher(**changes: Any) -> Inventory:
    """Return the account with another schedule."""
    return replace(NOT_INSTALLED, launchers=Launchers(found=(replace(LAUNCHER, **changes),)))


def on_instances(providers: tuple[str, ...] | Unknown) -> Inventory:
    """Return the account with a schedule that sets the launch type EC2."""
    made = with_launcher(placement={"launchType": "EC2"})
    return replace(made, default_providers={LAUNCHER.cluster: providers})


def with_stack(**changes: Any) -> Inventory:
    """Return the account with another installation."""
    return replace(INSTALLED, stack=replace(STACK, **changes))
