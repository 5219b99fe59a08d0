"""JSON as it comes out of a file of any size: value by value, in the memory of one, whatever stands between them.

Read are one value, several of them, one a line, also behind a time and a log stream, and lists at the top or under
a name that AWS gives a list of records. What cannot be read costs no neighbour: it is named, and reading goes on
behind it. ``packed`` makes the text of a file's bytes.
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
"""Names under which AWS gives records, events, tasks or messages."""

# With one of these an object is itself a record, an event, a task or a launch.
_ITSELF = frozenset({"eventName", "detail-type", "taskArn", "call_id"})

# Beyond this an object is read member by member, and one record is longer than any that AWS writes.
_WHOLE, _LONGEST = 1024 * 1024, 8 * 1024 * 1024
# So much of what was read may stay in the window.
_BEHIND = 8 * 1024
# What cannot be read is passed by lines, if it is shorter than this.
_LINE = 64 * 1024
# Within this an object that holds a list of records says so.
_HEAD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value in a file.

    Attributes:
        body: The value.
        where: Which one it is, such as ``record 3``.
        member: Name of the list that it stood in; None if it stood alone or in a list without a name.
        around: The other members of the object that holds the list, as far as they come before it.
    """

    body: Any
    where: str
    member: str | None = None
    around: dict[str, Any] = field(default_factory=dict)


def lists_in(body: dict[str, Any]) -> list[str]:
    """Return the names of the lists of records that an object is only the frame of."""
    if not _ITSELF.isdisjoint(body):
        return []
    return [name for name in body if name in LISTS and isinstance(body[name], list)]


def values(chunks: Iterable[bytes]) -> Iterator[Found | Unparsed]:
    """Yield every value in a file, and what cannot be read. Never raises for what is in it.

    Args:
        chunks: The file's bytes in order, in pieces of any size.
    """
    return _Reader(_Window(text_of(chunks))).read()


class _BadError(Exception):
    """What stands at the position cannot be read; the message says why.

    Attributes:
        length: How far it could be read, in characters.
        is_long: Whether it is longer than was allowed.
        is_cut_off: Whether the file ends in it.
        is_passed: Whether the position is behind it.
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
# Where reading can go on; the match ends there.
_NEXT_LINE = re.compile(r"[\r\n]\s*(?=[{\[])")
_NEXT = re.compile(r'[\r\n]\s*(?=[{\[])|\}\s*,\s*(?=\{\s*")')
_NEXT_BRACKET = re.compile(r"(?=[{\[\]])")
# What "aws logs tail" and exports put in front of a message.
_BEFORE_MESSAGE = re.compile(r"[\w:.+/\[\]$=@-]+(?:[ \t]+[\w:.+/\[\]$=@-]+){0,3}[ \t]+(?=\{)")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class _Window:
    """A window on a text, which moves on as the text is read. ``at`` is the position in it."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self.text = ""
        self.at = 0
        self.broken = ""
        self.is_over = False

    def fill(self) -> bool:
        """Read about as much again as is left in the window; tell whether there was more."""
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
        """Return what a pattern finds in so many characters from the position."""
        self.reach(within)
        return pattern.search(self.text, self.at, self.at + within)

    def reach(self, size: int) -> None:
        """Read on until so many characters from the position are in the window, if there are so many."""
        while len(self.text) - self.at < size and self.fill():
            pass

    def value(self, longest: int) -> Any:
        """Return the value at the position, and move behind it.

        Raises:
            _BadError: It cannot be read.
        """
        if self.at > _BEHIND:
            # A mistake is reported with its line, for which all that lies before it is counted.
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
            # A number may go on behind the window.
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
            return _BadError(why, length, is_long=True)
        return _BadError(f"it is not JSON at its character {length}", length)

    def skip_brackets(self) -> bool:
        """Move behind the object or list at the position by its brackets; tell whether that was possible."""
        depth, at = 0, self.at
        while True:
            for token in _TOKEN.finditer(self.text, at):
                if token[0] == '"':
                    # It ends behind the window, if at all.
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
        """Move to the next place, at least one character on, where reading can go on; else to the end."""
        self.at += 1
        while (found := pattern.search(self.text, self.at)) is None:
            # Of what was searched only an ending may belong to the place.
            self.at = max(self.at, len(self.text.rstrip(" \t\r\n,}")) - 1)
            if not self.fill():
                self.at = len(self.text)
                return
        self.at = found.end()


class _Reader:
    """What stands where in a file."""

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
                # The rest of something that was named already.
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
        """Name what cannot be read; that the file is cut off is said once."""
        if not error.is_cut_off or not (self._is_cut_off or self._window.broken):
            yield Unparsed(why=str(error), where=where)
        self._is_cut_off |= error.is_cut_off

    def _pass(self, error: _BadError) -> None:
        """Move behind what could not be read."""
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
        # Most often there is none, and str.find is the quickest to say so.
        end = window.text.find("\n", window.at, window.at + _LINE)
        below = window.text[end : end + _HEAD].lstrip()[:1] if end >= 0 else ""
        if below != "{" or _BEGINS_WITH_LIST.match(window.text, window.at):
            return False
        return error.length <= end - window.at + 1

    def _members(self) -> Iterator[Found | Unparsed]:
        """Read an object that is large, or in which something cannot be read, member by member."""
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
        """Pass over what stands before a message in its line, or name lines that hold none."""
        window = self._window
        window.find(_LINE_OR_OBJECT, _HEAD)
        if before := _BEFORE_MESSAGE.match(window.text, window.at):
            window.at = before.end()
            return
        why = "it is not JSON; expected what the AWS CLI prints with --output json"
        yield Unparsed(why=why, where=self._where())
        window.skip_to(_NEXT_LINE)
