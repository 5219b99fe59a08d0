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
    InstalledStack,
    Inventory,
    Launchers,
    Unknown,
)
from retry_run_task.commands.shared.launchers import read_launchers, read_task_definitions
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.commands.shared.trails import read_log_groups, read_trails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import boto3

    from retry_run_task.commands.shared.inventory import Identity, Missing, TaskDefinition


def discover(
    session: boto3.Session,
    region: str,
    *,
    stack: str = DEFAULT_STACK,
    regions: Iterable[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Inventory:
    """Read an account and Region.

    Args:
        session: Whose credentials to use.
        region: Where to look.
        stack: Name of the installation to look for.
        regions: Where rules and schedules are read, too; None for the Regions of that installation.
        tell: Called with what is being read, in a few words.

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
    if regions is None:
        regions = found.parameters.get("Regions", "").split(",") if isinstance(found, InstalledStack) else ()
    elsewhere = tuple(one for one in dict.fromkeys(regions) if one not in ("", region))
    launchers = read_launchers(reader, tell)
    task_definitions = read_task_definitions(reader, launchers.found, tell)
    for one in elsewhere:
        more, definitions = _of_region(Reader(session, one), identity, tell)
        launchers = Launchers(found=launchers.found + more.found, gaps=launchers.gaps + more.gaps)
        task_definitions = {**task_definitions, **definitions}
    alarms = read_alarms(reader, found) if isinstance(found, InstalledStack) else ()
    return Inventory(
        region=region,
        identity=identity,
        trails=trails,
        log_groups=log_groups,
        elsewhere=elsewhere,
        launchers=launchers,
        task_definitions=task_definitions,
        stack=found,
        stack_name=stack,
        alarms=alarms,
        topics=read_topics(reader, found, alarms) if isinstance(found, InstalledStack) else {},
        concurrency=read_concurrency(reader),
    )


def _of_region(
    reader: Reader, identity: Identity, tell: Callable[[str], None]
) -> tuple[Launchers, Mapping[str, TaskDefinition | Missing | Unknown]]:
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
