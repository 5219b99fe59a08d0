"""``python -m retry_run_task``, the same as the command."""

from retry_run_task.commands.main import main

main()
