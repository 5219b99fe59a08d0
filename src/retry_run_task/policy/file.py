"""The policy file, ``policy.toml``: text to a policy, or to every problem in it.

``tomllib`` reports no lines, so they are searched in the text: the nth ``[[rules]]`` is the nth rule, and a key is
where its name first stands before ``=`` in the rule. A key that is not found so is reported with its rule's line.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import CallerKind, Category
from retry_run_task.policy import attempt_times
from retry_run_task.policy.durations import spoken
from retry_run_task.policy.keys import CALLERS, LISTS, MATCH, SETTINGS, TOP, BadValueError, near
from retry_run_task.policy.rules import (
    AFTER_THE_LAST_ATTEMPT_S,
    ATTEMPTS_MAX,
    EXECUTION_S,
    Match,
    Policy,
    Rule,
    combined,
    is_whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem of a policy file.

    Attributes:
        line: Counted from 1.
        what: What was found; one sentence, without a full stop.
        hint: What to do about it.
    """

    line: int
    what: str
    hint: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}. {self.hint}"


_DEFAULTS: Mapping[str, int] = {"spread_s": 0, "watch_s": 3600}

_DEADLINE_MAX_S = EXECUTION_S - AFTER_THE_LAST_ATTEMPT_S

# A longer spread is a mistake: it delays every first attempt.
_SPREAD_MAX_S = 300


def parse(text: str) -> Policy | tuple[Problem, ...]:
    """Read a policy file.

    Returns:
        The policy, or all its problems, in order of lines.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+),", str(error))
        line = int(found[1]) if found else max(1, text.count("\n"))
        what = str(error).partition(" (at ")[0]
        return (Problem(line=line, what=f"this is not TOML: {what}", hint="See https://toml.io."),)
    reading = _Reading(document=document, lines=_Lines(text))
    reading.read()
    if reading.problems:
        return tuple(sorted(reading.problems, key=lambda problem: (problem.line, problem.what)))
    return Policy(rules=tuple(one.rule for one in reading.rules), **{**_DEFAULTS, **reading.top})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A rule that was read, without its invalid parts.

    Attributes:
        nth: Its index in the file, from 0.
        keys: The keys that it sets.
        is_sound: Whether it has no problems. If not, checks across rules skip it, so as not to report consequences.
        has_sound_match: Whether its match has no problems. If not, the match in the file is for fewer launches.
    """

    nth: int
    rule: Rule
    keys: tuple[str, ...]
    is_sound: bool = True
    has_sound_match: bool = True

    def may_treat(self, match: Match, category: Category) -> bool:
        """Tell whether an invalid part may have been a setting for all that a match fits."""
        return not self.is_sound and (not self.has_sound_match or _covers(self.rule.match, match, category))


