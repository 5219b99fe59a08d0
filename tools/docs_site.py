"""Builds the docs site into build/site, or into the folder `site` of another folder: `make site`.

    .venv-site/bin/python tools/docs_site.py [FOLDER]

The pages stay where GitHub shows them. Here they are copied into build/pages, with each link led to where its target
is in the site: a page to the page, a picture to the picture, a file of the source to a page that shows it, a folder to
a list of its pages. Then Zensical builds; Japanese pages say that they are Japanese, and the search gets one entry for
each decision. At last every page is read: each link within the site leads to something, each picture is one, and
nothing is fetched from elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
PAGES, SITE, SETTINGS = "pages", "site", "zensical.toml"

# In the order in which a reader needs them. A page of docs/ that is not named comes last in "Understand".
NAVIGATION: dict[str, tuple[str, ...]] = {
    "Try": ("README.md", "docs/local-aws.md", "docs/simulator.md", "docs/comparison.md", "README.ja.md"),
    "Install": (
        "docs/doctor.md",
        "docs/install.md",
        "infra/README.md",
        "infra/terraform/README.md",
        "docs/accounts.md",
        "infra/terraform/modules/member/README.md",
        "docs/policy.md",
        "docs/notifications.md",
        "docs/reference/permissions.md",
        "docs/costs.md",
    ),
    "Operate": ("docs/operations.md", "docs/report.md", "docs/runbook.md"),
    "Understand": (
        "docs/tour.md",
        "docs/concepts.md",
        "docs/security.md",
        "docs/unconfirmed.md",
        "docs/*.md",
    ),
    "Reference": ("docs/reference/cli.md", "docs/reference/configuration.md", "docs/reference/*.md"),
    "Decisions": ("docs/decisions/README.md", "docs/decisions/*.md"),
    "Project": ("CHANGELOG.md", "CONTRIBUTING.md", "docs/testing.md", "SECURITY.md", "bench/README.md"),
}
# Titles that say more than the page's first line does, beside the others.
TITLES = {
    "README.md": "retry-run-task",
    "README.ja.md": "日本語",
    "docs/comparison.md": "Compared with others",
    "infra/README.md": "CloudFormation, SAM and Terraform",
    "docs/operations.md": "Status, stop, replay, audit",
    "bench/README.md": "Benchmarks",
}

PICTURES = {".svg", ".png"}
# What a page links to that is no text to read; it is copied as it is.
COPIED = (*PICTURES, ".gz")
SCRIPT = "var __index = "
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".tf": "hcl", ".lark": "text"}

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()([^()\s]+)(\))")


class SiteError(Exception):
    """The site cannot be built, or is not whole; the message says why."""


def main(build: Path = BUILD) -> None:
    """Build the site, look at it, and say how much there is of it."""
    site = build / SITE
    try:
        copy_pages(build)
        _build(build)
        say_language(site)
        join_decisions(site)
        problems = look(site)
    except SiteError as error:
        sys.exit(f"Error: {error}")
    if problems:
        sys.exit("\n".join(["The site is not whole:", *problems]))
    print(f"{len(list(site.rglob('*.html')))} pages; open {site / 'index.html'}")


def _build(build: Path) -> None:
    tool = Path(sys.executable).parent / "zensical"
    command = [tool, "build", "--clean", "--strict", "--config-file", build / SETTINGS]
    shutil.rmtree(build / SITE, ignore_errors=True)
    done = subprocess.run(
        command,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SiteError(f"zensical ended with {done.returncode}:\n{done.stdout.rstrip()}")


# From the pages of the project to those of the site.


def sources() -> dict[str, list[Path]]:
    """Return the Markdown files of each section, in the order of the navigation."""
    found: dict[str, list[Path]] = {section: [] for section in NAVIGATION}
    taken: set[Path] = set()
    # What is named has its place, whatever pattern comes before it.
    named = {ROOT / name for names in NAVIGATION.values() for name in names if "*" not in name}
    for section, patterns in NAVIGATION.items():
        for pattern in patterns:
            paths = sorted(ROOT.glob(pattern))
            if "*" not in pattern and not paths:
                raise SiteError(f"{pattern} is in the navigation of tools/docs_site.py and is not there")
            new = [path for path in paths if path not in taken and ("*" not in pattern or path not in named)]
            found[section] += new
            taken |= set(new)
    return found


def place(source: Path) -> Path:
    """Return where a file or folder of the project is in the site's pages."""
    name = source.relative_to(ROOT)
    if name == Path("README.md"):
        return Path("index.md")
    if name.name == "README.md":
        return place(source.parent)
    if source.is_dir():
        return Path(*(part for part in name.parts if part != "docs"), "index.md")
    if name.suffix == ".md":
        return Path(*(part for part in name.parts if part != "docs")).with_name(name.name)
    if name.suffix in COPIED:
        return Path(*(part for part in name.parts if part != "docs"))
    # A folder whose name begins with a dot is no part of a site.
    return Path("source", *(part.lstrip(".") for part in name.parent.parts), f"{name.name}.md")


