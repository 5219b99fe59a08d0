"""README.ja.md says what README.md says: the same sections, code, links, names and numbers, each where it stands there.

Whether it says it well, only a reader can tell. A section that was changed in one of them is named here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from docs.markdown_pages import ROOT, Page

EACH_OTHER = {"README.md", "README.ja.md"}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, up to the next one."""

    level: int
    title: str
    text: str

    @property
    def prose(self) -> str:
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)


def sections(text: str) -> list[Section]:
    blocks: list[str] = []

    def away(fence: re.Match[str]) -> str:
        blocks.append(fence[0])
        return f"\0{len(blocks) - 1}\0"

    # A line of code may begin with # and is no heading.
    hidden = re.sub(r"^```.*?^```$", away, text, flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"^(#+) (.+)$", hidden, flags=re.MULTILINE)[1:]
    shown = [re.sub("\0(\\d+)\0", lambda at: blocks[int(at[1])], part) for part in parts]
    return [Section(len(shown[n]), shown[n + 1], shown[n + 2]) for n in range(0, len(shown), 3)]


def differences(english: str, japanese: str) -> list[str]:
    """Return what one README has and the other has not, each with its section."""
    ours, theirs = sections(english), sections(japanese)
    if [s.level for s in ours] != [s.level for s in theirs]:
        width = max(len(ours), len(theirs))
        names = [
            [f"{'#' * s.level} {s.title}" for s in found] + ["(none)"] * (width - len(found))
            for found in (ours, theirs)
        ]
        pairs = [f"  {a}  |  {b}" for a, b in zip(*names, strict=True)]
        return ["the sections differ, README.md | README.ja.md:", *pairs]
    return [
        f"«{a.title}» / «{b.title}»: {it}" for a, b in zip(ours, theirs, strict=True) for it in _between(a, b)
    ]


def _between(a: Section, b: Section) -> Iterator[str]:
    for kind, find in (
        (
            "code block",
            lambda s: [_names_of(b) for b in re.findall(r"^```.*?^```$", s.text, re.MULTILINE | re.DOTALL)],
        ),
        (
            "link",
            lambda s: [
                t.replace(".ja.svg", ".svg")
                for t in re.findall(r"\]\(([^()\s]+)\)", s.prose)
                if t not in EACH_OTHER
            ],
        ),
    ):
        yield from _only(kind, "README.md", Counter(find(a)) - Counter(find(b)))
        yield from _only(kind, "README.ja.md", Counter(find(b)) - Counter(find(a)))
    # Names and numbers may come more often in one language, and Japanese writes more numbers in digits.
    spans = re.compile(r"`([^`\n]+)`")
    yield from _only("name", "README.md", Counter(set(spans.findall(a.prose)) - set(spans.findall(b.prose))))
    numbers = re.compile(r"(?<![\w.])\d+(?:\.\d+)*(?!\w)")
    plain = [re.sub(r"\([^()\s]+\)", "", spans.sub("", s.prose)) for s in (a, b)]
    yield from _only(
        "number",
        "README.md",
        Counter(set(numbers.findall(plain[0])) - set(re.findall(r"\d+(?:\.\d+)*", plain[1]))),
    )
    for kind, pattern in (("items of lists", r"^- "), ("lines of tables", r"^\|")):
        counts = [len(re.findall(pattern, s.text, re.MULTILINE)) for s in (a, b)]
        if counts[0] != counts[1]:
            yield f"{counts[0]} {kind} in README.md, {counts[1]} in README.ja.md"


def _names_of(block: str) -> str:
    """Return a code block; of the drawing only its names, since its other words are translated."""
    if "--RunTask--" not in block:
        return block
    names = [
        "EventBridge",
        "ECS",
        "failures[]",
        "CloudTrail",
        "Task State Change",
        "intake",
        "recover",
        "SNS",
    ]
    return "drawing of " + ", ".join(name for name in names if name in block)


def _only(kind: str, where: str, found: Counter[str]) -> Iterator[str]:
    for text in sorted(found):
        yield f"only {where} has the {kind} {text}"


def test_both_readmes_have_the_same_sections_code_links_names_and_numbers() -> None:
    found = differences(Page(ROOT / "README.md").text, Page(ROOT / "README.ja.md").text)
    assert not found, "\n".join(["README.md and README.ja.md differ:", *found])


def test_a_drawing_may_be_translated_and_keeps_its_names() -> None:
    english = "# T\n\n```text\nrule --RunTask--> ECS: no room\n  v\nSNS  a message\n```\n"
    japanese = english.replace("rule", "ルール").replace("a message", "通知")
    assert differences(english, japanese) == []
    assert differences(english, japanese.replace("SNS", "")) == [
        "«T» / «T»: only README.md has the code block drawing of ECS, SNS",
        "«T» / «T»: only README.ja.md has the code block drawing of ECS",
    ]


ENGLISH = """\
# T

It takes 12 seconds, see [a](docs/a.md).

## One

- `x` is this.

```sh
# no heading
make demo
```
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("see [a](docs/a.md)", "see [a](docs/b.md)"),
            ["only README.md has the link docs/a.md", "docs/b.md"],
        ),
        (
            ("make demo", "make dem"),
            ["only README.md has the code block", "only README.ja.md has the code block"],
        ),
        (("12 seconds", "13 seconds"), ["only README.md has the number 12"]),
        (("`x`", "`y`"), ["only README.md has the name x"]),
        (("- `x` is this.", "`x` is this."), ["1 items of lists in README.md, 0 in README.ja.md"]),
        (("## One", "### One"), ["the sections differ", "## One  |  ### One"]),
        (("# T", "# U"), []),
        (("It takes 12 seconds", "12 秒かかります([English](README.md))"), []),
    ],
)
def test_what_differs_is_said_exactly(change: tuple[str, str], expected: list[str]) -> None:
    found = "\n".join(differences(ENGLISH, ENGLISH.replace(*change, 1)))
    assert all(words in found for words in expected), found
    assert bool(found) == bool(expected), found
