"""Every short history of a launch: all that ECS can answer, tasks can do and a process can die of, up to a depth.

A world is a value: what ECS remembers, and where each recovery stands. Each move of it yields other worlds; those that
differ in nothing that a later move can tell are one. The engine is the product's own; ECS is written down here once
more, as small as its documentation allows: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html

A rule that does not hold raises ``BrokenError`` with the moves that led there.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from retry_run_task.launch import names
from retry_run_task.launch.values import (
    Answer,
    Category,
    Failure,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    TaskState,
)
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.ladder import AS_ASKED, RungKind
from retry_run_task.recovery.after import after, begin
from retry_run_task.recovery.case import Case, case_of
from retry_run_task.recovery.crowd import FEW, MANY
from retry_run_task.recovery.ending import ending_of
from retry_run_task.recovery.events import Answered, Event, Looked, Stopped, Waited, Watched
from retry_run_task.recovery.ports import Background
from retry_run_task.recovery.state import (
    WHOLE_LOOKS,
    Call,
    End,
    State,
    Stop,
    Wait,
    Watch,
    body,
    is_look_whole,
    rung,
)
from support.policies import by_category
from support.records import CAPACITY, launch, parameters

FAR_S = 10**9
# When the next run is due after the failed call, in a scope that has one: later than the few waits of a search.
NEXT_RUN_S = 3600
SHORT = Failure(origin=Origin.ANSWER, reason=CAPACITY)
NETWORK = Failure(
    origin=Origin.STOPPED,
    code="TaskFailedToStart",
    reason="Timeout waiting for network interface provisioning to complete.",
)
THROTTLED = Failure(origin=Origin.ERROR, code="ThrottlingException", reason="Rate exceeded")
DENIED = Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="not authorized")
UNHEARD = Failure(origin=Origin.ERROR, code="ReadTimeoutError", reason="Read timeout on endpoint URL")

# Without a deadline: what time ends is for other tests, and a world without clocks has fewer states.
POLICY = by_category(
    {
        category: {
            "wait": Backoff(base_s=1, cap_s=1),
            "deadline_s": FAR_S,
            "early_s": None,
            "rungs": (RungKind.AS_ASKED, RungKind.EACH_SUBNET),
        }
        for category in Category
        if category not in (Category.PERMISSION, Category.CONFIGURATION)
    }
    | {Category.PERMISSION: {"retry": False}, Category.CONFIGURATION: {"retry": False}},
    watch_s=FAR_S,
)

# Every look that sees no task run is one too many, so that each is followed by a stop.
STOPPING = by_category(
    {
        category: {
            "wait": Backoff(base_s=1, cap_s=1),
            "deadline_s": FAR_S,
            "early_s": None,
            "stop_hanging": True,
        }
        for category in Category
        if category is not Category.PERMISSION
    }
    | {Category.PERMISSION: {"retry": False}},
    watch_s=1,
)
BY_A_USER = Failure(origin=Origin.STOPPED, code="UserInitiated", reason="Task stopped by user")


class BrokenError(AssertionError):
    """A rule does not hold; the moves that led there are in the message."""


@dataclass(frozen=True)
class Task:
    """A task: how it is, who started it, whether ECS lists it by now, and whether it was told to stop."""

    phase: Phase
    starter: str
    is_listed: bool = True
    is_told_to_stop: bool = False


@dataclass(frozen=True)
class Ecs:
    """What ECS remembers: its tasks, and by client token what was asked for and answered."""

    tasks: tuple[Task, ...] = ()
    answers: tuple[tuple[str, int, tuple[int, ...]], ...] = ()

    def known(self, token: str) -> tuple[int, tuple[int, ...]] | None:
        return next(((count, tasks) for name, count, tasks in self.answers if name == token), None)


@dataclass(frozen=True)
class Recovery:
    """One recovery: its case, its state, and whether its process died in the step that comes next."""

    name: str
    case: Case
    state: State
    again: bool = False
    may_have: frozenset[int] = frozenset()
    """Tasks that its calls have started, whether an answer told it or not."""
    may_have_stopped: frozenset[int] = frozenset()
    """Tasks that it called StopTask for, and that ECS was told to stop."""


@dataclass(frozen=True)
class World:
    """ECS and the recoveries."""

    ecs: Ecs
    recoveries: tuple[Recovery, ...]
    events_of_tasks: bool = False


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is searched.

    Attributes:
        wanted: Tasks that the call asked for.
        recoveries: Of the one call: two stacks, or two records of it.
        failed_others: Tasks of the failed call that are there after all.
        is_noisy: Whether answers are lost, refused, and processes die.
        is_unreadable: Whether a look may fail, or not list a new task.
        tells_of_tasks: Whether a task of another that failed to start has a recovery of its own.
        is_hanging: Whether the policy has tasks stopped that do not start.
        has_next_run: Whether the schedule's next run is due, and a wait may last until then.
        is_crowded: Whether there are many recoveries, one of which may just have found capacity anywhere.
        depth: How many moves.
    """

    wanted: int = 1
    recoveries: int = 1
    failed_others: int = 0
    is_noisy: bool = True
    is_unreadable: bool = True
    tells_of_tasks: bool = False
    is_hanging: bool = False
    is_crowded: bool = False
    has_next_run: bool = False
    depth: int = 6


# Where answers are lost and another's failed task has a recovery of its own at the same time, two tasks can come of it;
# docs/concepts.md says how likely that is. So these are searched one without the other.
SCOPES = {
    "one task": Scope(depth=7),
    "two tasks": Scope(wanted=2, depth=5),
    "one task, two recoveries": Scope(recoveries=2, depth=5),
    "a task of another with a recovery of its own": Scope(
        failed_others=1, is_noisy=False, tells_of_tasks=True, depth=9
    ),
    "two tasks, one of another with a recovery of its own": Scope(
        wanted=2, failed_others=1, is_noisy=False, tells_of_tasks=True, depth=8
    ),
    "two tasks of others, each with a recovery of its own": Scope(
        wanted=2, failed_others=2, is_noisy=False, tells_of_tasks=True, depth=8
    ),
    "a task of another": Scope(failed_others=1, depth=8),
    "one task that hangs": Scope(is_hanging=True, is_unreadable=False, depth=10),
    "two tasks that hang": Scope(is_hanging=True, is_unreadable=False, wanted=2, depth=7),
    "one task that hangs, two recoveries": Scope(is_hanging=True, is_unreadable=False, recoveries=2, depth=5),
    "a task of another that hangs": Scope(is_hanging=True, failed_others=1, depth=9),
    "one task, before the next run": Scope(has_next_run=True, depth=5),
    "one task in a crowd": Scope(is_crowded=True, depth=5),
    "one task in a crowd, two recoveries": Scope(is_crowded=True, recoveries=2, depth=3),
}


@dataclass
class Found:
    """What a search has seen."""

    states: int = 0
    transitions: int = 0
    ends: dict[str, int] = field(default_factory=dict)


def search(scope: Scope) -> Found:
    """Visit every world that is reachable in so many moves, and check it.

    Raises:
        BrokenError: A rule does not hold.
    """
    found = Found()
    first = _first(scope)
    seen = {_key(first)}
    queue: deque[tuple[World, int, tuple[str, ...]]] = deque([(first, 0, ())])
    while queue:
        world, depth, path = queue.popleft()
        found.states += 1
        if depth == scope.depth:
            continue
        for move, following in _moves(world, scope):
            found.transitions += 1
            here = (*path, move)
            _check(world, following, here, found)
            key = _key(following)
            if key not in seen:
                seen.add(key)
                queue.append((following, depth + 1, here))
    return found


