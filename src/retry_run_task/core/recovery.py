"""The recovery of one failed launch: RunTask, look at the answer, wait, RunTask again, until it is over.

This is a plain function of ``step`` and ``wait``. It imports no SDK and never reads the time, so that the same
lines run in Lambda as a durable execution, under virtual time in the simulator, and in the tests.

It may be stopped between any two lines and run again from the top. Then every finished step gives the result
it gave before, and every finished wait passes at once; so nothing here may depend on anything but the launch,
the policy and those results. A step that was cut off is run again: RunTask carries the attempt's client token,
and ECS answers a token that it has seen with the first outcome.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from retry_run_task.core import identity, request, wire
from retry_run_task.core.classification import classify, worst
from retry_run_task.core.decision import GiveUp, Retry, decide, open_with, past_deadline
from retry_run_task.core.messages import Ending, Style, message
from retry_run_task.core.schedules import SPOT_INTERRUPTION, NoMatch
from retry_run_task.core.values import (
    CallerKind,
    Category,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    JsonObject,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    Request,
    Unbuildable,
)

if TYPE_CHECKING:
    from retry_run_task.core.messages import Message
    from retry_run_task.core.policy import Policy
    from retry_run_task.core.values import Answer, TaskState, Verdict

# A message that could not be sent is tried again: 1, 2, 4, ... minutes apart, about an hour in all.
_NOTIFY_TRIES = 7
_NOTIFY_FIRST_WAIT_S = 60

# A task on Fargate takes about half a minute to run; then looking every minute is often enough.
_WATCH_FIRST_WAIT_S = 15
_WATCH_LONGEST_WAIT_S = 60

_NO_ANSWER = Failure(origin=Origin.ANSWER, reason="")

# ECS keeps a client token for an hour after the last of its tasks has stopped, and so for an hour at the least.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
_TOKEN_LIFE_S = 3600

_SCHEDULED = frozenset({CallerKind.RULE, CallerKind.SCHEDULER})


class Event(StrEnum):
    """What a recovery tells about itself, in logs and in the demo's timeline."""

    BEGAN = "recovery.began"
    MATCHED = "recovery.matched"
    HELD = "recovery.held"
    BLIND = "recovery.blind"
    ATTEMPTED = "recovery.attempted"
    WAITING = "recovery.waiting"
    START_FAILED = "recovery.start_failed"
    RECOVERED = "recovery.recovered"
    ALREADY_RUNNING = "recovery.already_running"
    GAVE_UP = "recovery.gave_up"
    NOT_NOTIFIED = "recovery.not_notified"


Step = Callable[[str, Callable[[], JsonObject]], JsonObject]
"""Runs an action once and remembers its JSON result under the name; a cut-off action is run again."""

Wait = Callable[[str, int], None]
"""Waits a number of whole seconds, at least 1, without cost."""


class Tell(Protocol):
    """Tells the log. Called once for each event, not again when the recovery is resumed."""

    def __call__(self, event: Event, /, **fields: Any) -> None:
        """Tell that something happened; the fields are JSON, and free of secrets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What is known of the rule or schedule behind a launch. Names and times, never values.

    Attributes:
        name: Its name.
        arn: Its ARN.
        next_due: When its next run is due, in seconds since 1970; None if there is none, or it is not known.
        event_age_s: For how long EventBridge repeats a call that raised an error, in seconds.
        is_scheduled: Whether it runs by the clock. A rule on events has a run for each event, and another event's
            task does not do the work of this one's.
    """

    name: str
    arn: str
    next_due: float | None
    event_age_s: int
    is_scheduled: bool = True


