"""The sentences of a message in Japanese, with the terms of AWS's documentation in Japanese.

Names and AWS's own words stay as they are.
"""

from __future__ import annotations

import re
from datetime import timedelta, timezone

from retry_run_task.failures.hints_ja import HINTS
from retry_run_task.launch.values import CallerKind, Category, Outcome
from retry_run_task.messages.reasons_ja import translated
from retry_run_task.messages.sentences import Sentences
from retry_run_task.policy.durations import largest_units

_COUNTED = {
    "task": "{} 個のタスク",
    "call": "RunTask の呼び出し {} 回",
    "failure": "{} 回の失敗",
    "run": "{} 回分の実行",
}


def span(seconds: float) -> str:
    """Return the two largest units, such as ``6 時間 5 分``.

    >>> span(0), span(61), span(21900)
    ('0 秒', '1 分 1 秒', '6 時間 5 分')
    """
    return largest_units(seconds, ("日", "時間", "分", "秒"))


_MEMBER_ROLE = re.compile(r"Deploy infra/member\.yaml in account (\S*), .*")


_FAULT = re.compile(r"Report the fault, with the lines of recover's log for event (\S*)\.")


_UNKNOWN = (
    "ECS の応答の内容を確認してください。"
    "このバージョンでは分類できないため、応答の文言をこのプロジェクトに報告してください。"
)


def _hint(row: str, text: str) -> str:
    found = _MEMBER_ROLE.fullmatch(text)
    if found:
        return (
            f"アカウント {found[1]} に、このスタックのアカウント、名前、外部 ID を指定して"
            " infra/member.yaml をデプロイしてください。"
        )
    if found := _FAULT.fullmatch(text):
        return f"recover のログのうちイベント {found[1]} の行を添えて、不具合を報告してください。"
    return _UNKNOWN if row == "unknown" else HINTS.get(row, text)


