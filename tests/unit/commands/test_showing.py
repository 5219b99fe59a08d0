"""A plan as a person reads it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from retry_run_task.commands.deploy import showing
from retry_run_task.commands.deploy.coverage import ClusterJobs
from retry_run_task.commands.shared.stack_states import ResourceChange

CHANGES = (
    *(ResourceChange(action="add", resource=f"Alarm{n}", type="AWS::CloudWatch::Alarm") for n in range(5)),
    *(
        ResourceChange(action="change", resource=f"C{n}", type="AWS::SQS::Queue", replaces=None)
        for n in range(5)
    ),
    ResourceChange(action="remove", resource="Gone", type="AWS::SNS::Topic"),
)


def plan(rules: int, *, is_update: bool = False) -> Any:
    jobs = ClusterJobs(name="batch", rules=rules, schedules=0, task_definitions=("nightly",))
    return SimpleNamespace(
        stack="night",
        region="ap-northeast-1",
        is_update=is_update,
        changes=CHANGES,
        clusters=(jobs,) if rules else (),
    )


COUNTS = "5 to add, 5 to change, 1 to remove"


@pytest.mark.parametrize(
    ("of", "does", "after"),
    [
        (plan(2), "makes", ", and failed launches of 2 jobs are recovered from then on"),
        (plan(1, is_update=True), "updates", ", and failed launches of 1 job are recovered from then on"),
        (plan(0), "makes", ""),
    ],
)
def test_the_question_says_what_yes_means(of: Any, does: str, after: str) -> None:
    expected = f"Yes {does} the stack night in ap-northeast-1: {COUNTS}{after}. Do this?"
    assert showing.question(of) == expected


def test_what_is_made_is_folded_and_what_is_changed_or_removed_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    showing.show_changes(CHANGES, is_whole=False)
    shown = capsys.readouterr().out
    assert "Resources: 5 to add, 5 to change, 1 to remove\n" in shown
    assert "  + AWS::CloudWatch::Alarm: Alarm0, Alarm1, Alarm2 and 2 more\n" in shown
    for number in range(5):
        assert f"  ~ C{number} (AWS::SQS::Queue), perhaps a new one in its place\n" in shown
    assert "  - Gone (AWS::SNS::Topic)\n" in shown
    showing.show_changes(CHANGES, is_whole=True)
    assert "Alarm0, Alarm1, Alarm2, Alarm3, Alarm4\n" in capsys.readouterr().out
    showing.show_changes((), is_whole=False)
    assert capsys.readouterr().out == "\nNothing would change.\n"
