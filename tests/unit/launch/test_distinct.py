"""What AWS says of each of many instances is kept once, and nothing that decides is lost with it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import wire
from retry_run_task.launch.values import Failure, Origin, Placed, distinct


def failure(**changes: Any) -> Failure:
    return Failure(**({"origin": Origin.ANSWER, "reason": "RESOURCE:CPU"} | changes))


def test_a_day_of_answers_about_many_instances_fits_into_a_history() -> None:
    """Of 100 MB; an hour of outage makes about a hundred attempts of two calls each."""
    for detail in (lambda _: None, lambda n: f"instance i-{n:017x} has {n} CPU units"):
        said = [
            failure(arn=f"arn:aws:ecs:::container-instance/{n:032x}", detail=detail(n)) for n in range(1000)
        ]
        kept = distinct(said)
        assert sum(one.times for one in kept) == 1000
        assert len(json.dumps(wire.answer_to_json(Placed(failures=kept)))) < 5000


def test_what_differs_is_kept_apart_up_to_a_limit() -> None:
    def said(number: int) -> list[Failure]:
        return [failure(detail=f"d{n}") for n in range(number)] + [failure(reason="AGENT")]

    assert len(distinct(said(19))) == 20
    assert [(f.reason, f.detail, f.times) for f in distinct(said(20))] == [
        ("RESOURCE:CPU", "d0", 20),
        ("AGENT", None, 1),
    ]
    assert distinct([]) == ()


_REASONS = st.sampled_from(["RESOURCE:CPU", "AGENT", "MISSING", "LOCATION", "nobody knows", ""])


@given(st.lists(st.builds(failure, reason=_REASONS, detail=st.sampled_from([None, "d", "AGENT"]))))
def test_the_same_failure_decides_however_often_each_was_said(said: list[Failure]) -> None:
    kept = distinct(said)
    assert sum(one.times for one in kept) == len(said)
    assert distinct(kept) == kept
    assert wire.failures_from_json(wire.failures_to_json(kept)) == kept
    if said:
        one, two = worst([classify(f) for f in said]), worst([classify(f) for f in kept])
        assert (one.category, one.row, one.failure.reason) == (two.category, two.row, two.failure.reason)
