"""Stories in which everything goes wrong that the model knows: thousands of them, the same ones each time.

``make soak`` plays others for as long as it is given. docs/testing.md says what is looked at, and how to play a
story again.
"""

from __future__ import annotations

from collections import Counter

from support.chronicle import Fault
from support.seasons import play_season

# Many short seasons have more in them than one long one, since Hypothesis likes to go on from what it has drawn before.
SEASONS, RUNS = 8, 100


def test_every_rule_holds_in_every_story() -> None:
    """And the stories are what they are meant to be: no fault has quietly stopped to happen."""
    seasons = [play_season(number, RUNS) for number in range(SEASONS)]
    assert sum(season.runs for season in seasons) >= 0.9 * RUNS * SEASONS
    faults = sum((season.faults for season in seasons), Counter[Fault]())
    assert [fault for fault in Fault if not faults[fault]] == []
