"""The rule or schedule behind a failed launch: how it is identified, and how it fills redacted values.

A schedule's request may hold secrets. It exists in memory only, inside the step that calls RunTask; only names and
reasons leave that step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.loose import object_in, objects_in
from retry_run_task.launch.request import DROPPED, HIDDEN, cluster_name, family, hidden_paths
from retry_run_task.launch.values import CallerKind, IncompleteRequest, Request
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from retry_run_task.launch.values import Caller, FailedLaunch

# EventBridge truncates the ``startedBy`` that it sets to 36 characters.
# https://github.com/aws/containers-roadmap/issues/1705
STARTED_BY_CUT_AT = 36
STARTED_BY_PREFIXES = MappingProxyType(
    {CallerKind.RULE: "events-rule/", CallerKind.SCHEDULER: "chronos-schedule/"}
)

# The keywords that Scheduler replaces in an input when it calls.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
# A part of its event, from which a rule's input transformer makes an input, is a keyword here, too.
_OF_EVENT = "events.event."
KEYWORD = re.compile(r"<aws\.(scheduler\.[a-z-]+|events\.event[^<>]*)>")

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html (stopCode)
SPOT_INTERRUPTION = "SpotInterruption"

EVERYTHING_ELSE = "the rest of the request"
"""The missing part of a launch that is known only from its task: ECS's event does not carry the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What the tags of a rule, a schedule's group or a task definition say about recoveries.

    Attributes:
        policy: Value of ``retry-run-task:policy``; empty if there is none.
        ignore: Whether ``retry-run-task:ignore`` is true.
        unread: Why tags could not be read or understood; one sentence each.
    """

    policy: str = ""
    ignore: bool = False
    unread: tuple[str, ...] = ()


NO_TAGS = Tags()
POLICY_TAG, IGNORE_TAG = "retry-run-task:policy", "retry-run-task:ignore"


def read_tags(*sources: Mapping[str, str], unread: Sequence[str] = ()) -> Tags:
    """Return the recovery settings in tags; if sources differ, the first that has a tag counts.

    Sources are in order: the tags of the rule or group, then of the task definition. ``unread`` says what could not be
    read, one sentence each.
    """
    policy = next((tags[POLICY_TAG] for tags in sources if tags.get(POLICY_TAG)), "")
    ignore = next((tags[IGNORE_TAG].strip().lower() for tags in sources if IGNORE_TAG in tags), "false")
    notes = [*unread]
    if ignore not in ("true", "false"):
        notes.append(f"the tag {IGNORE_TAG} is {ignore!r}, which is neither true nor false")
    return Tags(policy=policy, ignore=ignore == "true", unread=tuple(notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A rule's target or a schedule that starts an ECS task.

    Attributes:
        role_arn: The role that it calls RunTask with.
        request: Its RunTask parameters, with keywords not yet replaced; may hold secrets.
        unreadable: Why the request cannot be known from it; empty if it can.
        expression: ``cron(...)``, ``rate(...)`` or ``at(...)``; None for a rule on events.
        timezone: Of the expression, an IANA name.
        start: When a rate begins to count; None if not set.
        modified: When it was last changed; None if AWS does not report it.
        event_age_s: How long EventBridge retries a call that raised an error, in seconds.
        group: Of a schedule; empty for a rule.
        window_s: Length of the schedule's flexible time window, in seconds; 0 if it has none.
    """

    kind: CallerKind
    name: str
    arn: str
    role_arn: str | None
    request: Mapping[str, Any]
    unreadable: str = ""
    expression: str | None = None
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    is_enabled: bool = True
    modified: datetime | None = None
    event_age_s: int = 24 * 3600
    group: str = ""
    window_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMatch:
    """No schedule, or no single one, can be identified. ``tags`` are the task definition's.

    ``is_role_used`` tells whether one of the schedules that were considered uses the role of the call.
    """

    why: str
    tags: Tags = NO_TAGS
    is_role_used: bool = False


class CannotFillError(ValueError):
    """The redacted values cannot be taken from the schedule. The message says why, and quotes no value."""


def match(
    launch: FailedLaunch, schedules: Sequence[Schedule], unread: Sequence[str] = ()
) -> Schedule | NoMatch:
    """Find the one schedule that made the call.

    Its role, cluster and task definition must match, and its name must begin with the name in the task's ``startedBy``.

    ``unread`` says what could hold another candidate and is not permitted to be read; one sentence each.
    """
    found = [one for one in schedules if could_make(one, launch.caller, launch.request.parameters)]
    if len(found) == 1:
        return found[0]
    if found:
        known = ", ".join(sorted(schedule.name for schedule in found))
        why = f"{len(found)} rules or schedules could have made this call: {known}"
    elif unread:
        why = "; ".join(
            ("no rule or schedule that can be read has this role, cluster, task definition and name", *unread)
        )
    else:
        why = "no rule or schedule has this role, cluster, task definition and name any more"
    return NoMatch(why=why, is_role_used=is_role_used(launch.caller, schedules))


