"""Any text works as it was pasted: what tools put around AWS's words goes, and what it was taken for is said."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.failures.classify import classify
from retry_run_task.failures.pasted import read_text
from retry_run_task.launch.values import Category, Origin
from support.wordings import KNOWN

ANSWER, ERROR, STOPPED = Origin.ANSWER, Origin.ERROR, Origin.STOPPED
PLATFORM = "The specified platform does not exist."
FULL = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
QUEUE = "Tasks provisioning capacity limit exceeded."
REQUEST_ID = "7ad0e4f3-4c3e-4a5b-9a6c-0f2f6d8c1f11"
GO = f"operation error ECS: RunTask, https response error StatusCode: 400, RequestID: {REQUEST_ID}, "
ECS = "https://ecs.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "origin", "code", "row"),
    [
        # Nothing around it.
        ("LAUNCH_TYPE", ANSWER, None, "launch-type-missing"),
        ("DistinctInstance placement constraint unsatisfied.", ANSWER, None, "no-distinct-instance"),
        ("Essential container in task exited", STOPPED, None, "task-had-run"),
        ("Host EC2 (instance i-0123456789abcdef0) terminated.", STOPPED, None, "host-gone-text"),
        ("CannotPullContainerError: manifest unknown", STOPPED, None, "image-missing"),
        ("Something that AWS has not said before", ANSWER, None, "unknown"),
        ("", ANSWER, None, "unknown"),
        # A console's quotes, tables and labels.
        ('"RESOURCE:MEMORY"', ANSWER, None, "instance-resources"),
        ("'AGENT'", ANSWER, None, "agent-disconnected"),
        ("\u201cAGENT\u201d", ANSWER, None, "agent-disconnected"),
        ("`ATTRIBUTE`", ANSWER, None, "attribute-missing"),
        ("Status reason | CannotPullContainerError: API error (404)", STOPPED, None, "image-missing"),
        ("Stopped reason: Task failed to start", STOPPED, None, "start-unexplained"),
        ("STOPPED (CannotPullContainerError: manifest unknown)", STOPPED, None, "image-missing"),
        ("TaskFailedToStart: RESOURCE:CPU", STOPPED, "TaskFailedToStart", "instance-resources"),
        ("EssentialContainerExited", STOPPED, "EssentialContainerExited", "container-exited"),
        # The AWS CLI, old and new, and boto3.
        (
            f"aws: [ERROR]: An error occurred (ClientException) when calling the RunTask operation: {QUEUE}",
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            f"\nAn error occurred (ClientException) when calling the RunTask operation: {QUEUE}\n",
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            (
                "botocore.errorfactory.ClientException: An error occurred (ClientException) when calling the RunTask "
                f"operation: {QUEUE}"
            ),
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            (
                "botocore.exceptions.ClientError: An error occurred (ThrottlingException) when calling the RunTask "
                "operation (reached max retries: 4): Rate exceeded"
            ),
            ERROR,
            "ThrottlingException",
            "throttled",
        ),
        # Java, both SDKs.
        (
            (
                f"com.amazonaws.services.ecs.model.PlatformUnknownException: {PLATFORM} (Service: AmazonECS; Status "
                "Code: 400; Error Code: PlatformUnknownException; Request ID: x; Proxy: null)"
            ),
            ERROR,
            "PlatformUnknownException",
            "platform-version",
        ),
        (
            (
                f"software.amazon.awssdk.services.ecs.model.PlatformUnknownException: {PLATFORM} (Service: Ecs, Status "
                f"Code: 400, Request ID: {REQUEST_ID}) (SDK Attempt Count: 1)"
            ),
            ERROR,
            "PlatformUnknownException",
            "platform-version",
        ),
        (
            f"{QUEUE} (Service: AmazonECS; Status Code: 400; Error Code: ClientException; Request ID: x; Proxy: null)",
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        # Go, both SDKs, and what is written in it.
        (
            (
                f"operation error ECS: RunTask, https response error StatusCode: 400, RequestID: {REQUEST_ID}, "
                f"ClientException: {QUEUE}"
            ),
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            (f"{GO}api error AccessDeniedException: User: x is not authorized to perform: iam:PassRole"),
            ERROR,
            "AccessDeniedException",
            "access-denied",
        ),
        (
            f"ClientException: {QUEUE}\n\tstatus code: 400, request id: {REQUEST_ID}",
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            (
                f"\u2502 Error: running ECS Task (nightly): {GO}InvalidParameterException: No Container Instances were "
                "found in your cluster."
            ),
            ERROR,
            "InvalidParameterException",
            "no-container-instances",
        ),
        (
            f"Error: failed to run task: ClientException: {QUEUE}",
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        # Ruby, .NET, PHP, JavaScript, Step Functions.
        (f"Aws::ECS::Errors::ClientException: {QUEUE}", ERROR, "ClientException", "provisioning-queue-full"),
        (f"{QUEUE} (Aws::ECS::Errors::ClientException)", ERROR, "ClientException", "provisioning-queue-full"),
        (
            f"Unhandled exception. Amazon.ECS.Model.ClientException: {QUEUE}",
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            (
                f'Error executing "RunTask" on "{ECS}"; AWS HTTP error: Client error: `POST {ECS}` resulted in a '
                "`400 Bad Request` response: ClientException (client): "
                f'{QUEUE} - {{"__type":"ClientException","message":"{QUEUE}"}}'
            ),
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (f"Error [ClientException]: {QUEUE}", ERROR, "ClientException", "provisioning-queue-full"),
        (f"ECS.ClientException: {QUEUE}", ERROR, "ClientException", "provisioning-queue-full"),
        (
            "ECS.AmazonECSException: Capacity is unavailable at this time.",
            ERROR,
            "AmazonECSException",
            "fargate-capacity",
        ),
        (
            f'{{"__type":"com.amazonaws.ecs#ClientException","message":"{QUEUE}"}}',
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            f'{{"Error": "ECS.ClientException", "Cause": "{QUEUE}"}}',
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        # An answer, as JSON and as Python prints it.
        (f'{{"tasks": [], "failures": [{{"reason": "{FULL}"}}]}}', ANSWER, None, "fargate-capacity"),
        (
            "airflow.exceptions.AirflowException: {'tasks': [], 'failures': [{'arn': 'arn:aws:x', 'reason': 'AGENT'}]}",
            ANSWER,
            None,
            "agent-disconnected",
        ),
        (
            '{"stopCode": "TaskFailedToStart", "stoppedReason": "RESOURCE:CPU"}',
            STOPPED,
            "TaskFailedToStart",
            "instance-resources",
        ),
        # Airflow, and lines of logs.
        (
            ("[2026-03-14, 02:32:49 UTC] {taskinstance.py:2890} ERROR - Task failed with exception"),
            STOPPED,
            None,
            "unknown",
        ),
        (
            (
                "[2026-03-14 02:32:49,792] {ecs.py:147} ERROR - An error occurred (ClientException) when calling the "
                f"RunTask operation: {QUEUE}"
            ),
            ERROR,
            "ClientException",
            "provisioning-queue-full",
        ),
        (
            (
                "airflow.providers.amazon.aws.exceptions.EcsTaskFailToStart: The task failed to start due to: "
                "CannotPullContainerError: manifest unknown"
            ),
            STOPPED,
            None,
            "image-missing",
        ),
        (f"2026-03-14T02:32:49.792Z ERROR {FULL}", ANSWER, None, "fargate-capacity"),
        # Errors of other services inside a task's reason are not RunTask's.
        (
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: x from ssm: operation error "
                "SSM: GetParameters, https response error StatusCode: 400, RequestID: x, api error "
                "AccessDeniedException: User: x is not authorized to perform: ssm:GetParameters"
            ),
            STOPPED,
            None,
            "start-denied",
        ),
        (
            (
                "Fetching secret data from AWS Secrets Manager in region us-east-1: secret x: "
                "ResourceNotFoundException: Secrets Manager can't find the specified secret."
            ),
            STOPPED,
            None,
            "secret-missing",
        ),
        (
            "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
            STOPPED,
            None,
            "secret-missing",
        ),
        (
            "InvalidParameterException: Override for container named app is not a container in the TaskDefinition.",
            ERROR,
            "InvalidParameterException",
            "overrides-wrong",
        ),
        (
            (
                "(service web) was unable to place a task. Reason: You\u2019ve reached the limit on the number of "
                "vCPUs you can run concurrently"
            ),
            ANSWER,
            None,
            "fargate-quota",
        ),
    ],
)
def test_a_text_is_taken_for_what_it_is(text: str, origin: Origin, code: str | None, row: str) -> None:
    pasted = read_text(text)
    assert (pasted.failure.origin, pasted.failure.code, classify(pasted.failure).row) == (origin, code, row)
    assert pasted.taken_for


@pytest.mark.parametrize(
    ("text", "code", "stopped", "origin", "category"),
    [
        ("Rate exceeded", "ThrottlingException", False, ERROR, Category.THROTTLE),
        (
            "CgroupError: Agent could not create task's platform resources",
            "TaskFailedToStart",
            True,
            STOPPED,
            Category.CONFIGURATION,
        ),
        ("RESOURCE:CPU", "TaskFailedToStart", False, STOPPED, Category.CAPACITY),
        ("AGENT", None, True, STOPPED, Category.TRANSIENT),
        ("", "EssentialContainerExited", False, STOPPED, Category.CONFIGURATION),
        ('"AGENT"', None, True, STOPPED, Category.TRANSIENT),
    ],
)
def test_what_is_given_beside_the_text_is_believed(
    text: str, code: str | None, stopped: bool, origin: Origin, category: Category
) -> None:
    pasted = read_text(text, code=code, stopped=stopped)
    assert (pasted.failure.origin, pasted.failure.code) == (origin, code)
    assert classify(pasted.failure).category is category


# What the API prints in the place of its own answer has its code with it; the others are told apart by their words.
@given(
    known=st.sampled_from(
        [k for k in KNOWN if k[1] is ERROR and k[2] and re.fullmatch(r"\w+Exception", k[2]) and k[3]]
    )
)
def test_what_is_known_of_an_error_is_known_of_its_printed_form(known: tuple[str, Origin, str, str]) -> None:
    row, _, code, text = known
    for printed in (
        f"An error occurred ({code}) when calling the RunTask operation: {text}",
        f"botocore.errorfactory.{code}: An error occurred ({code}) when calling the RunTask operation: {text}",
        f"{GO}{code}: {text}",
        f"Aws::ECS::Errors::{code}: {text}",
    ):
        assert classify(read_text(printed).failure).row == row, printed


@given(text=st.text(st.characters(exclude_categories=())), code=st.none() | st.text(), stopped=st.booleans())
def test_no_text_makes_it_raise(text: str, code: str | None, stopped: bool) -> None:
    assert read_text(text, code=code, stopped=stopped).failure.origin in Origin


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "(",
        "a.",
        "{",
        "operation error ECS: RunTask, ",
        "Error: ",
        "x (client): ",
        "'reason': '",
        "\\",
        "[2026-01-01 00:00:00] ",
    ],
)
def test_a_text_made_to_be_slow_is_not(piece: str) -> None:
    text = piece * (10**6 // len(piece))
    began = time.process_time()
    read_text(text)
    assert time.process_time() - began < 5
