"""CloudWatch Logs' operations, as clients see them.

Each takes and gives the JSON of
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from retry_run_task.local.errors import AwsError
from retry_run_task.local.logs.service import compiled, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.local.logs.service import Logs, StoredEvent

Json = dict[str, Any]

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
LARGEST_BATCH_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
EVENTS_PER_PUT = 10_000
PAGE = 10_000


class LogsApi:
    """The operations on the log groups of one account and Region."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    def operations(self) -> dict[str, Callable[[Json], Any]]:
        """Return the implemented operations, by name."""
        return {
            "CreateLogGroup": self._create_log_group,
            "CreateLogStream": self._create_log_stream,
            "DeleteSubscriptionFilter": self._delete_subscription_filter,
            "DescribeLogGroups": self._describe_log_groups,
            "DescribeLogStreams": self._describe_log_streams,
            "DescribeSubscriptionFilters": self._describe_subscription_filters,
            "FilterLogEvents": self._filter_log_events,
            "GetLogEvents": self._get_log_events,
            "PutLogEvents": self._put_log_events,
            "PutSubscriptionFilter": self._put_subscription_filter,
            "TestMetricFilter": self._test_metric_filter,
        }

    def _create_log_group(self, body: Json) -> None:
        if not self._logs.create_group(_text(body, "logGroupName")):
            raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists")

    def _create_log_stream(self, body: Json) -> None:
        if not self._logs.create_stream(_text(body, "logGroupName"), _text(body, "logStreamName")):
            raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")

    def _put_log_events(self, body: Json) -> Json:
        events = [(event["timestamp"], event["message"]) for event in body.get("logEvents") or []]
        if not 1 <= len(events) <= EVENTS_PER_PUT:
            raise _invalid(f"logEvents must have 1 to {EVENTS_PER_PUT} members")
        if any(before[0] > after[0] for before, after in pairwise(events)):
            raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
        size = sum(len(message.encode()) + EVENT_OVERHEAD_BYTES for _, message in events)
        if size > LARGEST_BATCH_BYTES:
            raise _invalid(f"Upload too large: {size} bytes exceeds limit of {LARGEST_BATCH_BYTES}")
        group, stream = _text(body, "logGroupName"), _text(body, "logStreamName")
        if stream not in self._logs.group(group).streams:
            raise not_found("The specified log stream does not exist.")
        self._logs.put(group, stream, events)
        return {"nextSequenceToken": f"{0:056d}"}

    def _put_subscription_filter(self, body: Json) -> None:
        self._logs.put_subscription_filter(
            _text(body, "logGroupName"),
            _text(body, "filterName"),
            _text(body, "filterPattern"),
            _text(body, "destinationArn"),
        )

    def _delete_subscription_filter(self, body: Json) -> None:
        self._logs.delete_subscription_filter(_text(body, "logGroupName"), _text(body, "filterName"))

    def _describe_subscription_filters(self, body: Json) -> Json:
        group = _text(body, "logGroupName")
        return {
            "subscriptionFilters": [
                {
                    "filterName": one.name,
                    "logGroupName": group,
                    "filterPattern": one.pattern,
                    "destinationArn": one.function_arn,
                    "distribution": "ByLogStream",
                    "creationTime": one.created,
                }
                for one in list(self._logs.group(group).subscriptions.values())
                if one.name.startswith(body.get("filterNamePrefix", ""))
            ]
        }

    def _describe_log_groups(self, body: Json) -> Json:
        return {
            "logGroups": [
                {
                    "logGroupName": group.name,
                    "creationTime": group.created,
                    "metricFilterCount": 0,
                    "arn": f"{group.arn}:*",
                    "logGroupArn": group.arn,
                    "storedBytes": 0,
                    "logGroupClass": "STANDARD",
                }
                for group in self._logs.groups()
                if group.name.startswith(body.get("logGroupNamePrefix", ""))
            ]
        }

    def _describe_log_streams(self, body: Json) -> Json:
        streams = sorted(self._logs.group(_text(body, "logGroupName")).streams.items())
        return {
            "logStreams": [
                {"logStreamName": name, "creationTime": created}
                for name, created in streams
                if name.startswith(body.get("logStreamNamePrefix", ""))
            ]
        }

    def _filter_log_events(self, body: Json) -> Json:
        streams, prefix = body.get("logStreamNames"), body.get("logStreamNamePrefix", "")
        found = [
            {
                "logStreamName": event.stream,
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": event.ingested,
                "eventId": event.id,
            }
            for event in self._between(body, body.get("filterPattern") or "")
            if (streams is None or event.stream in streams) and event.stream.startswith(prefix)
        ]
        first, limit = int(body.get("nextToken") or 0), int(body.get("limit") or PAGE)
        more = {"nextToken": str(first + limit)} if first + limit < len(found) else {}
        return {"events": found[first : first + limit], "searchedLogStreams": [], **more}

    def _get_log_events(self, body: Json) -> Json:
        found = [event for event in self._between(body, "") if event.stream == body.get("logStreamName")]
        limit = int(body.get("limit") or PAGE)
        # A token is the position where its page begins. Clients stop when a token comes back unchanged.
        if token := body.get("nextToken"):
            first = int(token[2:])
        else:
            first = 0 if body.get("startFromHead") else max(0, len(found) - limit)
        page = found[first : first + limit]
        return {
            "events": [
                {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested}
                for event in page
            ],
            "nextForwardToken": f"f/{first + len(page)}",
            "nextBackwardToken": f"b/{max(0, first - limit)}",
        }

    def _between(self, body: Json, pattern: str) -> list[StoredEvent]:
        name = body.get("logGroupName") or _text(body, "logGroupIdentifier").rpartition(":log-group:")[2]
        group = self._logs.group(name.removesuffix(":*"))
        start, end = body.get("startTime", 0), body.get("endTime", float("inf"))
        return [event for event in self._logs.events(group.name, pattern) if start <= event.timestamp <= end]

    def _test_metric_filter(self, body: Json) -> Json:
        matches = compiled(_text(body, "filterPattern"))
        return {
            "matches": [
                {"eventNumber": number, "eventMessage": message, "extractedValues": {}}
                for number, message in enumerate(body.get("logEventMessages", []), start=1)
                if matches(message)
            ]
        }


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise _invalid(
            f"1 validation error detected: Value at '{name}' failed to satisfy constraint: not null"
        )
    return value


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)
