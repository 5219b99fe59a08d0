"""Every sentence that a person may get stands in both languages, and none is left that nobody gets."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest

from retry_run_task.failures.classify import TABLE, classify
from retry_run_task.failures.hints_ja import HINTS
from retry_run_task.launch import schedule
from retry_run_task.launch.values import CallerKind, Category, Failure, Origin, Outcome, Placed, Verdict
from retry_run_task.messages.english import ENGLISH as WORDS_EN
from retry_run_task.messages.japanese import JAPANESE as WORDS_JA
from retry_run_task.messages.message import Ending, Language, Style, message
from retry_run_task.messages.steps import SAID_BY_STEPS
from retry_run_task.policy import decision
from retry_run_task.policy.decision import GiveUp, decide, open_with, past_deadline
from retry_run_task.policy.ladder import COSTS, Rung, RungKind, describe
from retry_run_task.recovery import case, opening, state, watching
from retry_run_task.sources import schedules, transformers
from support.policies import DEFAULT, changed, handling
from support.records import CAPACITY, launch
from support.worlds import Run, run

if TYPE_CHECKING:
    from retry_run_task.messages.sentences import Sentences

JAPANESE = Style(language=Language.JAPANESE)
# Words of AWS's, of ours and of commands stand in Latin letters; a sentence of English has several with spaces between.
ENGLISH = re.compile(r"[A-Za-z']{2,}(?: [a-z']{2,}){2,}")


def verdict(category: Category) -> Verdict:
    texts = {
        Category.CAPACITY: "RESOURCE:MEMORY",
        Category.THROTTLE: "Rate exceeded",
        Category.TRANSIENT: "AGENT",
        Category.UNKNOWN: "a wording that nobody has seen",
        Category.CONFIGURATION: "ATTRIBUTE",
        Category.PERMISSION: "You are not authorized to perform this operation.",
    }
    found = classify(Failure(origin=Origin.ANSWER, reason=texts[category]))
    assert found.category is category
    return found


def ending(end: GiveUp, last: Verdict | None) -> Ending:
    return Ending(
        outcome=end.outcome,
        why=end.why,
        rule=end.rule,
        calls=3,
        wanted=1,
        task_arns=(),
        elapsed_s=60,
        last=last,
        hint=end.hint,
        numbers=end.numbers,
    )


# The hints.


def test_every_row_with_a_hint_has_one_in_japanese_and_no_other() -> None:
    assert HINTS.keys() == {row.name for row in TABLE if row.hint}


def test_rows_say_the_same_in_japanese_where_they_do_in_english() -> None:
    """A hint that was changed in one language only is found if another row has the old one."""
    english = {row.name: row.hint for row in TABLE if row.hint}
    assert len(set(english.values())) == len({(english[name], HINTS[name]) for name in english})


@pytest.mark.parametrize("name", sorted(HINTS))
def test_a_hint_in_japanese_is_a_polite_sentence(name: str) -> None:
    text = HINTS[name]
    assert text.endswith("。")
    assert re.search(r"(ください|です|ます|ません|ました|あります)。$", text), text
    assert not ENGLISH.search(NAMED.sub("", text))


# Addresses, and words that a person types or looks up, are the same in both languages.
NAMED = re.compile(
    r"[a-z-]+\.amazonaws\.com|aws (?:iam|ecs) [a-z-]+|awslogs-create-group|repositoryCredentials|hostPort|2049"
)


@pytest.mark.parametrize("row", [row for row in TABLE if row.hint], ids=lambda row: row.name)
def test_what_is_to_be_typed_is_in_both_languages(row: Any) -> None:
    assert set(NAMED.findall(row.hint)) == set(NAMED.findall(HINTS[row.name]))


# The sentences.


def keys(sentences: Sentences) -> dict[str, Any]:
    """Return what a language has a sentence for, and what is filled in."""
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(sentences)):
        value = getattr(sentences, name)
        entries = value if isinstance(value, Mapping) else {"": value}
        found |= {f"{name} {key}": filled(text) for key, text in entries.items() if isinstance(text, str)}
    return found


def filled(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_sentences_with_the_same_things_filled_in() -> None:
    assert keys(WORDS_EN) == keys(WORDS_JA)


def test_nothing_but_names_is_in_english_in_a_sentence_in_japanese() -> None:
    values = [getattr(WORDS_JA, field.name) for field in fields(WORDS_JA)]
    said = [text for value in values for text in (value.values() if isinstance(value, Mapping) else [value])]
    said = [text.replace("(durable execution)", "") for text in said if isinstance(text, str)]
    assert len(said) > 60
    assert [text for text in said if ENGLISH.search(text)] == []


def test_digits_and_japanese_have_a_blank_between_them() -> None:
    written = [span for seconds in (0, 61, 21_900) for span in [WORDS_JA.span(seconds)]]
    written += [WORDS_JA.counted(3, noun) for noun in ("task", "call", "failure")]
    assert written[:3] == ["0 秒", "1 分 1 秒", "6 時間 5 分"]
    assert [text for text in written if re.search(r"\d[^\s\d]|[^\s\d]\d", text)] == []


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("noun", ["task", "call", "failure"])
def test_what_is_counted_has_a_word_in_both_languages(noun: str, number: int) -> None:
    assert WORDS_EN.counted(number, noun).startswith(f"{number} ")
    assert WORDS_EN.counted(number, noun).endswith("s") is (number != 1)
    assert f" {number} " in f" {WORDS_JA.counted(number, noun)} "


@pytest.mark.parametrize("words", [WORDS_EN, WORDS_JA])
def test_every_kind_of_failure_caller_and_outcome_has_words(words: Sentences) -> None:
    assert words.kinds.keys() == set(Category)
    assert len(set(words.kinds.values())) == len(Category)
    assert words.headlines.keys() == set(Outcome) <= words.openings.keys()
    assert words.callers.keys() == {CallerKind.RULE, CallerKind.SCHEDULER, CallerKind.HAND_MADE}


# The engine's own clauses.


def changes() -> dict[str, str]:
    """What every kind of rung changes, as the engine says it."""
    asked = {
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-c"]}},
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}],
    }
    values = {
        RungKind.EACH_SUBNET: ("subnet-a",),
        RungKind.EXTRA_SUBNETS: ("subnet-x",),
        RungKind.CAPACITY_PROVIDERS: ("FARGATE_SPOT",),
        RungKind.SIZES: ("256", "512"),
        RungKind.PLATFORM_VERSIONS: ("1.3.0",),
    }
    found = {}
    for kind in RungKind:
        if kind is RungKind.AS_ASKED:
            continue
        rung = Rung(kind=kind, value=values.get(kind, ()))
        for zone in "", "ap-northeast-1c":
            for request in asked, {}, {"overrides": {"cpu": "256", "memory": "512"}}:
                clause = describe(rung, request, zone=zone)
                found |= {f"{kind} {clause}": clause, f"{kind} 2 {clause}": f"2 tasks {clause}"}
    return found


@pytest.mark.parametrize("clause", changes().values(), ids=str)
def test_what_a_rung_changed_is_told_in_japanese(clause: str) -> None:
    said = WORDS_JA.translated(clause)
    assert said is not None
    assert not ENGLISH.search(said), said
    assert ("ap-northeast-1c" in said) is ("ap-northeast-1c" in clause)
    assert said.startswith("2 個のタスク: ") is clause.startswith("2 tasks")


@pytest.mark.parametrize("cost", COSTS.values())
def test_what_a_change_costs_is_told_in_japanese(cost: str) -> None:
    assert not ENGLISH.search(WORDS_JA.translated(cost) or cost)


def reasons() -> list[str]:
    """Every reason in the source why a schedule does not tell what is missing; X and 2 stand for what is filled in."""
    modules = (schedule, schedules, transformers)
    found = []
    for node in (node for module in modules for node in ast.walk(ast.parse(inspect.getsource(module)))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "CannotFillError",
            "NoMatch",
            "ReadError",
        ):
            found += [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "why")]
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            found.append(node.value.elts[1])
    texts = [as_text(node) for node in found]
    return [
        text if "which X" not in text else text.replace("which X", f"which {why}")
        for text in texts
        if text
        for why in ("CloudTrail hides, and the schedule does not set", "the schedule does not have")
    ]


def as_text(node: ast.AST) -> str:
    """Return a text of the source; empty if it is none."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return ""
    parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
    return re.sub(r"^X(?= rules)", "2", "".join(map(str, parts)))