class World(Protocol):
    """What a recovery can do and see. Every call is made inside a step, and none raises for what AWS says."""

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        ...

    def find_schedule(self, launch: FailedLaunch) -> Background | NoMatch:
        """Return what made the call, if that is certain."""
        ...

    def look(self, launch: FailedLaunch, *, original: bool, ours: bool) -> tuple[TaskState, ...] | str:
        """Return tasks that already do what the launch asked for, starting or running; or why that cannot be seen.

        Args:
            launch: What failed.
            original: Whether to look for tasks with the mark of whoever made the call.
            ours: Whether to look for tasks with this launch's own mark.
        """
        ...

    def complete(self, launch: FailedLaunch) -> Request | NoMatch:
        """Return the request with what CloudTrail hid. It may hold secrets, and must not leave the step."""
        ...

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        """Call RunTask with this body in the launch's Region."""
        ...

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | str:
        """Return how tasks are, those that ECS knows; or why that cannot be seen."""
        ...

    def notify(self, message: Message) -> str | None:
        """Send a message to a person. Returns None if it was taken, else what went wrong."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a recovery works with.

    Attributes:
        policy: The rules.
        world: What can be done and seen; used inside steps only.
        step: How an action is made durable.
        wait: How time passes.
        tell: Where the log is written.
        notify_recovered: Whether a person is also told when all is well.
        recover_errors: Whether calls that raised an error are made again, once nobody else can be doing it.
        style: How a message is written.
    """

    policy: Policy
    world: World
    step: Step
    wait: Wait
    tell: Tell
    notify_recovered: bool = False
    recover_errors: bool = False
    style: Style = Style()  # noqa: RUF009 - frozen


@dataclass(slots=True)
class _Progress:
    """Where a recovery is. Rebuilt from the results of its steps each time it is resumed.

    Attributes:
        wanted: How many tasks were missing when it began.
        attempt: Number of the attempt that comes next; the first is 1.
        repeat: How often this attempt has been made already without an answer.
        turn: How often the loop has looked; numbers its steps.
        calls: RunTask calls made.
        task_arns: Tasks that do the job now, as far as known.
        adopted: Those of them that no recovery started.
        running: Those of them that were seen running.
        waited_s: Sum of the waits.
        elapsed_s: Seconds since the failed call.
        next_due_s: Seconds from the failed call to the schedule's next run; None if not known.
        has_one_run: Whether it is certain that tasks with the caller's mark do this launch's work: one schedule,
            found for certain, that runs by the clock.
        first_look: When the recovery began, in seconds since 1970; None before it has looked.
        seen: How many failures of each category there have been.
        last: The failure that decided last.
        is_unsure: Whether the attempt under way may have started tasks that nobody has seen.
        unsure_since_s: Seconds from the failed call to the try that made it so.
    """

    wanted: int
    attempt: int = 1
    repeat: int = 0
    turn: int = 0
    calls: int = 0
    task_arns: tuple[str, ...] = ()
    adopted: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    waited_s: int = 0
    elapsed_s: float = 0.0
    next_due_s: float | None = None
    has_one_run: bool = False
    first_look: float | None = None
    seen: Counter[Category] = field(default_factory=Counter)
    last: Verdict | None = None
    is_unsure: bool = False
    unsure_since_s: float = 0.0

    @property
    def label(self) -> str:
        return f"{self.attempt}-repeat-{self.repeat}" if self.repeat else str(self.attempt)

    @property
    def missing(self) -> int:
        """How many tasks are still not there."""
        return self.wanted - len(self.task_arns)


def recover(launch: FailedLaunch, tools: Tools) -> Ending:
    """Make the failed call again until every task runs, or until it is certain that it cannot help.

    Returns:
        How it ended. A person has been told of every end that is not well, and of the others if asked for.
    """
    progress = _Progress(wanted=request.asked(launch.request) - len(launch.placed))
    progress.last = worst([classify(f) for f in launch.failures])
    tools.tell(
        Event.BEGAN,
        category=progress.last.category.value,
        row=progress.last.row,
        reason=progress.last.failure.reason,
    )
    ending = _run(launch, progress, tools)
    events = {Outcome.RECOVERED: Event.RECOVERED, Outcome.ALREADY_RUNNING: Event.ALREADY_RUNNING}
    tools.tell(
        events.get(ending.outcome, Event.GAVE_UP),
        outcome=ending.outcome.value,
        why=ending.why,
        attempts=ending.calls,
        task_arns=list(ending.task_arns),
        elapsed_s=round(ending.elapsed_s),
        rule=ending.rule,
        category=ending.last.category.value if ending.last else None,
    )
    if tools.notify_recovered or not ending.is_well:
        _notify(message(launch, ending, tools.style), tools)
    return ending


