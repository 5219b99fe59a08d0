"""The product in a local AWS, and a way to wait for what happens in it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3

from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import ApiCall
from retry_run_task.local.ecs.tasks import Lifecycle

_ENDS = ("recovered", "already_running", "gave_up")

REGION = "ap-northeast-1"


class Site:
    """A local AWS with a cluster of two zones, and everything that was seen to happen in it.

    Attributes:
        calls: RunTask calls, by anybody.
        log: Lines of the functions that are JSON, with the function's name beside.
        lines: All lines of the functions.
    """

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.calls: list[ApiCall] = []
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[str] = []
        self._changed = threading.Condition()
        # At this speed a task that works for five minutes would be gone before anybody has counted it.
        aws.ecs.lifecycle = Lifecycle(run_for=None)
        aws.ecs.create_cluster("batch")
        for letter in "ac":
            aws.ecs.add_subnet(f"subnet-{letter}", f"{REGION}{letter}")
        aws.ecs.register_task_definition("nightly", revision=7)
        aws.ecs.on_call.append(self._called)
        aws.functions.on_log.append(self._logged)
        aws.topics.on_publish.append(lambda _: self._notify())

    def capacity(self, slots: int | None) -> None:
        """Give or take capacity in both zones."""
        for letter in "ac":
            self.aws.ecs.capacity.set(f"{REGION}{letter}", "FARGATE", slots)

    def client(self, service: str) -> Any:
        """Return a real client of a person's."""
        settings = self.aws.environment()
        return boto3.client(
            service,
            endpoint_url=settings["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="local",
        )

    def put(self, *messages: Any) -> None:
        """Put records into the trail's log group by hand, as a person verifying the installation does."""
        logs = self.client("logs")
        group = self.aws.trail.log_group
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName="by-hand")
        now = int(self.aws.clock.now().timestamp() * 1000)
        logs.put_log_events(
            logGroupName=group,
            logStreamName="by-hand",
            logEvents=[
                {"timestamp": now, "message": m if isinstance(m, str) else json.dumps(m)} for m in messages
            ],
        )

    def wait_for(self, happened: Callable[[], Any], *, timeout_s: float = 120) -> Any:
        """Wait until something is true, and return it."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not (found := happened()):
                if time.monotonic() > until:
                    raise AssertionError(
                        "it did not happen; the functions' log:\n" + "\n".join(self.lines[-30:])
                    )
                # Not everything that changes says so: an execution is complete after its last line.
                self._changed.wait(0.1)
            return found

    def events(self, message: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the log lines of one kind, with these fields."""
        return [
            record
            for _, record in self.log
            if record.get("message") == message and all(record.get(k) == v for k, v in fields.items())
        ]

    def outcomes(self) -> list[str]:
        """Return how recoveries ended, by the log. The line comes after the message that a person gets."""
        return [r["outcome"] for end in _ENDS for r in self.events(f"recovery.{end}")]

    def recoveries(self) -> list[ApiCall]:
        """Return the RunTask calls that recoveries made."""
        return [c for c in self.calls if "retry-run-task/" in str(c.body.get("startedBy"))]

    def tasks(self) -> list[str]:
        """Return the tasks that run."""
        arns: list[str] = self.aws.ecs.list_tasks({"cluster": "batch"})["taskArns"]
        return arns

    def _called(self, call: ApiCall) -> None:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()

    def _logged(self, function: str, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict):
                self.log.append((function, record))
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
