"""How long the operations of an execution last, if every start fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.rules import Handling
from retry_run_task.recovery.budget import spent_after_s

TWO_DAYS = Handling(rule="long", wait=Backoff(base_s=15, cap_s=300), deadline_s=2 * 86_400)


def test_two_days_of_failed_starts_use_more_operations_than_an_execution_has() -> None:
    spent_s = spent_after_s(TWO_DAYS, 1800)
    assert spent_s is not None
    # Most with 11 looks at each task, the last after 585 s: 24 operations an attempt, so 121 attempts.
    assert spent_s == pytest.approx(24.5 * 3600, abs=600)


@pytest.mark.parametrize(
    "changes",
    [
        {"retry": False},
        {"ignore": True},
        {"wait": None},
        {"attempts": 50},
        {"deadline_s": 12 * 3600},
        {"wait": Backoff(base_s=3600, cap_s=3600)},
    ],
)
def test_else_the_deadline_or_the_number_of_attempts_comes_first(changes: dict[str, object]) -> None:
    assert spent_after_s(replace(TWO_DAYS, **changes), 1800) is None  # type: ignore[arg-type]
