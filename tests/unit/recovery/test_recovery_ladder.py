"""The ladder in a recovery: which rung comes next, which is struck off, what is remembered and what is told."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retry_run_task.launch import names as identity
from retry_run_task.launch import wire
from retry_run_task.launch.schedule import EVERYTHING_ELSE, NoMatch, Tags
from retry_run_task.launch.values import (
    Answer,
    Caller,
    CallerKind,
    Category,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    Request,
    TaskState,
)
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.ladder import RungKind
from retry_run_task.policy.rules import Match, Notify, Policy, Rule
from retry_run_task.recovery.ports import Background
from support.policies import DEFAULT, PLAIN, changed
from support.records import CAPACITY, launch, parameters
from support.virtual import CutPoint, VirtualExecution
from support.worlds import Run, run

CALL = launch().call_id
FAILED_AT = launch().event_time.timestamp()
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
RUNGS = (RungKind.AS_ASKED, RungKind.EACH_SUBNET, RungKind.ON_DEMAND)
LADDER = changed(category=Category.CAPACITY, rungs=RUNGS)


def said(reason: str) -> Failure:
    return Failure(origin=Origin.ANSWER, reason=reason)


def refused(code: str, reason: str = "") -> Refused:
    return Refused(failure=Failure(origin=Origin.ERROR, code=code, reason=reason))


SHORT = Placed(failures=(said(CAPACITY),))
THROTTLED = refused("ThrottlingException", "Rate exceeded")
DENIED = refused("AccessDeniedException", "not authorized")
INVALID = refused("InvalidParameterException", "The specified capacity provider was not found.")
LOST = Lost(failure=Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable."))
ATTRIBUTE = Placed(failures=(said("ATTRIBUTE"),))
STRANGE = Placed(failures=(said("The moon is in the wrong quarter"),))
AGENT = Placed(failures=(said("AGENT"),))


def placed(*names: str, missing: int = 0) -> Placed:
    return Placed(task_arns=names, failures=(said(CAPACITY),) * missing)


def on_spot(**changes: Any) -> FailedLaunch:
    return launch(request=parameters(launchType=None, capacityProviderStrategy=SPOT, **changes))


def climbed(*script: Answer, value: FailedLaunch | None = None, policy: Policy = LADDER, **world: Any) -> Run:
    return run(value or on_spot(), *script, policy=policy, **world)


def rungs(done: Run) -> list[str]:
    return [fields["rung"] for event, fields in done.told if event == "recovery.called"]


def struck(done: Run) -> list[str]:
    return [fields["rung"] for event, fields in done.told if event == "recovery.rung_dropped"]


def attempts(done: Run) -> list[int]:
    return [int(token.rsplit("-", 1)[1]) for token in done.tokens]


ASKED, SUBNET_A, SUBNET_C, ON_DEMAND = "as-asked", "each-subnet subnet-a", "each-subnet subnet-c", "on-demand"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        # Capacity moves along, as asked before each subnet, and after the last comes the first.
        ([SHORT] * 6, [ASKED, SUBNET_A, ASKED, SUBNET_C, ON_DEMAND, ASKED, SUBNET_A]),
        # What is not about capacity comes back where it is.
        ([SHORT, THROTTLED, THROTTLED, SHORT], [ASKED, SUBNET_A, SUBNET_A, SUBNET_A, ASKED]),
        ([SHORT, AGENT, SHORT], [ASKED, SUBNET_A, SUBNET_A, ASKED]),
        ([SHORT, LOST, LOST], [ASKED, SUBNET_A, SUBNET_A, SUBNET_A]),
        ([THROTTLED], [ASKED, ASKED]),
        ([STRANGE], [ASKED, ASKED]),
        # What ECS does not take of a change is struck off, and its place on the ladder is skipped from then on.
        (
            [SHORT, INVALID, *[SHORT] * 5],
            [ASKED, SUBNET_A, ASKED, SUBNET_C, ON_DEMAND, ASKED, ASKED, SUBNET_C],
        ),
        ([SHORT, DENIED, SHORT, DENIED, DENIED], [ASKED, SUBNET_A, ASKED, SUBNET_C, ON_DEMAND, ASKED]),
        ([SHORT, ATTRIBUTE, SHORT, SHORT], [ASKED, SUBNET_A, ASKED, SUBNET_C, ON_DEMAND]),
        ([SHORT, STRANGE, SHORT], [ASKED, SUBNET_A, ASKED, SUBNET_C]),
    ],
)
def test_the_next_rung_is_chosen_from_what_ecs_said(script: Sequence[Answer], expected: list[str]) -> None:
    done = climbed(*script, placed("t1"))
    assert rungs(done) == expected
    assert done.ending.outcome is Outcome.RECOVERED


@pytest.mark.parametrize(("repeats", "expected"), [(100, [2, 1, 2]), (120, [2, 2, 1])])
def test_a_step_decides_on_what_its_checkpoint_keeps_of_an_answer(repeats: int, expected: list[int]) -> None:
    """A replay has only the first 1 KB of a text, so the step may not call on the strength of the rest."""
    answer = Placed(failures=(said("the moon " * repeats + CAPACITY),))
    done = climbed(answer, SHORT, placed("t1"))
    networks = [body["networkConfiguration"]["awsvpcConfiguration"] for body in done.world.bodies]
    assert [len(network["subnets"]) for network in networks] == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([SHORT, SHORT], [1, 2, 3]),
        ([SHORT, LOST, THROTTLED], [1, 2, 2, 2]),
        # A refused call has done nothing, so the next rung has its token; an answer has ended the attempt.
        ([SHORT, INVALID], [1, 2, 2]),
        ([SHORT, ATTRIBUTE], [1, 2, 3]),
    ],
)
def test_a_token_is_left_only_after_an_answer_whatever_the_rung(
    script: Sequence[Answer], expected: list[int]
) -> None:
    assert attempts(climbed(*script, placed("t1"))) == expected


@pytest.mark.parametrize("end", [DENIED, ATTRIBUTE])
def test_what_is_denied_as_it_was_asked_still_ends_it(end: Answer) -> None:
    assert climbed(end).ending.outcome is Outcome.PERMANENT
    late = climbed(SHORT, SHORT, SHORT, SHORT, SHORT, end)
    assert rungs(late)[-1] == ASKED
    assert late.ending.outcome is Outcome.PERMANENT


def test_a_rung_that_is_struck_off_is_tried_no_more_and_the_next_one_follows_at_once() -> None:
    done = climbed(SHORT, DENIED, SHORT, SHORT, SHORT, SHORT, SHORT, placed("t1"))
    assert rungs(done).count(SUBNET_A) == 1
    assert struck(done) == [SUBNET_A]
    assert done.world.times[1] == done.world.times[2]
    (told,) = (fields for event, fields in done.told if event == "recovery.rung_dropped")
    assert (told["category"], told["reason"]) == ("permission", "not authorized")
    # As asked and a subnet; as asked and the other subnet; on-demand; as asked; and as asked, which places it.
    assert rungs(done)[2:] == [ASKED, SUBNET_C, ON_DEMAND, ASKED, ASKED, SUBNET_C]
    assert len(done.waits) == 3, "a struck rung uses up no patience"


def test_where_there_is_no_room_a_subnet_is_asked_alone_in_the_same_step() -> None:
    """Nothing is waited for and no operation is paid for; each call has a token of its own."""
    done = climbed(SHORT, SHORT, SHORT, placed("t1"))
    assert rungs(done) == [ASKED, SUBNET_A, ASKED, SUBNET_C]
    assert attempts(done) == [1, 2, 3, 4]
    names = [name for name, _ in done.execution.operations if name.startswith("run-task")]
    assert names == ["run-task-1", "run-task-2"]
    assert done.world.times[0] == done.world.times[1] < done.world.times[2] == done.world.times[3]
    assert len(done.waits) == 1


@pytest.mark.parametrize(
    "first",
    [THROTTLED, LOST, STRANGE, AGENT, placed("t0", missing=1), Placed(task_arns=("t0",), is_conflict=True)],
)
def test_after_any_other_answer_no_subnet_is_asked_in_the_same_step(first: Answer) -> None:
    done = climbed(first, *[placed("t1")] * 2, value=on_spot(count=2))
    assert done.world.times[0] < done.world.times[1]


@pytest.mark.parametrize("died", range(1, 4))
def test_a_step_with_two_calls_that_dies_starts_nothing_twice(died: int) -> None:
    """ECS remembers the answers of both tokens, so the step that is done again makes the same two calls."""
    moments = 0

    def cut_off(_execution: VirtualExecution, name: str, _moment: CutPoint) -> bool:
        nonlocal moments
        moments += name.startswith("run-task")
        return name.startswith("run-task") and moments == died

    again = [SHORT, placed("t1")] * 2
    done = climbed(*again, cut_off=cut_off, restart_s=0)
    assert done.ending.task_arns == ("t1",)
    assert set(attempts(done)) == {1, 2}


def test_a_repeat_after_a_lost_answer_sends_the_same_body() -> None:
    done = climbed(SHORT, LOST, THROTTLED, LOST, placed("t1"))
    assert done.world.bodies[1] == done.world.bodies[2] == done.world.bodies[3] == done.world.bodies[4]
    assert done.world.bodies[1]["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-a"]


def test_a_conflict_says_nothing_of_the_rung_it_comes_for() -> None:
    """The token was another body's: its tasks count, and why there are no more of them is not this rung's doing."""
    conflict = Placed(task_arns=("t1",), is_conflict=True)
    done = climbed(SHORT, INVALID, conflict, placed("t2"), value=on_spot(count=2))
    assert struck(done) == [SUBNET_A]
    assert [body["count"] for body in done.world.bodies] == [2, 2, 2, 1]
    assert done.ending.task_arns == ("t1", "t2")
    # Which body started t1 is unknown.
    assert done.ending.changed == ("1 task in subnet-c alone instead of any of its 2 subnets",)


def test_tasks_of_several_rungs_are_counted_together() -> None:
    script = (placed("t1", missing=2), placed("t2", missing=1), SHORT, placed("t3"))
    done = climbed(*script, value=on_spot(count=3))
    assert [body["count"] for body in done.world.bodies] == [3, 2, 1, 1]
    assert done.ending.changed == (
        "1 task in subnet-a alone instead of any of its 2 subnets",
        "1 task in subnet-c alone instead of any of its 2 subnets",
    )
    assert done.ending.rungs == (SUBNET_A, SUBNET_C)


def test_the_message_says_what_was_changed_and_where_it_started() -> None:
    states = {1: (TaskState(arn="t1", phase=Phase.RUNS, zone="ap-northeast-1c"),)}
    done = climbed(*[SHORT] * 4, placed("t1"), states=states, notify_recovered=True)
    (message,) = done.world.messages
    assert message.text.startswith(
        "nightly failed to start at first, and runs now: "
        "started on-demand in ap-northeast-1c instead of Spot.\n"
    )
    assert re.search(r"\nChanged: on-demand in ap-northeast-1c instead of Spot\n", message.text)
    assert re.search(r"\nCost: costs more: on-demand has no discount\n", message.text)
    (recovered,) = (fields for event, fields in done.told if event == "recovery.recovered")
    assert recovered["rungs"] == [ON_DEMAND]
    assert recovered["changed"] == ["on-demand in ap-northeast-1c instead of Spot"]
    assert "started on-demand in ap-northeast-1c instead of Spot" in recovered["why"]


def test_what_costs_nothing_has_no_word_of_cost_and_what_changed_nothing_no_word_at_all() -> None:
    free = climbed(SHORT, placed("t1"), notify_recovered=True)
    assert "Cost" not in free.world.messages[0].text
    assert "in subnet-a alone instead of any of its 2 subnets" in free.world.messages[0].text
    plain = climbed(placed("t1"), notify_recovered=True)
    assert "Changed" not in plain.world.messages[0].text
    assert "and runs now." in plain.world.messages[0].text


# Tasks that were placed on a rung and did not start.

NETWORK = "Timeout waiting for network interface provisioning to complete."
PULL = "CannotPullContainerError: manifest unknown"


def failed(name: str, reason: str, code: str = "TaskFailedToStart") -> TaskState:
    return TaskState(
        arn=name, phase=Phase.FAILED, failure=Failure(origin=Origin.STOPPED, code=code, reason=reason)
    )


def test_a_task_that_a_change_kept_from_starting_strikes_the_change_off() -> None:
    """An extra subnet without a way to the registry says nothing of the request as it was asked."""
    done = climbed(SHORT, placed("t1"), placed("t2"), states={1: (failed("t1", PULL),)})
    assert struck(done) == [SUBNET_A]
    assert rungs(done) == [ASKED, SUBNET_A, ASKED]
    assert done.ending.outcome is Outcome.RECOVERED


def test_a_task_that_did_not_start_as_it_was_asked_ends_it() -> None:
    done = climbed(placed("t1"), states={1: (failed("t1", PULL),)})
    assert done.ending.outcome is Outcome.PERMANENT


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("UserInitiated", "Task stopped by user"),
        ("ServiceSchedulerInitiated", "Scaling activity initiated by deployment x"),
        ("ACodeOfNextYear", ""),
        ("TaskFailedToStart", "Essential container in task exited"),
    ],
)
def test_what_was_stopped_on_purpose_or_may_have_run_blames_no_rung_and_ends_it(
    code: str, reason: str
) -> None:
    done = climbed(SHORT, placed("t1"), placed("t2"), states={1: (failed("t1", reason, code),)})
    assert done.ending.outcome is Outcome.PERMANENT
    assert struck(done) == []
    assert rungs(done) == [ASKED, SUBNET_A]


def test_a_task_that_a_conflict_names_blames_no_rung_either() -> None:
    """The body that ECS has kept for the token may be another recovery's, and as it was asked."""
    conflict = Placed(task_arns=("t1",), is_conflict=True)
    done = climbed(SHORT, conflict, placed("t2"), states={1: (failed("t1", PULL),)})
    assert done.ending.outcome is Outcome.PERMANENT
    assert struck(done) == []


