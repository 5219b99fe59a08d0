"""Writes infra/policies: what whoever deploys has to be allowed, and what CloudFormation does in their name.

    .venv-infra/bin/python tools/deploying.py            write them, if they have changed
    .venv-infra/bin/python tools/deploying.py --check    write nothing; end with 1 if one is stale

What CloudFormation does is in the schemas of its resource types, which cfn-lint carries: each names the permissions of
its handlers. An action of theirs that is neither placed nor left out here, with the reason, is an error.
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html (handlers)
"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from as_json import template
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = (ROOT / "infra" / "template.yaml", ROOT / "infra" / "member.yaml")
FOLDER = ROOT / "infra" / "policies"
STACK = "retry-run-task"
BUCKET = f"{STACK}-artifacts-*"

# What deploy, destroy and doctor call themselves: each with its resources, and conditions.
DEPLOYER = {
    "Stack": (
        (
            *(
                "cloudformation:CreateChangeSet",
                "cloudformation:DeleteChangeSet",
                "cloudformation:DeleteStack",
            ),
            *(
                "cloudformation:DescribeChangeSet",
                "cloudformation:DescribeEvents",
                "cloudformation:DescribeStackEvents",
            ),
            *(
                "cloudformation:DescribeStacks",
                "cloudformation:ExecuteChangeSet",
                "cloudformation:GetTemplate",
                "cloudformation:ListChangeSets",
            ),
            "cloudformation:ListStackResources",
        ),
        [f"arn:*:cloudformation:*:*:stack/{STACK}/*"],
    ),
    "AreTheNamesFree": (
        (
            *("cloudwatch:GetDashboard", "events:DescribeRule", "iam:GetPolicy", "iam:GetRole"),
            *("logs:DescribeMetricFilters", "sns:GetTopicAttributes", "sqs:GetQueueUrl"),
        ),
        [
            f"arn:*:cloudwatch::*:dashboard/{STACK}",
            f"arn:*:events:*:*:rule/{STACK}-*",
            *(f"arn:*:iam::*:policy/{STACK}-*", f"arn:*:iam::*:policy/*/{STACK}-*"),
            *(f"arn:*:iam::*:role/{STACK}-*", f"arn:*:iam::*:role/*/{STACK}-*"),
            "arn:*:logs:*:*:log-group:*",
            f"arn:*:sns:*:*:{STACK}-*",
            f"arn:*:sqs:*:*:{STACK}-*",
        ],
    ),
    "BucketOfTheCode": (
        (
            *("s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion"),
            *("s3:GetBucketPolicy", "s3:GetObject", "s3:ListBucket", "s3:ListBucketVersions"),
            *("s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketVersioning"),
            *(
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:PutObject",
                "s3:TagResource",
            ),
        ),
        [f"arn:*:s3:::{BUCKET}"],
    ),
    "RecoveriesUnderWay": (
        ("lambda:ListDurableExecutionsByFunction", "lambda:StopDurableExecution"),
        [f"arn:*:lambda:*:*:function:{STACK}-recover", f"arn:*:lambda:*:*:function:{STACK}-recover:*"],
    ),
    "PolicyThatIsInstalled": (("lambda:GetFunction",), [f"arn:*:lambda:*:*:function:{STACK}-recover:live"]),
    "LookIntoMemberAccounts": (
        ("sts:AssumeRole",),
        [
            *(f"arn:*:iam::*:role/{STACK}-member-audit", f"arn:*:iam::*:role/*/{STACK}-member-audit"),
            # With --look-with.
            f"arn:*:iam::*:role/{STACK}-look",
        ],
    ),
    "RecordsOfVerifications": (
        ("logs:DeleteLogStream", "logs:DescribeLogStreams"),
        ["arn:*:logs:*:*:log-group:*"],
    ),
    "LookAtTheAccount": (
        (
            *("cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"),
            *(
                "cloudwatch:DescribeAlarms",
                "ecs:DescribeClusters",
                "ecs:DescribeTaskDefinition",
                "events:ListEventBuses",
            ),
            *("ecs:ListClusters", "ecs:ListTaskDefinitionFamilies", "iam:ListRoles"),
            *("events:ListRules", "events:ListTargetsByRule", "lambda:GetAccountSettings"),
            *(
                "lambda:GetFunctionConfiguration",
                "logs:DescribeLogGroups",
                "logs:DescribeSubscriptionFilters",
            ),
            *("scheduler:GetSchedule", "scheduler:ListSchedules", "sns:ListSubscriptionsByTopic"),
        ),
        ["*"],
    ),
}

# Where CloudFormation's handlers act, by what they call. The first that fits counts.
HANDLERS: tuple[tuple[str, tuple[str, ...], list[str], dict[str, Any] | None], ...] = (
    ("Alarms", ("cloudwatch:*Alarm*",), [f"arn:*:cloudwatch:*:*:alarm:{STACK}-*"], None),
    ("Dashboards", ("cloudwatch:*Dashboard*",), [f"arn:*:cloudwatch::*:dashboard/{STACK}"], None),
    (
        "TagsOfAlarms",
        ("cloudwatch:*",),
        [f"arn:*:cloudwatch:*:*:alarm:{STACK}-*", f"arn:*:cloudwatch::*:dashboard/{STACK}"],
        None,
    ),
    ("Rules", ("events:*",), [f"arn:*:events:*:*:rule/{STACK}-*"], None),
    (
        "PassTheRolesToLambda",
        ("iam:PassRole",),
        [f"arn:*:iam::*:role/{STACK}-*", f"arn:*:iam::*:role/*/{STACK}-*"],
        {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    ),
    (
        "RolesAndTheirPolicies",
        ("iam:*",),
        [
            *(f"arn:*:iam::*:role/{STACK}-*", f"arn:*:iam::*:role/*/{STACK}-*"),
            *(f"arn:*:iam::*:policy/{STACK}-*", f"arn:*:iam::*:policy/*/{STACK}-*"),
        ],
        None,
    ),
    ("CodeInTheBucket", ("s3:*",), [f"arn:*:s3:::{BUCKET}/*"], None),
    (
        "Layers",
        ("lambda:*Layer*",),
        [f"arn:*:lambda:*:*:layer:{STACK}-code", f"arn:*:lambda:*:*:layer:{STACK}-code:*"],
        None,
    ),
    (
        "Functions",
        ("lambda:*",),
        [f"arn:*:lambda:*:*:function:{STACK}-*"],
        None,
    ),
    (
        "FiltersOfTheTrail",
        ("logs:*SubscriptionFilter*", "logs:*MetricFilter*", "logs:DescribeLogGroups"),
        ["arn:*:logs:*:*:log-group:*"],
        None,
    ),
    ("LogGroups", ("logs:*",), [f"arn:*:logs:*:*:log-group:/aws/lambda/{STACK}-*"], None),
    (
        "Topic",
        ("sns:*",),
        [f"arn:*:sns:*:*:{STACK}-notifications", f"arn:*:sns:*:*:{STACK}-notifications:*"],
        None,
    ),
    ("Queues", ("sqs:*",), [f"arn:*:sqs:*:*:{STACK}-*-dead-letters"], None),
    # With SubnetIds.
    ("Network", ("ec2:*",), ["*"], None),
    # With DataKeyArn or TopicKeyArn. Name your keys instead of *.
    ("Keys", ("kms:*",), ["arn:*:kms:*:*:key/*"], None),
)

# What handlers name for properties that neither template has, and why they are not called.
LEFT_OUT = {
    "codedeploy:*": "UpdatePolicy of an alias",
    "elasticfilesystem:*": "FileSystemConfigs",
    "s3files:*": "FileSystemConfigs",
    "firehose:*": "a log group of the class Delivery",
    "s3:REST.PUT.OBJECT": "no action of IAM's",
    "iam:*GroupPolicy": "Groups of a managed policy",
    "iam:*UserPolicy": "Users of a managed policy",
    "iam:PutRolePolicy": "Policies of a role",
    "lambda:PassCapacityProvider": "CapacityProviderConfig",
    "lambda:PutFunctionCodeSigningConfig": "CodeSigningConfigArn",
    "lambda:DeleteFunctionCodeSigningConfig": "CodeSigningConfigArn",
    "lambda:PutFunctionRecursionConfig": "RecursiveLoop",
    "lambda:PutFunctionScalingConfig": "FunctionScalingConfig",
    "lambda:PutRuntimeManagementConfig": "RuntimeManagementConfig",
    "lambda:AssociateRuntimeAlias": "no action of IAM's any more",
    "lambda:*ProvisionedConcurrencyConfig": "ProvisionedConcurrencyConfig",
    "logs:CreateLogDelivery": "a log group of the class Delivery",
    "logs:PutBearerTokenAuthentication": "BearerTokenAuthenticationEnabled",
    "logs:PutDataProtectionPolicy": "DataProtectionPolicy",
    "logs:DeleteDataProtectionPolicy": "DataProtectionPolicy",
    "logs:PutIndexPolicy": "FieldIndexPolicies",
    "logs:DeleteIndexPolicy": "FieldIndexPolicies",
    "logs:PutLogGroupDeletionProtection": "DeletionProtectionEnabled",
    "logs:PutResourcePolicy": "ResourcePolicyDocument",
    "logs:DeleteResourcePolicy": "ResourcePolicyDocument",
    "logs:DescribeResourcePolicies": "ResourcePolicyDocument",
    "sns:PutDataProtectionPolicy": "DataProtectionPolicy",
}


def main(arguments: Sequence[str]) -> int:
    """Write the policies, or check them; returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print(f"Usage: python tools/deploying.py [--check]; not {' '.join(arguments)}", file=sys.stderr)
        return 2
    stale = []
    for name, statements in (("deployer", deployer()), ("cloudformation", cloudformation())):
        path = FOLDER / f"{name}.json"
        text = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT))
            if not arguments:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path} is stale; write it again with: make docs" if arguments else path)
    return 1 if arguments and stale else 0


