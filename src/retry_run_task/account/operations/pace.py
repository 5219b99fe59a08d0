"""Not faster than AWS allows: a call waits until enough time has passed since the one before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Keeps calls apart. What time it is and how to wait is given, so that a test need not wait."""

    def __init__(
        self,
        per_s: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Allow so many calls a second, evenly."""
        self._apart_s, self._now, self._sleep = 1 / per_s, now, sleep
        self._free_at: float | None = None

    def wait(self) -> None:
        """Return when the next call may be made."""
        now = self._now()
        if self._free_at is not None and now < self._free_at:
            self._sleep(self._free_at - now)
            now = self._free_at
        self._free_at = now + self._apart_s
