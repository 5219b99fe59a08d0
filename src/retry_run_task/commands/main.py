"""The commands. One folder for each; results go to stdout, notes go to stderr."""

from __future__ import annotations

import io
import os
import sys

import click

from retry_run_task import __version__
from retry_run_task.commands.audit.command import audit
from retry_run_task.commands.demo.command import demo
from retry_run_task.commands.deploy.command import deploy
from retry_run_task.commands.destroy.command import destroy
from retry_run_task.commands.doctor.command import doctor
from retry_run_task.commands.explain.command import explain
from retry_run_task.commands.local.command import local
from retry_run_task.commands.policy.command import policy
from retry_run_task.commands.replay.command import replay
from retry_run_task.commands.report.command import report
from retry_run_task.commands.shared.wrapping import echo
from retry_run_task.commands.simulate.command import simulate
from retry_run_task.commands.status.command import status
from retry_run_task.commands.steer.command import pause, resume, stop
from retry_run_task.commands.verify.command import verify
from retry_run_task.errors import RetryRunTaskError

INTERRUPTED = 130

EXIT_CODES = (
    (0, "done"),
    (1, "started, and failed"),
    (2, "not started: a wrong option, a missing setting, a file that cannot be read"),
    (3, "the answer is no: a check failed, a run is missing, or you said no"),
    (INTERRUPTED, "interrupted"),
)
"""The exit codes of every command."""


class _Commands(click.Group):
    """The commands in the order of their use, each with its whole first sentence."""

    groups: tuple[tuple[str, tuple[click.Command, ...]], ...] = ()

    def add_groups(self, *groups: tuple[str, tuple[click.Command, ...]]) -> None:
        """Add commands, under headings."""
        self.groups = groups
        for _, commands in groups:
            for one in commands:
                self.add_command(one)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of their use, for completion."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write each group, and the exit codes that all have in common."""
        for heading, commands in self.groups:
            with formatter.section(heading):
                formatter.write_dl([(one.name or "", one.get_short_help_str(limit=200)) for one in commands])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES])


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, "-v", "--version", prog_name="retry-run-task")
def retry_run_task() -> None:
    """Recover scheduled ECS tasks that did not start because AWS was short of capacity."""


@click.command("help")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help_(context: click.Context, names: tuple[str, ...]) -> None:
    """Show this, or the help of a command.

    \b
    To have the shell complete commands, options and choices (bash; zsh and fish have zsh_source and fish_source):
      eval "$(_RETRY_RUN_TASK_COMPLETE=bash_source retry-run-task)"
    """  # noqa: D301 - click's mark for text that keeps its lines
    above, command = context.find_root(), context.find_root().command
    for name in names:
        found = command.get_command(above, name) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"There is no command {' '.join(names)!r}.", ctx=above)
        command, above = found, click.Context(found, info_name=name, parent=above)
    click.echo(command.get_help(above))


GROUPS = (
    ("Try it on this machine", (demo, local, explain, simulate)),
    ("Install", (doctor, deploy, verify, policy, destroy)),
    ("Operate", (status, stop, pause, resume, replay, audit, report)),
    ("Help", (help_,)),
)
retry_run_task.add_groups(*GROUPS)


def _show(error: click.ClickException) -> None:
    """Print an error of click's, wrapped."""
    text = io.StringIO()
    error.show(text)
    echo(text.getvalue().rstrip("\n"), err=True)


def main() -> None:
    """Run a command, and turn a user's error into one sentence."""
    try:
        code = retry_run_task(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        _show(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        code = INTERRUPTED
    except RetryRunTaskError as error:
        echo(f"Error: {error}", err=True)
        code = 2
    except BrokenPipeError:
        # The reader of our output has closed it, as `head` does, so nothing more can be reported.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
