"""The rest of an account, described rather than modelled: stacks, alarms, buckets, subscriptions of a topic.

Whoever creates the account sets it; clients can read it, as an operator's commands do, and change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retry_run_task.local.errors import AwsError
from retry_run_task.local.server import (
    HttpRequest,
    HttpResponse,
    json_operation,
    json_response,
    query_operation,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Json = dict[str, Any]
Form = dict[str, str]

STACKS_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
IAM_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
# The default quota of an account, and what Lambda reserves for unreserved functions.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
CONCURRENT_EXECUTIONS = 1000


# S3 returns the policy as it was put; its content is not used here.
_BUCKET_POLICY = b'{"Version": "2012-10-17", "Statement": []}'


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedResource:
    """One resource of a stack."""

    name: str
    type: str
    physical_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedStack:
    """A stack as CloudFormation describes it."""

    name: str
    template: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: Sequence[DescribedResource]


@dataclass(slots=True)
class Described:
    """The rest of an account; empty until it is set. ``has_trail`` if a trail writes to the log group."""

    account: str
    region: str
    log_group: str
    stacks: dict[str, DescribedStack] = field(default_factory=dict)
    alarms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    subscriptions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reserved: int = 0
    has_trail: bool = False

    def serve(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request of a described service; None if it is for another."""
        match request.signed_with[2]:
            case "s3":
                return self._serve_bucket(request)
            case "cloudformation":
                return query_operation(request, self._stack_operations(), STACKS_NAMESPACE)
            case "iam":
                return query_operation(request, {"GetRole": self._role}, IAM_NAMESPACE)
            case "monitoring":
                return json_operation(request, self._alarm_operations())
            case "lambda" if request.path.endswith("/account-settings"):
                return json_response(self._lambda_settings())
            case _:
                return None

    # CloudFormation. https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html

    def _stack_operations(self) -> dict[str, Callable[[Form], Mapping[str, Any]]]:
        """Return the implemented operations on stacks, by name."""
        if not self.stacks:
            return {}
        return {
            "DescribeStacks": self._describe_stacks,
            "GetTemplate": lambda form: {"TemplateBody": self._stack(form).template},
            "ListStackResources": lambda form: {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": one.name,
                        "PhysicalResourceId": one.physical_id,
                        "ResourceType": one.type,
                        "ResourceStatus": "CREATE_COMPLETE",
                    }
                    for one in self._stack(form).resources
                ]
            },
        }

    def _describe_stacks(self, form: Form) -> Mapping[str, Any]:
        found = [self._stack(form)] if "StackName" in form else list(self.stacks.values())
        return {"Stacks": [self._described(one) for one in found]}

    def _described(self, stack: DescribedStack) -> Json:
        prefix = f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{stack.name}"
        return {
            "StackId": f"{prefix}/00000000-0000-4000-8000-000000000000",
            "StackName": stack.name,
            "StackStatus": "CREATE_COMPLETE",
            "CreationTime": "2026-01-01T00:00:00Z",
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value} for name, value in stack.parameters.items()
            ],
            "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in stack.outputs.items()],
        }

    def _stack(self, form: Form) -> DescribedStack:
        name = form["StackName"]
        found = self.stacks.get(name.split("/")[1] if name.startswith("arn:") else name)
        if found is None:
            raise AwsError("ValidationError", f"Stack with id {name} does not exist")
        return found

    # CloudWatch. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html

    def _alarm_operations(self) -> dict[str, Callable[[Json], Any]]:
        """Return the implemented operations on alarms, by name."""
        return {
            "DescribeAlarms": lambda body: {
                "MetricAlarms": [
                    {"AlarmName": name, "AlarmActions": list(topics), "ActionsEnabled": True}
                    for name, topics in self.alarms.items()
                    if name in body.get("AlarmNames", self.alarms)
                ],
                "CompositeAlarms": [],
            }
        }

    # SNS. https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html

    def topic_operations(self) -> dict[str, Callable[[Form], Mapping[str, Any]]]:
        """Return the implemented operations on subscriptions, by name."""
        return {
            "ListSubscriptionsByTopic": lambda form: {
                "Subscriptions": [
                    {
                        "SubscriptionArn": f"{form['TopicArn']}:{number:012d}",
                        "Owner": self.account,
                        "Protocol": "email",
                        "Endpoint": address,
                        "TopicArn": form["TopicArn"],
                    }
                    for number, address in enumerate(self.subscriptions.get(form["TopicArn"], ()))
                ]
            }
        }

    # CloudTrail. https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Operations.html

    def trail_operations(self) -> dict[str, Callable[[Json], Any]]:
        """Return the implemented operations on trails, by name."""
        if not self.has_trail:
            return {}
        arn = f"arn:aws:cloudtrail:{self.region}:{self.account}:trail/management-events"
        trail = {
            "Name": "management-events",
            "TrailARN": arn,
            "HomeRegion": self.region,
            "IsMultiRegionTrail": False,
            "IsOrganizationTrail": False,
            "CloudWatchLogsLogGroupArn": f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.log_group}:*",
        }
        selector = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}
        return {
            "DescribeTrails": lambda _: {"trailList": [trail]},
            "GetTrailStatus": lambda _: {"IsLogging": True},
            "GetEventSelectors": lambda _: {"TrailARN": arn, "EventSelectors": [selector]},
        }

    # Lambda. https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html

    def _lambda_settings(self) -> Json:
        """Answer `GetAccountSettings`."""
        free = CONCURRENT_EXECUTIONS - self.reserved
        return {
            "AccountLimit": {
                "ConcurrentExecutions": CONCURRENT_EXECUTIONS,
                "UnreservedConcurrentExecutions": free,
            },
            "AccountUsage": {},
        }

    # IAM. https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html

    def _role(self, form: Form) -> Mapping[str, Any]:
        """Answer `GetRole`: there are the roles of the described stacks, whose names begin with the stack's."""
        name = form["RoleName"]
        if any(name.startswith(f"{stack}-") for stack in self.stacks):
            return {"Role": {"RoleName": name, "Arn": f"arn:aws:iam::{self.account}:role/{name}"}}
        raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.")

    # S3. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html

    def _serve_bucket(self, request: HttpRequest) -> HttpResponse:
        """Answer whether a bucket exists, with its policy; it is empty and accepts no objects."""
        bucket, _, key = request.path.removeprefix("/").partition("/")
        if request.method == "HEAD" and not key:
            return HttpResponse(status=200 if bucket in self.buckets else 404)
        if request.method == "GET" and "policy" in request.query and bucket in self.buckets:
            return HttpResponse(status=200, body=_BUCKET_POLICY)
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
        if request.method == "GET" and "versions" in request.query and bucket in self.buckets:
            body = f"<ListVersionsResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated></ListVersionsResult>"
            return HttpResponse(status=200, body=body.encode(), headers={"Content-Type": "application/xml"})
        code, status = ("NoSuchKey", 404) if request.method in ("GET", "HEAD") else ("NotImplemented", 501)
        words = f"the local AWS keeps no files: {request.method} {request.path}"
        body = f"<Error><Code>{code}</Code><Message>{words}</Message></Error>"
        return HttpResponse(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})
