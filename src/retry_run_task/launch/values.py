"""The values of the system: what failed, what was requested, who called, and what AWS answered.

All are frozen and comparable, and have no side effects. A failed launch is made once, by a parser in ``sources``, and
passed on unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


class Origin(StrEnum):
    """Where AWS reported that a launch failed."""

    ANSWER = "answer"
    """An entry of ``failures[]`` in RunTask's HTTP 200 answer: the call was authorised and raised no error."""
    ERROR = "error"
    """An exception that RunTask raised."""
    STOPPED = "stopped"
    """The stop code and stopped reason of a task that was accepted and did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure that AWS reported for a launch.

    Attributes:
        code: The exception's code (``ThrottlingException``) or the task's stop code; None for ``failures[]``.
        reason: The text, exactly as AWS wrote it; empty if AWS gave none.
        detail: ``failures[].detail``; None if absent.
        container: Name of the container that gave the reason; None if the task or RunTask did.
        ran: Evidence that something in the task ran, such as ``exit code 1``; None if there is none.
        times: How often it was reported; the ARN is that of the first.
    """

    origin: Origin
    code: str | None = None
    reason: str = ""
    detail: str | None = None
    arn: str | None = None
    container: str | None = None
    ran: str | None = None
    times: int = 1

    @property
    def said(self) -> str:
        """Code and reason in one line, and the container that gave them; empty if AWS gave none."""
        about = ", ".join(
            part for part in (self.container and f"container {self.container}", self.ran) if part
        )
        words = ": ".join(part for part in (self.code, self.reason) if part)
        return f"{words} ({about})".lstrip() if about else words


_DISTINCT_MAX = 20


