"""``deploy`` and ``destroy``, as commands, with the real template, against MiniStack's CloudFormation over HTTP."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from retry_run_task.commands.deploy import template
from retry_run_task.commands.deploy.package import with_policy
from support.commands import Ended, run_here
from support.ministack import ACCOUNT, REGION, MiniStack, running
from support.proxy import Proxy

COMMAND = [sys.executable, "-m", "retry_run_task"]
STACK = "retry-run-task"
GROUP = "aws-cloudtrail-logs"
BUCKET = f"retry-run-task-artifacts-{ACCOUNT}-{REGION}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
GIVEN = ("--trail-log-group-name", GROUP)
FAST = ("--poll-s", "0.02")


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with running(tmp_path_factory.mktemp("ministack")) as one:
        yield one


@pytest.fixture
def aws(ministack: MiniStack) -> MiniStack:
    """An account with a trail, its log group, and a rule that starts a task every night."""
    ministack.reset()
    logs, events = ministack.client("logs"), ministack.client("events")
    logs.create_log_group(logGroupName=GROUP)
    trails(ministack)
    ministack.client("ecs").create_cluster(clusterName="batch")
    define(ministack, "nightly", taskRoleArn=f"{ROLE}/task")
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    events.put_targets(
        Rule="nightly",
        Targets=[
            {
                "Id": "1",
                "Arn": f"{ECS}:cluster/batch",
                "RoleArn": f"{ROLE}/events",
                "EcsParameters": {"TaskDefinitionArn": f"{ECS}:task-definition/nightly"},
            }
        ],
    )
    return ministack


@pytest.fixture
def proxy(aws: MiniStack) -> Iterator[Proxy]:
    with Proxy(aws.endpoint) as one:
        yield one


def trails(aws: MiniStack) -> None:
    aws.client("s3").create_bucket(
        Bucket="trail-files", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    trail = aws.client("cloudtrail")
    trail.create_trail(Name="main", S3BucketName="trail-files")
    trail.start_logging(Name="main")


def define(aws: MiniStack, family: str, **more: Any) -> None:
    container = {"name": "app", "image": "app"}
    aws.client("ecs").register_task_definition(family=family, containerDefinitions=[container], **more)


def run(
    aws: MiniStack,
    *arguments: str,
    through: Proxy | None = None,
    cwd: Path | None = None,
    as_process: bool = False,
    **environment: str,
) -> Ended:
    """Run the command where nobody can be asked; as a process of its own, or in this one, which is faster."""
    env = aws.environment(endpoint=through.endpoint if through else None) | environment
    if as_process:
        return subprocess.run(
            [*COMMAND, *arguments],
            env=env,
            cwd=cwd or "/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    return run_here(*arguments, env=env, cwd=cwd or "/")


def deploy(aws: MiniStack, *arguments: str, **more: Any) -> Ended:
    return run(aws, "deploy", "--yes", *FAST, *arguments, **more)


def deployed(aws: MiniStack, *arguments: str, **more: Any) -> dict[str, Any]:
    """Deploy, and return what was printed."""
    ended = deploy(aws, "--json", *arguments, **more)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def destroy(aws: MiniStack, *arguments: str, **more: Any) -> Ended:
    return run(aws, "destroy", "--yes", *FAST, *arguments, **more)


def refused(ended: Ended, code: int, *words: str) -> str:
    """Check that a command ended with one sentence; returns it."""
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    last = ended.stderr.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("Error: "), ended.stderr
    for word in words:
        assert word in last, last
    return last


def stack(aws: MiniStack, name: str = STACK) -> dict[str, Any] | None:
    found = aws.client("cloudformation").describe_stacks()["Stacks"]
    return next((one for one in found if one["StackName"] == name), None)


def everything(aws: MiniStack) -> dict[str, Any]:
    """Return what there is in the account, as far as a deployment could touch it."""
    logs, stacks = aws.client("logs"), aws.client("cloudformation").describe_stacks()["Stacks"]
    return {
        "stacks": [(s["StackName"], s["StackStatus"]) for s in stacks],
        "buckets": sorted(b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]),
        "functions": sorted(f["FunctionName"] for f in aws.client("lambda").list_functions()["Functions"]),
        "layers": aws.client("lambda").list_layers()["Layers"],
        "roles": sorted(r["RoleName"] for r in aws.client("iam").list_roles()["Roles"]),
        "policies": sorted(p["PolicyName"] for p in aws.client("iam").list_policies(Scope="Local")["Policies"]),
        "log groups": sorted(g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]),
        "streams": [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]],
        "filters": logs.describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"],
        "rules": sorted(r["Name"] for r in aws.client("events").list_rules()["Rules"]),
        "queues": aws.client("sqs").list_queues().get("QueueUrls", []),
        "topics": aws.client("sns").list_topics()["Topics"],
        "alarms": aws.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": aws.client("cloudwatch").list_dashboards()["DashboardEntries"],
    }  # fmt: skip


# Making it.


def test_it_makes_the_stack_of_what_it_finds(aws: MiniStack) -> None:
    result = deployed(aws, *GIVEN)
    assert (result["status"], result["stack"], result["account"]) == ("created", STACK, ACCOUNT)
    chosen = {one["name"]: (one["value"], one["source"]) for one in result["parameters"]}
    assert chosen["TaskDefinitions"] == ("nightly", "found")
    assert chosen["Clusters"] == ("batch", "found")
    assert chosen["PassRoleArns"] == (f"{ROLE}/task", "found")
    assert chosen["TrailLogGroupName"] == (GROUP, "flag")
    assert chosen["LogRetentionDays"] == ("30", "default")
    made = stack(aws)
    assert made is not None
    assert made["StackStatus"] == "CREATE_COMPLETE"
    assert {p["ParameterKey"]: p["ParameterValue"] for p in made["Parameters"]}[
        "TaskDefinitions"
    ] == "nightly"
    functions = {f["FunctionName"]: f for f in aws.client("lambda").list_functions()["Functions"]}
    assert set(functions) == {f"{STACK}-intake", f"{STACK}-recover", f"{STACK}-audit"}
    (found,) = aws.client("logs").describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"]
    # MiniStack does not know the stack's name in conditions, so it takes the name of a second stack's filter.
    assert found["filterName"].startswith("RunTaskFailureFilter")
    assert found["destinationArn"] == functions[f"{STACK}-intake"]["FunctionArn"]
    assert result["outputs"]["RecoverFunction"] == f"{STACK}-recover"


def test_the_code_is_the_zip_that_the_wheel_carries_under_its_digest(aws: MiniStack) -> None:
    result = deployed(aws)
    zipped = resources.files("retry_run_task.commands.deploy").joinpath("data", "lambda.zip").read_bytes()
    assert result["code"] == f"retry-run-task/{STACK}/lambda-{sha256(zipped).hexdigest()}.zip"
    s3 = aws.client("s3")
    assert s3.get_object(Bucket=BUCKET, Key=result["code"])["Body"].read() == zipped
    found = s3.get_object(Bucket=BUCKET, Key=result["template"])["Body"].read().decode()
    version = s3.head_object(Bucket=BUCKET, Key=result["code"])["VersionId"]
    place = f'S3Bucket: "{BUCKET}", S3Key: "{result["code"]}", S3ObjectVersion: "{version}"'
    assert found.count(place) == 4


def test_its_bucket_is_closed_encrypted_and_keeps_versions(aws: MiniStack) -> None:
    deployed(aws)
    s3 = aws.client("s3")
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (kept,) = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert kept["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=BUCKET)["Policy"]


def test_every_call_to_the_bucket_names_its_owner(aws: MiniStack, proxy: Proxy) -> None:
    """A bucket's name can be foretold; whoever took it first must not get, or give, the code."""
    proxy.refuse[f"HEAD /{BUCKET}"] = ("AccessDenied", "")
    refused(deploy(aws, through=proxy), 2, "belongs to another account", "--bucket")
    assert stack(aws) is None


