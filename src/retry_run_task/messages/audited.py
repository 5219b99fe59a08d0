"""What messages say of an audit: runs that did not happen, and what could not be seen. Pure.

None is sent if every run is accounted for. Runs whose recovery gave up are not in it: that recovery sent a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from retry_run_task.messages import forms, outside, rows, steps
from retry_run_task.messages.message import Message, Severity, Style, assembled
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from retry_run_task.launch.values import CallerKind
    from retry_run_task.messages.sentences import Sentences

T = TypeVar("T")

# As many as a person reads; the command that stands above them shows all.
_TOLD = 20

MISSING = "run missing"
"""The outcome if a run is missing."""
OVERTAKEN = "overtaken"
"""The outcome if runs were overtaken, and nothing else was found."""
UNSEEN = "audit incomplete"
"""The outcome if something could not be read, and no run is known to be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A run that was due and is not accounted for.

    Attributes:
        why: One clause.
        account: Whose run it is; empty for the stack's own.
        was_called: Whether a failed call for it is recorded, so that ``replay`` can start it.
    """

    name: str
    kind: CallerKind
    region: str
    due: datetime
    why: str
    account: str = ""
    was_called: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """Runs of one schedule in one outage that were given up, each because the next one was due.

    Attributes:
        first: When the first of them failed, in UTC.
        last: When the last of them was given up, in UTC.
        over: When the first run was due that started after them, in UTC; None if none is known.
        is_going: Whether more may follow.
    """

    name: str
    region: str
    count: int
    first: datetime
    last: datetime
    account: str = ""
    over: datetime | None = None
    is_going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What an audit found.

    Attributes:
        since: Runs that were to be accounted for after this time were looked at, in UTC.
        until: The latest such time, in UTC.
        missing: Runs that did not happen and that no message reported.
        overtaken: Runs that no message has reported, since their schedules' next runs came soon.
        home: The Region of the stack, whose command looks into all the others; empty if there is one Region only.
    """

    since: datetime
    until: datetime
    regions: tuple[str, ...]
    missing: tuple[Absent, ...] = ()
    unsure: tuple[Absent, ...] = ()
    overtaken: tuple[Overtaken, ...] = ()
    unseen: tuple[str, ...] = ()
    home: str = ""
    accounts: tuple[str, ...] = ()

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

    return assembled(
        content,
        style,
        regions,
        severity,
        facts={"severity": severity.value, "outcome": outcome, "category": "", "family": ""},
        execution="",
        thread="",
        event_type="retry-run-task-audit",
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
    for region in (found.home,) if found.home else found.regions:
        line = outside.command("retry-run-task audit", **window, region=region, stack=style.stack)
        yield steps.Step(text=said["look"], command=outside.with_profile(line, style.profile))
    for region in found.regions:
        # replay finds the calls of the stack's own account.
        if any(one.was_called and not one.account and one.region == region for one in found.missing):
            line = outside.command("retry-run-task replay", **window, region=region, stack=style.stack)
            yield steps.Step(text=said["replay"], command=outside.with_profile(line, style.profile))
    if found.missing:
        yield steps.Step(text=words.steps["by_hand_whole"])
    yield from steps.runbook(style, words, "run-missing")


def _happened(
    found: Findings, style: Style, words: Sentences, show: outside.Show
) -> Iterator[tuple[str, str]]:
    said = words.audited

    def told(label: str, found: Sequence[T], text: Callable[[T], str]) -> Iterator[tuple[str, str]]:
        yield from ((label, text(one)) for one in found[:_TOLD])
        if len(found) > _TOLD:
            yield label, said["more"].format(count=len(found) - _TOLD)

    def run(one: Absent) -> str:
        return said["run"].format(
            name=show(one.name),
            who=words.callers.get(one.kind, words.other_caller),
            region=_place(one, words),
            time=rows.moment(one.due, style, words),
            why=show(words.translated(one.why) or one.why),
        )

    def group(one: Overtaken) -> str:
        return said["group"].format(
            name=show(one.name),
            region=_place(one, words),
            runs=words.counted(one.count, "run"),
            first=rows.moment(one.first, style, words),
            last=rows.moment(one.last, style, words),
            over=over(one),
        )

    def over(one: Overtaken) -> str:
        if one.over is not None:
            return said["over"].format(time=rows.moment(one.over, style, words))
        return said["not over" if one.is_going else "never over"]

    yield from told("run", found.missing, run)
    yield from told("unsure", found.unsure, run)
    yield from told("overtaken", found.overtaken, group)
    yield from told("unseen", found.unseen, show)


def _place(one: Absent | Overtaken, words: Sentences) -> str:
    if not one.account:
        return outside.name(one.region)
    return words.audited["place"].format(region=outside.name(one.region), account=outside.name(one.account))


def _window(found: Findings, style: Style, words: Sentences) -> str:
    regions = ", ".join(map(outside.name, found.regions))
    if found.accounts:
        accounts = ", ".join(map(outside.name, found.accounts))
        regions = words.audited["places"].format(regions=regions, accounts=accounts)
    return words.audited["window"].format(
        since=rows.moment(found.since, style, words),
        until=rows.moment(found.until, style, words),
        regions=regions,
    )
