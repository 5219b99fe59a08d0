"""CloudTrail's event history, as clients see it: `LookupEvents`, and nothing else.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.local.cloudtrail.delivery import message
from retry_run_task.local.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retry_run_task.local.clock import Clock
    from retry_run_task.local.cloudtrail.delivery import TrailDelivery

Json = dict[str, Any]

KEPT_FOR = timedelta(days=90)
PAGE = 50
# "The rate of lookup requests is limited to two per second, per account, per Region." Whether a burst is allowed is not
# documented; here none is.
CALLS_PER_S = 2.0


def _user(record: Json) -> str | None:
    identity = record["userIdentity"]
    name = identity.get("userName") or str(identity.get("arn") or "").rpartition("/")[2]
    return name or None


# The lookup attributes, and where each is in the record.
ATTRIBUTES: Mapping[str, Callable[[Json], str | None]] = {
    "EventId": lambda record: record["eventID"],
    "EventName": lambda record: record["eventName"],
    "EventSource": lambda record: record["eventSource"],
    "ReadOnly": lambda record: str(record["readOnly"]).lower(),
    "Username": _user,
    "AccessKeyId": lambda record: record["userIdentity"].get("accessKeyId"),
}


class LookupApi:
    """The event histories, one for each account and Region, with ``calls_per_s`` in real time; None for no limit.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html
    """

    def __init__(self, clock: Clock, trail: TrailDelivery) -> None:
        self.calls_per_s: float | None = CALLS_PER_S
        self._clock, self._trail = clock, trail
        self._free_at = 0.0
        self._lock = threading.Lock()

    def operations(self, account: str, region: str) -> dict[str, Callable[[Json], Any]]:
        """Return the implemented operations of an account and Region, by name."""
        return {"LookupEvents": lambda body: self._lookup(body, account, region)}

    def _lookup(self, body: Json, account: str, region: str) -> Json:
        self._check_rate()
        attributes = body.get("LookupAttributes") or []
        if len(attributes) > 1 or any(one.get("AttributeKey") not in ATTRIBUTES for one in attributes):
            raise AwsError(
                "InvalidLookupAttributesException", "One attribute is allowed, of those that there are."
            )
        size = body.get("MaxResults", PAGE)
        if not 1 <= size <= PAGE:
            raise AwsError("InvalidMaxResultsException", f"MaxResults is {size}; expected 1 to {PAGE}.")
        now = self._clock.now()
        start, end = (_time(body.get(name)) for name in ("StartTime", "EndTime"))
        if start is not None and end is not None and start > end:
            raise AwsError("InvalidTimeRangeException", "StartTime is after EndTime.")
        start = max(start or now - KEPT_FOR, now - KEPT_FOR)
        found = [
            one
            for one in self._trail.history
            if (one["recipientAccountId"], one["awsRegion"]) == (account, region)
            and _is_asked(one, attributes, start, end)
        ]
        # The history is in order of arrival; the newest comes first in an answer.
        found.sort(key=lambda one: str(one["eventTime"]), reverse=True)
        first = _first(body)
        token = base64.b64encode(json.dumps([first + size, _same(body)]).encode()).decode()
        more = {"NextToken": token} if first + size < len(found) else {}
        return {"Events": [_event(one) for one in found[first : first + size]], **more}

    def _check_rate(self) -> None:
        if self.calls_per_s is None:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._free_at:
                raise AwsError("ThrottlingException", "Rate exceeded")
            self._free_at = now + 1 / self.calls_per_s


def _is_asked(record: Json, attributes: list[Json], start: datetime, end: datetime | None) -> bool:
    time_ = datetime.fromisoformat(record["eventTime"])
    return (
        start <= time_
        and (end is None or time_ <= end)
        and all(ATTRIBUTES[one["AttributeKey"]](record) == one["AttributeValue"] for one in attributes)
    )


def _event(record: Json) -> Json:
    """https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Event.html ."""
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": str(record["readOnly"]).lower(),
        "EventTime": datetime.fromisoformat(record["eventTime"]).timestamp(),
        "EventSource": record["eventSource"],
        **({"AccessKeyId": key} if (key := record["userIdentity"].get("accessKeyId")) else {}),
        **({"Username": user} if (user := _user(record)) else {}),
        "Resources": [],
        "CloudTrailEvent": message(record),
    }


def _time(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _same(body: Json) -> str:
    return json.dumps({name: value for name, value in body.items() if name != "NextToken"}, sort_keys=True)


def _first(body: Json) -> int:
    """Return where a page begins. A token "must be passed in with the same parameters as the previous call"."""
    token = body.get("NextToken")
    if token is None:
        return 0
    try:
        first, same = json.loads(base64.b64decode(token, validate=True))
    except ValueError:
        same = first = None
    if not isinstance(first, int) or same != _same(body):
        raise AwsError("InvalidNextTokenException", "The token is none, or is of another lookup.")
    return first
