"""Chooses the value of each parameter: from the command line, the file, the installed stack, or the account.

Installed values take precedence over those found now, so that an update never widens by itself what may be started.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy import reads
from retry_run_task.commands.deploy.proposal import MOST_FILTERS, family_of, free_slots, our_filter, propose
from retry_run_task.commands.shared.hints import command_line
from retry_run_task.commands.shared.inventory import Launcher, Missing, TaskDefinition, Trail, Unknown
from retry_run_task.commands.shared.launchers import read_task_definitions
from retry_run_task.commands.shared.member_access import NEXT
from retry_run_task.commands.shared.parameters import PARAMETERS
from retry_run_task.commands.shared.trails import read_log_groups
from retry_run_task.documentation import is_own_runbook
from retry_run_task.errors import ConfigError
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retry_run_task.commands.deploy.proposal import Proposal
    from retry_run_task.commands.shared.inventory import Inventory
    from retry_run_task.commands.shared.reader import Reader

    Definitions = Mapping[str, TaskDefinition | Missing | Unknown]

FLAG, FILE, INSTALLED, FOUND, DEFAULT = "flag", "file", "installed", "found", "default"
_BY_HAND = frozenset({FLAG, FILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The value of one parameter.

    ``source`` is ``flag``, ``file``, ``installed``, ``found`` in the account, ``policy`` or ``default``.
    """

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """All values."""

    parameters: tuple[Chosen, ...]
    notes: tuple[str, ...]

    def values(self) -> dict[str, str]:
        """The values by name."""
        return {one.name: one.value for one in self.parameters}


def choose(
    inventory: Inventory,
    reader: Reader,
    *,
    flags: Mapping[str, str],
    file: Mapping[str, str],
    installed: Mapping[str, str],
    adds_found: bool = False,
) -> Choice:
    """Return the value of every parameter.

    ``file`` are the parameters in the settings file, ``installed`` those of the installed stack; ``adds_found`` adds
    what schedules need now to the installed lists.

    Raises:
        ConfigError: Some values are invalid; names every problem.
    """
    # Otherwise messages and alarms would link to the runbook of the version that was installed first.
    installed = {n: v for n, v in installed.items() if n != "RunbookUrl" or not is_own_runbook(v)}
    if adds_found:
        installed = _with_found(installed, inventory)
    given = _sourced(((FLAG, flags), (FILE, file), (INSTALLED, installed)))
    families = given["TaskDefinitions"].value.split(",") if "TaskDefinitions" in given else None
    by_hand: Definitions = {}
    everything = inventory
    whole = _found(propose(inventory), {})
    if families is not None:
        by_hand = _definitions_of(families, inventory, reader)
        inventory = narrowed(inventory, families)
    proposal = propose(inventory)
    found = _found(proposal, by_hand)
    chosen = {**_sourced(((FOUND, found),)), **given}
    clusters = chosen["Clusters"].value.split(",") if "Clusters" in chosen else ["default"]
    chosen = {**_sourced(((FOUND, reads.found(everything, clusters)),)), **chosen}
    parameters = tuple(
        chosen.get(one.name, Chosen(name=one.name, value=one.default or "", source=DEFAULT))
        for one in PARAMETERS
    )
    log_group = next(one for one in parameters if one.name == "TrailLogGroupName")
    problems = [
        *_wrong_values(parameters, families),
        *_missing_definitions(given.get("TaskDefinitions"), by_hand),
        *_log_group_problems(log_group, inventory, reader),
        *_no_way_in(log_group, proposal),
        *_moved_roles(parameters, installed),
    ]
    if problems:
        raise ConfigError(f"{'; '.join(dict.fromkeys(problems))}.")
    email = next(one for one in parameters if one.name == "NotificationEmail")
    values = {one.name: one.value for one in parameters}
    notes = (
        *_notes(given, whole, log_group, email, inventory),
        *reads.notes(everything, values, "--read-rules and --read-schedules"),
        *_unreadable(everything, clusters, values),
        *_members(inventory),
        *_audit(values["AuditSchedule"], installed),
        *proposal.left_out,
    )
    return Choice(parameters=parameters, notes=tuple(dict.fromkeys(notes)))


