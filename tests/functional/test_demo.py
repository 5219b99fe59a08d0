"""The demo is the whole system; what it prints is what happened."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "retry_run_task", "demo"]


# What runs the tests may have said how wide its terminal is.
FREE = {name: value for name, value in os.environ.items() if name != "COLUMNS"}


def run(*arguments: str, width: int | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    env = FREE | ({"COLUMNS": str(width)} if width else {})
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=300, env=env, **options
    )


def test_json_is_one_object_and_nothing_else() -> None:
    done = run("--json", "--speed", "300")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert done.stderr == ""
    assert result["launches"] == 11
    assert result["recovered"] == 9
    assert result["gave_up"] == 2
    assert result["duplicates"] == 0
    assert result["run_task_calls"] >= result["recovered"]
    # What was refused and what has no task definition any more does not run; everything else does.
    assert result["tasks_running"] == result["tasks_asked_for"] - 2
    assert {fate["outcome"] for fate in result["outcomes"]} >= {"recovered", "refused", "permanent"}
    assert result["messages"] == 2


def test_in_a_file_it_is_plain_lines_in_order_of_time() -> None:
    # As fast as on a machine that has no time for it: the outage lasts until an attempt has met it.
    done = run("--speed", "1000")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    times = [line[:8] for line in done.stdout.splitlines() if line[2:3] == line[5:6] == ":"]
    # The first task is due a minute before midnight.
    assert times == sorted(times, key=lambda time: (time < "12", time))
    assert len(times) > 20
    for words in (
        "zones a and c run out of Fargate capacity",
        "RunTask: 2 of 3 started",
        "starts a recovery",
        "next attempt in",
        "RECOVERED after",
        "GAVE UP (refused)",
        "GAVE UP (permanent)",
        "the task did not start. Timeout waiting for network interface",
        "duplicates 0",
    ):
        assert words in done.stdout
    # ECS reports a task that did not start in every state until it is stopped.
    assert done.stdout.count("the task did not start.") == 1
    assert "not-for-your-eyes" not in done.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal_and_breaks_no_word(width: int) -> None:
    done = run("--speed", "300", width=width)
    assert done.returncode == 0, done.stderr
    long = [line for line in done.stdout.splitlines() if len(line) > width]
    # Addresses and commands are for copying; the message has some.
    assert all(len(line.split()) == 1 or line.split()[0] in ("retry-run-task", "aws") for line in long), long
    commands = [
        shlex.split(line) for line in done.stdout.splitlines() if re.match(" +(aws|retry-run-task) ", line)
    ]
    assert [command[:2] for command in commands] == [["retry-run-task", "status"], ["aws", "ecs"]]
    assert json.loads(commands[1][-1])["taskDefinition"] == "usage-rollup"
    # No line says as much about another as that would.
    assert not re.search(r"\b1 lines? ", done.stdout)
    assert "a duplicate is a task more than its job" in " ".join(done.stdout.split())


def test_a_reader_that_has_gone_ends_it_at_once_and_in_silence() -> None:
    # So slow that the night would outlast the test.
    slowly = [*COMMAND, "--speed", "10"]
    with subprocess.Popen(slowly, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "EventBridge" in line:
                break
        children = _children(demo.pid)
        demo.stdout.close()
        assert demo.wait(timeout=120) == 0
        assert demo.stderr is not None
        assert demo.stderr.read() == ""
    assert not [child for child in children if _is_alive(child)]


def test_interrupted_it_says_so_and_leaves_no_process_behind() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "EventBridge" in line:
                break
        children = _children(demo.pid)
        assert children
        demo.send_signal(signal.SIGINT)
        _, talk = demo.communicate(timeout=120)
    assert demo.returncode == 130
    assert talk.strip() == "Interrupted."
    assert not [child for child in children if _is_alive(child)]


@pytest.mark.parametrize("speed", ["0", "-1", "1001", "fast"])
def test_a_speed_that_is_none_is_refused(speed: str) -> None:
    done = run("--speed", speed)
    assert done.returncode == 2
    assert "--speed" in done.stderr
    assert done.stdout == ""


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(number) for number in listed.stdout.split()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
