"""The role of another account: it lets one role in, and may there what recover may at home, in both languages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from retry_run_task import __version__
from retry_run_task.launch.names import audit_role, member_role
from support.infra import LATER_PARTS, MEMBER, MODULE, NOT_OWN, ROOT, Stack, module, template

IN_TERRAFORM = MODULE / "modules" / "member"
GIVEN = {
    "TaskDefinitions": "nightly,report-*",
    "Clusters": "batch,default",
    "Regions": "ap-northeast-1,eu-west-1",
    "StopHangingTasks": "true",
    "ReadRules": "nightly,reports/report-*",
    "ReadSchedules": "default/nightly",
}
HOME, ROLES = "123456789012", "batch,service/batch-execution"
KEY = "arn:aws:kms:ap-northeast-1:210987654321:key/5678abcd-12ab-34cd-56ef-1234567890ab"
FULL = {
    "ScheduleKeyArns": KEY,
    "HubAccount": HOME,
    "ExternalId": "night-shift-7f3a",
    "PassRoles": ROLES,
    "Audit": "false",
    **GIVEN,
}
AWAY = {"AWS::AccountId": "210987654321"}


def member(**given: str) -> Stack:
    return Stack(where=AWAY, path=MEMBER, **{**FULL, **given})


def statements(stack: Stack, policy: str) -> dict[str, dict[str, Any]]:
    document = stack.of_type("AWS::IAM::ManagedPolicy")[policy]["PolicyDocument"]
    return {s["Sid"]: s for s in document["Statement"]}


def allowed(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the statements of all policies of the member role, where no list is in more than one of them."""
    return {
        sid: one
        for policy in stack.of_type("AWS::IAM::ManagedPolicy")
        for sid, one in statements(stack, policy).items()
    }


def test_recover_may_do_there_what_it_may_do_at_home_and_nothing_else() -> None:
    arns = ",".join(f"arn:aws:iam::{HOME}:role/{name}" for name in ROLES.split(","))
    made = Stack(PassRoleArns=arns, ScheduleKeyArns=KEY, **GIVEN)
    home: dict[str, Any] = {}
    for part in ("", "Run", "Pass", "Keys", "Reads"):
        home |= statements(made, f"Recover{part}Policy")
    away = allowed(member())
    audits = {"FindWhatWasDueAndCalled", "ReadWhatWasDue"}
    assert away.keys() == NOT_OWN - audits - {"EnterOtherAccounts"}
    # Where an account is in an ARN, it is the account's own; and roles are told by name, for many accounts at once.
    assert away.pop("PassTheRolesOfTheTasks") == home["PassTheRolesOfTheTasks"] | {
        "Resource": [f"arn:*:iam::*:role/{name}" for name in ROLES.split(",")]
    }
    assert away == {
        sid: json.loads(json.dumps(home[sid]).replace(HOME, AWAY["AWS::AccountId"])) for sid in away
    }


@pytest.mark.parametrize("path", ["/", "/batch/"])
def test_only_the_hubs_recover_is_let_in_and_only_with_the_external_id(path: str) -> None:
    (role,) = member(HubName="night", RolePath=path).of_type("AWS::IAM::Role").values()
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{HOME}:root"}
    assert statement["Action"] == "sts:AssumeRole"
    hub = Stack(name="night", TaskDefinitions="x", RolePath=path).of_type("AWS::IAM::Role")["RecoverRole"]
    assert statement["Condition"] == {
        "StringEquals": {"sts:ExternalId": "night-shift-7f3a"},
        "ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:role{hub['Path']}{hub['RoleName']}"},
    }
    assert f"{role['Path'].lstrip('/')}{role['RoleName']}" == member_role("night", path)
    assert role["ManagedPolicyArns"] == [
        f"<Member{part}Policy>" for part in ("", "Run", "Pass", "Reads", "Keys")
    ]


LATER = {
    "TaskDefinitions2": "b",
    "TaskDefinitions3": "c",
    "PassRoles2": "r2",
    "PassRoles3": "path/r3",
    "PassRoles4": "r4",
    "ReadRules2": "bus/b",
    "ReadSchedules3": "default/c",
}


_READ_RULES = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]


def test_a_list_that_goes_on_is_in_a_policy_of_its_own_that_says_the_same() -> None:
    made = member(**LATER)
    for kind, action, sid, start, end in (
        ("Run", "ecs:RunTask", "MakeFailedCallsAgain", "arn:*:ecs:*:*:task-definition/", ":*"),
        ("Pass", "iam:PassRole", "PassTheRolesOfTheTasks", "arn:*:iam::*:role/", ""),
        ("ReadRules", _READ_RULES, "ReadTheRules", "arn:*:events:*:*:rule/", ""),
        ("ReadSchedules", "scheduler:GetSchedule", "ReadTheSchedules", "arn:*:scheduler:*:*:schedule/", ""),
    ):
        policy = "Reads" if kind.startswith("Read") else kind
        first = statements(made, f"Member{policy}Policy")[sid]
        assert first["Action"] == action
        later = [name for name in LATER if name.startswith("Task" if kind == "Run" else kind)]
        assert later
        for name in later:
            more = statements(made, f"Member{policy}Policy{name[-1]}")
            assert more == {sid: {**first, "Resource": [f"{start}{LATER[name]}{end}"]}}
    (role,) = made.of_type("AWS::IAM::Role").values()
    assert sorted(role["ManagedPolicyArns"]) == sorted(
        f"<{name}>" for name in made.of_type("AWS::IAM::ManagedPolicy")
    )


