"""``doctor`` against AWS over HTTP: what it says, what it asks, what it never shows, and how it ends."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from retry_run_task import __version__
from retry_run_task.commands import doctor as doctor_package
from retry_run_task.commands import shared
from retry_run_task.commands.doctor.check import Check, Status
from retry_run_task.commands.doctor.checks import examine
from retry_run_task.commands.main import retry_run_task
from retry_run_task.commands.shared.discovery import discover
from retry_run_task.local.errors import AwsError
from support.canned import Canned, denied
from support.commands import Ended, run_here

ROOT = Path(__file__).parents[2]
REGION = "ap-northeast-1"
ACCOUNT = "123456789012"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"
GROUP = "aws-cloudtrail-logs"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:retry-run-task"
INTAKE = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:retry-run-task-intake"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
SECRET = "c4nary-hunter2"

NO_STACK = AwsError("ValidationError", "Stack with id retry-run-task does not exist")
DESCRIPTION = f"retry-run-task {__version__}: makes failed ECS RunTask calls again."
STACK = {
    "Stacks": [
        {
            "StackName": "retry-run-task",
            "CreationTime": "2026-11-23T00:00:00Z",
            "StackStatus": "CREATE_COMPLETE",
            "Description": DESCRIPTION,
            "Outputs": [
                {"OutputKey": "Version", "OutputValue": __version__},
                {"OutputKey": "RecoverFunction", "OutputValue": "retry-run-task-recover"},
                {"OutputKey": "Topic", "OutputValue": TOPIC},
            ],
            "Parameters": [
                {"ParameterKey": "TaskDefinitions", "ParameterValue": "nightly,report-*"},
                {"ParameterKey": "Clusters", "ParameterValue": "batch"},
                {"ParameterKey": "PassRoleArns", "ParameterValue": f"{ROLE}/task,{ROLE}/execution"},
            ],
        }
    ]
}


def ecs_target(cluster: str, definition: str, **more: Any) -> dict[str, Any]:
    return {
        "Arn": cluster,
        "RoleArn": f"{ROLE}/events",
        "EcsParameters": {"TaskDefinitionArn": definition},
    } | more


def overrides(**variables: str) -> str:
    environment = [{"name": name, "value": value} for name, value in variables.items()]
    return json.dumps({"containerOverrides": [{"name": "app", "environment": environment}]})


def filters(**destinations: str) -> dict[str, Any]:
    return {
        "subscriptionFilters": [
            {"filterName": name, "logGroupName": GROUP, "destinationArn": arn}
            for name, arn in destinations.items()
        ]
    }


@pytest.fixture
def aws() -> Iterator[Canned]:
    """An account where everything is in order and nothing is installed."""
    with Canned() as aws:
        cluster = aws.local.ecs.create_cluster("batch")
        nightly = aws.local.ecs.register_task_definition("nightly")
        aws.local.logs.create_group(GROUP)
        aws.local.schedules.create_schedule(
            "export",
            expression="cron(0 0 * * ? *)",
            target=ecs_target(cluster, nightly, Input=overrides(DB_PASSWORD=SECRET)),
            flexible_time_window={"Mode": "OFF"},
        )
        aws.local.schedules.put_rule("rollup", expression="rate(1 hour)")
        aws.local.schedules.put_targets("rollup", [{"Id": "1", **ecs_target(cluster, nightly)}])
        aws.answers |= {
            "cloudtrail:DescribeTrails": {
                "trailList": [
                    {
                        "Name": "main",
                        "TrailARN": TRAIL,
                        "HomeRegion": REGION,
                        "IsMultiRegionTrail": True,
                        "IsOrganizationTrail": False,
                        "CloudWatchLogsLogGroupArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*",
                    }
                ]
            },
            "cloudtrail:GetTrailStatus": {"IsLogging": True},
            "cloudtrail:GetEventSelectors": {
                "TrailARN": TRAIL,
                "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}],
            },
            "ecs:DescribeTaskDefinition": {
                "taskDefinition": {
                    "family": "nightly",
                    "taskDefinitionArn": nightly,
                    "status": "ACTIVE",
                    "taskRoleArn": f"{ROLE}/task",
                    "executionRoleArn": f"{ROLE}/execution",
                }
            },
            "cloudformation:DescribeStacks": NO_STACK,
            "lambda:GetAccountSettings": {
                "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 990}
            },
        }
        yield aws


def install(aws: Canned) -> None:
    """Have a whole installation in the account."""
    aws.answers |= {
        "logs:DescribeSubscriptionFilters": filters(RunTaskFailureFilter=INTAKE),
        "cloudformation:DescribeStacks": STACK,
        "cloudformation:ListStackResources": {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": "GaveUpAlarm",
                    "PhysicalResourceId": "retry-run-task-gave-up",
                    "ResourceType": "AWS::CloudWatch::Alarm",
                    "LastUpdatedTimestamp": "2026-11-23T00:00:00Z",
                    "ResourceStatus": "CREATE_COMPLETE",
                }
            ]
        },
        "lambda:GetFunctionConfiguration": {
            "FunctionName": "retry-run-task-recover",
            "DurableConfig": {"ExecutionTimeout": 604800, "RetentionPeriodInDays": 14},
        },
        "cloudwatch:DescribeAlarms": {
            "MetricAlarms": [
                {"AlarmName": "retry-run-task-gave-up", "AlarmActions": [TOPIC], "ActionsEnabled": True}
            ]
        },
        "sns:ListSubscriptionsByTopic": {
            "Subscriptions": [{"SubscriptionArn": f"{TOPIC}:1234", "Protocol": "email", "TopicArn": TOPIC}]
        },
    }


def doctor(aws: Canned, *arguments: str) -> tuple[int, str]:
    result: Result = CliRunner().invoke(
        retry_run_task, ["doctor", *arguments], env=aws.environment(), standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.output


def by_name(output: str) -> dict[str, list[dict[str, str]]]:
    """Return what is said of the first Region, by the name of the check."""
    found: dict[str, list[dict[str, str]]] = {}
    for check in json.loads(output)["regions"][0]["checks"]:
        found.setdefault(check["name"], []).append(check)
    return found


@functools.cache
def session() -> boto3.Session:
    """Return a session that has read the services' models, which is most of the time that a look takes."""
    return boto3.Session(aws_access_key_id="operator", aws_secret_access_key="operator")


