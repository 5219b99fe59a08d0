"""How many records a second intake decides upon, beside the least work that the same payload needs.

As a script it measures in this process and prints one JSON object.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import cProfile
import gzip
import json
import os
import pstats
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import payloads

from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.telemetry import Telemetry
from retry_run_task.intake import take_in
from retry_run_task.policy.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from enum import StrEnum

Json = dict[str, Any]

STACK = "retry-run-task"
SCOPE = Scope(account=payloads.ACCOUNT, regions=(payloads.REGION,))
MIXES = {"all_in_scope": False, "mostly_others": True}


class Silent(Telemetry):
    """Telemetry that writes nothing, to see what the log costs."""

    def __init__(self) -> None:
        """Take no logger, since none is used."""

    def info(self, event: StrEnum, **fields: Any) -> None:
        """Forget it."""

    def warning(self, event: StrEnum, **fields: Any) -> None:
        """Forget it."""

    def error(self, event: StrEnum, **fields: Any) -> None:
        """Forget it."""

    def count(self, metric: StrEnum, *, category: str | None = None, by: int = 1) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Write nothing."""


def logged(event: Json) -> int:
    """Take an event in as in Lambda, but for the call that starts the recovery; return how many were started."""
    telemetry = Telemetry(stack=STACK, request_id="bench")
    started = _take_in(event, telemetry)
    telemetry.flush()
    return started


def silent(event: Json) -> int:
    """The same without a log."""
    return _take_in(event, Silent())


def bare(event: Json) -> int:
    """Unpack the payload and its messages with the standard library, and look at nothing; return how many there are."""
    payload = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    return len([json.loads(one["message"]) for one in payload["logEvents"]])


WAYS: dict[str, Callable[[Json], int]] = {"logged": logged, "silent": silent, "bare": bare}


def _take_in(event: Json, telemetry: Telemetry) -> int:
    counts = take_in(
        event, stack=STACK, scope=SCOPE, start=lambda _name, _payload: Started.ACCEPTED, telemetry=telemetry
    )
    return counts.started


def measure(records: int, rounds: int) -> Json:
    """Return records per second for each mix and way, and how many times longer than ``bare`` each way takes."""
    result: Json = {"records": records, "record_bytes": payloads.record_bytes(), "rounds": rounds}
    for mix, mostly_others in MIXES.items():
        event = payloads.event(records, mostly_others=mostly_others)
        with _quiet():
            # Once before, as in a process that is warm: the logger is made, caches fill.
            found: Json = {"taken_in": logged(event)}
            seconds = [{way: _seconds(run, event) for way, run in WAYS.items()} for _ in range(rounds)]
        for way in WAYS:
            found[f"{way}_records_per_s"] = round(records / median(one[way] for one in seconds))
            # Of each round: its three ways ran one after the other, under the same load.
            found[f"{way}_times_bare"] = round(median(one[way] / one["bare"] for one in seconds), 1)
        result[mix] = found
    return result


def _seconds(run: Callable[[Json], int], event: Json) -> float:
    # Of the processor, not of the wall: what one core does, also where others want it too.
    began = time.process_time()
    run(event)
    return time.process_time() - began


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Redirect standard output to the null device; the writes are still made."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def profile(records: int) -> None:
    """Print where the time goes, by function."""
    event = payloads.event(records)
    profiler = cProfile.Profile()
    with _quiet():
        logged(event)
        profiler.runcall(logged, event)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(40)


def main() -> None:
    """Measure, or profile."""
    parser = argparse.ArgumentParser(description="Measure intake's records per second.")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    given = parser.parse_args()
    if given.profile:
        profile(given.records)
    else:
        print(json.dumps(measure(given.records, given.rounds)))


if __name__ == "__main__":
    main()
