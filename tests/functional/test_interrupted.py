"""Ctrl-C at every call to AWS, before AWS has it and after: what is said is so, and the next run goes on."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.test_deploy import (
    BUCKET,
    GIVEN,
    GROUP,
    RECOVERY,
    STACK,
    aws,
    deploy,
    deployed,
    destroy,
    everything,
    ministack,
    own,
    proxy,
    stack,
)
from support.ministack import MiniStack
from support.proxy import Proxy

__all__ = ["aws", "ministack", "proxy"]


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """What a process has that a shell starts; pytest-xdist's workers ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# All that deploy asks once it has a plan, and all that destroy asks: each the first time that it comes.
DEPLOY = (
    f"PUT /{BUCKET}",
    f"PUT /{BUCKET}?publicAccessBlock",
    f"PUT /{BUCKET}?encryption",
    f"PUT /{BUCKET}?versioning",
    f"PUT /{BUCKET}?lifecycle",
    f"PUT /{BUCKET}?policy",
    "HEAD code",
    "PUT code",
    "HEAD template",
    "PUT template",
    "CreateChangeSet",
    "DescribeChangeSet",
    "GetTemplate",
    "DescribeStackEvents",
    "ExecuteChangeSet",
    "GET configuration",
)
DESTROY = (
    "DescribeStacks",
    "ListStackResources",
    "GetTemplate",
    f"HEAD /{BUCKET}",
    f"GET /{BUCKET}?versions",
    "DescribeLogStreams",
    "GET durable-executions",
    "GET configuration",
    "POST stop",
    "DescribeStackEvents",
    "DeleteStack",
    "DeleteLogStream",
    f"POST /{BUCKET}?delete",
    f"GET /{BUCKET}?policy",
    f"DELETE /{BUCKET}",
)


# They change nothing in the account, so it is the same before AWS has one and after.
READS = ("HEAD", "GET", "Describe", "List", "Get")


def cut(calls: tuple[str, ...], when: str) -> list[str]:
    """Return the calls to interrupt: all of them after AWS has them, those that change something before it, too."""
    return [call for call in calls if when == "after" or not call.startswith(READS)]


def short(call: str) -> str:
    """Return a call without what differs from run to run."""
    call = re.sub(rf"/{BUCKET}/retry-run-task/.*\.zip", "code", call)
    call = re.sub(rf"/{BUCKET}/retry-run-task/.*\.yaml", "template", call)
    return re.sub(r"\?(publicAccessBlock|versions).*", r"?\1", call)


class Cut:
    """Interrupts at the first call of a name since one of another, and once more at the first of a third."""

    def __init__(self, call: str, when: str, then: str = "", since: str = "") -> None:
        self.waits_for, self.when, self.then, self.since = call, when, then, since

    def __call__(self, call: str) -> str:
        if self.since:
            self.since = "" if short(call) == self.since else self.since
            return ""
        if not self.waits_for or short(call) != self.waits_for:
            return ""
        self.waits_for, self.then = self.then, ""
        return self.when


@pytest.mark.parametrize("when", ["before", "after"])
def test_deploy(aws: MiniStack, proxy: Proxy, when: str) -> None:
    """What was made is taken back, so each run begins in the same account; from the last on it is executed."""
    before = everything(aws)
    for call in cut(DEPLOY, when):
        # The functions are looked at beforehand, too, whether their names are free.
        proxy.cut = Cut(call, when, since="ExecuteChangeSet" if call == "GET configuration" else "")
        ended = deploy(aws, *GIVEN, through=proxy)
        assert ended.returncode == 130, (call, ended.stderr)
        assert ended.stderr.count("Interrupted") == 1
        last = ended.stderr.rstrip("\n").rpartition("\n")[2]
        assert "un the same command again" in last, (call, last)
        is_made = stack(aws) is not None
        assert ("CloudFormation continues" in last) == is_made, (call, last)
        assert ("nothing was changed" in last) == (everything(aws) == before), (call, last)
        if is_made:
            proxy.cut = lambda _: ""
            assert destroy(aws).returncode == 0
    assert deployed(aws, *GIVEN)["status"] == "created"


def test_an_update_leaves_the_stack_as_it_is(aws: MiniStack, proxy: Proxy, tmp_path: Path) -> None:
    deployed(aws, *GIVEN)
    before = everything(aws)
    for call in ("PUT code", "CreateChangeSet", "DescribeChangeSet"):
        proxy.cut = Cut(call, "after")
        ended = deploy(aws, "--policy", own(tmp_path), through=proxy)
        assert ended.returncode == 130, ended.stderr
        if call == "PUT code":
            assert "the stack was not changed; what was uploaded stays in the bucket" in ended.stderr
        assert everything(aws) == before
        left = aws.client("cloudformation").list_change_sets(StackName=STACK)["Summaries"]
        assert {one["ExecutionStatus"] for one in left} <= {"EXECUTE_COMPLETE"}


