"""RunTask, with the body as it was recorded.

botocore validates parameters against its own model, and refuses members that came with a newer SDK. So it gets the
minimum that the operation requires, and the recorded body replaces it before the request is signed; signing, retries
and parsing stay botocore's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's

from retry_run_task.aws import members
from retry_run_task.aws.cached import cached
from retry_run_task.aws.faults import CannotAssumeError, failure_of
from retry_run_task.launch.values import Answer, Failure, JsonObject, Lost, Origin, Placed, Refused, distinct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.awsrequest import AWSRequest
    from mypy_boto3_ecs import ECSClient

    from retry_run_task.aws.rate_limiter import RateLimiter

_SERVER_ERROR = 500

# Three tries of one call share the client token in the body. Recover's own time-out must exceed all of them, twice if a
# subnet is tried at once: 3 * (5 + 30) seconds and the waits between.
_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})


@cached
def client(region: str, role: members.Actor | None = None) -> ECSClient:
    """Return an ECS client for a Region that sends the body given under ``rawBody``; raises as ``members.client``."""
    ecs: ECSClient = members.client("ecs", region, role, _CONFIG)
    ecs.meta.events.register("before-parameter-build.ecs.RunTask", _keep_body)
    ecs.meta.events.register("before-call.ecs.RunTask", _put_body)
    # Called before each try, also those that botocore makes by itself.
    ecs.meta.events.register("request-created.ecs.RunTask", _limit_rate)
    return ecs


def _keep_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["rawBody"] = params.pop("rawBody")
    context["limiter"] = params.pop("limiter")


def _put_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    params["body"] = context["rawBody"]


def _limit_rate(request: AWSRequest, **_: Any) -> None:
    request.context["limiter"].wait()


def run_task(ecs: ECSClient, body: JsonObject, limiter: RateLimiter) -> Answer:
    """Call RunTask with exactly this body once the rate limit allows, and return ECS's answer.

    Never raises for an error of ECS, the network or the credentials: each is an answer.
    """
    try:
        return _answer(ecs, body, limiter)
    finally:
        limiter.rest()


def _answer(ecs: ECSClient, body: JsonObject, limiter: RateLimiter) -> Answer:
    # The typed parameters satisfy the model; the body replaces them.
    call: Any = ecs.run_task
    try:
        response = call(
            taskDefinition=body["taskDefinition"],
            clientToken=body["clientToken"],
            rawBody=json.dumps(body, allow_nan=False).encode(),
            limiter=limiter,
        )
        return _placed(response)
    except Exception as error:  # noqa: BLE001 - whatever an unreadable answer does to a parser, ECS may have acted
        return _raised(error)


def stop_task(ecs: ECSClient, cluster: str | None, arn: str, why: str) -> Refused | Lost | None:
    """Call StopTask. Returns None if ECS has accepted it; never raises, like ``run_task``.

    ECS returns a task that is stopping or has stopped as it is, so it may be called again.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
    """
    call: Any = {"cluster": cluster} if cluster else {}
    try:
        ecs.stop_task(task=arn, reason=why, **call)
    except Exception as error:  # noqa: BLE001 - likewise
        answer = _raised(error)
        return Lost(failure=failure_of(error)) if isinstance(answer, Placed) else answer
    return None


def _raised(error: Exception) -> Placed | Refused | Lost:
    """Return what a call that raised has done, as far as that is known."""
    match error:
        case ClientError():
            return _refusal(error)
        case ConnectionError() | HTTPClientError():
            # Time-outs and broken connections. The last try may not have arrived, but an earlier one may have.
            return Lost(failure=failure_of(error))
        case CannotAssumeError():
            # Credentials are renewed between two tries as well, so the one before may have been heard.
            return Refused(failure=error.failure, is_unsure=True)
        case BotoCoreError():
            # Nothing was sent: no credentials, no Region, a bad endpoint.
            return Refused(failure=failure_of(error))
        case _:
            return Lost(failure=failure_of(error))


def _placed(response: Mapping[str, Any]) -> Placed | Lost:
    if "tasks" not in response or "failures" not in response:
        # An answer of ECS has both. botocore returns an empty one if the connection broke.
        return Lost(failure=_failure("ResponseParserError", "the answer is not whole"))
    return Placed(
        task_arns=tuple(task["taskArn"] for task in response["tasks"]),
        failures=distinct(_placement_failure(item) for item in response["failures"]),
    )


def _refusal(error: ClientError) -> Placed | Refused | Lost:
    code = error.response["Error"].get("Code", "")
    failure = _failure(code, error.response["Error"].get("Message", ""))
    # The token is bound to other parameters: these are the tasks that it started.
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ConflictException.html
    response: Mapping[str, Any] = error.response
    existing = response.get("resourceIds")
    if code == "ConflictException" and existing is not None:
        return Placed(task_arns=tuple(existing), is_conflict=True)
    metadata = error.response["ResponseMetadata"]
    if metadata["HTTPStatusCode"] >= _SERVER_ERROR:
        return Lost(failure=failure)
    # botocore reports only its last try. An earlier one may have had an effect and lost its answer.
    return Refused(failure=failure, is_unsure=metadata.get("RetryAttempts", 0) > 0)


def _failure(code: str, reason: str) -> Failure:
    return Failure(origin=Origin.ERROR, code=code, reason=reason)


def _placement_failure(item: Mapping[str, Any]) -> Failure:
    return Failure(
        origin=Origin.ANSWER,
        reason=item.get("reason") or "",
        detail=item.get("detail"),
        arn=item.get("arn"),
    )
