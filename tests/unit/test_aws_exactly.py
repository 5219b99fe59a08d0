"""What goes to AWS's clients and what is made of their answers, down to each member: clients that write down."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, PaginationError

from retry_run_task.aws import ecs, members, port, schedules, tags, tasks
from retry_run_task.aws.faults import CannotAssumeError
from retry_run_task.aws.port import LiveAwsPort
from retry_run_task.aws.rate_limiter import RateLimiter
from retry_run_task.launch.schedule import STARTED_BY_PREFIXES, NoMatch, Schedule
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    Lost,
    Origin,
    Placed,
    Refused,
    Request,
)
from support.paces import FakeTime
from support.records import ACCOUNT, CLUSTER, REGION, launch

UNIVERSAL = "arn:aws:scheduler:::aws-sdk:ecs:runTask"
# Without an external id no role is assumed, and nothing is sent.
ROLE = members.Role(arn="arn:aws:iam::210987654321:role/away", external_id="", session="s")
DEFINITION = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/nightly:7"
ANYBODY = Caller(kind=CallerKind.HAND_MADE)


def by_schedule(started_by: str | None = "chronos-schedule/nightly", **changes: Any) -> FailedLaunch:
    request = {"cluster": CLUSTER, "taskDefinition": DEFINITION} | (
        {"startedBy": started_by} if started_by else {}
    )
    return launch(caller=Caller(kind=CallerKind.SCHEDULER), request=request | changes)


# Refusals of RunTask.


def client_error(response: dict[str, Any], status: int = 400, **metadata: Any) -> ClientError:
    more: Any = {"ResponseMetadata": {"HTTPStatusCode": status, **metadata}, **response}
    return ClientError(more, "RunTask")


def said(code: str, reason: str) -> Failure:
    return Failure(origin=Origin.ERROR, code=code, reason=reason)


NO = {"Error": {"Code": "ClientException", "Message": "no"}}
CONFLICT = {"Error": {"Code": "ConflictException", "Message": "known"}}


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (client_error(NO), Refused(failure=said("ClientException", "no"), is_unsure=False)),
        (client_error(NO, RetryAttempts=0), Refused(failure=said("ClientException", "no"), is_unsure=False)),
        (client_error(NO, RetryAttempts=1), Refused(failure=said("ClientException", "no"), is_unsure=True)),
        (client_error(NO, 499), Refused(failure=said("ClientException", "no"), is_unsure=False)),
        (client_error(NO, 500), Lost(failure=said("ClientException", "no"))),
        (client_error({"Error": {}}), Refused(failure=said("", ""), is_unsure=False)),
        (client_error(CONFLICT | {"resourceIds": ["t1"]}), Placed(task_arns=("t1",), is_conflict=True)),
        (client_error(CONFLICT | {"resourceIds": []}), Placed(is_conflict=True)),
        (client_error(CONFLICT), Refused(failure=said("ConflictException", "known"), is_unsure=False)),
        (
            client_error(NO | {"resourceIds": ["t1"]}),
            Refused(failure=said("ClientException", "no"), is_unsure=False),
        ),
    ],
)
def test_what_a_refusal_of_run_task_leaves_open(error: ClientError, answer: Any) -> None:
    found = ecs._raised(error)
    assert found == answer
    assert getattr(found, "is_unsure", False) is getattr(answer, "is_unsure", False)


class Client:
    """An ECS that answers so, or raises."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer, self.called = answer, 0

    def run_task(self, **_: Any) -> dict[str, Any]:
        self.called += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    stop_task = run_task


def run(client: Any, **changes: Any) -> Any:
    asked = {"taskDefinition": DEFINITION, "clientToken": "t", **changes}
    return ecs.run_task(client, asked, FakeTime().limiter(1))


