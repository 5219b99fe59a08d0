"""Reads the rules and schedules that start ECS tasks, and the task definitions that they ask for.

A rule's target and a schedule may hold secrets. They are read here, and only names leave.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.inventory import Launcher, Launchers, Missing, TaskDefinition, Unknown
from retry_run_task.commands.shared.reader import Reader, error_code
from retry_run_task.launch.loose import object_in, objects_in, text_in, texts_in
from retry_run_task.launch.schedule import KEYWORD, called
from retry_run_task.sources import schedules as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import boto3

    from retry_run_task.commands.shared.calls import RunTaskCall
    from retry_run_task.launch.schedule import Schedule
    from retry_run_task.launch.values import JsonObject

# Keywords whose value can be derived afterwards: the schedule's own ARN, and its due time.
_TELLABLE = frozenset({"scheduler.schedule-arn", "scheduler.scheduled-time", "events.event.time"})

# A rule may take names from the event that triggers it.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
_JSON_PATH = "$"


def read_launchers(reader: Reader, tell: Callable[[str], None]) -> Launchers:
    """Return every rule's target and every schedule of the reader's Region that starts an ECS task."""
    found: list[Launcher] = []
    gaps: dict[tuple[str, str], Unknown] = {}
    for one in (*_rules(reader, tell), *_schedules(reader, tell)):
        if isinstance(one, Unknown):
            gaps.setdefault((one.action, error_code(one)), one)
        else:
            found.append(one)
    return Launchers(found=tuple(found), gaps=tuple(gaps.values()))


def _rules(reader: Reader, tell: Callable[[str], None]) -> Iterator[Launcher | Unknown]:
    buses = reader.read_all("events:ListEventBuses", "EventBuses")
    if isinstance(buses, Unknown):
        yield buses
        # Nearly every rule that starts a task is on the default bus, and schedules can be on no other.
        buses = [{"Name": "default"}]
    for bus in buses:
        rules = reader.read_all("events:ListRules", "Rules", EventBusName=bus["Name"])
        if isinstance(rules, Unknown):
            yield rules
            continue
        for number, rule in enumerate(rules, start=1):
            tell(f"rules on {bus['Name']}: {number} of {len(rules)}")
            targets = reader.read_all(
                "events:ListTargetsByRule", "Targets", Rule=rule["Name"], EventBusName=bus["Name"]
            )
            if isinstance(targets, Unknown):
                yield targets
                continue
            yield from (
                _launcher(wire.of_rule(rule, target), bus["Name"], rule, target)
                for target in targets
                if wire.is_ecs(target)
            )


def _schedules(reader: Reader, tell: Callable[[str], None]) -> Iterator[Launcher | Unknown]:
    summaries = reader.read_all("scheduler:ListSchedules", "Schedules")
    if isinstance(summaries, Unknown):
        yield summaries
        return
    ours = [one for one in summaries if ":ecs:" in str((one.get("Target") or {}).get("Arn", ""))]
    for number, summary in enumerate(ours, start=1):
        tell(f"schedules: {number} of {len(ours)}")
        group = summary.get("GroupName") or "default"
        found = reader.read("scheduler:GetSchedule", Name=summary["Name"], GroupName=group)
        if isinstance(found, Unknown):
            # It was deleted after it was listed.
            if error_code(found) != "ResourceNotFoundException":
                yield found
        elif wire.is_ecs(found.get("Target") or {}):
            yield _launcher(wire.of_schedule(found), group, found, found["Target"])


def _launcher(schedule: Schedule, holder: str, described: JsonObject, target: JsonObject) -> Launcher:
    request = schedule.request
    overrides = object_in(request.get("overrides"))
    variables = tuple(_variables(request))
    may_hide, unreadable = _hidden(schedule, variables, described, target)
    return Launcher(
        kind=schedule.kind,
        name=schedule.name,
        holder=holder,
        is_enabled=described.get("State", "ENABLED") != "DISABLED",
        expression=schedule.expression,
        cluster=text_in(request.get("cluster")) or "default",
        task_definition=text_in(request.get("taskDefinition")),
        role_arn=schedule.role_arn,
        pass_role_arns=_each(text_in(overrides.get(name)) for name in ("taskRoleArn", "executionRoleArn")),
        volume_role_arns=_each(
            text_in(object_in(volume.get("managedEBSVolume")).get("roleArn"))
            for volume in objects_in(request.get("volumeConfigurations"))
        ),
        placement=MappingProxyType(_placement(request)),
        variables=variables,
        may_hide=may_hide,
        unreadable=unreadable,
        timezone=schedule.timezone,
        start=schedule.start,
        end=schedule.end,
        modified=schedule.modified,
        window_min=int(object_in(described.get("FlexibleTimeWindow")).get("MaximumWindowInMinutes") or 0),
        started_by=text_in(request.get("startedBy")),
        event_age_s=schedule.event_age_s,
    )


def _placement(request: Mapping[str, Any]) -> JsonObject:
    """Return where tasks run, from members in the form that RunTask takes."""
    found: JsonObject = {
        name: text for name in ("launchType", "platformVersion") if (text := text_in(request.get(name)))
    }
    strategy = [
        {
            name: item[name]
            for name in ("capacityProvider", "weight", "base")
            if isinstance(item.get(name), str | int)
        }
        for item in objects_in(request.get("capacityProviderStrategy"))
    ]
    network = object_in(object_in(request.get("networkConfiguration")).get("awsvpcConfiguration"))
    subnets, groups = (texts_in(network.get(name)) for name in ("subnets", "securityGroups"))
    if strategy:
        found["capacityProviderStrategy"] = strategy
    if subnets:
        public = text_in(network.get("assignPublicIp"))
        found["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": subnets,
                **({"securityGroups": groups} if groups else {}),
                **({"assignPublicIp": public} if public else {}),
            }
        }
    return found


# A universal target's input is arbitrary text, which EventBridge does not check. Members that RunTask does not take are
# left out: they may be a secret in the wrong place.


def _each(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


def _hidden(
    schedule: Schedule, variables: tuple[str, ...], described: JsonObject, target: JsonObject
) -> tuple[bool, str]:
    """Return whether CloudTrail may redact a part of the schedule's calls, and why that part cannot be read back."""
    if target.get("InputPath") and schedule.unreadable:
        return True, schedule.unreadable
    if schedule.unreadable:
        # The input may hold a secret, so the sentence quotes nothing of it.
        return True, "its input is not a JSON object that can be read"
    return bool(variables), _lost_variables(schedule, described) if variables else ""


