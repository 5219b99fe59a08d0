"""What ``destroy`` lists before it asks."""

from __future__ import annotations

import pytest

from retry_run_task.commands.deploy.artifact import Bucket
from retry_run_task.commands.destroy import command as destroy
from retry_run_task.commands.destroy.removal import Leftovers


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
