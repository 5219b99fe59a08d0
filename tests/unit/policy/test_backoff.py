"""Waits grow to their cap, keep half of themselves, and are spread between launches, not between replays."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.policy.backoff import Backoff, spread

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


SLOW = Backoff(base_s=2, cap_s=8, slow_after_s=1, slow_s=60)


@pytest.mark.parametrize(
    ("nth", "elapsed_s", "longest"),
    [(1, 0, 2), (2, 0.9, 4), (3, 0.9, 8), (4, 0.9, 8), (1, 1, 60), (4, 100, 60), (10**6, 0, 8)],
)
def test_after_a_while_waits_are_slow(nth: int, elapsed_s: float, longest: float) -> None:
    assert SLOW.longest(nth, elapsed_s) == longest
    assert longest / 2 <= SLOW.delay(nth, "s", elapsed_s) <= longest


def test_the_shortest_wait_is_one_second() -> None:
    assert {Backoff(base_s=1, cap_s=1).delay(1, f"launch-{n}") for n in range(20)} == {1}


def test_without_a_time_a_wait_is_that_at_the_failed_call() -> None:
    assert SLOW.longest(2) == SLOW.longest(2, 0) == 4
    assert {SLOW.delay(3, f"{n}") for n in range(200)} == {4, 5, 6, 7, 8}


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"base_s": 0.5, "cap_s": 10}, "backoff needs 1 <= base <= cap, not base 0.5 and cap 10"),
        (
            {"base_s": 1, "cap_s": 10, "slow_after_s": 5, "slow_s": 9},
            "backoff needs cap <= slow, not cap 10 and slow 9",
        ),
    ],
)
def test_a_shape_that_makes_no_sense_is_named(shape: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}$"):
        Backoff(**shape)


@pytest.mark.parametrize(
    "shape",
    [{"base_s": 1, "cap_s": 1}, {"base_s": 1, "cap_s": 10, "slow_after_s": 0, "slow_s": 10}],
)
def test_the_narrowest_shapes_are_taken(shape: dict[str, float]) -> None:
    assert Backoff(**shape).delay(1, "s") >= 1


def test_waits_and_spreads_are_the_same_in_a_later_version() -> None:
    """A recovery that is resumed by another version waits on as it began."""
    shape = Backoff(base_s=15, cap_s=50)
    assert [shape.delay(nth, "launch") for nth in range(1, 6)] == [14, 16, 34, 38, 50]
    assert [spread(10, f"launch-{n}") for n in range(8)] == [5, 7, 6, 4, 2, 2, 0, 10]


def test_a_spread_has_every_second_from_none_to_the_longest() -> None:
    assert {spread(3, f"{n}") for n in range(200)} == {0, 1, 2, 3}
    assert {spread(3.9, f"{n}") for n in range(200)} == {0, 1, 2, 3}
    assert {spread(0, f"{n}") for n in range(200)} == {0}
