"""AWS, as a recovery sees it. Nothing here raises for an error of AWS, and nothing keeps what it read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from retry_run_task.aws import ecs, schedules, tags, tasks, topic
from retry_run_task.aws.faults import attempt, sentence
from retry_run_task.launch import names
from retry_run_task.launch.schedule import (
    EVERYTHING_ELSE,
    STARTED_BY_PREFIXES,
    CannotFillError,
    NoMatch,
    Tags,
    complete,
    is_role_used,
    match,
    variable_names,
)
from retry_run_task.launch.values import Failure, IncompleteRequest, Phase, Refused
from retry_run_task.policy import ladder
from retry_run_task.recovery.ports import Background
from retry_run_task.sources.schedules import next_due, previous_due

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.aws import members
    from retry_run_task.aws.rate_limiter import RateLimiter
    from retry_run_task.launch.schedule import Schedule
    from retry_run_task.launch.values import Answer, FailedLaunch, JsonObject, Lost, Request, TaskState
    from retry_run_task.messages.message import Message


class LiveReads:
    """What a recovery reads of AWS, with a role in the launch's account; None for the function's own."""

    def __init__(self, role: members.Actor | None = None, reads: RateLimiter | None = None) -> None:
        self._role = role
        self._reads = reads

    def find_schedule(self, launch: FailedLaunch) -> Background | NoMatch | Failure:
        """Return what made the call, if it can be identified; or why that cannot be read."""
        return attempt(lambda: self._find_schedule(launch))

    def _find_schedule(self, launch: FailedLaunch) -> Background | NoMatch | Failure:
        found = _match(launch, self._role)
        known = None if isinstance(found, NoMatch) else found
        told = tags.of(launch, known, self._role)
        if isinstance(told, Failure):
            return told
        if isinstance(found, NoMatch):
            return replace(found, tags=told)
        due, before = next_due(found, launch.due_by), previous_due(found, launch.due_by)
        return Background(
            name=found.name,
            arn=found.arn,
            due=before.timestamp() if before else None,
            next_due=due.timestamp() if due else None,
            event_age_s=found.event_age_s,
            is_scheduled=found.expression is not None,
            tags=told,
            visible=_visible(launch, found),
        )

    def look(
        self, launch: FailedLaunch, *, original: bool, failed_others: tuple[str, ...] = (), whole: bool = True
    ) -> tuple[TaskState, ...] | Failure:
        """Return tasks that do the launch's work, or failed to start for it; or why they cannot be seen."""
        return attempt(
            lambda: tasks.already_there(
                self._reader(launch),
                launch,
                original=original,
                failed_others=failed_others,
                whole=whole,
            )
        )

    def earlier(self, launch: FailedLaunch) -> tuple[str, ...] | Failure:
        """Return the tasks of earlier runs that are still going; or why they cannot be seen."""
        return attempt(lambda: tasks.earlier(self._reader(launch), launch))

    def _reader(self, launch: FailedLaunch) -> Any:
        client = ecs.client(launch.region, self._role)
        return client if self._reads is None else tasks.PacedReads(client, self._reads)

    def complete(self, launch: FailedLaunch) -> Request | NoMatch | Failure:
        """Return the request with the redacted values, read from the schedule as it is now; or why it cannot be."""
        return attempt(lambda: self._complete(launch))

    def _complete(self, launch: FailedLaunch) -> Request | NoMatch:
        found = _match(launch, self._role)
        if isinstance(found, NoMatch):
            return found
        try:
            return complete(launch, found, scheduled_time=previous_due(found, launch.due_by))
        except CannotFillError as error:
            return NoMatch(why=f"{error} (schedule {found.name})")

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | Failure:
        """Return the states of tasks, those that ECS knows; or why they cannot be seen."""
        return attempt(lambda: tasks.states(self._reader(launch), launch, arns))


