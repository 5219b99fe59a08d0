"""CloudWatch Logs: log groups, and subscription filters that are really evaluated.

A subscription's payload is AWS's: base64 of gzip of

    {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "CloudTrail/logs",
     "logStream": "123456789012_CloudTrail_ap-northeast-1", "subscriptionFilters": ["RunTaskFailureFilter"],
     "logEvents": [{"id": "31953106606966983378809025079804211143289615424298221568",
                    "timestamp": 1432826855000, "message": "{...}"}]}

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html

Unlike AWS, which rejects events older than 14 days, it accepts any age: a demo's virtual clock and the real time may be
months apart.
"""

from __future__ import annotations

import base64
import bisect
import gzip
import itertools
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retry_run_task.local.errors import AwsError
from retry_run_task.local.logs.filter_pattern import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from retry_run_task.local.clock import Clock

# Quotas: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
FILTERS_PER_GROUP = 2
LONGEST_PATTERN = 1024
# The largest asynchronous payload of Lambda; a larger delivery is divided.
LARGEST_PAYLOAD_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One log line. `id` orders the events of the whole local AWS; both times are in ms since 1970."""

    id: str
    stream: str
    timestamp: int
    ingested: int
    message: str


@dataclass(slots=True, kw_only=True)
class Subscription:
    """A subscription filter, and the events gathered for its next delivery, by stream."""

    name: str
    pattern: str
    matches: Callable[[str], bool]
    function_arn: str
    created: int
    waiting: dict[str, list[StoredEvent]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Group:
    """A log group; times in ms since 1970."""

    name: str
    arn: str
    created: int
    streams: dict[str, int] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    events: list[StoredEvent] = field(default_factory=list)


class Logs:
    """The log groups of one account and Region.

    Attributes:
        delivery_window_s: Virtual seconds for which matching events are gathered into one delivery.
        duplicate_deliveries: Number of extra deliveries; Logs promises "at least once".
        out_of_order: Whether the events of a delivery are shuffled.
    """

    def __init__(
        self, clock: Clock, account: str, region: str, deliver: Callable[[str, bytes], None]
    ) -> None:
        """Begin without any group.

        ``deliver`` takes a function's ARN and a payload, and raises ``AwsError`` for a function that does not exist.
        """
        self.delivery_window_s = 1.0
        self.duplicate_deliveries = 0
        self.out_of_order = False
        self._clock, self._account, self._region, self._deliver = clock, account, region, deliver
        self._groups: dict[str, Group] = {}
        self._sequence = itertools.count()
        self._random = random.Random(0)  # noqa: S311 -- an order to test with, not a secret
        self._changed = threading.Condition(threading.RLock())

    def create_group(self, name: str) -> bool:
        """Create a log group; False if it exists already."""
        arn = f"arn:aws:logs:{self._region}:{self._account}:log-group:{name}"
        with self._changed:
            is_new = name not in self._groups
            if is_new:
                self._groups[name] = Group(name=name, arn=arn, created=self.now_ms())
            return is_new

    def create_stream(self, group: str, name: str) -> bool:
        """Create a log stream; False if it exists already."""
        with self._changed:
            streams = self.group(group).streams
            is_new = name not in streams
            streams.setdefault(name, self.now_ms())
            return is_new

    def groups(self) -> list[Group]:
        """Return every log group, by name."""
        with self._changed:
            return [group for _, group in sorted(self._groups.items())]

    def put(self, group: str, stream: str, events: Iterable[tuple[int | None, str]]) -> None:
        """Write events into a stream, creating it if needed, and deliver them to subscriptions.

        Each event is a timestamp in ms since 1970 (None for now) and a message.
        """
        with self._changed:
            into, now_ms = self.group(group), self.now_ms()
            into.streams.setdefault(stream, now_ms)
            for given_ms, message in events:
                at_ms = now_ms if given_ms is None else given_ms
                event = StoredEvent(
                    id=self._id(at_ms), stream=stream, timestamp=at_ms, ingested=now_ms, message=message
                )
                bisect.insort(into.events, event, key=lambda other: (other.timestamp, other.id))
                for subscription in into.subscriptions.values():
                    if subscription.matches(message):
                        self._gather(into, subscription, event)
            self._changed.notify_all()

    def events(self, group: str, pattern: str = "") -> list[StoredEvent]:
        """Return the group's events in the order of their timestamps, those that match the pattern."""
        matches = compiled(pattern)
        with self._changed:
            found = list(self._groups[group].events) if group in self._groups else []
        return [event for event in found if matches(event.message)]

    def wait_for(self, group: str, text: str, timeout_s: float = 60.0, *, times: int = 1) -> StoredEvent:
        """Wait, in real seconds, for so many events that contain a text, and return the last of them.

        Raises:
            TimeoutError: Fewer arrived.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = [event for event in self.events(group) if text in event.message]
                if len(found) >= times:
                    return found[times - 1]
                if not self._changed.wait(deadline_s - time.monotonic()):
                    raise TimeoutError(
                        f"{len(found)} of {times} events with {text!r} came into {group!r} within {timeout_s} s"
                    )

    def put_subscription_filter(self, group: str, name: str, pattern: str, function_arn: str) -> None:
        """Send what matches the pattern to a function; replaces the filter of that name."""
        matches = compiled(pattern)
        with self._changed:
            into = self.group(group)
            if name not in into.subscriptions and len(into.subscriptions) >= FILTERS_PER_GROUP:
                raise AwsError("LimitExceededException", "Resource limit exceeded.")
            control = {
                "messageType": "CONTROL_MESSAGE",
                "owner": "CloudwatchLogs",
                "logGroup": "",
                "logStream": "",
                "subscriptionFilters": [],
                "logEvents": [
                    {
                        "id": "",
                        "timestamp": self.now_ms(),
                        "message": "CWL CONTROL MESSAGE: Checking health of destination Lambda.",
                    }
                ],
            }
            try:
                self._deliver(function_arn, _payload(control))
            except AwsError:
                raise AwsError(
                    "InvalidParameterException",
                    "Could not execute the lambda function. Make sure you have given CloudWatch Logs "
                    "permission to execute your function.",
                ) from None
            into.subscriptions[name] = Subscription(
                name=name, pattern=pattern, matches=matches, function_arn=function_arn, created=self.now_ms()
            )

    def delete_subscription_filter(self, group: str, name: str) -> None:
        """Remove a filter; what it has gathered is still delivered."""
        with self._changed:
            if self.group(group).subscriptions.pop(name, None) is None:
                raise not_found("The specified subscription filter does not exist.")

    def _gather(self, group: Group, subscription: Subscription, event: StoredEvent) -> None:
        waiting = subscription.waiting.setdefault(event.stream, [])
        waiting.append(event)
        if len(waiting) == 1:
            self._clock.call_later(
                self.delivery_window_s, lambda: self._flush(group, subscription, event.stream)
            )

    def _flush(self, group: Group, subscription: Subscription, stream: str) -> None:
        with self._changed:
            events = subscription.waiting.pop(stream)
        if self.out_of_order:
            self._random.shuffle(events)
        for _ in range(1 + self.duplicate_deliveries):
            self._send(group, subscription, stream, events)

    def _send(self, group: Group, subscription: Subscription, stream: str, events: list[StoredEvent]) -> None:
        payload = _payload(
            {
                "messageType": "DATA_MESSAGE",
                "owner": self._account,
                "logGroup": group.name,
                "logStream": stream,
                "subscriptionFilters": [subscription.name],
                "logEvents": [
                    {"id": event.id, "timestamp": event.timestamp, "message": event.message}
                    for event in events
                ],
            }
        )
        if len(payload) > LARGEST_PAYLOAD_BYTES and len(events) > 1:
            middle = len(events) // 2
            self._send(group, subscription, stream, events[:middle])
            self._send(group, subscription, stream, events[middle:])
        else:
            self._deliver(subscription.function_arn, payload)

    def group(self, name: str) -> Group:
        """Return a log group; `AwsError` if it does not exist."""
        group = self._groups.get(name)
        if group is None:
            raise not_found("The specified log group does not exist.")
        return group

    def now_ms(self) -> int:
        """Return the virtual time, in ms since 1970."""
        return int(self._clock.now().timestamp() * 1000)

    def _id(self, timestamp_ms: int) -> str:
        # AWS's ids are 56 decimal digits whose bits above the 144th are the timestamp.
        return f"{(timestamp_ms << 144) + next(self._sequence):056d}"


def compiled(pattern: str) -> Callable[[str], bool]:
    """Compile a filter pattern, and refuse one as Logs does."""
    if len(pattern) > LONGEST_PATTERN:
        raise AwsError(
            "InvalidParameterException",
            f"filterPattern has {len(pattern)} characters; at most {LONGEST_PATTERN}",
        )
    try:
        return compile_pattern(pattern)
    except ValueError as error:
        raise AwsError("InvalidParameterException", f"Invalid filter pattern: {error}") from None


def not_found(message: str) -> AwsError:
    """Return the error for a group, stream or filter that does not exist."""
    return AwsError("ResourceNotFoundException", message)


def _payload(message: dict[str, Any]) -> bytes:
    # The gzip header's own time stamp would make equal deliveries differ.
    data = base64.b64encode(gzip.compress(json.dumps(message).encode(), mtime=0)).decode()
    return json.dumps({"awslogs": {"data": data}}).encode()
