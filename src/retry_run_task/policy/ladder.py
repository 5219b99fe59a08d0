"""The ladder: named variations of a request, called rungs, that may find capacity elsewhere, one at a time.

A rung is computed from the known part of a request, and applied to the whole request where RunTask is called. It
changes only what it names, and always the original request: rungs do not add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.policy.fargate import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.launch.values import JsonObject

SPOT, ON_DEMAND = "FARGATE_SPOT", "FARGATE"
_FARGATE = frozenset({SPOT, ON_DEMAND})

# ECS's default if a request names no version.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html
_LATEST = "LATEST"

MEMBERS = ("launchType", "capacityProviderStrategy", "networkConfiguration", "platformVersion")
"""Members of a request that rungs are computed from, beside the size in ``overrides``. None of them is secret."""


class RungKind(StrEnum):
    """The kinds of rungs, with their names in the policy file."""

    AS_ASKED = "as-asked"
    EACH_SUBNET = "each-subnet"
    EXTRA_SUBNETS = "extra-subnets"
    ON_DEMAND = "on-demand"
    SPOT = "spot"
    CAPACITY_PROVIDERS = "capacity-providers"
    SIZES = "sizes"
    PLATFORM_VERSIONS = "platform-versions"


# What a kind costs, and what it may break.
COSTS: Mapping[RungKind, str] = MappingProxyType(
    {
        RungKind.AS_ASKED: "costs nothing more",
        RungKind.EACH_SUBNET: "costs nothing more",
        RungKind.EXTRA_SUBNETS: "the task runs in another network, which may have other routes and costs of traffic",
        RungKind.ON_DEMAND: "costs more: on-demand has no discount",
        RungKind.SPOT: "costs less, and AWS may stop the task two minutes after a warning",
        RungKind.CAPACITY_PROVIDERS: "costs what the other provider's capacity costs",
        RungKind.SIZES: "a larger size costs more, and a smaller one may be too small for the job",
        RungKind.PLATFORM_VERSIONS: "costs nothing more, and the task runs in another environment",
    }
)

FREE = frozenset({RungKind.AS_ASKED, RungKind.EACH_SUBNET})
"""Kinds that neither cost more nor change where the task runs; the only ones that are on by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One variation of the request.

    ``value`` is the subnet, the provider, the version, or the CPU units and the MiB; empty if the kind needs none.
    """

    kind: RungKind
    value: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return its name in logs, such as ``each-subnet subnet-a``."""
        if self.kind is RungKind.SIZES:
            return f"{self.kind} {size_text(int(self.value[0]), int(self.value[1]))}"
        return " ".join((self.kind.value, *self.value))


