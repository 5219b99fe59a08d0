"""A rate limiter on this machine's clock."""

from __future__ import annotations

import time
from typing import Any

from retry_run_task.aws.pace import Pace


def paced(per_s: float) -> Pace:
    """Allow ``per_s`` calls a second, evenly."""
    return Pace(per_s, now=time.monotonic, sleep=time.sleep)


def pace_calls(client: Any, pace: Pace, *operations: str) -> None:
    """Let a client wait for its turn before each call of some operations, so also before each page of a paginator.

    https://docs.aws.amazon.com/boto3/latest/guide/events.html
    """

    def wait(**_: Any) -> None:
        # botocore takes what a handler returns for the answer.
        pace.wait()

    service = client.meta.service_model.service_id.hyphenize()
    for operation in operations:
        client.meta.events.register(f"before-call.{service}.{operation}", wait)
