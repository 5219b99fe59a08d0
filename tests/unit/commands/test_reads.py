"""What recover may read of rules and schedules: what starts tasks where it may start tasks, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.commands.deploy import reads
from retry_run_task.commands.shared.inventory import Identity, Inventory, Launcher, Launchers, Unknown
from retry_run_task.launch.values import CallerKind

IDENTITY = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/me", partition="aws")
GAP = Unknown(action="events:ListRules", why="AccessDenied: orders is encrypted", is_denied=True)


def rule(name: str, **more: Any) -> Launcher:
    return Launcher(**{"kind": CallerKind.RULE, "name": name, "cluster": "batch", **more})


def schedule(name: str, **more: Any) -> Launcher:
    return rule(name, kind=CallerKind.SCHEDULER, **more)


def inventory(*found: Launcher, gaps: tuple[Unknown, ...] = ()) -> Inventory:
    return Inventory(region="ap-northeast-1", identity=IDENTITY, launchers=Launchers(found=found, gaps=gaps))


def test_what_starts_tasks_on_the_clusters_is_read_and_nothing_else() -> None:
    there = inventory(
        rule("nightly"),
        rule("report", holder="reports"),
        rule("off", is_enabled=False),
        rule("elsewhere", cluster="web"),
        rule("wherever", cluster="$.detail.cluster"),
        schedule("weekly"),
        schedule("weekly", holder="finance"),
    )
    assert reads.found(there, ["batch"]) == {
        "ReadRules": "nightly,off,reports/report,wherever",
        "ReadSchedules": "default/weekly,finance/weekly",
    }


def test_where_there_are_none_none_may_be_read() -> None:
    assert reads.found(inventory(rule("nightly")), ["b*"]) == {"ReadRules": "nightly", "ReadSchedules": ""}


@pytest.mark.parametrize(
    ("gaps", "values", "is_told"),
    [
        ((GAP,), {"ReadRules": "nightly", "ReadSchedules": ""}, True),
        ((GAP,), {"ReadRules": "*", "ReadSchedules": "*"}, False),
        ((), {"ReadRules": "nightly", "ReadSchedules": ""}, False),
    ],
)
def test_what_could_not_be_seen_may_not_be_read_and_that_is_told(
    gaps: tuple[Unknown, ...], values: dict[str, str], is_told: bool
) -> None:
    there = inventory(rule("nightly"), gaps=gaps)
    assert reads.found(there, ["batch"]) == {"ReadRules": "nightly", "ReadSchedules": ""}
    told = list(reads.notes(there, values, "--read-rules and --read-schedules"))
    assert [
        "only the rules and schedules that were found" in one and "--read-rules" in one for one in told
    ] == [True] * is_told


def test_what_may_not_be_read_is_named() -> None:
    there = inventory(rule("nightly"), schedule("weekly"))
    assert reads.unreadable(there, ["batch"], {}) == ()
    assert reads.unreadable(there, ["batch"], {"ReadRules": "n*", "ReadSchedules": ""}) == ("default/weekly",)
    moved = replace(there, launchers=Launchers(found=(rule("new"),)))
    assert reads.unreadable(moved, ["batch"], {"ReadRules": "nightly"}) == ("new",)
