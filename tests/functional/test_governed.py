"""``deploy`` in an account with rules of its own: tags, a boundary, a path, a role for CloudFormation, a VPC, keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner

from functional.test_deploy import (
    BUCKET,
    GIVEN,
    aws,
    deploy,
    deployed,
    ministack,
    proxy,
    refused,
    run,
    stack,
)
from retry_run_task.commands.main import retry_run_task
from support.ministack import ACCOUNT, REGION, MiniStack
from support.proxy import Proxy

__all__ = ["aws", "ministack", "proxy"]

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
"""A policy that is there."""
ACTS = f"arn:aws:iam::{ACCOUNT}:role/cloudformation"
ORGANIZATION = (
    *("--permissions-boundary-arn", BOUNDARY, "--role-path", "/batch/"),
    *("--subnet-ids", "subnet-0123456789abcdef0", "--security-group-ids", "sg-0123456789abcdef0"),
    *("--data-key-arn", KEY, "--topic-key-arn", KEY, "--schedule-key-arns", KEY),
    *("--tags", "CostCenter=4711,Team=night shift", "--cloudformation-role", ACTS),
)
TAGS = {"CostCenter": "4711", "Team": "night shift"}


def tags_of(found: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found}


def test_everything_is_as_the_organization_asks(aws: MiniStack) -> None:
    done = deployed(aws, *GIVEN, *ORGANIZATION)
    assert (done["tags"], done["cloudformation_role"]) == (TAGS, ACTS)
    for name in ("retry-run-task-role", "retry-run-task-intake-role"):
        role = aws.client("iam").get_role(RoleName=name)["Role"]
        assert role["Path"] == "/batch/"
        # The emulator keeps neither boundary nor subnets nor keys; tests/infra tests those.
    for name in ("retry-run-task-intake", "retry-run-task-recover"):
        function = aws.client("lambda").get_function_configuration(FunctionName=name)
        assert function["Environment"]["Variables"]["RETRY_RUN_TASK_ROLE_PATH"] == "/batch/"
    made = stack(aws)
    assert made
    assert tags_of(made["Tags"]).items() >= TAGS.items()


def test_cloudformation_is_asked_with_the_tags_and_the_role(aws: MiniStack, proxy: Proxy) -> None:
    assert deploy(aws, *GIVEN, *ORGANIZATION, through=proxy).returncode == 0
    (body,) = (body for operation, body in proxy.bodies if operation == "CreateChangeSet")
    asked = {name: value for name, (value,) in parse_qs(body).items()}
    assert asked["RoleARN"] == ACTS
    tags = {asked[f"Tags.member.{n}.Key"]: asked[f"Tags.member.{n}.Value"] for n in (1, 2)}
    assert tags == TAGS


def test_an_update_adds_tags_and_forgets_none(aws: MiniStack) -> None:
    deployed(aws, *GIVEN, "--tags", "CostCenter=4711")
    done = deployed(aws, "--tags", "Team=night shift", "--log-retention-days", "90")
    assert done["tags"] == TAGS


def test_the_file_may_say_all_of_it(aws: MiniStack, tmp_path: Path) -> None:
    (tmp_path / "retry-run-task.toml").write_text(
        f'cloudformation_role = "{ACTS}"\n[tags]\nCostCenter = "4711"\n'
        f'[parameters]\npermissions_boundary_arn = "{BOUNDARY}"\n'
    )
    ended = run(aws, "deploy", "--dry-run", "--json", *GIVEN, cwd=tmp_path)
    plan = json.loads(ended.stdout)
    assert (plan["tags"], plan["cloudformation_role"]) == ({"CostCenter": "4711"}, ACTS)
    assert {"name": "PermissionsBoundaryArn", "value": BOUNDARY, "source": "file"} in plan["parameters"]


def test_the_bucket_is_made_with_the_tags(aws: MiniStack, proxy: Proxy) -> None:
    assert deploy(aws, *GIVEN, "--tags", "CostCenter=4711", through=proxy).returncode == 0
    assert tags_of(aws.client("s3").get_bucket_tagging(Bucket=BUCKET)["TagSet"]) == {"CostCenter": "4711"}


def test_most_people_see_nothing_of_it(aws: MiniStack) -> None:
    ended = run(aws, "deploy", "--dry-run", *GIVEN)
    for word in ("RolePath", "SubnetIds", "DataKeyArn", "PermissionsBoundaryArn", "CloudFormation acts"):
        assert word not in ended.stdout, word
    shown = run(aws, "deploy", "--dry-run", *GIVEN, *ORGANIZATION)
    for word in (
        "RolePath",
        "SubnetIds",
        "DataKeyArn",
        "PermissionsBoundaryArn",
        "tag CostCenter: 4711",
        ACTS,
    ):
        assert word in shown.stdout, word
    text = CliRunner().invoke(retry_run_task, ["deploy", "--help"]).output
    usual, _, special = text.partition("What your organization may ask for:")
    for option in ("--role-path", "--subnet-ids", "--data-key-arn", "--tags", "--cloudformation-role"):
        assert option in special
        assert option not in usual


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--regions", "eu-west-1"), "Regions leaves out the stack's own"),
        (("--member-accounts", ACCOUNT, "--member-external-id", "night"), "MemberAccounts has this account"),
        (("--member-accounts", "210987654321"), "MemberExternalId has to be given"),
        (("--subnet-ids", "subnet-01234567"), "SubnetIds and SecurityGroupIds go together"),
        (("--role-path", "batch"), "begins and ends with a slash"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_made(
    aws: MiniStack, given: tuple[str, ...], words: str
) -> None:
    refused(deploy(aws, *GIVEN, *given), 2, words)
    assert stack(aws) is None


def test_the_path_of_the_roles_is_for_good(aws: MiniStack) -> None:
    deployed(aws, *GIVEN)
    refused(deploy(aws, "--role-path", "/batch/"), 2, "IAM cannot move a role", "destroy")


def test_a_tag_without_a_value_is_a_wrong_option(aws: MiniStack) -> None:
    ended = run(aws, "deploy", "--tags", "CostCenter")
    assert ended.returncode == 2
    assert "expected KEY=VALUE" in ended.stderr
