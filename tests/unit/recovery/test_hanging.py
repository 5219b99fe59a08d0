"""A task that does not start: told of, and with the policy's leave stopped and replaced."""

from __future__ import annotations

from typing import Any

import pytest

from retry_run_task.launch import names
from retry_run_task.launch.values import (
    Category,
    Failure,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    TaskState,
)
from retry_run_task.recovery.watching import HUNG, STOP_TRIES
from support.policies import PLAIN, changed
from support.records import launch, parameters
from support.virtual import CutPoint
from support.worlds import Run, run

FAILED = launch()
STARTED_BY = FAILED.call_id[: names.STARTER_DIGITS]
LEAVE = changed(PLAIN, stop_hanging=True)
FIRST, SECOND = Placed(task_arns=("t1",)), Placed(task_arns=("t2",))
HANGS = (TaskState(arn="t1", phase=Phase.STARTING, is_ours=True, starter=STARTED_BY),)
ENDS = (TaskState(arn="t1", phase=Phase.STOPPING, is_ours=True, starter=STARTED_BY),)
BY_A_USER = Failure(origin=Origin.STOPPED, code="UserInitiated", reason=HUNG.reason)
STOPPED = (TaskState(arn="t1", phase=Phase.FAILED, failure=BY_A_USER, is_ours=True, starter=STARTED_BY),)
RAN = (TaskState(arn="t1", phase=Phase.RAN, is_ours=True, starter=STARTED_BY),)
RUNS = (TaskState(arn="t1", phase=Phase.RUNS, is_ours=True, starter=STARTED_BY),)
READ_FAILED = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
DENIED = Refused(failure=Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="not authorized"))
THROTTLED, UNSURE = Refused(failure=READ_FAILED), Refused(failure=READ_FAILED, is_unsure=True)
UNHEARD = Lost(failure=Failure(origin=Origin.ERROR, code="ReadTimeoutError", reason="Read timeout"))

# The looks of an hour: 15 s, 30 s, 60 s each up to ten minutes, then every five.
WATCHES = 22


def hangs(*then: Any, policy: Any = LEAVE, **more: Any) -> Run:
    """Recover a launch whose task hangs; the looks from the one that stops it on find what is given, in order."""
    states = dict.fromkeys(range(1, 200), HANGS)
    states |= dict(enumerate(then, WATCHES + 1))
    if then:
        states = {n: s for n, s in states.items() if n <= WATCHES + len(then)}
    return run(FAILED, FIRST, SECOND, policy=policy, states=states, **more)


def whys(done: Run) -> list[str]:
    return [arn for arn, _ in done.world.stops]


def test_without_leave_it_is_told_of_and_left_alone() -> None:
    done = hangs(policy=PLAIN)
    assert (done.ending.outcome, done.world.stops, len(done.world.bodies)) == (Outcome.UNCONFIRMED, [], 1)
    assert [one.outcome for one in done.world.messages] == [Outcome.UNCONFIRMED]
    assert done.world.watches == WATCHES


def test_with_leave_it_is_stopped_and_the_launch_made_anew() -> None:
    done = hangs(HANGS, ENDS, STOPPED)
    assert done.world.stops == [("t1", HUNG.reason)]
    assert (done.ending.outcome, done.ending.task_arns) == (Outcome.RECOVERED, ("t2",))
    assert len(set(done.tokens)) == 2
    (line,) = [fields for event, fields in done.told if event == "recovery.stopped"]
    assert line == {"task_arns": ["t1"], "failures": []}
    (failed,) = [fields for event, fields in done.told if event == "recovery.start_failed"]
    assert failed["task_arns"] == ["t1"]


def test_one_that_started_meanwhile_is_not_stopped() -> None:
    done = hangs(RUNS)
    assert (done.ending.outcome, done.world.stops) == (Outcome.RECOVERED, [])


def test_one_that_failed_meanwhile_is_not_stopped_but_replaced() -> None:
    network = "Timeout waiting for network interface provisioning to complete."
    why = Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason=network)
    failed = (TaskState(arn="t1", phase=Phase.FAILED, failure=why, is_ours=True, starter=STARTED_BY),)
    done = hangs(failed)
    assert done.world.stops == []
    assert (done.ending.outcome, done.ending.task_arns) == (Outcome.RECOVERED, ("t2",))


@pytest.mark.parametrize("later", [RAN, RUNS])
@pytest.mark.parametrize("answers", [{}, {1: UNHEARD}, {1: UNSURE}])
def test_one_that_ran_in_spite_of_the_stop_is_told_of_and_never_started_again(
    later: Any, answers: dict[int, Any]
) -> None:
    done = hangs(HANGS, ENDS, later, stop_answers=answers)
    assert (done.ending.outcome, done.ending.rule, len(done.world.bodies)) == (
        Outcome.UNCONFIRMED,
        "stopped",
        1,
    )
    assert len(done.world.messages) == 1


def test_a_lost_answer_counts_as_a_stop() -> None:
    done = hangs(HANGS, ENDS, STOPPED, stop_answers={1: UNHEARD})
    assert (done.ending.outcome, done.ending.task_arns) == (Outcome.RECOVERED, ("t2",))


