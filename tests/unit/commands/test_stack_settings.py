"""The settings file, and which value each parameter gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from retry_run_task.commands.deploy import settings_file
from retry_run_task.commands.deploy.choices import Choice, choose
from retry_run_task.commands.shared.inventory import (
    Concurrency,
    Filter,
    Identity,
    Inventory,
    Launcher,
    Launchers,
    LogGroup,
    TaskDefinition,
    Trail,
    Unknown,
)
from retry_run_task.documentation import RUNBOOK
from retry_run_task.errors import ConfigError
from retry_run_task.launch.values import CallerKind

ACCOUNT, REGION = "123456789012", "ap-northeast-1"
ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"


# The file.


def read(tmp_path: Path, text: str) -> settings_file.SettingsFile:
    path = tmp_path / "retry-run-task.toml"
    path.write_text(text)
    return settings_file.read_settings(path, must_exist=True)


def test_lists_numbers_and_flags_are_text_to_cloudformation(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        'stack = "nightly"\nbucket = "mine"\n[parameters]\ntask_definitions = ["a", "b-*"]\n'
        'recover_concurrency = 5\nmessages = "chat,en"\ntrail_log_group_name = ""\n',
    )
    assert found.options == {"stack": "nightly", "bucket": "mine"}
    assert found.parameters == {
        "TaskDefinitions": "a,b-*",
        "RecoverConcurrency": "5",
        "Messages": "chat,en",
        "TrailLogGroupName": "",
    }


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ('profile = "operator"\n', "operator"),
        ('profile = "admin"\n[parameters]\ncommand_profile = "operator"\n', "operator"),
        ('profile = "admin"\n[parameters]\ncommand_profile = ""\n', ""),
        # One that no message takes is as good to deploy with as any.
        (f'profile = "{"x" * 33}"\n', None),
        ('stack = "nightly"\n', None),
    ],
)
def test_the_profile_that_a_team_shares_is_in_the_commands_of_its_messages(
    tmp_path: Path, text: str, profile: str | None
) -> None:
    assert read(tmp_path, text).parameters.get("CommandProfile") == profile


@pytest.mark.parametrize(
    ("said", "path"), [("mine.toml", "{}/mine.toml"), ("/a/b.toml", "/a/b.toml"), ("default",) * 2]
)
def test_a_policy_is_where_the_file_is(tmp_path: Path, said: str, path: str) -> None:
    assert read(tmp_path, f'policy = "{said}"').options["policy"] == path.format(tmp_path)


def test_the_usual_file_need_not_be_there(tmp_path: Path) -> None:
    absent = tmp_path / "nix.toml"
    assert settings_file.read_settings(absent, must_exist=False) == settings_file.SettingsFile()
    with pytest.raises(ConfigError, match="no file"):
        settings_file.read_settings(absent, must_exist=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stack = ", "is not TOML"),
        (
            "stak = 'x'",
            "stak is not a setting; expected one of stack, region, profile, look_with, bucket, policy, ",
        ),
        ("stack = 7", "stack is 7; expected a text"),
        ("stack = ''", "stack is ''; expected a text"),
        ("parameters = 7", "parameters is not a table"),
        ("[parameters]\nTaskDefinitions = 'a'", "parameters.TaskDefinitions is not a parameter"),
        ("[parameters]\ntask_definitions = 'a:7'", "no revision"),
        ("[parameters]\ntask_definitions = [7]", "parameters.task_definitions is [7]"),
        ("[parameters]\nnotification_email = ['a@b']", "parameters.notification_email is ['a@b']"),
        ("[parameters]\nlog_retention_days = 1.5", "parameters.log_retention_days is 1.5"),
        ("[parameters]\nlog_retention_days = 2", "expected one of 1, 3, 5"),
        ("[parameters]\nalso_recover = 'yes'", "expected one of nothing, errors"),
    ],
)
def test_what_a_file_may_not_say(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert words in str(raised.value)


def test_every_problem_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, "a = 1\nb = 2\n[parameters]\nc = 3\nlog_retention_days = 2\n")
    assert all(
        word in str(raised.value) for word in ("a is", "b is", "parameters.c", "log_retention_days is 2")
    )


def test_the_example_in_the_module_is_one(tmp_path: Path) -> None:
    assert settings_file.__doc__ is not None
    text = "".join(
        line.removeprefix("    ") + "\n"
        for line in settings_file.__doc__.splitlines()
        if line.startswith("    ")
    )
    assert read(tmp_path, text).parameters["TaskDefinitions"] == "nightly,report-*"


# The choice.


class Account:
    """A reader's account: task definitions by name, and log groups with their filters by name."""

    region = REGION

    def __init__(self, definitions: dict[str, str] | None = None, **groups: int) -> None:
        self._definitions, self._groups = definitions or {}, groups

    def read(self, action: str, /, **call: Any) -> Any:
        assert action == "ecs:DescribeTaskDefinition"
        name = call["taskDefinition"]
        if name not in self._definitions:
            return Unknown(action=action, why="ClientException: Unable to describe task definition")
        return {
            "taskDefinition": {
                "family": name,
                "taskDefinitionArn": name,
                "executionRoleArn": self._definitions[name],
            }
        }

    def read_all(self, action: str, member: str, /, **call: Any) -> Any:
        if action == "logs:DescribeLogGroups":
            return [{"logGroupName": name} for name in self._groups]
        count = self._groups[call["logGroupName"]]
        return [{"filterName": f"f{n}", "destinationArn": "arn:x:function:other"} for n in range(count)]


