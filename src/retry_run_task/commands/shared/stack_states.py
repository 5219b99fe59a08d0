"""How a stack is, what would become of it, and what happens to it: CloudFormation's answers as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW = frozenset({"REVIEW_IN_PROGRESS"})
"""A change set was made for it, and it has no resources yet."""
BROKEN = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
"""It can only be deleted. https://repost.aws/knowledge-center/cloudformation-stack-in-rollback"""
STUCK = "UPDATE_ROLLBACK_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a stack is.

    Attributes:
        stack_id: Its ARN, by which it is known also when it is gone.
        status: CloudFormation's word.
        reason: What CloudFormation said about it; empty if nothing.
        outputs: By name.
        tags: By key.
        description: Of the template that it was made from last.
    """

    stack_id: str
    status: str
    reason: str
    outputs: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    description: str = ""

    @property
    def is_moving(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status not in NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one resource.

    Attributes:
        action: ``add``, ``change`` or ``remove``.
        resource: Its name in the template.
        type: As CloudFormation names it.
        replaces: Whether a new one takes its place; None if that shows only then.
    """

    action: str
    resource: str
    type: str
    replaces: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What CloudFormation would do.

    Attributes:
        arn: By which it is known.
        stack_id: Of the stack that it is for.
        changes: What becomes of which resource.
    """

    arn: str
    stack_id: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of a stack's history.

    Attributes:
        resource: Its name in the template; the stack's own name for the stack.
        type: As CloudFormation names it.
        status: Such as ``CREATE_COMPLETE``.
        reason: Why; empty if nothing was said.
    """

    resource: str
    type: str
    status: str
    reason: str

    @property
    def is_over(self) -> bool:
        """Whether this resource needs nothing more, for now."""
        return not self.status.endswith("_IN_PROGRESS")

    @property
    def is_a_cause(self) -> bool:
        """Whether this is why something failed, and not that something else did."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason
