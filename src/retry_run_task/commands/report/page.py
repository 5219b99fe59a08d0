"""The report as one self-contained page. Every text of a record is escaped here."""

from __future__ import annotations

from html import escape
from statistics import median
from typing import TYPE_CHECKING

from retry_run_task.commands.report import summary
from retry_run_task.commands.report.jobs import CallEnding
from retry_run_task.commands.report.pictures import heat
from retry_run_task.policy.durations import duration_text
from retry_run_task.simulate import charts, sheet
from retry_run_task.simulate.charts import Curve
from retry_run_task.text import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retry_run_task.commands.report.advice import Advice
    from retry_run_task.commands.report.findings import Report
    from retry_run_task.commands.report.jobs import Job

_STYLE = """
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.8rem;
margin:1.2rem 0;padding:0;list-style:none}
.facts li{font-size:.9rem;border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem;max-width:none}
.facts strong{display:block;font-size:1.2rem;font-variant-numeric:tabular-nums;line-height:1.3}
.advice{border:1px solid var(--line);border-left:4px solid var(--ours);border-radius:8px;padding:.2rem 1rem 1rem;
margin:1rem 0}.advice.fix{border-left-color:var(--bad)}.advice h3{font-size:1.05rem}.advice p{margin:.4rem 0}
pre{margin:.3rem 0 .8rem;padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere;
font-size:.8rem;line-height:1.45;border-radius:6px;
border:1px solid var(--line);background:color-mix(in srgb,var(--line) 35%,transparent)}
@media(min-width:48.01rem){.advice .said{display:grid;grid-template-columns:1fr auto;gap:2rem}}
td.words{white-space:normal;min-width:8rem;text-align:left}th.words{text-align:left}
"""
# Schedules and advice beyond these numbers are folded.
_FIRST, _FIRST_ADVICE = 20, 10


def render(report: Report) -> str:
    """Return the page."""
    gathered = report.gathered
    span = f"{gathered.since:%Y-%m-%d %H:%M} to {gathered.until:%Y-%m-%d %H:%M} UTC"
    notes = "".join(f'<p class="q">{_text(note)}</p>' for note in gathered.notes)
    head = (
        "<h1>When and where ECS was short of capacity</h1>"
        f'<p class="q">RunTask calls of {_text(gathered.source)}, {span}.</p>{notes}'
    )
    if not report.failed:
        body = f"{head}<p>None of {counted(report.runs, 'call')} failed, so there is nothing to change.</p>"
    else:
        parts = (_facts, _when, _advice, _how_long, _where, _whose)
        body = "".join([head, *(part(report) for part in parts)])
    return sheet.document("retry-run-task: report", f"{body}{_method(report)}", style=_STYLE)


def _text(words: str) -> str:
    """Return a record's text as HTML: one line, escaped."""
    return escape(one_line(words))


def _facts(report: Report) -> str:
    waits, later = report.waits, report.waits_without
    cost = "&lt; $0.01" if report.usd < 0.01 else f"${report.usd:.2f}"  # noqa: PLR2004 - a cent
    facts = [
        (f"{len(report.failed):,}", f"of {counted(report.runs, 'call')} failed"),
        (f"{report.endings.get(CallEnding.STARTED, 0):,}", "of those runs were started by recoveries"),
        (duration_text(median(waits)) if waits else "-", "until a run started (median)"),
        (duration_text(waits[-1]) if waits else "-", "until the latest started"),
        (duration_text(median(later)) if later else "-", "until the next run, without recoveries (median)"),
        (cost, f"for {counted(report.recovery_calls, 'RunTask call')} of recoveries"),
    ]
    items = "".join(f"<li><strong>{value}</strong>{words}</li>" for value, words in facts)
    return f'<ul class="facts">{items}</ul>'


def _advice(report: Report) -> str:
    cards = [_card(number, one) for number, one in enumerate(report.advice, 1)]
    first, more = "".join(cards[:_FIRST_ADVICE]), "".join(cards[_FIRST_ADVICE:])
    if more:
        first += f"<details><summary>{len(cards) - _FIRST_ADVICE} more</summary>{more}</details>"
    none = "<p>No change would have helped enough to be advised.</p>"
    return (
        '<section id="advice"><h2>What would have helped</h2>'
        '<p class="q">Each change was tried on the runs of your own past, with the recovery as it runs in Lambda. '
        f"Nothing has been changed; two changes of one schedule are alternatives.</p>{first or none}</section>"
    )


def _card(number: int, one: Advice) -> str:
    # The table already has the effect's first sentence.
    said = [*one.why, *[words for words in summary.effect(one) if not words.startswith("Simulated")]]
    sentences = "".join(f"<p>{_text(words)}</p>" for words in said)
    kind = "fix" if one.before is None else ""
    return (
        f'<article class="advice {kind}"><h3>{number}. {_text(one.title)}</h3>'
        f'<div class="said"><div>{sentences}</div>{_effect(one)}</div>{_change(one)}</article>'
    )


