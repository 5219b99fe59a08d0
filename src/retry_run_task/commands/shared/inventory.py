"""What exists in one account and Region, as far as it concerns recoveries.

Everything here is a value. What could not be read is a value too: `Unknown` replaces the answer. Only the
names of environment variables are kept, never their values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retry_run_task.commands.shared.ownership import Resource
    from retry_run_task.launch.values import CallerKind

DEFAULT_STACK = "retry-run-task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Replaces what could not be read with an IAM action such as ``cloudtrail:DescribeTrails``; ``why`` is one line."""

    action: str
    why: str
    is_denied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The caller's identity, in a partition: ``aws``, ``aws-cn``, ``aws-us-gov`` and so on."""

    account: str
    arn: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A trail that records this Region's calls, if its selectors include them.

    Attributes:
        home_region: Where it was created, and where its log group is.
        log_group_arn: Without the ``:*`` at its end; None if it writes to S3 only.
        delivery_error: CloudTrail's last error for the log group; empty if there is none.
    """

    name: str
    arn: str
    home_region: str
    is_multi_region: bool = False
    is_organization: bool = False
    log_group_arn: str | None = None
    is_logging: bool | Unknown = True
    records_run_task: bool | Unknown = True
    delivery_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A subscription filter on a log group."""

    name: str
    destination_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup:
    """The log group of a trail, in this account and Region.

    Attributes:
        log_class: ``STANDARD``, ``INFREQUENT_ACCESS`` or ``DELIVERY``; Unknown if it could not be read.
        exists: Whether it exists; a trail may name one that was deleted.
    """

    name: str
    log_class: str | Unknown = "STANDARD"
    exists: bool = True
    filters: tuple[Filter, ...] | Unknown = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """A rule's target or a schedule that starts an ECS task: its request, without values that may be secret.

    Attributes:
        holder: The event bus or the schedule group that it is in.
        expression: ``cron(...)``, ``rate(...)`` or ``at(...)``; None for a rule on events.
        cluster: Name or ARN; a rule may have a JSON path here, such as ``$.detail.cluster``.
        task_definition: A family, ``family:revision``, an ARN or a JSON path; empty if not known.
        pass_role_arns: Roles that its request names for the task, which must be passed.
        placement: Where its tasks run, in RunTask's spelling: ``networkConfiguration``, ``launchType``,
            ``capacityProviderStrategy`` and ``platformVersion``, those that it has.
        variables: Names of the environment variables that it sets, each with its container: ``app.DB_URL``.
        may_hide: Whether CloudTrail redacts a part of its calls, as far as can be told.
        unreadable: Why that part cannot be read back; empty if it can.
        timezone: Of the expression, an IANA name.
        start: When a rate begins to count; None if not set.
        modified: When it was last changed; None if AWS does not report it, as for rules.
        window_min: Its flexible time window in minutes.
        started_by: The ``startedBy`` of its own request, as a universal target may have; empty if EventBridge sets it.
        event_age_s: How long EventBridge retries a call that raised an error.
        account: Where it is, with ``region``; empty for the inventory's own.
    """

    kind: CallerKind
    name: str
    holder: str = "default"
    is_enabled: bool = True
    expression: str | None = None
    cluster: str = "default"
    task_definition: str = ""
    role_arn: str | None = None
    pass_role_arns: tuple[str, ...] = ()
    volume_role_arns: tuple[str, ...] = ()
    placement: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    variables: tuple[str, ...] = ()
    may_hide: bool = False
    unreadable: str = ""
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    modified: datetime | None = None
    window_min: int = 0
    started_by: str = ""
    event_age_s: int = 24 * 3600
    account: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launchers:
    """The rules and schedules that start ECS tasks. ``gaps`` says what could not be read, each once."""

    found: tuple[Launcher, ...] = ()
    gaps: tuple[Unknown, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """A task definition that a rule or schedule asks for: the revision that would be run now."""

    family: str
    arn: str
    is_active: bool = True
    task_role_arn: str | None = None
    execution_role_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A task definition that a rule or schedule asks for and that ECS does not have; ``why`` is ECS's answer."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledStack:
    """The stack with the name of an installation.

    Attributes:
        status: CloudFormation's word, such as ``CREATE_COMPLETE``.
        is_durable: Whether its recover function exists and is durable; None if the stack names no function.
        is_ours: Unknown if its resources could not be read, so that it may be another owner's.
        way: How it was installed: ``deploy``, ``cloudformation`` or ``terraform``; empty if that is not known.
        is_elsewhere: Whether it is no stack of CloudFormation, as an installation by Terraform is none. What is known
            is what its functions tell.
    """

    name: str
    status: str = ""
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_durable: bool | Unknown | None = None
    resources: tuple[Resource, ...] | Unknown = ()
    is_ours: Literal[True] | Unknown = True
    way: str = ""
    is_elsewhere: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it has all its resources, as far as CloudFormation says; ROLLBACK_COMPLETE is of a creation."""
        return self.is_elsewhere or (self.status.endswith("_COMPLETE") and self.status != "ROLLBACK_COMPLETE")

    @property
    def version(self) -> str:
        """The installed version of this system; empty if the stack does not say."""
        return self.outputs.get("Version", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignStack:
    """Another owner's stack with the name of an installation, and what is in it, in words."""

    name: str
    contents: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic of alarms or recoveries."""

    arn: str
    confirmed: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of the installed stack, and the topics that it notifies."""

    name: str
    topic_arns: tuple[str, ...] = ()
    has_actions: bool = True
    exists: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many Lambda invocations may run at the same time, and how many of these no function has reserved."""

    limit: int
    unreserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What exists in one account and Region.

    Attributes:
        log_groups: Those of these trails that are in this account and Region, by ARN.
        elsewhere: Other Regions of the account whose rules and schedules were read, too.
        task_definitions: By the name that the rules and schedules use; those of other Regions by their ARN.
        members: The rules, schedules and task definitions of other accounts, as far as they were looked at.
        closed: Why other accounts could not be entered, each as the end of a sentence.
        names: All clusters, families and roles of a member account, by parameter; read only if it has many jobs.
        default_providers: Capacity providers of the default strategy of each cluster that a launcher names beside the
            launch type EC2; Fargate's are left out.
        topics: Those of the alarms and of the installation, by ARN.
    """

    region: str
    identity: Identity
    trails: tuple[Trail, ...] | Unknown = ()
    log_groups: Mapping[str, LogGroup] = field(default_factory=lambda: MappingProxyType({}))
    elsewhere: tuple[str, ...] = ()
    launchers: Launchers = field(default_factory=Launchers)
    task_definitions: Mapping[str, TaskDefinition | Missing | Unknown] = field(
        default_factory=lambda: MappingProxyType({})
    )
    members: tuple[Inventory, ...] = ()
    closed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    names: Mapping[str, tuple[str, ...] | Unknown] = field(default_factory=lambda: MappingProxyType({}))
    default_providers: Mapping[str, tuple[str, ...] | Unknown] = field(
        default_factory=lambda: MappingProxyType({})
    )
    stack: InstalledStack | ForeignStack | Unknown | None = None
    stack_name: str = DEFAULT_STACK
    alarms: tuple[Alarm, ...] | Unknown = ()
    topics: Mapping[str, Topic | Unknown] = field(default_factory=lambda: MappingProxyType({}))
    concurrency: Concurrency | Unknown = field(
        default_factory=lambda: Unknown(action="lambda:GetAccountSettings", why="it was not asked for")
    )
