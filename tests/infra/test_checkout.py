"""`pip install .` in a checkout, without make: the wheel carries the zip, or pip says why there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from support.release import tool

ROOT = Path(__file__).parents[2]
DATA = "retry_run_task/commands/deploy/data"
ZIP = ROOT / "build" / "lambda.zip"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The sources, in which nothing was built."""
    tool("address").copy(ROOT, tmp_path / "checkout")
    return tmp_path / "checkout"


def wheel(checkout: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Have pip build the wheel, as it does before it installs it."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        "wheels",
        *options,
        ".",
    ]
    return subprocess.run(
        command, cwd=checkout, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_pip_builds_the_zip_that_the_wheel_carries(checkout: Path) -> None:
    done = wheel(checkout)
    assert done.returncode == 0, done.stderr
    (made,) = (checkout / "wheels").iterdir()
    with zipfile.ZipFile(made) as archive:
        carried = {Path(name).name for name in archive.namelist() if name.startswith(f"{DATA}/")}
        assert carried == {"template.yaml", "member.yaml", "lambda.zip"}
        assert archive.read(f"{DATA}/lambda.zip") == ZIP.read_bytes()


def test_without_an_index_pip_says_that_the_zip_is_missing(checkout: Path, tmp_path: Path) -> None:
    """And not the command that deploys, days later."""
    nothing = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    done = wheel(checkout, "--no-build-isolation", **nothing)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert (
        "The zip that deploy deploys cannot be built. Error: pip could not install requirements/lambda.txt"
        in said
    )
    assert list(checkout.glob("wheels/*")) == []


@pytest.fixture(scope="module")
def bundle() -> Any:
    return tool("bundle")


def changed(tmp_path: Path, **files: bytes | None) -> Path:
    """Return a zip with other files than the built one; None leaves one out."""
    other = tmp_path / "lambda.zip"
    with zipfile.ZipFile(ZIP) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = files.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name in files.keys() - set(old.namelist()):
            new.writestr(name, files[name] or b"")
    return other


CURRENT = [{}, {"retry_run_task/policy.toml": b"version = 1\n"}]
OUTDATED = [
    {"retry_run_task/intake.py": b""},
    {"retry_run_task/intake.py": None},
    {"retry_run_task/gone.py": b""},
    {"retry_run_task/policy.toml": None},
    {"six-9.9.9.dist-info/METADATA": b""},
]


@pytest.mark.parametrize(
    ("files", "expected"), [(one, True) for one in CURRENT] + [(one, False) for one in OUTDATED]
)
def test_a_zip_of_other_sources_is_not_taken_for_the_zip_of_these(
    bundle: Any, tmp_path: Path, files: dict[str, bytes | None], expected: bool
) -> None:
    """One with another policy is: `make bundle POLICY=` made it."""
    assert bundle.is_current(changed(tmp_path, **files)) is expected
    assert not bundle.is_current(tmp_path / "none.zip")
