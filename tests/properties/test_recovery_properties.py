"""What must hold whatever happens, in stories that were once wrong, or would be if one line were another.

The rules, by name, are in ``support.invariants``; ``test_seasons.py`` looks at them in thousands of other stories.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retry_run_task.intake import take_in
from retry_run_task.launch import names
from retry_run_task.launch.values import CallerKind, FailedLaunch, Outcome
from retry_run_task.local.cloudtrail.records import sdk_caller
from retry_run_task.policy.scope import Scope
from retry_run_task.sources import parse
from support.invariants import CANARY, DENIED, PERMANENT
from support.records import HAND_MADE, RULE_ROLE, awslogs, eventbridge, parameters, record
from support.simulation import Conditions, Delivery, System, Told, request
from support.stories import (
    ON_SPOT,
    VARIABLE,
    BrokenConnection,
    Call,
    Capacity,
    FailedPlacements,
    FailedStarts,
    LostAnswers,
    Refusals,
    Story,
    outages,
)

# What once went wrong, or would if one line were another.
ACTED_UPON_AND_LOST = Story(changes=(Capacity(at_s=1, slots=None), LostAnswers(at_s=1)), sdk_tries=1)
LOST_INSIDE_THE_SDK = Story(
    changes=(
        Capacity(at_s=1, slots=None),
        BrokenConnection(at_s=1, where="on the way back"),
        Refusals(at_s=70, code="ThrottlingException", message="Rate exceeded"),
    ),
)
MANY_FAILURES_FOR_FEW_TASKS = Story(
    calls=(Call(changes={"count": 2}),),
    changes=(
        FailedPlacements(at_s=1, reason="RESOURCE:CPU", entries=7),
        Capacity(at_s=70, slots=None),
    ),
)


@pytest.mark.parametrize(
    "story",
    [
        ACTED_UPON_AND_LOST,
        LOST_INSIDE_THE_SDK,
        MANY_FAILURES_FOR_FEW_TASKS,
        Story(changes=(Refusals(at_s=1, code=DENIED, message="not authorized"),)),
        Story(changes=(FailedPlacements(at_s=0, reason=PERMANENT[0]),)),
        Story(calls=(Call(), Call())),
        Story(calls=(Call(changes={"overrides": VARIABLE}),), knows_schedules=False),
        Story(deliveries=((Delivery(after_s=300),),)),
        Story(next_due_s=100),
        Story(policy="ladder", calls=(Call(changes=ON_SPOT),), changes=(Capacity(at_s=200, slots=1),)),
        Story(policy="ladder", changes=(Refusals(at_s=66, code=DENIED, calls=3),)),
        Story(policy="ladder", changes=(FailedPlacements(at_s=66, reason=PERMANENT[0], calls=2),)),
        Story(changes=(Capacity(at_s=90, slots=None),), clocks=(-3, 3), record_clocks=(3, -3)),
    ],
    ids=Story.written,
)
def test_every_launch_has_what_it_asked_for_or_a_person_is_told(story: Story) -> None:
    story.play()


@settings(max_examples=40, print_blob=True)
@given(story=outages())
def test_when_capacity_is_back_in_time_every_task_runs_whatever_dies_and_comes_twice(story: Story) -> None:
    """Crashes and duplicates change nothing: the tasks are those of the same story without them."""
    stirred = story.play()
    once = ((Delivery(),),)
    calm = replace(story, crashes=frozenset(), deliveries=once, notify_errors=0).play()
    assert stirred.started() == calm.started() == calm.asked
    assert {*stirred.outcomes(), *calm.outcomes()} <= {Outcome.RECOVERED, Outcome.ALREADY_RUNNING}


CRASHED = {
    "recovered at the first attempt": Story(changes=(Capacity(at_s=1, slots=None),)),
    "recovered after some, with a part placed": Story(
        calls=(Call(changes={"count": 3}),),
        changes=(Capacity(at_s=1, slots=1, zone="subnet-a"), Capacity(at_s=90, slots=None)),
    ),
    "a task that does not start": Story(changes=(Capacity(at_s=1, slots=None), FailedStarts(at_s=1))),
    "an answer that is lost": Story(
        changes=(Capacity(at_s=1, slots=None), LostAnswers(at_s=1, calls=3)), unseen_for_s=20
    ),
    "a person has to be told, and the topic does not answer": Story(
        changes=(FailedPlacements(at_s=1, reason=PERMANENT[0]),), notify_errors=2
    ),
}


@pytest.mark.parametrize("restart_s", [1.0, 45.0])
@pytest.mark.parametrize("name", CRASHED)
def test_a_crash_between_any_two_operations_changes_nothing(name: str, restart_s: float) -> None:
    """At every moment there is: before a step's action, after it, and after its result is recorded."""
    story = replace(CRASHED[name], restart_s=restart_s)
    calm = story.play()
    assert calm.moments >= 6
    for number in range(1, calm.moments + 1):
        system = replace(story, crashes=frozenset({number})).play()
        assert system.crashed == 1
        assert system.started() == calm.started()
        assert system.outcomes() == calm.outcomes()


def test_a_call_that_a_dead_process_made_and_that_is_refused_when_it_is_repeated() -> None:
    """A refusal says that this call did nothing. It does not say so of the one before, which nobody remembers."""
    system = Story(
        changes=(
            Capacity(at_s=1, slots=None),
            Refusals(
                at_s=70,
                code="InvalidParameterException",
                message="No Container Instances were found in your cluster.",
            ),
        ),
        # The 8th moment: RunTask was called, and its answer is not written down yet.
        crashes=frozenset({8}),
        restart_s=45.0,
    ).play()
    assert system.started() == {"job-0": 1}


