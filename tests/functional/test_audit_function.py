"""The daily audit as the stack runs it: the function in the local AWS, what it calls, and what messages say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from retry_run_task.commands.audit.function import look
from retry_run_task.commands.main import retry_run_task
from retry_run_task.config import Settings
from retry_run_task.launch import wire
from retry_run_task.launch.values import Caller, CallerKind
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import rule_caller
from retry_run_task.local.install import LocalInstallation, install, install_audit
from retry_run_task.local.roles import AssumableRole
from support.canned import Canned, denied
from support.records import launch
from support.site import REGION, Site

ROLE = "arn:aws:iam::123456789012:role/ecsEventsRole"
DEFINITION = f"arn:aws:ecs:{REGION}:123456789012:task-definition/nightly:7"


class Account:
    """An account with the product, a rule that was due six hours ago, and the audit's function."""

    def __init__(self, aws: Canned, **settings: str) -> None:
        self.aws, self.local = aws, aws.local
        self.site = Site(self.local)
        self.local.lookup.calls_per_s = None
        self.cluster = self.local.ecs.describe_clusters({"clusters": ["batch"]})["clusters"][0]["clusterArn"]
        self.end = datetime.now(UTC).replace(microsecond=0)
        self.due = (self.end - timedelta(hours=6)).replace(minute=0, second=0)
        self.rule("nightly", f"cron(0 {self.due.hour} * * ? *)")
        given = {f"RETRY_RUN_TASK_{name}": value for name, value in settings.items()}
        self.made: LocalInstallation = install(self.local, settings=given)

    def rule(self, name: str, expression: str) -> None:
        self.local.schedules.put_rule(name, expression=expression)
        network = {"awsvpcConfiguration": {"Subnets": ["subnet-a"]}}
        ecs = {"TaskDefinitionArn": DEFINITION, "LaunchType": "FARGATE", "NetworkConfiguration": network}
        target = {"Id": "1", "Arn": self.cluster, "RoleArn": ROLE, "EcsParameters": ecs}
        self.local.schedules.put_targets(name, [target])

    def called(self, due: datetime, *, name: str = "nightly") -> None:
        """Have the call for a run, and its record."""
        body = {"cluster": self.cluster, "taskDefinition": DEFINITION, "launchType": "FARGATE"}
        network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
        before = len(self.local.trail.history)
        self.local.ecs.run_task(
            {**body, "startedBy": f"events-rule/{name}", "networkConfiguration": network}, rule_caller(ROLE)
        )
        self.site.wait_for(lambda: len(self.local.trail.history) > before)
        self.local.trail.history[-1]["eventTime"] = f"{due:%Y-%m-%dT%H:%M:%SZ}"

    def audit(self, *, end: datetime | None = None, **settings: str) -> dict[str, Any]:
        """Invoke the function as EventBridge does, and return what it returned."""
        if "retry-run-task-audit" not in {one.name for one in self.local.functions.all()}:
            given = {f"RETRY_RUN_TASK_{name}": value for name, value in settings.items()}
            install_audit(self.local, self.made, settings=given)
        event = {"detail-type": "Scheduled Event", "time": f"{end or self.end:%Y-%m-%dT%H:%M:%SZ}"}
        result = self.local.functions.invoke("retry-run-task-audit", json.dumps(event).encode())
        assert result.error is None, result.payload
        found: dict[str, Any] = json.loads(result.payload)
        return found

    def ended(self) -> None:
        """Wait until every recovery is over."""
        for one in self.local.durable.executions():
            self.local.durable.wait(one.durable_execution_arn, 20)

    def told(self) -> list[Any]:
        return self.local.topics.published


@pytest.fixture
def account() -> Iterator[Account]:
    start = datetime.now(UTC) - timedelta(hours=2)
    with Canned(LocalAws(speed=60, start=start, trail_delay=(2, 1), event_sources=())) as aws:
        yield Account(aws)


