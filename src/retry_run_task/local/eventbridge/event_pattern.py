"""Event patterns: the part of EventBridge's language that rules on ECS use.

A pattern is https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html; the implemented operators
are exact values, `prefix`, `suffix`, `anything-but`, `exists` and `$or`. Any other operator is an error when the rule
is created, not a rule that never matches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATORS = frozenset({"prefix", "suffix", "anything-but", "exists"})


def is_match(pattern: Mapping[str, Any], event: Any) -> bool:
    """Tell whether an event matches a pattern."""
    if isinstance(event, list):
        return any(is_match(pattern, item) for item in event)
    if not isinstance(event, dict):
        return False
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(is_match(choice, event) for choice in wanted):
                return False
        elif isinstance(wanted, list):
            # `exists` applies to leaves only: an object, or a list of objects, has none of its own.
            value = event.get(name)
            leaves = value if isinstance(value, list) else [value] if name in event else []
            leaves = [leaf for leaf in leaves if not isinstance(leaf, dict | list)]
            if not any(_is_allowed(test, leaves) for test in wanted):
                return False
        else:
            # An absent value has no members, which `exists` may test.
            value = event.get(name)
            if not is_match(wanted, {} if value is None else value):
                return False
    return True


def _is_allowed(test: Any, leaves: list[Any]) -> bool:
    if not isinstance(test, dict):
        return any(leaf == test and type(leaf) is type(test) for leaf in leaves)
    (operator, operand), *_ = test.items()
    if operator == "exists":
        return bool(leaves) is operand
    if operator == "anything-but":
        refused = operand if isinstance(operand, list) else [operand]
        return any(leaf not in refused for leaf in leaves)
    texts = [leaf for leaf in leaves if isinstance(leaf, str)]
    if operator == "prefix":
        return any(text.startswith(operand) for text in texts)
    return any(text.endswith(operand) for text in texts)


def check_pattern(pattern: Any) -> None:
    """Refuse a pattern that is invalid, or has an operator that is not modelled.

    Raises:
        ValueError: What is wrong with it.
    """
    if isinstance(pattern, list):
        for item in pattern:
            check_pattern(item) if isinstance(item, list) else _check_test(item)
        return
    if not isinstance(pattern, dict):
        raise ValueError(f"{pattern!r} is not an event pattern: expected an object or a list")  # noqa: TRY004 -- one kind of error for a bad pattern
    for name, wanted in pattern.items():
        if name == "$or":
            for choice in wanted:
                check_pattern(choice)
        else:
            check_pattern(wanted)


def _check_test(test: Any) -> None:
    if isinstance(test, dict) and (len(test) != 1 or not OPERATORS.issuperset(test)):
        raise ValueError(f"the local EventBridge does not know the test {test!r}; it has {sorted(OPERATORS)}")
