"""A message says which job, what ECS said, what was tried and what to do, and holds no secret."""

from __future__ import annotations

import json
import re
from typing import Any

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.failures.classify import classify
from retry_run_task.launch.values import Caller, CallerKind, Failure, IncompleteRequest, Origin, Outcome
from retry_run_task.messages import console
from retry_run_task.messages.message import SEVERITIES, Ending, Language, Message, Severity, Style, message
from support.records import CAPACITY, EVENT_ID, launch, parameters

CAPACITY_VERDICT = classify(Failure(origin=Origin.ANSWER, reason=CAPACITY))
TASK = "arn:aws:ecs:ap-northeast-1:123456789012:task/batch/1"
RECOVERY = f"retry-run-task-{EVENT_ID}"
FUNCTION = "arn:aws:lambda:ap-northeast-1:123456789012:function:retry-run-task-recover"
EXECUTION = f"{FUNCTION}:7/durable-execution/{RECOVERY}/0b1c4f0e"
PLACE = console.place(f"{FUNCTION}:live", log_group="/aws/lambda/x", execution_arn=EXECUTION)
FULL = Style(for_chat=True, place=PLACE, recovery=RECOVERY)
IN_JAPANESE = Style(language=Language.JAPANESE, for_chat=True, place=PLACE, recovery=RECOVERY)


def ending(**changes: Any) -> Ending:
    values: dict[str, Any] = {
        "outcome": Outcome.EXPIRED,
        "why": "the next attempt would come too late",
        "rule": "deadline",
        "calls": 14,
        "wanted": 3,
        "task_arns": (TASK,),
        "elapsed_s": 21_600,
        "last": CAPACITY_VERDICT,
        "hint": "If the run is still wanted, start it by hand.",
        "numbers": {"after_s": 21_660, "limit_s": 21_600},
    }
    return Ending(**(values | changes))


CONSOLE = "https://ap-northeast-1.console.aws.amazon.com"
LINKS = f"""\
- {{execution}}: {CONSOLE}/lambda/home?region=ap-northeast-1#/functions/retry-run-task-recover?tab=durable
- {{log}}: {CONSOLE}/cloudwatch/home?region=ap-northeast-1#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fx\
/log-events$3FfilterPattern$3D$2522{RECOVERY}$2522$26start$3D1795478403000$26end$3D1795507203000
- {{task}}: {CONSOLE}/ecs/v2/clusters/batch/tasks/1/configuration?region=ap-northeast-1"""


def test_a_person_on_call_reads_everything_in_one_message() -> None:
    written = message(launch(), ending(), FULL)
    assert written.subject == "DID NOT RUN: nightly (expired) in ap-northeast-1"
    assert (
        written.text
        == f"""\
nightly: 1 of 3 missing tasks were started; the rest will not be.

When             2026-11-24 00:00:03 UTC
Where            cluster batch, account 123456789012, ap-northeast-1
Asked for by     EventBridge rule: nightly
ECS said         {CAPACITY}
Tried            14 RunTask calls in 6 h; 1 of 3 missing tasks started
Kind of failure  capacity
Outcome          expired: the next attempt would come too late
Severity         error

What to do
- If the run is still wanted, start it by hand.
- See the call: aws cloudtrail lookup-events --region ap-northeast-1 \
--lookup-attributes AttributeKey=EventId,AttributeValue={EVENT_ID}
- See the rule: aws events list-rules --region ap-northeast-1 --name-prefix nightly

Where to look
{LINKS.format(execution="Recovery", log="Log lines", task="Task")}

Details
Task definition   arn:aws:ecs:ap-northeast-1:123456789012:task-definition/nightly:7
Task              {TASK}
CloudTrail event  {EVENT_ID}
Recovery          {RECOVERY}
Execution         {EXECUTION}"""
    )


