"""Before the first look: assume the role in the launch's account, and find the schedule that made the call.

Throttles and transient errors are retried until the run is no longer wanted, for at most a day. A search for the
schedule that fails for an unknown reason is repeated three times; any other error is final. These waits do not count
as waits of the recovery: its age is read off the clock at the first look. Their durable operations count.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import wire
from retry_run_task.launch.schedule import NO_TAGS, NoMatch, Tags
from retry_run_task.launch.values import SCHEDULED, CallerKind, Category, Failure, Origin, Outcome
from retry_run_task.policy.decision import GiveUp, past_deadline
from retry_run_task.policy.rules import facts_of
from retry_run_task.recovery.answers import PASSING
from retry_run_task.recovery.case import case_of
from retry_run_task.recovery.crowd import ALONE, Crowd
from retry_run_task.recovery.events import crowd_to_json
from retry_run_task.recovery.lines import of_pause, of_schedule, words_of
from retry_run_task.recovery.ports import Background
from retry_run_task.recovery.steps import step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retry_run_task.launch.values import FailedLaunch, JsonObject
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.ports import Tools

# A read that fails for the moment is retried 15, 30, 60, 120, 240, 300, 300, ... s apart.
FIRST_WAIT_S, LONGEST_WAIT_S = 15, 300

# A week of such reads, which a policy may allow, would be more operations than an execution has.
_TRIED_FOR_S = 86_400

# An unknown error may pass or not. Without the schedule, its tags and its next run are not known either.
_UNKNOWN_TRIES = 3


def is_passing(failure: Failure) -> bool:
    """Tell whether a failed read should simply be retried."""
    return classify(failure).category in PASSING


def _is_unknown(failure: Failure) -> bool:
    return classify(failure).category is Category.UNKNOWN


_NOTHING_KNOWN = NoMatch(why="AWS has recorded nothing of the request that it could be found by")


def open_case(launch: FailedLaunch, tools: Tools) -> Case | GiveUp:
    """Return what is known about a launch, or the end of its recovery if that cannot be found out."""
    is_error = any(failure.origin is Origin.ERROR for failure in launch.failures)
    entering = 0
    if tools.entrance is not None and not (is_error and not tools.recover_errors):
        # A failure that is only reported needs no access to the account, nor the names and tags there.
        entered = _enter(launch, tools)
        if isinstance(entered, GiveUp):
            return entered
        entering = entered
    elif tools.entrance is not None:
        return case_of(launch, tools.policy)
    if launch.caller.kind not in SCHEDULED:
        return case_of(launch, tools.policy, recover_errors=tools.recover_errors, operations=entering)
    if not launch.request.parameters:
        return case_of(launch, tools.policy, _NOTHING_KNOWN)
    searched = _find_schedule(launch, tools)
    if isinstance(searched, GiveUp):
        return searched
    found, now, finding, crowd = searched
    tools.log(of_schedule(found, tools.policy))
    return case_of(
        launch,
        tools.policy,
        found,
        now=now,
        recover_errors=tools.recover_errors,
        operations=entering + finding,
        crowd=crowd,
    )


def _enter(launch: FailedLaunch, tools: Tools) -> GiveUp | int:
    """Return how many operations it took to assume the role in the launch's account, or the end if that failed."""
    entrance = tools.entrance
    assert entrance is not None  # noqa: S101 - for mypy

    def ask() -> JsonObject:
        failure = entrance.enter()
        return {"failures": wire.failures_to_json([failure])} if failure else {}

    what = f"{entrance.role_arn} cannot be assumed"
    answer, used = _until_answered(launch, tools, ask, name="enter-account", rule="member-role", what=what)
    failures = wire.failures_from_json(answer.get("failures", ()))
    return _shut_out(launch, entrance.role_arn, failures[0]) if failures else used


