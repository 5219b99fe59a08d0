"""What a recovery sees of AWS through the port, whatever AWS answers: real clients and prepared answers over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError

from retry_run_task.aws import members
from retry_run_task.aws.faults import CannotAssumeError, attempt, failure_of, sentence
from retry_run_task.aws.port import LiveAwsPort, Survey, survey
from retry_run_task.failures.classify import classify
from retry_run_task.launch import names
from retry_run_task.launch.request import HIDDEN, family, rebuild
from retry_run_task.launch.schedule import EVERYTHING_ELSE, NoMatch, Tags
from retry_run_task.launch.values import (
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
    Refused,
    Request,
)
from retry_run_task.local.server import AwsError, HttpResponse
from retry_run_task.messages.message import Message, Severity
from retry_run_task.recovery.ports import Background
from support.canned import Canned, denied
from support.paces import FakeTime, no_wait
from support.records import CLUSTER, RULE_ROLE, TASK_DEFINITION, launch, parameters

TOPIC = "arn:aws:sns:eu-central-2:123456789012:port"
# A Region of this module's own: clients are made once, and keep the endpoint they were made with.
REGION = "eu-central-2"
GROUP = "arn:aws:scheduler:eu-central-2:123456789012:schedule/batch/nightly"
AT = datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)
SECRET = "hunter2-canary"
OVERRIDES = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": SECRET}]}]}

# What an answer of HTTP 200 may hold instead of what it should.
NO_ANSWERS = {
    "empty": b"",
    "an object with nothing in it": b"{}",
    "cut off": b'{"taskArns": ["arn:aws:ecs:eu-cent',
    "a page of a proxy": b"<html>sign in first</html>",
    "another kind of value": json.dumps(
        dict.fromkeys(
            ("EventBuses", "RuleNames", "Targets", "Schedules", "taskArns", "tasks", "Tags", "tags"), 7
        )
    ).encode(),
    "a list": b"[]",
    "nothing known": b"null",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Canned]:
    with Canned() as aws:
        yield aws


@pytest.fixture
def aws(endpoint: Canned, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    """An AWS with one rule and one schedule, both untagged, and no task."""
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session())
    endpoint.calls.clear()
    endpoint.regions.clear()
    endpoint.answers = {
        "events:ListEventBuses": {"EventBuses": [{"Name": "default"}]},
        "events:ListRuleNamesByTarget": {"RuleNames": ["nightly"]},
        "events:DescribeRule": rule(),
        "events:ListTargetsByRule": {"Targets": [{"Id": "1", **target()}]},
        "events:ListTagsForResource": {"Tags": []},
        "scheduler:ListSchedules": {"Schedules": [summary("nightly")]},
        "scheduler:GetSchedule": schedule(),
        "scheduler:ListTagsForResource": {"Tags": []},
        "ecs:ListTagsForResource": {"tags": []},
        "ecs:ListTasks": {"taskArns": []},
        "ecs:DescribeTasks": {"tasks": [], "failures": []},
        "sns:Publish": {"MessageId": "1"},
    }
    # The client of STS has no Region of its own: it is that of whoever asked first in this process.
    sts: Any = members._sts
    sts.forget()
    yield endpoint
    sts.forget()


def rule(name: str = "nightly", **changes: Any) -> dict[str, Any]:
    arn = f"arn:aws:events:{REGION}:123456789012:rule/{name}"
    return {"Name": name, "Arn": arn, "ScheduleExpression": "cron(0 0 * * ? *)", "State": "ENABLED"} | changes


def target(**changes: Any) -> dict[str, Any]:
    asked = {
        "TaskDefinitionArn": TASK_DEFINITION,
        "TaskCount": 1,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {
            "awsvpcConfiguration": {
                "Subnets": ["subnet-a", "subnet-c"],
                "SecurityGroups": ["sg-0123"],
                "AssignPublicIp": "DISABLED",
            }
        },
    }
    return {
        "Arn": CLUSTER,
        "RoleArn": RULE_ROLE,
        "Input": json.dumps(OVERRIDES),
        "EcsParameters": asked,
    } | changes


def summary(name: str) -> dict[str, Any]:
    return {"Name": name, "GroupName": "batch", "Target": {"Arn": CLUSTER}}


def schedule(**changes: Any) -> dict[str, Any]:
    timing = {"ScheduleExpression": "cron(0 0 * * ? *)", "State": "ENABLED"}
    return {"Name": "nightly", "GroupName": "batch", "Arn": GROUP, "Target": target(), **timing} | changes


def hidden(kind: CallerKind = CallerKind.RULE, **changes: Any) -> FailedLaunch:
    """Return a launch of which CloudTrail hid the environment."""
    started_by = {CallerKind.RULE: "events-rule/nightly", CallerKind.SCHEDULER: "chronos-schedule/nightly"}[
        kind
    ]
    over = {"containerOverrides": [{"name": "app", "environment": HIDDEN}]}
    asked = rebuild(parameters(startedBy=started_by, overrides=over))
    caller = Caller(kind=kind, role_arn=RULE_ROLE)
    return replace(launch(), region=REGION, caller=caller, request=asked, **changes)


def world(role: members.Role | None = None) -> LiveAwsPort:
    return LiveAwsPort(TOPIC, lambda: 0.0, no_wait(), role)


MESSAGE = Message(
    subject="s",
    plain_subject="s",
    text="t",
    chat=None,
    severity=Severity.ERROR,
    outcome=Outcome.EXPIRED,
)
RULE_READS = (
    "events:ListEventBuses",
    "events:ListRuleNamesByTarget",
    "events:DescribeRule",
    "events:ListTargetsByRule",
)
SCHEDULE_READS = ("scheduler:ListSchedules", "scheduler:GetSchedule")
FIND = [
    *((action, CallerKind.RULE) for action in (*RULE_READS, "events:ListTagsForResource")),
    *((action, CallerKind.SCHEDULER) for action in (*SCHEDULE_READS, "scheduler:ListTagsForResource")),
    ("ecs:ListTagsForResource", CallerKind.RULE),
]


def category(failure: object) -> Category:
    assert isinstance(failure, Failure), failure
    return classify(failure).category


def test_what_can_be_read_is_found(aws: Canned) -> None:
    """The control of everything below."""
    for kind in (CallerKind.RULE, CallerKind.SCHEDULER):
        found, whole = world().find_schedule(hidden(kind)), world().complete(hidden(kind))
        assert isinstance(found, Background)
        assert (found.name, found.is_scheduled) == ("nightly", True)
        assert found.next_due == datetime(2026, 11, 25, tzinfo=UTC).timestamp()
        assert isinstance(whole, Request)
        assert whole.parameters["overrides"] == OVERRIDES
    assert world().look(hidden(), original=True) == ()
    assert world().watch(hidden(), ("arn",)) == ()
    assert world().notify(MESSAGE) is None


ASKED: dict[str, Callable[[FailedLaunch], Any]] = {
    "find": lambda value: world().find_schedule(value),
    "complete": lambda value: world().complete(value),
    "look": lambda value: world().look(value, original=True),
    "earlier": lambda value: world().earlier(value),
    "watch": lambda value: world().watch(value, ("arn",)),
    "run": lambda value: world().run_task(value, {"taskDefinition": "nightly", "clientToken": "t"}),
    "stop": lambda value: world().stop(value, "arn", why="it hangs"),
    "survey": survey,
}


@pytest.mark.parametrize("kind", [CallerKind.RULE, CallerKind.SCHEDULER])
@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_aws_is_asked_in_the_region_of_the_launch(aws: Canned, ask: Any, kind: CallerKind) -> None:
    """The function's own Region is another."""
    aws.answers["ecs:RunTask"] = {"tasks": [], "failures": []}
    aws.answers["ecs:StopTask"] = {"task": {}}
    assert boto3.Session().region_name not in (None, REGION)
    ask(hidden(kind))
    assert set(aws.regions) == {REGION}


