"""The engine's rules, which are those of Lambda's durable executions.

https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from retry_run_task.simulate.virtual import Timeline
from support.virtual import CutPoint, VirtualExecution, VirtualExecutions

START = 1_000.0


class Story:
    """One execution of two steps with a wait of ten seconds between them, and what was done.

    Attributes:
        done: Names of the actions that were carried out, and when.
        cuts: Operation and moment of each crash that is still to come.
    """

    def __init__(self, *cuts: tuple[str, CutPoint]) -> None:
        self.timeline = Timeline(START)
        self.cuts = list(cuts)
        self.executions = VirtualExecutions(self.timeline, cut_off=self._cut_off, restart_s=3)
        self.done: list[tuple[str, float]] = []
        self.seen: list[tuple[str, bool]] = []
        self.again: list[bool] = []

    def act(self, name: str) -> Callable[[bool], dict[str, Any]]:
        def action(again: bool) -> dict[str, Any]:
            self.done.append((name, self.timeline.now))
            self.again.append(again)
            return {"nth": len(self.done)}

        return action

    def body(self, step: Any, wait: Any, is_replaying: Callable[[], bool]) -> list[int]:
        self.seen.append(("begin", is_replaying()))
        one = step("one", self.act("one"))["nth"]
        self.seen.append(("after one", is_replaying()))
        wait("pause", 10)
        self.seen.append(("after pause", is_replaying()))
        two = step("two", self.act("two"))["nth"]
        self.seen.append(("after two", is_replaying()))
        return [one, two]

    def run(self, body: Any = None) -> VirtualExecution:
        self.executions.start("name", "payload", body or self.body)
        self.timeline.run()
        return self.executions.by_name["name"]

    def _cut_off(self, _execution: VirtualExecution, name: str, moment: CutPoint) -> bool:
        if (name, moment) in self.cuts:
            self.cuts.remove((name, moment))
            return True
        return False


# The timeline.


def test_time_jumps_to_what_is_due_and_stands_still_between() -> None:
    timeline, seen = Timeline(START), list[tuple[str, float]]()
    timeline.after(60, lambda: seen.append(("later", timeline.now)))
    timeline.at(START + 5, lambda: seen.append(("soon", timeline.now)))
    timeline.run()
    assert seen == [("soon", START + 5), ("later", START + 60)]
    assert timeline.now == START + 60


def test_what_is_due_at_one_time_happens_in_the_order_it_was_asked_for() -> None:
    timeline, seen = Timeline(START), list[int]()
    for number in range(5):
        timeline.after(1, lambda n=number: seen.append(n))
    timeline.run()
    assert seen == [0, 1, 2, 3, 4]


def test_what_should_have_happened_already_happens_at_once() -> None:
    timeline, seen = Timeline(START), list[float]()
    timeline.at(START - 100, lambda: seen.append(timeline.now))
    timeline.run()
    assert seen == [START]


def test_something_due_may_ask_for_more() -> None:
    timeline, seen = Timeline(START), list[float]()

    def again() -> None:
        seen.append(timeline.now)
        if len(seen) < 3:
            timeline.after(7, again)

    timeline.after(0, again)
    timeline.run()
    assert seen == [START, START + 7, START + 14]


def test_time_may_be_stopped_and_goes_on_from_there() -> None:
    timeline, seen = Timeline(START), list[float]()
    timeline.after(10, lambda: seen.append(timeline.now))
    timeline.after(30, lambda: seen.append(timeline.now))
    timeline.run(until=START + 20)
    assert (seen, timeline.now) == ([START + 10], START + 20)
    timeline.run(until=START + 30)
    assert seen == [START + 10, START + 30]


# Steps and waits.


def test_a_finished_step_is_remembered_and_a_wait_takes_its_time() -> None:
    story = Story()
    execution = story.run()
    assert story.done == [("one", START), ("two", START + 10)]
    assert execution.result == [1, 2]
    assert execution.operations == [("one", {"nth": 1}), ("pause", 10), ("two", {"nth": 2})]
    assert execution.invocations == 2
    assert execution.is_over


def test_what_is_run_again_knows_it() -> None:
    """Up to the first operation that is new; what an execution tells before that, it has told already."""
    story = Story()
    story.run()
    assert story.seen == [
        ("begin", False),
        ("after one", False),
        ("begin", True),
        ("after one", True),
        ("after pause", False),
        ("after two", False),
    ]


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_wait_is_at_least_a_second(seconds: int) -> None:
    """As ``Duration`` of AWS's SDK has it."""
    execution = Story().run(lambda _step, wait, _: wait("pause", seconds))
    assert isinstance(execution.error, ValueError)


