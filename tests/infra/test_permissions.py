"""What the roles may do against what the code does: nothing is missing, nothing is left over, nothing is wide."""

from __future__ import annotations

import ast
import fnmatch
import importlib.util
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from retry_run_task.commands.shared.chunks import parts
from retry_run_task.launch.names import audit_role, member_role
from support.infra import NOT_OWN, ROOT, Stack, tool

SOURCE = ROOT / "src" / "retry_run_task"
PACKAGE = "retry_run_task"
EVERYTHING = {
    "StopHangingTasks": "true",
    "TaskDefinitions": "nightly,report-*",
    "Clusters": "batch,default",
    "PassRoleArns": "arn:aws:iam::123456789012:role/batch,arn:aws:iam::123456789012:role/batch-execution",
    "TrailLogGroupName": "aws-cloudtrail-logs",
    "TopicKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "MemberAccounts": "210987654321,333333333333",
    "MemberExternalId": "night-shift-7f3a",
    "AuditSchedule": "cron(0 22 * * ? *)",
    "SubnetIds": "subnet-0123456789abcdef0",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "DataKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/2345bcde-12ab-34cd-56ef-1234567890ab",
    "ScheduleKeyArns": "arn:aws:kms:ap-northeast-1:123456789012:key/3456cdef-12ab-34cd-56ef-1234567890ab",
}
MORE = {
    "TaskDefinitions2": "more-1,more-*",
    "TaskDefinitions3": "still",
    "PassRoleArns2": "arn:aws:iam::123456789012:role/more",
    "PassRoleArns3": "arn:aws:iam::123456789012:role/still",
    "PassRoleArns4": "arn:aws:iam::123456789012:role/at-last",
    "ReadRules2": "more,bus/still-*",
    "ReadRules3": "at-last",
    "ReadSchedules2": "default/more",
    "ReadSchedules3": "default/at-last",
}
POLICIES = ("IntakePolicy", "RecoverPolicy", "AuditPolicy", "VpcPolicy")

# Which function calls what a module of aws/ offers.
CALLED_BY = {
    "recoveries": "IntakePolicy",
    "counting": "RecoverPolicy",
    "ecs": "RecoverPolicy",
    "topic": "RecoverPolicy",
    "tasks": "RecoverPolicy",
    "schedules": "RecoverPolicy",
    "tags": "RecoverPolicy",
    "members": "RecoverPolicy",
}
# Modules of aws/ that call nothing.
CALL_NOTHING = {"__init__", "cached", "rate_limiter", "telemetry", "port", "faults", "starts", "neighbours"}

# Operations that IAM knows under another name.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
IN_IAM = {"lambda:Invoke": "lambda:InvokeFunction"}

# Actions that are allowed on *, since AWS knows nothing finer to allow them on.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
ON_EVERYTHING = {
    "ecs:ListTasks": "a cluster's tasks are listed of *, limited by the condition ecs:cluster",
    "cloudtrail:LookupEvents": "has no resource",
    "events:ListEventBuses": "has no resource",
    "events:ListRules": "of a bus; a list of all buses is asked for first",
    "events:ListRuleNamesByTarget": "has no resource",
    "scheduler:ListSchedules": "has no resource",
}

# What the roles are also asked for by AWS itself, and by whom. Nothing in the code calls these.
_LOGS = "the Lambda runtime writes what the function prints"
_KEY = "SQS, when the queue has a key"
_VPC = "Lambda, under the function's role, when the function is in a VPC"
_DEAD_LETTERS = "Lambda sends events that the function failed on, under the function's role"
ASKED_BY_AWS = {
    "IntakePolicy": {
        "logs:CreateLogStream": _LOGS,
        "logs:PutLogEvents": _LOGS,
        "sqs:SendMessage": _DEAD_LETTERS,
        "kms:Decrypt": _KEY,
        "kms:GenerateDataKey": _KEY,
    },
    "AuditPolicy": {
        "logs:CreateLogStream": _LOGS,
        "logs:PutLogEvents": _LOGS,
        "kms:Decrypt": "SNS, Lambda, EventBridge and its Scheduler, when something there has a key",
        "kms:GenerateDataKey": "SNS, when the topic has a key",
    },
    "VpcPolicy": {
        "ec2:AssignPrivateIpAddresses": _VPC,
        "ec2:CreateNetworkInterface": _VPC,
        "ec2:DeleteNetworkInterface": _VPC,
        "ec2:DescribeNetworkInterfaces": _VPC,
        "ec2:DescribeSubnets": _VPC,
        "ec2:UnassignPrivateIpAddresses": _VPC,
    },
    "RecoverPolicy": {
        "logs:CreateLogStream": _LOGS,
        "logs:PutLogEvents": _LOGS,
        "sqs:SendMessage": _DEAD_LETTERS,
        "iam:PassRole": "ECS, when a task has a role",
        "ecs:TagResource": "ECS, when a task is started with tags",
        "kms:Decrypt": "SNS, SQS, Lambda, EventBridge and its Scheduler, when something there has a key",
        "kms:GenerateDataKey": "SNS and SQS, when the topic or the queue has a key",
    },
}