def _run(launch: FailedLaunch, progress: _Progress, tools: Tools) -> Ending:
    admitted = admit(launch, tools.policy, recover_errors=tools.recover_errors)
    if isinstance(admitted, GiveUp):
        return _ending(progress, admitted)
    background = _find_schedule(launch, tools)
    refused = _prepare(launch, admitted, background, progress, tools)
    if refused is not None:
        return _ending(progress, refused)

    while True:
        progress.turn += 1
        late = _look(launch, progress, tools)
        if late is not None:
            return _ending(progress, late)
        failures: tuple[Failure, ...] = ()
        if progress.missing > 0:
            answer = _attempt(launch, admitted, progress, tools)
            if isinstance(answer, Unbuildable):
                return _ending(progress, _incomplete(answer.why))
            failures = _failures(answer, progress)
        if progress.missing <= 0:
            failures = _watch(launch, progress, tools)
            if not failures:
                return _done(progress)
        end = _next(launch, failures, progress, tools)
        if end is not None:
            return _ending(progress, end)


def admit(
    launch: FailedLaunch, policy: Policy, *, recover_errors: bool = False
) -> Request | IncompleteRequest | GiveUp:
    """Return the request if it may be made again at all, else the end of the recovery."""
    verdict = worst([classify(f) for f in launch.failures])
    # A task that Spot took away has mostly run, which the table rightly calls no launch that failed. Intake lets
    # such a one through only if a person asked for it.
    is_spot = verdict.failure.code == SPOT_INTERRUPTION
    permanent = None if is_spot else open_with(policy, verdict)
    if permanent is not None:
        return permanent
    if verdict.failure.origin is Origin.ERROR and not recover_errors:
        return GiveUp(
            outcome=Outcome.PERMANENT,
            rule="errors",
            why="RunTask raised an error, which the caller has seen and may be retrying itself",
            hint=verdict.hint,
        )
    if isinstance(launch.request, IncompleteRequest) and (
        launch.caller.kind not in _SCHEDULED or not launch.request.parameters
    ):
        return _incomplete(f"AWS has not recorded all of the request: {', '.join(launch.request.missing)}")
    return launch.request


def _incomplete(why: str) -> GiveUp:
    return GiveUp(
        outcome=Outcome.REFUSED,
        rule="whole-requests-only",
        why=f"{why}; a task that runs with parts of its configuration missing does more harm "
        "than one that does not run",
        hint="Start the run by hand, with the values that the schedule has.",
    )


def _find_schedule(launch: FailedLaunch, tools: Tools) -> Background | NoMatch:
    """Find out once what made the call, and remember its name and times."""
    if launch.caller.kind not in _SCHEDULED:
        return NoMatch(why="neither a rule nor a schedule made this call")
    found = tools.step("find-schedule", lambda: _background_to_json(tools.world.find_schedule(launch)))
    if "why" in found:
        background: Background | NoMatch = NoMatch(why=found["why"])
        tools.tell(Event.MATCHED, schedule=None, why=found["why"])
    else:
        background = Background(**found)
        tools.tell(Event.MATCHED, schedule=background.name, next_due=background.next_due)
    return background


def _background_to_json(found: Background | NoMatch) -> JsonObject:
    if isinstance(found, NoMatch):
        return {"why": found.why}
    return {
        "name": found.name,
        "arn": found.arn,
        "next_due": found.next_due,
        "event_age_s": found.event_age_s,
        "is_scheduled": found.is_scheduled,
    }


