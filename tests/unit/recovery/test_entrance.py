"""A launch of another account is tried only if that account lets recover in; if it does not, a message is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retry_run_task.launch.values import Failure, Origin, Outcome, Placed
from retry_run_task.recovery.ports import Entrance
from support.policies import changed
from support.records import launch
from support.worlds import run

ROLE = "arn:aws:iam::210987654321:role/retry-run-task-member"
ELSEWHERE = launch(account="210987654321")
DENIED = Failure(
    origin=Origin.ERROR,
    code="AccessDenied",
    reason=f"User: arn:aws:sts::123456789012:assumed-role/retry-run-task-role/recover is not authorized to "
    f"perform: sts:AssumeRole on resource: {ROLE}",
)
SLOW = Failure(origin=Origin.ERROR, code="Throttling", reason="Rate exceeded")
AWAY = Failure(
    origin=Origin.ERROR,
    code="EndpointConnectionError",
    reason='Could not connect to the endpoint URL: "https://sts.ap-northeast-1.amazonaws.com/"',
)
BROKEN = Failure(origin=Origin.ERROR, code="ReadTimeoutError", reason="Read timeout on endpoint URL")


def entrance(*failures: Failure | None) -> Entrance:
    """Return an entrance that fails so, and then lets in."""
    says: Iterator[Failure | None] = iter(failures)
    return Entrance(role_arn=ROLE, enter=lambda: next(says, None))


def test_an_account_that_lets_recover_in_is_tried_like_any_other() -> None:
    done = run(ELSEWHERE, Placed(task_arns=("t",)), entrance=entrance())
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.execution.operations[0][0] == "enter-account-1"


def test_at_home_nothing_is_asked() -> None:
    done = run(launch(), Placed(task_arns=("t",)))
    assert not [name for name, _ in done.execution.operations if name.startswith("enter")]


@pytest.mark.parametrize(
    "failure",
    [
        DENIED,
        Failure(
            origin=Origin.ERROR, code="RegionDisabledException", reason="STS is not activated in this region"
        ),
        Failure(origin=Origin.ERROR, code="ConfigError", reason="RETRY_RUN_TASK_EXTERNAL_ID is not set"),
        Failure(origin=Origin.ERROR, code="ValidationError", reason="1 validation error detected"),
    ],
    ids=lambda failure: failure.code,
)
def test_an_account_that_does_not_is_reported_at_once_and_nothing_is_looked_at(failure: Failure) -> None:
    done = run(ELSEWHERE, Placed(task_arns=("t",)), entrance=entrance(*[failure] * 9))
    assert (done.ending.outcome, done.ending.rule) == (Outcome.PERMANENT, "member-role")
    assert done.world.bodies == []
    assert done.world.looks == 0
    assert [name for name, _ in done.execution.operations] == ["enter-account-1", "notify-1"]
    (message,) = done.world.messages
    for part in (
        ROLE,
        failure.reason,
        "Deploy infra/member.yaml in account 210987654321",
        "not called again",
    ):
        assert part in message.text


@pytest.mark.parametrize("failure", [SLOW, AWAY, BROKEN], ids=lambda failure: failure.code)
def test_what_passes_is_waited_for_and_not_without_end(failure: Failure) -> None:
    done = run(ELSEWHERE, Placed(task_arns=("t",)), entrance=entrance(failure, failure))
    assert done.ending.outcome is Outcome.RECOVERED
    waits = [result for name, result in done.execution.operations if name.startswith("enter-account-wait")]
    assert waits == [15, 30]
    assert done.ending.elapsed_s == 300 + 45 + 15, "until it was seen running, each wait once"
    never = run(ELSEWHERE, entrance=entrance(*[failure] * 9999), policy=changed(deadline_s=1800))
    assert (never.ending.outcome, never.ending.rule) == (Outcome.PERMANENT, "member-role")
    assert 1800 - 300 <= never.world.timeline.now - ELSEWHERE.event_time.timestamp() <= 1800 + 300
    assert never.world.bodies == []


def test_a_thrown_error_is_reported_without_going_there() -> None:
    """Nothing is tried after it, so nobody has to let recover in."""
    error = Failure(origin=Origin.ERROR, code="ClusterNotFoundException", reason="Cluster not found.")
    done = run(launch(account="210987654321", failures=(error,)), entrance=entrance(*[DENIED] * 9))
    assert done.ending.rule != "member-role"
    assert [name for name, _ in done.execution.operations] == ["notify-1"]


def test_cut_off_anywhere_it_comes_to_the_same_end() -> None:
    for nth in range(1, 9):
        seen = [0]

        def cut_off(*_: object, nth: int = nth, seen: list[int] = seen) -> bool:
            seen[0] += 1
            return seen[0] == nth

        done = run(ELSEWHERE, Placed(task_arns=("t",)), entrance=entrance(SLOW), cut_off=cut_off)
        assert done.ending.outcome is Outcome.RECOVERED
        assert len(done.tokens) >= 1
        assert len(set(done.tokens)) == 1
