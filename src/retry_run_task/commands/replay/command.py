"""``replay``: start recoveries for past failures that have none."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retry_run_task.commands.shared import hints, options, talk
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.config import policy_of, read_policy
from retry_run_task.errors import ConfigError
from retry_run_task.launch.names import MOST_AGAIN
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import boto3

    from retry_run_task.commands.replay.replaying import ReplayStep
    from retry_run_task.commands.replay.search import Search
    from retry_run_task.commands.shared.installation import Installation
    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.policy.rules import Policy


@click.command()
@click.argument("what", required=False, metavar="[FILE|NAME]")
@click.option("--gave-up", "is_of_given_up", is_flag=True, help="Replay failures whose recovery gave up.")
@click.option(
    "--stopped", "is_stopped_wanted", is_flag=True, help="Also replay those whose recovery a person stopped."
)
@options.time("--since", "The oldest failure: 30m, 6h, or a time.", "6h")
@options.time("--until", "The latest.  [default: now]")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Start at most this many."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.01, max=100),
    default=1,
    show_default=True,
    help="Starts per second.",
)
@click.option(
    "--again",
    type=click.IntRange(1, MOST_AGAIN),
    metavar="N",
    help="Also replay recoveries that gave up, as their further recovery N.",
)
@click.option("--even-late", is_flag=True, help="Also start runs that are too late by the policy.")
@click.option(
    "--policy",
    metavar="FILE",
    help="policy.toml that decides what is too late, or default for the built-in one.  [default: the installed one]",
)
@click.option("--dry-run", is_flag=True, help="Show what would be started, and start nothing.")
@options.one_region
@options.look_with
@options.sure
@options.as_json
@click.option("--lookups-per-s", type=float, default=2.0, hidden=True)
def replay(what: str | None, lookups_per_s: float, **given: Any) -> int:
    """Start recoveries for past failed calls that have none, unless the schedule has run since.

    Finds failed calls in CloudTrail's event history, in a FILE of records, or among the recoveries that gave up. NAME
    is one of these: a rule or schedule, a task definition's family, an id or its beginning, or the ARN of a task.
    Lists what it will start and what it will skip, with reasons, then asks. Running it twice is safe: the same
    failure gives its recovery the same name, and Lambda starts a name once.

    \b
    Examples:
      retry-run-task replay --since 3h --dry-run
      retry-run-task replay --gave-up --even-late
      retry-run-task replay nightly --even-late
      retry-run-task replay 9d9f0b5e --even-late
    """  # noqa: D301 - click's mark for text that keeps its lines
    from retry_run_task.commands.replay.search import Search  # noqa: PLC0415
    from retry_run_task.commands.shared import access  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.shared.faults import DeployError  # noqa: PLC0415

    wish = _Wish(**given)
    file = Path(what) if what and (what == "-" or Path(what).is_file()) else None
    search = Search(
        file=file,
        recovery="" if file else what or "",
        is_of_given_up=wish.is_of_given_up,
        since=wish.since,
        until=wish.until or datetime.now(UTC),
        again=wish.again or (1 if wish.is_of_given_up else 0),
        is_late_wanted=wish.even_late,
        is_stopped_wanted=wish.is_stopped_wanted,
        lookups_per_s=lookups_per_s,
    )
    if search.since > search.until:
        raise ConfigError("--since is after --until.", hint="Exchange them.")
    if not wish.dry_run:
        talk.check_can_ask(is_sure=wish.yes)
    session = access.open_session(wish.profile)
    where = wish.region or access.region_of(session)
    identity = access.identify(session, where)
    talk.say(options.place(wish.stack, where, identity))
    try:
        return _replay(session, where, identity, search, wish)
    except DeployError as error:
        return talk.fail(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """The command's options."""

    is_of_given_up: bool
    is_stopped_wanted: bool
    since: datetime
    until: datetime | None
    limit: int
    rate: float
    again: int | None
    even_late: bool
    policy: str | None
    dry_run: bool
    region: str | None
    profile: str | None
    stack: str
    look_with: str
    yes: bool
    as_json: bool


def _policy(named: str | None, reader: Reader, function: str) -> Policy:
    """Return the named policy, or the one that recoveries would follow.

    Raises:
        ConfigError: It cannot be read.
    """
    from retry_run_task.commands.deploy import own_policy  # noqa: PLC0415

    found = own_policy.named(named, "flag").content if named else own_policy.content_of(reader, function)
    return read_policy() if found is None else policy_of(found, named or "the installed policy")


def _replay(session: boto3.Session, region: str, identity: Identity, search: Search, wish: _Wish) -> int:
    from retry_run_task.commands.audit.places import places  # noqa: PLC0415
    from retry_run_task.commands.replay.replaying import plan  # noqa: PLC0415
    from retry_run_task.commands.replay.search import look_back  # noqa: PLC0415
    from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415

    installation, home = _installation(session, region, wish.stack)
    if home != region:
        talk.say(f"{region} is recovered from {home}; only the failed calls of {region} are looked for.")
        region, search = home, replace(search, region=region)
    reader = Reader(session, region)
    policy = _policy(wish.policy, reader, installation.recover)
    with talk.looking(f"Looking at {region}") as tell:
        whole = list(
            places(session, identity, [region], stack=wish.stack, look_with=wish.look_with, is_file=False)
        )
        past = look_back(session, region, installation, search, whole, tell)
        steps = plan(past.launches, replace(past.facts, policy=policy))
    wanted = [step for step in steps if not step.why_not]
    chosen = wanted[: wish.limit]
    for line in (*past.unread.lines(), *past.unseen):
        talk.say(line)
    is_whole = not (past.unread.count or past.unseen)
    for gap in past.facts.launchers.gaps:
        talk.say(f"Whether a next run was due is not certain: {gap.why} ({gap.action}).")
    is_over = wish.dry_run or not chosen
    if not wish.as_json:
        _print(steps, len(wanted) - len(chosen), past.facts.now, is_result=is_over)
    if is_over:
        _print_json(wish, steps, {})
        return 0 if is_whole else talk.FAILED
    if not talk.ask(f"Start {counted(len(chosen), 'recovery', 'recoveries')} in {region}?", is_sure=wish.yes):
        talk.say("Nothing was started.")
        return talk.NO
    done = _start(session, region, installation, wish, steps, chosen)
    return done or (0 if is_whole else talk.FAILED)


