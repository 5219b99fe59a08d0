r"""A recovery, read off what Lambda keeps of it: the history of its durable execution in, one value out. Pure.

A history, as ``GetDurableExecutionHistory`` gives it, shortened::

    {"EventType": "ExecutionStarted", "ExecutionStartedDetails": {"Input": {"Payload": "{\"event_id\": ...}"}}}
    {"EventType": "StepSucceeded", "Name": "find-schedule-1", "StepSucceededDetails": {"Result": {"Payload":
        "{\"name\": \"nightly\", \"next_due\": 1795575600.0, ...}"}}}
    {"EventType": "StepSucceeded", "Name": "run-task-1", "StepSucceededDetails": {"Result": {"Payload":
        "{\"now\": ..., \"tasks\": [], \"calls\": [{\"answer\": \"placed\", \"rung\": \"as-asked\", ...}]}"}}}
    {"EventType": "WaitStarted", "Name": "wait-1", "WaitStartedDetails": {"ScheduledEndTimestamp": ...}}

https://docs.aws.amazon.com/lambda/latest/api/API_GetDurableExecutionHistory.html

An execution stays on the version of the function that started it. A step whose result is not of this version's form
is shown by its name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared.view import RecoveryView, TimelineLine, ViewState, known_schedule
from retry_run_task.commands.status.payloads import (
    error_of,
    json_of,
    payload_of,
    read_payload,
    time_of,
)
from retry_run_task.errors import OvertakenError
from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import wire
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import (
    Failure,
    Lost,
    Outcome,
    Placed,
    Refused,
    Unbuildable,
    Unread,
)
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.ladder import AS_ASKED
from retry_run_task.recovery.events import Answered, Looked, Stopped, Told, Watched
from retry_run_task.recovery.history import UNREADABLE, StateReplay
from retry_run_task.recovery.lines import words_of
from retry_run_task.recovery.watching import why_failed
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from retry_run_task.commands.shared.view import Execution
    from retry_run_task.launch.values import Answer, JsonObject
    from retry_run_task.recovery.ports import Background
    from retry_run_task.recovery.state import State


# Steps that only look or tell. Any other that was begun and not ended may have called RunTask.
_HARMLESS = re.compile(r"(?:enter-account|find-schedule|watch|stop|tell|notify)-\d.*")
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_WELL = frozenset({Outcome.RECOVERED.value, Outcome.ALREADY_RUNNING.value})


def read(execution: Execution, history: Iterable[Mapping[str, Any]]) -> RecoveryView:
    """Return what a history shows of a recovery. Whatever the history holds, this does not raise.

    All events are given, oldest first.
    """
    reader = _HistoryReader(execution)
    for event in history:
        reader.take(event)
    return reader.view()


class _HistoryReader:
    """Takes one event after the other."""

    def __init__(self, execution: Execution) -> None:
        self._view = RecoveryView(execution=execution, state=ViewState.TRYING)
        self._lines: list[TimelineLine] = []
        self._open_steps: dict[str, str] = {}
        self._waits: dict[str, tuple[str, datetime]] = {}
        self._is_held = False
        self._fold: StateReplay | None = None
        self._takes: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "ExecutionStarted": self._began,
            "StepStarted": self._step_began,
            "StepSucceeded": self._step_ended,
            "StepFailed": self._step_failed,
            "WaitStarted": self._wait_began,
            "WaitSucceeded": self._wait_ended,
            "WaitCancelled": self._wait_ended,
            "ExecutionPaused": self._paused,
            "ExecutionResumed": self._resumed,
            "ExecutionSucceeded": self._succeeded,
            "ExecutionFailed": self._failed,
            "ExecutionStopped": self._stopped,
            "ExecutionTimedOut": self._timed_out,
            "InvocationCompleted": self._invoked,
        }

    def take(self, event: Mapping[str, Any]) -> None:
        kind = str(event.get("EventType") or "")
        take = self._takes.get(kind)
        if take is not None:
            take(event)
        elif kind:
            self._say(event, f"{kind} {event.get('Name') or ''}".strip())

    def view(self) -> RecoveryView:
        view, execution = self._view, self._view.execution
        state, next_time = view.state, None
        if not state.is_over and execution.is_open:
            state, next_time = self._present()
        elif not state.is_over:
            # It ended between the listing and the history, or the history does not say how.
            state = ViewState.RECOVERED if execution.status == "SUCCEEDED" else ViewState.FAILED
        has_open_call = any(_HARMLESS.fullmatch(name) is None for name in self._open_steps.values())
        return replace(
            view,
            state=state,
            next_time=next_time,
            is_unsure=view.is_unsure
            or (state.is_over and state is not ViewState.RECOVERED and has_open_call),
            lines=tuple(self._lines),
        )

    def _present(self) -> tuple[ViewState, datetime | None]:
        """Return what it does now, and when that changes."""
        name, until = max(self._waits.values(), key=lambda one: one[1], default=("", None))
        if self._is_held or self._view.execution.status in ("PAUSED", "PAUSING"):
            return ViewState.PAUSED, None
        if until is None:
            return ViewState.TRYING, None
        if name.startswith("hold"):
            return ViewState.HELD, until
        if name.startswith("watch"):
            return ViewState.WATCHING, until
        return ViewState.WAITING, until

    def _say(self, event: Mapping[str, Any], text: str, same: str = "") -> None:
        self._lines.append(TimelineLine(time=time_of(event.get("EventTimestamp")), text=text, same=same))

    # What happens to the execution.

    def _began(self, event: Mapping[str, Any]) -> None:
        launch = read_payload(payload_of(event, "ExecutionStartedDetails", "Input"))
        if launch is None:
            self._say(event, "began with an input that cannot be read")
            return
        self._fold = StateReplay(launch)
        parameters = launch.request.parameters
        self._view = replace(
            self._view,
            launch=launch,
            schedule=known_schedule(launch),
            cluster=cluster_name(parameters) if parameters else "",
            family=family(parameters),
            event_time=launch.event_time,
        )
        said = self._learn(launch.failures)
        self._lines.append(TimelineLine(time=launch.event_time, text=f"the call failed: {said}"))
        self._say(event, "the recovery began")

    def _paused(self, event: Mapping[str, Any]) -> None:
        self._is_held = True
        reason = payload_of(event, "ExecutionPausedDetails", "Reason") or ""
        self._view = replace(self._view, hold_reason=reason)
        self._say(event, f"paused: {reason}" if reason else "paused")

    def _resumed(self, event: Mapping[str, Any]) -> None:
        self._is_held = False
        self._view = replace(self._view, hold_reason="")
        reason = payload_of(event, "ExecutionResumedDetails", "Reason") or ""
        self._say(event, f"resumed: {reason}" if reason else "resumed")

    def _succeeded(self, event: Mapping[str, Any]) -> None:
        result = json_of(payload_of(event, "ExecutionSucceededDetails", "Result")) or {}
        outcome = str(result.get("outcome") or Outcome.RECOVERED.value)
        tasks = tuple(str(arn) for arn in result.get("task_arns") or ()) or self._view.task_arns
        self._end(ViewState.RECOVERED, outcome, "", task_arns=tasks, is_unsure=False)
        self._say(event, outcome.upper())

    def _failed(self, event: Mapping[str, Any]) -> None:
        kind, said = error_of(event, "ExecutionFailedDetails")
        word, _, why = said.partition(": ")
        if word in _OUTCOMES and word not in _WELL:
            self._end(
                ViewState.GAVE_UP, word, why, is_left_to_audit=kind.split(".")[-1] == OvertakenError.__name__
            )
            self._say(event, f"GAVE UP ({word}): {why}")
            return
        self._end(
            ViewState.FAILED,
            "failed",
            ": ".join(part for part in (kind, said) if part) or "no reason was kept",
        )
        self._say(event, f"FAILED: {self._view.why}")

    def _stopped(self, event: Mapping[str, Any]) -> None:
        _, said = error_of(event, "ExecutionStoppedDetails")
        self._end(ViewState.STOPPED, "stopped", said)
        self._say(event, f"STOPPED: {said}" if said else "STOPPED")

    def _timed_out(self, event: Mapping[str, Any]) -> None:
        self._end(ViewState.FAILED, "timed out", "it was in progress for longer than an execution may be")
        self._say(event, "TIMED OUT")

    def _invoked(self, event: Mapping[str, Any]) -> None:
        kind, said = error_of(event, "InvocationCompletedDetails")
        if kind or said:
            self._say(event, f"the function ended with an error: {': '.join(p for p in (kind, said) if p)}")

    def _end(self, state: ViewState, outcome: str, why: str, **changes: Any) -> None:
        self._view = replace(self._view, state=state, outcome=outcome, why=why, **changes)

    # What its steps tell.

    def _step_began(self, event: Mapping[str, Any]) -> None:
        self._open_steps[str(event.get("Id"))] = str(event.get("Name") or "")

    def _step_failed(self, event: Mapping[str, Any]) -> None:
        kind, said = error_of(event, "StepFailedDetails")
        # It stays open: what it did before it failed is not known.
        self._say(event, f"step {event.get('Name')} failed: {': '.join(p for p in (kind, said) if p)}")

    def _step_ended(self, event: Mapping[str, Any]) -> None:
        self._open_steps.pop(str(event.get("Id")), None)
        name = str(event.get("Name") or "")
        result = json_of(payload_of(event, "StepSucceededDetails", "Result"))
        if result is None:
            self._say(event, f"step {name} ended")
            return
        try:
            self._take_result(event, name, result)
        except UNREADABLE:
            self._say(event, f"step {name} ended")

    def _take_result(self, event: Mapping[str, Any], name: str, result: JsonObject) -> None:
        if name.startswith("notify"):
            error = result.get("error")
            self._say(event, f"the message was not taken: {error}" if error else "a message was sent")
        elif name.startswith("enter-account"):
            failures = wire.failures_from_json(result["failures"])
            self._say(
                event,
                f"could not enter the account: {_said(failures)}" if failures else "entered the account",
            )
        elif self._fold is None:
            self._say(event, f"step {name} ended")
        elif name.startswith("find-schedule"):
            self._found_schedule(event, self._fold.found(result))
        else:
            self._looked(event, self._fold, result)

    def _found_schedule(self, event: Mapping[str, Any], found: Background | NoMatch | Failure) -> None:
        if isinstance(found, Failure):
            self._say(event, f"the rules and schedules cannot be read yet: {_said((found,))}")
            return
        if isinstance(found, NoMatch):
            self._say(event, f"whose run it was is not certain: {found.why}")
            return
        self._view = replace(self._view, schedule=found.name)
        next_run = f"; its next run is due at {_clock(found.next_due)}" if found.next_due is not None else ""
        self._say(event, f"it was a run of {found.name}{next_run}")

    def _looked(self, event: Mapping[str, Any], fold: StateReplay, result: JsonObject) -> None:
        """Take what a step reports about tasks, answers, or both."""
        rungs = iter([str(call.get("rung") or "") for call in result.get("calls", ())])
        for one, before, then in fold.take(result):
            self._view = replace(
                self._view, calls=then.calls, task_arns=tuple(then.tasks), is_unsure=then.is_unsure
            )
            if isinstance(one, Answered):
                self._answered(event, before, one.answer, next(rungs, ""))
            elif isinstance(one, Looked | Watched):
                self._saw(event, one, before, then)
            elif isinstance(one, Stopped):
                self._saw(event, one, before, then)
                self._stopped_tasks(event, one)
            elif isinstance(one, Told):
                not_taken = f"the message was not taken: {one.error}"
                self._say(event, not_taken if one.error else "a message said that it is still being retried")

    def _stopped_tasks(self, event: Mapping[str, Any], one: Stopped) -> None:
        if one.failures:
            self._say(event, f"StopTask failed: {_said(one.failures)}")
        if one.stopped:
            self._say(event, f"stopped {counted(len(one.stopped), 'task')} that did not start")

    def _saw(
        self, event: Mapping[str, Any], seen: Looked | Watched | Stopped, before: State, then: State
    ) -> None:
        if seen.read_failure:
            self._say(
                event, f"could not look at the tasks: {words_of(seen.read_failure)}", same="read_failure"
            )
        gone = then.failed - before.failed
        new = [arn for arn in then.tasks if arn not in before.tasks]
        running = [arn for arn, task in then.tasks.items() if task.runs]
        if gone:
            failures = tuple(why_failed(then, task) for task in seen.tasks if task.arn in gone)
            self._say(event, f"{counted(len(gone), 'task')} did not start: {self._learn(failures)}")
        elif new:
            self._say(
                event,
                f"{counted(len(new), 'task')} found that {_verb(len(new))} the job already: {_ids(new)}",
            )
        elif running:
            self._say(event, f"{counted(len(running), 'task')} running", same="running")

    def _answered(self, event: Mapping[str, Any], before: State, answer: Answer, rung: str) -> None:
        match answer:
            case Unbuildable(why=why):
                self._say(event, f"the request cannot be made whole: {why}")
                return
            case Placed(failures=failures, task_arns=arns):
                said = self._learn(failures) if failures else ""
                started = f"{counted(len(arns), 'task')} started" if arns else ""
                words = "; ".join(part for part in (started, said) if part) or "no task, and no reason"
            case Refused(failure=failure):
                words = self._learn((failure,))
            case Lost(failure=failure):
                words = f"no answer ({self._learn((failure,))})"
            case Unread(failure=failure):
                self._say(event, f"the schedule cannot be read yet: {self._learn((failure,))}", same="unread")
                return
        repeated = f", repeated ({before.repeat})" if before.repeat else ""
        on = f" ({rung})" if rung not in ("", AS_ASKED.name) else ""
        self._say(event, f"call {before.calls + 1}{repeated}{on}: {words}", same=words)

    def _learn(self, failures: tuple[Failure, ...]) -> str:
        """Take what ECS said as the last word, and return it as it is shown."""
        if not failures:
            return "no reason"
        verdict = worst([classify(one) for one in failures])
        said = verdict.failure.said or "no reason"
        is_new = said != self._view.reason
        self._view = replace(self._view, reason=said, category=verdict.category.value, hint=verdict.hint)
        return f"{said if is_new else 'the same'} [{verdict.category}]"

    # Its waits.

    def _wait_began(self, event: Mapping[str, Any]) -> None:
        details = event.get("WaitStartedDetails") or {}
        name = str(event.get("Name") or "")
        self._waits[str(event.get("Id"))] = (name, time_of(details.get("ScheduledEndTimestamp")))
        duration = duration_text(float(details.get("Duration") or 0))
        if name.startswith("hold"):
            self._say(event, f"waits {duration}: EventBridge may still make the call again itself")
        elif not name.startswith(("watch", "notify")) and self._lines:
            last = self._lines[-1]
            self._lines[-1] = replace(last, text=f"{last.text}; then waits {duration}")

    def _wait_ended(self, event: Mapping[str, Any]) -> None:
        self._waits.pop(str(event.get("Id")), None)


def _said(failures: tuple[Failure, ...]) -> str:
    return "; ".join(map(words_of, failures))


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _verb(number: int) -> str:
    return "does" if number == 1 else "do"


def _ids(arns: Iterable[str]) -> str:
    return ", ".join(arn.rsplit("/", 1)[-1] for arn in arns)
