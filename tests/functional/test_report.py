"""``report`` over files and over an account that answers by HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from retry_run_task.commands.main import retry_run_task
from support import nights
from support.canned import Canned, denied
from support.records import RULE_ROLE

SAMPLE = Path(__file__).parents[2] / "docs" / "assets" / "two-weeks.jsonl.gz"
SPAN = ("--since", "2026-11-09T00:00:00Z", "--until", "2026-11-23T00:00:00Z")
SECRET = "c4nary-hunter2"


def run(*arguments: str, code: int = 0, **environment: str) -> Result:
    env = {"COLUMNS": "100"} | environment
    result = CliRunner().invoke(retry_run_task, ["report", *arguments], env=env, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code, result.output
    return result


# Files.


def test_files_are_read_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    found = json.loads(run(str(SAMPLE), "--json").stdout)
    assert (found["calls"], found["failed"]) == (396, 28)
    assert found["endings"] == {"started": 24, "no recovery seen": 4}
    assert found["without"]["runs_missed"] == 24
    assert {one["kind"] for one in found["advice"]} == {
        "move",
        "another subnet",
        "on-demand rung",
        "shorter deadline",
        "fix",
    }


def test_the_page_is_written_and_said_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    result = run(str(SAMPLE), "--html", str(path))
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(path) in result.stderr
    assert "Nothing has been changed." in result.stdout


def test_a_record_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(
        json.dumps(nights.records()[0]) + '\n{"eventName": "RunTask", "eventSource": 1}\nnonsense\n'
    )
    assert "could not be read" in run(str(path)).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--html", "/nowhere/report.html"), "no folder"),
        (("--time-zone", "Mars/Olympus"), "is not a time zone"),
        (("--since", "2026-11-20", "--until", "2026-11-10"), "exchange"),
    ],
)
def test_what_was_typed_wrong_is_said(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(retry_run_task, ["report", str(SAMPLE), *arguments])
    assert result.exit_code == 2
    assert said in result.output


# An account.


def history(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer as CloudTrail does, 50 a page."""
    records = list(reversed(nights.records()))
    start = int(asked.get("NextToken") or 0)
    page = records[start : start + 50]
    found: dict[str, Any] = {"Events": [{"CloudTrailEvent": json.dumps(one)} for one in page]}
    return found | ({"NextToken": str(start + 50)} if start + 50 < len(records) else {})


@pytest.fixture
def account() -> Iterator[Canned]:
    with Canned() as aws:
        aws.answers["cloudtrail:LookupEvents"] = history
        local = aws.local
        cluster = local.ecs.create_cluster("batch")

        def target(name: str, **provider: Any) -> dict[str, Any]:
            network = {"awsvpcConfiguration": {"Subnets": ["subnet-0a", "subnet-0c"]}}
            ecs = {"TaskDefinitionArn": name, "NetworkConfiguration": network, **provider}
            given = {"containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": SECRET}]}]}
            return {"Arn": cluster, "RoleArn": RULE_ROLE, "EcsParameters": ecs, "Input": json.dumps(given)}

        local.schedules.put_rule("nightly-report", expression="cron(0 0 * * ? *)")
        local.schedules.put_targets(
            "nightly-report", [{"Id": "1", **target("nightly-report", LaunchType="FARGATE")}]
        )
        local.schedules.create_schedule(
            "invoice-export",
            expression="cron(0 0 * * ? *)",
            target=target("invoice-export", LaunchType="FARGATE"),
        )
        yield aws


def look(account: Canned, *arguments: str) -> Result:
    result = run(*SPAN, "--lookups-per-s", "1000", *arguments, **account.environment())
    assert SECRET not in result.output
    return result


def test_an_account_gives_the_commands_too(account: Canned) -> None:
    found = json.loads(look(account, "--json").stdout)
    move = next(one for one in found["advice"] if one["title"] == "Move nightly-report by 15 min")
    assert move["language"] == "Terraform"
    assert move["code"] == 'schedule_expression = "cron(15 0 * * ? *)"'
    assert "aws events describe-rule --name nightly-report --event-bus-name default" in move["commands"]
    scheduler = next(one for one in found["advice"] if one["title"] == "Move invoice-export by 15 min")
    assert "aws scheduler get-schedule --name invoice-export --group-name default" in scheduler["commands"]
    jobs = {one["name"]: one["expression"] for one in found["schedules"]}
    assert jobs["nightly-report"] == "cron(0 0 * * ? *)"


def test_nothing_is_changed(account: Canned) -> None:
    look(account)
    assert account.calls
    reads = re.compile(r".*:(Get|List|Describe|Lookup)\w+")
    assert [action for action in account.calls if not reads.fullmatch(action)] == []


def test_without_an_installation_what_became_of_a_call_is_told_from_calls(account: Canned) -> None:
    found = json.loads(look(account, "--json").stdout)
    assert found["endings"]["started"] == 24
    assert any("Recoveries could not be read" in note for note in found["notes"])


def test_what_may_not_be_read_is_said(account: Canned) -> None:
    account.answers["events:ListRules"] = denied("events:ListRules")
    found = json.loads(look(account, "--json").stdout)
    assert found["failed"] == 28
    assert any("events:ListRules" in note for note in found["notes"])


def test_files_and_an_account_go_together(account: Canned) -> None:
    del account.answers["cloudtrail:LookupEvents"]
    found = json.loads(look(account, str(SAMPLE), "--aws", "--json").stdout)
    assert any(one["commands"] and "nightly-report" in one["commands"] for one in found["advice"])
    assert "cloudtrail:LookupEvents" not in account.calls
