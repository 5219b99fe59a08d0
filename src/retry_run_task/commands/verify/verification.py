"""Tries an installation: injects a synthetic failed call, and follows it.

The record is written into the trail's log group in CloudTrail's form, for a task definition that the user names; from
there on everything is real, including the task.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

from retry_run_task.commands.destroy.removal import STREAM
from retry_run_task.commands.shared.faults import calling, code_of, listed, refused
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import boto3
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient

    from retry_run_task.commands.verify.trial import Trial
    from retry_run_task.launch.values import JsonObject

STAGES = ("matched", "intake", "recovery", "run-task", "running")

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})
_GONE = frozenset({"ResourceNotFoundException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The installation to try."""

    stack: str
    log_group: str
    intake: str
    recover: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A stage that was reached, one of ``STAGES``."""

    stage: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """The end of a trial that goes no further."""

    stage: str
    why: str


@dataclass(slots=True)
class _Seen:
    """What was seen so far, so that it is reported once."""

    stages: set[str] = field(default_factory=set)
    task_arns: tuple[str, ...] = ()
    last_answer: str = ""


class Verification:
    """One trial. Whatever AWS refuses, or does not answer, raises ``DeployError``."""

    def __init__(
        self,
        session: boto3.Session,
        region: str,
        installed: Installed,
        trial: Trial,
        *,
        there: boto3.Session | None = None,
    ) -> None:
        """Prepare it; nothing is written yet.

        ``there`` has credentials of the account that the task starts in, if that is another one.
        """
        self._logs: CloudWatchLogsClient = session.client("logs", region_name=region, config=_CONFIG)
        self._functions: LambdaClient = session.client("lambda", region_name=region, config=_CONFIG)
        self._ecs: ECSClient = (there or session).client(
            "ecs", region_name=trial.launch.region or region, config=_CONFIG
        )
        self._installed, self._trial = installed, trial
        self._since_ms = 0
        self._seen = _Seen()

    def check_filter(self) -> Reached | Stuck:
        """Test the record on the log group's filter, with CloudWatch Logs itself."""
        group = self._installed.log_group
        doing = f"look at the subscription filters of {group}"
        with calling(doing):
            try:
                filters = self._logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
            except ClientError as error:
                if code_of(error) in _GONE:
                    raise ConfigError(f"There is no log group {group!r}.") from None
                raise refused(error, doing) from None
        ours = [
            one
            for one in filters
            if one.get("destinationArn", "").rpartition(":function:")[2].split(":")[0]
            == self._installed.intake
        ]
        if not ours:
            why = f"no subscription filter on {group} hands to {self._installed.intake}"
            return Stuck(stage="matched", why=f"{why}; deploy again with --trail-log-group-name {group}")
        with calling("try the filter's pattern"):
            matches = self._logs.test_metric_filter(
                filterPattern=ours[0].get("filterPattern", ""), logEventMessages=[self._trial.message]
            )["matches"]
        name = ours[0].get("filterName", "")
        if not matches:
            return Stuck(
                stage="matched", why=f"the pattern of {name} does not match the record; deploy again"
            )
        return self._reach("matched", f"by {name} on {group}")

    def write(self) -> None:
        """Write the record into a stream of its own in the trail's log group."""
        group = self._installed.log_group
        with calling(f"write into the log group {group}"):
            try:
                self._logs.create_log_stream(logGroupName=group, logStreamName=STREAM)
            except ClientError as error:
                if code_of(error) != "ResourceAlreadyExistsException":
                    raise
            now_ms = int(self._trial.launch.event_time.timestamp() * 1000)
            answer = self._logs.put_log_events(
                logGroupName=group,
                logStreamName=STREAM,
                logEvents=[{"timestamp": now_ms, "message": self._trial.message}],
            )
        if refusal := answer.get("rejectedLogEventsInfo"):
            raise ConfigError(
                f"CloudWatch Logs did not take the record: {refusal}.", hint="Is this machine's clock right?"
            )
        # The functions' clocks may differ from this machine's.
        self._since_ms = now_ms - 300_000

    def look(self) -> Iterator[Reached | Stuck]:
        """Look how far it has come, and yield what is new."""
        yield from self._look_at_intake()
        yield from self._look_at_execution()
        yield from self._look_at_recovery()
        yield from self._look_at_task()

    def waits_for(self) -> str:
        """Return the first stage that was not reached."""
        return next((stage for stage in STAGES if stage not in self._seen.stages), "")

    def why_waiting(self) -> str:
        """Return where to look for the cause of the delay at this stage."""
        recover = f"the log group /aws/lambda/{self._installed.recover}"
        return {
            "matched": "the filter",
            "intake": f"intake has written nothing about it; look at the alarms, and into the log group "
            f"/aws/lambda/{self._installed.intake}",
            "recovery": "intake started it, and Lambda has no execution of that name; look at the alarms",
            "run-task": f"the recovery has not called RunTask; look into {recover}",
            "running": f"no task is RUNNING; RunTask was last answered: {self._seen.last_answer}; "
            f"look at the tasks of the cluster, and into {recover}",
            "": "",
        }[self.waits_for()]

    def _look_at_intake(self) -> Iterator[Reached | Stuck]:
        if "intake" in self._seen.stages:
            return
        for line in self._lines(self._installed.intake, self._trial.launch.event_id):
            match line.get("message"):
                case "intake.started" | "intake.already_started":
                    yield self._reach("intake", f"started {line.get('recovery', self._trial.recovery)}")
                case "intake.ignored":
                    yield Stuck(stage="intake", why=f"intake leaves it alone: {line.get('why')}")
                case "intake.not_started":
                    yield Stuck(
                        stage="recovery", why=f"intake could not start the recovery: {line.get('error')}"
                    )
                case "intake.unparsed":
                    yield Stuck(stage="intake", why=f"intake cannot read the record: {line.get('why')}")
                case _:
                    continue
            return

    def _look_at_execution(self) -> Iterator[Reached | Stuck]:
        if "recovery" in self._seen.stages:
            return
        doing = "look for the recovery"
        with calling(doing):
            try:
                answer = self._functions.list_durable_executions_by_function(
                    FunctionName=self._installed.recover, DurableExecutionName=self._trial.recovery
                )
                found = listed(answer, "DurableExecutions")
            except ClientError as error:
                if code_of(error) in _GONE:
                    yield Stuck(stage="recovery", why=f"there is no function {self._installed.recover}")
                    return
                raise refused(error, doing) from None
        if found:
            if "intake" not in self._seen.stages:
                # A log line may become readable late; nothing else starts this name.
                yield self._reach("intake", f"started {self._trial.recovery}")
            yield self._reach("recovery", f"{found[0]['Status']}: {found[0]['DurableExecutionArn']}")

    def _look_at_recovery(self) -> Iterator[Reached | Stuck]:
        if "running" in self._seen.stages or "recovery" not in self._seen.stages:
            return
        for line in self._lines(self._installed.recover, self._trial.recovery):
            arns = tuple(line.get("task_arns") or ())
            match line.get("message"):
                case "recovery.called" if "run-task" not in self._seen.stages:
                    self._seen.last_answer = _answer(line)
                    yield self._reach("run-task", self._seen.last_answer)
                case "recovery.called":
                    self._seen.last_answer = _answer(line)
                case "recovery.already_running":
                    why = f"such a task already existed, so the recovery started none: {', '.join(arns)}"
                    yield Stuck(stage="run-task", why=why)
                case "recovery.gave_up":
                    why = f"the recovery gave up: {line.get('why') or line.get('reason')}"
                    yield Stuck(stage=self.waits_for(), why=why)
                case _:
                    pass
            self._seen.task_arns = arns or self._seen.task_arns

    def _look_at_task(self) -> Iterator[Reached | Stuck]:
        if "running" in self._seen.stages or not self._seen.task_arns:
            return
        parameters = self._trial.launch.request.parameters
        with calling("look at the task"):
            tasks = self._ecs.describe_tasks(
                cluster=str(parameters.get("cluster") or "default"), tasks=list(self._seen.task_arns)
            )["tasks"]
        for task in tasks:
            # A short task may have started and ended between two looks; that it began is what counts.
            if task.get("lastStatus") == "RUNNING" or task.get("startedAt"):
                yield self._reach("running", str(task["taskArn"]))
                return

    def _reach(self, stage: str, what: str) -> Reached:
        self._seen.stages.add(stage)
        return Reached(stage=stage, what=what)

    def _lines(self, function: str, about: str) -> Sequence[JsonObject]:
        """Return the JSON lines of a function's log that name something, oldest first."""
        doing = f"read the log of {function}"
        found = []
        with calling(doing):
            try:
                pages = self._logs.get_paginator("filter_log_events").paginate(
                    logGroupName=f"/aws/lambda/{function}",
                    startTime=self._since_ms,
                    filterPattern=f'"{about}"',
                )
                messages = [event.get("message", "") for page in pages for event in listed(page, "events")]
            except ClientError as error:
                # Without a log group in the stack, a function creates its own with its first line.
                if code_of(error) in _GONE:
                    return []
                raise refused(error, doing) from None
        for message in messages:
            try:
                line = json.loads(message)
            except ValueError:
                continue
            if isinstance(line, dict):
                found.append(line)
        return found


def _answer(line: JsonObject) -> str:
    said = [*(line.get("task_arns") or ()), *(one.get("reason") or "" for one in line.get("failures") or ())]
    return f"call {line.get('call')}: {', '.join(said) or 'no task'}"
