"""Around the calls: the schedule that made the first one, tasks that are there already, and tasks that do not run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.launch import names as identity
from retry_run_task.launch.request import HIDDEN, hidden_paths
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    Category,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    Request,
    TaskState,
)
from retry_run_task.recovery.ports import Background
from retry_run_task.sources import task_state_change
from support.policies import PLAIN, changed
from support.records import CAPACITY, launch, parameters
from support.virtual import CutPoint, VirtualExecution
from support.worlds import Run, run

SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),))
LOST = Lost(failure=Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable."))
FAILED_AT = launch().event_time.timestamp()
UNREAD = THROTTLED = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
NOT_ALLOWED = Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="not authorized")
REFUSED = Refused(failure=THROTTLED)
EMPTY = Failure(origin=Origin.ERROR, code="ResponseParserError", reason="an answer of AWS cannot be read")


def placed(*names: str) -> Placed:
    return Placed(task_arns=names)


def runs(*names: str) -> tuple[TaskState, ...]:
    return tuple(TaskState(arn=name, phase=Phase.RUNS) for name in names)


def starting(*names: str) -> tuple[TaskState, ...]:
    return tuple(TaskState(arn=name, phase=Phase.STARTING) for name in names)


def failed(name: str, reason: str, code: str = "TaskFailedToStart") -> TaskState:
    return TaskState(
        arn=name, phase=Phase.FAILED, failure=Failure(origin=Origin.STOPPED, code=code, reason=reason)
    )


def due_in(seconds: float, **changes: Any) -> Background:
    values = {
        "name": "nightly",
        "arn": "arn:x",
        "due": FAILED_AT - 3,
        "next_due": FAILED_AT + seconds,
        "event_age_s": 86_400,
    }
    return Background(**(values | changes))


NETWORK = "Timeout waiting for network interface provisioning to complete."
PART = Placed(task_arns=("t1",), failures=SHORT.failures)


# --- Is it there already? ---


def test_a_task_of_ours_that_an_answer_with_failures_has_started_all_the_same_is_found() -> None:
    """Where nothing is known of the schedule, too: our mark needs nobody's."""
    ours = TaskState(arn="t1", phase=Phase.RUNS, is_ours=True)
    done = run(launch(), SHORT, there={2: (ours,)})
    assert done.ending.outcome is Outcome.RECOVERED
    assert len(done.world.bodies) == 1


def test_a_task_that_is_there_ends_it_before_anything_is_launched() -> None:
    """Of the failed call itself, a person or the next run: whichever it is, the job is being done."""
    done = run(launch(), there={1: runs("other")})
    assert done.ending.outcome is Outcome.ALREADY_RUNNING
    assert done.ending.task_arns == ("other",)
    assert done.world.bodies == []
    assert done.world.messages == []


def test_a_task_that_appears_while_waiting_ends_it_too() -> None:
    done = run(launch(), SHORT, there={3: runs("by-hand")}, background=due_in(86_400))
    assert done.ending.outcome is Outcome.ALREADY_RUNNING
    assert len(done.world.bodies) == 2


def test_another_s_task_that_does_not_come_to_run_is_replaced() -> None:
    done = run(
        launch(),
        placed("t1"),
        there={1: starting("other")},
        states={1: (failed("other", NETWORK),)},
    )
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.ending.task_arns == ("t1",)


FAILED_OTHER = "arn:aws:ecs:ap-northeast-1:123456789012:task/batch/0f9c"


def shared_with_its_own_recovery() -> tuple[str, str]:
    """Return token and mark as intake derives them from ECS's event of another's failed task."""
    detail = {
        "taskArn": FAILED_OTHER,
        "taskDefinitionArn": "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/nightly:7",
        "startedBy": "events-rule/nightly",
        "lastStatus": "STOPPED",
        "stopCode": "TaskFailedToStart",
        "stoppedReason": NETWORK,
        "stoppedAt": "2026-11-24T00:03:00Z",
    }
    of = {"account": launch().account, "region": launch().region}
    (found,) = task_state_change.parse({"id": "x", "detail": detail, **of})
    assert isinstance(found, FailedLaunch)
    mark = identity.started_by_of("events-rule/nightly", found.call_id)
    return identity.client_token(found.call_id, 1), mark


