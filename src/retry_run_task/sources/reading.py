"""Reads JSON from untrusted sources: strict, bounded, and with a sentence for every refusal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NoReturn

# CloudTrail sends no event over 256 KB to CloudWatch Logs or EventBridge.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
# A hand-made record may be larger; a log event is at most 1 MB.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
MESSAGE_MAX = 1024 * 1024


class ReadError(ValueError):
    """A text or value is invalid. The message says what was found and what was expected."""


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object in the message of a log event.

    A duplicate name in an object is refused: either value may have been meant.

    Raises:
        ReadError: Not JSON, not an object, too long, too deep, or ambiguous.
    """
    if len(text) > MESSAGE_MAX:
        raise ReadError(f"it has {len(text)} characters, and a log event has at most {MESSAGE_MAX}")
    value = read_json(text)
    if not isinstance(value, dict):
        raise ReadError(f"it is {_kind(value)}, and a CloudTrail record is a JSON object")
    return value


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ReadError: Not JSON, too deep, or ambiguous.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ReadError:
        raise
    except RecursionError:
        raise ReadError("it is JSON nested too deeply to be a CloudTrail record") from None
    except ValueError as error:
        # JSONDecodeError, or an integer with more digits than Python converts. Neither quotes the text.
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise ReadError(f"it is not JSON{place}, and a CloudTrail record is a JSON object") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ReadError(
            f"an object in it has the name {ascii(twice)[:80]} twice, so its meaning is uncertain"
        )
    return result


def _no_constant(name: str) -> NoReturn:
    raise ReadError(f"it holds {name}, which is not JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
"""Reads a value inside a longer text, with the same strictness."""


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def text_at(record: dict[str, Any], name: str) -> str | None:
    """Return a string member, lone surrogates replaced; None if it is absent or null.

    Raises:
        ReadError: It has another type.
    """
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ReadError(f"{name} is {_kind(value)}, and a string was expected")
    # A text that was cut in the middle of a character can be neither logged nor sent.
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def object_at(record: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return an object member; None if it is absent or null.

    Raises:
        ReadError: It has another type.
    """
    value = record.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise ReadError(f"{name} is {_kind(value)}, and an object was expected")


def objects_at(record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of objects; empty if it is absent or null.

    Raises:
        ReadError: It has another type, or an item has.
    """
    value = record.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ReadError(f"{name} is {_kind(value)}, and a list was expected")
    for item in value:
        if not isinstance(item, dict):
            raise ReadError(f"{name} holds {_kind(item)}, and objects were expected")
    return value


# Limits for calendars, waits and four-digit years: no real call has a time outside them.
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


def time_of(text: str) -> datetime:
    """Return a time in the format of CloudTrail and EventBridge, in UTC.

    Raises:
        ReadError: The format is another, or the time is implausible.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ReadError("its time is not a time such as 2026-11-24T00:00:03Z") from None
    if not is_plausible(moment):
        raise ReadError(f"its time is not of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


def is_plausible(moment: datetime) -> bool:
    """Tell whether a call can have been made at that time."""
    return _FIRST_YEAR <= moment.year <= _LAST_YEAR
