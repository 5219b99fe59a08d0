"""With real rules and schedules: values come back, tasks that did not start are started, and no run comes too late."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import rule_caller
from retry_run_task.local.install import LocalInstallation, install
from support.canned import Canned, denied
from support.records import record
from support.site import Site

CANARY = "canary-5e5d"
ROLE = "arn:aws:iam::123456789012:role/nightly-starter"
NETWORK = "Timeout waiting for network interface provisioning to complete."


@pytest.fixture
def site() -> Any:
    """A local AWS with all three event sources."""
    ways = ("logs", "eventbridge", "task-state-change")
    with LocalAws(speed=600, trail_delay=(2, 1), event_delay=(1, 0.5), event_sources=ways) as aws:
        yield Site(aws)


@pytest.fixture
def still() -> Any:
    """The same where no time passes, so that no schedule is due meanwhile."""
    with LocalAws(is_held=True) as aws:
        yield Site(aws)


@pytest.fixture
def installed(site: Site) -> LocalInstallation:
    return install(site.aws, settings={"RETRY_RUN_TASK_MESSAGES": "text,en,recovered"})


def soon(site: Site) -> str:
    """Return a cron expression that is due within five virtual minutes, and then tomorrow."""
    due = site.aws.clock.now() + timedelta(minutes=5)
    return f"cron({due.minute} {due.hour} * * ? *)"


def target(**changes: Any) -> dict[str, Any]:
    overrides = {
        "containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": CANARY}]}]
    }
    return {
        "Arn": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch",
        "RoleArn": ROLE,
        "Input": json.dumps(overrides),
        "EcsParameters": {
            "TaskDefinitionArn": "nightly",
            "TaskCount": 1,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {
                "awsvpcConfiguration": {"Subnets": ["subnet-a"], "AssignPublicIp": "DISABLED"}
            },
        },
    } | changes


def secret_of(call: Any) -> str:
    value: str = call.body["overrides"]["containerOverrides"][0]["environment"][0]["value"]
    return value


def assert_canary_is_nowhere(site: Site) -> None:
    """Look through everything that was written: logs, messages, payloads, checkpoints, history."""
    assert not [line for line in site.lines if CANARY in line]
    assert not [m for m in site.aws.topics.published if CANARY in m.message + str(m.subject)]
    assert not [letter for letter in site.aws.functions.dead_letters if CANARY in str(letter)]
    lambda_ = site.client("lambda")
    for execution in site.aws.durable.executions():
        history = lambda_.get_durable_execution_history(
            DurableExecutionArn=execution.durable_execution_arn, IncludeExecutionData=True
        )
        assert history["Events"]
        assert CANARY not in json.dumps(history, default=str)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("kind", ["rule", "scheduler", "universal"])
def test_hidden_values_come_back_and_are_seen_by_nobody_but_ecs(site: Site, kind: str) -> None:
    site.capacity(0)
    wanted = target()
    if kind == "rule":
        site.aws.schedules.put_rule("nightly", expression=soon(site))
        site.aws.schedules.put_targets("nightly", [{"Id": "1", **wanted}])
    elif kind == "scheduler":
        site.aws.schedules.create_schedule("nightly", expression=soon(site), target=wanted)
    else:
        request = {
            "Cluster": wanted["Arn"],
            "TaskDefinition": "nightly",
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-a"]}},
            "Overrides": {
                "ContainerOverrides": [
                    {"Name": "app", "Environment": [{"Name": "PASSWORD", "Value": CANARY}]}
                ]
            },
        }
        universal = {
            "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
            "RoleArn": ROLE,
            "Input": json.dumps(request),
        }
        site.aws.schedules.create_schedule("nightly", expression=soon(site), target=universal)
    site.wait_for(lambda: len(site.events("recovery.called")) >= 2)
    site.capacity(5)
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    assert {secret_of(call) for call in site.recoveries()} == {CANARY}
    assert len(site.tasks()) == 1
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    assert_canary_is_nowhere(site)


def transformed(**paths: str) -> dict[str, Any]:
    """Return a target whose environment is made of the event of its rule."""
    value = " ".join(f"<{name}>" for name in paths)
    template = json.dumps(
        {"containerOverrides": [{"name": "app", "environment": [{"name": "T", "value": value}]}]}
    )
    transformer = {"InputPathsMap": paths, "InputTemplate": template}
    return {name: v for name, v in target().items() if name != "Input"} | {"InputTransformer": transformer}


@pytest.mark.usefixtures("installed")
def test_an_input_that_a_rule_makes_of_its_time_is_made_again(site: Site) -> None:
    """What the first call had is what the recovery has: the minute in which the run was due, and the rule."""
    site.capacity(0)
    site.aws.schedules.put_rule("nightly", expression=soon(site))
    site.aws.schedules.put_targets("nightly", [{"Id": "1", **transformed(t="$.time", by="$.resources[0]")}])
    site.wait_for(lambda: site.events("recovery.called"))
    site.capacity(5)
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    (first,) = {secret_of(call) for call in site.calls}
    assert first.endswith(":rule/nightly")
    assert {secret_of(call) for call in site.recoveries()} == {first}


@pytest.mark.usefixtures("installed")
def test_values_that_are_gone_are_refused_with_the_reason(site: Site) -> None:
    site.capacity(0)
    site.aws.schedules.put_rule("nightly", expression=soon(site))
    site.aws.schedules.put_targets("nightly", [{"Id": "1", **transformed(x="$.id")}])
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    assert site.outcomes() == ["refused"]
    assert "$.id of the event that triggered it" in site.aws.topics.published[0].message
    assert "aws events list-rules" in site.aws.topics.published[0].message
    assert site.recoveries() == []


@pytest.mark.usefixtures("installed")
def test_a_schedule_that_was_changed_since_is_not_trusted(site: Site) -> None:
    site.capacity(0)
    site.aws.trail.delays["logs"] = site.aws.trail.delays["eventbridge"] = (120, 1)
    site.aws.schedules.create_schedule("nightly", expression=soon(site), target=target())
    site.wait_for(lambda: site.calls)
    site.aws.schedules.update_schedule("nightly", expression=soon(site), target=target())
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    assert site.outcomes() == ["refused"]
    assert "was changed" in site.aws.topics.published[0].message


@pytest.mark.usefixtures("installed")
def test_a_task_that_did_not_start_is_started_from_its_schedule(site: Site) -> None:
    """Accepted by ECS, dead before it ran: no failed call, one event, one recovery, the same task again."""
    site.aws.ecs.faults.fail_to_start(1, "TaskFailedToStart", NETWORK)
    site.aws.schedules.put_rule("nightly", expression=soon(site))
    site.aws.schedules.put_targets("nightly", [{"Id": "1", **target()}])
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    (call,) = site.recoveries()
    assert secret_of(call) == CANARY
    assert call.body["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-a"]
    assert len(site.tasks()) == 1
    assert_canary_is_nowhere(site)


@pytest.mark.usefixtures("installed")
def test_a_recoverys_task_that_does_not_start_is_that_recoverys_own_business(site: Site) -> None:
    site.capacity(0)
    site.aws.schedules.create_schedule("nightly", expression=soon(site), target=target())
    site.wait_for(lambda: site.events("recovery.called"))
    site.aws.ecs.faults.fail_to_start(2, "TaskFailedToStart", NETWORK)
    site.capacity(5)
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]
    assert len(site.events("recovery.start_failed")) == 2
    assert len(site.events("recovery.began")) == 1
    assert len(site.tasks()) == 1
    assert (
        site.wait_for(lambda: [e for e in site.events("intake.ignored") if "watching it" in e["why"]]) or True
    )


@pytest.mark.usefixtures("installed")
def test_a_person_who_starts_the_job_meanwhile_is_seen(site: Site) -> None:
    site.capacity(0)
    site.aws.schedules.create_schedule("nightly", expression=soon(site), target=target())
    site.wait_for(lambda: site.events("recovery.waiting"))
    original = next(c for c in site.calls if "retry-run-task" not in str(c.body.get("startedBy")))
    # In a zone that only the person may use, so that the recovery cannot be quicker.
    site.aws.ecs.add_subnet("subnet-z", "ap-northeast-1d")
    network = {"awsvpcConfiguration": {"subnets": ["subnet-z"]}}
    body = {k: v for k, v in original.body.items() if k != "clientToken"} | {"networkConfiguration": network}
    by_hand = site.aws.ecs.run_task(body, rule_caller(ROLE))["tasks"][0]["taskArn"]
    site.wait_for(site.outcomes)
    (ending,) = site.events("recovery.already_running")
    assert ending["task_arns"] == [by_hand]
    assert site.tasks() == [by_hand]


@pytest.mark.usefixtures("installed")
def test_a_run_that_its_successor_overtakes_is_dropped_and_says_so(site: Site) -> None:
    site.capacity(0)
    site.aws.schedules.put_rule("nightly", expression="cron(0/5 * * * ? *)")
    site.aws.schedules.put_targets("nightly", [{"Id": "1", **target()}])
    first = site.wait_for(
        lambda: next((m for m in site.aws.topics.published if "superseded" in m.message), None)
    )
    assert first.subject is not None
    assert first.subject.startswith("SKIPPED: nightly")


def test_explain_finds_the_schedule_and_shows_names_only(still: Site) -> None:
    still.aws.schedules.put_rule("nightly", expression="cron(0 0 * * ? *)")
    still.aws.schedules.put_targets("nightly", [{"Id": "1", **target()}])
    hidden = {"containerOverrides": [{"name": "app", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]}
    value = record(
        request={
            "cluster": "batch",
            "taskDefinition": "nightly",
            "startedBy": "events-rule/nightly",
            "overrides": hidden,
        }
    )
    value["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] = ROLE
    settings = os.environ | still.aws.environment()

    def explain(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "retry_run_task", "explain", "-", "--aws", *arguments],
            input=json.dumps(value),
            capture_output=True,
            text=True,
            check=True,
            env=settings,
        )
        assert CANARY not in done.stdout + done.stderr
        return done.stdout

    (launch,) = json.loads(explain("--json"))["launches"]
    assert launch["decision"] == "retry"
    assert launch["schedule"]["name"] == "nightly"
    assert launch["schedule"]["values_read"] == ["app.PASSWORD"]
    assert launch["schedule"]["next_due"] == "2026-11-25T00:00:00Z"
    assert launch["schedule"]["deadline"] == "2026-11-25T00:00:00Z"
    assert launch["there"]["found"] == []
    assert launch["there"]["looked_for"][0] == "events-rule/nightly"
    text = explain()
    assert "app.PASSWORD from its input" in text
    assert "wanted until 2026-11-25T00:00:00Z" in text


def test_among_too_many_schedules_none_is_certain(still: Site) -> None:
    """A universal target leaves no name on its task; to read every schedule would throttle the account's own calls."""
    request = {"Cluster": "batch", "TaskDefinition": "nightly"}
    universal = {
        "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
        "RoleArn": ROLE,
        "Input": json.dumps(request),
    }
    for number in range(201):
        still.aws.schedules.create_schedule(f"s{number}", expression="cron(0 0 * * ? *)", target=universal)
    value = record(
        request={"cluster": "batch", "taskDefinition": "nightly"},
        userAgent="AmazonEventBridgeScheduler aws-sdk-java/2.20.0",
        sourceIPAddress="198.51.100.17",
        userIdentity={"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": ROLE}}},
    )
    done = subprocess.run(
        [sys.executable, "-m", "retry_run_task", "explain", "-", "--aws", "--json"],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | still.aws.environment(),
    )
    (launch,) = json.loads(done.stdout)["launches"]
    assert launch["schedule"] == {
        "name": None,
        "why": "more than 200 schedules could have made this call",
        "tag": None,
        "tags_unread": [],
    }
    assert launch["decision"] == "retry", "the request is whole, so it needs no schedule"


# Tags.

DEFINITION = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/nightly:7"


def tagged_target() -> dict[str, Any]:
    wanted = target()
    return wanted | {"EcsParameters": wanted["EcsParameters"] | {"TaskDefinitionArn": DEFINITION}}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("on", ["rule", "task definition"])
def test_a_tag_leaves_a_schedule_alone(site: Site, on: str) -> None:
    site.capacity(0)
    tags = {"retry-run-task:ignore": "true"}
    site.aws.schedules.put_rule("nightly", expression=soon(site), tags=tags if on == "rule" else {})
    site.aws.schedules.put_targets("nightly", [{"Id": "1", **tagged_target()}])
    if on == "task definition":
        site.aws.ecs.tags[DEFINITION] = tags
    (ignored,) = site.wait_for(lambda: site.events("recovery.ignored"))
    assert (ignored["outcome"], ignored["rule"]) == ("ignored", "tag")
    assert site.recoveries() == []
    assert site.aws.topics.published == []


@pytest.mark.usefixtures("installed")
def test_the_tag_of_the_rule_counts_before_that_of_the_task_definition(site: Site) -> None:
    """And one that no rule of the policy is for is said in the log, and changes nothing."""
    site.capacity(0)
    site.aws.schedules.put_rule(
        "nightly",
        expression=soon(site),
        tags={"retry-run-task:policy": "mine", "retry-run-task:ignore": "false"},
    )
    site.aws.schedules.put_targets("nightly", [{"Id": "1", **tagged_target()}])
    site.aws.ecs.tags[DEFINITION] = {"retry-run-task:policy": "theirs", "retry-run-task:ignore": "true"}
    (tagged,) = site.wait_for(lambda: site.events("recovery.tagged"))
    assert (tagged["tag"], tagged["ignore"], tagged["level"]) == ("mine", False, "WARNING")
    assert tagged["why"] == "no rule of the policy is for the tag 'mine'"
    site.capacity(1)
    site.wait_for(site.outcomes)
    assert site.outcomes() == ["recovered"]


