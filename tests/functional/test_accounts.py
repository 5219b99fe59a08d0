"""One trail for many accounts and Regions: every launch is made again where it failed, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from retry_run_task.local.account_region import AccountRegion
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import ApiCall, lambda_caller, rule_caller
from retry_run_task.local.ecs.tasks import Lifecycle
from retry_run_task.local.install import install
from retry_run_task.local.roles import AssumableRole
from support.records import HAND_MADE
from support.site import REGION, Site

HOME, MEMBER, STRANGER = "123456789012", "210987654321", "333333333333"
HUB_ROLE = f"arn:aws:iam::{HOME}:role/retry-run-task-role"
MEMBER_ROLE = f"arn:aws:iam::{MEMBER}:role/retry-run-task-member"
EXTERNAL_ID = "night-shift-7f3a"
STARTER = f"arn:aws:iam::{MEMBER}:role/ecsEventsRole"
CANARY = "canary-5e5d"


class Elsewhere:
    """Another account or Region, with the same cluster, subnets and task definition as at home."""

    def __init__(self, place: AccountRegion) -> None:
        self.place = place
        self.calls: list[ApiCall] = []
        place.ecs.lifecycle = Lifecycle(run_for=None)
        place.ecs.create_cluster("batch")
        for letter in "ac":
            place.ecs.add_subnet(f"subnet-{letter}", f"{place.region}{letter}")
        place.ecs.register_task_definition("nightly", revision=7)
        place.ecs.on_call.append(self.calls.append)

    def request(self, **changes: Any) -> dict[str, Any]:
        wanted = {
            "cluster": f"arn:aws:ecs:{self.place.region}:{self.place.account}:cluster/batch",
            "taskDefinition": "nightly:7",
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-c"]}},
            "startedBy": "events-rule/nightly",
        } | changes
        return {name: value for name, value in wanted.items() if value is not None}

    def capacity(self, slots: int | None) -> None:
        for letter in "ac":
            self.place.ecs.capacity.set(f"{self.place.region}{letter}", "FARGATE", slots)

    def fail(self, **changes: Any) -> None:
        """Let a rule's call fail for lack of capacity, and give the capacity back."""
        self.capacity(0)
        self.place.ecs.run_task(
            self.request(**changes), rule_caller(f"arn:aws:iam::{self.place.account}:role/ecsEventsRole")
        )
        self.capacity(5)

    def recoveries(self) -> list[ApiCall]:
        return [c for c in self.calls if "retry-run-task/" in str(c.body.get("startedBy"))]

    def tasks(self) -> list[str]:
        arns: list[str] = self.place.ecs.list_tasks({"cluster": "batch"})["taskArns"]
        return arns


@pytest.fixture
def site() -> Iterator[Site]:
    with LocalAws(speed=60, trail_delay=(2, 1)) as aws:
        yield Site(aws)


@pytest.fixture
def member(site: Site) -> Elsewhere:
    site.aws.roles.create(AssumableRole(arn=MEMBER_ROLE, trusts=HUB_ROLE, external_id=EXTERNAL_ID))
    return Elsewhere(site.aws.account_region(account=MEMBER))


def hub(site: Site, **settings: str) -> None:
    given = {"ACCOUNTS": MEMBER, "EXTERNAL_ID": EXTERNAL_ID, **settings}
    install(site.aws, settings={f"RETRY_RUN_TASK_{name}": value for name, value in given.items()})


def test_a_launch_of_another_account_is_made_again_there_and_not_here(site: Site, member: Elsewhere) -> None:
    hub(site)
    member.fail()
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    assert [arn.split(":")[4] for arn in member.tasks()] == [MEMBER]
    assert site.tasks() == []
    assert site.recoveries() == []
    # CloudTrail of the account shows who it was.
    (call,) = member.recoveries()
    assert call.caller.identity["sessionContext"]["sessionIssuer"]["arn"] == MEMBER_ROLE
    assert call.caller.identity["arn"].endswith("/retry-run-task")
    (recovered,) = site.events("recovery.recovered")
    assert (recovered["account"], recovered["region"]) == (MEMBER, REGION)