def _imported(path: Path) -> Iterator[str]:
    """Yield the modules of this package that a module imports, also inside its functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith(PACKAGE))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _reachable() -> set[Path]:
    """Return the modules that the handlers need: what runs in Lambda, not what merely lies there."""
    found, waiting = set(), [SOURCE / "handlers" / "__init__.py"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            for module in _imported(path):
                base = SOURCE.joinpath(*module.split(".")[1:])
                waiting += [p for p in (Path(f"{base}.py"), base / "__init__.py") if p.exists()]
    return found


def _operations(service: str) -> dict[str, str]:
    """Return IAM's names of a service's operations, by the names of the client's methods."""
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name): f"{service}:{name}" for name in model.operation_names}
    return {method: IN_IAM.get(action, action) for method, action in names.items()}


def _calls(tree: ast.AST, services: set[str]) -> set[str]:
    """Return the actions behind every method, or name of a method, that stands in a module.

    A name counts wherever it stands after a dot, and as a text, which is how paginators are asked for.
    """
    # Services share names: each of them that a module has a client of counts.
    known = [_operations(service) for service in services]
    said = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    said |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {actions[name] for actions in known for name in said if name in actions}


def _services(tree: ast.AST) -> set[str]:
    """Return the services whose clients a module handles, by the types that it imports."""
    prefix = "mypy_boto3_"
    modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    return {name.removeprefix(prefix) for name in modules if name.startswith(prefix)}


def called() -> dict[str, set[str]]:
    """Return the actions that the code needs, by the policy that has to grant them."""
    needed: dict[str, set[str]] = {
        "IntakePolicy": set(),
        "RecoverPolicy": _durable_sdk(),
        # What the command is said to need, which a test has it call; and it tells of what it finds, and enters members.
        "AuditPolicy": {*_documented("RetryRunTaskAudit"), "sns:Publish", "sts:AssumeRole"},
        "VpcPolicy": set(),
    }
    for path in _reachable():
        if path.parent.name == "aws" and path.stem not in CALL_NOTHING:
            tree = ast.parse(path.read_text())
            services = _services(tree)
            assert services, f"{path.name} imports no type of a client; is its service one of boto3-stubs's?"
            assert path.stem in CALLED_BY, f"say in CALLED_BY which function calls {path.name}"
            needed[CALLED_BY[path.stem]] |= _calls(tree, services)
    return needed


def _documented(sid: str) -> set[str]:
    """Return the actions of a statement in docs/operations.md; test_operations.py compares them with the calls."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    found = [s for block in blocks for s in json.loads(block).get("Statement", []) if s["Sid"] == sid]
    return set(found[0]["Action"])


def _durable_sdk() -> set[str]:
    """Return what the durable execution SDK calls on Lambda's client."""
    found = importlib.util.find_spec("aws_durable_execution_sdk_python")
    assert found
    assert found.origin
    paths = Path(found.origin).parent.rglob("*.py")
    trees = [ast.parse(path.read_text()) for path in paths if "boto3" in path.read_text()]
    # Its checks of what it is given name operations of the same spelling; only calls of durable ones count.
    calls = {action for tree in trees for action in _calls(tree, {"lambda"})}
    return {action for action in calls if "Durable" in action}


def statements(policy: str, stack: Stack | None = None) -> list[dict[str, Any]]:
    """Return a policy's statements, with those of the policies beside it: recover has more than one, for their size."""
    family = policy.removesuffix("Policy")
    made = (stack or Stack(**EVERYTHING)).of_type("AWS::IAM::ManagedPolicy")
    beside = [one for name, one in made.items() if name.startswith(family)]
    assert beside, policy
    return [statement for one in beside for statement in one["PolicyDocument"]["Statement"]]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def granted(policy: str) -> set[str]:
    """Return the actions that a policy allows."""
    allowed = (s for s in statements(policy) if s["Effect"] == "Allow")
    return {action for s in allowed for action in _listed(s["Action"])}


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_granted_is_what_is_called(policy: str) -> None:
    needed = called()[policy] | set(ASKED_BY_AWS[policy])
    assert sorted(needed - granted(policy)) == [], "called, and not granted in infra/template.yaml"
    assert sorted(granted(policy) - needed) == [], "granted in infra/template.yaml, and never called"


