"""What a command reads of an account: an answer that is not whole is not taken for an empty one."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from retry_run_task.commands.deploy import own_policy
from retry_run_task.commands.shared.installed_policy import read_policy_of
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.launchers import read_launchers
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.local.server import HttpResponse
from support.canned import Canned

REGION = "eu-north-1"
KEY = "retry-run-task/stack/lambda-" + "0" * 64 + ".zip"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Canned() as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        reader = Reader(boto3.Session(), REGION)
        yield reader, aws


@pytest.mark.parametrize(
    ("action", "member"),
    [
        ("events:ListEventBuses", "EventBuses"),
        ("scheduler:ListSchedules", "Schedules"),
        ("ecs:ListClusters", "clusterArns"),
        ("ecs:ListTaskDefinitionFamilies", "families"),
    ],
)
def test_an_empty_answer_does_not_say_that_there_is_none(reader: Any, action: str, member: str) -> None:
    asked, aws = reader
    aws.answers[action] = HttpResponse(body=b"")
    found = asked.read_all(action, member)
    assert isinstance(found, Unknown)
    assert found.why == "the answer is not whole"
    aws.answers[action] = {member: []}
    assert asked.read_all(action, member) == []


def test_schedules_that_could_not_be_listed_are_a_gap(reader: Any) -> None:
    asked, aws = reader
    aws.answers |= {
        "events:ListEventBuses": HttpResponse(body=b""),
        "scheduler:ListSchedules": HttpResponse(body=b""),
    }
    assert len(read_launchers(asked, lambda _: None).gaps) == 2


def test_the_address_of_the_code_is_not_shown(reader: Any) -> None:
    """It is signed: whoever has it may read the code."""
    asked, aws = reader
    address = "http://127.0.0.1:1/f?X-Amz-Signature=canary"
    aws.answers["lambda:GetFunction"] = {"Configuration": {}, "Code": {"Location": address}}
    found = read_policy_of(asked, "f")
    assert isinstance(found, Unknown)
    assert "canary" not in found.why
    assert found.why.startswith("its code cannot be downloaded from 127.0.0.1 (")


@pytest.mark.parametrize(("digest", "is_read"), [("A" * 43 + "=", False), ("B" * 43 + "=", True), ("", True)])
def test_code_that_was_put_into_the_function_since_is_read(reader: Any, digest: str, is_read: bool) -> None:
    """The template names the zip that deploy uploaded; another may have been put into the function."""
    asked, aws = reader
    aws.answers |= {
        "lambda:GetFunctionConfiguration": {"CodeSha256": digest},
        "lambda:GetFunction": {"Configuration": {}, "Code": {}},
    }
    template = f"Resources:\n  Recover:\n    Properties:\n      Code: {{S3Bucket: b, S3Key: {KEY}}}\n"
    if not is_read:
        assert own_policy.installed(asked, "f", template).content is None
        return
    with pytest.raises(Exception, match="AWS does not say where the code"):
        own_policy.installed(asked, "f", template)
