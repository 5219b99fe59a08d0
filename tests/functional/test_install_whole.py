"""An installation from beginning to end: deploy, doctor, verify, doctor, destroy.

MiniStack is CloudFormation, S3, IAM, EventBridge and the rest, and makes the stack from the real template. It cannot
run durable functions, so the functions run in the local AWS: with the zip that deploy put into the bucket, unpacked
beside nothing but what the runtime brings, the environment that CloudFormation gave them, and the filter that it put on
the log group. The commands speak to one endpoint, which sends each call to the one or the other.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from functional.test_deploy import ECS, GROUP, ROLE, define, deployed, destroy, run, trails
from infra.test_bundle import RUNTIMES_OWN
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.lambda_.functions import DurableConfig
from support.ministack import ACCOUNT, MiniStack, running
from support.proxy import Proxy
from support.site import Site

# What MiniStack has no idea of: durable functions, patterns of filters, and tasks that come to run.
LOCAL = ("ecs", "lambda", "logs")
VERIFY = (
    "verify",
    "--yes",
    "--json",
    "--poll-s",
    "0.02",
    "--task-definition",
    "nightly",
    "--cluster",
    "batch",
)


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with running(tmp_path_factory.mktemp("ministack")) as one:
        yield one


@pytest.fixture
def account(ministack: MiniStack) -> Iterator[tuple[MiniStack, Proxy]]:
    """An account with a trail, its log group and a rule that starts a task every night."""
    ministack.reset()
    ministack.client("logs").create_log_group(logGroupName=GROUP)
    trails(ministack)
    ministack.client("ecs").create_cluster(clusterName="batch")
    define(ministack, "nightly", taskRoleArn=f"{ROLE}/task")
    ministack.client("events").put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    target = {"Id": "1", "Arn": f"{ECS}:cluster/batch", "RoleArn": f"{ROLE}/events"}
    definition = {"EcsParameters": {"TaskDefinitionArn": f"{ECS}:task-definition/nightly"}}
    ministack.client("events").put_targets(Rule="nightly", Targets=[target | definition])
    with Proxy(ministack.endpoint) as proxy:
        yield ministack, proxy


def move_in(aws: LocalAws, ministack: MiniStack, result: dict[str, Any], folder: Path) -> None:
    """Make in the local AWS what CloudFormation made in MiniStack, as it made it."""
    body = (
        ministack.client("s3").get_object(Bucket=result["bucket"]["name"], Key=result["code"])["Body"].read()
    )
    task, runtime = folder / "task", folder / "runtime"
    zipfile.ZipFile(io.BytesIO(body)).extractall(task)
    runtime.mkdir()
    for name in RUNTIMES_OWN:
        (runtime / name).symlink_to(Path(boto3.__file__).parents[1] / name)
    aws.topics.create("retry-run-task-notifications")
    for name in ("recover", "intake"):
        made = ministack.client("lambda").get_function_configuration(FunctionName=f"retry-run-task-{name}")
        aws.functions.create(
            made["FunctionName"],
            made["Handler"],
            environment=made["Environment"]["Variables"],
            timeout_s=made["Timeout"],
            role_arn=made["Role"],
            durable=DurableConfig() if name == "recover" else None,
            python_path=[task, runtime],
        )
    logs = ministack.client("logs")
    (filter_,) = logs.describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"]
    function = filter_["destinationArn"].rpartition(":")[2]
    aws.logs.put_subscription_filter(GROUP, filter_["filterName"], filter_["filterPattern"], function)


def test_what_deploy_made_starts_the_task_of_a_verification_and_destroy_takes_it_away(
    account: tuple[MiniStack, Proxy], tmp_path: Path
) -> None:
    ministack, proxy = account
    result = deployed(ministack, "--trail-log-group-name", GROUP, through=proxy)
    assert result["status"] == "created"
    with LocalAws(speed=600, account=ACCOUNT, trail_delay=(2, 1)) as aws:
        aws.logs.create_group(GROUP)
        site = Site(aws)
        move_in(aws, ministack, result, tmp_path)
        local = aws.environment()["AWS_ENDPOINT_URL"]

        proxy.routes = dict.fromkeys(LOCAL, local)
        # The zones are full, so the deployed code has to wait, and verify does not.
        site.capacity(0)
        ended = run(ministack, *VERIFY, "--subnet", "subnet-a", "--timeout-s", "0", through=proxy)
        assert ended.returncode == 3, ended.stderr
        site.wait_for(lambda: site.events("recovery.waiting"))
        assert site.tasks() == []
        site.capacity(None)
        ended = run(ministack, *VERIFY, "--subnet", "subnet-a", through=proxy)
        assert ended.returncode == 0, ended.stderr
        reached = [one["stage"] for one in json.loads(ended.stdout)["stages"]]
        assert reached == ["matched", "intake", "recovery", "run-task", "running"]
        site.wait_for(lambda: len(site.events("recovery.recovered")) == 2)
        # An execution ends a little after its last line.
        for execution in aws.durable.executions():
            aws.durable.wait(execution.durable_execution_arn, 120)
        assert len(site.tasks()) == 2
        assert {function for function, _ in site.log} == {"retry-run-task-intake", "retry-run-task-recover"}

        proxy.routes = {}
        looked = run(ministack, "doctor", "--json", through=proxy)
        checks = {one["name"]: one for one in json.loads(looked.stdout)["regions"][0]["checks"]}
        assert {
            checks[name]["status"] for name in ("credentials", "trail", "schedules", "stack", "scope")
        } == {"OK"}
        assert result["outputs"]["Version"] in checks["stack"]["why"]

        # Its recoveries have ended, which Lambda is asked for; the rest is MiniStack's.
        proxy.routes = {"lambda": local}
        ended = destroy(ministack, through=proxy)
        assert ended.returncode == 0, ended.stderr
        assert "waiting for" not in ended.stderr
    assert ministack.client("cloudformation").describe_stacks()["Stacks"] == []
    looked = run(ministack, "doctor", "--json", through=proxy)
    checks = {one["name"]: one for one in json.loads(looked.stdout)["regions"][0]["checks"]}
    assert checks["stack"]["status"] == "SKIP"
