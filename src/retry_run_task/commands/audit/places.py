"""Where commands look: the Regions and accounts that the installations in the given Regions cover."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from retry_run_task.commands.audit.inspection import Where
from retry_run_task.commands.shared import calls, lookup
from retry_run_task.commands.shared.executions import Executions
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.installation import Installation
from retry_run_task.commands.shared.installed import installation_or_why
from retry_run_task.commands.shared.member_access import LookRole, MemberAccess, NoAccess
from retry_run_task.commands.shared.rate_limits import rate_limited
from retry_run_task.commands.shared.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import boto3

    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.commands.shared.record_files import UnreadParts
    from retry_run_task.policy.scope import Scope


def places(
    session: boto3.Session,
    identity: Identity,
    regions: Sequence[str],
    *,
    stack: str,
    look_with: str,
    is_file: bool,
) -> Iterator[Where | NoAccess]:
    """Yield each account and Region once, the first Region's own account first.

    ``look_with`` is a role in the member accounts. With ``is_file`` only the given Regions count: the records of a
    file are compared with one.

    Raises:
        ForeignError: Another owner's stack has the installation's name.
    """
    scopes = {region: _scope(session, region, stack) for region in dict.fromkeys(regions)}
    homes = {region: scope for region, scope in scopes.items() if scope is not None}
    done: set[str] = set()
    for home, scope in homes.items():
        named = [one for one in dict.fromkeys((home, *scope.regions)) if one == home or one not in homes]
        named = [one for one in named if one not in done and (one in scopes or not is_file)]
        done.update(named)
        executions = Executions(session, home, stack)
        access = MemberAccess(
            session=session,
            identity=identity,
            region=home,
            stack=stack,
            look_role=LookRole(look_with=look_with),
        )
        for account in (identity.account, *scope.accounts):
            entered = access.enter(account)
            if isinstance(entered, NoAccess):
                yield entered
                continue
            for region in named:
                yield Where(
                    session=entered,
                    region=region,
                    stack=stack,
                    home=home,
                    executions=executions,
                    account=account,
                    of_stack=session,
                    is_member=account != identity.account,
                )
    for region in scopes:
        if region not in done:
            yield Where(session=session, region=region, stack=stack, account=identity.account)


def calls_of(
    there: Sequence[Where],
    unread: UnreadParts,
    *,
    since: datetime,
    tell: Callable[[str], None],
    lookups_per_s: float,
) -> tuple[list[RunTaskCall], list[str]]:
    """Return the calls that CloudTrail has of some places until now, and why those of others are not known.

    ``unread`` takes note of records that cannot be read.

    Raises:
        DeployError: CloudTrail did not answer in the first place.
    """
    found: list[RunTaskCall] = []
    unseen: list[str] = []
    for number, place in enumerate(there):
        texts = lookup.run_task_records(
            place.session,
            place.region,
            since=since,
            until=datetime.now(UTC),
            tell=tell,
            limiter=rate_limited(lookups_per_s),
        )
        try:
            read = unread.noting(calls.read_texts(texts))
            found += (one for one in read if isinstance(one, calls.RunTaskCall))
        except DeployError as error:
            if number == 0:
                raise
            unseen.append(f"The calls in {place.region}, account {place.account} are not known: {error}")
    return found, unseen


def _scope(session: boto3.Session, region: str, stack: str) -> Scope | None:
    """Return what an installation looks after; None if there is none, or if that cannot be read."""
    found = installation_or_why(Reader(session, region), stack)
    # The audit of the Region reads it again, and says so.
    return found.scope if isinstance(found, Installation) else None
