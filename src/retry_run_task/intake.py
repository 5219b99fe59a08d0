"""From an event to started recoveries: parse, check the scope, name, start. Decides nothing about retrying.

Nothing is acknowledged before it is recorded: the event counts as handled only when every recovery exists, by name. If
one could not be started the whole event is delivered again, and starting the others again has no effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from retry_run_task import sources
from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.starts import StartLimits, start_all
from retry_run_task.aws.telemetry import Metric
from retry_run_task.errors import StartError
from retry_run_task.launch import names, wire
from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.policy.scope import ScopeDecision

if TYPE_CHECKING:
    from retry_run_task.aws.telemetry import Telemetry
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.policy.scope import Scope


class Event(StrEnum):
    """What intake logs about a record."""

    STARTED = "intake.started"
    ALREADY_STARTED = "intake.already_started"
    NOT_STARTED = "intake.not_started"
    IGNORED = "intake.ignored"
    UNPARSED = "intake.unparsed"


Start = Callable[[str, str], Started]
"""Starts the recovery of a name with a payload. Raises if it could not be started."""

_ONE_BY_ONE = StartLimits()


@dataclass(slots=True)
class Counts:
    """How many of an event's records were handled how; the function's result."""

    started: int = 0
    """Recoveries that Lambda accepted. A second start of the same name with the same payload counts too."""
    already_started: int = 0
    """Recoveries that Lambda knew with another payload."""
    ignored: int = 0
    """Records that are no failed launch, or not in this stack's scope."""
    unparsed: int = 0
    """Records that could not be read."""


@dataclass(slots=True, kw_only=True)
class _Job:
    """One recovery to start, and its log fields."""

    event_id: str
    name: str
    payload: str
    why: str
    about: JsonObject
    is_started: bool = False


def take_in(
    event: Any,
    *,
    stack: str,
    scope: Scope,
    start: Start,
    telemetry: Telemetry,
    limits: StartLimits = _ONE_BY_ONE,
) -> Counts:
    """Start a recovery for every failed launch in an event that is in scope.

    ``start`` is called in several threads if the limits allow more than one start at once; ``telemetry`` logs and
    counts how each record was handled.

    Raises:
        StartError: At the end, if any recovery could not be started.
    """
    counts = Counts()
    not_started: list[str] = []
    jobs: list[_Job] = []
    for item in sources.parse(event):
        match item:
            case Unparsed():
                _unparsed(item, counts, telemetry)
            case Ignored():
                _ignored(item.why, counts, telemetry, event_id=item.event_id)
            case FailedLaunch():
                try:
                    job = _job(item, stack, scope, counts, telemetry)
                except Exception as error:  # noqa: BLE001 - one launch must not keep the others from being started
                    # Only the type: the text may quote the record, which may hold secrets.
                    _not_started(error, "", telemetry, event_id=item.event_id)
                    not_started.append(item.event_id)
                else:
                    jobs += [job] if job else []

    def tell(job: _Job, outcome: Started | Exception) -> None:
        if isinstance(outcome, Exception):
            _not_started(outcome, str(outcome), telemetry, **job.about)
        else:
            job.is_started = True
            _started(job, outcome, counts, telemetry)

    start_all(jobs, lambda job: start(job.name, job.payload), tell, limits)
    not_started += [job.event_id for job in jobs if not job.is_started]
    if not_started:
        raise StartError(
            f"{len(not_started)} of the failed launches in this event have no recovery yet: "
            f"{', '.join(not_started[:10])}{', ...' if len(not_started) > 10 else ''}.",  # noqa: PLR2004 - enough to look at
            event_ids=tuple(not_started),
            hint="Lambda delivers the event again; if that does not help, it goes to the dead-letter queue.",
        )
    return counts


def _job(launch: FailedLaunch, stack: str, scope: Scope, counts: Counts, telemetry: Telemetry) -> _Job | None:
    """Return what to start for a launch; None if it is ignored."""
    judgement = scope.judge(launch)
    about = wire.about(launch)
    if judgement.decision is ScopeDecision.IGNORE:
        _ignored(judgement.why, counts, telemetry, **about)
        return None
    name = names.recovery_name_of(stack, launch, is_reported=judgement.decision is ScopeDecision.REPORT)
    return _Job(
        event_id=launch.event_id,
        name=name,
        payload=wire.canonical(wire.launch_to_json(launch)),
        why=judgement.why,
        about=about | {"reason": launch.failures[0].said, "recovery": name},
    )


def _started(job: _Job, outcome: Started, counts: Counts, telemetry: Telemetry) -> None:
    if outcome is Started.BEFORE:
        counts.already_started += 1
        telemetry.info(Event.ALREADY_STARTED, **job.about)
    else:
        counts.started += 1
        telemetry.info(Event.STARTED, **job.about, why=job.why)
    telemetry.count(Metric.TAKEN_IN)


def _not_started(error: Exception, text: str, telemetry: Telemetry, **about: Any) -> None:
    telemetry.count(Metric.NOT_STARTED)
    telemetry.error(Event.NOT_STARTED, **about, error_type=type(error).__name__, error=text)


def _unparsed(item: Unparsed, counts: Counts, telemetry: Telemetry) -> None:
    counts.unparsed += 1
    telemetry.count(Metric.UNPARSED)
    telemetry.error(Event.UNPARSED, why=item.why, where=item.where)


def _ignored(why: str, counts: Counts, telemetry: Telemetry, **about: Any) -> None:
    counts.ignored += 1
    telemetry.count(Metric.IGNORED)
    telemetry.info(Event.IGNORED, why=why, **about)
