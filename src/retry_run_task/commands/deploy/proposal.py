"""What an installation would need, computed from an inventory only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.inventory import Concurrency, LogGroup, TaskDefinition, Unknown
from retry_run_task.commands.shared.launchers import is_named
from retry_run_task.launch.request import short_family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retry_run_task.commands.shared.inventory import Inventory, Launcher, Trail

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
MOST_FILTERS = 2

# The rest that a reservation must leave to all other functions.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
LEFT_UNRESERVED = 100
RESERVED = 10
"""Recover's reserved concurrency, unless set otherwise or too much for the account."""

LOGS = "logs"
EVENTBRIDGE = "eventbridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What to install with. Only what is switched on is included.

    ``log_group`` is empty if there is none for the filter, ``reserved`` None if no concurrency can be reserved.
    """

    task_definitions: tuple[str, ...]
    clusters: tuple[str, ...]
    pass_role_arns: tuple[str, ...]
    log_group: str
    event_sources: frozenset[str]
    reserved: int | None
    left_out: tuple[str, ...] = ()


def propose(inventory: Inventory) -> Proposal:
    """Return what an installation in this account and Region would need."""
    switched_on = [one for one in inventory.launchers.found if one.is_enabled]
    group = log_group_to_use(inventory)
    members = [propose(one) for one in inventory.members]
    recording = isinstance(inventory.trails, Unknown) or any(map(may_record, inventory.trails))
    ways = {EVENTBRIDGE} if recording else set()
    return Proposal(
        task_definitions=_sorted(
            (
                *(family_of(one, inventory) for one in switched_on),
                *(family for one in members for family in one.task_definitions),
            )
        ),
        clusters=_sorted(
            (
                *(cluster_of(one) for one in switched_on),
                *(cluster for one in members for cluster in one.clusters),
            )
        ),
        pass_role_arns=_sorted(role for one in switched_on for role in roles_of(one, inventory)),
        log_group=group.name if group else "",
        event_sources=frozenset(ways | ({LOGS} if group else set())),
        reserved=_reserved(inventory.concurrency),
        left_out=tuple(dict.fromkeys((*_left_out(inventory), *_in_members(inventory)))),
    )


def may_record(trail: Trail) -> bool:
    """Tell whether a trail records ``RunTask``, as far as is known."""
    return trail.is_logging is not False and trail.records_run_task is not False


def log_group_to_use(inventory: Inventory) -> LogGroup | None:
    """Return the log group that can take a filter, or already has ours; None if there is none."""
    trails = () if isinstance(inventory.trails, Unknown) else inventory.trails
    groups = [
        inventory.log_groups[trail.log_group_arn]
        for trail in trails
        if may_record(trail) and trail.log_group_arn and trail.log_group_arn in inventory.log_groups
    ]
    usable = [group for group in groups if group.exists and group.log_class == "STANDARD"]
    with_ours = [group for group in usable if our_filter(group, inventory)]
    return next(iter(with_ours + [group for group in usable if free_slots(group)]), None)


def free_slots(group: LogGroup) -> int:
    """Return how many more filters a log group takes; 0 if that is not known."""
    return 0 if isinstance(group.filters, Unknown) else max(0, MOST_FILTERS - len(group.filters))


def our_filter(group: LogGroup, inventory: Inventory) -> str:
    """Return the name of the filter that delivers to the installation that was looked for; empty if there is none."""
    if isinstance(group.filters, Unknown):
        return ""
    function = f":function:{inventory.stack_name}-intake"
    return next((one.name for one in group.filters if one.destination_arn.endswith(function)), "")


def family_of(launcher: Launcher, inventory: Inventory) -> str:
    """Return the family that a rule or schedule runs; empty if that cannot be known."""
    definition = inventory.task_definitions.get(launcher.task_definition)
    if isinstance(definition, TaskDefinition):
        return definition.family
    if not is_named(launcher.task_definition):
        return ""
    return short_family(launcher.task_definition)


def cluster_of(launcher: Launcher) -> str:
    """Return the name of the cluster of a rule or schedule; empty if that cannot be known."""
    return launcher.cluster.rsplit("/", 1)[-1] if is_named(launcher.cluster) else ""


def roles_of(launcher: Launcher, inventory: Inventory) -> tuple[str, ...]:
    """Return the roles that have to be passed to the tasks of a rule or schedule, as far as is known.

    The request's roles override the task definition's, but both may be needed: a later revision, or a request without
    overrides, uses the latter.
    """
    definition = inventory.task_definitions.get(launcher.task_definition)
    own: tuple[str | None, ...] = ()
    if isinstance(definition, TaskDefinition):
        own = (definition.task_role_arn, definition.execution_role_arn)
    return tuple(role for role in (*own, *launcher.pass_role_arns) if role)


def _reserved(concurrency: Concurrency | Unknown) -> int | None:
    if isinstance(concurrency, Unknown):
        return RESERVED
    return RESERVED if concurrency.unreserved - RESERVED >= LEFT_UNRESERVED else None


def _left_out(inventory: Inventory) -> Iterator[str]:
    for one in inventory.launchers.found:
        if not one.is_enabled:
            yield f"{one.name} is switched off, so nothing is asked for on its account"
            continue
        if not family_of(one, inventory):
            yield f"{one.name} takes its task definition from an event, so its family has to be named by hand"
        if not cluster_of(one):
            yield f"{one.name} takes its cluster from an event, so its cluster has to be named by hand"
        if one.volume_role_arns:
            yield f"{one.name} passes a role for EBS volumes, which recover may not pass"
    for name, definition in inventory.task_definitions.items():
        if not isinstance(definition, TaskDefinition):
            yield f"the roles of {name} are not known: {definition.why}"
    for gap in inventory.launchers.gaps:
        yield f"some rules or schedules could not be read ({gap.action}): {gap.why}"


def _in_members(inventory: Inventory) -> Iterator[str]:
    for one in inventory.members:
        yield from (f"in account {one.identity.account}, {what}" for what in _left_out(one))


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))
