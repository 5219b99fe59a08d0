"""Puts into the wheel what `deploy` deploys: the templates, and the zip that both functions run.

The zip is built before the wheel (`make bundle`), since building it needs pip and a network, which a build of the
wheel alone should not. A wheel without it has every command; `deploy` says what is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA = "retry_run_task/commands/deploy/data"
CARRIED = ("infra/template.yaml", "infra/member.yaml", "build/lambda.zip")


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling looks for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Name the files that go into the wheel beside the package."""
        for name in CARRIED:
            path = Path(self.root, name)
            if path.is_file():
                build_data["force_include"][str(path)] = f"{DATA}/{path.name}"
            else:
                self.app.display_warning(f"{name} is not there, so this wheel cannot deploy: make bundle")
