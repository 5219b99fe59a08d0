"""What a person is told when a recovery ends: which job, what ECS said, what was tried, what to do, where to look.

One message for each failed launch, whatever the number of attempts. Its sentences stand in ``words_en`` and
``words_ja``; here is what is said, in which order, and in which form. Only names and AWS's own words go into a
message; never an override, a variable or a tag.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from retry_run_task.launch.names import mark_started_by
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import CallerKind, Origin, Outcome
from retry_run_task.messages import console, english, japanese

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from retry_run_task.launch.values import FailedLaunch, Verdict

# SNS: "less than 100 characters", no line breaks or control characters.
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_MAX = 99

# Amazon Q Developer in chat applications cuts what is longer.
# https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
TITLE_MAX = 250
DESCRIPTION_MAX = 8000
STEP_MAX = 350
KEYWORD_MAX = 75

# A value of a chat message: the longest text of AWS that a launch carries is 1 KB, and a launch may have many.
_VALUE_MAX = 700

# Enough to see which tasks are meant; the log has the rest.
_TASKS_MAX = 10

# The log lines of a recovery end soon after its last attempt: a task is watched for an hour at most.
_LOG_MARGIN_S = 2 * 3600


class Severity(StrEnum):
    """How much a message wants of its reader."""

    INFO = "info"
    """Nothing: the tasks are there."""
    WARNING = "warning"
    """A look, by day: this run is missing, and the schedule's next one takes its place."""
    ERROR = "error"
    """A person, now: this run is missing, and nothing but a person can bring it back."""


class Language(StrEnum):
    """In which a message is written. AWS's own words stay as AWS said them."""

    ENGLISH = "en"
    JAPANESE = "ja"


