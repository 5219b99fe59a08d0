"""Which looks list stopped tasks: ECS has 20 reads a second for the whole account, and each look is one or two."""

from __future__ import annotations

import itertools

import pytest

from retry_run_task.failures.classify import classify
from retry_run_task.launch.values import Failure, Lost, Origin, Outcome, Phase, Placed, Refused, TaskState
from retry_run_task.policy.decision import GiveUp
from retry_run_task.recovery.after import after
from retry_run_task.recovery.case import case_of
from retry_run_task.recovery.crowd import MANY, Crowd
from retry_run_task.recovery.events import Looked
from retry_run_task.recovery.ports import Background
from retry_run_task.recovery.state import WHOLE_AGAIN_S, Look, State, Task, is_look_whole
from support.policies import PLAIN
from support.records import CAPACITY, launch
from support.worlds import run

SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),))
LOST = Lost(failure=Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable."))
DENIED = Refused(failure=Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="not authorized"))
THROTTLED = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
NIGHTLY = Background(name="nightly", arn="arn:x", next_due=None, event_age_s=0)
PLACED = Placed(task_arns=("t1",))
CLEAR = State(move=Look(), call_id="c" * 32, last=classify(SHORT.failures[0]), whole_looks=2)


def test_only_a_recovery_that_nothing_is_unclear_to_leaves_stopped_tasks_out() -> None:
    """Every combination of what must be so; one that is not makes the look whole."""
    unclear = (
        {"whole_looks": 0},
        {"whole_looks": 1},
        {"elapsed_s": float(WHOLE_AGAIN_S)},
        {"unsure_since_s": 0.0},
        {"is_shared": True},
        {"tasks": {"t1": Task(starter="")}},
        {"failed_others": ("g" * 32,)},
        {"stopped": frozenset({"t1"})},
        {"gives_up": GiveUp(outcome=Outcome.EXPIRED, rule="deadline", why="late")},
    )
    for chosen in itertools.product((False, True), repeat=len(unclear)):
        changes = {
            name: value
            for is_so, each in zip(chosen, unclear, strict=True)
            if is_so
            for name, value in each.items()
        }
        assert is_look_whole(CLEAR._replace(**changes)) is any(chosen), changes
    almost = CLEAR._replace(whole_looks=7, elapsed_s=60.0 + WHOLE_AGAIN_S - 1, whole_s=60.0)
    assert not is_look_whole(almost)


def test_among_very_many_only_the_first_look_lists_stopped_tasks_unless_something_is_unclear() -> None:
    for size, expected in ((MANY, [True, True, True]), (MANY + 1, [True, False, False])):
        crowd = Crowd(size)
        looked = [
            CLEAR._replace(crowd=crowd, whole_looks=0),
            CLEAR._replace(crowd=crowd, whole_looks=1),
            CLEAR._replace(crowd=crowd, elapsed_s=float(WHOLE_AGAIN_S)),
        ]
        assert [is_look_whole(state) for state in looked] == expected, size
    for changes in (
        {"unsure_since_s": 0.0},
        {"is_shared": True},
        {"tasks": {"t1": Task(starter="")}},
        {"failed_others": ("g" * 32,)},
        {"stopped": frozenset({"t1"})},
        {"gives_up": GiveUp(outcome=Outcome.EXPIRED, rule="deadline", why="late")},
    ):
        assert is_look_whole(CLEAR._replace(crowd=Crowd(MANY + 1), **changes)), changes


@pytest.mark.parametrize(
    ("looked", "again", "failure", "expected"),
    [
        (0, False, None, (1, 600.0)),
        (2, False, None, (2, 0.0)),
        # A step that was cut off looks at all tasks, whatever it did before.
        (2, True, None, (3, 600.0)),
        (0, False, THROTTLED, (0, 0.0)),
        (2, True, THROTTLED, (2, 0.0)),
    ],
)
def test_a_look_counts_if_it_has_listed_stopped_tasks(
    looked: int, again: bool, failure: Failure | None, expected: tuple[int, float]
) -> None:
    at = launch().event_time.timestamp()
    event = Looked(at + 600, read_failure=failure, again=again)
    then = after(case_of(launch(), PLAIN), CLEAR._replace(whole_looks=looked, first_look=at), event)
    assert (then.whole_looks, then.whole_s) == expected


