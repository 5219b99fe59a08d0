"""Recoveries that stand still where they wait do what recoveries do that are run again from the top."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from retry_run_task.launch.values import Answer
from retry_run_task.recovery.loop import recover as recover_launch
from retry_run_task.recovery.ports import Tools
from retry_run_task.simulate.cloud import Cloud, CloudPort
from retry_run_task.simulate.fast_executions import RESUME_BACKOFFS, LambdaBackoff, Running, Runs, pause
from retry_run_task.simulate.incident import START, Incident, Track, failed_launch
from retry_run_task.simulate.launches import ScenarioSettings
from retry_run_task.simulate.scenarios import SCENARIOS
from retry_run_task.simulate.virtual import Timeline
from support.policies import DEFAULT
from support.virtual import VirtualExecutions

SHORT = [s for s in SCENARIOS if s.name not in ("spot-drought", "zone-outage", "long", "slots", "ramp")]
# A replay takes time for each call before it, and here some launches are enough.
MANY_CALLS = ("several", "windows", "one-zone", "rush")


class Noted(Cloud):
    """Notes every call: when, for which launch, with which token, and what was answered."""

    def __init__(self, incident: Incident, timeline: Timeline) -> None:
        super().__init__(incident, timeline)
        self.calls: list[tuple[float, int, str, int | None, Answer]] = []

    def run_task(self, body: Any, track: Track, *, is_repeat: bool = False) -> Answer:
        answer = super().run_task(body, track, is_repeat=is_repeat)
        self.calls.append((self.now, track.spec.index, body["clientToken"], body.get("count"), answer))
        return answer


def recover(cloud: Cloud, track: Track, step: Any, wait: Any, _: Any) -> Any:
    tools = Tools(
        policy=DEFAULT, aws=CloudPort(cloud, track), step=step, wait=wait, tell=lambda *_a, **_f: None
    )
    return recover_launch(failed_launch(cloud.incident, track.spec), tools)


@pytest.mark.parametrize("scenario", SHORT, ids=lambda s: s.name)
def test_the_same_night_with_replay_and_without_has_the_same_calls_tokens_answers_and_waits(
    scenario: Any,
) -> None:
    schedules = 3 if scenario.name in MANY_CALLS else 12
    incident = scenario.incident(ScenarioSettings(schedules=schedules, seed=3), 0)

    replayed_on = Timeline(START)
    replayed = Noted(incident, replayed_on)
    executions = VirtualExecutions(replayed_on)
    for spec in incident.launches:
        start = partial(executions.start, str(spec.index), "", partial(recover, replayed, Track(spec)))
        replayed_on.at(START + spec.time, lambda start=start: (start(), None)[1])
    replayed_on.run()

    stood_on = Timeline(START)
    stood = Noted(incident, stood_on)
    runs = Runs(stood_on)
    operations: dict[str, list[tuple[str, Any]]] = {}
    endings: dict[str, Any] = {}
    started: dict[str, Running] = {}

    def noting(spec_: Any, step: Any, wait: Any, is_replaying: Any) -> Any:
        mine = operations.setdefault(str(spec_.index), [])

        def noted_step(name: str, action: Any) -> Any:
            mine.append((name, result := step(name, action)))
            return result

        def noted_wait(name: str, seconds: int) -> None:
            mine.append((name, seconds))
            wait(name, seconds)

        return recover(stood, Track(spec_), noted_step, noted_wait, is_replaying)

    for spec in incident.launches:

        def begin(spec: Any = spec) -> None:
            name = str(spec.index)
            started[name] = runs.start(partial(noting, spec), partial(endings.__setitem__, name))

        stood_on.at(START + spec.time, begin)
    stood_on.run()

    assert replayed.calls == stood.calls
    # Eleven of these are plenty to see a difference; without calls there is nothing to see.
    assert len(stood.calls) > 12 or scenario.name == "misconfigured"
    for name, execution in executions.by_name.items():
        assert execution.error is None
        assert execution.operations == operations[name]
        assert execution.result == endings[name]
        assert execution.invocations == started[name].invocations
        assert len(execution.operations) + 1 == started[name].operations


class Bodies:
    """Functions that wait a few times, and when they ran."""

    def __init__(self, pauses: Sequence[float] = (), **options: Any) -> None:
        self.timeline = Timeline(0.0)
        self.pauses = pauses
        self.runs = Runs(self.timeline, **options)
        self.ran: list[tuple[float, str]] = []

    def start(self, name: str, *waits: int) -> Running:
        def body(_step: Any, wait: Any, _is_replaying: Any) -> str:
            self.ran.append((self.timeline.now, name))
            for seconds in self.pauses:
                pause(seconds)
            for seconds in waits:
                wait("pause", seconds)
                self.ran.append((self.timeline.now, name))
            return name

        return self.runs.start(body)


def test_an_invocation_keeps_its_place_for_as_long_as_it_pauses_and_waits_after_that() -> None:
    bodies = Bodies(concurrency=1, duration_s=0.5, pauses=(0.25,))
    bodies.start("a", 2)
    bodies.timeline.after(0.7, lambda: bodies.start("b") and None)
    bodies.timeline.after(0.8, lambda: bodies.start("c") and None)
    bodies.timeline.run()
    # The first is there from 0 to 0.75, and comes back at 2.75; who comes at 0.7 has to try again.
    times = {name: time for time, name in reversed(bodies.ran)}
    assert (times["a"], times["c"], bodies.ran[-1]) == (0.5, 1.3, (3.25, "a"))
    assert times["b"] > 1.3


def test_who_finds_no_place_comes_back_after_a_backoff_and_nobody_queues() -> None:
    bodies = Bodies(concurrency=1, duration_s=1.0, seed=7)
    started = [bodies.start(name) for name in "abc"]
    bodies.timeline.run()
    assert bodies.ran[0] == (1.0, "a")
    assert started[0].throttled == 0
    # A start comes back after up to 1 s, 2 s, 4 s ..., half of each by chance.
    for time, name in bodies.ran[1:]:
        tries = started["abc".index(name)].throttled
        assert tries >= 1
        assert (2**tries - 1) / 2 <= time - 1.0 <= 2**tries - 1
    # So there were moments at which a place was free and somebody wanted it.
    assert max(time for time, _ in bodies.ran) > 3.0


def test_a_resume_has_a_backoff_of_its_own_and_begins_again_when_it_has_found_a_place() -> None:
    backoff = LambdaBackoff(first_s=100, cap_s=150)
    bodies = Bodies(concurrency=1, duration_s=10.0, resume_backoff=backoff)
    first = bodies.start("a", 1, 1)
    bodies.timeline.at(11, lambda: bodies.start("b") and None)
    bodies.timeline.run()
    (_, b, second, third) = bodies.ran
    # b came in the same moment as the resume of a, and before it.
    assert (b[1], first.throttled) == ("b", 1)
    assert 11 + 50 + 10 <= second[0] <= 11 + 100 + 10
    assert third[0] == second[0] + 1 + 10


@pytest.mark.parametrize(
    ("nth", "part", "expected"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (2, 1.0, 2.0), (6, 1.0, 32.0), (7, 0.0, 30.0), (9999, 1.0, 60.0)],
)
def test_a_backoff_doubles_up_to_its_longest_and_half_of_it_is_chance(
    nth: int, part: float, expected: float
) -> None:
    assert LambdaBackoff(first_s=1, cap_s=60).wait(nth, part) == expected


def test_the_worst_for_a_crowd_is_taken_unless_another_is_asked_for() -> None:
    assert max(RESUME_BACKOFFS, key=lambda each: (each.cap_s, each.first_s)) == RESUME_BACKOFFS[-1]
    assert Runs(Timeline(0.0))._resume_backoff == RESUME_BACKOFFS[-1]


def test_an_invocation_that_pauses_keeps_its_place() -> None:
    def body(_step: Any, wait: Any, _is_replaying: Any) -> None:
        pause(5)
        seen.append(timeline.now)
        wait("pause", 1)

    seen: list[float] = []
    timeline = Timeline(0.0)
    runs = Runs(timeline, concurrency=1, duration_s=1.0)
    first = runs.start(body)
    second: list[Running] = []
    timeline.at(5, lambda: second.append(runs.start(body)))
    timeline.run()
    assert (seen[0], first.invocations) == (6.0, 2)
    assert second[0].throttled >= 1
    assert seen[1] > 11
    assert runs.under_way == 0


def test_instances_stay_warm_and_what_they_run_is_billed() -> None:
    timeline = Timeline(0.0)
    runs = Runs(timeline, concurrency=2, duration_s=1.0)
    seen: list[tuple[float, int]] = []

    def body(_step: Any, wait: Any, _is_replaying: Any) -> None:
        seen.append((timeline.now, runs.instance))
        pause(0.5)
        seen.append((timeline.now, runs.instance))
        wait("pause", 10)

    for at in (0.0, 0.1):
        timeline.at(at, lambda: runs.start(body) and None)
    timeline.run()
    (_, first), (_, second), *again = seen
    assert {first, second} == {0, 1}
    assert [instance for _, instance in again] == [first, second]
    # Two invocations of 1.5 s, and two of 1 s.
    assert runs.busy_s == 5.0


def test_a_wait_takes_no_place() -> None:
    bodies = Bodies(concurrency=1, duration_s=1.0)
    first = bodies.start("a", 10)
    bodies.timeline.at(1.5, lambda: bodies.start("b") and None)
    bodies.timeline.run()
    assert bodies.ran == [(1.0, "a"), (2.5, "b"), (12.0, "a")]
    assert (first.invocations, first.operations, first.is_over) == (2, 2, True)


def test_without_a_limit_all_act_at_once() -> None:
    bodies = Bodies(duration_s=1.0)
    for name in "abc":
        bodies.start(name)
    bodies.timeline.run()
    assert {time for time, _ in bodies.ran} == {1.0}


def test_a_wait_of_less_than_a_second_is_refused() -> None:
    bodies = Bodies()
    bodies.start("a", 0)
    with pytest.raises(ValueError, match="at least one second, not 0"):
        bodies.timeline.run()


def test_what_a_function_raises_is_not_swallowed() -> None:
    def body(_step: Any, wait: Any, _is_replaying: Any) -> None:
        wait("pause", 1)
        raise LookupError("here")

    timeline = Timeline(0.0)
    Runs(timeline).start(body)
    with pytest.raises(LookupError, match="here"):
        timeline.run()