def launcher(name: str, **changes: Any) -> Launcher:
    return Launcher(kind=CallerKind.RULE, name=name, cluster="batch", task_definition=name, **changes)


def inventory(**changes: Any) -> Inventory:
    trail = Trail(name="main", arn="arn", home_region=REGION, log_group_arn=f"{ARN}:trail")
    found = Inventory(
        region=REGION,
        identity=Identity(account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/me", partition="aws"),
        trails=(trail,),
        log_groups=MappingProxyType({f"{ARN}:trail": LogGroup(name="trail")}),
        launchers=Launchers(found=(launcher("nightly"), launcher("report"))),
        task_definitions={
            name: TaskDefinition(family=name, arn=name, task_role_arn=f"{ROLE}/{name}")
            for name in ("nightly", "report")
        },
        concurrency=Concurrency(limit=1000, unreserved=1000),
    )
    return replace(found, **changes)


def chosen(
    of: Inventory | None = None,
    account: Account | None = None,
    *,
    file: dict[str, str] | None = None,
    installed: dict[str, str] | None = None,
    adds_found: bool = False,
    **flags: str,
) -> Choice:
    reader: Any = account or Account()
    return choose(
        of or inventory(),
        reader,
        flags=flags,
        file=file or {},
        installed=installed or {},
        adds_found=adds_found,
    )


def sources(choice: Choice) -> dict[str, tuple[str, str]]:
    return {one.name: (one.value, one.source) for one in choice.parameters}


def test_what_is_found_goes_before_what_is_usual() -> None:
    found = sources(chosen())
    assert found["TaskDefinitions"] == ("nightly,report", "found")
    assert found["Clusters"] == ("batch", "found")
    assert found["PassRoleArns"] == (f"{ROLE}/nightly,{ROLE}/report", "found")
    assert found["TrailLogGroupName"] == ("trail", "found")
    assert found["RecoverConcurrency"] == ("10", "default")


def test_flag_file_installed_found_default() -> None:
    everywhere = {"Callers": "rule", "Clusters": "c"}
    found = sources(
        chosen(
            installed={**everywhere, "LogRetentionDays": "7", "Messages": "text,ja"},
            file={"Callers": "scheduler", "LogRetentionDays": "14"},
            Callers="other",
        )
    )
    assert found["Callers"] == ("other", "flag")
    assert found["LogRetentionDays"] == ("14", "file")
    assert (found["Messages"], found["Clusters"]) == (("text,ja", "installed"), ("c", "installed"))
    assert found["TaskDefinitions"][1] == "found"


def audit_notes(**given: Any) -> list[str]:
    return [note for note in chosen(**given).notes if "audit" in note]


def test_the_audit_is_on_unless_it_is_switched_off_and_the_plan_says_which() -> None:
    usual = "cron(0 22 * * ? *)"
    assert sources(chosen())["AuditSchedule"] == (usual, "default")
    (note,) = audit_notes()
    assert note.startswith("once a day an audit looks for runs that did not happen")
    (note,) = audit_notes(AuditSchedule="")
    assert note.startswith("there is no daily audit: ")
    # An update does not switch on what was off.
    assert sources(chosen(installed={"AuditSchedule": ""}))["AuditSchedule"] == ("", "installed")
    (note,) = audit_notes(installed={"AuditSchedule": ""})
    assert note.endswith(f"switch it on with --audit-schedule '{usual}'")
    assert audit_notes(installed={"AuditSchedule": usual}) == []


@pytest.mark.parametrize(
    ("to", "what"), [("", "the daily audit is switched off"), ("cron(0 9 * * ? *)", "the daily audit moves")]
)
def test_what_an_audit_that_goes_would_have_told_is_looked_for_once(to: str, what: str) -> None:
    (note,) = audit_notes(installed={"AuditSchedule": "cron(0 22 * * ? *)"}, AuditSchedule=to)
    assert note.startswith(what)
    assert note.endswith("with: retry-run-task audit --since 2d")


def test_an_update_links_to_the_runbook_of_its_own_version_unless_another_was_chosen() -> None:
    assert sources(chosen(installed={"RunbookUrl": "docs/runbook.md"}))["RunbookUrl"] == (RUNBOOK, "default")
    wiki = "https://wiki.example.com/runbook"
    assert sources(chosen(installed={"RunbookUrl": wiki}))["RunbookUrl"] == (wiki, "installed")


def test_an_empty_flag_is_a_value() -> None:
    assert sources(chosen(TrailLogGroupName=""))["TrailLogGroupName"] == ("", "flag")


def test_families_that_are_named_narrow_what_is_found() -> None:
    found = sources(chosen(TaskDefinitions="night*"))
    assert found["PassRoleArns"] == (f"{ROLE}/nightly", "found")


def test_the_roles_of_a_family_that_no_schedule_asks_for_are_found() -> None:
    found = sources(chosen(account=Account({"by-hand": f"{ROLE}/pulls"}), TaskDefinitions="by-hand"))
    assert found["PassRoleArns"] == (f"{ROLE}/pulls", "found")
    assert found["Clusters"] == ("default", "default")


def test_too_small_an_account_reserves_nothing() -> None:
    small = inventory(concurrency=Concurrency(limit=10, unreserved=10))
    assert sources(chosen(small))["RecoverConcurrency"] == ("", "found")


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        (
            {},
            {"TaskDefinitions": "a:7", "Clusters": "arn:x"},
            ("--task-definitions is 'a:7'", "--clusters is"),
        ),
        ({}, {"TaskDefinitions": "nix,nought"}, ("'nix'", "'nought'")),
        ({"launchers": Launchers()}, {}, ("nothing is known that may be started",)),
        ({"trails": ()}, {}, ("no trail records RunTask",)),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], flags: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as raised:
        chosen(inventory(**changes), **flags)
    assert all(word in str(raised.value) for word in words)


