"""What there is in one account and Region, as far as it concerns recoveries.

Everything here is a value without behaviour that acts. What could not be read is a value too: `Unknown` stands in
the place of the answer. Values of environment variables never come here; only their names do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retry_run_task.commands.shared.ownership import Resource
    from retry_run_task.launch.values import CallerKind

DEFAULT_STACK = "retry-run-task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What stands in the place of something that could not be read.

    Attributes:
        action: The IAM action of the call, such as ``cloudtrail:DescribeTrails``.
        why: What AWS, or the connection, said; one line.
        is_denied: Whether a permission is missing, which asking again does not change.
    """

    action: str
    why: str
    is_denied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is looking.

    Attributes:
        account: 12 digits.
        arn: Of the user or the assumed role.
        partition: ``aws``, ``aws-cn``, ``aws-us-gov`` and so on.
    """

    account: str
    arn: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A trail that takes in this Region's calls, if its selectors let it.

    Attributes:
        name: Its name.
        arn: Its ARN.
        home_region: Where it was made, and where its log group is.
        is_multi_region: Whether it takes in every Region's calls.
        is_organization: Whether it takes in every account of the organisation.
        log_group_arn: Where it writes to, less the ``:*`` at its end; None if to S3 alone.
        is_logging: Whether it is switched on.
        records_run_task: Whether its selectors take in ``RunTask``.
        delivery_error: What CloudTrail said when it could last not write to the log group; empty if it could.
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
    """A subscription filter on a log group.

    Attributes:
        name: Its name.
        destination_arn: The function, stream or destination that it hands to.
    """

    name: str
    destination_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup:
    """The log group of a trail, in this account and Region.

    Attributes:
        name: Its name.
        log_class: ``STANDARD``, ``INFREQUENT_ACCESS`` or ``DELIVERY``; Unknown if it could not be read.
        exists: Whether it is there; a trail may name one that was deleted.
        filters: The subscription filters on it.
    """

    name: str
    log_class: str | Unknown = "STANDARD"
    exists: bool = True
    filters: tuple[Filter, ...] | Unknown = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """A rule's target or a schedule that starts an ECS task: what is asked for, and no value that may be secret.

    Attributes:
        kind: ``RULE`` or ``SCHEDULER``.
        name: Its name.
        holder: The event bus or the schedule group that it is in.
        is_enabled: Whether it is switched on.
        expression: ``cron(...)``, ``rate(...)`` or ``at(...)``; None for a rule on events.
        cluster: Name or ARN; a rule may have a JSON path here, such as ``$.detail.cluster``.
        task_definition: As asked for: a family, ``family:revision``, an ARN or a JSON path; empty if not known.
        role_arn: The role that it calls RunTask with.
        pass_role_arns: Roles that its request names for the task, which must be passed.
        volume_role_arns: Roles that its request names for EBS volumes.
        placement: Where its tasks are to run, in RunTask's spelling: ``networkConfiguration``, ``launchType``,
            ``capacityProviderStrategy`` and ``platformVersion``, those that it has.
        variables: Names of the environment variables that it sets, each with its container: ``app.DB_URL``.
        may_hide: Whether CloudTrail hides a part of its calls, as far as can be told.
        unreadable: Why that part cannot be read back; empty if it can.
        timezone: Of the expression, an IANA name.
        start: When a rate begins to count; None if it is not said.
        end: After which nothing is due; None if it is not said.
        modified: When it was last changed; None where AWS does not tell, as of rules.
        window_min: For how many minutes after it is due it may still be started.
        started_by: What its own request puts on its tasks, as a universal target may; empty if EventBridge does.
        event_age_s: For how long EventBridge repeats a call that raised an error.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Launchers:
    """The rules and schedules that start ECS tasks.

    Attributes:
        found: Those that could be read, rules first.
        gaps: What could not be read, each once; empty if ``found`` is all there are.
    """

    found: tuple[Launcher, ...] = ()
    gaps: tuple[Unknown, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """A task definition that a rule or schedule asks for.

    Attributes:
        family: Its family.
        arn: Of the revision that would be run now.
        is_active: Whether RunTask would take it.
        task_role_arn: The role of the containers; None if they have none.
        execution_role_arn: The role that ECS starts the task with; None if it has none.
    """

    family: str
    arn: str
    is_active: bool = True
    task_role_arn: str | None = None
    execution_role_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A task definition that a rule or schedule asks for, and that ECS does not have.

    Attributes:
        why: What ECS said.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The stack that has the name of an installation.

    Attributes:
        name: The stack's name.
        status: CloudFormation's word, such as ``CREATE_COMPLETE``.
        reason: What CloudFormation said about the status; empty if nothing.
        outputs: By name.
        parameters: By name, as text.
        is_durable: Whether its recover function is there and durable; None if the stack names no function.
        resources: What it has, with what is gone.
        is_ours: Whether it is an installation of this system.
    """

    name: str
    status: str
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_durable: bool | Unknown | None = None
    resources: tuple[Resource, ...] | Unknown = ()
    is_ours: bool | Unknown = True

    @property
    def version(self) -> str:
        """The version of this system that is installed; empty if the stack does not say."""
        return self.outputs.get("Version", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic that alarms or recoveries speak to.

    Attributes:
        arn: Its ARN.
        confirmed: How many subscriptions it has that get messages.
        pending: How many wait for somebody to confirm them.
    """

    arn: str
    confirmed: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of the installed stack.

    Attributes:
        name: Its name.
        topic_arns: The topics that it speaks to; empty if to none.
        has_actions: Whether its actions are switched on.
        exists: Whether it is there; somebody may have deleted it.
    """

    name: str
    topic_arns: tuple[str, ...] = ()
    has_actions: bool = True
    exists: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many Lambda invocations may run at the same moment.

    Attributes:
        limit: In the account and Region.
        unreserved: What no function has reserved for itself.
    """

    limit: int
    unreserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is in one account and Region.

    Attributes:
        region: The Region.
        identity: Who has looked.
        trails: Those that take in this Region.
        log_groups: Those of these trails that are in this account and Region, by ARN.
        launchers: Rules and schedules that start ECS tasks.
        task_definitions: By what the rules and schedules ask for.
        stack: The installation; None if there is none.
        stack_name: The name that was looked for.
        alarms: Those of the installation.
        topics: Those of the alarms and of the installation, by ARN.
        concurrency: Of Lambda.
    """

    region: str
    identity: Identity
    trails: tuple[Trail, ...] | Unknown = ()
    log_groups: Mapping[str, LogGroup] = field(default_factory=lambda: MappingProxyType({}))
    launchers: Launchers = field(default_factory=Launchers)
    task_definitions: Mapping[str, TaskDefinition | Missing | Unknown] = field(
        default_factory=lambda: MappingProxyType({})
    )
    stack: Stack | Unknown | None = None
    stack_name: str = DEFAULT_STACK
    alarms: tuple[Alarm, ...] | Unknown = ()
    topics: Mapping[str, Topic | Unknown] = field(default_factory=lambda: MappingProxyType({}))
    concurrency: Concurrency | Unknown = field(
        default_factory=lambda: Unknown(action="lambda:GetAccountSettings", why="it was not asked for")
    )