def _prepare(
    launch: FailedLaunch,
    admitted: Request | IncompleteRequest,
    background: Background | NoMatch,
    progress: _Progress,
    tools: Tools,
) -> GiveUp | None:
    """Set what the schedule says, and hold back while EventBridge itself may still make the call again."""
    if isinstance(background, NoMatch):
        if isinstance(admitted, IncompleteRequest):
            missing = ", ".join(admitted.missing)
            return _incomplete(f"AWS has not recorded all of the request ({missing}), and {background.why}")
        event_age_s = _EVENT_AGE_S
    else:
        event_age_s = background.event_age_s
        progress.has_one_run = background.is_scheduled
        if background.next_due is not None:
            progress.next_due_s = background.next_due - launch.event_time.timestamp()
    if not any(f.origin is Origin.ERROR for f in launch.failures):
        return None
    return _hold(launch, event_age_s, progress, tools)


# How long EventBridge repeats a call that raised an error, unless a target says otherwise: 24 hours.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
_EVENT_AGE_S = 24 * 3600


def _hold(launch: FailedLaunch, event_age_s: int, progress: _Progress, tools: Tools) -> GiveUp | None:
    """Wait until EventBridge has stopped making a failed call again, unless that is too late anyway."""
    late = past_deadline(tools.policy, event_age_s, progress.next_due_s)
    if late is not None:
        return late
    now = tools.step("hold", lambda: {"now": tools.world.now()})["now"]
    hold_s = round(event_age_s - (now - launch.event_time.timestamp()))
    if hold_s >= 1:
        tools.tell(Event.HELD, delay_s=hold_s, why="EventBridge may still make this call again itself")
        tools.wait("hold-wait", hold_s)
        progress.waited_s += hold_s
    return None


def _look(launch: FailedLaunch, progress: _Progress, tools: Tools) -> GiveUp | None:
    """See what time it is, and which tasks do the job already: a ghost of a call, a person's, the next run's."""
    ours = progress.turn == 1 or progress.repeat > 0
    original = progress.has_one_run
    is_wanted = progress.missing > 0 and (ours or original)

    def action() -> JsonObject:
        seen = tools.world.look(launch, original=original, ours=ours) if is_wanted else ()
        if isinstance(seen, str):
            return {"now": tools.world.now(), "blind": seen, "tasks": []}
        return {"now": tools.world.now(), "tasks": wire.states_to_json(seen)}

    seen = tools.step(f"look-{progress.turn}", action)
    now = seen["now"]
    progress.first_look = now if progress.first_look is None else progress.first_look
    progress.elapsed_s = _elapsed(launch, progress.first_look, now, progress.waited_s)
    if "blind" in seen:
        tools.tell(Event.BLIND, why=seen["blind"])
    for task in wire.states_from_json(seen["tasks"]):
        if task.arn not in progress.task_arns:
            progress.task_arns += (task.arn,)
            if not task.is_ours:
                progress.adopted |= {task.arn}
        if task.phase is Phase.RUNS:
            progress.running |= {task.arn}
    if progress.missing <= 0:
        return None
    return past_deadline(tools.policy, progress.elapsed_s, progress.next_due_s) or _forgotten(progress)


def _elapsed(launch: FailedLaunch, first_look: float, now: float, waited_s: int) -> float:
    """Return the seconds since the failed call: by the clock, and never less than has been waited since.

    A record made by hand asks for a run now, whatever time was typed into it: its age begins at the first look.
    """
    origin = first_look if launch.caller.kind is CallerKind.HAND_MADE else launch.event_time.timestamp()
    return max(now - origin, max(0.0, first_look - origin) + waited_s)


