"""Rules and schedules of the local AWS: when they call, what, and what they do when the call fails."""

import heapq
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from retry_run_task.local.ecs.validation import EcsError
from retry_run_task.local.eventbridge.schedules import Schedules
from retry_run_task.local.server import AwsError

# A Monday.
START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLUSTER = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch"
FUNCTION = "arn:aws:lambda:ap-northeast-1:123456789012:function:report"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:ecs:runTask"
ROLE = "arn:aws:iam::123456789012:role/events"
ECS = {"TaskDefinitionArn": "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/nightly:3"}
TARGET = {"Id": "1", "Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": ECS}
REQUEST = {"cluster": CLUSTER, "count": 1, "taskDefinition": ECS["TaskDefinitionArn"]}


class Timer:
    def __init__(self, call):
        self.call = call

    def cancel(self):
        self.call = None


class ManualClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.time, self.heap, self.numbers = START, [], itertools.count()

    def now(self):
        return self.time

    def call_at(self, when, call):
        timer = Timer(call)
        heapq.heappush(self.heap, (when, next(self.numbers), timer))
        return timer

    def run(self, **duration):
        end = self.time + timedelta(**duration)
        while self.heap and self.heap[0][0] <= end:
            when, _, timer = heapq.heappop(self.heap)
            self.time = max(self.time, when)
            if timer.call is not None:
                timer.call()
        self.time = end


class World:
    """Schedules, a clock, and an ECS that answers as it is told."""

    def __init__(self, seed=0):
        self.clock = ManualClock()
        self.calls, self.invoked, self.errors = [], [], []
        self.schedules = Schedules(
            self.clock,
            "123456789012",
            "ap-northeast-1",
            run_task=self.run_task,
            invoke=lambda arn, event: self.invoked.append((arn, json.loads(event))),
            seed=seed,
        )

    def run_task(self, body, caller):
        self.calls.append((self.clock.time, body, caller))
        if self.errors:
            raise self.errors.pop(0)
        return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}

    def times(self):
        return [f"{when:%dT%H:%M:%S}" for when, _, _ in self.calls]

    def bodies(self):
        return [body for _, body, _ in self.calls]


@pytest.fixture
def world():
    return World()


def rule(world, target=TARGET, name="nightly", **options):
    world.schedules.put_rule(name, **({"expression": "rate(1 hour)"} | options))
    world.schedules.put_targets(name, [target])


def schedule(world, name="nightly", expression="rate(1 hour)", **options):
    target = {**{key: value for key, value in TARGET.items() if key != "Id"}, **options.pop("target", {})}
    return world.schedules.create_schedule(name, expression=expression, target=target, **options)


def test_a_rule_calls_when_its_cron_is_due_with_the_role_of_its_target(world):
    rule(world, expression="cron(0 15 * * ? *)")
    world.clock.run(days=2)
    assert world.times() == ["23T15:00:00", "24T15:00:00"]
    _, body, caller = world.calls[0]
    assert body == {**REQUEST, "startedBy": "events-rule/nightly"}
    assert caller.identity["invokedBy"] == "events.amazonaws.com"
    assert caller.identity["sessionContext"]["sessionIssuer"]["arn"] == ROLE


def test_a_rules_rate_counts_from_when_it_was_put(world):
    world.clock.run(minutes=10)
    rule(world, expression="rate(25 minutes)")
    world.clock.run(minutes=60)
    assert world.times() == ["23T00:35:00", "23T01:00:00"]


def test_a_schedule_calls_when_it_is_due_in_its_time_zone(world):
    schedule(world, expression="cron(0 9 * * ? *)", timezone="Asia/Tokyo")
    world.clock.run(days=1)
    # 00:00 is when it was made, and past.
    assert world.times() == ["24T00:00:00"]
    _, body, caller = world.calls[0]
    assert body.pop("clientToken")
    assert body == {**REQUEST, "startedBy": "chronos-schedule/nightly"}
    assert "invokedBy" not in caller.identity
    assert caller.user_agent.startswith("AmazonEventBridgeScheduler")


def test_a_schedules_rate_begins_at_once_or_at_its_start(world):
    schedule(world, "now", target={"Input": '{"cpu": "1"}'})
    schedule(world, "later", start=START + timedelta(minutes=20), end=START + timedelta(minutes=90))
    world.clock.run(hours=3)
    assert world.times() == [
        f"23T{time}:00" for time in ("00:00", "00:20", "01:00", "01:20", "02:00", "03:00")
    ]


