"""Why a task did not start is found where ECS says it: of the task, or of the container that is at fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from retry_run_task import sources
from retry_run_task.failures.classify import classify
from retry_run_task.failures.table import HAD_STARTED
from retry_run_task.launch.values import Category, FailedLaunch, Failure, Ignored, Origin, Phase
from retry_run_task.launch.wire import failures_from_json, failures_to_json, launch_to_json
from retry_run_task.sources.tasks import cause, state

UNKNOWN_MANIFEST = "CannotPullContainerError: manifest unknown: Requested image not found"
NO_WAY = (
    "CannotPullContainerError: Error response from daemon: Get https://registry-1.docker.io/v2/: net/http: request "
    "canceled while waiting for connection"
)
GENERIC = "Task failed to start"


def task(*containers: dict[str, Any], said: str = GENERIC, **changes: Any) -> dict[str, Any]:
    return {
        "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/c/0f9c",
        "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/c",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:7",
        "startedBy": "events-rule/nightly",
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stopCode": "TaskFailedToStart",
        "stoppedReason": said,
        "stoppedAt": "2026-07-15T11:11:18.301000+09:00",
        "containers": list(containers),
    } | changes


def one(name: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "lastStatus": "STOPPED", **({"reason": reason} if reason else {}), **more}


def event(detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "e1",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-07-15T02:11:18Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    }


@pytest.mark.parametrize(
    ("seen", "category", "container"),
    [
        (task(one("app", UNKNOWN_MANIFEST)), Category.CONFIGURATION, "app"),
        (task(one("app", NO_WAY)), Category.TRANSIENT, "app"),
        (task(one("app", NO_WAY), said=""), Category.TRANSIENT, "app"),
        (task(one("app", NO_WAY), stoppedReason=None), Category.TRANSIENT, "app"),
        (task(one("app"), one("db", NO_WAY)), Category.TRANSIENT, "db"),
        # What a person must fix outweighs what passes, where nothing tells which is essential.
        (task(one("app", NO_WAY), one("migrate", UNKNOWN_MANIFEST)), Category.CONFIGURATION, "migrate"),
        (task(one("app", "x"), one("db", "y")), Category.UNKNOWN, "app"),
        (task(one("db", "y"), one("app", "x")), Category.UNKNOWN, "app"),
        (task(one("app", "x"), one("db", NO_WAY), one("z", "z")), Category.TRANSIENT, "db"),
        # By their reasons, whatever the code of the task.
        (
            task(one("app", NO_WAY), one("migrate", UNKNOWN_MANIFEST), stopCode="SpotInterruption"),
            Category.CAPACITY,
            "migrate",
        ),
        # A side-car's complaint does not outvote the job's.
        (
            task(one("aws-guardduty-agent-4xk2", UNKNOWN_MANIFEST), one("app", NO_WAY)),
            Category.TRANSIENT,
            "app",
        ),
        (task(one("datadog-agent", UNKNOWN_MANIFEST), one("app", NO_WAY)), Category.TRANSIENT, "app"),
        (task(one("log_router", UNKNOWN_MANIFEST), one("app", NO_WAY)), Category.TRANSIENT, "app"),
        (task(one("datadog-agent", UNKNOWN_MANIFEST), one("app")), Category.CONFIGURATION, "datadog-agent"),
        # What AWS added to the task is not essential, so it is not the cause.
        (task(one("aws-guardduty-agent-4xk2", UNKNOWN_MANIFEST), one("app")), Category.UNKNOWN, None),
        # What ECS says of the task itself counts, if it says anything.
        (
            task(one("app"), said="Timeout waiting for network interface provisioning to complete."),
            Category.TRANSIENT,
            None,
        ),
        (
            task(one("app", "x"), said="Timeout waiting for network interface provisioning to complete."),
            Category.TRANSIENT,
            None,
        ),
        (task(one("app", UNKNOWN_MANIFEST), said=UNKNOWN_MANIFEST), Category.CONFIGURATION, "app"),
        (task(one("app", UNKNOWN_MANIFEST), said="Something new."), Category.CONFIGURATION, "app"),
        (task(one("app", "Something else"), said="Something new."), Category.UNKNOWN, None),
        (task(), Category.UNKNOWN, None),
        (task(containers=None), Category.UNKNOWN, None),
        (task(containers=["x", {"name": 7, "reason": ["y"], "exitCode": True}]), Category.UNKNOWN, None),
        # What went away from under a task that had not begun is waited out.
        (
            task(one("app"), said="Your Spot Task was interrupted.", stopCode="SpotInterruption"),
            Category.CAPACITY,
            None,
        ),
        (
            task(one("app"), said="Host EC2 (instance i-0a) terminated.", stopCode="TerminationNotice"),
            Category.TRANSIENT,
            None,
        ),
    ],
)
def test_the_cause_is_that_of_the_container_at_fault(
    seen: dict[str, Any], category: Category, container: str | None
) -> None:
    failure = cause(seen)
    assert (classify(failure).category, failure.container) == (category, container)
    assert failure.ran is None
    assert state(seen).failure == failure


@pytest.mark.parametrize(
    ("seen", "container", "ran"),
    [
        (task(one("app", exitCode=1)), "app", "exit code 1"),
        (task(one("app", exitCode=0)), "app", "exit code 0"),
        (task(one("app", exitCode=0), one("migrate", exitCode=1)), "migrate", "exit code 1"),
        (task(one("app", exitCode=0), one("migrate", exitCode=0)), "app", "exit code 0"),
        (task(one("app", exitCode=137), one("migrate", exitCode=0)), "migrate", "exit code 0"),
        (task(one("app", exitCode=True), one("migrate", exitCode=2)), "migrate", "exit code 2"),
        (task(one("app", NO_WAY), one("migrate", exitCode=0)), "migrate", "exit code 0"),
        # A container that waited for another is said to have got a signal; the other one is the cause.
        (
            task(
                one("app", "CannotStartContainerError: dependency graph: failed to resolve", exitCode=143),
                one("migrate", exitCode=1),
            ),
            "migrate",
            "exit code 1",
        ),
        (task(one("app", exitCode=0), one("aws-guardduty-agent-4xk2", NO_WAY)), "app", "exit code 0"),
        (
            task(
                one("app", exitCode=137), stopCode="SpotInterruption", said="Your Spot Task was interrupted."
            ),
            "app",
            "exit code 137",
        ),
        (task(one("app", exitCode=0), stopCode=None), "app", "exit code 0"),
    ],
)
def test_an_exit_code_means_that_something_has_run(seen: dict[str, Any], container: str, ran: str) -> None:
    """So it is not started again, whatever else is said of it, and a message is sent."""
    failure = cause(seen)
    assert (failure.container, failure.ran) == (container, ran)
    assert classify(failure).row in HAD_STARTED
    assert classify(failure).category is Category.CONFIGURATION
    assert state(seen).phase is Phase.FAILED


def test_of_a_container_that_exited_its_own_reason_counts_before_the_task_s() -> None:
    killed = "OutOfMemoryError: Container killed due to memory usage"
    told = cause(task(one("app", killed, exitCode=137), said="Essential container in task exited"))
    assert told.reason == killed
    assert cause(task(one("app", exitCode=1), said="It exited")).reason == "It exited"


def test_what_aws_added_to_a_task_tells_nothing_of_the_job() -> None:
    seen = task(one("aws-guardduty-agent-4xk2", exitCode=137), one("app", NO_WAY))
    assert (cause(seen).container, cause(seen).ran) == ("app", None)


@pytest.mark.parametrize(
    "seen",
    [
        task(
            one("app", NO_WAY), said="Essential container in task exited", stopCode="EssentialContainerExited"
        ),
        task(one("app", NO_WAY), said="Essential container in task exited"),
        task(one("app", NO_WAY), said="Essential container in task exited", stopCode=None),
    ],
)
def test_an_essential_container_that_exited_is_never_a_retry(seen: dict[str, Any]) -> None:
    failure = cause(seen)
    code = "EssentialContainerExited"
    assert failure == Failure(origin=Origin.STOPPED, code=code, reason=NO_WAY, container="app")
    assert classify(failure).row in HAD_STARTED


def test_code_reason_and_container_are_told_in_one_line() -> None:
    assert cause(task(one("app", UNKNOWN_MANIFEST))).said == (
        f"TaskFailedToStart: {UNKNOWN_MANIFEST} (container app)"
    )
    assert cause(task(one("app", exitCode=1))).said == (
        "TaskFailedToStart: Task failed to start (container app, exit code 1)"
    )
    assert cause(task(stopCode=None, said="")).said == ""


def test_a_container_and_what_ran_survive_the_wire() -> None:
    failure = cause(task(one("app", UNKNOWN_MANIFEST, exitCode=1)))
    (body,) = failures_to_json([failure])
    assert (body["container"], body["ran"]) == ("app", "exit code 1")
    assert failures_from_json(json.loads(json.dumps([body]))) == (failure,)
    # What was written before there were these members is read as it was.
    assert failures_from_json([{"origin": "stopped", "code": "x"}]) == (
        Failure(origin=failure.origin, code="x"),
    )


def read(detail: dict[str, Any]) -> FailedLaunch | Ignored:
    (item,) = sources.parse(event(detail))
    assert isinstance(item, FailedLaunch | Ignored)
    return item


def test_a_task_that_is_torn_down_without_having_started_is_a_failed_launch() -> None:
    item = read(task(one("app", NO_WAY), lastStatus="DEPROVISIONING"))
    assert isinstance(item, FailedLaunch)
    assert item.failures[0].container == "app"
    assert classify(item.failures[0]).category is Category.TRANSIENT


@pytest.mark.parametrize("status", ["DEPROVISIONING", "STOPPED"])
def test_a_host_that_went_away_after_the_task_ran_is_no_failed_launch(status: str) -> None:
    detail = task(
        said="Host EC2 (instance i-0a) terminated.", startedAt="2026-07-15T02:00:00Z", lastStatus=status
    )
    assert isinstance(read(detail), Ignored)


def test_environment_values_and_secrets_of_containers_stay_outside() -> None:
    canary = "canary-77c1"
    detail = task(
        one("app", NO_WAY, environment=[{"name": "X", "value": canary}]),
        overrides={"containerOverrides": [{"name": "app", "environment": [{"name": "X", "value": canary}]}]},
    )
    item = read(detail)
    assert isinstance(item, FailedLaunch)
    assert canary not in json.dumps(launch_to_json(item))
