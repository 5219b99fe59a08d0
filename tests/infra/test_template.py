"""The CloudFormation template: what it makes, that it fits the code, and that it fits every account."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retry_run_task import __version__
from retry_run_task.aws import ecs, members, topic
from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.telemetry import NAMESPACE, Metric, Telemetry
from retry_run_task.commands.deploy.template import parse, with_code
from retry_run_task.config import PREFIX, Settings
from retry_run_task.errors import StartError
from retry_run_task.failures.classify import NO_ROW
from retry_run_task.handlers import _recover
from retry_run_task.intake import take_in
from retry_run_task.launch.values import CallerKind, Category, Outcome
from retry_run_task.local import install
from retry_run_task.local.aws import LocalAws
from retry_run_task.messages import console
from retry_run_task.messages.message import Language
from retry_run_task.policy.scope import DEFAULT_CALLERS, Scope
from retry_run_task.recovery.lines import LogEvent
from retry_run_task.sources import eventbridge, task_state_change
from retry_run_task.sources.cloudtrail import FILTER_NAME, FILTER_PATTERN, SCHEDULED_CALLS_PATTERN
from support.infra import LATER_PARTS, TEMPLATE, Stack, template
from support.records import HAND_MADE, awslogs

ROLE = "arn:aws:iam::123456789012:role/batch"
FULL = {
    "StopHangingTasks": "true",
    "TaskDefinitions": "nightly,report-*",
    "Clusters": "batch,default",
    "PassRoleArns": f"{ROLE},{ROLE}-execution",
    "TrailLogGroupName": "aws-cloudtrail-logs",
    "TrailSilentHours": "26",
    "AuditSchedule": "cron(0 22 * * ? *)",
    "NotificationEmail": "on-call@example.com",
    "TopicKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Regions": "ap-northeast-1,ap-northeast-3",
    "MemberAccounts": "210987654321,333333333333",
    "MemberExternalId": "night-shift-7f3a",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
    "RolePath": "/batch/",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "DataKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    "ScheduleKeyArns": "arn:aws:kms:ap-northeast-1:123456789012:key/5678abcd-12ab-34cd-56ef-1234567890ab",
}


def full(**given: Any) -> Stack:
    """Everything on."""
    return Stack(**{**FULL, **given})


def bare(**given: Any) -> Stack:
    """As little as there can be: the defaults, without the audit."""
    return Stack(**{"TaskDefinitions": "nightly", "AuditSchedule": "", **given})


# Exceptions from the linters.


def test_every_exception_from_a_check_says_why() -> None:
    skips = [
        skip
        for resource in template()["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skips
    assert [skip for skip in skips if len(skip["comment"]) < 40] == []
    unexplained = [
        line for line in TEMPLATE.read_text().splitlines() if "ignore_checks" in line and "# " not in line
    ]
    assert not unexplained


# The functions.


@pytest.mark.parametrize("function", ["Intake", "Recover", "Audit"])
def test_the_functions_run_the_code_of_this_package(function: str) -> None:
    properties = full().of_type("AWS::Lambda::Function")[function]
    module, _, name = properties["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]


def _longest_s(config: Any) -> int:
    tries = config.retries["total_max_attempts"]
    return tries * (config.connect_timeout + config.read_timeout)


def test_recover_has_time_for_two_calls_and_a_message_with_all_their_tries() -> None:
    needed = sum(_longest_s(config) for config in (ecs._CONFIG, ecs._CONFIG, topic._CONFIG, members._CONFIG))
    # botocore waits up to 20 s between tries. https://boto3.amazonaws.com/v1/documentation/api/latest/guide/retries.html
    assert full().of_type("AWS::Lambda::Function")["Recover"]["Timeout"] >= needed + 7 * 20


def test_recover_is_durable_and_remembers_names_longer_than_events_come_again() -> None:
    durable = full().of_type("AWS::Lambda::Function")["Recover"]["DurableConfig"]
    assert durable == {
        "ExecutionTimeout": 7 * 24 * 60 * 60,
        "RetentionPeriodInDays": 30,
        "KMSKeyArn": FULL["DataKeyArn"],
    }
    assert "KMSKeyArn" not in bare().of_type("AWS::Lambda::Function")["Recover"]["DurableConfig"]


def test_all_code_is_the_one_zip_that_package_replaces() -> None:
    resources = template()["Resources"]
    code = {k: r["Properties"].get("Code") or r["Properties"].get("Content") for k, r in resources.items()}
    assert {k: c for k, c in code.items() if c} == dict.fromkeys(
        ["Intake", "Recover", "CodeNumber", "Audit"], "../build/lambda.zip"
    )


@pytest.mark.parametrize(("given", "expected"), [({}, "10"), ({"RecoverConcurrency": "40"}, "40")])
def test_recover_reserves_what_the_parameter_says(given: dict[str, str], expected: str) -> None:
    assert (
        bare(**given).of_type("AWS::Lambda::Function")["Recover"]["ReservedConcurrentExecutions"] == expected
    )


def test_an_account_that_cannot_reserve_concurrency_can_have_the_stack() -> None:
    assert (
        "ReservedConcurrentExecutions"
        not in bare(RecoverConcurrency="").of_type("AWS::Lambda::Function")["Recover"]
    )


# Versions.


def test_old_versions_are_kept_for_recoveries_that_run_on_them() -> None:
    version = template()["Resources"]["RecoverVersion"]
    assert version["UpdateReplacePolicy"] == "Retain"
    # Like Retain, but for a version that a rolled-back deployment made.
    assert version["DeletionPolicy"] == "RetainExceptOnCreate"


# Two values of each parameter that are not its default, so that a change between any two of three can be seen.
OTHER_VALUES = {
    "TaskDefinitions": ("weekly", "weekly,report-*"),
    "Clusters": ("batch", "batch,default"),
    "PassRoleArns": (ROLE, f"{ROLE},{ROLE}-execution"),
    "Callers": ("rule", "rule,scheduler,other"),
    "AlsoRecover": ("errors", "spot-interruptions", "errors-and-spot-interruptions"),
    "StopHangingTasks": ("true",),
    "ReadRules": ("", "nightly"),
    "ReadSchedules": ("", "default/nightly"),
    "TrailLogGroupName": ("trail", "aws-cloudtrail-logs"),
    "TrailSilentHours": ("26", "168"),
    "Regions": ("ap-northeast-1", "ap-northeast-1,eu-west-1"),
    "MemberAccounts": ("210987654321", "210987654321,333333333333"),
    "MemberExternalId": ("night-shift-7f3a", "other"),
    "NotificationEmail": ("a@example.com", "b@example.com"),
    "Messages": ("chat,ja", "text,en,recovered"),
    "TimeZone": ("Asia/Tokyo", "America/Argentina/Buenos_Aires"),
    "CommandProfile": ("", "operator"),
    "TopicKeyArn": (FULL["TopicKeyArn"], FULL["TopicKeyArn"].replace("1234abcd", "9876fedc")),
    "RunbookUrl": ("https://example.com/runbook", "https://example.com/other"),
    "AuditSchedule": ("cron(0 22 * * ? *)", "cron(5 9 * * ? *)"),
    "RecoverConcurrency": ("", "40"),
    "PermissionsBoundaryArn": (FULL["PermissionsBoundaryArn"], "arn:aws:iam::aws:policy/PowerUserAccess"),
    "SubnetIds": ("subnet-0123456789abcdef0", FULL["SubnetIds"]),
    "SecurityGroupIds": ("sg-00000000", FULL["SecurityGroupIds"]),
    "DataKeyArn": (FULL["DataKeyArn"], FULL["DataKeyArn"].replace("1234abcd", "9876fedc")),
    "ScheduleKeyArns": (FULL["ScheduleKeyArns"], f"{FULL['ScheduleKeyArns']},{FULL['DataKeyArn']}"),
    "LogRetentionDays": ("90", "365"),
    **dict.fromkeys(("TaskDefinitions2", "TaskDefinitions3"), ("more", "more,still-*")),
    **dict.fromkeys(("PassRoleArns2", "PassRoleArns3", "PassRoleArns4"), (f"{ROLE}-2", f"{ROLE}-2,{ROLE}-3")),
    **dict.fromkeys(("ReadRules2", "ReadRules3"), ("more", "more,still-*")),
    **dict.fromkeys(("ReadSchedules2", "ReadSchedules3"), ("a/more", "a/more,b/still-*")),
}


def _changes_one_by_one_and_in_pairs() -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Yield parameters before and after: each parameter changed alone, and with each other one."""
    changes = [(name, value) for name, values in OTHER_VALUES.items() for value in values]
    for (one, value), (other, also) in itertools.product(changes, repeat=2):
        yield {}, {other: also, one: value}
        yield {other: also}, {one: value}


