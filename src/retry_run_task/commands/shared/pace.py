"""A rate limiter on this machine's clock."""

from __future__ import annotations

import time

from retry_run_task.aws.pace import Pace


def paced(per_s: float) -> Pace:
    """Allow ``per_s`` calls a second, evenly."""
    return Pace(per_s, now=time.monotonic, sleep=time.sleep)
