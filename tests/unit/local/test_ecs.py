"""The model of ECS answers, refuses, places and ages tasks as ECS does.

The wordings in the tables are those that people quoted from ECS; each row has the address. What has
no address is a rule of the API reference whose wording nobody quoted.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from retry_run_task.local.cloudtrail.records import ApiCall, rule_caller
from retry_run_task.local.ecs.capacity import Capacity, Share, TokenBucket, providers_for
from retry_run_task.local.ecs.service import NO_CAPACITY, NO_VCPUS, Ecs, EcsError, Lifecycle

Json = dict[str, Any]

ACCOUNT, REGION = "123456789012", "us-east-1"
START = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch"
SUBNETS = ["subnet-a", "subnet-b", "subnet-c"]
NETWORK = {"awsvpcConfiguration": {"subnets": SUBNETS, "securityGroups": ["sg-1"]}}


@dataclass
class World:
    """ECS and a clock that stands still until it is moved."""

    time: datetime = START
    seed: int = 0
    ecs: Ecs = field(init=False)

    def __post_init__(self) -> None:
        self.ecs = Ecs(account=ACCOUNT, region=REGION, now=lambda: self.time, seed=self.seed)
        self.ecs.run_task_rate = TokenBucket(rate=None)
        self.ecs.read_rate = TokenBucket(rate=None)
        self.ecs.capacity.launch_rates.clear()
        self.ecs.create_cluster("batch")
        self.ecs.register_task_definition("nightly")
        for subnet, zone in zip(SUBNETS, ZONES, strict=True):
            self.ecs.add_subnet(subnet, zone)

    def run(self, **members: Any) -> Json:
        return self.ecs.run_task(request(**members))

    def fill(self, provider: str = "FARGATE", /, **slots: int | None) -> None:
        for letter, free in slots.items():
            self.ecs.capacity.set(f"us-east-1{letter}", provider, free)

    def wait(self, **duration: float) -> None:
        self.time += timedelta(**duration)
        self.ecs.advance()

    def status(self, arn: str) -> str:
        answer = self.ecs.describe_tasks({"cluster": "batch", "tasks": [arn]})
        return str(answer["tasks"][0]["lastStatus"] if answer["tasks"] else answer["failures"][0]["reason"])


def request(**members: Any) -> Json:
    body = {
        "cluster": "batch",
        "taskDefinition": "nightly",
        "launchType": "FARGATE",
        "networkConfiguration": NETWORK,
    }
    return {name: value for name, value in (body | members).items() if value is not None}


@pytest.fixture
def world() -> World:
    return World()


def arns(answer: Json) -> list[str]:
    return [task["taskArn"] for task in answer["tasks"]]


def raised(world: World, body: Json) -> EcsError:
    with pytest.raises(EcsError) as caught:
        world.ecs.run_task(body)
    return caught.value


def test_an_accepted_task_is_answered_as_ecs_does(world: World) -> None:
    """The members, and the values that do not depend on the request, are those of a recorded answer.

    https://github.com/aws-samples/sample-auto-map-tagger/blob/main/tests/fixtures/runtask-cloudtrail-event.json
    """
    world.fill(b=0, c=0)
    answer = world.run()
    task = answer["tasks"][0]
    container = task["containers"][0]
    attachment = task["attachments"][0]
    assert answer["failures"] == []
    assert task == {
        "attachments": [
            {
                "id": attachment["id"],
                "type": "ElasticNetworkInterface",
                "status": "PRECREATED",
                "details": [{"name": "subnetId", "value": "subnet-a"}],
            }
        ],
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": "us-east-1a",
        "clusterArn": CLUSTER_ARN,
        "containers": [
            {
                "containerArn": container["containerArn"],
                "taskArn": task["taskArn"],
                "name": "app",
                "image": container["image"],
                "lastStatus": "PENDING",
                "networkInterfaces": [],
                "cpu": "0",
            }
        ],
        "cpu": "256",
        "createdAt": START.timestamp(),
        "desiredStatus": "RUNNING",
        "enableExecuteCommand": False,
        "group": "family:nightly",
        "lastStatus": "PROVISIONING",
        "launchType": "FARGATE",
        "memory": "512",
        "overrides": {"containerOverrides": [{"name": "app"}], "inferenceAcceleratorOverrides": []},
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "tags": [],
        "taskArn": task["taskArn"],
        "taskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/nightly:1",
        "version": 1,
        "ephemeralStorage": {"sizeInGiB": 20},
        "fargateEphemeralStorage": {"sizeInGiB": 20},
    }
    assert task["taskArn"].startswith(f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/")
    assert container["containerArn"].startswith(task["taskArn"].replace(":task/", ":container/", 1) + "/")
    assert len(task["taskArn"].rsplit("/", 1)[1]) == 32


def test_what_was_asked_for_is_in_the_task(world: World) -> None:
    environment = [{"name": "SECRET", "value": "canary"}]
    task = world.run(
        startedBy="events-rule/nightly",
        group="jobs",
        enableExecuteCommand=True,
        enableECSManagedTags=True,
        tags=[{"key": "team", "value": "a"}],
        overrides={
            "cpu": "1024",
            "memory": "2048",
            "taskRoleArn": "arn:aws:iam::123456789012:role/task",
            "ephemeralStorage": {"sizeInGiB": 50},
            "containerOverrides": [{"name": "app", "environment": environment, "command": ["run"]}],
        },
    )["tasks"][0]
    assert (task["startedBy"], task["group"], task["enableExecuteCommand"]) == (
        "events-rule/nightly",
        "jobs",
        True,
    )
    assert (task["cpu"], task["memory"]) == ("1024", "2048")
    assert task["ephemeralStorage"] == {"sizeInGiB": 50}
    assert task["overrides"]["containerOverrides"] == [
        {"name": "app", "environment": environment, "command": ["run"]}
    ]
    assert task["overrides"]["taskRoleArn"] == "arn:aws:iam::123456789012:role/task"
    assert task["tags"] == [
        {"key": "team", "value": "a"},
        {"key": "aws:ecs:clusterName", "value": "batch"},
    ]


def test_every_container_is_named_in_the_overrides(world: World) -> None:
    """As in the documented event: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html."""
    world.ecs.register_task_definition("pair", containers=("web", "collector"))
    overrides = {"containerOverrides": [{"name": "collector", "memory": 128}], "cpu": None}
    task = world.run(taskDefinition="pair", overrides=overrides)["tasks"][0]
    assert task["overrides"]["containerOverrides"] == [
        {"name": "web"},
        {"name": "collector", "memory": 128},
    ]
    assert "cpu" not in task["overrides"]


def test_an_answer_belongs_to_the_caller_and_not_to_the_model(world: World) -> None:
    overrides = {
        "containerOverrides": [{"name": "app", "command": ["a"]}],
        "ephemeralStorage": {"sizeInGiB": 30},
    }
    body = request(overrides=overrides, tags=[{"key": "k"}])
    answer = world.ecs.run_task(body)
    task = answer["tasks"][0]
    body["overrides"]["containerOverrides"][0]["command"].append("b")
    body["overrides"]["ephemeralStorage"]["sizeInGiB"] = 40
    body["tags"][0]["key"] = "y"
    task["overrides"]["containerOverrides"][0]["command"].append("c")
    task["tags"][0]["key"] = "x"
    again = world.ecs.describe_tasks({"cluster": "batch", "tasks": arns(answer), "include": ["TAGS"]})
    assert again["tasks"][0]["overrides"]["containerOverrides"] == [{"name": "app", "command": ["a"]}]
    assert again["tasks"][0]["overrides"]["ephemeralStorage"] == {"sizeInGiB": 30}
    assert again["tasks"][0]["tags"] == [{"key": "k"}]


def test_answers_have_only_members_that_botocore_knows(world: World) -> None:
    """And of the right types: the parser would drop or refuse the rest without a word."""
    model = botocore.session.get_session().get_service_model("ecs")
    world.ecs.register_task_definition("on-ec2", requires=("EC2",), network_mode="bridge")
    world.fill(a=1, b=0, c=0)
    answers = [
        ("RunTask", world.run(count=2, tags=[{"key": "a", "value": "b"}])),
        ("RunTask", world.run(taskDefinition="on-ec2", launchType="EC2", networkConfiguration=None)),
    ]
    task = answers[0][1]["tasks"][0]["taskArn"]
    body = {"cluster": "batch", "tasks": [task, "missing"], "include": ["TAGS"]}
    for _ in range(4):
        answers.append(("DescribeTasks", world.ecs.describe_tasks(body)))
        world.wait(seconds=200)
    answers += [
        ("ListTasks", world.ecs.list_tasks({"cluster": "batch", "maxResults": 1})),
        ("StopTask", world.ecs.stop_task({"cluster": "batch", "task": task})),
        ("ListClusters", world.ecs.list_clusters({})),
        ("DescribeClusters", world.ecs.describe_clusters({"clusters": ["batch", "x"]})),
        ("DescribeTaskDefinition", world.ecs.describe_task_definition({"taskDefinition": "nightly"})),
    ]
    for operation, answer in answers:
        shape = model.operation_model(operation).output_shape
        assert shape is not None
        assert_known(answer, shape, operation)
        assert ParamValidator().validate(answer, shape).generate_report() == ""


def assert_known(value: Any, shape: Any, path: str) -> None:
    if shape.type_name == "structure":
        for name, member in value.items():
            assert name in shape.members, f"{path}.{name}"
            assert_known(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for element in value:
            assert_known(element, shape.member, f"{path}[]")


LONG = "x" * 8192
REFUSALS: list[tuple[str, Json, str, str]] = [
    # https://github.com/fabfuel/ecs-deploy (tests quote AWS)
    ("unknown cluster", {"cluster": "other"}, "ClusterNotFoundException", "Cluster not found."),
    (
        "cluster of another Region",
        {"cluster": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/batch"},
        "ClusterNotFoundException",
        "Cluster not found.",
    ),
    # https://github.com/uktrade/platform-tools (tests quote AWS)
    (
        "cluster of another account",
        {"cluster": f"arn:aws:ecs:{REGION}:999999999999:cluster/batch"},
        "InvalidParameterException",
        "AccountIDs mismatch",
    ),
    ("no default cluster", {"cluster": None}, "ClusterNotFoundException", "Cluster not found."),
    # https://github.com/remind101/empire/issues/353
    ("unknown family", {"taskDefinition": "x"}, "ClientException", "TaskDefinition not found."),
    ("unknown revision", {"taskDefinition": "nightly:2"}, "ClientException", "TaskDefinition not found."),
    (
        "revision that is no number",
        {"taskDefinition": "nightly:x"},
        "ClientException",
        "TaskDefinition not found.",
    ),
    # https://github.com/DefangLabs/defang/pull/775
    (
        "inactive revision",
        {"taskDefinition": "old:1"},
        "InvalidParameterException",
        "TaskDefinition is inactive",
    ),
    ("only inactive revisions", {"taskDefinition": "old"}, "ClientException", "TaskDefinition not found."),
    # Seen for CreateService.
    (
        "no task definition",
        {"taskDefinition": None},
        "InvalidParameterException",
        "TaskDefinition can not be blank.",
    ),
    ("count 0", {"count": 0}, "InvalidParameterException", "count must be between 1 and 10."),
    ("count 11", {"count": 11}, "InvalidParameterException", "count must be between 1 and 10."),
    ("count -1", {"count": -1}, "InvalidParameterException", "count must be between 1 and 10."),
    # https://github.com/terraform-linters/tflint-ruleset-aws/issues/349
    (
        "launch type and strategy",
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
        "InvalidParameterException",
        (
            "Specifying both a launch type and capacity provider strategy is not supported. "
            "Remove one and try again."
        ),
    ),
    ("launch type", {"launchType": "MOON"}, "InvalidParameterException", "launchType is not valid."),
    # https://github.com/dask/dask-cloudprovider/issues/328
    (
        "provider of another cluster",
        {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "asg"}]},
        "InvalidParameterException",
        (
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated "
            "with the cluster. Associate the capacity provider with the cluster or specify a valid capacity "
            "provider and try again."
        ),
    ),
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
    (
        "two providers without weight",
        {
            "launchType": None,
            "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE"},
                {"capacityProvider": "FARGATE_SPOT"},
            ],
        },
        "InvalidParameterException",
        "At least one capacity provider must have a weight greater than 0.",
    ),
    (
        "two bases",
        {
            "launchType": None,
            "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
                {"capacityProvider": "FARGATE_SPOT", "base": 1, "weight": 1},
            ],
        },
        "InvalidParameterException",
        "Only one capacity provider in a capacity provider strategy can have a base defined.",
    ),
    *(
        (
            "weight or base out of range",
            {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "FARGATE"} | item]},
            "InvalidParameterException",
            "The weight or base of a capacity provider strategy item is out of range.",
        )
        for item in ({"weight": 1001}, {"weight": -1}, {"base": 100_001}, {"base": -1})
    ),
    (
        "21 providers",
        {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}] * 21},
        "InvalidParameterException",
        "capacityProviderStrategy can have at most 20 items.",
    ),
    (
        "Fargate and instances",
        {
            "cluster": "mixed",
            "launchType": None,
            "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "weight": 1},
                {"capacityProvider": "asg", "weight": 1},
            ],
        },
        "InvalidParameterException",
        (
            "A capacity provider strategy cannot contain a mix of capacity providers "
            "using Auto Scaling groups and Fargate providers."
        ),
    ),
    # https://github.com/fabfuel/ecs-deploy/issues/133
    (
        "awsvpc without network",
        {"networkConfiguration": None},
        "InvalidParameterException",
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    (
        "empty network",
        {"networkConfiguration": {}},
        "InvalidParameterException",
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    # https://github.com/muya/amazon-ecs-run-task/issues/7
    (
        "network without awsvpc",
        {"taskDefinition": "on-ec2", "launchType": "EC2"},
        "InvalidParameterException",
        "Network Configuration is not valid for the given networkMode of this task definition.",
    ),
    # https://github.com/eddmann/serverless-fargate/issues/20
    (
        "unknown subnet",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-x"]}}},
        "InvalidParameterException",
        (
            "Error retrieving subnet information for [subnet-x]: The subnet ID 'subnet-x' does not exist "
            "(ErrorCode: InvalidSubnetID.NotFound)"
        ),
    ),
    # https://github.com/opensearch-project/opensearch-migrations/issues/1430
    (
        "17 subnets",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"] * 17}}},
        "InvalidParameterException",
        "subnets can have at most 16 items.",
    ),
    (
        "6 security groups",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": SUBNETS, "securityGroups": ["sg"] * 6}}},
        "InvalidParameterException",
        "securityGroups can have at most 5 items.",
    ),
    # https://github.com/convox/rack/issues/1906
    (
        "long overrides",
        {"overrides": {"containerOverrides": [{"name": "app", "command": [LONG]}]}},
        "InvalidParameterException",
        "Container Overrides length must be at most 8192",
    ),
    # https://github.com/azavea/django-ecsmanage/issues/21
    (
        "override of no container",
        {"overrides": {"containerOverrides": [{"name": "django"}]}},
        "InvalidParameterException",
        "Override for container named django is not a container in the TaskDefinition.",
    ),
    # https://github.com/convox/rack/issues/1727, when the limit was 36
    ("long startedBy", {"startedBy": "x" * 129}, "InvalidParameterException", "startedBy longer than 128."),
    (
        "startedBy",
        {"startedBy": "a:b"},
        "InvalidParameterException",
        "startedBy contains invalid characters.",
    ),
    (
        "startedBy",
        {"startedBy": "a b"},
        "InvalidParameterException",
        "startedBy contains invalid characters.",
    ),
    (
        "51 tags",
        {"tags": [{"key": f"k{n}"} for n in range(51)]},
        "InvalidParameterException",
        "tags can have at most 50 items.",
    ),
    # https://github.com/aws/amazon-ecs-agent/issues/1704
    (
        "aws: tag",
        {"tags": [{"key": "aws:x"}]},
        "InvalidParameterException",
        "Tag key must not start with aws:",
    ),
    (
        "AWS: tag",
        {"tags": [{"key": "AWS:x"}]},
        "InvalidParameterException",
        "Tag key must not start with aws:",
    ),
    # https://github.com/PrefectHQ/prefect/issues/13174
    (
        "tag",
        {"tags": [{"key": "a{b}"}]},
        "InvalidParameterException",
        "Some tags contain invalid characters.",
    ),
    (
        "tag value",
        {"tags": [{"key": "a", "value": "b" * 257}]},
        "InvalidParameterException",
        "Some tags contain invalid characters.",
    ),
    (
        "one tag twice",
        {"tags": [{"key": "a"}, {"key": "a"}]},
        "InvalidParameterException",
        "Duplicate tag keys are not allowed.",
    ),
    (
        "tags of a service",
        {"propagateTags": "SERVICE"},
        "InvalidParameterException",
        "Tags can only be propagated from the task definition when running a task.",
    ),
    # https://github.com/GetSimpl/cloudlift/pull/138
    (
        "constraint on Fargate",
        {"placementConstraints": [{"type": "distinctInstance"}]},
        "InvalidParameterException",
        "Placement constraints are not supported with FARGATE launch type.",
    ),
    # https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2369
    (
        "strategy on Fargate",
        {"placementStrategy": [{"type": "random"}]},
        "InvalidParameterException",
        "Placement strategies are not supported with FARGATE launch type.",
    ),
    (
        "constraint on Spot",
        {
            "launchType": None,
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
            "placementConstraints": [{"type": "distinctInstance"}],
        },
        "InvalidParameterException",
        "Placement constraints are not supported with FARGATE launch type.",
    ),
    # https://github.com/aws/aws-cli/issues/3983
    (
        "EC2 definition on Fargate",
        {"taskDefinition": "on-ec2", "networkConfiguration": None},
        "InvalidParameterException",
        "Task definition does not support launch_type FARGATE.",
    ),
    # https://github.com/jenkinsci/amazon-ecs-plugin/issues/218
    (
        "platform",
        {"platformVersion": "1.4"},
        "PlatformUnknownException",
        "The specified platform does not exist.",
    ),
    (
        "platform of EC2",
        {"launchType": "EC2", "platformVersion": "LATEST"},
        "InvalidParameterException",
        "The platform version must be null when specifying an EC2 launch type.",
    ),
    # https://github.com/towardsthecloud/aws-cdk-examples/issues/1
    (
        "size",
        {"overrides": {"cpu": "512", "memory": "512"}},
        "ClientException",
        (
            "No Fargate configuration exists for given values: 512 CPU, 512 memory. "
            "See the Amazon ECS documentation for the valid values."
        ),
    ),
    # https://github.com/aws/amazon-ecs-cli/issues/1122
    (
        "no instances",
        {"cluster": "empty", "launchType": "EC2"},
        "InvalidParameterException",
        "No Container Instances were found in your cluster.",
    ),
    # "If no capacityProviderStrategy or launchType is specified" and there is no default: EC2.
    (
        "no instances by default",
        {"cluster": "empty", "launchType": None},
        "InvalidParameterException",
        "No Container Instances were found in your cluster.",
    ),
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
    *(
        (
            "client token",
            {"clientToken": token},
            "InvalidParameterException",
            "clientToken must be up to 64 ASCII characters in the range of 33-126.",
        )
        for token in ("x" * 65, "a b", "ä", "a\n", "", "\x7f")
    ),
    # Measured on another service of the same framework: https://github.com/floci-io/floci/pull/2686
    (
        "environment that CloudTrail hid",
        {
            "overrides": {
                "containerOverrides": [{"name": "app", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]
            }
        },
        "SerializationException",
        "Expected list or null",
    ),
    (
        "subnets",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": "a"}}},
        "SerializationException",
        "Expected list or null",
    ),
    (
        "number for a string",
        {"startedBy": 1},
        "SerializationException",
        "NUMBER_VALUE can not be converted to a String",
    ),
    (
        "boolean for a string",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [True]}}},
        "SerializationException",
        "TRUE_VALUE can not be converted to a String",
    ),
    (
        "structure for a string",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [{"a": 1}]}}},
        "SerializationException",
        "Start of structure or map found where not expected.",
    ),
    ("null in a list", {"tags": [None]}, "SerializationException", "Expected null"),
    (
        "null among strings",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [None]}}},
        "SerializationException",
        "NULL_VALUE can not be converted to a String",
    ),
    ("string for a structure", {"overrides": "x"}, "SerializationException", "Expected null"),
    ("string for an element", {"tags": ["x"]}, "SerializationException", "Expected null"),
    (
        "string for a number",
        {"count": "1"},
        "SerializationException",
        "STRING_VALUE can not be converted to an Integer",
    ),
    (
        "boolean for a number",
        {"count": True},
        "SerializationException",
        "TRUE_VALUE can not be converted to an Integer",
    ),
    (
        "list for a string",
        {"cluster": ["batch"]},
        "SerializationException",
        "Start of list found where not expected",
    ),
]


@pytest.mark.parametrize(
    ("members", "code", "message"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_wrong_request_is_refused_in_the_words_of_ecs(
    world: World, members: Json, code: str, message: str
) -> None:
    world.ecs.create_cluster("empty", has_instances=False)
    world.ecs.create_cluster("mixed", capacity_providers=("FARGATE", "asg"))
    world.ecs.register_task_definition("on-ec2", requires=("EC2",), network_mode="bridge")
    world.ecs.register_task_definition("old")
    world.ecs.deregister("old:1")
    error = raised(world, request(**members))
    assert (error.code, error.message, error.status) == (code, message, 400)
    assert world.ecs.list_tasks({"cluster": "batch"})["taskArns"] == []


ACCEPTED: list[tuple[str, Json]] = [
    ("count 10", {"count": 10}),
    (
        "ARNs",
        {
            "cluster": CLUSTER_ARN,
            "taskDefinition": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/nightly:1",
        },
    ),
    ("ARN without revision", {"taskDefinition": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/nightly"}),
    ("16 subnets", {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"] * 16}}}),
    (
        "5 security groups",
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": SUBNETS, "securityGroups": ["sg"] * 5}}},
    ),
    ("startedBy", {"startedBy": "events-rule/" + "x_-" * 38 + "ab"}),
    # Step Functions sends this, against the documented characters.
    ("startedBy of Step Functions", {"startedBy": "AWS Step Functions"}),
    ("startedBy empty", {"startedBy": ""}),
    ("50 tags", {"tags": [{"key": f"k{n}", "value": "v" * 256} for n in range(50)]}),
    ("tag characters", {"tags": [{"key": "größe _.:/=+-@", "value": "ümläut"}]}),
    ("aws in a tag", {"tags": [{"key": "awsx", "value": "aws:x"}]}),
    ("client token", {"clientToken": "!~" * 32}),
    ("token of one character", {"clientToken": "a"}),
    ("members that ECS does not know", {"dryrun": False, "whatever": {"a": [1]}}),
    ("nulls", {"overrides": None, "tags": None, "startedBy": None}),
    ("explicit nulls", {"overrides": {"containerOverrides": [{"name": "app", "environment": None}]}}),
    ("size in words", {"overrides": {"cpu": "1 vCPU", "memory": "3 GB"}}),
    ("unknown member of a known one", {"overrides": {"containerOverrides": [{"name": "app", "sharing": 1}]}}),
    # A definition that requires FARGATE is compatible with EC2 as well.
    ("EC2", {"launchType": "EC2"}),
    ("empty strategy", {"capacityProviderStrategy": []}),
    (
        "the largest weight and base",
        {
            "launchType": None,
            "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "weight": 1000, "base": 100_000},
                {"capacityProvider": "FARGATE_SPOT", "weight": 1000},
            ],
        },
    ),
    (
        "one provider without weight",
        {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
    ),
]


@pytest.mark.parametrize("members", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_a_right_request_is_accepted(world: World, members: Json) -> None:
    answer = world.run(**members)
    assert len(answer["tasks"]) == members.get("count", 1)
    assert answer["failures"] == []


def test_overrides_may_have_8192_characters_and_not_one_more(world: World) -> None:
    """Characters of the JSON without spaces; a character outside ASCII is one."""
    frame = len('{"containerOverrides":[{"name":"app","command":[""]}]}')

    def of(length: int) -> Json:
        return {"containerOverrides": [{"name": "app", "command": ["ä" * (length - frame)]}]}

    assert len(world.run(overrides=of(8192))["tasks"]) == 1
    assert raised(world, request(overrides=of(8193))).message.endswith("at most 8192")


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
@pytest.mark.parametrize(
    ("cpu", "sizes", "others"),
    [
        ("256", ["512", "1024", "1 GB", "2048"], ["256", "513", "3072", "0.25 GB"]),
        (".5 vCPU", ["1024", "4 GB"], ["512", "5120", "1536"]),
        ("1024", ["2048", "8192"], ["1024", "9216"]),
        ("2 vcpu", ["4096", "16 GB"], ["3072", "17 GB"]),
        ("4096", ["8192", "30720"], ["7168", "31744"]),
        ("8192", ["16384", "20480", "61440"], ["17408", "65536"]),
        ("16384", ["32768", "122880"], ["36864", "131072"]),
        ("32768", ["61440", "122880", "249856"], ["65536"]),
        ("300", [], ["512", "1024"]),
        ("plenty", [], ["512"]),
        ("nan", [], ["inf"]),
    ],
)
def test_fargate_has_these_sizes(world: World, cpu: str, sizes: list[str], others: list[str]) -> None:
    for memory in sizes:
        assert world.run(overrides={"cpu": cpu, "memory": memory})["tasks"][0]["memory"] == memory
    for memory in others:
        assert raised(world, request(overrides={"cpu": cpu, "memory": memory})).code == "ClientException"


def test_a_family_means_its_latest_active_revision(world: World) -> None:
    for _ in range(2):
        world.ecs.register_task_definition("nightly")
    world.ecs.deregister("nightly:3")
    assert world.run()["tasks"][0]["taskDefinitionArn"].endswith(":task-definition/nightly:2")
    assert world.ecs.register_task_definition("nightly").endswith(":4")


def test_operations_that_read_refuse_what_they_cannot_read(world: World) -> None:
    ecs = world.ecs
    table: list[tuple[Any, Json, str, str]] = [
        # https://github.com/aws/copilot-cli/issues/3551
        (ecs.describe_tasks, {"tasks": []}, "InvalidParameterException", "Tasks cannot be empty."),
        # https://github.com/gchq/sleeper/issues/555
        (
            ecs.describe_tasks,
            {"tasks": ["x"] * 101},
            "InvalidParameterException",
            "taskIds can have at most 100 items.",
        ),
        (ecs.describe_tasks, {"tasks": "x"}, "SerializationException", "Expected list or null"),
        (
            ecs.describe_tasks,
            {"cluster": "x", "tasks": ["x"]},
            "ClusterNotFoundException",
            "Cluster not found.",
        ),
        # https://github.com/aws/aws-sdk-go-v2/issues/1893
        *(
            (
                ecs.list_tasks,
                {"startedBy": "x", name: "FARGATE"},
                "InvalidParameterException",
                "cannot specify startedBy with other arguments",
            )
            for name in ("family", "launchType", "serviceName")
        ),
        (
            ecs.list_tasks,
            {"maxResults": 0},
            "InvalidParameterException",
            "maxResults must be between 1 and 100.",
        ),
        (
            ecs.list_tasks,
            {"maxResults": 101},
            "InvalidParameterException",
            "maxResults must be between 1 and 100.",
        ),
        (ecs.list_tasks, {"nextToken": "garbage"}, "InvalidParameterException", "Invalid token."),
        (ecs.list_tasks, {"nextToken": "ä"}, "InvalidParameterException", "Invalid token."),
        (ecs.list_tasks, {"nextToken": "MTI="}, "InvalidParameterException", "Invalid token."),
        # https://github.com/wazuh/wazuh/issues/25439
        (ecs.stop_task, {"task": "x"}, "InvalidParameterException", "The referenced task was not found."),
        (ecs.stop_task, {}, "InvalidParameterException", "The referenced task was not found."),
        # https://github.com/getmoto/moto/pull/5910
        (
            ecs.describe_task_definition,
            {"taskDefinition": "x"},
            "ClientException",
            "Unable to describe task definition.",
        ),
    ]
    for operation, body, code, message in table:
        with pytest.raises(EcsError) as caught:
            operation({"cluster": "batch"} | body)
        assert (caught.value.code, caught.value.message) == (code, message), body


def test_what_finds_no_room_is_a_failure_beside_the_tasks_that_did(world: World) -> None:
    """https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity; a Fargate failure has no ARN."""
    world.fill(a=1, b=2, c=0)
    answer = world.run(count=5)
    assert [task["availabilityZone"] for task in answer["tasks"]].count("us-east-1b") == 2
    assert len(answer["tasks"]) == 3
    assert answer["failures"] == [{"reason": NO_CAPACITY}, {"reason": NO_CAPACITY}]
    assert NO_CAPACITY == (
        "Capacity is unavailable at this time. Please try again later or in a different availability zone"
    )


def test_tasks_are_spread_over_the_zones_of_the_request(world: World) -> None:
    assert sorted(task["availabilityZone"] for task in world.run(count=6)["tasks"]) == sorted(ZONES * 2)
    one = {"awsvpcConfiguration": {"subnets": ["subnet-b"]}}
    assert {t["availabilityZone"] for t in world.run(count=3, networkConfiguration=one)["tasks"]} == {
        ZONES[1]
    }


def test_a_zone_that_the_request_does_not_name_does_not_help(world: World) -> None:
    world.fill(a=0, b=0)
    two = {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"]}}
    assert world.run(networkConfiguration=two)["tasks"] == []
    assert len(world.run()["tasks"]) == 1


def test_a_task_may_be_offered_to_one_zone_only(world: World) -> None:
    """AWS does not say whether one call tries every zone; a scenario can have it either way."""
    world.fill(a=0, b=0)
    world.ecs.zones_tried = 1
    assert [len(world.run()["tasks"]) for _ in range(6)] == [0, 0, 1, 0, 0, 1]


def test_a_slot_is_free_again_when_its_task_has_stopped_and_not_before(world: World) -> None:
    world.fill(a=1, b=0, c=0)
    world.ecs.lifecycle = Lifecycle(stopping_for=timedelta(seconds=30))
    arn = arns(world.run())[0]
    world.ecs.stop_task({"cluster": "batch", "task": arn})
    world.wait(seconds=29)
    assert world.status(arn) == "DEPROVISIONING"
    assert world.run()["tasks"] == []
    world.wait(seconds=1)
    assert world.status(arn) == "STOPPED"
    assert len(world.run(count=2)["tasks"]) == 1


def test_an_outage_is_not_relieved_by_tasks_that_began_before_it(world: World) -> None:
    world.run(count=3)
    world.fill(a=0, b=0, c=0)
    world.wait(hours=2)
    assert world.run()["tasks"] == []
    world.fill(a=None)
    assert len(world.run()["tasks"]) == 1


def test_spot_and_on_demand_have_slots_of_their_own(world: World) -> None:
    """And Fargate does not fall back from one to the other."""
    world.fill("FARGATE_SPOT", a=0, b=0, c=0)
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert world.run(launchType=None, capacityProviderStrategy=spot)["failures"] == [{"reason": NO_CAPACITY}]
    both = [*spot, {"capacityProvider": "FARGATE", "weight": 1}]
    answer = world.run(launchType=None, capacityProviderStrategy=both, count=4)
    assert [(t["launchType"], t["capacityProviderName"]) for t in answer["tasks"]] == [
        ("FARGATE", "FARGATE")
    ] * 2
    assert len(answer["failures"]) == 2
    assert "capacityProviderName" not in world.run()["tasks"][0]


@pytest.mark.parametrize(
    ("strategy", "count", "expected"),
    [
        ([Share("a")], 3, "aaa"),
        ([Share("a", weight=1), Share("b", weight=1)], 4, "abab"),
        ([Share("a", weight=1), Share("b", weight=4)], 5, "bbabb"),
        ([Share("a", base=2, weight=0), Share("b", weight=1)], 4, "aabb"),
        ([Share("a", base=5), Share("b", weight=1)], 3, "aaa"),
        ([Share("a", weight=0), Share("b", weight=1)], 2, "bb"),
        ([Share("a", weight=1), Share("b", base=1, weight=1)], 3, "bab"),
    ],
)
def test_providers_get_their_base_and_then_their_weight(
    strategy: list[Share], count: int, expected: str
) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html."""
    assert "".join(providers_for(strategy, count)) == expected