def _first(scope: Scope) -> World:
    of = launch(request=parameters(count=scope.wanted))
    due = of.event_time.timestamp() + NEXT_RUN_S if scope.has_next_run else None
    found = replace(_FOUND, next_due=due)
    case = case_of(of, STOPPING if scope.is_hanging else POLICY, found)
    recoveries = tuple(Recovery(name=f"r{n}", case=case, state=begin(case)) for n in range(scope.recoveries))
    failed_others = tuple(Task(Phase.STARTING, "") for _ in range(scope.failed_others))
    return World(Ecs(tasks=failed_others), recoveries, scope.tells_of_tasks)


_FOUND = Background(name="nightly", arn="arn:x", next_due=None, event_age_s=0)


def _key(world: World) -> Any:
    """Return what later moves can tell worlds apart by; times and counts of the past are not among it."""
    return (
        world.ecs,
        tuple(
            (r.name, r.again, r.may_have, r.may_have_stopped, _shape(r.state), _time(r))
            for r in world.recoveries
        ),
    )


def _shape(state: State) -> Any:
    move = type(state.move).__name__ if not isinstance(state.move, End) else state.move.gave_up is None
    return (
        move,
        state.call_id,
        min(state.repeat, 1),
        tuple(sorted(state.answered.items())),
        state.is_unsure,
        state.rung_index,
        tuple(sorted(rung.name for rung in state.tried)),
        tuple(sorted(rung.name for rung in state.excluded)),
        tuple(sorted((arn, task.starter, task.runs) for arn, task in state.tasks.items())),
        state.failed,
        state.failed_others,
        state.last.category,
        min(state.whole_looks, WHOLE_LOOKS),
        state.is_narrow,
        state.is_shared,
        state.gives_up is None,
        state.elapsed_s >= NEXT_RUN_S,
    )


def _time(one: Recovery) -> Any:
    """Return how long it has watched, where that decides what follows."""
    move, state = one.state.move, one.state
    if one.case.policy is not STOPPING:
        return None
    return (state.stopped, state.stop_tries, move.watched_s if isinstance(move, Watch | Stop) else 0)


# Moves.


def _moves(world: World, scope: Scope) -> Iterator[tuple[str, World]]:
    yield from _tasks_move(world, scope)
    for number, one in enumerate(world.recoveries):
        if isinstance(one.state.move, End):
            continue
        for move, ecs, then in _steps(world.ecs, one, scope):
            others = (*world.recoveries[:number], then, *world.recoveries[number + 1 :])
            yield f"{one.name}: {move}", replace(world, ecs=ecs, recoveries=others)


_NEXT = {Phase.STARTING: (Phase.RUNS, Phase.STOPPING), Phase.STOPPING: (Phase.FAILED,)}


def _tasks_move(world: World, scope: Scope) -> Iterator[tuple[str, World]]:
    for number, task in enumerate(world.ecs.tasks):
        for phase in _NEXT.get(task.phase, ()):
            tasks = _with(world.ecs.tasks, number, replace(task, phase=phase))
            following = replace(world, ecs=replace(world.ecs, tasks=tasks))
            if phase is Phase.FAILED and not task.starter and scope.tells_of_tasks:
                following = replace(following, recoveries=(*world.recoveries, _of_failed_other(number)))
            yield f"task {number} {phase}", following
        if not task.is_listed:
            tasks = _with(world.ecs.tasks, number, replace(task, is_listed=True))
            yield f"task {number} is listed", replace(world, ecs=replace(world.ecs, tasks=tasks))


def _of_failed_other(number: int) -> Recovery:
    of = launch(failures=(NETWORK,))
    call_id = names.task_identity(_arn(number))
    case = case_of(replace(of, call_id=call_id), POLICY, replace(_FOUND, is_scheduled=False))
    return Recovery(name=f"another's failed task {number}", case=case, state=begin(case))