def test_credentials_are_written_nowhere(site: Site, member: Elsewhere) -> None:
    """Neither into a log, nor into what Lambda keeps of an execution for weeks."""
    hub(site)
    member.fail()
    site.wait_for(site.outcomes)
    (session,) = site.aws.roles.sessions
    written = "\n".join(site.lines)
    lambda_ = site.client("lambda")
    for execution in site.aws.durable.executions():
        history = lambda_.get_durable_execution_history(
            DurableExecutionArn=execution.durable_execution_arn, IncludeExecutionData=True
        )
        written += json.dumps(history, default=str)
    assert "enter-account-1" in written
    for secret in (session.access_key, "secret-of-", "token-of-", EXTERNAL_ID):
        assert secret not in written


def test_a_record_made_by_hand_says_by_its_cluster_where_it_belongs(site: Site, member: Elsewhere) -> None:
    """How the way into an account is tried out."""
    hub(site)
    site.put({**HAND_MADE, "requestParameters": member.request(startedBy=None)})
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    assert len(member.tasks()) == 1
    assert site.tasks() == []


def test_our_own_calls_in_another_account_are_left_to_the_recovery_that_made_them(
    site: Site, member: Elsewhere
) -> None:
    hub(site)
    member.capacity(0)
    member.place.ecs.run_task(member.request(), rule_caller(STARTER))
    site.wait_for(lambda: len(site.events("recovery.called")) >= 3)
    site.wait_for(lambda: len(site.events("intake.ignored", caller="own", account=MEMBER)) >= 2)
    member.capacity(5)
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    assert len(site.events("recovery.began")) == 1
    assert len(member.tasks()) == 1


def test_the_values_that_cloudtrail_hides_come_from_the_schedule_in_that_account(
    site: Site, member: Elsewhere
) -> None:
    hub(site)
    environment = [{"name": "PASSWORD", "value": CANARY}]
    overrides = {"containerOverrides": [{"name": "app", "environment": environment}]}
    due = site.aws.clock.now() + timedelta(hours=12)
    member.place.schedules.put_rule("nightly", expression=f"cron({due.minute} {due.hour} * * ? *)")
    awsvpc = member.request()["networkConfiguration"]["awsvpcConfiguration"]
    network = {name[0].upper() + name[1:]: value for name, value in awsvpc.items()}
    target = {
        "Id": "1",
        "Arn": member.request()["cluster"],
        "RoleArn": STARTER,
        "Input": json.dumps(overrides),
        "EcsParameters": {
            "TaskDefinitionArn": "nightly:7",
            "TaskCount": 1,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": network},
        },
    }
    member.place.schedules.put_targets("nightly", [target])
    member.fail(overrides=overrides)
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    (call,) = member.recoveries()
    assert call.body["overrides"]["containerOverrides"][0]["environment"] == environment
    assert not [line for line in site.lines if CANARY in line]


def test_a_launch_of_another_region_is_made_again_in_that_region(site: Site) -> None:
    osaka = Elsewhere(site.aws.account_region(region="ap-northeast-3"))
    install(site.aws, settings={"RETRY_RUN_TASK_REGIONS": f"{REGION},ap-northeast-3"})
    osaka.fail()
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    assert [arn.split(":")[3] for arn in osaka.tasks()] == ["ap-northeast-3"]
    assert site.tasks() == []
    assert site.aws.roles.sessions == []


def test_another_account_in_another_region(site: Site, member: Elsewhere) -> None:
    hub(site, REGIONS=f"{REGION},eu-west-1")
    far = Elsewhere(site.aws.account_region(account=MEMBER, region="eu-west-1"))
    far.fail()
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    assert len(far.tasks()) == 1
    assert site.tasks() == member.tasks() == []


