"""``explain``: what would be done about an event, a record, or a single text of AWS's, and why."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.explain.explaining import Look, explain_launch, explain_text, explain_verdict
from retry_run_task.commands.explain.showing import print_result, print_text
from retry_run_task.commands.shared import options, record_files
from retry_run_task.config import read_policy
from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import wire
from retry_run_task.launch.values import (
    CallerKind,
    Ignored,
)
from retry_run_task.policy.scope import DEFAULT_CALLERS, NEVER, Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retry_run_task.launch.values import JsonObject
    from retry_run_task.policy.rules import Policy


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=record_files.FILES)
@click.option("--reason", metavar="TEXT", help="Explain one text, as you found it, instead of a file.")
@click.option(
    "--code",
    metavar="CODE",
    help="The error's code or the task's stop code, if the text does not contain it.",
)
@click.option("--stopped", is_flag=True, help="Treat the text as a task's stopped reason.")
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
    "--region",
    "only_regions",
    multiple=True,
    metavar="REGION",
    help="Only records of this Region are in scope.",
)
@click.option(
    "--aws",
    "use_aws",
    is_flag=True,
    help="Look in each launch's account and Region for the schedule and for existing tasks. Read-only.",
)
@options.looks_elsewhere
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(),
    metavar="FILE",
    help="Policy to apply.  [default: the built-in policy]",
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
    only_regions: tuple[str, ...],
    use_aws: bool,
    profile: str | None,
    stack: str,
    look_with: str,
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
        text = explain_text(reason or "", code, policy, stopped=stopped)
        _print(text, print_text, as_json=as_json)
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
        regions=only_regions,
    )
    look = _looking(profile, stack, look_with) if use_aws else None
    result = _explain_files(files, scope, policy, look, stack)
    _print(result, print_result, as_json=as_json)
    return 1 if result["unparsed"] else 0


def _print(result: JsonObject, as_text: Callable[[JsonObject], None], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        as_text(result)


def _looking(profile: str | None, stack: str, look_with: str) -> Look:
    # The offline explanation starts without an SDK.
    from retry_run_task.commands.explain.looking import Looking  # noqa: PLC0415

    return Looking(profile, options.home_region(), stack, look_with)


def _read_policy(name: str) -> Policy:
    from retry_run_task.commands.policy.command import read_file  # noqa: PLC0415 - not needed for the default

    return read_file(name)


def _explain_files(
    paths: tuple[Path, ...], scope: Scope, policy: Policy, look: Look | None, stack: str
) -> JsonObject:
    from retry_run_task.commands.explain.groups import group  # noqa: PLC0415 - not needed for --reason
    from retry_run_task.sources.files import LooseFailures, items  # noqa: PLC0415

    read = group(record_files.read(paths, items))
    return {
        "launches": [
            explain_launch(one.latest, scope, look, policy=policy, now=time.time(), stack=stack)
            | {name: wire.about(one.latest)[name] for name in ("cluster", "task_definition", "started_by")}
            | {"count": len(one.times), "times": one.times}
            for one in read.launches.values()
        ],
        "told": [
            {"about": one.first.about, "count": one.count}
            | explain_verdict(worst([classify(f) for f in one.first.failures]), policy)
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
