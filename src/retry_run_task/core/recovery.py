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
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from retry_run_task.core import identity, request, wire
from retry_run_task.core.classification import classify, worst
from retry_run_task.core.decision import GiveUp, Retry, decide, open_with, past_deadline
from retry_run_task.core.messages import Ending, message
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
    Placed,
    Refused,
    Request,
)

if TYPE_CHECKING:
    from retry_run_task.core.messages import Message
    from retry_run_task.core.policy import Policy
    from retry_run_task.core.values import Answer, Verdict

# A message that could not be sent is tried again: 1, 2, 4, ... minutes apart, about an hour in all.
_NOTIFY_TRIES = 7
_NOTIFY_FIRST_WAIT_S = 60

_NO_ANSWER = Failure(origin=Origin.ANSWER, reason="")


class Event(StrEnum):
    """What a recovery tells about itself, in logs and in the demo's timeline."""

    BEGAN = "recovery.began"
    ATTEMPTED = "recovery.attempted"
    WAITING = "recovery.waiting"
    RECOVERED = "recovery.recovered"
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


class World(Protocol):
    """What a recovery can do and see. Every call is made inside a step."""

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        ...

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        """Call RunTask with this body in the launch's Region. Never raises for what ECS says."""

    def notify(self, message: Message) -> str | None:
        """Send a message to a person. Returns None if it was taken, else what went wrong."""


@dataclass(slots=True)
class _Progress:
    """Where a recovery is. Rebuilt from the results of its steps each time it is resumed.

    Attributes:
        attempt: Number of the attempt that comes next; the first is 1.
        repeat: How often this attempt has been made already without a certain answer.
        calls: RunTask calls made.
        task_arns: Tasks that the recovery placed.
        waited_s: Sum of the waits.
        elapsed_s: Seconds since the failed call.
        last: The failure that decided last.
    """

    attempt: int = 1
    repeat: int = 0
    calls: int = 0
    task_arns: tuple[str, ...] = ()
    waited_s: int = 0
    elapsed_s: float = 0.0
    last: Verdict | None = None

    @property
    def label(self) -> str:
        return f"{self.attempt}-repeat-{self.repeat}" if self.repeat else str(self.attempt)

    @property
    def may_have_placed(self) -> bool:
        """Whether the attempt under way may have started tasks that nobody has seen."""
        return self.repeat > 0


def recover(
    launch: FailedLaunch,
    policy: Policy,
    world: World,
    *,
    step: Step,
    wait: Wait,
    tell: Tell,
    notify_recovered: bool = False,
) -> Ending:
    """Make the failed call again until every task is placed, or until it is certain that it cannot help.

    Args:
        launch: What failed.
        policy: The rules.
        world: What can be done and seen; used inside steps only.
        step: How an action is made durable.
        wait: How time passes.
        tell: Where the log is written.
        notify_recovered: Whether a person is also told when all is well.

    Returns:
        How it ended. A person has been told of every end but a recovery, and of that if asked for.
    """
    first = worst([classify(f) for f in launch.failures])
    tell(Event.BEGAN, category=first.category.value, row=first.row, reason=first.failure.reason)
    ending = _run(launch, policy, world, step=step, wait=wait, tell=tell)
    is_well = ending.outcome is Outcome.RECOVERED
    tell(
        Event.RECOVERED if is_well else Event.GAVE_UP,
        outcome=ending.outcome.value,
        why=ending.why,
        attempts=ending.calls,
        task_arns=list(ending.task_arns),
        elapsed_s=round(ending.elapsed_s),
        rule=ending.rule,
        category=ending.last.category.value if ending.last else None,
    )
    if notify_recovered or not is_well:
        _notify(message(launch, ending), world, step=step, wait=wait, tell=tell)
    return ending


def _run(launch: FailedLaunch, policy: Policy, world: World, *, step: Step, wait: Wait, tell: Tell) -> Ending:
    progress = _Progress(last=worst([classify(f) for f in launch.failures]))
    wanted = request.asked(launch.request) - len(launch.placed)
    whole = admit(launch, policy)
    if isinstance(whole, GiveUp):
        return _ending(progress, whole, wanted)
    seen: Counter[Category] = Counter()
    first_look: float | None = None

    while True:
        now = step(f"look-{progress.label}", lambda: {"now": world.now()})["now"]
        first_look = now if first_look is None else first_look
        progress.elapsed_s = _elapsed(launch, first_look, now, progress.waited_s)
        late = past_deadline(policy, progress.elapsed_s)
        if late is not None:
            return _ending(progress, late, wanted)

        answer = _attempt(launch, whole, progress, wanted, world, step=step, tell=tell)
        progress.calls += 1
        if isinstance(answer, Placed):
            progress.task_arns += answer.task_arns
            if len(progress.task_arns) >= wanted:
                return _recovered(progress, wanted)
        verdict = progress.last = worst([classify(f) for f in _failures(answer)])
        seen[verdict.category] += 1
        _advance(progress, answer)

        decision = decide(
            policy,
            verdict,
            nth=seen[verdict.category],
            elapsed_s=progress.elapsed_s,
            seed=f"{launch.call_id}/{verdict.category}",
        )
        match decision:
            case GiveUp():
                return _ending(progress, decision, wanted)
            case Retry(delay_s=delay_s):
                tell(
                    Event.WAITING,
                    delay_s=delay_s,
                    rule=decision.rule,
                    category=verdict.category.value,
                    why=decision.why,
                    next_attempt=progress.label,
                )
                wait(f"wait-{progress.label}", delay_s)
                progress.waited_s += delay_s


