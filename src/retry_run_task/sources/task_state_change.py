"""An *ECS Task State Change* event of a task that was accepted and did not start, to a failed launch.

Shortened::

    {"id": "3317b2af-...", "detail-type": "ECS Task State Change", "source": "aws.ecs",
     "account": "123456789012", "time": "2026-11-24T00:03:00Z", "region": "ap-northeast-1",
     "detail": {"clusterArn": "arn:aws:ecs:...:cluster/batch", "taskArn": "arn:aws:ecs:...:task/batch/0f9c...",
         "taskDefinitionArn": "arn:aws:ecs:...:task-definition/nightly:7", "startedBy": "events-rule/nightly",
         "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedReason": "...", "stoppedAt": "...",
         "containers": [{"name": "app", "reason": "..."}],
         "overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "X", "value": "secret"}]}]}}}

The event does not carry the request (no security groups, only the chosen subnet), so the request is read from the rule
or schedule that started the task. ``overrides`` has environment values in clear text, so none of it is kept.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.launch import names
from retry_run_task.launch.schedule import EVERYTHING_ELSE, SPOT_INTERRUPTION, STARTED_BY_PREFIXES
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    Ignored,
    IncompleteRequest,
    Origin,
    Unparsed,
)
from retry_run_task.sources.reading import ReadError, object_at, text_at, time_of
from retry_run_task.sources.tasks import cause, is_torn_down, state

if TYPE_CHECKING:
    from collections.abc import Iterator

DETAIL_TYPE = "ECS Task State Change"

# The rule that the product installs. Spot interruptions of tasks that had not started arrive as these, too.
EVENT_PATTERN: dict[str, Any] = {
    "source": ["aws.ecs"],
    "detail-type": [DETAIL_TYPE],
    "detail": {
        "lastStatus": ["STOPPED"],
        "stopCode": ["TaskFailedToStart", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"],
        "startedBy": [{"prefix": prefix} for prefix in STARTED_BY_PREFIXES.values()],
    },
}

# What the rule forwards of an event: the members read below, without `overrides`. An event that intake fails on stays
# in a dead-letter queue for two weeks, with all that was forwarded. A variable between quotation marks is empty if the
# event lacks the member; the other two are always present.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
_OF_THE_EVENT = ("id", "account", "time", "region")
_OF_THE_TASK = (
    *("clusterArn", "taskArn", "taskDefinitionArn", "startedBy", "availabilityZone"),
    *("createdAt", "startedAt", "stoppedAt", "desiredStatus", "lastStatus", "stopCode"),
)
_AS_JSON = ("stoppedReason", "containers")
INPUT_PATHS = {name: f"$.{name}" for name in _OF_THE_EVENT} | {
    name: f"$.detail.{name}" for name in (*_OF_THE_TASK, *_AS_JSON)
}
INPUT_TEMPLATE = (
    f'{{"detail-type": "{DETAIL_TYPE}", "source": "aws.ecs", '
    + ", ".join(f'"{name}": "<{name}>"' for name in _OF_THE_EVENT)
    + ', "detail": {'
    + ", ".join(
        [*(f'"{name}": "<{name}>"' for name in _OF_THE_TASK), *(f'"{name}": <{name}>' for name in _AS_JSON)]
    )
    + "}}"
)


def parse(event: dict[str, Any]) -> Iterator[FailedLaunch | Ignored | Unparsed]:
    """Yield the result for the one task in an event. Never raises for its content."""
    where = None
    try:
        where = f"EventBridge event {text_at(event, 'id') or ''}"
        detail = object_at(event, "detail")
        if detail is None:
            raise ReadError("it has no detail, which would be the task")
        account, region = text_at(event, "account") or "", text_at(event, "region") or ""
        yield launch_of(detail, account=account, region=region, told=text_at(event, "time"))
    except ReadError as error:
        yield Unparsed(why=str(error), where=where)
    except Exception as error:  # noqa: BLE001 - an unforeseen fault is one line for one record
        yield Unparsed(why=f"it could not be read ({type(error).__name__})", where=where)


def launch_of(
    detail: dict[str, Any], *, account: str, region: str, told: str | None = None, is_anyones: bool = False
) -> FailedLaunch | Ignored:
    """Return the failed launch of a task, or why it is none.

    ``told`` is the time of ECS's event, for a task without a stop time. ``is_anyones`` includes a task that neither a
    rule nor a schedule started.

    Raises:
        ReadError: It lacks a member that a launch needs.
    """
    arn = text_at(detail, "taskArn")
    started_by = text_at(detail, "startedBy") or ""
    if not arn:
        raise ReadError("its detail has no taskArn")
    if names.is_ours(started_by):
        # A recovery is over once its task runs, so what Spot takes after that is a new failure.
        if detail.get("stopCode") != SPOT_INTERRUPTION or not text_at(detail, "startedAt"):
            return Ignored(why="a recovery started this task and is watching it")
        started_by = names.original_started_by(started_by)
    kind = next((k for k, prefix in STARTED_BY_PREFIXES.items() if started_by.startswith(prefix)), None)
    if kind is None and is_anyones:
        kind = CallerKind.OTHER
    if kind is None:
        return Ignored(why="neither an EventBridge rule nor a schedule started this task")
    failure = _failure(detail)
    if failure is None:
        return Ignored(why="this task has run, or still may")
    definition = text_at(detail, "taskDefinitionArn")
    if not definition:
        raise ReadError("its detail has no taskDefinitionArn")
    stopped = text_at(detail, "stoppedAt") or told
    if stopped is None:
        raise ReadError("it does not say when the task stopped")
    created = text_at(detail, "createdAt")
    return FailedLaunch(
        event_id=names.task_event_id(arn),
        call_id=names.task_identity(arn),
        event_time=time_of(stopped),
        account=account,
        region=region,
        caller=Caller(kind=kind, is_proven=False),
        request=IncompleteRequest(
            parameters={
                "cluster": text_at(detail, "clusterArn"),
                "taskDefinition": definition,
                "startedBy": started_by,
                # One task failed, however many the call asked for.
                "count": 1,
            },
            missing=(EVERYTHING_ELSE,),
        ),
        failures=(failure,),
        created=time_of(created) if created else None,
    )


def _failure(detail: dict[str, Any]) -> Failure | None:
    """Return why a task did not start, or that Spot interrupted it."""
    code = text_at(detail, "stopCode")
    reason = text_at(detail, "stoppedReason") or ""
    if code == SPOT_INTERRUPTION and detail.get("lastStatus") == "STOPPED" and detail.get("startedAt"):
        return Failure(origin=Origin.STOPPED, code=code, reason=reason, ran="it had started")
    return cause(detail) if is_torn_down(detail) else state(detail).failure
