"""Collects the input of a report, from an account or from files of records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from retry_run_task.commands.audit.auditing import is_of_a_task, names_to_read
from retry_run_task.commands.audit.inspection import Where
from retry_run_task.commands.audit.places import calls_of
from retry_run_task.commands.report.findings import Gathered
from retry_run_task.commands.shared import calls, lookup, record_files
from retry_run_task.commands.shared.executions import Executions
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.installed import installation_or_why
from retry_run_task.commands.shared.launchers import read_launchers_of
from retry_run_task.commands.shared.member_access import NoAccess
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.errors import ConfigError, RetryRunTaskError
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import boto3

    from retry_run_task.commands.shared.installation import Installation
    from retry_run_task.commands.shared.inventory import Launcher
    from retry_run_task.commands.shared.view import RecoveryView


def from_files(paths: Sequence[Path], *, since: datetime | None, until: datetime | None) -> Gathered:
    """Read files, as ``explain`` does. Does not call AWS."""
    found, notes = _read(paths)
    times = [call.time for call in found]
    now = datetime.now(UTC)
    return Gathered(
        source=", ".join("standard input" if str(path) == "-" else str(path) for path in paths),
        since=since or min(times, default=now),
        until=until or max(times, default=now),
        calls=found,
        notes=notes,
    )


def from_account(
    looked_at: Sequence[Where | NoAccess],
    *,
    stack: str,
    since: datetime,
    until: datetime,
    paths: Sequence[Path],
    tell: Callable[[str], None],
    lookups_per_s: float = lookup.CALLS_PER_S,
) -> Gathered:
    """Read what an installation looks after: rules and schedules, recoveries, and calls unless they are in files.

    ``looked_at`` has the installation's own account and Region first.

    Raises:
        ForeignError: Another owner's stack has the installation's name.
        DeployError: CloudTrail did not answer.
    """
    there = [one for one in looked_at if isinstance(one, Where)]
    closed = tuple(str(one) for one in looked_at if isinstance(one, NoAccess))
    session, region = there[0].session, there[0].region
    installed = installation_or_why(Reader(session, region), stack)
    if paths:
        found, notes = _read(paths)
    else:
        unread = record_files.UnreadParts()
        listed, unknown = calls_of(there, unread, since=since, tell=tell, lookups_per_s=lookups_per_s)
        found, notes = tuple(listed), (*unknown, *_unreadable(unread.count))
    launchers, gaps = _launchers(there, tell)
    views, unseen = _views(session, region, installed, since, found, tell)
    # A task that did not start has no CloudTrail record; its recovery shows it.
    known = {call.event_id for call in found}
    more = [
        calls.of_launch(view.launch)
        for view in views.values()
        if view.launch is not None and view.launch.event_id not in known
    ]
    return Gathered(
        source=region,
        since=since,
        until=until,
        calls=(*found, *more),
        launchers=launchers,
        views=views,
        stack=stack,
        home=(there[0].account, region),
        notes=(*closed, *notes, *gaps, *unseen),
    )


def _read(paths: Sequence[Path]) -> tuple[tuple[calls.RunTaskCall, ...], tuple[str, ...]]:
    unread = record_files.UnreadParts()
    read = unread.noting(record_files.read(paths, calls.read_failures))
    found = tuple(one for one in read if isinstance(one, calls.RunTaskCall))
    return found, _unreadable(unread.count)


def _unreadable(number: int) -> tuple[str, ...]:
    return (f"{counted(number, 'record')} could not be read and left out.",) if number else ()


def _launchers(
    places: Sequence[Where], tell: Callable[[str], None]
) -> tuple[tuple[Launcher, ...], tuple[str, ...]]:
    read = [read_launchers_of(one.session, one.account, one.region, tell) for one in places]
    gaps = tuple(
        f"Not all rules and schedules could be read: {gap.why} ({gap.action})."
        for one in read
        for gap in one.gaps
    )
    return tuple(launcher for one in read for launcher in one.found), gaps


def _views(
    session: boto3.Session,
    region: str,
    installed: Installation | RetryRunTaskError,
    since: datetime,
    found: Sequence[calls.RunTaskCall],
    tell: Callable[[str], None],
) -> tuple[dict[str, RecoveryView], tuple[str, ...]]:
    """Return the recoveries of failed calls and of tasks that did not start; and why they could not be read."""
    if isinstance(installed, RetryRunTaskError):
        return {}, _without_recoveries(installed)
    stack = installed.stack
    wanted = names_to_read(found, stack)
    executions = Executions(session, region, stack)
    try:
        listed = [
            one for one in executions.begun(since) if one.name in wanted or is_of_a_task(one.name, stack)
        ]
        views = {view.execution.name: view for view in executions.look_at_all(listed, tell)}
    except (ConfigError, DeployError) as error:
        return {}, _without_recoveries(error)
    return views, ()


def _without_recoveries(error: RetryRunTaskError) -> tuple[str, ...]:
    return (f"Recoveries could not be read, so results are derived from calls alone: {error}",)
