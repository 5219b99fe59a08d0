"""What to do now: sentences, and commands that work when pasted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.names import STARTED_BY, started_by_of
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import SCHEDULED, CallerKind, Origin, Outcome, Request
from retry_run_task.messages import outside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.launch.values import FailedLaunch
    from retry_run_task.messages.message import Ending, Style
    from retry_run_task.messages.sentences import Sentences


# Hints of the engine that only say to start the run by hand: here the commands say it.
SAID_BY_STEPS = frozenset(
    {
        "If this run is wanted beside the next one, start it by hand.",
        "If the run is still wanted, start it by hand.",
        "Start the run by hand, with the values that the schedule has.",
        "Look whether the tasks have run before you start them by hand.",
        "Start the run by hand, unless the schedule's next run has done its work.",
        "Look whether the tasks run. Stop one that hangs before you start the run by hand.",
    }
)

# The members of a request that may be shown. Environment, commands and tags may hold secrets; a member that this
# version does not know may hold anything.
_SHOWABLE = frozenset({
    "capacityProviderStrategy", "cluster", "count", "enableECSManagedTags", "enableExecuteCommand", "group",
    "launchType", "networkConfiguration", "placementConstraints", "placementStrategy", "platformVersion",
    "propagateTags", "startedBy", "taskDefinition",
})  # fmt: skip


# `status` has all.
_TASKS_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do: a sentence, or what a command is for, and the command."""

    text: str
    command: str = ""


def after(
    launch: FailedLaunch, ending: Ending, style: Style, words: Sentences, show: outside.Show
) -> Iterator[Step]:
    """Yield what to do when a recovery has ended."""
    if ending.succeeded:
        yield Step(text=words.steps["nothing"])
        return
    hint = _hint(ending, words, show)
    if hint:
        yield Step(text=hint)
    where = _Where.of(launch, style)
    if ending.is_unsure:
        yield _unsure(launch, where, words)
    elif ending.rule == "errors":
        yield from _caller_retries(launch, where, words)
    text = words.steps["unconfirmed" if ending.outcome is Outcome.UNCONFIRMED else "placed"]
    cluster = cluster_name(launch.request.parameters)
    seen = outside.describe_tasks(ending.task_arns[:_TASKS_MAX], region=where.region, cluster=cluster)
    yield from where.step(text, seen)
    own = _Own(style)
    yield from _step(words.steps["look"], own.command("status"))
    starts = list(_starts(launch, ending, where, own, words))
    yield from starts or (Step(text=words.steps["by_hand"]),)
    if ending.outcome in (Outcome.EXPIRED, Outcome.SUPERSEDED):
        name = family(launch.request.parameters)
        yield from _step(words.steps["stop_next"], own.steering("stop", schedule=name) if name else "")
    yield from runbook(style, words)


def meanwhile(style: Style, words: Sentences) -> Iterator[Step]:
    """Yield what to do while a recovery is in progress."""
    own = _Own(style)
    yield Step(text=words.steps["wait"])
    yield from _step(words.steps["progress"], own.command("status"))
    yield from _step(words.steps["stop"], own.steering("stop", own.identity) if own.identity else "")
    yield from runbook(style, words)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where the tasks should run; for a hand-made record without it, where the recovery runs."""

    account: str
    region: str
    profile: str

    @classmethod
    def of(cls, launch: FailedLaunch, style: Style) -> _Where:
        place = style.place
        # arn:<partition>:lambda:<region>:<account>:function:...
        own = "".join(place.execution_arn.split(":")[4:5]) if place else ""
        return cls(
            account=launch.account or own,
            region=launch.region or (place.region if place else ""),
            # It leads to the stack's account.
            profile=style.profile if launch.account in ("", own) else "",
        )

    def step(self, text: str, command: str) -> Iterator[Step]:
        """Yield a step with a command of the AWS CLI, if there is one."""
        yield from _step(text, outside.with_profile(command, self.profile))


class _Own:
    """This project's commands for one recovery, in the account, Region and stack that it runs in."""

    def __init__(self, style: Style) -> None:
        self.identity = _name(style).removeprefix(f"{style.stack}-")
        self._where = {"region": style.place.region if style.place else "", "stack": style.stack}
        self._profile = style.profile

    def command(self, name: str, extra: str = "") -> str:
        if not self.identity:
            return ""
        line = outside.command(f"retry-run-task {name}", self.identity, **self._where)
        return outside.with_profile(f"{line}{extra}" if line else "", self._profile)

    def steering(self, name: str, *words: str, **options: str) -> str:
        line = outside.command(f"retry-run-task {name}", *words, **options, **self._where)
        return outside.with_profile(f'{line} --reason "not wanted"' if line else "", self._profile)


def _name(style: Style) -> str:
    """Return the durable execution's own name: that of a replay ends in ``-again-1``."""
    found = re.search(r"/durable-execution/([^/]+)/", style.place.execution_arn if style.place else "")
    return found[1] if found else style.recovery


def _step(text: str, command: str) -> Iterator[Step]:
    if command:
        yield Step(text=text, command=command)


