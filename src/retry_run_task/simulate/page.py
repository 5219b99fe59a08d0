"""One page that holds everything it needs: the pictures, the tables, the assumptions. No script, no address fetched."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from retry_run_task.simulate import charts, report
from retry_run_task.simulate.charts import percent
from retry_run_task.simulate.night import Placement
from retry_run_task.simulate.scenarios import LATENESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retry_run_task.simulate.contest import Result
    from retry_run_task.simulate.contestants import Contestant
    from retry_run_task.simulate.scenarios import Scenario
    from retry_run_task.simulate.tally import Tally

_STYLE = """
:root{color-scheme:light dark}
body.v{margin:0;background:var(--surface);color:var(--ink);line-height:1.5;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;line-height:1.35;margin:3.5rem 0 .4rem}
h3{font-size:.95rem;margin:1.6rem 0 .3rem}
p,li{max-width:46rem}p.q,.q{color:var(--quiet);font-size:.9rem}a{color:var(--ours)}
figure{margin:.6rem 0}svg{width:100%;height:auto;display:block}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.8rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .45rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--quiet)}th:first-child,td:first-child{text-align:left}
tr.ours td{font-weight:600;color:var(--ours)}tr.bound td{font-style:italic}
td.bad{color:var(--bad)}
.key{display:inline-block;width:.65em;height:.65em;border-radius:50%;margin:0 .3em 0 1em}
details{margin-top:1rem}summary{cursor:pointer;color:var(--ours)}
"""

HEADINGS = (
    "policy",
    "recovered",
    "p50",
    "p95",
    "max",
    "calls/recovery",
    "peak calls/s",
    "throttled",
    "expired",
    "unseen",
    "duplicates",
)


def render(result: Result, notes: Sequence[str] = ()) -> str:
    """Return the page.

    Args:
        result: What was found.
        notes: Sentences that stand at the top, such as what was assumed of records.
    """
    contest = result.contest
    sections = "".join(_section(scenario, result) for scenario in contest.scenarios)
    jumps = "".join(f'<a href="#{escape(s.name)}">{escape(s.title)}</a>' for s in contest.scenarios)
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<title>retry-run-task: simulated outages</title>"
        f"<style>{charts.STYLE}{_STYLE}</style></head>"
        '<body class="v"><main>'
        "<h1>Simulated outages: who gets the tasks started, and how soon</h1>"
        f'<p class="q">{_launches(result):,} failed launches in each scenario, in {contest.nights:,} nights and '
        f"{contest.settings.zones} zones; every policy meets the same nights. "
        f"Seed {contest.settings.seed}. Times count from the moment at which capacity came back: the first at which "
        "a slot existed that the launch could have used, whoever got it.</p>"
        f"{said}<nav>{jumps}</nav>{sections}{_policies(contest.contestants)}{_assumptions(contest.settings.placement)}"
        "</main></body></html>\n"
    )


def _launches(result: Result) -> int:
    return max(tally.launches for tallies in result.tallies.values() for tally in tallies.values())


def _section(scenario: Scenario, result: Result) -> str:
    night = scenario.night(result.contest.settings, 0)
    curves = report.curves(scenario, result)
    panels = report.panels(scenario, result, night)
    start, end = report.span(night, panels)
    nothing = [curve.name for curve in curves if not curve.share]
    none = f'<p class="q">Recovered nothing: {escape(", ".join(nothing))}.</p>' if nothing else ""
    drawn = f"<figure>{charts.curves(curves)}</figure>" if len(nothing) < len(curves) else ""
    return (
        f'<section id="{escape(scenario.name)}"><h2>{escape(report.finding(scenario, result))}</h2>'
        f'<p class="q">{escape(scenario.model)}</p>'
        "<h3>How many launches have their tasks, by the time since capacity returned</h3>"
        f"{drawn}{none}"
        "<h3>One of the nights: when there was room, and who called when</h3>"
        f'<p class="q">{_key()} (Twelve of the launches; what comes after the right edge is not drawn.)</p>'
        f"<figure>{charts.night(report.strips(night), panels, start=start, end=end)}</figure>"
        f"{_table(scenario, result)}</section>"
    )


def _key() -> str:
    keys = (
        ("free", "room"),
        ("none", "no room"),
        ("quiet", "a call that found no room"),
        ("warn", "throttled"),
        ("bad", "the answer was lost, or the task did not start"),
        ("good", "placed"),
    )
    return "".join(
        f'<span class="key" style="background:var(--{colour})"></span>{words}' for colour, words in keys
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


def _table(scenario: Scenario, result: Result) -> str:
    drawn = report.kinds(list(result.contest.contestants))
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
        f'<h3>In numbers</h3><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        '<p class="q">p50, p95 and max are of all launches; <em>never</em> where fewer were recovered. '
        "<em>Expired</em>: taken up, and left without the tasks. <em>Unseen</em>: never taken up.</p>"
    )


def _policies(contestants: Sequence[Contestant]) -> str:
    items = "".join(
        f"<li><strong>{escape(c.name)}</strong>: {escape(c.reading)} {_link(c.source)}</li>"
        for c in contestants
    )
    return f"<section id='policies'><h2>The policies, and where that can be checked</h2><ul>{items}</ul></section>"


def _link(address: str) -> str:
    if not address.startswith("https://"):
        return f'<span class="q">({escape(address)})</span>'
    return f'<a href="{escape(address)}">{escape(address.split("/")[2])}</a>'


_LOOKS = {Placement.ANY: "all zones", Placement.ONE: "one zone, drawn anew for each task, out of those"}


def _assumptions(placement: Placement) -> str:
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
        "drawn anew for each night, as written above.</li>"
        f"<li>One call looks for room in {_LOOKS[placement]} of its subnets; AWS does not say.</li>"
        "<li>Other tools that make the call themselves react at once; ours waits until it is told.</li>"
        "<li>Our calls come at the end of a Lambda invocation, of which so many run at a time as are reserved; each "
        "stays for half a second for every call.</li>"
        "<li>RunTask takes 20 calls a second, and each provider 20 launches a second after a burst of 100. "
        f"{_link('https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html')}</li>"
        "</ul></section>"
    )
