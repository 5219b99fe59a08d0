"""Prints a plan: a summary of the changes first, then what it is for, with long lists folded."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from retry_run_task.commands.shared import talk
from retry_run_task.commands.shared.options import place
from retry_run_task.commands.shared.parameters import PARAMETERS
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retry_run_task.commands.deploy.plan import Plan
    from retry_run_task.commands.deploy.statements import Statement
    from retry_run_task.commands.shared.stack_states import ResourceChange

_SIGNS = {"add": "+", "change": "~", "remove": "-"}
# How much is shown of a list, of the clusters, and of a note, unless all is requested.
_MOST, _MOST_CLUSTERS, _MOST_OF_A_NOTE = 3, 10, 400
# How much of the code's SHA-256 is shown.
_DIGEST = 8


def show(plan: Plan, *, is_whole: bool, with_changes: bool) -> None:
    """Print a plan.

    With ``is_whole`` long lists are shown whole, with ``with_changes`` the resources, too, one by one.
    """
    echo(place(plan.stack, plan.region, plan.identity))
    echo(f"{counts(plan.changes)}; about ${plan.idle_usd:.2f} a month while nothing fails")
    _show_clusters(plan, is_whole=is_whole)
    _show_parameters(plan, is_whole=is_whole)
    echo(f"\nPolicy: {talk.shown(plan.policy.name)}  ({plan.policy.source})")
    _show_statements(plan, is_whole=is_whole)
    new = ", which is made now" if plan.makes_bucket else ""
    digest = max(re.findall(r"[0-9a-f]*", plan.code.key), key=len)
    key = plan.code.key if is_whole else plan.code.key.replace(digest, f"{digest[:_DIGEST]}…")
    echo(f"\nCode: {key} in the bucket {plan.bucket.name}{new}")
    for note in (*plan.notes, *(note for one in plan.members for note in one.said())):
        echo(f"Note: {_folded_text(talk.shown(note), is_whole=is_whole)}.")
    if with_changes:
        if plan.removes_first:
            echo(f"The stack is {plan.removes_first} and is removed first.")
        show_changes(plan.changes, is_whole=is_whole)


def show_changes(changes: Sequence[ResourceChange], *, is_whole: bool) -> None:
    """Print the changes of resources: new ones by type, changed or removed ones one by one."""
    if not changes:
        echo("\nNothing would change.")
        return
    echo(f"\nResources: {counts(changes)}")
    made: dict[str, list[str]] = defaultdict(list)
    for change in changes:
        if change.action == "add":
            made[change.type].append(change.resource)
    for kind, names in sorted(made.items()):
        echo(f"  + {kind}: {_folded(sorted(names), is_whole=is_whole)}")
    for change in changes:
        if change.action != "add":
            echo(f"  {_SIGNS[change.action]} {change.resource} ({change.type}){_replacing(change)}")


def counts(changes: Iterable[ResourceChange]) -> str:
    """Return how many resources are added, changed and removed."""
    found = Counter(change.action for change in changes)
    return f"{found['add']} to add, {found['change']} to change, {found['remove']} to remove"


def question(plan: Plan) -> str:
    """Return the question to confirm."""
    does = "updates" if plan.is_update else "makes"
    jobs = sum(one.rules + one.schedules for one in plan.clusters)
    after = f", and failed launches of {counted(jobs, 'job')} are recovered from then on" if jobs else ""
    return f"Yes {does} the stack {plan.stack} in {plan.region}: {counts(plan.changes)}{after}. Do this?"


def _show_clusters(plan: Plan, *, is_whole: bool) -> None:
    if not plan.clusters:
        return
    shown = plan.clusters if is_whole else plan.clusters[:_MOST_CLUSTERS]
    names = [talk.shown(one.name) or "(an event says it)" for one in shown]
    width = max(len("cluster"), *map(len, names))
    echo(f"\n  {'cluster':<{width}}  rules  schedules  task definitions")
    for name, one in zip(names, shown, strict=True):
        families = _folded(one.task_definitions, is_whole=is_whole)
        echo(families, f"  {name:<{width}}  {one.rules:>5}  {one.schedules:>9}  ")
    if left := plan.clusters[len(shown) :]:
        rules, schedules = sum(one.rules for one in left), sum(one.schedules for one in left)
        more = f"({len(left)} more)"
        echo(f"  {more:<{width}}  {rules:>5}  {schedules:>9}  (--all shows them)")


def _show_parameters(plan: Plan, *, is_whole: bool) -> None:
    echo("\nParameters:")
    # Rarely used parameters with their default are not shown.
    special = {one.name for one in PARAMETERS if one.is_special}
    usual = {one.name: one.default or "" for one in PARAMETERS}
    shown = [
        one
        for one in plan.parameters
        if one.value != usual[one.name]
        or (one.name not in special and (is_whole or one.source in ("flag", "file", "found")))
    ]
    width = max(len(one.name) for one in shown)
    lists = {one.name for one in PARAMETERS if one.is_list}
    for one in shown:
        value = one.value
        if one.name in lists and value:
            value = _folded(value.split(","), is_whole=is_whole)
        echo(f"{shown_value(value)}  ({one.source})", f"  {one.name:<{width}}  ")
    if left := len(plan.parameters) - len(shown):
        echo(f"  {left} more have their defaults{'' if is_whole else ' (--all shows them)'}")
    for key, value in plan.tags.items():
        echo(f"  tag {talk.shown(key)}: {shown_value(value)}")
    if plan.cloudformation_role:
        echo(f"  CloudFormation acts with {talk.shown(plan.cloudformation_role)}")


def _show_statements(plan: Plan, *, is_whole: bool) -> None:
    by_role: dict[str, list[Statement]] = defaultdict(list)
    for statement in plan.statements:
        by_role[statement.role].append(statement)
    told = "" if is_whole else f", {len(plan.statements)} statements (--all shows each with its resources)"
    echo(f"\nWhat its {len(by_role)} roles may do{told}:")
    for role, found in by_role.items():
        if not is_whole:
            echo(f"  {role}: {'; '.join(dict.fromkeys(one.may for one in found))}")
            continue
        echo(f"  {role}")
        for one in found:
            only = f", {one.only}" if one.only else ""
            echo(f"    {one.may}: on {', '.join(one.on)}{only}")


def shown_value(value: str) -> str:
    """Return a parameter's value for display; an empty one is named."""
    return talk.shown(value) if value else "(empty)"


def _folded(names: Sequence[str], *, is_whole: bool) -> str:
    if is_whole or len(names) <= _MOST + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST])} and {len(names) - _MOST} more"


def _folded_text(text: str, *, is_whole: bool) -> str:
    if is_whole or len(text) <= _MOST_OF_A_NOTE:
        return text
    return f"{text[:_MOST_OF_A_NOTE].rpartition(', ')[0]} and more (--all shows the rest)"


def _replacing(change: ResourceChange) -> str:
    match change.replaces:
        case True:
            return ", a new one in its place"
        case None:
            return ", perhaps a new one in its place"
        case _:
            return ""
