"""A CloudWatch Logs subscription event, to the CloudTrail records in it.

What Lambda gets is ``{"awslogs": {"data": "<base64 of gzip of JSON>"}}``, and the JSON is::

    {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "aws-cloudtrail-logs",
     "logStream": "123456789012_CloudTrail_ap-northeast-1", "subscriptionFilters": ["RunTaskFailureFilter"],
     "logEvents": [{"id": "3711...", "timestamp": 1795478703000, "message": "{...one CloudTrail record...}"}]}

``messageType`` is ``CONTROL_MESSAGE`` when CloudWatch Logs only tests whether the function can be reached.
Other members, such as ``policyLevel``, are ignored.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.sources import cloudtrail
from retry_run_task.sources.reading import ReadError, read_object, text_at

if TYPE_CHECKING:
    from collections.abc import Iterator

# CloudWatch Logs invokes asynchronously, so a payload has at most 1 MB; records compress to about a twentieth. Anything
# larger was crafted. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_MAX = 32 * 1024 * 1024

# zlib's window size with 32 added: recognise gzip and zlib headers alike. https://www.zlib.net/manual.html
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


def parse(event: dict[str, Any]) -> Iterator[FailedLaunch | Ignored | Unparsed]:
    """Yield the result for each record in a subscription event. Never raises for its content."""
    try:
        payload = payload_of(event)
        log_events = payload.get("logEvents")
        if payload.get("messageType") == "CONTROL_MESSAGE":
            yield Ignored(why="CloudWatch Logs only tried whether this function can be reached")
            return
        if payload.get("messageType") != "DATA_MESSAGE" or not isinstance(log_events, list):
            raise ReadError("the payload is not a DATA_MESSAGE with logEvents, nor a CONTROL_MESSAGE")
    except ReadError as error:
        yield Unparsed(why=str(error))
        return
    owner = payload.get("owner")
    for position, log_event in enumerate(log_events):
        yield _one(log_event, position, owner if isinstance(owner, str) else "")


def _one(log_event: Any, position: int, owner: str) -> FailedLaunch | Ignored | Unparsed:
    where = f"log event {position + 1} of the payload"
    try:
        if not isinstance(log_event, dict) or not isinstance(log_event.get("message"), str):
            raise ReadError("it is not a log event with a message")
        envelope = cloudtrail.Envelope(
            id=text_at(log_event, "id") or "",
            time=cloudtrail.epoch_ms(log_event.get("timestamp")),
            account=owner,
        )
        where = f"log event {envelope.id}" if envelope.id else where
        return cloudtrail.parse(read_object(log_event["message"]), envelope)
    except ReadError as error:
        return Unparsed(why=str(error), where=where)
    except Exception as error:  # noqa: BLE001 - an unforeseen fault is one line for one record
        return Unparsed(why=f"it could not be read ({type(error).__name__})", where=where)


def payload_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return the unpacked payload of a subscription event.

    Raises:
        ReadError: It cannot be unpacked, or is no JSON object.
    """
    awslogs = event.get("awslogs")
    data = awslogs.get("data") if isinstance(awslogs, dict) else None
    if not isinstance(data, str):
        raise ReadError("awslogs.data is not a string")
    try:
        packed = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ReadError("awslogs.data is not base64; it may have been cut off") from None
    try:
        # Not bound to a name, so that the unpacked bytes are freed as soon as they are parsed.
        payload = json.loads(unpack(packed))
    except ReadError:
        raise
    except (ValueError, RecursionError):
        raise ReadError("what awslogs.data unpacks to is not JSON") from None
    if not isinstance(payload, dict):
        raise ReadError("what awslogs.data unpacks to is not a JSON object")
    return payload


def unpack(packed: bytes) -> bytes:
    """Unpack gzip or zlib, with one member or several.

    Raises:
        ReadError: It is neither, it is cut off, or it unpacks to more than ``UNPACKED_MAX`` bytes.
    """
    parts: list[bytes] = []
    room = UNPACKED_MAX
    while packed:
        stream = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
        try:
            part = stream.decompress(packed, room + 1)
        except zlib.error:
            raise ReadError("awslogs.data is neither gzip nor zlib, or it is damaged") from None
        room -= len(part)
        if room < 0:
            raise ReadError(f"awslogs.data unpacks to more than {UNPACKED_MAX // 1024**2} MB; it is not read")
        if not stream.eof:
            raise ReadError("awslogs.data is cut off in the middle of its compressed text")
        parts.append(part)
        packed = stream.unused_data
    return b"".join(parts)
