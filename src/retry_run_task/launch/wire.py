"""The values as JSON: what intake sends to recover, and what a step saves in a checkpoint.

Intake's payload is canonical: the same failure gives the same bytes, whichever source delivered it; source, arrival
time and version are not in it. Lambda compares payloads when a name is started again.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from retry_run_task.errors import PayloadError
from retry_run_task.launch.request import cluster_name
from retry_run_task.launch.values import (
    Answer,
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    JsonObject,
    Lost,
    Origin,
    Phase,
    Placed,
    Refused,
    Request,
    TaskState,
    Unbuildable,
    Unread,
)
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A reason is a sentence; CloudTrail itself truncates an error message at 1 KB.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
_TEXT_MAX = 1024


def canonical(value: Any) -> str:
    """Return canonical JSON: sorted, without spaces, ASCII only.

    Raises:
        ValueError: The value holds a number that JSON does not have, such as infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def launch_to_json(launch: FailedLaunch) -> JsonObject:
    """Return the payload that recover is started with."""
    body: JsonObject = {
        "event_id": launch.event_id,
        "call_id": launch.call_id,
        "event_time": iso(launch.event_time),
        "account": launch.account,
        "region": launch.region,
        "caller": _caller_to_json(launch.caller),
        "request": dict(launch.request.parameters),
        "failures": failures_to_json(launch.failures),
        "placed": list(launch.placed),
    }
    if isinstance(launch.request, IncompleteRequest):
        body["missing"] = list(launch.request.missing)
    if launch.created is not None:
        body["created"] = iso(launch.created)
    return body


def launch_from_json(body: Mapping[str, Any]) -> FailedLaunch:
    """Read what ``launch_to_json`` wrote.

    Raises:
        PayloadError: It is something else, for example because recover was invoked by hand.
    """
    try:
        parameters = body["request"]
        missing = tuple(body.get("missing", ()))
        return FailedLaunch(
            event_id=body["event_id"],
            call_id=body["call_id"],
            event_time=datetime.fromisoformat(body["event_time"]),
            account=body["account"],
            region=body["region"],
            caller=_caller_from_json(body["caller"]),
            request=IncompleteRequest(parameters=parameters, missing=missing)
            if missing
            else Request(parameters=parameters),
            failures=failures_from_json(body["failures"]),
            placed=tuple(body["placed"]),
            created=datetime.fromisoformat(body["created"]) if "created" in body else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Not the error's text: it may quote the payload, and the execution keeps it.
        what = f"KeyError: {error}" if isinstance(error, KeyError) else type(error).__name__
        raise PayloadError(
            f"this is not a failed launch as intake sends it ({what}).",
            hint="Put a record into the log group instead of invoking recover by hand.",
        ) from None


def _caller_to_json(caller: Caller) -> JsonObject:
    body: JsonObject = {"kind": caller.kind.value, "role_arn": caller.role_arn}
    return body if caller.is_proven else body | {"proven": False}


def _caller_from_json(body: Mapping[str, Any]) -> Caller:
    return Caller(
        kind=CallerKind(body["kind"]), role_arn=body["role_arn"], is_proven=bool(body.get("proven", True))
    )


def about(launch: FailedLaunch) -> JsonObject:
    """Return the fields that every log line about a launch has, to search the log by."""
    parameters = launch.request.parameters
    return {
        "event_id": launch.event_id,
        "account": launch.account or None,
        "region": launch.region or None,
        "caller": launch.caller.kind.value,
        "cluster": cluster_name(parameters) if parameters else None,
        "task_definition": parameters.get("taskDefinition"),
        "started_by": parameters.get("startedBy"),
    }


def answer_to_json(answer: Answer) -> JsonObject:
    """Return what the run-task step saves in its checkpoint: task ARNs and AWS's words, nothing of the request."""
    match answer:
        case Placed(task_arns=arns, failures=failures, is_conflict=conflict):
            placed = {"task_arns": list(arns), "failures": failures_to_json(failures), "conflict": conflict}
            return {"answer": "placed", **placed}
        case Refused(failure=failure, is_unsure=unsure):
            return {"answer": "refused", "failures": failures_to_json([failure]), "unsure": unsure}
        case Lost(failure=failure):
            return {"answer": "lost", "failures": failures_to_json([failure])}
        case Unbuildable(why=why):
            return {"answer": "unbuildable", "failures": [], "why": why}
        case Unread(failure=failure):
            return {"answer": "unread", "failures": failures_to_json([failure])}


def answer_from_json(body: Mapping[str, Any]) -> Answer:
    """Read what ``answer_to_json`` wrote."""
    failures = failures_from_json(body["failures"])
    if body["answer"] == "placed":
        return Placed(task_arns=tuple(body["task_arns"]), failures=failures, is_conflict=body["conflict"])
    if body["answer"] == "refused":
        return Refused(failure=failures[0], is_unsure=body["unsure"])
    if body["answer"] == "unbuildable":
        return Unbuildable(why=body["why"])
    if body["answer"] == "unread":
        return Unread(failure=failures[0])
    return Lost(failure=failures[0])


def states_to_json(states: Iterable[TaskState]) -> list[JsonObject]:
    """Return what a step that looked at tasks saves in its checkpoint."""
    return [
        {
            "arn": s.arn,
            "phase": s.phase.value,
            "failures": failures_to_json([s.failure] if s.failure else []),
            "ours": s.is_ours,
            **({"zone": s.zone} if s.zone else {}),
            **({"created": s.created} if s.created is not None else {}),
            **({"starter": s.starter} if s.starter else {}),
        }
        for s in states
    ]


def states_from_json(items: Iterable[Mapping[str, Any]]) -> tuple[TaskState, ...]:
    """Read what ``states_to_json`` wrote."""
    return tuple(
        TaskState(
            arn=item["arn"],
            phase=Phase(item["phase"]),
            failure=next(iter(failures_from_json(item["failures"])), None),
            is_ours=item["ours"],
            zone=item.get("zone", ""),
            created=item.get("created"),
            starter=item.get("starter", ""),
        )
        for item in items
    )


def failures_to_json(failures: Iterable[Failure]) -> list[JsonObject]:
    """Return failures with the members that are set, texts cut at 1 KB."""
    return [
        {
            key: value[:_TEXT_MAX]
            for key, value in (
                ("origin", f.origin.value),
                ("code", f.code),
                ("reason", f.reason),
                ("detail", f.detail),
                ("arn", f.arn),
                ("container", f.container),
                ("ran", f.ran),
            )
            if value
        }
        | ({"times": f.times} if f.times > 1 else {})
        for f in failures
    ]


def failures_from_json(items: Iterable[Mapping[str, Any]]) -> tuple[Failure, ...]:
    """Read what ``failures_to_json`` wrote."""
    return tuple(
        Failure(
            origin=Origin(item["origin"]),
            code=item.get("code"),
            reason=item.get("reason", ""),
            detail=item.get("detail"),
            arn=item.get("arn"),
            container=item.get("container"),
            ran=item.get("ran"),
            times=item.get("times", 1),
        )
        for item in items
    )
