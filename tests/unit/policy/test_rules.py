"""Of all the rules that match, each setting has the value of the first that sets it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.launch.values import CallerKind, Category, Failure, Origin
from retry_run_task.policy import attempt_times
from retry_run_task.policy.backoff import Backoff, spread
from retry_run_task.policy.ladder import Allowed, RungKind
from retry_run_task.policy.rules import (
    EXECUTION_S,
    Facts,
    Handling,
    Match,
    Policy,
    Rule,
    combined,
    facts_of,
    is_whole,
)
from support.infra import ROOT
from support.policies import DEFAULT, handling
from support.records import CLUSTER, TASK_DEFINITION, launch, parameters

FACTS = facts_of(launch(), schedule="nightly-report", policy="patient")


def first(rule: Rule) -> Policy:
    return replace(DEFAULT, rules=(rule, *DEFAULT.rules))


def test_a_rule_changes_what_it_sets_and_leaves_the_rest_to_those_below_it() -> None:
    policy = first(
        Rule(name="month-end", match=Match(schedule=("nightly-*",)), sets={"deadline_s": 7200, "attempts": 9})
    )
    changed = policy.handling(FACTS, Category.CAPACITY)
    assert (changed.rule, changed.deadline_s, changed.attempts) == ("month-end", 7200, 9)
    assert changed.wait == Backoff(base_s=15, cap_s=50, slow_after_s=7200, slow_s=300)
    assert changed.rungs == (RungKind.AS_ASKED, RungKind.EACH_SUBNET)
    assert dict(changed.origins) == {
        "deadline_s": "month-end",
        "attempts": "month-end",
        "wait": "capacity",
        "rungs": "capacity",
        "interval_share": "everything",
        "early_s": "everything",
    }
    # Also what gives up goes on to do so.
    assert not policy.handling(FACTS, Category.CONFIGURATION).retry
    other = replace(FACTS, schedule="hourly")
    assert policy.handling(other, Category.CAPACITY) == DEFAULT.handling(other, Category.CAPACITY)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(schedule=("nightly-*",)), True),
        (Match(schedule=("weekly", "nightly-report")), True),
        (Match(schedule=("nightly",)), False),
        (Match(schedule=("Nightly-*",)), False),
        (Match(cluster=("batch",)), True),
        (Match(cluster=(CLUSTER,)), True),
        (Match(cluster=("*:cluster/b*",)), True),
        (Match(cluster=("web",)), False),
        (Match(task_definition=("nightly",)), True),
        (Match(task_definition=("nightly:7",)), True),
        (Match(task_definition=("nightly:8",)), False),
        (Match(task_definition=(TASK_DEFINITION,)), True),
        (Match(caller=frozenset({CallerKind.RULE, CallerKind.OTHER})), True),
        (Match(caller=frozenset({CallerKind.SCHEDULER})), False),
        (Match(category=frozenset({Category.CAPACITY})), True),
        (Match(category=frozenset({Category.THROTTLE})), False),
        (Match(policy=("patient",)), True),
        (Match(policy=("hasty",)), False),
        (Match(schedule=("nightly-*",), cluster=("web",)), False),
        (Match(schedule=("nightly-*",), cluster=("batch",)), True),
    ],
)
def test_what_a_rule_is_for(match: Match, fits: bool) -> None:
    assert match.fits(FACTS, Category.CAPACITY) is fits


@pytest.mark.parametrize("glob", ["*", "", "?*"])
def test_what_is_not_known_of_a_launch_matches_no_glob(glob: str) -> None:
    """A rule for some schedules must not match a call whose schedule is unknown."""
    unknown = facts_of(launch(request=parameters(cluster=None)))
    assert not Match(schedule=(glob,)).fits(unknown, Category.CAPACITY)
    assert not Match(policy=(glob,)).fits(unknown, Category.CAPACITY)
    assert Match(cluster=("default",)).fits(unknown, Category.CAPACITY)


def test_without_any_rule_no_rule_is_named() -> None:
    assert combined(iter(()), Category.CAPACITY) == Handling()


def test_no_policy_sends_again_what_was_denied() -> None:
    policy = first(Rule(name="bold", sets={"retry": True, "wait": Backoff(base_s=1, cap_s=1)}))
    assert policy.handling(FACTS, Category.CONFIGURATION).retry
    assert not policy.handling(FACTS, Category.PERMISSION).retry


def test_an_execution_lives_as_long_as_the_template_says() -> None:
    template = (ROOT / "infra" / "template.yaml").read_text(encoding="utf-8")
    assert re.search(rf"ExecutionTimeout: {EXECUTION_S}\b", template)
    assert f"execution_timeout = {EXECUTION_S}" in (ROOT / "infra/terraform/main.tf").read_text(
        encoding="utf-8"
    )


def test_by_default_nothing_costs_more_and_the_environment_of_a_task_stays_what_it_is() -> None:
    assert handling(DEFAULT, Category.CAPACITY).rungs == (RungKind.AS_ASKED, RungKind.EACH_SUBNET)
    for category in set(Category) - {Category.CAPACITY}:
        assert handling(DEFAULT, category).rungs == (RungKind.AS_ASKED,)


# The first attempt.


@given(longest=st.integers(0, 300), seed=st.text())
def test_the_first_wait_is_within_its_bounds_and_the_same_for_the_same_launch(
    longest: int, seed: str
) -> None:
    assert 0 <= spread(longest, seed) <= longest
    assert spread(longest, seed) == spread(longest, seed)


def test_two_hundred_launches_of_one_second_come_back_over_ten() -> None:
    """None of the eleven seconds has more than a burst of RunTask calls that Fargate takes, 20, by much."""
    seconds = [spread(10, f"{n:032x}/spread") for n in range(200)]
    assert set(seconds) == set(range(11))
    assert max(seconds.count(second) for second in range(11)) <= 35


# How long it goes on, in words.


SLOW = ", after 2 h at most 5 min"


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (
            {},
            "tries for 1 d, about 546 times (410 to 818), each time up to two calls, at most 50 s apart"
            + SLOW,
        ),
        (
            {"deadline_s": 3600, "wait": Backoff(base_s=600, cap_s=600)},
            "tries for 1 h, about 9 times (7 to 13), each time up to two calls, at most 10 min apart",
        ),
        ({"attempts": 3}, "tries 3 times within 45 s, at most 30 s apart"),
        ({"attempts": 1}, "tries once"),
        # More attempts than there is time for.
        (
            {"attempts": 500, "deadline_s": 3600, "wait": Backoff(base_s=600, cap_s=600)},
            "tries for 1 h, about 9 times (7 to 13), each time up to two calls, at most 10 min apart",
        ),
        ({"retry": False}, "gives up at once"),
        ({"ignore": True}, "is left alone"),
    ],
)
def test_a_treatment_in_words(sets: dict[str, Any], words: str) -> None:
    policy = first(Rule(name="first", sets=sets)) if sets else DEFAULT
    assert attempt_times.in_words(policy.handling(FACTS, Category.CAPACITY)) == words


@pytest.mark.parametrize("origin", list(Origin))
def test_a_number_of_starts_that_take_time_is_announced_as_the_highest(origin: Origin) -> None:
    words = attempt_times.in_words(
        DEFAULT.handling(FACTS, Category.TRANSIENT), Failure(origin=origin, reason="r")
    )
    highest = (
        "tries for 1 d, at most 770 times, fewer by the time that each start takes, at most 1 min apart"
        + SLOW
    )
    assert (words == highest) == (origin is Origin.STOPPED)
    assert ("about 514 times (386 to 770)" in words) == (origin is not Origin.STOPPED)


SHAPES = st.tuples(st.integers(1, 600), st.integers(0, 600)).map(
    lambda p: Backoff(base_s=p[0], cap_s=p[0] + p[1])
)


@given(wait=SHAPES, deadline_s=st.integers(1, 86_400), attempts=st.none() | st.integers(1, 50))
def test_the_attempts_of_a_treatment_are_in_time_and_no_more_than_counted(
    wait: Backoff, deadline_s: int, attempts: int | None
) -> None:
    sets = {"wait": wait, "deadline_s": deadline_s, "attempts": attempts}
    whole = first(Rule(name="first", sets=sets)).handling(FACTS, Category.CAPACITY)
    listed = list(attempt_times.attempts(whole))
    assert [one.nth for one in listed] == list(range(1, len(listed) + 1))
    assert all(one.earliest_s <= deadline_s for one in listed)
    assert len(listed) <= attempt_times.most_attempts(whole)
    assert attempts is None or attempt_times.most_attempts(whole) <= attempts


@pytest.mark.parametrize(
    ("request_", "cluster", "task_definition"),
    [
        (parameters(), ("batch", CLUSTER), ("nightly", "nightly:7", TASK_DEFINITION)),
        (parameters(cluster="batch"), ("batch", "batch"), ("nightly", "nightly:7", TASK_DEFINITION)),
        (parameters(cluster=None), ("default", ""), ("nightly", "nightly:7", TASK_DEFINITION)),
        (parameters(taskDefinition="nightly"), ("batch", CLUSTER), ("nightly", "nightly", "nightly")),
        ({}, (), ("", "", "")),
    ],
)
def test_what_rules_can_match_of_a_request(
    request_: dict[str, Any], cluster: tuple[str, ...], task_definition: tuple[str, ...]
) -> None:
    assert facts_of(launch(request=request_), schedule="nightly", policy="slow") == Facts(
        schedule="nightly",
        cluster=cluster,
        task_definition=task_definition,
        caller=CallerKind.RULE,
        policy="slow",
    )


@pytest.mark.parametrize(
    ("value", "known"),
    [("patient", True), ("patient-2", True), ("", False), ("hasty", False), ("Patient", False)],
)
def test_a_tag_is_known_if_a_rule_is_for_it(value: str, known: bool) -> None:
    policy = first(Rule(name="tagged", match=Match(policy=("slow", "patient*"))))
    assert policy.knows_tag(value) is known
    assert not DEFAULT.knows_tag(value)


def test_a_treatment_says_which_rungs_it_allows_with_their_lists() -> None:
    treated = Handling(
        rungs=(RungKind.AS_ASKED, RungKind.SIZES),
        extra_subnets=("subnet-d",),
        capacity_providers=("spare",),
        sizes=((256, 512),),
        platform_versions=("1.4.0",),
    )
    assert treated.allowed == Allowed(
        kinds=(RungKind.AS_ASKED, RungKind.SIZES),
        extra_subnets=("subnet-d",),
        capacity_providers=("spare",),
        sizes=((256, 512),),
        platform_versions=("1.4.0",),
    )


@pytest.mark.parametrize("sets", [{}, {"retry": True}, {"retry": True, "wait": Backoff(base_s=1, cap_s=1)}])
def test_a_denied_call_has_no_retry_whatever_a_rule_sets(sets: dict[str, Any]) -> None:
    assert combined(iter([Rule(name="again", sets=sets)]), Category.PERMISSION).retry is False
    assert combined(iter([Rule(name="again", sets=sets)]), Category.CAPACITY).retry is True


@pytest.mark.parametrize(
    ("treated", "whole"),
    [
        (Handling(), False),
        (Handling(ignore=True), True),
        (Handling(retry=False), True),
        (Handling(wait=Backoff(base_s=1, cap_s=1)), True),
    ],
)
def test_a_treatment_is_whole_if_it_says_what_to_do(treated: Handling, whole: bool) -> None:
    assert is_whole(treated) is whole
