"""Each rule of the simulation can break: a product that is broken on purpose is found out, under the right name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings

from retry_run_task.launch import names, request
from retry_run_task.launch.values import Category, Lost, Phase
from retry_run_task.policy import ladder
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.scope import Judgement, Scope, ScopeDecision
from retry_run_task.recovery import after, case, loop, state, watching
from retry_run_task.sources import tasks
from support import simulation
from support import stories as story_module
from support.invariants import PERMANENT, BrokenError, Invariant
from support.records import HAND_MADE
from support.seasons import play_season
from support.simulation import Conditions, Delivery, System
from support.stories import (
    VARIABLE,
    BrokenConnection,
    Call,
    Capacity,
    FailedPlacements,
    FailedStarts,
    HungStarts,
    LostAnswers,
    PlacedAfterAll,
    Refusals,
    StoppedByHand,
    Story,
    stories,
)

ROOM = Capacity(at_s=1, slots=None)
LOST = Story(changes=(ROOM, LostAnswers(at_s=1)), sdk_tries=1)
# The 5th moment: RunTask was called for the first time, and its answer is not written down yet.
DIES_AFTER_THE_CALL = Story(changes=(ROOM,), crashes=frozenset({5}), unseen_for_s=20)


def play_record_by_hand() -> None:
    """Somebody writes a record with a value in clear."""
    system = System(Conditions())
    system.capacity(None)
    wanted = simulation.request("job-0", overrides=VARIABLE, startedBy=None)
    system.put(HAND_MADE | {"requestParameters": wanted}, group="job-0", times=1)
    system.run()


@dataclass(frozen=True, kw_only=True)
class Break:
    """A way to break the product.

    Attributes:
        invariant: The rule that does not hold then.
        where: What is replaced.
        by: Makes the replacement of what is there.
        play: What shows it.
    """

    invariant: Invariant
    where: tuple[Any, str]
    by: Callable[[Any], Any]
    play: Callable[[], object]


def other_token(_there: Any) -> Any:
    numbers = itertools.count(1)
    return lambda call_id, _nth: f"rrt-{call_id}-{next(numbers)}"


def another_name(there: Any) -> Any:
    numbers = itertools.count(1)
    return lambda stack, launch, **more: f"{there(stack, launch, **more)}-{next(numbers)}"


def after_a_lost_answer(do: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def replaced(there: Any) -> Any:
        def answered(case_: Any, state_: Any, answer: Any) -> Any:
            then = there(case_, state_, answer)
            return do(case_, then) if isinstance(answer, Lost) else then

        return answered

    return replaced


def next_token(_case: Any, then: Any) -> Any:
    return then._replace(answered={then.call_id: 1}, repeat=0, unsure_since_s=None)


def torn_down_runs(status: str) -> Callable[[Any], Any]:
    return lambda there: lambda task: Phase.RUNS if task.get("lastStatus") == status else there(task)


def fails_in(status: str) -> Story:
    return Story(
        changes=(ROOM, FailedStarts(at_s=1, status=status)),
        deactivating_s=90,
        killing_s=90,
        deprovisioning_s=90,
    )


def stopped_for_a_while(there: Any) -> Any:
    def classify(failure: Any) -> Any:
        verdict = there(failure)
        return replace(verdict, category=Category.TRANSIENT) if failure.code == "UserInitiated" else verdict

    return classify


def fail(*_: object) -> None:
    raise LookupError("broken on purpose")


def ask_for_the_time(there: Any) -> Any:
    def open_case(launch: Any, tools: Any) -> Any:
        tools.aws.now()
        return there(launch, tools)

    return open_case


TORN_DOWN = {"DEACTIVATING": "ACTIVATING", "STOPPING": "PENDING", "DEPROVISIONING": "PROVISIONING"}
BREAKS = {
    "a token is drawn anew for each call": Break(
        invariant=Invariant.NO_MORE_THAN_ASKED,
        where=(names, "client_token"),
        by=other_token,
        play=DIES_AFTER_THE_CALL.play,
    ),
    "all tasks are asked for again": Break(
        invariant=Invariant.ONLY_WHAT_IS_MISSING,
        where=(request, "for_call"),
        by=lambda there: lambda asked, **of: there(asked, **{**of, "missing": request.asked(asked)}),
        play=Story(
            calls=(Call(changes={"count": 3}),), changes=(Capacity(at_s=1, slots=1, zone="subnet-a"),)
        ).play,
    ),
    "a rung changes something else beside": Break(
        invariant=Invariant.THE_SAME_REQUEST,
        where=(ladder, "apply"),
        by=lambda there: lambda rung, body: {**there(rung, body), "enableExecuteCommand": True},
        play=Story(changes=(ROOM,)).play,
    ),
    "the next rung is tried after a lost answer": Break(
        invariant=Invariant.ONE_TOKEN_ONE_REQUEST,
        where=(after, "_answered"),
        by=after_a_lost_answer(state.climb),
        play=replace(LOST, unseen_for_s=20).play,
    ),
    "the next token is taken after a lost answer": Break(
        invariant=Invariant.A_TOKEN_IS_KEPT,
        where=(after, "_answered"),
        by=after_a_lost_answer(next_token),
        play=replace(LOST, unseen_for_s=20).play,
    ),
    "what failed for good is tried all the same": Break(
        invariant=Invariant.NOTHING_REFUSED,
        where=(case, "open_with"),
        by=lambda _there: lambda *_: None,
        play=Story(changes=(FailedPlacements(at_s=0, reason=PERMANENT[0]),)).play,
    ),
    "nobody looks at the deadline": Break(
        invariant=Invariant.NOT_TOO_LATE,
        where=(state, "past_deadline"),
        by=lambda _there: lambda *_: None,
        play=Story(deliveries=((Delivery(after_s=300),),)).play,
    ),
    "what hangs is stopped without leave": Break(
        invariant=Invariant.ONLY_OUR_OWN,
        where=(watching, "_may_be_stopped"),
        by=lambda _there: lambda _case, state_: state_.starting,
        play=Story(changes=(ROOM, HungStarts(at_s=0))).play,
    ),
    "waits are a second": Break(
        invariant=Invariant.WITHIN_THE_POLICY,
        where=(Backoff, "delay"),
        by=lambda _there: lambda *_: 1,
        play=Story(changes=(Capacity(at_s=70, slots=None),)).play,
    ),
    "everything is in scope": Break(
        invariant=Invariant.OUR_OWN_CALLS,
        where=(Scope, "judge"),
        by=lambda _there: lambda *_: Judgement(decision=ScopeDecision.RECOVER, why=""),
        play=Story().play,
    ),
    "nothing is in scope": Break(
        invariant=Invariant.EVERY_LAUNCH_ONCE,
        where=(Scope, "judge"),
        by=lambda _there: lambda *_: Judgement(decision=ScopeDecision.IGNORE, why=""),
        play=Story().play,
    ),
    "a recovery has a new name each time": Break(
        invariant=Invariant.EVERY_LAUNCH_ONCE,
        where=(names, "recovery_name_of"),
        by=another_name,
        play=Story(changes=(ROOM,), deliveries=((Delivery(), Delivery(after_s=70)),)).play,
    ),
    "nobody is told": Break(
        invariant=Invariant.EVERY_END_IS_TOLD,
        where=(loop, "_notify"),
        by=lambda _there: lambda *_: None,
        play=Story().play,
    ),
    "nothing ever seems to be missing": Break(
        invariant=Invariant.WELL_MEANS_THERE,
        where=(after, "missing"),
        by=lambda _there: lambda *_: 0,
        play=Story().play,
    ),
    **{
        f"a task that is {torn_down} seems to run": Break(
            invariant=Invariant.WELL_MEANS_RAN,
            where=(tasks, "_phase"),
            by=torn_down_runs(torn_down),
            play=fails_in(status).play,
        )
        for torn_down, status in TORN_DOWN.items()
    },
    "a task that was stopped by hand seems to have failed for a while": Break(
        invariant=Invariant.WHAT_WAS_STOPPED,
        where=(after, "classify"),
        by=stopped_for_a_while,
        play=Story(changes=(ROOM, StoppedByHand(at_s=0))).play,
    ),
    "values are not masked": Break(
        invariant=Invariant.NO_SECRET,
        where=(request, "masked"),
        by=lambda _there: lambda parameters: parameters,
        play=play_record_by_hand,
    ),
    "a decision raises": Break(
        invariant=Invariant.NO_RECOVERY_FAILS,
        where=(after, "_decided"),
        by=lambda _there: fail,
        play=Story().play,
    ),
    "the time is asked for between two steps": Break(
        invariant=Invariant.IN_STEPS_ONLY,
        where=(loop, "open_case"),
        by=ask_for_the_time,
        play=Story().play,
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_product_that_is_broken_on_purpose_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it was the break: the same story is fine without it."""
    one = BREAKS[name]
    one.play()
    monkeypatch.setattr(*one.where, one.by(getattr(*one.where)))
    with pytest.raises(BrokenError) as caught:
        one.play()
    assert caught.value.invariant is one.invariant


