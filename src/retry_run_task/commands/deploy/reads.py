"""Which rules and schedules recover may read: those that start tasks on the clusters where it may start tasks.

An input may hold anything, so nothing else is readable. If the names are too many, patterns replace them, with a note;
and if not every rule and schedule could be read, all are readable, because the missing one may have made a call.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy.patterns import condense
from retry_run_task.commands.deploy.proposal import cluster_of
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from retry_run_task.commands.shared.inventory import Inventory, Launcher

RULES, SCHEDULES = "ReadRules", "ReadSchedules"
EVERYTHING = "*"
_KINDS = {RULES: CallerKind.RULE, SCHEDULES: CallerKind.SCHEDULER}

# CloudFormation accepts 4,096 characters in a parameter; and both lists stand in one policy of 6,144 characters, of
# which conditions with many Regions take the rest.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_PARAMETER_MAX = 4096
_LISTS_MAX = 4600
_ARN = len('"arn:*:scheduler:*:*:schedule/",')


def found(inventory: Inventory, clusters: Sequence[str]) -> dict[str, str]:
    """Return the two parameters; empty if not everything could be read."""
    if inventory.launchers.gaps:
        return {}
    return {name: ",".join(names) for name, names in _fitting(inventory, clusters).items()}


def notes(inventory: Inventory, clusters: Sequence[str], values: Mapping[str, str]) -> Iterator[str]:
    """Yield what to know about the values, one sentence each."""
    for gap in inventory.launchers.gaps[:1]:
        if EVERYTHING in (values[RULES], values[SCHEDULES]):
            yield (
                "recover may read the inputs of every rule and schedule, since not all could be looked at "
                f"({gap.action}): {gap.why}"
            )
    for name, names in _fitting(inventory, clusters).items():
        patterns = [one for one in names if "*" in one]
        if patterns and values[name] == ",".join(names):
            yield (
                f"your {'rules' if name == RULES else 'schedules'} are too many to be named in a policy, so recover "
                f"may also read whatever else is called {', '.join(patterns)}"
            )


def unreadable(inventory: Inventory, clusters: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the rules and schedules that recover may not read, although it would have to."""
    missing: list[str] = []
    for name, names in _named(inventory, clusters).items():
        patterns = values.get(name, EVERYTHING).split(",")
        missing += [one for one in names if not any(fnmatchcase(one, pattern) for pattern in patterns)]
    return tuple(missing)


def _named(inventory: Inventory, clusters: Sequence[str]) -> dict[str, list[str]]:
    """Return the names for the parameters. What is switched off counts: it may be on tomorrow."""
    return {
        parameter: sorted(
            {_name(one) for one in inventory.launchers.found if one.kind is kind and _is_on(one, clusters)}
        )
        for parameter, kind in _KINDS.items()
    }


def _is_on(one: Launcher, clusters: Sequence[str]) -> bool:
    cluster = cluster_of(one)
    return not cluster or any(fnmatchcase(cluster, pattern) for pattern in clusters)


def _name(one: Launcher) -> str:
    is_of_the_default_bus = one.kind is CallerKind.RULE and one.holder == "default"
    return one.name if is_of_the_default_bus else f"{one.holder}/{one.name}"


def _fitting(inventory: Inventory, clusters: Sequence[str]) -> dict[str, list[str]]:
    """Return names or patterns for both parameters; one that needs less leaves more to the other."""
    named = _named(inventory, clusters)
    half = _LISTS_MAX // 2
    sizes = {name: _size(names) for name, names in named.items()}
    room = {
        RULES: _LISTS_MAX - min(half, sizes[SCHEDULES]),
        SCHEDULES: _LISTS_MAX - min(half, sizes[RULES]),
    }
    return {name: fitting(names, room[name]) for name, names in named.items()}


def fitting(names: Iterable[str], room: int = _LISTS_MAX) -> list[str]:
    """Return the names if they fit into a policy's remaining characters, else patterns, as long as possible."""
    found = condense(names, lambda listed: _fits(listed, room))
    return [EVERYTHING] if found is None else found


def _fits(names: Sequence[str], room: int) -> bool:
    return len(",".join(names)) <= _PARAMETER_MAX and _size(names) <= room


def _size(names: Sequence[str]) -> int:
    return sum(len(name) + _ARN for name in names)
