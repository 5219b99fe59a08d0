"""Time and memory of the simulator from 10 to 100 000 launches: both must grow no faster than the launches.

    .venv/bin/python bench/growth.py            a table
    .venv/bin/python bench/growth.py --json     one JSON object

Each size runs in a process of its own, on one processor, with this project's policy in the scenario `brownout`:
about ten attempts for each recovery.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from typing import Any

import payloads

Json = dict[str, Any]

SIZES = (10, 100, 1000, 10_000, 100_000)
SCENARIO = "brownout"

# One call as it is on the wire: the yardstick, which lets machines and versions be compared.
_BODY = {
    "cluster": "batch",
    "taskDefinition": "nightly",
    "startedBy": "events-rule/nightly/retry-run-task/0123456789ab",
    "clientToken": "rrt-0123456789abcdef0123456789abcdef-1",
    "launchType": "FARGATE",
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-c"]}},
}
_ANSWER = {"tasks": [], "failures": [{"reason": payloads.CAPACITY}]}


def one(launches: int) -> Json:
    """Simulate so many launches here, and return what it took."""
    from retry_run_task.config import read_policy  # noqa: PLC0415 - the parent does without
    from retry_run_task.simulate.competitors import Ours  # noqa: PLC0415
    from retry_run_task.simulate.contest import Contest, run  # noqa: PLC0415
    from retry_run_task.simulate.launches import ScenarioSettings  # noqa: PLC0415
    from retry_run_task.simulate.scenarios import SCENARIOS  # noqa: PLC0415

    schedules = min(100, launches)
    contest = Contest(
        scenarios=[scenario for scenario in SCENARIOS if scenario.name == SCENARIO],
        competitors=[Ours(name="ours", policy=read_policy())],
        settings=ScenarioSettings(schedules=schedules),
        incidents=launches // schedules,
    )
    began = time.process_time()
    tally = run(contest).tallies[SCENARIO]["ours"]
    seconds = time.process_time() - began
    us_per_call = seconds / tally.calls * 1e6
    return {
        "launches": tally.launches,
        "recovered": tally.recovered,
        "calls": tally.calls,
        "cpu_s": round(seconds, 3),
        "us_per_call": round(us_per_call, 1),
        "times_bare": round(us_per_call / bare_us(), 1),
        # Linux counts in KiB.
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def bare_us(rounds: int = 9, times: int = 1000) -> float:
    """Return the least time in which the body and the answer of a call are written and read as JSON."""
    best = math.inf
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            json.loads(json.dumps(_BODY))
            json.loads(json.dumps(_ANSWER))
        best = min(best, time.process_time() - began)
    return best / times * 1e6


def measure(sizes: tuple[int, ...] = SIZES) -> list[Json]:
    """Return a line for each size."""
    found = []
    for launches in sizes:
        print(f"bench: growth, {launches} launches ...", file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--one", str(launches)]
        found.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    return found


def lines(found: list[Json]) -> list[str]:
    """Return the table."""
    heading = f"{'launches':>9}{'calls':>11}{'cpu s':>9}{'us/call':>9}{'x bare':>8}{'peak MiB':>10}"
    return [
        f"Growth of the simulator (scenario {SCENARIO}, one processor)",
        heading,
        *(
            f"{each['launches']:>9,}{each['calls']:>11,}{each['cpu_s']:>9.1f}{each['us_per_call']:>9.1f}"
            f"{each['times_bare']:>8.1f}{each['peak_mib']:>10.1f}"
            for each in found
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how the simulator grows.")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--one", type=int, metavar="N", help="simulate so many launches here")
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(one(arguments.one)))
        return
    found = measure()
    print(json.dumps({"growth": found}) if arguments.json else "\n".join(lines(found)))


if __name__ == "__main__":
    main()
