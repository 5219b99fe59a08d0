"""``policy``: is a policy file right, what does it mean, and which rules do your schedules get."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retry_run_task.commands.shared import options, talk
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.config import POLICY, policy_of
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import CallerKind, Category
from retry_run_task.policy import attempt_times, ladder
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.file import parse
from retry_run_task.policy.keys import CALLERS, CATEGORIES, MATCH, SETTINGS
from retry_run_task.policy.ladder import COSTS, FREE
from retry_run_task.policy.rules import DEADLINE_S, Facts, Match, combined
from retry_run_task.recovery.budget import spent_after_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.commands.audit.inspection import Where
    from retry_run_task.commands.shared.inventory import Inventory, Launcher
    from retry_run_task.launch.schedule import Tags
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.policy.rules import Handling, Policy, Rule

# What is waited out first: the order in which a reader wants them.
_ORDER = (
    Category.CAPACITY,
    Category.THROTTLE,
    Category.TRANSIENT,
    Category.UNKNOWN,
    Category.CONFIGURATION,
    Category.PERMISSION,
)

# The request that a policy is shown for: two subnets, on Spot, so that every kind of rung that
# is allowed has something to change.
_EXAMPLE = {
    "capacityProviderStrategy": [{"capacityProvider": ladder.SPOT, "weight": 1}],
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"]}},
}

# A round of the ladder, and what follows it.
_ROWS_MAX = 30

_FILE = click.argument("file", required=False, type=click.Path())


@click.group()
def policy() -> None:
    """Check a policy, show what it means, or try it on your schedules.

    FILE is a policy.toml; without it, the built-in policy is used. Changes nothing.
    """


def read_file(name: str | None) -> Policy:
    """Read a policy file, or the package's own.

    Raises:
        UsageError: There is no such file.
        ConfigError: It is no policy. Names every problem.
    """
    return policy_of(_content(name), name or POLICY)


def _content(name: str | None) -> bytes:
    if name is None:
        return files("retry_run_task").joinpath(POLICY).read_bytes()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{name} cannot be read: {error.strerror}.") from None


@policy.command()
@_FILE
@options.as_json
def check(file: str | None, as_json: bool) -> int:
    """Name every problem of a policy, with its line. Ends with 3 if there is one.

    \b
    Example:
      retry-run-task policy check policy.toml
    """  # noqa: D301 - click's mark for text that keeps its lines
    name = file or POLICY
    try:
        text = _content(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{name} is not UTF-8 text; save it as UTF-8.") from None
    found = parse(text)
    problems = found if isinstance(found, tuple) else ()
    notes = [] if isinstance(found, tuple) else list(_notes(found))
    if as_json:
        listed = [{"line": p.line, "what": p.what, "hint": p.hint} for p in problems]
        click.echo(json.dumps({"file": name, "problems": listed, "costs": notes}, indent=2))
    else:
        for problem in problems:
            echo(talk.shown(f"{name}:{problem.line}: {problem.what}. {problem.hint}"))
        for note in notes:
            echo(talk.shown(f"{name}: {note}"))
        if not problems:
            echo(talk.shown(f"{name} is a policy, without a problem."))
    return talk.NO if problems else 0


def _notes(found: Policy) -> Iterator[str]:
    """Yield what a person has to know of rungs that cost something, and of deadlines that may not be reached."""
    for rule in found.rules:
        for kind in rule.sets.get("rungs", ()):
            if kind not in FREE:
                yield f"rule {rule.name!r} allows {kind}: {COSTS[kind]}"
        spent_s = _spent_after_s(found, rule)
        if spent_s is not None:
            yield (
                f"rule {rule.name!r} has a deadline of {duration_text(rule.sets['deadline_s'])}, and where tasks are "
                f"placed and every one fails to start, Lambda's limit of operations may end a recovery after "
                f"{duration_text(spent_s)}, with a message"
            )


def _spent_after_s(found: Policy, rule: Rule) -> float | None:
    """Return when failed starts may have used up the operations of an execution, for a deadline of over a day."""
    if rule.sets.get("deadline_s", 0) <= DEADLINE_S:
        return None
    general = [one for one in found.rules if one is rule or one.match == Match(category=one.match.category)]
    times = (
        spent_after_s(
            combined(
                (one for one in general if not one.match.category or category in one.match.category), category
            ),
            found.watch_s,
        )
        for category in rule.match.category or Category
    )
    return min((time for time in times if time is not None), default=None)


@policy.command()
@_FILE
@click.option("--schedule", default="", metavar="NAME", help="For launches by this rule or schedule.")
@click.option("--cluster", default="", metavar="NAME", help="For launches on this cluster; a name or an ARN.")
@click.option("--task-definition", default="", metavar="NAME", help="For launches of this task definition.")
@click.option("--caller", type=click.Choice(CALLERS), help="For launches by this kind of caller.")
@click.option("--tag", default="", metavar="VALUE", help="For launches tagged retry-run-task:policy = VALUE.")
@click.option("--category", type=click.Choice(CATEGORIES), help="Only this kind of failure.")
@options.as_json
def show(
    file: str | None,
    schedule: str,
    cluster: str,
    task_definition: str,
    caller: str | None,
    tag: str,
    category: str | None,
    as_json: bool,
) -> int:
    """Print a policy: its rules, and each attempt with its wait, the elapsed time, and its rung.

    Without options, shows what applies to launches that only general rules match. Half of each wait is fixed, the
    other half differs from launch to launch; the elapsed times assume the longest waits.

    \b
    Example:
      retry-run-task policy show policy.toml --schedule month-end-report
    """  # noqa: D301 - click's mark for text that keeps its lines
    found = read_file(file)
    facts = Facts(
        schedule=schedule,
        cluster=(cluster_name({"cluster": cluster}), cluster) if cluster else (),
        task_definition=_definition_names(task_definition),
        caller=CallerKind(caller) if caller else None,
        policy=tag,
    )
    categories = [Category(category)] if category else _ORDER
    result = {
        "file": file or POLICY,
        "spread_s": found.spread_s,
        "watch_s": found.watch_s,
        "rules": [_rule(rule) for rule in found.rules],
        "handlings": [_handling(found, facts, one) for one in categories],
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        from retry_run_task.commands.policy import showing  # noqa: PLC0415 - the other commands start without rich

        showing.show_policy(result)
    return 0


def _definition_names(name: str) -> tuple[str, ...]:
    return (family({"taskDefinition": name}), name.rsplit("/", 1)[-1], name) if name else ()


def _rule(rule: Rule) -> JsonObject:
    return {
        "name": rule.name,
        "match": _matches(rule.match),
        "sets": {
            key: _value(rule.sets[one.attribute])
            for key, one in SETTINGS.items()
            if one.attribute in rule.sets
        },
    }


def _matches(match: Match) -> dict[str, list[str]]:
    values = {key: getattr(match, one.attribute) for key, one in MATCH.items()}
    return {key: sorted(str(item) for item in value) for key, value in values.items() if value}


def _value(value: Any) -> Any:
    """Return a setting's value as the file has it, or close to it."""
    if hasattr(value, "base_s"):
        return {"first": duration_text(value.base_s), "longest": duration_text(value.cap_s)}
    if isinstance(value, tuple):
        return [str(item) if isinstance(item, str) else list(item) for item in value]
    return value


