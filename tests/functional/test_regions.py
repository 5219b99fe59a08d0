"""What is found in the Regions and accounts that are named, beside the stack's own: as at home."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from retry_run_task.commands.deploy import choices
from retry_run_task.commands.deploy.members import needs
from retry_run_task.commands.deploy.proposal import propose, roles_of
from retry_run_task.commands.doctor.checks import examine
from retry_run_task.commands.main import retry_run_task
from retry_run_task.commands.shared.discovery import discover
from retry_run_task.commands.shared.inventory import InstalledStack, Missing, TaskDefinition
from retry_run_task.commands.shared.member_access import LookRole
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.local.cloudtrail.records import rule_caller
from retry_run_task.local.install import install
from retry_run_task.local.roles import AssumableRole
from support.canned import Canned, denied
from support.records import parameters, record
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


def test_what_cannot_be_read_there_is_told(aws: Canned) -> None:
    described(aws)
    aws.answers["scheduler:ListSchedules"] = denied("scheduler:ListSchedules")
    found = discover(boto3.Session(), REGION, regions=(FAR,))
    assert [gap.why.endswith(f"(in {FAR})") for gap in found.launchers.gaps] == [False, True]
    assert json.dumps([gap.action for gap in found.launchers.gaps]).count("scheduler:ListSchedules") == 2


MEMBER = "210987654321"
LOOK = "OrganizationAccountAccessRole"


@pytest.fixture
def member(aws: Canned) -> Canned:
    """Another account with a rule of its own, and a role there that a person may assume."""
    caller = boto3.Session().client("sts", region_name=REGION).get_caller_identity()["Arn"]
    role = AssumableRole(arn=f"arn:aws:iam::{MEMBER}:role/{LOOK}", trusts=caller, external_id="")
    aws.local.roles.create(role)
    place = aws.local.account_region(account=MEMBER)
    place.ecs.create_cluster("theirs")
    place.ecs.register_task_definition("billing", revision=1)
    ecs = {"TaskDefinitionArn": "billing", "LaunchType": "FARGATE"}
    target = {"Id": "1", "Arn": f"arn:aws:ecs:{REGION}:{MEMBER}:cluster/theirs", "EcsParameters": ecs}
    place.schedules.put_rule("billing", expression="cron(0 0 * * ? *)")
    place.schedules.put_targets("billing", [target | {"RoleArn": f"arn:aws:iam::{MEMBER}:role/events"}])
    return aws


def test_what_another_account_starts_is_proposed_and_its_own_template_is_told(member: Canned) -> None:
    member.answers["cloudtrail:DescribeTrails"] = denied("cloudtrail:DescribeTrails")
    found = discover(
        boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_role=LookRole(look_with=LOOK)
    )
    (theirs,) = found.members
    assert [one.name for one in theirs.launchers.found] == ["billing"]
    assert [one.name for one in found.launchers.found] == ["nightly"]
    flags = {"MemberAccounts": MEMBER, "MemberExternalId": "ab"}
    chosen = choices.choose(found, Reader(boto3.Session(), REGION), flags=flags, file={}, installed={})
    values = chosen.values()
    assert values["TaskDefinitions"] == "billing,nightly"
    assert values["Clusters"] == f"batch-{REGION},theirs"
    # At home recover reads its own rules only, and passes its own roles; there its role there does.
    assert values["ReadRules"] == "nightly"
    assert MEMBER not in values["PassRoleArns"]
    (needed,) = needs(chosen, found)
    assert needed.said() == (
        " ".join(
            [
                f"account {MEMBER} needs infra/member.yaml with TaskDefinitions=billing Clusters=theirs",
                f"ReadRules=billing ReadSchedules= HubAccount=123456789012 Regions={REGION}",
            ]
        ),
    )


def test_an_account_that_cannot_be_looked_at_is_told_and_changes_nothing_else(member: Canned) -> None:
    member.answers["cloudtrail:DescribeTrails"] = denied("cloudtrail:DescribeTrails")
    found = discover(
        boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_role=LookRole(look_with="nobody")
    )
    assert found.members == ()
    assert found.closed[MEMBER].startswith(
        f"arn:aws:iam::{MEMBER}:role/nobody cannot be assumed (AccessDenied: "
    )
    flags = {"MemberAccounts": MEMBER, "MemberExternalId": "ab"}
    chosen = choices.choose(found, Reader(boto3.Session(), REGION), flags=flags, file={}, installed={})
    assert chosen.values()["ReadRules"] == "nightly"
    (note,) = (note for note in chosen.notes if MEMBER in note)
    assert note.startswith(
        f"account {MEMBER} was not looked at, so name its task definitions and clusters yourself"
    )
    assert note.endswith("or name another role with --look-with")


def let_in(member: Canned, role: str) -> None:
    """Let this person assume a role there, with the external id."""
    person = boto3.Session().client("sts", region_name=REGION).get_caller_identity()["Arn"]
    arn = f"arn:aws:iam::{MEMBER}:role/{role}"
    member.local.roles.create(AssumableRole(arn=arn, trusts=person, external_id="ab"))


def test_without_a_word_the_role_that_only_reads_is_used(member: Canned) -> None:
    """Before there is an installation, its external id and path are those that it will get."""
    let_in(member, "batch/retry-run-task-member-audit")
    look_role = LookRole(external_id="ab", role_path="/batch/")
    found = discover(boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_role=look_role)
    (theirs,) = found.members
    assert [one.name for one in theirs.launchers.found] == ["billing"]
    assert member.local.roles.sessions[-1].role_arn.endswith("role/batch/retry-run-task-member-audit")
    wrong = discover(boto3.Session(), REGION, accounts=(MEMBER,), look_role=LookRole(external_id="xy"))
    assert "retry-run-task-member-audit cannot be assumed (AccessDenied: " in wrong.closed[MEMBER]


def test_doctor_says_which_account_could_not_be_looked_at_and_what_to_do(member: Canned) -> None:
    member.answers["cloudtrail:DescribeTrails"] = denied("cloudtrail:DescribeTrails")
    look_role = LookRole(external_id="ab")
    found = discover(boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_role=look_role)
    stack = InstalledStack(
        name="retry-run-task", status="CREATE_COMPLETE", parameters={"MemberAccounts": MEMBER}
    )
    (check,) = (one for one in examine(replace(found, stack=stack)) if one.name == "other accounts")
    assert (check.status, check.why.startswith(f"{MEMBER} was not looked at, since arn:")) == ("SKIP", True)
    assert check.next.startswith("Deploy infra/member.yaml of this version there")


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        ({"TaskDefinitions": "nightly,billing", "Clusters": "theirs"}, "OK", "covers every rule"),
        ({"TaskDefinitions": "nightly", "Clusters": "theirs"}, "SKIP", f"leaves billing of {MEMBER} alone"),
    ],
)
def test_doctor_says_whether_the_stack_looks_after_another_accounts_schedules(
    member: Canned, parameters: dict[str, str], status: str, said: str
) -> None:
    found = discover(
        boto3.Session(), REGION, regions=(), accounts=(MEMBER,), look_role=LookRole(look_with=LOOK)
    )
    stack = InstalledStack(
        name="retry-run-task", status="CREATE_COMPLETE", parameters={"MemberAccounts": MEMBER, **parameters}
    )
    checks = [one for one in examine(replace(found, stack=stack)) if one.name == "other accounts"]
    assert [(one.status.value, said in one.why) for one in checks] == [(status, True)]


# explain --aws.


def explained(*arguments: str, records: list[Any]) -> tuple[list[dict[str, Any]], str]:
    told = CliRunner().invoke(
        retry_run_task,
        ["explain", "-", "--aws", "--json", *arguments],
        input=json.dumps(records),
        standalone_mode=False,
    )
    assert told.exception is None, told.output
    return json.loads(told.stdout)["launches"], told.stderr


def called(account: str, region: str, *, cluster: str, name: str) -> dict[str, Any]:
    """Return the record of a rule's call that failed, with a part that CloudTrail hides."""
    asked = parameters(
        cluster=f"arn:aws:ecs:{region}:{account}:cluster/{cluster}",
        taskDefinition=f"arn:aws:ecs:{region}:{account}:task-definition/{name}:1",
        startedBy=f"events-rule/{name}",
        networkConfiguration=None,
        overrides={"containerOverrides": [{"name": "app", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]},
    )
    role = f"arn:aws:iam::{account}:role/events"
    return record(
        request=asked, awsRegion=region, recipientAccountId=account, userIdentity=rule_caller(role).identity
    )


@pytest.fixture(params=[REGION, FAR])
def billing(request: pytest.FixtureRequest, member: Canned) -> tuple[Any, dict[str, Any]]:
    """A member's rule, its family with a tag and a task that does its work, in a Region; and its failed call."""
    region = request.param
    place = member.local.account_region(account=MEMBER, region=region)
    if region != REGION:
        place.ecs.create_cluster("theirs")
        place.ecs.register_task_definition("billing", revision=1)
        place.schedules.put_rule("billing", expression="cron(0 0 * * ? *)")
    definition = f"arn:aws:ecs:{region}:{MEMBER}:task-definition/billing"
    overrides = {
        "containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": CANARY}]}]
    }
    target = {
        "Id": "1",
        "Arn": f"arn:aws:ecs:{region}:{MEMBER}:cluster/theirs",
        "RoleArn": f"arn:aws:iam::{MEMBER}:role/events",
        "Input": json.dumps(overrides),
        "EcsParameters": {"TaskDefinitionArn": definition, "LaunchType": "FARGATE"},
    }
    place.schedules.put_targets("billing", [target])
    return place, called(MEMBER, region, cluster="theirs", name="billing")


