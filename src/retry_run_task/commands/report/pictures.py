"""The heat map: weekdays by hours on a screen, hours by weekdays on a phone."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from retry_run_task.commands.report.summary import WEEKDAYS
from retry_run_task.simulate.charts import PHONE, svg, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retry_run_task.commands.report.findings import Cell

# Text stays readable on the darkest cell, in light and dark mode.
_LIGHTEST, _DARKEST = 0.12, 0.6
_TOP, _LEFT, _GAP = 22.0, 40.0, 2.0


def heat(cells: Sequence[Sequence[Cell]], *, width: float) -> str:
    """Draw failed calls by weekday and hour. Cells are by weekday, Monday first, and hour."""
    is_tall = width <= PHONE
    days, hours = range(len(cells)), range(len(cells[0]))
    most = max((cell.failed for row in cells for cell in row), default=0) or 1
    across, down = (days, hours) if is_tall else (hours, days)
    step_x = (width - _LEFT - 4) / len(across)
    step_y = 17.0 if is_tall else 28.0
    parts = []
    for n in across:
        if is_tall or n % 3 == 0:
            name = WEEKDAYS[n] if is_tall else f"{n:02}:00"
            x = _LEFT + step_x * n + (step_x / 2 if is_tall else 0)
            parts.append(text(x, 14, name, css="q", anchor="middle" if is_tall else "start"))
    for n in down:
        y = _TOP + step_y * n
        name = f"{n:02}" if is_tall else WEEKDAYS[n]
        parts.append(text(_LEFT - 8, y + step_y / 2 + 4, name, css="q", anchor="end"))
        for m in across:
            day, hour = (m, n) if is_tall else (n, m)
            box = (_LEFT + step_x * m, y, step_x - _GAP, step_y - _GAP)
            parts.append(_cell(cells[day][hour], most, box, f"{WEEKDAYS[day]} {hour:02}:00"))
    height = _TOP + step_y * len(down) + 2
    return svg(width, height, "".join(parts), f"Failed calls by weekday and hour; {most} at most in one hour")


def _cell(cell: Cell, most: int, box: tuple[float, float, float, float], name: str) -> str:
    x, y, wide, high = box
    fill, opacity = ("line", 0.5) if not cell.calls else ("good", 0.18)
    if cell.failed:
        fill = "bad"
        opacity = _LIGHTEST + (_DARKEST - _LIGHTEST) * math.sqrt(cell.failed / most)
    title = f"{name}: {cell.failed} of {cell.calls} calls failed"
    number = text(x + wide / 2, y + high / 2 + 4, f"{cell.failed}", anchor="middle") if cell.failed else ""
    return (
        f'<g><title>{escape(title)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" '
        f'rx="3" fill="var(--{fill})" fill-opacity="{opacity:.2f}"/>{number}</g>'
    )
