"""Policies for tests: a handling for each category, and nothing of the shipped file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from retry_run_task.config import read_policy
from retry_run_task.launch.values import Category
from retry_run_task.policy.rules import Facts, Handling, Match, Policy, Rule


def _plain(rule: Rule) -> Rule:
    sets = {name: value for name, value in rule.sets.items() if name != "rungs"}
    if "wait" in sets:
        sets["wait"] = replace(sets["wait"], slow_after_s=None, slow_s=0)
    if "deadline_s" in sets:
        sets |= {"deadline_s": 6 * 3600, "early_s": None}
    return replace(rule, sets=sets)


DEFAULT = read_policy()

# The rules of a policy file. Line 1 is empty, line 2 is `spread`, and the rules begin at 3, 8, 12 and 16.
BASE = """
spread = "10 s"
[[rules]]
name = "capacity"
match = { category = "capacity" }
wait = { first = "15 s", longest = "1 min" }
rungs = ["as-asked", "each-subnet"]
[[rules]]
name = "others"
match = { category = ["throttle", "transient", "unknown"] }
wait = { first = "5 s", longest = "2 min" }
[[rules]]
name = "persons"
match = { category = ["configuration", "permission"] }
retry = false
[[rules]]
name = "everything"
deadline = "6 h"
"""

# The shipped policy, for six hours, at once, as it was asked and without an early message: for tests of everything
# but that.
PLAIN = replace(DEFAULT, spread_s=0, watch_s=3600, rules=tuple(_plain(rule) for rule in DEFAULT.rules))


def changed(policy: Policy = PLAIN, *, category: Category | None = None, **sets: Any) -> Policy:
    """Return a policy that says something else first, for a category or for all."""
    match = Match(category=frozenset({category} if category else ()))
    return replace(policy, rules=(Rule(name="changed", match=match, sets=sets), *policy.rules))


def by_category(rules: Mapping[Category, Mapping[str, Any]], *, watch_s: float = 3600, **sets: Any) -> Policy:
    """Return a policy with a rule for each category, named after it, and the settings that all have."""
    return Policy(
        rules=(
            *(
                Rule(name=category.value, match=Match(category=frozenset({category})), sets=own)
                for category, own in rules.items()
            ),
            *((Rule(name="everything", sets=sets),) if sets else ()),
        ),
        watch_s=watch_s,
    )


def handling(policy: Policy, category: Category) -> Handling:
    """Return what nobody in particular gets."""
    return policy.handling(Facts(), category)
