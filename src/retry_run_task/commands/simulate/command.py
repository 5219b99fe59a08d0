"""``simulate``: this and other tools' policies against modelled outages, or against your own past."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from retry_run_task.commands.shared import options
from retry_run_task.config import CALLS_PER_SECOND
from retry_run_task.documentation import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retry_run_task.simulate.competitors import Competitor
    from retry_run_task.simulate.contest import Contest, ContestResult
    from retry_run_task.simulate.past_scenario import PastScenario
    from retry_run_task.simulate.scenarios import Scenario


_Command = TypeVar("_Command", bound=Callable[..., Any])

# With fewer launches times policies a bar would disappear before it is seen.
_LONG = 20_000

# The columns, and those that only a wide terminal shows: they explain why a launch was not recovered.
_COLUMNS = (
    "policy", "recov.", "p50", "p95", "max", "calls", "peak/s", "throttled", "expired", "unseen", "dupl.",
)  # fmt: skip
_WIDE_ONLY = frozenset({7, 8, 9})
_WIDE, _PIPE_WIDTH = 110, 120

_WAYS = {"eventbridge": "EventBridge", "logs": "Logs"}


def _setting(name: str, kind: Any, default: Any, text: str, **more: Any) -> Callable[[_Command], _Command]:
    how: Any = {"metavar": "N", "show_default": True} | more
    return click.option(name, type=kind, default=default, help=text, **how)


def _begun(_context: click.Context, _option: click.Parameter, begun: str) -> list[str]:
    """Return the scenarios whose name begins so, for the shell's completion."""
    from retry_run_task.simulate.scenarios import SCENARIOS  # noqa: PLC0415 - the other commands start without it

    return [one.name for one in SCENARIOS if one.name.startswith(begun)]


