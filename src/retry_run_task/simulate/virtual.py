"""A timeline on which hours pass in milliseconds, and what a recovery is run with there."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from retry_run_task.recovery.ports import Step, Wait


class Timeline:
    """A clock that jumps to the next due event; ``now`` is in seconds since 1970."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Schedule a function at a time; at once if that has passed."""
        heapq.heappush(self._due, (max(when, self.now), next(self._order), do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Schedule a function after a delay."""
        self.at(self.now + seconds, do)

    def run(self, *, until: float | None = None) -> None:
        """Let time pass until nothing is due any more, or until a time."""
        while self._due and (until is None or self._due[0][0] <= until):
            self.now, _, do = heapq.heappop(self._due)
            do()
        if until is not None:
            self.now = max(self.now, until)


IsReplaying = Callable[[], bool]
Run = Callable[[Step, Wait, IsReplaying], Any]
