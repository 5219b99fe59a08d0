"""CloudTrail's delivery of records: late, and optionally duplicated or out of order."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from retry_run_task.local.cloudtrail.records import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retry_run_task.local.clock import Clock
    from retry_run_task.local.cloudtrail.records import ApiCall

Json = dict[str, Any]
Delay = tuple[float, float]


class TrailDelivery:
    """Delivers records of calls after a delay.

    Attributes:
        delays: By destination (`logs`, `eventbridge`), mean and spread of the delay in virtual seconds.
        out_of_order: Whether a record may overtake an earlier one.
        history: The records that can be looked up by now, in order of arrival; each once.
    """

    def __init__(
        self,
        clock: Clock,
        ways: Mapping[str, Callable[[Json], object]],
        delays: Mapping[str, Delay],
        seed: int,
    ) -> None:
        """Create the trail. ``ways`` has, by destination, what delivers a record there."""
        self.log_group = "cloudtrail"
        self.delays = dict(delays)
        self.out_of_order = False
        self.duplicates = 0
        self.history: list[Json] = []
        self._clock, self._ways = clock, dict(ways)
        self._random = random.Random(seed)  # noqa: S311 -- delays that must be the same in every run
        # Separate, so that the event history does not depend on the delays of deliveries.
        self._random_of_lookups = random.Random(seed)  # noqa: S311
        self._latest: dict[str, datetime] = {}

    def take(self, call: ApiCall) -> None:
        """Deliver the record of a call, later."""
        written = record(call)
        mean_s, spread_s = self.delays["logs"]
        delay_s = max(0.0, self._random_of_lookups.uniform(mean_s - spread_s, mean_s + spread_s))
        self._clock.call_later(delay_s, partial(self.history.append, written))
        for way, send in self._ways.items():
            for _ in range(1 + self.duplicates):
                self._clock.call_at(self._due(way), partial(send, written))

    def _due(self, way: str) -> datetime:
        mean_s, spread_s = self.delays[way]
        delay_s = max(0.0, self._random.uniform(mean_s - spread_s, mean_s + spread_s))
        due = self._clock.now() + timedelta(seconds=delay_s)
        if self.out_of_order:
            return due
        self._latest[way] = max(self._latest.get(way, due), due)
        return self._latest[way]


def message(written: Json) -> str:
    """Return a record's text in a log group, as CloudTrail writes it."""
    return json.dumps(written, separators=(",", ":"))
