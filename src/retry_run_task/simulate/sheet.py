"""A self-contained page: its style and its frame. No script, no external resource."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from retry_run_task.simulate import charts

if TYPE_CHECKING:
    from collections.abc import Callable

# Wide tables scroll within themselves; a shadow at the edge shows that there is more.
# https://lea.verou.me/blog/2012/04/background-attachment-local/
_STYLE = """
:root{color-scheme:light dark}
body.v{margin:0;background:var(--surface);color:var(--ink);line-height:1.5;overflow-wrap:break-word;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.2rem;line-height:1.3;margin:3.2rem 0 .4rem}
h3{font-size:.95rem;margin:1.6rem 0 .3rem}
p,li{max-width:46rem}p.q,.q{color:var(--quiet);font-size:.9rem}a{color:var(--ours)}p.lead{margin:.3rem 0}
ul.names{columns:14rem;margin:.2rem 0;padding-left:1.1rem;font-size:.9rem;color:var(--quiet);max-width:none}
figure{margin:.6rem 0}svg{width:100%;height:auto;display:block}figure.narrow{display:none}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem}
.scroll{overflow-x:auto;background:linear-gradient(to right,var(--surface) 30%,transparent),
linear-gradient(to left,var(--surface) 30%,transparent) 100% 0,
linear-gradient(to right,var(--line),transparent),linear-gradient(to left,var(--line),transparent) 100% 0;
background-repeat:no-repeat;background-size:2.5rem 100%,2.5rem 100%,.9rem 100%,.9rem 100%;
background-attachment:local,local,scroll,scroll}
table{border-collapse:collapse;font-size:.8rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .45rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--quiet);white-space:normal;vertical-align:bottom;line-height:1.25}
th:first-child,td:first-child{text-align:left}
tr.ours td{font-weight:600;color:var(--ours)}tr.bound td{font-style:italic}td.bad{color:var(--bad)}
.keys{max-width:none;display:flex;flex-wrap:wrap;gap:.1rem 1.1rem}.keys span{white-space:nowrap}
.key{display:inline-block;width:1.1em;height:.75em;border-radius:2px;margin-right:.35em;vertical-align:-.05em}
.key.tick{width:2px;height:.9em;border-radius:0}.key.dot{width:.65em;height:.65em;border-radius:50%}
.sideways{display:none}details{margin-top:1rem}summary{cursor:pointer;color:var(--ours)}
@media(max-width:48rem){main{padding:1rem .8rem 3rem}h1{font-size:1.3rem}h2{margin-top:2.4rem}
figure.wide{display:none}figure.narrow{display:block;max-width:30rem}.sideways{display:block}
.scroll th:first-child,.scroll td:first-child{position:sticky;left:0;background:var(--surface);
white-space:normal;min-width:7.5rem}}
@media print{main{max-width:none}.scroll{overflow:visible;background:none}section{break-inside:avoid-page}}
"""


def document(title: str, body: str, *, style: str = "") -> str:
    """Return a whole page.

    The title is text, and escaped here; the body is HTML, and ``style`` is CSS beside that of all pages.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{charts.STYLE}{_STYLE}{style}</style></head>"
        f'<body class="v"><main>{body}</main></body></html>\n'
    )


def figure(draw: Callable[[float], str], *, width: float) -> str:
    """Return a picture for a screen, and the same for a phone; the page shows the one that fits.

    ``draw`` draws it in a width; ``width`` is that on a screen.
    """
    narrow = f'<figure class="narrow">{draw(charts.PHONE)}</figure>'
    return f'<figure class="wide">{draw(width)}</figure>{narrow}'


def scrolling(table: str, *, is_small: bool = False) -> str:
    """Return a table that scrolls sideways if it has no room, and a line that says so.

    ``table`` is HTML; a table that ``is_small`` fits a phone, so that no line is needed.
    """
    hint = "" if is_small else '<p class="q sideways">Scroll the table sideways for all columns.</p>'
    return f'{hint}<div class="scroll">{table}</div>'


def names(words: list[str]) -> str:
    """Return a list of names, escaped."""
    return f'<ul class="names">{"".join(f"<li>{escape(one)}</li>" for one in words)}</ul>'
