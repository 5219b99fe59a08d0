"""The colours of the commands' output."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of the 256 colours those that are readable on white and on black; the brightness of the first eight depends on the
# terminal, and yellow on white is unreadable. https://www.w3.org/TR/WCAG22/#contrast-minimum
GOOD, BAD, WAIT, NOTE, HELD = "color(28)", "color(160)", "color(130)", "color(31)", "color(133)"

COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {GOOD: (0, 135, 0), BAD: (215, 0, 0), WAIT: (175, 95, 0), NOTE: (0, 135, 175), HELD: (175, 95, 175)}
)
"""Their RGB values. https://en.wikipedia.org/wiki/ANSI_escape_code#8-bit"""