def test_people_read_what_happens(aws: MiniStack) -> None:
    ended = deploy(aws, *GIVEN, as_process=True)
    assert ended.returncode == 0, ended.stderr
    for words in (
        "TaskDefinitions    nightly  (found)",
        "50 to add, 0 to change, 0 to remove; about $2.70 a month while nothing fails",
        "cluster  rules  schedules  task definitions",
        "batch        1          0  nightly",
        "What its 3 roles may do, 24 statements (--all shows each with its resources):",
        "start tasks; ",
        "give tasks a role",
        "+ AWS::SQS::Queue: IntakeDeadLetters, RecoverDeadLetters",
        "The stack retry-run-task is created.",
        "Try it: retry-run-task verify --task-definition nightly --region ap-northeast-1",
        "Note: no message reaches anyone until you subscribe to the topic",
    ):
        assert words in ended.stdout
    for words in (
        "start tasks: on arn:*:ecs:*:*:task-definition/nightly:*, in the Region ap-northeast-1; on the clusters",
        f"give tasks a role: on {ROLE}/task, for use by ecs-tasks.amazonaws.com",
    ):
        assert words in deploy(aws, "--dry-run", "--all").stdout
    assert "CREATE_COMPLETE  TrailFilter (AWS::Logs::SubscriptionFilter)" in ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr, "colour and bars are for terminals"


