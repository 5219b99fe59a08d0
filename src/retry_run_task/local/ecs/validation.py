"""What ECS refuses, with its error texts.

Each text was seen in an answer of ECS, with the URL where it was seen; a text without a URL is modelled on the others
and was not seen. Nothing here changes anything.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from retry_run_task.local.ecs.capacity import FARGATE, Share
from retry_run_task.local.ecs.fargate_sizes import is_fargate_size
from retry_run_task.local.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retry_run_task.local.ecs.tasks import EcsTaskDefinition

Json = dict[str, Any]

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html and, for subnets and
# security groups, API_AwsVpcConfiguration.html beside it.
MOST_TASKS = 10
MOST_SUBNETS = 16
MOST_SECURITY_GROUPS = 5
MOST_TAGS = 50
MOST_PROVIDERS = 20
MOST_CONSTRAINTS = 10
MOST_STRATEGIES = 5
LONGEST_OVERRIDES = 8192
LONGEST_STARTED_BY = 128
LONGEST_TAG_KEY = 128
LONGEST_TAG_VALUE = 256
STARTED_BY = re.compile(r"[A-Za-z0-9_/-]*")
# The one value known to break the rule is AWS's own: Step Functions sends it.
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
STARTED_BY_STEP_FUNCTIONS = "AWS Step Functions"
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
CLIENT_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html
TAG_TEXT = re.compile(r"[\w\s.:/=+\-@]*")

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

LAUNCH_TYPES = frozenset({"EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"})
PLATFORM_VERSIONS = frozenset({"LATEST", "1.0.0", "1.3.0", "1.4.0"})


class EcsError(AwsError):
    """An exception of ECS. With status 500 the call may have had an effect."""


def invalid(message: str) -> EcsError:
    """Return the error for an invalid parameter."""
    return EcsError("InvalidParameterException", message)


def throttled() -> EcsError:
    """Return the error for a throttled call.

    HTTP 400, not 429: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/request-throttling.html
    """
    return EcsError("ThrottlingException", "Rate exceeded")


def check_client_token(token: str) -> None:
    """Refuse a token unless it is up to 64 printable ASCII characters without space; ECS's text was not seen."""
    if CLIENT_TOKEN.fullmatch(token) is None:
        raise invalid("clientToken must be up to 64 ASCII characters in the range of 33-126.")


def check_request(body: Mapping[str, Any]) -> int:
    """Refuse what is invalid for any cluster and task definition; return the number of tasks."""
    count: int | None = body.get("count")
    if count is None:
        count = 1
    if not 1 <= count <= MOST_TASKS:
        raise invalid("count must be between 1 and 10.")
    started_by = body.get("startedBy")
    if started_by and started_by != STARTED_BY_STEP_FUNCTIONS:
        if len(started_by) > LONGEST_STARTED_BY:
            # "startedBy longer than 36." until the limit was raised: https://github.com/convox/rack/issues/1727
            raise invalid("startedBy longer than 128.")
        if STARTED_BY.fullmatch(started_by) is None:
            # Documented; in 2016 a colon was let through: https://github.com/boto/boto3/issues/877
            raise invalid("startedBy contains invalid characters.")
    if (overrides := body.get("overrides")) and (len(_COMPACT.encode(overrides)) > LONGEST_OVERRIDES):
        # https://github.com/convox/rack/issues/1906
        raise invalid("Container Overrides length must be at most 8192")
    if tags := body.get("tags"):
        _check_tags(tags)
    if body.get("propagateTags") == "SERVICE":
        # "An error will be received if you specify the SERVICE option when running a task."
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
        raise invalid("Tags can only be propagated from the task definition when running a task.")
    _at_most("placementConstraints", body.get("placementConstraints"), MOST_CONSTRAINTS)
    _at_most("placementStrategy", body.get("placementStrategy"), MOST_STRATEGIES)
    return count


def _at_most(name: str, items: Sequence[Any] | None, most: int) -> None:
    if items and len(items) > most:
        # "subnets can have at most 16 items." is https://github.com/opensearch-project/opensearch-migrations/issues/1430
        raise invalid(f"{name} can have at most {most} items.")


def _check_tags(tags: Sequence[Mapping[str, str]]) -> None:
    _at_most("tags", tags, MOST_TAGS)
    for tag in tags:
        key, value = tag.get("key") or "", tag.get("value") or ""
        if key.lower().startswith("aws:"):
            # https://github.com/aws/amazon-ecs-agent/issues/1704
            raise invalid("Tag key must not start with aws:")
        is_short = 1 <= len(key) <= LONGEST_TAG_KEY and len(value) <= LONGEST_TAG_VALUE
        if not is_short or not TAG_TEXT.fullmatch(key) or not TAG_TEXT.fullmatch(value):
            # https://github.com/PrefectHQ/prefect/issues/13174
            raise invalid("Some tags contain invalid characters.")
    if len({tag.get("key") for tag in tags}) < len(tags):
        raise invalid("Duplicate tag keys are not allowed.")