@pytest.mark.parametrize(("action", "kind"), FIND)
@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_no_answer_is_no_schedule_that_is_gone_and_no_absent_tag(
    aws: Canned, action: str, kind: CallerKind, body: bytes
) -> None:
    aws.answers[action] = HttpResponse(body=body)
    found, whole = world().find_schedule(hidden(kind)), world().complete(hidden(kind))
    assert category(found) is Category.TRANSIENT
    if "Tags" not in action:
        assert category(whole) is Category.TRANSIENT
    assert SECRET not in f"{found}{whole if isinstance(whole, Failure) else ''}"


@pytest.mark.parametrize("action", ["ecs:ListTasks", "ecs:DescribeTasks"])
@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_no_answer_is_no_sight_of_tasks(aws: Canned, action: str, body: bytes) -> None:
    aws.answers["ecs:ListTasks"] = {"taskArns": ["arn"]}
    aws.answers[action] = HttpResponse(body=body)
    seen = [world().look(hidden(), original=True)]
    if action == "ecs:DescribeTasks":
        seen.append(world().watch(hidden(), ("arn",)))
    assert {one.code for one in seen if isinstance(one, Failure)} == {"ResponseParserError"}


@pytest.mark.parametrize("body", [b"", b"<html/>", b"<PublishResponse/>", b"{}", b"<Publish"])
def test_a_message_counts_as_sent_only_if_sns_says_so(aws: Canned, body: bytes) -> None:
    aws.answers["sns:Publish"] = HttpResponse(body=body)
    said = world().notify(MESSAGE)
    assert said is not None
    assert "cannot be read" in said


def test_without_a_topic_nothing_is_published_and_nothing_is_wrong(aws: Canned) -> None:
    assert LiveAwsPort("", lambda: 0.0, no_wait()).notify(MESSAGE) is None
    assert aws.calls == []


def test_a_role_that_is_refused_without_a_code_has_none(aws: Canned) -> None:
    body = b"<ErrorResponse><Error><Message>no</Message></Error></ErrorResponse>"
    aws.answers["sts:AssumeRole"] = HttpResponse(status=400, body=body)
    role = members.Role(arn="arn:aws:iam::210000000007:role/m", external_id="night", session="night")
    assert members.enter(role) == Failure(origin=Origin.ERROR, code="", reason="no")


def test_a_role_that_sts_gives_no_credentials_of_cannot_be_taken(aws: Canned) -> None:
    """Whatever is asked, nothing is raised, and it may be asked again."""
    for body in (b"", b"<html/>", b"<AssumeRoleResponse/>"):
        aws.answers["sts:AssumeRole"] = HttpResponse(body=body)
        role = members.Role(arn="arn:aws:iam::210000000006:role/m", external_id="night", session="night")
        assert category(members.enter(role)) is Category.TRANSIENT
        there = world(role)
        assert category(there.find_schedule(hidden())) is Category.TRANSIENT
        assert category(there.complete(hidden())) is Category.TRANSIENT
        assert category(there.look(hidden(), original=True)) is Category.TRANSIENT
        assert category(there.watch(hidden(), ("arn",))) is Category.TRANSIENT
        answer = there.run_task(hidden(), {"taskDefinition": "nightly", "clientToken": "t"})
        assert isinstance(answer, Refused)


