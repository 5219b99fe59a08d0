"""Patterns to replace lists of names that are too long."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def condense(
    names: Iterable[str], fits: Callable[[Sequence[str]], bool], others: Iterable[str] = ()
) -> list[str] | None:
    """Return the names if they fit, else patterns for prefixes of one length, the greatest that fits; or None.

    The part before the last slash of a name is never cut, and a part of the name itself always stays.

    ``fits`` tells whether a list is short enough; ``others`` are names that must not be matched.
    """
    listed, avoided = sorted(set(names)), sorted(set(others))
    if fits(listed):
        return listed
    longest = max((len(name.rpartition("/")[2]) for name in listed), default=0)
    for length in range(longest - 1, 0, -1):
        patterns = _cut(listed, length, avoided)
        if fits(patterns):
            return patterns
    return None


def is_pattern(name: str) -> bool:
    """Tell whether a name is a pattern."""
    return bool({"*", "?"} & set(name))


def matched(patterns: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return the other names that patterns match."""
    real = [one for one in patterns if is_pattern(one)]
    return sorted({name for name in others if any(fnmatchcase(name, pattern) for pattern in real)})


def _cut(names: Sequence[str], length: int, avoided: Sequence[str]) -> list[str]:
    """Return a pattern for those whose names have so many characters in common, and the other names as they are.

    Where a pattern would match what is avoided, those that it is for are cut longer.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        holder, slash, own = name.rpartition("/")
        alike[f"{holder}{slash}{own[:length]}"].append(name)
    patterns: list[str] = []
    for start, group in alike.items():
        if len(group) == 1:
            patterns += group
        elif not _begins(start, avoided):
            patterns.append(f"{start}*")
        else:
            patterns += _cut(group, length + 1, avoided)
    return patterns


def _begins(start: str, names: Sequence[str]) -> bool:
    """Tell whether one of some sorted names begins so."""
    place = bisect_left(names, start)
    return place < len(names) and names[place].startswith(start)