def test_a_log_group_that_was_named_has_to_be_there_and_free() -> None:
    account = Account(full=2, free=1)
    assert sources(chosen(account=account, TrailLogGroupName="free"))["TrailLogGroupName"] == ("free", "flag")
    with pytest.raises(ConfigError, match="2 subscription filters, f0 and f1"):
        chosen(account=account, TrailLogGroupName="full")
    with pytest.raises(ConfigError, match="no log group 'nix'"):
        chosen(account=account, TrailLogGroupName="nix")


def test_a_log_group_without_a_free_slot_is_no_reason_to_fail() -> None:
    """Failures then come through EventBridge alone."""
    others = tuple(Filter(name=name, destination_arn="arn:x:function:other") for name in ("a", "b"))
    full = LogGroup(name="trail", filters=others)
    choice = chosen(inventory(log_groups=MappingProxyType({f"{ARN}:trail": full})))
    assert sources(choice)["TrailLogGroupName"] == ("", "default")
    assert (
        "failures come through EventBridge alone, since trail has 2 subscription filters already"
        in choice.notes
    )


def test_what_is_new_in_the_account_is_a_note_and_not_a_wider_permission() -> None:
    choice = chosen(installed={"TaskDefinitions": "nightly", "PassRoleArns": f"{ROLE}/nightly"})
    assert sources(choice)["TaskDefinitions"] == ("nightly", "installed")
    assert "found now, and not installed: report; take it in with --add-found" in choice.notes


def test_what_is_new_is_added_to_what_is_installed_if_asked_for() -> None:
    """At the end, so that no name moves into another policy; and nothing installed is lost."""
    installed = {
        "TaskDefinitions": "old,nightly",
        "Clusters": "ba*",
        "PassRoleArns": "",
        "ReadRules": "nightly",
    }
    choice = chosen(installed=installed, adds_found=True)
    assert {name: sources(choice)[name] for name in installed} == {
        "TaskDefinitions": ("old,nightly,report", "installed"),
        "Clusters": ("ba*", "installed"),
        "PassRoleArns": (f"{ROLE}/nightly,{ROLE}/report", "installed"),
        "ReadRules": ("nightly,report", "installed"),
    }
    assert not [note for note in choice.notes if "found now" in note]
    by_hand = sources(chosen(installed=installed, adds_found=True, TaskDefinitions="nightly"))
    assert by_hand["TaskDefinitions"] == ("nightly", "flag")
    first = sources(chosen(adds_found=True))
    assert first["TaskDefinitions"] == ("nightly,report", "found")


def test_that_nobody_would_be_told_is_a_note() -> None:
    assert any("no message reaches anyone" in note for note in chosen().notes)
    assert not any("no message reaches" in note for note in chosen(NotificationEmail="a@example.com").notes)


def test_the_roles_path_is_for_good() -> None:
    """IAM cannot move a role, and CloudFormation cannot make another of the same name beside it."""
    assert sources(chosen(RolePath="/batch/"))["RolePath"] == ("/batch/", "flag")
    there = {"TaskDefinitions": "nightly", "RolePath": "/batch/"}
    assert sources(chosen(installed=there))["RolePath"] == ("/batch/", "installed")
    for given, installed in (("/", there), ("/batch/", {"TaskDefinitions": "nightly"})):
        with pytest.raises(ConfigError, match="IAM cannot move a role"):
            chosen(installed=installed, RolePath=given)
