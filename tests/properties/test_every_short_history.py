"""Every history of a launch up to a depth keeps the rules; ``make prove`` goes deeper."""

from __future__ import annotations

import pytest

from retry_run_task.recovery import after
from support.histories import SCOPES, BrokenError, Scope, search


@pytest.mark.parametrize("name", SCOPES)
def test_every_short_history_keeps_the_rules(name: str) -> None:
    scope = SCOPES[name]
    found = search(scope)
    assert found.states > 300
    assert "recovered" in found.ends
    assert ("superseded" in found.ends) is scope.has_next_run


def test_a_rule_that_does_not_hold_is_found_with_the_moves_that_lead_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An attempt that leaves its token after a lost answer."""
    there = after._answered

    def forgets(case: object, state: object, answer: object) -> object:
        then = there(case, state, answer)  # type: ignore[arg-type]
        if type(answer).__name__ != "Lost":
            return then
        return then._replace(
            answered={then.call_id: then.answered.get(then.call_id, 0) + 1}, unsure_since_s=None
        )

    monkeypatch.setattr(after, "_answered", forgets)
    with pytest.raises(BrokenError, match=r"(?s)2 tasks where 1 were asked for, after\n  r0: looks"):
        search(Scope(depth=5))
