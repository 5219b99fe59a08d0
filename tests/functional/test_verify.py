"""``verify``, as a command, against the local AWS over HTTP, with both functions really running."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from retry_run_task.commands.verify.trial import make_trial
from retry_run_task.launch import wire
from retry_run_task.local.account_region import AccountRegion
from retry_run_task.local.ecs.tasks import Lifecycle
from retry_run_task.local.install import LocalInstallation, install
from retry_run_task.local.logs.filter_pattern import matches
from retry_run_task.local.roles import AssumableRole
from retry_run_task.local.server import AwsError
from retry_run_task.policy.scope import Scope, ScopeDecision
from retry_run_task.sources.cloudtrail import FILTER_PATTERN
from support.canned import Canned
from support.commands import Ended, run_here
from support.site import REGION, Site

COMMAND = ("verify", "--poll-s", "0.02")
STREAM = "retry-run-task-verify"
NIGHTLY = ("--task-definition", "nightly", "--cluster", "batch", "--subnet", "subnet-a")


def run(environment: dict[str, str], *arguments: str) -> Ended:
    return run_here(*COMMAND, *arguments, env=environment)


def verify(site: Site, *arguments: str) -> Ended:
    """Run it on the local AWS, whose log group has to be named: there is no CloudFormation that knows it."""
    return run(site.aws.environment(), "--yes", "--log-group", site.aws.trail.log_group, *arguments)


def verified(site: Site, *arguments: str, code: int) -> dict[str, Any]:
    """Run it, and return what was printed."""
    ended = verify(site, "--json", *arguments)
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout)


def records(site: Site) -> list[dict[str, Any]]:
    """Return what was written into the trail's log group."""
    logs, group = site.client("logs"), site.aws.trail.log_group
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=STREAM)["logStreams"]
    if not streams:
        return []
    found = logs.get_log_events(logGroupName=group, logStreamName=STREAM, startFromHead=True)["events"]
    return [json.loads(event["message"]) for event in found]


def test_it_follows_a_made_up_failure_until_its_task_runs(site: Site, installed: LocalInstallation) -> None:
    result = verified(site, *NIGHTLY, code=0)
    assert (result["verified"], result["stuck_at"], result["why"]) == (True, None, None)
    stages = result["stages"]
    assert [one["stage"] for one in stages] == ["matched", "intake", "recovery", "run-task", "running"]
    assert [one["elapsed_s"] for one in stages] == sorted(one["elapsed_s"] for one in stages)
    assert stages[0]["what"] == f"by RunTaskFailureFilter on {site.aws.trail.log_group}"
    (task,) = site.tasks()
    assert stages[-1]["what"] == task
    (call,) = site.recoveries()
    assert call.body["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-a"]
    (record,) = records(site)
    assert "userIdentity" not in record, "nobody is said to have made a call that nobody made"
    assert result["recovery"] == f"retry-run-task-{record['eventID']}"


def test_people_read_the_stages_with_their_times(site: Site, installed: LocalInstallation) -> None:
    ended = verify(site, *NIGHTLY)
    assert ended.returncode == 0, ended.stderr
    where, *lines = ended.stderr.splitlines()
    assert where == f"Stack retry-run-task in {REGION}, account {site.aws.account}"
    words = ["filter takes", "record is written", "intake ran", "in progress", "RunTask was", "task runs"]
    assert all(word in line for word, line in zip(words, lines, strict=True)), ended.stderr
    assert all(line[6:9] == " s " for line in lines)
    assert ended.stdout.startswith("It works: the task runs, ")


