"""From a verdict to what follows: pure, and complete for every category."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.launch.values import Category, Failure, Origin, Outcome, Verdict
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.decision import GiveUp, Retry, decide, open_with, past_deadline
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.rules import Handling, Policy
from support.policies import DEFAULT, PLAIN, changed, handling

RETRIED = (Category.CAPACITY, Category.THROTTLE, Category.TRANSIENT, Category.UNKNOWN)
ENDED = (Category.CONFIGURATION, Category.PERMISSION)


def verdict(category: Category) -> Verdict:
    return Verdict(
        failure=Failure(origin=Origin.ANSWER, reason="r"), category=category, row="row", hint="do it"
    )


def test_every_category_is_in_one_of_the_two_lists() -> None:
    assert set(RETRIED) | set(ENDED) == set(Category)


@pytest.mark.parametrize("category", RETRIED)
def test_what_waiting_can_help_is_retried(category: Category) -> None:
    decision = decide(handling(PLAIN, category), verdict(category), nth=1, elapsed_s=0, seed="s")
    assert isinstance(decision, Retry)
    assert decision.rule == category
    assert decision.delay_s >= 1
    assert decision.why
    assert open_with(handling(PLAIN, category), verdict(category)) is None


@pytest.mark.parametrize("category", ENDED)
def test_what_waiting_cannot_help_is_reported_at_once(category: Category) -> None:
    expected = decide(handling(PLAIN, category), verdict(category), nth=1, elapsed_s=0, seed="s")
    assert isinstance(expected, GiveUp)
    assert expected == open_with(handling(PLAIN, category), verdict(category))
    assert (expected.outcome, expected.rule, expected.hint) == (Outcome.PERMANENT, category, "do it")


@pytest.mark.parametrize(("nth", "kind"), [(1, Retry), (2, Retry), (3, GiveUp), (4, GiveUp)])
def test_a_bounded_number_of_attempts_is_just_that(nth: int, kind: type) -> None:
    """The third answer of an unknown kind is the last."""
    decision = decide(
        handling(PLAIN, Category.UNKNOWN), verdict(Category.UNKNOWN), nth=nth, elapsed_s=0, seed="s"
    )
    assert isinstance(decision, kind)


def test_an_attempt_that_would_come_after_the_deadline_is_not_waited_for() -> None:
    policy = changed(category=Category.CAPACITY, wait=Backoff(base_s=10, cap_s=10), deadline_s=100)
    patient = handling(policy, Category.CAPACITY)
    on_time = decide(patient, verdict(Category.CAPACITY), nth=1, elapsed_s=90, seed="s")
    assert isinstance(on_time, Retry)
    late = decide(patient, verdict(Category.CAPACITY), nth=1, elapsed_s=100 - on_time.delay_s + 0.5, seed="s")
    assert isinstance(late, GiveUp)
    assert (late.outcome, late.rule) == (Outcome.EXPIRED, "deadline")
    assert past_deadline(patient, 100) is None
    assert past_deadline(patient, 100.1) is not None


@pytest.mark.parametrize(
    ("absent", "says"),
    [({"unknown"}, "no rule for unknown;"), ({"unknown", "throttle"}, "no rule for unknown, throttle;")],
)
def test_a_policy_without_a_rule_for_a_category_is_refused(absent: set[str], says: str) -> None:
    rules = tuple(rule for rule in DEFAULT.rules if rule.name not in absent)
    with pytest.raises(ValueError, match=says):
        Policy(rules=rules)


# --- What is said ---

PATIENT = Handling(rule="mine", wait=Backoff(base_s=10, cap_s=10), deadline_s=7200)


@pytest.mark.parametrize(
    ("handling_", "nth", "elapsed_s", "next_due_s", "expected"),
    [
        (
            replace(PATIENT, ignore=True),
            1,
            0,
            None,
            GiveUp(outcome=Outcome.IGNORED, rule="mine", why="the policy ignores such launches"),
        ),
        (
            replace(PATIENT, attempts=2),
            2,
            0,
            None,
            GiveUp(
                outcome=Outcome.EXPIRED,
                rule="mine",
                why="2 attempts ended in a failure of category unknown, and the policy allows no more",
                hint="do it",
                numbers={"nth": 2},
            ),
        ),
        (
            replace(PATIENT, attempts=1),
            1,
            0,
            None,
            GiveUp(
                outcome=Outcome.EXPIRED,
                rule="mine",
                why="one attempt ended in a failure of category unknown, and the policy allows no more",
                hint="do it",
                numbers={"nth": 1},
            ),
        ),
        (
            replace(PATIENT, wait=Backoff(base_s=3600, cap_s=3600)),
            1,
            7200,
            None,
            GiveUp(
                outcome=Outcome.EXPIRED,
                rule="deadline",
                why="the next attempt would come {after} after the failed call, "
                "and the policy wants no run later than 2 h after it",
                hint="If the run is still wanted, start it by hand.",
                numbers={"after_s": None, "limit_s": 7200},
            ),
        ),
        (
            replace(PATIENT, interval_share=0.5),
            1,
            300,
            600,
            GiveUp(
                outcome=Outcome.SUPERSEDED,
                rule="next-run",
                why="the next attempt would come {after} after the failed call, "
                "and 50% of the way to the schedule's next run is 10 min after it",
                hint="If this run is wanted beside the next one, start it by hand.",
                numbers={"after_s": None, "limit_s": 600, "share": 0.5},
            ),
        ),
        (
            PATIENT,
            1,
            600,
            600,
            GiveUp(
                outcome=Outcome.SUPERSEDED,
                rule="next-run",
                why="the next attempt would come {after} after the failed call, "
                "and the schedule's next run is 10 min after it",
                hint="If this run is wanted beside the next one, start it by hand.",
                numbers={"after_s": None, "limit_s": 600, "share": 1.0},
            ),
        ),
        (
            PATIENT,
            1,
            0,
            -20,
            GiveUp(
                outcome=Outcome.SUPERSEDED,
                rule="next-run",
                why="the next attempt would come {after} after the failed call, "
                "and the schedule's next run was due 20 s before it",
                hint="If this run is wanted beside the next one, start it by hand.",
                numbers={"after_s": None, "limit_s": -20, "share": 1.0},
            ),
        ),
    ],
)
def test_an_end_has_its_rule_its_numbers_and_its_words(
    handling_: Handling, nth: int, elapsed_s: float, next_due_s: float | None, expected: GiveUp
) -> None:
    given_up = decide(
        handling_,
        verdict(Category.UNKNOWN),
        nth=nth,
        elapsed_s=elapsed_s,
        seed="s",
        next_due_s=next_due_s,
    )
    assert isinstance(given_up, GiveUp)
    if "after_s" in expected.numbers:
        assert handling_.wait is not None
        after_s = elapsed_s + handling_.wait.delay(nth, "s", elapsed_s)
        why = expected.why.format(after=duration_text(after_s))
        expected = replace(expected, why=why, numbers={**expected.numbers, "after_s": after_s})
    assert given_up == expected


@pytest.mark.parametrize("sets", [{"retry": False}, {"wait": None}], ids=["no retry", "no wait"])
@pytest.mark.parametrize("rule", ["mine", ""])
def test_without_another_attempt_it_ends_with_the_kind_of_failure(sets: dict[str, Any], rule: str) -> None:
    expected = GiveUp(
        outcome=Outcome.PERMANENT,
        rule=rule or "capacity",
        why="retrying does not help with a failure of category capacity",
        hint="do it",
    )
    ends = replace(PATIENT, rule=rule, **sets)
    assert decide(ends, verdict(Category.CAPACITY), nth=1, elapsed_s=0, seed="s") == expected
    assert open_with(ends, verdict(Category.CAPACITY)) == expected


@pytest.mark.parametrize(
    ("category", "why"),
    [
        (Category.CAPACITY, "capacity: it may be there at the next attempt"),
        (Category.THROTTLE, "throttle: AWS asks for fewer calls"),
        (Category.TRANSIENT, "transient: it passes by itself"),
        (Category.UNKNOWN, "unknown: this text is not classified yet, so a few careful attempts"),
        (Category.CONFIGURATION, "configuration: the policy asks for another attempt nevertheless"),
    ],
)
def test_another_attempt_says_why(category: Category, why: str) -> None:
    decision = decide(PATIENT, verdict(category), nth=2, elapsed_s=100, seed="s")
    assert decision == Retry(delay_s=PATIENT.wait.delay(2, "s", 100), rule="mine", why=why)  # type: ignore[union-attr]


@pytest.mark.parametrize(("elapsed_s", "longest_s"), [(59, 10), (60, 600)])
def test_a_wait_is_slow_once_so_much_time_has_passed(elapsed_s: float, longest_s: float) -> None:
    slow = replace(PATIENT, wait=Backoff(base_s=10, cap_s=10, slow_after_s=60, slow_s=600))
    decision = decide(slow, verdict(Category.CAPACITY), nth=2, elapsed_s=elapsed_s, seed="s")
    assert isinstance(decision, Retry)
    assert longest_s / 2 <= decision.delay_s <= longest_s


@pytest.mark.parametrize(
    ("elapsed_s", "next_due_s", "share", "rule"),
    [
        (7200, None, 1, None),
        (7200.1, None, 1, "deadline"),
        (599.9, 600, 1, None),
        (600, 600, 1, "next-run"),
        (299.9, 600, 0.5, None),
        (300, 600, 0.5, "next-run"),
        # Both: the next run says more.
        (9000, 600, 1, "next-run"),
        (9000, 9001, 1, "deadline"),
    ],
)
def test_from_when_on_it_is_too_late(
    elapsed_s: float, next_due_s: float | None, share: float, rule: str | None
) -> None:
    late = past_deadline(replace(PATIENT, interval_share=share), elapsed_s, next_due_s)
    assert (late.rule if late else None) == rule
