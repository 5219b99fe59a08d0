"""The daily audit of a rate that has stopped calling: its runs cannot be timed, and it must not be forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retry_run_task.commands.audit.auditing import audit
from retry_run_task.commands.audit.function import EVERY, due_to_be_told, reach
from retry_run_task.commands.audit.runs import Evidence, RunResult, Window
from retry_run_task.commands.shared.inventory import Launcher
from retry_run_task.launch.values import CallerKind

ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.mark.parametrize(
    ("rate", "days_told"),
    [
        ("rate(5 minutes)", 30),
        ("rate(1 hour)", 30),
        ("rate(12 hours)", 30),
        ("rate(1 day)", 30),
        ("rate(2 days)", 30),
        ("rate(7 days)", 30),
        # Longer than the time that is looked at.
        ("rate(14 days)", 0),
    ],
)
def test_a_rate_that_calls_nothing_is_told_once_a_day(rate: str, days_told: int) -> None:
    one = Launcher(
        kind=CallerKind.RULE,
        name="nightly",
        expression=rate,
        task_definition="nightly",
        cluster="batch",
        role_arn=ROLE,
    )
    told = []
    for day in range(30):
        end = datetime(2026, 11, 1, 22, tzinfo=UTC) + timedelta(days=day)
        window = Window(since=end - EVERY - reach((one,)), until=end)
        found = audit((one,), window, Evidence(calls=(), now=end + timedelta(seconds=30)))
        told += [run for audited in found for run in due_to_be_told(audited, window, end)]
    assert len(told) == days_told
    assert {run.result for run in told} <= {RunResult.UNKNOWN}
