"""A rung changes what it names and nothing else, and is there only where it would change something."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.local.ecs import fargate_sizes
from retry_run_task.policy import fargate, ladder
from retry_run_task.policy.ladder import AS_ASKED, COSTS, FREE, Allowed, Rung, RungKind
from support.records import parameters

SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
MIXED = [{"capacityProvider": "FARGATE_SPOT", "weight": 3}, {"capacityProvider": "FARGATE", "weight": 1}]
EC2 = [{"capacityProvider": "batch-asg", "weight": 1}]
SUBNETS = ["subnet-a", "subnet-c"]
EVERYTHING = Allowed(
    kinds=tuple(RungKind),
    extra_subnets=("subnet-d",),
    capacity_providers=("spare",),
    sizes=((1024, 4096),),
    platform_versions=("1.3.0",),
)


def asked(**changes: Any) -> dict[str, Any]:
    return parameters(clientToken=None, dryrun=None, **changes)


def on(strategy: list[dict[str, Any]]) -> dict[str, Any]:
    return asked(launchType=None, capacityProviderStrategy=strategy)


def network(*subnets: str) -> dict[str, Any]:
    return {
        "awsvpcConfiguration": {
            "subnets": list(subnets),
            "securityGroups": ["sg-0123"],
            "assignPublicIp": "DISABLED",
        }
    }


def only(kind: RungKind) -> Allowed:
    return Allowed(
        kinds=(RungKind.AS_ASKED, kind),
        extra_subnets=("subnet-d", "subnet-a"),
        capacity_providers=("spare", "FARGATE_SPOT"),
        sizes=((1024, 4096), (256, 512)),
        platform_versions=("1.4.0", "LATEST"),
    )


@pytest.mark.parametrize(
    ("kind", "request_", "values"),
    [
        (RungKind.EACH_SUBNET, asked(), [("subnet-a",), ("subnet-c",)]),
        (RungKind.EACH_SUBNET, asked(networkConfiguration=network("subnet-a")), []),
        (RungKind.EACH_SUBNET, asked(networkConfiguration=network("subnet-a", "subnet-a")), []),
        (RungKind.EACH_SUBNET, asked(networkConfiguration=None), []),
        (RungKind.EACH_SUBNET, asked(networkConfiguration={"awsvpcConfiguration": "HIDDEN"}), []),
        (RungKind.EXTRA_SUBNETS, asked(), [("subnet-d",)]),
        (RungKind.EXTRA_SUBNETS, asked(networkConfiguration=None), []),
        (RungKind.ON_DEMAND, on(SPOT), [()]),
        (RungKind.ON_DEMAND, on(MIXED), [()]),
        (RungKind.ON_DEMAND, asked(), []),
        (RungKind.ON_DEMAND, on(EC2), []),
        (RungKind.ON_DEMAND, asked(launchType=None), []),
        (RungKind.SPOT, asked(), [()]),
        (RungKind.SPOT, on(MIXED[1:]), [()]),
        (RungKind.SPOT, on(SPOT), []),
        (RungKind.SPOT, on(MIXED), []),
        (RungKind.SPOT, on(EC2), []),
        (RungKind.SPOT, asked(launchType="EC2"), []),
        (RungKind.SPOT, asked(launchType=None), []),
        (RungKind.CAPACITY_PROVIDERS, asked(), [("spare",), ("FARGATE_SPOT",)]),
        (RungKind.CAPACITY_PROVIDERS, on(SPOT), [("spare",)]),
        (RungKind.CAPACITY_PROVIDERS, on(MIXED), [("spare",), ("FARGATE_SPOT",)]),
        (RungKind.SIZES, asked(), [("1024", "4096"), ("256", "512")]),
        (RungKind.SIZES, on(SPOT), [("1024", "4096"), ("256", "512")]),
        (RungKind.SIZES, asked(overrides={"cpu": "256", "memory": "512"}), [("1024", "4096")]),
        (
            RungKind.SIZES,
            asked(overrides="HIDDEN_DUE_TO_SECURITY_REASONS"),
            [("1024", "4096"), ("256", "512")],
        ),
        (RungKind.SIZES, on(MIXED), [("1024", "4096"), ("256", "512")]),
        (RungKind.SIZES, on(MIXED + EC2), []),
        (RungKind.SIZES, asked(launchType="EC2"), []),
        (RungKind.SIZES, on(EC2), []),
        (RungKind.SIZES, asked(launchType=None), []),
        (RungKind.PLATFORM_VERSIONS, asked(), [("1.4.0",)]),
        (RungKind.PLATFORM_VERSIONS, asked(platformVersion="1.4.0"), [("LATEST",)]),
        (RungKind.PLATFORM_VERSIONS, asked(launchType="EC2"), []),
        (RungKind.AS_ASKED, asked(), []),
    ],
)
def test_which_rungs_a_request_has(
    kind: RungKind, request_: dict[str, Any], values: list[tuple[str, ...]]
) -> None:
    """The first is always the request as it was asked; what would change nothing of it has no rung."""
    assert ladder.rungs_for(only(kind), request_) == (
        AS_ASKED,
        *(Rung(kind=kind, value=value) for value in values),
    )


def test_rungs_come_in_the_order_of_the_policy_and_only_if_it_names_them() -> None:
    kinds = (RungKind.AS_ASKED, RungKind.ON_DEMAND, RungKind.EACH_SUBNET)
    found = ladder.rungs_for(Allowed(kinds=kinds, sizes=((256, 512),)), on(SPOT))
    assert [rung.name for rung in found] == [
        "as-asked",
        "on-demand",
        "each-subnet subnet-a",
        "each-subnet subnet-c",
    ]
    assert ladder.rungs_for(Allowed(), on(SPOT)) == (AS_ASKED,)


def test_in_a_round_the_original_request_stands_before_each_subnet_once() -> None:
    first, second = (Rung(kind=RungKind.EACH_SUBNET, value=(f"subnet-{n}",)) for n in "ac")
    other = Rung(kind=RungKind.ON_DEMAND)
    assert ladder.round_of((other, AS_ASKED, first, second, other)) == (
        *(other, AS_ASKED, first),
        *(AS_ASKED, second, other),
    )


@pytest.mark.parametrize(
    ("rung", "before", "changes", "gone"),
    [
        (AS_ASKED, asked(), {}, ()),
        (
            Rung(kind=RungKind.EACH_SUBNET, value=("subnet-c",)),
            asked(),
            {"networkConfiguration": network("subnet-c")},
            (),
        ),
        (
            Rung(kind=RungKind.EXTRA_SUBNETS, value=("subnet-d",)),
            asked(),
            {"networkConfiguration": network("subnet-d")},
            (),
        ),
        (
            Rung(kind=RungKind.ON_DEMAND),
            on(MIXED),
            {"launchType": "FARGATE"},
            ("capacityProviderStrategy",),
        ),
        (Rung(kind=RungKind.SPOT), asked(), {"capacityProviderStrategy": SPOT}, ("launchType",)),
        (
            Rung(kind=RungKind.CAPACITY_PROVIDERS, value=("spare",)),
            asked(),
            {"capacityProviderStrategy": [{"capacityProvider": "spare", "weight": 1}]},
            ("launchType",),
        ),
        (
            Rung(kind=RungKind.SIZES, value=("1024", "4096")),
            asked(overrides={"containerOverrides": [{"name": "app", "command": ["run"]}]}),
            {
                "overrides": {
                    "containerOverrides": [{"name": "app", "command": ["run"]}],
                    "cpu": "1024",
                    "memory": "4096",
                }
            },
            (),
        ),
        (
            Rung(kind=RungKind.SIZES, value=("1024", "4096")),
            asked(),
            {"overrides": {"cpu": "1024", "memory": "4096"}},
            (),
        ),
        (
            Rung(kind=RungKind.PLATFORM_VERSIONS, value=("1.3.0",)),
            asked(),
            {"platformVersion": "1.3.0"},
            (),
        ),
    ],
)
def test_exactly_what_a_rung_changes(
    rung: Rung, before: dict[str, Any], changes: dict[str, Any], gone: tuple[str, ...]
) -> None:
    kept = copy.deepcopy(before)
    expected = {k: v for k, v in before.items() if k not in gone} | changes
    assert ladder.apply(rung, before) == expected
    assert before == kept, "the request itself was changed"


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=4
)
REQUESTS = st.builds(
    lambda base, changes: {k: v for k, v in (base | changes).items() if v is not None},
    st.sampled_from([asked(), on(SPOT), on(MIXED), on(EC2), asked(launchType=None)]),
    st.fixed_dictionaries(
        {},
        optional={
            "networkConfiguration": st.builds(network, st.sampled_from(SUBNETS), st.sampled_from(SUBNETS))
            | JSON,
            "overrides": st.builds(
                lambda cpu: {"cpu": cpu, "memory": "4096"}, st.sampled_from(["1024", "512"])
            )
            | JSON,
            "platformVersion": st.sampled_from(["1.3.0", "LATEST"]) | JSON,
            "memberOfNextYear": JSON,
        },
    ),
)
# What each kind may touch.
TOUCHES = {
    RungKind.AS_ASKED: set(),
    RungKind.EACH_SUBNET: {"networkConfiguration"},
    RungKind.EXTRA_SUBNETS: {"networkConfiguration"},
    RungKind.ON_DEMAND: {"launchType", "capacityProviderStrategy"},
    RungKind.SPOT: {"launchType", "capacityProviderStrategy"},
    RungKind.CAPACITY_PROVIDERS: {"launchType", "capacityProviderStrategy"},
    RungKind.SIZES: {"overrides"},
    RungKind.PLATFORM_VERSIONS: {"platformVersion"},
}


@given(body=REQUESTS)
def test_whatever_a_request_holds_its_rungs_change_something_and_touch_nothing_else(
    body: dict[str, Any],
) -> None:
    rungs = ladder.rungs_for(EVERYTHING, body)
    assert rungs[0] == AS_ASKED
    assert len(set(rungs)) == len(rungs)
    for rung in rungs:
        after = ladder.apply(rung, body)
        touched = {k for k in {*body, *after} if body.get(k, "absent") != after.get(k, "absent")}
        assert touched <= TOUCHES[rung.kind]
        assert bool(touched) == (rung != AS_ASKED)
        assert not {"launchType", "capacityProviderStrategy"} <= set(after), "ECS takes one of them"
        assert ladder.describe(rung, body, zone="ap-northeast-1a")


@pytest.mark.parametrize(
    ("rung", "request_", "words"),
    [
        (Rung(kind=RungKind.ON_DEMAND), on(SPOT), "on-demand in ap-northeast-1c instead of Spot"),
        (
            Rung(kind=RungKind.EACH_SUBNET, value=("subnet-c",)),
            asked(),
            "in subnet-c alone (ap-northeast-1c) instead of any of its 2 subnets",
        ),
        (
            Rung(kind=RungKind.EXTRA_SUBNETS, value=("subnet-d",)),
            asked(networkConfiguration=network("subnet-a")),
            "in the extra subnet subnet-d (ap-northeast-1c) instead of its own subnet",
        ),
        (Rung(kind=RungKind.SPOT), asked(), "on Spot in ap-northeast-1c instead of on-demand"),
        (
            Rung(kind=RungKind.CAPACITY_PROVIDERS, value=("spare",)),
            on(EC2),
            "with capacity provider spare in ap-northeast-1c instead of batch-asg",
        ),
        (
            Rung(kind=RungKind.SIZES, value=("1024", "4096")),
            asked(),
            "with 1 vCPU, 4 GB in ap-northeast-1c instead of the size of its task definition",
        ),
        (
            Rung(kind=RungKind.SIZES, value=("1024", "4096")),
            asked(overrides={"cpu": "256", "memory": "512"}),
            "with 1 vCPU, 4 GB in ap-northeast-1c instead of 0.25 vCPU, 0.5 GB",
        ),
        (
            Rung(kind=RungKind.PLATFORM_VERSIONS, value=("1.3.0",)),
            asked(),
            "on platform version 1.3.0 in ap-northeast-1c instead of LATEST",
        ),
    ],
)
def test_a_change_is_told_with_the_zone_and_what_it_stands_for(
    rung: Rung, request_: dict[str, Any], words: str
) -> None:
    assert ladder.describe(rung, request_, zone="ap-northeast-1c") == words
    without = ladder.describe(rung, request_)
    assert "ap-northeast-1c" not in without
    assert without.split(" instead of ")[1] == words.split(" instead of ")[1]


@pytest.mark.parametrize(
    ("rung", "request_", "words"),
    [
        (AS_ASKED, asked(), "as asked"),
        (Rung(kind=RungKind.ON_DEMAND), on(SPOT), "on-demand instead of Spot"),
        (
            Rung(kind=RungKind.EXTRA_SUBNETS, value=("subnet-d",)),
            asked(),
            "in the extra subnet subnet-d instead of its own 2 subnets",
        ),
        (
            Rung(kind=RungKind.CAPACITY_PROVIDERS, value=("spare",)),
            on(MIXED),
            "with capacity provider spare instead of FARGATE_SPOT, FARGATE",
        ),
        (
            Rung(kind=RungKind.CAPACITY_PROVIDERS, value=("spare",)),
            asked(),
            "with capacity provider spare instead of FARGATE",
        ),
        (
            Rung(kind=RungKind.CAPACITY_PROVIDERS, value=("spare",)),
            asked(launchType=None),
            "with capacity provider spare instead of the cluster's default",
        ),
        (
            Rung(kind=RungKind.SIZES, value=("1024", "4096")),
            asked(overrides={"cpu": "256"}),
            "with 1 vCPU, 4 GB instead of the size of its task definition",
        ),
        (
            Rung(kind=RungKind.PLATFORM_VERSIONS, value=("1.3.0",)),
            asked(platformVersion="1.4.0"),
            "on platform version 1.3.0 instead of 1.4.0",
        ),
    ],
)
def test_a_change_is_told_without_a_zone_where_none_is_known(
    rung: Rung, request_: dict[str, Any], words: str
) -> None:
    assert ladder.describe(rung, request_) == words


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        ({"count": 2, "launchType": "FARGATE"}, {"launchType": "FARGATE"}),
        (
            {"platformVersion": "1.4.0", "overrides": {"cpu": "256", "memory": "512", "taskRoleArn": "r"}},
            {"platformVersion": "1.4.0", "overrides": {"cpu": "256", "memory": "512"}},
        ),
        ({"overrides": {"cpu": 256, "memory": None}}, {}),
        ({"overrides": "HIDDEN"}, {}),
        (
            {"capacityProviderStrategy": SPOT, "networkConfiguration": network("subnet-a")},
            {"capacityProviderStrategy": SPOT, "networkConfiguration": network("subnet-a")},
        ),
    ],
)
def test_exactly_what_a_ladder_is_computed_from(request_: dict[str, Any], shown: dict[str, Any]) -> None:
    assert ladder.visible(request_) == shown


def test_what_is_free_is_what_is_on_by_default_and_everything_has_its_cost_in_words() -> None:
    assert {RungKind.AS_ASKED, RungKind.EACH_SUBNET} == FREE
    assert set(COSTS) == set(RungKind)


def test_what_a_ladder_is_computed_from_holds_no_secret() -> None:
    secret = {"containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": "canary"}]}]}
    shown = ladder.visible(asked(overrides={**secret, "cpu": "256"}, tags=[{"key": "k", "value": "canary"}]))
    assert "canary" not in str(shown)
    assert shown["overrides"] == {"cpu": "256"}
    assert ladder.rungs_for(EVERYTHING, shown) == ladder.rungs_for(
        EVERYTHING, asked(overrides={**secret, "cpu": "256"})
    )


# Fargate's sizes.


def test_the_sizes_are_those_of_the_local_aws() -> None:
    """Two readers of the same page of AWS's; neither knows the other."""
    assert {cpu: tuple(memory) for cpu, memory in fargate_sizes.MEMORY_MIB.items()} == dict(fargate.SIZES)


@given(cpu=st.sampled_from(sorted(fargate.SIZES)), data=st.data())
def test_a_size_that_is_spoken_is_read_again(cpu: int, data: st.DataObject) -> None:
    memory = data.draw(st.sampled_from(fargate.SIZES[cpu]))
    assert fargate.read_size(fargate.size_text(cpu, memory)) == (cpu, memory)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1024/4096", "not a size"),
        ("1 vCPU", "not a size"),
        ("3 vCPU, 8 GB", "no 3 vCPU; it has 0.25, 0.5, 1, 2, 4, 8, 16, 32"),
        ("1 vCPU, 1 GB", "no 1 GB with 1 vCPU; it has 2, 3, 4, 5, 6, 7, 8 GB"),
        ("8 vCPU, 18 GB", "no 18 GB"),
    ],
)
def test_a_size_that_fargate_does_not_have_is_refused_with_those_it_has(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fargate.read_size(text)
