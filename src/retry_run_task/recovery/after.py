"""State transitions: ``begin`` returns the first state of a recovery, ``after`` the state that follows an event.

Both are pure and total, so the events determine the state: for a recovery that runs, for one that is resumed, and
for code that reads a history or forecasts one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from retry_run_task.failures.classify import classify, worst
from retry_run_task.failures.table import HAD_STARTED
from retry_run_task.launch import names
from retry_run_task.launch.values import (
    CLOCKS_DIFFER_S,
    CallerKind,
    Category,
    Failure,
    Lost,
    Outcome,
    Phase,
    Placed,
    Refused,
    Unbuildable,
    Unread,
)
from retry_run_task.policy.decision import GiveUp, Retry, decide
from retry_run_task.policy.ladder import AS_ASKED
from retry_run_task.policy.rules import OPERATIONS_MAX, Notify
from retry_run_task.recovery.answers import PASSING, is_blamed, is_full, said
from retry_run_task.recovery.case import incomplete
from retry_run_task.recovery.crowd import Crowd
from retry_run_task.recovery.events import Answered, Looked, Stopped, Told, Waited, Watched
from retry_run_task.recovery.state import (
    Call,
    End,
    Look,
    SendEarlyMessage,
    State,
    Stop,
    Task,
    Wait,
    Watch,
    climb,
    climb_in_a_crowd,
    delay_in_a_crowd,
    identity,
    index_at_once,
    index_with_room,
    is_look_whole,
    late,
    missing,
    overlapping,
    rung,
)
from retry_run_task.recovery.watching import (
    WATCH_FIRST_S,
    after_stop,
    asked_to_stop,
    go_on,
    watch_or_end,
    why_failed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retry_run_task.launch.values import Answer, TaskState, Verdict
    from retry_run_task.policy.ladder import Rung
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.events import Event

HOLD, SPREAD = "hold-wait", "spread"


def begin(case: Case) -> State:
    """Return the first state of a recovery."""
    state = State(
        move=Look(), call_id=case.call_id, last=case.first, operations=1 + case.operations, crowd=case.crowd
    )
    if case.refusal is not None:
        return state._replace(move=End(case.refusal))
    if case.hold_s:
        return state._replace(move=Wait(HOLD, case.hold_s))
    return _spread(case, state)


def _spread(case: Case, state: State) -> State:
    """Wait for the launch's share of the spread: launches that failed in one second must not retry in one second.

    A crowd is spread by recover's concurrency.
    """
    is_spread = case.spread_s and not case.crowd.is_large
    return state._replace(move=Wait(SPREAD, case.spread_s) if is_spread else Look())


def after(case: Case, state: State, event: Event) -> State:
    """Return the state that follows an event."""
    match event:
        case Waited(seconds=seconds):
            then = _waited(case, state, seconds)
        case Looked():
            then = _looked(case, state, event)
        case Answered(answer=answer):
            return _answered(case, state, answer)
        case Watched():
            then = _watched(case, state, event)
        case Stopped():
            then = _stopped(case, state, event)
        case Told(error=error):
            waits = state.move.then if isinstance(state.move, SendEarlyMessage) else state.move
            then = state._replace(is_told=not error, move=waits)
    used = then.operations + 1 + (isinstance(event, Looked | Stopped) and event.again)
    return _within_limits(state, then._replace(operations=used))


def _within_limits(before: State, state: State) -> State:
    if state.operations < OPERATIONS_MAX or isinstance(state.move, End | Call):
        return state
    return state._replace(
        move=End(
            GiveUp(
                outcome=Outcome.UNCONFIRMED if isinstance(before.move, Watch | Stop) else Outcome.EXPIRED,
                rule="operations",
                why=f"it has used {state.operations} of the 3,000 operations that Lambda allows a durable execution",
                hint="If the run is still wanted, start it by hand.",
            )
        )
    )


def _waited(case: Case, state: State, seconds: int) -> State:
    if state.first_look is None:
        # The first look reads the time before it off the clock, so it must not be counted here as well.
        is_held = isinstance(state.move, Wait) and state.move.name == HOLD
        return _spread(case, state) if is_held else state._replace(move=Look())
    state = state._replace(waited_s=state.waited_s + seconds, elapsed_s=state.elapsed_s + seconds)
    return state if isinstance(state.move, Watch) else _next_attempt(state)


def _next_attempt(state: State) -> State:
    return state._replace(move=Look(), attempt=state.attempt + 1)


def _end(state: State, gave_up: GiveUp) -> State:
    """End the recovery; but not before a look at all tasks, because a stopped one may have done the work."""
    if state.is_narrow:
        return _next_attempt(state._replace(gives_up=gave_up))
    return state._replace(move=End(gave_up))


# Looking.


def _looked(case: Case, state: State, event: Looked) -> State:
    """Count the tasks. Call RunTask if some are missing, it is not too late, and the call id stays the same."""
    # Chosen before anything is seen: a step that is cut off and run again must use the same call id, and be followed by
    # the same move, although it looks at all tasks then.
    is_whole = is_look_whole(state)
    state = state._replace(call_id=identity(case, state), is_narrow=not is_whole)
    size = state.crowd.size if event.crowd is None else max(1, event.crowd)
    state = state._replace(crowd=Crowd(size, event.room), in_step=frozenset(), is_again=event.again)
    if event.again:
        state = _doubt(state, is_unsure=True)
    state = _timed(case, state, event.now)
    if (is_whole or event.again) and event.read_failure is None:
        state = state._replace(whole_looks=state.whole_looks + 1, whole_s=state.elapsed_s)
    state, failures = _seen(case, state, event.tasks)
    if missing(case, state) <= 0:
        return watch_or_end(case, state)
    if state.gives_up is not None:
        return state._replace(move=End(state.gives_up))
    return _start_failed(case, state, failures) if failures else _may_call(case, state, event)


def _may_call(case: Case, state: State, event: Looked) -> State:
    """Return the state after a look that found tasks missing: a call, unless it is too late or the look was unsure."""
    skips = case.skips_overlap and not state.tasks
    end = late(case, state) or (overlapping(event.earlier) if skips and event.earlier else None)
    if end is not None:
        return _end(state, end)
    unseen = event.earlier_read_failure if skips else None
    if unseen is None and event.read_failure is not None and case.has_one_run:
        # Another caller may have started the run. Our own tasks need no look: ECS knows their client tokens.
        unseen = event.read_failure if classify(event.read_failure).category in PASSING else None
    if unseen is not None:
        return _decided(case, state, [unseen])
    if identity(case, state) != state.call_id:
        # A failed task of another caller was seen, or its replacement: the next step calls with the new call id.
        return _next_attempt(state)
    return state._replace(move=Call(), rung_index=index_with_room(case, state))


def _timed(case: Case, state: State, now: float) -> State:
    """Set the seconds since the failed call: by the clock, but never less than the time waited since.

    A hand-made record asks for a run now, whatever its time says: its age begins at the first look.
    """
    first = now if state.first_look is None else state.first_look
    by_hand = case.launch.caller.kind is CallerKind.HAND_MADE
    origin = first if by_hand else case.launch.event_time.timestamp()
    elapsed = max(now - origin, max(0.0, first - origin) + state.waited_s)
    return state._replace(first_look=first, elapsed_s=elapsed)


_Failures = list[tuple[Failure, "Rung | None"]]
"""Why tasks failed to start, each with the rung that placed it; None if the rung is not known."""


def _seen(case: Case, state: State, seen: Sequence[TaskState]) -> tuple[State, _Failures]:
    """Add the tasks that do the job, remove those that failed to start, and return why the counted ones failed."""
    if not seen:
        # Most looks find nothing.
        return state, []
    launch = case.launch
    tasks, failed, failed_others = dict(state.tasks), set(state.failed), list(state.failed_others)
    failures: _Failures = []
    for task in seen:
        if task.arn in failed or task.arn in launch.placed or _is_of_the_next_run(case, task):
            continue
        known = tasks.get(task.arn)
        if task.phase is Phase.FAILED:
            failed.add(task.arn)
            tasks.pop(task.arn, None)
            if known is not None or task.is_ours:
                placed_on = known.rung if known else None
                failures.append((why_failed(state, task), placed_on))
            if not task.is_ours and not (known and known.starter):
                failed_others.append(names.task_identity(task.arn))
        else:
            tasks[task.arn] = _updated(case, state, known, task)
    return state._replace(tasks=tasks, failed=frozenset(failed), failed_others=tuple(failed_others)), failures


def _is_of_the_next_run(case: Case, task: TaskState) -> bool:
    """Tell whether the schedule's next run started a task."""
    return (
        not task.is_ours
        and case.next_due is not None
        and task.created is not None
        and task.created >= case.next_due - CLOCKS_DIFFER_S
    )