def own(attempt: int) -> tuple[str, str]:
    call_id = launch().call_id
    return identity.client_token(call_id, attempt), identity.started_by_of("events-rule/nightly", call_id)


def calls(done: Run) -> list[tuple[str, str]]:
    return [(body["clientToken"], body["startedBy"]) for body in done.world.bodies]


def test_what_replaces_another_s_failed_task_is_started_as_its_own_recovery_starts_it() -> None:
    """So that ECS makes one call of both, whichever comes first, and whether there is another at all."""
    watched = run(
        launch(),
        SHORT,
        placed("t1"),
        there={2: starting(FAILED_OTHER)},
        states={1: (failed(FAILED_OTHER, NETWORK),)},
    )
    before = run(launch(), placed("t1"), there={1: (failed(FAILED_OTHER, NETWORK),)})
    assert calls(watched) == [own(1), shared_with_its_own_recovery()]
    assert calls(before) == [shared_with_its_own_recovery()]
    assert watched.ending.outcome is before.ending.outcome is Outcome.RECOVERED


def test_a_message_after_that_names_the_mark_that_the_tasks_would_have() -> None:
    policy = changed(category=Category.TRANSIENT, attempts=2)
    done = run(launch(), LOST, there={1: (failed(FAILED_OTHER, NETWORK),)}, policy=policy)
    assert calls(done) == [shared_with_its_own_recovery()] * 2
    assert f"--started-by {shared_with_its_own_recovery()[1]}" in done.world.messages[0].text


@pytest.mark.parametrize(
    ("asked_for", "script", "there"),
    [
        # The own token may have started something.
        (1, (LOST, placed("t1")), {2: (failed(FAILED_OTHER, NETWORK),)}),
        # A task of ours is nobody else's.
        (1, (placed("t1"),), {1: (replace(failed(FAILED_OTHER, NETWORK), is_ours=True),)}),
    ],
)
def test_the_launch_s_own_token_is_kept_where_it_must_be(
    asked_for: int, script: tuple[Placed | Lost, ...], there: dict[int, Any]
) -> None:
    done = run(launch(request=parameters(count=asked_for)), *script, there=there)
    assert calls(done) == [own(1)] * len(script)
    assert done.ending.outcome is Outcome.RECOVERED


@pytest.mark.parametrize(
    ("script", "seen_at", "expected"),
    [
        # Refused, then answered: the attempt has ended, and the next is for the failed task.
        ((REFUSED, SHORT, placed("t1")), 3, ["own", "own", "other"]),
        ((LOST, SHORT, placed("t1")), 3, ["own", "own", "other"]),
        # Not answered yet.
        ((REFUSED, placed("t1")), 2, ["own", "own"]),
        ((REFUSED, REFUSED, placed("t1")), 3, ["own", "own", "own"]),
    ],
)
def test_only_an_answer_ends_the_attempt_that_keeps_its_token(
    script: tuple[Placed | Lost | Refused, ...], seen_at: int, expected: list[str]
) -> None:
    names = {own(1): "own", shared_with_its_own_recovery(): "other"}
    done = run(launch(), *script, there={seen_at: (failed(FAILED_OTHER, NETWORK),)})
    assert [names[call] for call in calls(done)] == expected


def test_the_log_counts_how_often_one_attempt_was_repeated() -> None:
    done = run(launch(), SHORT, REFUSED, LOST, SHORT, placed("t1"))
    called = [fields["repeat"] for event, fields in done.told if event == "recovery.called"]
    assert called == [0, 0, 1, 2, 0]


@pytest.mark.parametrize(
    ("answer", "rule", "is_unsure"),
    [
        (REFUSED, "deadline", False),
        (replace(REFUSED, is_unsure=True), "client-token", True),
        (LOST, "client-token", True),
    ],
)
def test_a_call_that_was_only_refused_is_made_for_longer_than_ecs_keeps_a_token(
    answer: Refused | Lost, rule: str, is_unsure: bool
) -> None:
    """ECS has done nothing that it could forget."""
    ending = run(launch(), answer, policy=changed(deadline_s=2 * 3600)).ending
    assert (ending.rule, ending.is_unsure) == (rule, is_unsure)


