"""The state of a recovery, and its next move."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from retry_run_task.launch import names
from retry_run_task.launch import request as requests
from retry_run_task.launch.values import Outcome
from retry_run_task.policy import ladder
from retry_run_task.policy.decision import GiveUp, past_deadline
from retry_run_task.policy.ladder import AS_ASKED, RungKind
from retry_run_task.recovery.crowd import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retry_run_task.launch.values import Category, IncompleteRequest, JsonObject, Request, Verdict
    from retry_run_task.policy.decision import Retry
    from retry_run_task.policy.ladder import Rung
    from retry_run_task.recovery.case import Case
    from retry_run_task.recovery.crowd import Crowd

# ECS keeps a client token for an hour after the last of its tasks has stopped, so for at least an hour.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html
TOKEN_LIFE_S = 3600


@dataclass(frozen=True, slots=True)
class Look:
    """Look which tasks exist; if some are missing, the same step calls RunTask."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call RunTask, in the step that looked."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait before the next look; ``retry`` is None before the first attempt."""

    name: str
    delay_s: int
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class SendEarlyMessage:
    """Send the early message, that the run is late and still being retried; then wait."""

    then: Wait


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait, then look at the tasks that have not been seen running, for the nth time in this attempt."""

    nth: int
    delay_s: int
    watched_s: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop tasks of this recovery that still hang; the nth look of this attempt decided it."""

    nth: int
    arns: tuple[str, ...]
    watched_s: int


@dataclass(frozen=True, slots=True)
class End:
    """End the recovery. Without a ``gave_up`` every task runs."""

    gave_up: GiveUp | None = None


Move = Look | Call | Wait | SendEarlyMessage | Watch | Stop | End


class Task(NamedTuple):
    """A task that does this launch's work.

    Attributes:
        starter: Digits of the recovery that started it; empty if no recovery did.
        runs: Whether it was seen running, or seen stopped after it ran.
        rung: The rung that placed it; None if that is not known.
        zone: Its Availability Zone; empty while not known.
    """

    starter: str
    runs: bool = False
    rung: Rung | None = None
    zone: str = ""


EMPTY: Mapping[str, int] = MappingProxyType({})


# How many looks must have listed stopped tasks before the next need not: two, because ECS may not list a new task at
# once. It lists a stopped one for about an hour, so every half hour a look lists them again. Among very many recoveries
# one is enough: what a longer queue for the account's reads would cost is certain, and what it might find is not.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
WHOLE_LOOKS, WHOLE_AGAIN_S = 2, 1800


class State(NamedTuple):
    """The state of a recovery. A tuple, not a dataclass, for speed: hundreds of attempts are replayed at once.

    Attributes:
        attempt: Number of the attempt, a look and its calls; it numbers the steps.
        call_id: The source of the next call's token and ``startedBy``: the launch's own identity, or one of
            ``failed_others``.
        repeat: How many calls were made with the current token; ECS has answered none of them.
        answered: How many tokens ECS has answered, by call identity; the next call uses the next one.
        tried: Rungs used with the current token.
        in_step: Rungs used by the current step.
        is_again: Whether the current step was cut off before, so that any call of it may have been made already.
        unsure_since_s: Since when a call with the current token may have started tasks that were not seen, in seconds
            from the failed call; None if none can have.
        rung_index: Index of the rung of the next call.
        excluded: Rungs that are not tried again, each with the reason.
        failed: ARNs of the tasks that failed to start.
        failed_others: Call identities of tasks that no recovery started and that failed to start.
        stopped: ARNs of the tasks that this recovery may have stopped, because they hung.
        stop_tries: How often in a row it could stop none.
        whole_looks: How many looks have listed stopped tasks, too.
        whole_s: When the last of them did, in seconds from the failed call.
        is_narrow: Whether the last look listed running tasks only.
        is_shared: Whether ECS knew a client token with another request, so another recovery makes the same call.
        gives_up: How the recovery ends unless the next look finds the tasks.
        first_look: When it first looked, in seconds since 1970; None before.
        waited_s: Sum of the waits since the first look.
        last: The failure that decided last.
        seen: Number of failures decided on, by category.
        is_told: Whether the early message was sent.
    """

    move: Move
    call_id: str
    last: Verdict
    attempt: int = 1
    repeat: int = 0
    answered: Mapping[str, int] = EMPTY
    tried: frozenset[Rung] = frozenset()
    in_step: frozenset[Rung] = frozenset()
    is_again: bool = False
    crowd: Crowd = ALONE
    unsure_since_s: float | None = None
    rung_index: int = 0
    excluded: Mapping[Rung, Verdict] = MappingProxyType({})
    tasks: Mapping[str, Task] = MappingProxyType({})
    failed: frozenset[str] = frozenset()
    failed_others: tuple[str, ...] = ()
    stopped: frozenset[str] = frozenset()
    stop_tries: int = 0
    whole_looks: int = 0
    whole_s: float = 0.0
    is_narrow: bool = False
    is_shared: bool = False
    gives_up: GiveUp | None = None
    first_look: float | None = None
    waited_s: int = 0
    elapsed_s: float = 0.0
    seen: Mapping[Category, int] = MappingProxyType({})
    calls: int = 0
    operations: int = 1
    is_told: bool = False

    @property
    def is_unsure(self) -> bool:
        """Whether a call may have started tasks that were not seen."""
        return self.unsure_since_s is not None

    @property
    def starting(self) -> tuple[str, ...]:
        """Tasks that have not been seen running."""
        return tuple(arn for arn, task in self.tasks.items() if not task.runs)


def is_look_whole(state: State) -> bool:
    """Tell whether the next look must list stopped tasks, too.

    AWS limits the account's rate of reads. A recovery that knows of no task, and whose calls were all answered, needs
    only the running tasks: an earlier look listed those that had stopped.
    """
    is_clear = not (state.is_unsure or state.is_shared or state.tasks or state.failed_others or state.stopped)
    is_last = state.gives_up is not None
    is_recent = state.whole_looks >= WHOLE_LOOKS and state.elapsed_s - state.whole_s < WHOLE_AGAIN_S
    is_enough = is_recent or (state.crowd.is_short_of_reads and state.whole_looks > 0)
    return is_last or not (is_clear and is_enough)


def missing(case: Case, state: State) -> int:
    """Return how many tasks are missing; negative if there are more than needed."""
    return case.wanted - len(state.tasks)


def rung(case: Case, state: State) -> Rung:
    """Return the rung of the next call."""
    return case.rungs[state.rung_index]


def next_index(case: Case, state: State) -> int:
    """Return the index of the next rung that is not excluded; the first, the original request, never is."""
    number = len(case.rungs)
    indexes = ((state.rung_index + step) % number for step in range(1, number + 1))
    return next(index for index in indexes if case.rungs[index] not in state.excluded)


def climb(case: Case, state: State) -> State:
    """Move to the next rung."""
    return state._replace(rung_index=next_index(case, state))


def climb_in_a_crowd(case: Case, state: State) -> State:
    """Move to the next rung; if a step makes one call, past the subnets, which are tried once there is room."""
    state = climb(case, state)
    is_passed = state.crowd.is_one_call and rung(case, state).kind is RungKind.EACH_SUBNET
    return climb(case, state) if is_passed else state


def delay_in_a_crowd(case: Case, state: State, delay_s: int) -> int:
    """Return the policy's wait; in a crowd a longer one, if the run is still wanted after it."""
    longer = state.crowd.share_s(f"{case.launch.call_id}/{state.attempt}")
    handling = case.handlings[state.last.category]
    late = past_deadline(handling, state.elapsed_s + longer, case.next_due_s)
    return max(delay_s, longer) if late is None else delay_s


