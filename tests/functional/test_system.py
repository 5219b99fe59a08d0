"""The system whole: a failed call goes in at one end, and tasks or a message come out at the other."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import retry_run_task
from retry_run_task.local.cloudtrail.records import rule_caller, sdk_caller
from retry_run_task.local.ecs.service import EcsError
from retry_run_task.local.install import LocalInstallation, install
from support.records import CLUSTER, HAND_MADE, REGION, TASK_DEFINITION, parameters, record
from support.site import Site

ROLE = "arn:aws:iam::123456789012:role/ecsEventsRole"


def request(**changes: Any) -> dict[str, Any]:
    return parameters(dryrun=None, clientToken=None, **changes)


@pytest.mark.usefixtures("installed")
def test_the_original_way_of_verifying_it(site: Site) -> None:
    """The record put into the log group by hand leads to a RunTask with exactly its parameters, seen in the log."""
    site.put(HAND_MADE)
    site.wait_for(site.outcomes)
    (call,) = site.recoveries()
    ours = {"startedBy", "clientToken"}
    assert {k: v for k, v in call.body.items() if k not in ours} == HAND_MADE["requestParameters"]
    (attempt,) = site.events("recovery.called")
    assert {k: v for k, v in attempt["request"].items() if k not in ours} == HAND_MADE["requestParameters"]
    assert attempt["cluster"] == "batch"
    assert attempt["task_definition"] == TASK_DEFINITION
    assert len(site.tasks()) == 1


@pytest.mark.usefixtures("installed")
def test_a_failed_call_of_a_rule_is_recovered_once_although_it_arrives_both_ways_and_twice(
    site: Site,
) -> None:
    site.aws.trail.duplicates = 1
    site.capacity(0)
    site.aws.ecs.run_task(request(), rule_caller(ROLE))
    site.wait_for(lambda: len(site.events("recovery.called")) >= 3)
    site.capacity(5)
    site.wait_for(site.outcomes)
    site.wait_for(lambda: len(site.events("intake.started")) >= 4)
    assert site.outcomes() == ["recovered"]
    assert len(site.events("recovery.began")) == 1
    assert len(site.tasks()) == 1
    tokens = [c.body["clientToken"] for c in site.recoveries()]
    assert len(set(tokens)) == len(tokens)
    # Our own failed calls were recorded as well, and left to the recovery that made them.
    assert site.wait_for(lambda: site.events("intake.ignored"))
    assert {e["caller"] for e in site.events("intake.ignored") if "caller" in e} == {"own"}


def test_two_stacks_share_the_work_by_their_patterns(site: Site) -> None:
    site.aws.ecs.register_task_definition("weekly")
    install(site.aws, stack="one", settings={"RETRY_RUN_TASK_TASK_DEFINITIONS": "night*"})
    install(site.aws, stack="two", settings={"RETRY_RUN_TASK_TASK_DEFINITIONS": "week*"}, subscribe=False)
    site.aws.logs.put_subscription_filter(
        site.aws.trail.log_group,
        "second",
        '{ $.eventName = "RunTask" && $.responseElements.tasks[0].taskArn NOT EXISTS }',
        "two-intake",
    )
    site.put(
        HAND_MADE,
        HAND_MADE | {"requestParameters": HAND_MADE["requestParameters"] | {"taskDefinition": "weekly"}},
    )
    site.wait_for(lambda: len(site.outcomes()) == 2)
    site.wait_for(lambda: len(site.events("intake.ignored")) >= 2)
    assert sorted(e["service"] for e in site.events("recovery.recovered")) == ["one", "two"]
    assert {e["service"]: e["task_definition"] for e in site.events("recovery.recovered")} == {
        "one": TASK_DEFINITION,
        "two": "weekly",
    }
    assert len(site.tasks()) == 2


def test_two_stacks_that_overlap_start_one_task(site: Site) -> None:
    """The mark and the client token do not know the stack: the second sees the first one's task, or is given it."""
    install(site.aws, stack="one")
    install(site.aws, stack="two", subscribe=False)
    site.aws.logs.put_subscription_filter(
        site.aws.trail.log_group,
        "second",
        '{ $.eventName = "RunTask" && $.responseElements.tasks[0].taskArn NOT EXISTS }',
        "two-intake",
    )
    site.put(HAND_MADE)
    site.wait_for(lambda: len(site.outcomes()) == 2)
    assert set(site.outcomes()) <= {"recovered", "already running"}
    assert len({c.body["clientToken"] for c in site.recoveries()}) == 1
    assert len(site.tasks()) == 1


