"""The checks of an account: from an inventory to what is in order, what is not, and what to do. No call is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.doctor.check import ok
from retry_run_task.commands.doctor.checks_installation import check_installation
from retry_run_task.commands.doctor.checks_launches import check_launches
from retry_run_task.commands.doctor.checks_ways_in import check_ways_in

if TYPE_CHECKING:
    from retry_run_task.commands.doctor.check import Check
    from retry_run_task.commands.shared.inventory import Inventory


def examine(inventory: Inventory) -> tuple[Check, ...]:
    """Return everything that is to be said about an account and Region, in the order of the data's flow."""
    identity = inventory.identity
    return (
        ok("credentials", f"Account {identity.account}, as {identity.arn}."),
        *check_ways_in(inventory),
        *check_launches(inventory),
        *check_installation(inventory),
    )
