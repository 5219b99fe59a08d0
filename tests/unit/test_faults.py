"""What AWS, the network or an odd answer raises, as a failure and in words; and the ARNs that tags are read of."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, NoRegionError

from retry_run_task.aws import tags
from retry_run_task.aws.faults import CannotAssumeError, attempt, failure_of, sentence
from retry_run_task.aws.members import Role, enter
from retry_run_task.aws.tags import group_arn
from retry_run_task.launch.values import Failure, Origin


def said(**answer: Any) -> ClientError:
    return ClientError(answer, "ListRules")  # type: ignore[arg-type]


def error(code: str, reason: str, detail: str | None = "ListRules") -> Failure:
    return Failure(origin=Origin.ERROR, code=code, reason=reason, detail=detail)


DENIED = {"Code": "AccessDenied", "Message": "no"}
STRANGE = {"Code": "MoonException", "Message": "m"}


@pytest.mark.parametrize(
    ("raised", "failure"),
    [
        (said(Error=DENIED, ResponseMetadata={"HTTPStatusCode": 403}), error("AccessDenied", "no")),
        # A code that is known says more than a status.
        (said(Error=DENIED, ResponseMetadata={"HTTPStatusCode": 500}), error("AccessDenied", "no")),
        (said(Error=STRANGE, ResponseMetadata={"HTTPStatusCode": 499}), error("MoonException", "m")),
        (said(Error=STRANGE, ResponseMetadata={"HTTPStatusCode": 500}), error("500", "MoonException: m")),
        (said(Error=STRANGE), error("MoonException", "m")),
        (said(Error={}, ResponseMetadata={"HTTPStatusCode": 502}), error("502", ": ")),
        (said(), error("", "")),
        (NoRegionError(), error("NoRegionError", "You must specify a region.", None)),
        (
            KeyError("a secret"),
            error("ResponseParserError", "an answer of AWS cannot be read (KeyError)", None),
        ),
        (CannotAssumeError(role="r", code="c", said="s"), error("c", "s", None)),
    ],
)
def test_a_failed_read_keeps_what_was_said(raised: Exception, failure: Failure) -> None:
    def read() -> None:
        raise raised

    assert failure_of(raised) == failure
    assert attempt(read) == failure


def test_what_was_read_is_returned() -> None:
    assert attempt(lambda: 7) == 7


def test_a_role_that_cannot_be_taken_says_which() -> None:
    assert str(CannotAssumeError(role="r", code="c", said="s")) == "r cannot be assumed: c: s"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (error("Throttling", "slow"), "ListRules failed: Throttling: slow"),
        (error("Throttling", "slow", None), "Throttling: slow"),
        (error("", "slow"), "ListRules failed: slow"),
        (error("Throttling", ""), "ListRules failed: Throttling"),
    ],
)
def test_a_failed_read_in_words(failure: Failure, words: str) -> None:
    assert sentence(failure) == words


@pytest.mark.parametrize(
    ("arn", "group"),
    [
        (
            "arn:aws:scheduler:eu-west-1:1:schedule/batch/nightly",
            "arn:aws:scheduler:eu-west-1:1:schedule-group/batch",
        ),
        (
            "arn:aws-cn:scheduler:cn-north-1:1:schedule/a/b/c:schedule/d",
            "arn:aws-cn:scheduler:cn-north-1:1:schedule-group/a",
        ),
    ],
)
def test_the_group_of_a_schedule(arn: str, group: str) -> None:
    assert group_arn(arn) == group


@pytest.mark.parametrize(
    ("definition", "is_one"),
    [
        ("arn:aws:ecs:eu-west-1:1:task-definition/nightly:7", True),
        ("arn:aws:ecs:eu-west-1:1:task-definition/nightly", False),
        ("arn:aws:ecs:eu-west-1:1:task-definition/a/nightly", False),
        ("nightly:7", False),
        ("xarn:/nightly:7", False),
        ("", False),
    ],
)
def test_whether_a_definition_can_have_tags_of_its_own(definition: str, is_one: bool) -> None:
    assert tags.is_revision_arn(definition) is is_one


def test_without_an_external_id_no_role_is_asked_for() -> None:
    role = Role(arn="arn:role", external_id="", session="s")
    assert enter(role) == error("ConfigError", "RETRY_RUN_TASK_EXTERNAL_ID is not set for recover", None)
