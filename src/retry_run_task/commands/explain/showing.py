"""What ``explain`` prints of a result, a label and a value a line."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared.talk import shown
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retry_run_task.launch.values import JsonObject


def print_text(result: JsonObject) -> None:
    """Print the explanation of a single text."""
    code = f", with the code {result['code']}" if result["code"] else ""
    _print_rows([("taken for", f"{result['taken_for']}{code}"), *_verdict_rows(result)])


def _verdict_rows(result: JsonObject) -> list[tuple[str, str]]:
    return [
        ("category", f"{result['category']} (row {result['row']})"),
        ("decision", f"{result['decision']} (rule {result['rule']}): {result['next']}"),
        ("rungs", ", ".join(result["rungs"])),
        ("hint", result["hint"]),
        *(("evidence", url) for url in result["evidence"]),
    ]


def _print_rows(rows: Iterable[tuple[str, str]], indent: str = "") -> None:
    for label, value in rows:
        if value:
            echo(shown(value), f"{indent}{label:<10}")


def print_result(result: JsonObject) -> None:
    """Print the explanation of files: the launches, what else they held, and the numbers."""
    for launch in result["launches"]:
        if launch["decision"] == "ignore":
            name = launch["task_definition"] or "a task"
            follows = launch["why"] if not launch["in_scope"] else launch["next"]
            echo(shown(f"{launch['event_id']}{_times(launch)}: {name}: ignore: {follows}"))
        else:
            _print_launch(launch)
    for told in result["told"]:
        echo(shown(f"{told['about'][:1].upper()}{told['about'][1:]}{_times(told)}"))
        _print_rows([("ECS said", _said(told)), *_verdict_rows(told)], indent="  ")
        echo()
    for item in result["ignored"]:
        which = (item["event_id"] or "a record") if item["count"] == 1 else f"{item['count']:,} records"
        echo(f"Ignored {which}: {shown(item['why'])}.")
    for item in result["unparsed"]:
        echo(f"Not readable, {shown(item['where'] or 'the payload')}: {shown(item['why'])}.")
    if not any(result.values()):
        echo("There is no record in it.")
    elif (summary := _summary(result)) is not None:
        echo(summary)


def _times(item: JsonObject) -> str:
    return f" ({item['count']:,} times)" if item["count"] > 1 else ""


_DECIDED = {"retry": "would be retried", "give-up": "would be given up", "ignore": "left alone"}


def _summary(result: JsonObject) -> str | None:
    """Return the numbers of a file with more than one thing in it."""
    counts = Counter[str]()
    for launch in result["launches"]:
        counts[_DECIDED[launch["decision"]]] += launch["count"]
    counts["whose call is not known"] += sum(told["count"] for told in result["told"])
    failed = counts.total()
    others, unread = sum(item["count"] for item in result["ignored"]), len(result["unparsed"])
    if failed + others + unread <= 1:
        return None
    kinds = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return (
        f"In all: {counted(failed, 'failed launch', 'failed launches')}{f' ({kinds})' if kinds else ''}, "
        f"{others:,} that are none, {unread:,} that cannot be read."
    )


def _print_launch(launch: JsonObject) -> None:
    caller = launch["caller"]
    by = caller["kind"] + (f", {caller['role_arn']}" if caller["role_arn"] else "")
    echo(f"Failed launch {launch['event_id']}")
    _print_rows(
        [
            ("when", f"{launch['event_time']} in {launch['account'] or '?'}, {launch['region'] or '?'}"),
            ("also", _others(launch)),
            ("task", _task(launch)),
            ("caller", by),
            ("placed", f"{launch['placed']} of {launch['asked']}"),
            ("in scope", f"{'yes' if launch['in_scope'] else 'no'}: {launch['why']}"),
            *(("ECS said", _said(failure)) for failure in launch["failures"]),
            *_account_rows(launch),
            ("decision", f"{launch['decision']} (rule {launch['rule']}): {launch['next']}"),
            (
                "today",
                "a recovery would end at once: the run is no longer wanted" if launch["too_late"] else "",
            ),
            ("rungs", ", ".join(launch["rungs"])),
            ("hint", launch["hint"]),
            ("recovery", launch["recovery"]),
        ],
        indent="  ",
    )
    if launch["request"] is not None:
        text = json.dumps(launch["request"], indent=2)
        click.echo("  request   " + text.replace("\n", "\n            "))
    echo()


_TIMES_SHOWN = 5


def _others(launch: JsonObject) -> str:
    """Return when else the same failed."""
    others = sorted(launch["times"])
    others.remove(launch["event_time"])
    more = f", and {len(others) - _TIMES_SHOWN:,} more" if len(others) > _TIMES_SHOWN else ""
    return f"{', '.join(others[:_TIMES_SHOWN])}{more}"


def _task(launch: JsonObject) -> str:
    if not launch["task_definition"]:
        return ""
    by = f", started by {launch['started_by']}" if launch["started_by"] else ""
    return f"{str(launch['task_definition']).rpartition('/')[2]} on {launch['cluster']}{by}"


def _account_rows(launch: JsonObject) -> list[tuple[str, str]]:
    """Return what was found in the account, if it was looked at."""
    schedule, there = launch["schedule"], launch["there"]
    if schedule is None or there is None:
        return [("account", launch["not_read"] or "")]
    found = there["read_failure"] or ", ".join(there["found"]) or "no such task"
    rows = [("tasks of", f"{' or '.join(there['looked_for'])}: {found}")]
    rows = [("tag", schedule["tag"] or ""), *(("no tags", why) for why in schedule["tags_unread"]), *rows]
    if schedule["name"] is None:
        return [("schedule", f"none: {schedule['why']}"), *rows]
    due = schedule["next_due"] or "not known"
    values = ", ".join(schedule["values_read"])
    return [
        ("schedule", f"{schedule['name']}: {schedule['why']}"),
        ("reads", f"{values} from its input" if values else ""),
        ("next due", f"{due}; wanted until {schedule['deadline']}"),
        *rows,
    ]


def _said(failure: JsonObject) -> str:
    words = ": ".join(part for part in (failure["code"], failure["reason"]) if part) or "nothing"
    about = [f"container {failure['container']}" if "container" in failure else "", failure.get("ran", "")]
    of = ", ".join(part for part in about if part)
    return f"{words}{f' ({of})' if of else ''}  [{failure['category']}, row {failure['row']}]"
