"""Decides what follows an answer of ECS. Pure: the time is a parameter."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from retry_run_task.launch.values import Category, Outcome
from retry_run_task.policy.durations import duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import Verdict
    from retry_run_task.policy.rules import Handling


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Make another attempt, after ``delay_s`` whole seconds."""

    delay_s: int
    rule: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """End the recovery without the tasks.

    Attributes:
        numbers: The numbers in ``why``, for other languages. ``nth``: failures of this category; ``after_s``: seconds
            from the failed call to the attempt that is not made; ``limit_s``: seconds to the limit that it would
            exceed; ``share``: the policy's part of ``limit_s``.
    """

    outcome: Outcome
    rule: str
    why: str
    hint: str = ""
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def decide(
    handling: Handling,
    verdict: Verdict,
    *,
    nth: int,
    elapsed_s: float,
    seed: str,
    next_due_s: float | None = None,
) -> Retry | GiveUp:
    """Decide what follows an answer that did not place every task.

    ``nth`` is the number of answers of this category in the recovery, this one included; ``elapsed_s`` counts from the
    failed call, and so does ``next_due_s`` until the schedule's next run (None if there is none, or not known). The
    seed of the jitter is the launch's identity.
    """
    name = verdict.category.value
    if handling.ignore:
        return ignored(handling)
    if not handling.retry or handling.wait is None:
        return _permanent(handling, verdict)
    if handling.attempts is not None and nth >= handling.attempts:
        return GiveUp(
            outcome=Outcome.EXPIRED,
            rule=handling.rule,
            why=f"{_counted(nth)} ended in a failure of category {name}, and the policy allows no more",
            hint=verdict.hint,
            numbers={"nth": nth},
        )
    delay = handling.wait.delay(nth, seed, elapsed_s)
    late = past_deadline(handling, elapsed_s + delay, next_due_s)
    if late is not None:
        return late
    return Retry(delay_s=delay, rule=handling.rule, why=f"{name}: {_REASONS[verdict.category]}")


def open_with(handling: Handling, verdict: Verdict) -> GiveUp | None:
    """Return the end of the recovery if the failed call's own failure already decides it; None to go on."""
    if handling.retry and handling.wait is not None:
        return None
    return _permanent(handling, verdict)


def ignored(handling: Handling) -> GiveUp:
    """Return the end of a recovery that the policy ignores."""
    return GiveUp(outcome=Outcome.IGNORED, rule=handling.rule, why="the policy ignores such launches")


def past_deadline(handling: Handling, elapsed_s: float, next_due_s: float | None = None) -> GiveUp | None:
    """Return the end of the recovery if an attempt at this time would be too late, else None."""
    if next_due_s is not None and elapsed_s >= next_due_s * handling.interval_share:
        share = "" if handling.interval_share == 1 else f"{handling.interval_share:.0%} of the way to "
        next_run = f"{share}the schedule's next run is {duration_text(next_due_s)} after it"
        if next_due_s < 0:
            # A task may take longer to fail than there is between two runs.
            next_run = f"the schedule's next run was due {duration_text(-next_due_s)} before it"
        return GiveUp(
            outcome=Outcome.SUPERSEDED,
            rule="next-run",
            why=f"the next attempt would come {duration_text(elapsed_s)} after the failed call, "
            f"and {next_run}",
            hint="If this run is wanted beside the next one, start it by hand.",
            numbers={"after_s": elapsed_s, "limit_s": next_due_s, "share": handling.interval_share},
        )
    if elapsed_s <= handling.deadline_s:
        return None
    return GiveUp(
        outcome=Outcome.EXPIRED,
        rule="deadline",
        why=f"the next attempt would come {duration_text(elapsed_s)} after the failed call, "
        f"and the policy wants no run later than {duration_text(handling.deadline_s)} after it",
        hint="If the run is still wanted, start it by hand.",
        numbers={"after_s": elapsed_s, "limit_s": handling.deadline_s},
    )


def _permanent(handling: Handling, verdict: Verdict) -> GiveUp:
    return GiveUp(
        outcome=Outcome.PERMANENT,
        rule=handling.rule or verdict.category.value,
        why=f"retrying does not help with a failure of category {verdict.category}",
        hint=verdict.hint,
    )


def _counted(n: int) -> str:
    return "one attempt" if n == 1 else f"{n} attempts"


_REASONS = {
    Category.CAPACITY: "it may be there at the next attempt",
    Category.THROTTLE: "AWS asks for fewer calls",
    Category.TRANSIENT: "it passes by itself",
    Category.UNKNOWN: "this text is not classified yet, so a few careful attempts",
    # Never shown: the shipped policy gives up at once. A policy may choose otherwise.
    Category.CONFIGURATION: "the policy asks for another attempt nevertheless",
    Category.PERMISSION: "the policy asks for another attempt nevertheless",
}