def _updated(case: Case, state: State, known: Task | None, task: TaskState) -> Task:
    if known is None:
        # The answer that named this task was lost: its rung is known if only one was tried.
        alone = next(iter(state.tried)) if task.is_ours and len(state.tried) == 1 else None
        own = case.call_id[: names.STARTER_DIGITS] if task.is_ours else ""
        known = Task(starter=task.starter or own, rung=alone)
    return known._replace(runs=known.runs or task.has_run, zone=task.zone or known.zone)


# Answers.


def _answered(case: Case, state: State, answer: Answer) -> State:
    if isinstance(answer, Unbuildable):
        return _end(state, incomplete(answer.why))
    if isinstance(answer, Unread):
        return _decided(case, state, [answer.failure])
    before = state
    used = {rung(case, state)}
    state = state._replace(calls=state.calls + 1, tried=state.tried | used, in_step=state.in_step | used)
    match answer:
        case Placed():
            state = _placed(case, state, answer)
        case Refused(is_unsure=is_unsure):
            state = _doubt(state._replace(repeat=state.repeat + 1), is_unsure=is_unsure or state.is_again)
        case Lost():
            state = _doubt(state._replace(repeat=state.repeat + 1), is_unsure=True)
    if missing(case, state) <= 0:
        return watch_or_end(case, state)
    failures = said(before, state, answer)
    follows = index_at_once(case, state) if is_full(answer, failures) else None
    if follows is not None:
        return state._replace(move=Call(), rung_index=follows)
    verdict = worst([classify(failure) for failure in failures])
    if is_blamed(rung(case, before), answer, verdict):
        # A refused call did nothing, so the next rung is tried with the same token.
        return _next_attempt(_without(case, state, rung(case, before), verdict))
    return _decided(case, state, failures)