@given(
    strategy=st.lists(st.integers(0, 1000), min_size=1, max_size=5)
    .filter(any)
    .map(lambda weights: [Share(str(n), weight=weight) for n, weight in enumerate(weights)]),
    count=st.integers(1, 10),
)
def test_no_provider_is_more_than_one_task_from_its_share(strategy: list[Share], count: int) -> None:
    chosen = providers_for(strategy, count)
    assert len(chosen) == count
    total = sum(share.weight for share in strategy)
    for share in strategy:
        assert abs(chosen.count(share.provider) - count * share.weight / total) <= max(1, len(strategy) - 1)
        assert share.weight or share.provider not in chosen


def test_the_cluster_s_default_strategy_is_used_when_the_request_says_nothing(world: World) -> None:
    world.ecs.create_cluster("spot", default_strategy=[("FARGATE_SPOT", 0, 1)])
    task = world.run(cluster="spot", launchType=None)["tasks"][0]
    assert task["capacityProviderName"] == "FARGATE_SPOT"


def test_instances_without_room_are_named_in_the_failure(world: World) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html."""
    world.fill("EC2", a=0, b=0, c=1)
    answer = world.run(launchType="EC2", count=2)
    assert answer["tasks"][0]["containerInstanceArn"].startswith(
        f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/batch/"
    )
    assert "platformVersion" not in answer["tasks"][0]
    failure = answer["failures"][0]
    assert failure["reason"] == "RESOURCE:MEMORY"
    assert failure["arn"].startswith(f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/batch/")


def test_a_capacity_provider_of_instances_has_slots_by_its_name(world: World) -> None:
    world.ecs.create_cluster("asg", capacity_providers=("on-spot",))
    world.fill("on-spot", a=1, b=0, c=0)
    strategy = [{"capacityProvider": "on-spot", "weight": 1}]
    answer = world.run(cluster="asg", launchType=None, capacityProviderStrategy=strategy, count=2)
    assert [(t["launchType"], t["capacityProviderName"]) for t in answer["tasks"]] == [("EC2", "on-spot")]
    assert [failure["reason"] for failure in answer["failures"]] == ["RESOURCE:MEMORY"]


def test_a_task_without_a_subnet_runs_in_some_zone(world: World) -> None:
    world.ecs.register_task_definition("on-ec2", requires=("EC2",), network_mode="host")
    task = world.run(taskDefinition="on-ec2", launchType="EC2", networkConfiguration=None)["tasks"][0]
    assert task["availabilityZone"] in ZONES
    assert task["attachments"] == []


def test_the_vcpu_quota_counts_tasks_until_they_have_stopped(world: World) -> None:
    """Text: https://github.com/paradisec-archive/nabu/issues/1254."""
    world.ecs.capacity.vcpu_limits["FARGATE"] = 1
    answer = world.run(count=5)
    assert len(answer["tasks"]) == 4
    assert answer["failures"] == [{"reason": NO_VCPUS}]
    assert NO_VCPUS == "You've reached the limit on the number of vCPUs you can run concurrently"
    spot = [{"capacityProvider": "FARGATE_SPOT"}]
    assert len(world.run(launchType=None, capacityProviderStrategy=spot)["tasks"]) == 1
    world.ecs.stop_task({"cluster": "batch", "task": arns(answer)[0]})
    assert world.run()["failures"] == [{"reason": NO_VCPUS}]
    world.wait(seconds=20)
    assert len(world.run(count=2)["tasks"]) == 1
    world.ecs.capacity.vcpu_limits["FARGATE"] = 3
    large = {"cpu": "2 vCPU", "memory": "4 GB"}
    assert len(world.run(overrides=large)["tasks"]) == 1
    world.ecs.capacity.vcpu_limits["FARGATE"] = 2
    assert world.run(overrides=large)["failures"] == [{"reason": NO_VCPUS}]
    world.ecs.capacity.vcpu_limits["FARGATE"] = 1.75
    assert world.run(overrides=large)["failures"] == [
        {"reason": "The requested CPU configuration is above your limit"}
    ]
    del world.ecs.capacity.vcpu_limits["FARGATE"]
    assert len(world.run(count=10)["tasks"]) == 10