def test_of_several_that_are_missing_one_replaces_another_s_failed_task_and_the_others_are_the_launch_s_own() -> (
    None
):
    """One call of count 1 under its token, and one for the rest under the launch's own."""
    script = (placed("g1"), placed("t1", "t2"))
    done = run(launch(request=parameters(count=3)), *script, there={1: (failed(FAILED_OTHER, NETWORK),)})
    assert calls(done) == [shared_with_its_own_recovery(), own(1)]
    assert [body["count"] for body in done.world.bodies] == [1, 2]
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.ending.task_arns == ("g1", "t1", "t2")


def test_a_task_that_the_recovery_of_another_s_failed_task_has_started_leaves_nothing_to_start_for_it() -> (
    None
):
    failed_other = shared_with_its_own_recovery()[1][-12:]
    theirs = TaskState(arn="g1", phase=Phase.RUNS, is_ours=True, starter=failed_other)
    two = launch(request=parameters(count=2))
    done = run(two, placed("t1"), there={1: (failed(FAILED_OTHER, NETWORK),), 2: (theirs,)})
    assert calls(done) == [own(1)]
    assert [body["count"] for body in done.world.bodies] == [1]
    assert done.ending.task_arns == ("g1", "t1")


def test_a_step_that_was_cut_off_calls_for_whom_it_may_have_called_before() -> None:
    """A failed task that it sees only now does not change for whom it asks: the call before may have placed one."""
    done = run(
        launch(),
        placed("t1"),
        there={2: (failed(FAILED_OTHER, NETWORK),)},
        cut_off=dies_at("run-task-1", CutPoint.AFTER),
    )
    assert calls(done) == [own(1)] * 2


def test_a_part_that_was_placed_and_failed_to_start_is_started_again() -> None:
    """Its failure is seen by the look before the next attempt, while the other part is still missing."""
    ours = replace(failed("t1", NETWORK), is_ours=True)
    done = run(launch(request=parameters(count=2)), PART, SHORT, placed("t2", "t3"), there={3: (ours,)})
    assert [body["count"] for body in done.world.bodies] == [2, 1, 2]
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.ending.task_arns == ("t2", "t3")
    assert [fields["task_arns"] for event, fields in done.told if event == "recovery.start_failed"] == [
        ["t1"]
    ]


def test_a_task_that_failed_to_start_is_listed_for_an_hour_and_counts_once() -> None:
    """And hides none of those behind it."""
    ours = replace(failed("t1", NETWORK), is_ours=True)
    two = launch(request=parameters(count=2))
    seen = {2: (ours,), 3: (ours, *runs("other")), 4: (ours,)}
    done = run(two, PART, SHORT, SHORT, placed("t2"), there=seen, background=due_in(86_400))
    assert [fields["task_arns"] for event, fields in done.told if event == "recovery.start_failed"] == [
        ["t1"]
    ]
    assert [body["count"] for body in done.world.bodies] == [2, 1, 1, 1]
    assert done.ending.task_arns == ("other", "t2")


def test_a_task_that_the_failed_call_has_placed_is_not_one_of_those_that_are_missing() -> None:
    two = launch(request=parameters(count=2), placed=("t0",))
    done = run(two, placed("t1"), there={1: runs("t0")}, background=due_in(86_400))
    assert [body["count"] for body in done.world.bodies] == [1]
    assert done.ending.task_arns == ("t1",)


def test_a_part_that_was_placed_and_cannot_start_ends_it_with_the_reason() -> None:
    ours = replace(failed("t1", "CannotPullContainerError: manifest unknown"), is_ours=True)
    done = run(launch(request=parameters(count=2)), PART, placed("t2"), there={2: (ours,)})
    assert done.ending.outcome is Outcome.PERMANENT
    assert len(done.world.bodies) == 1
    assert "manifest unknown" in done.world.messages[0].text


def test_a_task_of_ours_whose_answer_was_lost_is_our_success() -> None:
    ours = TaskState(arn="t1", phase=Phase.RUNS, is_ours=True)
    done = run(launch(), LOST, there={2: (ours,)})
    assert done.ending.outcome is Outcome.RECOVERED
    assert len(done.world.bodies) == 1


