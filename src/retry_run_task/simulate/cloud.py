"""The local ECS for one incident, with the incident's capacity, faults and rate limits.

AWS does not document whether a call searches all zones of its subnets or one; ``incident.ZoneSearch`` has both.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.aws import tasks as aws_tasks
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import Answer, Failure, Lost, Origin, Placed, Refused
from retry_run_task.local.ecs.capacity import Capacity, Pool, TokenBucket, launch_rates
from retry_run_task.local.ecs.injected_faults import FailedStart, Faults
from retry_run_task.local.ecs.service import Ecs, EcsError
from retry_run_task.local.ecs.tasks import Lifecycle
from retry_run_task.recovery.ports import Background
from retry_run_task.simulate.capacity_timeline import FreeSlots, chance
from retry_run_task.simulate.incident import (
    ACCOUNT,
    CLUSTER,
    ENI_TIMEOUT,
    REGION,
    START,
    SimulatedTask,
    ZoneSearch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retry_run_task.launch.values import FailedLaunch, JsonObject, Request, TaskState
    from retry_run_task.messages.message import Message
    from retry_run_task.simulate.incident import Incident, Track
    from retry_run_task.simulate.virtual import Timeline

# ECS gives up waiting for a network interface after some minutes; three were seen.
# https://github.com/dagster-io/dagster/issues/17212
ENI_TIMEOUT_S = 180.0
# How long a task is torn down, as in the local ECS.
TEAR_DOWN = Lifecycle().stopping_for

# What SDKs do beneath a policy: three tries of one call, after up to 1 s and up to 2 s, with one client token.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
SDK_TRIES = 3

# RunTask on Fargate, and ListTasks with DescribeTasks.
# https://docs.aws.amazon.com/general/latest/gr/ecs-service.html
CALLS_PER_S, READS_PER_S, READS_AT_ONCE = 20, 20, 100

_SERVER_ERROR = 500
_EPOCH = datetime.fromtimestamp(START, UTC)
_TIMES = ("createdAt", "startedAt", "stoppingAt", "stoppedAt")
# The zone of subnets that a policy adds and the incident does not know: it has no room.
_ELSEWHERE = "elsewhere"


class _Rooms(Capacity):
    """Capacity from the capacities of an incident."""

    def __init__(self, incident: Incident, now: Callable[[], float]) -> None:
        super().__init__(launch_rates(incident.limits.region))
        self._rooms = {key: FreeSlots(capacity) for key, capacity in incident.capacities.items()}
        self._now, self._pool = now, Pool()
        self.reason = incident.reason
        if incident.placement is ZoneSearch.ONE:
            self.first_place = incident.place_for

    def take(self, zone: str, provider: str) -> Pool | None:
        room = self._rooms.get((zone, provider))
        if zone == _ELSEWHERE or (room is not None and not room.take(self._now())):
            return None
        self._pool.used += 1
        return self._pool


class _IncidentFaults(Faults):
    """The faults of an incident, for the call in progress."""

    def __init__(self, incident: Incident, now: Callable[[], float]) -> None:
        super().__init__()
        self._incident, self._now = incident, now
        self.calling: Track | None = None

    def is_throttled(self, now: datetime) -> bool:  # noqa: ARG002 - the incident has a time of its own
        track = self.calling
        return track is not None and self._incident.is_throttled(self._now(), track.spec.index, track.calls)

    def is_answer_lost(self) -> bool:
        track = self.calling
        return track is not None and self._incident.is_lost(track.spec.index, track.calls)

    def next_failed_start(self) -> FailedStart | None:
        """Return how the current task fails to start, and record that it was created."""
        now, track = self._now(), self.calling
        fails = not self._incident.starts.is_open(now)
        if track is not None:
            track.add(SimulatedTask(created_at=now, fails=fails))
        if not fails:
            return None
        after = timedelta(seconds=ENI_TIMEOUT_S)
        return FailedStart(stop_code="TaskFailedToStart", stopped_reason=ENI_TIMEOUT, after=after)


class Cloud:
    """ECS in one account and Region, for one incident and one policy, with the calls and reads in each second."""

    def __init__(self, incident: Incident, timeline: Timeline) -> None:
        self.incident = incident
        self.calls_in: Counter[int] = Counter()
        self.reads_in: Counter[int] = Counter()
        self._timeline = timeline
        self._faults = _IncidentFaults(incident, lambda: self.now)
        self.ecs = Ecs(
            account=ACCOUNT,
            region=REGION,
            now=lambda: _EPOCH + timedelta(seconds=self.now),
            capacity=_Rooms(incident, lambda: self.now),
            faults=self._faults,
        )
        self.ecs.run_task_rate = TokenBucket(rate=CALLS_PER_S * incident.limits.ours, burst=CALLS_PER_S)
        self.ecs.read_rate = TokenBucket(rate=READS_PER_S * incident.limits.ours, burst=READS_AT_ONCE)
        if incident.placement is ZoneSearch.ONE:
            self.ecs.zones_tried = 1
        self.ecs.create_cluster(CLUSTER)
        for spec in incident.launches:
            self.ecs.register_task_definition(f"nightly-{spec.index}")
        for subnet, zone in incident.zones.items():
            self.ecs.add_subnet(subnet, zone)
        self._subnets = set(incident.zones)

    @property
    def now(self) -> float:
        """The time in seconds of the incident."""
        return self._timeline.now - START

    def run_task(self, body: Mapping[str, Any], track: Track, *, is_repeat: bool = False) -> Answer:
        """RunTask for a launch, once; a repeat is an SDK's own retry."""
        now = self.now
        track.calls += 1
        track.repeats += is_repeat
        self.calls_in[int(now)] += 1
        self._add_subnets(body)
        self._faults.calling, self.ecs.lifecycle = track, track.lifecycle()
        before = len(track.tasks)
        try:
            answer = _placed(self.ecs.run_task(body))
        except EcsError as error:
            answer = _refusal(error)
        finally:
            self._faults.calling = None
        how = _how(answer, fails=any(task.fails for task in track.tasks[before:]))
        if how == "throttled":
            track.throttled += 1
        if track.log is not None:
            track.log.append((now, how))
        return answer

    def run_task_as_sdk(
        self,
        body: Mapping[str, Any],
        track: Track,
        pause: Callable[[float], None],
        before: Callable[[], None] = lambda: None,
    ) -> Answer:
        """RunTask for a launch, with an SDK's own retries; ``before`` is called before each try."""
        for nth in range(1, SDK_TRIES + 1):
            before()
            answer = self.run_task(body, track, is_repeat=nth > 1)
            if nth == SDK_TRIES or not is_repeated(answer):
                break
            pause(self.sdk_wait(track, nth))
        return answer

    def sdk_wait(self, track: Track, nth: int) -> float:
        """Return how long an SDK waits after the nth try of a call."""
        return 2.0 ** (nth - 1) * chance(self.incident.seed ^ _SDK, track.spec.index * 100_003 + track.calls)

    def _add_subnets(self, body: Mapping[str, Any]) -> None:
        network = body.get("networkConfiguration")
        for subnet in network["awsvpcConfiguration"]["subnets"] if network else ():
            if subnet not in self._subnets:
                self._subnets.add(subnet)
                self.ecs.add_subnet(subnet, _ELSEWHERE)


