"""Access to other accounts: a role there that recover assumes, and sessions that act with it.

The credentials are in memory only. They last an hour, the maximum for role chaining, and are renewed before they end.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html (role chaining)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials

from retry_run_task.aws.cached import cached
from retry_run_task.aws.faults import CannotAssumeError, attempt, failure_of
from retry_run_task.launch.values import Failure

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

# Short, because it may precede a RunTask with all its tries; recover itself retries later.
_CONFIG = Config(connect_timeout=3, read_timeout=7, retries={"mode": "standard", "total_max_attempts": 2})

# STS: 2 to 64 letters, digits and =,.@-_; so is a stack's name.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_SESSION_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role in another account.

    Attributes:
        external_id: Required by its trust policy. AWS does not treat it as a secret, but it is not printed.
            https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
        session: The session name in the account's CloudTrail: the stack's name.
    """

    arn: str
    external_id: str = field(repr=False)
    session: str


Actor = Role | boto3.Session
"""Who acts: a role that recover assumes, or a session that a command has."""


def client(service: str, region: str, role: Actor | None, config: Config) -> Any:
    """Return a client for a Region that acts with a role or a session; None for the function's own.

    Raises:
        CannotAssumeError: The role cannot be assumed.
    """
    session = _session(role) if isinstance(role, Role) else role
    make: Any = boto3.client if session is None else session.client
    return make(service, region_name=region or None, config=config)


@cached
def _session(role: Role) -> boto3.Session:
    """Return a session that acts with a role. A failure is not cached, so STS is asked again."""
    credentials = RefreshableCredentials.create_from_metadata(
        _assume(role), refresh_using=lambda: _assume(role), method=_Given.METHOD
    )
    core = botocore.session.Session()
    core.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
    return boto3.Session(botocore_session=core)


def enter(role: Role) -> Failure | None:
    """Assume a role. Returns None on success, else what STS or the network answered."""
    taken = attempt(lambda: _session(role))
    return taken if isinstance(taken, Failure) else None


class _Given(CredentialProvider):
    """Provides one set of credentials."""

    METHOD = CANONICAL_NAME = "member-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return self._credentials


@cached
def _sts() -> STSClient:
    # In Lambda, botocore calls the STS endpoint of the function's Region. Credentials from a Regional endpoint are
    # valid in every Region, those from the global endpoint are not.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html
    return boto3.client("sts", config=_CONFIG)


def _assume(role: Role) -> dict[str, Any]:
    if not role.external_id:
        raise CannotAssumeError(
            role=role.arn, code="ConfigError", said="RETRY_RUN_TASK_EXTERNAL_ID is not set for recover"
        )
    try:
        given = _sts().assume_role(
            RoleArn=role.arn, RoleSessionName=role.session[:_SESSION_MAX], ExternalId=role.external_id
        )["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }
    except Exception as error:
        failure = failure_of(error)
        raise CannotAssumeError(role=role.arn, code=failure.code or "", said=failure.reason) from error
