"""Durable executions under virtual time: hours pass in milliseconds, and crashes happen on demand.

The engine behaves as Lambda's does where a recovery can tell the difference: finished steps and waits are remembered,
everything else is run again from the top, and a name is started once.
https://docs.aws.amazon.com/lambda/latest/dg/durable-functions.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.recovery.ports import Action
    from retry_run_task.simulate.virtual import Run, Timeline


class CutPoint(StrEnum):
    """Where in a step an execution can be cut off."""

    BEFORE = "before the action"
    AFTER = "after the action, before its result is recorded"
    RECORDED = "after the result is recorded"


class CutOff(BaseException):
    """Raised into an execution whose process dies; it is no error of the code that it passes through."""


class _Suspended(BaseException):
    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(slots=True)
class VirtualExecution:
    """One durable execution.

    Attributes:
        operations: Names and results of finished operations: a dictionary for a step, seconds for a wait.
        begun: Index of the operation whose step was started last; -1 before the first.
        repeats: Number of repeated steps, each of which is an operation.
        invocations: Invocations of its function.
        result: Its return value; None while it runs.
        error: The exception that it raised; None if none.
    """

    name: str
    payload: str
    run: Run
    operations: list[tuple[str, JsonObject | int]] = field(default_factory=list)
    begun: int = -1
    repeats: int = 0
    invocations: int = 0
    result: Any = None
    error: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has returned or raised."""
        return self.result is not None or self.error is not None


class VirtualExecutions:
    """Runs durable executions on a timeline.

    Args:
        timeline: Where waits take their time.
        cut_off: Called at every point of every step, with the execution, the operation's name and the point; True lets
            the process die there. The function is invoked again after ``restart_s``.
        restart_s: Seconds until Lambda invokes a function again after its process died.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        cut_off: Callable[[VirtualExecution, str, CutPoint], bool] = lambda *_: False,
        restart_s: float = 1.0,
    ) -> None:
        self.timeline = timeline
        self.by_name: dict[str, VirtualExecution] = {}
        self._cut_off = cut_off
        self._restart_s = restart_s

    def start(self, name: str, payload: str, run: Run) -> bool:
        """Start an execution; return False, and do nothing, if the name has been started before."""
        if name in self.by_name:
            return False
        execution = self.by_name[name] = VirtualExecution(name=name, payload=payload, run=run)
        self.timeline.after(0, lambda: self._invoke(execution))
        return True

    def _invoke(self, execution: VirtualExecution) -> None:
        execution.invocations += 1
        position = 0

        def is_replaying() -> bool:
            return position < len(execution.operations)

        def step(name: str, action: Action) -> JsonObject:
            nonlocal position
            if not is_replaying():
                # Its start is recorded before the action, so that a repeated step knows that it may have been done.
                again = execution.begun == position
                execution.begun = position
                execution.repeats += again
                self._maybe_die(execution, name, CutPoint.BEFORE)
                # A checkpoint is JSON text: what cannot be written or read back must fail here too.
                result = json.loads(json.dumps(action(again), allow_nan=False))
                self._maybe_die(execution, name, CutPoint.AFTER)
                execution.operations.append((name, result))
                self._maybe_die(execution, name, CutPoint.RECORDED)
            remembered = _remembered(execution, position, name)
            position += 1
            assert isinstance(remembered, dict)
            return remembered

        def wait(name: str, seconds: int) -> None:
            nonlocal position
            if not is_replaying():
                if seconds < 1:
                    raise ValueError(f"a wait is at least one second, not {seconds}")
                execution.operations.append((name, seconds))
                raise _Suspended(seconds)
            _remembered(execution, position, name)
            position += 1

        try:
            execution.result = execution.run(step, wait, is_replaying)
        except _Suspended as suspended:
            self.timeline.after(suspended.seconds, lambda: self._invoke(execution))
        except CutOff:
            self.timeline.after(self._restart_s, lambda: self._invoke(execution))
        except Exception as error:  # noqa: BLE001 - as Lambda does: the execution has failed
            execution.error = error

    def _maybe_die(self, execution: VirtualExecution, name: str, moment: CutPoint) -> None:
        if self._cut_off(execution, name, moment):
            raise CutOff


def _remembered(execution: VirtualExecution, position: int, name: str) -> JsonObject | int:
    remembered, result = execution.operations[position]
    if remembered != name:
        # Lambda fails the execution: NonDeterministicExecutionError.
        raise RuntimeError(f"operation {position} was {remembered!r} before and is {name!r} now")
    return result
