"""Parsers of what AWS delivers, to failed launches. One module for each wire format, headed by a sample of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.sources import cloudwatch_logs, eventbridge, task_state_change

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse(event: Any) -> Iterator[FailedLaunch | Ignored | Unparsed]:
    """Yield the result for each record in a Lambda event.

    Never raises for the event's content: a record that cannot be read is one ``Unparsed``, and the others are still
    read.
    """
    if isinstance(event, dict) and "awslogs" in event:
        return cloudwatch_logs.parse(event)
    if isinstance(event, dict) and event.get("detail-type") == eventbridge.DETAIL_TYPE:
        return eventbridge.parse(event)
    if isinstance(event, dict) and event.get("detail-type") == task_state_change.DETAIL_TYPE:
        return task_state_change.parse(event)
    return iter(
        [
            Unparsed(
                why="this is neither a CloudWatch Logs subscription event nor an EventBridge event "
                f"of type {eventbridge.DETAIL_TYPE!r} or {task_state_change.DETAIL_TYPE!r}"
            )
        ]
    )
