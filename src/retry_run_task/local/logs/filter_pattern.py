r"""CloudWatch Logs filter patterns: which log events a subscription passes on.

One sample of each language, and a message that matches the first:

    { ($.eventName = "RunTask") && (($.errorCode = "*") || ($.responseElements.tasks[0].taskArn NOT EXISTS)) }
    [ip, user, ..., status_code = 404 || status_code = 410, bytes > 1000]
    ERROR -ARGUMENTS "INTERNAL SERVER ERROR" %4[0-9]{2}%

    {"eventName": "RunTask", "responseElements": {"tasks": [], "failures": [{"reason": "Capacity is …"}]}}

The specification is https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html.
Where it is silent, these answers are ours; ``aws logs test-metric-filter`` is how to confirm one:

- ``NOT EXISTS`` holds only if nothing is at the path: an object, an array or an explicit null exists.
- A comparison needs a text or a number: for a missing field, an object, an array, a boolean or null it is
  false, and so is ``!=`` (seen on AWS: https://github.com/DataBiosphere/azul/issues/5884).
- A message that is not a JSON object matches no ``{ }`` pattern, not even ``NOT EXISTS``.
- With a wildcard in the selector one value is enough, for ``!=`` too. ``[*]`` is for arrays, ``.*`` for objects.
- A number has a text too, as it was written, for ``4*``, ``"404"`` and ``%^4%``. A bare number equals a JSON
  number by value and a JSON text letter by letter; ``>`` and the like are false for a JSON text.
- A ``*`` anywhere in a value is a wildcard. ``\"`` and ``\\`` are the only escapes. Keywords are capitals.
- The last field of ``[ ]`` takes the rest of the line: AWS says that ``[w1=ERROR, w2]`` matches a longer one.
  Conditions on one field all name it (https://github.com/awsdocs/amazon-cloudwatch-logs-user-guide/issues/21).

Matching never raises. Wildcards take linear time. Regular expressions run through ``re``: without parentheses
nothing repeats a repeat, so a hostile message costs polynomial time, not exponential; ``%a.*b.*c%`` can still
be slow on long lines, and that is left to whoever writes the pattern.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Never, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Test = Callable[[Any], bool]
"""Of a message, of the document in it, or of one value of that."""
Step = Callable[[Any], Iterable[Any]]
"""From a value to those that one part of a selector finds in it."""

# PutSubscriptionFilter's limit for filterPattern, and the quotas named on the page of the syntax.
_MAX_LENGTH, _MAX_REGEXES, _MAX_WILDCARDS, _MAX_WILDCARDS_IN_SELECTOR = 1024, 2, 3, 1

_ORDER = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}
_CLOSING = {'"': '"', "[": "]"}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_STEP = re.compile(r"\.\['([^']+)'\]|\.([^.\[]+)|\[([0-9]+|\*)\]")
_WORD = re.compile(r"\S+")
_CHUNK = re.compile(r"%\S*|[^\s(){}\[\],]+|\S|$")

# The terminals of the grammar that are not fixed text.
_EXPECTED = {
    "SELECTOR": "a selector such as $.eventName",
    "NAME": "a field name",
    "EQUALITY": "= or !=",
    "ORDER": "> >= < or <= with a number",
    "_IS": "IS with NULL, TRUE or FALSE",
    "_NOT": "NOT EXISTS",
    "_EXISTS": "EXISTS",
    "CONSTANT": "NULL, TRUE or FALSE",
    "NUMBER": "a number",
    "BARE": "a value of letters, digits, _ . *",
    "WORD": "a word of letters, digits, _",
    "STRING": '"any text"',
    "PHRASE": '"any text"',
    "REGEX": "%a regular expression that AWS supports%",
    "EXPRESSION": "%a regular expression that AWS supports%",
    "_COMMA": "a comma",
    "$END": "nothing more",
}
_INSTEAD = {
    "EXISTS": '; AWS has no EXISTS, = "*" finds any text or number',
    "NOT": "; AWS has NOT only in NOT EXISTS",
    "IN": "; AWS has no IN, join comparisons with ||",
}


class PatternError(ValueError):
    """A pattern that AWS refuses.

    ``column`` is that of the first character that cannot stay, from 1; one past the end if something is missing.
    """

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(f"filter pattern, column {column}: {problem}")
        self.column = column
        self.problem = problem


def matches(pattern: str, message: str) -> bool:
    """Tell whether AWS would pass the message on; raises ``PatternError`` whatever the message."""
    return compile_pattern(pattern)(message)


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Read a pattern once for many messages; raises ``PatternError``."""
    if len(pattern) > _MAX_LENGTH:
        raise PatternError(
            _MAX_LENGTH + 1, f"expected at most {_MAX_LENGTH} characters; found {len(pattern)}"
        )
    if not pattern.strip():
        return _everything
    tree = _parse(pattern)
    _check_quotas(tree)
    match tree.data:
        case "json":
            return _json(_test(tree.children[0]))
        case "fields":
            return _fields(tree.children)
        case _:
            return _terms(tree.children)


