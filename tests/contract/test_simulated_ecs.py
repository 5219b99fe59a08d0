"""The simulator's ECS answers as the local one does, to the same calls at the same times.

The local model is held to AWS's own words by the other tests of this folder. The simulator's is faster and knows
less: it checks no request. What both know is compared here, call by call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from retry_run_task.launch.values import Lost, Phase, Placed, Refused
from retry_run_task.local.ecs.service import NO_CAPACITY, Ecs, EcsError, Lifecycle
from retry_run_task.simulate.cloud import ENI_TIMEOUT_S, START_FAILED, Cloud, CloudWorld
from retry_run_task.simulate.night import START, Night, Spec, Track
from retry_run_task.simulate.outlook import Gap, Outlook
from retry_run_task.simulate.virtual import Timeline

ZONES = {"subnet-a": "zone-a", "subnet-c": "zone-c"}
BOOT_S, RUN_S = 30.0, 600.0
SPEC = Spec(
    index=0,
    time=0,
    count=10,
    missing=10,
    provider="FARGATE",
    reason="",
    is_start=False,
    call_id="",
    boot_s=BOOT_S,
    run_s=RUN_S,
    late_s={},
)
EMPTY = Night(number=0, seed=5, launches=(), zones=ZONES, outlooks={})

# What came of a call: the error's code, or the tasks by the order in which they were first seen and the reasons.
Seen = tuple[str | None, tuple[int, ...], tuple[str, ...]]


class Simulated:
    """Calls to the simulator's ECS."""

    def __init__(self, night: Night) -> None:
        self.timeline = Timeline(START)
        self.cloud = Cloud(night, self.timeline)
        self.track = Track(SPEC)
        self.numbers: dict[str, int] = {}

    def call(self, time: float, body: dict[str, Any]) -> Seen:
        self.timeline.run(until=START + time)
        match answer := self.cloud.run_task(body, self.track):
            case Refused() | Lost():
                return answer.failure.code, (), ()
            case Placed(is_conflict=True):
                return "ConflictException", self._tasks(answer.task_arns), ()
            case Placed():
                return None, self._tasks(answer.task_arns), tuple(f.reason for f in answer.failures)
        raise AssertionError(answer)

    def _tasks(self, arns: Sequence[str]) -> tuple[int, ...]:
        return tuple(self.numbers.setdefault(arn, len(self.numbers)) for arn in arns)


class Local:
    """The same calls to the local ECS, with the capacity changed when the night says so."""

    def __init__(self, night: Night) -> None:
        self.now = START
        self.ecs = Ecs(
            account="123456789012", region="us-east-1", now=lambda: datetime.fromtimestamp(self.now, UTC)
        )
        self.ecs.lifecycle = Lifecycle(
            stopping_for=timedelta(0),
            provisioning_for=timedelta(seconds=BOOT_S),
            pending_for=timedelta(0),
            run_for=timedelta(seconds=RUN_S),
        )
        self.ecs.create_cluster("batch")
        self.ecs.register_task_definition("nightly")
        for subnet, zone in ZONES.items():
            self.ecs.add_subnet(subnet, zone)
        self.numbers: dict[str, int] = {}
        self._changes = sorted(
            (time, zone, provider, slots)
            for (zone, provider), outlook in night.outlooks.items()
            for gap in outlook.gaps
            for time, slots in ((gap.start, 0), (gap.end, -1))
        )

    def call(self, time: float, body: dict[str, Any]) -> Seen:
        while self._changes and self._changes[0][0] <= time:
            _, zone, provider, slots = self._changes.pop(0)
            self.ecs.capacity.set(zone, provider, None if slots < 0 else slots)
        self.now = START + time
        try:
            answer = self.ecs.run_task(body)
        except EcsError as error:
            return error.code, self._tasks(error.extra.get("resourceIds") or ()), ()
        arns = [task["taskArn"] for task in answer["tasks"]]
        return None, self._tasks(arns), tuple(f.get("reason", "") for f in answer["failures"])

    def _tasks(self, arns: Any) -> tuple[int, ...]:
        return tuple(self.numbers.setdefault(arn, len(self.numbers)) for arn in arns)


def body(**changes: Any) -> dict[str, Any]:
    asked = {
        "cluster": "batch",
        "taskDefinition": "nightly:1",
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": list(ZONES)}},
        "startedBy": "test",
    } | changes
    return {name: value for name, value in asked.items() if value is not None}


def outage(
    *gaps: tuple[float, float], zones: Sequence[str] = ("zone-a", "zone-c"), provider: str = "FARGATE"
) -> Night:
    outlook = Outlook(gaps=tuple(Gap(*gap) for gap in gaps))
    return replace(EMPTY, outlooks={(zone, provider): outlook for zone in zones})


def both(night: Night, *calls: tuple[float, dict[str, Any]]) -> list[Seen]:
    """Make the calls to both, and return what both answered."""
    simulated, local = Simulated(night), Local(night)
    seen = [simulated.call(time, dict(asked)) for time, asked in calls]
    assert seen == [local.call(time, dict(asked)) for time, asked in calls]
    return seen


def test_a_token_gives_its_first_outcome_again_also_one_without_a_task() -> None:
    full, again, fresh, fresh_again = both(
        outage((-1, 10)),
        (0, body(clientToken="one")),
        (20, body(clientToken="one")),
        (21, body(clientToken="two")),
        (22, body(clientToken="two")),
    )
    assert full == again
    assert (full[1], len(full[2])) == ((), 1)
    assert fresh == fresh_again == (None, (0,), ())