def check_billing(found: dict[str, Any], region: str) -> None:
    assert (found["account"], found["region"], found["not_read"]) == (MEMBER, region, None)
    assert found["schedule"]["name"] == "billing"
    assert found["schedule"]["arn"] == f"arn:aws:events:{region}:{MEMBER}:rule/billing"
    assert found["schedule"]["values_read"] == ["app.PASSWORD"]
    assert found["schedule"]["next_due"] is not None
    assert found["there"]["read_failure"] is None
    assert found["decision"] == "retry", found["next"]
    assert CANARY not in json.dumps(found)


CANARY = "canary-5e5d"
MASKED = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": "***"}]}]}


def test_explain_looks_into_the_account_of_the_record(member: Canned, billing: Any) -> None:
    place, theirs = billing
    (found,), said = explained("--look-with", LOOK, records=[theirs])
    check_billing(found, place.region)
    assert said == ""
    assert [one.role_arn for one in member.local.roles.sessions] == [f"arn:aws:iam::{MEMBER}:role/{LOOK}"]


def test_tags_and_tasks_of_that_account_count(member: Canned, billing: Any) -> None:
    place, theirs = billing
    definition = f"arn:aws:ecs:{place.region}:{MEMBER}:task-definition/billing:1"
    member.answers["ecs:ListTagsForResource"] = lambda call: {
        "tags": [{"key": "retry-run-task:ignore", "value": "true"}]
        if call["resourceArn"] == definition
        else []
    }
    (found,), _ = explained("--look-with", LOOK, records=[theirs])
    assert (found["decision"], found["rule"]) == ("ignore", "tag")
    (mark,) = found["there"]["looked_for"][1:]
    place.ecs.add_subnet("subnet-x", f"{place.region}a")
    network = {"awsvpcConfiguration": {"subnets": ["subnet-x"]}}
    asked = {
        "cluster": "theirs",
        "taskDefinition": "billing",
        "networkConfiguration": network,
        "startedBy": mark,
    }
    placed = place.ecs.run_task(asked, rule_caller(f"arn:aws:iam::{MEMBER}:role/events"))
    (found,), _ = explained("--look-with", LOOK, records=[theirs])
    assert found["there"]["found"] == [one["taskArn"] for one in placed["tasks"]]
    # Also where no schedule made the call for certain: recover reads the family's tags then, too.
    place.schedules.remove_targets("billing", ["1"])
    (found,), _ = explained("--look-with", LOOK, records=[{**theirs, "requestParameters": parameters(
        cluster=theirs["requestParameters"]["cluster"], taskDefinition=definition
    )}])  # fmt: skip
    assert (found["schedule"]["name"], found["decision"]) == (None, "ignore")