@pytest.mark.parametrize("why", dict.fromkeys(reasons()))
def test_why_a_schedule_does_not_tell_what_is_missing_is_told_in_japanese(why: str) -> None:
    after = (
        "; a task that runs with parts of its configuration missing does more harm than one that does not run"
    )
    of_schedule = f"{why} (schedule nightly)"
    missing = f"AWS has not recorded all of the request (overrides.x), and {why}"
    for clause in why, of_schedule, missing, missing + after:
        said = WORDS_JA.translated(clause)
        assert said is not None, clause
        assert not ENGLISH.search(said), said
    assert len(reasons()) > 10


# The decisions.


def give_ups() -> dict[str, tuple[GiveUp | None, Verdict]]:
    """Every decision of the policy that ends a recovery."""
    usual = handling(DEFAULT, Category.CAPACITY)
    late = replace(usual, interval_share=0.5)
    found: dict[str, tuple[GiveUp | None, Verdict]] = {
        "deadline": (past_deadline(usual, 86_500), verdict(Category.CAPACITY)),
        "next run": (past_deadline(usual, 400, 300), verdict(Category.CAPACITY)),
        "half way to the next run": (past_deadline(late, 200, 300), verdict(Category.CAPACITY)),
    }
    for category in (Category.CONFIGURATION, Category.PERMISSION):
        found[category.value] = (
            open_with(handling(DEFAULT, category), verdict(category)),
            verdict(category),
        )
    unknown = verdict(Category.UNKNOWN)
    used_up = decide(handling(DEFAULT, Category.UNKNOWN), unknown, nth=3, elapsed_s=60, seed="s")
    assert isinstance(used_up, GiveUp)
    found["attempts"] = (used_up, unknown)
    return found


