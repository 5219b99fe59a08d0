"""The pages about installing and operating show what the commands print, but for times, ids and numbers of attempts."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from retry_run_task.commands.deploy import template
from retry_run_task.errors import ConfigError

TOOL = Path(__file__).parents[2] / "tools" / "operations.py"
SPEC = importlib.util.spec_from_file_location("operations", TOOL)
assert SPEC is not None
assert SPEC.loader is not None
operations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(operations)

# What differs from night to night.
VARIES = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\breport-\d{8}-[0-9a-f]+\b"), "ID"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b|\b\d\d:\d\d(:\d\d)?\b"), "TIME"),
    (re.compile(r"cron\(\d+ \d+ "), "cron(M H "),
    (re.compile(r"\b\d+ (s|min|h|d)( \d+ (s|min))?\b|\bnow\b"), "AGE"),
    (re.compile(r"\bin AGE\b"), "AGE"),
    (re.compile(r"\b\d+\b"), "N"),
    (re.compile(r"\b(trying|waiting)\b"), "waiting"),
    (re.compile(r" +"), " "),
)


def steady(text: str) -> set[str]:
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return {line.strip() for line in text.splitlines() if line.strip()}


def is_built() -> bool:
    """Tell whether there is something to deploy; a source tree has no zip."""
    try:
        template.check_carried()
    except ConfigError:
        return False
    return True


def test_the_pages_show_what_the_commands_print() -> None:
    pages = [path.read_text(encoding="utf-8") for path in operations.PAGES]
    shown = [block for page in pages for block in operations.commands(page)]
    assert len(shown) >= 10
    for (command, text), printed in zip(shown, operations.outputs(pages), strict=True):
        if command.startswith("deploy ") and not is_built():
            continue
        assert steady(text) == steady(printed), f"{command}: run `make docs`"


@pytest.mark.parametrize("change", [("gave up", "gave in"), ("3 gave", "gave"), ("seen", "")])
def test_another_word_is_seen(change: tuple[str, str]) -> None:
    """The comparison leaves out numbers, and no word."""
    text = "gave up  nightly  3 gave up at 16:20, nobody has seen 97fa0e12"
    assert steady(text) != steady(text.replace(*change))
    assert steady(text) == steady("gave up nightly 17 gave up at 03:01, nobody has seen 0a1b2c3d")