def scheduled(site: Site, **more: Any) -> None:
    """Make a rule that starts nightly every night, as a person would."""
    events = site.client("events")
    events.put_rule(Name="every-night", ScheduleExpression="rate(1 day)")
    network = {"Subnets": ["subnet-c"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "ENABLED"}
    target = {
        "Id": "1",
        "Arn": f"arn:aws:ecs:{REGION}:{site.aws.account}:cluster/batch",
        "RoleArn": f"arn:aws:iam::{site.aws.account}:role/events",
        "Input": '{"containerOverrides": [{"name": "app", "environment": [{"name": "KEY", "value": "c4nary"}]}]}',
        "EcsParameters": {
            "TaskDefinitionArn": f"arn:aws:ecs:{REGION}:{site.aws.account}:task-definition/nightly",
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": network},
        },
    }
    events.put_targets(Rule="every-night", Targets=[target])


def test_it_is_placed_as_its_schedule_places_it_and_gets_none_of_its_values(
    site: Site, installed: LocalInstallation
) -> None:
    scheduled(site)
    ended = verify(site, "--task-definition", "nightly")
    assert ended.returncode == 0, ended.stderr
    assert "as rule every-night starts it, without overrides" in ended.stderr
    (call,) = site.recoveries()
    network = {"subnets": ["subnet-c"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}
    assert call.body["networkConfiguration"] == {"awsvpcConfiguration": network}
    assert call.body["launchType"] == "FARGATE"
    assert call.body["cluster"].endswith("cluster/batch")
    assert "overrides" not in call.body
    assert "c4nary" not in json.dumps(records(site)) + ended.stdout + ended.stderr


def test_what_is_given_goes_before_what_the_schedule_has(site: Site, installed: LocalInstallation) -> None:
    scheduled(site)
    ended = verify(site, *NIGHTLY)
    assert ended.returncode == 0, ended.stderr
    assert "every-night" not in ended.stderr
    (call,) = site.recoveries()
    assert call.body["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-a"]


def test_a_task_that_nothing_schedules_is_tried_on_the_default_cluster(
    site: Site, installed: LocalInstallation
) -> None:
    ended = verify(site, "--task-definition", "nightly", "--timeout-s", "0")
    assert "No rule or schedule starts nightly, so it is tried on the cluster default" in ended.stderr
    (record,) = records(site)
    assert record["requestParameters"] == {"taskDefinition": "nightly", "cluster": "default", "count": 1}


def test_it_may_be_run_twice(site: Site, installed: LocalInstallation) -> None:
    first, second = verified(site, *NIGHTLY, code=0), verified(site, *NIGHTLY, code=0)
    assert first["recovery"] != second["recovery"]
    assert len(records(site)) == 2


# Where it gets stuck.


def test_without_a_filter_nothing_is_written(site: Site) -> None:
    install(site.aws, subscribe=False)
    result = verified(site, *NIGHTLY, code=3)
    assert (result["stuck_at"], result["stages"]) == ("matched", [])
    assert "no subscription filter on" in result["why"]
    assert records(site) == []


def test_a_filter_that_does_not_match_is_found_out_before_anything_is_written(site: Site) -> None:
    made = install(site.aws, subscribe=False)
    site.aws.logs.put_subscription_filter(
        site.aws.trail.log_group, "RunTaskFailureFilter", '{ $.eventName = "StopTask" }', made.intake
    )
    result = verified(site, *NIGHTLY, code=3)
    assert (result["stuck_at"], records(site)) == ("matched", [])
    assert "RunTaskFailureFilter does not match" in result["why"]


def test_what_intake_leaves_alone_it_says_why(site: Site) -> None:
    install(site.aws, settings={"RETRY_RUN_TASK_CLUSTERS": "other"})
    ended = verify(site, *NIGHTLY)
    assert ended.returncode == 3
    assert (
        "Not reached: intake ran; intake leaves it alone: cluster 'batch' matches none of other."
        in ended.stdout
    )


def test_an_intake_that_says_nothing(site: Site) -> None:
    """The time limit is over at once, so that what is not there at the first look is not waited for."""
    install(site.aws, settings={"RETRY_RUN_TASK_TYPO": "intake refuses to work like this"})
    result = verified(site, *NIGHTLY, "--timeout-s", "0", code=3)
    assert result["stuck_at"] == "intake"
    assert "after 0 s, intake has written nothing" in result["why"]


def test_a_function_that_is_not_there(site: Site) -> None:
    settings = {"STACK": "half", "RECOVER_FUNCTION": "half-recover:live"}
    site.aws.functions.create(
        "half-intake",
        "retry_run_task.handlers.intake",
        environment={f"RETRY_RUN_TASK_{name}": value for name, value in settings.items()},
    )
    site.aws.logs.put_subscription_filter(site.aws.trail.log_group, "Half", FILTER_PATTERN, "half-intake")
    result = verified(site, *NIGHTLY, "--stack", "half", code=3)
    assert (result["stuck_at"], result["why"]) == ("recovery", "there is no function half-recover")


def test_a_recovery_that_gives_up_says_why(site: Site, installed: LocalInstallation) -> None:
    result = verified(site, "--task-definition", "nightly", "--cluster", "nowhere", code=3)
    assert result["stuck_at"] == "running"
    assert [one["stage"] for one in result["stages"]] == ["matched", "intake", "recovery", "run-task"]
    assert result["stages"][-1]["what"] == "call 1: Cluster not found."
    assert result["why"].startswith("the recovery gave up: ")


def test_while_there_is_no_capacity_it_waits_to_its_limit(site: Site, installed: LocalInstallation) -> None:
    """Also beyond the first answer; and it tells the last."""
    site.capacity(0)
    # Where the machine is busy, a short limit passes before there is an answer.
    for limit in ("1.5", "6", "24", "50"):
        result = verified(site, *NIGHTLY, "--timeout-s", limit, code=3)
        if result["stuck_at"] == "running":
            break
    assert f"after {limit} s, no task is RUNNING" in result["why"]
    assert "Capacity is unavailable" in result["why"]


# What it is told.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--task-definition", "nix"), "no task definition 'nix'"),
        ((*NIGHTLY, "--log-group", "nix"), "no log group 'nix'"),
        ((*NIGHTLY, "--log-group", ""), "log group that retry-run-task gets its records from is not known"),
        ((), "Missing option '--task-definition'"),
        ((*NIGHTLY, "--profile", "nix"), "no profile 'nix'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(
    site: Site, installed: LocalInstallation, arguments: tuple[str, ...], words: str
) -> None:
    ended = verify(site, *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert records(site) == []


def test_where_nobody_can_be_asked_it_does_not_begin(site: Site, installed: LocalInstallation) -> None:
    """It starts a real task."""
    ended = run(site.aws.environment(), "--log-group", site.aws.trail.log_group, *NIGHTLY)
    assert (ended.returncode, "--yes" in ended.stderr) == (2, True)
    assert records(site) == []


@pytest.fixture
def aws() -> Iterator[Canned]:
    """An account whose CloudFormation says what a test wants."""
    with Canned() as one:
        one.local.ecs.create_cluster("batch")
        one.local.ecs.register_task_definition("nightly", revision=7)
        install(one.local)
        yield one


def stack(**parameters: str) -> dict[str, Any]:
    return {
        "Stacks": [
            {
                "StackName": "retry-run-task",
                "CreationTime": "2026-11-23T00:00:00Z",
                "StackStatus": "CREATE_COMPLETE",
                "Outputs": [{"OutputKey": "TrailLogGroup", "OutputValue": "cloudtrail"}],
                "Parameters": [
                    {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"TaskDefinitions": "report-*,daily"}, "nightly is not among report-*, daily (--task-definitions)"),
        ({"Clusters": "other"}, "batch is not among other (--clusters)"),
        ({"Callers": "rule,scheduler"}, "does not take hand-made records (--callers)"),
    ],
)
def test_what_the_installation_would_leave_alone_is_known_beforehand(
    aws: Canned, parameters: dict[str, str], words: str
) -> None:
    aws.answers["cloudformation:DescribeStacks"] = stack(**parameters)
    ended = run(aws.environment(), "--yes", *NIGHTLY)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "logs:PutLogEvents" not in aws.calls


@pytest.mark.parametrize(("regions", "is_told"), [("", True), (REGION, True), (f"{REGION},eu-west-1", False)])
def test_a_region_that_the_installation_leaves_alone_is_known_beforehand(
    aws: Canned, regions: str, is_told: bool
) -> None:
    aws.local.account_region(region="eu-west-1").ecs.register_task_definition("nightly", revision=1)
    aws.answers["cloudformation:DescribeStacks"] = stack(Regions=regions, Clusters="*")
    ended = run(aws.environment(), "--yes", *NIGHTLY, "--in-region", "eu-west-1")
    assert ("eu-west-1 is not among ap-northeast-1 (--regions)" in ended.stderr) is is_told


def test_a_stack_that_is_not_there(aws: Canned) -> None:
    aws.answers["cloudformation:DescribeStacks"] = AwsError(
        "ValidationError", "Stack with id nightly does not exist"
    )
    ended = run(aws.environment(), "--yes", "--stack", "nightly", *NIGHTLY)
    assert (ended.returncode, "There is no installation nightly" in ended.stderr) == (2, True)


def test_the_log_group_is_the_stacks(aws: Canned) -> None:
    there = stack(TaskDefinitions="night*", Clusters="*")
    there["Stacks"][0]["Outputs"] = [{"OutputKey": "TrailLogGroup", "OutputValue": "another"}]
    aws.answers["cloudformation:DescribeStacks"] = there
    aws.answers["logs:DescribeSubscriptionFilters"] = {"subscriptionFilters": []}
    ended = run(aws.environment(), "--yes", *NIGHTLY)
    assert (ended.returncode, "no subscription filter on another" in ended.stdout) == (3, True)


# The record.


def test_the_record_is_one_that_the_filter_and_intake_take() -> None:
    parameters = {"taskDefinition": "nightly", "cluster": "batch", "count": 1}
    trial = make_trial("retry-run-task", parameters, account="123456789012", region=REGION)
    assert matches(FILTER_PATTERN, trial.message)
    assert (
        Scope(account="123456789012", regions=(REGION,)).judge(trial.launch).decision is ScopeDecision.RECOVER
    )
    assert wire.about(trial.launch)["caller"] == "hand-made"
    assert trial.launch.request.parameters == parameters


# In another account and Region.

FAR, MEMBER, LOOK = "eu-west-1", "210987654321", "OrganizationAccountAccessRole"


@pytest.fixture
def elsewhere(site: Site) -> AccountRegion:
    """A member account that lets recover in, and a person to look; nightly can run there in another Region."""
    person = site.client("sts").get_caller_identity()["Arn"]
    recover = f"arn:aws:iam::{site.aws.account}:role/retry-run-task-role"
    for name, trusts, external_id in (
        ("retry-run-task-member", recover, "ab"),
        ("retry-run-task-member-audit", person, "ab"),
        (LOOK, person, ""),
    ):
        arn = f"arn:aws:iam::{MEMBER}:role/{name}"
        site.aws.roles.create(AssumableRole(arn=arn, trusts=trusts, external_id=external_id))
    place = site.aws.account_region(account=MEMBER, region=FAR)
    place.ecs.lifecycle = Lifecycle(run_for=None)
    place.ecs.create_cluster("theirs")
    place.ecs.add_subnet("subnet-x", f"{FAR}a")
    place.ecs.register_task_definition("nightly", revision=1)
    return place


THERE = ("--task-definition", "nightly", "--cluster", "theirs", "--subnet", "subnet-x", "--in-region", FAR)


@pytest.mark.parametrize("role", [(), ("--look-with", LOOK)], ids=["its own", "another"])
def test_it_starts_its_task_in_another_account_and_region(
    site: Site, elsewhere: AccountRegion, role: tuple[str, ...]
) -> None:
    given = {"ACCOUNTS": MEMBER, "EXTERNAL_ID": "ab", "REGIONS": f"{REGION},{FAR}"}
    install(site.aws, settings={f"RETRY_RUN_TASK_{name}": value for name, value in given.items()})
    result = verified(site, *THERE, "--in-account", MEMBER, *role, code=0)
    (task,) = elsewhere.ecs.list_tasks({"cluster": "theirs"})["taskArns"]
    assert (result["verified"], result["stages"][-1]["what"]) == (True, task)
    assert task.startswith(f"arn:aws:ecs:{FAR}:{MEMBER}:task/theirs/")
    assert site.tasks() == []
    # recover alone assumes the role that may start tasks.
    assumed = {(one.role_arn.rpartition("/")[2], one.name) for one in site.aws.roles.sessions}
    assert ("retry-run-task-member", "retry-run-task") in assumed
    assert assumed - {("retry-run-task-member", "retry-run-task")} != set()
    (record,) = records(site)
    assert record["requestParameters"]["cluster"] == f"arn:aws:ecs:{FAR}:{MEMBER}:cluster/theirs"


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ((), f"arn:aws:iam::{MEMBER}:role/retry-run-task-member-audit cannot be assumed"),
        (("--look-with", "nobody"), f"arn:aws:iam::{MEMBER}:role/nobody cannot be assumed"),
    ],
)
def test_without_a_way_into_the_account_nothing_is_written(
    site: Site, elsewhere: AccountRegion, installed: LocalInstallation, role: tuple[str, ...], said: str
) -> None:
    ended = verify(site, *THERE, "--in-account", MEMBER, *role)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert records(site) == []
