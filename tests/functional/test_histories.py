"""The histories that the tests of `status` read are those that the code makes now."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "unit" / "commands" / "histories"
TOOL = Path(__file__).parents[2] / "tools" / "histories.py"
SPEC = importlib.util.spec_from_file_location("histories", TOOL)
assert SPEC is not None
assert SPEC.loader is not None
histories = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(histories)


def recorded() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}


def test_every_history_has_the_form_that_the_code_gives_it_now() -> None:
    old = recorded()
    new = {name: json.loads(histories.record(name)) for name in histories.STORIES}
    assert sorted(old) == sorted(new)
    for name, content in new.items():
        assert content["execution"]["Status"] == old[name]["execution"]["Status"], name
    # One that is read while it waits may have come a step further.
    seen, known = (
        set().union(*(histories.form(one["events"]) for one in those.values())) for those in (new, old)
    )
    assert (seen - known, known - seen) == (set(), set()), "run `make histories`"


@pytest.mark.parametrize(
    "change",
    [
        ("run-task-1", "call-1"),
        ('\\"crowd\\"', '\\"others\\"'),
        ("Capacity is unavailable", "There is no room"),
        ('"Truncated": false', '"Truncated": true'),
    ],
)
def test_another_name_or_text_is_another_form_and_another_time_is_not(change: tuple[str, str]) -> None:
    text = (FOLDER / "recovered.json").read_text(encoding="utf-8")
    form = histories.form(json.loads(text)["events"])
    assert text.replace(*change) != text
    assert histories.form(json.loads(text.replace(*change))["events"]) != form
    later = text.replace("2026-", "2027-")
    assert histories.form(json.loads(later)["events"]) == form