@click.command()
@click.option(
    "--scenario",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=_begun,
    help="Outages to simulate; may be given several times: short, zone-outage, rush, brownout, spot-drought, "
    "throttling, agent, eni, lost-answers, misconfigured, several, one-zone, windows, ramp, slots, long, "
    "every-five-minutes.  [default: all]",
)
@click.option(
    "--records",
    multiple=True,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Your own past failures instead: a file or folder that explain can read; may be given several times.",
)
@click.option(
    "--policy",
    "policies",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    help="Your own policy.toml, compared with the built-in one; may be given several times.",
)
@click.option("--compare", is_flag=True, help="Run other tools' policies against the same outages.")
@_setting("--launches", click.IntRange(1, 10**9), 1000, "Failed launches in each scenario, at least.")
@_setting("--schedules", click.IntRange(1, 10**6), 100, "How many launches fail in one incident.")
@_setting("--zones", click.IntRange(1, 16), 2, "In how many zones each schedule has a subnet.")
@_setting(
    "--placement",
    click.Choice(["any", "one"]),
    "any",
    "Where one call looks for room: in all zones of its subnets, or in one of them. AWS does not say.",
    metavar=None,
)
@_setting(
    "--path",
    click.Choice(["eventbridge", "logs", "both"]),
    "both",
    "How failed calls are found: by EventBridge (about a minute) or in the log group (about five).",
    metavar=None,
)
@_setting("--concurrency", click.IntRange(1, 9999), 5, "How many recoveries run at the same time.")
@_setting(
    "--invocation",
    click.FloatRange(0, 900),
    1.0,
    "How long Lambda takes for one attempt, without the waits of the rate limiter.",
    metavar="SECONDS",
)
@_setting(
    "--backoff",
    click.FloatRange(0.1, 3600),
    (1.0, 300.0),
    "Seconds until Lambda resumes a recovery that it throttled for lack of concurrency: doubling, half of each "
    "random. AWS does not document them.",
    nargs=2,
    metavar="FIRST LONGEST",
)
@_setting(
    "--calls-per-second",
    click.FloatRange(0.1, 20),
    CALLS_PER_SECOND,
    "RunTask calls per second of one running recovery.",
)
@_setting(
    "--region",
    str,
    "us-east-1",
    "Region of the simulation: Fargate launches 20 tasks a second in some Regions, and 5 in the others.",
    metavar="REGION",
)
@_setting(
    "--others",
    click.FloatRange(0, 0.99),
    0.0,
    "The share of the account's RunTask and read limits that its other users take, up to 0.99.",
    metavar="SHARE",
)
@_setting("--seed", click.IntRange(0), 1, "Random seed; the same seed gives the same result.")
@_setting(
    "--processes",
    click.IntRange(1, 1024),
    lambda: os.cpu_count() or 1,
    "Processes to use.",
    show_default="one for each processor",
)
@options.html("Write a page with plots that a browser shows without network.")
@options.as_json
def simulate(  # noqa: PLR0913, PLR0917 - one parameter an option
    names: tuple[str, ...],
    records: tuple[Path, ...],
    policies: tuple[IO[bytes], ...],
    compare: bool,
    launches: int,
    schedules: int,
    zones: int,
    placement: str,
    path: str,
    concurrency: int,
    invocation: float,
    backoff: tuple[float, float],
    calls_per_second: float,
    region: str,
    others: float,
    seed: int,
    processes: int,
    html: Path | None,
    as_json: bool,
) -> int:
    """Run policies against simulated outages, and compare how many tasks they start, and how soon.

    The loop and the policy are the ones that run in Lambda, under virtual time. Times count from the moment at
    which capacity came back; docs/simulator.md lists what is modelled and what is assumed.

    \b
    Examples:
      retry-run-task simulate --compare --html outages.html
      retry-run-task simulate --scenario rush --schedules 1000 --policy mine.toml
      aws cloudtrail lookup-events \\
        --lookup-attributes AttributeKey=EventName,AttributeValue=RunTask > past.json
      retry-run-task simulate --records past.json
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.simulate.contest import Contest, run  # noqa: PLC0415 - the other commands start without it
    from retry_run_task.simulate.incident import AccountLimits, ZoneSearch  # noqa: PLC0415
    from retry_run_task.simulate.launches import ScenarioSettings  # noqa: PLC0415
    from retry_run_task.simulate.report import as_json as to_json  # noqa: PLC0415

    acting = {"concurrency": concurrency, "invocation_s": invocation, "calls_per_second": calls_per_second}
    settings = ScenarioSettings(
        schedules=schedules,
        zones=zones,
        seed=seed,
        placement=ZoneSearch(placement),
        limits=AccountLimits(region=region, others=others),
    )
    scenarios: tuple[Scenario, ...]
    notes: tuple[str, ...] = ()
    is_all = True
    if records:
        if names:
            raise click.UsageError("Give either --records or --scenario, not both.")
        past, is_all = _past(records)
        notes = past.notes
        scenarios, incidents = (past.scenario,), past.incidents
        # The past itself is not random; only the delay until a recovery begins is.
        settings = replace(settings, schedules=-(-past.launches // past.incidents), zones=past.zones)
    else:
        scenarios, incidents = _scenarios(names), -(-launches // schedules)
    contest = Contest(
        scenarios=scenarios,
        competitors=_contestants(policies, path, backoff, acting, compare=compare),
        settings=settings,
        incidents=incidents,
    )
    with _progress(contest) as progress:
        result = run(contest, processes=processes, progress=progress)
    if html is not None:
        from retry_run_task.simulate.page import render  # noqa: PLC0415

        options.write(html, render(result, notes))
    if as_json:
        click.echo(json.dumps(to_json(result) | ({"assumed": list(notes)} if notes else {}), indent=2))
    else:
        _print(result, notes)
    return 0 if is_all else 1


def _scenarios(names: Sequence[str]) -> tuple[Scenario, ...]:
    from retry_run_task.simulate.scenarios import SCENARIOS  # noqa: PLC0415

    known = {scenario.name: scenario for scenario in SCENARIOS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(
            f"There is no scenario {', '.join(map(repr, unknown))}; there are {', '.join(known)}."
        )
    return tuple(known[name] for name in dict.fromkeys(names)) or SCENARIOS


def _contestants(
    files: Sequence[IO[bytes]],
    path: str,
    backoff: tuple[float, float],
    acting: dict[str, Any],
    *,
    compare: bool,
) -> list[Competitor]:
    from retry_run_task.config import policy_of, read_policy  # noqa: PLC0415
    from retry_run_task.simulate.competitors import Oracle, Ours, Theirs  # noqa: PLC0415
    from retry_run_task.simulate.fast_executions import LambdaBackoff  # noqa: PLC0415
    from retry_run_task.simulate.peers import PEERS, Way  # noqa: PLC0415

    policies = {"retry-run-task": read_policy()}
    policies |= {Path(file.name).name: policy_of(file.read(), file.name) for file in files}
    ways = list(_WAYS.values()) if path == "both" else [_WAYS[path]]
    ours: list[Competitor] = [
        Ours(
            name=f"{name}, {way}",
            policy=policy,
            way=Way(way),
            backoff=LambdaBackoff(first_s=backoff[0], cap_s=backoff[1]),
            **acting,
        )
        for name, policy in policies.items()
        for way in ways
    ]
    return [*ours, *(Theirs(peer) for peer in PEERS if compare), Oracle()]


def _past(paths: Sequence[Path]) -> tuple[PastScenario, bool]:
    """Return the files' past, and whether all could be read; unreadable parts are named on stderr."""
    from retry_run_task.commands.shared import record_files, talk  # noqa: PLC0415
    from retry_run_task.simulate.past_scenario import NothingFailedError, from_items  # noqa: PLC0415
    from retry_run_task.sources.files import items  # noqa: PLC0415

    read = record_files.UnreadParts()
    try:
        return from_items(read.noting(record_files.read(paths, items))), not read.count
    except NothingFailedError as error:
        raise click.UsageError(f"{', '.join(map(str, paths))} {error}") from None
    finally:
        for line in read.lines():
            talk.say(line)