def runbook(style: Style, words: Sentences, section: str = "gave-up") -> Iterator[Step]:
    """Yield where the runbook's section is."""
    address = f"{style.runbook}#{section}"
    if style.runbook.startswith("https://"):
        yield Step(text=f"{words.steps['runbook']}: {address}")
    elif style.runbook:
        # A path of this repository; in a chat `runbook.md` would become a link.
        yield Step(text=words.steps["runbook"], command=address)


def _hint(ending: Ending, words: Sentences, show: outside.Show) -> str:
    if ending.hint in SAID_BY_STEPS:
        return ""
    if ending.last is not None and ending.hint == ending.last.hint:
        return words.hint(ending.last.row, ending.hint)
    # For example, one that names the account of the record.
    return show(words.hint("", ending.hint))


def list_own_tasks(launch: FailedLaunch, region: str) -> str:
    """Return the command that lists the tasks of a launch's recovery; empty if a word of it is not plain."""
    parameters = launch.request.parameters
    return outside.command(
        "aws ecs list-tasks",
        region=region,
        cluster=cluster_name(parameters),
        started_by=started_by_of(parameters.get("startedBy"), launch.call_id),
    )


def _unsure(launch: FailedLaunch, where: _Where, words: Sentences) -> Step:
    command = list_own_tasks(launch, where.region)
    if command:
        return Step(text=words.steps["unsure"], command=outside.with_profile(command, where.profile))
    return Step(
        text=words.steps["unsure_tasks"].format(
            started_by=f"{STARTED_BY}/{outside.name(launch.call_id[:12])}"
        )
    )


def _caller_retries(launch: FailedLaunch, where: _Where, words: Sentences) -> Iterator[Step]:
    parameters = launch.request.parameters
    name = family(parameters)
    if name:
        cluster = cluster_name(parameters)
        command = outside.command("aws ecs list-tasks", region=where.region, cluster=cluster, family=name)
        yield from where.step(words.steps["caller_retries"], command)


def _starts(
    launch: FailedLaunch, ending: Ending, where: _Where, own: _Own, words: Sentences
) -> Iterator[Step]:
    """Yield how the run can be started by hand."""
    may_be_there = ending.is_unsure or bool(ending.task_arns)
    if can_replay(launch, ending.outcome, calls=ending.calls, may_be_there=may_be_there):
        yield from _step(words.steps["again"], own.command("replay", " --even-late"))
    parameters = shown_request(launch, missing=ending.wanted - len(ending.task_arns))
    if parameters:
        text = words.steps["run"].format(account=outside.name(where.account) or words.unrecorded)
        yield from where.step(text, outside.run_task(parameters, region=where.region))
        return
    if launch.caller.kind in SCHEDULED:
        yield Step(text=words.steps["by_hand_whole"])
        label = "see_rule" if launch.caller.kind is CallerKind.RULE else "see_schedule"
        yield from where.step(words.steps[label], find_schedule(launch, where.region))


def can_replay(launch: FailedLaunch, outcome: str, *, calls: int, may_be_there: bool) -> bool:
    """Tell whether ``replay`` would start the run again.

    It starts nothing that would end at once, and nothing whose tasks may exist.

    ``may_be_there`` tells whether the recovery placed tasks, or a call may have placed some.
    """
    is_admitted = outcome in (Outcome.EXPIRED, Outcome.SUPERSEDED) or calls > 0
    is_whole = isinstance(launch.request, Request)
    was_thrown = any(failure.origin is Origin.ERROR for failure in launch.failures)
    return is_admitted and is_whole and not was_thrown and not may_be_there


def shown_request(launch: FailedLaunch, *, missing: int) -> dict[str, Any]:
    """Return the parameters that start the run by hand; empty if they are incomplete or may hold a secret."""
    parameters = dict(launch.request.parameters)
    if _is_nothing(parameters.get("overrides")):
        parameters.pop("overrides", None)
    if not isinstance(launch.request, Request) or not parameters.keys() <= _SHOWABLE or missing < 1:
        return {}
    if missing != (parameters.get("count") or 1):
        parameters["count"] = missing
    return parameters


def _is_nothing(value: Any) -> bool:
    """Tell whether overrides change nothing, such as ``{"containerOverrides": [{"name": "app"}]}``.

    An empty text does: it empties a variable.
    """
    if isinstance(value, Mapping):
        return all(_is_nothing(inner) for key, inner in value.items() if key != "name")
    if isinstance(value, list):
        return all(_is_nothing(inner) for inner in value)
    return value is None


def find_schedule(launch: FailedLaunch, region: str) -> str:
    """Return the command that finds the schedule by the beginning of its name: EventBridge truncates ``startedBy``.

    Empty if the launch has no schedule, or its name is not plain.
    """
    commands = {
        CallerKind.RULE: "aws events list-rules",
        CallerKind.SCHEDULER: "aws scheduler list-schedules",
    }
    name, command = schedule_name(launch), commands.get(launch.caller.kind)
    return outside.command(command, region=region, name_prefix=name) if name and command else ""


def schedule_name(launch: FailedLaunch) -> str | None:
    """Return the part of the schedule's name in ``startedBy``, which EventBridge truncates at 36 characters."""
    started_by = str(launch.request.parameters.get("startedBy") or "")
    return started_by.partition("/")[2] or None if launch.caller.kind in SCHEDULED else None