def test_a_schedule_that_is_over_stays_or_goes_as_it_says(world):
    schedule(world, "stays", "at(2026-11-23T01:00:00)")
    schedule(world, "goes", "at(2026-11-23T01:00:00)", action_after_completion="DELETE")
    schedule(world, "past", "at(2026-11-22T01:00:00)", action_after_completion="DELETE")
    schedule(world, "goes-on", "cron(0 1 * * ? *)", action_after_completion="DELETE")
    world.clock.run(hours=2)
    assert world.times() == ["23T01:00:00"] * 3
    assert {name for _, name in world.schedules.schedules} == {"stays", "past", "goes-on"}


def test_ecs_parameters_become_a_run_task_request(world):
    parameters = {
        **ECS,
        "TaskCount": 3,
        "LaunchType": "FARGATE",
        "PlatformVersion": "LATEST",
        "Group": "night",
        "NetworkConfiguration": {
            "awsvpcConfiguration": {"Subnets": ["subnet-a"], "AssignPublicIp": "DISABLED"}
        },
        "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
        "PlacementConstraints": [{"type": "memberOf", "expression": "x"}],
        "EnableECSManagedTags": True,
        "EnableExecuteCommand": False,
        "PropagateTags": "TASK_DEFINITION",
        "ReferenceId": "r",
        "Tags": [{"Key": "Team", "Value": "Blue"}],
    }
    expected = {
        "cluster": CLUSTER,
        "taskDefinition": ECS["TaskDefinitionArn"],
        "count": 3,
        "launchType": "FARGATE",
        "platformVersion": "LATEST",
        "group": "night",
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": ["subnet-a"], "assignPublicIp": "DISABLED"}
        },
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
        "placementConstraints": [{"type": "memberOf", "expression": "x"}],
        "enableECSManagedTags": True,
        "enableExecuteCommand": False,
        "propagateTags": "TASK_DEFINITION",
        "referenceId": "r",
        "tags": [{"key": "Team", "value": "Blue"}],
    }
    rule(world, {**TARGET, "EcsParameters": parameters})
    schedule(world, target={"EcsParameters": parameters}, start=START + HOUR)
    world.clock.run(hours=1)
    for body in world.bodies():
        assert {name: body[name] for name in expected} == expected
        assert set(body) - set(expected) <= {"startedBy", "clientToken"}


def test_started_by_is_cut_at_36_characters(world):
    name = "gold-coast-data-lake-of-the-whole-north"
    rule(world, name=name)
    schedule(world, name, start=START + HOUR)
    world.clock.run(hours=1)
    assert [body["startedBy"] for body in world.bodies()] == [
        "events-rule/gold-coast-data-lake-of-",
        "chronos-schedule/gold-coast-data-lak",
    ]


OVERRIDES = {"containerOverrides": [{"name": "app", "environment": [{"name": "DAY", "value": "today"}]}]}


@pytest.mark.parametrize(
    ("given", "overrides"),
    [
        ({"Input": json.dumps(OVERRIDES)}, OVERRIDES),
        ({"Input": json.dumps({**OVERRIDES, "who": "me"})}, OVERRIDES),
        ({"Input": "{}"}, None),
        # The whole event is the input, and has no overrides in it.
        ({}, None),
        ({"InputPath": "$.detail"}, None),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"at": "$.time", "from": "$.resources[0]", "none": "$.detail.none"},
                    "InputTemplate": '{"containerOverrides": [{"name": "app", "command": '
                    '[<at>, "of <from><none>", "<aws.events.rule-name>", <aws.events.rule-arn>]}]}',
                }
            },
            {
                "containerOverrides": [
                    {
                        "name": "app",
                        "command": [
                            "2026-11-23T01:00:00Z",
                            "of arn:aws:events:ap-northeast-1:123456789012:rule/nightly",
                            "nightly",
                            "arn:aws:events:ap-northeast-1:123456789012:rule/nightly",
                        ],
                    }
                ]
            },
        ),
    ],
)
def test_a_rules_input_becomes_overrides(world, given, overrides):
    rule(world, {**TARGET, **given})
    world.clock.run(hours=1)
    assert world.bodies()[0].get("overrides") == overrides


def test_an_input_that_is_no_json_is_dropped(world):
    rule(world, {**TARGET, "Input": "today"})
    world.clock.run(hours=1)
    assert world.calls == []
    (letter,) = world.schedules.deliveries.dead_letters
    assert letter.last.error.code == "SDK_CLIENT_ERROR"


