"""What `status` prints: readable at any width, and every id can be typed again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.commands.shared import options, recoveries, selection
from retry_run_task.commands.shared.view import Execution, RecoveryView, ViewState
from retry_run_task.errors import ConfigError
from retry_run_task.launch.names import started_by_of
from retry_run_task.launch.values import IncompleteRequest
from retry_run_task.messages import outside
from retry_run_task.messages.steps import shown_request
from support.records import CAPACITY, REGION, launch

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STACK = "retry-run-task"
FIRST = "f8e0872f-7939-5fcb-bfca-b213abb553b2"
OTHER = "f8e0872f-0000-5fcb-bfca-b213abb553b2"
REPORT = "report-20261128-41f2f257aaad67146f"


def view(
    identity: str = FIRST, state: ViewState = ViewState.WAITING, schedule: str = "nightly", **more: object
) -> RecoveryView:
    execution = Execution(arn=f"arn:{identity}", name=f"{STACK}-{identity}", status="RUNNING", started=NOW)
    known = {"reason": CAPACITY, "category": "capacity", "family": "job", "calls": 7} | more
    return RecoveryView(execution=execution, state=state, schedule=schedule, **known)  # type: ignore[arg-type]


def printed(views: list[RecoveryView], width: int) -> list[str]:
    ids = selection.short_ids([one.execution.name for one in views], STACK)
    return [line.plain for line in recoveries.table(views, ids, NOW + timedelta(minutes=5), width)]


LONG = "a-schedule-with-a-name-that-is-as-long-as-aws-allows-it-to-be-64"
VIEWS = [
    view(),
    view(
        f"{FIRST}-again-1",
        ViewState.PAUSED,
        hold_reason="the Region is down, says the status page, and so we wait",
    ),
    view(OTHER, ViewState.GAVE_UP, LONG, outcome="expired", why="it is too late. Start it by hand."),
    view(REPORT, ViewState.GAVE_UP, outcome="permanent", reason="ClientException: TaskDefinition not found."),
    view("t-0123456789abcdef0123456789abcdef", ViewState.RECOVERED, "export"),
]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_it_fits_and_everything_but_a_long_name_is_whole(width: int) -> None:
    lines = printed(VIEWS, width)
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    text = " ".join(" ".join(lines).split())
    for words in (
        CAPACITY,
        "the Region is down, says the status page, and so we wait",
        "expired: it is too late",
    ):
        assert words in text
    for one in selection.short_ids([one.execution.name for one in VIEWS], STACK).values():
        assert one in text.split()
    assert "Start it by hand" not in text, "that is for the one in full"


def test_a_pipe_has_one_line_for_each() -> None:
    lines = printed(VIEWS, 100_000)
    assert len(lines) == 1 + len(VIEWS)
    assert any(line.endswith(CAPACITY) for line in lines)
    assert LONG in "".join(lines)


def test_what_went_well_needs_no_reason() -> None:
    (line,) = [line for line in printed(VIEWS, 80) if line.startswith("recovered")]
    assert line.split()[:2] == ["recovered", "export"]
    assert printed([], 80) == ["state      schedule  calls  next  age  id"]


def test_ids_are_short_and_tell_apart_and_are_found_again() -> None:
    names = [one.execution.name for one in VIEWS]
    short = selection.short_ids(names, STACK)
    assert list(short.values()) == [
        "f8e0872f-7",
        "f8e0872f-7-again-1",
        "f8e0872f-0",
        "report-20261128-41f2",
        "t-0123",
    ]
    for name, typed in short.items():
        assert selection.find(typed, names, STACK) == name


@given(
    st.lists(
        st.tuples(
            st.text("0123456789abcdef-", min_size=1, max_size=40),
            st.sampled_from(["", "-again-1", "-again-12"]),
        ),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_whatever_is_printed_as_an_id_means_that_one(parts: list[tuple[str, str]]) -> None:
    names = [f"{STACK}-{one}{end}" for one, end in parts]
    for name, typed in selection.short_ids(names, STACK).items():
        # One id may be the beginning of another; then the whole one is meant.
        assert selection.find(typed, names, STACK) == name


@pytest.mark.parametrize("typed", [FIRST, FIRST[:20], f"{STACK}-{FIRST[:12]}", f"{STACK}-{FIRST}"])
def test_the_beginning_of_an_id_is_the_first_of_that_id(typed: str) -> None:
    names = [one.execution.name for one in VIEWS]
    assert selection.find(typed, names, STACK) == f"{STACK}-{FIRST}"


def test_a_beginning_of_several_is_none() -> None:
    with pytest.raises(ConfigError, match="beginning of 2 recoveries"):
        selection.find("f8e0872f", [one.execution.name for one in VIEWS], STACK)


@pytest.mark.parametrize(
    ("typed", "is_id"),
    [
        (FIRST, True), (FIRST[:6], True), (f"{FIRST}-again-2", True), (REPORT, True), ("t-0123", True),
        ("nightly", False), ("report", False), ("deadbeefs", False), ("cafe-export", False), ("add", False),
    ],
)  # fmt: skip
def test_a_name_is_not_taken_for_an_id(typed: str, is_id: bool) -> None:
    assert selection.is_like_an_id(typed) is is_id


HIDDEN = replace(
    launch(), request=IncompleteRequest(parameters=launch().request.parameters, missing=("overrides",))
)
RUN_TASK = outside.run_task(shown_request(launch(), missing=1), region=REGION)
MARK = started_by_of("events-rule/nightly", launch().call_id)
TASK = "arn:aws:ecs:ap-northeast-1:123456789012:task/batch/0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("one", "typed"),
    [
        (view(), "nightly"),
        (view(), "job"),
        (view(schedule="nightly (by hand)"), "nightly"),
        (view(schedule="nightly-report-of-the-dat…"), "nightly-report-of-the-data-centre"),
        (view(task_arns=(TASK,)), TASK),
        (view(task_arns=(TASK,)), TASK[-32:]),
    ],
)
def test_a_recovery_has_many_names(one: RecoveryView, typed: str) -> None:
    assert selection.of_name([one], typed) == [one]
    assert selection.of_name([one], f"{typed}x"[1:]) == []


# What to do.


def shown(one: RecoveryView, again: str = "") -> list[str]:
    return [line.plain for line in recoveries.detail(one, NOW, 80, STACK, again)]


@pytest.mark.parametrize(
    ("one", "label", "command"),
    [
        (
            view(state=ViewState.GAVE_UP, outcome="expired"),
            "to start it",
            f"retry-run-task replay {FIRST} --even-late",
        ),
        (
            view(state=ViewState.GAVE_UP, outcome="permanent", calls=0, launch=launch()),
            "to start it",
            RUN_TASK,
        ),
        (
            view(state=ViewState.GAVE_UP, outcome="refused", calls=0, launch=HIDDEN),
            "its schedule",
            f"aws events list-rules --region {REGION} --name-prefix nightly",
        ),
        (
            view(state=ViewState.GAVE_UP, outcome="refused", calls=0, launch=HIDDEN),
            "to start it",
            "by hand: docs/runbook.md#start-a-run-by-hand",
        ),
        (
            view(
                state=ViewState.GAVE_UP,
                outcome="expired",
                launch=launch(),
                task_arns=(TASK,),
                cluster="batch",
            ),
            "look first",
            f"aws ecs describe-tasks --region {REGION} --cluster batch --tasks {TASK[-32:]}",
        ),
        (
            view(state=ViewState.GAVE_UP, outcome="expired", launch=launch(), task_arns=(TASK,)),
            "to start it",
            "by hand: docs/runbook.md#start-a-run-by-hand",
        ),
        (
            view(state=ViewState.GAVE_UP, outcome="expired", launch=launch(), is_unsure=True),
            "look first",
            f"aws ecs list-tasks --region {REGION} --cluster batch --started-by {MARK}",
        ),
        (
            view(state=ViewState.GAVE_UP, outcome="expired", launch=launch(), is_unsure=True),
            "to start it",
            RUN_TASK,
        ),
        (
            view(state=ViewState.GAVE_UP, outcome="expired", launch=launch()),
            "to start it",
            f"retry-run-task replay {FIRST} --even-late",
        ),
        (view(state=ViewState.STOPPED), "to start it", f"retry-run-task replay {FIRST} --even-late"),
        (view(state=ViewState.PAUSED), "to go on", f'retry-run-task resume {FIRST} --reason "..."'),
        (view(), "to end it", f'retry-run-task stop {FIRST} --reason "..."'),
    ],
)
def test_one_in_full_says_what_to_do_in_a_line_to_paste(one: RecoveryView, label: str, command: str) -> None:
    assert f"  {label:<13}{command}" in shown(one)


def test_what_went_well_needs_nothing() -> None:
    text = "\n".join(shown(view(state=ViewState.RECOVERED, hint="Wait.")))
    assert "retry-run-task replay" not in text
    assert "Wait." not in text


@pytest.mark.parametrize("why", ["too late", "no. Wait."])
def test_what_to_mend_is_said_once(why: str) -> None:
    one = view(state=ViewState.GAVE_UP, outcome="expired", why=why, hint="Wait.")
    assert "\n".join(shown(one)).count("Wait.") == 1


def test_a_command_leads_to_the_same_place() -> None:
    assert options.again(region="r", profile=None, stack=STACK, default_region="r") == ""
    elsewhere = options.again(region="eu-west-1", profile="my own", stack="two", default_region="r")
    assert elsewhere == " --region eu-west-1 --profile 'my own' --stack two"
    ids = {VIEWS[2].execution.name: "f8e0872f-0"}
    steps = recoveries.next_steps([VIEWS[2]], ids, elsewhere)
    assert f"retry-run-task status f8e0872f-0{elsewhere}\n" in steps
    assert steps.endswith(f"retry-run-task replay --gave-up --dry-run{elsewhere}")
    assert recoveries.next_steps([view(), view(state=ViewState.RECOVERED)], {}, "") == ""


def test_the_aws_cli_is_led_to_the_account_of_the_run() -> None:
    gone = {"state": ViewState.GAVE_UP, "outcome": "permanent", "calls": 0}
    one = view(launch=launch(), **gone)
    own = replace(
        one, execution=replace(one.execution, arn=f"arn:aws:lambda:{REGION}:{launch().account}:function:f")
    )
    lines = [line.plain for line in recoveries.detail(own, NOW, 80, STACK, "", "my own")]
    assert f"  to start it  {RUN_TASK} --profile 'my own'" in lines
    other = replace(
        own, execution=replace(one.execution, arn=f"arn:aws:lambda:{REGION}:111122223333:function:f")
    )
    lines = [line.plain for line in recoveries.detail(other, NOW, 80, STACK, "", "my own")]
    assert f"  to start it  {RUN_TASK}" in lines
    assert f"  in account   {launch().account}" in lines