@pytest.mark.parametrize(("unseen_for", "calls"), [(timedelta(0), 1), (timedelta(days=1), 2)])
def test_a_function_that_is_killed_in_the_middle_starts_nothing_twice(
    site: Site, installed: LocalInstallation, unseen_for: timedelta, calls: int
) -> None:
    """ECS has the task, the function dies before it is written down: it is seen, or the same token gets it."""
    site.aws.ecs.visibility_delay = unseen_for
    killed: list[str] = []

    def kill(call: Any) -> None:
        if killed:
            site.aws.ecs.visibility_delay = timedelta(0)
        else:
            killed.append(call.request_id)
            site.aws.functions.kill(installed.recover)

    site.aws.ecs.on_call.append(kill)
    site.put(HAND_MADE)
    site.wait_for(site.outcomes)
    assert killed
    assert site.outcomes() == ["recovered"]
    assert len(site.recoveries()) == calls
    assert len({c.body["clientToken"] for c in site.recoveries()}) == 1
    assert len(site.events("recovery.recovered")[0]["task_arns"]) == 1


def test_intake_is_patient_when_lambda_is_throttled(site: Site, installed: LocalInstallation) -> None:
    """Lambda starts 300 durable executions a second, and answers 429 beyond that."""
    site.aws.functions.throttle_next(2, installed.recover)
    site.put(HAND_MADE)
    site.wait_for(site.outcomes)
    assert site.events("intake.not_started") == []
    assert len(site.tasks()) == 1


@pytest.mark.usefixtures("installed")
def test_bad_records_cost_their_neighbours_nothing(site: Site) -> None:
    hostile = json.dumps(HAND_MADE)
    site.put(
        hostile.replace('"count": 1', '"count": 0'),
        hostile.replace('"count": 1', '"count": 1, "count": 2'),
        json.dumps({"eventName": "RunTask", "requestParameters": None, "responseElements": {"tasks": []}}),
        HAND_MADE | {"requestParameters": HAND_MADE["requestParameters"] | {"group": "\ud800"}},
        HAND_MADE,
        json.dumps(HAND_MADE | {"padding": "x" * 900_000}),
    )
    site.wait_for(lambda: len(site.outcomes()) >= 2)
    # The count of nothing, the member that stands twice, and half a surrogate pair in a request.
    site.wait_for(lambda: len(site.events("intake.unparsed")) >= 3)
    assert site.outcomes().count("recovered") == 2
    metrics = [r for _, r in site.log if "Unparsed" in r]
    assert sum(sum(m["Unparsed"]) for m in metrics) >= 3


@pytest.mark.usefixtures("installed")
def test_hidden_values_are_refused_with_a_message_that_names_them(site: Site) -> None:
    site.capacity(0)
    canary = "canary-5e5d"
    overrides = {
        "containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": canary}]}]
    }
    site.aws.ecs.run_task(request(overrides=overrides), rule_caller(ROLE))
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    (message,) = site.aws.topics.published
    assert "overrides.containerOverrides[app].environment" in message.message
    assert "nightly" in (message.subject or "")
    assert site.outcomes() == ["refused"]
    assert site.recoveries() == []


@pytest.mark.usefixtures("installed")
def test_a_clear_override_reaches_run_task_and_nothing_that_is_written(site: Site) -> None:
    """A record made by hand may hold values in clear. They are sent on, and shown nowhere."""
    canary = "canary-5e5d"
    overrides = {
        "containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": canary}]}]
    }
    site.capacity(0)
    site.put(HAND_MADE | {"requestParameters": HAND_MADE["requestParameters"] | {"overrides": overrides}})
    site.wait_for(lambda: site.events("recovery.waiting"))
    site.capacity(5)
    site.wait_for(site.outcomes)
    assert site.recoveries()[-1].body["overrides"] == overrides
    assert not [line for line in site.lines if canary in line]
    assert not [m for m in site.aws.topics.published if canary in m.message]
    lambda_ = site.client("lambda")
    (execution,) = site.aws.durable.executions("retry-run-task-recover")
    history = lambda_.get_durable_execution_history(
        DurableExecutionArn=execution.durable_execution_arn, IncludeExecutionData=True
    )
    steps = [e for e in history["Events"] if e["EventType"].startswith("Step")]
    assert steps
    assert canary not in json.dumps(steps, default=str)


