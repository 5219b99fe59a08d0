"""Finds the recoveries that a user means, by id, schedule, family or task."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retry_run_task.commands.shared import selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from retry_run_task.commands.shared.executions import Executions
    from retry_run_task.commands.shared.view import Execution, RecoveryView

# https://docs.aws.amazon.com/lambda/latest/api/API_DurableConfig.html (RetentionPeriodInDays)
_REMEMBERED = timedelta(days=90)
# https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html
_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")
_TASK_ID = re.compile(r"[0-9a-f]{32}")


def find_in(of: Executions, name: str) -> RecoveryView | None:
    """Return the recovery with a name, or with an id that begins so; None if there is none.

    Raises:
        ConfigError: Several ids begin so, or nothing is installed.
        DeployError: AWS did not answer.
    """
    # Usually the whole name is given, or it is in progress; otherwise all that Lambda remembers must be listed.
    for executions in _looks(of, name):
        meant = selection.find(name, [one.name for one in executions], of.stack)
        for one in executions:
            if one.name == meant:
                return of.look(one)
    return None


def _looks(of: Executions, typed: str) -> Iterator[list[Execution]]:
    whole = selection.identity_in(typed, of.stack)
    if _NAME.fullmatch(name := f"{of.stack}-{whole}"):
        yield of.named(name)
    yield of.open()
    yield of.begun(datetime.now(UTC) - _REMEMBERED)


def meant(
    of: Executions,
    typed: str,
    among: Callable[[], Sequence[Execution]],
    tell: Callable[[str], None] = lambda _: None,
) -> list[RecoveryView]:
    """Return the recoveries that a user means; none if nothing has that name.

    ``typed`` is an id, its beginning, a schedule, a task definition's family, or a task's ARN or id. ``among`` lists
    the recoveries to read, which takes time, to learn their schedule or task; ``tell`` is called with what is being
    read.

    Raises:
        ConfigError: Several ids begin so, or nothing is installed.
        DeployError: AWS did not answer.
    """
    by_id = selection.is_like_an_id(typed) or typed.startswith(f"{of.stack}-")
    if by_id and (one := find_in(of, typed)):
        return [one]
    task = typed.rsplit("/", 1)[-1]
    # A recovery that began with a task that did not start is named after the task.
    started_with = of.named(f"{of.stack}-t-{task}") if _TASK_ID.fullmatch(task) else []
    views = of.look_at_all([*started_with, *among()], tell)
    found = {view.execution.arn: view for view in selection.of_name(views, typed)}
    found |= {view.execution.arn: view for view in views[: len(started_with)]}
    if found or by_id:
        return list(found.values())
    one = find_in(of, typed)
    return [one] if one else []
