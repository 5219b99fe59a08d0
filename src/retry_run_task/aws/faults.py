"""Errors of AWS, the network or a malformed answer, as a ``Failure`` that can be classified."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from retry_run_task.failures.classify import classify
from retry_run_task.launch.values import Category, Failure, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_SERVER_ERROR = 500


class CannotAssumeError(BotoCoreError):
    """A role cannot be assumed. A botocore error, so that every caller treats it as a call that was not sent."""

    fmt = "{role} cannot be assumed: {code}: {said}"

    def __init__(self, *, role: str, code: str, said: str) -> None:
        super().__init__(role=role, code=code, said=said)
        self.failure = Failure(origin=Origin.ERROR, code=code, reason=said)


class NotDescribedError(Exception):
    """ECS lists tasks that it does not describe yet, or no longer."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ECS does not describe {number} of the tasks that it lists")


def attempt(read: Callable[[], T]) -> T | Failure:
    """Return the result of a read, or why it failed. Raises nothing."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - an odd answer raises whatever it does to a parser
        return failure_of(error)


def failure_of(error: Exception) -> Failure:
    """Return the failure of a read, in a form that is classified by its cause.

    An unreadable answer (HTTP 200 with an empty, cut-off or malformed body) is ``ResponseParserError``, whatever
    exception reading it raised: ``KeyError`` for an absent member, for example.
    """
    match error:
        case CannotAssumeError():
            return error.failure
        case NotDescribedError():
            return Failure(origin=Origin.ERROR, code="ResponseParserError", reason=str(error))
        case ClientError():
            return _said(error)
        case BotoCoreError():
            return Failure(origin=Origin.ERROR, code=type(error).__name__, reason=str(error))
        case _:
            # Not the error's text: it may quote the answer, which may hold secrets.
            why = f"an answer of AWS cannot be read ({type(error).__name__})"
            return Failure(origin=Origin.ERROR, code="ResponseParserError", reason=why)


def _said(error: ClientError) -> Failure:
    said = error.response.get("Error", {})
    code, reason = str(said.get("Code", "")), str(said.get("Message", ""))
    failure = Failure(origin=Origin.ERROR, code=code, reason=reason, detail=error.operation_name)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= _SERVER_ERROR and classify(failure).category is Category.UNKNOWN:
        # An unknown code with status 5xx is still a server error.
        reason = f"{code}: {reason}"
        return Failure(origin=Origin.ERROR, code=str(status), reason=reason, detail=error.operation_name)
    return failure


def sentence(failure: Failure) -> str:
    """Return a failed read as text.

    >>> sentence(Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded", detail="ListRules"))
    'ListRules failed: ThrottlingException: Rate exceeded'
    """
    said = ": ".join(part for part in (failure.code, failure.reason) if part)
    return f"{failure.detail} failed: {said}" if failure.detail else said
