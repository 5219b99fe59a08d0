"""A user's file, to failed launches: every form in which AWS prints records, events or tasks.

    {"Records": [...]}                                  a trail's log file, also packed by gzip
    {"Events": [{"CloudTrailEvent": "..."}]}            aws cloudtrail lookup-events
    {"events": [{"message": "..."}]}                    aws logs filter-log-events, get-log-events
    {"results": [[{"field": "@message", ...}]]}         aws logs get-query-results
    {"tasks": [...], "failures": [...]}                 aws ecs describe-tasks, run-task
    {"Messages": [{"Body": "..."}]}                     aws sqs receive-message, of a dead-letter queue
    {"detail-type": ..., "detail": {...}}               an EventBridge event
    {"awslogs": {"data": "..."}}                        what a subscription filter sends

and the items of these: alone, in a list, or one per line. ``json_stream`` splits a file into values.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from retry_run_task.errors import PayloadError
from retry_run_task.failures.pasted import read_text
from retry_run_task.launch import wire
from retry_run_task.launch.values import FailedLaunch, Failure, Ignored, Origin, Unparsed
from retry_run_task.sources import cloudtrail, cloudwatch_logs, eventbridge, task_state_change
from retry_run_task.sources.json_stream import lists_in, values
from retry_run_task.sources.reading import ReadError, object_at, read_object, text_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseFailures:
    """Failures of a call about which nothing else is known, such as those in an answer to ``run-task``."""

    failures: tuple[Failure, ...]
    about: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A CloudTrail record, and what its delivery says about it."""

    body: dict[str, Any]
    envelope: cloudtrail.Envelope = field(default_factory=cloudtrail.Envelope)
    where: str = ""


Item = FailedLaunch | LooseFailures | Ignored | Unparsed


def items(chunks: Iterable[bytes]) -> Iterator[Item]:
    """Yield the result for each record, event or task in a file. Never raises for its content."""
    for one in things(chunks):
        if not isinstance(one, Record):
            yield one
            continue
        try:
            yield cloudtrail.parse(one.body, one.envelope)
        except Exception as error:  # noqa: BLE001 - an unforeseen fault is one line for one part
            yield Unparsed(why=why(error), where=one.where)


def things(chunks: Iterable[bytes]) -> Iterator[Record | Item]:
    """Yield each CloudTrail record in a file unparsed, and the result for everything else."""
    for one in values(chunks):
        if isinstance(one, Unparsed):
            yield one
            continue
        if one.around.get("messageType") == _CONTROL:
            yield _TRIED
            continue
        try:
            yield from _things(
                one.body, _Around(where=one.where, member=one.member, owner=_owner(one.around))
            )
        except Exception as error:  # noqa: BLE001 - an unforeseen fault is one line for one part
            yield Unparsed(why=why(error), where=one.where)


def why(error: Exception) -> str:
    """Return one sentence on why something cannot be read."""
    return str(error) if isinstance(error, ReadError) else f"it could not be read ({type(error).__name__})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """What the values around a value say about it."""

    where: str
    member: str | None = None
    owner: str = ""
    envelope: cloudtrail.Envelope = field(default_factory=cloudtrail.Envelope)
    depth: int = 0


_CONTROL = "CONTROL_MESSAGE"
_TRIED = Ignored(why="CloudWatch Logs only tried whether a function can be reached")

# An event in a message in an envelope in a queue.
_DEEPEST = 6


def _things(body: Any, around: _Around) -> Iterator[Record | Item]:
    if around.depth > _DEEPEST:
        raise ReadError("it holds texts within texts, too many of them")
    if isinstance(body, list):
        body = {str(one.get("field")): one.get("value") for one in body if isinstance(one, dict)}
    if not isinstance(body, dict):
        raise ReadError("it is not a JSON object, as a record, an event or a task is")
    inner = _inner(body, around)
    if inner is not None:
        yield from _things(*inner)
        return
    if body.get("messageType") == _CONTROL:
        yield _TRIED
        return
    names = lists_in(body)
    for name in names:
        for one in body[name]:
            yield from _safely(one, replace(around, member=name, owner=_owner(body), depth=around.depth + 1))
    if not names:
        yield _thing(body, around)


def _safely(body: Any, around: _Around) -> Iterator[Record | Item]:
    try:
        yield from _things(body, around)
    except Exception as error:  # noqa: BLE001 - an unforeseen fault is one line for one part
        yield Unparsed(why=why(error), where=around.where)


# Members whose text contains the value itself.
_TEXTS = ("CloudTrailEvent", "message", "@message", "Body", "body", "Message")


def _inner(body: dict[str, Any], around: _Around) -> tuple[Any, _Around] | None:
    """Return the value inside an envelope, if this is one."""
    deeper = replace(around, depth=around.depth + 1)
    if "awslogs" in body:
        return cloudwatch_logs.payload_of(body), deeper
    if isinstance(body.get("requestPayload"), dict):
        # The form that Lambda sends to an on-failure destination.
        return body["requestPayload"], deeper
    name = next((name for name in _TEXTS if isinstance(body.get(name), str)), None)
    if name is None or "eventName" in body or (name in ("Body", "body") and _attributes(body)):
        return None
    if name in ("message", "@message"):
        # A log event. Its id names the recovery if the record has none, as it does in Lambda.
        envelope = cloudtrail.Envelope(
            id=str(body.get("id") or body.get("eventId") or body.get("@ptr") or ""),
            time=cloudtrail.epoch_ms(body.get("timestamp")),
            account=around.owner,
        )
        deeper = replace(deeper, envelope=envelope)
    return read_object(body[name]), deeper


def _thing(body: dict[str, Any], around: _Around) -> Record | Item:
    for is_one, make in _FORMS:
        if is_one(body, around):
            return make(body, around)
    names = ", ".join(ascii(name)[1:-1][:40] for name in list(body)[:6]) or "nothing"
    raise ReadError(f"it is none of the forms that are known here; it holds {names}")


def _other_event(event: dict[str, Any], _: _Around) -> Ignored:
    resources = event.get("resources")
    rules = (
        ", ".join(str(arn).partition("rule/")[2] for arn in resources) if isinstance(resources, list) else ""
    )
    of_rule = f" of the rule {rules}" if rules else ""
    return Ignored(
        why=f"this is the event{of_rule} itself; why its task was not started is in the message's attributes"
    )


def _record_of_event(event: dict[str, Any], around: _Around) -> Record:
    record = object_at(event, "detail")
    if record is None:
        raise ReadError("it has no detail, which would be the CloudTrail record")
    return Record(body=record, envelope=eventbridge.envelope_of(event), where=around.where)


def _task_of_event(event: dict[str, Any], _: _Around) -> FailedLaunch | Ignored:
    task = object_at(event, "detail")
    if task is None:
        raise ReadError("it has no detail, which would be the task")
    return _task(task, event)


def _task(task: dict[str, Any], event: dict[str, Any]) -> FailedLaunch | Ignored:
    # arn:aws:ecs:<region>:<account>:task/<cluster>/<id>
    parts = (text_at(task, "taskArn") or "").split(":")
    region, account = (parts[3], parts[4]) if len(parts) > 5 else ("", "")  # noqa: PLR2004 - an ARN has six parts
    times = {name: _time(task.get(name)) for name in _TIMES}
    told = next((text for text in times.values() if text), text_at(event, "time"))
    return task_state_change.launch_of(
        task | times | {"startedAt": _time(task.get("startedAt")), "stoppedAt": told},
        account=text_at(event, "account") or account,
        region=text_at(event, "region") or region,
        is_anyones=True,
    )


_FAILURE = frozenset({"arn", "reason", "detail"})
# When a task stopped, the best first.
_TIMES = ("stoppedAt", "stoppingAt", "executionStoppedAt", "createdAt")


def _time(value: Any) -> str | None:
    """Return a time as text; version 1 of the AWS CLI prints seconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        moment = cloudtrail.epoch_ms(value * 1000)
        return moment.isoformat() if moment else None
    return value if isinstance(value, str) else None


