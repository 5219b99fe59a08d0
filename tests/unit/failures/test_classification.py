"""Every wording of AWS that we know has its row, look-alikes have none, and no text can break the matching."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from itertools import pairwise, permutations

import botocore.session
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retry_run_task.failures.classify import TABLE, Row, classify, normalise, worst
from retry_run_task.failures.table import HAD_STARTED, STOP_CODES
from retry_run_task.launch.values import Category, Failure, Origin, Verdict
from support.wordings import (
    ANSWERS,
    CLIENT,
    INVALID,
    KNOWN,
    NOT_STARTED,
    PULL_IMAGE,
    PULL_SECRETS,
    STOPS,
    UNKNOWN,
    Wording,
)

ANSWER, ERROR, STOPPED = Origin.ANSWER, Origin.ERROR, Origin.STOPPED


def failure(origin: Origin, code: str | None, text: str, *, has_run: bool = False) -> Failure:
    return Failure(origin=origin, code=code, reason=text, ran="exit code 1" if has_run else None)


def shown_codes(row: Row, origin: Origin) -> list[str | None]:
    """Every code with which the row's own example should come back to the row."""
    if row.codes:
        return [*sorted(row.codes)]
    if row.other_than:
        return ["SomethingOfNextYear"]
    # Without a code the example's own "(ErrorCode: …)" would be read as one.
    return {ANSWER: [None], ERROR: [CLIENT, INVALID], STOPPED: [None, NOT_STARTED]}[origin]


def model_enum(name: str) -> list[str]:
    return list(botocore.session.get_session().get_service_model("ecs").shape_for(name).enum)


def run_task_errors() -> list[str]:
    model = botocore.session.get_session().get_service_model("ecs")
    return [shape.name for shape in model.operation_model("RunTask").error_shapes]


@pytest.mark.parametrize(("row", "origin", "code", "text"), KNOWN)
def test_a_wording_of_aws_has_its_row(row: str, origin: Origin, code: str | None, text: str) -> None:
    assert classify(failure(origin, code, text)).row == row


# A wording that is known, and a cause that is not.
UNEXPLAINED = {"unknown", *(row.name for row in TABLE if row.category is Category.UNKNOWN)}


@pytest.mark.parametrize(("origin", "code", "text"), UNKNOWN)
def test_what_only_looks_like_a_known_failure_stays_unknown(
    origin: Origin, code: str | None, text: str
) -> None:
    """Unknown has its own handling and alarm; a wrong guess has neither."""
    verdict = classify(failure(origin, code, text))
    assert verdict.category is Category.UNKNOWN
    assert verdict.row in UNEXPLAINED
    assert verdict.hint


# For the people who keep the policy: what the rows above must amount to, however the rows are cut.
@pytest.mark.parametrize(
    ("category", "origin", "code", "text"),
    [
        (Category.CAPACITY, ANSWER, None, "Capacity is unavailable at this time."),
        (Category.CAPACITY, ANSWER, None, "RESOURCE:FOO"),
        (Category.CAPACITY, ERROR, CLIENT, "Tasks provisioning capacity limit exceeded."),
        (Category.CONFIGURATION, ERROR, INVALID, "The capacity provider spot was not found."),
        (Category.CONFIGURATION, ERROR, CLIENT, "TaskDefinition is inactive"),
        (Category.CONFIGURATION, ANSWER, None, "ATTRIBUTE"),
        (Category.CAPACITY, STOPPED, "SpotInterruption", "Your Spot Task was interrupted."),
        (Category.TRANSIENT, STOPPED, None, "Host EC2 (instance i-0123456789abcdef0) terminated."),
        (
            Category.CONFIGURATION,
            STOPPED,
            "EssentialContainerExited",
            "CannotPullContainerError: i/o timeout",
        ),
        (Category.CONFIGURATION, ANSWER, None, "The requested CPU configuration is above your limit"),
        (Category.THROTTLE, ERROR, INVALID, "Error retrieving subnet information: Rate exceeded"),
        (Category.TRANSIENT, ANSWER, None, "AGENT"),
        (Category.TRANSIENT, ERROR, "ServerException", "x"),
        (Category.TRANSIENT, ERROR, "ExpiredTokenException", "x"),
        (Category.TRANSIENT, STOPPED, NOT_STARTED, f"{PULL_SECRETS}context deadline exceeded"),
        (Category.PERMISSION, STOPPED, NOT_STARTED, f"{PULL_SECRETS}AccessDeniedException: x"),
        (Category.PERMISSION, STOPPED, NOT_STARTED, f"{PULL_IMAGE}403 Forbidden"),
        (Category.PERMISSION, ERROR, "BlockedException", "x"),
        (Category.PERMISSION, ERROR, CLIENT, "ECS was unable to assume the role 'x' that was provided"),
        (Category.UNKNOWN, ERROR, CLIENT, "x"),
    ],
)
def test_a_wording_has_its_category(category: Category, origin: Origin, code: str | None, text: str) -> None:
    assert classify(failure(origin, code, text)).category is category