def test_an_answer_of_run_task_that_is_none_may_have_started_something(aws: Canned) -> None:
    for body in NO_ANSWERS.values():
        aws.answers["ecs:RunTask"] = HttpResponse(body=body)
        answer = world().run_task(hidden(), {"taskDefinition": "nightly", "clientToken": "t"})
        assert isinstance(answer, Lost)
        assert category(answer.failure) is Category.TRANSIENT


@pytest.mark.parametrize("action", [*SCHEDULE_READS, "events:ListRuleNamesByTarget", "events:DescribeRule"])
def test_a_missing_permission_is_told_apart_from_what_passes(aws: Canned, action: str) -> None:
    aws.answers[action] = denied(action)
    kind = CallerKind.SCHEDULER if action.startswith("scheduler") else CallerKind.RULE
    for read in (world().find_schedule(hidden(kind)), world().complete(hidden(kind))):
        if isinstance(read, NoMatch):
            assert "event bus default cannot be read" in read.why
            assert action in read.why
            assert "exists any more" not in read.why
        else:
            assert category(read) is Category.PERMISSION


@pytest.mark.parametrize(
    ("action", "kind", "what"),
    [
        ("events:ListTagsForResource", CallerKind.RULE, "rule nightly"),
        ("scheduler:ListTagsForResource", CallerKind.SCHEDULER, "schedule group batch"),
        ("ecs:ListTagsForResource", CallerKind.RULE, "nightly:7"),
    ],
)
def test_tags_that_may_not_be_read_are_named_and_keep_nobody_waiting(
    aws: Canned, action: str, kind: CallerKind, what: str
) -> None:
    aws.answers[action] = denied(action)
    found = world().find_schedule(hidden(kind))
    assert isinstance(found, Background)
    (unread,) = found.tags.unread
    assert unread.startswith(f"the tags of {what} cannot be read: ListTagsForResource failed: AccessDenied")


@pytest.mark.parametrize("ask", [world().find_schedule, survey], ids=["find", "survey"])
def test_tags_count_where_no_schedule_is_found_as_well(aws: Canned, ask: Any) -> None:
    aws.answers["events:ListRuleNamesByTarget"] = {"RuleNames": []}
    tagged(aws, "ecs:ListTagsForResource", {"retry-run-task:ignore": "true"})
    found = ask(hidden())
    found = found.found if isinstance(found, Survey) else found
    assert found == NoMatch(why=GONE, tags=Tags(ignore=True), is_role_used=found.is_role_used)


def test_unread_tags_count_where_no_schedule_is_found_as_well(aws: Canned) -> None:
    aws.answers["events:ListRuleNamesByTarget"] = {"RuleNames": []}
    assert isinstance(world().find_schedule(hidden()), NoMatch)
    aws.answers["ecs:ListTagsForResource"] = HttpResponse(body=b"")
    assert category(world().find_schedule(hidden())) is Category.TRANSIENT


# One bus hides nothing but its own rules.


@pytest.fixture
def buses(aws: Canned) -> Callable[..., None]:
    """Say what each bus answers when it is asked for the names of its rules."""

    def answer(**by_bus: Any) -> None:
        aws.answers["events:ListEventBuses"] = {"EventBuses": [{"Name": name} for name in by_bus]}
        aws.answers["events:ListRuleNamesByTarget"] = lambda call: by_bus[call["EventBusName"]]

    return answer


NAMES: dict[str, Any] = {"RuleNames": ["nightly"]}
NONE: dict[str, Any] = {"RuleNames": []}


@pytest.mark.usefixtures("aws")
def test_a_bus_that_may_not_be_read_hides_only_its_own_rules(buses: Callable[..., None]) -> None:
    buses(default=NAMES, orders=denied("kms:Decrypt"))
    assert isinstance(world().find_schedule(hidden()), Background)
    assert isinstance(world().complete(hidden()), Request)
    buses(orders=denied("kms:Decrypt"), default=NONE, others=NAMES)
    found = world().find_schedule(hidden())
    assert isinstance(found, Background), found


@pytest.mark.usefixtures("aws")
def test_a_rule_that_is_not_found_may_be_on_a_bus_that_is_named(buses: Callable[..., None]) -> None:
    buses(default=NONE, orders=denied("kms:Decrypt"))
    found = world().find_schedule(hidden())
    assert isinstance(found, NoMatch)
    assert "the rules of event bus orders cannot be read (ListRuleNamesByTarget failed: Access" in found.why
    assert "kms:Decrypt" in found.why
    buses(default=NONE)
    found = world().find_schedule(hidden())
    assert isinstance(found, NoMatch)
    assert "cannot be read" not in found.why


@pytest.mark.usefixtures("aws")
def test_a_bus_that_cannot_be_read_now_is_read_again_later(buses: Callable[..., None]) -> None:
    """It may hold a second rule that could have made the call."""
    buses(default=NAMES, orders=HttpResponse(body=b""))
    assert category(world().find_schedule(hidden())) is Category.TRANSIENT


@pytest.mark.usefixtures("aws")
def test_two_rules_on_two_buses_are_not_one(buses: Callable[..., None]) -> None:
    buses(default=NAMES, orders=NAMES)
    found = world().find_schedule(hidden())
    assert isinstance(found, NoMatch)
    assert found.why.startswith("2 rules or schedules could have made this call")


def test_without_the_list_of_buses_the_default_one_is_read(aws: Canned) -> None:
    aws.answers["events:ListEventBuses"] = denied("events:ListEventBuses")
    assert isinstance(world().find_schedule(hidden()), Background)
    aws.answers["events:ListRuleNamesByTarget"] = NONE
    found = world().find_schedule(hidden())
    assert isinstance(found, NoMatch)
    assert "the event buses cannot be listed (ListEventBuses failed: AccessDenied" in found.why