def test_a_schedules_context_attributes_are_replaced_anew_in_each_attempt(world):
    command = [
        f"<aws.scheduler.{name}>"
        for name in ("schedule-arn", "scheduled-time", "attempt-number", "execution-id")
    ]
    overrides = {"containerOverrides": [{"name": "app", "command": command}]}
    schedule(world, target={"Input": json.dumps(overrides)}, expression="at(2026-11-23T03:00:00)")
    world.errors = [EcsError("ServerException", "x", 500)]
    world.clock.run(hours=4)
    first, second = (body["overrides"]["containerOverrides"][0]["command"] for body in world.bodies())
    arn = "arn:aws:scheduler:ap-northeast-1:123456789012:schedule/default/nightly"
    assert first[:3] == [arn, "2026-11-23T03:00:00Z", "1"]
    assert second[:3] == [arn, "2026-11-23T03:00:00Z", "2"]
    assert first[3] != second[3]
    assert "<" not in first[3]


def test_a_universal_target_sends_its_own_request_and_nothing_else(world):
    given = {
        "Cluster": "batch",
        "TaskDefinition": "nightly",
        "Count": 2,
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-a"]}},
        "Overrides": {
            "ContainerOverrides": [{"Name": "app", "Environment": [{"Name": "DAY", "Value": "Today"}]}]
        },
        "Tags": [{"Key": "at", "Value": "<aws.scheduler.scheduled-time>"}],
        "EnableECSManagedTags": True,
    }
    target = {"Arn": UNIVERSAL, "RoleArn": ROLE, "Input": json.dumps(given)}
    world.schedules.create_schedule("own", expression="rate(1 hour)", target=target)
    world.clock.run(hours=1)
    first, second = world.bodies()
    assert first.pop("clientToken") != second.pop("clientToken")
    assert first == {
        "cluster": "batch",
        "taskDefinition": "nightly",
        "count": 2,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"]}},
        "overrides": {
            "containerOverrides": [{"name": "app", "environment": [{"name": "DAY", "value": "Today"}]}]
        },
        "tags": [{"key": "at", "value": "2026-11-23T00:00:00Z"}],
        "enableECSManagedTags": True,
    }


def test_a_universal_target_may_name_its_own_mark_and_token(world):
    given = {"TaskDefinition": "nightly", "StartedBy": "me", "ClientToken": "mine"}
    target = {"Arn": UNIVERSAL, "RoleArn": ROLE, "Input": json.dumps(given)}
    world.schedules.create_schedule("own", expression="rate(1 hour)", target=target)
    world.clock.run(minutes=1)
    assert world.bodies() == [{"taskDefinition": "nightly", "startedBy": "me", "clientToken": "mine"}]


def test_an_answer_with_failures_is_delivered(world):
    rule(world, expression="cron(0 1 * * ? *)")
    seen = []
    world.schedules.deliveries.on_delivery.append(seen.append)
    world.clock.run(hours=20)
    assert len(world.calls) == 1
    assert [(one.attempt, one.error, one.retry_at) for one in seen] == [(1, None, None)]
    assert world.schedules.deliveries.dead_letters == []


def server_errors(number):
    return [EcsError("ServerException", "Service Unavailable.", 500) for _ in range(number)]


@pytest.mark.parametrize("make", [rule, schedule])
@pytest.mark.parametrize("error", [server_errors(1)[0], EcsError("ThrottlingException", "Rate exceeded")])
def test_what_may_pass_is_tried_again_with_growing_waits(world, make, error):
    make(world, expression="cron(0 1 * * ? *)")
    world.errors = [error] * 4
    world.clock.run(hours=2)
    assert len(world.calls) == 5
    waits = [(after[0] - before[0]).total_seconds() for before, after in itertools.pairwise(world.calls)]
    for wait, longest in zip(waits, (1, 2, 4, 8), strict=True):
        assert longest / 2 <= wait <= longest
    assert world.schedules.deliveries.dead_letters == []


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "InvalidParameterException", "ClusterNotFoundException"]
)
def test_what_stays_is_dropped_or_goes_to_the_dead_letters(world, code):
    queue = "arn:aws:sqs:ap-northeast-1:123456789012:dead"
    rule(world, {**TARGET, "DeadLetterConfig": {"Arn": queue}}, expression="cron(0 1 * * ? *)")
    rule(world, name="dropped", expression="cron(0 1 * * ? *)")
    world.errors = [EcsError(code, "no"), EcsError(code, "no")]
    world.clock.run(hours=3)
    assert len(world.calls) == 2
    letters = world.schedules.deliveries.dead_letters
    assert [(letter.queue, letter.last.error.code, letter.last.attempt) for letter in letters] == [
        (queue, code, 1),
        (None, code, 1),
    ]


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        ({"MaximumRetryAttempts": 0}, 1),
        ({"MaximumRetryAttempts": 3}, 4),
        ({"MaximumRetryAttempts": 185}, 186),
    ],
)
def test_its_retry_policy_limits_the_attempts(world, policy, attempts):
    policy = {"MaximumEventAgeInSeconds": 10**9, **policy}
    rule(world, {**TARGET, "RetryPolicy": policy}, expression="cron(0 1 23 11 ? 2026)")
    world.errors = server_errors(500)
    world.clock.run(days=3)
    assert len(world.calls) == attempts
    assert world.schedules.deliveries.dead_letters[0].last.attempt == attempts