def test_again_there_is_no_change_and_nothing_is_left_of_asking(aws: MiniStack) -> None:
    deployed(aws, *GIVEN)
    before = everything(aws)
    ended = deploy(aws)
    assert ended.returncode == 0, ended.stderr
    assert "No change: the stack retry-run-task is as it should be." in ended.stdout
    assert deployed(aws)["status"] == "no-change"
    assert everything(aws) == before
    # Beside the one that was executed.
    left = aws.client("cloudformation").list_change_sets(StackName=STACK)["Summaries"]
    assert {one["ExecutionStatus"] for one in left} <= {"EXECUTE_COMPLETE"}


def test_an_update_keeps_what_is_installed_and_changes_what_is_given(aws: MiniStack) -> None:
    deployed(aws, *GIVEN, "--notification-email", "a@example.com")
    result = deployed(aws, "--messages", "chat,ja")
    assert result["status"] == "updated"
    chosen = {one["name"]: (one["value"], one["source"]) for one in result["parameters"]}
    assert chosen["NotificationEmail"] == ("a@example.com", "installed")
    assert chosen["Messages"] == ("chat,ja", "flag")
    assert "Recover" in {one["resource"] for one in result["changes"]}
    assert "CREATE" not in {one["action"] for one in result["changes"]}


def test_an_update_does_not_widen_by_itself_what_may_be_started(aws: MiniStack) -> None:
    deployed(aws)
    define(aws, "report", taskRoleArn=f"{ROLE}/report")
    aws.client("events").put_rule(Name="report", ScheduleExpression="rate(1 day)")
    target = {
        "Id": "1",
        "Arn": f"{ECS}:cluster/batch",
        "RoleArn": f"{ROLE}/events",
        "EcsParameters": {"TaskDefinitionArn": f"{ECS}:task-definition/report"},
    }
    aws.client("events").put_targets(Rule="report", Targets=[target])
    result = deployed(aws)
    assert result["status"] == "no-change"
    assert any("report" in note and "--add-found" in note for note in result["notes"])
    wider = deployed(aws, "--add-found")
    assert wider["status"] == "updated"
    values = {one["name"]: one["value"] for one in wider["parameters"]}
    assert values["TaskDefinitions"] == "nightly,report"
    assert values["PassRoleArns"] == f"{ROLE}/task,{ROLE}/report"
    assert deployed(aws, "--add-found")["status"] == "no-change"


# The policy.

MINE = """
[[rules]]
name = "nightly"
match = { schedule = "nightly" }
deadline = "1 h"
"""


def own(tmp_path: Path, mine: str = MINE) -> str:
    path = tmp_path / "mine.toml"
    usual = resources.files("retry_run_task").joinpath("policy.toml").read_text()
    head, _, rules = usual.partition("\n[[rules]]\n")
    path.write_text(f"{head}\n{mine}\n[[rules]]\n{rules}")
    return str(path)


def deployed_policy(aws: MiniStack, result: Mapping[str, Any]) -> str:
    body = aws.client("s3").get_object(Bucket=BUCKET, Key=result["code"])["Body"].read()
    return zipfile.ZipFile(io.BytesIO(body)).read("retry_run_task/policy.toml").decode()


def test_a_policy_of_ones_own_is_in_the_zip_and_stays_there_until_it_is_taken_back(
    aws: MiniStack, tmp_path: Path
) -> None:
    first = deployed(aws, "--policy", own(tmp_path))
    assert first["policy"] == {"name": str(tmp_path / "mine.toml"), "source": "flag"}
    assert 'deadline = "1 h"' in deployed_policy(aws, first)
    assert deployed(aws)["status"] == "no-change"
    kept = deployed(aws, "--log-retention-days", "7")
    assert (kept["policy"]["source"], kept["code"]) == ("installed", first["code"])
    back = deployed(aws, "--policy", "default")
    assert (back["status"], back["policy"]["source"]) == ("updated", "flag")
    assert 'deadline = "1 h"' not in deployed_policy(aws, back)
    assert deployed(aws)["policy"] == {"name": "built in", "source": "installed"}


def test_a_policy_that_stops_tasks_comes_with_the_permission(aws: MiniStack, tmp_path: Path) -> None:
    mine = own(tmp_path, MINE.replace('deadline = "1 h"', "stop-hanging = true"))

    def planned(*more: str) -> tuple[str, str, bool]:
        ended = run(aws, "deploy", "--dry-run", "--json", *GIVEN, "--policy", mine, *more)
        assert ended.returncode == 0, ended.stderr
        plan = json.loads(ended.stdout)
        (one,) = [it for it in plan["parameters"] if it["name"] == "StopHangingTasks"]
        return one["value"], one["source"], any("ecs:StopTask" in it["actions"] for it in plan["statements"])

    assert planned() == ("true", "policy", True)
    assert planned("--stop-hanging-tasks", "false") == ("false", "flag", False)
    assert (
        "StopHangingTasks   true  (policy)"
        in run(aws, "deploy", "--dry-run", *GIVEN, "--policy", mine).stdout
    )