TASK = {"taskArn": "t1"}
PART = Lost(failure=said("ResponseParserError", "the answer is not whole"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"tasks": [TASK], "failures": []}, Placed(task_arns=("t1",))),
        ({"tasks": [TASK]}, PART),
        ({"failures": []}, PART),
        ({}, PART),
        (client_error(CONFLICT | {"resourceIds": ["t1"]}), Placed(task_arns=("t1",), is_conflict=True)),
    ],
)
def test_only_a_whole_answer_of_run_task_is_one(answer: Any, expected: Any) -> None:
    assert run(Client(answer)) == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_have_is_not_sent(number: float) -> None:
    client = Client({"tasks": [], "failures": []})
    assert isinstance(run(client, x=[number]), Lost)
    assert client.called == 0


def test_a_stop_that_is_answered_with_a_conflict_leaves_open_what_became_of_it() -> None:
    client: Any = Client(client_error(CONFLICT | {"resourceIds": ["t1"]}))
    conflict = Failure(origin=Origin.ERROR, code="ConflictException", reason="known", detail="RunTask")
    assert ecs.stop_task(client, None, "t1", "why") == Lost(failure=conflict)


# Schedules.


class GoneError(Exception):
    pass


class Scheduler:
    """EventBridge Scheduler with some schedules; one named gone is deleted after it was listed."""

    class exceptions:  # noqa: D106, N801 - as botocore names it
        ResourceNotFoundException = GoneError

    def __init__(self, *listed: dict[str, Any]) -> None:
        self.listed, self.asked, self.read = listed, {}, []

    def get_paginator(self, operation: str) -> Scheduler:
        assert operation == "list_schedules"
        return self

    def paginate(self, **asked: Any) -> Iterator[Any]:
        self.asked = asked
        return iter([{"Schedules": self.listed[:1]}, {"Schedules": self.listed[1:]}])

    def get_schedule(self, *, Name: str, GroupName: str) -> dict[str, Any]:  # noqa: N803 - AWS's
        self.read.append((Name, GroupName))
        if Name == "gone":
            raise GoneError
        target: dict[str, Any] = {"Arn": CLUSTER, "RoleArn": "r"}
        more = {} if Name == "no-ecs" else {"EcsParameters": {"TaskDefinitionArn": DEFINITION}}
        return {"Name": Name, "GroupName": GroupName, "Arn": f"arn:{Name}", "Target": target | more}


def listed(name: str, target: str | None = CLUSTER) -> dict[str, Any]:
    return {"Name": name, "GroupName": "g"} | ({"Target": {"Arn": target}} if target else {})


def test_only_schedules_that_may_have_made_the_call_are_read() -> None:
    """A target without an ARN, or none, is passed over; what is deleted meanwhile hides no other."""
    scheduler: Any = Scheduler(
        listed("bare", None),
        {"Name": "empty", "GroupName": "g", "Target": {}},
        listed("elsewhere", "arn:aws:ecs:eu-west-1:123456789012:cluster/other"),
        listed("gone"),
        listed("no-ecs"),
        listed("universal", UNIVERSAL),
        listed("nightly"),
    )
    found = schedules._schedules(by_schedule(), scheduler)
    assert scheduler.asked == {"NamePrefix": "nightly"}
    assert scheduler.read == [("gone", "g"), ("no-ecs", "g"), ("universal", "g"), ("nightly", "g")]
    assert [one.name for one in found] == ["universal", "nightly"]


@pytest.mark.parametrize("started_by", [None, "", "chronos-schedule/", "by-hand"])
def test_without_a_schedule_s_mark_all_are_listed(started_by: str | None) -> None:
    scheduler: Any = Scheduler()
    assert schedules._schedules(by_schedule(started_by), scheduler) == ()
    assert scheduler.asked == {}


@pytest.mark.parametrize("more", [0, 1])
def test_two_hundred_schedules_are_looked_at_and_no_more(more: int) -> None:
    scheduler: Any = Scheduler(*(listed(f"n{nth}") for nth in range(200 + more)))
    if more:
        with pytest.raises(schedules.TooManyError, match="more than 200") as caught:
            schedules._schedules(by_schedule(), scheduler)
        assert len(caught.value.schedules) == 200
    else:
        assert len(schedules._schedules(by_schedule(), scheduler)) == 200


