"""The recoveries of one installation in one Region: list, read, stop, pause and resume.

Lambda's limits are low, and the console and other users need a part of them:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from retry_run_task.commands.shared import hints
from retry_run_task.commands.shared.faults import calling, code_of, listed, refused
from retry_run_task.commands.shared.rate_limits import limit_rate, rate_limited
from retry_run_task.commands.shared.view import OPEN, Execution
from retry_run_task.commands.status import history
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import boto3

    from retry_run_task.commands.shared.view import RecoveryView

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})
_GONE = frozenset({"ResourceNotFoundException"})

# ListDurableExecutionsByFunction and GetDurableExecutionHistory: 15 a second each, GetDurableExecution: 30. The console
# and other users' commands need a part of that. The limit of pausing is not documented; that of reading is used.
_READS_PER_S = 10
_READS = (
    "ListDurableExecutionsByFunction",
    "GetDurableExecutionHistory",
    "GetDurableExecution",
    "PauseDurableExecution",
    "ResumeDurableExecution",
)
# StopDurableExecution: 300 a second.
_STOPS_PER_S = 100

_MOST_A_PAGE = 1000


class Executions:
    """The durable executions of one recover function.

    Whatever AWS refuses raises ``DeployError``; without such a function the listings raise ``ConfigError``.
    """

    def __init__(self, session: boto3.Session, region: str, stack: str) -> None:
        self.region, self.stack = region, stack
        self.function = f"{stack}-recover"
        # The type of the client is older than the pausing of executions.
        self._client: Any = session.client("lambda", region_name=region, config=_CONFIG)
        limit_rate(self._client, rate_limited(_READS_PER_S), *_READS)
        limit_rate(self._client, rate_limited(_STOPS_PER_S), "StopDurableExecution")
        self._over: dict[str, RecoveryView] = {}

    def open(self) -> list[Execution]:
        """Return those in progress, also on older versions of the function, newest first."""
        return self._list(Statuses=list(OPEN))

    def begun(self, after: datetime) -> list[Execution]:
        """Return all that began after a time, newest first."""
        return self._list(StartedAfter=after)

    def named(self, name: str) -> list[Execution]:
        """Return those with a name: one, or none."""
        return self._list(DurableExecutionName=name)

    def _list(self, **asked: Any) -> list[Execution]:
        doing = f"list the recoveries of {self.stack} in {self.region}"
        pages = self._client.get_paginator("list_durable_executions_by_function").paginate(
            FunctionName=self.function, MaxItems=_MOST_A_PAGE, **asked
        )
        with calling(doing):
            try:
                return [_execution(one) for page in pages for one in listed(page, "DurableExecutions")]
            except ClientError as error:
                if code_of(error) in _GONE:
                    raise ConfigError(
                        f"The installation {self.stack} in {self.region} is not whole: Lambda has no function "
                        f"{self.function}.",
                        hint=f"Look at it with: {hints.command_line('doctor')}.",
                    ) from None
                raise refused(error, doing) from None

    def look(self, execution: Execution) -> RecoveryView | None:
        """Return the view of a recovery; None if Lambda has forgotten it meanwhile. One that has ended is read once."""
        if execution.arn in self._over:
            return self._over[execution.arn]
        doing = f"read the history of the recovery {execution.name}"
        pages = self._client.get_paginator("get_durable_execution_history").paginate(
            DurableExecutionArn=execution.arn, IncludeExecutionData=True, MaxItems=_MOST_A_PAGE
        )
        with calling(doing):
            try:
                events = [event for page in pages for event in listed(page, "Events")]
            except ClientError as error:
                if code_of(error) in _GONE:
                    return None
                raise refused(error, doing) from None
        view = history.read(execution, events)
        if view.state.is_over:
            self._over[execution.arn] = view
        return view

    def look_at_all(
        self, executions: Sequence[Execution], tell: Callable[[str], None] = lambda _: None
    ) -> list[RecoveryView]:
        """Return the view of each."""
        return self.look_in_time(executions, tell, lambda: False)[0]

    def look_in_time(
        self, executions: Sequence[Execution], tell: Callable[[str], None], is_over: Callable[[], bool]
    ) -> tuple[list[RecoveryView], int]:
        """Return the view of each until the time is over, and how many were not read."""
        found: list[RecoveryView] = []
        for number, one in enumerate(executions, 1):
            # One that was read before takes no time.
            if one.arn not in self._over and is_over():
                return found, len(executions) - number + 1
            tell(f"recoveries: {number} of {len(executions)}")
            view = self.look(one)
            if view is not None:
                found.append(view)
        return found, 0

    def steer(self, action: str, execution: Execution, reason: str) -> str:
        """Stop, pause or resume a recovery; return the result in a word or two."""
        functions, arn = self._client, execution.arn
        error: Any = {"ErrorType": "StoppedByOperator", "ErrorMessage": reason}
        doing = f"{action} the recovery {execution.name}"
        with calling(doing):
            try:
                match action:
                    case "stop":
                        functions.stop_durable_execution(DurableExecutionArn=arn, Error=error)
                    case "pause":
                        functions.pause_durable_execution(DurableExecutionArn=arn, Reason=reason)
                    case _:
                        functions.resume_durable_execution(DurableExecutionArn=arn, Reason=reason)
            except ClientError as error:
                # It may have ended, or another user may have been faster; then there is nothing left to do.
                if code_of(error) not in _MEANWHILE:
                    raise refused(error, doing) from None
                status = self._status(execution)
                if status in _UNDONE[action]:
                    raise refused(error, doing) from None
                return f"is {status} already" if status in OPEN else "has ended meanwhile"
        return _DONE[action]

    def _status(self, execution: Execution) -> str:
        try:
            found = self._client.get_durable_execution(
                DurableExecutionArn=execution.arn, IncludeExecutionData=False
            )
        except ClientError as error:
            if code_of(error) in _GONE:
                return "GONE"
            raise
        return str(found["Status"])


# AWS's answer for an execution in another state is not documented; these are among its errors.
_MEANWHILE = _GONE | {"ResourceConflictException", "InvalidParameterValueException"}
_DONE = {"stop": "stopped", "pause": "paused", "resume": "resumed"}
_UNDONE = {"stop": OPEN, "pause": ("RUNNING",), "resume": ("PAUSED", "PAUSING")}


def _execution(listed: Any) -> Execution:
    return Execution(
        arn=listed["DurableExecutionArn"],
        name=listed["DurableExecutionName"],
        status=listed["Status"],
        started=listed["StartTimestamp"],
        ended=listed.get("EndTimestamp"),
    )