def test_capacity_refuses_numbers_that_mean_nothing() -> None:
    capacity = Capacity()
    with pytest.raises(ValueError, match="free_slots is -1"):
        capacity.set("a", "FARGATE", -1)
    pool = capacity.take("a", "FARGATE")
    assert pool is not None
    capacity.give_back(pool)
    with pytest.raises(ValueError, match="given back already"):
        capacity.give_back(pool)
    assert capacity.free("a", "FARGATE") is None
    capacity.set("a", "FARGATE", 2)
    assert capacity.take("a", "FARGATE")
    assert capacity.free("a", "FARGATE") == 1


def test_run_task_is_throttled_as_documented_for_fargate() -> None:
    """20 calls at once, then 20 a second: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html."""
    world = World()
    world.ecs.run_task_rate = Ecs(account=ACCOUNT, region=REGION, now=lambda: world.time).run_task_rate
    for _ in range(20):
        world.run()
    error = raised(world, request())
    assert (error.code, error.message, error.status) == ("ThrottlingException", "Rate exceeded", 400)
    world.time += timedelta(milliseconds=50)
    world.run()
    assert raised(world, request()).code == "ThrottlingException"
    world.time += timedelta(hours=1)
    for _ in range(20):
        world.run()
    assert raised(world, request()).code == "ThrottlingException"