def test_the_scan_of_the_code_finds_what_is_known_to_be_there() -> None:
    """A scan that finds nothing would make the comparison above say nothing."""
    assert called()["IntakePolicy"] == {"lambda:InvokeFunction"}
    assert called()["RecoverPolicy"] >= {
        "ecs:RunTask",
        "sns:Publish",
        "lambda:CheckpointDurableExecution",
        "lambda:GetDurableExecutionState",
    }


@pytest.mark.parametrize("policy", ["IntakePolicy", "RecoverPolicy", "AuditPolicy"])
def test_nothing_is_granted_by_pattern_or_on_everything(policy: str) -> None:
    for statement in statements(policy):
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        assert [a for a in _listed(statement["Action"]) if "*" in a] == []
        if "*" in _listed(statement["Resource"]):
            assert set(_listed(statement["Action"])) <= ON_EVERYTHING.keys()
            assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"] == "ap-northeast-1"


def test_tasks_are_listed_and_looked_at_on_the_named_clusters_only() -> None:
    clusters = ["arn:*:ecs:*:*:cluster/batch", "arn:*:ecs:*:*:cluster/default"]
    assert _statement("LookForTasks")["Condition"]["ArnLike"] == {"ecs:cluster": clusters}
    assert _statement("LookAtTasks")["Resource"] == [
        "arn:*:ecs:*:*:task/batch/*",
        "arn:*:ecs:*:*:task/default/*",
    ]


def _statement(sid: str) -> dict[str, Any]:
    (found,) = (s for s in statements("RecoverPolicy") if s["Sid"] == sid)
    return found


def _may_run(task_definition: str, cluster: str, region: str = "ap-northeast-1") -> bool:
    """Tell whether RunTask is allowed, by IAM's rule for ARNs: each of their parts is matched by itself."""
    statement = _statement("MakeFailedCallsAgain")
    condition = statement["Condition"]
    return (
        _matches(
            f"arn:aws:ecs:{region}:123456789012:task-definition/{task_definition}", statement["Resource"]
        )
        and _matches(
            f"arn:aws:ecs:{region}:123456789012:cluster/{cluster}", condition["ArnLike"]["ecs:cluster"]
        )
        and condition["StringEquals"]["aws:RequestedRegion"] == region
    )


def _matches(arn: str, patterns: list[str]) -> bool:
    return any(
        all(map(fnmatch.fnmatchcase, arn.split(":", 5), pattern.split(":", 5))) for pattern in patterns
    )


@pytest.mark.parametrize(
    ("task_definition", "cluster", "region", "allowed"),
    [
        ("nightly:7", "batch", "ap-northeast-1", True),
        ("nightly:7", "default", "ap-northeast-1", True),
        ("report-eu:1", "batch", "ap-northeast-1", True),
        ("nightly-2:7", "batch", "ap-northeast-1", False),
        ("other:7", "batch", "ap-northeast-1", False),
        ("nightly:7", "batch-2", "ap-northeast-1", False),
        ("nightly:7", "other", "ap-northeast-1", False),
        ("nightly:7", "batch", "us-east-1", False),
    ],
)
def test_recover_may_run_only_what_is_named_where_it_is_named(
    task_definition: str, cluster: str, region: str, allowed: bool
) -> None:
    assert _may_run(task_definition, cluster, region) is allowed


def test_recover_may_tag_only_what_it_is_starting_on_the_named_clusters() -> None:
    statement = _statement("TagWhatIsStarted")
    assert statement["Resource"] == ["arn:*:ecs:*:*:task/batch/*", "arn:*:ecs:*:*:task/default/*"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:RequestedRegion": "ap-northeast-1", "ecs:CreateAction": "RunTask"}
    }


def test_recover_may_pass_only_the_named_roles_and_only_to_tasks() -> None:
    statement = _statement("PassTheRolesOfTheTasks")
    assert statement["Resource"] == EVERYTHING["PassRoleArns"].split(",")
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


