"""What a process knows about other recoveries: how many there are, and where one of its own found capacity.

A function instance that stays warm serves many recoveries in turn. Everything here is a guess that makes recoveries
considerate; a recovery never depends on it, and what it has used is in the result of its step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.recovery.crowd import UNPACED, pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.aws.rate_limiter import RateLimiter

# How long a count is used, and a low one, which a burst of failures makes wrong. Ten instances count a crowd of 1,000
# ten times a minute; Lambda allows 15 lists a second.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
COUNTED_FOR_S, FEW_FOR_S = 60, 10
# How long a rung that placed a task counts as one with room.
ROOM_FOR_S = 60


class Neighbours:
    """The recoveries that this process has heard of. ``count`` returns None if Lambda did not answer."""

    def __init__(self, count: Callable[[], int | None], now: Callable[[], float]) -> None:
        self._count, self._now = count, now
        self._size: int | None = None
        self._counted_at: float | None = None
        self._placed: tuple[str, float] | None = None

    def size(self) -> int | None:
        """Return how many recoveries are in progress, by the last count; None if none has succeeded."""
        lasts_s = COUNTED_FOR_S if self._size is None or self._size > UNPACED else FEW_FOR_S
        if self._counted_at is None or self._now() - self._counted_at >= lasts_s:
            counted = self._count()
            self._counted_at = self._now()
            self._size = self._size if counted is None else counted
        return self._size

    def room(self) -> str:
        """Return the rung on which a recovery in this process has just placed a task; empty if none has."""
        if self._placed is None:
            return ""
        rung, at = self._placed
        return rung if self._now() - at < ROOM_FOR_S else ""

    def placed(self, rung: str) -> None:
        """Remember where a task was placed."""
        self._placed = rung, self._now()


class Paced:
    """What an invocation knows about other recoveries, and the pace of its calls and reads: a ``ports.CrowdPort``.

    ``per_s``: RunTask calls a second, and reads, of an invocation if all that may run at the same time do.
    """

    def __init__(
        self, neighbours: Neighbours, per_s: float, *, calls: RateLimiter, reads: RateLimiter
    ) -> None:
        self._neighbours, self._per_s = neighbours, per_s
        self.calls, self.reads = calls, reads

    def size(self) -> int | None:
        """Return how many recoveries are in progress; what follows is spaced accordingly."""
        size = self._neighbours.size()
        per_s, is_even = pace(size, self._per_s)
        for limiter in (self.calls, self.reads):
            limiter.set_pace(per_s, is_even=is_even)
        return size

    def room(self) -> str:
        """Return the rung on which a recovery in this process has just placed a task."""
        return self._neighbours.room()

    def placed(self, rung: str) -> None:
        """Remember where a task was placed."""
        self._neighbours.placed(rung)

    def rest(self) -> None:
        """Keep the invocation's concurrency until the next invocation may call and read."""
        self.calls.rest()
        self.reads.rest()