def test_a_message_for_chat_in_japanese_leads_to_the_recovery_that_wrote_it(site: Site) -> None:
    """What is published in the end, by the real function: its forms, its attributes, and names that Lambda knows."""
    install(site.aws, settings={"RETRY_RUN_TASK_MESSAGES": "chat,ja"})
    site.capacity(0)
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": "x"}]}]}
    site.aws.ecs.run_task(request(overrides=overrides), rule_caller(ROLE))
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    (message,) = site.aws.topics.published
    assert message.subject == "【未実行】nightly (ap-northeast-1)"
    assert message.attributes == {"severity": "error", "outcome": "refused"}
    assert message.by_protocol.keys() == {"default", "https"}
    (execution,) = site.aws.durable.executions("retry-run-task-recover")
    body = json.loads(message.by_protocol["https"])
    assert body["metadata"]["threadId"] == execution.durable_execution_arn.split("/")[2]
    assert body["metadata"]["additionalContext"]["execution"] == execution.durable_execution_arn
    assert execution.durable_execution_arn in message.message
    for link in (
        "lambda/home?region=ap-northeast-1#/functions/retry-run-task-recover?tab=durable",
        "log-group/$252Faws$252Flambda$252Fretry-run-task-recover/log-events",
    ):
        assert link in message.message
        assert link in body["content"]["description"]
    (given_up,) = (r for _, r in site.log if "GaveUpOutcomes" in r)
    assert (given_up["outcome"], given_up["GaveUpOutcomes"]) == ("refused", [1.0])


@pytest.mark.usefixtures("installed")
def test_a_denied_call_is_reported_once_a_day_and_never_made_again(site: Site) -> None:
    for _ in range(3):
        site.aws.ecs.faults.raise_next(1, "AccessDeniedException", "not authorized to perform: ecs:RunTask")
        with pytest.raises(EcsError):
            site.aws.ecs.run_task(request(), rule_caller(ROLE))
    site.wait_for(lambda: len(site.events("intake.started") + site.events("intake.already_started")) >= 6)
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    assert site.outcomes() == ["permanent"]
    assert len(site.aws.topics.published) == 1
    assert site.recoveries() == []


@pytest.mark.usefixtures("installed")
def test_what_people_start_themselves_is_left_to_them(site: Site) -> None:
    site.capacity(0)
    site.aws.ecs.run_task(request(startedBy="me"), sdk_caller("arn:aws:iam::123456789012:user/me"))
    site.wait_for(lambda: site.events("intake.ignored", caller="other"))
    assert site.events("intake.started") == []


@pytest.mark.usefixtures("installed")
def test_records_from_elsewhere_are_left_alone_with_a_line_that_says_so(site: Site) -> None:
    site.put(record(awsRegion="us-east-1"), record(recipientAccountId="210987654321"))
    ignored = site.wait_for(lambda: len(e := site.events("intake.ignored", caller="rule")) == 2 and e)
    assert "us-east-1" in ignored[0]["why"]
    assert "210987654321" in ignored[1]["why"]
    assert CLUSTER


def test_a_wrong_setting_of_intake_fails_loudly_and_loses_nothing(site: Site) -> None:
    """Lambda delivers the event again, and then to the dead-letter queue: it is still there."""
    made = install(site.aws, settings={"RETRY_RUN_TASK_STAKC": "x"})
    site.put(HAND_MADE)
    site.wait_for(lambda: site.aws.functions.dead_letters)
    (letter,) = site.aws.functions.dead_letters[:1]
    assert letter.function == made.intake
    assert "RETRY_RUN_TASK_STAKC" in letter.error


def test_a_wrong_setting_of_recover_fails_loudly_and_loses_nothing(site: Site) -> None:
    """The execution fails, which an alarm tells of, and its launch is in the dead-letter queue."""
    made = install(site.aws, settings={"RETRY_RUN_TASK_TIME_ZONE": "Asia/Tokio"})
    site.put(HAND_MADE)
    site.wait_for(lambda: site.aws.functions.dead_letters)
    (letter,) = site.aws.functions.dead_letters[:1]
    assert letter.function == made.recover
    (execution,) = site.aws.durable.executions()
    found = site.client("lambda").get_durable_execution(DurableExecutionArn=execution.durable_execution_arn)
    assert "RETRY_RUN_TASK_TIME_ZONE is 'Asia/Tokio'" in found["Error"]["ErrorMessage"]


def test_a_policy_that_fails_to_load_fails_loudly_and_loses_nothing(site: Site, tmp_path: Path) -> None:
    """As if somebody had put it into the zip past every check. Intake reads no policy, so recover is what fails."""
    package = Path(retry_run_task.__file__).parent
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    policy = tmp_path / package.name / "policy.toml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("spread =", "spred ="), encoding="utf-8")
    made = install(site.aws, python_path=[tmp_path, package.parent])
    site.put(HAND_MADE)
    site.wait_for(lambda: site.aws.functions.dead_letters)
    (letter,) = site.aws.functions.dead_letters[:1]
    assert letter.function == made.recover
    (execution,) = site.aws.durable.executions()
    found = site.client("lambda").get_durable_execution(DurableExecutionArn=execution.durable_execution_arn)
    assert found["Status"] == "FAILED"
    assert re.search(r"policy.toml:\d+: spred is not a key", found["Error"]["ErrorMessage"])
    assert site.recoveries() == []
    (message,) = site.aws.topics.published
    assert re.search(r"policy.toml:\d+: spred is not a key", message.message)


