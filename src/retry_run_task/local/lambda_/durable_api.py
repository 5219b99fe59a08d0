"""The operations on durable executions for operators: list, read, pause and resume.

The local runner has some of it. Its history lacks pauses, so those are kept here (`pauses`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aws_durable_execution_sdk_python.lambda_service import ErrorObject
from aws_durable_execution_sdk_python_testing.exceptions import AwsApiException

from retry_run_task.local.errors import AwsError
from retry_run_task.local.lambda_.pauses import Pauses
from retry_run_task.local.server import HttpRequest, HttpResponse, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_durable_execution_sdk_python_testing.execution import Execution

    from retry_run_task.local.clock import Clock
    from retry_run_task.local.lambda_.functions import Function
    from retry_run_task.local.lambda_.runner import Runner

# Page size of a listing or a history: the default, and the maximum.
PAGE, LONGEST_PAGE = 100, 1000
OPEN = frozenset({"RUNNING", "PAUSING", "PAUSED"})
STATUSES = OPEN | {"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "DELETING"}
LONGEST_REASON = 1024
# https://docs.aws.amazon.com/lambda/latest/api/API_PauseDurableExecution.html (ClientToken)
REPEATABLE_FOR = timedelta(minutes=15)


class OperatorsApi:
    """The operations on durable executions for users and programs outside."""

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._pauses = Pauses(clock.now, REPEATABLE_FOR)

    def serve(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request about one execution; None if it is for the runner."""
        match request.method, [unquote(part) for part in request.path.split("/")[2:]]:
            case "GET", ["durable-executions", arn]:
                return self._describe(arn, request.query)
            case "GET", ["durable-executions", arn, "history"]:
                return self._history(arn, request.query)
            case "POST", ["durable-executions", arn, ("pause" | "resume") as action]:
                return self._hold(arn, action, json.loads(request.body or b"{}"))
            case "POST", ["durable-executions", arn, "stop"]:
                return self._stop(arn, json.loads(request.body or b"{}"))
            case _:
                return None

    def listing(
        self,
        executions: Sequence[Execution],
        function: Function,
        query: Mapping[str, list[str]],
        qualifier: str | None,
    ) -> HttpResponse:
        """Answer `ListDurableExecutionsByFunction`: newest first, unless the order is reversed.

        https://docs.aws.amazon.com/lambda/latest/api/API_ListDurableExecutionsByFunction.html
        """
        name, statuses = query.get("DurableExecutionName", [None])[0], query.get("Statuses")
        if unknown := set(statuses or ()) - STATUSES:
            raise _invalid(f"Value '{sorted(unknown)}' at 'statuses' is not one of {sorted(STATUSES)}")
        after, before = (_time(query.get(bound)) for bound in ("StartedAfter", "StartedBefore"))
        found = [
            one
            for one in (self._summary(execution, function.arn) for execution in executions)
            if name in (None, one["DurableExecutionName"])
            and (not statuses or one["Status"] in statuses)
            and (after is None or one["StartTimestamp"] >= after)
            and (before is None or one["StartTimestamp"] <= before)
            and qualifier in (None, "live", one["FunctionArn"].rpartition(":")[2])
        ]
        # They are stored oldest first.
        if not _flag(query, "ReverseOrder"):
            found.reverse()
        page, more = _page(found, query)
        return json_response({"DurableExecutions": page, **more})

    def _describe(self, arn: str, query: Mapping[str, list[str]]) -> HttpResponse:
        """Answer `GetDurableExecution`. https://docs.aws.amazon.com/lambda/latest/api/API_GetDurableExecution.html ."""
        execution = self._load(arn)
        found = self._runner.executor.get_execution_details(arn).to_dict()
        found["Status"] = self._status(execution)
        found |= {name: value.timestamp() for name, value in found.items() if isinstance(value, datetime)}
        has_data = _flag(query, "IncludeExecutionData", default=True)
        if not has_data:
            found = {name: v for name, v in found.items() if name not in ("InputPayload", "Result", "Error")}
        start = execution.start_input
        found["ExecutionDataIncluded"] = has_data
        found["DurableConfig"] = {
            "ExecutionTimeout": start.execution_timeout_seconds,
            "RetentionPeriodInDays": start.execution_retention_period_days,
        }
        held = self._pauses.details(arn, has_data=has_data)
        return json_response(found | ({"PauseDetails": held} if held and not execution.is_complete else {}))

    def _history(self, arn: str, query: Mapping[str, list[str]]) -> HttpResponse:
        """Answer `GetDurableExecutionHistory`, with the pauses that the runner's own lacks.

        https://docs.aws.amazon.com/lambda/latest/api/API_GetDurableExecutionHistory.html
        """
        self._load(arn)
        has_data = _flag(query, "IncludeExecutionData", default=True)
        told, marker = [], None
        while True:
            page = self._runner.executor.get_execution_history(
                arn, include_execution_data=has_data, marker=marker, max_items=LONGEST_PAGE
            ).to_dict()
            told += page["Events"]
            marker = page.get("NextMarker")
            if not marker:
                break
        events = [_plain(one if has_data else _bare(one)) for one in told] + self._pauses.events(
            arn, has_data=has_data
        )
        # A stable sort keeps the runner's order at equal times.
        events.sort(key=lambda one: float(one["EventTimestamp"]))
        events = [one | {"EventId": number} for number, one in enumerate(events, 1)]
        if _flag(query, "ReverseOrder"):
            events.reverse()
        found, more = _page(events, query)
        return json_response({"Events": found, **more})

    def _stop(self, arn: str, error: Mapping[str, Any]) -> HttpResponse:
        """Stop. The body is the error itself; the runner expects it inside a member.

        An execution that has ended is left unchanged; that AWS answers so too is assumed, because it is not documented.
        """
        self._load(arn)
        given = ErrorObject.from_dict(dict(error)) if error else None
        stopped = self._runner.executor.stop_execution(arn, given)
        return json_response({"StopTimestamp": stopped.stop_timestamp.timestamp()})

    def _hold(self, arn: str, action: str, asked: Mapping[str, Any]) -> HttpResponse:
        """Pause, which waits for a running handler to stop, or resume.

        AWS's pages name `ResourceConflictException` without its cause; that an execution which has ended, or is already
        paused, gets it is assumed.
        """
        execution = self._load(arn)
        if len(str(asked.get("Reason") or "")) > LONGEST_REASON:
            raise _invalid(f"'reason' has more than {LONGEST_REASON} characters")
        if self._pauses.is_repeat(arn, action, asked.get("ClientToken")):
            return json_response({}, 202)
        if execution.is_complete or self._pauses.is_held(arn) is (action == "pause"):
            message = f"The durable execution is {self._status(execution)}."
            raise AwsError("ResourceConflictException", message, 409)
        executor = self._runner.executor
        if action == "pause":
            self._pauses.begin(arn, asked)
            executor.pause_execution(arn)
            self._pauses.settle(arn)
        else:
            self._pauses.end(arn, asked)
            executor.resume_execution(arn)
        return json_response({}, 202)

    def _load(self, arn: str) -> Execution:
        try:
            return self._runner.executor.get_execution(arn)
        except AwsApiException as error:
            raise AwsError(type(error).__name__, str(error), error.http_status_code) from None

    def _status(self, execution: Execution) -> str:
        arn = execution.durable_execution_arn
        last = self._pauses.last(arn)
        if execution.is_complete or last is None or last.resumed is not None:
            return str(execution.current_status().value)
        return "PAUSING" if last.paused is None else "PAUSED"

    def _summary(self, execution: Execution, function_arn: str) -> dict[str, Any]:
        """https://docs.aws.amazon.com/lambda/latest/api/API_Execution.html ."""
        operation = execution.get_operation_execution_started()
        times = {"StartTimestamp": operation.start_timestamp, "EndTimestamp": operation.end_timestamp}
        return {
            "DurableExecutionArn": execution.durable_execution_arn,
            "DurableExecutionName": execution.start_input.execution_name,
            "FunctionArn": f"{function_arn}:{execution.start_input.function_qualifier}",
            "Status": self._status(execution),
            **{name: time.timestamp() for name, time in times.items() if time is not None},
        }


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def _flag(query: Mapping[str, list[str]], name: str, *, default: bool = False) -> bool:
    return query.get(name, [str(default).lower()])[0] == "true"


def _page(
    found: list[dict[str, Any]], query: Mapping[str, list[str]]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return a page, and where the next one begins. "A value of 0 uses the default" size."""
    first, size = query.get("Marker", ["0"])[0], int(query.get("MaxItems", ["0"])[0]) or PAGE
    if not first.isdecimal():
        raise _invalid("'marker' is not one that was given out")
    if not 0 < size <= LONGEST_PAGE:
        raise _invalid(f"'maxItems' is {size}; expected at most {LONGEST_PAGE}")
    end = int(first) + size
    return found[int(first) : end], ({"NextMarker": str(end)} if end < len(found) else {})


def _bare(value: Any) -> Any:
    """Return an event without its data; the runner leaves results in."""
    if isinstance(value, dict):
        return {name: _bare(inner) for name, inner in value.items() if name != "Payload"}
    return value


def _plain(value: Any) -> Any:
    """Return a value with its times as seconds since 1970, as in the REST protocols."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _time(values: list[str] | None) -> float | None:
    """Read a time in a query: seconds since 1970, or ISO 8601 as SDKs send it."""
    if not values:
        return None
    try:
        return float(values[0])
    except ValueError:
        return datetime.fromisoformat(values[0]).astimezone(UTC).timestamp()
