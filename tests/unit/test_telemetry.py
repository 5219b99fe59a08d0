"""The log of one process, whatever number of invocations it runs at a time."""

from __future__ import annotations

import json
import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from retry_run_task import __version__
from retry_run_task.aws import telemetry
from support.stacks import fresh

DAY = date(2026, 11, 24)


def test_a_logger_is_made_once_also_where_many_ask_at_the_same_moment() -> None:
    """Powertools makes a logger in steps that another thread may see: its handler is there before its formatter."""
    gate, made, stack = threading.Barrier(8), [], fresh()

    def ask() -> None:
        gate.wait(60)
        made.append(telemetry._logger(stack))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 8
    assert len(set(map(id, made))) == 1


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_a_line_has_its_event_its_fields_and_what_every_line_has(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = fresh()
    log = telemetry.Telemetry(stack=stack, request_id="r")
    getattr(log, level)(
        telemetry.Metric.IGNORED, why="half a \ud800", absent=None, empty="", none=0, when=DAY
    )
    text = capsys.readouterr().out
    (line,) = [json.loads(line) for line in text.splitlines()]
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert list(line) == [
        "level",
        "message",
        "service",
        "version",
        "function_request_id",
        "why",
        "empty",
        "none",
        "when",
    ]
    assert line == {
        "level": level.upper(),
        "message": "Ignored",
        "service": stack,
        "version": __version__,
        "function_request_id": "r",
        "why": "half a \ud800",
        "empty": "",
        "none": 0,
        "when": "2026-11-24",
    }
    assert r"half a \ud800" in text
    assert ", " not in text


def test_a_line_is_readable_where_it_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.Telemetry(stack=fresh(), request_id="r").info(telemetry.Metric.IGNORED, why="夜")
    assert '"夜"' in capsys.readouterr().out


def test_what_was_counted_is_written_once_with_at_most_one_dimension_beside_the_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = telemetry.Telemetry(stack="s", request_id="r")
    metric = telemetry.Metric
    log.count(metric.CALLS)
    for _ in range(3):
        log.count(metric.CALLS)
    log.count(metric.RECOVERED)
    log.count(metric.GAVE_UP, category="capacity", outcome="not both")
    log.count(metric.GAVE_UP, category="throttle")
    log.count(metric.GAVE_UP_OUTCOMES, outcome="expired")
    log.measure(metric.TIME_TO_RECOVER, 1.5)
    log.measure(metric.TIME_TO_RECOVER, 2)
    log.flush()
    lines = written(capsys)
    described = [line.pop("_aws")["CloudWatchMetrics"] for line in lines]
    assert lines == [
        {"service": "s", "category": "capacity", "GaveUp": [1.0]},
        {"service": "s", "category": "throttle", "GaveUp": [1.0]},
        {"service": "s", "outcome": "expired", "GaveUpOutcomes": [1.0]},
        {"service": "s", "Calls": [4.0], "Recovered": [1.0]},
        {"service": "s", "TimeToRecover": [1.5, 2.0]},
    ]
    assert [(one["Namespace"], one["Dimensions"], one["Metrics"]) for (one,) in described] == [
        ("retry-run-task", [["category", "service"]], [{"Name": "GaveUp", "Unit": "Count"}]),
        ("retry-run-task", [["category", "service"]], [{"Name": "GaveUp", "Unit": "Count"}]),
        ("retry-run-task", [["outcome", "service"]], [{"Name": "GaveUpOutcomes", "Unit": "Count"}]),
        (
            "retry-run-task",
            [["service"]],
            [{"Name": "Calls", "Unit": "Count"}, {"Name": "Recovered", "Unit": "Count"}],
        ),
        ("retry-run-task", [["service"]], [{"Name": "TimeToRecover", "Unit": "Seconds"}]),
    ]
    log.flush()
    assert written(capsys) == []