def _attempt(
    launch: FailedLaunch, admitted: Request | IncompleteRequest, progress: _Progress, tools: Tools
) -> Answer:
    missing = progress.missing
    token = identity.client_token(launch.call_id, progress.attempt)
    started_by = identity.mark_started_by(admitted.parameters.get("startedBy"), launch.call_id)

    def action() -> JsonObject:
        whole = admitted if isinstance(admitted, Request) else tools.world.complete(launch)
        if isinstance(whole, NoMatch):
            return wire.answer_to_json(Unbuildable(why=whole.why))
        # This body may hold secrets. What leaves the step is the answer.
        body = request.for_attempt(whole, missing=missing, token=token, started_by=started_by)
        return wire.answer_to_json(tools.world.run_task(launch, body))

    result = tools.step(f"run-task-{progress.label}", action)
    answer = wire.answer_from_json(result)
    if isinstance(answer, Unbuildable):
        return answer
    progress.calls += 1
    tools.tell(
        Event.ATTEMPTED,
        attempt=progress.attempt,
        repeat=progress.repeat,
        answer=result["answer"],
        task_arns=list(answer.task_arns) if isinstance(answer, Placed) else [],
        failures=result["failures"],
        elapsed_s=round(progress.elapsed_s),
        request=request.masked(
            request.for_attempt(admitted, missing=missing, token=token, started_by=started_by)
        ),
    )
    if isinstance(answer, Placed):
        # A look may have seen some of them before this answer named them.
        progress.task_arns += tuple(arn for arn in answer.task_arns if arn not in progress.task_arns)
    _advance(progress, answer)
    return answer


def _failures(answer: Answer, progress: _Progress) -> tuple[Failure, ...]:
    match answer:
        case Placed(is_conflict=True) if progress.last is not None:
            # It names the tasks of an earlier try and says nothing of those it did not place: what was, still is.
            return (progress.last.failure,)
        case Placed(failures=failures):
            # Fewer tasks than asked for and no word why: nothing is known, which is a category.
            return failures or (_NO_ANSWER,)
        case Refused(failure=failure) | Lost(failure=failure):
            return (failure,)
        case Unbuildable():
            return ()


def _advance(progress: _Progress, answer: Answer) -> None:
    """Move on to the next attempt once ECS has answered this one; until then stay at it, with its token.

    A refusal says that this try did nothing. It does not say so of another try with the same token: one whose
    process died before its answer was written down, or one of a second recovery of the same call. Only an answer
    is remembered by ECS and given to everybody who asks with the token again, so only an answer ends an attempt.
    """
    match answer:
        case Placed() | Unbuildable():
            progress.attempt += 1
            progress.repeat = 0
            progress.is_unsure = False
        case Refused(is_unsure=is_unsure):
            progress.repeat += 1
            _doubt(progress, is_unsure=is_unsure)
        case Lost():
            progress.repeat += 1
            _doubt(progress, is_unsure=True)


def _doubt(progress: _Progress, *, is_unsure: bool) -> None:
    """Remember since when the attempt under way may have started something."""
    if is_unsure and not progress.is_unsure:
        progress.is_unsure, progress.unsure_since_s = True, progress.elapsed_s


def _forgotten(progress: _Progress) -> GiveUp | None:
    """Return the end of the recovery if ECS may have forgotten the token of a try that may have acted."""
    if not progress.is_unsure or progress.elapsed_s - progress.unsure_since_s <= _TOKEN_LIFE_S:
        return None
    return GiveUp(
        outcome=Outcome.EXPIRED,
        rule="client-token",
        why="for an hour no call has been answered, and ECS may have forgotten what it did for the first of them",
        hint="Look whether the tasks have run before you start them by hand.",
    )


