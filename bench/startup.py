"""From the start of a process to its first call, on the local AWS, and what intake's import is made of.

A function's process is started by the first event that it gets, so "first RunTask" is the time from the event
to the call's arrival: for recover with the durable SDK and its runner between, for intake the call is Invoke.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import boto3
import payloads
from botocore.exceptions import ClientError

from retry_run_task.launch import wire
from retry_run_task.launch.values import FailedLaunch
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.ecs.service import TokenBucket
from retry_run_task.local.lambda_.functions import DurableConfig
from retry_run_task.sources import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_durable_execution_sdk_python_testing.execution import Execution

Json = dict[str, Any]

HERE = Path(__file__).parent
ZIP = HERE.parent / "build" / "lambda.zip"
HANDLERS = "retry_run_task.handlers"
TIMEOUT_S = 30


class Site:
    """A local AWS with functions that are started afresh for every measurement."""

    def __init__(self, aws: LocalAws, python_paths: dict[str, list[Path] | None]) -> None:
        """Create the functions: those to compare with, and ours once for each place to load them from.

        Args:
            aws: Where.
            python_paths: By the word for it; None for where this process has the package from.
        """
        self.aws = aws
        self._arrived = threading.Event()
        self._arrived_at = 0.0
        self._number = 0
        environment = aws.environment()
        self._lambda = boto3.client(
            "lambda",
            endpoint_url=aws.endpoint,
            region_name=aws.region,
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        aws.ecs.create_cluster("batch")
        aws.ecs.register_task_definition("nightly")
        for letter in "acd":
            aws.ecs.add_subnet(f"subnet-{letter}", f"{payloads.REGION}{letter}")
        aws.ecs.run_task_rate = TokenBucket(None)
        aws.ecs.on_call.append(lambda _: self._arrive())
        aws.functions.create("bare", "bare.run_task", python_path=[HERE], concurrency=1)
        sink = aws.functions.create("sink", "bare.nothing", python_path=[HERE], durable=DurableConfig())
        aws.durable.on_change.append(self._sank)
        for word, path in python_paths.items():
            # As in Lambda, where the code cannot be written beside: what has no bytecode is compiled at each start.
            environment = {
                "RETRY_RUN_TASK_RECOVER_FUNCTION": f"{sink.arn}:live",
                "PYTHONDONTWRITEBYTECODE": "1" if path else "",
            }
            for name, durable in (("intake", None), ("recover", DurableConfig())):
                aws.functions.create(
                    f"{name}-{word}",
                    f"{HANDLERS}.{name}",
                    environment=environment,
                    python_path=path,
                    durable=durable,
                    concurrency=1,
                )

    def script(self) -> float:
        """Return the seconds from the start of a bare script to its RunTask."""
        environment = {**os.environ, **self.aws.environment()}
        return self._time(
            lambda: subprocess.run([sys.executable, HERE / "bare.py"], env=environment, check=True)
        )

    def handler(self) -> float:
        """Return the same for a bare handler in a function's process."""
        return self._fresh("bare", lambda: self.aws.functions.deliver("bare", b"{}"))

    def intake(self, word: str) -> float:
        """Return the seconds from the first event of an intake process to its first Invoke."""
        event = json.dumps(payloads.event(1, seed=self._next()))
        return self._fresh(
            f"intake-{word}", lambda: self.aws.functions.deliver(f"intake-{word}", event.encode())
        )

    def recover(self, word: str) -> float:
        """Return the seconds from the start of an execution in a fresh recover process to its first RunTask."""
        number = self._next()
        payload = _launch(number)
        function, _ = self.aws.functions.get(f"recover-{word}")
        begun: list[str] = []

        def begin() -> None:
            begun.append(self.aws.durable.begin(function, f"bench-{number}", payload))

        seconds = self._time(begin)
        self._settle(function.name)
        # It may be watching its task by now, and would start another process for its next look.
        with contextlib.suppress(ClientError):
            self._lambda.stop_durable_execution(DurableExecutionArn=begun[0])
        self.aws.functions.kill(function.name)
        return seconds

    def _fresh(self, name: str, start: Callable[[], object]) -> float:
        seconds = self._time(start)
        self._settle(name)
        self.aws.functions.kill(name)
        return seconds

    def _time(self, start: Callable[[], object]) -> float:
        self._arrived.clear()
        began = time.perf_counter()
        start()
        if not self._arrived.wait(TIMEOUT_S):
            raise TimeoutError("the first call did not arrive")
        return self._arrived_at - began

    def _settle(self, name: str) -> None:
        # Killed in the middle of its answer, it would be invoked again, beside the next measurement.
        sandbox = self.aws.functions.sandbox(name)
        while sandbox.in_flight:
            time.sleep(0.005)

    def _arrive(self) -> None:
        if not self._arrived.is_set():
            self._arrived_at = time.perf_counter()
            self._arrived.set()

    def _sank(self, execution: Execution) -> None:
        if execution.start_input.function_name == "sink":
            self._arrive()

    def _next(self) -> int:
        self._number += 1
        return self._number


