"""What a person is told when a recovery ends: which job, what ECS said, what was tried, what to do.

Only names and AWS's own words go into a message; never an override, a variable or a tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.core.durations import spoken
from retry_run_task.core.identity import mark_started_by
from retry_run_task.core.request import cluster_name, family
from retry_run_task.core.values import CallerKind, Outcome

if TYPE_CHECKING:
    from retry_run_task.core.values import FailedLaunch, Verdict

# SNS: "less than 100 characters" of printable ASCII, no line breaks.
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_MAX = 99

_CALLERS = {
    CallerKind.RULE: "EventBridge rule",
    CallerKind.SCHEDULER: "EventBridge Scheduler",
    CallerKind.HAND_MADE: "a record made by hand",
}

_HEADLINES = {
    Outcome.RECOVERED: "RECOVERED",
    Outcome.ALREADY_RUNNING: "ALREADY RUNNING",
    Outcome.SUPERSEDED: "DROPPED",
    Outcome.EXPIRED: "DID NOT RUN",
    Outcome.PERMANENT: "DID NOT RUN",
    Outcome.REFUSED: "DID NOT RUN",
    Outcome.IGNORED: "LEFT ALONE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message for a person.

    Attributes:
        subject: One line, fit for SNS.
        text: Plain text for e-mail.
    """

    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a recovery ended.

    Attributes:
        outcome: The word for it.
        why: One sentence.
        rule: Name of the policy's rule that ended it.
        calls: RunTask calls that were made.
        wanted: Tasks that were missing when the recovery began.
        task_arns: Tasks that it placed.
        elapsed_s: Seconds from the failed call to the last attempt.
        last: The failure that decided last; None if there was none.
        hint: What a person can do.
        is_unsure: Whether the last attempt may have started tasks that nobody has seen.
        rungs: Names of the rungs that placed the tasks, without the request as it was asked.
        changed: What they changed, and where the tasks started: a clause for each, such as ``1 task on-demand
            in ap-northeast-1c instead of Spot``.
        costs: What a person has to know of these changes, a clause for each; empty if they cost nothing.
    """

    outcome: Outcome
    why: str
    rule: str
    calls: int
    wanted: int
    task_arns: tuple[str, ...]
    elapsed_s: float
    last: Verdict | None
    hint: str = ""
    is_unsure: bool = False
    rungs: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether what was asked for is there, or nobody wants to hear of it."""
        return self.outcome in (Outcome.RECOVERED, Outcome.ALREADY_RUNNING, Outcome.IGNORED)


def message(launch: FailedLaunch, ending: Ending) -> Message:
    """Write the message for an ending."""
    parameters = launch.request.parameters
    name = family(parameters) or "A task that CloudTrail does not name"
    subject = f"{_HEADLINES[ending.outcome]}: {name} ({ending.outcome}) in {launch.region or 'this Region'}"
    text = "\n".join([_opening(name, ending), "", *_facts(launch, ending), "", *_advice(launch, ending)])
    return Message(subject=_one_line(subject), text=_printable(text))


def schedule_name(launch: FailedLaunch) -> str | None:
    """Return what ``startedBy`` tells of the schedule's name; EventBridge cuts the whole at 36 characters."""
    started_by = str(launch.request.parameters.get("startedBy") or "")
    return started_by.partition("/")[2] or None if launch.caller.kind in _SCHEDULED else None


_SCHEDULED = frozenset({CallerKind.RULE, CallerKind.SCHEDULER})


def _opening(name: str, ending: Ending) -> str:
    if ending.outcome is Outcome.RECOVERED:
        changed = f": started {' and '.join(ending.changed)}" if ending.changed else ""
        return f"{name} failed to start at first, and runs now{changed}."
    if ending.task_arns:
        return f"{name}: {len(ending.task_arns)} of {ending.wanted} missing tasks were started; the rest will not be."
    return f"{name} did not start, and nothing will try again."


