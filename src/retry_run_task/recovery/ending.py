"""How a recovery ended, from its last state, and whether that sends a message."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retry_run_task.launch.values import CallerKind, Outcome
from retry_run_task.messages.message import Ending, Progress
from retry_run_task.policy import ladder
from retry_run_task.policy.ladder import AS_ASKED
from retry_run_task.policy.rules import Notify
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retry_run_task.launch.values import FailedLaunch, Verdict
    from retry_run_task.policy.decision import GiveUp
    from retry_run_task.policy.ladder import Rung
    from retry_run_task.policy.rules import Handling
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.state import State


def ending_of(case: Case, state: State, gave_up: GiveUp | None) -> Ending:
    """Return how a recovery ended."""
    return _gave_up(case, state, gave_up) if gave_up is not None else _succeeded(case, state)


def before_it_began(wanted: int, last: Verdict, gave_up: GiveUp) -> Ending:
    """Return the end of a recovery that could not find out what it needs to know."""
    return Ending(
        outcome=gave_up.outcome,
        why=gave_up.why,
        hint=gave_up.hint,
        rule=gave_up.rule,
        calls=0,
        wanted=wanted,
        task_arns=(),
        elapsed_s=0.0,
        last=last,
        numbers=gave_up.numbers,
    )


def broken(launch: FailedLaunch, wanted: int, last: Verdict, error: str, *, is_unsure: bool) -> Ending:
    """Return the end of a recovery that failed by a fault of this program.

    ``error`` is the type of the exception, since its text might hold a value of the request; ``is_unsure`` tells
    whether RunTask may have been called.
    """
    return Ending(
        outcome=Outcome.BROKEN,
        why=f"the recovery itself failed ({error}); this is a fault of retry-run-task",
        hint=f"Report the fault, with the lines of recover's log for event {launch.event_id}.",
        rule="fault",
        calls=0,
        wanted=wanted,
        task_arns=(),
        elapsed_s=0.0,
        last=last,
        is_unsure=is_unsure,
    )


def progress_of(case: Case, state: State) -> Progress:
    """Return the progress of a recovery that has not ended."""
    handling = case.handlings[state.last.category]
    limit_s, share = handling.deadline_s, handling.interval_share
    is_next_run_due = case.next_due_s is not None and case.next_due_s * share < limit_s
    if case.next_due_s is not None and is_next_run_due:
        limit_s = case.next_due_s * share
    began = case.launch.event_time
    if case.launch.caller.kind is CallerKind.HAND_MADE and state.first_look is not None:
        # Such a record may have any time; its age begins at the first look.
        began = datetime.fromtimestamp(state.first_look, UTC)
    return Progress(
        calls=state.calls,
        wanted=case.wanted,
        task_arns=tuple(state.tasks),
        elapsed_s=state.elapsed_s,
        last=state.last,
        until=began + timedelta(seconds=limit_s),
        is_next_run_due=is_next_run_due,
    )


def is_told(ending: Ending, handling: Handling, *, notify_recovered: bool, was_told: bool) -> bool:
    """Tell whether an end sends a message. A success does, too, if an early message was sent before it."""
    succeeded = ending.succeeded
    if ending.outcome is Outcome.IGNORED:
        return False
    if was_told:
        return True
    match handling.notify:
        case Notify.ALWAYS:
            return True
        case Notify.NEVER:
            return False
        case Notify.FAILURE:
            return not succeeded
        case None:
            return notify_recovered or not succeeded


def is_left_to_audit(ending: Ending, handling: Handling, *, quiet_s: float) -> bool:
    """Tell whether the daily audit's message reports this end, instead of a message of its own.

    It does if the schedule's next run was due within ``quiet_s`` seconds of the failed call, no task may have been
    started, and the policy does not set ``notify``. ``quiet_s`` is 0 if there is no audit.
    """
    next_due_s = ending.numbers.get("limit_s")
    return (
        ending.outcome is Outcome.SUPERSEDED
        and handling.notify is None
        and not (ending.task_arns or ending.is_unsure)
        and next_due_s is not None
        # One that was due before the failure counts from zero, too, so without an audit nothing may pass.
        and quiet_s > 0
        and next_due_s <= quiet_s
    )


def _gave_up(case: Case, state: State, end: GiveUp) -> Ending:
    return Ending(
        outcome=end.outcome,
        why=end.why,
        hint=end.hint,
        rule=end.rule,
        calls=state.calls,
        wanted=case.wanted,
        task_arns=tuple(state.tasks),
        elapsed_s=state.elapsed_s,
        last=state.last,
        is_unsure=state.is_unsure,
        numbers=end.numbers,
    )


def _succeeded(case: Case, state: State) -> Ending:
    is_adopted = not any(task.starter for task in state.tasks.values())
    placed_on = (task.rung for task in state.tasks.values())
    rungs = tuple(dict.fromkeys(rung for rung in placed_on if rung is not None and rung != AS_ASKED))
    changed = tuple(_clauses(case, state))
    why = "every requested task is there"
    if is_adopted:
        why = "the requested tasks already existed, started by another caller or by the failed call itself"
    elif changed:
        why += f", started {' and '.join(changed)}"
    costly = (ladder.COSTS[rung.kind] for rung in rungs if rung.kind not in ladder.FREE)
    return Ending(
        outcome=Outcome.ALREADY_RUNNING if is_adopted else Outcome.RECOVERED,
        why=why,
        rule="looked" if is_adopted else "placed",
        calls=state.calls,
        wanted=case.wanted,
        task_arns=tuple(state.tasks),
        elapsed_s=state.elapsed_s,
        last=state.last,
        rungs=tuple(rung.name for rung in rungs),
        changed=changed,
        costs=tuple(dict.fromkeys(costly)),
    )


def _clauses(case: Case, state: State) -> Iterator[str]:
    """Yield one clause for each pair of a change that placed tasks and a zone that they started in."""
    groups: Mapping[tuple[Rung, str], int] = Counter(
        (task.rung, task.zone)
        for task in state.tasks.values()
        if task.rung is not None and task.rung != AS_ASKED
    )
    for (rung, zone), number in groups.items():
        clause = ladder.describe(rung, case.shown, zone=zone)
        yield clause if case.wanted == 1 else f"{counted(number, 'task')} {clause}"
