"""Our parts of AWS's local durable-execution runner: its clock, its store, its invoker.

They are passed to the runner's constructors; nothing is monkeypatched.
"""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from aws_durable_execution_sdk_python.execution import DurableExecutionInvocationInput, InitialExecutionState
from aws_durable_execution_sdk_python_testing.checkpoint.processor import (
    DEFAULT_MAX_INVOCATION_PAGE_BYTES,
    CheckpointProcessor,
)
from aws_durable_execution_sdk_python_testing.exceptions import DurableFunctionsTestError
from aws_durable_execution_sdk_python_testing.execution import OperationPaginatorState
from aws_durable_execution_sdk_python_testing.executor import Executor
from aws_durable_execution_sdk_python_testing.invoker import InvokeResponse
from aws_durable_execution_sdk_python_testing.scheduler import Scheduler
from aws_durable_execution_sdk_python_testing.stores.memory import InMemoryExecutionStore
from aws_durable_execution_sdk_python_testing.threads import DaemonThreadPool
from aws_durable_execution_sdk_python_testing.worker.registry import ExecutionRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aws_durable_execution_sdk_python_testing.execution import Execution
    from aws_durable_execution_sdk_python_testing.scheduler import Event

    from retry_run_task.local.clock import Clock
    from retry_run_task.local.lambda_.sandbox import InvocationResult

# The runner logs warnings and errors even when a handler fails on purpose. Without this handler, a program that has not
# set up logging would print them.
logging.getLogger("aws_durable_execution_sdk_python_testing").addHandler(logging.NullHandler())

# A handler is stopped by its function's time-out; the runner's own, in real seconds, must not come first.
INVOCATION_TIMEOUT_S = 24 * 3600
INVOCATIONS_AT_A_TIME = 256


class Runner:
    """AWS's runner, composed as its `WebRunner` composes it, without the web."""

    def __init__(
        self,
        clock: Clock,
        account: str,
        region: str,
        invoke: Callable[[str, bytes, str | None], InvocationResult],
        on_change: Callable[[Execution], object],
    ) -> None:
        """Compose it.

        ``invoke(name, payload, qualifier)`` runs a function's handler once; ``on_change`` is called with an execution
        that has started or ended.
        """
        self.store = _Store(account, region, on_change)
        self._scheduler = _Scheduler(clock)
        self._registry = ExecutionRegistry(self.store, self._scheduler)
        virtual = _VirtualClock(clock)
        processor = CheckpointProcessor(self.store, self._scheduler, clock=virtual)
        self.executor = _Executor(
            store=self.store,
            scheduler=self._scheduler,
            invoker=_Invoker(invoke),
            checkpoint_processor=processor,
            invocation_timeout_seconds=INVOCATION_TIMEOUT_S,
            registry=self._registry,
            clock=virtual,
            region=region,
        )
        processor.add_execution_observer(self.executor)
        self._clock = clock
        self._stopped = False

    def start(self) -> None:
        """Start its timers."""
        self._scheduler.start()  # type: ignore[no-untyped-call] # the runner leaves it untyped
        self._nudge()

    def _nudge(self) -> None:
        if not self._stopped:
            self.executor.nudge()
            self._clock.call_later(self._clock.virtual_s(_NUDGE_EVERY_S), self._nudge)

    def stop(self) -> None:
        """End it. A running handler runs to its end, which is then ignored."""
        self._stopped = True
        self.executor.shutdown()
        self._registry.shutdown()
        self._scheduler.stop()

    def join(self) -> None:
        """Wait for its threads, which it does not do itself; call when no handler runs any more."""
        lanes = {f"execution-worker-{one.durable_execution_arn}" for one in self.store.list_all()}
        for thread in threading.enumerate():
            if thread.name in lanes or thread.name.startswith(self.executor.thread_prefix):
                thread.join(1)


# Real seconds between two checks for executions that the runner has forgotten.
_NUDGE_EVERY_S = 0.5


class _VirtualClock:
    """The runner's view of our clock: virtual seconds, which `_Scheduler` converts to real ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def arm(self, wake: datetime) -> float:
        return max((wake - self._clock.now()).total_seconds(), 0.0)


class _Scheduler(Scheduler):
    """The runner's scheduler in virtual time: waits, execution time-outs, the backoff between invocations."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._gate = threading.Lock()
        self._is_over = False

    def call_later(
        self,
        func: Callable[[], Any],
        delay: float = 0,
        count: int | None = 1,
        completion_event: Event | None = None,
    ) -> Future[Any]:
        # A handler may still be returning after the loop is closed. The parent would create a coroutine that never
        # runs, of which Python warns on the terminal.
        with self._gate:
            if not self._is_over:
                return super().call_later(func, self._clock.real_s(delay), count, completion_event)
        never: Future[Any] = Future()
        never.cancel()
        return never

    def stop(self) -> None:
        with self._gate:
            self._is_over = True
        super().stop()  # type: ignore[no-untyped-call] # the runner leaves it untyped
        # The parent leaves its event loop open, and with it a socket pair.
        self._loop.close()


