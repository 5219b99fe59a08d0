"""The invocations of simulated recoveries: their rate limiters, and what their function instances know of others."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from retry_run_task.aws.neighbours import Neighbours, Paced
from retry_run_task.aws.rate_limiter import RateLimiter
from retry_run_task.simulate.fast_executions import pause

if TYPE_CHECKING:
    from retry_run_task.recovery import ports
    from retry_run_task.simulate.fast_executions import Runs
    from retry_run_task.simulate.virtual import Timeline


class Instances:
    """Recover's function instances, which stay warm.

    ``per_s`` is RunTask calls a second of an invocation, and reads; ``invocation_s`` how long it has run when it calls.
    """

    def __init__(self, runs: Runs, timeline: Timeline, *, per_s: float, invocation_s: float) -> None:
        self.runs, self.timeline, self.per_s, self.invocation_s = runs, timeline, per_s, invocation_s
        self._neighbours: defaultdict[int, Neighbours] = defaultdict(
            lambda: Neighbours(lambda: runs.under_way, lambda: timeline.now)
        )

    def paced(self) -> Paced:
        """Return the pace of the invocation that runs now, and what it knows of others."""
        calls, reads = (
            RateLimiter(
                self.per_s, ahead=1, rested_s=self.invocation_s, now=lambda: self.timeline.now, sleep=pause
            )
            for _ in range(2)
        )
        return Paced(self._neighbours[self.runs.instance], self.per_s, calls=calls, reads=reads)


class Invocations:
    """The invocations of one recovery, one after the other: a ``ports.CrowdPort``, and its wait."""

    __slots__ = ("_here", "_instances", "_wait")

    def __init__(self, instances: Instances, wait: ports.Wait) -> None:
        self._instances, self._wait = instances, wait
        self._here = instances.paced()

    def wait(self, name: str, seconds: int) -> None:
        """Wait in the execution, and go on in another invocation."""
        self.end()
        self._wait(name, seconds)
        self._here = self._instances.paced()

    def end(self) -> None:
        """End the last one."""
        self._here.rest()

    def before_call(self) -> None:
        """Wait until RunTask may be called."""
        self._here.calls.wait()

    def before_read(self) -> None:
        """Wait until tasks may be listed or described."""
        self._here.reads.wait()

    def size(self) -> int | None:
        """Return how many recoveries are in progress."""
        return self._here.size()

    def room(self) -> str:
        """Return the rung on which a recovery of this instance has just placed a task."""
        return self._here.room()

    def placed(self, rung: str) -> None:
        """Remember where a task was placed."""
        self._here.placed(rung)