def copy_pages(build: Path) -> None:
    """Write every page of the site into a folder, and the settings with the navigation.

    Raises:
        SiteError: A link leads to nothing.
    """
    to = build / PAGES
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "assets", to / "assets")
    sections = sources()
    pages = {path for paths in sections.values() for path in paths}
    shown: set[Path] = set()
    for path in sorted(pages):
        text, targets = _led(path)
        write(to / place(path), text)
        shown |= targets - pages
    for path in sorted(shown):
        if path.is_dir():
            if (path / "README.md") not in pages:
                write(to / place(path), _contents(path, pages))
        elif path.suffix == ".md":
            raise SiteError(
                f"{path.relative_to(ROOT)} is linked, and no section of tools/docs_site.py has it"
            )
        elif path.suffix in COPIED:
            (to / place(path)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to / place(path))
        else:
            write(to / place(path), _source(path))
    settings = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    nav = ", ".join(
        f"{{ {json.dumps(s)} = [{', '.join(map(_entry, paths))}] }}" for s, paths in sections.items()
    )
    if settings.count("\nnav = []\n") != 1:
        raise SiteError("zensical.toml needs the line `nav = []`, once")
    (build / SETTINGS).write_text(settings.replace("\nnav = []\n", f"\nnav = [{nav}]\n"), encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _entry(path: Path) -> str:
    title = json.dumps(_title(path), ensure_ascii=False)
    return f"{{ {title} = {json.dumps(place(path).as_posix())} }}"


def _title(path: Path) -> str:
    name = path.relative_to(ROOT).as_posix()
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return TITLES.get(name) or first.removeprefix("# ").replace("`", "")


def _led(path: Path) -> tuple[str, set[Path]]:
    """Return a page with its links led to the site, and the files and folders that they lead to."""
    targets: set[Path] = set()

    def lead(link: re.Match[str]) -> str:
        address = urlsplit(link[2])
        if address.scheme or not address.path:
            return link[0]
        target = (path.parent / unquote(address.path)).resolve()
        if not target.exists() or not target.is_relative_to(ROOT):
            raise SiteError(f"{path.relative_to(ROOT)} links {link[2]}, which is not there")
        targets.add(target)
        there = os.path.relpath(place(target), place(path).parent)
        return f"{link[1]}{there}{'#' + address.fragment if address.fragment else ''}{link[3]}"

    text = path.read_text(encoding="utf-8")
    parts, at = [], 0
    # Code is left as it is: what looks like a link in it is none.
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(lead, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, _LINK.sub(lead, text[at:])]), targets


def _contents(folder: Path, pages: set[Path]) -> str:
    inside = sorted(page for page in pages if page.is_relative_to(folder))
    if not inside:
        raise SiteError(f"{folder.relative_to(ROOT)} is linked, and has no page")
    entries = [f"- [{_title(page)}]({os.path.relpath(place(page), place(folder).parent)})" for page in inside]
    return "\n".join([f"# {folder.name.capitalize()}", "", *entries, ""])


