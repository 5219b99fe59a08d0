"""The function that is subscribed to the trail's log group and to EventBridge."""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from retry_run_task.aws import recoveries
from retry_run_task.aws.cached import cached
from retry_run_task.aws.starts import StartLimits
from retry_run_task.aws.telemetry import Telemetry
from retry_run_task.errors import ConfigError
from retry_run_task.handlers.environment import settings as _settings
from retry_run_task.intake import take_in

if TYPE_CHECKING:
    from retry_run_task.aws.rate_limiter import RateLimiter
    from retry_run_task.launch.values import JsonObject


def intake(event: Any, context: Any) -> JsonObject:
    """Start a recovery for every failed launch in the event.

    Raises:
        StartError: A recovery could not be started; Lambda delivers the event again.
        ConfigError: The function's environment is wrong; Lambda delivers the event again.
    """
    settings = _settings()
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
                recoveries.starter(), function=settings.recover_function, name=name, payload=payload
            ),
            telemetry=telemetry,
            limits=_limits(context),
        )
    finally:
        telemetry.flush()
    return asdict(counts)


def _limits(context: Any) -> StartLimits:
    return StartLimits(
        workers=recoveries.STARTS_AT_ONCE,
        wait=_limiter().wait,
        left_s=lambda: context.get_remaining_time_in_millis() / 1000,
        passes=recoveries.passes,
        sleep=lambda seconds: time.sleep(_jittered(seconds)),
        turn=time.time() % _ROUND_S / _ROUND_S,
    )


def _jittered(seconds: float) -> float:
    """Return from half to all of a wait: other deliveries of the same burst are being retried, too."""
    return seconds * random.uniform(0.5, 1)  # noqa: S311 - no secret


# A delivery that runs out of time is retried about 6 and 13 minutes after its first try: 5 minutes in the function,
# then Lambda's 1 and 2. In a round of 18 minutes each try begins about a third further on, where the last one ended.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
_ROUND_S = 18 * 60


@cached
def _limiter() -> RateLimiter:
    return recoveries.starts_limiter(now=time.monotonic, sleep=time.sleep)
