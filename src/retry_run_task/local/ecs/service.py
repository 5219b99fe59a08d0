"""Amazon ECS as far as RunTask goes: clusters, task definitions, tasks, client tokens, capacity.

A model: dicts in and out in the API's own spelling, times as JSON 1.1 has them (seconds since 1970).
It never reads the clock, a random source or the environment and never waits: time comes from the
function it was given, ids from a seed, so the same calls give the same world. One lock, so that a
server may call it from many threads. Observers are called without it, in the thread that called.

>>> from datetime import UTC, datetime
>>> ecs = Ecs(account="123456789012", region="us-east-1", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
>>> cluster = ecs.create_cluster("batch")
>>> definition = ecs.register_task_definition("nightly")
>>> ecs.add_subnet("subnet-a", "us-east-1a")
>>> ecs.capacity.set("us-east-1a", "FARGATE", 0)
>>> network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
>>> ecs.run_task({"cluster": "batch", "taskDefinition": "nightly", "launchType": "FARGATE",
...               "networkConfiguration": network})["failures"][0]["reason"]
'Capacity is unavailable at this time. Please try again later or in a different availability zone'
"""

from __future__ import annotations

import itertools
from collections import deque
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from retry_run_task.local.cloudtrail.records import ApiCall, ApiCaller, sdk_caller
from retry_run_task.local.ecs.capacity import Capacity, TokenBucket, launch_rates
from retry_run_task.local.ecs.client_tokens import ClientTokens, Remembered, parameters_of
from retry_run_task.local.ecs.injected_faults import Faults
from retry_run_task.local.ecs.lifetimes import Lifetimes
from retry_run_task.local.ecs.placement import NO_CAPACITY, NO_VCPUS, Placer, accept
from retry_run_task.local.ecs.registry import Cluster, Registry
from retry_run_task.local.ecs.shapes import check_types
from retry_run_task.local.ecs.tasks import Lifecycle, copy_json, new_uuid
from retry_run_task.local.ecs.validation import EcsError, check_client_token, invalid, throttled
from retry_run_task.local.pages import position_of, token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retry_run_task.local.ecs.tasks import EcsTask

__all__ = ["NO_CAPACITY", "NO_VCPUS", "Ecs", "EcsError", "Lifecycle", "TokenBucket"]

Json = dict[str, Any]

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html and API_ListTasks.html
MOST_DESCRIBED = 100
MOST_LISTED = 100
OTHER_FILTERS = frozenset({"family", "launchType", "serviceName", "containerInstance", "daemonName"})


