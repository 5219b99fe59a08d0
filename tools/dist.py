"""Builds what a release consists of, once, or looks whether it is whole: `make dist`, `make distcheck`.

    REPOSITORY_URL=https://github.com/owner/name python tools/dist.py build --sbom-with .venv-audit/bin/cyclonedx-py
    python tools/dist.py check

dist/ then holds the wheel, the sdist, the zip that runs in Lambda, the template that deploys this very zip, the
Terraform module with the zip, an SBOM of the zip, and the SHA-256 of each. All link to the documentation of their
version in that repository. The same commit gives the same bytes: what has a time in it has a fixed one, or that of
SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import address  # noqa: E402

DIST = ROOT / "dist"
ZIP, TEMPLATE = "build/lambda.zip", "infra/template.yaml"
SUMS, SBOM, TERRAFORM = "SHA256SUMS", "sbom.cdx.json", "terraform.zip"
# Where the template says that the code is: in a checkout, and beside the released template.
CODE_HERE, CODE_THERE = "../build/lambda.zip", "lambda.zip"
DATA = "retry_run_task/commands/deploy/data"


class DistError(Exception):
    """The release cannot be built, or is not whole; the message says why."""


def main() -> None:
    """Build or check."""
    parser = argparse.ArgumentParser(
        description="Build what a release consists of, or look whether it is whole."
    )
    parser.add_argument("what", choices=("build", "check"))
    parser.add_argument("--sbom-with", type=Path, metavar="CYCLONEDX_PY", help="needed to build")
    given = parser.parse_args()
    try:
        if given.what == "build":
            if given.sbom_with is None:
                parser.error("build needs --sbom-with")
            build(given.sbom_with.absolute(), address.given(os.environ))
        problems = check(DIST)
    except (DistError, address.AddressError) as error:
        sys.exit(f"Error: {error}")
    if problems:
        sys.exit("\n".join(["dist/ is not whole:", *problems]))
    print((DIST / SUMS).read_text(encoding="utf-8"), end="")


def version() -> str:
    """Return the version of the sources."""
    return address.version(ROOT)


def names() -> tuple[str, ...]:
    """Return the names of the files of a release, but for the list of their digests."""
    stem = f"retry_run_task-{version()}"
    return (f"{stem}-py3-none-any.whl", f"{stem}.tar.gz", "lambda.zip", "template.yaml", TERRAFORM, SBOM)


# Building.


def build(cyclonedx: Path, repository: str) -> None:
    """Build everything into dist/, which holds nothing else afterwards.

    Raises:
        DistError: A tool failed.
        AddressError: The repository's address cannot be written into the sources.
    """
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name, "tree")
        address.copy(ROOT, tree)
        address.write(tree, repository)
        assemble(tree, DIST)
    (DIST / SBOM).write_text(sbom(cyclonedx), encoding="utf-8")
    (DIST / SUMS).write_text(sums(DIST), encoding="utf-8")


def assemble(tree: Path, out: Path) -> None:
    """Build what users install, from sources that have the repository's address.

    Raises:
        DistError: A tool failed.
    """
    from bundle import zipped  # noqa: PLC0415 - checking needs no packages, as building does

    # The zip is built first, since the wheel carries it.
    _run(sys.executable, "tools/bundle.py", ZIP, cwd=tree)
    # `hatchling build` builds with what is installed here, which is pinned; it fetches nothing.
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", out, cwd=tree)
    shutil.copyfile(tree / ZIP, out / "lambda.zip")
    template = (tree / TEMPLATE).read_text(encoding="utf-8").replace(CODE_HERE, CODE_THERE)
    (out / "template.yaml").write_text(template, encoding="utf-8")
    # Laid out as the repository, so that the module finds the zip.
    module = [path for path in (tree / "infra" / "terraform").rglob("*") if path.is_file()]
    files = {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in (*module, tree / ZIP, tree / "LICENSE")
    }
    (out / TERRAFORM).write_bytes(zipped(files))


def sbom(cyclonedx: Path) -> str:
    """Return a CycloneDX SBOM of the zip: what is in it, as the packages' own metadata say.

    Raises:
        DistError: cyclonedx-py failed.
    """
    with tempfile.TemporaryDirectory() as name:
        code, about = Path(name, "code"), Path(name, "pyproject.toml")
        with zipfile.ZipFile(DIST / "lambda.zip") as archive:
            archive.extractall(code)  # noqa: S202 - we have just built it
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        # The version is read from the source by the build; cyclonedx-py knows only what is written.
        fields = {key: project[key] for key in ("name", "description", "license")} | {"version": version()}
        lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
        about.write_text("\n".join(["[project]", *lines, ""]), encoding="utf-8")
        # -S: not what is installed here, but what is in the zip.
        command = [
            cyclonedx,
            "environment",
            "-S",
            "--output-reproducible",
            "--pyproject",
            about,
            sys.executable,
        ]
        made = _run(*command, cwd=ROOT, PYTHONPATH=str(code))
    return made.rstrip() + "\n"


def sums(folder: Path) -> str:
    """Return the digests of the files of a release, as `sha256sum --check` reads them."""
    return "".join(f"{_digest((folder / name).read_bytes())}  {name}\n" for name in sorted(names()))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _run(*command: object, cwd: Path, **environment: str) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DistError(
            f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}".rstrip()
        )
    return done.stdout


# Looking whether it is whole.


def check(folder: Path) -> list[str]:
    """Return what is wrong with the files of a release: missing, of another version, or not belonging together."""
    expected = {*names(), SUMS}
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if found != expected:
        missing, more = sorted(expected - found), sorted(found - expected)
        return [
            *(f"{name} is missing" for name in missing),
            *(f"{name} does not belong there" for name in more),
        ]
    problems = []
    if (folder / SUMS).read_text(encoding="utf-8") != sums(folder):
        problems.append(f"{SUMS} does not have the digests of the files")
    wheel, sdist, code, template, terraform, bom = (folder / name for name in names())
    with zipfile.ZipFile(wheel) as archive:
        carried = {name: archive.read(f"{DATA}/{name}") for name in (code.name, template.name)}
    if carried[code.name] != code.read_bytes():
        problems.append(f"the wheel carries another {code.name}")
    text = template.read_text(encoding="utf-8")
    if carried[template.name].decode().replace(CODE_HERE, CODE_THERE) != text:
        problems.append(f"the wheel carries another {template.name}")
    if CODE_HERE in text or text.count(f" {CODE_THERE}\n") < 1:
        problems.append(f"{template.name} does not name the {code.name} beside it")
    if f"retry-run-task {version()}: " not in text:
        problems.append(f"{template.name} is of another version than {version()}")
    problems += _link_problems(wheel, code, text, terraform)
    with tarfile.open(sdist) as tar:
        inside = tar.getnames()
    problems += [
        f"the sdist has no {name}"
        for name in ("pyproject.toml", "LICENSE", ZIP, "tools/wheel.py", TEMPLATE, "infra/member.yaml")
        if f"retry_run_task-{version()}/{name}" not in inside
    ]
    return problems + _bom_problems(json.loads(bom.read_text(encoding="utf-8")), code)


def _link_problems(wheel: Path, code: Path, template: str, terraform: Path) -> list[str]:
    """Return which of them do not link to this version's documentation, or to another repository's."""
    module = "retry_run_task/documentation.py"
    found = re.search(r'^REPOSITORY = "(https://.+)"$', _member(code, module), re.MULTILINE)
    if found is None:
        return [f"{code.name} does not know where its documentation is on the web"]
    link = address.runbook(found[1], version())
    texts = {"template.yaml": template, TERRAFORM: _member(terraform, "infra/terraform/variables.tf")}
    problems = [f"{name} does not link to {link}" for name, text in texts.items() if link not in text]
    if found[0] not in _member(wheel, module):
        problems.append(f"the wheel does not link to {found[1]}")
    if _member(terraform, ZIP, is_text=False) != code.read_bytes():
        problems.append(f"{TERRAFORM} has another {code.name}")
    return problems


def _member(path: Path, name: str, *, is_text: bool = True) -> Any:
    with zipfile.ZipFile(path) as archive:
        content = archive.read(name)
    return content.decode() if is_text else content


def _bom_problems(bom: dict[str, object], code: Path) -> list[str]:
    with zipfile.ZipFile(code) as archive:
        folders = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    in_zip = {folder.removesuffix(".dist-info").replace("_", "-").lower() for folder in folders}
    components = bom["components"]
    assert isinstance(components, list)  # noqa: S101 - CycloneDX's format
    listed = {f"{it['name']}-{it['version']}".replace("_", "-").lower() for it in components}
    return [f"the SBOM and the zip differ in {name}" for name in sorted(in_zip ^ listed)]


if __name__ == "__main__":
    main()
