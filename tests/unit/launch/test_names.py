"""Names are derived: the same for the same failure, different for different ones, and within AWS's limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.launch import names as identity
from retry_run_task.launch.values import Caller, CallerKind, Failure, Origin
from support.records import ACCOUNT, EVENT_ID, REGION, launch

UUID4 = "0b0e7a1c-1d2e-4f3a-8b4c-5d6e7f8a9b0c"

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (DurableExecutionName)
LAMBDA_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (clientToken, startedBy)
ECS_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")
ECS_STARTED_BY = re.compile(r"[a-zA-Z0-9-/_]{1,128}")


def test_an_event_id_of_cloudtrail_is_kept_so_that_a_person_can_look_it_up() -> None:
    assert identity.event_identity(EVENT_ID, "anything") == EVENT_ID


@pytest.mark.parametrize(
    "event_id",
    [
        None,
        "",
        "short",
        "x" * 36,
        "semi;colon-in-it",
        "\ud800" * 10,
        f" {EVENT_ID}",
        f"{EVENT_ID}\n",
        EVENT_ID.replace("-", ""),
        # The names of other kinds of launches.
        "t-0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d",
        "id-0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d",
        "report-20261124-0123456789abcdef01",
        "٤" * 8 + EVENT_ID[8:],
    ],
)
def test_anything_else_is_named_by_a_digest(event_id: str | None) -> None:
    """A log event's id has 56 digits, and a person may have typed anything: both become names that fit."""
    name = identity.event_identity(event_id, "3711" * 14)
    assert re.fullmatch(r"id-[0-9a-f]{32}", name)
    assert name == identity.event_identity(event_id, "3711" * 14)
    assert identity.event_identity(None, "a") != identity.event_identity(None, "b")


@given(original=st.from_regex(r"\A[a-zA-Z0-9-/_]{0,36}\Z"), call_id=st.from_regex(r"\A[0-9a-f]{32}\Z"))
def test_what_a_task_was_called_before_our_mark_is_known_again(original: str, call_id: str) -> None:
    assert identity.original_started_by(identity.started_by_of(original, call_id)) == original


@given(stack=st.text(min_size=1), event_id=st.from_regex(r"\A[0-9A-Za-z-]{8,36}\Z"))
def test_every_recovery_has_a_name_that_lambda_takes(stack: str, event_id: str) -> None:
    name = identity.recovery_name(stack, event_id)
    assert LAMBDA_NAME.fullmatch(name)
    assert name.endswith(event_id)


def test_two_stacks_never_share_a_name() -> None:
    """Also not when their names begin alike and are longer than there is room for."""
    long = "retry-run-task-of-the-data-platform-"
    names = {identity.recovery_name(s, EVENT_ID) for s in (long + "a", long + "b", "a b", "a-b", "a_b")}
    assert len(names) == 5


def test_records_of_one_call_share_its_identity() -> None:
    """An SDK that repeats a call keeps its random token; CloudTrail gives each try an event id of its own."""
    one = identity.call_identity("event-1", account=ACCOUNT, region=REGION, parameters={"clientToken": UUID4})
    two = identity.call_identity("event-2", account=ACCOUNT, region=REGION, parameters={"clientToken": UUID4})
    assert one == two


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({}, "no token"),
        ({"clientToken": "nightly"}, "a token somebody chose means a new run every night"),
        ({"clientToken": "0b0e7a1c-1d2e-1f3a-8b4c-5d6e7f8a9b0c"}, "a UUID that is not random"),
        ({"clientToken": 7}, "no string"),
    ],
)
def test_without_a_random_token_every_event_is_a_call_of_its_own(
    parameters: dict[str, object], why: str
) -> None:
    one, two = (
        identity.call_identity(e, account=ACCOUNT, region=REGION, parameters=parameters)
        for e in ("event-1", "event-2")
    )
    assert one != two, why


@pytest.mark.parametrize(
    "other", [{"account": "210987654321"}, {"region": "us-east-1"}, {"cluster": "other"}]
)
def test_a_token_counts_within_its_account_region_and_cluster(other: dict[str, str]) -> None:
    """ECS keeps tokens for each cluster; the same one elsewhere is another call."""
    here = {"account": ACCOUNT, "region": REGION, "cluster": "batch"}

    def identify(place: dict[str, str]) -> str:
        return identity.call_identity(
            "e",
            account=place["account"],
            region=place["region"],
            parameters={"clientToken": UUID4, "cluster": place["cluster"]},
        )

    assert identify(here) != identify(here | other)


@given(
    call_id=st.from_regex(r"\A[0-9a-f]{32}\Z"), attempt=st.integers(1, 99_999), other=st.integers(1, 99_999)
)
def test_every_attempt_has_a_token_of_its_own_that_ecs_takes_and_we_recognise(
    call_id: str, attempt: int, other: int
) -> None:
    token = identity.client_token(call_id, attempt)
    assert ECS_TOKEN.fullmatch(token)
    assert identity.is_our_token(token)
    assert (token == identity.client_token(call_id, other)) == (attempt == other)


