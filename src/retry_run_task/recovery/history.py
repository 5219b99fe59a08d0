"""The state of a recovery, from what Lambda has recorded: the results of its steps, in order.

The policy of an execution is in the zip of the version that started it, not in its history. Which tasks exist, which
calls were made and whether one is in doubt do not depend on the policy; so this runs the engine with a policy that
never gives up, and its next move must not be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import Failure
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.rules import Policy, Rule
from retry_run_task.recovery.after import after, begin
from retry_run_task.recovery.case import NO_SCHEDULE, case_of
from retry_run_task.recovery.events import from_result
from retry_run_task.recovery.opening import found_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retry_run_task.launch.schedule import NoMatch
    from retry_run_task.launch.values import FailedLaunch
    from retry_run_task.recovery.events import Event
    from retry_run_task.recovery.ports import Background
    from retry_run_task.recovery.state import State

_NEVER_S = 100 * 366 * 86_400
_WITHOUT_LIMITS = Policy(
    rules=(Rule(name="any", sets={"wait": Backoff(base_s=1, cap_s=1), "deadline_s": _NEVER_S}),),
    watch_s=_NEVER_S,
)

UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""Exceptions raised by reading a result that no recovery wrote."""


class StateReplay:
    """Takes the results of a recovery's steps, one by one, and holds the state after them."""

    def __init__(self, launch: FailedLaunch) -> None:
        self._launch = launch
        self._begin(NO_SCHEDULE)

    def _begin(self, found: Background | NoMatch) -> None:
        self._case = case_of(self._launch, _WITHOUT_LIMITS, found)
        self.state: State = begin(self._case)

    def found(self, result: Mapping[str, Any]) -> Background | NoMatch | Failure:
        """Take the result of a search for the schedule, and return it.

        Raises:
            KeyError: It is not a result of that step; likewise any other of ``UNREADABLE``.
        """
        found = found_from_json(result)
        if not isinstance(found, Failure):
            self._begin(found)
        return found

    def take(self, result: Mapping[str, Any]) -> Iterator[tuple[Event, State, State]]:
        """Take the result of a step that looked, called or watched; yield each event with the states around it.

        Raises:
            KeyError: It is not a result of that step; likewise any other of ``UNREADABLE``.
        """
        for event in from_result(result):
            before, self.state = self.state, after(self._case, self.state, event)
            yield event, before, self.state
