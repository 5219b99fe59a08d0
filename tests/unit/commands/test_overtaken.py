"""Overtaken runs are one outage for as long as they follow each other, and each outage is told by one audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retry_run_task.commands.audit.function import read_overtaken
from retry_run_task.commands.audit.overtaken import Place, outages, told
from retry_run_task.commands.shared.view import Execution, RecoveryView, ViewState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SWEEP = Place("", "eu-west-1", "sweep", "batch", "sweep-task")


def at(text: str, day: int = 0) -> datetime:
    hour, minute = map(int, text.split(":"))
    return MIDNIGHT + timedelta(days=day, hours=hour, minutes=minute)


def run(failed: datetime, ended: datetime, schedule: str = "sweep") -> RecoveryView:
    execution = Execution(
        arn=f"arn:{schedule}:{failed}", name=f"r-{failed}", status="FAILED", started=failed, ended=ended
    )
    return RecoveryView(
        execution=execution,
        state=ViewState.GAVE_UP,
        schedule=schedule,
        cluster="batch",
        family=f"{schedule}-task",
        event_time=failed,
        is_left_to_audit=True,
    )


def storm(first: datetime, number: int, every: timedelta = timedelta(minutes=5)) -> list[RecoveryView]:
    """Runs that the next one overtakes, each a minute after it was due."""
    return [run(first + every * n, first + every * (n + 1) + timedelta(minutes=1)) for n in range(number)]


def found(
    runs: list[RecoveryView], end: datetime, ran: dict[Place, list[datetime]] | None = None
) -> list[tuple[str, int, datetime, datetime, datetime | None, bool]]:
    groups = told(outages(runs, "eu-west-1", ""), end, ran or {})
    return [(one.name, one.count, one.first, one.last, one.over, one.is_going) for one in groups]


def test_one_outage_is_one_group_with_its_number_and_the_run_that_ended_it() -> None:
    runs = storm(at("01:00"), 9)
    ran = {SWEEP: [at("00:55"), at("01:45"), at("01:50")]}
    assert found(runs, at("06:00"), ran) == [("sweep", 9, at("01:00"), at("01:46"), at("01:45"), False)]


def test_two_outages_of_a_schedule_in_a_day_are_two_groups() -> None:
    runs = [*storm(at("01:00"), 3), *storm(at("09:00"), 2)]
    ran = {SWEEP: [at("01:15"), at("09:10")]}
    assert found(runs, at("22:00"), ran) == [
        ("sweep", 3, at("01:00"), at("01:16"), at("01:15"), False),
        ("sweep", 2, at("09:00"), at("09:11"), at("09:10"), False),
    ]


def test_a_run_between_two_that_failed_does_not_end_an_outage_that_goes_on_within_half_an_hour() -> None:
    runs = [run(at("01:00"), at("01:06")), run(at("01:10"), at("01:16")), run(at("01:46"), at("01:51"))]
    ran = {SWEEP: [at("01:05"), at("01:15"), at("01:51")]}
    assert found(runs, at("22:00"), ran) == [("sweep", 3, at("01:00"), at("01:51"), at("01:51"), False)]
    runs[-1] = run(at("01:47"), at("01:51"))
    assert [count for _, count, *_ in found(runs, at("22:00"), ran)] == [2, 1]


def test_an_hourly_schedule_that_fails_each_hour_is_in_one_outage() -> None:
    hour = timedelta(hours=1)
    assert [count for _, count, *_ in found(storm(at("01:00"), 4, hour), at("22:00"))] == [4]
    # One that ran in between ends it.
    runs = [*storm(at("01:00"), 2, hour), *storm(at("04:00"), 1, hour)]
    assert [count for _, count, *_ in found(runs, at("22:00"))] == [2, 1]


def test_schedules_clusters_families_regions_and_accounts_are_apart() -> None:
    runs = [*storm(at("01:00"), 2), run(at("01:00"), at("01:06"), "other")]
    assert [(name, count) for name, count, *_ in found(runs, at("22:00"))] == [("sweep", 2), ("other", 1)]
    # Another schedule's run does not end it.
    other = Place("", "eu-west-1", "sweep", "batch", "other-task")
    assert [over for *_, over, _ in found(storm(at("01:00"), 2), at("22:00"), {other: [at("02:00")]})] == [
        None
    ]


@pytest.mark.parametrize("first", [at("20:00"), at("21:10"), at("21:50"), at("22:00"), at("23:00")])
@pytest.mark.parametrize("number", [1, 6, 14])
def test_each_outage_is_told_by_exactly_one_daily_audit_and_whole(first: datetime, number: int) -> None:
    """Also one that is going on while the audit looks: what has not ended by then is not seen."""
    runs = storm(first, number)
    tellings = []
    for day in range(4):
        end = at("22:00", day - 1)
        seen = [one for one in runs if one.execution.ended is not None and one.execution.ended <= end]
        tellings += found(seen, end)
    assert [count for _, count, *_ in tellings] == [number]


def test_an_outage_that_lasts_for_days_is_told_every_day_with_its_number_so_far() -> None:
    runs = storm(at("12:00"), 3 * 288)
    tellings = []
    for day in range(6):
        end = at("22:00", day)
        seen = [one for one in runs if one.execution.ended is not None and one.execution.ended <= end]
        tellings.append([(count, is_going) for _, count, _, _, _, is_going in found(seen, end)])
    # The first audit sees it for ten hours, and leaves it to the next one.
    assert tellings == [[], [(407, True)], [(695, True)], [(864, False)], [], []]


def test_the_first_run_after_an_outage_is_not_one_that_failed_in_it() -> None:
    """A run of a rule is due some seconds before its call; one that was paused ends long after others ran."""
    paused = run(at("01:00"), at("05:00"))
    ran = {SWEEP: [at("00:55"), at("01:05")]}
    assert [over for *_, over, _ in found([paused], at("22:00"), ran)] == [at("01:05")]
    assert [over for *_, over, _ in found([paused], at("22:00"), {SWEEP: [at("01:00")]})] == [None]


class Kept:
    """What Lambda keeps, and which of it was read."""

    region = "eu-west-1"

    def __init__(self, runs: list[RecoveryView], *, readable: int = 10_000) -> None:
        self.runs = {one.execution.arn: one for one in runs}
        self.readable = readable
        self.read: set[str] = set()

    def begun(self, after: datetime) -> list[Execution]:
        return [one.execution for one in self.runs.values() if one.execution.started > after]

    def look_in_time(
        self, executions: Sequence[Execution], _: Callable[[str], None], __: Callable[[], bool]
    ) -> tuple[list[RecoveryView], int]:
        known = [self.runs[one.arn] for one in executions][: self.readable]
        self.read |= {one.execution.arn for one in known}
        return known, len(executions) - len(known)


def read(kept: Any, end: datetime) -> tuple[list[int], list[str]]:
    groups, unread = read_overtaken(kept, end, lambda: False, "", {})
    return [one.count for one in groups], unread


def test_an_outage_that_began_before_the_audits_day_is_read_from_its_beginning() -> None:
    # The audit of the day before left it, and it has been going on for 30 hours when it ends.
    runs = storm(at("20:00"), 12 * 30)
    kept = Kept(runs)
    assert read(kept, at("22:00", 2)) == ([12 * 30], [])
    # Where nothing reaches back, nothing more is read.
    calm = Kept([*storm(at("01:00"), 12), *storm(at("09:00", 1), 12)])
    assert read(calm, at("22:00", 1)) == ([12], [])
    assert len(calm.read) == 12


def test_an_outage_longer_than_is_looked_back_ends_the_search() -> None:
    kept = Kept(storm(at("00:00"), 24 * 12, timedelta(hours=1)))
    ((count,), unread) = read(kept, at("22:00", 11))
    assert (180 < count < 200, unread) == (True, [])


def test_what_there_was_no_time_for_is_told_and_nothing_more_is_read() -> None:
    kept = Kept(storm(at("20:00"), 12 * 30), readable=10)
    assert read(kept, at("22:00", 2)) == (
        [10],
        ["runs that were overtaken: there was no time to read 63 of 73 recoveries"],
    )
