"""What a release is built from."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def tool(name: str) -> Any:
    """Return a module of tools/."""
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def built_from(repository: str, folder: Path) -> Path:
    """Return the sources: a copy with the repository's address, or these if there is none, as in a checkout."""
    if not repository:
        return ROOT
    address = tool("address")
    address.copy(ROOT, folder)
    address.write(folder, repository)
    return folder
