"""An incident: one simulated outage, the launches that fail in it and ECS's capacity; the same for every policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, Failure, Origin, Request
from retry_run_task.local.ecs.placement import NO_CAPACITY
from retry_run_task.local.ecs.tasks import Lifecycle
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap, chance

if TYPE_CHECKING:
    from collections.abc import Mapping

# Midnight of the simulated incident. Times of an incident are seconds from here, and may be negative.
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
START = MIDNIGHT.timestamp()

ACCOUNT, REGION, CLUSTER = "123456789012", "us-east-1", "batch"

# Longer than any policy's own deadline, and shorter than a client token's life of 24 hours.
HORIZON_S = 12 * 3600.0

# Twelve hours of seconds are searched for a good one; no policy waits longer.
_SECONDS_LOOKED_AT = round(HORIZON_S)


class FailureKind(StrEnum):
    """What went wrong with a call or a task, in the classes that other tools distinguish."""

    CAPACITY = "no capacity"
    """``failures[]`` with the text about capacity, and no task."""
    AGENT = "AGENT"
    """``failures[]`` with the reason AGENT, and no task."""
    OTHER = "another reason"
    """``failures[]`` with any other reason, and no task."""
    PARTIAL = "partial answer"
    """``failures[]`` beside tasks, whatever the reason."""
    THROTTLE = "ThrottlingException"
    SERVER = "ServerException"
    START = "failed start"
    """The task was accepted and stopped before it ran."""


class ZoneSearch(StrEnum):
    """Where one call searches for room. AWS does not document which is true.

    AWS recommends several subnets, "because Amazon ECS manages capacity by Availability Zone".
    https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity
    A user reports that one of them is picked. https://repost.aws/questions/QUMM1Oh5d4Q6qaYcL_-EV4jg
    """

    ANY = "any"
    """In every zone of its subnets: it fails only if all of them are short."""
    ONE = "one"
    """In one of them, drawn for each task: it fails if that one is short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """The account's rate limits, without the share of its other users.

    Attributes:
        region: Determines how many tasks may be launched.
        others: The share of RunTask calls and of reads that others make, from 0 to below 1.
    """

    region: str = REGION
    others: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.others < 1:
            raise ValueError(f"others is {self.others}; expected a share from 0 to below 1")

    @property
    def ours(self) -> float:
        """The share that is left for the calls of an incident."""
        return 1 - self.others


AGENT = "AGENT"
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
PERMANENT = "ATTRIBUTE"
# https://github.com/dagster-io/dagster/issues/17212
ENI_TIMEOUT = "Timeout waiting for network interface provisioning to complete."

SIGHTS = {NO_CAPACITY: FailureKind.CAPACITY, AGENT: FailureKind.AGENT}


