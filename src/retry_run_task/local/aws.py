"""The local AWS in one object: what the two Lambda functions and the demo speak to.

    with LocalAws(speed=60) as aws:
        aws.functions.create("intake", "retry_run_task.handlers.intake", environment={...})
        aws.functions.create("recover", "retry_run_task.handlers.recover", durable=DurableConfig())
        aws.logs.put_subscription_filter(aws.trail.log_group, "RunTaskFailureFilter", pattern, "intake")
        aws.ecs.run_task(...)

There is one account and Region, `home`, and as many others as are asked for (`account_region`), whose calls the same
trail records; their ECS is reached with credentials of a role there (`roles`) or signed for the Region.

ECS is the model (`ecs`); every RunTask becomes a CloudTrail record (`cloudtrail`), which after a
delay (`trail`) is in a log group (`logs`) and on the event bus (`schedules`), and so gets to functions
(`functions`, `durable`). Clients reach all of it over HTTP on loopback (`server`).
"""

from __future__ import annotations

import threading
import uuid
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from retry_run_task.local import topics
from retry_run_task.local.account_region import AccountRegion
from retry_run_task.local.clock import Clock
from retry_run_task.local.cloudtrail.delivery import Delay, TrailDelivery, message
from retry_run_task.local.cloudtrail.lookup_api import LookupApi
from retry_run_task.local.cloudtrail.records import lambda_caller, sdk_caller
from retry_run_task.local.described import Described
from retry_run_task.local.errors import AwsError
from retry_run_task.local.eventbridge.api import PATHS as SCHEDULER_PATHS
from retry_run_task.local.eventbridge.api import EventsApi
from retry_run_task.local.lambda_.api import LambdaApi
from retry_run_task.local.lambda_.durable import DurableExecutions
from retry_run_task.local.lambda_.functions import Functions, client_environment
from retry_run_task.local.logs.api import LogsApi
from retry_run_task.local.logs.service import Logs
from retry_run_task.local.roles import Roles
from retry_run_task.local.server import (
    HttpRequest,
    HttpResponse,
    Server,
    json_operation,
    query_operation,
    rest_error,
)
from retry_run_task.local.topics import Topics
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime
    from types import TracebackType

    from aws_durable_execution_sdk_python_testing.execution import Execution

    from retry_run_task.local.cloudtrail.records import ApiCaller

Json = dict[str, Any]

