"""``destroy``: remove an installation, and report what is kept."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import options, settings, talk
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.text import counted

if TYPE_CHECKING:
    from retry_run_task.commands.destroy.removal import Leftovers, Removal
    from retry_run_task.commands.shared.ownership import Resource
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.commands.shared.stack_states import StackState


@click.command()
@options.one_region
@click.option(
    "--bucket",
    default="",
    metavar="NAME",
    help="The bucket of the code, if it was your own and the stack is already deleted.",
)
@click.option(
    "--log-group",
    settings.LEFT_LOG_GROUP,
    default="",
    metavar="NAME",
    help="The trail's log group, if the stack is already deleted.",
)
@click.option("--now", is_flag=True, help="Stop recoveries in progress instead of waiting for them.")
@options.sure
@options.as_json
@click.option("--poll-s", type=float, default=2.0, hidden=True)
def destroy(  # noqa: PLR0913, PLR0917 - one parameter an option
    stack: str,
    region: str | None,
    profile: str | None,
    bucket: str,
    left_log_group: str,
    now: bool,
    yes: bool,
    as_json: bool,
    poll_s: float,
) -> int:
    """Remove what deploy created: the stack with its functions, their logs and queues, and the code.

    Waits for recoveries in progress, unless --now stops them. After an interruption, run it again to continue.

    \b
    Example:
      retry-run-task destroy --region eu-west-1
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.deploy import plan, template  # noqa: PLC0415 - as above
    from retry_run_task.commands.destroy import removal  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.shared import access, ways  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared.faults import DeployError  # noqa: PLC0415
    from retry_run_task.commands.shared.installed import read_way  # noqa: PLC0415
    from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415
    from retry_run_task.commands.shared.stack import CloudFormationStack  # noqa: PLC0415

    plan.check_name(stack)
    talk.check_can_ask(is_sure=yes)
    session = access.open_session(profile)
    where = region or access.region_of(session)
    identity = access.identify(session, where)
    talk.say(options.place(stack, where, identity))
    pause = talk.pauses(poll_s)
    of = removal.Removal(session, identity, where, CloudFormationStack(session, where, stack, pause=pause))
    try:
        state = of.stack.state()
        if state is None:
            _check_not_elsewhere(Reader(session, where), stack)
        resources = of.stack.check_ours(state, template.known_resources()) if state else ()
        left = of.leftovers(state, bucket, left_log_group)
        if state is None and left.is_nothing:
            return _end("nothing", stack, where, (), as_json=as_json)
        recoveries = of.recoveries() if state else []
        _show(state, resources, left, stack, where, len(recoveries), now=now)
        if state and (note := ways.note(read_way(Reader(session, where), f"{stack}-intake"), stack, where)):
            talk.say(note)
        if not talk.ask("Remove this?", is_sure=yes):
            talk.say("Nothing was removed.")
            return talk.NO
        removed = _remove(of, resources if state else None, left, now=now, pause=pause)
    except (KeyboardInterrupt, click.Abort):
        talk.say(f"Interrupted; {of.interrupted()}")
        return talk.INTERRUPTED
    except DeployError as error:
        return talk.fail(error)
    return _end("removed", stack, where, removed, as_json=as_json)


def _check_not_elsewhere(reader: Reader, stack: str) -> None:
    """Refuse to remove the parts of an installation that is no stack, also if it is unknown whether there is one."""
    from retry_run_task.commands.shared.faults import DeployError  # noqa: PLC0415
    from retry_run_task.commands.shared.installed import check_not_elsewhere, read_elsewhere  # noqa: PLC0415
    from retry_run_task.commands.shared.inventory import Unknown  # noqa: PLC0415

    found = read_elsewhere(reader, stack)
    if isinstance(found, Unknown):
        raise DeployError(
            f"There is no stack {stack}, and whether its functions are there is not known ({found.action}): "
            f"{found.why}.",
            hint="Ask for that permission and run the same command again."
            if found.is_denied
            else "Try again.",
        )
    check_not_elsewhere(found, reader.region)


def _remove(
    of: Removal, resources: tuple[Resource, ...] | None, left: Leftovers, *, now: bool, pause: talk.Pause
) -> tuple[str, ...]:
    if resources is not None:
        _end_recoveries(of, now=now, pause=pause)
        with talk.following(len(resources)) as follow:
            of.delete_stack(follow)
    return of.remove_leftovers(left, talk.say)


def _end_recoveries(of: Removal, *, now: bool, pause: talk.Pause) -> None:
    told, stopped = -1, set()
    while recoveries := of.recoveries():
        if now:
            for one in recoveries:
                if one.arn not in stopped:
                    of.stop(one)
                    talk.say(f"stopped the recovery {one.name}")
                    stopped.add(one.arn)
        elif len(recoveries) != told:
            told = len(recoveries)
            what = counted(told, "recovery", "recoveries")
            talk.say(f"waiting for {what} in progress (--now stops instead of waiting)")
        pause()


def _show(
    state: StackState | None,
    resources: tuple[Resource, ...],
    left: Leftovers,
    stack: str,
    region: str,
    recoveries: int,
    *,
    now: bool,
) -> None:
    if state is not None:
        number = counted(len(resources), "resource")
        talk.say(f"The stack {stack} in {region} ({state.status}) will be deleted, with {number}:")
        by_type: dict[str, list[str]] = defaultdict(list)
        for one in resources:
            by_type[one.type].append(one.physical_id.rpartition(":")[2] or one.name)
        for kind, names in sorted(by_type.items()):
            talk.say(f"  - {kind}: {', '.join(names)}")
        if recoveries:
            what = "stopped, and start no task" if now else "waited for"
            talk.say(f"In progress, and {what}: {counted(recoveries, 'recovery', 'recoveries')}.")
    else:
        talk.say(f"There is no stack {stack} in {region}; this is left of it:")
    if left.files:
        files = counted(left.files, "version of a file", "versions of files")
        talk.say(f"The code goes: {files} in the bucket {left.bucket.name}.")
    if left.has_bucket and left.bucket.is_ours:
        talk.say(f"The bucket {left.bucket.name} goes, if nothing else is in it.")
    if left.has_stream:
        talk.say(f"The records of verifications in {left.log_group} go.")


def _end(status: str, stack: str, region: str, kept: tuple[str, ...], *, as_json: bool) -> int:
    if as_json:
        click.echo(
            json.dumps({"status": status, "stack": stack, "region": region, "kept": list(kept)}, indent=2)
        )
        return 0
    if status == "nothing":
        echo(f"There is nothing of {stack} in {region}.")
        return 0
    echo(f"{stack} is removed from {region}.")
    for one in kept:
        echo(f"Kept {talk.shown(one)}.")
    return 0
