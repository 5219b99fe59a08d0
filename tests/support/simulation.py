"""The whole system in one process under virtual time: ECS, CloudTrail, the ways in, intake, recoveries, crashes.

Everything between the wire and the wire is the product's own: ``intake.take_in``, ``core.recovery.recover``,
``aws.ecs.run_task`` and ``aws.tasks``. What stands in is what AWS does: ECS is the local model, durable executions
are the virtual ones, and a record goes from the call to intake as often, as late and in such order as a test says.

What must hold at every moment is looked at at every moment (``Watch``), and the rest when time has run dry.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from retry_run_task.aws import ecs as aws_ecs
from retry_run_task.aws import tasks as aws_tasks
from retry_run_task.aws.recoveries import Started
from retry_run_task.core import identity, recovery, schedules, wire
from retry_run_task.core.backoff import Backoff
from retry_run_task.core.errors import StartError
from retry_run_task.core.ladder import RungKind
from retry_run_task.core.messages import Ending, Message
from retry_run_task.core.policy import Policy
from retry_run_task.core.schedules import NoMatch, Schedule
from retry_run_task.core.scope import DEFAULT_CALLERS, Scope
from retry_run_task.core.values import (
    Answer,
    CallerKind,
    Category,
    FailedLaunch,
    JsonObject,
    Lost,
    Outcome,
    Placed,
    Refused,
    Request,
    TaskState,
    Unbuildable,
)
from retry_run_task.intake import take_in
from retry_run_task.local import cloudtrail
from retry_run_task.local.ecs import Ecs, EcsError, TokenBucket
from retry_run_task.simulate.virtual import Execution, Executions, Moment, Timeline
from retry_run_task.sources import parse
from support.policies import by_category, treatment
from support.policies import changed as changed_policy
from support.records import ACCOUNT, REGION, RULE_ROLE, awslogs, eventbridge

START = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
ZONES = {"subnet-a": f"{REGION}a", "subnet-c": f"{REGION}c"}

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

# With every kind of rung, one of which names a provider that the cluster does not have.
LADDER = changed_policy(
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

# Texts of answers that no waiting can mend, and errors that must never be met with another call.
PERMANENT = (
    "ATTRIBUTE",
    "LOCATION",
    "The requested CPU configuration is above your limit",
    "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x' that was provided for this task.",
)
DENIED = "AccessDeniedException"

# The value of every variable that is overridden. It is a secret.
CANARY = "canary-5d1f7c"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (durable functions)
OPERATIONS_MAX = 3000
OURS = frozenset({"clientToken", "startedBy", "count"})
NOT_SENT_AGAIN = frozenset({"dryrun", "referenceId"})


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One arrival of a record at intake.

    Attributes:
        after_s: How long after the call.
        way: ``logs`` or ``eventbridge``.
        beside: Messages before it in the same payload; ``eventbridge`` has no room for them.
        copies: How often it stands in the payload; likewise.
    """

    after_s: float = 60
    way: str = "logs"
    beside: tuple[str, ...] = ()
    copies: int = 1

    def event(self, record: JsonObject) -> JsonObject:
        """Wrap a record as AWS does."""
        if self.way == "eventbridge":
            return eventbridge(record)
        return awslogs(*self.beside, *(record for _ in range(self.copies)))


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One RunTask call of a recovery, and what the client made of the answer."""

    name: str
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

    def __init__(self, system: System, caller: cloudtrail.Caller) -> None:
        self._system, self.caller = system, caller

    def run_task(self, *, taskDefinition: str, clientToken: str, rawBody: bytes) -> Any:  # noqa: N803 - boto3's
        body = json.loads(rawBody)
        assert (body["taskDefinition"], body["clientToken"]) == (taskDefinition, clientToken)
        retries = 0
        while True:
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
        lost = self._system.network.popleft() if self._system.network else None
        if lost == "on the way there":
            raise ConnectionClosedError(endpoint_url="https://ecs")
        answer = self._system.ecs.run_task(body, self.caller)
        if lost == "on the way back":
            raise ReadTimeoutError(endpoint_url="https://ecs")
        return answer

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **call: Any) -> Any:
        if self._system.blind_looks > 0:
            self._system.blind_looks -= 1
            raise ReadTimeoutError(endpoint_url="https://ecs")
        yield self._system.ecs.list_tasks(call)

    def describe_tasks(self, **call: Any) -> Any:
        answer = self._system.ecs.describe_tasks(call)
        for task in answer["tasks"]:
            # As botocore's parser gives times.
            task |= {k: datetime.fromtimestamp(v, UTC) for k, v in task.items() if k.endswith("At")}
        return answer


def _client_error(error: EcsError, retries: int) -> ClientError:
    response: Any = {
        "Error": {"Code": error.code, "Message": error.message},
        "ResponseMetadata": {"HTTPStatusCode": error.status, "RetryAttempts": retries},
        **error.extra,
    }
    return ClientError(response, "RunTask")


class Stack:
    """One installation: its scope, its recoveries' role, what it told the log and the people."""

    def __init__(self, system: System, name: str) -> None:
        role = f"arn:aws:iam::{ACCOUNT}:role/{name}-recover"
        self.name = name
        self.scope = Scope(
            callers=system.conditions.callers,
            account=ACCOUNT,
            regions=(REGION,),
            role_arn=role if system.conditions.knows_its_role else None,
        )
        self.client: Any = Client(system, cloudtrail.lambda_caller(role))
        self.telemetry: Any = Told()


