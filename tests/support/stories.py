"""What can happen to a system, as values: a test prints them, and Hypothesis makes them smaller."""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from retry_run_task.local.ecs.service import NO_CAPACITY
from support.invariants import CANARY, DENIED, PERMANENT
from support.simulation import ZONES, Conditions, Delivery, System


@dataclass(frozen=True, kw_only=True)
class Call:
    """A rule asks for tasks.

    Attributes:
        token: ``random`` as SDKs draw them, ``fixed`` as somebody who sends the same every night, or None.
        times: How often the SDK sends the call; more than once only with a random token.
        changes: Members of the request.
    """

    at_s: int = 0
    token: str | None = "random"
    times: int = 1
    changes: dict[str, Any] = field(default_factory=dict)

    def begin(self, system: System, number: int) -> None:
        random = f"{number:08x}-1d2e-4f3a-8b4c-5d6e7f8a9b0c"
        tokens = {"random": random, "fixed": f"every-night-{number}", None: None}
        changes = {"clientToken": tokens[self.token], **self.changes}
        system.after(self.at_s, lambda: system.call(f"job-{number}", times=self.times, **changes))


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """A zone, or both, has this many free places from now on; None for no limit."""

    at_s: int
    slots: int | None
    zone: str | None = None

    def begin(self, system: System) -> None:
        system.after(self.at_s, lambda: system.capacity(self.slots, zone=self.zone))


@dataclass(frozen=True, kw_only=True)
class LostAnswers:
    """ECS does what the next calls ask for, and answers 500."""

    at_s: int
    calls: int = 1

    def begin(self, system: System) -> None:
        system.after(self.at_s, lambda: system.ecs.faults.lose_answers(self.calls))


@dataclass(frozen=True, kw_only=True)
class FailedPlacements:
    """The next calls place nothing, for a reason; entries as on EC2, where there may be none or one an instance."""

    at_s: int
    reason: str
    calls: int = 1
    entries: int | None = None

    def begin(self, system: System) -> None:
        system.after(
            self.at_s,
            lambda: system.ecs.faults.fail_next(self.calls, reason=self.reason, entries=self.entries),
        )


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """The next calls are refused before ECS does anything."""

    at_s: int
    code: str
    message: str = ""
    status: int = 400
    calls: int = 1

    def begin(self, system: System) -> None:
        system.after(
            self.at_s,
            lambda: system.ecs.faults.raise_next(self.calls, self.code, self.message, self.status),
        )


@dataclass(frozen=True, kw_only=True)
class BrokenConnection:
    """The connection of a recovery's next call breaks: on the way there, or back; or it is ``late``, and acted upon."""

    at_s: int
    where: str

    def begin(self, system: System) -> None:
        system.after(self.at_s, lambda: system.network.append(self.where))


@dataclass(frozen=True, kw_only=True)
class PlacedAfterAll:
    """A task of a rule's failed call is there after all."""

    at_s: int
    launch: int = 0

    def begin(self, system: System) -> None:
        system.after(self.at_s, lambda: system.place_after_all(f"job-{self.launch}"))


@dataclass(frozen=True, kw_only=True)
class StartedByHand:
    """A person starts tasks, with the mark of a launch's rule or without."""

    at_s: int
    launch: int = 0
    is_alike: bool = True
    count: int = 1

    def begin(self, system: System) -> None:
        group, count = f"job-{self.launch}", self.count
        system.after(self.at_s, lambda: system.start_by_hand(group, is_alike=self.is_alike, count=count))


@dataclass(frozen=True, kw_only=True)
class StoppedByHand:
    """A person stops the next task of a launch, whoever starts it, so long after it is accepted.

    By default a task runs half a minute after that.
    """

    at_s: int
    launch: int = 0
    after_s: int = 5

    def begin(self, system: System) -> None:
        group, after_s = f"job-{self.launch}", self.after_s
        system.after(self.at_s, lambda: system.stop_by_hand(group, after_s=after_s))


