"""``local``: an account on this machine, in which every other command has something to say."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from importlib.resources import files
from queue import Empty
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from retry_run_task.commands.local.account import (
    BATCH,
    JOBS,
    MISSED,
    RETIRED,
    TOO_EARLY,
    Account,
    AccountLine,
)
from retry_run_task.commands.local.command import TO_TRY, UNSET, pasted
from retry_run_task.commands.main import retry_run_task
from retry_run_task.errors import ConfigError
from retry_run_task.local.ecs.tasks import Lifecycle
from support.aws_cli import call_of

COMMAND = [sys.executable, "-m", "retry_run_task", "local", "--port", "0"]
carries_what_it_deploys = pytest.mark.skipif(
    not files("retry_run_task.commands.deploy").joinpath("data", "lambda.zip").is_file(),
    reason="a source tree carries nothing to deploy",
)
SECRET = "not-for-your-eyes"
RECOVERED = ("nightly-report", "invoice-export", "search-index", "ledger-close")
GAVE_UP = ("event-report", RETIRED.name)


class Neighbour:
    """Somebody in another terminal.

    Attributes:
        told: What the first terminal shows.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.told: list[AccountLine] = []

    def wait_until(self, text: str) -> None:
        while not any(text in line.text for line in self.told):
            try:
                self.told.append(self.account.lines.get(timeout=120))
            except Empty:
                raise AssertionError(f"{text!r} is not told: {self.told}") from None

    def run(self, *arguments: str, code: int = 0) -> Result:
        env = self.account.aws.environment() | {"COLUMNS": "100"}
        result = CliRunner().invoke(retry_run_task, arguments, env=env, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        assert result.return_value == code, result.output
        assert SECRET not in result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def states(self) -> dict[str, str]:
        recoveries = self.json("status")["regions"][0]["recoveries"]
        return {one["schedule"]: one["state"] for one in recoveries}


@pytest.fixture(scope="module")
def here() -> Iterator[Neighbour]:
    """After the night; the tests go on with each other's account, as a person does."""
    with Account(speed=300) as account:
        one = Neighbour(account)
        one.wait_until("the night is over")
        # On a busy machine recoveries are behind their time, and end a little later.
        for job in RECOVERED:
            one.wait_until(f"{job}: recovered after")
        for job in GAVE_UP:
            one.wait_until(f"{job}: gave up")
        # From here on it is real time that passes.
        account.aws.ecs.lifecycle = Lifecycle(provisioning_for=timedelta(), pending_for=timedelta(seconds=1))
        yield one


def test_the_night_has_one_of_every_kind(here: Neighbour) -> None:
    states = here.states()
    assert states["data-export"] in ("waiting", "trying")
    assert {states[name] for name in GAVE_UP} == {"gave up"}
    assert {states[name] for name in RECOVERED} == {"recovered"}
    assert states.keys() <= {job.name for job in BATCH}
    assert "retry-run-task is installed" in " ".join(line.text for line in here.told)


def test_its_time_is_that_of_the_wall(here: Neighbour) -> None:
    text = here.run("status").stdout
    assert re.search(r"usage-rollup .* (2\d|3\d|4\d) min", text), text


def test_the_doctor_finds_what_is_wrong_and_nothing_else(here: Neighbour) -> None:
    (region,) = here.json("doctor", code=3)["regions"]
    found = {one["name"]: one["status"] for one in region["checks"]}
    assert {name for name, status in found.items() if status not in ("OK", "SKIP")} == {
        "hidden values",
        "task definitions",
    }
    assert {name for name, status in found.items() if status == "OK"} >= {
        "trail",
        "log group",
        "filter slot",
        "stack",
        "alarms",
        "concurrency",
    }
    assert {one["name"] for one in region["schedules"]} == {job.name for job in JOBS}


def test_replay_finds_what_failed_before_there_was_anybody(here: Neighbour) -> None:
    found = {one["schedule"]: one["start"] for one in here.json("replay", "--dry-run")["failures"]}
    assert [name for name, start in found.items() if start] == [TOO_EARLY.name]
    assert "policy cannot be read" not in here.run("replay", "--dry-run").output
    assert here.json("replay", "--yes")["started"] == 1
    assert TOO_EARLY.name in here.states()


def test_audit_finds_what_nothing_recorded(here: Neighbour) -> None:
    (region,) = here.json("audit", code=3)["regions"]
    results = {one["name"]: [run["result"] for run in one["runs"]] for one in region["schedules"]}
    assert results[MISSED.name] == ["missed"]
    assert [name for name, found in results.items() if "missed" in found] == [MISSED.name]
    assert region["not_read"] == []


def test_the_audit_of_its_stack_is_installed(here: Neighbour) -> None:
    """Else the plan of `deploy` shows what is not there."""
    aws = here.account.aws
    schedule = aws.described.stacks["retry-run-task"].parameters["AuditSchedule"]
    assert aws.schedules.rule("retry-run-task-audit").expression == schedule
    recover, _ = aws.functions.get("retry-run-task-recover")
    assert recover.environment["RETRY_RUN_TASK_QUIET_S"] == "3600"
    result = aws.functions.invoke("retry-run-task-audit", b"{}")
    assert result.error is None, result.payload


def test_the_report_tells_what_recoveries_did(here: Neighbour) -> None:
    found = here.json("report", "--since", "3h")
    jobs = {one["name"]: one for one in found["schedules"]}
    assert jobs["invoice-export"]["endings"] == {"started": 1}
    assert jobs["invoice-export"]["started_after_s"]["median"] > 60
    assert jobs[RETIRED.name]["endings"] == {"gave up": 1}
    assert found["cost"]["run_task_calls"] > 0
    assert [one["schedules"] for one in found["advice"] if one["kind"] == "fix"] == [[RETIRED.name]]


def test_a_recovery_can_be_held_and_let_go_and_ended(here: Neighbour) -> None:
    chosen = ("--schedule", "data-export", "--reason", "trying it out", "--yes")
    assert "paused: data-export" in here.run("pause", *chosen).stdout
    assert here.states()["data-export"] == "paused"
    assert "resumed: data-export" in here.run("resume", *chosen).stdout
    assert "stopped: data-export" in here.run("stop", *chosen).stdout
    assert here.states()["data-export"] == "stopped"


def test_verify_sees_a_task_start(here: Neighbour) -> None:
    done = here.json("verify", "--task-definition", "nightly-report", "--yes", "--poll-s", "0.2")
    assert (done["verified"], done["stages"][-1]["stage"]) == (True, "running")


def test_status_looks_again_and_again(here: Neighbour) -> None:
    text = here.run("status", "--watch", "--times", "2").stdout
    assert text.count("usage-rollup") == 2


@carries_what_it_deploys
def test_deploy_tells_what_it_would_do(here: Neighbour) -> None:
    same = here.json("deploy", "--dry-run")
    assert (same["status"], same["changes"]) == ("planned", [])
    assert same["policy"] == {"name": "built in", "source": "installed"}
    other = here.json("deploy", "--dry-run", "--stack", "other")
    assert {one["action"] for one in other["changes"]} == {"add"}


@carries_what_it_deploys
def test_what_is_only_told_cannot_be_changed(here: Neighbour) -> None:
    """There is no CloudFormation that would make or remove anything."""
    result = here.run("destroy", "--yes", "--now", code=1)
    assert "the local AWS does not have the operation DescribeStackEvents" in " ".join(result.output.split())


def test_each_command_to_try_is_one(here: Neighbour) -> None:
    for line in TO_TRY:
        name, *arguments = line.split()
        command = retry_run_task.commands[name]
        known = {option for one in command.params for option in one.opts}
        assert {one for one in arguments if one.startswith("--")} <= known


def test_a_port_that_is_taken_is_one_sentence(here: Neighbour) -> None:
    port = int(here.account.aws.endpoint.rpartition(":")[2])
    with (
        pytest.raises(ConfigError, match=f"port {port} of this machine cannot be used"),
        Account(speed=60, port=port),
    ):
        pass


def test_every_command_of_its_messages_works_when_it_is_pasted(here: Neighbour) -> None:
    """Last, since it starts tasks and stops what is in progress."""
    env, done = here.account.aws.environment(), set()
    for published in here.account.aws.topics.published:
        for line in published.message.splitlines():
            found = re.match(r"- .*?: ((?:aws|retry-run-task) [a-z].*)", line)
            program, *words = shlex.split(found[1]) if found else ("",)
            if program == "aws":
                service, method, asked = call_of(words)
                client: Any = boto3.client(
                    service,  # type: ignore[call-overload]
                    endpoint_url=env["AWS_ENDPOINT_URL"],
                    region_name=words[words.index("--region") + 1],
                    aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
                )
                # As its message says: correct the cause, then start it by hand.
                is_wrong = method == "run_task" and RETIRED.name in (published.subject or "")
                with pytest.raises(ClientError, match="not found") if is_wrong else nullcontext():
                    getattr(client, method)(**asked)
            elif program:
                answer = 3 if words[0] == "audit" else 0
                here.run(*words, *(["--yes"] if words[0] in ("replay", "stop") else []), code=answer)
            done.add(" ".join([program, *words[:2]]) if program == "aws" else " ".join([program, *words[:1]]))
    assert done - {""} >= {"retry-run-task status", "retry-run-task stop", "aws events list-rules"}


# The process.


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_it_says_what_to_paste_and_ends_in_peace(ended_by: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        told = json.loads(one.stdout.readline())
        assert told["environment"]["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
        one.send_signal(ended_by)
        rest, talk = one.communicate(timeout=120)
    assert (one.returncode, rest, talk) == (0, "", "")


def test_what_is_pasted_leads_nowhere_else_whatever_was_set() -> None:
    lines = pasted({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_CONFIG_FILE": "/dev/null"})
    script = "\n".join([*(f"export {name}=mine" for name in UNSET), *lines, "env"])
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    after = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert not set(UNSET) & set(after)
    assert after["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_a_reader_that_has_gone_ends_it() -> None:
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as one:
        assert one.stdout is not None
        lines = [one.stdout.readline() for _ in range(12)]
        one.stdout.close()
        assert one.wait(timeout=120) == 0
        assert one.stderr is not None
        assert one.stderr.read() == ""
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in "".join(lines)