@given(
    one=st.from_regex(r"\A[0-9a-f]{32}\Z"), two=st.from_regex(r"\A[0-9a-f]{32}\Z"), attempt=st.integers(1, 9)
)
def test_two_calls_have_no_token_in_common(one: str, two: str, attempt: int) -> None:
    """ECS would give the one the other's tasks."""
    tokens = {identity.client_token(call_id, attempt) for call_id in (one, two)}
    assert len(tokens) == len({one, two})


@pytest.mark.parametrize(
    "token", [None, "", UUID4, "rrt-", "rrt-xyz-1", f"rrt-{'0' * 32}", f"x-rrt-{'0' * 32}-1", 7]
)
def test_nobody_elses_token_is_taken_for_ours(token: object) -> None:
    assert not identity.is_our_token(token)


@pytest.mark.parametrize(
    ("original", "marked"),
    [
        (None, "retry-run-task/0123456789ab"),
        ("", "retry-run-task/0123456789ab"),
        ("events-rule/nightly", "events-rule/nightly/retry-run-task/0123456789ab"),
    ],
)
def test_our_tasks_carry_the_original_mark_and_ours(original: str | None, marked: str) -> None:
    assert identity.started_by_of(original, "0123456789abcdef" * 2) == marked
    assert identity.is_ours(marked)


@given(original=st.from_regex(r"\A[a-zA-Z0-9-/_]{0,128}\Z"), call_id=st.from_regex(r"\A[0-9a-f]{32}\Z"))
def test_every_mark_fits_and_is_recognised(original: str, call_id: str) -> None:
    marked = identity.started_by_of(original, call_id)
    assert ECS_STARTED_BY.fullmatch(marked)
    assert identity.is_ours(marked)


@pytest.mark.parametrize(
    "started_by",
    [None, "", "events-rule/nightly", "retry-run-task", "retry-run-task/nightly", "x/retry-run-task/", 7],
)
def test_nobody_elses_mark_is_taken_for_ours(started_by: object) -> None:
    assert not identity.is_ours(started_by)


def _thrown(code: str, day: int = 24, event_id: str = EVENT_ID) -> str:
    thrown = launch(failures=(Failure(origin=Origin.ERROR, code=code, reason="no"),), event_id=event_id)
    return identity.recovery_name_of("s", replace(thrown, event_time=thrown.event_time.replace(day=day)))


def test_a_thrown_error_is_reported_once_a_day_for_one_cause() -> None:
    """A schedule of every minute that lacks a permission is one message a day, not 1 440."""
    assert _thrown("AccessDenied") == _thrown("AccessDenied", event_id="another-event-id")
    assert _thrown("AccessDenied") != _thrown("AccessDenied", day=25)
    assert _thrown("AccessDenied") != _thrown("ClusterNotFoundException")
    assert LAMBDA_NAME.fullmatch(_thrown("AccessDenied"))


def test_a_thrown_error_that_is_recovered_has_a_recovery_of_its_own() -> None:
    """The second failed run of a day is not the first."""
    thrown = launch(failures=(Failure(origin=Origin.ERROR, code="ThrottlingException", reason="no"),))
    both = (replace(thrown, event_id=one) for one in (EVENT_ID, "another"))
    names = {identity.recovery_name_of("s", one, is_reported=False) for one in both}
    assert names == {f"s-{EVENT_ID}", "s-another"}


def test_all_calls_for_one_run_are_one_call_and_another_run_is_another() -> None:
    arn = "arn:aws:events:eu-west-1:123456789012:rule/nightly"
    assert identity.run_identity(arn, 1795478400.0) == identity.run_identity(arn, 1795478400)
    found = {identity.run_identity(one, due) for one in (arn, f"{arn}2") for due in (1795478400, 1795482000)}
    assert len(found) == 4
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in found)


def test_an_answer_with_failures_is_a_recovery_of_its_own() -> None:
    assert identity.recovery_name_of("s", launch()) == f"s-{EVENT_ID}"
    assert identity.recovery_name_of("s", launch(caller=Caller(kind=CallerKind.HAND_MADE))) == f"s-{EVENT_ID}"


# --- For ever ---

TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d"
NIGHTLY = "arn:aws:events:eu-west-1:123456789012:rule/nightly"
DENIED = (
    Failure(origin=Origin.ERROR, code="AccessDenied", reason="no"),
    Failure(origin=Origin.ERROR, reason="no"),
)


def called(**parameters: object) -> str:
    return identity.call_identity(EVENT_ID, account=ACCOUNT, region=REGION, parameters=parameters)


