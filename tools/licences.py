"""Writes docs/reference/licences.md: whose code is in the zip that runs in Lambda, and under which licence.

    python tools/licences.py            write the page, if it has changed
    python tools/licences.py --check    write nothing; end with 1 if the page is stale

What is read is build/lambda.zip itself, so the page is about the very bytes that are deployed. A package whose licence
is not on the list below, or whose licence's text is not in the zip, is an error.
"""

from __future__ import annotations

import re
import sys
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
ZIP = ROOT / "build" / "lambda.zip"
PAGE = ROOT / "docs" / "reference" / "licences.md"
OWN = "retry_run_task"

# Licences, by their SPDX names, under which anyone may pass the zip on without asking and without publishing more
# than the texts that are in it. https://spdx.org/licenses/
ALLOWED = frozenset({"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"})

# Packages whose metadata has no SPDX expression: what it says instead, and what the licence's text says. If the
# metadata changes, the text has to be read again.
READ = {
    "aws-croniter": ("MIT", "MIT"),
    # The metadata names MIT, the classifiers MIT-0 as well; the text is that of MIT-0.
    "aws-lambda-powertools": ("MIT", "MIT-0"),
    "jmespath": ("MIT", "MIT"),
    # All of it is under the BSD licence, and what was written since 2017 under Apache's as well.
    "python-dateutil": ("Dual License", "Apache-2.0 AND BSD-3-Clause"),
    "six": ("MIT", "MIT"),
    "tzdata": ("Apache-2.0", "Apache-2.0"),
}

_TEXT = re.compile(r"(licen[cs]e|copying|notice)[^/]*$", re.IGNORECASE)


class LicenceError(Exception):
    """What is in the zip may not be passed on as it is, or that is unknown; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package in the zip.

    Attributes:
        name: As PyPI writes it.
        version: Of the package.
        expression: Its licence, as an SPDX expression.
        texts: Names of the files with the licence's text, and of notices.
    """

    name: str
    version: str
    expression: str
    texts: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    """Write the page, or check it; returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print(f"Usage: python tools/licences.py [--check]; not {' '.join(arguments)}", file=sys.stderr)
        return 2
    try:
        text = page(packages(read(ZIP)))
    except LicenceError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    name = PAGE.relative_to(ROOT)
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if arguments:
        print(f"{name} is stale; write it again with: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(name)
    return 0


def read(path: Path) -> dict[str, bytes]:
    """Return the files of a zip, by name.

    Raises:
        LicenceError: It is not there.
    """
    if not path.exists():
        raise LicenceError(f"{path.name} is not built; build it with: make bundle")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packages(files: Mapping[str, bytes]) -> list[Package]:
    """Return the packages of the zip, by name; ours is first.

    Raises:
        LicenceError: A licence is not allowed or not known, or its text is missing. All of them are named.
    """
    found, problems = [_own(files)], []
    for name in sorted(files):
        if not name.endswith(".dist-info/METADATA"):
            continue
        try:
            found.append(_package(name.rpartition("/")[0], files))
        except LicenceError as error:
            problems.append(str(error))
    for package in found:
        if not allowed(package.expression):
            problems.append(
                f"{package.name} is under {package.expression}, which tools/licences.py does not allow"
            )
        if not any("notice" not in text.lower().rpartition("/")[2] for text in package.texts):
            problems.append(f"the text of {package.name}'s licence is not in the zip")
    if problems:
        raise LicenceError("\n".join(problems))
    return found


def allowed(expression: str) -> bool:
    """Tell whether an SPDX expression of names, AND and OR can be met with what is allowed."""
    return any(
        all(name.strip() in ALLOWED for name in choice.split(" AND ")) for choice in expression.split(" OR ")
    )


def _own(files: Mapping[str, bytes]) -> Package:
    source = files[f"{OWN}/__init__.py"].decode()
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if version is None:
        raise LicenceError("the zip's retry_run_task/__init__.py has no __version__")
    texts = tuple(name for name in sorted(files) if name == f"{OWN}/LICENSE")
    return Package(name="retry-run-task", version=version[1], expression="Apache-2.0", texts=texts)


def _package(folder: str, files: Mapping[str, bytes]) -> Package:
    about = HeaderParser().parsestr(files[f"{folder}/METADATA"].decode())
    name = about["Name"].replace("_", "-").lower()
    expression = about["License-Expression"]
    if expression is None:
        said, expression = READ.get(name, (None, None))
        if expression is None or said != about["License"]:
            raise LicenceError(
                f"{name} {about['Version']} has no License-Expression, and its License is {about['License']!r}, not "
                f"{said!r}; read its text, and write into tools/licences.py what it is"
            )
    # A licence may stand beside the code instead of in the metadata's folder.
    beside = name.replace("-", "_")
    texts = [
        file
        for file in sorted(files)
        if _TEXT.search(file)
        and (file.startswith(f"{folder}/") or (file.startswith(f"{beside}/") and file.count("/") == 1))
    ]
    return Package(name=name, version=about["Version"], expression=expression, texts=tuple(texts))


def page(found: Sequence[Package]) -> str:
    """Return the text of the page."""
    rows = [
        f"| {package.name} | {package.version} | `{package.expression}` | "
        f"{', '.join(f'`{text}`' for text in package.texts)} |"
        for package in found
    ]
    return "\n".join(
        [
            "# Licences of what runs in Lambda",
            "",
            "<!-- Written by `make docs` from build/lambda.zip; edit tools/licences.py, not this page. -->",
            "",
            "This page is written from the built `lambda.zip`, and a test says that it is up to date.",
            "Licences are named as [SPDX](https://spdx.org/licenses/) does, and each text is a file in the zip.",
            "",
            "| package | version | licence | text in the zip |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"Licences other than {', '.join(f'`{name}`' for name in sorted(ALLOWED))} are an error.",
            "boto3 and botocore come from Lambda's runtime and are not in the zip.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