class LiveAwsPort(LiveReads):
    """AWS. An empty ``topic_arn`` sends no message; ``role`` and ``reads`` are as of ``LiveReads``."""

    def __init__(
        self,
        topic_arn: str,
        clock: Callable[[], float],
        limiter: RateLimiter,
        role: members.Actor | None = None,
        reads: RateLimiter | None = None,
    ) -> None:
        super().__init__(role, reads)
        self._topic_arn = topic_arn
        self._clock = clock
        self._limiter = limiter

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        return self._clock()

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        """Call RunTask with this body in the launch's account and Region."""
        client = attempt(lambda: ecs.client(launch.region, self._role))
        if isinstance(client, Failure):
            return Refused(failure=client)
        return ecs.run_task(client, body, self._limiter)

    def stop(self, launch: FailedLaunch, arn: str, *, why: str) -> Refused | Lost | None:
        """Call StopTask for a task of this recovery."""
        client = attempt(lambda: ecs.client(launch.region, self._role))
        if isinstance(client, Failure):
            return Refused(failure=client)
        return ecs.stop_task(client, launch.request.parameters.get("cluster"), arn, why)

    def notify(self, message: Message) -> str | None:
        """Publish a message. Returns None if it was accepted, else what went wrong."""
        return topic.publish(self._topic_arn, message) if self._topic_arn else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a recovery would find in the account now. Names and times, never values.

    Attributes:
        why: How it was found, or why it was not.
        variables: Names of the variables that its overrides set, as ``container.NAME``.
        refused: Why the request cannot be completed; empty if it can, or is complete.
        looked_for: The ``startedBy`` of tasks that would already do the work.
        existing_tasks: Their ARNs.
    """

    found: Background | NoMatch
    why: str
    variables: tuple[str, ...] = ()
    refused: str = ""
    looked_for: tuple[str, ...] = ()
    existing_tasks: tuple[str, ...] = ()
    read_failure: str = ""

    @property
    def schedule(self) -> Background | None:
        """What made the call; None if it could not be identified."""
        return self.found if isinstance(self.found, Background) else None


def survey(launch: FailedLaunch, role: members.Actor | None = None) -> Survey:
    """Read everything that a recovery would read, and change nothing. ``role`` None is the caller's own."""
    reads = LiveReads(role)
    found = (
        attempt(lambda: _match(launch, role))
        if launch.caller.kind in STARTED_BY_PREFIXES
        else NoMatch(why="no rule or schedule made this call")
    )
    if isinstance(found, Failure):
        found = NoMatch(why=f"the rules and schedules cannot be read: {sentence(found)}")
    has_one_run = not isinstance(found, NoMatch) and found.expression is not None
    seen = reads.look(launch, original=has_one_run)
    original = launch.request.parameters.get("startedBy") if has_one_run else None
    looked: dict[str, Any] = {
        "looked_for": (*([original] if original else []), names.own_started_by(launch)),
        "existing_tasks": ()
        if isinstance(seen, Failure)
        else tuple(t.arn for t in seen if t.phase is not Phase.FAILED),
        "read_failure": sentence(seen) if isinstance(seen, Failure) else "",
    }
    if isinstance(found, NoMatch):
        refused = found.why if isinstance(launch.request, IncompleteRequest) else ""
        told = tags.of(launch, None, role)
        if isinstance(told, Failure):
            told = Tags(unread=(sentence(told),))
        return Survey(found=replace(found, tags=told), why=found.why, refused=refused, **looked)
    background = reads.find_schedule(launch)
    whole = reads.complete(launch) if isinstance(launch.request, IncompleteRequest) else None
    return Survey(
        found=background if isinstance(background, Background) else NoMatch(why="it cannot be read again"),
        why="its role, cluster, task definition and the beginning of its name are the call's, and no other's are",
        variables=tuple(variable_names(found)),
        refused=_why_not(whole),
        **looked,
    )


def _why_not(whole: Request | NoMatch | Failure | None) -> str:
    if isinstance(whole, Failure):
        return f"the schedule cannot be read: {sentence(whole)}"
    return whole.why if isinstance(whole, NoMatch) else ""


def _match(launch: FailedLaunch, role: members.Actor | None) -> Schedule | NoMatch:
    """Return what made a call. Raises whatever reading the rules or schedules raises."""
    try:
        found = schedules.candidates(launch, role)
    except schedules.TooManyError as error:
        return NoMatch(why=str(error), is_role_used=is_role_used(launch.caller, error.schedules))
    return match(launch, found.schedules, found.unread)


def _visible(launch: FailedLaunch, schedule: Schedule) -> JsonObject:
    """Return the parameters that a ladder needs, from the schedule, if AWS recorded none of the request."""
    request = launch.request
    is_recorded = not isinstance(request, IncompleteRequest) or EVERYTHING_ELSE not in request.missing
    return {} if is_recorded else ladder.visible(schedule.request)
