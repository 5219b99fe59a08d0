"""A first message while the run is still being retried, and the end of it."""

from __future__ import annotations

from typing import Any

import pytest

from retry_run_task.launch.values import Failure, Origin, Outcome, Placed
from retry_run_task.messages.message import STILL_TRYING
from retry_run_task.policy.rules import Notify
from retry_run_task.recovery.ports import Background
from support.policies import changed
from support.records import CAPACITY, launch
from support.virtual import CutPoint, VirtualExecution
from support.worlds import Run, run

FAILED_AT = launch().event_time.timestamp()
SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),))
# About 35 min of attempts, which begin 5 min after the failed call.
LONG = [SHORT] * 55
ROOM = Placed(task_arns=("t1",))


def early(early_s: float | None = 1800, **sets: Any) -> Any:
    return changed(deadline_s=3600, early_s=early_s, **sets)


def outcomes(done: Run) -> list[str]:
    return [message.outcome for message in done.world.messages]


def told_at(done: Run) -> list[float]:
    return [fields["elapsed_s"] for event, fields in done.told if event == "recovery.still_trying"]


def due_in(seconds: float) -> Background:
    return Background(name="nightly", arn="arn:x", next_due=FAILED_AT + seconds, event_age_s=0)


def test_half_an_hour_later_a_person_is_told_once_and_then_how_it_ended() -> None:
    """Also of a success that is not told otherwise: who was told that it is late wants to know that it is over."""
    done = run(launch(), *LONG, ROOM, policy=early())
    assert outcomes(done) == [STILL_TRYING, "recovered"]
    assert 1800 <= told_at(done)[0] <= 1800 + 60
    given_up = run(launch(), SHORT, policy=early())
    assert outcomes(given_up) == [STILL_TRYING, "expired"]


def test_what_passes_before_that_is_quiet() -> None:
    done = run(launch(), SHORT, SHORT, ROOM, policy=early())
    assert done.ending.outcome is Outcome.RECOVERED
    assert outcomes(done) == []


def test_half_of_the_time_until_the_next_run_is_earlier_if_it_is() -> None:
    done = run(launch(), SHORT, policy=early(), background=due_in(1800))
    assert outcomes(done) == [STILL_TRYING, "superseded"]
    assert 900 <= told_at(done)[0] <= 900 + 60


@pytest.mark.parametrize("policy", [early(None), early(notify=Notify.NEVER)], ids=["never early", "never"])
def test_a_policy_may_want_none(policy: Any) -> None:
    assert STILL_TRYING not in outcomes(run(launch(), *LONG, ROOM, policy=policy))


def test_an_early_message_that_raises_does_not_end_the_recovery() -> None:
    """Its text might hold a value, so the type alone is told."""
    done = run(launch(), *LONG, ROOM, policy=early(), notify_errors=[ValueError("canary")])
    assert done.ending.outcome is Outcome.RECOVERED
    assert outcomes(done) == [STILL_TRYING, "recovered"]
    errors = [fields["error"] for event, fields in done.told if event == "recovery.still_trying"]
    assert errors == ["ValueError", None]


def test_a_topic_that_does_not_take_it_is_asked_again_at_the_next_attempt() -> None:
    done = run(launch(), *LONG, ROOM, policy=early(), notify_errors=["throttled", "throttled"])
    assert outcomes(done) == [STILL_TRYING, "recovered"]
    errors = [fields["error"] for event, fields in done.told if event == "recovery.still_trying"]
    assert errors == ["throttled", "throttled", None]


def test_the_waits_are_those_of_a_recovery_without_it() -> None:
    assert (
        run(launch(), *LONG, ROOM, policy=early()).waits
        == run(launch(), *LONG, ROOM, policy=early(None)).waits
    )


def test_a_process_that_dies_beside_it_changes_nothing_but_may_tell_twice() -> None:
    died: list[str] = []

    def cut_off(_execution: VirtualExecution, name: str, moment: CutPoint) -> bool:
        if not name.startswith("tell-") or moment is not CutPoint.AFTER or died:
            return False
        died.append(name)
        return True

    done = run(launch(), *LONG, ROOM, policy=early(), cut_off=cut_off)
    assert outcomes(done) == [STILL_TRYING, STILL_TRYING, "recovered"]
    assert done.ending.outcome is Outcome.RECOVERED
