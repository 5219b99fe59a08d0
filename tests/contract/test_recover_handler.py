"""The deployed recover in AWS's local runner: what it counts, and in whose account it acts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from retry_run_task import handlers
from retry_run_task.aws import members
from retry_run_task.aws.telemetry import Metric
from retry_run_task.handlers import environment
from retry_run_task.launch import wire
from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, Failure, Origin
from support.loopback import Asked, Loopback, Reply
from support.records import CAPACITY, launch

# A Region of this module's own: clients are made once, and keep the endpoint they were made with.
REGION = "ap-southeast-3"
UNKNOWN, RECOVERED = Metric.UNKNOWN_REASONS.value, Metric.RECOVERED.value
RUNNING = Reply(body={"tasks": [{"taskArn": "t1", "lastStatus": "RUNNING"}], "failures": []})
ANSWERS = {
    "RunTask": Reply(body={"tasks": [{"taskArn": "t1"}], "failures": []}),
    "ListTasks": Reply(body={"taskArns": []}),
    "DescribeTasks": RUNNING,
    "ListTagsForResource": Reply(body={"tags": []}),
    "AssumeRole": Reply(
        status=403,
        body=b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
    ),
}


def operation(asked: Asked) -> str:
    return asked.operation or parse_qs(asked.body.decode())["Action"][0]


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    with Loopback(lambda asked: ANSWERS[operation(asked)]) as loopback:
        yield loopback


@pytest.fixture
def endpoint(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", loopback.url)
    monkeypatch.setenv("RETRY_RUN_TASK_CALLS_PER_SECOND", "1000")
    loopback.asked.clear()
    # Made once a process, from settings and endpoints of other modules as well.
    forgotten: list[Any] = [environment.settings, members._sts]
    for made in forgotten:
        made.forget()
    yield loopback
    for made in forgotten:
        made.forget()


def recover(value: FailedLaunch) -> Any:
    with DurableFunctionTestRunner(handler=handlers.recover, region=REGION) as runner:
        arn = runner.run_async(input=wire.canonical(wire.launch_to_json(value)), execution_timeout=60)
        result = runner.wait_for_result(arn)
    # The runner leaves its event loop open, and with it a socket pair.
    runner._scheduler._loop.close()
    return result


def failed(reason: str, **changes: Any) -> FailedLaunch:
    return launch(
        region=REGION,
        caller=Caller(kind=CallerKind.HAND_MADE),
        event_time=datetime.now(UTC).replace(microsecond=0),
        failures=(Failure(origin=Origin.ANSWER, reason=reason),),
        **changes,
    )


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize(("reason", "number"), [("The moon is in the wrong house.", 1), (CAPACITY, 0)])
def test_a_reason_that_nobody_knows_is_counted_for_its_alarm(
    reason: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    result = recover(failed(reason))
    assert result.status.value == "SUCCEEDED"
    assert json.loads(result.result) == {"outcome": "recovered", "calls": 1, "task_arns": ["t1"]}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    counted = {name: sum(sum(line[name]) for line in lines if name in line) for name in (UNKNOWN, RECOVERED)}
    assert counted == {UNKNOWN: number, RECOVERED: 1}


def test_what_failed_in_another_account_is_not_started_at_home(endpoint: Loopback) -> None:
    """Also where recover is told no accounts, as the template does: the payload is intake's."""
    result = recover(failed(CAPACITY, account="210987654321"))
    assert result.status.value == "FAILED"
    asked = [operation(one) for one in endpoint.asked]
    assert "AssumeRole" in asked or "EXTERNAL_ID" in result.error.message
    assert "RunTask" not in asked
    assert "210987654321" in result.error.message