OPERATOR_KEY = "AKIALOCALOPERATOR000"
WAYS_IN = frozenset({"logs", "eventbridge", "task-state-change"})
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class LocalAws:
    """AWS on this machine, while the `with` block lasts."""

    def __init__(  # noqa: PLR0913 -- what an account may be like
        self,
        *,
        speed: float = 1.0,
        start: datetime | None = None,
        account: str = "123456789012",
        region: str = "ap-northeast-1",
        trail_delay: Delay = (300.0, 60.0),
        event_delay: Delay = (75.0, 15.0),
        event_sources: Collection[str] = ("logs",),
        seed: int = 0,
        until_present: bool = False,
        is_held: bool = False,
        port: int = 0,
    ) -> None:
        """Build it; nothing runs before the `with` block.

        Args:
            speed: Virtual seconds per real second.
            start: Virtual time now; None for the real time.
            account: 12 digits.
            region: The Region.
            trail_delay: Virtual seconds, mean and spread, from a call to its record in the log group. AWS names "an
                average of about 5 minutes":
                https://docs.aws.amazon.com/awscloudtrail/latest/userguide/send-cloudtrail-events-to-cloudwatch-logs.html
            event_delay: The same to the event bus, for which AWS names no figure.
            event_sources: The sources that exist: `logs`, `eventbridge` (CloudTrail's records as events) and
                `task-state-change` (ECS's own events).
            seed: Of delays and ids.
            until_present: Whether the clock continues at real speed once it has caught up with the real time.
            is_held: Whether time stands still until ``clock.go``.
            port: Of the server; 0 for a free port.
        """
        if unknown := set(event_sources) - WAYS_IN:
            raise ValueError(f"event_sources has {sorted(unknown)}; expected some of {sorted(WAYS_IN)}")
        self.account, self.region = account, region
        self.clock = Clock(speed, start, until_present=until_present, is_held=is_held)
        self._port = port
        self.functions = Functions(self.clock, account, region)
        self.durable = DurableExecutions(self.clock, account, region, self.functions.invoke)
        self.logs = Logs(self.clock, account, region, self.functions.deliver)
        self.topics = Topics(self.clock, account, region)
        self.roles = Roles()
        self._seed = seed
        self._places: dict[tuple[str, str], AccountRegion] = {}
        self._lock = threading.RLock()
        self._home = AccountRegion(
            self.clock,
            account,
            region,
            invoke=lambda function, event: self.functions.deliver(function, event.encode()),
            seed=seed,
        )
        self.ecs, self.schedules = self._home.ecs, self._home.schedules
        ways = {"logs": self._record_to_logs, "eventbridge": self._record_to_events}
        self.trail = TrailDelivery(
            self.clock,
            {way: send for way, send in ways.items() if way in event_sources},
            {"logs": trail_delay, "eventbridge": event_delay},
            seed,
        )
        self.lookup = LookupApi(self.clock, self.trail)
        self.described = Described(account, region, self.trail.log_group)
        self.logs.create_group(self.trail.log_group)
        self._server: Server | None = None
        self._lambda = LambdaApi(self.functions, self.durable)
        self._logs_operations = LogsApi(self.logs).operations()
        self._stack = ExitStack()
        self._record(self._home)
        if "task-state-change" in event_sources:
            self.ecs.on_task_state_change.append(self._task_changed)
        self.functions.on_log.append(self._write_log)
        self.durable.on_change.append(self._execution_changed)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # Its event loop exists from its creation, also if there is no port for a server.
            stack.callback(self.durable.stop)
            server = self._server = Server(self._serve, self._port)
            stack.pop_all()
            # Stopped in reverse order: the first is used by all others.
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
        """The endpoint URL for clients."""
        return f"http://{self._running.address}"

    def account_region(self, *, account: str | None = None, region: str | None = None) -> AccountRegion:
        """Return another account or Region, which is empty when it is first used.

        Its calls are recorded in the same log group, as by an organisation's trail for all Regions; its events stay on
        its own event bus.
        https://docs.aws.amazon.com/awscloudtrail/latest/userguide/creating-trail-organization.html
        """
        where = (account or self.account, region or self.region)
        if where == (self.account, self.region):
            return self._home
        with self._lock:
            if where not in self._places:
                self._places[where] = AccountRegion(
                    self.clock, *where, invoke=_no_function, seed=self._seed + 1 + len(self._places)
                )
                self._record(self._places[where])
            return self._places[where]

    def _record(self, place: AccountRegion) -> None:
        place.ecs.on_call.append(self.trail.take)

    def environment(self, function: str | None = None) -> dict[str, str]:
        """Return the environment variables that connect an AWS client to this, with a function's role or a user's."""
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
        self.schedules.take_event(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": kind,
                "source": source,
                "account": self.account,
                "time": time or iso(self.clock.now()),
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

    def _serve(self, request: HttpRequest) -> HttpResponse:
        return self.described.serve(request) or self._serve_modelled(request)

    def _serve_modelled(self, request: HttpRequest) -> HttpResponse:
        target = request.headers.get("X-Amz-Target") or ""
        try:
            if target.startswith("AmazonEC2ContainerService"):
                return self._serve_ecs(request)
            if target:
                return json_operation(request, self._json_operations(request, target))
            if request.path == "/" and request.method == "POST":
                return self._serve_query(request)
            if request.path.startswith(SCHEDULER_PATHS):
                return self._account_region_of(request).scheduler.serve(request)
            return self._lambda.serve(request)
        except AwsError as error:
            return rest_error(error)

    def _account_region_of(self, request: HttpRequest) -> AccountRegion:
        """Return the account and Region of a call: those that it was signed with."""
        key, region, _ = request.signed_with
        session = self.roles.by_access_key(key)
        return self.account_region(account=session.account if session else None, region=region)

    def _json_operations(self, request: HttpRequest, target: str) -> dict[str, Callable[[Json], Any]]:
        if target.startswith("AWSEvents"):
            return EventsApi(self._account_region_of(request).schedules).operations()
        if "CloudTrail_20131101" in target:
            place = self._account_region_of(request)
            return self.lookup.operations(place.account, place.region) | self.described.trail_operations()
        return self._logs_operations if target.startswith("Logs_20140328") else {}

    def _serve_query(self, request: HttpRequest) -> HttpResponse:
        if b"Version=2010-03-31" in request.body:
            operations = {**self.topics.operations(), **self.described.topic_operations()}
            return query_operation(request, operations, topics.NAMESPACE)
        identity: dict[str, Callable[[dict[str, str]], Mapping[str, Any]]] = {
            "GetCallerIdentity": lambda _: self._identity(request),
            "AssumeRole": lambda form: self.roles.assume(form, self._caller(request).identity),
        }
        return query_operation(request, identity, STS_NAMESPACE)

    def _serve_ecs(self, request: HttpRequest) -> HttpResponse:
        request_id = str(uuid.uuid4())
        place = self._account_region_of(request)
        ecs = place.ecs
        operations: dict[str, Callable[[Json], Json]] = {
            "RunTask": lambda body: ecs.run_task(body, self._caller(request), request_id=request_id),
            "DescribeTasks": ecs.describe_tasks,
            "ListTasks": ecs.list_tasks,
            "StopTask": ecs.stop_task,
            "ListClusters": ecs.list_clusters,
            "DescribeClusters": ecs.describe_clusters,
            "DescribeTaskDefinition": ecs.describe_task_definition,
            "ListTagsForResource": ecs.list_tags_for_resource,
        }
        answer = json_operation(request, operations)
        place.follow()
        return replace(answer, headers={**answer.headers, "x-amzn-RequestId": request_id})

    def _caller(self, request: HttpRequest) -> ApiCaller:
        key, agent = request.signed_with[0], request.headers.get("User-Agent") or ""
        function = self.functions.by_access_key(key)
        session = self.roles.by_access_key(key)
        if session is not None:
            caller = sdk_caller(session.role_arn, session=session.name, source_ip=request.address)
        elif function is not None:
            caller = lambda_caller(function.role_arn, function.name, source_ip=request.address)
        else:
            caller = sdk_caller(f"arn:aws:iam::{self.account}:user/operator", source_ip=request.address)
        return replace(caller, identity={**caller.identity, "accessKeyId": key}, user_agent=agent)

    def _identity(self, request: HttpRequest) -> dict[str, str]:
        identity = self._caller(request).identity
        return {
            "Arn": identity["arn"],
            "UserId": identity["principalId"],
            "Account": identity["accountId"],
        }

    def _record_to_logs(self, written: Json) -> None:
        # The Region is the trail's, whatever the record's.
        # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudwatch-log-group-log-stream-naming-for-cloudtrail.html
        stream = f"{written['recipientAccountId']}_CloudTrail_{self.region}"
        self.logs.put(self.trail.log_group, stream, [(None, message(written))])

    def _record_to_events(self, written: Json) -> None:
        if (written["recipientAccountId"], written["awsRegion"]) == (self.account, self.region):
            self.publish_event("aws.ecs", "AWS API Call via CloudTrail", written, time=written["eventTime"])

    def _task_changed(self, detail: Json) -> None:
        self._home.follow()
        self.publish_event("aws.ecs", "ECS Task State Change", detail, [detail["taskArn"]])

    def _write_log(self, name: str, line: str) -> None:
        function, _ = self.functions.get(name)
        self.logs.create_group(function.log_group)
        self.logs.put(function.log_group, self.functions.log_stream(function), [(None, line)])

    def _execution_changed(self, execution: Execution) -> None:
        """Publish an event for a start or an end, and dead-letter the event of an execution that failed.

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
            **{name: iso(time) for name, time in times.items() if time is not None},
        }
        self.publish_event("aws.lambda", "Durable Execution Status Change", detail)
        if status in ("FAILED", "STOPPED", "TIMED_OUT"):
            self.functions.bury(function.name, (begun.input or "").encode(), status, 1)


def _no_function(function: str, _event: str) -> None:
    raise AwsError("ResourceNotFoundException", f"Function not found: {function}", 404)
