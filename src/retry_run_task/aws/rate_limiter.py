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
        is_rested: bool = False,
        now: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        """Allow ``per_s`` calls a second.

        ``ahead`` calls beyond the rate are allowed at once (the burst) by an idle limiter; ``is_rested`` tells whether
        it begins idle, with the whole burst available. ``now`` and ``sleep`` are in seconds.
        """
        self._apart_s, self._ahead_s = 1 / per_s, ahead / per_s
        self._now, self._sleep = now, sleep
        self._free_at = now() - (self._ahead_s if is_rested else 0)

    def wait(self) -> None:
        """Block until a call is allowed, and count it."""
        self._free_at = max(self._free_at, self.rest() - self._ahead_s) + self._apart_s

    def rest(self) -> float:
        """Block until a call is allowed, without counting one.

        Called before an invocation ends, so that the next one starts within the rate.

        Returns:
            The time then.
        """
        now = self._now()
        if now >= self._free_at:
            return now
        self._sleep(self._free_at - now)
        return self._free_at
