"""The wheel that users install: these tests, and all others, run against it and not against the source tree."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest

import retry_run_task
from retry_run_task.documentation import REPOSITORY
from support.release import built_from

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent


def installed_files() -> dict[str, Path]:
    """Return the files of the package, by their path in the wheel."""
    files = metadata.files("retry-run-task")
    assert files is not None
    return {file.as_posix(): Path(str(file.locate())) for file in files if file.suffix != ".pyc"}


def test_the_package_under_test_is_the_installed_wheel() -> None:
    """Not the source tree, nor a link to it: what is missing in the wheel has to be missing here."""
    here = Path(retry_run_task.__file__).resolve()
    assert here == installed_files()["retry_run_task/__init__.py"].resolve()
    assert "site-packages" in here.parts
    assert not here.is_relative_to(ROOT / "src")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel was built from: this repository, or what a release's build makes of it."""
    return built_from(REPOSITORY, tmp_path_factory.mktemp("sources") / "tree")


def test_it_is_all_of_the_source_tree_and_as_it_is_now(sources: Path) -> None:
    package = sources / "src" / "retry_run_task"
    expected = {
        f"retry_run_task/{path.relative_to(package).as_posix()}": path
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } | {
        # What `deploy` deploys is made elsewhere, and carried.
        "retry_run_task/commands/deploy/data/template.yaml": sources / "infra" / "template.yaml",
        "retry_run_task/commands/deploy/data/member.yaml": sources / "infra" / "member.yaml",
        "retry_run_task/commands/deploy/data/lambda.zip": ROOT / "build" / "lambda.zip",
    }
    installed = {name: path for name, path in installed_files().items() if name.startswith("retry_run_task/")}
    assert installed.keys() == expected.keys()
    changed = [name for name, path in installed.items() if path.read_bytes() != expected[name].read_bytes()]
    assert changed == [], "the sources have changed since the wheel was installed: run make test"


def test_it_carries_what_is_not_python() -> None:
    package = resources.files("retry_run_task")
    assert package.joinpath("py.typed").is_file()
    assert package.joinpath("local", "logs", "filter_pattern.lark").read_text(encoding="utf-8")


def test_its_metadata(sources: Path) -> None:
    about = metadata.metadata("retry-run-task")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert about["Version"] == retry_run_task.__version__ == metadata.version("retry-run-task")
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == project["requires-python"] == ">=3.11"
    assert about["Summary"] == project["description"]
    assert about["Description-Content-Type"] == "text/markdown"
    assert about.get_payload() == (sources / "README.md").read_text(encoding="utf-8")
    license_text = next(
        path for name, path in installed_files().items() if name.endswith("/licenses/LICENSE")
    )
    assert license_text.read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "Apache License" in license_text.read_text(encoding="utf-8")


def test_it_brings_one_command_which_runs() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="retry-run-task")
    assert script.value == "retry_run_task.commands.main:main"
    assert callable(script.load())
    own = metadata.distribution("retry-run-task").entry_points
    assert [entry.name for entry in own] == ["retry-run-task"]
    expected = f"retry-run-task, version {retry_run_task.__version__}\n"
    for command in ([SCRIPTS / "retry-run-task"], [sys.executable, "-m", "retry_run_task"]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_it_does_not_bring_the_tests_or_the_tools() -> None:
    names = [name for name in installed_files() if not name.startswith("retry_run_task/")]
    assert all(n.split("/")[0].endswith(".dist-info") or n.endswith("bin/retry-run-task") for n in names), (
        names
    )