def _effect(one: Advice) -> str:
    if one.before is None or one.after is None:
        return ""
    rows = "".join(
        f"<tr><td>{name}</td><td>{before}</td><td>{after}</td></tr>"
        for name, before, after in summary.effect_rows(one.before, one.after)
    )
    runs = counted(one.before.runs, "past run")
    head = f"<tr><th>simulated, {runs}</th><th>unchanged</th><th>with the change</th></tr>"
    return sheet.scrolling(f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>", is_small=True)


def _change(one: Advice) -> str:
    if one.change is None:
        return f'<p class="q">{summary.NO_CHANGE}</p>' if one.before is not None else ""
    is_either = one.change.language == "Terraform"
    code = f"<p>{escape(one.change.language)}:</p><pre>{escape(one.change.code)}</pre>"
    if not one.change.commands:
        return code
    lead = "<p>Or commands, with the AWS CLI and jq:</p>" if is_either else "<p>Then:</p>"
    return f"{code}{lead}<pre>{escape(one.change.commands)}</pre>"


def _when(report: Report) -> str:
    return (
        '<section id="when"><h2>When</h2>'
        f'<p class="q">Failed calls by weekday and hour, {_text(str(report.zone))}. The stronger the red, the more. '
        "Green: calls, and none failed. Grey: no calls.</p>"
        + sheet.figure(lambda width: heat(report.heat, width=width), width=900)
        + "</section>"
    )


def _how_long(report: Report) -> str:
    if not report.missed_without:
        return ""
    found = [
        Curve(name="with recoveries", points=_points(report.waits, len(report.failed)), kind="ours"),
        Curve(name="next run", points=_points(report.waits_without, len(report.failed)), kind="other"),
    ]
    return (
        '<section id="how-long"><h2>How long until a run started</h2>'
        f'<p class="lead">{escape(summary.without(report))}</p>'
        '<p class="q"><em>Next run</em>: when the same schedule next started a task by itself.</p>'
        + sheet.figure(
            lambda width: charts.curves(found, width=width, height=240, zero="the failed call"), width=760
        )
        + "</section>"
    )


def _points(waits: Sequence[float], of: int) -> list[tuple[float, float]]:
    return [(wait, number / of) for number, wait in enumerate(waits, 1)]


def _where(report: Report) -> str:
    if not report.places:
        return ""
    rows = [
        (
            one.subnet or "not recorded",
            one.zone or "not recorded",
            one.provider,
            str(one.failed),
            str(one.outages),
            duration_text(one.short_s),
            duration_text(one.longest_s),
        )
        for one in report.places
    ]
    head = (
        "subnet", "zone", "capacity", "failed calls", "outages", "short in all, at most", "longest, at most",
    )  # fmt: skip
    return (
        '<section id="where"><h2>Where</h2>'
        '<p class="q">A call that names several subnets fails if all of them are short, so it counts for each. An '
        "outage lasts from the first failed call until a call placed a task there; if none did, 30 minutes longer "
        "than the last failure.</p>"
        f"{_table(head, rows, words=3)}</section>"
    )


def _whose(report: Report) -> str:
    jobs = [job for job in report.jobs if job.failed]
    rows = [_row(job) for job in jobs]
    head = ("schedule", "when", "reason", "calls", "failed", "started", "median wait", "longest wait")
    more = ""
    if len(rows) > _FIRST:
        rest = _table(head, rows[_FIRST:], words=3)
        more = f"<details><summary>{len(rows) - _FIRST} more</summary>{rest}</details>"
    fine = [job for job in report.jobs if not job.failed]
    others = f'<p class="q">{counted(len(fine), "other caller")} had no failed call.</p>' if fine else ""
    return f'<section id="whose"><h2>Whose</h2>{_table(head, rows[:_FIRST], words=3)}{more}{others}</section>'


def _row(job: Job) -> tuple[str, ...]:
    waits = [wait for one in job.failed if (wait := one.waited_s) is not None]
    launcher = job.launcher
    zone = f", {launcher.timezone}" if launcher and launcher.timezone != "UTC" else ""
    return (
        job.name,
        f"{launcher.expression}{zone}" if launcher and launcher.expression else "not recorded",
        job.failed[-1].verdict.failure.said or "no reason",
        str(job.runs),
        str(len(job.failed)),
        str(sum(one.ending is CallEnding.STARTED for one in job.failed)),
        duration_text(median(waits)) if waits else "-",
        duration_text(max(waits)) if waits else "-",
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], *, words: int) -> str:
    """Return a table of texts, escaped; ``words`` is the number of columns from the left that hold words."""

    def css(number: int) -> str:
        return ' class="words"' if 0 < number < words else ""

    top = "".join(f"<th{css(n)}>{escape(name)}</th>" for n, name in enumerate(head))
    body = "".join(
        f"<tr>{''.join(f'<td{css(n)}>{_text(cell)}</td>' for n, cell in enumerate(row))}</tr>" for row in rows
    )
    return sheet.scrolling(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")


def _method(report: Report) -> str:
    if not report.failed:
        return ""
    source = "Lambda at list prices of us-east-1, two durable operations and one second for each call"
    return (
        '<section id="method"><h2>How this was found</h2><ul>'
        "<li>From CloudTrail's records of RunTask, those of recoveries included. Calls of Batch and Step Functions "
        "are left out: they retry themselves.</li>"
        "<li>A run counts as started when a recovery's call placed its last missing task.</li>"
        "<li>Outages are told from calls, so they seem longer than they were: capacity returned before the first call "
        "that found it. Advice is rather too careful for that reason.</li>"
        "<li>Past runs are simulated one by one, with the default policy, and known by EventBridge after 75 s. What "
        "several runs take from each other is not simulated.</li>"
        f"<li>Cost: {source}; what ECS bills for the task is the run that you wanted.</li>"
        "</ul></section>"
    )
