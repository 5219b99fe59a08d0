"""Whether this system is, or can be, installed: durable functions, the stack, its scope, alarms, concurrency."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task import __version__
from retry_run_task.commands.deploy import reads
from retry_run_task.commands.deploy.proposal import (
    LEFT_UNRESERVED,
    RESERVED,
    cluster_of,
    family_of,
    propose,
    roles_of,
)
from retry_run_task.commands.deploy.template import known_resources
from retry_run_task.commands.doctor.check import fail, listed, ok, skip, unread
from retry_run_task.commands.shared import ownership, ways
from retry_run_task.commands.shared.hints import aws_line, command_line
from retry_run_task.commands.shared.inventory import ForeignStack, InstalledStack, Topic, Unknown
from retry_run_task.commands.shared.member_access import NEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.commands.doctor.check import Check
    from retry_run_task.commands.shared.installed import Found
    from retry_run_task.commands.shared.inventory import Alarm, Inventory, Launcher

DURABLE = "durable functions"
STACK = "stack"
SCOPE = "scope"
MEMBERS = "other accounts"
ALARMS = "alarms"
CONCURRENCY = "concurrency"

# The remains of a failed creation or deletion; they must be deleted before a new creation.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
_NOT_WHOLE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})


def check_installation(inventory: Inventory) -> Iterator[Check]:
    """Yield the checks of the installation, and of what one needs."""
    yield _durable(inventory.stack)
    yield _stack(inventory)
    if isinstance(inventory.stack, InstalledStack) and inventory.launchers.found:
        yield from _scope(inventory, inventory.stack)
    if isinstance(inventory.stack, InstalledStack):
        yield from _members(inventory, inventory.stack)
    yield from _alarms(inventory)
    yield _concurrency(inventory)


def _durable(stack: Found) -> Check:
    state = stack.is_durable if isinstance(stack, InstalledStack) else None
    if state is True:
        return ok(DURABLE, "recover is one, so this Region has them.")
    if isinstance(state, Unknown):
        return unread(DURABLE, state)
    if state is False:
        return fail(DURABLE, "The stack's recover function is gone, or is not durable.", _again())
    return skip(
        DURABLE,
        "AWS has no call that only asks whether a Region has them.",
        "`deploy` fails in a Region without durable functions.",
    )


def _again() -> str:
    return f"Remove what is left with: {command_line('destroy')}, then deploy again."


def _stack(inventory: Inventory) -> Check:
    stack, name = inventory.stack, inventory.stack_name
    if isinstance(stack, Unknown):
        return unread(STACK, stack)
    if isinstance(stack, ForeignStack):
        where = f"{name} in {inventory.region}"
        return fail(STACK, ownership.not_ours(where, stack.contents), ownership.ELSEWHERE)
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        return skip(STACK, f"{name} is not installed here.", f"Install it with: {command_line('deploy')}")
    if stack.is_elsewhere:
        by = "" if stack.way else ", but not by CloudFormation"
        return ok(
            STACK,
            f"{name} is {ways.in_words(stack.way)}{by}.",
            f"{ways.removal(stack.way, name, inventory.region)}.",
        )
    if isinstance(stack.is_ours, Unknown):
        return unread(STACK, stack.is_ours)
    return (
        _unfinished(stack, inventory.region)
        or _shared(stack, inventory.region)
        or _version(stack, inventory.region)
    )


def _shared(stack: InstalledStack, region: str) -> Check | None:
    """Return the check of a stack that deploy and destroy refuse, since something else is in it, too."""
    if isinstance(stack.resources, Unknown):
        return None
    also = ownership.also_holds(f"{stack.name} in {region}", stack.resources, known_resources())
    return fail(STACK, also, ownership.ALONE) if also else None


def _unfinished(stack: InstalledStack, region: str) -> Check | None:
    name = stack.name
    said = f": {stack.reason.rstrip('.')}" if stack.reason else ""
    if stack.status.endswith("_IN_PROGRESS"):
        return skip(STACK, f"{name} is being changed ({stack.status}).", "Look again when it is done.")
    if stack.status in _NOT_WHOLE:
        return fail(STACK, f"{name} is not whole ({stack.status}){said}.", _again())
    if stack.status.endswith("_FAILED"):
        return fail(
            STACK,
            f"{name} is stuck in a change ({stack.status}){said}.",
            f"Go back first: {aws_line(f'cloudformation continue-update-rollback --stack-name {name}', region)}",
        )
    return None


def _version(stack: InstalledStack, region: str) -> Check:
    made = f"{stack.name} is {ways.in_words(stack.way)}, version {stack.version}"
    is_plain = stack.way == ways.CLOUDFORMATION
    undone = ", its last update was undone" if stack.status == "UPDATE_ROLLBACK_COMPLETE" else ""
    if stack.version == __version__:
        return ok(STACK, f"{made}{undone}.", ways.removal(stack.way, stack.name, region) if is_plain else "")
    return ok(
        STACK,
        f"{made}, and this is {__version__}{undone}.",
        f"Bring it to this version as it was installed, or with: {command_line('deploy')}, which takes it over"
        if is_plain
        else f"Bring it to this version with: {command_line('deploy')}",
    )


def _scope(inventory: Inventory, stack: InstalledStack) -> Iterator[Check]:
    """Yield whether the installed stack covers the account's jobs."""
    families, clusters, passed = (
        [part.strip() for part in stack.parameters.get(name, "").split(",") if part.strip()]
        for name in ("TaskDefinitions", "Clusters", "PassRoleArns")
    )
    if not families:
        return
    outside: list[str] = []
    barred: dict[str, list[str]] = {}
    for one in inventory.launchers.found:
        if not one.is_enabled:
            continue
        if not _is_inside(one, inventory, families, clusters):
            outside.append(one.name)
            continue
        for role in roles_of(one, inventory) if "PassRoleArns" in stack.parameters else ():
            if not any(fnmatchcase(role, glob) for glob in passed):
                barred.setdefault(role, []).append(one.name)
    if barred:
        names = list(dict.fromkeys(name for names in barred.values() for name in names))
        yield fail(
            SCOPE,
            f"recover may not pass {listed(list(barred))}, which the tasks of {listed(names)} need.",
            f"Add them to PassRoleArns with: {command_line('deploy')}",
        )
    if outside:
        yield skip(
            SCOPE,
            f"The stack leaves {listed(outside)} alone, by its TaskDefinitions and Clusters.",
            f"To recover them, run: {command_line('deploy')}",
        )
    closed = reads.unreadable(inventory, clusters or ["default"], stack.parameters)
    yield from _closed(closed)
    if not any((barred, outside, closed)):
        yield ok(SCOPE, "The stack covers every rule and schedule that is switched on.")