def test_half_of_another_s_tasks_leaves_the_other_half_to_be_placed() -> None:
    done = run(launch(request=parameters(count=3)), placed("t1", "t2"), there={1: runs("other")})
    assert [body["count"] for body in done.world.bodies] == [2]
    assert done.ending.outcome is Outcome.RECOVERED
    assert set(done.ending.task_arns) == {"other", "t1", "t2"}


def test_a_task_that_was_counted_is_not_counted_again_when_it_is_seen() -> None:
    """After a lost answer the recovery looks for its own tasks too, and finds the one it knows beside another's."""
    ours = tuple(TaskState(arn=name, phase=Phase.RUNS, is_ours=True) for name in ("t1", "t2"))
    script = (Placed(task_arns=("t1",), failures=SHORT.failures), LOST, placed("t3"))
    done = run(launch(request=parameters(count=3)), *script, there={3: ours}, background=due_in(86_400))
    assert [body["count"] for body in done.world.bodies] == [3, 2, 1]
    assert sorted(done.ending.task_arns) == ["t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("background", "asked_for"),
    [
        (due_in(86_400), [True] * 3),
        (due_in(86_400, next_due=None, is_scheduled=False), [False] * 3),
        (NoMatch(why="2 rules or schedules could have made this call"), [False] * 3),
    ],
)
def test_only_a_schedule_that_is_certain_makes_another_task_with_its_mark_this_runs(
    background: Any, asked_for: list[bool]
) -> None:
    """Another event's task, or another target's, does another piece of work."""
    done = run(launch(), SHORT, SHORT, placed("t1"), background=background)
    assert done.world.looked_for == asked_for


def test_not_being_allowed_to_look_is_told_and_keeps_nothing_from_being_recovered() -> None:
    """The client token guards against a second task of ours; the look only finds those of others."""
    done = run(launch(), placed("t1"), there={1: NOT_ALLOWED}, background=due_in(86_400))
    assert done.ending.outcome is Outcome.RECOVERED
    assert len(done.waits) == 0
    assert [fields["why"] for event, fields in done.told if event == "recovery.read_failed"] == [
        "AccessDeniedException: not authorized"
    ]


@pytest.mark.parametrize("failure", [UNREAD, EMPTY], ids=lambda failure: failure.code)
def test_a_look_that_fails_for_a_moment_is_made_again_before_anything_is_started(failure: Failure) -> None:
    """A task of somebody else may be there, and only a look can tell."""
    seen = {1: failure, 2: runs("by-hand")}
    done = run(launch(), placed("t1"), there=seen, background=due_in(86_400))
    assert done.ending.outcome is Outcome.ALREADY_RUNNING
    assert done.world.bodies == []


def test_where_nobody_else_s_tasks_count_no_look_is_waited_for() -> None:
    done = run(launch(), placed("t1"), there={1: UNREAD}, background=NoMatch(why="none"))
    assert done.ending.outcome is Outcome.RECOVERED
    assert len(done.world.looked_for) == 1


# --- Does it run? ---


def test_placed_tasks_are_watched_until_all_run_with_growing_waits() -> None:
    done = run(launch(), placed("t1"), states={1: starting("t1"), 2: (), 3: starting("t1"), 4: runs("t1")})
    assert done.ending.outcome is Outcome.RECOVERED
    waits = [result for name, result in done.execution.operations if name.startswith("watch-wait")]
    assert waits == [15, 30, 60, 60]


def test_only_tasks_that_were_not_seen_running_are_looked_at_again() -> None:
    """The account's rate of reads is shared."""
    states = {1: (*runs("t2"), *starting("t1", "t3")), 2: (*runs("t1"), *starting("t3"))}
    done = run(launch(request=parameters(count=3)), placed("t1", "t2", "t3"), states=states)
    assert done.world.watched == [("t1", "t2", "t3"), ("t1", "t3"), ("t3",)]
    assert done.ending.task_arns == ("t1", "t2", "t3")


def test_a_start_that_failed_for_what_passes_is_made_again_with_a_new_token() -> None:
    done = run(launch(), placed("t1"), placed("t2"), states={1: (failed("t1", NETWORK),)})
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.ending.task_arns == ("t2",)
    assert done.tokens == [identity.client_token(launch().call_id, n) for n in (1, 2)]


