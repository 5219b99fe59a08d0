"""From a verdict to what follows: pure, and complete for every category."""

from __future__ import annotations

import pytest

from retry_run_task.launch.values import Category, Failure, Origin, Outcome, Verdict
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.decision import GiveUp, Retry, decide, open_with, past_deadline
from retry_run_task.policy.rules import DEFAULT, Policy
from support.policies import PLAIN, changed, treatment

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
    decision = decide(treatment(PLAIN, category), verdict(category), nth=1, elapsed_s=0, seed="s")
    assert isinstance(decision, Retry)
    assert decision.rule == category
    assert decision.delay_s >= 1
    assert decision.why
    assert open_with(treatment(PLAIN, category), verdict(category)) is None


@pytest.mark.parametrize("category", ENDED)
def test_what_waiting_cannot_help_is_reported_at_once(category: Category) -> None:
    expected = decide(treatment(PLAIN, category), verdict(category), nth=1, elapsed_s=0, seed="s")
    assert isinstance(expected, GiveUp)
    assert expected == open_with(treatment(PLAIN, category), verdict(category))
    assert (expected.outcome, expected.rule, expected.hint) == (Outcome.PERMANENT, category, "do it")


@pytest.mark.parametrize(("nth", "kind"), [(1, Retry), (2, Retry), (3, GiveUp), (4, GiveUp)])
def test_a_bounded_number_of_attempts_is_just_that(nth: int, kind: type) -> None:
    """The third answer of an unknown kind is the last."""
    decision = decide(
        treatment(PLAIN, Category.UNKNOWN), verdict(Category.UNKNOWN), nth=nth, elapsed_s=0, seed="s"
    )
    assert isinstance(decision, kind)


def test_an_attempt_that_would_come_after_the_deadline_is_not_waited_for() -> None:
    policy = changed(category=Category.CAPACITY, wait=Backoff(base_s=10, cap_s=10), deadline_s=100)
    patient = treatment(policy, Category.CAPACITY)
    on_time = decide(patient, verdict(Category.CAPACITY), nth=1, elapsed_s=90, seed="s")
    assert isinstance(on_time, Retry)
    late = decide(patient, verdict(Category.CAPACITY), nth=1, elapsed_s=100 - on_time.delay_s + 0.5, seed="s")
    assert isinstance(late, GiveUp)
    assert (late.outcome, late.rule) == (Outcome.EXPIRED, "deadline")
    assert past_deadline(patient, 100) is None
    assert past_deadline(patient, 100.1) is not None


def test_a_policy_without_a_rule_for_a_category_is_refused() -> None:
    rules = tuple(rule for rule in DEFAULT.rules if rule.name != "unknown")
    with pytest.raises(ValueError, match="no rule for unknown"):
        Policy(rules=rules)
