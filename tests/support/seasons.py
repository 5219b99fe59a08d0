"""Many stories from one number: the tests play a few such seasons, always the same, and ``make soak`` fresh ones."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from support.chronicle import Fault
from support.stories import BOTH, ONE, Story, stories


@dataclass(slots=True, kw_only=True)
class Season:
    """What was played.

    Attributes:
        number: What the stories were drawn from; the same number gives the same stories while the code is the same.
        runs: How many stories there were; those that were played again to make one smaller are not counted.
        seconds: How long they took, with the drawing, on the processor alone.
        faults: How often each fault happened.
    """

    number: int
    runs: int = 0
    seconds: float = 0.0
    faults: Counter[Fault] = field(default_factory=Counter)


# Hypothesis warns of slow stories and large ones; here both are wanted.
_UNCHECKED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


def play_season(number: int, runs: int) -> Season:
    """Play stories, with every rule looked at.

    Raises:
        BrokenError: A rule does not hold. The story is as small as can be, and stands in the notes.
    """
    season = Season(number=number)

    @seed(number)
    @settings(
        max_examples=runs,
        phases=(Phase.generate, Phase.shrink),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=_UNCHECKED,
    )
    @given(story=stories(stacks=(ONE, ONE, BOTH)))
    def play(story: Story) -> None:
        faults = story.play().chronicle.faults
        season.runs += 1
        season.faults.update(faults)

    began = time.process_time()
    play()
    season.seconds = time.process_time() - began
    return season