def _closed(names: tuple[str, ...]) -> Iterator[Check]:
    if names:
        yield fail(
            SCOPE,
            f"recover may not read {listed(list(names))}, so it does not know what CloudTrail redacts of their calls, "
            "and when their next runs are due.",
            f"Add them to ReadRules and ReadSchedules with: {command_line('deploy')}",
        )


def _members(inventory: Inventory, stack: InstalledStack) -> Iterator[Check]:
    """Yield whether the stack covers the jobs of other accounts, as far as these were read."""
    for account, why in inventory.closed.items():
        yield skip(MEMBERS, f"{account} was not looked at, since {why}.", NEXT)
    for member in inventory.members:
        yield from _member(member.identity.account, member, stack)


def _member(account: str, member: Inventory, stack: InstalledStack) -> Iterator[Check]:
    for gap in member.launchers.gaps:
        yield skip(MEMBERS, f"{account} could not be read ({gap.action}): {gap.why}.")
    families, clusters = (
        [part for part in stack.parameters.get(name, "").split(",") if part]
        for name in ("TaskDefinitions", "Clusters")
    )
    switched_on = [one for one in member.launchers.found if one.is_enabled]
    outside = [one.name for one in switched_on if not _is_inside(one, member, families, clusters)]
    if outside:
        yield skip(
            MEMBERS,
            f"The stack leaves {listed(outside)} of {account} alone, by its TaskDefinitions and Clusters.",
            f"If it should cover them, run: {command_line('deploy')}",
        )
    elif switched_on and not member.launchers.gaps:
        yield ok(MEMBERS, f"The stack covers every rule and schedule of {account} that is switched on.")


