"""The state of a stack, its change sets and its events: CloudFormation's answers as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW = frozenset({"REVIEW_IN_PROGRESS"})
"""A change set was created for it, and it has no resources yet."""
BROKEN = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
"""It can only be deleted. https://repost.aws/knowledge-center/cloudformation-stack-in-rollback"""
STUCK = "UPDATE_ROLLBACK_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """The state of a stack. Its ``stack_id`` identifies it also after it was deleted."""

    stack_id: str
    status: str
    reason: str
    outputs: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    description: str = ""

    @property
    def is_moving(self) -> bool:
        """Whether CloudFormation is changing it."""
        return self.status.endswith("_IN_PROGRESS") and self.status not in NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChange:
    """The change of one resource.

    Attributes:
        action: ``add``, ``change`` or ``remove``.
        replaces: Whether it is replaced; None if that shows only during the execution.
    """

    action: str
    resource: str
    type: str
    replaces: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What CloudFormation would do."""

    arn: str
    stack_id: str
    changes: tuple[ResourceChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of a stack; ``resource`` is its name in the template, or the stack's own."""

    resource: str
    type: str
    status: str
    reason: str

    @property
    def is_over(self) -> bool:
        """Whether this resource is done, for now."""
        return not self.status.endswith("_IN_PROGRESS")

    @property
    def is_a_cause(self) -> bool:
        """Whether this is the cause of a failure, not a consequence."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason
