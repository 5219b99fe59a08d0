"""The deployed recover in AWS's local runner: what it counts, and in whose account it acts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from retry_run_task import handlers
from retry_run_task.aws import counting, members
from retry_run_task.aws.telemetry import Metric
from retry_run_task.config import Settings
from retry_run_task.handlers import _recover, environment
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
    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            # How many recoveries are in progress, which is a courtesy.
            return Reply(status=404)
        return ANSWERS[operation(asked)]

    with Loopback(answer) as loopback:
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


class SuspendedError(BaseException):
    """What the durable SDK raises where an execution is suspended until a wait ends."""


class SuspendedInTheFirstWait:
    """A durable execution that does its first step and is suspended in the wait behind it."""

    lambda_context = None
    execution_context = SimpleNamespace(
        durable_execution_arn="arn:aws:lambda:x:1:function:recover:5/durable-execution/s-1/1"
    )

    def __init__(self, slept: list[float]) -> None:
        self.slept, self.slept_before = slept, 0

    def is_replaying(self) -> bool:
        return False

    def step(self, action: Any, *, name: str, config: object) -> Any:
        return action(SimpleNamespace(attempt=1))

    def wait(self, _duration: object, *, name: str) -> None:
        if name.startswith("wait-"):
            self.slept_before = len(self.slept)
            raise SuspendedError


def test_recoveries_of_the_version_that_runs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version's may be hundreds, and its count would be wrong for as long as it is kept."""
    context: Any = SuspendedInTheFirstWait([])
    with Loopback(lambda _: Reply(body={"DurableExecutions": [{}] * 3})) as lambda_:
        monkeypatch.setenv("AWS_ENDPOINT_URL", lambda_.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        made: Any = counting.client
        made.forget()
        assert _recover._paced(Settings(stack="s"), context).size() == 3
        made.forget()
    (asked,) = lambda_.asked
    url = urlsplit(asked.path)
    assert unquote(url.path).endswith("/functions/arn:aws:lambda:x:1:function:recover/durable-executions")
    assert parse_qs(url.query)["Qualifier"] == ["5"]


@pytest.mark.usefixtures("endpoint")
def test_an_invocation_that_is_suspended_rests_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its calls have used up the next seconds, and another invocation takes its place at once."""
    short = Reply(body={"tasks": [], "failures": [{"reason": CAPACITY}]})
    monkeypatch.setitem(ANSWERS, "RunTask", short)
    monkeypatch.setenv("RETRY_RUN_TASK_CALLS_PER_SECOND", "1")
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    context: Any = SuspendedInTheFirstWait(slept)
    with pytest.raises(SuspendedError):
        _recover._recover(wire.launch_to_json(failed(CAPACITY, account="")), context)
    assert context.slept_before < len(slept)


@pytest.mark.usefixtures("endpoint")
def test_an_end_that_nobody_has_to_look_at_is_no_failed_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag says to ignore it: the execution has done what it was asked."""
    tags = {"tags": [{"key": "retry-run-task:ignore", "value": "true"}]}
    monkeypatch.setitem(ANSWERS, "ListTagsForResource", Reply(body=tags))
    monkeypatch.setitem(ANSWERS, "ListEventBuses", Reply(body={"EventBuses": [{"Name": "default"}]}))
    monkeypatch.setitem(ANSWERS, "ListRuleNamesByTarget", Reply(body={"RuleNames": []}))
    rules = Caller(kind=CallerKind.RULE, role_arn="arn:aws:iam::1:role/r")
    event = wire.launch_to_json(replace(failed(CAPACITY, account=""), caller=rules))
    context: Any = SuspendedInTheFirstWait([])
    assert _recover._recover(event, context) == {"outcome": "ignored", "calls": 0, "task_arns": []}
