"""Durations as text, and back."""

from __future__ import annotations

import re

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
    rest = round(seconds)
    parts = []
    for size, unit in _UNITS:
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"


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
