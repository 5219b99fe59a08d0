"""``demo``: the whole system on this machine, through an outage of two zones at midnight."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import options
from retry_run_task.commands.shared.wrapping import echo

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.commands.demo.midnight import DemoNight, StoryLine
    from retry_run_task.commands.shared.screen import Screen
    from retry_run_task.launch.values import JsonObject

# Repeated lines beyond this number are summed up in one line.
_MANY = 20


@click.command()
@click.option(
    "--speed",
    type=click.FloatRange(min=1, max=1000),
    default=60,
    show_default=True,
    help="Virtual seconds per real second.",
)
@click.option("--all", "show_all", is_flag=True, help="Show every attempt, including the many similar ones.")
@options.as_json
def demo(speed: float, show_all: bool, as_json: bool) -> int:
    """Watch recoveries ride out an outage, here and without an account.

    At midnight a batch of scheduled tasks meets two zones without capacity. EventBridge, ECS, CloudTrail, the log
    group and its subscription filter, and Lambda are local; the two functions are the ones that run in AWS.
    """
    from retry_run_task.commands.demo.midnight import JOBS, DemoNight  # noqa: PLC0415 - others start without it
    from retry_run_task.commands.shared.screen import screen  # noqa: PLC0415 - as above

    out = screen()
    began = time.monotonic()
    night = DemoNight(speed=speed, show=(lambda _: None) if as_json else _printer(out, show_all))
    if not as_json:
        _introduce(out, f"{len(JOBS)} scheduled jobs around midnight", speed)
    finished = night.run()
    result = night.result() | {"speed": speed, "seconds": round(time.monotonic() - began, 1)}
    if as_json:
        click.echo(json.dumps(result))
    else:
        _print_summary(out, night, result)
    if not finished:
        waiting = ", ".join(one["job"] for one in result["outcomes"] if one["outcome"] == "waiting")
        echo(
            f"Nothing has happened for {night.quiet_limit_s:.0f} s, and this has not ended: {waiting or 'the night'}. "
            f"If the machine is busy, try a lower --speed than {speed:g}.",
            err=True,
        )
    return 0 if finished and not result["duplicates"] else 1


def _introduce(out: Screen, what: str, speed: float) -> None:
    out.print(f"{what}, {speed:g} times faster than real time.")
    out.print("Each line: the time there, who acts or speaks, for which job, and what happens.\n")


def _printer(out: Screen, show_all: bool) -> Callable[[StoryLine], None]:
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.shared.colours import BAD, GOOD, WAIT  # noqa: PLC0415

    styles = {"good": GOOD, "bad": BAD, "wait": WAIT, "": ""}
    hidden = 0

    def show(line: StoryLine) -> None:
        nonlocal hidden
        if line.is_detail and not show_all:
            hidden += line.job != ""
            return
        if hidden >= _MANY:
            out.print(Text(f"{'':10}… {hidden} lines like these (--all shows them)", style="dim"))
        hidden = 0
        head = f"{line.at:%H:%M:%S}  {line.who:<12}{line.job:<16}"
        out.beside(head, Text(line.text, style=styles[line.tone]))

    return show


def _print_summary(out: Screen, night: DemoNight, result: JsonObject) -> None:
    from retry_run_task.policy.durations import duration_text  # noqa: PLC0415

    _print_table(out, result)
    for message in night.messages[:1]:
        out.print("The first message:\n")
        for text in (message.subject or "", "", *message.message.splitlines()):
            out.print(f"    {text}")
        out.print()
    lines = (
        f"{result['launches']} launches failed: {result['recovered']} recovered, "
        f"{result['gave_up']} given up with a message.\n"
        f"{result['run_task_calls']} RunTask calls by recoveries, {result['tasks_running']} of "
        f"{result['tasks_asked_for']} tasks running, duplicates {result['duplicates']}. "
        f"({duration_text(result['virtual_seconds'])} of the night in {result['seconds']} s)\n"
        f"{result['tasks_asked_for']} tasks is what the jobs asked for, those given up included; "
        f"a duplicate is a task more than its job asked for."
    )
    for text in lines.splitlines():
        out.print(text)


def _print_table(out: Screen, result: JsonObject) -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from retry_run_task.commands.shared.colours import BAD, GOOD  # noqa: PLC0415
    from retry_run_task.policy.durations import duration_text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else box.ASCII2)
    for column in ("failed launch", "outcome", "calls", "after midnight"):
        table.add_column(column, justify="right" if column in ("calls", "after midnight") else "left")
    for fate in result["outcomes"]:
        style = GOOD if fate["outcome"] in ("recovered", "already running") else BAD
        table.add_row(
            fate["job"], f"[{style}]{fate['outcome']}[/]", str(fate["calls"]), duration_text(fate["seconds"])
        )
    out.print()
    out.print(table)