def test_a_start_that_failed_for_what_passes_comes_back_on_its_rung() -> None:
    done = climbed(SHORT, placed("t1"), placed("t2"), states={1: (failed("t1", NETWORK),)})
    assert rungs(done) == [ASKED, SUBNET_A, SUBNET_A]


# What AWS has not recorded.


def unrecorded() -> FailedLaunch:
    known = {"cluster": parameters()["cluster"], "taskDefinition": "nightly:7", "count": 1}
    unknown = IncompleteRequest(
        parameters={**known, "startedBy": "events-rule/nightly"}, missing=(EVERYTHING_ELSE,)
    )
    value = launch(failures=(Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason=NETWORK),))
    return replace(value, request=unknown)


CANARY = "canary-5e5d"
SECRET = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": CANARY}]}]}


def test_the_ladder_of_a_task_that_did_not_start_is_computed_from_what_its_schedule_shows() -> None:
    """And it is applied to the whole request, with its secret, inside the step."""
    whole = Request(parameters=dict(on_spot().request.parameters) | {"overrides": SECRET})
    background = Background(
        name="nightly",
        arn="arn:x",
        next_due=None,
        event_age_s=0,
        visible={
            "capacityProviderStrategy": SPOT,
            "networkConfiguration": parameters()["networkConfiguration"],
        },
    )
    done = climbed(*[SHORT] * 4, placed("t1"), value=unrecorded(), background=background, whole=whole)
    assert rungs(done) == [ASKED, SUBNET_A, ASKED, SUBNET_C, ON_DEMAND]
    last = done.world.bodies[-1]
    assert last["overrides"] == SECRET
    assert (last["launchType"], "capacityProviderStrategy" in last) == ("FARGATE", False)
    assert done.ending.changed == ("on-demand instead of Spot",)
    assert CANARY not in json.dumps([done.execution.operations, done.told], default=str)