@pytest.mark.parametrize(
    ("role", "settings"),
    [
        ({"external_id": "another"}, {}),
        ({}, {"EXTERNAL_ID": ""}),
        ({"trusts": f"arn:aws:iam::{STRANGER}:role/retry-run-task-role"}, {}),
        (None, {}),
    ],
    ids=["another external id", "no external id", "another hub", "no role"],
)
def test_an_account_that_does_not_let_recover_in_is_reported_and_nothing_is_tried(
    site: Site, member: Elsewhere, role: dict[str, str] | None, settings: dict[str, str]
) -> None:
    if role is None:
        site.aws.roles.delete(MEMBER_ROLE)
    else:
        trust = {"trusts": HUB_ROLE, "external_id": EXTERNAL_ID} | role
        site.aws.roles.create(AssumableRole(arn=MEMBER_ROLE, **trust))
    hub(site, **settings)
    member.fail()
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    assert site.outcomes() == ["permanent"]
    (gave_up,) = site.events("recovery.gave_up")
    assert gave_up["rule"] == "member-role"
    (message,) = site.aws.topics.published
    for part in (MEMBER, MEMBER_ROLE, "infra/member.yaml"):
        assert part in message.message
    assert member.recoveries() == []
    assert site.recoveries() == []
    # What has to be said to come in is nobody's business.
    assert not [line for line in [*site.lines, message.message] if EXTERNAL_ID in line]


def test_an_account_that_is_not_named_is_ignored_with_a_line_that_says_so(site: Site) -> None:
    hub(site)
    stranger = Elsewhere(site.aws.account_region(account=STRANGER))
    # A role that would let it in makes no difference.
    arn = f"arn:aws:iam::{STRANGER}:role/retry-run-task-member"
    site.aws.roles.create(AssumableRole(arn=arn, trusts=HUB_ROLE, external_id=EXTERNAL_ID))
    stranger.fail()
    (line,) = site.wait_for(lambda: site.events("intake.ignored", account=STRANGER))
    assert STRANGER in line["why"]
    assert f"{HOME}, {MEMBER}" in line["why"]
    assert site.aws.roles.sessions == []
    assert site.events("intake.started") == []


def test_two_accounts_with_the_same_names_are_two_recoveries(site: Site, member: Elsewhere) -> None:
    hub(site)
    site.capacity(0)
    for place in (member.place.ecs, site.aws.ecs):
        request = member.request(cluster="batch", clientToken="0b0e7a1c-1d2e-4f3a-8b4c-5d6e7f8a9b0c")
        member.capacity(0)
        place.run_task(request, rule_caller(STARTER))
    site.capacity(5)
    member.capacity(5)
    site.wait_for(lambda: len(site.outcomes()) == 2)
    assert site.outcomes() == ["recovered"] * 2
    assert len(member.tasks()) == len(site.tasks()) == 1
    tokens = {c.body["clientToken"].rsplit("-", 1)[0] for c in [*member.recoveries(), *site.recoveries()]}
    assert len(tokens) == 2


def test_what_somebody_with_a_role_of_the_same_name_does_at_home_is_not_ours(
    site: Site, member: Elsewhere
) -> None:
    """Own calls are told by the role of the record's account: the name alone says nothing."""
    hub(site, CALLERS="rule,other")
    site.capacity(0)
    imitation = lambda_caller(f"arn:aws:iam::{HOME}:role/retry-run-task-member", "x")
    site.aws.ecs.run_task(member.request(cluster="batch", startedBy="x"), imitation)
    site.wait_for(lambda: site.events("intake.started"))
    assert (
        site.events("intake.ignored", caller="own", event_id=site.events("intake.started")[0]["event_id"])
        == []
    )


def test_the_local_sts_answers_as_aws_does(site: Site, member: Elsewhere) -> None:
    """Only the role that is trusted, with the external id, may take a role; what it gives is the account's."""
    sts = site.client("sts")
    with pytest.raises(ClientError) as refused:
        sts.assume_role(RoleArn=MEMBER_ROLE, RoleSessionName="me", ExternalId=EXTERNAL_ID)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert f"sts:AssumeRole on resource: {MEMBER_ROLE}" in str(refused.value)
    with pytest.raises(ClientError, match="roleSessionName"):
        sts.assume_role(RoleArn=MEMBER_ROLE, RoleSessionName="a b", ExternalId=EXTERNAL_ID)
    assert sts.get_caller_identity()["Account"] == HOME
    assert member.calls == []
