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
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retry_run_task.policy.rules import DEFAULT
from retry_run_task.simulate import charts, report
from retry_run_task.simulate.contest import Contest, Result, run
from retry_run_task.simulate.contestants import CONCURRENCY, INVOCATION_S, Oracle, Ours, Theirs
from retry_run_task.simulate.peers import PEERS, Way
from retry_run_task.simulate.scenarios import SCENARIOS, Settings
from retry_run_task.simulate.tally import TENTHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retry_run_task.simulate.contestants import Contestant
    from retry_run_task.simulate.tally import Tally

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
RESULT = "bench/comparison.json"
TABLE = "docs/comparison.md"
PICTURE = "docs/images/comparison.svg"
SENTENCES = {
    "README.md": "In [a simulated outage of every zone](docs/comparison.md) {share} of {launches} launches got their "
    "tasks, half of all within {median} of capacity's return; the best of {others} other policies, {best}: "
    "{best_share}, {best_median}.",
    "README.ja.md": "[全ゾーンの障害のシミュレーション](docs/comparison.md)では、起動に失敗した {launches} 件の "
    "{share} が復旧し、キャパシティが戻ってから全体の半数が復旧するまでの時間は {median} でした。"
    "ほかの {others} 種類のポリシーのうち最もよい {best} は、{best_share}、{best_median} でした。",
}
BEGIN, END = "<!-- comparison: written by `make bench` -->", "<!-- end of comparison -->"

SETTINGS = Settings(schedules=100, zones=2, seed=1)
NIGHTS = 10
# Quick enough for a test, and it changes with the loop, the policy and the model.
PROBE = Settings(schedules=10, zones=2, seed=1)

# What the table at the top of the page has room for: outages that anybody may meet, and the policies that help in one.
SHOWN = ("zone-outage", "rush", "brownout", "throttling", "agent", "eni")
WORTH_A_ROW = 0.25
# The share of launches in steps of two per cent: enough for a curve.
STEPS = 50


def contestants() -> list[Contestant]:
    """Return everybody who takes part."""
    ours = [
        Ours(name=f"retry-run-task, {way}", policy=DEFAULT, way=way) for way in (Way.EVENTBRIDGE, Way.LOGS)
    ]
    return [*ours, *map(Theirs, PEERS), Oracle()]


def measure() -> Json:
    """Simulate everything and return what is kept of it."""
    contest = Contest(scenarios=SCENARIOS, contestants=contestants(), settings=SETTINGS, nights=NIGHTS)
    done = 0
    began = time.monotonic()

    def progress(launches: int) -> None:
        nonlocal done
        done += launches
        print(f"bench: comparison, {done:,} of {contest.launches:,} ...", file=sys.stderr, flush=True)

    result = run(contest, processes=os.cpu_count() or 1, progress=progress)
    print(f"bench: comparison took {time.monotonic() - began:.0f} s", file=sys.stderr)
    found = report.as_json(result)
    for scenario in found["scenarios"]:
        for policy in scenario["policies"]:
            tally = result.tallies[scenario["name"]][policy["name"]]
            policy["curve"] = _curve(tally)
            policy["last_s"] = max(tally.tenths) / TENTHS if tally.tenths else None
    return found | {"probe": probe()}


def _curve(tally: Tally) -> list[float]:
    """Return after how many seconds each fiftieth of the launches was recovered, as far as they were."""
    times = (tally.quantile(n / STEPS) for n in range(1, STEPS + 1))
    return list(itertools.takewhile(lambda at: at is not None, times))  # type: ignore[arg-type]


def probe() -> Json:
    """Return a small result that a test can have again in a moment."""
    names = ("brownout", "agent", "lost-answers")
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in names]
    found: Result = run(Contest(scenarios=scenarios, contestants=contestants(), settings=PROBE, nights=1))
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
    """Return what the sentence says: of the first outage, our policy and the best of the others."""
    policies = _scenario(found, SHOWN[0])["policies"]
    ours, others = policies[0], [one for one in policies[:-1] if not one["name"].startswith("retry-run-task")]
    best = min(others, key=lambda one: (-one["recovered"], one["p50_s"] or 0))
    return {
        "launches": f"{ours['launches']:,}",
        "share": charts.percent(ours["recovered"] / ours["launches"]),
        "median": report.brief(ours["p50_s"]),
        "others": str(len(others)),
        "best": best["name"],
        "best_share": charts.percent(best["recovered"] / best["launches"]),
        "best_median": report.brief(best["p50_s"]),
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
        f"| | {' | '.join(_heading(s) for s in scenarios)} | tasks too many |",
        "| --- |" + " --- |" * (len(scenarios) + 1),
    ]
    for name in [*ours, *useful]:
        cells = [_cell(_policy(scenario, name)) for scenario in scenarios]
        shown = f"**{name}**" if name in ours else name
        lines.append(f"| {shown} | {' | '.join(cells)} | {_too_many(scenarios, name)} |")
    most = [_at_most(max(_share(s, name) for name in rest)) for s in scenarios]
    too_many = max(sum(_policy(s, name)["duplicates"] for s in scenarios) for name in rest)
    lines.append(f"| {'; '.join(rest)} | {' | '.join(most)} | {too_many} at most |")
    cells = [_cell(_policy(scenario, bound)) for scenario in scenarios]
    lines.append(f"| *{bound}* | {' | '.join(cells)} | 0 |")
    return "\n".join(lines)


def _at_most(share: float) -> str:
    return f"{charts.percent(share)} at most" if share else charts.percent(share)


