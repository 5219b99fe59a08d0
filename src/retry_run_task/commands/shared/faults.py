"""Errors of AWS calls that change something, each as one sentence."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from retry_run_task.commands.shared.hints import aws_line
from retry_run_task.errors import RetryRunTaskError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


class DeployError(RetryRunTaskError):
    """AWS did not do what was requested: it refused, failed or did not answer."""


@contextmanager
def calling(doing: str) -> Iterator[None]:
    """Turn an error of AWS or of the connection into one sentence.

    ``doing`` is the request, such as ``create the bucket``.

    Raises:
        DeployError: It was not done.
    """
    try:
        yield
    except ClientError as error:
        raise refused(error, doing) from None
    except (BotoCoreError, ResponseParserError) as error:
        raise DeployError(
            f"AWS does not answer to: {doing} ({one_line(str(error))}).", hint="Run the same command again."
        ) from None


def listed(page: Mapping[str, Any], member: str) -> Sequence[Any]:
    """Return the list of an answer that names it also if it is empty. Call it inside ``calling``.

    Raises:
        ResponseParserError: The list is missing, so what there is has not been seen.
    """
    if member not in page:
        raise ResponseParserError(f"the answer has no {member}")
    found: Sequence[Any] = page[member]
    return found


def refused(error: ClientError, doing: str) -> DeployError:
    """Return the sentence for a refusal."""
    code, message = code_of(error), one_line(message_of(error))
    if code in EXPIRED:
        return DeployError(
            f"Your AWS credentials expired before AWS could {doing}.",
            hint=f"Get new ones, for example with: {aws_line('sso login')}; then run the same command again.",
        )
    if code in _DENIED or "is not authorized to perform" in message:
        return DeployError(
            f"You may not {doing}: {message or code}.",
            hint="Ask for that permission and run the same command again.",
        )
    return DeployError(f"AWS did not {doing}: {code}: {message or 'no reason given'}.")


def code_of(error: ClientError) -> str:
    """Return the error's code."""
    return str(error.response.get("Error", {}).get("Code") or "an error")


def message_of(error: ClientError) -> str:
    """Return the error's message."""
    return str(error.response.get("Error", {}).get("Message") or "")


def one_line(text: str) -> str:
    """Return AWS's message as part of a sentence."""
    return " ".join(text.split()).rstrip(".")