class Ecs(Registry):
    """ECS in one account and Region.

    Attributes:
        run_task_rate: Rate limit of RunTask; Fargate's documented one unless replaced. ``TokenBucket(None)`` for none.
            https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html
        read_rate: Rate limit of ListTasks and DescribeTasks together, which are "cluster resource read actions".
            https://docs.aws.amazon.com/general/latest/gr/ecs-service.html
        visibility_delay: How long a new task is missing from ListTasks and DescribeTasks. RunTask's page warns of this
            and names no figure; 0 unless set.
        zones_tried: In how many zones of the request's subnets a task is tried, in turn; None for all of them. AWS
            recommends several subnets "because Amazon ECS manages capacity by Availability Zone" and does not say
            whether one call tries them all.
        on_task_state_change: Called with the ``detail`` of each *ECS Task State Change* event.
    """

    def __init__(
        self,
        *,
        account: str,
        region: str,
        now: Callable[[], datetime],
        seed: int = 0,
        capacity: Capacity | None = None,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(account=account, region=region, seed=seed)
        self.capacity = capacity or Capacity(launch_rates(region))
        self.faults = faults or Faults()
        self.lifecycle = Lifecycle()
        self.run_task_rate = TokenBucket(rate=20, burst=20)
        self.read_rate = TokenBucket(rate=20, burst=100)
        self.visibility_delay = timedelta(0)
        self.zones_tried: int | None = None
        self.tags: dict[str, dict[str, str]] = {}
        self.on_call: list[Callable[[ApiCall], None]] = []
        self.on_task_state_change: list[Callable[[Json], None]] = []
        self._now = now
        self._tokens = ClientTokens()
        self._placement = Placer(
            capacity=self.capacity, faults=self.faults, ids=self._ids, instance_in=self._instance
        )
        self._lifetimes = Lifetimes(on_change=self._announce, on_stop=self._free, on_forget=self._forget)
        self._outbox: deque[Callable[[], None]] = deque()
        self._default_caller = sdk_caller(f"arn:aws:iam::{account}:user/admin")

    def advance(self) -> None:
        """Carry out every transition that is due, each at its own time and in order."""
        with self._lock:
            self._lifetimes.advance(self._now())
        self._deliver()

    def next_change(self) -> datetime | None:
        """Return when the next task changes its status without a call; None if none will."""
        with self._lock:
            return self._lifetimes.next_change()

    def run_task(
        self, body: Mapping[str, Any], caller: ApiCaller | None = None, *, request_id: str | None = None
    ) -> Json:
        """RunTask: place tasks, or report why not in ``failures``.

        Without a ``caller`` it is a user of the account with the AWS CLI; ``request_id`` is the answer's
        ``x-amzn-RequestId``, made up if None.

        Raises:
            EcsError: An error that AWS's SDK would raise.
        """
        response: Json = {}
        error: EcsError | None = None
        with self._lock:
            now = self._advanced()
            try:
                response = self._run_task(body, now)
            except EcsError as raised:
                error = raised
            if self.on_call:
                call = ApiCall(
                    operation="RunTask",
                    body=copy_json(dict(body)),
                    response=copy_json(response) if error is None else None,
                    error=error,
                    caller=caller or self._default_caller,
                    time=now,
                    request_id=request_id or new_uuid(self._ids),
                    account=self.account,
                    region=self.region,
                )
                self._outbox.extend(partial(observe, call) for observe in self.on_call)
        self._deliver()
        if error is not None:
            raise error
        return response

    def describe_tasks(self, body: Mapping[str, Any]) -> Json:
        """DescribeTasks: up to 100 tasks by id or ARN; an unknown one is a failure ``MISSING``."""
        check_types("DescribeTasks", body)
        wanted: list[str] = body.get("tasks") or []
        if not wanted:
            # https://github.com/aws/copilot-cli/issues/3551
            raise invalid("Tasks cannot be empty.")
        if len(wanted) > MOST_DESCRIBED:
            # https://github.com/gchq/sleeper/issues/555
            raise invalid("taskIds can have at most 100 items.")
        with_tags = "TAGS" in (body.get("include") or ())
        tasks: list[Json] = []
        failures: list[Json] = []
        with self._lock:
            now = self._advanced()
            self._count_read(now)
            cluster = self._cluster(body.get("cluster"))
            for name in wanted:
                task = self._find_task(cluster, name)
                if task is None or not self._is_visible(task, now):
                    failures.append({"arn": self._task_arn(cluster, name), "reason": "MISSING"})
                else:
                    tasks.append(task.describe() | ({} if with_tags else {"tags": []}))
        self._deliver()
        return {"tasks": tasks, "failures": failures}

    def list_tasks(self, body: Mapping[str, Any]) -> Json:
        """ListTasks, oldest first. ``startedBy`` must be the only filter; ``serviceName`` is ignored.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html. ``desiredStatus`` is no
        filter in that sense: Airflow's operator gives both.
        https://github.com/apache/airflow/blob/main/providers/amazon/src/airflow/providers/amazon/aws/operators/ecs.py
        """
        check_types("ListTasks", body)
        started_by: str | None = body.get("startedBy")
        if started_by is not None and any(body[name] is not None for name in body.keys() & OTHER_FILTERS):
            # https://github.com/aws/aws-sdk-go-v2/issues/1893
            raise invalid("cannot specify startedBy with other arguments")
        limit: int | None = body.get("maxResults")
        if limit is None:
            limit = MOST_LISTED
        if not 1 <= limit <= MOST_LISTED:
            raise invalid("maxResults must be between 1 and 100.")
        after = position_of(body.get("nextToken"), invalid("Invalid token."))
        desired_status = body.get("desiredStatus") or "RUNNING"
        with self._lock:
            now = self._advanced()
            self._count_read(now)
            cluster = self._cluster(body.get("cluster"))
            family: str | None = body.get("family")
            tasks = cluster.tasks if family is None else cluster.by_family.get(family)
            if started_by is not None:
                tasks = cluster.by_started_by.get(started_by)
            # Most looks of a recovery find nothing, and long simulations have millions of them.
            found = (
                ()
                if not tasks
                else (
                    task
                    for task in tasks.values()
                    if task.number > after
                    and task.desired_status == desired_status
                    and body.get("launchType") in (None, task.launch_type)
                    and self._is_visible(task, now)
                )
            )
            page = list(itertools.islice(found, limit + 1))
        self._deliver()
        answer: Json = {"taskArns": [task.arn for task in page[:limit]]}
        if len(page) > limit:
            answer["nextToken"] = token_of(page[limit - 1].number)
        return answer

    def stop_task(self, body: Mapping[str, Any]) -> Json:
        """StopTask: the task is torn down for ``lifecycle.stopping_for``; one that has stopped is left unchanged."""
        check_types("StopTask", body)
        with self._lock:
            now = self._advanced()
            cluster = self._cluster(body.get("cluster"))
            task = self._find_task(cluster, body.get("task") or "")
            if task is None:
                # https://github.com/wazuh/wazuh/issues/25439
                raise invalid("The referenced task was not found.")
            # The text for a call without a reason was not seen.
            self._lifetimes.stop(task, now, "UserInitiated", body.get("reason") or "Task stopped by user")
            answer = {"task": task.describe()}
        self._deliver()
        return answer

    def list_clusters(self, body: Mapping[str, Any]) -> Json:  # noqa: ARG002 -- every operation takes its request
        """ListClusters: all of them on one page."""
        with self._lock:
            return {"clusterArns": [cluster.arn for cluster in self._clusters.values()]}

    def describe_clusters(self, body: Mapping[str, Any]) -> Json:
        """DescribeClusters: an unknown one is a failure ``MISSING``."""
        check_types("DescribeClusters", body)
        clusters: list[Json] = []
        failures: list[Json] = []
        with self._lock:
            self._advanced()
            for name in body.get("clusters") or ["default"]:
                try:
                    clusters.append(self._cluster(name).describe())
                except EcsError:
                    arn = name if name.startswith("arn:") else self._arn(f"cluster/{name}")
                    failures.append({"arn": arn, "reason": "MISSING"})
        self._deliver()
        return {"clusters": clusters, "failures": failures}

    def describe_task_definition(self, body: Mapping[str, Any]) -> Json:
        """DescribeTaskDefinition, also of an INACTIVE revision."""
        check_types("DescribeTaskDefinition", body)
        with self._lock:
            try:
                definition = self._definition(body.get("taskDefinition"))
            except EcsError as error:
                # https://github.com/getmoto/moto/pull/5910 quotes AWS.
                raise EcsError("ClientException", "Unable to describe task definition.") from error
            return {"taskDefinition": definition.describe(), "tags": []}

    def list_tags_for_resource(self, body: Mapping[str, Any]) -> Json:
        """ListTagsForResource, for revisions of task definitions only: the tags that a scenario has set."""
        check_types("ListTagsForResource", body)
        with self._lock:
            definition = self._definition(body.get("resourceArn"))
            tags = self.tags.get(definition.arn, {})
            return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def _run_task(self, body: Mapping[str, Any], now: datetime) -> Json:
        check_types("RunTask", body)
        if (refusal := self.faults.next_refusal()) is not None:
            raise EcsError(refusal.code, refusal.message, refusal.status, refusal.extra)
        if self.faults.is_throttled(now) or not self.run_task_rate.take(now):
            raise throttled()
        cluster = self._cluster(body.get("cluster"))
        token: str | None = body.get("clientToken")
        if token is None:
            response = self._launch(body, cluster, now)[0]
        else:
            response = self._launch_once(body, cluster, token, now)
        if self.faults.is_answer_lost():
            raise EcsError("ServerException", "Service Unavailable. Please try again later.", status=500)
        return response

    def _launch_once(self, body: Mapping[str, Any], cluster: Cluster, token: str, now: datetime) -> Json:
        check_client_token(token)
        parameters = parameters_of(body)
        known = self._tokens.replay(cluster.name, token, parameters, now)
        if known is not None:
            return known
        # An error here has no effect, so it binds no token.
        response, tasks = self._launch(body, cluster, now)
        failures = tuple(dict(failure) for failure in response["failures"])
        self._tokens.remember(
            cluster.name,
            token,
            Remembered(parameters=parameters, tasks=tuple(tasks), failures=failures, time=now),
        )
        return response

    def _launch(self, body: Mapping[str, Any], cluster: Cluster, now: datetime) -> tuple[Json, list[EcsTask]]:
        launch = accept(
            body, cluster, self._definition, self._subnets, zone_without_subnets=f"{self.region}a"
        )
        tasks, failures = self._placement.place(launch, now, self.lifecycle, self.zones_tried)
        for task in tasks:
            cluster.add(task)
            self._lifetimes.begin(task)
        return {"tasks": [task.describe() for task in tasks], "failures": failures}, tasks

    def _advanced(self) -> datetime:
        now = self._now()
        self._lifetimes.advance(now)
        return now

    def _count_read(self, now: datetime) -> None:
        if not self.read_rate.take(now):
            raise throttled()

    def _is_visible(self, task: EcsTask, now: datetime) -> bool:
        return now >= task.created_at + self.visibility_delay

    def _announce(self, task: EcsTask, when: datetime) -> None:
        if self.on_task_state_change:
            detail = task.event_detail(when)
            self._outbox.extend(partial(observe, detail) for observe in self.on_task_state_change)

    def _free(self, task: EcsTask) -> None:
        self.capacity.give_back(task.pool)
        self.capacity.vcpus[task.provider or task.launch_type] -= task.vcpus

    def _forget(self, task: EcsTask) -> None:
        self._cluster(task.cluster_arn).forget(task)

    def _deliver(self) -> None:
        """Call the observers, without the lock: they may call back.

        In order of events while one thread calls; threads may overtake each other here, as AWS's events may.
        ``version`` orders those of a task.
        """
        while self._outbox:
            try:
                tell = self._outbox.popleft()
            except IndexError:
                return
            tell()
