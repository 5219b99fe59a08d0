"""When the attempts of a handling happen, as numbers and as one sentence."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.launch.values import Origin
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.ladder import RungKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retry_run_task.launch.values import Failure
    from retry_run_task.policy.rules import Handling

# The thousandth wait is as long as waits become.
_LAST = 1000

# No handling that passes validation comes near it.
_COUNTED_TO = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """When an attempt happens, in seconds since the first, if all waits are the shortest, or the longest."""

    nth: int
    longest_s: int = 0
    earliest_s: int = 0
    latest_s: int = 0


def bounds(handling: Handling, nth: int, elapsed_s: float = 0.0) -> tuple[int, int]:
    """Return the bounds of the nth wait, in seconds; the handling must have waits."""
    if handling.wait is None:
        raise ValueError("this handling does not wait")
    most = handling.wait.longest(nth, elapsed_s)
    return max(1, round(most / 2)), max(1, round(most))


def longest_bounds(handling: Handling) -> tuple[int, int]:
    """Return the bounds of the longest wait, in seconds."""
    return bounds(handling, _LAST if handling.attempts is None else max(1, handling.attempts - 1))


def attempts(handling: Handling) -> Iterator[Attempt]:
    """Yield the attempts until the waits stop growing; all later waits are as long as the last one."""
    one = Attempt(nth=1)
    yield one
    if not handling.retry or handling.wait is None:
        return
    for nth in itertools.count(1):
        if handling.attempts is not None and nth >= handling.attempts:
            return
        least, most = bounds(handling, nth)
        if handling.attempts is None and nth > 1 and bounds(handling, nth - 1) == (least, most):
            return
        one = Attempt(
            nth=nth + 1,
            longest_s=most,
            earliest_s=one.earliest_s + least,
            latest_s=one.latest_s + most,
        )
        if one.earliest_s > handling.deadline_s:
            return
        yield one


def most_attempts(handling: Handling) -> int:
    """Return the greatest possible number of attempts, if every wait is the shortest."""
    return _count(handling, min)


def in_words(handling: Handling, failure: Failure | None = None) -> str:
    """Return a handling in words, such as ``tries for 6 h, about 23 times (17 to 34), at most 10 min apart``.

    If ``failure`` is a task that did not start, only the highest number is given: how long the next start takes to
    fail is unknown.
    """
    if handling.ignore:
        return "is left alone"
    if not handling.retry or handling.wait is None:
        return "gives up at once"
    fewest, mean, most = (_count(handling, how) for how in (max, lambda pair: sum(pair) / 2, min))
    if handling.attempts is not None and handling.attempts <= fewest:
        waits = [bounds(handling, nth)[1] for nth in range(1, handling.attempts)]
        if not waits:
            return "tries once"
        whole, apart = duration_text(sum(waits)), duration_text(max(waits))
        return f"tries {handling.attempts} times within {whole}, at most {apart} apart"
    apart = duration_text(longest_bounds(handling)[1])
    calls = ", each time up to two calls" if RungKind.EACH_SUBNET in handling.rungs else ""
    slow = ""
    if handling.wait.slow_after_s is not None and handling.wait.slow_after_s < handling.deadline_s:
        slow = f", after {duration_text(handling.wait.slow_after_s)} at most {duration_text(handling.wait.slow_s)}"
    number = f"about {mean} times ({fewest} to {most})"
    if failure is not None and failure.origin is Origin.STOPPED:
        number = f"at most {most} times, fewer by the time that each start takes"
    return f"tries for {duration_text(handling.deadline_s)}, {number}{calls}, at most {apart} apart{slow}"


def _count(handling: Handling, choose: Callable[[tuple[int, int]], float]) -> int:
    """Return the number of attempts before the deadline, for a choice within each wait's bounds."""
    elapsed, made = 0.0, 1
    most = _COUNTED_TO if handling.attempts is None else handling.attempts
    while made < most:
        elapsed += choose(bounds(handling, made, elapsed))
        if elapsed > handling.deadline_s:
            break
        made += 1
    return made
