"""Reads the JSON values in a file of any size, one at a time, in the memory that one needs, whatever is between.

It reads one value, several, or one per line, also after a time and a log stream; and lists at the top level or under a
name that AWS gives a list of records. Unreadable input is reported, and reading continues after it. ``packed`` turns a
file's bytes into text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import Unparsed
from retry_run_task.sources.packed import text_of
from retry_run_task.sources.reading import DECODER, ReadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LISTS = frozenset({"Records", "Events", "events", "logEvents", "tasks", "failures", "Messages", "results"})
"""Names that AWS gives to lists of records, events, tasks or messages."""

# An object with one of these is itself a record, an event, a task or a launch.
_ITSELF = frozenset({"eventName", "detail-type", "taskArn", "call_id"})

# A longer object is read member by member, and a record is not longer than any that AWS writes.
_WHOLE, _LONGEST = 1024 * 1024, 8 * 1024 * 1024
# How much text before the position the window may keep.
_BEHIND = 8 * 1024
# Unreadable input that is shorter than this is skipped by lines.
_LINE = 64 * 1024
# An object that holds a list of records shows it within this many characters.
_HEAD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value in a file.

    Attributes:
        where: Its position, such as ``record 3``.
        member: Name of the list that holds it; None if it is alone or in a list without a name.
        around: The other members of the object that holds the list, those before it.
    """

    body: Any
    where: str
    member: str | None = None
    around: dict[str, Any] = field(default_factory=dict)


def lists_in(body: dict[str, Any]) -> list[str]:
    """Return the names of the lists of records in an object that is only their envelope."""
    if not _ITSELF.isdisjoint(body):
        return []
    return [name for name in body if name in LISTS and isinstance(body[name], list)]


def values(chunks: Iterable[bytes]) -> Iterator[Found | Unparsed]:
    """Yield every value in a file, and what cannot be read. Never raises for its content.

    The file's bytes come in order, in pieces of any size.
    """
    return _Reader(_Window(text_of(chunks))).read()


class _BadError(Exception):
    """The text at the position cannot be read; the message says why.

    Attributes:
        is_cut_off: Whether the file ends in it.
        is_passed: Whether the position is already after it.
    """

    def __init__(
        self,
        why: str,
        length: int = 0,
        *,
        is_long: bool = False,
        is_cut_off: bool = False,
        is_passed: bool = False,
    ) -> None:
        super().__init__(why)
        self.length = length
        self.is_long = is_long
        self.is_cut_off = is_cut_off
        self.is_passed = is_passed


