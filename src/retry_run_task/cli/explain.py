"""``explain``: what would be done about an event, a record, or a single text of AWS's, and why."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import click

from retry_run_task.core import identity, request, wire
from retry_run_task.core.classification import classify, worst
from retry_run_task.core.decision import GiveUp, Retry, decide
from retry_run_task.core.durations import spoken
from retry_run_task.core.policy import DEFAULT as DEFAULT_POLICY
from retry_run_task.core.recovery import admit
from retry_run_task.core.scope import DEFAULT_CALLERS, NEVER, Scope, Treatment
from retry_run_task.core.values import CallerKind, FailedLaunch, Failure, Ignored, Origin, Unparsed

if TYPE_CHECKING:
    from retry_run_task.core.values import JsonObject, Verdict

# A trail's log file holds at most a few MB; what is larger is not something to read through.
_FILE_MAX = 256 * 1024 * 1024


@click.command()
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--reason", metavar="TEXT", help="Explain a single text of AWS's instead of a file.")
@click.option("--code", metavar="CODE", help="The exception's code, or the stop code, that came with it.")
@click.option("--stopped", is_flag=True, help="The text is a task's stopped reason.")
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def explain(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: IO[bytes] | None,
    reason: str | None,
    code: str | None,
    stopped: bool,
    callers: tuple[str, ...],
    clusters: tuple[str, ...],
    task_definitions: tuple[str, ...],
    account: str,
    regions: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show category, rule, decision and the request that would be sent.

    FILE is an event that Lambda would get, a CloudTrail record, a trail's log file, or what
    "aws cloudtrail lookup-events" prints; - reads it from standard input. Nothing is sent to AWS.

    \b
    Example:
      retry-run-task explain --reason "Capacity is unavailable at this time."
    """  # noqa: D301 - click's mark for text that keeps its lines
    if reason is not None or code is not None:
        if file is not None:
            raise click.UsageError("Give either FILE or --reason, not both.")
        _print_text(_explain_text(reason or "", code, stopped=stopped), as_json=as_json)
        return 0
    if file is None:
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
    result = _explain_file(file, scope)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        _print_result(result)
    return 1 if result["unparsed"] else 0


def _explain_file(file: IO[bytes], scope: Scope) -> JsonObject:
    from retry_run_task.sources.files import parse_text  # noqa: PLC0415 - not needed for --reason
    from retry_run_task.sources.reading import ReadError  # noqa: PLC0415

    name = getattr(file, "name", "the input")
    data = file.read(_FILE_MAX + 1)
    if len(data) > _FILE_MAX:
        raise click.UsageError(
            f"{name} has more than {_FILE_MAX // 1024**2} MB; give fewer records at a time."
        )
    result: JsonObject = {"launches": [], "ignored": [], "unparsed": []}
    try:
        for item in parse_text(data.decode("utf-8-sig")):
            match item:
                case FailedLaunch():
                    result["launches"].append(explain_launch(item, scope))
                case Ignored():
                    result["ignored"].append({"why": item.why, "event_id": item.event_id})
                case Unparsed():
                    result["unparsed"].append({"why": item.why, "where": item.where})
    except UnicodeDecodeError:
        raise click.UsageError(f"{name} is not UTF-8 text; expected JSON.") from None
    except ReadError as error:
        raise click.UsageError(f"{name} cannot be read: {error}.") from None
    return result


def explain_launch(launch: FailedLaunch, scope: Scope) -> JsonObject:
    """Return everything that would be decided about a failed launch, with environment values masked."""
    judgement = scope.judge(launch)
    verdicts = [classify(f) for f in launch.failures]
    verdict = worst(verdicts)
    admitted = admit(launch, DEFAULT_POLICY)
    body: JsonObject | None = None
    if judgement.treatment is Treatment.IGNORE:
        decision, rule, following = "ignore", "scope", "nothing"
    elif isinstance(admitted, GiveUp):
        decision, rule = "give-up", admitted.rule
        following = f"a person is told: {admitted.why}"
    else:
        decision, rule = "retry", verdict.category.value
        following = f"RunTask at once; {_patience(verdict)}"
        body = request.masked(
            request.for_attempt(
                admitted,
                missing=request.asked(admitted) - len(launch.placed),
                token=identity.client_token(launch.call_id, 1),
                started_by=identity.mark_started_by(admitted.parameters.get("startedBy"), launch.call_id),
            )
        )
    return {
        "event_id": launch.event_id,
        "event_time": wire.iso(launch.event_time),
        "account": launch.account,
        "region": launch.region,
        "caller": {"kind": launch.caller.kind.value, "role_arn": launch.caller.role_arn},
        "asked": request.asked(launch.request),
        "placed": len(launch.placed),
        "in_scope": judgement.treatment is not Treatment.IGNORE,
        "why": judgement.why,
        "category": verdict.category.value,
        "rule": rule,
        "decision": decision,
        "next": following,
        "hint": verdict.hint,
        "failures": [_verdict(v) for v in verdicts],
        "recovery": identity.recovery_name_of("retry-run-task", launch),
        "missing": list(getattr(launch.request, "missing", ())),
        "request": body,
    }


