"""``simulate``: what it prints, writes, refuses, and that a seed gives the same bytes in any process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from retry_run_task.commands.main import retry_run_task
from retry_run_task.simulate.peers import PEERS
from retry_run_task.simulate.scenarios import SCENARIOS
from support.records import record

QUICK = ("--launches", "20", "--schedules", "20", "--processes", "1")


def simulate(*arguments: str) -> str:
    result = CliRunner().invoke(retry_run_task, ["simulate", *arguments], standalone_mode=False)
    assert result.exception is None, result.exception
    assert result.return_value == 0
    return result.stdout


def in_a_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "retry_run_task", "simulate", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", **environment},
    )


def test_json_has_every_number_of_every_policy() -> None:
    found = json.loads(
        simulate("--json", "--compare", "--scenario", "agent", "--scenario", "misconfigured", *QUICK)
    )
    assert [scenario["name"] for scenario in found["scenarios"]] == ["agent", "misconfigured"]
    for scenario in found["scenarios"]:
        names = [policy["name"] for policy in scenario["policies"]]
        assert names[:2] == ["retry-run-task, EventBridge", "retry-run-task, Logs"]
        assert names[2:] == [*(peer.name for peer in PEERS), "the oracle"]
        for policy in scenario["policies"]:
            assert {
                "name",
                "launches",
                "recovered",
                "p50_s",
                "p95_s",
                "max_s",
                "calls_per_recovery",
                "peak_calls_per_s",
                "duplicates",
            } <= policy.keys()
            assert policy["launches"] == 20
    ours = found["scenarios"][0]["policies"][0]
    assert (ours["recovered"], ours["duplicates"]) == (20, 0)
    assert 0 <= ours["p50_s"] <= ours["p95_s"] <= ours["max_s"]
    futile = found["scenarios"][1]["policies"][0]
    assert futile["p50_s"] is futile["max_s"] is futile["calls_per_recovery"] is None


def test_a_crowd_is_through_later_the_longer_lambda_waits_before_it_resumes_one() -> None:
    arguments = ("--json", "--scenario", "zone-outage", "--path", "eventbridge", "--launches", "30")
    arguments += ("--schedules", "30", "--processes", "1", "--concurrency", "1")

    def ours(*more: str) -> Any:
        return json.loads(simulate(*arguments, *more))["scenarios"][0]["policies"][0]

    quick, slow = ours("--backoff", "0.2", "20"), ours("--backoff", "1", "300")
    assert quick["recovered"] == slow["recovered"] == 30
    assert quick["p95_s"] < slow["p95_s"]
    assert min(quick["throttled_invocations"], slow["throttled_invocations"]) > 30
    free = ours("--concurrency", "30")
    assert (free["throttled_invocations"], free["reads"] > free["operations"] / 4) == (0, True)
    assert free["p95_s"] < quick["p95_s"]
    assert ours("--concurrency", "30", "--others", "0.9")["throttled"] > free["throttled"]


def test_without_comparison_there_are_ours_and_the_oracle() -> None:
    (scenario,) = json.loads(simulate("--json", "--scenario", "rush", "--path", "logs", *QUICK))["scenarios"]
    assert [policy["name"] for policy in scenario["policies"]] == ["retry-run-task, Logs", "the oracle"]


def test_a_seed_gives_the_same_bytes_in_two_processes_and_another_seed_others() -> None:
    arguments = ("--json", "--compare", "--scenario", "brownout", "--scenario", "eni", *QUICK)
    first = in_a_process(*arguments, PYTHONHASHSEED="1")
    second = in_a_process(*arguments, "--processes", "2", PYTHONHASHSEED="2")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout
    assert first.stdout != in_a_process(*arguments, "--seed", "2").stdout


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_table_fits_its_terminal_and_cuts_nothing_off(columns: str) -> None:
    done = in_a_process("--compare", "--scenario", "lost-answers", *QUICK, COLUMNS=columns)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert "…" not in done.stdout
    for peer in PEERS:
        assert sum(line.startswith(peer.name) for line in lines) == 1
    assert ("unseen" in done.stdout) is (columns == "120")


def test_the_page_is_written_and_says_what_the_table_says(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    printed = simulate("--scenario", "agent", "--html", str(path), *QUICK)
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert printed.split(" recovers")[0].strip() == "A flapping agent: retry-run-task, EventBridge"
    assert '<h2>A flapping agent</h2><p class="lead">retry-run-task, EventBridge recovers' in page


def test_your_own_past(tmp_path: Path) -> None:
    path = tmp_path / "past.json"
    path.write_text(json.dumps({"Records": [record()]}), encoding="utf-8")
    printed = " ".join(simulate("--records", str(path)).split())
    assert "From the records: 1 failed launch in 1 place and 1 incident." in printed
    assert "Assumed: in each place capacity was away" in printed
    found = json.loads(simulate("--records", str(path), "--json"))
    assert [scenario["name"] for scenario in found["scenarios"]] == ["past"]
    assert found["scenarios"][0]["policies"][0]["recovered"] == 1
    assert found["assumed"][0].startswith("From the records")


@pytest.mark.parametrize(
    ("arguments", "content", "says"),
    [
        (("--scenario", "rain"), None, "There is no scenario 'rain'; there are short, zone-outage, rush,"),
        (("--launches", "0"), None, "0 is not in the range"),
        (("--schedules", "many"), None, "'many' is not a valid integer"),
        (("--path", "pigeon"), None, "'pigeon' is not one of"),
        (("--concurrency", "0"), None, "0 is not in the range"),
        (("--backoff", "1"), None, "'--backoff' requires 2 arguments"),
        (("--backoff", "0", "60"), None, "0.0 is not in the range"),
        (("--others", "1"), None, "1.0 is not in the range"),
        (("--calls-per-second", "0"), None, "0.0 is not in the range"),
        (
            ("--html", "/nowhere/page.html", "--scenario", "agent", *QUICK),
            None,
            "cannot be written: there is no folder /nowhere.",
        ),
        (("--records", "FILE"), "not json", "it is not JSON"),
        (("--records", "FILE"), b"\xff\xfe\xfa", "Not readable"),
        (("--records", "FILE"), "[]", "holds no failed launch that capacity would have helped"),
        (("--records", "FILE", "--scenario", "rush"), "[]", "either --records or --scenario"),
        (("--records", "absent.json"), None, "does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], content: Any, says: str
) -> None:
    path = tmp_path / "records.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = in_a_process(*(str(path) if a == "FILE" else a for a in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_it_with_130_and_no_trace_also_of_its_workers() -> None:
    command = [
        sys.executable,
        "-m",
        "retry_run_task",
        "simulate",
        "--launches",
        "10000000",
        "--processes",
        "2",
    ]
    # A group of its own, as a shell makes one: the terminal sends the signal to all of it.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 300
        while len(_children(process.pid)) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors.strip() == "Interrupted."


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def test_every_scenario_has_a_name_that_can_be_typed() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names) == 17
    assert all(name.replace("-", "").isalpha() and name.islower() for name in names)
    # A line may end within a name, after a hyphen.
    shown = "".join(CliRunner().invoke(retry_run_task, ["simulate", "--help"]).output.split())
    assert ",".join(names) in shown
