"""Not faster than AWS allows: a call waits until enough time has passed since the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Keeps calls apart. What time it is and how to wait is given, so that a test need not wait."""

    def __init__(
        self,
        per_s: float,
        *,
        ahead: int = 0,
        is_rested: bool = False,
        now: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        """Allow so many calls a second, evenly.

        Args:
            per_s: How many.
            ahead: How many more may be made at once, if for as long before them none was.
            is_rested: Whether none was made before now, so that these may be made at once from the beginning.
            now: The time in seconds.
            sleep: Waits for so many seconds.
        """
        self._apart_s, self._ahead_s = 1 / per_s, ahead / per_s
        self._now, self._sleep = now, sleep
        self._free_at = now() - (self._ahead_s if is_rested else 0)

    def wait(self) -> None:
        """Return when the next call may be made, and count it as made now."""
        self._free_at = max(self._free_at, self.rest() - self._ahead_s) + self._apart_s

    def rest(self) -> float:
        """Return when the next call might be made, without making one.

        Whoever ends here has not called faster than allowed, even if another takes his place at once.

        Returns:
            The time then.
        """
        now = self._now()
        if now >= self._free_at:
            return now
        self._sleep(self._free_at - now)
        return self._free_at
