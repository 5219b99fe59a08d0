"""Durable executions under virtual time without replay: a waiting function is suspended where it is.

``virtual`` runs a function from the top after every wait, as Lambda does, which the tests of crashes need. A million
recoveries do not need it: each one runs once, in a greenlet of its own, and a wait returns control to the timeline. A
test runs the same recoveries through both and finds the same calls, tokens and waits.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from greenlet import getcurrent, greenlet

from retry_run_task.simulate.capacity_timeline import chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.launch.values import JsonObject
    from retry_run_task.recovery.ports import Action
    from retry_run_task.simulate.virtual import Run, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaBackoff:
    """When Lambda retries a throttled invocation: waits grow from ``first_s`` to ``cap_s``, half of each random."""

    first_s: float
    cap_s: float

    def wait(self, nth: int, part: float) -> float:
        """Return the nth wait in seconds, the first is 1, for a number in [0, 1)."""
        # Beyond sixty doublings only the cap matters, and a float would overflow at last.
        return min(self.cap_s, self.first_s * 2.0 ** min(nth - 1, 60)) * (1 + part) / 2


# "The retry interval increases exponentially from 1 second after the first attempt to a maximum of 5 minutes."
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
START_BACKOFF = LambdaBackoff(first_s=1, cap_s=300)

# For a throttled resume AWS documents "exponential backoff" without numbers. These are three possibilities; the last
# one is the worst for a burst, and the default.
# https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk-retries.html
RESUME_BACKOFFS = (
    LambdaBackoff(first_s=0.2, cap_s=20),
    LambdaBackoff(first_s=1, cap_s=60),
    LambdaBackoff(first_s=1, cap_s=300),
)


class Paused(NamedTuple):
    """An invocation is idle for this long, and keeps its concurrency."""

    seconds: float


def pause(seconds: float) -> None:
    """Let time pass within an invocation. Only for executions of ``Runs``."""
    _to_timeline(Paused(seconds))


def _to_timeline(what: Any) -> None:
    parent = getcurrent().parent
    assert parent is not None  # noqa: S101 - only the timeline's greenlet has none, and it never waits
    parent.switch(what)


class Running:
    """One execution.

    Attributes:
        operations: The start, steps and waits so far: Lambda's durable operations.
        instance: The function instance that runs it, or did last.
    """

    __slots__ = ("_done", "_greenlet", "instance", "invocations", "is_over", "operations", "throttled")

    def __init__(self, run: Run, done: Callable[[Any], None]) -> None:
        self.operations = 1
        self.invocations = 0
        self.throttled = 0
        self.is_over = False
        self.instance = 0
        self._done = done
        self._greenlet = greenlet(lambda: run(self._step, self._wait, _never))

    def resume(self) -> int | Paused | None:
        """Run until the next wait and return its length; None if the function has returned."""
        result = self._greenlet.switch()
        if not self._greenlet.dead:
            passed: int | Paused = result
            return passed
        self.is_over = True
        self._done(result)
        return None

    def _step(self, _name: str, action: Action) -> JsonObject:
        self.operations += 1
        return action(False)

    def _wait(self, _name: str, seconds: int) -> None:
        if seconds < 1:
            raise ValueError(f"a wait is at least one second, not {seconds}")
        self.operations += 1
        _to_timeline(seconds)


def _never() -> bool:
    return False


class Runs:
    """Runs executions on a timeline, within Lambda's concurrency.

    An invocation uses concurrency for its duration, and its effect happens at the end of it: so a simulated call is
    never earlier than a real one would be. A rate limiter's pauses prolong it. There is no queue: a
    throttled invocation is retried after a backoff of its own, and may be throttled again.

    Attributes:
        under_way: Executions that have not returned.
        instance: The function instance that runs now; each stays warm.

    Args:
        concurrency: Most invocations at a time; None for no limit.
        duration_s: Duration of an invocation, in seconds.
        resume_backoff: When a throttled resume is retried.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        concurrency: int | None = None,
        duration_s: float = 0.0,
        resume_backoff: LambdaBackoff = RESUME_BACKOFFS[-1],
        seed: int = 0,
    ) -> None:
        self.timeline = timeline
        self.under_way = 0
        self.instance = 0
        self.busy_s = 0.0
        self._idle = None if concurrency is None else list(range(concurrency))
        self._duration_s = duration_s
        self._resume_backoff = resume_backoff
        self._seed = seed
        self._drawn = itertools.count()

    def start(self, run: Run, done: Callable[[Any], None] = lambda _: None) -> Running:
        """Start an execution; ``done`` is called with what it returns."""
        running = Running(run, done)
        self.under_way += 1
        self._invoke(running, 1)
        return running

    def _invoke(self, running: Running, nth_try: int) -> None:
        if self._idle is not None:
            if not self._idle:
                running.throttled += 1
                backoff = self._resume_backoff if running.invocations else START_BACKOFF
                wait_s = backoff.wait(nth_try, chance(self._seed, next(self._drawn)))
                self.timeline.after(wait_s, partial(self._invoke, running, nth_try + 1))
                return
            running.instance = self._idle.pop()
        running.invocations += 1
        self.busy_s += self._duration_s
        self.timeline.after(self._duration_s, partial(self._resume, running))

    def _resume(self, running: Running) -> None:
        self.instance = running.instance
        passed = running.resume()
        if isinstance(passed, Paused):
            # It keeps its concurrency meanwhile.
            self.busy_s += passed.seconds
            self.timeline.after(passed.seconds, partial(self._resume, running))
            return
        if self._idle is not None:
            self._idle.append(running.instance)
        if passed is None:
            self.under_way -= 1
        else:
            self.timeline.after(passed, partial(self._invoke, running, 1))
