"""MiniStack, as a process: the CloudFormation, S3, IAM, Logs, EventBridge and Lambda of the tests.

It lives in an environment of its own, .venv-ministack, because it pins another botocore than the package needs.
Tests reach it over HTTP on loopback, as any AWS client would.
https://pypi.org/project/ministack/
"""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-ministack" / "bin" / "python"
REGION = "ap-northeast-1"
ACCOUNT = "000000000000"

_START_S = 120.0

# Its alarms know no arithmetic on metrics, and it refuses a stack for that. Such an alarm is taken as one on the
# alarm's own name, which is all that is looked at here; the alarms themselves are tested as text.
# In conditions it knows no Fn::Join: one of a parameter with nothing between is the parameter's text.
# And what is to fail, since it is more lenient than AWS: the alarm that the file `broken` names.
_PROGRAM = """
from pathlib import Path

from ministack.app import main
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

plain = provisioners._cw_metric_alarm_record


def record(name, properties):
    if Path("broken").exists() and Path("broken").read_text() == name:
        raise ValueError("this alarm was made to fail.\\nIt is a test")
    if properties.get("Metrics"):
        left = {key: value for key, value in properties.items() if key != "Metrics"}
        properties = {"Namespace": "arithmetic", "MetricName": name, "Period": 300, "Statistic": "Sum", **left}
    return plain(name, properties)


provisioners._cw_metric_alarm_record = record

evaluate = engine._evaluate_conditions


def unjoined(value):
    if isinstance(value, dict):
        return value["Fn::Join"][1] if value.keys() == {"Fn::Join"} else {k: unjoined(v) for k, v in value.items()}
    return [unjoined(one) for one in value] if isinstance(value, list) else value


def conditions(template, params):
    return evaluate({**template, "Conditions": unjoined(template.get("Conditions", {}))}, params)


for module in (changesets, engine, handlers, stacks):
    if hasattr(module, "_evaluate_conditions"):
        module._evaluate_conditions = conditions
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniStack:
    """One that is running.

    Attributes:
        endpoint: Its URL.
        folder: Where it writes.
    """

    endpoint: str
    folder: Path

    @functools.cache  # noqa: B019 - it lives as long as the tests that use it
    def client(self, service: str, region: str = REGION) -> Any:
        """Return a boto3 client that speaks to it and never retries."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            # A bucket's name in the path, since no DNS knows it on this machine.
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def environment(self, region: str = REGION, endpoint: str | None = None) -> dict[str, str]:
        """Return the environment of a command that is to take this for AWS.

        Args:
            region: Where it works.
            endpoint: What it speaks to instead, such as something that passes calls on to this.
        """
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def break_alarm(self, name: str) -> None:
        """Let the creation of an alarm, and any change of it, fail until it is mended."""
        (self.folder / "broken").write_text(name)

    def mend(self) -> None:
        """Let everything succeed again."""
        (self.folder / "broken").unlink(missing_ok=True)

    def reset(self) -> None:
        """Make it empty and whole."""
        self.mend()
        request = urllib.request.Request(f"{self.endpoint}/_ministack/reset", method="POST")
        with urllib.request.urlopen(request, timeout=60):
            pass


@contextmanager
def running(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[MiniStack]:
    """Start one, on a free port of the loopback interface, and end it.

    Args:
        folder: Where it may write, and where its log is.
        settings: Further variables of its environment.
    """
    if not PYTHON.exists():
        pytest.fail(
            f"{PYTHON.relative_to(ROOT)} is missing. Install it with: make .venv-ministack/.installed",
            pytrace=False,
        )
    port = _free_port()
    # Nothing of this environment goes in: its functions would inherit credentials.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "DOCKER_HOST": "unix:///nonexistent",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "NO_PROXY": "127.0.0.1",
        **(settings or {}),
    }
    log = folder / "ministack.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PYTHON, "-c", _PROGRAM],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_it_listens(process, port, log)
            yield MiniStack(endpoint=f"http://127.0.0.1:{port}", folder=folder)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # The whole group, since its functions run in processes of their own.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait(60)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"MiniStack does not start:\n{log.read_text(errors='replace')}", pytrace=False)
        time.sleep(0.02)