@contextmanager
def _progress(contest: Contest) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal if it takes long, in a line that disappears afterwards."""
    from rich.console import Console  # noqa: PLC0415 - the other commands start without it
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal or contest.launches * len(contest.competitors) < _LONG:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Without a thread of its own: the workers are forked while it shows, and fork and threads do not mix.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(f"{contest.launches:,} launches", total=contest.launches)

        def advance(launches: int) -> None:
            bar.advance(task, launches)
            bar.refresh()

        yield advance


def _print(result: ContestResult, notes: tuple[str, ...]) -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.shared.colours import BAD  # noqa: PLC0415
    from retry_run_task.commands.shared.screen import Screen  # noqa: PLC0415
    from retry_run_task.simulate import report  # noqa: PLC0415
    from retry_run_task.simulate.page import row  # noqa: PLC0415

    console = Screen(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    for note in notes:
        console.print(Text(note))
    columns = [n for n, _ in enumerate(_COLUMNS) if console.width >= _WIDE or n not in _WIDE_ONLY]
    drawn = report.kinds(list(result.contest.competitors))
    styles = {"ours": "bold", "ours2": "bold", "bound": "dim", "other": ""}
    for scenario in result.contest.scenarios:
        console.print()
        console.print(Text(report.finding(scenario, result), style="bold"))
        console.print(Text(scenario.model, style="dim"))
        table = Table(
            box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, padding=(0, 1, 0, 0)
        )
        for n in columns:
            table.add_column(_COLUMNS[n], justify="right" if n else "left", no_wrap=n > 0)
        for name, tally in result.tallies[scenario.name].items():
            cells = [Text(cell) for cell in row(name, tally)]
            if tally.duplicates:
                cells[-1].stylize(BAD)
            table.add_row(*(cells[n] for n in columns), style=styles[drawn[name]])
        console.print(table)
    legend = (
        "Times count from the return of capacity. p50, p95 and max are of all launches: never, if fewer were "
        "recovered. calls: RunTask calls per recovery. peak/s: the most RunTask calls in one second, of the 20 that "
        "ECS allows an account. dupl.: tasks too many. "
    )
    if len(columns) == len(_COLUMNS):
        legend += (
            "throttled: calls beyond that rate. expired: taken up, and given up without the tasks. "
            "unseen: never taken up. "
        )
    console.print(Text(f"{legend}What is modelled and assumed: {page('docs/simulator.md')}", style="dim"))