def test_without_a_schedule_that_shows_it_there_is_one_rung() -> None:
    done = climbed(SHORT, value=unrecorded(), background=NoMatch(why="none"))
    assert done.ending.outcome is Outcome.REFUSED


# Which rule, which tag.


def background(**changes: Any) -> Background:
    values = {"name": "month-end", "arn": "arn:x", "next_due": None, "event_age_s": 0}
    return Background(**(values | changes))


def with_rule(match: Match, **sets: Any) -> Policy:
    return replace(PLAIN, rules=(Rule(name="mine", match=match, sets=sets), *PLAIN.rules))


def test_a_rule_for_a_schedule_counts_once_the_schedule_is_found() -> None:
    policy = with_rule(Match(schedule=("month-*",)), attempts=2)
    done = climbed(SHORT, policy=policy, background=background())
    assert (done.ending.outcome, done.ending.rule, len(done.world.bodies)) == (Outcome.EXPIRED, "mine", 2)
    other = climbed(SHORT, SHORT, placed("t1"), policy=policy, background=background(name="hourly"))
    assert other.ending.outcome is Outcome.RECOVERED


def test_a_tag_names_a_rule() -> None:
    policy = with_rule(Match(policy=("patient",)), attempts=2)
    tagged = background(tags=Tags(policy="patient"))
    assert climbed(SHORT, policy=policy, background=tagged).ending.rule == "mine"
    (told,) = (
        f for event, f in climbed(SHORT, policy=policy, background=tagged).told if event.endswith("tagged")
    )
    assert (told["tag"], told["why"]) == ("patient", None)


