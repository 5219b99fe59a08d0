"""The scripts of bench/, which are no package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

BENCH = Path(__file__).parents[2] / "bench"


@contextmanager
def script(name: str) -> Iterator[ModuleType]:
    """Import a script, and forget it again."""
    sys.path.insert(0, str(BENCH))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCH))
        sys.modules.pop(name, None)