def test_a_run_that_nothing_called_is_told_of(account: Account) -> None:
    assert account.audit() == {"missing": 1, "unsure": 0, "overtaken": 0, "unseen": 0}
    (message,) = account.told()
    assert message.subject == "RUN MISSING: nightly in ap-northeast-1"
    first, *_ = message.message.splitlines()
    assert first.startswith("1 run did not happen, and no other message has said so")
    due = f"{account.due:%Y-%m-%d %H:%M:%S} UTC"
    assert (
        f"nightly (EventBridge rule, {REGION}), due {due}: nothing called RunTask for it" in message.message
    )
    assert f"retry-run-task audit --since {account.end - timedelta(hours=27):%Y-%m-%dT%H:%M:%SZ}" in (
        message.message
    )
    assert "docs/runbook.md#run-missing" in message.message
    account.site.wait_for(lambda: account.site.events("audit.absent", schedule="nightly", is_certain=True))


def test_delivered_twice_it_is_told_once(account: Account) -> None:
    assert account.audit() == account.audit()
    assert len(account.told()) == 1
    # Another day's is another message: the run of that day is missing, too.
    account.audit(end=account.end - timedelta(days=1))
    assert len(account.told()) == 2


def test_where_every_run_ran_nobody_is_told(account: Account) -> None:
    account.called(account.due)
    assert account.audit() == {"missing": 0, "unsure": 0, "overtaken": 0, "unseen": 0}
    assert account.told() == []
    account.site.wait_for(lambda: account.site.events("audit.done", missing=0))


def test_a_call_that_failed_and_that_nothing_recovers_is_told_with_the_command_for_it(
    account: Account,
) -> None:
    account.site.capacity(0)
    account.called(account.due)
    assert account.audit(MESSAGES="chat,ja") == {"missing": 1, "unsure": 0, "overtaken": 0, "unseen": 0}
    (message,) = account.told()
    assert message.subject == "【実行漏れ】nightly (ap-northeast-1)"
    assert "no recovery was started" in message.message
    assert "retry-run-task replay --since" in message.message
    assert "日本時間" in message.message


def test_a_run_is_told_of_on_one_day_only(account: Account) -> None:
    days = [account.due + timedelta(hours=hours) for hours in (-23, -21, 1, 3)]
    assert [account.audit(end=end)["missing"] for end in days] == [1, 1, 1, 1]
    found = account.site.wait_for(
        lambda: account.site.events("audit.done")[3:] and account.site.events("audit.absent")
    )
    # An audit an hour after it was due leaves a run to that of the next day, which then is the only one to tell of it.
    assert [one["due"] for one in found] == [
        (account.due + timedelta(days=day)).isoformat() for day in (-2, -1, -1, 0)
    ]


def test_what_could_not_be_seen_is_told_and_not_taken_for_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in account.aws.environment().items():
        monkeypatch.setenv(name, value)
    account.called(account.due)
    settings = Settings(regions=(REGION,), topic_arn=account.made.topic_arn)

    def found() -> Any:
        return look(settings, boto3.Session(), home=REGION, end=account.end)

    assert found().succeeded
    for action in ("scheduler:ListSchedules", "lambda:GetFunctionConfiguration", "cloudtrail:LookupEvents"):
        account.aws.answers = {action: denied(action)}
        (why,) = found().unseen
        assert why.startswith(f"{REGION}: ")
        assert not found().missing
    account.aws.answers = {}
    assert found().succeeded


def test_a_topic_that_takes_nothing_is_a_failure_that_lambda_sees(account: Account) -> None:
    install_audit(
        account.local, account.made, settings={"RETRY_RUN_TASK_TOPIC_ARN": account.made.topic_arn + "x"}
    )
    event = json.dumps({"time": f"{account.end:%Y-%m-%dT%H:%M:%SZ}"}).encode()
    result = account.local.functions.invoke("retry-run-task-audit", event)
    assert result.error is not None
    assert b"NotToldError" in result.payload


@pytest.fixture
def storm() -> Iterator[Account]:
    """An account with an audit, where intake sees what fails."""
    start = datetime.now(UTC) - timedelta(hours=2)
    with Canned(LocalAws(speed=60, start=start, trail_delay=(2, 1), event_sources=("logs",))) as aws:
        one = Account(aws, QUIET_S="3600")
        one.local.schedules.set_rule_state("nightly", "DISABLED")
        yield one


