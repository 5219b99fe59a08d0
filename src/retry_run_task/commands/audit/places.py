"""Where ``audit`` looks: the Regions and accounts that the installations in the given Regions recover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.commands.audit.inspection import Where
from retry_run_task.commands.shared.executions import Executions
from retry_run_task.commands.shared.installation import Installation
from retry_run_task.commands.shared.installed import installation_or_why
from retry_run_task.commands.shared.member_access import MemberAccess
from retry_run_task.commands.shared.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import boto3

    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.policy.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAccess:
    """A member account that cannot be looked at; ``why`` is one sentence with the next step."""

    account: str
    why: str


def places(
    session: boto3.Session,
    identity: Identity,
    regions: Sequence[str],
    *,
    stack: str,
    look_with: str,
    is_file: bool,
) -> Iterator[Where | NoAccess]:
    """Yield each account and Region once.

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
            session=session, identity=identity, region=home, stack=stack, look_with=look_with
        )
        for account in (identity.account, *scope.accounts):
            entered = access.enter(account)
            if isinstance(entered, str):
                yield NoAccess(account=account, why=entered)
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


def _scope(session: boto3.Session, region: str, stack: str) -> Scope | None:
    """Return what an installation recovers; None if there is none, or if that cannot be read."""
    found = installation_or_why(Reader(session, region), stack)
    # The audit of the Region reads it again, and says so.
    return found.scope if isinstance(found, Installation) else None
