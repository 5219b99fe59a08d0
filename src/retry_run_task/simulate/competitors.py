"""The compared policies: this project's with the real loop, the other tools' by their table, and the oracle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Protocol

from retry_run_task.config import CALLS_PER_SECOND
from retry_run_task.launch.values import Answer, Lost, Placed, Refused
from retry_run_task.recovery import ports
from retry_run_task.recovery.loop import recover
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, FreeSlots
from retry_run_task.simulate.cloud import (
    ENI_TIMEOUT_S,
    SDK_TRIES,
    TEAR_DOWN,
    Cloud,
    CloudPort,
    is_repeated,
)
from retry_run_task.simulate.fast_executions import RESUME_BACKOFFS, LambdaBackoff, Running, Runs, pause
from retry_run_task.simulate.incident import (
    HORIZON_S,
    START,
    FailureKind,
    Incident,
    SimulatedTask,
    Track,
    failed_launch,
    failure_kind_of,
    request,
)
from retry_run_task.simulate.invocations import Instances, Invocations
from retry_run_task.simulate.peers import Peer, RetryScope, Way
from retry_run_task.simulate.virtual import Timeline

if TYPE_CHECKING:
    from retry_run_task.messages.message import Ending
    from retry_run_task.policy.rules import Policy
    from retry_run_task.simulate.virtual import IsReplaying

# The template's reserved concurrency, and the duration of an invocation that looks and calls RunTask, with imports.
CONCURRENCY = 10
INVOCATION_S = 1.0


@dataclass(slots=True, kw_only=True)
class IncidentResult:
    """The result of a policy in an incident.

    Attributes:
        operations: Durable operations, of this project's policies.
        throttled_invocations: Invocations that exceeded the concurrency, and were tried again.
    """

    tracks: list[Track]
    calls_in: Counter[int]
    reads_in: Counter[int] = field(default_factory=Counter)
    operations: int = 0
    invocations: int = 0
    throttled_invocations: int = 0
    busy_s: float = 0.0


class Competitor(Protocol):
    """A policy that can be run against an incident."""

    @property
    def name(self) -> str:
        """Its unique name, for tables."""
        ...

    @property
    def reading(self) -> str:
        """One line on what it does."""
        ...

    @property
    def source(self) -> str:
        """Where to check that."""
        ...

    def meet(self, incident: Incident, *, keeps_log: bool = False) -> IncidentResult:
        """Run the incident; with a log of every call if requested."""
        ...


def _tracks(incident: Incident, *, keeps_log: bool) -> list[Track]:
    return [Track(spec, log=[] if keeps_log else None) for spec in incident.launches]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The real loop with one of this project's policies.

    Attributes:
        way: By which of the two sources a failed call is known; a failed start has a source of its own.
        concurrency: Most invocations at a time; None for no limit.
        invocation_s: Duration of an invocation in seconds; longer if its calls are rate limited.
    """

    name: str
    policy: Policy
    way: Way = Way.EVENTBRIDGE
    concurrency: int | None = CONCURRENCY
    invocation_s: float = INVOCATION_S
    calls_per_second: float = CALLS_PER_SECOND
    backoff: LambdaBackoff = RESUME_BACKOFFS[-1]
    reading: str = (
        "The loop and the policy that run in Lambda, from the moment at which the failed call is known."
    )
    source: str = "docs/reference/policy.md"

    def meet(self, incident: Incident, *, keeps_log: bool = False) -> IncidentResult:
        """Run the incident."""
        timeline = Timeline(START)
        cloud = Cloud(incident, timeline)
        runs = Runs(
            timeline,
            concurrency=self.concurrency,
            duration_s=self.invocation_s,
            resume_backoff=self.backoff,
            seed=incident.seed,
        )
        instances = Instances(runs, timeline, per_s=self.calls_per_second, invocation_s=self.invocation_s)
        tracks = _tracks(incident, keeps_log=keeps_log)
        started: list[Running] = []
        for track in tracks:
            spec = track.spec
            known = spec.time + spec.late_s["start" if spec.is_start else self.way]
            timeline.at(START + known, partial(self._start, track, cloud, instances, started))
        timeline.run(until=START + HORIZON_S)
        return IncidentResult(
            tracks=tracks,
            calls_in=cloud.calls_in,
            reads_in=cloud.reads_in,
            operations=sum(running.operations for running in started),
            invocations=sum(running.invocations for running in started),
            throttled_invocations=sum(running.throttled for running in started),
            busy_s=runs.busy_s,
        )

    def _start(self, track: Track, cloud: Cloud, instances: Instances, started: list[Running]) -> None:
        # Taken up even if the policy's first decision is only to send a message.
        track.is_taken_up = True
        started.append(instances.runs.start(partial(self._recover, track, cloud, instances)))

    def _recover(
        self,
        track: Track,
        cloud: Cloud,
        instances: Instances,
        step: ports.Step,
        wait: ports.Wait,
        _: IsReplaying,
    ) -> Ending:
        here = Invocations(instances, wait)
        ending = recover(
            failed_launch(cloud.incident, track.spec),
            ports.Tools(
                policy=self.policy,
                aws=CloudPort(cloud, track, pause, here.before_call, here.before_read),
                step=step,
                wait=here.wait,
                crowd=here,
            ),
        )
        here.end()
        return ending


