"""Ctrl-C at the k-th call to AWS of a command, for every k: exit code 130, no traceback, and what is said is so.

The server counts the calls and sends the signal while the command waits for the answer. What `deploy` and `destroy`
change is in test_interrupted.py, against an AWS that has stacks.
"""

from __future__ import annotations

import functools
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

from functional.test_operations import Place
from retry_run_task.commands.main import main
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.errors import AwsError
from retry_run_task.local.install import install
from retry_run_task.local.server import HttpRequest, HttpResponse
from support.canned import Canned

NOTHING = "Stack with id retry-run-task does not exist"


class Cut(Canned):
    """Interrupts the command at its k-th call, before AWS has it or after.

    Attributes:
        at: The k; 0 for none.
        seen: The calls so far.
    """

    at, seen, when = 0, 0, "after"
    place: Place

    def _serve(self, request: HttpRequest) -> HttpResponse:
        self.seen += 1
        if self.seen != self.at:
            return super()._serve(request)
        answer = super()._serve(request) if self.when == "after" else HttpResponse(status=503)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return answer


@pytest.fixture(scope="module")
def aws() -> Iterator[Cut]:
    """An account with an installation that is no stack, a recovery that waits, and a failure without a recovery."""
    start = datetime.now(UTC) - timedelta(hours=2)
    with Cut(LocalAws(speed=60, start=start, trail_delay=(2, 1), event_sources=("logs",))) as one:
        one.answers["cloudformation:DescribeStacks"] = AwsError("ValidationError", NOTHING, status=400)
        one.answers["s3:HeadBucket"] = HttpResponse(status=404)
        one.answers["iam:GetRole"] = AwsError("NoSuchEntity", "There is no such role", status=404)
        place = Place(one)
        one.place = place
        place.site.capacity(0)
        place.call()
        place.recorded(1)
        install(one.local)
        place.call()
        place.site.wait_for(place.site.recoveries)
        yield one


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read botocore's models once; each run has a session of its own, as a process has."""
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _, path: _load(path))


_load = functools.cache(JSONFileLoader().load_file)


@pytest.fixture(autouse=True)
def ctrl_c(aws: Cut, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a process has that a shell starts; pytest-xdist's workers ignore the signal."""
    monkeypatch.chdir(tmp_path)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(aws: Cut, monkeypatch: pytest.MonkeyPatch, *command: str, at: int, when: str) -> int:
    """Run it as a shell would, and return how it ended."""
    aws.at, aws.seen, aws.when = at, 0, when
    monkeypatch.setattr(sys, "argv", ["retry-run-task", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    aws.at = 0
    return int(ended.value.code or 0)


DEPLOYS = pytest.mark.skipif(
    not files("retry_run_task.commands.deploy").joinpath("data", "lambda.zip").is_file(),
    reason="a source tree carries nothing to deploy",
)
READING = {
    "deploy --dry-run": ("deploy", "--dry-run"),
    "doctor": ("doctor",),
    "audit": ("audit", "--lookups-per-s", "1000"),
    "status": ("status",),
    "report": ("report", "--lookups-per-s", "1000"),
    "policy try": ("policy", "try"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=DEPLOYS) if one.startswith("deploy") else one for one in READING]
)
def test_while_it_only_looks(
    aws: Cut, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    last = "Interrupted; nothing was changed." if name.startswith("deploy") else "Interrupted."
    at = 1
    while run(aws, monkeypatch, *READING[name], at=at, when="after") == 130:
        said = capsys.readouterr()
        assert said.err.rstrip().rpartition("\n")[2] == last, (at, said.err)
        assert "Traceback" not in said.err
        at += 1
    assert aws.seen == at - 1
    assert at > 3


DONE = {"pause": "PAUSED", "resume": "RUNNING", "stop": "STOPPED"}


def test_replay_says_what_it_may_have_started(
    aws: Cut, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("replay", "--since", "12h", "--lookups-per-s", "1000", "--even-late", "--yes")
    before, at = _states(aws).keys(), 0
    for when in ("before", "after"):
        # The calls that only look are the same both times.
        at, is_told = max(at - 1, 0), False
        while not is_told:
            at += 1
            assert _states(aws).keys() == before, (at, when)
            assert run(aws, monkeypatch, *command, at=at, when=when) == 130
            said = capsys.readouterr().err
            assert ("Traceback" in said, said.rstrip().endswith("Interrupted.")) == (False, True), (at, said)
            is_told = "Started 0 of 1 recovery, and perhaps the next; running it again starts" in said
    # Only the last call, once AWS has it, has started something.
    assert len(_states(aws).keys() - before) == 1


@pytest.mark.parametrize(("action", "when"), [("pause", "after"), ("resume", "after"), ("stop", "before")])
def test_who_steers_recoveries_is_told_how_far_it_came(
    aws: Cut, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str, when: str
) -> None:
    known = len(aws.place.site.recoveries())
    aws.place.call()
    aws.place.site.wait_for(lambda: len(aws.place.site.recoveries()) > known)
    if action == "resume":
        assert run(aws, monkeypatch, "pause", "--all", "--reason", "x", "--yes", at=0, when=when) == 0
        capsys.readouterr()
    at, done, state = 1, 0, _states(aws)
    while run(aws, monkeypatch, action, "--all", "--reason", "x", "--yes", at=at, when=when) == 130:
        said = capsys.readouterr().err
        assert ("Traceback" in said, said.rstrip().endswith("Interrupted.")) == (False, True), (at, said)
        is_told = f" to {action}, and perhaps the next; run it again for the others" in said
        # A recovery that has just begun is not of this run.
        is_done = any(now == DONE[action] != state.get(name, now) for name, now in _states(aws).items())
        assert is_told >= is_done, (at, said)
        done, state, at = done + is_told, _states(aws), at + 1
    assert done


def test_verify_says_that_its_record_stays(
    aws: Cut, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (
        "verify",
        "--task-definition",
        "nightly",
        "--cluster",
        "batch",
        "--subnet",
        "subnet-a",
        "--yes",
    )
    more = ("--log-group", aws.local.trail.log_group, "--timeout-s", "0", "--poll-s", "0.01")
    logs, group, count = aws.place.site.client("logs"), aws.local.trail.log_group, 0

    def written() -> int:
        found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix="retry-run-task-verify")
        return len(found["events"])

    first = 1
    for when in ("before", "after"):
        at, told = first, 0
        while run(aws, monkeypatch, *command, *more, at=at, when=when) == 130:
            said = capsys.readouterr().err
            is_told = "If the record was written, its recovery" in said
            assert ("Traceback" in said, said.rstrip().endswith("Interrupted.")) == (False, True), (at, said)
            assert is_told >= (written() != count), (at, said)
            first = first if told or not is_told else at
            told, count, at = told + is_told, written(), at + 1
        capsys.readouterr()
        count = written()
        assert told >= 2


def _states(aws: Cut) -> dict[str, str]:
    """Return the recoveries; a pause begins by itself once it was asked for."""
    found = aws.place.site.client("lambda").list_durable_executions_by_function(
        FunctionName="retry-run-task-recover"
    )
    return {
        one["DurableExecutionName"]: one["Status"].replace("PAUSING", "PAUSED")
        for one in found["DurableExecutions"]
    }