def test_a_tag_that_no_rule_is_for_and_tags_that_cannot_be_read_are_told_and_change_nothing() -> None:
    tags = Tags(policy="pateint", unread=("the tags of nightly:7 cannot be read: AccessDenied",))
    done = climbed(SHORT, placed("t1"), background=background(tags=tags))
    assert done.ending.outcome is Outcome.RECOVERED
    (told,) = (fields for event, fields in done.told if event == "recovery.tagged")
    assert "AccessDenied" in told["why"]
    assert "no rule of the policy is for the tag 'pateint'" in told["why"]


@pytest.mark.parametrize(
    ("policy", "tags", "rule"),
    [
        (with_rule(Match(schedule=("month-*",)), ignore=True), Tags(), "mine"),
        (with_rule(Match(category=frozenset({Category.CAPACITY})), ignore=True), Tags(), "mine"),
        (PLAIN, Tags(ignore=True), "tag"),
    ],
)
def test_what_is_to_be_ignored_ends_well_and_quietly(policy: Policy, tags: Tags, rule: str) -> None:
    done = climbed(placed("t1"), policy=policy, background=background(tags=tags), notify_recovered=True)
    assert (done.ending.outcome, done.ending.rule) == (Outcome.IGNORED, rule)
    assert done.ending.succeeded
    assert done.world.bodies == []
    assert done.world.messages == []
    assert [event for event, _ in done.told][-1] == "recovery.ignored"


