"""How long a placed task is watched, when it is stopped, and what is said of one that does not start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.failures.classify import classify
from retry_run_task.launch import names
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import Category, Failure, Origin, Outcome, Phase, TaskState
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.decision import GiveUp
from retry_run_task.policy.rules import Policy
from retry_run_task.recovery import watching
from retry_run_task.recovery.after import begin
from retry_run_task.recovery.answers import NO_ANSWER
from retry_run_task.recovery.case import Case, case_of
from retry_run_task.recovery.events import Stopped
from retry_run_task.recovery.state import End, Look, State, Stop, Task, Watch
from retry_run_task.recovery.watching import HUNG
from support.policies import PLAIN, changed
from support.records import launch

AT = launch().event_time.timestamp()
OWN = launch().call_id[: names.STARTER_DIGITS]
LEAVE = changed(PLAIN, stop_hanging=True)
STARTS, RUNS, THEIRS = Task(starter=OWN), Task(starter=OWN, runs=True), Task(starter="fedcba987654")
DENIED = Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="no")
THROTTLED = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
HANGS = "Look whether the tasks run. Stop one that hangs before you start the run by hand."


def case(policy: Policy = PLAIN, **changes: Any) -> Case:
    return replace(case_of(launch(), policy, NoMatch(why="none")), **changes)


def state(tasks: dict[str, Task] | None = None, **changes: Any) -> State:
    return begin(case())._replace(**{"tasks": tasks or {}, "elapsed_s": 60.0} | changes)


def unconfirmed(why: str, *, nth: int = 1, after_s: int = 0) -> End:
    numbers = {"nth": nth, "after_s": after_s}
    end = GiveUp(outcome=Outcome.UNCONFIRMED, rule="watch", why=why, hint=HANGS, numbers=numbers)
    return End(end)


RAN_WHILE_STOPPED = End(
    GiveUp(
        outcome=Outcome.UNCONFIRMED,
        rule="stopped",
        why="a task that did not start in time began to run while it was being stopped",
        hint="Look whether the tasks have run before you start them by hand.",
    )
)


def watches(of: Case, now: State) -> tuple[list[Watch], State]:
    """Return the watches until one is not followed by another, and the state then."""
    now, found = watching.watch_or_end(of, now), []
    while isinstance(now.move, Watch):
        found.append(now.move)
        now = watching.go_on(of, now, now.move)
    return found, now


def test_looks_become_rarer_until_the_policy_s_time_is_over() -> None:
    found, end = watches(case(), state({"t1": STARTS}))
    assert [one.delay_s for one in found] == [15, 30, *[60] * 10, *[300] * 10]
    assert [one.watched_s for one in found[:5]] == [0, 15, 45, 105, 165]
    assert [one.nth for one in found] == list(range(1, 23))
    assert end.move == unconfirmed("one task was placed and not seen running within 1 h 45 s", after_s=3645)


@pytest.mark.parametrize(("watch_s", "number"), [(14, 1), (15, 1), (15.5, 2), (45, 2), (46, 3), (585, 11)])
def test_a_look_comes_only_within_the_policy_s_time(watch_s: float, number: int) -> None:
    found, _ = watches(case(replace(PLAIN, watch_s=watch_s)), state({"t1": STARTS}))
    assert len(found) == number


def test_what_was_told_to_stop_has_ten_minutes_whatever_the_policy_says() -> None:
    for watch_s in (15, 3600):
        of = case(replace(LEAVE, watch_s=watch_s))
        found, end = watches(of, state({"t1": STARTS, "t2": STARTS}, stopped=frozenset({"t1", "t2"})))
        assert len(found) == 12
        why = "2 tasks were placed and did not start, were told to stop, and have not stopped within 10 min 45 s"
        assert end.move == unconfirmed(why, nth=2, after_s=645)


def test_beside_one_that_was_not_told_to_stop_the_policy_s_time_counts() -> None:
    now = state({"t1": STARTS, "t2": THEIRS}, stopped=frozenset({"t1"}))
    found, end = watches(case(replace(LEAVE, watch_s=1000)), now)
    assert len(found) == 14
    assert isinstance(end.move, End)


def test_without_a_task_that_starts_it_is_over() -> None:
    for tasks in ({}, {"t1": RUNS}):
        assert watching.watch_or_end(case(), state(tasks)).move == End(None)
        assert watching.go_on(case(), state(tasks), Watch(nth=1, delay_s=15, watched_s=0)).move == End(None)
        after = watching.after_stop(state(tasks), Stop(nth=1, arns=(), watched_s=0), Stopped())
        assert after.move == End(None)


@pytest.mark.parametrize(
    ("tasks", "stopped", "end"),
    [
        ({"t1": RUNS, "t2": RUNS}, {"t2"}, RAN_WHILE_STOPPED),
        ({"t1": RUNS}, {"t2"}, End(None)),
        ({"t1": RUNS}, set(), End(None)),
    ],
)
def test_one_that_ran_although_it_was_told_to_stop_is_no_success(
    tasks: dict[str, Task], stopped: set[str], end: End
) -> None:
    assert watching.watch_or_end(case(), state(tasks, stopped=frozenset(stopped))).move == end


# --- Which are stopped ---

WAITS = Backoff(base_s=10, cap_s=600)
ALONE = changed(LEAVE, category=Category.TRANSIENT, wait=WAITS)


def stopped_by(of: Case, now: State) -> tuple[str, ...]:
    """Return the tasks that are stopped when the time is over."""
    end = watching.go_on(of, now, Watch(nth=22, delay_s=300, watched_s=3400))
    assert isinstance(end.move, Stop | End)
    if isinstance(end.move, End):
        return ()
    assert (end.move.nth, end.move.watched_s) == (22, 3700)
    return end.move.arns


@pytest.mark.parametrize(
    ("policy", "changes", "arns"),
    [
        (PLAIN, {}, ()),
        (LEAVE, {}, ("t1", "t3")),
        (LEAVE, {"stopped": frozenset({"t1"})}, ("t3",)),
        (changed(LEAVE, category=Category.TRANSIENT, retry=False), {}, ()),
        (changed(LEAVE, category=Category.TRANSIENT, attempts=2), {}, ("t1", "t3")),
        (changed(LEAVE, category=Category.TRANSIENT, attempts=2), {"seen": {Category.TRANSIENT: 1}}, ()),
        (
            changed(LEAVE, category=Category.TRANSIENT, attempts=2),
            {"seen": {Category.CAPACITY: 9}},
            ("t1", "t3"),
        ),
        (LEAVE, {"elapsed_s": 21_599.5}, ()),
    ],
)
def test_own_tasks_that_hang_are_stopped_if_another_launch_would_follow(
    policy: Policy, changes: dict[str, Any], arns: tuple[str, ...]
) -> None:
    now = state({"t1": STARTS, "t2": THEIRS, "t3": STARTS, "t4": RUNS}, **changes)
    assert stopped_by(case(policy), now) == arns


def test_nothing_is_stopped_if_the_next_run_comes_first() -> None:
    now = state({"t1": STARTS}, elapsed_s=3000.0)
    assert stopped_by(case(LEAVE, next_due=AT + 86_400), now) == ("t1",)
    assert stopped_by(case(LEAVE, next_due=AT + 3001), now) == ()


@pytest.mark.parametrize("seen", [0, 3])
def test_the_wait_before_the_other_launch_is_the_one_that_would_follow(seen: int) -> None:
    """It decides whether the launch still comes before the deadline."""
    delay_s = WAITS.delay(seen + 1, f"{launch().call_id}/{classify(HUNG).category}", 5000.0)
    assert delay_s not in {WAITS.delay(n, f"{launch().call_id}/other", 5000.0) for n in range(seen, seen + 3)}
    now = state({"t1": STARTS}, elapsed_s=5000.0, seen={Category.TRANSIENT: seen})
    for more_s, arns in ((0, ("t1",)), (-0.5, ())):
        policy = changed(ALONE, category=Category.TRANSIENT, deadline_s=5000.0 + delay_s + more_s)
        assert stopped_by(case(policy), now) == arns


@pytest.mark.parametrize(
    ("move", "event", "stopped", "tries"),
    [
        (Stop(nth=1, arns=("t1", "t2"), watched_s=0), Stopped(stopped=("t1",)), {"t0", "t1"}, 0),
        (
            Stop(nth=1, arns=("t1", "t2"), watched_s=0),
            Stopped(stopped=("t1",), again=True),
            {"t0", "t1", "t2"},
            0,
        ),
        (Stop(nth=1, arns=("t1",), watched_s=0), Stopped(failures=(DENIED,)), {"t0"}, 3),
        (Look(), Stopped(stopped=("t1",), again=True), {"t0", "t1"}, 0),
        (Look(), Stopped(again=True), {"t0"}, 3),
    ],
)
def test_which_may_have_been_stopped(move: Any, event: Stopped, stopped: set[str], tries: int) -> None:
    now = state({"t1": STARTS}, move=move, stopped=frozenset({"t0"}), stop_tries=2)
    after = watching.asked_to_stop(now, event)
    assert (after.stopped, after.stop_tries) == (frozenset(stopped), tries)


@pytest.mark.parametrize(
    ("tries", "failures", "move"),
    [
        (0, (), Watch(nth=8, delay_s=15, watched_s=0)),
        (0, (DENIED,), Watch(nth=8, delay_s=15, watched_s=0)),
        (1, (), Watch(nth=8, delay_s=60, watched_s=3700)),
        (4, (THROTTLED,), Watch(nth=8, delay_s=60, watched_s=3700)),
        (
            5,
            (THROTTLED,),
            unconfirmed("one task was placed and not seen running within 1 h 1 min", after_s=3700),
        ),
        (
            1,
            (THROTTLED, DENIED),
            unconfirmed(
                "one task was placed and not seen running within 1 h 1 min, and StopTask was refused "
                "(AccessDeniedException)",
                after_s=3700,
            ),
        ),
        (
            1,
            (replace(DENIED, code=None, reason="not authorized to perform: ecs:StopTask"),),
            unconfirmed(
                "one task was placed and not seen running within 1 h 1 min, and StopTask was refused "
                "(not authorized to perform: ecs:StopTask)",
                after_s=3700,
            ),
        ),
    ],
)
def test_what_follows_a_step_that_stops(tries: int, failures: tuple[Failure, ...], move: Any) -> None:
    now = state({"t1": STARTS, "t2": RUNS}, stop_tries=tries)
    after = watching.after_stop(now, Stop(nth=7, arns=("t1",), watched_s=3700), Stopped(failures=failures))
    assert after.move == move


BY_A_USER = Failure(origin=Origin.STOPPED, code="UserInitiated", reason="Task stopped by user")


@pytest.mark.parametrize(
    ("failure", "is_stopped_here", "why"),
    [
        (BY_A_USER, True, HUNG),
        (BY_A_USER, False, BY_A_USER),
        (replace(BY_A_USER, code=None), True, HUNG),
        (replace(BY_A_USER, code="TaskFailedToStart"), True, replace(BY_A_USER, code="TaskFailedToStart")),
        (replace(BY_A_USER, ran="exit 1"), True, replace(BY_A_USER, ran="exit 1")),
        (None, False, NO_ANSWER),
    ],
)
def test_why_a_task_failed_to_start(failure: Failure | None, is_stopped_here: bool, why: Failure) -> None:
    task = TaskState(arn="t1", phase=Phase.FAILED, failure=failure)
    now = state(stopped=frozenset({"t1"} if is_stopped_here else {"t2"}))
    assert watching.why_failed(now, task) == why
