"""The clusters, task definitions and subnets, and how requests name them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from operator import attrgetter
from random import Random
from typing import TYPE_CHECKING, Any

from retry_run_task.local.ecs.capacity import Share
from retry_run_task.local.ecs.tasks import EcsTaskDefinition
from retry_run_task.local.ecs.validation import EcsError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retry_run_task.local.ecs.tasks import EcsTask

Json = dict[str, Any]


@dataclass(slots=True, eq=False, kw_only=True)
class Cluster:
    """A cluster and the tasks in it that ECS still knows, in the order of their creation.

    Attributes:
        providers: Capacity providers that a strategy may name.
        default_strategy: For requests without one; empty for the launch type EC2.
        instances: ARN of the one instance that represents all of a zone, by zone.
        by_started_by: The same tasks by ``startedBy`` and ARN, for ListTasks.
        by_family: The same by the family of their task definition.
    """

    name: str
    arn: str
    providers: tuple[str, ...]
    default_strategy: tuple[Share, ...]
    has_instances: bool
    instances: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, EcsTask] = field(default_factory=dict)
    by_started_by: dict[str, dict[str, EcsTask]] = field(default_factory=dict)
    by_family: dict[str, dict[str, EcsTask]] = field(default_factory=dict)

    def add(self, task: EcsTask) -> None:
        """Keep a task."""
        self.tasks[task.arn] = task
        for index, key in self._places(task):
            index.setdefault(key, {})[task.arn] = task

    def forget(self, task: EcsTask) -> None:
        """Drop a task."""
        del self.tasks[task.arn]
        for index, key in self._places(task):
            siblings = index[key]
            del siblings[task.arn]
            if not siblings:
                del index[key]

    def _places(self, task: EcsTask) -> list[tuple[dict[str, dict[str, EcsTask]], str]]:
        """Return the indexes that a task is in, each with its key there."""
        by_family = (self.by_family, task.definition.family)
        return [by_family] if task.started_by is None else [by_family, (self.by_started_by, task.started_by)]

    def describe(self) -> Json:
        """Return it as in DescribeClusters."""
        statuses = [task.last_status for task in self.tasks.values()]
        return {
            "clusterArn": self.arn,
            "clusterName": self.name,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": len(self.instances),
            "runningTasksCount": statuses.count("RUNNING"),
            "pendingTasksCount": statuses.count("PENDING") + statuses.count("PROVISIONING"),
            "activeServicesCount": 0,
            "statistics": [],
            "tags": [],
            "settings": [],
            "capacityProviders": list(self.providers),
            "defaultCapacityProviderStrategy": [
                {"capacityProvider": share.provider, "weight": share.weight, "base": share.base}
                for share in self.default_strategy
            ],
        }


class Registry:
    """What exists in one account and Region before any task does."""

    def __init__(self, *, account: str, region: str, seed: int) -> None:
        self.account = account
        self.region = region
        self._lock = threading.RLock()
        self._ids = Random(seed)  # noqa: S311 -- names of model objects, which must be the same in every run
        self._clusters: dict[str, Cluster] = {}
        self._definitions: dict[str, dict[int, EcsTaskDefinition]] = {}
        self._subnets: dict[str, str] = {}

    def create_cluster(
        self,
        name: str,
        *,
        capacity_providers: Iterable[str] = ("FARGATE", "FARGATE_SPOT"),
        default_strategy: Iterable[tuple[str, int, int]] = (),
        has_instances: bool = True,
    ) -> str:
        """Create a cluster and return its ARN; one that exists is left unchanged.

        ``capacity_providers`` are those that a strategy may name; ``default_strategy`` has (provider, base, weight) for
        requests without one, and is empty for EC2. ``has_instances`` tells whether container instances are registered,
        for the launch type EC2.
        """
        with self._lock:
            if name not in self._clusters:
                self._clusters[name] = Cluster(
                    name=name,
                    arn=self._arn(f"cluster/{name}"),
                    providers=tuple(capacity_providers),
                    default_strategy=tuple(Share(*item) for item in default_strategy),
                    has_instances=has_instances,
                )
            return self._clusters[name].arn

    def register_task_definition(self, family: str, *, revision: int | None = None, **values: Any) -> str:
        """Create a revision, the next one without a number, and return its ARN.

        The values are those of ``EcsTaskDefinition``; any sequences will do.
        """
        for name in {"requires", "containers"} & values.keys():
            values[name] = tuple(values[name])
        with self._lock:
            revisions = self._definitions.setdefault(family, {})
            number = revision if revision is not None else max(revisions, default=0) + 1
            arn = self._arn(f"task-definition/{family}:{number}")
            revisions[number] = EcsTaskDefinition(arn=arn, family=family, revision=number, **values)
            return arn

    def deregister(self, task_definition: str) -> None:
        """Make a revision INACTIVE; a family alone means its latest ACTIVE one."""
        with self._lock:
            definition = self._definition(task_definition)
            self._definitions[definition.family][definition.revision] = replace(definition, is_active=False)

    def add_subnet(self, subnet: str, zone: str) -> None:
        """Create a subnet in a zone."""
        with self._lock:
            self._subnets[subnet] = zone

    def _arn(self, resource: str) -> str:
        return f"arn:aws:ecs:{self.region}:{self.account}:{resource}"

    def _cluster(self, name: str | None) -> Cluster:
        """Return a cluster by name or ARN; no name is ``default``, which need not exist."""
        cluster = self._clusters.get(self._local(name or "default", "cluster/"))
        if cluster is None:
            # Quoted in the tests of https://github.com/fabfuel/ecs-deploy
            raise EcsError("ClusterNotFoundException", "Cluster not found.")
        return cluster

    def _definition(self, name: str | None) -> EcsTaskDefinition:
        """Return ``family:revision``, its ARN, or the latest ACTIVE revision of a family."""
        if not name:
            # Seen for CreateService, which has the same parameter.
            raise invalid("TaskDefinition can not be blank.")
        family, _, revision = self._local(name, "task-definition/").partition(":")
        revisions = self._definitions.get(family, {})
        if revision:
            found = revisions.get(int(revision)) if revision.isdecimal() else None
        else:
            active = [definition for definition in revisions.values() if definition.is_active]
            found = max(active, key=attrgetter("revision"), default=None)
        if found is None:
            # https://github.com/remind101/empire/issues/353
            raise EcsError("ClientException", "TaskDefinition not found.")
        return found

    def _local(self, name: str, prefix: str) -> str:
        """Return the name in an ARN of this account and Region; any other text is returned unchanged."""
        if not name.startswith("arn:"):
            return name
        _, _, _, region, account, resource = [*name.split(":", 5), "", "", "", ""][:6]
        if account != self.account:
            # Quoted in the tests of https://github.com/uktrade/platform-tools
            raise invalid("AccountIDs mismatch")
        # Resources of another Region are not found here: "Amazon ECS clusters are Region specific."
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
        return resource.removeprefix(prefix) if region == self.region else name

    def _task_arn(self, cluster: Cluster, name: str) -> str:
        return name if name.startswith("arn:") else self._arn(f"task/{cluster.name}/{name}")

    def _find_task(self, cluster: Cluster, name: str) -> EcsTask | None:
        return cluster.tasks.get(self._task_arn(cluster, name))

    def _instance(self, cluster: Cluster, zone: str) -> str:
        """Return the ARN of the container instance that represents a cluster's instances in a zone."""
        if zone not in cluster.instances:
            identity = f"{self._ids.getrandbits(128):032x}"
            cluster.instances[zone] = self._arn(f"container-instance/{cluster.name}/{identity}")
        return cluster.instances[zone]
