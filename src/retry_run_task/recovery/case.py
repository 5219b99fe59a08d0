"""What a recovery knows about a launch before its first look: whether it may be retried, and under which rules.

Pure. ``opening`` reads the account and calls ``case_of``; commands that forecast a recovery call it, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import names
from retry_run_task.launch import request as requests
from retry_run_task.launch.schedule import EVERYTHING_ELSE, SPOT_INTERRUPTION, NoMatch
from retry_run_task.launch.values import SCHEDULED, Category, Origin, Outcome, Request
from retry_run_task.policy import backoff, ladder
from retry_run_task.policy.decision import GiveUp, ignored, open_with, past_deadline
from retry_run_task.policy.rules import Overlap, facts_of
from retry_run_task.recovery.crowd import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import FailedLaunch, Verdict
    from retry_run_task.policy.ladder import Rung
    from retry_run_task.policy.rules import Facts, Handling, Policy
    from retry_run_task.recovery.crowd import Crowd
    from retry_run_task.recovery.ports import Background


NO_SCHEDULE = NoMatch(why="neither a rule nor a schedule made this call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a recovery knows; it never changes.

    Attributes:
        handlings: What the policy says for each category, for this launch.
        shown: The known part of the request, for the ladder.
        rungs: A round of the ladder; the original request comes before each of its subnets.
        first: The failure of the original call that decides what follows.
        call_id: What client tokens and ``startedBy`` are derived from.
        next_due: When the schedule's next run is due, in seconds since 1970; None if not known.
        has_one_run: Whether tasks with the caller's ``startedBy`` are certain to do this launch's work: it has one
            schedule, found for certain, that runs by the clock.
        hold_s: How long EventBridge itself may still retry the call, in whole seconds.
        spread_s: The launch's own share of the policy's spread, in whole seconds.
        refusal: Why RunTask must not be called at all; None if it may be.
    """

    launch: FailedLaunch
    policy: Policy
    found: Background | NoMatch
    facts: Facts
    handlings: Mapping[Category, Handling]
    shown: Mapping[str, Any]
    rungs: tuple[Rung, ...]
    first: Verdict
    wanted: int
    call_id: str
    next_due: float | None
    has_one_run: bool
    hold_s: int
    spread_s: int
    operations: int
    refusal: GiveUp | None
    crowd: Crowd = ALONE

    @property
    def skips_overlap(self) -> bool:
        """Whether nothing is started while an earlier run of the schedule is still going."""
        return self.handlings[self.first.category].overlap is Overlap.SKIP

    @property
    def next_due_s(self) -> float | None:
        """Seconds from the failed call to the schedule's next run; None if not known."""
        return None if self.next_due is None else self.next_due - self.launch.event_time.timestamp()


def case_of(
    launch: FailedLaunch,
    policy: Policy,
    found: Background | NoMatch = NO_SCHEDULE,
    *,
    now: float | None = None,
    recover_errors: bool = False,
    operations: int = 0,
    crowd: Crowd = ALONE,
) -> Case:
    """Return what is known about a launch.

    ``now`` is in seconds since 1970, None for the time of the failed call; ``operations`` are the durable operations
    used before.
    """
    schedule = None if isinstance(found, NoMatch) else found
    facts = facts_of(launch, schedule=schedule.name if schedule else "", policy=found.tags.policy)
    handlings = {category: policy.handling(facts, category) for category in Category}
    first = worst([classify(failure) for failure in launch.failures])
    shown = _shown(launch, found)
    case = Case(
        launch=launch,
        policy=policy,
        found=found,
        facts=facts,
        handlings=handlings,
        shown=shown,
        rungs=ladder.round_of(ladder.rungs_for(handlings[Category.CAPACITY].allowed, shown)),
        first=first,
        wanted=requests.asked(launch.request) - len(launch.placed),
        call_id=_call_id(launch, schedule, first),
        next_due=schedule.next_due if schedule else None,
        has_one_run=schedule is not None and schedule.is_scheduled,
        hold_s=_hold_s(launch, schedule, first, now),
        spread_s=backoff.spread(policy.spread_s, f"{launch.call_id}/spread"),
        operations=operations,
        refusal=None,
        crowd=crowd,
    )
    return replace(case, refusal=_refusal(case, recover_errors=recover_errors))


