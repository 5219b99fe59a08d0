"""The interfaces of a recovery: durable steps, waits, and what it can do and see in AWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from retry_run_task.launch.schedule import NO_TAGS, Tags
from retry_run_task.messages.message import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retry_run_task.launch.schedule import NoMatch
    from retry_run_task.launch.values import (
        Answer,
        FailedLaunch,
        Failure,
        JsonObject,
        Lost,
        Refused,
        Request,
        TaskState,
    )
    from retry_run_task.messages.message import Message
    from retry_run_task.policy.decision import GiveUp
    from retry_run_task.policy.rules import Policy
    from retry_run_task.recovery.lines import Line, LogEvent

Action = Callable[[bool], "JsonObject"]
"""What a step does; the argument is whether a process that died may have done it already. Returns JSON."""

Step = Callable[[str, Action], "JsonObject"]
"""Runs an action once and records its result under the name; an action that was cut off is run again."""

Wait = Callable[[str, int], None]
"""Waits a number of whole seconds, at least 1, without cost."""


class Tell(Protocol):
    """Writes a line to the log; called once for each event, and not on replay."""

    def __call__(self, event: LogEvent, /, **fields: Any) -> None:
        """Write the line. The fields are JSON, and hold no secret."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What is known about the rule or schedule that made a call. Names and times, never values.

    Attributes:
        due: When the failed run was due, in seconds since 1970; None if that is unknown.
        next_due: When the next run is due, in seconds since 1970; None if there is none, or it is not known.
        event_age_s: How long EventBridge retries a call that raised an error, in seconds.
        is_scheduled: Whether it runs by the clock. A rule on events has a run for each event, and the task of
            another event does not do the work of this one.
        visible: The request parameters that the ladder needs, if the record does not show them (``ladder.visible``).
    """

    name: str
    arn: str
    next_due: float | None
    event_age_s: int
    due: float | None = None
    is_scheduled: bool = True
    tags: Tags = NO_TAGS
    visible: Mapping[str, Any] = field(default_factory=dict)


class AwsPort(Protocol):
    """AWS as a recovery sees it. Every call is made inside a step, and none raises for an error from AWS."""

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        ...

    def find_schedule(self, launch: FailedLaunch) -> Background | NoMatch | Failure:
        """Return what made the call, ``NoMatch`` if it cannot be identified, or why it could not be read just now."""
        ...

    def look(
        self, launch: FailedLaunch, *, original: bool, failed_others: tuple[str, ...], whole: bool
    ) -> tuple[TaskState, ...] | Failure:
        """Return the tasks started for a launch, including those that failed to start; or why none can be seen.

        Tasks with the ``startedBy`` of the launch's own recovery are always looked for; with ``original`` those of the
        original caller too, with ``failed_others`` those of the recoveries of other callers' tasks that failed to
        start, and with ``whole`` stopped tasks.
        """
        ...

    def earlier(self, launch: FailedLaunch) -> tuple[str, ...] | Failure:
        """Return the ARNs of tasks of the schedule's earlier runs that are still going; or why none can be seen."""
        ...

    def complete(self, launch: FailedLaunch) -> Request | NoMatch | Failure:
        """Return the request with the values that CloudTrail redacted. Secrets among them must not leave the step."""
        ...

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        """Call RunTask with this body in the launch's account and Region."""
        ...

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | Failure:
        """Return the states of the tasks that ECS knows; or why they cannot be seen."""
        ...

    def stop(self, launch: FailedLaunch, arn: str, *, why: str) -> Refused | Lost | None:
        """Call StopTask for a task of this recovery. Returns None if ECS has accepted it, else what went wrong."""
        ...

    def notify(self, message: Message) -> str | None:
        """Publish a message to the topic. Returns None if it was accepted, else what went wrong."""
        ...


class CrowdPort(Protocol):
    """The other recoveries, as this process knows them. Asked inside a step, and nothing here raises."""

    def size(self) -> int | None:
        """Return how many recoveries are in progress, including this one; None if that is not known."""
        ...

    def room(self) -> str:
        """Return the name of the rung on which a recovery has just placed a task; empty if none is known."""
        ...

    def placed(self, rung: str) -> None:
        """Remember that a task was just placed on this rung."""
        ...


class NoCrowd:
    """Knows nothing about other recoveries."""

    def size(self) -> int | None:
        """Return that it is not known."""
        return None

    def room(self) -> str:
        """Return that none is known."""
        return ""

    def placed(self, rung: str) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Access to a launch's account, if that is not the stack's own.

    ``enter`` assumes the role, inside a step, and returns why it cannot; None if it can.
    """

    role_arn: str
    enter: Callable[[], Failure | None]


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Everything a recovery needs from outside.

    Attributes:
        tell: Writes the log; None for no log.
        is_replaying: Whether the last operation is a replay of an earlier invocation; then nothing is logged.
        notify_recovered: Whether a success also sends a message.
        quiet_s: How soon a run has to be overtaken for its message to be left to the daily audit, in seconds.
        recover_errors: Whether calls that raised an error are retried, once EventBridge cannot be retrying them.
        entrance: Access to the launch's account; None for the stack's own.
        fatal: Exceptions of the durable engine, which must reach it.
        refusal: Why nothing can be recovered at all, such as a policy that cannot be read; None if it can.
    """

    policy: Policy
    aws: AwsPort
    step: Step
    wait: Wait
    crowd: CrowdPort = NoCrowd()  # noqa: RUF009 - it has no state
    tell: Tell | None = None
    is_replaying: Callable[[], bool] = _never
    notify_recovered: bool = False
    quiet_s: float = 0.0
    recover_errors: bool = False
    entrance: Entrance | None = None
    style: Style = Style()  # noqa: RUF009 - frozen
    fatal: tuple[type[Exception], ...] = ()
    refusal: GiveUp | None = None

    def log(self, lines: Iterable[Line]) -> None:
        """Write lines to the log, unless this is a replay. Lines that are not written are not made, if made lazily."""
        if self.tell is not None and not self.is_replaying():
            for event, fields in lines:
                self.tell(event, **fields)