def limited(region: str = REGION) -> World:
    """A world with the account's own limits of reads and launches."""
    world = World()
    fresh = Ecs(account=ACCOUNT, region=region, now=lambda: world.time)
    world.ecs.read_rate = fresh.read_rate
    world.ecs.capacity.launch_rates.update(fresh.capacity.launch_rates)
    return world


def test_lists_and_descriptions_share_a_limit_and_run_task_has_another() -> None:
    """A hundred at once, then 20 a second: https://docs.aws.amazon.com/general/latest/gr/ecs-service.html."""
    world = limited()
    arn = arns(world.run())[0]
    for _ in range(50):
        world.status(arn)
        world.ecs.list_tasks({"cluster": "batch"})
    for read in (
        lambda: world.status(arn),
        lambda: world.ecs.list_tasks({"cluster": "batch"}),
    ):
        with pytest.raises(EcsError) as caught:
            read()
        assert (caught.value.code, caught.value.status) == ("ThrottlingException", 400)
    world.run()
    world.time += timedelta(seconds=1)
    for _ in range(20):
        world.status(arn)
    with pytest.raises(EcsError):
        world.status(arn)


@pytest.mark.parametrize(
    ("region", "rate"), [("us-east-1", 20), ("ap-northeast-1", 20), ("ap-northeast-3", 5), ("eu-south-2", 5)]
)
def test_a_region_launches_so_many_tasks_a_second_and_five_times_as_many_at_once(
    region: str, rate: int
) -> None:
    world = limited(region)
    for _ in range(rate):
        assert len(world.run(count=5)["tasks"]) == 5
    assert raised(world, request()).code == "ThrottlingException"
    # On-demand and Spot apart.
    spot = [{"capacityProvider": "FARGATE_SPOT"}]
    assert len(world.run(launchType=None, capacityProviderStrategy=spot)["tasks"]) == 1
    # What finds no room is no launch.
    world.time += timedelta(seconds=1)
    world.fill(a=0, b=0, c=0)
    for _ in range(30):
        assert world.run()["tasks"] == []
    world.fill(a=None)
    answer = world.run(count=10)
    assert len(answer["tasks"]) == min(10, rate)
    assert len(answer["failures"]) == 10 - min(10, rate)


