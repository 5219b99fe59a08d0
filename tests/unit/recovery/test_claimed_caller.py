"""A caller that only says who it is: recovered if a schedule that uses its role is found, refused and told if not."""

from __future__ import annotations

import pytest

from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import Caller, CallerKind, Outcome, Placed
from retry_run_task.recovery.ports import Background
from support.records import RULE_ROLE, launch
from support.worlds import run

PLACED = Placed(task_arns=("t1",))
FOUND = Background(name="nightly", arn="arn", next_due=None, event_age_s=0)
GONE = NoMatch(why="no rule or schedule exists any more")
SEVERAL = NoMatch(why="2 rules or schedules could have made this call", is_role_used=True)


@pytest.mark.parametrize(
    ("is_proven", "background", "outcome"),
    [
        (False, FOUND, Outcome.RECOVERED),
        (False, SEVERAL, Outcome.RECOVERED),
        (False, GONE, Outcome.REFUSED),
        (True, GONE, Outcome.RECOVERED),
    ],
)
def test_a_claim_counts_if_a_schedule_uses_its_role(
    is_proven: bool, background: Background | NoMatch, outcome: Outcome
) -> None:
    caller = Caller(kind=CallerKind.SCHEDULER, role_arn=RULE_ROLE, is_proven=is_proven)
    ran = run(launch(caller=caller), PLACED, background=background)
    assert ran.ending.outcome is outcome
    assert len(ran.world.bodies) == (outcome is Outcome.RECOVERED)
    assert len(ran.world.messages) == (outcome is Outcome.REFUSED)
    if outcome is Outcome.REFUSED:
        assert RULE_ROLE in ran.ending.why
        assert GONE.why in ran.ending.why
