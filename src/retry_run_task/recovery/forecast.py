"""What a recovery would do with a launch at a given time: the engine's decision, without running a recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.launch.values import Outcome
from retry_run_task.policy import attempt_times
from retry_run_task.recovery.after import after, begin
from retry_run_task.recovery.events import Looked, Waited
from retry_run_task.recovery.state import Call, End, Wait, body

if TYPE_CHECKING:
    from retry_run_task.launch.values import JsonObject, TaskState
    from retry_run_task.policy.decision import GiveUp
    from retry_run_task.recovery.case import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a recovery would do.

    Attributes:
        decision: ``retry``, ``give-up``, ``ignore`` or, if the tasks already exist, ``nothing``.
        gave_up: How it would end without a call; None if it would call RunTask or the tasks exist.
        request: The body of the first call, as recorded; None if there would be none. It may hold secrets.
    """

    decision: str
    rule: str
    why: str
    gave_up: GiveUp | None = None
    request: JsonObject | None = None


def forecast(case: Case, now: float, tasks: tuple[TaskState, ...] = ()) -> Forecast:
    """Return what a recovery would do if it looked now.

    ``now`` is in seconds since 1970; ``tasks`` are what the look would see.
    """
    state = begin(case)
    while isinstance(state.move, Wait):
        state = after(case, state, Waited(state.move.delay_s))
    if not isinstance(state.move, End):
        state = after(case, state, Looked(now, tasks))
    handling = case.handlings[state.last.category]
    match state.move:
        case End(gave_up=gave_up) if gave_up is not None:
            decision = "ignore" if gave_up.outcome is Outcome.IGNORED else "give-up"
            return Forecast(decision=decision, rule=gave_up.rule, why=gave_up.why, gave_up=gave_up)
        case Call():
            request = body(case, state, case.launch.request)
            why = f"RunTask, soon; it {attempt_times.in_words(handling, state.last.failure)}"
            return Forecast(decision="retry", rule=handling.rule, why=why, request=request)
        case _:
            return Forecast(
                decision="nothing", rule="looked", why=f"it is there already: {', '.join(state.tasks)}"
            )
