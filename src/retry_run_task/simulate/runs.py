"""Durable executions under virtual time without replay: a function that waits stands still where it is.

``virtual`` runs a function from the top after every wait, as Lambda does, and that is what the tests of crashes
need. A million recoveries do not need it: each one runs once, in a greenlet of its own, and a wait gives control
back to the timeline. A test runs the same recoveries through both and finds the same calls, tokens and waits.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from greenlet import getcurrent, greenlet

from retry_run_task.simulate.outlook import chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.launch.values import JsonObject
    from retry_run_task.recovery.ports import Action
    from retry_run_task.simulate.virtual import Run, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """When Lambda tries again what found no free place: doubling, half of each wait by chance.

    Attributes:
        first_s: The longest that the first wait can be, in seconds.
        cap_s: The longest that any wait can be, in seconds.
    """

    first_s: float
    cap_s: float

    def wait(self, nth: int, part: float) -> float:
        """Return the nth wait in seconds, the first is 1, for a number in [0, 1)."""
        # Beyond sixty doublings only the cap matters, and a float would overflow at last.
        return min(self.cap_s, self.first_s * 2.0 ** min(nth - 1, 60)) * (1 + part) / 2


# "The retry interval increases exponentially from 1 second after the first attempt to a maximum of 5 minutes."
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
START_BACKOFF = Backoff(first_s=1, cap_s=300)

# Of a resume that is throttled AWS says "exponential backoff" and no numbers. These three are what that can be; the
# last one is the worst for a crowd, and the one that is taken unless another is asked for.
# https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk-retries.html
RESUME_BACKOFFS = (
    Backoff(first_s=0.2, cap_s=20),
    Backoff(first_s=1, cap_s=60),
    Backoff(first_s=1, cap_s=300),
)


class Paused(NamedTuple):
    """So long an invocation does nothing, and keeps its place."""

    seconds: float


def pause(seconds: float) -> None:
    """Let time pass within an invocation. Only for what an execution of ``Runs`` does."""
    _to_timeline(Paused(seconds))


def _to_timeline(what: Any) -> None:
    parent = getcurrent().parent
    assert parent is not None  # noqa: S101 - only the timeline's greenlet has none, and it never waits
    parent.switch(what)


class Running:
    """One execution.

    Attributes:
        operations: Steps and waits so far, and the start: what Lambda counts as durable operations.
        invocations: How often its function was invoked.
        throttled: How often it found no free place.
        is_over: Whether it has returned.
    """

    __slots__ = ("_done", "_greenlet", "invocations", "is_over", "operations", "throttled")

    def __init__(self, run: Run, done: Callable[[Any], None]) -> None:
        self.operations = 1
        self.invocations = 0
        self.throttled = 0
        self.is_over = False
        self._done = done
        self._greenlet = greenlet(lambda: run(self._step, self._wait, _never))

    def resume(self) -> int | Paused | None:
        """Run until the next wait and return its length; None if there is none, and the function has returned."""
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
    """Runs executions on a timeline, within what Lambda's concurrency allows.

    An invocation takes a place for its duration, and what it does happens at the end of it: so a simulated call
    never comes sooner than a real one would. It keeps the place for longer if its calls hold it. Nobody queues:
    who finds no place comes back after a backoff of its own, and may find none again.

    Args:
        timeline: Where waits take their time.
        concurrency: How many invocations there may be at a time; None for no limit.
        duration_s: How long an invocation takes, in seconds.
        held_s: Tells for how many seconds the calls that were made until now hold their invocations, all together.
        resume_backoff: When a resume that found no place comes back.
        seed: What the backoffs are drawn from.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        concurrency: int | None = None,
        duration_s: float = 0.0,
        held_s: Callable[[], float] = lambda: 0.0,
        resume_backoff: Backoff = RESUME_BACKOFFS[-1],
        seed: int = 0,
    ) -> None:
        self.timeline = timeline
        self.under_way = 0
        self._held_s = held_s
        self._free = concurrency
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
        if self._free is not None:
            if self._free == 0:
                running.throttled += 1
                backoff = self._resume_backoff if running.invocations else START_BACKOFF
                wait_s = backoff.wait(nth_try, chance(self._seed, next(self._drawn)))
                self.timeline.after(wait_s, partial(self._invoke, running, nth_try + 1))
                return
            self._free -= 1
        running.invocations += 1
        self.timeline.after(self._duration_s, partial(self._resume, running, 0.0))

    def _resume(self, running: Running, held_s: float) -> None:
        before = self._held_s()
        passed = running.resume()
        held_s += self._held_s() - before
        if isinstance(passed, Paused):
            # It held its place meanwhile.
            self.timeline.after(passed.seconds, partial(self._resume, running, held_s - passed.seconds))
            return
        rest_s = held_s - self._duration_s
        if rest_s > 0:
            self.timeline.after(rest_s, partial(self._leave, running, passed))
        else:
            self._leave(running, passed)

    def _leave(self, running: Running, seconds: int | None) -> None:
        if self._free is not None:
            self._free += 1
        if seconds is None:
            self.under_way -= 1
        else:
            self.timeline.after(seconds, partial(self._invoke, running, 1))