def _everything(_: object) -> bool:
    return True


@cache
def _parser() -> Lark:
    grammar = files("retry_run_task.local.logs").joinpath("filter_pattern.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", start=["json", "fields", "terms"])


def _parse(pattern: str) -> Tree[Token]:
    start = {"{": "json", "[": "fields"}.get(pattern.lstrip()[0], "terms")
    try:
        return _parser().parse(pattern, start=start)
    except UnexpectedInput as error:
        token = getattr(error, "token", None)
        is_end = token is not None and token.type == "$END"
        position = len(pattern.rstrip()) if is_end else cast("int", error.pos_in_stream)
        accepted = error.interactive_parser.accepts()  # type: ignore[no-untyped-call]  # lark types the rest only
        expected = ", or ".join(_EXPECTED.get(name) or _text(name) for name in sorted(accepted))
        found = _CHUNK.findall(pattern[position:])[0] or "the end"
        problem = f"expected {expected}; found {found}{_INSTEAD.get(found, '')}"
        raise PatternError(position + 1, problem) from None


def _text(terminal: str) -> str:
    return str(_parser().get_terminal(terminal).pattern.value)


def _refuse(token: Token, problem: str, offset: int = 0) -> Never:
    raise PatternError(cast("int", token.start_pos) + offset + 1, problem)


def _check_quotas(tree: Tree[Token]) -> None:
    regexes = wildcards = 0
    for token in tree.scan_values(lambda value: isinstance(value, Token)):
        regexes += token.type in {"REGEX", "EXPRESSION"}
        here = re.sub(r"'[^']+'", "", token).count("*") if token.type == "SELECTOR" else 0
        wildcards += here
        if regexes > _MAX_REGEXES:
            _refuse(token, f"expected at most {_MAX_REGEXES} regular expressions; found another")
        if here > _MAX_WILDCARDS_IN_SELECTOR:
            _refuse(token, f"expected at most one wildcard in a selector; found {here}")
        if wildcards > _MAX_WILDCARDS:
            _refuse(token, f"expected at most {_MAX_WILDCARDS} selectors with a wildcard; found another")


def _test(node: Any) -> Test:
    match node.data:
        case "either":
            tests = [_test(child) for child in node.children]
            return lambda value: any(test(value) for test in tests)
        case "both":
            tests = [_test(child) for child in node.children]
            return lambda value: all(test(value) for test in tests)
        case "condition":
            return _comparison(*node.children[1:])
        case "named" | "nameless":
            return _everything
        case _:
            return _property(*node.children, rule=node.data)


class _Number(str):
    """A number as the message wrote it: int refuses very long ones, float rounds."""

    __slots__ = ()


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is Python's, not JSON's")


_DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_no_constant)


def _json(test: Test) -> Test:
    def match(message: str) -> bool:
        try:
            document = _DECODER.decode(message)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict) and test(document)

    return match


def _property(selector: Token, *operands: Token, rule: str) -> Test:
    steps = tuple(map(_step, _STEP.finditer(selector)))
    if rule == "absent":
        return lambda document: not _select(document, steps)
    if rule == "constant":
        constant = _CONSTANTS[operands[0]]
        return lambda document: any(value is constant for value in _select(document, steps))
    test = _comparison(*operands)
    return lambda document: any(test(value) for value in _select(document, steps))


def _select(document: Any, steps: Iterable[Step]) -> Sequence[Any]:
    values = [document]
    for step in steps:
        values = [child for value in values for child in step(value)]
    return values