def deployer() -> list[dict[str, Any]]:
    """Return the statements of whoever deploys."""
    found = [_statement(sid, actions, resources) for sid, (actions, resources) in DEPLOYER.items()]
    next(one for one in found if one["Sid"] == "BucketOfTheCode")["Resource"].append(f"arn:*:s3:::{BUCKET}/*")
    to = {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
    # With --cloudformation-role.
    role = _statement(
        "GiveCloudFormationItsRole", ["iam:PassRole"], [f"arn:*:iam::*:role/{STACK}-cloudformation"], to
    )
    return [*found, role]


def cloudformation() -> list[dict[str, Any]]:
    """Return the statements of what CloudFormation does to the resources."""
    placed: dict[str, list[str]] = {}
    for action in sorted(handled()):
        if not any(fnmatchcase(action, pattern) for pattern in LEFT_OUT):
            sids = [
                sid for sid, patterns, _, _ in HANDLERS if any(fnmatchcase(action, one) for one in patterns)
            ]
            if not sids:
                raise ValueError(f"{action} has no place in HANDLERS, and is not in LEFT_OUT")
            placed.setdefault(sids[0], []).append(action)
    return [_statement(sid, placed[sid], where, when) for sid, _, where, when in HANDLERS]


def handled() -> set[str]:
    """Return what the handlers of the templates' resource types call."""
    types = {resource["Type"] for path in TEMPLATES for resource in template(path)["Resources"].values()}
    found: set[str] = set()
    for kind in types:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        handlers = schema["handlers"]
        for name in ("create", "read", "update", "delete"):
            found.update(handlers.get(name, {}).get("permissions", ()))
        found.update(schema.get("tagging", {}).get("permissions", ()))
    return found


def _statement(
    sid: str, actions: Iterable[str], resources: list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    found = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
    return {**found, "Condition": condition} if condition else found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
