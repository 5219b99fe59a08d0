"""What messages say of an audit: runs that did not happen, and what could not be seen. Pure.

There is none if every run is accounted for. Runs whose recovery gave up are no part of it: that recovery told of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.messages import forms, outside, rows, steps
from retry_run_task.messages.english import ENGLISH
from retry_run_task.messages.message import SENTENCES, Language, Message, Severity, Style
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from retry_run_task.launch.values import CallerKind
    from retry_run_task.messages.sentences import Sentences

# As many as a person reads; the command that stands above them shows all.
_TOLD = 20

MISSING = "run missing"
"""What stands for the outcome where a run is missing."""
OVERTAKEN = "overtaken"
"""What stands for it where runs were overtaken and nothing else is to be told."""
UNSEEN = "audit incomplete"
"""What stands for it where none is known to be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A run that was due and is not accounted for.

    Attributes:
        name: Of its rule or schedule.
        kind: Which of the two that is.
        why: One clause.
        was_called: Whether a failed call for it is recorded, so that ``replay`` can start it.
    """

    name: str
    kind: CallerKind
    region: str
    due: datetime
    why: str
    was_called: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """Runs of one schedule that were given up one after the other, each because the next one was due.

    Attributes:
        first: When the first of them failed, in UTC.
        last: When the last of them was given up, in UTC.
    """

    name: str
    region: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What an audit found.

    Attributes:
        since: Runs that were to be accounted for after this time were looked at, in UTC.
        until: The latest such time, in UTC.
        missing: Runs that did not happen and that no message reported.
        unsure: Runs that may have happened.
        overtaken: Runs that no message has told of, since their schedules' next runs came soon.
    """

    since: datetime
    until: datetime
    regions: tuple[str, ...]
    missing: tuple[Absent, ...] = ()
    unsure: tuple[Absent, ...] = ()
    overtaken: tuple[Overtaken, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.missing or self.unsure or self.overtaken or self.unseen)

    @property
    def outcome(self) -> str:
        """What weighs most."""
        if self.missing:
            return MISSING
        return UNSEEN if self.unsure or self.unseen else OVERTAKEN


def audit_message(found: Findings, style: Style) -> Message:
    """Write the message for an audit that is not well."""
    outcome = found.outcome
    severity = Severity.ERROR if found.missing else Severity.WARNING
    words = SENTENCES[style.language]
    regions = ", ".join(map(outside.name, found.regions))

    def content(words: Sentences, show: outside.Show) -> forms.Content:
        said = words.audited
        return forms.Content(
            headline=said[outcome],
            name=_name(found, words),
            opening=said[f"opening {outcome}"].format(runs=_runs(found, words)),
            cause=[],
            steps=list(_steps(found, style, words)),
            happened=list(_happened(found, style, words, show)),
            links=[],
            details=[("looked_at", _window(found, style, words))],
        )

    subject = forms.subject(
        content(words, outside.in_text), words, regions, is_ascii=style.language is Language.ENGLISH
    )
    chat = None
    if style.for_chat:
        chat = forms.chat(
            content(words, outside.in_chat),
            words,
            title=f"{forms.SIGNS[severity]} {subject}",
            facts={"severity": severity.value, "outcome": outcome, "category": "", "family": ""},
            execution="",
            thread="",
            event_type="retry-run-task-audit",
        )
    return Message(
        subject=subject,
        plain_subject=forms.subject(content(ENGLISH, outside.in_text), ENGLISH, regions, is_ascii=True),
        text=forms.text(content(words, outside.in_text), words),
        chat=chat,
        severity=severity,
        outcome=outcome,
    )


def _runs(found: Findings, words: Sentences) -> str:
    """Return how many runs the first line is about."""
    number = len(found.missing) or sum(one.count for one in found.overtaken)
    return words.counted(number, "run")


def _name(found: Findings, words: Sentences) -> str:
    """Return what the subject names: the rule or schedule, or the first of several."""
    told: Sequence[Absent | Overtaken] = found.missing or found.unsure
    if found.outcome == OVERTAKEN:
        told = found.overtaken
    names = list(dict.fromkeys(outside.name(one.name) for one in told))
    if not names:
        return words.audited["unnamed"]
    if len(names) == 1:
        return names[0]
    return words.audited["others"].format(name=names[0], count=len(names) - 1)


def _steps(found: Findings, style: Style, words: Sentences) -> Iterator[steps.Step]:
    said, window = words.audited, {"since": iso(found.since), "until": iso(found.until)}
    for region in found.regions:
        where = {"region": region, "stack": style.stack}
        line = outside.command("retry-run-task audit", **window, **where)
        yield steps.Step(text=said["look"], command=line)
        if any(one.was_called and one.region == region for one in found.missing):
            line = outside.command("retry-run-task replay", **window, **where)
            yield steps.Step(text=said["replay"], command=line)
    if found.missing:
        yield steps.Step(text=words.steps["by_hand_whole"])
    yield from steps.runbook(style, words, "run-missing")


def _happened(
    found: Findings, style: Style, words: Sentences, show: outside.Show
) -> Iterator[tuple[str, str]]:
    def runs(label: str, absent: Sequence[Absent]) -> Iterator[tuple[str, str]]:
        for one in absent[:_TOLD]:
            yield (
                label,
                words.audited["run"].format(
                    name=show(one.name),
                    who=words.callers.get(one.kind, words.other_caller),
                    region=outside.name(one.region),
                    time=rows.moment(one.due, style, words),
                    why=show(words.translated(one.why) or one.why),
                ),
            )
        if len(absent) > _TOLD:
            yield label, words.audited["more"].format(count=len(absent) - _TOLD)

    yield from runs("run", found.missing)
    yield from runs("unsure", found.unsure)
    for group in found.overtaken[:_TOLD]:
        yield (
            "overtaken",
            words.audited["group"].format(
                name=show(group.name),
                region=outside.name(group.region),
                runs=words.counted(group.count, "run"),
                first=rows.moment(group.first, style, words),
                last=rows.moment(group.last, style, words),
            ),
        )
    if len(found.overtaken) > _TOLD:
        yield "overtaken", words.audited["more"].format(count=len(found.overtaken) - _TOLD)
    yield from (("unseen", show(why)) for why in found.unseen[:_TOLD])
    if len(found.unseen) > _TOLD:
        yield "unseen", words.audited["more"].format(count=len(found.unseen) - _TOLD)


def _window(found: Findings, style: Style, words: Sentences) -> str:
    return words.audited["window"].format(
        since=rows.moment(found.since, style, words),
        until=rows.moment(found.until, style, words),
        regions=", ".join(map(outside.name, found.regions)),
    )
