"""Worlds for recoveries to run in: one whose answers are written down, for tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from retry_run_task.core import recovery, wire
from retry_run_task.core.messages import Ending, Message
from retry_run_task.core.policy import DEFAULT, Policy
from retry_run_task.core.values import Answer, FailedLaunch, JsonObject
from retry_run_task.simulate.virtual import Execution, Executions, Timeline

Told = tuple[str, dict[str, Any]]


@dataclass
class ScriptedWorld:
    """Gives the answers of a script, one a call; the last one again and again.

    Attributes:
        script: The answers.
        bodies: What RunTask was called with, and when.
        messages: What a person was told.
        notify_errors: What goes wrong with the next messages.
    """

    timeline: Timeline
    script: Sequence[Answer] = ()
    notify_errors: list[str] = field(default_factory=list)
    bodies: list[JsonObject] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def now(self) -> float:
        return self.timeline.now

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        self.bodies.append(body)
        self.times.append(self.timeline.now)
        return self.script[min(len(self.bodies), len(self.script)) - 1]

    def notify(self, message: Message) -> str | None:
        if self.notify_errors:
            return self.notify_errors.pop(0)
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
    execution: Execution
    world: ScriptedWorld

    @property
    def tokens(self) -> list[str]:
        return [body["clientToken"] for body in self.world.bodies]

    @property
    def waits(self) -> list[int]:
        return [result for name, result in self.execution.operations if name.startswith("wait-")]


def run(
    launch: FailedLaunch,
    *script: Answer,
    policy: Policy = DEFAULT,
    late_s: float = 300,
    notify_recovered: bool = False,
    notify_errors: Sequence[str] = (),
    cut_off: Callable[..., bool] = lambda *_: False,
    restart_s: float = 1,
) -> Run:
    """Recover a launch under virtual time, beginning ``late_s`` seconds after it failed."""
    timeline = Timeline(launch.event_time.timestamp() + late_s)
    world = ScriptedWorld(timeline, script, list(notify_errors))
    told: list[Told] = []
    executions = Executions(timeline, cut_off=cut_off, restart_s=restart_s)
    start(executions, launch, world, told, policy=policy, notify_recovered=notify_recovered)
    timeline.run()
    (execution,) = executions.by_name.values()
    if execution.error:
        raise execution.error
    return Run(execution.result, told, execution, world)


def start(
    executions: Executions,
    launch: FailedLaunch,
    world: recovery.World,
    told: list[Told],
    *,
    name: str = "recovery",
    policy: Policy = DEFAULT,
    notify_recovered: bool = False,
) -> bool:
    """Start a recovery as intake would: by name, with the launch as its payload."""
    payload = wire.canonical(wire.launch_to_json(launch))

    def body(step: Any, wait: Any, is_replaying: Callable[[], bool]) -> Ending:
        def tell(event: recovery.Event, /, **fields: Any) -> None:
            if not is_replaying():
                told.append((event.value, fields))

        return recovery.recover(
            launch, policy, world, step=step, wait=wait, tell=tell, notify_recovered=notify_recovered
        )

    return executions.start(name, payload, body)