def _installation(session: boto3.Session, region: str, stack: str) -> tuple[Installation, str]:
    """Return the installation of a Region, or else the usual Region's if that covers it; and where it is.

    Raises:
        ConfigError: Neither is there.
        DeployError: AWS did not answer.
    """
    from retry_run_task.commands.shared import access  # noqa: PLC0415
    from retry_run_task.commands.shared.installation import Installation, NotInstalledError  # noqa: PLC0415
    from retry_run_task.commands.shared.installed import installation, installation_or_why  # noqa: PLC0415
    from retry_run_task.commands.shared.reader import Reader  # noqa: PLC0415

    try:
        return installation(Reader(session, region), stack), region
    except NotInstalledError:
        usual = options.home_region() or access.default_region(session)
        if usual in {"", region}:
            raise
        found = installation_or_why(Reader(session, usual), stack)
        if not isinstance(found, Installation) or region not in found.scope.regions:
            raise
        return found, usual


def _start(
    session: boto3.Session,
    region: str,
    installation: Installation,
    wish: _Wish,
    steps: Sequence[ReplayStep],
    chosen: Sequence[ReplayStep],
) -> int:
    from retry_run_task.aws import recoveries  # noqa: PLC0415
    from retry_run_task.commands.shared.faults import DeployError, calling  # noqa: PLC0415
    from retry_run_task.commands.shared.rate_limits import rate_limited  # noqa: PLC0415

    functions = session.client("lambda", region_name=region, config=recoveries.CONFIG)
    limiter = rate_limited(wish.rate)
    done: dict[str, str] = {}
    these = counted(len(chosen), "recovery", "recoveries")
    try:
        for step in chosen:
            limiter.wait()
            with calling(f"start the recovery {step.name}"):
                started = recoveries.start(
                    functions, function=installation.recover, name=step.name, payload=step.payload
                )
            # Lambda gives the same answer if it existed with the same payload.
            done[step.name] = started.value
            if not wish.as_json:
                echo(talk.shown(f"{started.value}: {step.schedule}, {step.name}"))
    except KeyboardInterrupt:
        talk.say(f"Started {len(done)} of {these}, and perhaps the next; running it again starts the others.")
        raise
    except DeployError as error:
        _print_json(wish, steps, done)
        talk.say(f"Started {len(done)} of {these}; running it again starts the others.")
        return talk.fail(error)
    _print_json(wish, steps, done)
    if not wish.as_json:
        where = {"region": region} if wish.region not in {None, region} else {}
        talk.say(f"Follow them with: {hints.command_line('status', **where)}.")
    return 0


def _print(steps: Sequence[ReplayStep], left_out: int, now: datetime, *, is_result: bool) -> None:
    """Print what would be started and what not; before the question, on stderr."""
    from rich.text import Text  # noqa: PLC0415

    from retry_run_task.commands.shared.colours import GOOD, WAIT  # noqa: PLC0415
    from retry_run_task.commands.shared.moments import ago  # noqa: PLC0415
    from retry_run_task.commands.shared.screen import screen  # noqa: PLC0415

    out = screen(stderr=not is_result)
    wanted = [step for step in steps if not step.why_not]
    head = (
        f"{counted(len(steps), 'past failure')}: {len(wanted)} to be started, {len(steps) - len(wanted)} not"
    )
    out.print(Text(head, style="bold"))
    longest = max((len(step.schedule) for step in wanted), default=0)
    for step in wanted[: len(wanted) - left_out]:
        line = Text("  ")
        line.append("start", style=GOOD)
        line.append(f"  {talk.shown(step.schedule):<{min(longest, 36)}}  ")
        note = f"; {talk.shown(step.note)}" if step.note else ""
        out.beside(line, f"failed {ago(step.launch.event_time, now)}{note}")
    if left_out:
        out.print(Text(f"  and {left_out} more that --limit leaves out; run it again for them", style=WAIT))
    reasons: dict[str, list[ReplayStep]] = defaultdict(list)
    for step in steps:
        if step.why_not:
            reasons[step.why_not].append(step)
    for why_not, those in sorted(reasons.items(), key=lambda one: (-len(one[1]), one[0])):
        names = ", ".join(sorted({step.schedule for step in those}))
        line = Text("  ")
        line.append("not    ", style=WAIT)
        number = f" ({len(those)})" if len(those) > 1 else ""
        out.beside(line, talk.shown(f"{names}{number}: {why_not}"))


def _print_json(wish: _Wish, steps: Sequence[ReplayStep], done: Mapping[str, str]) -> None:
    from retry_run_task.text import iso  # noqa: PLC0415

    if not wish.as_json:
        return
    body: list[JsonObject] = [
        {
            "recovery": step.name,
            "schedule": step.schedule,
            "region": step.launch.region,
            "event_id": step.launch.event_id,
            "failed_at": iso(step.launch.event_time),
            "start": not step.why_not,
            "why_not": step.why_not or None,
            "note": step.note or None,
            "done": done.get(step.name),
        }
        for step in steps
    ]
    click.echo(json.dumps({"failures": body, "started": len(done), "dry_run": wish.dry_run}, indent=2))