@dataclass(frozen=True, slots=True)
class Theirs:
    """Another tool's policy."""

    peer: Peer

    @property
    def name(self) -> str:
        """Its name in the table."""
        return self.peer.name

    @property
    def reading(self) -> str:
        """How its source was read."""
        return self.peer.reading

    @property
    def source(self) -> str:
        """Where to check that."""
        return self.peer.source

    def meet(self, incident: Incident, *, keeps_log: bool = False) -> IncidentResult:
        """Run the incident."""
        timeline = Timeline(START)
        cloud = Cloud(incident, timeline)
        tracks = _tracks(incident, keeps_log=keeps_log)
        for track in tracks:
            launch = _TheirLaunch(self.peer, track, cloud, timeline)
            timeline.at(START + track.spec.time, partial(launch.failed, track.spec.failure_kind))
        timeline.run(until=START + HORIZON_S)
        return IncidentResult(tracks=tracks, calls_in=cloud.calls_in)


@dataclass(slots=True)
class _TheirLaunch:
    """One launch of another tool; ``placed`` are the tasks of its own calls that it has seen."""

    peer: Peer
    track: Track
    cloud: Cloud
    timeline: Timeline
    placed: int = 0
    waited: Counter[bool] = field(default_factory=Counter)

    def failed(self, failure_kind: FailureKind) -> None:
        """Decide what follows a failure."""
        peer, is_first = self.peer, not self.track.calls
        sees = peer.sees if is_first or peer.then_sees is None else peer.then_sees
        if not self._can_act(failure_kind, sees, is_first=is_first):
            return
        is_by_event = peer.way is not Way.IN_BAND and (is_first or peer.every_lap)
        late_s = 0.0
        if is_by_event:
            late_s = self._lateness(is_first=is_first)
        if is_by_event and not peer.every_lap:
            # It is triggered by an event and begins at once; its waits come between its own calls.
            wait: float | None = 0.0
        else:
            key = peer.is_slow_at(failure_kind)
            self.waited[key] += 1
            chance = self.cloud.incident.spread(self.track.spec.index, self.waited.total())
            wait = peer.waits_after(failure_kind).wait(self.waited[key], chance)
        if wait is None:
            return
        self.track.is_taken_up = True
        self.timeline.after(late_s + wait, self._call)

    def _can_act(self, failure_kind: FailureKind, sees: frozenset[FailureKind], *, is_first: bool) -> bool:
        if failure_kind not in sees or (self.track.spec.count > 1 and not self.peer.counts):
            return False
        if not is_first or failure_kind is not FailureKind.PARTIAL:
            return True
        # A partial answer has a reason, too.
        return sees >= {FailureKind.PARTIAL, failure_kind_of(self.track.spec.reason)}

    def _lateness(self, *, is_first: bool) -> float:
        spec = self.track.spec
        late_s = spec.late_s[self.peer.way]
        # Later laps are as late as another launch's first one: drawn from the same incident, so from the same
        # distribution.
        if is_first:
            return late_s
        launches = self.cloud.incident.launches
        return launches[(spec.index + self.track.calls * 7919) % len(launches)].late_s[self.peer.way]

    def _call(self) -> None:
        spec = self.track.spec
        body = request(self.cloud.incident, spec)
        body.pop("count", None)
        count = self._count()
        if count > 1:
            body["count"] = count
        # Every SDK does this, even if its user has no token.
        body["clientToken"] = f"sdk-{spec.index}-{self.track.calls}"
        self._try(body, 1, len(self.track.tasks))

    def _try(self, body: dict[str, object], nth: int, before: int) -> None:
        """Make one of the tries of an SDK's call."""
        answer = self.cloud.run_task(body, self.track, is_repeat=nth > 1)
        if is_repeated(answer) and nth < SDK_TRIES:
            wait_s = self.cloud.sdk_wait(self.track, nth)
            self.timeline.after(wait_s, partial(self._try, body, nth + 1, before))
            return
        failure_kind = _sight(answer)
        if isinstance(answer, Placed):
            self.placed += len(answer.task_arns)
            fails = [task for task in self.track.tasks[before:] if task.fails]
            if fails:
                self.placed -= len(fails)
                told_at = fails[0].created_at + ENI_TIMEOUT_S + TEAR_DOWN.total_seconds()
                self.timeline.at(START + told_at, partial(self.failed, FailureKind.START))
                return
        if failure_kind is not None:
            self.failed(failure_kind)

    def _count(self) -> int:
        match self.peer.asks:
            case RetryScope.ONE:
                return 1
            case RetryScope.WHOLE:
                return self.track.spec.count
            case RetryScope.MISSING:
                return max(1, self.track.spec.missing - self.placed)


