"""What a recovery leaves behind, field by field: log lines, checkpoints, endings and forecasts.

Dashboards and metric filters read the lines, a recovery that is resumed under a newer version reads the
checkpoints, and ``status``, ``explain`` and the messages show the rest. So names and values are written down here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from retry_run_task.failures.classify import classify
from retry_run_task.launch.schedule import NoMatch, Tags
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    Category,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    JsonObject,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    TaskState,
)
from retry_run_task.messages.message import Ending
from retry_run_task.policy.decision import GiveUp
from retry_run_task.policy.ladder import RungKind
from retry_run_task.policy.rules import Notify
from retry_run_task.recovery import lines
from retry_run_task.recovery.after import after, begin
from retry_run_task.recovery.case import NO_SCHEDULE, Case, case_of
from retry_run_task.recovery.ending import before_it_began, broken, is_told, progress_of
from retry_run_task.recovery.events import Answered, Looked, Watched
from retry_run_task.recovery.forecast import Forecast, forecast
from retry_run_task.recovery.history import StateReplay
from retry_run_task.recovery.loop import recover
from retry_run_task.recovery.opening import found_from_json, open_case
from retry_run_task.recovery.ports import Action, Background, Entrance, Tools
from retry_run_task.recovery.state import Call, SendEarlyMessage, Wait
from retry_run_task.simulate.virtual import Timeline
from support.policies import PLAIN, changed
from support.records import CAPACITY, launch, parameters
from support.worlds import Run, ScriptedWorld, run

AT = launch().event_time.timestamp()
CALL, STARTED_BY = launch().call_id, "0123456789ab"
SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),))
CANNOT_LIST = Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="no", detail="ListTasks")
THROTTLED = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
LADDER = changed(category=Category.CAPACITY, rungs=(RungKind.AS_ASKED, RungKind.EACH_SUBNET))
FIRST = classify(launch().failures[0])
NIGHTLY = Background(name="nightly", arn="arn:x", next_due=AT + 86_400, event_age_s=0)
BY_HAND = Caller(kind=CallerKind.HAND_MADE)


def told(done: Run, *names: str) -> list[tuple[str, dict[str, Any]]]:
    return [(event, fields) for event, fields in done.told if event.removeprefix("recovery.") in names]


# --- Log lines ---


def test_the_lines_of_a_recovery_that_needs_two_attempts() -> None:
    done = run(launch(), SHORT, Placed(task_arns=("t1",)), there={2: CANNOT_LIST}, background=NIGHTLY)
    request = {
        **parameters(dryrun=None),
        "startedBy": f"events-rule/nightly/retry-run-task/{STARTED_BY}",
    }
    attempted = {
        "call": 1,
        "repeat": 0,
        "rung": "as-asked",
        "answer": "placed",
        "task_arns": [],
        "failures": [{"origin": "answer", "reason": CAPACITY}],
        "elapsed_s": 300,
        "request": request | {"clientToken": f"rrt-{CALL}-1"},
    }
    assert done.told == [
        ("recovery.began", {"category": "capacity", "row": "fargate-capacity", "reason": CAPACITY}),
        ("recovery.matched", {"schedule": "nightly", "next_due": AT + 86_400}),
        ("recovery.called", attempted),
        (
            "recovery.waiting",
            {
                "delay_s": 8,
                "rule": "capacity",
                "category": "capacity",
                "why": "capacity: it may be there at the next attempt",
                "next_rung": "as-asked",
            },
        ),
        ("recovery.read_failed", {"why": "ListTasks: AccessDeniedException: no"}),
        (
            "recovery.called",
            attempted
            | {
                "call": 2,
                "task_arns": ["t1"],
                "failures": [],
                "elapsed_s": 308,
                "request": request | {"clientToken": f"rrt-{CALL}-2"},
            },
        ),
        (
            "recovery.recovered",
            {
                "outcome": "recovered",
                "why": "every requested task is there",
                "calls": 2,
                "task_arns": ["t1"],
                "elapsed_s": 323,
                "rule": "placed",
                "category": "capacity",
                "rungs": None,
                "changed": None,
            },
        ),
    ]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (NoMatch(why="two fit"), [("recovery.matched", {"schedule": None, "why": "two fit"})]),
        (NIGHTLY, [("recovery.matched", {"schedule": "nightly", "next_due": AT + 86_400})]),
        (
            replace(NIGHTLY, tags=Tags(ignore=True)),
            [
                ("recovery.matched", {"schedule": "nightly", "next_due": AT + 86_400}),
                ("recovery.tagged", {"tag": None, "ignore": True, "why": None}),
            ],
        ),
        (
            NoMatch(why="two fit", tags=Tags(policy="slow", unread=("rule: denied", "family: denied"))),
            [
                ("recovery.matched", {"schedule": None, "why": "two fit"}),
                (
                    "recovery.tagged",
                    {
                        "tag": "slow",
                        "ignore": False,
                        "why": "rule: denied; family: denied; no rule of the policy is for the tag 'slow'",
                    },
                ),
            ],
        ),
    ],
)
def test_the_lines_on_what_made_the_call(found: Background | NoMatch, expected: list[Any]) -> None:
    assert list(lines.of_schedule(found, PLAIN)) == expected


def test_the_line_of_a_launch_that_is_held_back() -> None:
    thrown = launch(failures=(THROTTLED,))
    background = replace(NIGHTLY, due=AT, event_age_s=600)
    done = run(thrown, Placed(task_arns=("t1",)), background=background, recover_errors=True)
    assert told(done, "held") == [
        ("recovery.held", {"delay_s": 300, "why": "EventBridge may still make this call again itself"})
    ]


def test_the_line_of_a_change_that_is_not_tried_again() -> None:
    denied = Refused(failure=Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="no"))
    done = run(launch(), SHORT, denied, Placed(task_arns=("t1",)), policy=LADDER)
    assert told(done, "rung_dropped") == [
        (
            "recovery.rung_dropped",
            {
                "rung": "each-subnet subnet-a",
                "category": "permission",
                "reason": "no",
                "why": "this change of the request is not tried again by this recovery",
            },
        )
    ]


def test_the_line_of_tasks_that_failed_to_start_has_each_with_its_own_words() -> None:
    gone = [
        TaskState(
            arn=arn,
            phase=Phase.FAILED,
            failure=Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason=f"Timeout waiting {arn}"),
        )
        for arn in ("t2", "t1")
    ]
    still = TaskState(arn="t3", phase=Phase.STARTING)
    both = launch(request=parameters(clientToken=None, dryrun=None, count=3))
    done = run(both, Placed(task_arns=("t1", "t2", "t3")), states={1: (*gone, still)})
    assert told(done, "start_failed")[0][1] == {
        "task_arns": ["t1", "t2"],
        "failures": [
            {"origin": "stopped", "code": "TaskFailedToStart", "reason": f"Timeout waiting {arn}"}
            for arn in ("t2", "t1")
        ],
    }


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (Outcome.RECOVERED, "recovery.recovered"),
        (Outcome.ALREADY_RUNNING, "recovery.already_running"),
        (Outcome.IGNORED, "recovery.ignored"),
        (Outcome.EXPIRED, "recovery.gave_up"),
        (Outcome.BROKEN, "recovery.gave_up"),
    ],
)
def test_the_last_line(outcome: Outcome, event: str) -> None:
    ending = Ending(
        outcome=outcome,
        why="so",
        rule="placed",
        calls=3,
        wanted=2,
        task_arns=("t1", "t2"),
        elapsed_s=12.6,
        last=None,
        rungs=("on-demand",),
        changed=("on demand",),
    )
    assert lines.of_ending(ending) == (
        event,
        {
            "outcome": outcome.value,
            "why": "so",
            "calls": 3,
            "task_arns": ["t1", "t2"],
            "elapsed_s": 13,
            "rule": "placed",
            "category": None,
            "rungs": ["on-demand"],
            "changed": ["on demand"],
        },
    )


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (CANNOT_LIST, "ListTasks: AccessDeniedException: no"),
        (THROTTLED, "ThrottlingException: Rate exceeded"),
        (Failure(origin=Origin.ANSWER, reason="AGENT"), "AGENT"),
    ],
)
def test_what_aws_said_in_one_line(failure: Failure, words: str) -> None:
    assert lines.words_of(failure) == words


# --- Checkpoints ---


def test_what_each_step_remembers() -> None:
    runs = TaskState(arn="t1", phase=Phase.STARTING)
    done = run(
        launch(),
        SHORT,
        SHORT,
        Placed(task_arns=("t1",)),
        policy=LADDER,
        there={2: THROTTLED, 3: CANNOT_LIST},
        states={1: (runs,), 2: THROTTLED},
        background=replace(NIGHTLY, due=AT, tags=Tags(policy="slow"), visible={"count": 1}),
        notify_recovered=True,
    )
    failures = [{"origin": "answer", "reason": CAPACITY}]
    call = {"answer": "placed", "conflict": False, "failures": failures, "task_arns": [], "rung": "as-asked"}
    slow = {"origin": "error", "code": "ThrottlingException", "reason": "Rate exceeded"}
    denied = {"origin": "error", "code": "AccessDeniedException", "reason": "no", "detail": "ListTasks"}
    task = {"arn": "t1", "failures": [], "ours": False}
    assert [operation for operation in done.execution.operations if "wait" not in operation[0]] == [
        (
            "find-schedule-1",
            {
                "now": AT + 300,
                "name": "nightly",
                "arn": "arn:x",
                "due": AT,
                "next_due": AT + 86_400,
                "event_age_s": 0,
                "is_scheduled": True,
                "visible": {"count": 1},
                "tags": ["slow", False, []],
            },
        ),
        (
            "run-task-1",
            {"now": AT + 300, "tasks": [], "calls": [call, call | {"rung": "each-subnet subnet-a"}]},
        ),
        ("run-task-2", {"now": AT + 308, "read_failure": [slow]}),
        (
            "run-task-3",
            {
                "now": AT + 308 + wait(done, "wait-2"),
                "read_failure": [denied],
                "calls": [call | {"failures": [], "task_arns": ["t1"]}],
            },
        ),
        ("watch-3-1", {"tasks": [task | {"phase": "starting"}]}),
        ("watch-3-2", {"read_failure": [slow]}),
        ("watch-3-3", {"tasks": [task | {"phase": "runs"}]}),
        ("notify-1", {"error": None}),
    ]


def wait(done: Run, name: str) -> int:
    return dict(done.execution.operations)[name]


@pytest.mark.parametrize(
    "found",
    [
        NIGHTLY,
        replace(NIGHTLY, due=AT, is_scheduled=False, next_due=None, visible={"count": 2}),
        replace(NIGHTLY, tags=Tags(policy="slow", ignore=True, unread=("denied",))),
        NoMatch(why="two fit"),
        NoMatch(why="two fit", is_role_used=True, tags=Tags(ignore=True)),
    ],
)
def test_what_made_the_call_is_the_same_when_it_is_read_again(found: Background | NoMatch) -> None:
    done = run(launch(), Placed(task_arns=("t1",)), background=found)
    result = dict(done.execution.operations)["find-schedule-1"]
    assert result["now"] == AT + 300
    assert found_from_json(result) == found


def test_a_search_that_failed_is_a_failure_when_it_is_read_again() -> None:
    assert found_from_json(
        {"now": 1, "failures": [{"origin": "error", "code": "X", "reason": "y"}]}
    ) == Failure(origin=Origin.ERROR, code="X", reason="y")


def test_a_history_adds_up_to_the_state_that_the_recovery_had() -> None:
    done = run(launch(), SHORT, Placed(task_arns=("t1",)), background=NIGHTLY)
    results = dict(done.execution.operations)
    fold = StateReplay(launch())
    assert fold.found(results["find-schedule-1"]) == NIGHTLY
    taken = [step for name in ("run-task-1", "run-task-2", "watch-2-1") for step in fold.take(results[name])]
    assert [type(event) for event, _, _ in taken] == [Looked, Answered, Looked, Answered, Watched]
    for (_, _, then), (_, before, _) in pairwise(taken):
        assert then is before
    assert (fold.state.calls, sum(fold.state.answered.values()), list(fold.state.tasks)) == (2, 2, ["t1"])
    assert fold.state.starting == ()


@pytest.mark.parametrize(
    ("found", "created", "is_counted"),
    [
        (replace(NIGHTLY, next_due=AT + 3600), AT + 3600, False),
        (replace(NIGHTLY, next_due=AT + 3600), AT + 3000, True),
        (replace(NIGHTLY, next_due=None), AT + 3600, True),
        (NO_SCHEDULE, AT + 3600, True),
    ],
)
def test_a_history_tells_the_next_run_s_task_from_this_one_s(
    found: Background | NoMatch, created: float, is_counted: bool
) -> None:
    seen = TaskState(arn="t1", phase=Phase.RUNS, created=created)
    done = run(launch(), Placed(task_arns=("t2",)), background=found, there={1: (seen,)})
    results = dict(done.execution.operations)
    fold = StateReplay(launch())
    fold.found(results["find-schedule-1"])
    list(fold.take(results["run-task-1"]))
    assert list(fold.state.tasks) == (["t1"] if is_counted else ["t2"])


@pytest.mark.parametrize("by_default", [True, False])
@pytest.mark.parametrize("is_replaying", [True, False])
def test_a_line_is_written_unless_it_was_written_before(by_default: bool, is_replaying: bool) -> None:
    told: list[Any] = []
    known: dict[str, Any] = {} if by_default else {"is_replaying": lambda: is_replaying}
    tools = Tools(
        policy=PLAIN,
        aws=ScriptedWorld(Timeline(AT)),
        step=lambda _, action: action(False),
        wait=lambda *_: None,
        tell=lambda event, **fields: told.append((event, fields)),
        **known,
    )
    tools.log([lines.of_beginning(FIRST)])
    assert told == ([lines.of_beginning(FIRST)] if by_default or not is_replaying else [])


def test_a_schedule_that_could_not_be_read_leaves_a_history_as_it_was() -> None:
    fold = StateReplay(launch())
    before = fold.state
    assert isinstance(fold.found({"failures": [{"origin": "error", "reason": "x"}]}), Failure)
    assert fold.state is before


def test_a_step_that_is_run_twice_in_one_process_is_told_of_once() -> None:
    """As its result has it: a step may run its action again, and only the last result is recorded."""
    told_: list[str] = []

    def twice(_name: str, action: Action) -> JsonObject:
        action(False)
        return action(True)

    tools = Tools(
        policy=PLAIN,
        aws=ScriptedWorld(Timeline(AT + 300), [Placed(task_arns=("t1",))]),
        step=twice,
        wait=lambda *_: None,
        tell=lambda event, **_: told_.append(event.value),
    )
    assert recover(launch(caller=BY_HAND), tools).outcome is Outcome.RECOVERED
    assert told_ == ["recovery.began", "recovery.called", "recovery.recovered"]


# --- Endings ---


def test_the_end_of_a_recovery_that_could_not_begin() -> None:
    gave_up = GiveUp(outcome=Outcome.EXPIRED, rule="r", why="w", hint="h", numbers={"after_s": 5})
    assert before_it_began(2, FIRST, gave_up) == Ending(
        outcome=Outcome.EXPIRED,
        why="w",
        hint="h",
        rule="r",
        calls=0,
        wanted=2,
        task_arns=(),
        elapsed_s=0.0,
        last=FIRST,
        numbers={"after_s": 5},
    )


def test_the_end_of_a_recovery_whose_tasks_were_there_already() -> None:
    there = (TaskState(arn="t1", phase=Phase.RUNS),)
    assert run(launch(), there={1: there}, background=NIGHTLY).ending == Ending(
        outcome=Outcome.ALREADY_RUNNING,
        why="the requested tasks already existed, started by another caller or by the failed call itself",
        rule="looked",
        calls=0,
        wanted=1,
        task_arns=("t1",),
        elapsed_s=300.0,
        last=FIRST,
    )


def test_the_end_of_a_recovery_that_a_change_of_the_request_has_brought_about() -> None:
    done = run(launch(), SHORT, Placed(task_arns=("t1",)), policy=LADDER, background=NIGHTLY)
    changed_ = "in subnet-a alone instead of any of its 2 subnets"
    assert done.ending == Ending(
        outcome=Outcome.RECOVERED,
        why=f"every requested task is there, started {changed_}",
        rule="placed",
        calls=2,
        wanted=1,
        task_arns=("t1",),
        elapsed_s=315.0,
        last=FIRST,
        rungs=("each-subnet subnet-a",),
        changed=(changed_,),
    )


@pytest.mark.parametrize("is_unsure", [True, False])
def test_the_end_of_a_recovery_in_which_this_program_failed(is_unsure: bool) -> None:
    assert broken(launch(), 2, FIRST, "KeyError", is_unsure=is_unsure) == Ending(
        outcome=Outcome.BROKEN,
        why="the recovery itself failed (KeyError); this is a fault of retry-run-task",
        hint=f"Report the fault, with the lines of recover's log for event {launch().event_id}.",
        rule="fault",
        calls=0,
        wanted=2,
        task_arns=(),
        elapsed_s=0.0,
        last=FIRST,
        is_unsure=is_unsure,
    )


def test_a_fault_anywhere_is_told_with_its_type_and_without_its_words() -> None:
    def enter() -> Failure | None:
        raise KeyError("a secret")

    two = launch(request=parameters(clientToken=None, dryrun=None, count=3), placed=("t0",))
    done = run(two, entrance=Entrance(role_arn="arn:role", enter=enter))
    assert done.ending == broken(two, 2, FIRST, "KeyError", is_unsure=True)
    (message,) = done.world.messages
    assert "a secret" not in f"{message.text}{done.told}{done.execution.operations}"


@pytest.mark.parametrize(
    ("background", "policy", "limit_s", "is_next_run_due"),
    [
        (NoMatch(why="none"), PLAIN, 6 * 3600, False),
        (NIGHTLY, PLAIN, 6 * 3600, False),
        (replace(NIGHTLY, next_due=AT + 6 * 3600), PLAIN, 6 * 3600, False),
        (replace(NIGHTLY, next_due=AT + 6 * 3600 - 1), PLAIN, 6 * 3600 - 1, True),
        (replace(NIGHTLY, next_due=AT + 3600), changed(interval_share=0.5), 1800, True),
    ],
)
def test_how_far_a_recovery_is_and_until_when_it_goes_on(
    background: Any, policy: Any, limit_s: float, is_next_run_due: bool
) -> None:
    case = case_of(launch(request=parameters(count=2)), policy, background)
    state = after(case, begin(case), Looked(AT + 60))
    state = after(case, state, Answered(Placed(task_arns=("t1",), failures=SHORT.failures)))
    progress = progress_of(case, state)
    assert progress.until == launch().event_time + timedelta(seconds=limit_s)
    assert progress.is_next_run_due is is_next_run_due
    assert (progress.calls, progress.wanted, progress.task_arns) == (1, 2, ("t1",))
    assert (progress.elapsed_s, progress.last) == (60, FIRST)


def test_a_record_made_by_hand_goes_on_from_its_first_look() -> None:
    case = case_of(launch(caller=BY_HAND), PLAIN)
    begun = begin(case)
    assert progress_of(case, begun).until == launch().event_time + timedelta(hours=6)
    looked = after(case, begun, Looked(AT + 86_400))
    assert progress_of(case, looked).until == launch().event_time + timedelta(days=1, hours=6)


@pytest.mark.parametrize(
    ("number", "which"), [(1, "one task was"), (2, "2 tasks were")], ids=["one", "several"]
)
def test_how_many_were_not_seen_running(number: int, which: str) -> None:
    names = tuple(f"t{nth}" for nth in range(number))
    starting = tuple(TaskState(arn=name, phase=Phase.STARTING) for name in names)
    value = launch(request=parameters(clientToken=None, dryrun=None, count=number))
    done = run(value, Placed(task_arns=names), states=dict.fromkeys(range(1, 200), starting))
    assert done.ending.why == f"{which} placed and not seen running within 1 h 45 s"
    assert done.ending.rule == "watch"
    assert (
        done.ending.hint
        == "Look whether the tasks run. Stop one that hangs before you start the run by hand."
    )
    assert done.ending.numbers == {"nth": number, "after_s": 3645}


def test_a_token_that_may_be_forgotten_is_said_in_these_words() -> None:
    lost = Lost(failure=Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable."))
    ending = run(launch(), lost).ending
    assert (ending.outcome, ending.rule) == (Outcome.EXPIRED, "client-token")
    assert ending.why == (
        "for an hour no call has been answered, and ECS may have forgotten what it did for the first of them"
    )
    assert ending.hint == "Look whether the tasks have run before you start them by hand."
    assert ending.is_unsure


# --- Forecasts ---


FAMILY_RUNS = (TaskState(arn="t1", phase=Phase.RUNS), TaskState(arn="t2", phase=Phase.STARTING))


def test_a_launch_that_would_be_made_again() -> None:
    foreseen = forecast(case_of(launch(), PLAIN), AT)
    assert foreseen == Forecast(
        decision="retry",
        rule="capacity",
        why="RunTask, soon; it tries for 6 h, about 578 times (434 to 866), at most 50 s apart",
        request=parameters(dryrun=None)
        | {"clientToken": f"rrt-{CALL}-1", "startedBy": f"events-rule/nightly/retry-run-task/{STARTED_BY}"},
    )


def test_a_launch_whose_tasks_are_there() -> None:
    both = launch(request=parameters(count=2))
    assert forecast(case_of(both, PLAIN), AT, tasks=FAMILY_RUNS) == Forecast(
        decision="nothing", rule="looked", why="it is there already: t1, t2"
    )


@pytest.mark.parametrize(
    ("policy", "now", "decision", "outcome"),
    [
        (PLAIN, AT + 7 * 3600, "give-up", Outcome.EXPIRED),
        (changed(ignore=True), AT, "ignore", Outcome.IGNORED),
    ],
)
def test_a_launch_that_would_not_be_made_again(
    policy: Any, now: float, decision: str, outcome: Outcome
) -> None:
    foreseen = forecast(case_of(launch(), policy), now)
    assert foreseen.gave_up is not None
    assert foreseen.gave_up.outcome is outcome
    assert foreseen == Forecast(
        decision=decision, rule=foreseen.gave_up.rule, why=foreseen.gave_up.why, gave_up=foreseen.gave_up
    )


def test_what_waits_at_first_is_foreseen_behind_its_waits() -> None:
    thrown = launch(failures=(THROTTLED,))
    background = replace(NIGHTLY, due=AT, event_age_s=600)
    case = case_of(thrown, replace(PLAIN, spread_s=10), background, now=AT, recover_errors=True)
    assert case.hold_s == 600
    assert forecast(case, AT + 700).decision == "retry"


# --- Before the first look ---


def test_an_account_that_keeps_recover_out_is_said_with_what_to_do() -> None:
    entrance = Entrance(role_arn="arn:role", enter=lambda: CANNOT_LIST)
    done = run(launch(account="210987654321"), entrance=entrance)
    assert (done.ending.outcome, done.ending.rule) == (Outcome.PERMANENT, "member-role")
    assert done.ending.why == (
        "it happened in account 210987654321, and recover cannot assume arn:role there "
        "(ListTasks: AccessDeniedException: no)"
    )
    assert done.ending.hint == (
        "Deploy infra/member.yaml in account 210987654321, with this stack's account, name and external id; "
        "then start the run by hand."
    )


@pytest.mark.parametrize(("recover_errors", "asked"), [(False, 0), (True, 1)])
def test_an_error_that_is_only_reported_needs_no_role_in_its_account(
    recover_errors: bool, asked: int
) -> None:
    tries: list[None] = []
    entrance = Entrance(role_arn="arn:role", enter=lambda: tries.append(None))
    value = launch(account="210987654321", failures=(THROTTLED,))
    done = run(value, entrance=entrance, recover_errors=recover_errors)
    assert (done.ending.outcome, done.ending.rule, len(tries)) == (Outcome.PERMANENT, "errors", asked)
    assert ("find-schedule-1" in dict(done.execution.operations)) is recover_errors


def waits_before(done: Run) -> list[tuple[str, int]]:
    return [
        (name, took) for name, took in done.execution.operations if "-wait-" in name and "watch" not in name
    ]


@pytest.mark.parametrize(
    ("where", "name", "rule", "what"),
    [
        ("entrance", "enter-account", "member-role", "arn:role cannot be assumed"),
        ("background", "find-schedule", "find-schedule", "the rules and schedules cannot be read"),
    ],
)
def test_what_cannot_be_read_yet_is_read_again_ever_later(
    where: str, name: str, rule: str, what: str
) -> None:
    answers: list[Any] = [THROTTLED] * 7
    world: dict[str, Any] = {"background": [*answers, NIGHTLY]}
    if where == "entrance":
        world = {"entrance": Entrance(role_arn="arn:role", enter=lambda: answers.pop() if answers else None)}
    done = run(launch(), Placed(task_arns=("t1",)), **world)
    assert done.ending.outcome is Outcome.RECOVERED
    delays = [15, 30, 60, 120, 240, 300, 300]
    assert waits_before(done) == [(f"{name}-wait-{nth}", delay) for nth, delay in enumerate(delays, 1)]
    assert told(done, "waiting") == [
        (
            "recovery.waiting",
            {
                "delay_s": delay,
                "rule": rule,
                "category": "throttle",
                "why": f"{what} yet: ThrottlingException: Rate exceeded",
            },
        )
        for delay in delays
    ]
    # What passed before the first look is age, not waits: it counts once.
    assert done.ending.elapsed_s == 300 + sum(delays) + 15


def test_a_schedule_that_could_not_be_read_until_it_was_too_late() -> None:
    ending = run(launch(), background=THROTTLED).ending
    assert (ending.outcome, ending.rule) == (Outcome.EXPIRED, "find-schedule")
    assert ending.why == (
        "the rules and schedules could not be read until it was too late (ThrottlingException: Rate exceeded)"
    )
    assert ending.hint == "Start the run by hand, unless the schedule's next run has done its work."


def test_a_schedule_that_must_not_be_read_is_none_and_the_log_says_why() -> None:
    done = run(launch(), Placed(task_arns=("t1",)), background=CANNOT_LIST)
    why = "the rules and schedules cannot be read: ListTasks: AccessDeniedException: no"
    assert told(done, "matched") == [("recovery.matched", {"schedule": None, "why": why})]


@pytest.mark.parametrize(
    ("value", "looks_s"),
    [(launch(), 6 * 3600), (launch(caller=BY_HAND, account="210987654321"), 6 * 3600)],
    ids=["a rule's", "made by hand"],
)
def test_what_cannot_be_read_is_asked_for_as_long_as_the_run_is_wanted(
    value: FailedLaunch, looks_s: float
) -> None:
    """From the failed call, or from the first question if somebody typed the time of the call."""
    late_s = 86_400 if value.caller == BY_HAND else 300
    throttle = changed(deadline_s=6 * 3600)
    entrance = Entrance(role_arn="arn:role", enter=lambda: THROTTLED)
    done = run(value, policy=throttle, entrance=entrance, late_s=late_s)
    assert done.ending.rule == "member-role"
    began_s = 0 if value.caller == BY_HAND else 300
    asked_s = began_s + sum(took for _, took in waits_before(done))
    assert looks_s - 300 <= asked_s <= looks_s + 300
    assert done.world.bodies == []


@pytest.mark.parametrize("where", ["entrance", "background"])
def test_what_cannot_be_read_is_asked_for_a_day_at_most(where: str) -> None:
    """A policy may want a run for a week, and an execution has 3,000 operations."""
    world: dict[str, Any] = {"background": THROTTLED}
    if where == "entrance":
        world = {"entrance": Entrance(role_arn="arn:role", enter=lambda: THROTTLED)}
    done = run(launch(), policy=changed(deadline_s=6 * 86_400), **world)
    assert done.ending.rule == ("member-role" if where == "entrance" else "find-schedule")
    assert 86_400 - 600 <= sum(took for _, took in waits_before(done)) <= 86_400
    assert len(done.execution.operations) < 600


@pytest.mark.parametrize("where", ["entrance", "background"])
def test_a_record_from_the_future_does_not_make_the_day_longer(where: str) -> None:
    """Whoever may write to the log group may type any time."""
    world: dict[str, Any] = {"background": THROTTLED}
    if where == "entrance":
        world = {"entrance": Entrance(role_arn="arn:role", enter=lambda: THROTTLED)}
    done = run(launch(), policy=changed(deadline_s=6 * 86_400), late_s=-30 * 86_400, **world)
    assert done.ending.rule == ("member-role" if where == "entrance" else "find-schedule")
    assert 86_400 - 600 <= sum(took for _, took in waits_before(done)) <= 86_400 + 300
    assert len(done.world.messages) == 1


@pytest.mark.parametrize(
    ("unknown", "waits", "found"),
    [(1, [15], "nightly"), (3, [15, 30, 60], "nightly"), (4, [15, 30, 60], None)],
)
def test_an_unknown_error_of_a_read_is_asked_about_three_times_more(
    unknown: int, waits: list[int], found: str | None
) -> None:
    """It may pass. If it does not, the run is not lost for it."""
    failure = Failure(origin=Origin.ERROR, code="404", reason="what is this")
    done = run(launch(), Placed(task_arns=("t1",)), background=[*[failure] * unknown, NIGHTLY])
    assert [took for _, took in waits_before(done)] == waits
    assert [fields["schedule"] for _, fields in told(done, "matched")] == [found]
    assert done.ending.outcome is Outcome.RECOVERED


def test_operations_before_the_first_look_count() -> None:
    """Three questions for the role and two for the schedule, with the waits between them."""
    doors: list[Any] = [None, THROTTLED, THROTTLED]
    found: list[Any] = [THROTTLED, NIGHTLY]
    used: list[str] = []

    def step(name: str, action: Action) -> JsonObject:
        used.append(name)
        return action(False)

    case = open_case(
        launch(),
        Tools(
            policy=PLAIN,
            aws=ScriptedWorld(Timeline(AT + 300), background=found),
            step=step,
            wait=lambda name, _: used.append(name),
            tell=lambda *_, **__: None,
            entrance=Entrance(role_arn="arn:role", enter=doors.pop),
        ),
    )
    assert isinstance(case, Case)
    assert case.operations == len(used) == 8
    assert begin(case).operations == 1 + 8


@pytest.mark.parametrize(("kind", "used"), [(CallerKind.RULE, 1), (CallerKind.HAND_MADE, 0)])
def test_at_home_only_the_search_for_the_schedule_counts(kind: CallerKind, used: int) -> None:
    case = open_case(
        launch(caller=replace(launch().caller, kind=kind)),
        Tools(
            policy=PLAIN,
            aws=ScriptedWorld(Timeline(AT + 300), background=NIGHTLY),
            step=lambda _, action: action(False),
            wait=lambda *_: None,
        ),
    )
    assert isinstance(case, Case)
    assert case.operations == used


def test_a_request_of_which_nothing_is_recorded_is_looked_for_nowhere() -> None:
    nothing = launch(request={})
    nothing = replace(nothing, request=IncompleteRequest(parameters={}, missing=("everything",)))
    done = run(nothing)
    assert "find-schedule-1" not in dict(done.execution.operations)
    assert NO_SCHEDULE.why == "neither a rule nor a schedule made this call"
    assert done.ending.why.startswith("AWS has not recorded all of the request: everything; a task that runs")


# --- What is not made again ---

HARM = "; a task that runs with parts of its configuration missing does more harm than one that does not run"
SAYS_SO = Caller(kind=CallerKind.SCHEDULER, role_arn="arn:role", is_proven=False)
HIDES = IncompleteRequest(parameters=parameters(), missing=("overrides", "tags"))


@pytest.mark.parametrize(
    ("changes", "found", "expected"),
    [
        (
            {"request": HIDES, "caller": Caller(kind=CallerKind.OTHER)},
            NO_SCHEDULE,
            GiveUp(
                outcome=Outcome.REFUSED,
                rule="whole-requests-only",
                why=f"AWS has not recorded all of the request: overrides, tags{HARM}",
                hint="Start the run by hand, with the values that the schedule has.",
            ),
        ),
        (
            {"request": HIDES},
            NoMatch(why="two fit"),
            GiveUp(
                outcome=Outcome.REFUSED,
                rule="whole-requests-only",
                why=f"AWS has not recorded all of the request (overrides, tags), and two fit{HARM}",
                hint="Start the run by hand, with the values that the schedule has.",
            ),
        ),
        ({"request": HIDES}, NIGHTLY, None),
        (
            {"caller": SAYS_SO},
            NoMatch(why="none fits"),
            GiveUp(
                outcome=Outcome.REFUSED,
                rule="caller",
                why="only the call itself says that a schedule made it, and none that calls with arn:role was "
                "found (none fits)",
                hint="If the run is still wanted, start it by hand.",
            ),
        ),
        (
            {"caller": replace(SAYS_SO, role_arn=None)},
            NoMatch(why="none fits"),
            GiveUp(
                outcome=Outcome.REFUSED,
                rule="caller",
                why="only the call itself says that a schedule made it, and none that fits the task was found "
                "(none fits)",
                hint="If the run is still wanted, start it by hand.",
            ),
        ),
        ({"caller": SAYS_SO}, NoMatch(why="two fit", is_role_used=True), None),
        ({"caller": SAYS_SO}, NIGHTLY, None),
        (
            {},
            replace(NIGHTLY, tags=Tags(ignore=True)),
            GiveUp(
                outcome=Outcome.IGNORED,
                rule="tag",
                why="a tag of its rule, its schedule's group or its task definition says to ignore it",
            ),
        ),
        (
            {"failures": (THROTTLED,)},
            NIGHTLY,
            GiveUp(
                outcome=Outcome.PERMANENT,
                rule="errors",
                why="RunTask raised an error, which the caller has seen and may be retrying itself",
                hint=classify(THROTTLED).hint,
            ),
        ),
    ],
)
def test_why_a_launch_is_not_made_again(
    changes: dict[str, Any], found: Background | NoMatch, expected: GiveUp | None
) -> None:
    assert case_of(replace(launch(), **changes), PLAIN, found).refusal == expected


def test_an_error_of_no_certain_run_is_not_made_again_though_errors_are() -> None:
    thrown = launch(failures=(THROTTLED,))
    assert case_of(thrown, PLAIN, replace(NIGHTLY, due=AT), recover_errors=True).refusal is None
    refusal = case_of(thrown, PLAIN, NIGHTLY, recover_errors=True).refusal
    assert refusal is not None
    assert refusal.why == (
        "RunTask raised an error, which the caller has seen and may be retrying itself; its schedule "
        "and run cannot be identified, so two calls for it could start it twice"
    )


@pytest.mark.parametrize(
    ("age_s", "late_s", "hold_s"),
    [(600, 0, 600), (600, 200.4, 400), (600, 600, 0), (600, 9000, 0), (600, -9000, 600), (0, 0, 0)],
)
def test_for_how_long_eventbridge_may_still_make_the_call(age_s: int, late_s: float, hold_s: int) -> None:
    thrown = launch(failures=(THROTTLED,))
    found = replace(NIGHTLY, due=AT, event_age_s=age_s)
    assert case_of(thrown, PLAIN, found, now=AT + late_s, recover_errors=True).hold_s == hold_s
    assert case_of(thrown, PLAIN, found, recover_errors=True).hold_s == age_s
    assert case_of(launch(), PLAIN, found, now=AT + late_s).hold_s == 0


# --- Messages in progress and at the end ---


@pytest.mark.parametrize(
    ("elapsed_s", "next_due_s", "sets", "is_told"),
    [
        (1799.9, None, {}, False),
        (1800, None, {}, True),
        (1799.9, 86_400, {}, False),
        (299.9, 600, {}, False),
        (300, 600, {}, True),
        (1800, None, {"early_s": None}, False),
        (1800, None, {"notify": Notify.NEVER}, False),
        (1800, None, {"notify": Notify.ALWAYS}, True),
    ],
)
def test_when_a_person_is_told_that_a_run_is_late(
    elapsed_s: float, next_due_s: float | None, sets: dict[str, Any], is_told: bool
) -> None:
    found = NO_SCHEDULE if next_due_s is None else replace(NIGHTLY, next_due=AT + next_due_s)
    case = case_of(launch(), changed(**({"early_s": 1800} | sets)), found)
    state = after(case, begin(case), Looked(AT + elapsed_s))
    then = after(case, state, Answered(SHORT))
    assert isinstance(then.move, SendEarlyMessage) is is_told
    # And once only.
    again = after(case, then._replace(is_told=True, move=Call()), Answered(SHORT))
    assert isinstance(again.move, Wait)


@pytest.mark.parametrize(
    ("outcome", "notify", "notify_recovered", "was_told", "expected"),
    [
        (Outcome.RECOVERED, None, False, False, False),
        (Outcome.RECOVERED, None, True, False, True),
        (Outcome.RECOVERED, Notify.ALWAYS, False, False, True),
        (Outcome.RECOVERED, Notify.FAILURE, True, False, False),
        (Outcome.RECOVERED, Notify.NEVER, True, False, False),
        (Outcome.EXPIRED, None, False, False, True),
        (Outcome.EXPIRED, Notify.ALWAYS, False, False, True),
        (Outcome.EXPIRED, Notify.FAILURE, False, False, True),
        (Outcome.EXPIRED, Notify.NEVER, True, False, False),
        # Who was told that it is late is told how it ended.
        (Outcome.RECOVERED, None, False, True, True),
        (Outcome.IGNORED, Notify.ALWAYS, True, True, False),
    ],
)
def test_which_ends_send_a_message(
    outcome: Outcome, notify: Notify | None, notify_recovered: bool, was_told: bool, expected: bool
) -> None:
    handling = replace(case_of(launch(), PLAIN).handlings[Category.CAPACITY], notify=notify)
    ending = replace(
        before_it_began(1, FIRST, GiveUp(outcome=Outcome.EXPIRED, rule="r", why="w")), outcome=outcome
    )
    told_ = is_told(ending, handling, notify_recovered=notify_recovered, was_told=was_told)
    assert told_ is expected


def test_a_message_that_is_not_taken_has_a_line_and_a_longer_wait_each_time() -> None:
    done = run(launch(failures=(CANNOT_LIST,)), notify_errors=["slow"] * 9)
    (subject,) = {fields["subject"] for _, fields in told(done, "not_notified")}
    assert "nightly" in subject
    assert told(done, "not_notified") == [
        ("recovery.not_notified", {"tries": nth, "error": "slow", "subject": subject}) for nth in range(1, 8)
    ]
    assert done.execution.operations == [
        ("find-schedule-1", {"now": AT + 300, "why": "no rule or schedule made this call"}),
        ("notify-1", {"error": "slow"}),
        *(
            operation
            for nth in range(1, 7)
            for operation in [
                (f"notify-wait-{nth}", 60 * 2 ** (nth - 1)),
                (f"notify-{nth + 1}", {"error": "slow"}),
            ]
        ),
    ]


def test_a_fault_while_a_person_is_told_is_told_again_and_has_its_type_in_the_log() -> None:
    done = run(launch(failures=(CANNOT_LIST,)), notify_errors=[KeyError("a secret")])
    assert [fields["error"] for _, fields in told(done, "not_notified")] == ["KeyError"]
    assert len(done.world.messages) == 1
    assert "a secret" not in f"{done.told}{done.execution.operations}"
