"""``policy``: check names every problem, show says what a policy means, and try looks at the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from retry_run_task.commands.explain.explaining import explain_launch
from retry_run_task.commands.main import retry_run_task
from retry_run_task.config import policy_of
from retry_run_task.errors import ConfigError
from retry_run_task.policy.scope import Scope
from support.canned import Canned, denied
from support.policies import DEFAULT
from support.records import launch, parameters, record

REGION = "ap-northeast-1"
ROLE = "arn:aws:iam::123456789012:role/events"
SHIPPED = files("retry_run_task").joinpath("policy.toml").read_text(encoding="utf-8")
MINE = """
[[rules]]
name = "month-end"
match = { schedule = "month-*" }
deadline = "1 d"
wait = { first = "10 s", longest = "10 min" }

[[rules]]
name = "may cost more"
match = { policy = "may-cost-more", category = "capacity" }
rungs = ["as-asked", "each-subnet", "on-demand"]

[[rules]]
name = "dev"
match = { cluster = "dev" }
ignore = true

"""


def with_mine() -> str:
    return SHIPPED.replace('[[rules]]\nname = "capacity"', f'{MINE}[[rules]]\nname = "capacity"', 1)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(with_mine(), encoding="utf-8")
    return str(path)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(retry_run_task, ["policy", *arguments], standalone_mode=False)


def test_the_shipped_policy_has_no_problem() -> None:
    done = run("check")
    assert (done.return_value, done.stdout) == (0, "policy.toml is a policy, without a problem.\n")


def test_every_problem_is_a_line_that_editors_jump_to_and_the_answer_is_no(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(SHIPPED.replace("spread", "spred").replace('"1 d"\n', '"9 d"\n'), encoding="utf-8")
    done = run("check", str(path))
    assert done.return_value == 3
    (first,) = (line for line in done.stdout.splitlines() if "spred" in line)
    number = SHIPPED[: SHIPPED.index('spread = "')].count("\n") + 1
    assert first == f"{path}:{number}: spred is not a key at the top. Did you mean spread?"
    as_json = json.loads(run("check", str(path), "--json").stdout)
    deadline = SHIPPED[: SHIPPED.index('deadline = "1 d"\n')].count("\n") + 1
    assert [problem["line"] for problem in as_json["problems"]] == [number, deadline]


def test_what_costs_something_is_said_when_it_is_checked(mine: str) -> None:
    done = run("check", mine)
    assert done.return_value == 0
    assert "rule 'may cost more' allows on-demand: costs more: on-demand has no discount" in done.stdout


@pytest.mark.parametrize(("deadline", "is_said"), [("2 d", True), ("1 d", False)])
def test_a_deadline_that_failed_starts_may_not_let_a_recovery_reach_is_said(
    tmp_path: Path, deadline: str, is_said: bool
) -> None:
    path = tmp_path / "long.toml"
    rule = '[[rules]]\nname = "long"\nmatch = { schedule = "long-*", category = "transient" }\n'
    rule += f'deadline = "{deadline}"\n'
    rule += 'wait = { first = "15 s", longest = "5 min" }\n'
    path.write_text(SHIPPED.replace("\n[[rules]]", f"\n{rule}\n[[rules]]", 1), encoding="utf-8")
    done = run("check", str(path))
    assert done.return_value == 0
    says = "rule 'long' has a deadline of 2 d, and where tasks are placed and every one fails to start, Lambda's limit"
    assert (says in done.stdout) is is_said


@pytest.mark.parametrize("command", ["check", "show", "try"])
def test_a_file_that_is_not_there_is_one_sentence(command: str) -> None:
    done = run(command, "/no/such/policy.toml")
    assert "cannot be read: No such file" in str(done.exception)


def test_a_policy_that_is_none_is_shown_by_no_command(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff")
    assert "not UTF-8" in str(run("check", str(path)).exception)
    path.write_text("rules = 3", encoding="utf-8")
    assert isinstance(run("show", str(path)).exception, ConfigError)


def test_show_says_how_long_and_how_often_and_where_each_attempt_goes() -> None:
    text = run("show", "--category", "capacity").stdout
    assert "capacity: tries for 1 d, about 546 times (410 to 818), each time up to two calls" in text
    lines = [line.split("  ") for line in text.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert ["1", "up to 10 s", "10 s", "as-asked"] in rows
    assert ["2", "at once", "10 s", "each-subnet subnet-1"] in rows
    assert ["3", "up to 15 s", "25 s", "as-asked"] in rows
    assert ["4", "at once", "25 s", "each-subnet subnet-2"] in rows
    assert ["5", "up to 30 s", "55 s", "as-asked"] in rows
    assert ["and so on", "up to 50 s"] in rows
    assert "\x1b" not in text


def test_show_is_for_the_launches_that_are_asked_for(mine: str) -> None:
    done = json.loads(
        run("show", mine, "--schedule", "month-report", "--tag", "may-cost-more", "--json").stdout
    )
    capacity = done["handlings"][0]
    assert capacity["rules"] == ["month-end", "may cost more", "capacity", "everything"]
    assert capacity["rungs"] == ["as-asked", "each-subnet", "on-demand"]
    assert capacity["deadline_s"] == 86_400
    assert [call["rung"] for call in capacity["calls"]][:5] == [
        "as-asked",
        "each-subnet subnet-1",
        "as-asked",
        "each-subnet subnet-2",
        "on-demand",
    ]
    totals = [call["total_s"] for call in capacity["calls"]]
    assert totals == sorted(totals)
    assert "is left alone" in run("show", mine, "--cluster", "dev").stdout


def target(cluster: str, definition: str) -> dict[str, Any]:
    return {
        "Arn": cluster,
        "RoleArn": ROLE,
        "EcsParameters": {"TaskDefinitionArn": definition, "LaunchType": "FARGATE"},
    }


@pytest.fixture
def aws() -> Iterator[Canned]:
    """A cluster with three schedules, one of them tagged; and a development cluster with one."""
    with Canned() as aws:
        batch, dev = aws.local.ecs.create_cluster("batch"), aws.local.ecs.create_cluster("dev")
        nightly = aws.local.ecs.register_task_definition("nightly")
        for name, cluster, tags in (
            ("month-report", batch, {}),
            ("hourly", batch, {"retry-run-task:policy": "may-cost-more"}),
            ("never", batch, {"retry-run-task:ignore": "true"}),
            ("try-out", dev, {}),
        ):
            aws.local.schedules.put_rule(name, expression="rate(1 hour)", tags=tags)
            aws.local.schedules.put_targets(name, [{"Id": "1", **target(cluster, nightly)}])
        aws.local.schedules.create_schedule(
            "export",
            expression="rate(1 day)",
            target=target(batch, nightly),
            flexible_time_window={"Mode": "OFF"},
        )
        aws.answers["scheduler:ListTagsForResource"] = {"Tags": []}
        aws.answers["ecs:ListTagsForResource"] = {"tags": []}
        yield aws


def tried(aws: Canned, *arguments: str) -> dict[str, Any]:
    done = run("try", "--region", REGION, "--json", *arguments, **aws.environment())
    assert done.exception is None, done.exception
    (region,) = json.loads(done.stdout)["regions"]
    assert region["region"] == REGION
    return {hit["name"]: hit for hit in region["schedules"]}


def test_try_shows_which_rules_each_schedule_gets(aws: Canned, mine: str) -> None:
    hits = tried(aws, mine)
    assert {name: hit["rules"] for name, hit in hits.items()} == {
        "month-report": ["month-end", "capacity", "everything"],
        "hourly": ["may cost more", "capacity", "everything"],
        "never": ["tag"],
        "try-out": ["dev", "capacity", "everything"],
        "export": ["capacity", "everything"],
    }
    assert hits["hourly"]["rungs"] == ["as-asked", "each-subnet", "on-demand"]
    assert [name for name, hit in hits.items() if hit["ignored"]] == ["never", "try-out"]
    assert "tries for 1 d" in hits["month-report"]["in_words"]
    text = run("try", mine, "--region", REGION, **aws.environment()).stdout
    assert "rule hourly" in text
    assert "may cost more, capacity, everything" in text


def test_tags_of_groups_and_of_task_definitions_count_and_the_schedules_own_first(
    aws: Canned, mine: str
) -> None:
    aws.answers["scheduler:ListTagsForResource"] = {
        "Tags": [{"Key": "retry-run-task:policy", "Value": "may-cost-more"}]
    }
    aws.answers["ecs:ListTagsForResource"] = {
        "tags": [{"key": "retry-run-task:policy", "value": "unheard-of"}]
    }
    hits = tried(aws, mine)
    assert hits["export"]["tag"] == hits["hourly"]["tag"] == "may-cost-more"
    assert hits["month-report"]["tag"] == "unheard-of"
    assert hits["month-report"]["notes"] == ["no rule is for the tag 'unheard-of'"]


def test_tags_that_cannot_be_read_are_said_and_are_no_tags(aws: Canned, mine: str) -> None:
    for service in ("ecs", "events", "scheduler"):
        aws.answers[f"{service}:ListTagsForResource"] = denied(f"{service}:ListTagsForResource")
    hits = tried(aws, mine)
    assert hits["hourly"]["rules"] == ["capacity", "everything"]
    assert any("events:ListTagsForResource failed: AccessDenied" in note for note in hits["hourly"]["notes"])


def test_what_try_asks_is_what_the_page_says_it_needs(aws: Canned) -> None:
    tried(aws)
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
    for action in set(aws.calls) - {"sts:GetCallerIdentity"}:
        assert f"`{action}`" in page, action
        assert action.partition(":")[2].startswith(("List", "Describe", "Get")), "it changes nothing"


# explain, which decides by a policy.


def test_explain_shows_the_rule_and_the_rungs(tmp_path: Path, mine: str) -> None:
    path = tmp_path / "record.json"
    spot = parameters(
        launchType=None, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    )
    path.write_text(json.dumps(record(request=spot)), encoding="utf-8")
    done = CliRunner().invoke(
        retry_run_task, ["explain", str(path), "--policy", mine, "--json"], standalone_mode=False
    )
    (found,) = json.loads(done.stdout)["launches"]
    assert (found["decision"], found["rule"]) == ("retry", "capacity")
    assert found["rungs"] == ["as-asked", "each-subnet subnet-a", "each-subnet subnet-c"]


def test_explain_leaves_alone_what_the_policy_ignores() -> None:
    text = with_mine().replace('cluster = "dev"', 'cluster = "batch"')
    found = explain_launch(launch(), Scope(), policy=policy_of(text.encode(), "mine"))
    assert (found["decision"], found["rule"], found["request"]) == ("ignore", "dev", None)
    assert explain_launch(launch(), Scope(), policy=DEFAULT)["decision"] == "retry"
