"""Lengths of time as a person says them."""

from __future__ import annotations

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def spoken(seconds: float) -> str:
    """Return the two largest units, such as ``6 h 5 min``.

    >>> spoken(0), spoken(59.6), spoken(61), spoken(21900), spoken(86400)
    ('0 s', '1 min', '1 min 1 s', '6 h 5 min', '1 d')
    """
    rest = round(seconds)
    parts = []
    for size, unit in _UNITS:
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"
