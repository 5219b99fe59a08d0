"""A rate limiter on this machine's clock."""

from __future__ import annotations

import time
from typing import Any

from retry_run_task.aws.rate_limiter import RateLimiter


def rate_limited(per_s: float) -> RateLimiter:
    """Allow ``per_s`` calls a second, evenly."""
    return RateLimiter(per_s, now=time.monotonic, sleep=time.sleep)


def limit_rate(client: Any, limiter: RateLimiter, *operations: str) -> None:
    """Let a client wait for its turn before each call of some operations, so also before each page of a paginator.

    https://docs.aws.amazon.com/boto3/latest/guide/events.html
    """

    def wait(**_: Any) -> None:
        # botocore takes what a handler returns for the answer.
        limiter.wait()

    service = client.meta.service_model.service_id.hyphenize()
    for operation in operations:
        client.meta.events.register(f"before-call.{service}.{operation}", wait)
