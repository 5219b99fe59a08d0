"""Reads from AWS. An answer is a value, and so is the lack of one.

A call is named by its IAM action, which is also the name of its operation. So the texts in this package that look like
``ecs:DescribeTaskDefinition`` are all the permissions that the code needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from retry_run_task.aws.schedules import pages
from retry_run_task.commands.shared.faults import code_of, message_of, one_line
from retry_run_task.commands.shared.inventory import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3

    from retry_run_task.launch.values import JsonObject

# Reading a large account takes hundreds of calls, of which AWS throttles some.
_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})

# botocore raises ValueError for an invalid endpoint, and some parsers do for an answer that is not AWS's.
_FAULTS = (ClientError, BotoCoreError, ResponseParserError, ValueError)

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html
_DENIED = frozenset({"AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation"})


# These name the list in every whole answer, also an empty one; without it nothing is known. Other services may leave an
# empty list out.
_ALWAYS_A_LIST = ("ecs:", "events:", "logs:", "scheduler:")


class Reader:
    """Reads from AWS in one Region. No call changes anything."""

    def __init__(self, session: boto3.Session, region: str) -> None:
        self.region = region
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}

    def elsewhere(self, region: str) -> Reader:
        """Return a reader of another Region, with the same credentials."""
        return Reader(self._session, region)

    @property
    def ca_bundle(self) -> str | None:
        """The certificate file that the configuration names for calls to AWS; None for the default."""
        # https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
        found: str | None = self._session._session.get_config_variable("ca_bundle")  # noqa: SLF001 - boto3 has no other
        return found

    def read(self, action: str, /, *, in_region: str = "", **call: Any) -> JsonObject | Unknown:
        """Make one call and return its answer.

        ``action`` is such as ``sns:ListSubscriptionsByTopic``; ``call`` has the parameters, in AWS's spelling.
        """
        try:
            answer: JsonObject = self._method(action, in_region)(**call)
        except _FAULTS as error:
            return unknown(action, error)
        return answer

    def read_all(self, action: str, member: str, /, **call: Any) -> list[JsonObject] | Unknown:
        """Read all pages of a call, and return the items under a name."""
        try:
            whole = list(self._pages(action, call))
        except _FAULTS as error:
            return unknown(action, error)
        if action.startswith(_ALWAYS_A_LIST) and any(member not in page for page in whole):
            return not_whole(action)
        return [item for page in whole for item in page.get(member) or ()]

    def _pages(self, action: str, call: JsonObject) -> Iterator[JsonObject]:
        service, method = _names(action)
        return pages(self._client(service, self.region), method, **call)

    def _method(self, action: str, region: str) -> Any:
        service, method = _names(action)
        return getattr(self._client(service, region or self.region), method)

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            client: Any = self._session.client(service, region_name=region, config=_CONFIG)  # type: ignore[call-overload] # the name is in the action
            self._clients[service, region] = client
        return self._clients[service, region]


def _names(action: str) -> tuple[str, str]:
    service, _, operation = action.partition(":")
    return service, xform_name(operation)


def not_whole(action: str) -> Unknown:
    """Return the value for an answer without what every whole one has."""
    return Unknown(action=action, why="the answer is not whole")


def unknown(action: str, error: Exception) -> Unknown:
    """Return the value for an answer that did not come."""
    why, is_denied = str(error), False
    if isinstance(error, ClientError):
        code = code_of(error)
        why = ": ".join(part for part in (code, message_of(error)) if part)
        is_denied = code.startswith("AccessDenied") or code in _DENIED
    return Unknown(action=action, why=one_line(why) or "no reason was given", is_denied=is_denied)


def error_code(error: Unknown) -> str:
    """Return the error code of AWS's answer."""
    return error.why.partition(":")[0]