# Listings are read to their end, and what is gone meanwhile is gone.


def test_the_second_page_of_rules_targets_and_buses_is_read(aws: Canned) -> None:
    pages: dict[str, tuple[str, list[Any]]] = {
        "events:ListEventBuses": ("EventBuses", [{"Name": "orders"}, {"Name": "default"}]),
        "events:ListRuleNamesByTarget": ("RuleNames", ["nightly-other", "nightly"]),
        "events:ListTargetsByRule": (
            "Targets",
            [{"Id": "1", "Arn": "arn:aws:sqs:::q"}, {"Id": "2", **target()}],
        ),
    }

    def paged(member: str, items: list[Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def page(call: dict[str, Any]) -> dict[str, Any]:
            nth = int(call.get("NextToken", 0))
            if member == "RuleNames" and call["EventBusName"] == "orders":
                return {member: []}
            return {member: items[nth : nth + 1], **({"NextToken": "1"} if nth == 0 else {})}

        return page

    aws.answers |= {action: paged(*page) for action, page in pages.items()}
    aws.answers["events:DescribeRule"] = lambda call: rule(call["Name"])
    found = world().find_schedule(hidden())
    assert isinstance(found, Background)
    assert found.name == "nightly"


def test_a_rule_or_schedule_that_is_deleted_while_it_is_read_is_gone(aws: Canned) -> None:
    aws.answers["events:ListRuleNamesByTarget"] = {"RuleNames": ["nightly", "nightly-2"]}
    aws.answers["events:DescribeRule"] = lambda call: (
        rule()
        if call["Name"] == "nightly"
        else AwsError("ResourceNotFoundException", "Rule nightly-2 does not exist")
    )
    assert isinstance(world().find_schedule(hidden()), Background)
    aws.answers["scheduler:GetSchedule"] = AwsError(
        "ResourceNotFoundException", "Schedule nightly does not exist", 404
    )
    found = world().find_schedule(hidden(CallerKind.SCHEDULER))
    assert isinstance(found, NoMatch)
    assert "no rule or schedule has this role" in found.why


def test_what_is_read_of_a_rule_is_read_on_its_bus(aws: Canned) -> None:
    """Another bus may have a rule of the same name; one that is deleted meanwhile hides no rule behind it."""
    aws.answers["events:ListEventBuses"] = {"EventBuses": [{"Name": "default"}, {"Name": "orders"}]}
    names_on = {"default": [], "orders": ["nightly-gone", "nightly"]}
    gone = AwsError("ResourceNotFoundException", "It does not exist")

    def on_orders(answer: Any) -> Callable[[dict[str, Any]], Any]:
        return lambda call: (
            answer
            if call.get("EventBusName") == "orders" and "nightly" in (call.get("Name"), call.get("Rule"))
            else gone
        )

    aws.answers["events:ListRuleNamesByTarget"] = lambda call: {"RuleNames": names_on[call["EventBusName"]]}
    aws.answers["events:DescribeRule"] = on_orders(rule())
    aws.answers["events:ListTargetsByRule"] = on_orders({"Targets": [{"Id": "1", **target()}]})
    found = world().find_schedule(hidden())
    assert isinstance(found, Background)
    assert found.name == "nightly"


@pytest.mark.parametrize(("rules", "targets"), [(2, 1), (1, 2)])
def test_two_rules_on_a_bus_or_two_targets_of_a_rule_are_not_one(
    aws: Canned, rules: int, targets: int
) -> None:
    """The names are cut in the mark of the call, so that both begin with what is left of it."""
    rule_names = [f"every-night-at-twelve-o-clock-{nth}" for nth in range(rules)]
    mark = f"events-rule/{rule_names[0]}"[:36]
    called = replace(hidden(), request=Request(parameters=parameters(startedBy=mark)))
    aws.answers["events:ListRuleNamesByTarget"] = {"RuleNames": rule_names}
    aws.answers["events:DescribeRule"] = lambda call: rule(call["Name"])
    both = [{"Id": str(nth), **target()} for nth in range(targets)]
    aws.answers["events:ListTargetsByRule"] = {"Targets": both}
    found = world().find_schedule(called)
    assert isinstance(found, NoMatch)
    assert found.why.startswith("2 rules or schedules could have made this call")


def test_for_a_call_of_nobody_s_schedule_only_tags_are_read(aws: Canned) -> None:
    for kind in (CallerKind.HAND_MADE, CallerKind.OTHER):
        assert isinstance(world().find_schedule(replace(hidden(), caller=Caller(kind=kind))), NoMatch)
    assert set(aws.calls) == {"ecs:ListTagsForResource"}


def test_too_many_schedules_are_no_match_for_good(aws: Canned) -> None:
    aws.answers["scheduler:ListSchedules"] = {"Schedules": [summary(f"nightly{n}") for n in range(201)]}
    found = world().find_schedule(hidden(CallerKind.SCHEDULER))
    assert isinstance(found, NoMatch)
    assert "more than 200 schedules" in found.why
    assert found.is_role_used
    # A role that none of them calls with proves nothing.
    other = Caller(kind=CallerKind.SCHEDULER, role_arn=f"{RULE_ROLE}2")
    found = world().find_schedule(replace(hidden(CallerKind.SCHEDULER), caller=other))
    assert isinstance(found, NoMatch)
    assert "more than 200 schedules" in found.why
    assert not found.is_role_used


def test_of_a_claimed_caller_it_is_told_whether_a_schedule_uses_its_role(aws: Canned) -> None:
    """Several that could have made the call are as good as one for that; one with another role is none."""
    claimed = hidden(CallerKind.SCHEDULER)
    aws.answers["scheduler:ListSchedules"] = {"Schedules": [summary("nightly"), summary("nightly")]}
    found = world().find_schedule(claimed)
    assert isinstance(found, NoMatch)
    assert found.is_role_used
    other = target(RoleArn="arn:aws:iam::123456789012:role/other")
    aws.answers["scheduler:GetSchedule"] = schedule(Target=other)
    found = world().find_schedule(claimed)
    assert isinstance(found, NoMatch)
    assert not found.is_role_used
    aws.answers["scheduler:GetSchedule"] = schedule(Target={**other, "RoleArn": None})
    del aws.answers["scheduler:GetSchedule"]["Target"]["RoleArn"]  # type: ignore[index]
    found = world().find_schedule(replace(claimed, caller=Caller(kind=CallerKind.SCHEDULER)))
    assert isinstance(found, NoMatch | Background)
    assert isinstance(found, Background) or not found.is_role_used


# What the schedule says of the run.


@pytest.mark.parametrize("kind", [CallerKind.RULE, CallerKind.SCHEDULER])
def test_a_schedule_that_is_off_has_no_next_run(aws: Canned, kind: CallerKind) -> None:
    """Its last run is not overtaken by one that never comes."""
    aws.answers["events:DescribeRule"] = rule(State="DISABLED")
    aws.answers["scheduler:GetSchedule"] = schedule(State="DISABLED")
    found = world().find_schedule(hidden(kind))
    assert isinstance(found, Background)
    assert (found.next_due, found.is_scheduled) == (None, True)


def test_the_run_of_a_task_is_the_one_it_was_created_for_however_late_it_stopped(aws: Canned) -> None:
    """Of an hourly task that failed to start after an hour and a half, the next run has begun already."""
    over = {
        "containerOverrides": [
            {"name": "app", "environment": [{"name": "AT", "value": "<aws.scheduler.scheduled-time>"}]}
        ]
    }
    aws.answers["scheduler:GetSchedule"] = schedule(
        ScheduleExpression="cron(0 * * * ? *)", Target=target(Input=json.dumps(over))
    )
    created = MIDNIGHT + timedelta(seconds=40)
    value = hidden(CallerKind.SCHEDULER, created=created, event_time=MIDNIGHT + timedelta(minutes=90))
    found, whole = world().find_schedule(value), world().complete(value)
    assert isinstance(found, Background)
    assert (found.due, found.next_due) == (MIDNIGHT.timestamp(), MIDNIGHT.timestamp() + 3600)
    assert isinstance(whole, Request)
    (container,) = whole.parameters["overrides"]["containerOverrides"]
    assert container["environment"] == [{"name": "AT", "value": "2026-11-24T00:00:00Z"}]


def test_a_rule_on_events_does_not_run_by_the_clock(aws: Canned) -> None:
    """Another event's task does not do the work of this one's."""
    aws.answers["events:DescribeRule"] = rule(ScheduleExpression=None) | {"EventPattern": "{}"}
    del aws.answers["events:DescribeRule"]["ScheduleExpression"]  # type: ignore[attr-defined]
    found = world().find_schedule(hidden())
    assert isinstance(found, Background)
    assert (found.next_due, found.is_scheduled) == (None, False)


def test_the_due_time_stands_in_for_schedulers_keyword(aws: Canned) -> None:
    over = {
        "containerOverrides": [
            {"name": "app", "environment": [{"name": "AT", "value": "<aws.scheduler.scheduled-time>"}]}
        ]
    }
    aws.answers["scheduler:GetSchedule"] = schedule(Target=target(Input=json.dumps(over)))
    whole = world().complete(hidden(CallerKind.SCHEDULER))
    assert isinstance(whole, Request)
    (container,) = whole.parameters["overrides"]["containerOverrides"]
    assert container["environment"] == [{"name": "AT", "value": "2026-11-24T00:00:00Z"}]


# Tasks.


def described(*, started_by: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "taskArn": f"arn:aws:ecs:{REGION}:123456789012:task/batch/{number:032x}",
        "taskDefinitionArn": TASK_DEFINITION,
        "startedBy": started_by,
        "createdAt": AT.timestamp() + 60,
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
    } | changes


def tasks_of(aws: Canned, *tasks: dict[str, Any]) -> None:
    """Let ECS list and describe tasks, at most 100 at once, as it does."""
    by_arn = {task["taskArn"]: task for task in tasks}

    def listed(call: dict[str, Any]) -> dict[str, Any]:
        arns = [
            arn
            for arn, task in by_arn.items()
            if task["desiredStatus"] == call["desiredStatus"]
            and call.get("startedBy") in (None, task["startedBy"])
            and call.get("family") in (None, family({"taskDefinition": task["taskDefinitionArn"]}))
        ]
        start = int(call.get("nextToken", 0))
        more = {"nextToken": str(start + 100)} if start + 100 < len(arns) else {}
        return {"taskArns": arns[start : start + 100], **more}

    def describe(call: dict[str, Any]) -> dict[str, Any]:
        assert len(call["tasks"]) <= 100
        return {"tasks": [by_arn[arn] for arn in call["tasks"]]}

    aws.answers |= {"ecs:ListTasks": listed, "ecs:DescribeTasks": describe}


@pytest.mark.parametrize("whole", [False, True])
def test_a_task_that_is_listed_and_not_described_is_not_absent(aws: Canned, whole: bool) -> None:
    """ECS's reads are eventually consistent; the job may be running."""
    mark = names.started_by_of("events-rule/nightly", launch().call_id)
    tasks_of(aws, *(described(started_by=mark, number=n) for n in range(2)))
    answer = aws.answers["ecs:DescribeTasks"]

    def first_alone(call: dict[str, Any]) -> dict[str, Any]:
        tasks = answer(call)["tasks"]
        return {"tasks": tasks[:1], "failures": [{"arn": call["tasks"][1], "reason": "MISSING"}]}

    aws.answers["ecs:DescribeTasks"] = first_alone
    seen = world().look(hidden(), original=True, whole=whole)
    assert category(seen) is Category.TRANSIENT
    assert sentence(seen) == "ResponseParserError: ECS does not describe 1 of the tasks that it lists"
    assert category(world().earlier(hidden())) is Category.TRANSIENT
    # Of those that are watched, one that is not known yet is looked at again anyhow.
    known = tuple(described(started_by=mark, number=n)["taskArn"] for n in range(2))
    assert len(world().watch(hidden(), known)) == 1


def test_every_task_is_described_however_many_there_are(aws: Canned) -> None:
    mark = names.started_by_of("events-rule/nightly", launch().call_id)
    tasks_of(aws, *(described(started_by=mark, number=n) for n in range(250)))
    seen = world().look(hidden(), original=False)
    assert isinstance(seen, tuple)
    assert len({task.arn for task in seen}) == 250
    watched = world().watch(hidden(), tuple(task.arn for task in seen))
    assert len(watched) == 250


def test_tasks_of_earlier_runs_that_go_on_are_found(aws: Canned) -> None:
    before, after = (described(started_by="events-rule/nightly", number=n) for n in range(2))
    before["createdAt"] = AT.timestamp() - 3600
    tasks_of(aws, before, after)
    assert world().earlier(hidden()) == (before["taskArn"],)


def test_our_own_failed_tasks_are_seen(aws: Canned) -> None:
    """They are the recovery's that started them: nobody else is told of them."""
    mark = names.started_by_of("events-rule/nightly", launch().call_id)
    gone = {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stopCode": "TaskFailedToStart",
        "stoppedReason": "x",
    }
    tasks_of(aws, described(started_by=mark, **gone))
    (seen,) = world().look(hidden(), original=False)
    assert isinstance(seen, object)
    assert (seen.phase, seen.is_ours) == (Phase.FAILED, True)  # type: ignore[union-attr]


@pytest.mark.parametrize("started_by", ["events-rule/nightly", None])
def test_whoever_replaced_another_s_failed_task_is_seen_by_its_started_by(
    aws: Canned, started_by: str | None
) -> None:
    failed_others = ("a" * 32, "b" * 32)
    marks = [names.started_by_of(started_by, failed_other) for failed_other in failed_others]
    tasks_of(aws, *(described(started_by=mark, number=n) for n, mark in enumerate(marks)))
    asked = replace(hidden(), request=Request(parameters=parameters(startedBy=started_by)))
    assert world().look(asked, original=True) == ()
    seen = world().look(asked, original=True, failed_others=failed_others)
    assert isinstance(seen, tuple)
    assert len(seen) == 2
    assert all(task.is_ours for task in seen)


@pytest.mark.parametrize(
    ("others", "whole", "lists"),
    [(0, True, 2), (0, False, 1), (99, True, 2), (99, False, 1), (150, False, 3), (150, True, 4)],
)
def test_a_look_is_one_list_of_the_family_unless_that_is_long(
    aws: Canned, others: int, whole: bool, lists: int
) -> None:
    """If it is long, each mark is listed instead: the caller's and ours."""
    beside = [described(started_by="somebody", number=n) for n in range(others)]
    there = described(started_by="events-rule/nightly", number=200)
    tasks_of(aws, *beside, there)
    seen = world().look(hidden(), original=True, whole=whole)
    assert isinstance(seen, tuple)
    assert [task.arn for task in seen] == [there["taskArn"]]
    assert aws.calls.count("ecs:ListTasks") == lists


def test_a_narrow_look_lists_no_stopped_tasks(aws: Canned) -> None:
    stopped = {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "startedAt": AT.timestamp() + 61}
    tasks_of(aws, described(started_by="events-rule/nightly", number=1, **stopped))
    assert world().look(hidden(), original=True, whole=False) == ()
    assert len(world().look(hidden(), original=True)) == 1
    assert aws.calls.count("ecs:ListTasks") == 3


def test_reads_of_tasks_wait_for_their_turn_if_they_are_paced(aws: Canned) -> None:
    mark = names.started_by_of("events-rule/nightly", launch().call_id)
    tasks_of(aws, described(started_by=mark))
    time = FakeTime()
    paced = LiveAwsPort(TOPIC, lambda: 0.0, no_wait(), None, time.limiter(1))
    paced.look(hidden(), original=True)
    paced.watch(hidden(), (described(started_by=mark)["taskArn"],))
    paced.earlier(hidden())
    reads = [call for call in aws.calls if call in ("ecs:ListTasks", "ecs:DescribeTasks")]
    assert time.slept == [1.0] * (len(reads) - 1)


# The one place where an exception becomes a failure.


def said(code: str, status: int = 400, message: str = "m") -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "ListRules")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (said("ThrottlingException"), Category.THROTTLE),
        (said("TooManyRequestsException", 429), Category.THROTTLE),
        (said("InternalException", 500), Category.TRANSIENT),
        (said("NeverSeenException", 503), Category.TRANSIENT),
        (said("", 502), Category.TRANSIENT),
        (said("AccessDeniedException"), Category.PERMISSION),
        (said("NeverSeenException", 400), Category.UNKNOWN),
        (ReadTimeoutError(endpoint_url="https://e"), Category.TRANSIENT),
        (NoCredentialsError(), Category.PERMISSION),
        (CannotAssumeError(role="r", code="AccessDenied", said="no"), Category.PERMISSION),
        (KeyError("taskArns"), Category.TRANSIENT),
        (ClientError({}, "ListRules"), Category.UNKNOWN),
        (RecursionError(), Category.TRANSIENT),
    ],
)
def test_a_failed_read_has_the_category_of_its_cause(error: Exception, expected: Category) -> None:
    failure = failure_of(error)
    assert failure.origin is Origin.ERROR
    assert classify(failure).category is expected
    assert sentence(failure)

    def read() -> None:
        raise error

    assert attempt(read) == failure


