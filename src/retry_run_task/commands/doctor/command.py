"""``doctor``: check an account: what could be recovered, and what prevents it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from retry_run_task.commands.shared import options, talk
from retry_run_task.commands.shared.colours import BAD, GOOD, NOTE, WAIT

if TYPE_CHECKING:
    from retry_run_task.commands.doctor.check import Check
    from retry_run_task.commands.shared.inventory import Inventory, Launcher
    from retry_run_task.commands.shared.screen import Screen
    from retry_run_task.launch.values import JsonObject

_STYLES = {"OK": GOOD, "FAIL": BAD, "SKIP": WAIT}
# How many schedules are shown; more than a screen of them would hide the checks.
_MOST = 10


@click.command()
@options.several_regions
@options.look_with
@options.as_json
def doctor(regions: tuple[str, ...], profile: str | None, stack: str, look_with: str, as_json: bool) -> int:
    """Check an account: what can be recovered, and what prevents it.

    Prints OK, FAIL (something is wrong) or SKIP (it could not be checked) with the reason and what to do next.
    Changes nothing; a missing permission is a SKIP. Exits with 3 if anything is FAIL.

    \b
    Example:
      retry-run-task doctor --region eu-west-1 --region us-east-1
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.doctor import checks  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.doctor.checks_sizes import check_sizes  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared import access, discovery  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared.member_access import LookRole  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared.screen import screen  # noqa: PLC0415 - as above

    session = access.open_session(profile)
    looked = []
    for region in dict.fromkeys(regions) or [access.region_of(session)]:
        options.look_at(region)
        with talk.looking(f"Looking at {region}") as tell:
            inventory = discovery.discover(
                session, region, stack=stack, look_role=LookRole(look_with=look_with), tell=tell
            )
            sizes = check_sizes(inventory, Reader(session, region))
        looked.append((inventory, (*checks.examine(inventory), sizes)))
    if as_json:
        click.echo(json.dumps({"regions": [_as_json(*one) for one in looked]}, indent=2))
    else:
        out = screen()
        for number, (inventory, found) in enumerate(looked):
            if number:
                out.print()
            _print(out, inventory, found)
    succeeded = all(check.status != "FAIL" for _, found in looked for check in found)
    return 0 if succeeded else talk.NO


def _as_json(inventory: Inventory, found: tuple[Check, ...]) -> JsonObject:
    return {
        "region": inventory.region,
        "stack": inventory.stack_name,
        "account": inventory.identity.account,
        "checks": [
            {"name": check.name, "status": check.status.value, "why": check.why, "next": check.next}
            for check in found
        ],
        "schedules": [_schedule(one) for one in inventory.launchers.found],
    }


def _schedule(one: Launcher) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind.value,
        "in": one.holder,
        "region": one.region or None,
        "enabled": one.is_enabled,
        "expression": one.expression,
        "cluster": one.cluster,
        "task_definition": one.task_definition,
        "role_arn": one.role_arn,
        "variables": list(one.variables),
        "unreadable": one.unreadable,
    }


def _print(out: Screen, inventory: Inventory, found: tuple[Check, ...]) -> None:
    from rich.text import Text  # noqa: PLC0415 - the other commands start without it

    out.print(Text(inventory.region, style="bold"))
    for check in found:
        head = Text("  ")
        head.append(f"{check.status.value:<4}", style=_STYLES[check.status])
        head.append(f"  {check.name:<19}")
        out.beside(head, talk.shown(check.why))
        if check.next:
            out.beside(" " * len(head), Text(talk.shown(check.next), style=NOTE))
        if check.name == "schedules" and check.status == "OK":
            _print_schedules(out, " " * (len(head) + 2), inventory.launchers.found)


def _print_schedules(out: Screen, indent: str, found: tuple[Launcher, ...]) -> None:
    most = len(found) if len(found) == _MOST + 1 else _MOST
    for one in found[:most]:
        sets = f", sets {', '.join(one.variables)}" if one.variables else ""
        lost = ", cannot be read back" if one.unreadable else ""
        off = ", switched off" if not one.is_enabled else ""
        where = _last(one.cluster) + (f" in {one.region}" if one.region else "")
        what = f"{one.kind.value} {one.name}: {_last(one.task_definition)} on {where}{sets}{lost}{off}"
        out.print(f"{indent}{talk.shown(what)}")
    if len(found) > most:
        out.beside(indent, f"and {len(found) - most} more; --json has all")


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1] or "?"