def _launch(number: int) -> bytes:
    """Return what intake would send to recover, for a task that the local AWS can place."""
    (launch,) = parse(payloads.event(1, seed=number))
    if not isinstance(launch, FailedLaunch):
        raise TypeError("the payload has no failed launch")
    body = wire.launch_to_json(launch)
    body["event_time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
    body["request"] |= {"taskDefinition": "nightly", "networkConfiguration": network}
    body["request"].pop("overrides")
    return wire.canonical(body).encode()


def measure(rounds: int, progress: Callable[[str], None]) -> Json:
    """Return medians in milliseconds, and how many times a bare script's time each takes. Kinds are interleaved."""
    with tempfile.TemporaryDirectory() as folder, LocalAws(region=payloads.REGION, event_sources=()) as aws:
        places: dict[str, list[Path] | None] = {"installed": None}
        if ZIP.exists():
            with zipfile.ZipFile(ZIP) as archive:
                archive.extractall(folder)
            places["zip"] = [Path(folder)]
        site = Site(aws, places)
        kinds: dict[str, Callable[[], float]] = {"bare_script": site.script, "bare_handler": site.handler}
        for word in places:
            kinds[f"intake_{word}"] = lambda word=word: site.intake(word)  # type: ignore[misc]
            kinds[f"recover_{word}"] = lambda word=word: site.recover(word)  # type: ignore[misc]
        seconds: dict[str, list[float]] = defaultdict(list)
        for nth in range(rounds + 1):
            progress(f"start-up, round {nth} of {rounds}")
            for kind, run in kinds.items():
                found = run()
                # The first round fills the page cache and writes bytecode.
                if nth:
                    seconds[kind].append(found)
    script = seconds["bare_script"]
    return {
        "rounds": rounds,
        "ms": {kind: round(median(found) * 1000) for kind, found in seconds.items()},
        "times_bare_script": {
            kind: round(median(mine / its for mine, its in zip(found, script, strict=True)), 2)
            for kind, found in seconds.items()
        },
    }


_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def imports(rounds: int, most: int = 10) -> Json:
    """Return what takes longest while intake is imported, in milliseconds of its own: modules, and packages."""
    own: dict[str, list[int]] = defaultdict(list)
    command = [sys.executable, "-X", "importtime", "-c", f"from {HANDLERS} import intake"]
    for _ in range(rounds + 1):
        done = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
        for microseconds, module in _IMPORT.findall(done.stderr):
            own[module].append(int(microseconds))
    # Without the first round, which may have written bytecode.
    modules = {module: median(found[1:] or found) / 1000 for module, found in own.items()}
    packages: dict[str, float] = defaultdict(float)
    for module, ms in modules.items():
        packages[_package(module)] += ms
    return {
        "total_ms": round(sum(modules.values())),
        "modules": len(modules),
        "by_package_ms": _heaviest(packages, most),
        "by_module_ms": _heaviest(modules, most),
    }


def _package(module: str) -> str:
    top = module.split(".", maxsplit=1)[0]
    return "(standard library)" if top in sys.stdlib_module_names else top


def _heaviest(ms: dict[str, float], most: int) -> dict[str, float]:
    return {name: round(ms[name], 1) for name in sorted(ms, key=ms.__getitem__, reverse=True)[:most]}


if __name__ == "__main__":
    print(
        json.dumps(measure(5, lambda text: print(text, file=sys.stderr)) | {"imports": imports(3)}, indent=1)
    )