def test_without_roles_or_a_key_there_is_no_permission_for_them() -> None:
    given = {k: v for k, v in EVERYTHING.items() if k in ("TaskDefinitions", "Clusters")}
    sids = {s["Sid"] for s in statements("RecoverPolicy", Stack(**given))}
    everything = {s["Sid"] for s in statements("RecoverPolicy")}
    assert everything - sids == {
        "PassTheRolesOfTheTasks",
        "StopTasksThatHang",
        "UseTheKeyOfTheTopic",
        "EnterOtherAccounts",
        "EncryptWhatIsKept",
        "ReadEncryptedSchedules",
        "ReadWhereRecoveriesAre",
    }


@pytest.mark.parametrize(
    ("given", "may", "may_not"),
    [
        (
            {"ReadRules": "nightly,reports/report-*", "ReadSchedules": "default/nightly"},
            [
                "events:1:rule/nightly",
                "events:1:rule/reports/report-eu",
                "scheduler:1:schedule/default/nightly",
            ],
            ["events:1:rule/payroll", "events:1:rule/reports/x", "scheduler:1:schedule/default/payroll"],
        ),
        ({}, ["events:1:rule/payroll", "scheduler:1:schedule/a/b"], []),
        (
            {"ReadRules": "", "ReadSchedules": ""},
            [],
            ["events:1:rule/nightly", "scheduler:1:schedule/default/nightly"],
        ),
    ],
)
def test_recover_may_read_the_inputs_of_what_is_named_and_of_nothing_else(
    given: dict[str, str], may: list[str], may_not: list[str]
) -> None:
    """An input may hold anything."""
    stack = Stack(**{**EVERYTHING, **given})
    reading = {"events:ListTargetsByRule", "scheduler:GetSchedule"}
    patterns = [
        pattern
        for s in statements("RecoverPolicy", stack)
        if reading & set(_listed(s["Action"]))
        for pattern in _listed(s["Resource"])
    ]
    arns = [f"arn:aws:{one.replace(':1:', ':ap-northeast-1:123456789012:')}" for one in (*may, *may_not)]
    assert [_matches(arn, patterns) for arn in arns] == [True] * len(may) + [False] * len(may_not)


@pytest.mark.parametrize("path", ["/", "/batch/"])
def test_recover_may_take_one_role_in_the_named_accounts_and_no_other(path: str) -> None:
    given = statements("RecoverPolicy", Stack(**EVERYTHING, RolePath=path))
    (statement,) = (s for s in given if s["Sid"] == "EnterOtherAccounts")
    assert statement["Resource"] == f"arn:aws:iam::*:role/{member_role('retry-run-task', path)}"
    only = {"StringEquals": {"aws:ResourceAccount": ["210987654321", "333333333333"]}}
    assert statement["Condition"] == only
    given = statements("AuditPolicy", Stack(**EVERYTHING, RolePath=path))
    (statement,) = (s for s in given if s["Sid"] == "EnterOtherAccounts")
    assert statement["Resource"] == f"arn:aws:iam::*:role/{audit_role('retry-run-task', path)}"
    assert statement["Condition"] == only


def test_recover_may_act_in_the_named_regions_only() -> None:
    regions = ["ap-northeast-1", "eu-west-1"]
    for statement in statements("RecoverPolicy", Stack(**EVERYTHING, Regions=",".join(regions))):
        if statement["Sid"] in NOT_OWN - {
            "PassTheRolesOfTheTasks",
            "EnterOtherAccounts",
            "ReadEncryptedSchedules",
        }:
            assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"] == regions


def test_everything_else_is_of_this_stack() -> None:
    keys = {EVERYTHING["TopicKeyArn"], EVERYTHING["DataKeyArn"]}
    for policy in ("IntakePolicy", "RecoverPolicy", "AuditPolicy"):
        for statement in statements(policy):
            if statement["Sid"] not in NOT_OWN:
                for resource in _listed(statement["Resource"]):
                    is_own = resource.startswith("<") or re.search(
                        ":function:retry-run-task-recover(:|$)", resource
                    )
                    assert is_own or resource in keys, statement["Sid"]


