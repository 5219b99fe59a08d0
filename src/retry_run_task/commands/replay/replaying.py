"""Which past failures are started again, under which name, and why the others are not. Pure.

A failure without a recovery is started with the name and payload that intake would use, so doing it twice, or a record
that arrives late, starts nothing more. A late launch is sent as hand-made: its deadline counts from now.

A failure whose recovery gave up needs another name, because Lambda remembers the old one for as long as its history,
and other client tokens, because ECS remembers the old ones for a day: with those it would return the old failures
again, attempt for attempt, and after an hour without their reasons.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
Both are derived from the number given with ``--again``, so that the same number twice has the effect of once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from retry_run_task.commands.audit.timetable import as_schedule
from retry_run_task.commands.shared.launchers import is_at
from retry_run_task.commands.shared.view import known_schedule
from retry_run_task.config import read_policy
from retry_run_task.launch import names as identity
from retry_run_task.launch import wire
from retry_run_task.launch.names import MOST_AGAIN, again_name
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.schedule import NoMatch, Schedule, match
from retry_run_task.launch.values import (
    SCHEDULED,
    Caller,
    CallerKind,
    FailedLaunch,
    IncompleteRequest,
    Origin,
    Outcome,
)
from retry_run_task.policy.scope import ScopeDecision
from retry_run_task.recovery.case import NO_SCHEDULE, case_of
from retry_run_task.recovery.forecast import forecast
from retry_run_task.recovery.ports import Background
from retry_run_task.sources.schedules import next_due

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from datetime import datetime

    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.commands.shared.installation import Installation
    from retry_run_task.commands.shared.inventory import Launcher, Launchers
    from retry_run_task.commands.shared.view import Execution, RecoveryView
    from retry_run_task.policy.rules import Policy
    from retry_run_task.recovery.case import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayInput:
    """The input of a plan.

    Attributes:
        views: What those that gave up had done, by name.
        launchers: Rules and schedules; what could not be read of them is a gap.
        again: Number of the further try of recoveries that gave up; 0 for none.
        is_stopped_wanted: Whether a run is started, too, whose recovery a person stopped.
    """

    installation: Installation
    executions: Mapping[str, Execution]
    views: Mapping[str, RecoveryView]
    calls: Sequence[RunTaskCall]
    launchers: Launchers
    now: datetime
    is_late_wanted: bool = False
    again: int = 0
    is_stopped_wanted: bool = False
    policy: Policy = field(default_factory=read_policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStep:
    """The plan for one past failure. ``why_not`` is empty if a recovery is started.

    ``launch`` is as its recovery would get it; its request may hold secrets.
    """

    launch: FailedLaunch = field(repr=False)
    schedule: str
    name: str
    why_not: str = ""
    note: str = ""

    @property
    def payload(self) -> str:
        """The payload of the recovery."""
        return wire.canonical(wire.launch_to_json(self.launch))


def next_again(stack: str, launch: FailedLaunch, there: Container[str]) -> int:
    """Return the number of the next further recovery of a launch, given the existing names."""
    return next(
        (n for n in range(1, MOST_AGAIN) if again_name(stack, launch, n) not in there),
        MOST_AGAIN,
    )


def again_call(launch: FailedLaunch, number: int) -> FailedLaunch:
    """Return a launch with client tokens and a ``startedBy`` of its own."""
    digest = hashlib.sha256(f"again\0{launch.call_id}\0{number}".encode()).hexdigest()
    return replace(launch, call_id=digest[:32])


def plan(launches: Sequence[FailedLaunch], facts: ReplayInput) -> tuple[ReplayStep, ...]:
    """Return the plan for each failure, the oldest first."""
    schedules = [(one, as_schedule(one)) for one in facts.launchers.found]
    calls_seen: set[str] = set()
    steps = []
    for launch in sorted(launches, key=lambda one: (one.event_time, one.event_id)):
        if launch.call_id in calls_seen:
            step = _skip(launch, facts, "it is another record of a call that is here already")
        else:
            step = _step(launch, facts, schedules)
        calls_seen.add(launch.call_id)
        steps.append(step)
    return tuple(steps)


def _step(
    launch: FailedLaunch, facts: ReplayInput, schedules: Sequence[tuple[Launcher, Schedule]]
) -> ReplayStep:
    there = [schedule for one, schedule in schedules if is_at(one, launch.account, launch.region)]
    maker = match(launch, there) if launch.caller.kind in SCHEDULED else NoMatch(why="")
    for reason in (_out_of_scope, _in_hand, _hopeless, _done_already, _unwanted_late):
        why_not = reason(launch, facts, maker)
        if why_not:
            return _skip(launch, facts, why_not)
    wanted, name = _named(launch, facts)
    notes = []
    late = _too_late(launch, facts, maker)
    if late:
        # A hand-made record asks for a run now, and so does --even-late.
        wanted = replace(wanted, caller=Caller(kind=CallerKind.HAND_MADE, role_arn=launch.caller.role_arn))
        notes.append(late)
    if isinstance(launch.request, IncompleteRequest):
        notes.append(
            "CloudTrail hides a part of the request; recover takes it from the schedule, or gives up"
        )
    return ReplayStep(
        launch=wanted,
        schedule=maker.name if isinstance(maker, Schedule) else known_schedule(launch),
        name=name,
        note="; ".join(notes),
    )


def _skip(launch: FailedLaunch, facts: ReplayInput, why_not: str) -> ReplayStep:
    return ReplayStep(
        launch=launch,
        schedule=known_schedule(launch),
        name=_first_name(launch, facts),
        why_not=why_not,
    )


def _out_of_scope(launch: FailedLaunch, facts: ReplayInput, _: Schedule | NoMatch) -> str:
    judgement = facts.installation.scope.judge(launch)
    return "" if judgement.decision is ScopeDecision.RECOVER else judgement.why


def _first_name(launch: FailedLaunch, facts: ReplayInput) -> str:
    """Return the name that intake gives to a launch's recovery, or to the report of it."""
    is_reported = None if not facts.installation.recover_errors else False
    return identity.recovery_name_of(facts.installation.stack, launch, is_reported=is_reported)


