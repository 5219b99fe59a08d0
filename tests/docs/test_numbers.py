"""Numbers that pages say in words are those of the code: each row is what a page says, made from where it is set."""

from __future__ import annotations

import re

import pytest

from docs.markdown_pages import ROOT, Page
from retry_run_task.commands.main import retry_run_task
from retry_run_task.launch import request
from retry_run_task.launch.values import Category
from retry_run_task.policy.rules import DEADLINE_S, Facts
from retry_run_task.recovery import loop, watching
from retry_run_task.sources import cloudwatch_logs, reading, tasks
from support.policies import DEFAULT

WORDS = {1: "a", 2: "two", 3: "three", 5: "five", 6: "six", 7: "seven"}
LOOK_S = watching.WATCH_FIRST_S
MESSAGES_S = sum(loop.NOTIFY_FIRST_WAIT_S * 2**nth for nth in range(loop.NOTIFY_TRIES - 1))
(SPEED,) = (p.default for p in retry_run_task.commands["demo"].params if p.name == "speed")
TRIES = WORDS[loop.NOTIFY_TRIES]
# Where a number is a link, the page names its source; the text is compared without links.
CLAIMS = [
    ("README.md", f"{SPEED:.0f} times faster than real time"),
    ("README.md", f"follows within {DEFAULT.spread_s:g} seconds"),
    ("docs/concepts.md", "later than a day after the failed call"),
    (
        "docs/concepts.md",
        f"{WORDS[DEFAULT.handling(Facts(), Category.UNKNOWN).attempts or 0]} careful attempts",
    ),
    ("docs/concepts.md", "no later than a day after the failed call"),
    ("docs/concepts.md", f"{WORDS[int(tasks._CLOCKS_DIFFER.total_seconds())]} seconds are allowed"),
    ("docs/concepts.md", f"after {LOOK_S} s, {2 * LOOK_S} s more, and then every minute"),
    ("docs/concepts.md", "After half an hour of looking"),
    ("docs/concepts.md", f"is tried {TRIES} times in about an hour"),
    ("docs/security.md", f"unpacked up to {cloudwatch_logs.UNPACKED_MAX // 2**20} MiB"),
    ("docs/security.md", f"a record is read up to {reading.MESSAGE_MAX // 2**20} MiB"),
    ("docs/security.md", f"requests up to {request.DEPTH_MAX} levels deep"),
    ("docs/security.md", f"at most {request.COUNT_MAX} tasks"),
    ("docs/security.md", "up to a day after it was taken from them"),
]


@pytest.mark.parametrize(("name", "claim"), CLAIMS, ids=lambda text: text[:60])
def test_a_number_in_a_page_is_that_of_the_code(name: str, claim: str) -> None:
    text = re.sub(r"\[([^\[\]]*)\]\([^()\s]+\)", r"\1", Page(ROOT / name).text)
    assert claim in text, f"{name} does not say «{claim}», which is what the code does"


def test_what_is_said_in_hours_and_minutes_is_about_that() -> None:
    """The words a day, an hour and a minute in the claims above."""
    assert DEADLINE_S == 24 * 3600
    assert DEFAULT.watch_s == 1800
    assert watching.WATCH_LONGEST_S == 60
    assert 0.9 < MESSAGES_S / 3600 < 1.1
