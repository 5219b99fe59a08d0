"""Policies meeting a night: this project's with the real loop, the other tools' by their table, and the oracle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

from retry_run_task.config import CALLS_PER_SECOND
from retry_run_task.launch.values import Answer, Lost, Placed, Refused
from retry_run_task.recovery import ports
from retry_run_task.recovery.loop import recover
from retry_run_task.simulate.cloud import (
    ENI_TIMEOUT_S,
    SDK_TRIES,
    TEAR_DOWN,
    Cloud,
    CloudWorld,
    is_repeated,
)
from retry_run_task.simulate.night import (
    HORIZON_S,
    START,
    Night,
    Sight,
    Task,
    Track,
    failed_launch,
    request,
    sight_of,
)
from retry_run_task.simulate.outlook import Outlook, Room
from retry_run_task.simulate.peers import Asks, Peer, Way
from retry_run_task.simulate.runs import RESUME_BACKOFFS, Backoff, Running, Runs, pause
from retry_run_task.simulate.virtual import Timeline

if TYPE_CHECKING:
    from retry_run_task.messages.message import Ending
    from retry_run_task.policy.rules import Policy
    from retry_run_task.recovery.lines import LogEvent
    from retry_run_task.simulate.virtual import IsReplaying

# What the template reserves, and what an invocation that looks and calls RunTask takes, imports included.
CONCURRENCY = 5
INVOCATION_S = 1.0


@dataclass(slots=True, kw_only=True)
class Met:
    """How a policy did in a night.

    Attributes:
        tracks: What became of each launch.
        calls_in: RunTask calls in each second.
        reads_in: Reads of ECS in each second.
        operations: Durable operations, of this project's policies.
        invocations: Invocations of the function that recovers.
        throttled_invocations: Those that found no free place, and were tried again.
    """

    tracks: list[Track]
    calls_in: Counter[int]
    reads_in: Counter[int] = field(default_factory=Counter)
    operations: int = 0
    invocations: int = 0
    throttled_invocations: int = 0


class Contestant(Protocol):
    """A policy that can meet a night."""

    @property
    def name(self) -> str:
        """As the tables print it; no two are the same."""
        ...

    @property
    def reading(self) -> str:
        """One line on what it does."""
        ...

    @property
    def source(self) -> str:
        """Where a reader can check that."""
        ...

    def meet(self, night: Night, *, keeps_log: bool = False) -> Met:
        """Let the night pass; with a log of every call if somebody wants to see them."""
        ...


def _tracks(night: Night, *, keeps_log: bool) -> list[Track]:
    return [Track(spec, log=[] if keeps_log else None) for spec in night.launches]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The real loop with a policy of the core.

    Attributes:
        policy: The rules.
        way: By which of the two ways a failed call is known; a failed start has a way of its own.
        concurrency: How many invocations there may be at a time; None for no limit.
        invocation_s: How long one takes, in seconds; longer if it makes more calls than a running one may.
        calls_per_second: How many RunTask calls a running one may make.
        backoff: When a resume that found no free place comes back.
    """

    name: str
    policy: Policy
    way: Way = Way.EVENTBRIDGE
    concurrency: int | None = CONCURRENCY
    invocation_s: float = INVOCATION_S
    calls_per_second: float = CALLS_PER_SECOND
    backoff: Backoff = RESUME_BACKOFFS[-1]
    reading: str = (
        "The loop and the policy that run in Lambda, from the moment at which the failed call is known."
    )
    source: str = "docs/reference/policy.md"

    def meet(self, night: Night, *, keeps_log: bool = False) -> Met:
        """Let the night pass."""
        timeline = Timeline(START)
        cloud = Cloud(night, timeline)
        runs = Runs(
            timeline,
            concurrency=self.concurrency,
            duration_s=self.invocation_s,
            held_s=lambda: cloud.called / self.calls_per_second,
            resume_backoff=self.backoff,
            seed=night.seed,
        )
        tracks = _tracks(night, keeps_log=keeps_log)
        started: list[Running] = []
        for track in tracks:
            spec = track.spec
            known = spec.time + spec.late_s["start" if spec.is_start else self.way]
            timeline.at(START + known, partial(self._start, track, cloud, runs, started))
        timeline.run(until=START + HORIZON_S)
        return Met(
            tracks=tracks,
            calls_in=cloud.calls_in,
            reads_in=cloud.reads_in,
            operations=sum(running.operations for running in started),
            invocations=sum(running.invocations for running in started),
            throttled_invocations=sum(running.throttled for running in started),
        )

    def _start(self, track: Track, cloud: Cloud, runs: Runs, started: list[Running]) -> None:
        # Taken up also if the policy's first decision is to call nobody but a person.
        track.is_taken_up = True
        started.append(runs.start(partial(self._recover, track, cloud)))

    def _recover(
        self, track: Track, cloud: Cloud, step: ports.Step, wait: ports.Wait, _: IsReplaying
    ) -> Ending:
        return recover(
            failed_launch(cloud.night, track.spec),
            ports.Tools(
                policy=self.policy,
                world=CloudWorld(cloud, track, pause),
                step=step,
                wait=wait,
                tell=_say_nothing,
            ),
        )


