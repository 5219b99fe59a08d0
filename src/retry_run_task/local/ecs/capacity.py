"""Capacity that a scenario takes away and gives back, account quotas, and the rate limit of an API.

Bookkeeping only, constant time per task: nothing here knows a clock, a request or a task.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

ON_DEMAND = "FARGATE"
SPOT = "FARGATE_SPOT"
FARGATE = frozenset({ON_DEMAND, SPOT})
"""Names that are capacity providers everywhere and need no container instances."""


@dataclass(slots=True, eq=False)
class Pool:
    """The slots of one zone and provider from one ``Capacity.set`` to the next; ``size`` None is no limit.

    A task that holds a slot holds its pool, so that a slot taken before an outage does not become a free slot inside
    the outage when that task ends.
    """

    size: int | None = None
    used: int = 0


class Capacity:
    """Slots per (zone, provider), without limit until a scenario sets one, and vCPU quotas.

    Providers are ``FARGATE``, ``FARGATE_SPOT``, ``EC2`` and the names of other capacity providers.

    Attributes:
        reason: ECS's reason if there is no room; None for its texts about Fargate or about an instance.
        first_place: Index of the zone in which a task is tried first, from the task's number (from 0) and the number of
            zones. By default each task begins with another one.
        launch_rates: Rate limits of task launches, by provider; others are not limited.
        vcpu_limits: The account's quotas of concurrent vCPUs, by provider. A new account has 6 for each of FARGATE and
            FARGATE_SPOT, and AWS raises it with use:
            https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
        vcpus: Of the tasks that are not STOPPED yet, by provider.
    """

    def __init__(self, launch_rates: Mapping[str, TokenBucket] | None = None) -> None:
        self.reason: str | None = None
        self.first_place: Callable[[int, int], int] = lambda nth, places: nth % places
        self.launch_rates = dict(launch_rates or {})
        self._pools: dict[tuple[str, str], Pool] = {}
        self.vcpu_limits: dict[str, float] = {}
        self.vcpus: defaultdict[str, float] = defaultdict(float)

    def set(self, zone: str, provider: str, free_slots: int | None) -> None:
        """Allow this many more tasks to start, whatever is running; None for no limit, 0 for an outage."""
        if free_slots is not None and free_slots < 0:
            raise ValueError(f"free_slots is {free_slots}; expected 0 or more, or None for no limit")
        self._pools[zone, provider] = Pool(size=free_slots)

    def free(self, zone: str, provider: str) -> int | None:
        """Return how many more tasks can start; None for no limit."""
        pool = self._pools.get((zone, provider))
        return None if pool is None or pool.size is None else pool.size - pool.used

    def take(self, zone: str, provider: str) -> Pool | None:
        """Occupy a slot and return its pool; None if there is no free slot."""
        pool = self._pools.get((zone, provider))
        if pool is None:
            pool = self._pools[zone, provider] = Pool()
        if pool.size is not None and pool.used >= pool.size:
            return None
        pool.used += 1
        return pool

    @staticmethod
    def give_back(pool: Pool) -> None:
        """Free a slot that ``take`` returned. Once for each ``take``."""
        if pool.used <= 0:
            raise ValueError("this slot was given back already")
        pool.used -= 1


class TokenBucket:
    """A rate limit as ECS describes its own: a bucket of ``burst`` tokens, refilled at ``rate`` a second.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/request-throttling.html
    """

    def __init__(self, rate: float | None, burst: int = 1) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Take a token; return whether there was one. A rate of None always has one."""
        if not self.has_one(now):
            return False
        self._tokens -= 1.0
        return True

    def has_one(self, now: datetime) -> bool:
        """Tell whether ``take`` would find a token."""
        if self._rate is None:
            self._tokens = self._burst
            return True
        if self._filled_at is not None and self._tokens < self._burst and now > self._filled_at:
            elapsed_s = (now - self._filled_at).total_seconds()
            self._tokens = min(self._burst, self._tokens + elapsed_s * self._rate)
        self._filled_at = now
        return self._tokens >= 1.0


def launch_rates(region: str) -> dict[str, TokenBucket]:
    """Return the rate limits of task launches on Fargate in a Region: 20 a second in some, 5 in all others.

    On-demand and Spot count separately, with a burst of five times the rate.
    https://docs.aws.amazon.com/general/latest/gr/ecs-service.html
    """
    rate = 20 if region in _LAUNCHES_20_A_S else 5
    return {provider: TokenBucket(rate=rate, burst=5 * rate) for provider in FARGATE}


_LAUNCHES_20_A_S = frozenset({
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-northeast-1", "ap-northeast-2", "ap-south-1",
    "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "sa-east-1",
})  # fmt: skip


class Share(NamedTuple):
    """One item of a capacity provider strategy."""

    provider: str
    base: int = 0
    weight: int = 0


def providers_for(strategy: Sequence[Share], count: int) -> list[str]:
    """Return the provider of each of ``count`` tasks: bases first, then by weight.

    A provider that is short of capacity is not replaced by another one: Fargate does not fall back from Spot to
    on-demand.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
    (base and weight), https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html

    >>> providers_for([Share("FARGATE", base=1, weight=1), Share("FARGATE_SPOT", weight=3)], 5)
    ['FARGATE', 'FARGATE_SPOT', 'FARGATE', 'FARGATE_SPOT', 'FARGATE_SPOT']
    """
    if len(strategy) == 1:
        return [strategy[0].provider] * count
    chosen = [share.provider for share in strategy for _ in range(share.base)][:count]
    total = sum(share.weight for share in strategy)
    credit = [0] * len(strategy)
    while len(chosen) < count:
        # Smooth weighted round robin: after any number of steps each provider is within one task of
        # its share, and equal weights alternate in the order of the strategy.
        for index, share in enumerate(strategy):
            credit[index] += share.weight
        best = max(range(len(strategy)), key=credit.__getitem__)
        credit[best] -= total
        chosen.append(strategy[best].provider)
    return chosen
