"""The model is honest: one scenario, three ways, and ECS has seen the same calls.

- under virtual time, in one process, with the simulation's own client (``support.simulation``);
- the deployed function under AWS's durable testing SDK, which skips time, with boto3 over HTTP;
- in the local AWS: a record in the log group, the filter, intake, recover, durable executions, at 600 times the speed.

Same bodies with the same tokens, as often as the SDK sends them; same operations; same waits; same outcome. So what
the simulation proves holds for what is deployed, and what a story leaves out of the wire makes no difference.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationType
from aws_durable_execution_sdk_python_testing.runner import DurableFunctionTestRunner

from retry_run_task import handlers
from retry_run_task.aws import ecs as aws_ecs
from retry_run_task.aws import tasks as aws_tasks
from retry_run_task.handlers import environment
from retry_run_task.launch import names, wire
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import FailedLaunch, Outcome
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import ApiCall, lambda_caller
from retry_run_task.local.ecs.service import NO_CAPACITY, Ecs, TokenBucket
from retry_run_task.local.ecs.tasks import Lifecycle
from retry_run_task.local.install import install
from retry_run_task.recovery.loop import recover
from retry_run_task.recovery.ports import Background, Tools
from retry_run_task.simulate.virtual import Timeline
from retry_run_task.sources import parse
from retry_run_task.text import iso
from support.local_aws import Seen as Happened
from support.local_aws import client
from support.paces import no_wait
from support.policies import DEFAULT
from support.records import ACCOUNT, RULE_ROLE, eventbridge, parameters, record
from support.simulation import Client, Conditions
from support.virtual import VirtualExecutions

# A Region of this module's own: clients are made once in a process, and keep the endpoint they were made with.
REGION = "eu-west-3"
DEFINITION = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/nightly:7"
# One of the three runs in real time, one 600 times as fast: what a recovery sees must not hang on that.
NOW = Lifecycle(
    provisioning_for=timedelta(0), pending_for=timedelta(0), run_for=None, stopping_for=timedelta(0)
)

Prepare = Callable[[Ecs, str], object]
"""Makes ECS ready for the next call: given the name of the scenario, which is the cluster's."""


def room(slots: int | None) -> Prepare:
    def prepare(ecs: Ecs, _name: str) -> None:
        ecs.capacity.set(f"{REGION}a", "FARGATE", slots)
        ecs.capacity.set(f"{REGION}c", "FARGATE", 0)

    return prepare


def short(ecs: Ecs, _name: str) -> None:
    ecs.faults.fail_next(1, reason=NO_CAPACITY)


def strange(ecs: Ecs, _name: str) -> None:
    ecs.faults.fail_next(1, reason="The moon is in the wrong quarter")


def lost(ecs: Ecs, _name: str) -> None:
    ecs.faults.lose_answers(1)


def throttled(ecs: Ecs, _name: str) -> None:
    ecs.faults.throttle(1)


def denied(ecs: Ecs, _name: str) -> None:
    ecs.faults.raise_next(1, "AccessDeniedException", "not authorized")


def impossible(ecs: Ecs, _name: str) -> None:
    ecs.faults.fail_next(1, reason="ATTRIBUTE")


def not_started(ecs: Ecs, _name: str) -> None:
    why = "Timeout waiting for network interface provisioning to complete."
    ecs.faults.fail_to_start(1, "TaskFailedToStart", why, after=timedelta(0))


