"""The local AWS in one object: what the two Lambda functions and the demo speak to.

    with LocalAws(speed=60) as aws:
        aws.functions.create("intake", "retry_run_task.handlers.intake", environment={...})
        aws.functions.create("recover", "retry_run_task.handlers.recover", durable=DurableConfig())
        aws.logs.put_subscription_filter(aws.trail.log_group, "RunTaskFailureFilter", pattern, "intake")
        aws.ecs.run_task(...)

ECS is the model (`ecs`); every RunTask becomes a CloudTrail record (`cloudtrail`), which after a
delay (`trail`) is in a log group (`logs`) and on the event bus (`events`), and so gets to functions
(`functions`, `durable`). Clients reach all of it over HTTP on loopback (`server`).
"""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from retry_run_task.local import topics
from retry_run_task.local.clock import Clock
from retry_run_task.local.cloudtrail import lambda_caller, sdk_caller
from retry_run_task.local.durable import DurableExecutions
from retry_run_task.local.ecs import Ecs, EcsError
from retry_run_task.local.events import Events
from retry_run_task.local.functions import Functions, client_environment
from retry_run_task.local.lambda_api import LambdaApi
from retry_run_task.local.logs import Logs
from retry_run_task.local.logs_api import LogsApi
from retry_run_task.local.lookup_api import LookupApi
from retry_run_task.local.schedules import Schedules
from retry_run_task.local.schedules_api import PATHS as SCHEDULER_PATHS
from retry_run_task.local.schedules_api import EventsApi, SchedulerApi
from retry_run_task.local.server import (
    AwsError,
    Request,
    Response,
    Server,
    json_operation,
    query_operation,
    rest_error,
)
from retry_run_task.local.topics import Published, Topics
from retry_run_task.local.trail import Delay, Trail, message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime
    from types import TracebackType

    from aws_durable_execution_sdk_python_testing.execution import Execution

    from retry_run_task.local.clock import Timer
    from retry_run_task.local.cloudtrail import Caller

__all__ = ["LocalAws", "Published"]

Json = dict[str, Any]

