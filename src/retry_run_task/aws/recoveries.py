"""Starts recoveries: one durable execution for each failed launch, however often it is requested."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's own

from retry_run_task import __version__
from retry_run_task.aws.cached import cached
from retry_run_task.aws.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient

# For replays, and for the durable SDK, which saves what recover did.
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})

# Lambda starts 300 durable executions a second in a Region and answers 429 beyond that. This burst and rate stay below
# it in every second.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
STARTS_AHEAD, STARTS_PER_S = 100, 200
STARTS_AT_ONCE = 32

# One try per call: a failed start is tried again after the others, while intake has time (aws/starts.py).
STARTS_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=STARTS_AT_ONCE,
    # Otherwise the SDK builds its own anew for every call, which takes a tenth of the time of a start.
    user_agent=f"retry-run-task/{__version__}",
)


class Started(StrEnum):
    """The result of a start."""

    ACCEPTED = "accepted"
    """It runs now, or existed with the same payload: Lambda answers both alike."""
    BEFORE = "already started"
    """It existed with another payload."""


@cached
def client() -> LambdaClient:
    """Return a Lambda client that retries a 429."""
    return client_with(CONFIG)


@cached
def starter() -> LambdaClient:
    """Return a Lambda client for many starts at the same time."""
    return client_with(STARTS_CONFIG)


def client_with(config: Config) -> LambdaClient:
    """Return a Lambda client."""
    # Not boto3, whose import takes longer than intake's own code.
    client: Any = botocore.session.get_session().create_client("lambda", config=config)
    return client  # type: ignore[no-any-return]


def starts_limiter(*, now: Callable[[], float], sleep: Callable[[float], object]) -> RateLimiter:
    """Return the rate limiter for the starts of one process."""
    return RateLimiter(
        STARTS_PER_S, ahead=STARTS_AHEAD - 1, rested_s=STARTS_AHEAD / STARTS_PER_S, now=now, sleep=sleep
    )


def passes(error: Exception) -> bool:
    """Tell whether a start that raised this may succeed soon: Lambda was throttling, failing or unreachable."""
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, ConnectionError | HTTPClientError)


def start(functions: LambdaClient, *, function: str, name: str, payload: str) -> Started:
    """Start the recovery of this name, unless it was started before.

    A name that is running or has ended is not started again; Lambda answers as if it had been, or with 409 if the
    payload differs, as it does after an upgrade that changed the payload's form.
    https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html

    Raises:
        ClientError: Lambda refused, for example because the function does not exist or throttling persists.
        BotoCoreError: Lambda could not be reached.
    """
    try:
        answer = functions.invoke(
            FunctionName=function,
            InvocationType="Event",
            DurableExecutionName=name,
            Payload=payload.encode(),
        )
        # Read to its end, because only then is the connection free for the next start.
        answer["Payload"].read()
    except ClientError as error:
        if error.response["Error"].get("Code") == "DurableExecutionAlreadyStartedException":
            return Started.BEFORE
        raise
    return Started.ACCEPTED
