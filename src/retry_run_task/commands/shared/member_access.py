"""Sessions in member accounts: with a role that the user names, or else with the one that recover assumes.

The member role's trust policy names recover's role and an external id, so most users have to name a role of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.access import take_role
from retry_run_task.commands.shared.installation import live, variables_of
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.config import PREFIX
from retry_run_task.launch.names import member_role

if TYPE_CHECKING:
    import boto3

    from retry_run_task.commands.shared.inventory import Identity

NEXT = "Name a role there that you may assume, with --look-with."


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAccess:
    """Access to the accounts that an installation in a Region recovers in. Each is entered once.

    ``look_with`` is the name, with its path, of a role in each of them; empty for the one that recover assumes.
    """

    session: boto3.Session
    identity: Identity
    region: str
    stack: str
    look_with: str = ""
    _entered: dict[str, boto3.Session | str] = field(default_factory=dict)

    def enter(self, account: str) -> boto3.Session | str:
        """Return a session in an account, or one sentence that says why there is none and what to do."""
        if account in ("", self.identity.account):
            return self.session
        if account not in self._entered:
            self._entered[account] = self._enter(account)
        return self._entered[account]

    def _enter(self, account: str) -> boto3.Session | str:
        found = (self.look_with, "") if self.look_with else self._as_recover()
        if isinstance(found, Unknown):
            why = f"the settings of recover cannot be read ({found.action}): {found.why}"
            return f"Account {account} is not looked at, since {why}. {NEXT}"
        name, external_id = found
        arn = f"arn:{self.identity.partition}:iam::{account}:role/{name}"
        taken = take_role(self.session, self.region, arn, external_id)
        if isinstance(taken, str):
            return f"Account {account} is not looked at, since {arn} cannot be assumed ({taken}). {NEXT}"
        return taken

    def _as_recover(self) -> tuple[str, str] | Unknown:
        """Return the member role's name and external id, from recover's settings."""
        reader = Reader(self.session, self.region)
        answer = reader.read("lambda:GetFunctionConfiguration", FunctionName=live(f"{self.stack}-recover"))
        if isinstance(answer, Unknown):
            return answer
        variables = variables_of(answer)
        path = variables.get(f"{PREFIX}ROLE_PATH") or "/"
        return member_role(self.stack, path), variables.get(f"{PREFIX}EXTERNAL_ID", "")
