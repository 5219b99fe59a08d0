"""The owner of a CloudFormation stack. A name proves nothing: another team may have a stack of that name.

A stack is an installation if it has the resources that only an installation has. One that failed before it had them, or
that is still empty, is recognised by its description, or by the name of its change set.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

CHANGE_SET_PREFIX = "retry-run-task-"
ELSEWHERE = "Name another stack with --stack."
ALONE = "Move that into a stack of its own, or update retry-run-task if a newer version made it."
SERVICES = tuple(f"AWS::{name}::" for name in ("CloudWatch", "Events", "IAM", "Lambda", "Logs", "SNS", "SQS"))
"""Of the resources that an installation may have."""

_ALWAYS_THERE = MappingProxyType(
    {
        "Intake": "AWS::Lambda::Function",
        "Recover": "AWS::Lambda::Function",
        "RecoverVersion": "AWS::Lambda::Version",
        "CodeNumber": "AWS::Lambda::LayerVersion",
    }
)
_DESCRIPTION = re.compile(r"retry-run-task \d+\.\d+\.\d+\S*: ")
_MOST_NAMED = 5


class ForeignError(ConfigError):
    """The named stack is foreign, so it is not touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of a stack: ``name`` in the template, CloudFormation ``type``, ``physical_id`` in the account.

    ``is_gone`` if it was deleted or never created; CloudFormation lists those of a failed creation.
    """

    name: str
    type: str
    physical_id: str = ""
    is_gone: bool = False

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.name} ({self.type})"


def contents_if_foreign(
    resources: Collection[Resource],
    description: str,
    change_sets: Iterable[str],
    known: Mapping[str, str] | None = None,
) -> str | None:
    """Return what is in a stack that is no installation of this system, in words; None if it is one, or empty.

    The resources include deleted ones. ``change_sets`` has the names of pending ones, and is read only if the stack is
    empty. ``known`` has the types of the resources that an installation may have, by name; None if that is not known.
    """
    there = {one.name: one.type for one in resources}
    if there.items() >= _ALWAYS_THERE.items():
        return None
    if not resources and not description:
        theirs = [f"change set {name}" for name in change_sets if not name.startswith(CHANGE_SET_PREFIX)]
        return _listed(theirs) or None
    if _DESCRIPTION.match(description):
        if known is None and all(kind.startswith(SERVICES) for kind in there.values()):
            return None
        if known is not None and there.items() <= known.items():
            return None
    return _named(resources)


def check(
    where: str,
    resources: Collection[Resource],
    description: str,
    change_sets: Iterable[str],
    known: Mapping[str, str],
) -> None:
    """Refuse to change a stack that is not ours, or not ours alone; ``where`` is the stack in words.

    Raises:
        ForeignError: Names what is in it.
    """
    theirs = contents_if_foreign(resources, description, change_sets, known)
    if theirs is not None:
        raise ForeignError(f"{not_ours(where, theirs)} Nothing was changed.", hint=ELSEWHERE)
    if also := also_holds(where, resources, known):
        raise ForeignError(f"{also} Nothing was changed.", hint=ALONE)


def also_holds(where: str, resources: Iterable[Resource], known: Mapping[str, str]) -> str:
    """Return the sentence for an installation's stack that holds something else, too; empty if it does not."""
    more = [one for one in resources if not one.is_gone and known.get(one.name) != one.type]
    if not more:
        return ""
    return (
        f"The stack {where} is an installation of retry-run-task, but also holds {_named(more)}, which this version "
        "would remove."
    )


def not_ours(where: str, contents: str) -> str:
    """Return the sentence for another owner's stack, such as ``shop in eu-west-1``, with what is in it."""
    return f"The stack {where} is not an installation of retry-run-task{f': it has {contents}' if contents else ''}."


def _named(resources: Collection[Resource]) -> str:
    """Return resources in words: each by name, or many by type with their numbers, most frequent first."""
    if len(resources) <= _MOST_NAMED:
        return _listed([str(one) for one in resources])
    types = Counter(one.type for one in resources)
    return (
        f"{len(resources)} resources: {', '.join(f'{number} {kind}' for kind, number in types.most_common())}"
    )


def _listed(texts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1] if texts else "")))