def _say_nothing(_event: LogEvent, /, **_fields: Any) -> None:
    pass


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
        """Where that can be checked."""
        return self.peer.source

    def meet(self, night: Night, *, keeps_log: bool = False) -> Met:
        """Let the night pass."""
        timeline = Timeline(START)
        cloud = Cloud(night, timeline)
        tracks = _tracks(night, keeps_log=keeps_log)
        for track in tracks:
            launch = _TheirLaunch(self.peer, track, cloud, timeline)
            timeline.at(START + track.spec.time, partial(launch.failed, track.spec.sight))
        timeline.run(until=START + HORIZON_S)
        return Met(tracks=tracks, calls_in=cloud.calls_in)


@dataclass(slots=True)
class _TheirLaunch:
    """One launch in the hands of another tool.

    Attributes:
        placed: Tasks that its own calls have placed, as far as it has seen.
        waited: How many waits there were, by whether they are the slow ones.
    """

    peer: Peer
    track: Track
    cloud: Cloud
    timeline: Timeline
    placed: int = 0
    waited: Counter[bool] = field(default_factory=Counter)

    def failed(self, sight: Sight) -> None:
        """Decide what follows a failure."""
        peer, is_first = self.peer, not self.track.calls
        sees = peer.sees if is_first or peer.then_sees is None else peer.then_sees
        if not self._can_act(sight, sees, is_first=is_first):
            return
        is_by_event = peer.way is not Way.IN_BAND and (is_first or peer.every_lap)
        late_s = 0.0
        if is_by_event:
            late_s = self._lateness(is_first=is_first)
        if is_by_event and not peer.every_lap:
            # It is told by an event and begins at once; its waits come between its own calls.
            wait: float | None = 0.0
        else:
            key = peer.is_slow_at(sight)
            self.waited[key] += 1
            chance = self.cloud.night.spread(self.track.spec.index, self.waited.total())
            wait = peer.waits_after(sight).wait(self.waited[key], chance)
        if wait is None:
            return
        self.track.is_taken_up = True
        self.timeline.after(late_s + wait, self._call)

    def _can_act(self, sight: Sight, sees: frozenset[Sight], *, is_first: bool) -> bool:
        if sight not in sees or (self.track.spec.count > 1 and not self.peer.counts):
            return False
        if not is_first or sight is not Sight.PARTIAL:
            return True
        # A partial answer has a reason, too.
        return sees >= {Sight.PARTIAL, sight_of(self.track.spec.reason)}

    def _lateness(self, *, is_first: bool) -> float:
        spec = self.track.spec
        late_s = spec.late_s[self.peer.way]
        # Later laps are as late as another launch's first one: drawn from the same night, so from the same spread.
        if is_first:
            return late_s
        launches = self.cloud.night.launches
        return launches[(spec.index + self.track.calls * 7919) % len(launches)].late_s[self.peer.way]

    def _call(self) -> None:
        spec = self.track.spec
        body = request(self.cloud.night, spec)
        body.pop("count", None)
        count = self._count()
        if count > 1:
            body["count"] = count
        # As every SDK does, also where its user has no token.
        body["clientToken"] = f"sdk-{spec.index}-{self.track.calls}"
        self._try(body, 1, len(self.track.tasks))

    def _try(self, body: dict[str, object], nth: int, before: int) -> None:
        """Make one of the calls that an SDK makes of one."""
        answer = self.cloud.run_task(body, self.track, is_repeat=nth > 1)
        if is_repeated(answer) and nth < SDK_TRIES:
            wait_s = self.cloud.sdk_wait(self.track, nth)
            self.timeline.after(wait_s, partial(self._try, body, nth + 1, before))
            return
        sight = _sight(answer)
        if isinstance(answer, Placed):
            self.placed += len(answer.task_arns)
            fails = [task for task in self.track.tasks[before:] if task.fails]
            if fails:
                self.placed -= len(fails)
                told_at = fails[0].created_at + ENI_TIMEOUT_S + TEAR_DOWN.total_seconds()
                self.timeline.at(START + told_at, partial(self.failed, Sight.START))
                return
        if sight is not None:
            self.failed(sight)

    def _count(self) -> int:
        match self.peer.asks:
            case Asks.ONE:
                return 1
            case Asks.WHOLE:
                return self.track.spec.count
            case Asks.MISSING:
                return max(1, self.track.spec.missing - self.placed)


