"""INIT as Lambda's own runtime would take it: the built zip in AWS's runtime emulator, with AWS's runtime client.

The emulator ships inside the aws-sam-cli wheel; it is fetched into build/rie with the versions and hashes of
requirements/rie.txt. Lambda's processors are slower and it unpacks the zip first: compare, do not quote.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

HERE = Path(__file__).parent
ROOT = HERE.parent
ZIP = ROOT / "build" / "lambda.zip"
CACHE = ROOT / "build" / "rie"
REQUIREMENTS = ROOT / "requirements" / "rie.txt"

# By handler: the bare one comes from this folder, ours from the zip.
HANDLERS = {
    "bare": "bare_client.handler",
    "intake": "retry_run_task.handlers.intake",
    "recover": "retry_run_task.handlers.recover",
}
_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class NotToBeHadError(Exception):
    """The emulator cannot be had here; the message says why."""


def measure(rounds: int, progress: Callable[[str], None]) -> Json:
    """Return medians of INIT in milliseconds, and how many times the bare handler's each is.

    Raises:
        NotToBeHadError: There is no emulator for this machine, it could not be fetched, or there is no zip.
    """
    if not ZIP.exists():
        raise NotToBeHadError("build/lambda.zip is not there; make it with: make bundle")
    progress("runtime emulator: fetch it, or find it in build/rie")
    emulator = _fetch()
    found: dict[str, list[float]] = {name: [] for name in HANDLERS}
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(ZIP) as archive:
            archive.extractall(folder)
        for nth in range(rounds + 1):
            progress(f"runtime emulator, round {nth} of {rounds}")
            for name, handler in HANDLERS.items():
                ms = _init_ms(emulator, handler, Path(folder))
                if nth:
                    found[name].append(ms)
    return {
        "rounds": rounds,
        "init_ms": {name: round(median(values)) for name, values in found.items()},
        "times_bare": {
            name: round(median(mine / its for mine, its in zip(values, found["bare"], strict=True)), 2)
            for name, values in found.items()
        },
    }


def _fetch() -> Path:
    machine = _MACHINES.get(platform.machine().lower())
    if sys.platform != "linux" or machine is None:
        raise NotToBeHadError(f"there is no runtime emulator for {sys.platform} on {platform.machine()}")
    emulator = CACHE / f"aws-lambda-rie-{machine}"
    # Written last, so that what was broken off is begun again.
    done = CACHE / "requirements.txt"
    wanted = REQUIREMENTS.read_bytes()
    if not done.exists() or done.read_bytes() != wanted:
        target = CACHE / f"python{sys.version_info.major}.{sys.version_info.minor}"
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--upgrade"]
        command += ["--target", str(target), "--requirement", str(REQUIREMENTS)]
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if ran.returncode:
            last = ran.stdout.strip().splitlines()[-1:] or ["no reason given"]
            raise NotToBeHadError(f"pip could not install requirements/rie.txt: {last[0]}")
        emulator.write_bytes((target / "samcli" / "local" / "rapid" / emulator.name).read_bytes())
        emulator.chmod(0o755)
        done.write_bytes(wanted)
    return emulator


def _init_ms(emulator: Path, handler: str, task: Path) -> float:
    runtime = CACHE / f"python{sys.version_info.major}.{sys.version_info.minor}"
    ports = _free_ports(2)
    environment = {
        "PATH": os.defpath,
        "HOME": str(task),
        "LAMBDA_TASK_ROOT": str(task),
        # /var/task cannot be written to: what comes without bytecode is compiled at every start.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (task, HERE, runtime, Path(boto3.__file__).parents[1]))),
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "AWS_REGION": "ap-northeast-1",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "RETRY_RUN_TASK_RECOVER_FUNCTION": "recover:live",
    }
    # Both addresses have to be named: by themselves it listens to the whole network.
    command = [str(emulator), "--runtime-interface-emulator-address", f"127.0.0.1:{ports[0]}"]
    command += [
        "--runtime-api-address",
        f"127.0.0.1:{ports[1]}",
        sys.executable,
        "-m",
        "awslambdaric",
        handler,
    ]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=task, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _invoke(process, ports[0])
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        text = output.read()
    reported = _INIT.search(text)
    if reported is None:
        raise NotToBeHadError(f"the emulator reported no INIT for {handler}: {text[-500:]!r}")
    return float(reported[1])


def _invoke(process: subprocess.Popen[bytes], port: int) -> None:
    """Send one event, whose answer is of no interest: the emulator starts the runtime for it."""
    deadline_s = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline_s:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", b"{}")
            connection.getresponse().read()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
        finally:
            connection.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


if __name__ == "__main__":
    print(json.dumps(measure(5, lambda text: print(text, file=sys.stderr))))
