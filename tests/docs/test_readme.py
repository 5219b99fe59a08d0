"""The README's commands work, and what it shows is what they print by default."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from xml.etree import ElementTree as ET

import click
import pytest

from docs.markdown_pages import ROOT, Page
from retry_run_task.commands.demo.midnight import JOBS
from retry_run_task.commands.main import retry_run_task
from retry_run_task.simulate.launches import LATENESS
from retry_run_task.simulate.peers import Way

README, JAPANESE = Page(ROOT / "README.md"), Page(ROOT / "README.ja.md")
PICTURE = ROOT / "docs/images/how-it-works.svg"
WORDS_MAX = 1000
COLUMNS_MAX = 80
# Faster than by default, and slow enough for first attempts while there is no capacity.
SPEED = "120"


def drawing(page: Page) -> list[str]:
    (block,) = [b for b in page.blocks("text") if "-->" in b.text]
    return block.text.splitlines()


def demo_lines(page: Page) -> list[str]:
    (block,) = [b for b in page.blocks("text") if " launches failed: " in b.text]
    return [line for line in block.text.splitlines() if line]


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(README.text.split()) <= WORDS_MAX


def test_what_it_is_and_its_status_come_before_everything_else() -> None:
    for page, status in (
        (README, "not yet run in an AWS account"),
        (JAPANESE, "AWS アカウントでの稼働実績は"),
    ):
        _, what, second, *_ = (line for line in page.text.splitlines() if line)
        assert "ECS" in what
        assert second.startswith("**")
        assert status in second


def test_the_two_commands_for_a_clone_come_first_and_exactly_as_a_person_types_them() -> None:
    first = README.blocks("sh")[0].text
    assert first == "git clone ADDRESS retry-run-task && cd retry-run-task\nmake demo\nmake test\n"


def test_ci_runs_the_command_that_the_readme_gives_everybody() -> None:
    for path in (".ci/run", ".github/workflows/ci.yml"):
        assert re.search(r"^[\s-]*(run: )?make test\b", (ROOT / path).read_text(), re.MULTILINE), path


COMMANDS = [
    line
    for line in [*README.lines_of_shell(), *README.spans()]
    if re.match(r"(\.venv/bin/)?retry-run-task ", line)
]


def parsed(line: str) -> click.Context:
    """Parse a command, and do not run it."""
    _, name, *arguments = shlex.split(line)
    parent = retry_run_task.make_context("retry-run-task", [name])
    return retry_run_task.commands[name].make_context(name, arguments, parent=parent)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_with_these_options(line: str) -> None:
    assert parsed(line).info_name in line


def test_a_wrong_option_would_be_found() -> None:
    assert len(COMMANDS) > 3
    with pytest.raises(click.NoSuchOption):
        parsed("retry-run-task deploy --notify a@example.com")


# The pictures.


def test_the_drawing_fits_a_terminal() -> None:
    assert max(map(len, drawing(README))) <= COLUMNS_MAX


def test_picture_and_drawing_show_the_same_things() -> None:
    root = ET.fromstring(PICTURE.read_text(encoding="utf-8"))
    texts = " ".join(text for text in root.itertext() if text.strip())
    assert "prefers-color-scheme" in texts
    assert not re.search(r"(href|src)=", PICTURE.read_text(encoding="utf-8"))
    for name in ("EventBridge", "RunTask", "ECS", "failures[]", "CloudTrail", "intake", "recover", "SNS"):
        assert name in texts, name
        assert name in "\n".join(drawing(README)), name


# The demo.


def shape(line: str) -> str:
    """Return a line of the demo without what differs from night to night: times, numbers, which job, which subnet."""
    for job in sorted((job.name for job in JOBS), key=len, reverse=True):
        line = re.sub(rf"\b{job}\b +", "JOB ", line + " ").rstrip()
    line = re.sub(r"subnet-\w\b", "SUBNET", line)
    line = re.sub(r"\d+ min( \d+ s)?|\d+(\.\d+)? s\b", "TIME", line)
    line = re.sub(r"\b1 attempt$", "N attempts", line)
    return re.sub(r"\d+", "N", line)


@pytest.fixture(scope="module")
def printed() -> list[str]:
    command = [sys.executable, "-m", "retry_run_task", "demo", "--speed", SPEED]
    # What runs the tests may have said how wide its terminal is.
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def test_each_line_of_the_demo_is_one_that_it_prints_by_default(printed: list[str]) -> None:
    shapes = {shape(line) for line in printed}
    for line in demo_lines(README):
        assert shape(line) in shapes, line
    assert demo_lines(JAPANESE) == demo_lines(README)


def test_what_every_night_has_in_common_is_as_printed(printed: list[str]) -> None:
    """How many fail, are recovered and are given up; the capacity; no duplicates."""
    for line in demo_lines(README):
        if " launches failed: " in line:
            assert line in printed
        if "       zone" in line:
            # A busy machine may be a second late.
            assert line[len("00:00:00") :] in {one[len("00:00:00") :] for one in printed}
        if " RunTask calls " in line:
            (total,) = [one for one in printed if " RunTask calls " in one]
            assert re.findall(r" (\d+ of \d+ tasks running, duplicates \d)", line) == re.findall(
                r" (\d+ of \d+ tasks running, duplicates \d)", total
            )


@pytest.mark.parametrize(
    "line",
    [
        "00:00:03  recover     health-ping     call 2 (each-subnet subnet-a): 1 starts",
        "00:05:01  recover     search-index    WELL AGAIN after 11 attempts",
        "23:59:59  AWS                         zone b runs out of Fargate capacity",
    ],
)
def test_a_line_that_the_demo_does_not_print_is_found(line: str, printed: list[str]) -> None:
    assert shape(line) not in {shape(one) for one in printed}


# What it says in numbers; more of them in test_numbers.py and test_costs.py.


def test_how_late_failures_come_is_what_the_simulator_takes() -> None:
    minutes = {way: LATENESS[way.value].mean_s / 60 for way in (Way.EVENTBRIDGE, Way.LOGS)}
    assert (
        "about a minute later through EventBridge, about five minutes later through a log group"
        in README.text
    )
    assert round(minutes[Way.EVENTBRIDGE]) == 1
    assert round(minutes[Way.LOGS]) == 5


def test_what_ecs_answers_is_read_as_a_failure_for_lack_of_capacity() -> None:
    answer = json.loads(README.blocks("json")[0].text)
    assert answer["tasks"] == []
    (failure,) = answer["failures"]
    assert failure["reason"].startswith("Capacity is unavailable at this time.")
