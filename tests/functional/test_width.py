"""Whatever a command prints fits 80 and 120 columns, but for what cannot be broken: a command, an ARN, an address."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from retry_run_task.commands.local.account import Account
from retry_run_task.commands.main import retry_run_task
from retry_run_task.errors import RetryRunTaskError
from retry_run_task.text import one_line

COMMANDS = (
    "doctor",
    "deploy --dry-run",
    "deploy --dry-run --all",
    "status",
    "status data-export",
    "status usage-rollup",
    "replay --dry-run",
    "replay --gave-up --dry-run",
    "audit",
    "report",
    "policy show",
    "policy try",
    "policy check",
    "explain --reason RESOURCE:MEMORY",
    "help",
    "help deploy",
    # What is wrong is said in sentences, too.
    "status nightly",
    "stop nightly --reason over",
    "status --stack other",
    "verify --task-definition nightly --yes",
    "replay --since 1h --until 2h --dry-run",
    "pause data-export --reason once --yes",
    "resume --all --reason once --yes",
)
WIDTHS = (80, 120)


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    with Account(speed=600) as account:
        while "the night is over" not in account.lines.get(timeout=120).text:
            pass
        yield account.aws.environment()


def too_long(text: str, width: int) -> list[str]:
    """Return the lines that are over a width, and could have been broken."""
    return [
        line
        for line in text.splitlines()
        if len(line) > width
        # The first word that is not indented may be the label of a command.
        and not re.match(r"\s*(--\S+ )?\S+$|\s*([a-z ]+  )?(retry-run-task|aws) |\s*[a-z ]+  \S+$", line)
    ]


def printed(command: list[str], env: dict[str, str]) -> str:
    done = CliRunner().invoke(retry_run_task, command, env=env, standalone_mode=False)
    if done.exception is None:
        return done.output
    # What `main` prints of it is tested below.
    assert isinstance(done.exception, RetryRunTaskError), done.exception
    return done.output


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_wider_than_the_screen(command: str, width: int, env: dict[str, str]) -> None:
    text = printed(command.split(), env | {"COLUMNS": str(width)})
    assert too_long(text, width) == []
    assert text == "\n".join(map(one_line, text.split("\n")))


def in_terminal(arguments: list[str], width: int, env: dict[str, str]) -> str:
    """Run a command in a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | env
    command = [sys.executable, "-m", "retry_run_task", *arguments]
    with subprocess.Popen(
        command, env=environment | {"TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        out = b""
        try:
            while part := os.read(ours, 65536):
                out += part
        except OSError:  # Linux says so when the other end is closed.
            pass
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "arguments",
    [
        ["policy", "show"],
        ["explain", "no-such-file-" + "x" * 9 + " " + "of a name with blanks in it " * 4],
        [
            "deploy",
            "--yes",
            "--stack",
            "1 is no name of a stack, since it begins with a digit and has blanks",
        ],
    ],
    ids=["policy", "usage", "error"],
)
def test_in_a_terminal_it_is_as_wide_as_that(arguments: list[str], width: int, env: dict[str, str]) -> None:
    text = in_terminal(arguments, width, env)
    assert text.strip()
    assert too_long(text, width) == []
    assert max(map(len, text.splitlines())) > width - 30


def test_a_line_that_could_have_been_broken_would_be_found() -> None:
    assert too_long("Error: " + "one " * 20, 80)
    assert too_long("  hint      " + "one " * 20, 80)
    assert not too_long("  execution  arn:" + "x" * 90, 80)
    assert not too_long("  to end it    retry-run-task stop " + "x" * 60 + ' --reason "..."', 80)
