"""The message about a recovery: what did not run and whether it still can, why, and what to do now.

One message for each failed launch, however many attempts. This module decides the content and its order; the sentences
are in ``english`` and ``japanese``, the commands in ``steps``, the forms in ``forms``. Only names and AWS's own words
go into a message; never an override, a variable or a tag.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import Outcome
from retry_run_task.messages import forms, outside, rows, steps
from retry_run_task.messages.english import ENGLISH
from retry_run_task.messages.japanese import JAPANESE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from retry_run_task.launch.values import FailedLaunch, Verdict
    from retry_run_task.messages import console
    from retry_run_task.messages.sentences import Sentences

STILL_TRYING = "still trying"
"""The outcome of an early message."""


class Severity(StrEnum):
    """How urgent a message is."""

    INFO = "info"
    """No action: the tasks exist."""
    WARNING = "warning"
    """Check in working hours: this run is late, or its schedule's next run replaces it."""
    ERROR = "error"
    """Act now: this run is missing, and nothing will retry it."""


class Language(StrEnum):
    """The language of messages. AWS's own words stay as they are."""

    ENGLISH = "en"
    JAPANESE = "ja"


SEVERITIES = {
    Outcome.RECOVERED: Severity.INFO,
    Outcome.ALREADY_RUNNING: Severity.INFO,
    Outcome.SUPERSEDED: Severity.WARNING,
    Outcome.EXPIRED: Severity.ERROR,
    Outcome.PERMANENT: Severity.ERROR,
    Outcome.REFUSED: Severity.ERROR,
    Outcome.UNCONFIRMED: Severity.ERROR,
    Outcome.BROKEN: Severity.ERROR,
    # Such an end sends no message.
    Outcome.IGNORED: Severity.INFO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How messages are written.

    Attributes:
        place: Where the recovery runs, for links; None for no links.
        recovery: The recovery's name; its messages are one thread in a chat. Empty if it has none.
        stack: Name of the installation, for the commands.
        profile: Of the AWS CLI, for the commands; empty for none.
    """

    language: Language = Language.ENGLISH
    for_chat: bool = False
    place: console.Place | None = None
    recovery: str = ""
    stack: str = "retry-run-task"
    zone: tzinfo | None = None
    runbook: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message.

    Attributes:
        subject: One line, within SNS's limits.
        plain_subject: The same in printable ASCII, if SNS takes nothing else.
        text: Plain text for e-mail.
        chat: JSON for Amazon Q Developer in chat applications; None if not requested.
        outcome: How the recovery ended, or ``STILL_TRYING``.
    """

    subject: str
    plain_subject: str
    text: str
    chat: str | None
    severity: Severity
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a recovery ended.

    Attributes:
        wanted: Tasks that were missing when the recovery began.
        last: The failure that decided last; None if there was none.
        is_unsure: Whether a call may have started tasks that were not seen: its answer was lost, or the process that
            made it may have died before the answer was recorded.
        rungs: Names of the rungs that placed the tasks, except the original request.
        changed: What they changed, and where the tasks started: a clause for each, such as ``1 task on-demand in
            ap-northeast-1c instead of Spot``.
        costs: Side effects of these changes, a clause for each; empty if there are none.
        numbers: The numbers in ``why``, by their names in ``decision``, for other languages.
        is_left_to_audit: Whether no message is sent, because the daily audit reports it.
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
    is_left_to_audit: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the requested tasks exist, or no message is wanted."""
        return self.outcome in (Outcome.RECOVERED, Outcome.ALREADY_RUNNING, Outcome.IGNORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a recovery that has not ended.

    Attributes:
        wanted: Tasks that were missing when the recovery began.
        until: When it gives up, in UTC.
        is_next_run_due: Whether that is when the schedule's next run is due; else it is the policy's limit.
    """

    calls: int
    wanted: int
    task_arns: tuple[str, ...]
    elapsed_s: float
    last: Verdict
    until: datetime
    is_next_run_due: bool = False


SENTENCES: Mapping[Language, Sentences] = {Language.ENGLISH: ENGLISH, Language.JAPANESE: JAPANESE}
"""The sentences of each language."""


def message(launch: FailedLaunch, ending: Ending, style: Style = Style()) -> Message:
    """Write the message for the end of a recovery."""

    def content(words: Sentences, show: outside.Show) -> forms.Content:
        line = rows.Rows(launch, style, words, show)
        return forms.Content(
            headline=_headline(ending, words),
            name=line.name,
            opening=rows.opening(ending, line),
            cause=list(rows.cause(ending, line)),
            steps=list(steps.after(launch, ending, style, words, show)),
            happened=[
                *line.failure(ending),
                *line.launch_rows(),
                *rows.result(ending, line, SEVERITIES[ending.outcome]),
            ],
            links=list(line.links(ending)),
            details=list(line.details(ending)),
        )

    return _write(
        launch, ending, style, content, ending.outcome.value, SEVERITIES[ending.outcome], ending.rule
    )


def _headline(ending: Ending, words: Sentences) -> str:
    if 0 < len(ending.task_arns) < ending.wanted:
        return words.partly
    if ending.is_unsure and not ending.succeeded:
        return words.unsure
    return words.headlines[ending.outcome]


def early_message(launch: FailedLaunch, progress: Progress, style: Style = Style()) -> Message:
    """Write the message for a run that is late and still being retried: why, until when, and how to stop it."""

    def content(words: Sentences, show: outside.Show) -> forms.Content:
        line = rows.Rows(launch, style, words, show)
        return forms.Content(
            headline=words.still_trying,
            name=line.name,
            opening=rows.opening_early(progress, line),
            cause=[("cause", words.causes["trying"].format(kind=words.kinds[progress.last.category]))],
            steps=list(steps.meanwhile(style, words)),
            happened=[*line.failure(progress), rows.until(progress, line), *line.launch_rows()],
            links=list(line.links(progress)),
            details=list(line.details(progress)),
        )

    return _write(launch, progress, style, content, STILL_TRYING, Severity.WARNING, "")


def _write(
    launch: FailedLaunch,
    state: Ending | Progress,
    style: Style,
    content: forms.Writer,
    outcome: str,
    severity: Severity,
    rule: str,
) -> Message:
    parameters, region = launch.request.parameters, outside.name(launch.region)
    facts = {
        "severity": severity.value,
        "outcome": outcome,
        "category": state.last.category.value if state.last else "",
        "rule": outside.name(rule),
        "account": outside.name(launch.account),
        "region": region,
        "cluster": outside.name(cluster_name(parameters)) if parameters else "",
        "family": outside.name(family(parameters)),
    }
    return assembled(
        content,
        style,
        region,
        severity,
        facts=facts,
        execution=style.place.execution_arn if style.place else "",
        thread=outside.name(style.recovery),
        tasks=state.task_arns[: rows.TASKS_MAX],
    )


def assembled(
    content: forms.Writer,
    style: Style,
    region: str,
    severity: Severity,
    *,
    facts: Mapping[str, str],
    **chat: Any,
) -> Message:
    """Return a message in every form; ``chat`` is for ``forms.chat``."""
    words = SENTENCES[style.language]
    is_ascii = style.language is Language.ENGLISH
    subject = forms.subject(content(words, outside.in_text), words, region, is_ascii=is_ascii)
    title = f"{forms.SIGNS[severity]} {subject}"
    return Message(
        subject=subject,
        plain_subject=forms.subject(content(ENGLISH, outside.in_text), ENGLISH, region, is_ascii=True),
        text=forms.text(content(words, outside.in_text), words),
        chat=forms.chat(content(words, outside.in_chat), words, title=title, facts=facts, **chat)
        if style.for_chat
        else None,
        severity=severity,
        outcome=facts["outcome"],
    )
