"""What a process knows about other recoveries: a count that lasts a while, and where there was room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.paginate import Paginator

from retry_run_task.aws import counting
from retry_run_task.aws.neighbours import COUNTED_FOR_S, FEW_FOR_S, ROOM_FOR_S, Neighbours, Paced
from retry_run_task.recovery.crowd import FEW, UNPACED
from support.paces import FakeTime

SESSION = botocore.session.Session()
MODEL = SESSION.get_service_model("lambda")
PAGINATION = SESSION.get_component("data_loader").load_service_model("lambda", "paginators-1")


# Not the moment at which the clock of a process begins.
NOW = 1000


def counts(*sizes: int | None) -> tuple[Callable[[], int | None], list[int]]:
    asked: list[int] = []

    def count() -> int | None:
        asked.append(1)
        return sizes[min(len(asked), len(sizes)) - 1]

    return count, asked


@pytest.mark.parametrize(
    ("size", "lasts_s"),
    [(1, FEW_FOR_S), (UNPACED, FEW_FOR_S), (UNPACED + 1, COUNTED_FOR_S), (None, COUNTED_FOR_S)],
)
def test_a_count_lasts_a_minute_and_a_small_one_is_soon_repeated(size: int | None, lasts_s: int) -> None:
    time, (count, asked) = FakeTime(), counts(size)
    known = Neighbours(count, lambda: time.now)
    for time.now in (NOW, NOW + lasts_s - 0.1):
        assert known.size() == size
        assert len(asked) == 1
    time.now = NOW + lasts_s
    known.size()
    assert len(asked) == 2


def test_a_failed_count_is_no_crowd_and_no_end_of_one() -> None:
    time, (count, asked) = FakeTime(), counts(None, 700, None, None, 3)
    known = Neighbours(count, lambda: time.now)
    found = []
    for time.now in range(NOW, NOW + 300, COUNTED_FOR_S):
        found.append(known.size())
    assert found == [None, 700, 700, 700, 3]
    assert len(asked) == 5


def test_room_is_remembered_for_a_minute_and_the_last_counts() -> None:
    time = FakeTime()
    known = Neighbours(lambda: 1, lambda: time.now)
    time.now = NOW
    assert known.room() == ""
    known.placed("as-asked")
    known.placed("each-subnet subnet-a")
    time.now = NOW + ROOM_FOR_S - 0.1
    assert known.room() == "each-subnet subnet-a"
    time.now = NOW + ROOM_FOR_S
    assert known.room() == ""


@pytest.mark.parametrize(
    ("size", "at"),
    [
        (UNPACED, [0, 0, 0.5, 1.0]),
        (FEW, [0, 0, 1.0, 2.0]),
        (None, [0, 0, 1.0, 2.0]),
        (FEW + 1, [0, 1.0, 2.0, 3.0]),
    ],
)
def test_the_count_sets_the_pace_of_calls_and_of_reads(size: int | None, at: list[float]) -> None:
    for which in ("calls", "reads"):
        time = FakeTime()
        time.now = 100.0
        known = Neighbours(lambda: size, time.read)
        calls, reads = (time.limiter(1, ahead=1, rested_s=1) for _ in range(2))
        paced = Paced(known, 1, calls=calls, reads=reads)
        assert paced.size() == size
        limiter = getattr(paced, which)
        made = []
        for _ in at:
            limiter.wait()
            made.append(time.now - 100)
        assert made == at
        # The other has not been used, so it keeps nobody.
        paced.rest()
        assert time.now - 100 >= made[-1]


def test_an_invocation_is_kept_until_its_last_read_is_a_second_old() -> None:
    time = FakeTime()
    paced = Paced(
        Neighbours(lambda: FEW + 1, lambda: time.now),
        1,
        calls=time.limiter(1, ahead=1),
        reads=time.limiter(1, ahead=1),
    )
    paced.size()
    paced.reads.wait()
    paced.reads.wait()
    paced.rest()
    assert time.now == 2.0


def test_what_one_recovery_places_is_room_for_the_next_of_the_process() -> None:
    time = FakeTime()
    known = Neighbours(lambda: 1, lambda: time.now)
    first, second = (Paced(known, 1, calls=time.limiter(1), reads=time.limiter(1)) for _ in range(2))
    first.placed("as-asked")
    assert second.room() == "as-asked"


class Pages:
    """A Lambda client that has so many executions in progress."""

    def __init__(self, size: int, error: Exception | None = None, answer: Any = None) -> None:
        self.size, self.error, self.answer = size, error, answer
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> Paginator:
        pages = PAGINATION["pagination"]["ListDurableExecutionsByFunction"]
        return Paginator(
            getattr(self, operation), pages, MODEL.operation_model("ListDurableExecutionsByFunction")
        )

    def list_durable_executions_by_function(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        if self.answer is not None:
            return self.answer
        start = int(asked.get("Marker", 0))
        end = min(start + asked["MaxItems"], self.size)
        more = {"NextMarker": str(end)} if end < self.size else {}
        return {"DurableExecutions": [{}] * (end - start), **more}


@pytest.mark.parametrize(
    ("size", "counted", "pages"),
    [
        (0, None, 1),
        (1, 1, 1),
        (1_000, 1_000, 1),
        (1_001, 1_001, 2),
        (9_500, 9_500, 10),
        (100_000, 15_000, 15),
    ],
)
def test_all_in_progress_are_counted_up_to_fifteen_pages(size: int, counted: int | None, pages: int) -> None:
    client = Pages(size)
    given: Any = client
    assert counting.count_running(given, "the-function", "7") == counted
    assert len(client.asked) == pages
    assert {(asked["FunctionName"], asked["Qualifier"]) for asked in client.asked} == {("the-function", "7")}
    assert all(asked["Statuses"] == ["RUNNING"] for asked in client.asked)


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListDurableExecutionsByFunction"),
        ClientError({"Error": {"Code": "TooManyRequestsException"}}, "ListDurableExecutionsByFunction"),
        ConnectTimeoutError(endpoint_url="https://lambda"),
        ValueError("whatever an odd answer raises"),
    ],
)
def test_a_count_that_lambda_refuses_is_unknown_and_no_error(error: Exception) -> None:
    client: Any = Pages(5, error)
    assert counting.count_running(client, "the-function", "7") is None


@pytest.mark.parametrize(
    "answer", [{}, {"DurableExecutions": None}, {"DurableExecutions": [{}], "NextMarker": "1"}]
)
def test_an_answer_without_its_list_or_that_never_ends_is_no_count(answer: Any) -> None:
    client: Any = Pages(5, answer=answer)
    assert counting.count_running(client, "the-function", "7") is None


def test_a_count_keeps_no_recovery_waiting() -> None:
    config: Any = counting.CONFIG
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 5