def test_a_policy_may_stand_in_the_settings_file(aws: MiniStack, tmp_path: Path) -> None:
    own(tmp_path)
    (tmp_path / "retry-run-task.toml").write_text('policy = "mine.toml"\n')
    result = deployed(aws, cwd=tmp_path)
    assert (result["policy"]["source"], 'deadline = "1 h"' in deployed_policy(aws, result)) == ("file", True)


def test_a_bad_policy_fails_before_anything_is_looked_at(
    aws: MiniStack, proxy: Proxy, tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[[rules]]\nname = "a"\nwiat = "1 s"\n\n[[rules]]\nname = "a"\nattempts = -1\n')
    ended = deploy(aws, "--policy", str(path), through=proxy)
    assert ended.returncode == 2
    assert "wiat is not a key" in ended.stderr
    assert "attempts" in ended.stderr
    assert "Traceback" not in ended.stderr
    refused(deploy(aws, "--policy", "/nix.toml", through=proxy), 2, "'/nix.toml' cannot be read", "'default'")
    assert proxy.calls == []


def test_a_policy_that_is_gone_from_the_bucket_is_still_in_the_function(
    aws: MiniStack, tmp_path: Path
) -> None:
    first = deployed(aws, "--policy", own(tmp_path))
    aws.client("s3").delete_object(Bucket=BUCKET, Key=first["code"])
    again = deployed(aws, "--log-retention-days", "7")
    assert (again["policy"]["source"], again["code"]) == ("installed", first["code"])
    assert 'deadline = "1 h"' in deployed_policy(aws, again)


def test_a_policy_that_came_by_other_means_stays(aws: MiniStack, tmp_path: Path) -> None:
    """As `make bundle POLICY=` and `aws cloudformation package` or SAM bring it: under a name that says nothing."""
    own_zip = with_policy(template.carried("lambda.zip"), Path(own(tmp_path)).read_bytes())
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="theirs", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="theirs", Key="0123456789abcdef", Body=own_zip)
    text = template.with_code(template.carried("template.yaml").decode(), "theirs", "0123456789abcdef", "")
    s3.put_object(Bucket="theirs", Key="template.yaml", Body=text.encode())
    aws.client("cloudformation").create_stack(
        StackName=STACK,
        TemplateURL=f"{aws.endpoint}/theirs/template.yaml",
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": "TaskDefinitions", "ParameterValue": "nightly"}],
    )
    after = deployed(aws, "--log-retention-days", "7")
    assert after["policy"] == {"name": "that of the installed stack", "source": "installed"}
    assert 'deadline = "1 h"' in deployed_policy(aws, after)


def test_the_policy_that_recoveries_follow_stays_and_not_that_of_latest(
    aws: MiniStack, tmp_path: Path
) -> None:
    """Somebody uploads code and publishes no version of it: no recovery runs it."""
    deployed(aws)
    other = with_policy(template.carried("lambda.zip"), Path(own(tmp_path)).read_bytes())
    aws.client("lambda").update_function_code(FunctionName=f"{STACK}-recover", ZipFile=other)
    kept = deployed(aws, "--log-retention-days", "7")
    assert kept["policy"] == {"name": "built in", "source": "installed"}


def test_a_policy_that_cannot_be_read_has_to_be_given_again(
    aws: MiniStack, proxy: Proxy, tmp_path: Path
) -> None:
    deployed(aws, "--policy", own(tmp_path))
    proxy.refuse[f"GET {STACK}-recover:live"] = (
        "AccessDeniedException",
        "not authorized: lambda:GetFunction",
    )
    refused(deploy(aws, through=proxy), 2, "lambda:GetFunction", "--policy FILE", "--policy default")
    assert deployed(aws, "--policy", own(tmp_path), through=proxy)["status"] == "no-change"


# Showing only.


def test_a_dry_run_reads_and_does_nothing(aws: MiniStack, proxy: Proxy) -> None:
    before = everything(aws)
    ended = run(aws, "deploy", "--dry-run", "--json", *GIVEN, through=proxy)
    assert ended.returncode == 0, ended.stderr
    assert everything(aws) == before
    reads = ("Get", "List", "Describe", "GET ", "HEAD ")
    assert [call for call in proxy.calls if not call.startswith(reads)] == []
    shown = json.loads(ended.stdout)
    assert (shown["status"], shown["update"], shown["bucket"]["new"]) == ("planned", False, True)