def test_only_the_tasks_that_did_not_start_are_made_again() -> None:
    three = launch(request=parameters(count=3))
    states = {1: (*runs("t1"), *starting("t2"), failed("t3", NETWORK))}
    done = run(three, placed("t1", "t2", "t3"), placed("t4"), states=states)
    assert [body["count"] for body in done.world.bodies] == [3, 1]
    assert set(done.ending.task_arns) == {"t1", "t2", "t4"}


@pytest.mark.parametrize(
    "reason",
    [
        "ResourceInitializationError: unable to pull secrets or registry auth: AccessDeniedException",
        "CannotPullContainerError: manifest unknown",
    ],
)
def test_a_start_that_waiting_cannot_help_gives_up_with_the_reason(reason: str) -> None:
    done = run(launch(), placed("t1"), states={1: (failed("t1", reason),)})
    assert done.ending.outcome is Outcome.PERMANENT
    assert len(done.world.bodies) == 1
    assert reason.split(":", maxsplit=1)[0] in done.world.messages[0].text


def test_a_task_that_ran_and_then_failed_is_left_alone() -> None:
    """It is the job's own business from there on."""
    done = run(launch(), placed("t1"), states={1: runs("t1")})
    assert done.ending.outcome is Outcome.RECOVERED
    assert len(done.world.bodies) == 1


def stopping(name: str) -> tuple[TaskState, ...]:
    return (TaskState(arn=name, phase=Phase.STOPPING),)


@pytest.mark.parametrize(
    "seen", [starting("t1"), stopping("t1"), (), UNREAD], ids=["starts", "stops", "unknown", "read_failure"]
)
def test_a_task_that_is_not_seen_running_within_an_hour_is_no_success(seen: Any) -> None:
    done = run(launch(), placed("t1"), states=dict.fromkeys(range(1, 1000), seen))
    assert (done.ending.outcome, done.ending.rule) == (Outcome.UNCONFIRMED, "watch")
    assert not done.ending.succeeded
    watched = sum(result for name, result in done.execution.operations if name.startswith("watch-wait"))
    assert PLAIN.watch_s <= watched <= PLAIN.watch_s + 300
    assert len(done.world.bodies) == 1
    (message,) = done.world.messages
    assert "not seen running" in message.text
    assert "t1" in message.text


def test_a_task_that_is_torn_down_is_not_taken_for_one_that_runs() -> None:
    """It is watched until ECS says what became of it, and then started again."""
    states = {1: stopping("t1"), 2: (failed("t1", NETWORK),)}
    done = run(launch(), placed("t1"), placed("t2"), states=states)
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.ending.task_arns == ("t2",)


def test_not_being_able_to_watch_for_a_while_is_told_and_changes_nothing() -> None:
    done = run(launch(), placed("t1"), states={1: UNREAD})
    assert done.ending.outcome is Outcome.RECOVERED
    assert len(done.world.bodies) == 1
    read_failure = [fields["why"] for event, fields in done.told if event == "recovery.read_failed"]
    assert read_failure == ["ThrottlingException: Rate exceeded"]


# --- Is it still wanted? ---


def test_a_run_is_dropped_when_its_successor_is_due_and_says_so() -> None:
    done = run(launch(), SHORT, background=due_in(1200))
    assert done.ending.outcome is Outcome.SUPERSEDED
    assert max(done.world.times) < FAILED_AT + 1200
    assert done.world.timeline.now < FAILED_AT + 1200, "it does not wait for what it will not do"
    assert "next run" in done.world.messages[0].text


def test_a_record_that_arrives_after_the_next_run_was_due_starts_nothing() -> None:
    """A five-minute job whose record took six minutes. It was too late from the beginning, so no call was lost."""
    done = run(launch(), placed("t1"), background=due_in(300), late_s=360)
    assert done.ending.outcome is Outcome.SUPERSEDED
    assert done.world.bodies == []
    assert "--started-by" not in done.world.messages[0].text


def dies_at(step: str, when: CutPoint) -> Any:
    died: list[str] = []

    def cut_off(_execution: VirtualExecution, name: str, moment: CutPoint) -> bool:
        if (name, moment) != (step, when) or died:
            return False
        died.append(name)
        return True

    return cut_off


