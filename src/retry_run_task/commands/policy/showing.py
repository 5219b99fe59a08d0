"""Prints what a policy means, and which rules your schedules get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from retry_run_task.commands.shared import talk
from retry_run_task.commands.shared.screen import screen
from retry_run_task.policy.durations import duration_text
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retry_run_task.commands.shared.screen import Screen
    from retry_run_task.launch.values import JsonObject


def show_policy(result: JsonObject) -> None:
    """Print the rules, and each category's attempts."""
    out = screen()
    rules = [
        (rule["name"], _pairs(rule["match"]) or "everything", _pairs(rule["sets"]))
        for rule in result["rules"]
    ]
    _print_table(out, ("rule", "is for", "sets"), rules)
    for one in result["handlings"]:
        out.print()
        out.print(Text(talk.shown(f"{one['category']}: {one['in_words']}"), style="bold"))
        told = [f"rules {', '.join(one['rules'])}"]
        if one["calls"]:
            told.append(f"until {_until(one)}")
        out.print(talk.shown("; ".join(told)))
        if one["calls"]:
            rows = [
                (str(a["call"]), _before(a), duration_text(a["total_s"]), a["rung"]) for a in one["calls"]
            ]
            if one["goes_on"]:
                rows.append(
                    ("and so on", f"up to {duration_text(max(a['wait_s'] for a in one['calls']))}", "", "")
                )
            _print_table(out, ("call", "wait before it", "by then", "rung"), rows)
    if any(len(one["rungs"]) > 1 for one in result["handlings"]):
        out.print()
        out.print("Rungs are shown for a request on Fargate Spot with two subnets.")


def _before(call: JsonObject) -> str:
    is_at_once = call["call"] > 1 and not call["wait_s"]
    return "at once" if is_at_once else f"up to {duration_text(call['wait_s'])}"


def _until(one: JsonObject) -> str:
    share = one["interval_share"]
    due = "the next run is due" if share == 1 else f"{share:.0%} of the time until the next run have passed"
    return f"{due}, or {duration_text(one['deadline_s'])} after the failed call"


def _pairs(values: JsonObject) -> str:
    return ", ".join(f"{key} {_said(value)}" for key, value in values.items())


def _said(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return " ".join(str(item) for item in value)
        case dict():
            return f"{value['first']} to {value['longest']}"
        case int() if value >= 60:  # noqa: PLR2004 - a deadline: lengths of time are the only large numbers
            return duration_text(value)
        case None:
            return "any"
        case _:
            return str(value)


def _print_table(out: Screen, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table, in which only the last column is wrapped."""
    lines = [heads, *((*map(talk.shown, row),) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for number, line in enumerate(lines):
        cells = "".join(f"{cell:<{width}}  " for cell, width in zip(line[:-1], widths, strict=False))
        style = "" if number else "dim"
        out.beside(Text(f"  {cells}", style=style), Text(line[-1], style=style))


def show_hits(result: list[JsonObject], home: str) -> None:
    """Print each Region's schedules, those with the same handling together; ``home`` is not named."""
    out = screen()
    for region in result:
        elsewhere = f", account {region['account']}" if region["account"] != home else ""
        out.print(Text(talk.shown(region["region"] + elsewhere), style="bold"))
        alike: dict[tuple[str, str, str], list[str]] = {}
        for hit in region["schedules"]:
            key = (", ".join(hit["rules"]), hit["in_words"], ", ".join(hit["rungs"]))
            alike.setdefault(key, []).append(f"{hit['kind']} {hit['name']}")
        for (rules, in_words, rungs), names in alike.items():
            out.print()
            out.print(talk.shown(f"  {counted(len(names), 'schedule')}: {', '.join(names)}"))
            rows = (("rules", rules), ("if capacity is short", in_words), ("rungs", rungs))
            for label, text in rows:
                if text:
                    out.beside(f"    {label:<22}", talk.shown(text))
        if not alike:
            out.print("  There is no rule or schedule that starts a task.")
        notes = dict.fromkeys(
            [*region["gaps"], *(f"{hit['name']}: {n}" for hit in region["schedules"] for n in hit["notes"])]
        )
        for note in notes:
            out.print(talk.shown(f"  {note}"))
