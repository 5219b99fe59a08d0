"""Sessions in member accounts, for every command that looks there: with the role that only reads.

``infra/member.yaml`` creates it beside the one that recover assumes, which may start tasks and lets nobody else in. For
an account that has none yet, the user names another role.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.access import take_role
from retry_run_task.commands.shared.installation import live, variables_of
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.config import PREFIX
from retry_run_task.launch.names import audit_role

if TYPE_CHECKING:
    import boto3

    from retry_run_task.commands.shared.inventory import Identity

NEXT = (
    "Deploy infra/member.yaml of this version there and get sts:AssumeRole on its role, or name another role with "
    "--look-with."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRole:
    """The role to look with. What is empty is the installation's.

    Attributes:
        look_with: Name, with its path, of a role that the user names; then nothing else counts.
    """

    look_with: str = ""
    external_id: str = ""
    role_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAccess:
    """A member account that cannot be looked at; ``why`` is the end of a sentence."""

    account: str
    why: str

    def __str__(self) -> str:
        """Return it as a sentence, with the next step."""
        return f"Account {self.account} is not looked at, since {self.why}. {NEXT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAccess:
    """Access to the accounts that an installation in a Region recovers in. Each is entered once."""

    session: boto3.Session
    identity: Identity
    region: str
    stack: str
    look_role: LookRole = field(default_factory=LookRole)
    _entered: dict[str, boto3.Session | NoAccess] = field(default_factory=dict)

    def enter(self, account: str) -> boto3.Session | NoAccess:
        """Return a session in an account, or why there is none."""
        if account in ("", self.identity.account):
            return self.session
        if account not in self._entered:
            self._entered[account] = self._enter(account)
        return self._entered[account]

    def _enter(self, account: str) -> boto3.Session | NoAccess:
        found = self._role()
        if isinstance(found, Unknown):
            why = f"the settings of recover cannot be read ({found.action}): {found.why}"
            return NoAccess(account=account, why=why)
        name, external_id = found
        arn = f"arn:{self.identity.partition}:iam::{account}:role/{name}"
        taken = take_role(self.session, self.region, arn, external_id)
        if isinstance(taken, str):
            return NoAccess(account=account, why=f"{arn} cannot be assumed ({taken})")
        return taken

    def _role(self) -> tuple[str, str] | Unknown:
        """Return the role's name and external id."""
        look_role = self.look_role
        if look_role.look_with:
            return look_role.look_with, ""
        if look_role.external_id:
            return audit_role(self.stack, look_role.role_path or "/"), look_role.external_id
        reader = Reader(self.session, self.region)
        answer = reader.read("lambda:GetFunctionConfiguration", FunctionName=live(f"{self.stack}-recover"))
        if isinstance(answer, Unknown):
            return answer
        variables = variables_of(answer)
        path = variables.get(f"{PREFIX}ROLE_PATH") or "/"
        return audit_role(self.stack, path), variables.get(f"{PREFIX}EXTERNAL_ID", "")
