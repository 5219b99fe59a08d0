"""The checks of an account, computed from an inventory without any call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.doctor.check import ok
from retry_run_task.commands.doctor.checks_event_sources import check_event_sources
from retry_run_task.commands.doctor.checks_installation import check_installation
from retry_run_task.commands.doctor.checks_launches import check_launches

if TYPE_CHECKING:
    from retry_run_task.commands.doctor.check import Check
    from retry_run_task.commands.shared.inventory import Inventory


def examine(inventory: Inventory) -> tuple[Check, ...]:
    """Return all checks of an account and Region, in the order of the data flow."""
    identity = inventory.identity
    return (
        ok("credentials", f"Account {identity.account}, as {identity.arn}."),
        *check_event_sources(inventory),
        *check_launches(inventory),
        *check_installation(inventory),
    )
