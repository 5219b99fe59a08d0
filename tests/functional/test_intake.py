"""Intake by itself: one start a launch, nothing lost beside a bad record, everything counted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import pytest

from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.starts import StartLimits
from retry_run_task.aws.telemetry import Telemetry
from retry_run_task.errors import StartError
from retry_run_task.intake import Counts, take_in
from retry_run_task.launch import wire
from retry_run_task.launch.values import FailedLaunch
from retry_run_task.policy.scope import Judgement, Scope
from support.paces import FakeTime
from support.records import (
    CAPACITY,
    EVENT_ID,
    HAND_MADE,
    awslogs,
    error_record,
    eventbridge,
    parameters,
    record,
)
from support.stacks import fresh


class Lambda:
    """Starts durable executions by AWS's rule of names; fails for the names it is told to."""

    def __init__(self, fails: Callable[[str], bool] = lambda _: False) -> None:
        self.started: dict[str, str] = {}
        self._fails = fails

    def start(self, name: str, payload: str) -> Started:
        if self._fails(name):
            raise ConnectionError("Lambda cannot be reached")
        if self.started.setdefault(name, payload) != payload:
            return Started.BEFORE
        return Started.ACCEPTED


def take(
    event: Any,
    functions: Lambda,
    stack: str = "s",
    start: Callable[[str, str], Started] | None = None,
    limits: StartLimits = StartLimits(),  # noqa: B008 - it is frozen
    judge: Scope | None = None,
    **scope: Any,
) -> tuple[Counts, list[dict[str, Any]]]:
    """Run intake, and return its counts with everything it wrote."""
    out = io.StringIO()
    with redirect_stdout(out):
        telemetry = Telemetry(stack=fresh(), request_id="r")
        try:
            counts = take_in(
                event,
                stack=stack,
                scope=judge or Scope(**scope),
                start=start or functions.start,
                telemetry=telemetry,
                limits=limits,
            )
        finally:
            telemetry.flush()
    return counts, [json.loads(line) for line in out.getvalue().splitlines()]


def metric(lines: list[dict[str, Any]], name: str) -> float:
    return sum(sum(line[name]) for line in lines if name in line)


def test_a_launch_is_started_by_the_name_of_its_stack_and_event_with_a_canonical_payload() -> None:
    functions = Lambda()
    counts, lines = take(awslogs(record()), functions)
    ((name, payload),) = functions.started.items()
    assert name == f"s-{EVENT_ID}"
    assert payload == wire.canonical(json.loads(payload))
    assert wire.launch_from_json(json.loads(payload)).event_id == EVENT_ID
    assert counts == Counts(started=1)
    (line,) = [line for line in lines if line.get("message") == "intake.started"]
    assert line["recovery"] == name
    assert line["reason"] == CAPACITY
    # Recover says which category that is; intake does not even load the table.
    assert "category" not in line
    assert line["started_by"] == "events-rule/nightly"


def test_the_second_arrival_is_the_same_recovery_with_the_same_payload() -> None:
    functions = Lambda()
    for event in (awslogs(record()), eventbridge(record()), awslogs(record())):
        take(event, functions)
    assert len(functions.started) == 1


def test_a_name_that_was_started_with_another_payload_is_started_already() -> None:
    """As it is when an upgrade has changed the payload's form between two deliveries."""
    functions = Lambda()
    functions.started[f"s-{EVENT_ID}"] = "{}"
    counts, _ = take(awslogs(record()), functions)
    assert counts == Counts(already_started=1)


def test_one_launch_that_cannot_be_started_keeps_no_other_from_it_and_raises_at_the_end() -> None:
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(4)]
    functions = Lambda(fails=lambda name: ids[1] in name)
    with pytest.raises(StartError, match=ids[1]) as raised:
        take(awslogs(*(record(eventID=i) for i in ids)), functions)
    assert raised.value.event_ids == (ids[1],)
    assert raised.value.hint
    assert sorted(functions.started) == [f"s-{i}" for i in ids if i != ids[1]]


def test_delivered_again_only_the_missing_one_is_new() -> None:
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(3)]
    broken = [True]
    functions = Lambda(fails=lambda name: broken[0] and ids[0] in name)
    event = awslogs(*(record(eventID=i) for i in ids))
    with pytest.raises(StartError):
        take(event, functions)
    before = dict(functions.started)
    broken[0] = False
    take(event, functions)
    assert {k: v for k, v in functions.started.items() if k in before} == before
    assert len(functions.started) == 3


