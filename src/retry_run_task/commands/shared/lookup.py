"""CloudTrail's event history: the records of one operation, page by page, within AWS's rate limit.

"The rate of lookup requests is limited to two per second, per account, per Region", and a page has 50 records, of the
last 90 days. https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.config import Config

from retry_run_task.commands.shared.faults import calling, listed
from retry_run_task.commands.shared.rate_limits import limit_rate, rate_limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import boto3
    from mypy_boto3_cloudtrail import CloudTrailClient

    from retry_run_task.aws.rate_limiter import RateLimiter

CALLS_PER_S = 2.0

# The console and other users look up, too; so throttles are normal, and are waited out.
_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 10})


class OutOfTimeError(Exception):
    """Not every page could be read in time; the last record that was read is of ``back_to``."""

    def __init__(self, back_to: datetime | None) -> None:
        """Take how far it came."""
        super().__init__(back_to)
        self.back_to = back_to


def run_task_records(
    session: boto3.Session,
    region: str,
    *,
    since: datetime,
    until: datetime,
    tell: Callable[[str], None],
    limiter: RateLimiter | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    """Yield the records of RunTask calls, newest first, each as JSON.

    Raises:
        DeployError: CloudTrail did not answer.
        OutOfTimeError: ``is_over`` said so before the last page.
    """
    if is_over():
        raise OutOfTimeError(None)
    client: CloudTrailClient = session.client("cloudtrail", region_name=region, config=_CONFIG)
    limit_rate(client, limiter or rate_limited(CALLS_PER_S), "LookupEvents")
    pages = client.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RunTask"}],
        StartTime=since,
        EndTime=until,
    )
    seen, last = 0, None
    with calling(f"look up calls in CloudTrail in {region}"):
        for page in pages:
            events = listed(page, "Events")
            for event in events:
                seen += 1
                yield event.get("CloudTrailEvent") or ""
            last = events[-1].get("EventTime") if events else last
            tell(f"calls in CloudTrail: {seen}" + (f", back to {last:%Y-%m-%d %H:%M}" if last else ""))
            if page.get("NextToken") and is_over():
                raise OutOfTimeError(last)
