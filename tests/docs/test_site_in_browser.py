"""The docs site as it is built, in a real browser: pictures are shown, and a search finds the page that is meant."""

from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from pathlib import Path

import pytest

from docs.markdown_pages import ROOT
from support.browser import chromium, dom_of

PYTHON = ROOT / ".venv-site" / "bin" / "python"
# What a reader types, and where the first of the results leads.
MEANT = {
    "cost": "costs.html",
    "undo": "install.html#uninstall-undo-all-of-it",
    "uninstall": "install.html#uninstall-undo-all-of-it",
    "start by hand": "runbook.html#start-a-run-by-hand",
    "slack": "notifications.html#in-slack-and-microsoft-teams",
    "runbook": "runbook.html",
}
# The search runs in a worker, which speaks in numbers: 0 takes the index, 2 a query. Here it runs in the page.
CHECK = """<!doctype html><script>
let heard; window.postMessage = message => heard(message);
const ask = (type, data) => new Promise(answer => { heard = answer; window.onmessage({data: {type, data}}) });
const width = source => new Promise(answer => {
  const image = new Image(); image.onload = image.onerror = () => answer(image.naturalWidth); image.src = source });
</script><script src="search.js"></script><script src="WORKER"></script><script>
(async () => {
  const found = {widths: {}, first: {}};
  for (const source of PICTURES) found.widths[source] = await width(source);
  await ask(0, __index);
  for (const input of QUERIES) {
    const [first] = (await ask(2, {input})).data.items;
    found.first[input] = first && __index.items[first.id].location;
  }
  const shown = document.createElement("pre"); shown.textContent = JSON.stringify(found);
  document.documentElement.append(shown);
})()
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromium()
    if not PYTHON.exists():
        pytest.fail(
            f"{PYTHON.relative_to(ROOT)} is missing. Install it with: make .venv-site/.installed",
            pytrace=False,
        )
    folder = tmp_path_factory.mktemp("docs")
    command = [PYTHON, ROOT / "tools" / "docs_site.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_pictures_are_shown_and_a_search_finds_the_page_that_is_meant(site: Path, tmp_path: Path) -> None:
    pages = [(site / name).read_text(encoding="utf-8") for name in ("index.html", "README.ja.html")]
    pictures = sorted({source for page in pages for source in re.findall(r'<img[^>]* src="([^"]+)"', page)})
    assert pictures == [f"images/{name}.svg" for name in ("how-it-works.ja", "how-it-works")]
    (worker,) = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    page = site / "check.html"
    page.write_text(
        CHECK.replace("WORKER", worker.relative_to(site).as_posix())
        .replace("PICTURES", json.dumps([*pictures, "images/none.svg"]))
        .replace("QUERIES", json.dumps([*MEANT, "xyzzy-plugh"])),
        encoding="utf-8",
    )
    found = re.search(r"<pre>(.*?)</pre>", dom_of(page, tmp_path / "profile", "--virtual-time-budget=20000"))
    assert found is not None
    result = json.loads(unescape(found[1]))
    assert result["widths"].pop("images/none.svg") == 0
    assert all(width >= 300 for width in result["widths"].values()), result["widths"]
    assert result["first"].pop("xyzzy-plugh", None) is None
    assert result["first"] == MEANT
