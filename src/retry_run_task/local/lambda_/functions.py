"""Lambda: functions, asynchronous invocation and its retries.

Each function runs in a process of its own (`sandbox`, `worker`), started when it is first needed.
Retries wait in virtual time; a function's timeout is in real seconds, because its code runs in
real time.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import retry_run_task
from retry_run_task.local.errors import AwsError
from retry_run_task.local.lambda_.sandbox import Invocation, InvocationResult, Sandbox
from retry_run_task.local.observers import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from retry_run_task.local.clock import Clock

# Virtual seconds before the second and the third attempt of an asynchronous invocation.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
ASYNC_RETRIES_S = (60.0, 120.0)
KEPT_FROM_HOST = ("PATH", "LD_LIBRARY_PATH", "LANG", "PYTHONDONTWRITEBYTECODE")
QUALIFIERS = (None, "$LATEST", "live", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableConfig:
    """Configuration of a durable function.

    https://docs.aws.amazon.com/lambda/latest/api/API_DurableConfig.html

    Attributes:
        execution_timeout: The longest an execution may take, with waits, in virtual time.
        retention_days: How long the name of an ended execution is remembered.
        allow_unqualified: Whether it may be invoked without version or alias, which AWS refuses.
    """

    execution_timeout: timedelta = timedelta(days=1)
    retention_days: int = 14
    allow_unqualified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that Lambda gave up, as in a dead-letter queue."""

    function: str
    payload: bytes
    error: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function as it was created."""

    name: str
    arn: str
    handler: str
    environment: Mapping[str, str]
    timeout_s: float = 60
    durable: DurableConfig | None = None
    concurrency: int = 8
    role_arn: str
    access_key: str
    python_path: str
    memory_mb: int = 256

    @property
    def version(self) -> str:
        """The version that runs. A durable function is invoked by alias or version, so it has one."""
        return "1" if self.durable else "$LATEST"

    @property
    def log_group(self) -> str:
        """The log group that its output goes to."""
        return f"/aws/lambda/{self.name}"


class Functions:
    """The functions of one account and Region. Each has one version, 1, and one alias, `live`.

    ``on_log`` is called with the function's name and each line it writes.
    """

    def __init__(self, clock: Clock, account: str, region: str) -> None:
        self.dead_letters: list[DeadLetter] = []
        self.on_dead_letter: list[Callable[[DeadLetter], object]] = []
        self.on_log: list[Callable[[str, str], object]] = []
        self.address = ""
        self._clock, self._account, self._region = clock, account, region
        self._functions: dict[str, Function] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._throttles: list[str | None] = []
        self._lock = threading.Lock()
        self._stopped = False

    def create(
        self,
        name: str,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        role_arn: str | None = None,
        python_path: Iterable[str | Path] | None = None,
        **values: Any,
    ) -> Function:
        """Create a function.

        ``handler`` is ``module.attribute``; ``timeout_s`` are the real seconds that one invocation may take,
        ``concurrency`` is how many run at a time (more wait). Without a ``role_arn`` it is named after the function;
        ``python_path`` is where its modules are, such as a built zip (None for where this package is).
        """
        path = python_path or [Path(retry_run_task.__file__).parents[1]]
        with self._lock:
            if name in self._functions:
                raise ValueError(f"the function {name!r} is there already")
            function = self._functions[name] = Function(
                name=name,
                arn=self._arn(name),
                handler=handler,
                environment=dict(environment or {}),
                role_arn=role_arn or f"arn:aws:iam::{self._account}:role/{name}",
                # Temporary credentials begin with ASIA:
                # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
                access_key=f"ASIALOCALAWS{len(self._functions):08d}",
                python_path=os.pathsep.join(str(part) for part in path),
                **values,
            )
            self._sandboxes[name] = Sandbox(
                name,
                function.timeout_s,
                self._clock,
                environment=lambda generation: self.environment(function, generation),
                on_line=lambda line: self._log(name, line),
            )
        return function

    def get(self, identifier: str, qualifier: str | None = None) -> tuple[Function, str | None]:
        """Return a function by name, partial or whole ARN, with or without a qualifier; and the qualifier.

        https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax
        """
        name, _, own = identifier.rpartition("function:")[2].partition(":")
        qualifier = own or qualifier
        function = self._functions.get(name)
        if function is None or qualifier not in QUALIFIERS:
            missing = f"{self._arn(name)}:{qualifier}" if qualifier else self._arn(name)
            raise AwsError("ResourceNotFoundException", f"Function not found: {missing}", 404)
        return function, qualifier

    def all(self) -> list[Function]:
        """Return every function, oldest first."""
        with self._lock:
            return list(self._functions.values())

    def by_access_key(self, key: str | None) -> Function | None:
        """Return the function whose role these credentials are of."""
        return next((function for function in self.all() if function.access_key == key), None)

    def sandbox(self, name: str) -> Sandbox:
        """Return the process of a function."""
        return self._sandboxes[name]

    def warm(self, timeout_s: float = 120.0) -> None:
        """Start every process and wait, in real seconds, until each has loaded its handler.

        Raises:
            RuntimeError: A handler could not be loaded.
            TimeoutError: It takes too long.
        """
        for sandbox in self._sandboxes.values():
            sandbox.start()
        for sandbox in self._sandboxes.values():
            sandbox.wait_until_ready(timeout_s)

    def kill(self, name: str) -> None:
        """Kill the function's process whatever it does; the next invocation starts another."""
        self._sandboxes[name].kill()

    def throttle_next(self, count: int, function: str | None = None) -> None:
        """Refuse the next calls of Invoke with `TooManyRequestsException`; for one function, or for any."""
        with self._lock:
            self._throttles.extend([function] * count)

    def check_throttle(self, name: str) -> None:
        """Raise if this call is one of those to refuse."""
        with self._lock:
            throttled = next((one for one in (name, None) if one in self._throttles), "")
            if throttled == "":
                return
            self._throttles.remove(throttled)
        reason = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}
        raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429, reason)

    def invoke(self, name: str, payload: bytes, qualifier: str | None = None) -> InvocationResult:
        """Run a handler once and wait for its answer."""
        results: list[InvocationResult] = []
        finished = threading.Event()

        def done(result: InvocationResult) -> None:
            results.append(result)
            finished.set()

        self._submit(name, qualifier, payload, done)
        finished.wait()
        return results[0]

    def invoke_async(self, name: str, payload: bytes, qualifier: str | None = None) -> str:
        """Accept an event and return its request id; failures are retried twice, then dead-lettered."""
        attempts = 0

        def attempt() -> str:
            return self._submit(name, qualifier, payload, done)

        def done(result: InvocationResult) -> None:
            nonlocal attempts
            attempts += 1
            if result.error is None or self._stopped:
                return
            if attempts <= len(ASYNC_RETRIES_S):
                self._clock.call_later(ASYNC_RETRIES_S[attempts - 1], attempt)
            else:
                self.bury(name, payload, result.payload.decode(errors="replace"), attempts)

        return attempt()

    def deliver(self, function: str, payload: bytes) -> None:
        """Send an event to a function, by name or ARN, as Logs and EventBridge do: asynchronously."""
        self.invoke_async(self.get(function)[0].name, payload)

    def bury(self, name: str, payload: bytes, error: str, attempts: int) -> None:
        """Add an event to the dead letters."""
        letter = DeadLetter(function=name, payload=payload, error=error, attempts=attempts)
        self.dead_letters.append(letter)
        tell(self.on_dead_letter, letter)

    def stop(self) -> None:
        """Kill every process, fail every invocation, and wait until the processes are gone."""
        self._stopped = True
        for sandbox in self._sandboxes.values():
            sandbox.stop()
        for sandbox in self._sandboxes.values():
            sandbox.join(5)

    @property
    def clock_reading(self) -> tuple[float, float, float, float] | None:
        """``Clock.reading`` of the clock whose time the functions get."""
        return self._clock.reading

    def environment(self, function: Function, generation: int = 0) -> dict[str, str]:
        """Return the environment of a function's process, without the host's AWS settings.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        """
        return {
            **{name: os.environ[name] for name in KEPT_FROM_HOST if name in os.environ},
            **client_environment(self.address, self._region, function.access_key),
            "TZ": ":UTC",
            "PYTHONPATH": function.python_path,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream(function),
            # Lambda gives each sandbox a Runtime API of its own; here the path tells them apart.
            "AWS_LAMBDA_RUNTIME_API": f"{self.address}/{function.name}/{generation}",
            "_HANDLER": function.handler,
            "LOCAL_AWS_CONCURRENCY": str(function.concurrency),
            **function.environment,
        }

    def log_stream(self, function: Function) -> str:
        """Return the name of the function's log stream for the present day, in Lambda's form."""
        return f"{self._clock.now():%Y/%m/%d}/[{function.version}]{function.access_key.lower():0>32}"

    def _submit(
        self, name: str, qualifier: str | None, payload: bytes, done: Callable[[InvocationResult], object]
    ) -> str:
        function, qualifier = self.get(name, qualifier)
        arn = f"{function.arn}:{qualifier}" if qualifier else function.arn
        invocation = Invocation(arn=arn, payload=payload, done=done)
        self._sandboxes[function.name].submit(invocation)
        return invocation.request_id

    def _arn(self, name: str) -> str:
        return f"arn:aws:lambda:{self._region}:{self._account}:function:{name}"

    def _log(self, name: str, line: str) -> None:
        tell(self.on_log, name, line)


def client_environment(address: str, region: str, access_key: str) -> dict[str, str]:
    """Return the variables that connect any AWS SDK, and the CLI, to the local AWS and to nothing else."""
    return {
        "AWS_ENDPOINT_URL": f"http://{address}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }
