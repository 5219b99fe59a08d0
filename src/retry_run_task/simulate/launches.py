"""The launches that fail in an incident, and how late their failures are known."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retry_run_task.local.ecs.placement import NO_CAPACITY
from retry_run_task.simulate.incident import AccountLimits, Spec, ZoneSearch
from retry_run_task.simulate.peers import Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

MINUTE = 60.0

ON_DEMAND = "FARGATE"

# 11 to 44 s have been seen from RunTask to a running task on Fargate.
# https://github.com/opensearch-project/opensearch-migrations/pull/2116
_BOOT_S = (11.0, 44.0)
_RUN_S = (2 * MINUTE, 40 * MINUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioSettings:
    """The settings of every scenario.

    Attributes:
        zones: Number of zones in which each of them has a subnet.
        placement: Where one call searches for room. All zones by default, which favours the policies that only repeat a
            request, and so the other tools.
    """

    schedules: int = 100
    zones: int = 2
    seed: int = 1
    placement: ZoneSearch = ZoneSearch.ANY
    limits: AccountLimits = field(default_factory=AccountLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late a failure is known: log-normal, by mean and spread.

    Attributes:
        sigma: Standard deviation of the logarithm.
        source: Of the mean. The spread is assumed.
    """

    mean_s: float
    sigma: float
    source: str

    def draw(self, random: Random) -> float:
        """Return one delay, in seconds."""
        return random.lognormvariate(math.log(self.mean_s) - self.sigma**2 / 2, self.sigma)


LATENESS = {
    Way.LOGS.value: Lateness(
        mean_s=300,
        sigma=0.4,
        source="https://docs.aws.amazon.com/awscloudtrail/latest/userguide/send-cloudtrail-events-to-cloudwatch-logs.html",
    ),
    Way.EVENTBRIDGE.value: Lateness(
        mean_s=75, sigma=0.5, source="https://github.com/aws-samples/sample-auto-map-tagger"
    ),
    "start": Lateness(
        mean_s=3,
        sigma=0.6,
        source="https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html",
    ),
}


def draw_launches(
    random: Random,
    settings: ScenarioSettings,
    number: int,
    *,
    provider: str = ON_DEMAND,
    reason: str = NO_CAPACITY,
    is_start: bool = False,
    times: Callable[[], float] | None = None,
) -> tuple[Spec, ...]:
    """Return the schedules of an incident: most at midnight, the others within the minute.

    None of their tasks was placed: there is no room anywhere when they fail.
    """
    identity = hashlib.sha256(f"{settings.seed}/{number}/{random.random()}".encode()).hexdigest()[:24]
    specs = []
    for index in range(settings.schedules):
        late_s = {way: lateness.draw(random) for way, lateness in LATENESS.items()}
        specs.append(
            Spec(
                index=index,
                time=times() if times is not None else _strike(random),
                count=1,
                missing=1,
                provider=provider,
                reason=reason,
                is_start=is_start,
                call_id=f"{identity}{index:08x}",
                boot_s=random.uniform(*_BOOT_S),
                run_s=random.uniform(*_RUN_S),
                late_s=late_s,
            )
        )
    return tuple(specs)


def _strike(random: Random) -> float:
    return random.uniform(0, 3) if random.random() < 0.6 else random.uniform(3, 60)  # noqa: PLR2004 - three of five