def test_after_two_whole_looks_the_others_list_running_tasks() -> None:
    done = run(launch(), SHORT, SHORT, SHORT, SHORT, PLACED, background=NIGHTLY)
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.world.wholes == [True, True, False, False, False]


def test_a_look_that_saw_nothing_counts_for_none() -> None:
    done = run(launch(), SHORT, SHORT, PLACED, there={1: THROTTLED, 2: THROTTLED}, background=NIGHTLY)
    assert done.world.wholes == [True, True, True, True, False]


def test_a_lost_answer_makes_the_next_look_whole() -> None:
    done = run(launch(), SHORT, SHORT, LOST, SHORT, PLACED, background=NIGHTLY)
    assert done.world.wholes == [True, True, False, True, False]


def test_a_conflict_makes_every_look_whole() -> None:
    """Another recovery makes the same call; a task of its may stop between two looks."""
    done = run(launch(), SHORT, SHORT, Placed(is_conflict=True), SHORT, SHORT, PLACED, background=NIGHTLY)
    assert done.world.wholes[:3] == [True, True, False]
    assert all(done.world.wholes[3:])


def test_every_half_hour_a_look_is_whole() -> None:
    done = run(launch(), *[SHORT] * 80, PLACED, background=NIGHTLY)
    assert done.world.wholes[:2] == [True, True]
    assert sum(done.world.wholes) == 3


def test_nobody_gives_up_before_a_whole_look() -> None:
    """Here a stopped task has done the work that the denied call was about."""
    has_run = TaskState(arn="t1", phase=Phase.RUNS)
    done = run(launch(), SHORT, SHORT, DENIED, there={4: (has_run,)}, background=NIGHTLY)
    assert done.world.wholes == [True, True, False, True]
    assert done.ending.outcome is Outcome.ALREADY_RUNNING
    assert len(done.world.bodies) == 3


def test_who_gives_up_after_a_whole_look_calls_no_more() -> None:
    done = run(launch(), SHORT, SHORT, DENIED, background=NIGHTLY)
    assert done.world.wholes == [True, True, False, True]
    assert done.ending.outcome is Outcome.PERMANENT
    assert len(done.world.bodies) == 3
    read_failure = run(launch(), SHORT, SHORT, DENIED, there={4: THROTTLED}, background=NIGHTLY)
    assert (read_failure.ending.outcome, len(read_failure.world.wholes)) == (Outcome.PERMANENT, 4)


def test_a_task_that_is_known_to_have_failed_is_kept_in_one_result_only() -> None:
    """ECS lists it for an hour, and ten tasks that fail at each attempt would fill the history with their reasons."""
    network = Failure(
        origin=Origin.STOPPED,
        code="TaskFailedToStart",
        reason="Timeout waiting for network interface provisioning to complete.",
    )
    failed = {
        nth: TaskState(arn=f"t{nth}", phase=Phase.FAILED, is_ours=True, failure=network) for nth in (1, 2, 3)
    }
    there = {nth: tuple(failed[each] for each in range(1, nth)) for nth in (2, 3, 4)}
    placed = [Placed(task_arns=(f"t{nth}",)) for nth in (1, 2, 3, 4)]
    states = {nth: (failed[nth],) for nth in failed}
    done = run(launch(), *placed, there=there, states=states, background=NIGHTLY)
    assert (done.ending.outcome, done.ending.task_arns) == (Outcome.RECOVERED, ("t4",))
    for nth in failed:
        holding = [
            name
            for name, result in done.execution.operations
            if isinstance(result, dict) and f"t{nth}" in [task["arn"] for task in result.get("tasks", ())]
        ]
        assert len(holding) == 1, holding
