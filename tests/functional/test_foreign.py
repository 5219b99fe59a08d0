"""What belongs to somebody else: no command changes it, whatever it is called."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from functional.test_deploy import (
    BUCKET,
    GIVEN,
    REGION,
    STACK,
    aws,
    deployed,
    destroy,
    everything,
    ministack,
    proxy,
    refused,
    run,
    stack,
)
from support.ministack import MiniStack
from support.proxy import Proxy

__all__ = ["aws", "ministack", "proxy"]

SHOP = {
    "Resources": {
        "Customers": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "customers",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        },
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "orders"}},
    },
    # What an installation has, too, and so no mark.
    "Outputs": {"Version": {"Value": "3"}},
}


def shop(aws: MiniStack, template: dict[str, Any] = SHOP) -> None:
    aws.client("cloudformation").create_stack(StackName="shop", TemplateBody=json.dumps(template))


def all_there_is(aws: MiniStack) -> dict[str, Any]:
    tables = aws.client("dynamodb").list_tables()["TableNames"]
    return {"tables": tables, "stack": stack(aws, "shop"), **everything(aws)}


def uploaded(aws: MiniStack, template: str) -> str:
    """Return where CloudFormation finds a template that is too long for a call."""
    aws.client("s3").put_object(Bucket="trail-files", Key="template", Body=template.encode())
    return f"{aws.endpoint}/trail-files/template"


COMMANDS = [
    ("deploy", "--yes", "--poll-s", "0.02", *GIVEN),
    ("deploy", "--dry-run"),
    ("destroy", "--yes", "--poll-s", "0.02"),
    ("verify", "--yes", "--task-definition", "nightly"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_strangers_stack_is_refused_and_what_is_in_it_named(
    aws: MiniStack, proxy: Proxy, command: tuple[str, ...]
) -> None:
    shop(aws)
    before = all_there_is(aws)
    ended = run(aws, *command, "--stack", "shop", through=proxy)
    refused(
        ended,
        2,
        f"The stack shop in {REGION} is not an installation of retry-run-task",
        "Customers (AWS::DynamoDB::Table) and Orders (AWS::SQS::Queue)",
        "--stack",
    )
    assert all_there_is(aws) == before
    reads = ("Get", "List", "Describe", "GET ", "HEAD ")
    assert [call for call in proxy.calls if not call.startswith(reads)] == []


@pytest.mark.parametrize(
    "status", ["ROLLBACK_COMPLETE", "DELETE_FAILED", "CREATE_FAILED", "UPDATE_IN_PROGRESS"]
)
@pytest.mark.parametrize("command", COMMANDS[:3], ids=lambda command: " ".join(command[:2]))
def test_nor_is_one_touched_that_is_broken_or_at_work(
    aws: MiniStack, proxy: Proxy, command: tuple[str, ...], status: str
) -> None:
    shop(aws)
    before = all_there_is(aws)
    proxy.rewrite["DescribeStacks"] = lambda body: body.replace(b"CREATE_COMPLETE", status.encode())
    refused(run(aws, *command, "--stack", "shop", through=proxy), 2, "is not an installation", "Customers")
    assert all_there_is(aws) == before


def test_doctor_says_so_too(aws: MiniStack) -> None:
    shop(aws)
    ended = run(aws, "doctor", "--stack", "shop")
    assert "is not an installation of retry-run-task: it has Customers (AWS::DynamoDB::Table)" in ended.stdout


def test_an_empty_stack_with_somebody_elses_change_set_is_theirs(aws: MiniStack) -> None:
    aws.client("cloudformation").create_change_set(
        StackName="shop", ChangeSetName="first-try", ChangeSetType="CREATE", TemplateBody=json.dumps(SHOP)
    )
    for command in COMMANDS[0], COMMANDS[2]:
        refused(run(aws, *command, "--stack", "shop"), 2, "is not an installation", "change set first-try")
    (left,) = aws.client("cloudformation").list_change_sets(StackName="shop")["Summaries"]
    assert left["ChangeSetName"] == "first-try"


def test_what_somebody_has_put_into_our_stack_stays(aws: MiniStack) -> None:
    """A template of ours with a table of theirs in it: an update would drop the table."""
    deployed(aws, *GIVEN)
    cloudformation = aws.client("cloudformation")
    body = cloudformation.get_template(StackName=STACK)["TemplateBody"]
    theirs = "".join(
        f"  {line}\n"
        for line in (
            "Orders:",
            "  Type: AWS::SQS::Queue",
            "  Properties: {QueueName: orders}",
        )
    )
    cloudformation.update_stack(
        StackName=STACK,
        TemplateURL=uploaded(aws, body.replace("\nResources:\n", f"\nResources:\n{theirs}", 1)),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True}
            for one in (stack(aws) or {})["Parameters"]
        ],
    )
    before = everything(aws)
    assert any("orders" in url for url in before["queues"])
    for command in COMMANDS[:3]:
        refused(run(aws, *command), 2, "also holds Orders (AWS::SQS::Queue)")
    ended = run(aws, "doctor")
    assert (ended.returncode, "also holds Orders (AWS::SQS::Queue)" in ended.stdout) == (3, True)
    assert everything(aws) == before


def test_an_installation_by_plain_cloudformation_is_ours(aws: MiniStack) -> None:
    """It has our resources; nobody has put a mark on it."""
    deployed(aws, *GIVEN)
    cloudformation = aws.client("cloudformation")
    body = cloudformation.get_template(StackName=STACK)["TemplateBody"]
    assert destroy(aws).returncode == 0
    cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=uploaded(
            aws,
            body.replace("retry-run-task 0.1.0:", "Nightly jobs, by").replace(
                "INSTALLED_BY: deploy", "INSTALLED_BY: cloudformation"
            ),
        ),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": "TaskDefinitions", "ParameterValue": "nightly"}],
    )
    planned = run(aws, "deploy", "--dry-run", "--policy", "default")
    assert "installed by CloudFormation without deploy; from now on deploy updates it" in planned.stdout
    ended = destroy(aws)
    assert (ended.returncode, f"cloudformation delete-stack --stack-name {STACK}" in ended.stderr) == (
        0,
        True,
    )
    assert stack(aws) is None


def test_destroy_lists_every_resource_before_it_asks(aws: MiniStack) -> None:
    deployed(aws, *GIVEN)
    listed = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    resources = [one for page in listed for one in page["StackResourceSummaries"]]
    ended = destroy(aws)
    lines = dict(re.findall(r"^  - (\S+): (.*)$", ended.stderr, re.MULTILINE))
    for one in resources:
        name = one["PhysicalResourceId"].rpartition(":")[2]
        assert name in lines[one["ResourceType"]].split(", ")


def test_a_bucket_of_our_name_with_other_things_in_it_is_not_changed(aws: MiniStack) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="invoices/1.pdf", Body=b"")
    refused(run(aws, *COMMANDS[0]), 2, BUCKET, "invoices/1.pdf", "--bucket")
    assert s3.get_bucket_versioning(Bucket=BUCKET).get("Status") is None
    assert stack(aws) is None


def test_an_empty_bucket_of_our_name_that_somebody_set_up_is_kept(aws: MiniStack) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    statement = {
        "Sid": "Theirs",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/x",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    deployed(aws)
    ended = destroy(aws)
    assert (ended.returncode, f"Kept the bucket {BUCKET}" in ended.stdout) == (0, True)
    assert json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]) == policy
