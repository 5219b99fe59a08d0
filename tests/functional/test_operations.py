"""``status``, ``stop``, ``pause``, ``resume``, ``replay`` and ``audit`` against AWS over HTTP, with real functions."""

from __future__ import annotations

import json
import re
import threading
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from retry_run_task.commands.main import retry_run_task
from retry_run_task.errors import ConfigError
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import rule_caller
from retry_run_task.local.install import install
from support.canned import Canned, denied
from support.site import REGION, Site

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/ecsEventsRole"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
SECRET = "c4nary-hunter2"


class Place:
    """An account where a rule `nightly` starts a task, and where everything that is called is written down."""

    def __init__(self, aws: Canned) -> None:
        self.aws, self.local = aws, aws.local
        self.site = Site(self.local)
        self.local.lookup.calls_per_s = None
        self.cluster = self.local.ecs.describe_clusters({"clusters": ["batch"]})["clusters"][0]["clusterArn"]
        self.definition = f"arn:aws:ecs:{REGION}:123456789012:task-definition/nightly:7"
        # Due some hours ago, whenever the tests run.
        self.due = (datetime.now(UTC) - timedelta(hours=6)).replace(minute=0, second=0, microsecond=0)
        self.rule("nightly", f"cron(0 {self.due.hour} * * ? *)")

    def rule(self, name: str, expression: str) -> None:
        ecs = {"TaskDefinitionArn": self.definition, "LaunchType": "FARGATE"}
        ecs["NetworkConfiguration"] = {"awsvpcConfiguration": {"Subnets": ["subnet-a"]}}
        self.local.schedules.put_rule(name, expression=expression)
        target = {"Id": "1", "Arn": self.cluster, "RoleArn": ROLE, "EcsParameters": ecs}
        self.local.schedules.put_targets(name, [target])

    def call(self, name: str = "nightly") -> None:
        """Call as EventBridge does for a rule."""
        body = {"cluster": self.cluster, "taskDefinition": self.definition, "launchType": "FARGATE"}
        mark = {"startedBy": f"events-rule/{name}"[:36], "clientToken": str(uuid.uuid4())}
        self.local.ecs.run_task({**body, **mark, "networkConfiguration": NETWORK}, rule_caller(ROLE))

    def recorded(self, calls: int) -> None:
        """Wait until so many calls can be looked up."""
        done = threading.Event()

        def look() -> None:
            if len(self.local.trail.history) >= calls:
                done.set()
            else:
                self.local.clock.call_later(1, look)

        look()
        assert done.wait(120)

    def run(self, *arguments: str, code: int = 0, **environment: str) -> Result:
        env = self.aws.environment() | {"COLUMNS": "120"} | environment
        result = CliRunner().invoke(retry_run_task, arguments, env=env, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        assert result.return_value == code, result.output
        assert SECRET not in result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def recoveries(self) -> list[dict[str, Any]]:
        return self.json("status")["regions"][0]["recoveries"]


def place(event_sources: tuple[str, ...], code: Path | None = None) -> Iterator[Place]:
    # Behind, and fast: it may not come to overtake the clock that the commands look at.
    start = datetime.now(UTC) - timedelta(hours=2)
    with Canned(LocalAws(speed=60, start=start, trail_delay=(2, 1), event_sources=event_sources)) as aws:
        one = Place(aws)
        install(one.local, python_path=[code] if code else None)
        yield one


@pytest.fixture
def account() -> Iterator[Place]:
    """With the product at work."""
    yield from place(("logs",))


@pytest.fixture
def unseen() -> Iterator[Place]:
    """With the product, of which nothing learns of any call."""
    yield from place(())


@pytest.fixture
def waiting(account: Place) -> Place:
    """One recovery, which has tried twice."""
    account.site.capacity(0)
    account.call()
    account.site.wait_for(lambda: len(account.site.recoveries()) >= 2)
    return account


# status.


def test_a_recovery_that_waits(waiting: Place) -> None:
    (one,) = waiting.recoveries()
    assert (one["schedule"], one["cluster"], one["category"]) == ("nightly", "batch", "capacity")
    assert one["state"] in ("waiting", "trying")
    assert one["calls"] >= 2
    text = waiting.run("status").stdout
    assert re.search(
        r"^(waiting|trying) +nightly +\d+ .* [0-9a-f]{8}  Capacity is unavailable", text, re.MULTILINE
    )
    assert "arn:" not in text


def test_one_in_full_by_the_beginning_of_its_id(waiting: Place) -> None:
    (one,) = waiting.recoveries()
    text = waiting.run("status", one["name"].removeprefix("retry-run-task-")[:8]).stdout
    assert f"recovery     {one['name']}" in text
    assert "it was a run of nightly; its next run is due at" in text
    assert "call 2: the same [capacity]; then waits" in text
    assert waiting.json("status", one["name"])["timeline"][0]["text"].startswith("the call failed: Capacity")


@pytest.mark.parametrize("width", ["80", "120"])
def test_it_is_found_by_whatever_a_person_has_at_hand(waiting: Place, width: str) -> None:
    waiting.site.capacity(None)
    waiting.site.wait_for(lambda: waiting.site.events("recovery.recovered"))
    waiting.local.durable.wait(waiting.local.durable.executions()[0].durable_execution_arn, 20)
    (one,) = waiting.recoveries()
    (arn,) = one["task_arns"]
    event_id = one["name"].removeprefix("retry-run-task-")
    assert event_id in {record["eventID"] for record in waiting.local.trail.history}
    for name in (
        "nightly",
        one["name"],
        event_id,
        event_id[:8],
        one["name"][:24],
        arn,
        arn.rpartition("/")[2],
    ):
        assert waiting.json("status", name)["name"] == one["name"], name
        assert one["name"] in waiting.run("status", name, COLUMNS=width).stdout
    for name in ("night", "batch", "nightly.*", "0" * 32, arn[:-1]):
        with pytest.raises(ConfigError, match="Nothing is called"):
            waiting.run("status", name)


def test_a_schedule_with_several_recoveries_is_a_table_of_them(waiting: Place) -> None:
    waiting.call()
    waiting.site.wait_for(lambda: len(started(waiting)) == 2)
    names = [one["name"] for one in waiting.json("status", "nightly")["regions"][0]["recoveries"]]
    assert sorted(names) == sorted(started(waiting))
    text = waiting.run("status", "nightly").stdout
    assert "all of nightly, in progress" in text
    assert len(waiting.json("stop", "nightly", "--reason", "x", "--yes")["recoveries"]) == 2


def test_what_is_over_is_shown_for_a_day_and_the_worst_is_first(waiting: Place) -> None:
    waiting.site.capacity(None)
    waiting.site.wait_for(lambda: waiting.site.events("recovery.recovered"))
    waiting.local.ecs.faults.fail_next(1, reason="TaskDefinition is inactive")
    waiting.call()
    waiting.site.wait_for(lambda: waiting.site.events("recovery.gave_up"))
    arns = [one.durable_execution_arn for one in waiting.local.durable.executions("retry-run-task-recover")]
    for arn in arns:
        waiting.local.durable.wait(arn, 20)
    assert [one["state"] for one in waiting.recoveries()] == ["gave up", "recovered"]
    assert waiting.json("status", "--since", "2099-01-01T00:00:00Z")["regions"][0]["recoveries"] == []
    assert waiting.json("status", "--schedule", "day*")["regions"][0]["recoveries"] == []
    limited = waiting.json("status", "--limit", "1")["regions"][0]
    assert (len(limited["recoveries"]), limited["left_out"]) == (1, 1)


def test_several_regions_and_again_and_again(waiting: Place) -> None:
    regions = ("--region", REGION, "--region", "eu-west-1")
    assert [one["region"] for one in waiting.json("status", *regions)["regions"]] == [REGION, "eu-west-1"]
    text = waiting.run("status", *regions, "--watch", "--times", "2").stdout
    assert text.count("eu-west-1") == 2
    with pytest.raises(ConfigError, match="for programs"):
        waiting.run("status", "--watch", "--json")


def test_what_cannot_be_seen_is_said(account: Place) -> None:
    assert "There is no installation nix" in account.run("status", "--stack", "nix", code=2).output
    with pytest.raises(ConfigError, match="Nothing is called 'nix'"):
        account.run("status", "nix")
    account.aws.answers["lambda:ListDurableExecutionsByFunction"] = denied(
        "lambda:ListDurableExecutionsByFunction"
    )
    assert "You may not list the recoveries" in account.run("status", code=1).output


# stop, pause, resume.


def test_a_recovery_is_stopped_with_a_reason_and_twice_is_harmless(waiting: Place) -> None:
    done = waiting.json("stop", "--schedule", "night*", "--reason", "run by hand", "--yes")
    assert [one["done"] for one in done["recoveries"]] == ["stopped"]
    (one,) = waiting.recoveries()
    assert (one["state"], one["why"]) == ("stopped", "run by hand")
    assert waiting.json("stop", "--all", "--reason", "again", "--yes")["recoveries"] == []
    named = waiting.run("stop", one["name"], "--reason", "again", "--yes")
    assert "has ended: stopped" in named.output


def test_a_recovery_is_held_and_let_go(waiting: Place) -> None:
    paused = waiting.run("pause", "--all", "--reason", "the Region is down", "--yes")
    assert "paused: nightly, retry-run-task-" in paused.output
    assert "Their deadlines are not extended" in paused.output
    (one,) = waiting.recoveries()
    assert (one["state"], one["paused_because"], one["next"]) == ("paused", "the Region is down", None)
    again = waiting.json("pause", one["name"], "--reason", "x", "--yes")
    assert again["recoveries"][0]["done"] == "is PAUSED already"
    assert waiting.json("pause", "--all", "--reason", "x", "--yes")["recoveries"] == []
    waiting.site.capacity(None)
    assert "resumed: nightly" in waiting.run("resume", one["name"], "--reason", "it is back", "--yes").output
    waiting.site.wait_for(lambda: waiting.site.events("recovery.recovered"))
    text = waiting.run("status", one["name"]).stdout
    assert "resumed: it is back" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stop", "--reason", "x", "--yes"), "not clear what to stop"),
        (("pause", "a", "--all", "--reason", "x", "--yes"), "not clear what to pause"),
        (("resume", "--all", "--reason", " ", "--yes"), "The reason is empty"),
        (("stop", "--all", "--reason", "x" * 1025, "--yes"), "has 1025 characters"),
        (("stop", "--all", "--reason", "x"), "no terminal to ask on"),
        (("stop", "nix", "--reason", "x", "--yes"), "in progress is called 'nix'"),
    ],
)
def test_what_is_not_clear_is_not_done(account: Place, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        account.run(*arguments)
    assert "lambda:StopDurableExecution" not in account.aws.calls


@pytest.mark.parametrize("action", ["stop", "pause", "resume"])
def test_somebody_elses_executions_are_left_alone(waiting: Place, action: str) -> None:
    """Functions of the same names, with settings of their own."""
    arn = f"arn:aws:lambda:{REGION}:123456789012:function:retry-run-task-intake"
    waiting.aws.answers["lambda:GetFunctionConfiguration"] = {
        "FunctionArn": arn,
        "Environment": {"Variables": {"TABLE": "orders"}},
    }
    with pytest.raises(ConfigError, match="retry-run-task-intake"):
        waiting.run(action, "--all", "--reason", "x", "--yes")
    assert "lambda:ListDurableExecutionsByFunction" not in waiting.aws.calls


def test_a_refusal_is_one_sentence(waiting: Place) -> None:
    waiting.aws.answers["lambda:StopDurableExecution"] = denied("lambda:StopDurableExecution")
    result = waiting.run("stop", "--all", "--reason", "x", "--yes", code=1)
    assert "You may not stop the recovery" in result.output


# replay.


def started(place: Place) -> list[str]:
    return [
        one.start_input.execution_name for one in place.local.durable.executions("retry-run-task-recover")
    ]


def test_past_failures_are_started_once_however_often_it_is_run(unseen: Place) -> None:
    unseen.rule("weekly", f"cron(0 {unseen.due.hour} * * ? *)")
    unseen.site.capacity(0)
    unseen.call()
    unseen.call("weekly")
    unseen.site.capacity(None)
    unseen.call("weekly")
    unseen.recorded(3)
    late = f"{unseen.local.clock.now() + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    (success,) = [one for one in unseen.local.trail.history if one["responseElements"]["tasks"]]
    success["eventTime"] = late
    dry = unseen.json("replay", "--dry-run")
    assert {one["schedule"]: one["start"] for one in dry["failures"]} == {"nightly": True, "weekly": False}
    assert any("its schedule has run since" in str(one["why_not"]) for one in dry["failures"])
    assert started(unseen) == []
    before = len(unseen.site.tasks())
    done = unseen.json("replay", "--yes")
    assert (done["started"], {one["done"] for one in done["failures"]}) == (1, {None, "accepted"})
    unseen.site.wait_for(lambda: unseen.site.events("recovery.recovered"))
    again = unseen.json("replay", "--yes")
    assert (again["started"], {one["start"] for one in again["failures"]}) == (0, {False})
    assert len(started(unseen)) == 1
    assert len(unseen.site.tasks()) == before + 1
    text = unseen.run("replay", "--dry-run").stdout
    assert "2 past failures: 0 to be started, 2 not" in text


HASTY = (
    (files("retry_run_task") / "policy.toml")
    .read_text(encoding="utf-8")
    .replace(
        "\n[[rules]]",
        '\n[[rules]]\nname = "hasty"\nmatch = { schedule = "nightly" }\ndeadline = "1 min"\n\n[[rules]]',
        1,
    )
)


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Place]:
    """The same as `unseen`, with a policy of one's own, which drops a run after a minute."""
    code = tmp_path / "function.zip"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("retry_run_task/policy.toml", HASTY)
    yield from place((), code)


