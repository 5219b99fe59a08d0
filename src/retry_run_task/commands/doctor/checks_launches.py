"""What would be recovered: the rules and schedules, what CloudTrail redacts of them, and recover's permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.deploy.proposal import propose
from retry_run_task.commands.doctor.check import fail, listed, ok, skip, unread
from retry_run_task.commands.shared.inventory import Missing, TaskDefinition, Unknown
from retry_run_task.commands.shared.launchers import is_named, is_on_instances
from retry_run_task.commands.shared.reader import error_code
from retry_run_task.launch.values import CallerKind
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.commands.doctor.check import Check
    from retry_run_task.commands.shared.inventory import Inventory, Launcher

SCHEDULES = "schedules"
HIDDEN = "hidden values"
TASK_DEFINITIONS = "task definitions"
ROLES = "roles"
LAUNCH_TYPE = "launch type"


def check_launches(inventory: Inventory) -> Iterator[Check]:
    """Yield the checks of the rules and schedules that start tasks."""
    found = inventory.launchers.found
    if found:
        yield ok(SCHEDULES, _counted(inventory))
    elif not inventory.launchers.gaps:
        yield skip(SCHEDULES, "No rule and no schedule starts an ECS task here.", "Is this the right Region?")
    for gap in inventory.launchers.gaps:
        yield unread(SCHEDULES, gap)
    # A disabled one does no harm.
    switched_on = tuple(one for one in found if one.is_enabled)
    if switched_on:
        yield _hidden(switched_on)
        yield from _task_definitions(switched_on, inventory)
        yield _roles(switched_on, inventory)
        yield from _launch_types(switched_on, inventory)


def _counted(inventory: Inventory) -> str:
    found = inventory.launchers.found
    rules = sum(one.kind is CallerKind.RULE for one in found)
    off = sum(not one.is_enabled for one in found)
    proposal = propose(inventory)
    starters = (_number(rules, "rule"), _number(len(found) - rules, "schedule"))
    parts = [
        " and ".join(filter(None, starters)),
        f"{off} switched off" if off else "",
        _named("cluster", proposal.clusters),
        _named("task definition", proposal.task_definitions),
    ]
    return f"ECS tasks are started by {'; '.join(part for part in parts if part)}."


def _named(what: str, names: tuple[str, ...]) -> str:
    return f"{what}{'' if len(names) == 1 else 's'} {listed(names)}" if names else ""


def _number(count: int, noun: str) -> str:
    return counted(count, noun) if count else ""


def _hidden(found: tuple[Launcher, ...]) -> Check:
    hiding = [one for one in found if one.may_hide]
    lost = [f"{one.name} ({one.unreadable})" for one in hiding if one.unreadable]
    if not hiding:
        return ok(HIDDEN, "None of them sets environment variables, which CloudTrail would redact.")
    if not lost:
        return ok(
            HIDDEN,
            f"CloudTrail redacts the environment variables of {listed([one.name for one in hiding])}; "
            "all can be read back.",
        )
    return fail(
        HIDDEN,
        f"CloudTrail redacts a part of their requests, and it cannot be read back: {listed(lost)}.",
        "Set these values in the task definition, or as a constant input; until then failures are only reported.",
    )


def _task_definitions(launchers: tuple[Launcher, ...], inventory: Inventory) -> Iterator[Check]:
    users: dict[str, list[str]] = {}
    for one in launchers:
        users.setdefault(one.task_definition, []).append(one.name)
    found = {name: inventory.task_definitions[name] for name in users if name in inventory.task_definitions}
    for name, definition in found.items():
        match definition:
            case Missing():
                yield fail(
                    TASK_DEFINITIONS,
                    f"There is no task definition {name}, which {listed(users[name])} starts.",
                    "Correct its name, or register it.",
                )
            case TaskDefinition(is_active=False):
                yield fail(
                    TASK_DEFINITIONS,
                    f"The task definition {name}, which {listed(users[name])} starts, is inactive.",
                    "Name an active revision.",
                )
            case TaskDefinition() | Unknown():
                pass
    gaps = {(gap.action, error_code(gap)): gap for gap in found.values() if isinstance(gap, Unknown)}
    for gap in gaps.values():
        yield unread(TASK_DEFINITIONS, gap)
    if from_events := [name for asked, names in users.items() if not is_named(asked) for name in names]:
        yield skip(
            TASK_DEFINITIONS,
            f"What {listed(from_events)} starts is not known before an event says it.",
            "Name the families yourself when you deploy.",
        )
    if found and all(isinstance(one, TaskDefinition) and one.is_active for one in found.values()):
        yield ok(TASK_DEFINITIONS, f"Every one that is named is there and active ({len(found)}).")


def _roles(launchers: tuple[Launcher, ...], inventory: Inventory) -> Check:
    if volumes := [one.name for one in launchers if one.volume_role_arns]:
        return fail(
            ROLES,
            f"{listed(volumes)} passes a role for EBS volumes, which recover may not pass.",
            "Nothing can be done about it yet; its failures are only reported.",
        )
    roles = propose(inventory).pass_role_arns
    if any(isinstance(inventory.task_definitions.get(one.task_definition), Unknown) for one in launchers):
        known = f"{listed(roles)} and perhaps more" if roles else "what is not known"
        return skip(ROLES, f"recover has to pass {known}, since not every task definition could be read.")
    if not roles:
        return ok(ROLES, "The tasks have no roles that recover would have to pass.")
    return ok(ROLES, f"recover has to pass {listed(roles)}.")


def _launch_types(launchers: tuple[Launcher, ...], inventory: Inventory) -> Iterator[Check]:
    """Yield what a launch type EC2 keeps from being recovered: it turns the cluster's capacity provider off.

    Without an instance, RunTask raises an error then, instead of leaving the task in PROVISIONING until there is one.
    https://github.com/aws/containers-roadmap/issues/937
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (capacityProviderStrategy)
    """
    read = inventory.default_providers
    defaults = {
        one.name: read[one.cluster] for one in launchers if is_on_instances(one) and one.cluster in read
    }
    gaps = {gap.action: gap for gap in defaults.values() if isinstance(gap, Unknown)}
    for gap in gaps.values():
        yield unread(LAUNCH_TYPE, gap)
    if bypassing := [
        name for name, default in defaults.items() if default and not isinstance(default, Unknown)
    ]:
        yield fail(
            LAUNCH_TYPE,
            f"{listed(bypassing)} sets the launch type EC2 on a cluster with a default capacity provider, which is "
            "not used then: without an instance RunTask raises an error, and no retry helps.",
            "Remove the launch type, so that the capacity provider adds instances.",
        )
    elif defaults and not gaps:
        yield ok(LAUNCH_TYPE, "None sets the launch type EC2 beside a default capacity provider.")
