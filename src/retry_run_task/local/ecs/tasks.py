"""One ECS task and its state, in the words of DescribeTasks and of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from retry_run_task.local.ecs.capacity import Pool
    from retry_run_task.local.ecs.injected_faults import FailedStart, HungStart

Json = dict[str, Any]

FARGATE_STORAGE_GIB = 20
NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """How long a task stays in each state; one that takes no time is skipped.

    DEACTIVATING takes none by default: AWS's example of what ECS does in it is to take a service's task out of its load
    balancer, and RunTask has no member for one. Nor does ACTIVATING: PENDING has its time. STOPPING takes some: the
    containers get SIGTERM, and stopTimeout later SIGKILL.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html

    Attributes:
        run_for: From RUNNING to the end of its work; None until it is stopped. A task definition may override it.
        stopping_for: From the end of its work, from StopTask or from the failure to start, to STOPPED. What
            ``deactivating_for`` and ``killing_for`` leave of it is spent in DEPROVISIONING.
        deactivating_for: Part of ``stopping_for`` that a task which was ACTIVATING or RUNNING is DEACTIVATING. AWS
            does not say whether one that fails while ACTIVATING is; here it is, since that is the harder case.
        killing_for: Part of ``stopping_for`` that a task whose containers exist is STOPPING; None for half of the rest.
    """

    provisioning_for: timedelta = timedelta(seconds=10)
    pending_for: timedelta = timedelta(seconds=20)
    activating_for: timedelta = NO_TIME
    run_for: timedelta | None = timedelta(minutes=5)
    stopping_for: timedelta = timedelta(seconds=20)
    deactivating_for: timedelta = NO_TIME
    killing_for: timedelta | None = None

    def __post_init__(self) -> None:
        if self.killing_for is None:
            object.__setattr__(
                self, "killing_for", max(NO_TIME, (self.stopping_for - self.deactivating_for) / 2)
            )
        together = self.deactivating_for + (self.killing_for or NO_TIME)
        if together > self.stopping_for:
            raise ValueError(
                f"deactivating_for and killing_for are {together} together; "
                f"expected at most stopping_for, {self.stopping_for}"
            )

    def tear_down(self, status: str) -> dict[str, timedelta]:
        """Return the states that a task passes through from ``status`` to STOPPED, with their durations."""
        parts = {
            "DEACTIVATING": self.deactivating_for if status in ("ACTIVATING", "RUNNING") else NO_TIME,
            "STOPPING": NO_TIME if status == "PROVISIONING" else self.killing_for or NO_TIME,
        }
        parts["DEPROVISIONING"] = self.stopping_for - sum(parts.values(), NO_TIME)
        return {state: duration for state, duration in parts.items() if duration > NO_TIME}


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsTaskDefinition:
    """One revision, with CPU units and MiB as strings, as in ECS. ``run_for`` None means as ``Lifecycle`` says."""

    arn: str
    family: str
    revision: int
    network_mode: str = "awsvpc"
    requires: tuple[str, ...] = ("FARGATE",)
    containers: tuple[str, ...] = ("app",)
    cpu: str = "256"
    memory: str = "512"
    run_for: timedelta | None = None
    is_active: bool = True
    compatibilities: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        # What can run on Fargate can run on EC2 as well: real definitions that require FARGATE are answered with both,
        # as in https://github.com/PrefectHQ/prefect/issues/13174
        others = (kind for kind in self.requires if kind != "EC2")
        object.__setattr__(self, "compatibilities", ("EC2", *others))

    def describe(self) -> Json:
        """Return it as in DescribeTaskDefinition."""
        return {
            "taskDefinitionArn": self.arn,
            "containerDefinitions": [
                {"name": name, "image": image_of(name), "cpu": 0, "essential": True, "environment": []}
                for name in self.containers
            ],
            "family": self.family,
            "networkMode": self.network_mode,
            "revision": self.revision,
            "volumes": [],
            "status": "ACTIVE" if self.is_active else "INACTIVE",
            "placementConstraints": [],
            "compatibilities": list(self.compatibilities),
            "requiresCompatibilities": list(self.requires),
            "cpu": self.cpu,
            "memory": self.memory,
        }


def image_of(container: str) -> str:
    """Return an image name for a container that never runs anything."""
    return f"public.ecr.aws/docker/library/{container}:latest"


def new_uuid(ids: Random) -> str:
    """Return a random UUID; the same seed gives the same ones."""
    return _uuid(ids.getrandbits(128))


def _uuid(number: int) -> str:
    # The version and variant bits of RFC 9562, so that a validator accepts it.
    number = number & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_time(time: datetime) -> str:
    """Return a time as in task state change events: ISO 8601, milliseconds, Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True, eq=False, kw_only=True)
