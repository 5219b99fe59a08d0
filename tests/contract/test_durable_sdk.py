"""The loop under AWS's durable execution SDK is the loop under virtual time.

Both run against one endpoint that gives the answers of a table: once through ``handlers.recover`` in AWS's own
local runner, with time skipped, and once through ``simulate.virtual``. They must call RunTask with the same bodies,
do the same operations under the same names, wait as long, tell a person the same, and end alike. So what is
proved about the loop under virtual time holds for the function that is deployed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from aws_durable_execution_sdk_python_testing.runner import DurableFunctionTestRunner

from retry_run_task import handlers
from retry_run_task.aws.port import LiveAwsPort
from retry_run_task.handlers import environment
from retry_run_task.launch import wire
from retry_run_task.launch.request import HIDDEN, hidden_paths
from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, IncompleteRequest, Outcome
from retry_run_task.recovery.loop import recover
from retry_run_task.recovery.ports import Tools
from retry_run_task.simulate.virtual import Timeline
from support.loopback import Asked, Loopback, Reply, error
from support.paces import no_wait
from support.policies import DEFAULT
from support.records import ACCOUNT, CAPACITY, CLUSTER, RULE_ROLE, TASK_DEFINITION, parameters
from support.records import launch as make_launch
from support.virtual import VirtualExecutions

# A Region and a topic of this module's own: clients are made once, and keep the endpoint they were made with.
REGION = "eu-north-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:contract"

SHORT = Reply(body={"tasks": [], "failures": [{"reason": CAPACITY}]})
STRANGE = Reply(body={"tasks": [], "failures": [{"reason": "The moon is in the wrong quarter"}]})
DENIED = error("AccessDeniedException", "not authorized")
# The one kind of lost answer that botocore does not repeat, and so does not sleep over.
# https://docs.aws.amazon.com/boto3/latest/guide/retries.html
LOST = error("ServerException", "Service Unavailable.", status=501)
FAILED = {
    "lastStatus": "STOPPED",
    "stopCode": "TaskFailedToStart",
    "stoppedReason": "Timeout waiting for network interface provisioning to complete.",
}


CANARY = "canary-7c2e9d"
OVERRIDES = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": CANARY}]}]}
# A rule on events, so that nothing depends on today's date.
RULES = {
    "ListEventBuses": {"EventBuses": [{"Name": "default"}]},
    # Of a rule, and of a task definition.
    "ListTagsForResource": {"Tags": [], "tags": []},
    "ListRuleNamesByTarget": {"RuleNames": ["nightly"]},
    "DescribeRule": {"Name": "nightly", "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly"},
    "ListTargetsByRule": {
        "Targets": [
            {
                "Id": "1",
                "Arn": CLUSTER,
                "RoleArn": RULE_ROLE,
                "Input": json.dumps(OVERRIDES),
                "EcsParameters": {
                    "TaskDefinitionArn": TASK_DEFINITION,
                    "TaskCount": 1,
                    "NetworkConfiguration": {
                        "awsvpcConfiguration": {
                            "Subnets": ["subnet-a", "subnet-c"],
                            "SecurityGroups": ["sg-0123"],
                            "AssignPublicIp": "DISABLED",
                        }
                    },
                },
            }
        ]
    },
}


def placed(*names: str, missing: int = 0) -> Reply:
    return Reply(
        body={"tasks": [{"taskArn": name} for name in names], "failures": [{"reason": CAPACITY}] * missing}
    )


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What AWS answers, one call after the other, the last answer again and again.

    Attributes:
        answers: RunTask's.
        ends: How it ends.
        calls: How often RunTask is called.
        count: How many tasks are asked for.
        messages: How many messages a person gets.
        topic_errors: How often the topic refuses one before.
        failed: Tasks that are found to have failed to start.
        caller: Who made the call that failed; a rule is looked for.
        changes: Other members of the request.
    """

    answers: tuple[Reply, ...]
    ends: Outcome
    calls: int
    count: int = 1
    messages: int = 0
    topic_errors: int = 0
    failed: tuple[str, ...] = ()
    caller: CallerKind = CallerKind.HAND_MADE
    changes: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    "there is room at once": Scenario(answers=(placed("t1"),), ends=Outcome.RECOVERED, calls=1),
    "there is room at the fourth attempt": Scenario(
        answers=(SHORT, SHORT, SHORT, placed("t1")), ends=Outcome.RECOVERED, calls=4
    ),
    "answers are lost": Scenario(answers=(LOST, LOST, placed("t1")), ends=Outcome.RECOVERED, calls=3),
    "a part is placed": Scenario(
        answers=(placed("t1", missing=2), SHORT, placed("t2", "t3")), count=3, ends=Outcome.RECOVERED, calls=3
    ),
    "a task does not start": Scenario(
        answers=(placed("t1"), placed("t2")), failed=("t1",), ends=Outcome.RECOVERED, calls=2
    ),
    "CloudTrail hides a value": Scenario(
        answers=(SHORT, placed("t1")),
        ends=Outcome.RECOVERED,
        calls=2,
        caller=CallerKind.RULE,
        changes={"overrides": {"containerOverrides": [{"name": "app", "environment": HIDDEN}]}},
    ),
    "the permission is missing": Scenario(answers=(DENIED,), ends=Outcome.PERMANENT, calls=1, messages=1),
    "the reason is unknown": Scenario(answers=(STRANGE,), ends=Outcome.EXPIRED, calls=3, messages=1),
    "a message is refused": Scenario(
        answers=(DENIED,), ends=Outcome.PERMANENT, calls=1, messages=1, topic_errors=2
    ),
}


