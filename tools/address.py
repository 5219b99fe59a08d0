"""Writes into a copy of the sources where the repository is on the web, for a release: `make dist`.

The address is the environment's REPOSITORY_URL, such as https://github.com/owner/name, and is read only here. Alarms,
messages and the page on PyPI then link to the documentation of the released version. A checkout has paths instead.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLE = "REPOSITORY_URL"
RUNBOOK = "docs/runbook.md"
# What the template and the module allow: AllowedPattern of RunbookUrl.
LONGEST = 100
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(?:/[A-Za-z0-9_.-]+){2}")
_MODULE = "src/retry_run_task/__init__.py"

# Each file, what stands there once in a checkout, and what a release has.
PLACES = {
    "src/retry_run_task/documentation.py": ('\nREPOSITORY = ""\n', '\nREPOSITORY = "{repository}"\n'),
    "infra/template.yaml": (f"\n    Default: {RUNBOOK}\n", "\n    Default: {runbook}\n"),
    "infra/terraform/variables.tf": (f'= "{RUNBOOK}"\n', '= "{runbook}"\n'),
    "infra/terraform/README.md": (f'| `"{RUNBOOK}"` |', '| `"{runbook}"` |'),
    "pyproject.toml": (
        "\n[project.scripts]\n",
        (
            '\n[project.urls]\nSource = "{repository}"\nDocumentation = "{files}/README.md"\n'
            'Changelog = "{files}/CHANGELOG.md"\nIssues = "{repository}/issues"\n\n[project.scripts]\n'
        ),
    ),
}
# Pages that are read outside the repository.
PAGES = ("README.md", "infra/terraform/README.md")
_LINK = re.compile(r"(?P<image>!?)(?P<text>\[[^\[\]]*\])\((?P<target>[^()\s]+)\)")


class AddressError(Exception):
    """The address cannot be used or written; the message says why."""


def given(environment: Mapping[str, str]) -> str:
    """Return the address of the repository.

    Raises:
        AddressError: It is missing or is none.
    """
    text = environment.get(VARIABLE, "")
    if not _ADDRESS.fullmatch(text):
        raise AddressError(
            f"{VARIABLE} is {text!r}; a release links to its documentation, so expected the repository's address, such "
            "as https://github.com/owner/name"
        )
    return text


def version(root: Path) -> str:
    """Return the version of the sources.

    Raises:
        AddressError: They have none.
    """
    found = re.search(r'^__version__ = "(.+)"$', (root / _MODULE).read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise AddressError(f"{_MODULE} has no __version__")
    return found[1]


def runbook(repository: str, released: str) -> str:
    """Return the address of a version's runbook.

    Raises:
        AddressError: It is too long for the template's parameter.
    """
    address = f"{repository}/blob/v{released}/{RUNBOOK}"
    if len(address) > LONGEST:
        raise AddressError(
            f"{address} has {len(address)} characters, and the template allows {LONGEST}; shorten {VARIABLE}"
        )
    return address


def copy(root: Path, to: Path) -> None:
    """Copy what the sdist has, which is all that a release is built from."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    to.mkdir(parents=True)
    for name in (
        "pyproject.toml",
        ".gitignore",
        *project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"],
    ):
        if (root / name).is_dir():
            shutil.copytree(
                root / name, to / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform*")
            )
        elif (root / name).exists():
            shutil.copyfile(root / name, to / name)


def write(root: Path, repository: str) -> None:
    """Write the address into every place of a copy.

    Raises:
        AddressError: A place is not there, or the address is too long.
    """
    released = version(root)
    words = {
        "repository": repository,
        "files": f"{repository}/blob/v{released}",
        "runbook": runbook(repository, released),
    }
    for name, (before, after) in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        if text.count(before) != 1:
            raise AddressError(f"{name} has {text.count(before)} places like {before!r}, not one")
        (root / name).write_text(text.replace(before, after.format(**words)), encoding="utf-8")
    for name in PAGES:
        text = (root / name).read_text(encoding="utf-8")
        text = absolute(text, posixpath.dirname(name), repository, released)
        (root / name).write_text(text, encoding="utf-8")


def absolute(text: str, folder: str, repository: str, released: str) -> str:
    """Return a page with absolute links to the repository's files: to pages, and to images as such."""

    def link(found: re.Match[str]) -> str:
        target = found["target"]
        if target.startswith("#") or re.match(r"[a-z]+:", target):
            return found[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        view = "raw" if found["image"] else "blob"
        return f"{found['image']}{found['text']}({repository}/{view}/v{released}/{path})"

    return _LINK.sub(link, text)