@pytest.mark.parametrize("path", ["/", "/batch/"])
def test_the_audit_may_read_there_what_it_may_at_home_and_start_nothing(path: str) -> None:
    made = member(Audit="true", HubName="night", RolePath=path)
    away = statements(made, "MemberAuditPolicy")
    hub = Stack(
        name="night",
        TaskDefinitions="x",
        ScheduleKeyArns=KEY,
        AuditSchedule="rate(1 day)",
        RolePath=path,
        Regions=GIVEN["Regions"],
    )
    home = statements(hub, "AuditPolicy")
    of_the_stack = {"ReadTheScope", "ReadRecoveries", "TellAPerson", "WriteLogs", "EnterOtherAccounts"}
    assert away.keys() == home.keys() - of_the_stack
    assert away == {
        sid: json.loads(json.dumps(home[sid]).replace(HOME, AWAY["AWS::AccountId"])) for sid in away
    }
    role = made.of_type("AWS::IAM::Role")["MemberAuditRole"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    # Whoever that account lets assume it: its audit, and people.
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{HOME}:root"}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "night-shift-7f3a"}}
    assert f"{role['Path'].lstrip('/')}{role['RoleName']}" == audit_role("night", path)
    assert role["ManagedPolicyArns"] == ["<MemberAuditPolicy>", "<MemberLookPolicy>"]
    assert len(audit_role("n" * 50)) <= 64


COMMANDS = ROOT / "src" / "retry_run_task" / "commands"
# What reads an account for doctor, deploy, verify, policy try, replay and report, by the names of the actions.
LOOKING = ("shared/launchers.py", "shared/names.py", "shared/tags.py")


def test_the_role_to_look_with_may_read_what_the_commands_read_and_nothing_else() -> None:
    made = member(Audit="true", ScheduleKeyArns="")
    named = {
        action
        for file in LOOKING
        for action in re.findall(r'"([a-z]+:[A-Z][A-Za-z]+)"', (COMMANDS / file).read_text("utf-8"))
    }
    # explain --aws sees what recover would, and audit looks for calls.
    recovers = {
        action
        for policy in ("MemberPolicy", "MemberReadsPolicy")
        for one in statements(made, policy).values()
        for action in _listed(one["Action"])
        if not re.search(r":(TagResource|StopTask)$", action)
    }
    allowed_there = [
        action
        for policy in ("MemberAuditPolicy", "MemberLookPolicy")
        for one in statements(made, policy).values()
        for action in _listed(one["Action"])
    ]
    assert sorted(allowed_there) == sorted(named | recovers | {"cloudtrail:LookupEvents"})


def _listed(action: str | list[str]) -> list[str]:
    return action if isinstance(action, list) else [action]


def test_without_the_audit_there_is_no_role_for_it() -> None:
    assert [name for name in member().resources if "Audit" in name or "Look" in name] == []


def test_without_roles_none_can_be_passed_and_without_regions_it_is_the_stacks_own() -> None:
    found = allowed(member(PassRoles="", Regions=""))
    assert "PassTheRolesOfTheTasks" not in found
    assert found["MakeFailedCallsAgain"]["Condition"]["StringEquals"] == {
        "aws:RequestedRegion": "ap-northeast-1"
    }


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1"])
def test_nothing_is_bound_to_one_partition(region: str) -> None:
    where = {"AWS::Partition": "aws-cn", "AWS::Region": region}
    text = json.dumps(Stack(where=where, path=MEMBER, **FULL).resources)
    assert re.findall(r"arn:aws[^*\"]{0,9}", text.replace("arn:aws-cn:", "").replace(KEY, "")) == []


def test_a_boundary_and_a_path_are_the_roles() -> None:
    boundary = "arn:aws:iam::210987654321:policy/boundary"
    stack = member(PermissionsBoundaryArn=boundary, RolePath="/batch/")
    (role,) = stack.of_type("AWS::IAM::Role").values()
    paths = {one["Path"] for one in stack.of_type("AWS::IAM::ManagedPolicy").values()}
    assert (role["PermissionsBoundary"], role["Path"], paths) == (boundary, "/batch/", {"/batch/"})
    (bare,) = member().of_type("AWS::IAM::Role").values()
    assert ("PermissionsBoundary" in bare, bare["Path"]) == (False, "/")


def test_a_name_of_50_characters_fits() -> None:
    (role,) = member(HubName="n" * 50).of_type("AWS::IAM::Role").values()
    assert len(role["RoleName"]) <= 64


def test_the_same_parameters_take_the_same() -> None:
    home, away = template()["Parameters"], template(MEMBER)["Parameters"]
    for name in sorted((home.keys() & away.keys()) - {"PassRoles"}):
        assert [away[name].get(k) for k in ("Type", "AllowedPattern", "Default")] == [
            home[name].get(k) for k in ("Type", "AllowedPattern", "Default")
        ]
    assert re.fullmatch(away["ExternalId"]["AllowedPattern"], "night-shift-7f3a")
    assert not re.fullmatch(away["ExternalId"]["AllowedPattern"], "")
    for good in ("", "batch", "service-role/batch", "a@b", "batch*", "service-role/b?tch"):
        assert re.fullmatch(away["PassRoles"]["AllowedPattern"], good)
    for bad in ("arn:aws:iam::123456789012:role/batch", "*", "/batch", "?atch", "a/*", "a*/b"):
        assert not re.fullmatch(away["PassRoles"]["AllowedPattern"], bad)
    interface = template(MEMBER)["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(interface["ParameterLabels"]) == sorted(away)


def test_the_version_is_that_of_the_package() -> None:
    assert member().outputs["Version"] == __version__
    assert f"retry-run-task {__version__}:" in template(MEMBER)["Description"]
    assert __version__ in (IN_TERRAFORM / "outputs.tf").read_text()


# The Terraform module.


def _block(kind: str, of_type: str, name: str) -> dict[str, Any]:
    return next(b[of_type][name] for b in module(IN_TERRAFORM)[kind] if of_type in b and name in b[of_type])


def test_the_module_takes_the_same_parameters() -> None:
    variables = {name: body for block in module(IN_TERRAFORM)["variable"] for name, body in block.items()}
    # Terraform takes whole lists, and divides them itself.
    parameters = {
        k: v for k, v in template(MEMBER)["Parameters"].items() if k not in LATER_PARTS | LATER.keys()
    }
    # CloudFormation takes tags from the stack's.
    assert variables.pop("tags")["type"] == "${map(string)}"
    assert list(variables) == [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in parameters]
    for variable, parameter in zip(variables.values(), parameters.values(), strict=True):
        if "AllowedPattern" in parameter:
            assert parameter["AllowedPattern"] in variable["validation"][0]["condition"]
        default = variable.get("default")
        if isinstance(default, bool):
            default = str(default).lower()
        assert (",".join(default) if isinstance(default, list) else default) == parameter.get("Default")


def _statements_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    dynamic = [d["statement"]["content"] for d in document.get("dynamic", ())]
    blocks = [*document.get("statement", ()), *dynamic]
    return [s for block in blocks for s in (block if isinstance(block, list) else [block])]


PARTS = {
    "member": "",
    "member_run": "Run",
    "member_pass": "Pass",
    "member_reads": "Reads",
    "member_keys": "Keys",
    "member_audit": "Audit",
    "member_look": "Look",
}


@pytest.mark.parametrize("name", PARTS)
def test_the_module_allows_the_same(name: str) -> None:
    blocks = _statements_of(_block("data", "aws_iam_policy_document", name))
    theirs = statements(member(Audit="true"), f"Member{PARTS[name]}Policy")
    assert {s["sid"]: set(s["actions"]) for s in blocks} == {
        sid: set(s["Action"] if isinstance(s["Action"], list) else [s["Action"]]) for sid, s in theirs.items()
    }
    assert {s["sid"]: {(c["test"], c["variable"]) for c in s.get("condition", ())} for s in blocks} == {
        sid: {(test, key) for test, wanted in s.get("Condition", {}).items() for key in wanted}
        for sid, s in theirs.items()
    }
    end = f"-{PARTS[name].lower()}" if PARTS[name] else ""
    named = _block("resource", "aws_iam_policy", name)["name"]
    assert named.partition("${count.index")[0] == f"${{var.hub_name}}-member{end}-policy"
    attached = _block("resource", "aws_iam_role_policy_attachment", name)
    role = "member_audit[0]" if name in ("member_audit", "member_look") else "member"
    assert attached["role"] == f"${{aws_iam_role.{role}.name}}"
    assert f"aws_iam_policy.{name}" in attached["policy_arn"]


def test_the_module_lets_the_same_in() -> None:
    for name, role, end in (("trust", "member", ""), ("audit_trust", "member_audit", "-audit")):
        (trust,) = _block("data", "aws_iam_policy_document", name)["statement"]
        made = member(Audit="true").of_type("AWS::IAM::Role")["MemberAuditRole" if end else "MemberRole"]
        (theirs,) = made["AssumeRolePolicyDocument"]["Statement"]
        assert {(c["test"], c["variable"]) for c in trust["condition"]} == {
            (test, key) for test, wanted in theirs["Condition"].items() for key in wanted
        }
        if not end:
            only = "${local.hub}:role${var.role_path}${var.hub_name}-role"
            assert trust["condition"][1]["values"] == [only]
        assert _block("resource", "aws_iam_role", role)["name"] == f"${{var.hub_name}}-member{end}"