def _watch(launch: FailedLaunch, progress: _Progress, tools: Tools) -> tuple[Failure, ...]:
    """Watch the tasks until all run. Returns why some did not start; they are then missing again."""
    waiting = tuple(arn for arn in progress.task_arns if arn not in progress.running)
    watched_s, delay_s, nth = 0, _WATCH_FIRST_WAIT_S, 0
    while waiting and watched_s < tools.policy.watch_s:
        nth += 1
        tools.wait(f"watch-wait-{progress.turn}-{nth}", delay_s)
        watched_s += delay_s
        progress.waited_s += delay_s
        delay_s = min(2 * delay_s, _WATCH_LONGEST_WAIT_S)
        states = _watch_once(launch, waiting, f"watch-{progress.turn}-{nth}", tools)
        failed = tuple(s for s in states if s.phase is Phase.FAILED)
        if failed:
            gone = {s.arn for s in failed}
            progress.task_arns = tuple(arn for arn in progress.task_arns if arn not in gone)
            failures = tuple(s.failure or _NO_ANSWER for s in failed)
            tools.tell(Event.START_FAILED, task_arns=sorted(gone), failures=wire.failures_to_json(failures))
            return failures
        progress.running |= {s.arn for s in states if s.phase is Phase.RUNS}
        waiting = tuple(arn for arn in waiting if arn not in progress.running)
    return ()


def _watch_once(
    launch: FailedLaunch, arns: tuple[str, ...], name: str, tools: Tools
) -> tuple[TaskState, ...]:
    def action() -> JsonObject:
        seen = tools.world.watch(launch, arns)
        return {"blind": seen} if isinstance(seen, str) else {"tasks": wire.states_to_json(seen)}

    seen = tools.step(name, action)
    if "blind" in seen:
        tools.tell(Event.BLIND, why=seen["blind"])
        return ()
    return wire.states_from_json(seen["tasks"])


def _next(
    launch: FailedLaunch, failures: tuple[Failure, ...], progress: _Progress, tools: Tools
) -> GiveUp | None:
    """Decide what follows some failures: wait, and return None, or return the end."""
    verdict = progress.last = worst([classify(f) for f in failures])
    progress.seen[verdict.category] += 1
    decision = decide(
        tools.policy,
        verdict,
        nth=progress.seen[verdict.category],
        elapsed_s=progress.elapsed_s,
        seed=f"{launch.call_id}/{verdict.category}",
        next_due_s=progress.next_due_s,
    )
    match decision:
        case GiveUp():
            return decision
        case Retry(delay_s=delay_s):
            tools.tell(
                Event.WAITING,
                delay_s=delay_s,
                rule=decision.rule,
                category=verdict.category.value,
                why=decision.why,
                next_attempt=progress.label,
            )
            tools.wait(f"wait-{progress.turn}", delay_s)
            progress.waited_s += delay_s
    return None


def _ending(progress: _Progress, end: GiveUp) -> Ending:
    return Ending(
        outcome=end.outcome,
        why=end.why,
        hint=end.hint,
        rule=end.rule,
        calls=progress.calls,
        wanted=progress.wanted,
        task_arns=progress.task_arns,
        elapsed_s=progress.elapsed_s,
        last=progress.last,
        is_unsure=progress.is_unsure,
        numbers=end.numbers,
    )


def _done(progress: _Progress) -> Ending:
    is_adopted = set(progress.task_arns) <= progress.adopted
    return Ending(
        outcome=Outcome.ALREADY_RUNNING if is_adopted else Outcome.RECOVERED,
        why="what was asked for was there already, started by somebody else or by the failed call itself"
        if is_adopted
        else "every task that was asked for is there",
        rule="looked" if is_adopted else "placed",
        calls=progress.calls,
        wanted=progress.wanted,
        task_arns=progress.task_arns,
        elapsed_s=progress.elapsed_s,
        last=progress.last,
    )


def _notify(note: Message, tools: Tools) -> None:
    for nth in range(1, _NOTIFY_TRIES + 1):
        error = tools.step(f"notify-{nth}", lambda: {"error": tools.world.notify(note)})["error"]
        if error is None:
            return
        tools.tell(Event.NOT_NOTIFIED, tries=nth, error=error, subject=note.subject)
        if nth < _NOTIFY_TRIES:
            tools.wait(f"notify-wait-{nth}", _NOTIFY_FIRST_WAIT_S * 2 ** (nth - 1))
