"""The options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from retry_run_task.commands.shared import hints, settings
from retry_run_task.commands.shared.inventory import DEFAULT_STACK
from retry_run_task.commands.shared.moments import TimeParam

if TYPE_CHECKING:
    from retry_run_task.commands.shared.inventory import Identity

_Command = TypeVar("_Command", bound=Callable[..., Any])

_LOOKED_AT = "retry_run_task.region"
_REGION = "[default: retry-run-task.toml's, AWS_REGION, or the profile's]"


look_with = click.option(
    "--look-with",
    default="",
    metavar="ROLE",
    help="Role to assume in member accounts without infra/member.yaml, such as OrganizationAccountAccessRole.",
)


def several_regions(command: _Command) -> _Command:
    """Add options for Regions, profile and installation."""
    region = click.option(
        "--region",
        "regions",
        multiple=True,
        metavar="REGION",
        help=f"Region to look at; may be given several times.  {_REGION}",
    )
    return region(_profile(_settings(_stack(command))))


def one_region(command: _Command) -> _Command:
    """Add options for a Region, a profile and an installation."""
    return _one_region(_settings(command))


def one_region_and_settings(command: _Command) -> _Command:
    """Add the same options, and hand the settings file to the command."""
    return _one_region(_settings(command, "File that may set these options.", expose_value=True))


def looks_elsewhere(command: _Command) -> _Command:
    """Add options for credentials and an installation to a command whose records say which Region is meant."""
    return look_with(_profile(_stack(_settings(command))))


def home_region() -> str | None:
    """Return the settings file's Region, for a command without an option for it."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.lookup_default("region")
    return None if found is None else str(found)


def _one_region(command: _Command) -> _Command:
    region = click.option("--region", metavar="REGION", help=f"Region to use.  {_REGION}")
    return region(_profile(_stack(command)))


def _profile(command: _Command) -> _Command:
    return click.option("--profile", metavar="PROFILE", help="Profile of your AWS configuration.")(command)


def _stack(command: _Command) -> _Command:
    return click.option(
        "--stack",
        default=DEFAULT_STACK,
        show_default=True,
        metavar="NAME",
        help="Stack name of the installation.",
    )(command)


def _settings(
    command: _Command,
    text: str = "File that may set stack, Region, profile, bucket and look_with.",
    *,
    expose_value: bool = False,
) -> _Command:
    return click.option(
        "--settings",
        "settings_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        is_eager=True,
        expose_value=expose_value,
        callback=settings.take,
        help=f"{text}  [default: {settings.FILE}]",
    )(command)


def time(name: str, text: str, default: str | None = None) -> Callable[[_Command], _Command]:
    """Return an option that takes a time, or how long ago it was."""
    shown = default is not None
    return click.option(
        name, type=TimeParam(), default=default, show_default=shown, metavar="TIME", help=text
    )


def schedules(text: str) -> Callable[[_Command], _Command]:
    """Return ``--schedule``, which may be given several times."""
    return click.option("--schedule", "schedules", multiple=True, metavar="GLOB", help=text)


def html(text: str) -> Callable[[_Command], _Command]:
    """Return ``--html``, whose folder exists; ``write`` writes the file."""
    path = click.Path(dir_okay=False, writable=True, path_type=Path)
    return click.option("--html", type=path, callback=_in_a_folder, metavar="FILE", help=text)


def _in_a_folder(_context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    if file is not None and not file.parent.is_dir():
        raise click.UsageError(f"{file} cannot be written: there is no folder {file.parent}.")
    return file


def write(file: Path, text: str) -> None:
    """Write a file that the user has named."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}.") from None


def place(stack: str, regions: str | Sequence[str], identity: Identity) -> str:
    """Return which stack a command speaks of, to be said before it looks or changes anything."""
    context = click.get_current_context(silent=True)
    from_file = context is not None and any(
        context.get_parameter_source(one) is ParameterSource.DEFAULT_MAP
        for one in (*settings.PLACE, "regions")
    )
    said = f" ({context.meta[settings.FILE]})" if context is not None and from_file else ""
    where = regions if isinstance(regions, str) else " and ".join(regions)
    return f"Stack {stack} in {where}, account {identity.account}{said}"


def look_at(region: str) -> None:
    """Let the commands in hints lead to this Region from here on."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_LOOKED_AT] = region


def _typed() -> dict[str, str]:
    context = click.get_current_context(silent=True)
    return {} if context is None else dict(_typed_in(context))


def _typed_in(context: click.Context) -> Iterator[tuple[str, str]]:
    for option, name in (
        ("region", "region"),
        ("region", "regions"),
        ("profile", "profile"),
        ("stack", "stack"),
        ("settings", "settings_path"),
    ):
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        # Which file it was is no parameter of most commands.
        value = context.meta[settings.FILE] if name == "settings_path" else context.params[name]
        if name == "regions":
            # deploy has a parameter of that name, which is a text.
            if isinstance(value, str):
                continue
            value = context.meta.get(_LOOKED_AT) or value[0]
        yield option, str(value)


def _used() -> dict[str, str]:
    context = click.get_current_context(silent=True)
    return {} if context is None else dict(_used_in(context))


def _used_in(context: click.Context) -> Iterator[tuple[str, str]]:
    # deploy has a text of that name, which is another thing.
    regions = context.params.get("regions")
    first = regions[0] if regions and not isinstance(regions, str) else None
    region = context.meta.get(_LOOKED_AT) or context.params.get("region") or first or home_region()
    if region:
        yield "region", str(region)
    if context.params.get("profile"):
        yield "profile", str(context.params["profile"])


hints.tell_by(_typed, _used)


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