def test_what_is_too_late_is_told_by_the_installed_policy(hasty: Place, tmp_path: Path) -> None:
    hasty.site.capacity(0)
    hasty.call()
    hasty.recorded(1)

    def starts(*arguments: str) -> bool:
        (one,) = hasty.json("replay", "--dry-run", *arguments)["failures"]
        return bool(one["start"])

    given = tmp_path / "policy.toml"
    given.write_bytes(HASTY.replace('deadline = "1 min"', 'deadline = "6 h"').encode())
    assert [starts(), starts("--policy", str(given)), starts("--policy", "default")] == [False, True, True]


def test_an_installed_policy_that_is_not_understood_is_told(hasty: Place, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
        archive.writestr("retry_run_task/policy.toml", HASTY.replace("spread =", "spred ="))
    with pytest.raises(ConfigError) as caught:
        hasty.run("replay", "--yes")
    said = str(caught.value)
    assert "The policy that is installed in" in said
    assert "is none that this version understands" in said
    assert "spred is not a key" in said
    assert "--policy FILE" in said
    assert "policy check" not in said


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (denied("lambda:GetFunction"), "not authorized to perform: lambda:GetFunction"),
        ({"Configuration": {}, "Code": {}}, "AWS does not say where the code"),
        ({"Configuration": {"CodeSha256": "nix"}, "Code": {"Location": "the code's"}}, "is not the code of"),
        ({"Configuration": {}, "Code": {"Location": "http://127.0.0.1:1/"}}, "cannot be downloaded"),
        ({"Configuration": {}, "Code": {"Location": "nobody's"}}, "(HTTP 404)"),
    ],
)
def test_without_the_installed_policy_nothing_is_started(unseen: Place, answer: Any, why: str) -> None:
    addresses = {"the code's": "retry-run-task-recover", "nobody's": "nobody"}
    if isinstance(answer, dict) and (name := addresses.get(answer["Code"].get("Location", ""))):
        answer = answer | {"Code": {"Location": f"{unseen.local.endpoint}/snapshots/{name}"}}
    unseen.aws.answers["lambda:GetFunction"] = answer
    with pytest.raises(
        ConfigError, match=f"policy that is installed cannot be read .*{why}.*--policy default"
    ):
        unseen.run("replay", "--yes")
    assert unseen.json("replay", "--dry-run", "--policy", "default")["failures"] == []