def test_a_bucket_is_not_refilled_by_a_clock_that_goes_back() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert bucket.take(START)
    assert not bucket.take(START - timedelta(hours=1))
    assert not bucket.take(START - timedelta(hours=1))
    assert bucket.take(START - timedelta(hours=1) + timedelta(seconds=1))


def test_a_scenario_throttles_calls_and_periods(world: World) -> None:
    world.ecs.faults.throttle(2)
    assert [raised(world, request()).code for _ in range(2)] == ["ThrottlingException"] * 2
    world.run()
    world.ecs.faults.throttle(until=START + timedelta(minutes=1))
    for _ in range(3):
        assert raised(world, request()).code == "ThrottlingException"
    world.wait(minutes=1)
    world.run()


def test_a_lost_answer_leaves_a_task_behind(world: World) -> None:
    """The text is ECS's: https://github.com/whilenull/7777-support/issues/35."""
    world.ecs.faults.lose_answers(1)
    error = raised(world, request(startedBy="before"))
    assert (error.code, error.message, error.status) == (
        "ServerException",
        "Service Unavailable. Please try again later.",
        500,
    )
    assert len(world.ecs.list_tasks({"cluster": "batch", "startedBy": "before"})["taskArns"]) == 1
    assert len(world.run()["tasks"]) == 1


def test_a_refused_call_uses_up_no_lost_answer_and_no_failed_placement(world: World) -> None:
    world.ecs.faults.lose_answers(1)
    world.ecs.faults.fail_next(1, reason="AGENT")
    assert raised(world, request(count=11)).code == "InvalidParameterException"
    assert raised(world, request()).code == "ServerException"
    assert len(world.run()["tasks"]) == 1


@pytest.mark.parametrize(
    ("reason", "is_about_an_instance"),
    [
        ("AGENT", True),
        ("RESOURCE:ENI", True),
        ("ATTRIBUTE", True),
        ("LOCATION", True),
        ("MemberOf placement constraint unsatisfied", True),
        (NO_CAPACITY, False),
        ("something new", False),
    ],
)
def test_a_scenario_fails_placements_for_any_reason(
    world: World, reason: str, is_about_an_instance: bool
) -> None:
    world.ecs.faults.fail_next(1, reason=reason)
    answer = world.run(count=2)
    assert answer["tasks"] == []
    assert [failure["reason"] for failure in answer["failures"]] == [reason, reason]
    assert [("arn" in failure) for failure in answer["failures"]] == [is_about_an_instance] * 2
    assert len(world.run()["tasks"]) == 1


