"""Recoveries that stand still where they wait do what recoveries do that are run again from the top."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from retry_run_task.launch.values import Answer
from retry_run_task.policy.rules import DEFAULT
from retry_run_task.recovery.loop import recover as recover_launch
from retry_run_task.recovery.ports import Tools
from retry_run_task.simulate.cloud import Cloud, CloudWorld
from retry_run_task.simulate.night import START, Night, Track, failed_launch
from retry_run_task.simulate.runs import Running, Runs
from retry_run_task.simulate.scenarios import SCENARIOS, Settings
from retry_run_task.simulate.virtual import Executions, Timeline

SHORT = [s for s in SCENARIOS if s.name not in ("spot-drought", "zone-outage")]


class Noted(Cloud):
    """Notes every call: when, for which launch, with which token, and what was answered."""

    def __init__(self, night: Night, timeline: Timeline) -> None:
        super().__init__(night, timeline)
        self.calls: list[tuple[float, int, str, int | None, Answer]] = []

    def run_task(self, body: Any, track: Track) -> Answer:
        answer = super().run_task(body, track)
        self.calls.append((self.now, track.spec.index, body["clientToken"], body.get("count"), answer))
        return answer


def recover(cloud: Cloud, track: Track, step: Any, wait: Any, _: Any) -> Any:
    tools = Tools(
        policy=DEFAULT, world=CloudWorld(cloud, track), step=step, wait=wait, tell=lambda *_a, **_f: None
    )
    return recover_launch(failed_launch(cloud.night, track.spec), tools)


@pytest.mark.parametrize("scenario", SHORT, ids=lambda s: s.name)
def test_the_same_night_with_replay_and_without_has_the_same_calls_tokens_answers_and_waits(
    scenario: Any,
) -> None:
    night = scenario.night(Settings(schedules=12, seed=3), 0)

    replayed_on = Timeline(START)
    replayed = Noted(night, replayed_on)
    executions = Executions(replayed_on)
    for spec in night.launches:
        start = partial(executions.start, str(spec.index), "", partial(recover, replayed, Track(spec)))
        replayed_on.at(START + spec.time, lambda start=start: (start(), None)[1])
    replayed_on.run()

    stood_on = Timeline(START)
    stood = Noted(night, stood_on)
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

    for spec in night.launches:

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

    def __init__(self, **options: Any) -> None:
        self.timeline = Timeline(0.0)
        self.runs = Runs(self.timeline, **options)
        self.ran: list[tuple[float, str]] = []

    def start(self, name: str, *waits: int) -> Running:
        def body(_step: Any, wait: Any, _is_replaying: Any) -> str:
            self.ran.append((self.timeline.now, name))
            for seconds in waits:
                wait("pause", seconds)
                self.ran.append((self.timeline.now, name))
            return name

        return self.runs.start(body)


def test_an_invocation_keeps_its_place_for_as_long_as_its_calls_hold_it_and_waits_after_that() -> None:
    bodies = Bodies(concurrency=1, duration_s=0.5, held_s=lambda: len(bodies.ran) * 0.75)
    bodies.start("a", 2)
    bodies.start("b")
    bodies.timeline.run()
    # The first is there from 0 to 0.75, the second until 1.5; the first comes back at 2.75.
    assert bodies.ran == [(0.5, "a"), (1.25, "b"), (3.25, "a")]


def test_no_more_invocations_than_the_concurrency_at_a_time_and_the_others_in_their_order() -> None:
    bodies = Bodies(concurrency=2, duration_s=1.0)
    for name in "abcde":
        bodies.start(name)
    bodies.timeline.run()
    assert bodies.ran == [(1.0, "a"), (1.0, "b"), (2.0, "c"), (2.0, "d"), (3.0, "e")]


def test_a_wait_takes_no_place() -> None:
    bodies = Bodies(concurrency=1, duration_s=1.0)
    first = bodies.start("a", 10)
    bodies.start("b")
    bodies.timeline.run()
    assert bodies.ran == [(1.0, "a"), (2.0, "b"), (12.0, "a")]
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
