"""Gives recover the permission that a policy's ``stop-hanging`` needs, or says what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy.choices import FILE, FLAG, INSTALLED

if TYPE_CHECKING:
    from retry_run_task.commands.deploy.choices import Choice
    from retry_run_task.commands.deploy.own_policy import OwnPolicy
    from retry_run_task.policy.rules import Policy

NAME = "StopHangingTasks"
POLICY = "policy"
"""Source of a parameter that the policy decides."""


def allowed(choice: Choice, policy: Policy, chosen: OwnPolicy) -> Choice:
    """Return the choice with ``StopHangingTasks`` as the policy needs it, and what to know about it.

    The permission comes with a policy that is named now. Without that it stays as it is: an update does not widen it.
    """
    needs = any(rule.sets.get("stop_hanging") for rule in policy.rules)
    one = next(one for one in choice.parameters if one.name == NAME)
    if needs and one.value == "false" and one.source not in (FLAG, FILE) and chosen.source != INSTALLED:
        given = replace(one, value="true", source=POLICY)
        return replace(choice, parameters=tuple(given if it.name == NAME else it for it in choice.parameters))
    if needs and one.value == "false":
        note = (
            f"the policy has stop-hanging, and recover may not stop tasks ({one.source}), so a task that hangs is only "
            "reported; --stop-hanging-tasks true allows it"
        )
    elif not needs and one.value == "true":
        note = (
            f"recover may stop tasks ({one.source}), and the policy has no stop-hanging; --stop-hanging-tasks false "
            "takes that back"
        )
    else:
        return choice
    return replace(choice, notes=(*choice.notes, note))
