"""A release: one version everywhere, a changelog that can be cut, pinned packages, files that belong together."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from retry_run_task import __version__
from support.release import tool

ROOT = Path(__file__).parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


VERSION, DIST, AUDIT, ADDRESS = tool("version"), tool("dist"), tool("audit"), tool("address")
REPOSITORY = "https://github.com/example/retry-run-task"
MODULE = "retry_run_task/documentation.py"


# One version.


def test_every_place_has_the_version_of_the_package() -> None:
    places = VERSION.versions(ROOT)
    assert len(places) == 5
    assert set(places.values()) == {__version__}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the files that have a version."""
    for name in (*VERSION.PLACES, VERSION.CHANGELOG):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_new_version_is_written_everywhere_and_nothing_else_changes(copy: Path) -> None:
    VERSION.write(copy, "7.8.9rc1", "2026-12-01")
    assert set(VERSION.versions(copy).values()) == {"7.8.9rc1"}
    for name in VERSION.PLACES:
        before, after = ((root / name).read_text(encoding="utf-8") for root in (ROOT, copy))
        assert after.replace("7.8.9rc1", __version__) == before
    found = VERSION.sections((copy / VERSION.CHANGELOG).read_text(encoding="utf-8"))
    assert list(found)[:2] == ["Unreleased", "7.8.9rc1"]
    assert found["Unreleased"] == (None, "")
    was = VERSION.sections((ROOT / VERSION.CHANGELOG).read_text(encoding="utf-8"))["Unreleased"][1]
    assert found["7.8.9rc1"] == ("2026-12-01", was)


@pytest.mark.parametrize("version", ["v1.0.0", "1.0", "1.0.0-rc1", "1.0.0 ", "", "1.0.0.dev1"])
def test_what_is_no_version_changes_nothing(copy: Path, version: str) -> None:
    with pytest.raises(VERSION.VersionError, match="is no version"):
        VERSION.write(copy, version, "2026-12-01")
    assert VERSION.versions(copy) == VERSION.versions(ROOT)


def test_a_version_is_released_once_and_only_with_something_to_say(copy: Path) -> None:
    VERSION.write(copy, "7.8.9", "2026-12-01")
    with pytest.raises(VERSION.VersionError, match=r"has 7\.8\.9 already"):
        VERSION.write(copy, "7.8.9", "2026-12-01")
    with pytest.raises(VERSION.VersionError, match="nothing is unreleased"):
        VERSION.write(copy, "7.9.0", "2026-12-01")


def test_a_place_that_is_gone_is_an_error(copy: Path) -> None:
    (copy / "infra/terraform/outputs.tf").write_text("", encoding="utf-8")
    with pytest.raises(VERSION.VersionError, match=r"outputs\.tf has 0 places"):
        VERSION.write(copy, "7.8.9", "2026-12-01")


# The changelog.


def test_the_changelog_begins_with_unreleased_and_goes_back_in_time() -> None:
    found = VERSION.sections((ROOT / VERSION.CHANGELOG).read_text(encoding="utf-8"))
    days = [day for day, _ in found.values()][1:]
    assert days == sorted(days, reverse=True)
    newest = next((version for version in found if version != "Unreleased"), None)
    assert newest in (None, __version__), "the newest version in the changelog is another than the package's"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for _, text in found.values():
        assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds


