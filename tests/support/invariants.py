"""What must hold at every moment of every story, each rule under a name of its own.

``Checks`` looks after every operation, delivery and crash, before every RunTask call, and when time has run dry.
A rule that does not hold raises an exception of its own type, so that Hypothesis makes the story smaller that
breaks this rule, and does not slip to another one. ``test_invariants.py`` shows of each rule that it can break.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from retry_run_task.launch import names, wire
from retry_run_task.launch.values import (
    Answer,
    Category,
    FailedLaunch,
    Failure,
    JsonObject,
    Lost,
    Outcome,
    Phase,
    Placed,
    Refused,
    Unbuildable,
    Unread,
)
from retry_run_task.local.cloudtrail import records
from retry_run_task.messages.message import STILL_TRYING
from retry_run_task.policy.ladder import RungKind
from retry_run_task.recovery.lines import LogEvent
from support.policies import handling

if TYPE_CHECKING:
    from retry_run_task.messages.message import Ending
    from retry_run_task.policy.rules import Policy
    from support.simulation import System, World
    from support.virtual import VirtualExecution

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (durable functions)
OPERATIONS_MAX = 3000
# What a recovery may change of a request, and what of a record is no parameter of RunTask.
OURS = frozenset({"clientToken", "startedBy", "count"})
NOT_SENT_AGAIN = frozenset({"dryrun", "referenceId"})
# The value of every variable that is overridden. It is a secret.
CANARY = "canary-5d1f7c"
# Texts of answers that retrying cannot help, and an error that must never be met with another call.
PERMANENT = (
    "ATTRIBUTE",
    "LOCATION",
    "The requested CPU configuration is above your limit",
    "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x' that was provided for this task.",
)
DENIED = "AccessDeniedException"
# Clocks that may differ: a task's creation and the record of the call. As the product allows.
CLOCKS_DIFFER = timedelta(seconds=5)


class Invariant(StrEnum):
    """What must hold."""

    NO_MORE_THAN_ASKED = "a launch and its recoveries never have more tasks than the call asked for"
    ONLY_WHAT_IS_MISSING = (
        "a call with a new token asks for no more than what is missing, as far as the recovery could see"
    )
    THE_SAME_REQUEST = (
        "a request is the original, except for token, startedBy, number and what one rung changes"
    )
    ONE_TOKEN_ONE_REQUEST = (
        "a recovery sends a token with one request only, unless the first was refused or its step cut off"
    )
    A_TOKEN_IS_KEPT = "the next client token is used only when ECS has answered the last one"
    NOTHING_REFUSED = "a request that was denied, failed permanently or is incomplete is not sent"
    NOT_TOO_LATE = "no call comes after the deadline, or once the next run is due"
    WITHIN_THE_POLICY = "attempts and waits are those of the policy that the recovery began with"
    OUR_OWN_CALLS = "neither a recovery's own call nor a record of another kind starts a recovery"
    EVERY_LAUNCH_ONCE = "every launch in scope has one recovery in each stack, or is in the dead-letter queue"
    EVERY_END_IS_TOLD = "every recovery ends, and a message reports each end without the tasks"
    WELL_MEANS_THERE = (
        "a recovery that succeeded names the tasks that were missing, and they are this launch's"
    )
    WELL_MEANS_RAN = "every task that a successful recovery names has run"
    WHAT_WAS_STOPPED = "a task that a person stopped before it ran is not started again"
    ONLY_OUR_OWN = (
        "only a task of the recovery that has not started is stopped, and only with the policy's leave"
    )
    NO_SECRET = "the value of a variable is in no log, message, payload or checkpoint"
    NO_RECOVERY_FAILS = "no recovery raises, and none outgrows Lambda's limits"
    IN_STEPS_ONLY = "nothing is done or looked at outside of a step"


class BrokenError(AssertionError):
    """A rule does not hold.

    Attributes:
        invariant: Which.
    """

    invariant: Invariant


_KINDS = {one: type(one.name, (BrokenError,), {"invariant": one}) for one in Invariant}


class Checks:
    """Looks at one system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._tokens: set[str] = set()
        self._secrets_read: Counter[int] = Counter()
        self._first: BrokenError | None = None

    def broken(self, invariant: Invariant, detail: str) -> NoReturn:
        """Say that a rule does not hold; it stays so, should somebody catch this."""
        error = _KINDS[invariant](f"{invariant.name}: {invariant}. {detail}")
        self._first = self._first or error
        self._system.note("INVARIANT", f"{invariant.name}: {detail}")
        raise error

    # After every operation, delivery and crash.

    def at_every_moment(self) -> None:
        """Look at what must hold at any time."""
        if self._first is not None:
            raise self._first
        self._count_tasks()
        self._look_for_secrets()
        for execution in self._system.executions.by_name.values():
            if isinstance(execution.error, BrokenError):
                raise execution.error
            if execution.error is not None:
                self.broken(Invariant.NO_RECOVERY_FAILS, f"{execution.name} raised {execution.error!r}")
            used = len(execution.operations) + execution.repeats + 1
            if used > OPERATIONS_MAX:
                self.broken(Invariant.NO_RECOVERY_FAILS, f"{execution.name} has used {used} operations")

    def _count_tasks(self) -> None:
        for group, arns in self._system.tasks.items():
            asked = self._system.asked[group]
            if len(arns) > asked:
                self.broken(
                    Invariant.NO_MORE_THAN_ASKED,
                    f"{group} asked for {asked} and has {len(arns)}: {sorted(arns)}",
                )

    def _look_for_secrets(self) -> None:
        """Read what was added since the last look."""
        if not self._system.has_secrets:
            return
        for where, kept in self._system.written():
            known = self._secrets_read[id(kept)]
            if known < len(kept):
                self._secrets_read[id(kept)] = len(kept)
                if CANARY in repr(kept[known:]):
                    self.broken(Invariant.NO_SECRET, f"it is in {where}")

    def in_step(self, world: World, what: str) -> None:
        """Check that something is done inside a step."""
        if not world.operation:
            self.broken(Invariant.IN_STEPS_ONLY, f"{world.name}: {what}")

    # Before every StopTask call.

    def before_stop(self, world: World, arn: str) -> None:
        """Look at a StopTask call before it is made."""
        self.in_step(world, "StopTask")
        task = self._system.all_tasks[arn]
        is_allowed = handling(world.policy, Category.TRANSIENT).stop_hanging
        if not names.is_ours(task.started_by) or task.has_run or not is_allowed:
            self.broken(Invariant.ONLY_OUR_OWN, f"{world.name} stops {arn}, which is {task.status}")

    # When a recovery is started.

    def at_start(self, event_id: str, payload: str) -> None:
        """Our own calls start nothing, and nothing starts what was no failed call.

        One kind of our calls cannot be told from anybody else's while the role is not known: of a denied call
        CloudTrail records no request. It may be reported, since a report calls nothing.
        """
        system = self._system
        record = system.ours.get(event_id)
        if record is not None and record["requestParameters"] is not None:
            self.broken(Invariant.OUR_OWN_CALLS, f"our own call {event_id} started a recovery")
        is_of_task = event_id.removeprefix("t-") in {arn.rsplit("/", 1)[-1] for arn in system.failed_to_start}
        is_known = event_id in system.originals or event_id in system.by_hand or is_of_task
        if record is None and not is_known:
            self.broken(Invariant.OUR_OWN_CALLS, f"a recovery was started for {event_id}, which is no call's")
        if CANARY in payload and event_id not in system.by_hand:
            self.broken(Invariant.NO_SECRET, f"it is in the payload of {event_id}")

    # Before every RunTask call.

    def before_call(self, world: World, launch: FailedLaunch, body: JsonObject) -> None:
        """Look at a RunTask call before it is made."""
        self.in_step(world, "RunTask")
        self._check_admission(launch)
        self._check_request(world, launch, body)
        if body["clientToken"] not in self._tokens:
            self._check_count(world, launch, body)
        self._check_token(world, body)
        self._check_time(world, launch)
        self._check_rate(world, body)

    def _check_admission(self, launch: FailedLaunch) -> None:
        """What was thrown, failed for good or is not whole is not sent."""
        record = self._system.originals.get(launch.event_id)
        if record is None:
            return  # made by hand, or known only from a task that did not start
        if not needs_recovery(record):
            self.broken(Invariant.NOTHING_REFUSED, f"{launch.event_id} needs no recovery: {record}")
        reasons = [failure.get("reason") for failure in record["responseElements"]["failures"]]
        if any(reason in PERMANENT for reason in reasons):
            self.broken(Invariant.NOTHING_REFUSED, f"{launch.event_id} had failed for good: {reasons}")
        is_whole = records.HIDDEN not in json.dumps(record["requestParameters"])
        if not is_whole and not self._system.conditions.knows_schedules:
            self.broken(Invariant.NOTHING_REFUSED, f"a part of {launch.event_id} is hidden")

    def _check_request(self, world: World, launch: FailedLaunch, body: JsonObject) -> None:
        asked_for = self._system.asked_for[body["group"]]
        # CloudTrail adds these to the record of a call, and a schedule need not have them.
        asked_for = {k: False for k in records.FALSE_UNLESS_SENT if body.get(k) is False} | asked_for
        kept = {k: v for k, v in asked_for.items() if k not in OURS | NOT_SENT_AGAIN}
        sent = {k: v for k, v in body.items() if k not in OURS}
        if sent not in allowed_bodies(kept, world.policy):
            self.broken(Invariant.THE_SAME_REQUEST, f"{kept} was asked for, and {sent} was to be sent")
        mark = names.started_by_of(asked_for.get("startedBy"), launch.call_id)
        if body["startedBy"] != mark or not names.is_our_token(body["clientToken"]):
            self.broken(Invariant.THE_SAME_REQUEST, f"startedBy or clientToken is not ours: {body}")
        self._check_nothing_permanent(world, sent, kept)

    def _check_nothing_permanent(self, world: World, sent: JsonObject, kept: JsonObject) -> None:
        """What nothing can mend ends it if the request was as it was asked; else that change is never made again."""
        for operation, result in self._system.executions.by_name[world.name].operations:
            if isinstance(result, dict) and "calls" in result and any(map(is_permanent, _called(result))):
                before = {k: v for k, v in world.bodies[operation].items() if k not in OURS}
                if before in (kept, sent):
                    self.broken(Invariant.NOTHING_REFUSED, f"RunTask is called after {_called(result)}")

    def _check_count(self, world: World, launch: FailedLaunch, body: JsonObject) -> None:
        """A call with a new token asks for what is missing, as far as the recovery was told or could see."""
        asked = launch.request.parameters.get("count") or 1
        known = {
            arn for answer in self.answers(world) if isinstance(answer, Placed) for arn in answer.task_arns
        }
        known |= {
            task.arn
            for look in world.looks.values()
            if not isinstance(look, Failure)
            for task in look
            if task.phase is not Phase.FAILED
        }
        if not isinstance(world.looks.get(world.operation), Failure | None):
            known |= self._alike(world, launch)
        missing = asked - len(launch.placed) - len(known - self._system.failed_to_start)
        count = body.get("count") or 1
        if count > missing:
            self.broken(Invariant.ONLY_WHAT_IS_MISSING, f"{missing} are missing, and {count} are asked for")

    def _alike(self, world: World, launch: FailedLaunch) -> set[str]:
        """Return the tasks with the caller's mark that a look now has to count, if it is certain whose they are."""
        system = self._system
        mark = launch.request.parameters.get("startedBy")
        operations = dict(system.executions.by_name[world.name].operations)
        has_schedule = "name" in operations.get("find-schedule-1", {})
        if not mark or not has_schedule:
            return set()
        return {
            arn
            for arn, task in system.all_tasks.items()
            if task.started_by == mark
            and arn not in launch.placed
            and arn not in system.failed_to_start
            and datetime.fromisoformat(task.created_at) >= launch.event_time - CLOCKS_DIFFER
            and system.is_listed(arn)
            and commands(task.overrides) == commands(launch.request.parameters.get("overrides"))
        }

    def _check_token(self, world: World, body: JsonObject) -> None:
        """A token is left only when it is certain what became of it, and stands for one request until it is refused.

        Less may be asked for again after tasks were found that are there already; ECS answers with a conflict.
        """
        self._tokens.add(body["clientToken"])
        if self._was_stopped_by_a_person(world):
            self.broken(Invariant.WHAT_WAS_STOPPED, f"{world.name} calls RunTask again")
        sent = [one for one in self._system.sent if one.name == world.name]
        if not sent:
            return
        last = sent[-1]
        if body["clientToken"] == last.token:
            is_same = {**body, "count": None} == {**last.body, "count": None}
            if not is_same and not isinstance(last.answer, Refused):
                detail = f"{last.token} stands for {last.body} and for {body}"
                self.broken(Invariant.ONE_TOKEN_ONE_REQUEST, detail)
            return
        if earlier := [one for one in sent if one.token == body["clientToken"]]:
            # A step with two calls that was cut off is done again from its first. If that one is refused now, nobody
            # remembers the second; its token comes next, and ECS names its tasks by a conflict.
            operations = dict(self._system.executions.by_name[world.name].operations)
            is_remembered = len((operations.get(earlier[-1].operation) or {}).get("calls", ())) > 1
            is_same = {**body, "count": None} == {**earlier[-1].body, "count": None}
            if is_remembered and not is_same:
                detail = f"{body['clientToken']} stands for {earlier[-1].body} and for {body}"
                self.broken(Invariant.ONE_TOKEN_ONE_REQUEST, detail)
            return
        if isinstance(last.answer, Placed):
            return
        if any(one.may_have_placed for one in sent if one.token == last.token):
            self.broken(Invariant.A_TOKEN_IS_KEPT, f"{last.token} may have started tasks")

    def _was_stopped_by_a_person(self, world: World) -> bool:
        """Say whether a recovery has seen that one of its tasks was stopped on purpose."""
        operations = self._system.executions.by_name[world.name].operations
        stopped = {
            task["arn"]
            for name, result in operations
            if name.startswith("watch-") and isinstance(result, dict)
            for task in result.get("tasks", ())
            if any(failure.get("code") == "UserInitiated" for failure in task["failures"])
            and task["arn"] not in world.stopped
        }
        return bool(stopped)

    def _check_time(self, world: World, launch: FailedLaunch) -> None:
        """No call after the deadline, or once the next run is due, by the clock of the function that calls."""
        operations = self._system.executions.by_name[world.name].operations
        times = [result["now"] for _, result in operations if isinstance(result, dict) and "now" in result]
        first = times[0] if times else world.clock
        since = first if launch.event_id in self._system.by_hand else launch.event_time.timestamp()
        deadline_s = handling(world.policy, Category.CAPACITY).deadline_s
        if world.clock - since > deadline_s:
            self.broken(Invariant.NOT_TOO_LATE, f"{world.clock - since} s after the failed call")
        due = dict(operations).get("find-schedule-1", {}).get("next_due")
        if due is not None and world.clock >= due:
            self.broken(Invariant.NOT_TOO_LATE, "the next run is due")
        clocks = self._system.conditions.clocks
        if world.clock - self._system.timeline.now not in clocks:
            self.broken(Invariant.NOT_TOO_LATE, "time went by between the look at the clock and the call")

    def _check_rate(self, world: World, body: JsonObject) -> None:
        """Between two calls lies at least the shortest first wait, unless a rung was struck off.

        A step that was cut off is made again at once, and one step may hold two calls.
        """
        struck = [event for event, _ in world.told].count(LogEvent.RUNG_DROPPED)
        was_struck, world.struck = struck > world.struck, struck
        sent = [one for one in self._system.sent if one.name == world.name]
        if not sent or world.crashed or was_struck:
            return
        if sent[-1].operation == world.operation and body != sent[-1].body:
            return  # one subnet is asked in the same step where there was no room
        waits = [handling(world.policy, category).wait for category in Category]
        shortest = max(1, round(min(wait.longest(1) for wait in waits if wait is not None) / 2))
        gap = self._system.timeline.now - sent[-1].time
        if gap < shortest:
            self.broken(Invariant.WITHIN_THE_POLICY, f"{gap} s after the call before: {body}")

    # When time has run dry.

    def at_the_end(self) -> None:
        """Look at how everything ended."""
        self.at_every_moment()
        for event_id, record in self._system.originals.items():
            self._check_taken_in(event_id, record)
        for name, execution in self._system.executions.by_name.items():
            if not execution.is_over:
                self.broken(Invariant.EVERY_END_IS_TOLD, f"{name} neither ended nor is anything due for it")
            self._check_end(self._system.worlds[name], execution)

    def _check_taken_in(self, event_id: str, record: JsonObject) -> None:
        system = self._system
        recovered_by = sorted(
            world.stack.name
            for world in system.worlds.values()
            if json.loads(system.executions.by_name[world.name].payload)["event_id"] == event_id
        )
        if "errorCode" in record:
            return
        expected = sorted(
            stack.name
            for stack in system.stacks
            if needs_recovery(record)
            and system.is_in_scope(event_id)
            and event_id in stack.arrived
            and event_id not in stack.dead_letters
        )
        # An event that is in the dead-letter queue may have been taken in when it came another time.
        extra = set(recovered_by) - {s.name for s in system.stacks if event_id in s.dead_letters}
        if len(set(recovered_by)) < len(recovered_by) or set(expected) - set(recovered_by):
            self.broken(
                Invariant.EVERY_LAUNCH_ONCE, f"{event_id} was recovered by {recovered_by}, not {expected}"
            )
        if extra - set(expected):
            self.broken(
                Invariant.OUR_OWN_CALLS, f"{event_id} was recovered by {recovered_by}, not {expected}"
            )

    def _check_end(self, world: World, execution: VirtualExecution) -> None:
        ending: Ending = execution.result
        if ending.outcome is Outcome.BROKEN:
            self.broken(Invariant.NO_RECOVERY_FAILS, f"{world.name}: {ending.why}")
        if ending.outcome is Outcome.IGNORED:
            self._check_ignored(world)
            return
        ends = [message for message in world.messages if message.outcome != STILL_TRYING]
        if ending.succeeded:
            self._check_well(world, ending)
        elif not ends:
            self.broken(
                Invariant.EVERY_END_IS_TOLD, f"{world.name} ended as {ending.outcome}, and nobody was told"
            )
        answers = self.answers(world)
        if ending.calls != len(answers):
            self.broken(
                Invariant.WITHIN_THE_POLICY, f"{ending.calls} calls are told, {len(answers)} were made"
            )
        self._check_patience(world, answers)
        may_be_there = ends_unseen(answers) or self._unnamed(world, ending)
        if not ending.succeeded and may_be_there and "--started-by" not in ends[0].text:
            self.broken(
                Invariant.EVERY_END_IS_TOLD, f"{world.name}: tasks may be there, and nobody was told to look"
            )

    def _unnamed(self, world: World, ending: Ending) -> set[str]:
        """Return the tasks that a recovery started and that its end does not name."""
        started = {arn for arn, task in self._system.all_tasks.items() if task.by == world.name}
        return started - self._system.failed_to_start - set(ending.task_arns)

    def _check_ignored(self, world: World) -> None:
        """What the policy leaves alone has a line in the log, and calls nothing."""
        told = [event for event, _ in world.told]
        is_wanted = all(handling(world.policy, category).ignore for category in Category)
        if LogEvent.IGNORED not in told or not is_wanted or self.answers(world):
            self.broken(Invariant.EVERY_END_IS_TOLD, f"{world.name} was ignored: {told}")

    def _check_well(self, world: World, ending: Ending) -> None:
        early = [message for message in world.messages if message.outcome == STILL_TRYING]
        if len(early) != len(world.messages) - len(early) and len(early) < 2:
            self.broken(Invariant.EVERY_END_IS_TOLD, f"{world.name} ended well, and a person was bothered")
        arns = set(ending.task_arns)
        # There may be more than were missing, if people started some.
        if len(arns) < len(ending.task_arns) or len(arns) < ending.wanted:
            self.broken(
                Invariant.WELL_MEANS_THERE, f"{ending.wanted} were missing, {ending.task_arns} are there"
            )
        launch = wire.launch_from_json(json.loads(self._system.executions.by_name[world.name].payload))
        original = launch.request.parameters.get("startedBy")
        # A task that did not start may have a recovery of its own, whose mark is then shared.
        failed = [names.task_identity(arn) for arn in self._system.failed_to_start]
        shared = [names.started_by_of(original, call_id) for call_id in failed]
        marks = {original, names.own_started_by(launch), *shared}
        for arn in arns:
            task = self._system.all_tasks.get(arn)
            if task is not None and not task.has_run:
                self.broken(Invariant.WELL_MEANS_RAN, f"{arn} has not run, its last status is {task.status}")
            if task is None or task.started_by not in marks or arn in launch.placed:
                self.broken(Invariant.WELL_MEANS_THERE, f"{arn} is no task of this launch: {task}")
            if datetime.fromisoformat(task.created_at) < launch.event_time - CLOCKS_DIFFER:
                self.broken(Invariant.WELL_MEANS_THERE, f"{arn} was there before the failed call")

    def _check_patience(self, world: World, answers: Sequence[Answer]) -> None:
        """Waits are those of the policy: for each category the nth between half of and its whole length."""
        seen: Counter[str] = Counter()
        for event, fields in world.told:
            if event != LogEvent.WAITING:
                continue
            seen[fields["category"]] += 1
            nth = seen[fields["category"]]
            rule = handling(world.policy, Category(fields["category"]))
            if rule.wait is None or (rule.attempts is not None and nth >= rule.attempts):
                self.broken(Invariant.WITHIN_THE_POLICY, f"attempt {nth} after {fields['category']}")
            longest = rule.wait.longest(nth)
            if not max(1, round(longest / 2)) <= fields["delay_s"] <= max(1, round(longest)):
                self.broken(
                    Invariant.WITHIN_THE_POLICY,
                    f"wait {nth} after {fields['category']}: {fields['delay_s']} s",
                )
        struck = [event for event, _ in world.told].count(LogEvent.RUNG_DROPPED)
        operations = self._system.executions.by_name[world.name].operations
        at_once = sum(
            isinstance(result, dict) and len(result.get("calls", ())) > 1 for _, result in operations
        )
        if len(answers) > sum(seen.values()) + struck + at_once + 1:
            self.broken(Invariant.WITHIN_THE_POLICY, f"{len(answers)} calls, {seen} waits")

    # What a recovery remembers.

    def answers(self, world: World) -> list[Answer]:
        """Return the answers that a recovery remembers."""
        operations = self._system.executions.by_name[world.name].operations
        answers = [
            answer
            for _, result in operations
            if isinstance(result, dict) and "calls" in result
            for answer in _called(result)
        ]
        return [answer for answer in answers if not isinstance(answer, Unbuildable | Unread)]


