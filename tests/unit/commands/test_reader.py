"""What a command reads of an account: an answer that is not whole is not taken for an empty one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from retry_run_task.aws.rate_limiter import RateLimiter
from retry_run_task.commands.deploy import own_policy
from retry_run_task.commands.destroy.removal import Removal
from retry_run_task.commands.shared.executions import Executions
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.installed_policy import read_policy_of
from retry_run_task.commands.shared.inventory import Identity, Unknown
from retry_run_task.commands.shared.launchers import read_launchers
from retry_run_task.commands.shared.lookup import run_task_records
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.commands.shared.stack import CloudFormationStack
from retry_run_task.commands.shared.tags import _TagReader
from retry_run_task.commands.shared.trails import read_trails
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
        ("logs:DescribeLogGroups", "logGroups"),
        ("logs:DescribeSubscriptionFilters", "subscriptionFilters"),
    ],
)
def test_an_empty_answer_does_not_say_that_there_is_none(reader: Any, action: str, member: str) -> None:
    asked, aws = reader
    aws.answers[action] = HttpResponse(body=b"")
    call = {"logGroupName": "g"} if "Filters" in action else {}
    found = asked.read_all(action, member, **call)
    assert isinstance(found, Unknown)
    assert found.why == "the answer is not whole"
    aws.answers[action] = {member: []}
    assert asked.read_all(action, member, **call) == []


RECOVERY = {
    "DurableExecutionArn": f"arn:aws:lambda:{REGION}:123456789012:function:s-recover:1/durable-execution/n/i",
    "DurableExecutionName": "n",
    "FunctionArn": f"arn:aws:lambda:{REGION}:123456789012:function:s-recover:1",
    "Status": "RUNNING",
    "StartTimestamp": 1795478703.0,
}
LISTS: dict[str, tuple[str, str, dict[str, Any], Callable[[], list[Any]]]] = {
    "status": (
        "lambda:ListDurableExecutionsByFunction",
        "DurableExecutions",
        RECOVERY,
        lambda: Executions(boto3.Session(), REGION, "s").open(),
    ),
    "audit": (
        "lambda:ListDurableExecutionsByFunction",
        "DurableExecutions",
        RECOVERY,
        lambda: Executions(boto3.Session(), REGION, "s").begun(datetime(2026, 11, 24, tzinfo=UTC)),
    ),
    "destroy": (
        "lambda:ListDurableExecutionsByFunction",
        "DurableExecutions",
        RECOVERY,
        lambda: removal().recoveries(),
    ),
    "replay": (
        "cloudtrail:LookupEvents",
        "Events",
        {"CloudTrailEvent": "{}", "EventTime": 1795478703.0},
        lambda: [
            *run_task_records(
                boto3.Session(),
                REGION,
                since=datetime(2026, 11, 24, tzinfo=UTC),
                until=datetime(2026, 11, 25, tzinfo=UTC),
                tell=lambda _: None,
                limiter=RateLimiter(1000, now=lambda: 0.0, sleep=lambda _: None),
            )
        ],
    ),
}


def removal() -> Removal:
    session = boto3.Session()
    who = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/o", partition="aws")
    stack = CloudFormationStack(session, REGION, "s", pause=lambda: None)
    return Removal(session, who, REGION, stack)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_page_without_its_list_does_not_say_that_there_is_none(reader: Any, name: str, nth: int) -> None:
    _, aws = reader
    action, member, item, read = LISTS[name]
    following = "NextMarker" if action.startswith("lambda") else "NextToken"
    whole: list[Any] = [{member: [item], following: "2"}, {member: []}]
    pages = list(whole)
    aws.answers[action] = lambda _: pages.pop(0)
    assert len(read()) == 1
    cut_off = HttpResponse(body=b"{}")
    pages[:] = [*whole[: nth - 1], cut_off]
    with pytest.raises(DeployError, match=rf"{member}.*Run the same command again"):
        read()


def test_a_tag_is_not_absent_since_an_answer_is_cut_off(reader: Any) -> None:
    asked, aws = reader
    for answer, is_known in [({"tags": []}, True), (HttpResponse(body=b""), False)]:
        aws.answers["ecs:ListTagsForResource"] = answer
        pairs = _TagReader(asked).pairs("ecs:ListTagsForResource", "resourceArn", "arn:aws:ecs:x")
        assert (pairs == {}) is is_known
        assert isinstance(pairs, Unknown) is not is_known


def test_trails_that_could_not_be_described_are_not_none(reader: Any) -> None:
    asked, aws = reader
    aws.answers["cloudtrail:DescribeTrails"] = {"trailList": []}
    assert read_trails(asked) == ()
    aws.answers["cloudtrail:DescribeTrails"] = HttpResponse(body=b"")
    assert isinstance(read_trails(asked), Unknown)


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
