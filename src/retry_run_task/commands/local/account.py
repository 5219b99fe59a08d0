"""The account of ``local``: schedules, a night of failures in the past, and the product installed.

It runs the night faster than real time until its clock has caught up with the real one; so every time that a command
prints is right, and recoveries in progress continue at real speed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from retry_run_task.commands.deploy import artifact, template
from retry_run_task.commands.shared.inventory import Identity
from retry_run_task.commands.shared.local_jobs import LocalJob
from retry_run_task.errors import ConfigError
from retry_run_task.launch import names
from retry_run_task.launch.request import family
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.described import DescribedResource, DescribedStack
from retry_run_task.local.install import connect, install, install_audit
from retry_run_task.text import counted

if TYPE_CHECKING:
    from retry_run_task.local.cloudtrail.records import ApiCall
    from retry_run_task.local.install import LocalInstallation
    from retry_run_task.local.topics import Published

REGION = "ap-northeast-1"
CLUSTER = "batch"
ZONES = {"subnet-a": f"{REGION}a", "subnet-c": f"{REGION}c", "subnet-d": f"{REGION}d"}
ADDRESS = "on-call@example.com"

# How long ago it begins, and when capacity returns to the batch's zone a.
NIGHT = timedelta(minutes=50)
OUTAGE = timedelta(minutes=6)
# From then on zone c alternates between no capacity and capacity, for this long each.
TURN = timedelta(minutes=10)

# Failed before the product was installed, so that `replay` finds it.
TOO_EARLY = LocalJob(name="stock-sync")
# EventBridge may not assume its role, so it calls nothing, nothing is recorded, and only `audit` finds it.
MISSED = LocalJob(name="backup-check")
RETIRED = LocalJob(name="usage-rollup")
BATCH = (
    LocalJob(name="nightly-report"),
    LocalJob(name="invoice-export", by_scheduler=True),
    LocalJob(name="search-index", subnets=("subnet-a", "subnet-c", "subnet-d"), count=3),
    LocalJob(name="ledger-close", by_scheduler=True, environment=(("LEDGER_PASSWORD", "not-for-your-eyes"),)),
    LocalJob(name="data-export", subnets=("subnet-c",), count=2),
    LocalJob(name="event-report", environment=(("RUN_ID", "<id>"),), from_event=True),
    RETIRED,
)
SWEEP = LocalJob(name="queue-sweep", subnets=("subnet-c",), by_scheduler=True, every_min=10)
JOBS = (TOO_EARLY, MISSED, *BATCH, SWEEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """Something that happened there."""

    at: datetime
    who: str
    text: str


@dataclass(slots=True, kw_only=True)
class Account:
    """The account, while the ``with`` block lasts. ``speed`` holds until it has caught up; ``port`` 0 is a free one."""

    speed: float
    port: int = 0
    aws: LocalAws = field(init=False)
    lines: SimpleQueue[AccountLine] = field(default_factory=SimpleQueue)
    _installation: LocalInstallation = field(init=False)
    _cluster_arn: str = field(init=False)
    _is_unconnected: bool = True

    def __enter__(self) -> Self:
        """Start it and begin the night.

        Raises:
            ConfigError: The port is taken.
        """
        self.aws = LocalAws(
            speed=self.speed,
            start=datetime.now(UTC) - NIGHT,
            until_present=True,
            # A moment of real time may be minutes here.
            is_held=True,
            region=REGION,
            trail_delay=(20, 5),
            event_delay=(10, 5),
            event_sources=("logs", "eventbridge", "task-state-change"),
            port=self.port,
        )
        try:
            self.aws.__enter__()
        except OSError as error:
            raise ConfigError(
                f"The port {self.port} of this machine cannot be used: {error.strerror}.",
                hint="Is another local AWS running? Else name a port with --port, or 0 for any.",
            ) from None
        try:
            self._furnish()
            self._live()
            self.aws.clock.go()
            if (present := self.aws.clock.catches_up_at) is not None:
                self.aws.clock.call_at(present, self._arrive)
        except BaseException:
            self.aws.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """End everything that runs in it."""
        self.aws.__exit__(None, None, None)

    def _furnish(self) -> None:
        aws = self.aws
        self._cluster_arn = aws.ecs.create_cluster(CLUSTER)
        for subnet, zone in ZONES.items():
            aws.ecs.add_subnet(subnet, zone)
        for job in JOBS:
            aws.ecs.register_task_definition(job.name, run_for=timedelta(minutes=5))
        # A task definition was retired, and its rule was forgotten.
        aws.ecs.deregister(RETIRED.name)
        # As the template's AuditSchedule, which is not empty by default, has it.
        self._installation = install(aws, settings={"RETRY_RUN_TASK_QUIET_S": "3600"}, subscribe=False)
        aws.functions.warm()
        aws.described.has_trail = True
        aws.described.subscriptions[self._installation.topic_arn] = (ADDRESS,)
        self._describe_stack()
        aws.ecs.on_call.append(self._called)
        aws.functions.on_log.append(self._logged)
        aws.topics.on_publish.append(self._published)

    def _describe_stack(self) -> None:
        """Describe the stack that `deploy` would have created."""
        described, made = self.aws.described, self._installation
        identity = Identity(
            account=self.aws.account, arn=f"arn:aws:iam::{self.aws.account}:user/operator", partition="aws"
        )
        text, bucket = _template(made.stack, identity)
        parsed = template.parse(text)
        parameters = {name: str(one.get("Default", "")) for name, one in parsed["Parameters"].items()} | {
            "TaskDefinitions": ",".join(sorted(job.name for job in JOBS)),
            "Clusters": CLUSTER,
            "TrailLogGroupName": self.aws.trail.log_group,
            "NotificationEmail": ADDRESS,
        }
        filled = template.Filled(parsed, made.stack, identity, REGION, parameters)
        outputs = filled.outputs() | {
            "Topic": made.topic_arn,
            "IntakeFunction": made.intake,
            "RecoverFunction": made.recover,
        }
        resources = []
        for name, one in filled.resources.items():
            is_alarm = one["Type"] == "AWS::CloudWatch::Alarm"
            named = f"{made.stack}-{name}" if is_alarm else name
            resources.append(DescribedResource(name=name, type=one["Type"], physical_id=named))
            if is_alarm:
                described.alarms[named] = (made.topic_arn,)
        described.stacks[made.stack] = DescribedStack(
            name=made.stack, template=text, parameters=parameters, outputs=outputs, resources=resources
        )
        audit, _ = self.aws.functions.get(install_audit(self.aws, made))
        rule = f"{made.stack}-audit"
        self.aws.schedules.put_rule(rule, expression=parameters["AuditSchedule"])
        self.aws.schedules.put_targets(rule, [{"Id": "audit", "Arn": audit.arn}])
        described.buckets.add(bucket)
        described.reserved = int(parameters["RecoverConcurrency"] or 0)

    def _live(self) -> None:
        """Schedule the events of the night."""
        aws, clock = self.aws, self.aws.clock
        early = _next_minute(clock.now())
        due = _next_minute(early + timedelta(minutes=5))
        self._due(TOO_EARLY, early)
        clock.call_at(early - timedelta(seconds=1), self._take_capacity)
        for job in (MISSED, *BATCH):
            self._due(job, due)
        aws.schedules.deliveries.barred_roles.add(f"arn:aws:iam::{aws.account}:role/start-{MISSED.name}")
        clock.call_at(due + OUTAGE, partial(self._give_back, "ad", "zones a and d have capacity again"))

    def _due(self, job: LocalJob, when: datetime) -> None:
        job.at(when).schedule(self.aws, self._cluster_arn)

    def _connect(self) -> None:
        connect(self.aws, self._installation)
        self._say("AWS", "retry-run-task is installed; failures before this were not detected")

    def _take_capacity(self) -> None:
        for zone in "ac":
            self.aws.ecs.capacity.set(f"{REGION}{zone}", "FARGATE", 0)
        self.aws.ecs.capacity.set(f"{REGION}d", "FARGATE", 2)
        self._say("AWS", "zones a and c run out of Fargate capacity; zone d has room for 2 tasks")

    def _give_back(self, zones: str, words: str) -> None:
        for zone in zones:
            self.aws.ecs.capacity.set(f"{REGION}{zone}", "FARGATE", None)
        self._say("AWS", words)

    def _arrive(self) -> None:
        self._say("AWS", "the night is over: from here on time passes as on your clock")
        SWEEP.schedule(self.aws, self._cluster_arn)
        self._turn(has_capacity=False)

    def _turn(self, *, has_capacity: bool) -> None:
        """Give zone c its capacity, or take it, alternately for ever."""
        minutes = f"for {TURN.total_seconds() / 60:g} min"
        self.aws.ecs.capacity.set(f"{REGION}c", "FARGATE", None if has_capacity else 0)
        self._say("AWS", f"zone c has {'capacity' if has_capacity else 'no capacity'} {minutes}")
        self.aws.clock.call_later(TURN.total_seconds(), partial(self._turn, has_capacity=not has_capacity))

    # What the terminal shows.

    def _called(self, call: ApiCall) -> None:
        if names.is_ours(call.body.get("startedBy")):
            return
        if self._is_unconnected and family(call.body) == TOO_EARLY.name:
            self._is_unconnected = False
            # Its record has been delivered everywhere by then, and no other job is due yet.
            self.aws.clock.call_later(60, self._connect)
        placed, asked = len(call.response["tasks"]) if call.response else 0, call.body.get("count", 1)
        self._say("EventBridge", f"{family(call.body)}: {placed} of {asked} started")

    def _logged(self, function: str, line: str) -> None:
        try:
            record: Any = json.loads(line)
        except ValueError:
            return
        if function != self._installation.recover or not isinstance(record, dict):
            return
        job = family({"taskDefinition": record.get("task_definition")})
        match record.get("message"):
            case "recovery.recovered" | "recovery.already_running":
                self._say(
                    "recover", f"{job}: {record['outcome']} after {counted(record['calls'], 'RunTask call')}"
                )
            case "recovery.gave_up":
                self._say("recover", f"{job}: gave up ({record['outcome']})")
            case _:
                pass

    def _published(self, published: Published) -> None:
        self._say("message", published.subject or "")

    def _say(self, who: str, text: str) -> None:
        self.lines.put(AccountLine(at=self.aws.clock.now(), who=who, text=text))


def _next_minute(after: datetime) -> datetime:
    return after.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _template(stack: str, identity: Identity) -> tuple[str, str]:
    """Return the text of the installed stack's template, and the bucket of its code."""
    bucket = artifact.bucket_for(identity, REGION).name
    try:
        text = template.carried("template.yaml").decode()
        code = artifact.artifact(stack, "lambda.zip", template.carried("lambda.zip"))
    except ConfigError:
        # A source tree without a build.
        source = Path(__file__).parents[4] / "infra" / "template.yaml"
        if not source.is_file():
            raise
        return source.read_text(encoding="utf-8"), bucket
    return template.with_code(text, bucket, code.key), bucket