def _handling(found: Policy, facts: Facts, category: Category) -> JsonObject:
    handling = found.handling(facts, category)
    is_retried = handling.retry and not handling.ignore
    return {
        "category": category.value,
        "rules": list(dict.fromkeys(rule.name for rule in found.matching(facts, category))),
        "in_words": attempt_times.in_words(handling),
        "deadline_s": handling.deadline_s,
        "interval_share": handling.interval_share,
        "notify": handling.notify,
        "rungs": [kind.value for kind in handling.rungs] if category is Category.CAPACITY else [],
        "goes_on": is_retried and handling.attempts is None,
        "calls": list(_calls(handling, found.spread_s, category)) if is_retried else [],
    }


def _calls(handling: Handling, spread_s: float, category: Category) -> Iterator[JsonObject]:
    rungs: tuple[ladder.Rung, ...] = (ladder.AS_ASKED,)
    if category is Category.CAPACITY:
        rungs = ladder.round_of(ladder.rungs_for(handling.allowed, _EXAMPLE))
    known = list(attempt_times.attempts(handling))
    goes_on = handling.attempts is None
    total_s, waits, nth = spread_s, 0, 0
    while nth < _ROWS_MAX:
        rung, before = rungs[nth % len(rungs)], rungs[(nth - 1) % len(rungs)]
        is_at_once = nth > 0 and ladder.is_at_once(before, rung)
        if nth > 0 and not is_at_once:
            waits += 1
            if waits >= len(known) and (not goes_on or nth > len(rungs)):
                return
        wait_s = spread_s if nth == 0 else 0 if is_at_once else known[min(waits, len(known) - 1)].longest_s
        total_s += wait_s if nth > 0 else 0
        if total_s > handling.deadline_s:
            return
        nth += 1
        yield {"call": nth, "wait_s": wait_s, "total_s": total_s, "rung": rung.name}