def test_a_launch_that_cannot_even_be_named_keeps_no_other_from_it() -> None:
    class Odd(Scope):
        def judge(self, launch: FailedLaunch) -> Judgement:
            if launch.event_id.endswith("1"):
                raise RecursionError("nobody thought of this")
            return super().judge(launch)

    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(3)]
    functions = Lambda()
    with pytest.raises(StartError) as raised:
        take(awslogs(*(record(eventID=i) for i in ids)), functions, judge=Odd())
    assert raised.value.event_ids == (ids[1],)
    assert sorted(functions.started) == [f"s-{ids[0]}", f"s-{ids[2]}"]


def test_when_the_time_is_over_the_event_is_delivered_again_and_goes_on_further_on() -> None:
    """Three deliveries as Lambda makes them, each with time for less than half of the launches."""
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(100)]
    event = awslogs(*(record(eventID=i) for i in ids))
    functions = Lambda()
    for turn in (0.9, 0.9 + 1 / 3 - 1, 0.9 + 2 / 3 - 1):
        time = FakeTime()

        def slow(name: str, payload: str, time: FakeTime = time) -> Started:
            time.now += 7
            return functions.start(name, payload)

        limits = StartLimits(left_s=lambda time=time: 300 - time.now, turn=turn)  # type: ignore[misc]
        with pytest.raises(StartError) as raised:
            take(event, functions, start=slow, limits=limits)
        assert len(raised.value.event_ids) == 60
    assert len(functions.started) == 100


def test_a_throttle_is_waited_out_without_a_word_of_alarm() -> None:
    time = FakeTime()

    def busy(name: str, payload: str) -> Started:
        if time.now < 5:
            raise ConnectionError("Rate exceeded")
        return Started.ACCEPTED

    limits = StartLimits(workers=4, passes=lambda _: True, sleep=time.sleep)
    counts, lines = take(awslogs(record(), record(eventID="0" * 36)), Lambda(), start=busy, limits=limits)
    assert counts == Counts(started=2)
    assert {line.get("message") for line in lines} == {"intake.started", None}


def test_bad_records_are_lines_and_numbers_and_nothing_else() -> None:
    functions = Lambda()
    counts, lines = take(awslogs("[1]", record(), "{", record(request=parameters(count=11))), functions)
    assert counts == Counts(started=1, unparsed=3)
    unparsed = [line for line in lines if line.get("message") == "intake.unparsed"]
    assert len(unparsed) == metric(lines, "Unparsed") == 3
    assert all(line["why"] and line["where"] and line["level"] == "ERROR" for line in unparsed)


def test_a_payload_that_cannot_be_read_raises_nothing_since_delivering_it_again_would_not_help() -> None:
    counts, lines = take({"awslogs": {"data": "cut o"}}, Lambda())
    assert counts == Counts(unparsed=1)
    assert metric(lines, "Unparsed") == 1


@pytest.mark.parametrize(
    ("value", "scope", "why"),
    [
        (record(request=parameters(clientToken=f"rrt-{'0' * 32}-1")), {}, "already handles it"),
        (record(), {"role_arn": "arn:aws:iam::123456789012:role/ecsEventsRole"}, "already handles it"),
        (
            record(userAgent="batch.amazonaws.com", userIdentity={}, sourceIPAddress="batch.amazonaws.com"),
            {},
            "AWS Batch",
        ),
        (
            record(
                request=parameters(startedBy="AWS Step Functions"),
                userIdentity={},
                userAgent="",
                sourceIPAddress="",
            ),
            {},
            "Step Functions",
        ),
        (
            record(
                request=parameters(startedBy="me"), userIdentity={}, userAgent="aws-cli", sourceIPAddress=""
            ),
            {},
            "an SDK",
        ),
        (HAND_MADE, {"callers": frozenset({"rule"})}, "by hand"),
        (record(), {"account": "210987654321"}, "account 123456789012"),
        (record(), {"account": "210987654321", "accounts": ("333333333333",)}, "210987654321, 333333333333"),
        (
            record(),
            {"account": "210987654321", "accounts": ("123456789012",), "member_role": "ecsEventsRole"},
            "already handles it",
        ),
        (
            record(),  # The stack's own account is listed among the members.
            {
                "account": "123456789012",
                "accounts": ("123456789012",),
                "member_role": "m",
                "role_arn": "arn:aws:iam::123456789012:role/ecsEventsRole",
            },
            "already handles it",
        ),
        (record(), {"regions": ("us-east-1",)}, "ap-northeast-1"),
        (record(), {"clusters": ("prod-*",)}, "cluster 'batch'"),
        (record(request=parameters(cluster=None)), {"clusters": ("batch",)}, "cluster 'default'"),
        (record(), {"task_definitions": ("weekly", "nightly:8")}, "task definition 'nightly'"),
        (error_record("ThrottlingException", "Rate exceeded"), {}, "retries itself"),
        (error_record("ServerException", "Service Unavailable"), {}, "retries itself"),
    ],
)
def test_what_is_left_alone_has_a_line_that_says_why(value: Any, scope: dict[str, Any], why: str) -> None:
    functions = Lambda()
    counts, lines = take(awslogs(value), functions, **scope)
    assert counts == Counts(ignored=1)
    assert functions.started == {}
    (line,) = [line for line in lines if line.get("message") == "intake.ignored"]
    assert why in line["why"]
    assert metric(lines, "Ignored") == 1