def test_tasks_of_a_lost_partial_answer_are_counted_once() -> None:
    """Two of three are placed and the answer is lost. They are found, the token conflicts, and one is missing."""
    system = Story(
        calls=(Call(changes={"count": 3}),),
        changes=(
            Capacity(at_s=1, slots=2, zone="subnet-a"),
            LostAnswers(at_s=1),
            Capacity(at_s=120, slots=None),
        ),
        sdk_tries=1,
    ).play()
    assert system.started() == {"job-0": 3}
    assert [body["count"] for body in (sent.body for sent in system.sent)][:2] == [3, 1]


def test_a_person_who_starts_a_part_meanwhile_leaves_the_rest_to_us() -> None:
    """The answer to the first attempt, which placed nothing, is lost; then there is less to ask for."""
    system = System(Conditions(sdk_tries=1))
    system.capacity(0)
    system.call("job-0", count=3)
    system.ecs.faults.lose_answers(1)

    def by_hand() -> None:
        system.capacity(None)
        system.start_by_hand("job-0", is_alike=True)

    # A lost answer is repeated two seconds after it, at the earliest.
    system.after(61, by_hand)
    system.run()
    assert system.started() == {"job-0": 2, "person-0": 1}
    assert system.outcomes() == [Outcome.RECOVERED]


def test_tasks_that_our_token_started_with_another_request_are_ours() -> None:
    """An earlier version may have sent another request under the same token: ECS names the tasks it started."""
    system = System()
    system.capacity(0)
    system.call("job-0")
    system.capacity(None)
    (event,) = system.originals.values()
    (launch,) = parse(eventbridge(event))
    assert isinstance(launch, FailedLaunch)
    token = names.client_token(launch.call_id, 1)
    system.own(launch, "job-0")
    mark = names.started_by_of("events-rule/job-0", launch.call_id)
    before = request("before", clientToken=token, startedBy=mark)
    system.ask("recovery", before, sdk_caller(RULE_ROLE))
    system.run()
    assert system.started() == {"job-0": 1}
    assert system.outcomes() == [Outcome.RECOVERED]


def test_an_error_that_was_thrown_is_reported_and_not_made_good() -> None:
    """Whoever made the call has seen it, and may be calling again."""
    system = Story(changes=(Refusals(at_s=0, code="StrangeException"), Capacity(at_s=1, slots=None))).play()
    assert system.sent == []
    assert system.outcomes() == [Outcome.PERMANENT]
    assert len(system.messages()) == 1


def test_tasks_that_fail_to_start_are_replaced_and_those_that_run_are_not() -> None:
    system = Story(
        calls=(Call(changes={"count": 4}),),
        changes=(Capacity(at_s=1, slots=None), FailedStarts(at_s=1, tasks=2)),
    ).play()
    assert system.started() == {"job-0": 4}
    assert len(system.failed_to_start) == 2


@pytest.mark.parametrize("knows_schedules", [True, False])
def test_what_cloudtrail_hides_comes_from_the_schedule_or_nothing_is_sent(knows_schedules: bool) -> None:
    """The value reaches RunTask and nothing else; without a schedule a message says what is missing."""
    system = Story(
        calls=(Call(changes={"overrides": VARIABLE}),),
        changes=(Capacity(at_s=1, slots=None),),
        knows_schedules=knows_schedules,
    ).play()
    assert [CANARY in str(sent.body) for sent in system.sent] == ([True] if knows_schedules else [])
    assert CANARY not in str([execution.payload for execution in system.recoveries()])
    assert len(system.messages()) == (0 if knows_schedules else 1)


@settings(max_examples=20, print_blob=True)
@given(crashes=st.frozensets(st.integers(1, 20), max_size=3), times=st.integers(1, 3))
def test_a_value_in_a_record_made_by_hand_reaches_run_task_and_nothing_else(
    crashes: frozenset[int], times: int
) -> None:
    """Nobody hides what a person writes. However often the log event is delivered, it is one run."""
    system = System(Conditions(crashes=crashes))
    system.capacity(None)
    wanted = request("job-0", overrides=VARIABLE, startedBy=None)
    answer = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}
    by_hand = HAND_MADE | {"requestParameters": wanted, "responseElements": answer}
    system.put(by_hand, group="job-0", times=times)
    system.run()
    assert system.started() == {"job-0": 1}
    assert len(system.recoveries()) == 1
    assert all(CANARY in str(sent.body) for sent in system.sent)


started_by = st.none() | st.text(max_size=40) | st.just("events-rule/nightly")
ours = st.one_of(
    st.builds(
        lambda digits, attempt, by: {
            "clientToken": names.client_token(f"{digits:032x}", attempt),
            "startedBy": by,
        },
        st.integers(0, 2**128 - 1),
        st.integers(1, 99_999),
        started_by,
    ),
    st.builds(
        lambda original, digits: {"startedBy": names.started_by_of(original, f"{digits:032x}")},
        started_by,
        st.integers(0, 2**128 - 1),
    ),
)


@settings(max_examples=60, print_blob=True)
@given(marks=ours, way=st.sampled_from([awslogs, eventbridge]))
def test_a_call_with_our_token_or_our_mark_starts_nothing_whoever_seems_to_have_made_it(
    marks: dict[str, str], way: object
) -> None:
    """The role may be unknown, the record may look like a rule's: a recovery looks after its own calls."""
    event = way(record(request=parameters(**marks)))  # type: ignore[operator]
    (launch,) = parse(event)
    assert isinstance(launch, FailedLaunch)
    assert launch.caller.kind is CallerKind.OWN

    def start(_name: str, _payload: str) -> object:
        raise AssertionError("it was started")

    counts = take_in(event, stack="one", scope=Scope(), start=start, telemetry=Told())  # type: ignore[arg-type]
    assert (counts.ignored, counts.started) == (1, 0)
