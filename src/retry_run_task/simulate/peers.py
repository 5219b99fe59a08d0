"""The other tools' policies, as data with their source. Each row can be checked at its URL.

Read in November 2026. A row is the tool's default behaviour after a RunTask call that did not start its task: what it
can see, how long it waits, how often, and what it asks for. What it cannot see counts against it; nothing else of the
tool is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from retry_run_task.simulate.incident import FailureKind

_GITHUB = "https://github.com"


class Way(StrEnum):
    """How a policy learns of a failure."""

    IN_BAND = "in band"
    """It made the call itself and has the answer."""
    EVENTBRIDGE = "EventBridge"
    """From CloudTrail's record, by an EventBridge rule."""
    LOGS = "Logs"
    """From CloudTrail's record, by a subscription filter of a log group."""


class RetryScope(StrEnum):
    """What a policy asks for if only a part of the tasks was placed."""

    MISSING = "the missing tasks"
    WHOLE = "all tasks again"
    ONE = "one task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Waits between attempts: ``first * factor ** (n - 1)``, at most ``cap``, then spread.

    Attributes:
        cap: The longest wait before it is spread, in seconds.
        shrink: A wait is between this share of itself and the whole.
        plus: Up to so many seconds are added.
        limit: Number of waits; None for no limit.
    """

    first: float
    factor: float = 1.0
    cap: float = float("inf")
    shrink: float = 1.0
    plus: float = 0.0
    limit: int | None = None

    def wait(self, nth: int, chance: float) -> float | None:
        """Return the nth wait in seconds, the first is 1; None after the last."""
        if self.limit is not None and nth > self.limit:
            return None
        # Beyond a thousand doublings only the cap matters, and a float would overflow.
        longest = min(self.cap, self.first * self.factor ** min(nth - 1, 1000)) if self.first else 0.0
        return longest * (self.shrink + chance * (1 - self.shrink)) + chance * self.plus

    def window(self) -> float:
        """Return the sum of the longest waits, in seconds; infinity without a limit."""
        if self.limit is None:
            return float("inf")
        return sum(self.wait(nth, 1.0) or 0.0 for nth in range(1, self.limit + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another tool's reaction to a task that did not start.

    Attributes:
        every_lap: Whether each of its own failed calls comes back by the same source, instead of in band.
        sees: The kinds of failure that it acts upon at first.
        then_sees: The kinds that it acts upon after its first call; None for the same.
        slowly_at: The kinds of failure after which ``slow_waits`` apply instead.
        slow_waits: Its waits after those, counted separately; None for the same as the others.
        counts: Whether it can ask for more than one task. One that cannot is not given the schedules that do.
        reading: One line on how its source was read.
    """

    name: str
    way: Way = Way.IN_BAND
    every_lap: bool = False
    sees: frozenset[FailureKind]
    then_sees: frozenset[FailureKind] | None = None
    waits: Waits
    slowly_at: frozenset[FailureKind] = frozenset({FailureKind.START})
    slow_waits: Waits | None = None
    asks: RetryScope = RetryScope.WHOLE
    counts: bool = False
    reading: str
    source: str

    def is_slow_at(self, failure_kind: FailureKind) -> bool:
        """Tell whether a kind of failure has waits of its own."""
        return self.slow_waits is not None and failure_kind in self.slowly_at

    def waits_after(self, failure_kind: FailureKind) -> Waits:
        """Return the waits that follow a kind of failure."""
        return (
            self.slow_waits if self.slow_waits is not None and failure_kind in self.slowly_at else self.waits
        )


_ANSWERS = frozenset({FailureKind.CAPACITY, FailureKind.AGENT, FailureKind.OTHER})
_ERRORS = frozenset({FailureKind.THROTTLE, FailureKind.SERVER})
_EVERYTHING = frozenset(FailureKind)

ORIGINAL = Peer(
    name="the original way",
    way=Way.LOGS,
    every_lap=True,
    sees=_ANSWERS | _ERRORS,
    waits=Waits(first=0),
    counts=True,
    reading="A subscription filter on tasks[0] NOT EXISTS calls RunTask at once; the record of that call comes "
    "by the same way. No limit; cluster, task definition, count, launch type and network. An answer with a task in it "
    "is not seen. (The source is of its delay.)",
    source="https://docs.aws.amazon.com/awscloudtrail/latest/userguide/send-cloudtrail-events-to-cloudwatch-logs.html",
)