def test_every_update_changes_the_function_and_makes_a_version_or_neither() -> None:
    """Lambda makes no version of a function that is as before, and CloudFormation then takes the update back.

    https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
    """
    # IAM cannot move a role, and CloudFormation cannot make one beside another of the same name.
    assert OTHER_VALUES.keys() | {"RolePath"} == template()["Parameters"].keys()
    made: dict[tuple[tuple[str, str], ...], tuple[str, str]] = {}

    def both(given: dict[str, str]) -> tuple[str, str]:
        """Return what is published of recover, and the version's text."""
        key = tuple(sorted(given.items()))
        if key not in made:
            stack = bare(only=("CodeNumber", "Recover", "RecoverVersion"), **given)
            recover = stack.resources["Recover"]["Properties"]
            # Reserved concurrency belongs to the function, and not to its versions.
            recover.pop("ReservedConcurrentExecutions", None)
            # A layer's properties cannot be changed: what changes one makes another, with the next number.
            layer = json.dumps(stack.resources["CodeNumber"], sort_keys=True)
            version = json.dumps(stack.resources["RecoverVersion"], sort_keys=True)
            published = json.dumps(recover, sort_keys=True)
            made[key] = tuple(text + layer if "<part 7 of" in text else text for text in (published, version))
        return made[key]

    for before, after in _changes_one_by_one_and_in_pairs():
        (function, version), (function_then, version_then) = both(before), both(after)
        assert (function != function_then) == (version != version_then), f"{before} -> {after}"


def test_a_version_is_published_whenever_the_template_gives_the_function_other_settings() -> None:
    """A version is replaced when its text changes; so its text must hold whatever the function is made from."""
    properties = template()["Resources"]["Recover"]["Properties"]
    settings = {k: v for k, v in properties.items() if k not in ("Code", "ReservedConcurrentExecutions")}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    text, _ = template()["Resources"]["CodeNumber"]["Properties"]["Description"]["Fn::Sub"]
    assert f"settings {digest}," in text, (
        f"recover's properties have changed: write settings {digest} in CodeNumber"
    )
    number = {"Number": {"Fn::Select": [7, {"Fn::Split": [":", {"Ref": "CodeNumber"}]}]}}
    version = template()["Resources"]["RecoverVersion"]["Properties"]
    for described in (version["Description"]["Fn::Sub"], properties["Description"]["Fn::Sub"]):
        assert "${Number}" in described[0]
        assert described[1] == number


