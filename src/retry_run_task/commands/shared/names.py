"""The names of all resources of one type in an account, to tell what else a pattern would match."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.inventory import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retry_run_task.commands.shared.reader import Reader


# Of the rules of an event bus.
_UNREAD = "(rules that cannot be read)"


def names_in(parameter: str, readers: Sequence[Reader]) -> tuple[str, ...] | Unknown:
    """Return everything in some Regions of an account that a pattern in a list of a template may match."""
    of = _OF[parameter]
    found: dict[str, None] = {}
    # Roles are the same in every Region.
    for reader in readers[:1] if of is role_arns else readers:
        names = of(reader)
        if isinstance(names, Unknown):
            return names
        found |= dict.fromkeys(names)
    for bus in (name.removesuffix(_UNREAD) for name in found if name.endswith(_UNREAD)):
        # Read in one Region and not in another: a pattern for rules of it may match more there.
        if any(name.startswith(bus) and not name.endswith(_UNREAD) for name in found):
            return Unknown(
                action="events:ListRules", why=f"the rules of {bus} cannot be read in every Region"
            )
    return tuple(found)


def cluster_names(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the names of all clusters."""
    return _named(reader.read_all("ecs:ListClusters", "clusterArns"), lambda arn: arn.rpartition("/")[2])


def family_names(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the families of all task definitions that can be run."""
    return _named(reader.read_all("ecs:ListTaskDefinitionFamilies", "families", status="ACTIVE"), str)


def role_arns(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the ARNs of all roles."""
    return _named(reader.read_all("iam:ListRoles", "Roles"), lambda role: role["Arn"])


def rule_names(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the names of all rules, those of other event buses than the default one as bus/name.

    A bus that cannot be read, for example for want of its key, is one name: a pattern that matches its beginning may
    match its rules.
    """
    buses = reader.read_all("events:ListEventBuses", "EventBuses")
    if isinstance(buses, Unknown):
        return buses
    found: list[str] = []
    for bus in buses:
        before = "" if bus["Name"] == "default" else f"{bus['Name']}/"
        rules = reader.read_all("events:ListRules", "Rules", EventBusName=bus["Name"])
        if isinstance(rules, Unknown):
            if not before:
                return rules
            found.append(f"{before}{_UNREAD}")
            continue
        found += (f"{before}{rule['Name']}" for rule in rules)
    return tuple(found)


def schedule_names(reader: Reader) -> tuple[str, ...] | Unknown:
    """Return the names of all schedules, as group/name."""
    return _named(
        reader.read_all("scheduler:ListSchedules", "Schedules"),
        lambda one: f"{one.get('GroupName') or 'default'}/{one['Name']}",
    )


_OF: Mapping[str, Callable[[Reader], tuple[str, ...] | Unknown]] = MappingProxyType(
    {
        "Clusters": cluster_names,
        "TaskDefinitions": family_names,
        "PassRoleArns": role_arns,
        "ReadRules": rule_names,
        "ReadSchedules": schedule_names,
    }
)


def _named(found: list[Any] | Unknown, name_of: Callable[[Any], str]) -> tuple[str, ...] | Unknown:
    return found if isinstance(found, Unknown) else tuple(name_of(one) for one in found)