def _failure(body: dict[str, Any], around: _Around) -> LooseFailures | Ignored:
    arn = text_at(body, "arn")
    if arn is not None and ":task/" in arn:
        return Ignored(why=f"describe-tasks knows no task {arn.rpartition('/')[2]} any more")
    failure = Failure(
        origin=Origin.ANSWER, reason=text_at(body, "reason") or "", detail=text_at(body, "detail"), arn=arn
    )
    return LooseFailures(failures=(failure,), about="an answer of RunTask", where=around.where)


def _attributes(body: dict[str, Any]) -> dict[str, str]:
    """Return why EventBridge could not deliver a message of its dead-letter queue; empty if it is no such message."""
    found = body.get("MessageAttributes") or body.get("messageAttributes")
    if not isinstance(found, dict) or "ERROR_MESSAGE" not in found:
        return {}
    texts = {
        name: value.get("StringValue") or value.get("stringValue")
        for name, value in found.items()
        if isinstance(value, dict)
    }
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _undelivered(body: dict[str, Any], around: _Around) -> LooseFailures:
    said = _attributes(body)
    failure = read_text(said["ERROR_MESSAGE"]).failure
    if failure.origin is not Origin.ERROR:
        failure = Failure(origin=Origin.ERROR, code=said.get("ERROR_CODE"), reason=failure.reason)
    name = said.get("RULE_ARN") or said.get("SCHEDULE_ARN") or said.get("TARGET_ARN") or "a target"
    return LooseFailures(failures=(failure,), about=f"{name} at its last try", where=around.where)


def _launch(body: dict[str, Any], _: _Around) -> FailedLaunch:
    try:
        return wire.launch_from_json(body)
    except PayloadError:
        raise ReadError("it looks like what intake sends to recover, and is not") from None


def _owner(around: dict[str, Any]) -> str:
    owner = around.get("owner")
    return owner if isinstance(owner, str) else ""


_Form = tuple[Callable[[dict[str, Any], _Around], bool], Callable[[dict[str, Any], _Around], Record | Item]]

# What a value is, by members that only this form has; the first match counts.
_FORMS: tuple[_Form, ...] = (
    (lambda body, _: body.get("detail-type") == task_state_change.DETAIL_TYPE, _task_of_event),
    (lambda body, _: body.get("detail-type") == eventbridge.DETAIL_TYPE, _record_of_event),
    (lambda body, _: "detail-type" in body, _other_event),
    (lambda body, _: "taskArn" in body, lambda body, _: _task(body, {})),
    (
        lambda body, around: "reason" in body and (around.member == "failures" or body.keys() <= _FAILURE),
        _failure,
    ),
    (lambda body, _: bool(_attributes(body)), _undelivered),
    (lambda body, _: {"call_id", "failures"} <= body.keys(), _launch),
    (
        lambda body, _: "digestS3Object" in body,
        lambda _, __: Ignored(why="this is a digest that CloudTrail writes beside its records"),
    ),
    (
        lambda body, _: "eventName" in body or "requestParameters" in body,
        lambda body, around: Record(body=body, envelope=around.envelope, where=around.where),
    ),
)
