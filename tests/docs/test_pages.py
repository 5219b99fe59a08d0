"""Every page: links lead somewhere, commands exist, samples are real, names are names of the code."""

from __future__ import annotations

import ast
import functools
import json
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore import xform_name
from click.testing import CliRunner

from docs.markdown_pages import ROOT, Page, pages
from retry_run_task import sources
from retry_run_task.aws.telemetry import Metric
from retry_run_task.commands.main import retry_run_task
from retry_run_task.config import Settings
from retry_run_task.intake import Event as IntakeEvent
from retry_run_task.launch.values import CallerKind, FailedLaunch, Request
from retry_run_task.local.logs.filter_pattern import matches
from retry_run_task.policy.scope import Scope, ScopeDecision
from retry_run_task.recovery.lines import LogEvent
from retry_run_task.sources.cloudtrail import FILTER_PATTERN
from support.records import awslogs

PAGES = pages()
each_page = pytest.mark.parametrize("page", PAGES, ids=str)
RECORD_PAGE = Page(ROOT / "docs" / "local-aws.md")


# Links.


@each_page
def test_links_within_the_project_lead_to_a_file_and_a_heading(page: Page) -> None:
    for link in page.links():
        address = urlsplit(link.target)
        if address.scheme:
            assert address.scheme == "https", link
            continue
        target = (page.path.parent / address.path).resolve() if address.path else page.path
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if address.fragment:
            assert address.fragment in Page(target).anchors(), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ways = [ROOT / "README.md"]
    while ways:
        path = ways.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        targets = [urlsplit(link.target) for link in Page(path).links()]
        ways += [
            (path.parent / target.path).resolve() for target in targets if not target.scheme and target.path
        ]
    assert {p.path for p in PAGES if ".github" not in p.path.parts} <= reached