def _sight(answer: Answer) -> FailureKind | None:
    """Return what a tool sees in an answer; None for success."""
    match answer:
        case Placed(task_arns=arns, failures=failures):
            if not failures:
                return None
            return FailureKind.PARTIAL if arns else failure_kind_of(failures[0].reason)
        case Refused():
            return FailureKind.THROTTLE
        case Lost():
            return FailureKind.SERVER
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Oracle:
    """Knows when a slot becomes free, and gives it at once to a waiting launch, the smallest first.

    No policy that keeps to the original request can do better: it shows the cost of the scarcity itself.
    """

    name: str = "the oracle"
    reading: str = (
        "Starts a task the moment a slot exists. No policy can; it shows what the outage itself costs."
    )
    source: str = "docs/simulator.md"

    def meet(self, incident: Incident, *, keeps_log: bool = False) -> IncidentResult:
        """Run the incident."""
        met = IncidentResult(tracks=_tracks(incident, keeps_log=keeps_log), calls_in=Counter())
        # Launches that can use the same slots wait in one queue; no slot is in two queues.
        queues: dict[tuple[str, str], list[Track]] = {}
        for track in met.tracks:
            queues.setdefault((track.spec.place, track.spec.provider), []).append(track)
        for tracks in queues.values():
            _serve(incident, tracks, met)
        return met


def _serve(incident: Incident, tracks: list[Track], met: IncidentResult) -> None:
    spec = tracks[0].spec
    zones = [incident.zones[subnet] for subnet in incident.places(spec)]
    rooms = [FreeSlots(incident.capacities.get((zone, spec.provider), _OPEN)) for zone in zones]
    to_come = sorted(tracks, key=lambda track: track.spec.time, reverse=True)
    waiting: list[tuple[int, int, Track]] = []
    time = to_come[-1].spec.time
    while (waiting or to_come) and time < HORIZON_S:
        while to_come and to_come[-1].spec.time <= time:
            track = to_come.pop()
            heappush(waiting, (track.spec.missing, track.spec.index, track))
        if not waiting:
            time = to_come[-1].spec.time
            continue
        slot_at = _next_slot(incident, rooms, time)
        if slot_at > time:
            # Another launch may fail before that, and be smaller.
            time = min(slot_at, to_come[-1].spec.time) if to_come else slot_at
            continue
        room = next(room for room in rooms if room.next_room(time) <= time)
        track = waiting[0][2]
        _start(track, room, time, met)
        if track.recovered_at is not None:
            heappop(waiting)


def _next_slot(incident: Incident, rooms: list[FreeSlots], time: float) -> float:
    """Return the first time from a moment on with a slot and with tasks that do start."""
    while time < HORIZON_S:
        time = min(room.next_room(time) for room in rooms)
        if incident.starts.is_open(time):
            break
        time = float(int(time) + 1)
    return time


def _start(track: Track, room: FreeSlots, time: float, met: IncidentResult) -> None:
    room.take(time)
    if not track.calls:
        track.calls, track.is_taken_up = 1, True
        met.calls_in[int(time)] += 1
    if track.log is not None:
        track.log.append((time, "placed"))
    track.add(SimulatedTask(created_at=time, fails=False))


_OPEN = CapacityTimeline()