@pytest.mark.parametrize(
    ("step", "moment", "kind"),
    [
        ("run-task-1", CutPoint.AFTER, CallerKind.RULE),
        ("run-task-2", CutPoint.AFTER, CallerKind.RULE),
        # It has called nothing, and cannot know.
        ("run-task-1", CutPoint.BEFORE, CallerKind.RULE),
        ("run-task-1", CutPoint.AFTER, CallerKind.OTHER),
    ],
)
@pytest.mark.parametrize("seen", [(), UNREAD])
def test_who_comes_back_too_late_may_have_called_and_says_so(
    step: str, moment: CutPoint, kind: CallerKind, seen: Any
) -> None:
    """ECS may not list a new task yet, or not answer, and the call may not be made once more."""
    value = launch(caller=Caller(kind=kind))
    done = run(
        value,
        *([SHORT] if step == "run-task-2" else []),
        placed("t1"),
        there=dict.fromkeys(range(1, 9), seen),
        background=due_in(1200, is_scheduled=False),
        policy=changed(deadline_s=1200),
        cut_off=dies_at(step, moment),
        restart_s=1800,
    )
    assert done.ending.outcome in (Outcome.SUPERSEDED, Outcome.EXPIRED)
    assert done.ending.is_unsure
    mark = identity.started_by_of("events-rule/nightly", launch().call_id)
    assert f"--started-by {mark}" in done.world.messages[0].text


def test_who_comes_back_too_late_and_sees_its_task_has_its_task() -> None:
    ours = TaskState(arn="t1", phase=Phase.RUNS, is_ours=True)
    done = run(
        launch(),
        placed("t1"),
        there={2: (ours,)},
        background=due_in(1200),
        cut_off=dies_at("run-task-1", CutPoint.AFTER),
        restart_s=1800,
    )
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.ending.task_arns == ("t1",)


def test_a_monthly_job_is_fought_for_as_long_as_the_policy_says() -> None:
    policy = changed(deadline_s=1800)
    done = run(launch(), SHORT, background=due_in(30 * 86_400), policy=policy)
    assert done.ending.outcome is Outcome.EXPIRED
    assert max(done.world.times) > FAILED_AT + 1800 - 120


def test_a_policy_may_want_only_a_share_of_the_interval() -> None:
    policy = changed(deadline_s=86_400, interval_share=0.5)
    done = run(launch(), SHORT, background=due_in(1200), policy=policy)
    assert done.ending.outcome is Outcome.SUPERSEDED
    assert max(done.world.times) < FAILED_AT + 600


@pytest.mark.parametrize("kind", [CallerKind.HAND_MADE, CallerKind.OTHER])
def test_who_has_no_schedule_is_not_asked_for_one(kind: CallerKind) -> None:
    done = run(launch(caller=Caller(kind=kind)), placed("t1"), background=due_in(1))
    assert done.ending.outcome is Outcome.RECOVERED
    assert "find-schedule" not in [name for name, _ in done.execution.operations]


def test_a_task_of_the_next_run_is_not_taken_for_this_one_s() -> None:
    """Whether it is listed yet or not, a run that has been overtaken is superseded, and says so."""
    theirs = TaskState(arn="next", phase=Phase.RUNS, created=FAILED_AT + 301)
    # ECS's clock may be behind EventBridge's.
    early = [replace(theirs, created=FAILED_AT + after_s) for after_s in (298, 299)]
    for seen in ((), (theirs,), *((one,) for one in early)):
        done = run(launch(), there={1: seen}, background=due_in(300), late_s=360)
        assert done.ending.outcome is Outcome.SUPERSEDED
        assert len(done.world.messages) == 1
    before = replace(theirs, created=FAILED_AT + 297)
    done = run(launch(), there={1: (before,)}, background=due_in(300), late_s=360)
    assert done.ending.outcome is Outcome.ALREADY_RUNNING
    # The call was made in time, and its answer was lost.
    ours = replace(theirs, is_ours=True)
    done = run(launch(), there={1: (ours,)}, background=due_in(300), late_s=360)
    assert done.ending.outcome is Outcome.RECOVERED
    unknown = replace(theirs, created=None)
    done = run(launch(), there={1: (unknown,)}, background=due_in(300), late_s=360)
    assert done.ending.outcome is Outcome.ALREADY_RUNNING


