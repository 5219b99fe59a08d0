"""What a check of an account says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retry_run_task.commands.shared.inventory import Unknown


class Status(StrEnum):
    """How a check ended."""

    OK = "OK"
    FAIL = "FAIL"
    """Something is wrong, and recoveries will fail or not begin because of it."""
    SKIP = "SKIP"
    """It could not be found out, or it does not apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What, in a word or two; the same in every run.
        status: How it ended.
        why: What was found, one sentence.
        next: What to do, one sentence; empty if nothing.
    """

    name: str
    status: Status
    why: str
    next: str = ""


def ok(name: str, why: str, next_: str = "") -> Check:
    """Return a check that found everything in order."""
    return Check(name=name, status=Status.OK, why=why, next=next_)


def fail(name: str, why: str, next_: str) -> Check:
    """Return a check that found something wrong."""
    return Check(name=name, status=Status.FAIL, why=why, next=next_)


def skip(name: str, why: str, next_: str = "") -> Check:
    """Return a check that found out nothing."""
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