def test_the_same_name_is_given_that_intake_gives(account: Place) -> None:
    """So a replay beside a recovery that is in progress starts nothing."""
    account.site.capacity(0)
    account.call()
    account.site.wait_for(lambda: len(account.site.recoveries()) >= 1)
    account.recorded(1)
    result = account.json("replay", "--dry-run")
    (one,) = [one for one in result["failures"] if one["schedule"] == "nightly"]
    assert [one["recovery"]] == started(account)
    assert one["why_not"] == "its recovery is in progress"


def test_one_that_gave_up_is_started_again_under_another_name(account: Place) -> None:
    """With other tokens: ECS would answer the old ones as it did before, and capacity is back."""
    account.local.ecs.faults.fail_next(9, reason="The moon is in the wrong phase")
    account.call()
    account.site.wait_for(lambda: account.site.events("recovery.gave_up"))
    (first,) = started(account)
    account.local.durable.wait(account.local.durable.executions()[0].durable_execution_arn, 20)
    account.local.ecs.faults.clear()
    plain = account.json("replay", "--dry-run")
    assert "--again 1 starts another" in plain["failures"][0]["why_not"]
    done = account.json("replay", "--gave-up", "--yes")
    assert [(one["recovery"], one["done"]) for one in done["failures"]] == [(f"{first}-again-1", "accepted")]
    account.site.wait_for(lambda: account.site.events("recovery.recovered"))
    assert len(account.site.tasks()) == 1
    assert account.json("replay", "--gave-up", "--yes")["started"] == 0
    assert len(account.site.tasks()) == 1