def test_a_dry_run_shows_what_then_happens(aws: MiniStack) -> None:
    def planned(*arguments: str) -> dict[str, Any]:
        ended = run(aws, "deploy", "--dry-run", "--json", *arguments)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def touched(result: Mapping[str, Any]) -> set[tuple[str, str]]:
        return {(one["action"], one["resource"]) for one in result["changes"]}

    # Everything on: the emulator's change sets name resources, too, whose condition does not hold.
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    vpc = ("--subnet-ids", "subnet-01234567", "--security-group-ids", "sg-01234567")
    told = ("--notification-email", "a@b", "--trail-silent-hours", "26", "--data-key-arn", key)
    told += ("--audit-schedule", "cron(0 22 * * ? *)")
    all_on = (*GIVEN, *told, *vpc)
    plan, done = planned(*all_on), deployed(aws, *all_on)
    for part in ("stack", "region", "parameters", "statements", "bucket", "code"):
        assert plan[part] == done[part]
    # Which version the bucket gives the code is not known before it is there.
    assert (plan["template"], planned()["template"]) == (None, done["template"])
    assert touched(plan) == {(action, name) for action, name in touched(done) if not name[-1].isdigit()}
    plan, done = planned("--messages", "chat,ja"), deployed(aws, "--messages", "chat,ja")
    published = ("CodeNumber", "Recover", "RecoverVersion", "RecoverLive")
    assert touched(plan) == {("change", name) for name in (*published, "Audit")}
    # CloudFormation also lists what may change because what it refers to does.
    assert touched(plan) <= touched(done)
    assert planned()["changes"] == []


def test_a_no_at_the_question_leaves_nothing_behind(aws: MiniStack) -> None:
    before = everything(aws)
    assert asked(aws, "n\n") == 3
    assert everything(aws) == before
    assert asked(aws, "y\n") == 0
    assert stack(aws) is not None


def test_an_interruption_at_the_question_leaves_nothing_behind(aws: MiniStack) -> None:
    before = everything(aws)
    assert asked(aws, "\x03") == 130
    assert everything(aws) == before


