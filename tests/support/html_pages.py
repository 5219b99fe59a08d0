"""Pages of ours, read strictly, and looked at in a real browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from support.browser import dom_of


class Reader(HTMLParser):
    """Reads a page and complains of what a browser would forgive."""

    VOID = frozenset({"meta", "br"})
    # Written as <rect .../>: HTMLParser tells of them at once.

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


# Puts what it finds into the document's title, from where the test reads it.
INSPECTION = """<script>
const found = [];
let shown = 0, blank = 0;
for (const svg of document.querySelectorAll("svg")) {
  const frame = svg.getBoundingClientRect();
  if (!frame.width) continue;  // drawn for another width
  shown += 1;
  blank += frame.height < 60;
  const scale = frame.width / svg.viewBox.baseVal.width;
  const size = parseFloat(getComputedStyle(svg.querySelector("text")).fontSize) * scale;
  if (size < 9) found.push("too small: " + size);
  const texts = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
  for (const [words, box] of texts)
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
        || box.bottom > frame.bottom + 1) found.push("outside: " + words);
  texts.forEach(([words, a], i) => texts.slice(i + 1).forEach(([others, b]) => {
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
      found.push("overlap: " + words + " / " + others);
  }));
}
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) found.push("the page is wider than its window");
for (const table of document.querySelectorAll(".scroll")) {
  const isTold = document.querySelector(".sideways").getBoundingClientRect().height > 0;
  if (table.scrollWidth > table.clientWidth && !isTold) found.push("a table is cut");
}
document.title = JSON.stringify({pictures: shown, blank, found,
  dark: matchMedia("(prefers-color-scheme:dark)").matches, ground: getComputedStyle(document.body).backgroundColor});
</script>"""


def inspect(page: str, tmp_path: Path, *flags: str, size: str = "1100,2000") -> str:
    """Open a page in a real browser and return what the inspection found."""
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", f"{INSPECTION}</body>"), encoding="utf-8")
    found = re.search(r"<title>(.*?)</title>", dom_of(path, tmp_path / "profile", *flags, size=size))
    assert found is not None
    return found.group(1)
