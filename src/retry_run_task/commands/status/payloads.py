"""What the events of a durable execution's history hold: payloads, errors, times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from retry_run_task.errors import PayloadError
from retry_run_task.launch import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import (
        FailedLaunch,
        JsonObject,
    )


def read_payload(payload: str | None) -> FailedLaunch | None:
    """Return the failed launch that a recovery was started with; None if the input is none."""
    body = json_of(payload)
    if body is None:
        return None
    try:
        return wire.launch_from_json(body)
    except PayloadError:
        return None


def payload_of(event: Mapping[str, Any], details: str, member: str) -> str | None:
    """Return a payload's text; None if there is none, or Lambda left it out."""
    inner = (event.get(details) or {}).get(member) or {}
    payload = inner.get("Payload")
    return payload if isinstance(payload, str) else None


def error_of(event: Mapping[str, Any], details: str) -> tuple[str, str]:
    """Return the kind and the words of an error; empty if there is none."""
    error = (event.get(details) or {}).get("Error") or {}
    payload = error.get("Payload") or {}
    return str(payload.get("ErrorType") or ""), " ".join(str(payload.get("ErrorMessage") or "").split())


def json_of(text: str | None) -> JsonObject | None:
    """Return an object that was kept as JSON; None if the text is none."""
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def time_of(value: Any) -> datetime:
    """Return an event's time in UTC; 1970 if it has none."""
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromtimestamp(0, UTC)
