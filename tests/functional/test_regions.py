"""What is found in the Regions and accounts that are named, beside the stack's own: as at home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from retry_run_task.commands.deploy import choices
from retry_run_task.commands.deploy.proposal import propose, roles_of
from retry_run_task.commands.doctor.checks import examine
from retry_run_task.commands.main import retry_run_task
from retry_run_task.commands.shared.discovery import discover
from retry_run_task.commands.shared.inventory import InstalledStack, Missing, TaskDefinition
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.local.roles import AssumableRole
from support.canned import Canned, denied
from support.records import HAND_MADE
from support.site import REGION

FAR = "eu-west-1"
ROLES = "arn:aws:iam::123456789012:role"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    """An account with a rule `nightly` in either Region, whose families are of one name and not of one role."""
    with Canned() as canned:
        for name, value in canned.environment().items():
            monkeypatch.setenv(name, value)
        for region in (REGION, FAR):
            place = canned.local.account_region(region=region)
            place.ecs.create_cluster(f"batch-{region}")
            cluster = f"arn:aws:ecs:{region}:123456789012:cluster/batch-{region}"
            ecs = {"TaskDefinitionArn": "nightly", "LaunchType": "FARGATE"}
            place.schedules.put_rule("nightly", expression="cron(0 0 * * ? *)")
            target = {"Id": "1", "Arn": cluster, "RoleArn": f"{ROLES}/events", "EcsParameters": ecs}
            place.schedules.put_targets("nightly", [target])
        yield canned


def described(aws: Canned) -> None:
    """Let ECS say what the family is in each Region."""

    def answer(call: dict[str, Any], region: str) -> dict[str, Any]:
        family = call["taskDefinition"].rsplit("/")[-1]
        arn = f"arn:aws:ecs:{region}:123456789012:task-definition/{family}:7"
        definition = {"family": family, "taskDefinitionArn": arn, "taskRoleArn": f"{ROLES}/of-{region}"}
        return {"taskDefinition": definition}

    aws.answers["ecs:DescribeTaskDefinition"] = lambda call: answer(
        call, FAR if FAR in call["taskDefinition"] else REGION
    )


def test_rules_clusters_and_roles_of_every_named_region_are_found(aws: Canned) -> None:
    found = discover(boto3.Session(), REGION, regions=(REGION, FAR))
    assert [(one.name, one.region) for one in found.launchers.found] == [("nightly", ""), ("nightly", FAR)]
    assert found.elsewhere == (FAR,)
    assert propose(found).clusters == (f"batch-{REGION}", f"batch-{FAR}")
    far = found.launchers.found[1].task_definition
    assert far == f"arn:aws:ecs:{FAR}:123456789012:task-definition/nightly"
    # Each Region's own answer, also where one of them has no such family.
    assert {name: type(one) for name, one in found.task_definitions.items()} == {
        "nightly": Missing,
        far: Missing,
    }
    aws.local.account_region(region=FAR).ecs.register_task_definition("nightly", revision=3)
    found = discover(boto3.Session(), REGION, regions=(FAR,))
    assert {name: type(one) for name, one in found.task_definitions.items()} == {
        "nightly": Missing,
        far: TaskDefinition,
    }
    assert propose(found).task_definitions == ("nightly",)


def test_roles_of_one_family_in_two_regions_are_both_passed(aws: Canned) -> None:
    described(aws)
    found = discover(boto3.Session(), REGION, regions=(REGION, FAR))
    at_home, far = found.launchers.found
    assert roles_of(at_home, found) == (f"{ROLES}/of-{REGION}",)
    assert propose(found).task_definitions == ("nightly",)
    assert far.region == FAR


def test_without_a_word_only_the_own_region_is_looked_at(aws: Canned) -> None:
    found = discover(boto3.Session(), REGION)
    assert [one.region for one in found.launchers.found] == [""]
    assert found.elsewhere == ()


def chosen(aws: Canned, regions: str) -> dict[str, str]:
    found = discover(boto3.Session(), REGION, regions=regions.split(","))
    reader = Reader(boto3.Session(), REGION)
    flags = {"Regions": regions, "TrailLogGroupName": ""}
    return choices.choose(found, reader, flags=flags, file={}, installed={}).values()


def test_what_may_be_read_and_run_is_named_for_all_regions_and_so_counted(aws: Canned) -> None:
    described(aws)
    aws.local.account_region(region=FAR).schedules.put_rule("far-only", expression="cron(0 0 * * ? *)")
    aws.local.account_region(region=FAR).schedules.put_targets(
        "far-only",
        [
            {
                "Id": "1",
                "Arn": f"arn:aws:ecs:{FAR}:123456789012:cluster/batch-{FAR}",
                "RoleArn": f"{ROLES}/events",
                "EcsParameters": {"TaskDefinitionArn": "export", "LaunchType": "FARGATE"},
            }
        ],
    )
    aws.answers["cloudtrail:DescribeTrails"] = denied("cloudtrail:DescribeTrails")
    values = chosen(aws, f"{REGION},{FAR}")
    assert values["TaskDefinitions"] == "export,nightly"
    assert values["Clusters"] == f"batch-{REGION},batch-{FAR}"
    assert values["ReadRules"] == "far-only,nightly"


def test_what_cannot_be_read_there_is_told_and_leaves_the_reads_open(aws: Canned) -> None:
    described(aws)
    aws.answers["scheduler:ListSchedules"] = denied("scheduler:ListSchedules")
    found = discover(boto3.Session(), REGION, regions=(FAR,))
    assert [gap.why.endswith(f"(in {FAR})") for gap in found.launchers.gaps] == [False, True]
    assert json.dumps([gap.action for gap in found.launchers.gaps]).count("scheduler:ListSchedules") == 2


MEMBER = "210987654321"
LOOK = "OrganizationAccountAccessRole"


@pytest.fixture
def member(aws: Canned) -> Canned:
    """Another account with a rule of its own, and a role there that a person may assume."""
    caller = boto3.Session().client("sts", region_name=REGION).get_caller_identity()["Arn"]
    role = AssumableRole(arn=f"arn:aws:iam::{MEMBER}:role/{LOOK}", trusts=caller, external_id="")
    aws.local.roles.create(role)
    place = aws.local.account_region(account=MEMBER)
    place.ecs.create_cluster("theirs")
    place.ecs.register_task_definition("billing", revision=1)
    ecs = {"TaskDefinitionArn": "billing", "LaunchType": "FARGATE"}
    target = {"Id": "1", "Arn": f"arn:aws:ecs:{REGION}:{MEMBER}:cluster/theirs", "EcsParameters": ecs}
    place.schedules.put_rule("billing", expression="cron(0 0 * * ? *)")
    place.schedules.put_targets("billing", [target | {"RoleArn": f"arn:aws:iam::{MEMBER}:role/events"}])
    return aws


def test_what_another_account_starts_is_proposed_and_its_own_template_is_told(member: Canned) -> None:
    member.answers["cloudtrail:DescribeTrails"] = denied("cloudtrail:DescribeTrails")
    found = discover(boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_with=LOOK)
    (theirs,) = found.members
    assert [one.name for one in theirs.launchers.found] == ["billing"]
    assert [one.name for one in found.launchers.found] == ["nightly"]
    flags = {"MemberAccounts": MEMBER, "MemberExternalId": "ab"}
    chosen = choices.choose(found, Reader(boto3.Session(), REGION), flags=flags, file={}, installed={})
    values = chosen.values()
    assert values["TaskDefinitions"] == "billing,nightly"
    assert values["Clusters"] == f"batch-{REGION},theirs"
    # At home recover reads its own rules only, and passes its own roles; there its role there does.
    assert values["ReadRules"] == "nightly"
    assert MEMBER not in values["PassRoleArns"]
    assert (
        f"account {MEMBER} needs infra/member.yaml with TaskDefinitions=billing Clusters=theirs"
        in chosen.notes
    )


def test_an_account_that_cannot_be_looked_at_is_told_and_changes_nothing_else(member: Canned) -> None:
    member.answers["cloudtrail:DescribeTrails"] = denied("cloudtrail:DescribeTrails")
    found = discover(boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_with="nobody")
    (theirs,) = found.members
    (gap,) = theirs.launchers.gaps
    assert gap.action == "sts:AssumeRole"
    assert gap.why.startswith("AccessDenied: ")
    flags = {"MemberAccounts": MEMBER, "MemberExternalId": "ab"}
    chosen = choices.choose(found, Reader(boto3.Session(), REGION), flags=flags, file={}, installed={})
    assert chosen.values()["ReadRules"] == "nightly"
    assert [note for note in chosen.notes if f"in account {MEMBER}, some rules" in note]


def test_accounts_that_nobody_looked_at_are_named(member: Canned) -> None:
    member.answers["cloudtrail:DescribeTrails"] = denied("cloudtrail:DescribeTrails")
    found = discover(boto3.Session(), REGION, regions=(), accounts=(MEMBER,))
    assert found.members == ()
    flags = {"MemberAccounts": MEMBER, "MemberExternalId": "ab"}
    chosen = choices.choose(found, Reader(boto3.Session(), REGION), flags=flags, file={}, installed={})
    assert [note for note in chosen.notes if f"the schedules of {MEMBER} were not looked at" in note]


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        ({"TaskDefinitions": "nightly,billing", "Clusters": "theirs"}, "OK", "looks after every rule"),
        ({"TaskDefinitions": "nightly", "Clusters": "theirs"}, "SKIP", f"leaves billing of {MEMBER} alone"),
    ],
)
def test_doctor_says_whether_the_stack_looks_after_another_accounts_schedules(
    member: Canned, parameters: dict[str, str], status: str, said: str
) -> None:
    found = discover(boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_with=LOOK)
    stack = InstalledStack(
        name="retry-run-task", status="CREATE_COMPLETE", parameters={"MemberAccounts": MEMBER, **parameters}
    )
    checks = [one for one in examine(replace(found, stack=stack)) if one.name == "other accounts"]
    assert [(one.status.value, said in one.why) for one in checks] == [(status, True)]


def test_explain_takes_nothing_of_this_account_for_what_another_one_has(aws: Canned) -> None:
    """A rule of the same name here is not the one that made a call there."""
    told = CliRunner().invoke(
        retry_run_task,
        ["explain", "-", "--aws", "--json"],
        input=json.dumps({**HAND_MADE, "recipientAccountId": MEMBER}) + json.dumps(HAND_MADE),
        standalone_mode=False,
    )
    assert told.exception is None
    theirs, ours = json.loads(told.stdout)["launches"]
    assert (theirs["account"], theirs["schedule"], theirs["there"]) == (MEMBER, None, None)
    assert ours["there"] is not None
    assert f"Account {MEMBER} is not looked at, since your credentials are of 123456789012" in told.stderr
