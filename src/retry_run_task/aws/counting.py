"""Counts the recoveries in progress."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from botocore.config import Config

from retry_run_task.aws import recoveries
from retry_run_task.aws.cached import cached
from retry_run_task.aws.faults import attempt
from retry_run_task.launch.values import Failure

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# A count is a courtesy, so it must not keep a recovery waiting.
CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 1})
# From 14,400 recoveries on the waits become no longer, so more need not be counted.
PAGE, PAGES = 1000, 15


@cached
def client() -> LambdaClient:
    """Return a Lambda client that does not retry."""
    return recoveries.client_with(CONFIG)


def count_running(functions: LambdaClient, function: str, version: str, page_size: int = PAGE) -> int | None:
    """Return how many recoveries of a version are in progress, at most 15 pages; None if Lambda does not answer.

    The version is named because AWS has documented the list without one as that of all versions, and before as that of
    ``$LATEST`` alone. An empty list is no answer: the caller is itself in progress.
    https://docs.aws.amazon.com/lambda/latest/api/API_ListDurableExecutionsByFunction.html
    """
    pages = functions.get_paginator("list_durable_executions_by_function").paginate(
        FunctionName=function,
        Qualifier=version,
        Statuses=["RUNNING"],
        PaginationConfig={"PageSize": page_size},
    )
    size = attempt(lambda: sum(len(page["DurableExecutions"]) for page in islice(pages, PAGES)))
    return None if isinstance(size, Failure) else size or None