def installed_with(site: Site, tmp_path: Path, rules: str) -> LocalInstallation:
    """Install the functions with a policy of one's own in the place of the package's."""
    package = Path(retry_run_task.__file__).parent
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    policy = tmp_path / package.name / "policy.toml"
    own = policy.read_text(encoding="utf-8").replace("[[rules]]\nname", f"{rules}\n[[rules]]\nname", 1)
    assert own != policy.read_text(encoding="utf-8")
    policy.write_text(own, encoding="utf-8")
    return install(site.aws, python_path=[tmp_path, package.parent])


@pytest.mark.usefixtures("installed")
def test_zones_without_capacity_are_left_for_the_one_that_has_room(site: Site) -> None:
    """Zones a and c have none. ECS tries one zone for a request, which it may do; the subnet of zone d alone has it."""
    site.aws.ecs.add_subnet("subnet-d", f"{REGION}d")
    site.aws.ecs.zones_tried = 1
    site.capacity(0)
    site.aws.ecs.capacity.set(f"{REGION}d", "FARGATE", 1)
    subnets = ["subnet-a", "subnet-c", "subnet-d"]
    network = {"awsvpcConfiguration": {"subnets": subnets, "assignPublicIp": "DISABLED"}}
    wanted = HAND_MADE["requestParameters"] | {"networkConfiguration": network}
    site.put(HAND_MADE | {"requestParameters": wanted})
    (recovered,) = site.wait_for(lambda: site.events("recovery.recovered"))
    assert len(site.tasks()) == 1
    attempted = site.events("recovery.called")
    by_rung = [attempt["rung"] for attempt in attempted]
    a_round = [rung for subnet in subnets for rung in ("as-asked", f"each-subnet {subnet}")]
    assert by_rung == a_round[: len(by_rung)]
    for call in site.recoveries():
        (found,) = (a for a in attempted if a["request"]["clientToken"] == call.body["clientToken"])
        own = found["rung"].partition(" ")[2]
        sent = call.body["networkConfiguration"]["awsvpcConfiguration"]
        assert sent == network["awsvpcConfiguration"] | {"subnets": [own] if own else subnets}
    if by_rung[-1] != "as-asked":
        assert recovered["changed"] == [f"in subnet-d alone ({REGION}d) instead of any of its 3 subnets"]


def test_in_a_drought_of_spot_the_task_runs_on_demand_if_that_is_allowed(site: Site, tmp_path: Path) -> None:
    rule = """
[[rules]]
name = "may cost more"
match = { task-definition = "nightly" }
rungs = ["as-asked", "on-demand"]
notify = "always"
"""
    installed_with(site, tmp_path, rule)
    for letter in "ac":
        site.aws.ecs.capacity.set(f"{REGION}{letter}", "FARGATE_SPOT", 0)
        site.aws.ecs.capacity.set(f"{REGION}{letter}", "FARGATE", None if letter == "c" else 0)
    spot = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
    asked = {k: v for k, v in HAND_MADE["requestParameters"].items() if k != "launchType"} | spot
    site.put(HAND_MADE | {"requestParameters": asked})
    site.wait_for(lambda: site.aws.topics.published and site.outcomes())
    first, second = site.recoveries()
    assert "launchType" not in first.body
    assert second.body["launchType"] == "FARGATE"
    assert "capacityProviderStrategy" not in second.body
    (message,) = site.aws.topics.published
    assert f"started on-demand in {REGION}c instead of Spot" in message.message
    assert "costs more" in message.message
    (recovered,) = site.events("recovery.recovered")
    assert recovered["rungs"] == ["on-demand"]


def test_what_the_policy_ignores_is_left_alone_and_succeeds(site: Site, tmp_path: Path) -> None:
    made = installed_with(
        site, tmp_path, '[[rules]]\nname = "quiet"\nmatch = { cluster = "batch" }\nignore = true\n'
    )
    site.put(HAND_MADE)
    (ignored,) = site.wait_for(lambda: site.events("recovery.ignored"))
    assert (ignored["outcome"], ignored["rule"]) == ("ignored", "quiet")
    site.wait_for(lambda: site.aws.durable.executions(made.recover)[0].is_complete)
    (execution,) = site.aws.durable.executions(made.recover)
    assert execution.result is not None
    assert '"outcome": "ignored"' in str(execution.result.result)
    assert site.recoveries() == []
    assert site.aws.topics.published == []