@pytest.mark.parametrize("failure", [UNREAD, EMPTY], ids=lambda failure: failure.code)
def test_a_schedule_that_cannot_be_read_for_a_moment_is_read_again(failure: Failure) -> None:
    """Nothing is called before it is known when the next run is due, and who else may have started a task."""
    done = run(launch(), placed("t1"), background=[failure, failure, due_in(1200)])
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.world.looked_for == [True]
    waits = [result for name, result in done.execution.operations if name.startswith("find-schedule-wait")]
    assert waits == [15, 30]
    assert done.ending.elapsed_s == 300 + 45 + 15, "a wait before the first look counts once"


def test_a_schedule_that_cannot_be_read_at_all_is_told_and_nothing_is_started() -> None:
    done = run(launch(), placed("t1"), background=UNREAD, policy=changed(deadline_s=1800))
    assert (done.ending.outcome, done.ending.rule) == (Outcome.EXPIRED, "find-schedule")
    assert done.world.bodies == []
    assert "ThrottlingException" in done.world.messages[0].text


def test_a_schedule_that_must_not_be_read_is_not_asked_for_again() -> None:
    done = run(launch(), placed("t1"), background=NOT_ALLOWED)
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.world.looked_for == [False]


# --- Is it whole? ---


def incomplete(**changes: Any) -> FailedLaunch:
    recorded = parameters(
        dryrun=None,
        clientToken=None,
        overrides={"containerOverrides": [{"name": "app", "environment": HIDDEN}]},
    )
    value = launch(**changes)
    unknown = IncompleteRequest(parameters=recorded, missing=tuple(hidden_paths(recorded)))
    return type(value)(**{f: getattr(value, f) for f in value.__slots__} | {"request": unknown})


CANARY = "canary-5e5d"
SECRET = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": CANARY}]}]}


def test_hidden_values_come_from_the_schedule_and_are_seen_by_run_task_only() -> None:
    whole = Request(parameters=dict(incomplete().request.parameters) | {"overrides": SECRET})
    done = run(
        incomplete(), SHORT, placed("t1"), background=due_in(86_400), whole=whole, notify_recovered=True
    )
    assert done.ending.outcome is Outcome.RECOVERED
    assert [body["overrides"] for body in done.world.bodies] == [SECRET, SECRET]
    assert done.world.messages
    written = json.dumps([done.execution.operations, done.execution.payload, done.told], default=str)
    assert CANARY not in written
    assert CANARY not in done.world.messages[0].text
    assert CANARY not in str(done.ending)


@pytest.mark.parametrize(
    ("world", "says"),
    [
        (
            {"background": NoMatch(why="2 rules or schedules could have made this call: a, b")},
            "2 rules or schedules",
        ),
        (
            {"background": due_in(86_400), "whole": NoMatch(why="nightly was changed after the call failed")},
            "was changed",
        ),
    ],
)
def test_what_cannot_be_made_whole_is_refused_with_the_reason(world: dict[str, Any], says: str) -> None:
    done = run(incomplete(), placed("t1"), **world)
    assert done.ending.outcome is Outcome.REFUSED
    assert done.world.bodies == []
    assert says in done.world.messages[0].text
    assert len(done.world.messages) == 1


def test_values_that_cannot_be_read_for_a_moment_are_read_again_and_no_attempt_is_used_up() -> None:
    whole = Request(parameters=dict(incomplete().request.parameters) | {"overrides": SECRET})
    done = run(
        incomplete(), SHORT, placed("t1"), background=due_in(86_400), whole=[UNREAD, whole, UNREAD, whole]
    )
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.tokens == [identity.client_token(launch().call_id, n) for n in (1, 2)]
    assert done.ending.calls == 2
    assert [fields["category"] for event, fields in done.told if event == "recovery.waiting"] == [
        "throttle",
        "capacity",
        "throttle",
    ]


def test_a_schedule_that_changes_under_way_stops_it() -> None:
    """It was whole at the first attempt, and is not at the second."""
    whole = Request(parameters=dict(incomplete().request.parameters) | {"overrides": SECRET})
    done = run(incomplete(), SHORT, background=due_in(86_400), whole=whole, forget_after=1)
    assert done.ending.outcome is Outcome.REFUSED
    assert len(done.world.bodies) == 1


