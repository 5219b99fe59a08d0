"""Chooses recoveries: by a name or the beginning of one, by a schedule, or all. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.view import BY_HAND, CUT
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retry_run_task.commands.shared.view import RecoveryView

# Enough to tell a night's recoveries apart, and short enough to type.
_SHORTEST = 8

_AGAIN = re.compile(r"(.+)(-again-\d+)")
_KIND = re.compile(r"t-|id-|report-\d{8}-")
# Of CloudTrail's events, of tasks, of records without an id, of errors that are only reported.
_LIKE_AN_ID = re.compile(r"[0-9a-f]{4,8}(-[0-9a-f-]*)?(-again-\d+)?|(t|id|report)-.*")


def identity_in(name: str, stack: str) -> str:
    """Return the part of a recovery's name after the stack's: usually CloudTrail's event id."""
    return name.removeprefix(f"{stack}-")


def short_ids(names: Iterable[str], stack: str) -> Mapping[str, str]:
    """Return the shortest unique texts for recoveries, for a user to type.

    Each is the beginning of an id; one that was started again keeps its suffix.
    """
    parts = {name: _parts(identity_in(name, stack)) for name in names}
    ids = sorted({base for base, _ in parts.values()})
    short = {}
    for place, one in enumerate(ids):
        shared = max(
            (_shared(one, other) for other in ids[max(0, place - 1) : place + 2] if other != one), default=0
        )
        short[one] = one[: max(_shortest(one), shared + 1)]
    return {name: short[base] + again for name, (base, again) in parts.items()}


def _shortest(identity: str) -> int:
    """Return the length of the prefix that all ids of its kind and day share."""
    kind = _KIND.match(identity)
    return kind.end() + _SHORTEST // 2 if kind else _SHORTEST


def _parts(identity: str) -> tuple[str, str]:
    """Return an id, and the suffix of one that was started again: ``-again-1``."""
    found = _AGAIN.fullmatch(identity)
    return (found[1], found[2]) if found else (identity, "")


def is_like_an_id(typed: str) -> bool:
    """Tell whether a text looks like an id or its beginning rather than the name of a schedule."""
    return _LIKE_AN_ID.fullmatch(typed) is not None


def _shared(one: str, other: str) -> int:
    """Return the length of the common prefix of two texts."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def find(typed: str, names: Sequence[str], stack: str) -> str | None:
    """Return the one matching name; None if none matches.

    Raises:
        ConfigError: Several match.
    """
    # A whole id is also the beginning of a further try's id, which ends in `-again-1`.
    whole = [name for name in names if typed in (name, identity_in(name, stack))]
    if whole:
        return whole[0]
    base, again = _parts(identity_in(typed, stack))
    parts = {name: _parts(identity_in(name, stack)) for name in names}
    fitting = sorted(name for name, (one, end) in parts.items() if one.startswith(base) and end == again)
    if len(fitting) > 1:
        raise ConfigError(
            f"{typed!r} is the beginning of {len(fitting)} recoveries: {', '.join(fitting[:5])}.",
            hint="Give more of the name.",
        )
    return fitting[0] if fitting else None


def of_name(views: Iterable[RecoveryView], typed: str) -> list[RecoveryView]:
    """Return the recoveries of a schedule, of a task definition's family, or of a task by its ARN or id."""
    return [
        view
        for view in views
        if typed in (_schedule(view), view.family)
        or (view.schedule.endswith(CUT) and typed.startswith(_schedule(view)))
        or any(typed in (arn, arn.rsplit("/", 1)[-1]) for arn in view.task_arns)
    ]


def _schedule(view: RecoveryView) -> str:
    return view.schedule.removesuffix(BY_HAND).rstrip(CUT)


def of_schedules(views: Iterable[RecoveryView], globs: Sequence[str]) -> list[RecoveryView]:
    """Return the recoveries whose schedule's name, or task's family, matches one of some globs."""
    return [
        view
        for view in views
        if any(fnmatchcase(name, glob) for name in (_schedule(view), view.family) for glob in globs if name)
    ]
