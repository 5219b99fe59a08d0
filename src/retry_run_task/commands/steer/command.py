"""``stop``, ``pause`` and ``resume``: recoveries that end, wait, or go on because a user says so."""

from __future__ import annotations

from typing import Any

import click

from retry_run_task.commands.steer import steering


@click.command()
@steering.wishes
def stop(**given: Any) -> int:
    """Stop recoveries for good.

    A stopped recovery makes no further attempt and sends no message. A task that it has placed stays, and a call in
    progress may still place one. Lists what it will stop, then asks.

    \b
    Example:
      retry-run-task stop 9d9f0b5e --reason "run by hand"
    """  # noqa: D301 - click's mark for text that keeps its lines
    wish = steering.Wish(action="stop", statuses=("RUNNING", "PAUSING", "PAUSED"), **given)
    warning = "They cannot be resumed. Tasks that they have placed stay, and a call in progress may still place one."
    return steering.steer(wish, warning)


@click.command()
@steering.wishes
def pause(**given: Any) -> int:
    """Pause recoveries, so that they make no further attempt until they are resumed.

    Their waits and deadlines continue meanwhile: one that was paused for too long ends as expired, or as superseded
    by the next run, when it is resumed. New recoveries are not paused. Lists what it will pause, then asks.

    \b
    Example:
      retry-run-task pause --all --reason "the Region is down"
    """  # noqa: D301 - click's mark for text that keeps its lines
    wish = steering.Wish(action="pause", statuses=("RUNNING",), **given)
    return steering.steer(wish, "Their deadlines are not extended, and new recoveries are not paused.")


@click.command()
@steering.wishes
def resume(**given: Any) -> int:
    """Resume paused recoveries.

    One whose deadline has passed meanwhile ends at once, with a message. Lists what it will resume, then asks.

    \b
    Example:
      retry-run-task resume --schedule "nightly-*" --reason "it is back"
    """  # noqa: D301 - click's mark for text that keeps its lines
    return steering.steer(steering.Wish(action="resume", statuses=("PAUSED", "PAUSING"), **given))
