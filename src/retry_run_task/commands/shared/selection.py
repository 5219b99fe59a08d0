"""Which recoveries are meant: by a name or the beginning of one, by a schedule, or all. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.view import BY_HAND, CUT
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retry_run_task.commands.shared.view import RecoveryView

# Enough to tell a night's recoveries apart, and short enough to be typed.
_SHORTEST = 8

_AGAIN = re.compile(r"(.+)(-again-\d+)")
_KIND = re.compile(r"t-|id-|report-\d{8}-")
# Of CloudTrail's events, of tasks, of records without an id, of errors that are only reported.
_LIKE_AN_ID = re.compile(r"[0-9a-f]{4,8}(-[0-9a-f-]*)?(-again-\d+)?|(t|id|report)-.*")


def identity_in(name: str, stack: str) -> str:
    """Return what follows the stack's name in a recovery's name: mostly CloudTrail's event id."""
    return name.removeprefix(f"{stack}-")


def short_ids(names: Iterable[str], stack: str) -> Mapping[str, str]:
    """Return the shortest texts that tell recoveries apart; a person may type them.

    Each is the beginning of an id; one that was started again keeps the end that says so.
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
    """Return how much of an id says something: beyond what all of its kind and day begin with."""
    kind = _KIND.match(identity)
    return kind.end() + _SHORTEST // 2 if kind else _SHORTEST


def _parts(identity: str) -> tuple[str, str]:
    """Return an id, and the end that it has if it was started again: ``-again-1``."""
    found = _AGAIN.fullmatch(identity)
    return (found[1], found[2]) if found else (identity, "")


def is_like_an_id(typed: str) -> bool:
    """Tell whether a text looks like an id or its beginning rather than the name of a schedule."""
    return _LIKE_AN_ID.fullmatch(typed) is not None


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts have in common from their beginning."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def find(typed: str, names: Sequence[str], stack: str) -> str | None:
    """Return the one name that was meant; None if none fits.

    Raises:
        ConfigError: Several fit.
    """
    # A whole id is also the beginning of that of a further try, which ends in `-again-1`.
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
    """Return the recoveries of schedules whose name, or whose task's family, fits one of some globs."""
    return [
        view
        for view in views
        if any(fnmatchcase(name, glob) for name in (_schedule(view), view.family) for glob in globs if name)
    ]
