"""Makes the chosen parameters fit into AWS's size limits, or reports what does not fit.

Names that were found are condensed to patterns only if they do not fit, and only to patterns that match nothing else in
the account; if that is not possible, or not known, the user has to allow it. Values that a user gave are never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy import patterns, reads
from retry_run_task.commands.deploy.choices import FOUND
from retry_run_task.commands.deploy.proposal import propose
from retry_run_task.commands.deploy.sizes import to_blame
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.names import names_in
from retry_run_task.commands.shared.parameters import PARAMETERS
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from retry_run_task.commands.deploy.choices import Choice
    from retry_run_task.commands.deploy.sizes import Size, Sizer
    from retry_run_task.commands.shared.inventory import Inventory
    from retry_run_task.commands.shared.reader import Reader

_MOST_NAMED = 10
_MOST_IN_A_SENTENCE = 3
_MOST_SIZES = 2
_OPTIONS = {one.name: one.option for one in PARAMETERS}
_CALLED = {
    "Clusters": "clusters",
    "TaskDefinitions": "task definitions",
    "PassRoleArns": "roles",
    **reads.CALLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """The lists of a template that may be condensed.

    Attributes:
        called: What is in each, in the order in which they are condensed: clusters stand beside every list of task
            definitions, so they come first.
        everything: Returns all that there is in the account for one of them.
    """

    called: Mapping[str, str]
    everything: Callable[[str], Sequence[str] | Unknown]
    needed: Mapping[str, set[str]]
    options: Mapping[str, str]


def fit(choice: Choice, sizer: Sizer, reader: Reader, inventory: Inventory, *, may_widen: bool) -> Choice:
    """Return the choice in a form that can be deployed, with notes on what its patterns match.

    ``inventory`` is what starts tasks, ``reader`` reads what exists beside it. ``may_widen`` tells whether patterns
    made here may match more than what was found.

    Raises:
        ConfigError: It does not fit, or only with patterns that match too much.
    """
    proposal, clusters = propose(inventory), choice.values()["Clusters"].split(",")
    lists = Lists(
        called=_CALLED,
        everything=lambda name: names_in(name, [reader, *map(reader.elsewhere, inventory.elsewhere)]),
        needed={
            "Clusters": set(proposal.clusters),
            "TaskDefinitions": set(proposal.task_definitions),
            "PassRoleArns": set(proposal.pass_role_arns),
            **{name: set(names) for name, names in reads.named(inventory, clusters).items()},
        },
        options=_OPTIONS,
    )
    sources = {one.name: one.source for one in choice.parameters}
    values, notes = fit_lists(lists, choice.values(), sources, sizer, may_widen=may_widen)
    parameters = tuple(replace(one, value=values[one.name]) for one in choice.parameters)
    return replace(choice, parameters=parameters, notes=tuple(dict.fromkeys((*choice.notes, *notes))))


def fit_lists(
    lists: Lists, given: Mapping[str, str], sources: Mapping[str, str], sizer: Sizer, *, may_widen: bool
) -> tuple[dict[str, str], list[str]]:
    """Return the parameters in a form that fits, and notes on what their patterns match.

    Raises:
        ConfigError: They do not fit, or only with patterns that match too much.
    """
    values, notes, wider, blamed = dict(given), list[str](), list[str](), list[str]()
    is_large = bool(sizer.too_large(values))
    for name, called in lists.called.items():
        names = values[name].split(",") if values[name] else []
        is_found = sources[name] == FOUND
        if not (is_large and is_found) and not any(map(patterns.is_pattern, names)):
            continue
        there = lists.everything(name)
        own = set(names) if is_found else lists.needed[name] | set(names)
        others: Collection[str] = () if isinstance(there, Unknown) else set(there) - own
        if is_large and is_found:
            condensed = _condensed(lists, name, names, values, sizer, others)
            if condensed is None or condensed == names:
                continue
            values[name] = ",".join(condensed)
            notes.append(
                f"the {len(names)} {called} do not fit into AWS's limits as they are, so {_listed(condensed)} "
                f"{'stands' if len(condensed) == 1 else 'stand'} for them"
            )
        listed = values[name].split(",")
        notes += _beside(lists, name, listed, there, others, most=len(others))
        if is_large and is_found and (sentences := _beside(lists, name, listed, there, others)):
            wider += sentences
            blamed.append(name)
    if large := sizer.too_large(values):
        raise _too_large(lists, large, values, sources)
    if wider and not may_widen:
        raise ConfigError(
            f"{_begun('; '.join(wider))}; the names themselves are too many for AWS's limits.",
            hint="Allow these patterns with --allow-patterns, or name others with "
            f"{_or(lists, values, sources, blamed)}.",
        )
    return values, notes


def _condensed(
    lists: Lists, name: str, names: list[str], values: dict[str, str], sizer: Sizer, others: Collection[str]
) -> list[str] | None:
    """Return names or patterns that fit, if necessary patterns that match others, too; None if none fit."""
    order = list(lists.called)
    # What is condensed later is made as short as possible here.
    later = {other: values[other].partition(",")[0] for other in order[order.index(name) + 1 :]}

    def fits(listed: Sequence[str]) -> bool:
        return not sizer.too_large({**values, **later, name: ",".join(listed)})

    exact = patterns.condense(names, fits, others)
    return exact if exact is not None or not others else patterns.condense(names, fits)


def _beside(
    lists: Lists,
    name: str,
    listed: Sequence[str],
    there: Sequence[str] | Unknown,
    others: Collection[str],
    *,
    most: int = _MOST_NAMED,
) -> list[str]:
    """Return what patterns match beside the intended names, as sentences."""
    globs = [one for one in listed if patterns.is_pattern(one)]
    if not globs:
        return []
    if isinstance(there, Unknown):
        return [f"what else in {name} {_listed(globs)} may match is not known ({there.action}): {there.why}"]
    if also := patterns.matched(globs, others):
        matches = "matches" if len(globs) == 1 else "match"
        called = lists.called[name].removesuffix("s") if len(also) == 1 else lists.called[name]
        what = f"{len(also)} {called} {reads.BESIDE.get(name, 'that no rule or schedule here needs')}"
        return [f"in {name}, {_listed(globs)} also {matches} {what}: {_listed(also, most)}"]
    return []


def _too_large(
    lists: Lists, large: Sequence[Size], values: Mapping[str, str], sources: Mapping[str, str]
) -> ConfigError:
    names = [one for one in to_blame(large) if values.get(one)]
    counts = " and ".join(f"{values[one].count(',') + 1} in {one}" for one in names if "," in values[one])
    return ConfigError(
        f"So many names do not fit into AWS's limits ({counts}): {'; '.join(map(str, large[:_MOST_SIZES]))}.",
        hint="Give patterns instead of names, such as batch-*, or fewer names, with "
        f"{_or(lists, values, sources, names)}; or divide your jobs among stacks, with --stack and "
        "--task-definitions.",
    )


def _or(lists: Lists, values: Mapping[str, str], sources: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the options of lists that have more than one name, those not found automatically first."""
    long = [one for one in names if "," in values.get(one, "")] or list(names)
    long.sort(key=lambda one: sources.get(one) == FOUND)
    return " or ".join(lists.options[one] for one in long)


def _listed(names: Sequence[str], most: int = _MOST_IN_A_SENTENCE) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