class _Executor(Executor):
    """The runner's executor, for as many parallel handlers as the functions allow."""

    # AWS invokes again until the execution's time-out. The parent's limit of five is soon reached if a process with
    # many executions is killed repeatedly; without a limit, a function that cannot start would be started for ever.
    MAX_CONSECUTIVE_FAILED_ATTEMPTS = 20

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        # The parent's pool has a ThreadPoolExecutor's default size: six threads on a machine with two cores, so that
        # the seventh recovery of a midnight batch would wait for a thread. If the parent loses this member, only that
        # effect returns.
        self.thread_prefix = f"durable-invocation-{id(self)}"
        self._invocation_pool = DaemonThreadPool(INVOCATIONS_AT_A_TIME, self.thread_prefix)

    def nudge(self) -> None:
        """Invoke again what has nothing to wait for, and wake what is overdue.

        A wait that ends while the invocation that began it is still returning can be lost: the runner is made for waits
        of seconds, and at our speeds they last as long as the SDK takes to return, a tenth of a second. The runner's
        own gate protects an execution that is being invoked.
        """
        for execution in self._store.list_all():
            arn = execution.durable_execution_arn
            if execution.is_complete:
                continue
            due = self._earliest_pending_timestamp(execution)
            if due is None:
                self._invoke_execution(arn)
            elif due <= self._clock.now():
                self._schedule_earliest_pending(arn)


class _Store(InMemoryExecutionStore):
    """The runner's store of executions. Gives them ARNs like AWS's, and reports when one starts or ends."""

    def __init__(self, account: str, region: str, on_change: Callable[[Execution], object]) -> None:
        super().__init__()
        self._prefix = f"arn:aws:lambda:{region}:{account}:function"
        self._on_change = on_change
        self._ended: set[str] = set()

    def save(self, execution: Execution) -> None:
        is_new = not execution.durable_execution_arn.startswith("arn:")
        if is_new:
            # The runner saves an execution before it uses its ARN, which is "<uuid>/<uuid>" until here.
            # https://docs.aws.amazon.com/lambda/latest/api/API_GetDurableExecution.html has the pattern.
            start = execution.start_input
            execution.durable_execution_arn = (
                f"{self._prefix}:{start.function_name}:{start.function_qualifier}"
                f"/durable-execution/{start.execution_name}/{start.invocation_id}"
            )
        super().save(execution)
        if is_new:
            self._on_change(execution)

    def update(self, execution: Execution) -> None:
        super().update(execution)
        arn = execution.durable_execution_arn
        if execution.is_complete and arn not in self._ended:
            self._ended.add(arn)
            self._on_change(execution)


class _Invoker:
    """Runs a handler through the function's queue, like every other invocation."""

    def __init__(self, invoke: Callable[[str, bytes, str | None], InvocationResult]) -> None:
        self._invoke = invoke

    def create_invocation_input(self, execution: Execution) -> DurableExecutionInvocationInput:
        page = OperationPaginatorState.pin(execution).page(None, DEFAULT_MAX_INVOCATION_PAGE_BYTES)
        operations, marker = page
        return DurableExecutionInvocationInput(
            durable_execution_arn=execution.durable_execution_arn,
            checkpoint_token=execution.get_new_checkpoint_token(),
            initial_execution_state=InitialExecutionState(operations=operations, next_marker=marker or ""),
            updated_operation_ids=list(execution.updated_operation_ids),
        )

    def invoke(
        self,
        function_name: str,
        input: DurableExecutionInvocationInput,  # noqa: A002 -- the runner calls it so
        *unused: Any,  # noqa: ARG002 -- the runner's protocol: endpoint, tenant, account, Region
        **also_unused: Any,  # noqa: ARG002 -- the same
    ) -> InvokeResponse:
        name, _, qualifier = function_name.partition(":")
        result = self._invoke(name, json.dumps(input.to_json_dict()).encode(), qualifier or None)
        if result.error is not None:
            # The runner treats this as a backend failure of Lambda, and invokes again.
            raise DurableFunctionsTestError(result.payload.decode(errors="replace"))
        return InvokeResponse.from_payload(result.payload, result.request_id)

    def update_endpoint(self, endpoint_url: str, region_name: str) -> None:
        """Nothing: there is one endpoint."""

    def inherit_endpoint(self, child_execution_arn: str, parent_execution_arn: str) -> None:
        """Nothing: there is one endpoint."""
