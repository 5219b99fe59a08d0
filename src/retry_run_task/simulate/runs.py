"""Durable executions under virtual time without replay: a function that waits stands still where it is.

``virtual`` runs a function from the top after every wait, as Lambda does, and that is what the tests of crashes
need. A million recoveries do not need it: each one runs once, in a greenlet of its own, and a wait gives control
back to the timeline. A test runs the same recoveries through both and finds the same calls, tokens and waits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.launch.values import JsonObject
    from retry_run_task.recovery.ports import Action
    from retry_run_task.simulate.virtual import Run, Timeline


class Running:
    """One execution.

    Attributes:
        operations: Steps and waits so far, and the start: what Lambda counts as durable operations.
        invocations: How often its function was invoked.
        is_over: Whether it has returned.
    """

    __slots__ = ("_done", "_greenlet", "invocations", "is_over", "operations")

    def __init__(self, run: Run, done: Callable[[Any], None]) -> None:
        self.operations = 1
        self.invocations = 0
        self.is_over = False
        self._done = done
        self._greenlet = greenlet(lambda: run(self._step, self._wait, _never))

    def resume(self) -> int | None:
        """Run until the next wait and return its length; None if there is none, and the function has returned."""
        self.invocations += 1
        result = self._greenlet.switch()
        if not self._greenlet.dead:
            seconds: int = result
            return seconds
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
        parent = getcurrent().parent
        assert parent is not None  # noqa: S101 - only the timeline's greenlet has none, and it never waits
        parent.switch(seconds)


def _never() -> bool:
    return False


class Runs:
    """Runs executions on a timeline, within what Lambda's concurrency allows.

    An invocation takes a place for its duration, and what it does happens at the end of it: so a simulated call
    never comes sooner than a real one would. It keeps the place for longer if its calls hold it.

    Args:
        timeline: Where waits take their time.
        concurrency: How many invocations there may be at a time; None for no limit. Those beyond it queue.
        duration_s: How long an invocation takes, in seconds.
        held_s: Tells for how many seconds the calls that were made until now hold their invocations, all together.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        concurrency: int | None = None,
        duration_s: float = 0.0,
        held_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.timeline = timeline
        self._held_s = held_s
        self._free = concurrency
        self._duration_s = duration_s
        self._queue: deque[Running] = deque()

    def start(self, run: Run, done: Callable[[Any], None] = lambda _: None) -> Running:
        """Start an execution; ``done`` is called with what it returns."""
        running = Running(run, done)
        self._invoke(running)
        return running

    def _invoke(self, running: Running) -> None:
        if self._free is not None:
            if self._free == 0:
                self._queue.append(running)
                return
            self._free -= 1
        self.timeline.after(self._duration_s, lambda: self._resume(running))

    def _resume(self, running: Running) -> None:
        before = self._held_s()
        seconds = running.resume()
        rest_s = self._held_s() - before - self._duration_s
        if rest_s > 0:
            self.timeline.after(rest_s, lambda: self._leave(running, seconds))
        else:
            self._leave(running, seconds)

    def _leave(self, running: Running, seconds: int | None) -> None:
        if self._free is not None:
            self._free += 1
            if self._queue:
                self._invoke(self._queue.popleft())
        if seconds is not None:
            self.timeline.after(seconds, lambda: self._invoke(running))
