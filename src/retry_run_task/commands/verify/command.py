"""``verify``: a failed call that is made up, followed until its task runs."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import hints, options, talk
from retry_run_task.commands.shared.inventory import InstalledStack
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.errors import ConfigError
from retry_run_task.launch.request import short_family

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3

    from retry_run_task.commands.shared.installed import Found
    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.commands.shared.member_access import MemberAccess
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.commands.verify.verification import Installed, Verification
    from retry_run_task.launch.values import JsonObject

_WORDS = {
    "matched": "the filter takes the record",
    "intake": "intake ran",
    "recovery": "the recovery is in progress",
    "run-task": "RunTask was called",
    "running": "the task runs",
}


@click.command()
@click.option(
    "--task-definition", required=True, metavar="NAME", help="What to start: family, family:revision or ARN."
)
@click.option(
    "--cluster",
    metavar="NAME",
    help="Where to start it.  [default: where a rule or schedule starts it, with its network; else default]",
)
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
@click.option(
    "--log-group", default="", metavar="NAME", help="The trail's log group.  [default: the stack's]"
)
@options.one_region
@click.option("--in-region", metavar="REGION", help="Where the task starts.  [default: the stack's Region]")
@click.option("--in-account", metavar="ID", help="The member account that it starts in.")
@options.look_with
@click.option(
    "--timeout-s", type=click.FloatRange(min=0), default=600, show_default=True, help="How long to follow it."
)
@options.sure
@options.as_json
@click.option("--poll-s", type=float, default=2.0, hidden=True)
def verify(  # noqa: PLR0913, PLR0917 - one parameter an option
    task_definition: str,
    cluster: str | None,
    subnets: tuple[str, ...],
    groups: tuple[str, ...],
    public_ip: bool,
    launch_type: str | None,
    stack: str,
    log_group: str,
    region: str | None,
    profile: str | None,
    in_region: str | None,
    in_account: str | None,
    look_with: str,
    timeout_s: float,
    yes: bool,
    as_json: bool,
    poll_s: float,
) -> int:
    """Try an installation: inject a synthetic failed call, and follow it until its task starts.

    Writes a failed RunTask record into the trail's log group and follows it, with times. The task at the end is a
    real one, so it asks first. If no task starts, exits with 3 and shows where it got stuck and why.

    \b
    Example:
      retry-run-task verify --task-definition nightly
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.shared import access, ways  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared.faults import DeployError  # noqa: PLC0415
    from retry_run_task.commands.shared.installed import read_stack  # noqa: PLC0415
    from retry_run_task.commands.shared.member_access import LookRole, MemberAccess  # noqa: PLC0415
    from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415
    from retry_run_task.commands.verify import trial, verification  # noqa: PLC0415 - boto3 takes half a second

    talk.check_can_ask(is_sure=yes)
    session = access.open_session(profile)
    where = region or access.region_of(session)
    who = access.identify(session, where)
    talk.say(options.place(stack, where, who))
    try:
        access_there = MemberAccess(
            session=session, identity=who, region=where, stack=stack, look_role=LookRole(look_with=look_with)
        )
        there = _There.of(access_there, in_account or "", in_region or where)
        reader = Reader(session, where)
        found = read_stack(reader, stack)
        _check_installed(found, reader, stack)
        if isinstance(found, InstalledStack) and (note := ways.note(found.way, stack, where)):
            talk.say(note)
        installed = _installed(found, reader, who, stack, log_group)
        family = trial.check_task_definition(there.session, there.region, task_definition)
        if cluster or subnets or groups or launch_type or public_ip:
            parameters = _parameters(
                task_definition, cluster or "default", subnets, groups, launch_type, public_ip=public_ip
            )
        else:
            parameters = _as_scheduled(there.session, there.region, task_definition, family)
        _check_scope(found, stack, family, parameters["cluster"])
        _check_there(found, stack, where, there, who)
        if (there.account, there.region) != (who.account, where):
            # A record made by hand says by its cluster where it belongs.
            parameters["cluster"] = there.cluster_arn(parameters["cluster"])
        made = trial.make_trial(stack, parameters, account=there.account, region=there.region)
        one = verification.Verification(session, where, installed, made, there=there.session)
        question = f"This starts a real task of {task_definition} on {parameters['cluster']}. Go on?"
        if not talk.ask(question, is_sure=yes):
            talk.say("Nothing was written.")
            return talk.NO
        return _follow(one, made.recovery, timeout_s=timeout_s, pause=talk.pauses(poll_s), as_json=as_json)
    except DeployError as error:
        return talk.fail(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _There:
    """Where the task starts."""

    session: boto3.Session
    partition: str
    account: str
    region: str

    @classmethod
    def of(cls, access: MemberAccess, account: str, region: str) -> _There:
        """Return the place, with credentials for it.

        Raises:
            ConfigError: The account cannot be looked at.
        """
        from retry_run_task.commands.shared.member_access import NEXT, NoAccess  # noqa: PLC0415 - as above

        entered = access.enter(account)
        if isinstance(entered, NoAccess):
            raise ConfigError(str(entered).removesuffix(f" {NEXT}"), hint=NEXT)
        who = access.identity
        return cls(session=entered, partition=who.partition, account=account or who.account, region=region)

    def cluster_arn(self, cluster: str) -> str:
        """Return a cluster of the place by its ARN."""
        if cluster.startswith("arn:"):
            return cluster
        return f"arn:{self.partition}:ecs:{self.region}:{self.account}:cluster/{cluster}"


def _check_there(found: Found, name: str, home: str, there: _There, who: Identity) -> None:
    """Refuse a place that is out of the installation's scope, according to its parameters."""
    if not isinstance(found, InstalledStack):
        return
    regions = [one for one in found.parameters.get("Regions", "").split(",") if one] or [home]
    accounts = [one for one in found.parameters.get("MemberAccounts", "").split(",") if one]
    problems = []
    if there.region not in regions:
        problems.append(f"{there.region} is not among {', '.join(regions)} (--regions)")
    if there.account not in (who.account, *accounts):
        problems.append(f"{there.account} is no member account (--member-accounts)")
    if problems:
        raise ConfigError(
            f"{name} would ignore this: {'; '.join(problems)}.",
            hint=f"Change that with: {hints.command_line('deploy')}, or try it elsewhere.",
        )


def _follow(one: Verification, recovery: str, *, timeout_s: float, pause: talk.Pause, as_json: bool) -> int:
    """Write the record, follow it, and print how far it came."""
    from retry_run_task.commands.verify.verification import Reached, Stuck  # noqa: PLC0415

    began = time.monotonic()
    stages: list[JsonObject] = []
    stuck: Stuck | None = None

    def take(found: Reached | Stuck) -> Stuck | None:
        if isinstance(found, Stuck):
            return found
        elapsed_s = time.monotonic() - began
        stages.append({"stage": found.stage, "elapsed_s": round(elapsed_s, 1), "what": found.what})
        talk.say(f"{_WORDS[found.stage]}: {found.what}", f"{elapsed_s:6.1f} s  ")
        return None

    stuck = take(one.check_filter())
    with _telling_what_stays(recovery):
        if stuck is None:
            one.write()
            talk.say(
                f"the record is written; its recovery will be {recovery}",
                f"{time.monotonic() - began:6.1f} s  ",
            )
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
        echo(f"It works: the task runs, {stages[-1]['elapsed_s']} s after the record.")
    else:
        echo(talk.shown(f"It does not work. Not reached: {_WORDS[stuck.stage]}; {stuck.why}."))
    return 0 if stuck is None else talk.NO


@contextmanager
def _telling_what_stays(recovery: str) -> Iterator[None]:
    """Say on Ctrl-C what goes on: the record may have been written."""
    try:
        yield
    except KeyboardInterrupt:
        look, end = (hints.command_line(f"{command} {recovery}") for command in ("status", "stop"))
        talk.say(
            f"If the record was written, its recovery {recovery} goes on and may start a task. "
            f"Look at it with: {look}, or end it with: {end}."
        )
        raise


def _filtered_group(reader: Reader, who: Identity, stack: InstalledStack) -> str:
    """Return the log group of a trail whose filter delivers to intake; empty if none is found."""
    from retry_run_task.commands.shared.trails import read_log_groups, read_trails  # noqa: PLC0415

    trails = read_trails(reader)
    intake = f":function:{stack.outputs['IntakeFunction']}"
    for group in read_log_groups(reader, who, trails if isinstance(trails, tuple) else ()).values():
        if isinstance(group.filters, tuple) and any(
            one.destination_arn.endswith(intake) for one in group.filters
        ):
            return group.name
    return ""


def _check_installed(found: Found, reader: Reader, name: str) -> None:
    """Refuse what is no working installation; if that is unknown, the functions show it."""
    from retry_run_task.commands.shared.installed import installation  # noqa: PLC0415

    if not (isinstance(found, InstalledStack) and found.is_ours is True and found.is_whole):
        installation(reader, name)


def _installed(found: Found, reader: Reader, who: Identity, name: str, log_group: str) -> Installed:
    """Return the installation to try; what the stack does not tell is derived from its name."""
    from retry_run_task.commands.verify.verification import Installed  # noqa: PLC0415

    outputs = found.outputs if isinstance(found, InstalledStack) else {}
    log_group = log_group or outputs.get("TrailLogGroup", "")
    if not log_group and isinstance(found, InstalledStack) and found.is_elsewhere:
        log_group = _filtered_group(reader, who, found)
    if not log_group:
        raise ConfigError(
            f"The log group that {name} gets its records from is not known."
            if not isinstance(found, InstalledStack) or found.is_elsewhere
            else f"{name} detects failures through EventBridge only, where a synthetic AWS event cannot be injected.",
            hint="Name one with --log-group, if it has a filter that hands to intake.",
        )
    return Installed(
        stack=name,
        log_group=log_group,
        intake=outputs.get("IntakeFunction") or f"{name}-intake",
        recover=outputs.get("RecoverFunction") or f"{name}-recover",
    )


def _as_scheduled(session: boto3.Session, region: str, task_definition: str, family: str) -> JsonObject:
    """Return a call like that of the rule or schedule of this task, without its overrides; or a minimal one."""
    from retry_run_task.commands.shared.launchers import is_named, read_launchers  # noqa: PLC0415
    from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415

    with talk.looking(f"Looking for schedules of {family} in {region}") as tell:
        launchers = read_launchers(Reader(session, region), tell).found
    for one in launchers:
        if short_family(one.task_definition) == family and is_named(one.cluster):
            talk.say(f"It is started as {one.kind} {one.name} starts it, without overrides.")
            return {"taskDefinition": task_definition, "cluster": one.cluster, "count": 1, **one.placement}
    talk.say(
        f"No rule or schedule starts {family}, so it is tried on the cluster default (--cluster, --subnet)."
    )
    return _parameters(task_definition, "default", (), (), None, public_ip=False)


def _check_scope(found: Found, name: str, family: str, cluster: str) -> None:
    """Refuse a task that the installation ignores, according to its parameters."""
    parameters = found.parameters if isinstance(found, InstalledStack) else {}
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
            f"{name} would ignore this: {'; '.join(problems)}.",
            hint=f"Change that with: {hints.command_line('deploy')}, or try another one.",
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
