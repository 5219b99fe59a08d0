"""The page on notifications shows messages as recoveries write them."""

from __future__ import annotations

import re

from docs.markdown_pages import ROOT, Page
from retry_run_task.messages.message import SEVERITIES, Severity

PAGE = Page(ROOT / "docs" / "notifications.md")
WRITTEN = Page(ROOT / "docs" / "reference" / "messages.md")


def test_the_samples_are_messages_of_the_reference_which_the_code_writes() -> None:
    shown = [block for block in PAGE.blocks() if block.language in ("text", "json")]
    assert [block.language for block in shown] == ["text", "text", "json"]
    assert [block for block in shown if block not in WRITTEN.blocks()] == []
    assert ["【" in block.text for block in shown] == [False, True, False]


def test_the_table_of_severities_is_that_of_the_code() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \|", PAGE.text)
    assert {severity: outcomes.strip() for severity, outcomes in rows} == {
        severity.value: ", ".join(o.value for o, its in SEVERITIES.items() if its is severity)
        for severity in Severity
    }
