"""Whatever fails between two records: each launch's recovery is started, or its event stays undelivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import event as hypothesis_event
from hypothesis import given, settings
from hypothesis import strategies as st

from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.starts import StartLimits
from retry_run_task.errors import StartError
from retry_run_task.intake import take_in
from retry_run_task.policy.scope import Scope
from support.paces import FakeTime
from support.records import awslogs, record

FUNCTION_S = 300


class BusyError(Exception):
    """Passes."""


class CutOffError(BaseException):
    """What no handler of exceptions catches: the process ends here."""


# What becomes of one call, and how many seconds it takes. What is not drawn is well and takes no time.
outcomes = st.tuples(
    st.sampled_from(["accepted", "before", "lost", "busy", "refused", "cut off"]),
    st.sampled_from([0, 0, 0, 1, 13, 100]),
)


@dataclass
class Weather:
    """What happens to the calls of one delivery, in their order, and to what it writes."""

    calls: list[tuple[str, int]]
    last_line: int | None = None
    turn: float = 0.0


weather = st.builds(
    Weather,
    calls=st.lists(outcomes, max_size=12),
    last_line=st.none() | st.integers(0, 12),
    turn=st.floats(0, 1, exclude_max=True),
)


@dataclass
class Telemetry:
    """Counts its lines, and breaks at one of them."""

    breaks_at: int | None
    lines: int = 0
    metrics: Counter[str] = field(default_factory=Counter)

    def info(self, _event: object, **_fields: object) -> None:
        if self.lines == self.breaks_at:
            raise BrokenPipeError("nobody reads the log")
        self.lines += 1

    error = warning = info

    def count(self, metric: str, **_more: object) -> None:
        self.metrics[metric] += 1


@dataclass
class Deliveries:
    """Lambda's side: the names that were started, and deliveries until one returns."""

    workers: int
    started: Counter[str] = field(default_factory=Counter)

    def deliver(self, event: Any, now: Weather) -> bool:
        """Deliver once. Returns whether Lambda takes it for done."""
        time, calls = FakeTime(), iter(now.calls)

        def start(name: str, _payload: str) -> Started:
            outcome, took_s = next(calls, ("accepted", 0))
            time.now += took_s
            if outcome == "cut off" or time.now > FUNCTION_S:
                raise CutOffError
            if outcome == "busy":
                raise BusyError
            if outcome == "refused":
                raise PermissionError
            self.started[name] += 1
            if outcome == "lost":
                raise BusyError("the answer did not arrive")
            return Started.BEFORE if outcome == "before" else Started.ACCEPTED

        telemetry: Any = Telemetry(now.last_line)
        try:
            take_in(
                event,
                stack="s",
                scope=Scope(),
                start=start,
                telemetry=telemetry,
                limits=StartLimits(
                    workers=self.workers,
                    left_s=lambda: FUNCTION_S - time.now,
                    passes=lambda error: isinstance(error, BusyError),
                    sleep=time.sleep,
                    turn=now.turn,
                ),
            )
        except (StartError, BrokenPipeError, CutOffError) as error:
            hypothesis_event(type(error).__name__)
            return False
        hypothesis_event("done")
        return True


def launches(count: int) -> tuple[Any, set[str]]:
    """Return an event with so many launches between other records, and the names of their recoveries."""
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(count)]
    between: Callable[[int], list[Any]] = lambda n: [["{", record(eventName="StopTask")][n % 2]]  # noqa: E731
    return (
        awslogs(*(one for n, i in enumerate(ids) for one in (record(eventID=i), *between(n)))),
        {f"s-{i}" for i in ids},
    )


@settings(max_examples=200)
@given(
    count=st.integers(1, 12),
    workers=st.sampled_from([1, 1, 3]),
    weathers=st.lists(weather, min_size=1, max_size=3),
)
def test_what_lambda_takes_for_done_has_a_recovery_for_every_launch(
    count: int, workers: int, weathers: list[Weather]
) -> None:
    event, names = launches(count)
    deliveries = Deliveries(workers)
    for now in weathers:
        if deliveries.deliver(event, now):
            assert deliveries.started.keys() == names
            return
    # Undelivered: Lambda keeps it in the dead-letter queue, and given once more in good weather it is complete.
    assert deliveries.deliver(event, Weather([]))
    assert deliveries.started.keys() == names


@settings(max_examples=50)
@given(
    count=st.integers(20, 60),
    began=st.floats(0, 1, exclude_max=True),
    drift=st.floats(-0.05, 0.05),
)
def test_three_deliveries_that_each_have_time_for_half_of_them_start_all(
    count: int, began: float, drift: float
) -> None:
    event, names = launches(count)
    deliveries = Deliveries(workers=1)
    seconds = 2 * (FUNCTION_S - 20) / count
    for nth in range(3):
        turn = (began + nth * (1 / 3 + drift)) % 1
        calls = [("accepted", seconds)] * count
        assert not deliveries.deliver(event, Weather(calls, turn=turn))  # type: ignore[arg-type]
    assert deliveries.started.keys() == names