# Laid out by hand, as a table.
# fmt: off
PEERS = (
    ORIGINAL,
    Peer(name="ecs_rerun_cfn", way=Way.EVENTBRIDGE, sees=frozenset({FailureKind.AGENT, FailureKind.PARTIAL}),
        then_sees=_EVERYTHING, waits=Waits(first=60, limit=3), asks=RetryScope.ONE,
        reading="Only if failures[0].reason is AGENT: at once, then Retry States.ALL, 60 s, 3 times. Passes "
                "cluster, task definition and launch type, so no Fargate task can start.",
        source=f"{_GITHUB}/iisyos/ecs_rerun_cfn/blob/main/no-slack.yml"),
    Peer(name="Step Functions, as AWS advises", counts=True, sees=_ANSWERS | {FailureKind.PARTIAL},
        waits=Waits(first=1, factor=2, limit=3),
        reading="Retry on ECS.AmazonECSException. The article gives no numbers; these are the defaults of "
                "Retry: 1 s, doubling, 3 times.",
        source="https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity"),
    Peer(name="Step Functions, yours to write", sees=_EVERYTHING, waits=Waits(first=90, shrink=0.0),
        counts=True,
        reading="What an engineer who expects shortages would write: Retry on States.ALL, IntervalSeconds 90, "
                "BackoffRate 1, JitterStrategy FULL, MaxAttempts 9999. Every schedule has to start a state "
                "machine instead.",
        source="https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"),
    Peer(name="Step Functions, toricls", sees=_EVERYTHING, waits=Waits(first=3, limit=3),
        reading="States.TaskFailed, which stands first and matches every error but a timeout: 3 s, 3 times. The "
                "retrier for ECS.AmazonECSException, 10 s, doubling, 3 times, is never reached.",
        source=f"{_GITHUB}/toricls/aws-fargate-with-step-functions/blob/master/"
               "1-resilient-scheduled-fargate-tasks/template.yml"),
    Peer(name="Step Functions, voyagegroup", sees=_EVERYTHING, waits=Waits(first=60, factor=2, limit=5),
        reading="States.TaskFailed and States.Timeout: 60 s, doubling, 5 times.",
        source=f"{_GITHUB}/voyagegroup/terraform-aws-ecs-task-scheduled-execution/blob/master/variables.tf"),
    Peer(name="Dagster", sees=frozenset({FailureKind.CAPACITY, FailureKind.AGENT}),
        waits=Waits(first=0.1, factor=2, limit=5),
        reading="Capacity, AGENT and throttles inside InvalidParameterException: 0.1 s, doubling, 5 times.",
        source=f"{_GITHUB}/dagster-io/dagster/blob/master/python_modules/libraries/dagster-aws/dagster_aws/ecs/utils.py"),
    Peer(name="Prefect", sees=_ANSWERS | _ERRORS | {FailureKind.PARTIAL}, waits=Waits(first=1, plus=3, limit=2),
        reading="3 attempts, 1 s + up to 3 s apart, at any exception and any failures[], also beside a task.",
        source=f"{_GITHUB}/PrefectHQ/prefect/blob/main/src/integrations/prefect-aws/prefect_aws/workers/ecs_worker.py"),
    Peer(name="Airflow, operator", sees=frozenset(), waits=Waits(first=0, limit=0),
        reading="EcsRunTaskOperator raises at failures[]; its retries were taken out in 2025.",
        source=f"{_GITHUB}/apache/airflow/pull/53083"),
    Peer(name="Airflow, executor", sees=_EVERYTHING, waits=Waits(first=4, factor=4, cap=120, limit=2),
        reading="AwsEcsExecutor: 3 attempts at anything, 4 s and 16 s apart.",
        source=f"{_GITHUB}/apache/airflow/blob/main/providers/amazon/src/airflow/providers/amazon/aws/executors/ecs/"
               "ecs_executor.py"),
    Peer(name="wrapbox", sees=_ANSWERS | {FailureKind.THROTTLE, FailureKind.START},
        waits=Waits(first=1, factor=2, cap=120, shrink=0.5, limit=10),
        reading="No task in the answer, a throttle or a failed start: 1 s, doubling up to 120 s, half of it by "
                "chance, 10 times.",
        source=f"{_GITHUB}/reproio/wrapbox/blob/master/lib/wrapbox/runner/ecs.rb"),
    Peer(name="Sleeper", sees=_EVERYTHING - {FailureKind.START}, waits=Waits(first=5),
        slowly_at=_EVERYTHING - {FailureKind.CAPACITY, FailureKind.PARTIAL},
        slow_waits=Waits(first=60, shrink=0.0), asks=RetryScope.MISSING, counts=True,
        reading="The exact text about capacity: every 5 s for a minute, for what is missing; and a rule that "
                "runs every minute asks again for what is still missing, after other failures as well. So it "
                "never gives up.",
        source=f"{_GITHUB}/gchq/sleeper/issues/904"),
    Peer(name="cdk-github-runners", sees=_EVERYTHING, waits=Waits(first=60, factor=1.3, limit=23),
        reading="Retry on any error: 1 min, times 1.3, 23 times.",
        source=f"{_GITHUB}/CloudSnorkel/cdk-github-runners/blob/main/src/runner.ts"),
    Peer(name="Amazon's SQS sample", sees=_ERRORS, waits=Waits(first=15, plus=5, limit=43),
        reading="Throttles, server errors and the limit of tasks: 15-20 s, 43 times. The text about capacity is "
                "not on its list.",
        source=f"{_GITHUB}/awslabs/aws-lambda-ecs-run-task/blob/main/src/helper.py"),
)
