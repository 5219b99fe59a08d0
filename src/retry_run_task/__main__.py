"""``python -m retry_run_task``, the same as the command."""

from retry_run_task.cli import main

main()
