"""Time for the local AWS: it starts when you say and runs as fast as you say.

Everything that waits in the local AWS waits here: CloudTrail's delay, Lambda's retries, a durable execution's waits.
One speed turns an hour of backoff into half a minute, and events keep their order.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

# A condition variable cannot wait for centuries (the C library's time type overflows), so a timer further away than
# this is checked again once an hour.
LONGEST_REAL_WAIT_S = 3600.0


@dataclass(order=True, slots=True)
class Timer:
    """A callback that is due at a virtual time. Timers of one instant fire in the order they were made."""

    due_s: float
    number: int
    call: Callable[[], object] | None = field(compare=False)

    def cancel(self) -> None:
        """Cancel the callback; one that is running is not interrupted."""
        self.call = None


class Clock:
    """A clock that runs `speed` times faster than the real one, always or until it has caught up with it.

    All callbacks run on its one thread, so they must be short and must not wait.
    """

    def __init__(
        self,
        speed: float = 1.0,
        start: datetime | None = None,
        *,
        until_present: bool = False,
        is_held: bool = False,
    ) -> None:
        """Start the clock.

        It passes ``speed`` virtual seconds per real second, from ``start`` on (None for the real time). With
        ``until_present`` it continues at real speed once it has caught up with the real time. With ``is_held`` its time
        stands still until ``go``.
        """
        if not speed > 0:
            raise ValueError(f"speed is {speed!r}; expected a number above 0")
        if start is not None and start.tzinfo is None:
            raise ValueError(f"start is {start!r}, which has no time zone; expected an aware datetime")
        self.speed = speed
        self._start = (start or datetime.now(UTC)).astimezone(UTC)
        self._until_present = until_present
        behind_s = self._behind_s()
        if until_present and not (speed > 1 and behind_s >= 0):
            raise ValueError(f"a clock that starts {behind_s:g} s behind at speed {speed:g} never catches up")
        # Real seconds until it has caught up; from then on both run at the same speed.
        self._zero_s = self._fast_s = math.inf
        self._heap: list[Timer] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        if not is_held:
            self.go()

    def go(self) -> None:
        """Let time pass from now on."""
        with self._changed:
            self._zero_s = time.monotonic()
            if self._until_present:
                self._fast_s = self._behind_s() / (self.speed - 1)
            self._changed.notify()

    def now(self) -> datetime:
        """Return the virtual time, in UTC."""
        return self._start + timedelta(seconds=self._elapsed_s())

    @property
    def catches_up_at(self) -> datetime | None:
        """When it catches up with the real time; None if it never does, or if it is held."""
        if self._fast_s == math.inf:
            return None
        return self._start + timedelta(seconds=self._fast_s * self.speed)

    @property
    def reading(self) -> tuple[float, float, float, float] | None:
        """What another process on this machine needs to tell the same time; None if it is never to meet the real time.

        Returns:
            ``time.monotonic()`` when it started, the seconds since 1970 that it started with, its speed, and for how
            many real seconds it keeps that speed.
        """
        if self._fast_s == math.inf:
            return None
        return (self._zero_s, self._start.timestamp(), self.speed, self._fast_s)

    def real_s(self, virtual_s: float) -> float:
        """Return how many real seconds it takes from now until so many virtual ones have passed; infinite if held."""
        passed_s = time.monotonic() - self._zero_s
        return self._real_at(self._virtual_at(max(0.0, passed_s)) + virtual_s) - passed_s

    def virtual_s(self, real_s: float) -> float:
        """Return how many virtual seconds pass from now on in so many real ones."""
        now_s = max(0.0, time.monotonic() - self._zero_s)
        return self._virtual_at(now_s + real_s) - self._virtual_at(now_s)

    def call_at(self, when: datetime, call: Callable[[], object]) -> Timer:
        """Call once the virtual time is `when`; as soon as possible if that is past."""
        return self._arm((when - self._start).total_seconds(), call)

    def call_later(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Call after a number of virtual seconds."""
        return self._arm(self._elapsed_s() + seconds, call)

    def stop(self) -> None:
        """Drop every timer and end the thread; return when a running callback has finished."""
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _elapsed_s(self) -> float:
        return self._virtual_at(max(0.0, time.monotonic() - self._zero_s))

    def _behind_s(self) -> float:
        return (datetime.now(UTC) - self._start).total_seconds()

    def _virtual_at(self, real_s: float) -> float:
        fast_s = min(real_s, self._fast_s)
        return fast_s * self.speed + (real_s - fast_s)

    def _real_at(self, virtual_s: float) -> float:
        fast_s = min(virtual_s / self.speed, self._fast_s)
        return fast_s + (virtual_s - fast_s * self.speed)

    def _arm(self, due_s: float, call: Callable[[], object]) -> Timer:
        timer = Timer(due_s, next(self._numbers), call)
        with self._changed:
            if not self._stopped:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="local-aws-clock", daemon=True)
                    self._thread.start()
                heapq.heappush(self._heap, timer)
                if self._heap[0] is timer:
                    self._changed.notify()
        return timer

    def _run(self) -> None:
        while (call := self._next_call()) is not None:
            try:
                call()
            except Exception:
                # One failing callback must not stop the clock for all others.
                log.exception("a timer's callback failed")

    def _next_call(self) -> Callable[[], object] | None:
        """Wait until a timer is due and take its callback; None once the clock is stopped."""
        with self._changed:
            while not self._stopped:
                while self._heap and self._heap[0].call is None:
                    heapq.heappop(self._heap)
                if not self._heap:
                    self._changed.wait()
                    continue
                wait_s = self.real_s(self._heap[0].due_s - self._elapsed_s())
                if wait_s > 0:
                    self._changed.wait(min(wait_s, LONGEST_REAL_WAIT_S))
                    continue
                call = heapq.heappop(self._heap).call
                if call is not None:
                    return call
            return None