@dataclass(frozen=True, kw_only=True)
class Redeployment:
    """The next version is installed, with a policy of its own."""

    at_s: int
    policy: str = "patient"

    def begin(self, system: System) -> None:
        system.after(self.at_s, lambda: system.redeploy(self.policy))


@dataclass(frozen=True, kw_only=True)
class FailedStarts:
    """The next tasks are accepted and stop before they run, in this state, for a reason that passes."""

    at_s: int
    tasks: int = 1
    status: str = "PROVISIONING"

    def begin(self, system: System) -> None:
        why = "Timeout waiting for network interface provisioning to complete."
        faults, code = system.ecs.faults, "TaskFailedToStart"
        system.after(self.at_s, lambda: faults.fail_to_start(self.tasks, code, why, status=self.status))


@dataclass(frozen=True, kw_only=True)
class HungStarts:
    """The next tasks start so many seconds after they were accepted."""

    at_s: int
    tasks: int = 1
    for_s: int = 600

    def begin(self, system: System) -> None:
        after = timedelta(seconds=self.for_s)
        system.after(self.at_s, lambda: system.ecs.faults.hang(self.tasks, after))


@dataclass(frozen=True, kw_only=True)
class FailingLooks:
    """The next looks at the tasks that are there fail."""

    at_s: int
    looks: int = 1

    def begin(self, system: System) -> None:
        system.after(self.at_s, lambda: setattr(system, "failing_looks", self.looks))


Change = (
    Capacity
    | LostAnswers
    | FailedPlacements
    | Refusals
    | BrokenConnection
    | FailedStarts
    | HungStarts
    | FailingLooks
    | PlacedAfterAll
    | StartedByHand
    | StoppedByHand
    | Redeployment
)


@dataclass(frozen=True, kw_only=True)
class Story(Conditions):
    """A run of the system: what is asked for, and what changes.

    Attributes:
        slots: How many tasks there is room for in each zone in the beginning.
        calls: What rules ask for.
        changes: What happens beside.
    """

    slots: int = 0
    calls: tuple[Call, ...] = (Call(),)
    changes: tuple[Change, ...] = ()

    def play(self) -> System:
        """Let it happen, from beginning to end, with everything checked on the way.

        What goes wrong carries the story as lines for a person to read.
        """
        system = System(self)
        try:
            system.capacity(self.slots)
            for change in self.changes:
                change.begin(system)
            for number, call in enumerate(self.calls):
                call.begin(system, number)
            system.run()
        except Exception as error:
            error.add_note(f"The story:\n{self.written()}\nWhat happened:\n{system.chronicle.told()}")
            raise
        return system

    def written(self) -> str:
        """Write it as a line for a test: only what it says."""
        return _written(self)


def _written(value: Any) -> str:
    """Write a value as Python, of a dataclass only what is not as usual."""
    if isinstance(value, tuple):
        return f"({''.join(f'{_written(item)}, ' for item in value).rstrip()})"
    if not is_dataclass(value):
        return repr(value)
    said = [
        f"{one.name}={_written(getattr(value, one.name))}"
        for one in fields(value)
        if getattr(value, one.name) != _usual(one)
    ]
    return f"{type(value).__name__}({', '.join(said)})"