def _is_inside(one: Launcher, inventory: Inventory, families: list[str], clusters: list[str]) -> bool:
    family, cluster = family_of(one, inventory), cluster_of(one)
    return (not family or any(fnmatchcase(family, glob) for glob in families)) and (
        not cluster or any(fnmatchcase(cluster, glob) for glob in clusters or ["default"])
    )


def _alarms(inventory: Inventory) -> Iterator[Check]:
    if not isinstance(inventory.stack, InstalledStack):
        yield skip(ALARMS, "There is no installation that could have any.")
        return
    if isinstance(inventory.alarms, Unknown):
        yield unread(ALARMS, inventory.alarms)
    elif inventory.alarms:
        yield from _silent(inventory.alarms, inventory.region)
    unknown = [topic for topic in inventory.topics.values() if isinstance(topic, Unknown)]
    for gap in unknown[:1]:
        yield unread(ALARMS, gap)
    deaf = [t for t in inventory.topics.values() if isinstance(t, Topic) and not t.confirmed]
    for topic in deaf:
        yield _nobody_hears(topic)
    if inventory.topics and not deaf and not unknown:
        yield ok(
            ALARMS, f"There is a subscriber to {listed([t.rsplit(':', 1)[-1] for t in inventory.topics])}."
        )


def _silent(alarms: tuple[Alarm, ...], region: str) -> Iterator[Check]:
    gone = [alarm.name for alarm in alarms if not alarm.exists]
    mute = [a.name for a in alarms if a.exists and not (a.topic_arns and a.has_actions)]
    if gone:
        yield fail(
            ALARMS,
            f"The stack's alarm {listed(gone)} is gone.",
            "Delete the stack and deploy it again; an update does not see what is gone.",
        )
    if mute:
        yield fail(
            ALARMS,
            f"{listed(mute)} notifies nobody: it has no topic, or its actions are switched off.",
            f"Switch them on: {aws_line(f'cloudwatch enable-alarm-actions --alarm-names {mute[0]}', region)}",
        )


def _nobody_hears(topic: Topic) -> Check:
    name = topic.arn.rsplit(":", 1)[-1]
    if topic.pending:
        return fail(
            ALARMS,
            f"Nobody hears {name}: its subscription is not confirmed.",
            "Open the link in the e-mail that AWS sent.",
        )
    return fail(
        ALARMS,
        f"{name} has no confirmed subscription, so its messages reach nobody.",
        aws_line(
            f"sns subscribe --topic-arn {topic.arn} --protocol email --notification-endpoint YOU",
            topic.arn.split(":")[3],
        ),
    )


def _concurrency(inventory: Inventory) -> Check:
    found = inventory.concurrency
    if isinstance(found, Unknown):
        return unread(CONCURRENCY, found)
    counted = f"{found.unreserved} of {found.limit} concurrent executions are not reserved"
    if isinstance(inventory.stack, InstalledStack) or propose(inventory).reserved is not None:
        return ok(CONCURRENCY, f"{counted}.")
    return ok(
        CONCURRENCY,
        f"{counted}; recover would be deployed without {RESERVED} of its own, since Lambda keeps {LEFT_UNRESERVED} "
        "for all.",
        "Ask for a higher limit in Service Quotas.",
    )
