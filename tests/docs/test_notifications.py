"""The page on notifications shows messages as recoveries write them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from docs.markdown_pages import ROOT, Block, Page
from retry_run_task.messages.message import SEVERITIES, Severity

PAGE = Page(ROOT / "docs" / "notifications.md")


def subjects(blocks: Iterable[Block]) -> list[str]:
    return [block.text.splitlines()[0] for block in blocks if block.language in ("text", "json")]


def test_the_samples_are_in_both_languages_and_forms_and_of_both_kinds() -> None:
    """That they are what the code writes is tested in test_reference.py: `make docs` writes them."""
    assert subjects(PAGE.blocks()) == [
        "Subject: DID NOT RUN: nightly in ap-northeast-1",
        "Subject: RUN MISSING: nightly and 1 more in ap-northeast-1",
    ]
    assert subjects(Page(ROOT / "docs" / "reference" / "messages.md").blocks())[-3:] == [
        "Subject: 【未実行】nightly (ap-northeast-1)",
        "Subject: STILL TRYING: nightly in ap-northeast-1",
        "{",
    ]


def test_the_table_of_severities_is_that_of_the_code() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \|", PAGE.text)
    assert {severity: outcomes.strip() for severity, outcomes in rows} == {
        severity.value: ", ".join(o.value for o, its in SEVERITIES.items() if its is severity)
        for severity in Severity
    }
