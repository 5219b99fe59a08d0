"""A pace of RunTask calls for tests, which do not wait."""

from __future__ import annotations

from retry_run_task.aws.pace import Pace


class FakeTime:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self, per_s: float, ahead: int = 0) -> Pace:
        return Pace(per_s, ahead=ahead, now=lambda: self.now, sleep=self.sleep)


def no_wait() -> Pace:
    """Return a pace that holds nobody up."""
    return FakeTime().pace(1)
