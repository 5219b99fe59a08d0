"""One account and Region of the local AWS: its ECS, and its rules and schedules."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from retry_run_task.local.ecs.service import Ecs
from retry_run_task.local.eventbridge.api import SchedulerApi
from retry_run_task.local.eventbridge.schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.local.clock import Clock, Timer


class AccountRegion:
    """ECS, the rules with other targets than our functions, and the schedules of one account in one Region."""

    def __init__(
        self, clock: Clock, account: str, region: str, *, invoke: Callable[[str, str], object], seed: int
    ) -> None:
        """Create it, empty.

        ``invoke(function, event)`` sends a JSON text to a function, for rules and schedules that have one as a target.
        The seed is of ids and delays.
        """
        self.account, self.region = account, region
        self.ecs = Ecs(account=account, region=region, now=clock.now, seed=seed)
        self.schedules = Schedules(
            clock, account, region, run_task=self.ecs.run_task, invoke=invoke, seed=seed
        )
        self.scheduler = SchedulerApi(self.schedules)
        self._clock = clock
        self._timer: Timer | None = None
        self._lock = threading.Lock()
        self.ecs.on_call.append(lambda _: self.follow())

    def follow(self) -> None:
        """Set a timer for ECS's next transition."""
        with self._lock:
            due = self.ecs.next_change()
            if self._timer is not None:
                self._timer.cancel()
            if due is not None:
                self._timer = self._clock.call_at(due, self._advance)

    def _advance(self) -> None:
        self.ecs.advance()
        self.follow()