@pytest.mark.parametrize(
    "scope",
    [
        {"clusters": ("ba*",)},
        {"clusters": ("x", "arn:aws:ecs:*:*:cluster/batch")},
        {"task_definitions": ("nightly:7",)},
        {"task_definitions": ("*:task-definition/night*",)},
        {"account": "123456789012", "regions": ("us-east-1", "ap-northeast-1")},
        {"callers": frozenset({"rule", "other"})},
        {"account": "210987654321", "accounts": ("333333333333", "123456789012"), "member_role": "m"},
        # A role is our own by the whole of its ARN, in an account that is looked after from elsewhere.
        {"account": "210987654321", "accounts": ("123456789012",), "member_role": "EventsRole"},
        {"account": "123456789012", "accounts": ("333333333333",), "member_role": "ecsEventsRole"},
        {"account": "123456789012", "role_arn": "arn:aws:iam::333333333333:role/ecsEventsRole"},
    ],
)
def test_what_matches_is_taken_in(scope: dict[str, Any]) -> None:
    counts, _ = take(awslogs(record()), Lambda(), **scope)
    assert counts == Counts(started=1)


@pytest.mark.parametrize(
    ("code", "message", "request_parameters"),
    [
        ("AccessDenied", "not authorized", None),
        ("AccessDeniedException", "not authorized", parameters()),
        ("ClusterNotFoundException", "Cluster not found.", parameters()),
        ("SomethingNewException", "who knows", parameters()),
    ],
)
def test_an_error_that_only_a_person_can_mend_is_reported_once_a_day(
    code: str, message: str, request_parameters: Any
) -> None:
    functions = Lambda()
    for minute in range(3):
        value = error_record(
            code,
            message,
            requestParameters=request_parameters,
            eventTime=f"2026-11-24T00:0{minute}:00Z",
            eventID=f"00000000-0000-4000-8000-{minute:012}",
        )
        take(awslogs(value), functions)
    assert len(functions.started) == 1


def test_text_that_no_encoding_takes_is_replaced_in_what_aws_says_and_refused_in_a_request() -> None:
    """No call can have had it, and a message with it could not be sent."""
    functions = Lambda()
    answer = {"tasks": [], "failures": [{"reason": "Capacity \ud800夜"}]}
    counts, lines = take(awslogs(record(responseElements=answer)), functions)
    assert counts.started == 1
    assert lines
    (payload,) = functions.started.values()
    assert wire.launch_from_json(json.loads(payload)).failures[0].reason == "Capacity \ufffd夜"
    counts, _ = take(awslogs(record(request=parameters(startedBy="events-rule/\ud800夜"))), Lambda())
    assert counts == Counts(unparsed=1)


THROTTLED = error_record("ThrottlingException", "Rate exceeded")


def test_errors_that_pass_are_recovered_only_if_asked_for_each_by_its_own_name() -> None:
    """Which of them are tries of one run is known when the schedule is found; their client tokens are the run's."""
    functions = Lambda()
    for minute in range(3):
        again = THROTTLED | {
            "eventTime": f"2026-11-24T00:0{minute}:00Z",
            "eventID": f"00000000-0000-4000-8000-{minute:012}",
        }
        take(awslogs(again), functions, recover_errors=True)
    launches = [wire.launch_from_json(json.loads(payload)) for payload in functions.started.values()]
    assert [launch.failures[0].code for launch in launches] == ["ThrottlingException"] * 3