def test_a_permanent_failure_of_what_is_ignored_is_quiet_too() -> None:
    denied = launch(failures=(Failure(origin=Origin.ERROR, code="AccessDenied", reason="no"),))
    policy = with_rule(Match(schedule=("month-*",)), ignore=True)
    done = run(denied, placed("t1"), policy=policy, background=background())
    assert done.ending.outcome is Outcome.IGNORED


def test_a_denied_call_of_which_nothing_is_recorded_looks_for_no_schedule() -> None:
    """It could be anybody's, and every schedule of the account would be read for it."""
    value = launch(failures=(Failure(origin=Origin.ERROR, code="AccessDenied", reason="no"),))
    value = replace(value, request=IncompleteRequest(parameters={}, missing=("requestParameters",)))
    done = run(value, background=background())
    assert "find-schedule" not in [name for name, _ in done.execution.operations]
    assert done.ending.outcome is Outcome.PERMANENT


@pytest.mark.parametrize(
    ("notify", "setting", "script", "messages"),
    [
        (None, False, (placed("t1"),), 0),
        (None, True, (placed("t1"),), 1),
        (Notify.ALWAYS, False, (placed("t1"),), 1),
        (Notify.FAILURE, True, (placed("t1"),), 0),
        (Notify.FAILURE, False, (DENIED,), 1),
        (Notify.NEVER, True, (placed("t1"),), 0),
        (Notify.NEVER, True, (DENIED,), 0),
    ],
)
def test_when_a_person_is_told(
    notify: Notify | None, setting: bool, script: tuple[Answer, ...], messages: int
) -> None:
    policy = with_rule(Match(), **({"notify": notify} if notify else {"attempts": 9}))
    done = run(launch(), *script, policy=policy, notify_recovered=setting)
    assert len(done.world.messages) == messages


# The first attempt, time, and replays.


def test_the_first_attempt_waits_for_the_launch_s_own_part_of_the_spread() -> None:
    policy = replace(PLAIN, spread_s=10)
    waits = []
    for n in range(40):
        done = run(replace(launch(), call_id=f"{n:032x}"), placed("t1"), policy=policy, late_s=300)
        names = dict(done.execution.operations)
        waits.append(names.get("spread", 0))
        assert done.world.times == [FAILED_AT + 300 + waits[-1]]
    assert set(waits) == set(range(11))


def test_a_launch_that_is_not_recovered_waits_for_nothing() -> None:
    denied = launch(failures=(Failure(origin=Origin.ERROR, code="AccessDenied", reason="no"),))
    done = run(denied, policy=replace(PLAIN, spread_s=300))
    assert "spread" not in [name for name, _ in done.execution.operations]


