"""What recover may read of rules and schedules: what starts tasks where it may start tasks, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
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


def test_what_could_not_be_seen_may_be_the_one_so_all_may_be_read_and_that_is_said() -> None:
    there = inventory(rule("nightly"), gaps=(GAP,))
    assert reads.found(there, ["batch"]) == {}
    (note,) = reads.notes(there, ["batch"], {"ReadRules": "*", "ReadSchedules": "*"})
    assert "every rule and schedule" in note
    assert "events:ListRules" in note


@pytest.mark.parametrize(("rules", "schedules"), [(400, 0), (0, 400), (400, 400), (60, 60), (90, 10)])
def test_however_many_there_are_they_fit_into_the_policy_and_each_may_be_read(
    rules: int, schedules: int
) -> None:
    """25 characters each. IAM counts 6,144 without white space, and CloudFormation 4,096 in a parameter."""
    there = inventory(
        *(rule(f"team-{n % 7}-nightly-report-{n:04}") for n in range(rules)),
        *(schedule(f"team-{n % 7}-nightly-report-{n:04}") for n in range(schedules)),
    )
    values = reads.found(there, ["batch"])
    assert reads.unreadable(there, ["batch"], values) == ()
    assert max(map(len, values.values())) <= 4096
    resources = [f'"arn:*:events:*:*:rule/{one}",' for one in values["ReadRules"].split(",")]
    resources += [f'"arn:*:scheduler:*:*:schedule/{one}",' for one in values["ReadSchedules"].split(",")]
    assert sum(map(len, resources)) <= 4600
    patterns = [one for value in values.values() for one in value.split(",") if "*" in one]
    told = list(reads.notes(there, ["batch"], values))
    assert bool(told) == bool(patterns)
    # None is wider than it has to be: nothing of another team, nor all there is.
    assert not any(fnmatchcase(name, one) for one in patterns for name in ("payroll", "default/payroll"))


def test_sixty_jobs_are_named_one_by_one() -> None:
    there = inventory(*(rule(f"team-{n % 7}-nightly-report-{n:04}") for n in range(60)))
    assert "*" not in reads.found(there, ["batch"])["ReadRules"]


def test_patterns_stay_within_their_bus_or_group() -> None:
    names = [f"{group}/nightly-{n:05}" for group in ("finance", "sales") for n in range(200)]
    patterns = reads.fitting(names)
    assert {one.partition("/")[0] for one in patterns} == {"finance", "sales"}
    assert not any(fnmatchcase("other/nightly-00001", one) for one in patterns)


def test_names_with_nothing_in_common_become_everything() -> None:
    assert reads.fitting([f"{n:05}"[::-1] * 10 for n in range(2000)], 40) == ["*"]


def test_what_may_not_be_read_is_named() -> None:
    there = inventory(rule("nightly"), schedule("weekly"))
    assert reads.unreadable(there, ["batch"], {}) == ()
    assert reads.unreadable(there, ["batch"], {"ReadRules": "n*", "ReadSchedules": ""}) == ("default/weekly",)
    moved = replace(there, launchers=Launchers(found=(rule("new"),)))
    assert reads.unreadable(moved, ["batch"], {"ReadRules": "nightly"}) == ("new",)