_LISTS = ("TaskDefinitions", "Clusters", "PassRoleArns")


def _with_found(installed: Mapping[str, str], inventory: Inventory) -> dict[str, str]:
    """Return the installed parameters with what schedules need now at the end of the lists."""
    found = _found(propose(inventory), {})
    lists = {name: _joined(installed[name], found.get(name, "")) for name in _LISTS if name in installed}
    clusters = (lists.get("Clusters") or "default").split(",")
    readable = reads.found(inventory, clusters)
    lists |= {name: _joined(installed[name], value) for name, value in readable.items() if name in installed}
    return {**installed, **lists}


def _joined(installed: str, found: str) -> str:
    return ",".join((*filter(None, installed.split(",")), *_not_matched(installed, found)))


def _not_matched(installed: str, found: str) -> list[str]:
    """Return the names of a list that no name or pattern of another has."""
    globs = installed.split(",")
    return [one for one in found.split(",") if one and not any(fnmatchcase(one, glob) for glob in globs)]


def _moved_roles(parameters: tuple[Chosen, ...], installed: Mapping[str, str]) -> Iterator[str]:
    path = next(one.value for one in parameters if one.name == "RolePath")
    if installed and path != installed.get("RolePath", "/"):
        yield (
            f"--role-path is {path!r} and what is installed has {installed.get('RolePath', '/')!r}; IAM cannot move a "
            f"role, so remove the installation first, with: {command_line('destroy')}"
        )


def _unreadable(inventory: Inventory, clusters: list[str], values: Mapping[str, str]) -> Iterator[str]:
    if missing := reads.unreadable(inventory, clusters, values):
        yield (
            f"recover may not read {', '.join(missing)}, so it does not know what CloudTrail redacts of their calls, "
            "and when their next runs are due; add them with --read-rules and --read-schedules"
        )


def _audit(schedule: str, installed: Mapping[str, str]) -> Iterator[str]:
    before = installed.get("AuditSchedule", "")
    if before and schedule != before:
        # Each audit looks at the day before it, and keeps no state.
        yield (
            f"the daily audit {'moves' if schedule else 'is switched off'}, so no message would report runs that were "
            f"overtaken since its last one; afterwards, look once, with: {command_line('audit --since 2d')}"
        )
    elif schedule and not before:
        yield (
            "once a day an audit looks for runs that did not happen, and runs that were overtaken are then told in one "
            'message; --audit-schedule "" leaves it out'
        )
    elif not schedule:
        usual = next(one.default for one in PARAMETERS if one.name == "AuditSchedule")
        yield (
            "there is no daily audit: a run that nothing called for is not noticed, and each overtaken run sends a "
            f"message of its own; switch it on with --audit-schedule '{usual}'"
        )


def _members(inventory: Inventory) -> Iterator[str]:
    """Yield which other accounts were not looked at; `members` computes what the others need."""
    for account, why in inventory.closed.items():
        yield (
            f"account {account} was not looked at, so name its task definitions and clusters yourself: {why}; "
            f"{NEXT[:1].lower()}{NEXT[1:-1]}"
        )


def _sourced(sources: tuple[tuple[str, Mapping[str, str]], ...]) -> dict[str, Chosen]:
    chosen: dict[str, Chosen] = {}
    for source, values in sources:
        for name, value in values.items():
            chosen.setdefault(name, Chosen(name=name, value=value, source=source))
    return chosen


def _definitions_of(families: list[str], inventory: Inventory, reader: Reader) -> Definitions:
    """Return ECS's answer about families that no schedule asks for."""
    asked_for = {family_of(one, inventory) for one in inventory.launchers.found}
    unasked = [name for name in families if name and not set(name) & set("*?") and name not in asked_for]
    as_if = [Launcher(kind=CallerKind.HAND_MADE, name=name, task_definition=name) for name in unasked]
    return read_task_definitions(reader, as_if, lambda _: None)


def narrowed(inventory: Inventory, families: list[str]) -> Inventory:
    """Return an inventory without the schedules of other families."""
    kept = tuple(
        one
        for one in inventory.launchers.found
        if any(fnmatchcase(family_of(one, inventory), pattern) for pattern in families)
    )
    wanted = {one.task_definition for one in kept}
    return replace(
        inventory,
        launchers=replace(inventory.launchers, found=kept),
        task_definitions={k: v for k, v in inventory.task_definitions.items() if k in wanted},
        members=tuple(narrowed(one, families) for one in inventory.members),
    )