def _facts(launch: FailedLaunch, ending: Ending) -> list[str]:
    parameters = launch.request.parameters
    schedule = schedule_name(launch)
    caller = _CALLERS.get(launch.caller.kind, "a caller")
    by_role = f" with {launch.caller.role_arn}" if launch.caller.role_arn else ""
    rows = [
        ("Asked for by", f"{caller}: {schedule}" if schedule else f"{caller}{by_role}"),
        ("Task definition", str(parameters.get("taskDefinition") or "not recorded")),
        ("Cluster", cluster_name(parameters) if parameters else "not recorded"),
        ("Account, Region", f"{launch.account or 'this account'}, {launch.region or 'this Region'}"),
        ("Failed at", f"{launch.event_time:%Y-%m-%d %H:%M:%S} UTC"),
        ("ECS said then", _said(launch)),
        ("Tried", _tried(ending)),
        *((("ECS said last", _last_words(ending)),) if ending.calls else ()),
        ("Outcome", f"{ending.outcome}: {ending.why}"),
        *(("Changed", f"started {clause}") for clause in ending.changed),
        *(("Cost", clause) for clause in ending.costs),
        *((("Tasks", "\n                 ".join(ending.task_arns)),) if ending.task_arns else ()),
        ("CloudTrail event", launch.event_id),
    ]
    return [f"{label:<17}{value}" for label, value in rows]


def _said(launch: FailedLaunch) -> str:
    words = dict.fromkeys(": ".join(part for part in (f.code, f.reason) if part) for f in launch.failures)
    return "; ".join(w for w in words if w) or "nothing: no task, and no reason"


def _last_words(ending: Ending) -> str:
    if ending.outcome is Outcome.RECOVERED or ending.last is None:
        return "every task was placed"
    failure = ending.last.failure
    said = ": ".join(part for part in (failure.code, failure.reason) if part) or "nothing"
    return f"{said} ({ending.last.category})"


def _tried(ending: Ending) -> str:
    if not ending.calls and ending.outcome is Outcome.RECOVERED:
        # The process died between the call and writing it down, and what it had started was seen then.
        return "a RunTask call whose tasks were found, and whose answer was not"
    if not ending.calls:
        return "nothing: RunTask was not called again"
    calls = "1 RunTask call" if ending.calls == 1 else f"{ending.calls} RunTask calls"
    return f"{calls} in {spoken(ending.elapsed_s)}; {len(ending.task_arns)} of {ending.wanted} missing tasks started"


def _advice(launch: FailedLaunch, ending: Ending) -> list[str]:
    if ending.outcome is Outcome.RECOVERED:
        return ["Nothing needs to be done."]
    lines = ["What to do"]
    region = f" --region {launch.region}" if launch.region else ""
    if ending.hint:
        lines.append(f"- {ending.hint}")
    if ending.is_unsure:
        mark = mark_started_by(launch.request.parameters.get("startedBy"), launch.call_id)
        lines.append(
            "- The answer to the last call was lost: before you start the run, look whether it is there already: "
            f"aws ecs list-tasks{region} --cluster {cluster_name(launch.request.parameters)} --started-by {mark}"
        )
    lines += _commands(launch, region)
    return lines


def _commands(launch: FailedLaunch, region: str) -> list[str]:
    """Return the commands that show what was asked for: what CloudTrail has of it, and the schedule itself."""
    lines = []
    if launch.caller.kind is not CallerKind.HAND_MADE and not launch.event_id.startswith(("id-", "t-")):
        lines.append(
            f"- See the call: aws cloudtrail lookup-events{region} "
            f"--lookup-attributes AttributeKey=EventId,AttributeValue={launch.event_id}"
        )
    name = schedule_name(launch)
    if name and launch.caller.kind is CallerKind.RULE:
        lines.append(f"- See the rule: aws events list-rules{region} --name-prefix {name}")
    if name and launch.caller.kind is CallerKind.SCHEDULER:
        lines.append(f"- See the schedule: aws scheduler list-schedules{region} --name-prefix {name}")
    return lines


def _one_line(text: str) -> str:
    """Return text fit for a subject: printable ASCII, cut at what SNS allows."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return plain if len(plain) <= SUBJECT_MAX else f"{plain[: SUBJECT_MAX - 3]}..."


def _printable(text: str) -> str:
    """Return text that can be encoded: a hand-made record may hold half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()
