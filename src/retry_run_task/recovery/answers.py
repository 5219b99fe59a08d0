"""What a RunTask answer means: why tasks are missing, and whether the rung is to blame."""

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

# Failures that depend on the moment, not on the request.
PASSING = frozenset({Category.THROTTLE, Category.TRANSIENT})


def said(before: State, state: State, answer: Placed | Refused | Lost) -> tuple[Failure, ...]:
    """Return why tasks are missing after an answer."""
    match answer:
        case Placed(is_conflict=True):
            # It names the tasks of an earlier call and not why others are missing: the last failure still holds.
            return (before.last.failure,)
        case Placed(task_arns=arns, failures=()) if arns and state.failed.issuperset(arns):
            # Likewise: ECS returned its earlier answer, and the tasks in it have failed to start since.
            return (before.last.failure,)
        case Placed():
            # Fewer tasks than requested, and no reason given: the failure is classified as unknown.
            return answer.failures or (NO_ANSWER,)
        case Refused() | Lost():
            return (answer.failure,)


def is_full(answer: Answer, failures: Sequence[Failure]) -> bool:
    """Tell whether a call placed nothing for lack of capacity alone. A conflict says nothing about capacity."""
    return (
        isinstance(answer, Placed)
        and not answer.task_arns
        and bool(answer.failures)
        and worst([classify(failure) for failure in failures]).category is Category.CAPACITY
    )


def is_blamed(rung_: Rung, answer: Answer, verdict: Verdict) -> bool:
    """Tell whether ECS seems to reject the change that a rung makes."""
    if rung_ == AS_ASKED:
        return False
    match answer:
        case Refused():
            return verdict.category not in PASSING
        case Placed(is_conflict=False):
            return verdict.category not in PASSING | {Category.CAPACITY}
        case _:
            return False