def asked(aws: MiniStack, answer: str) -> int:
    """Run it at a terminal, answer its question, and return how it ended."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            [*COMMAND, "deploy", *FAST],
            env=aws.environment(),
            cwd="/",
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            start_new_session=True,
            # So that the terminal's Ctrl-C reaches it.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(theirs)
        said = b""
        while b"[y/N]" not in said:
            said += terminal.read(1000)
        terminal.write(answer.encode())
        # Until the other side is closed, which Linux reports as an error. A Ctrl-C between two system calls of
        # the command is lost on it; a person would press again, too.
        with contextlib.suppress(OSError):
            while True:
                if select.select([terminal], [], [], 2)[0]:
                    terminal.read(1000)
                elif process.poll() is None:
                    terminal.write(answer.encode())
        return process.wait(120)


def test_where_nobody_can_be_asked_it_does_not_begin(aws: MiniStack, proxy: Proxy) -> None:
    for command in ("deploy", "destroy"):
        refused(run(aws, command, through=proxy, as_process=True), 2, "no terminal", "--yes")
    assert proxy.calls == []


# What it is told.


def test_a_flag_goes_before_the_file_and_the_file_before_what_is_installed(
    aws: MiniStack, tmp_path: Path
) -> None:
    deployed(aws, "--log-retention-days", "7", "--callers", "rule", "--messages", "chat,ja")
    (tmp_path / "retry-run-task.toml").write_text(
        'region = "ap-northeast-1"\n[parameters]\nlog_retention_days = 14\ncallers = ["rule", "scheduler"]\n'
    )
    result = deployed(aws, "--log-retention-days", "30", cwd=tmp_path)
    chosen = {one["name"]: (one["value"], one["source"]) for one in result["parameters"]}
    assert chosen["LogRetentionDays"] == ("30", "flag")
    assert chosen["Callers"] == ("rule,scheduler", "file")
    assert chosen["Messages"] == ("chat,ja", "installed")


def test_a_file_may_name_the_stack_and_the_bucket(aws: MiniStack, tmp_path: Path) -> None:
    aws.client("s3").create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    settings = tmp_path / "other.toml"
    settings.write_text('stack = "other"\nbucket = "mine"\n')
    result = deployed(aws, "--settings", str(settings))
    assert (result["stack"], result["bucket"]) == ("other", {"name": "mine", "new": False})
    assert stack(aws, "other") is not None
    assert BUCKET not in everything(aws)["buckets"]


def test_every_problem_of_a_file_is_named(aws: MiniStack, tmp_path: Path) -> None:
    (tmp_path / "retry-run-task.toml").write_text(
        'stak = "x"\n[parameters]\ntask_definition = "nightly"\nlog_retention_days = 2\n'
    )
    refused(deploy(aws, cwd=tmp_path), 2, "stak", "task_definition is not", "log_retention_days is 2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--stack", "x" * 51), ("51 characters", "at most 50")),
        (("--stack", "9nightly"), ("'9nightly'", "a letter")),
        (("--task-definitions", "nix,nightly,nought"), ("'nix'", "'nought'")),
        (("--task-definitions", "nightly:7"), ("--task-definitions is 'nightly:7' (flag)", "no revision")),
        (("--log-retention-days", "2", "--callers", "batch"), ("--log-retention-days", "--callers")),
        (("--trail-log-group-name", "nix"), ("no log group 'nix'",)),
        (("--bucket", "nix"), ("no bucket 'nix'",)),
        (("--settings", "/nix.toml"), ("no file '/nix.toml'",)),
        (("--profile", "nix"), ("no profile 'nix'",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    aws: MiniStack, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    before = everything(aws)
    refused(deploy(aws, *arguments), 2, *words)
    assert everything(aws) == before


def test_a_log_group_with_two_filters_is_refused_before_a_change_set(aws: MiniStack, proxy: Proxy) -> None:
    logs, functions = aws.client("logs"), []
    for name in ("security", "archive"):
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        logs.put_subscription_filter(
            logGroupName=GROUP, filterName=name, filterPattern="", destinationArn=arn
        )
        functions.append(arn)
    refused(deploy(aws, *GIVEN, through=proxy), 2, "2 subscription filters", "security", "archive")
    assert "CreateChangeSet" not in proxy.calls


def test_no_trail_is_refused_since_nothing_would_ever_be_seen(aws: MiniStack) -> None:
    aws.client("cloudtrail").delete_trail(Name="main")
    refused(deploy(aws), 2, "no trail records RunTask", "retry-run-task doctor")


def test_no_schedule_is_refused_unless_the_families_are_named(aws: MiniStack) -> None:
    aws.client("events").remove_targets(Rule="nightly", Ids=["1"])
    refused(deploy(aws), 2, "--task-definitions")
    define(aws, "by-hand", executionRoleArn=f"{ROLE}/pulls")
    result = deployed(aws, "--task-definitions", "by-hand")
    chosen = {one["name"]: (one["value"], one["source"]) for one in result["parameters"]}
    assert chosen["PassRoleArns"] == (f"{ROLE}/pulls", "found")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, ("no AWS credentials",)),
        ({"AWS_REGION": ""}, ("No Region",)),
        ({"AWS_REGION": "not a region"}, ("not the name of a Region",)),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ("does not answer",)),
    ],
    ids=["credentials", "no Region", "wrong Region", "no answer"],
)
@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_without_a_way_in_it_is_one_sentence(
    aws: MiniStack, command: str, environment: dict[str, str], words: tuple[str, ...]
) -> None:
    refused(run(aws, command, "--yes", **environment), 2, *words)


def test_expired_credentials_are_one_sentence(aws: MiniStack, proxy: Proxy) -> None:
    proxy.refuse["GetCallerIdentity"] = ("ExpiredToken", "The security token included is expired")
    refused(deploy(aws, through=proxy), 2, "expired", "aws sso login")


# What goes wrong.


@pytest.mark.parametrize("call", ["CreateChangeSet", "ExecuteChangeSet", f"PUT /{BUCKET}"])
def test_a_missing_permission_is_named_and_running_again_goes_on(
    aws: MiniStack, proxy: Proxy, call: str
) -> None:
    proxy.refuse[call] = ("AccessDenied", "User: you is not authorized to perform: that")
    refused(deploy(aws, *GIVEN, through=proxy), 1, "You may not", "not authorized to perform: that")
    proxy.refuse.clear()
    assert deployed(aws, *GIVEN)["status"] == "created"
    made = stack(aws)
    assert made is not None
    assert made["StackStatus"] == "CREATE_COMPLETE"


def test_credentials_that_expire_meanwhile_are_one_sentence(aws: MiniStack, proxy: Proxy) -> None:
    proxy.refuse["DescribeChangeSet"] = ("ExpiredToken", "The security token included is expired")
    refused(deploy(aws, through=proxy, as_process=True), 1, "expired", "aws sso login", "again")
    assert deployed(aws)["status"] == "created"


def test_cloudformations_own_first_reason_is_told(aws: MiniStack) -> None:
    """And the stack that is left, which can only be removed, is removed by the next run."""
    aws.break_alarm(f"{STACK}-unparsed")
    ended = deploy(aws)
    said = refused(ended, 1, "ROLLBACK_COMPLETE", "run the same command again")
    assert "UnparsedAlarm (AWS::CloudWatch::Alarm) could not be created: this alarm was made to fail." in said
    assert "CREATE_FAILED  UnparsedAlarm" in ended.stderr
    shown = run(aws, "deploy", "--dry-run")
    assert (shown.returncode, "ROLLBACK_COMPLETE and is removed first" in shown.stdout) == (0, True)
    aws.mend()
    result = deployed(aws)
    assert (result["status"], result["removes_first"]) == ("created", "ROLLBACK_COMPLETE")


def test_an_update_that_fails_is_rolled_back_and_told(aws: MiniStack) -> None:
    deployed(aws)
    aws.break_alarm(f"{STACK}-filter-delivery")
    refused(deploy(aws, *GIVEN), 1, "FilterDeliveryAlarm", "made to fail", "UPDATE_ROLLBACK_COMPLETE")
    aws.mend()
    assert deployed(aws, *GIVEN)["status"] == "updated"


def test_an_empty_stack_that_an_interrupted_run_left_is_used(aws: MiniStack, proxy: Proxy) -> None:
    proxy.refuse["ExecuteChangeSet"] = ("InternalFailure", "try again")
    assert deploy(aws, through=proxy).returncode == 1
    left = stack(aws)
    assert left is not None
    assert left["StackStatus"] == "REVIEW_IN_PROGRESS"
    result = deployed(aws)
    assert result["status"] == "created"
    assert any("interrupted" in note for note in result["notes"])


def test_an_update_that_could_not_be_taken_back_is_for_a_person(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws)
    proxy.rewrite["DescribeStacks"] = lambda body: body.replace(b"CREATE_COMPLETE", b"UPDATE_ROLLBACK_FAILED")
    refused(
        deploy(aws, through=proxy),
        2,
        "continue-update-rollback --stack-name retry-run-task --region",
        "again",
    )


def test_a_half_deleted_stack_is_deleted_and_made_again(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws)

    def half_deleted(body: bytes) -> bytes:
        return body if "DeleteStack" in proxy.calls else body.replace(b"CREATE_COMPLETE", b"DELETE_FAILED")

    proxy.rewrite["DescribeStacks"] = half_deleted
    result = deployed(aws, through=proxy)
    assert (result["status"], result["removes_first"]) == ("created", "DELETE_FAILED")


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_interrupted_while_cloudformation_works_it_says_how_to_go_on(
    aws: MiniStack, proxy: Proxy, command: str
) -> None:
    if command == "destroy":
        deployed(aws)
    begins = {"deploy": "ExecuteChangeSet", "destroy": "DeleteStack"}[command]
    done = {"deploy": b">CREATE_COMPLETE<", "destroy": b">DELETE_COMPLETE<"}[command]

    def still_working(body: bytes) -> bytes:
        return body.replace(done, done.replace(b"COMPLETE", b"IN_PROGRESS"))

    proxy.rewrite["DescribeStacks"] = still_working
    process = subprocess.Popen(
        [*COMMAND, command, "--yes", *FAST],
        env=aws.environment(endpoint=proxy.endpoint),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    proxy.wait_for(
        lambda: begins in proxy.calls and "DescribeStackEvents" in proxy.calls[proxy.calls.index(begins) :]
    )
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "the same command again" in said
    if command == "deploy":
        assert "CloudFormation continues" in said
        assert "describe-stack-events --stack-name retry-run-task" in said
        assert deployed(aws)["status"] == "no-change"
    else:
        assert destroy(aws).returncode == 0
        assert BUCKET not in everything(aws)["buckets"]


def test_what_cloudformation_is_at_is_waited_for(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws)

    def for_a_while(body: bytes) -> bytes:
        over = proxy.calls.count("DescribeStackEvents") > 3
        return body if over else body.replace(b"CREATE_COMPLETE", b"CREATE_IN_PROGRESS")

    proxy.rewrite["DescribeStacks"] = for_a_while
    shown = run(aws, "deploy", "--dry-run", through=proxy)
    assert (shown.returncode, "CREATE_IN_PROGRESS" in shown.stderr) == (2, True)
    ended = deploy(aws, through=proxy)
    assert ended.returncode == 0, ended.stderr
    assert "waiting until that is over" in ended.stderr
    assert "No change" in ended.stdout


# Taking it away.


def test_it_takes_away_everything_that_it_made(aws: MiniStack) -> None:
    before = everything(aws)
    deployed(aws, *GIVEN)
    deployed(aws, "--messages", "chat,ja")
    aws.client("logs").create_log_stream(logGroupName=GROUP, logStreamName="retry-run-task-verify")
    ended = destroy(aws)
    assert ended.returncode == 0, ended.stderr
    assert "retry-run-task is removed from ap-northeast-1." in ended.stdout
    assert f"Kept the log group {GROUP}: it is the trail's." in ended.stdout
    assert everything(aws) == before


def test_where_there_is_nothing_it_says_so(aws: MiniStack) -> None:
    ended = destroy(aws, as_process=True)
    assert (ended.returncode, ended.stdout) == (0, "There is nothing of retry-run-task in ap-northeast-1.\n")
    assert json.loads(destroy(aws, "--json").stdout)["status"] == "nothing"


def test_another_stacks_code_is_nothing_of_a_stack_that_is_not_there(aws: MiniStack) -> None:
    deployed(aws)
    before = everything(aws)
    ended = destroy(aws, "--stack", "other")
    assert (ended.returncode, ended.stdout) == (0, "There is nothing of other in ap-northeast-1.\n")
    assert everything(aws) == before


def test_it_can_be_made_again_afterwards(aws: MiniStack) -> None:
    first = deployed(aws, *GIVEN)
    assert destroy(aws).returncode == 0
    again = deployed(aws, *GIVEN)
    assert (again["status"], again["changes"]) == ("created", first["changes"])


def test_a_bucket_of_ones_own_is_kept_and_what_is_ours_in_it_is_not(aws: MiniStack) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="mine", Key="retry-run-task/else", Body=b"")
    deployed(aws, "--bucket", "mine")
    ended = destroy(aws, "--json")
    assert json.loads(ended.stdout)["kept"] == ["the bucket mine: it is yours"]
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="mine")["Contents"]] == ["retry-run-task/else"]


def test_the_bucket_of_the_code_is_the_installed_ones_whatever_the_file_says_now(
    aws: MiniStack, tmp_path: Path
) -> None:
    deployed(aws)
    aws.client("s3").create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    (tmp_path / "retry-run-task.toml").write_text(
        'bucket = "mine"\n[parameters]\ntrail_log_group_name = "other"\n'
    )
    ended = destroy(aws, "--json", cwd=tmp_path)
    assert json.loads(ended.stdout)["kept"] == ["the log group other: it is the trail's"]
    assert BUCKET not in everything(aws)["buckets"]


def test_two_stacks_share_the_bucket_and_the_last_takes_it_away(aws: MiniStack) -> None:
    deployed(aws)
    deployed(aws, "--stack", "second")
    ended = destroy(aws)
    assert (ended.returncode, f"Kept the bucket {BUCKET}" in ended.stdout) == (0, True)
    assert stack(aws, "second") is not None
    assert destroy(aws, "--stack", "second").returncode == 0
    assert BUCKET not in everything(aws)["buckets"]


def test_what_an_interrupted_removal_left_is_removed_by_the_next(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws)
    proxy.refuse[f"POST /{BUCKET}?delete"] = ("AccessDenied", "User: you is not authorized to perform: that")
    refused(destroy(aws, through=proxy), 1, "You may not", BUCKET)
    assert stack(aws) is None
    ended = destroy(aws)
    assert (ended.returncode, "There is no stack retry-run-task" in ended.stderr) == (0, True)
    assert BUCKET not in everything(aws)["buckets"]


def test_what_cannot_be_deleted_is_told(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws)
    proxy.refuse["DeleteStack"] = (
        "ValidationError",
        "Stack [retry-run-task] cannot be deleted while TerminationProtection is enabled",
    )
    refused(destroy(aws, through=proxy), 1, "TerminationProtection is enabled")
    assert stack(aws) is not None


RECOVERY = {
    "DurableExecutionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-recover:1/durable-execution/one/1",
    "DurableExecutionName": "one",
    "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-recover:1",
    "Status": "RUNNING",
    "StartTimestamp": 1795478703.0,
}


def test_it_waits_for_recoveries_that_are_under_way(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws)
    listing = "GET durable-executions"

    def under_way() -> bytes | None:
        return (
            json.dumps({"DurableExecutions": [RECOVERY]}).encode() if proxy.calls.count(listing) < 4 else None
        )

    proxy.answer[listing] = under_way
    ended = destroy(aws, through=proxy)
    assert ended.returncode == 0, ended.stderr
    assert "waiting for 1 recovery in progress" in ended.stderr
    assert "POST stop" not in proxy.calls
    assert proxy.calls.index("DeleteStack") > max(i for i, call in enumerate(proxy.calls) if call == listing)


def test_now_stops_them(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws)
    proxy.answer["POST stop"] = lambda: b'{"StopTimestamp": 1795478703.0}'
    proxy.answer["GET durable-executions"] = lambda: (
        None if "POST stop" in proxy.calls else json.dumps({"DurableExecutions": [RECOVERY]}).encode()
    )
    ended = destroy(aws, "--now", through=proxy)
    assert ended.returncode == 0, ended.stderr
    assert "stopped the recovery one" in ended.stderr
    assert proxy.calls.count("POST stop") == 1
    assert stack(aws) is None
