"""Checks across the rules of a policy file: unique names, rules without effect, and settings that make no sense."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from retry_run_task.launch.values import CallerKind, Category
from retry_run_task.policy import attempt_times
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.keys import CALLERS, LISTS, SETTINGS
from retry_run_task.policy.rules import (
    AFTER_THE_LAST_ATTEMPT_S,
    ATTEMPTS_MAX,
    EXECUTION_S,
    Match,
    Rule,
    combined,
    is_whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DEADLINE_MAX_S = EXECUTION_S - AFTER_THE_LAST_ATTEMPT_S


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        nth: The rule's index in the file, from 0; None for the file.
        key: The key that it is about.
        what: One sentence, without a full stop.
    """

    nth: int | None
    key: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRule:
    """A rule that was read, without its invalid parts.

    Attributes:
        nth: Its index in the file, from 0.
        keys: The keys that it sets.
        is_sound: Whether it has no problems. If it has, checks across rules skip it: they would report consequences.
        has_sound_match: Whether its match has no problems. If it has, the file's match is narrower than this one.
    """

    nth: int
    rule: Rule
    keys: tuple[str, ...]
    is_sound: bool = True
    has_sound_match: bool = True

    def may_treat(self, match: Match, category: Category) -> bool:
        """Tell whether an invalid part of it may have been a setting for every launch that a match fits."""
        return not self.is_sound and (not self.has_sound_match or _covers(self.rule.match, match, category))


def check(rules: Sequence[ReadRule]) -> Iterator[Finding]:
    """Check rules together; nothing is reported that depends on an invalid part."""
    yield from _check_names(rules)
    yield from _check_reach(rules)
    yield from _check_categories(rules)
    for one in rules:
        yield from _check_sense(rules, one)


def _check_names(rules: Sequence[ReadRule]) -> Iterator[Finding]:
    for name, times in Counter(one.rule.name for one in rules).items():
        if times > 1:
            last = max(one.nth for one in rules if one.rule.name == name)
            yield Finding(last, "name", f"{times} rules have the name {name!r}", "Give each its own.")


def _check_reach(rules: Sequence[ReadRule]) -> Iterator[Finding]:
    """Report rules, and settings of rules, that never take effect because rules above cover them."""
    for place, one in enumerate(rules):
        if not one.is_sound:
            continue
        above = [rule for rule in rules[:place] if rule.has_sound_match]
        hidden = {key: by for key in one.keys if (by := _hidden_by(above, one, SETTINGS[key].attribute))}
        names = _quoted(by for key in hidden for by in hidden[key])
        if hidden and len(hidden) == len(one.keys):
            what = (
                f"rule {one.rule.name!r} cannot be reached: {names} above it set{_s(hidden)} all that it sets"
            )
            yield Finding(one.nth, "name", what, "Move it up, or narrow what stands above it.")
            continue
        for key, by in hidden.items():
            what = (
                f"{key} of rule {one.rule.name!r} has no effect: {_quoted(by)} above it set{_s({key: by})} it"
            )
            yield Finding(one.nth, key, what, "Take it out, or move the rule up.")


def _check_categories(rules: Sequence[ReadRule]) -> Iterator[Finding]:
    for category in Category:
        if any(one.may_treat(Match(), category) for one in rules):
            continue
        for caller in (CallerKind(name) for name in CALLERS):
            general = (
                one.rule
                for one in rules
                if _is_general(one.rule.match) and _includes(one.rule.match, category, caller)
            )
            if not is_whole(combined(general, category)):
                yield Finding(
                    None,
                    "rules",
                    f"category {category} has no handling: nothing says how long to wait after it",
                    "Add a rule that matches it with wait, or with retry = false; the default policy has one.",
                )
                break