@pytest.mark.parametrize("name", give_ups())
def test_a_decision_that_ends_a_recovery_is_told_in_japanese(name: str) -> None:
    end, last = give_ups()[name]
    assert end is not None
    text = message(launch(), ending(end, last), JAPANESE).text.replace(CAPACITY, "")
    own = [line for line in text.splitlines() if "aws " not in line and not line.startswith("ECS の")]
    assert [line for line in own if ENGLISH.search(line)] == []
    assert re.search(r"^原因: .*。$", text, re.MULTILINE)


def test_the_numbers_of_a_decision_are_told() -> None:
    def why(name: str) -> str:
        end, last = give_ups()[name]
        assert end is not None
        return message(launch(), ending(end, last), JAPANESE).text.splitlines()[1]

    assert "(最初の失敗から 1 日)" in why("deadline")
    assert "5 分後に予定" in why("next run")
    assert "50%" in why("half way to the next run")
    assert "%" not in why("next run")
    assert "3 回" in why("attempts")


def hints_in(module: Any) -> set[str]:
    """Return the sentences that a module gives as ``hint=``, by its source."""
    return set(re.findall(r'hint="([^"]+)"', inspect.getsource(module)))


def test_every_hint_beside_the_tables_is_said_by_a_step_with_its_command() -> None:
    said = set().union(*(hints_in(module) for module in (decision, case, state, watching, opening)))
    assert said == SAID_BY_STEPS


def test_the_hint_on_what_cannot_be_classified_is_told_in_japanese() -> None:
    unknown = verdict(Category.UNKNOWN)
    assert not ENGLISH.search(WORDS_JA.hint(unknown.row, unknown.hint))


def test_what_no_words_are_known_for_is_told_as_the_decision_says_it() -> None:
    """Such as a rule of tomorrow: its own words are better than none."""
    new = GiveUp(outcome=Outcome.EXPIRED, rule="new", why="a reason of tomorrow", hint="Do what is new.")
    written = message(launch(), ending(new, verdict(Category.CAPACITY)), JAPANESE)
    assert "\n原因: a reason of tomorrow\n" in written.text
    assert "- Do what is new.\n" in written.text


# Whole recoveries.

SHORT = Placed(failures=(Failure(origin=Origin.ANSWER, reason="RESOURCE:MEMORY"),))


# Six hours of attempts are replayed from the top each time one is resumed.
HALF_AN_HOUR = changed(DEFAULT, deadline_s=1800)


def recoveries() -> dict[str, Run]:
    denied = launch(failures=(Failure(origin=Origin.ERROR, code="AccessDenied", reason="x"),))
    thrown = launch(failures=(Failure(origin=Origin.ERROR, code="ServerException", reason="x"),))
    placed = Placed(task_arns=("t1",))
    asked: dict[str, Any] = {"notify_recovered": True, "style": JAPANESE}
    return {
        "recovered": run(launch(), placed, **asked),
        "expired": run(launch(), *([SHORT] * 100), policy=HALF_AN_HOUR, **asked),
        "denied": run(denied, **asked),
        "thrown": run(thrown, **asked),
    }


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {name: done.world.messages[0].text for name, done in recoveries().items()}


@pytest.mark.parametrize("name", ["recovered", "expired", "denied", "thrown"])
def test_a_recovery_tells_nothing_in_english_but_what_aws_said(texts: dict[str, str], name: str) -> None:
    own = [line for line in texts[name].splitlines() if "aws " not in line and "retry-run-task " not in line]
    said = "\n".join(line for line in own if not line.startswith("ECS の"))
    assert not ENGLISH.search(said), said


def test_what_has_no_sentence_stands_in_a_line_of_its_own() -> None:
    why = "a reason that nobody has translated"
    end = GiveUp(outcome=Outcome.REFUSED, rule="whole-requests-only", why=why, hint="")
    assert f"補えません。\n理由: {why}\n" in message(launch(), ending(end, None), JAPANESE).text
