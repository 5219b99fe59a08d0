"""When a rule or schedule is due: EventBridge's ``cron(...)``, ``rate(...)`` and ``at(...)``.

    cron(0 9 ? * MON-FRI *)       minutes hours day-of-month month day-of-week year
    rate(5 minutes)
    at(2026-11-24T00:00:00)

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html

Nothing here reads the time. Every answer is in UTC. Where AWS's pages are silent, the interpretation is documented at
the code that decides it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from aws_croniter import AwsCroniter  # type: ignore[import-untyped] # the package ships no types

RATE = re.compile(r"rate\(([0-9]+)\s+(minute|hour|day)s?\)")
_RULES_RATE = re.compile(r"rate\((?:1\s+(?:minute|hour|day)|(?!1\s)[0-9]+\s+(?:minute|hour|day)s)\)")
CRON = re.compile(r"cron\((.*)\)")
AT = re.compile(r"at\(\s*([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\s*\)")
FIRST_YEAR, LAST_YEAR = 1970, 2199
FIELDS = 6
MINUTE = timedelta(minutes=1)


def check_expression(expression: str, timezone: str = "UTC", *, is_rules: bool = False) -> None:
    """Raise if AWS would refuse an expression or a time zone.

    A rule's rate (``is_rules``) has the unit in the singular after 1 and else in the plural:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rate-expressions.html

    Raises:
        ValueError: AWS would refuse it; the message says why.
    """
    _schedule(expression)
    _zone(timezone)
    if is_rules and RATE.fullmatch(expression) and not _RULES_RATE.fullmatch(expression):
        raise ValueError(
            f"{expression!r} is not a rate of a rule; expected one like rate(1 hour) or rate(5 hours)"
        )


def next_due(
    expression: str,
    *,
    after: datetime,
    timezone: str = "UTC",
    start: datetime | None = None,
    end: datetime | None = None,
) -> datetime | None:
    """Return the first due time after ``after``, or None if there is none.

    Args:
        expression: As the rule or schedule has it.
        after: An aware datetime; a due time equal to it does not count.
        timezone: A name of the IANA database, in which ``cron`` and ``at`` are read.
        start: The schedule's StartDate, itself a due time of a rate. None: a rate counts from ``after``.
        end: The schedule's EndDate; a due time equal to it counts, since invocations "might stop on, or before"
            it: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html

    Raises:
        ValueError: The expression or the time zone is one that AWS would refuse.
    """
    schedule, zone = _schedule(expression), _zone(timezone)
    after = _utc(after, "after")
    if isinstance(schedule, datetime):
        # "EventBridge Scheduler ignores the StartDate and EndDate" of a one-time schedule.
        moment = _instant(schedule, zone)
        return moment if moment is not None and moment > after else None
    first = None if start is None else _utc(start, "start")
    if isinstance(schedule, timedelta):
        due = _next_of_rate(schedule, after, first)
    else:
        # One microsecond earlier, because the start itself may be due.
        begin = after if first is None else max(after, first - timedelta(microseconds=1))
        due = _next_of_cron(schedule, begin, zone)
    if due is None or (end is not None and due > _utc(end, "end")):
        return None
    return due


def previous_due(
    expression: str,
    *,
    until: datetime,
    timezone: str = "UTC",
    start: datetime | None = None,
    end: datetime | None = None,
) -> datetime | None:
    """Return the last due time that is not after ``until``, or None if there is none.

    As ``next_due``, but a due time equal to ``until`` counts. Without a ``start`` a rate counts from ``until``, which
    is then its due time.

    Raises:
        ValueError: The expression or the time zone is one that AWS would refuse.
    """
    schedule, zone = _schedule(expression), _zone(timezone)
    until = _utc(until, "until")
    if isinstance(schedule, datetime):
        moment = _instant(schedule, zone)
        return moment if moment is not None and moment <= until else None
    if end is not None:
        until = min(until, _utc(end, "end"))
    first = None if start is None else _utc(start, "start")
    if first is not None and until < first:
        return None
    if isinstance(schedule, timedelta):
        phase = until if first is None else first
        return phase + (until - phase) // schedule * schedule
    due = _previous_of_cron(schedule, until, zone)
    return None if due is None or (first is not None and due < first) else due


@dataclass(frozen=True, slots=True)
class _Cron:
    """A cron expression on wall-clock times without a time zone, which the library takes for UTC."""

    parsed: AwsCroniter

    def after(self, wall: datetime) -> datetime | None:
        """Return the first match after the minute of ``wall``.

        The library gives up after ten steps, too few for a fifth Sunday in February; so each later year is tried from
        its beginning.
        """
        found = self.parsed.get_next(wall)[0]
        for year in self.parsed.years:
            if found is None and year > wall.year:
                found = self.parsed.get_next(datetime(year, 1, 1, tzinfo=UTC), inclusive=True)[0]
        return _checked(found)

    def until(self, wall: datetime) -> datetime | None:
        """Return the last match that is not after ``wall``.

        Searching backwards, the library skips a month without a day 31 even if the expression matches an earlier day.
        It does not if asked from that month's end, so each month is asked.
        """
        for year in reversed(self.parsed.years):
            for month in reversed(self.parsed.months):
                if (year, month) <= (wall.year, wall.month):
                    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - MINUTE
                    found = _checked(self.parsed.get_prev(min(end, wall), inclusive=True)[0])
                    if found is not None and (found.year, found.month) == (year, month):
                        return found
        return None


def _checked(found: object) -> datetime | None:
    if found is not None and not isinstance(found, datetime):
        raise TypeError(f"aws-croniter returned {found!r}; expected a datetime or None")
    return found


@lru_cache(maxsize=512)
def _schedule(expression: str) -> _Cron | timedelta | datetime:
    if found := CRON.fullmatch(expression):
        return _Cron(_parse_cron(found.group(1), expression))
    if found := RATE.fullmatch(expression):
        number, unit = int(found.group(1)), found.group(2)
        if number < 1:
            raise ValueError(f"{expression!r} has a rate of 0; expected a positive number")
        try:
            return timedelta(**{f"{unit}s": number})
        except OverflowError:
            raise ValueError(f"{expression!r} has a rate longer than time itself") from None
    if found := AT.fullmatch(expression):
        try:
            return datetime.fromisoformat(found.group(1))
        except ValueError as error:
            raise ValueError(f"{expression!r} names no date and time: {error}") from None
    raise ValueError(f"{expression!r} is no schedule expression; expected cron(...), rate(...) or at(...)")


def _parse_cron(text: str, expression: str) -> AwsCroniter:
    # PutRule accepts a comma after a field.
    fields = [field.rstrip(",") for field in text.split()]
    if len(fields) != FIELDS:
        raise ValueError(f"{expression!r} has {len(fields)} fields; expected {FIELDS}, the last one the year")
    day_of_month, day_of_week = fields[2].upper(), fields[4].upper()
    if day_of_month == "LW" or day_of_week.startswith("L-"):
        # The library supports these in part; AWS's pages mention neither.
        raise ValueError(f"{expression!r} combines L in a way that EventBridge's cron does not have")
    if day_of_week == "L":
        # "The last day of the month or week": the week's last day is its seventh. The library finds none.
        fields[4] = "7"
    fields[5] = ",".join(_years(part, expression) for part in fields[5].split(","))
    try:
        return AwsCroniter(" ".join(fields))
    except ValueError as error:
        why = str(error).rstrip(".")
        # An error that is not of the library's own class is Python's, such as "invalid literal for int() …".
        if type(error) is ValueError:
            why = "a range or step in it cannot be read"
        raise ValueError(f"{expression!r} is not a cron expression of EventBridge: {why}") from None


def _years(part: str, expression: str) -> str:
    """Expand the steps of a year field; the library takes the step for a year and refuses it."""
    values, slash, step = part.partition("/")
    if not slash:
        return part
    first, dash, last = values.partition("-")
    try:
        begin = FIRST_YEAR if values == "*" else int(first)
        stop = int(last) if dash else LAST_YEAR
        years = range(begin, stop + 1, int(step))
    except ValueError:
        years = range(0)
    if not (years and FIRST_YEAR <= begin <= stop <= LAST_YEAR):
        raise ValueError(f"{expression!r} has the years {part!r}; expected a form like 2026/2 or 2026-2036/2")
    return ",".join(map(str, years))


def _next_of_rate(interval: timedelta, after: datetime, start: datetime | None) -> datetime | None:
    if start is not None and after < start:
        return start
    phase = after if start is None else start
    try:
        return phase + ((after - phase) // interval + 1) * interval
    except OverflowError:
        return None


def _next_of_cron(cron: _Cron, after: datetime, zone: tzinfo) -> datetime | None:
    wall: datetime | None = _wall(after.astimezone(zone))
    while wall is not None and (wall := cron.after(wall)) is not None:
        due = _instant(wall, zone)
        # In the second pass of an hour that is repeated, its wall-clock times are already past.
        if due is not None and due > after:
            return due
    return None


def _previous_of_cron(cron: _Cron, until: datetime, zone: tzinfo) -> datetime | None:
    # In the second pass of a repeated hour, the whole first pass is past: by a clock that is not put back.
    offset = until.astimezone(zone).replace(fold=0).utcoffset()
    wall: datetime | None = _wall(until.astimezone(timezone(offset or _NONE)))
    while wall is not None and (wall := cron.until(wall)) is not None:
        due = _instant(wall, zone)
        if due is not None and due <= until:
            return due
        wall -= MINUTE
    return None


_NONE = timedelta(0)


def _wall(local: datetime) -> datetime:
    # The library counts whole minutes, but rounds a part of a millisecond up. What it returns has no fold.
    return local.replace(microsecond=0, tzinfo=UTC)


def _instant(wall: datetime, zone: tzinfo) -> datetime | None:
    """Return when a wall clock shows a time: the first time if twice, None if never.

    "If a cron expression falls on a non-existent date and time, your schedule invocation is skipped. When time shifts
    backwards in the Fall, your schedule runs only once", before the shift. That ``at`` is skipped likewise is assumed.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    local = wall.replace(tzinfo=zone)
    instant = local.astimezone(UTC)
    is_shown = instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
    return instant if is_shown else None


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone of the IANA database, such as Asia/Tokyo") from None


def _utc(time: datetime, name: str) -> datetime:
    if time.tzinfo is None:
        raise ValueError(f"{name} is {time!r}, which has no time zone; expected an aware datetime")
    return time.astimezone(UTC)