def test_the_text_of_the_number_is_as_long_as_lambda_allows_whatever_the_parameters_are() -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html."""
    longest = {
        "MemberExternalId": "x" * 64,
        "Messages": "chat,en,recovered",
        "DataKeyArn": "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "SubnetIds": ",".join([f"subnet-{0:017x}"] * 16),
        "SecurityGroupIds": ",".join([f"sg-{0:017x}"] * 5),
        "TimeZone": "x" * 32,
        "CommandProfile": "x" * 32,
        "RunbookUrl": "x" * 100,
    }
    properties = full(**longest).resources["CodeNumber"]["Properties"]
    assert len(properties["Description"]) <= 256
    assert len(properties["LicenseInfo"]) <= 512


def test_new_recoveries_begin_with_the_version_behind_live() -> None:
    stack = full()
    alias = stack.of_type("AWS::Lambda::Alias")["RecoverLive"]
    assert (alias["Name"], alias["FunctionVersion"]) == ("live", "<RecoverVersion.Version>")
    functions = stack.of_type("AWS::Lambda::Function")
    assert (
        functions["Intake"]["Environment"]["Variables"]["RETRY_RUN_TASK_RECOVER_FUNCTION"] == "<RecoverLive>"
    )


# The event sources.


def test_the_filter_is_the_one_that_the_code_is_written_for() -> None:
    (found,) = full().of_type("AWS::Logs::SubscriptionFilter").values()
    assert found["FilterName"] == FILTER_NAME
    assert found["FilterPattern"] == FILTER_PATTERN
    assert found["LogGroupName"] == "aws-cloudtrail-logs"


def test_two_stacks_have_two_filters_on_one_log_group() -> None:
    (found,) = full(name="other").of_type("AWS::Logs::SubscriptionFilter").values()
    assert found["FilterName"] == f"{FILTER_NAME}-other"


def test_the_rules_are_those_that_the_code_is_written_for() -> None:
    rules = bare().of_type("AWS::Events::Rule")
    assert {name: rule["EventPattern"] for name, rule in rules.items()} == {
        "FailedCalls": eventbridge.EVENT_PATTERN,
        "FailedStarts": task_state_change.EVENT_PATTERN,
    }


def test_what_is_handed_on_of_a_task_that_did_not_start_is_what_the_code_reads() -> None:
    transformers = {
        name: [target.get("InputTransformer") for target in rule["Targets"]]
        for name, rule in bare().of_type("AWS::Events::Rule").items()
    }
    assert transformers == {
        "FailedCalls": [None],
        "FailedStarts": [
            {
                "InputPathsMap": task_state_change.INPUT_PATHS,
                "InputTemplate": task_state_change.INPUT_TEMPLATE,
            }
        ],
    }
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_InputTransformer.html
    assert len(task_state_change.INPUT_PATHS) <= 100
    assert len(task_state_change.INPUT_TEMPLATE) <= 8192


def test_without_a_log_group_nothing_is_made_for_one() -> None:
    missing = full().resources.keys() - bare().resources.keys()
    assert {"TrailFilter", "TrailMayInvokeIntake", "FilterDeliveryAlarm", "TrailCalls"} <= missing
    assert "FailedCalls" in bare().resources
    assert "filter-delivery" not in json.dumps(bare().resources)


def test_only_this_log_group_and_these_rules_may_invoke_a_function() -> None:
    permissions = full().of_type("AWS::Lambda::Permission")
    assert {k: (p["Principal"], p["SourceArn"], p["SourceAccount"]) for k, p in permissions.items()} == {
        "TrailMayInvokeIntake": (
            "logs.amazonaws.com",
            "arn:aws:logs:ap-northeast-1:123456789012:log-group:aws-cloudtrail-logs:*",
            "123456789012",
        ),
        "FailedCallsMayInvokeIntake": ("events.amazonaws.com", "<FailedCalls.Arn>", "123456789012"),
        "FailedStartsMayInvokeIntake": ("events.amazonaws.com", "<FailedStarts.Arn>", "123456789012"),
        "EveryDayMayInvokeAudit": ("events.amazonaws.com", "<EveryDay.Arn>", "123456789012"),
    }
    assert {k: p["FunctionName"] for k, p in permissions.items()} == {
        k: "<Audit>" if k == "EveryDayMayInvokeAudit" else "<Intake>" for k in permissions
    }
    assert template()["Resources"]["TrailFilter"]["DependsOn"] == "TrailMayInvokeIntake"


# Nothing is lost on the way.


def test_every_asynchronous_hop_ends_in_a_queue() -> None:
    # But the audit's: what it has not looked at the command finds, and an alarm says so.
    stack = full(AuditSchedule="")
    queues = {f"<{name}.Arn>" for name in stack.of_type("AWS::SQS::Queue")}
    ends = [f["DeadLetterConfig"]["TargetArn"] for f in stack.of_type("AWS::Lambda::Function").values()]
    ends += [
        t["DeadLetterConfig"]["Arn"]
        for r in stack.of_type("AWS::Events::Rule").values()
        for t in r["Targets"]
    ]
    assert len(ends) == 4
    assert set(ends) <= queues
    for queue in bare().of_type("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60


def test_how_often_an_event_is_delivered_is_said_for_every_function() -> None:
    found = full().of_type("AWS::Lambda::EventInvokeConfig")
    assert {(c["FunctionName"], c["Qualifier"]) for c in found.values()} == {
        ("<Intake>", "$LATEST"),
        ("<Recover>", "live"),
        ("<Audit>", "$LATEST"),
    }
    assert {(c["MaximumRetryAttempts"], c["MaximumEventAgeInSeconds"]) for c in found.values()} == {
        (2, 21600)
    }


@pytest.mark.parametrize("function", ["Intake", "Recover", "Audit"])
def test_each_function_writes_to_a_log_group_that_forgets(function: str) -> None:
    stack = full(LogRetentionDays="90")
    group = stack.of_type("AWS::Lambda::Function")[function]["LoggingConfig"]["LogGroup"].strip("<>")
    properties = stack.of_type("AWS::Logs::LogGroup")[group]
    assert properties["RetentionInDays"] == "90"
    assert properties["LogGroupName"] == f"/aws/lambda/retry-run-task-{function.lower()}"


# Parameters.


# A dozen; three for many accounts and Regions, one each for a silent trail, the audit, tasks that hang and the profile
# of commands, and what organizations ask for: most people leave those alone, and the console shows the last ones last.
MOST_PARAMETERS = 28


def test_there_are_few_parameters_and_each_is_explained_and_checked() -> None:
    parameters = template()["Parameters"]
    assert len(parameters.keys() - LATER_PARTS) <= MOST_PARAMETERS
    for name, parameter in parameters.items():
        assert parameter["Description"].rstrip().endswith("."), name
        if "AllowedValues" not in parameter:
            assert parameter["AllowedPattern"].startswith("^"), name
            assert parameter["ConstraintDescription"].startswith("must be "), name


def test_only_what_may_be_started_has_to_be_said_and_nothing_is_everything() -> None:
    parameters = template()["Parameters"]
    assert [name for name, p in parameters.items() if "Default" not in p] == ["TaskDefinitions"]
    # What may be read is another matter: without it nothing is started, and less is known.
    everything = {name for name, p in parameters.items() if str(p.get("Default")) == "*"}
    assert everything == {"ReadRules", "ReadSchedules"}


def test_every_parameter_has_its_place_in_the_console() -> None:
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template()["Parameters"])
    assert sorted(interface["ParameterLabels"]) == sorted(template()["Parameters"])


# For a list, CloudFormation checks each item.
GOOD_AND_BAD = {
    "TaskDefinitions": (
        ["nightly", "report-*", "*"],
        ["", "nightly:7", "arn:aws:ecs:::task-definition/nightly", "a b"],
    ),
    "Clusters": (["default", "batch-?"], ["", "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch"]),
    "PassRoleArns": (
        ["", ROLE, f"{ROLE}-*", "arn:aws-cn:iam::123456789012:role/service-role/batch?"],
        [
            *("batch", "*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/?atch"),
            *("arn:aws:iam::123456789012:role/a*/batch", "arn:aws:iam::123456789012:role/a/*"),
            "arn:aws:iam::123456789012:user/batch",
        ],
    ),
    "ReadRules": (
        ["", "*", "nightly", "reports/n.i_g-ht*"],
        ["a b", "arn:aws:events:::rule/a", "a//b", "/a"],
    ),
    "ReadSchedules": (
        ["", "*", "default/nightly", "a*/b?"],
        ["nightly", "a/b/c", "arn:aws:scheduler:::a/b", "/a"],
    ),
    "Callers": (["rule", "scheduler", "hand-made", "other"], ["", "batch", "own", "step-functions"]),
    "TrailLogGroupName": (["", "aws-cloudtrail-logs", "/trail/x"], ["arn:aws:logs:a:1:log-group:x", "a*"]),
    "Regions": (
        ["", "ap-northeast-1", "us-gov-west-1", "us-isob-east-1"],
        ["*", "ap-northeast", "Tokyo", "ap-northeast-1a", "arn:aws:ecs"],
    ),
    "MemberAccounts": (["", "210987654321"], ["2109876543210", "21098765432", "*", "a", "o-123456789012"]),
    "MemberExternalId": (["", "ab", "a/b:c=d_e-f", "x" * 64], ["a", "a b", "x" * 65, "*"]),
    "TrailSilentHours": (["", "1", "26", "99", "100", "168"], ["0", "169", "170", "1000", "-1", "2.5"]),
    "AuditSchedule": (
        ["", "cron(0 22 * * ? *)", "cron(05 09 * * ? *)"],
        [
            "rate(1 day)",
            "cron(0 22 * * 1 *)",
            "cron(60 0 * * ? *)",
            "cron(0 24 * * ? *)",
            "cron(0 */2 * * ? *)",
        ],
    ),
    "Messages": (
        ["text,en", "chat,ja", "chat,en,recovered"],
        ["", "chat", "text,chat", "ja,en", "chat, ja", "chat,ja,", "recovered", "Text,en"],
    ),
    "TimeZone": (
        ["", "UTC", "Asia/Tokyo", "America/Argentina/ComodRivadavia", "Etc/GMT+9"],
        ["a b", "x" * 33],
    ),
    "CommandProfile": (
        ["", "operator", "AdministratorAccess-123456789012", "my own", "a/b.c:d=e+f,g_h"],
        [" a", "-a", "a;b", "$(a)", "a'b", 'a"b', "x" * 33, "a\nb"],
    ),
    "NotificationEmail": (["", "a@example.com"], ["a", "a@b@c", "a@b,c@d"]),
    "TopicKeyArn": (["", FULL["TopicKeyArn"]], ["alias/aws/sns", "1234abcd-12ab-34cd-56ef-1234567890ab"]),
    "RunbookUrl": (["docs/runbook.md", "https://example.com/runbook"], ["", "a#b", "a b"]),
    "PermissionsBoundaryArn": (
        ["", "arn:aws:iam::123456789012:policy/a/boundary", "arn:aws:iam::aws:policy/PowerUserAccess"],
        ["boundary", "*", "arn:aws:iam::123456789012:role/a"],
    ),
    "RolePath": (["/", "/batch/", "/a/b.c/"], ["", "batch", "/batch", "batch/", "//", "/*/"]),
    "SubnetIds": (["", "subnet-0123456789abcdef0", "subnet-01234567"], ["subnet-", "vpc-01234567", "*"]),
    "SecurityGroupIds": (["", "sg-0123456789abcdef0"], ["default", "subnet-01234567"]),
    "DataKeyArn": (["", FULL["DataKeyArn"]], ["alias/x", f"{FULL['DataKeyArn']}*", "x" * 20]),
    "ScheduleKeyArns": (["", FULL["ScheduleKeyArns"]], ["alias/x", "*"]),
    "RecoverConcurrency": (["", "1", "5", "1000"], ["0", "-1", "05", "five"]),
}


def test_what_a_parameter_takes() -> None:
    parameters = template()["Parameters"]
    checked = {name for name, p in parameters.items() if "AllowedPattern" in p}
    assert checked == GOOD_AND_BAD.keys() | LATER_PARTS
    for name in LATER_PARTS:
        first = parameters[name[:-1]]["AllowedPattern"].removeprefix("^").removesuffix("$")
        assert parameters[name]["AllowedPattern"] in (f"^({first})?$", f"^{first}$"), name
    for name, (good, bad) in GOOD_AND_BAD.items():
        pattern = parameters[name]["AllowedPattern"]
        defaults = str(parameters[name].get("Default", good[0]))
        defaults = defaults.split(",") if parameters[name]["Type"] == "CommaDelimitedList" else [defaults]
        assert [text for text in good + defaults if not re.fullmatch(pattern, text)] == [], name
        assert [text for text in bad if re.fullmatch(pattern, text)] == [], name


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        ({}, None),
        ({"MemberAccounts": "210987654321", "MemberExternalId": "night"}, None),
        ({"MemberAccounts": "210987654321"}, "MemberExternalId has to be given"),
        ({"MemberAccounts": "210987654321,123456789012", "MemberExternalId": "night"}, "this account"),
        ({"MemberExternalId": "night"}, None),
        ({"Regions": "ap-northeast-1,eu-west-1"}, None),
        ({"Regions": "eu-west-1"}, "Regions leaves out the stack's own"),
        ({"SubnetIds": "subnet-01234567", "SecurityGroupIds": "sg-01234567"}, None),
        ({"SubnetIds": "subnet-01234567"}, "go together"),
        ({"SecurityGroupIds": "sg-01234567"}, "go together"),
    ],
)
def test_what_two_parameters_are_together_is_checked_before_anything_is_made(
    given: dict[str, str], broken: str | None
) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html."""
    found = bare(**given).broken_rules()
    assert len(found) == (broken is not None)
    assert (broken or "") in "".join(found)


