"""``demo``: the whole system on this machine, through an outage of two zones at midnight."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from retry_run_task.commands.demo.midnight import Line, Night
    from retry_run_task.launch.values import JsonObject

_STYLES = {"good": "green", "bad": "red", "wait": "yellow", "": ""}


@click.command()
@click.option(
    "--speed",
    type=click.FloatRange(min=1, max=1000),
    default=60,
    show_default=True,
    help="Virtual seconds per real second.",
)
@click.option("--all", "show_all", is_flag=True, help="Show every attempt, also the many that are alike.")
@options.as_json
def demo(speed: float, show_all: bool, as_json: bool) -> int:
    """Watch an outage being recovered, on this machine, without an AWS account.

    At midnight a batch of scheduled tasks meets two zones without capacity. EventBridge, ECS, CloudTrail, the log
    group and its subscription filter, and Lambda are local; the two functions are the ones that run in AWS.
    """
    from rich.console import Console  # noqa: PLC0415 - the other commands start without it

    from retry_run_task.commands.demo.midnight import JOBS, Night  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    night = Night(speed=speed, show=(lambda _: None) if as_json else _printer(console, show_all))
    if not as_json:
        console.print(
            f"{len(JOBS)} scheduled tasks around midnight, {speed:g} times faster than life. Times are virtual.\n"
        )
    finished = night.run()
    result = night.result() | {"speed": speed, "seconds": round(time.monotonic() - began, 1)}
    if as_json:
        click.echo(json.dumps(result))
    else:
        _print_summary(console, night, result)
    if not finished:
        click.echo(
            "Some recoveries have not ended in time; this machine is too slow for this speed.", err=True
        )
    return 0 if finished and not result["duplicates"] else 1


def _printer(console: Console, show_all: bool) -> Callable[[Line], None]:
    from rich.text import Text  # noqa: PLC0415

    hidden = 0

    def show(line: Line) -> None:
        nonlocal hidden
        if line.is_detail and not show_all:
            hidden += line.job != ""
            return
        if hidden:
            hidden, count = 0, hidden
            lines = "1 line" if count == 1 else f"{count} lines"
            console.print(Text(f"{'':10}({lines} not shown; --all shows them)", style="dim"))
        text = Text(f"{line.at:%H:%M:%S}  {line.who:<12}{line.job:<16}")
        text.append(line.text, style=_STYLES[line.tone])
        console.print(text)

    return show


def _print_summary(console: Console, night: Night, result: JsonObject) -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from retry_run_task.policy.durations import spoken  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else box.ASCII2)
    for column in ("failed launch", "outcome", "attempts", "after"):
        table.add_column(column, justify="right" if column in ("attempts", "after") else "left")
    for fate in result["outcomes"]:
        style = "green" if fate["outcome"] in ("recovered", "already running") else "red"
        table.add_row(
            fate["job"], f"[{style}]{fate['outcome']}[/]", str(fate["attempts"]), spoken(fate["seconds"])
        )
    console.print()
    console.print(table)
    for message in night.messages[:1]:
        console.print("The first of the messages that a person got:\n")
        for text in (message.subject or "", "", *message.message.splitlines()):
            console.print(f"    {text}", markup=False)
        console.print()
    console.print(
        f"{result['launches']} launches failed: {result['recovered']} recovered, {result['gave_up']} given up "
        f"with a message to a person.\n"
        f"{result['run_task_calls']} RunTask calls by recoveries, {result['tasks_running']} of "
        f"{result['tasks_asked_for']} tasks running, duplicates {result['duplicates']}. "
        f"({spoken(result['virtual_seconds'])} in {result['seconds']} s)"
    )
