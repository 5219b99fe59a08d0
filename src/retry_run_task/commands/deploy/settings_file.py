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
from typing import TYPE_CHECKING

from retry_run_task.commands.shared import settings
from retry_run_task.commands.shared.parameters import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    by_key = {one.key: one for one in PARAMETERS}
    options = {key: content[key] for key in settings.OPTIONS if key in content}
    if options.get("policy", "default") != "default":
        options["policy"] = str(path.parent / options["policy"])
    values = {by_key[key].name: settings.text_of(value) for key, value in parameters.items()}
    # Who shares the file has that profile, too.
    profile = options.get("profile", "")
    if profile and not by_key["command_profile"].problem(profile):
        values.setdefault("CommandProfile", profile)
    return SettingsFile(
        options=MappingProxyType(options),
        tags=MappingProxyType(content.get("tags", {})),
        parameters=MappingProxyType(values),
    )
