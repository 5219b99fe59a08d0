"""``resume``: recoveries that go on after a pause."""

from __future__ import annotations

import click

from retry_run_task.commands.steer import steering


@click.command()
@steering.wishes
def resume(  # noqa: PLR0913, PLR0917 - one parameter an option
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
    """Resume paused recoveries.

    One whose deadline has passed meanwhile ends at once, with a message. Lists what it will resume, then asks.

    \b
    Example:
      retry-run-task resume --schedule "nightly-*" --reason "it is back"
    """  # noqa: D301 - click's mark for text that keeps its lines
    wish = steering.Wish(
        action="resume",
        statuses=("PAUSED", "PAUSING"),
        names=names,
        schedules=schedules,
        is_all=is_all,
        reason=reason,
        is_sure=yes,
        as_json=as_json,
    )
    return steering.steer(wish, region, profile, stack)
