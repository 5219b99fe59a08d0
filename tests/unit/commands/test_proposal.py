"""What an installation is proposed to be allowed: what the rules and schedules that are switched on need, no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retry_run_task.commands.deploy.proposal import EVENTBRIDGE, LOGS, Proposal, propose
from retry_run_task.commands.shared.inventory import Concurrency, Inventory, Launchers, Missing
from support import inventories as world


def test_a_whole_account_is_proposed_whole() -> None:
    assert propose(world.NOT_INSTALLED) == Proposal(
        task_definitions=("nightly",),
        clusters=("batch",),
        pass_role_arns=("role/execution", "role/task"),
        log_group="trail",
        event_sources=frozenset({LOGS, EVENTBRIDGE}),
        reserved=10,
    )


def test_nothing_is_proposed_for_an_empty_account() -> None:
    proposal = propose(world.EMPTY)
    assert (proposal.task_definitions, proposal.clusters, proposal.pass_role_arns) == ((), (), ())
    assert (proposal.log_group, proposal.event_sources) == ("", frozenset())


def test_nothing_is_proposed_twice_and_the_order_does_not_depend_on_what_was_found_first() -> None:
    launchers = [
        replace(world.LAUNCHER, name=name, cluster=cluster) for name, cluster in (("b", "z"), ("a", "y"))
    ]
    for found in (launchers, launchers[::-1]):
        inventory = replace(world.NOT_INSTALLED, launchers=Launchers(found=(*found, found[0])))
        assert propose(inventory).clusters == ("y", "z")
        assert propose(inventory).task_definitions == ("nightly",)


@pytest.mark.parametrize(
    ("inventory", "log_group", "event_sources"),
    [
        (world.INSTALLED, "trail", {LOGS, EVENTBRIDGE}),
        (world.with_group(filters=(world.THEIRS,)), "trail", {LOGS, EVENTBRIDGE}),
        (world.with_group(filters=(world.THEIRS, world.OURS)), "trail", {LOGS, EVENTBRIDGE}),
        (world.with_group(filters=(world.THEIRS, world.THEIRS)), "", {EVENTBRIDGE}),
        (world.with_group(filters=world.DENIED), "", {EVENTBRIDGE}),
        (world.with_group(log_class="INFREQUENT_ACCESS"), "", {EVENTBRIDGE}),
        (world.with_group(log_class=world.DENIED), "", {EVENTBRIDGE}),
        (world.with_group(exists=False), "", {EVENTBRIDGE}),
        (world.with_trail(log_group_arn=None), "", {EVENTBRIDGE}),
        (world.with_trail(is_logging=False), "", set()),
        (world.with_trail(records_run_task=False), "", set()),
        (world.with_trail(is_logging=world.DENIED), "trail", {LOGS, EVENTBRIDGE}),
        (replace(world.NOT_INSTALLED, trails=world.DENIED), "", {EVENTBRIDGE}),
    ],
)
def test_the_event_sources_that_are_open(
    inventory: Inventory, log_group: str, event_sources: set[str]
) -> None:
    """What could not be read may be open: EventBridge's way does no harm where it is not."""
    proposal = propose(inventory)
    assert (proposal.log_group, proposal.event_sources) == (log_group, event_sources)


@pytest.mark.parametrize(
    ("limit", "unreserved", "expected"),
    [(1000, 1000, 10), (1000, 110, 10), (1000, 109, None), (10, 10, None), (0, 0, None)],
)
def test_concurrency_is_reserved_if_lambda_allows_it(
    limit: int, unreserved: int, expected: int | None
) -> None:
    inventory = replace(world.NOT_INSTALLED, concurrency=Concurrency(limit=limit, unreserved=unreserved))
    assert propose(inventory).reserved == expected


@pytest.mark.parametrize(
    ("inventory", "said"),
    [
        (world.with_launcher(is_enabled=False), "export is switched off"),
        (world.with_launcher(task_definition="$.detail.job"), "its family has to be named by hand"),
        (world.with_launcher(cluster="$.detail.cluster"), "its cluster has to be named by hand"),
        (world.with_launcher(volume_role_arns=("role/v",)), "a role for EBS volumes"),
        (
            replace(world.NOT_INSTALLED, task_definitions={"nightly": world.DENIED}),
            "the roles of nightly are not known",
        ),
        (replace(world.NOT_INSTALLED, task_definitions={"nightly": Missing(why="gone")}), "not known: gone"),
        (
            replace(world.NOT_INSTALLED, launchers=Launchers(gaps=(world.DENIED,))),
            "(some:Action): AccessDenied: no",
        ),
    ],
)
def test_what_is_left_out_is_said(inventory: Inventory, said: str) -> None:
    assert said in " ".join(propose(inventory).left_out)


@pytest.mark.parametrize(
    ("asked", "family"),
    [
        ("weekly", "weekly"),
        ("weekly:3", "weekly"),
        ("arn:aws:ecs:ap-northeast-1:123456789012:task-definition/weekly", "weekly"),
        ("arn:aws:ecs:ap-northeast-1:123456789012:task-definition/weekly:3", "weekly"),
    ],
)
def test_the_family_is_known_from_the_name_if_ecs_does_not_tell(asked: str, family: str) -> None:
    assert propose(world.with_launcher(task_definition=asked)).task_definitions == (family,)


def test_what_is_switched_off_is_not_asked_for() -> None:
    proposal = propose(world.with_launcher(is_enabled=False))
    assert (proposal.task_definitions, proposal.clusters, proposal.pass_role_arns) == ((), (), ())