def test_what_an_odd_answer_holds_is_not_told() -> None:
    assert SECRET not in f"{failure_of(KeyError(SECRET))}"


# Everything that is found out, member by member.

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
TAGS = {
    "events:ListTagsForResource": ("Tags", "Key", "Value"),
    "scheduler:ListTagsForResource": ("Tags", "Key", "Value"),
    "ecs:ListTagsForResource": ("tags", "key", "value"),
}


def tagged(aws: Canned, action: str, tags: dict[str, str]) -> list[dict[str, Any]]:
    """Let a resource have tags; return the calls that ask for them."""
    asked: list[dict[str, Any]] = []
    member, key, value = TAGS[action]

    def answer(call: dict[str, Any]) -> dict[str, Any]:
        asked.append(call)
        return {member: [{key: name, value: said} for name, said in tags.items()]}

    aws.answers[action] = answer
    return asked


@pytest.mark.parametrize(
    ("action", "kind", "arn"),
    [
        ("events:ListTagsForResource", CallerKind.RULE, rule()["Arn"]),
        (
            "scheduler:ListTagsForResource",
            CallerKind.SCHEDULER,
            f"arn:aws:scheduler:{REGION}:123456789012:schedule-group/batch",
        ),
        ("ecs:ListTagsForResource", CallerKind.RULE, TASK_DEFINITION),
        ("ecs:ListTagsForResource", CallerKind.SCHEDULER, TASK_DEFINITION),
    ],
)
def test_tags_count_wherever_they_may_stand(aws: Canned, action: str, kind: CallerKind, arn: str) -> None:
    tags = {"retry-run-task:policy": "slow", "retry-run-task:ignore": "true", "other": "x"}
    asked = tagged(aws, action, tags)
    found = world().find_schedule(hidden(kind))
    assert isinstance(found, Background)
    assert found.tags == Tags(policy="slow", ignore=True)
    assert arn in json.dumps(asked)


