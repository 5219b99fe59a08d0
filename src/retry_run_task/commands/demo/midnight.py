"""The demo's night: a batch of scheduled tasks at midnight, two zones without capacity, and the product at work.

It shows what is visible from outside: ECS's answers, the functions' log lines, the messages.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.local_jobs import LocalJob
from retry_run_task.launch import names
from retry_run_task.launch.request import family
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.install import LocalInstallation, install
from retry_run_task.policy.durations import duration_text
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retry_run_task.launch.values import JsonObject
    from retry_run_task.local.cloudtrail.records import ApiCall
    from retry_run_task.local.topics import Published

REGION = "ap-northeast-1"
ZONES = {"subnet-a": f"{REGION}a", "subnet-c": f"{REGION}c", "subnet-d": f"{REGION}d"}
CLUSTER = "batch"

# Longer than any wait of a recovery, of a delivery to intake, or of Lambda's retries.
_QUIET_LIMIT_VIRTUAL_S = 300
_QUIET_LIMIT_S = 30

# How many lines of each log event are shown before the rest is folded: those of two attempts, with their subnets.
_SHOWN = MappingProxyType({"recovery.called": 4, "recovery.waiting": 2})

# How long before midnight it begins; the first task is due a minute before.
_LEAD = timedelta(seconds=90)


UNLUCKY = LocalJob(name="health-ping", subnets=("subnet-a", "subnet-d"), minute=-1)
RETIRED = LocalJob(name="usage-rollup")
JOBS = (
    UNLUCKY,
    LocalJob(name="nightly-report"),
    LocalJob(name="invoice-export", by_scheduler=True),
    LocalJob(name="search-index", subnets=("subnet-a", "subnet-c", "subnet-d"), count=3),
    LocalJob(name="stock-sync", by_scheduler=True),
    LocalJob(name="backup-check"),
    LocalJob(name="mail-digest", by_scheduler=True),
    LocalJob(name="data-export", subnets=("subnet-c",), count=2),
    LocalJob(name="ledger-close", by_scheduler=True, environment=(("LEDGER_PASSWORD", "not-for-your-eyes"),)),
    LocalJob(name="event-report", environment=(("RUN_ID", "<id>"),), from_event=True),
    RETIRED,
)

_ORDER = {job.name: place for place, job in enumerate(JOBS)}

# Minutes after midnight, zone, free slots (None for no limit), and the text of the line.
RETURNS: tuple[tuple[float, str, int | None, str], ...] = (
    (4, "a", 3, "zone a has room for 3 tasks again"),
    (6, "a", None, "zone a is back"),
    (8, "c", None, "zone c is back"),
)

_NETWORK = "Timeout waiting for network interface provisioning to complete."


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One line of the story.

    Attributes:
        who: ``AWS``, ``EventBridge``, ``ECS``, ``intake``, ``recover`` or ``message``.
        tone: ``good``, ``bad``, ``wait`` or empty.
    """

    at: datetime
    who: str
    job: str
    text: str
    tone: str = ""
    is_detail: bool = False


@dataclass(slots=True)
class Fate:
    """What happened to one job's failed launch."""

    job: str
    outcome: str = "waiting"
    calls: int = 0
    seconds: float = 0