def _called(result: JsonObject) -> list[Answer]:
    """Return what ECS answered in a step: twice, if a subnet was asked at once where there was no room."""
    return [wire.answer_from_json(answer) for answer in result.get("calls", ())]


def allowed_bodies(asked: JsonObject, policy: Policy) -> list[JsonObject]:
    """Return the bodies that a policy allows for a request: written down here once more, and not asked of the code."""
    whole = handling(policy, Category.CAPACITY)
    network = asked.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    spot = any(i["capacityProvider"] == "FARGATE_SPOT" for i in asked.get("capacityProviderStrategy", ()))
    plain = {k: v for k, v in asked.items() if k not in ("launchType", "capacityProviderStrategy")}
    bodies = [asked]
    if RungKind.EACH_SUBNET in whole.rungs:
        bodies += [
            asked | {"networkConfiguration": {"awsvpcConfiguration": network | {"subnets": [subnet]}}}
            for subnet in network.get("subnets", ())
        ]
    if RungKind.ON_DEMAND in whole.rungs and spot:
        bodies.append(plain | {"launchType": "FARGATE"})
    if RungKind.SPOT in whole.rungs and not spot:
        bodies.append(
            plain | {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
        )
    if RungKind.SIZES in whole.rungs:
        bodies += [
            asked | {"overrides": asked.get("overrides", {}) | {"cpu": str(cpu), "memory": str(memory)}}
            for cpu, memory in whole.sizes
        ]
    if RungKind.CAPACITY_PROVIDERS in whole.rungs:
        bodies += [
            plain | {"capacityProviderStrategy": [{"capacityProvider": name, "weight": 1}]}
            for name in whole.capacity_providers
        ]
    return bodies


def commands(overrides: Any) -> dict[str, Any]:
    """Return the commands that overrides set, by container."""
    containers = (overrides or {}).get("containerOverrides") or []
    return {one["name"]: one["command"] for one in containers if one.get("command")}


def needs_recovery(record: JsonObject) -> bool:
    """Say whether a call went wrong in a way that intake has to act on, from its record alone."""
    answer = record.get("responseElements")
    return answer is not None and len(answer["tasks"]) < (record["requestParameters"].get("count") or 1)


def is_permanent(answer: Answer) -> bool:
    """Say whether nothing may follow an answer."""
    match answer:
        case Placed(failures=failures):
            return any(failure.reason in PERMANENT for failure in failures)
        case Refused(failure=failure):
            return failure.code == DENIED
        case Lost() | Unbuildable() | Unread():
            return False


def ends_unseen(answers: Sequence[Answer]) -> bool:
    """Say whether a recovery ended with a call that may have started tasks that it has not seen."""
    since = list(itertools.takewhile(lambda answer: not isinstance(answer, Placed), reversed(answers)))
    return any(
        isinstance(answer, Lost) or (isinstance(answer, Refused) and answer.is_unsure) for answer in since
    )
