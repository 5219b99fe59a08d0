"""What a resume costs: recover run again from the top, over the results of everything that was done before.

As a script it prints its own part as JSON.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import payloads

from retry_run_task.config import read_policy
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import FailedLaunch, Failure, Origin, Placed
from retry_run_task.recovery.loop import recover
from retry_run_task.recovery.ports import Tools
from retry_run_task.sources import cloudwatch_logs

Json = dict[str, Any]

HOURS = (1, 6, 23)
ROUNDS = 9
# A warm function has read it.
_POLICY = read_policy()
_START = datetime(2026, 11, 24, tzinfo=UTC)


class _Suspended(Exception):  # noqa: N818 - no error: what has not been done yet comes next
    pass


@dataclass(slots=True)
class History:
    """An account without capacity, and the operations of a recovery in it, each result as JSON text.

    Attributes:
        hours: How long the recovery has been at work.
        operations: The results: of a step its JSON, of a wait nothing.
    """

    hours: float
    operations: list[str] = field(default_factory=list)
    _passed_s: float = 90

    def now(self) -> float:
        """Return the time."""
        return _START.timestamp() + self._passed_s

    def find_schedule(self, _: FailedLaunch) -> NoMatch:
        """Find none, so that only the policy's deadline ends the recovery."""
        return NoMatch(why="nothing of the kind")

    def look(self, _: FailedLaunch, **__: Any) -> tuple[()]:
        """See no task."""
        return ()

    def run_task(self, *_: Any) -> Placed:
        """Place nothing."""
        return Placed(failures=(Failure(origin=Origin.ANSWER, reason=payloads.CAPACITY),))

    def notify(self, _: Any) -> None:
        """Take any message."""

    def step(self, _: str, act: Any) -> Json:
        """Do something for the first time."""
        self.operations.append(json.dumps(act(False)))
        found: Json = json.loads(self.operations[-1])
        return found

    def wait(self, _: str, seconds: int) -> None:
        """Let time pass; the history ends with a wait."""
        self._passed_s += seconds
        self.operations.append("{}")
        if self._passed_s > self.hours * 3600:
            raise _Suspended

    def resume(self) -> int:
        """Run recover again until it has nothing left that was done before; return how much that was."""
        results = iter(self.operations)

        def again(*_: Any) -> Json:
            result = next(results, None)
            if result is None:
                raise _Suspended
            found: Json = json.loads(result)
            return found

        _run(self, again, lambda *_: again() and None)
        return len(self.operations)

    def read(self) -> int:
        """Read every result, and decide nothing: the least that a resume can cost."""
        return len([json.loads(result) for result in self.operations])


def _run(world: Any, step: Any, wait: Any) -> None:
    (launch,) = cloudwatch_logs.parse(payloads.event(1))
    if not isinstance(launch, FailedLaunch):
        raise TypeError(f"the payload has no failed launch: {launch}")
    tools = Tools(
        policy=_POLICY,
        aws=world,
        step=step,
        wait=wait,
        tell=lambda *_, **__: None,
        is_replaying=lambda: True,
        fatal=(_Suspended,),
    )
    try:
        recover(replace(launch, event_time=_START), tools)
    except _Suspended:
        return
    raise RuntimeError("the recovery ended; fewer hours are wanted")


def measure(hours: tuple[float, ...] = HOURS, rounds: int = ROUNDS) -> Json:
    """Return medians in milliseconds of processor time, for recoveries of so many hours."""
    result: Json = {"rounds": rounds, "hours": list(hours), "operations": [], "resume_ms": [], "bare_ms": []}
    for long in hours:
        history = History(hours=long)
        _run(history, history.step, history.wait)
        took: dict[str, list[float]] = {"resume": [], "bare": []}
        for _ in range(rounds):
            for way, act in (("resume", history.resume), ("bare", history.read)):
                began = time.process_time()
                act()
                took[way].append(time.process_time() - began)
        result["operations"].append(len(history.operations))
        for way, seconds in took.items():
            result[f"{way}_ms"].append(round(1000 * statistics.median(seconds), 1))
    return result


if __name__ == "__main__":
    print(json.dumps(measure()))
