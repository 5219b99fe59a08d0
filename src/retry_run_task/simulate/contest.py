"""Runs every policy against the same incidents, on all processors, in constant memory."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retry_run_task.simulate.tally import Tally

if TYPE_CHECKING:
    from multiprocessing.pool import Pool

    from retry_run_task.simulate.competitors import Competitor
    from retry_run_task.simulate.launches import ScenarioSettings
    from retry_run_task.simulate.scenarios import Scenario

# Large enough for a worker, small enough for a progress bar.
_LAUNCHES_A_BLOCK = 250

# ECS remembers every call of an incident, and Python's collector would go over all of that after every 700 objects,
# which is a fifth of the time. https://docs.python.org/3/library/gc.html#gc.set_threshold
_COLLECTED_AFTER = 50_000

Progress = Callable[[int], None]
"""Called with the number of launches that have met all policies since the last call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What to compare: policies with unique names, and a number of incidents for each scenario."""

    scenarios: Sequence[Scenario]
    competitors: Sequence[Competitor]
    settings: ScenarioSettings
    incidents: int

    @property
    def launches(self) -> int:
        """Approximate number of failing launches, each of which meets every policy."""
        return len(self.scenarios) * self.incidents * self.settings.schedules


@dataclass(slots=True, kw_only=True)
class ContestResult:
    """The result of a comparison."""

    contest: Contest
    tallies: dict[str, dict[str, Tally]] = field(default_factory=dict)


_Block = tuple[int, range]
_Counted = tuple[int, dict[str, Tally]]

# The worker's task. It is inherited at the fork, because policies may hold what cannot be pickled.
_contest: Contest | None = None


def run(contest: Contest, *, processes: int = 1, progress: Progress = lambda _: None) -> ContestResult:
    """Run every policy against every incident.

    The result does not depend on the number of processes. With several, call it before other threads are started.
    """
    global _contest  # noqa: PLW0603 - inherited by the workers
    result = ContestResult(contest=contest)
    for scenario in contest.scenarios:
        result.tallies[scenario.name] = {each.name: Tally() for each in contest.competitors}
    blocks = list(_blocks(contest))
    _contest = contest
    collected_after, *older = gc.get_threshold()
    gc.set_threshold(_COLLECTED_AFTER, *older)
    try:
        if processes <= 1 or len(blocks) == 1:
            _merge(result, map(_meet, blocks), progress)
        else:
            with _pool(min(processes, len(blocks))) as pool:
                _merge(result, pool.imap_unordered(_meet, blocks), progress)
    finally:
        _contest = None
        gc.set_threshold(collected_after, *older)
    return result


def _blocks(contest: Contest) -> Iterator[_Block]:
    incidents = max(1, _LAUNCHES_A_BLOCK // contest.settings.schedules)
    for number in range(len(contest.scenarios)):
        for first in range(0, contest.incidents, incidents):
            yield number, range(first, min(first + incidents, contest.incidents))


def _pool(processes: int) -> Pool:
    # The parent is interrupted as well, and ends its workers; a traceback from each would only hide the reason. Workers
    # inherit the mask, so they cannot be interrupted at any moment.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return multiprocessing.get_context("fork").Pool(processes)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _meet(block: _Block) -> _Counted:
    assert _contest is not None  # noqa: S101 - set before any block is handed out
    contest, (scenario, numbers) = _contest, block
    tallies = {each.name: Tally() for each in contest.competitors}
    for number in numbers:
        incident = contest.scenarios[scenario].incident(contest.settings, number)
        for each in contest.competitors:
            tallies[each.name].add(incident, each.meet(incident))
    return scenario, tallies


def _merge(result: ContestResult, counted: Iterator[_Counted], progress: Progress) -> None:
    for scenario, tallies in counted:
        sums = result.tallies[result.contest.scenarios[scenario].name]
        for name, tally in tallies.items():
            sums[name].merge(tally)
        progress(next(iter(tallies.values())).launches)