def _known(launch: FailedLaunch, facts: ReplayInput) -> list[Execution]:
    """Return the recoveries of a launch: the first, and those that were started again."""
    stack = facts.installation.stack
    names = [again_name(stack, launch, number) for number in range(1, MOST_AGAIN + 1)]
    names = [_first_name(launch, facts), *names]
    return [facts.executions[name] for name in names if name in facts.executions]


def _named(launch: FailedLaunch, facts: ReplayInput) -> tuple[FailedLaunch, str]:
    """Return the launch as its recovery gets it, and the recovery's name."""
    stack = facts.installation.stack
    if not _known(launch, facts):
        return launch, _first_name(launch, facts)
    return again_call(launch, facts.again), again_name(stack, launch, facts.again)


def _in_hand(launch: FailedLaunch, facts: ReplayInput, _: Schedule | NoMatch) -> str:
    """Return how far a launch's recoveries have come, if that is a reason to start no other."""
    known = _known(launch, facts)
    why_not = next(filter(None, (_unfinished(one, facts) for one in known)), "")
    if why_not or not known:
        return why_not
    if known[-1].status == "STOPPED" and not facts.is_stopped_wanted:
        view = facts.views[known[-1].name]
        return (
            f"a person stopped its recovery{f' ({view.why})' if view.why else ''}; --stopped starts it, too"
        )
    if not facts.again:
        ending = facts.views[known[-1].name].outcome or known[-1].status
        return f"its recovery gave up ({ending}); {_again(len(known))}"
    if again_name(facts.installation.stack, launch, facts.again) in facts.executions:
        return f"it was started again before, and gave up again; {_again(facts.again + 1)}"
    return ""


def _again(number: int) -> str:
    if number > MOST_AGAIN:
        return f"{MOST_AGAIN} further tries are the most, so start the task by hand"
    return f"--again {number} starts another"


