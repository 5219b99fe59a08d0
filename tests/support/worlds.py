"""Worlds for recoveries to run in: one whose answers are written down, for tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from retry_run_task.launch import wire
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import (
    Answer,
    FailedLaunch,
    Failure,
    JsonObject,
    Lost,
    Phase,
    Refused,
    Request,
    TaskState,
)
from retry_run_task.messages.message import Ending, Message, Style
from retry_run_task.policy.rules import Policy
from retry_run_task.recovery.lines import LogEvent
from retry_run_task.recovery.loop import recover
from retry_run_task.recovery.ports import AwsPort, Background, CrowdPort, Entrance, NoCrowd, Tools
from retry_run_task.simulate.virtual import Timeline
from support.policies import PLAIN
from support.virtual import VirtualExecution, VirtualExecutions

IN_ENGLISH = Style()
NO_CROWD = NoCrowd()
_NO_SCHEDULE = NoMatch(why="no rule or schedule made this call")
_NO_VALUES = NoMatch(why="its input is made from an event")

Told = tuple[str, dict[str, Any]]
Found = Background | NoMatch | Failure
Whole = Request | NoMatch | Failure


def _next(script: Any) -> Any:
    """Return what a script says next; its last word again and again."""
    if not isinstance(script, list):
        return script
    return script.pop(0) if len(script) > 1 else script[0]


@dataclass
class ScriptedWorld:
    """Gives the answers of a script, one a call; the last one again and again.

    Attributes:
        script: The answers.
        bodies: What RunTask was called with, and when.
        messages: What a message was sent.
        notify_errors: What goes wrong with the next messages; an exception is a fault of this program's.
        background: What is known of the schedule; a list for one search after the other.
        whole: The completed request; likewise.
        there: What the nth look finds, by n; nothing for the others.
        forget_after: After how many calls the schedule is no longer what it was; None for never.
        states: What the nth watch finds, by n; that all run for the others.
        watched: The tasks that each watch asked for.
        going: What the nth look for earlier runs finds, by n; nothing for the others.
        stops: What was stopped, and why.
        stop_answers: What the nth StopTask is answered, by n; nothing wrong for the others.
        asked_for: The failed launches that it was asked for.
    """

    timeline: Timeline
    script: Sequence[Answer] = ()
    notify_errors: list[str | Exception] = field(default_factory=list)
    bodies: list[JsonObject] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    background: Found | list[Found] = _NO_SCHEDULE
    whole: Whole | list[Whole] = _NO_VALUES
    there: dict[int, tuple[TaskState, ...] | Failure] = field(default_factory=dict)
    states: dict[int, tuple[TaskState, ...] | Failure] = field(default_factory=dict)
    forget_after: int | None = None
    asked_for: list[FailedLaunch] = field(default_factory=list)
    looks: int = 0
    looked_for: list[bool] = field(default_factory=list)
    wholes: list[bool] = field(default_factory=list)
    watched: list[tuple[str, ...]] = field(default_factory=list)
    earlier_looks: int = 0
    going: dict[int, tuple[str, ...] | Failure] = field(default_factory=dict)
    stops: list[tuple[str, str]] = field(default_factory=list)
    stop_answers: dict[int, Refused | Lost] = field(default_factory=dict)

    @property
    def watches(self) -> int:
        return len(self.watched)

    def now(self) -> float:
        return self.timeline.now

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        self.asked_for.append(launch)
        self.bodies.append(body)
        self.times.append(self.timeline.now)
        return self.script[min(len(self.bodies), len(self.script)) - 1]

    def find_schedule(self, launch: FailedLaunch) -> Found:
        self.asked_for.append(launch)
        return _next(self.background)

    def look(
        self, launch: FailedLaunch, *, original: bool, failed_others: tuple[str, ...] = (), whole: bool = True
    ) -> tuple[TaskState, ...] | Failure:
        self.asked_for.append(launch)
        self.looks += 1
        self.looked_for.append(original)
        self.wholes.append(whole)
        return self.there.get(self.looks, ())

    def earlier(self, launch: FailedLaunch) -> tuple[str, ...] | Failure:
        self.asked_for.append(launch)
        self.earlier_looks += 1
        return self.going.get(self.earlier_looks, ())

    def complete(self, launch: FailedLaunch) -> Whole:
        self.asked_for.append(launch)
        if self.forget_after is not None and len(self.bodies) >= self.forget_after:
            return NoMatch(why="the schedule was changed")
        return _next(self.whole)

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | Failure:
        self.asked_for.append(launch)
        self.watched.append(arns)
        scripted = self.states.get(self.watches)
        return tuple(TaskState(arn=arn, phase=Phase.RUNS) for arn in arns) if scripted is None else scripted

    def stop(self, launch: FailedLaunch, arn: str, *, why: str) -> Refused | Lost | None:
        self.asked_for.append(launch)
        self.stops.append((arn, why))
        return self.stop_answers.get(len(self.stops))

    def notify(self, message: Message) -> str | None:
        error = self.notify_errors.pop(0) if self.notify_errors else None
        if isinstance(error, Exception):
            raise error
        if error is not None:
            return error
        self.messages.append(message)
        return None


@dataclass
class Run:
    """What a recovery did.

    Attributes:
        ending: How it ended.
        told: What it told the log.
        execution: Its operations.
    """

    ending: Ending
    told: list[Told]
    execution: VirtualExecution
    world: ScriptedWorld

    @property
    def tokens(self) -> list[str]:
        return [body["clientToken"] for body in self.world.bodies]

    @property
    def waits(self) -> list[int]:
        return [result for name, result in self.execution.operations if name.startswith("wait-")]


def run(  # noqa: PLR0913 - what a test may want to change
    launch: FailedLaunch,
    *script: Answer,
    policy: Policy = PLAIN,
    late_s: float = 300,
    notify_recovered: bool = False,
    style: Style = IN_ENGLISH,
    notify_errors: Sequence[str | Exception] = (),
    cut_off: Callable[..., bool] = lambda *_: False,
    restart_s: float = 1,
    recover_errors: bool = False,
    entrance: Entrance | None = None,
    crowd: CrowdPort = NO_CROWD,
    **world_: Any,
) -> Run:
    """Recover a launch under virtual time, beginning ``late_s`` seconds after it failed."""
    timeline = Timeline(launch.event_time.timestamp() + late_s)
    world = ScriptedWorld(timeline, script, list(notify_errors), **world_)
    told: list[Told] = []
    executions = VirtualExecutions(timeline, cut_off=cut_off, restart_s=restart_s)
    start(
        executions,
        launch,
        world,
        told,
        policy=policy,
        notify_recovered=notify_recovered,
        style=style,
        recover_errors=recover_errors,
        entrance=entrance,
        crowd=crowd,
    )
    timeline.run()
    (execution,) = executions.by_name.values()
    if execution.error:
        raise execution.error
    # Whatever it reads and does is this launch's; the call identity alone may be another's failed task's or a run's.
    assert all(replace(asked, call_id=launch.call_id) == launch for asked in world.asked_for)
    return Run(execution.result, told, execution, world)


def start(
    executions: VirtualExecutions,
    launch: FailedLaunch,
    world: AwsPort,
    told: list[Told],
    *,
    name: str = "recovery",
    **options: Any,
) -> bool:
    """Start a recovery as intake would: by name, with the launch as its payload; options as ``recovering`` has."""
    payload = wire.canonical(wire.launch_to_json(launch))
    return executions.start(name, payload, recovering(launch, world, told, **options))


def recovering(  # noqa: PLR0913 - likewise
    launch: FailedLaunch,
    world: AwsPort,
    told: list[Told],
    *,
    policy: Policy = PLAIN,
    notify_recovered: bool = False,
    style: Style = IN_ENGLISH,
    recover_errors: bool = False,
    entrance: Entrance | None = None,
    crowd: CrowdPort = NO_CROWD,
) -> Callable[[Any, Any, Callable[[], bool]], Ending]:
    """Return the function of a durable execution that recovers a launch."""

    def body(step: Any, wait: Any, is_replaying: Callable[[], bool]) -> Ending:
        def tell(event: LogEvent, /, **fields: Any) -> None:
            told.append((event.value, fields))

        return recover(
            launch,
            Tools(
                policy=policy,
                aws=world,
                step=step,
                wait=wait,
                tell=tell,
                is_replaying=is_replaying,
                notify_recovered=notify_recovered,
                style=style,
                recover_errors=recover_errors,
                entrance=entrance,
                crowd=crowd,
            ),
        )

    return body
