"""The lines of the policy file's keys, which ``tomllib`` does not report.

The nth ``[[rules]]`` is the nth rule. A key's line is the first in its rule where its name precedes ``=``; if there is
none, it is the rule's line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class KeyLines:
    """Finds the lines of keys in a valid TOML text."""

    def __init__(self, text: str) -> None:
        self._lines = _without_texts(text).splitlines()
        self._starts = [n for n, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*rules\s*\]\]", line)]

    def of(self, nth: int | None, key: str) -> int:
        """Return the line of a key of the nth rule, or of the top level for None; the first is 1."""
        first, last = self._range(nth)
        if key == "rules" and self._starts:
            return self._starts[0] + 1
        pattern = re.compile(rf"(?:^|[\s{{,.\[])['\"]?{re.escape(key)}['\"]?\s*(?:[=.]|\]+\s*$)")
        for number in range(first, last):
            if pattern.search(self._lines[number]):
                return number + 1
        return first + 1

    def _range(self, nth: int | None) -> tuple[int, int]:
        starts = [*self._starts, len(self._lines)]
        if nth is None:
            return 0, starts[0] if self._starts else len(self._lines)
        if nth >= len(self._starts):
            # Written as rules = [{...}, ...].
            return next(_places(self._lines, r"^\s*rules\s*="), 0), len(self._lines)
        return starts[nth], starts[nth + 1]


def _places(lines: list[str], pattern: str) -> Iterator[int]:
    return (number for number, line in enumerate(lines) if re.search(pattern, line))


# Comments and quoted text are blanked, so that no name is found in them; line breaks stay.
_TEXTS = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"(?!\s*[=.])'
    r"|'[^'\n]*'(?!\s*[=.])"
    r"|#[^\n]*",
    re.DOTALL,
)


def _without_texts(text: str) -> str:
    return _TEXTS.sub(lambda found: "\n" * found[0].count("\n"), text)
