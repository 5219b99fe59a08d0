"""Every sentence that a person may get stands in both languages, and none is left that nobody gets."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from typing import Any

import pytest

from retry_run_task.failures.classify import TABLE, classify
from retry_run_task.failures.hints_ja import HINTS
from retry_run_task.launch.values import CallerKind, Category, Failure, Origin, Outcome, Placed, Verdict
from retry_run_task.messages import english as words_en
from retry_run_task.messages import japanese
from retry_run_task.messages.message import Ending, Language, Style, message
from retry_run_task.policy import decision
from retry_run_task.policy.decision import GiveUp, decide, open_with, past_deadline
from retry_run_task.policy.rules import DEFAULT
from retry_run_task.recovery import loop
from support.policies import changed, treatment
from support.records import launch
from support.worlds import Run, run

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
    r"[a-z-]+\.amazonaws\.com|aws iam [a-z-]+|awslogs-create-group|repositoryCredentials|hostPort|2049"
)


@pytest.mark.parametrize("row", [row for row in TABLE if row.hint], ids=lambda row: row.name)
def test_what_is_to_be_typed_is_in_both_languages(row: Any) -> None:
    assert set(NAMED.findall(row.hint)) == set(NAMED.findall(HINTS[row.name]))


# The labels and the words of values.


def test_both_languages_have_the_same_labels() -> None:
    assert words_en.LABELS.keys() == japanese.LABELS.keys()
    assert words_en.HEADLINES.keys() == japanese.HEADLINES.keys() == set(Outcome)


def test_every_kind_of_failure_and_caller_has_a_word_in_japanese() -> None:
    assert len({japanese.kind(verdict(category)) for category in Category}) == len(Category)
    assert {kind for kind in CallerKind if japanese.caller(kind, None, None) != "その他の呼び出し元"} == {
        CallerKind.RULE,
        CallerKind.SCHEDULER,
        CallerKind.HAND_MADE,
    }


# The decisions.


def give_ups() -> dict[str, tuple[GiveUp | None, Verdict]]:
    """Every decision of the policy that ends a recovery."""
    usual = treatment(DEFAULT, Category.CAPACITY)
    late = replace(usual, interval_share=0.5)
    found: dict[str, tuple[GiveUp | None, Verdict]] = {
        "deadline": (past_deadline(usual, 21_700), verdict(Category.CAPACITY)),
        "next run": (past_deadline(usual, 400, 300), verdict(Category.CAPACITY)),
        "half way to the next run": (past_deadline(late, 200, 300), verdict(Category.CAPACITY)),
    }
    for category in (Category.CONFIGURATION, Category.PERMISSION):
        found[category.value] = (
            open_with(treatment(DEFAULT, category), verdict(category)),
            verdict(category),
        )
    unknown = verdict(Category.UNKNOWN)
    used_up = decide(treatment(DEFAULT, Category.UNKNOWN), unknown, nth=3, elapsed_s=60, seed="s")
    assert isinstance(used_up, GiveUp)
    found["attempts"] = (used_up, unknown)
    return found


@pytest.mark.parametrize("name", give_ups())
def test_a_decision_that_ends_a_recovery_is_told_in_japanese(name: str) -> None:
    end, last = give_ups()[name]
    assert end is not None
    said = japanese.why(ending(end, last))
    assert not ENGLISH.search(said), said
    assert said.endswith("。")
    assert not ENGLISH.search(japanese.hint(ending(end, last)))


def test_the_numbers_of_a_decision_are_told() -> None:
    def why(name: str) -> str:
        end, last = give_ups()[name]
        assert end is not None
        return japanese.why(ending(end, last))

    assert "6時間1分後" in why("deadline")
    assert "6時間を超える" in why("deadline")
    assert "6分40秒後" in why("next run")
    assert "5分後に予定" in why("next run")
    assert "50%" in why("half way to the next run")
    assert "%" not in why("next run")
    assert "3 回" in why("attempts")


def hints_in(module: Any) -> set[str]:
    """Return the sentences that a module gives as ``hint=``, by its source."""
    return set(re.findall(r'hint="([^"]+)"', inspect.getsource(module)))


def test_every_hint_beside_the_tables_has_one_in_japanese_and_no_other() -> None:
    unknown = {verdict(Category.UNKNOWN).hint}
    assert hints_in(decision) | hints_in(loop) | unknown == japanese.OTHER_HINTS.keys()


def test_what_no_words_are_known_for_is_told_as_the_decision_says_it() -> None:
    """Such as a rule of tomorrow: its own words are better than none."""
    new = GiveUp(outcome=Outcome.EXPIRED, rule="new", why="a reason of tomorrow", hint="Do what is new.")
    written = message(launch(), ending(new, verdict(Category.CAPACITY)), JAPANESE)
    assert "詳細: a reason of tomorrow" in written.text
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
def told() -> dict[str, str]:
    return {name: done.world.messages[0].text for name, done in recoveries().items()}


@pytest.mark.parametrize("name", ["recovered", "expired", "denied", "thrown"])
def test_a_recovery_tells_nothing_in_english_but_what_aws_said(told: dict[str, str], name: str) -> None:
    own = [
        line
        for line in told[name].splitlines()
        if not line.startswith(("ECS の", "- ")) or "aws " not in line
    ]
    said = "\n".join(line for line in own if not line.startswith("ECS の"))
    assert not ENGLISH.search(said), said


def test_a_refusal_says_in_english_what_only_the_schedule_knows() -> None:
    why = "no rule or schedule has this name"
    end = GiveUp(outcome=Outcome.REFUSED, rule="whole-requests-only", why=why, hint="")
    assert japanese.why(ending(end, None)).endswith(f"。 詳細: {why}")