def _steps(ecs: Ecs, one: Recovery, scope: Scope) -> Iterator[tuple[str, Ecs, Recovery]]:
    match one.state.move:
        case Wait(delay_s=delay_s):
            yield "waits", ecs, replace(one, state=after(one.case, one.state, Waited(delay_s)))
            if scope.has_next_run:
                # Lambda may come back late from a wait. ECS lists every task by then.
                late = after(one.case, one.state, Waited(NEXT_RUN_S))
                listed = replace(ecs, tasks=tuple(replace(task, is_listed=True) for task in ecs.tasks))
                yield "waits until the next run is due", listed, replace(one, state=late)
        case Watch(delay_s=delay_s):
            waited = after(one.case, one.state, Waited(delay_s))
            for view, tasks in _views(ecs, one, scope, watched=waited.starting):
                event = Watched(tasks) if tasks is not None else Watched(read_failure=THROTTLED)
                yield f"watches ({view})", ecs, replace(one, state=after(one.case, waited, event))
        case Stop(arns=arns):
            for view, tasks in _views(ecs, one, scope, watched=arns):
                yield from _stops(ecs, one, view, tasks, scope)
        case _:
            for view, tasks in _views(ecs, one, scope):
                looked = Looked(_now(one), tasks or (), None if tasks is not None else THROTTLED, one.again)
                for crowd, room in _crowds(one.case, scope):
                    here = f"{view}, room in {room}" if room else view
                    yield from _called(ecs, one, replace(looked, crowd=crowd, room=room), here, scope)


def _now(one: Recovery) -> float:
    return one.case.launch.event_time.timestamp() + one.state.elapsed_s


def _crowds(case: Case, scope: Scope) -> Iterator[tuple[int | None, str]]:
    if not scope.is_crowded:
        yield None, ""
        return
    # With two calls a step; and with one, and the fewest reads.
    yield FEW + 1, ""
    for room in ("", *dict.fromkeys(each.name for each in case.rungs)):
        yield MANY + 1, room


def _called(
    ecs: Ecs, one: Recovery, looked: Looked, view: str, scope: Scope
) -> Iterator[tuple[str, Ecs, Recovery]]:
    """Yield what can come of a step that looks and calls while the engine says so, and may die after each call."""
    open_: list[tuple[str, Ecs, Recovery, tuple[Event, ...], bool]] = [
        (f"looks ({view})", ecs, one, (looked,), False)
    ]
    while open_:
        said, ecs_, before, events, is_denied = open_.pop()
        state = before.state
        for event in events:
            state = after(one.case, state, event)
        if scope.is_noisy:
            yield f"{said}, dies", ecs_, replace(before, again=True)
        if not isinstance(state.move, Call):
            if is_denied and not isinstance(state.move, End) and state.gives_up is None:
                raise BrokenError(f"{one.name} goes on after it was denied: {said}")
            yield said, ecs_, replace(before, state=state, again=False)
            continue
        for name, following, answer in _answers(ecs_, one, state, scope):
            mine = frozenset(range(len(ecs_.tasks), len(following.tasks)))
            if isinstance(answer, Placed):
                mine |= {_number(arn) for arn in answer.task_arns}
            then = replace(before, may_have=before.may_have | mine)
            denied = (
                isinstance(answer, Refused) and answer.failure is DENIED and rung(one.case, state) == AS_ASKED
            )
            open_.append((f"{said}, {name}", following, then, (*events, Answered(answer)), denied))