@pytest.mark.parametrize("recover_errors", [True, False])
def test_a_request_that_aws_did_not_record_is_not_recovered_after_an_error(recover_errors: bool) -> None:
    unknown = error_record("ThrottlingException", "Rate exceeded", requestParameters=None)
    counts, _ = take(awslogs(unknown), Lambda(), recover_errors=recover_errors)
    assert counts == Counts(ignored=1)


def interrupted(**changes: Any) -> dict[str, Any]:
    task = {
        "taskArn": "arn:aws:ecs:ap-northeast-1:123456789012:task/batch/0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d",
        "clusterArn": parameters()["cluster"],
        "taskDefinitionArn": parameters()["taskDefinition"],
        "startedBy": "events-rule/nightly",
        "lastStatus": "STOPPED",
        "startedAt": "2026-11-24T00:01:00Z",
        "stoppedAt": "2026-11-24T00:03:00Z",
        "stopCode": "SpotInterruption",
        "stoppedReason": "Your Spot Task was interrupted.",
    }
    return eventbridge(task | changes, **{"detail-type": "ECS Task State Change"})


@pytest.mark.parametrize(("asked_for", "counts"), [(False, Counts(ignored=1)), (True, Counts(started=1))])
def test_a_task_that_spot_took_away_is_started_again_only_if_asked_for(
    asked_for: bool, counts: Counts
) -> None:
    """It had begun to work: whether it may work twice is for its owner to say."""
    assert take(interrupted(), Lambda(), spot_interruptions=asked_for)[0] == counts


OUR_MARK = "retry-run-task/0123456789ab"


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        ({"startedBy": f"events-rule/nightly/{OUR_MARK}"}, "events-rule/nightly"),
        ({"startedBy": f"chronos-schedule/nightly/{OUR_MARK}"}, "chronos-schedule/nightly"),
        # Its recovery watches until it runs.
        ({"startedBy": f"events-rule/nightly/{OUR_MARK}", "startedAt": None}, None),
        ({"startedBy": f"events-rule/nightly/{OUR_MARK}", "stopCode": "EssentialContainerExited"}, None),
        ({"startedBy": f"events-rule/nightly/{OUR_MARK}", "lastStatus": "DEPROVISIONING"}, None),
        ({"startedBy": OUR_MARK}, None),
    ],
)
def test_spot_takes_a_recoverys_own_task_after_that_recovery_is_over(
    changes: dict[str, Any], started: str | None
) -> None:
    """Interruptions come in series. It is a launch of its own, with the mark that the first call had."""
    functions = Lambda()
    for _ in range(2):
        take(interrupted(**changes), functions, spot_interruptions=True)
    launches = [json.loads(payload) for payload in functions.started.values()]
    assert [launch["request"]["startedBy"] for launch in launches] == ([started] if started else [])
    assert [launch["event_id"] for launch in launches] == ["t-0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d"] * len(
        launches
    )
    assert take(interrupted(**changes), Lambda())[0] == Counts(ignored=1)


@pytest.mark.parametrize(
    ("accounts", "counts"), [((), Counts(ignored=1)), (("210987654321",), Counts(started=1))]
)
def test_an_event_that_another_account_forwards_is_of_that_account(
    accounts: tuple[str, ...], counts: Counts
) -> None:
    functions = Lambda()
    event = interrupted(stopCode="TaskFailedToStart", startedAt=None) | {"account": "210987654321"}
    assert take(event, functions, account="123456789012", accounts=accounts)[0] == counts
    for payload in functions.started.values():
        assert json.loads(payload)["account"] == "210987654321"


def test_a_task_that_ran_and_failed_is_never_started_again() -> None:
    for code in ("EssentialContainerExited", "UserInitiated"):
        counts, _ = take(interrupted(stopCode=code), Lambda(), spot_interruptions=True)
        assert counts == Counts(ignored=1)


# --- Line by line ---

ABOUT = {
    "event_id": EVENT_ID,
    "account": "123456789012",
    "region": "ap-northeast-1",
    "caller": "rule",
    "cluster": "batch",
    "task_definition": parameters()["taskDefinition"],
    "started_by": "events-rule/nightly",
}
STARTED = ABOUT | {"reason": CAPACITY, "recovery": f"s-{EVENT_ID}"}


