"""``stop``: an end to recoveries that are under way."""

from __future__ import annotations

import click

from retry_run_task.commands.steer import steering


@click.command()
@steering.wishes
def stop(  # noqa: PLR0913, PLR0917 - one parameter an option
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
    """Stop recoveries for good.

    A stopped recovery makes no further attempt and sends no message. A task that it has placed stays, and a call in
    progress may still place one. Lists what it will stop, then asks.

    \b
    Example:
      retry-run-task stop 9d9f0b5e --reason "run by hand"
    """  # noqa: D301 - click's mark for text that keeps its lines
    wish = steering.Wish(
        action="stop",
        statuses=("RUNNING", "PAUSING", "PAUSED"),
        names=names,
        schedules=schedules,
        is_all=is_all,
        reason=reason,
        is_sure=yes,
        as_json=as_json,
    )
    warning = (
        "They cannot be resumed. Tasks that they have placed stay, and a call under way may still place one."
    )
    return steering.steer(wish, region, profile, stack, warning)
