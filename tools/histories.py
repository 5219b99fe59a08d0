"""Record what Lambda keeps of recoveries, from the local AWS: the histories that tests of `status` read.

.venv/bin/python tools/histories.py tests/unit/commands/histories [STORY ...]

A test plays the stories again and compares their forms, so that no history is of code that is no longer there.
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import rule_caller, scheduler_caller
from retry_run_task.local.ecs.tasks import Lifecycle
from retry_run_task.local.install import install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Ten minutes a second: six hours take half a minute.
SPEED = 600
SECRET = "c4nary-hunter2"  # noqa: S105 - a value that no output may show
STORIES: dict[str, Callable[[Site], str]] = {}


def story(play: Callable[[Site], str]) -> Callable[[Site], str]:
    """Make a function one of the stories; it returns the ARN of the execution to record."""
    STORIES[play.__name__.replace("_", "-")] = play
    return play


def _wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something has happened; code that no longer does it is an error and no endless wait."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"It has not happened within {seconds:g} s.")
        time.sleep(0.02)


class Site:
    """A local AWS with the product and one rule, `nightly-report`."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        install(aws)
        aws.ecs.lifecycle = Lifecycle(run_for=None)
        cluster = aws.ecs.create_cluster("batch")
        aws.ecs.add_subnet("subnet-a", f"{aws.region}a")
        definition = aws.ecs.register_task_definition("nightly", revision=7)
        self.role = f"arn:aws:iam::{aws.account}:role/ecsEventsRole"
        network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
        self.body = {
            "cluster": cluster,
            "taskDefinition": definition,
            "launchType": "FARGATE",
            "networkConfiguration": network,
        }
        ecs = {
            "TaskDefinitionArn": definition,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"]}},
        }
        aws.schedules.put_rule("nightly-report", expression="cron(0 3 * * ? *)")
        target = {"Id": "1", "Arn": cluster, "RoleArn": self.role, "EcsParameters": ecs}
        aws.schedules.put_targets("nightly-report", [target])
        settings = aws.environment()
        self.lambda_: Any = boto3.client(
            "lambda",
            endpoint_url=aws.endpoint,
            region_name=aws.region,
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="local",  # noqa: S106 - signatures are not checked
        )

    def capacity(self, slots: int | None) -> None:
        """Give or take capacity."""
        self.aws.ecs.capacity.set(f"{self.aws.region}a", "FARGATE", slots)

    def call(self, started_by: str = "events-rule/nightly-report", **changes: Any) -> str:
        """Have the rule call, and return the ARN of the recovery once it has made two attempts, or ended."""
        caller = (scheduler_caller if started_by.startswith("chronos") else rule_caller)(self.role)
        self.aws.ecs.run_task(
            {**self.body, "startedBy": started_by, "clientToken": str(uuid.uuid4()), **changes}, caller
        )
        return self.recovery()

    def put(self, record: dict[str, Any]) -> str:
        """Put a record into the log group by hand."""
        self.aws.logs.put(self.aws.trail.log_group, "by-hand", [(None, json.dumps(record))])
        return self.recovery()

    def recovery(self) -> str:
        """Wait for the one recovery that there is."""
        _wait_for(lambda: self.aws.durable.executions("retry-run-task-recover"))
        return self.aws.durable.executions("retry-run-task-recover")[0].durable_execution_arn

    def until(self, arn: str, *names: str) -> None:
        """Wait until the history has steps or waits of these names."""
        _wait_for(lambda: {event.get("Name") for event in self.history(arn)} >= set(names))

    def history(self, arn: str) -> list[dict[str, Any]]:
        """Return the history as it is now."""
        pages = self.lambda_.get_paginator("get_durable_execution_history").paginate(
            DurableExecutionArn=arn, IncludeExecutionData=True
        )
        return [event for page in pages for event in page["Events"]]


@story
def waiting(site: Site) -> str:
    """There is no capacity, and it waits."""
    site.capacity(0)
    arn = site.call()
    site.until(arn, "wait-2")
    return arn


@story
def recovered(site: Site) -> str:
    """There is capacity again after two attempts."""
    site.capacity(0)
    arn = site.call()
    site.until(arn, "wait-2")
    site.capacity(None)
    site.aws.durable.wait(arn)
    return arn


@story
def permanent(site: Site) -> str:
    """Retrying does not help."""
    site.aws.ecs.faults.fail_next(1, reason="TaskDefinition is inactive")
    arn = site.call()
    site.aws.durable.wait(arn)
    return arn


