"""``explain``: what would be done about an event, a record, or a single text of AWS's, and why."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import options, record_files, talk
from retry_run_task.commands.shared.talk import shown
from retry_run_task.config import read_policy
from retry_run_task.failures.classify import classify, worst
from retry_run_task.failures.pasted import read_text
from retry_run_task.launch import names, request, wire
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import (
    SCHEDULED,
    CallerKind,
    Category,
    FailedLaunch,
    Ignored,
    IncompleteRequest,
    Outcome,
    Phase,
    TaskState,
)
from retry_run_task.policy import attempt_times
from retry_run_task.policy.decision import GiveUp, Retry, decide
from retry_run_task.policy.rules import Facts
from retry_run_task.policy.scope import DEFAULT_CALLERS, NEVER, Scope, ScopeDecision
from retry_run_task.recovery.case import case_of
from retry_run_task.recovery.forecast import Forecast, forecast
from retry_run_task.text import counted, iso

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from retry_run_task.aws.port import Survey
    from retry_run_task.launch.values import JsonObject, Verdict
    from retry_run_task.policy import rules as policies
    from retry_run_task.policy.rules import Policy
    from retry_run_task.policy.scope import Judgement
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.ports import Background

Look = Callable[[FailedLaunch], "Survey | None"]
"""Returns what a recovery would find; None if it cannot be looked for from here."""


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=record_files.FILES)
@click.option("--reason", metavar="TEXT", help="Explain a single text instead of a file, as you found it.")
@click.option(
    "--code", metavar="CODE", help="The error's code or the task's stop code, if the text does not hold it."
)
@click.option("--stopped", is_flag=True, help="Take the text for a task's stopped reason.")
@click.option(
    "--caller",
    "callers",
    multiple=True,
    type=click.Choice(sorted(k.value for k in CallerKind if k not in NEVER)),
    help="Whose calls count as in scope; may be given several times.  [default: rule, scheduler, hand-made]",
)
@click.option("--cluster", "clusters", multiple=True, metavar="GLOB", help="Clusters in scope.  [default: *]")
@click.option(
    "--task-definition",
    "task_definitions",
    multiple=True,
    metavar="GLOB",
    help="Families in scope.  [default: *]",
)
@click.option("--account", default="", metavar="ID", help="Only records of this account are in scope.")
@click.option(
    "--region", "regions", multiple=True, metavar="REGION", help="Only records of this Region are in scope."
)
@click.option(
    "--aws",
    "use_aws",
    is_flag=True,
    help="Look in the account for the schedule and for tasks that are there already. Reads only.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(),
    metavar="FILE",
    help="The policy to decide by.  [default: the one in this package]",
)
@options.as_json
def explain(  # noqa: PLR0913, PLR0917 - one parameter an option
    files: tuple[Path, ...],
    reason: str | None,
    code: str | None,
    stopped: bool,
    callers: tuple[str, ...],
    clusters: tuple[str, ...],
    task_definitions: tuple[str, ...],
    account: str,
    regions: tuple[str, ...],
    use_aws: bool,
    policy_file: str | None,
    as_json: bool,
) -> int:
    """Show category, rule, rungs, decision and the request that would be sent.

    FILE is whatever the AWS CLI printed of it: CloudTrail records, also a trail's own .json.gz, events, log
    events, tasks, the answer of run-task, a message of a dead-letter queue; one, a list, or one a line. It may
    be a folder, or - for standard input. Nothing is sent to AWS, unless --aws asks for a look at the account.

    \b
    Examples:
      retry-run-task explain --reason "Capacity is unavailable at this time."
      aws ecs describe-tasks --tasks ID | retry-run-task explain -
    """  # noqa: D301 - click's mark for text that keeps its lines
    policy = read_policy() if policy_file is None else _read_policy(policy_file)
    if reason is not None or code is not None:
        if files:
            raise click.UsageError("Give either FILE or --reason, not both.")
        _print_text(_explain_text(reason or "", code, policy, stopped=stopped), as_json=as_json)
        return 0
    if not files:
        raise click.UsageError("Give a FILE, - for standard input, or --reason TEXT.")
    if stopped:
        raise click.UsageError("--stopped goes with --reason.")
    scope = Scope(
        callers=frozenset(CallerKind(c) for c in callers) or DEFAULT_CALLERS,
        clusters=clusters or ("*",),
        task_definitions=task_definitions or ("*",),
        account=account,
        regions=regions,
    )
    result = _explain_files(files, scope, policy, _survey() if use_aws else None)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        _print_result(result)
    return 1 if result["unparsed"] else 0


def _survey() -> Look:
    # The offline explanation starts without an SDK.
    from retry_run_task.aws.port import survey  # noqa: PLC0415
    from retry_run_task.commands.shared import access  # noqa: PLC0415

    own: list[str] = []
    told: set[str] = set()

    def look(launch: FailedLaunch) -> Survey | None:
        if not own:
            session = access.open_session(None)
            own.append(access.identify(session, launch.region or access.region_of(session)).account)
        if launch.account in ("", *own):
            return survey(launch)
        # What this account has is not what recover would find there.
        if launch.account not in told:
            told.add(launch.account)
            talk.say(
                f"Account {launch.account} is not looked at, since your credentials are of {own[0]}; use its own."
            )
        return None

    return look


def _read_policy(name: str) -> Policy:
    from retry_run_task.commands.policy.command import read_file  # noqa: PLC0415 - not needed for the default

    return read_file(name)


def _explain_files(paths: tuple[Path, ...], scope: Scope, policy: Policy, look: Look | None) -> JsonObject:
    from retry_run_task.commands.explain.groups import group  # noqa: PLC0415 - not needed for --reason
    from retry_run_task.sources.files import LooseFailures, items  # noqa: PLC0415

    read = group(record_files.read(paths, items))
    return {
        "launches": [
            explain_launch(one.latest, scope, look, policy=policy, now=time.time())
            | {name: wire.about(one.latest)[name] for name in ("cluster", "task_definition", "started_by")}
            | {"count": len(one.times), "times": one.times}
            for one in read.launches.values()
        ],
        "told": [
            {"about": one.first.about, "count": one.count}
            | _explain_verdict(worst([classify(f) for f in one.first.failures]), policy)
            for one in read.told.values()
            if isinstance(one.first, LooseFailures)
        ],
        "ignored": [
            {"why": one.first.why, "event_id": one.first.event_id, "count": one.count}
            for one in read.ignored.values()
            if isinstance(one.first, Ignored)
        ],
        "unparsed": [{"why": one.why, "where": one.where} for one in read.unparsed],
    }


def explain_launch(
    launch: FailedLaunch,
    scope: Scope,
    look: Look | None = None,
    *,
    policy: Policy,
    now: float | None = None,
) -> JsonObject:
    """Return everything that would be decided about a failed launch, with environment values masked.

    Args:
        launch: What failed.
        scope: What is looked after.
        look: Finds out what a recovery would find in the account; None to look at nothing.
        policy: The rules. Without a look, those for a schedule or a tag match nothing.
        now: The time, in seconds since 1970; None does not ask whether it is too late by now.
    """
    judgement = scope.judge(launch)
    verdicts = [classify(f) for f in launch.failures]
    verdict = worst(verdicts)
    survey = look(launch) if look is not None and judgement.treatment is ScopeDecision.RECOVER else None
    case = case_of(launch, policy, _found(survey))
    treatment = case.treatments[verdict.category]
    foreseen = _foreseen(case, judgement, survey)
    decision = foreseen.decision
    return {
        "event_id": launch.event_id,
        "event_time": iso(launch.event_time),
        "account": launch.account,
        "region": launch.region,
        "caller": {"kind": launch.caller.kind.value, "role_arn": launch.caller.role_arn},
        "asked": request.asked(launch.request),
        "placed": len(launch.placed),
        "in_scope": judgement.treatment is not ScopeDecision.IGNORE,
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
            "retry-run-task", launch, is_reported=judgement.treatment is ScopeDecision.REPORT
        ),
        "missing": list(getattr(launch.request, "missing", ())),
        "schedule": _schedule(launch, survey, treatment) if survey else None,
        "there": _there(survey) if survey else None,
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


def _foreseen(case: Case, judgement: Judgement, survey: Survey | None) -> Forecast:
    """Return what would be decided as soon as the call had failed, and what follows."""
    launch = case.launch
    if judgement.treatment is ScopeDecision.IGNORE:
        return Forecast(decision="ignore", rule="scope", why="nothing")
    is_unread = (
        isinstance(launch.request, IncompleteRequest) and survey is None and launch.caller.kind in SCHEDULED
    )
    if is_unread and case.refusal is not None and case.refusal.rule == "whole-requests-only":
        missing = ", ".join(getattr(launch.request, "missing", ()))
        why = (
            "recover looks for the rule or schedule that made the call; unless that is found for certain and tells "
            f"what is missing ({missing}), a message is sent. --aws looks for it now"
        )
        return Forecast(decision="give-up", rule="whole-requests-only", why=why)
    if survey is not None and survey.refused and case.refusal is None:
        return Forecast(
            decision="give-up", rule="whole-requests-only", why=f"a message is sent: {survey.refused}"
        )
    there = () if survey is None else tuple(TaskState(arn=arn, phase=Phase.RUNS) for arn in survey.there)
    foreseen = forecast(case, launch.event_time.timestamp(), there)
    follows = {"nothing": "nothing: ", "ignore": "nothing: ", "give-up": "a message is sent: ", "retry": ""}
    decision = "ignore" if foreseen.decision == "nothing" else foreseen.decision
    return replace(foreseen, decision=decision, why=f"{follows[foreseen.decision]}{foreseen.why}")


def _schedule(launch: FailedLaunch, survey: Survey, treatment: policies.Treatment) -> JsonObject:
    """Return which schedule was matched and how, what is read from it, and until when the run is wanted."""
    if survey.schedule is None:
        return {"name": None, "why": survey.why}
    due, deadline_s = survey.schedule.next_due, treatment.deadline_s
    if due is not None:
        until_due_s = (due - launch.event_time.timestamp()) * treatment.interval_share
        deadline_s = min(deadline_s, until_due_s)
    return {
        "name": survey.schedule.name,
        "arn": survey.schedule.arn,
        "why": survey.why,
        "values_read": list(survey.variables) if isinstance(launch.request, IncompleteRequest) else [],
        "next_due": iso(datetime.fromtimestamp(due, UTC)) if due is not None else None,
        "deadline": iso(launch.event_time + timedelta(seconds=deadline_s)),
        "tag": survey.schedule.tags.policy or None,
        "tags_unread": list(survey.schedule.tags.unread),
    }


def _there(survey: Survey) -> JsonObject:
    return {"looked_for": list(survey.looked_for), "found": list(survey.there), "blind": survey.blind or None}


def _explain_text(reason: str, code: str | None, policy: Policy, *, stopped: bool) -> JsonObject:
    pasted = read_text(reason, code=code, stopped=stopped)
    return {"taken_for": pasted.taken_for} | _explain_verdict(classify(pasted.failure), policy)


def _explain_verdict(verdict: Verdict, policy: Policy) -> JsonObject:
    treatment = policy.treatment(Facts(), verdict.category)
    decision = decide(treatment, verdict, nth=0, elapsed_s=0, seed="explain")
    words: tuple[str, str]
    match decision:
        case Retry():
            words = "retry", f"RunTask, soon; it {attempt_times.in_words(treatment, verdict.failure)}"
        case GiveUp(outcome=Outcome.IGNORED):
            words = "ignore", "nothing: the policy ignores such launches"
        case GiveUp(why=why):
            words = "give-up", f"a message is sent: {why}"
    kinds = [kind.value for kind in treatment.rungs] if verdict.category is Category.CAPACITY else []
    return {
        **_verdict(verdict),
        "rule": treatment.rule,
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


def _print_text(result: JsonObject, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    code = f", with the code {result['code']}" if result["code"] else ""
    _print_rows([("taken for", f"{result['taken_for']}{code}"), *_verdict_rows(result)])


def _verdict_rows(result: JsonObject) -> list[tuple[str, str]]:
    return [
        ("category", f"{result['category']} (row {result['row']})"),
        ("decision", f"{result['decision']} (rule {result['rule']}): {result['next']}"),
        ("rungs", ", ".join(result["rungs"])),
        ("hint", result["hint"]),
        *(("evidence", url) for url in result["evidence"]),
    ]


def _print_rows(rows: Iterable[tuple[str, str]], indent: str = "") -> None:
    for label, value in rows:
        if value:
            click.echo(f"{indent}{label:<10}{shown(value)}")


def _print_result(result: JsonObject) -> None:
    for launch in result["launches"]:
        if launch["decision"] == "ignore":
            name = launch["task_definition"] or "a task"
            follows = launch["why"] if not launch["in_scope"] else launch["next"]
            click.echo(shown(f"{launch['event_id']}{_times(launch)}: {name}: ignore: {follows}"))
        else:
            _print_launch(launch)
    for told in result["told"]:
        click.echo(shown(f"{told['about'][:1].upper()}{told['about'][1:]}{_times(told)}"))
        _print_rows([("ECS said", _said(told)), *_verdict_rows(told)], indent="  ")
        click.echo()
    for item in result["ignored"]:
        which = (item["event_id"] or "a record") if item["count"] == 1 else f"{item['count']:,} records"
        click.echo(f"Ignored {which}: {shown(item['why'])}.")
    for item in result["unparsed"]:
        click.echo(f"Not readable, {shown(item['where'] or 'the payload')}: {shown(item['why'])}.")
    if not any(result.values()):
        click.echo("There is no record in it.")
    elif (summary := _summary(result)) is not None:
        click.echo(summary)


def _times(item: JsonObject) -> str:
    return f" ({item['count']:,} times)" if item["count"] > 1 else ""


_DECIDED = {"retry": "would be retried", "give-up": "would be given up", "ignore": "left alone"}


def _summary(result: JsonObject) -> str | None:
    """Return the numbers of a file with more than one thing in it."""
    counts = Counter[str]()
    for launch in result["launches"]:
        counts[_DECIDED[launch["decision"]]] += launch["count"]
    counts["whose call is not known"] += sum(told["count"] for told in result["told"])
    failed = counts.total()
    others, unread = sum(item["count"] for item in result["ignored"]), len(result["unparsed"])
    if failed + others + unread <= 1:
        return None
    kinds = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return (
        f"In all: {counted(failed, 'failed launch', 'failed launches')}{f' ({kinds})' if kinds else ''}, "
        f"{others:,} that are none, {unread:,} that cannot be read."
    )


def _print_launch(launch: JsonObject) -> None:
    caller = launch["caller"]
    by = caller["kind"] + (f", {caller['role_arn']}" if caller["role_arn"] else "")
    click.echo(f"Failed launch {launch['event_id']}")
    _print_rows(
        [
            ("when", f"{launch['event_time']} in {launch['account'] or '?'}, {launch['region'] or '?'}"),
            ("also", _others(launch)),
            ("task", _task(launch)),
            ("caller", by),
            ("placed", f"{launch['placed']} of {launch['asked']}"),
            ("in scope", f"{'yes' if launch['in_scope'] else 'no'}: {launch['why']}"),
            *(("ECS said", _said(failure)) for failure in launch["failures"]),
            *_account_rows(launch),
            ("decision", f"{launch['decision']} (rule {launch['rule']}): {launch['next']}"),
            (
                "today",
                "a recovery would end at once: the run is no longer wanted" if launch["too_late"] else "",
            ),
            ("rungs", ", ".join(launch["rungs"])),
            ("hint", launch["hint"]),
            ("recovery", launch["recovery"]),
        ],
        indent="  ",
    )
    if launch["request"] is not None:
        text = json.dumps(launch["request"], indent=2)
        click.echo("  request   " + text.replace("\n", "\n            "))
    click.echo()


_TIMES_SHOWN = 5


def _others(launch: JsonObject) -> str:
    """Return when else the same failed."""
    others = sorted(launch["times"])
    others.remove(launch["event_time"])
    more = f", and {len(others) - _TIMES_SHOWN:,} more" if len(others) > _TIMES_SHOWN else ""
    return f"{', '.join(others[:_TIMES_SHOWN])}{more}"


def _task(launch: JsonObject) -> str:
    if not launch["task_definition"]:
        return ""
    by = f", started by {launch['started_by']}" if launch["started_by"] else ""
    return f"{str(launch['task_definition']).rpartition('/')[2]} on {launch['cluster']}{by}"


def _account_rows(launch: JsonObject) -> list[tuple[str, str]]:
    """Return what was found in the account, if it was looked at."""
    schedule, there = launch["schedule"], launch["there"]
    if schedule is None or there is None:
        return []
    found = there["blind"] or ", ".join(there["found"]) or "no such task"
    rows = [("looked for", f"{' or '.join(there['looked_for'])}: {found}")]
    if schedule["name"] is None:
        return [("schedule", f"none: {schedule['why']}"), *rows]
    due = schedule["next_due"] or "not known"
    values = ", ".join(schedule["values_read"])
    return [
        ("schedule", f"{schedule['name']}: {schedule['why']}"),
        ("reads", f"{values} from its input" if values else ""),
        ("next due", f"{due}; wanted until {schedule['deadline']}"),
        ("tag", schedule["tag"] or ""),
        *(("no tags", why) for why in schedule["tags_unread"]),
        *rows,
    ]


def _said(failure: JsonObject) -> str:
    words = ": ".join(part for part in (failure["code"], failure["reason"]) if part) or "nothing"
    about = [f"container {failure['container']}" if "container" in failure else "", failure.get("ran", "")]
    of = ", ".join(part for part in about if part)
    return f"{words}{f' ({of})' if of else ''}  [{failure['category']}, row {failure['row']}]"
