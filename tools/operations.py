"""Write what the commands print into the pages: every `console` block of docs/operations.md is run again.

The commands are run one after the other in the account that `retry-run-task local` starts, at 80 columns.

.venv/bin/python tools/operations.py
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from retry_run_task.commands.local.account import Account
from retry_run_task.commands.main import retry_run_task

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
COLUMNS = 80
# The night passes so fast that a person can wait for it, and so slowly that there is time for some attempts.
SPEED = 120

_BLOCK = re.compile(r"^```console\n\$ retry-run-task (.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)


def commands(page: str) -> list[tuple[str, str]]:
    """Return the commands of a page, each with what it prints."""
    return _BLOCK.findall(page)


def outputs(page: str) -> Iterator[str]:
    """Yield what the commands of a page print, one after the other in one account."""
    with Account(speed=SPEED) as account:
        while "the night is over" not in account.lines.get(timeout=120).text:
            pass
        env = account.aws.environment() | {"COLUMNS": str(COLUMNS)}
        for command, _ in commands(page):
            # There is no one to ask; what a person answers is not shown.
            words = [*shlex.split(command), *(["--yes"] if "--reason" in command else [])]
            yield CliRunner().invoke(retry_run_task, words, env=env, standalone_mode=False).output


def main() -> int:
    """Write the page."""
    page = PAGE.read_text(encoding="utf-8")
    printed = list(outputs(page))
    text = _BLOCK.sub(lambda block: f"```console\n$ retry-run-task {block[1]}\n{printed.pop(0)}```", page)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
