"""Ctrl-C in a command that has begun something says what goes on."""

from __future__ import annotations

from typing import Any

import pytest

from retry_run_task.commands.verify import command as verify
from retry_run_task.commands.verify.verification import Reached


class Interrupted:
    """A verification in which a person presses Ctrl-C at a moment."""

    def __init__(self, at: str) -> None:
        self.at = at

    def _press(self, moment: str) -> None:
        if moment == self.at:
            raise KeyboardInterrupt

    def check_filter(self) -> Reached:
        self._press("filter")
        return Reached(stage="matched", what="by f on g")

    def write(self) -> None:
        self._press("write")

    def look(self) -> list[Any]:
        self._press("look")
        return []

    def waits_for(self) -> str:
        return "intake"


@pytest.mark.parametrize(
    ("at", "is_said"), [("filter", False), ("write", True), ("look", True), ("pause", True)]
)
def test_verify_says_that_its_record_stays(
    capsys: pytest.CaptureFixture[str], at: str, is_said: bool
) -> None:
    one: Any = Interrupted(at)

    def pause() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify._follow(one, "retry-run-task-x", timeout_s=60, pause=pause, as_json=False)
    said = capsys.readouterr().err
    assert ("retry-run-task status retry-run-task-x" in said) is is_said
    assert ("retry-run-task stop retry-run-task-x" in said) is is_said