@policy.command(name="try")
@_FILE
@options.several_regions
@options.look_with
@options.as_json
def try_(
    file: str | None,
    regions: tuple[str, ...],
    profile: str | None,
    stack: str,
    look_with: str,
    as_json: bool,
) -> int:
    """Show which rules of the policy apply to each EventBridge rule and schedule when capacity is short.

    Looks at the account, and at others that the installation covers, with tags; changes nothing.

    \b
    Example:
      retry-run-task policy try policy.toml --region eu-west-1
    """  # noqa: D301 - click's mark for text that keeps its lines
    found = read_file(file)
    from retry_run_task.commands.audit.places import places  # noqa: PLC0415 - boto3 takes half a second
    from retry_run_task.commands.policy import showing  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared import access  # noqa: PLC0415 - as above
    from retry_run_task.commands.shared.member_access import NoAccess  # noqa: PLC0415 - as above

    session = access.open_session(profile)
    named = list(dict.fromkeys(regions)) or [access.region_of(session)]
    who = access.identify(session, named[0])
    result, is_whole = [], True
    for place in places(session, who, named, stack=stack, look_with=look_with, is_file=False):
        if isinstance(place, NoAccess):
            talk.say(str(place))
            is_whole = False
        else:
            result.append(_tried(found, place))
    if as_json:
        click.echo(json.dumps({"file": file or POLICY, "regions": result}, indent=2))
    else:
        showing.show_hits(result, who.account)
    return 0 if is_whole else talk.FAILED


def _tried(found: Policy, place: Where) -> JsonObject:
    from retry_run_task.commands.shared import tags  # noqa: PLC0415 - boto3 takes half a second

    with talk.looking(f"Looking at {place.region}") as tell:
        inventory, said = tags.read_tagged(place.session, place.region, tell)
    return {
        "region": place.region,
        "account": place.account,
        "schedules": [
            _hit(found, one, inventory, said[tags.key_of(one)]) for one in inventory.launchers.found
        ],
        "gaps": [f"{gap.action} failed: {gap.why}" for gap in inventory.launchers.gaps],
    }


def _hit(found: Policy, one: Launcher, inventory: Inventory, said: Tags) -> JsonObject:
    known = inventory.task_definitions.get(one.task_definition)
    facts = Facts(
        schedule=one.name,
        cluster=(cluster_name({"cluster": one.cluster}), one.cluster),
        task_definition=(*_definition_names(one.task_definition), getattr(known, "arn", "")),
        caller=one.kind,
        policy=said.policy,
    )
    handling = found.handling(facts, Category.CAPACITY)
    is_ignored = handling.ignore or said.ignore
    notes = [*said.unread]
    if said.policy and not found.knows_tag(said.policy):
        notes.append(f"no rule is for the tag {said.policy!r}")
    return {
        "name": one.name,
        "kind": one.kind.value,
        "in": one.holder,
        "rules": ["tag"]
        if said.ignore and not handling.ignore
        else [rule.name for rule in found.matching(facts, Category.CAPACITY)],
        "in_words": "is left alone" if is_ignored else attempt_times.in_words(handling),
        "rungs": [] if is_ignored else [kind.value for kind in handling.rungs],
        "tag": said.policy or None,
        "ignored": is_ignored,
        "notes": notes,
    }
