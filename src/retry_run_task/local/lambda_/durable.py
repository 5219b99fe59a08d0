"""Lambda durable executions: AWS's own local runner, plus AWS's rule for execution names.

The runner is the one that ships in `aws-durable-execution-sdk-python-testing`: it keeps the history, the timers and the
checkpoint API (`runner` composes it).

It lacks the rule that makes a duplicate event harmless: starting a name again with the same payload is the same
execution, with another payload an error
(https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html).
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_durable_execution_sdk_python_testing.exceptions import UnknownRouteError
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput
from aws_durable_execution_sdk_python_testing.web import handlers, routes
from aws_durable_execution_sdk_python_testing.web.models import HTTPRequest

from retry_run_task.local.errors import AwsError
from retry_run_task.local.lambda_.durable_api import OperatorsApi
from retry_run_task.local.lambda_.runner import Runner
from retry_run_task.local.lambda_.sandbox import InvocationResult
from retry_run_task.local.observers import tell
from retry_run_task.local.server import HttpRequest, HttpResponse, unknown_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_durable_execution_sdk_python_testing.execution import Execution

    from retry_run_task.local.clock import Clock
    from retry_run_task.local.lambda_.functions import Function

EXECUTION_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
HTTP_ERROR = 400

ROUTES: dict[type[routes.Route], type[handlers.EndpointHandler]] = {
    routes.CheckpointDurableExecutionRoute: handlers.CheckpointDurableExecutionHandler,
    routes.GetDurableExecutionStateRoute: handlers.GetDurableExecutionStateHandler,
    routes.CallbackSuccessRoute: handlers.SendDurableExecutionCallbackSuccessHandler,
    routes.CallbackFailureRoute: handlers.SendDurableExecutionCallbackFailureHandler,
    routes.CallbackHeartbeatRoute: handlers.SendDurableExecutionCallbackHeartbeatHandler,
}


class DurableExecutions:
    """The durable executions of one account and Region.

    ``on_change`` is called with an execution that has started or ended.
    """

    def __init__(
        self,
        clock: Clock,
        account: str,
        region: str,
        invoke: Callable[[str, bytes, str | None], InvocationResult],
    ) -> None:
        """Begin without any execution. ``invoke(name, payload, qualifier)`` runs a function's handler once."""
        self.on_change: list[Callable[[Execution], object]] = []
        self._clock, self._account = clock, account
        self._started: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._names_lock = threading.Lock()
        self._ended = threading.Condition()
        self._over: set[str] = set()
        self._stopped = False
        self._runner = Runner(clock, account, region, invoke, self._changed)
        self._router = routes.Router(list(ROUTES))
        self._handlers = {route: handler(self._runner.executor) for route, handler in ROUTES.items()}
        self._operators = OperatorsApi(self._runner, clock)

    def start(self) -> None:
        """Start its timers."""
        self._runner.start()

    def stop(self) -> None:
        """End the runner; every wait for an execution ends."""
        with self._ended:
            self._stopped = True
            self._ended.notify_all()
        self._runner.stop()

    def join(self) -> None:
        """Wait for the runner's threads; call when no handler runs any more."""
        self._runner.join()

    def begin(self, function: Function, name: str | None, payload: bytes) -> str:
        """Start an execution and return its ARN; if an equal one has the name, return its ARN.

        Payloads are compared byte by byte. AWS does not document how it compares them; code that relies on less is safe
        either way.

        Raises:
            AwsError: The name is invalid, or used by an execution with another payload.
        """
        if function.durable is None:
            raise AwsError("InvalidParameterValueException", f"{function.name} is not a durable function")
        if name is not None and not EXECUTION_NAME.fullmatch(name):
            raise AwsError(
                "InvalidParameterValueException",
                f"Value '{name}' at 'durableExecutionName' failed to satisfy constraint: Member must "
                "satisfy regular expression pattern: [a-zA-Z0-9-_]+ and have 1 to 64 characters",
            )
        key = (function.name, name or str(uuid.uuid4()))
        with self._names_lock:
            known = self._started.get(key)
            if known is not None and not self._is_forgotten(known[1], function.durable.retention_days):
                if known[0] != payload:
                    message = f"A durable execution named {name} is there already, with another payload."
                    raise AwsError("DurableExecutionAlreadyStartedException", message, 409)
                return known[1]
            output = self._runner.executor.start_execution(
                StartDurableExecutionInput(
                    account_id=self._account,
                    function_name=function.name,
                    function_qualifier=function.version,
                    execution_name=key[1],
                    execution_timeout_seconds=int(function.durable.execution_timeout.total_seconds()),
                    execution_retention_period_days=function.durable.retention_days,
                    input=payload.decode(),
                )
            )
            arn = str(output.execution_arn)
            self._started[key] = (payload, arn)
            return arn

    def wait(self, arn: str, timeout_s: float = 900.0) -> InvocationResult:
        """Wait, in real seconds, for an execution's end; `TimeoutError` if it does not end."""
        with self._ended:
            if not self._ended.wait_for(lambda: self._stopped or arn in self._over, timeout_s):
                raise TimeoutError(f"{arn} has not ended after {timeout_s} s")
        result = self._runner.store.load(arn).result
        if result is None:
            return InvocationResult(payload=b"null", error="Unhandled")
        if result.error is not None:
            return InvocationResult(payload=json.dumps(result.error.to_dict()).encode(), error="Unhandled")
        return InvocationResult(payload=(result.result or "null").encode())

    def executions(self, function: str | None = None) -> list[Execution]:
        """Return executions, oldest first; of one function, or all."""
        found = self._runner.store.list_all()
        return [one for one in found if function in (None, one.start_input.function_name)]

    def serve(self, request: HttpRequest) -> HttpResponse:
        """Answer the durable-execution APIs, for handlers and for operators."""
        answer_to_operator = self._operators.serve(request)
        if answer_to_operator is not None:
            return answer_to_operator
        try:
            route = self._router.find_route(request.path, request.method)
        except UnknownRouteError:
            raise unknown_operation(f"{request.method} {request.path}") from None
        is_bytes = isinstance(route, routes.BytesPayloadRoute)
        read = HTTPRequest.from_raw_bytes if is_bytes else HTTPRequest.from_bytes
        query = {name: list(values) for name, values in request.query.items()}
        asked = read(request.body, method=request.method, path=route, query_params=query)
        answer = self._handlers[type(route)].handle(route, asked)
        headers = dict(answer.headers)
        if answer.status_code >= HTTP_ERROR:
            headers["x-amzn-ErrorType"] = str(answer.body.get("Type", "ServiceException"))
        return HttpResponse(status=answer.status_code, body=answer.body_to_bytes(), headers=headers)

    def listing(
        self, function: Function, query: Mapping[str, list[str]], qualifier: str | None
    ) -> HttpResponse:
        """Answer `ListDurableExecutionsByFunction`."""
        return self._operators.listing(self.executions(function.name), function, query, qualifier)

    def _is_forgotten(self, arn: str, retention_days: int) -> bool:
        execution = self._runner.store.load(arn)
        ended = execution.get_operation_execution_started().end_timestamp
        return ended is not None and ended + timedelta(days=retention_days) < self._clock.now()

    def _changed(self, execution: Execution) -> None:
        tell(self.on_change, execution)
        if execution.is_complete:
            # Last, so that all effects of the end exist when a waiter continues.
            with self._ended:
                self._over.add(execution.durable_execution_arn)
                self._ended.notify_all()
