"""Looks for known vulnerabilities in every pinned package: `make audit`.

    .venv-audit/bin/python tools/audit.py [requirements/lambda.txt ...]

pip-audit asks PyPI about each line of requirements/*.txt. It ends with 0 also if PyPI knows nothing of a package, as
a mirror does; a check that could not look must not pass, so its answer is read here.

Ends with 0 if every package was looked up and nothing was found, 1 if something was found, 2 if it could not look.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]

# Findings that do not concern us: the id, and why. Each is taken out when the package is no longer pinned.
ACCEPTED: dict[str, str] = {}

# Nothing is downloaded or resolved: the files are whole, and name each package with its hashes.
PIP_AUDIT = (
    "--format",
    "json",
    "--progress-spinner",
    "off",
    "--disable-pip",
    "--no-deps",
    "--require-hashes",
)

FOUND_NOTHING, FOUND, COULD_NOT_LOOK = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of the packages of one file.

    Attributes:
        looked_up: How many packages the service knew.
        findings: One line for each vulnerability that is not accepted.
        unknown: One line for each package, or for the file, that could not be looked up.
    """

    looked_up: int
    findings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def main(arguments: Sequence[str]) -> int:
    """Audit the files, print what was found, and return the exit code."""
    files = [Path(name) for name in arguments] or sorted((ROOT / "requirements").glob("*.txt"))
    reports = {}
    for file in files:
        reports[file.name] = report = audit(file)
        print(f"{file.name}: {report.looked_up} packages looked up, {len(report.findings)} findings")
        for line in (*report.findings, *report.unknown):
            print(f"  {line}")
    code = verdict(list(reports.values()))
    if code == COULD_NOT_LOOK:
        missing = ", ".join(name for name, report in reports.items() if report.unknown)
        print(
            f"Not everything could be looked up ({missing}), so whether there are vulnerabilities is not known. "
            "Run it where PyPI itself can be reached.",
            file=sys.stderr,
        )
    return code


def audit(file: Path) -> Report:
    """Ask about the packages of one file."""
    command = [Path(sys.executable).parent / "pip-audit", *PIP_AUDIT, "--requirement", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return read(json.loads(done.stdout))
    except json.JSONDecodeError:
        last = (
            done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode} and said nothing"]
        )[-1]
        return Report(looked_up=0, unknown=(last[:200],))


def read(answer: Mapping[str, Any]) -> Report:
    """Return what pip-audit's JSON says."""
    findings, unknown, looked_up = [], [], 0
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            unknown.append(package["skip_reason"])
            continue
        looked_up += 1
        for found in package["vulns"]:
            names = [found["id"], *found.get("aliases", [])]
            if not set(names) & ACCEPTED.keys():
                fixed = ", ".join(found.get("fix_versions", [])) or "no version yet"
                findings.append(
                    f"{package['name']} {package['version']}: {' '.join(names)}; fixed in {fixed}"
                )
    return Report(looked_up=looked_up, findings=tuple(findings), unknown=tuple(unknown))


def verdict(reports: Sequence[Report]) -> int:
    """Return the exit code: what was found counts more than what is not known."""
    if any(report.findings for report in reports):
        return FOUND
    if not reports or any(report.unknown or not report.looked_up for report in reports):
        return COULD_NOT_LOOK
    return FOUND_NOTHING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