def index_at_once(case: Case, state: State) -> int | None:
    """Return the index of the rung that is tried in the same step if this one has no capacity; None if none is.

    That is one subnet after the original request, or, if others have just found capacity, every subnet in turn.
    """
    here, following = rung(case, state), next_index(case, state)
    if state.crowd.is_large and state.crowd.room and (here == AS_ASKED or here.kind is RungKind.EACH_SUBNET):
        return next(_subnets(case, state), None)
    if state.crowd.is_one_call or not ladder.is_at_once(here, case.rungs[following]):
        return None
    return following


def index_with_room(case: Case, state: State) -> int:
    """Return the index of the rung to begin a step with: in a crowd with one call the subnet that has room."""
    is_free = state.crowd.is_one_call and not (state.repeat or state.is_unsure)
    indexes = (index for index in _subnets(case, state) if case.rungs[index].name == state.crowd.room)
    return next(indexes, state.rung_index) if is_free else state.rung_index


def _subnets(case: Case, state: State) -> Iterator[int]:
    """Yield the indexes of the subnets that this step has not tried, from the current rung on."""
    for index in (*range(state.rung_index, len(case.rungs)), *range(state.rung_index)):
        found = case.rungs[index]
        if found.kind is RungKind.EACH_SUBNET and found not in state.in_step and found not in state.excluded:
            yield index


def identity(case: Case, state: State) -> str:
    """Return what the next call's token and ``startedBy`` are derived from.

    Another caller's task that failed to start may have its own recovery, started by ECS's event, and it is unknown
    which of the two acts first. This recovery uses the token and ``startedBy`` of that one, so ECS treats both calls as
    one. A call that may have started tasks is repeated with its own.
    """
    if state.repeat or state.is_unsure:
        return state.call_id
    replaced = {task.starter for task in state.tasks.values() if task.starter}
    pending = (
        failed_other
        for failed_other in state.failed_others
        if failed_other[: names.STARTER_DIGITS] not in replaced
    )
    return next(pending, case.call_id)


def body(case: Case, state: State, request: Request | IncompleteRequest) -> JsonObject:
    """Return the body of the next call: the original request, for the missing tasks, with its rung's change.

    Like the request, it may hold secrets.
    """
    is_own = state.call_id == case.call_id
    asked = requests.for_call(
        request,
        missing=missing(case, state) if is_own else 1,
        token=names.client_token(state.call_id, state.answered.get(state.call_id, 0) + 1),
        started_by=names.started_by_of(request.parameters.get("startedBy"), state.call_id),
    )
    return ladder.apply(rung(case, state), asked)


def late(case: Case, state: State) -> GiveUp | None:
    """Return the end of the recovery if it is too late for another call."""
    past = past_deadline(case.handlings[state.last.category], state.elapsed_s, case.next_due_s)
    return past or _forgotten(state)


def overlapping(earlier: tuple[str, ...]) -> GiveUp:
    """Return the end of a recovery beside which an earlier run of the schedule is still going."""
    return GiveUp(
        outcome=Outcome.SUPERSEDED,
        rule="overlap",
        why=f"an earlier run of the schedule is still going ({', '.join(earlier[:3])}), and the policy starts none "
        "beside it",
        hint="If this run is wanted beside the next one, start it by hand.",
    )


def _forgotten(state: State) -> GiveUp | None:
    """Return the end if ECS may have forgotten the token of a call that may have started tasks."""
    if state.unsure_since_s is None or state.elapsed_s - state.unsure_since_s <= TOKEN_LIFE_S:
        return None
    return GiveUp(
        outcome=Outcome.EXPIRED,
        rule="client-token",
        why="for an hour no call has been answered, and ECS may have forgotten what it did for the first of them",
        hint="Look whether the tasks have run before you start them by hand.",
    )
