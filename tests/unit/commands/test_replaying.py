"""A plan says for each past failure whether it is started again, under which name, and if not, why not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retry_run_task.commands.replay.replaying import ReplayInput, ReplayStep, again_call, next_again, plan
from retry_run_task.commands.shared.calls import RunTaskCall
from retry_run_task.commands.shared.installation import Installation
from retry_run_task.commands.shared.inventory import Launcher, Launchers
from retry_run_task.commands.shared.view import Execution, RecoveryView, ViewState
from retry_run_task.launch import names as identity
from retry_run_task.launch import wire
from retry_run_task.launch.names import MOST_AGAIN, again_name
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    Origin,
    Outcome,
    Request,
)
from retry_run_task.local.ecs.service import Ecs
from retry_run_task.messages.steps import can_replay
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

FAILED_AT = datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)
NOW = FAILED_AT + timedelta(hours=1)
NAME = f"retry-run-task-{EVENT_ID}"
CALLER = Caller(kind=CallerKind.RULE, role_arn=RULE_ROLE)
INSTALLATION = Installation(
    stack="retry-run-task",
    recover="retry-run-task-recover:live",
    scope=Scope(account=ACCOUNT, regions=(REGION,)),
    recover_errors=False,
)


def nightly(**changes: Any) -> Launcher:
    values: dict[str, Any] = {
        "kind": CallerKind.RULE,
        "name": "nightly",
        "expression": "cron(0 0 * * ? *)",
        "cluster": CLUSTER,
        "task_definition": TASK_DEFINITION,
        "role_arn": RULE_ROLE,
    }
    return Launcher(**(values | changes))


def call(minutes: float = 30, **changes: Any) -> RunTaskCall:
    values: dict[str, Any] = {
        "event_id": "later",
        "time": FAILED_AT + timedelta(minutes=minutes),
        "caller": CALLER,
        "parameters": {name: parameters()[name] for name in ("cluster", "taskDefinition", "startedBy")},
        "placed": ("arn:task/later",),
    }
    return RunTaskCall(**(values | changes))


def planned(one: FailedLaunch | None = None, **facts: Any) -> ReplayStep:
    (step,) = plans(one or launch(), **facts)
    return step


def plans(*launches: FailedLaunch, **facts: Any) -> tuple[ReplayStep, ...]:
    values: dict[str, Any] = {
        "installation": INSTALLATION,
        "executions": {},
        "views": {},
        "calls": (),
        "launchers": Launchers(found=(nightly(),)),
        "now": NOW,
    }
    return plan(launches, ReplayInput(**(values | facts)))


def execution(status: str, name: str = NAME) -> dict[str, Execution]:
    return {name: Execution(arn=f"arn:{name}", name=name, status=status, started=FAILED_AT)}


def view(name: str = NAME, **changes: Any) -> dict[str, RecoveryView]:
    values: dict[str, Any] = {"state": ViewState.GAVE_UP, "outcome": "expired"}
    return {name: RecoveryView(execution=execution("FAILED", name)[name], **(values | changes))}


def test_a_failure_without_a_recovery_is_started_as_intake_would_have_started_it() -> None:
    """The same name and the same payload, so that intake may still come, and it may be done twice."""
    step = planned()
    assert (step.why_not, step.note, step.schedule) == ("", "", "nightly")
    assert step.name == identity.recovery_name_of("retry-run-task", launch()) == NAME
    assert step.payload == wire.canonical(wire.launch_to_json(launch()))


def test_the_oldest_is_first() -> None:
    young = launch(event_id="young-event", call_id="2" * 32, event_time=FAILED_AT + timedelta(minutes=1))
    assert [step.launch.event_id for step in plans(young, launch())] == [EVENT_ID, "young-event"]


@pytest.mark.parametrize(
    ("one", "facts", "why_not"),
    [
        # Who is not looked after.
        (launch(caller=Caller(kind=CallerKind.BATCH)), {}, "AWS Batch made this call"),
        (launch(caller=Caller(kind=CallerKind.OTHER)), {}, "not among the callers to recover"),
        (launch(region="eu-west-1"), {}, "it happened in eu-west-1"),
        (
            launch(
                failures=(Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"),)
            ),
            {},
            "saw and retries itself",
        ),
        # What is in hand.
        (launch(), {"executions": execution("RUNNING")}, "its recovery is in progress"),
        (launch(), {"executions": execution("PAUSED")}, "its recovery is in progress"),
        (launch(), {"executions": execution("SUCCEEDED")}, "its recovery ended well"),
        (launch(), {"executions": execution("FAILED")}, "cannot be read"),
        (
            launch(),
            {"executions": execution("FAILED"), "views": view()},
            "gave up (expired); --again 1 starts",
        ),
        # What would end at once.
        (
            launch(failures=(Failure(origin=Origin.ANSWER, reason="TaskDefinition is inactive"),)),
            {},
            "configuration",
        ),
        # What was done since.
        (launch(), {"calls": (call(),)}, "its schedule has run since, at 2026-11-24 00:30:03 UTC"),
        (launch(), {"calls": (call(minutes=-1),)}, ""),
        (launch(), {"calls": (call(placed=()),)}, ""),
        (launch(), {"calls": (call(failed=launch()),)}, ""),
        (launch(), {"calls": (call(caller=replace(CALLER, role_arn="arn:other")),)}, ""),
        (launch(), {"calls": (call(caller=replace(CALLER, kind=CallerKind.OTHER)),)}, ""),
        (launch(), {"calls": (call(parameters={**call().parameters, "startedBy": "events-rule/x"}),)}, ""),
        (launch(), {"calls": (call(parameters={**call().parameters, "cluster": "other"}),)}, ""),
        (launch(), {"calls": (call(parameters={**call().parameters, "taskDefinition": "day:7"}),)}, ""),
        # A rule on events has a run for each of them.
        (launch(), {"calls": (call(),), "launchers": Launchers(found=(nightly(expression=None),))}, ""),
        # What is too late.
        (
            launch(),
            {"now": FAILED_AT + timedelta(hours=25)},
            "the schedule's next run is 23 h 59 min after it; --even-late",
        ),
        (
            launch(),
            {"launchers": Launchers(found=(nightly(expression="rate(30 minutes)"),))},
            "the schedule's next run is 30 min after it",
        ),
        (launch(), {"launchers": Launchers(found=(nightly(expression="rate(2 hours)"),))}, ""),
        (launch(caller=Caller(kind=CallerKind.HAND_MADE)), {"now": FAILED_AT + timedelta(days=7)}, ""),
    ],
)
def test_what_is_not_started_has_a_reason(one: FailedLaunch, facts: dict[str, Any], why_not: str) -> None:
    found = planned(one, **facts).why_not
    assert why_not in found
    assert bool(found) is bool(why_not)


def test_a_task_that_a_recovery_started_is_seen_by_its_mark() -> None:
    mark = identity.started_by_of(parameters()["startedBy"], launch().call_id)
    own = call(caller=Caller(kind=CallerKind.OWN), parameters={"startedBy": mark})
    assert "a recovery has started its task" in planned(calls=(own,)).why_not
    assert planned(calls=(replace(own, placed=()),)).why_not == ""


def test_records_of_one_call_are_started_once() -> None:
    """An SDK that repeats its call leaves several records, with one client token."""
    first, second = plans(launch(), launch(event_id="another-record"))
    assert (first.why_not, "another record" in second.why_not) == ("", True)


def test_what_is_hidden_is_left_to_recover_with_a_note() -> None:
    hidden = replace(launch(), request=IncompleteRequest(parameters=parameters(), missing=("overrides",)))
    assert "CloudTrail hides a part" in planned(hidden).note
    by_hand = replace(hidden, caller=Caller(kind=CallerKind.HAND_MADE))
    assert "a recovery would end at once" in planned(by_hand).why_not


# Late.


def test_a_late_run_is_asked_for_as_a_person_asks_for_one_now() -> None:
    """Its age then begins at the first look. Name, client tokens and mark stay, so a late record is harmless."""
    step = planned(now=FAILED_AT + timedelta(hours=25), is_late_wanted=True)
    assert (step.why_not, step.name) == ("", NAME)
    assert step.launch == replace(launch(), caller=Caller(kind=CallerKind.HAND_MADE, role_arn=RULE_ROLE))
    assert "the schedule's next run is 23 h 59 min after it" in step.note


def test_one_that_is_not_late_stays_as_it_is() -> None:
    assert planned(is_late_wanted=True).launch == launch()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request": IncompleteRequest(parameters=parameters(), missing=("overrides",))}, "is hidden"),
        (
            {"failures": (Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"),)},
            "a recovery would end at once",
        ),
    ],
)
def test_what_cannot_be_run_late_is_refused(change: dict[str, Any], words: str) -> None:
    installation = replace(
        INSTALLATION, recover_errors=True, scope=replace(INSTALLATION.scope, recover_errors=True)
    )
    late = replace(launch(), **change)
    found = planned(late, now=FAILED_AT + timedelta(hours=25), is_late_wanted=True, installation=installation)
    assert words in found.why_not


# Again.


def test_one_that_gave_up_gets_a_name_and_tokens_of_its_own() -> None:
    step = planned(executions=execution("FAILED"), views=view(), again=1)
    assert (step.why_not, step.name) == ("", f"{NAME}-again-1")
    assert step.launch == again_call(launch(), 1)
    assert step.launch.call_id not in (launch().call_id, again_call(launch(), 2).call_id)
    assert step == planned(executions=execution("FAILED"), views=view(), again=1), "twice is once"


def test_an_again_that_gave_up_as_well_needs_another_number() -> None:
    again = f"{NAME}-again-1"
    executions = execution("FAILED") | execution("FAILED", again)
    views = view() | view(again)
    assert "--again 2 starts another" in planned(executions=executions, views=views, again=1).why_not
    assert planned(executions=executions, views=views, again=2).name == f"{NAME}-again-2"
    open_again = execution("FAILED") | execution("RUNNING", again)
    assert "in progress" in planned(executions=open_again, views=views, again=2).why_not


@pytest.mark.parametrize("again", [0, 1, 2])
def test_what_a_person_stopped_is_started_only_if_that_is_asked_for(again: int) -> None:
    executions, views = (
        execution("STOPPED"),
        view(state=ViewState.STOPPED, outcome="stopped", why="not wanted"),
    )
    found = planned(executions=executions, views=views, again=again)
    assert found.why_not == "a person stopped its recovery (not wanted); --stopped starts it, too"
    wanted = planned(executions=executions, views=views, again=again, is_stopped_wanted=True)
    assert ("--again 1 starts another" in wanted.why_not) is (again == 0)
    assert (wanted.why_not == "") is (again > 0)
    # The last word counts.
    later = f"{NAME}-again-1"
    executions, views = execution("STOPPED") | execution("FAILED", later), views | view(later)
    assert planned(executions=executions, views=views, again=2).why_not == ""


def test_no_number_is_advised_that_the_option_refuses() -> None:
    """``--again`` takes 1 to ``MOST_AGAIN``."""
    names = [NAME, *(f"{NAME}-again-{number}" for number in range(1, MOST_AGAIN + 1))]
    executions = {name: one for name in names for one in execution("FAILED", name).values()}
    views = {name: one for name in names for one in view(name).values()}
    for again in (0, MOST_AGAIN):
        why_not = planned(executions=executions, views=views, again=again).why_not
        assert why_not.endswith("20 further tries are the most, so start the task by hand")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task_arns": ("arn:aws:ecs:x:1:task/batch/0f9c",)}, "had placed the task 0f9c"),
        ({"is_unsure": True}, "may have run"),
    ],
)
def test_one_that_may_have_started_something_is_never_started_again(
    change: dict[str, Any], words: str
) -> None:
    """Its tokens would be new, so ECS would not see that it is the same work."""
    assert words in planned(executions=execution("STOPPED"), views=view(**change), again=1).why_not


@pytest.mark.parametrize("stack", ["s", "retry-run-task", "a-stack-with-quite-a-long-name", "x" * 100])
def test_names_of_further_tries_fit_and_differ(stack: str) -> None:
    other = launch(event_id="0c1f7a55-2b66-4a3b-9f0e-7c1d2f3a4b5c")
    names = [again_name(stack, one, number) for one in (launch(), other) for number in (1, 20)]
    names += [identity.recovery_name_of(stack, launch())]
    assert len(set(names)) == len(names)
    assert all(len(name) <= identity.NAME_MAX for name in names)


def test_with_the_old_tokens_ecs_would_give_the_old_failures() -> None:
    """Why another try has tokens of its own: measured with the model of ECS, which follows AWS's page.

    Capacity is back, and for a day each old token still gives its old answer; after an hour without a word.
    """
    now = [NOW]
    ecs = Ecs(account=ACCOUNT, region=REGION, now=lambda: now[0], seed=0)
    ecs.create_cluster("batch")
    ecs.add_subnet("subnet-a", f"{REGION}a")
    ecs.register_task_definition("nightly", revision=7)

    def attempt(call_id: str, number: int) -> tuple[int, list[str]]:
        body = dict(parameters(startedBy="x", clientToken=identity.client_token(call_id, number)))
        body["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
        answer = ecs.run_task(body)
        return len(answer["tasks"]), [one.get("reason", "") for one in answer["failures"]]

    ecs.capacity.set(f"{REGION}a", "FARGATE", 0)
    tried = 5
    for number in range(1, tried + 1):
        assert attempt(launch().call_id, number)[0] == 0
    ecs.capacity.set(f"{REGION}a", "FARGATE", None)
    now[0] += timedelta(minutes=30)
    assert [attempt(launch().call_id, n)[0] for n in range(1, tried + 1)] == [0] * tried
    now[0] += timedelta(hours=1)
    assert attempt(launch().call_id, 1) == (0, [""]), "an answer without its reason: of kind unknown"
    assert attempt(again_call(launch(), 1).call_id, 1)[0] == 1
    now[0] += timedelta(hours=23)
    assert attempt(launch().call_id, 1)[0] == 1, "after a day the old token is free"


def test_a_step_shows_no_value() -> None:
    """A request that a person put into the log group may hold values."""
    overrides = {
        "containerOverrides": [{"name": "app", "environment": [{"name": "KEY", "value": "hunter2"}]}]
    }
    step = planned(replace(launch(), request=Request(parameters=parameters(overrides=overrides))))
    assert "hunter2" not in repr(step)
    assert "hunter2" in step.payload


@pytest.mark.parametrize(
    ("there", "number"), [((), 1), ((1,), 2), ((1, 2), 3), ((2,), 1), (range(1, 21), 20)]
)
def test_the_next_try_of_one_recovery_is_the_first_that_there_is_not(
    there: Sequence[int], number: int
) -> None:
    one = launch()
    names = {again_name("retry-run-task", one, n) for n in there}
    assert next_again("retry-run-task", one, names) == number


# What the message of an ending offers.


def is_hopeless(failure: str, outcome: Outcome) -> bool:
    """Return whether the launch itself ends its recovery, without a call."""
    return failure == "ATTRIBUTE" or (failure == "error" and outcome is not Outcome.REFUSED)


def can_be(
    outcome: Outcome, tasks: tuple[str, ...], is_unsure: bool, failure: str, missing: tuple[str, ...]
) -> bool:
    """Return whether recover can end so."""
    if outcome is Outcome.REFUSED and not missing:
        return False
    return not is_hopeless(failure, outcome) or (outcome is Outcome.PERMANENT and not tasks and not is_unsure)


ENDINGS = [
    ending
    for ending in itertools.product(
        (Outcome.EXPIRED, Outcome.SUPERSEDED, Outcome.PERMANENT, Outcome.REFUSED),
        ((), ("arn:aws:ecs:x:1:task/batch/0f9c",)),
        (False, True),
        (CAPACITY, "ATTRIBUTE", "error"),
        ((), ("overrides",)),
    )
    if can_be(*ending)
]


@pytest.mark.parametrize(("outcome", "tasks", "is_unsure", "failure", "missing"), ENDINGS)
def test_a_message_offers_a_replay_if_and_only_if_it_would_start_something(
    outcome: Outcome, tasks: tuple[str, ...], is_unsure: bool, failure: str, missing: tuple[str, ...]
) -> None:
    one = launch(
        failures=(
            Failure(origin=Origin.ERROR, code="ServerException")
            if failure == "error"
            else Failure(origin=Origin.ANSWER, reason=failure),
        )
    )
    if missing:
        one = replace(one, request=IncompleteRequest(parameters=parameters(), missing=missing))
    # As recover ends: without a call where the launch itself ends it, or a part of the request is not there.
    calls = 0 if is_hopeless(failure, outcome) or outcome is Outcome.REFUSED else 3
    views = view(outcome=outcome.value, task_arns=tasks, is_unsure=is_unsure)
    late = planned(
        one,
        executions=execution("FAILED"),
        views=views,
        again=1,
        is_late_wanted=True,
        now=FAILED_AT + timedelta(days=2),
    )
    may_be_there = is_unsure or bool(tasks)
    offered = can_replay(one, outcome, calls=calls, may_be_there=may_be_there)
    assert offered is (late.why_not == ""), late.why_not
