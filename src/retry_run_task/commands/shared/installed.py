"""What is installed: the stack, its alarms and topics, and Lambda's free concurrency."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from retry_run_task.commands.shared import chunks, ownership, ways
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.hints import command_line
from retry_run_task.commands.shared.installation import (
    NotInstalledError,
    is_intake_of,
    live,
    read_installation,
    variables_of,
)
from retry_run_task.commands.shared.inventory import (
    Alarm,
    Concurrency,
    ForeignStack,
    InstalledStack,
    Topic,
    Unknown,
)
from retry_run_task.commands.shared.ownership import Resource
from retry_run_task.commands.shared.reader import error_code
from retry_run_task.commands.shared.stack_states import NEW
from retry_run_task.config import PREFIX
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.commands.shared.installation import Installation
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.launch.values import JsonObject

# The ARN of a subscription that is not confirmed yet.
# https://docs.aws.amazon.com/sns/latest/api/API_Subscription.html
_PENDING = frozenset({"PendingConfirmation", "pending confirmation"})
_DELETED = "Deleted"

_CONFIGURATION = "lambda:GetFunctionConfiguration"
_NOT_FOUND = "ResourceNotFoundException"
# Parameters of the template that a function has as settings, too.
_PARAMETERS = {
    "TaskDefinitions": "TASK_DEFINITIONS",
    "Clusters": "CLUSTERS",
    "Callers": "CALLERS",
    "Regions": "REGIONS",
    "MemberAccounts": "ACCOUNTS",
}

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
_MOST_NAMES = 100


Found = InstalledStack | ForeignStack | Unknown | None


def read_stack(reader: Reader, name: str) -> Found:
    """Return what has the name of an installation, however it was made; None if nothing has."""
    answer = reader.read("cloudformation:DescribeStacks", StackName=name)
    if isinstance(answer, Unknown):
        # ValidationError: Stack with id retry-run-task does not exist
        is_none = error_code(answer) == "ValidationError" and "does not exist" in answer.why
        return read_elsewhere(reader, name) if is_none else answer
    described = next((one for one in answer.get("Stacks") or () if one.get("StackName") == name), None)
    if described is None or described.get("StackStatus") == "DELETE_COMPLETE":
        return read_elsewhere(reader, name)
    description = described.get("Description") or ""
    resources = _read_resources(reader, name)
    is_empty = not resources and not description
    change_sets = _read_change_sets(reader, name) if is_empty else ()
    unseen = next((one for one in (resources, change_sets) if isinstance(one, Unknown)), None)
    if not isinstance(resources, Unknown) and not isinstance(change_sets, Unknown):
        contents = ownership.contents_if_foreign(resources, description, change_sets)
        if contents is not None:
            return ForeignStack(name=name, contents=contents)
    outputs = {one["OutputKey"]: one.get("OutputValue", "") for one in described.get("Outputs") or ()}
    parameters = {
        one["ParameterKey"]: one.get("ParameterValue", "") for one in described.get("Parameters") or ()
    }
    return InstalledStack(
        name=name,
        status=described.get("StackStatus", ""),
        reason=described.get("StackStatusReason") or "",
        outputs=MappingProxyType(outputs),
        parameters=MappingProxyType(chunks.join(parameters)),
        resources=resources,
        is_ours=unseen or True,
        is_durable=_read_is_durable(reader, outputs.get("RecoverFunction", "")),
        way=read_way(reader, outputs.get("IntakeFunction", "")),
    )


def installation(reader: Reader, name: str) -> Installation:
    """Return the installation of a name; if there is none, the error says what has its name instead.

    Raises:
        ForeignError: Another owner's stack has that name.
        NotInstalledError: There is none, or nothing of it that works.
        ConfigError: Its settings are not understood.
        DeployError: AWS did not answer.
    """
    try:
        return read_installation(reader, name)
    except NotInstalledError as error:
        raise _instead(reader, read_stack(reader, name), error) from None
    except DeployError:
        check_not_foreign(read_stack(reader, name), reader.region)
        raise


def installation_or_why(reader: Reader, name: str) -> Installation | ConfigError | DeployError:
    """Return the same for a command that can do without one: why there is none, or none to be seen, is a value.

    Raises:
        ForeignError: Another owner's stack has that name.
    """
    try:
        return installation(reader, name)
    except ownership.ForeignError:
        raise
    except (ConfigError, DeployError) as error:
        return error


def check_not_foreign(found: Found, region: str) -> None:
    """Refuse another owner's stack.

    Raises:
        ForeignError: Names what is in it.
    """
    if isinstance(found, ForeignStack):
        sentence = ownership.not_ours(f"{found.name} in {region}", found.contents)
        raise ownership.ForeignError(sentence, hint=ownership.ELSEWHERE)


def _instead(reader: Reader, found: Found, error: NotInstalledError) -> NotInstalledError:
    """Return why there is no working installation, by what CloudFormation says."""
    check_not_foreign(found, reader.region)
    unseen = found.is_ours if isinstance(found, InstalledStack) else found
    if isinstance(unseen, Unknown):
        return NotInstalledError(
            f"{error.what} Whether there is a stack of that name, and whose, is not known ({unseen.action}): "
            f"{unseen.why}.",
            hint=f"Have {unseen.action} allowed, or name another with --stack or --region.",
        )
    if not isinstance(found, InstalledStack) or found.is_elsewhere or found.status in NEW:
        return error
    reason = f" ({found.reason.rstrip('.')})" if found.reason else ""
    return NotInstalledError(
        f"The stack {found.name} in {reader.region} is {found.status}{reason}, and its function "
        f"{found.name}-intake is not there.",
        hint="Run the same command again when that is over."
        if found.status.endswith("_IN_PROGRESS")
        else f"Remove what is left with: {command_line('destroy')}, then deploy again.",
    )


def read_elsewhere(reader: Reader, name: str) -> InstalledStack | Unknown | None:
    """Return an installation that is no stack of CloudFormation, by its functions; None if there is none."""
    function = f"{name}-intake"
    intake = reader.read(_CONFIGURATION, FunctionName=function)
    if isinstance(intake, Unknown):
        return None if error_code(intake) == _NOT_FOUND else intake
    if not is_intake_of(intake, name):
        return None
    variables = variables_of(intake)
    recover = reader.read(_CONFIGURATION, FunctionName=live(f"{name}-recover"))
    topic = "" if isinstance(recover, Unknown) else variables_of(recover).get(f"{PREFIX}TOPIC_ARN", "")
    parameters = {
        parameter: variables.get(f"{PREFIX}{variable}", "") for parameter, variable in _PARAMETERS.items()
    }
    return InstalledStack(
        name=name,
        outputs=MappingProxyType(
            {"IntakeFunction": function, "RecoverFunction": f"{name}-recover", "Topic": topic}
        ),
        parameters=MappingProxyType(parameters),
        is_durable=_is_durable(recover),
        # What has only the mark of a stack was copied from one.
        way=ways.TERRAFORM if ways.way_of(intake) == ways.TERRAFORM else "",
        is_elsewhere=True,
    )


def check_not_elsewhere(stack: Found, region: str) -> None:
    """Refuse to create or remove an installation that is no stack of CloudFormation.

    Raises:
        ConfigError: It has to be changed by the tool that made it.
    """
    if isinstance(stack, InstalledStack) and stack.is_elsewhere:
        raise ConfigError(
            f"{stack.name} is {ways.in_words(stack.way)} in {region}, but not as a stack of CloudFormation, so this "
            "command leaves it alone.",
            hint=f"{ways.removal(stack.way, stack.name, region)}.",
        )


def read_way(reader: Reader, intake: str) -> str:
    """Return how the installation with this function was made; empty if that is not known."""
    return ways.way_of(reader.read(_CONFIGURATION, FunctionName=intake)) if intake else ""


def _read_resources(reader: Reader, name: str) -> tuple[Resource, ...] | Unknown:
    found = reader.read_all("cloudformation:ListStackResources", "StackResourceSummaries", StackName=name)
    if isinstance(found, Unknown):
        return found
    return tuple(
        Resource(
            name=one["LogicalResourceId"],
            type=one["ResourceType"],
            physical_id=one.get("PhysicalResourceId") or "",
            is_gone=one.get("ResourceStatus") == "DELETE_COMPLETE",
        )
        for one in found
    )


def _read_change_sets(reader: Reader, name: str) -> tuple[str, ...] | Unknown:
    found = reader.read_all("cloudformation:ListChangeSets", "Summaries", StackName=name)
    return found if isinstance(found, Unknown) else tuple(one["ChangeSetName"] for one in found)


def _read_is_durable(reader: Reader, function: str) -> bool | Unknown | None:
    if not function:
        return None
    return _is_durable(reader.read(_CONFIGURATION, FunctionName=live(function)))


def _is_durable(answer: JsonObject | Unknown) -> bool | Unknown:
    if isinstance(answer, Unknown):
        return False if error_code(answer) == _NOT_FOUND else answer
    return bool(answer.get("DurableConfig"))


def read_alarms(reader: Reader, stack: InstalledStack) -> tuple[Alarm, ...] | Unknown:
    """Return the alarms of an installation."""
    if isinstance(stack.resources, Unknown):
        return stack.resources
    # Not by prefix: the names of retry-run-task-2 begin like those of retry-run-task.
    names = [
        one.physical_id
        for one in stack.resources
        if one.type == "AWS::CloudWatch::Alarm" and one.physical_id and not one.is_gone
    ]
    if not names:
        return ()
    found = reader.read_all("cloudwatch:DescribeAlarms", "MetricAlarms", AlarmNames=names[:_MOST_NAMES])
    if isinstance(found, Unknown):
        return found
    described = {one["AlarmName"]: one for one in found}
    return tuple(_alarm(name, described.get(name)) for name in names[:_MOST_NAMES])


def _alarm(name: str, described: JsonObject | None) -> Alarm:
    if described is None:
        return Alarm(name=name, exists=False)
    actions = described.get("AlarmActions") or ()
    return Alarm(
        name=name,
        topic_arns=tuple(arn for arn in actions if arn.split(":")[2:3] == ["sns"]),
        has_actions=described.get("ActionsEnabled", True),
    )


def read_topics(
    reader: Reader, stack: InstalledStack, alarms: tuple[Alarm, ...] | Unknown
) -> Mapping[str, Topic | Unknown]:
    """Return the topics of an installation and of its alarms, by ARN."""
    named = [stack.outputs.get("Topic", "")]
    if not isinstance(alarms, Unknown):
        named += [arn for alarm in alarms for arn in alarm.topic_arns]
    return MappingProxyType({arn: _read_topic(reader, arn) for arn in dict.fromkeys(named) if arn})


def _read_topic(reader: Reader, arn: str) -> Topic | Unknown:
    found = reader.read_all("sns:ListSubscriptionsByTopic", "Subscriptions", TopicArn=arn)
    if isinstance(found, Unknown):
        return found
    states = [str(one.get("SubscriptionArn") or "") for one in found]
    pending = sum(state in _PENDING for state in states)
    return Topic(arn=arn, confirmed=len(states) - pending - states.count(_DELETED), pending=pending)


def read_concurrency(reader: Reader) -> Concurrency | Unknown:
    """Return Lambda's concurrency limits."""
    answer = reader.read("lambda:GetAccountSettings")
    if isinstance(answer, Unknown):
        return answer
    limit = answer.get("AccountLimit") or {}
    if "ConcurrentExecutions" not in limit:
        return Unknown(action="lambda:GetAccountSettings", why="the answer names no limit")
    total = int(limit["ConcurrentExecutions"])
    return Concurrency(limit=total, unreserved=int(limit.get("UnreservedConcurrentExecutions", total)))
