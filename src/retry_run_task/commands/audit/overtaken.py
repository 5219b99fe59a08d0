"""Runs that their schedule's next run overtook, one group for each schedule and outage. Pure.

An outage has no record of its own: it is a series of overtaken runs of one schedule, each at most ``_APART`` after the
one before it. It is reported once and whole, although audits share no state: by the audit in whose day it has been over
for ``SETTLED``, when a further run of it would have ended. One that lasts longer than a day is reported every day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from retry_run_task.messages.audited import Overtaken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from retry_run_task.commands.shared.view import RecoveryView

EVERY = timedelta(days=1)
"""The interval of the audit: the template's AuditSchedule is daily."""
_APART = timedelta(minutes=30)
SETTLED = timedelta(hours=2)
"""``_APART``, and the hour within which a run has to be overtaken to be left to the audit (the template's QUIET_S), and
an allowance for recoveries that Lambda started or listed late."""


class Place(NamedTuple):
    """Whose runs they are: a rule or schedule, and one of its targets. The account is empty for the stack's own."""

    account: str
    region: str
    schedule: str
    cluster: str
    family: str


class Outage(NamedTuple):
    """Overtaken runs of one schedule, the first that failed first."""

    place: Place
    runs: Sequence[RecoveryView]

    @property
    def first(self) -> datetime:
        """When the first call failed."""
        return self.runs[0].since

    @property
    def last(self) -> datetime:
        """When the last run was given up."""
        return max(map(_end, self.runs))

    def is_going(self, end: datetime) -> bool:
        """Whether a further run may belong to it."""
        return self.last > end - SETTLED

    def is_told(self, end: datetime) -> bool:
        """Whether the audit of the day that ends then reports it."""
        if self.is_going(end):
            # The audit before this one has seen it and left it to this one.
            return min(map(_end, self.runs)) <= end - EVERY
        return self.last > end - SETTLED - EVERY

    def may_begin_before(self, time: datetime) -> bool:
        """Whether a run that ended before a time may belong to it."""
        return self.first - _APART <= time


def outages(views: Iterable[RecoveryView], region: str, account: str) -> list[Outage]:
    """Return the outages that overtaken runs make up.

    ``region`` is that of runs whose input cannot be read, and ``account`` the stack's own.
    """
    groups: dict[Place, list[list[RecoveryView]]] = {}
    for view in sorted(views, key=lambda view: view.since):
        series = groups.setdefault(_place(view, region, account), [])
        if series and view.since - max(map(_end, series[-1])) <= _APART:
            series[-1].append(view)
        else:
            series.append([view])
    return [Outage(place, runs) for place, series in groups.items() for runs in series]


def told(
    found: Iterable[Outage], end: datetime, ran: Mapping[Place, Sequence[datetime]]
) -> Iterator[Overtaken]:
    """Yield what the audit of the day that ends then reports of overtaken runs.

    ``ran`` has when the runs were due that started, as far as they were seen.
    """
    for outage in found:
        if outage.is_told(end):
            is_going, last_failed = outage.is_going(end), outage.runs[-1].since
            later = (due for due in ran.get(outage.place, ()) if due > last_failed and not is_going)
            yield Overtaken(
                name=outage.place.schedule,
                region=outage.place.region,
                account=outage.place.account,
                count=len(outage.runs),
                first=outage.first,
                last=outage.last,
                over=min(later, default=None),
                is_going=is_going,
            )


def _place(view: RecoveryView, region: str, account: str) -> Place:
    launch = view.launch
    whose = launch.account if launch is not None and launch.account != account else ""
    where = launch.region if launch is not None and launch.region else region
    return Place(whose, where, view.schedule, view.cluster, view.family)


def _end(view: RecoveryView) -> datetime:
    return view.execution.ended or view.since