_SDK = 0x3C6EF372FE94F82B


def is_repeated(answer: Answer) -> bool:
    """Tell whether an SDK retries a call."""
    return isinstance(answer, Lost) or (
        isinstance(answer, Refused) and answer.failure.code == "ThrottlingException"
    )


def _placed(response: JsonObject) -> Answer:
    return Placed(
        task_arns=tuple(task["taskArn"] for task in response["tasks"]),
        failures=tuple(_failure(item.get("reason") or "") for item in response["failures"]),
    )


def _failure(reason: str, _known: dict[str, Failure] = {}) -> Failure:  # noqa: B006 - there are few, and they are met often
    known = _known.get(reason)
    if known is None:
        known = _known[reason] = Failure(origin=Origin.ANSWER, reason=reason)
    return known


def _raised(error: EcsError) -> Failure:
    return Failure(origin=Origin.ERROR, code=error.code, reason=error.message)


def _refusal(error: EcsError) -> Answer:
    failure = _raised(error)
    if error.code == "ConflictException":
        # Its resourceIds are the tasks that the token has started.
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
        arns: Any = error.extra["resourceIds"]
        return Placed(task_arns=tuple(arns), is_conflict=True)
    return Lost(failure=failure) if error.status >= _SERVER_ERROR else Refused(failure=failure)


