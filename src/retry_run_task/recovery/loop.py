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
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from retry_run_task.failures.classify import classify, worst
from retry_run_task.failures.table import HAD_STARTED
from retry_run_task.launch import names, request, wire
from retry_run_task.launch.schedule import EVERYTHING_ELSE, NO_TAGS, SPOT_INTERRUPTION, NoMatch, Tags
from retry_run_task.launch.values import (
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
from retry_run_task.messages.message import Ending, Style, message
from retry_run_task.policy import backoff, ladder
from retry_run_task.policy.decision import GiveUp, Retry, decide, ignored, open_with, past_deadline
from retry_run_task.policy.ladder import AS_ASKED, Rung
from retry_run_task.policy.rules import Facts, Notify, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retry_run_task.launch.values import Answer, TaskState, Verdict
    from retry_run_task.messages.message import Message
    from retry_run_task.policy.rules import Policy, Treatment

# A message that could not be sent is tried again: 1, 2, 4, ... minutes apart, about an hour in all.
_NOTIFY_TRIES = 7
_NOTIFY_FIRST_WAIT_S = 60

# STS is asked again if it is throttled or does not answer: 15, 30, 60, 120 s apart, about four minutes in all.
_ENTER_TRIES = 5
_ENTER_FIRST_WAIT_S = 15

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
    TAGGED = "recovery.tagged"
    HELD = "recovery.held"
    BLIND = "recovery.blind"
    ATTEMPTED = "recovery.attempted"
    WAITING = "recovery.waiting"
    STRUCK = "recovery.struck"
    START_FAILED = "recovery.start_failed"
    RECOVERED = "recovery.recovered"
    ALREADY_RUNNING = "recovery.already_running"
    IGNORED = "recovery.ignored"
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
        tags: What its tags, and those of the task definition, say.
        visible: What the ladder can be computed from, where the record does not show it (``ladder.visible``).
    """

    name: str
    arn: str
    next_due: float | None
    event_age_s: int
    is_scheduled: bool = True
    tags: Tags = NO_TAGS
    visible: Mapping[str, Any] = field(default_factory=dict)


class World(Protocol):
    """What a recovery can do and see. Every call is made inside a step, and none raises for what AWS says."""

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        ...

    def find_schedule(self, launch: FailedLaunch) -> Background | NoMatch | Failure:
        """Return what made the call, if that is certain; or why that cannot be read."""
        ...

    def look(
        self, launch: FailedLaunch, *, original: bool, ghosts: tuple[str, ...] = ()
    ) -> tuple[TaskState, ...] | str:
        """Return tasks that do, or failed to do, what the launch asked for; or why none can be seen.

        Tasks with this launch's own mark are always looked for.

        Args:
            launch: What failed.
            original: Whether to look for tasks with the mark of whoever made the call.
            ghosts: Call ids of the recoveries that others' failed tasks have, or may have.
        """
        ...

    def complete(self, launch: FailedLaunch) -> Request | NoMatch | Failure:
        """Return the request with what CloudTrail hid. It may hold secrets, and must not leave the step."""
        ...

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        """Call RunTask with this body in the launch's account and Region."""
        ...

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | str:
        """Return how tasks are, those that ECS knows; or why that cannot be seen."""
        ...

    def notify(self, message: Message) -> str | None:
        """Send a message to a person. Returns None if it was taken, else what went wrong."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """The way into a launch's account, where that is not the stack's own.

    Attributes:
        role_arn: The role that has to be taken there.
        enter: Takes it, inside a step. Returns None, or why it cannot be taken.
    """

    role_arn: str
    enter: Callable[[], Failure | None]


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
        entrance: The way into the launch's account; None where the stack is at home.
        style: How a message is written.
    """

    policy: Policy
    world: World
    step: Step
    wait: Wait
    tell: Tell
    notify_recovered: bool = False
    recover_errors: bool = False
    entrance: Entrance | None = None
    style: Style = Style()  # noqa: RUF009 - frozen


@dataclass(slots=True)
class _Progress:
    """Where a recovery is. Rebuilt from the results of its steps each time it is resumed.

    Attributes:
        wanted: How many tasks were missing when it began.
        call_id: What tokens and marks are derived from: the launch's own, or that of a task's that did not start.
        before: How many attempts were made before those that ``call_id`` is for.
        failed: Tasks that no recovery started, and that did not start.
        attempt: Number of the attempt that comes next; the first is 1.
        repeat: How often this attempt has been made already without an answer.
        turn: How often the loop has looked; numbers its steps.
        calls: RunTask calls made.
        task_arns: Tasks that do the job now, as far as known.
        adopted: Those of them that no recovery started.
        running: Those of them that were seen running.
        waited_s: Sum of the waits since it looked first.
        elapsed_s: Seconds since the failed call.
        next_due_s: Seconds from the failed call to the schedule's next run; None if not known.
        has_one_run: Whether it is certain that tasks with the caller's mark do this launch's work: one schedule,
            found for certain, that runs by the clock.
        first_look: When it looked first, in seconds since 1970; None before.
        began: A time before its first look, in seconds since 1970; None if no step has asked for it.
        seen: How many failures of each category there have been.
        last: The failure that decided last.
        is_unsure: Whether the attempt under way may have started tasks that nobody has seen.
        unsure_since_s: Seconds from the failed call to the try that made it so.
        facts: What the policy's rules match of the launch.
        treatments: What the policy says about each category for these facts, once asked; each attempt asks, and a
            resumed recovery asks for all of its attempts again.
        shown: What is known of the request, for the ladder.
        rungs: The ladder, round by round; the request as it was asked is in it before each of its subnets.
        place: Where on it the next attempt is.
        struck: Rungs that are not tried again.
        tried: Rungs that the attempt under way has been made on.
        rung_of: The rung that placed a task, by its ARN, as far as known.
        zone_of: Availability Zone of a task, by its ARN, as far as known.
    """

    wanted: int
    call_id: str
    before: int = 0
    failed: frozenset[str] = frozenset()
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
    began: float | None = None
    seen: Counter[Category] = field(default_factory=Counter)
    last: Verdict | None = None
    is_unsure: bool = False
    unsure_since_s: float = 0.0
    facts: Facts = field(default_factory=Facts)
    treatments: dict[Category, Treatment] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    rungs: tuple[Rung, ...] = (AS_ASKED,)
    place: int = 0
    struck: frozenset[Rung] = frozenset()
    tried: frozenset[Rung] = frozenset()
    rung_of: Mapping[str, Rung] = field(default_factory=dict)
    zone_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def rung(self) -> Rung:
        """The rung of the next attempt."""
        return self.rungs[self.place]

    def climb(self) -> None:
        """Go on to the next rung that is not struck off; after the last comes the first, which never is."""
        self.place = self._next_place

    @property
    def _next_place(self) -> int:
        places: list[int] = [*range(self.place + 1, len(self.rungs)), *range(self.place + 1)]
        return next(place for place in places if self.rungs[place] not in self.struck)

    @property
    def is_followed_at_once(self) -> bool:
        """Whether the next rung is tried without a wait if there is no room on this one."""
        return ladder.is_at_once(self.rung, self.rungs[self._next_place])

    def see(self, states: Iterable[TaskState]) -> None:
        """Remember how tasks are that do the job, and which of them are new."""
        for task in states:
            if task.arn not in self.task_arns and task.phase is not Phase.FAILED:
                self.task_arns += (task.arn,)
                if not task.is_ours:
                    self.adopted |= {task.arn}
                elif len(self.tried) == 1:
                    self.rung_of = {**self.rung_of, **dict.fromkeys((task.arn,), *self.tried)}
        self.note(states)

    def note(self, states: Iterable[TaskState]) -> None:
        """Remember which tasks run, and where."""
        self.running |= {task.arn for task in states if task.has_run}
        self.zone_of = {**self.zone_of, **{task.arn: task.zone for task in states if task.zone}}

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
    progress = _Progress(wanted=request.asked(launch.request) - len(launch.placed), call_id=launch.call_id)
    progress.last = worst([classify(f) for f in launch.failures])
    tools.tell(
        Event.BEGAN,
        category=progress.last.category.value,
        row=progress.last.row,
        reason=progress.last.failure.reason,
    )
    ending = _run(launch, progress, tools)
    events = {
        Outcome.RECOVERED: Event.RECOVERED,
        Outcome.ALREADY_RUNNING: Event.ALREADY_RUNNING,
        Outcome.IGNORED: Event.IGNORED,
    }
    tools.tell(
        events.get(ending.outcome, Event.GAVE_UP),
        outcome=ending.outcome.value,
        why=ending.why,
        attempts=ending.calls,
        task_arns=list(ending.task_arns),
        elapsed_s=round(ending.elapsed_s),
        rule=ending.rule,
        category=ending.last.category.value if ending.last else None,
        rungs=list(ending.rungs) or None,
        changed=list(ending.changed) or None,
    )
    if _is_to_be_told(ending, progress, tools):
        _notify(message(replace(launch, call_id=progress.call_id), ending, tools.style), tools)
    return ending


def _is_to_be_told(ending: Ending, progress: _Progress, tools: Tools) -> bool:
    if ending.outcome is Outcome.IGNORED:
        return False
    match _treatment(progress, tools).notify:
        case Notify.ALWAYS:
            return True
        case Notify.NEVER:
            return False
        case Notify.FAILURE:
            return not ending.is_well
        case None:
            return tools.notify_recovered or not ending.is_well


def _treatment(progress: _Progress, tools: Tools) -> Treatment:
    """Return what the policy says about the failure that decided last."""
    category = progress.last.category if progress.last else Category.UNKNOWN
    if category not in progress.treatments:
        progress.treatments[category] = tools.policy.treatment(progress.facts, category)
    return progress.treatments[category]


def _run(launch: FailedLaunch, progress: _Progress, tools: Tools) -> Ending:
    admitted = _begin(launch, progress, tools)
    if isinstance(admitted, GiveUp):
        return _ending(progress, admitted)
    while True:
        progress.turn += 1
        answer = _turn(launch, admitted, progress, tools)
        if isinstance(answer, GiveUp):
            return _ending(progress, answer)
        if progress.missing > 0:
            failures = _strike_answered(answer, progress, tools)
        else:
            stopped = _watch(launch, progress, tools)
            if not stopped:
                return _done(progress)
            failures = _strike_stopped(stopped, progress, tools)
        end = _next(launch, failures, progress, tools) if failures else None
        if end is not None:
            return _ending(progress, end)


def _begin(launch: FailedLaunch, progress: _Progress, tools: Tools) -> Request | IncompleteRequest | GiveUp:
    """Find out what is to be done about a launch, and wait until its first attempt may come; or return the end."""
    shut = _enter(launch, progress, tools)
    if shut is not None:
        return shut
    background = _find_schedule(launch, progress, tools)
    progress.facts = facts_of(
        launch,
        schedule=background.name if isinstance(background, Background) else "",
        policy=background.tags.policy,
    )
    opening = _treatment(progress, tools)
    if opening.ignore:
        return ignored(opening)
    if background.tags.ignore:
        return _IGNORED_BY_TAG
    admitted = admit(launch, opening, recover_errors=tools.recover_errors)
    if isinstance(admitted, GiveUp):
        return admitted
    refused = _prepare(launch, admitted, background, progress, tools)
    if refused is not None:
        return refused
    _spread(launch, tools)
    return admitted


def _unproven(launch: FailedLaunch, background: NoMatch) -> GiveUp:
    role = launch.caller.role_arn
    used = f"none that calls with {role} was found" if role else "none that fits the task was found"
    return GiveUp(
        outcome=Outcome.REFUSED,
        rule="caller",
        why=f"only the call itself says that a schedule made it, and {used} ({background.why})",
        hint="If the run is still wanted, start it by hand.",
    )


_IGNORED_BY_TAG = GiveUp(
    outcome=Outcome.IGNORED,
    rule="tag",
    why="a tag of its rule, its schedule's group or its task definition wants it to be left alone",
)


def admit(
    launch: FailedLaunch, treatment: Treatment, *, recover_errors: bool = False
) -> Request | IncompleteRequest | GiveUp:
    """Return the request if it may be made again at all, else the end of the recovery."""
    verdict = worst([classify(f) for f in launch.failures])
    # A task that Spot took away has mostly run, which the table rightly calls no launch that failed. Intake lets
    # such a one through only if a person asked for it.
    is_spot = verdict.failure.code == SPOT_INTERRUPTION
    permanent = None if is_spot else open_with(treatment, verdict)
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


def _enter(launch: FailedLaunch, progress: _Progress, tools: Tools) -> GiveUp | None:
    """Find out whether the launch's account lets recover in. If it does not, nothing is tried there."""
    entrance = tools.entrance
    if entrance is None:
        return None
    if not tools.recover_errors and any(f.origin is Origin.ERROR for f in launch.failures):
        # What is only to be told needs no way in, and so does without the names and tags that are there.
        report = admit(launch, _treatment(progress, tools))
        if isinstance(report, GiveUp):
            return report

    def action() -> JsonObject:
        failure = entrance.enter()
        return {"failures": wire.failures_to_json([failure] if failure else [])}

    delay_s, nth = _ENTER_FIRST_WAIT_S, 1
    while failures := wire.failures_from_json(tools.step(f"enter-account-{nth}", action)["failures"]):
        verdict = classify(failures[0])
        if nth == _ENTER_TRIES or verdict.category not in (Category.THROTTLE, Category.TRANSIENT):
            return _shut_out(launch, entrance.role_arn, verdict.failure)
        tools.tell(
            Event.WAITING,
            delay_s=delay_s,
            rule="member-role",
            category=verdict.category.value,
            why=f"{entrance.role_arn} cannot be taken yet",
            next_attempt=progress.label,
        )
        tools.wait(f"enter-wait-{nth}", delay_s)
        progress.waited_s += delay_s
        delay_s, nth = 2 * delay_s, nth + 1
    return None


def _shut_out(launch: FailedLaunch, role_arn: str, failure: Failure) -> GiveUp:
    said = ": ".join(part for part in (failure.code, failure.reason) if part)
    return GiveUp(
        outcome=Outcome.PERMANENT,
        rule="member-role",
        why=f"it happened in account {launch.account}, and recover cannot take {role_arn} there ({said})",
        hint=f"Deploy infra/member.yaml in account {launch.account}, with this stack's account, name and "
        "external id; then start the run by hand.",
    )


def _find_schedule(launch: FailedLaunch, progress: _Progress, tools: Tools) -> Background | NoMatch:
    """Find out once what made the call, and remember its name, its times and its tags."""
    if launch.caller.kind not in _SCHEDULED:
        return NoMatch(why="neither a rule nor a schedule made this call")
    if not launch.request.parameters:
        return NoMatch(why="AWS has recorded nothing of the request that it could be found by")

    def action() -> JsonObject:
        # The time first: what comes after it is no longer known to be before every call.
        now = tools.world.now()
        return {"now": now, **_background_to_json(_known(tools.world.find_schedule(launch)))}

    found = tools.step("find-schedule", action)
    background = _background_from_json({name: value for name, value in found.items() if name != "now"})
    # Without it: an execution that an earlier version began.
    progress.began = found.get("now")
    if isinstance(background, NoMatch):
        tools.tell(Event.MATCHED, schedule=None, why=background.why)
    else:
        tools.tell(Event.MATCHED, schedule=background.name, next_due=background.next_due)
    tags = background.tags
    notes = [*tags.unread]
    if tags.policy and not tools.policy.knows_tag(tags.policy):
        notes.append(f"no rule of the policy is for the tag {tags.policy!r}")
    if tags != NO_TAGS:
        tools.tell(Event.TAGGED, tag=tags.policy or None, ignore=tags.ignore, why="; ".join(notes) or None)
    return background


def _known(read: Any) -> Any:
    if not isinstance(read, Failure):
        return read
    return NoMatch(why=f"the rules and schedules cannot be read: {read.code}: {read.reason}")


def _background_to_json(found: Background | NoMatch) -> JsonObject:
    tags = found.tags
    about: JsonObject = {} if tags == NO_TAGS else {"tags": [tags.policy, tags.ignore, list(tags.unread)]}
    if isinstance(found, NoMatch):
        return {"why": found.why, **about, **({"is_role_used": True} if found.is_role_used else {})}
    return {
        "name": found.name,
        "arn": found.arn,
        "next_due": found.next_due,
        "event_age_s": found.event_age_s,
        "is_scheduled": found.is_scheduled,
        **({"visible": dict(found.visible)} if found.visible else {}),
        **about,
    }


def _background_from_json(found: JsonObject) -> Background | NoMatch:
    policy, ignore, unread = found.get("tags", ("", False, ()))
    values = found | {"tags": Tags(policy=policy, ignore=ignore, unread=tuple(unread))}
    return NoMatch(**values) if "why" in found else Background(**values)


def _prepare(
    launch: FailedLaunch,
    admitted: Request | IncompleteRequest,
    background: Background | NoMatch,
    progress: _Progress,
    tools: Tools,
) -> GiveUp | None:
    """Set what the schedule says, and hold back while EventBridge itself may still make the call again."""
    if not launch.caller.is_proven and isinstance(background, NoMatch) and not background.is_role_used:
        return _unproven(launch, background)
    allowed = tools.policy.treatment(progress.facts, Category.CAPACITY).allowed
    progress.shown = _shown(admitted, background)
    progress.rungs = ladder.round_of(ladder.rungs_for(allowed, progress.shown))
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


def _shown(admitted: Request | IncompleteRequest, background: Background | NoMatch) -> Mapping[str, Any]:
    """Return what is known of the request: as it was recorded, or if it was not, what the schedule shows of it."""
    is_recorded = isinstance(admitted, Request) or EVERYTHING_ELSE not in admitted.missing
    if is_recorded or isinstance(background, NoMatch):
        return admitted.parameters
    return {**background.visible, **admitted.parameters}


# How long EventBridge repeats a call that raised an error, unless a target says otherwise: 24 hours.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
_EVENT_AGE_S = 24 * 3600


def _hold(launch: FailedLaunch, event_age_s: int, progress: _Progress, tools: Tools) -> GiveUp | None:
    """Wait until EventBridge has stopped making a failed call again, unless that is too late anyway."""
    late = past_deadline(_treatment(progress, tools), event_age_s, progress.next_due_s)
    if late is not None:
        return late
    now = tools.step("hold", lambda: {"now": tools.world.now()})["now"]
    hold_s = round(event_age_s - (now - launch.event_time.timestamp()))
    if hold_s >= 1:
        tools.tell(Event.HELD, delay_s=hold_s, why="EventBridge may still make this call again itself")
        tools.wait("hold-wait", hold_s)
    return None


def _spread(launch: FailedLaunch, tools: Tools) -> None:
    """Wait a little, each launch its own part: those that failed in one second must not come back in one second."""
    spread_s = backoff.spread(tools.policy.spread_s, f"{launch.call_id}/spread")
    if spread_s >= 1:
        tools.wait("spread", spread_s)


def _turn(
    launch: FailedLaunch, admitted: Request | IncompleteRequest, progress: _Progress, tools: Tools
) -> Placed | Refused | Lost | GiveUp | None:
    """Look which tasks do the job already, and if some are missing and it is not too late, call RunTask.

    All of it is one step, since each operation of a durable execution costs. A step that is cut off is done again
    from its beginning: it looks again, and what an earlier RunTask of it started is seen, or ECS says it when it
    is asked with the same token.

    Returns:
        The end, if it is too late or the request cannot be made whole; what RunTask answered last; None if it was not
        called, since nothing is missing.
    """

    def action() -> JsonObject:
        # Our own mark is looked for each time, not only where a call of ours may have been lost: an answer with
        # failures has been seen to come with tasks all the same. https://github.com/apache/airflow/pull/16150
        seen = tools.world.look(replace(launch, call_id=progress.call_id), original=progress.has_one_run)
        result: JsonObject = {"now": tools.world.now()}
        result |= {"blind": seen} if isinstance(seen, str) else {"tasks": wire.states_to_json(seen)}
        # A copy: this may be run twice, or end halfway, and only what is returned is remembered.
        then = replace(progress)
        _see(launch, result, then)
        if then.missing <= 0:
            return result
        if _late(then, tools) is not None:
            return result | {"unsure": not _began_late(launch, then, tools)}
        whole = admitted if isinstance(admitted, Request) else _known(tools.world.complete(launch))
        if isinstance(whole, NoMatch):
            return result | {"call": wire.answer_to_json(Unbuildable(why=whole.why))}
        return result | _call(replace(launch, call_id=then.call_id), whole, then, tools)

    result = tools.step(f"run-task-{progress.label}", action)
    _see(launch, result, progress)
    if "blind" in result:
        tools.tell(Event.BLIND, why=result["blind"])
    if progress.missing <= 0:
        return None
    late = _late(progress, tools)
    if late is not None:
        progress.is_unsure |= result.get("unsure", False)
        return late
    answer = wire.answer_from_json(result["call"])
    if isinstance(answer, Unbuildable):
        return _incomplete(answer.why)
    _called(admitted, answer, progress, tools)
    if _AT_ONCE not in result:
        return answer
    progress.climb()
    second = wire.answer_from_json(result[_AT_ONCE])
    assert not isinstance(second, Unbuildable)  # noqa: S101 - the request was whole a moment before
    _called(admitted, second, progress, tools)
    return second


_AT_ONCE = "at_once"
"""The second answer of a step, in its result."""


def _call(launch: FailedLaunch, whole: Request, then: _Progress, tools: Tools) -> JsonObject:
    """Call RunTask, and where there is no room for the request as it was asked, in one of its subnets alone.

    Both are one step: the second costs no operation more, and finds room also if a call looks into one zone only. Two
    calls, not one for each subnet, since each holds its place among the few that recover has.

    Should the step be cut off and done again, ECS gives both tokens the answers that it gave before.
    """
    # The bodies may hold secrets. What leaves the step is the answers.
    answer = tools.world.run_task(launch, _body(whole, then))
    called: JsonObject = {"call": wire.answer_to_json(answer)}
    if not _is_full(answer) or not then.is_followed_at_once:
        return called
    _advance(then, answer)
    then.climb()
    return called | {_AT_ONCE: wire.answer_to_json(tools.world.run_task(launch, _body(whole, then)))}


def _is_full(answer: Answer) -> TypeGuard[Placed]:
    """Tell whether a call has placed nothing, for lack of capacity alone. A conflict says nothing of capacity."""
    if not isinstance(answer, Placed) or answer.task_arns or not answer.failures:
        return False
    return worst([classify(failure) for failure in answer.failures]).category is Category.CAPACITY


def _see(launch: FailedLaunch, result: JsonObject, progress: _Progress) -> None:
    """Remember what a look has shown: the time, and tasks. A ghost of a call, a person's, the next run's."""
    # A clock that has gone back since it began makes nothing less late than it was: ``_began_late`` counts on that.
    now = max(result["now"], progress.began or result["now"])
    progress.first_look = now if progress.first_look is None else progress.first_look
    progress.elapsed_s = _elapsed(launch, progress.first_look, now, progress.waited_s)
    states = wire.states_from_json(result.get("tasks", ()))
    progress.see(states)
    _share(launch, states, progress)


def _share(launch: FailedLaunch, states: Iterable[TaskState], progress: _Progress) -> None:
    """Go on as the recovery of a task that did this launch's work and did not start, if it is all that is missing.

    Such a task, a ghost of the failed call or a person's, may have a recovery of its own, by ECS's event of it. Nobody
    can know whether it has, nor which of the two acts first. Both would start a task for it. With the token and the
    mark of that recovery it is the same call, whoever makes it, as for two records of one call. The launch's own
    token is left for that only where nothing is in doubt that was asked with it.
    """
    for task in states:
        if task.phase is not Phase.FAILED or task.is_ours or task.arn in progress.failed:
            continue
        progress.failed |= {task.arn}
        theirs = names.task_identity(task.arn, account=launch.account, region=launch.region)
        if progress.missing == 1 and not progress.repeat and theirs != progress.call_id:
            progress.call_id, progress.before = theirs, progress.attempt - 1


def _late(progress: _Progress, tools: Tools) -> GiveUp | None:
    late = past_deadline(_treatment(progress, tools), progress.elapsed_s, progress.next_due_s)
    return late or _forgotten(progress)


def _began_late(launch: FailedLaunch, progress: _Progress, tools: Tools) -> bool:
    """Tell whether it was too late for the first attempt already when the recovery began.

    A step cannot know whether it was carried out before and cut off: its process may have died after RunTask had
    placed a task, and have come back when it is too late. It may not call again then, which would tell, and what it
    sees says little: ECS may not list the task yet, or may not answer. So the end must say that tasks may be there.
    Only where every time that the step can have been carried out was too late is it certain that it never called:
    a record that came too late, which for a job of every five minutes is the common case. Any other step of an
    attempt begins in time, unless something has held it up.
    """
    if progress.turn > 1 or progress.began is None:
        return False
    return (
        _late(replace(progress, elapsed_s=_elapsed(launch, progress.began, progress.began, 0)), tools)
        is not None
    )


def _body(asked: Request | IncompleteRequest, progress: _Progress) -> JsonObject:
    """Return the body of an attempt: as asked, but for what its rung changes."""
    body = request.for_attempt(
        asked,
        missing=progress.missing,
        token=names.client_token(progress.call_id, progress.attempt - progress.before),
        started_by=names.mark_started_by(asked.parameters.get("startedBy"), progress.call_id),
    )
    return ladder.apply(progress.rung, body)


def _elapsed(launch: FailedLaunch, first_look: float, now: float, waited_s: int) -> float:
    """Return the seconds since the failed call: by the clock, and never less than has been waited since.

    A record made by hand asks for a run now, whatever time was typed into it: its age begins at the first look.
    """
    origin = first_look if launch.caller.kind is CallerKind.HAND_MADE else launch.event_time.timestamp()
    return max(now - origin, max(0.0, first_look - origin) + waited_s)


def _called(
    admitted: Request | IncompleteRequest,
    answer: Placed | Refused | Lost,
    progress: _Progress,
    tools: Tools,
) -> None:
    """Tell of a call and its answer, and remember which tasks it placed on which rung."""
    progress.calls += 1
    progress.tried |= {progress.rung}
    said = wire.answer_to_json(answer)
    tools.tell(
        Event.ATTEMPTED,
        attempt=progress.attempt,
        repeat=progress.repeat,
        rung=progress.rung.name,
        answer=said["answer"],
        task_arns=list(answer.task_arns) if isinstance(answer, Placed) else [],
        failures=said["failures"],
        elapsed_s=round(progress.elapsed_s),
        request=request.masked(_body(admitted, progress)),
    )
    if isinstance(answer, Placed):
        # A look may have seen some of them before this answer named them.
        progress.task_arns += tuple(arn for arn in answer.task_arns if arn not in progress.task_arns)
        # Of a conflict nobody can say which rung it names tasks of: the body that ECS has kept for the token may be
        # that of another recovery of the same call.
        if not answer.is_conflict:
            progress.rung_of = {**dict.fromkeys(answer.task_arns, progress.rung), **progress.rung_of}
    _advance(progress, answer)


_Failed = tuple[tuple[Failure, Rung | None], ...]
"""Why tasks did not start, each with the rung that placed it; None if that is not known."""


def _failures(answer: Placed | Refused | Lost, progress: _Progress) -> tuple[Failure, ...]:
    match answer:
        case Placed(is_conflict=True) if progress.last is not None:
            # It names the tasks of an earlier try and says nothing of those it did not place: what was, still is.
            return (progress.last.failure,)
        case Placed(failures=failures):
            # Fewer tasks than asked for and no word why: nothing is known, which is a category.
            return failures or (_NO_ANSWER,)
        case Refused(failure=failure) | Lost(failure=failure):
            return (failure,)


def _strike_answered(
    answer: Placed | Refused | Lost | None, progress: _Progress, tools: Tools
) -> tuple[Failure, ...]:
    """Strike a rung off if the change that it makes seems to be what ECS does not take.

    Returns:
        The failures that are left to decide about. With none, the next rung is tried at once; a refused call has
        done nothing, so it is tried with the same token: should an earlier try have acted after all, ECS says so.
    """
    if answer is None:
        return ()
    failures = _failures(answer, progress)
    verdict = worst([classify(failure) for failure in failures])
    if not _is_blamed(progress.rung, answer, verdict):
        return failures
    _strike(progress.rung, verdict, progress, tools)
    return ()


# What ECS says of the time, and not of what was asked for.
_PASSING = frozenset({Category.THROTTLE, Category.TRANSIENT})


def _is_blamed(rung: Rung, answer: Placed | Refused | Lost, verdict: Verdict) -> bool:
    if rung == AS_ASKED:
        return False
    match answer:
        case Refused():
            return verdict.category not in _PASSING
        case Placed(is_conflict=False):
            return verdict.category not in _PASSING | {Category.CAPACITY}
        case _:
            return False


def _strike_stopped(failures: _Failed, progress: _Progress, tools: Tools) -> tuple[Failure, ...]:
    """Strike off the rungs whose tasks did not start for a reason that waiting cannot help.

    A task that cannot pull its image from an extra subnet says nothing of the request as it was asked. A task that
    somebody stopped, or that may have run, says nothing of its rung: no rung is to blame, and none may start it anew.

    Returns:
        The failures that are left to decide about.
    """
    left = []
    for failure, rung in failures:
        verdict = classify(failure)
        is_blamed = verdict.category not in _PASSING | {Category.CAPACITY} and verdict.row not in HAD_STARTED
        if rung is None or rung == AS_ASKED or not is_blamed:
            left.append(failure)
        elif rung not in progress.struck:
            _strike(rung, verdict, progress, tools)
    return tuple(left)


def _strike(rung: Rung, verdict: Verdict, progress: _Progress, tools: Tools) -> None:
    progress.struck |= {rung}
    tools.tell(
        Event.STRUCK,
        rung=rung.name,
        category=verdict.category.value,
        reason=verdict.failure.reason,
        why="this change of the request is not tried again by this recovery",
    )
    if progress.rung == rung:
        progress.climb()


def _advance(progress: _Progress, answer: Placed | Refused | Lost) -> None:
    """Move on to the next attempt once ECS has answered this one; until then stay at it, with its token.

    A refusal says that this try did nothing. It does not say so of another try with the same token: one whose
    process died before its answer was written down, or one of a second recovery of the same call. Only an answer
    is remembered by ECS and given to everybody who asks with the token again, so only an answer ends an attempt.
    """
    match answer:
        case Placed():
            progress.attempt += 1
            progress.repeat = 0
            progress.is_unsure = False
            progress.tried = frozenset()
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


def _watch(launch: FailedLaunch, progress: _Progress, tools: Tools) -> _Failed:
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
        progress.note(states)
        failed = tuple(s for s in states if s.phase is Phase.FAILED)
        if failed:
            gone = {s.arn for s in failed}
            progress.task_arns = tuple(arn for arn in progress.task_arns if arn not in gone)
            failures = tuple((s.failure or _NO_ANSWER, progress.rung_of.get(s.arn)) for s in failed)
            said = wire.failures_to_json(failure for failure, _ in failures)
            tools.tell(Event.START_FAILED, task_arns=sorted(gone), failures=said)
            _share(launch, [s for s in failed if s.arn in progress.adopted], progress)
            return failures
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
        _treatment(progress, tools),
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
            if verdict.category is Category.CAPACITY:
                # Here there is no room; there may be on the next rung. Everything else comes back where it is.
                progress.climb()
            tools.tell(
                Event.WAITING,
                delay_s=delay_s,
                rule=decision.rule,
                category=verdict.category.value,
                why=decision.why,
                next_attempt=progress.label,
                next_rung=progress.rung.name,
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
    placed = {arn: progress.rung_of[arn] for arn in progress.task_arns if arn in progress.rung_of}
    changing = tuple(dict.fromkeys(rung for rung in placed.values() if rung != AS_ASKED))
    changed = tuple(_changed(placed, progress))
    why = "every task that was asked for is there"
    return Ending(
        outcome=Outcome.ALREADY_RUNNING if is_adopted else Outcome.RECOVERED,
        why="what was asked for was there already, started by somebody else or by the failed call itself"
        if is_adopted
        else f"{why}, started {' and '.join(changed)}"
        if changed
        else why,
        rule="looked" if is_adopted else "placed",
        calls=progress.calls,
        wanted=progress.wanted,
        task_arns=progress.task_arns,
        elapsed_s=progress.elapsed_s,
        last=progress.last,
        rungs=tuple(rung.name for rung in changing),
        changed=changed,
        costs=tuple(
            dict.fromkeys(ladder.COSTS[rung.kind] for rung in changing if rung.kind not in ladder.FREE)
        ),
    )


def _changed(placed: Mapping[str, Rung], progress: _Progress) -> Iterable[str]:
    """Yield a clause for each change that placed tasks, and each zone that they started in."""
    groups = Counter(
        (rung, progress.zone_of.get(arn, "")) for arn, rung in placed.items() if rung != AS_ASKED
    )
    for (rung, zone), number in groups.items():
        clause = ladder.told(rung, progress.shown, zone=zone)
        counted = "1 task" if number == 1 else f"{number} tasks"
        yield clause if progress.wanted == 1 else f"{counted} {clause}"


def _notify(note: Message, tools: Tools) -> None:
    for nth in range(1, _NOTIFY_TRIES + 1):
        error = tools.step(f"notify-{nth}", lambda: {"error": tools.world.notify(note)})["error"]
        if error is None:
            return
        tools.tell(Event.NOT_NOTIFIED, tries=nth, error=error, subject=note.subject)
        if nth < _NOTIFY_TRIES:
            tools.wait(f"notify-wait-{nth}", _NOTIFY_FIRST_WAIT_S * 2 ** (nth - 1))