def test_the_number_of_failures_need_not_be_that_of_the_missing_tasks(world: World) -> None:
    """On EC2 there can be one for each instance looked at, so a caller must not count them."""
    world.ecs.faults.fail_next(1, reason="AGENT", arn="arn:x", detail="why", entries=3)
    assert world.run()["failures"] == [{"arn": "arn:x", "reason": "AGENT", "detail": "why"}] * 3


def test_a_scenario_raises_what_it_likes(world: World) -> None:
    world.ecs.faults.raise_next(1, "AccessDeniedException", "not authorized")
    world.ecs.faults.raise_next(1, "BlockedException", "blocked", 400, note="x")
    assert raised(world, request(cluster="unknown")).code == "AccessDeniedException"
    error = raised(world, request())
    assert (error.code, error.message, error.status, error.extra) == (
        "BlockedException",
        "blocked",
        400,
        {"note": "x"},
    )
    assert str(error) == "BlockedException: blocked"
    world.run()


def test_faults_can_be_taken_back(world: World) -> None:
    faults = world.ecs.faults
    faults.throttle(1, until=START + timedelta(hours=1))
    faults.lose_answers(1)
    faults.fail_next(1, reason="AGENT")
    faults.raise_next(1, "ClientException", "x")
    faults.fail_to_start(1, "TaskFailedToStart", "x")
    faults.clear()
    answer = world.run()
    world.wait(minutes=1)
    assert world.status(arns(answer)[0]) == "RUNNING"


def test_a_task_runs_through_its_life_at_its_own_times(world: World) -> None:
    events: list[Json] = []
    world.ecs.on_task_state_change.append(events.append)
    world.ecs.lifecycle = Lifecycle(stopping_for=timedelta(seconds=3))
    arn = arns(world.run(startedBy="me"))[0]
    # One jump over everything: each change still happens at its own time.
    world.wait(minutes=10)
    assert [(e["lastStatus"], e["desiredStatus"], e["version"], e["updatedAt"]) for e in events] == [
        ("PROVISIONING", "RUNNING", 1, "2026-01-01T00:00:00.000Z"),
        ("PENDING", "RUNNING", 2, "2026-01-01T00:00:10.000Z"),
        ("RUNNING", "RUNNING", 3, "2026-01-01T00:00:30.000Z"),
        ("STOPPING", "STOPPED", 4, "2026-01-01T00:05:30.000Z"),
        ("DEPROVISIONING", "STOPPED", 5, "2026-01-01T00:05:31.500Z"),
        ("STOPPED", "STOPPED", 6, "2026-01-01T00:05:33.000Z"),
    ]
    last = events[-1]
    assert (last["taskArn"], last["startedBy"]) == (arn, "me")
    assert (last["stopCode"], last["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert last["containers"][0]["exitCode"] == 0
    assert (last["startedAt"], last["stoppingAt"], last["stoppedAt"]) == (
        "2026-01-01T00:00:30.000Z",
        "2026-01-01T00:05:30.000Z",
        "2026-01-01T00:05:33.000Z",
    )


def test_an_event_has_the_documented_members_and_the_environment_in_clear(world: World) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html, the Fargate example."""
    events: list[Json] = []
    world.ecs.on_task_state_change.append(events.append)
    environment = [{"name": "SECRET", "value": "canary"}]
    strategy = [{"capacityProvider": "FARGATE"}]
    world.run(
        launchType=None,
        capacityProviderStrategy=strategy,
        tags=[{"key": "a", "value": "b"}],
        overrides={"containerOverrides": [{"name": "app", "environment": environment}]},
    )
    world.wait(seconds=30)
    running = events[-1]
    documented = {
        "attachments", "attributes", "availabilityZone", "capacityProviderName", "clusterArn", "containers",
        "cpu", "createdAt", "desiredStatus", "enableExecuteCommand", "ephemeralStorage", "group", "launchType",
        "lastStatus", "memory", "overrides", "platformVersion", "startedAt", "taskArn", "taskDefinitionArn",
        "updatedAt", "version",
    }  # fmt: skip
    assert set(running) == documented
    assert running["overrides"] == {"containerOverrides": [{"name": "app", "environment": environment}]}
    assert running["attachments"][0]["type"] == "eni"
    assert running["attachments"][0]["status"] == "ATTACHED"
    assert [detail["name"] for detail in running["attachments"][0]["details"]] == [
        "subnetId",
        "networkInterfaceId",
        "macAddress",
        "privateDnsName",
        "privateIPv4Address",
    ]


def test_states_that_take_no_time_are_not_entered_and_the_others_are_in_their_order(world: World) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html."""
    events: list[Json] = []
    world.ecs.on_task_state_change.append(events.append)
    world.ecs.lifecycle = Lifecycle(
        activating_for=timedelta(seconds=5),
        stopping_for=timedelta(seconds=40),
        deactivating_for=timedelta(seconds=10),
        killing_for=timedelta(seconds=20),
    )
    world.run()
    world.wait(minutes=10)
    assert [(e["updatedAt"][14:19], e["lastStatus"], e["containers"][0]["lastStatus"]) for e in events] == [
        ("00:00", "PROVISIONING", "PENDING"),
        ("00:10", "PENDING", "PENDING"),
        ("00:30", "ACTIVATING", "PENDING"),
        ("00:35", "RUNNING", "RUNNING"),
        ("05:35", "DEACTIVATING", "RUNNING"),
        ("05:45", "STOPPING", "RUNNING"),
        ("06:05", "DEPROVISIONING", "STOPPED"),
        ("06:15", "STOPPED", "STOPPED"),
    ]
    assert ["exitCode" in event["containers"][0] for event in events[-2:]] == [True, True]
    torn_down = {(e["desiredStatus"], e["stopCode"], e["stoppedReason"]) for e in events[4:]}
    assert torn_down == {("STOPPED", "EssentialContainerExited", "Essential container in task exited")}


def test_the_parts_of_a_tear_down_are_not_longer_than_all_of_it() -> None:
    second = timedelta(seconds=1)
    Lifecycle(stopping_for=2 * second, deactivating_for=second, killing_for=second)
    with pytest.raises(ValueError, match="0:00:03 together; expected at most stopping_for, 0:00:02"):
        Lifecycle(stopping_for=2 * second, deactivating_for=second, killing_for=2 * second)


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/failed-to-start-error.html and the pages beside it.
# Stop code and reason are there before STOPPED, and the start is not.
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, "00:00 PROVISIONING, 00:10 DEPROVISIONING, 00:30 STOPPED"),
        ({"after": timedelta(seconds=2)}, "00:00 PROVISIONING, 00:02 DEPROVISIONING, 00:22 STOPPED"),
        ({"after": timedelta(minutes=3)}, "00:00 PROVISIONING, 03:00 DEPROVISIONING, 03:20 STOPPED"),
        (
            {"status": "PENDING"},
            "00:00 PROVISIONING, 00:10 PENDING, 00:30 STOPPING, 00:35 DEPROVISIONING, 00:50 STOPPED",
        ),
        (
            {"status": "PENDING", "after": timedelta(minutes=1)},
            "00:00 PROVISIONING, 00:10 PENDING, 01:00 STOPPING, 01:05 DEPROVISIONING, 01:20 STOPPED",
        ),
        (
            {"status": "PENDING", "after": timedelta(seconds=1)},
            "00:00 PROVISIONING, 00:10 PENDING, 00:10 STOPPING, 00:15 DEPROVISIONING, 00:30 STOPPED",
        ),
        (
            {"status": "ACTIVATING"},
            (
                "00:00 PROVISIONING, 00:10 PENDING, 00:30 ACTIVATING, 00:30 DEACTIVATING, 00:33 STOPPING, "
                "00:38 DEPROVISIONING, 00:50 STOPPED"
            ),
        ),
        (
            {"status": "ACTIVATING", "after": timedelta(minutes=1)},
            (
                "00:00 PROVISIONING, 00:10 PENDING, 00:30 ACTIVATING, 01:00 DEACTIVATING, 01:03 STOPPING, "
                "01:08 DEPROVISIONING, 01:20 STOPPED"
            ),
        ),
    ],
)
def test_a_task_can_fail_to_start(world: World, how: dict[str, Any], expected: str) -> None:
    events: list[Json] = []
    world.ecs.on_task_state_change.append(events.append)
    reason = "Timeout waiting for network interface provisioning to complete."
    world.ecs.lifecycle = Lifecycle(deactivating_for=timedelta(seconds=3), killing_for=timedelta(seconds=5))
    world.ecs.faults.fail_to_start(1, "TaskFailedToStart", reason, **how)
    first, second = arns(world.run(count=2))
    world.wait(minutes=4)
    assert (world.status(first), world.status(second)) == ("STOPPED", "RUNNING")
    mine = [event for event in events if event["taskArn"] == first]
    assert ", ".join(f"{e['updatedAt'][14:19]} {e['lastStatus']}" for e in mine) == expected
    for event in mine:
        is_going_on = event["lastStatus"] in {"PROVISIONING", "PENDING", "ACTIVATING"}
        assert event["desiredStatus"] == ("RUNNING" if is_going_on else "STOPPED")
        assert event.get("stopCode") == (None if is_going_on else "TaskFailedToStart")
        assert event.get("stoppedReason") == (None if is_going_on else reason)
        assert "startedAt" not in event
        assert "exitCode" not in event["containers"][0]
        assert ("stoppedAt" in event) is (event["lastStatus"] == "STOPPED")


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING", "ACTIVATING"])
def test_a_start_can_hang_and_go_on(world: World, status: str) -> None:
    world.ecs.faults.hang(1, timedelta(hours=1), status=status)
    first, second = arns(world.run(count=2))
    world.wait(minutes=4)
    assert (world.status(first), world.status(second)) == (status, "RUNNING")
    world.wait(minutes=57)
    assert world.status(first) == "RUNNING"


