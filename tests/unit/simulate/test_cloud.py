"""The local ECS does what an incident says: its capacity, its faults, its limits, and what a recovery sees of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.launch.values import Answer, Lost, Phase, Placed, Refused
from retry_run_task.local.ecs.placement import NO_CAPACITY
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap
from retry_run_task.simulate.cloud import SDK_TRIES, Cloud, CloudPort
from retry_run_task.simulate.incident import (
    AGENT,
    START,
    AccountLimits,
    Incident,
    Spec,
    Track,
    failed_launch,
    request,
)
from retry_run_task.simulate.virtual import Timeline

SPEC = Spec(
    index=0,
    time=0,
    count=1,
    missing=1,
    provider="FARGATE",
    reason=NO_CAPACITY,
    is_start=False,
    call_id="0123456789abcdef0123456789abcdef",
    boot_s=30.0,
    run_s=600.0,
    late_s={},
)
INCIDENT = Incident(
    number=0, seed=5, launches=(SPEC,), zones={"subnet-a": "zone-a", "subnet-c": "zone-c"}, capacities={}
)
OUTAGE = CapacityTimeline(gaps=(Gap(-1, 100),))


class Scene:
    def __init__(self, incident: Incident = INCIDENT, **limits: Any) -> None:
        incident = replace(incident, limits=AccountLimits(**limits))
        self.timeline = Timeline(START)
        self.cloud = Cloud(incident, self.timeline)
        self.track = Track(incident.launches[0], log=[])
        self.paused: list[float] = []
        self.world = CloudPort(self.cloud, self.track, self.pause)
        self.launch = failed_launch(incident, incident.launches[0])

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.timeline.run(until=self.timeline.now + seconds)

    def at(self, time: float) -> Scene:
        self.timeline.run(until=START + time)
        return self

    def call(self, **changes: Any) -> Answer:
        body = {**request(self.cloud.incident, self.track.spec), **changes}
        return self.cloud.run_task(
            {name: value for name, value in body.items() if value is not None}, self.track
        )

    def how(self) -> list[str]:
        return [how for _, how in self.track.log or ()]


def placed(answer: Answer) -> int:
    assert isinstance(answer, Placed)
    return len(answer.task_arns)


def test_there_is_room_when_the_night_says_so_in_the_zones_of_the_request() -> None:
    scene = Scene(replace(INCIDENT, capacities={("zone-a", "FARGATE"): OUTAGE}))
    only_a = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
    assert [placed(scene.call()) for _ in range(3)] == [1, 1, 1]
    none = scene.call(networkConfiguration=only_a)
    assert isinstance(none, Placed)
    assert [failure.reason for failure in none.failures] == [NO_CAPACITY]
    assert placed(scene.at(100).call(networkConfiguration=only_a)) == 1
    assert scene.how() == ["placed", "placed", "placed", "full", "placed"]


def test_in_a_subnet_that_the_night_does_not_know_there_is_no_room() -> None:
    elsewhere = {"awsvpcConfiguration": {"subnets": ["subnet-elsewhere"]}}
    assert placed(Scene().call(networkConfiguration=elsewhere)) == 0


def test_ecs_says_the_night_s_reason() -> None:
    spec = replace(SPEC, provider="EC2", reason=AGENT)
    incident = replace(
        INCIDENT,
        launches=(spec,),
        reason=AGENT,
        capacities={(z, "EC2"): OUTAGE for z in ("zone-a", "zone-c")},
    )
    answer = Scene(incident).call()
    assert isinstance(answer, Placed)
    assert [failure.reason for failure in answer.failures] == [AGENT]


def test_a_lost_answer_has_a_task_and_an_sdk_finds_it_with_its_token() -> None:
    scene = Scene(replace(INCIDENT, lost_share=1.0))
    answer = scene.world.run_task(scene.launch, {**request(INCIDENT, SPEC), "clientToken": "one"})
    assert isinstance(answer, Lost)
    assert (scene.track.calls, scene.track.repeats, scene.track.good) == (SDK_TRIES, SDK_TRIES - 1, 1)
    assert len(scene.paused) == SDK_TRIES - 1
    assert 0 <= scene.paused[0] < 1
    assert 0 <= scene.paused[1] < 2


@pytest.mark.parametrize(("others", "taken"), [(0.0, 20), (0.75, 5)])
def test_calls_of_others_in_the_account_leave_fewer_to_us(others: float, taken: int) -> None:
    scene = Scene(others=others)
    for _ in range(20):
        scene.call()
    scene.at(1.0)
    answers = [scene.call() for _ in range(21)]
    assert sum(isinstance(answer, Placed) for answer in answers) == taken
    assert isinstance(answers[-1], Refused)
    assert scene.track.throttled == 21 - taken


@pytest.mark.parametrize(
    ("region", "at_once", "a_second"), [("us-east-1", 100, 20), ("ap-northeast-3", 25, 5)]
)
def test_a_region_launches_so_many_tasks(region: str, at_once: int, a_second: int) -> None:
    """https://docs.aws.amazon.com/general/latest/gr/ecs-service.html."""
    scene = Scene(region=region)
    for _ in range(at_once // 5):
        assert placed(scene.call(count=5)) == 5
    assert isinstance(scene.call(count=5), Refused)
    # Of those that are asked for, some are launched.
    assert placed(scene.at(1.0).call(count=10)) == min(10, a_second)


def test_reads_have_a_limit_of_their_own_and_fail_beyond_it() -> None:
    scene = Scene(others=0.99)
    looks = [scene.world.look(scene.launch, original=True) for _ in range(60)]
    assert looks[0] == ()
    assert "ThrottlingException" in str(looks[-1])
    assert scene.cloud.reads_in.total() > 100
    assert scene.paused


def test_a_look_finds_the_task_of_its_own_launch_and_of_no_other() -> None:
    incident = replace(INCIDENT, launches=(SPEC, replace(SPEC, index=1, call_id="f" * 32)))
    scene = Scene(incident)
    other = request(incident, incident.launches[1])
    scene.cloud.run_task(other, Track(incident.launches[1]))
    assert scene.world.look(scene.launch, original=True) == ()
    scene.call()
    look = scene.world.look(scene.launch, original=True)
    assert [state.phase for state in look if not isinstance(state, str)] == [Phase.STARTING]


def test_a_task_that_does_not_start_is_torn_down_before_it_has_failed() -> None:
    scene = Scene(replace(INCIDENT, starts=CapacityTimeline(gaps=(Gap(-1, 10),))))
    answer = scene.call()
    assert isinstance(answer, Placed)
    assert scene.how() == ["lost"]
    assert (scene.track.good, scene.track.recovered_at) == (0, None)
    phases = []
    for time in (0, 179, 180, 199, 200):
        (state,) = scene.at(time).world.watch(scene.launch, answer.task_arns)
        assert not isinstance(state, str)
        phases.append(state.phase)
    assert phases == [Phase.STARTING, Phase.STARTING, Phase.STOPPING, Phase.STOPPING, Phase.FAILED]
    assert placed(scene.call()) == 1
    assert scene.track.recovered_at == 200


@pytest.mark.parametrize("others", [-0.1, 1.0, float("nan")])
def test_others_do_not_take_all_of_a_limit(others: float) -> None:
    with pytest.raises(ValueError, match="others is"):
        AccountLimits(others=others)
