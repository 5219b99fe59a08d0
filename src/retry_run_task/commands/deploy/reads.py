"""Which rules and schedules recover may read: those that start tasks on the clusters where it may start tasks.

An input may hold anything, so nothing else is readable, not even where something could not be looked at.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy.proposal import cluster_of
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from retry_run_task.commands.shared.inventory import Inventory, Launcher

RULES, SCHEDULES = "ReadRules", "ReadSchedules"
CALLED = {RULES: "rules", SCHEDULES: "schedules"}
BESIDE = dict.fromkeys(CALLED, "that recover need not read")
"""What the others are that a pattern for them matches."""
_KINDS = {RULES: CallerKind.RULE, SCHEDULES: CallerKind.SCHEDULER}


def named(inventory: Inventory, clusters: Sequence[str]) -> dict[str, list[str]]:
    """Return the names for the two parameters. What is switched off counts: it may be on tomorrow."""
    return {
        parameter: sorted(
            {_name(one) for one in inventory.launchers.found if one.kind is kind and _is_on(one, clusters)}
        )
        for parameter, kind in _KINDS.items()
    }


def found(inventory: Inventory, clusters: Sequence[str]) -> dict[str, str]:
    """Return the two parameters."""
    return {parameter: ",".join(names) for parameter, names in named(inventory, clusters).items()}


def notes(inventory: Inventory, values: Mapping[str, str], options: str) -> Iterator[str]:
    """Yield what to know about the values, one sentence each; ``options`` sets them."""
    if inventory.launchers.gaps and "*" not in (values[RULES], values[SCHEDULES]):
        yield (
            "recover may read only the rules and schedules that were found; some could not be looked at, so name them "
            f"with {options}"
        )


def unreadable(inventory: Inventory, clusters: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the rules and schedules that recover may not read, although it would have to."""
    missing: list[str] = []
    for parameter, names in named(inventory, clusters).items():
        patterns = values.get(parameter, "*").split(",")
        missing += [one for one in names if not any(fnmatchcase(one, pattern) for pattern in patterns)]
    return tuple(missing)


def _is_on(one: Launcher, clusters: Sequence[str]) -> bool:
    cluster = cluster_of(one)
    return not cluster or any(fnmatchcase(cluster, pattern) for pattern in clusters)


def _name(one: Launcher) -> str:
    is_of_the_default_bus = one.kind is CallerKind.RULE and one.holder == "default"
    return one.name if is_of_the_default_bus else f"{one.holder}/{one.name}"