@pytest.mark.parametrize(
    ("kind", "started_by", "prefix"),
    [
        (CallerKind.RULE, "events-rule/nightly", "nightly"),
        (CallerKind.SCHEDULER, "chronos-schedule/nightly", "nightly"),
        (CallerKind.RULE, "events-rule/a-name-of-more-than-36-letters-is-cut", "a-name-of-more-than-36-l"),
        (CallerKind.RULE, "chronos-schedule/nightly", ""),
        (CallerKind.RULE, "a-person", ""),
        (CallerKind.RULE, None, ""),
    ],
)
def test_the_beginning_of_the_name_is_that_behind_the_stamp(
    kind: CallerKind, started_by: str | None, prefix: str
) -> None:
    request = {"startedBy": started_by} if started_by else {}
    assert schedules._prefix(launch(caller=Caller(kind=kind), request=request)) == prefix


@pytest.mark.parametrize(
    ("cluster", "region", "arn"),
    [
        (CLUSTER, REGION, CLUSTER),
        ("batch", "eu-west-1", f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/batch"),
        (None, "cn-north-1", f"arn:aws-cn:ecs:cn-north-1:{ACCOUNT}:cluster/default"),
    ],
)
def test_a_cluster_has_the_arn_of_its_partition_and_a_launch_without_has_the_default(
    cluster: str | None, region: str, arn: str
) -> None:
    request = {"cluster": cluster} if cluster else {}
    assert schedules.cluster_arn(launch(region=region, request=request)) == arn


@pytest.mark.parametrize(
    ("tokens", "is_refused"),
    [
        ([None], False),
        ([""], False),
        (["1", "2", None], False),
        (["1", "2", ""], False),
        (["1", "1"], True),
    ],
    ids=str,
)
def test_a_listing_without_a_paginator_of_botocore_s_is_followed_to_its_end(
    tokens: list[str | None], is_refused: bool
) -> None:
    client: Any = boto3.client("events", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    asked: list[dict[str, Any]] = []

    def answer(params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        asked.append(json.loads(params["body"]))
        token = tokens[len(asked) - 1]
        more = {} if token is None else {"NextToken": token}
        return AWSResponse("", 200, {}, None), {"EventBuses": [{"Name": str(len(asked))}], **more}

    client.meta.events.register("before-call.events.ListEventBuses", answer)
    found = schedules.pages(client, "list_event_buses", Limit=7)
    names = [page["EventBuses"][0]["Name"] for page in itertools.islice(found, len(tokens))]
    assert names == [str(nth) for nth, _ in enumerate(tokens, 1)]
    assert asked == [{"Limit": 7} | ({"NextToken": token} if token else {}) for token in (None, *tokens[:-1])]
    if is_refused:
        # Never again and again: that no bus is left has not been seen.
        with pytest.raises(PaginationError, match="same next token"):
            next(found)
    else:
        assert next(found, None) is None


# Tags and tasks.


@pytest.mark.parametrize(
    ("definition", "is_one"),
    [
        (DEFINITION, True),
        (DEFINITION.removesuffix(":7"), False),
        ("nightly:7", False),
        ("", False),
    ],
)
def test_only_a_revision_has_tags(definition: str, is_one: bool) -> None:
    assert tags.is_revision_arn(definition) is is_one


def test_a_tag_may_have_no_key_and_no_value() -> None:
    class Client:
        def list_tags_for_resource(self, *, resourceArn: str) -> Any:  # noqa: N803 - AWS's
            assert resourceArn == DEFINITION
            return {"tags": [{"key": "a"}, {"value": "b"}, {"key": "c", "value": "d"}]}

    client: Any = Client()
    assert tags._of_definition(client, DEFINITION) == {"a": "", "": "b", "c": "d"}


def schedule(kind: CallerKind) -> Schedule:
    return Schedule(
        kind=kind, name="nightly", arn="arn:x:schedule/g/nightly", role_arn="r", request={}, group="g"
    )


@pytest.mark.parametrize(
    ("made_by", "sources"),
    [
        (schedule(CallerKind.RULE), ["rule nightly", "nightly:7"]),
        (schedule(CallerKind.SCHEDULER), ["schedule group g", "nightly:7"]),
        (None, ["nightly:7"]),
    ],
)
def test_tags_are_read_with_the_role_of_the_launch_s_account(
    made_by: Schedule | None, sources: list[str]
) -> None:
    value = launch(request={"taskDefinition": DEFINITION})
    found = [*tags._sources(value, made_by, ROLE)]
    assert [what for what, _ in found] == sources
    for _, ask in found:
        with pytest.raises(CannotAssumeError, match=ROLE.arn):
            ask()


@pytest.mark.parametrize(
    ("request_", "call"), [({"cluster": "c"}, {"cluster": "c"}), ({"cluster": ""}, {}), ({}, {})]
)
def test_tasks_are_looked_for_in_the_cluster_of_the_call(
    request_: dict[str, str], call: dict[str, str]
) -> None:
    assert tasks._cluster(launch(request=request_)) == call


# The role of another account.


def test_a_role_that_cannot_be_assumed_is_named_with_the_reason() -> None:
    with pytest.raises(CannotAssumeError) as caught:
        members._assume(ROLE)
    why = "RETRY_RUN_TASK_EXTERNAL_ID is not set for recover"
    assert str(caught.value) == f"{ROLE.arn} cannot be assumed: ConfigError: {why}"
    assert caught.value.failure == said("ConfigError", why)


def away() -> LiveAwsPort:
    return LiveAwsPort("", lambda: 0.0, RateLimiter(1, now=lambda: 0.0, sleep=lambda _: None), ROLE)


ASKED: dict[str, Callable[[LiveAwsPort, FailedLaunch], Any]] = {
    "find": lambda world, value: world.find_schedule(value),
    "look": lambda world, value: world.look(value, original=True),
    "earlier": lambda world, value: world.earlier(value),
    "complete": lambda world, value: world.complete(value),
    "run": lambda world, value: world.run_task(value, {}),
    "watch": lambda world, value: world.watch(value, ("t1",)),
    "stop": lambda world, value: world.stop(value, "t1", why="w"),
}


@pytest.mark.parametrize("kind", [CallerKind.RULE, CallerKind.SCHEDULER])
@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_all_is_done_with_the_role_of_the_launch_s_account(ask: Any, kind: CallerKind) -> None:
    """And without it nothing: what cannot be done there is not done with the function's own role."""
    found = ask(away(), replace(by_schedule(), caller=Caller(kind=kind)))
    failure = found.failure if isinstance(found, Refused) else found
    assert isinstance(failure, Failure)
    assert failure.code == "ConfigError"


def test_the_tags_of_a_launch_by_nobody_in_particular_are_read_with_the_role_too() -> None:
    told = away().find_schedule(launch(caller=ANYBODY, request={"taskDefinition": DEFINITION}))
    assert "ConfigError" in str(told)


@pytest.mark.parametrize("kind", [CallerKind.RULE, CallerKind.SCHEDULER, CallerKind.HAND_MADE])
def test_a_survey_reads_nothing_without_the_role_either(kind: CallerKind) -> None:
    found = port.survey(replace(by_schedule(), caller=Caller(kind=kind)), ROLE)
    refused = "ConfigError: RETRY_RUN_TASK_EXTERNAL_ID is not set for recover"
    assert isinstance(found.found, NoMatch)
    assert found.read_failure == refused
    assert found.found.tags.unread == (refused,)
    if kind in STARTED_BY_PREFIXES:
        assert found.why == f"the rules and schedules cannot be read: {refused}"


@pytest.mark.parametrize(
    ("whole", "why"),
    [
        (said("Throttling", "slower"), "the schedule cannot be read: Throttling: slower"),
        (NoMatch(why="it has changed"), "it has changed"),
        (Request(parameters={}), ""),
        (None, ""),
    ],
)
def test_a_survey_says_why_the_request_cannot_be_completed(whole: Any, why: str) -> None:
    assert port._why_not(whole) == why
