"""A file is read to its end in the memory of one value, and what cannot be read costs no neighbour."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.launch.values import Unparsed
from retry_run_task.sources.json_stream import _NEXT, Found, _Window, values

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD = "bad"


def seen(content: str | bytes, size: int = 7) -> list[Any]:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    chunks = (data[i : i + size] for i in range(0, len(data), size))
    return [BAD if isinstance(one, Unparsed) else one.body for one in values(chunks)]


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # Every form a file has.
        ('{"a": 1}', [{"a": 1}]),
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ('{"a": 1}{"a": 2}', [{"a": 1}, {"a": 2}]),
        ('{\n  "a": 1\n}\n{\n  "a": 2\n}', [{"a": 1}, {"a": 2}]),
        ('{"Records": [{"a": 1}, {"b": 2}], "x": 3}', [{"a": 1}, {"b": 2}]),
        ('{"x": 3, "Events": [{"a": 1}]}', [{"a": 1}]),
        ('{"tasks": [{"a": 1}], "failures": [{"b": 2}]}', [{"a": 1}, {"b": 2}]),
        (
            '2026-07-15T02:11:18.5+00:00 a/b[$LATEST]c {"a": 1}\n2026-07-15T02:11:19Z s {"a": 2}',
            [{"a": 1}, {"a": 2}],
        ),
        ('{"Records": []}', []),
        ("[]", []),
        ("\ufeff[7]", [7]),
        ('{"a": 1}'.encode("utf-16"), [{"a": 1}]),
        (gzip.compress(b'{"a": 1}', mtime=0), [{"a": 1}]),
        (
            gzip.compress(b'{"a": 1}', mtime=0) + gzip.compress(b'{"b": 2}', mtime=0) + b"\0" * 9,
            [{"a": 1}, {"b": 2}],
        ),
        # Nothing, and what is not JSON at all.
        ("", [BAD]),
        (" \n", [BAD]),
        ("not json", [BAD]),
        ("not\njson\n", [BAD]),
        # One part cannot be read, and its neighbours can.
        ('{"Records": [{"a": 1}, {"b": ,}, {"c": 3}]}', [{"a": 1}, BAD, {"c": 3}]),
        ('[{"a": 1}, {"b": tru}, {"c": 3}]', [{"a": 1}, BAD, {"c": 3}]),
        ('[{"a": 1}, x, {"c": 3}]', [{"a": 1}, BAD, {"c": 3}]),
        ('[{"a": 1, "a": 2}, {"c": 3}]', [BAD, {"c": 3}]),
        ('[{"a": NaN}, {"c": 3}]', [BAD, {"c": 3}]),
        ('[{"a": "b}, {"c": "3"}, {"d": 4}]', [BAD, {"c": "3"}, {"d": 4}]),
        ('{"a": 1}\n{"b": "x\n{"c": 3}\n', [{"a": 1}, BAD, {"c": 3}]),
        ('{"a": 1}\n{"b": 2\n{"c": 3}\n', [{"a": 1}, BAD, {"c": 3}]),
        ('{"a": 1}\nWARNING: x\n{"c": 3}\n', [{"a": 1}, BAD, {"c": 3}]),
        ('{"Records": [{"a": ,}]}\n{"Records": [{"c": 3}]}\n', [BAD, {"c": 3}]),
        (b'{"a": "\xff"}\n{"c": 3}', [BAD, {"c": 3}]),
        # The end is missing.
        ('{"Records": [{"a": 1}, {"b": 2', [{"a": 1}, BAD]),
        ('{"Records": [{"a": 1}', [{"a": 1}, BAD]),
        ('[{"a": 1}, ', [{"a": 1}, BAD]),
        ('{"a": 1}\n{"b"', [{"a": 1}, BAD]),
        (gzip.compress(b'{"a": 1}\n' * 3, mtime=0)[:-8], [{"a": 1}, {"a": 1}, {"a": 1}, BAD]),
        (b"\x1f\x8b\x08\0garbage", [BAD]),
        ("[" * 5000, [BAD]),
        ("9" * 5000, [BAD]),
    ],
)
def test_a_file_is_read_to_its_end(content: str | bytes, expected: list[Any], size: int) -> None:
    found = seen(content, size)
    if expected and expected[-1] is BAD:
        # What ends too early may be named more than once.
        while len(found) > len(expected) and found[-2:] == [BAD, BAD]:
            found.pop()
    assert found == expected


NOT_JSON = "it is not JSON; expected what the AWS CLI prints with --output json"
CUT_OFF = "it is cut off"
MIB = 1024 * 1024


def told(content: str | bytes, size: int = 7) -> list[tuple[Any, ...]]:
    """Return what is said of each value: its position, and why it cannot be read, or what it is and stands in."""
    data = content if isinstance(content, bytes) else content.encode()
    chunks = (data[i : i + size] for i in range(0, len(data), size))
    return [
        (one.where, one.why) if isinstance(one, Unparsed) else (one.where, one.body, one.member, one.around)
        for one in values(chunks)
    ]


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", [(None, "it is empty")]),
        (" \n, \n", [(None, "it is empty")]),
        ("not json", [("record 1", NOT_JSON)]),
        ('x\n{"a":1}', [("record 1", NOT_JSON), ("record 2", {"a": 1}, None, {})]),
        ("9" * 5000, [("record 1", NOT_JSON)]),
        # Text before a message: at most four words.
        ('2026 a/b[$LATEST]c x=1 d {"a":1}', [("record 1", {"a": 1}, None, {})]),
        ('a b c d e {"a":1}', [("record 1", NOT_JSON)]),
        ('{"a":1} {"b":2}', [("record 1", {"a": 1}, None, {}), ("record 2", {"b": 2}, None, {})]),
        ('}]:{"a":1}', [("record 1", {"a": 1}, None, {})]),
        # Lists and their envelopes.
        (
            '{"tasks":[{"a":1}],"x":2,"failures":[3,[4]]}',
            [
                ("record 1", {"a": 1}, "tasks", {"x": 2}),
                ("record 2", 3, "failures", {"x": 2}),
                ("record 3", [4], "failures", {"x": 2}),
            ],
        ),
        ('{"Records":[1],"Events":3}', [("record 1", 1, "Records", {"Events": 3})]),
        ('{"Records":7}', [("record 1", {"Records": 7}, None, {})]),
        (
            '{"taskArn":"t","tasks":[{"a":1}]}',
            [("record 1", {"taskArn": "t", "tasks": [{"a": 1}]}, None, {})],
        ),
        # An envelope whose list has something unreadable is read member by member, in order.
        (
            '{"owner":"1","logEvents":[{"m":1},{"m":,},{"m":3}],"x":2}',
            [
                ("record 1", {"m": 1}, "logEvents", {"owner": "1", "x": 2}),
                ("record 2", "it is not JSON at its character 5"),
                ("record 3", {"m": 3}, "logEvents", {"owner": "1", "x": 2}),
            ],
        ),
        (
            '{"Records":[{"a":1},{"b":"c":,"d":[1]}],"Events":[2]}\n{"e":3}',
            [
                ("record 1", {"a": 1}, "Records", {}),
                ("record 2", "it is not JSON at its character 8"),
                ("record 3", 2, "Events", {}),
                ("record 4", {"e": 3}, None, {}),
            ],
        ),
        ('{"x":1,"x":2,"Records":[{"a":1}]}', [("record 1", "it is no JSON object")]),
        ('{"x":tru,"Records":[{"a":1}]}', [("record 1", "it is not JSON at its character 0")]),
        # Parts that cannot be read, and their neighbours.
        (
            '[{"a":1},x,{"c":3}]',
            [
                ("record 1", {"a": 1}, None, {}),
                ("record 2", "it is not JSON at its character 0"),
                ("record 3", {"c": 3}, None, {}),
            ],
        ),
        (
            '[{"b":{"c":[}]},{"d":4}]',
            [("record 1", "it is not JSON at its character 11"), ("record 2", {"d": 4}, None, {})],
        ),
        (
            '[{"a": "b}, {"c": "3"}, {"d": 4}]',
            [
                ("record 1", "it is not JSON at its character 13"),
                ("record 2", {"c": "3"}, None, {}),
                ("record 3", {"d": 4}, None, {}),
            ],
        ),
        (
            b'[{"a": "\xff"},{"c": 3}]',
            [("record 1", "it holds bytes that are not UTF-8"), ("record 2", {"c": 3}, None, {})],
        ),
        (
            b'{"a": "\xff"}{"c": 3}',
            [("record 1", "it holds bytes that are not UTF-8"), ("record 2", {"c": 3}, None, {})],
        ),
        (
            '[{"a": 1, "a": 2}, {"c": 3}]',
            [
                ("record 1", "an object in it has the name 'a' twice, so its meaning is uncertain"),
                ("record 2", {"c": 3}, None, {}),
            ],
        ),
        (
            f'[{"9" * 5000},{{"a":1}}]',
            [("record 1", "it holds a number with too many digits"), ("record 2", {"a": 1}, None, {})],
        ),
        (
            '{"a":{"b":1}}{"c":tru}{"d":1}',
            [
                ("record 1", {"a": {"b": 1}}, None, {}),
                ("record 2", "it is not JSON at its character 5"),
                ("record 3", {"d": 1}, None, {}),
            ],
        ),
        # A bracket that is left open in its line takes no other line with it.
        (
            '{\n{"z":9}\n}',
            [("record 1", "it is not JSON at its character 2"), ("record 2", {"z": 9}, None, {})],
        ),
        (
            'tru\n{\n{"z":9}\n}\n',
            [
                ("record 1", NOT_JSON),
                ("record 2", "it is not JSON at its character 2"),
                ("record 3", {"z": 9}, None, {}),
            ],
        ),
        ('{\n\n{"c": 2,]{ ]}', [("record 1", "it is not JSON at its character 3")]),
        # An object whose next line looks like one is passed over whole, also where it is not the first.
        (
            '{"z":9}\n{"c":\n{"x":1}, "y": tru}\n{"e":1}',
            [
                ("record 1", {"z": 9}, None, {}),
                ("record 2", "it is not JSON at its character 20"),
                ("record 3", {"e": 1}, None, {}),
            ],
        ),
        # Only a list under a name that AWS gives one holds records.
        (
            '{"tasks":7,"x":[5],"Records":[{"a":,},{"b":2}]}',
            [
                ("record 1", "it is not JSON at its character 5"),
                ("record 2", {"b": 2}, "Records", {"tasks": 7, "x": [5]}),
            ],
        ),
        (
            f'{{"c":{"[" * 100_000}\n{{"e":1}}',
            [("record 1", "it is nested too deeply"), ("record 2", {"e": 1}, None, {})],
        ),
        ('{x:1,"Records":[{"a":1}]}', [("record 1", "it is no JSON object")]),
        (
            '{"Records":[[1,tru],{"c":3}]}',
            [("record 1", "it is not JSON at its character 3"), ("record 2", {"c": 3}, "Records", {})],
        ),
        (
            b'[{"c": 3},{"a": "\xff"}]',
            [("record 1", {"c": 3}, None, {}), ("record 2", "it holds bytes that are not UTF-8")],
        ),
        (
            '[{"b":,},{"c":,},{"d":1}]',
            [
                ("record 1", "it is not JSON at its character 5"),
                ("record 2", "it is not JSON at its character 5"),
                ("record 3", {"d": 1}, None, {}),
            ],
        ),
        # A broken line that holds a list is one broken line.
        (
            '{"x":"y,"Records":[{"a":1}]}\n{"c":3}',
            [("record 1", "it is not JSON at its character 9"), ("record 2", {"c": 3}, None, {})],
        ),
        (
            '{"c":tru,\n"d":1}\n{"e":1}',
            [("record 1", "it is not JSON at its character 5"), ("record 2", {"e": 1}, None, {})],
        ),
        (
            '{"c":"x\n{"e":1}\n{"f":2}',
            [
                ("record 1", "it is not JSON at its character 7"),
                ("record 2", {"e": 1}, None, {}),
                ("record 3", {"f": 2}, None, {}),
            ],
        ),
        # The end is missing, which is said once.
        (
            '["abc {x:,1234567890123} ',
            [("record 1", CUT_OFF), ("record 2", "it is not JSON at its character 1")],
        ),
        ('[{"a": 1}, ', [("record 1", {"a": 1}, None, {}), ("the rest", CUT_OFF)]),
        ('[{"a": 1}, {"b": [2', [("record 1", {"a": 1}, None, {}), ("record 2", CUT_OFF)]),
        ('{"a": 1}\n{"b"', [("record 1", {"a": 1}, None, {}), ("record 2", CUT_OFF)]),
        ('{"Records": [{"a": 1}', [("record 1", {"a": 1}, "Records", {}), ("the rest", CUT_OFF)]),
        (
            '{"Records": [{"a": 1}],"y"',
            [("record 1", {"a": 1}, "Records", {}), ("the rest", "it is no JSON object")],
        ),
        (
            gzip.compress(b'{"a": 1}\n' * 2, mtime=0)[:-8],
            [
                ("record 1", {"a": 1}, None, {}),
                ("record 2", {"a": 1}, None, {}),
                ("the rest", "its compressed text is cut off"),
            ],
        ),
    ],
)
def test_what_is_said_of_each_value(content: str | bytes, expected: list[Any], size: int) -> None:
    assert told(content, size) == expected


@pytest.mark.parametrize("size", [4999, 5000, 5001, 5002, 5003, 10_000])
@pytest.mark.parametrize("between", ["\n", "\r\n", "\n \n"])
def test_a_long_line_costs_none_of_what_follows_wherever_a_piece_ends(size: int, between: str) -> None:
    found = told(f'{"x" * 5000}{between}{{"c":3}}', size)
    assert found == [("record 1", NOT_JSON), ("record 2", {"c": 3}, None, {})]


@pytest.mark.parametrize(
    ("text", "is_skipped_by_lines"), [("x" * 100, True), ("x" * 60_000, True), ("x" * 66_000, False)]
)
def test_what_cannot_be_read_is_skipped_by_lines_unless_its_line_is_long(
    text: str, is_skipped_by_lines: bool
) -> None:
    found = seen(f'{{"a":tru,"q":"{text}","b":\n{{"x":1}}}}\n{{"e":1}}', 10_000)
    assert found == [BAD, *([{"x": 1}] if is_skipped_by_lines else []), {"e": 1}]


def test_a_long_value_is_read_and_one_that_no_aws_writes_is_not() -> None:
    """An object of more than a mebibyte is read member by member; its members have up to eight."""
    text = "x" * (3 * MIB + 9)
    assert told(f'{{"q":"{text}","Records":[{{"c":3}}]}}', 64 * 1024) == [
        ("record 1", {"c": 3}, "Records", {"q": text})
    ]
    assert told(f'{{"q":"{text}"}}\n{{"c":3}}', 64 * 1024) == [
        ("record 1", {"q": text}, None, {}),
        ("record 2", {"c": 3}, None, {}),
    ]
    # A piece ends within the name of the next member.
    assert [
        (one.body, one.member)
        for one in values([f'{{"q":"{text}","Rec'.encode(), b'ords":[{"c":3}]}'])
        if isinstance(one, Found)
    ] == [({"c": 3}, "Records")]
    longer = f'[{{"q":"{"x" * 13 * MIB}"}}]'.encode()
    first = next(values(longer[at : at + 3 * MIB] for at in range(0, len(longer), 3 * MIB)))
    assert isinstance(first, Unparsed)
    assert (first.where, first.why) == (
        "record 1",
        "it has more than 8 MB, and no record of AWS's has",
    )


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("place", ['x}, {"a"', 'x}\n ,\t{ "a"', 'x\n{"a"', "x\r\n [1"])
def test_a_place_to_resume_is_found_wherever_a_piece_ends(place: str, size: int) -> None:
    window = _Window(iter([place[at : at + size] for at in range(0, len(place), size)]))
    window.skip_to(_NEXT)
    assert window.peek() in ("{", "[")
    window.reach(len(place))
    assert window.text[window.at :].lstrip() == place[place.index(window.peek()) :]


@pytest.mark.parametrize("size", range(1, 30))
def test_brackets_are_matched_wherever_a_piece_ends(size: int) -> None:
    text = 'xx{"a":[1,2],"b":{"}":"]"}} ,Z'
    for is_whole, rest in ((True, "Z"), (False, "{")):
        given = text if is_whole else text[:-4]
        window = _Window(iter([given[at : at + size] for at in range(0, len(given), size)]))
        window.reach(3)
        window.at = 2
        assert window.skip_brackets() is is_whole
        assert window.peek() == rest


def test_what_stands_where_is_said() -> None:
    found = list(values([b'{"owner": "1", "logEvents": [{"m": 1}, {"m": ,}, {"m": 3}]}']))
    assert [one.where for one in found] == ["record 1", "record 2", "record 3"]
    (first, bad, last) = found
    assert isinstance(first, Found)
    assert isinstance(bad, Unparsed)
    assert isinstance(last, Found)
    assert (first.member, first.around) == ("logEvents", {"owner": "1"})
    assert "not JSON" in bad.why


OBJECTS = st.lists(
    st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.text(max_size=6), max_size=3)
)
LINES = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(objects=OBJECTS, size=st.integers(1, 50), form=st.sampled_from(["list", "lines", "records"]))
def test_how_a_file_comes_in_pieces_does_not_matter(objects: list[Any], size: int, form: str) -> None:
    texts = [json.dumps(one) for one in objects]
    content = {
        "list": f"[{','.join(texts)}]",
        "lines": "\n".join(texts),
        "records": f'{{"Records": [{", ".join(texts)}]}}',
    }[form]
    plain = [{str(k): v for k, v in one.items()} for one in objects]
    expected = plain if content else [BAD]
    # An object that AWS gives a list under is one itself.
    assert seen(content, size) == expected


@given(content=st.binary(max_size=60) | LINES.map(str.encode), size=st.integers(1, 60))
def test_nothing_makes_it_raise_or_stand_still(content: bytes, size: int) -> None:
    assert seen(content, size) is not None


@given(objects=st.lists(st.just({"a": "b"}), min_size=1, max_size=5), garbage=LINES, at=st.integers(0, 5))
def test_a_line_of_anything_costs_no_other_line(objects: list[Any], garbage: str, at: int) -> None:
    lines = [json.dumps(one) for one in objects]
    line = garbage.replace("\n", " ").replace("\r", " ")
    lines.insert(min(at, len(lines)), f'x {line}"')
    assert seen("\n".join(lines)).count({"a": "b"}) == len(objects)


def trail(records: int) -> Iterator[bytes]:
    yield b'{"Records":['
    body = json.dumps({"eventName": "RunInstances", "x": "y" * 900}).encode()
    for number in range(records):
        yield (b"," if number else b"") + body
    yield b"]}"


def test_a_trail_file_of_any_size_takes_the_memory_of_some_records() -> None:
    """20 MB here; the same holds for more, since nothing of it is kept."""
    tracemalloc.start()
    count = sum(1 for _ in values(trail(20_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 8 * 1024 * 1024


PIECES = [
    *(
        b"[",
        b"{",
        b'"',
        b'{"a":',
        b"x ",
        b"\n",
        b'{"Records":[',
        b"\\",
        b"1",
        b"}{",
        b"{x}",
        b"{x}\n",
        b"[{x},",
    ),
    *(b'{"a" 1}', b'{"Records":[x', b'{"a":1,"a":2}', b'"{', b'{"a":"b}\n'),
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_file_made_to_be_slow_is_not(piece: bytes) -> None:
    """In the processor's time, since others may use the machine: four times the file takes no sixteen times as long."""
    small, large = (taken(piece * (size // len(piece))) for size in (16 * 1024, 64 * 1024))
    assert large < max(3.0, 8 * small)


def taken(content: bytes) -> float:
    began = time.process_time()
    assert sum(1 for _ in values(content[i : i + 4096] for i in range(0, len(content), 4096))) >= 1
    return time.process_time() - began
