"""From records to the outage they were made in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from retry_run_task.simulate.capacity_timeline import Gap
from retry_run_task.simulate.competitors import Oracle, Ours
from retry_run_task.simulate.contest import Contest, run
from retry_run_task.simulate.incident import Incident
from retry_run_task.simulate.launches import ScenarioSettings
from retry_run_task.simulate.past_scenario import NothingFailedError, PastScenario, from_items
from retry_run_task.sources.files import items
from support.policies import DEFAULT
from support.records import CAPACITY, error_record, parameters, record

FIRST = datetime(2026, 11, 24, tzinfo=UTC)
OURS = {"clientToken": f"rrt-{'0' * 32}-1"}


def failed(after_s: float, *, reason: str = CAPACITY, tasks: int = 0, **request: Any) -> dict[str, Any]:
    token = f"00000000-0000-4000-8000-{round(after_s * 10):012d}"
    return record(
        request=parameters(**{"clientToken": token} | request),
        eventID=token,
        eventTime=(FIRST + timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        responseElements={
            "tasks": [{"taskArn": f"arn:aws:ecs:x:1:task/batch/{n}"} for n in range(tasks)],
            "failures": [{"reason": reason}],
        },
    )


def past(*records: Any) -> PastScenario:
    return from_items(items([json.dumps({"Records": records}).encode()]))


def incidents(found: PastScenario) -> list[Incident]:
    settings = ScenarioSettings(schedules=found.launches, zones=found.zones)
    return [found.scenario.incident(settings, number) for number in range(found.incidents)]


def test_the_outage_of_a_place_lasts_from_its_first_failure_to_its_last() -> None:
    (incident,) = incidents(past(failed(0), failed(60, **OURS), failed(900, **OURS)))
    (capacity,) = incident.capacities.values()
    assert capacity.gaps == (Gap(-1, 901),)
    # The attempts of recoveries show how long it was; they are not launches.
    assert [spec.time for spec in incident.launches] == [0]
    assert incident.returned_at(incident.launches[0]) == 901


def test_failures_that_are_far_apart_are_two_outages_and_of_different_nights_two_nights() -> None:
    (incident,) = incidents(past(failed(0), failed(3600)))
    (capacity,) = incident.capacities.values()
    assert capacity.gaps == (Gap(-1, 60), Gap(3599, 3660))
    assert len(incidents(past(failed(0), failed(3600), failed(86_400)))) == 2


def test_each_place_has_an_outage_of_its_own() -> None:
    network = {"awsvpcConfiguration": {"subnets": ["subnet-x"]}}
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    found = past(
        failed(0),
        failed(10, networkConfiguration=network),
        failed(20, launchType=None, capacityProviderStrategy=spot),
        failed(500, networkConfiguration=network),
        failed(600, cluster="other"),
    )
    assert (found.launches, found.zones, found.incidents) == (5, 4, 1)
    (incident,) = incidents(found)
    assert sorted(incident.returned_at(spec) for spec in incident.launches) == [60, 80, 501, 501, 660]
    assert {provider for _, provider in incident.capacities} == {"FARGATE", "FARGATE_SPOT"}


def test_the_tries_of_one_call_are_one_launch_and_its_first_is_when_it_failed() -> None:
    token = "0b0e7a1c-1d2e-4f3a-8b4c-5d6e7f8a9b0c"
    found = past(failed(5, clientToken=token), failed(0, clientToken=token))
    assert found.launches == 1
    (incident,) = incidents(found)
    assert [spec.time for spec in incident.launches] == [0]


def test_a_partial_answer_asks_for_the_rest() -> None:
    (incident,) = incidents(past(failed(0, tasks=2, count=5)))
    assert (incident.launches[0].count, incident.launches[0].missing) == (5, 3)


@pytest.mark.parametrize(
    ("left_out", "why"),
    [
        (failed(5, reason="ATTRIBUTE"), "1 of the category configuration"),
        (error_record("ThrottlingException", "Rate exceeded"), "1 that raised an error"),
        (error_record("AccessDenied", "no", requestParameters=None), "1 that raised an error"),
        (record(eventName="StopTask"), "1 that are no failed launch"),
        ({"eventName": "RunTask", "eventTime": "yesterday"}, "1 that cannot be read"),
    ],
)
def test_what_waiting_does_not_help_is_left_out_and_counted(left_out: Any, why: str) -> None:
    found = past(failed(0), left_out)
    assert found.launches == 1
    assert found.notes[-1] == f"Left out: {why}."


def test_it_says_what_was_assumed() -> None:
    hidden = {"containerOverrides": [{"name": "app", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]}
    notes = " ".join(past(failed(0, overrides=hidden), failed(3)).notes)
    assert "2 failed launches in 1 place and 1 incident" in notes
    assert "from the first to the last failure" in notes
    assert "CloudTrail hid a part of 1 request" in notes


@pytest.mark.parametrize("records", [[], [failed(0, **OURS)], [failed(0, reason="ATTRIBUTE")]])
def test_without_a_launch_there_is_nothing_to_simulate(records: list[Any]) -> None:
    with pytest.raises(NothingFailedError, match="no failed launch"):
        past(*records)


def test_the_same_policies_meet_it() -> None:
    found = past(failed(0), failed(1), failed(600, **OURS))
    result = run(
        Contest(
            scenarios=(found.scenario,),
            competitors=(Ours(name="ours", policy=DEFAULT), Oracle()),
            settings=ScenarioSettings(schedules=found.launches),
            incidents=found.incidents,
        )
    )
    ours, oracle = result.tallies["past"]["ours"], result.tallies["past"]["the oracle"]
    assert ours.recovered == oracle.recovered == 2
    assert oracle.quantile(1) == 0
    assert 0 <= (ours.quantile(1) or -1) < 61
