"""Intake beside the original handler: the same payloads, the same endpoint, the same run, each process in its turn.

The original is bench/original/index.mjs, in Node. It starts tasks where intake starts recoveries; both make one
call for each record. As a script it prints one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import payloads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]

HERE = Path(__file__).parent
ROOT = HERE.parent
ZIP = ROOT / "build" / "lambda.zip"
ORIGINAL = HERE / "original"
INSTALLED = ROOT / "build" / "original"

CALL_S = 0.02
ONE_RECORD = ("first_call", "warm_record", "hot_record")
MANY = 100
# About as many as one delivery holds: Lambda takes asynchronous events of up to 1 MB.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST = 3_000
FUNCTION_S = 300


_STARTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
_RAN = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 2\r\n\r\n{}"


class NotToBeHadError(Exception):
    """The original cannot be run here; the message says why."""


class Endpoint:
    """Answers every call after a while, and notes when the first one came."""

    def __init__(self) -> None:
        """Be reachable from now on."""
        self.delay_s = 0.0
        self.calls = 0
        self.first_at: float | None = None
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                self.first_at = self.first_at or time.perf_counter()
                self.calls += 1
                await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
                await asyncio.sleep(self.delay_s)
                writer.write(_STARTED if b"/invocations" in head else _RAN)
        writer.close()


class Bench:
    """Runs handlers, each time in a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Prepare.

        Args:
            folder: For payloads and results.
        """
        self._folder = folder
        self._endpoint = Endpoint()
        python = [sys.executable, str(HERE / "deliver.py")]
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {
            "original": (["node", str(INSTALLED / "deliver.mjs")], {"NODE_NO_WARNINGS": "1"}),
            "bare": ([*python, "bare_intake"], {}),
            "intake": ([*python, "retry_run_task.handlers"], {}),
        }
        if ZIP.exists():
            with zipfile.ZipFile(ZIP) as archive:
                archive.extractall(folder / "zip")
            # As in Lambda, where the code cannot be written beside: what has no bytecode is compiled at each start.
            own = {"PYTHONPATH": str(folder / "zip"), "PYTHONDONTWRITEBYTECODE": "1"}
            self._commands["intake_zip"] = (self._commands["intake"][0], own)

    @property
    def names(self) -> list[str]:
        """What can be run."""
        return list(self._commands)

    def first_call_ms(self, name: str) -> float:
        """Return the time from the start of a process to the arrival of its first call."""
        began, _ = self._run(name, 1, times=1)
        assert self._endpoint.first_at is not None
        return (self._endpoint.first_at - began) * 1000

    def warm_ms(
        self, name: str, records: int, *, times: int, skipped: int, rest_ms: int, call_s: float = 0
    ) -> float:
        """Return the median time of a delivery among so many to one process, without the first few."""
        _, took = self._run(name, records, call_s=call_s, times=times, rest_ms=rest_ms)
        return median(took[skipped:])

    def _run(
        self, name: str, records: int, *, times: int, call_s: float = 0, rest_ms: int = 0
    ) -> tuple[float, list[float]]:
        event, out = self._folder / f"{records}.json", self._folder / "took.json"
        if not event.exists():
            event.write_text(json.dumps(payloads.event(records)), encoding="ascii")
        command, own = self._commands[name]
        self._endpoint.delay_s, self._endpoint.first_at, self._endpoint.calls = call_s, None, 0
        began = time.perf_counter()
        subprocess.run(
            [*command, str(event), str(times), str(rest_ms), str(out)],
            env={**os.environ, **self._environment(), **own},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        if self._endpoint.calls != records * times:
            raise RuntimeError(
                f"{name} made {self._endpoint.calls} calls for {times} times {records} records"
            )
        return began, json.loads(out.read_bytes())

    def _environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self._endpoint.url,
            "AWS_REGION": payloads.REGION,
            "AWS_DEFAULT_REGION": payloads.REGION,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "RETRY_RUN_TASK_RECOVER_FUNCTION": "recover:live",
        }


def measure(rounds: int, progress: Callable[[str], None]) -> Json:
    """Return the least of the rounds in milliseconds, and how many times the original's each is.

    The least, since whatever else the machine does only adds, and not to all alike.

    Raises:
        NotToBeHadError: There is no Node here, or the original's packages cannot be installed.
    """
    _install(progress)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        rows: dict[str, Callable[[str], float]] = {
            "first_call": bench.first_call_ms,
            # The rests keep intake below its own pace of 200 starts a second.
            "warm_record": lambda name: bench.warm_ms(name, 1, times=11, skipped=1, rest_ms=10),
            "hot_record": lambda name: bench.warm_ms(name, 1, times=80, skipped=40, rest_ms=10),
            f"{MANY}_records": lambda name: bench.warm_ms(
                name, MANY, times=4, skipped=1, rest_ms=600, call_s=CALL_S
            ),
        }
        found: Json = {"rounds": rounds, "call_ms": CALL_S * 1000, "node": _node_version()}
        for row, run in rows.items():
            # The bare one makes its calls one after the other.
            names = [name for name in bench.names if name != "bare" or row in ONE_RECORD]
            taken: dict[str, list[float]] = {name: [] for name in names}
            for nth in range(rounds + 1):
                progress(f"{row.replace('_', ' ')} beside the original, round {nth} of {rounds}")
                for name in names:
                    ms = run(name)
                    # The first round fills the page cache and writes bytecode.
                    if nth:
                        taken[name].append(ms)
            found[row] = dict(_compared(taken))
        progress(f"{MOST} records in one payload")
        found["most"] = {
            "records": MOST,
            "seconds": round(
                bench.warm_ms("intake", MOST, times=1, skipped=0, rest_ms=0, call_s=CALL_S) / 1000, 1
            ),
            "of_s": FUNCTION_S,
        }
    return found


def _compared(taken: dict[str, list[float]]) -> Iterator[tuple[str, Json]]:
    for name, ms in taken.items():
        yield name, {"ms": round(min(ms), 1), "times_original": round(min(ms) / min(taken["original"]), 2)}


def _node_version() -> str:
    return subprocess.run(["node", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _install(progress: Callable[[str], None]) -> None:
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise NotToBeHadError(
            f"{' and '.join(missing)} {verb} missing; install with: apt-get install nodejs npm"
        )
    INSTALLED.mkdir(parents=True, exist_ok=True)
    wanted = (ORIGINAL / "package.json").read_bytes()
    # Written last, so that what was broken off is begun again.
    done = INSTALLED / "installed.json"
    for path in ORIGINAL.iterdir():
        shutil.copy(path, INSTALLED)
    if done.exists() and done.read_bytes() == wanted:
        return
    progress("install the original's packages into build/original")
    command = [
        "npm",
        "install",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--silent",
    ]
    ran = subprocess.run(
        command, cwd=INSTALLED, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ran.returncode:
        last = ran.stdout.strip().splitlines()[-1:] or ["no reason given"]
        raise NotToBeHadError(f"npm could not install bench/original/package.json: {last[0]}")
    done.write_bytes(wanted)


if __name__ == "__main__":
    print(json.dumps(measure(3, lambda text: print(text, file=sys.stderr))))