def _stops(
    ecs: Ecs, one: Recovery, view: str, seen: tuple[TaskState, ...] | None, scope: Scope
) -> Iterator[tuple[str, Ecs, Recovery]]:
    """Yield what can come of a step that stops what it sees starting; a task may begin to run meanwhile."""
    hanging = [_number(task.arn) for task in seen or () if task.phase is Phase.STARTING]
    for number in hanging:
        if ecs.tasks[number].starter != one.case.call_id[: names.STARTER_DIGITS]:
            raise BrokenError(f"{one.name} stops a task that it did not start")
    for ways in itertools.product(_WAYS if scope.is_noisy else _WAYS[:2], repeat=len(hanging)):
        tasks = ecs.tasks
        for number, (_, phase, _) in zip(hanging, ways, strict=True):
            if phase is not None:
                tasks = _with(tasks, number, replace(tasks[number], phase=phase, is_told_to_stop=True))
        then = replace(ecs, tasks=tasks)
        told = frozenset(n for n, (_, phase, _) in zip(hanging, ways, strict=True) if phase is not None)
        after_it = replace(one, may_have_stopped=one.may_have_stopped | told)
        said = f"stops ({view}) {[name for name, _, _ in ways]}"
        if scope.is_noisy:
            yield f"{said}, dies", then, replace(after_it, again=True)
        event = Stopped(
            tasks=seen or (),
            stopped=tuple(_arn(n) for n, way in zip(hanging, ways, strict=True) if way[2] is not THROTTLED),
            failures=tuple(failure for _, _, failure in ways if failure is not None),
            read_failure=THROTTLED if seen is None else None,
            again=one.again,
        )
        yield said, then, replace(after_it, state=after(one.case, one.state, event), again=False)


# What StopTask may come to: how the task is then, and what is answered.
_WAYS: tuple[tuple[str, Phase | None, Failure | None], ...] = (
    ("stopped", Phase.STOPPING, None),
    ("runs first", Phase.RAN, None),
    ("stopped, answer lost", Phase.STOPPING, UNHEARD),
    ("runs first, answer lost", Phase.RAN, UNHEARD),
    ("not heard", None, UNHEARD),
    ("throttled", None, THROTTLED),
)


def _answers(ecs: Ecs, one: Recovery, state: State, scope: Scope) -> Iterator[tuple[str, Ecs, Answer]]:
    """Yield what ECS can answer, and what it remembers then."""
    request = one.case.launch.request
    sent = body(one.case, state, request)
    token, count = str(sent["clientToken"]), int(sent.get("count") or 1)
    due_s = one.case.next_due_s
    if due_s is not None and state.elapsed_s >= due_s:
        raise BrokenError(f"{one.name} calls when the next run is due")
    if count < 1:
        raise BrokenError(f"{one.name} asks for {count} tasks")
    known = ecs.known(token)
    if known is not None:
        asked, tasks = known
        arns = tuple(map(_arn, tasks))
        missing = (SHORT,) * (asked - len(tasks))
        same = Placed(task_arns=arns, failures=missing)
        yield "is answered again", ecs, same if asked == count else Placed(task_arns=arns, is_conflict=True)
    else:
        starter = names.starter_of(sent["startedBy"])
        for placed in dict.fromkeys((count, 0, count - 1) if count > 1 else (1, 0)):
            following, arns = _place(ecs, token, count, placed, starter, scope)
            yield f"{placed} placed", following, Placed(task_arns=arns, failures=(SHORT,) * (count - placed))
            if scope.is_noisy and placed:
                yield f"{placed} placed, answer lost", following, Lost(failure=UNHEARD)
    if scope.is_noisy:
        yield "is throttled", ecs, Refused(failure=THROTTLED)
        yield "is not heard", ecs, Lost(failure=UNHEARD)
        if known is None:
            yield "is denied", ecs, Refused(failure=DENIED)


def _place(
    ecs: Ecs, token: str, count: int, placed: int, starter: str, scope: Scope
) -> tuple[Ecs, tuple[str, ...]]:
    numbers = tuple(range(len(ecs.tasks), len(ecs.tasks) + placed))
    new = (Task(Phase.STARTING, starter, is_listed=not scope.is_unreadable),) * placed
    following = Ecs((*ecs.tasks, *new), (*ecs.answers, (token, count, numbers)))
    return following, tuple(map(_arn, numbers))


_DESIRED_RUNNING = frozenset({Phase.STARTING, Phase.RUNS})


