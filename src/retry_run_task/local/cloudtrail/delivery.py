"""CloudTrail's way from a call to where this system sees it: later, and possibly twice or out of order."""

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
    from retry_run_task.local.cloudtrail.records import Call

Json = dict[str, Any]
Delay = tuple[float, float]


class Trail:
    """Where records of calls go, and when.

    Attributes:
        log_group: Name of the log group that its records are written to.
        delays: By way in (`logs`, `eventbridge`), the mean and the spread of the delay in virtual seconds.
        out_of_order: Whether a record may overtake an earlier one.
        duplicates: How many times more than once each record is delivered.
        history: The records that can be looked up by now, as they came; each once.
    """

    def __init__(
        self,
        clock: Clock,
        ways: Mapping[str, Callable[[Json], object]],
        delays: Mapping[str, Delay],
        seed: int,
    ) -> None:
        """Lay the ways.

        Args:
            clock: When is now.
            ways: By way in, what takes a record there.
            delays: See the attribute.
            seed: Of the delays.
        """
        self.log_group = "cloudtrail"
        self.delays = dict(delays)
        self.out_of_order = False
        self.duplicates = 0
        self.history: list[Json] = []
        self._clock, self._ways = clock, dict(ways)
        self._random = random.Random(seed)  # noqa: S311 -- delays that must be the same in every run
        # Of its own, so that what can be looked up does not change when what is delivered comes.
        self._random_of_lookups = random.Random(seed)  # noqa: S311
        self._latest: dict[str, datetime] = {}

    def take(self, call: Call) -> None:
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
    """Spell a record as CloudTrail writes it into a log group."""
    return json.dumps(written, separators=(",", ":"))