@dataclass
class Aws:
    """ECS and SNS as one scenario has them."""

    scenario: Scenario
    bodies: list[Any] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    refused: int = 0

    def __call__(self, asked: Asked) -> Reply:
        match asked.operation:
            case "RunTask":
                self.bodies.append(asked.json)
                answers = self.scenario.answers
                return answers[min(len(self.bodies), len(answers)) - 1]
            case "ListTasks":
                return Reply(body={"taskArns": []})
            case "DescribeTasks":
                return Reply(body={"tasks": [self._task(arn) for arn in asked.json["tasks"]], "failures": []})
            case operation if operation in RULES:
                return Reply(body=RULES[operation])
        return self._publish(parse_qs(asked.body.decode()))

    def _task(self, arn: str) -> dict[str, Any]:
        is_failed = arn in self.scenario.failed
        return {"taskArn": arn, **(FAILED if is_failed else {"lastStatus": "RUNNING"})}

    def _publish(self, message: dict[str, list[str]]) -> Reply:
        if self.refused < self.scenario.topic_errors:
            self.refused += 1
            text = "<ErrorResponse><Error><Code>NotFound</Code><Message>no topic</Message></Error></ErrorResponse>"
            return Reply(status=404, body=text.encode())
        self.messages.append(message["Subject"][0])
        return Reply(
            body=b"<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>"
        )


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one engine made of a scenario: operations are names with the seconds waited, or None for a step."""

    bodies: list[Any]
    operations: list[tuple[str, int | None]]
    messages: list[str]
    outcome: str


@pytest.fixture(autouse=True)
def own_settings() -> None:
    """A process reads its settings once, and those of another module may be there already."""
    environment.settings.forget()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Loopback]:
    with Loopback(lambda _: Reply(status=0)) as loopback:
        yield loopback


@pytest.fixture
def play(endpoint: Loopback, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario, Any], Run]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    monkeypatch.setenv("RETRY_RUN_TASK_TOPIC_ARN", TOPIC)
    monkeypatch.setenv("RETRY_RUN_TASK_CALLS_PER_SECOND", "1000")

    def play(scenario: Scenario, engine: Callable[[FailedLaunch, Aws], Run]) -> Run:
        endpoint.answer = aws = Aws(scenario)
        return engine(launch(scenario), aws)

    return play


def launch(scenario: Scenario) -> FailedLaunch:
    """Return a launch that failed just now, as intake would make it."""
    recorded = parameters(count=scenario.count, clientToken=None, dryrun=None, **scenario.changes)
    missing = tuple(hidden_paths(recorded))
    value = make_launch(
        request=recorded,
        region=REGION,
        caller=Caller(kind=scenario.caller, role_arn=RULE_ROLE),
        event_time=datetime.now(UTC).replace(microsecond=0),
    )
    return (
        replace(value, request=IncompleteRequest(parameters=recorded, missing=missing)) if missing else value
    )


def deployed(value: FailedLaunch) -> tuple[Any, str]:
    """Return what the deployed function made of a launch, and all that the service keeps of it."""
    runner = DurableFunctionTestRunner(handler=handlers.recover, region=REGION)
    with runner:
        arn = runner.run_async(input=wire.canonical(wire.launch_to_json(value)), execution_timeout=60)
        result = runner.wait_for_result(arn)
        history = repr(runner.get_execution_history(arn, include_execution_data=True))
    # The runner leaves its event loop open, and with it a socket pair.
    runner._scheduler._loop.close()
    return result, history


def under_the_sdk(value: FailedLaunch, aws: Aws) -> Run:
    """Run the deployed function in AWS's local runner, which skips time."""
    result = deployed(value)[0]
    operations = [(o.name, seconds(o)) for o in result.operations]
    if result.status.value == "SUCCEEDED":
        outcome = json.loads(result.result)["outcome"]
    else:
        outcome = result.error.message.partition(":")[0]
    return Run(bodies=aws.bodies, operations=operations, messages=aws.messages, outcome=outcome)