@pytest.fixture
def look(aws: Canned, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Check]]:
    """What the command does before it prints."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.environment()["AWS_ENDPOINT_URL"])
    return lambda: list(examine(discover(session(), REGION)))


def named(name: str, checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.name == name]


# What it says.


def test_an_account_where_all_is_in_order_and_nothing_is_installed(aws: Canned) -> None:
    code, output = doctor(aws)
    assert output == (
        "ap-northeast-1\n"
        "  OK    credentials        Account 123456789012, as arn:aws:iam::123456789012:user/operator.\n"
        "  OK    trail              main (of all Regions, home ap-northeast-1) records RunTask calls.\n"
        "  OK    log group          main writes to aws-cloudtrail-logs.\n"
        "  OK    filter slot        2 of 2 on aws-cloudtrail-logs are free.\n"
        "  OK    schedules          ECS tasks are started by 1 rule and 1 schedule; cluster batch; "
        "task definition nightly.\n"
        "                             rule rollup: nightly:1 on batch\n"
        "                             scheduler export: nightly:1 on batch, sets app.DB_PASSWORD\n"
        "  OK    hidden values      CloudTrail redacts the environment variables of export; all can be read back.\n"
        "  OK    task definitions   Every one that is named is there and active (1).\n"
        f"  OK    roles              recover has to pass {ROLE}/execution, {ROLE}/task.\n"
        "  SKIP  durable functions  AWS has no call that only asks whether a Region has them.\n"
        "                           `deploy` fails in a Region without durable functions.\n"
        "  SKIP  stack              retry-run-task is not installed here.\n"
        "                           Install it with: retry-run-task deploy\n"
        "  SKIP  alarms             There is no installation that could have any.\n"
        "  OK    concurrency        990 of 1000 concurrent executions are not reserved.\n"
        "  OK    sizes              What deploy would install fits into AWS's limits.\n"
    )
    assert code == 0


def test_an_installation_where_all_is_in_order(aws: Canned) -> None:
    install(aws)
    code, output = doctor(aws, "--json")
    found = by_name(output)
    assert code == 0
    assert {check["status"] for said in found.values() for check in said} == {"OK"}
    assert found["filter slot"][0]["why"] == f"RunTaskFailureFilter is on {GROUP}."
    assert found["stack"][0]["why"] == f"retry-run-task is installed, version {__version__}."


def test_json_has_each_check_and_the_names_of_the_schedules(aws: Canned) -> None:
    _, output = doctor(aws, "--json")
    (region,) = json.loads(output)["regions"]
    assert region["region"] == REGION
    assert all(set(check) == {"name", "status", "why", "next"} for check in region["checks"])
    assert [(one["name"], one["variables"]) for one in region["schedules"]] == [
        ("rollup", []),
        ("export", ["app.DB_PASSWORD"]),
    ]


def test_several_regions_are_looked_at_one_after_the_other(aws: Canned) -> None:
    _, output = doctor(aws, "--json", "--region", REGION, "--region", "eu-west-1", "--region", REGION)
    first, second = json.loads(output)["regions"]
    assert (first["region"], second["region"]) == (REGION, "eu-west-1")


def test_another_stack_is_looked_for_by_its_name(aws: Canned) -> None:
    aws.answers["cloudformation:DescribeStacks"] = lambda call: AwsError(
        "ValidationError", f"Stack with id {call['StackName']} does not exist"
    )
    assert (
        by_name(doctor(aws, "--json", "--stack", "second")[1])["stack"][0]["why"]
        == "second is not installed here."
    )


# What is wrong with an account, one thing at a time.


def no_trail(aws: Canned) -> None:
    aws.answers["cloudtrail:DescribeTrails"] = {"trailList": []}


def both_slots_taken(aws: Canned) -> None:
    aws.answers["logs:DescribeSubscriptionFilters"] = filters(search=f"{INTAKE}-2", security=f"{INTAKE}-3")


def group_is_gone(aws: Canned) -> None:
    aws.answers["logs:DescribeLogGroups"] = {"logGroups": [{"logGroupName": f"{GROUP}-2"}]}


def cheap_log_class(aws: Canned) -> None:
    group = {"logGroupName": GROUP, "logGroupClass": "INFREQUENT_ACCESS"}
    aws.answers["logs:DescribeLogGroups"] = {"logGroups": [group]}


def switched_off(aws: Canned) -> None:
    aws.answers["cloudtrail:GetTrailStatus"] = {"IsLogging": False}


def no_such_definition(aws: Canned) -> None:
    aws.answers["ecs:DescribeTaskDefinition"] = AwsError(
        "ClientException", "Unable to describe task definition."
    )


def hidden_for_good(aws: Canned) -> None:
    cluster = aws.local.ecs.create_cluster("batch")
    transformer = {"InputPathsMap": {"x": "$.detail.x"}, "InputTemplate": overrides(X="<x>")}
    target = {"Id": "2", **ecs_target(cluster, "nightly", InputTransformer=transformer)}
    aws.local.schedules.put_targets("rollup", [target])


def rolled_back(aws: Canned) -> None:
    aws.answers["cloudformation:ListStackResources"] = {"StackResourceSummaries": []}
    aws.answers["cloudformation:DescribeStacks"] = {
        "Stacks": [
            {
                "StackName": "retry-run-task",
                "CreationTime": "2026-11-23T00:00:00Z",
                "StackStatus": "ROLLBACK_COMPLETE",
                "Description": DESCRIPTION,
            }
        ]
    }


def half_deleted(aws: Canned) -> None:
    install(aws)
    aws.answers["lambda:GetFunctionConfiguration"] = AwsError(
        "ResourceNotFoundException", "Function not found", 404
    )


def nobody_confirmed(aws: Canned) -> None:
    install(aws)
    pending = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "TopicArn": TOPIC}
    aws.answers["sns:ListSubscriptionsByTopic"] = {"Subscriptions": [pending]}


def alarm_is_gone(aws: Canned) -> None:
    install(aws)
    aws.answers["cloudwatch:DescribeAlarms"] = {"MetricAlarms": []}


def role_not_passed(aws: Canned) -> None:
    install(aws)
    aws.local.schedules.create_schedule(
        "audit",
        expression="rate(1 day)",
        target=ecs_target(
            aws.local.ecs.create_cluster("batch"),
            "nightly",
            Input=json.dumps({"taskRoleArn": f"{ROLE}/other"}),
        ),
        flexible_time_window={"Mode": "OFF"},
    )


@pytest.mark.parametrize(
    ("spoil", "name", "why"),
    [
        (no_trail, "trail", "There is no trail that records calls in ap-northeast-1"),
        (switched_off, "trail", "The trail main is switched off."),
        (both_slots_taken, "filter slot", "Both filters that aws-cloudtrail-logs may have are taken: search"),
        (group_is_gone, "log group", "aws-cloudtrail-logs, which is not there."),
        (cheap_log_class, "log group", "is of the class INFREQUENT_ACCESS"),
        (no_such_definition, "task definitions", "which rollup, export starts."),
        (hidden_for_good, "hidden values", "rollup (its environment uses $.detail.x of the event"),
        (rolled_back, "stack", "retry-run-task is not whole (ROLLBACK_COMPLETE)."),
        (half_deleted, "durable functions", "The stack's recover function is gone"),
        (nobody_confirmed, "alarms", "its subscription is not confirmed"),
        (alarm_is_gone, "alarms", "The stack's alarm retry-run-task-gave-up is gone."),
        (role_not_passed, "scope", "recover may not pass arn:aws:iam::123456789012:role/other"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_fail_with_what_to_do(
    aws: Canned, look: Any, spoil: Any, name: str, why: str
) -> None:
    """One thing is wrong, so one check says FAIL."""
    spoil(aws)
    wrong = [check for check in look() if check.status is Status.FAIL]
    assert [check.name for check in wrong] == [name]
    assert why in wrong[0].why
    assert wrong[0].next


# What cannot be read.

READS = {
    "cloudtrail:DescribeTrails": "trail",
    "cloudtrail:GetTrailStatus": "trail",
    "cloudtrail:GetEventSelectors": "trail",
    "logs:DescribeLogGroups": "log group",
    "logs:DescribeSubscriptionFilters": "filter slot",
    "events:ListEventBuses": "schedules",
    "events:ListRules": "schedules",
    "events:ListTargetsByRule": "schedules",
    "scheduler:ListSchedules": "schedules",
    "scheduler:GetSchedule": "schedules",
    "ecs:DescribeTaskDefinition": "task definitions",
    "cloudformation:DescribeStacks": "stack",
    "cloudformation:ListStackResources": "stack",
    "lambda:GetFunctionConfiguration": "durable functions",
    "cloudwatch:DescribeAlarms": "alarms",
    "sns:ListSubscriptionsByTopic": "alarms",
    "lambda:GetAccountSettings": "concurrency",
}
# What is asked only where there are too many names: what patterns would match beside them.
# Clusters are described only where a launch type EC2 is asked for.
ONLY_AT_TIMES = {
    "cloudformation:ListChangeSets",
    "ecs:DescribeClusters",
    "ecs:ListClusters",
    "ecs:ListTaskDefinitionFamilies",
    "iam:ListRoles",
}


@pytest.mark.parametrize("action", READS)
def test_a_missing_permission_is_a_skip_with_the_action_named(aws: Canned, look: Any, action: str) -> None:
    install(aws)
    aws.answers[action] = denied(action)
    found = look()
    said = [check.why for check in named(READS[action], found) if check.status is Status.SKIP]
    assert said == [f"You have no permission for {action}."]
    assert not [check for check in found if check.status is Status.FAIL]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"clusters": [{"defaultCapacityProviderStrategy": [{"capacityProvider": "spare"}]}]}, Status.FAIL),
        ({"clusters": [{"defaultCapacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}]}, Status.OK),
        ({"clusters": [], "failures": [{"reason": "MISSING"}]}, Status.OK),
        (denied("ecs:DescribeClusters"), Status.SKIP),
    ],
)
def test_a_launch_type_that_turns_the_capacity_provider_off_is_found(
    aws: Canned, look: Any, answer: Any, status: Status
) -> None:
    aws.answers["ecs:DescribeClusters"] = answer
    target = ecs_target(aws.local.ecs.create_cluster("batch"), "nightly")
    target["EcsParameters"]["LaunchType"] = "EC2"
    aws.local.schedules.put_rule("on-instances", expression="rate(1 hour)")
    aws.local.schedules.put_targets("on-instances", [{"Id": "1", **target}])
    (check,) = named("launch type", look())
    assert check.status is status


def test_without_any_permission_everything_is_a_skip(aws: Canned, look: Any) -> None:
    aws.answers = {action: denied(action) for action in READS}
    (credentials, *others) = look()
    assert credentials.status is Status.OK
    assert {check.status for check in others} == {Status.SKIP}


@pytest.mark.parametrize(
    "action", ["cloudtrail:DescribeTrails", "cloudformation:DescribeStacks", "lambda:GetAccountSettings"]
)
def test_an_error_is_a_skip_that_says_what_aws_said(aws: Canned, look: Any, action: str) -> None:
    aws.answers[action] = AwsError("ValidationError", "Not\ntoday.", 400)
    (said,) = named(READS[action], look())
    assert said.status is Status.SKIP
    assert said.why == f"{action} failed: ValidationError: Not today."


def test_throttled_calls_are_made_again(aws: Canned, look: Any) -> None:
    answer, refusals = aws.answers["lambda:GetAccountSettings"], 2

    def throttled(_call: Any) -> Any:
        nonlocal refusals
        refusals -= 1
        return AwsError("TooManyRequestsException", "Rate exceeded", 429) if refusals >= 0 else answer

    aws.answers["lambda:GetAccountSettings"] = throttled
    assert named("concurrency", look())[0].status is Status.OK


def test_every_page_is_read(aws: Canned) -> None:
    """The local AWS gives rules and schedules by the hundred; the 250 of each are three pages."""
    cluster = aws.local.ecs.create_cluster("batch")
    for number in range(250):
        aws.local.schedules.put_rule(f"rule-{number:03}", expression="rate(1 hour)")
        aws.local.schedules.put_targets(f"rule-{number:03}", [{"Id": "1", **ecs_target(cluster, "nightly")}])
        aws.local.schedules.create_schedule(
            f"schedule-{number:03}",
            expression="rate(1 hour)",
            target=ecs_target(cluster, "nightly"),
            flexible_time_window={"Mode": "OFF"},
        )
    _, output = doctor(aws, "--json")
    assert len(json.loads(output)["regions"][0]["schedules"]) == 502
    assert by_name(output)["schedules"][0]["why"].startswith(
        "ECS tasks are started by 251 rules and 251 schedules;"
    )


def test_rules_on_every_bus_and_schedules_of_every_group_are_read(aws: Canned) -> None:
    def buses(call: Any) -> Any:
        if "NextToken" not in call:
            return {"EventBuses": [{"Name": "default"}], "NextToken": "more"}
        return {"EventBuses": [{"Name": "orders"}]}

    rule = {"Name": "ship", "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/orders/ship", "State": "DISABLED"}
    target = {"Id": "1", **ecs_target(f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch", "nightly")}
    aws.answers["events:ListEventBuses"] = buses
    aws.answers["events:ListRules"] = lambda call: {
        "Rules": [rule] if call["EventBusName"] == "orders" else []
    }
    aws.answers["events:ListTargetsByRule"] = {"Targets": [target]}
    aws.local.schedules.create_group("weekly")
    aws.local.schedules.create_schedule(
        "weekly-export",
        group="weekly",
        expression="rate(7 days)",
        target=ecs_target(f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch", "nightly"),
        flexible_time_window={"Mode": "OFF"},
    )
    _, output = doctor(aws, "--json")
    found = json.loads(output)["regions"][0]["schedules"]
    assert [(one["name"], one["in"], one["enabled"]) for one in found] == [
        ("ship", "orders", False),
        ("export", "default", True),
        ("weekly-export", "weekly", True),
    ]


# What it never shows.

SHAPES = [
    overrides(DB_PASSWORD=SECRET),
    f'{{"containerOverrides": [{{"name": "app", "command": ["--password", "{SECRET}"]}}]}}',
    f'{{"containerOverrides": [{{"environment": {{"PASSWORD": "{SECRET}"}}}}]}}',
    f'{{"containerOverrides": [{{"environment": [{{"name": {{"value": "{SECRET}"}}, "value": "x"}}]}}]}}',
    f'{{"containerOverrides": "{SECRET}"}}',
    f'["{SECRET}"]',
    f"{SECRET}, not JSON",
    f'{{"{SECRET}": 1, "{SECRET}": 2}}',
]


@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=["text", "json"])
def test_no_value_of_an_input_is_ever_shown(aws: Canned, arguments: tuple[str, ...]) -> None:
    """Each shape is once a rule's input, and once a schedule's; half of them no AWS would take."""
    cluster = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch"
    targets = [ecs_target(cluster, "nightly", Input=text) for text in SHAPES]
    arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default"
    summaries = [{"Name": str(n), "Target": {"Arn": cluster}} for n in range(len(SHAPES))]
    aws.answers |= {
        "events:ListTargetsByRule": {"Targets": [{"Id": str(n), **t} for n, t in enumerate(targets)]},
        "scheduler:ListSchedules": {"Schedules": summaries},
        "scheduler:GetSchedule": lambda call: {
            "Name": call["Name"],
            "Arn": f"{arn}/{call['Name']}",
            "ScheduleExpression": "rate(1 hour)",
            "Target": targets[int(call["Name"])],
        },
    }
    _, output = doctor(aws, *arguments)
    assert output.count("app.DB_PASSWORD") == 2
    assert SECRET not in output


def test_control_characters_of_a_name_do_not_reach_the_terminal(aws: Canned) -> None:
    aws.answers["cloudtrail:DescribeTrails"] = AwsError("Odd", "\x1b[2Jcleared")
    _, output = doctor(aws)
    assert "\x1b" not in output


# How it ends when nothing can be looked at.


def run(arguments: list[str], environment: dict[str, str | None]) -> Ended:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    quiet = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    merged = {n: v for n, v in {**plain, **quiet, **environment}.items() if v is not None}
    return run_here("doctor", *arguments, env=merged)


EXPIRED = AwsError("ExpiredToken", "The security token included in the request is expired")
UNKNOWN = AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "changes", "answer", "said"),
    [
        (
            [],
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            None,
            "There are no AWS credentials. Log in",
        ),
        ([], {"AWS_SECRET_ACCESS_KEY": None}, None, "Your AWS credentials are not whole: "),
        ([], {}, EXPIRED, "Your AWS credentials have expired. Get new ones"),
        ([], {}, UNKNOWN, "AWS does not know your credentials in ap-northeast-1 (InvalidClientTokenId)."),
        (
            [],
            {},
            AwsError("SignatureDoesNotMatch", "no"),
            "AWS does not accept the signature of your credentials",
        ),
        (
            [],
            {},
            denied("sts:GetCallerIdentity"),
            "AWS refuses to say who you are in ap-northeast-1: AccessDenied",
        ),
        ([], {"AWS_REGION": None, "AWS_DEFAULT_REGION": None}, None, "No Region is set. Give --region"),
        (
            ["--region", "eu-west-99"],
            {"AWS_ENDPOINT_URL": NOBODY},
            None,
            "There may be no Region 'eu-west-99'",
        ),
        (["--region", "Tokyo, Japan"], {}, None, "'Tokyo, Japan' is not the name of a Region."),
        ([], {"AWS_ENDPOINT_URL": NOBODY}, None, "Check the network, the proxy and AWS_ENDPOINT_URL."),
        (
            [],
            {"AWS_ENDPOINT_URL": "nowhere"},
            None,
            "AWS cannot be asked in ap-northeast-1: Invalid endpoint",
        ),
        (["--profile", "nightly"], {}, None, "There is no profile 'nightly' in your AWS configuration."),
        ([], {"AWS_PROFILE": "nightly"}, None, "There is no profile 'nightly' in your AWS configuration."),
    ],
)
def test_without_a_way_in_it_says_one_sentence_and_ends_with_2(
    aws: Canned, arguments: list[str], changes: dict[str, str | None], answer: AwsError | None, said: str
) -> None:
    if answer is not None:
        aws.answers["sts:GetCallerIdentity"] = answer
    ended = run(arguments, {**aws.environment(), **changes})
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_a_configuration_that_cannot_be_read_is_one_sentence(aws: Canned, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile nightly\nregion = ")
    ended = run([], {**aws.environment(), "AWS_CONFIG_FILE": str(config)})
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "Your AWS configuration cannot be read" in ended.stderr


def test_a_profile_of_aws_login_is_understood(aws: Canned, tmp_path: Path) -> None:
    """Botocore needs awscrt for it, which comes with this package."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile nightly]\nlogin_session = arn:aws:iam::{ACCOUNT}:user/nightly\nregion = {REGION}\n"
    )
    nobody = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "HOME": str(tmp_path)}
    environment = {**aws.environment(), **nobody, "AWS_CONFIG_FILE": str(config)}
    ended = run(["--profile", "nightly"], environment)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "Your AWS login has expired, or there was none." in ended.stderr
    assert "Get new ones, for example with: aws login --profile nightly." in ended.stderr


