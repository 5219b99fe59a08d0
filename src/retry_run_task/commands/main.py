"""The commands. One file for each; results go to stdout, talk goes to stderr.

Exit codes: 0 done; 1 started and failed; 2 never started: usage, configuration, an unreadable file;
3 the answer is no; 130 interrupted.
"""

from __future__ import annotations

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
from retry_run_task.commands.policy.command import policy
from retry_run_task.commands.replay.command import replay
from retry_run_task.commands.simulate.command import simulate
from retry_run_task.commands.status.command import status
from retry_run_task.commands.steer.pause import pause
from retry_run_task.commands.steer.resume import resume
from retry_run_task.commands.steer.stop import stop
from retry_run_task.commands.verify.command import verify
from retry_run_task.errors import RetryRunTaskError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="retry-run-task")
def retry_run_task() -> None:
    """Recover scheduled ECS tasks that did not start because AWS was short of capacity."""


for command in (
    demo,
    explain,
    policy,
    simulate,
    doctor,
    deploy,
    verify,
    status,
    stop,
    pause,
    resume,
    replay,
    audit,
    destroy,
):
    retry_run_task.add_command(command)


def main() -> None:
    """Run a command, and turn what a person did wrong into one sentence."""
    try:
        code = retry_run_task(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        code = INTERRUPTED
    except RetryRunTaskError as error:
        click.echo(f"Error: {error}", err=True)
        code = 2
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does. Nothing is left to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