@dataclass(slots=True)
class DemoNight:
    """One night, from midnight until every failed launch has its outcome.

    Attributes:
        speed: Virtual seconds per real second.
        show: Called with each line, in order of time, by the thread that calls ``run``.
    """

    speed: float
    show: Callable[[StoryLine], None]
    fates: dict[str, Fate] = field(default_factory=dict)
    messages: list[Published] = field(default_factory=list)
    recovery_calls: int = 0
    _aws: LocalAws = field(init=False)
    _installation: LocalInstallation = field(init=False)
    _cluster_arn: str = field(init=False)
    _seen: Counter[str] = field(default_factory=Counter)
    _taken_in: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _lines: SimpleQueue[StoryLine] = field(default_factory=SimpleQueue)
    midnight: datetime = field(init=False)

    @property
    def quiet_limit_s(self) -> float:
        """For how many real seconds nothing may happen before something must be wrong."""
        return _QUIET_LIMIT_S + _QUIET_LIMIT_VIRTUAL_S / self.speed

    def run(self) -> bool:
        """Run the night. Returns whether every failed launch had its outcome in time."""
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        self.midnight = datetime.combine(tomorrow, datetime.min.time(), UTC)
        with LocalAws(
            speed=self.speed,
            start=self.midnight - _LEAD,
            is_held=True,
            region=REGION,
            event_sources=("logs", "eventbridge", "task-state-change"),
        ) as aws:
            self._aws = aws
            self._furnish()
            self._schedule()
            aws.functions.warm()
            aws.clock.go()
            return self._follow()

    def _follow(self) -> bool:
        """Show events in the caller's thread, so that a closed output ends it at once."""
        while not self._is_over():
            try:
                self.show(self._lines.get(timeout=self.quiet_limit_s))
            except Empty:
                return False
        while not self._lines.empty():
            self.show(self._lines.get())
        return True

    def result(self) -> JsonObject:
        """Return the night's numbers."""
        outcomes = Counter(fate.outcome for fate in self.fates.values())
        well = outcomes["recovered"] + outcomes["already running"]
        running = self._running()
        return {
            "launches": len(self.fates),
            "recovered": well,
            "gave_up": len(self.fates) - well - outcomes["waiting"],
            "run_task_calls": self.recovery_calls,
            "duplicates": sum(max(0, running[job.name] - job.count) for job in JOBS),
            "tasks_asked_for": sum(job.count for job in JOBS),
            "tasks_running": sum(running.values()),
            "messages": len(self.messages),
            "virtual_seconds": round((self._aws.clock.now() - self.midnight).total_seconds()),
            "outcomes": [
                {"job": f.job, "outcome": f.outcome, "calls": f.calls, "seconds": f.seconds}
                for f in sorted(self.fates.values(), key=lambda fate: _ORDER[fate.job])
            ],
        }

    def _furnish(self) -> None:
        aws = self._aws
        self._cluster_arn = aws.ecs.create_cluster(CLUSTER)
        for subnet, zone in ZONES.items():
            aws.ecs.add_subnet(subnet, zone)
        for job in JOBS:
            aws.ecs.register_task_definition(job.name, run_for=timedelta(hours=8))
        # A task definition was retired, and its rule was forgotten.
        aws.ecs.deregister(RETIRED.name)
        aws.ecs.on_call.append(self._called)
        aws.ecs.on_task_state_change.append(self._task_changed)
        aws.functions.on_log.append(self._logged)
        aws.topics.on_publish.append(self._published)
        self._installation = install(aws)

    def _schedule(self) -> None:
        aws = self._aws
        for job in JOBS:
            job.schedule(aws, self._cluster_arn)
        # The first task that is placed is the one that is due a minute before midnight.
        aws.ecs.faults.fail_to_start(1, "TaskFailedToStart", _NETWORK)
        aws.clock.call_at(self.midnight - timedelta(seconds=1), self._take_capacity)
        self._give_back_later(0)

    def _take_capacity(self) -> None:
        for zone in "ac":
            self._aws.ecs.capacity.set(f"{REGION}{zone}", "FARGATE", 0)
        self._aws.ecs.capacity.set(f"{REGION}d", "FARGATE", 2)
        self._say("AWS", "", "zones a and c run out of Fargate capacity; zone d has room for 2 tasks", "bad")

    def _give_back_later(self, nth: int) -> None:
        """Wait for one return after the other: a late one must not undo those that follow it."""
        if nth < len(RETURNS):
            when = self.midnight + timedelta(minutes=RETURNS[nth][0])
            self._aws.clock.call_at(when, partial(self._give_back, nth))

    def _give_back(self, nth: int) -> None:
        if not self._seen["recovery.waiting"]:
            # On a busy machine no attempt may have met the outage yet, and the night is there to show one.
            self._aws.clock.call_later(5, partial(self._give_back, nth))
            return
        _, zone, slots, words = RETURNS[nth]
        if slots is not None:
            # The next three calls have their effect, and their answers are lost.
            self._aws.ecs.faults.lose_answers(3)
        self._aws.ecs.capacity.set(f"{REGION}{zone}", "FARGATE", slots)
        self._say("AWS", "", words, "good")
        self._give_back_later(nth + 1)

    def _called(self, call: ApiCall) -> None:
        job = family(call.body)
        placed = len(call.response["tasks"]) if call.response else 0
        asked = call.body.get("count", 1)
        by_recovery = names.is_ours(call.body.get("startedBy"))
        with self._lock:
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
        with self._lock:
            self.fates[job] = Fate(job)
        why = (
            call.error.message
            if call.error
            else call.response["failures"][0]["reason"]
            if call.response
            else ""
        )
        self._say("EventBridge", job, f"RunTask: {placed} of {asked} started. {_short(why)}", "bad")

    def _task_changed(self, detail: Mapping[str, Any]) -> None:
        job = family({"taskDefinition": detail["taskDefinitionArn"]})
        # ECS says so with every state that the task passes through until it is STOPPED.
        if detail["lastStatus"] == "STOPPED" and detail.get("stopCode") == "TaskFailedToStart":
            self._say(
                "ECS", job, f"the task did not start. {_short(str(detail.get('stoppedReason')))}", "bad"
            )

    def _published(self, published: Published) -> None:
        with self._lock:
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
        job = family({"taskDefinition": record.get("task_definition")})
        match str(record["message"]):
            case "intake.started":
                with self._lock:
                    again = record["event_id"] in self._taken_in
                    self._taken_in.add(record["event_id"])
                    self.fates.setdefault(job, Fate(job))
                if again:
                    self._say(
                        "intake",
                        job,
                        "the same failure from the log group: the same recovery",
                        is_detail=True,
                    )
                else:
                    self._say("intake", job, "starts a recovery")
            case "intake.ignored":
                self._say("intake", job, f"left alone: {record['why']}", is_detail=True)
            case "intake.unparsed" | "intake.not_started":
                self._say(
                    "intake", job, f"{record['message']}: {record.get('why', record.get('error'))}", "bad"
                )
            case _:
                pass

    def _recovery(self, record: dict[str, Any]) -> None:
        with self._lock:
            job = family({"taskDefinition": record.get("task_definition")})
            fate = self.fates.setdefault(job, Fate(job))
            self._seen[record["message"]] += not record.get("task_arns")
            is_known = self._seen[record["message"]] > _SHOWN.get(record["message"], 0)
        match str(record["message"]):
            case "recovery.called":
                with self._lock:
                    fate.calls += 1
                self._run_task_called(job, record, is_detail=is_known)
            case "recovery.waiting":
                self._say(
                    "recover",
                    job,
                    f"next attempt in {duration_text(record['delay_s'])} ({record['why']})",
                    "wait",
                    is_known,
                )
            case "recovery.start_failed":
                self._say("recover", job, "a placed task did not start; it is placed again", "bad")
            case "recovery.recovered" | "recovery.already_running" | "recovery.gave_up":
                # Together, so that the line exists when the end is visible.
                with self._lock:
                    self._ended(job, record)
                    fate.outcome = record["outcome"]
                    fate.seconds = (self._aws.clock.now() - self.midnight).total_seconds()
            case _:
                pass

    def _run_task_called(self, job: str, record: dict[str, Any], *, is_detail: bool) -> None:
        said = "; ".join(
            dict.fromkeys(_short(f.get("reason") or f.get("code", "")) for f in record["failures"])
        )
        label = f"call {record['call']}" + (" once more, with the same token" if record["repeat"] else "")
        if record["rung"] != "as-asked":
            label += f" ({record['rung']})"
        match record["answer"]:
            case "placed" if record["task_arns"]:
                self._say("recover", job, f"{label}: {len(record['task_arns'])} started", "good")
            case "lost":
                self._say("recover", job, f"{label}: no answer", "bad")
            case _:
                self._say("recover", job, f"{label}: {said}", "", is_detail)

    def _ended(self, job: str, record: dict[str, Any]) -> None:
        if record["message"] != "recovery.gave_up":
            self._say(
                "recover",
                job,
                f"{record['outcome'].upper()} after {counted(record['calls'], 'call')}",
                "good",
            )
        else:
            self._say("recover", job, f"GAVE UP ({record['outcome']}): {record['why']}", "bad")

    def _is_over(self) -> bool:
        # Every job of this night fails in some way.
        with self._lock:
            return len(self.fates) == len(JOBS) and all(f.outcome != "waiting" for f in self.fates.values())

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
        with self._lock:
            self._lines.put(
                StoryLine(
                    at=self._aws.clock.now(), who=who, job=job, text=text, tone=tone, is_detail=is_detail
                )
            )


def _short(text: str) -> str:
    """Return the first sentence of an AWS text."""
    return text.partition(". ")[0]
