"""Two stacks that look after the same tasks, and two records of one call: two recoveries of one launch.

Their client tokens do not name the stack, so that ECS gives both the same tasks. That holds only while both take
the same tokens in the same order.
"""

from __future__ import annotations

from hypothesis import given, settings

from retry_run_task.launch.values import Outcome
from support.simulation import Delivery
from support.stories import BOTH, Call, Capacity, Refusals, Story, outages

NO_INSTANCES = ("InvalidParameterException", "No Container Instances were found in your cluster.")

# The second recovery begins after the first has been refused twice, so that it is two attempts behind.
ONE_IS_AHEAD = Story(
    changes=(
        Refusals(at_s=1, code=NO_INSTANCES[0], message=NO_INSTANCES[1], calls=2),
        Capacity(at_s=17, slots=None),
    ),
    deliveries=((Delivery(after_s=5),), (Delivery(after_s=16),)),
    stacks=BOTH,
)


def test_two_stacks_that_find_room_at_once_start_one_task() -> None:
    """Stories of two stacks in which more goes wrong are in ``test_seasons.py``."""
    system = Story(changes=(Capacity(at_s=1, slots=None),), stacks=BOTH).play()
    assert system.started() == {"job-0": 1}
    assert len(system.recoveries()) == 2


@settings(max_examples=25, print_blob=True)
@given(story=outages(stacks=BOTH))
def test_when_capacity_is_back_in_time_both_stacks_end_well_with_the_same_tasks(story: Story) -> None:
    system = story.play()
    assert system.started() == system.asked
    assert set(system.outcomes()) <= {Outcome.RECOVERED, Outcome.ALREADY_RUNNING}


def test_a_stack_that_was_refused_less_often_does_not_start_a_second_task() -> None:
    """A refusal binds no token. Whoever leaves such a token behind leaves it free for the other."""
    system = ONE_IS_AHEAD.play()
    assert system.started() == {"job-0": 1}


def test_two_records_of_one_call_are_one_launch() -> None:
    """An SDK that repeats a call keeps its random token: CloudTrail has two records, ECS has one call."""
    system = Story(
        calls=(Call(times=2),),
        changes=ONE_IS_AHEAD.changes,
        deliveries=ONE_IS_AHEAD.deliveries,
    ).play()
    assert len(system.recoveries()) == 2
    assert system.started() == {"job-0": 1}


def test_whoever_finds_a_part_that_the_other_started_goes_on_until_the_rest_is_there() -> None:
    """The tokens that the other has used conflict, since less is asked for now. That is no reason to give up."""
    system = Story(
        calls=(Call(times=2, changes={"count": 2}),),
        changes=(Capacity(at_s=7, slots=1, zone="subnet-a"), Capacity(at_s=100, slots=None)),
        deliveries=((Delivery(after_s=0),), (Delivery(after_s=13),)),
    ).play()
    assert system.started() == {"job-0": 2}
    assert system.outcomes() == [Outcome.RECOVERED, Outcome.RECOVERED]


def test_two_calls_are_two_launches_also_if_somebody_sends_the_same_token_every_night() -> None:
    """A token that was not drawn at random names no call."""
    system = Story(
        calls=(Call(token=None), Call(token=None, at_s=30)),
        changes=(Capacity(at_s=60, slots=None),),
        stacks=BOTH,
    ).play()
    assert system.started() == {"job-0": 1, "job-1": 1}


def test_a_record_that_reaches_the_second_stack_after_all_is_well_starts_nothing() -> None:
    system = Story(
        changes=(Capacity(at_s=1, slots=None),),
        deliveries=((Delivery(after_s=5),), (Delivery(after_s=200),)),
        stacks=BOTH,
    ).play()
    assert system.started() == {"job-0": 1}
    assert len(system.sent) == 1
