"""The whole system in one process under virtual time: ECS, CloudTrail, the event sources, intake, recoveries, crashes.

Everything between the wire and the wire is the product's own: ``intake.take_in``, ``core.recovery.recover``,
``aws.ecs.run_task`` and ``aws.tasks``. What stands in is what AWS does: ECS is the local model, durable executions
are the virtual ones, and a record goes from the call to intake as often, as late and in such order as a test says.

What must hold is looked at after every operation, delivery and crash, and when time has run dry (``invariants``).
What happens is written down for a person to read, and every fault that happens is counted (``chronicle``).
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from retry_run_task.aws import ecs as aws_ecs
from retry_run_task.aws import tasks as aws_tasks
from retry_run_task.aws.faults import attempt
from retry_run_task.aws.rate_limiter import RateLimiter
from retry_run_task.aws.recoveries import Started
from retry_run_task.errors import StartError
from retry_run_task.intake import take_in
from retry_run_task.launch import names as identity
from retry_run_task.launch import schedule, wire
from retry_run_task.launch.schedule import NoMatch, Schedule
from retry_run_task.launch.values import (
    Answer,
    CallerKind,
    Category,
    FailedLaunch,
    Failure,
    JsonObject,
    Lost,
    Outcome,
    Placed,
    Refused,
    Request,
    TaskState,
    Unbuildable,
)
from retry_run_task.local.cloudtrail import records as cloudtrail
from retry_run_task.local.ecs.service import Ecs, EcsError, TokenBucket
from retry_run_task.local.ecs.tasks import Lifecycle
from retry_run_task.messages.message import Ending, Message
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.ladder import RungKind
from retry_run_task.policy.rules import Policy
from retry_run_task.policy.scope import DEFAULT_CALLERS, Scope
from retry_run_task.recovery.lines import LogEvent
from retry_run_task.recovery.loop import recover
from retry_run_task.recovery.ports import Action, Background, Tools
from retry_run_task.simulate.virtual import Timeline
from retry_run_task.sources import parse
from retry_run_task.text import iso
from support.chronicle import Chronicle, Fault
from support.invariants import CANARY, DENIED, Checks, needs_recovery
from support.paces import no_wait
from support.policies import by_category, changed
from support.records import ACCOUNT, REGION, RULE_ROLE, awslogs, eventbridge
from support.virtual import CutOff, CutPoint, VirtualExecution, VirtualExecutions

START = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
ZONES = {"subnet-a": f"{REGION}a", "subnet-c": f"{REGION}c"}
# Where there is always room: for people, and for tasks that are there although their call failed.
ROOMY = {"subnet-d": f"{REGION}d"}
ELSEWHERE = {"awsvpcConfiguration": {"subnets": list(ROOMY), "assignPublicIp": "DISABLED"}}
TASK_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/"
PERSON = f"arn:aws:iam::{ACCOUNT}:user/on-call"
# A record later than this is late: about half of the time that the stories' policy has.
DELAYED_S = 150

# As the shipped policy, with less patience, so that a story is over after a dozen attempts.
POLICY = by_category(
    {
        Category.CAPACITY: {
            "wait": Backoff(base_s=5, cap_s=40),
            "rungs": (RungKind.AS_ASKED, RungKind.EACH_SUBNET),
        },
        Category.THROTTLE: {"wait": Backoff(base_s=2, cap_s=40)},
        Category.TRANSIENT: {"wait": Backoff(base_s=3, cap_s=40)},
        Category.UNKNOWN: {"wait": Backoff(base_s=10, cap_s=40), "attempts": 3},
        Category.CONFIGURATION: {"retry": False},
        Category.PERMISSION: {"retry": False},
    },
    deadline_s=240,
    watch_s=120,
)
# So patient that tasks end, and that ECS forgets tasks and tokens, while a recovery still tries; and with all the
# rungs that cost something.
PATIENT = replace(
    changed(
        changed(POLICY, deadline_s=3 * 3600),
        category=Category.CAPACITY,
        wait=Backoff(base_s=60, cap_s=900),
        rungs=(RungKind.AS_ASKED, RungKind.EACH_SUBNET, RungKind.ON_DEMAND, RungKind.SIZES, RungKind.SPOT),
        sizes=((512, 1024),),
    ),
    spread_s=10,
)
# With every kind of rung, one of which names a provider that the cluster does not have.
LADDER = changed(
    POLICY,
    category=Category.CAPACITY,
    rungs=(
        RungKind.AS_ASKED,
        RungKind.CAPACITY_PROVIDERS,
        RungKind.EACH_SUBNET,
        RungKind.ON_DEMAND,
        RungKind.SIZES,
    ),
    capacity_providers=("gone",),
    sizes=((512, 1024),),
)
# Leaves every launch alone.
IGNORING = changed(POLICY, ignore=True)
# Stops what has not started within a minute. It waits long enough for another launch after that.
STOPPING = replace(changed(POLICY, stop_hanging=True, deadline_s=1800), watch_s=60)
# Stories name their policies, since a policy written out hides the story.
POLICIES = {"plain": POLICY, "patient": PATIENT, "ladder": LADDER, "ignoring": IGNORING, "stopping": STOPPING}

# How long after the caller has given up a call arrives that was on its way.
LATE_S = 20
# Lambda makes an asynchronous call at most three times, a minute and then two after the one before.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRY_S = (60, 120)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One arrival of a record at intake.

    Attributes:
        after_s: How long after the call.
        way: ``logs`` or ``eventbridge``.
        beside: Messages before it in the same payload; ``eventbridge`` has no room for them.
        copies: How often it stands in the payload; likewise.
        with_last: Whether the record before this one stands in the same payload, after it; likewise.
        is_lost: Whether it gets lost on the way.
    """

    after_s: float = 60
    way: str = "logs"
    beside: tuple[str, ...] = ()
    copies: int = 1
    with_last: bool = False
    is_lost: bool = False

    def parcel(self, record: JsonObject, last: JsonObject | None) -> Parcel:
        """Wrap a record as AWS does."""
        if self.way == "eventbridge":
            return Parcel(event=eventbridge(record), way=self.way, records=(record["eventID"],))
        records = [record] * self.copies + ([last] if last is not None and self.with_last else [])
        names = tuple(one["eventID"] for one in records)
        return Parcel(event=awslogs(*self.beside, *records), way=self.way, records=names)


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """An event on its way to intake, and the event ids of the records in it."""

    event: JsonObject
    way: str
    records: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One RunTask call of a recovery, and what the client made of the answer."""

    name: str
    operation: str
    time: float
    body: JsonObject
    answer: Answer

    @property
    def token(self) -> str:
        return str(self.body["clientToken"])

    @property
    def may_have_placed(self) -> bool:
        """Whether it may have started tasks; an answer that says so may have died with the process."""
        return not isinstance(self.answer, Refused) or self.answer.is_unsure


@dataclass(kw_only=True)
class Task:
    """A task as the events of ECS tell of it.

    Attributes:
        who: ``rule``, ``person``, ``other`` or ``recovery``: who made the call that started it.
        by: Name of the recovery that made it; empty if none did.
        group: The launch that it was started for. A task that a person started with a rule's mark and that did
            not start is recovered with the rule's request, and so with the rule's group, but it is the person's.
    """

    who: str
    group: str
    started_by: str | None
    created_at: str
    overrides: JsonObject
    by: str = ""
    status: str = ""
    has_run: bool = False


class Watch(Timeline):
    """A timeline that has something looked at after every step."""

    def __init__(self, start: float, look: Callable[[], None]) -> None:
        super().__init__(start)
        self._look = look

    def at(self, when: float, do: Callable[[], None]) -> None:
        def do_and_look() -> None:
            do()
            self._look()

        super().at(when, do_and_look)


@dataclass
class Told:
    """A telemetry that remembers."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = error = info

    def count(self, *_: Any, **__: Any) -> None:
        """Metrics are of no interest here."""