def token_known(ecs: Ecs, name: str) -> None:
    """An earlier version has used the token of the first attempt, for a request that was another."""
    (launch,) = parse(eventbridge(failed_call(name, Scenario(ends=Outcome.RECOVERED), datetime.now(UTC))))
    assert isinstance(launch, FailedLaunch)
    body = request_of(name) | {"clientToken": names.client_token(launch.call_id, 1), "group": "earlier"}
    ecs.run_task(body | {"startedBy": "earlier"})


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What ECS does, call by call; after the last of these there is room.

    Attributes:
        script: Before each call of the recovery, also those that the SDK repeats, what is made ready.
        ends: How it ends.
        count: How many tasks are asked for.
        age: How long ago the call failed.
        is_overtaken: Whether the rule's next run has been due since.
    """

    ends: Outcome
    script: tuple[tuple[Prepare, ...], ...] = ()
    count: int = 1
    age: timedelta = timedelta(minutes=1)
    is_overtaken: bool = False


SCENARIOS = {
    "there-is-room": Scenario(ends=Outcome.RECOVERED),
    "all-succeed-later": Scenario(
        ends=Outcome.RECOVERED, script=((short,), (short,), (short,), (short,)), count=2
    ),
    "a-part-is-placed": Scenario(
        ends=Outcome.RECOVERED, script=((room(1),), (room(1),), (room(0),)), count=3
    ),
    "an-answer-is-lost": Scenario(ends=Outcome.RECOVERED, script=((short,), (lost,))),
    "no-answer-comes": Scenario(ends=Outcome.RECOVERED, script=((lost,), (lost,), (lost,)), count=2),
    "throttled": Scenario(ends=Outcome.RECOVERED, script=((throttled,), (throttled,), (throttled,))),
    "a-task-does-not-start": Scenario(ends=Outcome.RECOVERED, script=((not_started,),), count=2),
    "a-token-is-known": Scenario(ends=Outcome.RECOVERED, script=((token_known,),)),
    "denied": Scenario(ends=Outcome.PERMANENT, script=((denied,),)),
    "a-rung-is-denied": Scenario(ends=Outcome.RECOVERED, script=((short,), (denied,))),
    "impossible": Scenario(ends=Outcome.PERMANENT, script=((impossible,),)),
    "nobody-knows-the-reason": Scenario(ends=Outcome.EXPIRED, script=((strange,), (strange,), (strange,))),
    "overtaken": Scenario(ends=Outcome.SUPERSEDED, age=timedelta(minutes=30), is_overtaken=True),
    "too-late": Scenario(ends=Outcome.EXPIRED, age=timedelta(hours=25)),
}


def overtaking_run(now: datetime) -> datetime:
    """Return when the next run of an overtaken one was due; the one after it is a day later."""
    return (now - timedelta(minutes=10)).replace(second=0, microsecond=0)


def put_rule(aws: LocalAws, name: str) -> None:
    """Make the rule that a record is of, with a next run that has been due."""
    due = overtaking_run(datetime.now(UTC))
    events = client(aws, "events")
    events.put_rule(Name=name, ScheduleExpression=f"cron({due.minute} {due.hour} * * ? *)")
    asked = request_of(name)
    network = asked["networkConfiguration"]["awsvpcConfiguration"]
    events.put_targets(
        Rule=name,
        Targets=[
            {
                "Id": "1",
                "Arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}",
                "RoleArn": RULE_ROLE,
                "EcsParameters": {
                    "TaskDefinitionArn": DEFINITION,
                    "TaskCount": 1,
                    "LaunchType": "FARGATE",
                    "NetworkConfiguration": {
                        "awsvpcConfiguration": {
                            "Subnets": network["subnets"],
                            "SecurityGroups": network["securityGroups"],
                            "AssignPublicIp": "DISABLED",
                        }
                    },
                },
            }
        ],
    )


def request_of(name: str, count: int = 1) -> dict[str, Any]:
    return parameters(
        cluster=name,
        taskDefinition=DEFINITION,
        count=count,
        startedBy=f"events-rule/{name}",
        clientToken=None,
        dryrun=None,
    )


def failed_call(name: str, scenario: Scenario, now: datetime) -> dict[str, Any]:
    """Return the record of a rule's call that placed nothing; its names are the same whatever time it is."""
    return record(
        request=request_of(name, scenario.count),
        eventID=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        eventTime=iso(now - scenario.age),
        awsRegion=REGION,
    )


@dataclass(kw_only=True)
class Seen:
    """What one way made of a scenario.

    Attributes:
        bodies: What ECS was asked for by recoveries, call by call, also where the SDK repeated one.
        operations: Names, with the seconds of a wait or None for a step.
        outcome: How it ended.
    """

    bodies: list[dict[str, Any]] = field(default_factory=list)
    operations: list[tuple[str, int | None]] = field(default_factory=list)
    outcome: str = ""


