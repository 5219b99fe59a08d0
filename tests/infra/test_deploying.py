"""The policies for whoever deploys: what the code calls, what CloudFormation's handlers call, and no more of either."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from support.infra import ROOT, Stack, template, tool

FOLDER = ROOT / "infra" / "policies"
SOURCE = ROOT / "src" / "retry_run_task" / "commands"
NAMES = ("deployer", "cloudformation")

# Operations that IAM knows under another name, or under more than one.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
IN_IAM = {
    "s3:DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "s3:HeadBucket": {"s3:ListBucket"},
    "s3:HeadObject": {"s3:GetObject"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    "s3:PutBucketEncryption": {"s3:PutEncryptionConfiguration"},
    "s3:PutBucketLifecycleConfiguration": {"s3:PutLifecycleConfiguration"},
    "s3:PutPublicAccessBlock": {"s3:PutBucketPublicAccessBlock"},
}
# What belongs to a call that is made, and is no call.
WITH_A_CALL = {
    "lambda:GetFunction": "asked by its name in shared/installed_policy.py",
    "s3:TagResource": "CreateBucket with tags",
    "sts:AssumeRole": "take_role in shared/access.py, into member accounts",
    "iam:PassRole": "CreateChangeSet with a role",
}
# The modules that call for deploy and destroy, and with which client. What they only read by name of the action, such
# as all that doctor looks at, is compared with doctor's own policy.
CALLERS = {
    "shared/stack.py": "cloudformation",
    "deploy/artifact.py": "s3",
    "destroy/removal.py": "lambda logs",
}


def statements(name: str) -> dict[str, dict[str, Any]]:
    document = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {one["Sid"]: one for one in document["Statement"]}


def actions(name: str) -> set[str]:
    return {action for one in statements(name).values() for action in one["Action"]}


def called(path: Path, services: list[str]) -> Iterator[str]:
    """Yield the actions behind every method that a module calls, or asks a paginator for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get_paginator"
        ):
            said |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    for service in services:
        for operation in botocore.session.get_session().get_service_model(service).operation_names:
            if xform_name(operation) in said:
                yield from IN_IAM.get(f"{service}:{operation}", {f"{service}:{operation}"})


def test_whoever_deploys_may_call_what_deploy_and_destroy_call_and_nothing_else() -> None:
    needed = {
        action for path, services in CALLERS.items() for action in called(SOURCE / path, services.split())
    }
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (doctors,) = json.loads(text)["Statement"]
    needed |= set(doctors["Action"]) | set(WITH_A_CALL)
    needed |= set(re.findall(r'"([a-z]+:[A-Z][A-Za-z]+)"', (SOURCE / "deploy/taken.py").read_text("utf-8")))
    assert sorted(needed - actions("deployer")) == []
    assert sorted(actions("deployer") - needed) == []


def test_the_scan_finds_what_is_known_to_be_there() -> None:
    assert "cloudformation:ExecuteChangeSet" in set(called(SOURCE / "shared/stack.py", ["cloudformation"]))
    assert "s3:PutObject" in set(called(SOURCE / "deploy/artifact.py", ["s3"]))


def test_the_policies_are_what_the_template_and_the_schemas_say() -> None:
    command = [tool("python"), ROOT / "tools" / "deploying.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_each_fits_into_a_managed_policy(name: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert len(re.sub(r"\s", "", text)) <= 6144


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_allowed_by_pattern_or_on_everything_but_what_knows_no_resource(name: str) -> None:
    for sid, one in statements(name).items():
        assert one["Effect"] == "Allow"
        assert [action for action in one["Action"] if "*" in action] == []
        if "*" in one["Resource"]:
            assert sid in ("LookAtTheAccount", "Network"), sid
            assert all(re.match(r"[a-z0-9-]+:(Describe|Get|List)", action) for action in one["Action"]), sid


@pytest.mark.parametrize("name", NAMES)
def test_every_action_is_one(name: str) -> None:
    """Such as AWS's own models have; IAM alone knows the others."""
    only_in_iam = {action for names in IN_IAM.values() for action in names} | set(WITH_A_CALL)
    only_in_iam |= {"s3:GetObjectVersion"}
    session = botocore.session.get_session()
    models = {"logs": "logs", "events": "events", "cloudwatch": "cloudwatch"}
    for action in actions(name) - only_in_iam:
        service, _, operation = action.partition(":")
        known = session.get_service_model(models.get(service, service)).operation_names
        assert {operation, f"{operation}20150331", f"{operation}20200630"} & set(known) or operation in {
            "GetFunctionScalingConfig",
            "UpdateRoleDescription",
        }, action


# Every name in the stack, by the ARN that IAM sees.
ARNS = {
    "AWS::CloudWatch::Alarm": ("AlarmName", "arn:aws:cloudwatch:r:1:alarm:{}", "Alarms"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "arn:aws:cloudwatch::1:dashboard/{}", "Dashboards"),
    "AWS::Events::Rule": ("Name", "arn:aws:events:r:1:rule/{}", "Rules"),
    "AWS::IAM::ManagedPolicy": (
        "ManagedPolicyName",
        "arn:aws:iam::1:policy{Path}{}",
        "RolesAndTheirPolicies",
    ),
    "AWS::IAM::Role": ("RoleName", "arn:aws:iam::1:role{Path}{}", "RolesAndTheirPolicies"),
    "AWS::Lambda::Function": ("FunctionName", "arn:aws:lambda:r:1:function:{}", "Functions"),
    "AWS::Lambda::LayerVersion": ("LayerName", "arn:aws:lambda:r:1:layer:{}:7", "Layers"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:r:1:log-group:{}", "LogGroups"),
    "AWS::SNS::Topic": ("TopicName", "arn:aws:sns:r:1:{}", "Topic"),
    "AWS::SQS::Queue": ("QueueName", "arn:aws:sqs:r:1:{}", "Queues"),
}


@pytest.mark.parametrize("path", ["/", "/batch/"])
def test_cloudformation_may_act_on_every_resource_of_the_stack(path: str) -> None:
    given = {
        "TaskDefinitions": "nightly",
        "TrailLogGroupName": "trail",
        "TrailSilentHours": "26",
        "AuditSchedule": "cron(0 22 * * ? *)",
        "SubnetIds": "subnet-01234567",
        "SecurityGroupIds": "sg-01234567",
        "DataKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/2345bcde-12ab-34cd-56ef-1234567890ab",
        "RolePath": path,
    }
    stack, allowed = Stack(**given), statements("cloudformation")
    looked_at = 0
    for kind, (key, form, sid) in ARNS.items():
        for properties in stack.of_type(kind).values():
            arn = form.format(properties[key], Path=properties.get("Path", ""))
            looked_at += 1
            assert any(fnmatch.fnmatchcase(arn, one) for one in allowed[sid]["Resource"]), arn
    assert looked_at > 25


def test_what_is_left_out_is_for_properties_that_the_templates_do_not_have() -> None:
    left_out = re.search(r"LEFT_OUT = (\{.*?\n\})", (ROOT / "tools" / "deploying.py").read_text(), re.DOTALL)
    assert left_out
    used = {key for resource in template()["Resources"].values() for key in resource.get("Properties", {})}
    for reason in ast.literal_eval(left_out[1]).values():
        assert reason.split()[0] not in used, reason
