"""Logs and metrics of the two functions: one JSON object a line, metrics in CloudWatch's embedded format.

The names of events, fields and metrics are a public interface: dashboards and alarms are built on them.
"""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from retry_run_task import __version__
from retry_run_task.aws.cached import cached

NAMESPACE = "retry-run-task"


class Metric(StrEnum):
    """What is counted. Dimensions are ``service`` (the stack) and, where noted, ``category`` or ``outcome``."""

    IGNORED = "Ignored"
    """Records without a failed launch, launches outside this stack's scope, and launches that the policy ignores."""
    UNPARSED = "Unparsed"
    """Records and payloads that could not be read."""
    TAKEN_IN = "TakenIn"
    """Failed launches handed to Lambda, each as often as it arrived: once for each event source that is on."""
    NOT_STARTED = "NotStarted"
    """Failed launches whose recovery could not be started; their event is delivered again."""
    LAUNCHES = "FailedLaunches"
    """Recoveries that began, by category: each failed launch once."""
    UNKNOWN_REASONS = "UnknownReasons"
    """Recoveries whose failure matches no row of the classification table: the table needs a row."""
    CALLS = "Calls"
    """RunTask calls that recoveries made."""
    RECOVERED = "Recovered"
    """Recoveries that placed every task."""
    ALREADY_RUNNING = "AlreadyRunning"
    """Recoveries whose tasks were already running, started by others."""
    START_FAILED = "StartFailed"
    """Placed tasks that stopped before they ran; they are replaced if retrying can help."""
    GAVE_UP = "GaveUp"
    """Recoveries that ended without their tasks, by category."""
    GAVE_UP_OUTCOMES = "GaveUpOutcomes"
    """The same recoveries again, by outcome."""
    NOT_NOTIFIED = "NotNotified"
    """Messages that the topic rejected; each is tried again."""
    TIME_TO_RECOVER = "TimeToRecover"
    """Seconds from the failed call until all tasks were seen running."""


# Name and value; None for a metric of the whole stack.
_Dimension = tuple[str, str] | None


class Telemetry:
    """Writes the log and collects the metrics of one invocation. Not shared between invocations."""

    def __init__(self, *, stack: str, request_id: str) -> None:
        self._logger = _logger(stack)
        self._always = {"version": __version__, "function_request_id": request_id}
        self._stack = stack
        self._counts: Counter[tuple[Metric, _Dimension]] = Counter()
        self._seconds: list[tuple[Metric, float]] = []

    def info(self, event: StrEnum, **fields: Any) -> None:
        """Log a decision."""
        self._logger.info(event.value, extra=self._fields(fields))

    def warning(self, event: StrEnum, **fields: Any) -> None:
        """Log something unusual that needs no action."""
        self._logger.warning(event.value, extra=self._fields(fields))

    def error(self, event: StrEnum, **fields: Any) -> None:
        """Log something that needs action."""
        self._logger.error(event.value, extra=self._fields(fields))

    def count(self, metric: Metric, *, category: str | None = None, outcome: str | None = None) -> None:
        """Add to a metric, with at most one dimension beside ``service``; ``flush`` writes it."""
        dimension = ("category", category) if category else ("outcome", outcome) if outcome else None
        self._counts[metric, dimension] += 1

    def measure(self, metric: Metric, seconds: float) -> None:
        """Add a duration to a metric; ``flush`` writes it."""
        self._seconds.append((metric, seconds))

    def flush(self) -> None:
        """Write the metrics, one line for each set of dimensions."""
        for dimension in sorted({of for _, of in self._counts}, key=str):
            metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._stack)
            if dimension is not None:
                metrics.add_dimension(name=dimension[0], value=dimension[1])
            for (metric, of), amount in self._counts.items():
                if of == dimension:
                    metrics.add_metric(name=metric.value, unit=MetricUnit.Count, value=amount)
            metrics.flush_metrics()
        if self._seconds:
            metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._stack)
            for metric, seconds in self._seconds:
                metrics.add_metric(name=metric.value, unit=MetricUnit.Seconds, value=seconds)
            metrics.flush_metrics()
        self._counts.clear()
        self._seconds.clear()

    def _fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {**self._always, **{k: v for k, v in fields.items() if v is not None}}


@cached
def _logger(stack: str) -> Logger:
    return Logger(
        service=stack,
        json_serializer=_line,
        utc=True,
        use_rfc3339=True,
        location=None,
        log_record_order=_ORDER,
    )


_ORDER = ["level", "message", "timestamp", "service"]


def _line(record: dict[str, Any]) -> str:
    """Return a log line that can be encoded: half a surrogate pair becomes its JSON escape."""
    text = json.dumps(record, default=str, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()
