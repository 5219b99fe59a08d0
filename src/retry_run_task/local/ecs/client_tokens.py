"""ECS's client tokens: the request that each was used for, and its result.

Documented at https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html: the scope is the
cluster; the same token with the same parameters gives the original result; with others, ``ConflictException``; a token
lives for the lower of 24 hours and the life of its tasks plus an hour.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from retry_run_task.local.ecs.validation import EcsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retry_run_task.local.ecs.tasks import EcsTask

LONGEST_LIFE = timedelta(hours=24)
LIFE_AFTER_STOP = timedelta(hours=1)
FAILURE_DETAIL_FOR = timedelta(hours=1)
# The token itself, and the cluster, which is the scope and may be given as name or ARN.
NOT_PARAMETERS = frozenset({"clientToken", "cluster"})


def parameters_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are equal for two equal requests."""
    return {name: value for name, value in body.items() if name not in NOT_PARAMETERS and value is not None}


class Remembered(NamedTuple):
    """A request that ECS has carried out, and its result. A tuple, for speed: each call makes one."""

    parameters: Mapping[str, Any]
    tasks: tuple[EcsTask, ...]
    failures: tuple[dict[str, Any], ...]
    time: datetime

    def expires_at(self) -> datetime:
        """Return when the token expires, as far as known: a task may still stop."""
        longest = self.time + LONGEST_LIFE
        # A result without tasks has no life to add an hour to; that it lasts 24 hours is assumed.
        if not self.tasks:
            return longest
        last_stop = self.time
        for task in self.tasks:
            if task.stopped_at is None:
                return longest
            last_stop = max(last_stop, task.stopped_at)
        return min(longest, last_stop + LIFE_AFTER_STOP)

    def replay(self, now: datetime) -> dict[str, Any]:
        """Return the original result again, as far as ECS still knows it.

        A result with tasks and failures is documented. That the failures of a call that placed nothing are also
        replayed, instead of the call being tried again, is assumed from it.

        A task that has been stopped "for under an hour" is its ARN and statuses. For one stopped longer, while others
        of the same request still run, nothing is documented; here it stays, because dropping it would make the caller
        start it again.
        """
        tasks = [
            task.describe() if task.stopped_at is None else task.describe_briefly() for task in self.tasks
        ]
        if now - self.time > FAILURE_DETAIL_FOR:
            # "Failures that are over an hour old only include the number of failed tasks": the answer has no member for
            # a number, so it has entries without members.
            return {"tasks": tasks, "failures": [{} for _ in self.failures]}
        return {"tasks": tasks, "failures": [dict(failure) for failure in self.failures]}


class ClientTokens:
    """The tokens in use, by cluster."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Remembered] = {}
        self._by_age: deque[tuple[tuple[str, str], Remembered]] = deque()

    def replay(
        self, cluster: str, token: str, parameters: Mapping[str, Any], now: datetime
    ) -> dict[str, Any] | None:
        """Return the recorded result of a token; None if the token is free.

        Raises:
            EcsError: ``ConflictException``: the token was used for another request.
        """
        self._forget(now)
        known = self._known.get((cluster, token))
        if known is None or now >= known.expires_at():
            return None
        if known.parameters != parameters:
            # The text of the API reference; the service's own was not seen.
            # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
            raise EcsError(
                "ConflictException",
                "The RunTask request could not be processed due to conflicts. "
                "The provided clientToken is already in use with a different RunTask request.",
                extra={"resourceIds": [task.arn for task in known.tasks]},
            )
        return known.replay(now)

    def remember(self, cluster: str, token: str, known: Remembered) -> None:
        """Bind a token to a request and its result."""
        key = (cluster, token)
        self._known[key] = known
        self._by_age.append((key, known))

    def _forget(self, now: datetime) -> None:
        while self._by_age and now >= self._by_age[0][1].time + LONGEST_LIFE:
            key, known = self._by_age.popleft()
            if self._known.get(key) is known:
                del self._known[key]