def admit(launch: FailedLaunch, policy: Policy) -> Request | GiveUp:
    """Return the request if it may be made again at all, else the end of the recovery."""
    verdict = worst([classify(f) for f in launch.failures])
    permanent = open_with(policy, verdict)
    if permanent is not None:
        return permanent
    if verdict.failure.origin is Origin.ERROR:
        return GiveUp(
            outcome=Outcome.PERMANENT,
            rule="errors",
            why="RunTask raised an error, which the caller has seen and may be retrying itself",
            hint=verdict.hint,
        )
    if isinstance(launch.request, IncompleteRequest):
        return GiveUp(
            outcome=Outcome.REFUSED,
            rule="whole-requests-only",
            why=f"CloudTrail does not show all of the request: {', '.join(launch.request.missing)}; "
            "a task that runs with parts of its configuration missing does more harm than one that does not run",
            hint="Start the run by hand, with the values that the schedule has.",
        )
    return launch.request


def _elapsed(launch: FailedLaunch, first_look: float, now: float, waited_s: int) -> float:
    """Return the seconds since the failed call: by the clock, and never less than has been waited since.

    A record made by hand asks for a run now, whatever time was typed into it: its age begins at the first look.
    """
    origin = first_look if launch.caller.kind is CallerKind.HAND_MADE else launch.event_time.timestamp()
    return max(now - origin, max(0.0, first_look - origin) + waited_s)


def _attempt(
    launch: FailedLaunch,
    whole: Request,
    progress: _Progress,
    wanted: int,
    world: World,
    *,
    step: Step,
    tell: Tell,
) -> Answer:
    body = request.for_attempt(
        whole,
        missing=wanted - len(progress.task_arns),
        token=identity.client_token(launch.call_id, progress.attempt),
        started_by=identity.mark_started_by(whole.parameters.get("startedBy"), launch.call_id),
    )
    result = step(f"run-task-{progress.label}", lambda: wire.answer_to_json(world.run_task(launch, body)))
    answer = wire.answer_from_json(result)
    tell(
        Event.ATTEMPTED,
        attempt=progress.attempt,
        repeat=progress.repeat,
        answer=result["answer"],
        task_arns=list(answer.task_arns) if isinstance(answer, Placed) else [],
        failures=result["failures"],
        elapsed_s=round(progress.elapsed_s),
        request=request.masked(body),
    )
    return answer


def _failures(answer: Answer) -> tuple[Failure, ...]:
    match answer:
        case Placed(failures=failures):
            # Fewer tasks than asked for and no word why: nothing is known, which is a category.
            return failures or (_NO_ANSWER,)
        case Refused(failure=failure) | Lost(failure=failure):
            return (failure,)


def _advance(progress: _Progress, answer: Answer) -> None:
    """Move on to the next attempt, or stay at this one with its token if it may have placed something.

    A token is left behind only when it is certain what became of it: ECS answered, or refused a call that
    no earlier try can have made.
    """
    match answer:
        case Placed():
            is_certain = True
        case Refused(is_unsure=is_unsure):
            is_certain = not is_unsure and not progress.may_have_placed
        case Lost():
            is_certain = False
    if is_certain:
        progress.attempt += 1
        progress.repeat = 0
    else:
        progress.repeat += 1


def _ending(progress: _Progress, end: GiveUp, wanted: int) -> Ending:
    return Ending(
        outcome=end.outcome,
        why=end.why,
        hint=end.hint,
        rule=end.rule,
        calls=progress.calls,
        wanted=wanted,
        task_arns=progress.task_arns,
        elapsed_s=progress.elapsed_s,
        last=progress.last,
        is_unsure=progress.may_have_placed,
    )


def _recovered(progress: _Progress, wanted: int) -> Ending:
    return Ending(
        outcome=Outcome.RECOVERED,
        why="every task that was asked for has been placed",
        rule="placed",
        calls=progress.calls,
        wanted=wanted,
        task_arns=progress.task_arns,
        elapsed_s=progress.elapsed_s,
        last=progress.last,
    )


def _notify(note: Message, world: World, *, step: Step, wait: Wait, tell: Tell) -> None:
    for nth in range(1, _NOTIFY_TRIES + 1):
        error = step(f"notify-{nth}", lambda: {"error": world.notify(note)})["error"]
        if error is None:
            return
        tell(Event.NOT_NOTIFIED, tries=nth, error=error, subject=note.subject)
        if nth < _NOTIFY_TRIES:
            wait(f"notify-wait-{nth}", _NOTIFY_FIRST_WAIT_S * 2 ** (nth - 1))
