"""The nouns of the system: what failed, what was asked for, who asked, and what was answered.

Everything here is a value: frozen, comparable, free of behaviour that acts. A failed launch is
made once, by a parser in ``sources``, and handed on unchanged.
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
    """Where AWS said that a launch failed."""

    ANSWER = "answer"
    """An entry of ``failures[]`` in RunTask's HTTP 200 answer: the call was authorised, nothing was thrown."""
    ERROR = "error"
    """An exception that RunTask raised."""
    STOPPED = "stopped"
    """The stop code and stopped reason of a task that was accepted and did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One thing AWS said about one launch.

    Attributes:
        origin: Where it was said.
        code: The exception's code (``ThrottlingException``) or the task's stop code; None for ``failures[]``.
        reason: The text, exactly as AWS wrote it; empty if AWS gave none.
        detail: ``failures[].detail``; None if absent.
        arn: What the failure is about, such as a container instance; None for Fargate capacity.
        container: Name of the container that the reason is of; None if it is the task's own, or no task's.
        ran: What shows that something in the task ran, such as ``exit code 1``; None if nothing does.
        times: How often it was said; the ARN is that of the first.
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
        """Code and reason in one line, and which container they are of; empty if AWS said nothing."""
        about = ", ".join(
            part for part in (self.container and f"container {self.container}", self.ran) if part
        )
        words = ": ".join(part for part in (self.code, self.reason) if part)
        return f"{words} ({about})".lstrip() if about else words


_DISTINCT_MAX = 20


def distinct(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return what was said, once each with the number of times, in the order in which it was said first.

    On EC2 RunTask may answer with a failure for each instance of the cluster, and an answer is kept of each attempt.
    Of more than 20 that differ, those count as one that differ in their detail alone.
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


SCHEDULED = frozenset({CallerKind.RULE, CallerKind.SCHEDULER})
"""Callers whose rule or schedule can be looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who made the call, as CloudTrail recorded it.

    Attributes:
        kind: Which of the known callers it is.
        role_arn: ARN of the assumed role (``sessionIssuer.arn``) or of the user; None if not recorded.
        is_proven: Whether AWS wrote who it is. If not, ``kind`` is the caller's own word, and such a launch may be
            recovered only if a schedule that uses its role is found.
    """

    kind: CallerKind
    role_arn: str | None = None
    is_proven: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The parameters of a RunTask call that is whole and may be made again.

    Attributes:
        parameters: As recorded, in the API's own spelling, less what must never be sent again.
            Members that this version does not know are kept.
    """

    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteRequest:
    """A request of which a part is missing. Nothing that calls RunTask accepts this type.

    Attributes:
        parameters: What is known of it.
        missing: Paths of what is not, such as ``overrides.containerOverrides[app].environment``.
    """

    parameters: Mapping[str, Any]
    missing: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedLaunch:
    """A RunTask call that did not place every task it was asked for. What intake makes and recover handles.

    Attributes:
        event_id: CloudTrail's ``eventID``, or what stands in for it in a hand-made record. Names the recovery.
        call_id: The same for every record of one logical call, also when an SDK repeated the call.
            Client tokens are derived from it, so that two recoveries of one call share their tasks.
        event_time: When the call was made, in UTC.
        account: The 12-digit account that the call was made in; empty if a hand-made record does not say.
        region: The Region that the call was made in; empty if a hand-made record does not say.
        caller: Who made it.
        request: What was asked for.
        failures: Everything AWS said, never empty.
        placed: ARNs of the tasks that the call placed all the same.
        created: When the task was created that failed to start, in UTC; None for a failed call.
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
        """A time by which the run that failed was due, and before which its successor is not."""
        return self.created or self.event_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A record that was understood and is nobody's failed launch.

    Attributes:
        why: One sentence for the log.
        event_id: Which record, as far as known.
    """

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
    """The kind of a failure, ordered from what a person must fix to what passes by itself."""

    PERMISSION = "permission"
    CONFIGURATION = "configuration"
    UNKNOWN = "unknown"
    CAPACITY = "capacity"
    TRANSIENT = "transient"
    THROTTLE = "throttle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What RunTask answered, with HTTP 200 or with the task ARNs of a ``ConflictException``.

    Attributes:
        task_arns: Tasks that exist now because of this attempt.
        failures: Entries of ``failures[]``; may be non-empty beside tasks.
        is_conflict: Whether ECS knew the token with other parameters; then the tasks are all that it ever started.
    """

    task_arns: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    is_conflict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """RunTask raised an error that says the call did not happen (HTTP 4xx).

    Attributes:
        failure: The error.
        is_unsure: Whether an earlier try of the same call, inside the SDK, may have happened after all.
    """

    failure: Failure
    is_unsure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No usable answer: HTTP 5xx, a time-out, a broken connection. The task may exist.

    Attributes:
        failure: What was seen instead of an answer.
    """

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbuildable:
    """The request could not be made whole, so RunTask was not called.

    Attributes:
        why: One sentence, without values.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """The schedule that holds the rest of the request could not be read just now, so RunTask was not called.

    Attributes:
        failure: What the reading call was told.
    """

    failure: Failure


Answer = Placed | Refused | Lost | Unbuildable | Unread


class Phase(StrEnum):
    """How far a task has come."""

    STARTING = "starting"
    RUNS = "runs"
    RAN = "has run"
    """It ran and is stopping or has stopped: how it ended is the job's own business."""
    STOPPING = "stopping"
    """It is torn down without having run. Not yet FAILED: stop code and reason may still change."""
    FAILED = "failed to start"
    """It stopped without having run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """What ECS says of a task.

    Attributes:
        arn: Its ARN.
        phase: How far it has come.
        failure: Why it did not start; None in the other phases.
        is_ours: Whether a recovery started it.
        zone: Its Availability Zone; empty while it is not known.
        created: When it was created, in seconds since 1970; None if ECS did not say.
        mark: The digits of the recovery that started it (``names.mark_of``); empty if none did, or it is not known.
    """

    arn: str
    phase: Phase
    failure: Failure | None = None
    is_ours: bool = False
    zone: str = ""
    created: float | None = None
    mark: str = ""

    @property
    def has_run(self) -> bool:
        """Whether it runs or has run."""
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
    """Every task was placed, and not all of them have been seen running."""
    BROKEN = "broken"
    """The recovery itself failed: a fault of this program."""


JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the classification says about one failure, and on what evidence.

    Attributes:
        failure: What was classified.
        category: Its kind.
        row: Name of the row of the table that matched; ``unknown`` if none did.
        hint: What a person can do about it, one sentence; empty if waiting is all there is.
        evidence: Addresses where AWS, or somebody who saw it, says so.
    """

    failure: Failure
    category: Category
    row: str
    hint: str = ""
    evidence: tuple[str, ...] = field(default=())
