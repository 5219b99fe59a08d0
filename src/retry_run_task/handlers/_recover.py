"""The durable function that intake starts, once for each failed launch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from retry_run_task.aws import counting, members, recoveries
from retry_run_task.aws.cached import cached
from retry_run_task.aws.neighbours import Neighbours, Paced
from retry_run_task.aws.rate_limiter import RateLimiter
from retry_run_task.aws.telemetry import Metric, Telemetry
from retry_run_task.config import Settings, read_policy
from retry_run_task.errors import ConfigError, GaveUpError, OvertakenError
from retry_run_task.failures.classify import NO_ROW
from retry_run_task.handlers.environment import settings as _settings
from retry_run_task.launch import names, wire
from retry_run_task.launch.values import JsonObject, Outcome
from retry_run_task.messages import console
from retry_run_task.messages.message import Style
from retry_run_task.policy.decision import GiveUp
from retry_run_task.policy.rules import Policy, Rule
from retry_run_task.recovery import ports
from retry_run_task.recovery.lines import LogEvent
from retry_run_task.recovery.loop import recover as recover_launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_durable_execution_sdk_python import DurableContext

    from retry_run_task.launch.values import FailedLaunch
    from retry_run_task.messages.message import Ending


def recover(event: Any, context: Any) -> Any:
    """Recover one failed launch, as a durable execution.

    Raises:
        GaveUpError: The recovery ended without its tasks; the execution is FAILED.
    """
    return _durable()(event, context)


@cached
def _policy() -> Policy:
    return read_policy()


def _role_elsewhere(
    settings: Settings, launch: FailedLaunch, function_arn: str | None
) -> members.Role | None:
    """Return the role to assume in the launch's account; None if the account is the function's own."""
    if not launch.account:
        return None
    if not function_arn:
        # Mistaking another account's launch for this account's would start it in the wrong place.
        raise ConfigError("recover was not told its own ARN, so it cannot tell which account it is in.")
    _, partition, _, _, account, *_ = function_arn.split(":")
    if launch.account == account:
        return None
    return members.Role(
        arn=f"arn:{partition}:iam::{launch.account}:role/{names.member_role(settings.stack, settings.role_path)}",
        external_id=settings.external_id,
        session=settings.stack,
    )


@cached
def _durable() -> Callable[[Any, Any], Any]:
    # Imported here, so that intake starts without it.
    from aws_durable_execution_sdk_python import durable_execution  # noqa: PLC0415

    return durable_execution(_recover, boto3_client=recoveries.client())


def _recover(event: Any, context: DurableContext) -> JsonObject:
    launch = wire.launch_from_json(event)
    settings = _settings()
    paced = _paced(settings, context)
    try:
        ending = recover_launch(launch, _tools(settings, launch, context, paced))
    finally:
        # Also if it is suspended until a wait ends.
        paced.rest()
    if not ending.succeeded:
        raise _error_of(ending)
    return {"outcome": ending.outcome.value, "calls": ending.calls, "task_arns": list(ending.task_arns)}


def _error_of(ending: Ending) -> GaveUpError:
    kind = OvertakenError if ending.is_left_to_audit else GaveUpError
    return kind(f"{ending.outcome}: {ending.why}.", hint=ending.hint)


@cached
def _neighbours(function: str, version: str) -> Neighbours:
    """Return what this process knows about the other recoveries."""
    return Neighbours(lambda: counting.count_running(counting.client(), function, version), time.monotonic)


def _paced(settings: Settings, context: DurableContext) -> Paced:
    """Return the pace of this invocation.

    Its rate limiters are made before the look so that the look's time counts. Ten invocations that make a call and a
    read a second use half of what ECS allows an account on Fargate.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
    """
    # arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION/durable-execution/NAME/ID
    function, _, version = context.execution_context.durable_execution_arn.split("/")[0].rpartition(":")
    calls, reads = (
        RateLimiter(settings.calls_per_second, ahead=1, now=time.monotonic, sleep=time.sleep)
        for _ in range(2)
    )
    return Paced(_neighbours(function, version), settings.calls_per_second, calls=calls, reads=reads)


def _tools(settings: Settings, launch: FailedLaunch, context: DurableContext, paced: Paced) -> ports.Tools:
    from aws_durable_execution_sdk_python.exceptions import UnrecoverableError  # noqa: PLC0415

    from retry_run_task.aws.port import LiveAwsPort  # noqa: PLC0415

    invocation = context.lambda_context
    telemetry = Telemetry(stack=settings.stack, request_id=invocation.aws_request_id if invocation else "")
    # The name that intake gave it: .../durable-execution/<name>/<id>
    name = context.execution_context.durable_execution_arn.split("/")[-2]
    role = _role_elsewhere(settings, launch, invocation.invoked_function_arn if invocation else None)
    policy, refusal = _policy_or_refusal()
    step, wait = _durable_operations(context)

    def tell(happened: LogEvent, /, **fields: Any) -> None:
        _tell(telemetry, happened, recovery=name, **wire.about(launch), **fields)

    return ports.Tools(
        policy=policy,
        refusal=refusal,
        aws=LiveAwsPort(settings.topic_arn, time.time, paced.calls, role, paced.reads),
        crowd=paced,
        step=step,
        wait=wait,
        tell=tell,
        is_replaying=context.is_replaying,
        fatal=(UnrecoverableError,),
        notify_recovered=settings.notify_recovered,
        quiet_s=settings.quiet_s,
        recover_errors=settings.recover_errors,
        entrance=ports.Entrance(role_arn=role.arn, enter=lambda: members.enter(role)) if role else None,
        style=_style(settings, context, name),
    )


def _durable_operations(context: DurableContext) -> tuple[ports.Step, ports.Wait]:
    """Return how a recovery runs a step and waits in a durable execution."""
    from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics  # noqa: PLC0415
    from aws_durable_execution_sdk_python.exceptions import StepInterruptedError  # noqa: PLC0415
    from aws_durable_execution_sdk_python.retries import RetryDecision  # noqa: PLC0415
    from aws_durable_execution_sdk_python.serdes import JsonSerDes  # noqa: PLC0415

    # A step whose process died is run again and knows it: its start is recorded before its action. No action raises.
    def retry(error: Exception, _attempts: int) -> RetryDecision:
        is_cut_off = isinstance(error, StepInterruptedError)
        return RetryDecision.retry(Duration.from_seconds(1)) if is_cut_off else RetryDecision.no_retry()

    config = StepConfig(
        retry_strategy=retry, step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, serdes=JsonSerDes()
    )

    def step(label: str, action: ports.Action) -> JsonObject:
        return context.step(lambda inside: action(inside.attempt > 1), name=label, config=config)

    def wait(label: str, seconds: int) -> None:
        context.wait(Duration.from_seconds(seconds), name=label)

    return step, wait


def _policy_or_refusal() -> tuple[Policy, GiveUp | None]:
    try:
        return _policy(), None
    except ConfigError as error:
        return _NO_POLICY, _unreadable(error)


# Replaces a policy that cannot be read: it retries nothing, and every recovery sends a message.
_NO_POLICY = Policy(rules=(Rule(name="policy", sets={"retry": False}),))


def _unreadable(error: ConfigError) -> GiveUp:
    return GiveUp(
        outcome=Outcome.PERMANENT,
        rule="policy",
        why=f"the policy that recover was deployed with cannot be read: {error}",
        hint="Correct the policy, deploy it, and start the run with retry-run-task replay.",
    )


def _style(settings: Settings, context: DurableContext, recovery: str) -> Style:
    return Style(
        language=settings.language,
        for_chat=settings.for_chat,
        place=_place(context),
        recovery=recovery,
        stack=settings.stack,
        zone=settings.zone,
        runbook=settings.runbook_url,
        profile=settings.profile,
    )


def _place(context: DurableContext) -> console.Place | None:
    invocation = context.lambda_context
    if invocation is None:
        return None
    return console.place(
        invocation.invoked_function_arn or "",
        log_group=invocation.log_group_name or "",
        execution_arn=context.execution_context.durable_execution_arn,
    )


# The metric that each log event counts, and whether it is counted by category.
_COUNTED = {
    LogEvent.CALLED: (Metric.CALLS, False),
    LogEvent.BEGAN: (Metric.LAUNCHES, True),
    LogEvent.START_FAILED: (Metric.START_FAILED, False),
    LogEvent.RECOVERED: (Metric.RECOVERED, False),
    LogEvent.ALREADY_RUNNING: (Metric.ALREADY_RUNNING, False),
    LogEvent.IGNORED: (Metric.IGNORED, False),
    LogEvent.GAVE_UP: (Metric.GAVE_UP, True),
    LogEvent.NOT_NOTIFIED: (Metric.NOT_NOTIFIED, False),
}
_ERRORS = frozenset({LogEvent.GAVE_UP, LogEvent.NOT_NOTIFIED})
_WARNINGS = frozenset({LogEvent.READ_FAILED, LogEvent.RUNG_DROPPED})


def _tell(telemetry: Telemetry, happened: LogEvent, **fields: Any) -> None:
    category = fields.get("category")
    if happened in _COUNTED:
        metric, by_category = _COUNTED[happened]
        telemetry.count(metric, category=category if by_category else None)
    if happened is LogEvent.GAVE_UP:
        telemetry.count(Metric.GAVE_UP_OUTCOMES, outcome=fields["outcome"])
    if happened is LogEvent.BEGAN and fields.get("row") == NO_ROW:
        telemetry.count(Metric.UNKNOWN_REASONS)
    if happened is LogEvent.RECOVERED:
        telemetry.measure(Metric.TIME_TO_RECOVER, fields["elapsed_s"])
    if happened in _ERRORS:
        telemetry.error(happened, **fields)
    elif happened in _WARNINGS or (happened is LogEvent.TAGGED and fields.get("why")):
        telemetry.warning(happened, **fields)
    else:
        telemetry.info(happened, **fields)
    # Flush now: the next call may suspend the execution, and with it this invocation.
    telemetry.flush()
