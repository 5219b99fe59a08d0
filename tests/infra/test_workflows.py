"""The workflows on GitHub: what they run is pinned, what they may do is little, and a release is built once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)

# The only jobs that may write anything, or prove who they are. Everything else reads the sources.
MAY_MORE = {
    ("release.yml", "attest"): {"contents": "read", "id-token": "write", "attestations": "write"},
    ("release.yml", "pypi"): {"id-token": "write"},
    ("release.yml", "github"): {"contents": "write"},
}


def read(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return workflow


def steps(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in read(path)["jobs"].items():
        yield from ((name, step) for step in job["steps"])


@each_workflow
def test_every_action_is_named_by_the_hash_of_a_commit_with_its_tag_beside_it(path: Path) -> None:
    lines = re.findall(r"^\s*(?:- )?uses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == sum("uses" in step for _, step in steps(path))
    for line in lines:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_is_the_same_everywhere() -> None:
    """One of its hashes, and one of its tags, in all workflows: an update that forgets one is seen."""
    found: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for name, pin in re.findall(r"uses: ([^@\s]+)@(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(name, set()).add(pin)
    assert {name: pins for name, pins in found.items() if len(pins) > 1} == {}


@each_workflow
def test_a_job_may_read_the_sources_and_no_more_unless_it_is_named_here(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        expected = MAY_MORE.get((path.name, name), {"contents": "read"})
        assert job.get("permissions", workflow["permissions"]) == expected, name
        assert job["timeout-minutes"] <= 30


@each_workflow
def test_no_token_stays_in_a_checkout_and_no_secret_is_used(path: Path) -> None:
    for _, step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text(encoding="utf-8")


@each_workflow
def test_no_text_from_outside_is_pasted_into_a_script(path: Path) -> None:
    """A tag's name is text from outside; it comes in by the environment, where a shell does not run it."""
    assert [step["run"] for _, step in steps(path) if "${{" in step.get("run", "")] == []


@each_workflow
def test_make_targets_exist(path: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for _, step in steps(path):
        for name in re.findall(r"\bmake ([a-z]+)\b", step.get("run", "")):
            assert name in targets


def test_a_release_is_built_in_one_job_and_the_others_take_what_it_built() -> None:
    jobs = read(FOLDER / "release.yml")["jobs"]
    scripts = {name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    builders = [n for n, script in scripts.items() if re.search(r"make (dist|reproducible|bundle)\b", script)]
    assert builders == ["build"]
    for name in ("test", "attest", "pypi", "github"):
        taken = [step.get("with", {}).get("name") for step in jobs[name]["steps"] if "uses" in step]
        assert "dist" in taken, name
    # Nothing is published before it was tested, and PyPI, which cannot be taken back, comes after the proof.
    assert set(jobs["attest"]["needs"]) >= {"test", "audit"}
    assert "attest" in jobs["pypi"]["needs"]
    assert "pypi" in jobs["github"]["needs"]


def test_whatever_builds_a_release_is_told_where_the_repository_is() -> None:
    """So alarms, messages and PyPI's page link to the released version without anybody's remembering."""
    found = [
        (path.name, step.get("env", {}).get("REPOSITORY_URL"))
        for path in WORKFLOWS
        for _, step in steps(path)
        if re.search(r"make (dist|reproducible)\b", step.get("run", ""))
    ]
    ours = "${{ github.server_url }}/${{ github.repository }}"
    assert found == [("ci.yml", ours), ("release.yml", ours)]


def test_a_job_that_proves_who_it_is_runs_nothing_of_the_repository() -> None:
    """So a dependency of the build cannot sign or publish anything."""
    jobs = read(FOLDER / "release.yml")["jobs"]
    for name in ("attest", "pypi"):
        assert not [s for s in jobs[name]["steps"] if s.get("uses", "").startswith("actions/checkout@")]
        assert "make" not in " ".join(s.get("run", "") for s in jobs[name]["steps"])


def test_vulnerabilities_are_looked_for_by_the_clock() -> None:
    # YAML 1.1 reads the key `on` as true.
    workflow: dict[Any, Any] = read(FOLDER / "audit.yml")
    assert workflow[True]["schedule"]
