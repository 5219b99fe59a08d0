"""The deployed intake: what it starts where, what it logs, and how long it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from retry_run_task import handlers
from retry_run_task.aws import recoveries
from retry_run_task.errors import ConfigError, StartError
from retry_run_task.handlers import _intake, environment
from support.loopback import Loopback, Reply
from support.records import ACCOUNT, EVENT_ID, REGION, awslogs, record
from support.stacks import fresh

RECOVER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:recover:live"
ACCEPTED = Reply(status=202, body=b"")
DENIED = Reply(status=403, body={"Message": "?"}, headers={"x-amzn-ErrorType": "AccessDeniedException"})


class Context:
    """What Lambda hands over."""

    def __init__(self, left_ms: int = 60_000, region: str = REGION) -> None:
        self.left_ms = left_ms
        self.aws_request_id = "the-request"
        self.invoked_function_arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:intake"

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


class Installed:
    """Intake with its environment, and the Lambda that it starts recoveries in."""

    def __init__(self, endpoint: Loopback, stack: str, output: pytest.CaptureFixture[str]) -> None:
        self.endpoint, self.stack = endpoint, stack
        self._output = output

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._output.readouterr().out.splitlines()]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Installed]:
    made_once: list[Any] = [environment.settings, recoveries.starter, _intake._limiter]
    with Loopback(lambda _: ACCEPTED) as endpoint:
        stack = fresh()
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        monkeypatch.setenv("RETRY_RUN_TASK_STACK", stack)
        monkeypatch.setenv("RETRY_RUN_TASK_RECOVER_FUNCTION", RECOVER)
        for made in made_once:
            made.forget()
        yield Installed(endpoint, stack, capsys)
    for made in made_once:
        made.forget()


def test_a_failed_launch_is_started_in_recover_and_told_with_the_request(installed: Installed) -> None:
    counts = handlers.intake(awslogs(record()), Context())
    assert counts["started"] == 1
    (asked,) = installed.endpoint.asked
    assert asked.path == f"/2015-03-31/functions/{RECOVER.replace(':', '%3A')}/invocations"
    assert asked.headers["X-Amz-Durable-Execution-Name"] == f"{installed.stack}-{EVENT_ID}"
    assert asked.json["event_id"] == EVENT_ID
    lines = installed.lines()
    (told,) = [line for line in lines if line.get("message") == "intake.started"]
    assert (told["service"], told["function_request_id"]) == (installed.stack, "the-request")
    assert [line["TakenIn"] for line in lines if "TakenIn" in line] == [[1.0]], "written before it returns"


def test_what_failed_in_another_region_is_left_alone(installed: Installed) -> None:
    """The Region is read off the function's own ARN."""
    counts = handlers.intake(awslogs(record()), Context(region="eu-west-1"))
    assert (counts["started"], installed.endpoint.asked) == (0, [])


def test_what_cannot_be_started_is_delivered_again_and_counted(installed: Installed) -> None:
    installed.endpoint.answer = lambda _: DENIED
    with pytest.raises(StartError, match=EVENT_ID):
        handlers.intake(awslogs(record()), Context())
    assert [line["NotStarted"] for line in installed.lines() if "NotStarted" in line] == [[1.0]]


def test_without_time_left_nothing_is_started(installed: Installed) -> None:
    with pytest.raises(StartError):
        handlers.intake(awslogs(record()), Context(left_ms=0))
    assert installed.endpoint.asked == []


def test_without_a_function_to_start_it_says_which_setting_is_missing(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETRY_RUN_TASK_RECOVER_FUNCTION")
    with pytest.raises(ConfigError) as caught:
        handlers.intake(awslogs(record()), Context())
    assert str(caught.value) == (
        "RETRY_RUN_TASK_RECOVER_FUNCTION is not set, so intake does not know what to start. "
        "Set it to the recover function's ARN with its alias."
    )


def test_a_delivery_begins_each_try_further_on_and_within_its_time() -> None:
    limits = _intake._limits(Context(left_ms=1500))
    assert limits.workers == recoveries.STARTS_AT_ONCE
    assert limits.left_s() == 1.5
    assert 0 <= limits.turn < 1
    assert limits.passes is recoveries.passes


@pytest.mark.parametrize("name", ["intake", "recover"])
def test_the_module_has_the_two_handlers(name: str) -> None:
    assert getattr(handlers, name).__name__ == name


def test_the_module_has_nothing_else() -> None:
    with pytest.raises(
        AttributeError, match=r"^module 'retry_run_task\.handlers' has no attribute 'outtake'$"
    ):
        handlers.__getattr__("outtake")
