"""What an installation would recover, by cluster, and what it costs while nothing fails."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.deploy.proposal import cluster_of, family_of
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.commands.shared.inventory import Inventory, Launcher

# US dollars a month for each metric that an alarm watches; ten of them are free in an account.
# https://aws.amazon.com/cloudwatch/pricing/
_A_METRIC_USD = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterJobs:
    """The enabled rules and schedules that start tasks on one cluster; its ``name`` is empty if an event says it."""

    name: str
    rules: int
    schedules: int
    task_definitions: tuple[str, ...]


def by_cluster(inventory: Inventory, values: Mapping[str, str]) -> tuple[ClusterJobs, ...]:
    """Return what of an account's rules and schedules is in scope. ``values`` are the parameters, every list whole."""
    globs = {name: values[name].split(",") for name in ("TaskDefinitions", "Clusters")}

    def is_in(name: str, parameter: str) -> bool:
        return not name or any(fnmatchcase(name, glob) for glob in globs[parameter])

    on: dict[str, list[Launcher]] = defaultdict(list)
    for one in inventory.launchers.found:
        cluster, family = cluster_of(one), family_of(one, inventory)
        if one.is_enabled and is_in(cluster, "Clusters") and is_in(family, "TaskDefinitions"):
            on[cluster].append(one)
    return tuple(
        ClusterJobs(
            name=cluster,
            rules=sum(one.kind is CallerKind.RULE for one in found),
            schedules=sum(one.kind is CallerKind.SCHEDULER for one in found),
            task_definitions=tuple(sorted({family_of(one, inventory) for one in found} - {""})),
        )
        for cluster, found in sorted(on.items())
    )


def idle_usd(resources: Mapping[str, Any]) -> float:
    """Return what a stack costs a month while nothing fails, at most: its alarms, in US dollars."""
    alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    metrics = sum(sum("MetricStat" in one for one in alarm.get("Metrics", ())) or 1 for alarm in alarms)
    return round(metrics * _A_METRIC_USD, 2)
