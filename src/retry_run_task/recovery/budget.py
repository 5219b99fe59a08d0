"""Whether the operations that Lambda allows an execution last until a policy's deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.policy.attempt_times import bounds
from retry_run_task.policy.rules import OPERATIONS_MAX
from retry_run_task.recovery.watching import WATCH_CALM_AFTER_S, WATCH_CALM_S, WATCH_FIRST_S, WATCH_LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.policy.rules import Handling


def spent_after_s(handling: Handling, watch_s: float) -> float | None:
    """Return when the operations are used up if every start fails, each at the moment that costs most.

    In seconds after the first attempt; None if the deadline or the number of attempts comes first.
    """
    if not handling.retry or handling.wait is None or handling.ignore:
        return None
    times = (_spent_after_s(handling, looks, watched_s) for looks, watched_s in _watches(watch_s))
    return min((time for time in times if time is not None), default=None)


def _watches(watch_s: float) -> Iterator[tuple[int, int]]:
    """Yield after how many looks, and how many seconds, a task may be seen to have failed."""
    looks, watched_s, delay_s = 0, 0, WATCH_FIRST_S
    while watched_s < watch_s:
        looks, watched_s = looks + 1, watched_s + delay_s
        yield looks, watched_s
        delay_s = WATCH_CALM_S if watched_s >= WATCH_CALM_AFTER_S else min(2 * delay_s, WATCH_LONGEST_S)


def _spent_after_s(handling: Handling, looks: int, watched_s: int) -> float | None:
    elapsed_s, used, nth = 0.0, 0, 1
    while elapsed_s <= handling.deadline_s and (handling.attempts is None or nth <= handling.attempts):
        # The attempt and the wait after it; and each look at the task, with the wait before it.
        used += 2 + 2 * looks
        elapsed_s += watched_s
        if used >= OPERATIONS_MAX:
            return elapsed_s
        elapsed_s += bounds(handling, nth, elapsed_s)[0]
        nth += 1
    return None
