"""A recovery is read off its history: these were recorded from the local AWS by ``tools/histories.py``."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.commands.shared.view import (
    Execution,
    RecoveryView,
    TimelineLine,
    ViewState,
    known_schedule,
    shortened,
)
from retry_run_task.commands.status.history import read
from retry_run_task.launch import wire
from retry_run_task.launch.values import Caller, CallerKind
from support.records import CAPACITY, launch, parameters

FOLDER = Path(__file__).parent / "histories"
SECRET = "c4nary-hunter2"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
TIMES = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def timed(value: Any) -> Any:
    """Return what was recorded with its times as boto3 gives them."""
    if isinstance(value, dict):
        return {name: timed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [timed(inner) for inner in value]
    return datetime.fromisoformat(value) if isinstance(value, str) and TIMES.match(value) else value


def recorded(name: str) -> tuple[Execution, list[dict[str, Any]]]:
    content = timed(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
    found = content["execution"]
    execution = Execution(
        arn=found["DurableExecutionArn"],
        name=found["DurableExecutionName"],
        status=found["Status"],
        started=found["StartTimestamp"],
        ended=found["EndTimestamp"],
    )
    return execution, content["events"]


def view(name: str) -> RecoveryView:
    return read(*recorded(name))


def told(name: str) -> str:
    return "\n".join(line.text for line in view(name).lines)


RULE = "nightly-report"


@pytest.mark.parametrize(
    ("name", "state", "schedule", "outcome", "category"),
    [
        ("waiting", ViewState.WAITING, RULE, "", "capacity"),
        ("recovered", ViewState.RECOVERED, RULE, "recovered", "capacity"),
        ("permanent", ViewState.GAVE_UP, RULE, "permanent", "configuration"),
        ("expired", ViewState.GAVE_UP, RULE, "expired", "unknown"),
        ("paused", ViewState.PAUSED, RULE, "", "capacity"),
        ("stopped", ViewState.STOPPED, RULE, "stopped", "capacity"),
        ("lost", ViewState.STOPPED, RULE, "stopped", "transient"),
        ("by-hand", ViewState.RECOVERED, "nightly (by hand)", "recovered", "capacity"),
        # It is gone, and its name was cut to what ``startedBy`` has room for.
        ("cut", ViewState.WAITING, "nightly-report-of-the-da…", "", "capacity"),
        ("start-failed", ViewState.RECOVERED, RULE, "recovered", "transient"),
    ],
)
def test_what_a_history_tells(
    name: str, state: ViewState, schedule: str, outcome: str, category: str
) -> None:
    found = view(name)
    assert (found.state, found.outcome, found.category) == (state, outcome, category)
    assert (found.schedule, found.cluster, found.family) == (schedule, "batch", "nightly")


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("*.json")])
def test_attempts_are_the_calls_that_were_made(name: str) -> None:
    steps = [e for e in recorded(name)[1] if e["EventType"] == "StepSucceeded" and "run-task" in e["Name"]]
    results = [json.loads(e["StepSucceededDetails"]["Result"]["Payload"]) for e in steps]
    assert view(name).calls == sum(len(result.get("calls", ())) for result in results)
    assert steps or name == "permanent"


def test_one_that_waits_says_when_its_next_attempt_is() -> None:
    found = view("waiting")
    assert found.next_time is not None
    waits = [e for e in recorded("waiting")[1] if e["EventType"] == "WaitStarted"]
    assert found.next_time == waits[-1]["WaitStartedDetails"]["ScheduledEndTimestamp"].astimezone(UTC)
    assert [view(name).next_time for name in ("recovered", "paused", "stopped", "permanent")] == [None] * 4


def test_reasons_of_people_are_told() -> None:
    assert view("paused").hold_reason == "the Region is down"
    assert view("stopped").hold_reason == ""
    assert view("stopped").why == "run by hand"
    text = told("stopped")
    assert text.index("paused: the Region is down") < text.index("resumed: it is back")
    assert text.endswith("STOPPED: run by hand")


def test_how_it_ended_and_why() -> None:
    assert view("permanent").why.startswith("retrying does not help")
    assert "GAVE UP (permanent): retrying does not help" in told("permanent")
    assert view("expired").why.startswith("3 attempts ended in a failure of category unknown")
    assert told("recovered").endswith("RECOVERED")
    (task,) = view("recovered").task_arns
    assert ":task/batch/" in task


def test_a_word_that_was_said_is_not_said_again() -> None:
    """So that a night of attempts can be read."""
    text = told("recovered")
    assert text.count(CAPACITY) == 1
    assert "call 1: the same [capacity]; then waits" in text
    assert text.index("call 1") < text.index("call 2")


def test_a_call_that_nobody_answered_leaves_it_unsure() -> None:
    assert view("lost").is_unsure
    assert "no answer" in told("lost")
    assert not any(view(name).is_unsure for name in ("recovered", "expired", "permanent", "stopped"))


@pytest.mark.parametrize("again", [True, False])
def test_a_step_that_was_cut_off_and_came_too_late_may_have_called(again: bool) -> None:
    result = {"now": 1.0, "tasks": [], **({"again": True} if again else {})}
    assert read(EXECUTION, [*BEGAN, *step("run-task-1", result)]).is_unsure is again


def test_a_task_that_did_not_start_is_told_and_is_none_of_its_tasks() -> None:
    found = view("start-failed")
    assert "1 task did not start: " in told("start-failed")
    assert len(found.task_arns) == 1


def test_a_task_that_did_not_start_is_forgotten_also_while_the_recovery_goes_on() -> None:
    gone = {"arn": "arn:task/1", "phase": "failed to start", "failures": [], "ours": True}
    called = [*BEGAN, *step("run-task-1", looked(PLACED))]
    assert read(EXECUTION, called).task_arns == ("arn:task/1",)
    assert read(EXECUTION, [*called, *step("watch-1-1", {"tasks": [gone]})]).task_arns == ()


def test_values_of_variables_are_nowhere() -> None:
    """The payload of a record made by hand has them; what is kept to be shown does not."""
    assert SECRET in json.dumps(recorded("by-hand")[1], default=str)
    found = view("by-hand")
    assert SECRET not in repr(found)
    assert found.launch is not None, "replay needs it"


# What this version does not know.

EXECUTION = Execution(arn="arn", name="retry-run-task-1", status="RUNNING", started=NOW)


def event(kind: str, name: str = "", **details: Any) -> dict[str, Any]:
    return {"EventType": kind, "Name": name, "Id": name, "EventTimestamp": NOW, **details}


def step(name: str, result: Any) -> list[dict[str, Any]]:
    payload = result if isinstance(result, str) else json.dumps(result)
    return [
        event("StepStarted", name),
        event("StepSucceeded", name, StepSucceededDetails={"Result": {"Payload": payload}}),
    ]


PLACED = {"answer": "placed", "task_arns": ["arn:task/1"], "failures": [], "conflict": False}
REFUSED = PLACED | {"task_arns": [], "failures": [{"origin": "answer", "reason": CAPACITY}]}


BEGAN = [
    event(
        "ExecutionStarted",
        ExecutionStartedDetails={"Input": {"Payload": wire.canonical(wire.launch_to_json(launch()))}},
    )
]


def looked(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"now": launch().event_time.timestamp() + 60, "tasks": [], "calls": list(calls), **more}


@pytest.mark.parametrize(
    ("result", "attempts", "tasks", "text"),
    [
        (looked(REFUSED), 1, (), "call 1: the same [capacity]"),
        (looked({**REFUSED, "rung": "each-subnet subnet-b"}), 1, (), "call 1 (each-subnet subnet-b): "),
        (looked(PLACED), 1, ("arn:task/1",), "1 task started"),
        (looked({"answer": "unbuildable", "why": "it was changed", "failures": []}), 0, (), "it was changed"),
        (
            looked(read_failure=[{"origin": "error", "code": "Denied"}]),
            0,
            (),
            "could not look at the tasks: Denied",
        ),
        # What this version does not write.
        ({"now": 1.0, "tasks": [{"arn": 2}]}, 0, (), "step do-something ended"),
        (
            looked({"answer": "placed", "failures": [{"origin": "elsewhere"}]}),
            0,
            (),
            "step do-something ended",
        ),
        ("no json", 0, (), "step do-something ended"),
        ("[1]", 0, (), "step do-something ended"),
    ],
)
def test_a_step_is_told_and_one_of_another_form_by_its_name(
    result: Any, attempts: int, tasks: tuple[str, ...], text: str
) -> None:
    found = read(EXECUTION, [*BEGAN, *step("do-something", result)])
    assert (found.calls, found.task_arns) == (attempts, tasks)
    assert text in found.lines[-1].text


def test_an_execution_whose_input_cannot_be_read_shows_its_steps_by_name() -> None:
    found = read(EXECUTION, step("run-task-1", looked(PLACED)))
    assert [line.text for line in found.lines] == ["step run-task-1 ended"]


def test_a_step_in_which_a_subnet_was_asked_at_once_has_two_attempts() -> None:
    second = {**PLACED, "rung": "each-subnet subnet-a"}
    found = read(EXECUTION, [*BEGAN, *step("run-task-1", looked({**REFUSED, "rung": "as-asked"}, second))])
    assert (found.calls, found.task_arns) == (2, ("arn:task/1",))
    assert [line.text for line in found.lines[2:]] == [
        "call 1: the same [capacity]",
        "call 2 (each-subnet subnet-a): 1 task started",
    ]
    lost = {"answer": "lost", "failures": [{"origin": "error", "code": "ServerException"}]}
    assert read(EXECUTION, [*BEGAN, *step("run-task-1", looked(REFUSED, lost))]).is_unsure


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "a message said that it is still being retried"),
        ("no topic", "the message was not taken: no topic"),
    ],
)
def test_the_early_message_is_in_the_timeline(error: str | None, said: str) -> None:
    events = [*BEGAN, *step("run-task-1", looked(REFUSED)), *step("tell-2", {"told": error})]
    assert read(EXECUTION, events).lines[-1].text == said


@pytest.mark.parametrize(
    ("name", "is_unsure"),
    [
        ("run-task-1", True),
        ("something-new-4", True),
        ("watch-1-1", False),
        ("notify-1", False),
        ("tell-3", False),
    ],
)
def test_a_step_that_was_cut_off_may_have_called_unless_it_only_looks(name: str, is_unsure: bool) -> None:
    """A step of a name that is not known may be one that calls."""
    stopped = event("ExecutionStopped", ExecutionStoppedDetails={"Error": {"Payload": {}}})
    assert read(EXECUTION, [event("StepStarted", name), stopped]).is_unsure is is_unsure


@pytest.mark.parametrize(
    ("kind", "details", "state", "outcome"),
    [
        (
            "ExecutionFailed",
            {"ErrorType": "GaveUpError", "ErrorMessage": "refused: no."},
            ViewState.GAVE_UP,
            "refused",
        ),
        # A success is no way to give up, and a colon makes no outcome.
        ("ExecutionFailed", {"ErrorType": "E", "ErrorMessage": "recovered: no."}, ViewState.FAILED, "failed"),
        ("ExecutionFailed", {"ErrorType": "KeyError", "ErrorMessage": "'x': y"}, ViewState.FAILED, "failed"),
        ("ExecutionFailed", {}, ViewState.FAILED, "failed"),
        ("ExecutionTimedOut", {}, ViewState.FAILED, "timed out"),
    ],
)
def test_a_fault_is_not_a_decision(
    kind: str, details: dict[str, str], state: ViewState, outcome: str
) -> None:
    found = read(EXECUTION, [event(kind, **{f"{kind}Details": {"Error": {"Payload": details}}})])
    assert (found.state, found.outcome) == (state, outcome)


@pytest.mark.parametrize(
    ("kind", "is_left"),
    [
        ("OvertakenError", True),
        ("retry_run_task.errors.OvertakenError", True),
        ("GaveUpError", False),
        ("NotOvertakenError", False),
        ("", False),
    ],
)
def test_what_was_left_to_the_audit_is_known_by_the_error_that_ended_it(kind: str, is_left: bool) -> None:
    """The audit is all that tells of it."""
    payload = {"ErrorType": kind, "ErrorMessage": "superseded: w."}
    found = read(
        EXECUTION, [event("ExecutionFailed", ExecutionFailedDetails={"Error": {"Payload": payload}})]
    )
    assert (found.outcome, found.is_left_to_audit) == ("superseded", is_left)


def test_an_event_that_is_not_known_is_shown_by_its_name() -> None:
    found = read(EXECUTION, [event("CallbackStarted", "ask"), event("ContextStarted")])
    assert [line.text for line in found.lines] == ["CallbackStarted ask", "ContextStarted"]


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["EventType", "Name", "Id", "StepSucceededDetails", "WaitStartedDetails"]),
            st.sampled_from(
                ["StepSucceeded", "WaitStarted", "ExecutionStarted", "look-1", "find-schedule", None, {}, "x"]
                + [
                    {"Result": {"Payload": text}}
                    for text in ('{"tasks": [1, {"arn": 2}]}', '{"answer": "lost"}', "")
                ]
            ),
        ),
        max_size=6,
    )
)
def test_whatever_a_history_holds_it_can_be_read(events: list[dict[str, Any]]) -> None:
    usable = [
        {k: v for k, v in one.items() if not (k.endswith("Details") and not isinstance(v, dict))}
        for one in events
    ]
    read(EXECUTION, usable)


# Names and lines.


@pytest.mark.parametrize(
    ("kind", "started_by", "expected"),
    [
        (CallerKind.RULE, "events-rule/nightly", "nightly"),
        (CallerKind.RULE, "events-rule/nightly-report-of-the-dat", "nightly-report-of-the-dat…"),
        (CallerKind.SCHEDULER, "chronos-schedule/export", "export"),
        (CallerKind.SCHEDULER, None, "nightly"),
        (CallerKind.OTHER, "me", "nightly"),
        (CallerKind.HAND_MADE, None, "nightly (by hand)"),
        (CallerKind.HAND_MADE, "events-rule/report", "report (by hand)"),
    ],
)
def test_the_schedule_as_far_as_the_call_tells(
    kind: CallerKind, started_by: str | None, expected: str
) -> None:
    known = launch(request=parameters(startedBy=started_by), caller=Caller(kind=kind))
    assert known_schedule(known) == expected


def test_attempts_on_other_rungs_are_alike_if_ecs_said_the_same() -> None:
    """Every second attempt of a default night is in one subnet alone, and six hours of them must fit a screen."""
    steps = [
        one
        for number in range(1, 61, 2)
        for one in step(f"run-task-{number}", looked(REFUSED, {**REFUSED, "rung": "each-subnet subnet-a"}))
    ]
    texts = [one.text for one in shortened(read(EXECUTION, [*BEGAN, *steps]).lines)]
    assert texts[2:4] == [
        "call 1: the same [capacity]",
        "call 2 (each-subnet subnet-a): the same [capacity]",
    ]
    assert texts[4].startswith("… 57 more of these until ")
    assert len(texts) == 6


def line(number: int, same: str = "") -> TimelineLine:
    return TimelineLine(time=NOW + timedelta(minutes=number), text=f"call {number}", same=same)


def test_a_long_row_of_the_same_is_told_as_one() -> None:
    lines = [
        TimelineLine(time=NOW, text="began"),
        *(line(n, "no capacity") for n in range(1, 400)),
        line(400, "started"),
    ]
    texts = [one.text for one in shortened(lines)]
    assert texts == [
        "began",
        "call 1",
        "call 2",
        "… 396 more of these until 06:38:00",
        "call 399",
        "call 400",
    ]
    assert shortened(lines[:5]) == tuple(lines[:5])
    assert shortened([TimelineLine(time=NOW, text="x")] * 9) == tuple([TimelineLine(time=NOW, text="x")] * 9)
