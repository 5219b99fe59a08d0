"""What an answer of RunTask says: why tasks are missing, and whether the rung is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch.values import Category, Failure, Lost, Origin, Placed, Refused
from retry_run_task.policy.ladder import AS_ASKED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retry_run_task.launch.values import Answer, Verdict
    from retry_run_task.policy.ladder import Rung
    from retry_run_task.recovery.state import State

NO_ANSWER = Failure(origin=Origin.ANSWER, reason="")

# What ECS says of the moment, and not of what was asked for.
PASSING = frozenset({Category.THROTTLE, Category.TRANSIENT})


def said(before: State, state: State, answer: Placed | Refused | Lost) -> tuple[Failure, ...]:
    """Return why tasks are missing after an answer."""
    match answer:
        case Placed(is_conflict=True):
            # It names the tasks of an earlier call and says nothing of those that are missing: what was, still is.
            return (before.last.failure,)
        case Placed(task_arns=arns, failures=()) if arns and state.failed.issuperset(arns):
            # Likewise: ECS gives again the answer that named a task which has failed to start since.
            return (before.last.failure,)
        case Placed():
            # Fewer tasks than asked for and no word why: nothing is known, which is a category.
            return answer.failures or (NO_ANSWER,)
        case Refused() | Lost():
            return (answer.failure,)


def is_full(answer: Answer, failures: Sequence[Failure]) -> bool:
    """Tell whether a call has placed nothing, for lack of capacity alone. A conflict says nothing of capacity."""
    return (
        isinstance(answer, Placed)
        and not answer.task_arns
        and bool(answer.failures)
        and worst([classify(failure) for failure in failures]).category is Category.CAPACITY
    )


def is_blamed(rung_: Rung, answer: Answer, verdict: Verdict) -> bool:
    """Tell whether the change that a rung makes seems to be what ECS does not take."""
    if rung_ == AS_ASKED:
        return False
    match answer:
        case Refused():
            return verdict.category not in PASSING
        case Placed(is_conflict=False):
            return verdict.category not in PASSING | {Category.CAPACITY}
        case _:
            return False
