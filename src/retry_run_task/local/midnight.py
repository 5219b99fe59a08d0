"""The demo's night: a batch of scheduled tasks at midnight, two zones without capacity, and the product at work.

What is seen here is seen from outside: ECS's answers, the functions' log lines, the messages to a person.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from retry_run_task.core import identity
from retry_run_task.core.durations import spoken
from retry_run_task.core.request import family
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail import rule_caller, scheduler_caller
from retry_run_task.local.ecs import EcsError
from retry_run_task.local.installation import Installation, install

if TYPE_CHECKING:
    from collections.abc import Callable

    from retry_run_task.core.values import JsonObject
    from retry_run_task.local.cloudtrail import Call
    from retry_run_task.local.topics import Published

REGION = "ap-northeast-1"
ZONES = {"subnet-a": f"{REGION}a", "subnet-c": f"{REGION}c", "subnet-d": f"{REGION}d"}
CLUSTER = "batch"

# Real seconds for the functions' processes to start before midnight.
_WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A scheduled task.

    Attributes:
        name: Of the schedule and of the task definition's family.
        subnets: Where it may run.
        count: How many tasks each run is.
        by_scheduler: Whether EventBridge Scheduler starts it, not a rule.
        environment: Override values, which CloudTrail hides.
        is_denied: Whether the role that starts it lacks a permission.
    """

    name: str
    subnets: tuple[str, ...] = ("subnet-a", "subnet-c")
    count: int = 1
    by_scheduler: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    is_denied: bool = False

    @property
    def started_by(self) -> str:
        """What EventBridge stamps on its tasks; it is cut at 36 characters."""
        return f"{'chronos-schedule' if self.by_scheduler else 'events-rule'}/{self.name}"[:36]

    def request(self) -> JsonObject:
        """Return the request that EventBridge makes."""
        overrides = {
            "overrides": {
                "containerOverrides": [
                    {"name": "app", "environment": [{"name": n, "value": v} for n, v in self.environment]}
                ]
            }
        }
        return {
            "cluster": CLUSTER,
            "taskDefinition": self.name,
            "count": self.count,
            "launchType": "FARGATE",
            "networkConfiguration": {
                "awsvpcConfiguration": {"subnets": list(self.subnets), "assignPublicIp": "DISABLED"}
            },
            "startedBy": self.started_by,
            **(overrides if self.environment else {}),
        }


JOBS = (
    Job(name="health-ping", subnets=("subnet-d",)),
    Job(name="nightly-report"),
    Job(name="invoice-export", by_scheduler=True),
    Job(name="search-index", subnets=("subnet-a", "subnet-c", "subnet-d"), count=3),
    Job(name="stock-sync", by_scheduler=True),
    Job(name="backup-check"),
    Job(name="mail-digest", by_scheduler=True),
    Job(name="data-export", subnets=("subnet-c",), count=2),
    Job(name="ledger-close", by_scheduler=True, environment=(("LEDGER_PASSWORD", "not-for-your-eyes"),)),
    Job(name="usage-rollup", is_denied=True),
)

# Minutes after midnight, zone, free slots (None: as many as are asked for), and the words for it.
RETURNS: tuple[tuple[float, str, int | None, str], ...] = (
    (5, "a", 3, "zone a has room for 3 tasks again"),
    (8, "a", None, "zone a is back"),
    (10, "c", None, "zone c is back"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story.

    Attributes:
        at: Virtual time.
        who: ``AWS``, ``EventBridge``, ``ECS``, ``intake``, ``recover`` or ``message``.
        job: Which job it is about; empty if none.
        text: What happened.
        tone: ``good``, ``bad``, ``wait`` or empty.
        is_detail: Whether it is one of many like it.
    """

    at: datetime
    who: str
    job: str
    text: str
    tone: str = ""
    is_detail: bool = False


@dataclass(slots=True)
class Fate:
    """What became of one job's failed launch."""

    job: str
    outcome: str = "waiting"
    attempts: int = 0
    seconds: float = 0


@dataclass(slots=True)
class Night:
    """One night, from midnight until every failed launch has its outcome.

    Attributes:
        speed: Virtual seconds per real second.
        show: Called with each line, in order of time, one at a time.
        fates: What became of each failed launch, by job.
        messages: What a person was told.
        recovery_calls: RunTask calls that recoveries made.
    """

    speed: float
    show: Callable[[Line], None]
    fates: dict[str, Fate] = field(default_factory=dict)
    messages: list[Published] = field(default_factory=list)
    recovery_calls: int = 0
    _aws: LocalAws = field(init=False)
    _installation: Installation = field(init=False)
    _seen: Counter[str] = field(default_factory=Counter)
    _events: dict[str, str] = field(default_factory=dict)
    _change: threading.Condition = field(default_factory=threading.Condition)
    _made: set[str] = field(default_factory=set)
    midnight: datetime = field(init=False)

    def run(self, *, patience_s: float = 120) -> bool:
        """Live through it. Returns whether every failed launch had its outcome within some real seconds."""
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        self.midnight = datetime.combine(tomorrow, datetime.min.time(), UTC)
        lead = timedelta(seconds=_WARM_UP_S * self.speed)
        with LocalAws(
            speed=self.speed, start=self.midnight - lead, region=REGION, ways_in=("logs", "eventbridge")
        ) as aws:
            self._aws = aws
            self._furnish()
            aws.functions.warm()
            self._schedule()
            with self._change:
                return self._change.wait_for(self._is_over, timeout=patience_s)

    def result(self) -> JsonObject:
        """Return the night in numbers."""
        outcomes = Counter(fate.outcome for fate in self.fates.values())
        running = self._running()
        return {
            "launches": len(self.fates),
            "recovered": outcomes["recovered"],
            "gave_up": len(self.fates) - outcomes["recovered"] - outcomes["waiting"],
            "run_task_calls": self.recovery_calls,
            "duplicates": sum(max(0, running[job.name] - job.count) for job in JOBS),
            "tasks_asked_for": sum(job.count for job in JOBS),
            "tasks_running": sum(running.values()),
            "messages": len(self.messages),
            "virtual_seconds": round((self._aws.clock.now() - self.midnight).total_seconds()),
            "outcomes": [
                {"job": f.job, "outcome": f.outcome, "attempts": f.attempts, "seconds": f.seconds}
                for f in self.fates.values()
            ],
        }

    def _furnish(self) -> None:
        aws = self._aws
        aws.ecs.create_cluster(CLUSTER)
        for subnet, zone in ZONES.items():
            aws.ecs.add_subnet(subnet, zone)
        for job in JOBS:
            aws.ecs.register_task_definition(job.name, run_for=timedelta(hours=8))
        aws.ecs.on_call.append(self._called)
        aws.functions.on_log.append(self._logged)
        aws.topics.on_publish.append(self._published)
        self._installation = install(aws, settings={"RETRY_RUN_TASK_NOTIFY_RECOVERED": "false"})

    def _schedule(self) -> None:
        aws = self._aws
        start = max(self.midnight, aws.clock.now())
        aws.clock.call_at(start, self._take_capacity)
        for number, job in enumerate(JOBS):
            aws.clock.call_at(start + timedelta(seconds=1 + number), partial(self._start, job))
        for minutes, zone, slots, words in RETURNS:
            aws.clock.call_at(
                start + timedelta(minutes=minutes), partial(self._give_back, zone, slots, words)
            )

    def _take_capacity(self) -> None:
        for zone in "ac":
            self._aws.ecs.capacity.set(f"{REGION}{zone}", "FARGATE", 0)
        self._aws.ecs.capacity.set(f"{REGION}d", "FARGATE", 3)
        self._say("AWS", "", "zones a and c run out of Fargate capacity; zone d has room for 3 tasks", "bad")

    def _give_back(self, zone: str, slots: int | None, words: str) -> None:
        if slots is not None:
            # The next three calls do their work, and their answers get lost on the way back.
            self._aws.ecs.faults.lose_answers(3)
        self._aws.ecs.capacity.set(f"{REGION}{zone}", "FARGATE", slots)
        self._say("AWS", "", words, "good")

    def _start(self, job: Job) -> None:
        role = f"arn:aws:iam::{self._aws.account}:role/start-{job.name}"
        if job.is_denied:
            self._aws.ecs.faults.raise_next(
                1,
                "AccessDeniedException",
                f"User: {role} is not authorized to perform: ecs:RunTask on resource: {job.name}",
            )
        # An error is EventBridge's matter; what the product makes of it, it has from CloudTrail.
        caller = scheduler_caller(role) if job.by_scheduler else rule_caller(role)
        with contextlib.suppress(EcsError):
            self._aws.ecs.run_task(job.request(), caller)

    def _called(self, call: Call) -> None:
        job = family(call.body)
        placed = len(call.response["tasks"]) if call.response else 0
        asked = call.body.get("count", 1)
        by_recovery = identity.is_ours(call.body.get("startedBy"))
        with self._change:
            if by_recovery:
                self.recovery_calls += 1
        if by_recovery:
            if call.error is not None and call.error.status >= 500:  # noqa: PLR2004 - HTTP's server errors
                self._say(
                    "ECS",
                    job,
                    "the answer is lost on its way back; the call is repeated with its token",
                    "bad",
                )
            return
        if placed == asked:
            self._say("EventBridge", job, f"RunTask: {placed} of {asked} started", "good")
            return
        with self._change:
            self.fates[job] = Fate(job)
        why = (
            call.error.message
            if call.error
            else call.response["failures"][0]["reason"]
            if call.response
            else ""
        )
        self._say("EventBridge", job, f"RunTask: {placed} of {asked} started. {_short(why)}", "bad")

    def _published(self, published: Published) -> None:
        with self._change:
            self.messages.append(published)
        self._say("message", "", published.subject or "", "bad")

    def _logged(self, function: str, line: str) -> None:
        try:
            record = json.loads(line)
        except ValueError:
            return
        if not isinstance(record, dict) or "message" not in record:
            return
        if function == self._installation.intake:
            self._intake(record)
        else:
            self._recovery(record)

    def _intake(self, record: dict[str, Any]) -> None:
        job = str(record.get("task_definition") or "")
        match str(record["message"]):
            case "intake.started":
                with self._change:
                    # AWS records no request for a denied call, so intake cannot name the job; the demo can.
                    job = job or next(j.name for j in JOBS if j.is_denied)
                    again = record["event_id"] in self._events
                    self._events[record["event_id"]] = job
                if again:
                    self._say(
                        "intake",
                        job,
                        "the same failure from the log group: the same recovery",
                        is_detail=True,
                    )
                else:
                    self._say("intake", job, f"starts a recovery; category {record['category']}")
            case "intake.ignored":
                self._say("intake", job, f"left alone: {record['why']}", is_detail=True)
            case "intake.unparsed" | "intake.not_started":
                self._say(
                    "intake", job, f"{record['message']}: {record.get('why', record.get('error'))}", "bad"
                )
            case _:
                pass

    def _recovery(self, record: dict[str, Any]) -> None:
        with self._change:
            job = self._events.get(str(record.get("event_id")), "")
            fate = self.fates.setdefault(job, Fate(job))
            self._seen[f"{job} {record['message']}"] += 1
            nth = self._seen[f"{job} {record['message']}"]
        match str(record["message"]):
            case "recovery.attempted":
                with self._change:
                    fate.attempts += 1
                self._attempted(job, record, nth)
            case "recovery.waiting":
                self._say(
                    "recover",
                    job,
                    f"next attempt in {spoken(record['delay_s'])} ({record['why']})",
                    "wait",
                    nth > 1,
                )
            case "recovery.recovered" | "recovery.gave_up":
                with self._change:
                    fate.outcome = record["outcome"]
                    fate.seconds = (self._aws.clock.now() - self.midnight).total_seconds()
                    self._change.notify_all()
                self._ended(job, record)
            case _:
                pass

    def _attempted(self, job: str, record: dict[str, Any], nth: int) -> None:
        said = "; ".join(
            dict.fromkeys(_short(f.get("reason") or f.get("code", "")) for f in record["failures"])
        )
        label = f"attempt {record['attempt']}" + (
            " once more, with the same token" if record["repeat"] else ""
        )
        match record["answer"]:
            case "placed" if record["task_arns"]:
                self._say("recover", job, f"{label}: {len(record['task_arns'])} started", "good")
            case "lost":
                self._say("recover", job, f"{label}: no answer", "bad")
            case _:
                self._say("recover", job, f"{label}: {said}", "", nth > 1)

    def _ended(self, job: str, record: dict[str, Any]) -> None:
        if record["outcome"] == "recovered":
            self._say("recover", job, f"RECOVERED after {record['attempts']} attempts", "good")
        else:
            self._say("recover", job, f"GAVE UP ({record['outcome']}): {record['why']}", "bad")

    def _is_over(self) -> bool:
        return len(self._made) == len(JOBS) and all(f.outcome != "waiting" for f in self.fates.values())

    def _running(self) -> Counter[str]:
        tasks: Counter[str] = Counter()
        arns: list[str] = []
        token: str | None = None
        while True:
            page = self._aws.ecs.list_tasks({"cluster": CLUSTER, **({"nextToken": token} if token else {})})
            arns += page["taskArns"]
            token = page.get("nextToken")
            if token is None:
                break
        for start in range(0, len(arns), 100):
            described = self._aws.ecs.describe_tasks({"cluster": CLUSTER, "tasks": arns[start : start + 100]})
            for task in described["tasks"]:
                tasks[task["group"].removeprefix("family:")] += 1
        return tasks

    def _say(self, who: str, job: str, text: str, tone: str = "", is_detail: bool = False) -> None:
        with self._change:
            if who == "EventBridge":
                self._made.add(job)
            self.show(
                Line(at=self._aws.clock.now(), who=who, job=job, text=text, tone=tone, is_detail=is_detail)
            )


def _short(text: str) -> str:
    """Return the first sentence of what AWS said."""
    return text.partition(". ")[0]
