"""Creates each client once, also if several threads ask for it at the same time.

Lambda runs one invocation at a time, but other callers of the handlers may use threads, and boto3's default session
must not be used by two threads at once.
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# Reentrant: creating one client may need another.
_LOCK = threading.RLock()


def cached(make: Callable[P, T]) -> Callable[P, T]:
    """Cache a function's result for each set of arguments, and create nothing twice."""
    # The decorated functions take strings and frozen values, which a cache needs.
    remembered: Callable[P, T] = functools.cache(make)  # type: ignore[assignment]

    @functools.wraps(make)
    def locked(*args: P.args, **kwargs: P.kwargs) -> T:
        with _LOCK:
            return remembered(*args, **kwargs)

    # For tests, whose process changes the environment.
    locked.forget = remembered.cache_clear  # type: ignore[attr-defined]
    return locked
