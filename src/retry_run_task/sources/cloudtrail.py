"""One CloudTrail record of a RunTask call, to a failed launch.

A record of a call that placed nothing, shortened::

    {"eventVersion": "1.11", "eventSource": "ecs.amazonaws.com", "eventName": "RunTask",
     "eventID": "9d9f0b5e-0b1c-4f0e-9f0e-7c1d2f3a4b5c", "eventTime": "2026-11-24T00:00:03Z",
     "awsRegion": "ap-northeast-1", "recipientAccountId": "123456789012",
     "sourceIPAddress": "events.amazonaws.com", "userAgent": "events.amazonaws.com",
     "userIdentity": {"type": "AssumedRole", "invokedBy": "events.amazonaws.com", "sessionContext":
         {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::123456789012:role/ecsEventsRole"}}},
     "requestParameters": {"cluster": "batch", "taskDefinition": "nightly:7", "count": 1,
         "startedBy": "events-rule/nightly", "clientToken": "0b0e7a1c-...", "dryrun": false},
     "responseElements": {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time. ..."}]}}

A call that raised an error has ``errorCode`` and ``errorMessage``, ``responseElements: null``, and for some
errors ``requestParameters: null``. A record that a person wrote to try the system out needs only
``eventName``, ``eventTime``, ``requestParameters`` and ``responseElements``.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from retry_run_task.launch import names, request
from retry_run_task.launch.schedule import STARTED_BY_PREFIXES
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    Ignored,
    IncompleteRequest,
    Origin,
    Request,
    distinct,
)
from retry_run_task.launch.wire import canonical
from retry_run_task.sources.reading import ReadError, is_plausible, object_at, objects_at, text_at, time_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# The subscription filter that the product installs: nothing placed, part placed, or refused. A selector must point at a
# value (one that points at an object matches nothing), so a task is found by its ARN.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
FILTER_NAME = "RunTaskFailureFilter"
FILTER_PATTERN = (
    '{ ($.eventName = "RunTask") && (($.errorCode = "*") || ($.responseElements.failures[0].reason = "*")'
    " || ($.responseElements.tasks[0].taskArn NOT EXISTS)) }"
)

# Every call of a rule or schedule, successful ones too: while these arrive, the trail is not silent. Callers are taken
# at their word, because a filter knows no schedules. At most 1,024 characters.
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html
SCHEDULED_CALLS_PATTERN = (
    '{ ($.eventName = "RunTask") && (($.userIdentity.invokedBy = "events.amazonaws.com")'
    ' || ($.userIdentity.invokedBy = "scheduler.amazonaws.com") || ($.userAgent = "AmazonEventBridgeScheduler*")'
    ' || ($.requestParameters.startedBy = "events-rule/*") || ($.requestParameters.startedBy = "chronos-schedule/*")) }'
)

# What AWS writes for a service that made the call, as ``invokedBy`` and as ``sourceIPAddress``.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
_SERVICES = {
    "events.amazonaws.com": CallerKind.RULE,
    "scheduler.amazonaws.com": CallerKind.SCHEDULER,
    "batch.amazonaws.com": CallerKind.BATCH,
    "states.amazonaws.com": CallerKind.STEP_FUNCTIONS,
}
# The caller's own claim, which anyone can write: it may exclude a call, and never admits one.
_LEFT_OUT_BY_AGENT = {
    "batch.amazonaws.com": CallerKind.BATCH,
    "states.amazonaws.com": CallerKind.STEP_FUNCTIONS,
}
_STEP_FUNCTIONS_STARTED_BY = "AWS Step Functions"
_SCHEDULER_AGENT = "AmazonEventBridgeScheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the delivery says about a record, for members that the record lacks.

    ``id`` is the log event's or EventBridge event's; empty if the record came alone.
    """

    id: str = ""
    time: datetime | None = None
    account: str = ""
    region: str = ""


def parse(record: dict[str, Any], envelope: Envelope) -> FailedLaunch | Ignored:
    """Return the failed launch in a record, or why it is none.

    Raises:
        ReadError: It is not a readable record of a RunTask call.
    """
    event_id = text_at(record, "eventID")
    if record.get("eventName") != "RunTask" or record.get("eventSource") not in (None, "ecs.amazonaws.com"):
        return Ignored(why="it is not a record of an ECS RunTask call", event_id=event_id)
    recorded = object_at(record, "requestParameters")
    failures, placed = answer_of(record)
    rebuilt = _request(recorded, record)
    if len(placed) >= request.asked(rebuilt):
        return Ignored(why="this call placed every task it asked for", event_id=event_id)
    parameters = recorded or {}
    arn = _cluster_arn(parameters)
    account = text_at(record, "recipientAccountId") or arn.account or envelope.account
    region = text_at(record, "awsRegion") or arn.region or envelope.region
    name = names.event_identity(_original_id(record) or event_id, envelope.id or canonical(record))
    caller, time = caller_of(record, parameters), _time(record, envelope)
    return FailedLaunch(
        event_id=name,
        call_id=names.call_identity(name, account=account, region=region, parameters=parameters),
        event_time=time,
        account=account,
        region=region,
        caller=caller,
        request=rebuilt,
        failures=failures or (Failure(origin=Origin.ANSWER),),
        placed=placed,
    )


