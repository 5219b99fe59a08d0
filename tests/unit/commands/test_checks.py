"""From an inventory to OK, FAIL and SKIP: each row spoils one thing of an account where all is in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.commands.doctor.check import Check, Status, listed
from retry_run_task.commands.doctor.checks import examine
from retry_run_task.commands.shared.inventory import Concurrency, Filter, Inventory, Launchers, Missing, Topic
from retry_run_task.commands.shared.ownership import Resource
from support import inventories as world

RECOVER = Resource(name="Recover", type="AWS::Lambda::Function")
ORDERS = Resource(name="Orders", type="AWS::SQS::Queue")
OK, FAIL, SKIP = Status.OK, Status.FAIL, Status.SKIP


def said(inventory: Inventory, name: str) -> list[Check]:
    return [check for check in examine(inventory) if check.name == name]


@pytest.mark.parametrize(
    "inventory", [world.NOT_INSTALLED, world.INSTALLED], ids=["not installed", "installed"]
)
def test_where_all_is_in_order_nothing_is_ng(inventory: Inventory) -> None:
    assert [check for check in examine(inventory) if check.status is FAIL] == []


def test_an_empty_account_lacks_only_its_trail() -> None:
    assert [check.name for check in examine(world.EMPTY) if check.status is FAIL] == ["trail"]


@pytest.mark.parametrize("accounts", [{}, {"MemberAccounts": ""}])
def test_without_other_accounts_nothing_is_said_of_them(accounts: dict[str, str]) -> None:
    assert said(world.with_stack(parameters=accounts), "other accounts") == []


def test_every_check_that_is_ng_says_what_to_do() -> None:
    checks = [check for inventory, *_ in ROWS for check in examine(inventory) if check.status is FAIL]
    assert len(checks) > 15
    assert [check for check in checks if not check.next] == []


def test_every_sentence_is_one_line_and_ends() -> None:
    for inventory, *_ in ROWS:
        for check in examine(inventory):
            assert check.why.endswith("."), check
            assert "\n" not in check.why + check.next


def disabled(**changes: Any) -> Inventory:
    return world.with_launcher(is_enabled=False, **changes)


ROWS: list[tuple[Inventory, str, Status, str]] = [
    # The trail.
    (world.NOT_INSTALLED, "trail", OK, "main records RunTask calls."),
    (
        world.with_trail(is_multi_region=True, is_organization=True),
        "trail",
        OK,
        "main (of the organisation, of all",
    ),
    (world.with_trail(is_logging=False), "trail", FAIL, "The trail main is switched off."),
    (world.with_trail(records_run_task=False), "trail", FAIL, "leaves out management events that write"),
    (world.with_trail(is_logging=False, records_run_task=False), "trail", FAIL, "switched off"),
    (world.with_trail(is_logging=world.DENIED), "trail", SKIP, "You have no permission for some:Action."),
    (
        world.with_trail(records_run_task=world.BROKEN),
        "trail",
        SKIP,
        "some:Action failed: InternalFailure: try later.",
    ),
    (world.with_trail(is_logging=world.DENIED, records_run_task=False), "trail", FAIL, "leaves out"),
    (
        replace(world.NOT_INSTALLED, trails=()),
        "trail",
        FAIL,
        "There is no trail that records calls in ap-northeast-1",
    ),
    (replace(world.NOT_INSTALLED, trails=world.DENIED), "trail", SKIP, "no permission for some:Action"),
    (
        replace(
            world.NOT_INSTALLED, trails=(replace(world.TRAIL, name="off", is_logging=False), world.TRAIL)
        ),
        "trail",
        OK,
        "main records",
    ),
    # Its log group.
    (world.NOT_INSTALLED, "log group", OK, "main writes to trail."),
    (world.with_trail(log_group_arn=None), "log group", SKIP, "failures can only come through EventBridge."),
    (
        world.with_trail(log_group_arn="arn:aws:logs:us-east-1:999999999999:log-group:org"),
        "log group",
        SKIP,
        "is in us-east-1 of account 999999999999",
    ),
    (replace(world.NOT_INSTALLED, trails=world.DENIED), "log group", SKIP, "not known which trails"),
    (replace(world.NOT_INSTALLED, trails=()), "log group", SKIP, "There is no trail"),
    (world.with_group(exists=False), "log group", FAIL, "names the log group trail, which is not there"),
    (world.with_group(log_class="INFREQUENT_ACCESS"), "log group", FAIL, "takes no subscription filters"),
    (world.with_group(log_class="DELIVERY"), "log group", FAIL, "takes no subscription filters"),
    (world.with_group(log_class=world.DENIED), "log group", SKIP, "no permission"),
    (
        world.with_trail(delivery_error="AccessDenied"),
        "log group",
        FAIL,
        "the last time it tried: AccessDenied.",
    ),
    # The filters on it.
    (world.NOT_INSTALLED, "filter slot", OK, "2 of 2 on trail are free."),
    (world.with_group(filters=(world.THEIRS,)), "filter slot", OK, "1 of 2 on trail is free."),
    (
        world.with_group(filters=(world.THEIRS, replace(world.THEIRS, name="search"))),
        "filter slot",
        FAIL,
        "Both filters that trail may have are taken: security (to arn:aws:kinesis",
    ),
    (
        world.with_group(filters=(world.THEIRS, world.OURS)),
        "filter slot",
        OK,
        "RunTaskFailureFilter is on trail.",
    ),
    (
        # Another installation's filter is not ours.
        world.with_group(
            filters=(replace(world.OURS, destination_arn=f"{world.INTAKE_ARN}-2"), world.THEIRS)
        ),
        "filter slot",
        FAIL,
        "Both filters",
    ),
    (world.with_group(filters=world.DENIED), "filter slot", SKIP, "no permission"),
    (world.with_group(exists=False), "filter slot", SKIP, "no log group"),
    (
        replace(world.INSTALLED, log_groups={world.GROUP_ARN: world.GROUP}),
        "filter slot",
        FAIL,
        "The stack's filter RunTaskFailureFilter is not on trail any more.",
    ),
    # The rules and schedules.
    (world.NOT_INSTALLED, "schedules", OK, "1 schedule; cluster batch; task definition nightly."),
    (disabled(), "schedules", OK, "1 schedule; 1 switched off."),
    (replace(world.NOT_INSTALLED, launchers=Launchers()), "schedules", SKIP, "No rule and no schedule"),
    (
        replace(world.NOT_INSTALLED, launchers=Launchers(gaps=(world.DENIED,))),
        "schedules",
        SKIP,
        "no permission",
    ),
    (world.NOT_INSTALLED, "hidden values", OK, "variables of export; all can be read back."),
    (world.with_launcher(may_hide=False), "hidden values", OK, "None of them"),
    (world.with_launcher(unreadable="it is gone"), "hidden values", FAIL, "read back: export (it is gone)."),
    (world.on_instances(()), "launch type", OK, "None sets the launch type EC2"),
    (
        world.on_instances(("spare",)),
        "launch type",
        FAIL,
        "export sets the launch type EC2 on a cluster with",
    ),
    (world.on_instances(world.DENIED), "launch type", SKIP, "no permission"),
    (world.NOT_INSTALLED, "task definitions", OK, "there and active (1)."),
    (
        replace(world.NOT_INSTALLED, task_definitions={"nightly": Missing(why="ClientException: Unable")}),
        "task definitions",
        FAIL,
        "There is no task definition nightly, which export starts.",
    ),
    (
        replace(
            world.NOT_INSTALLED, task_definitions={"nightly": replace(world.DEFINITION, is_active=False)}
        ),
        "task definitions",
        FAIL,
        "is inactive",
    ),
    (
        replace(world.NOT_INSTALLED, task_definitions={"nightly": world.DENIED}),
        "task definitions",
        SKIP,
        "permission",
    ),
    (
        world.with_launcher(task_definition="$.detail.job"),
        "task definitions",
        SKIP,
        "What export starts is not known",
    ),
    (world.NOT_INSTALLED, "roles", OK, "recover has to pass role/execution, role/task."),
    (world.with_launcher(pass_role_arns=("role/x",)), "roles", OK, "role/execution, role/task, role/x."),
    (
        world.with_launcher(volume_role_arns=("role/v",)),
        "roles",
        FAIL,
        "export passes a role for EBS volumes",
    ),
    (replace(world.NOT_INSTALLED, task_definitions={"nightly": world.DENIED}), "roles", SKIP, "not known"),
    (
        replace(
            world.NOT_INSTALLED,
            task_definitions={
                "nightly": replace(world.DEFINITION, task_role_arn=None, execution_role_arn=None),
            },
        ),
        "roles",
        OK,
        "no roles",
    ),
    # The installation.
    (world.NOT_INSTALLED, "durable functions", SKIP, "no call that only asks"),
    (world.INSTALLED, "durable functions", OK, "this Region has them"),
    (world.with_stack(is_durable=False), "durable functions", FAIL, "gone, or is not durable"),
    (world.with_stack(is_durable=world.DENIED), "durable functions", SKIP, "no permission"),
    (world.NOT_INSTALLED, "stack", SKIP, "retry-run-task is not installed here."),
    (replace(world.NOT_INSTALLED, stack_name="second"), "stack", SKIP, "second is not installed here."),
    (replace(world.NOT_INSTALLED, stack=world.DENIED), "stack", SKIP, "no permission"),
    (world.with_stack(outputs={"Version": "0.0.9"}), "stack", OK, "version 0.0.9, and this is"),
    (world.FOREIGN, "stack", FAIL, "is not an installation of retry-run-task: it has a table"),
    (world.with_stack(status="UPDATE_COMPLETE"), "stack", OK, "is installed, version"),
    (world.with_stack(resources=(RECOVER, ORDERS)), "stack", FAIL, "but also holds Orders (AWS::SQS::Queue)"),
    (
        world.with_stack(resources=(RECOVER, replace(ORDERS, is_gone=True))),
        "stack",
        OK,
        "is installed, version",
    ),
    (world.with_stack(status="UPDATE_ROLLBACK_COMPLETE"), "stack", OK, "its last update was undone"),
    (world.with_stack(status="REVIEW_IN_PROGRESS"), "stack", SKIP, "is not installed"),
    (world.with_stack(status="UPDATE_IN_PROGRESS"), "stack", SKIP, "is being changed (UPDATE_IN_PROGRESS)"),
    (
        world.with_stack(status="ROLLBACK_COMPLETE", reason="Creation failed."),
        "stack",
        FAIL,
        "COMPLETE): Creation failed.",
    ),
    (world.with_stack(status="ROLLBACK_FAILED"), "stack", FAIL, "not whole"),
    (world.with_stack(status="CREATE_FAILED"), "stack", FAIL, "not whole"),
    (world.with_stack(status="DELETE_FAILED"), "stack", FAIL, "not whole (DELETE_FAILED)"),
    (world.with_stack(status="UPDATE_ROLLBACK_FAILED"), "stack", FAIL, "stuck in a change"),
    # What it looks after.
    (world.INSTALLED, "scope", OK, "every rule and schedule"),
    (
        world.with_stack(parameters={"TaskDefinitions": "night*", "Clusters": "b?tch", "PassRoleArns": ""}),
        "scope",
        FAIL,
        "may not pass role/task",
    ),
    (
        world.with_stack(parameters={"TaskDefinitions": "weekly", "Clusters": "*"}),
        "scope",
        SKIP,
        "leaves export alone",
    ),
    (world.with_stack(parameters={"TaskDefinitions": "*"}), "scope", SKIP, "leaves export alone"),
    (
        replace(world.INSTALLED, closed={"210987654321": "no role"}),
        "other accounts",
        SKIP,
        "210987654321 was not looked at, since no role.",
    ),
    # Who is told.
    (world.NOT_INSTALLED, "alarms", SKIP, "no installation"),
    (world.INSTALLED, "alarms", OK, "There is a subscriber to retry-run-task."),
    (replace(world.INSTALLED, alarms=world.DENIED), "alarms", SKIP, "no permission"),
    (
        replace(world.INSTALLED, alarms=(replace(world.ALARM, exists=False),)),
        "alarms",
        FAIL,
        "gave-up is gone",
    ),
    (
        replace(world.INSTALLED, alarms=(replace(world.ALARM, topic_arns=()),)),
        "alarms",
        FAIL,
        "notifies nobody",
    ),
    (
        replace(world.INSTALLED, alarms=(replace(world.ALARM, has_actions=False),)),
        "alarms",
        FAIL,
        "notifies nobody",
    ),
    (
        replace(world.INSTALLED, topics={world.TOPIC_ARN: Topic(arn=world.TOPIC_ARN)}),
        "alarms",
        FAIL,
        "has no confirmed subscription",
    ),
    (
        replace(world.INSTALLED, topics={world.TOPIC_ARN: Topic(arn=world.TOPIC_ARN, pending=1)}),
        "alarms",
        FAIL,
        "its subscription is not confirmed",
    ),
    (
        replace(
            world.INSTALLED, topics={world.TOPIC_ARN: Topic(arn=world.TOPIC_ARN, pending=1, confirmed=1)}
        ),
        "alarms",
        OK,
        "There is a subscriber to",
    ),
    (replace(world.INSTALLED, topics={world.TOPIC_ARN: world.DENIED}), "alarms", SKIP, "no permission"),
    # Lambda.
    (world.NOT_INSTALLED, "concurrency", OK, "1000 of 1000 concurrent executions are not reserved."),
    (
        replace(world.NOT_INSTALLED, concurrency=Concurrency(limit=10, unreserved=10)),
        "concurrency",
        OK,
        "recover would be deployed without 10 of its own",
    ),
    (
        replace(world.INSTALLED, concurrency=Concurrency(limit=10, unreserved=10)),
        "concurrency",
        OK,
        "not reserved.",
    ),
    (replace(world.NOT_INSTALLED, concurrency=world.DENIED), "concurrency", SKIP, "no permission"),
]


@pytest.mark.parametrize(("inventory", "name", "status", "why"), ROWS)
def test_a_check_says(inventory: Inventory, name: str, status: Status, why: str) -> None:
    found = said(inventory, name)
    assert [one.why for one in found if one.status is status and why in one.why], found


@pytest.mark.parametrize(
    "changes",
    [{"unreadable": "it is gone"}, {"volume_role_arns": ("role/v",)}, {"task_definition": "gone"}],
)
def test_what_is_switched_off_does_no_harm(changes: dict[str, Any]) -> None:
    inventory = replace(disabled(**changes), task_definitions={"gone": Missing(why="ClientException")})
    assert [check for check in examine(inventory) if check.status is FAIL] == []


def test_the_best_of_several_log_groups_is_spoken_of() -> None:
    full = f"{world.GROUP_ARN}-full"
    trails = (replace(world.TRAIL, name="full", log_group_arn=full), world.TRAIL)
    taken = tuple(Filter(name=name, destination_arn="arn") for name in "ab")
    groups = {full: replace(world.GROUP, name="full", filters=taken), world.GROUP_ARN: world.GROUP}
    inventory = replace(world.NOT_INSTALLED, trails=trails, log_groups=groups)
    assert [(c.status, c.why) for c in said(inventory, "filter slot")] == [(OK, "2 of 2 on trail are free.")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ""), (["a"], "a"), (list("abcde"), "a, b, c, d, e"), (list("abcdefg"), "a, b, c, d, e and 2 more")],
)
def test_long_lists_are_cut(names: list[str], expected: str) -> None:
    assert listed(names) == expected