def _unfinished(execution: Execution, facts: ReplayInput) -> str:
    """Return why another recovery beside this one could start a second task; empty if it could not."""
    if execution.is_open:
        return "its recovery is in progress"
    if execution.status == "SUCCEEDED":
        return "its recovery ended well"
    view = facts.views.get(execution.name)
    if view is None:
        return "what its recovery has done cannot be read"
    if view.task_arns:
        task = view.task_arns[0].rsplit("/", 1)[-1]
        return f"its recovery had placed the task {task} before it ended; look whether that has run"
    if view.is_unsure:
        return "a call of its recovery was not answered, so the task may have run; look before you start it"
    return ""


def _hopeless(launch: FailedLaunch, facts: ReplayInput, maker: Schedule | NoMatch) -> str:
    refusal = _case(launch, facts, maker).refusal
    return f"a recovery would end at once: {refusal.why}" if refusal is not None else ""


def _case(launch: FailedLaunch, facts: ReplayInput, maker: Schedule | NoMatch) -> Case:
    found = NO_SCHEDULE if isinstance(maker, NoMatch) else _background(launch, maker)
    return case_of(launch, facts.policy, found, recover_errors=facts.installation.recover_errors)


def _background(launch: FailedLaunch, maker: Schedule) -> Background:
    due = next_due(maker, launch.due_by)
    return Background(
        name=maker.name,
        arn=maker.arn,
        due=launch.event_time.timestamp() if maker.expression is not None else None,
        next_due=due.timestamp() if due else None,
        event_age_s=maker.event_age_s,
        is_scheduled=maker.expression is not None,
    )


def _done_already(launch: FailedLaunch, facts: ReplayInput, maker: Schedule | NoMatch) -> str:
    """Return which later call or task did the launch's work; empty if none was recorded."""
    own = identity.own_started_by(launch)
    for call in facts.calls:
        if not call.placed or call.time < launch.event_time:
            continue
        if not is_at(call, launch.account, launch.region):
            continue
        if call.is_ours and call.started_by == own:
            return f"a recovery has started its task at {call.time:%Y-%m-%d %H:%M:%S} UTC"
        is_same = (
            call.failed is None
            and call.time > launch.event_time
            and call.caller.kind is launch.caller.kind
            and launch.caller.kind in SCHEDULED
            and launch.caller.role_arn in (None, call.caller.role_arn)
            and (call.cluster, call.family)
            == (cluster_name(launch.request.parameters), family(launch.request.parameters))
            and call.started_by == str(launch.request.parameters.get("startedBy") or "")
        )
        # A rule on events has a run for each event, and another event's run does not do this one's work.
        if is_same and not (isinstance(maker, Schedule) and maker.expression is None):
            return f"its schedule has run since, at {call.time:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _too_late(launch: FailedLaunch, facts: ReplayInput, maker: Schedule | NoMatch) -> str:
    """Return why a recovery would end at once because it is too late; empty if it would not."""
    foreseen = forecast(_case(launch, facts, maker), facts.now.timestamp())
    is_late = foreseen.gave_up is not None and foreseen.gave_up.outcome in (
        Outcome.EXPIRED,
        Outcome.SUPERSEDED,
    )
    return foreseen.why if is_late else ""


def _unwanted_late(launch: FailedLaunch, facts: ReplayInput, maker: Schedule | NoMatch) -> str:
    """Return why a late run is not started; empty if it is not late, or wanted nevertheless."""
    late = _too_late(launch, facts, maker)
    if not late:
        return ""
    if not facts.is_late_wanted:
        return f"{late}; --even-late starts it anyway"
    if isinstance(launch.request, IncompleteRequest):
        return f"{late}, and a part of its request is hidden, which a late run cannot get; start it by hand"
    if any(one.origin is Origin.ERROR for one in launch.failures):
        return f"{late}, and a call that raised an error is not made again so late; start it by hand"
    return ""
