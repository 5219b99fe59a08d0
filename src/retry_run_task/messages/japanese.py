"""The sentences of a message in Japanese. Which of them are said, and in which order, is decided in ``messages``.

The terms are those of AWS's documentation in Japanese. AWS's own words, and names, stay as they are.
"""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING

from retry_run_task.failures.hints_ja import HINTS
from retry_run_task.launch.values import CallerKind, Category, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retry_run_task.launch.values import Verdict
    from retry_run_task.messages.message import Ending

LABELS: Mapping[str, str] = {
    "when": "発生日時",
    "where": "実行場所",
    "caller": "呼び出し元",
    "said": "ECS の応答",
    "tried": "再試行",
    "last": "ECS の最後の応答",
    "kind": "失敗の種類",
    "outcome": "結果",
    "changed": "変更した点",
    "cost": "費用",
    "severity": "重要度",
    "to_do": "対応方法",
    "links": "確認先",
    "execution": "復旧処理",
    "log": "ログ",
    "task": "タスク",
    "details": "詳細",
    "task_definition": "タスク定義",
    "event": "CloudTrail イベント ID",
    "recovery": "復旧処理名",
    "execution_arn": "永続実行の ARN",
    "see_call": "呼び出しの記録を確認する",
    "see_rule": "ルールを確認する",
    "see_schedule": "スケジュールを確認する",
}

HEADLINES: Mapping[Outcome, str] = {
    Outcome.RECOVERED: "復旧",
    Outcome.ALREADY_RUNNING: "起動済み",
    Outcome.SUPERSEDED: "見送り",
    Outcome.EXPIRED: "未実行",
    Outcome.PERMANENT: "未実行",
    Outcome.REFUSED: "未実行",
    Outcome.IGNORED: "対象外",
}

_OUTCOMES = {
    Outcome.RECOVERED: "復旧",
    Outcome.ALREADY_RUNNING: "起動済み",
    Outcome.SUPERSEDED: "次回の実行を優先",
    Outcome.EXPIRED: "期限切れ",
    Outcome.PERMANENT: "再試行では解決不可",
    Outcome.REFUSED: "再実行不可",
    Outcome.IGNORED: "対象外",
}

_CALLERS = {
    CallerKind.RULE: "EventBridge ルール",
    CallerKind.SCHEDULER: "EventBridge スケジューラ",
    CallerKind.HAND_MADE: "手動で作成されたレコード",
}

_KINDS = {
    Category.PERMISSION: "権限不足",
    Category.CONFIGURATION: "設定の誤り",
    Category.UNKNOWN: "不明",
    Category.CAPACITY: "キャパシティ不足",
    Category.TRANSIENT: "一時的な障害",
    Category.THROTTLE: "スロットリング",
}

_SEVERITIES = {"info": "情報", "warning": "警告", "error": "エラー"}

_BY_HAND = "今回分の実行がまだ必要な場合は、手動で起動してください。"

_MEMBER_ROLE = (
    "失敗が発生したアカウントに、このスタックのアカウント、名前、外部 ID を指定して"
    "infra/member.yaml をデプロイしてください。"
    "その後、今回分の実行は手動で起動してください。"
)

# What a person is told to do beside the hints of the classification table's rows.
OTHER_HINTS = {
    "If this run is wanted beside the next one, start it by hand.": (
        "次回の実行とは別に今回分の実行も必要な場合は、手動で起動してください。"
    ),
    "If the run is still wanted, start it by hand.": _BY_HAND,
    "Start the run by hand, with the values that the schedule has.": (
        "スケジュールに設定されている値を使用して、手動で起動してください。"
    ),
    "Read the text: this version has no rule for it, so please report its wording.": (
        "ECS の応答の内容を確認してください。"
        "このバージョンには該当する分類ルールがないため、応答の文言をこのプロジェクトに報告してください。"
    ),
    "Look whether the tasks have run before you start them by hand.": (
        "手動で起動する前に、タスクがすでに実行されていないかを確認してください。"
    ),
}

# Japan has no daylight saving time.
_JAPAN = timezone(timedelta(hours=9))

_UNITS = ((86400, "日"), (3600, "時間"), (60, "分"), (1, "秒"))


def spoken(seconds: float) -> str:
    """Return the two largest units, such as ``6時間5分``.

    >>> spoken(0), spoken(61), spoken(21900)
    ('0秒', '1分1秒', '6時間5分')
    """
    rest = round(seconds)
    parts = []
    for size, unit in _UNITS:
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts[:2]) or "0秒"


def unnamed() -> str:
    """Return what a task is called that CloudTrail does not name."""
    return "CloudTrail に名前が記録されていないタスク"


def subject(headline: str, name: str, outcome: Outcome, region: str) -> str:
    """Return the subject."""
    where = f" - {region}" if region else ""
    return f"【{headline}】{name} ({_OUTCOMES[outcome]}){where}"


def opening(name: str, ending: Ending) -> str:
    """Return the first sentence: what did not start, and whether it will."""
    match ending.outcome:
        case Outcome.RECOVERED:
            return f"{name} は最初の起動に失敗しましたが、再試行により起動しました。"
        case Outcome.ALREADY_RUNNING:
            return f"{name} は最初の起動に失敗しましたが、復旧処理によらず、すでに起動しています。"
        case _:
            pass
    if ending.task_arns:
        return (
            f"{name} は、不足していた {ending.wanted} 個のタスクのうち {len(ending.task_arns)} 個だけが起動しました。"
            "残りのタスクは起動しません。"
        )
    if ending.outcome is Outcome.SUPERSEDED:
        return f"{name} は起動しませんでした。今回分の再試行を終了し、次回のスケジュール実行を優先します。"
    return f"{name} は起動しませんでした。これ以上の再試行は行いません。"


