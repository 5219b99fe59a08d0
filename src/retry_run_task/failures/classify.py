"""Classifies the texts of AWS. The only module that interprets them.

``table`` holds the rules as data, in order; this module applies them. It knows nothing of what is done about a
category. No text makes it raise: a text that no row matches is UNKNOWN.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING

from retry_run_task.failures.table import TABLE, Row
from retry_run_task.launch.values import Category, Failure, Origin, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TABLE", "Row", "classify", "normalise", "worst"]

# A reason of ECS has a few hundred characters, an error message in CloudTrail at most 1024. The head of a longer text
# says what failed and the tail says why, so both are kept.
_LIMIT = 4096
_HEAD = 3072
_REMEMBERED_MAX = 1024

# Quotation marks and dashes of every kind become the plain ones; characters without width are removed.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4\uff07", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\uff02", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"),
    }
)

_EDGE = " .'\"`"

# What AWS and its tools write before the reason. Only the anchored patterns need it removed.
_PREFIX = re.compile(
    r"(?:amazon )?ecs:"
    r"|task ?failed ?to ?start:"
    r"|(?:failure |stopped ?)?reason:"
    r"|error:"
    r"|an error occurred \([\w.]{1,100}\) when calling the \w{1,60} operation"
    r"(?: \(reached max retries: \d{1,3}\))?:"
    r"|\(?service \(?[^\s()]{1,255}\)? was unable to place a task(?: because [^.]{1,200})?\."
    r"|the reason for failure is"
)

# A message pasted without its code still contains the code, in the spelling of the SDK that printed it.
_CODE_IN_TEXT = re.compile(
    r"^(?:an error occurred \(([\w.]{1,100})\) when calling\b|([\w.#]{1,120}(?:exception|error)):)"
    r"|\berror ?code: ([\w.]{1,100})"
)

# Step Functions and the Java SDK print this for an error that they have no class for.
_NO_CODE = frozenset({"", "amazonecs", "unknown"})

NO_ROW = "unknown"
"""The row name of a verdict if no row of the table matched."""

_UNKNOWN_HINT = "Read the text: this version has no rule for it, so please report its wording."


def normalise(text: str) -> str:
    """Normalise a text of AWS to the form that the table's patterns are written for.

    Lower case, compatibility forms resolved, straight quotes, single spaces, without the tools' prefixes and without a
    full stop at the end. Idempotent. Very long texts lose their middle.
    """
    text = text.strip()
    # One round is enough for all texts of AWS. Characters that unfold into quotes, or make the text too long again,
    # need another; the bound is there because Unicode guarantees none.
    for _ in range(8):
        once = _bare(_fold(text))
        if once == text:
            break
        text = once
    return text


def classify(failure: Failure) -> Verdict:
    """Classify a failure by the first row of the table that matches; UNKNOWN if none does.

    ``failures[].detail`` is used only if the reason is empty: AWS documents that it exists, not what it contains.
    """
    # A recovery meets the same few texts again and again, and classifies them again on each replay.
    if len(failure.reason) <= _REMEMBERED_MAX:
        return _remembered(failure)
    return _classify(failure)


def _classify(failure: Failure) -> Verdict:
    code = _code(failure)
    for text in (failure.reason, failure.detail):
        if text is None:
            continue
        row = _first(failure.origin, code, normalise(text), has_run=failure.ran is not None)
        if row is not None:
            return Verdict(
                failure=failure, category=row.category, row=row.name, hint=row.hint, evidence=row.evidence
            )
    return Verdict(failure=failure, category=Category.UNKNOWN, row=NO_ROW, hint=_UNKNOWN_HINT)


_remembered = functools.lru_cache(maxsize=1024)(_classify)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that decides for all: what must be fixed outweighs what passes on its own.

    Among equals the row that is higher in the table wins, so the order in which AWS listed the failures does not
    matter.

    Raises:
        ValueError: There is no verdict.
    """
    if not verdicts:
        raise ValueError("There is no verdict to choose from: a failed launch has at least one failure.")
    return min(verdicts, key=_gravity)


_GRAVITY = {category: rank for rank, category in enumerate(Category)}
_PLACE = {row.name: place for place, row in enumerate(TABLE)}


def _gravity(verdict: Verdict) -> tuple[int | str, ...]:
    failure = verdict.failure
    return (
        _GRAVITY[verdict.category],
        _PLACE.get(verdict.row, len(TABLE)),
        failure.origin,
        failure.code or "",
        failure.reason,
        failure.detail or "",
        failure.arn or "",
        failure.container or "",
        failure.ran or "",
    )


def _fold(text: str) -> str:
    text = _cut(text).translate(_PLAIN)
    # Unicode's definition of caseless matching folds between two normalisations.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= _LIMIT else f"{text[:_HEAD]} {text[_HEAD + 1 - _LIMIT :]}"


def _bare(text: str) -> str:
    text = text.strip(_EDGE)
    while (prefix := _PREFIX.match(text)) is not None:
        text = text[prefix.end() :].strip(_EDGE)
    return text


def _canonical(code: str) -> str:
    """Reduce a code to the form that all its spellings share.

    >>> _canonical("com.amazonaws.ecs#ClientException:http://internal.amazon.com/coral/")
    'client'
    >>> _canonical("Client.RequestLimitExceeded")
    'requestlimitexceeded'
    """
    folded = _fold(code[:256])
    name = folded.partition(":")[0].rpartition("#")[2].rpartition(".")[2]
    name = "".join(character for character in name if character.isalnum())
    if name.startswith("http") and name[4:].isdigit():
        return name[4:]
    for suffix in ("exception", "error", "fault"):
        name = name.removesuffix(suffix)
    # A code that reduces to nothing is still a code: "no code" would be another statement.
    return name or folded


def _code(failure: Failure) -> str:
    code = _canonical(failure.code) if failure.code is not None else ""
    if failure.origin is Origin.ERROR and code in _NO_CODE:
        found = _CODE_IN_TEXT.search(_fold(failure.reason))
        code = _canonical(next(filter(None, found.groups()))) if found is not None else ""
    return code


_Conditions = tuple[Row, frozenset[str], frozenset[str]]

_ROWS: dict[Origin, tuple[_Conditions, ...]] = {
    origin: tuple(
        (row, frozenset(map(_canonical, row.codes)), frozenset(map(_canonical, row.other_than)))
        for row in TABLE
        if origin in row.origins
    )
    for origin in Origin
}


def _first(origin: Origin, code: str, text: str, *, has_run: bool) -> Row | None:
    for row, codes, other_than in _ROWS[origin]:
        if (
            (not row.has_run or has_run)
            and (not codes or code in codes)
            and (not other_than or (code != "" and code not in other_than))
            and (not row.texts or any(pattern.search(text) for pattern in row.texts))
            and (not row.also or any(pattern.search(text) for pattern in row.also))
        ):
            return row
    return None
