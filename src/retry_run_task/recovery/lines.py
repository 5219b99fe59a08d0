"""The log lines of a recovery, derived from its transitions in one place."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from retry_run_task.launch import request as requests
from retry_run_task.launch import wire
from retry_run_task.launch.schedule import NO_TAGS, NoMatch
from retry_run_task.launch.values import Outcome, Phase, Placed, Unbuildable, Unread
from retry_run_task.recovery.events import Answered, Looked, Stopped, Told, Watched
from retry_run_task.recovery.state import Wait, body, rung
from retry_run_task.recovery.watching import why_failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.launch.values import Answer, Category, Failure, Verdict
    from retry_run_task.messages.message import Ending, Message
    from retry_run_task.policy.rules import Policy
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.events import Event
    from retry_run_task.recovery.ports import Background
    from retry_run_task.recovery.state import State


class LogEvent(StrEnum):
    """What a recovery reports about itself, in logs and in the demo's timeline."""

    BEGAN = "recovery.began"
    MATCHED = "recovery.matched"
    TAGGED = "recovery.tagged"
    HELD = "recovery.held"
    READ_FAILED = "recovery.read_failed"
    CALLED = "recovery.called"
    WAITING = "recovery.waiting"
    STILL_TRYING = "recovery.still_trying"
    RUNG_DROPPED = "recovery.rung_dropped"
    START_FAILED = "recovery.start_failed"
    STOPPED = "recovery.stopped"
    RECOVERED = "recovery.recovered"
    ALREADY_RUNNING = "recovery.already_running"
    IGNORED = "recovery.ignored"
    GAVE_UP = "recovery.gave_up"
    NOT_NOTIFIED = "recovery.not_notified"


Line = tuple[LogEvent, dict[str, Any]]


def words_of(failure: Failure) -> str:
    """Return AWS's error text, such as ``ListTasks: ThrottlingException: Rate exceeded``."""
    return ": ".join(part for part in (failure.detail, failure.said) if part)


_ENDS = {
    Outcome.RECOVERED: LogEvent.RECOVERED,
    Outcome.ALREADY_RUNNING: LogEvent.ALREADY_RUNNING,
    Outcome.IGNORED: LogEvent.IGNORED,
}


def of_beginning(first: Verdict) -> Line:
    """Return the line that a recovery begins with."""
    return LogEvent.BEGAN, {
        "category": first.category.value,
        "row": first.row,
        "reason": first.failure.reason,
    }


def of_schedule(found: Background | NoMatch, policy: Policy) -> Iterator[Line]:
    """Yield the lines about what made the call, and about its tags."""
    if isinstance(found, NoMatch):
        yield LogEvent.MATCHED, {"schedule": None, "why": found.why}
    else:
        yield LogEvent.MATCHED, {"schedule": found.name, "next_due": found.next_due}
    tags = found.tags
    notes = [*tags.unread]
    if tags.policy and not policy.knows_tag(tags.policy):
        notes.append(f"no rule of the policy is for the tag {tags.policy!r}")
    if tags != NO_TAGS:
        why = "; ".join(notes) or None
        yield LogEvent.TAGGED, {"tag": tags.policy or None, "ignore": tags.ignore, "why": why}


def of_pause(*, delay_s: int, rule: str, category: Category, why: str) -> Line:
    """Return the line about a wait before the next attempt, or before the first attempt is possible."""
    return LogEvent.WAITING, {
        "delay_s": delay_s,
        "rule": rule,
        "category": category.value,
        "why": why,
    }


def of_hold(case: Case) -> Line:
    """Return the line about a launch that is held back."""
    return LogEvent.HELD, {
        "delay_s": case.hold_s,
        "why": "EventBridge may still make this call again itself",
    }


def lines(case: Case, before: State, event: Event, then: State) -> Iterator[Line]:
    """Yield the lines of a transition."""
    if isinstance(event, Looked | Watched | Stopped) and event.read_failure:
        yield LogEvent.READ_FAILED, {"why": words_of(event.read_failure)}
    if isinstance(event, Looked) and event.earlier_read_failure:
        yield LogEvent.READ_FAILED, {"why": words_of(event.earlier_read_failure)}
    if isinstance(event, Answered) and not isinstance(event.answer, Unbuildable | Unread):
        yield _called(case, before, event.answer)
    if isinstance(event, Stopped) and not event.read_failure:
        failures = wire.failures_to_json(event.failures)
        yield LogEvent.STOPPED, {"task_arns": sorted(then.stopped - before.stopped), "failures": failures}
    if isinstance(event, Looked | Watched | Stopped) and (gone := then.failed - before.failed):
        failed = [task for task in event.tasks if task.arn in gone and task.phase is Phase.FAILED]
        failures = wire.failures_to_json(why_failed(then, task) for task in failed)
        yield LogEvent.START_FAILED, {"task_arns": sorted(gone), "failures": failures}
    for excluded in then.excluded.keys() - before.excluded.keys():
        yield _excluded(excluded.name, then.excluded[excluded])
    if isinstance(event, Told):
        yield LogEvent.STILL_TRYING, {"error": event.error or None, "elapsed_s": round(then.elapsed_s)}
    if isinstance(then.move, Wait) and then.move.retry is not None:
        line, fields = of_pause(
            delay_s=then.move.delay_s,
            rule=then.move.retry.rule,
            category=then.last.category,
            why=then.move.retry.why,
        )
        crowd = {"crowd": then.crowd.size} if then.crowd.is_large else {}
        yield line, {**fields, "next_rung": rung(case, then).name, **crowd}


def _called(case: Case, before: State, answer: Answer) -> Line:
    said = wire.answer_to_json(answer)
    # Built from the request as AWS recorded it: values that CloudTrail redacted are read and used inside the step only.
    sent = requests.masked(body(case, before, case.launch.request))
    return LogEvent.CALLED, {
        "call": before.calls + 1,
        "repeat": before.repeat,
        "rung": rung(case, before).name,
        "answer": said["answer"],
        "task_arns": list(answer.task_arns) if isinstance(answer, Placed) else [],
        "failures": said["failures"],
        "elapsed_s": round(before.elapsed_s),
        "request": sent,
    }


def _excluded(name: str, verdict: Verdict) -> Line:
    return LogEvent.RUNG_DROPPED, {
        "rung": name,
        "category": verdict.category.value,
        "reason": verdict.failure.reason,
        "why": "this change of the request is not tried again by this recovery",
    }


def of_unsent(note: Message, *, tries: int, error: str) -> Line:
    """Return the line about a message that the topic did not take."""
    return LogEvent.NOT_NOTIFIED, {"tries": tries, "error": error, "subject": note.subject}


def of_ending(ending: Ending) -> Line:
    """Return the last line."""
    return _ENDS.get(ending.outcome, LogEvent.GAVE_UP), {
        "outcome": ending.outcome.value,
        "why": ending.why,
        "calls": ending.calls,
        "task_arns": list(ending.task_arns),
        "elapsed_s": round(ending.elapsed_s),
        "rule": ending.rule,
        "category": ending.last.category.value if ending.last else None,
        "rungs": list(ending.rungs) or None,
        "changed": list(ending.changed) or None,
    }