def test_of_two_tags_that_of_the_rule_counts(aws: Canned) -> None:
    tagged(aws, "events:ListTagsForResource", {"retry-run-task:policy": "slow"})
    tagged(aws, "ecs:ListTagsForResource", {"retry-run-task:policy": "hasty"})
    found = world().find_schedule(hidden())
    assert isinstance(found, Background)
    assert found.tags == Tags(policy="slow")


@pytest.mark.parametrize(
    ("action", "kind", "what"),
    [
        ("events:ListTagsForResource", CallerKind.RULE, "rule nightly"),
        ("scheduler:ListTagsForResource", CallerKind.SCHEDULER, "schedule group batch"),
        ("ecs:ListTagsForResource", CallerKind.RULE, "nightly:7"),
    ],
)
def test_tags_that_may_not_be_read_are_said_with_whose_they_are(
    aws: Canned, action: str, kind: CallerKind, what: str
) -> None:
    aws.answers[action] = denied(action)
    found = world().find_schedule(hidden(kind))
    assert isinstance(found, Background)
    assert found.tags == Tags(
        unread=(
            (
                f"the tags of {what} cannot be read: ListTagsForResource failed: AccessDeniedException: User: "
                f"arn:aws:iam::123456789012:user/operator is not authorized to perform: {action}"
            ),
        )
    )