@pytest.mark.parametrize("result", [{"a": {1, 2}}, {"a": object()}, {"a": float("nan")}, {"a": b"x"}])
def test_what_a_step_returns_must_be_json(result: dict[str, Any]) -> None:
    execution = Story().run(lambda step, _wait, _: step("one", lambda _: result))
    assert isinstance(execution.error, TypeError | ValueError)
    assert execution.operations == []


def test_what_a_step_returns_is_read_back_from_json_already_the_first_time() -> None:
    """So that a loop cannot work with what only exists until it is resumed, such as a tuple."""
    story = Story()
    given = {"pair": (1, 2)}
    execution = story.run(lambda step, _wait, _: step("one", lambda _: given))
    assert execution.result == {"pair": [1, 2]}


def test_a_step_that_raises_fails_the_execution() -> None:
    def body(step: Any, _wait: Any, _is_replaying: Any) -> None:
        step("one", lambda _: {}["absent"])

    execution = Story().run(body)
    assert isinstance(execution.error, KeyError)
    assert execution.is_over
    assert execution.invocations == 1


def test_another_order_when_it_is_run_again_is_an_error() -> None:
    """AWS's SDK fails such an execution: it can no longer be said which result belongs to which step."""
    story = Story()

    def body(step: Any, wait: Any, _is_replaying: Any) -> None:
        step(f"step at {story.timeline.now}", lambda _: {})
        wait("pause", 5)

    execution = story.run(body)
    assert isinstance(execution.error, RuntimeError)
    assert "was 'step at 1000.0' before and is 'step at 1005.0' now" in str(execution.error)


# Crashes.


@pytest.mark.parametrize("step", ["one", "two"])
@pytest.mark.parametrize(
    ("moment", "times"), [(CutPoint.BEFORE, 1), (CutPoint.AFTER, 2), (CutPoint.RECORDED, 1)]
)
def test_a_step_that_was_cut_off_is_carried_out_again_unless_its_result_is_recorded(
    step: str, moment: CutPoint, times: int
) -> None:
    story = Story((step, moment))
    execution = story.run()
    assert [name for name, _ in story.done].count(step) == times
    assert [name for name, _ in execution.operations] == ["one", "pause", "two"]
    assert execution.result[1] == len(story.done)
    assert story.cuts == []


@pytest.mark.parametrize(
    ("moment", "again"),
    [
        (CutPoint.BEFORE, [True, False]),
        (CutPoint.AFTER, [False, True, False]),
        (CutPoint.RECORDED, [False, False]),
    ],
)
def test_a_step_is_told_whether_it_may_have_been_done_before(moment: CutPoint, again: list[bool]) -> None:
    """Its start is recorded first, as with ``AT_MOST_ONCE_PER_RETRY``; each repeat is an operation."""
    story = Story(("one", moment))
    execution = story.run()
    assert story.again == again
    assert execution.repeats == sum(again)


def test_a_function_that_died_is_invoked_again_later() -> None:
    story = Story(("one", CutPoint.AFTER), ("one", CutPoint.BEFORE))
    execution = story.run()
    # Before the action, nothing; after it, its result is lost; then it is done again.
    assert story.done == [("one", START + 3), ("one", START + 6), ("two", START + 16)]
    assert execution.invocations == 4


def test_no_code_that_is_run_can_take_a_crash_for_an_error() -> None:
    """A process that dies runs no handler of exceptions."""
    story = Story(("one", CutPoint.AFTER))

    def body(step: Any, _wait: Any, _is_replaying: Any) -> str:
        try:
            step("one", story.act("one"))
        except Exception:  # noqa: BLE001 - the widest that careless code has
            return "caught"
        return "not caught"

    assert story.run(body).result == "not caught"
    assert len(story.done) == 2


# Names.


def test_a_name_is_started_once_whether_it_runs_or_is_over() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html ."""
    story = Story()
    assert story.executions.start("name", "payload", story.body)
    assert not story.executions.start("name", "payload", story.body)
    assert not story.executions.start("name", "another", story.body)
    story.timeline.run()
    assert not story.executions.start("name", "payload", story.body)
    story.timeline.run()
    assert len(story.done) == 2
    assert story.executions.by_name["name"].payload == "payload"


def test_executions_of_different_names_do_not_wait_for_each_other() -> None:
    story = Story()
    story.executions.start("a", "", story.body)
    story.executions.start("b", "", story.body)
    story.timeline.run()
    assert [when for _, when in story.done] == [START, START, START + 10, START + 10]
    assert all(execution.is_over for execution in story.executions.by_name.values())


def test_nothing_runs_before_time_does() -> None:
    """Starting is asynchronous: who starts a recovery does not wait for it."""
    story = Story()
    story.executions.start("name", "payload", story.body)
    assert story.done == []
    assert not story.executions.by_name["name"].is_over
