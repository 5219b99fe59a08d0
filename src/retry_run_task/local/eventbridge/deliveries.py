"""EventBridge's deliveries: it calls, retries transient errors, and gives up in the end.

An answer with HTTP 200 is delivered, whatever is in its ``failures``.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from retry_run_task.local.errors import AwsError
from retry_run_task.local.observers import tell
from retry_run_task.local.server import SERVER_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retry_run_task.local.clock import Clock
    from retry_run_task.local.cloudtrail.records import ApiCaller

Json = dict[str, Any]

# "24 hours and up to 185 times": see the page above. Scheduler's ranges end at the same numbers.
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
RETRY_POLICY = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
# Only "an exponential back off and jitter" is documented. With this cap 185 attempts take about a day.
LONGEST_BACKOFF_S = 600.0
# EventBridge's dead letters have a code THROTTLING; that a throttle, an HTTP 400 of ECS, is retried is assumed.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
THROTTLES = frozenset({"ThrottlingException", "TooManyRequestsException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingDelivery:
    """A delivery that a rule or schedule has to make.

    Attributes:
        due: When it was due; its age counts from here.
        body: Makes the request, or the event of a function, for an attempt; the first is 1.
        caller: Who calls ECS; None if the target is a function.
    """

    source_arn: str
    target: Mapping[str, Any]
    due: datetime
    body: Callable[[int], Any]
    caller: ApiCaller | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt and its result.

    Attributes:
        body: The request, or the event of a function; None if none could be made.
        error: None if it was answered with HTTP 200.
        retry_at: When the next attempt is made; None if there is none.
    """

    source_arn: str
    due: datetime
    attempt: int
    body: Any
    error: AwsError | None
    retry_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeliveredCall:
    """A delivery that was given up.

    ``queue`` is the target's dead-letter queue; None if it has none, and the call is dropped.
    """

    queue: str | None
    last: Delivery


class Deliveries:
    """The deliveries in progress.

    A call with one of ``barred_roles`` is not made, so nothing records it. ``dead_letters``: oldest first.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        run_task: Callable[[Json, ApiCaller], object],
        invoke: Callable[[str, Any], object],
        seed: int = 0,
    ) -> None:
        """Begin with no delivery in progress.

        ``run_task`` raises ECS's errors; ``invoke`` sends an event to a function, by its ARN. The seed is of the
        backoff.
        """
        self.dead_letters: list[UndeliveredCall] = []
        self.on_delivery: list[Callable[[Delivery], object]] = []
        self.barred_roles: set[str] = set()
        self._clock, self._run_task, self._invoke = clock, run_task, invoke
        self._random = random.Random(seed)  # noqa: S311 -- backoff that must be the same in every run

    def send(self, call: PendingDelivery, attempt: int = 1) -> None:
        """Make an attempt, and schedule the next one if it fails with a transient error."""
        body: Any = None
        error: AwsError | None = None
        try:
            body = call.body(attempt)
            if (role := call.target.get("RoleArn")) in self.barred_roles:
                # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
                raise AwsError("NO_PERMISSIONS", f"EventBridge is not allowed to assume {role}")
            if call.caller is None:
                self._invoke(call.target["Arn"], body)
            else:
                self._run_task(body, call.caller)
        except AwsError as raised:
            error = raised
        retry_at = self._next_attempt(call, attempt, error) if error is not None else None
        delivery = Delivery(
            source_arn=call.source_arn,
            due=call.due,
            attempt=attempt,
            body=body,
            error=error,
            retry_at=retry_at,
        )
        if retry_at is not None:
            self._clock.call_at(retry_at, partial(self.send, call, attempt + 1))
        elif error is not None:
            queue = (call.target.get("DeadLetterConfig") or {}).get("Arn")
            self.dead_letters.append(UndeliveredCall(queue=queue, last=delivery))
        tell(self.on_delivery, delivery)

    def _next_attempt(self, call: PendingDelivery, attempt: int, error: AwsError) -> datetime | None:
        """Return when to try again; None if the error is permanent, or the policy is used up."""
        if error.status < SERVER_ERROR and error.code not in THROTTLES:
            return None
        policy = {**RETRY_POLICY, **(call.target.get("RetryPolicy") or {})}
        if attempt > policy["MaximumRetryAttempts"]:
            return None
        # Clamped before the power, which would overflow long before the last attempt.
        longest_s = min(LONGEST_BACKOFF_S, 2.0 ** min(attempt - 1, 10))
        retry_at = self._clock.now() + timedelta(seconds=longest_s * self._random.uniform(0.5, 1))
        oldest = call.due + timedelta(seconds=policy["MaximumEventAgeInSeconds"])
        return retry_at if retry_at <= oldest else None
