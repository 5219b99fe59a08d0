"""The changes of a stack's resources, computed from two templates without calling CloudFormation.

A change set is more exact, but creating one leaves something behind, if only for a moment. A dry run shows this; a
deployment shows the change set.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.stack_states import ResourceChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.commands.deploy.template import Filled
    from retry_run_task.launch.values import JsonObject

# Any change of these creates a new one, with another number or ARN.
_NEVER_CHANGED = frozenset({"AWS::Lambda::LayerVersion", "AWS::Lambda::Version"})


def changes(old: Filled | None, new: Filled, template: JsonObject) -> tuple[ResourceChange, ...]:
    """Return what would change.

    Without ``old`` nothing is installed. ``template`` is the new one, before it was filled in.
    """
    before = old.resources if old else {}
    found = {
        name: ResourceChange(action="add", resource=name, type=resource["Type"])
        for name, resource in new.resources.items()
        if name not in before
    }
    for name, resource in new.resources.items():
        if name in before and before[name] != resource:
            found[name] = _changed(name, resource["Type"])
    # A replaced resource has another name, and so changes what refers to it.
    waiting = [name for name, change in found.items() if change.replaces and change.action == "change"]
    while waiting:
        replaced = waiting.pop()
        for name, resource in new.resources.items():
            if name not in found and replaced in set(_references(template["Resources"][name])):
                found[name] = _changed(name, resource["Type"])
                if found[name].replaces:
                    waiting.append(name)
    removed = tuple(
        ResourceChange(action="remove", resource=name, type=resource["Type"])
        for name, resource in before.items()
        if name not in new.resources
    )
    return tuple(found[name] for name in new.resources if name in found) + removed


def _changed(name: str, kind: str) -> ResourceChange:
    return ResourceChange(action="change", resource=name, type=kind, replaces=kind in _NEVER_CHANGED or None)


def _references(value: Any) -> Iterator[str]:
    """Yield the names that a part of a template refers to."""
    match value:
        case {"Ref": str() as name}:
            yield name
        case {"Fn::GetAtt": [name, *_]}:
            yield name
        case {"Fn::Sub": str() as text}:
            yield from (found.partition(".")[0] for found in re.findall(r"\$\{([^!}]+)\}", text))
        case {"Fn::Sub": [text, own]}:
            yield from _references({"Fn::Sub": text})
            yield from _references(own)
        case dict():
            for inner in value.values():
                yield from _references(inner)
        case list():
            for inner in value:
                yield from _references(inner)
        case _:
            return