def test_a_start_that_hangs_can_be_stopped(world: World) -> None:
    world.ecs.faults.hang(1, timedelta(hours=1))
    arn = arns(world.run())[0]
    world.wait(minutes=4)
    world.ecs.stop_task({"cluster": "batch", "task": arn, "reason": "x"})
    world.wait(hours=2)
    assert world.status(arn) in ("STOPPED", "MISSING")


@pytest.mark.parametrize("seconds", [0, 20, 40, 300])
def test_a_task_is_listed_as_stopped_while_it_is_torn_down(world: World, seconds: int) -> None:
    world.ecs.lifecycle = Lifecycle(stopping_for=timedelta(seconds=seconds))
    world.ecs.faults.fail_to_start(1, "TaskFailedToStart", "x")
    arn = arns(world.run(startedBy="me"))[0]
    world.wait(seconds=10)
    assert world.status(arn) == ("DEPROVISIONING" if seconds else "STOPPED")
    assert world.ecs.list_tasks({"cluster": "batch", "startedBy": "me"}) == {"taskArns": []}
    stopped = {"cluster": "batch", "startedBy": "me", "desiredStatus": "STOPPED"}
    assert world.ecs.list_tasks(stopped) == {"taskArns": [arn]}
    world.wait(seconds=seconds)
    assert world.status(arn) == "STOPPED"


def test_a_person_can_stop_a_task(world: World) -> None:
    arn = arns(world.run())[0]
    world.wait(minutes=1)
    stopped = world.ecs.stop_task({"cluster": "batch", "task": arn.rsplit("/", 1)[1], "reason": "enough"})[
        "task"
    ]
    assert (stopped["desiredStatus"], stopped["stopCode"], stopped["stoppedReason"]) == (
        "STOPPED",
        "UserInitiated",
        "enough",
    )
    again = world.ecs.stop_task({"cluster": "batch", "task": arn, "reason": "really"})["task"]
    assert again["stoppedReason"] == "enough"
    assert again["version"] == stopped["version"]
    # What was to come before it was stopped does not come any more.
    world.wait(minutes=30)
    assert world.status(arn) == "STOPPED"


def test_the_task_definition_may_say_how_long_its_tasks_work(world: World) -> None:
    world.ecs.register_task_definition("short", run_for=timedelta(seconds=1))
    world.ecs.lifecycle = Lifecycle(run_for=None)
    short, endless = arns(world.run(taskDefinition="short"))[0], arns(world.run())[0]
    world.wait(seconds=31)
    assert world.status(short) == "STOPPING"
    world.wait(seconds=20)
    assert world.status(short) == "STOPPED"
    world.wait(days=30)
    assert world.status(endless) == "RUNNING"


def test_a_stopped_task_is_forgotten_after_an_hour(world: World) -> None:
    arn = arns(world.run(startedBy="me"))[0]
    world.ecs.stop_task({"cluster": "batch", "task": arn})
    world.wait(seconds=20)
    world.wait(minutes=59, seconds=59)
    assert world.status(arn) == "STOPPED"
    world.wait(seconds=1)
    assert world.status(arn) == "MISSING"
    # Nothing of it is left behind: a long simulation must not grow with its tasks.
    cluster = world.ecs._clusters["batch"]
    assert (cluster.tasks, cluster.by_started_by) == ({}, {})


def test_virtual_time_can_jump_from_change_to_change(world: World) -> None:
    assert world.ecs.next_change() is None
    world.ecs.lifecycle = Lifecycle(
        provisioning_for=timedelta(seconds=1),
        pending_for=timedelta(seconds=2),
        run_for=timedelta(seconds=3),
        stopping_for=timedelta(seconds=4),
    )
    first = arns(world.run())[0]
    world.time += timedelta(milliseconds=500)
    world.run()
    times = []
    while (change := world.ecs.next_change()) is not None:
        world.time = change
        world.ecs.advance()
        times.append((change - START).total_seconds())
    assert times == [1, 1.5, 3, 3.5, 6, 6.5, 8, 8.5, 10, 10.5]
    assert world.status(first) == "STOPPED"


def test_a_stop_takes_the_pending_change_away(world: World) -> None:
    arn = arns(world.run())[0]
    assert world.ecs.next_change() == START + timedelta(seconds=10)
    world.ecs.stop_task({"cluster": "batch", "task": arn})
    assert world.ecs.next_change() == START + timedelta(seconds=20)
    world.wait(seconds=20)
    assert world.ecs.next_change() is None


def test_a_new_task_is_seen_after_a_while(world: World) -> None:
    """RunTask's page warns of eventual consistency: a look right after the call may find nothing."""
    world.ecs.visibility_delay = timedelta(seconds=5)
    arn = arns(world.run(startedBy="me"))[0]
    world.wait(seconds=4.9)
    assert world.status(arn) == "MISSING"
    assert world.ecs.list_tasks({"cluster": "batch", "startedBy": "me"}) == {"taskArns": []}
    world.wait(seconds=0.1)
    assert world.status(arn) == "PROVISIONING"
    assert world.ecs.list_tasks({"cluster": "batch", "startedBy": "me"}) == {"taskArns": [arn]}