def _step(match: re.Match[str]) -> Step:
    quoted, key, index = match.groups()
    if key == "*":
        return lambda value: value.values() if isinstance(value, dict) else ()
    if index == "*":
        return lambda value: value if isinstance(value, list) else ()
    if index:
        first = int(index)
        return lambda value: value[first : first + 1] if isinstance(value, list) else ()
    name = quoted or key
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _comparison(sign: Token, literal: Token) -> Test:
    if sign in _ORDER:
        holds, bound = _ORDER[sign], _decimal(literal)
        return lambda value: isinstance(value, _Number) and holds(_decimal(value), bound)
    is_equal, is_wanted = _equality(literal), sign == "="
    return lambda value: isinstance(value, str) and is_equal(value) is is_wanted


def _equality(literal: Token) -> Test:
    match literal.type:
        case "NUMBER":
            number = _decimal(literal)
            return lambda value: _decimal(value) == number if isinstance(value, _Number) else value == literal
        case "REGEX":
            return _regex(literal)
        case "STRING":
            return _glob(_unquoted(literal))
        case _:
            return _glob(literal)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent that even Decimal cannot hold: as a float it is infinity or zero.
        return Decimal(float(text))


def _unquoted(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text[1:-1])


def _glob(pattern: str) -> Test:
    first, *middle = pattern.split("*")
    if not middle:
        return lambda value: bool(value == pattern)
    last = middle.pop()

    def match(value: str) -> bool:
        position, end = len(first), len(value) - len(last)
        if position > end or not value.startswith(first) or not value.endswith(last):
            return False
        # The leftmost place of each part leaves the most room for the next, so there is no going back.
        for part in middle:
            found = value.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return match


def _regex(token: Token) -> Test:
    start = token.index("%") + 1
    try:
        search = re.compile(token[start:-1], re.ASCII).search
    except re.error as error:
        _refuse(token, f"expected a sound regular expression; found {error.msg}", start + (error.pos or 0))
    return lambda value: search(value) is not None


def _fields(nodes: Sequence[Any]) -> Test:
    gaps = [index for index, node in enumerate(nodes) if isinstance(node, Token)]
    if len(gaps) > 1:
        _refuse(nodes[gaps[1]], "expected ... once; found another")
    gap = gaps[0] if gaps else len(nodes)
    head, tail = ([_field(node) for node in side] for side in (nodes[:gap], nodes[gap + 1 :]))

    def match(message: str) -> bool:
        words = list(_words(message))
        if len(words) < len(head) + len(tail):
            return False
        if not gaps and len(words) > len(head):
            start, _ = words[len(head) - 1]
            words[len(head) - 1 :] = [(start, message[start:].rstrip())]
        values = [_Number(text) if _NUMBER.fullmatch(text) else text for _, text in words]
        chosen = values[: len(head)] + values[len(values) - len(tail) :]
        return all(test(value) for test, value in zip(head + tail, chosen, strict=True))

    return match


def _field(node: Tree[Token]) -> Test:
    names = list(node.scan_values(lambda token: isinstance(token, Token) and token.type == "NAME"))
    for name in names:
        if name != names[0]:
            _refuse(name, f"expected {names[0]} again, or a comma before this; found {name}")
    return _test(node)


def _words(message: str) -> Iterator[tuple[int, str]]:
    """Split at white space, but not within brackets and double quotes; each word with where it begins."""
    # Found out once, so that a line of brackets that never close is not searched again for each of them.
    last = {opening: message.rfind(closing) for opening, closing in _CLOSING.items()}
    position = 0
    while word := _WORD.search(message, position):
        start, text, position = word.start(), word[0], word.end()
        if last.get(text[0], -1) > start:
            position = message.index(_CLOSING[text[0]], start + 1) + 1
            text = message[start + 1 : position - 1]
        yield start, text


def _terms(tokens: Sequence[Any]) -> Test:
    signed: dict[str, list[Test]] = {"": [], "?": [], "-": []}
    for token in tokens:
        sign = token[0] if token[0] in signed else ""
        signed[sign].append(_term(token, sign))
    required, optional, excluded = signed.values()
    if not required and not excluded:
        return lambda message: any(test(message) for test in optional)
    # AWS ignores all terms with a question mark if there is any other.
    return lambda message: (
        all(test(message) for test in required) and not any(test(message) for test in excluded)
    )


def _term(token: Token, sign: str) -> Test:
    if token.type == "EXPRESSION":
        return _regex(token)
    text = token[len(sign) :]
    if token.type == "PHRASE":
        text = _unquoted(text)
        # AWS lets " " return all log events, not only those with a space.
        text = text if text.strip() else ""
    return lambda message: text in message
