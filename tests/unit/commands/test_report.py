"""Jobs, figures, advice and the page, from two weeks of records and from single calls."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from retry_run_task.commands.report import findings, page, rehearsal
from retry_run_task.commands.report.advice import Kind
from retry_run_task.commands.report.findings import Gathered, Report
from retry_run_task.commands.report.jobs import CallEnding, jobs_of
from retry_run_task.commands.report.outages import Outage
from retry_run_task.commands.report.rehearsal import KnownOutages, PastRun
from retry_run_task.commands.shared.calls import RunTaskCall, read_record
from retry_run_task.commands.shared.inventory import Launcher
from retry_run_task.commands.shared.view import Execution, RecoveryView, ViewState
from retry_run_task.launch import names
from retry_run_task.launch.values import CallerKind
from support import nights
from support.html_pages import inspect, read
from support.records import CLUSTER, RULE_ROLE, error_record, record

SINCE, UNTIL = nights.START, nights.START + timedelta(days=nights.DAYS)


def launcher(name: str, kind: CallerKind, expression: str, **changes: Any) -> Launcher:
    known = {"cluster": CLUSTER, "task_definition": f"{name}:3", "role_arn": RULE_ROLE} | changes
    return Launcher(kind=kind, name=name, expression=expression, **known)


LAUNCHERS = (
    launcher("nightly-report", CallerKind.RULE, "cron(0 0 * * ? *)"),
    launcher("invoice-export", CallerKind.SCHEDULER, "cron(0 0 * * ? *)"),
    launcher("thumbnails", CallerKind.SCHEDULER, "cron(0 1 * * ? *)"),
)


@functools.cache
def calls() -> tuple[RunTaskCall, ...]:
    return tuple(found for one in nights.records() if (found := read_record(one)) is not None)


@functools.cache
def made() -> Report:
    return findings.make(
        Gathered(source="ap-northeast-1", since=SINCE, until=UNTIL, calls=calls(), launchers=LAUNCHERS)
    )


def call(found: Any = None, **changes: Any) -> RunTaskCall:
    made = read_record(record(**changes) if found is None else found)
    assert made is not None
    return made


# Jobs.


def test_who_calls_is_told_by_the_schedules_or_by_the_calls_alone() -> None:
    known = {job.name: (job.runs, len(job.failed)) for job in jobs_of(calls(), launchers=LAUNCHERS)}
    assert known == {job.name: (job.runs, len(job.failed)) for job in jobs_of(calls())}
    assert known["nightly-report"] == (14, 10)
    assert known["thumbnails"] == (14, 4)
    assert known["queue-sweep"] == (14 * 24, 0)


def test_an_sdk_that_repeats_a_call_made_one() -> None:
    token = {"clientToken": "0b0e7a1c-1d2e-4f3a-8b4c-5d6e7f8a9b0c"}
    first = call(eventID="9d9f0b5e-0b1c-4f0e-9f0e-7c1d2f3a4b51")
    again = call(eventID="9d9f0b5e-0b1c-4f0e-9f0e-7c1d2f3a4b52", eventTime="2026-11-24T00:00:05Z")
    assert token["clientToken"] in str(record()["requestParameters"])
    (job,) = jobs_of([again, first])
    assert [one.call.event_id for one in job.failed] == [first.event_id]


def test_no_recovery_is_not_a_success() -> None:
    (job,) = jobs_of([call()])
    (one,) = job.failed
    assert (one.ending, one.started, one.recovery_calls) == (CallEnding.NOTHING, None, 0)


def test_an_error_is_eventbridges_to_repeat() -> None:
    (job,) = jobs_of([call(error_record("ThrottlingException", "Rate exceeded"))])
    assert job.failed[0].ending is CallEnding.REPEATED
    assert job.short == ()


def view(launch: Any, state: ViewState, **changes: Any) -> RecoveryView:
    name = names.recovery_name_of("retry-run-task", launch)
    ended = launch.event_time + timedelta(minutes=9)
    execution = Execution(arn="arn", name=name, status="SUCCEEDED", started=launch.event_time, ended=ended)
    return RecoveryView(execution=execution, state=state, launch=launch, **changes)


@pytest.mark.parametrize(
    ("state", "outcome", "ending", "waited_s"),
    [
        (ViewState.RECOVERED, "recovered", CallEnding.STARTED, 540.0),
        # It ran already; since when is not known.
        (ViewState.RECOVERED, "already running", CallEnding.STARTED, None),
        (ViewState.GAVE_UP, "expired", CallEnding.GAVE_UP, None),
        (ViewState.STOPPED, "stopped", CallEnding.GAVE_UP, None),
        (ViewState.WAITING, "", CallEnding.OPEN, None),
    ],
)
def test_a_recovery_tells_what_became_of_a_call(
    state: ViewState, outcome: str, ending: CallEnding, waited_s: float | None
) -> None:
    failed = call()
    found = view(failed.failed, state, outcome=outcome, calls=7)
    (job,) = jobs_of([failed], views={found.execution.name: found}, stack="retry-run-task")
    (one,) = job.failed
    assert (one.ending, one.waited_s, one.recovery_calls) == (ending, waited_s, 7)


# Figures.


def test_the_heat_map_counts_in_the_time_zone_that_was_asked_for() -> None:
    report = made()
    # Mondays to Fridays at midnight, for two weeks and two schedules.
    assert [row[0].failed for row in report.heat] == [4, 4, 4, 4, 4, 0, 0]
    assert sum(cell.failed for row in report.heat for cell in row) == len(report.failed)
    assert sum(cell.calls for row in report.heat for cell in row) == report.runs
    tokyo = findings.make(replace(report.gathered, calls=calls()), ZoneInfo("Asia/Tokyo"))
    assert [tokyo.heat[0][hour].failed for hour in (0, 9)] == [0, 4]


def test_the_places_that_were_short() -> None:
    found = {(one.provider, one.subnet): one for one in made().places}
    assert set(found) == {(p, s) for p in ("FARGATE", "FARGATE_SPOT") for s in ("subnet-0a", "subnet-0c")}
    assert found["FARGATE", "subnet-0a"].failed == 20
    assert found["FARGATE", "subnet-0a"].zone == "ap-northeast-1a"


def test_what_would_have_happened_without() -> None:
    report = made()
    assert report.missed_without == 24
    assert len(report.waits) == len(report.waits_without) == 24
    assert max(report.waits) < 3 * 3600 < min(report.waits_without)


def test_what_is_outside_of_the_time_asked_for_does_not_count() -> None:
    since = datetime(2026, 11, 16, tzinfo=UTC)
    report = findings.make(replace(made().gathered, since=since, until=since + timedelta(days=1)))
    assert len(report.failed) == 2
    assert report.endings == {CallEnding.STARTED: 2}
    assert [one.outages for one in report.places] == [1, 1]
    # A recovery goes on after it.
    report = findings.make(replace(made().gathered, since=since, until=since + timedelta(minutes=1)))
    assert report.endings == {CallEnding.STARTED: 2}


def test_nothing_failed() -> None:
    report = findings.make(Gathered(source="x", since=SINCE, until=UNTIL, calls=()))
    assert report.advice == ()
    assert "None of 0 calls failed" in page.render(report)
    assert findings.as_json(report)["started_after_s"] == {"median": None, "max": None}


# Advice.


def advice(kind: Kind, name: str) -> Any:
    return next((one for one in made().advice if one.kind is kind and name in one.jobs), None)


@pytest.mark.parametrize(
    ("kind", "name", "title", "code"),
    [
        (
            Kind.MOVE,
            "nightly-report",
            "Move nightly-report by 15 min",
            'schedule_expression = "cron(15 0 * * ? *)"',
        ),
        (
            Kind.SUBNET,
            "invoice-export",
            "Give invoice-export the subnet subnet-0d in ap-northeast-1d",
            'subnets = ["subnet-0a", "subnet-0c", "subnet-0d"]',
        ),
        (
            Kind.ON_DEMAND,
            "thumbnails",
            "Let thumbnails run on demand when Spot is short",
            'rungs = ["as-asked", "each-subnet", "on-demand"]',
        ),
        (
            Kind.DEADLINE,
            "nightly-report",
            "Give up after 1 h: 2 schedules never needed longer",
            'deadline = "1 h"',
        ),
    ],
)
def test_what_would_have_helped(kind: Kind, name: str, title: str, code: str) -> None:
    one = advice(kind, name)
    assert one.title == title
    assert one.change.code.endswith(code)
    assert one.change.commands
    assert one.after.lost <= one.before.lost


def test_the_effect_is_that_of_past_runs() -> None:
    one = advice(Kind.MOVE, "nightly-report")
    assert (one.before.runs, one.before.failed, one.before.lost) == (14, 10, 0)
    assert one.after.failed <= 2
    assert one.after.typical_s == 15 * 60
    # The simulated recovery is about as fast as the recorded one.
    (job,) = (job for job in made().jobs if job.name == "nightly-report")
    longest = max(wait for failed in job.failed if (wait := failed.waited_s))
    assert one.before.worst_s == pytest.approx(longest, abs=120)


def test_what_no_waiting_helps_is_to_be_fixed() -> None:
    one = advice(Kind.FIX, "usage-rollup")
    assert one.before is None
    assert "ATTRIBUTE" in one.why[0]


@pytest.mark.parametrize("name", ["queue-sweep", "ledger-close"])
def test_who_never_failed_gets_no_advice(name: str) -> None:
    assert not any(name in one.jobs for one in made().advice)


@pytest.mark.parametrize("days", [1, 2])
def test_few_failures_are_no_pattern(days: int) -> None:
    # Two days have four failed calls of two schedules at midnight: two each.
    until = SINCE + timedelta(days=days)
    report = findings.make(replace(made().gathered, until=until))
    assert {one.kind for one in report.advice} <= {Kind.FIX}


def test_a_subnet_where_nobody_was_placed_is_not_advised() -> None:
    seen = tuple(one for one in calls() if "subnet-0d" not in one.subnets or one.failed)
    report = findings.make(replace(made().gathered, calls=seen))
    assert not any(one.kind is Kind.SUBNET for one in report.advice)


def test_a_subnet_of_another_network_is_not_advised() -> None:
    other = tuple(
        replace(one, security_groups=("sg-other",)) if "subnet-0d" in one.subnets else one for one in calls()
    )
    report = findings.make(replace(made().gathered, calls=other))
    assert not any(one.kind is Kind.SUBNET for one in report.advice)


def test_without_on_demand_tasks_there_the_rung_is_not_advised() -> None:
    alone = tuple(one for one in calls() if one.provider == "FARGATE_SPOT")
    report = findings.make(replace(made().gathered, calls=alone))
    assert report.failed
    assert not any(one.kind is Kind.ON_DEMAND for one in report.advice)


def test_without_recoveries_the_end_of_an_outage_is_not_known_and_no_move_looks_good() -> None:
    first = tuple(
        one for one in calls() if not one.is_ours and (one.failed or one.family == "nightly-report")
    )
    report = findings.make(replace(made().gathered, calls=first))
    moves = [one for one in report.advice if one.kind is Kind.MOVE]
    assert all("by 30 min" in one.title or "by 45 min" in one.title for one in moves)
    assert not any(one.kind is Kind.DEADLINE for one in report.advice)


# Rehearsal.

GAP = Outage(1000.0, 1600.0, is_over=True)
ROOM = KnownOutages(provider="FARGATE", outages={"FARGATE": (GAP,)})


@pytest.mark.parametrize(
    ("time", "until", "moved_s", "failed", "lost"),
    [
        (1000.0, 90000.0, 0.0, 1, 0),
        (999.0, 90000.0, 0.0, 0, 0),
        (1000.0, 90000.0, 600.0, 0, 0),
        (1000.0, 90000.0, 599.0, 1, 0),
        # The next run is due before there is room.
        (1000.0, 1300.0, 0.0, 1, 1),
    ],
)
def test_a_run_is_lived_through_again(
    time: float, until: float, moved_s: float, failed: int, lost: int
) -> None:
    run = PastRun(time=time, until=until, failed=True)
    found = rehearsal.by_default().of([run], ROOM, moved_s=moved_s)
    assert (found.failed, found.lost) == (failed, lost)
    if failed and not lost:
        assert found.worst_s is not None
        # Known after 75 s, then an attempt every 50 s at most.
        assert max(moved_s, 600) <= found.worst_s <= max(moved_s + 75, 600) + 60
    elif not lost:
        assert found.worst_s == moved_s


# The page.

HOSTILE = "<script>alert(1)</script>\"'&\x1b[2J\n| sh"


def hostile() -> Report:
    kind = {"reason": HOSTILE}
    found = []
    for day in range(9, 14):
        request = record()["requestParameters"] | {
            "startedBy": f"events-rule/{HOSTILE}",
            "clientToken": HOSTILE + str(day),
            "cluster": HOSTILE,
            "networkConfiguration": {
                "awsvpcConfiguration": {"subnets": [HOSTILE], "securityGroups": [HOSTILE]}
            },
        }
        for reason in (kind, record()["responseElements"]["failures"][0]):
            found.append(
                call(
                    request=request,
                    eventTime=f"2026-11-{day:02}T00:00:03Z",
                    eventID=f"9d9f0b5e-0b1c-4f0e-9f0e-{len(found):012}",
                    responseElements={"tasks": [], "failures": [reason]},
                )
            )
    return findings.make(Gathered(source=HOSTILE, since=SINCE, until=UNTIL, calls=found, notes=(HOSTILE,)))


@pytest.mark.parametrize("make", [made, hostile])
def test_every_tag_is_closed_and_nothing_is_fetched_or_run(make: Any) -> None:
    reader = read(page.render(make()))
    assert {tag for tag, _ in reader.tags}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "base", "form"}
    )
    for tag, attributes in reader.tags:
        assert not any(name.startswith("on") or name in ("src", "srcset", "href") for name in attributes), tag


def test_what_a_record_says_is_escaped_wherever_it_stands() -> None:
    report = hostile()
    assert len(report.failed) == 10
    shown = page.render(report)
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert shown.count("&lt;script&gt;") >= 5
    for one in report.advice:
        assert one.change is None or HOSTILE not in one.change.commands + one.change.code
    json.dumps(findings.as_json(report))


def test_the_page_says_what_was_found() -> None:
    text = "".join(read(page.render(made())).text)
    for one in made().advice:
        assert one.title in text
        if one.change is not None:
            assert one.change.code in text
            assert one.change.commands in text
    for name in ("nightly-report", "thumbnails", "usage-rollup", "subnet-0c", "ap-northeast-1c"):
        assert name in text


def test_colours_are_there_for_light_and_dark() -> None:
    shown = page.render(made())
    light, dark = shown.split("@media", 1)
    used = set(re.findall(r"var\(--(\w+)\)", shown))
    assert used <= set(re.findall(r"--(\w+):", light))
    assert used <= set(re.findall(r"--(\w+):", dark))


@pytest.mark.parametrize("size", ["1280,2000", "700,2000", "390,2000"])
def test_in_a_browser_nothing_is_cut_and_no_label_lies_on_another(tmp_path: Path, size: str) -> None:
    seen = inspect(page.render(made()), tmp_path, size=size)
    assert '"pictures":2,"blank":0,"found":[]' in seen


def test_in_a_browser_it_is_dark_for_those_who_like_it_dark(tmp_path: Path) -> None:
    seen = inspect(page.render(made()), tmp_path, "--blink-settings=preferredColorScheme=0")
    assert '"dark":true,"ground":"rgb(20, 23, 28)"' in seen
