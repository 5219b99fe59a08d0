"""``explain`` tells what would be done, about anything that holds records, and never shows a secret."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from retry_run_task.commands.main import retry_run_task
from support.records import (
    CAPACITY,
    EVENT_ID,
    HAND_MADE,
    awslogs,
    error_record,
    eventbridge,
    parameters,
    record,
)


def explain(*arguments: str, content: Any = None) -> tuple[int, str]:
    text = content if isinstance(content, str | bytes | None) else json.dumps(content)
    result = CliRunner().invoke(retry_run_task, ["explain", *arguments], input=text, standalone_mode=False)
    code = result.return_value if result.exception is None else 2
    return code, result.output


def launches(content: Any, *arguments: str) -> list[dict[str, Any]]:
    code, output = explain("-", "--json", *arguments, content=content)
    assert code == 0
    return json.loads(output)["launches"]


JAVA = (
    "com.amazonaws.services.ecs.model.PlatformUnknownException: The specified platform does not exist. (Service: "
    "AmazonECS; Status Code: 400; Error Code: PlatformUnknownException; Request ID: x; Proxy: null)"
)
HIDDEN = {"containerOverrides": [{"name": "app", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]}


@pytest.mark.parametrize(
    ("content", "in_scope", "category", "decision"),
    [
        (record(), True, "capacity", "retry"),
        (HAND_MADE, True, "capacity", "retry"),
        (
            record(responseElements={"tasks": [], "failures": [{"reason": "ATTRIBUTE"}]}),
            True,
            "configuration",
            "give-up",
        ),
        (record(responseElements={"tasks": [], "failures": [{"reason": "?"}]}), True, "unknown", "retry"),
        (record(request=parameters(overrides=HIDDEN)), True, "capacity", "give-up"),
        (error_record("AccessDenied", "no", requestParameters=None), True, "permission", "give-up"),
        (error_record("ThrottlingException", "Rate exceeded"), False, "throttle", "ignore"),
        (record(request=parameters(clientToken=f"rrt-{'0' * 32}-1")), False, "capacity", "ignore"),
        (record(userIdentity={"invokedBy": "batch.amazonaws.com"}), False, "capacity", "ignore"),
    ],
)
def test_every_launch_has_scope_category_and_decision(
    content: Any, in_scope: bool, category: str, decision: str
) -> None:
    (launch,) = launches(content)
    assert (launch["in_scope"], launch["category"], launch["decision"]) == (in_scope, category, decision)
    assert launch["why"]
    assert (launch["request"] is not None) == (decision == "retry")
    code, text = explain("-", content=content)
    assert code == 0
    assert decision in text


@pytest.mark.parametrize(
    "content",
    [
        awslogs(record(), HAND_MADE),
        {"Records": [record(), HAND_MADE]},
        [record(), HAND_MADE],
        {"Events": [{"EventId": "x", "CloudTrailEvent": json.dumps(r)} for r in (record(), HAND_MADE)]},
        json.dumps(record()) + "\n\n" + json.dumps(HAND_MADE) + "\n",
        "\ufeff" + json.dumps([record(), HAND_MADE]),
    ],
    ids=["subscription", "log file", "list", "lookup-events", "lines", "with a byte order mark"],
)
def test_whatever_holds_records_is_read(content: Any) -> None:
    assert [launch["caller"]["kind"] for launch in launches(content)] == ["rule", "hand-made"]


def test_an_eventbridge_event_is_read() -> None:
    assert [launch["event_id"] for launch in launches(eventbridge(record()))] == [EVENT_ID]


def test_the_request_that_would_be_sent_is_shown_with_names_of_variables_only() -> None:
    canary = "canary-5e5d"
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "MODE", "value": canary}]}]}
    (launch,) = launches(record(request=parameters(overrides=overrides, memberOfNextYear={"x": 1})))
    assert launch["request"]["memberOfNextYear"] == "***"
    assert launch["request"]["overrides"]["containerOverrides"][0]["environment"] == [
        {"name": "MODE", "value": "***"}
    ]
    for arguments in (["-"], ["-", "--json"]):
        assert canary not in explain(*arguments, content=record(request=parameters(overrides=overrides)))[1]


def test_what_is_missing_is_named() -> None:
    (launch,) = launches(record(request=parameters(overrides=HIDDEN)))
    assert launch["missing"] == ["overrides.containerOverrides[app].environment"]


@pytest.mark.parametrize(
    ("arguments", "in_scope"),
    [
        (["--cluster", "prod"], False),
        (["--cluster", "prod", "--cluster", "b*"], True),
        (["--task-definition", "weekly"], False),
        (["--caller", "scheduler"], False),
        (["--region", "us-east-1"], False),
        (["--account", "123456789012"], True),
    ],
)
def test_scope_can_be_tried_out(arguments: list[str], in_scope: bool) -> None:
    assert [launch["in_scope"] for launch in launches(record(), *arguments)] == [in_scope]


@pytest.mark.parametrize(
    ("arguments", "category", "decision"),
    [
        (["--reason", CAPACITY], "capacity", "retry"),
        (["--reason", "RESOURCE:MEMORY"], "capacity", "retry"),
        (["--reason", "Rate exceeded", "--code", "ThrottlingException"], "throttle", "retry"),
        (["--code", "AccessDeniedException"], "permission", "give-up"),
        (
            ["--reason", "Timeout waiting for network interface provisioning to complete.", "--stopped"],
            "transient",
            "retry",
        ),
        # As they stood in public threads, without a word on what they are.
        (["--reason", "LAUNCH_TYPE"], "configuration", "give-up"),
        (["--reason", "DistinctInstance placement constraint unsatisfied."], "capacity", "retry"),
        (
            ["--reason", JAVA],
            "configuration",
            "give-up",
        ),
        (["--reason", "Essential container in task exited"], "configuration", "give-up"),
        (
            [
                "--reason",
                "CgroupError: Agent could not create task's platform resources",
                "--code",
                "TaskFailedToStart",
                "--stopped",
            ],
            "configuration",
            "give-up",
        ),
        (
            [
                "--reason",
                "VolumeDriver.Create: mounting volume failed: Error retrieving region.",
                "--code",
                "TaskFailedToStart",
            ],
            "transient",
            "retry",
        ),
        (["--reason", "never heard of it"], "unknown", "retry"),
        (["--reason", ""], "unknown", "retry"),
    ],
)
def test_a_single_text_is_explained(arguments: list[str], category: str, decision: str) -> None:
    code, output = explain("--json", *arguments)
    result = json.loads(output)
    assert (code, result["category"], result["decision"]) == (0, category, decision)
    assert isinstance(result["evidence"], list)
    assert explain(*arguments)[0] == 0


def test_what_cannot_be_read_is_said_and_its_neighbours_are_explained() -> None:
    code, output = explain("-", "--json", content={"Records": [7, record(), record(eventTime="soon")]})
    result = json.loads(output)
    assert code == 1
    assert [launch["event_id"] for launch in result["launches"]] == [EVENT_ID]
    assert len(result["unparsed"]) == 2
    code, output = explain("-", content={"Records": [7, record()]})
    assert code == 1
    assert "Not readable, record 1" in output


@pytest.mark.parametrize(
    ("arguments", "content", "says"),
    [
        ([], "", "Give a FILE"),
        (["/no/such/file"], "", "does not exist"),
        (["-", "--reason", "x"], "{}", "either FILE or --reason"),
        (["-", "--stopped"], "{}", "--stopped goes with --reason"),
    ],
)
def test_a_persons_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], content: Any, says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "retry_run_task", "explain", *arguments],
        input=content if isinstance(content, bytes) else content.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert done.stdout == b""


def test_control_characters_and_half_characters_are_shown_harmlessly(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(
        json.dumps(record(responseElements={"tasks": [], "failures": [{"reason": "\x1b[2J\ud800"}]}))
    )
    done = subprocess.run(
        [sys.executable, "-m", "retry_run_task", "explain", str(file)], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert b"\\x1b[2J" in done.stdout


NO_WAY = "CannotPullContainerError: Get https://registry-1.docker.io/v2/: net/http: request canceled"


def task_event(reason: str, status: str = "STOPPED", number: int = 1) -> dict[str, Any]:
    task = {
        "taskArn": f"arn:aws:ecs:eu-west-1:123456789012:task/c/{number:032d}",
        "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/c",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/nightly:7",
        "lastStatus": status,
        "desiredStatus": "STOPPED",
        "startedBy": "events-rule/nightly",
        "stopCode": "TaskFailedToStart",
        "stoppedReason": "Task failed to start",
        "stoppedAt": f"2026-07-{number:02d}T11:11:18.301000+09:00",
        "containers": [{"name": "app", "lastStatus": "STOPPED", "reason": reason}],
    }
    return eventbridge(task, **{"detail-type": "ECS Task State Change"})


def test_the_cause_is_found_where_aws_puts_it() -> None:
    for status in ("STOPPED", "DEPROVISIONING"):
        (launch,) = launches(task_event(NO_WAY, status))
        assert launch["category"] == "transient"
        assert launch["failures"][0]["container"] == "app"
    _, text = explain("-", content=task_event("CannotPullContainerError: manifest unknown"))
    assert "manifest unknown (container app)  [configuration, row image-missing]" in text


def test_the_same_failure_of_the_same_schedule_is_told_once_with_its_times() -> None:
    lines = [
        task_event(f"CannotPullContainerError: dial tcp 10.0.0.{n}:443: i/o timeout", number=n)
        for n in range(1, 9)
    ]
    lines.append(task_event("CannotPullContainerError: manifest unknown", number=9))
    content = "\n".join(map(json.dumps, lines))
    (first, second) = launches(content)
    assert (first["count"], second["count"]) == (8, 1)
    assert first["times"][0] == "2026-07-01T02:11:18Z"
    assert first["event_time"] == "2026-07-08T02:11:18Z"
    code, text = explain("-", content=content)
    assert code == 0
    assert text.count("Failed launch") == 2
    assert "2026-07-05T02:11:18Z, and 2 more" in text
    assert text.endswith(
        "In all: 9 failed launches (9 would be given up), 0 that are none, 0 that cannot be read.\n"
    )


@pytest.mark.parametrize(
    ("age", "too_late"),
    [(timedelta(minutes=5), False), (timedelta(hours=23), False), (timedelta(days=2), True)],
)
def test_a_run_that_is_no_longer_wanted_today_is_said_to_be(age: timedelta, too_late: bool) -> None:
    failed_at = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = record(eventTime=failed_at)
    (launch,) = launches(content)
    assert (launch["decision"], launch["too_late"]) == ("retry", too_late)
    assert ("the run is no longer wanted" in explain("-", content=content)[1]) is too_late


def test_what_needs_nobody_is_one_line() -> None:
    others = [record(eventName="StartTask", eventID=f"{n}" * 36) for n in range(3)]
    own = record(request=parameters(clientToken=f"rrt-{'0' * 32}-1"))
    _, text = explain("-", content={"Records": [*others, own]})
    assert len(text.splitlines()) == 3
    assert "Ignored 3 records: it is not a record of an ECS RunTask call." in text
    assert ": ignore: " in text


def test_several_files_and_folders_are_read_whatever_is_among_them(tmp_path: Path) -> None:
    folder = tmp_path / "AWSLogs" / "2026"
    folder.mkdir(parents=True)
    (folder / "a.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [record()]}).encode()))
    (folder / "b.json").write_text(json.dumps([HAND_MADE]), encoding="utf-8")
    (folder / "c.txt").write_text("not json\n", encoding="utf-8")
    (folder / ".hidden").write_text("not json either", encoding="utf-8")
    alone = tmp_path / "one.json"
    alone.write_text(json.dumps(task_event(NO_WAY)), encoding="utf-8")
    code, output = explain(str(tmp_path / "AWSLogs"), str(alone), "--json")
    result = json.loads(output)
    assert code == 1
    assert [one["caller"]["kind"] for one in result["launches"]] == ["rule", "hand-made", "rule"]
    (unparsed,) = result["unparsed"]
    assert unparsed["where"] == f"{folder / 'c.txt'}, record 1"
    (tmp_path / "empty").mkdir()
    assert explain(str(tmp_path / "empty"))[0] == 2


def test_an_answer_of_run_task_is_explained_though_its_call_is_not_known() -> None:
    code, output = explain("-", "--json", content={"tasks": [], "failures": [{"reason": "LAUNCH_TYPE"}] * 2})
    (told,) = json.loads(output)["told"]
    assert (code, told["category"], told["count"]) == (0, "configuration", 2)
    _, text = explain("-", content={"tasks": [], "failures": [{"reason": "LAUNCH_TYPE"}]})
    assert "LAUNCH_TYPE  [configuration, row launch-type-missing]" in text


@pytest.mark.parametrize("content", ["", "not json", b"\xff\xfe", b"\x1f\x8b\x08"])
def test_a_file_without_anything_to_read_is_said_to_be_so(content: str | bytes) -> None:
    code, text = explain("-", content=content)
    assert code == 1
    assert text.startswith("Not readable")
