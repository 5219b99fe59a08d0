"""The tokens of pages, which clients cannot read: base64 of where the next page begins."""

from __future__ import annotations

import base64
import re

TOKEN = re.compile(r"after:(\d+)")


def token_of(position: int) -> str:
    """Return the token for a page that begins after a position."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode()


def position_of(token: str | None, invalid: Exception) -> int:
    """Return the position in a token, 0 without one; raises ``invalid`` for any other text."""
    if token is None:
        return 0
    try:
        found = TOKEN.fullmatch(base64.urlsafe_b64decode(token).decode())
    except ValueError:
        found = None
    if found is None:
        raise invalid
    return int(found.group(1))
