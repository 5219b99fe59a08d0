"""Name conflicts: resources that a first deployment would create and that already exist.

CloudFormation would find them, too, but only after the code is uploaded, and it cannot name the owner. Of a layer there
may be any number of versions, so its name is never taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.hints import aws_line
from retry_run_task.commands.shared.installation import variables_of
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.reader import error_code
from retry_run_task.config import PREFIX
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retry_run_task.commands.deploy.template import Filled
    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.commands.shared.stack_states import ResourceChange
    from retry_run_task.launch.values import JsonObject

TYPES = frozenset(
    {
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Events::Rule",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::Logs::MetricFilter",
        "AWS::Logs::SubscriptionFilter",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
    }
)
"""Those that the template gives names."""

_NOT_THERE = frozenset(
    {
        "NoSuchEntity",
        "ResourceNotFoundException",
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetDashboard.html
        "ResourceNotFound",
        "DashboardNotFoundError",
        # https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
        "NotFound",
        "NotFoundException",
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
_MOST_ALARMS = 100


def check_names(filled: Filled, changes: Iterable[ResourceChange], reader: Reader) -> tuple[str, ...]:
    """Refuse to create what exists; return notes on what could not be checked.

    ``filled`` is the template as it would be deployed.

    Raises:
        ConfigError: Names every conflict, and its owner if known.
    """
    added = [
        (one.type, filled.resources[one.resource]["Properties"]) for one in changes if one.action == "add"
    ]
    alarms = [properties["AlarmName"] for kind, properties in added if kind == "AWS::CloudWatch::Alarm"]
    looks = _Looks(reader, filled.stack, filled.identity)
    found = [one for kind, properties in added for one in looks.look(kind, properties)]
    found += looks.alarms(alarms)
    notes = {
        one.action: f"whether the names are free is not known ({one.action}): {one.why}"
        for one in found
        if isinstance(one, Unknown)
    }
    if taken := [one for one in found if not isinstance(one, Unknown)]:
        raise ConfigError(
            f"Names that the stack {filled.stack} would use are taken: {'; '.join(taken)}.",
            hint="Remove that, or name the stack otherwise with --stack.",
        )
    return tuple(notes.values())


class _Looks:
    """Looks for each kind of resource: what has its name, or why that is not known; nothing if the name is free."""

    def __init__(self, reader: Reader, stack: str, identity: Identity) -> None:
        self._reader, self._stack = reader, stack
        self._partition, self._account = identity.partition, identity.account

    def look(self, kind: str, properties: JsonObject) -> Iterator[str | Unknown]:
        """Yield what has the name of a resource."""
        match kind:
            case "AWS::IAM::Role":
                name = properties["RoleName"]
                yield from self._one(
                    f"the role {name}, which an installation in another Region may have, since an account has it once",
                    "iam:GetRole",
                    RoleName=name,
                )
            case "AWS::IAM::ManagedPolicy":
                name = f"{properties.get('Path', '/')}{properties['ManagedPolicyName']}"
                arn = f"arn:{self._partition}:iam::{self._account}:policy{name}"
                yield from self._one(f"the policy {arn}", "iam:GetPolicy", PolicyArn=arn)
            case "AWS::Lambda::Function":
                yield from self._function(properties["FunctionName"])
            case "AWS::SQS::Queue":
                name = properties["QueueName"]
                yield from self._one(f"the queue {name}", "sqs:GetQueueUrl", QueueName=name)
            case "AWS::SNS::Topic":
                where = f"{self._reader.region}:{self._account}"
                arn = f"arn:{self._partition}:sns:{where}:{properties['TopicName']}"
                yield from self._one(f"the topic {arn}", "sns:GetTopicAttributes", TopicArn=arn)
            case "AWS::Events::Rule":
                name = properties["Name"]
                yield from self._one(f"the rule {name}", "events:DescribeRule", Name=name)
            case "AWS::CloudWatch::Dashboard":
                name = properties["DashboardName"]
                yield from self._one(f"the dashboard {name}", "cloudwatch:GetDashboard", DashboardName=name)
            case _:
                yield from self._in_logs(kind, properties)

    def alarms(self, names: list[str]) -> Iterator[str | Unknown]:
        """Yield those that exist."""
        for first in range(0, len(names), _MOST_ALARMS):
            asked = names[first : first + _MOST_ALARMS]
            found = self._reader.read_all("cloudwatch:DescribeAlarms", "MetricAlarms", AlarmNames=asked)
            if isinstance(found, Unknown):
                yield found
            elif found:
                yield f"the alarms {', '.join(one['AlarmName'] for one in found)}"

    def _one(self, what: str, action: str, **call: Any) -> Iterator[str | Unknown]:
        answer = self._reader.read(action, **call)
        if not isinstance(answer, Unknown):
            yield what
        elif error_code(answer) not in _NOT_THERE:
            yield answer

    def _function(self, name: str) -> Iterator[str | Unknown]:
        answer = self._reader.read("lambda:GetFunctionConfiguration", FunctionName=name)
        if not isinstance(answer, Unknown):
            is_ours = variables_of(answer).get(f"{PREFIX}STACK") == self._stack
            of = " of an installation that is no CloudFormation stack, such as one by Terraform"
            yield f"the function {name}{of if is_ours else ''}"
        elif error_code(answer) not in _NOT_THERE:
            yield answer

    def _in_logs(self, kind: str, properties: JsonObject) -> Iterator[str | Unknown]:
        group = properties.get("LogGroupName", "")
        match kind:
            case "AWS::Logs::LogGroup":
                remove = aws_line(f"logs delete-log-group --log-group-name {group}", self._reader.region)
                action, member, key, name = "logs:DescribeLogGroups", "logGroups", "logGroupName", group
                call, what = {"logGroupNamePrefix": name}, f"the log group {name} (remove it with: {remove})"
            case "AWS::Logs::SubscriptionFilter":
                name, key = properties["FilterName"], "filterName"
                action, member = "logs:DescribeSubscriptionFilters", "subscriptionFilters"
                call, what = (
                    {"logGroupName": group, "filterNamePrefix": name},
                    f"the filter {name} on {group}",
                )
            case "AWS::Logs::MetricFilter":
                name, key = properties["FilterName"], "filterName"
                action, member = "logs:DescribeMetricFilters", "metricFilters"
                call, what = (
                    {"logGroupName": group, "filterNamePrefix": name},
                    f"the metric filter {name} on {group}",
                )
            case _:
                return
        found = self._reader.read_all(action, member, **call)
        if isinstance(found, Unknown):
            yield found
        elif any(one.get(key) == name for one in found):
            yield what
