"""Stories in which everything goes wrong that the model knows: thousands of them, the same ones each time.

``make soak`` plays others for as long as it is given. docs/testing.md says what is looked at, and how to play a
story again.
"""

from __future__ import annotations

import pytest

from support.chronicle import Fault
from support.seasons import play_season

SEASONS = range(1, 7)
RUNS = 500


@pytest.mark.parametrize("number", SEASONS)
def test_every_rule_holds_in_every_story(number: int) -> None:
    """And the stories are what they are meant to be: no fault has quietly stopped to happen."""
    season = play_season(number, RUNS)
    assert season.runs >= RUNS * 0.9
    assert {fault for fault in Fault if not season.faults[fault]} == set()
