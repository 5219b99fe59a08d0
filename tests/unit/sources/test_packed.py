"""A file's bytes become the same text however they come in pieces, and what is damaged costs only what follows it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator

import pytest

from retry_run_task.sources.packed import text_of
from retry_run_task.sources.reading import ReadError

MIB = 1024 * 1024
ONE, TWO = (gzip.compress(word.encode(), mtime=0) for word in ("one", "two"))
PAD = b"\0" * 9


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read(chunks: Iterable[bytes]) -> tuple[str, str]:
    """Return the text, and why it ends before the file does."""
    found: list[str] = []
    try:
        found.extend(text_of(chunks))
    except ReadError as error:
        return "".join(found), str(error)
    return "".join(found), ""


DAMAGED, CUT_OFF = "its compressed text is damaged", "its compressed text is cut off"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize(
    ("data", "text", "why"),
    [
        (b"", "", ""),
        (b"x", "x", ""),
        ("夜".encode(), "夜", ""),
        ("\ufeff夜".encode(), "夜", ""),
        ("夜".encode("utf-16"), "夜", ""),
        (b"\xfe\xff" + "夜x".encode("utf-16-be"), "夜x", ""),
        # Bytes that are no text: PowerShell's are replaced, others become half of a character each.
        ("x".encode("utf-16") + b"\xd8", "x\ufffd", ""),
        (b"\xff\xfe\x00\xd8x\0", "\ufffdx", ""),
        (b"x\xffy", "x\udcffy", ""),
        (b"x\xe5\xa4", "x\udce5\udca4", ""),
        # The first byte of gzip's two alone, and zeros that nothing follows.
        (b"\x1f", "\x1f", ""),
        (b"\x1fx", "\x1fx", ""),
        (b"\0\0", "\0\0", ""),
        (ONE, "one", ""),
        (ONE + TWO, "onetwo", ""),
        (ONE + PAD, "one", ""),
        (ONE + PAD + TWO + PAD, "onetwo", ""),
        (ONE + zlib.compress(b"two"), "onetwo", ""),
        (gzip.compress(b"", mtime=0) + TWO, "two", ""),
        (ONE[:-1], "one", CUT_OFF),
        (ONE[:10], "", CUT_OFF),
        (b"\x1f\x8b", "", CUT_OFF),
        (ONE + TWO[:-8], "onetwo", CUT_OFF),
        (ONE + b"\xff\xff", "one", DAMAGED),
        (ONE + b"XX", "one", DAMAGED),
        (b"\x1f\x8bxx", "", DAMAGED),
        (ONE[:-5] + b"\xff" * 5, "one", DAMAGED),
    ],
)
def test_bytes_become_text(data: bytes, text: str, why: str, size: int) -> None:
    if size == 1 and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        # The mark of UTF-16 is two bytes, and the first piece of a file is longer.
        size = 2
    found, ends = read(pieces(data, size))
    assert ends == why
    # How much a damaged file gives depends on where a piece ends.
    assert found == text or (why and text.startswith(found))


def test_empty_pieces_are_none() -> None:
    assert read([b"", b"\x1f", b"", b"\x8b", b"", ONE[2:], b"", b"\0", b"", TWO]) == ("onetwo", "")
    assert read([b"", b""]) == ("", "")
    assert list(text_of([b"ab", b"", b"c"])) == ["ab", "c"]


def test_what_is_read_before_the_damage_is_kept() -> None:
    assert read([ONE, b"\xff\xff"]) == ("one", DAMAGED)
    assert read([ONE, TWO[:-8]]) == ("onetwo", CUT_OFF)


def test_a_file_is_unpacked_in_pieces_of_a_mebibyte() -> None:
    packed = gzip.compress(b"x" * (3 * MIB + 5), mtime=0)
    assert [len(piece) for piece in text_of([packed])] == [MIB, MIB, MIB, 5]
