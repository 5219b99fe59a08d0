"""The local AWS's time: every timer fires, in order, once, at its virtual time."""

import logging
import math
import threading
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

import pytest

from retry_run_task.local.clock import Clock

START = datetime(2026, 11, 23, 15, tzinfo=UTC)
FAST = 1000.0


@pytest.fixture
def clock():
    made = Clock(FAST, START)
    yield made
    made.stop()


def test_begins_at_its_start_and_runs_at_its_speed(clock):
    fired = SimpleQueue()
    clock.call_at(START + timedelta(seconds=100), lambda: fired.put(clock.now()))
    at = fired.get(timeout=60)
    # The real time is 0.1 s; on a loaded machine a timer may be late, never early.
    assert START + timedelta(seconds=100) <= at <= clock.now()


def test_is_in_utc_wherever_the_start_was():
    tokyo = datetime.fromisoformat("2026-11-24T00:00:00+09:00")
    assert Clock(FAST, tokyo).now().isoformat().startswith("2026-11-23T15:00:0")
    assert Clock(FAST, tokyo).now().tzinfo is UTC


def test_follows_the_real_time_unless_told_otherwise():
    before = datetime.now(UTC)
    now = Clock().now()
    one = timedelta(seconds=1)
    assert before - one < now < datetime.now(UTC) + one


def test_fires_in_the_order_of_the_times_and_ties_in_the_order_of_the_calls(clock):
    fired = SimpleQueue()
    due = clock.now() + timedelta(seconds=60)
    for name, seconds in (("third", 2), ("first", 0), ("second", 0), ("fourth", 30)):
        clock.call_at(due + timedelta(seconds=seconds), lambda name=name: fired.put(name))
    assert [fired.get(timeout=60) for _ in range(4)] == ["first", "second", "third", "fourth"]


def test_an_earlier_timer_overtakes_the_one_that_is_waited_for(clock):
    fired = SimpleQueue()
    clock.call_later(10 * 365 * 24 * 3600, lambda: fired.put("in ten years"))
    for _ in range(100):
        # When one has fired, the thread waits for the one in ten years.
        clock.call_later(0, lambda: fired.put("soon"))
        assert fired.get(timeout=60) == "soon"
    assert fired.empty()


def test_what_is_past_fires_at_once(clock):
    fired = SimpleQueue()
    clock.call_at(START - timedelta(days=1), lambda: fired.put("late"))
    assert fired.get(timeout=60) == "late"


def test_a_cancelled_timer_does_not_fire(clock):
    fired = SimpleQueue()
    clock.call_later(1, lambda: fired.put("cancelled")).cancel()
    clock.call_later(2, lambda: fired.put("kept"))
    assert fired.get(timeout=60) == "kept"
    assert fired.empty()


def test_a_callback_that_fails_is_logged_and_the_next_one_fires(clock, caplog):
    fired = SimpleQueue()
    with caplog.at_level(logging.ERROR):
        clock.call_later(1, lambda: 1 / 0)
        clock.call_later(2, lambda: fired.put("after"))
        assert fired.get(timeout=60) == "after"
    assert "ZeroDivisionError" in caplog.text


def test_a_callback_may_make_timers(clock):
    fired = SimpleQueue()
    clock.call_later(1, lambda: clock.call_later(1, lambda: fired.put("second")))
    assert fired.get(timeout=60) == "second"


def test_no_timer_is_lost_when_many_threads_make_them(clock):
    fired = SimpleQueue()

    def make(thread):
        for number in range(100):
            clock.call_later(number % 7, lambda number=number: fired.put((thread, number)))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({fired.get(timeout=60) for _ in range(800)}) == 800


def test_stopping_drops_the_timers_and_ends_the_thread(clock):
    fired = SimpleQueue()
    clock.call_later(60, lambda: fired.put("dropped"))
    clock.stop()
    clock.call_later(0, lambda: fired.put("too late"))
    assert "local-aws-clock" not in {thread.name for thread in threading.enumerate()}
    assert fired.empty()


def test_may_be_stopped_by_a_callback_and_twice(clock):
    stopped = threading.Event()

    def stop():
        clock.stop()
        stopped.set()

    clock.call_later(1, stop)
    assert stopped.wait(60)
    clock.stop()


@pytest.mark.parametrize(
    ("speed", "start"),
    [(0, None), (-1, None), (float("nan"), None), (1, datetime(2026, 1, 1))],  # noqa: DTZ001 -- the case
)
def test_refuses_what_is_no_time(speed, start):
    with pytest.raises(ValueError, match="expected"):
        Clock(speed, start)


def test_one_that_catches_up_runs_with_the_real_time_from_then_on():
    behind = datetime.now(UTC) - timedelta(seconds=200)
    clock = Clock(1001, behind, until_present=True)
    # The machine may have rested before it was made.
    most = (datetime.now(UTC) - behind) * 1.001
    fired = SimpleQueue()
    clock.call_at(
        clock.catches_up_at + timedelta(seconds=0.2), lambda: fired.put((clock.now(), datetime.now(UTC)))
    )
    at, real = fired.get(timeout=60)
    clock.stop()
    a_little = timedelta(seconds=0.01)
    assert timedelta(seconds=200.2) - a_little <= clock.catches_up_at - behind <= most + a_little
    assert abs(real - at) < timedelta(seconds=2)
    assert at >= clock.catches_up_at + timedelta(seconds=0.2)
    assert (clock.virtual_s(10), clock.real_s(10)) == (pytest.approx(10), pytest.approx(10))


def test_before_that_it_is_fast_and_a_wait_may_reach_into_what_is_slow():
    clock = Clock(11, datetime.now(UTC) - timedelta(hours=1), until_present=True)
    assert clock.virtual_s(10) == pytest.approx(110)
    assert clock.real_s(110) == pytest.approx(10)
    # An hour behind, it meets the present in 360 s.
    assert clock.real_s(3960 + 40) == pytest.approx(400, abs=0.5)
    assert clock.virtual_s(400) == pytest.approx(4000, abs=6)


def test_its_own_way_it_never_meets_the_present(clock):
    assert clock.catches_up_at is None
    assert (clock.virtual_s(3600), clock.real_s(3600)) == (
        pytest.approx(3600 * FAST),
        pytest.approx(3600 / FAST),
    )


@pytest.mark.parametrize(("speed", "behind_s"), [(1, 60), (0.5, 60), (60, -60)])
def test_one_that_cannot_catch_up_is_refused(speed, behind_s):
    with pytest.raises(ValueError, match="never catches up"):
        Clock(speed, datetime.now(UTC) - timedelta(seconds=behind_s), until_present=True)


def test_one_that_is_held_stands_still_until_it_goes():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(1000, start, is_held=True)
    fired = SimpleQueue()
    clock.call_later(0.001, lambda: fired.put(clock.now()))
    with pytest.raises(Empty):
        fired.get(timeout=0.05)
    assert (clock.now(), clock.reading) == (start, None)
    assert (clock.virtual_s(2), clock.real_s(1)) == (2000, math.inf)
    clock.go()
    assert fired.get(timeout=60) > start
    clock.stop()


def test_one_that_is_to_catch_up_counts_from_when_it_goes():
    clock = Clock(11, datetime.now(UTC) - timedelta(hours=1), until_present=True, is_held=True)
    assert clock.catches_up_at is None
    clock.go()
    assert clock.real_s(3960) == pytest.approx(360, abs=0.5)
