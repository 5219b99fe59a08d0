"""What was due against what ran: each run has one result, and a reason where a person needs one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.commands.audit.auditing import audit, is_of_a_task, key_of, names_to_read
from retry_run_task.commands.audit.runs import Audited, Evidence, RunResult, SeenTask, Window
from retry_run_task.commands.shared.calls import RunTaskCall
from retry_run_task.commands.shared.installation import Installation
from retry_run_task.commands.shared.inventory import Launcher
from retry_run_task.commands.shared.view import Execution, RecoveryView, ViewState
from retry_run_task.launch import names as identity
from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, Failure, Origin
from retry_run_task.policy.scope import Scope
from support.records import (
    ACCOUNT,
    CAPACITY,
    CLUSTER,
    EVENT_ID,
    REGION,
    RULE_ROLE,
    TASK_DEFINITION,
    launch,
    parameters,
)

DAY = datetime(2026, 11, 24, tzinfo=UTC)
NOW = DAY + timedelta(days=1, hours=1)
WINDOW = Window(since=DAY, until=DAY + timedelta(days=1))
INSTALLATION = Installation(
    stack="retry-run-task",
    recover="retry-run-task-recover:live",
    scope=Scope(account=ACCOUNT, regions=(REGION,)),
    recover_errors=False,
)
NAME = f"retry-run-task-{EVENT_ID}"


def launcher(name: str = "nightly", expression: str | None = "cron(0 3 * * ? *)", **changes: Any) -> Launcher:
    values: dict[str, Any] = {
        "kind": CallerKind.RULE,
        "cluster": CLUSTER,
        "task_definition": TASK_DEFINITION,
        "role_arn": RULE_ROLE,
    }
    return Launcher(name=name, expression=expression, **(values | changes))


def call(at: datetime, name: str = "nightly", **changes: Any) -> RunTaskCall:
    values: dict[str, Any] = {
        "event_id": "e",
        "time": at,
        "caller": Caller(kind=CallerKind.RULE, role_arn=RULE_ROLE),
        "parameters": {
            "cluster": "batch",
            "taskDefinition": "nightly",
            "startedBy": f"events-rule/{name}"[:36],
        },
        "placed": ("arn:task",),
    }
    return RunTaskCall(**(values | changes))


def failed(at: datetime, **changes: Any) -> RunTaskCall:
    one: FailedLaunch = launch(event_time=at, **changes)
    return call(at, failed=one, placed=())


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


def audited(
    *calls: RunTaskCall, window: Window = WINDOW, of: Launcher | None = None, **evidence: Any
) -> Audited:
    values: dict[str, Any] = {"calls": calls, "installation": INSTALLATION, "now": NOW}
    (found,) = audit([of or launcher()], window, Evidence(**(values | evidence)))
    return found


def results(found: Audited) -> list[tuple[str, str]]:
    return [(f"{run.due:%H:%M}", run.result.value) for run in found.runs]


def view(state: ViewState, name: str = NAME, **changes: Any) -> dict[str, RecoveryView]:
    execution = Execution(arn="arn", name=name, status="RUNNING", started=DAY)
    return {name: RecoveryView(execution=execution, state=state, **changes)}


@pytest.mark.parametrize(
    ("calls", "evidence", "result", "why"),
    [
        ((call(at(3, 0, 40)),), {}, "ran", ""),
        # Clocks differ; later than the tolerance it is not this run's.
        ((call(at(2, 59, 57)),), {}, "ran", ""),
        ((call(at(3, 5)),), {}, "ran", ""),
        ((call(at(2, 50)),), {}, "missed", "nothing called RunTask for it"),
        ((), {}, "missed", "nothing called RunTask for it"),
        ((call(at(3), name="nightly-2"),), {}, "missed", "nothing"),
        ((call(at(3), caller=Caller(kind=CallerKind.RULE, role_arn="arn:other")),), {}, "missed", "nothing"),
        ((call(at(3), caller=Caller(kind=CallerKind.OTHER, role_arn=RULE_ROLE)),), {}, "missed", "nothing"),
        # EventBridge came late: it repeats for a day what it could not call.
        ((call(at(9)),), {}, "ran", "6 h late"),
        # It failed.
        (
            (failed(at(3)),),
            {"views": view(ViewState.RECOVERED, outcome="recovered")},
            "recovered",
            "recovered",
        ),
        (
            (failed(at(3)),),
            {"views": view(ViewState.WAITING, calls=4)},
            "going",
            "waiting after 4 RunTask calls",
        ),
        ((failed(at(3)),), {"views": view(ViewState.PAUSED)}, "going", "paused"),
        (
            (failed(at(3)),),
            {"views": view(ViewState.GAVE_UP, outcome="expired", why="too late")},
            "gave up",
            "expired: too late",
        ),
        ((failed(at(3)),), {"views": view(ViewState.STOPPED, outcome="stopped")}, "gave up", "stopped"),
        ((failed(at(3)),), {"views": view(ViewState.RECOVERED, name=f"{NAME}-again-1")}, "recovered", ""),
        ((failed(at(3)),), {}, "lost", f"{CAPACITY}; no recovery was started"),
        ((failed(at(3)),), {"installation": None}, "lost", "nothing is installed"),
        ((failed(at(3)),), {"unread": "AccessDenied"}, "unknown", "recoveries are not known: AccessDenied"),
        ((failed(at(3), region="eu-west-1"),), {}, "lost", "it happened in eu-west-1"),
        ((failed(at(3)), call(at(3, 2))), {}, "ran", ""),
        ((failed(at(3)),), {"now": at(3, 10)}, "unknown", "may not have begun yet"),
        ((failed(at(3)),), {"now": at(3) + timedelta(days=31)}, "unknown", "forgotten"),
        # What is too fresh to be known.
        ((), {"now": at(3, 10)}, "unknown", "too recent"),
    ],
)
def test_what_became_of_a_run(
    calls: tuple[RunTaskCall, ...], evidence: dict[str, Any], result: str, why: str
) -> None:
    (run,) = audited(*calls, **evidence).runs
    assert (run.due, run.result.value) == (at(3), result)
    assert why in run.why


def test_a_thrown_error_is_eventbridges_to_repeat_for_as_long_as_it_does() -> None:
    error = failed(
        at(3), failures=(Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"),)
    )
    (run,) = audited(error, now=at(12)).runs
    assert (run.result, "until 2026-11-25 03:00 UTC" in run.why) == (RunResult.IN_PROGRESS, True)
    (run,) = audited(error, now=NOW + timedelta(days=1)).runs
    assert run.result is RunResult.LOST
    (run,) = audited(error, of=launcher(event_age_s=60), now=at(12)).runs
    assert run.result is RunResult.LOST
    (run,) = audited(error, call(at(3, 40)), now=at(12)).runs
    assert run.result is RunResult.RAN


def test_a_recovery_that_lambda_has_forgotten_is_seen_by_its_call() -> None:
    mark = identity.started_by_of("events-rule/nightly", launch().call_id)
    own = call(at(3, 30), caller=Caller(kind=CallerKind.OWN), parameters={"startedBy": mark})
    one = failed(at(3), request=parameters(clientToken=None, dryrun=None))
    (run,) = audited(one, own).runs
    assert (run.result, run.time) == (RunResult.RECOVERED, at(3, 30))


def test_a_task_that_did_not_start_is_told_by_its_recovery() -> None:
    """The call was accepted, so no record tells of it."""
    of_task = launch(event_id="t-0f9c0f9c", event_time=at(3, 2), caller=Caller(kind=CallerKind.RULE))
    gave_up = view(ViewState.GAVE_UP, name="retry-run-task-t-0f9c0f9c", outcome="expired", launch=of_task)
    (run,) = audited(call(at(3)), views=gave_up).runs
    assert (run.result, run.why) == (RunResult.GAVE_UP, "its task did not start; expired")
    later = {name: replace(one, launch=replace(of_task, event_time=at(5))) for name, one in gave_up.items()}
    (run,) = audited(call(at(3)), views=later).runs
    assert run.result is RunResult.RAN
    assert is_of_a_task("retry-run-task-t-0f9c0f9c", "retry-run-task")
    assert not is_of_a_task(NAME, "retry-run-task")


def test_every_due_time_of_the_window_counts_and_gets_one_call() -> None:
    hourly = launcher(expression="cron(0 * * * ? *)")
    window = Window(since=at(1), until=at(4))
    found = audited(call(at(1)), call(at(1, 1)), call(at(3)), of=hourly, window=window)
    assert results(found) == [("01:00", "ran"), ("02:00", "missed"), ("03:00", "ran"), ("04:00", "missed")]


def test_a_run_that_comes_late_is_not_taken_for_the_next() -> None:
    """Every minute, and a minute late each: none is missed."""
    minutely = launcher(expression="cron(* * * * ? *)")
    calls = [call(at(0, minute) + timedelta(seconds=61)) for minute in range(10)]
    found = audited(*calls, of=minutely, window=Window(since=at(0), until=at(0, 9)))
    assert {run.result for run in found.runs} == {RunResult.RAN}


def test_a_flexible_window_is_waited_for() -> None:
    schedule = launcher(kind=CallerKind.SCHEDULER, window_min=30, event_age_s=0)
    late = call(
        at(3, 32),
        caller=Caller(kind=CallerKind.SCHEDULER, role_arn=RULE_ROLE),
        parameters={"cluster": "batch", "taskDefinition": "nightly", "startedBy": "chronos-schedule/nightly"},
    )
    (run,) = audited(late, of=schedule).runs
    assert run.result is RunResult.RAN
    (run,) = audited(of=schedule, now=at(3, 45)).runs
    assert run.result is RunResult.UNKNOWN
    (run,) = audited(of=schedule, now=at(3, 51)).runs
    assert run.result is RunResult.MISSED


def test_before_it_was_changed_nobody_knows_whether_it_was_due() -> None:
    changed = launcher(modified=at(12))
    (run,) = audited(of=changed).runs
    assert (run.result, "it was changed at 2026-11-24 12:00 UTC" in run.why) == (RunResult.UNKNOWN, True)
    (run,) = audited(call(at(3)), of=changed).runs
    assert run.result is RunResult.RAN


def test_due_times_are_those_of_its_time_zone_and_its_bounds() -> None:
    tokyo = launcher(expression="cron(0 9 * * ? *)", timezone="Asia/Tokyo")
    assert results(audited(of=tokyo)) == [("00:00", "missed"), ("00:00", "missed")]
    ended = launcher(expression="cron(0 * * * ? *)", end=at(1, 30), start=at(0, 30))
    assert results(audited(of=ended)) == [("01:00", "missed")]
    once = launcher(expression="at(2026-11-24T07:30:00)")
    assert results(audited(of=once)) == [("07:30", "missed")]
    timed = launcher(expression="rate(8 hours)", start=at(1))
    assert results(audited(of=timed)) == [("01:00", "missed"), ("09:00", "missed"), ("17:00", "missed")]


def test_a_rate_without_a_start_is_counted() -> None:
    """Where its calls lie more than one interval apart, as many are missing; where they do not, none is."""
    hourly = launcher(expression="rate(1 hour)")
    calls = [call(at(hour, 17)) for hour in range(24) if hour not in (5, 6, 20)]
    found = audited(*calls, of=hourly)
    assert found.is_counted
    missed = [f"{run.due:%H:%M}" for run in found.runs if run.result is RunResult.MISSED]
    assert missed == ["05:17", "06:17", "20:17"]
    assert found.counts == {RunResult.RAN: 21, RunResult.MISSED: 3}
    assert audited(of=hourly).counts == {RunResult.MISSED: 23}, (
        "none ran at all; the first may have been due before"
    )


@given(phase=st.integers(0, 3599), jitter=st.lists(st.integers(0, 60), min_size=25, max_size=25))
def test_a_rate_whose_calls_all_came_misses_none(phase: int, jitter: list[int]) -> None:
    calls = [call(DAY + timedelta(hours=n, seconds=phase + late)) for n, late in enumerate(jitter)]
    found = audited(*calls, of=launcher(expression="rate(1 hour)"))
    assert set(found.counts) == {RunResult.RAN}


@given(st.sets(st.integers(0, 23)))
def test_a_cron_misses_exactly_what_did_not_come(gone: set[int]) -> None:
    calls = [call(at(hour, 0, 30)) for hour in range(24) if hour not in gone]
    window = Window(since=at(0), until=at(23, 59))
    found = audited(*calls, of=launcher(expression="cron(0 * * * ? *)"), window=window)
    assert {run.due.hour for run in found.runs if run.result is RunResult.MISSED} == gone


def test_a_repeated_call_of_a_rate_is_the_same_run() -> None:
    found = audited(
        failed(at(0, 17)), call(at(0, 19)), call(at(1, 17)), of=launcher(expression="rate(1 hour)")
    )
    assert [run.result for run in found.runs[:2]] == [RunResult.RAN, RunResult.RAN]


# What is not audited, and what cannot be told.


def test_rules_on_events_and_what_is_switched_off_have_no_runs() -> None:
    evidence = Evidence(calls=(), now=NOW)
    assert audit([launcher(expression=None), launcher(is_enabled=False)], WINDOW, evidence) == ()


def test_two_that_cannot_be_told_apart_share_their_calls() -> None:
    """EventBridge cuts names, so two long ones may have one mark."""
    one, two = (launcher(name=f"nightly-report-of-the-platform-{n}") for n in "ab")
    assert key_of(one) == key_of(two)
    calls = (call(at(3), name=one.name), call(at(3, 0, 5), name=one.name))
    evidence = Evidence(calls=calls, now=NOW, installation=INSTALLATION)
    found = audit([one, two], WINDOW, evidence)
    assert [set(each.counts) for each in found] == [{RunResult.RAN}, {RunResult.RAN}]
    assert "cannot be told apart" in found[0].note
    found = audit([one, two], WINDOW, replace(evidence, calls=calls[:1]))
    assert sorted(run.result for each in found for run in each.runs) == [RunResult.MISSED, RunResult.RAN]
    rates = audit([replace(one, expression="rate(1 hour)"), two], WINDOW, evidence)
    assert {run.result for each in rates for run in each.runs} == {RunResult.UNKNOWN}


@pytest.mark.parametrize("expression", ["cron(nonsense)", "rate(0 hours)"])
def test_an_expression_that_cannot_be_read_is_unknown(expression: str) -> None:
    (run,) = audited(of=launcher(expression=expression, start=DAY)).runs
    assert run.result is RunResult.UNKNOWN


def test_a_task_that_is_there_without_a_record_is_a_run() -> None:
    one = launcher()
    task = SeenTask(arn="arn:task/batch/0f9c", created=at(3, 1), family="nightly")
    (run,) = audited(of=one, tasks={key_of(one): (task,)}).runs
    assert (run.result, "ECS has its task 0f9c" in run.why) == (RunResult.RAN, True)
    other = replace(task, created=at(5))
    (run,) = audited(of=one, tasks={key_of(one): (other,)}).runs
    assert run.result is RunResult.MISSED


def test_the_worst_is_first() -> None:
    names = {
        "fine": (call(at(3), name="fine"),),
        "missing": (),
        "lost": (
            failed(at(3), request=parameters(startedBy="events-rule/lost", clientToken=None, dryrun=None)),
        ),
    }
    lost = replace(names["lost"][0], parameters={**call(at(3)).parameters, "startedBy": "events-rule/lost"})
    calls = (*names["fine"], lost)
    evidence = Evidence(calls=calls, now=NOW, installation=INSTALLATION)
    found = audit([launcher(name=name) for name in ("fine", "lost", "missing")], WINDOW, evidence)
    assert [one.launcher.name for one in found] == ["missing", "lost", "fine"]


def test_which_recoveries_are_read() -> None:
    names = names_to_read((failed(at(3)), call(at(3))), "retry-run-task")
    assert NAME in names
    assert f"{NAME}-again-1" in names
    assert all(name.startswith(NAME) for name in names)
