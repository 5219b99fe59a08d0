"""The result of a check of an account."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retry_run_task.commands.shared.inventory import Unknown


class Status(StrEnum):
    """The result of a check."""

    OK = "OK"
    FAIL = "FAIL"
    """Something is wrong that makes recoveries fail or not begin."""
    SKIP = "SKIP"
    """It could not be checked, or does not apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. ``name`` is the same in every run; ``next``, what to do, is one sentence, or empty."""

    name: str
    status: Status
    why: str
    next: str = ""


def ok(name: str, why: str, next_: str = "") -> Check:
    """Return a successful check."""
    return Check(name=name, status=Status.OK, why=why, next=next_)


def fail(name: str, why: str, next_: str) -> Check:
    """Return a failed check."""
    return Check(name=name, status=Status.FAIL, why=why, next=next_)


def skip(name: str, why: str, next_: str = "") -> Check:
    """Return a check that was not possible, or does not apply."""
    return Check(name=name, status=Status.SKIP, why=why, next=next_)


def unread(name: str, gap: Unknown) -> Check:
    """Return the check of something that could not be read."""
    if gap.is_denied:
        why = f"You have no permission for {gap.action}."
        return skip(name, why, f"Have {gap.action} allowed to find out.")
    return skip(name, f"{gap.action} failed: {gap.why}.", "Run the command again.")


def listed(names: tuple[str, ...] | list[str], most: int = 5) -> str:
    """Return names with commas between them, and how many more there are after the first few."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
