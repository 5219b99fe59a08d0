"""The errors that a user may see. Each is one sentence that says what to do next."""

from __future__ import annotations


class RetryRunTaskError(Exception):
    """Base of every error that this package raises on purpose: what is wrong, and a hint on what to do, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message} {hint}")
        self.what, self.hint = message, hint


class ConfigError(RetryRunTaskError):
    """A setting is missing, unknown or invalid. Names every problem, not only the first."""


class PayloadError(RetryRunTaskError):
    """Recover's payload is not one of intake's."""


class StartError(RetryRunTaskError):
    """Some recoveries could not be started, those of ``event_ids``; the event must be delivered again."""

    def __init__(self, message: str, *, event_ids: tuple[str, ...], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.event_ids = event_ids


class GaveUpError(RetryRunTaskError):
    """A recovery ended without its tasks. Raised so that the execution's status is FAILED."""


class OvertakenError(GaveUpError):
    """The same, and no message was sent: the daily audit finds the execution by this name and reports it."""
