"""EventBridge: rules on the default bus, with the part of its pattern language that rules on ECS use.

A pattern is https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html; the implemented operators
are exact values, `prefix`, `suffix`, `anything-but`, `exists` and `$or`. Any other operator is an error when the rule
is created, not a rule that never matches.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]

OPERATORS = frozenset({"prefix", "suffix", "anything-but", "exists"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRule:
    """A rule: a pattern and its target."""

    name: str
    pattern: Mapping[str, Any]
    target: str
    paths: Mapping[str, str] | None = None
    template: str = ""


class Events:
    """The rules of one account and Region; each delivers by invoking a function asynchronously.

    Attributes:
        rules: By name.
        on_event: Called with each event on the bus, for rules created over the API.
    """

    def __init__(self, deliver: Callable[[str, Json], object]) -> None:
        """Begin without rules.

        Args:
            deliver: Takes a function's name or ARN and an event.
        """
        self.rules: dict[str, FunctionRule] = {}
        self.on_event: list[Callable[[Json], object]] = []
        self._deliver = deliver

    def put_rule(
        self,
        name: str,
        pattern: Mapping[str, Any],
        target: str,
        *,
        paths: Mapping[str, str] | None = None,
        template: str = "",
    ) -> None:
        """Send what matches the pattern to a function; replaces the rule of that name.

        Args:
            name: Of the rule.
            pattern: What it matches.
            target: The function.
            paths: Of an input transformer, by variable, such as ``$.detail.taskArn``; None to send events whole.
            template: Of the input transformer.
        """
        check_pattern(pattern)
        self.rules[name] = FunctionRule(
            name=name, pattern=pattern, target=target, paths=paths, template=template
        )

    def publish(self, event: Json) -> None:
        """Put an event on the bus."""
        for rule in list(self.rules.values()):
            if is_match(rule.pattern, event):
                self._deliver(
                    rule.target, transformed(event, rule.paths, rule.template) if rule.paths else event
                )
        for observe in tuple(self.on_event):
            observe(event)


def transformed(event: Json, paths: Mapping[str, str], template: str) -> Json:
    """Return the result of an input transformer.

    Inside quotation marks a variable is its text, and empty if the event lacks it; elsewhere it is JSON.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html

    Raises:
        ValueError: The result is no JSON, and AWS would deliver nothing.
    """
    values = {name: _at(event, path) for name, path in paths.items()}

    def quoted(found: re.Match[str]) -> str:
        value = values[found[1]]
        return f'"{value if value is not None else ""}"'

    text = re.sub(r'"<([\w-]+)>"', quoted, template)
    text = re.sub(r"<([\w-]+)>", lambda found: "" if (v := values[found[1]]) is None else json.dumps(v), text)
    made: Json = json.loads(text)
    return made


def _at(event: Any, path: str) -> Any:
    for name in path.removeprefix("$.").split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event


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