def is_role_used(caller: Caller, schedules: Sequence[Schedule]) -> bool:
    """Tell whether one of the schedules calls with the caller's role."""
    return caller.role_arn is not None and any(one.role_arn == caller.role_arn for one in schedules)


def could_make(schedule: Schedule, caller: Caller, recorded: Mapping[str, Any]) -> bool:
    """Tell whether this schedule can have made a call: role, cluster, task definition and ``startedBy`` match."""
    wanted = schedule.request
    return (
        schedule.kind is caller.kind
        and (caller.role_arn is None or caller.role_arn == schedule.role_arn)
        and cluster_name(recorded) == cluster_name(wanted)
        and _is_same_definition(recorded, wanted)
        and _is_started_by_of(recorded.get("startedBy"), schedule)
    )


def _is_same_definition(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    one, two = (str(p.get("taskDefinition")).rpartition("/")[2] for p in (recorded, wanted))
    # Without a revision both mean the latest one at the time.
    if ":" in one and ":" in two:
        return one == two
    return family(recorded) == family(wanted)


def _is_started_by_of(started_by: object, schedule: Schedule) -> bool:
    if not started_by:
        # A universal target sets its own ``startedBy``, or none.
        return not schedule.request.get("startedBy")
    if schedule.request.get("startedBy") == started_by:
        return True
    return (
        f"{STARTED_BY_PREFIXES[schedule.kind]}{schedule.name}"[:STARTED_BY_CUT_AT]
        == str(started_by)[:STARTED_BY_CUT_AT]
    )


def complete(launch: FailedLaunch, schedule: Schedule, *, scheduled_time: datetime | None) -> Request:
    """Return the whole request of a launch that CloudTrail redacted in part: the schedule's own request.

    Only ``startedBy``, the number of tasks and the values of keywords are taken from the record. A record may be
    forged: whoever could choose another role, network, revision or ECS Exec for a task with a schedule's values
    could read those values. What the record shows must equal what the schedule has.

    ``scheduled_time`` is the due time of the failed run, for the keyword of that name; None if not known.

    Raises:
        CannotFillError: The schedule does not hold the values, or may have changed since it made the call.
    """
    if schedule.unreadable:
        raise CannotFillError(schedule.unreadable)
    if schedule.modified is not None and schedule.modified > launch.event_time:
        raise CannotFillError(f"{schedule.name} was changed after the call failed")
    known = {"scheduler.schedule-arn": schedule.arn}
    if scheduled_time is not None:
        due = iso(scheduled_time)
        known |= {"scheduler.scheduled-time": due, f"{_OF_EVENT}time": due}
    recorded = launch.request.parameters
    own = {name: recorded[name] for name in ("startedBy", "count") if name in recorded}
    if EVERYTHING_ELSE in _missing(launch):
        return Request(parameters=_replaced(dict(schedule.request), known, "the request") | own)
    _check_same(recorded, schedule.request)
    whole = {
        name: _filled(recorded.get(name), value, known, name) for name, value in schedule.request.items()
    }
    if left := list(hidden_paths(whole)):
        raise CannotFillError(f"the schedule itself has CloudTrail's placeholder in {left[0]}")
    return Request(parameters=whole | own)


def called(keyword: str) -> str:
    """Return a keyword as AWS writes it, or the path of a part of an event.

    >>> called("events.event.id"), called("scheduler.execution-id")
    ('$.id of the event that triggered it', '<aws.scheduler.execution-id>')
    """
    path = keyword.removeprefix(_OF_EVENT)
    is_path = path != keyword and path not in ("json", "ingestion-time")
    return f"$.{path} of the event that triggered it" if is_path else f"<aws.{keyword}>"


# Members that are not compared here: the first two identified the schedule, the others belong to the single call.
_NOT_COMPARED = frozenset({"cluster", "taskDefinition", "startedBy", "clientToken", *DROPPED})

# ECS's defaults, which CloudTrail may write where the request is silent.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
_DEFAULTS = MappingProxyType({"count": 1, "assignPublicIp": "DISABLED", "platformVersion": "LATEST"})


# These must also match if one side does not have them: rungs are computed from the subnets in the record.
_STRICT = frozenset({"count", "networkConfiguration"})


def _check_same(recorded: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    """Refuse a record whose request differs from the schedule's, in members that both have."""
    for name, value in recorded.items():
        theirs = source.get(name)
        if _hides(value):
            if theirs is None:
                raise CannotFillError(f"CloudTrail hides {name}, and the schedule does not set it")
        elif name not in _NOT_COMPARED and not _has_keyword(theirs):
            one, two = _plain(name, value), _plain(name, theirs)
            is_said = name in _STRICT or (one is not None and two is not None)
            if is_said and one != two:
                raise CannotFillError(f"the schedule has another {name} than the call had; it was changed")


def _has_keyword(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_keyword(v) for v in value.values())
    if isinstance(value, list):
        return any(_has_keyword(v) for v in value)
    return isinstance(value, str) and KEYWORD.search(value) is not None


def _plain(name: str, value: Any) -> Any:
    """Return a value without what makes no difference: defaults, and members that are not set or empty."""
    if isinstance(value, dict):
        inner = {k: _plain(k, v) for k, v in value.items()}
        return {k: v for k, v in inner.items() if v is not None} or None
    if isinstance(value, list):
        return [_plain(name, item) for item in value] or None
    return None if value in ("", False, _DEFAULTS.get(name)) else value


def _missing(launch: FailedLaunch) -> tuple[str, ...]:
    return launch.request.missing if isinstance(launch.request, IncompleteRequest) else ()


def _filled(recorded: Any, source: Any, known: Mapping[str, str], path: str) -> Any:
    """Return the schedule's value, with the record's values for keywords; everything else must match."""
    if isinstance(recorded, str) and HIDDEN in recorded.upper():
        return _replaced(source, known, path)
    if isinstance(source, dict) and isinstance(recorded, dict):
        if more := sorted(k for k, v in recorded.items() if _plain(k, v) is not None and k not in source):
            hides = _hides(recorded[more[0]])
            why = "CloudTrail hides, and the schedule does not set" if hides else "the schedule does not have"
            raise CannotFillError(f"the call had {path}.{more[0]}, which {why}")
        return {k: _filled(recorded.get(k), v, known, f"{path}.{k}") for k, v in source.items()}
    if isinstance(source, list) and isinstance(recorded, list):
        if len(source) != len(recorded):
            raise CannotFillError(
                f"the schedule's {path} has another form than the call's; it may have been changed"
            )
        return [_filled(one, two, known, path) for one, two in zip(recorded, source, strict=True)]
    if isinstance(source, str) and isinstance(recorded, str) and KEYWORD.search(source):
        if _pattern(source).fullmatch(recorded) is None:
            raise CannotFillError(f"the schedule has another {path} than the call had; it was changed")
        return recorded
    if recorded is not None and str(recorded) != str(source) and path.startswith("overrides"):
        raise CannotFillError(f"the schedule has another {path} than the call had; it was changed")
    return _replaced(source, known, path)


# What Scheduler may have replaced a keyword with: an ARN, a time, an id, a number.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
_PUT = r"[A-Za-z0-9:/_.+-]{1,300}"


def _pattern(source: str) -> re.Pattern[str]:
    """Return a pattern for the results of a text with keywords.

    >>> bool(_pattern("run <aws.scheduler.attempt-number>").fullmatch("run 1"))
    True
    >>> bool(_pattern("run <aws.scheduler.attempt-number>").fullmatch("run 1; env"))
    False
    """
    parts = KEYWORD.split(source)[::2]
    return re.compile(_PUT.join(re.escape(part) for part in parts))


def _hides(value: Any) -> bool:
    if isinstance(value, str):
        return HIDDEN in value.upper()
    if isinstance(value, dict):
        return any(_hides(v) for v in value.values())
    return isinstance(value, list) and any(_hides(v) for v in value)


def _replaced(value: Any, known: Mapping[str, str], path: str) -> Any:
    """Return a value with Scheduler's keywords replaced as Scheduler replaced them."""
    if isinstance(value, str):

        def replace(found: re.Match[str]) -> str:
            if found[1] not in known:
                raise CannotFillError(f"{path} uses {called(found[1])}, which cannot be known afterwards")
            return known[found[1]]

        return KEYWORD.sub(replace, value)
    if isinstance(value, dict):
        return {k: _replaced(v, known, f"{path}.{k}") for k, v in value.items()}
    if isinstance(value, list):
        return [_replaced(v, known, path) for v in value]
    return value


def variable_names(schedule: Schedule) -> list[str]:
    """Return the names of the environment variables that a schedule's overrides set, without their values."""
    return [
        f"{container.get('name') if isinstance(container.get('name'), str) else '?'}.{variable['name']}"
        for container in objects_in(object_in(schedule.request.get("overrides")).get("containerOverrides"))
        for variable in objects_in(container.get("environment"))
        # A name that is no text may be a value instead, so it is left out.
        if isinstance(variable.get("name"), str)
    ]