_NAMES = "|".join(sorted(LISTS))
_BEGINS_WITH_LIST = re.compile(rf'\{{\s*"(?:{_NAMES})"\s*:\s*\[')
_HAS_LIST = re.compile(rf'"(?:{_NAMES})"\s*:\s*\[')
_SPACE = re.compile(r"[\s,]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}"]', re.DOTALL)
_DEEPER = {"{": 1, "[": 1, "}": -1, "]": -1}
_LINE_OR_OBJECT = re.compile(r"[{\n]")
# Where reading can resume, at the end of the match.
_NEXT_LINE = re.compile(r"[\r\n]\s*(?=[{\[])")
_NEXT = re.compile(r'[\r\n]\s*(?=[{\[])|\}\s*,\s*(?=\{\s*")')
_NEXT_BRACKET = re.compile(r"(?=[{\[\]])")
# What "aws logs tail" and exports write before a message.
_BEFORE_MESSAGE = re.compile(r"[\w:.+/\[\]$=@-]+(?:[ \t]+[\w:.+/\[\]$=@-]+){0,3}[ \t]+(?=\{)")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class _Window:
    """A window on a text, which advances as the text is read. ``at`` is the position in it."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self.text = ""
        self.at = 0
        self.broken = ""
        self.is_over = False

    def fill(self) -> bool:
        """Read about as much again as is left in the window; return whether there was more."""
        if self.is_over:
            return False
        left = self.text[self.at :]
        pieces, size = [left], 0
        while not self.is_over and size <= len(left):
            try:
                piece = next(self._pieces, None)
            except ReadError as error:
                self.broken, piece = str(error), None
            if piece is None:
                self.is_over = True
            else:
                pieces.append(piece)
                size += len(piece)
        self.text, self.at = "".join(pieces), 0
        return size > 0

    def peek(self) -> str:
        """Return the next character that is neither white space nor a comma; empty at the end."""
        while True:
            space = _SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.fill():
                return ""

    def find(self, pattern: re.Pattern[str], within: int) -> re.Match[str] | None:
        """Return the match of a pattern within so many characters from the position."""
        self.reach(within)
        return pattern.search(self.text, self.at, self.at + within)

    def reach(self, size: int) -> None:
        """Extend the window to so many characters from the position, if there are so many."""
        while len(self.text) - self.at < size and self.fill():
            pass

    def value(self, longest: int) -> Any:
        """Return the value at the position, and move past it.

        Raises:
            _BadError: It cannot be read.
        """
        if self.at > _BEHIND:
            # Python counts the lines before an error, so the text before the position is dropped first.
            self.text, self.at = self.text[self.at :], 0
        while True:
            try:
                body, end = DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated") or error.pos >= len(self.text) - 8
                if is_cut and len(self.text) - self.at < longest and self.fill():
                    continue
                raise self._bad(error, is_cut=is_cut) from None
            except ReadError as error:
                raise _BadError(str(error)) from None
            except RecursionError:
                raise _BadError("it is nested too deeply") from None
            except ValueError:
                raise _BadError("it holds a number with too many digits") from None
            # A number may continue after the window.
            if end == len(self.text) and self.fill():
                continue
            is_not_utf8, self.at = _NOT_UTF8.search(self.text, self.at, end), end
            if is_not_utf8:
                raise _BadError("it holds bytes that are not UTF-8", is_passed=True)
            return body

    def _bad(self, error: json.JSONDecodeError, *, is_cut: bool) -> _BadError:
        length = error.pos - self.at
        if is_cut and self.is_over:
            return _BadError("it is cut off", length, is_cut_off=True)
        if is_cut:
            why = f"it has more than {_LONGEST // 1024**2} MB, and no record of AWS's has"
            return _BadError(why, is_long=True)
        return _BadError(f"it is not JSON at its character {length}", length)

    def skip_brackets(self) -> bool:
        """Move past the object or list at the position by its brackets; return whether that was possible."""
        depth, at = 0, self.at
        while True:
            for token in _TOKEN.finditer(self.text, at):
                if token[0] == '"':
                    # It ends after the window, if at all.
                    break
                depth += _DEEPER.get(token[0], 0)
                at = token.end()
                if depth <= 0:
                    self.at = at
                    return True
            at -= self.at
            if len(self.text) - self.at > _LONGEST or not self.fill():
                return False

    def skip_to(self, pattern: re.Pattern[str]) -> None:
        """Move to the next place, at least one character on, where reading can resume; else to the end."""
        self.at += 1
        while (found := pattern.search(self.text, self.at)) is None:
            # Of the searched text only its end may belong to the place.
            self.at = max(self.at, len(self.text.rstrip(" \t\r\n,}{")))
            if not self.fill():
                self.at = len(self.text)
                return
        self.at = found.end()


class _Reader:
    """Assigns each value in a file its position."""

    def __init__(self, window: _Window) -> None:
        self._window = window
        self._number = 0
        self._is_cut_off = False

    def read(self) -> Iterator[Found | Unparsed]:
        is_empty = True
        while char := self._window.peek():
            is_empty = False
            if char == "[":
                yield from self._list(None, {})
            elif char == "{":
                yield from self._object()
            elif char in "}]:":
                # The rest of something that was reported already.
                self._window.at += 1
            else:
                yield from self._line()
        if self._window.broken:
            yield Unparsed(why=self._window.broken, where="the rest")
        elif is_empty:
            yield Unparsed(why="it is empty")

    def _where(self) -> str:
        self._number += 1
        return f"record {self._number}"

    def _list(self, member: str | None, around: dict[str, Any]) -> Iterator[Found | Unparsed]:
        self._window.at += 1
        while (char := self._window.peek()) != "]":
            if not char:
                yield from self._end(_BadError("it is cut off", is_cut_off=True), "the rest")
                return
            where = self._where()
            try:
                body = self._window.value(_LONGEST)
            except _BadError as error:
                yield from self._end(error, where)
                self._pass(error)
            else:
                yield Found(body=body, where=where, member=member, around=around)
        self._window.at += 1

    def _end(self, error: _BadError, where: str) -> Iterator[Unparsed]:
        """Report what cannot be read; that the file is cut off is reported once."""
        if not error.is_cut_off or not (self._is_cut_off or self._window.broken):
            yield Unparsed(why=str(error), where=where)
        self._is_cut_off |= error.is_cut_off

    def _pass(self, error: _BadError) -> None:
        """Move past what could not be read."""
        if error.is_passed:
            return
        if self._window.peek() not in ("{", "["):
            self._window.skip_to(_NEXT_BRACKET)
        elif not self._window.skip_brackets():
            self._window.skip_to(_NEXT)

    def _object(self) -> Iterator[Found | Unparsed]:
        try:
            body = self._window.value(_WHOLE)
        except _BadError as error:
            is_line = self._is_a_line(error)
            if error.is_long or (not is_line and self._window.find(_HAS_LIST, _HEAD)):
                yield from self._members()
                return
            yield from self._end(error, self._where())
            if is_line:
                self._window.skip_to(_NEXT_LINE)
            else:
                self._pass(error)
            return
        names = lists_in(body)
        if not names:
            yield Found(body=body, where=self._where())
            return
        around = {name: value for name, value in body.items() if name not in names}
        for name in names:
            for one in body[name]:
                yield Found(body=one, where=self._where(), member=name, around=around)

    def _is_a_line(self, error: _BadError) -> bool:
        """Tell whether what cannot be read is a line of its own, with an object on the next one."""
        if error.is_passed or error.is_long:
            return False
        window = self._window
        window.reach(_LINE)
        # Usually there is none, and str.find is the fastest check. No error is before the -1 that it returns then.
        end = window.text.find("\n", window.at, window.at + _LINE)
        below = window.text[end : end + _HEAD].lstrip()[:1]
        if below != "{" or _BEGINS_WITH_LIST.match(window.text, window.at):
            return False
        return error.length <= end - window.at + 1

    def _members(self) -> Iterator[Found | Unparsed]:
        """Read an object member by member, because it is large or a part of it cannot be read."""
        window, around, has_list = self._window, dict[str, Any](), False
        window.at += 1
        try:
            while (char := window.peek()) != "}":
                name = window.value(_WHOLE) if char == '"' else None
                if not isinstance(name, str) or name in around or window.peek() != ":":
                    raise _BadError("it is no JSON object", is_cut_off=not window.peek())
                window.at += 1
                if window.peek() == "[" and name in LISTS:
                    has_list = True
                    yield from self._list(name, around)
                else:
                    around[name] = window.value(_LONGEST)
        except _BadError as error:
            yield from self._end(error, "the rest" if has_list else self._where())
            window.skip_to(_NEXT_LINE)
            return
        window.at += 1
        if not has_list:
            yield Found(body=around, where=self._where())

    def _line(self) -> Iterator[Unparsed]:
        """Skip the text before a message in its line, or report lines that have none."""
        window = self._window
        window.find(_LINE_OR_OBJECT, _HEAD)
        if before := _BEFORE_MESSAGE.match(window.text, window.at):
            window.at = before.end()
            return
        why = "it is not JSON; expected what the AWS CLI prints with --output json"
        yield Unparsed(why=why, where=self._where())
        window.skip_to(_NEXT_LINE)
