"""Many recoveries at once: each waits for its share, and where one finds capacity the others follow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from retry_run_task.launch.values import (
    Category,
    Failure,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    TaskState,
)
from retry_run_task.policy.ladder import RungKind
from retry_run_task.recovery.crowd import FEW, LONGEST_S, MANY, UNPACED, Crowd, pace
from retry_run_task.recovery.history import StateReplay
from retry_run_task.recovery.ports import Background
from support.policies import DEFAULT, PLAIN, changed
from support.records import CAPACITY, launch
from support.virtual import CutPoint
from support.worlds import Run, run

SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason=CAPACITY),))
LOST = Lost(failure=Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable."))
THROTTLED = Refused(failure=Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"))
PLACED = Placed(task_arns=("t1",))
RUNGS = (RungKind.AS_ASKED, RungKind.EACH_SUBNET)
IN_TURN = changed(category=Category.CAPACITY, rungs=RUNGS)
FIRST, SECOND = "each-subnet subnet-a", "each-subnet subnet-c"
ON_SPOT = {
    **launch().request.parameters,
    "launchType": None,
    "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
}
NIGHTLY = Background(name="nightly", arn="arn:x", next_due=None, event_age_s=0)


@dataclass
class Others:
    """Other recoveries, as a script has them: for the nth question, and the last one again and again."""

    sizes: tuple[int | None, ...]
    rooms: tuple[str, ...] = ("",)
    asked: int = 0
    looks: int = 0
    took: list[str] = field(default_factory=list)

    def size(self) -> int | None:
        self.asked += 1
        return self.sizes[min(self.asked, len(self.sizes)) - 1]

    def room(self) -> str:
        self.looks += 1
        return self.rooms[min(self.looks, len(self.rooms)) - 1]

    def placed(self, rung: str) -> None:
        self.took.append(rung)


def rungs(done: Run) -> list[str]:
    return [fields["rung"] for event, fields in done.told if event == "recovery.called"]


def test_up_to_a_hundred_there_is_no_crowd_and_beyond_each_waits_for_its_share() -> None:
    assert [Crowd(size).is_large for size in (1, FEW, FEW + 1)] == [False, False, True]
    assert Crowd(FEW).share_s("a") == 0
    # Two calls of each in a minute, eight a second in all; with more, one call of each.
    for size, middle in ((200, 50), (240, 60), (241, 30), (1_000, 125), (10_000, 1_250)):
        shares = {Crowd(size).share_s(str(seed)) for seed in range(300)}
        assert min(shares) >= 0.9 * middle - 1, size
        assert max(shares) <= 1.1 * middle + 1, size
        assert len(shares) > 5, size
    assert Crowd(240).is_one_call is False
    assert Crowd(241).is_one_call is True
    assert Crowd(10**6).share_s("a") <= 1.1 * LONGEST_S + 1


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, (1.0, False)),
        (1, (2.0, False)),
        (UNPACED, (2.0, False)),
        (UNPACED + 1, (1.0, False)),
        (FEW, (1.0, False)),
        (FEW + 1, (1.0, True)),
    ],
)
def test_the_more_there_are_the_fewer_calls_each_invocation_makes(
    size: int | None, expected: tuple[float, bool]
) -> None:
    assert pace(size, 1.0) == expected


def test_without_a_crowd_nothing_is_different() -> None:
    alone = run(launch(), *(SHORT,) * 6, PLACED, policy=IN_TURN, background=NIGHTLY)
    for others in (Others((None,)), Others((1,), (SECOND,)), Others((FEW,), (SECOND,))):
        done = run(launch(), *(SHORT,) * 6, PLACED, policy=IN_TURN, background=NIGHTLY, crowd=others)
        assert (done.waits, rungs(done), done.tokens) == (alone.waits, rungs(alone), alone.tokens)
        assert others.took == ["as-asked"]


def test_in_a_crowd_a_wait_is_the_share_and_the_log_says_why() -> None:
    done = run(launch(), SHORT, SHORT, PLACED, crowd=Others((1_000,)))
    assert all(112 <= wait <= 139 for wait in done.waits)
    assert len(set(done.waits)) == 2
    waiting = [fields for event, fields in done.told if event == "recovery.waiting"]
    assert [fields["crowd"] for fields in waiting] == [1_000, 1_000]
    assert [fields["delay_s"] for fields in waiting] == done.waits
    alone = run(launch(), SHORT, PLACED)
    assert all("crowd" not in fields for _, fields in alone.told)


def test_a_longer_wait_of_the_policy_stays() -> None:
    alone = run(launch(), *(SHORT,) * 8, PLACED)
    done = run(launch(), *(SHORT,) * 8, PLACED, crowd=Others((FEW + 1,)))
    # 25 s in the mean is more than the first wait and less than the last.
    assert done.waits[0] > alone.waits[0]
    assert done.waits[-1] == alone.waits[-1]


def test_a_failed_count_leaves_the_last_one_and_an_empty_crowd_is_none() -> None:
    done = run(launch(), SHORT, SHORT, SHORT, PLACED, crowd=Others((1_000, None, None, 0)))
    first, second, third = done.waits
    assert min(first, second) >= 112
    assert third <= 60


def test_no_wait_is_made_longer_than_the_run_is_wanted() -> None:
    due = launch().event_time.timestamp() + 300 + 200
    done = run(
        launch(),
        SHORT,
        background=replace(NIGHTLY, next_due=due),
        crowd=Others((1_000,)),
    )
    assert done.ending.outcome is Outcome.SUPERSEDED
    first, *others = done.waits
    assert first >= 112
    # The next share would end after the next run is due, so the policy's own waits follow.
    assert others
    assert max(others) <= 50
    assert 300 + sum(done.waits) < 500


def test_the_first_attempt_of_a_crowd_waits_for_no_share_of_the_spread() -> None:
    def names(size: int | None) -> list[str]:
        done = run(launch(), PLACED, policy=DEFAULT, background=NIGHTLY, crowd=Others((size,)))
        return [name for name, _ in done.execution.operations]

    assert "spread" in names(None)
    assert "spread" in names(FEW)
    assert "spread" not in names(FEW + 1)


def test_in_a_large_crowd_a_step_makes_one_call_and_passes_the_subnets() -> None:
    small = run(launch(), *(SHORT,) * 4, PLACED, policy=IN_TURN, crowd=Others((240,)))
    assert rungs(small) == ["as-asked", FIRST, "as-asked", SECOND, "as-asked"]
    large = run(launch(), *(SHORT,) * 4, PLACED, policy=IN_TURN, crowd=Others((241,)))
    assert rungs(large) == ["as-asked"] * 5


def test_what_costs_more_has_its_turn_in_a_crowd_too() -> None:
    policy = changed(category=Category.CAPACITY, rungs=(*RUNGS, RungKind.ON_DEMAND))
    done = run(launch(request=ON_SPOT), *(SHORT,) * 4, PLACED, policy=policy, crowd=Others((1_000,)))
    assert rungs(done) == ["as-asked", "as-asked", "on-demand", "as-asked", "as-asked"]


def test_where_another_has_found_capacity_a_step_tries_every_subnet() -> None:
    done = run(launch(), SHORT, SHORT, PLACED, policy=IN_TURN, crowd=Others((150,), ("as-asked",)))
    assert rungs(done) == ["as-asked", FIRST, SECOND]
    assert done.waits == []
    # Also from the middle of a round, each once, and no other rung.
    done = run(launch(), *(SHORT,) * 5, PLACED, policy=IN_TURN, crowd=Others((150,), ("", "as-asked")))
    assert rungs(done) == ["as-asked", FIRST, "as-asked", SECOND, FIRST, "as-asked"]
    assert len(done.waits) == 2


def test_where_another_has_found_capacity_a_step_of_a_large_crowd_tries_every_subnet_too() -> None:
    done = run(launch(), SHORT, SHORT, PLACED, policy=IN_TURN, crowd=Others((1_000,), ("as-asked",)))
    assert (rungs(done), done.waits) == (["as-asked", FIRST, SECOND], [])


def test_behind_what_costs_more_no_subnet_is_tried_in_the_same_step() -> None:
    policy = changed(category=Category.CAPACITY, rungs=(*RUNGS, RungKind.ON_DEMAND))
    done = run(launch(request=ON_SPOT), *(SHORT,) * 4, PLACED, policy=policy, crowd=Others((150,), ("x",)))
    assert rungs(done) == ["as-asked", FIRST, SECOND, "on-demand", "as-asked"]
    assert len(done.waits) == 2


def test_where_another_has_found_capacity_a_subnet_that_was_refused_is_passed() -> None:
    denied = Refused(failure=Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="no"))
    script = (SHORT, denied, *(SHORT,) * 4, PLACED)
    for others in (Others((150,), ("as-asked",)), Others((1_000,), ("as-asked", FIRST))):
        done = run(launch(), *script, policy=IN_TURN, crowd=others)
        assert rungs(done).count(FIRST) == 1
        assert rungs(done).count("as-asked") > 1


def test_in_a_large_crowd_the_subnet_that_has_room_comes_first() -> None:
    others = Others((1_000,), (SECOND,))
    done = run(launch(), PLACED, policy=IN_TURN, crowd=others)
    assert (rungs(done), others.took) == ([SECOND], [SECOND])
    (body,) = done.world.bodies
    assert body["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-c"]
    # If it has none after all, the other subnets follow, and later the original request.
    done = run(launch(), SHORT, SHORT, PLACED, policy=IN_TURN, crowd=Others((1_000,), (SECOND, "")))
    assert rungs(done) == [SECOND, FIRST, "as-asked"]
    # A subnet of another launch's network is of no use.
    done = run(launch(), PLACED, policy=IN_TURN, crowd=Others((1_000,), ("each-subnet subnet-elsewhere",)))
    assert rungs(done) == ["as-asked"]


def test_a_call_that_is_repeated_keeps_its_rung() -> None:
    for answer in (LOST, THROTTLED):
        done = run(launch(), answer, PLACED, policy=IN_TURN, crowd=Others((1_000,), ("", SECOND)))
        assert rungs(done) == ["as-asked", "as-asked"]
        assert len(set(done.tokens)) == 1


def test_nothing_but_a_lack_of_capacity_is_followed_by_another_call() -> None:
    done = run(launch(), THROTTLED, PLACED, policy=IN_TURN, crowd=Others((150,), (FIRST,)))
    assert len(done.waits) == 1


def test_a_crowd_looks_later_at_the_tasks_that_it_has_placed_but_not_later_than_it_may_watch() -> None:
    def first_watch(size: int, watch_s: float = 3600) -> object:
        policy = replace(PLAIN, watch_s=watch_s)
        done = run(launch(), PLACED, policy=policy, crowd=Others((size,)))
        assert done.ending.outcome is Outcome.RECOVERED
        return dict(done.execution.operations)["watch-wait-1-1"]

    assert first_watch(FEW) == 15
    later = first_watch(1_000)
    assert isinstance(later, int)
    assert 112 <= later <= 139
    # The reads are for those that have no task yet.
    later = first_watch(MANY + 1)
    assert isinstance(later, int)
    assert 2 * 337 <= later <= 2 * 413
    assert first_watch(1_000, 60) == 60


def test_when_very_many_have_become_fewer_stopped_tasks_are_listed_again() -> None:
    done = run(
        launch(),
        *(SHORT,) * 4,
        PLACED,
        background=NIGHTLY,
        crowd=Others((MANY + 1, MANY + 1, MANY + 1, 300, 300)),
    )
    assert done.ending.outcome is Outcome.RECOVERED
    assert done.world.wholes == [True, False, False, True, False]


def test_a_task_that_failed_to_start_is_still_replaced() -> None:
    failed = TaskState(
        arn="t1",
        phase=Phase.FAILED,
        is_ours=True,
        failure=Failure(
            origin=Origin.STOPPED,
            code="TaskFailedToStart",
            reason="Timeout waiting for network interface provisioning to complete.",
        ),
    )
    again = Placed(task_arns=("t2",))
    done = run(launch(), PLACED, again, states={1: (failed,)}, crowd=Others((1_000,)))
    assert (done.ending.outcome, done.ending.task_arns) == (Outcome.RECOVERED, ("t2",))


@pytest.mark.parametrize("moment", list(CutPoint))
def test_a_recovery_that_died_does_what_its_steps_recorded_and_not_what_the_crowd_is_now(
    moment: CutPoint,
) -> None:
    died: list[str] = []

    def dies(_: object, name: str, at: CutPoint) -> bool:
        if at is not moment or name in died or not name.startswith("run-task"):
            return False
        died.append(name)
        return True

    # Every question is answered differently, so a question on replay would show.
    others = Others((1_000, 150, 2_000, 120, 1_500, 30), ("", FIRST, SECOND, "as-asked", ""))
    done = run(
        launch(),
        *(SHORT,) * 6,
        PLACED,
        policy=IN_TURN,
        background=NIGHTLY,
        crowd=others,
        cut_off=dies,
        restart_s=1,
    )
    assert done.ending.outcome is Outcome.RECOVERED
    assert len(died) > 1
    # Lambda's history alone gives the same state.
    replayed = StateReplay(launch())
    for name, result in done.execution.operations:
        if name.startswith("find-schedule") and isinstance(result, dict):
            replayed.found(json.loads(json.dumps(result)))
        elif isinstance(result, dict) and name.startswith(("run-task", "watch-")):
            list(replayed.take(result))
    assert replayed.state.tasks
    sizes = [result["crowd"] for name, result in done.execution.operations if name.startswith("run-task")]  # type: ignore[index]
    assert replayed.state.crowd.size == sizes[-1]
