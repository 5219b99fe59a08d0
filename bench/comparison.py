"""Lets every policy meet every outage, from a fixed seed, and writes what README and docs show of it.

    .venv/bin/python bench/comparison.py            simulate (about a minute), and write result and pages
    .venv/bin/python bench/comparison.py --pages    write the pages again from the result that is there

The result is bench/comparison.json. The sentence in both READMEs, docs/comparison.md and the picture are made of it
and of nothing else; tests compare them, and look whether the code still gives the result.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retry_run_task.config import read_policy
from retry_run_task.messages.japanese import span
from retry_run_task.simulate import charts, report
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap
from retry_run_task.simulate.competitors import CONCURRENCY, INVOCATION_S, Oracle, Ours, Theirs
from retry_run_task.simulate.contest import Contest, ContestResult, run
from retry_run_task.simulate.launches import ScenarioSettings
from retry_run_task.simulate.peers import PEERS, Way
from retry_run_task.simulate.scenarios import SCENARIOS
from retry_run_task.simulate.tally import TENTHS, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retry_run_task.simulate.competitors import Competitor

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
RESULT = "bench/comparison.json"
TABLE = "docs/comparison.md"
PICTURE = "docs/images/comparison.svg"
SENTENCES = {
    "README.md": "In [a simulated outage of every zone](docs/comparison.md) {share} of {launches} launches start, half "
    "within {median} of capacity's return.",
    "README.ja.md": "[全ゾーンの障害のシミュレーション](docs/comparison.md)では、起動に失敗した {launches} 件の "
    "{share} が復旧し、キャパシティが戻ってから全体の半数が復旧するまでの時間は {median_ja}でした。",
}
REWRITTEN = "Step Functions, yours to write"
BEGIN, END = "<!-- comparison: written by `make bench` -->", "<!-- end of comparison -->"

SETTINGS = ScenarioSettings(schedules=100, zones=2, seed=1)
# Where launches wait for hours, one incident is calls enough.
INCIDENTS = 4
LONG_ONES = ("spot-drought", "misconfigured", "several", "ramp", "slots", "long")
# Quick enough for a test, and it changes with the loop, the policy and the model.
PROBE = ScenarioSettings(schedules=10, zones=2, seed=1)

# What the table at the top of the page has room for: common outages, and the policies that help in one.
SHOWN = ("short", "zone-outage", "rush", "brownout", "long", "eni")
PICTURED = ("zone-outage", "rush")
FREQUENT = "every-five-minutes"
# How long a shortage for one job lasts, in seconds, and whom its table has beside ours.
SHORTAGES_S = (15, 30, 60, 120, 180, 300)
ALONE = (
    "the original way",
    "wrapbox",
    "Step Functions, voyagegroup",
    REWRITTEN,
    "Sleeper",
    "cdk-github-runners",
)
WORTH_A_ROW = 0.25
# The share of launches in steps of two per cent: enough for a curve.
STEPS = 50


def competitors() -> list[Competitor]:
    """Return all competitors."""
    ours = [
        Ours(name=f"retry-run-task, {way}", policy=read_policy(), way=way)
        for way in (Way.EVENTBRIDGE, Way.LOGS)
    ]
    return [*ours, *map(Theirs, PEERS), Oracle()]


def measure() -> Json:
    """Simulate everything and return what is kept of it."""
    done, total = 0, sum(SETTINGS.schedules * incidents(scenario.name) for scenario in SCENARIOS)
    began = time.monotonic()

    def progress(launches: int) -> None:
        nonlocal done
        done += launches
        print(f"bench: comparison, {done:,} of {total:,} ...", file=sys.stderr, flush=True)

    result = ContestResult(
        contest=Contest(
            scenarios=SCENARIOS, competitors=competitors(), settings=SETTINGS, incidents=INCIDENTS
        )
    )
    for scenario in SCENARIOS:
        contest = Contest(
            scenarios=(scenario,),
            competitors=competitors(),
            settings=SETTINGS,
            incidents=incidents(scenario.name),
        )
        result.tallies |= run(contest, processes=os.cpu_count() or 1, progress=progress).tallies
    print(f"bench: comparison took {time.monotonic() - began:.0f} s", file=sys.stderr)
    found = report.as_json(result) | {"alone": alone()}
    for scenario in found["scenarios"]:
        for policy in scenario["policies"]:
            tally = result.tallies[scenario["name"]][policy["name"]]
            policy["curve"] = _curve(tally)
            policy["last_s"] = max(tally.tenths) / TENTHS if tally.tenths else None
    return found | {"probe": probe()}


def incidents(name: str) -> int:
    """Return how many incidents of a scenario there are."""
    return 1 if name in LONG_ONES else INCIDENTS


def alone() -> Json:
    """Return how long one job waits in a shortage, from its failed call on, by its length and policy."""
    (scenario,) = (one for one in SCENARIOS if one.name == "short")
    incident = scenario.incident(SETTINGS, 0)
    found: Json = {}
    for each in competitors():
        if not isinstance(each, Ours) and each.name not in ALONE:
            continue
        found[each.name] = []
        for seconds in SHORTAGES_S:
            gaps = {spec.place: Gap(spec.time - 1, spec.time + seconds) for spec in incident.launches}
            capacities = {key: CapacityTimeline(gaps=(gaps[key[0]],)) for key in incident.capacities}
            tally = Tally()
            lasting = replace(incident, capacities=capacities)
            tally.add(lasting, each.meet(lasting))
            times = [tally.quantile(share) for share in (0.5, 0.95)]
            found[each.name].append(
                [
                    tally.recovered / tally.launches,
                    *(None if t is None else round(t + seconds) for t in times),
                ]
            )
    return found


def _curve(tally: Tally) -> list[float]:
    """Return after how many seconds each fiftieth of the launches was recovered, as far as they were."""
    times = (tally.quantile(n / STEPS) for n in range(1, STEPS + 1))
    return list(itertools.takewhile(lambda at: at is not None, times))  # type: ignore[arg-type]


def probe() -> Json:
    """Return a small result that a test can have again in a moment."""
    names = ("brownout", "agent", "lost-answers")
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in names]
    found: ContestResult = run(
        Contest(scenarios=scenarios, competitors=competitors(), settings=PROBE, incidents=1)
    )
    return {
        scenario: {
            name: [
                tally.recovered,
                tally.calls,
                tally.operations,
                sum(tally.tenths.elements()),
                tally.duplicates,
            ]
            for name, tally in tallies.items()
        }
        for scenario, tallies in found.tallies.items()
    }


def pages(found: Json, root: Path = ROOT) -> dict[Path, str]:
    """Return what each file should hold, by its path."""
    return {root / TABLE: page(found), root / PICTURE: picture(found)} | {
        root / name: with_sentence((root / name).read_text(encoding="utf-8"), words, found)
        for name, words in SENTENCES.items()
    }


def with_sentence(text: str, words: str, found: Json) -> str:
    """Return a README with the comparison's sentence between its marks."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"a README needs {BEGIN!r} and {END!r}, each once")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{words.format_map(in_short(found))}\n{END}{after}"


