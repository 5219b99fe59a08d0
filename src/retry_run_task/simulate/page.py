"""The self-contained result page: charts, tables, assumptions. No script, no external resource."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from retry_run_task.config import CALLS_PER_SECOND
from retry_run_task.simulate import charts, report, sheet
from retry_run_task.simulate.charts import percent
from retry_run_task.simulate.competitors import CONCURRENCY
from retry_run_task.simulate.incident import ZoneSearch
from retry_run_task.simulate.launches import LATENESS
from retry_run_task.simulate.past_scenario import PAST
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retry_run_task.simulate.competitors import Competitor
    from retry_run_task.simulate.contest import ContestResult
    from retry_run_task.simulate.scenarios import Scenario
    from retry_run_task.simulate.tally import Tally

HEADINGS = (
    "policy",
    "recovered",
    "time, p50",
    "time, p95",
    "time, max",
    "calls per recovery",
    "peak calls/s",
    "throttled",
    "expired",
    "unseen",
    "duplicates",
)


def render(result: ContestResult, notes: Sequence[str] = ()) -> str:
    """Return the page. The notes are sentences at the top, such as assumptions about records."""
    contest = result.contest
    sections = "".join(_section(scenario, result) for scenario in contest.scenarios)
    jumps = "".join(f'<a href="#{escape(s.name)}">{escape(s.title)}</a>' for s in contest.scenarios)
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    settings = contest.settings
    return sheet.document(
        "retry-run-task: simulated outages",
        "<h1>Simulated outages: who gets the tasks started, and how soon</h1>"
        f'<p class="q">{_launches(result):,} failed launches in each scenario, in '
        f"{counted(contest.incidents, 'incident')} and {counted(settings.zones, 'zone')}; every policy meets the same "
        f"incidents. Seed {settings.seed}. Times count from the moment at which capacity came back: the first at which "
        "a slot existed that the launch could have used, whoever got it.</p>"
        f"{said}<nav>{jumps}</nav>{sections}{_policies(contest.competitors)}{_assumptions(settings.placement)}",
    )


def _launches(result: ContestResult) -> int:
    return max(tally.launches for tallies in result.tallies.values() for tally in tallies.values())


def _section(scenario: Scenario, result: ContestResult) -> str:
    incident = scenario.incident(result.contest.settings, 0)
    curves = report.curves(scenario, result)
    panels = report.panels(scenario, result, incident)
    start, end = report.span(incident, panels)
    nothing = [curve.name for curve in curves if not curve.share]
    none = f'<p class="q">Recovered nothing:</p>{sheet.names(nothing)}' if nothing else ""
    drawn = ""
    if len(nothing) < len(curves):
        drawn = sheet.figure(lambda width: charts.curves(curves, width=width), width=760)
    strips, zero = report.strips(incident), "first failure" if scenario.name == PAST else "midnight"
    return (
        f'<section id="{escape(scenario.name)}"><h2>{escape(scenario.title)}</h2>'
        f'<p class="lead">{escape(report.verdict(scenario, result))}.</p>'
        f'<p class="q">{escape(scenario.model)}</p>'
        f"<h3>Launches recovered, over time</h3>{drawn}{none}"
        "<h3>One incident, call by call</h3>"
        f'<p class="q keys">{_key()}</p>'
        '<p class="q">A row for each of at most twelve launches. What comes after the right edge is not drawn.</p>'
        + sheet.figure(
            lambda width: charts.incident(strips, panels, start=start, end=end, width=width, zero=zero),
            width=900,
        )
        + f"{_table(scenario, result)}</section>"
    )


def _key() -> str:
    keys = (
        ("", "free", "room"),
        ("", "none", "no room"),
        ("tick", "quiet", "call that found no room"),
        ("tick", "warn", "throttled call"),
        ("tick", "bad", "lost answer, or a task that did not start"),
        ("dot", "good", "task placed"),
    )
    return "".join(
        f'<span><span class="key {shape}" style="background:var(--{colour})"></span>{words}</span>'
        for shape, colour, words in keys
    )


def row(name: str, tally: Tally) -> tuple[str, ...]:
    """Return a line of the table, in the order of ``HEADINGS``."""
    return (
        name,
        percent(tally.recovered / max(1, tally.launches)),
        report.brief(tally.quantile(0.5)),
        report.brief(tally.quantile(0.95)),
        report.brief(tally.quantile(1)),
        report.per(tally.calls_per_recovery),
        str(tally.peak_calls_per_s),
        f"{tally.throttled:,}",
        f"{tally.expired:,}",
        f"{tally.unseen:,}",
        f"{tally.duplicates:,}",
    )


def _table(scenario: Scenario, result: ContestResult) -> str:
    drawn = report.kinds(list(result.contest.competitors))
    head = "".join(f"<th>{escape(words)}</th>" for words in HEADINGS)
    lines = []
    for name, tally in result.tallies[scenario.name].items():
        cells = row(name, tally)
        bad = len(cells) - 1 if tally.duplicates else None
        body = "".join(
            f'<td class="bad">{escape(cell)}</td>' if n == bad else f"<td>{escape(cell)}</td>"
            for n, cell in enumerate(cells)
        )
        lines.append(f'<tr class="{drawn[name]}">{body}</tr>')
    return (
        "<h3>In numbers</h3>"
        + sheet.scrolling(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>")
        + '<p class="q"><em>Time</em>: from the return of capacity until the tasks were placed, of all launches; '
        "<em>never</em> where fewer were recovered. <em>Expired</em>: taken up, and given up without the tasks. "
        "<em>Unseen</em>: never taken up. <em>Duplicates</em>: tasks started beside those that were missing.</p>"
        f'<p class="q"><em>Peak calls/s</em>: the most RunTask calls within one second, for all launches together. '
        "<em>Throttled</em>: calls that ECS refused because the account had used up its rate (ThrottlingException). "
        f"The rate is 20 calls a second for the whole account and Region, so a policy that calls more takes it "
        f"from your other callers. retry-run-task makes {CONCURRENCY * CALLS_PER_SECOND:g} at most, as deployed by "
        "default.</p>"
    )


def _policies(competitors: Sequence[Competitor]) -> str:
    items = "".join(
        f"<li><strong>{escape(c.name)}</strong>: {escape(c.reading)} {_link(c.source)}</li>"
        for c in competitors
    )
    return f"<section id='policies'><h2>The policies, and where that can be checked</h2><ul>{items}</ul></section>"


def _link(address: str) -> str:
    if not address.startswith("https://"):
        return f'<span class="q">({escape(address)})</span>'
    return f'<a href="{escape(address)}">{escape(address.split("/")[2])}</a>'


_LOOKS = {ZoneSearch.ANY: "all zones", ZoneSearch.ONE: "one zone, drawn anew for each task, out of those"}


def _assumptions(placement: ZoneSearch) -> str:
    late = "".join(
        f"<li>A failure is known by {escape(way)} after {lateness.mean_s:g} s on average, log-normal with sigma "
        f"{lateness.sigma:g}. {_link(lateness.source)} names the mean; the spread is assumed.</li>"
        for way, lateness in LATENESS.items()
        if way != "start"
    )
    return (
        "<section id='assumptions'><h2>What is assumed</h2><ul>"
        f"{late}"
        "<li>How long outages last, how capacity comes back and what other customers take is not published; it is "
        "drawn anew for each incident, as written above.</li>"
        f"<li>One call looks for room in {_LOOKS[placement]} of its subnets; AWS does not say.</li>"
        "<li>Other tools that make the call themselves react at once; ours waits for the record.</li>"
        "<li>Our calls come at the end of a Lambda invocation, of which so many run at a time as are reserved; each "
        "stays for half a second for every call. One that finds no free place is tried again with exponential "
        f"backoff. {_link('https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk-retries.html')} names no "
        "numbers; they are assumed.</li>"
        "<li>RunTask takes 20 calls a second, reads of tasks 20 after a burst of 100, and each provider 20 launches "
        "after a burst of 100, in many Regions 5 after 25. "
        f"{_link('https://docs.aws.amazon.com/general/latest/gr/ecs-service.html')}</li>"
        "<li>Every SDK makes a throttled call, or one without an answer, twice more with the same token.</li>"
        "</ul></section>"
    )