def test_its_retry_policy_limits_the_age(world):
    rule(
        world,
        {**TARGET, "RetryPolicy": {"MaximumEventAgeInSeconds": 60}},
        expression="cron(0 1 23 11 ? 2026)",
    )
    schedule(world, expression="at(2026-11-23T12:00:00)")
    world.errors = server_errors(500)
    world.clock.run(hours=11)
    assert 5 <= len(world.calls) <= 8
    assert world.calls[-1][0] <= START + HOUR + timedelta(seconds=60)
    world.clock.run(days=3)
    # By default 24 hours, in which about as many attempts fit as there may be.
    assert 150 < world.schedules.deliveries.dead_letters[-1].last.attempt <= 186
    assert world.calls[-1][0] <= START + timedelta(hours=36)


def test_a_disabled_rule_or_schedule_is_never_due_until_it_is_enabled(world):
    rule(world, state="DISABLED")
    schedule(world, state="DISABLED")
    world.clock.run(minutes=90)
    assert world.calls == []
    world.schedules.set_rule_state("nightly", "ENABLED")
    world.clock.run(minutes=60)
    assert world.times() == ["23T02:00:00"]
    world.schedules.set_rule_state("nightly", "DISABLED")
    world.clock.run(hours=3)
    assert len(world.calls) == 1


def test_what_is_put_again_is_replaced_but_keeps_its_targets(world):
    rule(world, expression="rate(1 hour)")
    world.clock.run(minutes=30)
    world.schedules.put_rule("nightly", expression="rate(2 hours)")
    world.clock.run(hours=3)
    assert world.times() == ["23T02:30:00"]


def test_targets_are_added_replaced_and_removed(world):
    rule(world)
    two = {**TARGET, "Id": "2", "EcsParameters": {**ECS, "TaskCount": 2}}
    world.schedules.put_targets("nightly", [two])
    world.clock.run(hours=1)
    world.schedules.put_targets("nightly", [{**TARGET, "EcsParameters": {**ECS, "TaskCount": 7}}])
    world.schedules.remove_targets("nightly", ["2", "unknown"])
    world.clock.run(hours=1)
    assert [body["count"] for body in world.bodies()] == [1, 2, 7]


def test_what_is_deleted_is_never_due_again(world):
    rule(world)
    schedule(world)
    world.clock.run(minutes=30)
    world.schedules.delete_schedule("nightly")
    with pytest.raises(AwsError, match="since it has targets"):
        world.schedules.delete_rule("nightly")
    world.schedules.remove_targets("nightly", ["1"])
    world.schedules.delete_rule("nightly")
    world.schedules.delete_rule("nightly")
    world.clock.run(hours=3)
    assert world.times() == ["23T00:00:00"]
    with pytest.raises(AwsError, match="Schedule nightly does not exist") as error:
        world.schedules.delete_schedule("nightly")
    assert (error.value.code, error.value.status) == ("ResourceNotFoundException", 404)


def test_an_update_replaces_everything_and_remembers_when(world):
    made = schedule(world, expression="cron(0 5 * * ? *)", description="x")
    world.clock.run(hours=1)
    target = dict(made.target)
    changed = world.schedules.update_schedule("nightly", expression="cron(0 3 * * ? *)", target=target)
    assert (changed.created, changed.last_modification) == (START, START + HOUR)
    assert (made.last_modification, changed.description) == (START, "")
    world.clock.run(hours=9)
    assert world.times() == ["23T03:00:00"]


