"""``verify``: a failed call that is made up, followed until its task runs."""

from __future__ import annotations

import json
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from retry_run_task.account.inventory import Stack
from retry_run_task.cli import talk
from retry_run_task.core.errors import ConfigError

if TYPE_CHECKING:
    import boto3

    from retry_run_task.account.inventory import Unknown
    from retry_run_task.account.verification import Installed, Verification
    from retry_run_task.core.values import JsonObject

_WORDS = {
    "matched": "the filter takes the record",
    "intake": "intake ran",
    "recovery": "the recovery is under way",
    "run-task": "RunTask was called",
    "running": "the task runs",
}


@click.command()
@click.option(
    "--task-definition", required=True, metavar="NAME", help="What to start: family, family:revision or ARN."
)
@click.option("--cluster", default="default", show_default=True, metavar="NAME", help="Where to start it.")
@click.option(
    "--subnet",
    "subnets",
    multiple=True,
    metavar="ID",
    help="Its subnets, for awsvpc; may be given several times.",
)
@click.option(
    "--security-group",
    "groups",
    multiple=True,
    metavar="ID",
    help="Its security groups; may be given several times.",
)
@click.option("--public-ip", is_flag=True, help="Give it a public address.")
@click.option(
    "--launch-type",
    type=click.Choice(["FARGATE", "EC2", "EXTERNAL"]),
    help="[default: FARGATE with --subnet, else the cluster's strategy]",
)
@click.option("--stack", default="retry-run-task", show_default=True, metavar="NAME", help="Which stack.")
@click.option(
    "--log-group", default="", metavar="NAME", help="The trail's log group.  [default: the stack's]"
)
@click.option(
    "--region", metavar="REGION", envvar="AWS_REGION", help="Where.  [default: AWS_REGION, or the profile's]"
)
@click.option("--profile", metavar="PROFILE", help="Whose credentials, of your AWS configuration.")
@click.option(
    "--timeout-s", type=click.FloatRange(min=0), default=600, show_default=True, help="How long to follow it."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--poll-s", type=float, default=2.0, hidden=True)
def verify(  # noqa: PLR0913, PLR0917 - one parameter an option
    task_definition: str,
    cluster: str,
    subnets: tuple[str, ...],
    groups: tuple[str, ...],
    public_ip: bool,
    launch_type: str | None,
    stack: str,
    log_group: str,
    region: str | None,
    profile: str | None,
    timeout_s: float,
    yes: bool,
    as_json: bool,
    poll_s: float,
) -> int:
    """Try an installation out: make up a failed call and watch its task start.

    Writes a failed RunTask record into the trail's log group and follows it, with times. The task at the end is
    a real one, so it asks first. Ends with 3, and says where it got stuck and why, if no task runs.

    \b
    Example:
      retry-run-task verify --task-definition nightly --cluster batch --subnet subnet-0abc
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.account import access, trial, verification  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.account.faults import DeployError  # noqa: PLC0415

    talk.check_can_ask(is_sure=yes)
    session = access.open_session(profile)
    where = region or access.region_of(session)
    who = access.identify(session, where)
    try:
        installed = _installed(session, where, stack, log_group)
        family = trial.check_task_definition(session, where, task_definition)
        _check_scope(session, where, stack, family, cluster)
        made = trial.make_trial(
            stack,
            _parameters(task_definition, cluster, subnets, groups, launch_type, public_ip=public_ip),
            account=who.account,
            region=where,
        )
        one = verification.Verification(session, where, installed, made)
        question = f"This starts a real task of {task_definition} on {cluster}. Go on?"
        if not talk.ask(question, is_sure=yes):
            talk.say("Nothing was written.")
            return talk.NO
        return _follow(one, made.recovery, timeout_s=timeout_s, pause=talk.pauses(poll_s), as_json=as_json)
    except DeployError as error:
        return talk.fail(error)


def _follow(one: Verification, recovery: str, *, timeout_s: float, pause: talk.Pause, as_json: bool) -> int:
    """Write the record, follow it, and print how far it came."""
    from retry_run_task.account.verification import Reached, Stuck  # noqa: PLC0415

    began = time.monotonic()
    stages: list[JsonObject] = []
    stuck: Stuck | None = None

    def take(found: Reached | Stuck) -> Stuck | None:
        if isinstance(found, Stuck):
            return found
        elapsed_s = time.monotonic() - began
        stages.append({"stage": found.stage, "elapsed_s": round(elapsed_s, 1), "what": found.what})
        talk.say(f"{elapsed_s:6.1f} s  {_WORDS[found.stage]}: {found.what}")
        return None

    stuck = take(one.check_filter())
    if stuck is None:
        one.write()
        talk.say(f"{time.monotonic() - began:6.1f} s  the record is written; its recovery will be {recovery}")
    while stuck is None and one.waits_for():
        for found in one.look():
            stuck = stuck or take(found)
        if stuck is None and one.waits_for():
            if time.monotonic() - began >= timeout_s:
                stuck = Stuck(stage=one.waits_for(), why=f"after {timeout_s:g} s, {one.why_waiting()}")
            else:
                pause()
    result: JsonObject = {
        "verified": stuck is None,
        "recovery": recovery,
        "stages": stages,
        "stuck_at": stuck.stage if stuck else None,
        "why": stuck.why if stuck else None,
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    elif stuck is None:
        click.echo(f"It works: {stages[-1]['what']} runs, {stages[-1]['elapsed_s']} s after the record.")
    else:
        click.echo(talk.shown(f"It does not work. Not reached: {_WORDS[stuck.stage]}; {stuck.why}."))
    return 0 if stuck is None else talk.NO


def _stack(session: boto3.Session, region: str, name: str) -> Stack | Unknown | None:
    from retry_run_task.account.installed import read_stack  # noqa: PLC0415
    from retry_run_task.account.reader import Reader  # noqa: PLC0415

    return read_stack(Reader(session, region), name)


def _installed(session: boto3.Session, region: str, name: str, log_group: str) -> Installed:
    """Return what is to be tried out; what the stack does not tell is known by its name."""
    from retry_run_task.account.verification import Installed  # noqa: PLC0415

    found = _stack(session, region, name)
    if found is None:
        raise ConfigError(
            f"There is no stack {name} in {region}.", hint="Install it with: retry-run-task deploy."
        )
    outputs = found.outputs if isinstance(found, Stack) else {}
    log_group = log_group or outputs.get("TrailLogGroup", "")
    if not log_group:
        raise ConfigError(
            f"The log group that {name} gets its records from is not known."
            if not isinstance(found, Stack)
            else f"{name} sees failures through EventBridge alone, and nobody can put AWS's events there.",
            hint="Name one with --log-group, if it has a filter that hands to intake.",
        )
    return Installed(
        stack=name,
        log_group=log_group,
        intake=outputs.get("IntakeFunction") or f"{name}-intake",
        recover=outputs.get("RecoverFunction") or f"{name}-recover",
    )


def _check_scope(session: boto3.Session, region: str, name: str, family: str, cluster: str) -> None:
    """Refuse what the installation would leave alone, as far as its parameters tell."""
    found = _stack(session, region, name)
    parameters = found.parameters if isinstance(found, Stack) else {}
    problems = []
    if "Callers" in parameters and "hand-made" not in parameters["Callers"].split(","):
        problems.append("it does not take hand-made records (--callers)")
    for parameter, option, value in (
        ("TaskDefinitions", "--task-definitions", family),
        ("Clusters", "--clusters", cluster.rsplit("/", 1)[-1]),
    ):
        globs = parameters.get(parameter, "*").split(",")
        if not any(fnmatchcase(value, pattern) for pattern in globs):
            problems.append(f"{value} is not among {', '.join(globs)} ({option})")
    if problems:
        raise ConfigError(
            f"{name} would leave this alone: {'; '.join(problems)}.",
            hint="Change that with retry-run-task deploy, or try another one.",
        )


def _parameters(
    task_definition: str,
    cluster: str,
    subnets: tuple[str, ...],
    groups: tuple[str, ...],
    launch_type: str | None,
    *,
    public_ip: bool,
) -> JsonObject:
    parameters: JsonObject = {"taskDefinition": task_definition, "cluster": cluster, "count": 1}
    if launch_type or subnets:
        parameters["launchType"] = launch_type or "FARGATE"
    if subnets:
        network: JsonObject = {
            "subnets": list(subnets),
            "assignPublicIp": "ENABLED" if public_ip else "DISABLED",
        }
        if groups:
            network["securityGroups"] = list(groups)
        parameters["networkConfiguration"] = {"awsvpcConfiguration": network}
    return parameters
