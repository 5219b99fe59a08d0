"""Lambda's operations for clients, and the Runtime API for a function's process."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from retry_run_task.local.errors import AwsError
from retry_run_task.local.lambda_ import code
from retry_run_task.local.lambda_.worker import CLOCK_HEADER, RUNTIME_API
from retry_run_task.local.server import HttpRequest, HttpResponse, json_response, unknown_operation

if TYPE_CHECKING:
    from retry_run_task.local.lambda_.durable import DurableExecutions
    from retry_run_task.local.lambda_.functions import Function, Functions
    from retry_run_task.local.lambda_.sandbox import InvocationResult

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_EVENT_BYTES = 1_048_576
LARGEST_REQUEST_BYTES = 6_291_456


class LambdaApi:
    """The operations on the functions of one account and Region."""

    def __init__(self, functions: Functions, durable: DurableExecutions) -> None:
        self._functions, self._durable = functions, durable

    def serve(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        if RUNTIME_API in request.path:
            return self._runtime(request)
        if request.path.startswith(code.SNAPSHOTS):
            function, _ = self._functions.get(unquote(request.path.removeprefix(code.SNAPSHOTS)))
            return HttpResponse(body=code.content(function), headers={"Content-Type": "application/zip"})
        parts = [unquote(part) for part in request.path.split("/")[2:]]
        match request.method, parts:
            case "POST", ["functions", name, "invocations"]:
                return self._invoke(request, name)
            case "GET", ["functions", name] | ["functions", name, "configuration"]:
                function, qualifier = self._functions.get(name, _first(request, "Qualifier"))
                described = _describe(function, qualifier)
                if "configuration" not in parts[2:]:
                    where = code.location(function, self._functions.address)
                    described = {
                        "Configuration": described,
                        "Code": {"RepositoryType": "S3", "Location": where},
                    }
                return json_response(described)
            case "GET", ["functions", name, "durable-executions"]:
                function, qualifier = self._functions.get(name, _first(request, "Qualifier"))
                return self._durable.listing(function, request.query, qualifier)
            case _, ["durable-executions" | "durable-execution-callbacks", *_]:
                return self._durable.serve(request)
            case _:
                raise unknown_operation(f"{request.method} {request.path}")

    def _invoke(self, request: HttpRequest, identifier: str) -> HttpResponse:
        # https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        function, qualifier = self._functions.get(identifier, _first(request, "Qualifier"))
        kind = request.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        payload = request.body or b"{}"
        limit = LARGEST_EVENT_BYTES if kind == "Event" else LARGEST_REQUEST_BYTES
        if len(payload) > limit:
            message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
            raise AwsError("RequestTooLargeException", message, 413)
        try:
            json.loads(payload)
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            raise AwsError("InvalidRequestContentException", message) from None
        if kind == "DryRun":
            return HttpResponse(status=204)
        self._functions.check_throttle(function.name)
        if function.durable is not None:
            return self._invoke_durable(request, function, qualifier, payload)
        if request.headers.get("X-Amz-Durable-Execution-Name"):
            message = f"{function.name} is not a durable function: it takes no DurableExecutionName"
            raise AwsError("InvalidParameterValueException", message)
        if kind == "Event":
            request_id = self._functions.invoke_async(function.name, payload, qualifier)
            return HttpResponse(status=202, headers={"x-amzn-RequestId": request_id})
        return _answer(self._functions.invoke(function.name, payload, qualifier), function)

    def _invoke_durable(
        self, request: HttpRequest, function: Function, qualifier: str | None, payload: bytes
    ) -> HttpResponse:
        # "Invoking the function without a qualifier is not supported":
        # https://docs.aws.amazon.com/lambda/latest/dg/durable-invoking.html
        if qualifier is None and function.durable is not None and not function.durable.allow_unqualified:
            message = "You cannot invoke a durable function using an unqualified ARN."
            raise AwsError("InvalidParameterValueException", message)
        arn = self._durable.begin(function, request.headers.get("X-Amz-Durable-Execution-Name"), payload)
        headers = {"X-Amz-Durable-Execution-Arn": arn}
        if request.headers.get("X-Amz-Invocation-Type") == "Event":
            return HttpResponse(status=202, headers=headers)
        return _answer(self._durable.wait(arn), function, headers)

    def _runtime(self, request: HttpRequest) -> HttpResponse:
        # https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
        sender, _, action = request.path.partition(RUNTIME_API)
        name, _, generation = sender.strip("/").partition("/")
        function, _ = self._functions.get(unquote(name))
        sandbox = self._functions.sandbox(function.name)
        match action.split("/")[1:]:
            case ["invocation", "next"]:
                invocation = sandbox.next_invocation(int(generation))
                if invocation is None:
                    return HttpResponse(status=0)
                headers = {
                    "Content-Type": "application/json",
                    "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int((time.time() + function.timeout_s) * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
                }
                # If the clock follows the real time, the functions get the same time.
                if reading := self._functions.clock_reading:
                    headers[CLOCK_HEADER] = json.dumps(reading)
                return HttpResponse(body=invocation.payload, headers=headers)
            case ["invocation", request_id, "response"]:
                sandbox.finish(request_id, request.body, None)
            case ["invocation", request_id, "error"]:
                sandbox.finish(request_id, request.body, "Unhandled")
            case ["init", "error"]:
                sandbox.fail_init(request.body)
            case _:
                raise unknown_operation(f"{request.method} {request.path}")
        return json_response({"status": "OK"}, 202)


def _answer(
    result: InvocationResult, function: Function, headers: dict[str, str] | None = None
) -> HttpResponse:
    headers = {
        "Content-Type": "application/json",
        "X-Amz-Executed-Version": function.version,
        **(headers or {}),
    }
    if result.request_id:
        headers["x-amzn-RequestId"] = result.request_id
    if result.error is not None:
        headers["X-Amz-Function-Error"] = result.error
    return HttpResponse(body=result.payload, headers=headers)


def _describe(function: Function, qualifier: str | None) -> dict[str, object]:
    # https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
    durable = function.durable
    return {
        "FunctionName": function.name,
        "FunctionArn": f"{function.arn}:{qualifier}" if qualifier else function.arn,
        "Runtime": "python3.13",
        "Role": function.role_arn,
        "Handler": function.handler,
        "Timeout": int(function.timeout_s),
        "MemorySize": function.memory_mb,
        "Version": function.version if qualifier else "$LATEST",
        "Environment": {"Variables": dict(function.environment)},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "CodeSize": len(code.content(function)),
        "CodeSha256": code.digest(function),
        **(
            {
                "DurableConfig": {
                    "ExecutionTimeout": int(durable.execution_timeout.total_seconds()),
                    "RetentionPeriodInDays": durable.retention_days,
                }
            }
            if durable
            else {}
        ),
    }


def _first(request: HttpRequest, name: str) -> str | None:
    values = request.query.get(name)
    return values[0] if values else None