class Stage:
    """Makes an ECS do what a scenario says, call by call, and writes down what it is asked."""

    def __init__(self, ecs: Ecs) -> None:
        self.ecs = ecs
        self._name, self._left, self.seen = "", iter(()), Seen()
        ecs.lifecycle = NOW
        ecs.run_task_rate = TokenBucket(rate=None)
        ecs.register_task_definition("nightly", revision=7)
        for letter in "ac":
            ecs.add_subnet(f"subnet-{letter}", f"{REGION}{letter}")
        ecs.on_call.append(self._called)

    def set(self, name: str, scenario: Scenario) -> None:
        """Begin a scenario in a cluster of its own."""
        self.ecs.create_cluster(name)
        self._name, self._left, self.seen = name, iter(scenario.script), Seen()
        self._prepare()

    def _called(self, call: ApiCall) -> None:
        if call.body.get("cluster") == self._name and "retry-run-task/" in str(call.body.get("startedBy")):
            self.seen.bodies.append(dict(call.body))
            self._prepare()

    def _prepare(self) -> None:
        room(None)(self.ecs, self._name)
        for prepare in next(self._left, ()):
            prepare(self.ecs, self._name)


def under_virtual_time(name: str, scenario: Scenario) -> Seen:
    timeline = Timeline(datetime.now(UTC).timestamp())
    stage = Stage(Ecs(account=ACCOUNT, region=REGION, now=lambda: datetime.fromtimestamp(timeline.now, UTC)))
    stage.set(name, scenario)
    now = datetime.fromtimestamp(timeline.now, UTC)
    (launch,) = parse(eventbridge(failed_call(name, scenario, now)))
    assert isinstance(launch, FailedLaunch)
    executions = VirtualExecutions(timeline)

    def run(step: Any, wait: Any, _is_replaying: Any) -> Any:
        world: Any = VirtualWorld(stage.ecs, timeline, overtaking_run(now) if scenario.is_overtaken else None)
        tools = Tools(policy=DEFAULT, aws=world, step=step, wait=wait, tell=lambda *_, **__: None)
        return recover(launch, tools)

    executions.start("recovery", "", run)
    timeline.run()
    (execution,) = executions.by_name.values()
    if execution.error is not None:
        raise execution.error
    stage.seen.operations = [(n, r if isinstance(r, int) else None) for n, r in execution.operations]
    stage.seen.outcome = execution.result.outcome.value
    return stage.seen


class VirtualWorld:
    """ECS as the simulation calls it, a topic that takes everything, and at most one rule."""

    def __init__(self, ecs: Ecs, timeline: Timeline, next_due: datetime | None) -> None:
        self.next_due = next_due
        self.conditions, self.ecs, self.timeline = Conditions(), ecs, timeline
        self.network: list[str] = []
        self.failing_looks, self.calling = 0, ""
        self.all_tasks: dict[str, Any] = {}
        client: Any = Client(self, lambda_caller("arn:aws:iam::123456789012:role/recover"))  # type: ignore[arg-type]
        self.client = client

    def ask(self, _who: str, body: Any, caller: Any, *, by: str) -> Any:
        return self.ecs.run_task(body, caller)

    def now(self) -> float:
        return self.timeline.now

    def find_schedule(self, _launch: FailedLaunch) -> Background | NoMatch:
        if self.next_due is None:
            return NoMatch(why="there is none")
        due = self.next_due.timestamp()
        return Background(name="rule", arn="arn", next_due=due, event_age_s=86_400)

    def look(
        self, launch: FailedLaunch, *, original: bool, failed_others: tuple[str, ...] = (), whole: bool = True
    ) -> Any:
        return tuple(
            aws_tasks.already_there(
                self.client, launch, original=original, failed_others=failed_others, whole=whole
            )
        )

    def run_task(self, _launch: FailedLaunch, body: Any) -> Any:
        return aws_ecs.run_task(self.client, body, no_wait())

    def watch(self, launch: FailedLaunch, arns: Any) -> Any:
        return tuple(aws_tasks.states(self.client, launch, arns))

    def earlier(self, launch: FailedLaunch) -> Any:
        return aws_tasks.earlier(self.client, launch)

    def stop(self, _launch: FailedLaunch, arn: str, *, why: str) -> None:
        """Stop a task."""
        self.ecs.stop_task({"cluster": "batch", "task": arn, "reason": why})

    def notify(self, _message: object) -> None:
        """Take it."""