def test_one_recovery_is_started_again_by_its_id_as_its_message_says(account: Place) -> None:
    account.rule("weekly", f"cron(0 {account.due.hour} * * ? *)")
    account.local.ecs.faults.fail_next(18, reason="The moon is in the wrong phase")
    for name in ("nightly", "weekly"):
        account.call(name)
        account.site.wait_for(lambda: account.site.events("recovery.gave_up"))
    account.site.wait_for(lambda: len(account.site.events("recovery.gave_up")) == 2)
    for execution in account.local.durable.executions():
        account.local.durable.wait(execution.durable_execution_arn, 20)
    account.local.ecs.faults.clear()
    message = next(
        one for one in account.local.topics.published if (one.subject or "").startswith("DID NOT RUN")
    )
    (line,) = re.findall(r"retry-run-task (replay .*)", message.message)
    done = account.json(*line.split(), "--yes")
    (one,) = done["failures"]
    assert (one["done"], one["recovery"].endswith("-again-1")) == ("accepted", True)
    account.site.wait_for(lambda: account.site.events("recovery.recovered"))
    assert len(account.site.tasks()) == 1
    (again,) = account.json(*line.split(), "--yes")["failures"]
    assert again["start"] is False
    assert len(account.site.tasks()) == 1
    with pytest.raises(ConfigError, match="Nothing is called 'ffffffff' in"):
        account.run("replay", "ffffffff", "--yes")
    # A schedule's name is as good as the id of its only recovery.
    name = one["schedule"]
    (again,) = account.json("replay", name, "--yes")["failures"]
    assert (again["schedule"], again["start"]) == (name, False)
    (other,) = account.json("replay", {"nightly": "weekly", "weekly": "nightly"}[name], "--yes")["failures"]
    assert (other["done"], other["recovery"].endswith("-again-1")) == ("accepted", True)