def told(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the log lines without what every line has."""
    always = {"timestamp", "service", "version", "function_request_id"}
    return [{k: v for k, v in line.items() if k not in always} for line in lines if "message" in line]


@pytest.mark.parametrize(
    ("event", "scope", "before", "line", "counted"),
    [
        (
            awslogs(record()),
            {},
            {},
            {"level": "INFO", "message": "intake.started", "why": "an EventBridge rule asked for this task"}
            | STARTED,
            "TakenIn",
        ),
        (
            awslogs(record()),
            {},
            {f"s-{EVENT_ID}": "{}"},
            {"level": "INFO", "message": "intake.already_started"} | STARTED,
            "TakenIn",
        ),
        (
            awslogs(record()),
            {"regions": ("us-east-1",)},
            {},
            {
                "level": "INFO",
                "message": "intake.ignored",
                "why": "it happened in ap-northeast-1, and this stack recovers us-east-1 only",
            }
            | ABOUT,
            "Ignored",
        ),
        (
            awslogs(record(eventName="StopTask")),
            {},
            {},
            {
                "level": "INFO",
                "message": "intake.ignored",
                "why": "it is not a record of an ECS RunTask call",
                "event_id": EVENT_ID,
            },
            "Ignored",
        ),
        (
            eventbridge(None, id="6f87"),
            {},
            {},
            {
                "level": "ERROR",
                "message": "intake.unparsed",
                "why": "it has no detail, which would be the CloudTrail record",
                "where": "EventBridge event 6f87",
            },
            "Unparsed",
        ),
    ],
)
def test_what_is_told_of_a_record(
    event: Any, scope: dict[str, Any], before: dict[str, str], line: dict[str, Any], counted: str
) -> None:
    functions = Lambda()
    functions.started |= before
    _, lines = take(event, functions, **scope)
    assert told(lines) == [line]
    assert metric(lines, counted) == 1
    assert sum(metric(lines, name) for name in ("TakenIn", "Ignored", "Unparsed", "NotStarted")) == 1


def test_an_error_that_is_only_reported_has_the_name_of_its_cause() -> None:
    functions = Lambda()
    _, lines = take(awslogs(error_record("AccessDeniedException", "no")), functions)
    (name,) = functions.started
    assert name.startswith("s-report-20261124-")
    (line,) = told(lines)
    assert line["recovery"] == name
    assert line["reason"] == "AccessDeniedException: no"


class Broken(Scope):
    """Raises as a parser does that meets what nobody thought of: with the text that it could not read."""

    def judge(self, launch: FailedLaunch) -> Judgement:
        raise ValueError(f"cannot read PASSWORD=canary in {launch.event_id}")


def test_what_the_judgement_of_a_record_raises_is_told_by_its_type_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = Telemetry(stack=fresh(), request_id="r")
    with pytest.raises(StartError):
        take_in(awslogs(record()), stack="s", scope=Broken(), start=Lambda().start, telemetry=telemetry)
    telemetry.flush()
    out = capsys.readouterr().out
    assert "canary" not in out
    (line,) = told([json.loads(one) for one in out.splitlines()])
    assert (line["event_id"], line["error_type"], line["error"]) == (EVENT_ID, "ValueError", "")


@pytest.mark.parametrize(("number", "more"), [(1, ""), (10, ""), (11, ", ...")])
def test_what_could_not_be_started_is_told_and_named(
    number: int, more: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(number)]
    telemetry = Telemetry(stack=fresh(), request_id="r")
    with pytest.raises(StartError) as raised:
        take_in(
            awslogs(*(record(eventID=one) for one in ids)),
            stack="s",
            scope=Scope(),
            start=Lambda(fails=lambda _: True).start,
            telemetry=telemetry,
        )
    telemetry.flush()
    hint = "Lambda delivers the event again; if that does not help, it goes to the dead-letter queue."
    assert str(raised.value) == (
        f"{number} of the failed launches in this event have no recovery yet: "
        f"{', '.join(ids[:10])}{more}. {hint}"
    )
    assert (raised.value.event_ids, raised.value.hint) == (tuple(ids), hint)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert metric(lines, "NotStarted") == number
    assert told(lines)[0] == ABOUT | {
        "level": "ERROR",
        "message": "intake.not_started",
        "event_id": ids[0],
        "reason": CAPACITY,
        "recovery": f"s-{ids[0]}",
        "error_type": "ConnectionError",
        "error": "Lambda cannot be reached",
    }
