"""What is said of the template in code: its parameters, names, statements, and what would change."""

from __future__ import annotations

import re
from typing import Any

import pytest

from retry_run_task.commands.deploy import plan, preview, template
from retry_run_task.commands.deploy.sizes import HOME
from retry_run_task.commands.deploy.statements import statements, words_for
from retry_run_task.commands.deploy.template import Filled
from retry_run_task.commands.shared.chunks import parts
from retry_run_task.commands.shared.inventory import Identity
from retry_run_task.commands.shared.parameters import PARAMETERS
from retry_run_task.commands.shared.stack_states import ResourceChange

IDENTITY = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/me", partition="aws")
TEXT = template.carried("template.yaml").decode()
TEMPLATE = template.parse(TEXT)


def filled(stack: str = "retry-run-task", identity: Identity = IDENTITY, **given: str) -> Filled:
    return Filled(TEMPLATE, stack, identity, "ap-northeast-1", {"TaskDefinitions": "nightly", **given})


def test_the_options_are_the_parameters_of_the_template() -> None:
    """In its order, with its defaults, and refusing what it refuses."""
    later = {part for name in HOME.lists for part in parts(name)[1:]}
    described = {name: one for name, one in TEMPLATE["Parameters"].items() if name not in later}
    assert [one.name for one in PARAMETERS] == list(described)
    for one in PARAMETERS:
        in_template = described[one.name]
        assert one.default == (str(in_template["Default"]) if "Default" in in_template else None), one.name
        assert one.pattern == in_template.get("AllowedPattern", ""), one.name
        assert one.choices == tuple(str(value) for value in in_template.get("AllowedValues", ())), one.name
        assert one.is_list == (in_template["Type"] == "CommaDelimitedList"), one.name
        assert bool(one.pattern) != bool(one.choices), one.name


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("TaskDefinitions", ["nightly", "nightly,report-*"], ["", "nightly:7", "a,,b", "a, b"]),
        (
            "PassRoleArns",
            ["", "arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/b/a-*"],
            ["role/a", "arn:aws:iam::1:role/a", "arn:aws:iam::123456789012:role/*"],
        ),
        ("Callers", ["rule", "rule,other"], ["", "batch", "rule,batch"]),
        ("Messages", ["text,en", "chat,ja,recovered"], ["", "chat", "ja,chat", "chat, ja"]),
        ("TimeZone", ["", "Asia/Tokyo", "UTC"], ["a b"]),
        ("CommandProfile", ["", "my own", "AdministratorAccess-123456789012"], ["a;b", "a'b", "x" * 33]),
        ("RecoverConcurrency", ["", "5"], ["0", "five", "-1"]),
        ("TrailLogGroupName", ["", "aws-cloudtrail-logs", "/a/b#c"], ["arn:aws:logs:x", "a b"]),
    ],
)
def test_values_are_checked_as_cloudformation_would(name: str, good: list[str], bad: list[str]) -> None:
    (parameter,) = (one for one in PARAMETERS if one.name == name)
    assert [text for text in good if parameter.problem(text)] == []
    assert [text for text in bad if not parameter.problem(text)] == []


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        ({}, ""),
        ({"MemberAccounts": "210987654321"}, "MemberExternalId has to be given"),
        ({"MemberAccounts": "210987654321", "MemberExternalId": "night"}, ""),
        ({"MemberAccounts": "123456789012", "MemberExternalId": "night"}, "MemberAccounts has this account"),
        ({"Regions": "eu-west-1"}, "Regions leaves out the stack's own"),
        ({"SubnetIds": "subnet-01234567"}, "go together"),
    ],
)
def test_the_templates_rules_are_known_before_cloudformation_is_asked(
    given: dict[str, str], broken: str
) -> None:
    found = filled(**given).broken_rules()
    assert len(found) == bool(broken)
    assert broken in "".join(found)


def test_what_is_denied_is_said_to_be() -> None:
    vpc = {"SubnetIds": "subnet-01234567", "SecurityGroupIds": "sg-01234567"}
    found = [one for one in statements(filled(**vpc)) if "ec2:CreateNetworkInterface" in one.actions]
    assert [(one.role, one.may.startswith("not ")) for one in found] == [
        (f"retry-run-task{part}-role", is_denied)
        for part in ("-intake", "", "-audit")
        for is_denied in (False, True)
    ]
    assert "called by the code of" in found[1].only


def test_a_time_zone_that_there_is_not_is_found_before_cloudformation_takes_it() -> None:
    (parameter,) = (one for one in PARAMETERS if one.name == "TimeZone")
    assert (
        parameter.problem("Asia/Tokio") == "expected the name of a time zone such as Asia/Tokyo, or nothing"
    )


def test_names_on_the_command_line_and_in_files() -> None:
    by_name = {one.name: (one.option, one.key) for one in PARAMETERS}
    assert by_name["TaskDefinitions"] == ("--task-definitions", "task_definitions")
    assert by_name["PassRoleArns"] == ("--pass-role-arns", "pass_role_arns")


def test_the_longest_stack_name_leaves_room_for_every_name_made_of_it() -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html and the same page of each service
    most = {
        "AWS::Events::Rule": ("Name", 64),
        "AWS::IAM::Role": ("RoleName", 64),
        "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", 128),
        "AWS::Lambda::Function": ("FunctionName", 64),
        "AWS::SQS::Queue": ("QueueName", 80),
        "AWS::SNS::Topic": ("TopicName", 256),
        "AWS::CloudWatch::Alarm": ("AlarmName", 255),
        "AWS::Lambda::LayerVersion": ("LayerName", 64),
    }
    rooms = []
    for resource in filled("x" * plan.NAME_MAX).resources.values():
        if resource["Type"] in most:
            member, limit = most[resource["Type"]]
            rooms.append(limit - len(resource["Properties"][member]))
    assert min(rooms) == 0, "neither too long nor needlessly short"


