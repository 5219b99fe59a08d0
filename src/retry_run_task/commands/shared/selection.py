"""Which recoveries are meant: by a name or the beginning of one, by a schedule, or all. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retry_run_task.commands.shared.view import RecoveryView

# Enough to tell a night's recoveries apart, and short enough to be typed.
_SHORTEST = 8


def identity_in(name: str, stack: str) -> str:
    """Return what follows the stack's name in a recovery's name: mostly CloudTrail's event id."""
    return name.removeprefix(f"{stack}-")


def short_ids(names: Iterable[str], stack: str) -> Mapping[str, str]:
    """Return the shortest beginnings of names that tell them apart; a person may type them."""
    whole = {name: identity_in(name, stack) for name in names}
    ids = sorted(set(whole.values()))
    short = {}
    for place, one in enumerate(ids):
        shared = max(
            (_shared(one, other) for other in ids[max(0, place - 1) : place + 2] if other != one), default=0
        )
        short[one] = one[: max(_SHORTEST, shared + 1)]
    return {name: short[one] for name, one in whole.items()}


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
    fitting = sorted({name for name in names if identity_in(name, stack).startswith(typed)})
    if len(fitting) > 1:
        raise ConfigError(
            f"{typed!r} is the beginning of {len(fitting)} recoveries: {', '.join(fitting[:5])}.",
            hint="Give more of the name.",
        )
    return fitting[0] if fitting else None


def of_schedules(views: Iterable[RecoveryView], globs: Sequence[str]) -> list[RecoveryView]:
    """Return the recoveries of schedules whose name, or whose task's family, fits one of some globs."""
    return [
        view
        for view in views
        if any(
            fnmatchcase(name, glob)
            for name in (view.schedule.rstrip("…"), view.family)
            for glob in globs
            if name
        )
    ]