def _lost_variables(schedule: Schedule, described: JsonObject) -> str:
    """Return why the variables that a constant input sets cannot be read back; empty if they can."""
    if _is_gone_afterwards(described):
        return "it is deleted after its only run, so before its failure is known"
    keywords = {
        name
        for container in _containers(schedule.request)
        for name in _keywords(container.get("environment"))
    }
    if untold := sorted(keywords - _TELLABLE):
        return f"its environment uses {called(untold[0])}, which cannot be known afterwards"
    return ""


def _is_gone_afterwards(described: JsonObject) -> bool:
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-delete.html
    is_once = str(described.get("ScheduleExpression", "")).startswith("at(")
    return is_once and described.get("ActionAfterCompletion") == "DELETE"


def _variables(request: Mapping[str, Any]) -> Iterator[str]:
    for container in _containers(request):
        environment = container.get("environment")
        for variable in environment if isinstance(environment, list) else ():
            yield f"{text_in(container.get('name')) or '?'}.{text_in(object_in(variable).get('name')) or '?'}"


def _containers(request: Mapping[str, Any]) -> list[JsonObject]:
    return objects_in(object_in(request.get("overrides")).get("containerOverrides"))


def _keywords(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from KEYWORD.findall(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _keywords(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keywords(inner)


def read_task_definitions(
    reader: Reader, launchers: Iterable[Launcher], tell: Callable[[str], None]
) -> Mapping[str, TaskDefinition | Missing | Unknown]:
    """Return ECS's answer about each task definition that is asked for by name."""
    asked = dict.fromkeys(one.task_definition for one in launchers if is_named(one.task_definition))
    found = {}
    for number, name in enumerate(asked, start=1):
        tell(f"task definitions: {number} of {len(asked)}")
        found[name] = _read_task_definition(reader, name)
    return MappingProxyType(found)


def read_launchers_of(
    session: boto3.Session, account: str, region: str, tell: Callable[[str], None]
) -> Launchers:
    """Return the same of one of several accounts and Regions, each with where it is."""
    found = read_launchers(Reader(session, region), tell)
    return Launchers(
        found=tuple(replace(one, account=account, region=region) for one in found.found),
        gaps=tuple(replace(gap, why=f"{gap.why} (in {region}, account {account})") for gap in found.gaps),
    )


def is_at(one: Launcher | RunTaskCall, account: str, region: str) -> bool:
    """Tell whether a rule, schedule or call can be of an account and Region; what is empty is not known."""
    return (one.account == account or not one.account or not account) and (
        one.region == region or not one.region or not region
    )


def is_on_instances(launcher: Launcher) -> bool:
    """Tell whether a launcher is on and asks for the launch type EC2."""
    return launcher.is_enabled and launcher.placement.get("launchType") == "EC2"


def read_default_providers(
    reader: Reader, launchers: Iterable[Launcher]
) -> Mapping[str, tuple[str, ...] | Unknown]:
    """Return the default capacity providers of the clusters on which a launch type EC2 is asked for."""
    found: dict[str, tuple[str, ...] | Unknown] = {}
    for name in dict.fromkeys(
        one.cluster for one in launchers if is_on_instances(one) and is_named(one.cluster)
    ):
        answer = reader.read("ecs:DescribeClusters", clusters=[name])
        found[name] = answer if isinstance(answer, Unknown) else _providers(answer)
    return MappingProxyType(found)


def _providers(answer: Mapping[str, Any]) -> tuple[str, ...]:
    names = (
        text_in(item.get("capacityProvider"))
        for cluster in objects_in(answer.get("clusters"))
        for item in objects_in(cluster.get("defaultCapacityProviderStrategy"))
    )
    return tuple(name for name in names if name and not name.startswith("FARGATE"))


def is_named(name: str) -> bool:
    """Tell whether a rule contains a name itself, instead of taking it from an event."""
    return bool(name) and not name.startswith(_JSON_PATH)


def _read_task_definition(reader: Reader, name: str) -> TaskDefinition | Missing | Unknown:
    answer = reader.read("ecs:DescribeTaskDefinition", taskDefinition=name)
    if isinstance(answer, Unknown):
        # ECS answers ClientException, "Unable to describe task definition", if it does not exist.
        is_missing = error_code(answer) in ("ClientException", "InvalidParameterException")
        return Missing(why=answer.why) if is_missing else answer
    described = answer["taskDefinition"]
    return TaskDefinition(
        family=described["family"],
        arn=described["taskDefinitionArn"],
        is_active=described.get("status", "ACTIVE") == "ACTIVE",
        task_role_arn=described.get("taskRoleArn") or None,
        execution_role_arn=described.get("executionRoleArn") or None,
    )