def test_of_several_recoveries_with_a_name_none_is_started_until_one_is_chosen(account: Place) -> None:
    account.local.ecs.faults.fail_next(18, reason="The moon is in the wrong phase")
    for number in (1, 2):
        account.call()
        account.site.wait_for(lambda number=number: len(account.site.events("recovery.gave_up")) == number)
    for execution in account.local.durable.executions():
        account.local.durable.wait(execution.durable_execution_arn, 20)
    account.local.ecs.faults.clear()
    with pytest.raises(ConfigError, match="2 recoveries are called 'nightly'") as error:
        account.run("replay", "nightly", "--even-late", "--yes")
    assert len(started(account)) == 2
    shown = [line.split()[0] for line in str(error.value).splitlines() if line.startswith("  ")]
    assert len(shown) == 2
    (done,) = account.json("replay", shown[0], "--even-late", "--yes")["failures"]
    assert done["done"] == "accepted"


def test_a_late_run_is_started_only_if_it_is_wanted(unseen: Place) -> None:
    unseen.site.capacity(0)
    unseen.call()
    unseen.site.capacity(None)
    unseen.recorded(1)
    old = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    unseen.local.trail.history[0]["eventTime"] = old
    late = unseen.json("replay", "--since", "7d", "--yes")
    assert (late["started"], "--even-late" in late["failures"][0]["why_not"]) == (0, True)
    assert unseen.json("replay", "--since", "7d", "--even-late", "--yes")["started"] == 1
    unseen.site.wait_for(lambda: unseen.site.events("recovery.recovered"))
    assert unseen.json("replay", "--since", "7d", "--even-late", "--yes")["started"] == 0
    assert len(unseen.site.tasks()) == 1


