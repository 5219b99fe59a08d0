"""Starting recoveries: one durable execution for a failed launch, however often it is asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from retry_run_task.aws.once import once

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Lambda starts 300 durable executions a second in a Region and answers 429 beyond that, which botocore's
# standard mode repeats, for some ten seconds; after that the event is better delivered again.
# https://docs.aws.amazon.com/lambda/latest/dg/durable-functions.html
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})


class Started(StrEnum):
    """What became of a wish to start a recovery."""

    ACCEPTED = "accepted"
    """It runs now, or it was there before with the same payload: Lambda answers both alike."""
    BEFORE = "already started"
    """It was there before, with another payload."""


@once
def client() -> LambdaClient:
    """Return a Lambda client that is patient with 429."""
    return boto3.client("lambda", config=CONFIG)


def start(functions: LambdaClient, *, function: str, name: str, payload: str) -> Started:
    """Start the recovery of this name, unless it was started before.

    A name that is running or has ended is not started again; Lambda answers either as if it had been, or
    with 409 if the payload differs, as it does after an upgrade that changed the payload's form.
    https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html

    Raises:
        ClientError: Lambda refused, for example because the function does not exist or is throttled for long.
        BotoCoreError: Lambda could not be reached.
    """
    try:
        functions.invoke(
            FunctionName=function,
            InvocationType="Event",
            DurableExecutionName=name,
            Payload=payload.encode(),
        )
    except ClientError as error:
        if error.response["Error"].get("Code") == "DurableExecutionAlreadyStartedException":
            return Started.BEFORE
        raise
    return Started.ACCEPTED
