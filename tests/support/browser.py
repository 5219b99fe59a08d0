"""A real browser, where there is one: Debian's chromium, which `make browser` installs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: tests may run as root. Nothing is fetched, sent or kept.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def chromium() -> str:
    """Return the browser's path; skips the test if there is none, and says how to get one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium here, so no page was opened; install it with: make browser")
    return found


def dom_of(page: Path, profile: Path, *flags: str, size: str = "1100,2000") -> str:
    """Open a page and return its document after its scripts have run."""
    command = [
        chromium(),
        *FLAGS,
        f"--user-data-dir={profile}",
        f"--window-size={size}",
        *flags,
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, page.as_uri()],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        # Its crash handler wants a home that can be written to.
        env={**os.environ, "HOME": str(profile)},
    )
    return done.stdout
