"""Which tasks are listed and described, by which calls, and which of them do a launch's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from retry_run_task.aws import tasks
from retry_run_task.aws.faults import NotDescribedError
from retry_run_task.launch import names
from retry_run_task.launch.values import FailedLaunch, Phase
from support.records import CLUSTER, TASK_DEFINITION, launch, parameters

OWN = names.own_started_by(launch())
CALLER = "events-rule/nightly"
OTHER_ID = "f" * 32
OTHER = names.started_by_of(CALLER, OTHER_ID)
ALL = {"family": "nightly", "cluster": CLUSTER}


def task(arn: str, started_by: str | None = OWN, minutes: float = 1, **changes: Any) -> dict[str, Any]:
    return {
        "taskArn": arn,
        "startedBy": started_by,
        "taskDefinitionArn": TASK_DEFINITION,
        "createdAt": launch().event_time + timedelta(minutes=minutes),
        "lastStatus": "RUNNING",
    } | changes


class Ecs:
    """Answers with tasks and writes down what it is asked; ``pages`` is how many tasks one page has."""

    def __init__(self, *found: dict[str, Any], a_page: int = 100, undescribed: tuple[str, ...] = ()) -> None:
        self.found, self.a_page, self.undescribed = found, a_page, undescribed
        self.listed: list[dict[str, Any]] = []
        self.described: list[dict[str, Any]] = []

    def _pages(self, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self.listed.append(call)
        arns = [
            one["taskArn"]
            for one in self.found
            if (one["lastStatus"] == "STOPPED") == (call["desiredStatus"] == "STOPPED")
            and call.get("startedBy", one["startedBy"]) == one["startedBy"]
        ]
        for at in range(0, max(1, len(arns)), self.a_page):
            more = {"nextToken": "2"} if at + self.a_page < len(arns) else {}
            yield {"taskArns": arns[at : at + self.a_page], **more}

    def list_tasks(self, **call: Any) -> dict[str, Any]:
        return next(self._pages(call))

    def get_paginator(self, name: str) -> Any:
        assert name == "list_tasks"
        return self

    def paginate(self, **call: Any) -> Iterator[dict[str, Any]]:
        return self._pages(call)

    def describe_tasks(self, **call: Any) -> dict[str, Any]:
        self.described.append(call)
        return {
            "tasks": [
                one
                for one in self.found
                if one["taskArn"] in call["tasks"] and one["taskArn"] not in self.undescribed
            ]
        }


def there(ecs: Ecs, value: FailedLaunch | None = None, **asked: Any) -> list[str]:
    client: Any = ecs
    found = tasks.already_there(client, value or launch(), **({"original": True} | asked))
    return [one.arn for one in found]


def test_one_list_of_the_family_is_enough_for_all_callers() -> None:
    ecs = Ecs(
        task("own"),
        task("theirs", CALLER),
        task("stopped", lastStatus="STOPPED"),
        task("other", OTHER),
        task("foreign", "events-rule/weekly"),
        task("none", None),
        task("before", minutes=-60),
        task("weekly", taskDefinitionArn=TASK_DEFINITION.replace("nightly", "weekly")),
    )
    assert there(ecs, failed_others=(OTHER_ID,)) == ["own", "theirs", "stopped", "other"]
    assert ecs.listed == [ALL | {"desiredStatus": "RUNNING"}, ALL | {"desiredStatus": "STOPPED"}]
    (described,) = ecs.described
    assert described["cluster"] == CLUSTER
    assert sorted(described["tasks"]) == sorted(one["taskArn"] for one in ecs.found)


@pytest.mark.parametrize(
    ("asked", "started_by"),
    [
        ({}, [CALLER, OWN]),
        ({"failed_others": (OTHER_ID,)}, [CALLER, OWN, OTHER]),
        ({"original": False, "failed_others": (OTHER_ID,)}, [OWN, OTHER]),
    ],
)
def test_of_a_long_list_each_caller_s_tasks_are_asked_for(
    asked: dict[str, Any], started_by: list[str]
) -> None:
    everybody = {CALLER: "theirs", OWN: "own", OTHER: "other"}
    found = [task(f"{arn}-{n}", one) for one, arn in everybody.items() for n in range(2)]
    ecs = Ecs(*found, a_page=1)
    wanted = [f"{everybody[one]}-{n}" for one in started_by for n in range(2)]
    assert sorted(there(ecs, whole=False, **asked)) == sorted(wanted)
    by_caller = [{"startedBy": one, "cluster": CLUSTER, "desiredStatus": "RUNNING"} for one in started_by]
    assert ecs.listed == [ALL | {"desiredStatus": "RUNNING"}, *by_caller]


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (launch(), {"original": False}),
        (launch(request=parameters(startedBy=None)), {"original": True}),
        (launch(request={"cluster": CLUSTER, "startedBy": CALLER}), {"original": True}),
    ],
    ids=["own alone", "no caller's mark", "no family"],
)
def test_without_a_choice_of_lists_each_is_asked_for(value: FailedLaunch, asked: dict[str, Any]) -> None:
    ecs = Ecs()
    assert there(ecs, value, whole=False, **asked) == []
    assert all("family" not in call for call in ecs.listed)
    own = names.own_started_by(value)
    is_called = asked["original"] and "startedBy" in value.request.parameters
    assert [call["startedBy"] for call in ecs.listed] == [*([CALLER] if is_called else []), own]


def test_a_task_that_is_in_both_lists_is_described_once() -> None:
    stops = task("t1")

    class Stops(Ecs):
        def _pages(self, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
            return iter([{"taskArns": ["t1"]}])

    ecs = Stops(stops)
    assert there(ecs, original=False) == ["t1"]
    assert [call["tasks"] for call in ecs.described] == [["t1"]]


ASKS: dict[str, Callable[[Any], Any]] = {
    "already there": lambda ecs: tasks.already_there(ecs, launch(), original=True),
    "earlier": lambda ecs: tasks.earlier(ecs, launch()),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_task_that_is_listed_and_not_described_is_not_absent(ask: Callable[[Any], Any]) -> None:
    with pytest.raises(NotDescribedError) as caught:
        ask(Ecs(task("t1"), task("t2"), task("t3"), undescribed=("t1", "t3")))
    assert str(caught.value) == "ECS does not describe 2 of the tasks that it lists"


def test_a_hundred_tasks_are_described_at_once() -> None:
    ecs: Any = Ecs(*(task(f"t{n}") for n in range(201)))
    asked = [f"t{n}" for n in range(201)]
    found = tasks.states(ecs, launch(), asked)
    assert [one.arn for one in found] == asked
    assert [len(call["tasks"]) for call in ecs.described] == [100, 100, 1]
    assert [arn for call in ecs.described for arn in call["tasks"]] == asked
    assert {call["cluster"] for call in ecs.described} == {CLUSTER}


def test_a_task_that_is_not_known_yet_has_no_state() -> None:
    ecs: Any = Ecs(task("t1"), undescribed=("t2",))
    assert [(one.arn, one.phase) for one in tasks.states(ecs, launch(), ("t1", "t2"))] == [("t1", Phase.RUNS)]
    assert tasks.states(ecs, launch(), ()) == ()


def test_earlier_runs_that_go_on_are_found_by_their_family() -> None:
    ecs: Any = Ecs(
        task("earlier", CALLER, minutes=-60),
        task("earlier by a recovery", OTHER, minutes=-60),
        task("later", CALLER),
        task("foreign", "me", minutes=-60),
        task("over", CALLER, minutes=-60, lastStatus="STOPPED"),
        a_page=2,
    )
    assert tasks.earlier(ecs, launch()) == ("earlier", "earlier by a recovery")
    assert ecs.listed == [ALL | {"desiredStatus": "RUNNING"}]


def test_a_launch_without_a_cluster_is_looked_for_in_the_default_one() -> None:
    value = launch(request=parameters(cluster=None))
    ecs = Ecs(task("t1"))
    assert there(ecs, value) == ["t1"]
    assert all("cluster" not in call for call in (*ecs.listed, *ecs.described))


class Limiter:
    """Counts what it is asked to wait for."""

    def __init__(self) -> None:
        self.waits = 0

    def wait(self) -> None:
        self.waits += 1


@pytest.mark.parametrize(("number", "waits"), [(0, 1), (1, 1), (2, 1), (3, 2), (5, 3)])
def test_each_page_and_each_description_waits_for_its_turn(number: int, waits: int) -> None:
    ecs, limiter = Ecs(*(task(f"t{n}") for n in range(number)), a_page=2), Limiter()
    paced: Any = tasks.PacedReads(*cast("Any", (ecs, limiter)))
    call = {"startedBy": OWN, "cluster": CLUSTER, "desiredStatus": "RUNNING"}
    pages = list(paced.get_paginator("list_tasks").paginate(**call))
    assert [arn for page in pages for arn in page["taskArns"]] == [f"t{n}" for n in range(number)]
    assert (ecs.listed, limiter.waits) == ([call], waits)
    assert paced.list_tasks(**call)["taskArns"] == [f"t{n}" for n in range(min(number, 2))]
    assert paced.describe_tasks(tasks=["t0"])["tasks"] == [one for one in ecs.found if one["taskArn"] == "t0"]
    assert limiter.waits == waits + 2
