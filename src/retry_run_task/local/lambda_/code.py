"""A function's code in `GetFunction`: the URL of a zip, and its digest.

https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCodeLocation.html
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from base64 import b64encode
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.local.lambda_.functions import Function

SNAPSHOTS = "/snapshots/"
"""The prefix of every zip's path, as in AWS."""

# The earliest time that a zip can store.
_TIME = (1980, 1, 1, 0, 0, 0)


def location(function: Function, address: str) -> str:
    """Return the URL of a function's zip; as in AWS, a download needs no signature."""
    return f"http://{address}{SNAPSHOTS}{function.name}"


def digest(function: Function) -> str:
    """Return ``CodeSha256``."""
    return b64encode(hashlib.sha256(content(function)).digest()).decode()


def content(function: Function) -> bytes:
    """Return the zip that holds the handler; of a folder, only the handler's own package or module."""
    return _content(function.python_path, function.handler.partition(".")[0])


@lru_cache(maxsize=8)
def _content(python_path: str, package: str) -> bytes:
    for where in map(Path, python_path.split(os.pathsep)):
        if where.is_file():
            return where.read_bytes()
        if files := _files(where, package):
            return _zipped(files)
    # A function can be described even if its package is missing.
    return _zipped({})


def _files(folder: Path, package: str) -> dict[str, Path]:
    found = [folder / f"{package}.py", *sorted((folder / package).rglob("*"))]
    return {
        one.relative_to(folder).as_posix(): one
        for one in found
        if one.is_file() and one.suffix not in {".pyc", ".zip"}
    }


def _zipped(files: Mapping[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, path in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
