"""Text for display: one line, and numbers with their nouns. Imports nothing of the package."""

from __future__ import annotations

from datetime import UTC, datetime


def one_line(text: str) -> str:
    r"""Return text as one line that is safe for a terminal, a mail and a chat: unprintable characters are escaped.

    What a record says is an outsider's text. A line break could add lines that look like ours, an escape character
    could control a terminal, and half of a surrogate pair cannot be encoded.

    >>> one_line("a\nb"), one_line("夜間"), one_line("\x1b[2J"), one_line("\ud800")
    ('a\\nb', '夜間', '\\x1b[2J', '\\ud800')
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def cut(text: str, longest: int) -> str:
    """Return text of at most ``longest`` characters; a cut text ends in ``...``.

    >>> cut("capacity", 8), cut("capacity", 7)
    ('capacity', 'capa...')
    """
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def iso(time: datetime) -> str:
    """Return a time in AWS's form, such as ``2026-11-24T00:00:03Z``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun; the plural ends in s unless it is given.

    >>> counted(1, "task"), counted(0, "task"), counted(2, "recovery", "recoveries")
    ('1 task', '0 tasks', '2 recoveries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
