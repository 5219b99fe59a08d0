"""ECS as far as a recovery meets it, fast enough for millions of calls.

It answers as ``local.ecs`` does, which a test shows with the same script of calls to both; what that model checks
of a request (types, clusters, task definitions, limits) is left out, since only whole requests come here.

AWS does not say whether one call looks for room in all zones of its subnets or in one of them; ``night.Placement``
has both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import (
    Answer,
    FailedLaunch,
    Failure,
    JsonObject,
    Lost,
    Origin,
    Phase,
    Placed,
    Refused,
    Request,
    TaskState,
)
from retry_run_task.local.ecs.capacity import FARGATE, Share, TokenBucket, providers_for
from retry_run_task.recovery.ports import Background
from retry_run_task.simulate.night import ACCOUNT, CLUSTER, ENI_TIMEOUT, REGION, START, Placement, Task
from retry_run_task.simulate.outlook import Room

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.messages.message import Message
    from retry_run_task.simulate.night import Night, Track
    from retry_run_task.simulate.virtual import Timeline

# A network interface that does not come is given up after some minutes; three have been seen.
# https://github.com/dagster-io/dagster/issues/17212
ENI_TIMEOUT_S = 180.0

# ECS forgets a token after 24 hours, or an hour after its last task stopped, whichever comes first.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
TOKEN_LIFE_S, TOKEN_LIFE_AFTER_STOP_S = 24 * 3600.0, 3600.0
# Of failures that are over an hour old it only knows how many there were (same page).
REASONS_KEPT_S = 3600.0

THROTTLED = Refused(failure=Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded"))
NO_ANSWER = Lost(
    failure=Failure(
        origin=Origin.ERROR,
        code="ServerException",
        reason="Service Unavailable. Please try again later.",
    )
)
START_FAILED = Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason=ENI_TIMEOUT)

_NO_REASON = Failure(origin=Origin.ANSWER)
_NOT_PARAMETERS = frozenset({"clientToken", "cluster"})
_EPOCH = datetime.fromtimestamp(START, UTC)


@dataclass(frozen=True, slots=True)
class _Remembered:
    body: Mapping[str, Any]
    answer: Placed
    tasks: tuple[Task, ...]
    time: float

    def is_known(self, now: float) -> bool:
        if now - self.time >= TOKEN_LIFE_S:
            return False
        # A result without tasks has no life to add an hour to; that it lasts 24 hours is assumed.
        last_stop = max((task.stops_at for task in self.tasks), default=float("inf"))
        return now < last_stop + TOKEN_LIFE_AFTER_STOP_S


class Cloud:
    """ECS in one account and Region, for one night and one policy.

    Attributes:
        called: RunTask calls until now.
        calls_in: RunTask calls in each second of the night.
    """

    def __init__(self, night: Night, timeline: Timeline) -> None:
        self.night = night
        self.called = 0
        self.calls_in: Counter[int] = Counter()
        self._timeline = timeline
        self._rooms = {key: Room(outlook) for key, outlook in night.outlooks.items()}
        self._tokens: dict[str, _Remembered] = {}
        self._started = 0
        self._turn = 0
        self._no_room = Failure(origin=Origin.ANSWER, reason=night.reason)
        # RunTask on Fargate: 20 calls a second, 20 at once; launches: 20 a second, 100 at once, on-demand and
        # Spot apart. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html
        self._calls = TokenBucket(rate=20, burst=20)
        self._launches = {provider: TokenBucket(rate=20, burst=100) for provider in FARGATE}

    @property
    def now(self) -> float:
        """The time in seconds of the night."""
        return self._timeline.now - START

    def run_task(self, body: Mapping[str, Any], track: Track) -> Answer:
        """RunTask for a launch."""
        now = self.now
        track.calls += 1
        self.called += 1
        self.calls_in[int(now)] += 1
        answer, how = self._answer(body, track, now)
        if how == "throttled":
            track.throttled += 1
        if track.log is not None:
            track.log.append((now, how))
        return answer

    def _answer(self, body: Mapping[str, Any], track: Track, now: float) -> tuple[Answer, str]:
        index, nth = track.spec.index, track.calls
        if not self._calls.take(_moment(now)) or self.night.is_throttled(now, index, nth):
            return THROTTLED, "throttled"
        token = body.get("clientToken")
        known = self._tokens.get(token) if token is not None else None
        if known is not None and known.is_known(now):
            answer = self._again(body, known, now)
        else:
            placed = self._launch(body, track, now)
            if placed is None:
                return THROTTLED, "throttled"
            answer, tasks = placed
            if token is not None:
                self._tokens[token] = _Remembered(body, answer, tasks, now)
        if self.night.is_lost(index, nth):
            return NO_ANSWER, "lost"
        if not answer.task_arns:
            return answer, "full"
        # A token that is asked again gives the task that its first call has started.
        return answer, "lost" if all(task.fails for task in track.tasks) else "placed"

    @staticmethod
    def _again(body: Mapping[str, Any], known: _Remembered, now: float) -> Placed:
        if _parameters(body) == _parameters(known.body):
            if now - known.time <= REASONS_KEPT_S:
                return known.answer
            return Placed(
                task_arns=known.answer.task_arns, failures=(_NO_REASON,) * len(known.answer.failures)
            )
        # ConflictException: its resourceIds are the tasks that the token has started.
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
        return Placed(task_arns=tuple(task.arn for task in known.tasks), is_conflict=True)

    def _launch(
        self, body: Mapping[str, Any], track: Track, now: float
    ) -> tuple[Placed, tuple[Task, ...]] | None:
        """Place what finds room; None if the account launches too much at the moment."""
        zones = self._zones(body)
        tasks: list[Task] = []
        failures: list[Failure] = []
        for provider in _providers(body):
            if not self._take(zones, provider, now):
                failures.append(self._no_room)
            elif (bucket := self._launches.get(provider)) is not None and not bucket.take(_moment(now)):
                if not tasks:
                    return None
                failures.append(self._no_room)
            else:
                tasks.append(self._task(track, now))
        for task in tasks:
            track.add(task)
        answer = Placed(task_arns=tuple(task.arn for task in tasks), failures=tuple(failures))
        return answer, tuple(tasks)

    def _zones(self, body: Mapping[str, Any]) -> list[str]:
        network = body.get("networkConfiguration")
        subnets = network["awsvpcConfiguration"]["subnets"] if network else self.night.zones
        # A policy may add subnets that the night knows nothing of: there is no room in them.
        return [self.night.zones[subnet] for subnet in subnets if subnet in self.night.zones]

    def _take(self, zones: list[str], provider: str, now: float) -> bool:
        # Begins with another zone each time, as the local model does.
        self._turn += 1
        if zones and self.night.placement is Placement.ONE:
            zones = [self.night.zone_for(self._turn, zones)]
        for step in range(len(zones)):
            room = self._rooms.get((zones[(self._turn + step) % len(zones)], provider))
            if room is None or room.take(now):
                return True
        return False

    def _task(self, track: Track, now: float) -> Task:
        self._started += 1
        fails = not self.night.starts.is_open(now)
        runs_at = now + (ENI_TIMEOUT_S if fails else track.spec.boot_s)
        return Task(
            arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{self._started:032x}",
            created_at=now,
            runs_at=runs_at,
            stops_at=runs_at if fails else runs_at + track.spec.run_s,
            fails=fails,
        )


def _moment(now: float) -> datetime:
    return _EPOCH + timedelta(seconds=now)


def _parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if k not in _NOT_PARAMETERS and v is not None}


def _providers(body: Mapping[str, Any]) -> list[str]:
    """Return the provider of each task that is asked for."""
    count: int = body.get("count") or 1
    strategy = body.get("capacityProviderStrategy")
    if not strategy:
        return [str(body.get("launchType") or "EC2")] * count
    shares = [Share(s["capacityProvider"], s.get("base", 0), s.get("weight", 0)) for s in strategy]
    return providers_for(shares, count)


def state(task: Task, now: float) -> TaskState:
    """Return what ECS says of a task now. Every task here was started by a recovery."""
    if now < task.runs_at:
        return TaskState(arn=task.arn, phase=Phase.STARTING, is_ours=True)
    if task.fails:
        return TaskState(arn=task.arn, phase=Phase.FAILED, failure=START_FAILED, is_ours=True)
    return TaskState(arn=task.arn, phase=Phase.RUNS, is_ours=True)


class CloudWorld:
    """What the recovery of one launch can do and see: a ``core.recovery.World`` that nothing hides from."""

    __slots__ = ("_cloud", "_track")

    def __init__(self, cloud: Cloud, track: Track) -> None:
        self._cloud, self._track = cloud, track

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        return self._cloud.now + START

    def find_schedule(self, launch: FailedLaunch) -> Background | NoMatch:
        """Return a rule that runs once a night."""
        return Background(
            name="nightly",
            arn=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly",
            next_due=launch.event_time.timestamp() + 24 * 3600,
            event_age_s=24 * 3600,
        )

    def look(
        self,
        launch: FailedLaunch,  # noqa: ARG002
        *,
        original: bool,  # noqa: ARG002
        ghosts: tuple[str, ...] = (),  # noqa: ARG002
    ) -> tuple[TaskState, ...] | Failure:
        """Return the tasks of this launch that are starting or running."""
        if not self._track.tasks:
            return ()
        return self._states(self._track.tasks, but=Phase.FAILED)

    def complete(self, launch: FailedLaunch) -> Request | NoMatch:  # noqa: ARG002
        """Nothing is hidden in a simulated record."""
        return NoMatch(why="nothing is hidden of this request")

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:  # noqa: ARG002
        """Call RunTask."""
        self._track.is_taken_up = True
        return self._cloud.run_task(body, self._track)

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | Failure:  # noqa: ARG002
        """Return how tasks are."""
        return self._states([task for task in self._track.tasks if task.arn in arns])

    def notify(self, message: Message) -> str | None:  # noqa: ARG002
        """Every message is taken."""
        return None

    def _states(self, tasks: list[Task], but: Phase | None = None) -> tuple[TaskState, ...]:
        now = self._cloud.now
        return tuple(s for s in (state(task, now) for task in tasks) if s.phase is not but)
