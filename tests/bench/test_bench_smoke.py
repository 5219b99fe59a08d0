"""The benchmark measures what it says it measures. Nothing here looks at how long anything takes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Import modules of the benchmark, which is no package, and forget them afterwards."""
    monkeypatch.syspath_prepend(BENCH)
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_its_records_are_as_long_as_cloudtrails_and_the_same_every_time(load):
    payloads = load("payloads")
    assert 2500 < payloads.record_bytes() < 3500
    assert payloads.event(3) == payloads.event(3)
    assert payloads.event(3) != payloads.event(3, seed=1)


@pytest.mark.parametrize(("mostly_others", "in_scope"), [(False, 40), (True, 2)])
def test_as_many_records_are_in_scope_as_the_table_says(load, capfd, mostly_others, in_scope):
    throughput = load("throughput")
    event = load("payloads").event(40, mostly_others=mostly_others)
    assert throughput.bare(event) == 40
    assert throughput.silent(event) == in_scope
    assert capfd.readouterr().out == ""


def test_it_gives_a_rate_for_every_mix_and_way_and_prints_nothing_else():
    """In a process of its own, as the benchmark runs it: the logger keeps the output that it found first."""
    command = [sys.executable, BENCH / "throughput.py", "--records", "40", "--rounds", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert (found["all_in_scope"]["taken_in"], found["mostly_others"]["taken_in"]) == (40, 2)
    for mix in ("all_in_scope", "mostly_others"):
        assert all(found[mix][f"{way}_records_per_s"] > 0 for way in ("logged", "silent", "bare"))


def test_peaks_are_of_the_process_that_is_asked_for(load):
    memory = load("memory")
    block = bytearray(b"x" * 64 * 1024**2)
    found = memory.measure(sizes=(1, 2000))
    assert len(block) < memory.peak_bytes()
    # A bare Python is a few MiB; this process and its block would be more than a hundred.
    assert 0 < found["bare_peak_mib"][0] < found["bare_peak_mib"][1] < 64
    assert found["intake_peak_mib"][0] < found["intake_peak_mib"][1]


def test_intake_makes_one_call_for_each_record_of_the_comparison(load, tmp_path):
    bench = load("door").Bench(tmp_path)
    for name in ("bare", "intake"):
        assert bench.first_call_ms(name) > 0
        assert bench.warm_ms(name, 3, times=2, skipped=1, rest_ms=0) > 0


def test_where_node_is_not_installed_it_says_so_in_one_line(load, monkeypatch, tmp_path):
    door = load("door")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(door.NotToBeHadError) as raised:
        door.measure(1, print)
    (_, line) = load("bench")._door({"not_measured": str(raised.value)})
    assert line.endswith("not measured; node and npm are missing; install with: apt-get install nodejs npm")


def test_imports_are_of_intake(load):
    found = load("startup").imports(rounds=0, most=1000)
    assert {"retry_run_task", "botocore", "(standard library)"} <= found["by_package_ms"].keys()
    assert "retry_run_task.handlers._intake" in found["by_module_ms"]
    assert "retry_run_task.handlers._recover" not in found["by_module_ms"]
    assert "aws_durable_execution_sdk_python" not in found["by_package_ms"]


def test_without_the_runtime_emulator_it_says_so_in_one_line(load):
    (_, line) = load("bench")._rie({"not_measured": "there is none for this machine"})
    assert line == "INIT in AWS's runtime emulator: not measured; there is none for this machine"


def test_growth_counts_the_launches_that_it_was_asked_for(load):
    small, large = load("growth").measure((10, 200))
    assert (small["launches"], large["launches"]) == (10, 200)
    assert small["recovered"] == 10
    assert 0 < small["calls"] < large["calls"]
    assert all(each["cpu_s"] > 0 and each["peak_mib"] > 10 for each in (small, large))
    assert all(each["times_bare"] > 1 for each in (small, large))


def test_a_resume_goes_over_all_that_was_done_and_does_nothing_again(load):
    resume = load("resume")
    found = resume.measure(hours=(0.5, 1), rounds=1)
    assert found["operations"][1] > found["operations"][0] > 50
    assert all(taken >= 0 for way in ("resume_ms", "bare_ms") for taken in found[way])
    history = resume.History(hours=0.1)
    resume._run(history, history.step, history.wait)
    before = list(history.operations)
    assert history.resume() == history.read() == len(before)
    assert history.operations == before