def _found(proposal: Proposal, by_hand: Definitions) -> dict[str, str]:
    roles = set(proposal.pass_role_arns)
    for one in by_hand.values():
        if isinstance(one, TaskDefinition):
            roles |= {role for role in (one.task_role_arn, one.execution_role_arn) if role}
    found = {
        "TaskDefinitions": ",".join(proposal.task_definitions),
        "Clusters": ",".join(proposal.clusters),
        "PassRoleArns": ",".join(sorted(roles)),
        "TrailLogGroupName": proposal.log_group,
    }
    found = {name: value for name, value in found.items() if value}
    if proposal.reserved is None:
        found["RecoverConcurrency"] = ""
    return found


def _wrong_values(parameters: tuple[Chosen, ...], families: list[str] | None) -> Iterator[str]:
    by_name = {one.name: one for one in PARAMETERS}
    for one in parameters:
        parameter = by_name[one.name]
        if one.name == "TaskDefinitions" and families is None and not one.value:
            yield (
                "no rule or schedule that starts an ECS task was found, so nothing is known that may be started; "
                f"name the families with {parameter.option}"
            )
        elif problem := parameter.problem(one.value):
            yield f"{parameter.option} is {one.value!r} ({one.source}); {problem}"


def _missing_definitions(given: Chosen | None, by_hand: Definitions) -> Iterator[str]:
    for name, one in by_hand.items():
        if given is not None and given.source in _BY_HAND and isinstance(one, Missing):
            yield f"there is no task definition {name!r} (ECS says: {one.why})"


def _log_group_problems(chosen: Chosen, inventory: Inventory, reader: Reader) -> Iterator[str]:
    if chosen.source not in _BY_HAND or not chosen.value:
        return
    arn = (
        f"arn:{inventory.identity.partition}:logs:{inventory.region}:{inventory.identity.account}"
        f":log-group:{chosen.value}"
    )
    as_if = Trail(name="", arn="", home_region=inventory.region, log_group_arn=arn)
    group = read_log_groups(reader, inventory.identity, [as_if])[arn]
    if not group.exists:
        yield f"there is no log group {chosen.value!r} in {inventory.region}"
    elif isinstance(group.filters, tuple) and not our_filter(group, inventory) and not free_slots(group):
        names = " and ".join(one.name for one in group.filters)
        yield (
            f"the log group {chosen.value!r} has {MOST_FILTERS} subscription filters, {names}, and takes no third; "
            'remove one, or give --trail-log-group-name "" to use EventBridge alone'
        )


def _no_way_in(chosen: Chosen, proposal: Proposal) -> Iterator[str]:
    if not proposal.event_sources and not chosen.value:
        yield (
            "no trail records RunTask in this Region, so no failure would ever be seen; "
            f"see what is missing with: {command_line('doctor')}"
        )


def _notes(
    given: Mapping[str, Chosen],
    found: Mapping[str, str],
    log_group: Chosen,
    email: Chosen,
    inventory: Inventory,
) -> Iterator[str]:
    by_name = {one.name: one for one in PARAMETERS}
    for name, value in found.items():
        one = given.get(name)
        if one is None or one.source != INSTALLED:
            continue
        if new := _not_matched(one.value, value):
            more = ", ".join(sorted(new))
            how = "--add-found" if name in _LISTS else by_name[name].option
            yield f"found now, and not installed: {more}; take it in with {how}"
    if not log_group.value:
        full = [
            group.name
            for group in inventory.log_groups.values()
            if isinstance(group.filters, tuple) and group.exists and not free_slots(group)
        ]
        why = f", since {full[0]} has {MOST_FILTERS} subscription filters already" if full else ""
        yield f"failures come through EventBridge alone{why}"
    if not email.value:
        yield "no message reaches anyone until you subscribe to the topic; --notification-email subscribes one address"
    if isinstance(inventory.trails, Unknown):
        yield f"whether a trail records RunTask is not known ({inventory.trails.action}): {inventory.trails.why}"
