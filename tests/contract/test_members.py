"""The way into another account: real clients, and an STS that checks who may take which role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config

from retry_run_task.aws import ecs, members
from retry_run_task.aws.faults import CannotAssumeError
from retry_run_task.launch.values import Placed, Refused
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.install import install
from retry_run_task.local.roles import AssumableRole
from support.paces import no_wait
from support.records import parameters

HOME, EXTERNAL_ID = "123456789012", "night-shift-7f3a"
HUB_ROLE = f"arn:aws:iam::{HOME}:role/retry-run-task-role"
# Regions of this module's own: clients are made once, and keep the endpoint they were made with.
REGION, OTHER = "me-south-1", "me-central-1"


@pytest.fixture(scope="module")
def running() -> Iterator[LocalAws]:
    with LocalAws(region=REGION) as local:
        install(local, subscribe=False)
        yield local


@pytest.fixture
def aws(running: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """A local AWS that this process speaks to as recover does."""
    for name, value in running.environment("retry-run-task-recover").items():
        monkeypatch.setenv(name, value)
    # A client without a role would take what another module has left in boto3's default session.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session())
    return running


def make(aws: LocalAws, account: str, *, is_there: bool = True) -> members.Role:
    """Return a role in an account of its own; sessions are remembered, so each test has another."""
    arn = f"arn:aws:iam::{account}:role/retry-run-task-member"
    if is_there:
        aws.roles.create(AssumableRole(arn=arn, trusts=HUB_ROLE, external_id=EXTERNAL_ID))
    for region in (REGION, OTHER):
        place = aws.account_region(account=account, region=region)
        place.ecs.create_cluster("batch")
        place.ecs.add_subnet("subnet-a", f"{region}a")
        place.ecs.register_task_definition("nightly")
    return members.Role(arn=arn, external_id=EXTERNAL_ID, session="retry-run-task")


def body(number: int = 1) -> dict[str, Any]:
    network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
    return parameters(
        cluster="batch",
        taskDefinition="nightly",
        networkConfiguration=network,
        dryrun=None,
        clientToken=f"rrt-{'0' * 32}-{number}",
    )


def taken(aws: LocalAws, role: members.Role) -> list[str]:
    return [session.name for session in aws.roles.sessions if session.role_arn == role.arn]


def test_a_role_is_taken_once_for_all_calls_and_regions_while_it_lasts(aws: LocalAws) -> None:
    role = make(aws, "210000000001")
    assert members.enter(role) is None
    for region in (REGION, OTHER):
        for number in range(3):
            answer = ecs.run_task(ecs.client(region, role), body(number), no_wait())
            assert isinstance(answer, Placed)
            assert [arn.split(":")[3:5] for arn in answer.task_arns] == [[region, "210000000001"]]
    assert taken(aws, role) == ["retry-run-task"]


def test_a_long_name_of_a_stack_is_cut_to_what_sts_takes(aws: LocalAws) -> None:
    role = replace(make(aws, "210000000006"), session="s" * 65)
    assert members.enter(role) is None
    assert taken(aws, role) == ["s" * 64]


def test_without_a_region_a_client_has_that_of_the_function_and_always_its_own_limits(aws: LocalAws) -> None:
    role = make(aws, "210000000007")
    for actor in (None, role, boto3.Session()):
        for region, expected in (("", REGION), (OTHER, OTHER)):
            meta = members.client("ecs", region, actor, Config(read_timeout=7)).meta
            assert (meta.region_name, meta.config.read_timeout) == (expected, 7)


def test_credentials_that_end_soon_are_renewed_before_they_are_used(aws: LocalAws) -> None:
    role = make(aws, "210000000002")
    aws.roles.lifetime_s = 300
    try:
        for number in range(2):
            assert isinstance(ecs.run_task(ecs.client(REGION, role), body(number), no_wait()), Placed)
    finally:
        aws.roles.lifetime_s = 3600
    assert len(taken(aws, role)) > 1


def test_a_role_that_is_gone_when_credentials_are_renewed_is_an_answer_that_leaves_a_doubt(
    aws: LocalAws,
) -> None:
    """A try of the same call may have gone out before."""
    role = make(aws, "210000000003")
    aws.roles.lifetime_s = 300
    try:
        client = ecs.client(REGION, role)
        aws.roles.delete(role.arn)
        answer = ecs.run_task(client, body(), no_wait())
    finally:
        aws.roles.lifetime_s = 3600
    assert isinstance(answer, Refused)
    assert answer.is_unsure
    assert answer.failure.code == "AccessDenied"
    assert role.arn in answer.failure.reason


def test_a_role_that_cannot_be_taken_is_asked_for_again_the_next_time(aws: LocalAws) -> None:
    """A function's process lives for hours; the role may be made meanwhile."""
    role = make(aws, "210000000004", is_there=False)
    failure = members.enter(role)
    assert failure is not None
    assert failure.code == "AccessDenied"
    assert "sts:AssumeRole" in failure.reason
    with pytest.raises(CannotAssumeError) as raised:
        ecs.client(REGION, role)
    assert str(raised.value).startswith(f"{role.arn} cannot be assumed: AccessDenied: ")
    assert EXTERNAL_ID not in f"{raised.value}{failure}{role}"
    make(aws, "210000000004")
    assert members.enter(role) is None


@pytest.mark.parametrize("external_id", ["another", ""])
def test_without_the_right_external_id_there_is_no_way_in(aws: LocalAws, external_id: str) -> None:
    right = make(aws, "210000000005")
    wrong = members.Role(arn=right.arn, external_id=external_id, session="retry-run-task")
    assert members.enter(wrong) is not None
    assert taken(aws, right) == []


def test_sts_is_spoken_to_in_the_functions_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the global endpoint gives is not valid in every Region."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for region, domain in (("ap-northeast-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")):
        session = boto3.Session(region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
        assert session.client("sts").meta.endpoint_url == f"https://sts.{region}.{domain}"
