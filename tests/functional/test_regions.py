"""What is found in the Regions that are named, beside the stack's own: as at home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from retry_run_task.commands.deploy import choices
from retry_run_task.commands.deploy.proposal import propose, roles_of
from retry_run_task.commands.shared.discovery import discover
from retry_run_task.commands.shared.inventory import Missing, TaskDefinition
from retry_run_task.commands.shared.reader import Reader
from support.canned import Canned, denied
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
