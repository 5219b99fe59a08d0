"""The settings in a function's environment, read once per process."""

from __future__ import annotations

import os

from retry_run_task.aws.cached import cached
from retry_run_task.config import Settings


@cached
def settings() -> Settings:
    """Return the settings of this process.

    Raises:
        ConfigError: The environment is wrong.
    """
    return Settings.from_environment(os.environ)
