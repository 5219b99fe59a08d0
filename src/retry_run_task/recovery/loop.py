"""The recovery of one failed launch: look, RunTask, wait, repeat, until its tasks run or it gives up with a message.

This is a plain function of ``step`` and ``wait``. It imports no SDK and never reads the time, so that the same
lines run in Lambda as a durable execution, under virtual time in the simulator, and in the tests. It decides
nothing: ``after`` decides what follows each event, and this module carries it out.

It may be stopped between any two lines and run again from the top. On replay, every finished step returns its
recorded result, and every finished wait returns at once. A step that was cut off is run again: RunTask carries the
call's client token, and ECS answers a token that it has seen with the first outcome.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retry_run_task.failures.classify import classify, worst
from retry_run_task.launch import request as requests
from retry_run_task.launch import wire
from retry_run_task.launch.schedule import NoMatch
from retry_run_task.launch.values import Failure, Phase, Refused, Request, Unbuildable, Unread
from retry_run_task.messages.message import early_message, message
from retry_run_task.policy.decision import GiveUp
from retry_run_task.policy.rules import facts_of
from retry_run_task.recovery import lines
from retry_run_task.recovery.after import HOLD, after, begin
from retry_run_task.recovery.ending import (
    before_it_began,
    broken,
    ending_of,
    is_left_to_audit,
    is_told,
    progress_of,
)
from retry_run_task.recovery.events import (
    Answered,
    Waited,
    crowd_to_json,
    earlier_to_json,
    from_result,
    seen_to_json,
)
from retry_run_task.recovery.opening import open_case
from retry_run_task.recovery.state import (
    Call,
    End,
    SendEarlyMessage,
    Stop,
    Wait,
    Watch,
    body,
    is_look_whole,
    rung,
)
from retry_run_task.recovery.steps import FaultError, step
from retry_run_task.recovery.watching import HUNG

if TYPE_CHECKING:
    from retry_run_task.launch.values import Answer, FailedLaunch, JsonObject, TaskState, Verdict
    from retry_run_task.messages.message import Ending, Message
    from retry_run_task.policy.rules import Handling
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.events import Event
    from retry_run_task.recovery.ports import Tools
    from retry_run_task.recovery.state import State

_Transitions = list[tuple["Event", "State"]]
"""Events, each with the state that follows."""

# A message that could not be sent is sent again: 1, 2, 4, ... minutes apart, about an hour in all.
NOTIFY_TRIES = 7
NOTIFY_FIRST_WAIT_S = 60

# https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk.html
LONGEST_WAIT_S = 31_622_400


def recover(launch: FailedLaunch, tools: Tools) -> Ending:
    """Retry the failed call until every task runs, or until retrying cannot help any more.

    Returns:
        How it ended. Every end without the tasks has sent a message, unless the policy turns that off or the daily
        audit sends it; a success has sent one only if that is configured. A fault of this program is an end without
        the tasks, too: only exceptions of the durable engine are raised.
    """
    first = worst([classify(failure) for failure in launch.failures])
    tools.log([lines.of_beginning(first)])
    handling, was_told = tools.policy.handling(facts_of(launch), first.category), False
    try:
        launch, ending, handling, was_told = _run(launch, first, handling, tools)
    except tools.fatal:
        raise
    except Exception as error:  # noqa: BLE001 - any fault ends the recovery with a message
        name = str(error) if isinstance(error, FaultError) else type(error).__name__
        wanted = requests.asked(launch.request) - len(launch.placed)
        ending = broken(launch, wanted, first, name, is_unsure=True)
    tools.log([lines.of_ending(ending)])
    if is_told(ending, handling, notify_recovered=tools.notify_recovered, was_told=was_told):
        if not was_told and is_left_to_audit(ending, handling, quiet_s=tools.quiet_s):
            return replace(ending, is_left_to_audit=True)
        _notify(message(launch, ending, tools.style), tools)
    return ending


def _run(
    launch: FailedLaunch, first: Verdict, handling: Handling, tools: Tools
) -> tuple[FailedLaunch, Ending, Handling, bool]:
    case = tools.refusal or open_case(launch, tools)
    if isinstance(case, GiveUp):
        wanted = requests.asked(launch.request) - len(launch.placed)
        return launch, before_it_began(wanted, first, case), handling, False
    state = begin(case)
    while not isinstance(state.move, End):
        for event, then in _perform(case, state, tools):
            tools.log(lines.lines(case, state, event, then))
            state = then
    ending = ending_of(case, state, state.move.gave_up)
    launch = launch.with_call_id(state.call_id)
    return launch, ending, case.handlings[state.last.category], state.is_told


def _perform(case: Case, state: State, tools: Tools) -> _Transitions:
    """Carry out the move of a state: one step, one wait, or a wait and a step. The only place with side effects."""
    done: _Transitions = []
    match state.move:
        case Wait(name=name, delay_s=delay_s):
            if name == HOLD:
                tools.log([lines.of_hold(case)])
            tools.wait(name, min(delay_s, LONGEST_WAIT_S))
            return _follow(case, state, [Waited(delay_s)])
        case SendEarlyMessage():
            try:
                told = step(
                    tools, f"tell-{state.attempt}", lambda _: {"told": _send_early(case, state, tools)}
                )
            except FaultError as fault:
                # The message is a courtesy: the run is still being retried.
                told = {"told": str(fault)}
            return _follow(case, state, from_result(told))
        case Watch(nth=nth, delay_s=delay_s):
            tools.wait(f"watch-wait-{state.attempt}-{nth}", delay_s)
            watch = f"watch-{state.attempt}-{nth}"
            seen = step(tools, watch, lambda _: seen_to_json(tools.aws.watch(case.launch, state.starting)))
            return _follow(case, state, [Waited(delay_s), *from_result(seen)])
        case Stop(nth=nth, arns=arns):
            name = f"stop-{state.attempt}-{nth}"
            stopped = step(tools, name, lambda again: _stop(case, arns, tools, again=again))
            return _follow(case, state, from_result(stopped))
        case _:
            result = step(
                tools,
                f"run-task-{state.attempt}",
                lambda again: _look_and_call(case, state, tools, done, again=again),
            )
            # On replay the step has a result and did nothing.
            return done or _follow(case, state, from_result(result))


def _follow(case: Case, state: State, events: list[Event]) -> _Transitions:
    transitions: _Transitions = []
    for event in events:
        state = after(case, state, event)
        transitions.append((event, state))
    return transitions


def _stop(case: Case, arns: tuple[str, ...], tools: Tools, *, again: bool) -> JsonObject:
    """Stop those of the tasks that have still not started. None is stopped that cannot be seen."""
    seen = tools.aws.watch(case.launch, arns)
    stopped: list[str] = []
    failures: list[Failure] = []
    for task in () if isinstance(seen, Failure) else seen:
        if task.phase is Phase.STARTING and task.arn in arns:
            answer = tools.aws.stop(case.launch, task.arn, why=HUNG.reason)
            if answer is not None:
                failures.append(answer.failure)
            if not isinstance(answer, Refused) or answer.is_unsure:
                stopped.append(task.arn)
    return {
        **seen_to_json(seen),
        "stopped": stopped,
        "failures": wire.failures_to_json(failures),
        **({"again": True} if again else {}),
    }


def _send_early(case: Case, state: State, tools: Tools) -> str | None:
    launch = case.launch.with_call_id(state.call_id)
    return tools.aws.notify(early_message(launch, progress_of(case, state), tools.style))


def _look_and_call(case: Case, state: State, tools: Tools, done: _Transitions, *, again: bool) -> JsonObject:
    """Look, and call RunTask as long as the engine says so: once, or more often if subnets are tried at once.

    All of it is one durable step, because each operation costs. The bodies may hold secrets; only what was seen and
    answered leaves the step. ``done`` becomes the events, as a replay reads them from the result, and their states.
    """
    done.clear()
    launch = case.launch.with_call_id(case.call_id)
    is_whole = again or is_look_whole(state)
    # Before the look, because the account's reads are shared as well.
    crowd = crowd_to_json(tools.crowd.size(), tools.crowd.room())
    seen = tools.aws.look(
        launch, original=case.has_one_run, failed_others=state.failed_others, whole=is_whole
    )
    result: JsonObject = {
        "now": tools.aws.now(),
        **seen_to_json(_unknown_of(seen, state)),
        **(earlier_to_json(tools.aws.earlier(launch)) if case.skips_overlap else {}),
        **({"again": True} if again else {}),
        **crowd,
    }
    done += _follow(case, state, from_result(result))
    calls: list[JsonObject] = []
    while isinstance((state := done[-1][1]).move, Call):
        answer = wire.answer_to_json(_call(case, state, launch, tools))
        calls.append({**answer, "rung": rung(case, state).name})
        if answer.get("task_arns"):
            tools.crowd.placed(rung(case, state).name)
        done += _follow(case, state, [Answered(wire.answer_from_json(answer))])
    return {**result, **({"calls": calls} if calls else {})}


def _unknown_of(seen: tuple[TaskState, ...] | Failure, state: State) -> tuple[TaskState, ...] | Failure:
    """Leave out the tasks that are known to have failed: listed for an hour, they would fill the checkpoints."""
    return seen if isinstance(seen, Failure) else tuple(task for task in seen if task.arn not in state.failed)


def _call(case: Case, state: State, launch: FailedLaunch, tools: Tools) -> Answer:
    request = launch.request
    whole = request if isinstance(request, Request) else tools.aws.complete(launch)
    match whole:
        case Request():
            return tools.aws.run_task(launch.with_call_id(state.call_id), body(case, state, whole))
        case NoMatch(why=why):
            return Unbuildable(why=why)
        case Failure():
            return Unread(failure=whole)


def _notify(note: Message, tools: Tools) -> None:
    for nth in range(1, NOTIFY_TRIES + 1):
        try:
            error = step(tools, f"notify-{nth}", lambda _: {"error": tools.aws.notify(note)})["error"]
        except FaultError as fault:
            error = str(fault)
        if error is None:
            return
        tools.log([lines.of_unsent(note, tries=nth, error=error)])
        if nth < NOTIFY_TRIES:
            tools.wait(f"notify-wait-{nth}", NOTIFY_FIRST_WAIT_S * 2 ** (nth - 1))
