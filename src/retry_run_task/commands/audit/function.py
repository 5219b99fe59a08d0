"""The stack's daily audit: the Lambda entry point, and which runs it accounts for.

It keeps no state between days. Each run is reported once, on the day on which it has to be accounted for: ``_SETTLED``
after it was due, when its call is recorded and its recovery has begun. Runs that the next one overtook are reported on
the day on which their outage has been over for some time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import boto3

from retry_run_task.aws import topic
from retry_run_task.aws.telemetry import Telemetry
from retry_run_task.commands.audit import overtaken
from retry_run_task.commands.audit.inspection import Where, inspect, not_read
from retry_run_task.commands.audit.overtaken import EVERY, Place
from retry_run_task.commands.audit.runs import RunResult, ScheduledRun, Window
from retry_run_task.commands.audit.timetable import as_schedule, interval_of, is_floating
from retry_run_task.commands.shared import lookup
from retry_run_task.commands.shared.access import take_role
from retry_run_task.commands.shared.executions import Executions
from retry_run_task.commands.shared.launchers import read_launchers
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.errors import RetryRunTaskError
from retry_run_task.handlers.environment import settings as _settings
from retry_run_task.launch.names import audit_role
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.messages.audited import Absent, Findings, audit_message
from retry_run_task.messages.message import Style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from retry_run_task.commands.audit.runs import Audited
    from retry_run_task.commands.shared.inventory import Launcher
    from retry_run_task.config import Settings
    from retry_run_task.launch.values import JsonObject
    from retry_run_task.messages.audited import Overtaken

# After the last time at which a run may begin. CloudTrail takes minutes, a throttled intake longer.
_SETTLED = timedelta(hours=2)
# Lambda may list an execution as running for a while after it ended.
_LISTED = timedelta(minutes=10)
# The template's QUIET_S: within this time of its call a run is overtaken to be left to the audit.
_OVERTAKEN = timedelta(hours=1)
# An outage may have begun before the runs that are read first; then those of some more hours are read.
_FURTHER_BACK = timedelta(hours=3)
# A recovery may have been paused before it ended; the template's ExecutionTimeout is a week.
_LONGEST = timedelta(days=8)
# For the log, the message and a call that is waited for.
_TO_TELL_S = 120.0
# A gap is seen between two calls; the first of them may be this long ago. Rates are rarely longer than a day.
_LONGEST_RATE = timedelta(days=7)


class AuditEvent(StrEnum):
    """The audit's log events."""

    ABSENT = "audit.absent"
    OVERTAKEN = "audit.overtaken"
    UNSEEN = "audit.unseen"
    DONE = "audit.done"


class NotToldError(RetryRunTaskError):
    """The topic did not accept the message; Lambda retries the audit, and an alarm fires if that does not help."""


# Deliveries whose message was sent: EventBridge and Lambda may deliver one twice. Only this process knows, and mostly
# gets the second as well; another one sends the same message again.
_TOLD: set[str] = set()


def audit(event: Any, context: Any) -> JsonObject:
    """Account for the runs of a day, and send a message about missing runs and what could not be read.

    EventBridge's scheduled event has in ``time`` when it was due; anything else means now.

    Raises:
        NotToldError: The topic did not accept the message.
        ConfigError: The function's environment is wrong.
    """
    settings = _settings()
    telemetry = Telemetry(stack=settings.stack, request_id=context.aws_request_id)
    _, _, _, home, account, *_ = context.invoked_function_arn.split(":")
    end = _time(event)
    found = look(
        settings, boto3.Session(), home=home, end=end, account=account, left_s=_time_to_look(context)
    )
    log(found, telemetry)
    delivery = f"{end.isoformat()} {settings.topic_arn}"
    if not found.succeeded and settings.topic_arn and delivery not in _TOLD:
        _tell(found, settings)
        _TOLD.add(delivery)
    return _counts(found)


def _counts(found: Findings) -> dict[str, int]:
    return {
        "missing": len(found.missing),
        "unsure": len(found.unsure),
        "overtaken": sum(one.count for one in found.overtaken),
        "unseen": len(found.unseen),
    }


def log(found: Findings, telemetry: Telemetry) -> None:
    """Log the findings: a line for each run, and a summary."""
    for one in (*found.missing, *found.unsure):
        telemetry.warning(
            AuditEvent.ABSENT,
            schedule=one.name,
            region=one.region,
            **({"account": one.account} if one.account else {}),
            due=one.due.isoformat(),
            why=one.why,
            is_certain=one in found.missing,
        )
    for why in found.unseen:
        telemetry.warning(AuditEvent.UNSEEN, why=why)
    for group in found.overtaken:
        telemetry.info(
            AuditEvent.OVERTAKEN,
            schedule=group.name,
            region=group.region,
            **({"account": group.account} if group.account else {}),
            runs=group.count,
            since=group.first.isoformat(),
            until=group.last.isoformat(),
            over=group.over.isoformat() if group.over else None,
            is_going=group.is_going,
        )
    telemetry.info(AuditEvent.DONE, **_counts(found))