def _placed(case: Case, state: State, answer: Placed) -> State:
    """Count the tasks that an answer names, and end the use of its token.

    A refusal shows that this call did nothing. It shows nothing about another call with the same token: one whose
    process died before its answer was recorded, or one from a second recovery of the same call. ECS remembers only
    an answer and returns it to every later call with the token, so only an answer lets the next call use a new token.
    """
    # After a conflict the rung that placed the tasks is unknown: ECS may have kept another recovery's body.
    placed_on = None if answer.is_conflict else rung(case, state)
    starter = state.call_id[: names.STARTER_DIGITS]
    tasks = dict(state.tasks)
    for arn in answer.task_arns:
        if arn not in state.failed:
            known = tasks.get(arn, Task(starter=starter))
            tasks[arn] = known._replace(rung=known.rung or placed_on)
    return state._replace(
        tasks=tasks,
        answered={**state.answered, state.call_id: state.answered.get(state.call_id, 0) + 1},
        is_shared=state.is_shared or answer.is_conflict,
        repeat=0,
        unsure_since_s=None,
        tried=frozenset(),
    )


def _doubt(state: State, *, is_unsure: bool) -> State:
    """Record since when a call with the current token may have started tasks."""
    if not is_unsure or state.is_unsure:
        return state
    return state._replace(unsure_since_s=state.elapsed_s)