def _source(path: Path) -> str:
    name = path.relative_to(ROOT).as_posix()
    fence = "`" * 8
    language = LANGUAGES.get(path.suffix, "text")
    # Out of the search: a word of the pages is a word of the code as well, and would be found there first.
    head = f"---\ntitle: {path.name}\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n# `{name}`\n"
    return f"{head}\n{fence}{language}\n{path.read_text(encoding='utf-8').rstrip()}\n{fence}\n"


# What was built.


def say_language(site: Path) -> None:
    """Let each Japanese page say that it is Japanese: a browser chooses glyphs by that, and a reader the voice."""
    for path in site.rglob("*.ja.html"):
        text = path.read_text(encoding="utf-8")
        if text.count('<html lang="en"') != 1:
            raise SiteError(f"{path.relative_to(site)} does not say its language where it is looked for")
        path.write_text(text.replace('<html lang="en"', '<html lang="ja"'), encoding="utf-8")


def join_decisions(site: Path) -> None:
    """Make one entry in the search of each decision: all have the same headings, which say nothing without it."""
    path = site / "search.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    pages: dict[str, dict[str, str]] = {}
    items = []
    for item in index["items"]:
        page, _, section = item["location"].partition("#")
        if section and page in pages and page.startswith("decisions/"):
            pages[page]["text"] += f" {item['text']}"
            continue
        pages[page] = item
        items.append(item)
    text = json.dumps(index | {"items": items}, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")
    # The same as a script, for a site that is opened from a folder.
    script = site / "search.js"
    if not script.read_text(encoding="utf-8").startswith(f"{SCRIPT}{{"):
        raise SiteError(f"{script.name} does not begin with {SCRIPT!r}")
    script.write_text(f"{SCRIPT}{text};", encoding="utf-8")


@dataclass(slots=True)
class _Html(HTMLParser):
    """Collects what a page has: ids, links, and whatever a browser fetches to show it."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag has."""
        has = {name: value or "" for name, value in attrs}
        if "id" in has:
            self.ids.add(has["id"])
        self.classes |= set(has.get("class", "").split())
        if tag == "a":
            self.links += [has["href"]] if "href" in has else []
            return
        self.pictures += [has["src"]] if tag == "img" and "src" in has else []
        self.fetched += [has[name] for name in ("src", "href", "srcset", "data", "action") if name in has]


# Zensical's script asks other hosts for what draws these, where a page has one; ours have none.
FETCHING = {"mermaid", "glightbox", "pyodide"}

_FETCHED_BY_CSS = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)")


def look(site: Path) -> list[str]:
    """Return what is wrong with a site that was built: links to nothing, and what would be fetched from elsewhere."""
    read: dict[Path, _Html] = {}
    for path in sorted(site.rglob("*.html")):
        read[path] = html = _Html()
        html.feed(path.read_text(encoding="utf-8"))
    problems = []
    for path, html in read.items():
        name = path.relative_to(site)
        problems += [f"{name} fetches {it}" for it in html.fetched if urlsplit(it).netloc]
        problems += [
            f"{name} shows {it}, which is no picture"
            for it in html.pictures
            if not it.startswith("data:") and Path(urlsplit(it).path).suffix not in PICTURES
        ]
        problems += [f"{name} has class {it}, which makes the theme fetch" for it in html.classes & FETCHING]
        # The page for addresses that lead to nothing has links from the site's root.
        local = html.links if path.name != "404.html" else []
        for link in [*local, *(it for it in html.fetched if path.name != "404.html")]:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                problems.append(f"{name} links {link}, which is not there")
            elif address.fragment and target in read and unquote(address.fragment) not in read[target].ids:
                problems.append(f"{name} links {link}, and there is no such heading")
    for path in sorted(site.rglob("*.css")):
        found = _FETCHED_BY_CSS.findall(path.read_text(encoding="utf-8"))
        problems += [f"{path.relative_to(site)} fetches {it}" for it in found]
    return problems


if __name__ == "__main__":
    main(*(Path(folder).resolve() for folder in sys.argv[1:2]))