def _views(
    ecs: Ecs, one: Recovery, scope: Scope, *, watched: tuple[str, ...] | None = None
) -> Iterator[tuple[str, tuple[TaskState, ...] | None]]:
    is_whole = one.again or is_look_whole(one.state)
    starters = {one.case.call_id[: names.STARTER_DIGITS]}
    starters |= {failed_other[: names.STARTER_DIGITS] for failed_other in one.state.failed_others}
    if one.case.has_one_run:
        starters.add("")
    seen = tuple(
        TaskState(
            arn=_arn(number),
            phase=task.phase,
            failure=None
            if task.phase is not Phase.FAILED
            else BY_A_USER
            if task.is_told_to_stop
            else NETWORK,
            is_ours=bool(task.starter),
            starter=task.starter,
        )
        for number, task in enumerate(ecs.tasks)
        if (
            _arn(number) in watched
            if watched is not None
            else task.is_listed and task.starter in starters and (is_whole or task.phase in _DESIRED_RUNNING)
        )
    )
    yield "sees", seen
    if scope.is_unreadable:
        yield "read_failure", None


def _with(tasks: tuple[Task, ...], number: int, task: Task) -> tuple[Task, ...]:
    return (*tasks[:number], task, *tasks[number + 1 :])


def _arn(number: int) -> str:
    return f"arn:aws:ecs:ap-northeast-1:123456789012:task/batch/{number:04d}"


def _number(arn: str) -> int:
    return int(arn[-4:])


# Rules.


def _check(before: World, world: World, path: tuple[str, ...], found: Found) -> None:
    live = [task for task in world.ecs.tasks if task.phase is not Phase.FAILED]
    wanted = world.recoveries[0].case.wanted
    if len(live) > wanted:
        raise _broken(f"{len(live)} tasks where {wanted} were asked for", path)
    for one in world.recoveries:
        believed = {_number(arn) for arn, task in one.state.tasks.items() if task.runs}
        if any(world.ecs.tasks[number].phase not in (Phase.RUNS, Phase.RAN) for number in believed):
            raise _broken(f"{one.name} takes a task for one that ran, and none of {believed} did", path)
    for one, was in zip(world.recoveries, before.recoveries, strict=False):
        if isinstance(one.state.move, End) and not isinstance(was.state.move, End):
            _check_end(world, one, path, found)


def _check_end(world: World, one: Recovery, path: tuple[str, ...], found: Found) -> None:
    move = one.state.move
    assert isinstance(move, End)
    ending = ending_of(one.case, one.state, move.gave_up)
    found.ends[ending.outcome.value] = found.ends.get(ending.outcome.value, 0) + 1
    named = {_number(arn) for arn in ending.task_arns}
    tasks = world.ecs.tasks
    if ending.succeeded:
        if named & one.may_have_stopped:
            raise _broken(f"{one.name} ends {ending.outcome} with a task that it stopped", path)
        if not all(tasks[number].phase in (Phase.RUNS, Phase.RAN) for number in named):
            raise _broken(
                f"{one.name} ends {ending.outcome}, and a task of its {sorted(named)} has not run", path
            )
        if len(named) < one.case.wanted:
            raise _broken(f"{one.name} ends {ending.outcome} with {sorted(named)}", path)
        is_mine = any(tasks[number].starter for number in named)
        if is_mine is not (ending.outcome is Outcome.RECOVERED):
            raise _broken(f"{one.name} ends {ending.outcome}", path)
        return
    unnamed = {n for n in one.may_have - named if tasks[n].phase is not Phase.FAILED}
    if unnamed and not ending.is_unsure:
        raise _broken(
            f"{one.name} ends {ending.outcome} and does not say that {sorted(unnamed)} may be there", path
        )


def _broken(what: str, path: tuple[str, ...]) -> BrokenError:
    moves = "\n".join(f"  {move}" for move in path)
    return BrokenError(f"{what}, after\n{moves}")
