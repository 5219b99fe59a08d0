"""A release links to its own documentation on the web, wherever it links; a checkout names paths."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from retry_run_task import __version__
from retry_run_task.documentation import REPOSITORY, is_own_runbook, page
from support.release import built_from, tool

ROOT = Path(__file__).parents[2]
EXAMPLE = "https://github.com/example/retry-run-task"
FILES = f"{EXAMPLE}/blob/v{__version__}"
RUNBOOK = f"{FILES}/docs/runbook.md"


ADDRESS = tool("address")


def anchors() -> set[str]:
    """What a link to the runbook may end with: the marks before headings, and what GitHub makes of a heading."""
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    headings = (title.lower() for title in re.findall(r"(?m)^## (.+)$", text))
    return set(re.findall(r'<a id="([\w-]+)">', text)) | {
        re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in headings
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of a release."""
    return built_from(EXAMPLE, tmp_path_factory.mktemp("address") / "tree")


@pytest.fixture(scope="module")
def release(tree: Path) -> Path:
    """What users install, built from them."""
    out = tree.parent / "dist"
    out.mkdir()
    tool("dist").assemble(tree, out)
    return out


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://github.com/owner/name",
        "https://github.com/owner",
        "https://github.com/owner/name/",
        "https://github.com/owner/name/tree/main",
        "https://github.com/owner/na me",
        'https://github.com/owner/name"',
        "github.com/owner/name",
    ],
)
def test_what_is_no_address_of_a_repository_is_refused(text: str) -> None:
    with pytest.raises(ADDRESS.AddressError, match=r"REPOSITORY_URL is .*; a release links"):
        ADDRESS.given({"REPOSITORY_URL": text})
    assert ADDRESS.given({"REPOSITORY_URL": EXAMPLE}) == EXAMPLE


def test_an_address_that_the_template_would_refuse_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ADDRESS.AddressError, match="101 characters, and the template allows 100"):
        ADDRESS.runbook(
            "https://github.com/o/" + "n" * (101 - 21 - len("/blob/v0.2.0/docs/runbook.md")), "0.2.0"
        )


