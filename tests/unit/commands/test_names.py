"""What else a pattern for rules may match, if an event bus cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from retry_run_task.commands.deploy import patterns
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.names import names_in, rule_names

DENIED = Unknown(action="events:ListRules", why="AccessDeniedException: kms", is_denied=True)


class Buses:
    """Answers with the rules of each bus; of one that is denied with that."""

    def __init__(self, **rules: Any) -> None:
        self._rules = rules

    def read_all(self, action: str, _member: str, /, **call: Any) -> Any:
        if action == "events:ListEventBuses":
            return [{"Name": name} for name in self._rules]
        found = self._rules[call["EventBusName"]]
        return found if isinstance(found, Unknown) else [{"Name": name} for name in found]


def names(**rules: Any) -> Any:
    return rule_names(Buses(**rules))  # type: ignore[arg-type]


def test_a_bus_that_cannot_be_read_hides_no_other() -> None:
    found = names(default=["nightly"], secret=DENIED, orders=["paid"])
    assert found == ("nightly", "secret/(rules that cannot be read)", "orders/paid")


def test_without_the_default_bus_nothing_is_known() -> None:
    """Every rule with a schedule expression is on it."""
    assert names(default=DENIED, orders=["paid"]) is DENIED


def test_a_bus_that_is_read_in_one_region_only_is_not_known() -> None:
    here, there = Buses(default=["a"], orders=["paid"]), Buses(default=["b"], orders=DENIED)
    assert isinstance(names_in("ReadRules", [here, there]), Unknown)  # type: ignore[list-item]
    there = Buses(default=["b"], secret=DENIED)
    assert names_in("ReadRules", [here, there]) == (  # type: ignore[list-item]
        "a",
        "orders/paid",
        "b",
        "secret/(rules that cannot be read)",
    )


@pytest.mark.parametrize(
    ("glob", "is_told"), [("n*", False), ("s*", True), ("*", True), ("secret/*", True), ("secrets*", False)]
)
def test_a_pattern_that_may_match_rules_of_it_is_told(glob: str, is_told: bool) -> None:
    found = names(default=["nightly"], secret=DENIED)
    also = patterns.matched([glob], set(found) - {"nightly"})
    assert bool(also) is is_told
