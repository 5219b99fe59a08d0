"""When rules and schedules are due. Pure; ``sources.expressions`` reads their expressions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from retry_run_task.launch.schedule import Schedule
from retry_run_task.sources import expressions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from retry_run_task.commands.shared.inventory import Launcher


def as_schedule(launcher: Launcher) -> Schedule:
    """Return the part of a launcher that calls are compared with: names and times, nothing that may be secret."""
    request = {"cluster": launcher.cluster, "taskDefinition": launcher.task_definition}
    if launcher.started_by:
        request["startedBy"] = launcher.started_by
    return Schedule(
        kind=launcher.kind,
        name=launcher.name,
        arn="",
        role_arn=launcher.role_arn,
        request=request,
        expression=launcher.expression,
        timezone=launcher.timezone,
        start=launcher.start,
        end=launcher.end,
        is_enabled=launcher.is_enabled,
        modified=launcher.modified,
        event_age_s=launcher.event_age_s,
    )


def due_times(schedule: Schedule, since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the due times in a window, both ends included.

    Raises:
        ValueError: The expression cannot be read, or does not determine times: it is a rate without a start.
    """
    if schedule.expression is None:
        raise ValueError("it is a rule on events, which no clock makes due")
    if is_floating(schedule):
        raise ValueError("it is a rate, and AWS does not say since when it counts")
    after = since - timedelta(seconds=1)
    while True:
        due = expressions.next_due(
            schedule.expression,
            after=after,
            timezone=schedule.timezone,
            start=schedule.start,
            end=schedule.end,
        )
        if due is None or due > until:
            return
        if due >= since:
            yield due
        after = due


def is_floating(schedule: Schedule) -> bool:
    """Tell whether it counts from a moment that AWS does not report."""
    return schedule.start is None and expressions.RATE.fullmatch(schedule.expression or "") is not None


_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def interval_of(rate: str) -> timedelta:
    """Return the interval of a rate.

    Raises:
        ValueError: It is no rate.
    """
    found = expressions.RATE.fullmatch(rate)
    if found is None:
        raise ValueError(f"{rate!r} is no rate")
    return int(found[1]) * _UNITS[found[2]]
