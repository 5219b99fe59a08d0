"""The process that a Lambda function runs in, seen from both ends.

Run as a script it is the runtime: it loads the handler named by `_HANDLER` and speaks Lambda's
Runtime API, as AWS's own runtime interface client does
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). Imported, it gives `Process`,
which starts that script and watches it.

It uses the standard library only and nothing of this package, so that it can run a built zip that
does not contain it.

One process with several threads stands in for several sandboxes. Handlers therefore share module
state between invocations that run at the same time, which on Lambda they never do; and what ends
the process ends all its invocations.
"""

from __future__ import annotations

import ctypes
import http.client
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUNTIME_API = "/2018-06-01/runtime"
CLOCK_HEADER = "Local-Aws-Clock"
HTTP_OK = 200
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class Process:
    """A worker process, its output and its end."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        on_line: Callable[[str], object],
        on_exit: Callable[[int], object],
    ) -> None:
        """Start a worker.

        ``environment`` is the whole one. ``on_exit`` gets the exit status, negative for a signal, once all output is
        read.
        """
        self._environment = {**environment, "LOCAL_AWS_PARENT": str(os.getpid())}
        self._on_line, self._on_exit = on_line, on_exit
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._killed = False
        # Linux sends the worker its parent-death signal when the *thread* that started it ends,
        # so the thread that starts it is the one that stays until it is gone.
        self._thread = threading.Thread(target=self._run, name=f"local-aws-worker-{name}", daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Kill the process and everything it started, at once."""
        with self._lock:
            self._killed = True
            if self._child is not None and self._child.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._child.pid, signal.SIGKILL)

    def join(self, timeout_s: float) -> None:
        """Wait until the process is gone and its output is read."""
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            # -P keeps this file's directory, and so this package's modules, out of the worker's path.
            [sys.executable, "-P", __file__],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _run(self) -> None:
        with self._lock:
            try:
                child = self._child = None if self._killed else self._start()
            except OSError as error:
                child = None
                self._on_line(f"the process could not be started: {error}")
        if child is None:
            self._on_exit(-signal.SIGKILL)
            return
        with child:
            if child.stdout is None:
                raise RuntimeError("the worker has no output to read")
            for line in child.stdout:
                self._on_line(line.decode(errors="replace").rstrip("\n"))
        self._on_exit(child.returncode)


class _WholeLines(io.TextIOBase):
    """Standard output that keeps the lines of several threads whole."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = threading.local()

    def write(self, text: str, /) -> int:
        lines = getattr(self._pending, "text", "") + text
        whole, newline, self._pending.text = lines.rpartition("\n")
        if newline:
            self._emit(whole + newline)
        return len(text)

    def flush(self) -> None:
        """Do nothing: a line is written when it ends."""

    def finish(self) -> None:
        """End the line that this thread has begun."""
        if getattr(self._pending, "text", ""):
            self.write("\n")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def _emit(self, text: str) -> None:
        data = text.encode(errors="backslashreplace")
        while data:
            data = data[os.write(self._descriptor, data) :]


class _Context:
    """The handler's second argument.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    identity = None
    client_context = None
    tenant_id = None

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(_real_time() * 1000))


class _RuntimeApi:
    """One connection to the Runtime API. The process ends when it is lost."""

    def __init__(self) -> None:
        host, _, self._prefix = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
        self._connection = http.client.HTTPConnection(host)

    def call(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        try:
            self._connection.request(method, f"/{self._prefix}{RUNTIME_API}{path}", body)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            os._exit(0)
        if response.status >= HTTP_OK + 100:
            os._exit(0)
        return response.headers, answer


def _describe(error: BaseException, kind: str | None = None) -> bytes:
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    text = f"[ERROR] {type(error).__name__}: {error}\nTraceback (most recent call last):\n{''.join(frames)}"
    # One event in the log, as AWS's runtime writes it.
    sys.stdout.write(text.rstrip("\n").replace("\n", "\r") + "\n")
    described = {"errorMessage": str(error), "errorType": kind or type(error).__name__, "stackTrace": frames}
    return json.dumps(described).encode()


def _run_one(api: _RuntimeApi, handler: Callable[[Any, Any], Any]) -> None:
    headers, event = api.call("GET", "/invocation/next")
    if reading := headers[CLOCK_HEADER]:
        _tell_time(*json.loads(reading))
    context = _Context(headers)
    request_id, started_s = context.aws_request_id, time.perf_counter()
    sys.stdout.write(f"START RequestId: {request_id} Version: {context.function_version}\n")
    outcome = "response"
    try:
        result = handler(json.loads(event), context)
        try:
            answer = json.dumps(result).encode()
        except (TypeError, ValueError) as error:
            outcome, answer = "error", _describe(error, "Runtime.MarshalError")
    except Exception as error:  # noqa: BLE001 -- whatever a handler raises is the invocation's answer
        outcome, answer = "error", _describe(error)
    except BaseException as error:  # noqa: BLE001 -- SystemExit ends a sandbox on Lambda as well
        _describe(error)
        os._exit(1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _WholeLines):
            stream.finish()
    took_ms = (time.perf_counter() - started_s) * 1000
    sys.stdout.write(
        f"END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: {took_ms:.2f} ms\t"
        f"Billed Duration: {int(took_ms) + 1} ms\tMemory Size: {context.memory_limit_in_mb} MB\n"
    )
    api.call("POST", f"/invocation/{request_id}/{outcome}", answer)


def _serve(handler: Callable[[Any, Any], Any]) -> None:
    api = _RuntimeApi()
    while True:
        _run_one(api, handler)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the line above.
    if os.getppid() != int(os.environ["LOCAL_AWS_PARENT"]):
        os._exit(0)


# Time-outs are real, whatever the time that the handler sees.
_real_time = time.time


def _tell_time(zero_s: float, start_s: float, speed: float, fast_s: float) -> None:
    """Make this process's clock follow the local AWS's; its parameters are those of `Clock.reading`."""

    def now() -> float:
        real_s = time.monotonic() - zero_s
        return start_s + min(real_s, fast_s) * speed + max(0.0, real_s - fast_s)

    time.time = now


def main() -> None:
    """Load the handler and run invocations until the Runtime API is gone."""
    _die_with_parent()
    # Ctrl-C in a terminal is for the user's program, which then stops this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout, sys.stderr = _WholeLines(1), _WholeLines(2)
    module, _, attribute = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), attribute)
    except BaseException as error:  # noqa: BLE001 -- whatever loading raises is the function's init error
        _RuntimeApi().call("POST", "/init/error", _describe(error, f"Runtime.{type(error).__name__}"))
        os._exit(1)
    threads = [
        threading.Thread(target=_serve, args=(handler,), name=f"sandbox-{number}", daemon=True)
        for number in range(int(os.environ["LOCAL_AWS_CONCURRENCY"]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