def test_each_rule_has_a_break() -> None:
    assert {one.invariant for one in BREAKS.values()} == set(Invariant)


# What was wrong once, or would be if a line were missing: the smallest story that shows it.
CLOSED = {
    "a call whose process died is refused when it is made again, and its task is not listed yet": Story(
        changes=(ROOM, Refusals(at_s=90, code="ThrottlingException", message="Rate exceeded")),
        crashes=frozenset({5}),
        restart_s=45.0,
        sdk_tries=1,
        unseen_for_s=200,
    ),
    "a person stopped a task that a rung other than the first had placed": Story(
        changes=(StoppedByHand(at_s=0), Capacity(at_s=65, slots=None))
    ),
    "a recovery died after a call, and was too late when it came back": Story(
        changes=(ROOM,),
        deliveries=((Delivery(after_s=210),),),
        crashes=frozenset({5}),
        restart_s=45.0,
        unseen_for_s=60,
    ),
    "a task of another that was found did not start, and had a recovery of its own": Story(
        changes=(FailedStarts(at_s=1), PlacedAfterAll(at_s=1), ROOM),
        deliveries=((Delivery(after_s=0),),),
        tells_of_tasks=True,
    ),
    "two tasks of others that did not start, each with a recovery of its own": Story(
        calls=(Call(changes={"count": 2}),),
        changes=(FailedStarts(at_s=1, tasks=2), PlacedAfterAll(at_s=1), PlacedAfterAll(at_s=1), ROOM),
        deliveries=((Delivery(after_s=0),),),
        tells_of_tasks=True,
    ),
    "a call that a dead process had made is refused for good when it is made again": Story(
        changes=(
            BrokenConnection(at_s=0, where="late"),
            Refusals(at_s=1, code="AccessDeniedException", message="not authorized"),
            ROOM,
        ),
        deliveries=((Delivery(after_s=0),),),
        crashes=frozenset({5}),
        sdk_tries=1,
        knows_its_role=False,
    ),
    "a task was torn down until after the next run was due": Story(
        slots=1,
        changes=(FailedStarts(at_s=0),),
        tells_of_tasks=True,
        next_due_s=200,
        killing_s=120,
        deprovisioning_s=90,
    ),
    "a task of another that did not start was there before the recovery": Story(
        changes=(FailedStarts(at_s=1), PlacedAfterAll(at_s=1), ROOM),
        deliveries=((Delivery(after_s=90),),),
        tells_of_tasks=True,
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_what_is_easily_wrong_is_right(name: str) -> None:
    CLOSED[name].play()


@settings(max_examples=30)
@given(story=stories())
def test_a_story_that_is_written_down_is_the_same_story(story: Story) -> None:
    """So what ``make soak`` prints can be played again, and stand in a test."""
    assert eval(story.written(), {**vars(simulation), **vars(story_module)}) == story


def test_a_season_that_breaks_a_rule_tells_the_smallest_story_and_what_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "_notify", lambda *_: None)
    with pytest.raises(BrokenError) as caught:
        play_season(1, 20)
    (note,) = [note for note in caught.value.__notes__ if note.startswith("The story")]
    _, story, _, *happened = note.splitlines()
    assert len(story) < 400
    assert "ends: expired" in note
    assert "INVARIANT" in happened[-1]
    with pytest.raises(BrokenError) as again:
        eval(story, {**vars(simulation), **vars(story_module)}).play()
    assert again.value.invariant is caught.value.invariant is Invariant.EVERY_END_IS_TOLD
