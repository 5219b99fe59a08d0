"""Watching placed tasks until they run: when the next look is, and what follows for a task that hangs.

Pure. ``after`` decides what a look means; this module decides how long to go on looking.

A task that does not start within the policy's ``watch`` is reported. If the policy has ``stop-hanging``, it is stopped
first, and what follows is what follows any task that failed to start. It is never replaced before ECS reports it as
stopped without having started, so a stop that came too late, or whose answer was lost, starts no second task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.failures.classify import classify
from retry_run_task.launch import names
from retry_run_task.launch.values import Failure, Origin, Outcome
from retry_run_task.policy.decision import GiveUp, Retry, decide
from retry_run_task.policy.durations import duration_text
from retry_run_task.recovery.answers import NO_ANSWER, PASSING
from retry_run_task.recovery.state import End, State, Stop, Watch

if TYPE_CHECKING:
    from retry_run_task.launch.values import TaskState
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.events import Stopped

# A task on Fargate takes about half a minute to start; after that a look every minute is often enough, and after
# ten minutes one every five.
WATCH_FIRST_S, WATCH_LONGEST_S = 15, 60
WATCH_CALM_AFTER_S, WATCH_CALM_S = 600, 300

# How long a task may take from StopTask to STOPPED. Its containers get up to two minutes on Fargate, then its network
# interface is removed; an instance whose agent is disconnected never reports it.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html (stopTimeout)
STOPPED_WITHIN_S = 600
STOP_TRIES, STOP_AGAIN_S = 5, 60

# The failure of a task that this recovery stopped; ECS itself says only that a user did.
HUNG = Failure(
    origin=Origin.STOPPED,
    code="TaskFailedToStart",
    reason="Stopped by its recovery because it did not start in time",
)
_BY_A_USER = "UserInitiated"


def watch_or_end(case: Case, state: State) -> State:
    """Return the state after every task that is wanted was found or placed.

    In a crowd the first look is later: calls for others come first.
    """
    if not state.starting:
        return state._replace(move=End(_ran(state)))
    rounds = 2 if state.crowd.is_short_of_reads else 1
    later = min(rounds * state.crowd.share_s(f"{case.launch.call_id}/watch"), int(case.policy.watch_s))
    return state._replace(move=Watch(nth=1, delay_s=max(WATCH_FIRST_S, later), watched_s=0))


def go_on(case: Case, state: State, move: Watch) -> State:
    """Return the state after a look that saw no task fail."""
    if not state.starting:
        return state._replace(move=End(_ran(state)))
    watched_s = move.watched_s + move.delay_s
    is_stopping = all(arn in state.stopped for arn in state.starting)
    if watched_s < (STOPPED_WITHIN_S if is_stopping else case.policy.watch_s):
        longest = WATCH_LONGEST_S if watched_s < WATCH_CALM_AFTER_S else WATCH_CALM_S
        delay_s = longest if longest == WATCH_CALM_S else min(2 * move.delay_s, longest)
        return state._replace(move=Watch(nth=move.nth + 1, delay_s=delay_s, watched_s=watched_s))
    if arns := _may_be_stopped(case, state):
        return state._replace(move=Stop(nth=move.nth, arns=arns, watched_s=watched_s))
    return state._replace(move=End(_unconfirmed(state, watched_s)))


def _may_be_stopped(case: Case, state: State) -> tuple[str, ...]:
    """Return the tasks that this recovery placed and that hang, if the policy would have them started anew."""
    verdict = classify(HUNG)
    handling = case.handlings[verdict.category]
    if not handling.stop_hanging:
        return ()
    follows = decide(
        handling,
        verdict,
        nth=state.seen.get(verdict.category, 0) + 1,
        elapsed_s=state.elapsed_s,
        seed=f"{case.launch.call_id}/{verdict.category}",
        next_due_s=case.next_due_s,
    )
    if not isinstance(follows, Retry):
        return ()
    own = case.call_id[: names.STARTER_DIGITS]
    return tuple(
        arn for arn in state.starting if state.tasks[arn].starter == own and arn not in state.stopped
    )


def asked_to_stop(state: State, event: Stopped) -> State:
    """Return the state with the tasks that may have been stopped. A step that was cut off may have stopped them all."""
    is_again = event.again and isinstance(state.move, Stop)
    arns = state.move.arns if is_again and isinstance(state.move, Stop) else event.stopped
    return state._replace(
        stopped=state.stopped | frozenset(arns), stop_tries=0 if arns else state.stop_tries + 1
    )


def after_stop(state: State, move: Stop, event: Stopped) -> State:
    """Return the state after a step that stopped tasks, or could not."""
    if not state.starting:
        return state._replace(move=End(_ran(state)))
    if state.stop_tries == 0:
        first = Watch(nth=move.nth + 1, delay_s=WATCH_FIRST_S, watched_s=0)
        return state._replace(move=first)
    refusal = next((f for f in event.failures if classify(f).category not in PASSING), None)
    if refusal is not None or state.stop_tries >= STOP_TRIES:
        return state._replace(move=End(_unconfirmed(state, move.watched_s, refusal)))
    again = Watch(nth=move.nth + 1, delay_s=STOP_AGAIN_S, watched_s=move.watched_s)
    return state._replace(move=again)


def why_failed(state: State, task: TaskState) -> Failure:
    """Return why a task failed to start: for one that this recovery stopped, that it hung."""
    failure = task.failure or NO_ANSWER
    is_stopped_here = task.arn in state.stopped and failure.code in (None, _BY_A_USER)
    return HUNG if is_stopped_here and failure.ran is None else failure


def _ran(state: State) -> GiveUp | None:
    """Return the end if a task ran that this recovery may have stopped: how much of its work it did is unknown."""
    if not any(state.tasks[arn].runs for arn in state.stopped if arn in state.tasks):
        return None
    return GiveUp(
        outcome=Outcome.UNCONFIRMED,
        rule="stopped",
        why="a task that did not start in time began to run while it was being stopped",
        hint="Look whether the tasks have run before you start them by hand.",
    )


def _unconfirmed(state: State, watched_s: int, refusal: Failure | None = None) -> GiveUp:
    number = len(state.starting)
    which, were, have = ("one task", "was", "has") if number == 1 else (f"{number} tasks", "were", "have")
    within = duration_text(watched_s)
    why = f"{which} {were} placed and not seen running within {within}"
    if refusal is not None:
        why += f", and StopTask was refused ({refusal.code or refusal.reason})"
    elif any(arn in state.stopped for arn in state.starting):
        why = f"{which} {were} placed and did not start, {were} told to stop, and {have} not stopped within {within}"
    return GiveUp(
        outcome=Outcome.UNCONFIRMED,
        rule="watch",
        why=why,
        hint="Look whether the tasks run. Stop one that hangs before you start the run by hand.",
        numbers={"nth": number, "after_s": watched_s},
    )
