"""Pauses of durable executions, as AWS's history shows them. The local runner pauses, and forgets when and why.

https://docs.aws.amazon.com/lambda/latest/dg/durable-pause-resume.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPause:
    """One pause.

    Attributes:
        is_timeout_paused: Whether the execution's time-out does not count meanwhile. The local runner's always does.
        paused: When no handler ran any more; None while one runs.
        resumed: When it ended; None while it lasts.
    """

    asked: datetime
    reason: str | None
    is_timeout_paused: bool
    token: str | None
    paused: datetime | None = None
    resumed: datetime | None = None
    resume_reason: str | None = None
    resume_token: str | None = None


class Pauses:
    """The pauses of every execution, oldest first."""

    def __init__(self, now: Callable[[], datetime], repeatable_for: timedelta) -> None:
        self._now, self._repeatable_for = now, repeatable_for
        self._pauses: dict[str, list[ExecutionPause]] = {}

    def last(self, arn: str) -> ExecutionPause | None:
        """Return the last pause of an execution, whether it lasts or not."""
        pauses = self._pauses.get(arn)
        return pauses[-1] if pauses else None

    def is_held(self, arn: str) -> bool:
        """Tell whether a pause was asked for and has not ended."""
        last = self.last(arn)
        return last is not None and last.resumed is None

    def is_repeat(self, arn: str, action: str, token: str | None) -> bool:
        """Tell whether the same request was made less than a quarter of an hour ago."""
        last = self.last(arn)
        if last is None or token is None:
            return False
        known, time = (
            (last.token, last.asked) if action == "pause" else (last.resume_token, last.resumed or last.asked)
        )
        return known == token and self._now() - time <= self._repeatable_for

    def begin(self, arn: str, asked: Mapping[str, Any]) -> None:
        """Remember that a pause was asked for."""
        self._pauses.setdefault(arn, []).append(
            ExecutionPause(
                asked=self._now(),
                reason=asked.get("Reason"),
                is_timeout_paused=asked.get("ExecutionTimeoutPaused", True),
                token=asked.get("ClientToken"),
            )
        )

    def settle(self, arn: str) -> None:
        """Remember that no handler runs any more."""
        self._pauses[arn][-1] = replace(self._pauses[arn][-1], paused=self._now())

    def end(self, arn: str, asked: Mapping[str, Any]) -> None:
        """Remember that the execution goes on."""
        self._pauses[arn][-1] = replace(
            self._pauses[arn][-1],
            resumed=self._now(),
            resume_reason=asked.get("Reason"),
            resume_token=asked.get("ClientToken"),
        )

    def details(self, arn: str, *, has_data: bool) -> Json | None:
        """Return https://docs.aws.amazon.com/lambda/latest/api/API_PauseDetails.html; None if it is not held."""
        last = self.last(arn)
        if last is None or last.resumed is not None:
            return None
        return {
            "PauseRequestTimestamp": last.asked.timestamp(),
            "ExecutionTimeoutPaused": last.is_timeout_paused,
            **({"Reason": last.reason} if has_data and last.reason is not None else {}),
        }

    def events(self, arn: str, *, has_data: bool) -> list[Json]:
        """Return the events of a history that are about pauses, without their numbers.

        https://docs.aws.amazon.com/lambda/latest/api/API_ExecutionPausedDetails.html
        """
        found: list[Json] = []
        for pause in self._pauses.get(arn, ()):
            if pause.paused is not None:
                found.append(
                    {
                        "EventType": "ExecutionPaused",
                        "EventTimestamp": pause.paused.timestamp(),
                        "ExecutionPausedDetails": {
                            "PauseRequestTimestamp": pause.asked.timestamp(),
                            "ExecutionTimeoutPaused": pause.is_timeout_paused,
                            **_reason(pause.reason, has_data=has_data),
                        },
                    }
                )
            if pause.resumed is not None:
                found.append(
                    {
                        "EventType": "ExecutionResumed",
                        "EventTimestamp": pause.resumed.timestamp(),
                        "ExecutionResumedDetails": {
                            "ResumeRequestTimestamp": pause.resumed.timestamp(),
                            **_reason(pause.resume_reason, has_data=has_data),
                        },
                    }
                )
        return found


def _reason(reason: str | None, *, has_data: bool) -> Json:
    return {"Reason": {"Payload": reason, "Truncated": False}} if has_data and reason is not None else {}
