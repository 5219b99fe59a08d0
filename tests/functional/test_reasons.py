"""Why CloudFormation refuses, in its own words; and names that are taken, before anything is made."""

from __future__ import annotations

import json
import re
from xml.sax.saxutils import escape

import pytest

from functional.test_deploy import (
    ACCOUNT,
    BUCKET,
    GIVEN,
    STACK,
    aws,
    deploy,
    deployed,
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

# As `aws cloudformation describe-events --filters FailedEvents=true` tells them of a change set.
EVENTS = (
    {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "IntakeDeadLetters",
        "ResourceType": "AWS::SQS::Queue",
        "ValidationFailureMode": "FAIL",
        "ValidationName": "RESOURCE_EXISTENCE_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": "Resource of type 'AWS::SQS::Queue' with identifier 'q' already exists",
        "ValidationPath": "/Resources/IntakeDeadLetters",
    },
    {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "Recover",
        "ResourceType": "AWS::Lambda::Function",
        "ValidationFailureMode": "WARN",
        "ValidationStatusReason": "this alone would not stop it",
    },
    {
        "EventType": "HOOK_INVOCATION_ERROR",
        "LogicalResourceId": "RecoverRole",
        "ResourceType": "AWS::IAM::Role",
        "HookFailureMode": "FAIL",
        "HookStatusReason": "roles need\na boundary",
    },
)
OPAQUE = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot "
    "Early Validation errors, use the DescribeEvents API"
)


def failed(body: bytes) -> bytes:
    """Return the description of a change set that early validation has stopped."""
    body = body.replace(b"<Status>CREATE_COMPLETE</Status>", b"<Status>FAILED</Status>")
    body = re.sub(rb"<StatusReason>[^<]*</StatusReason>", b"", body)
    return body.replace(
        b"<ExecutionStatus>", f"<StatusReason>{OPAQUE}</StatusReason><ExecutionStatus>".encode()
    )


def events() -> bytes:
    members = "".join(
        f"<member>{''.join(f'<{key}>{escape(value)}</{key}>' for key, value in one.items())}</member>"
        for one in EVENTS
    )
    return (
        "<DescribeEventsResponse><DescribeEventsResult><OperationEvents>"
        f"{members}</OperationEvents></DescribeEventsResult></DescribeEventsResponse>"
    ).encode()


def test_the_reasons_of_early_validation_are_told_and_then_all_is_removed(
    aws: MiniStack, proxy: Proxy
) -> None:
    proxy.rewrite["DescribeChangeSet"] = failed
    proxy.answer["DescribeEvents"] = events
    said = refused(
        deploy(aws, *GIVEN, through=proxy),
        1,
        "IntakeDeadLetters (AWS::SQS::Queue): Resource of type 'AWS::SQS::Queue' with identifier 'q' already exists; "
        "RecoverRole (AWS::IAM::Role): roles need a boundary.",
    )
    assert "this alone" not in said
    assert proxy.calls.index("DescribeEvents") < proxy.calls.index("DeleteChangeSet")
    asked = next(body for call, body in proxy.bodies if call == "DescribeEvents")
    assert "ChangeSetName=arn%3Aaws%3Acloudformation" in asked, "by the ARN; by the name AWS finds nothing"
    assert stack(aws) is None


def test_what_may_not_be_read_is_said_beside_what_is_known(aws: MiniStack, proxy: Proxy) -> None:
    proxy.rewrite["DescribeChangeSet"] = failed
    proxy.refuse["DescribeEvents"] = ("AccessDenied", "User: you is not authorized to perform: it")
    refused(
        deploy(aws, *GIVEN, through=proxy), 1, "ResourceExistenceCheck", "cannot be read", "not authorized"
    )


# Names that are taken.


def a_role(aws: MiniStack, name: str) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))


def test_a_second_region_needs_another_name(aws: MiniStack) -> None:
    """An account has a role once, and not once in a Region."""
    a_role(aws, f"{STACK}-role")
    a_role(aws, f"{STACK}-intake-role")
    before = everything(aws)
    for command in (("deploy", "--yes"), ("deploy", "--dry-run")):
        said = refused(
            run(aws, *command, *GIVEN), 2, f"{STACK}-role", f"{STACK}-intake-role", "another Region"
        )
        assert "--stack" in said
    assert everything(aws) == before
    assert BUCKET not in before["buckets"]


def test_what_is_left_of_an_installation_by_terraform_is_named(aws: MiniStack) -> None:
    deployed(aws, *GIVEN)
    function = aws.client("lambda").get_function_configuration(FunctionName=f"{STACK}-recover")
    aws.client("cloudformation").delete_stack(StackName=STACK)
    a_role(aws, "lambda")
    aws.client("logs").create_log_group(logGroupName=f"/aws/lambda/{STACK}-intake")
    aws.client("lambda").create_function(
        FunctionName=f"{STACK}-recover",
        Runtime="python3.13",
        Handler="a.b",
        Role=f"arn:aws:iam::{ACCOUNT}:role/lambda",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
        Environment=function["Environment"],
    )
    refused(
        deploy(aws, *GIVEN),
        2,
        f"the function {STACK}-recover of an installation that is no CloudFormation stack, such as one by Terraform",
        f"aws logs delete-log-group --log-group-name /aws/lambda/{STACK}-intake",
    )
    assert stack(aws) is None


@pytest.mark.parametrize("call", ["GetRole"])
def test_what_cannot_be_looked_at_is_a_note(aws: MiniStack, proxy: Proxy, call: str) -> None:
    proxy.refuse[call] = ("AccessDenied", "no")
    ended = run(aws, "deploy", "--dry-run", "--json", *GIVEN, through=proxy)
    assert ended.returncode == 0, ended.stderr
    notes = json.loads(ended.stdout)["notes"]
    assert [note for note in notes if "whether the names are free is not known (iam:GetRole)" in note]
