"""``pause``: recoveries that wait until they are told to go on."""

from __future__ import annotations

import click

from retry_run_task.commands.steer import steering


@click.command()
@steering.wishes
def pause(  # noqa: PLR0913, PLR0917 - one parameter an option
    names: tuple[str, ...],
    schedules: tuple[str, ...],
    is_all: bool,
    reason: str,
    region: str | None,
    profile: str | None,
    stack: str,
    yes: bool,
    as_json: bool,
) -> int:
    """Pause recoveries, so that they make no further attempt until they are resumed.

    Their waits and deadlines continue meanwhile: one that was paused for too long ends as expired, or as superseded
    by the next run, when it is resumed. New recoveries are not paused. Lists what it will pause, then asks.

    \b
    Example:
      retry-run-task pause --all --reason "the Region is down"
    """  # noqa: D301 - click's mark for text that keeps its lines
    wish = steering.Wish(
        action="pause",
        statuses=("RUNNING",),
        names=names,
        schedules=schedules,
        is_all=is_all,
        reason=reason,
        is_sure=yes,
        as_json=as_json,
    )
    warning = "Their deadlines go on meanwhile, and new recoveries are not held."
    return steering.steer(wish, region, profile, stack, warning)
