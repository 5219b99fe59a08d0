"""What ``destroy`` lists before it asks."""

from __future__ import annotations

import pytest

from retry_run_task.commands.deploy.artifact import Bucket
from retry_run_task.commands.destroy import command as destroy
from retry_run_task.commands.destroy.removal import Leftovers
from retry_run_task.commands.shared.ownership import Resource
from retry_run_task.commands.shared.stack_states import StackState


@pytest.mark.parametrize(
    ("has_bucket", "is_ours", "files", "said"),
    [
        (True, True, 0, ["The bucket code goes, if nothing else is in it."]),
        (
            True,
            True,
            3,
            [
                "The code goes: 3 versions of files in the bucket code.",
                "The bucket code goes, if nothing else is in it.",
            ],
        ),
        (True, False, 3, ["The code goes: 3 versions of files in the bucket code."]),
        (False, True, 0, []),
    ],
)
def test_the_bucket_is_listed_if_it_goes(
    capsys: pytest.CaptureFixture[str], has_bucket: bool, is_ours: bool, files: int, said: list[str]
) -> None:
    bucket = Bucket(name="code", account="123456789012", region="eu-west-1", partition="aws", is_ours=is_ours)
    left = Leftovers(bucket=bucket, has_bucket=has_bucket, files=files, log_group="", has_stream=False)
    destroy._show(None, (), left, "x", "eu-west-1", 0, now=False)
    _, *lines = capsys.readouterr().err.splitlines()
    assert lines == said


def test_every_resource_is_listed_with_those_of_its_type(capsys: pytest.CaptureFixture[str]) -> None:
    bucket = Bucket(name="code", account="123456789012", region="eu-west-1", partition="aws", is_ours=True)
    left = Leftovers(bucket=bucket, has_bucket=False, files=0, log_group="", has_stream=False)
    state = StackState(stack_id="", status="CREATE_COMPLETE", reason="", outputs={})
    resources = (
        Resource(
            name="Topic", type="AWS::SNS::Topic", physical_id="arn:aws:sns:eu-west-1:123456789012:x-topic"
        ),
        *(
            Resource(name=f"A{n}", type="AWS::CloudWatch::Alarm", physical_id=f"x-A{n}" if n else "")
            for n in range(12)
        ),
    )
    destroy._show(state, resources, left, "x", "eu-west-1", 1, now=False)
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.endswith("with 13 resources:")
    assert lines == [
        f"  - AWS::CloudWatch::Alarm: A0, {', '.join(f'x-A{n}' for n in range(1, 12))}",
        "  - AWS::SNS::Topic: x-topic",
        "In progress, and waited for: 1 recovery.",
    ]
