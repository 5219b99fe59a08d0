"""Faults that a scenario injects into the next calls: throttles, lost answers, failures, refusals.

Each fault applies to a number of calls (or tasks); faults are used up in the order in which they were set. Nothing is
random.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedPlacement:
    """An answer with HTTP 200 in which nothing was placed.

    Attributes:
        reason: Text of every entry of ``failures[]``.
        arn: What the entries are about; None to derive it from the reason.
        detail: ``failures[].detail``; None to leave it out.
        entries: How many entries; None for one for each task asked for. On EC2 the number is not that of the missing
            tasks, which is why a caller must not count entries.
    """

    reason: str
    arn: str | None = None
    detail: str | None = None
    entries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An exception instead of an answer."""

    code: str
    message: str
    status: int = 400
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedStart:
    """A task that is accepted and then stops before it runs.

    Attributes:
        status: The state in which it fails: ``PROVISIONING``, as without a network interface, ``PENDING``, as
            without an image, or ``ACTIVATING``, as without a place in a service's registry.
        after: How long after its creation; None for the end of that state.
    """

    stop_code: str
    stopped_reason: str
    status: str = "PROVISIONING"
    after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HungStart:
    """A task that stays in a state for longer than usual, and then goes on.

    Attributes:
        status: ``PROVISIONING``, ``PENDING``, as with a container that waits for another, or ``ACTIVATING``.
        after: How long after its creation it goes on.
    """

    after: timedelta
    status: str = "PENDING"


class _Supply(Generic[T]):
    """A queue of values, each for a number of uses."""

    def __init__(self) -> None:
        self._left: deque[tuple[int, T]] = deque()
        # A scenario sets faults in one thread while a server uses them up in others.
        self._lock = threading.Lock()

    def add(self, number: int, value: T) -> None:
        if number > 0:
            with self._lock:
                self._left.append((number, value))

    def next(self) -> T | None:
        if not self._left:
            return None
        with self._lock:
            if not self._left:
                return None
            number, value = self._left[0]
            if number > 1:
                self._left[0] = (number - 1, value)
            else:
                self._left.popleft()
            return value

    def clear(self) -> None:
        with self._lock:
            self._left.clear()


class Faults:
    """The faults of the next calls."""

    def __init__(self) -> None:
        self._throttled: _Supply[bool] = _Supply()
        self._throttled_until: datetime | None = None
        self._lost: _Supply[bool] = _Supply()
        self._refusals: _Supply[Refusal] = _Supply()
        self._placements: _Supply[FailedPlacement] = _Supply()
        self._starts: _Supply[FailedStart | HungStart] = _Supply()

    def throttle(self, calls: int = 0, *, until: datetime | None = None) -> None:
        """Answer the next calls, or all calls before a time, with ``ThrottlingException``."""
        self._throttled.add(calls, value=True)
        if until is not None:
            self._throttled_until = until

    def lose_answers(self, calls: int) -> None:
        """Carry out the next acceptable calls, but answer ``ServerException``."""
        self._lost.add(calls, value=True)

    def fail_next(self, calls: int, **failed: Any) -> None:
        """Place nothing in the next acceptable calls, for the reason of this ``FailedPlacement``."""
        self._placements.add(calls, FailedPlacement(**failed))

    def raise_next(self, calls: int, code: str, message: str, status: int = 400, **extra: object) -> None:
        """Refuse the next calls with this exception, before ECS validates them."""
        self._refusals.add(calls, Refusal(code=code, message=message, status=status, extra=extra))

    def fail_to_start(self, tasks: int, stop_code: str, stopped_reason: str, **when: Any) -> None:
        """Stop the next placed tasks before they run; ``when`` has the status and time of a ``FailedStart``."""
        self._starts.add(tasks, FailedStart(stop_code=stop_code, stopped_reason=stopped_reason, **when))

    def hang(self, tasks: int, after: timedelta, *, status: str = "PENDING") -> None:
        """Keep the next tasks that are placed in a state (see ``HungStart``)."""
        self._starts.add(tasks, HungStart(after=after, status=status))

    def clear(self) -> None:
        """Remove all faults."""
        for supply in (self._throttled, self._lost, self._refusals, self._placements, self._starts):
            supply.clear()
        self._throttled_until = None

    def is_throttled(self, now: datetime) -> bool:
        """Use up a throttle; return whether there was one."""
        if self._throttled_until is not None and now < self._throttled_until:
            return True
        return self._throttled.next() is not None

    def is_answer_lost(self) -> bool:
        """Use up a lost answer; return whether there was one."""
        return self._lost.next() is not None

    def next_refusal(self) -> Refusal | None:
        """Use up and return the refusal of the next call."""
        return self._refusals.next()

    def next_failed_placement(self) -> FailedPlacement | None:
        """Use up and return the failure of the next call."""
        return self._placements.next()

    def next_failed_start(self) -> FailedStart | HungStart | None:
        """Use up and return how the next task fails to start, or hangs."""
        return self._starts.next()
