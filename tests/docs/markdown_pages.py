"""The project's Markdown pages, taken apart: headings, links, code."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link; the label may be code."""

    label: str
    target: str


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without blocks of code and comments."""
        return _FENCE.sub("", _COMMENT.sub("", self.text))

    def blocks(self, *languages: str) -> list[Block]:
        found = [Block(language, text) for language, text in _FENCE.findall(_COMMENT.sub("", self.text))]
        return [block for block in found if not languages or block.language in languages]

    def links(self) -> list[Link]:
        return [Link(label, target) for label, target in _LINK.findall(self.prose)]

    def spans(self) -> list[str]:
        """What stands in single backticks."""
        return _CODE.findall(self.prose)

    def anchors(self) -> set[str]:
        """The anchors that GitHub gives the headings, of which a repeated one is numbered, and those of the page."""
        seen: Counter[str] = Counter()
        anchors = set(re.findall(r'<a id="([\w-]+)"></a>', self.prose))
        for heading in _HEADING.findall(self.prose):
            words = _LINK.sub(lambda link: link[1], heading)
            anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
        return anchors

    def lines_of_shell(self) -> Iterator[str]:
        """Yield the commands of shell blocks and those after a prompt; continued and quoted lines are joined."""
        for block in self.blocks("sh", "console"):
            command = ""
            for line in block.text.replace("\\\n", " ").splitlines():
                if block.language == "console" and not line.startswith("$ "):
                    continue
                command += line.removeprefix("$ ").strip()
                if _is_whole(command):
                    yield command
                    command = ""
                else:
                    command += "\n"
            if command:
                yield command


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def pages() -> list[Page]:
    """Return every page of the project, but not of what is installed beside it."""
    folders = (ROOT, ROOT / "docs", ROOT / ".github")
    found = {path for folder in folders for path in folder.glob("*.md")}
    found |= {path for folder in folders[1:] for path in folder.rglob("*.md")}
    return [Page(path) for path in sorted(found)]