def test_a_key_is_used_through_one_service_only_and_for_what_is_ours() -> None:
    used = {
        (policy, s["Sid"]): (s["Resource"], s["Condition"])
        for policy in ("IntakePolicy", "RecoverPolicy", "AuditPolicy")
        for s in statements(policy)
        if any(action.startswith("kms:") for action in _listed(s["Action"]))
    }
    data, topic = EVERYTHING["DataKeyArn"], EVERYTHING["TopicKeyArn"]
    sqs = {"StringEquals": {"kms:ViaService": "sqs.ap-northeast-1.amazonaws.com"}}
    recover = "arn:aws:lambda:ap-northeast-1:123456789012:function:retry-run-task-recover"
    topics = {"StringEquals": {"kms:ViaService": "sns.ap-northeast-1.amazonaws.com"}}
    schedules = {"StringLike": {"kms:ViaService": ["events.*.amazonaws.com", "scheduler.*.amazonaws.com"]}}
    assert used == {
        ("AuditPolicy", "UseTheKeyOfTheTopic"): (topic, topics),
        ("AuditPolicy", "ReadEncryptedSchedules"): ([EVERYTHING["ScheduleKeyArns"]], schedules),
        ("AuditPolicy", "DecryptSettingsAndRecoveries"): (
            data,
            {
                "StringEquals": {
                    "kms:ViaService": "lambda.ap-northeast-1.amazonaws.com",
                    "kms:EncryptionContext:aws:lambda:FunctionArn": ["<Intake.Arn>", "<Recover.Arn>"],
                }
            },
        ),
        ("IntakePolicy", "EncryptWhatIsKept"): (data, sqs),
        ("RecoverPolicy", "EncryptWhatIsKept"): (data, sqs),
        ("RecoverPolicy", "UseTheKeyOfTheTopic"): (topic, topics),
        ("RecoverPolicy", "ReadWhereRecoveriesAre"): (
            data,
            {
                "StringEquals": {
                    "kms:ViaService": "lambda.ap-northeast-1.amazonaws.com",
                    "kms:EncryptionContext:aws:lambda:FunctionArn": recover,
                }
            },
        ),
        ("RecoverPolicy", "ReadEncryptedSchedules"): ([EVERYTHING["ScheduleKeyArns"]], schedules),
    }


def test_in_a_vpc_lambda_makes_the_interfaces_and_the_code_may_not() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html."""
    allowed, denied = statements("VpcPolicy")
    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert allowed["Action"] == denied["Action"]
    functions = Stack(**EVERYTHING).of_type("AWS::Lambda::Function").values()
    function = "arn:aws:lambda:ap-northeast-1:123456789012:function:"
    (stopped,) = denied["Condition"]["ArnEquals"].values()
    assert stopped == [function + one["FunctionName"] for one in functions]


def test_a_role_can_be_taken_by_lambda_only_and_has_its_own_policy() -> None:
    roles = Stack(**EVERYTHING).of_type("AWS::IAM::Role")
    assert {name: role["ManagedPolicyArns"] for name, role in roles.items()} == {
        "IntakeRole": ["<IntakePolicy>", "<VpcPolicy>"],
        "AuditRole": ["<AuditPolicy>", "<VpcPolicy>"],
        "RecoverRole": [
            *("<RecoverPolicy>", "<RecoverRunPolicy>", "<RecoverPassPolicy>"),
            *("<RecoverReadsPolicy>", "<RecoverKeysPolicy>", "<VpcPolicy>"),
        ],
    }
    (all_of_them,) = (
        role["ManagedPolicyArns"]
        for name, role in Stack(**EVERYTHING, **MORE).of_type("AWS::IAM::Role").items()
        if name == "RecoverRole"
    )
    # More than ten, which `deploy` counts.
    assert len(all_of_them) == 13
    for role in roles.values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize(
    ("name", "sid", "around"),
    [
        ("TaskDefinitions", "MakeFailedCallsAgain", ("arn:*:ecs:*:*:task-definition/", ":*")),
        ("PassRoleArns", "PassTheRolesOfTheTasks", ("", "")),
        ("ReadRules", "ReadTheRules", ("arn:*:events:*:*:rule/", "")),
        ("ReadSchedules", "ReadTheSchedules", ("arn:*:scheduler:*:*:schedule/", "")),
    ],
)
def test_every_part_of_a_long_list_is_allowed_on_the_same_conditions(
    name: str, sid: str, around: tuple[str, str]
) -> None:
    stack = Stack(**EVERYTHING, **MORE)
    said = [one for one in statements("RecoverPolicy", stack) if one["Sid"] == sid]
    listed = [stack.values[part] for part in parts(name)]
    assert [one["Resource"] for one in said] == [
        [f"{around[0]}{item}{around[1]}" for item in part] for part in listed
    ]
    rest = {json.dumps({k: v for k, v in one.items() if k != "Resource"}, sort_keys=True) for one in said}
    assert len(rest) == 1


def test_the_page_on_permissions_is_what_the_template_says() -> None:
    command = [tool("python"), ROOT / "tools" / "permissions.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
