"""What a durable step or wait returned: what was seen, never what was concluded from it.

A checkpoint keeps them as JSON. ``from_result`` parses it, both when a recovery is resumed and when Lambda's history
of it is read, so both get the same events. A step that looked and called::

    {"now": 1795478403.2, "again": true, "tasks": [{"arn": "...", "phase": "starting", ...}],
     "crowd": 214, "room": "as-asked",
     "calls": [{"answer": "placed", "task_arns": [], "failures": [...], "conflict": false, "rung": "as-asked"}]}

A step that watched has only ``tasks``; one that stopped tasks has ``stopped`` as well; one that sent an early message
has ``told``. If tasks could not be seen, ``read_failure`` replaces ``tasks`` and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retry_run_task.launch import wire
from retry_run_task.launch.values import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import Answer, JsonObject, TaskState


@dataclass(frozen=True, slots=True)
class Looked:
    """Which tasks exist.

    Attributes:
        now: The time, in seconds since 1970.
        read_failure: Why they could not be seen; None if they could.
        again: Whether the step was cut off before, so that RunTask may have been called already.
        earlier: ARNs of tasks of the schedule's earlier runs that are still going, if they were looked for.
        earlier_read_failure: Why those could not be seen; None if they could, or were not looked for.
        crowd: How many recoveries were in progress; None if that could not be counted.
        room: Name of the rung on which another recovery had just placed a task; empty if none was known.
    """

    now: float
    tasks: tuple[TaskState, ...] = ()
    read_failure: Failure | None = None
    again: bool = False
    earlier: tuple[str, ...] = ()
    earlier_read_failure: Failure | None = None
    crowd: int | None = None
    room: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What RunTask answered."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Watched:
    """The states of the placed tasks; ``read_failure`` says why they could not be seen."""

    tasks: tuple[TaskState, ...] = ()
    read_failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Waited:
    """Time that has passed, in whole seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Told:
    """An early message was sent; ``error`` says why the topic did not take it, and is empty if it did."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A step tried to stop tasks that hung.

    Attributes:
        stopped: ARNs of those that were stopped, or may have been: the answer was lost.
        read_failure: Why they could not be seen, so that none was stopped; None if they could.
        again: Whether the step was cut off before, so that any of them may have been stopped.
    """

    tasks: tuple[TaskState, ...] = ()
    stopped: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    read_failure: Failure | None = None
    again: bool = False


Event = Looked | Answered | Watched | Waited | Told | Stopped


def seen_to_json(seen: tuple[TaskState, ...] | Failure) -> JsonObject:
    """Return the checkpoint form of what a look saw, or of why it saw nothing."""
    if isinstance(seen, Failure):
        return {"read_failure": wire.failures_to_json([seen])}
    return {"tasks": wire.states_to_json(seen)}


def earlier_to_json(earlier: tuple[str, ...] | Failure) -> JsonObject:
    """Return the checkpoint form of which earlier runs are still going, or of why that was not seen."""
    if isinstance(earlier, Failure):
        return {"earlier_read_failure": wire.failures_to_json([earlier])}
    return {"earlier": list(earlier)}


def crowd_to_json(size: int | None, room: str = "") -> JsonObject:
    """Return the checkpoint form of what is known about other recoveries."""
    return {**({} if size is None else {"crowd": size}), **({"room": room} if room else {})}


def from_result(result: Mapping[str, Any]) -> list[Event]:
    """Return the events of a step, from its result."""
    if "told" in result:
        return [Told(error=result["told"] or "")]
    tasks = wire.states_from_json(result.get("tasks", ()))
    read_failure = next(iter(wire.failures_from_json(result.get("read_failure", ()))), None)
    if "stopped" in result:
        failures = wire.failures_from_json(result.get("failures", ()))
        again = result.get("again", False)
        return [
            Stopped(
                tasks=tasks,
                stopped=tuple(result["stopped"]),
                failures=failures,
                read_failure=read_failure,
                again=again,
            )
        ]
    if "now" not in result:
        return [Watched(tasks=tasks, read_failure=read_failure)]
    looked = Looked(
        now=result["now"],
        tasks=tasks,
        read_failure=read_failure,
        again=result.get("again", False),
        earlier=tuple(result.get("earlier", ())),
        earlier_read_failure=next(
            iter(wire.failures_from_json(result.get("earlier_read_failure", ()))), None
        ),
        crowd=result.get("crowd"),
        room=result.get("room", ""),
    )
    return [looked, *(Answered(wire.answer_from_json(answer)) for answer in result.get("calls", ()))]
