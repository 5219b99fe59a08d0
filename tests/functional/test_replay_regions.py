"""``replay`` of an installation that covers several Regions: calls and schedules of each are read where they are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from functional.test_operations import NETWORK, ROLE, Place
from retry_run_task.errors import ConfigError
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import rule_caller
from retry_run_task.local.install import install
from retry_run_task.local.server import AwsError
from support.canned import Canned
from support.site import REGION

FAR, OTHER = "eu-west-1", "us-east-1"
COVERED = {"RETRY_RUN_TASK_REGIONS": f"{REGION},{FAR}"}


class Wide(Place):
    """With a rule of the same name, cluster and family in another Region, which runs at another hour."""

    def __init__(self, aws: Canned) -> None:
        super().__init__(aws)
        self.far = self.local.account_region(region=FAR)
        self.far.ecs.create_cluster("batch")
        self.far.ecs.add_subnet("subnet-a", f"{FAR}a")
        self.far.ecs.register_task_definition("nightly", revision=7)
        self.far.ecs.capacity.set(f"{FAR}a", "FARGATE", 0)
        self.site.capacity(0)
        cluster = f"arn:aws:ecs:{FAR}:123456789012:cluster/batch"
        definition = f"arn:aws:ecs:{FAR}:123456789012:task-definition/nightly:7"
        self.request = {"cluster": cluster, "taskDefinition": definition, "launchType": "FARGATE"}
        ecs = {"TaskDefinitionArn": definition, "LaunchType": "FARGATE"}
        self.far.schedules.put_rule("nightly", expression=f"cron(0 {(self.due.hour + 2) % 24} * * ? *)")
        target = {"Id": "1", "Arn": cluster, "RoleArn": ROLE, "EcsParameters": ecs}
        self.far.schedules.put_targets("nightly", [target])

    def call_far(self) -> None:
        mark = {"startedBy": "events-rule/nightly", "clientToken": str(uuid.uuid4())}
        self.far.ecs.run_task({**self.request, **mark, "networkConfiguration": NETWORK}, rule_caller(ROLE))

    def found(self, *arguments: str) -> list[tuple[str, bool, str | None]]:
        wide = ("replay", "--dry-run", "--even-late", "--lookups-per-s", "1000", *arguments)
        steps = self.json(*wide)["failures"]
        return sorted(
            ((one["region"], one["start"], one["why_not"]) for one in steps), key=lambda one: one[0]
        )


@pytest.fixture
def wide() -> Iterator[Wide]:
    start = datetime.now(UTC) - timedelta(hours=2)
    with Canned(LocalAws(speed=60, start=start, trail_delay=(2, 1), event_sources=())) as aws:
        one = Wide(aws)
        install(one.local, settings=COVERED)
        for region in FAR, OTHER:
            aws.answers[f"lambda:GetFunctionConfiguration in {region}"] = AwsError(
                "ResourceNotFoundException", "Function not found"
            )
            aws.answers[f"cloudformation:DescribeStacks in {region}"] = AwsError(
                "ValidationError", "Stack with id retry-run-task does not exist"
            )
        one.call()
        one.call_far()
        one.recorded(2)
        yield one


def test_failed_calls_of_every_covered_region_are_found(wide: Wide) -> None:
    assert wide.found() == [(REGION, True, None), (FAR, True, None)]
    assert wide.found("--region", REGION) == [(REGION, True, None), (FAR, True, None)]


def test_a_region_without_an_installation_is_looked_at_from_the_one_that_covers_it(wide: Wide) -> None:
    """Which is that of the settings file, the environment or the profile."""
    assert wide.found("--region", FAR) == [(FAR, True, None)]
    result = wide.run("replay", "--even-late", "--yes", "--region", FAR)
    assert f"{FAR} is recovered from {REGION}" in result.stderr
    assert f"retry-run-task status --region {REGION}." in " ".join(result.stderr.split())
    (one,) = wide.recoveries()
    assert one["schedule"] == "nightly"
    with pytest.raises(ConfigError, match=f"There is no installation retry-run-task in {OTHER}"):
        wide.run("replay", "--dry-run", "--region", OTHER)


def test_a_later_run_counts_in_its_own_region_only(wide: Wide) -> None:
    wide.far.ecs.capacity.set(f"{FAR}a", "FARGATE", None)
    wide.call_far()
    wide.recorded(3)
    (home, far) = wide.found()
    assert home == (REGION, True, None)
    assert far[:2] == (FAR, False)
    assert (far[2] or "").startswith("its schedule has run since")
