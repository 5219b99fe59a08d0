"""Which ends of a recovery are left to the daily audit to tell of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.launch.values import Category, Outcome
from retry_run_task.messages.message import Ending
from retry_run_task.policy.rules import Facts, Notify
from retry_run_task.recovery.ending import is_left_to_audit
from support.policies import DEFAULT


@pytest.mark.parametrize(
    ("changes", "is_left"),
    [
        ({}, True),
        ({"numbers": {"limit_s": 3600.0}}, True),
        ({"numbers": {"limit_s": 3601.0}}, False),
        # The task took so long to fail that the next run was due before it had.
        ({"numbers": {"limit_s": -20.0}}, True),
        ({"numbers": {}}, False),
        ({"outcome": Outcome.EXPIRED}, False),
        ({"outcome": Outcome.REFUSED}, False),
        # Something is left to look at.
        ({"task_arns": ("t1",), "wanted": 2}, False),
        ({"is_unsure": True}, False),
    ],
)
def test_only_runs_that_were_overtaken_soon_and_leave_nothing_to_look_at(
    changes: dict[str, Any], is_left: bool
) -> None:
    values: dict[str, Any] = {"outcome": Outcome.SUPERSEDED, "why": "w", "rule": "next-run", "calls": 1}
    values |= {"wanted": 1, "task_arns": (), "elapsed_s": 1.0, "last": None, "numbers": {"limit_s": 300.0}}
    ending = Ending(**(values | changes))
    plain = DEFAULT.handling(Facts(), Category.CAPACITY)
    assert is_left_to_audit(ending, plain, quiet_s=3600) is is_left
    # Without an audit nobody else would tell; and what the policy asks for counts.
    assert not is_left_to_audit(ending, plain, quiet_s=0)
    for wish in Notify.ALWAYS, Notify.NEVER:
        assert not is_left_to_audit(ending, replace(plain, notify=wish), quiet_s=3600)
