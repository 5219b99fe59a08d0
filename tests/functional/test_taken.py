"""Names that are taken are found before anything is made: every name that the template gives."""

from __future__ import annotations

from typing import Any

import pytest

from functional.test_deploy import (
    ACCOUNT,
    GIVEN,
    REGION,
    STACK,
    aws,
    deployed,
    everything,
    ministack,
    proxy,
    refused,
    run,
)
from retry_run_task.commands.deploy import taken
from support.infra import template
from support.ministack import MiniStack
from support.proxy import Proxy

__all__ = ["aws", "ministack", "proxy"]

NAMES = {
    *("AlarmName", "DashboardName", "FilterName", "FunctionName", "LogGroupName", "ManagedPolicyName"),
    *("Name", "QueueName", "RoleName", "TopicName", "BucketName", "LayerName"),
}
# These refer to another resource by its name, or take any number of versions under one.
OF_OTHERS = {
    *("AWS::Lambda::Alias", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::LayerVersion"),
    *("AWS::Lambda::Permission", "AWS::Lambda::Version"),
}
# With everything that has a name.
ALL = (*GIVEN, "--trail-silent-hours", "24")
GONE = ("ValidationError", f"Stack with id {STACK} does not exist")


def test_every_type_with_a_name_of_its_own_is_looked_for() -> None:
    named = {
        one["Type"] for one in template()["Resources"].values() if NAMES & one.get("Properties", {}).keys()
    }
    assert named - OF_OTHERS == set(taken.TYPES)


def left_over(aws: MiniStack) -> list[dict[str, Any]]:
    """Let everything of an installation be there, without its intake, and return what it has."""
    deployed(aws, *ALL)
    pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    resources = [one for page in pages for one in page["StackResourceSummaries"]]
    aws.client("lambda").delete_function(FunctionName=f"{STACK}-intake")
    return [
        one
        for one in resources
        # MiniStack does not know the stack's name in conditions, so it gives the filter another name.
        if one["ResourceType"] in taken.TYPES and one["LogicalResourceId"] not in {"Intake", "TrailFilter"}
    ]


def test_each_is_named_before_the_change_set(aws: MiniStack, proxy: Proxy) -> None:
    expected = left_over(aws)
    before = everything(aws)
    proxy.refuse["DescribeStacks"] = GONE
    for command in (("deploy", "--yes"), ("deploy", "--dry-run")):
        said = refused(run(aws, *command, *ALL, through=proxy), 2, "are taken", "--stack")
        missing = [
            f"{one['ResourceType']} {one['PhysicalResourceId']}"
            for one in expected
            if one["PhysicalResourceId"].rpartition("/")[2].rpartition(":")[2].partition("|")[0] not in said
        ]
        assert missing == []
    assert everything(aws) == before
    assert "CreateChangeSet" not in proxy.calls


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("GetQueueUrl", "sqs:GetQueueUrl"),
        ("GetTopicAttributes", "sns:GetTopicAttributes"),
        ("DescribeRule", "events:DescribeRule"),
        ("GetPolicy", "iam:GetPolicy"),
        ("GetDashboard", "cloudwatch:GetDashboard"),
        ("DescribeMetricFilters", "logs:DescribeMetricFilters"),
    ],
)
def test_what_may_not_be_looked_for_is_a_note(
    aws: MiniStack, proxy: Proxy, operation: str, action: str
) -> None:
    proxy.refuse[operation] = ("AccessDenied", "not you")
    ended = run(aws, "deploy", "--dry-run", *ALL, through=proxy)
    assert ended.returncode == 0, ended.stderr
    assert f"whether the names are free is not known ({action}): AccessDenied: not you" in ended.stdout


def test_a_queue_and_a_topic_of_an_earlier_installation_are_named(aws: MiniStack) -> None:
    aws.client("sqs").create_queue(QueueName=f"{STACK}-recover-dead-letters")
    aws.client("sns").create_topic(Name=f"{STACK}-notifications")
    refused(
        run(aws, "deploy", "--yes", *GIVEN),
        2,
        f"the queue {STACK}-recover-dead-letters",
        f"the topic arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-notifications",
    )


def test_a_filter_of_that_name_that_hands_elsewhere_is_named(aws: MiniStack) -> None:
    aws.client("logs").put_subscription_filter(
        logGroupName=GIVEN[1],
        filterName="RunTaskFailureFilter",
        filterPattern="",
        destinationArn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other",
    )
    refused(run(aws, "deploy", "--yes", *GIVEN), 2, "RunTaskFailureFilter")