@story
def expired(site: Site) -> str:
    """Three careful attempts at a text that is not classified."""
    site.aws.ecs.faults.fail_next(9, reason="The moon is in the wrong phase")
    arn = site.call()
    site.aws.durable.wait(arn)
    return arn


@story
def paused(site: Site) -> str:
    """A person holds it."""
    arn = waiting(site)
    site.lambda_.pause_durable_execution(DurableExecutionArn=arn, Reason="the Region is down")
    return arn


@story
def stopped(site: Site) -> str:
    """A person ends it, after a pause."""
    arn = paused(site)
    site.lambda_.resume_durable_execution(DurableExecutionArn=arn, Reason="it is back")
    error = {"ErrorType": "StoppedByOperator", "ErrorMessage": "run by hand"}
    site.lambda_.stop_durable_execution(DurableExecutionArn=arn, Error=error)
    return arn


@story
def lost(site: Site) -> str:
    """No call is answered, and it is stopped meanwhile."""
    site.capacity(0)
    arn = site.call()
    site.until(arn, "wait-1")
    site.aws.ecs.faults.raise_next(
        500, "ServerException", "Service Unavailable. Please try again later.", 500
    )
    _wait_for(lambda: '\\"answer\\": \\"lost\\"' in json.dumps(site.history(arn), default=str))
    site.lambda_.stop_durable_execution(DurableExecutionArn=arn)
    return arn


@story
def by_hand(site: Site) -> str:
    """A record without a caller, with a value that must not be shown."""
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "KEY", "value": SECRET}]}]}
    answer = {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}
    now = f"{site.aws.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    record = {"eventName": "RunTask", "eventTime": now, "responseElements": answer}
    arn = site.put({**record, "requestParameters": {**site.body, "overrides": overrides}})
    site.aws.durable.wait(arn)
    return arn


@story
def cut(site: Site) -> str:
    """EventBridge has cut the name of a rule that is gone."""
    site.capacity(0)
    arn = site.call("events-rule/" + "nightly-report-of-the-data-platform"[:24])
    site.until(arn, "wait-1")
    return arn


@story
def start_failed(site: Site) -> str:
    """A task that was placed does not start, and another does."""
    site.capacity(0)
    arn = site.call()
    why = "Timeout waiting for network interface provisioning to complete."
    site.aws.ecs.faults.fail_to_start(1, "TaskFailedToStart", why)
    site.capacity(None)
    site.aws.durable.wait(arn)
    return arn


_EXECUTION = ("DurableExecutionArn", "DurableExecutionName", "Status", "StartTimestamp", "EndTimestamp")


def record(name: str) -> str:
    """Play a story and return its history as JSON."""
    with LocalAws(speed=SPEED, trail_delay=(2, 1)) as aws:
        site = Site(aws)
        arn = STORIES[name](site)
        found = site.lambda_.get_durable_execution(DurableExecutionArn=arn, IncludeExecutionData=False)
        execution = {key: found.get(key) for key in _EXECUTION}
        return json.dumps({"execution": execution, "events": site.history(arn)}, indent=1, default=str)


# What differs from one playing to the next: times, ids, and numbers.
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?"), "TIME"),
    (re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f]{8}[0-9a-f-]*\b"), "ID"),
    (re.compile(r"\d+"), "N"),
)
# Only a slow machine has them: a step that is cut off, and how often Lambda invoked the function.
_BY_CHANCE = ("StepFailed", "InvocationCompleted")


def form(events: Iterable[dict[str, Any]]) -> set[str]:
    """Return what a history consists of, a line for each value in it, without times, ids and numbers."""
    lines = set()
    for event in events:
        kind = event["EventType"]
        # Recoveries are spread at random.
        if kind in _BY_CHANCE or event.get("Name") == "spread":
            continue
        name = "" if kind.startswith("Execution") else re.sub(r"\d+", "N", event.get("Name") or "")
        details = {key: value for key, value in event.items() if key.endswith("Details")}
        lines |= {f"{kind} {name}: {line}" for line in _leaves(details)}
    return lines


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, str) and value[:1] in ("{", "["):
        value = json.loads(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    else:
        text = str(value)
        for pattern, word in _VARIES:
            text = pattern.sub(word, text)
        yield f"{path} = {text}"


def main() -> None:
    """Play every story, or those that are named, and write each history into a file."""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:] or STORIES:
        (folder / f"{name}.json").write_text(f"{record(name)}\n", encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
