"""Links to the AWS Management Console: a recovery, its log lines and a task.

AWS documents none of these addresses. They are those that users and other programs use; docs/unconfirmed.md lists the
ones that were seen in a single source.
"""

from __future__ import annotations

from dataclasses import dataclass

# https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
HOSTS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# arn:<partition>:ecs:<region>:<account>:task/<cluster>/<id>; without the cluster if the account has short ARNs.
_TASK_ARN_PARTS = 6
_FUNCTION_ARN_PARTS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a recovery runs. ``log_group`` is the function's; empty if not known."""

    partition: str
    region: str
    function: str
    log_group: str
    execution_arn: str


def place(function_arn: str, *, log_group: str, execution_arn: str) -> Place | None:
    """Return where a function runs; None if the text is not a function's ARN.

    It has the form ``arn:<partition>:lambda:<region>:<account>:function:<name>``, with an alias or without.
    """
    parts = function_arn.split(":")
    if len(parts) < _FUNCTION_ARN_PARTS or parts[2] != "lambda":
        return None
    return Place(
        partition=parts[1],
        region=parts[3],
        function=parts[6],
        log_group=log_group,
        execution_arn=execution_arn,
    )


def execution_url(at: Place) -> str | None:
    """Return the link to the function's durable executions; None if the partition's console is not known."""
    root = _root(at.partition, at.region)
    return root and f"{root}/lambda/home?region={at.region}#/functions/{_quoted(at.function)}?tab=durable"


def log_url(at: Place, text: str, *, start_ms: int | None = None, end_ms: int | None = None) -> str | None:
    """Return the link to the log lines with a text; None if the partition's console is not known.

    Times are in milliseconds since 1970; without ``start_ms`` it is the last week before the link is opened.
    """
    root = _root(at.partition, at.region)
    if root is None:
        return None
    # The part after # is encoded twice, and its % are written as $.
    # https://github.com/remotion-dev/remotion/blob/main/packages/lambda-client/src/get-cloudwatch-stream-url.ts
    group = _quoted(_quoted(at.log_group)).replace("%", "$")
    pattern = _quoted(_quoted(f'"{text}"')).replace("%", "$")
    span = "start$3D-604800000" if start_ms is None else f"start$3D{start_ms}$26end$3D{end_ms}"
    return (
        f"{root}/cloudwatch/home?region={at.region}#logsV2:log-groups/log-group/{group}"
        f"/log-events$3FfilterPattern$3D{pattern}$26{span}"
    )


def task_url(arn: str) -> str | None:
    """Return the link to a task; None if its ARN has no cluster, or the console is not known."""
    parts = arn.split(":")
    if len(parts) != _TASK_ARN_PARTS:
        return None
    _, partition, service, region, _, resource = parts
    kind, _, rest = resource.partition("/")
    cluster, _, task = rest.partition("/")
    root = _root(partition, region)
    if service != "ecs" or kind != "task" or not task or root is None:
        return None
    return f"{root}/ecs/v2/clusters/{_quoted(cluster)}/tasks/{_quoted(task)}/configuration?region={region}"


def _root(partition: str, region: str) -> str | None:
    host = HOSTS.get(partition)
    # The Region is part of the host name here, and a hand-made record may hold anything.
    return f"https://{region}.{host}" if host and region and set(region) <= _UNRESERVED - {"."} else None


def _quoted(text: str) -> str:
    """Return text percent-encoded, slashes too."""
    encoded = text.encode("utf-8", "replace")
    return "".join(chr(b) if chr(b) in _UNRESERVED else f"%{b:02X}" for b in encoded)