@dataclass(slots=True, kw_only=True)
class _Reading:
    document: dict[str, Any]
    lines: _Lines
    problems: list[Problem] = field(default_factory=list)
    rules: list[_Read] = field(default_factory=list)
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
        # The checks across rules report nothing that depends on an invalid part.
        self._check_names()
        self._check_reach()
        self._check_categories()
        for one in self.rules:
            self._check_sense(one)

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
            hint = f"It delays every first attempt; give at most {spoken(_SPREAD_MAX_S)}."
            self._problem(None, "spread", f"spread is {spoken(self.top['spread_s'])}", hint)
        if self.top.get("watch_s", 0) > AFTER_THE_LAST_ATTEMPT_S:
            hint = f"Give at most {spoken(AFTER_THE_LAST_ATTEMPT_S)}."
            self._problem(None, "watch", f"watch is {spoken(self.top['watch_s'])}", hint)

    def _unknown(self, nth: int | None, name: str, known: tuple[str, ...], where: str) -> None:
        close = near(name, known)
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
            _Read(
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

    # Rules together.

    def _check_names(self) -> None:
        for name, times in Counter(one.rule.name for one in self.rules).items():
            if times > 1:
                last = max(one.nth for one in self.rules if one.rule.name == name)
                self._problem(last, "name", f"{times} rules have the name {name!r}", "Give each its own.")

    def _check_reach(self) -> None:
        """Report rules, and settings of rules, that never take effect because rules above cover them."""
        for place, one in enumerate(self.rules):
            if not one.is_sound:
                continue
            above = [rule for rule in self.rules[:place] if rule.has_sound_match]
            hidden = {key: by for key in one.keys if (by := _hidden_by(above, one, SETTINGS[key].attribute))}
            names = _quoted(by for key in hidden for by in hidden[key])
            if hidden and len(hidden) == len(one.keys):
                what = f"rule {one.rule.name!r} cannot be reached: {names} above it set{_s(hidden)} all that it sets"
                self._problem(one.nth, "name", what, "Move it up, or narrow what stands above it.")
                continue
            for key, by in hidden.items():
                what = f"{key} of rule {one.rule.name!r} has no effect: {_quoted(by)} above it set{_s({key: by})} it"
                self._problem(one.nth, key, what, "Take it out, or move the rule up.")

    def _check_categories(self) -> None:
        for category in Category:
            if any(one.may_treat(Match(), category) for one in self.rules):
                continue
            for caller in (CallerKind(name) for name in CALLERS):
                general = (
                    one.rule
                    for one in self.rules
                    if _is_general(one.rule.match) and _includes(one.rule.match, category, caller)
                )
                if not is_whole(combined(general, category)):
                    self._problem(
                        None,
                        "rules",
                        f"category {category} has no treatment: nothing says how long to wait after it",
                        "Add a rule that matches it with wait, or with retry = false; the default policy has one.",
                    )
                    break

    def _check_sense(self, one: _Read) -> None:
        """Check that a rule's effective settings, with those of the rules it combines with, make sense."""
        if (
            one.rule.sets.get("retry")
            and one.has_sound_match
            and Category.PERMISSION in one.rule.match.category
        ):
            hint = "Take it out: what was denied is never sent again."
            self._problem(
                one.nth, "retry", f"rule {one.rule.name!r} retries failures of kind permission", hint
            )
        self._check_length(one)
        for category in one.rule.match.category or frozenset(Category):
            if any(other.may_treat(one.rule.match, category) for other in self.rules):
                continue
            whole = combined(
                (r.rule for r in self.rules if _covers(r.rule.match, one.rule.match, category)), category
            )
            if not is_whole(whole):
                self._problem(
                    one.nth,
                    "name",
                    f"rule {one.rule.name!r} retries failures of kind {category}, and nothing says how long to wait",
                    "Add wait to it, or retry = false, or a category to its match.",
                )
            elif not whole.ignore and whole.retry:
                self._check_attempts(one, whole, category)
            if category is Category.CAPACITY:
                self._check_rungs(one, whole)

    def _check_attempts(self, one: _Read, whole: Any, category: Category) -> None:
        if whole.deadline_s > _DEADLINE_MAX_S:
            return
        most = attempt_times.most_attempts(whole)
        if most > ATTEMPTS_MAX:
            self._problem(
                one.nth,
                next((key for key in ("deadline", "wait") if key in one.keys), "name"),
                f"rule {one.rule.name!r} makes up to {most} attempts at failures of kind {category}, and Lambda lets "
                f"an execution make about {ATTEMPTS_MAX}",
                "Give a longer longest wait, an earlier deadline, or a number of attempts.",
            )

    def _check_length(self, one: _Read) -> None:
        """Check that an execution can live as long as a rule's own deadline."""
        deadline_s = one.rule.sets.get("deadline_s", 0)
        if deadline_s > _DEADLINE_MAX_S:
            self._problem(
                one.nth,
                "deadline",
                f"rule {one.rule.name!r} has a deadline of {spoken(deadline_s)}, and an execution may live "
                f"{spoken(EXECUTION_S)}",
                f"Give at most {spoken(_DEADLINE_MAX_S)}: after the last attempt there is still a task to watch.",
            )

    def _check_rungs(self, one: _Read, whole: Any) -> None:
        is_all_understood = all(rule.is_sound for rule in self.rules)
        for kind in LISTS:
            attribute = SETTINGS[kind.value].attribute
            # Reported once, for the rule that has the rung or the list.
            if kind in one.rule.sets.get("rungs", ()) and not getattr(whole, attribute):
                self._problem(
                    one.nth,
                    "rungs",
                    f"rung {kind} of rule {one.rule.name!r} needs a list, and no rule sets {kind}",
                    f"Add {kind} = [...] to the rule.",
                )
            is_named = any(kind in rule.rule.sets.get("rungs", ()) for rule in self.rules)
            if kind.value in one.keys and is_all_understood and not is_named:
                self._problem(
                    one.nth,
                    kind.value,
                    f"{kind} of rule {one.rule.name!r} is not used, since no rule's rungs name it",
                    f"Add '{kind}' to the rule's rungs, or take the list out.",
                )


def _hidden_by(above: list[_Read], one: _Read, attribute: str) -> set[str]:
    """Return the rules that set something before a rule does, if together they do so for all that it matches."""
    by: set[str] = set()
    # Only a shortage of capacity uses the ladder, so that is where its settings count.
    on_ladder = attribute == "rungs" or attribute in {SETTINGS[kind.value].attribute for kind in LISTS}
    categories = one.rule.match.category or frozenset(Category)
    for category in categories & {Category.CAPACITY} if on_ladder else categories:
        for caller in one.rule.match.caller or frozenset(CallerKind(name) for name in CALLERS):
            first = next(
                (
                    r.rule
                    for r in above
                    if (attribute in r.rule.sets or r.rule.sets.get("ignore"))
                    and _includes(r.rule.match, category, caller)
                    and _covers(r.rule.match, one.rule.match, category, but_caller=True)
                ),
                None,
            )
            if first is None:
                return set()
            by.add(first.name)
    return by


def _is_general(match: Match) -> bool:
    return not (match.schedule or match.cluster or match.task_definition or match.policy)


def _includes(match: Match, category: Category, caller: CallerKind) -> bool:
    return (not match.category or category in match.category) and (not match.caller or caller in match.caller)


def _covers(wide: Match, narrow: Match, category: Category, *, but_caller: bool = False) -> bool:
    """Tell whether one match certainly fits every launch that another fits, for failures of a category."""
    return (
        (not wide.category or category in wide.category)
        and (but_caller or not wide.caller or (bool(narrow.caller) and narrow.caller <= wide.caller))
        and _globs_cover(wide.schedule, narrow.schedule)
        and _globs_cover(wide.cluster, narrow.cluster)
        and _globs_cover(wide.task_definition, narrow.task_definition)
        and _globs_cover(wide.policy, narrow.policy)
    )


def _globs_cover(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(_glob_covers(w, n) for w in wide) for n in narrow)


def _glob_covers(wide: str, narrow: str) -> bool:
    """Tell whether a glob certainly matches all that another matches.

    >>> _glob_covers("a*", "ab*"), _glob_covers("ab*", "a*"), _glob_covers("a?", "a*"), _glob_covers("a?", "ab")
    (True, False, False, True)
    """
    if wide == narrow:
        return True
    if not any(sign in narrow for sign in "*?["):
        return fnmatchcase(narrow, wide)
    # Only stars can match the other glob's wildcards, if this one has no others, and the other has no [...].
    return not any(sign in wide for sign in "?[") and "[" not in narrow and fnmatchcase(narrow, wide)


# Words.


def _capital(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - enough to find it again


def _quoted(names: Any) -> str:
    ordered = sorted(set(names))
    return f"rule{'s' if len(ordered) > 1 else ''} {', '.join(repr(name) for name in ordered)}"


def _s(hidden: Mapping[str, set[str]]) -> str:
    return "" if len({by for names in hidden.values() for by in names}) > 1 else "s"


class _Lines:
    """Finds the lines of keys in a valid TOML text."""

    def __init__(self, text: str) -> None:
        self._lines = _without_texts(text).splitlines()
        self._starts = [n for n, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*rules\s*\]\]", line)]

    def of(self, nth: int | None, key: str) -> int:
        """Return the line of a key of the nth rule, or of the top level for None; the first is 1."""
        first, last = self._range(nth)
        if key == "rules" and self._starts:
            return self._starts[0] + 1
        pattern = re.compile(rf"(?:^|[\s{{,.\[])['\"]?{re.escape(key)}['\"]?\s*(?:[=.]|\]+\s*$)")
        for number in range(first, last):
            if pattern.search(self._lines[number]):
                return number + 1
        return first + 1

    def _range(self, nth: int | None) -> tuple[int, int]:
        starts = [*self._starts, len(self._lines)]
        if nth is None:
            return 0, starts[0] if self._starts else len(self._lines)
        if nth >= len(self._starts):
            # Written as rules = [{...}, ...].
            return next(_places(self._lines, r"^\s*rules\s*="), 0), len(self._lines)
        return starts[nth], starts[nth + 1]


def _places(lines: list[str], pattern: str) -> Iterator[int]:
    return (number for number, line in enumerate(lines) if re.search(pattern, line))


# Comments and quoted text are blanked, so that no name is found in them; line breaks stay.
_TEXTS = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"(?!\s*[=.])'
    r"|'[^'\n]*'(?!\s*[=.])"
    r"|#[^\n]*",
    re.DOTALL,
)


def _without_texts(text: str) -> str:
    return _TEXTS.sub(lambda found: "\n" * found[0].count("\n"), text)
