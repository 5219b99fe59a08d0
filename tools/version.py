"""Writes a version into every place that has it: the package, the template, the Terraform module, the changelog.

    python tools/version.py 0.2.0

What is unreleased in the changelog gets the version and today's date (UTC); the section `Unreleased` stays, empty.
tests/infra/test_release.py says that all places are the same.

    python tools/version.py --notes 0.2.0    print the changelog's section of a version
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = "CHANGELOG.md"

# Each file, and what stands around a version there.
PLACES: dict[str, tuple[str, ...]] = {
    "src/retry_run_task/__init__.py": (r'^__version__ = "(.+)"$',),
    "infra/template.yaml": (
        r"^  retry-run-task (\S+): ",
        r", stack version ([^\"\s]+)\"$",
        r"^  Version:\n    Description: .+\n    Value: (\S+)$",
    ),
    "infra/terraform/outputs.tf": (r'^output "version" \{\n(?:.*\n)*?  value +?= "(.+)"$',),
}
# What PEP 440 calls a final or a pre-release. No leading v: the tag has it, the version has not.
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
_SECTION = re.compile(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)


class VersionError(Exception):
    """The version cannot be written, or is not there; the message says why."""


def main(arguments: Sequence[str]) -> int:
    """Write a version, or print the notes of one; returns the exit code."""
    try:
        match arguments:
            case ["--notes", version]:
                print(notes((ROOT / CHANGELOG).read_text(encoding="utf-8"), version))
            case [version] if not version.startswith("-"):
                write(ROOT, version, datetime.now(UTC).date().isoformat())
            case _:
                print("Usage: python tools/version.py VERSION | --notes VERSION", file=sys.stderr)
                return 2
    except VersionError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def versions(root: Path) -> dict[str, str]:
    """Return the version that stands in each place, by the file and the number of the place in it.

    Raises:
        VersionError: A place is not there, or is there twice.
    """
    found = {}
    for name, patterns in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        for number, pattern in enumerate(patterns, 1):
            matches = re.findall(pattern, text, re.MULTILINE)
            if len(matches) != 1:
                raise VersionError(f"{name} has {len(matches)} places like {pattern!r}, not one")
            found[f"{name}, {number}"] = matches[0]
    return found


def write(root: Path, version: str, day: str) -> None:
    """Write a version everywhere, or nowhere.

    Raises:
        VersionError: It is none, or it has been released already, or there is nothing to release.
    """
    if not VERSION.fullmatch(version):
        raise VersionError(f"{version!r} is no version; write it like 0.2.0 or 0.2.0rc1")
    versions(root)
    texts = {CHANGELOG: released((root / CHANGELOG).read_text(encoding="utf-8"), version, day)}
    for name, patterns in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        for pattern in patterns:
            match = re.search(pattern, text, re.MULTILINE)
            assert match is not None  # noqa: S101 - versions() has found it
            text = text[: match.start(1)] + version + text[match.end(1) :]
        texts[name] = text
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
        print(name)


def sections(changelog: str) -> dict[str, tuple[str | None, str]]:
    """Return date and text of each version in the changelog, the newest first.

    Raises:
        VersionError: It does not begin with Unreleased, or a version is there twice or has no date.
    """
    parts = _SECTION.split(changelog)[1:]
    found: dict[str, tuple[str | None, str]] = {}
    for version, day, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if version in found:
            raise VersionError(f"{CHANGELOG} has the section [{version}] twice")
        if (day is None) != (version == "Unreleased"):
            raise VersionError(
                f"{CHANGELOG}: [{version}] needs a date like `## [0.2.0] - 2026-11-24`, Unreleased none"
            )
        found[version] = (day, text.strip())
    if next(iter(found), None) != "Unreleased":
        raise VersionError(f"{CHANGELOG} does not begin with the section [Unreleased]")
    return found


def released(changelog: str, version: str, day: str) -> str:
    """Return the changelog with what is unreleased as a version of its own.

    Raises:
        VersionError: The version is there already, or nothing is unreleased.
    """
    found = sections(changelog)
    if version in found:
        raise VersionError(f"{CHANGELOG} has {version} already, and a version is released once")
    if not found["Unreleased"][1]:
        raise VersionError(f"nothing is unreleased in {CHANGELOG}; write for users what changes")
    return changelog.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{version}] - {day}\n", 1)


def notes(changelog: str, version: str) -> str:
    """Return what the changelog says of a version, with links that work outside the repository's folders.

    Raises:
        VersionError: It says nothing of it.
    """
    _, text = sections(changelog).get(version, (None, ""))
    if not text:
        raise VersionError(f"{CHANGELOG} says nothing of {version}; run: python tools/version.py {version}")
    # A release's page is not in the folder that the links start from.
    return re.sub(r"\[([^\[\]]+)\]\((?!https:)[^()\s]+\)", r"\1", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
