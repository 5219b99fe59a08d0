"""The policy: ordered, named rules that map a launch and a category to a handling. Data: nothing here acts.

Rules are read from top to bottom, and all that match a launch and a category count: each setting has the value of the
first matching rule that sets it. So a rule for one schedule contains only its differences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import CallerKind, Category
from retry_run_task.policy.ladder import Allowed, RungKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retry_run_task.launch.values import FailedLaunch
    from retry_run_task.policy.backoff import Backoff

# How long recover's durable execution may last, in infra/. A test compares the two.
EXECUTION_S = 7 * 86_400

# A durable execution may have 3,000 operations: the start, each step, each wait, each repeat of a step whose
# process died. The rest is reserved for the messages at the end (13), and for anything else that Lambda may count.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
OPERATIONS_MAX = 2900

# An attempt costs two, itself and the wait after it; 400 are for watching tasks, and for finding the schedule.
ATTEMPTS_MAX = (OPERATIONS_MAX - 400) // 2

# Time for what follows the last attempt: watching for an hour, and the message.
AFTER_THE_LAST_ATTEMPT_S = 2 * 3600

DEADLINE_S = 24 * 3600
"""Used if no rule sets a deadline."""

EARLY_S = 30 * 60
"""Used if no rule sets a time for the early message."""


class Notify(StrEnum):
    """When the end of a recovery sends a message."""

    ALWAYS = "always"
    FAILURE = "failure"
    NEVER = "never"


class Overlap(StrEnum):
    """What is done about a launch while an earlier run of its schedule is still going."""

    ALLOW = "allow"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rules can match, beside the category.

    Attributes:
        cluster: Its name and its ARN, as far as known.
        task_definition: Its family, ``family:revision`` and ARN, as far as known.
        policy: Value of the tag ``retry-run-task:policy``; empty if there is none.
    """

    schedule: str = ""
    cluster: tuple[str, ...] = ()
    task_definition: tuple[str, ...] = ()
    caller: CallerKind | None = None
    policy: str = ""


def facts_of(launch: FailedLaunch, *, schedule: str = "", policy: str = "") -> Facts:
    """Return what rules can match in a failed launch."""
    parameters = launch.request.parameters
    arn = str(parameters.get("taskDefinition") or "")
    return Facts(
        schedule=schedule,
        cluster=(cluster_name(parameters), str(parameters.get("cluster") or "")) if parameters else (),
        task_definition=(family(parameters), arn.rpartition("/")[2], arn),
        caller=launch.caller.kind,
        policy=policy,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The condition of a rule. Every given part must match; an empty part matches anything.

    Attributes:
        schedule: Globs on the rule's or schedule's name. A call whose schedule is unknown matches none.
        policy: Globs on the value of the tag ``retry-run-task:policy``.
    """

    schedule: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    task_definition: tuple[str, ...] = ()
    caller: frozenset[CallerKind] = frozenset()
    category: frozenset[Category] = frozenset()
    policy: tuple[str, ...] = ()

    def fits(self, facts: Facts, category: Category) -> bool:
        """Tell whether the rule is for a launch with a failure of a category."""
        return (
            (not self.category or category in self.category)
            and (not self.caller or facts.caller in self.caller)
            and _any(self.schedule, (facts.schedule,))
            and _any(self.cluster, facts.cluster)
            and _any(self.task_definition, facts.task_definition)
            and _any(self.policy, (facts.policy,))
        )


def _any(globs: tuple[str, ...], names: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs for name in names if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its settings, by the names of the attributes of ``Handling``."""

    name: str
    match: Match = field(default_factory=Match)
    sets: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sets", MappingProxyType(dict(self.sets)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What is done about one category of failures of one launch.

    Attributes:
        origins: Which rule set what, by the names of these attributes.
        retry: Whether another attempt follows; if not, such a failure ends the recovery.
        attempts: The number of failed attempts of this category that ends a recovery; None for any number.
        wait: The waits between attempts; None means the same as no ``retry``.
        deadline_s: Seconds from the failed call after which the run is no longer wanted.
        interval_share: Part of the time until the schedule's next run after which the run is no longer wanted;
            1 means until that run is due.
        rungs: Kinds of rungs, in the order in which they are tried.
        notify: When a message is sent; None leaves it to the function's setting.
        early_s: Seconds from the failed call after which a message says that the run is still being retried; None
            for never.
        stop_hanging: Whether a task of the recovery that does not start within ``watch_s`` is stopped and replaced.
        overlap: Whether the launch is dropped if an earlier run of its schedule is still going.
    """

    rule: str = ""
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ignore: bool = False
    retry: bool = True
    attempts: int | None = None
    wait: Backoff | None = None
    deadline_s: float = DEADLINE_S
    interval_share: float = 1.0
    rungs: tuple[RungKind, ...] = (RungKind.AS_ASKED,)
    extra_subnets: tuple[str, ...] = ()
    capacity_providers: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    platform_versions: tuple[str, ...] = ()
    notify: Notify | None = None
    early_s: float | None = EARLY_S
    stop_hanging: bool = False
    overlap: Overlap = Overlap.ALLOW

    @property
    def allowed(self) -> Allowed:
        """Return the rungs with their lists."""
        return Allowed(
            kinds=self.rungs,
            extra_subnets=self.extra_subnets,
            capacity_providers=self.capacity_providers,
            sizes=self.sizes,
            platform_versions=self.platform_versions,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that a recovery needs to decide.

    Attributes:
        spread_s: Longest wait before the first attempt, in seconds; each launch waits its own share of it.
        watch_s: Seconds for which a placed task is watched until it runs.
    """

    rules: tuple[Rule, ...]
    spread_s: float = 0
    watch_s: float = 1800

    def __post_init__(self) -> None:
        absent = [c.value for c in Category if not is_whole(self.handling(Facts(), c))]
        if absent:
            raise ValueError(f"the policy has no rule for {', '.join(absent)}; every category needs one")

    def handling(self, facts: Facts, category: Category) -> Handling:
        """Return the handling of a failure of a category, for a launch."""
        return combined(self.matching(facts, category), category)

    def matching(self, facts: Facts, category: Category) -> Iterator[Rule]:
        """Yield the rules that match, in order."""
        return (rule for rule in self.rules if rule.match.fits(facts, category))

    def knows_tag(self, value: str) -> bool:
        """Tell whether any rule is for launches with a value of the tag."""
        return any(fnmatchcase(value, glob) for rule in self.rules for glob in rule.match.policy)


def combined(rules: Iterable[Rule], category: Category) -> Handling:
    """Return the combined settings of some rules: the first rule that sets a value wins."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    first = ""
    for rule in rules:
        first = first or rule.name
        for name, value in rule.sets.items():
            if name not in values:
                values[name], origins[name] = value, rule.name
    if category is Category.PERMISSION:
        # A denied call is never sent again, whatever a policy says.
        values["retry"] = False
    return Handling(rule=first, origins=MappingProxyType(origins), **values)


def is_whole(handling: Handling) -> bool:
    """Tell whether a handling is complete: it ignores, gives up, or waits."""
    return handling.ignore or not handling.retry or handling.wait is not None