def test_a_bad_update_leaves_the_schedule_as_it_was(world):
    made = schedule(world, expression="cron(0 5 * * ? *)")
    with pytest.raises(AwsError, match="Invalid Schedule Expression"):
        world.schedules.update_schedule("nightly", expression="never", target=made.target)
    world.clock.run(hours=9)
    assert world.times() == ["23T05:00:00"]


def test_a_flexible_schedule_calls_within_its_window_and_knows_its_time():
    lates = set()
    for seed in range(5):
        world = World(seed)
        overrides = '{"cpu": "<aws.scheduler.scheduled-time>"}'
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
        schedule(
            world, expression="cron(0 1 * * ? *)", target={"Input": overrides}, flexible_time_window=window
        )
        world.clock.run(hours=2)
        ((when, body, _),) = world.calls
        assert body["overrides"] == {"cpu": "2026-11-23T01:00:00Z"}
        assert START + HOUR <= when <= START + HOUR + timedelta(minutes=15)
        lates.add(when)
    assert len(lates) == 5


def test_calls_may_come_late_within_the_minute(world):
    world.schedules.delay = timedelta(seconds=40)
    rule(world)
    world.clock.run(hours=2)
    assert world.times() == ["23T01:00:40"]
    world.clock.run(minutes=1)
    assert world.times() == ["23T01:00:40", "23T02:00:40"]


def test_no_call_is_left_out_because_the_one_before_was_late(world):
    world.schedules.delay = timedelta(seconds=90)
    rule(world, expression="rate(1 minute)")
    schedule(world, expression="rate(1 minute)")
    world.clock.run(minutes=5)
    marks = [body["startedBy"].partition("/")[0] for body in world.bodies()]
    assert (marks.count("events-rule"), marks.count("chronos-schedule")) == (3, 4)


def test_a_timer_that_can_no_longer_be_cancelled_calls_for_nothing_that_has_changed(world, monkeypatch):
    monkeypatch.setattr(Timer, "cancel", lambda timer: None)
    rule(world, name="changed", expression="cron(0 1 * * ? *)")
    rule(world, name="gone", expression="cron(0 1 * * ? *)")
    for name in ("changed", "gone"):
        schedule(world, name, expression="cron(0 1 * * ? *)")
    world.clock.run(minutes=30)
    world.schedules.put_rule("changed", expression="cron(0 5 * * ? *)")
    target = world.schedules.schedule("changed").target
    world.schedules.update_schedule("changed", expression="cron(0 5 * * ? *)", target=target)
    world.schedules.remove_targets("gone", ["1"])
    world.schedules.delete_rule("gone")
    world.schedules.delete_schedule("gone")
    world.clock.run(hours=5)
    assert world.times() == ["23T05:00:00"] * 2


def test_an_event_triggers_the_rules_whose_pattern_it_matches(world):
    pattern = {"source": ["shop"], "detail": {"kind": ["order"]}}
    rule(world, {**TARGET, "InputPath": "$.detail.overrides"}, expression=None, pattern=pattern)
    event = {"source": "shop", "time": "x", "detail": {"kind": "order", "overrides": {"cpu": "1", "x": 1}}}
    world.schedules.take_event(event)
    world.schedules.take_event({**event, "source": "bank"})
    assert [body["overrides"] for body in world.bodies()] == [{"cpu": "1"}]
    world.schedules.set_rule_state("nightly", "DISABLED")
    world.schedules.take_event(event)
    assert len(world.calls) == 1


def test_ecs_parameters_of_a_rule_may_be_paths_into_the_event(world):
    parameters = {"TaskDefinitionArn": "$.detail.definition", "Group": "$.detail.none"}
    rule(world, {**TARGET, "EcsParameters": parameters}, expression=None, pattern={"source": ["shop"]})
    world.schedules.take_event({"source": "shop", "detail": {"definition": "nightly:7"}})
    assert world.bodies()[0]["taskDefinition"] == "nightly:7"
    assert world.bodies()[0]["group"] is None


