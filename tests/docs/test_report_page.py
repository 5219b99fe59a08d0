"""What docs/report.md shows is what the command prints, and the sample is what made it."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from docs.markdown_pages import ROOT, Page
from retry_run_task.commands.main import retry_run_task
from support import nights

SAMPLE = ROOT / "docs" / "assets" / "two-weeks.jsonl.gz"


def test_the_sample_is_what_nights_makes() -> None:
    assert gzip.decompress(SAMPLE.read_bytes()).decode() == "".join(nights.lines())


def test_the_example_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, tmp_path)
    (block,) = Page(ROOT / "docs" / "report.md").blocks("console")
    command, _, output = block.text.partition("\n")
    arguments = command.removeprefix("$ retry-run-task ").split()
    result = CliRunner().invoke(retry_run_task, arguments, env={"COLUMNS": "80"}, catch_exceptions=False)
    printed = "\n".join(line.rstrip() for line in result.stdout.splitlines())
    # The page leaves out advice that repeats another's.
    head, tail = output.rstrip("\n").split("\n...\n")
    assert printed.startswith(head + "\n")
    assert printed.endswith("\n" + tail)