def test_time_before_the_first_look_is_counted_once() -> None:
    """Two hours held back for EventBridge and ten seconds of spread are not four hours and twenty seconds."""
    thrown = launch(
        failures=(Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"),)
    )
    policy = replace(changed(deadline_s=3 * 3600), spread_s=10)
    done = run(
        thrown,
        SHORT,
        placed("t1"),
        policy=policy,
        background=background(event_age_s=7200, due=FAILED_AT),
        recover_errors=True,
    )
    assert done.ending.outcome is Outcome.RECOVERED
    assert 7200 < done.ending.elapsed_s < 7300


def calmed(operation: tuple[str, Any]) -> tuple[str, Any]:
    """Return an operation as it is if its step was not cut off."""
    name, result = operation
    return name, {k: v for k, v in result.items() if k != "again"} if isinstance(result, dict) else result


def without_last_looks(execution: VirtualExecution) -> list[tuple[str, Any]]:
    """Return the operations without the last looks that called nothing: one more if the one before was narrow."""
    operations = [calmed(one) for one in execution.operations]
    last = next((n for n, (name, _) in enumerate(operations) if name.startswith("notify")), len(operations))
    first = last
    while (
        first and operations[first - 1][0].startswith("run-task") and "calls" not in operations[first - 1][1]
    ):
        first -= 1
    return operations[:first] + operations[last:]


ANSWERS = st.sampled_from(
    [
        SHORT,
        SHORT,
        SHORT,
        THROTTLED,
        DENIED,
        INVALID,
        LOST,
        ATTRIBUTE,
        STRANGE,
        AGENT,
        placed("t1", missing=1),
    ]
)


@settings(max_examples=60)
@given(
    script=st.lists(ANSWERS, min_size=1, max_size=12),
    crashes=st.frozensets(st.integers(1, 60), max_size=5),
    kinds=st.permutations([RungKind.EACH_SUBNET, RungKind.ON_DEMAND, RungKind.CAPACITY_PROVIDERS]),
)
def test_whatever_ecs_says_and_whenever_it_dies_the_ladder_is_climbed_the_same_way(
    script: list[Answer], crashes: frozenset[int], kinds: list[RungKind]
) -> None:
    """An engine that remembers the operations of a run would fail it if a replay took another way.

    A crash may make a call twice, so that the script is one answer further; hence the calm run is asked with the
    answers that the other one remembered.
    """
    policy = changed(
        category=Category.CAPACITY,
        rungs=(RungKind.AS_ASKED, *kinds),
        capacity_providers=("spare", "FARGATE"),
        wait=Backoff(base_s=5, cap_s=40),
    )
    policy = changed(policy, deadline_s=300)
    moments = 0

    def cut_off(_execution: VirtualExecution, _name: str, _moment: CutPoint) -> bool:
        nonlocal moments
        moments += 1
        return moments in crashes

    value = on_spot(count=2)
    stirred = run(value, *script, policy=policy, cut_off=cut_off, restart_s=0, late_s=1)
    remembered = [
        wire.answer_from_json(answer)
        for _, result in stirred.execution.operations
        if isinstance(result, dict)
        for answer in result.get("calls", ())
    ]
    calm = run(value, *remembered, policy=policy, late_s=1)
    assert without_last_looks(stirred.execution) == without_last_looks(calm.execution)
    denied: list[dict[str, Any]] = []
    for body, answer in zip(calm.world.bodies, remembered, strict=False):
        plain = {k: v for k, v in body.items() if k not in ("clientToken", "count")}
        assert plain not in denied, "what ECS does not take was sent again"
        if answer in (DENIED, INVALID, ATTRIBUTE):
            denied.append(plain)


def test_an_attempt_costs_two_durable_operations() -> None:
    """Itself, with the look before it, and the wait after it. AWS takes 8 dollars for a million of them.

    Two attempts that follow each other at once cost no more than one.
    """
    done = run(launch(), SHORT, policy=changed(DEFAULT, deadline_s=1800))
    assert done.ending.outcome is Outcome.EXPIRED
    assert len(done.execution.operations) <= len(done.world.bodies) + 10


def test_a_caller_without_a_schedule_has_its_rules_too() -> None:
    policy = with_rule(Match(caller=frozenset({CallerKind.HAND_MADE})), attempts=1)
    done = run(launch(caller=Caller(kind=CallerKind.HAND_MADE)), SHORT, policy=policy)
    assert (done.ending.outcome, done.ending.rule) == (Outcome.EXPIRED, "mine")
    assert identity.client_token(CALL, 1) in done.tokens
