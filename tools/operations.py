"""Write what the commands print into the pages: every `console` block of PAGES is run again.

The commands are run one after the other in the account that `retry-run-task local` starts, at 80 columns.

.venv/bin/python tools/operations.py
"""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from retry_run_task.commands.local.account import Account
from retry_run_task.commands.main import retry_run_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DOCS = Path(__file__).parents[1] / "docs"
# In this order, since what is started for one page is seen in the next.
PAGES = tuple(DOCS / name for name in ("operations.md", "doctor.md", "install.md"))
# What is answered to a question that is shown; the others are not asked.
ANSWERS = {"verify": "y", "destroy": "n"}
COLUMNS = 80
# The night passes so fast that a person can wait for it, and so slowly that there is time for some attempts.
SPEED = 120

_BLOCK = re.compile(r"^```console\n\$ retry-run-task (.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)


def commands(page: str) -> list[tuple[str, str]]:
    """Return the commands of a page, each with what it prints."""
    return _BLOCK.findall(page)


class _Person(io.BytesIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def outputs(pages: Iterable[str]) -> Iterator[str]:
    """Yield what the commands of the pages print, one after the other in one account."""
    with Account(speed=SPEED) as account:
        while "the night is over" not in account.lines.get(timeout=120).text:
            pass
        env = account.aws.environment() | {"COLUMNS": str(COLUMNS)}
        for command, _ in (found for page in pages for found in commands(page)):
            words = [*shlex.split(command), *(["--yes"] if "--reason" in command else [])]
            person = _Person(f"{ANSWERS.get(words[0], '')}\n".encode())
            done = CliRunner().invoke(retry_run_task, words, input=person, env=env, standalone_mode=False)
            yield done.output


def main() -> int:
    """Write the pages."""
    pages = {path: path.read_text(encoding="utf-8") for path in PAGES}
    printed = list(outputs(pages.values()))
    for path, page in pages.items():
        text = _BLOCK.sub(lambda block: f"```console\n$ retry-run-task {block[1]}\n{printed.pop(0)}```", page)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