def test_an_update_that_makes_a_bucket_says_that_it_stays(aws: MiniStack, proxy: Proxy) -> None:
    """A lifecycle rule, or a person, may have removed the bucket of an installed stack."""
    deployed(aws, *GIVEN)
    empty_and_delete(aws)
    proxy.cut = Cut(f"PUT /{BUCKET}", "after")
    ended = deploy(aws, *GIVEN, through=proxy)
    assert ended.returncode == 130, ended.stderr
    assert (
        f"the stack was not changed; the bucket {BUCKET}, if it was made, is empty and stays" in ended.stderr
    )
    assert BUCKET in {one["Name"] for one in aws.client("s3").list_buckets()["Buckets"]}


def empty_and_delete(aws: MiniStack) -> None:
    s3 = aws.client("s3")
    versions = s3.list_object_versions(Bucket=BUCKET).get("Versions", [])
    for one in versions:
        s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.mark.parametrize("call", [f"PUT /{BUCKET}?versioning", "PUT template", "DescribeChangeSet"])
def test_a_second_one_while_it_takes_back_is_told_with_what_may_be_left(
    aws: MiniStack, proxy: Proxy, call: str
) -> None:
    then = {"DescribeChangeSet": "DeleteChangeSet"}.get(call, f"GET /{BUCKET}?versions")
    proxy.cut = Cut(call, "before", then)
    ended = deploy(aws, *GIVEN, through=proxy)
    assert ended.returncode == 130, ended.stderr
    last = ended.stderr.rstrip("\n").rpartition("\n")[2]
    assert f"There may be the bucket {BUCKET}" in last
    assert ("the change set" in last) == (call == "DescribeChangeSet")
    assert f"retry-run-task destroy --stack {STACK}" in last


@pytest.mark.parametrize("when", ["before", "after"])
def test_destroy(aws: MiniStack, proxy: Proxy, when: str) -> None:
    """Each run goes on where the one before was interrupted, until nothing is left."""
    empty = everything(aws)
    deployed(aws, *GIVEN)
    aws.client("logs").create_log_stream(logGroupName=GROUP, logStreamName="retry-run-task-verify")
    proxy.answer["POST stop"] = lambda: b'{"StopTimestamp": 1795478703.0}'
    reached = set()
    for call in cut(DESTROY, when):
        before = everything(aws)
        proxy.calls.clear()
        proxy.answer["GET durable-executions"] = lambda: (
            None if "POST stop" in proxy.calls else json.dumps({"DurableExecutions": [RECOVERY]}).encode()
        )
        proxy.cut = Cut(call, when)
        # What only the stack tells is named by hand once the stack is gone.
        ended = destroy(aws, "--now", "--log-group", GROUP, through=proxy)
        last = ended.stderr.rstrip("\n").rpartition("\n")[2]
        if ended.returncode == 0:
            continue
        reached.add(call)
        assert (ended.returncode, last.startswith("Interrupted; ")) == (130, True), (call, ended.stderr)
        stopped = "POST stop" in proxy.calls
        is_gone = before["stacks"] != everything(aws)["stacks"]
        assert (f"the stack {STACK} is deleted" in last) == is_gone, (call, last)
        assert ("told to stop" in last) == stopped, (call, last)
        assert ("nothing was removed" in last) <= (everything(aws) == before), (call, last)
    assert reached >= {"DeleteStack", "DeleteLogStream", f"POST /{BUCKET}?delete", f"DELETE /{BUCKET}"}
    assert destroy(aws, "--log-group", GROUP).returncode == 0
    assert everything(aws) == empty


def test_these_are_all_the_calls(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws, *GIVEN, through=proxy)
    made = [short(call) for call in proxy.calls]
    # What comes before has changed nothing, and is in one place.
    assert set(made[made.index(f"PUT /{BUCKET}") :]) <= {*DEPLOY, "DescribeStacks"}
    aws.client("logs").create_log_stream(logGroupName=GROUP, logStreamName="retry-run-task-verify")
    proxy.calls.clear()
    assert destroy(aws, through=proxy).returncode == 0
    assert {short(call) for call in proxy.calls} <= {*DESTROY, "GetCallerIdentity"}


@pytest.mark.parametrize("call", ["GetCallerIdentity", "DescribeTrails", f"HEAD /{BUCKET}"])
def test_while_it_only_looks_nothing_is_changed(aws: MiniStack, proxy: Proxy, call: str) -> None:
    proxy.cut = Cut(call, "after")
    ended = deploy(aws, *GIVEN, through=proxy)
    assert (ended.returncode, "Interrupted; nothing was changed." in ended.stderr) == (130, True)
