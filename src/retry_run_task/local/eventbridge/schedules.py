"""EventBridge's rules and EventBridge Scheduler's schedules, on the local clock.

    schedules.put_rule("nightly", expression="cron(0 15 * * ? *)")
    schedules.put_targets("nightly", [{"Id": "1", "Arn": cluster, "RoleArn": role, "EcsParameters": {...}}])
    schedules.create_schedule("hourly", expression="rate(1 hour)", target={"Arn": cluster, "RoleArn": role, ...})

Targets, windows and policies are in the API's own JSON. Rules are in ``rules``, their calls in ``targets`` and
``deliveries``; this module adds the schedules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from retry_run_task.local.cloudtrail.records import scheduler_caller
from retry_run_task.local.errors import AwsError
from retry_run_task.local.eventbridge.deliveries import RETRY_POLICY, Deliveries, PendingDelivery
from retry_run_task.local.eventbridge.rules import Rules
from retry_run_task.local.eventbridge.targets import (
    check_schedule_target,
    fill,
    invalid,
    is_cluster,
    is_function,
    is_universal,
    schedule_request,
)
from retry_run_task.sources.expressions import check_expression, next_due
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retry_run_task.local.clock import Clock
    from retry_run_task.local.cloudtrail.records import ApiCaller

Json = dict[str, Any]

# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
NAME = re.compile(r"[0-9a-zA-Z\-_.]{1,64}")
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_FlexibleTimeWindow.html
LONGEST_WINDOW_MINUTES = 1440
INSTANT = timedelta(microseconds=1)
NOT_FLEXIBLE = {"Mode": "OFF"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBridgeSchedule:
    """A schedule of EventBridge Scheduler.

    Attributes:
        target: In the API's own JSON, with the default retry policy.
        start: Nothing is due before it; a rate counts from it, else from ``last_modification``.
        action_after_completion: What happens to the schedule after its last call: ``NONE`` or ``DELETE``.
    """

    name: str
    group: str
    arn: str
    expression: str
    timezone: str = "UTC"
    target: Json
    flexible_time_window: Mapping[str, Any] = field(default_factory=lambda: NOT_FLEXIBLE)
    state: str = "ENABLED"
    start: datetime | None = None
    end: datetime | None = None
    description: str = ""
    action_after_completion: str = "NONE"
    created: datetime
    last_modification: datetime

    def next_due(self, after: datetime) -> datetime | None:
        """Return when it is next due after a time; a rate without a start is due as soon as it is created.

        "If you do not provide a StartDate for a rate-based schedule, your schedule starts invoking the target
        immediately"; that an update makes it begin again is assumed.
        https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
        """
        start = self.last_modification if self.expression.startswith("rate(") else None
        return next_due(
            self.expression, after=after, timezone=self.timezone, start=self.start or start, end=self.end
        )


class Schedules(Rules):
    """The rules and schedules of one account and Region."""

    def __init__(
        self,
        clock: Clock,
        account: str,
        region: str,
        *,
        run_task: Callable[[Json, ApiCaller], object],
        invoke: Callable[[str, Any], object],
        seed: int = 0,
    ) -> None:
        """Begin with the default group, empty.

        ``run_task`` raises ECS's errors; ``invoke`` sends an event, a JSON text, to a function by its ARN. The seed is
        of ids, windows and backoff.
        """
        deliveries = Deliveries(clock, run_task=run_task, invoke=invoke, seed=seed)
        super().__init__(clock, account, region, deliveries, seed)
        self.schedules: dict[tuple[str, str], EventBridgeSchedule] = {}
        self.groups: dict[str, datetime] = {"default": clock.now()}

    def create_group(self, name: str) -> str:
        """CreateScheduleGroup: create a group and return its ARN."""
        _check_name(name)
        with self._lock:
            if name in self.groups:
                raise AwsError("ConflictException", f"Schedule group {name} already exists.", 409)
            self.groups[name] = self._clock.now()
        return self.group_arn(name)

    def group_arn(self, name: str) -> str:
        """Return the ARN of a schedule group."""
        return f"arn:aws:scheduler:{self.region}:{self.account}:schedule-group/{name}"

    def create_schedule(
        self, name: str, *, target: Mapping[str, Any], group: str = "default", **values: Any
    ) -> EventBridgeSchedule:
        """CreateSchedule. The values are those of ``EventBridgeSchedule``; an expression is required.

        https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
        """
        with self._lock:
            if (group, name) in self.schedules:
                raise AwsError("ConflictException", f"Schedule {name} already exists.", 409)
            if group not in self.groups:
                raise _not_found(f"Schedule group {group} does not exist.")
            now = self._clock.now()
            schedule = EventBridgeSchedule(
                name=name,
                group=group,
                arn=f"arn:aws:scheduler:{self.region}:{self.account}:schedule/{group}/{name}",
                target={**target, "RetryPolicy": {**RETRY_POLICY, **(target.get("RetryPolicy") or {})}},
                created=now,
                last_modification=now,
                **values,
            )
            _check(schedule)
            self._put(schedule)
        return schedule

    def update_schedule(self, name: str, *, group: str = "default", **values: Any) -> EventBridgeSchedule:
        """UpdateSchedule: "uses all values, including empty values": an absent value gets its default again.

        https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
        """
        with self._lock:
            old = self.schedules.pop((group, name), None)
            if old is None:
                raise _not_found(f"Schedule {name} does not exist.")
            try:
                made = self.create_schedule(name, group=group, **values)
            except AwsError:
                self.schedules[group, name] = old
                raise
            self.schedules[group, name] = replace(made, created=old.created)
            return self.schedules[group, name]

    def delete_schedule(self, name: str, group: str = "default") -> None:
        """DeleteSchedule: nothing more is due; retries in progress continue."""
        with self._lock:
            self.schedule(name, group)
            del self.schedules[group, name]
            self._disarm(("schedule", group, name))

    def schedule(self, name: str, group: str = "default") -> EventBridgeSchedule:
        """Return a schedule.

        Raises:
            AwsError: There is none of that name.
        """
        schedule = self.schedules.get((group, name))
        if schedule is None:
            raise _not_found(f"Schedule {name} does not exist.")
        return schedule

    def _put(self, schedule: EventBridgeSchedule) -> None:
        self.schedules[schedule.group, schedule.name] = schedule
        # A moment earlier, so that a rate that begins now is due now.
        moment = INSTANT if schedule.expression.startswith("rate(") else timedelta(0)
        self._arm_schedule(schedule, schedule.last_modification - moment)

    def _arm_schedule(self, schedule: EventBridgeSchedule, after: datetime) -> bool:
        """Set a timer for when a schedule is next due; return whether it ever is."""
        key = ("schedule", schedule.group, schedule.name)
        self._disarm(key)
        due = schedule.next_due(after) if schedule.state == "ENABLED" else None
        if due is None:
            return False
        window_s = 60 * schedule.flexible_time_window.get("MaximumWindowInMinutes", 0)
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-flexible-time-windows.html
        late = self.delay + timedelta(seconds=self._random.uniform(0, window_s))
        self._arm(key, due + late, partial(self._schedule_due, schedule, due))
        return True

    def _schedule_due(self, armed: EventBridgeSchedule, due: datetime) -> None:
        key = (armed.group, armed.name)
        with self._lock:
            schedule = self.schedules.get(key)
            # The timer may have been about to fire when the schedule was changed.
            if schedule is None or schedule.last_modification != armed.last_modification:
                return
            is_over = not self._arm_schedule(schedule, due)
            if is_over and schedule.action_after_completion == "DELETE":
                del self.schedules[key]
        self._call(schedule, due)

    def _call(self, schedule: EventBridgeSchedule, due: datetime) -> None:
        target = schedule.target
        if is_cluster(target) or is_universal(target):
            caller = scheduler_caller(target["RoleArn"])
        elif is_function(target):
            caller = None
        else:
            return
        self.deliveries.send(
            PendingDelivery(
                source_arn=schedule.arn,
                target=target,
                due=due,
                body=partial(self._body, schedule, due),
                caller=caller,
            )
        )

    def _body(self, schedule: EventBridgeSchedule, due: datetime, attempt: int) -> Any:
        """Return the body of an attempt: "a unique ID for each attempted invocation", a counter from 1.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        """
        keywords = {
            "schedule-arn": schedule.arn,
            "scheduled-time": iso(due),
            "execution-id": self._new_id().replace("-", "")[:16],
            "attempt-number": str(attempt),
        }
        if is_function(schedule.target):
            return fill(schedule.target.get("Input") or "{}", keywords)
        return schedule_request(schedule.target, keywords, schedule.name, self._new_id())


def _check(schedule: EventBridgeSchedule) -> None:
    _check_name(schedule.name)
    try:
        check_expression(schedule.expression)
    except ValueError:
        raise invalid(f"Invalid Schedule Expression {schedule.expression}.") from None
    try:
        check_expression(schedule.expression, schedule.timezone)
    except ValueError:
        raise invalid("Invalid ScheduleExpressionTimezone.") from None
    window = schedule.flexible_time_window
    minutes = window.get("MaximumWindowInMinutes")
    if window.get("Mode") == "FLEXIBLE":
        if minutes is None or not 1 <= minutes <= LONGEST_WINDOW_MINUTES:
            raise invalid("MaximumWindowInMinutes must be from 1 to 1440 when Mode is FLEXIBLE.")
    elif minutes is not None:
        raise invalid("MaximumWindowInMinutes must not be set when Mode is OFF.")
    check_schedule_target(schedule.target)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise invalid(f"Value '{name}' at 'name' failed to satisfy constraint: {NAME.pattern}")


def _not_found(message: str) -> AwsError:
    return AwsError("ResourceNotFoundException", message, 404)
