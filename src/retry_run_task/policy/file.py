"""The policy file, ``policy.toml``: text to a policy, or to every problem in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from retry_run_task.policy import checks
from retry_run_task.policy.checks import ReadRule
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.key_lines import KeyLines
from retry_run_task.policy.keys import MATCH, SETTINGS, TOP, BadValueError, closest
from retry_run_task.policy.rules import AFTER_THE_LAST_ATTEMPT_S, Match, Policy, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem of a policy file, in a line counted from 1; ``what`` is one sentence, without a full stop."""

    line: int
    what: str
    hint: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}. {self.hint}"


# A longer spread is a mistake: it delays every first attempt.
_SPREAD_MAX_S = 300


def parse(text: str) -> Policy | tuple[Problem, ...]:
    """Read a policy file. Returns the policy, or all its problems, in order of lines."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+),", str(error))
        line = int(found[1]) if found else max(1, text.count("\n"))
        what = str(error).partition(" (at ")[0]
        return (Problem(line=line, what=f"this is not TOML: {what}", hint="See https://toml.io."),)
    reading = _Reading(document=document, lines=KeyLines(text))
    reading.read()
    if reading.problems:
        return tuple(sorted(reading.problems, key=lambda problem: (problem.line, problem.what)))
    return Policy(rules=tuple(one.rule for one in reading.rules), **reading.top)


@dataclass(slots=True, kw_only=True)
class _Reading:
    document: dict[str, Any]
    lines: KeyLines
    problems: list[Problem] = field(default_factory=list)
    rules: list[ReadRule] = field(default_factory=list)
    top: dict[str, int] = field(default_factory=dict)

    def read(self) -> None:
        """Read every part, then check the rules together."""
        self._read_top()
        rules = self.document.get("rules")
        if not isinstance(rules, list) or not rules or not all(isinstance(r, dict) for r in rules):
            hint = "Begin each rule with [[rules]]."
            self._problem(None, "rules", "there are no rules", hint)
            return
        for nth, raw in enumerate(rules):
            self._read_rule(nth, raw)
        for found in checks.check(self.rules):
            self._problem(found.nth, found.key, found.what, found.hint)

    def _problem(self, nth: int | None, key: str, what: str, hint: str) -> None:
        problem = Problem(line=self.lines.of(nth, key), what=what, hint=hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def _read_top(self) -> None:
        for name, value in self.document.items():
            if name == "rules":
                continue
            if name not in TOP:
                self._unknown(None, name, (*TOP, "rules"), "at the top")
                continue
            try:
                self.top[TOP[name].attribute] = TOP[name].read(value)
            except BadValueError as error:
                self._problem(None, name, f"{name} is {value!r}", f"{_capital(error)}.")
        if self.top.get("spread_s", 0) > _SPREAD_MAX_S:
            hint = f"It delays every first attempt; give at most {duration_text(_SPREAD_MAX_S)}."
            self._problem(None, "spread", f"spread is {duration_text(self.top['spread_s'])}", hint)
        if self.top.get("watch_s", 0) > AFTER_THE_LAST_ATTEMPT_S:
            hint = f"Give at most {duration_text(AFTER_THE_LAST_ATTEMPT_S)}."
            self._problem(None, "watch", f"watch is {duration_text(self.top['watch_s'])}", hint)

    def _unknown(self, nth: int | None, name: str, known: tuple[str, ...], where: str) -> None:
        close = closest(name, known)
        hint = f"Did you mean {close}?" if close else f"Expected one of {', '.join(known)}."
        if nth is not None and name in TOP:
            hint = "Write it above the first [[rules]]: in TOML a key belongs to the table above it."
        self._problem(nth, name, f"{name} is not a key {where}", hint)

    def _read_rule(self, nth: int, raw: dict[str, Any]) -> None:
        before = len(self.problems)
        name = raw.get("name")
        if not isinstance(name, str) or not name.strip():
            self._problem(nth, "name", "a rule has no name", "Give it one: logs and messages print it.")
            name = f"rule {nth + 1}"
        known = ("name", "match", *SETTINGS)
        sets: dict[str, Any] = {}
        keys = []
        for key, value in raw.items():
            if key in ("name", "match"):
                continue
            if key not in SETTINGS:
                self._unknown(nth, key, known, f"of rule {name!r}")
                continue
            try:
                sets[SETTINGS[key].attribute] = SETTINGS[key].read(value)
                keys.append(key)
            except BadValueError as error:
                self._problem(nth, key, f"{key} of rule {name!r} is {_shown(value)}", f"{_capital(error)}.")
        before_match = len(self.problems)
        match = self._read_match(nth, name, raw.get("match", {}))
        has_sound_match = len(self.problems) == before_match
        if not sets and len(self.problems) == before:
            self._problem(nth, "name", f"rule {name!r} sets nothing", "Give it a setting, or take it out.")
        self.rules.append(
            ReadRule(
                nth=nth,
                rule=Rule(name=name, match=match, sets=sets),
                keys=tuple(keys),
                is_sound=len(self.problems) == before,
                has_sound_match=has_sound_match,
            )
        )

    def _read_match(self, nth: int, name: str, raw: Any) -> Match:
        if not isinstance(raw, dict):
            self._problem(
                nth,
                "match",
                f"match of rule {name!r} is {_shown(raw)}",
                "Expected { schedule = 'nightly-*' }.",
            )
            return Match()
        values = {}
        for key, value in raw.items():
            if key not in MATCH:
                self._unknown(nth, key, tuple(MATCH), f"of match in rule {name!r}")
                continue
            try:
                values[MATCH[key].attribute] = MATCH[key].read(value)
            except BadValueError as error:
                self._problem(nth, key, f"{key} of rule {name!r} is {_shown(value)}", f"{_capital(error)}.")
        return Match(**values)


def _capital(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - enough to find it again