SEVERITIES = {
    Outcome.RECOVERED: Severity.INFO,
    Outcome.ALREADY_RUNNING: Severity.INFO,
    Outcome.SUPERSEDED: Severity.WARNING,
    Outcome.EXPIRED: Severity.ERROR,
    Outcome.PERMANENT: Severity.ERROR,
    Outcome.REFUSED: Severity.ERROR,
    # Nobody is told of it.
    Outcome.IGNORED: Severity.INFO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How messages are written.

    Attributes:
        language: Of the sentences.
        for_chat: Whether there is also a form for Slack and Microsoft Teams.
        place: Where the recovery runs, which links lead to; None for no links.
        recovery: The recovery's name; its messages are one thread in a chat. Empty if it has none.
    """

    language: Language = Language.ENGLISH
    for_chat: bool = False
    place: console.Place | None = None
    recovery: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message for a person.

    Attributes:
        subject: One line, fit for SNS.
        plain_subject: The same in printable ASCII, for an SNS that takes nothing else.
        text: Plain text for e-mail.
        chat: JSON for Amazon Q Developer in chat applications; None if that was not asked for.
        severity: How much it wants of its reader.
        outcome: How the recovery ended.
    """

    subject: str
    plain_subject: str
    text: str
    chat: str | None
    severity: Severity
    outcome: Outcome


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
        is_unsure: Whether a call may have started tasks that nobody has seen: its answer was lost, or the process
            that made it may have died before the answer was written down.
        rungs: Names of the rungs that placed the tasks, without the request as it was asked.
        changed: What they changed, and where the tasks started: a clause for each, such as ``1 task on-demand
            in ap-northeast-1c instead of Spot``.
        costs: What a person has to know of these changes, a clause for each; empty if they cost nothing.
        numbers: The numbers in ``why``, by the names in ``decision``, so that it can be said in another language.
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
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_well(self) -> bool:
        """Whether what was asked for is there, or nobody wants to hear of it."""
        return self.outcome in (Outcome.RECOVERED, Outcome.ALREADY_RUNNING, Outcome.IGNORED)


class Words(Protocol):
    """The sentences of a language. A module each."""

    LABELS: Mapping[str, str]
    HEADLINES: Mapping[Outcome, str]

    def unnamed(self) -> str:
        """Return what a task is called that CloudTrail does not name."""
        ...

    def subject(self, headline: str, name: str, outcome: Outcome, region: str) -> str:
        """Return the subject."""
        ...

    def opening(self, name: str, ending: Ending) -> str:
        """Return the first sentence: what did not start, and whether it will."""
        ...

    def caller(self, kind: CallerKind, schedule: str | None, role_arn: str | None) -> str:
        """Return who asked for the tasks."""
        ...

    def time(self, moment: datetime) -> str:
        """Return a time as the reader's clock has it."""
        ...

    def place(self, cluster: str | None, account: str, region: str) -> str:
        """Return where the tasks should run."""
        ...

    def said(self, words: str) -> str:
        """Return what ECS said, if it said anything."""
        ...

    def tried(self, ending: Ending) -> str:
        """Return what the recovery did."""
        ...

    def kind(self, verdict: Verdict) -> str:
        """Return the kind of a failure."""
        ...

    def outcome(self, ending: Ending) -> str:
        """Return how it ended, and why."""
        ...

    def severity(self, severity: str) -> str:
        """Return how much the message wants of its reader."""
        ...

    def hint(self, ending: Ending) -> str:
        """Return what a person can do; empty if nothing is known."""
        ...

    def by_hand(self) -> str:
        """Return that a person can start the run."""
        ...

    def nothing_to_do(self) -> str:
        """Return that nothing is to be done."""
        ...

    def more_tasks(self, count: int) -> str:
        """Return that there are more tasks than are named."""
        ...

    def look_first(self, command: str) -> str:
        """Return the warning that tasks may be there, with the command that shows them."""
        ...


_WORDS: Mapping[Language, Words] = {Language.ENGLISH: english, Language.JAPANESE: japanese}
_SCHEDULED = frozenset({CallerKind.RULE, CallerKind.SCHEDULER})

# What stands at the head of a chat message; as characters, since Slack and Teams name them differently.
_SIGNS = {
    Severity.INFO: "\N{WHITE HEAVY CHECK MARK}",
    Severity.WARNING: "\N{WARNING SIGN}",
    Severity.ERROR: "\N{POLICE CARS REVOLVING LIGHT}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What is said, in one language, before it has a form.

    Attributes:
        first: Label and value of what a person needs at once.
        steps: What to do: a sentence, or a label and a command.
        links: Label and address.
        details: Label and value of what a person may need later.
    """

    subject: str
    plain_subject: str
    opening: str
    first: list[tuple[str, str]]
    steps: list[str]
    links: list[tuple[str, str]]
    details: list[tuple[str, str]]


def message(launch: FailedLaunch, ending: Ending, style: Style = Style()) -> Message:
    """Write the message for an ending."""
    words = _WORDS[style.language]
    report = _report(launch, ending, style, words)
    return Message(
        subject=report.subject,
        plain_subject=report.plain_subject,
        text=_printable(_text(report, words)),
        chat=_chat(report, launch, ending, style) if style.for_chat else None,
        severity=SEVERITIES[ending.outcome],
        outcome=ending.outcome,
    )


def schedule_name(launch: FailedLaunch) -> str | None:
    """Return what ``startedBy`` tells of the schedule's name; EventBridge cuts the whole at 36 characters."""
    started_by = str(launch.request.parameters.get("startedBy") or "")
    return started_by.partition("/")[2] or None if launch.caller.kind in _SCHEDULED else None


def _report(launch: FailedLaunch, ending: Ending, style: Style, words: Words) -> _Report:
    name = family(launch.request.parameters) or words.unnamed()
    plain = english.subject(
        english.HEADLINES[ending.outcome],
        family(launch.request.parameters) or english.unnamed(),
        ending.outcome,
        launch.region,
    )
    subject = words.subject(words.HEADLINES[ending.outcome], name, ending.outcome, launch.region)
    return _Report(
        # SNS takes more than ASCII, by its newest documentation; where there is no need, that is not tried.
        subject=_one_line(subject, ascii_only=style.language is Language.ENGLISH),
        plain_subject=_one_line(plain, ascii_only=True),
        opening=words.opening(name, ending),
        first=[(words.LABELS[label], value) for label, value in _first(launch, ending, words)],
        steps=list(_steps(launch, ending, words)),
        links=[(words.LABELS[label], url) for label, url in _links(launch, ending, style) if url],
        details=[(words.LABELS[label], value) for label, value in _details(launch, ending, style, words)],
    )


def _first(launch: FailedLaunch, ending: Ending, words: Words) -> Iterator[tuple[str, str]]:
    parameters = launch.request.parameters
    said = _said(launch)
    yield "when", words.time(launch.event_time)
    yield (
        "where",
        words.place(cluster_name(parameters) if parameters else None, launch.account, launch.region),
    )
    yield "caller", words.caller(launch.caller.kind, schedule_name(launch), launch.caller.role_arn)
    yield "said", words.said(said)
    yield "tried", words.tried(ending)
    if ending.last is not None:
        last = _word(ending.last)
        if ending.outcome is not Outcome.RECOVERED and ending.calls and last != said:
            yield "last", words.said(last)
        yield "kind", words.kind(ending.last)
    yield "outcome", words.outcome(ending)
    yield from (("changed", clause) for clause in ending.changed)
    yield from (("cost", clause) for clause in ending.costs)
    yield "severity", words.severity(SEVERITIES[ending.outcome])


def _details(launch: FailedLaunch, ending: Ending, style: Style, words: Words) -> Iterator[tuple[str, str]]:
    yield "task_definition", str(launch.request.parameters.get("taskDefinition") or words.said(""))
    for arn in ending.task_arns[:_TASKS_MAX]:
        yield "task", arn
    if len(ending.task_arns) > _TASKS_MAX:
        yield "task", words.more_tasks(len(ending.task_arns) - _TASKS_MAX)
    yield "event", launch.event_id
    if style.recovery:
        yield "recovery", style.recovery
    if style.place is not None:
        yield "execution_arn", style.place.execution_arn


def _links(launch: FailedLaunch, ending: Ending, style: Style) -> Iterator[tuple[str, str | None]]:
    if style.place is not None:
        yield "execution", console.execution_url(style.place)
        if style.recovery and style.place.log_group:
            yield "log", console.log_url(style.place, style.recovery, **_span(launch, ending))
    for arn in ending.task_arns[:_TASKS_MAX]:
        yield "task", console.task_url(arn)


def _span(launch: FailedLaunch, ending: Ending) -> dict[str, int]:
    """Return the time that the log lines are from, if that is known.

    A record made by hand may carry any time, and a recovery that ended before its first look has not asked for it.
    """
    if launch.caller.kind is CallerKind.HAND_MADE or ending.elapsed_s <= 0:
        return {}
    start = launch.event_time.timestamp()
    return {
        "start_ms": round(start * 1000),
        "end_ms": round((start + ending.elapsed_s + _LOG_MARGIN_S) * 1000),
    }


def _said(launch: FailedLaunch) -> str:
    words = dict.fromkeys(": ".join(part for part in (f.code, f.reason) if part) for f in launch.failures)
    return "; ".join(w for w in words if w)


def _word(verdict: Verdict) -> str:
    return ": ".join(part for part in (verdict.failure.code, verdict.failure.reason) if part)


def _steps(launch: FailedLaunch, ending: Ending, words: Words) -> Iterator[str]:
    if ending.is_well:
        yield words.nothing_to_do()
        return
    region = f" --region {launch.region}" if launch.region else ""
    hint = words.hint(ending)
    if hint:
        yield hint
    # The hints of the other outcomes say it in their own way.
    if ending.outcome in (Outcome.EXPIRED, Outcome.PERMANENT) and hint != words.by_hand():
        yield words.by_hand()
    if ending.is_unsure:
        mark = mark_started_by(launch.request.parameters.get("startedBy"), launch.call_id)
        cluster = cluster_name(launch.request.parameters)
        yield words.look_first(f"aws ecs list-tasks{region} --cluster {cluster} --started-by {mark}")
    for label, command in _commands(launch, region):
        yield f"{words.LABELS[label]}: {command}"


def _commands(launch: FailedLaunch, region: str) -> Iterator[tuple[str, str]]:
    """Yield the commands that show what was asked for: what CloudTrail has of it, and the schedule itself."""
    is_recorded = all(f.origin is not Origin.STOPPED for f in launch.failures)
    if (
        is_recorded
        and launch.caller.kind is not CallerKind.HAND_MADE
        and not launch.event_id.startswith("id-")
    ):
        by_id = f"--lookup-attributes AttributeKey=EventId,AttributeValue={launch.event_id}"
        yield "see_call", f"aws cloudtrail lookup-events{region} {by_id}"
    name = schedule_name(launch)
    if name and launch.caller.kind is CallerKind.RULE:
        yield "see_rule", f"aws events list-rules{region} --name-prefix {name}"
    if name and launch.caller.kind is CallerKind.SCHEDULER:
        yield "see_schedule", f"aws scheduler list-schedules{region} --name-prefix {name}"


# The forms.


def _text(report: _Report, words: Words) -> str:
    blocks = [
        [report.opening],
        _rows(report.first),
        [words.LABELS["to_do"], *(f"- {step}" for step in report.steps)],
        [words.LABELS["links"], *(f"- {label}: {url}" for label, url in report.links)]
        if report.links
        else [],
        [words.LABELS["details"], *_rows(report.details)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    """Return rows one below the other; in columns where all characters are equally wide."""
    if not all(label.isascii() for label, _ in rows):
        return [f"{label}: {value}" for label, value in rows]
    width = max(len(label) for label, _ in rows) + 2
    return [f"{label:<{width}}{value}" for label, value in rows]


def _chat(report: _Report, launch: FailedLaunch, ending: Ending, style: Style) -> str:
    """Return a custom notification.

    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
    """
    severity = SEVERITIES[ending.outcome]
    category = ending.last.category.value if ending.last else ""
    parameters = launch.request.parameters
    steps = [_harmless(step) for step in report.steps]
    # A command that is cut is worse than one that stands elsewhere.
    lines = [
        _harmless(report.opening),
        "",
        *(f"*{label}:* {_cut(_harmless(value), _VALUE_MAX)}" for label, value in report.first),
        *([""] if report.links else []),
        *(f"*{label}:* {url}" for label, url in report.links),
        "",
        *(f"*{label}:* {_cut(_harmless(value), _VALUE_MAX)}" for label, value in report.details),
        *(step for step in steps if len(step) > STEP_MAX),
    ]
    context = {
        "severity": severity.value,
        "outcome": ending.outcome.value,
        "category": category,
        "rule": ending.rule,
        "account": launch.account,
        "region": launch.region,
        "cluster": cluster_name(parameters) if parameters else "",
        "family": family(parameters),
        "execution": style.place.execution_arn if style.place else "",
    }
    keywords = [severity.value, ending.outcome.value, category, family(parameters)]
    body: dict[str, Any] = {
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": _cut(f"{_SIGNS[severity]} {_harmless(report.subject)}", TITLE_MAX),
            "description": _cut("\n".join(lines), DESCRIPTION_MAX),
            "nextSteps": [step for step in steps if len(step) <= STEP_MAX],
            "keywords": [_cut(_harmless(word), KEYWORD_MAX) for word in keywords if word],
        },
        "metadata": {
            **({"threadId": style.recovery} if style.recovery else {}),
            "summary": _cut(_harmless(report.opening), TITLE_MAX),
            "eventType": "retry-run-task-recovery",
            "relatedResources": list(ending.task_arns[:_TASKS_MAX]),
            "additionalContext": {key: value for key, value in context.items() if value},
        },
    }
    # As ASCII: it holds whatever a record held, also halves of surrogate pairs.
    return json.dumps(body, separators=(",", ":"))


# In Slack, text in angle brackets calls people: <!channel>. A forged record may hold that.
# https://docs.slack.dev/messaging/formatting-message-text
_HARMLESS = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "@": "\N{FULLWIDTH COMMERCIAL AT}",
    }
)


def _harmless(text: str) -> str:
    """Return text that neither calls anybody nor sets a link that it does not show."""
    return _printable(text).translate(_HARMLESS)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _one_line(text: str, *, ascii_only: bool = False) -> str:
    """Return text fit for a subject: no control characters, cut at what SNS allows."""
    plain = "".join(c if _is_fit(c, ascii_only=ascii_only) else "?" for c in text)
    return _cut(plain, SUBJECT_MAX)


def _is_fit(character: str, *, ascii_only: bool) -> bool:
    return " " <= character <= "~" if ascii_only else character.isprintable()


def _printable(text: str) -> str:
    """Return text that can be encoded: a hand-made record may hold half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()
