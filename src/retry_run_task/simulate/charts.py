"""The charts: SVG as text, with colours that a page or a file defines. Every text is escaped here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from retry_run_task.policy.durations import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# Colours by name, light and dark. Ours stands out, the oracle is the bound; the first five others differ by colour, and
# all by the name at the end of their line.
STYLE = """
.v{--surface:#ffffff;--ink:#1d2129;--quiet:#667080;--line:#dde2e9;--ours:#0b62d6;--ours2:#5a9cf0;--bound:#1d2129;
--other:#8b95a3;--free:#bfe3c6;--none:#f6dcd9;--bad:#c5392b;--good:#17803d;--warn:#b86e00;
--o1:#0f7f74;--o2:#8548b8;--o3:#b5591a;--o4:#7d6a0a;--o5:#b03a72}
@media (prefers-color-scheme:dark){.v{--surface:#14171c;--ink:#e6e9ee;--quiet:#98a2b1;--line:#2d333d;--ours:#6aabff;
--ours2:#3f79c4;--bound:#e6e9ee;--other:#7b8696;--free:#1f4a2c;--none:#4a2624;--bad:#f0786b;--good:#55c57f;--warn:#e2a23b;
--o1:#3fb8ab;--o2:#b98ae0;--o3:#e08c4f;--o4:#bfa93a;--o5:#e07fae}}
.v text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.v text.q{fill:var(--quiet);font-size:11px}.v text.b{font-weight:600}
"""

# Width of a character at 12 px, a generous estimate.
_CHARACTER = 7.0
_LABEL_STEP, _NAME_STEP = 15, 18

PHONE = 360.0
"""Width of a chart for a phone: text keeps its size there, and nothing stands beside the chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The share of recovered launches over the time since capacity returned.

    ``kind`` is ``ours``, ``ours2``, ``bound`` or ``other``.
    """

    name: str
    points: Sequence[tuple[float, float]]
    kind: str

    @property
    def share(self) -> float:
        """The final share."""
        return self.points[-1][1] if self.points else 0.0


def svg(width: float, height: float, body: str, label: str) -> str:
    """Wrap a drawing; the label is its text alternative."""
    return (
        f'<svg class="v" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )


def text(x: float, y: float, words: str, *, css: str = "", anchor: str = "start", fill: str = "") -> str:
    """Return a line of text."""
    style = f' style="fill:var(--{fill})"' if fill else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    """Return a filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" fill="var(--{fill})"/>'


_TICKS = (
    0,
    10,
    60,
    300,
    900,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    *(days * 86400 for days in (1, 3, 7, 30, 90)),
)
_LINES = {"ours": (2.8, ""), "ours2": (2.2, "6 3"), "bound": (1.4, "2 3"), "other": (1.4, "")}
_OTHERS = ("o1", "o2", "o3", "o4", "o5")


def curves(
    found: Iterable[Curve],
    *,
    width: float = 760,
    height: float = 300,
    zero: str = "capacity returned",
) -> str:
    """Draw cumulative recovery curves, named at their ends; below the axis in a chart for a phone.

    ``height`` is without the names below the chart; ``zero`` is the origin of the times.
    """
    drawn = [curve for curve in found if curve.share > 0]
    last = max((curve.points[-1][0] for curve in drawn), default=60.0)
    ticks = [tick for tick in _TICKS if tick <= last] + [next((t for t in _TICKS if t > last), _TICKS[-1])]
    names = max((len(_ending(curve)) for curve in drawn), default=10)
    is_narrow = width <= PHONE
    left, top, bottom = 44.0, 12.0, height - 40
    right = width - 16 if is_narrow else width - names * _CHARACTER - 26

    def x(seconds: float) -> float:
        # Seconds and hours on one axis: linear up to about ten seconds, logarithmic beyond.
        share = math.log1p(max(0.0, seconds) / 10) / math.log1p(ticks[-1] / 10)
        return left + (right - left) * share

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    parts = [
        f'<path d="M{left} {y(share):.1f}H{right:.1f}" stroke="var(--line)" fill="none"/>'
        + text(left - 6, y(share) + 4, f"{share:.0%}", css="q", anchor="end")
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    parts += [
        f'<path d="M{x(tick):.1f} {bottom}v4" stroke="var(--quiet)"/>'
        + text(x(tick), bottom + 17, duration_text(tick), css="q", anchor=_anchor(x(tick), width))
        for tick in (ticks if not is_narrow else _sparse(ticks))
    ]
    axis = f"time since {zero}, logarithmic beyond 10 s"
    parts.append(text((left + right) / 2, height - 6, axis, css="q", anchor="middle"))
    colours = _colours(drawn)
    # The last one drawn is on top.
    order = sorted(drawn, key=lambda curve: ("other", "bound", "ours2", "ours").index(curve.kind))
    for curve in order:
        line, dashes = _LINES[curve.kind]
        path = _steps([(x(at), y(share)) for at, share in curve.points], x(0), y(0), right)
        parts.append(
            f'<path d="{path}" fill="none" stroke="var(--{colours[curve.name]})" stroke-width="{line}" '
            f'stroke-dasharray="{dashes}" stroke-linejoin="round"><title>{escape(_ending(curve))}</title></path>'
        )
    if is_narrow:
        parts.extend(_names_below(drawn, colours, left, height))
        height += len(drawn) * _NAME_STEP + 8
    else:
        parts.extend(_labels(drawn, colours, y, right, top))
    return svg(width, height, "".join(parts), f"Share of launches recovered, by the time since {zero}")


def _sparse(ticks: Sequence[int]) -> list[int]:
    """Return as many ticks as fit on a phone: the last one, and of the others every second."""
    return [tick for n, tick in enumerate(ticks) if (len(ticks) - 1 - n) % 2 == 0]


def _names_below(
    drawn: Sequence[Curve], colours: dict[str, str], left: float, height: float
) -> Iterator[str]:
    for n, curve in enumerate(_ranked(drawn)):
        y = height + 14 + n * _NAME_STEP
        line, dashes = _LINES[curve.kind]
        fill = colours[curve.name]
        yield f'<path d="M{left - 30:.1f} {y - 4:.1f}h22" stroke="var(--{fill})" stroke-width="{line}" '
        yield f'stroke-dasharray="{dashes}"/>'
        yield text(left, y, _ending(curve), css="b" if curve.kind == "ours" else "", fill=fill)


def _ending(curve: Curve) -> str:
    return f"{curve.name} {percent(curve.share)}"


def percent(share: float) -> str:
    r"""Return a share as text: never 100 % if something is missing, never 0 % if there is something.

    >>> percent(0), percent(0.0004), percent(0.918), percent(0.99999), percent(1)
    ('0\xa0%', '0.1\xa0%', '92\xa0%', '99.9\xa0%', '100\xa0%')
    """
    shown = share * 100 if share in (0, 1) else min(99.9, max(0.1, share * 100))
    is_near = share not in (0, 1) and not 1 <= shown <= 99  # noqa: PLR2004 - within one per cent of the ends
    return f"{shown:.{1 if is_near else 0}f}\N{NO-BREAK SPACE}%"


def _steps(points: Sequence[tuple[float, float]], x0: float, y0: float, right: float) -> str:
    path, before = [f"M{x0:.1f} {y0:.1f}"], y0
    for at, share in points:
        if before - share >= 1 or share == points[-1][1]:
            path.append(f"H{at:.1f}V{share:.1f}")
            before = share
    return "".join([*path, f"H{right:.1f}"])


def _colours(drawn: Sequence[Curve]) -> dict[str, str]:
    """Return the name of each curve's colour."""
    found = {curve.name: curve.kind for curve in drawn}
    others = (curve.name for curve in _ranked(drawn) if curve.kind == "other")
    found.update(zip(others, _OTHERS, strict=False))
    return found


def _ranked(drawn: Sequence[Curve]) -> list[Curve]:
    ranks = ("ours", "ours2", "bound", "other")
    return sorted(drawn, key=lambda curve: (-curve.share, ranks.index(curve.kind), _middle(curve)))


def _labels(
    drawn: Sequence[Curve], colours: dict[str, str], y: Callable[[float], float], right: float, top: float
) -> list[str]:
    parts, free = [], top + 4
    for curve in _ranked(drawn):
        wanted = y(curve.share) + 4
        place = max(wanted, free)
        free = place + _LABEL_STEP
        bold = "b" if curve.kind == "ours" else ""
        fill = colours[curve.name]
        parts.append(
            f'<path d="M{right + 1:.1f} {wanted - 4:.1f}L{right + 12:.1f} {place - 4:.1f}" '
            f'stroke="var(--{fill})" stroke-width="0.8"/>'
            + text(right + 15, place, _ending(curve), css=bold, fill=fill)
        )
    return parts


def _middle(curve: Curve) -> float:
    return next((at for at, share in curve.points if share >= 0.5), math.inf)  # noqa: PLR2004 - the median


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One line of an incident's chart: spans of time, each with how much room there is, from 0 (none) to 1 (enough)."""

    name: str
    spans: Sequence[tuple[float, float, float]]
    marks: Sequence[float] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The calls of one policy, a line for each launch: when, and how they ended."""

    name: str
    verdict: str
    lanes: Sequence[Sequence[tuple[float, str]]]
    kind: str


_LANE = 7
_MARKS = {"full": "quiet", "throttled": "warn", "lost": "bad", "placed": "good"}


def incident(
    strips: Sequence[Strip],
    panels: Sequence[Lanes],
    *,
    start: float,
    end: float,
    width: float = 900,
    zero: str = "midnight",
) -> str:
    """Draw an incident: the room above, and below it the calls of each policy, on one time axis."""
    is_narrow = width <= PHONE
    left, right = (60.0 if is_narrow else 96.0), width - 12

    def x(time: float) -> float:
        return left + (right - left) * (min(max(time, start), end) - start) / (end - start)

    parts, top = [], 8.0
    for strip in strips:
        parts.append(text(left - 8, top + 13, strip.name, css="q", anchor="end"))
        parts += _strip(strip, x, top, start, end)
        top += 22
    grid_top = top
    top += 6
    for panel in panels:
        css = "b" if panel.kind == "ours" else ""
        start_x = 4.0 if is_narrow else left
        parts.append(
            text(start_x, top + 11, panel.name, css=css, fill="" if panel.kind == "other" else panel.kind)
        )
        if is_narrow:
            top += 14
            parts.append(text(start_x, top + 11, panel.verdict, css="q"))
        else:
            parts.append(text(left + len(panel.name) * 7.4 + 12, top + 11, panel.verdict, css="q"))
        top += 18
        for lane in panel.lanes:
            parts.append(_lane([call for call in lane if call[0] <= end], x, top))
            top += _LANE
        top += 8
    times = _round_times(start, end, 4 if is_narrow else 9)
    grid = "".join(f"M{x(at):.1f} {grid_top:.1f}V{top:.1f}" for at in times)
    labels = "".join(
        text(x(at), top + 14, zero if at == 0 else duration_text(at), css="q", anchor=_anchor(x(at), width))
        for at in times
    )
    body = f'<path d="{grid}" stroke="var(--line)"/>' + "".join(parts) + labels
    return svg(width, top + 22, body, "When there was room in one incident, and when each policy called")


def _strip(strip: Strip, x: Callable[[float], float], top: float, start: float, end: float) -> Iterator[str]:
    """Draw the room of one strip between two times."""
    for since, until, room in strip.spans:
        if until <= start or since >= end:
            continue
        yield rect(x(since), top, x(until) - x(since), 18, "none" if room < 1 else "free")
        if 0 < room < 1:
            # The height is proportional to the room.
            high = max(4.0, 18 * room)
            yield rect(x(since), top + 18 - high, x(until) - x(since), high, "free")
    ticks = "".join(f"M{x(at):.1f} {top + 3:.1f}v12" for at in strip.marks if start <= at <= end)
    if ticks:
        yield f'<path d="{ticks}" stroke="var(--good)" stroke-width="0.9"/>'


def _anchor(x: float, width: float) -> str:
    """Return the anchor of a label that must not leave its chart: centred, or to the left of its mark."""
    return "end" if x > width - 40 else "middle"


def _lane(lane: Sequence[tuple[float, str]], x: Callable[[float], float], top: float) -> str:
    parts = []
    for how, colour in _MARKS.items():
        times = [at for at, ended in lane if ended == how]
        if not times:
            continue
        if how == "placed":
            parts += [
                f'<circle cx="{x(at):.1f}" cy="{top + 2.5:.1f}" r="2.6" fill="var(--good)"/>' for at in times
            ]
        else:
            # Two marks are distinguishable half a pixel apart.
            places = dict.fromkeys(round(2 * x(at)) / 2 for at in times)
            path = "".join(f"M{place:g} {top:g}v5" for place in places)
            parts.append(f'<path d="{path}" stroke="var(--{colour})" stroke-width="1"/>')
    return "".join(parts)


def _round_times(start: float, end: float, most: int) -> list[float]:
    for step in (60, 120, 300, 600, 900, 1800, 3600, 7200, 4 * 3600):
        if (end - start) / step <= most:
            break
    first = math.ceil(start / step)
    return [float(n * step) for n in range(first, int(end // step) + 1) if n * step >= 0]
