"""A rate limiter for calls to AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RateLimiter:
    """Spaces calls evenly. Clock and sleep are parameters, so that a test need not wait."""

    def __init__(
        self,
        per_s: float,
        *,
        ahead: int = 0,
        rested_s: float = 0.0,
        now: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        """Allow ``per_s`` calls a second.

        ``ahead`` calls beyond the rate are allowed at once (the burst) by an idle limiter, which has been idle for
        ``rested_s`` when it is made. ``now`` and ``sleep`` are in seconds.
        """
        self._ahead = ahead
        self.set_pace(per_s)
        self._now, self._sleep = now, sleep
        self._free_at, self._next_at = now() - rested_s, 0.0

    def set_pace(self, per_s: float, *, is_even: bool = False) -> None:
        """Allow so many of the following calls a second; none ahead of an earlier one if they are to be even."""
        self._apart_s, self._ahead_s, self._is_even = 1 / per_s, self._ahead / per_s, is_even

    def wait(self) -> None:
        """Block until a call is allowed, and count it."""
        now = self.rest()
        if self._is_even and now < self._next_at:
            self._sleep(self._next_at - now)
            now = self._next_at
        self._free_at = max(self._free_at, now - self._ahead_s) + self._apart_s
        self._next_at = now + self._apart_s

    def rest(self) -> float:
        """Block until a call is allowed, without counting one, and return the time then.

        Called before an invocation ends, so that the next one starts within the rate.
        """
        now = self._now()
        if now >= self._free_at:
            return now
        self._sleep(self._free_at - now)
        return self._free_at
