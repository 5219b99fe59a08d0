"""Reads the rules and schedules that start ECS tasks. The result may hold secrets: see ``launch.schedule``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.paginate import Paginator

from retry_run_task.aws import members
from retry_run_task.aws.cached import cached
from retry_run_task.aws.faults import failure_of, sentence
from retry_run_task.failures.classify import classify
from retry_run_task.launch.schedule import STARTED_BY_CUT_AT, STARTED_BY_PREFIXES
from retry_run_task.launch.values import CallerKind, Category, Failure
from retry_run_task.sources import schedules as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from retry_run_task.launch.schedule import Schedule
    from retry_run_task.launch.values import FailedLaunch, JsonObject

T = TypeVar("T")

# A universal target sets no name on its task, so every schedule is a candidate. With more than this, the search would
# take too long and throttle the account's own calls.
_SCHEDULES_MAX = 200

_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 4})


class TooManyError(Exception):
    """Too many schedules could have made the call. The message says how many."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        super().__init__(f"more than {_SCHEDULES_MAX} schedules could have made this call")
        self.schedules = schedules


@cached
def events_client(region: str, role: members.Actor | None = None) -> EventBridgeClient:
    """Return an EventBridge client for a Region; raises as ``members.client``."""
    events: EventBridgeClient = members.client("events", region, role, _CONFIG)
    return events


@cached
def scheduler_client(region: str, role: members.Actor | None = None) -> EventBridgeSchedulerClient:
    """Return an EventBridge Scheduler client for a Region; raises as ``members.client``."""
    scheduler: EventBridgeSchedulerClient = members.client("scheduler", region, role, _CONFIG)
    return scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The rules' targets or schedules that may have made a call.

    ``unread`` names what could hold another candidate and is not permitted to be read.
    """

    schedules: tuple[Schedule, ...] = ()
    unread: tuple[str, ...] = ()


def candidates(launch: FailedLaunch, role: members.Actor | None = None) -> Candidates:
    """Return the rules' targets or schedules that may have made a call.

    Without a ``role`` to read with in the launch's account it is the function's own.

    Raises:
        TooManyError: There are too many to read.
        Exception: Any error of botocore or of a malformed answer.
    """
    if launch.caller.kind is CallerKind.RULE:
        return _rules(launch, events_client(launch.region, role))
    if launch.caller.kind is CallerKind.SCHEDULER:
        return Candidates(schedules=_schedules(launch, scheduler_client(launch.region, role)))
    return Candidates()


def _prefix(launch: FailedLaunch) -> str:
    """Return the part of the schedule's name that ``startedBy`` has; empty if none."""
    prefix = STARTED_BY_PREFIXES[launch.caller.kind]
    started_by = str(launch.request.parameters.get("startedBy") or "")
    return started_by[:STARTED_BY_CUT_AT].removeprefix(prefix) if started_by.startswith(prefix) else ""


# Rules with a schedule expression exist on this bus only.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
_DEFAULT_BUS = "default"


def _rules(launch: FailedLaunch, events: EventBridgeClient) -> Candidates:
    """Read bus by bus, so that a bus whose key is not accessible hides only its own rules.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
    """
    found: list[Schedule] = []
    unread: list[str] = []
    others = _read(lambda: [bus["Name"] for bus in _items(events, "list_event_buses", "EventBuses")])
    if isinstance(others, Failure):
        unread.append(f"the event buses cannot be listed ({sentence(others)})")
        others = []
    for bus in (_DEFAULT_BUS, *(name for name in others if name != _DEFAULT_BUS)):
        rules = _read(functools.partial(_rules_on, bus, launch, events))
        if isinstance(rules, Failure):
            unread.append(f"the rules of event bus {bus} cannot be read ({sentence(rules)})")
        else:
            found += rules
    return Candidates(schedules=tuple(found), unread=tuple(unread))


def _read(ask: Callable[[], list[T]]) -> list[T] | Failure:
    """Return the result of a read, or why it is not permitted.

    Raises:
        Exception: An error that passes without help.
    """
    try:
        return ask()
    except Exception as error:
        failure = failure_of(error)
        if classify(failure).category in (Category.THROTTLE, Category.TRANSIENT):
            raise
        return failure


def _rules_on(bus: str, launch: FailedLaunch, events: EventBridgeClient) -> list[Schedule]:
    found: list[Schedule] = []
    prefix = _prefix(launch)
    call = {"TargetArn": cluster_arn(launch), "EventBusName": bus}
    for name in _items(events, "list_rule_names_by_target", "RuleNames", **call):
        if name.startswith(prefix):
            try:
                rule = events.describe_rule(Name=name, EventBusName=bus)
                targets = [*_items(events, "list_targets_by_rule", "Targets", Rule=name, EventBusName=bus)]
            except events.exceptions.ResourceNotFoundException:
                continue  # it was deleted after it was listed
            found += [wire.of_rule(rule, target) for target in targets if wire.is_ecs(target)]
    return found


def _schedules(launch: FailedLaunch, scheduler: EventBridgeSchedulerClient) -> tuple[Schedule, ...]:
    schedules: list[Schedule] = []
    prefix = _prefix(launch)
    named: Any = {"NamePrefix": prefix} if prefix else {}
    looked_at = 0
    for page in scheduler.get_paginator("list_schedules").paginate(**named):
        for summary in page["Schedules"]:
            target = summary.get("Target", {}).get("Arn", "")
            if target == cluster_arn(launch) or target.endswith(wire.UNIVERSAL):
                looked_at += 1
                if looked_at > _SCHEDULES_MAX:
                    raise TooManyError(schedules)
                try:
                    found = scheduler.get_schedule(Name=summary["Name"], GroupName=summary["GroupName"])
                except scheduler.exceptions.ResourceNotFoundException:
                    continue  # it was deleted after it was listed, as one-time schedules delete themselves
                if wire.is_ecs(found["Target"]):
                    schedules.append(wire.of_schedule(found))
    return tuple(schedules)


# For what botocore has no paginator. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html
_PAGINATORS = {
    "list_event_buses": {
        "input_token": "NextToken",
        "output_token": "NextToken",
        "limit_key": "Limit",
        "result_key": "EventBuses",
    }
}


def pages(client: Any, method: str, **call: Any) -> Iterator[JsonObject]:
    """Yield every page of a listing, also of the event buses', for which botocore has no paginator.

    ``method`` is botocore's, such as ``list_event_buses``; ``call`` has the parameters, as AWS spells them.

    Raises:
        PaginationError: An answer has the token that was sent.
    """
    if client.can_paginate(method):
        paginator = client.get_paginator(method)
    else:
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
        paginator = Paginator(getattr(client, method), _PAGINATORS[method], model)
    yield from paginator.paginate(**call)


def _items(events: EventBridgeClient, operation: str, member: str, **call: str) -> Iterator[Any]:
    """Yield the items of a listing.

    Raises:
        KeyError: An answer without a list, even an empty one: it was cut off.
    """
    for page in pages(events, operation, **call):
        yield from page[member]


def cluster_arn(launch: FailedLaunch) -> str:
    """Return the ARN of the launch's cluster; a request may have only its short name, or none."""
    cluster = str(launch.request.parameters.get("cluster") or "default")
    if cluster.startswith("arn:"):
        return cluster
    partition = botocore.session.get_session().get_partition_for_region(launch.region)
    return f"arn:{partition}:ecs:{launch.region}:{launch.account}:cluster/{cluster}"
