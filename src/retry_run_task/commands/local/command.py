"""``local``: a small running AWS account on this machine, in which every other command can be tried."""

from __future__ import annotations

import json
import shlex
import signal
from typing import TYPE_CHECKING

import click

from retry_run_task.commands.shared import options, talk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.commands.local.account import Account
    from retry_run_task.commands.shared.screen import Screen

PORT = 4799

# Variables of the user's shell that would lead elsewhere, or name something that does not exist here.
UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")

TO_TRY = (
    "status --watch",
    "status nightly-report",
    'pause --schedule data-export --reason "trying it out"',
    "replay --dry-run",
    "audit",
    "verify --task-definition nightly-report",
    "doctor",
    "deploy --dry-run",
)


@click.command()
@click.option(
    "--speed",
    type=click.FloatRange(min=10, max=600),
    default=120,
    show_default=True,
    help="How much faster than real time the night passes.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port on this machine; 0 for a free one.",
)
@options.as_json
def local(speed: float, port: int, as_json: bool) -> int:
    """Start a small AWS account on this machine, to try every command in.

    It has schedules, a night of failures behind it and both functions installed, and it prints what to paste into
    another terminal. Nothing leaves this machine, and no AWS configuration of yours is read. Ctrl-C ends it.
    """
    from retry_run_task.commands.local.account import Account  # noqa: PLC0415 - the other commands start without it
    from retry_run_task.commands.shared.screen import screen  # noqa: PLC0415 - as above

    # Ending it by its process id has the effect of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Account(speed=speed, port=port) as account:
            if as_json:
                click.echo(json.dumps({"environment": account.aws.environment(), "unset": list(UNSET)}))
                signal.pause()
            else:
                out = screen()
                _introduce(out, account)
                _follow(out, account)
    except KeyboardInterrupt:
        if not as_json:
            talk.say("The local AWS has ended.")
    return 0


def pasted(environment: Mapping[str, str]) -> list[str]:
    """Return the lines to paste into a shell."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return [f"unset {' '.join(UNSET)}", *exports]


def _introduce(out: Screen, account: Account) -> None:
    from retry_run_task.commands.local.account import JOBS, NIGHT  # noqa: PLC0415

    minutes = NIGHT.total_seconds() / 60
    words = [
        f"A small AWS account: {len(JOBS)} scheduled jobs, a night of failures, and retry-run-task installed.",
        f"It began {minutes:g} minutes ago and lives {account.speed:g} times faster than you until it has caught up.",
        "",
        "Paste this into another terminal. It leads to this machine alone:",
        "",
        *pasted(account.aws.environment()),
        "",
        "Then try there:",
        "",
        *(f"  retry-run-task {one}" for one in TO_TRY),
        "",
        "Ctrl-C ends it. What happens (UTC):",
        "",
    ]
    for text in words:
        out.print(text, no_wrap=text.startswith(("export ", "unset ")))


def _follow(out: Screen, account: Account) -> None:

    while True:
        line = account.lines.get()
        out.beside(f"{line.at:%H:%M:%S}  {line.who:<12}", talk.shown(line.text))