JAPANESE = Sentences(
    labels={
        "cause": "原因",
        "why": "理由",
        "when": "発生日時",
        "where": "実行場所",
        "run": "実行",
        "unsure": "未確認",
        "overtaken": "次回の実行を優先",
        "unseen": "読み取れなかったもの",
        "looked_at": "監査の範囲",
        "caller": "呼び出し元",
        "said": "ECS の応答",
        "said_first": "ECS の最初の応答",
        "tried": "再試行",
        "until": "再試行の期限",
        "outcome": "結果",
        "changed": "変更した点",
        "cost": "料金",
        "to_do": "対応方法",
        "happened": "状況",
        "links": "確認先",
        "execution": "耐久性のある実行 (durable execution) の一覧",
        "log": "ログ",
        "task": "タスク",
        "details": "詳細",
        "task_definition": "タスク定義",
        "event": "CloudTrail イベント ID",
        "recovery": "復旧処理名",
        "execution_arn": "耐久性のある実行 (durable execution) の ARN",
    },
    label="{label}: {value}",
    subject="【{headline}】{name} ({region})",
    headlines={
        Outcome.RECOVERED: "復旧",
        Outcome.ALREADY_RUNNING: "起動済み",
        Outcome.SUPERSEDED: "次回の実行を優先",
        Outcome.EXPIRED: "未実行",
        Outcome.PERMANENT: "未実行",
        Outcome.REFUSED: "未実行",
        Outcome.UNCONFIRMED: "実行未確認",
        Outcome.BROKEN: "未実行",
        Outcome.IGNORED: "対象外",
    },
    still_trying="再試行中",
    partly="一部のみ実行",
    unsure="実行未確認",
    unnamed="CloudTrail に名前が記録されていないタスク",
    unrecorded="(記録なし)",
    openings={
        Outcome.RECOVERED: "{name} は最初の起動に失敗しましたが、再試行により起動しました。",
        "changed": "{name} は最初の起動に失敗しましたが、設定を変更した再試行により起動しました ({changed})。",
        Outcome.ALREADY_RUNNING: "{name} は最初の起動に失敗しましたが、再試行する前に、すでに起動していました。",
        Outcome.SUPERSEDED: "{name} は起動しませんでした。今回分の再試行を終了し、次回のスケジュール実行を優先します。",
        Outcome.EXPIRED: "{name} は起動しませんでした。再試行を終了しました。手動で起動できます。",
        Outcome.PERMANENT: "{name} は起動しませんでした。再試行しません。原因を修正してから手動で起動してください。",
        Outcome.REFUSED: "{name} は起動しませんでした。再試行していません。手動で起動できます。",
        Outcome.UNCONFIRMED: "{name} は起動していない可能性があります (タスクは配置されましたが、実行中になったことを"
        "確認できませんでした)。再試行しません。タスクの状態を確認してください。",
        Outcome.BROKEN: "{name} は起動していない可能性があります (復旧処理自体が失敗しました)。再試行しません。"
        "タスクの有無を確認してから手動で起動してください。",
        Outcome.IGNORED: "{name} は起動しませんでした。復旧の対象外に設定されています。",
        "errors": "{name} は起動しませんでした。ここでは再試行しませんが、呼び出し元が再試行している可能性があります。",
        "overlap": "{name} は起動しませんでした。前回の実行がまだ続いているため、再試行しません。",
        "partly": "{name} は、不足していた {wanted} 個のタスクのうち {started} 個だけが起動しました。"
        "残りのタスクは再試行しません。",
        "unsure": "{name} は起動していない可能性があります (応答のない呼び出しがありました)。再試行を終了しました。"
        "タスクの有無を確認してから手動で起動してください。",
        "trying": "{name} はまだ起動していません。{until} まで再試行を続けます。",
        "trying_partly": "{name} は、不足していた {wanted} 個のタスクのうち {started} 個だけが起動しています。"
        "残りのタスクの再試行を {until} まで続けます。",
    },
    causes={
        "deadline": "{kind}。ポリシーの期限 (最初の失敗から {limit}) に達したため、再試行を終了しました。",
        "next-run": "{kind}。次回のスケジュール実行が最初の失敗から {limit}後に予定されています。",
        "overtaken": "{kind}。失敗した時点で、次回のスケジュール実行の予定時刻をすでに過ぎていました。",
        "share": "{kind}。次回のスケジュール実行 (最初の失敗から {limit}後) までの間隔の {share:.0%} を過ぎるため、"
        "ポリシーに従って再試行を終了しました。",
        "attempts": "{kind}。ポリシーの上限である {failures} に達したため、再試行を終了しました。",
        "permanent": "{kind}。再試行しても解決しません。",
        "unconfirmed": "監視している間に、タスクが RUNNING になりませんでした。",
        "stopped": "タスクが時間内に起動しなかったため停止しましたが、停止の間に実行が始まりました。",
        "overlap": "前回のスケジュール実行がまだ続いており、ポリシーにより並行して起動しません。",
        "broken": "retry-run-task の不具合です。",
        "errors": "{kind}。RunTask がエラーを返したため、呼び出し元が再試行している可能性があります。",
        "client-token": "1 時間にわたり応答がなく、最初の呼び出しの結果が ECS に残っていない可能性があります。",
        "redacted": "リクエストの一部がマスクされているか記録されておらず、元のスケジュールからも確実に補えません。",
        "member-role": "失敗が発生したアカウントのロールを引き受けられません。",
        "policy": "デプロイされているポリシーを読み取れません。",
        "ignored": "ポリシーまたはタグにより、復旧の対象外に設定されています。",
        "trying": "{kind}",
    },
    kinds={
        Category.PERMISSION: "アクセス許可の不足",
        Category.CONFIGURATION: "設定の誤り",
        Category.UNKNOWN: "このバージョンでは分類できない失敗",
        Category.CAPACITY: "キャパシティ不足",
        Category.TRANSIENT: "AWS の一時的な障害",
        Category.THROTTLE: "AWS によるスロットリング",
    },
    callers={
        CallerKind.RULE: "EventBridge ルール",
        CallerKind.SCHEDULER: "EventBridge スケジューラ",
        CallerKind.HAND_MADE: "手動で作成されたレコード",
    },
    other_caller="その他の呼び出し元",
    caller="{who} ({what})",
    audited={
        "run missing": "実行漏れ",
        "overtaken": "次回の実行を優先",
        "audit incomplete": "監査未完了",
        "unnamed": "読み取れなかったもの",
        "others": "{name} ほか {count} 件",
        "opening run missing": "{runs}が行われておらず、ほかのメッセージでも通知されていません。手動で起動できます。",
        "opening audit incomplete": "毎日の監査で、確認できないものがありました。"
        "実行漏れは見つかっていませんが、ないとは言い切れません。",
        "opening overtaken": "{runs}が次回のスケジュール実行までに起動しませんでした。再試行しません。",
        "group": "{name} ({region}): {first} から {last} までの {runs}。{over}",
        "over": "解消済み ({time} 予定の実行は起動しました)",
        "not over": "まだ解消していません",
        "never over": "その後に起動した実行は確認できていません",
        "run": "{name} ({who}、{region})、予定日時 {time}: {why}",
        "more": "ほか {count} 件 (最初のコマンドですべて確認できます)",
        "place": "{region}、アカウント {account}",
        "places": "{regions} (アカウント {accounts} を含む)",
        "window": "{regions} で {since} から {until} までに予定されていた実行",
        "look": "この期間のすべての実行を確認する",
        "replay": "失敗した呼び出しを、再試行付きで起動する",
    },
    steps={
        "nothing": "対応は不要です。",
        "look": "経過を確認する",
        "placed": "配置されたタスクの状態を確認する",
        "unconfirmed": "タスクが実行中かを確認する (起動途中で止まっている場合は、手動で起動する前に停止する)",
        "progress": "進行状況を確認する",
        "again": "今回分がまだ必要な場合、再試行付きで起動する",
        "run": "今回分がまだ必要な場合、アカウント {account} で 1 回だけ起動する",
        "by_hand": "今回分の実行がまだ必要な場合は、手動で起動してください。",
        "by_hand_whole": "今回分の実行がまだ必要な場合は、スケジュールに設定されている値を使用して、"
        "手動で起動してください。",
        "see_rule": "ルールを検索する",
        "see_schedule": "スケジュールを検索する",
        "stop_next": "次回の実行も失敗し、それが不要な場合、その復旧処理を停止する",
        "stop": "再試行を停止する",
        "wait": "現時点で対応は不要です。手動で起動する場合は、先に再試行を停止してください。",
        "unsure": "応答のない呼び出しによって、タスクがすでに起動している可能性があります。"
        "手動で起動する前に、タスクの有無を確認してください",
        "unsure_tasks": "応答のない呼び出しによって、タスクがすでに起動している可能性があります。"
        "手動で起動する前に、startedBy (--started-by) が {started_by} で終わるタスクが"
        "クラスターにないかを確認してください。",
        "caller_retries": "エラーになった呼び出しは、EventBridge が最大 1 日再試行します。"
        "手動で起動する前に、タスクの有無を確認してください",
        "runbook": "ランブック",
    },
    outcome="{outcome} (重要度 {severity}、分類 {category}、ルール {rule})",
    place="クラスター {cluster}、アカウント {account}、リージョン {region}",
    tried="{calls} ({span})、配置されたタスク: {started} / {wanted}",
    not_tried="なし (RunTask を再度呼び出していません)",
    more_tasks="ほか {count} 個 (ログを参照)",
    until_next_run="{time} (次回のスケジュール実行)",
    until_deadline="{time} (ポリシーの期限)",
    time="{local} {zone} ({utc} UTC)",
    # Japan has no daylight saving time.
    home=(timezone(timedelta(hours=9)), "日本時間"),
    counted=lambda number, noun: _COUNTED[noun].format(number),
    span=span,
    hint=_hint,
    translated=translated,
)
