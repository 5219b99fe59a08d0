"""The command, run in this process, which is several times as fast as one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

import pytest

from retry_run_task.commands.main import main

Ended = CompletedProcess[str]


def run_here(*arguments: str, env: Mapping[str, str], cwd: Path | str = "/") -> Ended:
    """Run the command where nobody can be asked, in this environment and no other."""
    out, talk = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, env, clear=True),
        mock.patch.object(sys, "argv", ["retry-run-task", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(talk),
        contextlib.chdir(cwd),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return Ended(arguments, int(ended.value.code or 0), out.getvalue(), talk.getvalue())