@pytest.mark.parametrize("name", ["x" * 51, "", "9nightly", "-a", "a_b", "a b"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(plan.ConfigError):
        plan.check_name(name)


def test_every_function_of_the_template_is_known() -> None:
    """With every condition either way; and nothing unresolved is left."""
    for given in (
        {},
        {
            "PassRoleArns": "arn:aws:iam::123456789012:role/a",
            "TrailLogGroupName": "trail",
            "NotificationEmail": "a@b",
            "TopicKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/k",
            "RecoverConcurrency": "",
            "AlsoRecover": "errors-and-spot-interruptions",
        },
    ):
        for stack in ("retry-run-task", "second"):
            text = str(filled(stack, **given).resources)
            assert "Fn::" not in text
            assert "{'Ref'" not in text
            assert not re.search(r"\$\{(?!PROP)", text)


def test_conditions_decide_what_is_made() -> None:
    assert "TrailFilter" not in filled().resources
    assert "NotificationsByEmail" not in filled().resources
    both = filled(TrailLogGroupName="trail", NotificationEmail="a@b").resources
    assert both["TrailFilter"]["Properties"]["LogGroupName"] == "trail"
    assert both["NotificationsByEmail"]["Properties"]["Endpoint"] == "a@b"


def test_other_partitions() -> None:
    china = Identity(account="123456789012", arn="arn:aws-cn:iam::123456789012:user/me", partition="aws-cn")
    resources = filled(identity=china, TrailLogGroupName="trail").resources
    arn = resources["TrailMayInvokeIntake"]["Properties"]["SourceArn"]
    assert arn == "arn:aws-cn:logs:ap-northeast-1:123456789012:log-group:trail:*"


def test_the_codes_place_is_put_in_wherever_it_belongs() -> None:
    text = template.with_code(TEXT, "bucket", "key.zip")
    assert template.CODE not in text
    resources = template.parse(text)["Resources"]
    expected = {"S3Bucket": "bucket", "S3Key": "key.zip"}
    assert resources["Intake"]["Properties"]["Code"] == expected
    assert resources["Recover"]["Properties"]["Code"] == expected
    assert resources["CodeNumber"]["Properties"]["Content"] == expected


# What the roles may do.


def test_every_action_has_words() -> None:
    everything = filled(
        PassRoleArns="arn:aws:iam::123456789012:role/a",
        TopicKeyArn="arn:aws:kms:ap-northeast-1:123456789012:key/k",
        DataKeyArn="arn:aws:kms:ap-northeast-1:123456789012:key/k",
        ScheduleKeyArns="arn:aws:kms:ap-northeast-1:123456789012:key/k",
        StopHangingTasks="true",
        MemberAccounts="210987654321",
        MemberExternalId="id",
        SubnetIds="subnet-01234567",
        SecurityGroupIds="sg-01234567",
    )
    found = statements(everything)
    assert {one.role for one in found} == {f"retry-run-task{part}-role" for part in ("-intake", "", "-audit")}
    assert [action for one in found for action in one.actions if words_for(action) == action] == []
    assert [one for one in found if re.search(r"[a-z]+:[A-Z]", one.only)] == [], "conditions have words, too"


def test_a_statement_in_plain_words() -> None:
    roles = "arn:aws:iam::123456789012:role/task"
    found = {one.may: one for one in statements(filled(Clusters="batch,other", PassRoleArns=roles))}
    run = found["start tasks"]
    assert run.on == ("arn:*:ecs:*:*:task-definition/nightly:*",)
    assert run.only == (
        "in the Region ap-northeast-1; on the clusters arn:*:ecs:*:*:cluster/batch, arn:*:ecs:*:*:cluster/other"
    )
    assert (found["give tasks a role"].on, found["give tasks a role"].only) == (
        (roles,),
        "for use by ecs-tasks.amazonaws.com",
    )
    assert found["run a function"].on == ("retry-run-task-recover:live",)


def test_words_are_not_made_up() -> None:
    assert words_for("ec2:RunInstances") == "ec2:RunInstances"


# What would change.


def changed(old: Filled | None, new: Filled, raw: dict[str, Any] = TEMPLATE) -> dict[str, ResourceChange]:
    return {one.resource: one for one in preview.changes(old, new, raw)}


def test_a_first_deployment_adds_everything_whose_condition_holds() -> None:
    new = filled()
    found = changed(None, new)
    assert set(found) == set(new.resources)
    assert {one.action for one in found.values()} == {"add"}


def test_the_same_again_changes_nothing() -> None:
    assert changed(filled(), filled()) == {}


def test_what_a_condition_brings_and_takes_away() -> None:
    found = changed(filled(NotificationEmail="a@b"), filled(TrailLogGroupName="trail"))
    assert found["NotificationsByEmail"].action == "remove"
    assert found["TrailFilter"].action == "add"


def test_new_code_replaces_the_version_and_moves_the_alias() -> None:
    """Through the layer's version number, which is not known beforehand."""

    def with_key(key: str) -> tuple[Filled, dict[str, Any]]:
        raw = template.parse(template.with_code(TEXT, "bucket", key))
        return Filled(raw, "retry-run-task", IDENTITY, "ap-northeast-1", {"TaskDefinitions": "nightly"}), raw

    (old, _), (new, raw) = with_key("one.zip"), with_key("two.zip")
    found = changed(old, new, raw)
    assert set(found) == {"Intake", "Recover", "CodeNumber", "RecoverVersion", "RecoverLive", "Audit"}
    assert found["CodeNumber"].replaces
    assert found["RecoverVersion"].replaces
    assert found["RecoverLive"].replaces is None
