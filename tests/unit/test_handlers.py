"""What recover's handler makes of its settings and events, without the durable execution around it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from retry_run_task.aws.members import Role
from retry_run_task.aws.telemetry import Telemetry
from retry_run_task.config import Settings
from retry_run_task.errors import ConfigError
from retry_run_task.handlers import _recover as handlers
from retry_run_task.launch.values import Category, Outcome
from retry_run_task.policy.decision import GiveUp
from retry_run_task.policy.rules import Facts
from retry_run_task.recovery.lines import LogEvent
from support.records import ACCOUNT, launch
from support.stacks import fresh

ELSEWHERE = "210987654321"


def settings(**changes: str) -> Settings:
    return Settings(stack="s", external_id="x", **changes)  # type: ignore[arg-type]


def function(partition: str = "aws", account: str = ACCOUNT) -> str:
    return f"arn:{partition}:lambda:eu-west-1:{account}:function:recover:live"


@pytest.mark.parametrize(
    ("account", "function_arn", "changes", "role"),
    [
        (ACCOUNT, function(), {}, None),
        ("", None, {}, None),
        (
            ELSEWHERE,
            function(),
            {},
            Role(arn=f"arn:aws:iam::{ELSEWHERE}:role/s-member", external_id="x", session="s"),
        ),
        (
            ELSEWHERE,
            function("aws-cn"),
            {"role_path": "/jobs/"},
            Role(arn=f"arn:aws-cn:iam::{ELSEWHERE}:role/jobs/s-member", external_id="x", session="s"),
        ),
    ],
)
def test_which_role_is_taken(
    account: str, function_arn: str | None, changes: dict[str, str], role: Role | None
) -> None:
    assert handlers._role_elsewhere(settings(**changes), launch(account=account), function_arn) == role


@pytest.mark.parametrize("function_arn", [None, ""])
def test_without_its_own_arn_nothing_is_taken_for_its_own(function_arn: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        handlers._role_elsewhere(settings(), launch(), function_arn)
    assert str(caught.value) == "recover was not told its own ARN, so it cannot tell which account it is in."


def test_a_policy_that_cannot_be_read_ends_every_recovery_with_the_reason() -> None:
    assert handlers._unreadable(ConfigError("line 3 is odd.")) == GiveUp(
        outcome=Outcome.PERMANENT,
        rule="policy",
        why="the policy that recover was deployed with cannot be read: line 3 is odd.",
        hint="Correct the policy, deploy it, and start the run with retry-run-task replay.",
    )
    assert not any(handlers._NO_POLICY.handling(Facts(), category).retry for category in Category)


def written(
    capsys: pytest.CaptureFixture[str], event: LogEvent, **fields: Any
) -> tuple[str, dict[str, Any], dict[tuple[str, ...], float]]:
    """Return the level and the fields of the line that an event is told with, and what is counted."""
    handlers._tell(Telemetry(stack=fresh(), request_id="r"), event, **fields)
    line, *metrics = (json.loads(text) for text in capsys.readouterr().out.splitlines())
    assert line["message"] == event.value
    counted = {}
    for metric in metrics:
        (described,) = metric["_aws"]["CloudWatchMetrics"]
        more = [metric[name] for name in ("category", "outcome") if name in metric]
        counted |= {(one["Name"], *more): sum(metric[one["Name"]]) for one in described["Metrics"]}
    return line["level"], {name: line[name] for name in fields if name in line}, counted


@pytest.mark.parametrize(
    ("event", "fields", "level", "counted"),
    [
        (LogEvent.BEGAN, {"category": "capacity"}, "INFO", {("FailedLaunches", "capacity"): 1}),
        # A row may say that ECS gives no reason; the table needs no other then.
        (
            LogEvent.BEGAN,
            {"category": "unknown", "row": "start-unexplained"},
            "INFO",
            {("FailedLaunches", "unknown"): 1},
        ),
        (
            LogEvent.BEGAN,
            {"category": "unknown", "row": "unknown"},
            "INFO",
            {("FailedLaunches", "unknown"): 1, ("UnknownReasons",): 1},
        ),
        (LogEvent.MATCHED, {"schedule": "nightly"}, "INFO", {}),
        (LogEvent.TAGGED, {"tag": "slow", "why": None}, "INFO", {}),
        (LogEvent.TAGGED, {"tag": "slow", "why": "denied"}, "WARNING", {}),
        (LogEvent.HELD, {"why": "w"}, "INFO", {}),
        (LogEvent.READ_FAILED, {"why": "w"}, "WARNING", {}),
        (LogEvent.CALLED, {"call": 1, "category": "x"}, "INFO", {("Calls",): 1}),
        (LogEvent.WAITING, {"why": "w", "category": "unknown"}, "INFO", {}),
        (LogEvent.STILL_TRYING, {"elapsed_s": 1800}, "INFO", {}),
        (LogEvent.RUNG_DROPPED, {"why": "w"}, "WARNING", {}),
        (LogEvent.START_FAILED, {"task_arns": ["t"]}, "INFO", {("StartFailed",): 1}),
        (
            LogEvent.RECOVERED,
            {"elapsed_s": 42, "category": "capacity"},
            "INFO",
            {("Recovered",): 1, ("TimeToRecover",): 42},
        ),
        (LogEvent.ALREADY_RUNNING, {"elapsed_s": 42}, "INFO", {("AlreadyRunning",): 1}),
        (LogEvent.IGNORED, {"elapsed_s": 42}, "INFO", {("Ignored",): 1}),
        (
            LogEvent.GAVE_UP,
            {"outcome": "expired", "category": "capacity"},
            "ERROR",
            {("GaveUp", "capacity"): 1, ("GaveUpOutcomes", "expired"): 1},
        ),
        (LogEvent.NOT_NOTIFIED, {"error": "e"}, "ERROR", {("NotNotified",): 1}),
    ],
)
def test_how_an_event_is_told_and_what_is_counted(
    capsys: pytest.CaptureFixture[str],
    event: LogEvent,
    fields: dict[str, Any],
    level: str,
    counted: dict[tuple[str, ...], float],
) -> None:
    shown = {name: value for name, value in fields.items() if value is not None}
    assert written(capsys, event, **fields) == (level, shown, counted)