def test_in_japanese_too() -> None:
    written = message(launch(), ending(), IN_JAPANESE)
    assert written.subject == "【未実行】nightly (期限切れ) - ap-northeast-1"
    assert written.plain_subject == "DID NOT RUN: nightly (expired) in ap-northeast-1"
    assert (
        written.text
        == f"""\
nightly は、不足していた 3 個のタスクのうち 1 個だけが起動しました。残りのタスクは起動しません。

発生日時: 2026-11-24 09:00:03 (日本時間) / 2026-11-24 00:00:03 (UTC)
実行場所: クラスター batch、アカウント 123456789012、リージョン ap-northeast-1
呼び出し元: EventBridge ルール nightly
ECS の応答: {CAPACITY}
再試行: 6時間の間に RunTask を 14 回呼び出し、不足していた 3 個のタスクのうち 1 個が起動
失敗の種類: キャパシティ不足 (capacity)
結果: 期限切れ (expired): 次の試行は最初の失敗から6時間1分後になり、ポリシーで定めた期限の6時間を超えるためです。
重要度: エラー (error)

対応方法
- 今回分の実行がまだ必要な場合は、手動で起動してください。
- 呼び出しの記録を確認する: aws cloudtrail lookup-events --region ap-northeast-1 \
--lookup-attributes AttributeKey=EventId,AttributeValue={EVENT_ID}
- ルールを確認する: aws events list-rules --region ap-northeast-1 --name-prefix nightly

確認先
{LINKS.format(execution="復旧処理", log="ログ", task="タスク")}

詳細
タスク定義: arn:aws:ecs:ap-northeast-1:123456789012:task-definition/nightly:7
タスク: {TASK}
CloudTrail イベント ID: {EVENT_ID}
復旧処理名: {RECOVERY}
永続実行の ARN: {EXECUTION}"""
    )


@pytest.mark.parametrize("style", [FULL, IN_JAPANESE])
@pytest.mark.parametrize("outcome", [Outcome.RECOVERED, Outcome.ALREADY_RUNNING])
def test_good_news_asks_for_nothing(style: Style, outcome: Outcome) -> None:
    written = message(launch(), ending(outcome=outcome, hint="", wanted=1), style)
    words = {Language.ENGLISH: "Nothing needs to be done.", Language.JAPANESE: "対応は不要です。"}
    assert f"- {words[style.language]}\n\n" in written.text
    assert "aws " not in written.text
    assert written.severity is Severity.INFO


def test_a_call_without_a_recorded_request_is_told_with_what_is_known() -> None:
    unknown = launch(request={})
    unknown = type(unknown)(
        **{f: getattr(unknown, f) for f in unknown.__slots__}
        | {"request": IncompleteRequest(parameters={}, missing=("requestParameters",))}
    )
    written = message(unknown, ending(outcome=Outcome.PERMANENT, calls=0, task_arns=()))
    assert "RunTask was not called again" in written.text
    assert "Task definition   not recorded" in written.text


