"""A message says which job, what ECS said, what was tried and what to do, and holds no secret."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.core.classification import classify
from retry_run_task.core.messages import Ending, message
from retry_run_task.core.values import Caller, CallerKind, Failure, IncompleteRequest, Origin, Outcome
from support.records import CAPACITY, EVENT_ID, launch, parameters

CAPACITY_VERDICT = classify(Failure(origin=Origin.ANSWER, reason=CAPACITY))


def ending(**changes: Any) -> Ending:
    values: dict[str, Any] = {
        "outcome": Outcome.EXPIRED,
        "why": "the next attempt would come too late",
        "rule": "deadline",
        "calls": 14,
        "wanted": 3,
        "task_arns": ("arn:aws:ecs:ap-northeast-1:123456789012:task/batch/1",),
        "elapsed_s": 21_600,
        "last": CAPACITY_VERDICT,
        "hint": "Start it by hand.",
    }
    return Ending(**(values | changes))


def test_a_person_on_call_reads_everything_in_one_message() -> None:
    written = message(launch(), ending())
    assert written.subject == "DID NOT RUN: nightly (expired) in ap-northeast-1"
    assert (
        written.text
        == f"""\
nightly: 1 of 3 missing tasks were started; the rest will not be.

Asked for by     EventBridge rule: nightly
Task definition  arn:aws:ecs:ap-northeast-1:123456789012:task-definition/nightly:7
Cluster          batch
Account, Region  123456789012, ap-northeast-1
Failed at        2026-11-24 00:00:03 UTC
ECS said then    {CAPACITY}
Tried            14 RunTask calls in 6 h; 1 of 3 missing tasks started
ECS said last    {CAPACITY} (capacity)
Outcome          expired: the next attempt would come too late
Tasks            arn:aws:ecs:ap-northeast-1:123456789012:task/batch/1
CloudTrail event {EVENT_ID}

What to do
- Start it by hand.
- See the call: aws cloudtrail lookup-events --region ap-northeast-1 \
--lookup-attributes AttributeKey=EventId,AttributeValue={EVENT_ID}
- See the rule: aws events list-rules --region ap-northeast-1 --name-prefix nightly"""
    )


def test_good_news_asks_for_nothing() -> None:
    written = message(launch(), ending(outcome=Outcome.RECOVERED, hint="", task_arns=("a",), wanted=1))
    assert written.subject.startswith("RECOVERED: nightly")
    assert "Nothing needs to be done." in written.text
    assert "What to do" not in written.text


def test_a_call_without_a_recorded_request_is_told_with_what_is_known() -> None:
    unknown = launch(request={})
    unknown = type(unknown)(
        **{f: getattr(unknown, f) for f in unknown.__slots__}
        | {"request": IncompleteRequest(parameters={}, missing=("requestParameters",))}
    )
    written = message(unknown, ending(outcome=Outcome.PERMANENT, calls=0, task_arns=()))
    assert "RunTask was not called again" in written.text
    assert "not recorded" in written.text


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_headline(outcome: Outcome) -> None:
    assert str(outcome) in message(launch(), ending(outcome=outcome)).subject


def test_neither_overrides_nor_tags_are_in_a_message() -> None:
    canary = "canary-5e5d"
    request = parameters(
        overrides={
            "containerOverrides": [
                {"name": "app", "environment": [{"name": "X", "value": canary}], "command": [canary]}
            ]
        },
        tags=[{"key": "k", "value": canary}],
    )
    written = message(launch(request=request), ending())
    assert canary not in written.subject + written.text


# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT = re.compile(r"[!-~][ -~]{0,98}")


@given(name=st.text(min_size=1), region=st.text(), kind=st.sampled_from(CallerKind), said=st.text())
def test_sns_takes_every_message(name: str, region: str, kind: CallerKind, said: str) -> None:
    """Whatever a hand-made record holds, also line breaks, Japanese, and halves of surrogate pairs."""
    value = launch(
        request={"taskDefinition": name, "cluster": name, "startedBy": name},
        region=region,
        caller=Caller(kind=kind),
        failures=(Failure(origin=Origin.ANSWER, reason=said),),
    )
    written = message(value, ending())
    assert SUBJECT.fullmatch(written.subject)
    assert len(written.text.encode()) < 256 * 1024