def _call_id(launch: FailedLaunch, schedule: Background | None, first: Verdict) -> str:
    # EventBridge retries a call that raised an error, and CloudTrail records each try: one run, several launches.
    if first.failure.origin is Origin.ERROR and schedule is not None and schedule.due is not None:
        return names.run_identity(schedule.arn, schedule.due)
    return launch.call_id


def _hold_s(launch: FailedLaunch, schedule: Background | None, first: Verdict, now: float | None) -> int:
    if first.failure.origin is not Origin.ERROR or schedule is None:
        return 0
    age = 0.0 if now is None else now - launch.event_time.timestamp()
    # A record dated in the future must not make it wait longer than EventBridge keeps retrying.
    return max(0, min(round(schedule.event_age_s - age), schedule.event_age_s))


def _shown(launch: FailedLaunch, found: Background | NoMatch) -> Mapping[str, Any]:
    request = launch.request
    is_recorded = isinstance(request, Request) or EVERYTHING_ELSE not in request.missing
    if is_recorded or isinstance(found, NoMatch):
        return request.parameters
    return {**found.visible, **request.parameters}


_IGNORED_BY_TAG = GiveUp(
    outcome=Outcome.IGNORED,
    rule="tag",
    why="a tag of its rule, its schedule's group or its task definition says to ignore it",
)


def _refusal(case: Case, *, recover_errors: bool) -> GiveUp | None:
    """Say why RunTask must not be called at all; None if it may be."""
    handling = case.handlings[case.first.category]
    if handling.ignore:
        return ignored(handling)
    if case.found.tags.ignore:
        return _IGNORED_BY_TAG
    # A task that Spot interrupted has usually run, so the table rightly does not call it a failed launch. Intake
    # accepts one only if the stack is configured to.
    is_spot = case.first.failure.code == SPOT_INTERRUPTION
    permanent = None if is_spot else open_with(handling, case.first)
    thrown = _thrown(case, recover_errors=recover_errors)
    return permanent or thrown or _unproven(case) or _not_whole(case) or _too_long(case)


def _unproven(case: Case) -> GiveUp | None:
    """Return the end of a recovery if nothing but the call itself says that a schedule made it."""
    caller, found = case.launch.caller, case.found
    if caller.is_proven or not isinstance(found, NoMatch) or found.is_role_used:
        return None
    used = f"none that calls with {caller.role_arn}" if caller.role_arn else "none that fits the task"
    return GiveUp(
        outcome=Outcome.REFUSED,
        rule="caller",
        why=f"only the call itself says that a schedule made it, and {used} was found ({found.why})",
        hint="If the run is still wanted, start it by hand.",
    )


def _thrown(case: Case, *, recover_errors: bool) -> GiveUp | None:
    if case.first.failure.origin is not Origin.ERROR:
        return None
    why = "RunTask raised an error, which the caller has seen and may be retrying itself"
    if recover_errors:
        if not isinstance(case.found, NoMatch) and case.found.due is not None:
            return None
        why += "; its schedule and run cannot be identified, so two calls for it could start it twice"
    return GiveUp(outcome=Outcome.PERMANENT, rule="errors", why=why, hint=case.first.hint)


def _not_whole(case: Case) -> GiveUp | None:
    request = case.launch.request
    if isinstance(request, Request):
        return None
    missing = ", ".join(request.missing)
    if case.launch.caller.kind not in SCHEDULED or not request.parameters:
        return incomplete(f"AWS has not recorded all of the request: {missing}")
    if isinstance(case.found, NoMatch):
        return incomplete(f"AWS has not recorded all of the request ({missing}), and {case.found.why}")
    return None


def incomplete(why: str) -> GiveUp:
    """Return the end of a recovery whose request cannot be completed."""
    return GiveUp(
        outcome=Outcome.REFUSED,
        rule="whole-requests-only",
        why=f"{why}; a task that runs with parts of its configuration missing does more harm "
        "than one that does not run",
        hint="Start the run by hand, with the values that the schedule has.",
    )


def _too_long(case: Case) -> GiveUp | None:
    """Return the end if EventBridge keeps retrying the call for longer than the run is wanted."""
    if case.first.failure.origin is not Origin.ERROR or isinstance(case.found, NoMatch):
        return None
    return past_deadline(case.handlings[case.first.category], case.found.event_age_s, case.next_due_s)
