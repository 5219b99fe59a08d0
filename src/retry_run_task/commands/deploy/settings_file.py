"""``retry-run-task.toml``: what to deploy with, so that it need not be typed again and can be reviewed.

    stack = "retry-run-task"
    region = "eu-west-1"

    [tags]
    CostCenter = "4711"

    [parameters]
    task_definitions = ["nightly", "report-*"]
    notification_email = "on-call@example.com"
    recover_concurrency = 10

Every problem in it is named, not only the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.shared import settings
from retry_run_task.commands.shared.parameters import PARAMETERS, Parameter
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """The content of a settings file; empty where it says nothing.

    Attributes:
        options: ``stack``, ``region``, ``profile``, ``look_with``, ``bucket``, ``policy`` and ``cloudformation_role``,
            those that it has. A policy is a path relative to the settings file.
        parameters: Parameters of the template, by their names there, as text.
    """

    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def read_settings(path: Path, *, must_exist: bool) -> SettingsFile:
    """Read a settings file.

    ``must_exist`` is for a file that was named explicitly.

    Raises:
        ConfigError: It cannot be read, or something in it is invalid; names every problem.
    """
    content = settings.load(path, must_exist=must_exist)
    parameters = content.get("parameters", {})
    problems = list(_problems(content))
    if problems:
        raise ConfigError(f"{path}: {'; '.join(problems)}.", hint="Correct the file.")
    by_key = {one.key: one for one in PARAMETERS}
    options = {key: content[key] for key in settings.OPTIONS if key in content}
    if options.get("policy", "default") != "default":
        options["policy"] = str(path.parent / options["policy"])
    return SettingsFile(
        options=MappingProxyType(options),
        tags=MappingProxyType(content.get("tags", {})),
        parameters=MappingProxyType({by_key[key].name: _text(value) for key, value in parameters.items()}),
    )


def _problems(content: Mapping[str, Any]) -> Iterator[str]:
    yield from settings.problems(content)
    for table, problems in (("tags", _tag_problems), ("parameters", _parameter_problems)):
        found = content.get(table, {})
        yield from problems(found) if isinstance(found, dict) else ()


def _tag_problems(tags: Mapping[str, Any]) -> Iterator[str]:
    for key, value in tags.items():
        if not isinstance(value, str):
            yield f"tags.{key} is {value!r}; expected a text"


def _parameter_problems(parameters: Mapping[str, Any]) -> Iterator[str]:
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
    return parameter.problem(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