def test_a_token_with_other_parameters_is_a_conflict_that_names_its_tasks() -> None:
    *_, conflict = both(EMPTY, (0, body(clientToken="one", count=2)), (1, body(clientToken="one", count=3)))
    assert conflict == ("ConflictException", (0, 1), ())


def test_a_call_without_a_token_is_a_new_one_each_time() -> None:
    assert both(EMPTY, (0, body()), (0, body())) == [(None, (0,), ()), (None, (1,), ())]


def test_one_zone_with_room_is_enough() -> None:
    assert both(outage((-1, 100), zones=("zone-c",)), *((n, body(count=3)) for n in range(4)))[-1][1] == (
        9,
        10,
        11,
    )
    (seen,) = both(
        outage((-1, 100), zones=("zone-a",)),
        (0, body(networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-a"]}})),
    )
    assert seen[1] == ()


def test_in_a_subnet_that_the_night_does_not_know_there_is_no_room() -> None:
    network = {"awsvpcConfiguration": {"subnets": ["subnet-elsewhere"]}}
    assert Simulated(EMPTY).call(0, body(networkConfiguration=network)) == (None, (), (NO_CAPACITY,))


def test_spot_is_not_on_demand_and_a_strategy_of_both_is_answered_in_parts() -> None:
    strategy = [
        {"capacityProvider": "FARGATE", "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 1},
    ]
    asked = body(launchType=None, capacityProviderStrategy=strategy, count=4)
    (seen,) = both(outage((-1, 100), provider="FARGATE_SPOT"), (0, asked))
    assert (len(seen[1]), len(seen[2])) == (2, 2)


def test_more_than_twenty_calls_at_once_are_throttled_and_a_second_later_twenty_more_are_taken() -> None:
    seen = both(EMPTY, *((0, body()) for _ in range(25)), *((1, body()) for _ in range(25)))
    assert [code for code, *_ in seen] == ([None] * 20 + ["ThrottlingException"] * 5) * 2


def test_a_token_is_forgotten_an_hour_after_its_last_task_stopped_and_not_before() -> None:
    stops = BOOT_S + RUN_S
    asked = body(clientToken="one")
    first, before, after = both(EMPTY, (0, asked), (stops + 3599, asked), (stops + 3600, asked))
    assert (first[1], before[1], after[1]) == ((0,), (0,), (1,))


def test_an_answer_that_is_lost_was_acted_upon_and_its_token_gives_the_tasks() -> None:
    simulated, local = Simulated(replace(EMPTY, lost_share=1.0)), Local(EMPTY)
    local.ecs.faults.lose_answers(1)
    asked = body(clientToken="one")
    assert simulated.call(0, asked) == local.call(0, asked) == ("ServerException", (), ())
    simulated.cloud.night = EMPTY
    assert simulated.call(1, asked) == local.call(1, asked) == (None, (0,), ())
    assert simulated.track.good == 1


def test_a_task_that_does_not_start_stops_with_the_same_words() -> None:
    night = replace(EMPTY, starts=Outlook(gaps=(Gap(-1, 10),)))
    simulated, local = Simulated(night), Local(night)
    local.ecs.faults.fail_to_start(
        1, START_FAILED.code or "", START_FAILED.reason, after=timedelta(seconds=ENI_TIMEOUT_S)
    )
    assert simulated.call(0, body()) == local.call(0, body())
    world = CloudWorld(simulated.cloud, simulated.track)
    arns = tuple(task.arn for task in simulated.track.tasks)
    launch: Any = None
    for time, phase, status in (
        (ENI_TIMEOUT_S - 1, Phase.STARTING, "PROVISIONING"),
        (ENI_TIMEOUT_S, Phase.FAILED, "STOPPED"),
    ):
        simulated.timeline.run(until=START + time)
        local.now = START + time
        (state,) = world.watch(launch, arns)
        (task,) = local.ecs.describe_tasks({"cluster": "batch", "tasks": list(local.numbers)})["tasks"]
        assert (state.phase, task["lastStatus"]) == (phase, status)
    assert state.failure is not None
    assert (state.failure.code, state.failure.reason) == (task["stopCode"], task["stoppedReason"])
    # What has failed does nobody's work, so it is not found by a look.
    assert world.look(launch, original=True) == ()


TIMES = st.floats(0, 20_000, allow_nan=False).map(lambda time: round(time, 1))
CALLS = st.lists(
    st.tuples(
        TIMES,
        st.sampled_from([None, "one", "two", "three"]),
        st.sampled_from([None, 1, 2, 10]),
        st.sampled_from([("subnet-a",), ("subnet-c",), ("subnet-a", "subnet-c")]),
        st.booleans(),
    ),
    max_size=25,
)


@st.composite
def nights(draw: st.DrawFn) -> Night:
    outlooks = {}
    for zone in ZONES.values():
        for provider in ("FARGATE", "FARGATE_SPOT"):
            edges = sorted(draw(st.lists(TIMES, max_size=6, unique=True)))
            gaps = tuple(Gap(*pair) for pair in zip(edges[::2], edges[1::2], strict=False))
            outlooks[zone, provider] = Outlook(gaps=gaps)
    return replace(EMPTY, outlooks=outlooks)


@given(night=nights(), calls=CALLS)
@settings(max_examples=150)
def test_any_calls_in_any_outage_are_answered_alike(night: Night, calls: list[Any]) -> None:
    both(
        night,
        *(
            (
                time,
                body(
                    clientToken=token,
                    count=count,
                    networkConfiguration={"awsvpcConfiguration": {"subnets": list(subnets)}},
                    launchType=None if is_spot else "FARGATE",
                    capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
                    if is_spot
                    else None,
                ),
            )
            for time, token, count, subnets, is_spot in sorted(calls, key=lambda call: call[0])
        ),
    )