def caller(kind: CallerKind, schedule: str | None, role_arn: str | None) -> str:
    """Return who asked for the tasks."""
    who = _CALLERS.get(kind, "その他の呼び出し元")
    if schedule:
        return f"{who} {schedule}"
    return f"{who} ({role_arn})" if role_arn else who


def time(moment: datetime) -> str:
    """Return a time in Japan, and in UTC, which the logs have."""
    return f"{moment.astimezone(_JAPAN):%Y-%m-%d %H:%M:%S} (日本時間) / {moment:%Y-%m-%d %H:%M:%S} (UTC)"


def place(cluster: str | None, account: str, region: str) -> str:
    """Return where the tasks should run."""
    where = f"アカウント {account or '(記録なし)'}、リージョン {region or '(記録なし)'}"
    return f"クラスター {cluster}、{where}" if cluster else where


def said(words: str) -> str:
    """Return what ECS said, if it said anything."""
    return words or "(記録なし)"


def tried(ending: Ending) -> str:
    """Return what the recovery did."""
    if not ending.calls:
        return "なし (RunTask を再度呼び出していません)"
    return (
        f"{spoken(ending.elapsed_s)}の間に RunTask を {ending.calls} 回呼び出し、"
        f"不足していた {ending.wanted} 個のタスクのうち {len(ending.task_arns)} 個が起動"
    )


def kind(verdict: Verdict) -> str:
    """Return the kind of a failure, and its name in logs and metrics."""
    return f"{_KINDS[verdict.category]} ({verdict.category})"


def outcome(ending: Ending) -> str:
    """Return how it ended, and why."""
    return f"{_OUTCOMES[ending.outcome]} ({ending.outcome}): {why(ending)}"


def why(ending: Ending) -> str:
    """Return why it ended; in English where only the decision's own words say it."""
    match ending.outcome:
        case Outcome.RECOVERED:
            return "要求されたすべてのタスクが起動しています。"
        case Outcome.ALREADY_RUNNING:
            return (
                "要求されたタスクはすでに起動していました"
                " (別の利用者による起動か、失敗と記録された呼び出し自体による起動です)。"
            )
        case Outcome.REFUSED:
            return (
                "リクエストの一部が記録されておらず、元のスケジュールからも確実に補えないため、再実行していません。"
                "設定が欠けたままタスクを実行すると、実行しない場合より大きな影響が出るおそれがあります。"
                f" 詳細: {ending.why}"
            )
        case Outcome.PERMANENT:
            return _why_permanent(ending)
        case Outcome.EXPIRED | Outcome.SUPERSEDED:
            return _why_late(ending)
        case Outcome.IGNORED:
            return "ポリシーまたはタグにより、再実行の対象外に設定されています。"


def _why_permanent(ending: Ending) -> str:
    if ending.rule == "errors":
        return (
            "RunTask がエラーを返しました。"
            "エラーを受け取った呼び出し元が自ら再試行している可能性があるため、再実行していません。"
        )
    if ending.rule == "member-role":
        return (
            f"失敗が発生したアカウントのロールを引き受けられないため、再実行していません。詳細: {ending.why}"
        )
    if ending.last is None:
        return f"詳細: {ending.why}"
    return f"失敗の種類が「{_KINDS[ending.last.category]}」のため、待っても解決しません。"


def _why_late(ending: Ending) -> str:
    numbers = ending.numbers
    if ending.rule == "client-token":
        return "1 時間にわたり呼び出しへの応答がなく、最初の呼び出しの結果が ECS に残っていない可能性があるためです。"
    if "nth" in numbers and ending.last is not None:
        return (
            f"「{_KINDS[ending.last.category]}」に分類される失敗が {numbers['nth']:.0f} 回に達し、"
            "ポリシーで許可された回数を使い切りました。"
        )
    if not {"after_s", "limit_s"} <= numbers.keys():
        return f"詳細: {ending.why}"
    after, limit = spoken(numbers["after_s"]), spoken(numbers["limit_s"])
    if ending.outcome is Outcome.EXPIRED:
        return f"次の試行は最初の失敗から{after}後になり、ポリシーで定めた期限の{limit}を超えるためです。"
    share = numbers.get("share", 1.0)
    if share == 1:
        return (
            f"スケジュールの次回実行が最初の失敗から{limit}後に予定されており、"
            f"次の試行 ({after}後) では間に合わないためです。"
        )
    return (
        f"次の試行は最初の失敗から{after}後になり、"
        f"スケジュールの次回実行 ({limit}後) までの間隔の {share:.0%} を過ぎるためです。"
    )


def severity(severity: str) -> str:
    """Return how much the message wants of its reader."""
    return f"{_SEVERITIES[severity]} ({severity})"


def hint(ending: Ending) -> str:
    """Return what a person can do; empty if nothing is known."""
    if ending.rule == "member-role":
        return _MEMBER_ROLE
    if ending.last is not None and ending.hint == ending.last.hint and ending.last.row in HINTS:
        return HINTS[ending.last.row]
    return OTHER_HINTS.get(ending.hint, ending.hint)


def by_hand() -> str:
    """Return that a person can start the run."""
    return _BY_HAND


def nothing_to_do() -> str:
    """Return that nothing is to be done."""
    return "対応は不要です。"


def more_tasks(count: int) -> str:
    """Return that there are more tasks than are named."""
    return f"ほか {count} 個 (ログを参照)"


def look_first(command: str) -> str:
    """Return the warning that tasks may be there, with the command that shows them."""
    return (
        "応答を確認できていない呼び出しによって、タスクがすでに起動している可能性があります。"
        f"手動で起動する前に、タスクがすでに存在しないかを確認してください: {command}"
    )