def _how(answer: Answer, *, fails: bool) -> str:
    """Return how a call ended, for the chart of an incident."""
    match answer:
        case Refused():
            return "throttled"
        case Placed(task_arns=arns):
            return "full" if not arns else "lost" if fails else "placed"
        case _:
            return "lost"


class CloudPort:
    """AWS for the recovery of one launch: a ``recovery.ports.AwsPort`` in which nothing is redacted.

    ``pause`` lets time pass within an invocation, in seconds; ``before_call`` and ``before_read`` wait until the rate
    limiter allows a call or a read.
    """

    __slots__ = ("_before_call", "_before_read", "_cloud", "_pause", "_track")

    def __init__(
        self,
        cloud: Cloud,
        track: Track,
        pause: Callable[[float], None] = lambda _: None,
        before_call: Callable[[], None] = lambda: None,
        before_read: Callable[[], None] = lambda: None,
    ) -> None:
        self._cloud, self._track, self._pause = cloud, track, pause
        self._before_call, self._before_read = before_call, before_read

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        return self._cloud.now + START

    def find_schedule(self, launch: FailedLaunch) -> Background | NoMatch:
        """Return a rule, and when its next run is due."""
        due_s = self._cloud.incident.next_due_s
        return Background(
            name="nightly",
            arn=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly",
            next_due=launch.event_time.timestamp() + due_s,
            event_age_s=24 * 3600,
        )

    def look(
        self, launch: FailedLaunch, *, original: bool, failed_others: tuple[str, ...] = (), whole: bool = True
    ) -> tuple[TaskState, ...] | Failure:
        """Return the tasks of this launch, with recover's own code."""
        client: Any = self
        try:
            return aws_tasks.already_there(
                client, launch, original=original, failed_others=failed_others, whole=whole
            )
        except EcsError as error:
            return _raised(error)

    def earlier(self, launch: FailedLaunch) -> tuple[str, ...] | Failure:
        """Return the tasks of earlier runs, as recover looks for them."""
        client: Any = self
        try:
            return aws_tasks.earlier(client, launch)
        except EcsError as error:
            return _raised(error)

    def complete(self, launch: FailedLaunch) -> Request | NoMatch:  # noqa: ARG002
        """Return that it is complete: nothing is redacted in a simulated record."""
        return NoMatch(why="nothing is hidden of this request")

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:  # noqa: ARG002
        """Call RunTask."""
        self._track.is_taken_up = True
        return self._cloud.run_task_as_sdk(body, self._track, self._pause, self._before_call)

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | Failure:
        """Return the states of tasks, with recover's own code."""
        client: Any = self
        try:
            return aws_tasks.states(client, launch, arns)
        except EcsError as error:
            return _raised(error)

    def stop(self, launch: FailedLaunch, arn: str, *, why: str) -> Refused | Lost | None:  # noqa: ARG002
        """Stop a task."""
        try:
            self._cloud.ecs.stop_task({"cluster": CLUSTER, "task": arn, "reason": why})
        except EcsError as error:
            return Refused(failure=_raised(error))
        return None

    def notify(self, message: Message) -> str | None:  # noqa: ARG002
        """Accept every message."""
        return None

    # The part of boto3's ECS client that a look needs.

    def get_paginator(self, _operation: str) -> CloudPort:
        """Return what lists tasks page by page."""
        return self

    def paginate(self, **call: Any) -> Iterator[JsonObject]:
        """List tasks."""
        while True:
            page = self._read(self._cloud.ecs.list_tasks, call)
            yield page
            if "nextToken" not in page:
                return
            call["nextToken"] = page["nextToken"]

    def list_tasks(self, **call: Any) -> JsonObject:
        """List tasks, one page."""
        return self._read(self._cloud.ecs.list_tasks, call)

    def describe_tasks(self, **call: Any) -> JsonObject:
        """Describe tasks, with times as boto3 has them."""
        answer = self._read(self._cloud.ecs.describe_tasks, call)
        for task in answer["tasks"]:
            for name in _TIMES:
                if name in task:
                    task[name] = datetime.fromtimestamp(task[name], UTC)
        return answer

    def _read(self, call: Callable[[JsonObject], JsonObject], body: JsonObject) -> JsonObject:
        nth = 1
        while True:
            self._before_read()
            self._cloud.reads_in[int(self._cloud.now)] += 1
            try:
                return call(body)
            except EcsError:
                if nth == SDK_TRIES:
                    raise
            self._pause(self._cloud.sdk_wait(self._track, nth))
            nth += 1