def in_short(found: Json) -> dict[str, str]:
    """Return what the sentence says of our policy."""
    ours = _scenario(found, PICTURED[0])["policies"][0]
    return {
        "launches": f"{ours['launches']:,}",
        "share": charts.percent(ours["recovered"] / ours["launches"]),
        "median": report.brief(ours["p50_s"]),
        "median_ja": span(ours["p50_s"]),
    }


def summary(found: Json) -> str:
    """Return the page's first table: share recovered and median, and the tasks too many."""
    scenarios = [_scenario(found, name) for name in SHOWN]
    names = [policy["name"] for policy in found["scenarios"][0]["policies"]]
    bound, ours = names[-1], [name for name in names if name.startswith("retry-run-task")]
    others = [name for name in names if name not in ours and name != bound]
    useful = [name for name in others if any(_share(scenario, name) >= WORTH_A_ROW for scenario in scenarios)]
    useful.sort(key=lambda name: -sum(_share(scenario, name) for scenario in scenarios))
    rest = [name for name in others if name not in useful]
    lines = [
        f"| | {' | '.join(_heading(s) for s in scenarios)} | started late | tasks too many |",
        "| --- |" + " --- |" * (len(scenarios) + 2),
    ]
    for name in [*ours, *useful]:
        cells = [_cell(_policy(scenario, name)) for scenario in scenarios]
        shown = f"**{name}**" if name in ours else name
        lines.append(f"| {shown} | {' | '.join(cells)} | {_late(found, name)} | {_too_many(found, name)} |")
    most = [_at_most(max(_share(s, name) for name in rest)) for s in scenarios]
    too_many = max(_too_many(found, name) for name in rest)
    late = max(_late(found, name) for name in rest)
    lines.append(f"| {'; '.join(rest)} | {' | '.join(most)} | {late} at most | {too_many} at most |")
    cells = [_cell(_policy(scenario, bound)) for scenario in scenarios]
    lines.append(f"| *{bound}* | {' | '.join(cells)} | - | 0 |")
    return "\n".join(lines)


