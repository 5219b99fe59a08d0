"""The options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

from retry_run_task.commands.shared.inventory import DEFAULT_STACK

_Command = TypeVar("_Command", bound=Callable[..., Any])

_REGION = "[default: AWS_REGION, or the profile's]"


def several_regions(command: _Command) -> _Command:
    """Add options for Regions, profile and installation."""
    return _where(
        click.option(
            "--region",
            "regions",
            multiple=True,
            metavar="REGION",
            envvar="AWS_REGION",
            help=f"Where to look; may be given several times.  {_REGION}",
        ),
        command,
    )


def one_region(command: _Command) -> _Command:
    """Add options for a Region, a profile and an installation."""
    return _where(
        click.option("--region", metavar="REGION", envvar="AWS_REGION", help=f"Where.  {_REGION}"), command
    )


def _where(region: Callable[[_Command], _Command], command: _Command) -> _Command:
    profile = click.option(
        "--profile", metavar="PROFILE", help="Whose credentials, of your AWS configuration."
    )
    stack = click.option(
        "--stack",
        default=DEFAULT_STACK,
        show_default=True,
        metavar="NAME",
        help="Which installation.",
    )
    return region(profile(stack(command)))


def again(*, region: str, profile: str | None, stack: str, default_region: str | None) -> str:
    """Return the options that lead another command to the same place; empty if none are needed."""
    given = (
        ("--region", region if region != default_region else ""),
        ("--profile", profile or ""),
        ("--stack", stack if stack != DEFAULT_STACK else ""),
    )
    return "".join(f" {name} {shlex.quote(value)}" for name, value in given if value)


def sure(command: _Command) -> _Command:
    """Add ``--yes``."""
    return click.option("--yes", "yes", is_flag=True, help="Do not ask.")(command)


def as_json(command: _Command) -> _Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(
        command
    )
