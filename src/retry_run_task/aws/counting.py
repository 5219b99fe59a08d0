"""Counts the recoveries in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from retry_run_task.aws import recoveries
from retry_run_task.aws.cached import cached

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
    """Return how many recoveries of a version are in progress, at most 15 pages; None if Lambda does not say.

    The version is named because AWS has documented the list without one as that of all versions, and before as that of
    ``$LATEST`` alone. None at all cannot be: the one that asks is one.
    https://docs.aws.amazon.com/lambda/latest/api/API_ListDurableExecutionsByFunction.html
    """
    asked: Any = {
        "FunctionName": function,
        "Qualifier": version,
        "Statuses": ["RUNNING"],
        "MaxItems": page_size,
    }
    size = 0
    try:
        for _ in range(PAGES):
            page = functions.list_durable_executions_by_function(**asked)
            size += len(page["DurableExecutions"])
            if not page.get("NextMarker"):
                break
            asked["Marker"] = page["NextMarker"]
    except (BotoCoreError, ClientError, KeyError):
        # An answer without its list is none.
        return None
    return size or None