CHANGES = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- A [page](docs/a.md), see [AWS](https://docs.aws.amazon.com/).

## [0.1.0] - 2026-11-24

- First.
"""


def test_the_notes_of_a_release_are_its_section_without_links_into_the_folders() -> None:
    assert VERSION.notes(CHANGES, "0.2.0") == (
        "### Added\n\n- A page, see [AWS](https://docs.aws.amazon.com/)."
    )
    assert VERSION.notes(CHANGES, "0.1.0") == "- First."
    with pytest.raises(VERSION.VersionError, match=r"says nothing of 0\.3\.0"):
        VERSION.notes(CHANGES, "0.3.0")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("## [Unreleased]\n", "", "does not begin with the section"),
        (" - 2026-12-01", "", r"\[0\.2\.0\] needs a date"),
        ("[0.2.0] - 2026-12-01", "[0.1.0] - 2026-12-01", r"\[0\.1\.0\] twice"),
        ("[Unreleased]", "[Unreleased] - 2026-12-01", "Unreleased none"),
    ],
)
def test_a_changelog_that_cannot_be_cut_is_an_error(old: str, new: str, problem: str) -> None:
    with pytest.raises(VERSION.VersionError, match=problem):
        VERSION.sections(CHANGES.replace(old, new, 1))


# Pinned packages.


def entries(path: Path) -> list[str]:
    """Return the requirements of a file, each on one line, without comments."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_hashes_and_no_line_names_a_place_to_get_it_from(path: Path) -> None:
    lines = entries(path)
    assert lines
    for line in lines:
        assert re.fullmatch(
            r"[a-z0-9][a-z0-9._-]*==[\w.!+]+(?: ; [^@]+?)?(?:\s+--hash=sha256:[0-9a-f]{64})+\s*", line
        ), line
    # Neither an index nor a host: where packages come from is a matter of the machine.
    assert not re.search(r"https?:|index-url|find-links|trusted-host|^-", path.read_text(), re.MULTILINE)


def test_every_list_of_packages_is_written_by_make_lock() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"-o (requirements/\w+\.txt)", makefile)) == {
        path.relative_to(ROOT).as_posix() for path in REQUIREMENTS
    }


# Vulnerabilities.


def answer(**more: Any) -> dict[str, Any]:
    return {"dependencies": [{"name": "six", "version": "1.17.0", "vulns": []} | more]}


FINDING = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.18.0"]}
SKIPPED = {"dependencies": [{"name": "six", "skip_reason": "not found"}]}


def test_a_check_that_could_not_look_does_not_pass() -> None:
    clean, skipped = AUDIT.read(answer()), AUDIT.read(SKIPPED)
    found = AUDIT.read(answer(vulns=[FINDING]))
    assert AUDIT.verdict([clean]) == AUDIT.FOUND_NOTHING
    for unknown in ([skipped], [clean, skipped], [], [AUDIT.Report(looked_up=0)]):
        assert AUDIT.verdict(unknown) == AUDIT.COULD_NOT_LOOK
    for vulnerable in ([found], [clean, found], [skipped, found]):
        assert AUDIT.verdict(vulnerable) == AUDIT.FOUND
    assert found.findings == ("six 1.17.0: PYSEC-2026-1 CVE-2026-1; fixed in 1.18.0",)


def test_what_is_accepted_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AUDIT, "ACCEPTED", {"CVE-2026-1": "we never call it"})
    assert AUDIT.read(answer(vulns=[FINDING])).findings == ()
    other = {"id": "PYSEC-2026-2", "fix_versions": []}
    assert AUDIT.read(answer(vulns=[other])).findings == (
        "six 1.17.0: PYSEC-2026-2; fixed in no version yet",
    )


