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

    from retry_run_task.commands.shared.parameters import Parameter

FILE = "retry-run-task.toml"
PLACE = ("stack", "region", "profile")
"""Keys that say where a command looks."""
LOOK_WITH = "look_with"
"""The key for the role in the member accounts."""
EVERYWHERE = (*PLACE, LOOK_WITH, "bucket")
"""Keys that count for every command with such an option; deploy reads the others itself."""
LEFT_LOG_GROUP = "left_log_group"
"""destroy's option for the trail's log group, which the file gives as a parameter."""
TABLES = ("tags", "parameters")
OPTIONS = (*EVERYWHERE, "policy", "cloudformation_role")
"""All keys outside the tables; those that a command does not read are for ``deploy``."""


def load(path: Path, *, must_exist: bool) -> dict[str, Any]:
    """Return what a settings file says; nothing if there is none.

    ``must_exist`` is for a file that was named explicitly.

    Raises:
        ConfigError: It cannot be read, is not TOML, or something in it is invalid; names every problem. A misspelt
            ``stack`` must not send a command to the default one.
    """
    content = _content(path, must_exist=must_exist)
    if wrong := list(_problems(content)):
        raise ConfigError(f"{path}: {'; '.join(wrong)}.", hint="Correct the file.")
    return content


def _content(path: Path, *, must_exist: bool) -> dict[str, Any]:
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


def take(context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """Let the file say what is not typed: a callback of an option that is read before the others.

    Raises:
        ConfigError: The file cannot be read, or something in it is invalid.
    """
    file = path or Path(FILE)
    content = load(file, must_exist=path is not None)
    said = {key: content[key] for key in EVERYWHERE if key in content}
    # deploy has a parameter of that name, which is another thing.
    takes_several = any(one.name == "regions" and one.multiple for one in context.command.params)
    if "region" in said and takes_several:
        said["regions"] = [said["region"]]
    if group := content.get("parameters", {}).get("trail_log_group_name"):
        said[LEFT_LOG_GROUP] = text_of(group)
    context.default_map = {**(context.default_map or {}), **said}
    context.meta[FILE] = str(file)
    return path


def _problems(content: Mapping[str, Any]) -> Iterator[str]:
    for key, value in content.items():
        if key in TABLES:
            if not isinstance(value, dict):
                yield f"{key} is not a table; write [{key}]"
        elif key not in OPTIONS:
            yield f"{key} is not a setting; expected one of {', '.join(OPTIONS)}, [tags] or [parameters]"
        elif not isinstance(value, str) or not value:
            yield f"{key} is {value!r}; expected a text"
    for table, found in (("tags", _tag_problems), ("parameters", _parameter_problems)):
        if isinstance(content.get(table), dict):
            yield from found(content[table])


def text_of(value: Any) -> str:
    """Return a parameter's value as text."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tag_problems(tags: Mapping[str, Any]) -> Iterator[str]:
    for key, value in tags.items():
        if not isinstance(value, str):
            yield f"tags.{key} is {value!r}; expected a text"


def _parameter_problems(parameters: Mapping[str, Any]) -> Iterator[str]:
    from retry_run_task.commands.shared.parameters import PARAMETERS  # noqa: PLC0415 - most files name none

    by_key = {one.key: one for one in PARAMETERS}
    for key, value in parameters.items():
        if key not in by_key:
            yield f"parameters.{key} is not a parameter; expected one of {', '.join(sorted(by_key))}"
        elif problem := _problem(by_key[key], value):
            yield f"parameters.{key} is {value!r}; {problem}"


def _problem(parameter: Parameter, value: Any) -> str:
    if isinstance(value, list):
        if not parameter.is_list or not all(isinstance(item, str) for item in value):
            return f"expected {parameter.expected or 'one text'}"
    elif not isinstance(value, str | int):
        return f"expected {parameter.expected or 'a text'}"
    return parameter.problem(text_of(value))