def _tell(found: Findings, settings: Settings) -> None:
    style = Style(
        language=settings.language,
        for_chat=settings.for_chat,
        stack=settings.stack,
        zone=settings.zone,
        runbook=settings.runbook_url,
        profile=settings.profile,
    )
    error = topic.publish(settings.topic_arn, audit_message(found, style))
    if error:
        raise NotToldError(f"The topic did not take the message of the audit: {error}.")


def _time(event: Any) -> datetime:
    try:
        return datetime.fromisoformat(event["time"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC)


def _time_to_look(context: Any) -> Callable[[], float]:
    """Return a function that returns how many seconds are left to look before the message has to be sent."""
    kept_s = min(_TO_TELL_S, context.get_remaining_time_in_millis() / 4000)
    return lambda: context.get_remaining_time_in_millis() / 1000 - kept_s


def _share(left_s: Callable[[], float], parts: int) -> Callable[[], bool]:
    """Return a function that tells whether one of so many equal parts of the remaining time is over."""
    kept_s = left_s() * (1 - 1 / parts)
    return lambda: left_s() <= kept_s


def look(
    settings: Settings,
    session: boto3.Session,
    *,
    home: str,
    end: datetime,
    account: str = "",
    lookups_per_s: float = lookup.CALLS_PER_S,
    left_s: Callable[[], float] = lambda: 1.0,
) -> Findings:
    """Return the missing runs among those that had to be accounted for by a time, and not a day before.

    Each Region of each account and overtaken runs get an equal part of the time; what there was no time for is among
    the unseen.

    ``home`` is the stack's own Region, ``end`` is in UTC, and ``left_s`` tells how many seconds are left.
    """
    executions, since = Executions(session, home, settings.stack), end
    missing: list[Absent] = []
    unsure: list[Absent] = []
    ran: dict[Place, list[datetime]] = {}
    places, unseen = _places(settings, session, home, account, executions, left_s)
    for number, where in enumerate(places):
        is_over = _share(left_s, len(places) - number + 1)
        try:
            launchers = read_launchers(Reader(where.session, where.region), _silent)
            window = Window(since=end - EVERY - reach(launchers.found), until=end)
            seen = inspect(
                where,
                window=window,
                tell=_silent,
                launchers=launchers,
                lookups_per_s=lookups_per_s,
                is_over=is_over,
            )
        except RetryRunTaskError as error:
            unseen.append(f"{where.label}: {error}")
            continue
        since = min(since, window.since)
        unseen += [f"{where.label}: {why}" for why in seen.unread]
        ran |= dict(_ran(audited, where) for audited in seen.found)
        for audited in seen.found:
            for run in due_to_be_told(audited, seen.window, end):
                (unsure if run.result in _UNSURE else missing).append(_absent(audited.launcher, run, where))
    # Last, since many recoveries have been read by then.
    skipped, unread = read_overtaken(executions, end, _share(left_s, 1), account, ran)
    return Findings(
        since=min(since, end - EVERY),
        until=end,
        home=home,
        regions=tuple(settings.regions or (home,)),
        accounts=settings.accounts,
        missing=tuple(missing),
        unsure=tuple(unsure),
        overtaken=skipped,
        unseen=(*unread, *unseen),
    )


def _places(
    settings: Settings,
    session: boto3.Session,
    home: str,
    account: str,
    executions: Executions,
    left_s: Callable[[], float],
) -> tuple[list[Where], list[str]]:
    """Return each account and Region to audit, and which accounts cannot be entered."""
    sessions, shut = {account: session}, []
    partition = session.get_partition_for_region(home)
    # STS may be out of reach, as from a VPC without a way to it; each account then takes until a time-out.
    is_over = _share(left_s, 2) if settings.accounts else lambda: False
    for member in settings.accounts:
        if is_over():
            shut.append(
                f"account {member}: there was no time to enter it, so none of its runs were looked at"
            )
            continue
        role = f"arn:{partition}:iam::{member}:role/{audit_role(settings.stack, settings.role_path)}"
        taken = take_role(session, home, role, settings.external_id)
        if isinstance(taken, str):
            # Its runs are unknown; that does not mean that there were none.
            why = f"{role} cannot be assumed ({taken}), so none of its runs were looked at"
            shut.append(
                f"account {member}: {why}; infra/member.yaml creates that role, unless its Audit is false"
            )
        else:
            sessions[member] = taken
    return [
        Where(
            session=there,
            region=region,
            stack=settings.stack,
            home=home,
            executions=executions,
            account=one,
            of_stack=session,
            is_member=one != account,
        )
        for one, there in sessions.items()
        for region in settings.regions or (home,)
    ], shut


def read_overtaken(
    executions: Executions,
    end: datetime,
    is_over: Callable[[], bool],
    account: str,
    ran: Mapping[Place, Sequence[datetime]],
) -> tuple[tuple[Overtaken, ...], list[str]]:
    """Return the runs whose recoveries left the message to this audit, and what could not be read."""
    since = end - EVERY - overtaken.SETTLED
    try:
        failed = [
            one
            for one in executions.begun(end - _LONGEST)
            if one.status == "FAILED" and one.ended is not None and one.ended <= end - _LISTED
        ]
        while True:
            ended = [one for one in failed if one.ended is not None and one.ended > since]
            # What was read before takes no time.
            read, unread = executions.look_in_time(ended, _silent, is_over)
            found = overtaken.outages(
                (view for view in read if view.is_left_to_audit), executions.region, account
            )
            is_whole = not any(one.is_told(end) and one.may_begin_before(since) for one in found)
            if unread or is_whole or len(ended) == len(failed):
                break
            since -= _FURTHER_BACK
    except RetryRunTaskError as error:
        return (), [f"runs that were overtaken: {error}"]
    unseen = [f"runs that were overtaken: {not_read(unread, len(ended))}"] if unread else []
    return tuple(overtaken.told(found, end, ran)), unseen


def _ran(audited: Audited, where: Where) -> tuple[Place, list[datetime]]:
    """Return when the runs of a rule or schedule were due that started."""
    request = as_schedule(audited.launcher).request
    place = Place(
        where.account if where.is_member else "",
        where.region,
        audited.launcher.name,
        cluster_name(request),
        family(request),
    )
    return place, [run.due for run in audited.runs if run.result in (RunResult.RAN, RunResult.RECOVERED)]


_UNSURE = frozenset({RunResult.UNKNOWN, RunResult.IN_PROGRESS})
_silent: Callable[[str], None] = lambda _: None  # noqa: E731 - a function has no screen


def reach(launchers: tuple[Launcher, ...]) -> timedelta:
    """Return how much older than a day a run may be that is accounted for today."""
    enabled = [one for one in launchers if one.is_enabled and one.expression is not None]
    window = timedelta(minutes=max((one.window_min for one in enabled), default=0))
    rates = [interval_of(one.expression or "") for one in enabled if is_floating(as_schedule(one))]
    # The run that ended an outage was due up to an hour before the last overtaken one was given up, or just after it.
    return _SETTLED + _OVERTAKEN + window + min(max(rates, default=timedelta()), _LONGEST_RATE)


def due_to_be_told(audited: Audited, window: Window, end: datetime) -> Iterator[ScheduledRun]:
    """Yield the unreported runs that have to be accounted for by now, and not a day before."""
    if _has_stopped(audited, window):
        # Its missing runs are counted from the window's beginning, which moves on each day: one entry is for all.
        why = f"nothing has called RunTask for it since {window.since:%Y-%m-%d %H:%M} UTC"
        yield ScheduledRun(due=window.since, result=RunResult.UNKNOWN, why=why)
        return
    settles = _SETTLED + timedelta(minutes=audited.launcher.window_min)
    for run in audited.runs:
        is_untold = run.result in (RunResult.MISSED, RunResult.LOST, RunResult.UNKNOWN)
        # A recovery reports its end; that EventBridge may still retry a call is no recovery.
        is_untold |= run.result is RunResult.IN_PROGRESS and not run.recovery
        # If the runs cannot be told apart, the window is for all.
        is_of_all = run.result is RunResult.UNKNOWN and run.due == window.since
        if is_untold and (is_of_all or end - EVERY < run.due + settles <= end):
            yield run


def _has_stopped(audited: Audited, window: Window) -> bool:
    """Tell whether a rate that counts from an unknown moment has made no call for longer than its interval."""
    launcher = audited.launcher
    if not audited.is_counted or any(run.time for run in audited.runs):
        return False
    is_new = launcher.modified is not None and launcher.modified > window.since
    # There may have been no time to look back as far as one interval.
    seen = window.until - window.since - _SETTLED - timedelta(minutes=launcher.window_min)
    return not is_new and interval_of(launcher.expression or "") <= min(_LONGEST_RATE, seen)


def _absent(launcher: Launcher, run: ScheduledRun, where: Where) -> Absent:
    return Absent(
        name=launcher.name,
        kind=launcher.kind,
        region=where.region,
        account=where.account if where.is_member else "",
        due=run.due,
        why=run.why,
        was_called=run.time is not None,
    )
