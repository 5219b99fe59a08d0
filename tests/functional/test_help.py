"""How the commands are found: by their groups, by ``help``, and with one table of exit codes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from retry_run_task import __version__
from retry_run_task.commands.main import EXIT_CODES, GROUPS, retry_run_task


def run(*arguments: str, width: int = 80) -> Result:
    return CliRunner().invoke(retry_run_task, arguments, terminal_width=width)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_each_command_stands_in_one_group_with_its_whole_sentence(width: int) -> None:
    text = run("--help", width=width).output
    words = " ".join(text.split())
    names = [one.name for _, commands in GROUPS for one in commands]
    assert sorted(names) == sorted(retry_run_task.commands)
    for heading, commands in GROUPS:
        assert f"\n{heading}:\n" in text
        for one in commands:
            assert f"{one.name} {one.get_short_help_str(limit=1000)}" in words
    assert "..." not in words.partition("Options")[2]
    assert max(map(len, text.splitlines())) <= width


def test_the_exit_codes_stand_there() -> None:
    text = " ".join(run("--help").output.split())
    assert [code for code, _ in EXIT_CODES] == [0, 1, 2, 3, 130]
    for code, meaning in EXIT_CODES:
        assert f"{code} {meaning}" in text


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (("help",), ("--help",)),
        (("help", "demo"), ("demo", "--help")),
        (("help", "policy", "check"), ("policy", "check", "-h")),
    ],
)
def test_help_is_a_command_too(asked: tuple[str, ...], same: tuple[str, ...]) -> None:
    assert (run(*asked).output, run(*asked).exit_code) == (run(*same).output, 0)


@pytest.mark.parametrize("names", [("demmo",), ("policy", "chek"), ("demo", "more")])
def test_help_of_what_there_is_not(names: tuple[str, ...]) -> None:
    found = run("help", *names)
    assert found.exit_code == 2
    assert f"There is no command {' '.join(names)!r}." in found.output


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_the_version(option: str) -> None:
    assert run(option).output == f"retry-run-task, version {__version__}\n"


@pytest.mark.parametrize("shown", ["--stop-hanging-tasks [true|false]", "[1|3|5|...|3653]", "--callers LIST"])
def test_deploy_shows_the_choices_of_an_option(shown: str) -> None:
    assert shown in run("deploy", "--help").output


def test_a_shell_completes_commands_and_choices() -> None:
    def completed(line: str) -> str:
        asked = {
            "_RETRY_RUN_TASK_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        }
        program = "from retry_run_task.commands.main import main; main()"
        found = subprocess.run(
            [sys.executable, "-c", "import sys; sys.argv[0] = 'retry-run-task'\n" + program],
            env=os.environ | asked,
            capture_output=True,
            text=True,
            check=False,
        )
        return found.stdout

    assert "plain,status" in completed("retry-run-task sta")
    assert "plain,FARGATE" in completed("retry-run-task verify --launch-type F")
    assert completed("retry-run-task deploy --stop-hanging-tasks t") == "plain,true\n"
    assert completed("retry-run-task simulate --scenario zo") == "plain,zone-outage\n"
    assert completed("retry-run-task deploy --role-path /") == "\n"
