"""The recorded RunTask request: what is sent again, what is dropped, and what is missing.

The request is carried whole, as CloudTrail recorded it. This module names the few members that are not sent again, and
finds the values that CloudTrail redacted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import IncompleteRequest, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

# ECS: 1 to 10 tasks a call. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
COUNT_MAX = 10

# CloudTrail replaces environment overrides with this string (and any value that it redacts in future).
# https://github.com/aws-samples/aws-batch-runtime-monitoring/issues/20
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"

# Deeper than any RunTask request, and well below the interpreter's recursion limit.
DEPTH_MAX = 64


class MemberUse(StrEnum):
    """What happens to a member of a recorded request."""

    KEPT = "kept"
    REWRITTEN = "rewritten"
    DROPPED = "dropped"


# Every member of RunTask that was considered, and why it is treated so. A member that is not listed came with a newer
# caller: it is kept. A test fails if the installed model has a member that this table lacks.
MEMBERS: Mapping[str, tuple[MemberUse, str]] = MappingProxyType(
    {
        "capacityProviderStrategy": (MemberUse.KEPT, "as asked"),
        "clientToken": (
            MemberUse.REWRITTEN,
            "ECS answers a token that it has seen with the old outcome; each new call has its own",
        ),
        "cluster": (MemberUse.KEPT, "as asked; absent means the default cluster"),
        "count": (MemberUse.REWRITTEN, "only the tasks that are still missing; untouched if that is all"),
        "enableECSManagedTags": (MemberUse.KEPT, "as asked"),
        "enableExecuteCommand": (MemberUse.KEPT, "as asked"),
        "group": (MemberUse.KEPT, "as asked"),
        "launchType": (MemberUse.KEPT, "as asked"),
        "networkConfiguration": (MemberUse.KEPT, "as asked"),
        "overrides": (
            MemberUse.KEPT,
            "as asked; what CloudTrail hid of it comes from the schedule, or the request is refused",
        ),
        "placementConstraints": (MemberUse.KEPT, "as asked"),
        "placementStrategy": (MemberUse.KEPT, "as asked"),
        "platformVersion": (MemberUse.KEPT, "as asked"),
        "propagateTags": (MemberUse.KEPT, "as asked"),
        "referenceId": (MemberUse.DROPPED, "a reference that AWS services use among themselves"),
        "startedBy": (MemberUse.REWRITTEN, "the original, with a suffix that names the recovery"),
        "tags": (MemberUse.REWRITTEN, "less those that begin with aws:, which only AWS may set"),
        "taskDefinition": (MemberUse.KEPT, "as asked; without a revision ECS takes the latest active one"),
        "volumeConfigurations": (MemberUse.KEPT, "as asked"),
        # Not in the model, but in real records.
        "dryrun": (MemberUse.DROPPED, "CloudTrail records it; it is not a parameter of the public API"),
    }
)

DROPPED = frozenset(name for name, (handling, _) in MEMBERS.items() if handling is MemberUse.DROPPED)


class RequestError(ValueError):
    """The recorded parameters are not those of a RunTask call. The message says which and why."""


def rebuild(recorded: Mapping[str, Any]) -> Request | IncompleteRequest:
    """Return the request in a record's ``requestParameters``.

    Raises:
        RequestError: No task definition, a count outside 1 to 10, or nested too deeply.
    """
    parameters = {k: v for k, v in recorded.items() if k not in DROPPED and k != "clientToken"}
    _check(parameters)
    if "tags" in parameters:
        parameters["tags"] = _without_aws_tags(parameters["tags"])
        if not parameters["tags"]:
            del parameters["tags"]
    missing = tuple(hidden_paths(parameters))
    if missing:
        return IncompleteRequest(parameters=parameters, missing=missing)
    return Request(parameters=parameters)


def _check(parameters: Mapping[str, Any]) -> None:
    task_definition = parameters.get("taskDefinition")
    if not isinstance(task_definition, str) or not task_definition:
        raise RequestError("requestParameters has no taskDefinition, so there is nothing to run")
    cluster = parameters.get("cluster")
    if cluster is not None and not isinstance(cluster, str):
        raise RequestError("requestParameters.cluster is not a string")
    started_by = parameters.get("startedBy")
    if started_by is not None and not isinstance(started_by, str):
        raise RequestError("requestParameters.startedBy is not a string")
    count = parameters.get("count")
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= COUNT_MAX:
        raise RequestError(f"requestParameters.count is not a whole number from 1 to {COUNT_MAX}")


def _without_aws_tags(tags: Any) -> Any:
    if not isinstance(tags, list):
        return tags
    return [tag for tag in tags if not _is_aws_tag(tag)]


def _is_aws_tag(tag: Any) -> bool:
    return isinstance(tag, dict) and str(tag.get("key")).lower().startswith("aws:")


def hidden_paths(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the path of every value that CloudTrail redacted, wholly or in part.

    Raises:
        RequestError: The parameters are nested more deeply than any request, or hold a value that is not JSON.
    """
    if _scan(parameters):
        yield from _paths(parameters)


