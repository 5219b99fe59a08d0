"""The history of an account, collected for a replay: calls, recoveries, rules and schedules."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retry_run_task.commands.audit.inspection import Where
from retry_run_task.commands.audit.places import calls_of
from retry_run_task.commands.replay.replaying import ReplayInput, next_again
from retry_run_task.commands.shared import calls, choosing, hints, lookup, record_files
from retry_run_task.commands.shared.executions import Executions
from retry_run_task.commands.shared.inventory import Launchers
from retry_run_task.commands.shared.launchers import read_launchers_of
from retry_run_task.commands.shared.member_access import NoAccess
from retry_run_task.commands.shared.record_files import UnreadParts
from retry_run_task.commands.shared.selection import short_ids
from retry_run_task.errors import ConfigError
from retry_run_task.launch.values import SCHEDULED, CallerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import boto3

    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.commands.shared.installation import Installation
    from retry_run_task.commands.shared.view import Execution, RecoveryView
    from retry_run_task.launch.values import FailedLaunch

_AGAIN = re.compile(r"-again-\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where to look for past failures.

    Attributes:
        file: Of the records; None for CloudTrail's event history.
        recovery: What the only recovery to replay is called; empty for all.
        region: Of the failed calls; empty for all that the installation covers.
    """

    file: Path | None
    recovery: str
    is_of_given_up: bool
    since: datetime
    until: datetime
    again: int
    is_late_wanted: bool
    is_stopped_wanted: bool = False
    region: str = ""
    lookups_per_s: float = lookup.CALLS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFailures:
    """What was found."""

    launches: tuple[FailedLaunch, ...]
    facts: ReplayInput
    unread: UnreadParts
    unseen: tuple[str, ...] = ()
    """What could not be looked at of other accounts and Regions, each a sentence."""


def look_back(
    session: boto3.Session,
    region: str,
    installation: Installation,
    search: Search,
    places: Sequence[Where | NoAccess],
    tell: Callable[[str], None],
) -> PastFailures:
    """Find past failures, and whether and how each was recovered.

    ``places`` are the accounts and Regions that the installation looks after, its own first.

    Raises:
        ConfigError: There is no such recovery, or there are several.
        DeployError: AWS did not answer.
    """
    executions = Executions(session, region, installation.stack)
    one = _named(executions, search, tell) if search.recovery else None
    if one is not None:
        search = replace(search, since=one.event_time)
    there = [
        place
        for place in places
        if isinstance(place, Where)
        and search.region in {"", place.region}
        and (one is None or _is_of(place, one))
    ]
    found, unread, unseen = _calls(there, search, tell)
    failed = [call.failed for call in found if call.failed is not None]
    tell("recoveries")
    oldest = min((search.since, *(one.event_time for one in failed)))
    begun = {one.name: one for one in executions.begun(oldest - _AROUND)}
    views = _views(executions, begun, tell)
    if one is not None:
        launches = [one]
        search = replace(search, again=search.again or next_again(installation.stack, one, begun))
    else:
        launches = list(_launches(failed, views, search))
    is_narrow = one is not None or search.file is not None
    closed = [
        place
        for place in places
        if isinstance(place, NoAccess)
        and (not is_narrow or any(place.account == launch.account for launch in launches))
    ]
    return PastFailures(
        launches=tuple(launches),
        facts=ReplayInput(
            installation=installation,
            executions=begun,
            views=views,
            calls=tuple(found),
            launchers=_launchers(there, launches, tell),
            now=datetime.now(UTC),
            is_late_wanted=search.is_late_wanted,
            is_stopped_wanted=search.is_stopped_wanted or one is not None,
            again=search.again,
        ),
        unread=unread,
        unseen=(*map(str, closed), *unseen),
    )


def _launches(
    failed: Sequence[FailedLaunch], views: Mapping[str, RecoveryView], search: Search
) -> Iterator[FailedLaunch]:
    """Yield the failures that are meant."""
    if search.is_of_given_up:
        for name, view in views.items():
            if (
                view.launch is not None
                and search.region in {"", view.launch.region}
                and not _AGAIN.search(name)
                and _is_within(view.launch.event_time, search)
            ):
                yield view.launch
        return
    for one in failed:
        # A recovery's own calls are no failures to recover, and there are many of them.
        if one.caller.kind is not CallerKind.OWN and (
            search.file is not None or _is_within(one.event_time, search)
        ):
            yield one


