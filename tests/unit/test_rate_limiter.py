"""Calls come evenly, and the places in which they are made add up to a bucket of tokens that is never overdrawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.aws.rate_limiter import RateLimiter
from retry_run_task.local.ecs.capacity import TokenBucket
from support.paces import FakeTime


def test_calls_come_evenly_and_the_first_at_once() -> None:
    time = FakeTime()
    limiter = time.limiter(2)
    calls = []
    for _ in range(3):
        limiter.wait()
        calls.append(time.now)
    assert calls == [0, 0.5, 1.0]


def test_a_pause_gives_no_credit_unless_it_is_asked_for() -> None:
    for ahead, calls in ((0, [5, 5.5, 6.0]), (1, [5, 5, 5.5])):
        time = FakeTime()
        limiter = time.limiter(2, ahead=ahead)
        time.now = 5
        made = []
        for _ in range(3):
            limiter.wait()
            made.append(time.now)
        assert made == calls


def test_unless_it_is_said_there_is_no_burst_and_no_rest_before_the_first_call() -> None:
    time = FakeTime()
    limiter = RateLimiter(2, now=time.read, sleep=time.sleep)
    made = []
    for _ in range(2):
        limiter.wait()
        made.append(time.now)
    assert made == [0, 0.5]


def test_it_rests_until_the_next_call_might_be_made_and_that_may_be_now() -> None:
    time = FakeTime()
    limiter = time.limiter(2)
    limiter.wait()
    assert limiter.rest() == 0.5
    assert limiter.rest() == 0.5
    time.now = 3
    assert limiter.rest() == 3
    assert time.slept == [0.5]


def test_an_even_pace_has_no_burst_and_keeps_the_invocation_no_longer() -> None:
    for is_even, at in ((False, [0.25, 1.0, 2.0]), (True, [0.25, 1.25, 2.25])):
        time = FakeTime()
        limiter = time.limiter(1, ahead=1)
        limiter.set_pace(1, is_even=is_even)
        time.now = 0.25
        made = []
        for _ in range(3):
            limiter.wait()
            made.append(time.now)
        assert made == at
        assert limiter.rest() == 3.0


def test_a_call_that_is_allowed_already_does_not_sleep() -> None:
    """The clock of a process may begin at 0."""
    for is_even in (False, True):
        time = FakeTime()
        limiter = time.limiter(1, ahead=1)
        limiter.set_pace(1, is_even=is_even)
        for time.now in (0, 1, 2):
            limiter.wait()
        assert time.slept == []


def test_a_pace_that_is_set_holds_for_the_calls_that_follow() -> None:
    time = FakeTime()
    limiter = time.limiter(1, ahead=1)
    limiter.set_pace(4)
    made = []
    for _ in range(3):
        limiter.wait()
        made.append(time.now)
    assert made == [0, 0.25, 0.5]


START = datetime(2026, 11, 24, tzinfo=UTC)
# A function that is invoked again and again: how long it looks, and how long each of its calls takes.
invocations = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0.25, 0.5, 0.75, 5]),
        st.lists(st.sampled_from([0, 0.25, 0.5, 0.75, 2]), max_size=4),
    ),
    max_size=12,
)


@given(places=st.lists(invocations, min_size=1, max_size=5))
def test_whatever_runs_in_the_places_their_calls_fit_into_the_bucket_they_add_up_to(
    places: list[list[tuple[float, list[float]]]],
) -> None:
    """Five places with two calls a second each fit into ten a second and ten at once: half of what Fargate takes.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
    """
    calls = []
    for place in places:
        time = FakeTime()
        for looks_s, calls_s in place:
            limiter = time.limiter(2, ahead=1)
            time.now += looks_s
            for call_s in calls_s:
                limiter.wait()
                calls.append(time.now)
                time.now += call_s
            limiter.rest()
    bucket = TokenBucket(rate=2 * len(places), burst=2 * len(places))
    for number, call in enumerate(sorted(calls), 1):
        assert bucket.take(START + timedelta(seconds=call)), f"call {number} of {sorted(calls)}"
