"""The function that is subscribed to the trail's log group and to EventBridge."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from retry_run_task.aws import recoveries
from retry_run_task.aws.telemetry import Telemetry
from retry_run_task.config import read_policy
from retry_run_task.errors import ConfigError
from retry_run_task.handlers.environment import settings as _settings
from retry_run_task.intake import take_in

if TYPE_CHECKING:
    from retry_run_task.launch.values import JsonObject


def intake(event: Any, context: Any) -> JsonObject:
    """Start a recovery for every failed launch in the event.

    Raises:
        StartError: A recovery could not be started; Lambda delivers the event again.
        ConfigError: The function's environment or its policy is wrong; Lambda delivers the event again.
    """
    settings = _settings()
    # intake decides nothing by it. But a recovery that cannot read it would fail, and its launch would be lost.
    read_policy()
    if not settings.recover_function:
        raise ConfigError(
            "RETRY_RUN_TASK_RECOVER_FUNCTION is not set, so intake does not know what to start.",
            hint="Set it to the recover function's ARN with its alias.",
        )
    telemetry = Telemetry(stack=settings.stack, request_id=context.aws_request_id)
    try:
        counts = take_in(
            event,
            stack=settings.stack,
            scope=settings.scope(context.invoked_function_arn),
            start=lambda name, payload: recoveries.start(
                recoveries.client(), function=settings.recover_function, name=name, payload=payload
            ),
            telemetry=telemetry,
        )
    finally:
        telemetry.flush()
    return asdict(counts)
