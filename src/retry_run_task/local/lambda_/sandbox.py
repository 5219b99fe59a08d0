"""One function's queue and process: what waits, what runs, and what happens when the process dies.

As on Lambda, a process that dies fails its invocations, a handler that takes too long is killed, and the next
invocation gets a new process.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from retry_run_task.local.lambda_.worker import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retry_run_task.local.clock import Clock, Timer


# What a worker writes before it calls the handler.
START = "START RequestId: "


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationResult:
    """The handler's answer, or its error, as JSON.

    ``error`` is the value of `X-Amz-Function-Error`; None for success.
    """

    payload: bytes
    error: str | None = None
    request_id: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Invocation:
    """One run of a handler; `done` is called once, with its result."""

    arn: str
    payload: bytes
    done: Callable[[InvocationResult], object]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    generation: int = 0
    is_begun: bool = False
    timer: Timer | None = None

    def fail(self, kind: str, message: str) -> None:
        """End it with the error that Lambda gives an invocation without an answer."""
        self.settle(json.dumps({"errorType": kind, "errorMessage": message}).encode(), "Unhandled")

    def settle(self, payload: bytes, error: str | None = None) -> None:
        """End it with an answer."""
        if self.timer is not None:
            self.timer.cancel()
        self.done(InvocationResult(payload=payload, error=error, request_id=self.request_id))


class Sandbox:
    """The process of one function. It starts when it is first needed.

    A process is identified by its generation, which its Runtime API address contains: one that was killed is not served
    any more, even if its last request is still on the way.
    """

    def __init__(
        self,
        name: str,
        timeout_s: float,
        clock: Clock,
        environment: Callable[[int], Mapping[str, str]],
        on_line: Callable[[str], object],
    ) -> None:
        """Begin without a process.

        ``timeout_s`` are the real seconds that one invocation may take; ``environment`` makes a process's environment
        from its generation.
        """
        self._name, self._timeout_s, self._clock = name, timeout_s, clock
        self._environment, self._on_line = environment, on_line
        self._queue: deque[Invocation] = deque()
        self._running: dict[str, Invocation] = {}
        self._process: Process | None = None
        self._generation = 0
        self._is_ready = False
        self._init_error: bytes | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._ready = threading.Condition(self._lock)

    @property
    def in_flight(self) -> int:
        """How many invocations are in flight."""
        return len(self._running)

    def start(self) -> None:
        """Start the process, if there is none."""
        with self._lock:
            self._start()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the process has loaded its handler.

        Raises:
            RuntimeError: The handler could not be loaded.
            TimeoutError: It takes longer than `timeout_s` real seconds.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            while not self._is_ready:
                if self._init_error is not None:
                    raise RuntimeError(f"{self._name} does not start: {self._init_error.decode()}")
                if not self._ready.wait(deadline_s - time.monotonic()):
                    raise TimeoutError(f"{self._name} is not ready after {timeout_s} s")

    def submit(self, invocation: Invocation) -> None:
        """Queue an invocation."""
        with self._lock:
            if not self._stopped:
                self._queue.append(invocation)
                self._start()
                self._work.notify()
                return
        invocation.fail("Runtime.ExitError", "the local AWS has stopped")

    def next_invocation(self, generation: int) -> Invocation | None:
        """Wait for work for a process; None if that process must end."""
        with self._lock:
            if generation == self._generation and not self._is_ready:
                self._is_ready = True
                self._ready.notify_all()
            while generation == self._generation and not self._stopped:
                if self._queue:
                    invocation = self._queue.popleft()
                    invocation.generation = generation
                    self._running[invocation.request_id] = invocation
                    invocation.timer = self._clock.call_later(
                        self._clock.virtual_s(self._timeout_s), partial(self._time_out, invocation)
                    )
                    return invocation
                self._work.wait()
        return None

    def finish(self, request_id: str, payload: bytes, error: str | None) -> None:
        """Accept a handler's answer, unless the invocation is already over."""
        with self._lock:
            invocation = self._running.pop(request_id, None)
        if invocation is None:
            return
        if error is not None:
            payload = json.dumps({**json.loads(payload), "requestId": request_id}).encode()
        invocation.settle(payload, error)

    def fail_init(self, error: bytes) -> None:
        """Record that the handler could not be loaded; this fails all that wait."""
        with self._lock:
            self._init_error = error
            waiting = list(self._queue)
            self._queue.clear()
            self._disown()
            self._ready.notify_all()
        for invocation in waiting:
            invocation.settle(error, "Unhandled")

    def kill(self) -> None:
        """Kill the process whatever it does, and wait until it is gone."""
        with self._lock:
            process = self._process
            self._end()
        if process is not None:
            process.join(5)

    def stop(self) -> None:
        """Kill the process and fail every invocation; `join` waits for the end."""
        with self._lock:
            self._stopped = True
            left = [*self._queue, *self._running.values()]
            self._queue.clear()
            self._running.clear()
            self._end()
            self._ready.notify_all()
        for invocation in left:
            invocation.fail("Runtime.ExitError", "the local AWS has stopped")

    def join(self, timeout_s: float) -> None:
        """Wait until the process is gone."""
        process = self._process
        if process is not None:
            process.join(timeout_s)

    def _start(self) -> None:
        if self._process is not None or self._stopped:
            return
        self._generation += 1
        self._is_ready, self._init_error = False, None
        generation = self._generation
        self._process = Process(
            self._name,
            self._environment(generation),
            on_line=self._take_line,
            on_exit=lambda status: self._gone(generation, status),
        )

    def _take_line(self, line: str) -> None:
        if line.startswith(START):
            invocation = self._running.get(line.removeprefix(START).partition(" ")[0])
            if invocation is not None:
                invocation.is_begun = True
        self._on_line(line)

    def _end(self) -> None:
        # Killed first: a process whose connection is closed ends by itself, as if it had not been killed.
        if self._process is not None:
            self._process.kill()
        self._disown()

    def _disown(self) -> None:
        # Threads that wait in next_invocation() for this process must not take work for it.
        self._generation += 1
        self._work.notify_all()

    def _time_out(self, invocation: Invocation) -> None:
        with self._lock:
            if self._running.pop(invocation.request_id, None) is None:
                return
            self._end()
        message = (
            f"RequestId: {invocation.request_id} Error: Task timed out after {self._timeout_s:.2f} seconds"
        )
        self._on_line(message)
        invocation.fail("Sandbox.Timedout", message)

    def _gone(self, generation: int, status: int) -> None:
        with self._lock:
            held = [one for one in self._running.values() if one.generation == generation]
            for invocation in held:
                del self._running[invocation.request_id]
                if invocation.timer is not None:
                    invocation.timer.cancel()
            # All its output is read, so an invocation without a START line reached its connection, but not its handler.
            lost = [one for one in held if one.is_begun]
            self._queue.extendleft(one for one in reversed(held) if not one.is_begun)
            if not self._is_ready and generation == self._generation:
                # It died before it asked for work, and would again: fail what waits, instead of looping.
                lost += self._queue
                self._queue.clear()
                self._init_error = self._init_error or b"the process ended before it was ready"
                self._ready.notify_all()
            self._process = None
            self._disown()
            if self._queue:
                self._start()
        how = f"signal: {-status}" if status < 0 else f"exit status {status}"
        for invocation in lost:
            message = f"RequestId: {invocation.request_id} Error: Runtime exited with error: {how}"
            self._on_line(message)
            invocation.fail("Runtime.ExitError", message)
