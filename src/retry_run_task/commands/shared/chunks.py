"""Lists of the template that may be too long for one parameter, and are then spread over several.

A parameter has 4,096 characters at most, and each of these has a managed policy with 6,144, which rules and schedules
share: ``TaskDefinitions``, ``TaskDefinitions2`` and so on; ``PassRoles`` is of ``infra/member.yaml``. Whoever reads a
stack joins them, so that a list is one list to everything else; `retry_run_task.commands.deploy.sizes` spreads them
before a change set is made.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CHUNKS = MappingProxyType(
    {"TaskDefinitions": 3, "PassRoleArns": 4, "PassRoles": 4, "ReadRules": 3, "ReadSchedules": 3}
)
"""How many parameters the template has for a list, by the name of the first."""


def parts(name: str) -> tuple[str, ...]:
    """Return the parameters that a list stands in, in order."""
    return (name, *(f"{name}{number}" for number in range(2, CHUNKS.get(name, 1) + 1)))


def join(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return a stack's parameters with every list whole, under its first name."""
    later = {part for name in CHUNKS for part in parts(name)[1:]}
    return {
        name: ",".join(text for part in parts(name) if (text := parameters.get(part, ""))) or value
        for name, value in parameters.items()
        if name not in later
    }