# The files of a release.


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A release in small: the right names, and what has to agree."""
    ADDRESS.copy(ROOT, tmp_path / "tree")
    ADDRESS.write(tmp_path / "tree", REPOSITORY)
    module, variables, template = (
        (tmp_path / "tree" / name).read_bytes()
        for name in (
            "src/retry_run_task/documentation.py",
            "infra/terraform/variables.tf",
            "infra/template.yaml",
        )
    )
    shutil.rmtree(tmp_path / "tree")
    code = zipped(**{"six-1.17.0.dist-info/METADATA": b"", MODULE: module})
    wheel = zipped(
        **{f"{DIST.DATA}/lambda.zip": code, f"{DIST.DATA}/template.yaml": template, MODULE: module}
    )
    terraform = zipped(**{"infra/terraform/variables.tf": variables, "build/lambda.zip": code})
    sdist = io.BytesIO()
    with tarfile.open(fileobj=sdist, mode="w:gz") as tar:
        for name in (
            "pyproject.toml",
            "LICENSE",
            "build/lambda.zip",
            "tools/wheel.py",
            "infra/template.yaml",
            "infra/member.yaml",
        ):
            tar.addfile(tarfile.TarInfo(f"retry_run_task-{__version__}/{name}"))
    bom = json.dumps({"components": [{"name": "six", "version": "1.17.0"}]}).encode()
    there = template.decode().replace(DIST.CODE_HERE, DIST.CODE_THERE).encode()
    for name, content in zip(
        DIST.names(), (wheel, sdist.getvalue(), code, there, terraform, bom), strict=True
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / DIST.SUMS).write_text(DIST.sums(tmp_path), encoding="utf-8")
    return tmp_path


def test_a_whole_release_has_nothing_wrong(dist: Path) -> None:
    assert DIST.check(dist) == []
    for line in (dist / DIST.SUMS).read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest


def test_the_released_template_names_the_zip_beside_it_wherever_the_checkouts_does(dist: Path) -> None:
    here = (ROOT / "infra" / "template.yaml").read_text(encoding="utf-8")
    there = (dist / "template.yaml").read_text(encoding="utf-8")
    assert here.count(": ../build/lambda.zip\n") == there.count(": lambda.zip\n") == 4
    assert "../build" not in there


WHEEL, SDIST, ZIP, TEMPLATE, TERRAFORM, SBOM = DIST.names()
LINKED = f"{REPOSITORY}/blob/v{__version__}/docs/runbook.md"
OTHER = 'REPOSITORY = "https://github.com/example/other"\n'


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            ZIP,
            zipped(**{"six-1.18.0.dist-info/METADATA": b"", MODULE: b""}),
            "the wheel carries another lambda.zip",
        ),
        (
            ZIP,
            zipped(**{"six-1.18.0.dist-info/METADATA": b"", MODULE: b""}),
            "the SBOM and the zip differ in six-1.17.0",
        ),
        (TEMPLATE, b"retry-run-task 0.0.1: \n", "the wheel carries another template.yaml"),
        (TEMPLATE, b"retry-run-task 0.0.1: \n", "template.yaml does not name the lambda.zip beside it"),
        (TEMPLATE, b"retry-run-task 0.0.1: \n", f"template.yaml is of another version than {__version__}"),
        (TEMPLATE, b"retry-run-task 0.0.1: \n", f"template.yaml does not link to {LINKED}"),
        (
            TERRAFORM,
            zipped(**{"infra/terraform/variables.tf": b"", "build/lambda.zip": b""}),
            f"terraform.zip does not link to {LINKED}",
        ),
        (
            TERRAFORM,
            zipped(**{"infra/terraform/variables.tf": b"", "build/lambda.zip": b""}),
            "terraform.zip has another lambda.zip",
        ),
        (
            ZIP,
            zipped(**{MODULE: b'REPOSITORY = ""\n'}),
            "lambda.zip does not know where its documentation is on the web",
        ),
        (
            ZIP,
            zipped(**{MODULE: OTHER.encode()}),
            "the wheel does not link to https://github.com/example/other",
        ),
        (SBOM, b'{"components": []}', "the SBOM and the zip differ in six-1.17.0"),
        ("more.txt", b"", "more.txt does not belong there"),
        (SBOM, None, f"{SBOM} is missing"),
    ],
)
def test_what_does_not_belong_together_is_named(
    dist: Path, name: str, content: bytes | None, problem: str
) -> None:
    if content is None:
        (dist / name).unlink()
    else:
        (dist / name).write_bytes(content)
    assert problem in DIST.check(dist)


def test_a_file_that_was_changed_afterwards_is_seen(dist: Path) -> None:
    with (dist / SDIST).open("ab") as file:
        file.write(b"\0")
    assert DIST.check(dist) == [f"{DIST.SUMS} does not have the digests of the files"]