def test_a_rule_uses_only_what_rules_may() -> None:
    allowed = {"And", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "Not", "Or", "RefAll"}
    text = json.dumps(template()["Rules"])
    assert set(re.findall(r'"Fn::(\w+)"', text)) <= allowed | {"ValueOf", "ValueOfAll"}


# What organizations ask for.


def test_most_people_see_no_more_of_the_stack_than_before() -> None:
    """Without these parameters nothing of what they bring is in any resource."""
    text = json.dumps(bare().resources)
    for word in ("KmsKey", "KMSKeyArn", "KmsMasterKeyId", "VpcConfig", "PermissionsBoundary", "kms:", "ec2:"):
        assert word not in text, word
    assert {role["Path"] for role in bare().of_type("AWS::IAM::Role").values()} == {"/"}


def test_the_roles_and_their_policies_are_where_and_as_bounded_as_is_asked() -> None:
    stack = full()
    roles, policies = stack.of_type("AWS::IAM::Role"), stack.of_type("AWS::IAM::ManagedPolicy")
    assert len(roles) == 3
    assert {role["PermissionsBoundary"] for role in roles.values()} == {FULL["PermissionsBoundaryArn"]}
    assert {one["Path"] for one in (*roles.values(), *policies.values())} == {"/batch/"}
    for function in ("Intake", "Recover"):
        settings = Settings.from_environment(_environment(stack, function))
        assert settings.role_path == "/batch/"


