"""Groups records, events and tasks for display: the same failure of the same schedule once, with its times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retry_run_task.failures.classify import classify, normalise
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.sources.files import LooseFailures
from retry_run_task.text import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retry_run_task.launch.values import Failure
    from retry_run_task.sources.files import Item


@dataclass(slots=True)
class Launches:
    """Failed launches that differ only in their times, each as CloudTrail writes it."""

    latest: FailedLaunch
    times: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Alike:
    """Other items with the same text."""

    first: LooseFailures | Ignored
    count: int = 0


@dataclass(slots=True)
class Read:
    """What was read, in order of first appearance."""

    launches: dict[object, Launches] = field(default_factory=dict)
    told: dict[object, Alike] = field(default_factory=dict)
    ignored: dict[object, Alike] = field(default_factory=dict)
    unparsed: list[Unparsed] = field(default_factory=list)


def group(items: Iterable[Item]) -> Read:
    """Group equal items, in the memory of what differs."""
    read = Read()
    for item in items:
        match item:
            case FailedLaunch():
                group = read.launches.setdefault(_launch_key(item), Launches(latest=item))
                group.times.append(iso(item.event_time))
                if item.event_time > group.latest.event_time:
                    group.latest = item
            case LooseFailures():
                key = (item.about, *map(_failure_key, item.failures))
                read.told.setdefault(key, Alike(first=item)).count += 1
            case Ignored():
                read.ignored.setdefault(item.why, Alike(first=item)).count += 1
            case Unparsed():
                read.unparsed.append(item)
    return read


def _launch_key(launch: FailedLaunch) -> object:
    parameters = launch.request.parameters
    return (
        launch.caller,
        launch.account,
        launch.region,
        cluster_name(parameters) if parameters else "",
        family(parameters) if parameters else "",
        str(parameters.get("startedBy")),
        type(launch.request),
        *sorted(map(_failure_key, launch.failures)),
    )


def _failure_key(failure: Failure) -> tuple[str, ...]:
    """Return the key of a failure, without ids and addresses in its text."""
    verdict = classify(failure)
    text = normalise(failure.reason) if verdict.row == "unknown" else ""
    return (verdict.row, failure.code or "", failure.container or "", failure.ran or "", text)
