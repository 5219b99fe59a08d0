"""Pages and source use the field's terms: each row is a phrase that is gone, and what to write instead.

Over pages, and over docstrings, comments, messages and help texts, which all stand in the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from docs.markdown_pages import ROOT

# A row at a time, when the last place that has it is rewritten.
PHRASES = {
    r"stand(s|ing)? in the place of": "replaces",
    r"such a one": "the noun",
    r"(?-i:\bNG\b)": "FAIL",
    r"quarter of a cent": "$0.0025",
    r"has it that": "says",
    r"no waiting can help": "retrying will not help",
    r"what is not a matter of": "to do Y, do X",
    r"a person (is|was) told": "a message is sent; a message says",
    r"no retry can mend": "a retry cannot fix",
    r"what speaks for": "the reason",
    r"nobody (knows|can tell) whether": "it is unknown whether",
    r"\banybody\b": "anyone",
    r"in the place of": "instead of",
    r"all the same": "still",
    r"what (becomes|became) of": "what happens to; what happened to",
    r"goes off": "fires",
    r"looks? after (?!the second)|looked after": "covers; in scope",
    r"takes? (the|its) place": "replaces",
    r"(is|are) told of": "a message reports",
    r"\btells? of": "reports; shows",
    r"hands? over": "delivers",
    r"wants? .{1,40} to be left alone": "says to ignore",
    r"(is|are) not certain to": "may not",
    r"(is|it) (not )?certain (which|what|whether)": "can be identified; is unknown",
    r"come to run": "run",
    r"what nobody": "what is not",
}
# These are gone from the pages; the source still has them.
ON_PAGES = PHRASES | {
    r"\b(a|no) person (may|can|has to|learns)\b": "you",
    r"as it was asked": "the original request",
    r"a crowd of": "many simultaneous failures",
    r"\bsomebody\b": "someone; you",
    r"\beverybody\b": "everyone; all",
}
SOURCES = ("src", "tools", "bench", "infra")


def pages() -> Iterator[Path]:
    """Return the pages that are written by hand, or from a tool's own sentences."""
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))
    yield from (path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "reference")


def sources() -> Iterator[Path]:
    """Return the source in which a user or a reader meets a sentence, and what is written from it."""
    yield from sorted((ROOT / "docs" / "reference").glob("*.md"))
    for folder in SOURCES:
        yield from (
            path
            for path in sorted((ROOT / folder).rglob("*"))
            if path.suffix in {".py", ".md", ".yaml", ".tf"}
        )


def found(text: str, phrases: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Return line, phrase and what to write, of each phrase in a text; a phrase may go on in the next line."""
    for pattern, better in phrases.items():
        spaced = pattern.replace(" ", r"[\s#]+")
        for match in re.finditer(spaced, text, re.IGNORECASE):
            yield text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), better


@pytest.mark.parametrize(
    ("texts", "phrases"), [(pages, ON_PAGES), (sources, PHRASES)], ids=["pages", "sources"]
)
def test_no_phrase_that_is_gone_comes_back(
    texts: Callable[[], Iterator[Path]], phrases: Mapping[str, str]
) -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{line}: '{phrase}': write {better!r}"
        for path in texts()
        for line, phrase, better in found(path.read_text(encoding="utf-8"), phrases)
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\nsuch a one", 2),
        ("What stands in\n# the place of it", 1),
        ("[NG] trail", 1),
        ("No waiting can help.", 1),
        ("ends,\n\nand a person is told", 3),
    ],
)
def test_a_phrase_is_found_with_its_line_wherever_the_line_ends(text: str, line: int) -> None:
    assert {at for at, _, _ in found(text, PHRASES)} == {line}


@pytest.mark.parametrize(
    "text", ["it starts running", "one such task", "KING", "the place of it", "for a person"]
)
def test_a_text_without_them_passes(text: str) -> None:
    assert list(found(text, ON_PAGES)) == []