def _at_most(share: float) -> str:
    return f"{charts.percent(share)} at most" if share else charts.percent(share)


_HEADINGS = {
    "short": "one job, 15 s to 5 min",
    "zone-outage": "outage of all zones",
    "rush": "rush",
    "brownout": "brownout",
    "long": "4 to 10 hours",
    "eni": "failed starts",
}


def _heading(scenario: Json) -> str:
    return _HEADINGS[scenario["name"]]


def _cell(policy: Json) -> str:
    share = charts.percent(policy["recovered"] / policy["launches"])
    median = policy["p50_s"]
    return share if median is None else f"{share}, {report.brief(median)}"


def _too_many(found: Json, name: str) -> int:
    return sum(_policy(scenario, name)["duplicates"] for scenario in found["scenarios"])


def _late(found: Json, name: str) -> int:
    return int(_policy(_scenario(found, FREQUENT), name)["stale"])


def _scenario(found: Json, name: str) -> Json:
    scenario: Json = next(s for s in found["scenarios"] if s["name"] == name)
    return scenario


def _policy(scenario: Json, name: str) -> Json:
    policy: Json = next(p for p in scenario["policies"] if p["name"] == name)
    return policy


def _share(scenario: Json, name: str) -> float:
    policy = _policy(scenario, name)
    return policy["recovered"] / policy["launches"]  # type: ignore[no-any-return]


def page(found: Json) -> str:
    """Return the page: who recovers what and how soon, what that costs, and each policy's source."""
    return "\n".join(_page(found)) + "\n"


def _page(found: Json) -> Iterator[str]:
    yield from (
        "# Retry policies in the same outages",
        "",
        "<!-- Written by `make bench`; edit the code, not this page. -->",
        "",
        (
            f"Each scenario has {found['schedules'] * INCIDENTS:,} failed launches, or "
            f"{found['schedules'] * incidents('long')} where they wait for hours, in {found['zones']} zones, "
            f"seed {found['seed']}."
        ),
        (
            "[The simulator](simulator.md) says what is modelled and what is assumed; "
            "[comparison.json](../bench/comparison.json) has every number of every policy."
        ),
        "We did not run the other tools: a row simulates only the retry policy found in a tool's source.",
        "",
        (
            "retry-run-task is not the fastest: a tool that makes the call itself gets the answer immediately, and a "
            "Step Functions `Retry` written for shortages is about as fast."
        ),
        (
            "But schedules stay unchanged (all except the original recipe and ecs_rerun_cfn replace their targets), "
            "overtaken runs and duplicates are not started, and redacted values are sent too."
        ),
        "",
        (
            "![Launches with tasks, by time since capacity returned: most policies give up or come minutes later.]"
            "(images/comparison.svg)"
        ),
        "",
        "## Who recovers what",
        "",
        (
            "A cell shows the share of failed launches that got their tasks, and the time after the return of "
            "capacity at which half of all launches had them."
        ),
        "*The original way* is the recipe behind this project: a function on a log filter calls RunTask at once.",
        "*The oracle* knows when capacity returns: no policy can be faster.",
        "*Started late*: runs of five-minute schedules that started after the next run was due.",
        "*Tasks too many* ran in addition to the missing ones, in all scenarios.",
        "",
        summary(found),
        "",
    )
    yield from _alone(found)
    yield from _scenarios(found)
    yield from _sources()


