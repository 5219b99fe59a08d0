"""What would be done about a failed launch or a single text of AWS's, and why, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retry_run_task.failures.classify import classify, worst
from retry_run_task.failures.pasted import read_text
from retry_run_task.launch import names, request, wire
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import (
    SCHEDULED,
    Category,
    FailedLaunch,
    IncompleteRequest,
    Outcome,
    Phase,
    TaskState,
)
from retry_run_task.policy import attempt_times
from retry_run_task.policy.decision import GiveUp, Retry, decide
from retry_run_task.policy.rules import Facts
from retry_run_task.policy.scope import Scope, ScopeDecision
from retry_run_task.recovery.case import case_of
from retry_run_task.recovery.forecast import Forecast, forecast
from retry_run_task.text import iso

if TYPE_CHECKING:
    from retry_run_task.aws.port import Survey
    from retry_run_task.launch.values import JsonObject, Verdict
    from retry_run_task.policy import rules as policies
    from retry_run_task.policy.rules import Policy
    from retry_run_task.policy.scope import Judgement
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.ports import Background

Look = Callable[[FailedLaunch], "Survey | str"]
"""Returns what a recovery would find, or one sentence that says why it cannot be looked for from here."""


def explain_launch(
    launch: FailedLaunch,
    scope: Scope,
    look: Look | None = None,
    *,
    policy: Policy,
    now: float | None = None,
    stack: str = "retry-run-task",
) -> JsonObject:
    """Return everything that would be decided about a failed launch, with environment values masked.

    ``look`` finds out what a recovery would find in the account; without one (None), rules for a schedule or a tag
    match nothing. ``now`` is in seconds since 1970; None does not ask whether it is too late by now.
    """
    judgement = scope.judge(launch)
    verdicts = [classify(f) for f in launch.failures]
    verdict = worst(verdicts)
    seen = look(launch) if look is not None and judgement.decision is ScopeDecision.RECOVER else None
    survey, not_read = (None, seen) if isinstance(seen, str) else (seen, "")
    case = case_of(launch, policy, _found(survey))
    handling = case.handlings[verdict.category]
    foreseen = _foreseen(case, judgement, survey, not_read)
    decision = foreseen.decision
    return {
        "event_id": launch.event_id,
        "event_time": iso(launch.event_time),
        "account": launch.account,
        "region": launch.region,
        "caller": {"kind": launch.caller.kind.value, "role_arn": launch.caller.role_arn},
        "asked": request.asked(launch.request),
        "placed": len(launch.placed),
        "in_scope": judgement.decision is not ScopeDecision.IGNORE,
        "why": judgement.why,
        "category": verdict.category.value,
        "rule": foreseen.rule,
        "decision": decision,
        "next": foreseen.why,
        "too_late": decision == "retry" and now is not None and _is_too_late(case, now),
        "rungs": [rung.name for rung in dict.fromkeys(case.rungs)] if decision == "retry" else [],
        "hint": verdict.hint,
        "failures": [_verdict(v) for v in verdicts],
        "recovery": names.recovery_name_of(
            stack, launch, is_reported=judgement.decision is ScopeDecision.REPORT
        ),
        "missing": list(getattr(launch.request, "missing", ())),
        "schedule": _schedule(launch, survey, handling) if survey else None,
        "there": _there(survey) if survey else None,
        "not_read": not_read or None,
        "request": request.masked(foreseen.request) if foreseen.request is not None else None,
    }


def _found(survey: Survey | None) -> Background | NoMatch:
    if survey is None:
        return NoMatch(why="the account was not looked at")
    return survey.found


def _is_too_late(case: Case, now: float) -> bool:
    """Tell whether a recovery that began now would end at once, since the run is no longer wanted."""
    gave_up = forecast(case, now).gave_up
    return gave_up is not None and gave_up.outcome in (Outcome.EXPIRED, Outcome.SUPERSEDED)


def _foreseen(case: Case, judgement: Judgement, survey: Survey | None, not_read: str) -> Forecast:
    """Return what would be decided as soon as the call had failed, and what follows."""
    launch = case.launch
    if judgement.decision is ScopeDecision.IGNORE:
        return Forecast(decision="ignore", rule="scope", why="nothing")
    is_unread = (
        isinstance(launch.request, IncompleteRequest) and survey is None and launch.caller.kind in SCHEDULED
    )
    if is_unread and case.refusal is not None and case.refusal.rule == "whole-requests-only":
        missing = ", ".join(getattr(launch.request, "missing", ()))
        why = (
            "recover looks for the rule or schedule that made the call; unless that is found for certain and tells "
            f"what is missing ({missing}), a message is sent. "
            + ("It could not be looked for now" if not_read else "--aws looks for it now")
        )
        return Forecast(decision="give-up", rule="whole-requests-only", why=why)
    if survey is not None and survey.refused and case.refusal is None:
        return Forecast(
            decision="give-up", rule="whole-requests-only", why=f"a message is sent: {survey.refused}"
        )
    there = (
        () if survey is None else tuple(TaskState(arn=arn, phase=Phase.RUNS) for arn in survey.existing_tasks)
    )
    foreseen = forecast(case, launch.event_time.timestamp(), there)
    follows = {"nothing": "nothing: ", "ignore": "nothing: ", "give-up": "a message is sent: ", "retry": ""}
    decision = "ignore" if foreseen.decision == "nothing" else foreseen.decision
    return replace(foreseen, decision=decision, why=f"{follows[foreseen.decision]}{foreseen.why}")


def _schedule(launch: FailedLaunch, survey: Survey, handling: policies.Handling) -> JsonObject:
    """Return which schedule was matched and how, what is read from it, and until when the run is wanted."""
    tags = {"tag": survey.found.tags.policy or None, "tags_unread": list(survey.found.tags.unread)}
    if survey.schedule is None:
        return {"name": None, "why": survey.why, **tags}
    due, deadline_s = survey.schedule.next_due, handling.deadline_s
    if due is not None:
        until_due_s = (due - launch.event_time.timestamp()) * handling.interval_share
        deadline_s = min(deadline_s, until_due_s)
    return {
        "name": survey.schedule.name,
        "arn": survey.schedule.arn,
        "why": survey.why,
        "values_read": list(survey.variables) if isinstance(launch.request, IncompleteRequest) else [],
        "next_due": iso(datetime.fromtimestamp(due, UTC)) if due is not None else None,
        "deadline": iso(launch.event_time + timedelta(seconds=deadline_s)),
        **tags,
    }


def _there(survey: Survey) -> JsonObject:
    return {
        "looked_for": list(survey.looked_for),
        "found": list(survey.existing_tasks),
        "read_failure": survey.read_failure or None,
    }


def explain_text(reason: str, code: str | None, policy: Policy, *, stopped: bool) -> JsonObject:
    """Return what a text of AWS's is taken for, its category, and what the policy does after it."""
    pasted = read_text(reason, code=code, stopped=stopped)
    return {"taken_for": pasted.taken_for} | explain_verdict(classify(pasted.failure), policy)


def explain_verdict(verdict: Verdict, policy: Policy) -> JsonObject:
    """Return the category of a failure, and what the policy does after its first occurrence."""
    handling = policy.handling(Facts(), verdict.category)
    decision = decide(handling, verdict, nth=0, elapsed_s=0, seed="explain")
    words: tuple[str, str]
    match decision:
        case Retry():
            words = "retry", f"RunTask, soon; it {attempt_times.in_words(handling, verdict.failure)}"
        case GiveUp(outcome=Outcome.IGNORED):
            words = "ignore", "nothing: the policy ignores such launches"
        case GiveUp(why=why):
            words = "give-up", f"a message is sent: {why}"
    kinds = [kind.value for kind in handling.rungs] if verdict.category is Category.CAPACITY else []
    return {
        **_verdict(verdict),
        "rule": handling.rule,
        "decision": words[0],
        "next": words[1],
        "rungs": kinds if words[0] == "retry" else [],
    }


def _verdict(verdict: Verdict) -> JsonObject:
    (failure,) = wire.failures_to_json([verdict.failure])
    return {
        "reason": "",
        "code": None,
        **failure,
        "category": verdict.category.value,
        "row": verdict.row,
        "hint": verdict.hint,
        "evidence": list(verdict.evidence),
    }
