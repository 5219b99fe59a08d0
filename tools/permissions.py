"""Writes docs/reference/permissions.md, what the stack makes and may do, from the template.

    .venv-infra/bin/python tools/permissions.py            write it, if it has changed
    .venv-infra/bin/python tools/permissions.py --check    write nothing; end with 1 if it is stale

Words for a resource, an action or a condition that has none here are an error, so the page cannot leave any out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from as_json import template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "infra" / "template.yaml"
PAGE = ROOT / "docs" / "reference" / "permissions.md"

WHERE_FROM = "Generated from [`infra/template.yaml`](../../infra/template.yaml)."
HOW_TO_READ = (
    "`<Name>` is a parameter of the stack; `<stack>` is the stack's name, by default `retry-run-task`.\n"
    "An action is allowed on `*` only if AWS supports nothing finer; no statement names actions by a pattern.\n"
    "A list that does not fit into one parameter (4,096 characters) or policy (6,144) continues in the next, "
    "such as `TaskDefinitions2`; [`deploy` spreads it](../install.md#how-much-fits)."
)

# What each resource is for. An alarm says it itself.
PURPOSES = {
    "TrailFilter": "delivers records of failed calls from the trail's log group to intake",
    "TrailMayInvokeIntake": "lets CloudWatch Logs do so",
    "TrailCalls": "counts calls of rules and schedules in that log group",
    "FailedStarts": "delivers tasks that were accepted and did not start to intake",
    "FailedStartsMayInvokeIntake": "lets EventBridge do so",
    "FailedCalls": "delivers the same records to intake, minutes earlier",
    "FailedCallsMayInvokeIntake": "lets EventBridge do so",
    "IntakeLogGroup": "what intake decided",
    "IntakePolicy": "what intake may do",
    "IntakeRole": "what intake runs under",
    "Intake": "starts a recovery for every failed call in scope",
    "IntakeInvocations": "how often intake's events are retried",
    "IntakeDeadLetters": "events that never became a recovery, for 14 days",
    "IntakeDeadLettersPolicy": "lets EventBridge put events there",
    "VpcPolicy": "what the functions need in a VPC",
    "RecoverLogGroup": "what recoveries decided",
    "RecoverPolicy": "what recover may do",
    "RecoverRunPolicy": "what recover may start",
    "RecoverRunPolicy2": "continues it",
    "RecoverRunPolicy3": "continues it",
    "RecoverPassPolicy": "the roles that recover may give to tasks",
    "RecoverPassPolicy2": "continues it",
    "RecoverPassPolicy3": "continues it",
    "RecoverPassPolicy4": "continues it",
    "RecoverReadsPolicy": "what recover may read of rules and schedules",
    "RecoverReadsPolicy2": "continues it",
    "RecoverReadsPolicy3": "continues it",
    "RecoverKeysPolicy": "what recover may do with keys",
    "RecoverRole": "what recover runs under",
    "Recover": "repeats failed calls; a durable function",
    "CodeNumber": "used by no function: its number makes CloudFormation publish a new version of recover",
    "RecoverVersion": "the code that a recovery keeps; old versions stay",
    "RecoverLive": "the version that new recoveries start with",
    "RecoverInvocations": "how often the start of a recovery is retried",
    "RecoverDeadLetters": "launches that recoveries gave up on, for 14 days",
    "AuditLogGroup": "what the audit found",
    "AuditPolicy": "what the audit may do",
    "AuditRole": "what the audit runs under",
    "Audit": "looks once a day for runs that were due and did not happen",
    "AuditInvocations": "how often an audit is retried",
    "EveryDay": "starts the audit",
    "EveryDayMayInvokeAudit": "lets EventBridge do so",
    "Notifications": "messages and alarms",
    "NotificationsPolicy": "lets the stack's alarms publish there",
    "NotificationsByEmail": "sends them to an address",
    "Dashboard": "all metrics on one page",
}

# What an action permits.
ACTIONS = {
    "cloudtrail:LookupEvents": "look up recorded calls",
    "ec2:AssignPrivateIpAddresses": "assign addresses to network interfaces",
    "ec2:CreateNetworkInterface": "create network interfaces",
    "ec2:DeleteNetworkInterface": "delete them",
    "ec2:DescribeNetworkInterfaces": "look at them",
    "ec2:DescribeSubnets": "look at subnets",
    "ec2:UnassignPrivateIpAddresses": "unassign addresses",
    "ecs:DescribeTasks": "look at tasks",
    "ecs:StopTask": "stop a task that a recovery placed and that hangs",
    "ecs:ListTagsForResource": "read the tags of task definitions",
    "ecs:ListTasks": "list tasks",
    "ecs:RunTask": "start tasks",
    "ecs:TagResource": "tag tasks",
    "events:DescribeRule": "read rules",
    "events:ListEventBuses": "list event buses",
    "events:ListRuleNamesByTarget": "list rules",
    "events:ListRules": "list rules",
    "events:ListTagsForResource": "read the tags of rules",
    "events:ListTargetsByRule": "read the targets of rules, with their inputs",
    "iam:PassRole": "give tasks a role",
    "kms:Decrypt": "decrypt with a key",
    "kms:GenerateDataKey": "encrypt with a key",
    "lambda:CheckpointDurableExecution": "save the progress of recoveries",
    "lambda:GetDurableExecutionHistory": "read the history of recoveries",
    "lambda:GetDurableExecutionState": "read the progress of recoveries",
    "lambda:GetFunctionConfiguration": "read the settings of a function",
    "lambda:InvokeFunction": "run a function",
    "lambda:ListDurableExecutionsByFunction": "list recoveries",
    "logs:CreateLogStream": "create a log stream",
    "logs:PutLogEvents": "write log lines",
    "scheduler:GetSchedule": "read schedules, with their inputs",
    "scheduler:ListSchedules": "list schedules",
    "scheduler:ListTagsForResource": "read the tags of schedule groups",
    "sns:Publish": "publish to a topic",
    "sqs:SendMessage": "put messages into a queue",
    "sts:AssumeRole": "assume the role",
}

# What a condition asks for, before its value.
CONDITIONS = {
    "aws:RequestedRegion": "in the Region",
    "aws:ResourceAccount": "in the accounts",
    "aws:SourceAccount": "for the account",
    "aws:SourceArn": "on behalf of",
    "ecs:CreateAction": "while they are made by",
    "ecs:cluster": "on the clusters",
    "iam:PassedToService": "for use by",
    "kms:EncryptionContext:aws:lambda:FunctionArn": "for the function",
    "kms:ViaService": "through",
    "lambda:SourceFunctionArn": "called by the code of",
}

NO_VALUE = {"Ref": "AWS::NoValue"}


def main(arguments: Sequence[str]) -> int:
    """Write the page, or check it; returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print(f"Usage: python tools/permissions.py [--check]; not {' '.join(arguments)}", file=sys.stderr)
        return 2
    text = page(template(TEMPLATE))
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if arguments:
        print(f"{PAGE.relative_to(ROOT)} is stale; write it again with: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


def page(stack: Mapping[str, Any]) -> str:
    """Return the page."""
    resources = stack["Resources"]
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        own = named(properties).strip("`")
        if resource["Type"] == "AWS::Lambda::Alias":
            own = f"{OWN[properties['FunctionName']['Ref']]}:{own}"
        OWN[name] = own or name
    return (
        "\n\n".join(
            (
                "# What the stack makes, and what it may do",
                "<!-- Written by `make docs`; edit infra/template.yaml, not this page. -->",
                WHERE_FROM,
                HOW_TO_READ,
                "## What the roles may do",
                *(roles(resources)),
                "## Who may use what the stack makes",
                table(("who", "may", "on", "only"), allowed_by_resources(resources)),
                "## What is made",
                table(("resource", "type", "what it is for"), made(resources)),
            )
        )
        + "\n"
    )


def roles(resources: Mapping[str, Any]) -> Iterator[str]:
    """Yield a section for each role."""
    for name, resource in resources.items():
        if resource["Type"] == "AWS::IAM::Role":
            (trust,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            yield (
                f"### `{text_of(resource['Properties']['RoleName'])}`\n\n"
                f"{sentence(PURPOSES[name])}\n"
                f"Only {principal(trust)} may {words(trust)}."
            )
            for one in resource["Properties"]["ManagedPolicyArns"]:
                policy, when = (
                    (one["Fn::If"][1]["Ref"], WHEN[one["Fn::If"][0]]) if "Fn::If" in one else (one["Ref"], "")
                )
                properties = resources[policy]["Properties"]
                if policy[-1].isdigit():
                    whole = text_of(resources[policy[:-1]]["Properties"]["ManagedPolicyName"])
                    yield f"Its policy `{text_of(properties['ManagedPolicyName'])}`, {when}: the same as `{whole}`."
                    continue
                yield f"Its policy `{text_of(properties['ManagedPolicyName'])}`{f', {when}' if when else ''}:"
                yield table(
                    ("statement", "may", "on", "only"), allowed_by_policy(properties["PolicyDocument"])
                )


def allowed_by_policy(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield each statement of a role's policy as a line."""
    for statement, when in statements(document):
        yield (
            f"`{statement['Sid']}`",
            ("may not " if statement["Effect"] == "Deny" else "") + words(statement),
            things(statement["Resource"]),
            "; ".join((*when, *conditions(statement))) or "always",
        )


def statements(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Yield each statement of a policy, with the condition of the template under which it is there."""
    for statement in document["Statement"]:
        if "Fn::If" in statement:
            condition, then, otherwise = statement["Fn::If"]
            if otherwise != NO_VALUE:
                raise ValueError(f"an alternative under {condition} has no words on this page")
            yield then, (WHEN[condition],)
        else:
            yield statement, ()


WHEN = {
    "Audits": "unless `<AuditSchedule>` is empty",
    "HasMembers": "with `<MemberAccounts>`",
    "HasEmail": "with `<NotificationEmail>`",
    "HasTopicKey": "with `<TopicKeyArn>`",
    "HasDataKey": "with `<DataKeyArn>`",
    "HasScheduleKeys": "with `<ScheduleKeyArns>`",
    "HasKeys": "with `<TopicKeyArn>`, `<DataKeyArn>` or `<ScheduleKeyArns>`",
    "HasVpc": "with `<SubnetIds>`",
    "HasTrailLogGroup": "with `<TrailLogGroupName>`",
    "WatchesTrail": "with `<TrailLogGroupName>` and `<TrailSilentHours>`",
    "ReadsRules": "with `<ReadRules>`",
    "ReadsSchedules": "with `<ReadSchedules>`",
    **{
        f"Reads{what}{number}": f"with {' or '.join(f'`<Read{one}{number}>`' for one in names)}"
        for number in (2, 3)
        for what, names in {
            "Rules": ("Rules",),
            "Schedules": ("Schedules",),
            "More": ("Rules", "Schedules"),
        }.items()
    },
    "RunsMore2": "with `<TaskDefinitions2>`",
    "RunsMore3": "with `<TaskDefinitions3>`",
    "StopsHangingTasks": "with `<StopHangingTasks>`",
    "PassesRoles": "with `<PassRoleArns>`",
    "PassesRoles2": "with `<PassRoleArns2>`",
    "PassesRoles3": "with `<PassRoleArns3>`",
    "PassesRoles4": "with `<PassRoleArns4>`",
}


def allowed_by_resources(resources: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield what the policies of functions, queues and topics allow."""
    for resource in resources.values():
        properties = resource.get("Properties", {})
        when = (WHEN[resource["Condition"]],) if "Condition" in resource else ()
        if resource["Type"] == "AWS::Lambda::Permission":
            limits = [f"on behalf of {things(properties['SourceArn'])}", "for the account `<account>`"]
            yield (
                f"`{properties['Principal']}`",
                words({"Action": properties["Action"]}),
                things(properties["FunctionName"]),
                "; ".join((*when, *limits)),
            )
        if resource["Type"] in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
            for statement, also in statements(properties["PolicyDocument"]):
                limits = list(conditions(statement))
                yield (
                    principal(statement),
                    words(statement),
                    things(statement["Resource"]),
                    "; ".join((*when, *also, *limits)),
                )


def made(resources: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield every resource in a line."""
    unknown = PURPOSES.keys() - resources.keys()
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: no such resource any more")
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            purpose = properties["AlarmDescription"]["Fn::Sub"].rpartition(" ")[0].removesuffix(".")
        else:
            purpose = PURPOSES[name]
        condition = resource.get("Condition")
        yield (
            named(properties) or f"`{name}`",
            resource["Type"].removeprefix("AWS::").replace("::", " "),
            sentence(f"{purpose} ({WHEN[condition]})" if condition else purpose),
        )


def named(properties: Mapping[str, Any]) -> str:
    """Return the name that a resource has in the account; empty if AWS gives it one."""
    for key in (
        *("FunctionName", "RoleName", "ManagedPolicyName", "LogGroupName", "QueueName", "TopicName"),
        *("AlarmName", "DashboardName", "LayerName", "FilterName", "Name"),
    ):
        value = properties.get(key)
        if key == "LogGroupName" and "FilterName" in properties:
            continue
        if isinstance(value, dict) and "Fn::If" in value:
            value = value["Fn::If"][1]
        if isinstance(value, str) or (isinstance(value, dict) and "Fn::Sub" in value):
            return f"`{text_of(value)}`"
        if value == {"Ref": "AWS::StackName"}:
            return "`<stack>`"
    return ""


def words(statement: Mapping[str, Any]) -> str:
    """Return a statement's actions in plain words, with AWS's own in brackets."""
    actions = listed(statement["Action"])
    return ", ".join(ACTIONS[a] for a in actions) + f" ({', '.join(f'`{a}`' for a in actions)})"


def conditions(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has to hold for a statement to apply."""
    for operator, wanted in statement.get("Condition", {}).items():
        if operator not in ("StringEquals", "StringLike", "ArnLike", "ArnEquals"):
            raise ValueError(f"{operator} has no words on this page")
        for key, value in wanted.items():
            yield f"{CONDITIONS[key]} {things(value)}"


def principal(statement: Mapping[str, Any]) -> str:
    """Return who a statement is about."""
    ((kind, who),) = statement["Principal"].items()
    if kind != "Service":
        raise ValueError(f"a principal of kind {kind} has no words on this page")
    return f"`{who}`"


def things(value: Any) -> str:
    """Return ARNs, names and references as a person reads them."""
    if isinstance(value, dict) and "Fn::If" in value:
        _, then, otherwise = value["Fn::If"]
        return f"{things(then)}, else {things(otherwise)}"
    return ", ".join(f"`{text_of(item)}`" for item in (value if isinstance(value, list) else [value]))


def text_of(value: Any) -> str:
    """Return a value of the template with what is filled in between angle brackets."""
    if isinstance(value, str):
        return value
    ((name, argument),) = value.items()
    match name:
        case "Ref":
            return OWN.get(argument) or f"<{PSEUDO.get(argument, argument)}>"
        case "Fn::GetAtt":
            return OWN[argument[0]]
        case "Fn::Split":
            return text_of(argument[1])
        case "Fn::Join":
            # Between the items stands what follows one of them and precedes the next.
            return f"<each of {argument[1]['Ref']}>"
        case "Fn::Sub":
            text, own = (argument, {}) if isinstance(argument, str) else argument
            for key, part in {**{k: {"Ref": k} for k in references(text)}, **own}.items():
                text = text.replace(f"${{{key}}}", text_of(part))
            return text
    raise ValueError(f"{json.dumps(value)} has no words on this page")


# Names of the stack's own resources, for those who refer to them.
OWN: dict[str, str] = {}

PSEUDO = {
    "AWS::StackName": "stack",
    "AWS::Partition": "partition",
    "AWS::Region": "region",
    "AWS::AccountId": "account",
    "AWS::URLSuffix": "domain of AWS",
}


def references(text: str) -> list[str]:
    """Return the names that a text is filled in with."""
    return [part.partition("}")[0] for part in text.split("${")[1:]]


def listed(value: Any) -> list[str]:
    """Return one or more as a list."""
    return value if isinstance(value, list) else [value]


def sentence(text: str) -> str:
    """Return words as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell may hold Markdown, but no line break."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
