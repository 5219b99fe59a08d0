"""An EventBridge event of a RunTask call, which carries the whole CloudTrail record as its ``detail``.

Shortened::

    {"version": "0", "id": "6f87d04b-...", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ecs",
     "account": "123456789012", "time": "2026-11-24T00:00:03Z", "region": "ap-northeast-1", "resources": [],
     "detail": {"eventName": "RunTask", "requestParameters": {...}, "responseElements": {...}, ...}}

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.sources import cloudtrail
from retry_run_task.sources.reading import ReadError, object_at, text_at, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DETAIL_TYPE = "AWS API Call via CloudTrail"

# The rule that the product installs: the same records as its subscription filter, except a call that placed nothing and
# gave no reason, which patterns cannot express; that one comes through the log group.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
EVENT_PATTERN: dict[str, Any] = {
    "source": ["aws.ecs"],
    "detail-type": [DETAIL_TYPE],
    "detail": {
        "eventSource": ["ecs.amazonaws.com"],
        "eventName": ["RunTask"],
        "$or": [
            {"responseElements": {"failures": {"reason": [{"exists": True}]}}},
            {"errorCode": [{"exists": True}]},
        ],
    },
}


def parse(event: dict[str, Any]) -> Iterator[FailedLaunch | Ignored | Unparsed]:
    """Yield the result for the one record in an event. Never raises for its content."""
    where = None
    try:
        where = f"EventBridge event {text_at(event, 'id') or ''}"
        envelope = envelope_of(event)
        record = object_at(event, "detail")
        if record is None:
            raise ReadError("it has no detail, which would be the CloudTrail record")
        yield cloudtrail.parse(record, envelope)
    except ReadError as error:
        yield Unparsed(why=str(error), where=where)
    except Exception as error:  # noqa: BLE001 - an unforeseen fault is one line for one record
        yield Unparsed(why=f"it could not be read ({type(error).__name__})", where=where)


def envelope_of(event: dict[str, Any]) -> cloudtrail.Envelope:
    """Return what an event says about the record in it.

    Raises:
        ReadError: A member has the wrong type.
    """
    time = text_at(event, "time")
    return cloudtrail.Envelope(
        id=text_at(event, "id") or "",
        time=time_of(time) if time else None,
        account=text_at(event, "account") or "",
        region=text_at(event, "region") or "",
    )
