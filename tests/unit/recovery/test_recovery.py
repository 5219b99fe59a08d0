"""The loop: what is sent, with which token, after which wait, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from retry_run_task.launch import names as identity
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    Category,
    Failure,
    IncompleteRequest,
    Lost,
    Origin,
    Outcome,
    Placed,
    Refused,
)
from retry_run_task.policy.backoff import Backoff
from retry_run_task.simulate.fast_executions import Runs
from retry_run_task.simulate.virtual import Timeline
from support.policies import PLAIN, changed, handling
from support.records import CAPACITY, launch, parameters
from support.virtual import CutPoint, VirtualExecution
from support.worlds import ScriptedWorld, recovering, run

CALL = launch().call_id
# Six hours of attempts are replayed from the top each time one is resumed; most rules show in half an hour.
HALF_AN_HOUR = changed(deadline_s=1800)
SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),))
LOST = Lost(failure=Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable."))
THROTTLED = Refused(failure=Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"))
UNSURE = Refused(failure=THROTTLED.failure, is_unsure=True)
DENIED = Refused(failure=Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="not authorized"))
STRANGE = Placed(failures=(Failure(origin=Origin.ANSWER, reason="The moon is in the wrong quarter"),))


def placed(*names: str, missing: int = 0) -> Placed:
    return Placed(task_arns=names, failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),) * missing)


def tokens(*attempts: int) -> list[str]:
    return [identity.client_token(CALL, n) for n in attempts]


def test_a_launch_that_finds_capacity_at_once() -> None:
    done = run(launch(), placed("t1"))
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.ending.task_arns == ("t1",)
    assert done.tokens == tokens(1)
    assert done.waits == []


def test_the_same_request_is_sent_with_our_token_and_mark() -> None:
    done = run(launch(), placed("t1"))
    assert done.world.bodies == [
        parameters(
            dryrun=None,
            clientToken=identity.client_token(CALL, 1),
            startedBy=f"events-rule/nightly/retry-run-task/{CALL[:12]}",
        )
    ]


def test_every_attempt_has_a_token_of_its_own_and_waits_grow() -> None:
    done = run(launch(), SHORT, SHORT, SHORT, placed("t1"))
    assert done.tokens == tokens(1, 2, 3, 4)
    shape = handling(PLAIN, Category.CAPACITY).wait
    assert shape is not None
    assert done.waits == [shape.delay(n, f"{CALL}/capacity") for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("script", "attempts"),
    [
        ((LOST, placed("t1")), (1, 1)),
        ((LOST, LOST, SHORT, placed("t1")), (1, 1, 1, 2)),
        ((THROTTLED, placed("t1")), (1, 1)),
        ((UNSURE, placed("t1")), (1, 1)),
        ((LOST, THROTTLED, placed("t1")), (1, 1, 1)),
        ((UNSURE, THROTTLED, SHORT, THROTTLED, placed("t1")), (1, 1, 1, 2, 2)),
        ((SHORT, LOST, placed("t1")), (1, 2, 2)),
    ],
)
def test_a_token_is_left_behind_only_when_ecs_has_answered_it(
    script: tuple[Any, ...], attempts: tuple[int, ...]
) -> None:
    """A lost answer may stand for a task that runs; and a refusal says nothing of another try with the token."""
    done = run(launch(), *script)
    assert done.tokens == tokens(*attempts)
    assert done.ending.outcome is Outcome.RECOVERED


def test_only_the_missing_tasks_are_asked_for() -> None:
    """Five asked for, two placed by the failed call, then one, then the other two."""
    done = run(
        launch(request=parameters(count=5), placed=("p1", "p2")),
        placed("t1", missing=2),
        LOST,
        placed("t2", "t3"),
    )
    assert [body["count"] for body in done.world.bodies] == [3, 2, 2]
    assert done.ending.task_arns == ("t1", "t2", "t3")
    assert done.ending.outcome is Outcome.RECOVERED


def test_the_count_is_asked_for_minus_placed_and_never_the_number_of_failures() -> None:
    """On EC2 there may be a failure for each container instance that was looked at."""
    many = Placed(task_arns=("t1",), failures=(Failure(origin=Origin.ANSWER, reason="RESOURCE:CPU"),) * 7)
    done = run(launch(request=parameters(count=3)), many, placed("t2", "t3"))
    assert [body["count"] for body in done.world.bodies] == [3, 2]


def test_fewer_tasks_and_no_word_why_is_a_failure_nobody_knows() -> None:
    done = run(launch(request=parameters(count=2)), Placed(task_arns=("t1",)), placed("t2"))
    (waiting,) = (fields for event, fields in done.told if event == "recovery.waiting")
    assert waiting["category"] == "unknown"
    assert done.ending.outcome is Outcome.RECOVERED


def test_a_permission_error_ends_it_at_once_and_is_never_sent_again() -> None:
    done = run(launch(), SHORT, DENIED)
    assert done.ending.outcome is Outcome.PERMANENT
    assert done.ending.rule == "permission"
    assert len(done.world.bodies) == 2
    assert len(done.world.messages) == 1


def test_the_worst_of_several_failures_decides() -> None:
    mixed = Placed(failures=(*SHORT.failures, Failure(origin=Origin.ANSWER, reason="ATTRIBUTE")))
    done = run(launch(), mixed)
    assert (done.ending.outcome, done.ending.rule) == (Outcome.PERMANENT, "configuration")


@pytest.mark.parametrize(
    ("changes", "outcome", "rule"),
    [
        (
            {"failures": (Failure(origin=Origin.ANSWER, reason="ATTRIBUTE"),)},
            Outcome.PERMANENT,
            "configuration",
        ),
        (
            {"failures": (Failure(origin=Origin.ERROR, code="AccessDenied", reason="no"),)},
            Outcome.PERMANENT,
            "permission",
        ),
        (
            {"failures": (Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"),)},
            Outcome.PERMANENT,
            "errors",
        ),
        (
            {"request": None, "missing": ("overrides.containerOverrides[app].environment",)},
            Outcome.REFUSED,
            "whole-requests-only",
        ),
    ],
)
def test_what_must_not_be_run_is_never_sent_and_a_person_is_told(
    changes: dict[str, Any], outcome: Outcome, rule: str
) -> None:
    value = launch(**{k: v for k, v in changes.items() if k not in ("request", "missing")})
    if "missing" in changes:
        incomplete = IncompleteRequest(parameters=parameters(), missing=changes["missing"])
        value = type(value)(**{f: getattr(value, f) for f in value.__slots__} | {"request": incomplete})
    done = run(value, placed("t1"))
    assert (done.ending.outcome, done.ending.rule) == (outcome, rule)
    assert done.world.bodies == []
    (message,) = done.world.messages
    for path in changes.get("missing", ()):
        assert path in message.text


def test_an_unknown_reason_has_a_few_careful_attempts() -> None:
    done = run(launch(), STRANGE)
    assert len(done.world.bodies) == handling(PLAIN, Category.UNKNOWN).attempts == 3
    assert done.ending.outcome is Outcome.EXPIRED
    assert "The moon" in done.world.messages[0].text


def test_patience_with_one_category_is_not_used_up_by_another() -> None:
    done = run(launch(), STRANGE, SHORT, SHORT, SHORT, STRANGE, SHORT, placed("t1"))
    assert done.ending.outcome is Outcome.RECOVERED


def test_no_attempt_is_made_after_the_deadline() -> None:
    """Without replays, which for six hours of attempts take most of the time; they change nothing, see test_runs.py."""
    began = launch().event_time.timestamp()
    world = ScriptedWorld(timeline := Timeline(began + 300), [SHORT], [])
    runs, endings = Runs(timeline), []
    running = runs.start(recovering(launch(), world, [], policy=PLAIN), endings.append)
    timeline.run()
    (ending,) = endings
    assert (ending.outcome, ending.rule) == (Outcome.EXPIRED, "deadline")
    assert max(world.times) <= began + 6 * 3600
    assert max(world.times) > began + 6 * 3600 - 120
    assert running.operations < 3000, "Lambda's limit on operations"


def test_a_record_that_arrives_too_late_starts_nothing() -> None:
    """CloudTrail is best effort: what comes a day later is judged by when it happened."""
    done = run(launch(), placed("t1"), late_s=86_400)
    assert done.ending.outcome is Outcome.EXPIRED
    assert done.world.bodies == []


def test_a_record_made_by_hand_asks_for_a_run_now_whatever_time_was_typed_into_it() -> None:
    value = launch(caller=Caller(kind=CallerKind.HAND_MADE))
    assert run(value, placed("t1"), late_s=3 * 365 * 86_400).ending.outcome is Outcome.RECOVERED
    given_up = run(value, SHORT, late_s=3 * 365 * 86_400, policy=HALF_AN_HOUR)
    assert given_up.ending.outcome is Outcome.EXPIRED
    assert given_up.world.times[-1] - given_up.world.times[0] <= 1800


def test_a_clock_that_is_behind_the_record_shortens_no_patience_and_lengthens_none() -> None:
    done = run(launch(), SHORT, late_s=-1000, policy=HALF_AN_HOUR)
    assert 0 < done.world.times[-1] - done.world.times[0] <= 1800


def test_time_that_passed_outside_of_waits_counts() -> None:
    """A recovery that was held back for hours does not go on as if nothing had happened."""
    policy = changed(deadline_s=3600)
    held: list[str] = []

    def cut_off(_execution: VirtualExecution, name: str, _moment: CutPoint) -> bool:
        if name != "run-task-2" or held:
            return False
        held.append(name)
        return True

    done = run(launch(), SHORT, placed("t1"), policy=policy, cut_off=cut_off, restart_s=7200)
    assert done.ending.outcome is Outcome.EXPIRED
    assert len(done.world.bodies) == 1


@pytest.mark.parametrize(("asked_for", "messages"), [(True, 1), (False, 0)])
def test_a_person_is_told_of_success_only_if_asked_for(asked_for: bool, messages: int) -> None:
    assert len(run(launch(), placed("t1"), notify_recovered=asked_for).world.messages) == messages


def test_a_message_that_cannot_be_sent_is_tried_again() -> None:
    done = run(launch(), DENIED, notify_errors=["throttled", "throttled"])
    assert len(done.world.messages) == 1
    assert [event for event, _ in done.told].count("recovery.not_notified") == 2


def test_a_message_that_can_never_be_sent_does_not_keep_the_recovery_from_ending() -> None:
    done = run(launch(), DENIED, notify_errors=["no such topic"] * 100)
    assert done.ending.outcome is Outcome.PERMANENT
    assert [event for event, _ in done.told].count("recovery.not_notified") == 7


def test_a_lost_last_answer_is_said_with_the_command_that_shows_what_became_of_it() -> None:
    policy = changed(category=Category.TRANSIENT, wait=Backoff(base_s=1, cap_s=1), attempts=2)
    done = run(launch(), LOST, policy=policy)
    assert done.tokens == tokens(1, 1)
    mark = identity.started_by_of("events-rule/nightly", CALL)
    assert f"--started-by {mark}" in done.world.messages[0].text


def test_a_token_that_ecs_may_have_forgotten_is_not_used_again() -> None:
    """An hour after a lost answer its task may have run, stopped and been forgotten: a repeat could start another."""
    done = run(launch(), LOST)
    assert (done.ending.outcome, done.ending.rule) == (Outcome.EXPIRED, "client-token")
    assert set(done.tokens) == set(tokens(1))
    assert done.world.times[-1] - done.world.times[0] <= 3600
    assert "--started-by" in done.world.messages[0].text


def test_the_log_tells_each_thing_once_however_often_it_is_resumed() -> None:
    done = run(launch(), SHORT, SHORT, placed("t1"))
    assert done.execution.invocations == 4
    assert [event for event, _ in done.told] == [
        "recovery.began",
        "recovery.matched",
        "recovery.called",
        "recovery.waiting",
        "recovery.called",
        "recovery.waiting",
        "recovery.called",
        "recovery.recovered",
    ]