def _scenarios(found: Json) -> Iterator[str]:
    yield from (
        "## Each scenario",
        "",
        (
            f"p50 / p95 after the return of capacity, for retry-run-task by EventBridge, for *{REWRITTEN}* and for "
            "the oracle; then retry-run-task's RunTask calls per recovery, and its price per 1,000 recoveries."
        ),
        (
            "*Never*: too few launches got their tasks; in `every-five-minutes` retry-run-task drops those that the "
            "next run has overtaken."
        ),
        "",
        "| scenario | what happens | retry-run-task | Step Functions | oracle | calls | USD per 1,000 |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    )
    for scenario in found["scenarios"]:
        model = next(s.model for s in SCENARIOS if s.name == scenario["name"])
        ours, *others, oracle = scenario["policies"]
        rewritten = next(policy for policy in others if policy["name"] == REWRITTEN)
        times = " | ".join(_times(policy) for policy in (ours, rewritten, oracle))
        calls = report.per(ours["calls_per_recovery"])
        yield f"| `{scenario['name']}` | {model} | {times} | {calls} | {_usd(ours)} |"
    yield from (
        "",
        (
            "Prices: list prices of us-east-1 from [Lambda's price page](https://aws.amazon.com/lambda/pricing/), "
            f"{report.USD_PER_OPERATION * 1e6:.2f} USD for a million durable operations, "
            f"{report.USD_PER_REQUEST * 1e6:.2f} USD for a million requests, "
            f"{report.USD_PER_GB_SECOND:.10f} USD for a GB-second on arm64."
        ),
        (
            f"An invocation counts as {INVOCATION_S * 1000:.0f} ms of {report.FUNCTION_GB} GB, longer if its calls and "
            f"reads are spaced, at a concurrency of {CONCURRENCY}."
        ),
        "CloudTrail, logs and checkpoint data are extra: see [what it costs](costs.md).",
        "",
    )


def _times(policy: Json) -> str:
    return " / ".join(report.brief(policy[name]) for name in ("p50_s", "p95_s"))


def _usd(policy: Json) -> str:
    if not policy["recovered"]:
        return "-"
    operations, invocations, seconds = (
        policy[name] / policy["recovered"] for name in ("operations", "invocations", "busy_s")
    )
    usd = report.usd(operations, invocations, seconds)
    return f"{usd * 1000:.2f}"


def _sources() -> Iterator[str]:
    yield from (
        "## The policies, and where that can be checked",
        "",
        "| policy | what it does about a task that did not start | learns of it | source |",
        "| --- | --- | --- | --- |",
    )
    for competitor in competitors()[2:]:
        source = competitor.source
        link = f"[its source]({source})" if source.startswith("https://") else "[the simulator](simulator.md)"
        way = competitor.peer.way if isinstance(competitor, Theirs) else "always"
        yield f"| {competitor.name} | {competitor.reading} | {way} | {link} |"
    yield from (
        "",
        "Not in the tables:",
        "",
        (
            "- An ECS service retries for ever, with [waits that grow to 27 minutes]"
            "(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html). "
            "AWS names no first wait, so there is nothing to simulate; and it is for tasks that do not end."
        ),
        (
            "- AWS Batch keeps a job in RUNNABLE until there is capacity, so no call fails; its jobs are defined and "
            "scheduled differently."
        ),
        (
            "- [retryable-ecs-run-task-step-functions]"
            "(https://github.com/aws-samples/retryable-ecs-run-task-step-functions) retries tasks that could not pull "
            "their image or initialize, five times, but no shortage of capacity."
        ),
    )


def _alone(found: Json) -> Iterator[str]:
    yield from (
        "## One job, and how long it waits",
        "",
        "The common case: one job meets a shortage of 15 s to 5 minutes.",
        (
            "Seconds from its failed call until ECS accepts the task, p50 / p95; the task runs 11 to 44 s later."
        ),
        (
            "EventBridge reports a failed call after about a minute, when short shortages are over; the log group "
            "after about five."
        ),
        "",
        "| policy | " + " | ".join(report.brief(seconds) for seconds in SHORTAGES_S) + " |",
        "| --- |" + " ---: |" * len(SHORTAGES_S),
    )
    for name, cells in found["alone"].items():
        yield f"| {name} | {' | '.join(map(_waited, cells))} |"
    yield ""


def _waited(cell: Sequence[float | None]) -> str:
    share, *times = cell
    text = " / ".join("never" if t is None else f"{t:g}" for t in times)
    return text if share == 1 else f"{charts.percent(share or 0)}, {text}" if share else charts.percent(0)


def picture(found: Json) -> str:
    """Return the picture in the READMEs: the recovery curves in the first two scenarios, one below the other."""
    parts, top, width = [], 0.0, 860.0
    for name in PICTURED:
        scenario = _scenario(found, name)
        drawn = charts.curves(_curves(scenario), width=width, height=300)
        heading = charts.text(12, top + 22, f"{scenario['title']}: launches that have their tasks", css="b")
        inner = drawn.replace(
            '<svg class="v" ', f'<svg x="0" y="{top + 32:g}" width="{width:g}" height="300" ', 1
        )
        parts += [heading, inner]
        top += 350
    style = f"<style>{charts.STYLE}</style>"
    ground = charts.rect(0, 0, width, top, "surface")
    label = "How many launches have their tasks, by the time since capacity returned, for each policy"
    whole = charts.svg(width, top, style + ground + "".join(parts), label)
    # As wide as it was drawn for, where there is room: without a size a browser makes one up.
    return whole.replace("<svg ", f'<svg width="{width:g}" height="{top:g}" ', 1) + "\n"


def _curves(scenario: Json) -> list[charts.Curve]:
    names = [policy["name"] for policy in scenario["policies"]]
    kinds = dict.fromkeys(names, "other") | {names[0]: "ours", names[1]: "ours2", names[-1]: "bound"}
    return [
        charts.Curve(
            name=policy["name"],
            points=_points(policy),
            kind=kinds[policy["name"]],
        )
        for policy in scenario["policies"]
    ]


def _points(policy: Json) -> list[tuple[float, float]]:
    points = [(seconds, n / STEPS) for n, seconds in enumerate(policy["curve"], 1)]
    share = policy["recovered"] / policy["launches"]
    if share and (not points or points[-1][1] < share):
        points.append((policy["last_s"], share))
    return points


def write(found: Json, root: Path = ROOT) -> None:
    """Write the result and everything that is made of it."""
    (root / RESULT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for path, text in pages(found, root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> None:
    """Simulate, unless only the pages are asked for, and write."""
    parser = argparse.ArgumentParser(description="Compare the policies and write the result.")
    parser.add_argument("--pages", action="store_true", help="write the pages from the result that is there")
    if parser.parse_args().pages:
        found: Json = json.loads((ROOT / RESULT).read_text(encoding="utf-8"))
    else:
        found = measure()
    write(found)
    print(summary(found))


if __name__ == "__main__":
    main()
