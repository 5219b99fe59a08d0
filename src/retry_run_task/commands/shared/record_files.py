"""Reads files of records: several, folders, standard input, with a progress bar on stderr for large ones."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from retry_run_task.launch.values import Unparsed
from retry_run_task.sources.reading import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")

FILES = click.Path(exists=True, allow_dash=True, path_type=Path)
"""The type of an argument that names a file, a folder or, as ``-``, standard input."""

# How many unreadable parts are named.
_SHOWN = 10

_CHUNK = 256 * 1024
# Smaller files are read in less than a second and need no bar.
_LARGE = 8 * 1024 * 1024


def read(
    paths: Sequence[Path], parse: Callable[[Iterable[bytes]], Iterator[T | Unparsed]]
) -> Iterator[T | Unparsed]:
    """Yield a parser's results for each file; unreadable parts are named with their file.

    Paths are files, folders with all that is in them, and ``-``. ``parse`` gets a file in pieces, so that none has to
    fit into memory.
    """
    files = [file for path in paths for file in _files(path)]
    with _bar(files) as advance:
        for file in files:
            for one in parse(_chunks(file, advance)):
                yield _named(one, file) if isinstance(one, Unparsed) else one


class UnreadParts:
    """What could not be read: how much, and the first parts by name."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[Unparsed] = []

    def noting(self, found: Iterable[T | Unparsed]) -> Iterator[T | Unparsed]:
        """Yield everything, and record what could not be read."""
        for one in found:
            if isinstance(one, Unparsed):
                self.count += 1
                if len(self._first) < _SHOWN:
                    self._first.append(one)
            yield one

    def lines(self) -> Iterator[str]:
        """Yield the lines that report it; none if everything could be read."""
        for one in self._first:
            yield f"Not readable, {one.where or 'the file'}: {one.why}."
        if self.count > 1:
            yield f"{self.count:,} parts could not be read, and are left out."


def _named(one: Unparsed, file: Path) -> Unparsed:
    name = "" if str(file) == "-" else str(file)
    return replace(one, where=", ".join(part for part in (name, one.where) if part) or None)


def _files(path: Path) -> list[Path]:
    if str(path) == "-" or not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.is_file() and not _is_hidden(one.relative_to(path)))
    if not found:
        raise click.UsageError(f"{path} holds no file.")
    return found


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def _chunks(file: Path, advance: Callable[[int], None]) -> Iterator[bytes]:
    try:
        with click.open_file(str(file), "rb") as stream:
            while chunk := stream.read(_CHUNK):
                advance(len(chunk))
                yield chunk
    except OSError as error:
        raise ReadError(f"it cannot be read: {error.strerror}") from None


@contextmanager
def _bar(files: Sequence[Path]) -> Iterator[Callable[[int], None]]:
    total = sum(file.stat().st_size for file in files if str(file) != "-")
    if not sys.stderr.isatty() or total < _LARGE:
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - small files are read without it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task("records", total=total)
        yield lambda size: bar.advance(task, size)