def distinct(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return the failures without repeats, each with its count, in the order of first appearance.

    On EC2, RunTask may return a failure for each instance of the cluster, and the answer of each attempt is kept. If
    more than 20 differ, those that differ only in their detail count as one.
    """
    said = list(failures)
    found: dict[tuple[str | None, ...], Failure] = {}
    for with_detail in (True, False):
        found.clear()
        for one in said:
            key = (one.origin, one.code, one.reason, one.detail if with_detail else None)
            first = found.get(key)
            found[key] = replace(first, times=first.times + one.times) if first else one
        if len(found) <= _DISTINCT_MAX:
            break
    return tuple(found.values())


class CallerKind(StrEnum):
    """Who made the RunTask call that failed."""

    RULE = "rule"
    SCHEDULER = "scheduler"
    HAND_MADE = "hand-made"
    """A record without a caller, put into the log group by a person."""
    OTHER = "other"
    """An SDK, the AWS CLI or the console."""
    BATCH = "batch"
    STEP_FUNCTIONS = "step-functions"
    OWN = "own"
    """A recovery of this system, of this or another stack."""


CLOCKS_DIFFER_S = 2
"""Seconds by which ECS's clock (times in records and tasks) may be behind EventBridge's (due times of runs)."""

SCHEDULED = frozenset({CallerKind.RULE, CallerKind.SCHEDULER})
"""Callers whose rule or schedule can be looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller, as CloudTrail recorded it.

    Attributes:
        role_arn: ARN of the assumed role (``sessionIssuer.arn``) or of the user; None if not recorded.
        is_proven: Whether AWS itself recorded the kind. If not, ``kind`` is the caller's own claim, and the launch is
            recovered only if a schedule that uses its role is found.
    """

    kind: CallerKind
    role_arn: str | None = None
    is_proven: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The parameters of a RunTask call that are complete and may be sent again.

    Attributes:
        parameters: As recorded, in the API's spelling, without what must not be sent again. Members that this version
            does not know are kept.
    """

    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteRequest:
    """A request with a part missing. RunTask is called only after ``schedule.complete`` has made a ``Request`` of it.

    ``missing`` has paths such as ``overrides.containerOverrides[app].environment``.
    """

    parameters: Mapping[str, Any]
    missing: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedLaunch:
    """A RunTask call that did not place every task it asked for. Intake creates it and recover handles it.

    Attributes:
        event_id: CloudTrail's ``eventID``, or its substitute in a hand-made record. Names the recovery.
        call_id: The same for every record of one logical call, including an SDK's retries. Client tokens are derived
            from it, so that two recoveries of one call share their tasks.
        event_time: When the call was made, in UTC.
        created: When the task that failed to start was created, in UTC; None for a failed call.
    """

    event_id: str
    call_id: str
    event_time: datetime
    account: str
    region: str
    caller: Caller
    request: Request | IncompleteRequest
    failures: tuple[Failure, ...]
    placed: tuple[str, ...] = ()
    created: datetime | None = None

    @property
    def due_by(self) -> datetime:
        """A time by which the failed run was due, and before which the next one is not due."""
        return self.created or self.event_time

    def with_call_id(self, call_id: str) -> FailedLaunch:
        """Return this launch under a call identity, which usually is its own."""
        return self if call_id == self.call_id else replace(self, call_id=call_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A record that was understood and needs no recovery here."""

    why: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unparsed:
    """A record, or a whole payload, that could not be read.

    Attributes:
        why: One sentence: what was found, and what was expected. Never quotes the record's values.
        where: Which record of the payload, such as ``log event 3711…``; None for the payload itself.
    """

    why: str
    where: str | None = None


class Category(StrEnum):
    """The kind of a failure, from what must be fixed to what passes on its own."""

    PERMISSION = "permission"
    CONFIGURATION = "configuration"
    UNKNOWN = "unknown"
    CAPACITY = "capacity"
    TRANSIENT = "transient"
    THROTTLE = "throttle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """RunTask's answer with HTTP 200, or the task ARNs of a ``ConflictException``.

    ``is_conflict`` if ECS knew the token with other parameters; the tasks are then all that it ever started.
    """

    task_arns: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    is_conflict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """RunTask raised an error that says the call had no effect (HTTP 4xx).

    ``is_unsure`` if an earlier try of the same call, inside the SDK, may have had an effect.
    """

    failure: Failure
    is_unsure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No usable answer: HTTP 5xx, a time-out, a broken connection. The task may exist."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbuildable:
    """The request could not be completed, so RunTask was not called."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """The schedule that holds the redacted values could not be read just now, so RunTask was not called."""

    failure: Failure


Answer = Placed | Refused | Lost | Unbuildable | Unread


class Phase(StrEnum):
    """How far a task has come."""

    STARTING = "starting"
    RUNS = "runs"
    RAN = "has run"
    """It ran and is stopping or has stopped. How it ended is not this system's concern."""
    STOPPING = "stopping"
    """It is being torn down without having run. Not yet FAILED: stop code and reason may still change."""
    FAILED = "failed to start"
    """It stopped without having run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """The state of a task, from ECS.

    Attributes:
        zone: Its Availability Zone; empty while not known.
        created: Seconds since 1970; None if ECS did not say.
        starter: The digits of the recovery that started it (``names.starter_of``); empty if none did, or if not known.
    """

    arn: str
    phase: Phase
    failure: Failure | None = None
    is_ours: bool = False
    zone: str = ""
    created: float | None = None
    starter: str = ""

    @property
    def has_run(self) -> bool:
        """Whether it is running or has run."""
        return self.phase in (Phase.RUNS, Phase.RAN)


class Outcome(StrEnum):
    """How a recovery ended."""

    RECOVERED = "recovered"
    ALREADY_RUNNING = "already running"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    PERMANENT = "permanent"
    REFUSED = "refused"
    IGNORED = "ignored"
    UNCONFIRMED = "unconfirmed"
    """Every task was placed, and not all of them were seen running."""
    BROKEN = "broken"
    """The recovery itself failed: a fault of this program."""


JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The classification of one failure, and the evidence for it.

    Attributes:
        row: Name of the table's row that matched; ``unknown`` if none did.
        hint: What to do about it, one sentence; empty if waiting is enough.
        evidence: URLs where AWS, or an observer, documents it.
    """

    failure: Failure
    category: Category
    row: str
    hint: str = ""
    evidence: tuple[str, ...] = field(default=())
