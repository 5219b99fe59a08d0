"""Starts many recoveries: in parallel, within Lambda's rate, and within the invocation's time."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retry_run_task.aws.recoveries import Started

Job = TypeVar("Job")

# For a call in progress, which STARTS_CONFIG ends after 13 s, for the log, and for the answer.
_RESERVE_S = 20

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1, 20


class NoTimeLeftError(Exception):
    """The invocation's time ran out before this start was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLimits:
    """How many starts run at once, how fast and for how long. The default: one by one, one try each.

    Attributes:
        wait: Returns when the next start is allowed. Never called by two threads at once.
        left_s: Returns the seconds until the invocation is ended.
        passes: Whether a start that raised this may succeed if it is tried again soon.
        turn: Where to begin: 0 is the first, 0.5 the one in the middle. Those before it come last.
    """

    workers: int = 1
    wait: Callable[[], object] = lambda: None
    left_s: Callable[[], float] = lambda: math.inf
    passes: Callable[[Exception], bool] = lambda _: False
    sleep: Callable[[float], object] = lambda _: None
    turn: float = 0.0


def start_all(
    jobs: Sequence[Job],
    start: Callable[[Job], Started],
    tell: Callable[[Job, Started | Exception], None],
    limits: StartLimits,
) -> None:
    """Start every job, and report the result of each once: started, or why not.

    A start that fails with a transient error is tried again, after the others, while there is time.

    ``start`` is called in any thread; what it raises is reported. ``tell`` is never called by two threads at once; what
    it raises ends the run, and not all is reported then.
    """
    reserve_s = min(_RESERVE_S, limits.left_s() / 2)
    first = int(limits.turn * len(jobs))
    pause_s = _FIRST_PAUSE_S
    late: Exception = NoTimeLeftError("the function's time was over before it could be started")
    jobs_left = [(job, late) for job in (*jobs[first:], *jobs[:first])]
    while jobs_left:
        jobs_left = _round(jobs_left, start, tell, limits, reserve_s)
        if jobs_left and limits.left_s() - pause_s <= reserve_s:
            for job, error in jobs_left:
                tell(job, error)
            return
        if jobs_left:
            limits.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _round(
    jobs: Sequence[tuple[Job, Exception]],
    start: Callable[[Job], Started],
    tell: Callable[[Job, Started | Exception], None],
    limits: StartLimits,
    reserve_s: float,
) -> list[tuple[Job, Exception]]:
    """Try each job once. Returns those that may succeed if they are tried again, with what they raised.

    Each job comes with the error to report if there is no time to try it.
    """
    failed: list[tuple[Job, Exception]] = []
    queue = iter(jobs)
    lock = threading.Lock()

    def take() -> Job | None:
        for job, error in queue:
            if limits.left_s() > reserve_s:
                # Inside the lock, so that each worker waits for a slot of its own.
                limits.wait()
                return job
            tell(job, error)
        return None

    def work() -> None:
        while True:
            with lock:
                job = take()
            if job is None:
                return
            outcome = _outcome(start, job)
            with lock:
                if isinstance(outcome, Exception) and limits.passes(outcome):
                    failed.append((job, outcome))
                else:
                    tell(job, outcome)

    workers = min(limits.workers, len(jobs))
    if workers == 1:
        # The usual delivery. It saves the import and the thread.
        work()
    else:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(work) for _ in range(workers)]:
                done.result()
    return failed


def _outcome(start: Callable[[Job], Started], job: Job) -> Started | Exception:
    try:
        return start(job)
    except Exception as error:  # noqa: BLE001 - one start must not keep the others from being made
        return error
