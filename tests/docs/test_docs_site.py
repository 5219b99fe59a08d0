"""The docs site: every page is in it, and what is built is looked at. `make site` builds it, in a CI job of its own."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs.markdown_pages import ROOT, pages


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """``tools/docs_site.py`` as a module, which writes into a folder of the test."""
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "tools" / "docs_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PAGES", tmp_path / "pages")
    monkeypatch.setattr(module, "SETTINGS", tmp_path / "zensical.toml")
    return module


def test_every_page_is_in_the_navigation_once_and_is_copied(tool: Any, tmp_path: Path) -> None:
    tool.copy_pages()
    settings = tomllib.loads((tmp_path / "zensical.toml").read_text(encoding="utf-8"))
    entries = [path for section in settings["project"]["nav"] for it in section.values() for path in it]
    places = [place for entry in entries for place in entry.values()]
    assert len(places) == len(set(places))
    expected = {tool.place(page.path).as_posix() for page in pages() if ".github" not in page.path.parts}
    assert expected <= set(places)
    for place in places:
        assert (tmp_path / "pages" / place).is_file()


def test_links_lead_to_the_same_things_within_the_site(tool: Any, tmp_path: Path) -> None:
    tool.copy_pages()
    tour = (tmp_path / "pages" / "tour.md").read_text(encoding="utf-8")
    assert "](source/src/retry_run_task/launch/values.py.md)" in tour
    assert "](../src/" not in tour
    shown = (tmp_path / "pages" / "source/src/retry_run_task/launch/values.py.md").read_text(encoding="utf-8")
    assert (ROOT / "src/retry_run_task/launch/values.py").read_text(encoding="utf-8").rstrip() in shown
    contributing = (tmp_path / "pages" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "](reference/index.md)" in contributing, "a folder has a page that lists its pages"


def test_a_link_to_nothing_is_an_error(tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "a.md"
    page.write_text("# A\n\n[b](b.md)\n", encoding="utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    with pytest.raises(tool.SiteError, match=r"docs/a\.md links b\.md, which is not there"):
        tool._led(page)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<script src="https://example.com/x.js"></script>', "fetches https://example.com/x.js"),
        ('<link rel="stylesheet" href="//example.com/x.css">', "fetches //example.com/x.css"),
        ('<img src="http://example.com/x.png">', "fetches http://example.com/x.png"),
        ('<a href="gone.html">x</a>', "links gone.html, which is not there"),
        ('<img src="gone.png">', "links gone.png, which is not there"),
        ('<a href="b.html#gone">x</a>', "links b.html#gone, and there is no such heading"),
        ('<a href="#gone">x</a>', "links #gone, and there is no such heading"),
        ('<pre class="mermaid"></pre>', "has class mermaid, which makes the theme fetch"),
        # A link that a reader follows is no fetch.
        ('<a href="https://example.com">x</a>', None),
        ('<a href="b.html#here">x</a> <a href="b.html">x</a> <a href=".">x</a>', None),
    ],
)
def test_what_is_wrong_with_a_built_page_is_found(
    tool: Any, tmp_path: Path, body: str, problem: str | None
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text(body, encoding="utf-8")
    (site / "b.html").write_text('<h1 id="here">B</h1>', encoding="utf-8")
    assert tool.look(site) == ([f"index.html {problem}"] if problem else [])


def test_styles_that_fetch_are_found(tool: Any, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@import "https://example.com/a.css"; b { background: url(b.png) }')
    assert tool.look(tmp_path) == ["a.css fetches https://example.com/a.css"]
