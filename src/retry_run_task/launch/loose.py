"""Reads unchecked JSON: a value of the wrong type counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text_in(value: Any) -> str:
    """Return the value if it is a text, else an empty text."""
    return value if isinstance(value, str) else ""


def texts_in(value: Any) -> list[str]:
    """Return the texts in a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def object_in(value: Any) -> Mapping[str, Any]:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, Mapping) else {}


def objects_in(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
