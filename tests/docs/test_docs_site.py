"""The docs site: every page is in it, and what is built is looked at. `make site` builds it, in a CI job of its own."""

from __future__ import annotations

import importlib.util
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs.markdown_pages import ROOT, pages


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``tools/docs_site.py`` as a module."""
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "tools" / "docs_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_once_and_is_copied(tool: Any, tmp_path: Path) -> None:
    tool.copy_pages(tmp_path)
    settings = tomllib.loads((tmp_path / "zensical.toml").read_text(encoding="utf-8"))
    entries = [path for section in settings["project"]["nav"] for it in section.values() for path in it]
    places = [place for entry in entries for place in entry.values()]
    assert len(places) == len(set(places))
    expected = {tool.place(page.path).as_posix() for page in pages() if ".github" not in page.path.parts}
    assert expected <= set(places)
    for place in places:
        assert (tmp_path / "pages" / place).is_file()


def test_links_lead_to_the_same_things_within_the_site(tool: Any, tmp_path: Path) -> None:
    tool.copy_pages(tmp_path)
    tour = (tmp_path / "pages" / "tour.md").read_text(encoding="utf-8")
    assert "](source/src/retry_run_task/launch/values.py.md)" in tour
    assert "](../src/" not in tour
    shown = (tmp_path / "pages" / "source/src/retry_run_task/launch/values.py.md").read_text(encoding="utf-8")
    assert (ROOT / "src/retry_run_task/launch/values.py").read_text(encoding="utf-8").rstrip() in shown
    contributing = (tmp_path / "pages" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "](reference/index.md)" in contributing, "a folder has a page that lists its pages"


def test_a_picture_is_copied_and_shown_as_a_picture(tool: Any, tmp_path: Path) -> None:
    tool.copy_pages(tmp_path)
    for name, picture in (
        ("index.md", "images/how-it-works.svg"),
        ("README.ja.md", "images/how-it-works.ja.svg"),
        ("comparison.md", "images/comparison.svg"),
    ):
        assert f"]({picture})" in (tmp_path / "pages" / name).read_text(encoding="utf-8")
        assert (tmp_path / "pages" / picture).read_bytes() == (ROOT / "docs" / picture).read_bytes()


def test_a_sample_is_copied_as_it_is(tool: Any, tmp_path: Path) -> None:
    tool.copy_pages(tmp_path)
    name = "assets/two-weeks.jsonl.gz"
    assert f"]({name})" in (tmp_path / "pages" / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "pages" / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


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
        ('<img src="b.html">', "shows b.html, which is no picture"),
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


def test_a_japanese_page_says_that_it_is_japanese(tool: Any, tmp_path: Path) -> None:
    for name in ("a.html", "a.ja.html"):
        (tmp_path / name).write_text('<html lang="en" class="no-js">', encoding="utf-8")
    tool.say_language(tmp_path)
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == '<html lang="en" class="no-js">'
    assert (tmp_path / "a.ja.html").read_text(encoding="utf-8") == '<html lang="ja" class="no-js">'
    with pytest.raises(tool.SiteError, match=r"a\.ja\.html does not say its language"):
        tool.say_language(tmp_path)


def test_the_search_has_one_entry_for_a_decision_and_keeps_the_sections_of_other_pages(
    tool: Any, tmp_path: Path
) -> None:
    def item(location: str, title: str) -> dict[str, str]:
        return {"location": location, "title": title, "text": f"<p>{title}</p>"}

    index = {
        "config": {"lang": ["en"]},
        "items": [
            item("decisions/1.html", "Use it"),
            item("decisions/1.html#cost", "Cost"),
            item("costs.html", "Cost"),
            item("costs.html#counted", "Counted"),
        ],
    }
    (tmp_path / "search.json").write_text(json.dumps(index), encoding="utf-8")
    (tmp_path / "search.js").write_text(f"var __index = {json.dumps(index)};", encoding="utf-8")
    tool.join_decisions(tmp_path)
    joined = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))
    assert joined["config"] == index["config"]
    assert [it["location"] for it in joined["items"]] == [
        "decisions/1.html",
        "costs.html",
        "costs.html#counted",
    ]
    assert joined["items"][0]["text"] == "<p>Use it</p> <p>Cost</p>"
    script = (tmp_path / "search.js").read_text(encoding="utf-8")
    assert json.loads(script.removeprefix("var __index = ").removesuffix(";")) == joined


def test_a_search_index_of_another_form_is_an_error(tool: Any, tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text('{"items": []}', encoding="utf-8")
    (tmp_path / "search.js").write_text('export default {"items": []}', encoding="utf-8")
    with pytest.raises(tool.SiteError, match=r"search\.js does not begin with"):
        tool.join_decisions(tmp_path)


def test_styles_that_fetch_are_found(tool: Any, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@import "https://example.com/a.css"; b { background: url(b.png) }')
    assert tool.look(tmp_path) == ["a.css fetches https://example.com/a.css"]
