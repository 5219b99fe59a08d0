"""Discovery: what exists in an account and Region, by reading only.

Every read is independent. What cannot be read, because a permission is missing or AWS does not answer, is an `Unknown`
in the inventory, and the rest is still read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.access import identify
from retry_run_task.commands.shared.installed import read_alarms, read_concurrency, read_stack, read_topics
from retry_run_task.commands.shared.inventory import (
    DEFAULT_STACK,
    Identity,
    InstalledStack,
    Inventory,
    Launchers,
    Unknown,
)
from retry_run_task.commands.shared.launchers import (
    read_default_providers,
    read_launchers,
    read_task_definitions,
)
from retry_run_task.commands.shared.member_access import LookRole, MemberAccess, NoAccess
from retry_run_task.commands.shared.names import names_in
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.commands.shared.trails import read_log_groups, read_trails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import boto3

    from retry_run_task.commands.shared.inventory import Missing, TaskDefinition


def discover(
    session: boto3.Session,
    region: str,
    *,
    stack: str = DEFAULT_STACK,
    regions: Iterable[str] | None = None,
    accounts: Iterable[str] | None = None,
    look_role: LookRole | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Inventory:
    """Read an account and Region.

    Rules and schedules are read in other ``regions`` too (None for those of the installation ``stack``) and in other
    ``accounts`` (None for its member accounts), with the role of ``look_role``. ``tell`` is called with what is being
    read, in a few words.

    Raises:
        AccessError: Nothing can be read: no credentials, or no answer.
    """
    tell("credentials")
    identity = identify(session, region)
    reader = Reader(session, region)
    tell("trails")
    trails = read_trails(reader)
    log_groups = read_log_groups(reader, identity, () if isinstance(trails, Unknown) else trails)
    tell(f"stack {stack}")
    found = read_stack(reader, stack)
    installed = found.parameters if isinstance(found, InstalledStack) else {}
    regions = installed.get("Regions", "").split(",") if regions is None else regions
    accounts = installed.get("MemberAccounts", "").split(",") if accounts is None else accounts
    elsewhere = tuple(one for one in dict.fromkeys(regions) if one not in ("", region))
    launchers, task_definitions = _read(session, (region, *elsewhere), identity, tell)
    look_role = look_role or LookRole()
    look_role = replace(
        look_role,
        external_id=look_role.external_id or installed.get("MemberExternalId", ""),
        role_path=look_role.role_path or installed.get("RolePath", ""),
    )
    access = MemberAccess(session=session, identity=identity, region=region, stack=stack, look_role=look_role)
    there = [_member(access, one, (region, *elsewhere), tell) for one in dict.fromkeys(accounts) if one]
    alarms = read_alarms(reader, found) if isinstance(found, InstalledStack) else ()
    return Inventory(
        region=region,
        identity=identity,
        trails=trails,
        log_groups=log_groups,
        elsewhere=elsewhere,
        launchers=launchers,
        task_definitions=task_definitions,
        members=tuple(one for one in there if isinstance(one, Inventory)),
        closed={one.account: one.why for one in there if isinstance(one, NoAccess)},
        default_providers=_default_providers(session, (region, *elsewhere), launchers),
        stack=found,
        stack_name=stack,
        alarms=alarms,
        topics=read_topics(reader, found, alarms) if isinstance(found, InstalledStack) else {},
        concurrency=read_concurrency(reader),
    )


# With fewer jobs no list is too long for its parameters and policies.
_MANY = 50

Found = tuple[Launchers, "Mapping[str, TaskDefinition | Missing | Unknown]"]


def _read(
    session: boto3.Session, regions: tuple[str, ...], identity: Identity, tell: Callable[[str], None]
) -> Found:
    """Return the rules and schedules of some Regions, the inventory's own first, and their task definitions."""
    home, *others = regions
    reader = Reader(session, home)
    launchers = read_launchers(reader, tell)
    definitions = read_task_definitions(reader, launchers.found, tell)
    for one in others:
        more, theirs = _of_region(Reader(session, one), identity, tell)
        launchers = Launchers(found=launchers.found + more.found, gaps=launchers.gaps + more.gaps)
        definitions = {**definitions, **theirs}
    return launchers, definitions


def _default_providers(
    session: boto3.Session, regions: tuple[str, ...], launchers: Launchers
) -> Mapping[str, tuple[str, ...] | Unknown]:
    """Return the default capacity providers of clusters in some Regions; the inventory's own is the first."""
    found: dict[str, tuple[str, ...] | Unknown] = {}
    for region in regions:
        there = [one for one in launchers.found if (one.region or regions[0]) == region]
        found |= read_default_providers(Reader(session, region), there)
    return found


def _member(
    access: MemberAccess, account: str, regions: tuple[str, ...], tell: Callable[[str], None]
) -> Inventory | NoAccess:
    """Return what another account has of the same, or why it cannot be entered."""
    tell(f"account {account}")
    there = access.enter(account)
    if isinstance(there, NoAccess):
        return there
    identity = replace(access.identity, account=account)
    launchers, definitions = _read(there, regions, identity, lambda what: tell(f"account {account}: {what}"))
    names = _names(there, regions) if len(launchers.found) > _MANY else {}
    return Inventory(
        region=regions[0],
        identity=identity,
        elsewhere=regions[1:],
        launchers=launchers,
        task_definitions=definitions,
        names=names,
    )


def _names(session: boto3.Session, regions: tuple[str, ...]) -> Mapping[str, tuple[str, ...] | Unknown]:
    """Return everything that a pattern for many jobs may match, by the parameter of ``infra/member.yaml``."""
    readers = [Reader(session, region) for region in regions]
    found = {
        one: names_in(one, readers) for one in ("Clusters", "TaskDefinitions", "ReadRules", "ReadSchedules")
    }
    roles = names_in("PassRoleArns", readers)
    # That template names roles without the account.
    short = roles if isinstance(roles, Unknown) else tuple(arn.partition(":role/")[2] for arn in roles)
    return {**found, "PassRoles": short}


def _of_region(reader: Reader, identity: Identity, tell: Callable[[str], None]) -> Found:
    """Return the rules and schedules of another Region, and their task definitions by ARN.

    A family may be in both Regions, with other roles, so its name alone does not say which one is meant.
    """
    region = reader.region
    launchers = read_launchers(reader, lambda what: tell(f"{region}: {what}"))
    asked = read_task_definitions(reader, launchers.found, lambda what: tell(f"{region}: {what}"))
    prefix = f"arn:{identity.partition}:ecs:{region}:{identity.account}:task-definition/"
    arns = {name: name if name.startswith("arn:") else prefix + name for name in asked}
    found = tuple(
        replace(one, region=region, task_definition=arns.get(one.task_definition, one.task_definition))
        for one in launchers.found
    )
    gaps = tuple(replace(gap, why=f"{gap.why} (in {region})") for gap in launchers.gaps)
    return Launchers(found=found, gaps=gaps), {arns[name]: answer for name, answer in asked.items()}