# Names.


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    """Return what a module defines: at its top, and within its classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in [*tree.body, *(inner for n in tree.body if isinstance(n, ast.ClassDef) for inner in n.body)]:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case _:
                pass
    return frozenset(found)


@each_page
def test_a_link_from_a_name_to_a_module_leads_to_where_the_name_is_defined(page: Page) -> None:
    for link in page.links():
        name, target = link.label.strip("`"), page.path.parent / urlsplit(link.target).path
        if target.suffix == ".py" and name.isidentifier():
            assert name in names_in(target.resolve()), link


@each_page
def test_modules_that_are_named_exist(page: Page) -> None:
    for span in page.spans():
        if re.fullmatch(r"[\w/]+\.py", span):
            assert (ROOT / "src/retry_run_task" / span).exists() or (ROOT / span).exists(), span


@each_page
def test_settings_events_and_metrics_that_are_named_exist(page: Page) -> None:
    settings = {f"RETRY_RUN_TASK_{name.upper()}" for name in Settings.__slots__}
    events = {event.value for event in (*IntakeEvent, *LogEvent)}
    for span in page.spans():
        if re.fullmatch(r"RETRY_RUN_TASK_[A-Z_]+[A-Z]", span):
            assert span in settings
        if re.fullmatch(r"(intake|recovery)\.[a-z_]+", span) and not span.endswith(".py"):
            assert span in events
    for name in re.findall(r"\bmetric `(\w+)`", page.prose):
        assert name in {metric.value for metric in Metric}


# Commands.


@functools.cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@each_page
def test_make_targets_exist(page: Page) -> None:
    for line in [*page.lines_of_shell(), *page.spans()]:
        command, *words = line.split() or [""]
        if command == "make":
            assert {word for word in words if "=" not in word} <= make_targets(), line


@each_page
def test_commands_that_are_named_exist(page: Page) -> None:
    text = "\n".join([*page.spans(), *(block.text for block in page.blocks())])
    for name in re.findall(
        r"(?<![\w/`-])(?<!Stack )(?:\.venv/bin/)?retry-run-task (?!is\b|in\b)([a-z]+)\b", text
    ):
        assert name in retry_run_task.commands, name


def consoles() -> list[Any]:
    """Return each command of a console block with the output that stands below it."""
    found = []
    for page in PAGES:
        if ".github" in page.path.parts:
            continue  # what a person is to fill in
        if page.path.name in ("operations.md", "doctor.md", "install.md"):
            continue  # printed in the account of `local`: test_operations_page.py
        if page.path.name == "report.md":
            continue  # printed for a narrow terminal: test_report_page.py
        for block in page.blocks("console"):
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append(pytest.param(command, output, id=f"{page}: {command[:60]}"))
    return found


@pytest.mark.parametrize(("command", "output"), consoles())
def test_a_command_prints_what_the_page_shows(
    command: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "record.json").write_text(RECORD_PAGE.blocks("json")[0].text, encoding="utf-8")
    name, *arguments = shlex.split(command)
    assert name.removeprefix(".venv/bin/") == "retry-run-task"
    result = CliRunner().invoke(retry_run_task, arguments, catch_exceptions=False, env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert result.output.rstrip("\n") == output.rstrip("\n")


@functools.cache
def service(name: str) -> Any:
    return botocore.session.get_session().get_service_model(name)


# What the AWS CLI adds to the members of the API.
CLI_OPTIONS = {"region", "cli-input-json", "query", "output", "profile", "cli-binary-format", "zip-file"}
# Commands of the AWS CLI that are no operation of an API.
CLI_COMMANDS = {("logs", "tail"), ("cloudformation", "deploy"), ("cloudformation", "package")}


@each_page
def test_aws_commands_name_operations_and_options_that_aws_has(page: Page) -> None:
    for line in page.lines_of_shell():
        words = shlex.split(line, comments=True)
        if not words or words[0] != "aws" or tuple(words[1:3]) in CLI_COMMANDS:
            continue
        model = service(words[1])
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        assert words[2] in operations, line
        shape = model.operation_model(operations[words[2]]).input_shape
        options = {xform_name(name, "-") for name in shape.members} | CLI_OPTIONS
        used = {word[2:] for word in words[3:] if word.startswith("--")}
        assert used <= options, line
        # create-function takes its code from --zip-file; a file of parameters has all of them.
        required = {xform_name(name, "-") for name in shape.required_members if name != "Code"}
        assert "cli-input-json" in used or required <= used, line


# Samples.


@each_page
def test_samples_can_be_read(page: Page) -> None:
    for block in page.blocks("json"):
        json.loads(block.text)
    for block in page.blocks("python"):
        ast.parse(block.text)


@each_page
def test_every_block_says_what_language_it_is(page: Page) -> None:
    assert all(block.language for block in page.blocks())


def test_the_record_by_hand_is_a_failed_launch_in_scope_with_exactly_its_parameters() -> None:
    record = json.loads(RECORD_PAGE.blocks("json")[0].text)
    assert not {"eventID", "eventSource", "userIdentity"} & set(record)
    (launch,) = sources.parse(awslogs(record))
    assert isinstance(launch, FailedLaunch)
    assert launch.caller.kind is CallerKind.HAND_MADE
    assert Scope().judge(launch).decision is ScopeDecision.RECOVER
    assert isinstance(launch.request, Request)
    assert dict(launch.request.parameters) == record["requestParameters"]
    assert matches(FILTER_PATTERN, json.dumps(record))


def test_the_filter_that_is_to_be_confirmed_is_ours_and_matches_what_the_page_says() -> None:
    page = Page(ROOT / "docs" / "unconfirmed.md")
    (words,) = [shlex.split(line) for line in page.lines_of_shell() if "test-metric-filter" in line]
    pattern = words[words.index("--filter-pattern") + 1]
    messages = words[words.index("--log-event-messages") + 1 :]
    assert pattern == FILTER_PATTERN
    assert "The first three match, the last does not." in page.prose
    assert [matches(pattern, message) for message in messages] == [True, True, True, False]


# Style.


@each_page
def test_a_line_of_prose_holds_one_sentence(page: Page) -> None:
    """So that a change of one sentence is a change of one line. Lists and tables are free to hold more."""
    for line in page.prose.splitlines():
        if line.startswith(("|", "-", "#", " ", "*", "`")) or re.match(r"\d+\. ", line):
            continue
        assert not re.search(r"[a-z)`][.?!] [A-Z]", line), line


@each_page
def test_no_page_speaks_of_a_machine_or_a_registry(page: Page) -> None:
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users)/|index-url|localhost:\d", page.text)