@pytest.fixture(autouse=True)
def own_settings() -> None:
    """A process reads its settings once, and those of another module may be there already."""
    environment.settings.forget()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[tuple[LocalAws, Stage]]:
    """An ECS over HTTP, whose time is the real one."""
    with LocalAws(region=REGION) as aws:
        yield aws, Stage(aws.ecs)


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[LocalAws, Stage]]:
    """The whole, in a local AWS where a second is ten minutes."""
    with LocalAws(region=REGION, speed=600, trail_delay=(2, 1), event_sources=("logs",)) as aws:
        install(aws)
        client(aws, "logs").create_log_stream(logGroupName=aws.trail.log_group, logStreamName="by-hand")
        yield aws, Stage(aws.ecs)


def in_the_local_aws(installed: tuple[LocalAws, Stage], name: str, scenario: Scenario) -> Seen:
    """Put the record into the log group, and wait until its recovery has ended."""
    aws, stage = installed
    stage.set(name, scenario)
    if scenario.is_overtaken:
        put_rule(aws, name)
    changed = Happened()
    aws.durable.on_change.append(changed)
    # The functions' clock is the machine's, however fast the local AWS is.
    failed = failed_call(name, scenario, datetime.now(UTC))
    entry = {"timestamp": int(aws.clock.now().timestamp() * 1000), "message": json.dumps(failed)}
    client(aws, "logs").put_log_events(
        logGroupName=aws.trail.log_group, logStreamName="by-hand", logEvents=[entry]
    )
    execution = changed.next(timeout_s=60)
    while not execution.is_complete:
        execution = changed.next(timeout_s=60)
    aws.durable.on_change.remove(changed)
    stage.seen.operations = [
        (o.name, seconds(o)) for o in execution.operations if o.operation_type is not OperationType.EXECUTION
    ]
    result = execution.result
    stage.seen.outcome = (
        json.loads(result.result)["outcome"]
        if result.error is None
        else result.error.message.partition(":")[0]
    )
    return stage.seen


def under_the_sdk(endpoint: tuple[LocalAws, Stage], name: str, scenario: Scenario) -> Seen:
    aws, stage = endpoint
    stage.set(name, scenario)
    if scenario.is_overtaken:
        put_rule(aws, name)
    (launch,) = parse(eventbridge(failed_call(name, scenario, datetime.now(UTC))))
    assert isinstance(launch, FailedLaunch)
    runner = DurableFunctionTestRunner(handler=handlers.recover, region=REGION)
    with runner:
        arn = runner.run_async(input=wire.canonical(wire.launch_to_json(launch)), execution_timeout=60)
        result = runner.wait_for_result(arn)
    # The runner leaves its event loop open, and with it a socket pair.
    runner._scheduler._loop.close()
    stage.seen.operations = [(o.name, seconds(o)) for o in result.operations]
    succeeded = result.status.value == "SUCCEEDED"
    stage.seen.outcome = (
        json.loads(result.result)["outcome"] if succeeded else result.error.message.partition(":")[0]
    )
    return stage.seen


def seconds(operation: Any) -> int | None:
    details = getattr(operation, "wait_details", None) or operation
    end = getattr(details, "scheduled_end_timestamp", None)
    return None if end is None else round((end - operation.start_timestamp) / timedelta(seconds=1))


@pytest.mark.parametrize("name", SCENARIOS)
def test_ecs_sees_the_same_calls_and_they_come_after_the_same_waits(
    name: str,
    endpoint: tuple[LocalAws, Stage],
    installed: tuple[LocalAws, Stage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in endpoint[0].environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("RETRY_RUN_TASK_CALLS_PER_SECOND", "1000")
    scenario = SCENARIOS[name]
    virtual = under_virtual_time(name, scenario)
    assert virtual.outcome == scenario.ends
    assert bool(virtual.bodies) == (scenario.age < timedelta(minutes=5))
    assert under_the_sdk(endpoint, name, scenario) == virtual
    assert in_the_local_aws(installed, name, scenario) == virtual
