"""Reads the trails that record a Region's calls, and their log groups.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Trail.html
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.inventory import Filter, LogGroup, Trail, Unknown
from retry_run_task.commands.shared.reader import Reader, not_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.launch.values import JsonObject

# The call that has to be recorded, in the terms of event selectors.
_RUN_TASK = MappingProxyType(
    {
        "eventCategory": "Management",
        "readOnly": "false",
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "eventType": "AwsApiCall",
    }
)

# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {"Equals": str.__eq__, "StartsWith": str.startswith, "EndsWith": str.endswith}
)


def read_trails(reader: Reader) -> tuple[Trail, ...] | Unknown:
    """Return the trails that record the reader's Region, including those of the organisation."""
    answer = reader.read("cloudtrail:DescribeTrails", includeShadowTrails=True)
    if isinstance(answer, Unknown):
        return answer
    if "trailList" not in answer:
        return not_whole("cloudtrail:DescribeTrails")
    return tuple(_read_trail(reader, described) for described in answer["trailList"])


def _read_trail(reader: Reader, described: JsonObject) -> Trail:
    # A trail of all Regions is a shadow trail elsewhere, identified by its ARN; its status is read in its home Region.
    # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
    arn, home = described.get("TrailARN") or described["Name"], described.get("HomeRegion") or reader.region
    status = reader.read("cloudtrail:GetTrailStatus", in_region=home, Name=arn)
    selectors = reader.read("cloudtrail:GetEventSelectors", in_region=home, TrailName=arn)
    group = described.get("CloudWatchLogsLogGroupArn")
    return Trail(
        name=described.get("Name") or arn,
        arn=arn,
        home_region=home,
        is_multi_region=bool(described.get("IsMultiRegionTrail")),
        is_organization=bool(described.get("IsOrganizationTrail")),
        log_group_arn=group.removesuffix(":*") if group else None,
        is_logging=status if isinstance(status, Unknown) else bool(status.get("IsLogging")),
        records_run_task=selectors if isinstance(selectors, Unknown) else records_run_task(selectors),
        delivery_error=""
        if isinstance(status, Unknown)
        else str(status.get("LatestCloudWatchLogsDeliveryError") or ""),
    )


def records_run_task(selectors: Mapping[str, Any]) -> bool:
    """Tell whether a trail records ``RunTask``, from the answer of GetEventSelectors.

    A trail without selectors records every management event.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html
    """
    basic = selectors.get("EventSelectors") or ()
    advanced = selectors.get("AdvancedEventSelectors") or ()
    if not basic and not advanced:
        return True
    return any(_takes(selector) for selector in basic) or any(
        all(_agrees(field) for field in selector.get("FieldSelectors") or ()) for selector in advanced
    )


def _takes(selector: Mapping[str, Any]) -> bool:
    return (
        selector.get("IncludeManagementEvents", True)
        and selector.get("ReadWriteType", "All") != "ReadOnly"
        and _RUN_TASK["eventSource"] not in (selector.get("ExcludeManagementEventSources") or ())
    )


def _agrees(field: Mapping[str, Any]) -> bool:
    """Tell whether one field of an advanced selector includes the call; any of its values may match."""
    value = _RUN_TASK.get(str(field.get("Field")))
    for operator, is_so in _OPERATORS.items():
        wanted: Sequence[str] = field.get(operator) or ()
        unwanted: Iterable[str] = field.get(f"Not{operator}") or ()
        if wanted and (value is None or not any(is_so(value, text) for text in wanted)):
            return False
        # A property of the call that is not known, such as the caller, is not counted as excluded.
        if value is not None and any(is_so(value, text) for text in unwanted):
            return False
    return True


def read_log_groups(reader: Reader, identity: Identity, trails: Iterable[Trail]) -> Mapping[str, LogGroup]:
    """Return the trails' log groups that are in this account and Region, by ARN."""
    found = {}
    for arn in dict.fromkeys(trail.log_group_arn for trail in trails if trail.log_group_arn):
        if is_here(arn, identity, reader.region):
            found[arn] = _read_log_group(reader, arn.split(":log-group:")[-1])
    return MappingProxyType(found)


def is_here(arn: str, identity: Identity, region: str) -> bool:
    """Tell whether an ARN is of this account and Region."""
    return arn.split(":")[3:5] == [region, identity.account]


def _read_log_group(reader: Reader, name: str) -> LogGroup:
    groups = reader.read_all("logs:DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
    if isinstance(groups, Unknown):
        return LogGroup(name=name, log_class=groups, filters=_read_filters(reader, name))
    described = next((group for group in groups if group.get("logGroupName") == name), None)
    if described is None:
        return LogGroup(name=name, exists=False)
    log_class = described.get("logGroupClass") or "STANDARD"
    return LogGroup(name=name, log_class=log_class, filters=_read_filters(reader, name))


def _read_filters(reader: Reader, name: str) -> tuple[Filter, ...] | Unknown:
    filters = reader.read_all("logs:DescribeSubscriptionFilters", "subscriptionFilters", logGroupName=name)
    if isinstance(filters, Unknown):
        return filters
    return tuple(
        Filter(name=one.get("filterName", ""), destination_arn=one.get("destinationArn", ""))
        for one in filters
    )
