"""When the attempts of a treatment happen, as numbers and as one sentence."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.launch.values import Origin
from retry_run_task.policy.durations import spoken
from retry_run_task.policy.ladder import RungKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retry_run_task.launch.values import Failure
    from retry_run_task.policy.rules import Treatment

# The thousandth wait is as long as waits become.
_LAST = 1000

# No treatment that passes validation comes near it.
_COUNTED_TO = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """When an attempt happens.

    Attributes:
        nth: The first is 1.
        longest_s: Longest wait before it.
        earliest_s: Since the first attempt, if all waits are the shortest.
        latest_s: Since the first attempt, if all waits are the longest.
    """

    nth: int
    longest_s: int = 0
    earliest_s: int = 0
    latest_s: int = 0


def bounds(treatment: Treatment, nth: int, elapsed_s: float = 0.0) -> tuple[int, int]:
    """Return the bounds of the nth wait, in seconds; the treatment must have waits."""
    if treatment.wait is None:
        raise ValueError("this treatment does not wait")
    most = treatment.wait.longest(nth, elapsed_s)
    return max(1, round(most / 2)), max(1, round(most))


def longest_bounds(treatment: Treatment) -> tuple[int, int]:
    """Return the bounds of the longest wait, in seconds."""
    return bounds(treatment, _LAST if treatment.attempts is None else max(1, treatment.attempts - 1))


def attempts(treatment: Treatment) -> Iterator[Attempt]:
    """Yield the attempts until waits stop growing: all later waits have the last one's length."""
    one = Attempt(nth=1)
    yield one
    if not treatment.retry or treatment.wait is None:
        return
    for nth in itertools.count(1):
        if treatment.attempts is not None and nth >= treatment.attempts:
            return
        least, most = bounds(treatment, nth)
        if treatment.attempts is None and nth > 1 and bounds(treatment, nth - 1) == (least, most):
            return
        one = Attempt(
            nth=nth + 1,
            longest_s=most,
            earliest_s=one.earliest_s + least,
            latest_s=one.latest_s + most,
        )
        if one.earliest_s > treatment.deadline_s:
            return
        yield one


def most_attempts(treatment: Treatment) -> int:
    """Return the greatest possible number of attempts, if every wait is the shortest."""
    return _count(treatment, min)


def in_words(treatment: Treatment, failure: Failure | None = None) -> str:
    """Return a treatment in words, such as ``tries for 6 h, about 23 times (17 to 34), at most 10 min apart``.

    Args:
        treatment: What the policy says.
        failure: What is retried. A task that did not start takes time to fail again, which no one knows beforehand, so
            only the highest number is certain.
    """
    if treatment.ignore:
        return "is left alone"
    if not treatment.retry or treatment.wait is None:
        return "gives up at once"
    fewest, mean, most = (_count(treatment, how) for how in (max, lambda pair: sum(pair) / 2, min))
    if treatment.attempts is not None and treatment.attempts <= fewest:
        waits = [bounds(treatment, nth)[1] for nth in range(1, treatment.attempts)]
        if not waits:
            return "tries once"
        return f"tries {treatment.attempts} times within {spoken(sum(waits))}, at most {spoken(max(waits))} apart"
    apart = longest_bounds(treatment)[1]
    calls = ", each time up to two calls" if RungKind.EACH_SUBNET in treatment.rungs else ""
    slow = ""
    if treatment.wait.slow_after_s is not None and treatment.wait.slow_after_s < treatment.deadline_s:
        slow = f", and {spoken(treatment.wait.slow_s)} after {spoken(treatment.wait.slow_after_s)}"
    number = f"about {mean} times ({fewest} to {most})"
    if failure is not None and failure.origin is Origin.STOPPED:
        number = f"at most {most} times, fewer by the time that each start takes"
    return f"tries for {spoken(treatment.deadline_s)}, {number}{calls}, at most {spoken(apart)} apart{slow}"


def _count(treatment: Treatment, choose: Callable[[tuple[int, int]], float]) -> int:
    """Return the number of attempts before the deadline, for a choice within each wait's bounds."""
    elapsed, made = 0.0, 1
    most = _COUNTED_TO if treatment.attempts is None else treatment.attempts
    while made < most:
        elapsed += choose(bounds(treatment, made, elapsed))
        if elapsed > treatment.deadline_s:
            break
        made += 1
    return made