def test_explain_comes_in_as_recover_does_where_that_is_allowed(member: Canned, billing: Any) -> None:
    place, theirs = billing
    install(member.local, settings={"RETRY_RUN_TASK_ACCOUNTS": MEMBER, "RETRY_RUN_TASK_EXTERNAL_ID": "ab"})
    let_in(member, "retry-run-task-member-audit")
    (found,), said = explained(records=[theirs])
    check_billing(found, place.region)
    assert said == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            (),
            "since the settings of recover cannot be read (lambda:GetFunctionConfiguration): ResourceNotFound",
        ),
        (
            ("--look-with", "nobody"),
            f"since arn:aws:iam::{MEMBER}:role/nobody cannot be assumed (AccessDenied: ",
        ),
    ],
)
def test_explain_says_why_it_does_not_look_into_an_account_and_explains_the_rest(
    member: Canned, arguments: tuple[str, ...], said: str
) -> None:
    """A rule of the same name here is not the one that made a call there."""
    theirs = called(MEMBER, REGION, cluster=f"batch-{REGION}", name="nightly")
    again = {**theirs, "eventID": str(uuid.uuid4())}
    ours = called("123456789012", REGION, cluster=f"batch-{REGION}", name="nightly")
    found, told = explained(*arguments, records=[theirs, again, ours])
    assert [one["there"] is None for one in found if one["account"] == MEMBER] == [True] * len(found[:-1])
    assert told.count(f"Account {MEMBER} is not looked at, {said}") == 1
    assert told.rstrip().endswith("or name another role with --look-with.")
    assert found[0]["not_read"] == told.strip()
    assert "It could not be looked for now" in found[0]["next"]
    assert (found[-1]["schedule"]["name"], found[-1]["not_read"]) == ("nightly", None)


def test_explain_reads_its_place_from_the_settings_file(
    member: Canned, billing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, theirs = billing
    monkeypatch.chdir(tmp_path)
    settings = f'look_with = "{LOOK}"\nregion = "eu-north-1"\nstack = "other"\n'
    Path("retry-run-task.toml").write_text(settings)
    (found,), _ = explained(records=[theirs])
    check_billing(found, place.region)
    assert found["recovery"].startswith("other-")
    # The file's Region says where the installation is, not which records are in scope.
    assert found["in_scope"] is True