def compute_of(
    body: Mapping[str, Any], *, associated: Sequence[str], default: Sequence[Share]
) -> tuple[str | None, tuple[Share, ...]]:
    """Return the launch type, or the capacity provider strategy that replaces it.

    ``associated`` are the cluster's capacity providers, ``default`` is its strategy for a request without one.
    """
    launch_type: str | None = body.get("launchType")
    items: list[Json] | None = body.get("capacityProviderStrategy")
    if launch_type and items:
        # https://github.com/terraform-linters/tflint-ruleset-aws/issues/349
        raise invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. "
            "Remove one and try again."
        )
    if launch_type:
        if launch_type not in LAUNCH_TYPES:
            raise invalid("launchType is not valid.")
        return launch_type, ()
    if not items:
        # "If no capacityProviderStrategy or launchType is specified, the defaultCapacityProviderStrategy
        # for the cluster is used", and without one the launch type is EC2.
        return (None, tuple(default)) if default else ("EC2", ())
    _at_most("capacityProviderStrategy", items, MOST_PROVIDERS)
    shares = tuple(
        Share(item.get("capacityProvider") or "", item.get("base") or 0, item.get("weight") or 0)
        for item in items
    )
    _check_strategy(shares, associated)
    return None, shares


def _check_strategy(shares: Sequence[Share], associated: Sequence[str]) -> None:
    if any(share.provider not in associated for share in shares):
        # https://github.com/dask/dask-cloudprovider/issues/328
        raise invalid(
            "The specified capacity provider strategy cannot contain a capacity provider that is not "
            "associated with the cluster. Associate the capacity provider with the cluster or specify "
            "a valid capacity provider and try again."
        )
    # The rules, not the words, are in
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
    if len({share.provider in FARGATE for share in shares}) > 1:
        raise invalid(
            "A capacity provider strategy cannot contain a mix of capacity providers "
            "using Auto Scaling groups and Fargate providers."
        )
    if sum(share.base > 0 for share in shares) > 1:
        raise invalid("Only one capacity provider in a capacity provider strategy can have a base defined.")
    if any(not 0 <= share.weight <= 1000 or not 0 <= share.base <= 100_000 for share in shares):  # noqa: PLR2004
        raise invalid("The weight or base of a capacity provider strategy item is out of range.")
    if len(shares) > 1 and not any(share.weight for share in shares):
        raise invalid("At least one capacity provider must have a weight greater than 0.")


def check_fit(body: Mapping[str, Any], definition: EcsTaskDefinition, *, launch_type: str) -> None:
    """Refuse what does not fit the task definition or its launch type."""
    if not definition.is_active:
        # https://github.com/DefangLabs/defang/pull/775
        raise invalid("TaskDefinition is inactive")
    if launch_type not in definition.compatibilities:
        # https://github.com/aws/aws-cli/issues/3983
        raise invalid(f"Task definition does not support launch_type {launch_type}.")
    if launch_type == "FARGATE":
        _check_fargate(body, definition)
    elif body.get("platformVersion"):
        # Quoted in https://github.com/docker-archive/compose-cli (ecs/cloudformation.go).
        raise invalid("The platform version must be null when specifying an EC2 launch type.")
    for override in (body.get("overrides") or {}).get("containerOverrides") or ():
        name = override.get("name")
        if name not in definition.containers:
            # https://github.com/azavea/django-ecsmanage/issues/21
            raise invalid(f"Override for container named {name} is not a container in the TaskDefinition.")


def _check_fargate(body: Mapping[str, Any], definition: EcsTaskDefinition) -> None:
    if body.get("placementConstraints"):
        # https://github.com/GetSimpl/cloudlift/pull/138
        raise invalid("Placement constraints are not supported with FARGATE launch type.")
    if body.get("placementStrategy"):
        # https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2369
        raise invalid("Placement strategies are not supported with FARGATE launch type.")
    version = body.get("platformVersion")
    if version and version not in PLATFORM_VERSIONS:
        # https://github.com/jenkinsci/amazon-ecs-plugin/issues/218
        raise EcsError("PlatformUnknownException", "The specified platform does not exist.")
    overrides = body.get("overrides") or {}
    cpu, memory = overrides.get("cpu") or definition.cpu, overrides.get("memory") or definition.memory
    if not is_fargate_size(cpu, memory):
        # Seen for a task definition; that an override to such a size is refused in the same words is
        # assumed: https://github.com/towardsthecloud/aws-cdk-examples/issues/1
        raise EcsError(
            "ClientException",
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values.",
        )


def subnets_of(body: Mapping[str, Any], definition: EcsTaskDefinition, known: Mapping[str, str]) -> list[str]:
    """Return the subnets to place tasks in; empty for a network mode that has none of its own."""
    network: Json = (body.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    if definition.network_mode != "awsvpc":
        if network:
            # https://github.com/muya/amazon-ecs-run-task/issues/7
            raise invalid(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        return []
    if not network:
        # https://github.com/fabfuel/ecs-deploy/issues/133
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    subnets: list[str] = network.get("subnets") or []
    if not subnets:
        raise invalid("subnets can not be empty.")
    _at_most("subnets", subnets, MOST_SUBNETS)
    _at_most("securityGroups", network.get("securityGroups"), MOST_SECURITY_GROUPS)
    for subnet in subnets:
        if subnet not in known:
            # https://github.com/eddmann/serverless-fargate/issues/20
            raise invalid(
                f"Error retrieving subnet information for [{subnet}]: The subnet ID '{subnet}' "
                "does not exist (ErrorCode: InvalidSubnetID.NotFound)"
            )
    return subnets
