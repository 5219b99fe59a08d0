"""From an event to started recoveries: parse, scope, name, start. Makes no decision about retrying.

Nothing here is acknowledged before it is recorded: the recovery exists, by name, before the event counts as
handled. If one could not be started the whole event is delivered again, and those that were started are
started again without effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from retry_run_task import sources
from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.telemetry import Metric
from retry_run_task.errors import StartError
from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import names, wire
from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.policy.scope import Treatment

if TYPE_CHECKING:
    from retry_run_task.aws.telemetry import Telemetry
    from retry_run_task.policy.scope import Judgement, Scope


class Event(StrEnum):
    """What intake tells about a record."""

    STARTED = "intake.started"
    ALREADY_STARTED = "intake.already_started"
    NOT_STARTED = "intake.not_started"
    IGNORED = "intake.ignored"
    UNPARSED = "intake.unparsed"


Start = Callable[[str, str], Started]
"""Starts the recovery of a name with a payload. Raises whatever keeps it from being started."""


@dataclass(slots=True)
class Counts:
    """What became of an event's records; returned by the function, and nothing but numbers.

    Attributes:
        started: Recoveries that Lambda accepted. It accepts the same one twice, and starts it once.
        already_started: Recoveries that Lambda knew under another payload.
        ignored: Records that are nobody's failed launch, or not this stack's.
        unparsed: Records that could not be read.
    """

    started: int = 0
    already_started: int = 0
    ignored: int = 0
    unparsed: int = 0


def take_in(event: Any, *, stack: str, scope: Scope, start: Start, telemetry: Telemetry) -> Counts:
    """Start a recovery for every failed launch in an event that is in scope.

    Raises:
        StartError: At the end, if any recovery could not be started.
    """
    counts = Counts()
    not_started: list[str] = []
    for item in sources.parse(event):
        match item:
            case Unparsed():
                _unparsed(item, counts, telemetry)
            case Ignored():
                _ignored(item.why, counts, telemetry, event_id=item.event_id)
            case FailedLaunch():
                judgement = scope.judge(item)
                if judgement.treatment is Treatment.IGNORE:
                    _ignored(judgement.why, counts, telemetry, **wire.about(item))
                elif not _start(item, judgement, stack, start, counts, telemetry):
                    not_started.append(item.event_id)
    if not_started:
        raise StartError(
            f"{len(not_started)} of the failed launches in this event have no recovery yet: "
            f"{', '.join(not_started[:10])}{', ...' if len(not_started) > 10 else ''}.",  # noqa: PLR2004 - enough to look at
            event_ids=tuple(not_started),
            hint="Lambda delivers the event again; if that does not help, it goes to the dead-letter queue.",
        )
    return counts


def _start(
    launch: FailedLaunch, judgement: Judgement, stack: str, start: Start, counts: Counts, telemetry: Telemetry
) -> bool:
    """Start one recovery. Returns whether it is started, now or before."""
    verdict = worst([classify(f) for f in launch.failures])
    about = wire.about(launch) | {"category": verdict.category.value, "reason": verdict.failure.reason}
    about["recovery"] = name = names.recovery_name_of(stack, launch)
    try:
        outcome = start(name, wire.canonical(wire.launch_to_json(launch)))
    except Exception as error:  # noqa: BLE001 - one launch must not keep the others from being started
        telemetry.count(Metric.NOT_STARTED)
        telemetry.error(Event.NOT_STARTED, **about, error_type=type(error).__name__, error=str(error))
        return False
    if outcome is Started.BEFORE:
        counts.already_started += 1
        telemetry.info(Event.ALREADY_STARTED, **about)
    else:
        counts.started += 1
        telemetry.info(Event.STARTED, **about, why=judgement.why)
    telemetry.count(Metric.TAKEN_IN)
    return True


def _unparsed(item: Unparsed, counts: Counts, telemetry: Telemetry) -> None:
    counts.unparsed += 1
    telemetry.count(Metric.UNPARSED)
    telemetry.error(Event.UNPARSED, why=item.why, where=item.where)


def _ignored(why: str, counts: Counts, telemetry: Telemetry, **about: Any) -> None:
    counts.ignored += 1
    telemetry.count(Metric.IGNORED)
    telemetry.info(Event.IGNORED, why=why, **about)