def seconds(operation: Any) -> int | None:
    end = getattr(operation, "scheduled_end_timestamp", None)
    return None if end is None else round((end - operation.start_timestamp) / timedelta(seconds=1))


def under_virtual_time(value: FailedLaunch, aws: Aws) -> Run:
    timeline = Timeline(value.event_time.timestamp())
    executions = VirtualExecutions(timeline)

    def run(step: Any, wait: Any, _is_replaying: Any) -> Any:
        world = LiveAwsPort(TOPIC, lambda: timeline.now, no_wait())
        tools = Tools(policy=DEFAULT, aws=world, step=step, wait=wait, tell=lambda *_, **__: None)
        return recover(value, tools)

    executions.start("recovery", "", run)
    timeline.run()
    (execution,) = executions.by_name.values()
    if execution.error is not None:
        raise execution.error
    operations = [(n, r if isinstance(r, int) else None) for n, r in execution.operations]
    return Run(
        bodies=aws.bodies,
        operations=operations,
        messages=aws.messages,
        outcome=execution.result.outcome.value,
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_sdk_does_what_virtual_time_does(name: str, play: Callable[[Scenario, Any], Run]) -> None:
    """Tokens and bodies, operations and waits, messages and outcome."""
    scenario = SCENARIOS[name]
    run = play(scenario, under_the_sdk)
    assert run == play(scenario, under_virtual_time)
    assert run.outcome == scenario.ends
    assert len(run.bodies) == scenario.calls
    assert len(run.messages) == scenario.messages


def test_an_attempt_whose_answer_is_lost_is_repeated_with_its_token(
    play: Callable[[Scenario, Any], Run],
) -> None:
    """Not only alike under both, but right."""
    bodies = play(SCENARIOS["answers are lost"], under_virtual_time).bodies
    assert len({json.dumps(body, sort_keys=True) for body in bodies}) == 1
    bodies = play(SCENARIOS["there is room at the fourth attempt"], under_virtual_time).bodies
    assert len({body["clientToken"] for body in bodies}) == 4


def test_a_hidden_value_reaches_run_task_and_neither_the_history_nor_the_log(
    play: Callable[[Scenario, Any], Run],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a step returns is kept for weeks, and what is logged is kept for as long as anybody likes."""
    kept: list[str] = []

    def engine(value: FailedLaunch, aws: Aws) -> Run:
        kept.append(deployed(value)[1])
        return Run(bodies=aws.bodies, operations=[], messages=[], outcome="")

    bodies = play(SCENARIOS["CloudTrail hides a value"], engine).bodies
    assert [body["overrides"] for body in bodies] == [OVERRIDES, OVERRIDES]
    attempted = [vars(line) for line in caplog.records if line.message == "recovery.called"]
    assert [line["request"]["overrides"] for line in attempted] == 2 * [
        {"containerOverrides": [{"name": "app", "environment": HIDDEN}]}
    ]
    assert CANARY not in repr([vars(line) for line in caplog.records])
    assert CANARY not in "".join(capsys.readouterr())
    # Both calls are in one step: as asked, and a subnet at once.
    assert "run-task-1" in kept[0]
    assert kept[0].count("answer") > 2
    assert CANARY not in kept[0]