def _check_sense(rules: Sequence[ReadRule], one: ReadRule) -> Iterator[Finding]:
    """Check that a rule's effective settings, with those of the rules it combines with, make sense."""
    if one.rule.sets.get("retry") and one.has_sound_match and Category.PERMISSION in one.rule.match.category:
        hint = "Take it out: what was denied is never sent again."
        yield Finding(
            one.nth, "retry", f"rule {one.rule.name!r} retries failures of category permission", hint
        )
    yield from _check_length(one)
    for category in one.rule.match.category or frozenset(Category):
        if any(other.may_treat(one.rule.match, category) for other in rules):
            continue
        whole = combined((r.rule for r in rules if _covers(r.rule.match, one.rule.match, category)), category)
        if not is_whole(whole):
            yield Finding(
                one.nth,
                "name",
                f"rule {one.rule.name!r} retries failures of category {category}, and nothing says how long to wait",
                "Add wait to it, or retry = false, or a category to its match.",
            )
        elif not whole.ignore and whole.retry:
            yield from _check_attempts(one, whole, category)
        if category is Category.CAPACITY:
            yield from _check_rungs(rules, one, whole)


def _check_attempts(one: ReadRule, whole: Any, category: Category) -> Iterator[Finding]:
    if whole.deadline_s > _DEADLINE_MAX_S:
        return
    most = attempt_times.most_attempts(whole)
    if most > ATTEMPTS_MAX:
        yield Finding(
            one.nth,
            next((key for key in ("deadline", "wait") if key in one.keys), "name"),
            f"rule {one.rule.name!r} makes up to {most} attempts at failures of category {category}, and Lambda lets "
            f"an execution make about {ATTEMPTS_MAX}",
            "Give a longer longest wait, an earlier deadline, or a number of attempts.",
        )


def _check_length(one: ReadRule) -> Iterator[Finding]:
    """Check that an execution can live as long as a rule's own deadline."""
    deadline_s = one.rule.sets.get("deadline_s", 0)
    if deadline_s > _DEADLINE_MAX_S:
        yield Finding(
            one.nth,
            "deadline",
            f"rule {one.rule.name!r} has a deadline of {duration_text(deadline_s)}, and an execution may live "
            f"{duration_text(EXECUTION_S)}",
            f"Give at most {duration_text(_DEADLINE_MAX_S)}: after the last attempt there is still a task to watch.",
        )


def _check_rungs(rules: Sequence[ReadRule], one: ReadRule, whole: Any) -> Iterator[Finding]:
    is_all_understood = all(rule.is_sound for rule in rules)
    for kind in LISTS:
        attribute = SETTINGS[kind.value].attribute
        # Reported once, for the rule that has the rung or the list.
        if kind in one.rule.sets.get("rungs", ()) and not getattr(whole, attribute):
            yield Finding(
                one.nth,
                "rungs",
                f"rung {kind} of rule {one.rule.name!r} needs a list, and no rule sets {kind}",
                f"Add {kind} = [...] to the rule.",
            )
        is_named = any(kind in rule.rule.sets.get("rungs", ()) for rule in rules)
        if kind.value in one.keys and is_all_understood and not is_named:
            yield Finding(
                one.nth,
                kind.value,
                f"{kind} of rule {one.rule.name!r} is not used, since no rule's rungs name it",
                f"Add '{kind}' to the rule's rungs, or take the list out.",
            )


def _hidden_by(above: list[ReadRule], one: ReadRule, attribute: str) -> set[str]:
    """Return the rules above that set an attribute first, if together they cover all that a rule matches; else none."""
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
    """Tell whether one match is sure to fit every launch that another fits, for failures of a category."""
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
    """Tell whether a glob is sure to match all that another matches.

    >>> _glob_covers("a*", "ab*"), _glob_covers("ab*", "a*"), _glob_covers("a?", "a*"), _glob_covers("a?", "ab")
    (True, False, False, True)
    """
    if wide == narrow:
        return True
    if not any(sign in narrow for sign in "*?["):
        return fnmatchcase(narrow, wide)
    # Only stars can match the other glob's wildcards, if this one has no others, and the other has no [...].
    return not any(sign in wide for sign in "?[") and "[" not in narrow and fnmatchcase(narrow, wide)


def _quoted(names: Any) -> str:
    ordered = sorted(set(names))
    return f"rule{'s' if len(ordered) > 1 else ''} {', '.join(repr(name) for name in ordered)}"


def _s(hidden: Mapping[str, set[str]]) -> str:
    return "" if len({by for names in hidden.values() for by in names}) > 1 else "s"