OPERATOR_KEY = "AKIALOCALOPERATOR000"
WAYS_IN = frozenset({"logs", "eventbridge", "task-state-change"})
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class LocalAws:
    """AWS on this machine, while the `with` block lasts.

    Attributes:
        clock: Its time.
        ecs: The model of ECS; make clusters, take capacity away, call it as a rule or schedule would.
        logs: The log groups.
        events: The rules on the default event bus.
        functions: The Lambda functions.
        durable: Their durable executions.
        trail: CloudTrail's deliveries.
        lookup: CloudTrail's event history.
        topics: The SNS topics.
        schedules: EventBridge's rules with other targets, and EventBridge Scheduler's schedules.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        start: datetime | None = None,
        account: str = "123456789012",
        region: str = "ap-northeast-1",
        trail_delay: Delay = (300.0, 60.0),
        event_delay: Delay = (75.0, 15.0),
        ways_in: Collection[str] = ("logs",),
        seed: int = 0,
    ) -> None:
        """Build it; nothing runs before the `with` block.

        Args:
            speed: Virtual seconds per real second.
            start: Virtual time now; None for the real time.
            account: 12 digits.
            region: The Region.
            trail_delay: Virtual seconds, mean and spread, from a call to its record in the log group. AWS
                names "an average of about 5 minutes":
                https://docs.aws.amazon.com/awscloudtrail/latest/userguide/send-cloudtrail-events-to-cloudwatch-logs.html
            event_delay: The same to the event bus, for which AWS names no figure.
            ways_in: Which of `logs`, `eventbridge` (CloudTrail's records as events) and `task-state-change`
                (ECS's own events) there are.
            seed: Of delays and ids.
        """
        if unknown := set(ways_in) - WAYS_IN:
            raise ValueError(f"ways_in has {sorted(unknown)}; expected some of {sorted(WAYS_IN)}")
        self.account, self.region = account, region
        self.clock = Clock(speed, start)
        self.ecs = Ecs(account=account, region=region, now=self.clock.now, seed=seed)
        self.functions = Functions(self.clock, account, region)
        self.durable = DurableExecutions(self.clock, account, region, self.functions.invoke)
        self.logs = Logs(self.clock, account, region, self.functions.deliver)
        self.events = Events(lambda target, event: self.functions.deliver(target, json.dumps(event).encode()))
        self.topics = Topics(self.clock, account, region)
        self.schedules = Schedules(
            self.clock,
            account,
            region,
            run_task=self.ecs.run_task,
            invoke=lambda function, event: self.functions.deliver(function, event.encode()),
            seed=seed,
        )
        self.events.on_event.append(self.schedules.take_event)
        ways = {"logs": self._record_to_logs, "eventbridge": self._record_to_events}
        self.trail = Trail(
            self.clock,
            {way: send for way, send in ways.items() if way in ways_in},
            {"logs": trail_delay, "eventbridge": event_delay},
            seed,
        )
        self.lookup = LookupApi(self.clock, self.trail)
        self.logs.create_group(self.trail.log_group)
        self._server: Server | None = None
        self._lambda = LambdaApi(self.functions, self.durable)
        self._scheduler = SchedulerApi(self.schedules)
        self._json_operations = {
            "AWSEvents": EventsApi(self.schedules, self.events).operations(),
            "CloudTrail_20131101": self.lookup.operations(),
            "Logs_20140328": LogsApi(self.logs).operations(),
        }
        self._stack = ExitStack()
        self._ecs_timer: Timer | None = None
        self._ecs_lock = threading.Lock()
        self.ecs.on_call.append(self.trail.take)
        self.ecs.on_call.append(lambda _: self._follow_ecs())
        if "task-state-change" in ways_in:
            self.ecs.on_task_state_change.append(self._task_changed)
        self.functions.on_log.append(self._write_log)
        self.durable.on_change.append(self._execution_changed)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            server = self._server = Server(self._serve)
            # The last is the first to be stopped, and the first is what the others still use.
            for stop in (
                self.clock.stop,
                server.stop,
                self.durable.join,
                self.functions.stop,
                self.durable.stop,
            ):
                stack.callback(stop)
            self.functions.address = server.address
            server.start()
            self.durable.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def endpoint(self) -> str:
        """The URL that clients take for AWS."""
        return f"http://{self._running.address}"

    @property
    def published(self) -> list[Published]:
        """What SNS accepted, oldest first."""
        return self.topics.published

    @property
    def on_publish(self) -> list[Callable[[Published], object]]:
        """Called with each message that SNS accepts."""
        return self.topics.on_publish

    def create_topic(self, name: str) -> str:
        """Create an SNS topic, unless it is there, and return its ARN."""
        return self.topics.create(name)

    def environment(self, function: str | None = None) -> dict[str, str]:
        """Return the environment variables that make an AWS client speak to this.

        Args:
            function: Whose role to act with; None for a person's.
        """
        key = self.functions.get(function)[0].access_key if function else OPERATOR_KEY
        return client_environment(self._running.address, self.region, key)

    def publish_event(
        self,
        source: str,
        kind: str,
        detail: Mapping[str, Any],
        resources: Collection[str] = (),
        time: str = "",
    ) -> None:
        """Put an event on the default bus, as an AWS service does.

        https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
        """
        self.events.publish(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": kind,
                "source": source,
                "account": self.account,
                "time": time or _seconds(self.clock.now()),
                "region": self.region,
                "resources": list(resources),
                "detail": detail,
            }
        )

    @property
    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("the local AWS is not running; use it in a with block")
        return self._server

    def _serve(self, request: Request) -> Response:
        target = request.headers.get("X-Amz-Target") or ""
        try:
            if target.startswith("AmazonEC2ContainerService"):
                return self._serve_ecs(request)
            if target:
                return json_operation(request, self._json_operations.get(_service(target), {}))
            if request.path == "/" and request.method == "POST":
                if b"Version=2010-03-31" in request.body:
                    return query_operation(request, self.topics.operations(), topics.NAMESPACE)
                identify = {"GetCallerIdentity": lambda _: self._identity(request)}
                return query_operation(request, identify, STS_NAMESPACE)
            rest = self._scheduler if request.path.startswith(SCHEDULER_PATHS) else self._lambda
            return rest.serve(request)
        except AwsError as error:
            return rest_error(error)

    def _serve_ecs(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        operations: dict[str, Callable[[Json], Json]] = {
            "RunTask": lambda body: self.ecs.run_task(body, self._caller(request), request_id=request_id),
            "DescribeTasks": self.ecs.describe_tasks,
            "ListTasks": self.ecs.list_tasks,
            "StopTask": self.ecs.stop_task,
            "ListClusters": self.ecs.list_clusters,
            "DescribeClusters": self.ecs.describe_clusters,
            "DescribeTaskDefinition": self.ecs.describe_task_definition,
        }
        try:
            answer = json_operation(request, operations)
        except EcsError as error:
            body = {"__type": error.code, "message": error.message, **error.extra}
            headers = {"Content-Type": "application/x-amz-json-1.1"}
            answer = Response(status=error.status, body=json.dumps(body).encode(), headers=headers)
        self._follow_ecs()
        return replace(answer, headers={**answer.headers, "x-amzn-RequestId": request_id})

    def _follow_ecs(self) -> None:
        """Wake ECS when its next task changes by itself."""
        with self._ecs_lock:
            due = self.ecs.next_change()
            if self._ecs_timer is not None:
                self._ecs_timer.cancel()
            if due is not None:
                self._ecs_timer = self.clock.call_at(due, self._advance_ecs)

    def _advance_ecs(self) -> None:
        self.ecs.advance()
        self._follow_ecs()

    def _caller(self, request: Request) -> Caller:
        key, agent = request.access_key, request.headers.get("User-Agent") or ""
        function = self.functions.by_access_key(key)
        if function is not None:
            caller = lambda_caller(function.role_arn, function.name, source_ip=request.address)
        else:
            caller = sdk_caller(f"arn:aws:iam::{self.account}:user/operator", source_ip=request.address)
        return replace(caller, identity={**caller.identity, "accessKeyId": key}, user_agent=agent)

    def _identity(self, request: Request) -> dict[str, str]:
        identity = self._caller(request).identity
        return {"Arn": identity["arn"], "UserId": identity["principalId"], "Account": self.account}

    def _record_to_logs(self, written: Json) -> None:
        stream = f"{self.account}_CloudTrail_{self.region}"
        self.logs.put(self.trail.log_group, stream, [(None, message(written))])

    def _record_to_events(self, written: Json) -> None:
        self.publish_event("aws.ecs", "AWS API Call via CloudTrail", written, time=written["eventTime"])

    def _task_changed(self, detail: Json) -> None:
        self._follow_ecs()
        self.publish_event("aws.ecs", "ECS Task State Change", detail, [detail["taskArn"]])

    def _write_log(self, name: str, line: str) -> None:
        function, _ = self.functions.get(name)
        self.logs.create_group(function.log_group)
        self.logs.put(function.log_group, self.functions.log_stream(function), [(None, line)])

    def _execution_changed(self, execution: Execution) -> None:
        """Tell of a start or an end, and bury the event of an execution that came to nothing.

        https://docs.aws.amazon.com/lambda/latest/dg/durable-monitoring.html
        """
        status, begun = execution.current_status().value, execution.start_input
        operation = execution.get_operation_execution_started()
        times = {"startTimestamp": operation.start_timestamp, "endTimestamp": operation.end_timestamp}
        function, _ = self.functions.get(begun.function_name)
        detail = {
            "durableExecutionArn": execution.durable_execution_arn,
            "durableExecutionName": begun.execution_name,
            "functionArn": f"{function.arn}:{begun.function_qualifier}",
            "status": status,
            **{name: _seconds(time) for name, time in times.items() if time is not None},
        }
        self.publish_event("aws.lambda", "Durable Execution Status Change", detail)
        if status in ("FAILED", "STOPPED", "TIMED_OUT"):
            self.functions.bury(function.name, (begun.input or "").encode(), status, 1)


def _service(target: str) -> str:
    """Return the service that a target names; CloudTrail's has dots in front: ``com.amazonaws...``."""
    return target.rpartition(".")[0].rpartition(".")[2]


def _seconds(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