def _until_answered(
    launch: FailedLaunch,
    tools: Tools,
    ask: Callable[[], JsonObject],
    *,
    name: str,
    rule: str,
    what: str,
    unknown_tries: int = 0,
) -> tuple[JsonObject, int]:
    """Ask in a step, and retry while the failure is passing and the run is still wanted.

    Returns the last answer, and the number of durable operations used.
    """
    first = worst([classify(failure) for failure in launch.failures])
    handling = tools.policy.handling(facts_of(launch), first.category)
    by_hand = launch.caller.kind is CallerKind.HAND_MADE
    # A record may be from the future, if its writer or a clock says so: that must not make the day longer.
    began = math.inf if by_hand else launch.event_time.timestamp()
    nth = 1
    while True:
        answer = step(tools, f"{name}-{nth}", lambda _: {**_seen(tools), **ask()})
        began = min(began, answer["now"])
        failure = next(iter(wire.failures_from_json(answer.get("failures", ()))), None)
        if failure is None or not (is_passing(failure) or (_is_unknown(failure) and nth <= unknown_tries)):
            return answer, 2 * nth - 1
        tried_s = answer["now"] - began
        if tried_s > _TRIED_FOR_S or past_deadline(handling, tried_s) is not None:
            return answer, 2 * nth - 1
        delay_s = min(FIRST_WAIT_S * 2 ** (nth - 1), LONGEST_WAIT_S)
        why = f"{what} yet: {words_of(failure)}"
        category = classify(failure).category
        tools.log([of_pause(delay_s=delay_s, rule=rule, category=category, why=why)])
        tools.wait(f"{name}-wait-{nth}", delay_s)
        nth += 1


def _seen(tools: Tools) -> JsonObject:
    return {"now": tools.aws.now(), **crowd_to_json(tools.crowd.size())}


def _shut_out(launch: FailedLaunch, role_arn: str, failure: Failure) -> GiveUp:
    return GiveUp(
        outcome=Outcome.PERMANENT,
        rule="member-role",
        why=f"it happened in account {launch.account}, and recover cannot assume {role_arn} there "
        f"({words_of(failure)})",
        hint=f"Deploy infra/member.yaml in account {launch.account}, with this stack's account, name and "
        "external id; then start the run by hand.",
    )


def _find_schedule(
    launch: FailedLaunch, tools: Tools
) -> tuple[Background | NoMatch, float, int, Crowd] | GiveUp:
    """Find what made the call, with its name, times and tags.

    Returns:
        It, the time of the search, the number of durable operations used, and what is known about other recoveries;
        or the end of the recovery.
    """
    answer, used = _until_answered(
        launch,
        tools,
        lambda: _to_json(tools.aws.find_schedule(launch)),
        name="find-schedule",
        rule="find-schedule",
        what="the rules and schedules cannot be read",
        unknown_tries=_UNKNOWN_TRIES,
    )
    found = found_from_json(answer)
    crowd = Crowd(answer["crowd"]) if "crowd" in answer else ALONE
    if not isinstance(found, Failure):
        return found, answer["now"], used, crowd
    if is_passing(found):
        return _unreadable(found)
    return (
        NoMatch(why=f"the rules and schedules cannot be read: {words_of(found)}"),
        answer["now"],
        used,
        crowd,
    )


def _unreadable(failure: Failure) -> GiveUp:
    return GiveUp(
        outcome=Outcome.EXPIRED,
        rule="find-schedule",
        why=f"the rules and schedules could not be read until it was too late ({words_of(failure)})",
        hint="Start the run by hand, unless the schedule's next run has done its work.",
    )


def _to_json(found: Background | NoMatch | Failure) -> JsonObject:
    if isinstance(found, Failure):
        return {"failures": wire.failures_to_json([found])}
    tags = found.tags
    about: JsonObject = {} if tags == NO_TAGS else {"tags": [tags.policy, tags.ignore, list(tags.unread)]}
    if isinstance(found, NoMatch):
        return {"why": found.why, **about, **({"is_role_used": True} if found.is_role_used else {})}
    return {
        "name": found.name,
        "arn": found.arn,
        "due": found.due,
        "next_due": found.next_due,
        "event_age_s": found.event_age_s,
        "is_scheduled": found.is_scheduled,
        **({"visible": dict(found.visible)} if found.visible else {}),
        **about,
    }


def found_from_json(result: Mapping[str, Any]) -> Background | NoMatch | Failure:
    """Return what a search for the schedule found, from the result of its step."""
    if "failures" in result:
        return wire.failures_from_json(result["failures"])[0]
    policy, ignore, unread = result.get("tags", ("", False, ()))
    tags = Tags(policy=policy, ignore=ignore, unread=tuple(unread))
    values = {name: value for name, value in result.items() if name not in ("now", "crowd")} | {"tags": tags}
    return NoMatch(**values) if "why" in values else Background(**values)