# With these the host or its capacity went away, also from under a task that had not begun.
HOST_GONE = {"SpotInterruption", "TerminationNotice", "InfrastructureHealth"}


@pytest.mark.parametrize(
    "code", [code for code in model_enum("TaskStopCode") if code not in {NOT_STARTED, *HOST_GONE}]
)
def test_a_task_that_may_have_run_is_never_launched_again(code: str) -> None:
    """Whatever its reason says, with every stop code of AWS's model that does not say that it never started."""
    for *_, text in KNOWN:
        assert classify(failure(STOPPED, code, text)).category is Category.CONFIGURATION, text


@pytest.mark.parametrize("code", [None, *model_enum("TaskStopCode")])
def test_a_task_of_which_something_ran_is_never_launched_again(code: str | None) -> None:
    for *_, text in KNOWN:
        verdict = classify(failure(STOPPED, code, text, has_run=True))
        assert verdict.row in HAD_STARTED, text
        assert verdict.category is Category.CONFIGURATION


def test_the_stop_codes_are_those_of_the_model() -> None:
    assert set(model_enum("TaskStopCode")) == STOP_CODES


@pytest.mark.parametrize("code", [code for code in run_task_errors() if code != CLIENT])
def test_every_exception_of_run_task_means_something_without_its_text(code: str) -> None:
    """An exception that AWS adds to RunTask fails here when botocore is upgraded, before it is met as unknown."""
    assert classify(failure(ERROR, code, "")).category is not Category.UNKNOWN


def test_a_verdict_carries_what_its_row_says() -> None:
    asked = failure(ANSWER, None, "RESOURCE:MEMORY")
    row = next(row for row in TABLE if row.name == "instance-resources")
    assert classify(asked) == Verdict(
        failure=asked, category=row.category, row=row.name, hint=row.hint, evidence=row.evidence
    )


def test_the_detail_is_read_only_if_the_reason_says_nothing() -> None:
    assert classify(Failure(origin=ANSWER, reason="?", detail="AGENT")).row == "agent-disconnected"
    assert classify(Failure(origin=ANSWER, reason="LOCATION", detail="AGENT")).row == "wrong-location"
    assert classify(Failure(origin=ANSWER, reason="?", detail="?")).row == "unknown"


def test_the_arn_decides_nothing() -> None:
    for row, origin, code, text in ANSWERS:
        about = Failure(origin=origin, code=code, reason=text, arn="arn:aws:ecs:us-east-1:1:accessdenied")
        assert classify(about).row == row


def test_every_row_has_a_wording_here() -> None:
    assert {row for row, *_ in KNOWN} == {row.name for row in TABLE if not row.has_run}


def test_every_pattern_has_a_wording_that_needs_it() -> None:
    """A pattern that can be deleted without a failure here is a guess, or is misspelt."""
    needed = set()
    for name, *_, text in KNOWN:
        row = next(row for row in TABLE if row.name == name)
        for alternatives in (row.texts, row.also):
            found = [pattern for pattern in alternatives if pattern.search(normalise(text))]
            needed.update((name, pattern.pattern) for pattern in found if len(found) == 1)
    written = {(row.name, pattern.pattern) for row in TABLE for pattern in (*row.texts, *row.also)}
    assert written - needed == set()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_no_row_is_hidden_by_one_above_it(row: Row) -> None:
    """Its own example comes back to it, from everywhere and with every code that it asks for."""
    for origin in sorted(row.origins):
        for code in shown_codes(row, origin):
            shown = failure(origin, code, row.says, has_run=row.has_run)
            assert classify(shown).row == row.name, (origin, code)