def test_tags_of_a_group_count_for_its_schedules_and_what_may_not_be_read_is_said() -> None:
    """Schedules have no tags. Without a permission there are no tags of that kind, and the recovery goes on."""
    with Canned() as aws:
        cluster = aws.local.ecs.create_cluster("batch")
        aws.local.ecs.register_task_definition("nightly", revision=7)
        wanted = tagged_target() | {"Arn": cluster}
        aws.local.schedules.create_schedule("nightly", expression="cron(0 0 * * ? *)", target=wanted)
        asked: list[dict[str, Any]] = []
        aws.answers["scheduler:ListTagsForResource"] = lambda call: (
            asked.append(call) or {"Tags": [{"Key": "retry-run-task:policy", "Value": "patient"}]}
        )
        aws.answers["ecs:ListTagsForResource"] = denied("ecs:ListTagsForResource")
        value = record(
            request={
                "cluster": "batch",
                "taskDefinition": DEFINITION,
                "startedBy": "chronos-schedule/nightly",
            },
            userAgent="AmazonEventBridgeScheduler aws-sdk-java/2.20.0",
            sourceIPAddress="198.51.100.17",
            userIdentity={"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": ROLE}}},
        )
        done = subprocess.run(
            [sys.executable, "-m", "retry_run_task", "explain", "-", "--aws", "--json"],
            input=json.dumps(value),
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | aws.environment(),
        )
    (launch,) = json.loads(done.stdout)["launches"]
    assert launch["schedule"]["tag"] == "patient"
    (unread,) = launch["schedule"]["tags_unread"]
    assert unread.startswith("the tags of nightly:7 cannot be read: ")
    assert "ecs:ListTagsForResource" in unread
    assert launch["decision"] == "retry"
    assert len(asked) == 1