def _usual(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


# Faults wait for the next call, so that a few moments are enough to have them in any order. At 0 it is the rule's.
moments = st.sampled_from([0, 1, 40, 90, 150, 220])
few = st.integers(1, 3)

capacities = st.builds(
    Capacity,
    at_s=moments,
    slots=st.sampled_from([0, 1, 2, None]),
    zone=st.sampled_from([None, *ZONES]),
)
passing = st.sampled_from([NO_CAPACITY, "RESOURCE:MEMORY", "AGENT"])
reasons = st.one_of(passing, passing, st.text(max_size=20), st.sampled_from(PERMANENT))
failed_placements = st.builds(
    FailedPlacements, at_s=moments, reason=reasons, calls=few, entries=st.none() | st.integers(0, 7)
)
lost_answers = st.builds(LostAnswers, at_s=moments, calls=st.integers(1, 5))
# Each of these is a branch of its own below: what is one of several values of one branch is rare in a season.
lost_on_the_way = [
    st.builds(BrokenConnection, at_s=moments, where=st.just(where))
    for where in ("on the way there", "on the way back", "late")
]
refusals = st.builds(
    lambda at_s, calls, said: Refusals(at_s=at_s, calls=calls, code=said[0], message=said[1], status=said[2]),
    at_s=moments,
    calls=few,
    said=st.sampled_from(
        [
            ("ThrottlingException", "Rate exceeded", 400),
            ("InvalidParameterException", "No Container Instances were found in your cluster.", 400),
            ("StrangeException", "?", 400),
            ("ServiceUnavailableException", "", 503),
        ]
    ),
)
denials = st.builds(Refusals, at_s=moments, code=st.just(DENIED), message=st.just("not authorized"))
statuses = st.sampled_from(["PROVISIONING", "PENDING", "ACTIVATING"])
failed_starts = [
    st.builds(FailedStarts, at_s=st.just(0), tasks=few, status=statuses),
    st.builds(FailedStarts, at_s=st.sampled_from([1, 40, 90]), tasks=few, status=statuses),
]
# At about 75 s after its placement a task is stopped.
hung_starts = st.builds(
    HungStarts, at_s=st.sampled_from([0, 1, 40, 90]), tasks=few, for_s=st.sampled_from([60, 75, 76, 90, 3600])
)
failing_looks = st.builds(FailingLooks, at_s=moments, looks=few)
launches = st.integers(0, 1)
placed_after_all = st.builds(PlacedAfterAll, at_s=moments, launch=launches)
started_by_hand = [
    st.builds(
        StartedByHand, at_s=moments, launch=launches, is_alike=st.just(is_alike), count=st.integers(1, 2)
    )
    for is_alike in (True, False)
]
stopped_by_hand = [
    st.builds(StoppedByHand, at_s=moments, launch=launches, after_s=st.just(after_s)) for after_s in (5, 60)
]
redeployments = st.builds(
    Redeployment, at_s=moments, policy=st.sampled_from(["patient", "plain", "ignoring"])
)
changes = st.one_of(
    capacities,
    failing_looks,
    refusals,
    denials,
    lost_answers,
    failed_placements,
    placed_after_all,
    *started_by_hand,
    redeployments,
    *lost_on_the_way,
    *failed_starts,
    hung_starts,
    *stopped_by_hand,
)

requests = st.fixed_dictionaries(
    {"count": st.sampled_from([None, 1, 2, 4])},
    optional={
        "startedBy": st.none(),
        "tags": st.just([{"key": "team", "value": "night"}]),
        "memberOfNextYear": st.just({"nested": [1, {"deep": True}]}),
        "overrides": st.just(
            {
                "containerOverrides": [{"name": "app", "command": ["run", "all"]}],
                "cpu": "256",
                "memory": "512",
            }
        ),
    },
)
ON_SPOT: dict[str, Any] = {
    "launchType": None,
    "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
}
on_spot = st.builds(lambda count: {**ON_SPOT, "count": count}, st.sampled_from([None, 2]))
# CloudTrail hides the variable, so that what it records is not whole.
VARIABLE = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": CANARY}]}]}
begins = st.sampled_from([0, 0, 30])
calls = st.one_of(
    st.builds(Call, at_s=begins, changes=requests),
    st.builds(Call, at_s=begins, changes=requests, times=st.just(2)),
    st.builds(Call, at_s=begins, changes=on_spot),
    st.builds(Call, at_s=begins, changes=requests, token=st.sampled_from([None, "fixed"])),
    st.builds(Call, at_s=begins, changes=st.just({"overrides": VARIABLE})),
)
arrivals = st.builds(
    Delivery,
    after_s=st.sampled_from([0, 5, 60, 150, 300]),
    way=st.sampled_from(["logs", "eventbridge"]),
    beside=st.sampled_from([(), ("not JSON", '{"eventName": "ListTasks"}')]),
    copies=st.integers(1, 2),
    with_last=st.booleans(),
    is_lost=st.sampled_from([False, False, False, True]),
)
deliveries = st.lists(st.lists(arrivals, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(
    tuple
)
errors_of_start = st.lists(
    st.sampled_from([None, "on the way there", "on the way back", "intake dies"]), max_size=5
).map(tuple)
clocks = st.lists(st.integers(-3, 3), min_size=2, max_size=3).map(tuple)


# In most stories there is room again at some time, or tasks would be rare, and with them whatever happens to them.
ENDS: tuple[tuple[Capacity, ...], ...] = (
    (),
    *((Capacity(at_s=at_s, slots=None),) for at_s in (1, 20, 65, 90, 150)),
    (Capacity(at_s=35, slots=2), Capacity(at_s=150, slots=None)),
)
ONE, BOTH = ("one",), ("one", "two")


def stories(*, stacks: tuple[tuple[str, ...], ...] = (ONE,)) -> st.SearchStrategy[Story]:
    """Draw stories: some calls meet an outage, and anything may change after it."""
    return st.builds(
        Story,
        calls=st.lists(calls, min_size=1, max_size=2).map(tuple),
        policy=st.sampled_from(["plain", "plain", "ladder", "patient", "stopping"]),
        slots=st.sampled_from([0, 1]),
        changes=st.builds(
            lambda end, meanwhile: (*meanwhile, *end),
            st.sampled_from(ENDS),
            st.lists(changes, max_size=6),
        ),
        deliveries=deliveries,
        crashes=st.frozensets(st.integers(1, 60), max_size=4),
        restart_s=st.sampled_from([1.0, 45.0]),
        sdk_tries=st.sampled_from([1, 3]),
        start_errors=errors_of_start,
        notify_errors=st.integers(0, 4),
        knows_its_role=st.booleans(),
        knows_schedules=st.booleans(),
        tells_of_tasks=st.sampled_from([False, True, True]),
        next_due_s=st.sampled_from([None, None, 200]),
        unseen_for_s=st.sampled_from([0, 20]),
        pending_s=st.sampled_from([0, 20, 40, 120]),
        activating_s=st.sampled_from([0, 20]),
        deactivating_s=st.sampled_from([0, 20, 40, 90]),
        killing_s=st.sampled_from([0, 20, 40, 120]),
        deprovisioning_s=st.sampled_from([0, 20, 40, 90]),
        recovers_others=st.booleans(),
        clocks=st.just((0,)) | clocks,
        record_clocks=st.just((0,)) | clocks,
        stacks=st.sampled_from(stacks),
    )


BACK_S = 100
disturbances = st.one_of(
    st.builds(
        Capacity,
        at_s=st.integers(1, BACK_S - 1),
        slots=st.sampled_from([0, 1, 2]),
        zone=st.sampled_from([None, *ZONES]),
    ),
    st.builds(LostAnswers, at_s=st.integers(1, BACK_S), calls=st.integers(1, 2)),
    st.builds(
        BrokenConnection,
        at_s=st.integers(1, BACK_S),
        where=st.sampled_from(["on the way there", "on the way back"]),
    ),
    st.builds(FailingLooks, at_s=st.integers(1, BACK_S), looks=few),
)
soon = st.builds(
    Delivery,
    after_s=st.integers(0, 60),
    way=st.sampled_from(["logs", "eventbridge"]),
    copies=st.integers(1, 2),
)


def outages(*, stacks: tuple[str, ...] = ONE) -> st.SearchStrategy[Story]:
    """Draw stories that must end well: the capacity comes back in time, and nothing else is wrong for long."""
    return st.builds(
        Story,
        calls=st.lists(calls, min_size=1, max_size=2).map(lambda cs: tuple(replace(c, at_s=0) for c in cs)),
        changes=st.lists(disturbances, max_size=3).map(
            lambda meanwhile: (*meanwhile, Capacity(at_s=BACK_S, slots=None))
        ),
        deliveries=st.lists(st.lists(soon, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(
            tuple
        ),
        crashes=st.frozensets(st.integers(1, 40), min_size=1, max_size=4),
        notify_errors=st.integers(0, 2),
        stacks=st.just(stacks),
        policy=st.sampled_from(["plain", "ladder"]),
    )