def test_a_step_that_was_cut_off_may_have_stopped_it() -> None:
    cut: list[str] = []

    def cut_off(_execution: object, name: str, moment: CutPoint) -> bool:
        is_first = name.startswith("stop-") and moment is CutPoint.AFTER and not cut
        cut.extend([name] if is_first else [])
        return is_first

    again = hangs(HANGS, ENDS, RAN, cut_off=cut_off)
    assert whys(again) == ["t1"]
    assert (again.ending.outcome, again.ending.rule) == (Outcome.UNCONFIRMED, "stopped")
    cut.clear()
    anew = hangs(HANGS, ENDS, STOPPED, cut_off=cut_off)
    assert (anew.ending.outcome, anew.ending.task_arns) == (Outcome.RECOVERED, ("t2",))


def test_what_cannot_be_seen_is_not_stopped_but_looked_at_again() -> None:
    done = hangs(READ_FAILED, HANGS, HANGS, ENDS, STOPPED)
    assert (whys(done), done.ending.outcome) == (["t1"], Outcome.RECOVERED)
    forever = hangs(*([READ_FAILED] * 50))
    assert (forever.ending.outcome, forever.world.stops) == (Outcome.UNCONFIRMED, [])
    stops = [name for name, _ in forever.execution.operations if name.startswith("stop-")]
    assert len(stops) == STOP_TRIES


def test_a_stop_that_is_throttled_is_tried_again() -> None:
    done = hangs(HANGS, HANGS, HANGS, ENDS, STOPPED, stop_answers={1: THROTTLED})
    assert (whys(done), done.ending.outcome) == (["t1", "t1"], Outcome.RECOVERED)


def test_a_stop_that_is_denied_is_told() -> None:
    done = hangs(HANGS, stop_answers={1: DENIED})
    assert (done.ending.outcome, len(done.world.bodies)) == (Outcome.UNCONFIRMED, 1)
    assert done.ending.why.endswith("and StopTask was refused (AccessDeniedException)")


def test_one_that_does_not_stop_is_told_of_and_not_replaced() -> None:
    done = hangs(HANGS, *([ENDS] * 40))
    assert (done.ending.outcome, len(done.world.bodies)) == (Outcome.UNCONFIRMED, 1)
    assert "has not stopped within 10 min" in done.ending.why


@pytest.mark.parametrize(
    "policy",
    [
        changed(LEAVE, category=Category.TRANSIENT, retry=False),
        changed(LEAVE, category=Category.TRANSIENT, attempts=1),
        changed(LEAVE, deadline_s=1800),
    ],
)
def test_nothing_is_stopped_if_no_other_launch_would_follow(policy: Any) -> None:
    done = hangs(policy=policy)
    assert (done.ending.outcome, done.world.stops) == (Outcome.UNCONFIRMED, [])


@pytest.mark.parametrize("starter", ["", "fedcba987654"])
def test_only_a_task_of_this_recovery_is_stopped(starter: str) -> None:
    theirs = TaskState(arn="t9", phase=Phase.STARTING, is_ours=bool(starter), starter=starter)
    states = dict.fromkeys(range(1, 200), (theirs,))
    done = run(FAILED, policy=LEAVE, there={1: (theirs,)}, states=states)
    assert (done.ending.outcome, done.world.stops, done.world.bodies) == (Outcome.UNCONFIRMED, [], [])


def test_what_a_person_stopped_is_not_started_again() -> None:
    """Before this recovery would have."""
    by_hand = Failure(origin=Origin.STOPPED, code="UserInitiated", reason="Task stopped by user")
    stopped = (TaskState(arn="t1", phase=Phase.FAILED, failure=by_hand, is_ours=True, starter=STARTED_BY),)
    done = run(FAILED, FIRST, SECOND, policy=LEAVE, states={1: stopped})
    assert (done.ending.outcome, len(done.world.bodies)) == (Outcome.PERMANENT, 1)


def test_a_replacement_has_its_own_time_to_start_beside_a_task_that_does_not_stop() -> None:
    """An instance whose agent is disconnected reports nothing; the other task is watched as long as any."""
    two = launch(request=parameters(count=2, clientToken=None, dryrun=None))
    mark = two.call_id[: names.STARTER_DIGITS]
    by_us = Failure(origin=Origin.STOPPED, code="UserInitiated", reason=HUNG.reason)

    def seen(**phases: Phase) -> tuple[TaskState, ...]:
        return tuple(
            TaskState(
                arn=arn,
                phase=phase,
                is_ours=True,
                starter=mark,
                failure=by_us if phase is Phase.FAILED else None,
            )
            for arn, phase in phases.items()
        )

    states = {n: seen(t1=Phase.STARTING, t2=Phase.STARTING) for n in range(1, 24)}
    states |= {24: seen(t1=Phase.FAILED, t2=Phase.STOPPING)}
    states |= {n: seen(t2=Phase.STOPPING, t3=Phase.STARTING) for n in range(25, 39)}
    states |= {n: seen(t2=Phase.STOPPING, t3=Phase.RUNS) for n in range(39, 200)}
    placed = (Placed(task_arns=("t1", "t2")), Placed(task_arns=("t3",)))
    done = run(two, *placed, policy=changed(stop_hanging=True), states=states)
    assert "t3" not in str(done.world.stops)
    assert (done.ending.outcome, done.ending.rule) == (Outcome.UNCONFIRMED, "watch")
