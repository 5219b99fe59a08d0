"""Waits grow to their cap, keep half of themselves, and are spread between launches, not between replays."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.policy.backoff import Backoff

SHAPES = st.tuples(st.integers(1, 3600), st.integers(0, 86_400)).map(
    lambda pair: Backoff(base_s=pair[0], cap_s=pair[0] + pair[1])
)


@given(shape=SHAPES, nth=st.integers(1, 10**6), seed=st.text())
def test_every_wait_is_between_half_of_its_bound_and_its_bound(shape: Backoff, nth: int, seed: str) -> None:
    """Also at attempt 1 000 000, where 2 ** nth is no number a float can hold."""
    longest = shape.longest(nth)
    assert max(1, longest / 2 - 1) <= shape.delay(nth, seed) <= longest + 1
    assert longest <= shape.cap_s


def test_bounds_double_until_the_cap() -> None:
    assert [Backoff(base_s=15, cap_s=100).longest(n) for n in range(1, 6)] == [15, 30, 60, 100, 100]


def test_a_replay_waits_as_long_as_the_first_time() -> None:
    assert Backoff(base_s=60, cap_s=60).delay(3, "a") == Backoff(base_s=60, cap_s=60).delay(3, "a")


def test_launches_that_failed_together_do_not_come_back_together() -> None:
    """Also after the cap is reached: the waits of a thousand launches fill the upper half evenly."""
    delays = [Backoff(base_s=60, cap_s=600).delay(50, f"launch-{n}") for n in range(1000)]
    assert min(delays) < 310
    assert max(delays) > 590
    assert 440 < statistics.mean(delays) < 460


@pytest.mark.parametrize(("base", "cap"), [(0, 10), (0.5, 10), (10, 9), (-1, -1)])
def test_a_shape_that_makes_no_sense_is_refused(base: float, cap: float) -> None:
    with pytest.raises(ValueError, match="backoff needs"):
        Backoff(base_s=base, cap_s=cap)