def test_everything_that_is_known_of_a_schedule(aws: Canned) -> None:
    """Nine o'clock in Tokyo is midnight in UTC."""
    aws.answers["scheduler:GetSchedule"] = schedule(
        ScheduleExpression="cron(0 9 * * ? *)",
        ScheduleExpressionTimezone="Asia/Tokyo",
        Target=target(RetryPolicy={"MaximumEventAgeInSeconds": 600, "MaximumRetryAttempts": 9}),
    )
    assert world().find_schedule(hidden(CallerKind.SCHEDULER)) == Background(
        name="nightly",
        arn=GROUP,
        due=MIDNIGHT.timestamp(),
        next_due=MIDNIGHT.timestamp() + 86_400,
        event_age_s=600,
    )


@pytest.mark.parametrize("expression", ["rate(1 day)", "at(2026-11-24T00:00:00)", "cron(odd)"])
def test_when_the_run_was_due_is_known_of_a_cron_alone(aws: Canned, expression: str) -> None:
    aws.answers["scheduler:GetSchedule"] = schedule(ScheduleExpression=expression)
    found = world().find_schedule(hidden(CallerKind.SCHEDULER))
    assert isinstance(found, Background)
    assert found.due is None


def of_a_task() -> FailedLaunch:
    """Return a launch that is known from its task alone."""
    known = {
        "cluster": CLUSTER,
        "taskDefinition": TASK_DEFINITION,
        "startedBy": "events-rule/nightly",
        "count": 1,
    }
    return replace(hidden(), request=IncompleteRequest(parameters=known, missing=(EVERYTHING_ELSE,)))


def test_a_ladder_needs_what_no_record_shows_and_nothing_else_of_the_schedule(aws: Canned) -> None:
    found = world().find_schedule(of_a_task())
    assert isinstance(found, Background)
    assert found.visible == {
        "launchType": "FARGATE",
        "networkConfiguration": parameters()["networkConfiguration"],
    }
    recorded = world().find_schedule(hidden())
    assert isinstance(recorded, Background)
    assert recorded.visible == {}