def test_a_limit_leaves_the_rest_for_the_next_time(unseen: Place) -> None:
    unseen.site.capacity(0)
    for _ in range(3):
        unseen.call()
    unseen.recorded(3)
    assert unseen.json("replay", "--limit", "2", "--rate", "50", "--yes")["started"] == 2
    assert unseen.json("replay", "--limit", "2", "--rate", "50", "--yes")["started"] == 1
    assert len(set(started(unseen))) == 3


def test_a_file_of_records(unseen: Place, tmp_path: Path) -> None:
    """As ``aws cloudtrail lookup-events`` prints them, with one that cannot be read."""
    unseen.site.capacity(0)
    unseen.call()
    unseen.recorded(1)
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "KEY", "value": SECRET}]}]}
    by_hand = {
        "eventName": "RunTask",
        "eventTime": unseen.local.trail.history[0]["eventTime"],
        "requestParameters": {"taskDefinition": "nightly", "cluster": "batch", "overrides": overrides},
        "responseElements": {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]},
    }
    events = [{"CloudTrailEvent": json.dumps(one)} for one in (unseen.local.trail.history[0], by_hand)]
    file = tmp_path / "events.json"
    file.write_text(json.dumps({"Events": [*events, {"CloudTrailEvent": "nix"}]}))
    result = unseen.run("replay", str(file), "--dry-run", code=1)
    assert "2 past failures: 2 to be started" in result.output
    assert f"Not readable, {file}, record 3: it is not JSON" in result.output
    assert "cloudtrail:LookupEvents" not in unseen.aws.calls
    file.write_text("nix")
    assert "Not readable" in unseen.run("replay", str(file), "--dry-run", code=1).output


def test_where_nobody_can_be_asked_nothing_is_started(unseen: Place) -> None:
    with pytest.raises(ConfigError, match="no terminal to ask on"):
        unseen.run("replay")
    with pytest.raises(ConfigError, match="no installation nix"):
        unseen.run("replay", "--stack", "nix", "--dry-run")
    with pytest.raises(ConfigError, match="--since is after"):
        unseen.run("replay", "--since", "1h", "--until", "2h", "--dry-run")


# audit.


def test_a_run_that_nothing_recorded_is_found(unseen: Place) -> None:
    """Its role was taken away, say: EventBridge called nothing, so there is no record, no recovery, no message."""
    result = unseen.json("audit", code=3)["regions"][0]
    (schedule,) = result["schedules"]
    assert [run["result"] for run in schedule["runs"]] == ["missed"]
    assert (result["counts"]["missed"], result["not_read"]) == (1, [])
    text = unseen.run("audit", code=3).stdout
    assert "missed" in text
    assert "nothing called RunTask for it" in text


def test_where_every_run_ran_all_is_well(unseen: Place) -> None:
    unseen.call()
    unseen.recorded(1)
    (run,) = unseen.json("audit")["regions"][0]["schedules"][0]["runs"]
    assert (run["result"], run["why"].endswith(" late")) == ("ran", True)
    unseen.local.trail.history[0]["eventTime"] = run["due"]
    assert unseen.json("audit")["regions"][0]["counts"]["ran"] == 1
    assert "1 schedule: every run that was due ran (1)." in unseen.run("audit").stdout


