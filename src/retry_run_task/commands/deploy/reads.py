"""Which rules and schedules recover may read: those that start tasks on the clusters it may start tasks on.

An input may hold anything, so nothing else is read. Where the names are too many, patterns take their place, which is
told; and where not every rule and schedule could be looked at, all may be read, since one that was not seen may be the
one that made a call.
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

# CloudFormation takes 4,096 characters in a parameter; and both lists stand in one policy, with 6,144 for all of it, of
# which conditions with many Regions take the rest.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_PARAMETER_MAX = 4096
_LISTS_MAX = 4600
_ARN = len('"arn:*:scheduler:*:*:schedule/",')


def found(inventory: Inventory, clusters: Sequence[str]) -> dict[str, str]:
    """Return the two parameters; empty if not all there is could be looked at."""
    if inventory.launchers.gaps:
        return {}
    return {name: ",".join(names) for name, names in _fitting(inventory, clusters).items()}


def notes(inventory: Inventory, clusters: Sequence[str], values: Mapping[str, str]) -> Iterator[str]:
    """Yield what a person should know of the values, one sentence each."""
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
    """Return the rules and schedules that recover may not read, and would have to."""
    missing: list[str] = []
    for name, names in _named(inventory, clusters).items():
        patterns = values.get(name, EVERYTHING).split(",")
        missing += [one for one in names if not any(fnmatchcase(one, pattern) for pattern in patterns)]
    return tuple(missing)


def _named(inventory: Inventory, clusters: Sequence[str]) -> dict[str, list[str]]:
    """Return the names that stand in the parameters. What is switched off counts: it may be on tomorrow."""
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
    """Return the names if they fit into so many characters of a policy, else patterns for them, as long as can be."""
    found = condense(names, lambda listed: _fits(listed, room))
    return [EVERYTHING] if found is None else found


def _fits(names: Sequence[str], room: int) -> bool:
    return len(",".join(names)) <= _PARAMETER_MAX and _size(names) <= room


def _size(names: Sequence[str]) -> int:
    return sum(len(name) + _ARN for name in names)
