"""The engine's own clauses in Japanese: why a request was refused, what a rung changed, and its side effects.

The engine writes them in English, for logs. A clause without a translation stays in English, on a line of its own;
tests compare this module with the engine's texts.
"""

from __future__ import annotations

import re

from retry_run_task.policy.ladder import COSTS, RungKind

_COSTS = {
    RungKind.AS_ASKED: "追加の料金はかかりません",
    RungKind.EACH_SUBNET: "追加の料金はかかりません",
    RungKind.EXTRA_SUBNETS: "タスクが別のネットワークで実行され、ルートやデータ転送料金が異なる場合があります",
    RungKind.ON_DEMAND: "オンデマンドには割引がないため、料金が高くなります",
    RungKind.SPOT: "料金は低くなりますが、2 分前の警告の後に AWS がタスクを停止する場合があります",
    RungKind.CAPACITY_PROVIDERS: "別のキャパシティプロバイダーの料金が適用されます",
    RungKind.SIZES: "サイズが大きい場合は料金が高くなり、小さい場合はジョブに不足する可能性があります",
    RungKind.PLATFORM_VERSIONS: "追加の料金はかかりませんが、タスクが別の環境で実行されます",
}

_DONE = (
    (r"in (\S+) alone", "サブネット {0} のみを使用"),
    (r"in the extra subnet (\S+)", "追加サブネット {0} を使用"),
    (r"on-demand", "オンデマンドを使用"),
    (r"on Spot", "スポットを使用"),
    (r"with capacity provider (\S+)", "キャパシティプロバイダー {0} を使用"),
    (r"with (\S+ vCPU, \S+ GB)", "タスクサイズ {0} を使用"),
    (r"on platform version (\S+)", "プラットフォームバージョン {0} を使用"),
)
_INSTEAD = (
    (r"any of its (\d+) subnets", "{0} 個のサブネットのいずれか"),
    (r"its own (\d+) subnets", "元の {0} 個のサブネット"),
    (r"its own subnet", "元のサブネット"),
    (r"Spot", "スポット"),
    (r"on-demand", "オンデマンド"),
    (r"the cluster's default", "クラスターのデフォルト"),
    (r"the size of its task definition", "タスク定義のサイズ"),
    (r"(\S+(?:, \S+)*|\S+ vCPU, \S+ GB)", "{0}"),
)
_CHANGE = re.compile(
    r"(?:(?P<count>\d+) tasks? )?(?P<done>.+?)(?: \((?P<in_zone>[\w-]+)\)| in (?P<zone>[\w-]+))?"
    r"(?: instead of (?P<instead>.+))?"
)
_OTHER = "スケジュールの {0} が呼び出し時と異なります (スケジュールが変更されています)"
# Laid out by hand: two lines a clause.
# fmt: off
_REASONS = (
    *((re.escape(COSTS[kind]), text) for kind, text in _COSTS.items()),
    (r"AWS has not recorded all of the request: (.+)", "記録されていない項目: {0}"),
    (r"no rule or schedule has this role, cluster, task definition and name any more",
     "ロール、クラスター、タスク定義、名前が一致するルールまたはスケジュールが存在しません"),
    (r"(\d+) rules or schedules could have made this call: (.+)",
     "この呼び出しを行った可能性のあるルールまたはスケジュールが {0} 件あります: {1}"),
    (r"the rules and schedules cannot be read: (.+)", "ルールとスケジュールを読み取れません: {0}"),
    (r"nothing called RunTask for it", "RunTask が呼び出されていません"),
    (r"neither a rule nor a schedule made this call", "ルールやスケジュールによる呼び出しではありません"),
    (r"AWS has recorded nothing of the request that it could be found by",
     "リクエストが記録されていないため、スケジュールを特定できません"),
    (r"its input is (\S+) of the event that triggered it, which is gone",
     "スケジュールの入力は起動元のイベントの {0} であり、そのイベントは残っていません"),
    (r"its input cannot be read: (.+)", "スケジュールの入力を読み取れません: {0}"),
    (r"its input is not a JSON object", "スケジュールの入力が JSON オブジェクトではありません"),
    (r"(\S+) was changed after the call failed", "{0} は呼び出しの失敗後に変更されています"),
    (r"the schedule itself has CloudTrail's placeholder in (.+)",
     "スケジュールの {0} 自体がマスクされた値になっています"),
    (r"CloudTrail hides (\S+), and the schedule does not set it",
     "マスクされた {0} がスケジュールに設定されていません"),
    (r"the schedule has another (.+) than the call had; it was changed", _OTHER),
    (r"the schedule's (.+) has another form than the call's; it may have been changed", _OTHER),
    (r"the call had (\S+), which CloudTrail hides, and the schedule does not set",
     "マスクされた {0} がスケジュールに設定されていません"),
    (r"the call had (\S+), which the schedule does not have", "呼び出しの {0} がスケジュールにありません"),
    (r"(\S+) uses (\S+) of the event that triggered it, which cannot be known afterwards",
     "{0} に使われている起動元のイベントの {1} を後から確認できません"),
    (r"(\S+) uses (\S+), which cannot be known afterwards", "{0} の {1} の値を後から確認できません"),
    (r"its input transformer has no template", "入力トランスフォーマーにテンプレートがありません"),
    (r"its input transformer puts (\S+), which is an object or a list, into a text",
     "入力トランスフォーマーが、オブジェクトまたはリストである {0} を文字列に埋め込んでいます"),
    (r"it happened in account (\S*), and recover cannot take (\S+) there \((.*)\)",
     "アカウント {0} のロール {1} を引き受けられません (応答: {2})"),
)
# fmt: on
_AFTER = (
    "; a task that runs with parts of its configuration missing does more harm than one that does not run"
)
_MISSING = re.compile(r"AWS has not recorded all of the request \((.+?)\), and (.+)")
_OF_SCHEDULE = re.compile(r"(.+) \(schedule (\S+)\)")


def translated(clause: str) -> str | None:
    """Return one of the engine's clauses in Japanese; None if there is no translation."""
    plain = clause.removesuffix(_AFTER)
    missing = _MISSING.fullmatch(plain)
    if missing:
        rest = translated(missing[2])
        return rest and f"記録されていない項目: {missing[1]}。{rest}"
    of = _OF_SCHEDULE.fullmatch(plain)
    if of:
        rest = translated(of[1])
        return rest and f"{rest} (スケジュール {of[2]})"
    return _by(_REASONS, plain) or _change(plain)


def _by(table: tuple[tuple[str, str], ...], clause: str) -> str | None:
    for pattern, text in table:
        found = re.fullmatch(pattern, clause)
        if found:
            return text.format(*found.groups())
    return None


def _change(clause: str) -> str | None:
    """Return ``ladder.describe`` in Japanese."""
    found = _CHANGE.fullmatch(clause)
    done = found and _by(_DONE, found["done"])
    if not found or not done:
        return None
    zone = found["in_zone"] or found["zone"]
    instead = _by(_INSTEAD, found["instead"]) if found["instead"] else ""
    if instead is None:
        return None
    count = f"{found['count']} 個のタスク: " if found["count"] else ""
    original = f" (元の指定: {instead})" if instead else ""
    return f"{count}{done}{original}{f'、起動先 {zone}' if zone else ''}"
