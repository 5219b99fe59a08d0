"""The waits between attempts: exponential with a cap and equal jitter, from a seed instead of a random source.

Equal jitter keeps half of the delay and spreads the other half, so that jobs which failed together do not come back
together, even after the cap is reached.
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

# 2 ** 30 seconds is 34 years; beyond that only the cap matters, and a float would overflow at 2 ** 1024.
_EXPONENT_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The shape of the waits between attempts.

    Attributes:
        base_s: The longest first wait, in seconds.
        cap_s: The longest any wait becomes, in seconds.
        slow_after_s: Seconds from the failed call after which ``slow_s`` replaces ``cap_s``; None for never.
        slow_s: The longest any wait becomes then, in seconds.
    """

    base_s: float
    cap_s: float
    slow_after_s: float | None = None
    slow_s: float = 0

    def __post_init__(self) -> None:
        if not 1 <= self.base_s <= self.cap_s:
            raise ValueError(f"backoff needs 1 <= base <= cap, not base {self.base_s} and cap {self.cap_s}")
        if self.slow_after_s is not None and self.slow_s < self.cap_s:
            raise ValueError(f"backoff needs cap <= slow, not cap {self.cap_s} and slow {self.slow_s}")

    def longest(self, nth: int, elapsed_s: float = 0.0) -> float:
        """Return the upper bound of the nth wait (the first is 1), in seconds, at a time after the failed call."""
        if self.slow_after_s is not None and elapsed_s >= self.slow_after_s:
            return self.slow_s
        return min(self.cap_s, self.base_s * 2.0 ** min(nth - 1, _EXPONENT_MAX))

    def delay(self, nth: int, seed: str, elapsed_s: float = 0.0) -> int:
        """Return the nth wait in whole seconds, at least 1: the same for the same seed, spread between seeds."""
        longest = self.longest(nth, elapsed_s)
        return max(1, round(longest / 2 + _fraction(f"{seed}/{nth}") * longest / 2))


def spread(longest_s: float, seed: str) -> int:
    """Return a wait from 0 to the longest in whole seconds, uniformly spread between seeds; 0 means none."""
    return int(_fraction(seed) * (int(longest_s) + 1))


def _fraction(seed: str) -> float:
    """Return a pseudo-random number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) / 2**64