def test_a_failed_call_is_told_with_its_recovery(account: Place) -> None:
    account.local.ecs.faults.fail_next(1, reason="TaskDefinition is inactive")
    account.call()
    account.site.wait_for(lambda: account.site.events("recovery.gave_up"))
    account.local.durable.wait(account.local.durable.executions()[0].durable_execution_arn, 20)
    account.recorded(1)
    due = account.json("audit", code=3)["regions"][0]["schedules"][0]["runs"][0]["due"]
    account.local.trail.history[0]["eventTime"] = due
    (run,) = account.json("audit", code=3)["regions"][0]["schedules"][0]["runs"]
    assert (run["result"], "retrying does not help" in run["why"]) == ("gave up", True)


def test_what_cannot_be_read_is_said_and_the_rest_is_told(unseen: Place) -> None:
    unseen.aws.answers |= {
        action: denied(action)
        for action in ("scheduler:ListSchedules", "lambda:GetFunctionConfiguration", "ecs:ListTasks")
    }
    result = unseen.json("audit", code=3)["regions"][0]
    assert len(result["not_read"]) == 3
    unseen.aws.answers["cloudtrail:LookupEvents"] = denied("cloudtrail:LookupEvents")
    assert "You may not look up calls" in unseen.run("audit", code=1).output


# What is called.


def policies() -> dict[str, set[str]]:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    blocks = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    statements = [statement for block in blocks for statement in block["Statement"]]
    return {statement["Sid"]: set(statement["Action"]) for statement in statements}


def called(place: Place, *commands: tuple[str, ...]) -> set[str]:
    place.aws.calls.clear()
    for command in commands:
        result = CliRunner().invoke(
            retry_run_task, command, env=place.aws.environment(), standalone_mode=False
        )
        assert result.exception is None, result.exception
    renamed = {"lambda:Invoke": "lambda:InvokeFunction"}
    return {renamed.get(action, action) for action in place.aws.calls} - {"sts:GetCallerIdentity"}


def test_the_page_asks_for_what_is_called_and_no_more(waiting: Place) -> None:
    """Who you are needs no permission; everything else that a command may call stands in its policy."""
    wanted = policies()
    assert called(waiting, ("status",)) == wanted["RetryRunTaskStatus"]
    (one,) = waiting.recoveries()
    sure = ("--reason", "x", "--yes")
    made = called(
        waiting,
        ("pause", "--all", *sure),
        ("pause", one["name"], *sure),
        ("resume", "--all", *sure),
        ("stop", "--all", *sure),
    )
    assert made == wanted["RetryRunTaskSteer"]
    waiting.local.schedules.create_schedule(
        "export",
        expression="cron(0 0 1 1 ? 2099)",
        target={"Arn": waiting.cluster, "RoleArn": ROLE, "EcsParameters": {"TaskDefinitionArn": "nightly"}},
        flexible_time_window={"Mode": "OFF"},
    )
    waiting.local.trail.history.clear()
    waiting.call()
    waiting.recorded(1)
    # Nothing told intake of this one.
    waiting.local.trail.history[0]["eventID"] = str(uuid.uuid4())
    waiting.local.trail.history[0]["requestParameters"]["clientToken"] = str(uuid.uuid4())
    assert (
        called(waiting, ("replay", "--yes"), ("replay", "--gave-up", "--dry-run"))
        == wanted["RetryRunTaskReplay"]
    )
    waiting.site.capacity(None)
    waiting.rule("silent", f"cron(0 {waiting.due.hour} * * ? *)")
    waiting.call("silent")
    # Its record is lost, and its task is there.
    assert waiting.local.ecs.list_tasks({"startedBy": "events-rule/silent", "cluster": "batch"})["taskArns"]
    waiting.site.capacity(0)
    waiting.local.trail.history.clear()
    before = len(started(waiting))
    waiting.call()
    waiting.recorded(1)
    waiting.site.wait_for(lambda: len(started(waiting)) > before)
    waiting.local.trail.history[:] = [
        one for one in waiting.local.trail.history if "silent" not in one["requestParameters"]["startedBy"]
    ]
    assert called(waiting, ("audit",)) == wanted["RetryRunTaskAudit"]