def _original_id(record: dict[str, Any]) -> str | None:
    """Return the id of the event that this one repeats or corrects.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    (``addendum``)
    """
    addendum = object_at(record, "addendum")
    return text_at(addendum, "originalEventID") if addendum else None


def _time(record: dict[str, Any], envelope: Envelope) -> datetime:
    text = text_at(record, "eventTime")
    if text is not None:
        return time_of(text)
    if envelope.time is not None:
        return envelope.time
    raise ReadError("it has no eventTime, and nothing else tells when the call was made")


def answer_of(record: dict[str, Any]) -> tuple[tuple[Failure, ...], tuple[str, ...]]:
    """Return the failures in a record, and the ARNs of the tasks that the call placed.

    Raises:
        ReadError: It has neither.
    """
    code = text_at(record, "errorCode")
    if code:
        reason = text_at(record, "errorMessage") or ""
        return (Failure(origin=Origin.ERROR, code=code, reason=reason),), ()
    answer = object_at(record, "responseElements")
    if answer is None:
        raise ReadError(
            "it has neither responseElements nor errorCode, so it is unknown whether the call started tasks"
        )
    failures = distinct(
        Failure(
            origin=Origin.ANSWER,
            reason=text_at(item, "reason") or "",
            detail=text_at(item, "detail"),
            arn=text_at(item, "arn"),
        )
        for item in objects_at(answer, "failures")
    )
    # A task without an ARN still counts as a task.
    return failures, tuple(text_at(task, "taskArn") or "" for task in objects_at(answer, "tasks"))


def _request(recorded: dict[str, Any] | None, record: dict[str, Any]) -> Request | IncompleteRequest:
    if recorded is None:
        if record.get("errorCode"):
            return IncompleteRequest(parameters={}, missing=("requestParameters",))
        raise ReadError("requestParameters is null, and the call raised no error that would explain it")
    try:
        return request.rebuild(recorded)
    except request.RequestError as error:
        raise ReadError(str(error)) from None


def caller_of(record: dict[str, Any], parameters: Mapping[str, Any]) -> Caller:
    """Return who made the call in a record.

    A rule is identified by members that AWS writes. For Scheduler's calls AWS writes only the assumed role, so a call
    with a role that claims to be Scheduler's is accepted, unproven.

    Raises:
        ReadError: A member that identifies the caller has the wrong type.
    """
    user = object_at(record, "userIdentity")
    role, user_arn = _identity(user or {})
    agent, started_by = text_at(record, "userAgent") or "", str(parameters.get("startedBy"))
    if names.is_our_token(parameters.get("clientToken")) or names.is_ours(started_by):
        kind = CallerKind.OWN
    elif user is None:
        kind = CallerKind.HAND_MADE
    else:
        services = (text_at(user, "invokedBy"), text_at(record, "sourceIPAddress"))
        written = (_SERVICES[service] for service in services if service in _SERVICES)
        kind = next(written, None) or _left_out(agent, started_by) or CallerKind.OTHER
    says_scheduler = agent.startswith(_SCHEDULER_AGENT) or started_by.startswith(
        STARTED_BY_PREFIXES[CallerKind.SCHEDULER]
    )
    if kind is CallerKind.OTHER and says_scheduler and role is not None and ":role/" in role:
        return Caller(kind=CallerKind.SCHEDULER, role_arn=role, is_proven=False)
    return Caller(kind=kind, role_arn=role or user_arn)


def _left_out(agent: str, started_by: str) -> CallerKind | None:
    """Return which service that retries its own calls made this call, by the call's own claim."""
    if started_by.startswith(_STEP_FUNCTIONS_STARTED_BY):
        return CallerKind.STEP_FUNCTIONS
    return _LEFT_OUT_BY_AGENT.get(agent)


def _identity(user: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the ARN of the assumed role, and that of the user or session."""
    session = object_at(user, "sessionContext")
    issuer = object_at(session, "sessionIssuer") if session else None
    return text_at(issuer, "arn") if issuer else None, text_at(user, "arn")


@dataclass(frozen=True, slots=True)
class _Place:
    region: str = ""
    account: str = ""


def _cluster_arn(parameters: Mapping[str, Any]) -> _Place:
    """Return account and Region of a cluster named by ARN: ``arn:aws:ecs:<region>:<account>:cluster/<name>``."""
    parts = str(parameters.get("cluster") or "").split(":")
    if len(parts) == 6 and parts[0] == "arn" and parts[2] == "ecs":  # noqa: PLR2004 - an ARN has six parts
        return _Place(region=parts[3], account=parts[4])
    return _Place()


def epoch_ms(value: Any) -> datetime | None:
    """Return the time of a log event, in milliseconds since 1970 as in CloudWatch Logs; None if it is invalid."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return moment if is_plausible(moment) else None