def test_what_ecs_said_last_is_told_where_it_is_something_else() -> None:
    other = classify(Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable"))
    assert (
        "ECS said last    ServerException: Service Unavailable\n"
        in message(launch(), ending(last=other)).text
    )
    assert "ECS said last" not in message(launch(), ending()).text


@pytest.mark.parametrize(
    "hint", ["", "Give the task a larger subnet.", "If the run is still wanted, start it by hand."]
)
@pytest.mark.parametrize("outcome", [Outcome.EXPIRED, Outcome.PERMANENT])
def test_a_person_is_told_once_to_start_by_hand_what_nothing_else_will(outcome: Outcome, hint: str) -> None:
    """There is always something to do about a run that is missing; the cause alone does not bring it back."""
    text = message(launch(), ending(outcome=outcome, hint=hint)).text
    assert text.count("- If the run is still wanted, start it by hand.\n") == 1
    assert hint in text
    text = message(launch(), ending(outcome=outcome, hint=hint), IN_JAPANESE).text
    assert text.count("- 今回分の実行がまだ必要な場合は、手動で起動してください。\n") == 1


@pytest.mark.parametrize("outcome", [Outcome.SUPERSEDED, Outcome.REFUSED])
def test_other_endings_say_in_their_hint_whether_to_start_it_by_hand(outcome: Outcome) -> None:
    text = message(launch(), ending(outcome=outcome, hint="Start the run by hand, with the values.")).text
    assert text.count("by hand") == 1


@pytest.mark.parametrize("style", [Style(), FULL, IN_JAPANESE])
def test_an_answer_that_was_lost_is_warned_of_with_the_command_that_looks(style: Style) -> None:
    written = message(launch(), ending(is_unsure=True), style)
    command = (
        "aws ecs list-tasks --region ap-northeast-1 --cluster batch "
        "--started-by events-rule/nightly/retry-run-task/0123456789ab"
    )
    assert command in written.text
    assert written.chat is None or command in written.chat


def test_a_task_that_did_not_start_has_no_record_in_cloudtrail_to_look_up() -> None:
    stopped = launch(
        event_id="t-0f1e2d3c", failures=(Failure(origin=Origin.STOPPED, code="TaskFailedToStart"),)
    )
    assert "aws cloudtrail" not in message(stopped, ending()).text


def test_many_tasks_are_counted_and_not_listed() -> None:
    arns = tuple(f"arn:aws:ecs:ap-northeast-1:123456789012:task/batch/{n}" for n in range(25))
    text = message(launch(), ending(task_arns=arns, wanted=30), FULL).text
    assert text.count(":task/batch/") == 10
    assert "and 15 more, in the log" in text


def test_where_the_time_is_not_known_the_log_lines_are_those_of_the_last_week() -> None:
    """That of a record made by hand is whatever somebody typed; and a replayed call may be weeks old."""
    made = launch(caller=Caller(kind=CallerKind.HAND_MADE))
    for written in message(made, ending(), FULL), message(launch(), ending(elapsed_s=0), FULL):
        assert "$26start$3D-604800000\n" in written.text


def test_without_a_place_there_are_links_to_tasks_only() -> None:
    text = message(launch(), ending()).text
    assert re.findall(r"https://\S+", text) == [
        f"{CONSOLE}/ecs/v2/clusters/batch/tasks/1/configuration?region=ap-northeast-1"
    ]
    assert "Where to look" not in message(launch(), ending(task_arns=())).text


# Severity.


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_missing_run_is_an_error_unless_the_next_one_takes_its_place(outcome: Outcome) -> None:
    severity = message(launch(), ending(outcome=outcome)).severity
    assert severity is SEVERITIES[outcome]
    expected = (
        Severity.INFO
        if ending(outcome=outcome).is_well
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
    assert outcome.value in written.plain_subject


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


@pytest.mark.parametrize("style", [FULL, IN_JAPANESE])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_form_for_chat_is_a_custom_notification(outcome: Outcome, style: Style) -> None:
    written = message(launch(), ending(outcome=outcome), style)
    body = chat(written)
    assert body["content"]["title"].endswith(written.subject)
    # What a person reads in an e-mail, a person in chat reads, too.
    rest = body["content"]["description"] + "\n".join(body["content"]["nextSteps"])
    headings = {"What to do", "Where to look", "Details", "対応方法", "確認先", "詳細"}
    for line in written.text.splitlines():
        _, _, value = re.sub("  +", ": ", line.removeprefix("- ")).rpartition(": ")
        assert value in rest or line in headings, line


def test_the_messages_of_one_recovery_are_one_thread_and_carry_what_an_action_needs() -> None:
    metadata = chat(message(launch(), ending(), FULL))["metadata"]
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


@pytest.mark.parametrize("call", ["<!channel>", "<@U012>", "<https://example.com|click>", "@here"])
def test_a_forged_record_calls_nobody_and_hides_no_link(call: str) -> None:
    forged = launch(
        request=parameters(taskDefinition=call, cluster=call, startedBy=f"events-rule/{call}"),
        failures=(Failure(origin=Origin.ANSWER, reason=call),),
    )
    body = chat(message(forged, ending(task_arns=(), is_unsure=True), FULL))
    said = json.dumps(body["content"], ensure_ascii=False) + body["metadata"]["summary"]
    assert not re.search(r"[<>@]", said)


def test_a_command_that_is_too_long_for_a_step_is_not_cut() -> None:
    """A command that somebody copies has to be whole."""
    name = "n" * 255
    long = launch(request=parameters(taskDefinition="nightly", cluster=name))
    body = chat(message(long, ending(is_unsure=True), FULL))
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

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
ASCII_SUBJECT = re.compile(r"[!-~][ -~]{0,98}")


@given(
    name=st.text(min_size=1),
    region=st.text(),
    kind=st.sampled_from(CallerKind),
    said=st.text(max_size=1024),
    outcome=st.sampled_from(Outcome),
    language=st.sampled_from(Language),
)
def test_sns_and_chat_take_every_message(
    name: str, region: str, kind: CallerKind, said: str, outcome: Outcome, language: Language
) -> None:
    """Whatever a hand-made record holds, also line breaks, Japanese, and halves of surrogate pairs."""
    value = launch(
        request={"taskDefinition": name, "cluster": name, "startedBy": name},
        region=region,
        caller=Caller(kind=kind),
        failures=(Failure(origin=Origin.ANSWER, reason=said),) * 20,
    )
    style = Style(language=language, for_chat=True, place=PLACE, recovery=RECOVERY)
    written = message(value, ending(outcome=outcome, task_arns=(name,) * 30, is_unsure=True), style)
    assert ASCII_SUBJECT.fullmatch(written.plain_subject)
    assert written.subject.isprintable()
    assert 0 < len(written.subject) < 100
    if language is Language.ENGLISH:
        assert written.subject == written.plain_subject
    body = chat(written)
    both = {"default": written.text, "https": written.chat}
    assert len(json.dumps(both).encode()) < 256 * 1024
    assert json.dumps(body, ensure_ascii=False).encode()
