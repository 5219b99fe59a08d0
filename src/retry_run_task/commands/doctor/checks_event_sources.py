"""Whether failed calls arrive here: the trail, its log group, and a free filter."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy.proposal import MOST_FILTERS, free_slots, may_record, our_filter
from retry_run_task.commands.doctor.check import fail, listed, ok, skip, unread
from retry_run_task.commands.shared.hints import aws_line
from retry_run_task.commands.shared.inventory import InstalledStack, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retry_run_task.commands.doctor.check import Check
    from retry_run_task.commands.shared.inventory import Inventory, LogGroup, Trail

TRAIL = "trail"
LOG_GROUP = "log group"
FILTER = "filter slot"

_ONLY_EVENTBRIDGE = "so failures can only come through EventBridge"
_LOGS_TOO = "For a second event source, have the trail write to a log group in this Region, too."


def check_event_sources(inventory: Inventory) -> Iterator[Check]:
    """Yield the checks of the trail, its log group and its filters."""
    if isinstance(inventory.trails, Unknown):
        yield unread(TRAIL, inventory.trails)
        yield skip(LOG_GROUP, "It is not known which trails there are.")
        yield skip(FILTER, "It is not known which trails there are.")
        return
    yield _trail(inventory.trails, inventory.region)
    candidates = [trail for trail in inventory.trails if may_record(trail)]
    groups = [t for t in candidates if t.log_group_arn in inventory.log_groups]
    if not groups:
        yield _no_log_group(candidates)
        yield skip(FILTER, "There is no log group to put a filter on.")
        return
    best = min(
        groups, key=lambda trail: _trouble(trail, inventory.log_groups[trail.log_group_arn or ""], inventory)
    )
    group = inventory.log_groups[best.log_group_arn or ""]
    yield _log_group(best, group)
    yield _filter(group, inventory)


def _trail(trails: tuple[Trail, ...], region: str) -> Check:
    if not trails:
        return fail(
            TRAIL,
            f"There is no trail that records calls in {region}, so failed ones are not detected.",
            "Make one with management events: "
            "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-create-and-update-a-trail.html",
        )
    sure = [t for t in trails if t.is_logging is True and t.records_run_task is True]
    if sure:
        return ok(TRAIL, f"{listed([_described(t) for t in sure])} records RunTask calls.")
    for trail in trails:
        for part in (trail.is_logging, trail.records_run_task):
            if isinstance(part, Unknown) and may_record(trail):
                return unread(TRAIL, part)
    stopped = [t for t in trails if t.is_logging is False]
    off = [t.name for t in stopped]
    deaf = [t.name for t in trails if t.is_logging is not False]
    if off:
        return fail(
            TRAIL,
            f"The trail {listed(off)} is switched off"
            + (f", and {listed(deaf)} leaves out management events that write." if deaf else "."),
            f"Switch it on: {_about(stopped[0], 'start-logging')}",
        )
    return fail(
        TRAIL,
        f"The trail {listed(deaf)} leaves out management events that write, of which RunTask is one.",
        "Have it record them: "
        "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html",
    )


def _about(trail: Trail, operation: str) -> str:
    return aws_line(f"cloudtrail {operation} --name {shlex.quote(trail.name)}", trail.home_region)


def _described(trail: Trail) -> str:
    kinds = [
        word
        for word, applies in (
            ("of the organisation", trail.is_organization),
            (f"of all Regions, home {trail.home_region}", trail.is_multi_region),
        )
        if applies
    ]
    return f"{trail.name} ({', '.join(kinds)})" if kinds else trail.name


def _no_log_group(trails: list[Trail]) -> Check:
    elsewhere = [t.log_group_arn for t in trails if t.log_group_arn]
    if elsewhere:
        _, _, _, region, account, *_ = elsewhere[0].split(":")
        return skip(
            LOG_GROUP,
            f"The log group of the trail is in {region} of account {account}, and a filter has to be where the "
            f"group is, {_ONLY_EVENTBRIDGE}.",
            _LOGS_TOO,
        )
    if trails:
        return skip(LOG_GROUP, f"No trail writes to CloudWatch Logs, {_ONLY_EVENTBRIDGE}.", _LOGS_TOO)
    return skip(LOG_GROUP, "There is no trail whose log group it could be.")


def _trouble(trail: Trail, group: LogGroup, inventory: Inventory) -> int:
    """Return how unsuitable a log group is, so that the best one is reported."""
    if our_filter(group, inventory):
        return 0
    is_fine = group.exists and group.log_class == "STANDARD" and not trail.delivery_error
    return 1 if is_fine and free_slots(group) else 2 if is_fine else 3


def _log_group(trail: Trail, group: LogGroup) -> Check:
    if not group.exists:
        return fail(
            LOG_GROUP,
            f"The trail {trail.name} names the log group {group.name}, which is not there.",
            "Make it, or give the trail another one.",
        )
    if isinstance(group.log_class, Unknown):
        return unread(LOG_GROUP, group.log_class)
    if group.log_class != "STANDARD":
        return fail(
            LOG_GROUP,
            f"{group.name} is of the class {group.log_class}, which takes no subscription filters.",
            "Give the trail a log group of the class STANDARD, or deploy without one.",
        )
    if trail.delivery_error:
        return fail(
            LOG_GROUP,
            f"CloudTrail could not write to {group.name} the last time it tried: {trail.delivery_error}.",
            f"Mend the trail's role for CloudWatch Logs, then look again: {_about(trail, 'get-trail-status')}",
        )
    return ok(LOG_GROUP, f"{trail.name} writes to {group.name}.")


def _filter(group: LogGroup, inventory: Inventory) -> Check:
    if not group.exists:
        return skip(FILTER, "There is no log group to put a filter on.")
    if isinstance(group.filters, Unknown):
        return unread(FILTER, group.filters)
    if name := our_filter(group, inventory):
        return ok(FILTER, f"{name} is on {group.name}.")
    stack = inventory.stack
    if isinstance(stack, InstalledStack) and stack.outputs.get("TrailFilter"):
        return fail(
            FILTER,
            f"The stack's filter {stack.outputs['TrailFilter']} is not on {group.name} any more.",
            "Delete the stack and deploy it again; an update does not see what is gone.",
        )
    free = free_slots(group)
    if free:
        return ok(FILTER, f"{free} of {MOST_FILTERS} on {group.name} {'is' if free == 1 else 'are'} free.")
    taken = [f"{one.name} (to {one.destination_arn})" for one in group.filters]
    return fail(
        FILTER,
        f"Both filters that {group.name} may have are taken: {listed(taken)}.",
        "Remove one of them, or deploy without the log group: EventBridge reports the same failures.",
    )