class Client:
    """The ECS client of boto3 less the wire: repeats at once what botocore's standard mode repeats.

    https://docs.aws.amazon.com/boto3/latest/guide/retries.html
    """

    def __init__(self, system: System, caller: cloudtrail.ApiCaller) -> None:
        self._system, self.caller = system, caller

    def run_task(self, *, taskDefinition: str, clientToken: str, rawBody: bytes, limiter: RateLimiter) -> Any:  # noqa: N803
        body = json.loads(rawBody)
        assert (body["taskDefinition"], body["clientToken"]) == (taskDefinition, clientToken)
        retries = 0
        while True:
            limiter.wait()
            try:
                answer = self._send(body)
            except (ConnectionClosedError, ReadTimeoutError):
                if retries + 1 >= self._system.conditions.sdk_tries:
                    raise
            except EcsError as error:
                is_repeated = error.status >= 500 or error.code == "ThrottlingException"
                if not is_repeated or retries + 1 >= self._system.conditions.sdk_tries:
                    raise _client_error(error, retries) from None
            else:
                return answer | {"ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": retries}}
            retries += 1

    def _send(self, body: JsonObject) -> JsonObject:
        system = self._system
        match system.network.popleft() if system.network else None:
            case "on the way there":
                system.happened(Fault.CALL_LOST)
                raise ConnectionClosedError(endpoint_url="https://ecs")
            case "on the way back":
                system.ask("recovery", body, self.caller, by=system.calling)
                system.happened(Fault.ANSWER_LOST)
                raise ReadTimeoutError(endpoint_url="https://ecs")
            case "late":
                system.timeline.after(LATE_S, partial(self._arrive_late, body, system.calling))
                raise ReadTimeoutError(endpoint_url="https://ecs")
            case _:
                return system.ask("recovery", body, self.caller, by=system.calling)

    def stop_task(self, *, task: str, reason: str, cluster: str | None = None) -> Any:
        """Meet the same network as RunTask does."""
        system = self._system
        match system.network.popleft() if system.network else None:
            case "on the way there" | "late":
                system.happened(Fault.CALL_LOST)
                raise ConnectionClosedError(endpoint_url="https://ecs")
            case lost:
                answer = system.ecs.stop_task({"cluster": cluster, "task": task, "reason": reason})
        if lost:
            system.happened(Fault.ANSWER_LOST)
            raise ReadTimeoutError(endpoint_url="https://ecs")
        return answer

    def _arrive_late(self, body: JsonObject, by: str) -> None:
        with contextlib.suppress(EcsError):
            self._system.ask("recovery", body, self.caller, by=by)
            self._system.happened(Fault.CALL_LATE)

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **call: Any) -> Any:
        yield self.list_tasks(**call)

    def list_tasks(self, **call: Any) -> JsonObject:
        system = self._system
        if system.failing_looks > 0:
            system.failing_looks -= 1
            system.happened(Fault.READ_FAILED)
            raise ReadTimeoutError(endpoint_url="https://ecs")
        answer = system.ecs.list_tasks(call)
        if any(
            call.get("startedBy") in (None, t.started_by) and not system.is_listed(a)
            for a, t in system.all_tasks.items()
        ):
            system.happened(Fault.UNSEEN)
        return answer

    def describe_tasks(self, **call: Any) -> Any:
        answer = self._system.ecs.describe_tasks(call)
        for task in answer["tasks"]:
            if "startedAt" not in task and task["lastStatus"] in _TORN_DOWN:
                self._system.happened(_TORN_DOWN[task["lastStatus"]])
            # As botocore's parser gives times.
            task |= {k: datetime.fromtimestamp(v, UTC) for k, v in task.items() if k.endswith("At")}
        return answer