# --- Errors ---


def thrown(failure: Failure = THROTTLED) -> FailedLaunch:
    return launch(failures=(failure,))


def test_a_thrown_error_waits_until_eventbridge_cannot_make_the_call_any_more() -> None:
    background = due_in(86_400, event_age_s=3600)
    done = run(thrown(), placed("t1"), background=background, recover_errors=True, late_s=300)
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.world.times[0] == FAILED_AT + 3600


def test_a_later_success_of_eventbridges_own_is_seen() -> None:
    background = due_in(86_400, event_age_s=3600)
    done = run(thrown(), placed("t1"), background=background, recover_errors=True, there={1: runs("own")})
    assert done.ending.outcome is Outcome.ALREADY_RUNNING
    assert done.world.bodies == []


def test_a_call_that_eventbridge_repeats_for_longer_than_anybody_waits_is_given_up() -> None:
    done = run(thrown(), placed("t1"), background=due_in(86_400), recover_errors=True)
    assert done.ending.outcome in (Outcome.EXPIRED, Outcome.SUPERSEDED)
    assert done.world.bodies == []


@pytest.mark.parametrize(
    "background", [due_in(86_400, due=None), NoMatch(why="two rules could have made it")]
)
def test_an_error_is_only_reported_where_it_is_not_certain_which_run_it_was(background: Any) -> None:
    """EventBridge records each of its own tries as another call, and both could start the run."""
    done = run(thrown(), placed("t1"), background=background, recover_errors=True)
    assert (done.ending.outcome, done.ending.rule) == (Outcome.PERMANENT, "errors")
    assert done.world.bodies == []


def test_two_tries_of_one_run_share_a_token_and_two_runs_do_not() -> None:
    """Whatever their records are called."""
    first = due_in(86_400, event_age_s=0)
    second = due_in(86_400, event_age_s=0, due=FAILED_AT + 4 * 3600)

    def token(event_id: str, background: Background) -> str:
        value = replace(thrown(), event_id=event_id, call_id=event_id[:1] * 32)
        return run(value, placed("t1"), background=background, recover_errors=True).tokens[0]

    assert token("a", first) == token("b", first)
    assert token("a", first) != token("b", second)


def test_what_is_started_for_an_error_is_looked_for_by_the_identity_of_its_run() -> None:
    """Another try of EventBridge's has a recovery too, and each must see the other's task."""
    background = due_in(86_400, event_age_s=0)
    done = run(thrown(), LOST, placed("t1"), background=background, recover_errors=True)
    of_run = identity.run_identity("arn:x", FAILED_AT - 3)
    search, *steps = [asked.call_id for asked in done.world.asked_for]
    assert search == launch().call_id != of_run
    # Twice a look and a call; the watch behind them has the ARN.
    assert steps[:4] == [of_run] * 4
    plain = run(launch(), LOST, placed("t1"), background=background)
    assert {asked.call_id for asked in plain.world.asked_for} == {launch().call_id}


@pytest.mark.parametrize("late_s", [-73 * 365 * 86_400, 0])
def test_a_record_from_the_future_is_held_for_no_longer_than_eventbridge_repeats(late_s: int) -> None:
    background = due_in(200 * 365 * 86_400, event_age_s=3600)
    done = run(thrown(), placed("t1"), background=background, recover_errors=True, late_s=late_s)
    (held,) = [result for name, result in done.execution.operations if name == "hold-wait"]
    assert held == 3600


def test_a_target_without_retries_is_recovered_at_once() -> None:
    done = run(thrown(), placed("t1"), background=due_in(86_400, event_age_s=0), recover_errors=True)
    assert done.world.times == [FAILED_AT + 300]


@pytest.mark.parametrize("recover_errors", [True, False])
def test_a_denied_call_is_never_made_again(recover_errors: bool) -> None:
    denied = thrown(Failure(origin=Origin.ERROR, code="AccessDenied", reason="no"))
    done = run(denied, placed("t1"), background=due_in(86_400, event_age_s=0), recover_errors=recover_errors)
    assert done.ending.outcome is Outcome.PERMANENT
    assert done.world.bodies == []