@pytest.mark.parametrize(
    ("derive", "expected"),
    [
        (lambda: identity.event_identity(None, "3711"), "id-0df59fd6c41cadd2220fd09fcd4d5979"),
        (lambda: identity.event_identity("short", "3711"), "id-f9b0078b5df596d2ea19010c001bbd00"),
        (lambda: identity.event_identity("\ud800", "3711"), "id-91a681b998555fb475479817b126c94e"),
        (lambda: called(clientToken=UUID4, cluster="batch"), "6a1701d7efc109b6f34c6497bf6555cb"),
        (lambda: called(clientToken=UUID4), "7fd51364ab62ec9b6428522eee129c11"),
        (lambda: called(cluster="batch"), "7fe06cf1584a5529a4b49775f6e720f8"),
        (lambda: identity.task_event_id(TASK), "t-0f9c2b4d6e8a4c1f9b3d5e7f1a2b3c4d"),
        (lambda: identity.task_event_id("odd task"), "t-ee969e556420a005805dd12b6c7bdd4d"),
        (
            lambda: identity.task_identity(TASK),
            "2c0d71cc0521a148aa1baf0d1c0ddd46",
        ),
        (lambda: identity.run_identity(NIGHTLY, 1795478400.4), "2e65c606f001c594b90e1be9c94b7d67"),
        (lambda: identity.recovery_name("a b", EVENT_ID), f"a-b-c8687a08-{EVENT_ID}"),
        (lambda: identity.again_name("s", launch(), 2), f"s-{EVENT_ID}-again-2"),
        (lambda: identity.recovery_name("s" * 27, EVENT_ID), f"{'s' * 27}-{EVENT_ID}"),
        (lambda: identity.recovery_name("s" * 28, EVENT_ID), f"{'s' * 18}-f06639a8-{EVENT_ID}"),
        (
            lambda: identity.recovery_name_of("s", launch(failures=DENIED)),
            "s-report-20261124-3b61de8837ef8873a0",
        ),
        (
            lambda: identity.recovery_name_of(
                "s", launch(request={}, caller=Caller(kind=CallerKind.HAND_MADE), failures=DENIED)
            ),
            "s-report-20261124-2d243e611d2c2e0f31",
        ),
        (
            lambda: identity.recovery_name_of("s", launch(), is_reported=True),
            "s-report-20261124-8dad5f138490e2d3cb",
        ),
        (lambda: identity.member_role("s"), "s-member"),
        (lambda: identity.member_role("s", "/a/b/"), "a/b/s-member"),
        (lambda: identity.client_token("0" * 32, 7), f"rrt-{'0' * 32}-7"),
        (
            lambda: identity.started_by_of("x" * 128, "0123456789abcdef"),
            f"{'x' * 100}/retry-run-task/0123456789ab",
        ),
        (lambda: identity.own_started_by(launch()), "events-rule/nightly/retry-run-task/0123456789ab"),
    ],
)
def test_a_later_version_gives_the_same_names(derive: Callable[[], str], expected: str) -> None:
    """Two versions may see one failure: one that is being replaced, and one that replaces it."""
    assert derive() == expected


@pytest.mark.parametrize("change", [{"account": "210987654321"}, {"region": "us-east-1"}])
def test_a_cause_elsewhere_is_reported_on_its_own(change: dict[str, str]) -> None:
    here, there = launch(failures=DENIED), launch(failures=DENIED, **change)
    assert identity.recovery_name_of("s", here) != identity.recovery_name_of("s", there)


@pytest.mark.parametrize("member", ["cluster", "taskDefinition", "startedBy"])
def test_a_cause_of_another_job_is_reported_on_its_own(member: str) -> None:
    here, there = (launch(failures=DENIED, request={member: value}) for value in ("one", "two"))
    assert identity.recovery_name_of("s", here) != identity.recovery_name_of("s", there)


@pytest.mark.parametrize(
    ("started_by", "digits", "before"),
    [
        ("events-rule/nightly/retry-run-task/0123456789ab", "0123456789ab", "events-rule/nightly"),
        ("retry-run-task/0123456789ab", "0123456789ab", ""),
        ("a\nb/retry-run-task/0123456789ab", "0123456789ab", "a\nb"),
        ("events-rule/nightly", "", "events-rule/nightly"),
        ("x-retry-run-task/0123456789ab", "", "x-retry-run-task/0123456789ab"),
        ("retry-run-task/0123456789abc", "", "retry-run-task/0123456789abc"),
        ("retry-run-task/0123456789AB", "", "retry-run-task/0123456789AB"),
        ("retry-run-task/0123456789ab\n", "", "retry-run-task/0123456789ab\n"),
    ],
)
def test_whose_a_task_is_and_what_it_was_called_before(started_by: str, digits: str, before: str) -> None:
    assert identity.starter_of(started_by) == digits
    assert identity.original_started_by(started_by) == before