def test_runs_that_are_overtaken_are_told_once_for_a_schedule(storm: Account) -> None:
    """Each is given up when the next one is due; none sends a message, and one audit has all of them in one."""
    storm.site.capacity(0)
    # EventBridge calls for it by itself.
    storm.rule("sweep", "cron(0/5 * * * ? *)")
    storm.site.wait_for(lambda: len(storm.site.events("recovery.gave_up")) >= 2)
    storm.local.schedules.set_rule_state("sweep", "DISABLED")
    storm.ended()
    number = len(storm.site.outcomes())
    assert storm.site.outcomes() == ["superseded"] * number
    assert storm.told() == []
    now = storm.local.clock.now()
    # More may follow: the audit of the next day tells of it, as one that looks at nothing else of that day.
    assert storm.audit(end=now + timedelta(minutes=15))["overtaken"] == 0
    assert storm.audit(end=now + timedelta(minutes=15, days=1))["overtaken"] == number
    (message,) = storm.told()
    assert f"Skipped: sweep ({REGION}): {number} runs, from " in message.message
    assert "no later run is known to have started" in message.message
    # And not a day later again.
    assert storm.audit(end=now + timedelta(minutes=15, days=2))["overtaken"] == 0


def test_an_outage_is_over_with_the_first_run_that_starts_after_it(
    storm: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in storm.aws.environment().items():
        monkeypatch.setenv(name, value)
    storm.site.capacity(0)
    storm.rule("sweep", "cron(0/5 * * * ? *)")
    storm.site.wait_for(lambda: len(storm.site.events("recovery.gave_up")) >= 2)
    storm.site.capacity(None)
    trail = storm.local.trail.history
    storm.site.wait_for(lambda: trail and trail[-1]["responseElements"]["tasks"])
    storm.ended()
    settings = Settings(regions=(REGION,), topic_arn=storm.made.topic_arn)
    end = storm.local.clock.now() + timedelta(hours=3)
    found = look(settings, boto3.Session(), home=REGION, end=end, account=storm.local.account)
    (outage,) = found.overtaken
    gave_up = [one for one in storm.site.outcomes() if one == "superseded"]
    assert outage.count == len(gave_up)
    assert outage.over is not None
    assert (outage.over.minute % 5, outage.over.second) == (0, 0)
    placed = next(one["eventTime"] for one in trail if one["responseElements"]["tasks"])
    assert outage.over <= datetime.fromisoformat(placed) < outage.over + timedelta(minutes=5)


def test_what_is_left_to_the_audit_is_told_even_if_nothing_else_can_be_seen(
    storm: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in storm.aws.environment().items():
        monkeypatch.setenv(name, value)
    storm.site.capacity(0)
    storm.rule("sweep", "cron(0/5 * * * ? *)")
    storm.site.wait_for(lambda: storm.site.events("recovery.gave_up"))
    storm.local.schedules.rules.pop("sweep")
    storm.ended()
    settings = Settings(regions=(REGION,), topic_arn=storm.made.topic_arn)
    end = storm.local.clock.now() + timedelta(hours=3)
    storm.aws.answers = {"cloudtrail:LookupEvents": denied("cloudtrail:LookupEvents")}
    found = look(settings, boto3.Session(), home=REGION, end=end)
    assert [(group.name, group.count) for group in found.overtaken] == [("sweep", len(storm.site.outcomes()))]
    action = "lambda:ListDurableExecutionsByFunction"
    storm.aws.answers = {action: denied(action)}
    found = look(settings, boto3.Session(), home=REGION, end=end)
    assert found.overtaken == ()
    assert any(why.startswith("runs that were overtaken: ") for why in found.unseen)


# Where there is more than Lambda's fifteen minutes can read.


def clock(*left_s: float) -> Callable[[], float]:
    """Return what tells the seconds that are left, one after the other; the last one stays."""
    values = list(left_s)
    return lambda: values.pop(0) if len(values) > 1 else values[0]


def test_recoveries_that_there_was_no_time_for_are_told_and_those_that_were_read_as_well(
    storm: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in storm.aws.environment().items():
        monkeypatch.setenv(name, value)
    storm.site.capacity(0)
    storm.rule("sweep", "cron(0/5 * * * ? *)")
    storm.site.wait_for(lambda: len(storm.site.events("recovery.gave_up")) >= 2)
    storm.local.schedules.rules.pop("sweep")
    storm.ended()
    number = len(storm.site.outcomes())
    settings = Settings(regions=(REGION,), topic_arn=storm.made.topic_arn)
    end = storm.local.clock.now() + timedelta(hours=3)

    # No time for the Region, and in its own half it reads the first one.
    found = look(settings, boto3.Session(), home=REGION, end=end, left_s=clock(10, 5, 5, 1, 0))
    assert [group.count for group in found.overtaken] == [1]
    assert (
        f"runs that were overtaken: there was no time to read {number - 1} of {number} recoveries"
        in found.unseen
    )
    assert (
        f"{REGION}: there was no time to read the calls in CloudTrail, so no run was looked at"
        in found.unseen
    )
    assert not found.missing

    found = look(settings, boto3.Session(), home=REGION, end=end)
    assert [group.count for group in found.overtaken] == [number]
    assert found.unseen == ()


def test_calls_that_there_was_no_time_for_hide_no_run_and_invent_none(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudTrail gives the newest calls first, 50 a page; what is due since the last of them is known."""
    for name, value in account.aws.environment().items():
        monkeypatch.setenv(name, value)
    # It ran, and so did a rate, whose interval is longer than what is read.
    account.called(account.due)
    account.rule("slow", "rate(1 day)")
    account.called(account.due, name="slow")
    # One call in each of the 60 minutes of a later hour, in which something was due and not called.
    account.rule("missed", f"cron(45 {(account.due + timedelta(hours=1)).hour} * * ? *)")
    (record,) = [one for one in account.local.trail.history if "events-rule/slow" in json.dumps(one)]
    for minute in range(60):
        other = json.loads(json.dumps(record).replace("events-rule/slow", "events-rule/other"))
        other["eventTime"] = f"{account.due + timedelta(minutes=60 + minute):%Y-%m-%dT%H:%M:%SZ}"
        account.local.trail.history.append(other)
    settings = Settings(regions=(REGION,), topic_arn=account.made.topic_arn)

    found = look(settings, boto3.Session(), home=REGION, end=account.end, left_s=clock(10, 10, 0))
    assert [one.name for one in found.missing] == ["missed"]
    assert found.unsure == ()
    since = account.due + timedelta(minutes=60 + 10)
    back = f"there was time to read the calls in CloudTrail back to {since:%Y-%m-%d %H:%M} UTC only"
    tasks = "there was no time to look for the tasks of 1 rule or schedule"
    assert found.unseen == (
        f"{REGION}: {back}, so runs that were due before were not looked at",
        f"{REGION}: {tasks}",
    )
    assert found.since < since

    found = look(settings, boto3.Session(), home=REGION, end=account.end)
    assert [one.name for one in found.missing] == ["missed"]
    assert (found.unsure, found.unseen) == ((), ())


# Member accounts, and other Regions.

HOME, MEMBER, FAR = "123456789012", "210987654321", "eu-west-1"
INTO = {"ACCOUNTS": MEMBER, "EXTERNAL_ID": "ab", "REGIONS": f"{REGION},{FAR}"}
LOOK = "OrganizationAccountAccessRole"


class Member:
    """A Region of a member account, in which a rule of the same name as at home was due at the same time."""

    def __init__(self, account: Account, region: str) -> None:
        self.account, self.region = account, region
        self.place = account.local.account_region(account=MEMBER, region=region)
        self.place.ecs.create_cluster("batch")
        self.place.ecs.add_subnet("subnet-a", f"{region}a")
        self.place.ecs.register_task_definition("nightly", revision=7)
        self.cluster = f"arn:aws:ecs:{region}:{MEMBER}:cluster/batch"
        self.role = f"arn:aws:iam::{MEMBER}:role/ecsEventsRole"
        self.place.schedules.put_rule("nightly", expression=f"cron(0 {account.due.hour} * * ? *)")
        network = {"awsvpcConfiguration": {"Subnets": ["subnet-a"]}}
        ecs = {"TaskDefinitionArn": "nightly", "LaunchType": "FARGATE", "NetworkConfiguration": network}
        target = {"Id": "1", "Arn": self.cluster, "RoleArn": self.role, "EcsParameters": ecs}
        self.place.schedules.put_targets("nightly", [target])

    def called(self) -> None:
        """Have the call for the run, and its record."""
        body = {
            "cluster": self.cluster,
            "taskDefinition": "nightly",
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"]}},
            "startedBy": "events-rule/nightly",
        }
        history = self.account.local.trail.history
        before = len(history)
        self.place.ecs.run_task(body, rule_caller(self.role))
        self.account.site.wait_for(lambda: len(history) > before)
        history[-1]["eventTime"] = f"{self.account.due:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def hub() -> Iterator[Account]:
    """An installation for another account and Region, in whose own account the run of the night ran."""
    start = datetime.now(UTC) - timedelta(hours=2)
    with Canned(LocalAws(speed=60, start=start, trail_delay=(2, 1), event_sources=())) as aws:
        one = Account(aws, **INTO)
        one.called(one.due)
        let_in(
            one, "retry-run-task-member-audit", f"arn:aws:iam::{HOME}:role/retry-run-task-audit-role", "ab"
        )
        yield one


def let_in(account: Account, name: str, trusts: str, external_id: str) -> None:
    arn = f"arn:aws:iam::{MEMBER}:role/{name}"
    account.local.roles.create(AssumableRole(arn=arn, trusts=trusts, external_id=external_id))


@pytest.mark.parametrize("region", [REGION, FAR])
def test_a_run_of_a_member_account_that_nothing_called_is_told_of(hub: Account, region: str) -> None:
    """The run of the same name that ran at home is another one."""
    Member(hub, region)
    assert hub.audit(**INTO) == {"missing": 1, "unsure": 0, "overtaken": 0, "unseen": 0}
    (message,) = hub.told()
    assert f"nightly (EventBridge rule, {region}, account {MEMBER}), due " in message.message
    assert f"in {REGION}, {FAR}, also in the accounts {MEMBER}" in message.message
    # One command, where the installation is, looks at all of them.
    (command,) = [line for line in message.message.splitlines() if "retry-run-task audit" in line]
    assert f"--region {REGION}" in command
    (line,) = hub.site.wait_for(lambda: hub.site.events("audit.absent"))
    assert (line["account"], line["region"], line["is_certain"]) == (MEMBER, region, True)


def test_a_member_whose_runs_all_ran_is_not_told_of(hub: Account) -> None:
    for region in (REGION, FAR):
        Member(hub, region).called()
    assert hub.audit(**INTO) == {"missing": 0, "unsure": 0, "overtaken": 0, "unseen": 0}
    assert hub.told() == []


def test_a_failed_call_of_a_member_that_nothing_recovers_is_told_without_a_command_that_cannot_find_it(
    hub: Account,
) -> None:
    member = Member(hub, REGION)
    member.place.ecs.capacity.set(f"{REGION}a", "FARGATE", 0)
    member.called()
    assert hub.audit(**INTO)["missing"] == 1
    (message,) = hub.told()
    assert "no recovery was started" in message.message
    assert "retry-run-task replay --since" not in message.message


@pytest.mark.parametrize(
    ("settings", "trusts"),
    [
        (INTO, f"arn:aws:iam::{HOME}:role/retry-run-task-role"),
        ({**INTO, "EXTERNAL_ID": "cd"}, f"arn:aws:iam::{HOME}:role/retry-run-task-audit-role"),
        ({**INTO, "EXTERNAL_ID": ""}, f"arn:aws:iam::{HOME}:role/retry-run-task-audit-role"),
    ],
    ids=["only recover", "another external id", "no external id"],
)
def test_a_member_that_does_not_let_the_audit_in_is_told_and_not_taken_for_well(
    hub: Account, settings: dict[str, str], trusts: str
) -> None:
    let_in(hub, "retry-run-task-member-audit", trusts, "ab")
    Member(hub, REGION)
    assert hub.audit(**settings) == {"missing": 0, "unsure": 0, "overtaken": 0, "unseen": 1}
    (message,) = hub.told()
    role = f"arn:aws:iam::{MEMBER}:role/retry-run-task-member-audit"
    assert f"account {MEMBER}: {role} cannot be assumed (AccessDenied: " in message.message
    assert "infra/member.yaml creates that role, unless its Audit is false" in message.message


def test_what_cannot_be_read_of_a_member_is_told_with_its_name(
    hub: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hub.aws.environment().items():
        monkeypatch.setenv(name, value)
    person = boto3.Session().client("sts", region_name=REGION).get_caller_identity()["Arn"]
    let_in(hub, "retry-run-task-member-audit", person, "ab")
    Member(hub, REGION)
    settings = Settings(accounts=(MEMBER,), external_id="ab", topic_arn=hub.made.topic_arn)

    def found() -> Any:
        return look(settings, boto3.Session(), home=REGION, end=hub.end, account=HOME)

    assert [one.account for one in found().missing] == [MEMBER]
    for action in ("scheduler:ListSchedules", "cloudtrail:LookupEvents"):
        hub.aws.answers = {action: denied(action)}
        ours, theirs = found().unseen
        assert ours.startswith(f"{REGION}: ")
        assert theirs.startswith(f"{REGION}, account {MEMBER}: ")
        assert bool(found().missing) is (action == "scheduler:ListSchedules")


def test_members_that_there_was_no_time_to_enter_are_told(
    hub: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hub.aws.environment().items():
        monkeypatch.setenv(name, value)
    settings = Settings(accounts=(MEMBER,), external_id="ab", topic_arn=hub.made.topic_arn)
    found = look(settings, boto3.Session(), home=REGION, end=hub.end, account=HOME, left_s=clock(10, 5, 4))
    why = f"account {MEMBER}: there was no time to enter it, so none of its runs were looked at"
    assert why in found.unseen
    assert hub.local.roles.sessions == []


# The command.


def audited(hub: Account, *arguments: str, code: int) -> tuple[list[dict[str, Any]], str]:
    since = f"{hub.due - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    until = f"{hub.end:%Y-%m-%dT%H:%M:%SZ}"
    command = ["audit", "--json", "--since", since, "--until", until, "--lookups-per-s", "1000", *arguments]
    result = CliRunner().invoke(retry_run_task, command, env=hub.aws.environment(), standalone_mode=False)
    assert result.exception is None, result.exception
    assert result.return_value == code, result.output
    return json.loads(result.stdout)["regions"], result.stderr


@pytest.fixture
def looking(hub: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    """With a role that a person may assume, in a folder without a settings file."""
    monkeypatch.chdir(tmp_path)
    for name, value in hub.aws.environment().items():
        monkeypatch.setenv(name, value)
    person = boto3.Session().client("sts", region_name=REGION).get_caller_identity()["Arn"]
    let_in(hub, LOOK, person, "")
    return hub


def test_the_command_audits_every_region_and_account_of_the_installation(looking: Account) -> None:
    members = [Member(looking, region) for region in (REGION, FAR)]
    members[1].called()
    found, _ = audited(looking, "--look-with", LOOK, code=3)
    results = {(one["account"], one["region"]): one["counts"] for one in found}
    assert results.keys() == {(who, where) for who in (HOME, MEMBER) for where in (REGION, FAR)}
    assert (results[HOME, REGION]["ran"], results[MEMBER, FAR]["ran"]) == (1, 1)
    assert (results[MEMBER, REGION]["missed"], results[MEMBER, REGION]["ran"]) == (1, 0)
    Path("retry-run-task.toml").write_text(f'look_with = "{LOOK}"\n')
    assert audited(looking, code=3)[0] == found
    # A Region that is named beside the installation's own is not looked at twice.
    again, _ = audited(looking, "--region", FAR, "--region", REGION, code=3)
    assert sorted(again, key=str) == sorted(found, key=str)


def test_a_recovery_in_one_account_is_not_of_the_run_of_the_same_name_in_another(looking: Account) -> None:
    """A task that did not start is known by cluster and family, which both accounts have."""
    member = Member(looking, REGION)
    member.called()
    failed = launch(
        event_id="t-0f9c0f9c",
        event_time=looking.due + timedelta(seconds=1),
        account=MEMBER,
        region=REGION,
        caller=Caller(kind=CallerKind.RULE),
        request={"cluster": "batch", "taskDefinition": "nightly", "startedBy": "events-rule/nightly"},
    )
    looking.site.client("lambda").invoke(
        FunctionName="retry-run-task-recover:live",
        InvocationType="Event",
        DurableExecutionName="retry-run-task-t-0f9c0f9c",
        Payload=json.dumps(wire.launch_to_json(failed)),
    )
    # recover has no role there.
    looking.site.wait_for(lambda: looking.site.events("recovery.gave_up"))
    looking.ended()
    found, _ = audited(looking, "--look-with", LOOK, code=3)
    results = {(one["account"], one["region"]): one["counts"] for one in found}
    assert (results[HOME, REGION]["ran"], results[HOME, REGION]["gave up"]) == (1, 0)
    assert (results[MEMBER, REGION]["ran"], results[MEMBER, REGION]["gave up"]) == (0, 1)


def test_the_command_says_which_member_it_could_not_look_at(looking: Account) -> None:
    Member(looking, REGION)
    for arguments, role in (((), "retry-run-task-member-audit"), (("--look-with", "nobody"), "nobody")):
        found, _ = audited(looking, *arguments, code=1)
        assert [(one["account"], one["region"]) for one in found] == [
            (HOME, REGION),
            (HOME, FAR),
            (MEMBER, None),
        ]
        why = f"Account {MEMBER} is not looked at, since arn:aws:iam::{MEMBER}:role/{role} cannot be assumed"
        assert found[-1]["error"].startswith(why)
        assert found[-1]["error"].endswith("with --look-with.")


def test_a_file_of_an_organisation_is_compared_with_each_account(looking: Account, tmp_path: Path) -> None:
    Member(looking, REGION).called()
    file = tmp_path / "records.json"
    file.write_text(json.dumps({"Records": looking.local.trail.history}))
    looking.local.trail.history.clear()
    found, _ = audited(looking, str(file), "--look-with", LOOK, code=0)
    assert [(one["account"], one["region"], one["counts"]["ran"]) for one in found] == [
        (HOME, REGION, 1),
        (MEMBER, REGION, 1),
    ]


# The other commands that look everywhere, with the role that only reads.


@pytest.fixture
def reading(looking: Account) -> Account:
    person = boto3.Session().client("sts", region_name=REGION).get_caller_identity()["Arn"]
    let_in(looking, "retry-run-task-member-audit", person, "ab")
    return looking


def ran(*command: str, code: int = 0) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(retry_run_task, [*command, "--json"], standalone_mode=False)
    assert result.exception is None, result.exception
    assert result.return_value == code, result.output
    return json.loads(result.stdout), result.stderr


def failed_there(hub: Account, region: str) -> None:
    """Let the member's run of the night fail, unseen by the trail's log group."""
    member = Member(hub, region)
    member.place.ecs.capacity.set(f"{region}a", "FARGATE", 0)
    member.called()


def test_replay_finds_the_failures_of_every_region_and_account(reading: Account) -> None:
    failed_there(reading, FAR)
    command = ("replay", "--since", "12h", "--dry-run", "--even-late", "--lookups-per-s", "1000")
    found, _ = ran(*command)
    (one,) = found["failures"]
    assert (one["schedule"], one["start"]) == ("nightly", True)
    # The run of the same name at home is not that run, and did not do its work.
    assert one["why_not"] is None
    reading.local.roles.delete(f"arn:aws:iam::{MEMBER}:role/retry-run-task-member-audit")
    nothing, said = ran(*command, code=1)
    assert nothing["failures"] == []
    assert f"Account {MEMBER} is not looked at, since arn:aws:iam::{MEMBER}:role/" in said


def test_report_and_policy_try_look_there_too(reading: Account) -> None:
    failed_there(reading, FAR)
    report, _ = ran("report", "--since", "2d", "--lookups-per-s", "1000")
    assert f"nightly ({FAR}, {MEMBER})" in json.dumps(report)
    tried, _ = ran("policy", "try")
    found = {
        (one["account"], one["region"]): [s["name"] for s in one["schedules"]] for one in tried["regions"]
    }
    assert (found[HOME, REGION], found[MEMBER, FAR], found[MEMBER, REGION]) == (["nightly"], ["nightly"], [])
    reading.local.roles.delete(f"arn:aws:iam::{MEMBER}:role/retry-run-task-member-audit")
    again, said = ran("policy", "try", code=1)
    assert {one["account"] for one in again["regions"]} == {HOME}
    assert f"Account {MEMBER} is not looked at" in said
    report, _ = ran("report", "--since", "2d", "--lookups-per-s", "1000")
    assert f"Account {MEMBER} is not looked at" in json.dumps(report)