def test_the_functions_run_in_the_subnets_that_are_given() -> None:
    for function in full().of_type("AWS::Lambda::Function").values():
        assert function["VpcConfig"] == {
            "SubnetIds": FULL["SubnetIds"].split(","),
            "SecurityGroupIds": [FULL["SecurityGroupIds"]],
        }


def test_everything_that_is_kept_can_have_a_key() -> None:
    stack = full()
    found = [
        *(
            (kind, one.get("KmsKeyId"))
            for kind in ["AWS::Logs::LogGroup"]
            for one in stack.of_type(kind).values()
        ),
        *(
            (kind, one.get("KmsMasterKeyId"))
            for kind in ["AWS::SQS::Queue"]
            for one in stack.of_type(kind).values()
        ),
        *(
            (kind, one.get("KmsKeyArn"))
            for kind in ["AWS::Lambda::Function"]
            for one in stack.of_type(kind).values()
        ),
    ]
    assert len(found) == 8
    assert {key for _, key in found} == {FULL["DataKeyArn"]}
    # One of the two ways only.
    assert [q for q in stack.of_type("AWS::SQS::Queue").values() if "SqsManagedSseEnabled" in q] == []


# The environment.


def _environment(stack: Stack, function: str) -> dict[str, str]:
    return stack.of_type("AWS::Lambda::Function")[function]["Environment"]["Variables"]


def test_the_functions_understand_every_variable_that_they_are_given() -> None:
    stack = full(
        Callers="rule,other", Messages="chat,ja,recovered", TimeZone="Asia/Tokyo", CommandProfile="my own"
    )
    intake = Settings.from_environment(_environment(stack, "Intake"))
    assert intake.callers == {CallerKind.RULE, CallerKind.OTHER}
    assert (intake.clusters, intake.task_definitions) == (("batch", "default"), ("nightly", "report-*"))
    assert (intake.recover_function, intake.role_arn) == ("<RecoverLive>", "<RecoverRole.Arn>")
    recover = Settings.from_environment(_environment(stack, "Recover"))
    assert (recover.topic_arn, recover.notify_recovered) == ("<Notifications>", True)
    assert intake.regions == ("ap-northeast-1", "ap-northeast-3")
    assert (intake.accounts, recover.external_id) == (("210987654321", "333333333333"), "night-shift-7f3a")
    assert (recover.language, recover.for_chat) == (Language.JAPANESE, True)
    assert (str(recover.zone), recover.runbook_url) == ("Asia/Tokyo", "docs/runbook.md")
    audit = Settings.from_environment(_environment(stack, "Audit"))
    assert (recover.profile, audit.profile) == ("my own", "my own")
    assert intake.stack == recover.stack == "retry-run-task"


def test_what_intake_looks_after_is_every_part_of_the_list() -> None:
    stack = full(TaskDefinitions2="more-1,more-2", TaskDefinitions3="still")
    intake = Settings.from_environment(_environment(stack, "Intake"))
    assert intake.task_definitions == ("nightly", "report-*", "more-1", "more-2", "still")


def test_by_default_only_this_account_and_region_are_looked_after() -> None:
    intake = Settings.from_environment(_environment(bare(), "Intake"))
    assert (intake.regions, intake.accounts) == ((), ())


@pytest.mark.parametrize(("given", "actions"), [("false", set()), ("true", {"ecs:StopTask"})])
def test_tasks_may_be_stopped_only_if_asked_for(given: str, actions: set[str]) -> None:
    document = bare(StopHangingTasks=given).of_type("AWS::IAM::ManagedPolicy")["RecoverPolicy"]
    found = [one for one in document["PolicyDocument"]["Statement"] if one["Sid"] == "StopTasksThatHang"]
    assert {one["Action"] for one in found} == actions
    assert [one["Resource"] for one in found] == [["arn:*:ecs:*:*:task/default/*"]] * len(found)


