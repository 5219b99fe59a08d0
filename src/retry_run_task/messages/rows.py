"""The lines of a message: what happened, why, and where to look, as labels and values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import CallerKind, Outcome
from retry_run_task.messages import console, outside, steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from retry_run_task.launch.values import FailedLaunch
    from retry_run_task.messages.message import Ending, Progress, Style
    from retry_run_task.messages.sentences import Sentences

# Enough to identify the tasks; the log has the rest.
TASKS_MAX = 10

# The log lines of a recovery end soon after its last attempt: a task is watched for two hours at most.
_LOG_MARGIN_S = 2 * 3600


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows about a launch, in one language and for one form. A row is a label's key and a value."""

    launch: FailedLaunch
    style: Style
    words: Sentences
    show: outside.Show

    @property
    def name(self) -> str:
        """The family of the task definition."""
        found = family(self.launch.request.parameters)
        return outside.name(found) if found else self.words.unnamed

    def moment(self, time: datetime) -> str:
        """Return a time in the reader's time zone, and in UTC, which the logs have."""
        return moment(time, self.style, self.words)

    def failure(self, state: Ending | Progress) -> Iterator[tuple[str, str]]:
        """Yield the failure that decided, and the failed call's own failure if it differs."""
        first = "; ".join(dict.fromkeys(f.said for f in self.launch.failures if f.said))
        last = state.last.failure.said if state.last is not None else ""
        is_other = bool(last) and last != first and state.calls > 0
        yield "said", self.show(last if is_other else first) or self.words.unrecorded
        if is_other and first:
            yield "said_first", self.show(first)
        calls = self.words.counted(state.calls, "call")
        yield (
            "tried",
            self.words.tried.format(
                calls=calls,
                span=self.words.span(state.elapsed_s),
                started=len(state.task_arns),
                wanted=state.wanted,
            )
            if state.calls
            else self.words.not_tried,
        )

    def launch_rows(self) -> Iterator[tuple[str, str]]:
        """Yield when and where the tasks should have started, and who called RunTask."""
        launch, words = self.launch, self.words
        parameters = launch.request.parameters
        yield "when", self.moment(launch.event_time)
        yield (
            "where",
            words.place.format(
                cluster=self.show(outside.name(cluster_name(parameters))) if parameters else words.unrecorded,
                account=outside.name(launch.account) or words.unrecorded,
                region=outside.name(launch.region) or words.unrecorded,
            ),
        )
        schedule = steps.schedule_name(launch)
        who = words.callers.get(launch.caller.kind, words.other_caller)
        what = schedule or launch.caller.role_arn or ""
        yield "caller", words.caller.format(who=who, what=self.show(what)) if what else who

    def details(self, state: Ending | Progress) -> Iterator[tuple[str, str]]:
        """Yield the identifiers that lead to everything else."""
        definition = str(self.launch.request.parameters.get("taskDefinition") or "")
        yield "task_definition", self.show(definition) or self.words.unrecorded
        for arn in state.task_arns[:TASKS_MAX]:
            yield "task", self.show(arn)
        if len(state.task_arns) > TASKS_MAX:
            yield "task", self.words.more_tasks.format(count=len(state.task_arns) - TASKS_MAX)
        yield "event", outside.name(self.launch.event_id)
        if self.style.recovery:
            yield "recovery", outside.name(self.style.recovery)
        if self.style.place is not None:
            yield "execution_arn", self.show(self.style.place.execution_arn)

    def links(self, state: Ending | Progress) -> Iterator[tuple[str, str]]:
        """Yield links to the console."""
        place, urls = self.style.place, []
        if place is not None:
            urls.append(("execution", console.execution_url(place)))
            if self.style.recovery and place.log_group:
                span = _span(self.launch, state)
                urls.append(("log", console.log_url(place, self.style.recovery, **span)))
        urls += [("task", console.task_url(arn)) for arn in state.task_arns[:TASKS_MAX]]
        yield from ((label, url) for label, url in urls if url)


def moment(time: datetime, style: Style, words: Sentences) -> str:
    """Return a time in the reader's time zone, and in UTC, which the logs have."""
    utc = f"{time:%Y-%m-%d %H:%M:%S}"
    home = (style.zone, str(style.zone)) if style.zone else words.home
    if home is None:
        return f"{utc} UTC"
    try:
        local = f"{time.astimezone(home[0]):%Y-%m-%d %H:%M:%S}"
    except OverflowError:  # The first and the last day of the calendar.
        return f"{utc} UTC"
    return words.time.format(local=local, zone=home[1], utc=utc)


