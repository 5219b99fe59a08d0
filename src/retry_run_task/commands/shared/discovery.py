"""Discovery: what exists in an account and Region, by reading only.

Every read is independent. What cannot be read, because a permission is missing or AWS does not answer, is an `Unknown`
in the inventory, and the rest is still read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.shared.access import identify
from retry_run_task.commands.shared.installed import read_alarms, read_concurrency, read_stack, read_topics
from retry_run_task.commands.shared.inventory import DEFAULT_STACK, InstalledStack, Inventory, Unknown
from retry_run_task.commands.shared.launchers import read_launchers, read_task_definitions
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.commands.shared.trails import read_log_groups, read_trails

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3


def discover(
    session: boto3.Session,
    region: str,
    *,
    stack: str = DEFAULT_STACK,
    tell: Callable[[str], None] = lambda _: None,
) -> Inventory:
    """Read an account and Region.

    Args:
        session: Whose credentials to use.
        region: Where to look.
        stack: Name of the installation to look for.
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
    launchers = read_launchers(reader, tell)
    task_definitions = read_task_definitions(reader, launchers.found, tell)
    tell(f"stack {stack}")
    found = read_stack(reader, stack)
    alarms = read_alarms(reader, found) if isinstance(found, InstalledStack) else ()
    return Inventory(
        region=region,
        identity=identity,
        trails=trails,
        log_groups=log_groups,
        launchers=launchers,
        task_definitions=task_definitions,
        stack=found,
        stack_name=stack,
        alarms=alarms,
        topics=read_topics(reader, found, alarms) if isinstance(found, InstalledStack) else {},
        concurrency=read_concurrency(reader),
    )