@pytest.mark.parametrize(
    ("also", "errors", "spot"),
    [
        ("nothing", False, False),
        ("errors", True, False),
        ("spot-interruptions", False, True),
        ("errors-and-spot-interruptions", True, True),
    ],
)
def test_what_else_is_recovered(also: str, errors: bool, spot: bool) -> None:
    stack = bare(AlsoRecover=also)
    intake = Settings.from_environment(_environment(stack, "Intake"))
    recover = Settings.from_environment(_environment(stack, "Recover"))
    assert (intake.recover_errors, intake.spot_interruptions, recover.recover_errors) == (
        errors,
        spot,
        errors,
    )


def test_the_pace_of_calls_is_the_same_in_the_template_the_module_the_code_and_the_local_installation() -> (
    None
):
    rate = Settings().calls_per_second
    assert Settings.from_environment(_environment(bare(), "Recover")).calls_per_second == rate
    assert rate == install.CALLS_PER_SECOND
    module = (Path(__file__).parents[2] / "infra" / "terraform" / "main.tf").read_text(encoding="utf-8")
    assert f'RETRY_RUN_TASK_CALLS_PER_SECOND = "{rate:g}"' in module


def test_the_local_installation_has_exactly_the_environment_that_the_template_gives() -> None:
    """What the functional tests run with; a variable that only they had would hide what the template lacks."""
    given = {f"{PREFIX}EXTERNAL_ID": "x", f"{PREFIX}REGIONS": "eu-west-1"}
    with LocalAws() as aws:
        made = install.install(aws, settings=given)
        audit = install.install_audit(aws, made)
        local = {
            "Audit": aws.functions.get(audit)[0].environment,
            "Intake": aws.functions.get(made.intake)[0].environment,
            "Recover": aws.functions.get(made.recover)[0].environment,
        }
    for function, environment in local.items():
        assert environment.keys() == _environment(full(), function).keys(), function
    assert (local["Recover"][f"{PREFIX}EXTERNAL_ID"], local["Intake"][f"{PREFIX}REGIONS"]) == (
        "x",
        "eu-west-1",
    )


def test_the_template_says_that_deploy_did_not_install_it_and_deploy_that_it_did() -> None:
    """As ``package``, SAM and a build from the bundle take it, and as deploy changes it."""
    text = TEMPLATE.read_text(encoding="utf-8")
    mark = f"{PREFIX}INSTALLED_BY"
    for content, way in ((text, "cloudformation"), (with_code(text, "bucket", "key"), "deploy")):
        functions = parse(content)["Resources"]
        assert functions["Intake"]["Properties"]["Environment"]["Variables"][mark] == way


def test_every_setting_is_given_to_a_function() -> None:
    given = {name for function in ("Intake", "Recover") for name in _environment(full(), function)}
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}
    assert known - given == set()


def test_by_default_the_same_callers_are_recovered_as_by_the_code() -> None:
    assert Settings.from_environment(_environment(bare(), "Intake")).callers == DEFAULT_CALLERS


# Names.

NAMES = {
    "RoleName",
    "ManagedPolicyName",
    "FunctionName",
    "LayerName",
    "QueueName",
    "TopicName",
    "LogGroupName",
    "FilterName",
    "AlarmName",
    "DashboardName",
}


def _names(stack: Stack) -> set[tuple[str, str]]:
    found = {
        (r["Type"], value)
        for r in stack.resources.values()
        for key, value in r["Properties"].items()
        if key in NAMES | {"Name"} and not value.startswith("<")
    }
    # Of the trail's own log group, and of an alias, which lives inside its function.
    return {f for f in found if f[1] not in ("aws-cloudtrail-logs", "live")}


def test_two_stacks_can_live_in_one_account() -> None:
    one, other = _names(full()), _names(full(name="other"))
    assert len(one) == len(other) >= 20
    assert one & other == set()


def test_the_usual_names() -> None:
    assert {
        ("AWS::IAM::Role", "retry-run-task-role"),
        ("AWS::IAM::ManagedPolicy", "retry-run-task-policy"),
        ("AWS::IAM::Role", "retry-run-task-intake-role"),
        ("AWS::IAM::ManagedPolicy", "retry-run-task-intake-policy"),
        ("AWS::Lambda::Function", "retry-run-task-intake"),
        ("AWS::Lambda::Function", "retry-run-task-recover"),
        ("AWS::Logs::SubscriptionFilter", "RunTaskFailureFilter"),
        ("AWS::SNS::Topic", "retry-run-task-notifications"),
    } <= _names(full())


def test_a_name_of_50_characters_fits_everywhere() -> None:
    names = _names(full(name="x" * 50))
    limits = {
        "AWS::IAM::Role": 64,
        "AWS::Lambda::Function": 64,
        "AWS::SQS::Queue": 80,
        "AWS::Events::Rule": 64,
    }
    assert [(kind, len(name)) for kind, name in names if len(name) > limits.get(kind, 128)] == []


# Partitions.


def test_nothing_is_bound_to_one_partition() -> None:
    text = TEMPLATE.read_text()
    assert re.findall(r"arn:aws[^:$]*:[^,\"]*", re.sub(r"(?m)#.*$|AllowedPattern:.*$", "", text)) == []
    china = full(
        where={"AWS::Partition": "aws-cn", "AWS::Region": "cn-north-1", "AWS::URLSuffix": "amazonaws.com.cn"}
    )
    text = json.dumps(china.resources)
    for given in (ROLE, *FULL.values()):
        text = text.replace(given, "")
    assert "arn:aws:" not in text
    assert china.outputs["DashboardUrl"].startswith("https://cn-north-1.console.amazonaws.cn/")


def test_messages_lead_into_the_same_consoles_as_the_dashboards_address() -> None:
    partitions = template()["Mappings"]["Partitions"]
    assert {name: known["Console"] for name, known in partitions.items()} == console.HOSTS


