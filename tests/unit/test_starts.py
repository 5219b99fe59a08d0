"""Many starts: side by side, in the time that there is, each told once, and what passes tried again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError

from retry_run_task.aws import recoveries
from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.starts import NoTimeLeftError, StartLimits, start_all
from support.paces import FakeTime


class BusyError(Exception):
    """Passes."""


class DeniedError(Exception):
    """Does not."""


def is_busy(error: Exception) -> bool:
    return isinstance(error, BusyError)


def run(
    jobs: list[int], start: Callable[[int], Started], limits: StartLimits
) -> tuple[list[int], dict[int, Exception]]:
    """Return what was started, in its order, and what was not, with why. Each is told once."""
    told: list[tuple[int, Started | Exception]] = []
    start_all(jobs, start, lambda job, outcome: told.append((job, outcome)), limits)
    assert sorted(job for job, _ in told) == sorted(jobs)
    started = [job for job, outcome in told if isinstance(outcome, Started)]
    return started, {job: outcome for job, outcome in told if isinstance(outcome, Exception)}


def accept(_: int) -> Started:
    return Started.ACCEPTED


@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_to_start_is_nothing_to_do(workers: int) -> None:
    assert run([], accept, StartLimits(workers=workers)) == ([], {})


@pytest.mark.parametrize("workers", [2, 3, 40])
def test_so_many_are_under_way_at_the_same_time_as_are_allowed_and_no_more(workers: int) -> None:
    together = threading.Barrier(workers, timeout=60)
    lock, under_way, most = threading.Lock(), Counter[str](), []

    def start(_: int) -> Started:
        with lock:
            under_way["now"] += 1
            most.append(under_way["now"])
        together.wait()  # Ends only if all of them are here.
        with lock:
            under_way["now"] -= 1
        return Started.ACCEPTED

    started, failed = run(list(range(3 * workers)), start, StartLimits(workers=workers))
    assert (len(started), failed, max(most)) == (3 * workers, {}, workers)


def test_a_single_start_needs_no_thread() -> None:
    threads = set()

    def start(_: int) -> Started:
        threads.add(threading.current_thread())
        return Started.ACCEPTED

    run([1], start, StartLimits(workers=8))
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("workers", [1, 4])
def test_no_second_has_more_than_300_starts_in_it(workers: int) -> None:
    """Lambda starts 300 durable executions a second in a Region."""
    time, lock, made = FakeTime(), threading.Lock(), []
    limiter = recoveries.starts_limiter(now=lambda: time.now, sleep=time.sleep)

    def wait() -> None:
        limiter.wait()
        made.append(time.now)

    def start(_: int) -> Started:
        with lock:
            return Started.ACCEPTED

    run(list(range(1500)), start, StartLimits(workers=workers, wait=wait))
    # Calls that were allowed at once, counted from each moment on.
    assert max(sum(at <= one < at + 1 for one in made) for at in set(made)) <= 300
    assert made[99] < 0.001 < made[100]
    assert time.now < 1500 / 200


def test_what_passes_is_tried_again_after_the_others_and_what_does_not_is_told_at_once() -> None:
    time, tries = FakeTime(), []

    def start(job: int) -> Started:
        tries.append(job)
        if job == 0 and tries.count(0) < 4:
            raise BusyError
        if job == 1:
            raise DeniedError
        return Started.ACCEPTED

    started, failed = run([0, 1, 2], start, StartLimits(passes=is_busy, sleep=time.sleep))
    assert started == [2, 0]
    assert tries == [0, 1, 2, 0, 0, 0]
    assert {job: type(error) for job, error in failed.items()} == {1: DeniedError}
    assert time.slept == [1, 2, 4]


def test_what_never_passes_is_tried_until_the_time_is_nearly_over_and_told_with_its_reason() -> None:
    time = FakeTime()

    def start(_: int) -> Started:
        time.now += 1
        raise BusyError("Rate exceeded")

    limits = StartLimits(passes=is_busy, sleep=time.sleep, left_s=lambda: 300 - time.now)
    started, failed = run([1], start, limits)
    assert started == []
    assert str(failed[1]) == "Rate exceeded"
    assert 250 < time.now < 281
    assert max(time.slept) == 20


def test_when_the_time_is_over_nothing_is_begun_and_what_is_left_is_told() -> None:
    time = FakeTime()

    def start(_: int) -> Started:
        time.now += 1
        return Started.ACCEPTED

    started, failed = run(list(range(1000)), start, StartLimits(left_s=lambda: 300 - time.now))
    assert started == list(range(280))
    assert {type(error) for error in failed.values()} == {NoTimeLeftError}
    assert {str(error) for error in failed.values()} == {
        "the function's time was over before it could be started"
    }


def test_a_start_that_was_refused_before_the_time_was_over_is_told_with_its_reason() -> None:
    """Both at first; then the first takes all the time that there is."""
    time = FakeTime()
    tried: list[int] = []

    def start(job: int) -> Started:
        tried.append(job)
        time.now += 290 if len(tried) > 2 else 0
        raise BusyError(f"{job} is throttled")

    limits = StartLimits(passes=is_busy, sleep=time.sleep, left_s=lambda: 300 - time.now)
    _, failed = run([1, 2], start, limits)
    assert {job: str(error) for job, error in failed.items()} == {1: "1 is throttled", 2: "2 is throttled"}


@pytest.mark.parametrize(("takes_s", "slept"), [(18, [1]), (19, [])])
def test_nobody_waits_for_a_try_that_there_is_no_time_for(takes_s: int, slept: list[int]) -> None:
    """A pause of one second has to leave more than the 20 s that are kept for the end."""
    time, tries = FakeTime(), []

    def start(_: int) -> Started:
        tries.append(time.now)
        time.now += takes_s
        raise BusyError("Rate exceeded")

    limits = StartLimits(passes=is_busy, sleep=time.sleep, left_s=lambda: 40 - time.now)
    _, failed = run([1], start, limits)
    assert str(failed[1]) == "Rate exceeded"
    assert (time.slept, len(tries)) == (slept, 1 + len(slept))


def test_a_function_with_little_time_begins_all_the_same() -> None:
    time = FakeTime()

    def start(_: int) -> Started:
        time.now += 1
        return Started.ACCEPTED

    started, _ = run(list(range(10)), start, StartLimits(left_s=lambda: 6 - time.now))
    assert started == [0, 1, 2]


@pytest.mark.parametrize(
    ("turn", "order"), [(0, [0, 1, 2, 3]), (0.25, [1, 2, 3, 0]), (0.5, [2, 3, 0, 1]), (0.99, [3, 0, 1, 2])]
)
def test_it_begins_where_it_is_told_to_and_goes_all_round(turn: float, order: list[int]) -> None:
    started, _ = run([0, 1, 2, 3], accept, StartLimits(turn=turn))
    assert started == order


@pytest.mark.parametrize("workers", [1, 3])
def test_a_fault_in_the_telling_ends_it_with_that_fault(workers: int) -> None:
    def tell(_job: int, _outcome: Started | Exception) -> None:
        raise BrokenPipeError("nobody reads the log")

    with pytest.raises(BrokenPipeError):
        start_all(list(range(9)), accept, tell, StartLimits(workers=workers))


def answered(status: int, code: str = "X") -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Invoke",
    )


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (answered(429, "TooManyRequestsException"), True),
        (answered(500, "ServiceException"), True),
        (answered(502, "ENILimitReachedException"), True),
        (ConnectTimeoutError(endpoint_url="https://lambda"), True),
        (ReadTimeoutError(endpoint_url="https://lambda"), True),
        (answered(403, "AccessDeniedException"), False),
        (answered(404, "ResourceNotFoundException"), False),
        (answered(413, "RequestTooLargeException"), False),
        (NoCredentialsError(), False),
        (ValueError("Out of range float values are not JSON compliant"), False),
    ],
)
def test_what_lambda_or_the_network_does_for_a_moment_passes(error: Exception, passes: bool) -> None:
    assert recoveries.passes(error) is passes
