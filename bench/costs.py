"""What this system costs in a month, from the simulated recoveries and AWS's list prices.

    .venv/bin/python bench/costs.py      write docs/costs.md from bench/comparison.json

Everything that is assumed stands in the page, with its source.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from retry_run_task.simulate.contestants import CONCURRENCY, INVOCATION_S
from retry_run_task.simulate.report import (
    FUNCTION_GB,
    SECOND_CALL_S,
    USD_PER_GB_SECOND,
    USD_PER_OPERATION,
    USD_PER_REQUEST,
    lambda_s,
    usd,
)

ROOT = Path(__file__).resolve().parents[1]
RESULT, PAGE = "bench/comparison.json", "docs/costs.md"

MONTHLY = (10, 1_000, 100_000)
SCENARIOS = (
    ("rush", "a rush: capacity comes back within an hour"),
    ("zone-outage", "an outage of 20 to 90 minutes"),
)
POLICY = "retry-run-task, EventBridge"

# Every failed call of ours is a record, too; intake gets it by both ways in, and leaves it alone.
INTAKE_RUNS_PER_CALL, INTAKE_S = 2, 0.1
# Log lines of both functions and of Lambda itself; measured in the local AWS (test_costs.py), which has the first two.
LOG_BYTES_PER_CALL = 3_700
# A record of a RunTask call, which the trail writes to its log group.
RECORD_BYTES = 2_900
# https://aws.amazon.com/cloudwatch/pricing/
USD_PER_LOG_GB, USD_PER_ALARM_METRIC, USD_PER_METRIC = 0.50, 0.10, 0.30
# infra/README.md counts them; ten alarm metrics are free in an account.
ALARM_METRICS, FREE_ALARM_METRICS = 25, 10
# Of the whole stack, and one for each category and outcome that comes up.
METRICS, HOURS = 25, 730
# https://aws.amazon.com/sns/pricing/
USD_PER_EMAIL, FREE_EMAILS = 2 / 100_000, 1_000


def main() -> None:
    """Write the page."""
    (ROOT / PAGE).write_text(page(json.loads((ROOT / RESULT).read_text())), encoding="utf-8")
    print(f"{PAGE} is written", file=sys.stderr)


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Cost",
            "",
            "<!-- Written by bench/costs.py from bench/comparison.json; edit that, not this page. -->",
            "",
            (
                "While nothing fails, alarms are all that costs: "
                f"{ALARM_METRICS} metrics at [{_usd(USD_PER_ALARM_METRIC)}]"
                "(https://aws.amazon.com/cloudwatch/pricing/) a month each, of which ten are free in an account, "
                "so at most "
                f"{_usd(ALARM_METRICS * USD_PER_ALARM_METRIC)} a month."
            ),
            "Nothing is polled, and nothing idles.",
            "",
            (f"A failure that waits through an outage of 20 to 90 minutes costs {cents(result):.2f} cents."),
            "",
            "US dollars a month, at list prices of us-east-1, without any free tier but that of e-mail:",
            "",
            *_table(result),
            "",
            "Each failure counts as one task that waits as long as those of the simulated outage do.",
            "A failure that no waiting mends costs next to nothing: no attempt follows it.",
            "",
            "## What is counted",
            "",
            *_counted(),
            "",
            "What ECS bills for the task is not counted: it is the run that you wanted.",
            "",
            "`make bench` simulates the recoveries again, and `.venv/bin/python bench/costs.py` writes this page.",
            "",
        ]
    )


def cents(result: dict[str, Any]) -> float:
    """Return what a failure in an outage of 20 to 90 minutes costs, in cents."""
    return 100 * _of_one(result, "zone-outage")


def _table(result: dict[str, Any]) -> list[str]:
    head = (
        "| failures a month | "
        + " | ".join(words for _, words in SCENARIOS)
        + " | metrics of ours, at most | e-mail |"
    )
    rows = [head, "| ---: | ---: | ---: | ---: | ---: |"]
    for failures in MONTHLY:
        each = " | ".join(_usd(failures * _of_one(result, name)) for name, _ in SCENARIOS)
        # A metric costs for the hours in which it is written.
        metrics = min(HOURS, failures) / HOURS * METRICS * USD_PER_METRIC
        emails = max(0, failures - FREE_EMAILS) * USD_PER_EMAIL
        rows.append(f"| {failures:,} | {each} | {_usd(metrics)} | {_usd(emails)} |")
    return rows


def _of_one(result: dict[str, Any], scenario: str) -> float:
    """Return what one recovery costs."""
    (found,) = (one for one in result["scenarios"] if one["name"] == scenario)
    (ours,) = (one for one in found["policies"] if one["name"] == POLICY)
    recoveries = ours["recovered"]
    calls, operations = ours["calls"] / recoveries, ours["operations"] / recoveries
    invocations = ours["invocations"] / recoveries
    intake = INTAKE_RUNS_PER_CALL * calls
    logged_gb = calls * (LOG_BYTES_PER_CALL + RECORD_BYTES) / 1e9
    seconds = lambda_s(invocations, calls, INVOCATION_S) + intake * INTAKE_S
    return usd(operations, invocations + intake, seconds) + logged_gb * USD_PER_LOG_GB


def _counted() -> list[str]:
    return [
        "| what | how much | price |",
        "| --- | --- | --- |",
        (
            "| durable operations | as simulated; two a step, which makes one or two calls | "
            f"[{USD_PER_OPERATION * 1e6:.2f} a million](https://aws.amazon.com/lambda/pricing/) |"
        ),
        (
            f"| recover | {INVOCATION_S:g} s an invocation, {SECOND_CALL_S:g} s more for a second call, with "
            f"{FUNCTION_GB:g} GB on arm64, {CONCURRENCY} at a time | "
            f"{USD_PER_GB_SECOND:.10f} a GB-second, {USD_PER_REQUEST * 1e6:.2f} a million requests |"
        ),
        (
            f"| intake | {INTAKE_RUNS_PER_CALL} invocations a call, of {INTAKE_S:g} s: our own failed calls are "
            "records, too, which it leaves alone | the same |"
        ),
        (
            f"| logs of both functions | {LOG_BYTES_PER_CALL / 1000:g} KB a call | "
            f"[{USD_PER_LOG_GB:.2f} a GB](https://aws.amazon.com/cloudwatch/pricing/) |"
        ),
        f"| the trail's records of our calls | {RECORD_BYTES / 1000:g} KB a call, in its log group | the same |",
        (
            f"| metrics of ours | {METRICS}, for each hour in which they are written | "
            f"{USD_PER_METRIC:.2f} a month each |"
        ),
        (
            f"| e-mail | one a failure, as if all were told | [{USD_PER_EMAIL * 100_000:.2f} a hundred thousand]"
            f"(https://aws.amazon.com/sns/pricing/), the first {FREE_EMAILS:,} free |"
        ),
    ]


def _usd(amount: float) -> str:
    return "0.00" if amount == 0 else "less than 0.01" if amount < 0.01 else f"{amount:,.2f}"  # noqa: PLR2004 - a cent


if __name__ == "__main__":
    main()
