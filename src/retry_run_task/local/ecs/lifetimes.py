"""The transitions of tasks from PROVISIONING to STOPPED, each at its own time, and their removal an hour later."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from retry_run_task.local.ecs.injected_faults import FailedStart
from retry_run_task.local.ecs.tasks import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from retry_run_task.local.ecs.tasks import EcsTask

# Stopped tasks appear in the results "for at least one hour":
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
STOPPED_FOR = timedelta(hours=1)


class Lifetimes:
    """The pending transitions, in the order of their times."""

    def __init__(
        self,
        *,
        on_change: Callable[[EcsTask, datetime], None],
        on_stop: Callable[[EcsTask], None],
        on_forget: Callable[[EcsTask], None],
    ) -> None:
        """Begin without tasks.

        Observers of each change of a status with its time, of each task that has become STOPPED (its slot is free), and
        of the end of the hour in which ECS still knows it.
        """
        self._on_change = on_change
        self._on_stop = on_stop
        self._on_forget = on_forget
        self._due: list[tuple[datetime, int, EcsTask]] = []
        self._numbers = itertools.count(1)
        self._stopped: deque[EcsTask] = deque()

    def begin(self, task: EcsTask) -> None:
        """Schedule the transitions of a task that was just accepted."""
        after = _until_failure(task, "PROVISIONING")
        self._schedule(task, task.created_at + (task.lifecycle.provisioning_for if after is None else after))
        self._on_change(task, task.created_at)

    def advance(self, now: datetime) -> None:
        """Carry out every transition that is due."""
        while self._due and self._due[0][0] <= now:
            when, number, task = heapq.heappop(self._due)
            if task.due == number:
                self._step(task, when)
        while self._stopped:
            stopped_at = self._stopped[0].stopped_at
            if stopped_at is None or now < stopped_at + STOPPED_FOR:
                break
            self._on_forget(self._stopped.popleft())

    def next_change(self) -> datetime | None:
        """Return when the next transition is due; None if none is."""
        while self._due and self._due[0][2].due != self._due[0][1]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def stop(
        self, task: EcsTask, when: datetime, code: str, reason: str, *, exit_code: int | None = None
    ) -> None:
        """Begin to stop a task; the first reason counts, and a task that is stopping stays as it is."""
        if task.desired_status == "STOPPED":
            return
        task.desired_status, task.stopping_at = "STOPPED", when
        task.stop_code, task.stopped_reason, task.exit_code = code, reason, exit_code
        task.still = task.lifecycle.tear_down(task.last_status)
        self._go_down(task, when)

    def _go_down(self, task: EcsTask, when: datetime) -> None:
        """Move a task to the next state on its way to STOPPED."""
        if not task.still:
            self._finish(task, when)
            return
        status = next(iter(task.still))
        self._schedule(task, when + task.still.pop(status))
        self._enter(task, status, when)

    def _step(self, task: EcsTask, when: datetime) -> None:
        """Carry out the next transition of a task."""
        life, status = task.lifecycle, task.last_status
        if task.desired_status == "STOPPED":
            self._go_down(task, when)
        elif status == "RUNNING":
            self.stop(
                task, when, "EssentialContainerExited", "Essential container in task exited", exit_code=0
            )
        elif isinstance(task.fate, FailedStart) and task.fate.status == status:
            self.stop(task, when, task.fate.stop_code, task.fate.stopped_reason)
        elif status == "PROVISIONING":
            failing = _until_failure(task, "PENDING")
            pending_until = when + life.pending_for if failing is None else task.created_at + failing
            self._schedule(task, max(when, pending_until))
            self._enter(task, "PENDING", when)
        elif status == "PENDING" and (life.activating_for > NO_TIME or _is_bound_to_end(task, "ACTIVATING")):
            failing = _until_failure(task, "ACTIVATING")
            activating_until = when + life.activating_for if failing is None else task.created_at + failing
            self._schedule(task, max(when, activating_until))
            self._enter(task, "ACTIVATING", when)
        else:
            task.started_at = when
            run_for = life.run_for if task.definition.run_for is None else task.definition.run_for
            if run_for is not None:
                self._schedule(task, when + run_for)
            self._enter(task, "RUNNING", when)

    def _finish(self, task: EcsTask, when: datetime) -> None:
        task.stopped_at, task.due = when, 0
        self._stopped.append(task)
        self._on_stop(task)
        self._enter(task, "STOPPED", when)

    def _enter(self, task: EcsTask, status: str, when: datetime) -> None:
        task.last_status = status
        # "Every time a task experiences a change that starts a CloudWatch event, the version counter is
        # incremented": https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
        task.version += 1
        self._on_change(task, when)

    def _schedule(self, task: EcsTask, when: datetime) -> None:
        task.due = next(self._numbers)
        heapq.heappush(self._due, (when, task.due, task))


def _is_bound_to_end(task: EcsTask, status: str) -> bool:
    return task.fate is not None and task.fate.status == status


def _until_failure(task: EcsTask, status: str) -> timedelta | None:
    """Return how long after its creation a task fails to start or goes on in this state, if that was said."""
    return task.fate.after if task.fate is not None and task.fate.status == status else None
