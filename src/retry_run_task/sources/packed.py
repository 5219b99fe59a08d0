"""A file's bytes to text: plain, packed by gzip as CloudTrail's files are, or in PowerShell's UTF-16."""

from __future__ import annotations

import codecs
import itertools
import zlib
from typing import TYPE_CHECKING

from retry_run_task.sources.reading import ReadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# zlib's window size with 32 added: recognise gzip and zlib headers alike. https://www.zlib.net/manual.html
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_GZIP = b"\x1f\x8b"
_PIECE = 1024 * 1024


def text_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the text in pieces; a byte that is not UTF-8 becomes a lone surrogate, which the JSON reader accepts.

    Raises:
        ReadError: The gzip data is damaged or cut off; all text before that has been yielded.
    """
    decoder: codecs.IncrementalDecoder | None = None
    for piece in _unpacked(chunks):
        if decoder is None:
            is_wide = piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            kind = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8-sig")
            decoder = kind("replace" if is_wide else "surrogateescape")
        if text := decoder.decode(piece):
            yield text
    if decoder is not None and (text := decoder.decode(b"", final=True)):
        yield text


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pieces = (chunk for chunk in chunks if chunk)
    head = next(pieces, b"")
    while 0 < len(head) < len(_GZIP) and (more := next(pieces, b"")):
        head += more
    if not head:
        return
    if not head.startswith(_GZIP):
        yield head
        yield from pieces
        return
    stream, is_open = zlib.decompressobj(wbits=_GZIP_OR_ZLIB), False
    for piece in itertools.chain([head], pieces):
        packed = piece if is_open else piece.lstrip(b"\0")
        while packed:
            is_open = True
            try:
                unpacked = stream.decompress(packed, _PIECE)
            except zlib.error:
                raise ReadError("its compressed text is damaged") from None
            if unpacked:
                yield unpacked
            packed = stream.unconsumed_tail
            if stream.eof:
                # Another member may follow, or zeros that pad a block.
                packed, is_open = stream.unused_data.lstrip(b"\0"), False
                stream = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    if is_open:
        raise ReadError("its compressed text is cut off")
