"""What the tests of the local AWS share: real boto3 clients, and a way to wait for what is told to observers."""

from __future__ import annotations

from pathlib import Path
from queue import Queue
from typing import Any

import boto3
from botocore.config import Config

HANDLERS = Path(__file__).parents[1] / "functional" / "local_handlers"
# An hour of backoff in 3.6 s; timers are still late by less than a virtual minute on a loaded machine.
SPEED = 1000.0
_SESSION = boto3.Session()


def client(aws: Any, service: str, function: str | None = None) -> Any:
    """Return a boto3 client that speaks to a local AWS, as a person or with a function's role; it never retries."""
    env = aws.environment(function)
    return _SESSION.client(
        service,
        endpoint_url=aws.endpoint,
        region_name=aws.region,
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=env["AWS_SESSION_TOKEN"],
        config=Config(retries={"total_max_attempts": 1}),
    )


class Seen(Queue[Any]):
    """An observer that remembers; `next` waits for what it is told."""

    def __call__(self, *told: Any) -> None:
        self.put(told[0] if len(told) == 1 else told)

    def next(self, timeout_s: float = 60) -> Any:
        return self.get(timeout=timeout_s)
