"""A launch is not started beside an earlier run of its schedule, with the policy's ``overlap = "skip"``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from retry_run_task.launch import names
from retry_run_task.launch.values import Category, Failure, Origin, Outcome, Placed
from retry_run_task.policy.rules import Overlap
from retry_run_task.sources.tasks import is_of_an_earlier_run
from support.policies import PLAIN, changed
from support.records import TASK_DEFINITION, launch, parameters
from support.worlds import run

SKIP = changed(PLAIN, overlap=Overlap.SKIP)
ROOM = Placed(task_arns=("t2",))
SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason="RESOURCE:MEMORY"),))
THROTTLED = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
DENIED = Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="not authorized")


def test_nothing_is_started_beside_an_earlier_run_and_the_message_says_so() -> None:
    done = run(launch(), ROOM, policy=SKIP, going={1: ("t1",)})
    assert (done.ending.outcome, done.ending.rule, done.world.bodies) == (Outcome.SUPERSEDED, "overlap", [])
    (message,) = done.world.messages
    assert "an earlier run of the schedule is still going" in message.text
    assert "t1" in done.ending.why


def test_one_that_begins_meanwhile_ends_the_recovery() -> None:
    done = run(launch(), SHORT, ROOM, policy=SKIP, going={2: ("t1",)})
    assert (done.ending.outcome, len(done.world.bodies)) == (Outcome.SUPERSEDED, 1)


def test_without_an_earlier_run_it_is_started() -> None:
    assert run(launch(), ROOM, policy=SKIP).ending.outcome is Outcome.RECOVERED


def test_by_default_nobody_looks() -> None:
    done = run(launch(), ROOM, going={1: ("t1",)})
    assert (done.ending.outcome, done.world.earlier_looks) == (Outcome.RECOVERED, 0)


def test_what_cannot_be_seen_is_not_taken_for_none() -> None:
    done = run(launch(), ROOM, policy=SKIP, going={1: THROTTLED, 2: THROTTLED, 3: ("t1",)})
    assert (done.ending.outcome, done.world.bodies) == (Outcome.SUPERSEDED, [])
    later = run(launch(), ROOM, policy=SKIP, going={1: THROTTLED})
    assert (later.ending.outcome, later.world.earlier_looks) == (Outcome.RECOVERED, 2)
    assert "recovery.read_failed" in [event for event, _ in later.told]


def test_who_may_never_look_starts_nothing() -> None:
    done = run(launch(), ROOM, policy=SKIP, going=dict.fromkeys(range(1, 99), DENIED))
    assert (done.ending.outcome, done.world.bodies, len(done.world.messages)) == (Outcome.PERMANENT, [], 1)


def test_a_rule_for_a_category_counts_for_the_first_failure() -> None:
    policy = changed(PLAIN, category=Category.CAPACITY, overlap=Overlap.SKIP)
    assert run(launch(), ROOM, policy=policy, going={1: ("t1",)}).ending.outcome is Outcome.SUPERSEDED


NIGHTLY = launch(request=parameters(startedBy="events-rule/nightly"))
EARLIER = {
    "taskArn": "t1",
    "taskDefinitionArn": TASK_DEFINITION,
    "startedBy": "events-rule/nightly",
    "lastStatus": "RUNNING",
    "createdAt": NIGHTLY.event_time - timedelta(days=1),
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"lastStatus": "PROVISIONING"}, True),
        ({"createdAt": None}, True),
        # A recovery started it.
        ({"startedBy": names.started_by_of("events-rule/nightly", "f" * 32)}, True),
        ({"startedBy": names.started_by_of("events-rule/weekly", "f" * 32)}, False),
        ({"startedBy": "events-rule/weekly"}, False),
        ({"startedBy": None}, False),
        ({"lastStatus": "STOPPED"}, False),
        ({"createdAt": NIGHTLY.event_time}, False),
        # The clocks of ECS and CloudTrail differ by seconds.
        ({"createdAt": NIGHTLY.event_time - timedelta(seconds=5)}, False),
        ({"createdAt": NIGHTLY.event_time - timedelta(seconds=5.1)}, True),
        ({"taskDefinitionArn": TASK_DEFINITION.replace("nightly", "weekly")}, False),
    ],
)
def test_which_task_is_of_an_earlier_run(changes: dict[str, Any], expected: bool) -> None:
    assert is_of_an_earlier_run(NIGHTLY, EARLIER | changes) is expected


def test_a_task_that_the_failed_call_placed_is_not_of_an_earlier_run() -> None:
    placed = replace(NIGHTLY, placed=("t1",))
    assert not is_of_an_earlier_run(placed, EARLIER | {"taskArn": "t1"})
    assert is_of_an_earlier_run(placed, EARLIER | {"taskArn": "t2"})


def test_a_caller_without_a_mark_has_runs_without_one() -> None:
    for none in (None, ""):
        plain = launch(request=parameters(startedBy=none))
        assert is_of_an_earlier_run(plain, EARLIER | {"startedBy": None})
        assert is_of_an_earlier_run(plain, EARLIER | {"startedBy": ""})
        assert is_of_an_earlier_run(plain, EARLIER | {"startedBy": names.started_by_of(None, "f" * 32)})
        assert not is_of_an_earlier_run(plain, EARLIER)


@pytest.mark.parametrize(
    ("command", "expected"), [(["run", "eu"], True), (["run", "us"], False), (None, False)]
)
def test_a_run_with_another_command_is_not_of_this_schedule(command: Any, expected: bool) -> None:
    asked = launch(
        request=parameters(overrides={"containerOverrides": [{"name": "app", "command": ["run", "eu"]}]})
    )
    theirs = {"overrides": {"containerOverrides": [{"name": "app", "command": command}]}}
    assert is_of_an_earlier_run(asked, EARLIER | theirs) is expected