class EcsTask:
    """A task from its acceptance on. Only ``Ecs`` changes it.

    Attributes:
        overrides: As requested, completed with the name of every container, as ECS does.
        pool: Where it occupies a slot until it is STOPPED.
        fate: How it fails to start, or hangs; None for a task that starts as usual.
        due: Number of its pending transition; one with another number is obsolete.
        still: The remaining states on its way to STOPPED.
    """

    arn: str
    definition: EcsTaskDefinition
    cluster_arn: str
    group: str
    started_by: str | None
    launch_type: str
    provider: str | None
    platform_version: str | None
    zone: str
    subnet: str | None
    overrides: Json
    tags: list[Json]
    cpu: str
    memory: str
    is_exec_enabled: bool
    created_at: datetime
    lifecycle: Lifecycle
    container_instance: str | None
    pool: Pool
    vcpus: float
    number: int
    fate: FailedStart | HungStart | None = None
    due: int = 0
    still: dict[str, timedelta] = field(default_factory=dict)
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    version: int = 1
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    exit_code: int | None = None

    @property
    def is_fargate(self) -> bool:
        """Whether AWS runs it, on demand or Spot."""
        return self.launch_type == "FARGATE"

    def describe(self) -> Json:
        """Return it as the API does, with tags; times are seconds since 1970, as in JSON 1.1.

        Members and their order are those of a recorded answer:
        https://github.com/aws-samples/sample-auto-map-tagger/blob/main/tests/fixtures/runtask-cloudtrail-event.json
        """
        task: Json = {
            "attachments": self._attachments("ElasticNetworkInterface"),
            "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
            "availabilityZone": self.zone,
            "clusterArn": self.cluster_arn,
            "containers": self._containers(),
            "cpu": self.cpu,
            "createdAt": self.created_at.timestamp(),
            "desiredStatus": self.desired_status,
            "enableExecuteCommand": self.is_exec_enabled,
            "group": self.group,
            "lastStatus": self.last_status,
            "launchType": self.launch_type,
            "memory": self.memory,
            "overrides": copy_json(self.overrides),
        }
        if self.is_fargate:
            task["platformVersion"] = self.platform_version
            task["platformFamily"] = "Linux"
        if self.provider is not None:
            task["capacityProviderName"] = self.provider
        if self.container_instance is not None:
            task["containerInstanceArn"] = self.container_instance
        if self.started_by is not None:
            task["startedBy"] = self.started_by
        task["tags"] = [dict(tag) for tag in self.tags]
        task["taskArn"] = self.arn
        task["taskDefinitionArn"] = self.definition.arn
        task["version"] = self.version
        if self.is_fargate:
            storage = (self.overrides.get("ephemeralStorage") or {}).get("sizeInGiB", FARGATE_STORAGE_GIB)
            task["ephemeralStorage"] = {"sizeInGiB": storage}
            task["fargateEphemeralStorage"] = {"sizeInGiB": storage}
        for name, time in self._times().items():
            task[name] = time.timestamp()
        task.update(self._stop())
        return task

    def describe_briefly(self) -> Json:
        """Return what a replay still knows of a stopped task: ARN, last status and desired status.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
        """
        return {"taskArn": self.arn, "lastStatus": self.last_status, "desiredStatus": self.desired_status}

    def event_detail(self, time: datetime) -> Json:
        """Return the ``detail`` of an *ECS Task State Change* event; overrides are in clear text, as in AWS.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
        """
        detail = self.describe()
        # The documented events have none of these.
        for name in ("tags", "platformFamily", "fargateEphemeralStorage"):
            detail.pop(name, None)
        detail["overrides"].pop("inferenceAcceleratorOverrides", None)
        detail["attachments"] = self._attachments("eni")
        for name, moment in {"createdAt": self.created_at, **self._times()}.items():
            detail[name] = event_time(moment)
        detail["updatedAt"] = event_time(time)
        return detail

    def _times(self) -> dict[str, datetime]:
        times = {
            "startedAt": self.started_at,
            "stoppingAt": self.stopping_at,
            "stoppedAt": self.stopped_at,
        }
        return {name: time for name, time in times.items() if time is not None}

    def _stop(self) -> Json:
        stop = {"stopCode": self.stop_code, "stoppedReason": self.stopped_reason}
        return {name: value for name, value in stop.items() if value is not None}

    def _attachments(self, kind: str) -> list[Json]:
        if self.subnet is None:
            return []
        match self.last_status:
            case "PROVISIONING":
                status = "PRECREATED"
            case "STOPPED":
                status = "DELETED"
            case _:
                status = "ATTACHED"
        details = {"subnetId": self.subnet}
        if status != "PRECREATED":
            details |= _eni(self.number)
        return [
            {
                "id": self._part_id(0),
                "type": kind,
                "status": status,
                "details": [{"name": name, "value": value} for name, value in details.items()],
            }
        ]

    def _containers(self) -> list[Json]:
        status = _CONTAINER_STATUS.get(self.last_status, self.last_status)
        family, _, task_id = self.arn.partition(":task/")
        containers = []
        for index, name in enumerate(self.definition.containers, 1):
            container: Json = {
                "containerArn": f"{family}:container/{task_id}/{self._part_id(index)}",
                "taskArn": self.arn,
                "name": name,
                "image": image_of(name),
                "lastStatus": status,
                "networkInterfaces": [],
                "cpu": "0",
            }
            if status == "STOPPED" and self.exit_code is not None:
                container["exitCode"] = self.exit_code
            containers.append(container)
        return containers

    def _part_id(self, index: int) -> str:
        # Derived from the task's own id, because most tasks are never described again.
        return _uuid(int(self.arn[-32:], 16) ^ (index + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835)


# A container is not provisioned: it is PENDING from the beginning, and STOPPED before its network interface is removed.
_CONTAINER_STATUS = {
    "PROVISIONING": "PENDING",
    "ACTIVATING": "PENDING",
    "DEACTIVATING": "RUNNING",
    "STOPPING": "RUNNING",
    "DEPROVISIONING": "STOPPED",
}


def _eni(number: int) -> dict[str, str]:
    """Return an invented network interface; addresses repeat after 65,536 tasks."""
    high, low = number >> 8 & 0xFF, number & 0xFF
    return {
        "networkInterfaceId": f"eni-{number:017x}",
        "macAddress": f"0e:00:00:00:{high:02x}:{low:02x}",
        "privateDnsName": f"ip-10-0-{high}-{low}.ec2.internal",
        "privateIPv4Address": f"10.0.{high}.{low}",
    }


def overrides_of(requested: Json | None, containers: tuple[str, ...]) -> Json:
    """Complete overrides as ECS answers them: every container is named, also those without an override."""
    if not requested:
        return {
            "containerOverrides": [{"name": name} for name in containers],
            "inferenceAcceleratorOverrides": [],
        }
    overrides = {
        name: copy_json(value)
        for name, value in requested.items()
        if name != "containerOverrides" and value is not None
    }
    given = {item.get("name"): item for item in requested.get("containerOverrides") or ()}
    overrides["containerOverrides"] = [copy_json(given.get(name, {"name": name})) for name in containers]
    overrides.setdefault("inferenceAcceleratorOverrides", [])
    return overrides


def copy_json(value: Any) -> Any:
    """Copy what JSON can hold; ``copy.deepcopy`` takes many times as long, and every answer is copied."""
    # Scalars are checked here and not in a call of their own: they are most of any answer.
    if isinstance(value, dict):
        return {
            name: copy_json(member) if isinstance(member, (dict, list)) else member
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [copy_json(member) if isinstance(member, (dict, list)) else member for member in value]
    return value