@dataclass
class World:
    """What one recovery can do, with everything checked that must hold of what it does."""

    system: System
    stack: Stack
    name: str
    messages: list[Message] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    bodies: dict[str, JsonObject] = field(default_factory=dict)
    operation: str = ""

    @property
    def is_in_step(self) -> bool:
        return bool(self.operation)

    def now(self) -> float:
        assert self.is_in_step
        return self.system.timeline.now

    def find_schedule(self, launch: FailedLaunch) -> recovery.Background | NoMatch:
        assert self.is_in_step
        found = schedules.match(launch, self.system.schedules)
        if isinstance(found, NoMatch):
            return found
        after = self.system.conditions.next_due_s
        return recovery.Background(
            name=found.name,
            arn=found.arn,
            next_due=None if after is None else START + after,
            event_age_s=found.event_age_s,
        )

    def look(self, launch: FailedLaunch, *, original: bool, ours: bool) -> tuple[TaskState, ...] | str:
        assert self.is_in_step
        try:
            return tuple(aws_tasks.already_there(self.stack.client, launch, original=original, ours=ours))
        except aws_tasks.CannotLookError as error:
            return str(error)

    def complete(self, launch: FailedLaunch) -> Request | NoMatch:
        assert self.is_in_step
        found = schedules.match(launch, self.system.schedules)
        if isinstance(found, NoMatch):
            return found
        return schedules.complete(launch, found, scheduled_time=None)

    def run_task(self, launch: FailedLaunch, body: JsonObject) -> Answer:
        assert self.is_in_step, "RunTask was called outside of a step"
        self.system.check_body(self, launch, body)
        self.bodies[self.operation] = body
        answer = aws_ecs.run_task(self.stack.client, body)
        self.system.sent.append(Sent(name=self.name, time=self.system.timeline.now, body=body, answer=answer))
        return answer

    def watch(self, launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | str:
        assert self.is_in_step
        return tuple(aws_tasks.states(self.stack.client, launch, arns))

    def notify(self, message: Message) -> str | None:
        assert self.is_in_step, "a message was sent outside of a step"
        if self.system.notify_errors > 0:
            self.system.notify_errors -= 1
            return "the topic does not answer"
        self.messages.append(message)
        return None


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a system is like, and what goes wrong in it at whatever time.

    Attributes:
        stacks: Names of the installations; all look after the same tasks.
        policy: The rules.
        deliveries: For each record in turn, how it arrives at intake; used again from the beginning.
        crashes: At which moments of which steps, counted from 1, a function's process dies.
        restart_s: How long after that Lambda invokes it again.
        sdk_tries: How often the SDK sends one call.
        start_errors: What becomes of the first wishes to start a recovery: ``on the way there`` or ``back``.
        notify_errors: How many messages the topic does not take at first.
        knows_its_role: Whether intake knows the role that recoveries have.
        knows_schedules: Whether the rules are still there to be read.
        tells_of_tasks: Whether the third way in is on: the changes of tasks.
        next_due_s: When the rules' next run is due.
        unseen_for_s: How long ECS does not list a new task.
        callers: Whose failed calls are recovered. With ``other`` in it, only marks and roles keep out our own.
    """

    stacks: tuple[str, ...] = ("one",)
    policy: Policy = POLICY
    deliveries: tuple[tuple[Delivery, ...], ...] = ((Delivery(),),)
    crashes: frozenset[int] = frozenset()
    restart_s: float = 1.0
    sdk_tries: int = 3
    start_errors: tuple[str, ...] = ()
    notify_errors: int = 0
    knows_its_role: bool = True
    knows_schedules: bool = True
    tells_of_tasks: bool = False
    next_due_s: int | None = None
    unseen_for_s: int = 0
    callers: frozenset[CallerKind] = DEFAULT_CALLERS | {CallerKind.OTHER}


class System:
    """A cluster of two zones, a trail, and one or more stacks that look after the same tasks.

    A launch goes by its ``group``, which only a test sets and which recoveries have to keep.

    Attributes:
        asked: By launch, how many tasks it asked for.
        tasks: By launch, every task that was started for it by anybody, less those that failed to start.
        failed_to_start: Those.
        originals: By event id, the records of rules' calls.
        ours: By event id, the records of recoveries' calls.
        by_hand: Event ids of records that a person wrote.
        sent: RunTask calls of recoveries, in order.
        network: What becomes of the next calls of recoveries on the wire; None for nothing.
        blind_looks: How many of the next looks at tasks fail.
        notify_errors: How many of the next messages the topic does not take.
        crashed: How often a process died.
    """

    def __init__(self, conditions: Conditions | None = None) -> None:
        self.conditions = given = conditions or Conditions()
        self.policy = given.policy
        self.timeline = Watch(START, self._look)
        self.ecs = Ecs(
            account=ACCOUNT, region=REGION, now=lambda: datetime.fromtimestamp(self.timeline.now, UTC)
        )
        self.ecs.run_task_rate = TokenBucket(rate=None)
        self.ecs.visibility_delay = timedelta(seconds=given.unseen_for_s)
        self.ecs.create_cluster("batch")
        self.ecs.register_task_definition("nightly", revision=7)
        for subnet, zone in ZONES.items():
            self.ecs.add_subnet(subnet, zone)
        self.ecs.on_call.append(self._called)
        self.ecs.on_task_state_change.append(self._changed)
        self.executions = Executions(self.timeline, cut_off=self._cut_off, restart_s=given.restart_s)
        self.stacks = [Stack(self, name) for name in given.stacks]
        self.asked: dict[str, int] = {}
        self.tasks: dict[str, set[str]] = {}
        self.failed_to_start: set[str] = set()
        self.originals: dict[str, JsonObject] = {}
        self.ours: dict[str, JsonObject] = {}
        self.by_hand: set[str] = set()
        self.sent: list[Sent] = []
        self.worlds: dict[str, World] = {}
        self.schedules: list[Schedule] = []
        self.network: deque[str | None] = deque()
        self.blind_looks = 0
        self.notify_errors = given.notify_errors
        self._start_errors = deque(given.start_errors)
        self._delivered = 0
        self._moments = 0
        self.crashed = 0
        self._asked_for: dict[str, JsonObject] = {}
        self._by_mark: dict[str, set[str]] = {}
        self._bodies: set[str] = set()
        self._broken: list[str] = []

    # What a test does.

    def capacity(self, slots: int | None, *, zone: str | None = None) -> None:
        """Let this many more tasks start in a zone, or in both."""
        for name in ZONES.values() if zone is None else (ZONES[zone],):
            for provider in ("FARGATE", "FARGATE_SPOT"):
                self.ecs.capacity.set(name, provider, slots)

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        """Do something at a time of the story."""
        self.timeline.at(START + seconds, lambda: (do(), None)[1])

    def call(self, group: str, *, times: int = 1, **changes: Any) -> None:
        """Let a rule ask for a launch now; ``times`` for an SDK that repeats the call with its token."""
        body = self._asked_for[group] = request(group, **changes)
        self.asked[group] = body.get("count") or 1
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
        for _ in range(times):
            # What was thrown EventBridge tries again by itself; here only the record is of interest.
            with contextlib.suppress(EcsError):
                self.ecs.run_task(body, cloudtrail.rule_caller(RULE_ROLE))

    def put(self, record: JsonObject, *, group: str, times: int) -> None:
        """Put a record into the log group by hand; its log event is delivered this often, to the first stack."""
        event = awslogs(record)
        self._asked_for[group], self.asked[group] = record["requestParameters"], 1
        (launch,) = parse(event)
        assert isinstance(launch, FailedLaunch)
        self.by_hand.add(launch.event_id)
        for number in range(times):
            self.timeline.after(60 * number, partial(self._arrive, self.stacks[0], event))

    def run(self) -> None:
        """Let all time pass, and look at how everything ended."""
        self.timeline.run()
        self._look_at_the_end()

    # What it looks at.

    def recoveries(self) -> list[Execution]:
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

    # AWS.

    def _called(self, call: cloudtrail.Call) -> None:
        record = cloudtrail.record(call)
        is_ours = call.caller in [stack.client.caller for stack in self.stacks]
        (self.ours if is_ours else self.originals)[record["eventID"]] = record
        # Everything is delivered, as if there were no filter: intake has to know what is not for it.
        self._deliver(lambda delivery: delivery.event(record))

    def _changed(self, detail: JsonObject) -> None:
        arn, group = detail["taskArn"], detail["group"]
        self.tasks.setdefault(group, set()).add(arn)
        self._by_mark.setdefault(detail.get("startedBy") or "", set()).add(arn)
        if detail["lastStatus"] == "STOPPED" and "startedAt" not in detail:
            self.failed_to_start.add(arn)
            self.tasks[group].discard(arn)
        if self.conditions.tells_of_tasks:
            self._deliver(lambda _: task_event(detail))

    def _deliver(self, wrap: Callable[[Delivery], JsonObject]) -> None:
        for stack in self.stacks:
            for delivery in self.conditions.deliveries[self._delivered % len(self.conditions.deliveries)]:
                self.timeline.after(delivery.after_s, partial(self._arrive, stack, wrap(delivery)))
            self._delivered += 1

    def _arrive(self, stack: Stack, event: JsonObject) -> None:
        try:
            take_in(
                event,
                stack=stack.name,
                scope=stack.scope,
                start=partial(self._start, stack),
                telemetry=stack.telemetry,
            )
        except StartError:
            # Lambda delivers the event again.
            self.timeline.after(60, partial(self._arrive, stack, event))

    def _start(self, stack: Stack, name: str, payload: str) -> Started:
        """Start a recovery by AWS's rule of names, over a connection that may break."""
        error = self._start_errors.popleft() if self._start_errors else None
        if error == "on the way there":
            raise ConnectionClosedError(endpoint_url="https://lambda")
        self._check_start(json.loads(payload)["event_id"])
        known = self.executions.by_name.get(name)
        if known is None:
            world = self.worlds[name] = World(self, stack, name)
            self.executions.start(name, payload, partial(self._recover, world, payload))
        if error == "on the way back":
            raise ReadTimeoutError(endpoint_url="https://lambda")
        return Started.ACCEPTED if known is None or known.payload == payload else Started.BEFORE

    def _recover(
        self, world: World, payload: str, step: Any, wait: Any, is_replaying: Callable[[], bool]
    ) -> Ending:
        def step_in(name: str, action: Callable[[], JsonObject]) -> JsonObject:
            def act() -> JsonObject:
                world.operation = name
                try:
                    return action()
                finally:
                    world.operation = ""

            result: JsonObject = step(name, act)
            return result

        def tell(event: recovery.Event, /, **fields: Any) -> None:
            if not is_replaying():
                world.told.append((event.value, fields))

        launch = wire.launch_from_json(json.loads(payload))
        tools = recovery.Tools(policy=self.policy, world=world, step=step_in, wait=wait, tell=tell)
        return recovery.recover(launch, tools)

    def _cut_off(self, _execution: Execution, _name: str, _moment: Moment) -> bool:
        self._moments += 1
        is_cut_off = self._moments in self.conditions.crashes
        self.crashed += is_cut_off
        return is_cut_off

    # What must hold.

    def _look(self) -> None:
        """At every moment: nobody has more tasks than asked for, no recovery failed or outgrew Lambda's limits."""
        assert self._broken == []
        for group, arns in self.tasks.items():
            assert len(arns) <= self.asked[group], (
                f"{group} asked for {self.asked[group]} and has {len(arns)}"
            )
        for execution in self.executions.by_name.values():
            if execution.error is not None:
                raise execution.error
            assert len(execution.operations) + execution.invocations <= OPERATIONS_MAX

    def _check_start(self, event_id: str) -> None:
        """Our own calls start nothing. Whoever starts is told nothing here: intake would take it for an answer.

        One kind of our calls cannot be told from anybody else's while the role is not known: of a denied call
        CloudTrail records no request. It may be reported, since a report calls nothing.
        """
        record = self.ours.get(event_id)
        if record is not None and record["requestParameters"] is not None:
            self._broken.append(f"our own call {event_id} started a recovery")
        is_of_task = event_id.removeprefix("t-") in {arn.rsplit("/", 1)[-1] for arn in self.failed_to_start}
        is_known = event_id in self.originals or event_id in self.by_hand or is_of_task
        if record is None and not is_known:
            self._broken.append(f"a recovery was started for {event_id}, which is no call's")

    def check_body(self, world: World, launch: FailedLaunch, body: JsonObject) -> None:
        """Check a RunTask call before it is made."""
        group = body["group"]
        asked_for = self._asked_for[group] | dict.fromkeys(cloudtrail.FALSE_UNLESS_SENT, False)
        record = self.originals.get(launch.event_id)
        if record is None:
            # Made by hand, or known only from a task that did not start: nothing was added to it on the way.
            asked_for = self._asked_for[group]
        else:
            self._check_admission(record)
        kept = {k: v for k, v in asked_for.items() if k not in OURS | NOT_SENT_AGAIN}
        assert {k: v for k, v in body.items() if k not in OURS} in changed(kept, self.policy)
        assert body["startedBy"] == identity.mark_started_by(asked_for.get("startedBy"), launch.call_id)
        assert identity.is_our_token(body["clientToken"])
        if body["clientToken"] not in self._bodies:
            self._check_count(launch, body)
        self._bodies.add(body["clientToken"])
        self._check_time(world, launch)
        self._check_token(world, body)
        self._check_nothing_permanent(world, body, kept)

    def _check_admission(self, record: JsonObject) -> None:
        """What was thrown, failed for good or is not whole is not sent."""
        assert needs_recovery(record)
        assert not any(f.get("reason") in PERMANENT for f in record["responseElements"]["failures"])
        is_whole = cloudtrail.HIDDEN not in json.dumps(record["requestParameters"])
        assert is_whole or self.conditions.knows_schedules

    def _check_count(self, launch: FailedLaunch, body: JsonObject) -> None:
        """A new attempt asks for what is missing. A task that has just failed to start may not be known yet."""
        asked = launch.request.parameters.get("count") or 1
        if self.failed_to_start:
            there = self._by_mark.get(str(body["startedBy"]), set()) - self.failed_to_start
            missing = asked - len(launch.placed) - len(there)
            assert (body.get("count") or 1) <= missing, "more than what is missing was asked for"
            return
        missing = asked - len(self.tasks.get(body["group"], ()))
        count = launch.request.parameters.get("count") if missing == asked else missing
        assert body.get("count") == count, "not what is missing was asked for"

    def _check_time(self, world: World, launch: FailedLaunch) -> None:
        """No call after the deadline, or once the next run is due."""
        since = START if launch.event_id in self.by_hand else launch.event_time.timestamp()
        assert self.timeline.now - since <= treatment(self.policy, Category.CAPACITY).deadline_s
        due = dict(self.executions.by_name[world.name].operations).get("find-schedule", {}).get("next_due")
        assert due is None or self.timeline.now < due, "a run was made that the next one has overtaken"

    def _check_token(self, world: World, body: JsonObject) -> None:
        """A token is left only when it is certain what became of it, and stands for one request until it is refused.

        Less may be asked for again after tasks were found that are there already; ECS answers with a conflict.
        """
        sent = [one for one in self.sent if one.name == world.name]
        if not sent:
            return
        last = sent[-1]
        if body["clientToken"] == last.token:
            is_same = body == last.body | {"count": body.get("count")} or body == last.body
            assert is_same or isinstance(last.answer, Refused), "a token stands for two requests"
            return
        earlier = [one for one in sent if one.token == body["clientToken"]]
        if earlier:
            # A step with two calls that was cut off is done again from its first: what it asks for must be the same.
            assert body == earlier[-1].body, "a token stands for two requests"
            return
        if isinstance(last.answer, Placed):
            return
        tries = [one for one in sent if one.token == last.token]
        assert not any(one.may_have_placed for one in tries), "a token was left that may have started tasks"

    def _check_nothing_permanent(self, world: World, body: JsonObject, kept: JsonObject) -> None:
        """What nothing can mend ends it if the request was as it was asked; else that change is never made again."""
        for operation, result in self.executions.by_name[world.name].operations:
            if isinstance(result, dict) and "call" in result and any(map(is_permanent, _called(result))):
                before = {k: v for k, v in world.bodies[operation].items() if k not in OURS}
                assert before != kept, "RunTask was called after an answer nothing can mend"
                assert before != {k: v for k, v in body.items() if k not in OURS}, "a change was made again"

    def _answers(self, name: str) -> list[Answer]:
        """Return the answers that a recovery remembers."""
        operations = self.executions.by_name[name].operations
        answers = [
            answer
            for _, result in operations
            if isinstance(result, dict) and "call" in result
            for answer in _called(result)
        ]
        return [answer for answer in answers if not isinstance(answer, Unbuildable)]

    def leaks(self) -> list[str]:
        """Return where the canary is seen: in the log, in messages, or in what durable executions keep."""
        seen = {f"the log of {stack.name}": stack.telemetry.lines for stack in self.stacks}
        for name, world in self.worlds.items():
            seen[f"the log of {name}"] = world.told
            seen[f"the messages of {name}"] = world.messages
            seen[f"the operations of {name}"] = self.executions.by_name[name].operations
        return [where for where, what in seen.items() if CANARY in repr(what)]

    def _look_at_the_end(self) -> None:
        assert self.leaks() == []
        for record in self.originals.values():
            recovered_by = [
                world.stack.name
                for world in self.worlds.values()
                if json.loads(self.executions.by_name[world.name].payload)["event_id"] == record["eventID"]
            ]
            if needs_recovery(record):
                assert sorted(recovered_by) == sorted(s.name for s in self.stacks), "lost, or done twice"
            elif "errorCode" not in record:
                assert recovered_by == [], "there was nothing to recover"
        for name, execution in self.executions.by_name.items():
            assert execution.is_over, "a recovery neither ended nor is anything due that would end it"
            self._check_end(self.worlds[name], execution)

    def _check_end(self, world: World, execution: Execution) -> None:
        ending: Ending = execution.result
        if ending.is_well:
            assert world.messages == []
            assert len(set(ending.task_arns)) == len(ending.task_arns) == ending.wanted
        else:
            assert world.messages, "a recovery ended without its tasks, and nobody was told"
        answers = self._answers(world.name)
        assert ending.calls == len(answers)
        self._check_patience(world, answers)
        if not ending.is_well and ends_unseen(answers):
            assert "--started-by" in world.messages[0].text, "tasks may be there, and nobody was told to look"

    def _check_patience(self, world: World, answers: Sequence[Answer]) -> None:
        """Waits are those of the policy: for each category the nth between half of and its whole length."""
        seen: dict[str, int] = {}
        for event, fields in world.told:
            if event != recovery.Event.WAITING:
                continue
            nth = seen[fields["category"]] = seen.get(fields["category"], 0) + 1
            rule = treatment(self.policy, Category(fields["category"]))
            assert rule.wait is not None
            longest = rule.wait.longest(nth)
            assert max(1, round(longest / 2)) <= fields["delay_s"] <= max(1, round(longest))
            assert rule.attempts is None or nth < rule.attempts
        struck = [event for event, _ in world.told].count(recovery.Event.STRUCK)
        operations = self.executions.by_name[world.name].operations
        at_once = sum(isinstance(result, dict) and "at_once" in result for _, result in operations)
        assert len(answers) <= sum(seen.values()) + struck + at_once + 1


def _called(result: JsonObject) -> list[Answer]:
    """Return what ECS answered in a step: twice, if a subnet was asked at once where there was no room."""
    return [wire.answer_from_json(result[name]) for name in ("call", "at_once") if name in result]


def changed(asked: JsonObject, policy: Policy) -> list[JsonObject]:
    """Return the bodies that a policy allows for a request: written down here once more, and not asked of the code."""
    whole = treatment(policy, Category.CAPACITY)
    network = asked.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    spot = any(i["capacityProvider"] == "FARGATE_SPOT" for i in asked.get("capacityProviderStrategy", ()))
    plain = {k: v for k, v in asked.items() if k not in ("launchType", "capacityProviderStrategy")}
    bodies = [asked]
    if RungKind.EACH_SUBNET in whole.rungs:
        bodies += [
            asked | {"networkConfiguration": {"awsvpcConfiguration": network | {"subnets": [subnet]}}}
            for subnet in network.get("subnets", ())
        ]
    if RungKind.ON_DEMAND in whole.rungs and spot:
        bodies.append(plain | {"launchType": "FARGATE"})
    if RungKind.SIZES in whole.rungs:
        bodies += [
            asked | {"overrides": asked.get("overrides", {}) | {"cpu": str(cpu), "memory": str(memory)}}
            for cpu, memory in whole.sizes
        ]
    if RungKind.CAPACITY_PROVIDERS in whole.rungs:
        bodies += [
            plain | {"capacityProviderStrategy": [{"capacityProvider": name, "weight": 1}]}
            for name in whole.capacity_providers
        ]
    return bodies


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


def needs_recovery(record: JsonObject) -> bool:
    """Say whether a rule's call went wrong in a way that intake has to act on, from its record alone."""
    answer = record.get("responseElements")
    return answer is not None and len(answer["tasks"]) < (record["requestParameters"].get("count") or 1)


def is_permanent(answer: Answer) -> bool:
    """Say whether nothing may follow an answer."""
    match answer:
        case Placed(failures=failures):
            return any(failure.reason in PERMANENT for failure in failures)
        case Refused(failure=failure):
            return failure.code == DENIED
        case Lost() | Unbuildable():
            return False


def ends_unseen(answers: Sequence[Answer]) -> bool:
    """Say whether a recovery ended with an attempt that may have started tasks that it has not seen."""
    since = list(itertools.takewhile(lambda answer: not isinstance(answer, Placed), reversed(answers)))
    return any(
        isinstance(answer, Lost) or (isinstance(answer, Refused) and answer.is_unsure) for answer in since
    )