AS_ASKED = Rung(kind=RungKind.AS_ASKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The rungs that a policy allows, in its order, and the lists that some need. ``sizes`` are CPU units and MiB."""

    kinds: tuple[RungKind, ...] = (RungKind.AS_ASKED,)
    extra_subnets: tuple[str, ...] = ()
    capacity_providers: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    platform_versions: tuple[str, ...] = ()


def rungs_for(allowed: Allowed, parameters: Mapping[str, Any]) -> tuple[Rung, ...]:
    """Return the rungs of a request, each once and in order; the first is the original request.

    A kind that would change nothing has no rung: each subnet is tried alone only if the request has at least two.
    """
    found = [rung for kind in allowed.kinds for rung in _MAKERS[kind](allowed, parameters)]
    return tuple(dict.fromkeys((AS_ASKED, *found)))


def is_at_once(rung: Rung, following: Rung) -> bool:
    """Tell whether a rung is tried without a wait after another that found no room."""
    return rung == AS_ASKED and following.kind is RungKind.EACH_SUBNET


def round_of(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """Return one round of the ladder: the original request before each of its own subnets.

    If a call searches every zone, only the original request finds all free capacity, and it should not wait until each
    zone was tried alone. If a call searches one zone, trying the subnets in turn reaches every zone. AWS does not
    document which is true. https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity
    """
    climbed: list[Rung] = []
    for rung in rungs:
        if rung.kind is RungKind.EACH_SUBNET and climbed[-1:] != [AS_ASKED]:
            climbed.append(AS_ASKED)
        climbed.append(rung)
    return tuple(climbed)


def _as_asked(_allowed: Allowed, _parameters: Mapping[str, Any]) -> Iterator[Rung]:
    yield AS_ASKED


def _each_subnet(_allowed: Allowed, parameters: Mapping[str, Any]) -> Iterator[Rung]:
    subnets = _subnets(parameters)
    if len(subnets) > 1:
        yield from (Rung(kind=RungKind.EACH_SUBNET, value=(subnet,)) for subnet in subnets)


def _extra_subnets(allowed: Allowed, parameters: Mapping[str, Any]) -> Iterator[Rung]:
    own = _subnets(parameters)
    # A request without a network of its own has no use for a subnet.
    for subnet in allowed.extra_subnets if own else ():
        if subnet not in own:
            yield Rung(kind=RungKind.EXTRA_SUBNETS, value=(subnet,))


def _on_demand(_allowed: Allowed, parameters: Mapping[str, Any]) -> Iterator[Rung]:
    if SPOT in _providers(parameters):
        yield Rung(kind=RungKind.ON_DEMAND)


def _spot(_allowed: Allowed, parameters: Mapping[str, Any]) -> Iterator[Rung]:
    if _is_fargate(parameters) and SPOT not in _providers(parameters):
        yield Rung(kind=RungKind.SPOT)


def _capacity_providers(allowed: Allowed, parameters: Mapping[str, Any]) -> Iterator[Rung]:
    for name in allowed.capacity_providers:
        if _providers(parameters) != [name]:
            yield Rung(kind=RungKind.CAPACITY_PROVIDERS, value=(name,))


def _sizes(allowed: Allowed, parameters: Mapping[str, Any]) -> Iterator[Rung]:
    overrides = _object(parameters.get("overrides"))
    now = (str(overrides.get("cpu")), str(overrides.get("memory")))
    for cpu, memory in allowed.sizes if _is_fargate(parameters) else ():
        if (str(cpu), str(memory)) != now:
            yield Rung(kind=RungKind.SIZES, value=(str(cpu), str(memory)))


def _platform_versions(allowed: Allowed, parameters: Mapping[str, Any]) -> Iterator[Rung]:
    now = parameters.get("platformVersion") or _LATEST
    for version in allowed.platform_versions if _is_fargate(parameters) else ():
        if version != now:
            yield Rung(kind=RungKind.PLATFORM_VERSIONS, value=(version,))


_MAKERS = {
    RungKind.AS_ASKED: _as_asked,
    RungKind.EACH_SUBNET: _each_subnet,
    RungKind.EXTRA_SUBNETS: _extra_subnets,
    RungKind.ON_DEMAND: _on_demand,
    RungKind.SPOT: _spot,
    RungKind.CAPACITY_PROVIDERS: _capacity_providers,
    RungKind.SIZES: _sizes,
    RungKind.PLATFORM_VERSIONS: _platform_versions,
}


def _subnets(parameters: Mapping[str, Any]) -> list[str]:
    network = _object(_object(parameters.get("networkConfiguration")).get("awsvpcConfiguration"))
    subnets = network.get("subnets")
    found = subnets if isinstance(subnets, list) else []
    return list(dict.fromkeys(subnet for subnet in found if isinstance(subnet, str)))


def _providers(parameters: Mapping[str, Any]) -> list[str]:
    strategy = parameters.get("capacityProviderStrategy")
    items = strategy if isinstance(strategy, list) else []
    return [str(_object(item).get("capacityProvider")) for item in items]


def _is_fargate(parameters: Mapping[str, Any]) -> bool:
    """Tell whether a request is for Fargate for certain: its cluster's default may be another."""
    providers = _providers(parameters)
    if providers:
        return set(providers) <= _FARGATE
    return parameters.get("launchType") == ON_DEMAND


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def apply(rung: Rung, body: Mapping[str, Any]) -> JsonObject:
    """Return a request with a rung's change. The given one is not changed; both may hold secrets."""
    return _CHANGES[rung.kind](body, rung.value)


def _to_subnet(body: Mapping[str, Any], value: tuple[str, ...]) -> JsonObject:
    network = _object(body.get("networkConfiguration"))
    awsvpc = {**_object(network.get("awsvpcConfiguration")), "subnets": list(value)}
    return {**body, "networkConfiguration": {**network, "awsvpcConfiguration": awsvpc}}


def _to_on_demand(body: Mapping[str, Any], _value: tuple[str, ...]) -> JsonObject:
    # The launch type and not the provider FARGATE, which the cluster may lack.
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
    return {**_without(body, "capacityProviderStrategy"), "launchType": ON_DEMAND}


def _to_size(body: Mapping[str, Any], value: tuple[str, ...]) -> JsonObject:
    cpu, memory = value
    return {**body, "overrides": {**_object(body.get("overrides")), "cpu": cpu, "memory": memory}}


_CHANGES: Mapping[RungKind, Callable[[Mapping[str, Any], tuple[str, ...]], JsonObject]] = MappingProxyType(
    {
        RungKind.AS_ASKED: lambda body, _: dict(body),
        RungKind.EACH_SUBNET: _to_subnet,
        RungKind.EXTRA_SUBNETS: _to_subnet,
        RungKind.ON_DEMAND: _to_on_demand,
        RungKind.SPOT: lambda body, _: _with_provider(body, SPOT),
        RungKind.CAPACITY_PROVIDERS: lambda body, value: _with_provider(body, value[0]),
        RungKind.SIZES: _to_size,
        RungKind.PLATFORM_VERSIONS: lambda body, value: {**body, "platformVersion": value[0]},
    }
)


def _with_provider(body: Mapping[str, Any], provider: str) -> JsonObject:
    # ECS accepts a launch type or a strategy, not both.
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    strategy = [{"capacityProvider": provider, "weight": 1}]
    return {**_without(body, "launchType"), "capacityProviderStrategy": strategy}


def _without(body: Mapping[str, Any], member: str) -> JsonObject:
    return {name: value for name, value in body.items() if name != member}


def describe(rung: Rung, parameters: Mapping[str, Any], *, zone: str = "") -> str:
    """Return what a rung changed in a request, and the Availability Zone of the task if known.

    For example ``on-demand in ap-northeast-1c instead of Spot``.
    """
    what, instead = _WORDS[rung.kind](rung.value, parameters)
    if zone:
        what += f" ({zone})" if rung.kind in _PLACES else f" in {zone}"
    return f"{what} instead of {instead}" if instead else what


# Rungs that name a place themselves.
_PLACES = frozenset({RungKind.EACH_SUBNET, RungKind.EXTRA_SUBNETS})

# What is used, and instead of what.
_WORDS: Mapping[RungKind, Callable[[tuple[str, ...], Mapping[str, Any]], tuple[str, str]]] = MappingProxyType(
    {
        RungKind.AS_ASKED: lambda _, __: ("as asked", ""),
        RungKind.EACH_SUBNET: lambda value, p: (
            f"in {value[0]} alone",
            f"any of its {len(_subnets(p))} subnets",
        ),
        RungKind.EXTRA_SUBNETS: lambda value, p: (
            f"in the extra subnet {value[0]}",
            f"its own {_counted(_subnets(p))}",
        ),
        RungKind.ON_DEMAND: lambda _, __: ("on-demand", "Spot"),
        RungKind.SPOT: lambda _, __: ("on Spot", "on-demand"),
        RungKind.CAPACITY_PROVIDERS: lambda value, p: (
            f"with capacity provider {value[0]}",
            _compute(p),
        ),
        RungKind.SIZES: lambda value, p: (
            f"with {size_text(int(value[0]), int(value[1]))}",
            _size(p),
        ),
        RungKind.PLATFORM_VERSIONS: lambda value, p: (
            f"on platform version {value[0]}",
            str(p.get("platformVersion") or _LATEST),
        ),
    }
)


def _counted(subnets: Sequence[str]) -> str:
    return "subnet" if len(subnets) == 1 else f"{len(subnets)} subnets"


def _compute(parameters: Mapping[str, Any]) -> str:
    providers = _providers(parameters)
    return ", ".join(providers) or str(parameters.get("launchType") or "the cluster's default")


def _size(parameters: Mapping[str, Any]) -> str:
    overrides = _object(parameters.get("overrides"))
    cpu, memory = str(overrides.get("cpu")), str(overrides.get("memory"))
    if cpu.isdecimal() and memory.isdecimal():
        return size_text(int(cpu), int(memory))
    return "the size of its task definition"


def visible(request: Mapping[str, Any]) -> JsonObject:
    """Return the members that rungs are computed from, and nothing else: no name, no command and no variable."""
    found = {name: request[name] for name in MEMBERS if name in request}
    overrides = _object(request.get("overrides"))
    size = {name: overrides[name] for name in ("cpu", "memory") if isinstance(overrides.get(name), str)}
    return {**found, **({"overrides": size} if size else {})}