def test_a_token_file_that_is_missing_is_one_sentence(aws: Canned, tmp_path: Path) -> None:
    missing = str(tmp_path / "token")
    nobody = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    identity = {"AWS_WEB_IDENTITY_TOKEN_FILE": missing, "AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/ci"}
    ended = run([], {**aws.environment(), **nobody, **identity})
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert f"names the file {missing!r}, which cannot be read: No such file" in ended.stderr


@pytest.mark.parametrize(("spoil", "code"), [(lambda _: None, 0), (no_trail, 3)])
def test_the_process_ends_with_what_the_checks_found(aws: Canned, spoil: Any, code: int) -> None:
    spoil(aws)
    ended = run([], aws.environment())
    assert (ended.returncode, ended.stderr) == (code, "")
    assert "\x1b" not in ended.stdout, "colour is for terminals"


# What it asks.


OTHERS = ("tags.py", "installed_policy.py")


def actions_in_the_code() -> set[str]:
    """Return the texts of the package that look like IAM actions: every call is named by one.

    Tags are read by `policy try`, whose page has its own list, and the installed policy by deploy and replay.
    """
    texts: set[str] = set()
    folders = [Path(one.__path__[0]) for one in (shared, doctor_package)]
    for path in {path for folder in folders for path in folder.glob("*.py") if path.name not in OTHERS}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return {text for text in texts if re.fullmatch(r"[a-z]+:[A-Z][A-Za-z]+", text)}


def policy_in_the_docs() -> dict[str, Any]:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    return json.loads(text)


def test_what_the_page_asks_for_is_what_is_called(aws: Canned) -> None:
    """Who you are needs no permission; everything else that a whole look calls stands in the policy, and no more."""
    install(aws)
    doctor(aws)
    (statement,) = policy_in_the_docs()["Statement"]
    called = set(aws.calls) - {"sts:GetCallerIdentity"}
    assert sorted(statement["Action"]) == sorted(called | ONLY_AT_TIMES)
    # On the one role that is named, if one is: the page says so in words.
    assert (
        set(statement["Action"]) == set(READS) | ONLY_AT_TIMES == actions_in_the_code() - {"sts:AssumeRole"}
    )


def test_nothing_that_is_asked_changes_anything(aws: Canned) -> None:
    install(aws)
    doctor(aws)
    assert {call.partition(":")[2][:4] for call in aws.calls} <= {
        "Desc",
        "List",
        "GetT",
        "GetE",
        "GetC",
        "GetS",
        "GetF",
        "GetA",
    }