# Alarms.


@pytest.fixture(scope="module")
def emitted() -> set[tuple[str, frozenset[str]]]:
    """Metrics that the code writes, each with its dimensions' names, found by having it write them."""
    out = io.StringIO()
    telemetry = Telemetry(stack="retry-run-task", request_id="r")

    def accept(name: str, payload: str) -> Started:
        return Started.ACCEPTED

    def refuse(name: str, payload: str) -> Started:
        raise OSError("out of reach")

    with contextlib.redirect_stdout(out):
        for happened in LogEvent:
            _recover._tell(
                telemetry,
                happened,
                category=Category.UNKNOWN.value,
                row=NO_ROW,
                outcome=Outcome.EXPIRED.value,
                elapsed_s=1,
            )
        events = ({}, awslogs(HAND_MADE), awslogs(HAND_MADE | {"eventName": "StopTask"}))
        for event in events:
            for start in (accept, refuse):
                with contextlib.suppress(StartError):
                    take_in(event, stack="s", scope=Scope(), start=start, telemetry=telemetry)
        telemetry.flush()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return {
        (metric["Name"], frozenset(dimensions))
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        if directive["Namespace"] == NAMESPACE
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def _watched(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield namespace, metric and dimensions of what an alarm looks at."""
    metrics = [q["MetricStat"]["Metric"] for q in alarm.get("Metrics", []) if "MetricStat" in q] or [alarm]
    for metric in metrics:
        yield (
            metric["Namespace"],
            metric["MetricName"],
            {d["Name"]: d["Value"] for d in metric.get("Dimensions", [])},
        )


def test_every_alarm_watches_something_that_is_written(emitted: set[tuple[str, frozenset[str]]]) -> None:
    own = [
        (metric, frozenset(dimensions))
        for alarm in full().of_type("AWS::CloudWatch::Alarm").values()
        for namespace, metric, dimensions in _watched(alarm)
        if namespace == NAMESPACE
    ]
    assert len(own) >= 5
    assert [w for w in own if w[0] not in set(Metric) or w not in emitted] == []


def test_every_alarm_of_ours_watches_this_stack_only() -> None:
    for name in ("retry-run-task", "other"):
        for alarm in full(name=name).of_type("AWS::CloudWatch::Alarm").values():
            for namespace, _, dimensions in _watched(alarm):
                if namespace == NAMESPACE:
                    assert dimensions["service"] == name


# What the other namespaces offer:
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/lambda/latest/dg/durable-monitoring.html
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
AWS_METRICS = {
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/Lambda", "AsyncEventsDropped"): {"FunctionName"},
    ("AWS/Lambda", "DurableExecutionFailed"): {"FunctionName"},
    ("AWS/Lambda", "DurableExecutionTimedOut"): {"FunctionName"},
    ("AWS/Logs", "DeliveryErrors"): {"LogGroupName", "DestinationType", "FilterName"},
    ("AWS/Events", "FailedInvocations"): {"RuleName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
}


def test_alarms_on_metrics_of_aws_use_their_documented_names_and_dimensions() -> None:
    for alarm in full().of_type("AWS::CloudWatch::Alarm").values():
        for namespace, metric, dimensions in _watched(alarm):
            if namespace.startswith("AWS/"):
                assert set(dimensions) == AWS_METRICS[namespace, metric]


def test_the_alarm_on_a_silent_trail_is_there_if_it_is_asked_for_and_there_is_a_log_group() -> None:
    for given in ({}, {"TrailSilentHours": ""}, {"TrailLogGroupName": ""}):
        stack = full(**(given or {"TrailSilentHours": "", "TrailLogGroupName": ""}))
        assert {"TrailCalls", "TrailSilentAlarm"} & stack.resources.keys() == set()
        assert "trail-silent" not in json.dumps(stack.resources)


def test_the_audit_is_there_unless_it_is_switched_off() -> None:
    assert "Audit" in Stack(TaskDefinitions="nightly").resources
    stack = full()
    made = stack.resources.keys() - full(AuditSchedule="").resources.keys()
    assert made == {
        *("Audit", "AuditInvocations", "AuditLogGroup", "AuditPolicy", "AuditRole"),
        *("EveryDay", "EveryDayMayInvokeAudit", "NotAuditedAlarm"),
    }
    assert stack.of_type("AWS::Events::Rule")["EveryDay"]["ScheduleExpression"] == FULL["AuditSchedule"]
    assert not made & bare().resources.keys()
    # The whole stack in other Regions is looked at, too, as it is looked after.
    settings = Settings.from_environment(_environment(stack, "Audit"))
    assert (settings.regions, settings.for_chat) == (("ap-northeast-1", "ap-northeast-3"), False)


def test_an_audit_that_failed_is_told_of_however_it_failed() -> None:
    watched = list(_watched(full().of_type("AWS::CloudWatch::Alarm")["NotAuditedAlarm"]))
    assert watched == [
        ("AWS/Lambda", "AsyncEventsDropped", {"FunctionName": "<Audit>"}),
        ("AWS/Events", "FailedInvocations", {"RuleName": "<EveryDay>"}),
    ]


@pytest.mark.parametrize("hours", ["1", "168"])
def test_the_alarm_on_a_silent_trail_looks_back_no_further_than_alarms_can(hours: str) -> None:
    """Seven days, with periods of an hour or more.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    alarm = full(TrailSilentHours=hours).of_type("AWS::CloudWatch::Alarm")["TrailSilentAlarm"]
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, hours)
    assert alarm["Period"] * int(alarm["EvaluationPeriods"]) <= 604_800


def test_the_alarm_on_a_silent_trail_watches_what_the_metric_filter_counts() -> None:
    for name in ("retry-run-task", "other"):
        (found,) = full(name=name).of_type("AWS::Logs::MetricFilter").values()
        (counted,) = found["MetricTransformations"]
        alarm = full(name=name).of_type("AWS::CloudWatch::Alarm")["TrailSilentAlarm"]
        assert list(_watched(alarm)) == [(counted["MetricNamespace"], counted["MetricName"], {})]
        assert counted["MetricNamespace"].endswith(f"/{name}")
        # Without a default value: it would be written whenever anything else comes, and each would be paid for.
        assert (counted["MetricValue"], "DefaultValue" in counted) == ("1", False)
        assert found["LogGroupName"] == "aws-cloudtrail-logs"
        assert found["FilterPattern"] == SCHEDULED_CALLS_PATTERN


@pytest.mark.parametrize("name", ["GaveUpAlarm", "BrokeAlarm"])
def test_what_is_counted_by_category_is_added_up_over_all_of_them(name: str) -> None:
    alarm = full().of_type("AWS::CloudWatch::Alarm")[name]
    categories = {d["category"] for _, metric, d in _watched(alarm) if metric == Metric.GAVE_UP}
    assert categories == {category.value for category in Category}
    ids = {query["Id"] for query in alarm["Metrics"] if not query["ReturnData"]}
    (expression,) = (query["Expression"] for query in alarm["Metrics"] if query["ReturnData"])
    assert set(re.findall(r"FILL\((\w+), 0\)", expression)) == ids
    assert len({query["MetricStat"]["Period"] for query in alarm["Metrics"] if not query["ReturnData"]}) == 1


def test_what_the_alarms_cost_is_told_truly() -> None:
    """AWS charges for each metric that an alarm watches."""
    alarms = full().of_type("AWS::CloudWatch::Alarm").values()
    metrics = sum(len(list(_watched(alarm))) for alarm in alarms)
    text = (TEMPLATE.parent / "README.md").read_text()
    assert f"There are {len(alarms)} alarms on {metrics} metrics." in text


def test_every_alarm_tells_the_topic_and_is_quiet_while_nothing_happens() -> None:
    """All but one, whose only matter is that nothing happens."""
    alarms = full().of_type("AWS::CloudWatch::Alarm")
    assert len(alarms) == 16
    assert [a for a in alarms.values() if a["AlarmActions"] != ["<Notifications>"]] == []
    silent = alarms.pop("TrailSilentAlarm")
    assert (silent["TreatMissingData"], silent["Threshold"]) == ("breaching", 1)
    assert silent["ComparisonOperator"] == "LessThanThreshold"
    for alarm in alarms.values():
        assert alarm["TreatMissingData"] == "notBreaching"
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")


def test_every_alarm_is_described_by_one_sentence_and_a_link() -> None:
    for alarm in full(RunbookUrl="https://example.com/runbook").of_type("AWS::CloudWatch::Alarm").values():
        anchor = alarm["AlarmName"].removeprefix("retry-run-task-")
        sentence, _, link = alarm["AlarmDescription"].rpartition(" ")
        assert link == f"https://example.com/runbook#{anchor}"
        assert re.fullmatch(r"[A-Z][^.]*\.", sentence), sentence


def test_alarms_may_publish_to_the_topic_with_and_without_a_key_of_its_own() -> None:
    (policy,) = full().of_type("AWS::SNS::TopicPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    pattern = statement["Condition"]["ArnLike"]["aws:SourceArn"]
    assert pattern == "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:retry-run-task-*"
    # The AWS managed key alias/aws/sns would shut alarms out.
    assert "KmsMasterKeyId" not in bare().of_type("AWS::SNS::Topic")["Notifications"]
    assert full().of_type("AWS::SNS::Topic")["Notifications"]["KmsMasterKeyId"] == FULL["TopicKeyArn"]


# The dashboard.


def _dashboard(stack: Stack) -> dict[str, Any]:
    (found,) = stack.of_type("AWS::CloudWatch::Dashboard").values()
    return json.loads(found["DashboardBody"])


@pytest.mark.parametrize("stack", [full, bare])
def test_the_dashboard_shows_every_alarm_there_is(stack: Any) -> None:
    made = stack()
    (widget,) = (w for w in _dashboard(made)["widgets"] if w["type"] == "alarm")
    shown = [arn.rpartition(":")[2] for arn in widget["properties"]["alarms"]]
    assert sorted(shown) == sorted(a["AlarmName"] for a in made.of_type("AWS::CloudWatch::Alarm").values())


def test_the_dashboard_shows_every_metric_that_is_written(emitted: set[tuple[str, frozenset[str]]]) -> None:
    text = json.dumps(_dashboard(full()))
    # Its alarm says enough of the rest.
    assert {m for m in Metric if m not in text} == {Metric.UNKNOWN_REASONS, Metric.NOT_NOTIFIED}
    for widget in _dashboard(full())["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == NAMESPACE:
                assert (metric[1], frozenset(metric[2:-1:2])) in emitted
            elif isinstance(metric[0], dict):
                found = re.search(r'\{"retry-run-task",(.*?)\} MetricName="(\w+)"', metric[0]["expression"])
                assert found
                assert (found[2], frozenset(found[1].split(","))) in emitted


def test_the_dashboard_looks_at_this_stack_only() -> None:
    assert "retry-run-task" not in json.dumps(_dashboard(full(name="other"))).replace(
        '"retry-run-task"', ""
    ).replace('\\"retry-run-task\\"', "")


def test_the_widgets_do_not_overlap() -> None:
    taken = [
        (x, y)
        for w in _dashboard(full())["widgets"]
        for x in range(w["x"], w["x"] + w["width"])
        for y in range(w["y"], w["y"] + w["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23


# Outputs.


def test_the_outputs_tell_a_command_what_it_needs_to_know() -> None:
    assert set(full().outputs) - set(bare().outputs) == {"TrailLogGroup", "TrailFilter"}
    assert full().outputs["RecoverAlias"] == "<RecoverLive>"
    assert full().outputs["TrailFilter"] == FILTER_NAME
    assert all(output["Description"].endswith(".") for output in template()["Outputs"].values())


def test_the_version_is_that_of_the_package() -> None:
    assert full().outputs["Version"] == __version__
    assert template()["Description"].startswith(f"retry-run-task {__version__}:")
    text, _ = template()["Resources"]["CodeNumber"]["Properties"]["Description"]["Fn::Sub"]
    assert text.endswith(f"stack version {__version__}")