def _exclude(case: Case, state: State, failures: _Failures) -> tuple[State, _Failures]:
    """Exclude the rungs whose tasks failed to start for a reason that retrying cannot fix; return the other failures.

    A task that cannot pull its image from an extra subnet says nothing about the original request. A task that was
    stopped by someone, or that may have run, says nothing about its rung: no rung may start it again.
    """
    left: _Failures = []
    for failure, placed_on in failures:
        verdict = classify(failure)
        is_of_rung = verdict.category not in PASSING | {Category.CAPACITY} and verdict.row not in HAD_STARTED
        if placed_on is None or placed_on == AS_ASKED or not is_of_rung:
            left.append((failure, placed_on))
        else:
            state = _without(case, state, placed_on, verdict)
    return state, left


def _without(case: Case, state: State, rung_: Rung, verdict: Verdict) -> State:
    if rung_ in state.excluded:
        return state
    state = state._replace(excluded={**state.excluded, rung_: verdict})
    return climb(case, state) if rung(case, state) == rung_ else state


# Watching.

# For a history that was recorded under another policy, which may have another move where it watched or stopped. The
# moves that follow are not used then.
_WATCH, _STOP = Watch(nth=0, delay_s=WATCH_FIRST_S, watched_s=0), Stop(nth=0, arns=(), watched_s=0)


def _watched(case: Case, state: State, event: Watched) -> State:
    move = state.move if isinstance(state.move, Watch) else _WATCH
    state, failures = _seen(case, state, [task for task in event.tasks if task.arn in state.tasks])
    return _start_failed(case, state, failures) if failures else go_on(case, state, move)


def _stopped(case: Case, state: State, event: Stopped) -> State:
    move = state.move if isinstance(state.move, Stop) else _STOP
    state = asked_to_stop(state, event)
    state, failures = _seen(case, state, [task for task in event.tasks if task.arn in state.tasks])
    return _start_failed(case, state, failures) if failures else after_stop(state, move, event)


# Deciding.


def _start_failed(case: Case, state: State, failures: _Failures) -> State:
    state, left = _exclude(case, state, failures)
    return _decided(case, state, [failure for failure, _ in left]) if left else _next_attempt(state)


def _decided(case: Case, state: State, failures: Sequence[Failure]) -> State:
    """Decide what follows these failures: a wait, or the end."""
    verdict = worst([classify(failure) for failure in failures])
    nth = state.seen.get(verdict.category, 0) + 1
    state = state._replace(last=verdict, seen={**state.seen, verdict.category: nth})
    decision = decide(
        case.handlings[verdict.category],
        verdict,
        nth=nth,
        elapsed_s=state.elapsed_s,
        seed=f"{case.launch.call_id}/{verdict.category}",
        next_due_s=case.next_due_s,
    )
    match decision:
        case GiveUp():
            return _end(state, decision)
        case Retry():
            # This rung has no capacity, but the next may have. Any other failure is retried on the same rung.
            state = climb_in_a_crowd(case, state) if verdict.category is Category.CAPACITY else state
            wait = Wait(f"wait-{state.attempt}", delay_in_a_crowd(case, state, decision.delay_s), decision)
            return state._replace(move=SendEarlyMessage(wait) if _is_to_be_told(case, state) else wait)


def _is_to_be_told(case: Case, state: State) -> bool:
    """Tell whether the early message is due."""
    handling = case.handlings[state.last.category]
    if state.is_told or handling.early_s is None or handling.notify is Notify.NEVER:
        return False
    half = (case.next_due_s or math.inf) / 2
    return state.elapsed_s >= min(handling.early_s, half)