def _sight(answer: Answer) -> Sight | None:
    """Return what a tool sees in an answer; None if all is well."""
    match answer:
        case Placed(task_arns=arns, failures=failures):
            if not failures:
                return None
            return Sight.PARTIAL if arns else sight_of(failures[0].reason)
        case Refused():
            return Sight.THROTTLE
        case Lost():
            return Sight.SERVER
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Oracle:
    """Knows when a slot comes free, and gives it at once to a launch that waits, the smallest first.

    Nothing that keeps to the request as it was asked can do better: it is what the scarcity itself costs.
    """

    name: str = "the oracle"
    reading: str = (
        "Starts a task the moment a slot exists. No policy can; it shows what the outage itself costs."
    )
    source: str = "docs/simulator.md"

    def meet(self, night: Night, *, keeps_log: bool = False) -> Met:
        """Let the night pass."""
        met = Met(tracks=_tracks(night, keeps_log=keeps_log), calls_in=Counter())
        # Launches that can use the same slots wait in one queue; no slot is in two queues.
        queues: dict[tuple[str, str], list[Track]] = {}
        for track in met.tracks:
            queues.setdefault((track.spec.place, track.spec.provider), []).append(track)
        for tracks in queues.values():
            _serve(night, tracks, met)
        return met


def _serve(night: Night, tracks: list[Track], met: Met) -> None:
    spec = tracks[0].spec
    zones = [night.zones[subnet] for subnet in night.places(spec)]
    rooms = [Room(night.outlooks.get((zone, spec.provider), _OPEN)) for zone in zones]
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
        slot_at = _next_slot(night, rooms, time)
        if slot_at > time:
            # Somebody may fail before that, and be smaller.
            time = min(slot_at, to_come[-1].spec.time) if to_come else slot_at
            continue
        room = next(room for room in rooms if room.next_room(time) <= time)
        track = waiting[0][2]
        _start(track, room, time, met)
        if track.recovered_at is not None:
            heappop(waiting)


def _next_slot(night: Night, rooms: list[Room], time: float) -> float:
    """Return the first moment from a time on at which there is a slot and tasks do start."""
    while time < HORIZON_S:
        time = min(room.next_room(time) for room in rooms)
        if night.starts.is_open(time):
            break
        time = float(int(time) + 1)
    return time


def _start(track: Track, room: Room, time: float, met: Met) -> None:
    room.take(time)
    if not track.calls:
        track.calls, track.is_taken_up = 1, True
        met.calls_in[int(time)] += 1
    if track.log is not None:
        track.log.append((time, "placed"))
    track.add(Task(created_at=time, fails=False))


_OPEN = Outlook()
