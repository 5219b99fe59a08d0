"""Roles for other accounts: STS's AssumeRole, as far as access to other accounts needs it.

A role that does not exist and one that does not trust the caller are refused with the same text, as in AWS, so that no
caller learns which roles exist.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.local.errors import AwsError
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
# The maximum for role chaining, and the default of any role.
_HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumableRole:
    """A role's trust policy: the one role that may assume it."""

    arn: str
    trusts: str
    external_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session of an assumed role."""

    role_arn: str
    name: str
    access_key: str

    @property
    def account(self) -> str:
        """The role's account."""
        return self.role_arn.split(":")[4]


class Roles:
    """The roles of other accounts, and their sessions.

    ``lifetime_s`` counts in real seconds: clients use their own clock.
    """

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.lifetime_s = _HOUR_S
        self._roles: dict[str, AssumableRole] = {}
        self._lock = threading.Lock()

    def create(self, role: AssumableRole) -> None:
        """Create a role, or change its trust policy."""
        self._roles[role.arn] = role

    def delete(self, arn: str) -> None:
        """Delete a role; existing sessions last until their credentials end."""
        del self._roles[arn]

    def by_access_key(self, key: str | None) -> Session | None:
        """Return the session that these credentials are of."""
        return next((session for session in self.sessions if session.access_key == key), None)

    def assume(self, form: Mapping[str, str], identity: Mapping[str, Any]) -> dict[str, Any]:
        """AssumeRole.

        ``identity`` is the caller as CloudTrail's ``userIdentity``.

        Raises:
            AwsError: An error that AWS's SDK would raise.
        """
        arn, name, external_id = (form.get(key, "") for key in ("RoleArn", "RoleSessionName", "ExternalId"))
        for key, value, pattern in (
            ("roleSessionName", name, _SESSION_NAME),
            ("externalId", external_id, _EXTERNAL_ID),
        ):
            if (value or key == "roleSessionName") and not pattern.fullmatch(value):
                raise AwsError(
                    "ValidationError",
                    f"1 validation error detected: Value '{value}' at '{key}' failed to satisfy constraint: "
                    f"Member must satisfy regular expression pattern: {pattern.pattern}",
                )
        role = self._roles.get(arn)
        issuer = identity.get("sessionContext", {}).get("sessionIssuer", {}).get("arn", identity["arn"])
        if role is None or (role.trusts, role.external_id) != (issuer, external_id):
            raise AwsError(
                "AccessDenied",
                f"User: {identity['arn']} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                403,
            )
        with self._lock:
            session = Session(role_arn=arn, name=name, access_key=f"ASIALOCALMEMBER{len(self.sessions):05d}")
            self.sessions.append(session)
        ends = datetime.now(UTC) + timedelta(seconds=self.lifetime_s)
        _, partition, _, _, account, resource = arn.split(":", 5)
        role_name = resource.rsplit("/", 1)[-1]
        return {
            "Credentials": {
                "AccessKeyId": session.access_key,
                "SecretAccessKey": f"secret-of-{session.access_key}",
                "SessionToken": f"token-of-{session.access_key}",
                "Expiration": iso(ends),
            },
            "AssumedRoleUser": {
                "AssumedRoleId": f"AROALOCALMEMBER:{name}",
                "Arn": f"arn:{partition}:sts::{account}:assumed-role/{role_name}/{name}",
            },
        }
