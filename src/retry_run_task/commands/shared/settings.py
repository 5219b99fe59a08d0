"""``retry-run-task.toml``, as far as every command reads it: which stack, which Region, whose credentials and role.

What is typed counts before the file, the file before AWS_REGION, and that before the profile's Region.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import click

FILE = "retry-run-task.toml"
PLACE = ("stack", "region", "profile")
"""Keys that say where a command looks."""
LOOK_WITH = "look_with"
"""The key for the role in the member accounts."""
TABLES = ("tags", "parameters")
OPTIONS = (*PLACE, LOOK_WITH, "bucket", "policy", "cloudformation_role")
"""All keys outside the tables; those that a command does not read are for ``deploy``."""


def load(path: Path, *, must_exist: bool) -> dict[str, Any]:
    """Return what a settings file says; nothing if there is none.

    ``must_exist`` is for a file that was named explicitly.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"There is no file {str(path)!r}.") from None
        return {}
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r} is not TOML: {error}.") from None


def take(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Let the file say what is not typed: a callback of an option that is read before the others.

    Raises:
        ConfigError: The file cannot be read, or something in it is no setting: a misspelt ``stack`` must not send a
            command to the default one.
    """
    file = path or Path(FILE)
    content = load(file, must_exist=path is not None)
    said = {key: content[key] for key in (*PLACE, LOOK_WITH) if isinstance(content.get(key), str)}
    # A command that gets the path reads the whole file, and names what is wrong in its tables as well.
    if not option.expose_value and (wrong := list(problems(content))):
        raise ConfigError(f"{file}: {'; '.join(wrong)}.", hint="Correct the file.")
    # deploy has a parameter of that name, which is another thing.
    takes_several = any(one.name == "regions" and one.multiple for one in context.command.params)
    if "region" in said and takes_several:
        said["regions"] = [said["region"]]
    context.default_map = {**(context.default_map or {}), **said}
    context.meta[FILE] = str(file)
    return path


def problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the keys of a settings file, and with what stands outside its tables."""
    for key, value in content.items():
        if key in TABLES:
            if not isinstance(value, dict):
                yield f"{key} is not a table; write [{key}]"
        elif key not in OPTIONS:
            yield f"{key} is not a setting; expected one of {', '.join(OPTIONS)}, [tags] or [parameters]"
        elif not isinstance(value, str) or not value:
            yield f"{key} is {value!r}; expected a text"
