"""The sentences of a message in English. Which of them are said, and in which order, is decided in ``messages``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.launch.values import CallerKind, Outcome
from retry_run_task.policy.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retry_run_task.launch.values import Verdict
    from retry_run_task.messages.message import Ending

LABELS: Mapping[str, str] = {
    "when": "When",
    "where": "Where",
    "caller": "Asked for by",
    "said": "ECS said",
    "tried": "Tried",
    "last": "ECS said last",
    "kind": "Kind of failure",
    "outcome": "Outcome",
    "changed": "Changed",
    "cost": "Cost",
    "severity": "Severity",
    "to_do": "What to do",
    "links": "Where to look",
    "execution": "Recovery",
    "log": "Log lines",
    "task": "Task",
    "details": "Details",
    "task_definition": "Task definition",
    "event": "CloudTrail event",
    "recovery": "Recovery",
    "execution_arn": "Execution",
    "see_call": "See the call",
    "see_rule": "See the rule",
    "see_schedule": "See the schedule",
}

HEADLINES: Mapping[Outcome, str] = {
    Outcome.RECOVERED: "RECOVERED",
    Outcome.ALREADY_RUNNING: "ALREADY RUNNING",
    Outcome.SUPERSEDED: "DROPPED",
    Outcome.EXPIRED: "DID NOT RUN",
    Outcome.PERMANENT: "DID NOT RUN",
    Outcome.REFUSED: "DID NOT RUN",
    Outcome.IGNORED: "LEFT ALONE",
}

_CALLERS = {
    CallerKind.RULE: "EventBridge rule",
    CallerKind.SCHEDULER: "EventBridge Scheduler",
    CallerKind.HAND_MADE: "a record made by hand",
}


def unnamed() -> str:
    """Return what a task is called that CloudTrail does not name."""
    return "A task that CloudTrail does not name"


def subject(headline: str, name: str, outcome: Outcome, region: str) -> str:
    """Return the subject."""
    return f"{headline}: {name} ({outcome}) in {region or 'this Region'}"


def opening(name: str, ending: Ending) -> str:
    """Return the first sentence: what did not start, and whether it will."""
    match ending.outcome:
        case Outcome.RECOVERED:
            changed = f": started {' and '.join(ending.changed)}" if ending.changed else ""
            return f"{name} failed to start at first, and runs now{changed}."
        case Outcome.ALREADY_RUNNING:
            return f"{name} failed to start at first, and is there all the same."
        case _:
            pass
    if ending.task_arns:
        return f"{name}: {len(ending.task_arns)} of {ending.wanted} missing tasks were started; the rest will not be."
    if ending.outcome is Outcome.SUPERSEDED:
        return f"{name} did not start, and its next run takes its place."
    return f"{name} did not start, and nothing will try again."


def caller(kind: CallerKind, schedule: str | None, role_arn: str | None) -> str:
    """Return who asked for the tasks."""
    who = _CALLERS.get(kind, "a caller")
    if schedule:
        return f"{who}: {schedule}"
    return f"{who} with {role_arn}" if role_arn else who


def time(moment: datetime) -> str:
    """Return a time in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def place(cluster: str | None, account: str, region: str) -> str:
    """Return where the tasks should run."""
    where = f"account {account or 'not recorded'}, {region or 'this Region'}"
    return f"cluster {cluster}, {where}" if cluster else where


def said(words: str) -> str:
    """Return what ECS said, if it said anything."""
    return words or "not recorded"


def tried(ending: Ending) -> str:
    """Return what the recovery did."""
    if not ending.calls:
        return "nothing: RunTask was not called again"
    calls = "1 RunTask call" if ending.calls == 1 else f"{ending.calls} RunTask calls"
    return f"{calls} in {spoken(ending.elapsed_s)}; {len(ending.task_arns)} of {ending.wanted} missing tasks started"


def kind(verdict: Verdict) -> str:
    """Return the kind of a failure."""
    return verdict.category.value


def outcome(ending: Ending) -> str:
    """Return how it ended, and why."""
    return f"{ending.outcome}: {ending.why}"


def severity(severity: str) -> str:
    """Return how much the message wants of its reader."""
    return severity


def hint(ending: Ending) -> str:
    """Return what a person can do; empty if nothing is known."""
    return ending.hint


def by_hand() -> str:
    """Return that a person can start the run."""
    return "If the run is still wanted, start it by hand."


def nothing_to_do() -> str:
    """Return that nothing is to be done."""
    return "Nothing needs to be done."


def more_tasks(count: int) -> str:
    """Return that there are more tasks than are named."""
    return f"and {count} more, in the log"


def look_first(command: str) -> str:
    """Return the warning that tasks may be there, with the command that shows them."""
    return (
        "A call may have started tasks that nobody has seen: before you start the run, look for them: "
        f"{command}"
    )
