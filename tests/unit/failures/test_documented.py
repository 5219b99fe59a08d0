"""AWS's documented lists of reasons and errors: each has a row of the table."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from retry_run_task.failures.classify import classify
from retry_run_task.launch.values import Failure, Origin

PAGES = tomllib.loads((Path(__file__).parents[3] / "tools/documented.toml").read_text(encoding="utf-8"))[
    "page"
]
TEXTS = [
    (Origin(page["origin"]), page.get("prefix", "") + text)
    for page in PAGES
    for text in page.get("texts", ())
]
CODES = [(Origin(page["origin"]), code) for page in PAGES for code in page.get("codes", ())]


@pytest.mark.parametrize(("origin", "text"), TEXTS)
def test_every_documented_text_has_a_row(origin: Origin, text: str) -> None:
    code = "TaskFailedToStart" if origin is Origin.STOPPED else None
    assert classify(Failure(origin=origin, code=code, reason=text)).row != "unknown"


@pytest.mark.parametrize(("origin", "code"), CODES)
def test_every_documented_code_has_a_row(origin: Origin, code: str) -> None:
    assert classify(Failure(origin=origin, code=code)).row != "unknown"


def test_the_lists_are_not_empty() -> None:
    assert len(TEXTS) > 100
    assert len(CODES) > 20
    assert all(page["address"].startswith("https://") for page in PAGES)
