"""What this system costs in a month, from the simulated recoveries and AWS's list prices.

    .venv/bin/python bench/costs.py      write docs/costs.md from bench/comparison.json

Everything that is assumed stands in the page, with its source.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from retry_run_task.simulate.competitors import CONCURRENCY, INVOCATION_S
from retry_run_task.simulate.report import (
    FUNCTION_GB,
    USD_PER_GB_SECOND,
    USD_PER_OPERATION,
    USD_PER_REQUEST,
    usd,
)

ROOT = Path(__file__).resolve().parents[1]
RESULT, CROWD, PAGE = "bench/comparison.json", "bench/crowd.json", "docs/costs.md"

MONTHLY = (10, 1_000, 100_000)
SCENARIOS = (
    ("rush", "a rush: capacity comes back within an hour"),
    ("zone-outage", "an outage of 20 to 90 minutes"),
)
POLICY = "retry-run-task, EventBridge"

# Every failed call of ours is a record, too; intake gets it by both event sources, and leaves it alone.
INTAKE_RUNS_PER_CALL, INTAKE_S = 2, 0.1
# Log lines of both functions and of Lambda itself; measured in the local AWS (test_costs.py), which has the first two.
LOG_BYTES_PER_CALL = 3_700
# A record of a RunTask call, which the trail writes to its log group.
RECORD_BYTES = 2_900
# That of a ListTasks call, assumed.
READ_RECORD_BYTES = 1_300
# A second copy of management events: https://aws.amazon.com/cloudtrail/pricing/. GuardDuty's price is not checked.
USD_PER_COPY, USD_PER_GUARDDUTY = 2 / 100_000, 4 / 1e6
# https://aws.amazon.com/cloudwatch/pricing/
USD_PER_LOG_GB, USD_PER_ALARM_METRIC, USD_PER_METRIC = 0.50, 0.10, 0.30
# infra/README.md counts them; ten alarm metrics are free in an account.
ALARM_METRICS, FREE_ALARM_METRICS = 27, 10
# Of the whole stack, and one for each category and outcome that comes up.
METRICS, HOURS = 25, 730
# Some of it waits for CloudTrail, two pages of 50 calls a second.
AUDIT_S = 120
# https://aws.amazon.com/sns/pricing/
USD_PER_EMAIL, FREE_EMAILS = 2 / 100_000, 1_000


def main() -> None:
    """Write the page."""
    results = (json.loads((ROOT / name).read_text(encoding="utf-8")) for name in (RESULT, CROWD))
    (ROOT / PAGE).write_text(page(*results), encoding="utf-8")
    print(f"{PAGE} is written", file=sys.stderr)


def audit_usd() -> float:
    """Return what a month of daily audits costs, in US dollars."""
    return 30 * (AUDIT_S * FUNCTION_GB * USD_PER_GB_SECOND + USD_PER_REQUEST)


def page(result: dict[str, Any], crowd: dict[str, Any]) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Cost",
            "",
            "<!-- Written by bench/costs.py from bench/comparison.json and crowd.json; edit that, not this page. -->",
            "",
            (
                "While nothing fails, only alarms cost money: "
                f"{ALARM_METRICS} metrics at [{_usd(USD_PER_ALARM_METRIC)}]"
                "(https://aws.amazon.com/cloudwatch/pricing/) a month each, of which ten are free in an account, "
                "so at most "
                f"{_usd(ALARM_METRICS * USD_PER_ALARM_METRIC)} a month."
            ),
            (
                f"The daily audit, assumed to take {AUDIT_S / 60:.0f} minutes, costs {_usd(audit_usd())} a month; "
                "what it reads is free."
            ),
            "There is no other polling and no idle compute.",
            "",
            (f"A failure retried through an outage of 20 to 90 minutes costs {cents(result):.2f} cents."),
            "",
            "US dollars a month, at list prices of us-east-1, with no free tier except that of e-mail:",
            "",
            *_table(result),
            "",
            "Each failure counts as one task that waits as long as those of the simulated outage.",
            "A permanent failure costs almost nothing, because it is not retried.",
            "",
            "## What is counted",
            "",
            *_counted(),
            "",
            "The task itself is not counted: it is the run that you wanted.",
            "",
            "## Additional costs",
            "",
            "Other services that you use may bill for the calls and reads of recoveries.",
            "For each failure retried through an outage of 20 to 90 minutes, in cents.",
            "",
            *_on_top(result),
            "",
            "## Many failures at the same moment",
            "",
            "What Lambda bills for recoveries in an outage of 20 to 90 minutes, by simultaneous failures.",
            "Each costs less if many wait, because they share recover's concurrency and make fewer calls each.",
            "[The simulator](simulator.md#many-failures-at-the-same-moment) has the times of these launches.",
            "",
            *_growth(crowd),
            "",
            "`make bench` repeats the simulation, and `.venv/bin/python bench/costs.py` writes this page.",
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
        + " | custom metrics, at most | e-mail |"
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
    seconds = float(ours["busy_s"]) / recoveries + intake * INTAKE_S
    return usd(operations, invocations + intake, seconds) + logged_gb * USD_PER_LOG_GB


def _on_top(result: dict[str, Any]) -> list[str]:
    (outage,) = (one for one in result["scenarios"] if one["name"] == "zone-outage")
    (ours,) = (one for one in outage["policies"] if one["name"] == POLICY)
    calls, reads, throttled = (
        ours[name] / ours["recovered"] for name in ("calls", "reads", "throttled_invocations")
    )
    rows = [
        (
            f"reads in the trail's log group, {READ_RECORD_BYTES / 1000:g} KB each",
            f"{reads:.0f} reads",
            f"[{USD_PER_LOG_GB:.2f} a GB](https://aws.amazon.com/cloudwatch/pricing/)",
            reads * READ_RECORD_BYTES / 1e9 * USD_PER_LOG_GB,
        ),
        (
            "a second trail that records management events",
            f"{calls:.0f} calls and {reads:.0f} reads",
            f"[{USD_PER_COPY * 100_000:.2f} a hundred thousand](https://aws.amazon.com/cloudtrail/pricing/)",
            (calls + reads) * USD_PER_COPY,
        ),
        (
            "GuardDuty, which reads management events",
            "the same",
            f"about {USD_PER_GUARDDUTY * 1e6:.2f} a million; not checked",
            (calls + reads) * USD_PER_GUARDDUTY,
        ),
        (
            "throttled resumes, [if Lambda bills them](unconfirmed.md#lambda)",
            f"{throttled:.0f} operations",
            f"[{USD_PER_OPERATION * 1e6:.2f} a million](https://aws.amazon.com/lambda/pricing/)",
            throttled * USD_PER_OPERATION,
        ),
    ]
    return [
        "| what | how much | price | cents |",
        "| --- | --- | --- | ---: |",
        *(f"| {what} | {much} | {price} | {100 * usd:.2f} |" for what, much, price, usd in rows),
    ]


def _growth(crowd: dict[str, Any]) -> list[str]:
    rows = [
        "| failures at the same moment | cents each | dollars in all | dollars if throttled resumes are billed |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for row in crowd["growth"]:
        number = row["schedules"]
        usd, if_billed = (number * row[name] / 100 for name in ("cents", "cents_if_billed"))
        rows.append(f"| {number:,} | {row['cents']:.2f} | {_usd(usd)} | {_usd(if_billed)} |")
    return rows


def _counted() -> list[str]:
    return [
        "| what | how much | price |",
        "| --- | --- | --- |",
        (
            "| durable operations | as simulated; two for each attempt of one or two calls | "
            f"[{USD_PER_OPERATION * 1e6:.2f} a million](https://aws.amazon.com/lambda/pricing/) |"
        ),
        (
            f"| recover | {INVOCATION_S:g} s an invocation, longer if its calls and reads are spaced, with "
            f"{FUNCTION_GB:g} GB on arm64, {CONCURRENCY} at a time | "
            f"{USD_PER_GB_SECOND:.10f} a GB-second, {USD_PER_REQUEST * 1e6:.2f} a million requests |"
        ),
        (
            f"| intake | {INTAKE_RUNS_PER_CALL} invocations a call, of {INTAKE_S:g} s: intake also reads and "
            "ignores the records of our own failed calls | the same |"
        ),
        (
            f"| logs of both functions | {LOG_BYTES_PER_CALL / 1000:g} KB a call | "
            f"[{USD_PER_LOG_GB:.2f} a GB](https://aws.amazon.com/cloudwatch/pricing/) |"
        ),
        f"| the trail's records of our calls | {RECORD_BYTES / 1000:g} KB a call, in its log group | the same |",
        (
            f"| custom metrics | {METRICS}, for each hour in which they are written | "
            f"{USD_PER_METRIC:.2f} a month each |"
        ),
        (
            f"| e-mail | one a failure | [{USD_PER_EMAIL * 100_000:.2f} a hundred thousand]"
            f"(https://aws.amazon.com/sns/pricing/), the first {FREE_EMAILS:,} free |"
        ),
    ]


def _usd(amount: float) -> str:
    return "0.00" if amount == 0 else "less than 0.01" if amount < 0.01 else f"{amount:,.2f}"  # noqa: PLR2004 - a cent


if __name__ == "__main__":
    main()
