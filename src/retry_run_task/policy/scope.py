"""Which launches are recovered. Every launch that is ignored has a sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.schedule import SPOT_INTERRUPTION
from retry_run_task.launch.values import CallerKind, Category, FailedLaunch, IncompleteRequest, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_CALLERS = frozenset({CallerKind.RULE, CallerKind.SCHEDULER, CallerKind.HAND_MADE})

# Never recovered: these callers retry themselves, and a second retry is a second task.
NEVER = {
    CallerKind.OWN: "a recovery made this call itself and already handles it",
    CallerKind.BATCH: "AWS Batch made this call and retries it itself",
    CallerKind.STEP_FUNCTIONS: "Step Functions made this call and retries it itself",
}

_CALLER_WORDS = {
    CallerKind.RULE: "an EventBridge rule",
    CallerKind.SCHEDULER: "EventBridge Scheduler",
    CallerKind.HAND_MADE: "a record made by hand",
    CallerKind.OTHER: "an SDK, the AWS CLI or the console",
}

# Categories of thrown errors that no retry can fix. The caller retries some of the others: EventBridge for up to 24
# hours, an SDK by its own rules.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
_REPORTED = frozenset({Category.PERMISSION, Category.CONFIGURATION, Category.UNKNOWN})


class ScopeDecision(StrEnum):
    """What intake does with a failed launch."""

    RECOVER = "recover"
    REPORT = "report"
    """Send a message, once a day for one cause; never call RunTask."""
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a launch is this stack's to recover, and, in one sentence, why."""

    decision: ScopeDecision
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The launches that one stack recovers.

    Attributes:
        clusters: Globs on the cluster's name or ARN.
        task_definitions: Globs on the family, ``family:revision`` or the ARN.
        account: The stack's own account; empty accepts any, to inspect records from elsewhere.
        recover_errors: Whether calls that raised a transient error are recovered.
        role_arn: The role that recoveries call RunTask with; None if unknown, then client tokens identify their calls.
        member_role: Name of the role that they use in other accounts; empty if there are none.
    """

    callers: frozenset[CallerKind] = DEFAULT_CALLERS
    clusters: tuple[str, ...] = ("*",)
    task_definitions: tuple[str, ...] = ("*",)
    account: str = ""
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    recover_errors: bool = False
    spot_interruptions: bool = False
    role_arn: str | None = None
    member_role: str = ""

    def judge(self, launch: FailedLaunch) -> Judgement:
        """Decide what to do with a failed launch."""
        why_not = self._why_not(launch)
        if why_not:
            return Judgement(decision=ScopeDecision.IGNORE, why=why_not)
        if any(f.origin is Origin.ERROR for f in launch.failures):
            return self._judge_error(launch)
        return Judgement(
            decision=ScopeDecision.RECOVER, why=f"{_CALLER_WORDS[launch.caller.kind]} asked for this task"
        )

    def _why_not(self, launch: FailedLaunch) -> str | None:
        kind = launch.caller.kind
        if self._is_own_role(launch):
            kind = CallerKind.OWN
        if kind in NEVER:
            return NEVER[kind]
        recovered = (self.account, *self.accounts)
        if self.account and launch.account and launch.account not in recovered:
            return f"it happened in account {launch.account}, and this stack recovers {', '.join(recovered)} only"
        if self.regions and launch.region and launch.region not in self.regions:
            return f"it happened in {launch.region}, and this stack recovers {', '.join(self.regions)} only"
        if kind not in self.callers:
            return f"{_CALLER_WORDS[kind]} made this call, which is not among the callers to recover"
        if not self.spot_interruptions and any(
            f.code == SPOT_INTERRUPTION and f.ran for f in launch.failures
        ):
            return "Spot stopped this task while it ran; AlsoRecover has no spot-interruptions, which would recover it"
        return self._pattern_mismatch(launch.request.parameters)

    def _is_own_role(self, launch: FailedLaunch) -> bool:
        """Tell by the caller's role whether a recovery of this stack made the call, in any account."""
        arn = launch.caller.role_arn
        if arn is None or arn == self.role_arn:
            return arn is not None
        if not self.member_role or launch.account not in self.accounts:
            return False
        # arn:<partition>:iam::<account>:role/<name>
        return arn.split(":", 2)[-1] == f"iam::{launch.account}:role/{self.member_role}"

    def _pattern_mismatch(self, parameters: Mapping[str, object]) -> str | None:
        if not parameters:
            return None  # AWS recorded no request, so nothing shows that it is out of scope: it is reported
        cluster = cluster_name(parameters)
        if not _matches(self.clusters, (cluster, str(parameters.get("cluster")))):
            return f"cluster {cluster!r} matches none of {', '.join(self.clusters)}"
        arn = str(parameters.get("taskDefinition"))
        if not _matches(self.task_definitions, (family(parameters), arn.rpartition("/")[2], arn)):
            return (
                f"task definition {family(parameters)!r} matches none of {', '.join(self.task_definitions)}"
            )
        return None

    def _judge_error(self, launch: FailedLaunch) -> Judgement:
        # Imported here because loading the table takes a tenth of intake's start, and few launches are thrown errors.
        from retry_run_task.failures.classify import classify, worst  # noqa: PLC0415
        from retry_run_task.failures.table import REPEATED  # noqa: PLC0415

        verdict = worst([classify(f) for f in launch.failures])
        category = verdict.category
        if category in _REPORTED:
            return Judgement(
                decision=ScopeDecision.REPORT,
                why=f"RunTask raised an error ({category}) that no retry can fix; it is reported",
            )
        if self.recover_errors and not isinstance(launch.request, IncompleteRequest):
            return Judgement(
                decision=ScopeDecision.RECOVER,
                why=f"RunTask raised an error ({category}), and errors are to be recovered",
            )
        if verdict.row not in REPEATED and launch.caller.kind is not CallerKind.OTHER:
            # An HTTP 400, which EventBridge is not documented to retry: there may be no other notice.
            return Judgement(
                decision=ScopeDecision.REPORT,
                why=f"RunTask raised an error ({category}) that EventBridge may not retry; it is reported",
            )
        caller = _CALLER_WORDS[launch.caller.kind]
        return Judgement(
            decision=ScopeDecision.IGNORE,
            why=f"RunTask raised an error ({category}) that {caller} saw and retries itself",
        )


def _matches(patterns: Iterable[str], names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
