"""What our start is compared with: boto3 and one RunTask. A script, and a handler.

Nothing of the product is imported here.
"""

from __future__ import annotations

from typing import Any

import boto3


def run_task(_event: Any = None, _context: Any = None) -> None:
    """Make a client and call RunTask once."""
    boto3.client("ecs").run_task(
        cluster="batch",
        taskDefinition="nightly",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-a"]}},
    )


def nothing(_event: Any = None, _context: Any = None) -> dict[str, str]:
    """End a durable execution at once, in the words of the durable SDK."""
    return {"Status": "SUCCEEDED", "Result": "null"}


if __name__ == "__main__":
    run_task()
