"""What the handlers make of their settings and events, without the durable execution around them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.exceptions import StepInterruptedError, UnrecoverableError
from aws_durable_execution_sdk_python.serdes import JsonSerDes

from retry_run_task.aws import recoveries
from retry_run_task.aws.members import Role
from retry_run_task.aws.telemetry import Telemetry
from retry_run_task.config import Settings
from retry_run_task.errors import ConfigError, GaveUpError, OvertakenError
from retry_run_task.handlers import _intake
from retry_run_task.handlers import _recover as handlers
from retry_run_task.launch import wire
from retry_run_task.launch.values import Category, Outcome
from retry_run_task.messages.console import Place
from retry_run_task.messages.message import Ending, Language, Style
from retry_run_task.policy.decision import GiveUp
from retry_run_task.policy.rules import Facts
from retry_run_task.recovery.lines import LogEvent
from retry_run_task.recovery.ports import Tools
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


def test_a_zip_whose_policy_cannot_be_read_refuses_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Any = handlers._policy
    assert handlers._policy_or_refusal()[1] is None
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    (tmp_path / "policy.toml").write_text("[[rules]]\n", encoding="utf-8")
    made.forget()
    try:
        policy, refusal = handlers._policy_or_refusal()
    finally:
        made.forget()
    assert policy is handlers._NO_POLICY
    assert refusal is not None
    assert refusal.why.startswith("the policy that recover was deployed with cannot be read: policy.toml ")


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


# --- What a recovery gets from Lambda ---

EXECUTION = f"{function()}:1/durable-execution/s-{'0' * 8}/5d0e1b8a"


class Context:
    """A durable execution as the SDK hands it over; ``attempt`` is what a step is told."""

    def __init__(self, invocation: object = None, attempt: int = 1) -> None:
        self.lambda_context = invocation
        self.execution_context = SimpleNamespace(durable_execution_arn=EXECUTION)
        self.attempt = attempt
        self.steps: list[tuple[str, StepConfig]] = []
        self.waits: list[tuple[str, int]] = []

    def is_replaying(self) -> bool:
        return True

    def step(self, action: Callable[[Any], Any], *, name: str, config: StepConfig) -> Any:
        self.steps.append((name, config))
        return action(SimpleNamespace(attempt=self.attempt))

    def wait(self, duration: Duration, *, name: str) -> None:
        self.waits.append((name, duration.to_seconds()))


INVOCATION = SimpleNamespace(
    aws_request_id="the-request", invoked_function_arn=f"{function()}:live", log_group_name="/recover"
)
PLACE = Place(
    partition="aws", region="eu-west-1", function="recover", log_group="/recover", execution_arn=EXECUTION
)


def tools(context: Context, **changes: Any) -> Tools:
    given: Any = context
    of = changes.pop("of", launch())
    settings = Settings(external_id="x", **({"stack": fresh()} | changes))
    return handlers._tools(settings, of, given, handlers._paced(settings, given))


@pytest.mark.parametrize(("is_left", "kind"), [(False, GaveUpError), (True, OvertakenError)])
def test_the_end_without_tasks_is_an_error_that_status_and_audit_can_read(is_left: bool, kind: type) -> None:
    ending = Ending(
        outcome=Outcome.EXPIRED,
        why="w",
        rule="r",
        calls=1,
        wanted=1,
        task_arns=(),
        elapsed_s=1.0,
        last=None,
        hint="Do it.",
        is_left_to_audit=is_left,
    )
    error = handlers._error_of(ending)
    assert (type(error), str(error)) == (kind, "expired: w. Do it.")


def test_every_setting_reaches_the_recovery() -> None:
    given = tools(
        Context(INVOCATION),
        stack="s",
        messages=("chat", "ja", "recovered"),
        time_zone="Asia/Tokyo",
        profile="my own",
        runbook_url="https://runbook",
        quiet_s=7.0,
        recover_errors=True,
    )
    assert given.style == Style(
        language=Language.JAPANESE,
        for_chat=True,
        place=PLACE,
        recovery="s-00000000",
        stack="s",
        zone=ZoneInfo("Asia/Tokyo"),
        runbook="https://runbook",
        profile="my own",
    )
    assert (given.notify_recovered, given.quiet_s, given.recover_errors) == (True, 7.0, True)
    assert (given.entrance, given.refusal, given.fatal) == (None, None, (UnrecoverableError,))
    assert given.is_replaying()


def test_without_an_invocation_there_is_no_place_and_no_account_to_leave() -> None:
    given = tools(Context(), of=launch(account=""), messages=("text", "en"))
    assert given.style.place is None
    assert (given.style.language, given.style.for_chat, given.notify_recovered) == (
        Language.ENGLISH,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("invocation", "place"),
    [
        (INVOCATION, PLACE),
        (SimpleNamespace(invoked_function_arn=function(), log_group_name=None), replace(PLACE, log_group="")),
        (SimpleNamespace(invoked_function_arn=None, log_group_name="/recover"), None),
        (None, None),
    ],
)
def test_where_a_recovery_runs(invocation: object, place: Place | None) -> None:
    given: Any = Context(invocation)
    assert handlers._place(given) == place


def test_messages_and_calls_go_where_the_settings_and_the_launch_say() -> None:
    world: Any = tools(Context(INVOCATION), topic_arn="arn:aws:sns:eu-west-1:1:t").aws
    assert (world._topic_arn, world._role, world._clock) == ("arn:aws:sns:eu-west-1:1:t", None, time.time)
    elsewhere = tools(Context(INVOCATION), stack="s", of=launch(account=ELSEWHERE))
    away: Any = elsewhere.aws
    role = Role(arn=f"arn:aws:iam::{ELSEWHERE}:role/s-member", external_id="x", session="s")
    assert away._role == role
    assert elsewhere.entrance is not None
    assert elsewhere.entrance.role_arn == role.arn


def test_one_invocation_makes_one_call_ahead_and_then_as_many_as_it_may() -> None:
    world: Any = tools(Context(INVOCATION), calls_per_second=4.0).aws
    for limiter in (world._limiter, world._reads):
        assert (limiter._apart_s, limiter._ahead_s) == (0.25, 0.25)
        assert (limiter._now, limiter._sleep) == (time.monotonic, time.sleep)
    assert world._limiter is not world._reads


def test_a_process_counts_the_recoveries_of_its_version_once() -> None:
    given: Any = Context(INVOCATION)
    crowds: Any = [handlers._paced(Settings(stack=fresh()), given) for _ in range(2)]
    assert crowds[0]._neighbours is crowds[1]._neighbours
    assert crowds[0].calls is not crowds[1].calls
    assert tools(Context(INVOCATION)).crowd.room() == ""


@pytest.mark.parametrize(("invocation", "request_id"), [(INVOCATION, "the-request"), (None, "")])
def test_a_log_line_has_the_recovery_the_launch_and_the_request(
    capsys: pytest.CaptureFixture[str], invocation: object, request_id: str
) -> None:
    of, stack = launch(account="" if invocation is None else ACCOUNT), fresh()
    tools(Context(invocation), of=of, stack=stack).tell(LogEvent.WAITING, why="w")
    line = json.loads(capsys.readouterr().out)
    assert (line["service"], line["function_request_id"]) == (stack, request_id)
    assert (line["message"], line["recovery"], line["why"]) == (LogEvent.WAITING.value, "s-00000000", "w")
    about = {name: value for name, value in wire.about(of).items() if value}
    assert {name: line.get(name) for name in about} == about


@pytest.mark.parametrize(("attempt", "may_be_done"), [(1, False), (2, True), (3, True)])
def test_a_step_knows_whether_it_was_cut_off(attempt: int, may_be_done: bool) -> None:
    context: Any = Context(attempt=attempt)
    step, _ = handlers._durable_operations(context)
    assert step("look-1", lambda again: {"again": again}) == {"again": may_be_done}
    ((name, config),) = context.steps
    assert name == "look-1"
    assert config.step_semantics is StepSemantics.AT_MOST_ONCE_PER_RETRY
    assert isinstance(config.serdes, JsonSerDes)


def test_only_a_step_that_was_cut_off_runs_again_and_at_once() -> None:
    context: Any = Context()
    step, _ = handlers._durable_operations(context)
    step("look-1", lambda _: {})
    ((_, config),) = context.steps
    cut_off, other = (config.retry_strategy(error, 1) for error in (StepInterruptedError("x"), ValueError()))
    assert (cut_off.should_retry, cut_off.delay.to_seconds()) == (True, 1)
    assert not other.should_retry


def test_a_wait_is_named_and_as_long_as_it_is_asked() -> None:
    context: Any = Context()
    _, wait = handlers._durable_operations(context)
    wait("wait-3", 42)
    assert context.waits == [("wait-3", 42)]


# --- What intake gets from Lambda ---


def test_a_delivery_begins_where_the_round_is_and_waits_in_the_rate() -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 1500)
    before = time.time()
    limits = _intake._limits(context)
    after = time.time()
    assert limits.left_s() == 1.5
    assert limits.wait == _intake._limiter().wait
    assert (limits.workers, limits.passes) == (recoveries.STARTS_AT_ONCE, recoveries.passes)
    assert 0 <= limits.turn < 1
    assert (limits.turn * _intake._ROUND_S - before) % _intake._ROUND_S <= after - before + 1e-3


def test_a_wait_for_lambda_is_from_half_of_itself_to_all() -> None:
    waits = [_intake._jittered(10) for _ in range(400)]
    assert 5 <= min(waits) < 5.5
    assert 9.5 < max(waits) <= 10


def test_a_wait_for_lambda_takes_time() -> None:
    limits = _intake._limits(SimpleNamespace())
    before = time.monotonic()
    limits.sleep(0.02)
    assert time.monotonic() - before >= 0.01
