"""Names and identities: of recoveries, of client tokens, and ``startedBy`` of the tasks that recoveries start.

All are derived and none is random: the same failure gets the same names wherever and however often it is seen. That is
what makes a duplicate delivery harmless.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import FailedLaunch

TOKEN_PREFIX = "rrt-"  # noqa: S105 - not a secret: the public beginning of our client tokens
STARTED_BY = "retry-run-task"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TASK_ID = re.compile(r"[0-9A-Za-z-]{8,34}")
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_OUR_TOKEN = re.compile(r"rrt-[0-9a-f]{32}-\d{1,5}")
_OUR_STARTED_BY = re.compile(rf"(?:.*/)?{STARTED_BY}/[0-9a-f]{{12}}", re.DOTALL)
_AT_THE_END = re.compile(rf"(?:^|/){STARTED_BY}/[0-9a-f]{{12}}\Z")
_NOT_IN_A_NAME = re.compile(r"[^0-9A-Za-z-_]")

# Lambda: 1 to 64 of [a-zA-Z0-9-_].
# https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html
NAME_MAX = 64
# ECS: up to 128 letters, digits, hyphens, slashes and underscores.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
STARTED_BY_MAX = 128


MOST_AGAIN = 20
"""The highest number of a further recovery of one launch, as ``replay --again`` starts it."""


def _digest(*parts: str, size: int) -> str:
    # surrogatepass: a hand-made record may hold text that is not UTF-8, and needs a name too.
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:size]


def event_identity(event_id: str | None, fallback: str) -> str:
    """Return the identity of a failed launch: CloudTrail's event id, or a digest of the fallback.

    Only a UUID, which CloudTrail's ids are, is used unchanged: a hand-made record must not take the name of another
    kind of launch.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html

    The ``event_id`` of a record that was made by hand is None; the fallback is the id of the log event, or of the
    EventBridge event, that delivered it.
    """
    if event_id is not None and _UUID.fullmatch(event_id):
        return event_id
    return f"id-{_digest(event_id or fallback, size=32)}"


def call_identity(event_id: str, *, account: str, region: str, parameters: Mapping[str, Any]) -> str:
    """Return the identity that all records of one logical RunTask call share: 32 hexadecimal digits.

    An SDK retry keeps the client token, and CloudTrail records every try. ECS treats two calls on one cluster with one
    token as the same call, so the token is the identity; but only if it is random: a caller that sends a fixed token
    every night means a new run every night.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
    """
    token = parameters.get("clientToken")
    if isinstance(token, str) and _UUID4.fullmatch(token):
        return _digest("call", account, region, str(parameters.get("cluster") or ""), token, size=32)
    return _event_identity(event_id)


def _event_identity(event_id: str) -> str:
    return _digest("event", event_id, size=32)


def task_event_id(task_arn: str) -> str:
    """Return the event id of a launch that is known only from its task, which was accepted and did not start."""
    task_id = task_arn.rpartition("/")[2]
    return f"t-{task_id if _TASK_ID.fullmatch(task_id) else _digest(task_arn, size=32)}"


def task_identity(task_arn: str) -> str:
    """Return ``call_identity`` of the launch of a task that was accepted and did not start."""
    return _event_identity(task_event_id(task_arn))


def own_started_by(launch: FailedLaunch) -> str:
    """Return ``startedBy`` of the tasks that recoveries start for a launch."""
    return started_by_of(launch.request.parameters.get("startedBy"), launch.call_id)


def run_identity(schedule_arn: str, due: float) -> str:
    """Return ``call_identity`` of one run of a schedule: the same for all calls that EventBridge made for it.

    ``due`` is in seconds since 1970.
    """
    return _digest("run", schedule_arn, f"{due:.0f}", size=32)


def recovery_name(stack: str, event_id: str) -> str:
    """Return the durable execution's name. Lambda starts one execution for a name, however often it is asked.

    The stack is part of it, because two stacks must not block each other: AWS's documentation says in one place that
    names are unique within a function, in another within an account and Region.
    """
    room = NAME_MAX - len(event_id) - 1
    prefix = _NOT_IN_A_NAME.sub("-", stack)
    if prefix != stack or len(prefix) > room:
        prefix = f"{prefix[: room - 9]}-{_digest(stack, size=8)}"
    return f"{prefix}-{event_id}"


def member_role(stack: str, path: str = "/") -> str:
    """Return path and name of the role that recoveries assume in other accounts; infra/member.yaml creates it.

    ``path`` is the IAM path of the installation's roles; it begins and ends with a slash.
    """
    return f"{path.removeprefix('/')}{stack}-member"


def audit_role(stack: str, path: str = "/") -> str:
    """Return path and name of the role that the daily audit assumes in other accounts; infra/member.yaml creates it."""
    return f"{member_role(stack, path)}-audit"


def client_token(call_id: str, nth: int) -> str:
    """Return the nth client token of a call identity, from 1: at most 42 of the 64 characters that ECS allows.

    The stack is not part of it: if two stacks recover the same call, ECS gives both the same tasks.
    """
    return f"{TOKEN_PREFIX}{call_id}-{nth}"


def is_our_token(token: object) -> bool:
    """Tell whether a client token was made by a recovery, of any stack."""
    return isinstance(token, str) and _OUR_TOKEN.fullmatch(token) is not None


def started_by_of(original: str | None, call_id: str) -> str:
    """Return ``startedBy`` for our tasks: the original, then our suffix with digits of the call identity.

    ECS allows 128 characters; a longer original is cut.
    """
    suffix = f"{STARTED_BY}/{call_id[:STARTER_DIGITS]}"
    if not original:
        return suffix
    return f"{original[: STARTED_BY_MAX - len(suffix) - 1]}/{suffix}"


def is_ours(started_by: object) -> bool:
    """Tell whether a task was started by a recovery, from its ``startedBy`` alone."""
    return bool(starter_of(started_by))


STARTER_DIGITS = 12


def starter_of(started_by: object) -> str:
    """Return the 12 digits of the call identity that a recovery's task was started for; empty for other tasks.

    >>> starter_of("events-rule/nightly/retry-run-task/0123456789ab"), starter_of("events-rule/nightly")
    ('0123456789ab', '')
    """
    is_suffixed = isinstance(started_by, str) and _OUR_STARTED_BY.fullmatch(started_by)
    return str(started_by)[-STARTER_DIGITS:] if is_suffixed else ""


def original_started_by(started_by: str) -> str:
    """Return ``startedBy`` of one of our tasks without our suffix; empty if the original had none.

    >>> original_started_by("events-rule/nightly/retry-run-task/0123456789ab")
    'events-rule/nightly'
    >>> original_started_by("events-rule/nightly")
    'events-rule/nightly'
    """
    return _AT_THE_END.sub("", started_by)


def again_name(stack: str, launch: FailedLaunch, number: int) -> str:
    """Return the name of a further recovery of a launch whose recovery gave up."""
    return recovery_name(stack, f"{launch.event_id}-again-{number}")


def recovery_name_of(stack: str, launch: FailedLaunch, *, is_reported: bool | None = None) -> str:
    """Return the name of a failed launch's recovery.

    With ``is_reported`` the error is only reported, once a day (UTC) per cause: the name then consists of the cause and
    the day. None means that every raised error is only reported.
    """
    is_error = any(f.origin is Origin.ERROR for f in launch.failures)
    if not (is_error if is_reported is None else is_reported):
        return recovery_name(stack, launch.event_id)
    parameters = launch.request.parameters
    cause = _digest(
        launch.account,
        launch.region,
        launch.caller.role_arn or "",
        *(str(parameters.get(name) or "") for name in ("cluster", "taskDefinition", "startedBy")),
        *(f.code or "" for f in launch.failures),
        size=18,
    )
    return recovery_name(stack, f"report-{launch.event_time:%Y%m%d}-{cause}")
