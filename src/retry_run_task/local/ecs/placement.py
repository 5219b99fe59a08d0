"""Placement: zones, providers and quotas for the tasks of a request, or why there is no room."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from retry_run_task.local.ecs.capacity import FARGATE, providers_for
from retry_run_task.local.ecs.fargate_sizes import UNITS_PER_VCPU, cpu_units
from retry_run_task.local.ecs.tasks import EcsTask, overrides_of
from retry_run_task.local.ecs.validation import (
    check_fit,
    check_request,
    compute_of,
    invalid,
    subnets_of,
    throttled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from random import Random

    from retry_run_task.local.ecs.capacity import Capacity, Pool
    from retry_run_task.local.ecs.injected_faults import Faults
    from retry_run_task.local.ecs.registry import Cluster
    from retry_run_task.local.ecs.tasks import EcsTaskDefinition, Lifecycle

Json = dict[str, Any]

# https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity
NO_CAPACITY = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)
# https://github.com/paradisec-archive/nabu/issues/1254
NO_VCPUS = "You've reached the limit on the number of vCPUs you can run concurrently"
# https://github.com/dask/dask-cloudprovider/issues/300
TOO_MANY_VCPUS = "The requested CPU configuration is above your limit"
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
NO_ROOM = "RESOURCE:MEMORY"
ABOUT_AN_INSTANCE = re.compile(r"RESOURCE:|AGENT|ATTRIBUTE|LOCATION|MemberOf ")


class Launch(NamedTuple):
    """A request that ECS accepts; only room is still to be found. A tuple, for speed: each call makes one.

    Attributes:
        providers: For each task its capacity provider; None if only the launch type counts.
        places: Subnets and their zones; the subnet is None for network modes that have none.
    """

    body: Mapping[str, Any]
    cluster: Cluster
    definition: EcsTaskDefinition
    launch_type: str
    providers: list[str | None]
    places: list[tuple[str | None, str]]
    cpu: str
    vcpus: float


def accept(
    body: Mapping[str, Any],
    cluster: Cluster,
    find_definition: Callable[[str | None], EcsTaskDefinition],
    zones: Mapping[str, str],
    *,
    zone_without_subnets: str,
) -> Launch:
    """Read a request, or refuse it as ECS would.

    ``zones`` has the zone of each subnet that exists; ``zone_without_subnets`` is the zone of instances if there are
    none. The types in the body are already checked.
    """
    count = check_request(body)
    definition = find_definition(body.get("taskDefinition"))
    launch_type, strategy = compute_of(body, associated=cluster.providers, default=cluster.default_strategy)
    providers: list[str | None] = [None] * count
    if launch_type is None:
        providers = [*providers_for(strategy, count)]
        launch_type = "FARGATE" if strategy[0].provider in FARGATE else "EC2"
    check_fit(body, definition, launch_type=launch_type)
    places: list[tuple[str | None, str]] = [
        (subnet, zones[subnet]) for subnet in subnets_of(body, definition, zones)
    ]
    if launch_type == "EC2" and not cluster.has_instances:
        # https://github.com/aws/amazon-ecs-cli/issues/1122
        raise invalid("No Container Instances were found in your cluster.")
    if not places:
        places = [(None, zone) for zone in sorted(set(zones.values())) or [zone_without_subnets]]
    overrides = body.get("overrides")
    cpu = (overrides and overrides.get("cpu")) or definition.cpu
    return Launch(
        body=body,
        cluster=cluster,
        definition=definition,
        launch_type=launch_type,
        providers=providers,
        places=places,
        cpu=cpu,
        vcpus=cpu_units(cpu) / UNITS_PER_VCPU,
    )


class Placer:
    """Places the tasks of requests, beginning with another zone each time."""

    def __init__(
        self,
        *,
        capacity: Capacity,
        faults: Faults,
        ids: Random,
        instance_in: Callable[[Cluster, str], str],
    ) -> None:
        self._capacity = capacity
        self._faults = faults
        self._ids = ids
        self._instance_in = instance_in
        self._turn = itertools.count()
        self._numbers = itertools.count(1)

    def place(
        self, launch: Launch, now: datetime, lifecycle: Lifecycle, zones_tried: int | None
    ) -> tuple[list[EcsTask], list[Json]]:
        """Return the tasks that were placed, and a failure for each that was not."""
        if (failed := self._faults.next_failed_placement()) is not None:
            number = len(launch.providers) if failed.entries is None else failed.entries
            failure = self._failure(launch, failed.reason, arn=failed.arn, detail=failed.detail)
            return [], [dict(failure) for _ in range(number)]
        tasks: list[EcsTask] = []
        failures: list[Json] = []
        for provider in launch.providers:
            key = provider or launch.launch_type
            reason = self._quota_reason(key, launch.vcpus)
            rate = self._capacity.launch_rates.get(key)
            if rate is not None and not rate.has_one(now):
                if not tasks:
                    raise throttled()
                # ECS's reason for the other tasks was not seen.
                reason = reason or NO_CAPACITY
            room = None if reason else self._room(launch, key, zones_tried)
            if room is not None:
                if rate is not None:
                    rate.take(now)
                tasks.append(self._task(launch, provider, room, now, lifecycle))
            elif self._capacity.reason is not None:
                failures.append(self._failure(launch, self._capacity.reason))
            elif launch.launch_type == "FARGATE":
                # There is no instance to name, so it has no ARN: seen in
                # https://github.com/gchq/sleeper/issues/904
                failures.append({"reason": reason or NO_CAPACITY})
            else:
                instance = self._instance_in(launch.cluster, launch.places[0][1])
                failures.append({"arn": instance, "reason": NO_ROOM})
        return tasks, failures

    def _failure(
        self, launch: Launch, reason: str, *, arn: str | None = None, detail: str | None = None
    ) -> Json:
        failure: Json = {"reason": reason}
        if arn is not None:
            failure["arn"] = arn
        elif ABOUT_AN_INSTANCE.match(reason):
            failure["arn"] = self._instance_in(launch.cluster, launch.places[0][1])
        if detail is not None:
            failure["detail"] = detail
        return failure

    def _quota_reason(self, provider: str, vcpus: float) -> str | None:
        limit = self._capacity.vcpu_limits.get(provider)
        if limit is None:
            return None
        if vcpus > limit:
            return TOO_MANY_VCPUS
        return NO_VCPUS if self._capacity.vcpus[provider] + vcpus > limit else None

    def _room(
        self, launch: Launch, provider: str, zones_tried: int | None
    ) -> tuple[Pool, str | None, str] | None:
        number = len(launch.places)
        first = self._capacity.first_place(next(self._turn), number)
        for step in range(number if zones_tried is None else min(number, zones_tried)):
            subnet, zone = launch.places[(first + step) % number]
            pool = self._capacity.take(zone, provider)
            if pool is not None:
                return pool, subnet, zone
        return None

    def _task(
        self,
        launch: Launch,
        provider: str | None,
        room: tuple[Pool, str | None, str],
        now: datetime,
        lifecycle: Lifecycle,
    ) -> EcsTask:
        pool, subnet, zone = room
        body, definition, cluster = launch.body, launch.definition, launch.cluster
        overrides = body.get("overrides")
        is_fargate = launch.launch_type == "FARGATE"
        self._capacity.vcpus[provider or launch.launch_type] += launch.vcpus
        return EcsTask(
            # The cluster's ARN with its name as the task's folder: .../cluster/x, .../task/x/<id>.
            arn=f"{cluster.arn.replace(':cluster/', ':task/', 1)}/{self._ids.getrandbits(128):032x}",
            definition=definition,
            cluster_arn=cluster.arn,
            group=body.get("group") or f"family:{definition.family}",
            started_by=body.get("startedBy"),
            launch_type=launch.launch_type,
            provider=provider,
            platform_version=_platform(body.get("platformVersion")) if is_fargate else None,
            zone=zone,
            subnet=subnet,
            overrides=overrides_of(overrides, definition.containers),
            tags=_tags(body, cluster),
            cpu=launch.cpu,
            memory=(overrides and overrides.get("memory")) or definition.memory,
            is_exec_enabled=bool(body.get("enableExecuteCommand")),
            created_at=now,
            lifecycle=lifecycle,
            container_instance=None if is_fargate else self._instance_in(cluster, zone),
            pool=pool,
            vcpus=launch.vcpus,
            number=next(self._numbers),
            fate=self._faults.next_failed_start(),
        )


def _tags(body: Mapping[str, Any], cluster: Cluster) -> list[Json]:
    tags = [dict(tag) for tag in body.get("tags") or ()]
    if body.get("enableECSManagedTags"):
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html
        tags.append({"key": "aws:ecs:clusterName", "value": cluster.name})
    return tags


def _platform(version: str | None) -> str:
    # Answers have the version that LATEST resolves to:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html
    return "1.4.0" if version in (None, "LATEST") else str(version)