def _is_of(place: Where, launch: FailedLaunch) -> bool:
    return launch.account in ("", place.account) and launch.region in ("", place.region)


def _launchers(
    places: Sequence[Where], launches: Sequence[FailedLaunch], tell: Callable[[str], None]
) -> Launchers:
    """Return the rules and schedules of the places in which one of them made a call."""
    read = [
        read_launchers_of(place.session, place.account, place.region, tell)
        for place in places
        if any(one.caller.kind in SCHEDULED and _is_of(place, one) for one in launches)
    ]
    return Launchers(
        found=tuple(one for launchers in read for one in launchers.found),
        gaps=tuple(gap for launchers in read for gap in launchers.gaps),
    )


# As far back as `status` shows.
_NAMED_WITHIN = timedelta(hours=24)


def _named(executions: Executions, search: Search, tell: Callable[[str], None]) -> FailedLaunch:
    """Return the failed launch of the one recovery that a person means: of its first, whose tokens are derived anew.

    Of several with that name, those are meant whose last recovery ended without its tasks.
    """
    typed, oldest = search.recovery, min(search.since, datetime.now(UTC) - _NAMED_WITHIN)
    views = choosing.meant(executions, typed, lambda: executions.begun(oldest), tell)
    # A schedule may have the name of another one's family.
    views = [view for view in views if view.schedule == typed] or views
    by_name = {
        _AGAIN.sub("", view.execution.name): view
        for view in sorted(views, key=lambda view: view.execution.started)
    }
    by_name = {name: view for name, view in by_name.items() if view.needs_attention} or by_name
    if len(by_name) > 1:
        raise ConfigError(_which(typed, by_name, executions.stack), hint="\nGive the id of one.")
    first = choosing.find_in(executions, next(iter(by_name))) if by_name else None
    if first is None or first.launch is None:
        raise ConfigError(
            f"Nothing is called {typed!r} in {executions.region}: no file here, no recovery, and no schedule, family "
            f"or task of those that began since {oldest:%Y-%m-%d %H:%M} UTC.",
            hint="Look further back with --since 7d, or see which there are with: "
            f"{hints.command_line('status')}.",
        )
    return first.launch


def _which(typed: str, by_name: Mapping[str, RecoveryView], stack: str) -> str:
    """Return a line for each of the recoveries that a name may mean."""
    ids = short_ids(by_name, stack)
    those = sorted(by_name.items(), key=lambda one: one[1].since, reverse=True)
    lines = [
        f"  {ids[name]}  failed {view.since:%Y-%m-%d %H:%M} UTC, {view.outcome or view.state}"
        for name, view in those
    ]
    return "\n".join(
        [f"{len(lines)} recoveries are called {typed!r}, and one can be replayed at a time:", *lines]
    )


# A recovery begins after the failed call; the minutes allow for clocks that differ.
_AROUND = timedelta(minutes=10)


def _is_within(moment: datetime, search: Search) -> bool:
    return search.since <= moment <= search.until


def _views(
    executions: Executions, begun: Mapping[str, Execution], tell: Callable[[str], None]
) -> dict[str, RecoveryView]:
    """Return what those that ended without success have done."""
    ended = [one for one in begun.values() if not one.is_open and one.status != "SUCCEEDED"]
    return {view.execution.name: view for view in executions.look_at_all(ended, tell)}


def _calls(
    places: Sequence[Where], search: Search, tell: Callable[[str], None]
) -> tuple[list[RunTaskCall], UnreadParts, list[str]]:
    """Return the calls, which parts of them cannot be read, and which places could not be looked at."""
    unread = UnreadParts()
    if search.file is None:
        # Later calls count as well, even if few failures are wanted.
        found, unseen = calls_of(
            places, unread, since=search.since, tell=tell, lookups_per_s=search.lookups_per_s
        )
        return found, unread, unseen
    read = unread.noting(record_files.read([search.file], calls.read_failures))
    return [one for one in read if isinstance(one, calls.RunTaskCall)], unread, []
