"""What CI runs: it gets a browser where it can, and the tests run with or without one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.browser import NAMES

ROOT = Path(__file__).parents[2]
NEEDED = ("bash", "dirname", "env", "id", "make", "sh", "timeout")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the few programs that there are, none of which is a browser."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=env | {"PATH": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


BROWSER = ("make", "--silent", "browser", "SUDO=")


def test_chromium_is_downloaded_before_it_is_installed_without_the_network(
    programs: Path, tmp_path: Path
) -> None:
    put(programs, "apt-get", f'echo "$*" >> {tmp_path}/asked')
    assert run(programs, *BROWSER).returncode == 0
    asked = [line.split() for line in (tmp_path / "asked").read_text().splitlines()]
    assert [line[-1] for line in asked] == ["update", "chromium", "chromium"]
    assert "--download-only" in asked[1]
    assert "--no-download" in asked[2]
    assert all("--yes" in line for line in asked)


def test_what_cannot_be_downloaded_is_not_installed(programs: Path, tmp_path: Path) -> None:
    script = f'echo "$*" >> {tmp_path}/asked; case "$*" in *--download-only*) exit 100;; esac'
    put(programs, "apt-get", script)
    assert run(programs, *BROWSER).returncode != 0
    assert "--no-download" not in (tmp_path / "asked").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_browser_that_is_there_is_enough(programs: Path, name: str) -> None:
    put(programs, name, "exit 1")
    put(programs, "apt-get", "exit 1")
    assert run(programs, *BROWSER).returncode == 0


def test_a_machine_without_apt_runs_the_tests_without_a_browser(programs: Path) -> None:
    # It is make that runs the tests; here it says so.
    make = (programs / "make").readlink()
    put(programs, "make", f'test "$1" = test && echo "tested" && exit 3; exec {make} --silent "$@"')
    done = run(programs, "bash", ".ci/run")
    assert "Chromium could not be installed" in done.stderr
    assert done.stdout == "tested\n"
    # And their end is its own.
    assert done.returncode == 3