def test_a_release_is_not_built_without_it() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "REPOSITORY_URL"}
    command = [sys.executable, ROOT / "tools" / "dist.py", "build", "--sbom-with", "none"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: REPOSITORY_URL is ''; a release links to its documentation")


@pytest.mark.skipif(bool(REPOSITORY), reason="what is installed is a release")
def test_a_checkout_names_paths() -> None:
    assert page("docs/runbook.md") == "docs/runbook.md"


def test_a_place_that_is_gone_is_an_error(tmp_path: Path) -> None:
    ADDRESS.copy(ROOT, tmp_path / "tree")
    (tmp_path / "tree" / "infra" / "template.yaml").write_text("", encoding="utf-8")
    with pytest.raises(ADDRESS.AddressError, match=r"infra/template\.yaml has 0 places"):
        ADDRESS.write(tmp_path / "tree", EXAMPLE)


def test_links_to_files_become_absolute_and_no_others() -> None:
    text = (
        "[a](docs/a.md#b), [`c`](../../docs/c.md), [AWS](https://aws.amazon.com/), [here](#here), "
        "![picture](docs/images/x.svg), `x[0](1)`"
    )
    assert ADDRESS.absolute(text, "", EXAMPLE, "0.2.0") == (
        f"[a]({EXAMPLE}/blob/v0.2.0/docs/a.md#b), [`c`]({EXAMPLE}/blob/v0.2.0/../../docs/c.md), "
        "[AWS](https://aws.amazon.com/), [here](#here), "
        f"![picture]({EXAMPLE}/raw/v0.2.0/docs/images/x.svg), `x[0]({EXAMPLE}/blob/v0.2.0/1)`"
    )
    assert ADDRESS.absolute("[c](../../docs/c.md)", "infra/terraform", EXAMPLE, "0.2.0") == (
        f"[c]({EXAMPLE}/blob/v0.2.0/docs/c.md)"
    )


def test_every_link_of_a_page_that_is_read_elsewhere_leads_to_a_file_of_the_repository(tree: Path) -> None:
    for name in ADDRESS.PAGES:
        text = (tree / name).read_text(encoding="utf-8")
        targets = re.findall(r"\]\(([^()\s]+)\)", text)
        assert targets
        assert all(target.startswith(("https://", "#")) for target in targets)
        ours = [target for target in targets if target.startswith(EXAMPLE)]
        assert ours
        for target in ours:
            path = re.sub(rf"^{EXAMPLE}/(blob|raw)/v{re.escape(__version__)}/", "", target)
            assert (ROOT / path.partition("#")[0]).exists(), target


# What is built.

_SAYS = """\
import json, sys
sys.path[:0] = [sys.argv[1]]
from datetime import UTC, datetime
from retry_run_task.commands.deploy import template
from retry_run_task.commands.shared.parameters import PARAMETERS
from retry_run_task.config import Settings
from retry_run_task.messages import steps
from retry_run_task.messages.english import ENGLISH
from retry_run_task.messages.message import Style
import retry_run_task
style = Style(runbook=Settings.from_environment({}).runbook_url)
print(json.dumps({
    "file": retry_run_task.__file__,
    "option": next(one.default for one in PARAMETERS if one.name == "RunbookUrl"),
    "message": next(steps.runbook(style, ENGLISH)).text,
    "template": template.parse(template.carried("template.yaml").decode())["Parameters"]["RunbookUrl"]["Default"],
}))
"""


def test_the_built_wheel_links_to_the_web_in_help_messages_and_template(
    release: Path, tmp_path: Path
) -> None:
    (wheel,) = release.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        (about,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    done = subprocess.run(
        [sys.executable, "-c", _SAYS, tmp_path], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert Path(said["file"]).is_relative_to(tmp_path)
    assert said["option"] == said["template"] == RUNBOOK
    assert said["message"] == f"Runbook: {RUNBOOK}#gave-up"
    metadata = HeaderParser().parsestr((tmp_path / about).read_text(encoding="utf-8"))
    assert f"Source, {EXAMPLE}" in (metadata.get_all("Project-URL") or [])
    assert f"({RUNBOOK})" in str(metadata.get_payload())


def test_the_functions_and_the_alarms_link_to_sections_that_exist(release: Path) -> None:
    with zipfile.ZipFile(release / "lambda.zip") as archive:
        module = archive.read("retry_run_task/documentation.py").decode()
    assert f'REPOSITORY = "{EXAMPLE}"' in module
    template = (release / "template.yaml").read_text(encoding="utf-8")
    assert template.count(RUNBOOK) == 1
    assert "docs/runbook.md" not in template.replace(RUNBOOK, "")
    linked = re.findall(r"\$\{RunbookUrl\}#([\w-]+)", template)
    assert len(linked) > 10
    sources = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))
    linked += re.findall(r"RUNBOOK\}#([\w-]+)", sources)
    assert "start-a-run-by-hand" in linked
    assert set(linked) | {"gave-up", "run-missing"} <= anchors()


def test_the_terraform_module_is_released_with_its_zip_and_its_link(release: Path) -> None:
    with zipfile.ZipFile(release / "terraform.zip") as archive:
        assert f'default     = "{RUNBOOK}"' in archive.read("infra/terraform/variables.tf").decode()
        assert archive.read("build/lambda.zip") == (release / "lambda.zip").read_bytes()
        assert {"LICENSE", "infra/terraform/modules/member/main.tf"} <= set(archive.namelist())


# A stack that was installed by another version.


OWN = [
    ("docs/runbook.md", ""),
    ("docs/runbook.md", EXAMPLE),
    (f"{EXAMPLE}/blob/v0.1.0/docs/runbook.md", EXAMPLE),
    (f"{EXAMPLE}/blob/v0.2.0rc1/docs/runbook.md", EXAMPLE),
]
NOT_OWN = [
    ("https://wiki.example.com/runbook", EXAMPLE),
    ("docs/runbook.md.html", EXAMPLE),
    (f"{EXAMPLE}-fork/blob/v0.1.0/docs/runbook.md", EXAMPLE),
    (f"{EXAMPLE}/blob/main/docs/runbook.md", EXAMPLE),
    (f"{EXAMPLE}/blob/v0.1.0/docs/runbook.md", ""),
]


@pytest.mark.parametrize(
    ("address", "repository", "expected"), [(*p, True) for p in OWN] + [(*p, False) for p in NOT_OWN]
)
def test_the_runbook_of_any_version_is_known_and_one_of_your_own_is_not(
    address: str, repository: str, expected: bool
) -> None:
    """So an update links to the runbook of its own version, unless somebody chose another."""
    assert is_own_runbook(address, repository) is expected