_TORN_DOWN = {fault.name: fault for fault in (Fault.DEACTIVATING, Fault.STOPPING, Fault.DEPROVISIONING)}


def _client_error(error: EcsError, retries: int) -> ClientError:
    response: Any = {
        "Error": {"Code": error.code, "Message": error.message},
        "ResponseMetadata": {"HTTPStatusCode": error.status, "RetryAttempts": retries},
        **error.extra,
    }
    return ClientError(response, "RunTask")


class Stack:
    """One installation: its scope, its recoveries' role, what it told the log and the people.

    Attributes:
        arrived: By event id, the ways by which its record has come.
        dead_letters: Event ids of records whose event was not taken in three times.
        latest: Number of the latest record that has come.
    """

    def __init__(self, system: System, name: str) -> None:
        role = f"arn:aws:iam::{ACCOUNT}:role/{name}-recover"
        self.name = name
        self.scope = Scope(
            callers=DEFAULT_CALLERS | ({CallerKind.OTHER} if system.conditions.recovers_others else set()),
            account=ACCOUNT,
            regions=(REGION,),
            role_arn=role if system.conditions.knows_its_role else None,
        )
        self.client: Any = Client(system, cloudtrail.lambda_caller(role))
        self.telemetry: Any = Told()
        self.arrived: dict[str, set[str]] = {}
        self.dead_letters: set[str] = set()
        self.latest = -1


@dataclass
class World:
    """What one recovery can do, with everything checked that must hold of what it does.

    Attributes:
        policy: The rules that it began with; an execution stays at the version that it was started with.
        operation: The step that is being carried out; empty outside of steps.
        clock: The time that it was told last.
        looks: By step, what its look saw last: tasks, or why it saw none.
        bodies: By step, what it called RunTask with last.
        crashed: Whether its process died since its last call.
        struck: How many rungs had been struck off at its last call.
        stopped: Tasks that it called StopTask for.
    """

    system: System
    stack: Stack
    name: str
    policy: Policy
    messages: list[Message] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    operation: str = ""
    clock: float = 0.0
    looks: dict[str, tuple[TaskState, ...] | Failure] = field(default_factory=dict)
    bodies: dict[str, JsonObject] = field(default_factory=dict)
    crashed: bool = False
    struck: int = 0
    stopped: set[str] = field(default_factory=set)

    def now(self) -> float:
        self.system.checks.in_step(self, "it asks for the time")
        clocks = self.system.conditions.clocks
        skew_s = clocks[self.system.executions.by_name[self.name].invocations % len(clocks)]
        now = self.system.timeline.now + skew_s
        if skew_s:
            self.system.happened(Fault.CLOCKS_DIFFER)
        if now < self.clock:
            self.system.happened(Fault.CLOCK_WENT_BACK)
        self.clock = now
        return now

    def find_schedule(self, launch: FailedLaunch) -> Background | NoMatch:
        self.system.checks.in_step(self, "it asks for the schedule")
        found = schedule.match(launch, self.system.schedules)
        if isinstance(found, NoMatch):
            return found
        after = self.system.conditions.next_due_s
        return Background(
            name=found.name,
            arn=found.arn,
            next_due=None if after is None else START + after,
            event_age_s=found.event_age_s,
        )

    def look(
        self, launch: FailedLaunch, *, original: bool, failed_others: tuple[str, ...] = (), whole: bool = True
    ) -> tuple[TaskState, ...] | Failure:
        self.system.checks.in_step(self, "it looks at tasks")
        seen = attempt(
            lambda: aws_tasks.already_there(
                self.stack.client, launch, original=original, failed_others=failed_others, whole=whole
            )
        )
        self.looks[self.operation] = seen
        return seen

    def earlier(self, launch: FailedLaunch) -> tuple[str, ...] | Failure:
        self.system.checks.in_step(self, "it looks for earlier runs")
        return attempt(lambda: aws_tasks.earlier(self.stack.client, launch))

    def complete(self, launch: FailedLaunch) -> Request | NoMatch:
        self.system.checks.in_step(self, "it reads the schedule")
        found = schedule.match(launch, self.system.schedules)
        if isinstance(found, NoMatch):
            return found
        return schedule.complete(launch, found, scheduled_time=None)

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        self.system.checks.before_call(self, launch, body)
        self.bodies[self.operation] = body
        self.system.calling = self.name
        answer = aws_ecs.run_task(self.stack.client, body, no_wait())
        self.crashed = False
        self.system.sent.append(
            Sent(
                name=self.name,
                operation=self.operation,
                time=self.system.timeline.now,
                body=body,
                answer=answer,
            )
        )
        self.system.note(self.name, f"RunTask {body['group']} {_brief(body)}: {_said(answer)}")
        return answer

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | Failure:
        self.system.checks.in_step(self, "it watches tasks")
        return aws_tasks.states(self.stack.client, launch, arns)

    def stop(self, launch: FailedLaunch, arn: str, *, why: str) -> Refused | Lost | None:
        self.system.checks.before_stop(self, arn)
        cluster = launch.request.parameters.get("cluster")
        answer = aws_ecs.stop_task(self.stack.client, cluster, arn, why)
        self.stopped.add(arn)
        self.system.note(self.name, f"StopTask {arn[-6:]}: {_said(answer) if answer else 'stopped'}")
        return answer

    def notify(self, message: Message) -> str | None:
        self.system.checks.in_step(self, "it sends a message")
        if self.system.notify_errors > 0:
            self.system.notify_errors -= 1
            self.system.happened(Fault.TOPIC_FAILED)
            return "the topic does not answer"
        self.messages.append(message)
        self.system.note(self.name, f"tells a person: {message.subject}")
        return None


