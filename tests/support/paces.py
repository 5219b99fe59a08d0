"""A pace of RunTask calls for tests, which do not wait."""

from __future__ import annotations

from retry_run_task.aws.rate_limiter import RateLimiter


class FakeTime:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def limiter(self, per_s: float, ahead: int = 0, rested_s: float = 0) -> RateLimiter:
        return RateLimiter(per_s, ahead=ahead, rested_s=rested_s, now=lambda: self.now, sleep=self.sleep)


def no_wait() -> RateLimiter:
    """Return a pace that holds nobody up."""
    return FakeTime().limiter(1)
