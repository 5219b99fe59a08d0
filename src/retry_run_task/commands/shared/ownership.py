"""The owner of a CloudFormation stack. A name proves nothing: another team may have a stack of that name.

A stack is an installation if it has the resources that only an installation has. One that failed before it had them, or
that is still empty, is recognised by its description, or by the name of its change set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

CHANGE_SET_PREFIX = "retry-run-task-"

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


def is_installation(
    resources: Iterable[Resource], description: str, known: Mapping[str, str] | None = None
) -> bool:
    """Tell whether a stack is an installation of this system.

    ``known`` has the types of the resources that an installation may have, by name; None to accept any. The resources
    include deleted ones.
    """
    there = {one.name: one.type for one in resources}
    if there.items() >= _ALWAYS_THERE.items():
        return True
    return bool(_DESCRIPTION.match(description)) and (known is None or there.items() <= known.items())


def check(
    where: str,
    resources: Collection[Resource],
    description: str,
    change_sets: Iterable[str],
    known: Mapping[str, str],
) -> None:
    """Refuse a stack that is not ours, or not ours alone.

    ``where`` is the stack in words, such as ``shop in eu-west-1``; its resources include deleted ones, and
    ``change_sets`` (names of pending ones) is read only if it is empty. ``known`` has the types of the resources that
    an installation may have, by name.

    Raises:
        ForeignError: Names what is in it.
    """
    if not resources and not description:
        theirs = [f"change set {name}" for name in change_sets if not name.startswith(CHANGE_SET_PREFIX)]
    elif is_installation(resources, description, known):
        more = [one for one in resources if not one.is_gone and known.get(one.name) != one.type]
        if more:
            raise ForeignError(
                f"The stack {where} is an installation of retry-run-task, but also holds {_named(more)}, which this "
                "version would remove. Nothing was changed.",
                hint="Move that into a stack of its own, or update retry-run-task if a newer version made it.",
            )
        return
    else:
        theirs = [str(one) for one in resources]
    if theirs or resources or description:
        raise foreign(where, theirs)


def foreign(where: str, what: Iterable[object]) -> ForeignError:
    """Return the error for another owner's stack, with what is in it."""
    theirs = list(what)
    return ForeignError(
        f"The stack {where} is not an installation of retry-run-task"
        f"{f': it has {_named(theirs)}' if theirs else ''}. Nothing was changed.",
        hint="Name another stack with --stack.",
    )


def _named(things: Iterable[object]) -> str:
    texts = [str(one) for one in things]
    if len(texts) > _MOST_NAMED:
        return f"{', '.join(texts[: _MOST_NAMED - 1])} and {len(texts) - _MOST_NAMED + 1} more"
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