_HEADINGS = {
    "zone-outage": "outage of all zones",
    "rush": "rush",
    "brownout": "brownout",
    "throttling": "throttling",
    "agent": "`AGENT`",
    "eni": "failed starts",
}


def _heading(scenario: Json) -> str:
    return _HEADINGS[scenario["name"]]


def _cell(policy: Json) -> str:
    share = charts.percent(policy["recovered"] / policy["launches"])
    median = policy["p50_s"]
    return share if median is None else f"{share}, {report.brief(median)}"


def _too_many(scenarios: Sequence[Json], name: str) -> int:
    return sum(_policy(scenario, name)["duplicates"] for scenario in scenarios)


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
    """Return the reference page: every number of every policy, the costs, and the sources."""
    return "\n".join(_page(found)) + "\n"


def _page(found: Json) -> Iterator[str]:
    launches = found["nights"] * found["schedules"]
    yield from (
        "# Everybody's policy in the same outages",
        "",
        "<!-- Written by `make bench`; edit the code, not this page. -->",
        "",
        (
            f"{launches:,} failed launches in each scenario, {found['schedules']} a night, in {found['zones']} zones, "
            f"seed {found['seed']}."
        ),
        (
            "What is modelled and what is assumed is in [the simulator](simulator.md); "
            "[comparison.json](../bench/comparison.json) has the same numbers for programs."
        ),
        "",
        "Times count from the moment at which capacity came back.",
        "p50, p95 and max are of all launches: *never*, if fewer were recovered.",
        "*Calls* are RunTask calls per recovery.",
        "*Expired* launches were taken up and left without their tasks; *unseen* ones were never taken up.",
        "",
        "## In short",
        "",
        "Each cell has the share of the failed launches that got their tasks.",
        "Beside it is how long after the return of capacity half of all launches had them.",
        "*The original way* is the recipe that inspired this project: a function on a filter calls RunTask at once.",
        "*The oracle* knows when there is room: nobody can be sooner.",
        "",
        summary(found),
        "",
        "We did not run the other tools: a row simulates only the retry policy that was found in a tool's source.",
        "",
    )
    for scenario in found["scenarios"]:
        model = next(s.model for s in SCENARIOS if s.name == scenario["name"])
        yield from (
            f"## {scenario['title']}",
            "",
            f"`--scenario {scenario['name']}`",
            "",
            *re.split(r"(?<=\.) (?=[A-Z])", model),
            "",
            (
                "| policy | recovered | p50 | p95 | max | calls | peak calls/s | throttled | expired | unseen | "
                "tasks too many |"
            ),
            "| --- |" + " ---: |" * 10,
        )
        for policy in scenario["policies"]:
            yield _row(policy)
        yield ""
    yield from _costs(found)
    yield from (
        "## The policies, and where that can be checked",
        "",
        "| policy | what it does about a task that did not start | learns of it | source |",
        "| --- | --- | --- | --- |",
    )
    for contestant in contestants()[2:]:
        source = contestant.source
        link = (
            f"[where it says so]({source})"
            if source.startswith("https://")
            else "[the simulator](simulator.md)"
        )
        way = contestant.peer.way if isinstance(contestant, Theirs) else "always"
        yield f"| {contestant.name} | {contestant.reading} | {way} | {link} |"


def _row(policy: Json) -> str:
    times = " | ".join(report.brief(policy[name]) for name in ("p50_s", "p95_s", "max_s"))
    share = charts.percent(policy["recovered"] / policy["launches"])
    counts = " | ".join(
        f"{policy[name]:,}" for name in ("peak_calls_per_s", "throttled", "expired", "unseen", "duplicates")
    )
    return f"| {policy['name']} | {share} | {times} | {report.per(policy['calls_per_recovery'])} | {counts} |"


def _costs(found: Json) -> Iterator[str]:
    yield from (
        "## What a recovery costs",
        "",
        (
            "List prices of us-east-1, from [Lambda's price page](https://aws.amazon.com/lambda/pricing/): "
            f"{report.USD_PER_OPERATION * 1e6:.2f} USD for a million durable operations, "
            f"{report.USD_PER_REQUEST * 1e6:.2f} USD for a million requests, "
            f"{report.USD_PER_GB_SECOND:.10f} USD for a GB-second on arm64."
        ),
        (
            f"An invocation counts as {INVOCATION_S * 1000:.0f} ms of {report.FUNCTION_GB} GB, a second call in it as "
            f"{report.SECOND_CALL_S * 1000:.0f} ms more, and {CONCURRENCY} run at a time; "
            "what CloudTrail, logs and the data of checkpoints cost is not in it."
        ),
        "",
        "| scenario | way | durable operations | invocations | Lambda ms | USD for 1,000 recoveries |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    )
    for scenario in found["scenarios"]:
        for policy in scenario["policies"][:2]:
            if not policy["recovered"]:
                continue
            operations = policy["operations"] / policy["recovered"]
            invocations = policy["invocations"] / policy["recovered"]
            calls = policy["calls"] / policy["recovered"]
            seconds = report.lambda_s(invocations, calls, INVOCATION_S)
            usd = report.usd(operations, invocations, seconds)
            way = policy["name"].partition(", ")[2]
            yield (
                f"| {scenario['title']} | {way} | {operations:.1f} | {invocations:.1f} | "
                f"{seconds * 1000:,.0f} | {usd * 1000:.2f} |"
            )
    yield ""


def picture(found: Json) -> str:
    """Return the picture in the READMEs: the recovery curves in the first two scenarios, one below the other."""
    parts, top, width = [], 0.0, 860.0
    for name in SHOWN[:2]:
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