def test_listing_filters_and_pages(world: World) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html; RUNNING unless asked."""
    ecs = world.ecs
    ecs.create_cluster("other")
    ecs.register_task_definition("weekly")
    nightly, weekly = arns(world.run(count=3)), arns(world.run(taskDefinition="weekly", startedBy="me"))
    elsewhere = arns(world.run(cluster="other", startedBy="me"))
    ecs.stop_task({"cluster": "batch", "task": nightly[0]})

    def listed(**filters: Any) -> list[str]:
        return list(ecs.list_tasks({"cluster": "batch"} | filters)["taskArns"])

    assert listed() == [*nightly[1:], *weekly]
    assert listed(desiredStatus="STOPPED") == nightly[:1]
    assert listed(desiredStatus="PENDING") == []
    assert listed(family="weekly") == weekly
    assert listed(startedBy="me") == weekly
    assert listed(startedBy="nobody") == []
    assert listed(launchType="EC2") == []
    assert listed(serviceName="x") == listed()
    assert listed(cluster="other") == elsewhere
    page = ecs.list_tasks({"cluster": "batch", "maxResults": 2})
    assert page["taskArns"] == nightly[1:]
    # The token means a place, not a number of items: what stops meanwhile shifts nothing.
    ecs.stop_task({"cluster": "batch", "task": nightly[1]})
    rest = ecs.list_tasks({"cluster": "batch", "maxResults": 2, "nextToken": page["nextToken"]})
    assert rest == {"taskArns": weekly}


def test_a_page_has_100_tasks_unless_asked(world: World) -> None:
    for _ in range(10):
        world.run(count=10)
    page = world.ecs.list_tasks({"cluster": "batch"})
    assert len(page["taskArns"]) == 100
    assert "nextToken" not in page
    world.run()
    assert "nextToken" in world.ecs.list_tasks({"cluster": "batch"})


def test_clusters_and_definitions_can_be_described(world: World) -> None:
    world.run(count=2)
    world.wait(seconds=30)
    world.run()
    answer = world.ecs.describe_clusters({"clusters": ["batch", "gone", CLUSTER_ARN]})
    assert [
        (c["clusterArn"], c["runningTasksCount"], c["pendingTasksCount"]) for c in answer["clusters"]
    ] == [(CLUSTER_ARN, 2, 1)] * 2
    assert answer["failures"] == [
        {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/gone", "reason": "MISSING"}
    ]
    assert world.ecs.list_clusters({}) == {"clusterArns": [CLUSTER_ARN]}
    assert world.ecs.create_cluster("batch") == CLUSTER_ARN
    world.ecs.deregister("nightly")
    definition = world.ecs.describe_task_definition({"taskDefinition": "nightly:1"})["taskDefinition"]
    assert (definition["status"], definition["revision"]) == ("INACTIVE", 1)
    assert definition["compatibilities"] == ["EC2", "FARGATE"]


def test_tags_are_described_when_asked_for(world: World) -> None:
    answer = world.run(tags=[{"key": "a", "value": "b"}])
    body = {"cluster": "batch", "tasks": arns(answer)}
    assert world.ecs.describe_tasks(body)["tasks"][0]["tags"] == []
    assert world.ecs.describe_tasks(body | {"include": ["TAGS"]})["tasks"][0]["tags"] == [
        {"key": "a", "value": "b"}
    ]


def test_every_call_is_observed_also_a_refused_one(world: World) -> None:
    calls: list[ApiCall] = []
    world.ecs.on_call.append(calls.append)
    caller = rule_caller("arn:aws:iam::123456789012:role/events")
    body = request(clientToken="a")
    answer = world.ecs.run_task(body, caller, request_id="request-1")
    raised(world, request(cluster="other"))
    world.ecs.faults.lose_answers(1)
    raised(world, request())
    done, refused, lost = calls
    assert (done.operation, done.body, done.response, done.error) == ("RunTask", body, answer, None)
    assert (done.caller, done.request_id, done.time) == (caller, "request-1", START)
    assert (done.account, done.region) == (ACCOUNT, REGION)
    assert refused.response is None
    assert refused.error is not None
    assert refused.error.code == "ClusterNotFoundException"
    assert lost.error is not None
    assert (lost.response, lost.error.code) == (None, "ServerException")
    assert len({call.request_id for call in calls}) == 3
    assert refused.caller.identity["arn"] == f"arn:aws:iam::{ACCOUNT}:user/admin"


def test_what_was_observed_does_not_change_with_what_the_caller_does(world: World) -> None:
    calls: list[ApiCall] = []
    world.ecs.on_call.append(calls.append)
    body = request(tags=[{"key": "a", "value": "b"}])
    answer = world.ecs.run_task(body)
    body["tags"].clear()
    answer["tasks"].clear()
    assert calls[0].body["tags"] == [{"key": "a", "value": "b"}]
    assert calls[0].response is not None
    assert len(calls[0].response["tasks"]) == 1


def test_an_observer_may_call_back(world: World) -> None:
    """Also from another thread: nothing is held while observers are told."""
    seen: list[str] = []

    def look(detail: Json) -> None:
        thread = threading.Thread(target=lambda: seen.append(world.status(detail["taskArn"])))
        thread.start()
        thread.join(timeout=60)

    world.ecs.on_task_state_change.append(look)
    world.run()
    assert seen == ["PROVISIONING"]


def test_the_same_seed_makes_the_same_world() -> None:
    def story(seed: int) -> list[Json]:
        world = World(seed=seed)
        return [world.run(count=3), world.run(launchType="EC2")]

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_many_threads_never_share_a_slot(world: World) -> None:
    world.fill(a=40, b=40, c=40)
    placed: list[str] = []

    together = threading.Barrier(4)

    def call(caller: int) -> None:
        together.wait()
        for n in range(50):
            placed.extend(arns(world.run(clientToken=f"{caller}-{n}")))

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(placed) == len(set(placed)) == 120


def test_a_call_takes_no_longer_because_many_went_before(world: World) -> None:
    """Capacity, tokens and filters are looked up, not searched: the model is the world of long simulations."""

    def seconds(calls: int) -> float:
        began = time.process_time()
        for n in range(calls):
            world.time += timedelta(seconds=1)
            world.run(clientToken=f"{world.time.timestamp()}", startedBy=f"job-{n}")
            world.ecs.list_tasks({"cluster": "batch", "startedBy": f"job-{n}"})
        return time.process_time() - began

    world.ecs.lifecycle = Lifecycle(run_for=None)
    first = seconds(300)
    seconds(1500)
    # Ten times is far from what noise does and near to nothing a search through them all would do.
    assert seconds(300) < 10 * first + 1


letters = st.sampled_from("abc")


class Lives(RuleBasedStateMachine):
    """Whatever is asked of it in whatever order, ECS keeps its books."""

    ORDER = (
        "PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.ecs.on_task_state_change.append(self.observe)
        self.world.ecs.on_call.append(self.count_call)
        self.limits: dict[str, int | None] = {}
        self.open: dict[str, dict[str, str]] = {}
        self.seen: dict[str, tuple[int, int]] = {}
        self.started: dict[str, list[str]] = {}
        self.calls = 0

    def observe(self, detail: Json) -> None:
        arn, rank = detail["taskArn"], self.ORDER.index(detail["lastStatus"])
        version, before = self.seen.get(arn, (0, -1))
        assert detail["version"] == version + 1, "versions have no gaps"
        assert rank > before, "a life goes one way"
        self.seen[arn] = (detail["version"], rank)
        pool = self.open.setdefault(detail["availabilityZone"][-1], {})
        if detail["lastStatus"] == "STOPPED":
            pool.pop(arn, None)
        elif detail["lastStatus"] == "PROVISIONING":
            pool[arn] = arn

    def count_call(self, _: ApiCall) -> None:
        self.calls += 1

    @initialize(parts_s=st.tuples(*[st.integers(0, 30)] * 4))
    def live(self, parts_s: tuple[int, int, int, int]) -> None:
        activating, deactivating, killing, rest = (timedelta(seconds=s) for s in parts_s)
        self.world.ecs.lifecycle = Lifecycle(
            activating_for=activating,
            stopping_for=deactivating + killing + rest,
            deactivating_for=deactivating,
            killing_for=killing,
        )

    @rule(status=st.sampled_from(["PROVISIONING", "PENDING"]), after_s=st.none() | st.integers(0, 60))
    def fail_to_start(self, status: str, after_s: int | None) -> None:
        after = None if after_s is None else timedelta(seconds=after_s)
        self.world.ecs.faults.fail_to_start(1, "TaskFailedToStart", "x", status=status, after=after)

    @rule(count=st.integers(1, 10), zones=st.lists(letters, min_size=1, max_size=3), token=st.integers(0, 3))
    def run(self, count: int, zones: list[str], token: int) -> None:
        network = {"awsvpcConfiguration": {"subnets": [f"subnet-{letter}" for letter in zones]}}
        body = request(
            count=count, networkConfiguration=network, clientToken=f"t{token}-{count}-{''.join(zones)}"
        )
        before = len(self.seen)
        answer = self.world.ecs.run_task(body)
        assert len(answer["tasks"]) + len(answer["failures"]) == count, "every task is placed or a failure"
        known = self.started.get(body["clientToken"])
        if known is not None and len(self.seen) == before:
            assert arns(answer) == known, "a replay is the first result"
        else:
            assert len(self.seen) - before == len(answer["tasks"]), "what is answered was started"
        self.started[body["clientToken"]] = arns(answer)

    @rule(letter=letters, slots=st.none() | st.integers(0, 5))
    def set_capacity(self, letter: str, slots: int | None) -> None:
        self.world.fill(**{letter: slots})
        self.limits[letter] = slots
        # Who is there already does not count against the new slots.
        self.open[letter] = {}

    @rule(seconds=st.integers(0, 1000))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds=seconds)
        change = self.world.ecs.next_change()
        assert change is None or change > self.world.time, "nothing that is due is left undone"

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        arn = data.draw(st.sampled_from(sorted(self.seen)))
        if self.world.status(arn) != "MISSING":
            self.world.ecs.stop_task({"cluster": "batch", "task": arn})

    @rule()
    def lose_an_answer(self) -> None:
        self.world.ecs.faults.lose_answers(1)
        before, calls = len(self.seen), self.calls
        body = request(count=2, clientToken=f"lost-{self.calls}")
        assert raised(self.world, body).status == 500
        started = len(self.seen) - before
        answer = self.world.ecs.run_task(body)
        assert len(answer["tasks"]) == started == len(self.seen) - before, (
            "a task that is there is found, not doubled"
        )
        assert self.calls == calls + 2

    @invariant()
    def no_more_than_fit(self) -> None:
        for letter, limit in self.limits.items():
            occupied = len(self.open.get(letter, {}))
            assert limit is None or occupied <= limit
            free = self.world.ecs.capacity.free(f"us-east-1{letter}", "FARGATE")
            assert free == (None if limit is None else limit - occupied)


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=25, stateful_step_count=20)
