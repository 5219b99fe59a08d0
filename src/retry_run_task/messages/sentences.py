"""The sentences of one language, as data. ``message`` decides which are used, and in which order.

A sentence is a template for ``str.format``. Inserted values are never read as templates, so braces in a record are
harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from retry_run_task.launch.values import CallerKind, Category, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """All text of a message in one language, except AWS's own words and names."""

    labels: Mapping[str, str]
    label: str
    """``{label}`` and ``{value}``."""
    subject: str
    """``{headline}``, ``{name}`` and ``{region}``."""
    headlines: Mapping[Outcome, str]
    still_trying: str
    """The headline of an early message."""
    partly: str
    """The headline if only some of the missing tasks were started."""
    unsure: str
    """The headline if a call may have started tasks that were not seen."""
    unnamed: str
    """The name of a task that CloudTrail does not name."""
    unrecorded: str

    openings: Mapping[str, str]
    """What did not happen and whether it still can, by outcome; also ``errors``, ``partly``, ``unsure``, ``trying``."""
    causes: Mapping[str, str]
    """One clause each, by what ended the recovery."""
    kinds: Mapping[Category, str]
    """The kind of a failure, as a clause."""
    callers: Mapping[CallerKind, str]
    other_caller: str
    caller: str
    """``{who}`` and ``{what}``: the schedule's name or the role."""

    audited: Mapping[str, str]
    """What the message of an audit says."""
    steps: Mapping[str, str]
    """What to do, by the command that follows."""
    outcome: str
    """``{outcome}``, ``{severity}``, ``{category}``, ``{rule}``: the words that logs and metrics have."""
    place: str
    """``{cluster}``, ``{account}`` and ``{region}``."""
    tried: str
    """``{calls}``, ``{span}``, ``{started}`` and ``{wanted}``."""
    not_tried: str
    more_tasks: str
    """``{count}``."""
    until_next_run: str
    """``{time}``."""
    until_deadline: str
    """``{time}``."""
    time: str
    """``{local}``, ``{zone}`` and ``{utc}``."""
    home: tuple[tzinfo, str] | None
    """The default time zone of messages in this language, and its name; None for UTC alone."""

    counted: Callable[[int, str], str]
    """Returns a number with its noun: ``task``, ``call``, ``failure`` or ``run``."""
    span: Callable[[float], str]
    """Returns a duration in its two largest units."""
    hint: Callable[[str, str], str]
    """Returns the hint for the name of a row of the classification table and its text in English."""
    translated: Callable[[str], str | None]
    """Returns one of the engine's clauses in this language; None if there is no translation."""