def _scan(parameters: Mapping[str, Any]) -> bool:
    """Tell whether anything is redacted; most requests are whole, and need no paths."""
    hides = False
    level: list[Any] = [parameters]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for holder in level:
            if isinstance(holder, Mapping):
                hides = any(_text_hides(key) for key in holder) or hides
            for value in holder.values() if isinstance(holder, Mapping) else holder:
                if isinstance(value, str):
                    hides = _text_hides(value) or hides
                elif isinstance(value, dict | list):
                    below.append(value)
                elif isinstance(value, float) and not isfinite(value):
                    raise RequestError("requestParameters holds a number that is too large for JSON")
        if not below:
            return hides
        level = below
    raise RequestError(f"requestParameters is nested more than {DEPTH_MAX} levels deep")


def _text_hides(text: str) -> bool:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise RequestError("requestParameters holds half of a character (a lone surrogate), as no call can")
    return HIDDEN in text.upper()


def _paths(parameters: Mapping[str, Any]) -> Iterator[str]:
    stack: list[tuple[str, Any]] = list(reversed(list(parameters.items())))
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            if HIDDEN in value.upper():
                yield path
        elif isinstance(value, dict):
            if any(HIDDEN in key.upper() for key in value):
                yield f"{path} (a key)"
            stack.extend(reversed([(f"{path}.{key}", child) for key, child in value.items()]))
        elif isinstance(value, list):
            stack.extend(reversed([(f"{path}[{_label(child, i)}]", child) for i, child in enumerate(value)]))


def _label(item: Any, index: int) -> str:
    """Return the label of a list item in a path: a container's name, else the item's index."""
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else str(index)


def asked(request: Request | IncompleteRequest) -> int:
    """Return how many tasks the request asks for; 1 if it does not say, which is ECS's default."""
    return request.parameters.get("count") or 1


def for_call(
    request: Request | IncompleteRequest, *, missing: int, token: str, started_by: str
) -> dict[str, Any]:
    """Return the body of one call: the request for the missing tasks only, with our token and ``startedBy``."""
    body = dict(request.parameters)
    if missing != asked(request):
        body["count"] = missing
    body["startedBy"] = started_by
    body["clientToken"] = token
    return body


_MASK = "***"

# Members of overrides, in lower case: those that hold other members, and those that may be shown.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
_HOLDERS = frozenset({
    "containeroverrides", "environmentfiles", "ephemeralstorage", "inferenceacceleratoroverrides", "overrides",
    "resourcerequirements",
})  # fmt: skip
_SHOWN = frozenset({
    "command", "cpu", "devicename", "devicetype", "executionrolearn", "memory", "memoryreservation", "name",
    "sizeingib", "taskrolearn", "type",
})  # fmt: skip
# In these a value is a number of GPUs or the address of a file; anywhere else it may be a variable's.
_VALUED = frozenset({"environmentfiles", "inferenceacceleratoroverrides", "resourcerequirements"})


def masked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters for display: names of environment variables, never their values.

    A record is an outsider's text, so members that RunTask does not have are masked whole.
    """
    return {name: _masked(name, value) for name, value in parameters.items()}


def _masked(name: str, value: Any) -> Any:
    if name == "overrides":
        return _masked_override(name, value)
    return value if name in MEMBERS else _hidden(value)


def _masked_override(name: str, value: Any) -> Any:
    lower = name.lower()
    if lower == "environment":
        return _masked_environment(value)
    if lower in _HOLDERS and isinstance(value, Mapping):
        return {
            inner: one
            if lower in _VALUED and inner.lower() == "value" and isinstance(one, str)
            else _masked_override(inner, one)
            for inner, one in value.items()
        }
    if lower in _HOLDERS | _SHOWN and isinstance(value, list):
        return [_masked_override(name, one) for one in value]
    return value if lower in _SHOWN and not isinstance(value, Mapping) else _hidden(value)


def _hidden(value: Any) -> Any:
    return value if value is None or value == HIDDEN else _MASK


def _masked_environment(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked_variable(one) for one in value]
    return _hidden(value)


def _masked_variable(variable: Any) -> Any:
    name = variable.get("name") if isinstance(variable, Mapping) else None
    return {"name": name, "value": _MASK} if isinstance(name, str) else _MASK


def cluster_name(parameters: Mapping[str, Any]) -> str:
    """Return the cluster's short name; ``default``, as in ECS, if the request names none."""
    return str(parameters.get("cluster") or "default").rpartition("/")[2]


def family(parameters: Mapping[str, Any]) -> str:
    """Return the family of the task definition, without revision or ARN; empty if unknown."""
    return short_family(str(parameters.get("taskDefinition") or ""))


def short_family(definition: str) -> str:
    """Return the family in a task definition's ARN, ``family:revision`` or family."""
    return definition.rpartition("/")[2].partition(":")[0]