def test_functions_are_targets_too_and_others_are_kept_but_not_called(world):
    queue = "arn:aws:sqs:ap-northeast-1:123456789012:queue"
    rule(world, {"Id": "1", "Arn": FUNCTION})
    world.schedules.put_targets("nightly", [{"Id": "2", "Arn": queue}])
    report = {"Arn": FUNCTION, "RoleArn": ROLE, "Input": '{"a": "<aws.scheduler.attempt-number>"}'}
    world.schedules.create_schedule("f", expression="at(2026-11-23T00:30:00)", target=report)
    world.schedules.create_schedule("q", expression="rate(1 hour)", target={"Arn": queue, "RoleArn": ROLE})
    world.clock.run(hours=1)
    assert world.calls == []
    (_, own), (arn, event) = world.invoked
    assert own == {"a": "1"}
    assert arn == FUNCTION
    assert (event["detail-type"], event["source"], event["time"]) == (
        "Scheduled Event", "aws.events", "2026-11-23T01:00:00Z",
    )  # fmt: skip
    assert event["resources"] == ["arn:aws:events:ap-northeast-1:123456789012:rule/nightly"]


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({"expression": None}, "ValidationException", "must be specified"),
        ({"name": "a b"}, "ValidationException", "'name'"),
        ({"name": "x" * 65}, "ValidationException", "'name'"),
        ({"bus": "other"}, "ResourceNotFoundException", "Event bus other"),
        ({"expression": None, "pattern": {"a": "x"}}, "InvalidEventPatternException", "not valid"),
        *(
            ({"expression": expression}, "ValidationException", "ScheduleExpression is not valid")
            for expression in (
                "at(2026-11-24T00:00:00)", "rate(1 hours)", "rate(5 hour)", "rate(0 minutes)", "cron(0 1 * * * *)", "x",
            )
        ),
    ],
)  # fmt: skip
def test_refuses_rules_that_eventbridge_refuses(world, options, code, text):
    with pytest.raises(AwsError, match=text) as error:
        world.schedules.put_rule(**{"name": "nightly", "expression": "rate(1 hour)", **options})
    assert error.value.code == code
    assert world.schedules.rules == {}


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"Id": "1", "Arn": CLUSTER, "EcsParameters": ECS}, "RoleArn is required"),
        ({"Id": "1", "Arn": CLUSTER, "RoleArn": ROLE}, "EcsParameters"),
        ({**TARGET, "Input": "{}", "InputPath": "$"}, "Only one of"),
    ],
)
def test_refuses_targets_that_eventbridge_refuses(world, target, text):
    world.schedules.put_rule("nightly", expression="rate(1 hour)")
    with pytest.raises(AwsError, match=text):
        world.schedules.put_targets("nightly", [target])
    with pytest.raises(AwsError, match="maximum number") as error:
        world.schedules.put_targets("nightly", [{**TARGET, "Id": str(number)} for number in range(6)])
    assert error.value.code == "LimitExceededException"
    assert world.schedules.rule("nightly").targets == ()


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({"name": "a b"}, "ValidationException", "'name'"),
        ({"name": "taken"}, "ConflictException", "already exists"),
        ({"group": "nowhere"}, "ResourceNotFoundException", "group nowhere"),
        ({"expression": "rate(0 hours)"}, "ValidationException", "Invalid Schedule Expression"),
        ({"timezone": "Tokyo"}, "ValidationException", "ScheduleExpressionTimezone"),
        ({"flexible_time_window": {"Mode": "FLEXIBLE"}}, "ValidationException", "MaximumWindowInMinutes"),
        (
            {"flexible_time_window": {"Mode": "OFF", "MaximumWindowInMinutes": 5}},
            "ValidationException",
            "MaximumWindowInMinutes",
        ),
        ({"target": {"RoleArn": None}}, "ValidationException", "target.RoleArn"),
        (
            {"target": {"EcsParameters": None, "Input": '{"VAR1": "x"}'}},
            "ValidationException",
            "TaskOverride",
        ),
        ({"target": {"Input": "today"}}, "ValidationException", "TaskOverride"),
        ({"target": {"Arn": UNIVERSAL}}, "ValidationException", "missing field TaskDefinition"),
        (
            {"target": {"Arn": UNIVERSAL, "Input": '{"taskDefinition": "nightly"}'}},
            "ValidationException",
            "missing field TaskDefinition",
        ),
    ],
)
def test_refuses_schedules_that_scheduler_refuses(world, options, code, text):
    schedule(world, "taken")
    with pytest.raises(AwsError, match=text) as error:
        schedule(world, **options)
    assert error.value.code == code
    assert len(world.schedules.schedules) == 1


def test_the_same_calls_give_the_same_world():
    told = []
    for _ in range(2):
        world = World()
        schedule(world, target={"Input": '{"cpu": "<aws.scheduler.execution-id>"}'})
        rule(world)
        world.errors = server_errors(3)
        world.clock.run(hours=3)
        told.append(world.calls)
    assert told[0] == told[1]
