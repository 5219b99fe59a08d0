"""Durations as text, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SECONDS = {unit: size for size, unit in _UNITS}

PATTERN = r"^\d+ ?(d|h|min|s)( \d+ ?(d|h|min|s))*$"
"""The texts that ``seconds`` reads, as a regular expression for JSON Schema."""

_WHOLE = re.compile(PATTERN)
_PART = re.compile(r"(\d+) ?(d|h|min|s)")


def duration_text(seconds: float) -> str:
    """Return the two largest units, such as ``6 h 5 min``.

    >>> [duration_text(s) for s in (0, 59.6, 61, 21900, 86400)]
    ['0 s', '1 min', '1 min 1 s', '6 h 5 min', '1 d']
    """
    return largest_units(seconds, [unit for _, unit in _UNITS])


def largest_units(seconds: float, names: Sequence[str]) -> str:
    """Return the two largest units under these names of days, hours, minutes and seconds."""
    rest = round(seconds)
    parts = []
    for (size, _), name in zip(_UNITS, names, strict=True):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {name}")
    return " ".join(parts[:2]) or f"0 {names[-1]}"


def seconds(text: str) -> int:
    """Read a duration such as ``6 h``, ``90 s`` or ``1 h 30 min``.

    >>> seconds("6 h"), seconds("1 h 30 min"), seconds("90s")
    (21600, 5400, 90)

    Raises:
        ValueError: The text is no duration.
    """
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is not a length of time; expected one such as '90 s', '6 h' or '1 h 30 min'"
        )
    return sum(int(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
