"""Many jobs: they are deployed as they are, or as patterns that match nothing else, or refused beforehand."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest

from functional.test_deploy import (
    ECS,
    FAST,
    GROUP,
    REGION,
    ROLE,
    STACK,
    define,
    deployed,
    everything,
    refused,
    run,
    trails,
)
from retry_run_task.commands.deploy import template
from retry_run_task.commands.deploy.choices import choose
from retry_run_task.commands.deploy.members import needs
from retry_run_task.commands.deploy.sizes import MEMBER, Sizer
from retry_run_task.commands.shared.discovery import discover
from retry_run_task.commands.shared.inventory import Identity
from retry_run_task.commands.shared.reader import Reader
from support.ministack import ACCOUNT, MiniStack, running


def named(number: int) -> str:
    """Return a name of 25 characters."""
    return f"shop-{('daily', 'night', 'month')[number % 3]}-report-job-{number:03}"


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with running(tmp_path_factory.mktemp("ministack")) as one:
        yield one


def account(ministack: MiniStack, jobs: int) -> MiniStack:
    """Return an account where so many rules start tasks every night, each with two roles of its own."""
    ministack.reset()
    events, iam = ministack.client("events"), ministack.client("iam")
    trails(ministack)
    ministack.client("logs").create_log_group(logGroupName=GROUP)
    for number in range(3):
        ministack.client("ecs").create_cluster(clusterName=f"shop-cluster-{number}")
    for number in range(jobs):
        name = named(number)
        for end in ("task", "exec"):
            iam.create_role(RoleName=f"{name}-{end}", AssumeRolePolicyDocument="{}")
        define(ministack, name, taskRoleArn=f"{ROLE}/{name}-task", executionRoleArn=f"{ROLE}/{name}-exec")
        events.put_rule(Name=name, ScheduleExpression="rate(1 day)")
        target = {
            "Id": "1",
            "Arn": f"{ECS}:cluster/shop-cluster-{number % 3}",
            "RoleArn": f"{ROLE}/events",
            "EcsParameters": {"TaskDefinitionArn": f"{ECS}:task-definition/{name}"},
        }
        events.put_targets(Rule=name, Targets=[target])
    return ministack


def policies(aws: MiniStack, role: str = f"{STACK}-role") -> dict[str, Any]:
    """Return the documents of the policies that are attached to a role, by default recover's, by name."""
    iam = aws.client("iam")
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    found = {}
    for one in attached:
        version = iam.get_policy(PolicyArn=one["PolicyArn"])["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=one["PolicyArn"], VersionId=version)["PolicyVersion"]
        text = document["Document"]
        found[one["PolicyName"]] = json.loads(text) if isinstance(text, str) else text
    return found


def allowed(aws: MiniStack, action: str) -> list[str]:
    """Return what recover may do an action on."""
    return allowed_in(policies(aws), action)


def allowed_in(documents: dict[str, Any], action: str) -> list[str]:
    return [
        resource
        for document in documents.values()
        for statement in document["Statement"]
        if action in (statement["Action"], *statement["Action"])
        for resource in statement["Resource"]
    ]


def may(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _length(document: Any) -> int:
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def check_sizes(aws: MiniStack, result: dict[str, Any]) -> None:
    """What AWS would count is within its limits, and is what was computed beforehand."""
    made = policies(aws)
    assert len(made) <= 10
    assert {name: _length(one) for name, one in made.items() if _length(one) > 6144} == {}
    environment = aws.client("lambda").get_function_configuration(FunctionName=f"{STACK}-intake")[
        "Environment"
    ]
    measured = len(json.dumps(environment["Variables"], separators=(",", ":")))
    assert measured <= 4096
    found = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in found}
    assert max(map(len, parameters.values())) <= 4096
    sizer = Sizer(
        text=template.with_code(template.carried("template.yaml").decode(), "", ""),
        stack=STACK,
        identity=Identity(account=ACCOUNT, arn="", partition="aws"),
        region=REGION,
    )
    computed = {one.what: one.has for one in sizer.sizes(parameters)}
    names = {
        "RecoverPolicy": "policy",
        "RecoverRunPolicy": "run-policy",
        "RecoverPassPolicy": "pass-policy",
        "RecoverPassPolicy2": "pass-policy-2",
        "RecoverReadsPolicy": "reads-policy",
    }
    for resource, end in names.items():
        assert computed[f"the policy {resource}"] == _length(made[f"{STACK}-{end}"]), resource
    assert computed["the role RecoverRole"] == len(made)
    assert computed["the environment of Intake"] == measured
    # And everybody else sees whole lists.
    (definitions,) = (one["value"] for one in result["parameters"] if one["name"] == "TaskDefinitions")
    assert "TaskDefinitions2" not in {one["name"] for one in result["parameters"]}
    assert definitions.split(",") == sorted(definitions.split(","))


def test_sixty_jobs_with_two_roles_each_are_deployed_as_they_are(ministack: MiniStack) -> None:
    aws = account(ministack, 60)
    result = deployed(aws)
    jobs = [named(number) for number in range(60)]
    assert sorted(allowed(aws, "ecs:RunTask")) == sorted(
        f"arn:*:ecs:*:*:task-definition/{name}:*" for name in jobs
    )
    assert sorted(allowed(aws, "iam:PassRole")) == sorted(
        f"{ROLE}/{name}-{end}" for name, end in itertools.product(jobs, ("task", "exec"))
    )
    check_sizes(aws, result)
    assert deployed(aws)["status"] == "no-change"
    # Nothing that is installed is found anew, and doctor is content.
    shown = run(aws, "deploy", "--dry-run")
    assert "not installed" not in shown.stdout
    assert "Nothing would change." in shown.stdout
    checks = json.loads(run(aws, "doctor", "--json").stdout)["regions"][0]["checks"]
    assert {one["name"]: one["status"] for one in checks}["sizes"] == "OK"
    assert [one["why"] for one in checks if one["name"] == "scope"] == [
        "The stack covers every rule and schedule that is switched on."
    ]


def test_a_job_more_is_one_more_in_a_policy(ministack: MiniStack) -> None:
    aws = account(ministack, 60)
    deployed(aws)
    before = policies(aws)
    jobs = ",".join(["a-job-of-mine", *(named(number) for number in range(60))])
    define(aws, "a-job-of-mine")
    deployed(aws, "--task-definitions", jobs)
    after = policies(aws)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == [f"{STACK}-run-policy"]
    (was,), (now,) = (one[f"{STACK}-run-policy"]["Statement"] for one in (before, after))
    assert now["Resource"] == [*was["Resource"], "arn:*:ecs:*:*:task-definition/a-job-of-mine:*"]


def test_the_plan_of_many_jobs_can_be_read(ministack: MiniStack) -> None:
    aws = account(ministack, 60)
    folded, whole = (run(aws, "deploy", "--dry-run", *more).stdout for more in ((), ("--all",)))
    assert max(map(len, folded.splitlines())) < 500
    assert len(folded.splitlines()) < 70
    assert "48 to add, 0 to change, 0 to remove; about $2.60 a month" in folded.splitlines()[1]
    assert f"shop-cluster-0     20          0  {named(0)}, {named(3)}, {named(6)} and 17 more" in folded
    assert "and 57 more  (found)" in folded
    assert "RunbookUrl" not in folded
    for number in range(60):
        assert f"task-definition/{named(number)}:*" in whole
    assert "RunbookUrl" in whole
    assert not re.search(r"and [0-9]+ more", whole)


def test_four_hundred_jobs_are_deployed_as_patterns_that_match_nothing_else(ministack: MiniStack) -> None:
    aws = account(ministack, 400)
    for name in ("shop-admin", "shop", "payroll"):
        define(aws, name)
        aws.client("events").put_rule(Name=name, ScheduleExpression="rate(1 day)")
        aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    result = deployed(aws)
    check_sizes(aws, result)
    definitions = [one.removeprefix("arn:*:ecs:*:*:task-definition/") for one in allowed(aws, "ecs:RunTask")]
    roles = allowed(aws, "iam:PassRole")
    rules = [one.removeprefix("arn:*:events:*:*:rule/") for one in allowed(aws, "events:ListTargetsByRule")]
    for number in range(400):
        assert may(named(number), rules)
        assert may(f"{named(number)}:1", definitions)
        assert may(f"{ROLE}/{named(number)}-task", roles)
        assert may(f"{ROLE}/{named(number)}-exec", roles)
    for name in ("shop-admin", "shop", "payroll"):
        assert not may(name, rules)
        assert not may(f"{name}:1", definitions)
        assert not may(f"{ROLE}/{name}", roles)
    assert any("the 800 roles do not fit into AWS's limits as they are" in note for note in result["notes"])

    assert any("the 400 rules do not fit into AWS's limits as they are" in note for note in result["notes"])

    # Where every pattern would match something else, nothing is begun.
    for number in range(400):
        define(aws, f"{named(number)}x")
    before = everything(aws)
    again = run(aws, "deploy", "--yes", "--stack", "night", *FAST)
    assert f"{named(0)}x" in refused(again, 2, "also match 400 task definitions", "--allow-patterns")
    assert everything(aws) == before


def test_sixty_jobs_of_a_member_account_fit_into_the_policies_of_its_role(
    ministack: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deploy says what the member's template has to be given, and that is within the limits that AWS counts."""
    aws = account(ministack, 60)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    found = discover(boto3.Session(), REGION)
    home = replace(found, members=(replace(found, identity=replace(found.identity, account=ACCOUNT)),))
    flags = {"MemberAccounts": "210987654321", "MemberExternalId": "ab"}
    choice = choose(home, Reader(boto3.Session(), REGION), flags=flags, file={}, installed={})
    (needed,) = needs(choice, home)
    given = {**needed.parameters, "ExternalId": "ab"}
    assert max(map(len, given.values())) <= 4096
    text = template.carried("member.yaml").decode()
    aws.client("cloudformation").create_stack(
        StackName="member",
        TemplateBody=text,
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
    )
    made = policies(aws, f"{STACK}-member")
    jobs = [named(number) for number in range(60)]
    lists = [
        [one.rpartition(":")[0] if action == "ecs:RunTask" else one for one in allowed_in(made, action)]
        for action in ("ecs:RunTask", "iam:PassRole")
    ]
    assert sorted(lists[0]) == sorted(f"arn:*:ecs:*:*:task-definition/{name}" for name in jobs)
    assert sorted(lists[1]) == sorted(
        f"arn:*:iam::*:role/{name}-{end}" for name, end in itertools.product(jobs, ("task", "exec"))
    )
    assert len(made) <= 10
    sizer = Sizer(text=text, stack="", identity=found.identity, region=REGION, layout=MEMBER)
    computed = {one.what: one.has for one in sizer.sizes(given)}
    names = {
        "MemberPolicy": "policy",
        "MemberRunPolicy": "run-policy",
        "MemberPassPolicy": "pass-policy",
        "MemberPassPolicy2": "pass-policy-2",
        "MemberReadsPolicy": "reads-policy",
    }
    assert made.keys() == {f"{STACK}-member-{end}" for end in names.values()}
    for resource, end in names.items():
        measured = _length(made[f"{STACK}-member-{end}"])
        assert computed[f"the policy {resource}"] == measured <= 6144, resource
