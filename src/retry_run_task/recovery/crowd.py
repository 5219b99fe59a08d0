"""How recoveries make room for each other: with many in progress, each waits longer and makes fewer calls.

Up to ``FEW`` recoveries each do what the policy says. A crowd shares half of the account's RunTask calls and reads:
each recovery waits for its share, makes one call where it would make two until one of them has found capacity, and
looks later at the task that it has placed.
https://docs.aws.amazon.com/general/latest/gr/ecs-service.html
"""

from __future__ import annotations

from typing import NamedTuple

from retry_run_task.policy.backoff import spread

FEW = 100
# RunTask calls a second of all recoveries. Less than half of the account's 20, because a count may be a minute old.
CALLS_PER_S = 8
# The longest round in which every recovery of a crowd still makes two calls at once.
TWO_CALLS_WITHIN_S = 60
# No wait is made longer than this.
LONGEST_S = 1800
# With so many, two reads of each take ten minutes at half of the account's rate.
MANY = 3000
# So few can make no more than half of the account's calls in ten seconds, even if each makes two at once twice.
UNPACED = 25


class Crowd(NamedTuple):
    """What a recovery knows about the others.

    Attributes:
        size: How many recoveries are in progress, including this one, as far as is known.
        room: Name of the rung on which one of them has just placed a task; empty if that is not known of any.
    """

    size: int = 1
    room: str = ""

    @property
    def is_large(self) -> bool:
        """Whether the recoveries have to make room for each other."""
        return self.size > FEW

    @property
    def is_one_call(self) -> bool:
        """Whether there are so many that a step makes one call, unless there is room."""
        return 2 * self.size > TWO_CALLS_WITHIN_S * CALLS_PER_S

    @property
    def is_short_of_reads(self) -> bool:
        """Whether there are so many that only first looks list stopped tasks, and placed tasks wait for theirs."""
        return self.size > MANY

    def share_s(self, seed: str) -> int:
        """Return the shortest wait in seconds, a tenth more or less for each seed; 0 if there is no crowd."""
        if not self.is_large:
            return 0
        calls = 1 if self.is_one_call else 2
        share = min(LONGEST_S, calls * self.size / CALLS_PER_S)
        return round(share * 0.9) + spread(share / 5, seed)


ALONE = Crowd()


def pace(size: int | None, per_s: float) -> tuple[float, bool]:
    """Return how many calls a second an invocation may make, and whether they are to be even.

    ``size`` is how many recoveries are in progress, None if not known; ``per_s`` the rate if as many as possible run.
    """
    if size is not None and size <= UNPACED:
        return 2 * per_s, False
    return per_s, size is not None and size > FEW
