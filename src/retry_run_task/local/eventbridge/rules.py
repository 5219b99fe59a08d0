"""EventBridge's rules: what a schedule or an event triggers, and the resulting calls.

    rules.put_rule("nightly", expression="cron(0 15 * * ? *)")
    rules.put_targets("nightly", [{"Id": "1", "Arn": cluster, "RoleArn": role, "EcsParameters": {...}}])

Targets are ECS clusters and Lambda functions; another target is stored and never called.
"""

from __future__ import annotations

import random
import re
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from retry_run_task.local.cloudtrail.records import rule_caller
from retry_run_task.local.errors import AwsError
from retry_run_task.local.eventbridge.deliveries import PendingDelivery
from retry_run_task.local.eventbridge.event_pattern import check_pattern, is_match
from retry_run_task.local.eventbridge.targets import (
    invalid,
    is_cluster,
    is_function,
    rule_input,
    rule_request,
)
from retry_run_task.sources.expressions import check_expression, next_due
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from retry_run_task.local.clock import Clock, Timer
    from retry_run_task.local.eventbridge.deliveries import Deliveries

Json = dict[str, Any]

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
MOST_TARGETS = 5
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
NAME = re.compile(r"[.\-_A-Za-z0-9]{1,64}")
# "If the value is equal to 1, then the unit must be singular. If the value is greater than 1, the unit must be
# plural": https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
EXPRESSION = re.compile(r"cron\(.*\)|rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBridgeRule:
    """A rule on the default event bus.

    Attributes:
        expression: When it is due; None if only events trigger it.
        pattern: Which events trigger it; None if only its schedule does.
        since: When it was last put; a rate counts from here.
    """

    name: str
    arn: str
    expression: str | None = None
    pattern: Mapping[str, Any] | None = None
    state: str = "ENABLED"
    description: str = ""
    role_arn: str | None = None
    targets: tuple[Json, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    since: datetime


class Rules:
    """The rules of one account and Region; a target is called ``delay`` after its due time."""

    def __init__(
        self, clock: Clock, account: str, region: str, deliveries: Deliveries, seed: int = 0
    ) -> None:
        self.rules: dict[str, EventBridgeRule] = {}
        self.delay = timedelta(0)
        self.deliveries = deliveries
        self.account, self.region = account, region
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 -- ids that must be the same in every run
        self._timers: dict[tuple[str, ...], Timer] = {}
        self._lock = threading.RLock()

    def put_rule(
        self, name: str, *, bus: str = "default", tags: Mapping[str, str] | None = None, **values: Any
    ) -> EventBridgeRule:
        """PutRule: create a rule, or replace one except its targets and tags.

        The values are those of ``EventBridgeRule``: an expression or a pattern, state, description and role.
        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
        """
        check_bus(bus)
        _check(name, values.get("expression"), values.get("pattern"))
        with self._lock:
            old = self.rules.get(name)
            rule = EventBridgeRule(
                name=name,
                arn=f"arn:aws:events:{self.region}:{self.account}:rule/{name}",
                targets=old.targets if old else (),
                tags=old.tags if old else dict(tags or {}),
                since=self._clock.now(),
                **values,
            )
            self.rules[name] = rule
            self._arm_rule(rule)
        return rule

    def put_targets(self, name: str, targets: Iterable[Json]) -> None:
        """PutTargets: add targets to a rule, replacing those with the same Id."""
        with self._lock:
            rule = self.rule(name)
            found = {target["Id"]: target for target in rule.targets}
            for target in targets:
                _check_target(target, rule)
                found[target["Id"]] = target
            if len(found) > MOST_TARGETS:
                message = "The requested resource exceeds the maximum number allowed."
                raise AwsError("LimitExceededException", message)
            self.rules[name] = replace(rule, targets=tuple(found.values()))

    def remove_targets(self, name: str, ids: Iterable[str]) -> None:
        """RemoveTargets: remove targets from a rule; an unknown Id is no error."""
        gone = set(ids)
        with self._lock:
            rule = self.rule(name)
            kept = tuple(target for target in rule.targets if target["Id"] not in gone)
            self.rules[name] = replace(rule, targets=kept)

    def set_rule_state(self, name: str, state: str) -> None:
        """EnableRule and DisableRule."""
        with self._lock:
            rule = self.rules[name] = replace(self.rule(name), state=state)
            self._arm_rule(rule)

    def delete_rule(self, name: str) -> None:
        """DeleteRule: an absent rule is no error, one with targets is."""
        with self._lock:
            rule = self.rules.get(name)
            if rule is not None and rule.targets:
                # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html
                raise invalid("Rule can't be deleted since it has targets.")
            self.rules.pop(name, None)
            self._disarm(("rule", name))

    def rule(self, name: str) -> EventBridgeRule:
        """Return a rule.

        Raises:
            AwsError: There is none of that name.
        """
        rule = self.rules.get(name)
        if rule is None:
            message = f"Rule {name} does not exist on EventBus default."
            raise AwsError("ResourceNotFoundException", message)
        return rule

    def take_event(self, event: Json) -> None:
        """Trigger the rules whose pattern an event matches."""
        for rule in list(self.rules.values()):
            if rule.state != "DISABLED" and rule.pattern is not None and is_match(rule.pattern, event):
                self._trigger(rule, event, self._clock.now())

    def _arm_rule(self, rule: EventBridgeRule, after: datetime | None = None) -> None:
        """Set a timer for when a rule is next due; its rate counts from when it was put."""
        key = ("rule", rule.name)
        self._disarm(key)
        if rule.expression is None or rule.state == "DISABLED":
            return
        after = after or self._clock.now()
        # Whether a new rate is due at once is not documented; "starts when you create" is read as the start of the
        # first interval. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
        due = next_due(rule.expression, after=max(after, rule.since), start=rule.since)
        if due is not None:
            self._arm(key, due + self.delay, partial(self._rule_due, rule.name, due, rule.since))

    def _rule_due(self, name: str, due: datetime, since: datetime) -> None:
        with self._lock:
            rule = self.rules.get(name)
            # The timer may have been about to fire when the rule was changed.
            if rule is None or rule.state == "DISABLED" or rule.since != since:
                return
            self._arm_rule(rule, due)
        # https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-events.html
        event = {
            "version": "0",
            "id": self._new_id(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.account,
            "time": iso(due),
            "region": self.region,
            "resources": [rule.arn],
            "detail": {},
        }
        self._trigger(rule, event, due)

    def _trigger(self, rule: EventBridgeRule, event: Json, due: datetime) -> None:
        for target in rule.targets:
            make = rule_request if is_cluster(target) else rule_input
            if is_cluster(target):
                caller = rule_caller(target.get("RoleArn") or rule.role_arn or "")
            elif is_function(target):
                caller = None
            else:
                continue
            body = partial(_body, make, target, event, rule)
            self.deliveries.send(
                PendingDelivery(source_arn=rule.arn, target=target, due=due, body=body, caller=caller)
            )

    def _arm(self, key: tuple[str, ...], when: datetime, call: Callable[[], object]) -> None:
        self._timers[key] = self._clock.call_at(when, call)

    def _disarm(self, key: tuple[str, ...]) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def check_bus(bus: str) -> None:
    """Refuse every event bus but the default one, the only one that is modelled."""
    if bus.rpartition("/")[2] != "default":
        raise AwsError("ResourceNotFoundException", f"Event bus {bus} does not exist.")


def _body(
    make: Callable[[Json, Json, str, str], Any],
    target: Json,
    event: Json,
    rule: EventBridgeRule,
    _attempt: int,
) -> Any:
    return make(target, event, rule.name, rule.arn)


def _check(name: str, expression: str | None, pattern: Mapping[str, Any] | None) -> None:
    if not NAME.fullmatch(name):
        raise invalid(f"Value '{name}' at 'name' failed to satisfy constraint: [\\.\\-_A-Za-z0-9]{{1,64}}")
    if expression is None and pattern is None:
        raise invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if expression is not None:
        try:
            if not EXPRESSION.fullmatch(expression):
                raise ValueError(expression)
            check_expression(expression, is_rules=True)
        except ValueError:
            raise invalid("Parameter ScheduleExpression is not valid.") from None
    if pattern is not None:
        try:
            check_pattern(pattern)
        except ValueError as error:
            message = f"Event pattern is not valid. Reason: {error}"
            raise AwsError("InvalidEventPatternException", message) from None


def _check_target(target: Mapping[str, Any], rule: EventBridgeRule) -> None:
    """Refuse what PutTargets refuses; of these texts only the one about the role was seen."""
    name = target["Id"]
    if sum(kind in target for kind in ("Input", "InputPath", "InputTransformer")) > 1:
        raise invalid(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}."
        )
    if is_cluster(target):
        if not (target.get("RoleArn") or rule.role_arn):
            raise invalid(f"RoleArn is required for target {target['Arn']}.")
        if "EcsParameters" not in target:
            raise invalid(f"Parameter(s) EcsParameters must be specified for target: {name}.")