def _explain_text(reason: str, code: str | None, *, stopped: bool) -> JsonObject:
    origin = Origin.STOPPED if stopped else Origin.ERROR if code else Origin.ANSWER
    verdict = classify(Failure(origin=origin, code=code, reason=reason))
    decision = decide(DEFAULT_POLICY, verdict, nth=1, elapsed_s=0, seed="explain")
    retries = isinstance(decision, Retry)
    return {
        **_verdict(verdict),
        "decision": "retry" if retries else "give-up",
        "next": _patience(verdict) if retries else f"a person is told: {decision.why}",
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


def _patience(verdict: Verdict) -> str:
    rule = DEFAULT_POLICY.rules[verdict.category]
    if rule.backoff is None:
        return "no further attempt"
    times = "" if rule.attempts is None else f", {rule.attempts} attempts in all"
    return (
        f"after a failure of kind {verdict.category}, waits of at most {spoken(rule.backoff.base_s)} "
        f"that grow to {spoken(rule.backoff.cap_s)}{times}, "
        f"no later than {spoken(DEFAULT_POLICY.deadline_s)} after the failed call"
    )


def _print_text(result: JsonObject, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    for label, value in (
        ("category", f"{result['category']} (row {result['row']})"),
        ("decision", f"{result['decision']}: {result['next']}"),
        ("hint", result["hint"]),
        *(("evidence", url) for url in result["evidence"]),
    ):
        if value:
            click.echo(f"{label:<10}{value}")


def _print_result(result: JsonObject) -> None:
    for launch in result["launches"]:
        _print_launch(launch)
    for item in result["ignored"]:
        click.echo(f"Ignored {item['event_id'] or 'a record'}: {_shown(item['why'])}.")
    for item in result["unparsed"]:
        click.echo(f"Not readable, {item['where'] or 'the payload'}: {_shown(item['why'])}.")
    if not any(result.values()):
        click.echo("There is no record in it.")


def _print_launch(launch: JsonObject) -> None:
    caller = launch["caller"]
    by = caller["kind"] + (f", {caller['role_arn']}" if caller["role_arn"] else "")
    click.echo(f"Failed launch {launch['event_id']}")
    rows: list[tuple[str, Any]] = [
        ("when", f"{launch['event_time']} in {launch['account'] or '?'}, {launch['region'] or '?'}"),
        ("caller", by),
        ("placed", f"{launch['placed']} of {launch['asked']}"),
        ("in scope", f"{'yes' if launch['in_scope'] else 'no'}: {launch['why']}"),
        *(("ECS said", _said(failure)) for failure in launch["failures"]),
        ("decision", f"{launch['decision']} (rule {launch['rule']}): {launch['next']}"),
        ("hint", launch["hint"] if launch["decision"] != "ignore" else ""),
        ("recovery", launch["recovery"] if launch["decision"] != "ignore" else ""),
    ]
    for label, value in rows:
        if value:
            click.echo(f"  {label:<10}{_shown(value)}")
    if launch["request"] is not None:
        text = json.dumps(launch["request"], indent=2)
        click.echo("  request   " + text.replace("\n", "\n            "))
    click.echo()


def _said(failure: JsonObject) -> str:
    words = ": ".join(part for part in (failure["code"], failure["reason"]) if part) or "nothing"
    return f"{words}  [{failure['category']}, row {failure['row']}]"


def _shown(text: str) -> str:
    """Return text that any terminal takes: no control characters, no halves of surrogate pairs."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
