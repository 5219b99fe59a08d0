"""Builds the zip that runs in Lambda: the project's own modules, and the pinned packages they need.

    python tools/bundle.py build/lambda.zip
    python tools/bundle.py build/lambda.zip --policy policy.toml      with a policy of your own

The same sources give the same bytes, whoever builds them and wherever, so that "no change" is true of a
deployment and a digest can be compared. (The last word on that has zlib: another version of it may compress
to other bytes.) What is built is there whole or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
# The wheel carries the zip, so the zip is built before the package is installed.
sys.path.insert(0, str(ROOT / "src"))

from retry_run_task.config import POLICY, policy_of  # noqa: E402
from retry_run_task.errors import RetryRunTaskError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = ROOT / "src" / "retry_run_task"
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"

# The runtime that the template names. pip looks for wheels that are made for it, not for the Python that runs
# this, and takes only those that hold no machine code, so that the zip fits arm64 and x86_64 alike.
TARGET = ("--python-version", "3.13", "--implementation", "py", "--abi", "none", "--platform", "any")

# What the audit needs of what the commands share.
SHARED = (
    *(
        "__init__",
        "access",
        "calls",
        "executions",
        "faults",
        "hints",
        "installation",
        "inventory",
        "launchers",
        "lookup",
        "rate_limits",
    ),
    *("reader", "view"),
)

# What the functions import, directly or not. The other commands, the local AWS and the simulator are left out.
OWN = (
    "__init__.py",
    "py.typed",
    "policy.toml",
    "handlers",
    "intake.py",
    "config.py",
    "documentation.py",
    "errors.py",
    "text.py",
    "aws",
    "failures",
    "launch",
    "messages",
    "policy",
    "recovery",
    "sources",
    # The daily audit, and what of the commands it needs.
    "commands/__init__.py",
    *(
        f"commands/audit/{name}.py"
        for name in ("__init__", "auditing", "function", "inspection", "overtaken", "runs", "timetable")
    ),
    *(f"commands/shared/{name}.py" for name in SHARED),
    "commands/status/__init__.py",
    "commands/status/history.py",
    "commands/status/payloads.py",
)

# Powertools' web framework, with Swagger UI's JavaScript for a browser, would add 565 KB. It is never imported,
# and the part that security scanners find fault with. Nothing outside it imports it, but for
# `shared.functions.pydantic_to_dict` when that is called with a pydantic model and parts of
# `utilities.auth_alpha`, which is for web APIs. Leaving out `utilities` as well would save 320 KB, but the logger
# imports some of it, so a list of its parts would have to be kept true at every upgrade.
LEFT_OUT = ("aws_lambda_powertools/event_handler/", "bin/")

# pip's notes on how and when it installed, which differ from build to build. The rest of a dist-info stays:
# the licence has to, and METADATA, WHEEL and entry points are what importlib.metadata reads (the durable SDK
# finds instrumentation plugins by entry points).
PIPS_NOTES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})

# The earliest moment that a zip can express.
EPOCH_1980_S = 315532800


class BundleError(Exception):
    """The zip cannot be built; the message says why."""


def main() -> None:
    """Build the zip and print its size and digest."""
    parser = argparse.ArgumentParser(description="Build the zip that runs in Lambda.")
    parser.add_argument("out", type=Path, help="where to write it, such as build/lambda.zip")
    parser.add_argument("--policy", type=Path, help="a policy.toml, instead of the default one")
    parser.add_argument("--if-outdated", action="store_true", help="leave one of these sources as it is")
    arguments = parser.parse_args()
    out: Path = arguments.out
    if arguments.if_outdated and is_current(out):
        return
    try:
        # Before pip is asked for anything: a policy that is wrong must not be built into anything.
        policy = arguments.policy and arguments.policy.read_bytes()
        if policy is not None:
            policy_of(policy, str(arguments.policy))
        content = zipped(collect())
        if policy is not None:
            # It needs packages that a build of the wheel, which needs no policy, does not have.
            from retry_run_task.commands.deploy.package import with_policy  # noqa: PLC0415

            content = with_policy(content, policy)
        write(content, out)
    except OSError as error:
        sys.exit(f"Error: {error.filename} cannot be read or written: {error.strerror}")
    except (BundleError, RetryRunTaskError) as error:
        sys.exit(f"Error: {error}")
    print(f"{out}: {len(content) / 1000:.0f} KB, SHA-256 {hashlib.sha256(content).hexdigest()}")


def collect() -> dict[str, bytes]:
    """Return what goes into the zip, by name."""
    with tempfile.TemporaryDirectory() as name:
        packages = Path(name)
        _install(packages)
        files = dict(_read(packages))
    _check_pure(files)
    files |= _own()
    return files


def _install(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", *TARGET, "--no-compile"]
    command += ["--target", str(target), "--requirement", str(REQUIREMENTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BundleError(f"pip could not install {REQUIREMENTS.relative_to(ROOT)}:\n{done.stdout.rstrip()}")


def _own() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name in OWN:
        path = PACKAGE / name
        if not path.exists():
            raise BundleError(f"{path.relative_to(ROOT)} is to go into the zip and is not there")
        found = dict(_read(path)) if path.is_dir() else {"": path.read_bytes()}
        files |= {str(PurePosixPath(PACKAGE.name, name, inner)): content for inner, content in found.items()}
    # Whoever gets the zip alone gets the licence with it, as of every other package in it.
    files[f"{PACKAGE.name}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    return files


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _is_left_out(name):
            yield name, path.read_bytes()


def _is_left_out(name: str) -> bool:
    path = PurePosixPath(name)
    is_note = path.parts[0].endswith(".dist-info") and path.name in PIPS_NOTES
    # Bytecode is bound to the Python that wrote it, which need not be Lambda's. Without it a cold start takes a
    # few tenths of a second more, which nothing here waits for: a record is minutes old when it arrives.
    is_bytecode = "__pycache__" in path.parts or path.suffix == ".pyc"
    is_hidden = any(part.startswith(".") for part in path.parts)
    return is_note or is_bytecode or is_hidden or name.startswith(LEFT_OUT)


def _check_pure(files: Mapping[str, bytes]) -> None:
    """Refuse machine code, which fits one architecture and one Python at most.

    Raises:
        BundleError: There is some, or a package does not say that it has none.
    """
    wheels = {name: content for name, content in files.items() if name.endswith(".dist-info/WHEEL")}
    if not wheels:
        raise BundleError("no package was installed")
    for name, content in wheels.items():
        tags = HeaderParser().parsestr(content.decode())
        if tags["Root-Is-Purelib"] != "true" or not all(
            t.endswith("-none-any") for t in tags.get_all("Tag", [""])
        ):
            raise BundleError(f"{PurePosixPath(name).parent} is not pure Python, so it may not run on arm64")
    for name, content in files.items():
        if PurePosixPath(name).suffix in {".so", ".pyd", ".dylib", ".a"} or content.startswith(b"\x7fELF"):
            raise BundleError(f"{name} is machine code, so it may not run on arm64")


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of the files: sorted, of one time, readable by all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _time())
            # Unix, a regular file, rw-r--r--: Lambda runs the code as a user that is not its owner.
            # https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def _time() -> tuple[int, int, int, int, int, int]:
    # https://reproducible-builds.org/specs/source-date-epoch/
    given = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not given.isdecimal():
        raise BundleError(f"SOURCE_DATE_EPOCH is {given!r}; expected whole seconds since 1970")
    moment = time.gmtime(max(int(given), EPOCH_1980_S))
    return moment.tm_year, moment.tm_mon, moment.tm_mday, moment.tm_hour, moment.tm_min, moment.tm_sec


def is_current(path: Path) -> bool:
    """Tell whether a zip is there and has these sources and pins; it may have another policy."""
    if not path.is_file():
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        own = {name: archive.read(name) for name in names if name.startswith(f"{PACKAGE.name}/")}
    policy = f"{PACKAGE.name}/{POLICY}"
    here = _own()
    packages = {name.split(".dist-info/")[0].lower() for name in names if ".dist-info/" in name}
    pins = re.findall(r"^([\w.-]+)==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    return (
        {name: own[name] for name in own if name != policy}
        == {name: here[name] for name in here if name != policy}
        and policy in own
        and packages == {f"{name.replace('-', '_')}-{version}".lower() for name, version in pins}
    )


def write(content: bytes, out: Path) -> None:
    """Put the content in its place at once: a build that is killed leaves what was there before."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as name:
        whole = Path(name, out.name)
        whole.write_bytes(content)
        whole.replace(out)


if __name__ == "__main__":
    main()