def test_a_code_means_its_row_without_a_text() -> None:
    for row in TABLE:
        for origin in row.origins:
            for code in row.codes:
                assert classify(failure(origin, code, "", has_run=row.has_run)).row == row.name, code


def test_names_are_kebab_case_and_unique() -> None:
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    assert "unknown" not in names
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_a_row_has_conditions_an_example_and_public_evidence() -> None:
    for row in TABLE:
        assert row.origins, row.name
        assert row.codes or row.other_than or row.texts or row.has_run, row.name
        assert row.says.strip() == row.says != "", row.name
        assert row.evidence, row.name
        assert len(set(row.evidence)) == len(row.evidence), row.name
        assert all(re.fullmatch(r"https://[a-z0-9.-]+/\S+", address) for address in row.evidence), row.name


def test_a_hint_is_one_sentence_and_what_a_person_must_fix_has_one() -> None:
    for row in TABLE:
        assert row.hint or row.category in (Category.CAPACITY, Category.TRANSIENT, Category.THROTTLE), (
            row.name
        )
        assert not row.hint or re.fullmatch(r"[A-Z](?:[^.!?]|\.(?=\w))*\.", row.hint), row.name


def test_patterns_are_written_for_the_normalised_text() -> None:
    """A capital letter, a double space or a curly quote in a pattern could never be met."""
    for row in TABLE:
        for pattern in (*row.texts, *row.also):
            literal = re.sub(r"\\[a-zA-Z]", "", pattern.pattern)
            assert literal == literal.lower(), row.name
            assert "  " not in literal, row.name
            assert literal.isascii(), row.name
            assert not re.search(r"(?<!\\)\.[*+]|\{\d+,\}", literal), f"{row.name}: a gap needs a bound"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("", ""),
        ("  A\r\n\tB\u00a0\u3000C  ", "a b c"),
        ("You\u2019ve", "you've"),
        ("\u201cAGENT\u201d", "agent"),
        ("\uff21\uff27\uff25\uff2e\uff34", "agent"),
        ("STRASSE Stra\u00dfe", "strasse strasse"),
        ("zone\u200b\ufeff", "zone"),
        ("at this time...", "at this time"),
        ("at this time\u2026", "at this time"),
        ("TaskFailedToStart: AGENT", "agent"),
        ("Task failed to start: AGENT.", "agent"),
        ("ECS: TaskFailedToStart: Reason: AGENT", "agent"),
        ("An error occurred (X) when calling the RunTask operation: AGENT", "agent"),
        # A prefix is only that at the beginning, and with its colon.
        ("The reason: AGENT", "the reason: agent"),
        ("ECS AGENT", "ecs agent"),
        ("errors: 3", "errors: 3"),
        # A full stop inside belongs to the text.
        ("a. b. ", "a. b"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_a_text_becomes_what_the_patterns_are_written_for(text: str, normal: str) -> None:
    assert normalise(text) == normal


@given(text=st.text() | st.sampled_from([text for *_, text in KNOWN]))
@example(text="\ud800\udfff")
@example(text="\u1e9e\u0345\u0130.\u2026")
@example(text="job\u2034s")
@example(text="ecs:" * 50 + "error: .' \"reason:")
@example(text="reason: '" * 12 + "agent")
@example(text="x" * 3000 + " ecs: " * 800)
def test_doing_it_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


# Any character, lone surrogates and unassigned ones among them.
ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_CODE = st.none() | ANY_TEXT | st.sampled_from(sorted({code for row in TABLE for code in row.codes}))
PIECES = st.lists(st.sampled_from([text for *_, text in KNOWN]) | ANY_TEXT, max_size=4).map(" ".join)


@given(origin=st.sampled_from(Origin), code=ANY_CODE, text=ANY_TEXT | PIECES, detail=st.none() | ANY_TEXT)
def test_nothing_makes_it_raise(origin: Origin, code: str | None, text: str, detail: str | None) -> None:
    asked = Failure(origin=origin, code=code, reason=text, detail=detail)
    verdict = classify(asked)
    assert verdict.failure == asked
    assert verdict.row == "unknown" or verdict.row in {row.name for row in TABLE}


@given(code=ANY_TEXT, text=ANY_TEXT | PIECES)
@example(code=".", text="Capacity is unavailable at this time.")
@example(code="#", text="Capacity is unavailable at this time.")
@example(code=".Exception", text="Capacity is unavailable at this time.")
def test_a_stop_code_nobody_knows_is_never_retried(code: str, text: str) -> None:
    """Also a stop code of next year: unless AWS says that the task did not start, it may have run."""
    verdict = classify(failure(STOPPED, f"Z{code}", text))
    assert verdict.category is Category.CONFIGURATION


@given(row=st.sampled_from(KNOWN), data=st.data())
def test_how_a_text_is_typeset_changes_no_verdict(row: Wording, data: st.DataObject) -> None:
    """Case, white space, line breaks, apostrophes and the full stop differ between AWS's own consoles."""
    name, origin, code, text = row
    text = data.draw(st.sampled_from([str, str.upper, str.lower, str.swapcase]))(text)
    text = data.draw(st.sampled_from([text, text.replace("'", "\u2019"), text.replace("\u2019", "'")]))
    space = data.draw(st.sampled_from([" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", " \u200b"]))
    text = text.replace(" ", space)
    text = (
        data.draw(st.sampled_from(["", " ", "\n"])) + text + data.draw(st.sampled_from(["", ".", " ", ".\n"]))
    )
    assert classify(failure(origin, code, text)).row == name


@given(
    row=st.sampled_from([*ANSWERS, *STOPS]),
    prefix=st.sampled_from(["ECS: ", "Error: ", "Reason: ", "TaskFailedToStart: ", "StoppedReason: "]),
)
def test_what_tools_put_in_front_changes_no_verdict(row: Wording, prefix: str) -> None:
    name, origin, code, text = row
    assert classify(failure(origin, code, prefix + text)).row == name


@pytest.mark.parametrize(
    "text",
    [
        "Rate exceeded " + "x" * 10**6,
        "x" * 10**6 + " Rate exceeded",
        "Rate exceeded" + "\n" * 10**6 + "x",
        "\n" * 10**6 + "Rate exceeded " + "x " * 1000,
        # What unfolds into eighteen characters each is cut after it unfolded as well.
        "Rate exceeded " + "\ufdfa" * 10**6,
    ],
)
def test_of_a_long_text_head_and_tail_are_read(text: str) -> None:
    assert classify(failure(ANSWER, None, text)).row == "throttled-text"
    assert len(normalise(text)) <= 4096


# The beginnings of what the gaps, alternatives and prefixes of the patterns look for, over and over.
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        ".",
        "\ud800",
        "\ufdfa",
        "ecs: ",
        "accessdenied",
        "capacity provider ",
        "task definition ",
        "role ",
        "resource:a,",
        "unexpected status code ",
        "cannotpullcontainererror manifest ",
        "service x was unable to place a task because ",
        "reached the limit on the number of ",
        "could not transition to created ",
    ],
)
def test_a_text_made_to_be_slow_is_not(piece: str) -> None:
    """A megabyte takes some hundredths of a second; what grows with the square would take minutes."""
    text = piece * (10**6 // len(piece))
    began = time.process_time()
    for origin in Origin:
        classify(failure(origin, text, text))
    assert time.process_time() - began < 5


VERDICTS = st.lists(
    st.builds(
        lambda row, arn: classify(Failure(origin=row[1], code=row[2], reason=row[3], arn=arn)),
        st.sampled_from([*KNOWN, *(("unknown", *row) for row in UNKNOWN)]),
        st.none() | st.sampled_from(["arn:a", "arn:b"]),
    ),
    min_size=1,
    max_size=8,
)

# From the one that a person must fix to the one that passes in seconds.
GRAVEST_FIRST = ["permission", "configuration", "unknown", "capacity", "transient", "throttle"]


@given(verdicts=VERDICTS, data=st.data())
def test_the_gravest_failure_decides_whatever_the_order(verdicts: list[Verdict], data: st.DataObject) -> None:
    decides = worst(verdicts)
    assert decides in verdicts
    assert GRAVEST_FIRST.index(decides.category) == min(
        GRAVEST_FIRST.index(verdict.category) for verdict in verdicts
    )
    assert worst(data.draw(st.permutations(verdicts))) == decides


def test_each_category_outweighs_those_that_pass_more_easily() -> None:
    one = classify(failure(ANSWER, None, "AGENT"))
    verdicts = [replace(one, category=Category(name)) for name in GRAVEST_FIRST]
    for graver, lesser in pairwise(verdicts):
        assert worst([lesser, graver]) == worst([graver, lesser]) == graver


def test_among_equals_the_table_decides() -> None:
    """So that two instances of one answer do not give another hint each time AWS lists them differently."""
    verdicts = [classify(failure(ANSWER, None, text)) for text in ("INACTIVE", "LOCATION", "MISSING")]
    assert {worst(order).row for order in permutations(verdicts)} == {"wrong-location"}


def test_one_capacity_failure_among_others_does_not_hide_a_mistake() -> None:
    answer = [classify(failure(ANSWER, None, text)) for text in ("RESOURCE:CPU", "AGENT", "ATTRIBUTE")]
    assert worst(answer).category is Category.CONFIGURATION
    assert worst(answer[:2]).category is Category.CAPACITY


def test_no_verdict_at_all_is_a_fault() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        worst([])


# --- The whole value ---


def test_what_nobody_knows_says_so() -> None:
    value = failure(ANSWER, None, "The moon is in the wrong quarter")
    assert classify(value) == Verdict(
        failure=value,
        category=Category.UNKNOWN,
        row="unknown",
        hint="Read the text: this version has no rule for it, so please report its wording.",
    )


@pytest.mark.parametrize("name", ["code", "detail", "arn", "container", "ran"])
def test_of_failures_that_differ_in_one_member_the_one_without_it_decides(name: str) -> None:
    """Whatever the order: two recoveries of one call must say the same."""
    bare = classify(failure(STOPPED, None, "The moon is in the wrong quarter"))
    more = [replace(bare, failure=replace(bare.failure, **{name: value})) for value in ("A", "B")]
    for verdicts in permutations([bare, *more]):
        assert worst(verdicts) is bare
    assert worst(more) is worst(more[::-1]) is more[0]


def test_a_text_that_a_row_knows_decides_over_one_that_none_does() -> None:
    nobodys = classify(failure(ERROR, "MoonException", "The moon"))
    known = next(row for row in TABLE if row.category is Category.UNKNOWN)
    somebodys = replace(nobodys, row=known.name)
    assert worst([nobodys, somebodys]) is worst([somebodys, nobodys]) is somebodys


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ThrottlingError",
        "ThrottlingFault",
        "Throttling",
        "com.amazonaws.ecs#ThrottlingException",
        "Client.ThrottlingException",
        "ThrottlingException:http://internal.amazon.com/coral/",
        "throttling-exception",
    ],
)
def test_a_code_is_known_in_every_spelling(code: str) -> None:
    assert classify(failure(ERROR, code, "x")).category is Category.THROTTLE


@pytest.mark.parametrize(("length", "category"), [(256, Category.THROTTLE), (257, Category.UNKNOWN)])
def test_of_a_code_256_characters_are_read(length: int, category: Category) -> None:
    """No code is longer, and whoever writes a record chooses its length."""
    code = "ThrottlingException".rjust(length, ".")
    assert classify(failure(ERROR, code, "x")).category is category


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("reason: '" * 12 + "agent", "agent"),
        ("'Reason: \"AGENT.\"'", "agent"),
        ("Error: Error: `AGENT`", "agent"),
        ("x" * 3072 + "y" + "z" * 1023, "x" * 3072 + "y" + "z" * 1023),
        ("x" * 3072 + "yy" + "z" * 1023, "x" * 3072 + " " + "z" * 1023),
        ("x" * 3072 + "y" * 5000 + "z" * 1023, "x" * 3072 + " " + "z" * 1023),
    ],
)
def test_what_is_left_of_a_text(text: str, normal: str) -> None:
    assert normalise(text) == normal


def test_no_verdict_at_all_is_said_to_be_a_fault() -> None:
    says = "^There is no verdict to choose from: a failed launch has at least one failure.$"
    with pytest.raises(ValueError, match=says):
        worst([])
