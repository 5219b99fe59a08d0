"""What is recovered, reported and left alone, each with its whole sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.launch.values import Caller, CallerKind, FailedLaunch, Failure, IncompleteRequest, Origin
from retry_run_task.policy.scope import Judgement, Scope, ScopeDecision
from support.records import ACCOUNT, CLUSTER, REGION, RULE_ROLE, TASK_DEFINITION, launch, parameters

ELSEWHERE = "210987654321"
MEMBER = f"arn:aws:iam::{ELSEWHERE}:role/stack-member"
MEMBERS = Scope(account=ACCOUNT, accounts=(ELSEWHERE,), member_role="stack-member")
SPOT = Failure(origin=Origin.STOPPED, code="SpotInterruption", reason="r", ran="2026-11-24T00:00:00Z")


def by(kind: CallerKind, role_arn: str | None = RULE_ROLE, **changes: Any) -> FailedLaunch:
    return launch(caller=Caller(kind=kind, role_arn=role_arn), **changes)


NO_INSTANCES = "No Container Instances were found in your cluster."


def thrown(code: str, caller: CallerKind = CallerKind.RULE, reason: str = "r") -> FailedLaunch:
    return by(caller, failures=(Failure(origin=Origin.ERROR, code=code, reason=reason),))


def recovers(why: str) -> Judgement:
    return Judgement(decision=ScopeDecision.RECOVER, why=why)


def ignores(why: str) -> Judgement:
    return Judgement(decision=ScopeDecision.IGNORE, why=why)


def reports(why: str) -> Judgement:
    return Judgement(decision=ScopeDecision.REPORT, why=why)


ASKED = "an EventBridge rule asked for this task"
OWN = "a recovery made this call itself and already handles it"


@pytest.mark.parametrize(
    ("scope", "value", "expected"),
    [
        (Scope(), launch(), recovers(ASKED)),
        (
            Scope(),
            by(CallerKind.SCHEDULER),
            recovers("EventBridge Scheduler asked for this task"),
        ),
        (Scope(), by(CallerKind.HAND_MADE, None), recovers("a record made by hand asked for this task")),
        (
            Scope(callers=frozenset({CallerKind.OTHER})),
            by(CallerKind.OTHER),
            recovers("an SDK, the AWS CLI or the console asked for this task"),
        ),
        (
            Scope(),
            by(CallerKind.OTHER),
            ignores(
                "an SDK, the AWS CLI or the console made this call, which is not among the callers to recover"
            ),
        ),
        (Scope(), by(CallerKind.OWN), ignores(OWN)),
        # Nobody may ask for these.
        *(
            (Scope(callers=frozenset({kind})), by(kind), ignores(why))
            for kind, why in {
                CallerKind.OWN: OWN,
                CallerKind.BATCH: "AWS Batch made this call and retries it itself",
                CallerKind.STEP_FUNCTIONS: "Step Functions made this call and retries it itself",
            }.items()
        ),
        # The role of a recovery, here and in other accounts.
        (Scope(role_arn=RULE_ROLE), launch(), ignores(OWN)),
        (Scope(role_arn=f"{RULE_ROLE}2"), launch(), recovers(ASKED)),
        (Scope(role_arn=None), by(CallerKind.RULE, None), recovers(ASKED)),
        (MEMBERS, by(CallerKind.RULE, MEMBER, account=ELSEWHERE), ignores(OWN)),
        (MEMBERS, by(CallerKind.RULE, f"{MEMBER}2", account=ELSEWHERE), recovers(ASKED)),
        (MEMBERS, by(CallerKind.RULE, MEMBER), recovers(ASKED)),
        (
            MEMBERS,
            by(CallerKind.RULE, MEMBER.replace("arn:aws:", "arn:aws-cn:"), account=ELSEWHERE),
            ignores(OWN),
        ),
        (
            replace(MEMBERS, member_role=""),
            by(CallerKind.RULE, f"arn:aws:iam::{ELSEWHERE}:role/", account=ELSEWHERE),
            recovers(ASKED),
        ),
        # Where it happened.
        (Scope(account=ACCOUNT), launch(), recovers(ASKED)),
        (Scope(account=ACCOUNT), launch(account=""), recovers(ASKED)),
        (
            MEMBERS,
            launch(account="333333333333"),
            ignores(
                f"it happened in account 333333333333, and this stack recovers {ACCOUNT}, {ELSEWHERE} only"
            ),
        ),
        (Scope(accounts=(ELSEWHERE,)), launch(), recovers(ASKED)),
        (Scope(regions=("us-east-1", REGION)), launch(), recovers(ASKED)),
        (Scope(regions=("us-east-1",)), launch(region=""), recovers(ASKED)),
        (
            Scope(regions=("us-east-1", "eu-west-1")),
            launch(),
            ignores(f"it happened in {REGION}, and this stack recovers us-east-1, eu-west-1 only"),
        ),
        # Spot.
        (
            Scope(),
            launch(failures=(SPOT,)),
            ignores(
                "Spot stopped this task while it ran; AlsoRecover has no spot-interruptions, which would recover it"
            ),
        ),
        (Scope(spot_interruptions=True), launch(failures=(SPOT,)), recovers(ASKED)),
        (Scope(), launch(failures=(replace(SPOT, ran=None),)), recovers(ASKED)),
        (Scope(), launch(failures=(replace(SPOT, code="x"),)), recovers(ASKED)),
        # Clusters and task definitions.
        *(
            (Scope(clusters=("x", glob)), launch(), recovers(ASKED))
            for glob in ("batch", "b*", CLUSTER, "arn:*/batch")
        ),
        (
            Scope(clusters=("x", "Batch")),
            launch(),
            ignores("cluster 'batch' matches none of x, Batch"),
        ),
        (
            Scope(clusters=("batch",)),
            launch(request=parameters(cluster=None)),
            ignores("cluster 'default' matches none of batch"),
        ),
        *(
            (Scope(task_definitions=("x", glob)), launch(), recovers(ASKED))
            for glob in ("nightly", "nightly:7", "night*", TASK_DEFINITION, "arn:*/nightly:7")
        ),
        (
            Scope(task_definitions=("nightly:8", "weekly")),
            launch(),
            ignores("task definition 'nightly' matches none of nightly:8, weekly"),
        ),
        (Scope(clusters=(), task_definitions=()), launch(request={}), recovers(ASKED)),
        # Thrown errors.
        *(
            (
                Scope(recover_errors=recover_errors),
                thrown(code),
                reports(f"RunTask raised an error ({category}) that no retry can fix; it is reported"),
            )
            for recover_errors in (False, True)
            for code, category in {
                "AccessDeniedException": "permission",
                "ClusterNotFoundException": "configuration",
                "MoonException": "unknown",
            }.items()
        ),
        (
            Scope(),
            thrown("ThrottlingException"),
            ignores(
                "RunTask raised an error (throttle) that an EventBridge rule saw and retries itself",
            ),
        ),
        (
            Scope(),
            thrown("ServerException", CallerKind.SCHEDULER),
            ignores(
                "RunTask raised an error (transient) that EventBridge Scheduler saw and retries itself",
            ),
        ),
        # An HTTP 400 that passes, and of which no page says that EventBridge repeats it.
        *(
            (
                Scope(),
                thrown("InvalidParameterException", kind, NO_INSTANCES),
                reports("RunTask raised an error (capacity) that EventBridge may not retry; it is reported"),
            )
            for kind in (CallerKind.RULE, CallerKind.SCHEDULER, CallerKind.HAND_MADE)
        ),
        (
            Scope(),
            thrown("ExpiredTokenException"),
            reports("RunTask raised an error (transient) that EventBridge may not retry; it is reported"),
        ),
        (
            Scope(callers=frozenset({CallerKind.OTHER})),
            thrown("InvalidParameterException", CallerKind.OTHER, NO_INSTANCES),
            ignores(
                "RunTask raised an error (capacity) that an SDK, the AWS CLI or the console saw and retries itself"
            ),
        ),
        (
            Scope(recover_errors=True),
            thrown("InvalidParameterException", CallerKind.RULE, NO_INSTANCES),
            recovers("RunTask raised an error (capacity), and errors are to be recovered"),
        ),
        (
            Scope(recover_errors=True),
            thrown("ThrottlingException"),
            recovers("RunTask raised an error (throttle), and errors are to be recovered"),
        ),
        (
            Scope(recover_errors=True),
            replace(
                thrown("ThrottlingException"),
                request=IncompleteRequest(parameters={}, missing=("overrides",)),
            ),
            ignores(
                "RunTask raised an error (throttle) that an EventBridge rule saw and retries itself",
            ),
        ),
    ],
)
def test_what_becomes_of_a_launch_and_why(scope: Scope, value: FailedLaunch, expected: Judgement) -> None:
    assert scope.judge(value) == expected
