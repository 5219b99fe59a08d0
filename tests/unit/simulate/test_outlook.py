"""When there is room, and which slots are taken."""

from __future__ import annotations

from collections import Counter

import pytest

from retry_run_task.simulate.capacity_timeline import CapacityTimeline, FreeSlots, Gap, Offer, chance

OUTAGE = CapacityTimeline(gaps=(Gap(0, 100), Gap(200, 210)))
SLOTS = CapacityTimeline(gaps=(Gap(0, 100),), offers=(Offer(10, 20), Offer(15, 16), Offer(90, 95)))
FLICKER = CapacityTimeline(gaps=(Gap(0, 1000),), flicker=0.1, seed=7)


@pytest.mark.parametrize(
    ("capacity", "time", "is_open", "room"),
    [
        (CapacityTimeline(), 0, True, 0),
        (OUTAGE, -1, True, -1),
        (OUTAGE, 0, False, 100),
        (OUTAGE, 99.9, False, 100),
        (OUTAGE, 100, True, 100),
        (OUTAGE, 205, False, 210),
        (OUTAGE, 210, True, 210),
        # A slot is room, but not without limit.
        (SLOTS, 0, False, 10),
        (SLOTS, 12, False, 12),
        # It is gone at the moment at which another customer has it.
        (SLOTS, 20, False, 90),
        (SLOTS, 95, False, 100),
    ],
)
def test_room(capacity: CapacityTimeline, time: float, is_open: bool, room: float) -> None:
    assert capacity.is_open(time) is is_open
    assert capacity.first_room(time) == room


def test_outages_that_follow_each_other_without_a_pause_are_gone_through() -> None:
    assert CapacityTimeline(gaps=(Gap(0, 100), Gap(100, 150))).first_room(5) == 150


def test_a_slot_is_given_once_and_the_one_that_is_gone_first_is_given_first() -> None:
    room = FreeSlots(SLOTS)
    assert not room.take(9)
    assert room.take(15)
    # The one until 16 is taken, the one until 20 is left.
    assert room.next_room(17) == 17
    assert room.take(17)
    assert not room.take(18)
    assert room.next_room(18) == 90
    assert not room.take(96)
    assert room.next_room(96) == 100
    assert room.take(100)
    assert room.take(100)


def test_a_brownout_has_room_in_its_share_of_the_seconds_and_the_same_ones_for_everybody() -> None:
    seconds = [second for second in range(1000) if FLICKER.is_open(second)]
    assert 70 < len(seconds) < 130
    assert all(FLICKER.first_room(second - 0.5) <= second for second in seconds)
    assert seconds == [
        second
        for second in range(1000)
        if CapacityTimeline(gaps=(Gap(0, 1000),), flicker=0.1, seed=7).is_open(second)
    ]
    assert seconds != [
        second
        for second in range(1000)
        if CapacityTimeline(gaps=(Gap(0, 1000),), flicker=0.1, seed=8).is_open(second)
    ]


def test_chances_are_spread_evenly() -> None:
    tenths = Counter(int(chance(3, n) * 10) for n in range(10_000))
    assert set(tenths) == set(range(10))
    assert all(900 < n < 1100 for n in tenths.values())