def test_a_request_that_cannot_be_made_whole_names_the_schedule(aws: Canned) -> None:
    aws.answers["events:ListTargetsByRule"] = {"Targets": [{"Id": "1", **target(InputPath="$.detail.x")}]}
    assert world().complete(hidden()) == NoMatch(
        why="its input is $.detail.x of the event that triggered it, which is gone (schedule nightly)"
    )


# The same, for a person who asks.

STARTED_BY = names.started_by_of("events-rule/nightly", launch().call_id)
HOW = "its role, cluster, task definition and the beginning of its name are the call's, and no other's are"
FOUND = Background(
    name="nightly",
    arn=rule()["Arn"],
    due=MIDNIGHT.timestamp(),
    next_due=MIDNIGHT.timestamp() + 86_400,
    event_age_s=86_400,
)
GONE = "no rule or schedule has this role, cluster, task definition and name any more"


def test_everything_that_a_survey_finds(aws: Canned) -> None:
    stopped = {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "TaskFailedToStart"}
    there = described(started_by="events-rule/nightly", number=1)
    tasks_of(aws, there, described(started_by=STARTED_BY, number=2, **stopped))
    assert survey(hidden()) == Survey(
        found=FOUND,
        why=HOW,
        variables=("app.PASSWORD",),
        looked_for=("events-rule/nightly", STARTED_BY),
        existing_tasks=(there["taskArn"],),
    )


def test_a_survey_of_a_whole_request_reads_no_values(aws: Canned) -> None:
    whole = replace(hidden(), request=Request(parameters=parameters()))
    seen = survey(whole)
    assert (seen.found, seen.refused, seen.schedule) == (FOUND, "", FOUND)


def test_a_survey_says_what_is_not_there(aws: Canned) -> None:
    aws.answers["events:ListRuleNamesByTarget"] = {"RuleNames": []}
    found = survey(hidden())
    assert found == Survey(found=NoMatch(why=GONE), why=GONE, refused=GONE, looked_for=(STARTED_BY,))
    assert found.schedule is None
    whole = replace(hidden(), request=Request(parameters=parameters()))
    assert survey(whole) == Survey(found=NoMatch(why=GONE), why=GONE, looked_for=(STARTED_BY,))


def test_a_survey_of_nobodys_schedule_looks_for_none(aws: Canned) -> None:
    somebodys = replace(
        launch(),
        region=REGION,
        caller=Caller(kind=CallerKind.OTHER),
        request=Request(parameters=parameters()),
    )
    why = "no rule or schedule made this call"
    assert survey(somebodys) == Survey(found=NoMatch(why=why), why=why, looked_for=(STARTED_BY,))
    assert not [call for call in aws.calls if call.startswith(("events:", "scheduler:"))]


def test_a_survey_says_what_cannot_be_read(aws: Canned) -> None:
    aws.answers["events:DescribeRule"] = HttpResponse(body=b"[]")
    aws.answers["ecs:ListTasks"] = denied("ecs:ListTasks")
    found = survey(hidden())
    assert isinstance(found.found, NoMatch)
    assert found.why == found.refused == found.found.why
    assert found.why.startswith("the rules and schedules cannot be read: ")
    assert found.read_failure == (
        "ListTasks failed: AccessDeniedException: User: arn:aws:iam::123456789012:user/operator is not "
        "authorized to perform: ecs:ListTasks"
    )
    assert found.existing_tasks == ()


def test_a_survey_says_why_a_request_cannot_be_made_whole(aws: Canned) -> None:
    aws.answers["events:ListTargetsByRule"] = {"Targets": [{"Id": "1", **target(InputPath="$.detail.x")}]}
    assert survey(hidden()).refused == (
        "its input is $.detail.x of the event that triggered it, which is gone (schedule nightly)"
    )


def test_a_survey_says_that_what_it_found_cannot_be_read_again(aws: Canned) -> None:
    aws.answers["events:ListTagsForResource"] = HttpResponse(body=b"")
    found = survey(hidden())
    assert found.found == NoMatch(why="it cannot be read again")
    assert (found.why, found.schedule) == (HOW, None)


def test_a_survey_of_a_rule_on_events_does_not_look_for_its_other_tasks(aws: Canned) -> None:
    on_events = rule() | {"EventPattern": "{}"}
    del on_events["ScheduleExpression"]
    task = described(started_by="events-rule/nightly")
    tasks_of(aws, task)
    assert survey(hidden()).existing_tasks == (task["taskArn"],)
    aws.answers["events:DescribeRule"] = on_events
    found = survey(hidden())
    assert (found.looked_for, found.existing_tasks) == ((STARTED_BY,), ())


# StopTask.


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"task": {}}, None),
        (AwsError("AccessDeniedException", "no"), Refused),
        (AwsError("InvalidParameterException", "The referenced task was not found."), Refused),
        (AwsError("ServerException", "x", 500), Lost),
    ],
)
def test_a_stop_says_whether_it_may_have_been_heard(aws: Canned, answer: Any, expected: Any) -> None:
    asked: list[Any] = []
    aws.answers["ecs:StopTask"] = lambda call: asked.append(call) or answer
    for cluster in ({"cluster": CLUSTER}, {}):
        asked.clear()
        value = launch(region=REGION, request=cluster)
        done = world().stop(value, "arn:t1", why="it hangs")
        assert done is None if expected is None else isinstance(done, expected)
        assert asked[0] == cluster | {"task": "arn:t1", "reason": "it hangs"}