def opening(ending: Ending, rows: Rows) -> str:
    """Return the first line: what did not happen, and whether it still can."""
    key: str = ending.outcome
    if 0 < len(ending.task_arns) < ending.wanted:
        key = "partly"
    elif ending.is_unsure and not ending.succeeded and ending.outcome is not Outcome.BROKEN:
        key = "unsure"
    elif ending.outcome is Outcome.PERMANENT and ending.rule == "errors":
        key = "errors"
    elif ending.rule == "overlap":
        key = "overlap"
    elif ending.outcome is Outcome.RECOVERED and ending.changed:
        key = "changed"
    return rows.words.openings[key].format(
        name=rows.show(rows.name),
        started=len(ending.task_arns),
        wanted=ending.wanted,
        changed=", ".join(_clauses(ending.changed, rows)),
    )


def opening_early(progress: Progress, rows: Rows) -> str:
    """Return the first line of an early message."""
    return rows.words.openings["trying_partly" if progress.task_arns else "trying"].format(
        name=rows.show(rows.name),
        started=len(progress.task_arns),
        wanted=progress.wanted,
        until=rows.moment(progress.until),
    )


def cause(ending: Ending, rows: Rows) -> Iterator[tuple[str, str]]:
    """Yield the cause in one clause, and the engine's own reason if the clause is not specific."""
    if ending.succeeded and ending.outcome is not Outcome.IGNORED:
        return
    words, numbers = rows.words, ending.numbers
    key = _cause_key(ending)
    if key:
        yield (
            "cause",
            words.causes[key].format(
                kind=words.kinds[ending.last.category] if ending.last else "",
                limit=words.span(numbers.get("limit_s", 0)),
                share=numbers.get("share", 1.0),
                failures=words.counted(round(numbers.get("nth", 0)), "failure"),
            ),
        )
    if key in ("", "redacted", "member-role", "policy"):
        yield from (("why" if key else "cause", clause) for clause in _clauses((ending.why,), rows))


def _cause_key(ending: Ending) -> str:
    """Return the key of the clause for why a recovery ended; empty if there is none."""
    outcome, rule, numbers = ending.outcome, ending.rule, ending.numbers
    fixed = {
        Outcome.REFUSED: "redacted",
        Outcome.IGNORED: "ignored",
        Outcome.UNCONFIRMED: "unconfirmed",
        Outcome.BROKEN: "broken",
    }
    if (outcome, rule) in _BY_RULE:
        return rule
    if outcome in fixed:
        return fixed[outcome]
    if ending.last is None:
        return ""
    if outcome is Outcome.EXPIRED and "nth" in numbers:
        return "attempts"
    if outcome in (Outcome.EXPIRED, Outcome.SUPERSEDED) and "limit_s" in numbers:
        return "deadline" if outcome is Outcome.EXPIRED else _superseded_key(numbers)
    return "permanent" if outcome is Outcome.PERMANENT else ""


def _superseded_key(numbers: Mapping[str, float]) -> str:
    if numbers["limit_s"] < 0:
        return "overtaken"
    return "next-run" if numbers.get("share", 1.0) == 1 else "share"


_BY_RULE = frozenset(
    {
        (Outcome.PERMANENT, "errors"),
        (Outcome.PERMANENT, "member-role"),
        (Outcome.PERMANENT, "policy"),
        (Outcome.EXPIRED, "client-token"),
        (Outcome.UNCONFIRMED, "stopped"),
        (Outcome.SUPERSEDED, "overlap"),
    }
)


def _clauses(said: Iterable[str], rows: Rows) -> Iterator[str]:
    """Yield clauses of the engine in the message's language, or in English if there is no translation."""
    yield from (rows.show(rows.words.translated(clause) or clause) for clause in said)


def result(ending: Ending, rows: Rows, severity: str) -> Iterator[tuple[str, str]]:
    """Yield the outcome in the words of logs and metrics, and what was changed in the request."""
    yield (
        "outcome",
        rows.words.outcome.format(
            outcome=ending.outcome,
            severity=severity,
            category=ending.last.category if ending.last else "-",
            rule=rows.show(ending.rule),
        ),
    )
    yield from (("changed", clause) for clause in _clauses(ending.changed, rows))
    yield from (("cost", clause) for clause in _clauses(ending.costs, rows))


def until(progress: Progress, rows: Rows) -> tuple[str, str]:
    """Return when a recovery gives up, and the reason."""
    words = rows.words
    sentence = words.until_next_run if progress.is_next_run_due else words.until_deadline
    return "until", sentence.format(time=rows.moment(progress.until))


def _span(launch: FailedLaunch, state: Ending | Progress) -> dict[str, int]:
    """Return the time range of the log lines, if known.

    A hand-made record may have any time, and a recovery that ended before its first look does not know the time.
    """
    if launch.caller.kind is CallerKind.HAND_MADE or state.elapsed_s <= 0:
        return {}
    start = launch.event_time.timestamp()
    return {
        "start_ms": round(start * 1000),
        "end_ms": round((start + state.elapsed_s + _LOG_MARGIN_S) * 1000),
    }
