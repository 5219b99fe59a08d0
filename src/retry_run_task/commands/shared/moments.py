"""Relative times for a table: in 40 s, 3 min ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

# The least number of seconds for each unit.
_UNITS = ((36 * 3600, 86400, "d"), (90 * 60, 3600, "h"), (90, 60, "min"), (0, 1, "s"))
_LONGEST_BACK = timedelta(days=90)


def brief(seconds: float) -> str:
    """Return a duration in one unit.

    >>> brief(40), brief(89.6), brief(200), brief(8000), brief(200_000)
    ('40 s', '2 min', '3 min', '2 h', '2 d')
    """
    whole = round(max(0.0, seconds))
    size, unit = next((size, unit) for least, size, unit in _UNITS if whole >= least)
    return f"{round(whole / size)} {unit}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a time is."""
    return f"{brief((now - moment).total_seconds())} ago"


def ahead(moment: datetime | None, now: datetime) -> str:
    """Return how far ahead a time is; a dash if there is none."""
    if moment is None:
        return "-"
    seconds = (moment - now).total_seconds()
    return "now" if seconds < 1 else f"in {brief(seconds)}"


def clock(moment: datetime) -> str:
    """Return a time in full."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


class TimeParam(click.ParamType):  # type: ignore[type-arg] # older versions of click have no argument here
    """A time on the command line: how long ago, such as 6h, or one such as 2026-11-24T00:00:00Z."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, in UTC."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        units = {"m": "minutes", "h": "hours", "d": "days"}
        now = datetime.now(UTC)
        if text[:-1].isdecimal() and text[-1:] in units:
            back = min(int(text[:-1]), 10**6)
            return max(now - timedelta(**{units[text[-1]]: back}), now - _LONGEST_BACK)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is not a time; expected how long ago (30m, 6h, 2d) or a time such as "
                "2026-11-24T00:00:00Z.",
                param,
                ctx,
            )
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
