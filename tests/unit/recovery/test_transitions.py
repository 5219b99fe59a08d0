"""Single transitions of the engine: what one event changes, and what it must leave alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.failures.classify import classify
from retry_run_task.launch.schedule import EVERYTHING_ELSE
from retry_run_task.launch.values import (
    Category,
    Failure,
    IncompleteRequest,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    TaskState,
)
from retry_run_task.policy.decision import GiveUp
from retry_run_task.policy.ladder import AS_ASKED, Rung, RungKind
from retry_run_task.policy.rules import OPERATIONS_MAX, Notify, Overlap
from retry_run_task.recovery.after import after, begin
from retry_run_task.recovery.case import Case, case_of
from retry_run_task.recovery.events import Answered, Event, Looked, Stopped, Told, Waited, Watched
from retry_run_task.recovery.ports import Background
from retry_run_task.recovery.state import (
    TOKEN_LIFE_S,
    Call,
    End,
    Look,
    Move,
    State,
    Task,
    Wait,
    Watch,
    late,
    overlapping,
)
from support.policies import PLAIN, changed
from support.records import CAPACITY, launch, parameters
from support.worlds import run

AT = launch().event_time.timestamp()
SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),))
LOST = Lost(failure=Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable."))
DENIED = Refused(failure=Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="no"))
NIGHTLY = Background(name="nightly", arn="arn:x", next_due=None, event_age_s=0)
SUBNET_A = Rung(kind=RungKind.EACH_SUBNET, value=("subnet-a",))
CASE = case_of(launch(), PLAIN, NIGHTLY)


def looked(case: Case = CASE, **changes: Any) -> State:
    """Return the state after a first look that found nothing."""
    return after(case, begin(case), Looked(AT + 60))._replace(**changes)


# --- Lambda's limit on operations ---


@pytest.mark.parametrize(
    ("event", "used"),
    [
        (Looked(AT + 90), 1),
        (Looked(AT + 90, again=True), 2),
        (Stopped(stopped=("t1",)), 1),
        (Stopped(again=True), 2),
        (Watched(), 1),
        (Waited(5), 1),
        (Told(), 1),
        # In the step that looked.
        (Answered(SHORT), 0),
    ],
)
def test_how_many_durable_operations_an_event_stands_for(event: Event, used: int) -> None:
    assert after(CASE, looked(operations=10), event).operations == 10 + used


def test_a_call_in_the_last_step_is_still_made_and_no_wait_follows_it() -> None:
    state = after(CASE, looked(operations=OPERATIONS_MAX - 1), Looked(AT + 90))
    assert (state.operations, state.move) == (OPERATIONS_MAX, Call())
    waits = after(CASE, state, Answered(SHORT))
    assert isinstance(waits.move, Wait)
    end = GiveUp(
        outcome=Outcome.EXPIRED,
        rule="operations",
        why=f"it has used {OPERATIONS_MAX + 1} of the 3,000 operations that Lambda allows a durable execution",
        hint="If the run is still wanted, start it by hand.",
    )
    assert after(CASE, waits, Waited(8)).move == End(end)
    watches = looked(
        tasks={"t1": Task(starter="")},
        move=Watch(nth=1, delay_s=15, watched_s=0),
        operations=OPERATIONS_MAX,
    )
    unconfirmed = replace(end, outcome=Outcome.UNCONFIRMED)
    assert after(CASE, watches, Watched()).move == End(unconfirmed)
    earlier = after(CASE, waits._replace(operations=OPERATIONS_MAX - 2), Waited(8))
    assert earlier.move == Look()


# --- Tasks ---


def test_a_task_that_was_seen_running_is_not_watched_again() -> None:
    """It may stop before the last one is placed: it has done its work."""
    two = launch(request=parameters(clientToken=None, dryrun=None, count=2))
    ours = {phase: TaskState(arn="t1", phase=phase, is_ours=True) for phase in Phase}
    part = Placed(task_arns=("t1",), failures=SHORT.failures)
    seen = {2: (ours[Phase.RUNS],), 3: (ours[Phase.STOPPING],)}
    t2_runs = {1: (TaskState(arn="t2", phase=Phase.RUNS),)}
    done = run(two, part, SHORT, Placed(task_arns=("t2",)), there=seen, states=t2_runs)
    assert (done.ending.outcome, done.world.watches) == (Outcome.RECOVERED, 1)
    # Without a look that saw it running, it is.
    seen[2] = ()
    done = run(two, part, SHORT, Placed(task_arns=("t2",)), there=seen, states=t2_runs)
    assert (done.ending.outcome, done.world.watches) == (Outcome.RECOVERED, 2)


def test_an_old_answer_with_a_task_that_has_failed_since_brings_it_back_for_none() -> None:
    state = looked(failed=frozenset({"t1"}))
    assert list(after(CASE, state, Answered(Placed(task_arns=("t1",)))).tasks) == []
    assert list(after(CASE, state, Answered(Placed(task_arns=("t2",)))).tasks) == ["t2"]


@pytest.mark.parametrize(
    ("answer", "rungs"),
    [
        (Placed(task_arns=("t1", "t2")), [SUBNET_A, AS_ASKED]),
        # The body that ECS has kept for the token may be another one.
        (Placed(task_arns=("t1", "t2"), is_conflict=True), [SUBNET_A, None]),
    ],
)
def test_what_is_known_of_the_rung_of_a_task_stays_known(answer: Placed, rungs: list[Rung | None]) -> None:
    two = case_of(launch(request=parameters(count=2)), PLAIN, NIGHTLY)
    state = looked(two, tasks={"t1": Task(starter=two.call_id[:12], rung=SUBNET_A)})
    then = after(two, state, Answered(answer))
    assert [task.rung for task in then.tasks.values()] == rungs


@pytest.mark.parametrize(
    ("script", "rungs"),
    [
        # One rung was tried with the token: it must have been that one.
        ((SHORT, LOST), (SUBNET_A.name,)),
        ((LOST,), ()),
        # Two were.
        ((SHORT, LOST, DENIED, LOST), ()),
    ],
)
def test_the_rung_of_a_task_whose_answer_was_lost_is_known_if_one_was_tried(
    script: tuple[Any, ...], rungs: tuple[str, ...]
) -> None:
    policy = changed(category=Category.CAPACITY, rungs=(RungKind.AS_ASKED, RungKind.EACH_SUBNET))
    ours = TaskState(arn="t1", phase=Phase.RUNS, is_ours=True)
    looks = {(SHORT, LOST): 2, (LOST,): 2}.get(script, 4)
    done = run(launch(), *script, policy=policy, there={looks: (ours,)}, background=NIGHTLY)
    assert (done.ending.outcome, done.ending.rungs) == (Outcome.RECOVERED, rungs)


@pytest.mark.parametrize(("index", "then"), [(0, 0), (1, 2), (2, 2)])
def test_a_rung_that_cannot_start_a_task_is_left_if_it_is_the_current_one(index: int, then: int) -> None:
    policy = changed(category=Category.CAPACITY, rungs=(RungKind.AS_ASKED, RungKind.EACH_SUBNET))
    case = case_of(launch(), policy, NIGHTLY)
    assert case.rungs[1] == SUBNET_A
    pull = Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason="CannotPullContainerError: x")
    failed = TaskState(arn="t1", phase=Phase.FAILED, failure=pull, is_ours=True)
    state = looked(case, tasks={"t1": Task(starter=case.call_id[:12], rung=SUBNET_A)}, rung_index=index)
    after_it = after(case, state._replace(move=Watch(nth=1, delay_s=15, watched_s=0)), Watched((failed,)))
    assert list(after_it.excluded) == [SUBNET_A]
    assert after_it.rung_index == then


@pytest.mark.parametrize("move", [Look(), Call(), Watch(nth=3, delay_s=60, watched_s=600), End(None)])
def test_a_history_of_another_policy_may_watch_and_stop_anywhere(move: Move) -> None:
    """The policy that the history is read with has other moves."""
    state = looked(tasks={"t1": Task(starter=""), "t2": Task(starter="")}, move=move)
    runs = TaskState(arn="t1", phase=Phase.RUNS)
    assert after(CASE, state, Watched((runs,))).starting == ("t2",)
    stopped = after(CASE, state, Stopped((runs,), stopped=("t2",)))
    assert (stopped.starting, stopped.stopped) == (("t2",), frozenset({"t2"}))


@pytest.mark.parametrize(
    ("earlier", "named"), [(("a",), "a"), (("a", "b", "c"), "a, b, c"), (("a", "b", "c", "d"), "a, b, c")]
)
def test_an_end_beside_an_earlier_run_names_at_most_three_of_its_tasks(
    earlier: tuple[str, ...], named: str
) -> None:
    assert overlapping(earlier) == GiveUp(
        outcome=Outcome.SUPERSEDED,
        rule="overlap",
        why=f"an earlier run of the schedule is still going ({named}), and the policy starts none beside it",
        hint="If this run is wanted beside the next one, start it by hand.",
    )


def test_beside_own_tasks_an_earlier_run_changes_nothing() -> None:
    """This run has begun, so the rest of it is started."""
    two = launch(request=parameters(clientToken=None, dryrun=None, count=2))
    part = Placed(task_arns=("t1",), failures=SHORT.failures)
    policy = changed(overlap=Overlap.SKIP)
    done = run(two, part, Placed(task_arns=("t2",)), policy=policy, going={2: ("earlier",)})
    assert (done.ending.outcome, done.ending.task_arns) == (Outcome.RECOVERED, ("t1", "t2"))
    # Nor that none can be seen: it is not asked for.
    slow = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
    done = run(two, part, Placed(task_arns=("t2",)), policy=policy, going={2: slow})
    assert (done.ending.outcome, len(done.waits)) == (Outcome.RECOVERED, 1)
    none = run(two, SHORT, Placed(task_arns=("t2",)), policy=policy, going={2: ("earlier",)})
    assert none.ending.outcome is Outcome.SUPERSEDED


# --- The policy ---


@pytest.mark.parametrize(
    ("unsure_since_s", "elapsed_s", "rule"),
    [
        (0.0, TOKEN_LIFE_S, None),
        (0.0, TOKEN_LIFE_S + 0.5, "client-token"),
        (900.0, TOKEN_LIFE_S + 900.0, None),
        (900.0, TOKEN_LIFE_S + 900.5, "client-token"),
        (None, 5 * TOKEN_LIFE_S, None),
        (None, 7 * TOKEN_LIFE_S, "deadline"),
    ],
)
def test_how_long_a_call_without_an_answer_is_repeated(
    unsure_since_s: float | None, elapsed_s: float, rule: str | None
) -> None:
    end = late(CASE, looked(unsure_since_s=unsure_since_s, elapsed_s=elapsed_s))
    assert (end and end.rule) == rule


@pytest.mark.parametrize(
    ("category", "outcome", "messages"),
    [(Category.PERMISSION, Outcome.PERMANENT, 0), (Category.CAPACITY, Outcome.PERMANENT, 1)],
)
def test_the_last_failure_decides_whether_a_person_is_told(
    category: Category, outcome: Outcome, messages: int
) -> None:
    policy = changed(category=category, notify=Notify.NEVER)
    done = run(launch(), SHORT, DENIED, policy=policy)
    assert (done.ending.outcome, len(done.world.messages)) == (outcome, messages)


def test_the_deadline_is_that_of_the_last_failure() -> None:
    policy = changed(category=Category.THROTTLE, deadline_s=100)
    case = case_of(launch(), policy, NIGHTLY)
    throttled = classify(Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"))
    assert late(case, looked(case, elapsed_s=500.0)) is None
    end = late(case, looked(case, elapsed_s=500.0, last=throttled))
    assert end is not None
    assert end.rule == "deadline"


def test_what_aws_recorded_comes_before_what_the_schedule_has_now() -> None:
    known = {"taskDefinition": "nightly:7", "cluster": "batch"}
    part = replace(launch(), request=IncompleteRequest(parameters=known, missing=(EVERYTHING_ELSE,)))
    found = replace(NIGHTLY, visible={"taskDefinition": "nightly:8", "launchType": "FARGATE"})
    assert case_of(part, PLAIN, found).shown == known | {"launchType": "FARGATE"}
    # All else is recorded, so nothing is missing there.
    hides = replace(part, request=IncompleteRequest(parameters=known, missing=("overrides",)))
    assert case_of(hides, PLAIN, found).shown == known
