"""The runbook: a section for every alarm, in three parts, and commands that exist, of ours and of AWS's."""

from __future__ import annotations

import re
import shlex
from typing import Any

import botocore.session
import click
import pytest
from botocore import xform_name

from retry_run_task.commands.main import retry_run_task
from retry_run_task.intake import Event as IntakeEvent
from retry_run_task.launch.values import Outcome
from retry_run_task.recovery.lines import LogEvent as Event
from support.infra import ROOT, Stack

RUNBOOK = ROOT / "docs" / "runbook.md"
GENERAL = [
    "see-what-is-going-on",
    "start-a-missing-run",
    "stop-it-now",
    "start-it-again",
    "deliver-again",
    "run-missing",
]
PARTS = ["It means", "Paste this.", "It is over"]
# What a person can read through, and print, while something is wrong.
MOST_LINES = 430

# Commands of the AWS CLI's own, which are no operations of a service.
# https://docs.aws.amazon.com/cli/latest/reference/logs/tail.html
CLI_ONLY = {("logs", "tail"): {"since", "format", "filter-pattern"}}
# https://docs.aws.amazon.com/cli/latest/reference/#options
GLOBAL_OPTIONS = {"query", "output"}


def _sections() -> dict[str, str]:
    """Return the sections by their anchors, which stay as they are when a heading changes: alarms link to them."""
    parts = re.split(r'(?m)^<a id="([\w-]+)"></a>$', RUNBOOK.read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _alarms() -> list[dict[str, Any]]:
    stack = Stack(
        TaskDefinitions="nightly",
        TrailLogGroupName="trail",
        TrailSilentHours="26",
        AuditSchedule="cron(0 22 * * ? *)",
    )
    return list(stack.of_type("AWS::CloudWatch::Alarm").values())


def test_every_alarm_links_to_a_section_and_every_section_has_its_alarm() -> None:
    links = [alarm["AlarmDescription"].rpartition(" ")[2] for alarm in _alarms()]
    assert [link.partition("#")[0] for link in links] == ["docs/runbook.md"] * len(links)
    anchors = [link.partition("#")[2] for link in links]
    assert sorted(anchors) == sorted(_sections().keys() - set(GENERAL))
    assert set(GENERAL) <= _sections().keys()


def test_the_sections_stand_in_the_order_of_the_alarms() -> None:
    """Which is the order in which the data flows."""
    names = [alarm["AlarmName"].removeprefix("retry-run-task-") for alarm in _alarms()]
    assert list(_sections()) == GENERAL + names


@pytest.mark.parametrize("name", [name for name in _sections() if name not in GENERAL])
def test_a_section_says_what_it_means_what_to_paste_and_how_to_know_it_is_over(name: str) -> None:
    section = _sections()[name]
    assert re.findall(r"(?m)^\*\*([^*]+)\*\*", section) == PARTS
    for part in re.split(r"(?m)^\*\*[^*]+\*\*", section)[1:]:
        assert len(part.strip()) > 20
    assert "```sh" in section
    (heading,) = re.findall(r"(?m)^## (.+)$", section)
    assert re.fullmatch(rf"[A-Z]\w* .+ \({name}\)", heading), "a sentence, and the alarm's name"


@pytest.mark.parametrize("name", GENERAL)
def test_a_general_section_has_a_heading_and_commands(name: str) -> None:
    section = _sections()[name]
    assert len(re.findall(r"(?m)^## [A-Z][a-z]+ .+$", section)) == 1
    assert "```sh" in section


def test_every_heading_is_a_sentence_or_says_what_to_do() -> None:
    headings = re.findall(r"(?m)^##+ (.+)$", RUNBOOK.read_text())
    general = [heading for heading in headings if not heading.endswith(")")]
    assert {heading.split()[0] for heading in general} <= {
        "See",
        "Act",
        "Start",
        "Stop",
        "Resume",
        "Recover",
        "The",
    }
    assert len(general) == len(GENERAL) + 1


def test_whoever_comes_from_a_message_can_start_the_run_without_leaving_the_section() -> None:
    section = _sections()["gave-up"]
    commands = [line.split() for line in section.splitlines() if line.startswith("retry-run-task ")]
    assert [command[1] for command in commands] == ["status", "status", "replay"]
    assert "--even-late" in commands[-1]
    over = section.partition("**It is over**")[2]
    assert "`status" in over


def test_it_is_short_enough_to_be_read_while_something_is_wrong() -> None:
    assert len(RUNBOOK.read_text().splitlines()) <= MOST_LINES


def test_links_within_the_runbook_and_to_files_lead_somewhere() -> None:
    text = RUNBOOK.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in _sections()
        elif not target.startswith("https://"):
            assert (RUNBOOK.parent / target.partition("#")[0]).exists(), target


def _commands(program: str) -> list[list[str]]:
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", RUNBOOK.read_text())
    text = "\n".join(blocks).replace("\\\n", " ")
    # What stands in $(...) is a command like any other.
    inner = re.findall(r"\$\((.+?)\)(?=[\"\n])", text)
    lines = re.sub(r"\$\((.+?)\)(?=[\"\n])", "VALUE", text).splitlines() + inner
    words = [shlex.split(line, comments=True) for line in lines]
    return [w for w in words if w and w[0] == program]


def test_aws_is_used_only_where_this_project_has_no_command() -> None:
    """Recoveries are listed, read, stopped and started again by its own."""
    assert len(_commands("retry-run-task")) > 20
    operations = {operation for _, _, operation, *_ in _commands("aws")}
    assert not [name for name in operations if "durable" in name or name == "lookup-events"]


@pytest.mark.parametrize("command", _commands("retry-run-task"), ids=" ".join)
def test_a_command_of_ours_is_one_that_there_is(command: list[str]) -> None:
    found = retry_run_task.commands[command[1]]
    found.make_parser(click.Context(found, **retry_run_task.context_settings)).parse_args(command[2:])


@pytest.mark.parametrize("command", _commands("aws"), ids=" ".join)
def test_a_command_is_one_that_aws_has(command: list[str]) -> None:
    """Operation and options by the service model that botocore carries; the AWS CLI derives its own from the same."""
    _, service, operation, *rest = command
    options = {word[2:] for word in rest if word.startswith("--")} - GLOBAL_OPTIONS
    if (service, operation) in CLI_ONLY:
        assert options <= CLI_ONLY[service, operation]
        return
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names
    shape = model.operation_model(names[operation]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    assert options <= members.keys()
    assert {xform_name(name, "-") for name in shape.required_members} <= options
    for status in re.findall(r"--statuses (\w+)", " ".join(command)):
        assert status in model.shape_for("ExecutionStatus").enum


def test_names_of_this_stack_are_its_own() -> None:
    """Functions, queues, the topic and the rule that the commands name are those of the template."""
    made = Stack(
        name="NAME",
        TaskDefinitions="nightly",
        TrailLogGroupName="trail",
        TrailSilentHours="26",
        AuditSchedule="cron(0 22 * * ? *)",
    )
    names = {
        value
        for resource in made.resources.values()
        for value in resource.get("Properties", {}).values()
        if isinstance(value, str) and "NAME-" in value
    }
    names = {name.removeprefix("/aws/lambda/") for name in names}
    said = set(re.findall(r"\$STACK(-[a-z-]+[a-z])", RUNBOOK.read_text()))
    assert len(said) >= 6
    assert {f"NAME{name}" for name in said} <= names


def test_log_events_and_outcomes_are_those_of_the_code() -> None:
    text = RUNBOOK.read_text()
    events = set(re.findall(r"\b((?:intake|recovery)\.[a-z_]+)", text))
    assert len(events) >= 4
    assert events <= {*map(str, Event), *map(str, IntakeEvent)}
    outcomes = set(re.findall(r"(?m)^- `([a-z ]+)`:", _sections()["gave-up"]))
    assert outcomes <= set(map(str, Outcome))
    assert len(outcomes) == 4