def failure_kind_of(reason: str) -> FailureKind:
    """Return the class of a reason in ``failures[]``."""
    return SIGHTS.get(reason, FailureKind.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A launch that has failed.

    Attributes:
        time: When it failed, in seconds of the incident.
        is_start: Whether the task was accepted and did not start.
        call_id: 32 hexadecimal digits.
        boot_s: How long its tasks take until they run.
        late_s: How late the failure is known, by source.
        place: Name of the place its subnets are in, or empty for all of them.
    """

    index: int
    time: float
    count: int
    missing: int
    provider: str
    reason: str
    is_start: bool
    call_id: str
    boot_s: float
    run_s: float
    late_s: Mapping[str, float]
    place: str = ""

    @property
    def failure_kind(self) -> FailureKind:
        """What a tool that watches it sees."""
        if self.is_start:
            return FailureKind.START
        return FailureKind.PARTIAL if self.missing < self.count else failure_kind_of(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One outage and the launches that fail in it.

    Attributes:
        capacities: Capacity by zone and provider; without limit for others.
        starts: When accepted tasks do start: a task created in a bad second does not.
        busy: When the account's other calls use up the rate limit of RunTask.
        busy_share: The probability that a call is throttled then.
        lost_share: The probability that the answer to a call that had an effect is lost.
        placement: Where one call searches for room.
        next_due_s: Seconds from a launch to its schedule's next run.
    """

    number: int
    seed: int
    launches: tuple[Spec, ...]
    zones: Mapping[str, str]
    capacities: Mapping[tuple[str, str], CapacityTimeline]
    reason: str = NO_CAPACITY
    starts: CapacityTimeline = field(default_factory=CapacityTimeline)
    busy: tuple[Gap, ...] = ()
    busy_share: float = 0.0
    lost_share: float = 0.0
    placement: ZoneSearch = ZoneSearch.ANY
    limits: AccountLimits = field(default_factory=AccountLimits)
    next_due_s: float = 24 * 3600.0

    def places(self, spec: Spec) -> list[str]:
        """Return the subnets of a launch."""
        return [subnet for subnet in self.zones if not spec.place or subnet == spec.place]

    def returned_at(self, spec: Spec) -> float:
        """Return the first time from the failure on at which the original request could start a task.

        That is: a slot existed in one of its zones, with its provider, whoever got it; and a task that begins then does
        start.
        """
        time = spec.time
        capacities = [self.capacities.get((self.zones[s], spec.provider), _OPEN) for s in self.places(spec)]
        for _ in range(_SECONDS_LOOKED_AT):
            time = min(capacity.first_room(time) for capacity in capacities)
            if self.starts.is_open(time):
                return time
            time = float(int(time) + 1)
        return time

    def is_throttled(self, time: float, index: int, nth: int) -> bool:
        """Tell whether the account's other calls leave no room for this one."""
        if not self.busy_share or not any(gap.start <= time < gap.end for gap in self.busy):
            return False
        return self._draw("busy", index, nth) < self.busy_share

    def is_lost(self, index: int, nth: int) -> bool:
        """Tell whether the answer to a launch's nth call is lost."""
        return self.lost_share > 0 and self._draw("lost", index, nth) < self.lost_share

    def spread(self, index: int, nth: int) -> float:
        """Return a number in [0, 1) for another tool's nth wait for a launch."""
        return self._draw("wait", index, nth)

    def place_for(self, nth: int, places: int) -> int:
        """Return the place in which the nth task is tried, if a call searches only one."""
        return int(self._draw("zone", 0, nth) * places)

    def _draw(self, what: str, index: int, nth: int) -> float:
        return chance(self.seed ^ _SALTS[what], index * 100_003 + nth)


_OPEN = CapacityTimeline()
_SALTS = {
    "busy": 0x1F83D9ABFB41BD6B,
    "lost": 0x5BE0CD19137E2179,
    "wait": 0x9B05688C2B3E6C1F,
    "zone": 0x510E527FADE682D1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTask:
    """A task that ECS has accepted, at ``created_at`` seconds of the incident."""

    created_at: float
    fails: bool


@dataclass(slots=True, eq=False)
class Track:
    """The history of one launch under one policy.

    Attributes:
        repeats: Those of them that an SDK made by itself.
        good: Those of them that run.
        recovered_at: When the last missing one was accepted; None until then.
        is_taken_up: Whether the policy made at least one decision to call.
    """

    spec: Spec
    calls: int = 0
    repeats: int = 0
    throttled: int = 0
    tasks: list[SimulatedTask] = field(default_factory=list)
    good: int = 0
    recovered_at: float | None = None
    is_taken_up: bool = False
    log: list[tuple[float, str]] | None = None
    _lifecycle: Lifecycle | None = None

    def lifecycle(self) -> Lifecycle:
        """Return how long the tasks of this launch stay in each state."""
        if self._lifecycle is None:
            boot, run = timedelta(seconds=self.spec.boot_s), timedelta(seconds=self.spec.run_s)
            self._lifecycle = Lifecycle(provisioning_for=boot / 2, pending_for=boot / 2, run_for=run)
        return self._lifecycle

    def add(self, task: SimulatedTask) -> None:
        """Record a task that ECS has accepted."""
        self.tasks.append(task)
        if not task.fails:
            self.good += 1
            if self.good == self.spec.missing:
                self.recovered_at = task.created_at

    @property
    def duplicates(self) -> int:
        """Number of running tasks beyond those that were missing."""
        return max(0, self.good - self.spec.missing)


def failed_launch(incident: Incident, spec: Spec) -> FailedLaunch:
    """Return what intake would make of a launch's record, or of its task's event."""
    if spec.is_start:
        failure = Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason=spec.reason)
    else:
        failure = Failure(origin=Origin.ANSWER, reason=spec.reason)
    return FailedLaunch(
        event_id=f"night-{incident.number}-{spec.index}",
        call_id=spec.call_id,
        event_time=MIDNIGHT + timedelta(seconds=spec.time),
        account=ACCOUNT,
        region=REGION,
        caller=Caller(kind=CallerKind.RULE, role_arn=None),
        request=Request(parameters=request(incident, spec)),
        failures=(failure,) * spec.missing,
        placed=tuple(f"task/there-{n}" for n in range(spec.count - spec.missing)),
    )


def request(incident: Incident, spec: Spec) -> dict[str, object]:
    """Return the parameters of a launch's RunTask call."""
    body: dict[str, object] = {
        "cluster": CLUSTER,
        # A task definition and a schedule of its own for each launch, so that no look mistakes one for the other.
        "taskDefinition": f"nightly-{spec.index}",
        "startedBy": f"events-rule/nightly-{spec.index}",
    }
    if spec.count > 1:
        body["count"] = spec.count
    if spec.provider == "FARGATE_SPOT":
        body["capacityProviderStrategy"] = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    else:
        body["launchType"] = spec.provider
    body["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": incident.places(spec)}}
    return body