def _brief(body: JsonObject) -> str:
    return f"count {body.get('count') or 1} token {body['clientToken'][4:10]}..{body['clientToken'][36:]}"


def _said(answer: Answer) -> str:
    match answer:
        case Placed(task_arns=arns, failures=failures, is_conflict=is_conflict):
            reasons = ", ".join(sorted({failure.reason for failure in failures}))
            tasks = " ".join(arn[-6:] for arn in arns)
            return f"{'conflict with' if is_conflict else 'placed'} {len(arns)} [{tasks}] {reasons}"
        case Refused(failure=failure, is_unsure=is_unsure):
            return f"refused, {failure.code}{' (unsure)' if is_unsure else ''}"
        case Lost(failure=failure):
            return f"no answer, {failure.code}"
        case Unbuildable(why=why):
            return why


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a system is like, and what goes wrong in it at whatever time.

    Attributes:
        stacks: Names of the installations; all look after the same tasks.
        policy: The rules, by their name in ``POLICIES``.
        deliveries: For each record in turn, how it arrives at intake; used again from the beginning.
        crashes: At which moments of which steps, counted from 1, a function's process dies.
        restart_s: How long after that Lambda invokes it again.
        sdk_tries: How often the SDK sends one call.
        start_errors: What becomes of the first wishes to start a recovery: ``on the way there`` or ``back``, or
            ``intake dies``; None for nothing.
        notify_errors: How many messages the topic does not take at first.
        knows_its_role: Whether intake knows the role that recoveries have.
        knows_schedules: Whether the rules are still there to be read.
        tells_of_tasks: Whether the third way in is on: the changes of tasks.
        next_due_s: When the rules' next run is due.
        unseen_for_s: How long ECS does not list a new task.
        pending_s: How long a task is PENDING.
        activating_s: How long a task is ACTIVATING.
        deactivating_s: How long a task that was ACTIVATING or ran is DEACTIVATING.
        killing_s: How long a task is STOPPING, unless it was only PROVISIONING.
        deprovisioning_s: How long at least a task is DEPROVISIONING.
        recovers_others: Whether anybody's failed calls are recovered; then only marks and roles keep out our own.
        clocks: By how many seconds a function's clock is ahead, for each invocation in turn.
        record_clocks: By how many seconds the clock is ahead that a record has its time from, in turn; ECS's own
            may differ from it by five, by the product's measure.
    """

    stacks: tuple[str, ...] = ("one",)
    policy: str = "plain"
    deliveries: tuple[tuple[Delivery, ...], ...] = ((Delivery(),),)
    crashes: frozenset[int] = frozenset()
    restart_s: float = 1.0
    sdk_tries: int = 3
    start_errors: tuple[str | None, ...] = ()
    notify_errors: int = 0
    knows_its_role: bool = True
    knows_schedules: bool = True
    tells_of_tasks: bool = False
    next_due_s: int | None = None
    unseen_for_s: int = 0
    pending_s: int = 20
    activating_s: int = 0
    deactivating_s: int = 0
    killing_s: int = 10
    deprovisioning_s: int = 10
    recovers_others: bool = True
    clocks: tuple[int, ...] = (0,)
    record_clocks: tuple[int, ...] = (0,)


class System:
    """A cluster of two zones, a trail, and one or more stacks that look after the same tasks.

    A launch goes by its ``group``, which only a test sets and which recoveries have to keep.

    Attributes:
        has_secrets: Whether anything holds the value that must not be seen.
        asked: By launch, how many tasks it asked for.
        asked_for: By launch, its request.
        tasks: By launch, the tasks that it or a recovery started, less those that failed to start.
        all_tasks: By ARN, every task that anybody started.
        failed_to_start: Those that did not run.
        originals: By event id, the records of rules' and people's calls.
        ours: By event id, the records of recoveries' calls.
        by_hand: Event ids of records that a person wrote.
        sent: RunTask calls of recoveries, in order.
        network: What becomes of the next calls of recoveries on the wire; None for nothing.
        failing_looks: How many of the next looks at tasks fail.
        notify_errors: How many of the next messages the topic does not take.
        calling: Name of the recovery that calls RunTask.
        crashed: How often a process died.
        moments: How many moments there were at which one could.
        version: Of the code and the policy that recoveries are started with now; the first is 1.
    """

    def __init__(self, conditions: Conditions | None = None) -> None:
        self.conditions = given = conditions or Conditions()
        self.policy, self.version = POLICIES[given.policy], 1
        self.chronicle = Chronicle()
        self.checks = Checks(self)
        self.timeline = Watch(START, self.checks.at_every_moment)
        self.ecs = Ecs(
            account=ACCOUNT, region=REGION, now=lambda: datetime.fromtimestamp(self.timeline.now, UTC)
        )
        self.ecs.run_task_rate = TokenBucket(rate=None)
        self.ecs.visibility_delay = timedelta(seconds=given.unseen_for_s)
        torn_down_s = given.deactivating_s + given.killing_s + given.deprovisioning_s
        self.ecs.lifecycle = Lifecycle(
            pending_for=timedelta(seconds=given.pending_s),
            activating_for=timedelta(seconds=given.activating_s),
            stopping_for=timedelta(seconds=torn_down_s),
            deactivating_for=timedelta(seconds=given.deactivating_s),
            killing_for=timedelta(seconds=given.killing_s),
        )
        self.ecs.create_cluster("batch")
        self.ecs.register_task_definition("nightly", revision=7)
        for subnet, zone in (ZONES | ROOMY).items():
            self.ecs.add_subnet(subnet, zone)
        self.ecs.on_call.append(self._called)
        self.ecs.on_task_state_change += [self._changed, self._change_again]
        self.executions = VirtualExecutions(self.timeline, cut_off=self._cut_off, restart_s=given.restart_s)
        self.stacks = [Stack(self, name) for name in given.stacks]
        self.has_secrets = False
        self.asked: dict[str, int] = {}
        self.asked_for: dict[str, JsonObject] = {}
        self.tasks: dict[str, set[str]] = {}
        self.all_tasks: dict[str, Task] = {}
        self.failed_to_start: set[str] = set()
        self.originals: dict[str, JsonObject] = {}
        self.ours: dict[str, JsonObject] = {}
        self.by_hand: set[str] = set()
        self.sent: list[Sent] = []
        self.worlds: dict[str, World] = {}
        self.schedules: list[Schedule] = []
        self.network: deque[str | None] = deque()
        self.failing_looks = 0
        self.notify_errors = given.notify_errors
        self.calling = ""
        self.crashed = 0
        self.moments = 0
        self._start_errors = deque(given.start_errors)
        self._delivered = 0
        self._records: list[JsonObject] = []
        self._numbers: dict[str, int] = {}
        self._acting = ""
        self._acting_for = ""
        self._tokens_acted_upon: set[str] = set()
        self._names: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._stops: dict[str, deque[float]] = {}

    # What a test does.

    def capacity(self, slots: int | None, *, zone: str | None = None) -> None:
        """Let this many more tasks start in a zone, or in both."""
        self.note("AWS", f"capacity {'without limit' if slots is None else slots} in {zone or 'both zones'}")
        for name in ZONES.values() if zone is None else (ZONES[zone],):
            for provider in ("FARGATE", "FARGATE_SPOT"):
                self.ecs.capacity.set(name, provider, slots)

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        """Do something at a time of the story."""
        self.timeline.at(START + seconds, lambda: (do(), None)[1])

    def call(self, group: str, *, times: int = 1, **changes: Any) -> None:
        """Let a rule ask for a launch now; ``times`` for an SDK that repeats the call with its token."""
        body = self._remember_request(group, request(group, **changes))
        if self.conditions.knows_schedules:
            self.schedules.append(
                Schedule(
                    kind=CallerKind.RULE,
                    name=group,
                    arn=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{group}",
                    role_arn=RULE_ROLE,
                    request={k: v for k, v in body.items() if k != "clientToken"},
                )
            )
        before = len(self.originals)
        for _ in range(times):
            # What was thrown EventBridge tries again by itself; here only the record is of interest.
            with contextlib.suppress(EcsError):
                self.ask("rule", body, cloudtrail.rule_caller(RULE_ROLE))
        if sum(needs_recovery(record) for record in list(self.originals.values())[before:]) > 1:
            self.happened(Fault.TWO_RECORDS)

    def start_by_hand(self, group: str, *, is_alike: bool, count: int = 1) -> None:
        """Let a person start tasks of the same definition, with the mark of a launch's rule or without."""
        asked = self.asked_for.get(group, {})
        name = f"person-{sum(g.startswith('person-') for g in self.asked)}"
        changes = {
            "startedBy": asked.get("startedBy") if is_alike else None,
            "overrides": asked.get("overrides"),
        }
        body = self._remember_request(name, request(name, count=count, **changes))
        with contextlib.suppress(EcsError):
            if self.ask("person", body, cloudtrail.sdk_caller(PERSON))["tasks"]:
                self.happened(Fault.STARTED_ALIKE if body.get("startedBy") else Fault.STARTED_OTHERWISE)

    def stop_by_hand(self, group: str, *, after_s: float) -> None:
        """Let a person stop the next task that is started for a launch, so long after it is accepted."""
        self._stops.setdefault(group, deque()).append(after_s)

    def _stop(self, arn: str) -> None:
        self.note("person", f"stops {arn[-6:]}")
        self.ecs.stop_task({"cluster": "batch", "task": arn})

    def place_after_all(self, group: str) -> None:
        """Let one task of a launch's failed call be there after all. No call is made, so no record tells of it."""
        asked = self.asked_for.get(group)
        if asked is None or len(self.tasks.get(group, ())) >= self.asked[group]:
            return
        body = {**asked, "count": 1, "networkConfiguration": ELSEWHERE}
        body.pop("clientToken", None)
        with contextlib.suppress(EcsError):
            if self.ask("other", body, cloudtrail.rule_caller(RULE_ROLE))["tasks"]:
                self.happened(Fault.PLACED_AFTER_ALL)

    def redeploy(self, policy: str) -> None:
        """Install the next version: whatever is started from now on has it, whatever runs stays as it is."""
        self.version += 1
        self.policy = POLICIES[policy]
        self.note("person", f"deploys version {self.version}, with policy {policy}")
        if any(not execution.is_over for execution in self.executions.by_name.values()):
            self.happened(Fault.REDEPLOYED)

    def put(self, record: JsonObject, *, group: str, times: int) -> None:
        """Put a record into the log group by hand; its log event is delivered this often, to the first stack."""
        event = awslogs(record)
        self._remember_request(group, record["requestParameters"])
        (launch,) = parse(event)
        assert isinstance(launch, FailedLaunch)
        self.by_hand.add(launch.event_id)
        parcel = Parcel(event=event, way="logs", records=(launch.event_id,))
        for number in range(times):
            self.timeline.after(60 * number, partial(self._arrive, self.stacks[0], parcel))

    def run(self) -> None:
        """Let all time pass, and look at how everything ended."""
        self.timeline.run()
        self._count_what_never_came()
        self.checks.at_the_end()

    # What it looks at.

    def recoveries(self) -> list[VirtualExecution]:
        """Return the recoveries."""
        return list(self.executions.by_name.values())

    def outcomes(self) -> list[Outcome]:
        """Return how the recoveries ended."""
        return [execution.result.outcome for execution in self.recoveries()]

    def started(self) -> dict[str, int]:
        """Return how many tasks were started and did not fail to, by launch."""
        return {group: len(self.tasks.get(group, ())) for group in self.asked}

    def messages(self) -> list[Message]:
        """Return what people were told, by all recoveries."""
        return [message for world in self.worlds.values() for message in world.messages]

    def written(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield whatever is kept or shown: the log, messages, and what durable executions remember."""
        for stack in self.stacks:
            yield f"the log of {stack.name}", stack.telemetry.lines
        for name, world in self.worlds.items():
            yield f"the log of {name}", world.told
            yield f"the messages of {name}", world.messages
            yield f"the operations of {name}", self.executions.by_name[name].operations

    def is_listed(self, arn: str) -> bool:
        """Say whether ECS lists a task by now."""
        age = datetime.fromtimestamp(self.timeline.now, UTC) - datetime.fromisoformat(
            self.all_tasks[arn].created_at
        )
        # Times in events have milliseconds, as the stories' own have at the most.
        return age >= self.ecs.visibility_delay

    def is_in_scope(self, event_id: str) -> bool:
        """Say whether a call of a rule or a person is to be recovered."""
        is_of_rule = self.originals[event_id]["userIdentity"].get("invokedBy") == "events.amazonaws.com"
        return is_of_rule or self.conditions.recovers_others

    @property
    def has_been_calm(self) -> bool:
        """Whether every call of a recovery has been answered, and every look has seen."""
        unrest = (Fault.READ_FAILED, Fault.ANSWERED_5XX, Fault.ANSWER_LOST, Fault.CALL_LOST, Fault.CALL_LATE)
        return not any(self.chronicle.faults[fault] for fault in unrest)

    def note(self, who: str, what: str) -> None:
        """Write down what happens."""
        self.chronicle.lines.append((self.timeline.now - START, self._names.get(who, who), what))

    def happened(self, fault: Fault) -> None:
        """Count a fault, which has happened."""
        self.chronicle.faults[fault] += 1
        self.note("fault", fault.value)

    def own(self, launch: FailedLaunch, group: str) -> None:
        """Count the tasks of a launch's recoveries as those of a group."""
        self._owners[launch.call_id[:12]] = group

    # AWS.

    def ask(self, who: str, body: JsonObject, caller: cloudtrail.ApiCaller, *, by: str = "") -> JsonObject:
        """Call RunTask, and remember who did, and which recovery."""
        token = body.get("clientToken")
        was_known = token in self._tokens_acted_upon
        before = self._acting, self._acting_for
        self._acting, self._acting_for = who, by
        try:
            answer = self.ecs.run_task(body, caller)
        except EcsError as error:
            self._count_error(error)
            raise
        finally:
            self._acting, self._acting_for = before
        if who == "recovery" and was_known:
            self.happened(Fault.REPLAYED)
        if answer["tasks"] and answer["failures"]:
            self.happened(Fault.PLACED_IN_PART)
        if token is not None:
            self._tokens_acted_upon.add(token)
        if who != "recovery":
            self.note(
                who, f"RunTask {body['group']} count {body.get('count') or 1}: {len(answer['tasks'])} placed"
            )
        return answer

    def _count_error(self, error: EcsError) -> None:
        kinds = {
            "ThrottlingException": Fault.THROTTLED,
            "ServerException": Fault.ANSWERED_5XX,
            "ConflictException": Fault.CONFLICT,
            DENIED: Fault.DENIED,
        }
        self.happened(kinds.get(error.code, Fault.REFUSED))

    def _remember_request(self, group: str, body: JsonObject) -> JsonObject:
        self.asked_for[group], self.asked[group] = body, body.get("count") or 1
        self.has_secrets = self.has_secrets or CANARY in repr(body)
        return body

    def _called(self, call: cloudtrail.ApiCall) -> None:
        if self._acting == "other":
            return
        record = cloudtrail.record(call)
        ahead_s = self.conditions.record_clocks[len(self._records) % len(self.conditions.record_clocks)]
        if ahead_s:
            told = datetime.fromisoformat(record["eventTime"]) + timedelta(seconds=ahead_s)
            record["eventTime"] = iso(told)
            self.happened(Fault.CLOCKS_DIFFER)
        (self.ours if self._acting == "recovery" else self.originals)[record["eventID"]] = record
        last = self._records[-1] if self._records else None
        self._numbers[record["eventID"]] = len(self._records)
        self._records.append(record)
        self._names[record["eventID"]] = f"record {len(self._records)}"
        # Everything is delivered, as if there were no filter: intake has to know what is not for it.
        self._deliver(lambda delivery: delivery.parcel(record, last), is_ours=self._acting == "recovery")

    def _change_again(self, _detail: JsonObject) -> None:
        """Let tasks change also when nobody calls."""
        if (change := self.ecs.next_change()) is not None:
            self.timeline.at(change.timestamp(), self.ecs.advance)

    def _changed(self, detail: JsonObject) -> None:
        arn = detail["taskArn"]
        task = self.all_tasks.get(arn)
        if task is None:
            task = self.all_tasks[arn] = Task(
                who=self._acting,
                group=detail["group"],
                started_by=detail.get("startedBy"),
                created_at=detail["createdAt"],
                overrides=detail["overrides"],
                by=self._acting_for,
            )
            self._owners[identity.task_identity(arn)[:12]] = task.group
            if self._acting == "recovery":
                task.group = self._owners[str(task.started_by)[-12:]]
            if self._acting in ("rule", "recovery", "person"):
                self.tasks.setdefault(task.group, set()).add(arn)
            if self._stops.get(task.group):
                self.timeline.after(self._stops[task.group].popleft(), partial(self._stop, arn))
        task.status = detail["lastStatus"]
        task.has_run = task.has_run or "startedAt" in detail
        if task.status == "STOPPED":
            has_run, by_hand = "startedAt" in detail, detail["stopCode"] == "UserInitiated"
            if by_hand:
                self.happened(Fault.STOPPED_WHILE_IT_RAN if has_run else Fault.STOPPED_BEFORE_IT_RAN)
            elif not has_run:
                self.happened(Fault.FAILED_START)
            if not has_run:
                self.failed_to_start.add(arn)
                self.tasks.get(task.group, set()).discard(arn)
        # The rule's pattern lets STOPPED through, and no state before it.
        if self.conditions.tells_of_tasks and task.status == "STOPPED":
            self._deliver(lambda _: Parcel(event=task_event(detail), way="task-state-change"))

    def _deliver(self, wrap: Callable[[Delivery], Parcel], *, is_ours: bool = False) -> None:
        for stack in self.stacks:
            deliveries = self.conditions.deliveries[self._delivered % len(self.conditions.deliveries)]
            self._delivered += 1
            # Most records are of recoveries' own calls. Once is enough to see that they start nothing.
            deliveries = deliveries[:1] if is_ours else deliveries
            for delivery in deliveries:
                if not delivery.is_lost:
                    self.timeline.after(delivery.after_s, partial(self._arrive, stack, wrap(delivery)))
            if len({delivery.is_lost for delivery in deliveries}) > 1:
                self.happened(Fault.LOST_ON_ONE_WAY)

    def _arrive(self, stack: Stack, parcel: Parcel, tries: int = 0) -> None:
        if tries == 0:
            self._count_arrival(stack, parcel)
        try:
            take_in(
                parcel.event,
                stack=stack.name,
                scope=stack.scope,
                start=partial(self._start, stack, parcel.way),
                telemetry=stack.telemetry,
            )
        except (StartError, CutOff):
            if tries < len(RETRY_S):
                self.timeline.after(RETRY_S[tries], partial(self._arrive, stack, parcel, tries + 1))
            else:
                stack.dead_letters |= set(parcel.records)
                self.happened(Fault.DEAD_LETTER)

    def _count_arrival(self, stack: Stack, parcel: Parcel) -> None:
        if len(set(parcel.records)) > 1:
            self.happened(Fault.BESIDE_OTHERS)
        for event_id in parcel.records:
            ways = stack.arrived.setdefault(event_id, set())
            if ways:
                self.happened(Fault.DUPLICATED)
            if ways - {parcel.way}:
                self.happened(Fault.BOTH_WAYS)
            ways.add(parcel.way)
            number = self._numbers.get(event_id)
            if number is None:
                continue  # made by hand
            if number < stack.latest:
                self.happened(Fault.REORDERED)
            stack.latest = max(stack.latest, number)
            made = datetime.fromisoformat(self._records[number]["eventTime"]).timestamp()
            if self.timeline.now - made >= DELAYED_S:
                self.happened(Fault.DELAYED)

    def _count_what_never_came(self) -> None:
        for stack in self.stacks:
            if self.originals.keys() - stack.arrived.keys():
                self.happened(Fault.NEVER_CAME)
        launches = [json.loads(execution.payload)["event_id"] for execution in self.recoveries()]
        if len(set(launches)) < len(launches):
            self.happened(Fault.TWO_STACKS)

    def _start(self, stack: Stack, way: str, name: str, payload: str) -> Started:
        """Start a recovery by AWS's rule of names, over a connection that may break."""
        error = self._start_errors.popleft() if self._start_errors else None
        if error == "intake dies":
            self.happened(Fault.INTAKE_DIED)
            raise CutOff
        if error == "on the way there":
            self.happened(Fault.NOT_STARTED)
            raise ConnectionClosedError(endpoint_url="https://lambda")
        launch = wire.launch_from_json(json.loads(payload))
        event_id = launch.event_id
        self.checks.at_start(event_id, payload)
        failed = self.all_tasks.get(f"{TASK_ARN}{event_id.removeprefix('t-')}")
        self.own(launch, failed.group if failed else launch.request.parameters.get("group", ""))
        if self.version > 1:
            # What another version sends differs, so that Lambda refuses the name.
            payload = wire.canonical(json.loads(payload) | {"version": self.version})
        known = self.executions.by_name.get(name)
        if known is None:
            self._names[name] = f"recovery {len(self.worlds) + 1}"
            self.note(
                stack.name, f"starts {self._names[name]} of {self._names.get(event_id, event_id)} by {way}"
            )
            if way == "task-state-change":
                self.happened(Fault.THIRD_WAY)
            world = self.worlds[name] = World(self, stack, name, self.policy)
            self.executions.start(name, payload, partial(self._recover, world, payload))
        if error == "on the way back":
            self.happened(Fault.START_UNSEEN)
            raise ReadTimeoutError(endpoint_url="https://lambda")
        return Started.ACCEPTED if known is None or known.payload == payload else Started.BEFORE

    def _recover(
        self, world: World, payload: str, step: Any, wait: Any, is_replaying: Callable[[], bool]
    ) -> Ending:
        def step_in(name: str, action: Action) -> JsonObject:
            def act(again: bool) -> JsonObject:
                world.operation = name
                try:
                    return action(again)
                finally:
                    world.operation = ""

            result: JsonObject = step(name, act)
            return result

        def tell(event: LogEvent, /, **fields: Any) -> None:
            world.told.append((event.value, fields))
            if event is LogEvent.WAITING:
                self.note(world.name, f"waits {fields['delay_s']} s: {fields['why']}")
            elif "outcome" in fields:
                self.note(world.name, f"ends: {fields['outcome']}, {fields['why']}")

        launch = wire.launch_from_json(json.loads(payload))
        tools = Tools(
            policy=world.policy,
            aws=world,
            step=step_in,
            wait=wait,
            tell=tell,
            is_replaying=is_replaying,
        )
        return recover(launch, tools)

    def _cut_off(self, execution: VirtualExecution, name: str, moment: CutPoint) -> bool:
        self.checks.at_every_moment()
        self.moments += 1
        if self.moments not in self.conditions.crashes:
            return False
        self.crashed += 1
        world = self.worlds[execution.name]
        world.crashed = True
        self.note(execution.name, f"dies at moment {self.moments}: {name}, {moment}")
        self.happened(_DEATHS[moment])
        return True


_DEATHS = {
    CutPoint.BEFORE: Fault.DIED_BEFORE,
    CutPoint.AFTER: Fault.DIED_AFTER,
    CutPoint.RECORDED: Fault.DIED_BETWEEN,
}


def request(group: str, **changes: Any) -> JsonObject:
    """Return what a rule asks for; a change to None leaves a member out."""
    body = {
        "cluster": "batch",
        "taskDefinition": "nightly:7",
        "launchType": "FARGATE",
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": sorted(ZONES), "assignPublicIp": "DISABLED"}
        },
        "startedBy": f"events-rule/{group}",
        "group": group,
    } | changes
    return {name: value for name, value in body.items() if value is not None}


def task_event(detail: JsonObject) -> JsonObject:
    """Wrap a change of a task as EventBridge does."""
    return {
        "version": "0",
        "id": "3317b2af-7005-947d-b652-f55e762e571a",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": detail["updatedAt"],
        "region": REGION,
        "resources": [detail["taskArn"]],
        "detail": detail,
    }
