"""Puts into the wheel what `deploy` deploys: the templates, and the zip that both functions run.

The zip is built first if it is not there or was built from other sources, since a wheel without it cannot deploy. That
needs pip, and an index for the pinned packages; `make`, a release and the sdist have it ready.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA = "retry_run_task/commands/deploy/data"
CARRIED = ("infra/template.yaml", "infra/member.yaml", "build/lambda.zip")


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling looks for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Name the files that go into the wheel beside the package."""
        root = Path(self.root)
        command = [sys.executable, "tools/bundle.py", "build/lambda.zip", "--if-outdated"]
        done = subprocess.run(
            command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            self.app.abort(f"The zip that deploy deploys cannot be built.\n{done.stdout.rstrip()}")
        for name in CARRIED:
            build_data["force_include"][str(root / name)] = f"{DATA}/{Path(name).name}"
