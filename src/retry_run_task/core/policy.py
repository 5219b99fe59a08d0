"""The rules from a category to what is done about it. Data: nothing here acts or knows what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from retry_run_task.core.backoff import Backoff
from retry_run_task.core.values import Category

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is done about one category.

    Attributes:
        backoff: The waits between attempts; None means that the first such failure ends the recovery.
        attempts: How many answers of this category are met with another attempt; None means any number.
    """

    backoff: Backoff | None
    attempts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything a recovery needs to know to decide.

    Attributes:
        rules: One for every category.
        deadline_s: Seconds from the failed call after which the run is no longer wanted.
        interval_share: Part of the time until the schedule's next run after which the run is no longer wanted;
            1 means until that run is due.
        watch_s: Seconds for which a placed task is watched until it runs.
    """

    rules: Mapping[Category, Rule]
    deadline_s: float
    interval_share: float = 1.0
    watch_s: float = 3600

    def __post_init__(self) -> None:
        absent = [c.value for c in Category if c not in self.rules]
        if absent:
            raise ValueError(f"the policy has no rule for {', '.join(absent)}; every category needs one")
        object.__setattr__(self, "rules", MappingProxyType(dict(self.rules)))


# Waits of at most a minute between attempts at capacity find it soon after it returns; three attempts at
# what nobody has classified are enough to see that it was passing and too few to do harm.
# Six hours of them are under 500 attempts, 1 500 of the 3 000 operations a durable execution may have.
DEFAULT = Policy(
    rules={
        Category.CAPACITY: Rule(backoff=Backoff(base_s=15, cap_s=60)),
        Category.THROTTLE: Rule(backoff=Backoff(base_s=5, cap_s=60)),
        Category.TRANSIENT: Rule(backoff=Backoff(base_s=10, cap_s=120)),
        Category.UNKNOWN: Rule(backoff=Backoff(base_s=60, cap_s=300), attempts=3),
        Category.CONFIGURATION: Rule(backoff=None),
        Category.PERMISSION: Rule(backoff=None),
    },
    deadline_s=6 * 3600,
)
